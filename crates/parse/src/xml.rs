//! A tolerant XML layer: events over text that is borrowed, whatever state the document is in.
//!
//! Every start has its end: missing ends are supplied, stray ones left out. Nothing is expanded but character references
//! and the entities of HTML; a document type declares nothing. Each byte is looked at a bounded number of times.

mod attributes;
mod entity;
mod html_names;
mod namespace;
mod page;
mod scan;

use std::borrow::Cow;
use std::sync::Arc;

pub(crate) use entity::html_reference;
pub(crate) use namespace::Vocabulary;
pub(crate) use page::{PageReader, Piece};

use crate::address;
use crate::error::ParseError;
use crate::limits::Limits;
use crate::warning::Warnings;
use attributes::Attribute;
use namespace::Namespaces;
use scan::{Scanner, Token};

/// Something in the document.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Event<'a> {
    /// An element begins; its end will come. Its attributes are the reader's until the next event.
    Start(Tag<'a>),
    /// The innermost open element ends.
    End,
    /// Text with references in it.
    Text(&'a str),
    /// Text that stands for itself.
    Verbatim(&'a str),
}

/// The start of an element.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Tag<'a> {
    /// Whose word its name is.
    pub(crate) vocabulary: Vocabulary,
    /// The name without its prefix.
    pub(crate) local: &'a str,
    /// Where it begins in the text.
    pub(crate) offset: usize,
}

/// What was odd in the markup, by kind.
#[derive(Debug, Default, Clone, Copy)]
pub(crate) struct Oddities {
    /// Things that are not well-formed and were read all the same.
    lenient: u32,
    /// References to characters that no document may hold.
    bad_references: u32,
    /// References to entities that are not known.
    unknown_entities: u32,
    /// Attributes beyond the limit.
    attributes: u32,
    /// `xml:base` that is no address, or too long.
    bases: u32,
    /// Names of HTML, which XML does not predefine.
    html_entities: u32,
    /// Prefixes that nothing declares.
    prefixes: u32,
}

/// Elements in which items stand, or which an item that was never closed is taken for.
const HOLDERS: [&str; 7] = ["rss", "rdf", "channel", "feed", "items", "item", "entry"];

#[derive(Debug)]
struct Open<'a> {
    name: &'a str,
    bindings: usize,
    has_base: bool,
}

/// Reads events; see the module.
#[derive(Debug)]
pub(crate) struct Reader<'a> {
    scanner: Scanner<'a>,
    open: Vec<Open<'a>>,
    /// Elements beyond this many are to be ended before anything else is read.
    keep: usize,
    /// A start that waits until they are ended, and where it stands.
    held: Option<(Token<'a>, usize)>,
    attributes: Vec<Attribute<'a>>,
    namespaces: Namespaces<'a>,
    bases: Vec<String>,
    /// The last of these is that of an element that has ended: what was read of it is resolved before the next event.
    base_has_ended: bool,
    base: Option<&'a str>,
    oddities: Oddities,
    depth_limit: usize,
    attribute_limit: usize,
    base_limit: usize,
    doctype: Option<&'a str>,
}

impl<'a> Reader<'a> {
    pub(crate) fn new(text: &'a str, base: Option<&'a str>, limits: &Limits) -> Self {
        Self {
            scanner: Scanner::new(text),
            open: Vec::with_capacity(16),
            keep: usize::MAX,
            held: None,
            attributes: Vec::with_capacity(8),
            namespaces: Namespaces::default(),
            bases: Vec::new(),
            base_has_ended: false,
            base,
            oddities: Oddities::default(),
            depth_limit: limits.depth,
            attribute_limit: limits.attributes,
            base_limit: limits.address_bytes,
            doctype: None,
        }
    }

    /// The next event; `None` at the end, when every element has been ended.
    pub(crate) fn next(&mut self) -> Result<Option<Event<'a>>, ParseError> {
        if std::mem::take(&mut self.base_has_ended) {
            self.bases.pop();
        }
        loop {
            if self.open.len() > self.keep {
                self.close();
                return Ok(Some(Event::End));
            }
            self.keep = usize::MAX;
            let offset = self.scanner.offset();
            let Some((token, offset)) = self.held.take().or_else(|| Some((self.scanner.next()?, offset))) else {
                if self.open.is_empty() {
                    return Ok(None);
                }
                self.scanner.cut();
                self.keep = 0;
                continue;
            };
            match token {
                Token::Text(text) => return Ok(Some(Event::Text(text))),
                Token::Verbatim(text) => return Ok(Some(Event::Verbatim(text))),
                Token::Start { name, attributes, empty } => match self.unclosed_before(name) {
                    None => return self.start(name, attributes, empty, offset).map(|tag| Some(Event::Start(tag))),
                    Some(keep) => {
                        self.oddities.lenient += 1;
                        self.keep = keep;
                        self.held = Some((token, offset));
                    }
                },
                Token::End(name) => self.end(name),
                Token::Doctype(content) => self.doctype = self.doctype.or(Some(content)),
                Token::Declaration if self.open.len() == 1 || self.open.len() == 2 => {
                    return Err(ParseError::XmlSyntax { found: "a second XML declaration", offset });
                }
                Token::Declaration | Token::Nothing => {}
            }
        }
    }

    /// How many elements to keep where an item begins inside something that holds no items: a text before it was never
    /// closed. What stands within the content of an Atom entry is the entry's, whatever it is called.
    fn unclosed_before(&mut self, name: &'a str) -> Option<usize> {
        if !is_one_of(local(name), &["item", "entry"]) || !self.namespaces.resolve(name).0.is_core() {
            return None;
        }
        let holder = self.open.iter().rposition(|open| is_one_of(local(open.name), &HOLDERS))?;
        let above = &self.open[holder + 1..];
        let unclosed = !above.is_empty() && !above.iter().any(|open| is_one_of(local(open.name), &["content"]));
        unclosed.then_some(holder + 1)
    }

    fn start(&mut self, name: &'a str, source: &'a str, empty: bool, offset: usize) -> Result<Tag<'a>, ParseError> {
        if self.open.len() == self.depth_limit {
            return Err(ParseError::XmlDepth { limit: self.depth_limit, offset });
        }
        let bindings = self.namespaces.len();
        let mut has_base = false;
        self.attributes.clear();
        if !source.is_empty() {
            self.oddities.attributes += attributes::split(source, self.attribute_limit, &mut self.attributes);
            for attribute in &self.attributes {
                if let Some(prefix) = attribute.name.strip_prefix("xmlns") {
                    let uri = entity::decoded(attribute.raw, &mut self.oddities);
                    // A blank is in no URI (RFC 3986, section 2).
                    self.oddities.lenient += u32::from(uri.trim_ascii().contains(|c: char| c.is_ascii_whitespace()));
                    self.namespaces.bind(prefix, &uri);
                }
            }
            for attribute in &self.attributes {
                self.oddities.prefixes += u32::from(self.namespaces.is_undeclared(attribute.name));
            }
            has_base = self.enter_base(name);
        }
        self.open.push(Open { name, bindings, has_base });
        if empty {
            self.keep = self.open.len() - 1;
        }
        let (vocabulary, local, undeclared) = self.namespaces.resolve(name);
        self.oddities.prefixes += u32::from(undeclared);
        Ok(Tag { vocabulary, local, offset })
    }

    fn enter_base(&mut self, name: &str) -> bool {
        // A channel of CDF has an attribute of its own.
        let own = if is_one_of(name, &["channel"]) { "base" } else { "xml:base" };
        let Some(reference) = self.attribute("xml:base").or_else(|| self.attribute(own)) else { return false };
        let resolved = address::resolve(reference.trim(), self.base()).filter(|base| base.len() <= self.base_limit);
        self.oddities.bases += u32::from(resolved.is_none());
        resolved.is_some_and(|base| {
            self.bases.push(base);
            true
        })
    }

    fn end(&mut self, name: &str) {
        match self.open.iter().rposition(|open| open.name == name) {
            Some(at) => {
                self.oddities.lenient += u32::from(at + 1 != self.open.len());
                self.keep = at;
            }
            // Some write `</pubdate>` where `<pubDate>` stands.
            None if self.open.last().is_some_and(|open| open.name.eq_ignore_ascii_case(name)) => {
                self.oddities.lenient += 1;
                self.keep = self.open.len() - 1;
            }
            None => self.oddities.lenient += 1,
        }
    }

    fn close(&mut self) {
        let open = self.open.pop().expect("more elements are open than are to be kept");
        self.namespaces.truncate(open.bindings);
        self.base_has_ended = open.has_base;
    }

    /// How many elements are open.
    pub(crate) fn depth(&self) -> usize {
        self.open.len()
    }

    /// The element that has just begun has no content: its end comes next, and was not written as a tag of its own.
    pub(crate) fn is_empty_element(&self) -> bool {
        self.keep < self.open.len()
    }

    /// Attributes of the element that has just begun: names as they stand, values decoded.
    pub(crate) fn attributes(&mut self) -> impl Iterator<Item = (&'a str, Cow<'a, str>)> {
        let oddities = &mut self.oddities;
        self.attributes.iter().map(move |attribute| (attribute.name, entity::decoded(attribute.raw, oddities)))
    }

    /// Attributes of the element that has just begun: names and values as they stand.
    pub(crate) fn raw_attributes(&self) -> impl Iterator<Item = (&'a str, &'a str)> {
        self.attributes.iter().map(|attribute| (attribute.name, attribute.raw))
    }

    /// An attribute of the element that has just begun; names are told apart without regard to case.
    pub(crate) fn attribute(&mut self, name: &str) -> Option<Cow<'a, str>> {
        let found = self.attributes.iter().find(|attribute| attribute.name.eq_ignore_ascii_case(name))?;
        Some(entity::decoded(found.raw, &mut self.oddities))
    }

    /// The address against which links are resolved here.
    pub(crate) fn base(&self) -> Option<&str> {
        self.bases.last().map(String::as_str).or(self.base)
    }

    /// The `xml:base` in force, when the document has one.
    pub(crate) fn declared_base(&self) -> Option<&str> {
        self.bases.last().map(String::as_str)
    }

    /// The name under which a vocabulary's words are kept.
    pub(crate) fn namespace(&self, vocabulary: Vocabulary) -> Arc<str> {
        self.namespaces.name(vocabulary)
    }

    /// From now on, this vocabulary's words are the format's own.
    pub(crate) fn adopt(&mut self, vocabulary: Vocabulary) {
        self.namespaces.adopt(vocabulary);
    }

    /// What the document type says, when there is one.
    pub(crate) fn doctype(&self) -> Option<&'a str> {
        self.doctype
    }

    /// Appends text with its references decoded.
    pub(crate) fn decode_into(&mut self, raw: &str, out: &mut String) {
        entity::decode_into(raw, out, &mut self.oddities);
    }

    /// Appends text as markup: the marks of markup stay references.
    pub(crate) fn escape_into(&mut self, raw: &str, out: &mut String) {
        entity::escape_into(raw, out, &mut self.oddities);
    }

    /// The text ended where it could not.
    pub(crate) fn is_cut(&self) -> bool {
        self.scanner.is_cut()
    }

    /// Something was not well-formed.
    pub(crate) fn is_recovered(&self) -> bool {
        self.oddities.lenient + self.scanner.lenient() + self.oddities.bad_references + self.oddities.prefixes > 0
    }

    /// Adds what was odd.
    pub(crate) fn report(&self, warnings: &mut Warnings) {
        let odd = self.oddities;
        let lenient = odd.lenient + self.scanner.lenient();
        warnings.add_many("xml.lenient", lenient, || "the document is not well-formed XML".to_owned());
        warnings.add_many("xml.reference", odd.bad_references, || {
            "references to characters that no document may hold became U+FFFD".to_owned()
        });
        warnings.add_many("xml.entity", odd.unknown_entities, || {
            "references to entities that are not known were kept as they stand".to_owned()
        });
        warnings.add_many("xml.html_entity", odd.html_entities, || {
            "entities of HTML, which XML does not declare, were decoded".to_owned()
        });
        warnings.add_many("xml.prefix", odd.prefixes, || {
            "prefixes that nothing declares were taken for what they mean elsewhere".to_owned()
        });
        warnings.add_many("xml.attributes", odd.attributes, || {
            format!("attributes beyond the first {} of an element were left out", self.attribute_limit)
        });
        warnings
            .add_many("xml.base", odd.bases, || "an xml:base that is no address, or too long, was ignored".to_owned());
    }
}

fn local(name: &str) -> &str {
    name.rsplit_once(':').map_or(name, |(_, local)| local)
}

fn is_one_of(name: &str, names: &[&str]) -> bool {
    names.iter().any(|other| name.eq_ignore_ascii_case(other))
}

/// Text that a document may hold: without control characters, and with line feeds for line ends (XML 1.0, sections 2.2
/// and 2.11).
pub(crate) fn clean<'a>(text: &'a str, warnings: &mut Warnings) -> Cow<'a, str> {
    let Some(first) = next_control(text.as_bytes()) else { return Cow::Borrowed(text) };
    let mut out = String::with_capacity(text.len());
    let (mut rest, mut removed, mut next) = (text, 0_u32, Some(first));
    while let Some(at) = next {
        out.push_str(&rest[..at]);
        match rest.as_bytes()[at] {
            b'\r' if rest.as_bytes().get(at + 1) == Some(&b'\n') => {}
            b'\r' => out.push('\n'),
            _ => removed += 1,
        }
        rest = &rest[at + 1..];
        next = next_control(rest.as_bytes());
    }
    out.push_str(rest);
    warnings.add_many("xml.control", removed, || "control characters were removed".to_owned());
    Cow::Owned(out)
}

/// Where the next control character stands that is neither tab nor line feed. Whole chunks are tested without a branch,
/// so that the compiler takes them in wide registers.
fn next_control(bytes: &[u8]) -> Option<usize> {
    let control = |byte: u8| byte < 0x20 && byte != b'\t' && byte != b'\n';
    let clean_chunks =
        bytes.chunks_exact(64).take_while(|chunk| !chunk.iter().fold(false, |any, byte| any | control(*byte))).count();
    let from = clean_chunks * 64;
    bytes[from..].iter().position(|byte| control(*byte)).map(|at| from + at)
}

#[cfg(test)]
mod tests;
