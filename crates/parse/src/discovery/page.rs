//! [`read_page`]: the feeds that an HTML page names, or leads to.

use std::cmp::Reverse;
use std::collections::HashSet;

use url::Url;

use super::words::{is_about_comments, is_feed_type, likeness, media_type, text_names_feed};
use super::{Clue, FeedLink};
use crate::charset;
use crate::document::Input;
use crate::error::ParseError;
use crate::limits::Limits;
use crate::warning::Warnings;
use crate::xml::{PageReader, Piece};

/// The most feeds that one page is taken to name; a page of 2 000 is an attack or a directory.
const MOST_FEEDS: usize = 100;
/// The most links, and the most anchors, that are looked at: some lead nowhere, or where others led.
const MOST_LOOKED_AT: usize = 1_000;
/// The longest title, in bytes.
const TITLE_BYTES: usize = 512;
/// How far into a page its encoding is looked for; browsers look 1 024 bytes far, and many pages name it later.
const META_BYTES: usize = 16 * 1_024;

/// What a page says of feeds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct HtmlPage {
    /// Its title.
    pub title: Option<String>,
    /// The WHATWG name of the encoding that it was read in.
    pub encoding: &'static str,
    /// The feeds that it names, in its order, those of comments last; when it names none, those that it leads to on its
    /// own site, the likeliest first. At most 100.
    pub feeds: Vec<FeedLink>,
}

/// Reads a page in whatever state it is.
///
/// # Errors
/// `Encoding`: the bytes are in an encoding that is not read.
///
/// ```
/// use feedspine_parse::{Input, Limits, read_page};
///
/// let bytes = b"<title>Blog</title><link rel=alternate type=application/rss+xml href=feed.xml>";
/// let input = Input { bytes, content_type: None, base: Some("https://example.org/blog/") };
/// let page = read_page(&input, &Limits::default()).unwrap();
/// assert_eq!(page.feeds[0].address, "https://example.org/blog/feed.xml");
/// ```
pub fn read_page(input: &Input<'_>, limits: &Limits) -> Result<HtmlPage, ParseError> {
    let named = input.content_type.filter(|named| named.to_ascii_lowercase().contains("charset="));
    let meta = if named.is_some() { None } else { meta_charset(input.bytes, limits) };
    let meta = meta.map(|label| format!("text/html; charset={label}"));
    let decoded = charset::decode(input.bytes, named.or(meta.as_deref()), &mut Warnings::default())?;
    let found = Found::read(&decoded.text, limits);
    let feeds = match input.base.and_then(|base| Url::parse(base).ok()) {
        Some(address) => found.feeds(&address),
        None => Vec::new(),
    };
    Ok(HtmlPage { title: found.title, encoding: decoded.encoding, feeds })
}

/// The encoding that a `meta` element names.
fn meta_charset(bytes: &[u8], limits: &Limits) -> Option<String> {
    let head = String::from_utf8_lossy(&bytes[..bytes.len().min(META_BYTES)]);
    let mut reader = PageReader::new(&head, limits.attributes);
    while let Some(piece) = reader.next() {
        if !matches!(piece, Piece::Start(name) if name.eq_ignore_ascii_case("meta")) {
            continue;
        }
        if let Some(label) = reader.attribute("charset") {
            return Some(label.trim().to_owned());
        }
        let is_content_type = |name: &str| name.trim().eq_ignore_ascii_case("content-type");
        if reader.attribute("http-equiv").is_some_and(|name| is_content_type(&name))
            && let Some(content) = reader.attribute("content")
            && let Some((_, label)) = content.to_ascii_lowercase().split_once("charset=")
        {
            return Some(label.split(';').next().unwrap_or_default().trim().to_owned());
        }
    }
    None
}

/// Something that may lead to a feed, as it stands.
struct Raw {
    href: String,
    title: Option<String>,
    media_type: Option<String>,
    likeness: u32,
}

/// What was found in a page, before addresses are resolved: its base may come last.
#[derive(Default)]
struct Found {
    title: Option<String>,
    bases: Vec<String>,
    links: Vec<Raw>,
    anchors: Vec<Raw>,
}

impl Found {
    fn read(text: &str, limits: &Limits) -> Self {
        let mut found = Self::default();
        let mut reader = PageReader::new(text, limits.attributes);
        let mut in_title = false;
        // An anchor that waits for its text.
        let mut open: Option<Raw> = None;
        while let Some(piece) = reader.next() {
            match piece {
                Piece::Text(text) if in_title => {
                    found.title = shown(&reader.decoded(text));
                    in_title = false;
                }
                Piece::Text(text) => {
                    if let Some(anchor) = &mut open
                        && anchor.title.is_none()
                    {
                        anchor.title = shown(&reader.decoded(text));
                    }
                }
                Piece::End(name) if name.eq_ignore_ascii_case("a") => found.take_anchor(open.take()),
                Piece::End(_) => {}
                Piece::Start(name) => {
                    in_title = name.eq_ignore_ascii_case("title") && found.title.is_none();
                    if name.eq_ignore_ascii_case("link") {
                        found.take_link(&mut reader, limits);
                    } else if name.eq_ignore_ascii_case("a") {
                        found.take_anchor(open.take());
                        open = begun_anchor(&mut reader, limits);
                    } else if name.eq_ignore_ascii_case("base") && found.bases.len() < MOST_FEEDS {
                        found.bases.extend(reader.attribute("href").map(|href| href.trim().to_owned()));
                    }
                }
            }
        }
        found.take_anchor(open);
        found
    }

    fn take_link(&mut self, reader: &mut PageReader<'_>, limits: &Limits) {
        if self.links.len() == MOST_LOOKED_AT {
            return;
        }
        let rel = reader.attribute("rel").unwrap_or_default();
        let is = |word: &str| rel.split_ascii_whitespace().any(|found| found.eq_ignore_ascii_case(word));
        let (alternate, feed) = (is("alternate"), is("feed"));
        if !(alternate || feed) || is("stylesheet") {
            return;
        }
        let Some(raw) = raw(reader, limits) else { return };
        let leads_to_feed = match &raw.media_type {
            Some(media_type) => is_feed_type(media_type, &raw.href),
            // `rel=feed` was in drafts of HTML 5.
            None => feed,
        };
        if leads_to_feed {
            self.links.push(raw);
        }
    }

    fn take_anchor(&mut self, anchor: Option<Raw>) {
        let Some(mut anchor) = anchor else { return };
        anchor.likeness += u32::from(anchor.title.as_deref().is_some_and(text_names_feed));
        if anchor.likeness > 0 && self.anchors.len() < MOST_LOOKED_AT {
            self.anchors.push(anchor);
        }
    }

    /// The feeds of the page at that address.
    fn feeds(&self, address: &Url) -> Vec<FeedLink> {
        // A base that is none is passed over, as browsers do (HTML, section 4.2.3).
        let of_the_web = |base: &Url| matches!(base.scheme(), "http" | "https");
        let first = self.bases.first().and_then(|base| address.join(base).ok()).filter(of_the_web);
        let base = first.as_ref().unwrap_or(address);
        let named = resolved(&self.links, base, Clue::Link, |_| true);
        if !named.is_empty() {
            return named;
        }
        resolved(&self.anchors, base, Clue::Anchor, |url| is_of_same_site(url, address))
    }
}

/// The tag's address, title and media type; `None` when it leads nowhere.
fn raw(reader: &mut PageReader<'_>, limits: &Limits) -> Option<Raw> {
    let href = reader.attribute("href")?.trim().to_owned();
    if href.is_empty() || href.len() > limits.address_bytes {
        return None;
    }
    let title = reader.attribute("title").and_then(|title| shown(&title));
    let media_type = reader.attribute("type").and_then(|text| media_type(&text));
    Some(Raw { href, title, media_type, likeness: 0 })
}

fn begun_anchor(reader: &mut PageReader<'_>, limits: &Limits) -> Option<Raw> {
    let mut anchor = raw(reader, limits)?;
    // Anchors to XML and JSON lead to anything; only the types of feeds themselves count.
    let typed = anchor.media_type.as_deref().is_some_and(|name| is_feed_type(name, "") && name.contains('+'));
    anchor.likeness = if typed { 4 } else { likeness(&anchor.href) };
    Some(anchor)
}

fn resolved(raws: &[Raw], base: &Url, clue: Clue, wanted: impl Fn(&Url) -> bool) -> Vec<FeedLink> {
    let mut known = HashSet::new();
    let mut feeds: Vec<(bool, Reverse<u32>, FeedLink)> = Vec::new();
    for raw in raws {
        let Some(url) = resolve(&raw.href, base).filter(|url| wanted(url)) else { continue };
        let address = String::from(url);
        if feeds.len() < MOST_FEEDS && known.insert(address.clone()) {
            let comments = is_about_comments(&address, raw.title.as_deref());
            let (title, media_type) = (raw.title.clone(), raw.media_type.clone());
            feeds.push((comments, Reverse(raw.likeness), FeedLink { address, title, media_type, clue }));
        }
    }
    feeds.sort_by_key(|(comments, likeness, _)| (*comments, *likeness));
    feeds.into_iter().map(|(_, _, feed)| feed).collect()
}

/// The address of the web that a reference means, without its fragment; none with a user name or a password.
fn resolve(href: &str, base: &Url) -> Option<Url> {
    let href = match href.get(..5) {
        Some(scheme) if scheme.eq_ignore_ascii_case("feed:") => match &href[5..] {
            rest if rest.starts_with("//") => format!("http:{rest}"),
            rest => rest.to_owned(),
        },
        _ => href.to_owned(),
    };
    let mut url = base.join(&href).ok()?;
    url.set_fragment(None);
    let of_the_web = matches!(url.scheme(), "http" | "https") && url.has_host();
    (of_the_web && url.username().is_empty() && url.password().is_none()).then_some(url)
}

/// Whether an anchor stays on its site: the same host, or one below the other. Anchors to others lead to their feeds.
fn is_of_same_site(url: &Url, page: &Url) -> bool {
    let bare = |url: &Url| {
        let host = url.host_str().unwrap_or_default();
        host.strip_prefix("www.").unwrap_or(host).to_owned()
    };
    let (one, other) = (bare(url), bare(page));
    let below = |host: &str, above: &str| {
        above.contains('.') && host.strip_suffix(above).is_some_and(|rest| rest.ends_with('.'))
    };
    one == other || below(&one, &other) || below(&other, &one)
}

/// A text as it is shown: white space folded, cut where it is endless; `None` when nothing is left.
fn shown(text: &str) -> Option<String> {
    let text = &text[..text.floor_char_boundary(TITLE_BYTES)];
    let folded = text.split_whitespace().collect::<Vec<_>>().join(" ");
    (!folded.is_empty()).then_some(folded)
}

#[cfg(test)]
mod tests;
