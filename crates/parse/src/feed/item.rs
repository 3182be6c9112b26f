//! One item or entry.

use super::fallback;
use super::text::Form;
use super::{LowerName, Walk};
use crate::error::ParseError;
use crate::model::{Format, Item, Person, Tag as Category, Text, TextKind};
use crate::xml::{Event, Tag, Vocabulary};

/// An item that is being read.
struct Begun {
    item: Item,
    /// Where it begins in the text.
    offset: usize,
    /// How many elements are open in it.
    depth: usize,
}

impl<'a> Walk<'a, '_> {
    /// Reads an item to its end. An item within an item ends the outer one, which was never closed; what the outer one
    /// holds after the inner one's end belongs to nobody.
    pub(super) fn item(&mut self, tag: Tag<'a>) -> Result<(), ParseError> {
        let depth = self.reader.depth();
        let outer_elements = self.extension_elements;
        let mut begun = Some(self.begin_item(tag)?);
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Start(child) if is_item(child) => {
                    if let Some(outer) = begun.take() {
                        self.end_item(outer);
                    }
                    begun = Some(self.begin_item(child)?);
                }
                Event::Start(child) => match &mut begun {
                    Some(begun) => self.item_child(child, &mut begun.item)?,
                    None => self.skip()?,
                },
                Event::End if self.reader.depth() < depth => break,
                Event::End => {
                    if let Some(ended) = begun.take_if(|begun| self.reader.depth() < begun.depth) {
                        self.end_item(ended);
                    }
                }
                Event::Text(_) | Event::Verbatim(_) => {}
            }
        }
        if let Some(ended) = begun {
            self.end_item(ended);
        }
        self.extension_elements = outer_elements;
        Ok(())
    }

    fn begin_item(&mut self, tag: Tag<'a>) -> Result<Begun, ParseError> {
        let mut item = Item { ordinal: self.next_ordinal()?, ..Item::default() };
        self.extension_elements = 0;
        self.item_attributes(&mut item);
        Ok(Begun { item, offset: tag.offset, depth: self.reader.depth() })
    }

    /// Takes an item, or refuses it. One that is cut is left out: half an item is none.
    fn end_item(&mut self, begun: Begun) {
        let Begun { mut item, offset, .. } = begun;
        if self.reader.is_cut() {
            return;
        }
        if self.parts.format == Format::Rss {
            Self::link_by_guid(&mut item);
        }
        fallback::of_item(&mut item);
        match self.limits.fault(&item, self.extension_elements) {
            None => self.parts.items.push(item),
            Some((code, reason)) => {
                let mut rejected = self.rejected(offset, code, reason);
                rejected.ordinal = item.ordinal;
                rejected.link = item.link().map(str::to_owned);
                rejected.id = item.id;
                self.parts.rejects.push(rejected);
            }
        }
    }

    /// `rdf:about` of RSS 1.0, and what CDF says in attributes.
    fn item_attributes(&mut self, item: &mut Item) {
        item.id = self.attribute("rdf:about");
        item.language = self.reader.attribute("xml:lang").map(std::borrow::Cow::into_owned);
        if let Some(href) = self.attribute("href") {
            let link = self.link_to(&href);
            item.links.push(link);
        }
        if let Some(modified) = self.attribute("lastmod") {
            item.updated = crate::dates::dated(&modified, self.warnings);
        }
    }

    fn item_child(&mut self, tag: Tag<'a>, item: &mut Item) -> Result<(), ParseError> {
        // It will be refused: more of it would only cost memory.
        if self.limits.too_many(item, self.extension_elements).is_some() {
            return self.skip();
        }
        let mut lower = LowerName::default();
        let name = lower.of(tag.local);
        match tag.vocabulary {
            vocabulary if vocabulary.is_core() => self.core_field(tag, name, item),
            Vocabulary::DublinCore | Vocabulary::DublinTerms => self.dublin_field(tag, name, item),
            Vocabulary::Content if name == "encoded" => {
                let text = self.text(TextKind::Html, Form::Text)?;
                push_content(item, Some(text));
                Ok(())
            }
            Vocabulary::Xhtml if matches!(name, "body" | "div") => {
                let text = self.text(TextKind::Xhtml, Form::Markup)?;
                push_content(item, Some(text));
                Ok(())
            }
            _ => self.extension(tag, &mut item.extensions),
        }
    }

    fn core_field(&mut self, tag: Tag<'a>, name: &str, item: &mut Item) -> Result<(), ParseError> {
        match name {
            "title" => set_if_any(&mut item.title, self.text_construct()?),
            "link" => self.item_link(tag, item)?,
            "id" => item.id = self.plain_if_any()?.or(item.id.take()),
            "guid" => self.guid(item)?,
            "description" | "summary" | "abstract" => {
                let summary = self.text_construct()?;
                set_summary(item, summary, name == "description");
            }
            "content" | "encoded" | "body" | "fullitem" => {
                let content = self.content()?;
                push_content(item, content);
            }
            "pubdate" | "published" | "issued" => item.published = self.date()?.or(item.published.take()),
            "updated" | "modified" => item.updated = self.date()?.or(item.updated.take()),
            "author" => item.authors.extend(self.person()?),
            "contributor" => item.contributors.extend(self.person()?),
            "category" => item.tags.extend(self.category()?),
            "enclosure" => item.enclosures.extend(self.enclosure()?),
            "comments" => {
                let comments = self.plain_if_any()?.map(|raw| self.link_to(&raw));
                item.comments = comments.and_then(|link| link.href.or(link.raw));
            }
            "source" => item.source = self.source()?,
            "rights" | "copyright" => item.rights = Some(self.text_construct()?),
            "language" => item.language = self.plain_if_any()?,
            _ => self.extension(tag, &mut item.extensions)?,
        }
        Ok(())
    }

    /// Dublin Core: what the format itself has no word for, or did not say.
    fn dublin_field(&mut self, tag: Tag<'a>, name: &str, item: &mut Item) -> Result<(), ParseError> {
        match name {
            "title" if item.title.is_none() => set_if_any(&mut item.title, self.text(TextKind::Unsaid, Form::Text)?),
            "description" if item.summary.is_none() => {
                set_if_any(&mut item.summary, self.text(TextKind::Unsaid, Form::Text)?);
            }
            "date" => item.updated = self.date()?.or(item.updated.take()),
            "modified" if tag.vocabulary == Vocabulary::DublinTerms => {
                item.updated = self.date()?.or(item.updated.take());
            }
            "issued" if tag.vocabulary == Vocabulary::DublinTerms => {
                item.published = self.date()?.or(item.published.take());
            }
            "creator" | "author" => {
                let name = self.plain_if_any()?;
                item.authors.extend(name.map(|name| Person { name: Some(name), ..Person::default() }));
            }
            "contributor" => {
                let name = self.plain_if_any()?;
                item.contributors.extend(name.map(|name| Person { name: Some(name), ..Person::default() }));
            }
            "subject" => {
                let term = self.plain_if_any()?;
                item.tags.extend(term.map(|term| Category { term, ..Category::default() }));
            }
            "rights" if item.rights.is_none() => item.rights = Some(self.text(TextKind::Unsaid, Form::Text)?),
            "language" if item.language.is_none() => item.language = self.plain_if_any()?,
            _ => self.extension(tag, &mut item.extensions)?,
        }
        Ok(())
    }

    fn item_link(&mut self, tag: Tag<'a>, item: &mut Item) -> Result<(), ParseError> {
        let rel = self.reader.attribute("rel");
        if rel.is_some_and(|rel| rel.eq_ignore_ascii_case("enclosure")) {
            item.enclosures.extend(self.enclosure()?);
        } else {
            item.links.extend(self.link(tag)?);
        }
        Ok(())
    }
}

/// An item of the format itself.
pub(super) fn is_item(tag: Tag<'_>) -> bool {
    tag.vocabulary.is_core() && matches!(LowerName::default().of(tag.local), "item" | "entry")
}

/// The last that says something wins; an empty one says nothing.
fn set_if_any(slot: &mut Option<Text>, text: Text) {
    if !text.value.is_empty() {
        *slot = Some(text);
    }
}

/// Where an item has both a summary and a description, the description is what RSS means; the other is content.
fn set_summary(item: &mut Item, summary: Text, is_description: bool) {
    if summary.value.is_empty() {
        return;
    }
    let rest = if is_description || item.summary.is_none() { item.summary.replace(summary) } else { Some(summary) };
    let rest = rest.filter(|rest| item.summary.as_ref() != Some(rest));
    push_content(item, rest);
}

fn push_content(item: &mut Item, content: Option<Text>) {
    item.contents.extend(content.filter(|text| !text.value.is_empty() || text.src.is_some()));
}
