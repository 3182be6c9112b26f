//! Tags and texts of an HTML page, whatever state it is in: nothing is nested, nothing has to be closed.

use std::borrow::Cow;

use memchr::memmem;

use super::attributes::{self, Attribute};
use super::entity;
use super::scan::{Scanner, Token};
use super::{Oddities, is_one_of};

/// Elements that hold no tags, or none that mean anything in the page (HTML, sections 13.2.5.2 and 13.2.6.4.4).
const WITHOUT_TAGS: [&str; 9] =
    ["script", "style", "title", "textarea", "template", "xmp", "iframe", "noembed", "noframes"];

/// Something in the page.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Piece<'a> {
    /// A tag; its attributes are the reader's until the next piece.
    Start(&'a str),
    /// The end of an element, whether it began or not.
    End(&'a str),
    /// Text with references in it; that of scripts and the like is left out.
    Text(&'a str),
}

/// Reads pieces; see the module. Each byte is looked at a bounded number of times.
#[derive(Debug)]
pub(crate) struct PageReader<'a> {
    text: &'a str,
    scanner: Scanner<'a>,
    attributes: Vec<Attribute<'a>>,
    attribute_limit: usize,
    /// What stands in the element that has just begun and holds no tags.
    held: Option<&'a str>,
    /// Elements without tags whose end does not come any more: looked for once.
    endless: Vec<&'static str>,
    oddities: Oddities,
}

impl<'a> PageReader<'a> {
    pub(crate) fn new(text: &'a str, attribute_limit: usize) -> Self {
        Self {
            text,
            scanner: Scanner::new(text),
            attributes: Vec::with_capacity(8),
            attribute_limit,
            held: None,
            endless: Vec::new(),
            oddities: Oddities::default(),
        }
    }

    /// The next piece.
    pub(crate) fn next(&mut self) -> Option<Piece<'a>> {
        if let Some(text) = self.held.take() {
            return Some(Piece::Text(text));
        }
        loop {
            match self.scanner.next()? {
                Token::Start { name, attributes, empty } => {
                    self.attributes.clear();
                    attributes::split(attributes, self.attribute_limit, &mut self.attributes);
                    if !empty {
                        self.skip_what_holds_no_tags(name);
                    }
                    return Some(Piece::Start(name));
                }
                Token::End(name) => return Some(Piece::End(name)),
                Token::Text(text) => return Some(Piece::Text(text)),
                Token::Verbatim(_) | Token::Doctype(_) | Token::Declaration | Token::Nothing => {}
            }
        }
    }

    /// An attribute of the tag that has just been read, its references decoded; the first of that name counts.
    pub(crate) fn attribute(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let found = self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))?;
        Some(entity::decoded(found.raw, &mut self.oddities))
    }

    /// Text with its references decoded.
    pub(crate) fn decoded(&mut self, text: &'a str) -> Cow<'a, str> {
        entity::decoded(text, &mut self.oddities)
    }

    /// Goes to the end of an element that holds no tags. One that is never closed holds nothing: a page whose title
    /// was left open is read on.
    fn skip_what_holds_no_tags(&mut self, name: &str) {
        let Some(name) = WITHOUT_TAGS.into_iter().find(|known| name.eq_ignore_ascii_case(known)) else { return };
        if is_one_of(name, &self.endless) {
            return;
        }
        let from = self.scanner.offset();
        match end_of(name, &self.text[from..]) {
            Some(length) => {
                if name == "title" {
                    self.held = Some(&self.text[from..from + length]);
                }
                self.scanner.jump(from + length);
            }
            None => self.endless.push(name),
        }
    }
}

/// Where the end tag of that name begins.
fn end_of(name: &str, text: &str) -> Option<usize> {
    let bytes = text.as_bytes();
    memmem::find_iter(bytes, b"</").find(|at| {
        let rest = &bytes[at + 2..];
        let is_it = rest.get(..name.len()).is_some_and(|found| found.eq_ignore_ascii_case(name.as_bytes()));
        is_it && rest.get(name.len()).is_none_or(|byte| byte.is_ascii_whitespace() || matches!(byte, b'/' | b'>'))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn pieces(text: &str) -> String {
        let mut reader = PageReader::new(text, 16);
        let mut shown = Vec::new();
        while let Some(piece) = reader.next() {
            shown.push(match piece {
                Piece::Start(name) => format!("<{name}>"),
                Piece::End(name) => format!("</{name}>"),
                Piece::Text(text) => text.trim().to_owned(),
            });
        }
        shown.retain(|piece| !piece.is_empty());
        shown.join(" ")
    }

    #[test]
    fn tags_in_scripts_comments_and_titles_are_none() {
        for (page, read) in [
            ("<!doctype html><p>a<br>b", "<p> a <br> b"),
            ("<script>if (a<b) '<link>'</script><link>", "<script> </script> <link>"),
            ("<SCRIPT>'</scripted>' <link></Script ><link>", "<SCRIPT> </Script> <link>"),
            ("<!-- <link> --><link><!-- <link>", "<link>"),
            ("<title><link></title><link>", "<title> <link> </title> <link>"),
            ("<title>never closed<link>", "<title> never closed <link>"),
            ("<script src='a' /><link>", "<script> <link>"),
            ("<textarea><link></textarea><template><link></template>", "<textarea> </textarea> <template> </template>"),
        ] {
            assert_eq!(pieces(page), read, "{page}");
        }
    }

    #[test]
    fn attributes_are_decoded_and_the_first_of_a_name_counts() {
        let mut reader = PageReader::new("<a HREF='x?a=1&amp;b=2&c' href=y title=\"&#233;\">", 16);
        assert_eq!(reader.next(), Some(Piece::Start("a")));
        assert_eq!(reader.attribute("href").as_deref(), Some("x?a=1&b=2&c"));
        assert_eq!(reader.attribute("title").as_deref(), Some("é"));
        assert_eq!(reader.attribute("rel"), None);
    }

    #[test]
    fn a_million_titles_that_are_never_closed_are_read_at_once() {
        let page = "<title>".repeat(1_000_000);
        let mut reader = PageReader::new(&page, 16);
        assert_eq!(std::iter::from_fn(|| reader.next()).count(), 1_000_000);
    }
}
