//! What a feed or an item says in the words of iTunes, Google Play, Media RSS or an RSS module: it fills what the format's
//! own words left empty, adds to its tags, and stays among the extensions as it came.

use std::collections::HashSet;

use crate::extension::{Element, named, text_of};
use crate::model::{FeedMeta, Generator, Image, Item, Person, Tag, Text, TextKind};
use crate::view::{media_picture, podcast_picture};

/// Key words of one element beyond this many are not made tags: one element may list millions.
const MAX_KEYWORDS: usize = 1_000;

/// Vocabularies of podcasts with the same words.
const PODCASTS: [&str; 2] = ["itunes", "googleplay"];

/// Fills what an item's own words left empty.
pub(super) fn of_item(item: &mut Item) {
    if item.extensions.is_empty() {
        return;
    }
    if item.title.is_none() {
        item.title = media(&item.extensions, "title").or_else(|| podcast_text(&item.extensions, &["title"]));
    }
    if item.summary.is_none() {
        let podcast = podcast_text(&item.extensions, &["summary", "description", "subtitle"]);
        item.summary = podcast.or_else(|| media(&item.extensions, "description"));
    }
    if item.authors.is_empty() {
        item.authors.extend(podcast_author(&item.extensions));
    }
    let more = tags(&item.extensions, &item.tags);
    item.tags.extend(more);
}

/// Fills what a feed's own words left empty.
pub(super) fn of_feed(feed: &mut FeedMeta) {
    if feed.subtitle.as_ref().is_none_or(|subtitle| subtitle.value.is_empty()) {
        feed.subtitle =
            podcast_text(&feed.extensions, &["summary", "description", "subtitle"]).or(feed.subtitle.take());
    }
    if feed.authors.is_empty() {
        feed.authors.extend(podcast_author(&feed.extensions));
    }
    let more = tags(&feed.extensions, &feed.tags);
    feed.tags.extend(more);
    if feed.publisher.is_none() {
        feed.publisher = owner(&feed.extensions);
    }
    if feed.image.as_ref().is_none_or(|image| image.href.is_none())
        && let Some(href) = podcast_picture(&feed.extensions).or_else(|| media_picture(&feed.extensions))
    {
        feed.image.get_or_insert_with(Image::default).href = Some(href.to_owned());
    }
    if feed.generator.is_none() {
        let agent = attribute_of(&feed.extensions, "admin", "generatorAgent", "rdf:resource");
        feed.generator = agent.map(|uri| Generator { uri: Some(uri.to_owned()), ..Generator::default() });
    }
}

fn attribute_of<'e>(elements: &'e [Element], namespace: &'e str, name: &'e str, attribute: &'e str) -> Option<&'e str> {
    named(elements, namespace, name).find_map(|element| element.attribute(attribute))
}

fn podcast_text(elements: &[Element], names: &[&str]) -> Option<Text> {
    let found = PODCASTS.iter().find_map(|space| names.iter().find_map(|name| text_of(elements, space, name)));
    found.map(|value| Text { value: value.to_owned(), ..Text::default() })
}

fn podcast_author(elements: &[Element]) -> Option<Person> {
    let name = PODCASTS.iter().find_map(|space| text_of(elements, space, "author"));
    name.map(|name| Person { name: Some(name.to_owned()), ..Person::default() })
}

fn owner(elements: &[Element]) -> Option<Person> {
    let owner = named(elements, "itunes", "owner").next()?;
    let of = |name| text_of(&owner.children, "itunes", name).map(str::to_owned);
    let person = Person { name: of("name"), email: of("email"), ..Person::default() };
    let google = || text_of(elements, "googleplay", "email").map(str::to_owned);
    Some(Person { email: person.email.or_else(google), ..person }).filter(|person| *person != Person::default())
}

/// A text of Media RSS, of the item or of its group; it says itself whether it is HTML.
fn media(elements: &[Element], name: &str) -> Option<Text> {
    let element = in_groups(elements).find(|element| is(element, "media", name) && !element.text.is_empty())?;
    let kind = match element.attribute("type") {
        Some("html") => TextKind::Html,
        Some("plain") => TextKind::Plain,
        _ => TextKind::Unsaid,
    };
    Some(Text { value: element.text.to_string(), kind, ..Text::default() })
}

/// Categories and key words besides those that are known, in the order of the document.
fn tags(elements: &[Element], known: &[Tag]) -> Vec<Tag> {
    if elements.is_empty() {
        return Vec::new();
    }
    let mut tags = Vec::new();
    let mut known: HashSet<&str> = known.iter().map(|tag| tag.term.as_str()).collect();
    for element in in_groups(elements) {
        if is(element, "media", "category") {
            let [scheme, label] = ["scheme", "label"].map(|name| element.attribute(name).map(str::to_owned));
            tags.extend(element.text().map(|term| Tag { term: term.to_owned(), scheme, label }));
        } else if PODCASTS.contains(&&*element.namespace) && &*element.name == "category" {
            podcast_category(element, &mut tags, &mut known);
        } else if matches!(&*element.namespace, "itunes" | "media") && &*element.name == "keywords" {
            let terms = element.text.split(',').map(str::trim).filter(|term| !term.is_empty() && known.insert(*term));
            tags.extend(terms.take(MAX_KEYWORDS).map(|term| Tag { term: term.to_owned(), ..Tag::default() }));
        }
    }
    tags
}

/// A category and those within it.
fn podcast_category<'e>(element: &'e Element, tags: &mut Vec<Tag>, known: &mut HashSet<&'e str>) {
    let term = element.attribute("text").or(element.text()).filter(|term| known.insert(*term));
    tags.extend(term.map(|term| Tag { term: term.to_owned(), ..Tag::default() }));
    for child in element.children(&element.namespace, &element.name) {
        podcast_category(child, tags, known);
    }
}

fn is(element: &Element, namespace: &str, name: &str) -> bool {
    &*element.namespace == namespace && &*element.name == name
}

/// The elements, and those within groups and contents of Media RSS.
fn in_groups(elements: &[Element]) -> impl Iterator<Item = &Element> {
    let inner = elements.iter().filter(|element| &*element.namespace == "media");
    let inner = inner.filter(|element| matches!(&*element.name, "group" | "content"));
    elements.iter().chain(inner.flat_map(|element| {
        let deeper = element.children.iter().filter(|child| is(child, "media", "content"));
        element.children.iter().chain(deeper.flat_map(|content| &content.children))
    }))
}
