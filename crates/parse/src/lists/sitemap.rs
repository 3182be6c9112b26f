//! Sitemaps (the protocol of sitemaps.org, version 0.9) with their extensions, and indexes of them.

use std::collections::BTreeMap;

use feedspine_core::Json;

use super::{FurtherList, ListPage, Taker};
use crate::address::resolve;
use crate::charset;
use crate::document::Input;
use crate::error::ParseError;
use crate::item::ItemRules;
use crate::limits::Limits;
use crate::xml::{self, Event, Reader};

/// Reads a sitemap, an index of sitemaps, or a list of addresses. An entry has the members of its `url` element, those of
/// extensions beneath theirs: `loc`, `lastmod`, `news.title`; what stands several times is a list.
///
/// # Errors
/// It is something else.
pub fn read_sitemap(
    input: &Input<'_>,
    rules: &ItemRules,
    first_ordinal: u32,
    limits: &Limits,
) -> Result<ListPage, ParseError> {
    let mut taker = Taker::new(rules, limits, first_ordinal);
    let decoded = charset::decode(input.bytes, input.content_type, &mut taker.warnings)?;
    let text = xml::clean(&decoded.text, &mut taker.warnings);
    if text.trim_start().starts_with('<') {
        read_xml(&text, input.base, &mut taker)?;
    } else {
        read_lines(&text, &mut taker)?;
    }
    Ok(taker.finish())
}

fn read_xml(text: &str, base: Option<&str>, taker: &mut Taker<'_>) -> Result<(), ParseError> {
    let mut reader = Reader::new(text, base, taker.limits);
    let mut root = None;
    while let Some(event) = reader.next()? {
        let Event::Start(tag) = event else { continue };
        let root = *root.get_or_insert(tag.local);
        if !["urlset", "sitemapindex"].iter().any(|name| root.eq_ignore_ascii_case(name)) {
            let shown = &root[..root.floor_char_boundary(64)];
            let found = format!("XML with the root element <{shown}>");
            return Err(ParseError::NotAList { wanted: "sitemap", found });
        }
        if tag.local.eq_ignore_ascii_case("url") {
            let entry = read_value(&mut reader)?;
            taker.entry(entry)?;
        } else if tag.local.eq_ignore_ascii_case("sitemap") {
            let entry = read_value(&mut reader)?;
            let text = |name| entry.get(name).and_then(Json::as_str);
            match text("loc").and_then(|location| resolve(location, base)) {
                Some(address) => {
                    let changed = text("lastmod").map(str::to_owned);
                    taker.page.further.push(FurtherList { address, changed });
                    taker.count()?;
                }
                None => taker.warnings.add("sitemap.location", || "an index names a sitemap without an address".into()),
            }
        }
    }
    reader.report(&mut taker.warnings);
    taker.page.truncated = reader.is_cut();
    match root {
        Some(_) => Ok(()),
        None => Err(ParseError::Empty { found: "there is no element in it" }),
    }
}

/// The element that has just begun: its text, or an object when it has elements or attributes. The reader bounds the depth.
fn read_value(reader: &mut Reader<'_>) -> Result<Json, ParseError> {
    let is_own = |name: &str| !name.starts_with("xml");
    let mut members: BTreeMap<String, Json> = reader
        .attributes()
        .filter(|(name, _)| is_own(name))
        .map(|(name, value)| (name.to_owned(), value.trim().into()))
        .collect();
    let mut text = String::new();
    while let Some(event) = reader.next()? {
        match event {
            Event::Start(tag) => {
                let value = read_value(reader)?;
                add(&mut members, tag.local, value);
            }
            Event::Text(raw) => reader.decode_into(raw, &mut text),
            Event::Verbatim(plain) => text.push_str(plain),
            Event::End => break,
        }
    }
    let text = text.trim();
    if members.is_empty() {
        return Ok(text.into());
    }
    if !text.is_empty() {
        add(&mut members, "text", text.into());
    }
    Ok(Json::Object(members))
}

fn add(members: &mut BTreeMap<String, Json>, name: &str, value: Json) {
    let value = match members.remove(name) {
        None => value,
        Some(Json::Array(mut held)) => {
            held.push(value);
            Json::Array(held)
        }
        Some(held) => Json::Array(vec![held, value]),
    };
    members.insert(name.to_owned(), value);
}

/// A sitemap of the plain kind: an address on each line.
fn read_lines(text: &str, taker: &mut Taker<'_>) -> Result<(), ParseError> {
    for (number, line) in (1..).zip(text.lines()) {
        let location = line.trim();
        let is_address = ["http://", "https://"].iter().any(|scheme| location.starts_with(scheme));
        if is_address && !location.contains(char::is_whitespace) {
            taker.entry(Json::object([("loc", location.into())]))?;
        } else if !location.is_empty() {
            taker.wrong_line("sitemap.line", number, "it is no address", line)?;
        }
    }
    match (taker.is_empty(), taker.page.rejects.is_empty()) {
        (true, true) => Err(ParseError::Empty { found: "there is no text in it" }),
        (true, false) => Err(ParseError::NotAList { wanted: "sitemap", found: "neither XML nor addresses".to_owned() }),
        _ => Ok(()),
    }
}
