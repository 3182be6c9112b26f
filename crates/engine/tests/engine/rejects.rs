//! The quarantine, asked by feed and by code.

use std::num::NonZeroUsize;

use crate::origin::{Answer, Origin, rss};
use crate::support::{collect_all, engine, name};
use feedspine::ops::{AddFeed, ListRejects};
use feedspine::{Ending, Engine};

fn asked(feed: Option<&str>, code: Option<&str>, limit: usize) -> ListRejects {
    ListRejects { feed: feed.map(name), code: code.map(str::to_owned), limit: NonZeroUsize::new(limit).unwrap() }
}

/// `feed ordinal code` of each.
async fn told(engine: &Engine, request: &ListRejects) -> Vec<String> {
    let list = engine.rejects(request).await.unwrap();
    let one = |reject: &feedspine::ops::FeedReject| {
        format!("{} {} {}", reject.feed, reject.quarantined.reject.ordinal, reject.quarantined.reject.code)
    };
    list.items.iter().map(one).collect()
}

#[tokio::test]
async fn rejects_are_listed_newest_first_by_feed_and_by_code() {
    let (long_key, long_title) = ("k".repeat(3_000), "t".repeat(70_000));
    let a = rss(&[("1", "One"), (&long_key, "Two"), ("3", &long_title)]);
    let b = rss(&[(&long_key, "One")]);
    let origin = Origin::start(move |asked| Answer::ok(if asked.path == "/a" { a.clone() } else { b.clone() })).await;
    let engine = engine().await;
    for path in ["/a", "/b"] {
        engine.add(AddFeed { name: Some(name(&path[1..])), ..AddFeed::new(origin.url(path)) }).await.unwrap();
    }
    collect_all(&engine).await;
    assert_eq!(told(&engine, &asked(None, None, 9)).await.len(), 3);
    let of_a = ["a 2 field.too_long", "a 1 key.too_long"];
    assert_eq!(told(&engine, &asked(Some("a"), None, 9)).await, of_a);
    assert_eq!(told(&engine, &asked(Some("a"), None, 1)).await, of_a[..1]);
    assert_eq!(engine.rejects(&asked(Some("a"), None, 1)).await.unwrap().total, 2);
    for code in ["key", "key.too_long"] {
        assert_eq!(told(&engine, &asked(Some("a"), Some(code), 9)).await, of_a[1..], "{code}");
    }
    assert!(told(&engine, &asked(None, Some("ke"), 9)).await.is_empty());
    let error = engine.rejects(&asked(Some("none"), None, 9)).await.unwrap_err();
    assert_eq!(error.kind().ending(), Ending::NotFound);
}
