//! Bytes in pieces to lines.

use memchr::memchr;

/// The most bytes of a line: one that never ends is not gathered for ever.
pub(super) const MOST_LINE_BYTES: usize = 16 * 1024 * 1024;
/// As much of a line that is too long as is shown.
const SHOWN: usize = 512;

/// A line without its end.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Line<'a> {
    Text(&'a str),
    /// Not in UTF-8; what it looks like.
    Undecodable(String),
    /// Longer than [`MOST_LINE_BYTES`]; how it begins.
    TooLong(String),
}

/// Cuts bytes into lines, whatever pieces they come in.
#[derive(Debug, Default)]
pub(super) struct Cutter {
    /// The beginning of a line whose end has not come.
    rest: Vec<u8>,
    /// Lines that ended.
    ended: u64,
    /// The line under way is too long, and was told.
    skips: bool,
}

impl Cutter {
    /// Tells every line that ends in this piece, with its number from 1.
    pub(super) fn push(&mut self, mut piece: &[u8], mut tell: impl FnMut(u64, Line<'_>)) {
        while let Some(end) = memchr(b'\n', piece) {
            let line = &piece[..end];
            piece = &piece[end + 1..];
            let number = self.ended + 1;
            if std::mem::take(&mut self.skips) {
                // It was told when it became too long.
            } else if self.rest.is_empty() && line.len() <= MOST_LINE_BYTES {
                tell(number, read(number, line));
            } else {
                self.gather(line, &mut tell);
                if !std::mem::take(&mut self.skips) {
                    tell(number, read(number, &self.rest));
                }
            }
            self.rest.clear();
            self.ended = number;
        }
        if !self.skips {
            self.gather(piece, &mut tell);
        }
    }

    /// Tells the last line, when it has no end.
    pub(super) fn end(&mut self, tell: impl FnOnce(u64, Line<'_>)) {
        if !self.rest.is_empty() && !self.skips {
            self.ended += 1;
            tell(self.ended, read(self.ended, &self.rest));
        }
        self.rest.clear();
    }

    /// Lines that were told whole.
    pub(super) fn ended(&self) -> u64 {
        self.ended
    }

    fn gather(&mut self, piece: &[u8], tell: &mut impl FnMut(u64, Line<'_>)) {
        if self.rest.len() + piece.len() > MOST_LINE_BYTES {
            self.rest.extend_from_slice(&piece[..piece.len().min(SHOWN)]);
            self.rest.truncate(SHOWN);
            tell(self.ended + 1, Line::TooLong(String::from_utf8_lossy(&self.rest).into_owned()));
            self.rest = Vec::new();
            self.skips = true;
        } else {
            self.rest.extend_from_slice(piece);
        }
    }
}

/// A line as text, without a return before its end and without a byte-order mark before the first.
fn read(number: u64, line: &[u8]) -> Line<'_> {
    let line = line.strip_suffix(b"\r").unwrap_or(line);
    match std::str::from_utf8(line) {
        Ok(text) if number == 1 => Line::Text(text.strip_prefix('\u{FEFF}').unwrap_or(text)),
        Ok(text) => Line::Text(text),
        Err(_) => Line::Undecodable(String::from_utf8_lossy(&line[..line.len().min(SHOWN)]).into_owned()),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn lines(pieces: &[&[u8]]) -> Vec<(u64, String)> {
        let (mut cutter, mut told) = (Cutter::default(), Vec::new());
        let shown = |line: Line<'_>| match line {
            Line::Text(text) => text.to_owned(),
            Line::Undecodable(beginning) => format!("? {beginning}"),
            Line::TooLong(beginning) => format!("long {}", beginning.len()),
        };
        for piece in pieces {
            cutter.push(piece, |number, line| told.push((number, shown(line))));
        }
        cutter.end(|number, line| told.push((number, shown(line))));
        told
    }

    #[test]
    fn lines_are_the_same_whatever_pieces_they_come_in() {
        let bytes = "\u{FEFF}a\r\n\nbé\nc".as_bytes();
        let expected: Vec<(u64, String)> =
            [(1, "a"), (2, ""), (3, "bé"), (4, "c")].map(|(number, text)| (number, text.to_owned())).to_vec();
        for size in 1..=bytes.len() {
            let pieces: Vec<&[u8]> = bytes.chunks(size).collect();
            assert_eq!(lines(&pieces), expected, "in pieces of {size}");
        }
    }

    #[test]
    fn a_line_that_is_no_text_is_told_as_such() {
        assert_eq!(lines(&[b"a\n\xFFb\nc\n"])[1], (2, "? \u{FFFD}b".to_owned()));
    }

    #[test]
    fn a_line_that_does_not_end_costs_itself_only() {
        let endless = vec![b'x'; MOST_LINE_BYTES / 2 + 1];
        let told = lines(&[b"a\n", &endless, &endless, &endless, b"x\nb\n", &endless, &endless]);
        let expected = [(1, "a"), (2, "long 512"), (3, "b"), (4, "long 512")];
        assert_eq!(told, expected.map(|(number, text)| (number, text.to_owned())));
        let whole = [vec![b'x'; MOST_LINE_BYTES + 1], b"\nb\n".to_vec()].concat();
        assert_eq!(lines(&[&whole]), [(1, "long 512".to_owned()), (2, "b".to_owned())]);
    }
}
