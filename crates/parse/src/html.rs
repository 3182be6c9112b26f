//! HTML to plain text: what a reader sees, for search, comparison and terminals; and to HTML that is safe to show
//! (`safe.rs`). Neither is ever stored in place of the HTML.
//!
//! Blocks begin on a line of their own, paragraphs stand apart by an empty line, list items have their mark, white space
//! is collapsed but in `pre`; comments, scripts, styles and embedded documents say nothing. Every byte is looked at a
//! bounded number of times, whatever state the HTML is in.

mod safe;
mod tag;
mod tame;

use crate::model::{Text, TextKind};
use crate::xml::html_reference;
pub use safe::{Images, escaped_html, safe_html};
use tag::{Piece, Pieces, Tag};

/// Lists nested deeper than this are written as this deep.
const MAX_LISTS: usize = 8;

impl Text {
    /// What a reader sees of it: markup becomes lines, references become characters.
    ///
    /// A text of which nobody said what it is counts as HTML when it holds a tag or a reference of HTML; one of a media
    /// type that is no text says nothing.
    pub fn plain(&self) -> String {
        match &self.kind {
            TextKind::Html | TextKind::Xhtml => plain_text(&self.value),
            TextKind::Unsaid if looks_like_html(&self.value) => plain_text(&self.value),
            TextKind::Plain | TextKind::Unsaid => tidy(&self.value),
            TextKind::Media(media) if media.contains("html") => plain_text(&self.value),
            TextKind::Media(media) if media.starts_with("text/") || !media.contains('/') => tidy(&self.value),
            TextKind::Media(_) => String::new(),
        }
    }
}

/// The plain text of HTML.
///
/// ```
/// let html = "<p>Tides&nbsp;&amp; <b>moons</b></p><ul><li>one<li>two</ul><script>x()</script>";
/// assert_eq!(feedspine_parse::plain_text(html), "Tides & moons\n\n• one\n• two");
/// ```
pub fn plain_text(html: &str) -> String {
    let mut writer = Writer::with_capacity(html.len() / 2);
    let mut pieces = Pieces::of(html);
    while let Some(piece) = pieces.next() {
        match piece {
            Piece::Text(text) => writer.html(text),
            Piece::Tag(tag) if tag.hides() => {
                if !tag.closes && !tag.closes_itself() {
                    pieces.skip_to_end_of(tag.name);
                }
            }
            Piece::Tag(tag) => writer.tag(&tag),
        }
    }
    writer.finish()
}

/// Plain text with its lines trimmed and at most one empty line between them.
fn tidy(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut blank = 0;
    for line in text.lines().map(str::trim) {
        if line.is_empty() {
            blank += 1;
            continue;
        }
        if !out.is_empty() {
            out.push_str(if blank > 0 { "\n\n" } else { "\n" });
        }
        blank = 0;
        let mut words = line.split_whitespace();
        out.push_str(words.next().unwrap_or_default());
        for word in words {
            out.push(' ');
            out.push_str(word);
        }
    }
    out
}

/// Whether a text holds a tag or a reference.
fn looks_like_html(text: &str) -> bool {
    let bytes = text.as_bytes();
    let tag = |at: usize| {
        let begins = bytes.get(at + 1).is_some_and(|byte| byte.is_ascii_alphabetic() || matches!(byte, b'/' | b'!'));
        begins && memchr::memchr(b'>', &bytes[at..]).is_some()
    };
    let reference = |at: usize| html_reference(&text[at + 1..]).is_some();
    memchr::memchr2_iter(b'<', b'&', bytes).take(64).any(|at| if bytes[at] == b'<' { tag(at) } else { reference(at) })
}

/// How far apart what comes next stands from what was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
enum Gap {
    None,
    Space,
    Tab,
    Line,
    Paragraph,
}

/// A list that is open: the number of its next item, when it counts them.
type List = Option<u32>;

/// Writes lines.
struct Writer {
    out: String,
    gap: Gap,
    lists: Vec<List>,
    /// A mark to write before the next word.
    mark: Option<String>,
    /// How many `pre` are open.
    preformatted: usize,
}

impl Writer {
    fn with_capacity(bytes: usize) -> Self {
        Self { out: String::with_capacity(bytes), gap: Gap::None, lists: Vec::new(), mark: None, preformatted: 0 }
    }

    fn tag(&mut self, tag: &Tag<'_>) {
        let Some(block) = tag.block() else {
            match (tag.is("br"), tag.is("td") || tag.is("th"), tag.is("img") && !tag.closes) {
                (true, ..) => self.line_break(),
                (_, true, _) => self.apart(Gap::Tab),
                (.., true) => self.alternative(tag),
                _ => {}
            }
            return;
        };
        let (is_list, open) = (tag.is("ul") || tag.is("ol"), self.lists.len());
        match (is_list, tag.is("li"), tag.closes) {
            (true, _, false) if self.lists.len() < MAX_LISTS => {
                let start = tag.attribute("start").and_then(|start| start.parse().ok()).unwrap_or(1);
                self.lists.push(tag.is("ol").then_some(start));
            }
            (true, _, true) => {
                self.lists.pop();
            }
            (_, true, false) => self.list_item(),
            _ => {}
        }
        if tag.is("pre") {
            self.preformatted = if tag.closes { self.preformatted.saturating_sub(1) } else { self.preformatted + 1 };
        }
        // Within a list all blocks are lines, other lists included.
        let within = if is_list { open.max(self.lists.len()) > 1 } else { open > 0 };
        self.apart(if within { Gap::Line } else { block });
    }

    fn line_break(&mut self) {
        // Two breaks in a row are how many write a paragraph.
        self.gap = if self.gap >= Gap::Line { Gap::Paragraph } else { Gap::Line };
    }

    fn apart(&mut self, gap: Gap) {
        self.gap = self.gap.max(gap);
    }

    fn list_item(&mut self) {
        self.apart(Gap::Line);
        let indent = "  ".repeat(self.lists.len().saturating_sub(1));
        let mark = match self.lists.last_mut() {
            Some(Some(number)) => {
                let mark = format!("{indent}{number}. ");
                *number = number.saturating_add(1);
                mark
            }
            _ => format!("{indent}• "),
        };
        self.mark = Some(mark);
    }

    /// What a picture shows, in words.
    fn alternative(&mut self, tag: &Tag<'_>) {
        if let Some(alternative) = tag.attribute("alt").filter(|text| !text.trim().is_empty()) {
            self.html(alternative);
        }
    }

    /// Text with its references.
    fn html(&mut self, text: &str) {
        let mut rest = text;
        while let Some(at) = memchr::memchr(b'&', rest.as_bytes()) {
            self.text(&rest[..at]);
            rest = &rest[at + 1..];
            if let Some((c, length)) = html_reference(rest) {
                let mut buffer = [0; 4];
                // A space that does not break is white space to a reader.
                self.text(if c == '\u{A0}' { " " } else { c.encode_utf8(&mut buffer) });
                rest = &rest[length..];
            } else {
                self.text("&");
            }
        }
        self.text(rest);
    }

    fn text(&mut self, text: &str) {
        if self.preformatted > 0 {
            for line in text.split_inclusive('\n') {
                let words = line.trim_end_matches(['\n', '\r']);
                if !words.trim().is_empty() {
                    self.fill_gap();
                    self.out.push_str(words);
                }
                if line.ends_with('\n') {
                    self.line_break();
                }
            }
            return;
        }
        let mut rest = text;
        loop {
            let word = rest.trim_start_matches(char::is_whitespace);
            if word.len() < rest.len() {
                self.apart(Gap::Space);
            }
            if word.is_empty() {
                return;
            }
            let end = word.find(char::is_whitespace).unwrap_or(word.len());
            self.fill_gap();
            self.out.push_str(&word[..end]);
            rest = &word[end..];
        }
    }

    fn fill_gap(&mut self) {
        if !self.out.is_empty() {
            self.out.push_str(match self.gap {
                Gap::None => "",
                Gap::Space => " ",
                Gap::Tab => "\t",
                Gap::Line => "\n",
                Gap::Paragraph => "\n\n",
            });
        }
        self.gap = Gap::None;
        if let Some(mark) = self.mark.take() {
            self.out.push_str(&mark);
        }
    }

    fn finish(self) -> String {
        self.out
    }
}

#[cfg(test)]
mod tests;
