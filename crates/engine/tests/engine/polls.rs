//! A poll that finds nothing new costs one small row, however many items the document holds, and every sighting can be
//! listed all the same: four series of a thousand polls of a feed of a hundred items, on SQLite.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use feedspine::core::{FetchStatus, PageRequest, Seq, StorageBackend};
use feedspine::ops::RecordSightings;
use feedspine::{Engine, Keep, Settings, SimulatedClock, ToJson};
use feedspine_sqlite::SqliteStore;

use crate::origin::{Answer, Asked, Origin, rss, rss_built};
use crate::support::{add, collect, settings, start};

const POLLS: usize = 1_000;
const ITEMS: usize = 100;
/// What the file may grow by over the series, in bytes: for each poll a row of what was observed, which holds all sightings,
/// and one of the fetch, which holds when it asked, and when it is to ask next.
const GROWTH: u64 = 320 * 1024;
/// By how much more where each document is another one, and kept: packed against the first, with a row that names it.
const CAPTURES: u64 = 400 * 1024;

fn items() -> Vec<(String, String)> {
    (0..ITEMS).map(|n| (format!("https://example.org/{n:03}"), format!("Title of item {n}"))).collect()
}

fn document(items: &[(String, String)]) -> String {
    rss(&items.iter().map(|(id, title)| (id.as_str(), title.as_str())).collect::<Vec<_>>())
}

/// What the file holds once the log is written back into it.
async fn size(store: Arc<SqliteStore>, path: &Path) -> u64 {
    store.close().await.unwrap();
    std::fs::metadata(path).unwrap().len()
}

async fn series(
    script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    status: FetchStatus,
    (keep, growth): (Keep, u64),
) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("series.db");
    let open = || Arc::new(SqliteStore::new(&path));
    let clock = Arc::new(SimulatedClock::at(start()));
    let settings = Settings { clock: clock.clone(), keep, ..settings() };
    let origin = Origin::start(script).await;

    let store = open();
    let engine = Engine::open(store.clone(), store.clone(), settings.clone()).await.unwrap();
    let feed = add(&engine, origin.url("/feed.xml")).await;
    assert_eq!(collect(&engine, &feed).await.counts.new, ITEMS as u64);
    let before = size(store, &path).await;

    let store = open();
    let engine = Engine::open(store.clone(), store.clone(), settings.clone()).await.unwrap();
    for _ in 1..POLLS {
        clock.advance(Duration::from_mins(15));
        let report = collect(&engine, &feed).await;
        assert_eq!((report.outcome, report.counts.unchanged), (status, ITEMS as u64), "{report:?}");
    }
    let after = size(store, &path).await;
    assert!(after - before < growth, "grew by {} bytes", after - before);

    let store = open();
    let engine = Engine::open(store.clone(), store, settings).await.unwrap();
    for (id, _) in items() {
        let limit = NonZeroUsize::new(2 * POLLS).unwrap();
        let sightings = engine.sightings(&RecordSightings { record: id, limit, cursor: None }).await.unwrap();
        assert_eq!(sightings.seen.unwrap().count, POLLS as u64);
        assert_eq!(sightings.sightings.items.len(), POLLS, "{}", sightings.to_json());
        let times = sightings.sightings.items.iter().map(|view| view.sighting.observed_at);
        assert!(times.is_sorted_by(|a, b| a < b));
    }
    let changes = engine.storage().changes(&Seq::start(), PageRequest::first(1_000).limit).await.unwrap();
    assert_eq!(changes.len(), ITEMS, "nothing is logged but the first capture of each item");
}

#[tokio::test]
async fn a_thousand_304s() {
    let document = document(&items());
    let script = move |asked: &Asked| match asked.header("if-none-match") {
        Some("\"v1\"") => Answer::status(304),
        _ => Answer::ok(document.clone()).with("etag", "\"v1\""),
    };
    series(script, FetchStatus::Unchanged, (Keep::All, GROWTH)).await;
}

#[tokio::test]
async fn a_thousand_times_the_same_bytes() {
    let document = document(&items());
    series(move |_| Answer::ok(document.clone()), FetchStatus::Unchanged, (Keep::All, GROWTH)).await;
}

/// Documents that differ in their build date only.
fn dated() -> impl Fn(&Asked) -> Answer + Send + Sync + 'static {
    let items = items();
    move |asked: &Asked| {
        let listed: Vec<(&str, &str)> = items.iter().map(|(id, title)| (id.as_str(), title.as_str())).collect();
        let date = start().saturating_add_micros(60_000_000 * i64::try_from(asked.number).unwrap());
        Answer::ok(rss_built(&date.to_string(), &listed))
    }
}

#[tokio::test]
async fn a_thousand_documents_that_differ_in_their_build_date_only() {
    series(dated(), FetchStatus::Captured, (Keep::Nothing, GROWTH)).await;
}

#[tokio::test]
async fn a_thousand_such_documents_that_are_all_kept() {
    series(dated(), FetchStatus::Captured, (Keep::All, GROWTH + CAPTURES)).await;
}

#[tokio::test]
async fn a_thousand_documents_that_list_the_items_in_another_order() {
    let items = items();
    let whole = document(&items);
    let (head, rest) = whole.split_once("<item>").unwrap();
    let (rest, tail) = rest.rsplit_once("</item>").unwrap();
    let (head, tail) = (head.to_owned(), tail.to_owned());
    let parts: Vec<String> = rest.split("</item><item>").map(|item| format!("<item>{item}</item>")).collect();
    let script = move |asked: &Asked| {
        let mut shuffled = parts.clone();
        // Any step that has no divisor in common with the length visits every place.
        let step = [1, 3, 7, 9, 11, 13, 17, 19, 21, 23][asked.number % 10];
        for (place, part) in shuffled.iter_mut().enumerate() {
            part.clone_from(&parts[(place * step + asked.number) % ITEMS]);
        }
        Answer::ok(format!("{head}{}{tail}", shuffled.concat()))
    };
    series(script, FetchStatus::Captured, (Keep::Nothing, GROWTH)).await;
}
