//! Text to records (RFC 4180, and its dialects): fields, quotes, line ends.

use super::MOST_COLUMNS;
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
    /// The text ends before the record does, and there is more; a quote is open or not.
    More {
        quoted: bool,
    },
    /// Nothing, and nothing follows.
    End,
    TooManyColumns,
    /// A quote is not closed before the end.
    OpenQuote,
}

/// Reads the record that a text begins with; `ends` when nothing follows the text. What is odd is told only of a record
/// that is whole: one that is cut is read again.
pub(super) fn scan(text: &str, ends: bool, delimiter: u8, warnings: &mut Warnings) -> Scan {
    if text.is_empty() {
        return if ends { Scan::End } else { Scan::More { quoted: false } };
    }
    let bytes = text.as_bytes();
    let mut fields = Vec::new();
    let mut after_quotes: Vec<&str> = Vec::new();
    let mut at = 0;
    let used = loop {
        if fields.len() == MOST_COLUMNS {
            return Scan::TooManyColumns;
        }
        let (field, end) = if bytes.get(at) == Some(&b'"') {
            match quoted(text, at, ends, delimiter) {
                Ok(Quoted { field, after_quote, end }) => {
                    after_quotes.extend(Some(after_quote).filter(|text| !text.is_empty()));
                    (field, end)
                }
                Err(stop) => return stop,
            }
        } else {
            let end = plain_end(bytes, at, delimiter);
            (text[at..end].to_owned(), end)
        };
        fields.push(field);
        match bytes.get(end) {
            Some(byte) if *byte == delimiter => at = end + 1,
            // What follows a return decides whether it is half of a line end.
            Some(b'\r') if end + 1 == bytes.len() && !ends => return Scan::More { quoted: false },
            Some(b'\r') if bytes.get(end + 1) == Some(&b'\n') => break end + 2,
            Some(_) => break end + 1,
            None if ends => break end,
            None => return Scan::More { quoted: false },
        }
    };
    if let Some(first) = after_quotes.first() {
        let count = u32::try_from(after_quotes.len()).unwrap_or(u32::MAX);
        warnings.add_many("csv.after_quote", count, || format!("{first:?} stands behind a closing quote"));
    }
    Scan::Record { fields, bytes: used, lines: line_ends(&bytes[..used]) }
}

/// A field that begins with a quote.
struct Quoted<'a> {
    field: String,
    /// The text behind its closing quote, which belongs to it.
    after_quote: &'a str,
    end: usize,
}

fn quoted(text: &str, start: usize, ends: bool, delimiter: u8) -> Result<Quoted<'_>, Scan> {
    let bytes = text.as_bytes();
    let mut field = String::new();
    let mut at = start + 1;
    loop {
        let Some(length) = memchr::memchr(b'"', &bytes[at..]) else {
            return Err(if ends { Scan::OpenQuote } else { Scan::More { quoted: true } });
        };
        field.push_str(&text[at..at + length]);
        at += length + 1;
        match bytes.get(at) {
            Some(b'"') => {
                field.push('"');
                at += 1;
            }
            None if !ends => return Err(Scan::More { quoted: true }),
            _ => break,
        }
    }
    let end = plain_end(bytes, at, delimiter);
    let after_quote = &text[at..end];
    field.push_str(after_quote);
    Ok(Quoted { field, after_quote, end })
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
