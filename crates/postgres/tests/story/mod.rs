//! Documents that tests tell their stories with, all fixed.

use feedspine_core::ingest::{Candidate, CursorStep, IngestBatch, Part};
use feedspine_core::{Content, Coverage, FeedId, FetchId, HashRule, Json, KeyRule, Namespace, NaturalKey, Timestamp};

pub(crate) fn feed() -> FeedId {
    FeedId::from_u128(0xFEED)
}

pub(crate) fn key(text: &str) -> NaturalKey {
    NaturalKey::new(Namespace::new("news").unwrap(), text).unwrap()
}

/// An item with a title.
pub(crate) fn item(name: &str, title: &str) -> Candidate {
    item_of(name, &Json::object([("title", Json::from(title))]).to_canonical())
}

/// An item whose content is that JSON.
pub(crate) fn item_of(name: &str, json: &str) -> Candidate {
    Candidate {
        key: key(name),
        key_rule: KeyRule::Id,
        ordinal: 0,
        content: Content::parse(json).unwrap(),
        published: None,
        updated: None,
    }
}

/// A whole document, an hour after the one before it.
pub(crate) fn snapshot(number: u32, items: Vec<Candidate>) -> IngestBatch {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().unwrap();
    let now = start.saturating_add_micros(i64::from(number) * 3_600_000_000);
    let items = (0..).zip(items).map(|(ordinal, item)| Candidate { ordinal, ..item }).collect();
    IngestBatch {
        feed: feed(),
        fetch: FetchId::from_u128(0xFE7C_0000 + u128::from(number)),
        part: Part::ONLY,
        observed_at: now,
        recorded_at: now,
        coverage: Coverage::Snapshot { complete: true },
        hash_rule: HashRule::whole(),
        items,
        rejects: Vec::new(),
        step: CursorStep::Keep,
    }
}
