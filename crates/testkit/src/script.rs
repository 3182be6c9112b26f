//! The words that checks tell their stories in: instants, ids, items and documents, all fixed.

use feedspine_core::{
    Candidate, Content, Coverage, CursorStep, FeedId, FetchId, HashRule, IngestBatch, Json, KeyRule, Layer, Namespace,
    NaturalKey, Part, RecordId, RecordWrite, Reject, Sighting, Timestamp,
};

/// More than any check but those of paging stores: one page holds it.
pub(crate) const PAGE: usize = 1_000;

/// 2026-01-01T00:00:00Z and so many seconds.
pub(crate) fn at(second: i64) -> Timestamp {
    let start: Timestamp = "2026-01-01T00:00:00Z".parse().expect("a date");
    start.saturating_add_micros(second * 1_000_000)
}

pub(crate) const fn feed(number: u128) -> FeedId {
    FeedId::from_u128(0xFEED_0000 + number)
}

pub(crate) const fn fetch(number: u128) -> FetchId {
    FetchId::from_u128(0xFE7C_0000 + number)
}

pub(crate) const fn record_id(number: u128) -> RecordId {
    RecordId::from_u128(0x4EC0_0000 + number)
}

/// A key of the namespace that all stories share.
pub(crate) fn key(text: &str) -> NaturalKey {
    key_in("news", text)
}

pub(crate) fn key_in(namespace: &str, text: &str) -> NaturalKey {
    let namespace = Namespace::new(namespace).expect("a namespace");
    NaturalKey::new(namespace, text).expect("a natural key")
}

/// `{"title": title}`
pub(crate) fn titled(title: &str) -> Content {
    Content::new(&Json::object([("title", Json::from(title))]))
}

/// JSON written in the kit.
pub(crate) fn content(text: &str) -> Content {
    Content::parse(text).expect("the kit's own JSON is JSON")
}

/// An item without dates.
pub(crate) fn item(name: &str, title: &str) -> Candidate {
    Candidate {
        key: key(name),
        key_rule: KeyRule::Id,
        ordinal: 0,
        content: titled(title),
        published: None,
        updated: None,
    }
}

/// An item published that many seconds into 2026.
pub(crate) fn dated(name: &str, title: &str, published: i64) -> Candidate {
    Candidate { published: Some(at(published)), ..item(name, title) }
}

/// An item whose content is that JSON.
pub(crate) fn item_of(name: &str, json: &str) -> Candidate {
    Candidate { content: content(json), ..item(name, "") }
}

/// Fetch `number` of feed 1, an hour after the one before it: a whole document, items numbered in their order.
pub(crate) fn snapshot(number: u32, items: Vec<Candidate>) -> IngestBatch {
    let now = observed(number);
    IngestBatch {
        feed: feed(1),
        fetch: fetch(number.into()),
        part: Part::ONLY,
        observed_at: now,
        recorded_at: now.saturating_add_micros(250_000),
        coverage: Coverage::Snapshot { complete: true },
        hash_rule: HashRule::whole(),
        items: numbered(0, items),
        rejects: Vec::new(),
        step: CursorStep::Keep,
    }
}

/// Fetch `number` of feed 1, which saw these items and says nothing of others.
pub(crate) fn delta(number: u32, items: Vec<Candidate>) -> IngestBatch {
    IngestBatch { coverage: Coverage::Delta, ..snapshot(number, items) }
}

/// Fetch `number` of feed 1, which found what fetch `of` found.
pub(crate) fn unchanged(number: u32, of: u32) -> IngestBatch {
    IngestBatch { coverage: Coverage::Unchanged { of: fetch(of.into()) }, ..snapshot(number, Vec::new()) }
}

/// When fetch `number` reads its feed.
pub(crate) fn observed(number: u32) -> Timestamp {
    at(1_000_000 + 3_600 * i64::from(number))
}

/// The batch as part `index` of its fetch, its items numbered from `first`.
pub(crate) fn part(index: u32, last: bool, first: u32, batch: IngestBatch) -> IngestBatch {
    IngestBatch { part: Part { index, last }, items: numbered(first, batch.items), ..batch }
}

pub(crate) fn numbered(first: u32, items: Vec<Candidate>) -> Vec<Candidate> {
    (first..).zip(items).map(|(ordinal, item)| Candidate { ordinal, ..item }).collect()
}

/// The batch with a compare-and-set of the cursor from `expected` to `{"etag": etag}`.
pub(crate) fn advancing(expected: u64, etag: &str, batch: IngestBatch) -> IngestBatch {
    let next = Json::object([("etag", Json::from(etag))]);
    IngestBatch { step: CursorStep::Advance { expected, next }, ..batch }
}

/// A reject, with a key when it had one.
pub(crate) fn reject(ordinal: u32, name: Option<&str>) -> Reject {
    Reject {
        ordinal,
        key: name.map(key),
        code: if name.is_some() { "field.too_long" } else { "key.missing" }.to_owned(),
        reason: "told by the kit".to_owned(),
        excerpt: "<item>\u{1F5DE}".to_owned(),
    }
}

/// A write by a call: that record, key and title at bronze.
pub(crate) fn write(id: u128, name: &str, title: &str) -> RecordWrite {
    RecordWrite {
        id: record_id(id),
        key: key(name),
        layer: Layer::Bronze,
        content: titled(title),
        metadata: Content::empty(),
        published: None,
        updated: None,
        recorded_at: at(500),
        derived_from: None,
    }
}

/// A sighting told by a call.
pub(crate) fn told(name: &str, feed_number: u128, fetch_number: u128, second: i64) -> Sighting {
    Sighting {
        key: key(name),
        feed: feed(feed_number),
        fetch: fetch(fetch_number),
        observed_at: at(second),
        version: None,
    }
}
