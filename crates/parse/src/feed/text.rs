//! Texts: plain ones, and those that may hold markup.

use super::Walk;
use crate::error::ParseError;
use crate::model::{Dated, Link, Text, TextKind};
use crate::xml::{Event, Tag, Vocabulary};
use crate::{address, dates};

/// In which form a text stands in the document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Form {
    /// As a string; where it holds tags nonetheless, they are kept.
    Text,
    /// As elements: its references stay.
    Markup,
    /// As elements in one `div`, which is left out.
    MarkupInDiv,
    /// As base64, perhaps.
    Base64,
}

impl<'a> Walk<'a, '_> {
    /// The text of the element that has just begun, to its end; of elements inside, only their text.
    pub(super) fn plain(&mut self) -> Result<String, ParseError> {
        let depth = self.reader.depth();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Text(raw) => self.reader.decode_into(raw, &mut buffer),
                Event::Verbatim(text) => buffer.push_str(text),
                Event::End if self.reader.depth() < depth => break,
                Event::Start(_) | Event::End => {}
            }
        }
        let text = trimmed(&buffer).to_owned();
        self.buffer = buffer;
        Ok(text)
    }

    /// As [`Walk::plain`]; `None` when there is none.
    pub(super) fn plain_if_any(&mut self) -> Result<Option<String>, ParseError> {
        Ok(Some(self.plain()?).filter(|text| !text.is_empty()))
    }

    /// A text that may hold markup, as a string or as elements.
    pub(super) fn text(&mut self, kind: TextKind, form: Form) -> Result<Text, ParseError> {
        let language = self.reader.attribute("xml:lang").map(std::borrow::Cow::into_owned);
        let base = self.reader.declared_base().map(str::to_owned);
        let value = self.markup(form)?;
        Ok(Text { value, kind, src: None, language, base })
    }

    /// The content of the element that has just begun, with the tags of elements inside.
    fn markup(&mut self, form: Form) -> Result<String, ParseError> {
        let xhtml = matches!(form, Form::Markup | Form::MarkupInDiv);
        let depth = self.reader.depth();
        let mut open: Vec<Option<&'a str>> = Vec::new();
        let mut buffer = std::mem::take(&mut self.buffer);
        buffer.clear();
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Text(raw) if xhtml => self.reader.escape_into(raw, &mut buffer),
                Event::Text(raw) => self.reader.decode_into(raw, &mut buffer),
                Event::Verbatim(text) if xhtml => push_escaped(text, &mut buffer),
                Event::Verbatim(text) => buffer.push_str(text),
                Event::Start(tag) => {
                    let wraps = form == Form::MarkupInDiv && open.is_empty() && tag.local.eq_ignore_ascii_case("div");
                    if wraps && trimmed(&buffer).is_empty() {
                        open.push(None);
                    } else {
                        let empty = self.reader.is_empty_element();
                        let name = name_of(self.text, &tag);
                        buffer.push('<');
                        buffer.push_str(name);
                        for (name, raw) in self.reader.raw_attributes() {
                            push_attribute(&mut buffer, name, raw);
                        }
                        buffer.push_str(if empty { " />" } else { ">" });
                        open.push(Some(name).filter(|_| !empty));
                    }
                }
                Event::End if self.reader.depth() < depth => break,
                Event::End => {
                    if let Some(name) = open.pop().flatten() {
                        buffer.push_str("</");
                        buffer.push_str(name);
                        buffer.push('>');
                    }
                }
            }
        }
        let text = trimmed(&buffer).to_owned();
        self.buffer = buffer;
        Ok(text)
    }

    /// A date that is the text of the element.
    pub(super) fn date(&mut self) -> Result<Option<Dated>, ParseError> {
        let raw = self.plain()?;
        Ok(dates::dated(&raw, self.warnings))
    }

    /// A link to an address, resolved where the reader is.
    pub(super) fn link_to(&mut self, raw: &str) -> Link {
        address::link(raw, self.reader.base(), &mut self.resolved, self.limits, self.warnings)
    }

    /// An attribute of the element that has just begun; `None` when it is missing or empty.
    pub(super) fn attribute(&mut self, name: &str) -> Option<String> {
        let value = self.reader.attribute(name)?;
        let value = trimmed(&value);
        (!value.is_empty()).then(|| value.to_owned())
    }
}

/// White space as XML has it.
pub(super) fn trimmed(text: &str) -> &str {
    text.trim_matches(|c| matches!(c, ' ' | '\t' | '\n' | '\r'))
}

/// The name to write: XHTML needs no prefix.
fn name_of<'a>(text: &'a str, tag: &Tag<'a>) -> &'a str {
    if tag.vocabulary == Vocabulary::Xhtml {
        return tag.local;
    }
    // The local name is a slice of the text, and ends where the name does.
    let end = tag.local.as_ptr() as usize - text.as_ptr() as usize + tag.local.len();
    &text[tag.offset + 1..end]
}

/// Writes an attribute as it stood; declarations of namespaces are the document's affair.
fn push_attribute(out: &mut String, name: &str, raw: &str) {
    if name.starts_with("xmlns") {
        return;
    }
    let quote = if raw.contains('"') { '\'' } else { '"' };
    out.push(' ');
    out.push_str(name);
    out.push('=');
    out.push(quote);
    out.push_str(raw);
    out.push(quote);
}

fn push_escaped(text: &str, out: &mut String) {
    for c in text.chars() {
        match c {
            '&' => out.push_str("&amp;"),
            '<' => out.push_str("&lt;"),
            '>' => out.push_str("&gt;"),
            other => out.push(other),
        }
    }
}
