//! What Atom writes in a way of its own: text, person, link and content constructs (RFC 4287, sections 3 and 4).

use super::text::Form;
use super::{LowerName, Walk};
use crate::base64;
use crate::error::ParseError;
use crate::model::{FeedMeta, Format, Link, Person, Tag as Category, Text, TextKind};
use crate::xml::{Event, Tag};

impl<'a> Walk<'a, '_> {
    /// A text construct; in RSS the same element without a `type`.
    pub(super) fn text_construct(&mut self) -> Result<Text, ParseError> {
        let (kind, form) = self.text_kind();
        // Atom 1.0 has no media types here: what is called by one is what it calls `xhtml` (RFC 4287, section 3.1.1).
        let is_xhtml = self.parts.format == Format::Atom && form == Form::Markup;
        self.text_of(kind, if is_xhtml { Form::MarkupInDiv } else { form })
    }

    fn text_of(&mut self, kind: TextKind, form: Form) -> Result<Text, ParseError> {
        let mut text = self.text(kind, form)?;
        if form == Form::Base64
            && let Some(value) = base64::decode(&text.value)
        {
            text.value = value;
        }
        Ok(text)
    }

    /// Content, inline or elsewhere.
    pub(super) fn content(&mut self) -> Result<Option<Text>, ParseError> {
        let src = self.attribute("src");
        let src = src.map(|src| self.link_to(&src)).and_then(|link| link.href.or(link.raw));
        let (kind, form) = self.text_kind();
        let mut text = self.text_of(kind, form)?;
        text.src = src;
        Ok(Some(text).filter(|text| !text.value.is_empty() || text.src.is_some()))
    }

    /// `type`, and `mode` of Atom 0.3.
    fn text_kind(&mut self) -> (TextKind, Form) {
        let mode = self.attribute("mode").map(|mode| mode.to_ascii_lowercase());
        let (inline, wrapped) = (mode.as_deref() == Some("xml"), mode.as_deref() == Some("base64"));
        let named = self.attribute("type").map(|kind| kind.to_ascii_lowercase());
        let (kind, form) = match named.as_deref().map(|kind| kind.split(';').next().unwrap_or(kind).trim()) {
            // The `div` is no part of the text (RFC 4287, section 3.1.1.3); in Atom 0.3 it is.
            Some("xhtml") => (TextKind::Xhtml, Form::MarkupInDiv),
            Some("application/xhtml+xml") => (TextKind::Xhtml, Form::Markup),
            None | Some("html" | "text/html") if inline => (TextKind::Xhtml, Form::Markup),
            None => (TextKind::Unsaid, Form::Text),
            Some("html" | "text/html") => (TextKind::Html, Form::Text),
            Some("text" | "text/plain") => (TextKind::Plain, Form::Text),
            Some(media) => {
                // What is neither text nor XML comes in base64 (RFC 4287, section 4.1.3.3).
                let textual = media.starts_with("text/") || media.ends_with("/xml") || media.ends_with("+xml");
                let form = if textual || !media.contains('/') { Form::Text } else { Form::Base64 };
                (TextKind::Media(named.clone().unwrap_or_default()), form)
            }
        };
        (kind, if wrapped { Form::Base64 } else { form })
    }

    /// `author`, `contributor` or whoever: a person construct, or as in RSS a text.
    pub(super) fn person(&mut self) -> Result<Option<Person>, ParseError> {
        let depth = self.reader.depth();
        let mut person = Person::default();
        let mut text = String::new();
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Text(raw) => self.reader.decode_into(raw, &mut text),
                Event::Verbatim(verbatim) => text.push_str(verbatim),
                Event::Start(tag) => {
                    let mut lower = LowerName::default();
                    match lower.of(tag.local) {
                        "name" if tag.vocabulary.is_core() => person.name = self.plain_if_any()?,
                        "email" if tag.vocabulary.is_core() => person.email = self.plain_if_any()?,
                        "uri" | "url" | "homepage" if tag.vocabulary.is_core() => {
                            let uri = self.plain_if_any()?;
                            person.uri = uri.map(|uri| self.link_to(&uri)).and_then(|link| link.href.or(link.raw));
                        }
                        // RSS has a text here, at times with markup in it.
                        _ if tag.vocabulary.is_core() => text.push_str(&self.plain()?),
                        _ => self.skip()?,
                    }
                }
                Event::End if self.reader.depth() < depth => break,
                Event::End => {}
            }
        }
        let text = super::text::trimmed(&text);
        if person.name.is_none() && !text.is_empty() {
            person.name = Some(text.to_owned());
        }
        Ok(Some(person).filter(|person| *person != Person::default()))
    }

    /// A link by its `href`, or as in RSS by its text.
    pub(super) fn link(&mut self, _tag: Tag<'a>) -> Result<Option<Link>, ParseError> {
        let rel = self.attribute("rel").map(|rel| short_relation(&rel).to_owned());
        let [media_type, title, language, length] =
            ["type", "title", "hreflang", "length"].map(|name| self.attribute(name));
        // An empty `href` means the base itself.
        let href = self.reader.attribute("href").map(|href| super::text::trimmed(&href).to_owned());
        let text = self.plain_if_any()?;
        let Some(raw) = href.or(text) else {
            // One that leads nowhere may still say something of itself.
            let link = Link { rel, media_type, title, language, length, ..Link::default() };
            return Ok(Some(link).filter(|link| *link != Link::default()));
        };
        Ok(Some(Link { rel, media_type, title, language, length, ..self.link_to(&raw) }))
    }

    /// A category by its `term`, or as in RSS by its text.
    pub(super) fn category(&mut self) -> Result<Option<Category>, ParseError> {
        let [term, scheme, domain, label] = ["term", "scheme", "domain", "label"].map(|name| self.attribute(name));
        let text = self.plain_if_any()?;
        let term = term.or(text).or_else(|| label.clone());
        if term.is_none() && (scheme.is_some() || domain.is_some()) {
            self.warnings.add("category.unnamed", || "a category without a term was left out".to_owned());
        }
        Ok(term.map(|term| Category { term, scheme: scheme.or(domain), label }))
    }

    /// The feed that an entry was taken over from: what Atom says of it, or as in RSS its title and `url`.
    pub(super) fn source(&mut self) -> Result<Option<Box<FeedMeta>>, ParseError> {
        let url = self.attribute("url").map(|url| self.link_to(&url));
        let document = std::mem::take(&mut self.parts.feed);
        let read = self.source_fields();
        let mut source = std::mem::replace(&mut self.parts.feed, document);
        let text = read?;
        source.links.extend(url);
        let text = super::text::trimmed(&text);
        if source.title.is_none() && !text.is_empty() {
            source.title = Some(Text { value: text.to_owned(), ..Text::default() });
        }
        Ok(Some(source).filter(|source| *source != FeedMeta::default()).map(Box::new))
    }

    /// Reads what a source holds into the feed in hand; gives its own text.
    fn source_fields(&mut self) -> Result<String, ParseError> {
        let depth = self.reader.depth();
        let mut text = String::new();
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Text(raw) => self.reader.decode_into(raw, &mut text),
                Event::Verbatim(verbatim) => text.push_str(verbatim),
                Event::Start(tag) => self.feed_field(tag, LowerName::default().of(tag.local))?,
                Event::End if self.reader.depth() < depth => break,
                Event::End => {}
            }
        }
        Ok(text)
    }
}

/// A registered relation may be written as an IRI (RFC 4287, section 4.2.7.2).
fn short_relation(rel: &str) -> &str {
    rel.strip_prefix("http://www.iana.org/assignments/relation/").unwrap_or(rel)
}
