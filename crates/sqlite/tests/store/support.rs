//! Short ways to say what the tests say often.

use std::path::Path;

use feedspine_core::ingest::{Candidate, Coverage, CursorStep, IngestBatch, Part};
use feedspine_core::{
    Content, FeedId, FetchId, HashRule, Json, KeyRule, Namespace, NaturalKey, StorageBackend, Timestamp,
};
use feedspine_sqlite::SqliteStore;

pub(crate) fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(1_760_000_000_000_000 + second * 1_000_000).unwrap()
}

pub(crate) fn key(name: &str) -> NaturalKey {
    NaturalKey::new(Namespace::new("news").unwrap(), name).unwrap()
}

pub(crate) fn item(ordinal: u32, name: &str, title: &str) -> Candidate {
    Candidate {
        key: key(name),
        key_rule: KeyRule::Id,
        ordinal,
        content: Content::new(&Json::object([("title", Json::from(title))])),
        published: Some(at(-i64::from(ordinal))),
        updated: None,
    }
}

/// A complete document of that many items, each with that title.
pub(crate) fn items(count: u32, title: &str) -> Vec<Candidate> {
    (0..count).map(|ordinal| item(ordinal, &format!("item-{ordinal}"), title)).collect()
}

/// The `fetch`-th fetch of a feed, which is a complete document of these items.
pub(crate) fn snapshot(feed: u128, fetch: u32, items: Vec<Candidate>) -> IngestBatch {
    IngestBatch {
        feed: FeedId::from_u128(feed),
        fetch: fetch_id(feed, fetch),
        part: Part::ONLY,
        observed_at: at(i64::from(fetch)),
        recorded_at: at(i64::from(fetch)),
        coverage: Coverage::Snapshot { complete: true },
        hash_rule: HashRule::whole(),
        items,
        rejects: Vec::new(),
        step: CursorStep::Keep,
    }
}

pub(crate) fn fetch_id(feed: u128, fetch: u32) -> FetchId {
    FetchId::from_u128(u128::from(fetch) << 64 | feed)
}

/// The store in `store.db` of that directory, open.
pub(crate) async fn open(directory: &Path) -> SqliteStore {
    let store = SqliteStore::new(directory.join("store.db"));
    store.initialize().await.unwrap();
    store
}
