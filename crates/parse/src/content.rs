//! The content of an item: one JSON object with these members, each left out when the item has nothing for it.
//!
//! | member | shape |
//! |---|---|
//! | `authors`, `contributors` | list of `{email, name, uri}` |
//! | `comments` | address |
//! | `content` | list of `{language, src, type, value}` |
//! | `enclosures` | list of `{href, length, title, type}` |
//! | `extensions` | `{namespace URI, or "": {element name: [{attributes, children, text} or text]}}`; for JSON `{"": {member: value}}` |
//! | `id`, `id_is_permalink` | text; true or false where the document says it |
//! | `language` | language tag |
//! | `link` | the item's own address |
//! | `links` | list of `{href, language, raw, rel, title, type}`; left out when `link` says it all |
//! | `published`, `updated` | the date as it stood; the instant is the candidate's |
//! | `rights`, `summary`, `title` | text, with `rights_type`, `summary_type`, `title_type` where the document says one |
//! | `source` | `{id, link, title}` |
//! | `tags` | list of `{label, scheme, term}` |
//!
//! `type` is `text`, `html`, `xhtml` or a media type. Nothing here depends on the time of reading, on the order of the
//! items, on how the document had to be recovered, or on what the feed says of itself.

use feedspine_core::json::CanonicalWriter;
use feedspine_core::{Content, Json};

use crate::model::{Enclosure, Item, Link, Person, Tag, Text};

/// The canonical content of an item, hashed.
pub fn content(item: &Item) -> Content {
    let mut writer = CanonicalWriter::with_capacity(estimate(item));
    writer.begin_object();
    list(&mut writer, "authors", &item.authors, person);
    member(&mut writer, "comments", item.comments.as_deref());
    list(&mut writer, "content", &item.contents, text);
    list(&mut writer, "contributors", &item.contributors, person);
    list(&mut writer, "enclosures", &item.enclosures, enclosure);
    extensions(&mut writer, item);
    member(&mut writer, "id", item.id.as_deref());
    if let Some(flag) = item.is_permalink {
        writer.name("id_is_permalink");
        writer.value(&Json::Bool(flag));
    }
    member(&mut writer, "language", item.language.as_deref());
    member(&mut writer, "link", item.link());
    if !link_says_it_all(item) {
        list(&mut writer, "links", &item.links, link);
    }
    member(&mut writer, "published", item.published.as_ref().map(|date| date.raw.as_str()));
    typed(&mut writer, ["rights", "rights_type"], item.rights.as_ref());
    if let Some(source) = &item.source {
        writer.name("source");
        writer.begin_object();
        member(&mut writer, "id", source.id.as_deref());
        member(&mut writer, "link", source.link.as_deref());
        member(&mut writer, "title", source.title.as_deref());
        writer.end_object();
    }
    typed(&mut writer, ["summary", "summary_type"], item.summary.as_ref());
    list(&mut writer, "tags", &item.tags, tag);
    typed(&mut writer, ["title", "title_type"], item.title.as_ref());
    member(&mut writer, "updated", item.updated.as_ref().map(|date| date.raw.as_str()));
    writer.end_object();
    Content::from_canonical(writer.finish())
}

/// Room for the texts, a tenth more for escapes, and the names.
fn estimate(item: &Item) -> usize {
    let long = |text: Option<&Text>| text.map_or(0, |text| text.value.len());
    let contents: usize = item.contents.iter().map(|text| text.value.len()).sum();
    let texts = contents + long(item.summary.as_ref()) + long(item.title.as_ref());
    texts + texts / 10 + 512
}

/// One link that is nothing but the address of the item.
fn link_says_it_all(item: &Item) -> bool {
    matches!(item.links.as_slice(), [only] if *only == Link { href: only.href.clone(), ..Link::default() })
}

fn member(writer: &mut CanonicalWriter, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        writer.name(name);
        writer.string(value);
    }
}

fn typed(writer: &mut CanonicalWriter, [name, type_name]: [&str; 2], text: Option<&Text>) {
    member(writer, name, text.map(|text| text.value.as_str()));
    member(writer, type_name, text.and_then(|text| text.kind.as_str()));
}

fn list<T>(writer: &mut CanonicalWriter, name: &str, elements: &[T], write: fn(&mut CanonicalWriter, &T)) {
    if elements.is_empty() {
        return;
    }
    writer.name(name);
    writer.begin_array();
    for element in elements {
        writer.element();
        writer.begin_object();
        write(writer, element);
        writer.end_object();
    }
    writer.end_array();
}

fn person(writer: &mut CanonicalWriter, person: &Person) {
    member(writer, "email", person.email.as_deref());
    member(writer, "name", person.name.as_deref());
    member(writer, "uri", person.uri.as_deref());
}

fn text(writer: &mut CanonicalWriter, text: &Text) {
    member(writer, "language", text.language.as_deref());
    member(writer, "src", text.src.as_deref());
    member(writer, "type", text.kind.as_str());
    member(writer, "value", Some(&text.value));
}

fn enclosure(writer: &mut CanonicalWriter, enclosure: &Enclosure) {
    member(writer, "href", Some(&enclosure.href));
    member(writer, "length", enclosure.length.as_deref());
    member(writer, "title", enclosure.title.as_deref());
    member(writer, "type", enclosure.media_type.as_deref());
}

fn link(writer: &mut CanonicalWriter, link: &Link) {
    member(writer, "href", link.href.as_deref());
    member(writer, "language", link.language.as_deref());
    member(writer, "raw", link.raw.as_deref());
    member(writer, "rel", link.rel.as_deref());
    member(writer, "title", link.title.as_deref());
    member(writer, "type", link.media_type.as_deref());
}

fn tag(writer: &mut CanonicalWriter, tag: &Tag) {
    member(writer, "label", tag.label.as_deref());
    member(writer, "scheme", tag.scheme.as_deref());
    member(writer, "term", Some(&tag.term));
}

fn extensions(writer: &mut CanonicalWriter, item: &Item) {
    if item.extensions.is_empty() {
        return;
    }
    writer.name("extensions");
    writer.begin_object();
    for (namespace, members) in &item.extensions {
        writer.name(namespace);
        writer.begin_object();
        for (name, value) in members {
            writer.name(name);
            writer.value(value);
        }
        writer.end_object();
    }
    writer.end_object();
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::model::{Dated, TextKind};

    #[test]
    fn writes_what_was_published_in_canonical_order() {
        let item = Item {
            ordinal: 7,
            id: Some("tag:a,2020:1".into()),
            is_permalink: Some(false),
            links: vec![Link { href: Some("http://a.example/1".into()), ..Link::default() }],
            title: Some(Text { value: "A <b>".into(), kind: TextKind::Html, ..Text::default() }),
            published: Some(Dated { raw: "no date".into(), at: None, zone_assumed: false }),
            authors: vec![Person { name: Some("Ada".into()), ..Person::default() }],
            ..Item::default()
        };
        assert_eq!(
            content(&item).as_str(),
            r#"{"authors":[{"name":"Ada"}],"id":"tag:a,2020:1","id_is_permalink":false,"link":"http://a.example/1","published":"no date","title":"A <b>","title_type":"html"}"#
        );
    }

    #[test]
    fn is_canonical_json_with_every_member_there_is() {
        let some = || Some("x".to_owned());
        let text = || Text { value: "v".into(), kind: TextKind::Media("a/b".into()), src: some(), language: some() };
        let item = Item {
            links: vec![Link {
                href: some(),
                raw: some(),
                rel: some(),
                media_type: some(),
                title: some(),
                language: some(),
            }],
            title: Some(text()),
            summary: Some(text()),
            contents: vec![text()],
            contributors: vec![Person { name: some(), email: some(), uri: some() }],
            tags: vec![Tag { term: "t".into(), scheme: some(), label: some() }],
            enclosures: vec![Enclosure { href: "e".into(), media_type: some(), length: some(), title: some() }],
            comments: some(),
            rights: Some(text()),
            source: Some(crate::model::Source { id: some(), title: some(), link: some() }),
            language: some(),
            ..Item::default()
        };
        let written = content(&item);
        assert_eq!(Content::parse(written.as_str()).unwrap(), written);
    }
}
