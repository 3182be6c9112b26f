//! JSON Feed 1.0 and 1.1.
//!
//! The document is first split into its members and its items by their brackets alone, then each is read strictly: a bad
//! item costs itself, and of a cut document the whole items before the cut remain.

mod split;

use std::collections::BTreeMap;

use feedspine_core::json::MAX_DEPTH;
use feedspine_core::{Json, JsonError};

use crate::address::ResolvedBytes;
use crate::dates;
use crate::document::{Input, Parts};
use crate::error::ParseError;
use crate::limits::Limits;
use crate::model::{Dated, Enclosure, FeedMeta, Format, Image, Item, Link, Person, RejectedItem, Tag, Text, TextKind};
use crate::warning::Warnings;

/// Reads a JSON Feed from decoded text that begins with `{`.
pub(crate) fn read(
    text: &str,
    input: &Input<'_>,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Result<Parts, ParseError> {
    let outline = split::outline(text)?;
    let mut members = BTreeMap::new();
    for (name, value) in &outline.members {
        members.insert(name.clone(), strictly(value, offset_in(text, value))?);
    }
    if outline.items.is_none() && !says_json_feed(&members) {
        return Err(ParseError::JsonNotAFeed { found: "an object without items" });
    }
    let mut reader = Reader { limits, warnings, base: input.base, resolved: ResolvedBytes::default() };
    let mut parts = Parts { format: Format::JsonFeed, ..Parts::default() };
    parts.truncated = outline.truncated;
    for (ordinal, slice) in outline.items.unwrap_or_default().into_iter().enumerate() {
        if ordinal == limits.items {
            return Err(ParseError::TooManyItems { limit: limits.items });
        }
        let ordinal = u32::try_from(ordinal).unwrap_or(u32::MAX);
        match reader.item(ordinal, slice, offset_in(text, slice))? {
            Ok(item) => parts.items.push(item),
            Err(rejected) => parts.rejects.push(rejected),
        }
    }
    parts.feed = reader.feed(members);
    Ok(parts)
}

fn says_json_feed(members: &BTreeMap<String, Json>) -> bool {
    members.get("version").and_then(Json::as_str).is_some_and(|version| version.contains("jsonfeed.org"))
}

/// Where a slice of `text` begins in it.
fn offset_in(text: &str, slice: &str) -> usize {
    slice.as_ptr() as usize - text.as_ptr() as usize
}

/// Reads one value; depth is the document's affair, and so is what is no JSON.
fn strictly(slice: &str, offset: usize) -> Result<Json, ParseError> {
    Json::parse(slice).map_err(|error| match error {
        JsonError::Depth { offset: inner } => ParseError::JsonDepth { limit: MAX_DEPTH, offset: offset + inner },
        other => ParseError::JsonSyntax { found: other.to_string() },
    })
}

struct Reader<'a, 'w> {
    limits: &'a Limits,
    warnings: &'w mut Warnings,
    base: Option<&'a str>,
    resolved: ResolvedBytes,
}

type Members = BTreeMap<String, Json>;

impl Reader<'_, '_> {
    fn item(&mut self, ordinal: u32, slice: &str, offset: usize) -> Result<Result<Item, RejectedItem>, ParseError> {
        let reject = |id: Option<String>, code, reason: String| {
            let end = slice.floor_char_boundary(self.limits.excerpt_bytes);
            RejectedItem { ordinal, id, link: None, code, reason, excerpt: slice[..end].to_owned() }
        };
        let members = match Json::parse(slice) {
            Ok(Json::Object(members)) => members,
            Ok(_) => return Ok(Err(reject(None, "json.not_an_object", "the item is no JSON object".into()))),
            Err(error @ JsonError::Surrogate { .. }) => {
                return Ok(Err(reject(None, "json.surrogate", error.to_string())));
            }
            Err(JsonError::Depth { offset: inner }) => {
                return Err(ParseError::JsonDepth { limit: MAX_DEPTH, offset: offset + inner });
            }
            Err(error) => return Ok(Err(reject(None, "json.syntax", error.to_string()))),
        };
        let item = self.read_item(ordinal, members);
        let others = item.members.values().map(values).sum();
        if let Some((code, reason)) = self.limits.fault(&item, others) {
            let link = item.link().map(str::to_owned);
            return Ok(Err(RejectedItem { link, ..reject(item.id, code, reason) }));
        }
        Ok(Ok(item))
    }

    fn read_item(&mut self, ordinal: u32, mut members: Members) -> Item {
        let mut item = Item { ordinal, id: self.id(&mut members), ..Item::default() };
        item.links.extend(self.link(&mut members, "url", None));
        item.links.extend(self.link(&mut members, "external_url", Some("related")));
        for name in ["image", "banner_image"] {
            item.links.extend(self.link(&mut members, name, Some(name)));
        }
        item.title = text(&mut members, "title", TextKind::Plain);
        item.summary = text(&mut members, "summary", TextKind::Plain);
        item.contents.extend(text(&mut members, "content_html", TextKind::Html));
        item.contents.extend(text(&mut members, "content_text", TextKind::Plain));
        item.published = self.date(&mut members, "date_published");
        item.updated = self.date(&mut members, "date_modified");
        item.authors = Self::authors(&mut members);
        item.language = string(&mut members, "language");
        for tag in list(&mut members, "tags") {
            if let Json::String(term) = tag {
                item.tags.push(Tag { term, ..Tag::default() });
            }
        }
        for attachment in list(&mut members, "attachments") {
            item.enclosures.extend(self.attachment(attachment));
        }
        item.members = self.rest(members);
        item
    }

    /// Members that are nobody's we know. In the content they stand two levels deeper than in the document.
    fn rest(&mut self, mut members: Members) -> Members {
        members.retain(|name, value| {
            let fits = levels(value) + 3 <= MAX_DEPTH;
            if !fits {
                self.warnings
                    .add("extension.depth", || format!("the member {name:?} is nested too deep and was left out"));
            }
            fits
        });
        members
    }

    /// An id that is a number is that number's text: both kinds are published, at times by one feed in turn.
    fn id(&mut self, members: &mut Members) -> Option<String> {
        let id = match members.remove("id")? {
            Json::String(text) => Some(text),
            Json::Number(number) => {
                self.warnings.add("json.number_id", || format!("an id is the number {number}, not a string"));
                Some(number.to_string())
            }
            _ => None,
        };
        id.map(|id| id.trim_matches(|c: char| c.is_ascii_whitespace()).to_owned()).filter(|id| !id.is_empty())
    }

    fn link(&mut self, members: &mut Members, name: &str, rel: Option<&str>) -> Option<Link> {
        let raw = string(members, name)?;
        let mut link = crate::address::link(&raw, self.base, &mut self.resolved, self.limits, self.warnings);
        link.rel = rel.map(str::to_owned);
        Some(link)
    }

    fn date(&mut self, members: &mut Members, name: &str) -> Option<Dated> {
        string(members, name).and_then(|raw| dates::dated(&raw, self.warnings))
    }

    /// `authors` of 1.1, else `author` of 1.0.
    fn authors(members: &mut Members) -> Vec<Person> {
        let mut people = list(members, "authors");
        people.extend(members.remove("author"));
        let mut authors: Vec<Person> = Vec::new();
        for person in people {
            let Json::Object(mut person) = person else { continue };
            let [name, uri, avatar] = ["name", "url", "avatar"].map(|name| string(&mut person, name));
            let author = Person { name, uri, avatar, email: None };
            if author != Person::default() && !authors.contains(&author) {
                authors.push(author);
            }
        }
        authors
    }

    fn attachment(&mut self, attachment: Json) -> Option<Enclosure> {
        let Json::Object(mut members) = attachment else { return None };
        let link = self.link(&mut members, "url", None)?;
        let [length, duration] = ["size_in_bytes", "duration_in_seconds"].map(|name| match members.remove(name) {
            Some(Json::Number(number)) => Some(number.to_string()),
            Some(Json::String(text)) => Some(text),
            _ => None,
        });
        Some(Enclosure {
            href: link.href.or(link.raw)?,
            media_type: string(&mut members, "mime_type"),
            length,
            title: string(&mut members, "title"),
            duration,
        })
    }

    fn feed(&mut self, mut members: Members) -> FeedMeta {
        let mut links: Vec<Link> = [
            self.link(&mut members, "home_page_url", None),
            self.link(&mut members, "feed_url", Some("self")),
            self.link(&mut members, "next_url", Some("next")),
        ]
        .into_iter()
        .flatten()
        .collect();
        links.extend(self.hubs(&mut members));
        let [icon, favicon] = ["icon", "favicon"].map(|name| self.link(&mut members, name, None));
        let address = |link: Option<Link>| link.and_then(|link| link.href.or(link.raw));
        FeedMeta {
            version: string(&mut members, "version"),
            title: text(&mut members, "title", TextKind::Plain),
            subtitle: text(&mut members, "description", TextKind::Plain),
            links,
            language: string(&mut members, "language"),
            authors: Self::authors(&mut members),
            image: address(icon).map(|href| Image { href: Some(href), ..Image::default() }),
            icon: address(favicon),
            members: self.feed_rest(members),
            ..FeedMeta::default()
        }
    }

    /// `hubs`: each says by which protocol it is asked, and where it is.
    fn hubs(&mut self, members: &mut Members) -> Vec<Link> {
        let mut hubs = Vec::new();
        for hub in list(members, "hubs").into_iter().take(self.limits.members) {
            let Json::Object(mut hub) = hub else { continue };
            let link = self.link(&mut hub, "url", Some("hub"));
            hubs.extend(link.map(|link| Link { title: string(&mut hub, "type"), ..link }));
        }
        hubs
    }

    /// As [`Self::rest`]; a feed is not refused for having too many.
    fn feed_rest(&mut self, members: Members) -> Members {
        let members = self.rest(members);
        if members.values().map(values).sum::<usize>() <= self.limits.members {
            return members;
        }
        self.warnings
            .add("feed.too_many", || "the feed has too many members of its own: they were left out".to_owned());
        Members::new()
    }
}

/// How many values there are in one, itself included.
fn values(value: &Json) -> usize {
    match value {
        Json::Array(elements) => 1 + elements.iter().map(values).sum::<usize>(),
        Json::Object(members) => 1 + members.values().map(values).sum::<usize>(),
        _ => 1,
    }
}

/// How many levels of arrays and objects a value has; its depth is bounded by the reader.
fn levels(value: &Json) -> usize {
    match value {
        Json::Array(elements) => 1 + elements.iter().map(levels).max().unwrap_or_default(),
        Json::Object(members) => 1 + members.values().map(levels).max().unwrap_or_default(),
        _ => 0,
    }
}

/// Takes a member that is text; one of another kind stays, and is kept among the extensions.
fn string(members: &mut Members, name: &str) -> Option<String> {
    match members.remove(name)? {
        Json::String(text) => Some(text),
        other => {
            members.insert(name.to_owned(), other);
            None
        }
    }
}

fn text(members: &mut Members, name: &str, kind: TextKind) -> Option<Text> {
    string(members, name).map(|value| Text { value, kind, ..Text::default() })
}

fn list(members: &mut Members, name: &str) -> Vec<Json> {
    match members.remove(name) {
        Some(Json::Array(elements)) => elements,
        Some(other) => {
            members.insert(name.to_owned(), other);
            Vec::new()
        }
        None => Vec::new(),
    }
}

#[cfg(test)]
mod tests;
