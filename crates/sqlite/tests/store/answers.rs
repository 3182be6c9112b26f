//! Random stories told to SQLite and to the memory backend: the same answers, the same order, the same errors.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::num::NonZeroUsize;

use feedspine_core::ingest::{Candidate, Coverage, CursorStep, IngestBatch, Part, Reject};
use feedspine_core::{
    Change, Content, FeedId, HashRule, Json, JsonPath, KeyRule, Layer, Lineage, MemoryStore, Namespace, NaturalKey,
    Order, Page, PageRequest, Query, RecordId, RecordName, RecordRef, RecordWrite, Result, Selection, Seq, Sighting,
    StorageBackend, VersionNo,
};
use tempfile::TempDir;

use crate::support::{at, fetch_id, open, snapshot};

const STORIES: u64 = 12;
const STEPS: u32 = 60;
const FEEDS: u64 = 3;
const KEYS: u64 = 7;

/// A small generator (xorshift64*), so that a seed tells the whole story.
struct Dice(u64);

impl Dice {
    fn roll(&mut self, sides: u64) -> u64 {
        self.0 ^= self.0 >> 12;
        self.0 ^= self.0 << 25;
        self.0 ^= self.0 >> 27;
        (self.0.wrapping_mul(0x2545_F491_4F6C_DD1D) >> 32) % sides
    }

    fn one_in(&mut self, sides: u64) -> bool {
        self.roll(sides) == 0
    }
}

fn name(number: u64) -> NaturalKey {
    let namespace = Namespace::new(if number.is_multiple_of(3) { "shared" } else { "news" }).unwrap();
    NaturalKey::new(namespace, &format!("item-{number}")).unwrap()
}

fn content(dice: &mut Dice) -> Content {
    let views = Json::from(dice.roll(2));
    Content::new(&Json::object([("title", Json::from(format!("title {}", dice.roll(3)))), ("views", views)]))
}

fn candidate(dice: &mut Dice, ordinal: u32) -> Candidate {
    Candidate {
        key: name(dice.roll(KEYS)),
        key_rule: KeyRule::Link,
        ordinal,
        content: content(dice),
        published: (!dice.one_in(4)).then(|| at(-i64::try_from(dice.roll(5)).unwrap())),
        updated: dice.one_in(3).then(|| at(i64::try_from(dice.roll(9)).unwrap())),
    }
}

fn reject(dice: &mut Dice, ordinal: u32) -> Reject {
    Reject {
        ordinal,
        key: dice.one_in(2).then(|| name(dice.roll(KEYS))),
        code: "field.too_long".into(),
        reason: "too long".into(),
        excerpt: "a\0b".into(),
    }
}

/// What a story remembers, to say things again and to name what was.
struct Story {
    dice: Dice,
    said: Vec<IngestBatch>,
    fetch: u32,
}

impl Story {
    fn batch(&mut self) -> IngestBatch {
        let dice = &mut self.dice;
        if !self.said.is_empty() && dice.one_in(6) {
            let again = dice.roll(self.said.len() as u64);
            return self.said[usize::try_from(again).unwrap()].clone();
        }
        self.fetch += 1;
        let feed = u128::from(dice.roll(FEEDS)) + 1;
        let count = u32::try_from(dice.roll(6)).unwrap();
        let mut batch = snapshot(feed, self.fetch, (0..count).map(|ordinal| candidate(dice, ordinal)).collect());
        // The clock of whoever fetches may go back, and stand still.
        batch.observed_at = at(i64::from(self.fetch / 2) - i64::try_from(dice.roll(3)).unwrap());
        if dice.one_in(4) {
            batch.hash_rule = HashRule::without(vec![JsonPath::parse("views").unwrap()]);
        }
        if dice.one_in(4) {
            batch.rejects = vec![reject(dice, count)];
        }
        let before = fetch_id(feed, self.fetch.saturating_sub(u32::try_from(dice.roll(6)).unwrap()));
        match dice.roll(8) {
            0 => batch.coverage = Coverage::Delta,
            1 => batch.coverage = Coverage::Snapshot { complete: false },
            2 | 3 => {
                batch = IngestBatch { items: Vec::new(), rejects: Vec::new(), ..batch };
                batch.coverage = Coverage::Unchanged { of: before };
            }
            4 => batch.part = Part { index: 0, last: false },
            5 => {
                if let Some(begun) = self.said.iter().rev().find(|said| !said.part.last) {
                    let part = Part { index: begun.part.index + 1, last: dice.one_in(2) };
                    batch = IngestBatch { part, feed: begun.feed, fetch: begun.fetch, ..batch };
                    batch.observed_at = begun.observed_at;
                }
            }
            _ => {}
        }
        if dice.one_in(3) {
            batch.step = CursorStep::Advance { expected: dice.roll(4), next: Json::from(self.fetch.to_string()) };
        }
        self.said.push(batch.clone());
        batch
    }

    async fn record(&mut self, store: &dyn StorageBackend) -> RecordId {
        let wanted = [RecordRef::key(name(self.dice.roll(KEYS)))];
        let held = store.get_many(&wanted).await.unwrap().remove(0);
        held.map_or(RecordId::from_u128(u128::from(self.dice.roll(4))), |record| record.id)
    }

    fn write(&mut self, id: RecordId) -> RecordWrite {
        let dice = &mut self.dice;
        let layer = Layer::ALL[usize::try_from(dice.roll(3)).unwrap()];
        let source = Content::empty().hash();
        RecordWrite {
            id,
            key: name(dice.roll(KEYS)),
            layer,
            content: content(dice),
            metadata: if dice.one_in(3) { content(dice) } else { Content::empty() },
            published: dice.one_in(2).then(|| at(7)),
            updated: None,
            recorded_at: at(i64::from(self.fetch)),
            derived_from: dice.one_in(2).then_some(Lineage {
                layer: Layer::Bronze,
                version: VersionNo::FIRST,
                hash: source,
                source_deleted: false,
            }),
        }
    }

    fn sighting(&mut self) -> Sighting {
        let feed = u128::from(self.dice.roll(FEEDS)) + 1;
        let fetch = u32::try_from(self.dice.roll(u64::from(self.fetch) + 2)).unwrap();
        Sighting {
            key: name(self.dice.roll(KEYS)),
            feed: FeedId::from_u128(feed),
            fetch: fetch_id(feed, fetch),
            observed_at: at(i64::try_from(self.dice.roll(40)).unwrap()),
            version: None,
        }
    }
}

/// An answer as it can be compared: an error by its kind, its words and whether it may have happened.
fn said<T: Debug>(answer: Result<T>) -> String {
    match answer {
        Ok(answer) => format!("{answer:?}"),
        Err(error) => format!("{:?} {:?} {error} {:?}", error.kind(), error.applied(), error.hint()),
    }
}

/// All pages of a list, by pages of three.
async fn all<T: Debug>(mut page_of: impl AsyncFnMut(PageRequest) -> Result<Page<T>>) -> Vec<String> {
    let mut request = PageRequest::first(3);
    let mut pages = Vec::new();
    loop {
        let page = page_of(request.clone()).await.unwrap();
        pages.push(format!("{:?}", page.items));
        match page.next {
            Some(next) => request.after = Some(next),
            None => return pages,
        }
    }
}

/// Everything that can be asked.
async fn everything(store: &dyn StorageBackend) -> Vec<String> {
    let mut told = Vec::new();
    let layers = [None, Some(Layer::Bronze), Some(Layer::Silver), Some(Layer::Gold)];
    for layer in layers {
        for order in ["", "-published", "-first_seen", "updated", "layer", "content.title", "-version", "namespace"] {
            let selection = Selection { layer, ..Selection::everything() };
            let order: Vec<Order> = Order::parse(order).into_iter().collect();
            told.push(format!("{layer:?} {order:?} {}", store.count(&selection).await.unwrap()));
            let query = |page| Query { selection: selection.clone(), order: order.clone(), page };
            told.extend(all(async |page| store.query_page(&query(page)).await).await);
        }
    }
    let keys: Vec<NaturalKey> = (0..KEYS).map(name).collect();
    told.push(format!("{:?}", store.seen_many(&keys).await.unwrap()));
    for key in &keys {
        told.push(format!("{key:?}"));
        told.extend(all(async |page| store.sightings_page(key, &page).await).await);
        let record = store.get_many(&[RecordRef::key(key.clone())]).await.unwrap().remove(0);
        for layer in layers.into_iter().flatten() {
            let Some(record) = &record else { continue };
            told.extend(all(async |page| store.versions_page(record.id, layer, &page).await).await);
        }
    }
    for feed in (1..=FEEDS).map(|feed| FeedId::from_u128(feed.into())) {
        told.push(format!("{:?}", store.cursor(feed).await.unwrap()));
        told.extend(all(async |page| store.observations_page(feed, &page).await).await);
        told.extend(all(async |page| store.rejects_page(feed, &page).await).await);
    }
    let changes = store.changes(&Seq::start(), NonZeroUsize::MAX).await.unwrap();
    let subjects: BTreeSet<RecordId> =
        changes.iter().filter_map(|it| Some(it.event.subject.as_ref()?.record)).collect();
    for record in subjects {
        let is_of = |change: &&Change| change.event.subject.as_ref().is_some_and(|subject| subject.record == record);
        let of_record: Vec<Change> = changes.iter().filter(is_of).cloned().collect();
        assert_eq!(store.changes_of(record).await.unwrap(), of_record);
    }
    // Positions are each store's own.
    told.extend(changes.iter().map(|change| format!("{:?}", change.event)));
    told
}

async fn tell(seed: u64) {
    let directory = TempDir::new().unwrap();
    let (ours, memory) = (open(directory.path()).await, MemoryStore::new());
    memory.initialize().await.unwrap();
    let mut story = Story { dice: Dice(seed.wrapping_mul(0x9E37_79B9_7F4A_7C15) | 1), said: Vec::new(), fetch: 0 };
    for step in 0..STEPS {
        let told = match story.dice.roll(10) {
            0 => {
                let ids = [story.record(&memory).await, story.record(&memory).await];
                let writes = vec![story.write(ids[0]), story.write(ids[1])];
                [said(ours.put_many(writes.clone()).await), said(memory.put_many(writes).await)]
            }
            1 => {
                let layer = Layer::ALL.get(usize::try_from(story.dice.roll(6)).unwrap()).copied();
                let doomed = [RecordRef { name: RecordName::Id(story.record(&memory).await), layer }];
                let now = at(i64::from(step));
                [said(ours.delete_many(&doomed, now).await), said(memory.delete_many(&doomed, now).await)]
            }
            2 => {
                let sightings = vec![story.sighting(), story.sighting()];
                [said(ours.observe_many(sightings.clone()).await), said(memory.observe_many(sightings).await)]
            }
            _ => {
                let batch = story.batch();
                [said(ours.ingest(batch.clone()).await), said(memory.ingest(batch).await)]
            }
        };
        assert_eq!(told[0], told[1], "seed {seed}, step {step}");
        if step % 20 == 19 {
            let (ours, memory) = (everything(&ours).await, everything(&memory).await);
            for (ours, memory) in ours.iter().zip(&memory) {
                assert_eq!(ours, memory, "seed {seed}, after step {step}");
            }
            assert_eq!(ours.len(), memory.len(), "seed {seed}, after step {step}");
        }
    }
}

#[tokio::test]
async fn random_stories_have_the_answers_of_the_memory_backend() {
    for seed in 1..=STORIES {
        tell(seed).await;
    }
}
