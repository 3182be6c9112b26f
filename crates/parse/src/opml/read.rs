//! [`parse_opml`]: a list of feeds in any version of OPML, and in any state.

use std::collections::HashMap;

use url::Url;

use super::{ListedFeed, ListedPlace, MOST_FEEDS, Opml, OpmlError};
use crate::charset;
use crate::dates::dated;
use crate::document::Input;
use crate::error::ParseError;
use crate::limits::Limits;
use crate::warning::Warnings;
use crate::xml::{self, Event, Reader, Tag};

/// The most entries of all kinds that are read: feeds in several folders, other lists, sites.
const MOST_ENTRIES: usize = 4 * MOST_FEEDS;

/// Reads a list of feeds.
///
/// What names a feed by `xmlUrl` is one, whatever its type. Outlines without an address are folders. Names of attributes
/// are told apart without regard to case. Feeds are the same when their addresses are, once these are normalised as URLs.
///
/// # Errors
/// It is no list, names too many feeds, or cannot be read; see [`OpmlError`].
///
/// ```
/// use feedspine_parse::{Input, Limits, parse_opml};
///
/// let bytes = b"<opml><body><outline text=News><outline text=One xmlUrl='http://a.example/feed'/></outline></body></opml>";
/// let list = parse_opml(&Input { bytes, content_type: None, base: None }, &Limits::default()).unwrap();
/// assert_eq!(list.feeds[0].categories, [["News"]]);
/// ```
pub fn parse_opml(input: &Input<'_>, limits: &Limits) -> Result<Opml, OpmlError> {
    let mut warnings = Warnings::default();
    let decoded = charset::decode(input.bytes, input.content_type, &mut warnings)?;
    let text = xml::clean(&decoded.text, &mut warnings);
    let mut walk = Walk {
        reader: Reader::new(&text, input.base, limits),
        limits,
        warnings: &mut warnings,
        list: Opml { encoding: decoded.encoding, ..Opml::default() },
        folders: Vec::new(),
        known: HashMap::new(),
        entries: 0,
        buffer: String::new(),
    };
    walk.run()?;
    walk.reader.report(walk.warnings);
    let mut list = walk.list;
    list.recovered = decoded.recovered || walk.reader.is_recovered();
    list.truncated = walk.reader.is_cut();
    list.warnings = warnings.into_vec();
    Ok(list)
}

struct Walk<'a, 'w> {
    reader: Reader<'a>,
    limits: &'a Limits,
    warnings: &'w mut Warnings,
    list: Opml,
    /// The folders that are open, each with the depth of its element; other outlines have no name here.
    folders: Vec<(usize, Option<String>)>,
    /// Feeds by their normalised address.
    known: HashMap<String, usize>,
    /// Entries of all kinds, folders excepted.
    entries: usize,
    buffer: String,
}

impl<'a> Walk<'a, '_> {
    fn run(&mut self) -> Result<(), OpmlError> {
        let mut root: Option<&'a str> = None;
        let mut is_list = false;
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Start(tag) => {
                    root = root.or(Some(tag.local));
                    let name = tag.local.to_ascii_lowercase();
                    is_list |= matches!(name.as_str(), "opml" | "outline");
                    self.element(tag, &name)?;
                }
                Event::End => {
                    while self.folders.last().is_some_and(|(opened_at, _)| *opened_at > self.reader.depth()) {
                        self.folders.pop();
                    }
                }
                Event::Text(_) | Event::Verbatim(_) => {}
            }
        }
        if is_list {
            return Ok(());
        }
        Err(match root {
            None => ParseError::Empty { found: "there is no element in it" }.into(),
            Some(root) => {
                let shown = &root[..root.floor_char_boundary(64)];
                OpmlError::NotAList { found: format!("XML with the root element <{shown}>") }
            }
        })
    }

    fn element(&mut self, tag: Tag<'a>, name: &str) -> Result<(), OpmlError> {
        match name {
            "opml" if self.list.version.is_none() => self.list.version = self.attribute("version"),
            "outline" => self.outline(tag)?,
            "title" => self.list.title = self.first_text(self.list.title.is_some())?.or(self.list.title.take()),
            "datecreated" => {
                let text = self.first_text(self.list.created.is_some())?;
                self.list.created = self.list.created.take().or_else(|| dated(&text?, self.warnings));
            }
            "datemodified" => {
                let text = self.first_text(self.list.modified.is_some())?;
                self.list.modified = self.list.modified.take().or_else(|| dated(&text?, self.warnings));
            }
            "ownername" => self.list.owner.name = self.first_text(false)?,
            "owneremail" => self.list.owner.email = self.first_text(false)?,
            "ownerid" => self.list.owner.uri = self.first_text(false)?,
            _ => {}
        }
        Ok(())
    }

    fn outline(&mut self, tag: Tag<'a>) -> Result<(), OpmlError> {
        let title = self.attribute("text").or_else(|| self.attribute("title"));
        let kind = self.attribute("type").map(|kind| kind.to_ascii_lowercase()).unwrap_or_default();
        let feed = self.attribute("xmlUrl");
        let url = self.attribute("url");
        let site = self.attribute("htmlUrl");
        let is_list = matches!(kind.as_str(), "include" | "link");
        let address = feed.or_else(|| url.clone().filter(|_| matches!(kind.as_str(), "rss" | "atom" | "feed")));
        let names_nothing = address.is_none() && site.is_none() && !(is_list && url.is_some());
        self.folders.push((self.reader.depth(), title.clone().filter(|_| names_nothing)));
        if names_nothing {
            return Ok(());
        }
        self.entries += 1;
        if self.entries > MOST_ENTRIES {
            return Err(OpmlError::TooMany { what: "entries", limit: MOST_ENTRIES });
        }
        match (address, url, site) {
            (Some(address), _, site) => self.feed(ListedFeed { address, title, site, ..ListedFeed::default() }, tag)?,
            (None, Some(address), _) if is_list => self.list.lists.push(ListedPlace { address, title }),
            (None, _, Some(address)) => self.list.sites.push(ListedPlace { address, title }),
            _ => {}
        }
        Ok(())
    }

    fn feed(&mut self, feed: ListedFeed, tag: Tag<'a>) -> Result<(), OpmlError> {
        if feed.address.len() > self.limits.address_bytes {
            let bytes = feed.address.len();
            self.warnings.add("address.too_long", || {
                format!("an address of {bytes} bytes was left out at byte {} of the text", tag.offset)
            });
            return Ok(());
        }
        let categories = self.categories();
        let key = normalised(&feed.address);
        let at = if let Some(at) = self.known.get(&key) {
            let held = &mut self.list.feeds[*at];
            held.title = held.title.take().or(feed.title);
            held.site = held.site.take().or(feed.site);
            held.repeats.push(feed.address);
            *at
        } else {
            self.list.feeds.push(feed);
            self.known.insert(key, self.list.feeds.len() - 1);
            self.list.feeds.len() - 1
        };
        if self.known.len() > MOST_FEEDS {
            return Err(OpmlError::TooMany { what: "feeds", limit: MOST_FEEDS });
        }
        let held = &mut self.list.feeds[at];
        for category in categories {
            if held.categories.len() < self.limits.members && !held.categories.contains(&category) {
                held.categories.push(category);
            }
        }
        Ok(())
    }

    /// The folders in which the outline stands, and the categories that it names: single words, or paths that begin
    /// with a slash (OPML 2.0, "category").
    fn categories(&mut self) -> Vec<Vec<String>> {
        let folders: Vec<String> = self.folders.iter().filter_map(|(_, name)| name.clone()).collect();
        let named = self.reader.attribute("category").unwrap_or_default();
        let path = |text: &str| -> Vec<String> { text.split('/').filter_map(folded).collect() };
        let named = named.split(',').map(path).collect::<Vec<_>>();
        std::iter::once(folders).chain(named).filter(|path| !path.is_empty()).collect()
    }

    fn attribute(&mut self, name: &str) -> Option<String> {
        self.reader.attribute(name).and_then(|value| folded(&value))
    }

    /// The text of the element that has just begun, unless it is had already.
    fn first_text(&mut self, had: bool) -> Result<Option<String>, ParseError> {
        if had {
            return Ok(None);
        }
        self.buffer.clear();
        let depth = self.reader.depth();
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Text(text) if self.buffer.len() < self.limits.title_bytes => {
                    let mut buffer = std::mem::take(&mut self.buffer);
                    self.reader.decode_into(text, &mut buffer);
                    self.buffer = buffer;
                }
                Event::Verbatim(text) if self.buffer.len() < self.limits.title_bytes => self.buffer.push_str(text),
                Event::End if self.reader.depth() < depth => break,
                _ => {}
            }
        }
        Ok(folded(&self.buffer))
    }
}

/// A text with its white space folded; `None` when nothing is left.
fn folded(text: &str) -> Option<String> {
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!folded.is_empty()).then_some(folded)
}

/// The address by which an entry is told from others.
fn normalised(address: &str) -> String {
    match Url::parse(address) {
        Ok(mut url) => {
            url.set_fragment(None);
            url.into()
        }
        Err(_) => address.to_owned(),
    }
}
