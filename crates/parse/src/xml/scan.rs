//! Cuts text into tags and what is between them.

use memchr::{memchr, memchr2, memmem};

/// A piece of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Token<'a> {
    Start {
        name: &'a str,
        attributes: &'a str,
        empty: bool,
    },
    End(&'a str),
    Text(&'a str),
    /// CDATA.
    Verbatim(&'a str),
    /// What stands between `<!DOCTYPE` and its end.
    Doctype(&'a str),
    /// `<?xml … ?>`
    Declaration,
    /// A comment, a processing instruction, or something that has no meaning.
    Nothing,
}

/// Where a document is read; see the module.
#[derive(Debug)]
pub(super) struct Scanner<'a> {
    text: &'a str,
    at: usize,
    cut: bool,
    lenient: u32,
    /// There is no `?>` from here on: looked for once.
    no_instruction_ends: bool,
    /// Bytes that were looked at for the end of tags that proved to be text.
    in_vain: usize,
}

impl<'a> Scanner<'a> {
    pub(super) fn new(text: &'a str) -> Self {
        Self { text, at: 0, cut: false, lenient: 0, no_instruction_ends: false, in_vain: 0 }
    }

    pub(super) fn offset(&self) -> usize {
        self.at
    }

    /// Goes on at that offset, which is not before this one and where a character begins.
    pub(super) fn jump(&mut self, to: usize) {
        debug_assert!(to >= self.at && self.text.is_char_boundary(to), "a jump goes on to a character");
        self.at = to;
    }

    pub(super) fn is_cut(&self) -> bool {
        self.cut
    }

    /// Notes that the text ends too early.
    pub(super) fn cut(&mut self) {
        self.cut = true;
    }

    pub(super) fn lenient(&self) -> u32 {
        self.lenient
    }

    pub(super) fn next(&mut self) -> Option<Token<'a>> {
        let rest = self.rest();
        if rest.is_empty() {
            return None;
        }
        if rest[0] != b'<' {
            return Some(self.text(0));
        }
        match rest.get(1) {
            Some(b'/') => Some(self.end()),
            Some(b'!') => Some(self.declaration()),
            Some(b'?') => Some(self.instruction()),
            Some(byte) if begins_name(*byte) => Some(self.start()),
            _ => {
                self.lenient += 1;
                Some(self.text(1))
            }
        }
    }

    fn rest(&self) -> &'a [u8] {
        &self.text.as_bytes()[self.at..]
    }

    /// Takes `length` bytes, which end at a character's end.
    fn take(&mut self, length: usize) -> &'a str {
        let taken = &self.text[self.at..self.at + length];
        self.at += length;
        taken
    }

    /// Text to the next `<` that is not among the first `skip` bytes.
    fn text(&mut self, skip: usize) -> Token<'a> {
        let rest = &self.rest()[skip..];
        let length = memchr(b'<', rest).unwrap_or(rest.len());
        Token::Text(self.take(skip + length))
    }

    fn start(&mut self) -> Token<'a> {
        let rest = self.rest();
        let name_end = 1 + name_length(&rest[1..]);
        // A `<` in a quoted value is read over, unless that was in vain for as many bytes as there are: else each of many
        // tags could be looked at to the end of the text.
        let quotes = if self.in_vain > self.text.len() { Quotes::EndAtTags } else { Quotes::HoldTags };
        match tag_end(rest, name_end, quotes) {
            TagEnd::At(end) => {
                let source = self.take(end + 1);
                let mut attributes = source[name_end..end].trim_ascii();
                let empty = ends_itself(attributes);
                if empty {
                    attributes = attributes[..attributes.len() - 1].trim_ascii_end();
                }
                Token::Start { name: &source[1..name_end], attributes, empty }
            }
            TagEnd::Broken(end) => {
                self.lenient += 1;
                let source = self.take(end + 1);
                Token::Start {
                    name: &source[1..name_end],
                    attributes: source[name_end..end].trim_ascii(),
                    empty: false,
                }
            }
            // Another `<` comes before the end: this one was text.
            TagEnd::Other(end) => {
                self.in_vain += end;
                self.lenient += 1;
                self.text(1)
            }
            TagEnd::None => self.end_of_text(),
        }
    }

    fn end(&mut self) -> Token<'a> {
        let rest = &self.rest()[2..];
        let Some(length) = memchr2(b'>', b'<', rest) else {
            return self.end_of_text();
        };
        let closed = rest[length] == b'>';
        self.lenient += u32::from(!closed);
        let source = self.take(2 + length + usize::from(closed));
        let name = source[2..2 + length].trim_ascii();
        Token::End(&name[..name_length(name.as_bytes())])
    }

    /// The text ends inside a piece: that piece says nothing.
    fn end_of_text(&mut self) -> Token<'a> {
        self.cut = true;
        self.at = self.text.len();
        Token::Nothing
    }

    /// `<!--`, `<![CDATA[`, `<!DOCTYPE` or something like them.
    fn declaration(&mut self) -> Token<'a> {
        let rest = self.rest();
        if rest.starts_with(b"<!--") {
            return self.skip_to(b"-->", 4);
        }
        if rest.starts_with(b"<![CDATA[") {
            self.at += 9;
            let rest = self.rest();
            if let Some(length) = memmem::find(rest, b"]]>") {
                let verbatim = self.take(length);
                self.at += 3;
                return Token::Verbatim(verbatim);
            }
            self.cut = true;
            return Token::Verbatim(self.take(rest.len()));
        }
        if rest.get(2..9).is_some_and(|word| word.eq_ignore_ascii_case(b"doctype")) {
            return self.doctype();
        }
        self.lenient += 1;
        self.skip_to(b">", 2)
    }

    fn doctype(&mut self) -> Token<'a> {
        let rest = self.rest();
        let (mut at, mut subset) = (9, false);
        while let Some(byte) = rest.get(at) {
            match byte {
                b'[' => subset = true,
                b']' => subset = false,
                b'>' if !subset => {
                    let source = self.take(at + 1);
                    return Token::Doctype(source[9..at].trim_ascii());
                }
                b'<' if rest[at..].starts_with(b"<!--") => {
                    at += memmem::find(&rest[at..], b"-->").unwrap_or(rest.len() - at);
                }
                b'"' | b'\'' if subset => {
                    at += 1 + memchr(*byte, &rest[at + 1..]).unwrap_or(rest.len() - at - 1);
                }
                _ => {}
            }
            at += 1;
        }
        self.end_of_text()
    }

    fn instruction(&mut self) -> Token<'a> {
        let rest = self.rest();
        let is_declaration = rest.get(2..5).is_some_and(|target| target.eq_ignore_ascii_case(b"xml"))
            && rest.get(5).is_some_and(u8::is_ascii_whitespace);
        let end = if self.no_instruction_ends { None } else { memmem::find(rest, b"?>").map(|at| at + 2) };
        self.no_instruction_ends = end.is_none();
        let end = end.or_else(|| memchr(b'>', rest).map(|at| at + 1));
        self.cut |= end.is_none();
        self.at += end.unwrap_or(rest.len());
        if is_declaration { Token::Declaration } else { Token::Nothing }
    }

    fn skip_to(&mut self, end: &[u8], from: usize) -> Token<'a> {
        let rest = &self.rest()[from..];
        let found = memmem::find(rest, end);
        self.cut |= found.is_none();
        self.at += from + found.map_or(rest.len(), |at| at + end.len());
        Token::Nothing
    }
}

fn begins_name(byte: u8) -> bool {
    byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':') || byte >= 0x80
}

fn name_length(bytes: &[u8]) -> usize {
    let ends = |byte: &u8| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>' | b'=' | b'<' | b'"' | b'\'');
    bytes.iter().position(ends).unwrap_or(bytes.len())
}

/// Whether attributes end in the `/` of an empty element, and not in that of an unquoted address.
fn ends_itself(attributes: &str) -> bool {
    let bytes = attributes.as_bytes();
    match bytes {
        [.., before, b'/'] => before.is_ascii_whitespace() || matches!(before, b'"' | b'\''),
        [b'/'] => true,
        _ => false,
    }
}

enum TagEnd {
    /// The `>` that ends it.
    At(usize),
    /// The `>` that ends it, in the middle of a quoted value that never ends.
    Broken(usize),
    /// Another tag begins there, before it ends.
    Other(usize),
    /// The text ends before it does.
    None,
}

/// What a `<` in a quoted value means.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Quotes {
    /// Nothing: it belongs to the value.
    HoldTags,
    /// As in well-formed XML, that the value cannot be one.
    EndAtTags,
}

/// Finds the end of a tag. A quote counts only where a value may begin.
fn tag_end(rest: &[u8], from: usize, quotes: Quotes) -> TagEnd {
    let (mut at, mut value_may_begin) = (from, false);
    while let Some(byte) = rest.get(at) {
        match byte {
            b'>' => return TagEnd::At(at),
            b'<' => return TagEnd::Other(at),
            b'"' | b'\'' if value_may_begin => match quote_end(rest, at + 1, *byte, quotes) {
                Ok(end) => {
                    at = end;
                    value_may_begin = false;
                }
                Err(end) => return end,
            },
            b'=' => value_may_begin = true,
            byte if byte.is_ascii_whitespace() => {}
            _ => value_may_begin = false,
        }
        at += 1;
    }
    TagEnd::None
}

/// Finds the quote that ends a value. When a `<` comes first, and a `>` before that, the quote was forgotten.
fn quote_end(rest: &[u8], from: usize, quote: u8, quotes: Quotes) -> Result<usize, TagEnd> {
    let mut at = from;
    loop {
        let Some(found) = memchr2(quote, b'<', &rest[at..]) else {
            let end = memchr(b'>', &rest[from..]);
            return Err(end.map_or(TagEnd::None, |end| TagEnd::Broken(from + end)));
        };
        if rest[at + found] == quote {
            return Ok(at + found);
        }
        if at == from
            && let Some(end) = memchr(b'>', &rest[from..from + found])
        {
            return Err(TagEnd::Broken(from + end));
        }
        if quotes == Quotes::EndAtTags {
            return Err(TagEnd::Other(at + found));
        }
        at += found + 1;
    }
}
