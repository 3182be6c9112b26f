//! feedparser's own suite, in its names.

use std::path::Path;

use feedspine_parse::{Dated, Document, Enclosure, Format, Item, Link, Person, Tag, Text, TextKind};
use serde_json::{Value, json};

use crate::checks;
use crate::oracle::seconds;
use crate::read::{self, Answer};
use crate::report::Report;

/// The names that our model has. Checks of others (feedparser's sanitiser, base and language of every element, iTunes,
/// media, places, chapters, images, publishers) are not mapped.
const MAPPED: [&str; 66] = [
    "",
    "bozo",
    "encoding",
    "version",
    "feed.title",
    "feed.title_detail.value",
    "feed.title_detail.type",
    "feed.subtitle",
    "feed.subtitle_detail.value",
    "feed.subtitle_detail.type",
    "feed.link",
    "feed.links",
    "feed.links.href",
    "feed.links.rel",
    "feed.links.type",
    "feed.links.title",
    "feed.links.hreflang",
    "feed.id",
    "feed.language",
    "feed.rights",
    "feed.updated",
    "feed.updated_parsed",
    "feed.published",
    "feed.published_parsed",
    "feed.generator",
    "feed.authors.name",
    "feed.authors.href",
    "feed.authors.email",
    "feed.author_detail.name",
    "feed.author_detail.href",
    "feed.author_detail.email",
    "entries",
    "entries.title",
    "entries.title_detail.value",
    "entries.title_detail.type",
    "entries.summary",
    "entries.summary_detail.value",
    "entries.content.value",
    "entries.content.src",
    "entries.link",
    "entries.links.href",
    "entries.links.rel",
    "entries.links.type",
    "entries.links.title",
    "entries.links.hreflang",
    "entries.id",
    "entries.guidislink",
    "entries.tags.term",
    "entries.tags.scheme",
    "entries.tags.label",
    "entries.authors.name",
    "entries.authors.href",
    "entries.authors.email",
    "entries.author_detail.name",
    "entries.author_detail.href",
    "entries.author_detail.email",
    "entries.contributors.name",
    "entries.contributors.href",
    "entries.contributors.email",
    "entries.enclosures.href",
    "entries.enclosures.length",
    "entries.published",
    "entries.published_parsed",
    "entries.updated",
    "entries.updated_parsed",
    "entries.comments",
];

pub(crate) fn run(dir: &Path, report: &mut Report) -> Result<(), String> {
    for row in read::rows(dir, "feedparser.jsonl")? {
        let checks: &[Value] = row["checks"].as_array().map_or(&[], Vec::as_slice);
        let body = read::body(dir, &row)?;
        let header = |name: &str| {
            let headers = row["headers"].as_object()?;
            headers.iter().find(|(known, _)| known.eq_ignore_ascii_case(name)).and_then(|(_, value)| value.as_str())
        };
        let base = header("content-location").or(row["base_url"].as_str());
        let answer = read::parsed(&body, header("content-type"), base);
        let measure = report.measure("feedparser");
        if !is_mapped(&row, checks) {
            measure.unmapped += 1;
            continue;
        }
        let value = value(&answer);
        let checks = checks.iter().map(by_whatwg).collect::<Vec<_>>();
        let outcome = if let Answer::Panicked(message) = &answer {
            Err(format!("panicked: {message}"))
        } else {
            checks.iter().try_for_each(|check| checks::holds(&value, check))
        };
        measure.row(read::path_of(&row), outcome);
    }
    Ok(())
}

/// us-ascii and iso-8859-1 are labels of windows-1252 (WHATWG Encoding, section 4.2).
fn by_whatwg(check: &Value) -> Value {
    let mut check = check.clone();
    if checks::shape(&check[0]) == "encoding" && (check[2] == "us-ascii" || check[2] == "iso-8859-1") {
        check[2] = "windows-1252".into();
    }
    check
}

fn is_mapped(row: &Value, checks: &[Value]) -> bool {
    let asks_for_more = row["property"] == "sanitize" || row["relative_uris"] == true || row["needs"].is_string();
    let known = |check: &Value| MAPPED.contains(&checks::shape(&check[0]).as_str());
    !asks_for_more && checks.iter().all(known)
}

/// What we read, in feedparser's names.
fn value(answer: &Answer) -> Value {
    match answer.document() {
        Some(document) => json!({
            "bozo": document.recovered || document.truncated,
            "encoding": document.encoding.to_ascii_lowercase(),
            "version": version(document),
            "feed": feed(document),
            "entries": document.items.iter().map(entry).collect::<Vec<_>>(),
        }),
        None => json!({ "bozo": true, "entries": [], "feed": {}, "version": "" }),
    }
}

fn version(document: &Document) -> String {
    let named = document.feed.version.as_deref().unwrap_or_default();
    match (document.format, named) {
        (Format::Atom, _) => "atom10".to_owned(),
        (Format::Atom03, _) => "atom03".to_owned(),
        (Format::Rdf, _) => "rss10".to_owned(),
        (Format::Cdf, _) => "cdf".to_owned(),
        (Format::JsonFeed, _) => if named.contains("1.1") { "json11" } else { "json1" }.to_owned(),
        (Format::Rss, "0.91") => "rss091u".to_owned(),
        (Format::Rss, "") => "rss".to_owned(),
        (Format::Rss, named) if named.starts_with('2') => "rss20".to_owned(),
        (Format::Rss, named) => format!("rss{}", named.replace('.', "")),
    }
}

fn feed(document: &Document) -> Value {
    let feed = &document.feed;
    json!({
        "title": text(feed.title.as_ref()),
        "title_detail": detail(feed.title.as_ref()),
        "subtitle": text(feed.subtitle.as_ref()),
        "subtitle_detail": detail(feed.subtitle.as_ref()),
        "link": feed.link(),
        "links": feed.links.iter().map(link).collect::<Vec<_>>(),
        "id": feed.id,
        "language": feed.language,
        "rights": text(feed.rights.as_ref()),
        "updated": raw(feed.updated.as_ref()),
        "updated_parsed": seconds(feed.updated.as_ref()),
        "published": raw(feed.published.as_ref()),
        "published_parsed": seconds(feed.published.as_ref()),
        "generator": feed.generator,
        "authors": people(&feed.authors),
        "author_detail": feed.authors.first().map(person),
    })
}

fn entry(item: &Item) -> Value {
    let content = |text: &Text| json!({ "value": text.value, "src": text.src });
    let tag = |tag: &Tag| json!({ "term": tag.term, "scheme": tag.scheme, "label": tag.label });
    let enclosure = |file: &Enclosure| json!({ "href": file.href, "length": file.length, "type": file.media_type });
    json!({
        "title": text(item.title.as_ref()),
        "title_detail": detail(item.title.as_ref()),
        "summary": text(item.summary.as_ref()),
        "summary_detail": detail(item.summary.as_ref()),
        "content": item.contents.iter().map(content).collect::<Vec<_>>(),
        "link": item.link(),
        "links": item.links.iter().map(link).collect::<Vec<_>>(),
        "id": item.id,
        "guidislink": item.is_permalink.unwrap_or(true),
        "tags": item.tags.iter().map(tag).collect::<Vec<_>>(),
        "authors": people(&item.authors),
        "author_detail": item.authors.first().map(person),
        "contributors": people(&item.contributors),
        "enclosures": item.enclosures.iter().map(enclosure).collect::<Vec<_>>(),
        "published": raw(item.published.as_ref()),
        "published_parsed": seconds(item.published.as_ref()),
        "updated": raw(item.updated.as_ref()),
        "updated_parsed": seconds(item.updated.as_ref()),
        "comments": item.comments,
    })
}

fn text(text: Option<&Text>) -> Option<&str> {
    text.map(|text| text.value.as_str())
}

fn detail(text: Option<&Text>) -> Option<Value> {
    text.map(|text| {
        let kind = match &text.kind {
            TextKind::Html => "text/html",
            TextKind::Xhtml => "application/xhtml+xml",
            TextKind::Media(kind) => kind,
            TextKind::Plain | TextKind::Unsaid => "text/plain",
        };
        json!({ "value": text.value, "type": kind })
    })
}

fn link(link: &Link) -> Value {
    let mut value = json!({
        "href": link.href.as_ref().or(link.raw.as_ref()),
        "rel": link.rel.as_deref().unwrap_or("alternate"),
        "type": link.media_type,
        "title": link.title,
        "hreflang": link.language,
    });
    if let Value::Object(members) = &mut value {
        members.retain(|_, member| !member.is_null());
    }
    value
}

fn people(people: &[Person]) -> Vec<Value> {
    people.iter().map(person).collect()
}

fn person(person: &Person) -> Value {
    json!({ "name": person.name, "email": person.email, "href": person.uri })
}

fn raw(date: Option<&Dated>) -> Option<&str> {
    date.map(|date| date.raw.as_str())
}
