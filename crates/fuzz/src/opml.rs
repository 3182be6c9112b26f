//! Lists of feeds, in whatever state they are.

use feedspine_core::Timestamp;
use feedspine_parse::{Input, Limits, ListedFeed, MOST_FEEDS, Opml, OpmlError, OutlineToWrite, parse_opml, write_opml};

pub(crate) fn run(bytes: &[u8]) {
    let first = read(bytes);
    assert_eq!(first, read(bytes), "the second reading differs from the first");
    let Ok(list) = first else { return };
    assert!(list.feeds.len() <= MOST_FEEDS);
    reads_back(&list);
}

fn read(bytes: &[u8]) -> Result<Opml, OpmlError> {
    parse_opml(&Input { bytes, content_type: None, base: None }, &Limits::default())
}

/// What we write of a list names the same feeds in the same folders.
fn reads_back(list: &Opml) {
    let tagged: Vec<(&ListedFeed, Vec<String>)> = list.feeds.iter().map(|feed| (feed, tags(feed))).collect();
    let outlines: Vec<OutlineToWrite<'_>> =
        tagged.iter().map(|(feed, tags)| OutlineToWrite { title: title(feed), address: &feed.address, tags }).collect();
    let written = write_opml("fuzz", Timestamp::UNIX_EPOCH, &outlines);
    let again = read(written.as_bytes()).expect("what is written is a list");
    assert!(!again.recovered && !again.truncated, "what is written is not well-formed: {written}");
    let sorted = |list: &Opml| {
        let mut feeds: Vec<(String, String, Vec<String>)> =
            list.feeds.iter().map(|feed| (feed.address.clone(), title(feed).to_owned(), tags(feed))).collect();
        feeds.sort();
        feeds
    };
    assert_eq!(sorted(list), sorted(&again), "what is written names other feeds");
}

fn title(feed: &ListedFeed) -> &str {
    feed.title.as_deref().unwrap_or("untitled")
}

/// Paths of folders whose names a tag can hold.
fn tags(feed: &ListedFeed) -> Vec<String> {
    let fits = |name: &String| !name.is_empty() && name.trim() == name && !name.contains(['/', ',']);
    let mut tags: Vec<String> =
        feed.categories.iter().filter(|path| path.iter().all(fits)).map(|path| path.join("/")).collect();
    tags.sort();
    tags.dedup();
    tags
}
