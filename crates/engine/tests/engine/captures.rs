//! What is kept of the bytes that fetches brought: for how long, and that damage to it is found.

use std::num::NonZeroU32;
use std::sync::Arc;
use std::time::Duration;

use crate::origin::{Answer, Origin, rss};
use crate::support::{add, collect, settings, start};
use feedspine::core::{
    Capture, CaptureName, ContentHash, FetchId, MemoryStore, PackedBody, Packing, StateStore, Timestamp,
};
use feedspine::ops::{CaptureOf, DryRun, ListCaptures, PruneCaptures, StoreCare};
use feedspine::{Engine, Keep, Settings, SimulatedClock};

/// Answers that differ in their newest item.
async fn origin() -> Origin {
    Origin::start(|asked| Answer::ok(rss(&[(&format!("new {}", asked.number), "One"), ("old", "Two")]))).await
}

fn days(days: u32) -> NonZeroU32 {
    NonZeroU32::new(days).unwrap()
}

#[tokio::test]
async fn what_is_older_than_is_kept_is_forgotten_and_what_is_not_can_be_read() {
    let clock = Arc::new(SimulatedClock::at(start()));
    let settings = Settings { clock: clock.clone(), keep: Keep::Days(days(3)), ..settings() };
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::open(store.clone(), store, settings).await.unwrap();
    let origin = origin().await;
    let feed = add(&engine, origin.url("/feed.xml")).await;
    for _ in 0..6 {
        collect(&engine, &feed).await;
        clock.advance(Duration::from_hours(24));
    }
    let kept = async || engine.captures(&ListCaptures { feed: feed.name.clone(), limit: 9 }).await.unwrap().captures;
    let before = kept().await;
    assert_eq!(before.len(), 6);

    let told =
        engine.prune_captures(&PruneCaptures { dry_run: DryRun::Yes, ..PruneCaptures::default() }).await.unwrap();
    assert_eq!((told.forgotten.captures, kept().await.len()), (3, 6));
    let went = engine.prune_captures(&PruneCaptures::default()).await.unwrap();
    assert_eq!((went.forgotten.captures, went.feeds), (3, vec![(feed.name.clone(), 3)]));
    assert_eq!(kept().await, before[..3]);
    for held in kept().await {
        let wanted = CaptureOf { feed: feed.name.clone(), fetch: held.capture.name.fetch, first_ordinal: None };
        let bytes = engine.capture_bytes(&wanted).await.unwrap();
        assert_eq!(ContentHash::of(&bytes), held.capture.body);
    }

    let older = PruneCaptures { older_than: Some(days(1)), ..PruneCaptures::default() };
    assert_eq!(engine.prune_captures(&older).await.unwrap().forgotten.captures, 2);
    assert_eq!(engine.prune_captures(&older).await.unwrap().forgotten.captures, 0);
}

#[tokio::test]
async fn of_a_fetch_with_several_bodies_one_is_named() {
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::open(store.clone(), store, settings()).await.unwrap();
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/2" => Answer::ok(r#"{"items": [{"id": 3}]}"#),
        _ => Answer::ok(r#"{"items": [{"id": 1}, {"id": 2}], "next": "/2"}"#),
    })
    .await;
    let options = ["key=id", "items=items", "next=next"];
    let feed = crate::support::add_with(&engine, origin.url("/1"), "json", &options).await;
    let fetch = collect(&engine, &feed).await.fetch.unwrap();
    let wanted = |first_ordinal| CaptureOf { feed: feed.name.clone(), fetch, first_ordinal };
    let error = engine.capture_bytes(&wanted(None)).await.unwrap_err();
    assert_eq!(
        (error.code(), error.hint()),
        ("captures.several", Some("name one by its first item, such as --item 0"))
    );
    assert_eq!(engine.capture_bytes(&wanted(Some(2))).await.unwrap(), br#"{"items": [{"id": 3}]}"#);
    assert_eq!(engine.capture_bytes(&wanted(Some(1))).await.unwrap_err().code(), "captures.not_kept");
}

#[tokio::test]
async fn a_verification_finds_a_body_that_is_not_what_it_was() {
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::open(store.clone(), store.clone(), settings()).await.unwrap();
    let origin = origin().await;
    let feed = add(&engine, origin.url("/feed.xml")).await;
    collect(&engine, &feed).await;
    let care = StoreCare::new(store.clone(), store.clone());
    assert_eq!(care.verify().await.unwrap().faults, Vec::<String>::new());

    let hash = ContentHash::of(b"what was received");
    let body = PackedBody { hash, length: 4, packing: Packing::Plain, packed: b"else".to_vec() };
    let capture = Capture {
        name: CaptureName { feed: feed.id, fetch: FetchId::from_u128(7), first_ordinal: 0 },
        last_ordinal: 0,
        observed_at: Timestamp::UNIX_EPOCH,
        url: None,
        content_type: None,
        http_status: None,
        headers: Vec::new(),
        body: hash,
    };
    store.captures().unwrap().keep(capture, body).await.unwrap();
    let faults = care.verify().await.unwrap().faults;
    assert!(faults.len() == 1 && faults[0].contains(&format!("the body {hash} is damaged")), "{faults:?}");
}
