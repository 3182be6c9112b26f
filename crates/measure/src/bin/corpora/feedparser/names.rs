//! What we read, in feedparser's names.

use feedspine_parse::{Dated, Document, Element, FeedMeta, Format, Item, Link, Person, Tag, Text, TextKind, read_date};
use serde_json::{Map, Value, json};

use crate::base;
use crate::oracle::{seconds, whole_seconds};
use crate::read::Answer;

/// What a text takes over from what is round it.
#[derive(Clone, Copy)]
struct Around<'a> {
    base: Option<&'a str>,
    language: Option<&'a str>,
    absolute: bool,
}

pub(super) fn value(answer: &Answer, base: Option<&str>, absolute: bool) -> Value {
    let Some(document) = answer.document() else {
        return json!({ "bozo": true, "entries": [], "feed": {}, "version": "" });
    };
    let around = Around { base, language: document.feed.language.as_deref(), absolute };
    json!({
        "bozo": document.recovered || document.truncated,
        "encoding": document.encoding.to_ascii_lowercase(),
        "version": version(document),
        "feed": feed(&document.feed, around),
        "entries": document.items.iter().map(|item| entry(item, around)).collect::<Vec<_>>(),
    })
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

fn feed(feed: &FeedMeta, around: Around<'_>) -> Value {
    let generator = feed.generator.as_ref();
    let image = feed.image.as_ref();
    let number = |text: Option<&String>| text.and_then(|text| text.trim().parse::<u64>().ok());
    let mut value = merged([
        extensions(&feed.extensions),
        texts("title", feed.title.as_ref(), around),
        texts("subtitle", feed.subtitle.as_ref(), around),
        texts("rights", feed.rights.as_ref(), around),
        dates("updated", feed.updated.as_ref()),
        dates("published", feed.published.as_ref()),
        people(&feed.authors, &feed.contributors, feed.publisher.as_ref()),
        tags(&feed.tags),
        json!({
            "link": feed.link(),
            "href": feed.links.last().and_then(|link| link.href.as_deref()),
            "links": feed.links.iter().map(link).collect::<Vec<_>>(),
            "id": feed.id,
            "language": feed.language.as_ref().map(|tag| tag.replace('_', "-")),
            "generator": generator.map(|generator| generator.name.clone()),
            "generator_detail": generator.map(|of| json!({"name": of.name, "href": of.uri, "version": of.version})),
            "icon": feed.icon,
            "logo": image.and_then(|image| image.href.clone()),
            "image": image.map(|image| json!({
                "href": image.href,
                "title": image.title,
                "link": image.link,
                "subtitle": image.description,
                "width": number(image.width.as_ref()),
                "height": number(image.height.as_ref()),
            })),
            "ttl": feed.schedule.ttl_minutes.map(|minutes| minutes.to_string()),
        }),
    ]);
    for (name, known) in [("cloud", "cloud"), ("textInput", "textinput"), ("docs", "docs")] {
        let Some(element) = feed.extensions.iter().find(|element| element.name.eq_ignore_ascii_case(name)) else {
            continue;
        };
        value[known] = if name == "docs" { (*element.text).into() } else { parts(element) };
    }
    value
}

/// Attributes and children of an element, in lower case; `description` is feedparser's `subtitle`.
fn parts(element: &Element) -> Value {
    let attributes = element.attributes.iter().map(|(name, value)| (name.to_lowercase(), Value::from(&**value)));
    let children = element.children.iter().map(|child| {
        let name = if &*child.name == "description" { "subtitle".to_owned() } else { child.name.to_lowercase() };
        (name, Value::from(&*child.text))
    });
    Value::Object(attributes.chain(children).collect())
}

fn entry(item: &Item, around: Around<'_>) -> Value {
    let around = Around { language: item.language.as_deref().or(around.language), ..around };
    let content = |text: &Text| {
        let mut value = detail(text, around);
        value["src"] = text.src.clone().into();
        value
    };
    let enclosure = |file: &feedspine_parse::Enclosure| json!({ "href": file.href, "length": file.length, "type": file.media_type, "rel": "enclosure" });
    let of_enclosures = item.enclosures.iter().map(enclosure).map(without_nulls);
    merged([
        extensions(&item.extensions),
        texts("title", item.title.as_ref(), around),
        // feedparser takes the content for the summary where there is none.
        texts("summary", item.summary.as_ref().or(item.contents.first()), around),
        texts("rights", item.rights.as_ref(), around),
        dates("updated", item.updated.as_ref()),
        dates("published", item.published.as_ref()),
        people(&item.authors, &item.contributors, None),
        tags(&item.tags),
        json!({
            "content": item.contents.iter().map(content).collect::<Vec<_>>(),
            "link": item.link(),
            "links": item.links.iter().map(link).chain(of_enclosures).collect::<Vec<_>>(),
            "id": item.id,
            // Whether the guid serves as the link.
            "guidislink": item.is_permalink.unwrap_or(true) && item.link() == item.id.as_deref(),
            "enclosures": item.enclosures.iter().map(enclosure).collect::<Vec<_>>(),
            "comments": item.comments,
            "language": item.language.as_ref().map(|tag| tag.replace('_', "-")),
            "source": item.source.as_ref().map(|source| feed(source, around)),
            "image": item.image().map(|href| json!({ "href": href })),
            "where": item.place().map(|place| from_ours(&place.to_geojson())),
            "psc_chapters": chapters(item),
        }),
    ])
}

fn from_ours(value: &feedspine_core::Json) -> Value {
    serde_json::from_str(&value.to_canonical()).unwrap_or_default()
}

fn chapters(item: &Item) -> Option<Value> {
    let list = item.extensions.iter().find(|element| &*element.namespace == "psc" && &*element.name == "chapters")?;
    let chapter = |chapter: &feedspine_parse::Chapter| {
        json!({
            "title": chapter.title,
            "image": chapter.image,
            "href": chapter.link,
            "start_parsed": serde_json::Number::from_f64(std::time::Duration::from_millis(chapter.start_ms).as_secs_f64()),
        })
    };
    let chapters = item.chapters().iter().map(chapter).collect::<Vec<_>>();
    Some(json!({ "version": list.attribute("version"), "chapters": chapters }))
}

/// Words of iTunes, Media RSS and others that feedparser knows by name.
fn extensions(elements: &[Element]) -> Value {
    let all = || elements.iter().chain(elements.iter().flat_map(|element| &element.children));
    let of = |space: &'static str, name: &'static str| {
        all().filter(move |element| &*element.namespace == space && &*element.name == name)
    };
    let text = |space, name| of(space, name).filter_map(Element::text).next_back();
    let with_content = |element: &Element, split: bool| {
        let mut value = parts(element);
        value["content"] =
            if split { element.text.split_whitespace().collect::<Vec<_>>().into() } else { (*element.text).into() };
        value
    };
    let first = |name, split| of("media", name).next().map(|element| with_content(element, split));
    let list = |name| of("media", name).map(|element| with_content(element, false)).collect::<Vec<_>>();
    let explicit = match text("itunes", "explicit") {
        Some("yes" | "true") => json!(true),
        Some("clean" | "no" | "false") => json!(false),
        _ => Value::Null,
    };
    let created = text("dcterms", "created").or_else(|| text("atom", "created"));
    let expired = text("", "expirationDate");
    let instant = |text: Option<&str>| text.and_then(|text| read_date(text).ok()).map(|date| whole_seconds(date.at));
    let license =
        all().find(|element| matches!(&*element.namespace, "cc" | "creativeCommons") && &*element.name == "license");
    let publisher = text("dc", "publisher").map(|text| Person { name: Some(text.to_owned()), ..Person::default() });
    let mut value = json!({
        "itunes_block": text("itunes", "block").map(|block| u8::from(block == "yes")),
        "itunes_explicit": explicit,
        "itunes_duration": text("itunes", "duration"),
        "media_credit": list("credit"),
        "media_thumbnail": list("thumbnail"),
        "media_license": first("license", false),
        "media_player": first("player", false),
        "media_rating": first("rating", false),
        "media_restriction": first("restriction", true),
        "thr_in-reply-to": of("thr", "in-reply-to").next().map(parts),
        "license": license.and_then(|license| license.attribute("rdf:resource").or(license.text())),
        "created": created,
        "created_parsed": instant(created),
        "expired": expired,
        "expired_parsed": instant(expired),
        "publisher_detail": publisher.as_ref().map(person),
    });
    // `summary` and `subtitle` of iTunes stand beside the feed's own; `madeup_element` and `abcdefg` are anybody's.
    for (name, known) in [("subtitle", "subtitle"), ("summary", "summary")] {
        value[known] = text("itunes", name).into();
    }
    for element in elements {
        for name in [element.name.to_string(), format!("madeup_{}", element.name.to_lowercase())] {
            if value[&name].is_null() && element.attributes.is_empty() {
                value[name] = (*element.text).into();
            }
        }
    }
    without_nulls(value)
}

/// Later objects win over earlier ones.
fn merged(objects: impl IntoIterator<Item = Value>) -> Value {
    let mut all = Map::new();
    for object in objects {
        if let Value::Object(members) = object {
            all.extend(members.into_iter().filter(|(_, value)| !value.is_null()));
        }
    }
    Value::Object(all)
}

fn without_nulls(mut value: Value) -> Value {
    if let Value::Object(members) = &mut value {
        members.retain(|_, member| !member.is_null());
    }
    value
}

fn texts(name: &str, text: Option<&Text>, around: Around<'_>) -> Value {
    let Some(text) = text else { return Value::Null };
    let detail = detail(text, around);
    json!({ name: detail["value"], format!("{name}_detail"): detail })
}

fn detail(text: &Text, around: Around<'_>) -> Value {
    let kind = match &text.kind {
        TextKind::Html => "text/html",
        TextKind::Xhtml => "application/xhtml+xml",
        TextKind::Media(kind) => kind,
        TextKind::Plain | TextKind::Unsaid => "text/plain",
    };
    let value = if around.absolute { base::absolute(text, around.base) } else { text.value.clone() };
    // An empty one says that none is known (XML 1.0, section 2.12).
    let language = text.language.as_deref().or(around.language).filter(|tag| !tag.is_empty());
    let language = language.map(|tag| tag.replace('_', "-"));
    json!({ "value": value, "type": kind, "base": text.base.as_deref().or(around.base), "language": language })
}

fn dates(name: &str, date: Option<&Dated>) -> Value {
    json!({ name: date.map(|date| &date.raw), format!("{name}_parsed"): seconds(date) })
}

fn tags(tags: &[Tag]) -> Value {
    let tag = |tag: &Tag| json!({ "term": tag.term, "scheme": tag.scheme, "label": tag.label });
    json!({ "tags": tags.iter().map(tag).collect::<Vec<_>>(), "category": tags.first().map(|tag| &tag.term) })
}

fn link(link: &Link) -> Value {
    without_nulls(json!({
        "href": link.href.as_ref().or(link.raw.as_ref()),
        "rel": link.rel.as_deref().unwrap_or("alternate"),
        "type": link.media_type,
        "title": link.title,
        "hreflang": link.language,
        "length": link.length,
    }))
}

fn people(authors: &[Person], contributors: &[Person], publisher: Option<&Person>) -> Value {
    json!({
        "authors": authors.iter().map(person).collect::<Vec<_>>(),
        "author_detail": authors.first().map(person),
        "author": authors.first().and_then(in_one),
        "contributors": contributors.iter().map(person).collect::<Vec<_>>(),
        "publisher": publisher.and_then(in_one),
        "publisher_detail": publisher.map(person),
    })
}

fn person(person: &Person) -> Value {
    let (name, email) = person.name_and_email();
    json!({ "name": name, "email": email, "href": person.uri })
}

/// Name and address as feedparser puts them together.
fn in_one(person: &Person) -> Option<String> {
    match person.name_and_email() {
        (Some(name), Some(email)) => Some(format!("{name} ({email})")),
        (name, email) => name.or(email).map(str::to_owned),
    }
}
