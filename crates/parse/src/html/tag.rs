//! Cuts HTML into texts and tags, as a browser would.

use memchr::memchr;

use super::Gap;

/// Elements of which a reader sees nothing: what they hold is no text, or text of another document.
const HIDDEN: [&str; 9] = ["script", "style", "template", "iframe", "noembed", "noframes", "title", "svg", "object"];

/// Elements that stand apart from what is before and after them.
const PARAGRAPHS: [&str; 19] = [
    "p",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "blockquote",
    "pre",
    "ul",
    "ol",
    "dl",
    "table",
    "hr",
    "figure",
    "section",
    "article",
    "fieldset",
    "details",
];

/// Elements that begin on a line of their own.
const LINES: [&str; 22] = [
    "div",
    "li",
    "tr",
    "dt",
    "dd",
    "address",
    "aside",
    "body",
    "caption",
    "center",
    "figcaption",
    "footer",
    "form",
    "header",
    "html",
    "legend",
    "main",
    "nav",
    "option",
    "summary",
    "thead",
    "tbody",
];

/// A piece of HTML.
#[derive(Debug)]
pub(super) enum Piece<'a> {
    Text(&'a str),
    Tag(Tag<'a>),
}

/// A tag.
#[derive(Debug, Clone, Copy)]
pub(super) struct Tag<'a> {
    pub(super) name: &'a str,
    attributes: &'a str,
    /// It ends its element.
    pub(super) closes: bool,
}

impl<'a> Tag<'a> {
    pub(super) fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }

    fn is_among(&self, names: &[&str]) -> bool {
        names.iter().any(|name| self.is(name))
    }

    pub(super) fn hides(&self) -> bool {
        self.is_among(&HIDDEN)
    }

    /// Whether it is written `<name />`, which ends an element of XHTML or SVG.
    pub(super) fn closes_itself(&self) -> bool {
        self.attributes.ends_with('/')
    }

    /// How far it stands apart; `None` for an element within a line.
    pub(super) fn block(&self) -> Option<Gap> {
        if self.is_among(&PARAGRAPHS) {
            Some(Gap::Paragraph)
        } else if self.is_among(&LINES) {
            Some(Gap::Line)
        } else {
            None
        }
    }

    /// An attribute's value, with its references.
    pub(super) fn attribute(&self, name: &str) -> Option<&'a str> {
        let mut rest = self.attributes;
        while !rest.is_empty() {
            let ends = |c: char| c.is_ascii_whitespace() || matches!(c, '=' | '/');
            rest = rest.trim_start_matches(ends);
            let end = rest.find(ends).unwrap_or(rest.len());
            let (found, after) = rest.split_at(end);
            let (value, after) = match after.trim_ascii_start().strip_prefix('=') {
                Some(value) => value_of(value.trim_ascii_start()),
                None => ("", after),
            };
            if found.eq_ignore_ascii_case(name) {
                return Some(value);
            }
            rest = after;
        }
        None
    }
}

fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    text.split_at(text.find(|c: char| c.is_ascii_whitespace()).unwrap_or(text.len()))
}

/// The pieces of HTML, one after the other.
#[derive(Debug)]
pub(super) struct Pieces<'a> {
    rest: &'a str,
    /// No `-->` is left: looked for once.
    no_comment_ends: bool,
    /// No `>` is left.
    no_tag_ends: bool,
    /// A quoted value led to the end of everything: from then on a `>` ends a tag wherever it stands.
    quotes_lead_astray: bool,
    /// Hiding elements whose end was looked for in vain.
    never_ended: Vec<&'a str>,
}

impl<'a> Pieces<'a> {
    pub(super) fn of(html: &'a str) -> Self {
        Self {
            rest: html,
            no_comment_ends: false,
            no_tag_ends: false,
            quotes_lead_astray: false,
            never_ended: Vec::new(),
        }
    }

    pub(super) fn next(&mut self) -> Option<Piece<'a>> {
        loop {
            if self.rest.is_empty() {
                return None;
            }
            let length = self.text_length();
            if length > 0 {
                let (text, rest) = self.rest.split_at(length);
                self.rest = rest;
                return Some(Piece::Text(text));
            }
            if let Some(inside) = self.rest.strip_prefix("<!--") {
                self.comment(inside);
            } else if let Some(tag) = self.tag() {
                return Some(Piece::Tag(tag));
            }
        }
    }

    /// How long the text is that begins here: to a `<` that begins a tag or comment.
    fn text_length(&self) -> usize {
        let bytes = self.rest.as_bytes();
        let mut from = 0;
        while let Some(at) = memchr(b'<', &bytes[from..]) {
            let at = from + at;
            let begins =
                bytes.get(at + 1).is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!' | b'?'));
            if begins && !self.no_tag_ends {
                return at;
            }
            from = at + 1;
        }
        bytes.len()
    }

    /// A comment ends at `-->`; one that never does, at the first `>` as other bogus ones.
    fn comment(&mut self, inside: &'a str) {
        let end = if self.no_comment_ends { None } else { memchr::memmem::find(inside.as_bytes(), b"-->") };
        self.no_comment_ends = end.is_none();
        self.rest = match end {
            Some(end) => &inside[end + 3..],
            None => inside.split_once('>').map_or("", |(_, rest)| rest),
        };
    }

    /// The tag that begins here; `None` for a declaration, an instruction, or one that never ends, which is left out.
    fn tag(&mut self) -> Option<Tag<'a>> {
        let quoted = if self.quotes_lead_astray { None } else { tag_end(self.rest) };
        self.quotes_lead_astray |= quoted.is_none();
        let Some(end) = quoted.or_else(|| memchr(b'>', self.rest.as_bytes())) else {
            self.no_tag_ends = true;
            self.rest = "";
            return None;
        };
        let source = &self.rest[1..end];
        self.rest = &self.rest[end + 1..];
        let (closes, inside) = match source.strip_prefix('/') {
            Some(inside) => (true, inside),
            None => (false, source),
        };
        let length = inside.find(|c: char| c.is_ascii_whitespace() || c == '/').unwrap_or(inside.len());
        let (name, attributes) = inside.split_at(length);
        // A prefix of XHTML says nothing more.
        let name = name.rsplit_once(':').map_or(name, |(_, local)| local);
        let is_name = name.starts_with(|c: char| c.is_ascii_alphabetic());
        is_name.then(|| Tag { name, attributes: attributes.trim_ascii(), closes })
    }

    /// Goes on behind the end of an element that hides what it holds. One that has none hides nothing but a script or
    /// style, which would be mistaken for words.
    pub(super) fn skip_to_end_of(&mut self, name: &'a str) {
        if self.never_ended.iter().any(|known| known.eq_ignore_ascii_case(name)) {
            return;
        }
        let bytes = self.rest.as_bytes();
        let mut from = 0;
        while let Some(at) = memchr::memmem::find(&bytes[from..], b"</") {
            let at = from + at + 2;
            let ends = self.rest.get(at..at + name.len()).is_some_and(|end| end.eq_ignore_ascii_case(name));
            if ends && bytes.get(at + name.len()).is_none_or(|byte| !byte.is_ascii_alphanumeric()) {
                let end = memchr(b'>', &bytes[at..]).map_or(bytes.len(), |end| at + end + 1);
                self.rest = &self.rest[end..];
                return;
            }
            from = at;
        }
        if ["script", "style"].iter().any(|code| name.eq_ignore_ascii_case(code)) {
            self.rest = "";
        } else {
            self.never_ended.push(name);
        }
    }
}

/// Where a tag ends: at the first `>` outside of a quoted value.
fn tag_end(rest: &str) -> Option<usize> {
    let bytes = rest.as_bytes();
    let mut value_may_begin = false;
    let mut at = 1;
    while let Some(byte) = bytes.get(at) {
        match byte {
            b'>' => return Some(at),
            b'"' | b'\'' if value_may_begin => match memchr(*byte, &bytes[at + 1..]) {
                Some(length) => {
                    at += 1 + length;
                    value_may_begin = false;
                }
                None => return memchr(b'>', &bytes[at..]).map(|end| at + end),
            },
            b'=' => value_may_begin = true,
            byte if byte.is_ascii_whitespace() => {}
            _ => value_may_begin = false,
        }
        at += 1;
    }
    None
}
