//! What polls that find nothing new cost on disk, and that every one of them is still listed.

use feedspine_core::ingest::{Candidate, Coverage, IngestBatch};
use feedspine_core::{
    Content, FeedId, FetchDetail, FetchIntent, FetchStatus, Seq, StateStore, StorageBackend, StorageExt, Timestamp,
};
use feedspine_sqlite::SqliteStore;
use std::num::NonZeroUsize;
use tempfile::TempDir;

use crate::support::{at, fetch_id, items, key, open, snapshot};

const POLLS: u32 = 1_000;

/// One poll as the engine makes it: the intent, the batch, what came of it.
async fn poll(store: &SqliteStore, batch: IngestBatch) {
    let (feed, fetch, started_at) = (batch.feed, batch.fetch, batch.observed_at);
    let address = "https://feeds.example.org/a/rather/long/address.xml".to_owned();
    store.begin_fetch(&FetchIntent { fetch, feed, started_at, address }, None).await.unwrap();
    store.ingest(batch).await.unwrap();
    let detail = FetchDetail {
        status: FetchStatus::Unchanged,
        finished_at: started_at.saturating_add_micros(123_456),
        http_status: Some(304),
        wire_bytes: 431,
        body_bytes: 0,
        duration_ms: 123,
        code: None,
        reason: None,
        notes: Content::empty(),
    };
    store.finish_fetch(fetch, &detail, None).await.unwrap();
}

/// The same items in another order.
fn shuffled(fetch: u32) -> Vec<Candidate> {
    let mut items = items(100, "x");
    items.rotate_left((fetch % 100) as usize);
    (0..).zip(items).map(|(ordinal, item)| Candidate { ordinal, ..item }).collect()
}

#[tokio::test]
async fn a_thousand_polls_that_find_nothing_new_are_all_listed_and_cost_less_than_256_kib() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.db");
    let size = || std::fs::metadata(&path).unwrap().len();
    let store = open(directory.path()).await;
    poll(&store, snapshot(1, 1, items(100, "x"))).await;
    store.close().await.unwrap();
    let before = size();

    let store = open(directory.path()).await;
    let logged = store.changes(&Seq::start(), NonZeroUsize::MAX).await.unwrap().len();
    for fetch in 2..=POLLS {
        let batch = match fetch % 3 {
            0 => IngestBatch {
                coverage: Coverage::Unchanged { of: fetch_id(1, fetch - 1) },
                items: Vec::new(),
                ..snapshot(1, fetch, Vec::new())
            },
            1 => snapshot(1, fetch, items(100, "x")),
            _ => snapshot(1, fetch, shuffled(fetch)),
        };
        poll(&store, batch).await;
    }
    let name = key("item-57");
    let sightings = store.get_sightings(&name).await.unwrap();
    assert_eq!(sightings.len(), POLLS as usize);
    assert!(sightings.is_sorted_by_key(|sighting| sighting.observed_at));
    let seen = store.seen_many(&[name]).await.unwrap()[0].unwrap();
    let figures: (u64, Timestamp, Timestamp) = (seen.count, seen.earliest, seen.latest);
    assert_eq!(figures, (POLLS.into(), at(1), at(POLLS.into())));
    assert_eq!(store.changes(&Seq::start(), NonZeroUsize::MAX).await.unwrap().len(), logged);
    assert_eq!(store.cursor(FeedId::from_u128(1)).await.unwrap(), None);
    store.close().await.unwrap();
    let grown = size() - before;
    assert!(grown < 256 * 1_024, "grown by {grown} bytes");
}
