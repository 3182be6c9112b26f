//! Batches and stores for these tests.

use std::num::NonZeroUsize;
use std::path::Path;

use feedspine_core::{
    AskSql, Candidate, Content, Coverage, CursorStep, FeedId, FetchId, HashRule, IngestBatch, Json, KeyRule, Namespace,
    NaturalKey, Part, Result, StorageBackend, Timestamp,
};
use feedspine_duckdb::DuckDbStore;

pub(crate) fn key(text: &str) -> NaturalKey {
    Namespace::new("news").and_then(|namespace| NaturalKey::new(namespace, text)).expect("a natural key")
}

pub(crate) fn at(second: u32) -> Timestamp {
    Timestamp::from_micros(i64::from(second) * 1_000_000).expect("an instant")
}

pub(crate) fn item(ordinal: u32, key_text: &str, title: &str) -> Candidate {
    Candidate {
        key: key(key_text),
        key_rule: KeyRule::Id,
        ordinal,
        content: Content::new(&Json::object([("title", Json::from(title))])),
        published: Some(at(1_000_000 - ordinal)),
        updated: None,
    }
}

/// Fetch `number` of a feed: a whole document.
pub(crate) fn snapshot(number: u32, items: Vec<Candidate>) -> IngestBatch {
    IngestBatch {
        feed: FeedId::from_u128(1),
        fetch: FetchId::from_u128(number.into()),
        part: Part::ONLY,
        observed_at: at(2_000_000 + number),
        recorded_at: at(2_000_000 + number),
        coverage: Coverage::Snapshot { complete: true },
        hash_rule: HashRule::whole(),
        items,
        rejects: Vec::new(),
        step: CursorStep::Keep,
    }
}

pub(crate) async fn open(path: &Path) -> Result<DuckDbStore> {
    let store = DuckDbStore::new(path);
    store.initialize().await.map(|()| store)
}

/// The rows that a question is answered, each as the canonical text of a list.
pub(crate) async fn asked(store: &DuckDbStore, sql: &str) -> Vec<String> {
    let answer = store.ask_sql(sql, NonZeroUsize::MAX).await.expect(sql);
    answer.rows.into_iter().map(|row| Json::Array(row).to_canonical()).collect()
}
