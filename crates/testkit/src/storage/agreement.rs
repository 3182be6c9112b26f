//! Random calls, right and wrong ones, made to a store and to core's memory backend: every answer must be the same.
//!
//! What one check tells as a story, this one meets by chance: replays of parts, late fetches, clocks that go back,
//! deletes between two polls, refused writes.

use feedspine_core::{
    Candidate, Content, Coverage, CursorStep, HashRule, IngestBatch, Json, JsonPath, KeyRule, Layer, Lineage,
    MemoryStore, NaturalKey, PageRequest, Part, Query, RecordName, RecordRef, RecordWrite, Sighting, StorageBackend,
    StorageExt, VersionNo,
};

use super::Subject;
use super::calls::{Call, Scope, events, first_difference, happened, log};
use super::query::{random_order, random_selection};
use crate::check::{checks, ensure_eq};
use crate::noise::Noise;
use crate::script::{PAGE, at, content, feed, fetch, key_in, numbered, observed, record_id, reject};
use crate::{Failure, Verdict};

checks! { Subject, "agreement":
    captures_are_answered_as_by_the_memory_backend: "P9",
        "Random batches, replays, parts and refusals have the same reports, errors and effects.";
    all_calls_are_answered_as_by_the_memory_backend: "P9",
        "Random batches, writes, deletes and told sightings have the same answers, errors and effects.";
    questions_are_answered_as_by_the_memory_backend: "P9",
        "Random questions, paged at random, have the same rows in the same order.";
}

const FEEDS: usize = 3;
const NAMES: [&str; 7] = ["a", "b", "c", "d", "e", "f", "g"];
const CALLS: u32 = 120;

async fn captures_are_answered_as_by_the_memory_backend(store: Subject) -> Verdict {
    for seed in 10..13 {
        Pair::new(store.another().await?, seed).await?.run(Of::Captures).await?;
    }
    Ok(())
}

async fn all_calls_are_answered_as_by_the_memory_backend(store: Subject) -> Verdict {
    for seed in 20..23 {
        Pair::new(store.another().await?, seed).await?.run(Of::All).await?;
    }
    Ok(())
}

async fn questions_are_answered_as_by_the_memory_backend(store: Subject) -> Verdict {
    let mut pair = Pair::new(store, 30).await?;
    pair.run(Of::All).await?;
    let rows = pair.memory.query_page(&Query::new(feedspine_core::Selection::everything(), PAGE)).await?.items;
    for _ in 0..150 {
        let selection = random_selection(&mut pair.noise, &rows);
        let size = 1 + pair.noise.below(5);
        let order = random_order(&mut pair.noise);
        let mut query = Query { selection, order, page: PageRequest::first(size) };
        let counted = pair.store.count(&query.selection).await?;
        ensure_eq!(counted, pair.memory.count(&query.selection).await?, "count of {:?}", query.selection);
        loop {
            let (found, right) = (pair.store.query_page(&query).await?, pair.memory.query_page(&query).await?);
            ensure_eq!(found.items, right.items, "a page of {query:?}");
            ensure_eq!(found.next.is_some(), right.next.is_some(), "more follows a page of {query:?}");
            let Some(next) = found.next else { break };
            query.page.after = Some(next);
        }
    }
    Ok(())
}

/// Which calls are made.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Of {
    Captures,
    All,
}

pub(super) struct Pair {
    seed: u64,
    noise: Noise,
    pub(super) store: Subject,
    pub(super) memory: MemoryStore,
    /// All batches that were submitted, taken or not.
    submitted: Vec<IngestBatch>,
    next_fetch: u32,
}

impl Pair {
    pub(super) async fn new(store: Subject, seed: u64) -> Verdict<Self> {
        let memory = MemoryStore::new();
        memory.initialize().await?;
        Ok(Self { seed, noise: Noise::seeded(seed), store, memory, submitted: Vec::new(), next_fetch: 1 })
    }

    pub(super) async fn run(&mut self, of: Of) -> Verdict {
        for number in 0..CALLS {
            for call in self.calls(of).await? {
                let (found, right) = (call.make(&*self.store).await, call.make(&self.memory).await);
                let seed = self.seed;
                ensure_eq!(found, right, "the answer to call {number} of seed {seed}: {call:#?}");
            }
            if number % 8 == 0 {
                self.compare(number).await?;
            }
        }
        self.compare(CALLS).await
    }

    async fn compare(&self, number: u32) -> Verdict {
        let (found, right) = (scope().read(&*self.store).await?, scope().read(&self.memory).await?);
        let logs = (log(&*self.store).await?, log(&self.memory).await?);
        let happened = (happened(&*self.store, &logs.0).await?, happened(&self.memory, &logs.1).await?);
        let difference = found
            .difference(&right)
            .or_else(|| first_difference("changes", &events(logs.0), &events(logs.1)))
            .or_else(|| first_difference("changes of records", &happened.0, &happened.1));
        match difference {
            None => Ok(()),
            Some(difference) => {
                Err(Failure::broken(format!("after call {number} of seed {}: {difference}", self.seed)))
            }
        }
    }

    async fn calls(&mut self, of: Of) -> Verdict<Vec<Call>> {
        let kind = if of == Of::Captures { 0 } else { self.noise.below(20) };
        Ok(match kind {
            0..12 => self.batches().await?.into_iter().map(|batch| Call::Ingest(Box::new(batch))).collect(),
            12..16 => vec![Call::Put(self.writes().await?)],
            16..18 => vec![self.delete().await?],
            _ => vec![Call::Observe(self.sightings())],
        })
    }

    /// A fetch in one part or several, or one that was submitted before.
    async fn batches(&mut self) -> Verdict<Vec<IngestBatch>> {
        if !self.submitted.is_empty() && self.noise.once_in(6) {
            let mut again = self.noise.pick(&self.submitted).clone();
            if self.noise.once_in(4) {
                again.items = self.items();
            }
            return Ok(vec![again]);
        }
        let whole = self.batch().await?;
        let mut batches = vec![whole.clone()];
        if whole.items.len() > 1 && self.noise.once_in(5) {
            let cut = self.noise.below(whole.items.len());
            let (head, tail) = whole.items.split_at(cut);
            let part = |index, last, items: &[Candidate]| {
                let part = Part { index, last };
                IngestBatch { part, items: items.to_vec(), ..whole.clone() }
            };
            batches = vec![part(0, false, head), part(1, true, tail)];
            if self.noise.once_in(4) {
                batches.pop();
            }
        }
        self.submitted.extend(batches.iter().cloned());
        Ok(batches)
    }

    async fn batch(&mut self) -> Verdict<IngestBatch> {
        let number = self.next_fetch;
        self.next_fetch += 1;
        let feed = feed(self.noise.below(FEEDS) as u128);
        // Once in a while a clock goes back, or two fetches are of one instant.
        let back = if self.noise.once_in(8) { self.noise.below(4) } else { 0 };
        let observed_at = observed(number - u32::try_from(back).expect("small").min(number - 1));
        let cursor = self.memory.cursor(feed).await?;
        let expected = cursor.map_or(0, |cursor| cursor.revision) + u64::from(self.noise.once_in(12));
        let next = Json::object([("page", Json::from(u64::from(number)))]);
        let step = if self.noise.once_in(2) { CursorStep::Keep } else { CursorStep::Advance { expected, next } };
        let coverage = match self.noise.below(10) {
            0 | 1 => Coverage::Unchanged { of: self.fetch_named(feed).await? },
            2 | 3 => Coverage::Delta,
            4 => Coverage::Snapshot { complete: false },
            _ => Coverage::Snapshot { complete: true },
        };
        let told = !matches!(coverage, Coverage::Unchanged { .. });
        let views = JsonPath::of(["views"]);
        Ok(IngestBatch {
            feed,
            fetch: fetch(number.into()),
            part: Part::ONLY,
            observed_at,
            recorded_at: observed_at.saturating_add_micros(i64::from(number)),
            coverage,
            hash_rule: if self.noise.once_in(5) { HashRule::without(vec![views]) } else { HashRule::whole() },
            items: if told { self.items() } else { Vec::new() },
            rejects: if told && self.noise.once_in(5) { vec![self.reject()] } else { Vec::new() },
            step,
        })
    }

    /// Mostly the newest observation of the feed, sometimes any fetch.
    async fn fetch_named(&mut self, feed: feedspine_core::FeedId) -> Verdict<feedspine_core::FetchId> {
        let ledger = self.memory.observations_page(feed, &PageRequest::first(PAGE)).await?.items;
        let newest = ledger.iter().rev().find(|row| row.round.is_some()).map(|row| row.fetch);
        let any = fetch(self.noise.below(self.next_fetch as usize) as u128);
        Ok(newest.filter(|_| !self.noise.once_in(5)).unwrap_or(any))
    }

    fn items(&mut self) -> Vec<Candidate> {
        let mut items: Vec<Candidate> = (0..self.noise.below(8)).map(|_| self.item()).collect();
        if !self.noise.once_in(4) {
            items.sort_by_key(|item| std::cmp::Reverse(item.published));
        }
        let mut items = numbered(0, items);
        if items.len() > 1 && self.noise.once_in(40) {
            items.swap(0, 1);
        }
        items
    }

    fn item(&mut self) -> Candidate {
        let second = i64::try_from(100 * self.noise.below(6)).expect("small");
        let rules = [KeyRule::Id, KeyRule::Link, KeyRule::Content];
        Candidate {
            key: self.key(),
            key_rule: *self.noise.pick(&rules),
            ordinal: 0,
            content: self.content(),
            published: (!self.noise.once_in(4)).then(|| at(second)),
            updated: self.noise.once_in(4).then(|| at(second + 7)),
        }
    }

    fn key(&mut self) -> NaturalKey {
        let name = *self.noise.pick(&NAMES);
        key_in(if self.noise.once_in(6) { "other" } else { "news" }, name)
    }

    fn content(&mut self) -> Content {
        let title = *self.noise.pick(&["x", "x", "x", "y", "z"]);
        let views = self.noise.below(2);
        content(&format!(r#"{{"title":"{title}","views":{views}}}"#))
    }

    fn reject(&mut self) -> feedspine_core::Reject {
        let keyed = self.noise.once_in(2).then(|| *self.noise.pick(&NAMES));
        reject(90, keyed)
    }

    async fn writes(&mut self) -> Verdict<Vec<RecordWrite>> {
        let mut writes = Vec::new();
        for number in 0..=self.noise.below(3) {
            let key = self.key();
            let held = self.memory.get_by_natural_key(&key).await?.map(|record| record.id);
            let fresh = record_id(self.noise.below(40) as u128);
            let layer = *self.noise.pick(&Layer::ALL);
            let derived_from = self.noise.once_in(3).then(|| Lineage {
                layer: Layer::Bronze,
                version: VersionNo::FIRST,
                hash: self.content().hash(),
                source_deleted: false,
            });
            writes.push(RecordWrite {
                id: held.filter(|_| !self.noise.once_in(10)).unwrap_or(fresh),
                key,
                layer,
                content: self.content(),
                metadata: if self.noise.once_in(3) { content(r#"{"n":1}"#) } else { Content::empty() },
                published: self.noise.once_in(2).then(|| at(3)),
                updated: None,
                recorded_at: at(i64::try_from(number).expect("small")),
                derived_from,
            });
        }
        Ok(writes)
    }

    async fn delete(&mut self) -> Verdict<Call> {
        let mut doomed = Vec::new();
        for _ in 0..=self.noise.below(2) {
            let key = self.key();
            let held = self.memory.get_by_natural_key(&key).await?.map(|record| record.id);
            let name = match held.filter(|_| self.noise.once_in(2)) {
                Some(id) => RecordName::Id(id),
                None => RecordName::Key(key),
            };
            let layer = (!self.noise.once_in(3)).then(|| *self.noise.pick(&Layer::ALL));
            doomed.push(RecordRef { name, layer });
        }
        Ok(Call::Delete(doomed, at(1)))
    }

    /// Under ids of their own, or under that of a fetch that came before.
    fn sightings(&mut self) -> Vec<Sighting> {
        let sighting = |pair: &mut Self| {
            let past = pair.noise.below(pair.next_fetch as usize) as u128;
            let own = 10_000 + pair.noise.below(20) as u128;
            Sighting {
                key: pair.key(),
                feed: feed(pair.noise.below(FEEDS) as u128),
                fetch: fetch(if pair.noise.once_in(3) { past } else { own }),
                observed_at: at(i64::try_from(pair.noise.below(9)).expect("small")),
                version: None,
            }
        };
        (0..=self.noise.below(3)).map(|_| sighting(self)).collect()
    }
}

fn scope() -> Scope {
    let of_space = |space: &'static str| NAMES.into_iter().map(move |name| key_in(space, name));
    let keys = ["news", "other"].into_iter().flat_map(of_space).collect();
    Scope { keys, feeds: (0..FEEDS as u128).map(feed).collect() }
}
