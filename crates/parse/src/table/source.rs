//! A table's bytes as text, decoded as they are needed.

use std::io::Read;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, Encoding, UTF_8};

use super::TableError;
use crate::charset;
use crate::warning::Warnings;

/// How much is read at once, and how much the encoding and the delimiter are judged by.
const PIECE: usize = 64 * 1024;

/// Text with room for one record and a piece.
pub(super) struct Source<R> {
    bytes: R,
    decoder: Decoder,
    /// Decoded and not yet taken, from `at` on.
    text: String,
    at: usize,
    line: u64,
    ends: bool,
    /// Bytes that had no meaning.
    undecodable: u32,
}

impl<R: Read> Source<R> {
    pub(super) fn begin(mut bytes: R, label: Option<&str>, warnings: &mut Warnings) -> Result<Self, TableError> {
        let first = read_piece(&mut bytes, PIECE)?;
        let (encoding, marked) = encoding_of(&first, label, warnings)?;
        let mut source = Self {
            bytes,
            decoder: encoding.new_decoder_without_bom_handling(),
            text: String::new(),
            at: 0,
            line: 1,
            ends: false,
            undecodable: 0,
        };
        source.push(&first[marked..], first.len() < PIECE);
        Ok(source)
    }

    /// What was not taken yet.
    pub(super) fn text(&self) -> &str {
        &self.text[self.at..]
    }

    pub(super) fn at_end(&self) -> bool {
        self.ends
    }

    /// The line that the text begins in, from 1.
    pub(super) fn line(&self) -> u64 {
        self.line
    }

    pub(super) fn take(&mut self, bytes: usize, lines: u64) {
        self.at += bytes;
        self.line += lines;
    }

    /// What was taken last, of so many bytes; there until more is read.
    pub(super) fn taken(&self, bytes: usize) -> &str {
        &self.text[self.at - bytes..self.at]
    }

    /// Gives the text another number for its line.
    pub(super) fn number_lines_from(&mut self, line: u64) {
        self.line = line;
    }

    /// Takes the line that the text begins in, whatever it holds; its text with its end, unless it is longer than that.
    pub(super) fn take_line(&mut self, most: usize) -> Result<Option<String>, TableError> {
        let mut is_whole = true;
        loop {
            let text = self.text();
            let end = memchr::memchr2(b'\n', b'\r', text.as_bytes());
            let end = match end {
                // What follows a return decides whether it is half of a line end.
                Some(at) if text[at..] == *"\r" && !self.ends => None,
                Some(at) => Some(at + if text[at..].starts_with("\r\n") { 2 } else { 1 }),
                None if self.ends => Some(text.len()),
                None => None,
            };
            if let Some(end) = end {
                self.take(end, 1);
                return Ok(is_whole.then(|| self.taken(end).to_owned()));
            }
            if text.len() > most {
                is_whole = false;
                // The last byte may be a return.
                let kept = usize::from(text.ends_with('\r'));
                let length = text.len() - kept;
                self.take(length, 0);
            }
            self.fill()?;
        }
    }

    /// Reads on: as much as there is already, so that a long record is not looked at once for each piece.
    pub(super) fn fill(&mut self) -> Result<(), TableError> {
        self.text.drain(..self.at);
        self.at = 0;
        let wanted = self.text.len().max(PIECE);
        let piece = read_piece(&mut self.bytes, wanted)?;
        self.push(&piece, piece.len() < wanted);
        Ok(())
    }

    pub(super) fn warn(&mut self, warnings: &mut Warnings) {
        charset::warn_of_undecodable(std::mem::take(&mut self.undecodable), self.decoder.encoding(), warnings);
    }

    fn push(&mut self, piece: &[u8], ends: bool) {
        self.ends = ends;
        let count = charset::decode_into(&mut self.decoder, piece, ends, &mut self.text);
        self.undecodable = self.undecodable.saturating_add(count);
    }
}

impl<R> std::fmt::Debug for Source<R> {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Source").field("line", &self.line).field("ends", &self.ends).finish_non_exhaustive()
    }
}

/// So many bytes, or fewer at the end.
fn read_piece(bytes: &mut impl Read, wanted: usize) -> Result<Vec<u8>, TableError> {
    let mut piece = Vec::with_capacity(wanted);
    bytes.by_ref().take(wanted as u64).read_to_end(&mut piece)?;
    Ok(piece)
}

/// The encoding, and the length of its mark: what a mark says, else what was said, else UTF-8, else what it looks like.
fn encoding_of(
    first: &[u8],
    label: Option<&str>,
    warnings: &mut Warnings,
) -> Result<(&'static Encoding, usize), TableError> {
    if matches!(first, [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..]) {
        return Err(TableError::Encoding("it is UTF-32".to_owned()));
    }
    if let Some(found) = Encoding::for_bom(first) {
        return Ok(found);
    }
    if let Some(label) = label {
        let found = Encoding::for_label(label.as_bytes());
        return found
            .map(|found| (found, 0))
            .ok_or_else(|| TableError::Encoding(format!("no encoding is called {label:?}")));
    }
    // A character may be cut at the end of the piece.
    let cut = std::str::from_utf8(first).err();
    if cut.is_none_or(|error| error.error_len().is_none()) {
        return Ok((UTF_8, 0));
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(first, true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    warnings.add("encoding.mismatch", || format!("the table names no encoding and was read as {}", guess.name()));
    Ok((guess, 0))
}
