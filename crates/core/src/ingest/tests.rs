//! The decisions of an ingest, through the memory backend: one story each. The kit tells the rest, for every backend.

use crate::ingest::*;
use crate::*;

pub(super) fn at(second: i64) -> Timestamp {
    Timestamp::from_micros(second * 1_000_000).unwrap()
}

fn item(ordinal: u32, key: &str, text: &str, published: i64) -> Candidate {
    Candidate {
        key: NaturalKey::new(Namespace::new("news").unwrap(), key).unwrap(),
        key_rule: KeyRule::Id,
        ordinal,
        content: Content::new(&Json::object([("title", Json::from(text))])),
        published: Some(at(published)),
        updated: None,
    }
}

pub(super) fn batch(number: u128, items: Vec<Candidate>) -> IngestBatch {
    let now = at(1_000_000 + i64::try_from(number).unwrap());
    IngestBatch {
        feed: FeedId::from_u128(1),
        fetch: FetchId::from_u128(number),
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

async fn open_store() -> MemoryStore {
    let store = MemoryStore::new();
    store.initialize().await.unwrap();
    store
}

async fn ingest(store: &MemoryStore, batch: IngestBatch) -> Counts {
    store.ingest(batch).await.unwrap().counts
}

#[tokio::test]
async fn new_unchanged_changed_and_withdrawn_are_told_apart() {
    let store = open_store().await;
    let first =
        ingest(&store, batch(1, vec![item(0, "c", "x", 30), item(1, "b", "x", 20), item(2, "a", "x", 10)])).await;
    assert_eq!((first.seen, first.new), (3, 3));
    let second = ingest(&store, batch(2, vec![item(0, "c", "x", 30), item(1, "a", "edited", 10)])).await;
    assert_eq!((second.seen, second.changed, second.unchanged, second.withdrawn), (2, 1, 1, 1));
    let third = ingest(&store, batch(3, vec![item(0, "c", "x", 30), item(1, "b", "x", 20)])).await;
    assert_eq!((third.returned, third.scrolled_off, third.unchanged), (1, 1, 2));
}

#[tokio::test]
async fn an_identical_document_writes_one_ledger_row_whatever_its_order() {
    let store = open_store().await;
    ingest(&store, batch(1, vec![item(0, "b", "x", 20), item(1, "a", "x", 10)])).await;
    let again = ingest(&store, batch(2, vec![item(0, "a", "x", 10), item(1, "b", "x", 20)])).await;
    assert_eq!((again.seen, again.unchanged), (2, 2));
    let key = item(0, "a", "x", 10).key;
    assert_eq!(store.get_sightings(&key).await.unwrap().len(), 2);
}

#[tokio::test]
async fn parts_tell_the_same_as_one_batch() {
    let (whole, parts) = (open_store().await, open_store().await);
    let items = || vec![item(0, "c", "x", 30), item(1, "b", "x", 20), item(2, "a", "x", 10)];
    for (number, items) in [(1, items()), (2, items()[..2].to_vec())] {
        ingest(&whole, batch(number, items.clone())).await;
        let last = items.len() - 1;
        for (index, item) in items.into_iter().enumerate() {
            let part = Part { index: u32::try_from(index).unwrap(), last: index == last };
            ingest(&parts, IngestBatch { part, ..batch(number, vec![item]) }).await;
        }
    }
    for key in ["a", "b", "c"] {
        let key = item(0, key, "x", 1).key;
        assert_eq!(whole.get_sightings(&key).await.unwrap(), parts.get_sightings(&key).await.unwrap());
    }
    let kinds = |changes: Vec<Change>| changes.into_iter().map(|change| change.event.kind).collect::<Vec<_>>();
    let limit = std::num::NonZeroUsize::MAX;
    let (a, b) = (whole.changes(&Seq::start(), limit).await, parts.changes(&Seq::start(), limit).await);
    assert_eq!(kinds(a.unwrap()), kinds(b.unwrap()));
}

#[tokio::test]
async fn a_cursor_that_could_not_be_read_back_is_refused() {
    let store = open_store().await;
    let next = (0..=crate::json::MAX_DEPTH).fold(Json::Null, |value, _| Json::Array(vec![value]));
    let step = CursorStep::Advance { expected: 0, next };
    let refused = store.ingest(IngestBatch { step, ..batch(1, vec![item(0, "a", "x", 10)]) }).await.unwrap_err();
    assert_eq!(refused.kind(), ErrorKind::Invalid);
}

#[tokio::test]
async fn of_items_that_differ_in_what_is_volatile_the_same_stands_in_any_order() {
    let viewed = |views: u64, published| {
        let content = Content::new(&Json::object([("title", Json::from("x")), ("views", views.into())]));
        Candidate { content, ..item(0, "a", "x", published) }
    };
    let hash_rule = HashRule::without(vec![JsonPath::of(["views"])]);
    for (items, stands) in [([viewed(1, 10), viewed(2, 10)], 1_u64), ([viewed(1, 10), viewed(2, 20)], 2)] {
        let [first, second] = items;
        for pair in [[first.clone(), second.clone()], [second, first]] {
            let store = open_store().await;
            let items = (0..).zip(pair).map(|(ordinal, item)| Candidate { ordinal, ..item }).collect();
            let counts = ingest(&store, IngestBatch { hash_rule: hash_rule.clone(), ..batch(1, items) }).await;
            assert_eq!((counts.new, counts.repeated, counts.rejected), (1, 1, 0));
            let record = store.get_by_natural_key(&item(0, "a", "x", 1).key).await.unwrap().unwrap();
            assert_eq!(record.content.to_json().get("views"), Some(&Json::from(stands)));
        }
    }
}

#[tokio::test]
async fn the_same_stands_in_any_order_also_where_many_contents_have_one_key() {
    let item = |number: u64| {
        let content = Content::new(&Json::object([("title", (number % 20).into()), ("views", number.into())]));
        Candidate { content, ..item(0, "a", "x", i64::try_from(number % 3).unwrap()) }
    };
    let hash_rule = HashRule::without(vec![JsonPath::of(["views"])]);
    let mut told = Vec::new();
    for turn in [0, 7, 31, 59] {
        let mut items: Vec<Candidate> = (0..60).map(item).collect();
        items.rotate_left(turn);
        let items = (0..).zip(items).map(|(ordinal, item)| Candidate { ordinal, ..item }).collect();
        let store = open_store().await;
        let counts = ingest(&store, IngestBatch { hash_rule: hash_rule.clone(), ..batch(1, items) }).await;
        assert_eq!((counts.new, counts.repeated, counts.rejected), (1, 40, 19));
        let rejects = store.rejects_page(FeedId::from_u128(1), &PageRequest::first(99)).await.unwrap().items;
        let mut excerpts: Vec<String> = rejects.into_iter().map(|found| found.reject.excerpt).collect();
        excerpts.sort_unstable();
        let record = store.get_by_natural_key(&item(0).key).await.unwrap().unwrap();
        told.push((record.content.as_str().to_owned(), excerpts));
    }
    assert!(told.iter().all(|one| *one == told[0]), "{told:?}");
}

#[test]
#[expect(clippy::disallowed_methods, reason = "a test measures what the decision costs")]
fn a_key_that_every_item_has_with_another_content_costs_no_more_than_others() {
    let items = (0..100_000).map(|ordinal| item(ordinal, "a", &ordinal.to_string(), 1)).collect();
    let (batch, began) = (batch(1, items), std::time::Instant::now());
    let prepared = Prepared::new(batch).unwrap();
    assert_eq!(prepared.hashes_of(&item(0, "a", "x", 1).key.hash()).len(), 100_000);
    assert!(began.elapsed().as_secs() < 10, "{:?}", began.elapsed());
}
