//! Diagnosing an address: everything is named, nothing is stored.

use crate::origin::{Answer, Origin, rss};
use crate::support::{add, add_with, collect, engine};
use feedspine::core::{FeedName, KeyRule, PageRequest, Selection};
use feedspine::ops::{AdapterChoice, Diagnose, Diagnosis, ItemOutcome};
use feedspine::{Ending, Engine, RequestChoice};

async fn diagnose(engine: &Engine, address: impl Into<String>) -> Diagnosis {
    engine
        .diagnose(&Diagnose {
            address: address.into(),
            allow_private: false,
            adapter: AdapterChoice::default(),
            requests: RequestChoice::default(),
        })
        .await
        .unwrap()
}

#[tokio::test]
async fn a_feed_is_told_from_the_fetch_to_each_item_and_nothing_is_stored() {
    let body = "<rss version=2.0><channel><title>T</title><item><guid>1</guid><title>A & B</title>
        <pubDate>soon</pubDate></item><item><guid>1</guid><title>A & B</title></item><item><title>C</title></item>
        </channel></rss>";
    let origin = Origin::start(move |asked| match asked.path.as_str() {
        "/moved" => Answer::redirect("/feed"),
        _ => Answer::ok(body).with("content-type", "text/xml"),
    })
    .await;
    let engine = engine().await;
    let told = diagnose(&engine, origin.url("/moved")).await;
    let received = told.received.as_ref().unwrap();
    assert_eq!((received.http_status, received.url.clone()), (Some(200), Some(origin.url("/feed"))));
    assert_eq!((received.content_type.as_deref(), received.coding), (Some("text/xml"), "identity"));
    let document = told.document.as_ref().unwrap();
    assert_eq!((document.format, document.title.as_deref(), document.recovered), ("rss", Some("T"), true));
    let codes: Vec<&str> = document.warnings.iter().map(|warning| warning.code).collect();
    assert!(codes.contains(&"date.unreadable") && codes.contains(&"xml.lenient"), "{codes:?}");
    let keys = told.keys.as_ref().unwrap();
    let by_id = keys.evidence.iter().find(|evidence| evidence.rule == KeyRule::Id).unwrap();
    assert_eq!((by_id.keyed, by_id.distinct, keys.settled), (2, 1, false));
    assert_eq!((told.items.len(), told.error.is_none(), told.ending()), (3, true, Ending::Done));
    assert_eq!(engine.storage().count(&Selection::everything()).await.unwrap(), 0);
    assert!(engine.feeds().await.unwrap().items.is_empty());
}

#[tokio::test]
async fn items_of_a_known_feed_are_compared_with_what_is_held() {
    let origin = Origin::start(|asked| match asked.number {
        0 => Answer::ok(rss(&[("1", "One"), ("2", "Two")])),
        _ => Answer::ok(rss(&[("1", "One"), ("2", "Two, edited"), ("3", "Three")])),
    })
    .await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    let told = diagnose(&engine, origin.url("/feed")).await;
    assert_eq!(told.feed.as_ref().map(FeedName::as_str), Some(feed.name.as_str()));
    assert!(told.keys.as_ref().unwrap().settled);
    let outcomes: Vec<ItemOutcome> = told.items.iter().map(|item| item.outcome).collect();
    assert_eq!(outcomes, [ItemOutcome::Unchanged, ItemOutcome::Changed, ItemOutcome::New]);
    let fetches = engine.state().fetches_page(feed.id, &PageRequest::first(10)).await.unwrap();
    assert_eq!(fetches.items.len(), 1);
}

#[tokio::test]
async fn of_items_that_share_a_key_and_differ_the_one_is_told_that_a_collect_stores() {
    // By what the feed showed last, else by dates: never by their order.
    let dated = |day: u32, title: &str| {
        format!("<item><guid>1</guid><title>{title}</title><pubDate>{day} Nov 2026 00:00:00 GMT</pubDate></item>")
    };
    let document = |items: &[String]| format!("<rss version='2.0'><channel>{}</channel></rss>", items.concat());
    let (first, second) = (
        document(&[dated(20, "Old"), dated(21, "New"), dated(21, "New")]),
        document(&[dated(22, "Newest"), dated(21, "New")]),
    );
    let origin = Origin::start(move |asked| Answer::ok(if asked.number < 2 { first.clone() } else { second.clone() }));
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/feed"), "feed", &["key=id"]).await;
    let told = async || {
        let told = diagnose(&engine, origin.url("/feed")).await;
        told.items.iter().map(|item| (item.outcome, item.reject.clone().map(|(code, _)| code))).collect::<Vec<_>>()
    };
    let collision = || (ItemOutcome::Rejected, Some("key.collision".to_owned()));
    assert_eq!(told().await, [collision(), (ItemOutcome::New, None), (ItemOutcome::Repeated, None)]);
    let counts = collect(&engine, &feed).await.counts;
    assert_eq!((counts.new, counts.repeated, counts.rejected), (1, 1, 1));
    assert_eq!(told().await, [collision(), (ItemOutcome::Unchanged, None)]);
    let counts = collect(&engine, &feed).await.counts;
    assert_eq!((counts.unchanged, counts.rejected), (1, 1));
}

#[tokio::test]
async fn what_stands_in_the_way_is_part_of_the_answer() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/page" => Answer::ok("<html><link rel=alternate type=application/rss+xml href=/feed.xml>"),
        "/cut" => Answer::ok("<rss><channel><item><guid>1</guid></item><item>"),
        _ => Answer::status(404),
    })
    .await;
    let engine = engine().await;
    for (address, code, received, page_feeds) in [
        (origin.url("/page"), "feed.not_a_feed", true, 1),
        (origin.url("/cut"), "xml.truncated", true, 0),
        (origin.url("/gone"), "http.status", false, 0),
        ("http://10.0.0.1/".to_owned(), "net.private", false, 0),
    ] {
        let told = diagnose(&engine, address).await;
        assert_eq!(told.error.as_ref().map_or("ok", |error| error.code()), code);
        assert_eq!((told.received.is_some(), told.page_feeds.len()), (received, page_feeds), "{code}");
        assert_eq!(told.ending(), Ending::Failed);
    }
}
