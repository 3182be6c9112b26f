//! Text to records (RFC 4180, and its dialects): fields, quotes, line ends.

use super::{MOST_COLUMNS, MOST_FIELD_BYTES};
use crate::warning::Warnings;

/// One row.
#[derive(Debug)]
pub(super) struct Record {
    /// The line that it begins in, from 1.
    pub(super) line: u64,
    pub(super) bytes: usize,
    pub(super) fields: Vec<String>,
}

/// What stands at the beginning of a text.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Scan {
    /// A record, of so many bytes and line ends.
    Record {
        fields: Vec<String>,
        bytes: usize,
        lines: u64,
    },
    /// The text ends before the record does, and there is more.
    More,
    /// Nothing, and nothing follows.
    End,
    TooManyColumns,
    /// A quote is not closed before the end, or within a field's limit.
    OpenQuote,
}

/// Reads the record that a text begins with; `ends` when nothing follows the text.
pub(super) fn scan(text: &str, ends: bool, delimiter: u8, warnings: &mut Warnings) -> Scan {
    if text.is_empty() {
        return if ends { Scan::End } else { Scan::More };
    }
    let bytes = text.as_bytes();
    let mut fields = Vec::new();
    let mut at = 0;
    loop {
        if fields.len() == MOST_COLUMNS {
            return Scan::TooManyColumns;
        }
        let (field, end) = if bytes.get(at) == Some(&b'"') {
            match quoted(text, at, ends, delimiter, warnings) {
                Ok(read) => read,
                Err(stop) => return stop,
            }
        } else {
            let end = plain_end(bytes, at, delimiter);
            if end - at > MOST_FIELD_BYTES {
                return Scan::OpenQuote;
            }
            (text[at..end].to_owned(), end)
        };
        fields.push(field);
        match bytes.get(end) {
            Some(byte) if *byte == delimiter => at = end + 1,
            // What follows a return decides whether it is half of a line end.
            Some(b'\r') if end + 1 == bytes.len() && !ends => return Scan::More,
            Some(byte) => {
                let length = if *byte == b'\r' && bytes.get(end + 1) == Some(&b'\n') { 2 } else { 1 };
                let used = end + length;
                return Scan::Record { fields, bytes: used, lines: line_ends(&bytes[..used]) };
            }
            None if ends => return Scan::Record { fields, bytes: end, lines: line_ends(bytes) },
            None => return Scan::More,
        }
    }
}

/// A field that begins with a quote, and where it ends. Text behind the closing quote belongs to it.
fn quoted(
    text: &str,
    start: usize,
    ends: bool,
    delimiter: u8,
    warnings: &mut Warnings,
) -> Result<(String, usize), Scan> {
    let bytes = text.as_bytes();
    let mut field = String::new();
    let mut at = start + 1;
    loop {
        let Some(length) = memchr::memchr(b'"', &bytes[at..]) else {
            let too_long = field.len() + bytes.len() - at > MOST_FIELD_BYTES;
            return Err(if ends || too_long { Scan::OpenQuote } else { Scan::More });
        };
        field.push_str(&text[at..at + length]);
        if field.len() > MOST_FIELD_BYTES {
            return Err(Scan::OpenQuote);
        }
        at += length + 1;
        match bytes.get(at) {
            Some(b'"') => {
                field.push('"');
                at += 1;
            }
            None if !ends => return Err(Scan::More),
            _ => break,
        }
    }
    let end = plain_end(bytes, at, delimiter);
    if end > at {
        warnings.add("csv.after_quote", || format!("{:?} stands behind a closing quote", &text[at..end]));
        field.push_str(&text[at..end]);
    }
    Ok((field, end))
}

/// Where a field without quotes ends. A quote within it is text.
fn plain_end(bytes: &[u8], at: usize, delimiter: u8) -> usize {
    memchr::memchr3(delimiter, b'\n', b'\r', &bytes[at..]).map_or(bytes.len(), |length| at + length)
}

/// Line ends of whatever kind.
fn line_ends(bytes: &[u8]) -> u64 {
    let returns = memchr::memchr_iter(b'\r', bytes).filter(|at| bytes.get(at + 1) != Some(&b'\n')).count();
    (memchr::memchr_iter(b'\n', bytes).count() + returns) as u64
}
