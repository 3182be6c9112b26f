//! What a document says of its feed.

use super::text::Form;
use super::{LowerName, Walk};
use crate::error::ParseError;
use crate::model::{FeedMeta, Generator, Image, Person, TextKind};
use crate::xml::{Event, Tag, Vocabulary};

impl<'a> Walk<'a, '_> {
    /// Reads one child of a channel, feed or source that is neither an item nor another container, into the feed in hand.
    pub(super) fn feed_field(&mut self, tag: Tag<'a>, name: &str) -> Result<(), ParseError> {
        match tag.vocabulary {
            vocabulary if vocabulary.is_core() => self.core_feed_field(tag, name)?,
            Vocabulary::DublinCore | Vocabulary::DublinTerms => self.dublin_feed_field(tag, name)?,
            Vocabulary::Syndication => {
                let text = self.plain()?;
                if !self.parts.feed.schedule.take(name, &text, self.warnings) {
                    self.warnings.add("schedule.unknown", || "sy: has no such word".to_owned());
                }
            }
            _ => self.feed_extension(tag)?,
        }
        self.bound_feed();
        Ok(())
    }

    fn core_feed_field(&mut self, tag: Tag<'a>, name: &str) -> Result<(), ParseError> {
        match name {
            "title" => {
                let title = self.text_construct()?;
                self.parts.feed.title = Some(title);
            }
            "link" | "a" => {
                if let Some(link) = self.link(tag)? {
                    self.parts.feed.links.push(link);
                }
            }
            "id" | "guid" => {
                let id = self.plain_if_any()?;
                self.parts.feed.id = id.or(self.parts.feed.id.take());
            }
            "description" | "subtitle" | "tagline" | "abstract" => {
                let subtitle = self.text_construct()?;
                self.parts.feed.subtitle.get_or_insert(subtitle);
            }
            "language" => {
                let language = self.plain_if_any()?;
                self.parts.feed.language = language.or(self.parts.feed.language.take());
            }
            "author" | "managingeditor" => {
                let author = self.person()?;
                self.parts.feed.authors.extend(author);
            }
            "contributor" => {
                let contributor = self.person()?;
                self.parts.feed.contributors.extend(contributor);
            }
            "webmaster" => {
                let publisher = self.person()?;
                self.parts.feed.publisher = publisher.or(self.parts.feed.publisher.take());
            }
            "category" => {
                let category = self.category()?;
                self.parts.feed.tags.extend(category);
            }
            "generator" => self.generator()?,
            "copyright" | "rights" => {
                let rights = self.text_construct()?;
                self.parts.feed.rights = Some(rights);
            }
            "pubdate" | "published" | "issued" => {
                let published = self.date()?;
                self.parts.feed.published = published.or(self.parts.feed.published.take());
            }
            "updated" | "modified" | "lastbuilddate" => {
                let updated = self.date()?;
                self.parts.feed.updated = updated.or(self.parts.feed.updated.take());
            }
            "image" => self.image()?,
            "logo" => {
                let href = self.address()?;
                let image = self.parts.feed.image.get_or_insert_default();
                image.href = image.href.take().or(href);
            }
            "icon" => {
                let icon = self.address()?;
                self.parts.feed.icon = icon.or(self.parts.feed.icon.take());
            }
            "ttl" => {
                let text = self.plain()?;
                self.parts.feed.schedule.take(name, &text, self.warnings);
            }
            "skiphours" | "skipdays" => self.skipped_times()?,
            _ => self.feed_extension(tag)?,
        }
        Ok(())
    }

    /// Dublin Core: what the format itself has no word for, or did not say.
    fn dublin_feed_field(&mut self, tag: Tag<'a>, name: &str) -> Result<(), ParseError> {
        let person = |name: Option<String>| name.map(|name| Person { name: Some(name), ..Person::default() });
        match name {
            "title" if self.parts.feed.title.is_none() => {
                self.parts.feed.title = Some(self.text(TextKind::Unsaid, Form::Text)?);
            }
            "description" if self.parts.feed.subtitle.is_none() => {
                self.parts.feed.subtitle = Some(self.text(TextKind::Unsaid, Form::Text)?);
            }
            "language" if self.parts.feed.language.is_none() => self.parts.feed.language = self.plain_if_any()?,
            "rights" if self.parts.feed.rights.is_none() => {
                self.parts.feed.rights = Some(self.text(TextKind::Unsaid, Form::Text)?);
            }
            "creator" | "author" => {
                let author = person(self.plain_if_any()?);
                self.parts.feed.authors.extend(author);
            }
            "contributor" => {
                let contributor = person(self.plain_if_any()?);
                self.parts.feed.contributors.extend(contributor);
            }
            "publisher" if self.parts.feed.publisher.is_none() => {
                self.parts.feed.publisher = person(self.plain_if_any()?);
            }
            "subject" => {
                let term = self.plain_if_any()?;
                self.parts.feed.tags.extend(term.map(|term| crate::model::Tag { term, ..Default::default() }));
            }
            "date" | "modified" => {
                let updated = self.date()?;
                self.parts.feed.updated = updated.or(self.parts.feed.updated.take());
            }
            "issued" => {
                let published = self.date()?;
                self.parts.feed.published = published.or(self.parts.feed.published.take());
            }
            _ => self.feed_extension(tag)?,
        }
        Ok(())
    }

    fn feed_extension(&mut self, tag: Tag<'a>) -> Result<(), ParseError> {
        let mut elements = std::mem::take(&mut self.parts.feed.extensions);
        let read = self.extension(tag, &mut elements);
        self.parts.feed.extensions = elements;
        read
    }

    /// RSS says the name; Atom where it is described and its version besides (RFC 4287, section 4.2.4).
    fn generator(&mut self) -> Result<(), ParseError> {
        let [uri, url, version] = ["uri", "url", "version"].map(|name| self.attribute(name));
        let uri = uri.or(url).map(|uri| self.link_to(&uri)).and_then(|link| link.href.or(link.raw));
        let generator = Generator { name: self.plain_if_any()?, uri, version };
        if generator != Generator::default() {
            self.parts.feed.generator = Some(generator);
        }
        Ok(())
    }

    /// `image`: the picture's address, and what there is to say of it. RSS 1.0 names it in the channel and describes it
    /// beside.
    fn image(&mut self) -> Result<(), ParseError> {
        let depth = self.reader.depth();
        let mut image = self.parts.feed.image.take().unwrap_or_default();
        let named = self.attribute("rdf:resource").or_else(|| self.attribute("href"));
        let href = named.map(|href| self.link_to(&href)).and_then(|link| link.href.or(link.raw));
        image.href = href.or(image.href);
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Start(tag) => match LowerName::default().of(tag.local) {
                    "url" => image.href = self.address()?.or(image.href),
                    "link" => image.link = self.address()?.or(image.link),
                    "title" => image.title = self.plain_if_any()?.or(image.title),
                    "description" => image.description = self.plain_if_any()?.or(image.description),
                    "width" => image.width = self.plain_if_any()?.or(image.width),
                    "height" => image.height = self.plain_if_any()?.or(image.height),
                    _ => self.skip()?,
                },
                Event::End if self.reader.depth() < depth => break,
                Event::End | Event::Text(_) | Event::Verbatim(_) => {}
            }
        }
        self.parts.feed.image = Some(image).filter(|image| *image != Image::default());
        Ok(())
    }

    /// An address that is the text of the element, or its `href`.
    fn address(&mut self) -> Result<Option<String>, ParseError> {
        let href = self.attribute("href");
        let raw = self.plain_if_any()?.or(href);
        Ok(raw.map(|raw| self.link_to(&raw)).and_then(|link| link.href.or(link.raw)))
    }

    /// `skipHours` and `skipDays`: a list of `hour` or `day`.
    fn skipped_times(&mut self) -> Result<(), ParseError> {
        let depth = self.reader.depth();
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Start(tag) => {
                    let mut lower = LowerName::default();
                    let name = lower.of(tag.local);
                    let text = self.plain()?;
                    if matches!(name, "hour" | "day") {
                        self.parts.feed.schedule.take(name, &text, self.warnings);
                    }
                }
                Event::End if self.reader.depth() < depth => break,
                Event::End | Event::Text(_) | Event::Verbatim(_) => {}
            }
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
        self.bound_feed();
    }

    /// Of what a feed lists without end, the first are kept.
    fn bound_feed(&mut self) {
        let limit = self.limits.members;
        let FeedMeta { links, authors, contributors, tags, .. } = &mut self.parts.feed;
        let counts = [links.len(), authors.len(), contributors.len(), tags.len()];
        if counts.iter().any(|count| *count > limit) {
            links.truncate(limit);
            authors.truncate(limit);
            contributors.truncate(limit);
            tags.truncate(limit);
            self.warnings.add("feed.too_many", || format!("of what the feed lists, the first {limit} were kept"));
        }
    }
}
