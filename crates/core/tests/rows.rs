//! The rows of an export: as text and back, and what the verifier says of rows that cannot be.

#![expect(clippy::unwrap_used, reason = "a test that cannot tell its story fails")]

use std::collections::BTreeMap;

use feedspine_core::ingest::Standing;
use feedspine_core::transfer::{Row, StandingRow, Transfer, Verifier};
use feedspine_core::{
    Candidate, ChangeKind, Content, ContentHash, Coverage, CursorStep, Event, FeedId, FetchId, HashRule, IngestBatch,
    Json, JsonPath, KeyRule, Layer, MemoryStore, Namespace, NaturalKey, Part, RecordId, RecordName, RecordRef, Reject,
    Round, Sighting, StorageBackend, Timestamp, VersionNo,
};

const FEED: FeedId = FeedId::from_u128(1);

fn key(name: &str) -> NaturalKey {
    NaturalKey::new(Namespace::new("news").unwrap(), name).unwrap()
}

fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

fn batch(number: u32, coverage: Coverage, items: &[(&str, &str, i64)]) -> IngestBatch {
    let item = |(ordinal, (name, title, published)): (u32, &(&str, &str, i64))| Candidate {
        key: key(name),
        key_rule: KeyRule::Id,
        ordinal,
        content: Content::new(&Json::object([("title", Json::from(*title)), ("views", Json::from(u64::from(number)))])),
        published: Some(at(*published)),
        updated: None,
    };
    IngestBatch {
        feed: FEED,
        fetch: FetchId::from_u128(number.into()),
        part: Part::ONLY,
        observed_at: at(number.into()),
        recorded_at: at(number.into()),
        coverage,
        hash_rule: HashRule::without(vec![JsonPath::of(["views"])]),
        items: (0..).zip(items).map(item).collect(),
        rejects: Vec::new(),
        step: CursorStep::Advance { expected: u64::from(number) - 1, next: Json::object([("etag", Json::from("x"))]) },
    }
}

/// A store in which every kind of row is there.
async fn story() -> Vec<Row> {
    let store = MemoryStore::new();
    store.initialize().await.unwrap();
    let whole = Coverage::Snapshot { complete: true };
    store.ingest(batch(1, whole, &[("a", "x", 30), ("b", "x", 20), ("c", "x", 10)])).await.unwrap();
    let mut second = batch(2, whole, &[("a", "y", 30), ("c", "x", 10)]);
    let reject = Reject { ordinal: 2, key: None, code: "x".into(), reason: "NUL \0".into(), excerpt: "<item".into() };
    second.rejects.push(reject);
    store.ingest(second).await.unwrap();
    let unchanged = Coverage::Unchanged { of: FetchId::from_u128(2) };
    store.ingest(batch(3, unchanged, &[])).await.unwrap();
    let mut fourth = batch(4, Coverage::Delta, &[("d", "x", 40)]);
    let (ordinal, key_of_it) = (1, Some(key("f")));
    fourth.rejects.push(Reject { ordinal, key: key_of_it, code: "x".into(), reason: "x".into(), excerpt: "x".into() });
    store.ingest(fourth).await.unwrap();
    let told = Sighting { key: key("e"), feed: FEED, fetch: FetchId::from_u128(9), observed_at: at(9), version: None };
    store.observe_many(vec![told]).await.unwrap();
    exported(&store).await
}

async fn exported(store: &MemoryStore) -> Vec<Row> {
    let mut export = store.export().await.unwrap();
    let mut all = Vec::new();
    loop {
        let some = export.next().await.unwrap();
        if some.is_empty() {
            return all;
        }
        all.extend(some);
    }
}

fn faults(rows: &[Row]) -> Vec<String> {
    let mut verifier = Verifier::new();
    for row in rows {
        verifier.take(row);
    }
    verifier.finish()
}

fn kind(row: &Row) -> &'static str {
    match row {
        Row::Feed(_) => "feed",
        Row::Observation(_) => "observation",
        Row::Reject(_) => "reject",
        Row::Record(_) => "record",
        Row::Version(_) => "version",
        Row::Span(_) => "span",
        Row::Point(_) => "point",
        Row::Standing(_) => "standing",
        Row::Told(_) => "told",
        Row::Event(_) => "event",
    }
}

#[tokio::test]
async fn the_story_has_every_kind_of_row_and_no_fault() {
    let all = story().await;
    let mut kinds: BTreeMap<&str, usize> = BTreeMap::new();
    for row in &all {
        *kinds.entry(kind(row)).or_default() += 1;
    }
    assert_eq!(kinds.len(), 10, "{kinds:?}");
    assert_eq!(faults(&all), Vec::<String>::new());
}

#[cfg(feature = "serde")]
#[tokio::test]
async fn every_row_reads_back_from_its_text() {
    for row in story().await {
        let text = serde_json::to_string(&row).unwrap();
        assert!(text.starts_with(&format!(r#"{{"row":"{}""#, kind(&row))), "{text}");
        assert_eq!(serde_json::from_str::<Row>(&text).unwrap(), row, "{text}");
    }
}

#[tokio::test]
async fn a_row_that_is_missing_leaves_a_trace_where_others_stand_on_it() {
    let all = story().await;
    for (at, row) in all.iter().enumerate() {
        let mut rest = all.clone();
        rest.remove(at);
        // What was told stands alone.
        let alone = matches!(row, Row::Told(_));
        assert_eq!(faults(&rest).is_empty(), alone, "without {row:?}");
    }
}

#[tokio::test]
async fn rows_out_of_order_or_there_twice_are_found() {
    let all = story().await;
    for at in 1..all.len() {
        let (before, here) = (kind(&all[at - 1]), kind(&all[at]));
        let mut swapped = all.clone();
        swapped.swap(at - 1, at);
        // The order of a log only the store knows; that of the ledger shows in its rounds.
        if before != here || !matches!(here, "event" | "reject" | "observation") {
            assert!(!faults(&swapped).is_empty(), "{before} and {here} swapped");
        }
        let mut twice = all.clone();
        twice.insert(at, all[at].clone());
        assert!(!faults(&twice).is_empty(), "{here} twice");
    }
}

#[tokio::test]
async fn what_was_altered_is_named() {
    let all = story().await;
    let altered = |alter: &dyn Fn(&mut Row)| {
        let mut rows = all.clone();
        rows.iter_mut().for_each(alter);
        faults(&rows).join("\n")
    };
    let other_text = altered(&|row| {
        if let Row::Version(stored) = row {
            let content = &mut stored.version.content;
            *content = Content::from_stored(content.as_str().replace('x', "z"), content.hash());
        }
    });
    assert!(
        other_text.contains("bronze version 1 of record") && other_text.contains("but was stored with"),
        "{other_text}"
    );
    let other_hash = altered(&|row| {
        if let Row::Version(stored) = row {
            stored.hash = ContentHash::of(b"");
        }
    });
    assert!(other_hash.contains("the hash that decides"), "{other_hash}");
    let gap = altered(&|row| {
        if let Row::Version(stored) = row {
            stored.version.number = stored.version.number.next();
        }
    });
    assert!(gap.contains("version 1 is missing"), "{gap}");
    let broken = altered(&|row| {
        if let Row::Version(stored) = row {
            stored.version.content = Content::from_stored("{", stored.version.content.hash());
        }
    });
    assert!(broken.contains("not JSON that we keep"), "{broken}");
    let future = altered(&|row| {
        if let Row::Span(span) = row {
            span.until = Round::new(99).unwrap();
        }
    });
    assert!(future.contains("the feed never had round 99"), "{future}");
    let miscounted = altered(&|row| {
        if let Row::Observation(row) = row {
            row.ledger.observation.counts.new += 1;
        }
    });
    assert!(miscounted.contains("seen is not new + changed"), "{miscounted}");
    let resized = altered(&|row| {
        if let Row::Feed(feed) = row {
            feed.state.manifest.as_mut().unwrap().size = 7;
        }
    });
    assert!(resized.contains("the size of the manifest is 7, but there are 2"), "{resized}");
    let elsewhere = altered(&|row| {
        if let Row::Point(point) = row {
            point.fetch = FetchId::from_u128(77);
        }
    });
    assert!(elsewhere.contains("is no observation of that feed"), "{elsewhere}");
}

/// Tells whether exactly those rows that `alter` takes for its own are told by those words.
fn assert_told(all: &[Row], words: &str, alter: impl Fn(&mut Row) -> bool) {
    let mut altered = 0;
    for at in 0..all.len() {
        let mut rows = all.to_vec();
        if alter(&mut rows[at]) {
            altered += 1;
            let found = faults(&rows);
            assert!(found.iter().any(|fault| fault.contains(words)), "{words}: {:?}: {found:?}", rows[at]);
        }
    }
    assert!(altered > 0, "no row is altered for {words}");
}

#[tokio::test]
async fn what_rows_say_of_one_another_is_compared() {
    let all = story().await;
    let other = ContentHash::of(b"other");
    assert_told(&all, "it shows version", |row| {
        let Row::Standing(row) = row else { return false };
        let Standing::Open(present) = &mut row.standing else { return false };
        present.shown.hash = other;
        true
    });
    assert_told(&all, "it shows version", |row| {
        let Row::Point(point) = row else { return false };
        point.shown.hash = other;
        true
    });
    assert_told(&all, "its revision is 7, that of its ledger 4", |row| {
        let Row::Feed(feed) = row else { return false };
        feed.state.revision = 7;
        true
    });
    assert_told(&all, "its manifest was told by", |row| {
        let Row::Feed(feed) = row else { return false };
        feed.state.manifest.as_mut().unwrap().told_in = Round::FIRST;
        true
    });
    assert_told(&all, "it counts 1 rejects, but the quarantine has 0", |row| {
        let Row::Reject(reject) = row else { return false };
        reject.quarantined.fetch = FetchId::from_u128(1);
        true
    });
    assert_told(&all, "it counts 1 rejects with a key, but the quarantine has 0", |row| {
        let Row::Reject(reject) = row else { return false };
        reject.quarantined.reject.key.take().is_some()
    });
    assert_told(&all, "the change log has", |row| {
        let Row::Event(event) = row else { return false };
        event.fetch = Some(FetchId::from_u128(3));
        true
    });
    assert_told(&all, "it names bronze version 9, and", |row| {
        let Row::Event(Event { kind: ChangeKind::New | ChangeKind::Changed, subject, .. }) = row else { return false };
        subject.as_mut().unwrap().version = VersionNo::new(9);
        true
    });
    assert_told(&all, "but spans show", |row| {
        let Row::Span(span) = row else { return false };
        span.until = span.until.next();
        true
    });
    assert_told(&all, "but spans show", |row| {
        let Row::Standing(StandingRow { standing: Standing::Open(present), .. }) = row else { return false };
        present.since = present.since.next();
        true
    });
    assert_told(&all, "names not as many versions", |row| {
        let Row::Observation(row) = row else { return false };
        row.parts[0].1.made.pop().is_some()
    });
    assert_told(&all, "its round is not that of a part", |row| {
        let Row::Observation(row) = row else { return false };
        row.parts[0].1.committed.round = Round::new(9);
        true
    });
}

#[tokio::test]
async fn what_is_shown_under_the_rule_of_another_feed_is_compared_too() {
    let store = MemoryStore::new();
    store.initialize().await.unwrap();
    let whole = Coverage::Snapshot { complete: true };
    store.ingest(batch(1, whole, &[("a", "x", 30)])).await.unwrap();
    let other = IngestBatch {
        feed: FeedId::from_u128(2),
        fetch: FetchId::from_u128(2),
        hash_rule: HashRule::whole(),
        ..batch(1, whole, &[("a", "x", 30)])
    };
    assert_eq!(store.ingest(other).await.unwrap().counts.unchanged, 1);
    let all = exported(&store).await;
    assert_eq!(faults(&all), Vec::<String>::new());
    assert_told(&all, "it shows version 1", |row| {
        let Row::Standing(StandingRow { standing: Standing::Open(present), .. }) = row else { return false };
        present.shown.hash = ContentHash::of(b"other");
        true
    });
}

#[tokio::test]
async fn what_was_deleted_is_not_missed() {
    let store = MemoryStore::new();
    store.initialize().await.unwrap();
    let whole = Coverage::Snapshot { complete: true };
    let items = [("a", "x", 30), ("b", "x", 20), ("c", "x", 10)];
    store.ingest(batch(1, whole, &items)).await.unwrap();
    store.ingest(batch(2, Coverage::Delta, &items)).await.unwrap();
    let ids: Vec<RecordId> = exported(&store)
        .await
        .iter()
        .filter_map(|row| if let Row::Record(record) = row { Some(record.id) } else { None })
        .collect();
    let doomed = [(ids[0], None), (ids[1], Some(Layer::Bronze))];
    let doomed = doomed.map(|(id, layer)| RecordRef { name: RecordName::Id(id), layer });
    assert_eq!(store.delete_many(&doomed, at(3)).await.unwrap(), [true, true]);
    assert_eq!(faults(&exported(&store).await), Vec::<String>::new());
    store.ingest(batch(3, whole, &items)).await.unwrap();
    assert_eq!(faults(&exported(&store).await), Vec::<String>::new());
}
