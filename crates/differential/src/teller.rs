//! [`Teller`]: turns operations into calls, the same for all stores.
//!
//! What a call has to know of the store (a cursor's revision, the id of a record) is read from the reference, so a
//! sequence means the same in every run.

use std::collections::BTreeSet;

use feedspine_core::{
    Candidate, Content, Coverage, CursorStep, FeedId, FetchId, HashRule, IngestBatch, Json, JsonPath, Layer, Lineage,
    Namespace, NaturalKey, PageRequest, Part, RecordId, RecordName, RecordRef, RecordWrite, Reject, Result, Sighting,
    StorageBackend, StorageExt, Timestamp, VersionNo,
};
use feedspine_testkit::storage::calls::{Call, Scope};

use crate::operation::{
    Clock, Continuation, Cover, CursorMove, Doomed, FEEDS, Fetch, Instant, Item, Operation, Rejected, START, Told,
    Write,
};
use crate::text::Text;

const HOUR: i64 = 3_600_000_000;

/// Ids of told sightings that are no fetch's begin here.
const OWN_IDS: u128 = 1_000;

/// More than a sequence ever makes of anything.
const PAGE: usize = 1_000;

/// What was told so far.
#[derive(Debug, Default)]
pub(crate) struct Teller {
    fetches: u8,
    /// All batches, taken or not.
    submitted: Vec<IngestBatch>,
    /// The newest part of each fetch whose last part did not come, and how many items its parts have.
    begun: Vec<(IngestBatch, u32)>,
    keys: BTreeSet<NaturalKey>,
}

impl Teller {
    /// The calls that an operation makes; none for a question.
    ///
    /// # Errors
    /// The reference fails.
    pub(crate) async fn calls(&mut self, operation: &Operation, reference: &dyn StorageBackend) -> Result<Vec<Call>> {
        let call = match operation {
            Operation::Fetch(fetch) => Some(Call::Ingest(Box::new(self.fetch(fetch, reference).await?))),
            Operation::Continue(part) => self.part(part).map(|batch| Call::Ingest(Box::new(batch))),
            Operation::Replay { back, altered } => {
                self.replay(*back, *altered).map(|batch| Call::Ingest(Box::new(batch)))
            }
            Operation::Put(writes) => Some(Call::Put(self.writes(writes, reference).await?)),
            Operation::Delete(doomed, at) => Some(Call::Delete(self.doomed(doomed, reference).await?, at.get())),
            Operation::Observe(told) => Some(Call::Observe(told.iter().filter_map(|told| self.told(told)).collect())),
            Operation::Ask(_) | Operation::NextPage | Operation::Reopen(_) => None,
        };
        Ok(call.into_iter().collect())
    }

    /// All keys that were told so far, and all feeds.
    pub(crate) fn scope(&self) -> Scope {
        Scope { keys: self.keys.iter().cloned().collect(), feeds: (0..FEEDS).map(feed).collect() }
    }

    async fn fetch(&mut self, told: &Fetch, reference: &dyn StorageBackend) -> Result<IngestBatch> {
        self.fetches += 1;
        let (feed, number) = (feed(told.feed), self.fetches);
        let observed_at = match told.clock {
            Clock::Next => hour(number),
            Clock::Back(hours) => hour(number.saturating_sub(hours)),
            Clock::At(instant) => instant.get(),
        };
        let coverage = match told.cover {
            Cover::Complete => Coverage::Snapshot { complete: true },
            Cover::Incomplete => Coverage::Snapshot { complete: false },
            Cover::Delta => Coverage::Delta,
            Cover::Unchanged => Coverage::Unchanged { of: newest(reference, feed).await?.unwrap_or(fetch(0)) },
            Cover::UnchangedSince(number) => Coverage::Unchanged { of: fetch(number) },
        };
        let (mut items, mut rejects) = self.listed(0, &told.items);
        rejects.extend((100..).zip(&told.rejects).map(|(ordinal, told)| self.reject(ordinal, told)));
        if matches!(coverage, Coverage::Unchanged { .. }) {
            (items, rejects) = (Vec::new(), Vec::new());
        }
        let batch = IngestBatch {
            feed,
            fetch: fetch(number),
            part: Part { index: 0, last: !told.begun },
            observed_at,
            recorded_at: observed_at.saturating_add_micros(i64::from(number)),
            coverage,
            hash_rule: if told.volatile { HashRule::without(vec![JsonPath::of(["views"])]) } else { HashRule::whole() },
            items,
            rejects,
            step: self.step(told.step, feed, reference).await?,
        };
        if told.begun {
            self.begun.push((batch.clone(), count(&told.items)));
        }
        self.submitted.push(batch.clone());
        Ok(batch)
    }

    async fn step(&self, told: CursorMove, feed: FeedId, reference: &dyn StorageBackend) -> Result<CursorStep> {
        let revision = reference.cursor(feed).await?.map_or(0, |cursor| cursor.revision);
        let next = Json::object([("page", Json::from(u64::from(self.fetches))), ("etag", Json::from("\"\0\u{e9}\""))]);
        Ok(match told {
            CursorMove::Keep => CursorStep::Keep,
            CursorMove::Advance => CursorStep::Advance { expected: revision, next },
            CursorMove::AdvanceAhead => CursorStep::Advance { expected: revision + 1, next },
        })
    }

    fn part(&mut self, told: &Continuation) -> Option<IngestBatch> {
        let of = usize::from(told.of).checked_rem(self.begun.len())?;
        let (before, listed) = self.begun[of].clone();
        let (items, rejects) = self.listed(listed, &told.items);
        let part = Part { index: before.part.index + 1, last: told.last };
        let batch = IngestBatch { part, items, rejects, ..before };
        if told.last {
            self.begun.remove(of);
        } else {
            self.begun[of] = (batch.clone(), listed + count(&told.items));
        }
        self.submitted.push(batch.clone());
        Some(batch)
    }

    fn replay(&self, back: u8, altered: bool) -> Option<IngestBatch> {
        let mut batch = self.submitted.iter().rev().nth(usize::from(back)).or(self.submitted.first())?.clone();
        if altered {
            batch.items.pop();
            batch.rejects.clear();
        }
        Some(batch)
    }

    /// Items, numbered on, and what of them cannot be one.
    fn listed(&mut self, first: u32, told: &[Item]) -> (Vec<Candidate>, Vec<Reject>) {
        let (mut items, mut rejects) = (Vec::new(), Vec::new());
        for (ordinal, told) in (first..).zip(told) {
            let (key, content) = (self.key(told.space, told.key), Content::parse(&told.content.get()));
            let (Some(key), Ok(content)) = (key.clone(), content) else {
                let code = if key.is_none() { "key.invalid" } else { "content.invalid" };
                let excerpt = format!("{}: {}", told.key.get(), told.content.get());
                rejects.push(Reject { ordinal, key, code: code.to_owned(), reason: "not an item".to_owned(), excerpt });
                continue;
            };
            let (published, updated) = (told.published.map(Instant::get), told.updated.map(Instant::get));
            items.push(Candidate { key, key_rule: told.rule, ordinal, content, published, updated });
        }
        (items, rejects)
    }

    fn reject(&mut self, ordinal: u32, told: &Rejected) -> Reject {
        let word = |text: Text| text.get().into_owned();
        Reject {
            ordinal,
            key: told.key.and_then(|(space, key)| self.key(space, key)),
            code: word(told.code),
            reason: word(told.reason),
            excerpt: word(told.excerpt),
        }
    }

    /// The key, noted; `None` when it is none.
    fn key(&mut self, space: Text, key: Text) -> Option<NaturalKey> {
        let space = Namespace::new(&space.get()).expect("a namespace of the pool");
        let key = NaturalKey::new(space, &key.get()).ok()?;
        self.keys.insert(key.clone());
        Some(key)
    }

    async fn writes(&mut self, told: &[Write], reference: &dyn StorageBackend) -> Result<Vec<RecordWrite>> {
        let mut writes = Vec::new();
        for (place, told) in (200..).zip(told) {
            let (Some(key), Ok(content)) = (self.key(told.space, told.key), Content::parse(&told.content.get())) else {
                continue;
            };
            let held = reference.get_by_natural_key(&key).await?.map(|record| record.id);
            let id = match told.id {
                Some(number) => record(number.into()),
                None => held.unwrap_or(record(u128::from(self.fetches) << 16 | place)),
            };
            let first = Lineage {
                layer: Layer::Bronze,
                version: VersionNo::FIRST,
                hash: content.hash(),
                source_deleted: false,
            };
            writes.push(RecordWrite {
                id,
                key,
                layer: told.layer,
                content,
                metadata: Content::parse(&told.metadata.get()).expect("metadata of the pool"),
                published: told.published.map(Instant::get),
                updated: None,
                recorded_at: told.at.get(),
                derived_from: told.derived.then_some(first),
            });
        }
        Ok(writes)
    }

    async fn doomed(&mut self, told: &[Doomed], reference: &dyn StorageBackend) -> Result<Vec<RecordRef>> {
        let mut doomed = Vec::new();
        for told in told {
            let Some(key) = self.key(told.space, told.key) else { continue };
            let held = reference.get_by_natural_key(&key).await?.map(|record| record.id);
            let name = match held.filter(|_| told.by_id) {
                Some(id) => RecordName::Id(id),
                None => RecordName::Key(key),
            };
            doomed.push(RecordRef { name, layer: told.layer });
        }
        Ok(doomed)
    }

    fn told(&mut self, told: &Told) -> Option<Sighting> {
        let fetch = match told.fetch {
            Ok(number) => fetch(number),
            Err(own) => FetchId::from_u128(OWN_IDS + u128::from(own)),
        };
        let key = self.key(told.space, told.key)?;
        Some(Sighting { key, feed: feed(told.feed), fetch, observed_at: told.at.get(), version: None })
    }
}

/// The newest round of a feed.
async fn newest(reference: &dyn StorageBackend, feed: FeedId) -> Result<Option<FetchId>> {
    let ledger = reference.observations_page(feed, &PageRequest::first(PAGE)).await?.items;
    Ok(ledger.iter().rev().find(|row| row.round.is_some()).map(|row| row.fetch))
}

fn count(items: &[Item]) -> u32 {
    u32::try_from(items.len()).expect("a few items")
}

fn feed(number: u8) -> FeedId {
    FeedId::from_u128(0xFEED_0000 + u128::from(number))
}

fn fetch(number: u8) -> FetchId {
    FetchId::from_u128(0xFE7C_0000 + u128::from(number))
}

fn record(number: u128) -> RecordId {
    RecordId::from_u128(0x4EC0_0000 + number)
}

/// So many hours after the instants that items bear.
fn hour(number: u8) -> Timestamp {
    Timestamp::UNIX_EPOCH.saturating_add_micros(START + i64::from(number) * HOUR)
}
