//! The content of an item: one JSON object with these members, each left out when the item has nothing for it.
//!
//! | member | shape |
//! |---|---|
//! | `authors`, `contributors` | list of `{avatar, email, name, uri}` |
//! | `comments` | address |
//! | `content` | list of `{base, language, src, type, value}` |
//! | `enclosures` | list of `{duration, href, length, title, type}` |
//! | `extensions` | `{namespace: {element name: [{attributes, children, text} or text]}}`, see [`Element::namespace`](crate::Element::namespace); for JSON `{"": {member: value}}` |
//! | `id`, `id_is_permalink` | text; true or false where the document says it |
//! | `language` | language tag |
//! | `link` | the item's own address |
//! | `links` | list of `{href, language, length, raw, rel, title, type}`; left out when `link` says it all |
//! | `published`, `updated` | the date as it stood; the instant is the candidate's |
//! | `rights`, `summary`, `title` | text, with `rights_type`, `rights_language`, `rights_base` and so on where the document says one |
//! | `source` | the feed that it was taken over from: `{authors, contributors, generator, icon, id, image, language, link, links, publisher, rights, subtitle, tags, title}`, without its dates, which change when others of its items do |
//! | `tags` | list of `{label, scheme, term}` |
//!
//! `type` is `text`, `html`, `xhtml` or a media type. `base` is the `xml:base` against which addresses in the markup of a
//! text are resolved; a text without markup has none. Nothing here depends on the time of reading, on the order of the
//! items, on how the document had to be recovered, or on what the feed says of itself.

use feedspine_core::json::CanonicalWriter;
use feedspine_core::{Content, Json};

use crate::extension;
use crate::model::{Enclosure, FeedMeta, Generator, Image, Item, Link, Person, Tag, Text};

/// The canonical content of an item, hashed.
pub fn content(item: &Item) -> Content {
    let mut writer = CanonicalWriter::with_capacity(estimate(item));
    writer.begin_object();
    list(&mut writer, "authors", &item.authors, person);
    member(&mut writer, "comments", item.comments.as_deref());
    list(&mut writer, "content", &item.contents, text);
    list(&mut writer, "contributors", &item.contributors, person);
    list(&mut writer, "enclosures", &item.enclosures, enclosure);
    if !item.extensions.is_empty() || !item.members.is_empty() {
        writer.name("extensions");
        extension::write(&mut writer, &item.extensions, &item.members);
    }
    member(&mut writer, "id", item.id.as_deref());
    if let Some(flag) = item.is_permalink {
        writer.name("id_is_permalink");
        writer.value(&Json::Bool(flag));
    }
    member(&mut writer, "language", item.language.as_deref());
    member(&mut writer, "link", item.link());
    if !link_says_it_all(&item.links) {
        list(&mut writer, "links", &item.links, link);
    }
    member(&mut writer, "published", item.published.as_ref().map(|date| date.raw.as_str()));
    typed(&mut writer, ["rights", "rights_base", "rights_language", "rights_type"], item.rights.as_ref());
    object(&mut writer, "source", item.source.as_deref().filter(|feed| says_anything(feed)), source);
    typed(&mut writer, ["summary", "summary_base", "summary_language", "summary_type"], item.summary.as_ref());
    list(&mut writer, "tags", &item.tags, tag);
    typed(&mut writer, ["title", "title_base", "title_language", "title_type"], item.title.as_ref());
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
fn link_says_it_all(links: &[Link]) -> bool {
    matches!(links, [only] if *only == Link { href: only.href.clone(), ..Link::default() })
}

fn member(writer: &mut CanonicalWriter, name: &str, value: Option<&str>) {
    if let Some(value) = value {
        writer.name(name);
        writer.string(value);
    }
}

fn typed(writer: &mut CanonicalWriter, [name, base, language, kind]: [&str; 4], text: Option<&Text>) {
    let Some(text) = text else { return };
    member(writer, name, Some(&text.value));
    member(writer, base, base_of(text));
    member(writer, language, text.language.as_deref());
    member(writer, kind, text.kind.as_str());
}

/// The base of a text that may hold addresses: only a tag can.
fn base_of(text: &Text) -> Option<&str> {
    text.base.as_deref().filter(|_| memchr::memchr(b'<', text.value.as_bytes()).is_some())
}

/// A source that says nothing but its dates is none.
fn says_anything(feed: &FeedMeta) -> bool {
    let mut writer = CanonicalWriter::new();
    writer.begin_object();
    source(&mut writer, feed);
    writer.end_object();
    writer.finish() != "{}"
}

fn source(writer: &mut CanonicalWriter, feed: &FeedMeta) {
    list(writer, "authors", &feed.authors, person);
    list(writer, "contributors", &feed.contributors, person);
    object(writer, "generator", feed.generator.as_ref(), generator);
    member(writer, "icon", feed.icon.as_deref());
    member(writer, "id", feed.id.as_deref());
    object(writer, "image", feed.image.as_ref(), image);
    member(writer, "language", feed.language.as_deref());
    member(writer, "link", feed.link());
    if !link_says_it_all(&feed.links) {
        list(writer, "links", &feed.links, link);
    }
    object(writer, "publisher", feed.publisher.as_ref(), person);
    typed(writer, ["rights", "rights_base", "rights_language", "rights_type"], feed.rights.as_ref());
    typed(writer, ["subtitle", "subtitle_base", "subtitle_language", "subtitle_type"], feed.subtitle.as_ref());
    list(writer, "tags", &feed.tags, tag);
    typed(writer, ["title", "title_base", "title_language", "title_type"], feed.title.as_ref());
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

fn object<T>(writer: &mut CanonicalWriter, name: &str, value: Option<&T>, write: fn(&mut CanonicalWriter, &T)) {
    if let Some(value) = value {
        writer.name(name);
        writer.begin_object();
        write(writer, value);
        writer.end_object();
    }
}

fn generator(writer: &mut CanonicalWriter, generator: &Generator) {
    member(writer, "name", generator.name.as_deref());
    member(writer, "uri", generator.uri.as_deref());
    member(writer, "version", generator.version.as_deref());
}

fn person(writer: &mut CanonicalWriter, person: &Person) {
    member(writer, "avatar", person.avatar.as_deref());
    member(writer, "email", person.email.as_deref());
    member(writer, "name", person.name.as_deref());
    member(writer, "uri", person.uri.as_deref());
}

fn image(writer: &mut CanonicalWriter, image: &Image) {
    member(writer, "description", image.description.as_deref());
    member(writer, "height", image.height.as_deref());
    member(writer, "href", image.href.as_deref());
    member(writer, "link", image.link.as_deref());
    member(writer, "title", image.title.as_deref());
    member(writer, "width", image.width.as_deref());
}

fn text(writer: &mut CanonicalWriter, text: &Text) {
    member(writer, "base", base_of(text));
    member(writer, "language", text.language.as_deref());
    member(writer, "src", text.src.as_deref());
    member(writer, "type", text.kind.as_str());
    member(writer, "value", Some(&text.value));
}

fn enclosure(writer: &mut CanonicalWriter, enclosure: &Enclosure) {
    member(writer, "duration", enclosure.duration.as_deref());
    member(writer, "href", Some(&enclosure.href));
    member(writer, "length", enclosure.length.as_deref());
    member(writer, "title", enclosure.title.as_deref());
    member(writer, "type", enclosure.media_type.as_deref());
}

fn link(writer: &mut CanonicalWriter, link: &Link) {
    member(writer, "href", link.href.as_deref());
    member(writer, "language", link.language.as_deref());
    member(writer, "length", link.length.as_deref());
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
        let text = || Text {
            value: "<v".into(),
            kind: TextKind::Media("a/b".into()),
            src: some(),
            language: some(),
            base: some(),
        };
        let link = || Link {
            href: some(),
            raw: some(),
            rel: some(),
            media_type: some(),
            title: some(),
            language: some(),
            length: some(),
        };
        let person = || Person { name: some(), email: some(), uri: some(), avatar: some() };
        let tag = || Tag { term: "t".into(), scheme: some(), label: some() };
        let image =
            Image { href: some(), title: some(), link: some(), description: some(), width: some(), height: some() };
        let item = Item {
            links: vec![link()],
            title: Some(text()),
            summary: Some(text()),
            contents: vec![text()],
            contributors: vec![person()],
            tags: vec![tag()],
            enclosures: vec![Enclosure {
                href: "e".into(),
                media_type: some(),
                length: some(),
                title: some(),
                duration: some(),
            }],
            comments: some(),
            rights: Some(text()),
            source: Some(Box::new(FeedMeta {
                id: some(),
                title: Some(text()),
                subtitle: Some(text()),
                rights: Some(text()),
                links: vec![link()],
                language: some(),
                authors: vec![person()],
                contributors: vec![person()],
                publisher: Some(person()),
                tags: vec![tag()],
                generator: Some(Generator { name: some(), uri: some(), version: some() }),
                image: Some(image),
                icon: some(),
                ..FeedMeta::default()
            })),
            language: some(),
            ..Item::default()
        };
        let written = content(&item);
        assert_eq!(Content::parse(written.as_str()).unwrap(), written);
    }
}
