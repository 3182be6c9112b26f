//! Feeds in XML: the root tells the format; channel and feed are walked here, items in [`item`].
//!
//! RSS, RDF and Atom are read by one walk, because feeds mix their words: an `atom:link` in RSS, a `dc:date` in Atom.

mod atom;
mod extension;
mod fallback;
mod item;
mod meta;
mod rss;
mod text;

use crate::address::ResolvedBytes;
use crate::document::{Input, Parts};
use crate::error::ParseError;
use crate::limits::Limits;
use crate::model::{Format, RejectedItem};
use crate::warning::Warnings;
use crate::xml::{self, Event, Reader, Tag, Vocabulary};

/// Reads a feed from decoded text that is not JSON.
pub(crate) fn read(
    text: &str,
    input: &Input<'_>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Parts, ParseError> {
    let text = xml::clean(text, warnings);
    let mut walk = Walk {
        reader: Reader::new(&text, input.base, limits),
        text: &text,
        limits,
        warnings,
        parts: Parts::default(),
        ordinal: 0,
        extension_elements: 0,
        resolved: ResolvedBytes::default(),
        buffer: String::new(),
    };
    let root = walk.root()?;
    if walk.is_page(root) {
        walk.feed_in_page()?;
    } else {
        walk.read_root(root)?;
    }
    walk.reader.report(walk.warnings);
    let mut parts = walk.parts;
    fallback::of_feed(&mut parts.feed);
    parts.recovered |= walk.reader.is_recovered();
    parts.truncated |= walk.reader.is_cut();
    Ok(parts)
}

/// One walk over one document.
struct Walk<'a, 'w> {
    reader: Reader<'a>,
    text: &'a str,
    limits: &'a Limits,
    warnings: &'w mut Warnings,
    parts: Parts,
    /// The place of the next item.
    ordinal: u32,
    /// Elements of others that the present item holds, or between items the feed.
    extension_elements: usize,
    resolved: ResolvedBytes,
    /// A text in the making; kept, so that it grows only once.
    buffer: String,
}

impl<'a> Walk<'a, '_> {
    /// Goes to the root element.
    fn root(&mut self) -> Result<Tag<'a>, ParseError> {
        let mut junk = "";
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Start(tag) => {
                    self.parts.recovered |= !junk.is_empty();
                    return Ok(tag);
                }
                Event::Text(text) | Event::Verbatim(text) if junk.is_empty() => junk = text.trim_ascii(),
                _ => {}
            }
        }
        if junk.is_empty() {
            return Err(ParseError::Empty { found: "there is no element in it" });
        }
        Err(ParseError::NotAFeed { found: "plain text".to_owned() })
    }

    fn is_page(&self, root: Tag<'a>) -> bool {
        let says_html = |doctype: &str| doctype.get(..4).is_some_and(|name| name.eq_ignore_ascii_case("html"));
        let is_feed = matches!(root.vocabulary, Vocabulary::Atom | Vocabulary::Rdf) || root.local == "rss";
        root.local.eq_ignore_ascii_case("html") || (!is_feed && self.reader.doctype().is_some_and(says_html))
    }

    /// Goes on to an Atom feed that stands in a page: some servers wrap it so. A page without one is no feed, whatever
    /// state it is in.
    fn feed_in_page(&mut self) -> Result<(), ParseError> {
        let no_feed = || ParseError::NotAFeed { found: "an HTML page".to_owned() };
        while let Some(event) = self.reader.next().map_err(|_| no_feed())? {
            if let Event::Start(tag) = event
                && tag.vocabulary == Vocabulary::Atom
                && tag.local == "feed"
            {
                self.parts.recovered = true;
                self.warnings.add("feed.in_a_page", || "the feed stands in an HTML page".to_owned());
                return self.read_root(tag);
            }
        }
        Err(no_feed())
    }

    fn read_root(&mut self, root: Tag<'a>) -> Result<(), ParseError> {
        let name = root.local.to_ascii_lowercase();
        self.parts.format = match name.as_str() {
            "rss" => Format::Rss,
            "feed" | "entry" if root.vocabulary == Vocabulary::Atom03 => Format::Atom03,
            "feed" | "entry" => Format::Atom,
            "channel" if root.vocabulary == Vocabulary::Plain && !self.is_rss11() => Format::Cdf,
            "rdf" | "channel" => Format::Rdf,
            "opml" => return Err(ParseError::NotAFeed { found: "an OPML list of feeds".to_owned() }),
            _ => {
                let shown = &root.local[..root.local.floor_char_boundary(64)];
                return Err(ParseError::NotAFeed { found: format!("XML with the root element <{shown}>") });
            }
        };
        self.reader.adopt(root.vocabulary);
        self.parts.feed.version = self.reader.attribute("version").map(std::borrow::Cow::into_owned);
        if name == "entry" {
            return self.item(root);
        }
        self.feed_attributes();
        self.container()
    }

    /// RSS 1.1 has the root of CDF and the namespace of its own.
    fn is_rss11(&mut self) -> bool {
        self.reader.attribute("xmlns").is_some_and(|uri| uri.contains("rss1.1"))
    }

    /// Reads what a channel or feed holds, to its end.
    fn container(&mut self) -> Result<(), ParseError> {
        let depth = self.reader.depth();
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Start(tag) => self.feed_child(tag)?,
                Event::End if self.reader.depth() < depth => break,
                _ => {}
            }
        }
        Ok(())
    }

    fn feed_child(&mut self, tag: Tag<'a>) -> Result<(), ParseError> {
        let mut lower = LowerName::default();
        let name = lower.of(tag.local);
        let core = tag.vocabulary.is_core();
        match name {
            "item" | "entry" if core => self.item(tag),
            "rss" | "rdf" | "feed" | "channel" | "items" if core => {
                self.feed_attributes();
                self.container()
            }
            _ => self.feed_field(tag, name),
        }
    }

    /// Leaves an element out, with all that it holds.
    fn skip(&mut self) -> Result<(), ParseError> {
        let depth = self.reader.depth();
        while let Some(event) = self.reader.next()? {
            if matches!(event, Event::End) && self.reader.depth() < depth {
                break;
            }
        }
        Ok(())
    }

    /// Gives out the place of an item.
    fn next_ordinal(&mut self) -> Result<u32, ParseError> {
        let ordinal = self.ordinal;
        if ordinal as usize >= self.limits.items {
            return Err(ParseError::TooManyItems { limit: self.limits.items });
        }
        self.ordinal += 1;
        Ok(ordinal)
    }

    /// The item that begins at `offset` of the text, refused.
    fn rejected(&self, offset: usize, code: &'static str, reason: String) -> RejectedItem {
        let beginning = &self.text[offset..];
        let excerpt = beginning[..beginning.floor_char_boundary(self.limits.excerpt_bytes)].to_owned();
        RejectedItem { ordinal: 0, id: None, link: None, code, reason, excerpt }
    }
}

/// Folds a name to lower case without allocating: publishers write `pubdate` as well as `pubDate`.
#[derive(Default)]
struct LowerName([u8; 24]);

impl LowerName {
    /// The name in lower case; one that is longer than any we know is given back as it is.
    fn of<'s>(&'s mut self, name: &'s str) -> &'s str {
        if !name.bytes().any(|byte| byte.is_ascii_uppercase()) {
            return name;
        }
        let Some(buffer) = self.0.get_mut(..name.len()) else { return name };
        buffer.copy_from_slice(name.as_bytes());
        buffer.make_ascii_lowercase();
        std::str::from_utf8(buffer).unwrap_or(name)
    }
}

#[cfg(test)]
mod tests;
