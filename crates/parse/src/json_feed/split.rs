//! Splits a JSON document into the members of its outermost object and the elements of `items`, by brackets alone.

use crate::error::ParseError;

/// The parts of a document, each a slice of it, none read yet.
#[derive(Debug, Default)]
pub(super) struct Outline<'a> {
    /// Members other than `items`, in the order of the document.
    pub(super) members: Vec<(String, &'a str)>,
    /// The elements of the last member called `items` that is a list.
    pub(super) items: Option<Vec<&'a str>>,
    /// The document ends in the middle.
    pub(super) truncated: bool,
}

/// Splits a document that begins with `{`.
pub(super) fn outline(text: &str) -> Result<Outline<'_>, ParseError> {
    let mut scanner = Scanner { text, at: 0 };
    let mut outline = Outline::default();
    scanner.blanks();
    match scanner.object(&mut outline) {
        Ok(()) => {
            scanner.blanks();
            if scanner.at < text.len() { Err(scanner.unexpected("the end")) } else { Ok(outline) }
        }
        Err(Stop::Cut) if outline.items.is_some() => {
            outline.truncated = true;
            Ok(outline)
        }
        Err(Stop::Cut) => Err(ParseError::JsonSyntax { found: "not JSON: the document ends in the middle".into() }),
        Err(Stop::Wrong(error)) => Err(error),
    }
}

enum Stop {
    /// The text ends.
    Cut,
    /// Something stands there that cannot.
    Wrong(ParseError),
}

struct Scanner<'a> {
    text: &'a str,
    at: usize,
}

impl<'a> Scanner<'a> {
    fn object(&mut self, outline: &mut Outline<'a>) -> Result<(), Stop> {
        self.at += 1;
        if self.take(b'}') {
            return Ok(());
        }
        loop {
            self.blanks();
            let name = self.value("a member name")?;
            let Ok(feedspine_core::Json::String(name)) = feedspine_core::Json::parse(name) else {
                return Err(Stop::Wrong(self.unexpected("a member name")));
            };
            self.expect(b':', "`:`")?;
            self.blanks();
            if name == "items" && self.peek()? == b'[' {
                self.array(outline.items.insert(Vec::new()))?;
            } else {
                let value = self.value("a value")?;
                outline.members.push((name, value));
            }
            if self.take(b'}') {
                return Ok(());
            }
            self.expect(b',', "`,` or `}`")?;
        }
    }

    fn array(&mut self, elements: &mut Vec<&'a str>) -> Result<(), Stop> {
        self.at += 1;
        if self.take(b']') {
            return Ok(());
        }
        loop {
            self.blanks();
            elements.push(self.value("a value")?);
            if self.take(b']') {
                return Ok(());
            }
            self.expect(b',', "`,` or `]`")?;
        }
    }

    /// One value: a string, what is between balanced brackets, or a bare word.
    fn value(&mut self, wanted: &'static str) -> Result<&'a str, Stop> {
        let start = self.at;
        match self.peek()? {
            b'"' => self.string()?,
            b'{' | b'[' => self.balanced()?,
            byte if byte.is_ascii_alphanumeric() || byte == b'-' => self.word()?,
            _ => return Err(Stop::Wrong(self.unexpected(wanted))),
        }
        Ok(&self.text[start..self.at])
    }

    fn word(&mut self) -> Result<(), Stop> {
        let rest = &self.text.as_bytes()[self.at..];
        let word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'+' | b'.');
        match rest.iter().position(|byte| !word(byte)) {
            Some(length) => {
                self.at += length;
                Ok(())
            }
            None => Err(Stop::Cut),
        }
    }

    fn string(&mut self) -> Result<(), Stop> {
        self.at += 1;
        loop {
            let rest = &self.text.as_bytes()[self.at..];
            let stop = memchr::memchr2(b'"', b'\\', rest).ok_or(Stop::Cut)?;
            if rest[stop] == b'"' {
                self.at += stop + 1;
                return Ok(());
            }
            self.at += stop + 2;
            // The escaped character may be wide: step to its end.
            while !self.text.is_char_boundary(self.at) && self.at < self.text.len() {
                self.at += 1;
            }
            if self.at >= self.text.len() {
                return Err(Stop::Cut);
            }
        }
    }

    fn balanced(&mut self) -> Result<(), Stop> {
        let mut depth = 0_usize;
        loop {
            match self.text.as_bytes().get(self.at) {
                None => return Err(Stop::Cut),
                Some(b'"') => {
                    self.string()?;
                    continue;
                }
                Some(b'{' | b'[') => depth += 1,
                Some(b'}' | b']') => depth -= 1,
                Some(_) => {}
            }
            self.at += 1;
            if depth == 0 {
                return Ok(());
            }
        }
    }

    fn blanks(&mut self) {
        let rest = &self.text.as_bytes()[self.at..];
        self.at += rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t' | b'\n' | b'\r')).count();
    }

    fn peek(&self) -> Result<u8, Stop> {
        self.text.as_bytes().get(self.at).copied().ok_or(Stop::Cut)
    }

    fn take(&mut self, byte: u8) -> bool {
        self.blanks();
        let there = self.text.as_bytes().get(self.at) == Some(&byte);
        self.at += usize::from(there);
        there
    }

    fn expect(&mut self, byte: u8, wanted: &'static str) -> Result<(), Stop> {
        self.blanks();
        if self.peek()? == byte {
            self.at += 1;
            return Ok(());
        }
        Err(Stop::Wrong(self.unexpected(wanted)))
    }

    fn unexpected(&self, wanted: &str) -> ParseError {
        ParseError::JsonSyntax { found: format!("not JSON: expected {wanted} at byte {}", self.at) }
    }
}
