//! Lists of feeds and tags: taken in, given out, and what is refused.

use crate::support::{add, engine, name};
use feedspine::core::Feed;
use feedspine::ops::{EntryOutcome, ImportOpml, OpmlImport};
use feedspine::{Ending, Engine, FeedSettings, OpError, Tag};

fn tag(text: &str) -> Tag {
    text.parse().unwrap()
}

fn tags(feed: &Feed) -> Vec<String> {
    FeedSettings::of(feed).tags().iter().map(Tag::to_string).collect()
}

async fn import(engine: &Engine, list: &str) -> Result<OpmlImport, OpError> {
    let bytes = list.as_bytes().to_vec();
    engine.import_opml(ImportOpml { bytes, name: "a.opml".into(), tags: Vec::new(), allow_private: false }).await
}

async fn tags_by_name(engine: &Engine) -> Vec<(String, Vec<String>)> {
    let feeds = engine.feeds().await.unwrap().items;
    feeds.iter().map(|feed| (feed.name.to_string(), tags(feed))).collect()
}

#[tokio::test]
async fn feeds_are_tagged_untagged_and_found_by_their_tags() {
    let engine = engine().await;
    let feed = add(&engine, "https://example.org/a").await;
    add(&engine, "https://example.net/b").await;
    let tagged = engine.retag(&feed.name, &[tag("news/world"), tag("x")], &[]).await.unwrap();
    assert_eq!(tags(&tagged), ["news/world", "x"]);
    let found = engine.feeds_tagged(&tag("news")).await.unwrap().items;
    assert_eq!(found.iter().map(|feed| feed.name.as_str()).collect::<Vec<_>>(), ["example.org"]);
    assert!(engine.feeds_tagged(&tag("world")).await.unwrap().items.is_empty());
    let less = engine.retag(&feed.name, &[tag("x")], &[tag("news/world"), tag("none")]).await.unwrap();
    assert_eq!(tags(&less), ["x"]);
    assert_eq!(engine.retag(&name("none"), &[], &[]).await.unwrap_err().kind().ending(), Ending::NotFound);
}

#[tokio::test]
async fn folders_become_tags_and_a_feed_that_is_there_gets_them_too() {
    let engine = engine().await;
    add(&engine, "https://example.org/a").await;
    let list = "<opml><head><title>Mine</title></head><body><outline text='News'><outline text='World'>
         <outline text='My  blog' xmlUrl='https://b.example/f'/><outline xmlUrl='https://EXAMPLE.org/a#x'/></outline>
         </outline><outline text='My blog' xmlUrl='https://c.example/f' category='x,/y/z'/>
         <outline type='include' url='https://c.example/more.opml'/></body></opml>";
    let imported = import(&engine, list).await.unwrap();
    assert_eq!(imported.title.as_deref(), Some("Mine"));
    assert_eq!((imported.count(EntryOutcome::Added), imported.count(EntryOutcome::Already)), (2, 1));
    assert_eq!((imported.lists.len(), imported.ending()), (1, Ending::Done));
    let right = [
        ("My-blog".to_owned(), vec!["News/World".to_owned()]),
        ("My-blog-2".to_owned(), vec!["x".to_owned(), "y/z".to_owned()]),
        ("example.org".to_owned(), vec!["News/World".to_owned()]),
    ];
    assert_eq!(tags_by_name(&engine).await, right);
    let again = import(&engine, list).await.unwrap();
    assert_eq!(again.count(EntryOutcome::Already), 3);
    assert_eq!(tags_by_name(&engine).await, right);
}

#[tokio::test]
async fn what_may_not_be_fetched_is_refused_entry_by_entry_and_one_feed_is_added_once() {
    let engine = engine().await;
    let addresses =
        ["file:///etc/passwd", "http://10.0.0.1/", "|~/fetch.py", "http://u:p@d.example/", "http://x.example/a"];
    let repeats = ["HTTP://X.example/a", "http://x.example:80/a#f", "http://10.0.0.1/#"];
    let outline = |address: &&str| format!("<outline xmlUrl='{address}'/>");
    let outlines: String = addresses.iter().chain(&repeats).map(outline).collect();
    let imported = import(&engine, &format!("<opml><body>{outlines}</body></opml>")).await.unwrap();
    let told: Vec<_> = imported
        .entries
        .iter()
        .map(|entry| (entry.outcome.as_str(), entry.error.as_ref().map_or("", OpError::code)))
        .collect();
    assert_eq!(
        told,
        [
            ("refused", "address.scheme"),
            ("refused", "net.private"),
            ("refused", "net.private"),
            ("refused", "address.scheme"),
            ("refused", "address.credentials"),
            ("added", ""),
            ("repeated", ""),
            ("repeated", ""),
        ]
    );
    assert_eq!(imported.ending(), Ending::SomeFeedsFailed);
    let shown: Vec<&str> = imported.entries.iter().map(|entry| entry.address.as_str()).collect();
    assert!(shown.contains(&"http://***@d.example/"), "{shown:?}");
    assert_eq!(engine.feeds().await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn what_is_no_list_adds_nothing_and_says_so() {
    let engine = engine().await;
    let many: Vec<String> = (0..5_001).map(|at| format!("<outline xmlUrl='http://v.example/?{at}'/>")).collect();
    for (list, code) in [
        ("<rss version='2.0'/>".to_owned(), "opml.not_a_list"),
        (format!("<opml><body>{}</body></opml>", many.concat()), "opml.too_many"),
    ] {
        let error = import(&engine, &list).await.unwrap_err();
        assert_eq!((error.code(), error.hint().is_some()), (code, true), "{error}");
    }
    assert!(engine.feeds().await.unwrap().items.is_empty());
}

#[tokio::test]
async fn an_exported_list_brings_the_same_feeds_and_tags_elsewhere() {
    let here = engine().await;
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("local.xml");
    std::fs::write(&file, "<rss/>").unwrap();
    add(&here, file.display().to_string()).await;
    for (address, held) in
        [("https://a.example/?a=1&b=2", &["News/World", "x, y", "z"][..]), ("https://b.example/", &[])]
    {
        let feed = add(&here, address).await;
        let held: Vec<Tag> = held.iter().map(|text| tag(text)).collect();
        here.retag(&feed.name, &held, &[]).await.unwrap();
    }
    let exported = here.export_opml(None).await.unwrap();
    assert_eq!((exported.feeds, exported.left_out.len()), (2, 1));
    let there = engine().await;
    import(&there, &exported.text).await.unwrap();
    let sorted = |mut all: Vec<(String, Vec<String>)>| {
        for (_, tags) in &mut all {
            tags.sort();
        }
        all
    };
    let mut right = tags_by_name(&here).await;
    right.retain(|(name, _)| name != "local");
    assert_eq!(sorted(tags_by_name(&there).await), sorted(right));
    assert_eq!(here.export_opml(Some(&tag("News"))).await.unwrap().feeds, 1);
}
