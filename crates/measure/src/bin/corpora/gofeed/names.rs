//! What we read, in gofeed's names: those of its parsers, one for each format, and of its universal feed.

use feedspine_parse::{
    Dated, Document, Element, Enclosure, FeedMeta, Format, Generator, Item, Link, Person, Tag, Text, TextKind,
};
use serde_json::{Value, json};

use crate::base;

pub(super) fn value(kind: &str, document: &Document) -> Value {
    let items = |of: fn(&Item) -> Value| document.items.iter().map(of).collect::<Vec<_>>();
    let (name, mut value, items) = match kind {
        "parser/atom" => ("entries", atom_feed(&document.feed), items(atom_entry)),
        "parser/rss" => ("items", rss_feed(&document.feed), items(rss_item)),
        "parser/json" => ("items", json_feed(&document.feed), items(json_item)),
        _ => ("items", universal_feed(document), items(universal_item)),
    };
    value[name] = items.into();
    if kind.starts_with("parser") {
        value["version"] = version(document).into();
    }
    value
}

fn version(document: &Document) -> String {
    let named = document.feed.version.clone().unwrap_or_default();
    match document.format {
        Format::Atom => "1.0".to_owned(),
        Format::Atom03 => "0.3".to_owned(),
        Format::Rdf if named.is_empty() => "1.0".to_owned(),
        _ => named,
    }
}

/// gofeed makes addresses in HTML absolute, where the document has a base.
fn text(text: Option<&Text>) -> Option<String> {
    text.map(|text| base::absolute(text, None))
}

fn raw(date: Option<&Dated>) -> Option<&str> {
    date.map(|date| date.raw.as_str())
}

fn instant(date: Option<&Dated>) -> Option<String> {
    date?.at.map(|at| at.to_string())
}

fn all<T>(elements: &[T], of: fn(&T) -> Value) -> Vec<Value> {
    elements.iter().map(of).collect()
}

fn address(link: &Link) -> Option<&String> {
    link.href.as_ref().or(link.raw.as_ref())
}

fn addresses(links: &[Link]) -> Vec<&String> {
    links.iter().filter_map(address).collect()
}

fn atom_link(link: &Link) -> Value {
    json!({
        "href": address(link),
        "hreflang": link.language,
        "rel": link.rel.as_deref().unwrap_or("alternate"),
        "type": link.media_type,
        "title": link.title,
        "length": link.length,
    })
}

fn atom_links(links: &[Link], enclosures: &[Enclosure]) -> Vec<Value> {
    let file = |file: &Enclosure| json!({ "href": file.href, "rel": "enclosure", "type": file.media_type, "title": file.title, "length": file.length });
    links.iter().map(atom_link).chain(enclosures.iter().map(file)).collect()
}

fn atom_person(person: &Person) -> Value {
    json!({ "name": person.name, "email": person.email, "uri": person.uri })
}

fn atom_category(tag: &Tag) -> Value {
    json!({ "term": tag.term, "scheme": tag.scheme, "label": tag.label })
}

fn atom_feed(feed: &FeedMeta) -> Value {
    let generator = feed.generator.as_ref();
    json!({
        "title": text(feed.title.as_ref()),
        "id": feed.id,
        "updated": raw(feed.updated.as_ref()),
        "updatedParsed": instant(feed.updated.as_ref()),
        "subtitle": text(feed.subtitle.as_ref()),
        "links": atom_links(&feed.links, &[]),
        "language": feed.language,
        "generator": generator.map(|of| json!({ "value": of.name, "uri": of.uri, "version": of.version })),
        "icon": feed.icon,
        "logo": feed.image.as_ref().and_then(|image| image.href.clone()),
        "rights": text(feed.rights.as_ref()),
        "authors": all(&feed.authors, atom_person),
        "contributors": all(&feed.contributors, atom_person),
        "categories": all(&feed.tags, atom_category),
    })
}

fn atom_entry(item: &Item) -> Value {
    let content = item.contents.first();
    let kind = |text: &Text| match &text.kind {
        TextKind::Unsaid => Value::Null,
        kind => kind.as_str().into(),
    };
    json!({
        "title": text(item.title.as_ref()),
        "id": item.id,
        "updated": raw(item.updated.as_ref()),
        "updatedParsed": instant(item.updated.as_ref()),
        "published": raw(item.published.as_ref()),
        "publishedParsed": instant(item.published.as_ref()),
        "summary": text(item.summary.as_ref()),
        "authors": all(&item.authors, atom_person),
        "contributors": all(&item.contributors, atom_person),
        "categories": all(&item.tags, atom_category),
        "links": atom_links(&item.links, &item.enclosures),
        "rights": text(item.rights.as_ref()),
        "source": item.source.as_deref().map(atom_feed),
        "content": content.map(|text| json!({ "src": text.src, "type": kind(text), "value": base::absolute(text, None) })),
    })
}

fn rss_category(tag: &Tag) -> Value {
    json!({ "domain": tag.scheme, "value": tag.term })
}

fn rss_file(file: &Enclosure) -> Value {
    json!({ "url": file.href, "length": file.length, "type": file.media_type })
}

/// RSS has one text for a person.
fn rss_person(person: Option<&Person>) -> Option<String> {
    let person = person?;
    Some(person.name.clone().or(person.email.clone()).unwrap_or_default())
}

fn rss_feed(feed: &FeedMeta) -> Value {
    // RDF names some of its elements in the channel before they come.
    let own = |name: &str| {
        let mut named = feed.extensions.iter().filter(|element| element.name.eq_ignore_ascii_case(name));
        named.clone().find(|element| !element.children.is_empty()).or_else(|| named.next())
    };
    let own_text = |name: &str| own(name).map(|element| element.text.to_string());
    let child = |element: &Element, name: &str| {
        element.children.iter().find(|child| child.name.eq_ignore_ascii_case(name)).map(|child| child.text.to_string())
    };
    json!({
        "title": text(feed.title.as_ref()),
        "link": feed.link(),
        "links": addresses(&feed.links),
        "description": text(feed.subtitle.as_ref()),
        "language": feed.language,
        "copyright": text(feed.rights.as_ref()),
        "managingEditor": rss_person(feed.authors.first()),
        "webMaster": rss_person(feed.publisher.as_ref()),
        "pubDate": raw(feed.published.as_ref()),
        "pubDateParsed": instant(feed.published.as_ref()),
        "lastBuildDate": raw(feed.updated.as_ref()),
        "lastBuildDateParsed": instant(feed.updated.as_ref()),
        "categories": all(&feed.tags, rss_category),
        "generator": feed.generator.as_ref().and_then(|of| of.name.clone().or(of.uri.clone())),
        "docs": own_text("docs"),
        "rating": own_text("rating"),
        "ttl": feed.schedule.ttl_minutes.map(|minutes| minutes.to_string()),
        "image": feed.image.as_ref().map(|image| json!({
            "url": image.href,
            "title": image.title,
            "link": image.link,
            "width": image.width,
            "height": image.height,
            "description": image.description,
        })),
        "skipHours": feed.schedule.skip_hours.iter().map(ToString::to_string).collect::<Vec<_>>(),
        "skipDays": feed.schedule.skip_days.iter().map(|day| day.as_str()).collect::<Vec<_>>(),
        "cloud": own("cloud").map(|cloud| json!({
            "domain": cloud.attribute("domain"),
            "port": cloud.attribute("port"),
            "path": cloud.attribute("path"),
            "registerProcedure": cloud.attribute("registerProcedure"),
            "protocol": cloud.attribute("protocol"),
        })),
        "textInput": own("textinput").map(|input| json!({
            "title": child(input, "title"),
            "description": child(input, "description"),
            "name": child(input, "name"),
            "link": child(input, "link"),
        })),
    })
}

fn rss_item(item: &Item) -> Value {
    let source = item.source.as_deref();
    json!({
        "title": text(item.title.as_ref()),
        "link": item.link(),
        "links": addresses(&item.links),
        "description": text(item.summary.as_ref()),
        "content": text(item.contents.first()),
        "author": rss_person(item.authors.first()),
        "categories": all(&item.tags, rss_category),
        "comments": item.comments,
        "enclosure": item.enclosures.last().map(rss_file),
        "enclosures": all(&item.enclosures, rss_file),
        "guid": item.id.as_ref().map(|id| json!({
            "value": id,
            "isPermalink": item.is_permalink.unwrap_or(true).to_string(),
        })),
        "pubDate": raw(item.published.as_ref()),
        "pubDateParsed": instant(item.published.as_ref()),
        "source": source.map(|source| json!({ "title": text(source.title.as_ref()), "url": source.link() })),
    })
}

fn related<'l>(links: &'l [Link], relation: &str) -> Option<&'l String> {
    links.iter().find(|link| link.rel.as_deref() == Some(relation)).and_then(address)
}

fn json_person(person: &Person) -> Value {
    json!({ "name": person.name, "url": person.uri, "avatar": person.avatar })
}

fn json_feed(feed: &FeedMeta) -> Value {
    let member = |name: &str| feed.members.get(name).map(from_ours);
    json!({
        "title": text(feed.title.as_ref()),
        "description": text(feed.subtitle.as_ref()),
        "home_page_url": feed.link(),
        "feed_url": feed.self_link(),
        "next_url": feed.next_page(),
        "icon": feed.image.as_ref().and_then(|image| image.href.clone()),
        "favicon": feed.icon,
        "author": feed.authors.first().map(json_person),
        "authors": all(&feed.authors, json_person),
        "user_comment": member("user_comment"),
        "expired": member("expired"),
    })
}

fn from_ours(value: &feedspine_core::Json) -> Value {
    serde_json::from_str(&value.to_canonical()).unwrap_or_default()
}

fn json_item(item: &Item) -> Value {
    let content =
        |kind: &TextKind| item.contents.iter().find(|text| text.kind == *kind).map(|text| text.value.as_str());
    let number = |text: Option<&String>| text.and_then(|text| text.parse::<i64>().ok());
    let file = |file: &Enclosure| {
        json!({
            "url": file.href,
            "mime_type": file.media_type,
            "title": file.title,
            "size_in_bytes": number(file.length.as_ref()),
            "duration_in_seconds": number(file.duration.as_ref()),
        })
    };
    json!({
        "id": item.id,
        "url": item.link(),
        "external_url": related(&item.links, "related"),
        "title": text(item.title.as_ref()),
        "content_html": content(&TextKind::Html),
        "content_text": content(&TextKind::Plain),
        "summary": text(item.summary.as_ref()),
        "image": related(&item.links, "image"),
        "banner_image": related(&item.links, "banner_image"),
        "date_published": raw(item.published.as_ref()),
        "date_modified": raw(item.updated.as_ref()),
        "author": item.authors.first().map(json_person),
        "authors": all(&item.authors, json_person),
        "tags": item.tags.iter().map(|tag| &tag.term).collect::<Vec<_>>(),
        "attachments": item.enclosures.iter().map(file).collect::<Vec<_>>(),
    })
}

fn universal_person(person: &Person) -> Value {
    let (name, email) = person.name_and_email();
    json!({ "name": name, "email": email, "url": person.uri, "avatar": person.avatar })
}

/// For people, in any order.
fn categories(tags: &[Tag]) -> Vec<&String> {
    let mut categories: Vec<&String> = tags.iter().map(|tag| tag.label.as_ref().unwrap_or(&tag.term)).collect();
    categories.sort();
    categories
}

/// All that is known of it in one text.
fn generator(generator: &Generator) -> String {
    let version = generator.version.as_ref().map(|version| format!("v{version}"));
    let parts = [generator.name.clone(), version, generator.uri.clone()];
    parts.into_iter().flatten().collect::<Vec<_>>().join(" ")
}

fn universal_feed(document: &Document) -> Value {
    let feed = &document.feed;
    let kind = match document.format {
        Format::Atom | Format::Atom03 => "atom",
        Format::JsonFeed => "json",
        _ => "rss",
    };
    let image = feed.image.as_ref().map(|image| json!({ "url": image.href, "title": image.title }));
    let image = image.or_else(|| feed.icon.as_ref().map(|icon| json!({ "url": icon })));
    let people = if feed.authors.is_empty() { feed.publisher.as_slice() } else { &feed.authors };
    json!({
        "title": text(feed.title.as_ref()),
        "description": text(feed.subtitle.as_ref()),
        "link": feed.link(),
        "links": addresses(&feed.links),
        "updated": raw(feed.updated.as_ref()),
        "updatedParsed": instant(feed.updated.as_ref()),
        "published": raw(feed.published.as_ref()),
        "publishedParsed": instant(feed.published.as_ref()),
        "author": people.first().map(universal_person),
        "authors": all(people, universal_person),
        "language": feed.language,
        "image": image,
        "copyright": text(feed.rights.as_ref()),
        "generator": feed.generator.as_ref().map(generator),
        "categories": categories(&feed.tags),
        "feedType": kind,
        "feedVersion": version(document),
    })
}

fn universal_item(item: &Item) -> Value {
    json!({
        "title": text(item.title.as_ref()),
        "description": text(item.summary.as_ref()),
        "content": text(item.contents.first()),
        "link": item.link(),
        "links": addresses(&item.links),
        "updated": raw(item.updated.as_ref()),
        "updatedParsed": instant(item.updated.as_ref()),
        "published": raw(item.published.as_ref()),
        "publishedParsed": instant(item.published.as_ref()),
        "author": item.authors.first().map(universal_person),
        "authors": all(&item.authors, universal_person),
        "guid": item.id,
        "image": item.image().map(|url| json!({ "url": url })),
        "categories": categories(&item.tags),
        "enclosure": item.enclosures.last().map(rss_file),
        "enclosures": all(&item.enclosures, rss_file),
    })
}
