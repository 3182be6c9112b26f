//! Writes HTML anew in a form that no parser can blow up: elements that may be shown, nested properly and not deeply, few
//! attributes, all text escaped.
//!
//! A parser of HTML builds trees that grow with the square of what it reads (formatting that is never closed is opened
//! again in every paragraph), and walks all that is open for every tag. It does so no more for what is written here.

use url::Url;

use super::Images;
use super::tag::{Piece, Pieces, Tag};
use crate::xml::html_reference;

/// Elements that may be shown, and hold others or text.
pub(super) const HOLDERS: [&str; 59] = [
    "a",
    "abbr",
    "address",
    "article",
    "aside",
    "b",
    "bdi",
    "blockquote",
    "caption",
    "center",
    "cite",
    "code",
    "dd",
    "del",
    "details",
    "dfn",
    "div",
    "dl",
    "dt",
    "em",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "i",
    "ins",
    "kbd",
    "li",
    "mark",
    "ol",
    "p",
    "pre",
    "q",
    "rp",
    "rt",
    "ruby",
    "s",
    "samp",
    "section",
    "small",
    "strike",
    "strong",
    "sub",
    "summary",
    "sup",
    "table",
    "tbody",
    "td",
    "tfoot",
    "th",
    "thead",
    "tr",
    "ul",
];
/// Further ones, of which all that a reader sees is their text.
const LETTERS: [&str; 5] = ["span", "time", "tt", "u", "var"];
/// Elements that may be shown, and hold nothing.
pub(super) const EMPTY: [&str; 4] = ["br", "hr", "img", "wbr"];

/// Elements that end a paragraph when they begin (HTML, section 13.2.6.4.7).
const BLOCKS: [&str; 29] = [
    "address",
    "article",
    "aside",
    "blockquote",
    "center",
    "dd",
    "details",
    "div",
    "dl",
    "dt",
    "figcaption",
    "figure",
    "footer",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "header",
    "hr",
    "li",
    "ol",
    "p",
    "pre",
    "section",
    "summary",
    "table",
    "ul",
];
const HEADINGS: [&str; 6] = ["h1", "h2", "h3", "h4", "h5", "h6"];
/// Parts of tables that hold no text themselves.
const FRAMES: [&str; 5] = ["table", "tbody", "tfoot", "thead", "tr"];
/// Parts of tables that hold what any element does: nothing outside is ended from within.
const CELLS: [&str; 3] = ["caption", "td", "th"];

/// How many elements may be open at a time: tags beyond are left out, not what they hold. More than people write.
const MOST_OPEN: usize = 64;
/// How many tags are written, and how many references in text: a tree of so many takes some 50 MB and half a second.
const MOST_MARKS: usize = 200_000;
/// How many bytes are written: four times the longest field.
const MOST_BYTES: usize = 16 << 20;

/// HTML written anew; `None` when that is too much to be parsed.
pub(super) fn tamed(html: &str, base: Option<&Url>, images: Images) -> Option<String> {
    let out = String::with_capacity(html.len());
    let mut writer = Writer { out, open: Vec::new(), marks: 0, begins_pre: false, base, images };
    let mut pieces = Pieces::of(html);
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text(text) => writer.text(text),
            Piece::Tag(tag) if tag.hides() => {
                if !tag.closes && !tag.closes_itself() {
                    pieces.skip_to_end_of(tag.name);
                }
            }
            Piece::Tag(tag) => writer.tag(&tag),
        }
        if writer.marks > MOST_MARKS || writer.out.len() > MOST_BYTES {
            return None;
        }
    }
    writer.close_to(0);
    Some(writer.out)
}

/// Whether elements of that name may be shown.
pub(super) fn names() -> impl Iterator<Item = &'static str> {
    HOLDERS.into_iter().chain(LETTERS).chain(EMPTY)
}

struct Writer<'a> {
    out: String,
    /// The elements that are open, the innermost last.
    open: Vec<&'static str>,
    /// The tags and references that were written.
    marks: usize,
    /// A `pre` begins here: parsers take the first line feed away.
    begins_pre: bool,
    base: Option<&'a Url>,
    images: Images,
}

impl Writer<'_> {
    fn text(&mut self, text: &str) {
        let text = unescaped(text, false);
        let text = if std::mem::take(&mut self.begins_pre) { text.trim_start_matches(['\r', '\n']) } else { &text };
        let from = self.out.len();
        push_text(&mut self.out, text);
        self.marks += memchr::memchr_iter(b'&', &self.out.as_bytes()[from..]).count();
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        let Some(name) = names().find(|name| tag.is(name)) else { return };
        if tag.closes {
            return self.end(name);
        }
        if !self.makes_room(name) || self.open.len() >= MOST_OPEN {
            return;
        }
        match name {
            "img" => self.picture(tag),
            "a" => {
                if let Some(address) = self.address(tag, "href", &["http", "https", "mailto"]) {
                    self.begin("a", &[("href", &address)], tag);
                }
            }
            _ => self.begin(name, &[], tag),
        }
    }

    /// Ends what the element ends by beginning. False where it cannot stand.
    fn makes_room(&mut self, name: &'static str) -> bool {
        let is_part = FRAMES[1..].contains(&name) || CELLS.contains(&name);
        if is_part {
            let Some(table) = self.open.iter().rposition(|open| *open == "table") else { return false };
            let within = |writer: &Self, frames: &[&str]| {
                let frame = writer.open[table..].iter().rposition(|open| frames.contains(open));
                frame.map_or(table, |at| table + at) + 1
            };
            match name {
                "td" | "th" => {
                    let row = within(self, &["tr"]);
                    self.close_to(row);
                    if self.open.last() != Some(&"tr") {
                        self.open_as("tr", "");
                    }
                }
                "tr" => self.close_to(within(self, &["tbody", "tfoot", "thead"])),
                _ => self.close_to(table + 1),
            }
            return true;
        }
        if self.open.last().is_some_and(|last| FRAMES.contains(last)) {
            return false;
        }
        if BLOCKS.contains(&name) {
            self.close_nearest(&["p"], &[]);
        }
        match name {
            "li" => self.close_nearest(&["li"], &["ol", "ul"]),
            "dd" | "dt" => self.close_nearest(&["dd", "dt"], &["dl"]),
            "rp" | "rt" => self.close_nearest(&["rp", "rt"], &["ruby"]),
            "a" => self.close_nearest(&["a"], &[]),
            _ if HEADINGS.contains(&name) => self.close_nearest(&HEADINGS, &[]),
            _ => {}
        }
        true
    }

    /// Closes the innermost of those elements, unless it stands outside of one of these, or of a cell.
    fn close_nearest(&mut self, names: &[&str], walls: &[&str]) {
        let is_met = |open: &&str| names.contains(open) || walls.contains(open) || CELLS.contains(open);
        if let Some(at) = self.open.iter().rposition(is_met).filter(|at| names.contains(&self.open[*at])) {
            self.close_to(at);
        }
    }

    fn end(&mut self, name: &str) {
        let walls: &[&str] = match name {
            "table" => &[],
            _ if FRAMES.contains(&name) || CELLS.contains(&name) => &["table"],
            _ => &CELLS,
        };
        let met = self.open.iter().rposition(|open| *open == name || walls.contains(open));
        if let Some(at) = met.filter(|at| self.open[*at] == name) {
            self.close_to(at);
        }
    }

    fn close_to(&mut self, count: usize) {
        for name in self.open.drain(count.min(self.open.len())..).rev() {
            self.out.extend(["</", name, ">"]);
        }
        self.begins_pre = false;
    }

    fn begin(&mut self, name: &'static str, attributes: &[(&str, &str)], tag: &Tag<'_>) {
        let mut written = String::new();
        for (name, value) in attributes {
            push_attribute(&mut written, name, value);
        }
        for known in ["dir", "lang", "title", "start", "colspan", "rowspan"] {
            let Some(value) = tag.attribute(known).map(|value| unescaped(value, true)) else { continue };
            let is_number = || !value.is_empty() && value.len() <= 4 && value.bytes().all(|byte| byte.is_ascii_digit());
            let is_meant = match known {
                "dir" => ["auto", "ltr", "rtl"].contains(&value.as_str()),
                "start" => name == "ol" && is_number(),
                "colspan" | "rowspan" => ["td", "th"].contains(&name) && is_number(),
                _ => !value.is_empty(),
            };
            if is_meant {
                push_attribute(&mut written, known, &value);
            }
        }
        self.open_as(name, &written);
    }

    fn open_as(&mut self, name: &'static str, attributes: &str) {
        self.out.extend(["<", name, attributes, ">"]);
        self.marks += 1;
        self.begins_pre = name == "pre";
        if !EMPTY.contains(&name) {
            self.open.push(name);
        }
    }

    /// A picture, or what it shows in words: a link to it, where there is none yet.
    fn picture(&mut self, tag: &Tag<'_>) {
        let words = tag.attribute("alt").map(|alt| unescaped(alt, true));
        let address = self.address(tag, "src", &["http", "https"]);
        if let (Images::Shown, Some(address)) = (self.images, &address) {
            let mut written = String::new();
            push_attribute(&mut written, "src", address);
            push_attribute(&mut written, "alt", words.as_deref().unwrap_or_default());
            return self.open_as("img", &written);
        }
        // One that says "" is there for its looks.
        let words = words.unwrap_or_else(|| "image".to_owned());
        match address.filter(|_| !words.trim().is_empty() && !self.open.contains(&"a")) {
            Some(address) => {
                let mut written = String::new();
                push_attribute(&mut written, "href", &address);
                self.open_as("a", &written);
                push_escaped(&mut self.out, &words);
                self.end("a");
            }
            None => push_escaped(&mut self.out, &words),
        }
    }

    /// The address that an attribute says, resolved, when it has one of those schemes.
    fn address(&self, tag: &Tag<'_>, name: &str, schemes: &[&str]) -> Option<String> {
        let said = unescaped(tag.attribute(name)?, true);
        let address = match self.base {
            Some(base) => base.join(&said).ok()?,
            None => Url::parse(&said).ok()?,
        };
        schemes.contains(&address.scheme()).then(|| address.into())
    }
}

fn push_attribute(out: &mut String, name: &str, value: &str) {
    out.extend([" ", name, "=\""]);
    push_escaped(out, value);
    out.push('"');
}

/// Text with its references resolved. In an attribute, one without `;` before a `=` is none: addresses have such.
fn unescaped(text: &str, in_attribute: bool) -> String {
    let mut out = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        match html_reference(rest) {
            Some((c, length)) if !(in_attribute && rest[length..].starts_with('=')) => {
                out.push(c);
                rest = &rest[length..];
            }
            _ => out.push('&'),
        }
    }
    out.push_str(rest);
    out
}

/// Text for a quoted value, or for anywhere else.
pub(super) fn push_escaped(out: &mut String, text: &str) {
    for (place, part) in text.split('"').enumerate() {
        out.push_str(if place > 0 { "&quot;" } else { "" });
        push_text(out, part);
    }
}

/// Text for an element, as parsers of HTML write it: what would be markup is escaped, and what drives a terminal, or turns
/// the direction of what is around it, is made visible.
pub(super) fn push_text(out: &mut String, text: &str) {
    let mut characters = text.chars().peekable();
    while let Some(c) = characters.next() {
        match c {
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            '&' => out.push_str("&amp;"),
            '\u{A0}' => out.push_str("&nbsp;"),
            '\t' | '\n' => out.push(c),
            '\r' if characters.peek() == Some(&'\n') => {}
            '\r' => out.push('\n'),
            '\u{202A}'..='\u{202E}' | '\u{2066}'..='\u{2069}' => out.extend(c.escape_unicode()),
            c if c.is_control() => out.extend(c.escape_unicode()),
            c => out.push(c),
        }
    }
}
