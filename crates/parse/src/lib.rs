//! Bytes to items: charsets, tolerant XML, RSS, RDF, Atom, CDF and JSON Feed, dates, identity. Pure.
//!
//! [`parse`] reads a body into a [`Document`]: what was published, beside what we make of it, with every recovery flagged.
//! [`choose_rule`] says which part of an item identifies it, and [`identify`] makes candidates of the items, each with
//! its key and its canonical [`content()`].

mod address;
mod alias;
mod base64;
mod charset;
mod content;
mod dates;
mod discovery;
mod document;
mod edgar;
mod error;
mod extension;
mod feed;
mod html;
mod identity;
mod item;
mod json_feed;
mod json_items;
mod json_query;
mod limits;
mod lines;
mod lists;
mod media;
mod model;
mod opml;
mod schedule;
mod scrap;
mod table;
mod view;
mod warning;
mod xml;

pub use alias::{Alias, AliasReason, Face, aliases};
pub use charset::is_encoding;
pub use content::content;
pub use dates::{DateError, Reading, read_date};
pub use discovery::{Clue, FeedLink, HtmlPage, known_places, looks_like_feed, read_page, usual_places};
pub use document::{Input, parse};
pub use edgar::{
    EdgarArchive, EdgarCompany, EdgarCurrent, EdgarDay, EdgarEntries, EdgarIndex, EdgarPage, EdgarSubmissions,
    read_edgar_days, read_edgar_submissions,
};
pub use error::ParseError;
pub use extension::Element;
pub use html::{Images, escaped_html, plain_text, safe_html};
pub use identity::{
    Identified, KeysHeld, LearnedRule, Look, RuleFit, choose_rule, identify, learn_rule, looks, rekey, tolerated,
};
pub use item::{DateForm, DateFormError, ItemKey, ItemRules, ORIGINAL, read_item};
pub use json_items::{ItemsAt, JsonLayout, JsonPage, read_json_page};
pub use json_query::{JsonQuery, JsonQueryError, TooManyNodes};
pub use limits::Limits;
pub use lines::{LineForm, LinePage, LineReader, read_line_again};
pub use lists::{FurtherList, ListPage, read_manifest, read_sitemap};
pub use media::{as_text, media_type};
pub use model::{
    Dated, Document, Enclosure, FeedMeta, Format, Generator, Image, Item, Link, Person, RejectedItem, Tag, Text,
    TextKind,
};
pub use opml::{ListedFeed, ListedPlace, MOST_FEEDS, Opml, OpmlError, OutlineToWrite, parse_opml, write_opml};
pub use schedule::{Period, Schedule, Weekday};
pub use scrap::{Scrap, read_scraps, write_scraps};
pub use table::{Header, TableError, TableForm, TablePage, TableReader, read_row_again};
pub use view::{Chapter, Place};
pub use warning::Warning;

/// Grows whenever the same bytes may give another document, key or content than before.
pub const PARSER_VERSION: u32 = 4;
