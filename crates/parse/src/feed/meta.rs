//! What a document says of its feed.

use super::Walk;
use super::text::Form;
use crate::error::ParseError;
use crate::model::{Person, TextKind};
use crate::xml::{Tag, Vocabulary};

impl<'a> Walk<'a, '_> {
    /// Reads one child of a channel or feed that is neither an item nor another container.
    pub(super) fn feed_field(&mut self, tag: Tag<'a>, name: &str) -> Result<(), ParseError> {
        use Vocabulary::{DublinCore, DublinTerms};
        let core = tag.vocabulary.is_core();
        match (name, tag.vocabulary) {
            ("title", _) if core => {
                let title = self.text_construct()?;
                self.parts.feed.title = Some(title);
            }
            ("title", DublinCore) => {
                let title = self.text(TextKind::Unsaid, Form::Text)?;
                self.parts.feed.title.get_or_insert(title);
            }
            ("link" | "a", _) if core => {
                if let Some(link) = self.link(tag)? {
                    self.parts.feed.links.push(link);
                }
            }
            ("id" | "guid", _) if core => {
                let id = self.plain_if_any()?;
                self.parts.feed.id = id.or(self.parts.feed.id.take());
            }
            ("description" | "subtitle" | "tagline" | "abstract", _) if core || tag.vocabulary == DublinCore => {
                let subtitle = self.text_construct()?;
                self.parts.feed.subtitle.get_or_insert(subtitle);
            }
            ("language", _) if core || tag.vocabulary == DublinCore => {
                self.parts.feed.language = self.plain_if_any()?;
            }
            ("author" | "managingeditor", _) if core => {
                let author = self.person()?;
                self.parts.feed.authors.extend(author);
            }
            ("creator", DublinCore) => {
                let name = self.plain_if_any()?;
                self.parts.feed.authors.extend(name.map(|name| Person { name: Some(name), ..Person::default() }));
            }
            ("generator", _) if core => self.parts.feed.generator = self.plain_if_any()?,
            ("copyright" | "rights", _) if core || tag.vocabulary == DublinCore => {
                self.parts.feed.rights = Some(self.text_construct()?);
            }
            ("ttl", _) if core => self.parts.feed.ttl = self.plain_if_any()?,
            ("pubdate" | "published" | "issued", _) if core || tag.vocabulary == DublinTerms => {
                self.parts.feed.published = self.date()?;
            }
            ("updated" | "modified" | "lastbuilddate" | "date", _)
                if core || matches!(tag.vocabulary, DublinCore | DublinTerms) =>
            {
                let updated = self.date()?;
                self.parts.feed.updated = updated.or(self.parts.feed.updated.take());
            }
            _ => self.skip()?,
        }
        Ok(())
    }

    /// What the channel of CDF and of RSS 1.1 says in attributes.
    pub(super) fn feed_attributes(&mut self) {
        if let Some(href) = self.attribute("href") {
            let link = self.link_to(&href);
            self.parts.feed.links.push(link);
        }
        if let Some(modified) = self.attribute("lastmod") {
            self.parts.feed.updated = crate::dates::dated(&modified, self.warnings);
        }
        if let Some(language) = self.attribute("xml:lang") {
            self.parts.feed.language.get_or_insert(language);
        }
    }
}
