//! What was read: [`Document`], its feed and its items, with what was published beside what we make of it.

use std::collections::BTreeMap;

use feedspine_core::{Json, Timestamp};

use crate::extension::Element;
use crate::schedule::Schedule;
use crate::warning::Warning;

/// One body, read.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Document {
    /// In which format it is written.
    pub format: Format,
    /// What it says of the feed. Never part of an item's content.
    pub feed: FeedMeta,
    /// The items that could be read, in the order of the document.
    pub items: Vec<Item>,
    /// The items that could not.
    pub rejects: Vec<RejectedItem>,
    /// The WHATWG name of the encoding that was used, such as `UTF-8`.
    pub encoding: &'static str,
    /// It was not well-formed, or not in the encoding it names; what was made of it is in the warnings.
    pub recovered: bool,
    /// It ends in the middle: items may be missing at the end. The item that was cut is left out.
    pub truncated: bool,
    /// What was odd, one entry for each code.
    pub warnings: Vec<Warning>,
}

/// The format of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Format {
    /// RSS 0.91 to 2.0 and relatives, whatever version they name.
    Rss,
    /// RSS 0.90, 1.0 and 1.1: items in an RDF graph.
    Rdf,
    /// Atom 0.3 (2003 draft).
    Atom03,
    /// Atom 1.0 (RFC 4287).
    Atom,
    /// Channel Definition Format (1997).
    Cdf,
    /// JSON Feed 1.0 and 1.1.
    JsonFeed,
}

impl Format {
    /// The word used in stores and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Rss => "rss",
            Self::Rdf => "rdf",
            Self::Atom03 => "atom03",
            Self::Atom => "atom",
            Self::Cdf => "cdf",
            Self::JsonFeed => "json",
        }
    }
}

/// What a document says of its feed; also what an item says of the feed that it was taken over from.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedMeta {
    /// The version that the document names, as it stands.
    pub version: Option<String>,
    /// `atom:id` or the like.
    pub id: Option<String>,
    /// Its title.
    pub title: Option<Text>,
    /// Its subtitle or description.
    pub subtitle: Option<Text>,
    /// Its links, in the order of the document; see [`FeedMeta::link`] for the site.
    pub links: Vec<Link>,
    /// Its language.
    pub language: Option<String>,
    /// Who writes it.
    pub authors: Vec<Person>,
    /// Who else works on it.
    pub contributors: Vec<Person>,
    /// Who answers for it: `webMaster` of RSS, `publisher` of Dublin Core, `owner` of iTunes.
    pub publisher: Option<Person>,
    /// What it is about.
    pub tags: Vec<Tag>,
    /// The program that made it.
    pub generator: Option<Generator>,
    /// Its rights.
    pub rights: Option<Text>,
    /// When it was published.
    pub published: Option<Dated>,
    /// When it was last updated or built.
    pub updated: Option<Dated>,
    /// Its picture: `image` of RSS or iTunes, `logo` of Atom, `icon` of JSON Feed.
    pub image: Option<Image>,
    /// The address of its small picture: `icon` of Atom, `favicon` of JSON Feed.
    pub icon: Option<String>,
    /// How often it asks to be read.
    pub schedule: Schedule,
    /// Elements that have no place above.
    pub extensions: Vec<Element>,
    /// Members of JSON that have no place above.
    pub members: BTreeMap<String, Json>,
}

impl FeedMeta {
    /// The address of the site.
    pub fn link(&self) -> Option<&str> {
        primary(&self.links)
    }

    /// The address that the feed gives as its own (`rel="self"`).
    pub fn self_link(&self) -> Option<&str> {
        self.related("self").next()
    }

    /// The addresses of its `WebSub` hubs (W3C `WebSub`, section 4).
    pub fn hubs(&self) -> impl Iterator<Item = &str> {
        self.related("hub")
    }

    /// The document with the older items of a paged feed (RFC 5005, section 3), or of an archived one (section 4).
    pub fn next_page(&self) -> Option<&str> {
        self.related("next").next().or_else(|| self.related("prev-archive").next())
    }

    fn related(&self, relation: &str) -> impl Iterator<Item = &str> {
        let is = move |link: &&Link| link.rel.as_deref().is_some_and(|rel| rel.eq_ignore_ascii_case(relation));
        self.links.iter().filter(is).filter_map(|link| link.href.as_deref())
    }
}

/// The program that made a feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Generator {
    /// Its name; for RSS the text as it stands.
    pub name: Option<String>,
    /// Where it is described.
    pub uri: Option<String>,
    /// Its version.
    pub version: Option<String>,
}

/// A picture of a feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Image {
    /// The address of the picture, resolved.
    pub href: Option<String>,
    /// What it shows.
    pub title: Option<String>,
    /// Where it leads.
    pub link: Option<String>,
    /// What there is to say of it.
    pub description: Option<String>,
    /// Pixels, as they stood.
    pub width: Option<String>,
    /// Pixels, as they stood.
    pub height: Option<String>,
}

/// One item, as it was published.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Item {
    /// Its place in the document, from 0, counted over items and rejects.
    pub ordinal: u32,
    /// The id that the publisher gave.
    pub id: Option<String>,
    /// For RSS: what `guid` says of being an address (`isPermaLink`), when it says so.
    pub is_permalink: Option<bool>,
    /// Its links, in the order of the document.
    pub links: Vec<Link>,
    /// Its title.
    pub title: Option<Text>,
    /// Its summary or description.
    pub summary: Option<Text>,
    /// Its contents.
    pub contents: Vec<Text>,
    /// Who wrote it.
    pub authors: Vec<Person>,
    /// Who else worked on it.
    pub contributors: Vec<Person>,
    /// What it is about.
    pub tags: Vec<Tag>,
    /// Files that belong to it.
    pub enclosures: Vec<Enclosure>,
    /// When it was published.
    pub published: Option<Dated>,
    /// When it was last updated.
    pub updated: Option<Dated>,
    /// Where it can be discussed.
    pub comments: Option<String>,
    /// Its rights.
    pub rights: Option<Text>,
    /// The feed that it was taken over from.
    pub source: Option<Box<FeedMeta>>,
    /// Its language, where it names one itself.
    pub language: Option<String>,
    /// Elements that have no place above, in the order of the document.
    pub extensions: Vec<Element>,
    /// Members of JSON that have no place above.
    pub members: BTreeMap<String, Json>,
}

impl Item {
    /// Its own address: the first link that is one.
    pub fn link(&self) -> Option<&str> {
        primary(&self.links)
    }
}

fn primary(links: &[Link]) -> Option<&str> {
    let is = |link: &&Link, rel: &str| link.href.is_some() && link.rel.as_deref().unwrap_or("alternate") == rel;
    let alternate = links.iter().find(|link| is(link, "alternate"));
    alternate.and_then(|link| link.href.as_deref())
}

/// A link.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Link {
    /// The address, resolved against its base; `None` when it is no address of the web that can be followed.
    pub href: Option<String>,
    /// The address as it stood, where that differs.
    pub raw: Option<String>,
    /// Its relation; missing means `alternate`.
    pub rel: Option<String>,
    /// Its media type.
    pub media_type: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// The language of what it leads to.
    pub language: Option<String>,
    /// The length in bytes of what it leads to, as it stood.
    pub length: Option<String>,
}

/// How a text is to be understood.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum TextKind {
    /// Nobody said: plain text, or HTML, as the habits of the format go.
    #[default]
    Unsaid,
    /// Plain text.
    Plain,
    /// HTML.
    Html,
    /// XHTML, without the element that wraps it.
    Xhtml,
    /// Any other media type, in lower case.
    Media(String),
}

impl TextKind {
    /// The word used in JSON; `None` when nobody said.
    pub fn as_str(&self) -> Option<&str> {
        match self {
            Self::Unsaid => None,
            Self::Plain => Some("text"),
            Self::Html => Some("html"),
            Self::Xhtml => Some("xhtml"),
            Self::Media(media_type) => Some(media_type),
        }
    }

    /// The kind of which [`TextKind::as_str`] is that word.
    pub fn from_word(word: Option<&str>) -> Self {
        match word {
            None => Self::Unsaid,
            Some("text") => Self::Plain,
            Some("html") => Self::Html,
            Some("xhtml") => Self::Xhtml,
            Some(media_type) => Self::Media(media_type.to_owned()),
        }
    }
}

/// A text with its kind.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Text {
    /// The text, entities decoded once, white space round it trimmed.
    pub value: String,
    /// How it is to be understood.
    pub kind: TextKind,
    /// For content that is elsewhere: its address.
    pub src: Option<String>,
    /// Its language, where it names one itself; "" says that it is in none that is known (XML 1.0, section 2.12).
    pub language: Option<String>,
    /// The `xml:base` in force, against which addresses in its markup are resolved.
    pub base: Option<String>,
}

/// Somebody.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Person {
    /// The name; for RSS the text as it stands.
    pub name: Option<String>,
    /// The mail address.
    pub email: Option<String>,
    /// The home page.
    pub uri: Option<String>,
    /// The address of a picture.
    pub avatar: Option<String>,
}

/// A category.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Tag {
    /// The term.
    pub term: String,
    /// The scheme or domain of the term.
    pub scheme: Option<String>,
    /// The term for people.
    pub label: Option<String>,
}

/// A file that belongs to an item.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Enclosure {
    /// Its address, resolved.
    pub href: String,
    /// Its media type.
    pub media_type: Option<String>,
    /// Its length in bytes, as it stood.
    pub length: Option<String>,
    /// Its title.
    pub title: Option<String>,
    /// How long it plays, in seconds, as it stood.
    pub duration: Option<String>,
}

/// A date as it stood, and the instant we make of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Dated {
    /// The text.
    pub raw: String,
    /// The instant; `None` when it cannot be read, never the time of reading.
    pub at: Option<Timestamp>,
    /// The text names no zone that is known: UTC was assumed.
    pub zone_assumed: bool,
}

/// An item that could not be taken.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RejectedItem {
    /// Its place in the document, from 0.
    pub ordinal: u32,
    /// Its id, when that could be read.
    pub id: Option<String>,
    /// Its link, when that could be read.
    pub link: Option<String>,
    /// What is wrong in one word, such as `field.too_long`.
    pub code: &'static str,
    /// What is wrong in a sentence.
    pub reason: String,
    /// The beginning of the item as it came.
    pub excerpt: String,
}
