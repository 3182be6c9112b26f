//! The extensions of an item of RSS: what stands in it, and what its place, chapters, pictures and people are taken for.

use feedspine_parse::{Chapter, Item, Place};

use crate::feeds;

/// Vocabularies that mean something to us, under the prefixes that everybody uses.
const NAMESPACES: &str = "xmlns:content='http://purl.org/rss/1.0/modules/content/' \
    xmlns:dc='http://purl.org/dc/elements/1.1/' xmlns:georss='http://www.georss.org/georss' \
    xmlns:gml='http://www.opengis.net/gml' xmlns:geo='http://www.w3.org/2003/01/geo/wgs84_pos#' \
    xmlns:googleplay='http://www.google.com/schemas/play-podcasts/1.0' \
    xmlns:itunes='http://www.itunes.com/dtds/podcast-1.0.dtd' xmlns:media='http://search.yahoo.com/mrss/' \
    xmlns:podcast='https://podcastindex.org/namespace/1.0' xmlns:psc='http://podlove.org/simple-chapters' \
    xmlns:slash='http://purl.org/rss/1.0/modules/slash/' xmlns:thr='http://purl.org/syndication/thread/1.0'";

pub(crate) fn run(bytes: &[u8]) {
    let Ok(inner) = std::str::from_utf8(bytes) else { return };
    let document = format!("<rss version='2.0' {NAMESPACES}><channel><item>{inner}</item></channel></rss>");
    feeds::holds(document.as_bytes());
    let Ok(document) = feeds::read(document.as_bytes()) else { return };
    for item in &document.items {
        let first = Meant::of(item);
        assert_eq!(first, Meant::of(item), "the second look differs from the first");
        first.holds();
    }
}

/// What an item's extensions are taken for.
#[derive(Debug, PartialEq)]
struct Meant<'a> {
    image: Option<&'a str>,
    duration: Option<u64>,
    chapters: Vec<Chapter>,
    place: Option<Place>,
    people: Vec<(Option<&'a str>, Option<&'a str>)>,
}

impl<'a> Meant<'a> {
    fn of(item: &'a Item) -> Self {
        let people = item.authors.iter().chain(&item.contributors);
        Self {
            image: item.image(),
            duration: item.duration_seconds(),
            chapters: item.chapters(),
            place: item.place(),
            people: people.map(feedspine_parse::Person::name_and_email).collect(),
        }
    }

    /// What is there says something.
    fn holds(&self) {
        assert!(self.image.is_none_or(|image| !image.is_empty()), "a picture without an address");
        if let Some(place) = &self.place {
            let geojson = place.to_geojson();
            assert!(geojson.get("type").is_some() && geojson.get("coordinates").is_some(), "no GeoJSON: {geojson}");
        }
    }
}
