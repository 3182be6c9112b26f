//! Faults that show only when calls meet.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use feedspine_core::{
    IngestBatch, IngestReport, MemoryStore, Outcome, Page, Part, Query, Record, Result, Sighting, StorageBackend,
    StorageExt, VersionNo,
};
use feedspine_testkit::storage::faulty::Faulty;

use crate::mutants;

mutants! {
    look_up_and_write_are_two_calls: LooksFirst::default() => "concurrency::concurrent_first_sights_give_one_new";
    a_batch_is_written_in_two_halves: InHalves::default() => "concurrency::a_reader_never_sees_half_a_batch";
    a_dropped_call_leaves_half_of_it: InHalves::default() => "concurrency::a_dropped_call_happens_wholly_or_not_at_all";
    first_is_looked_up_before_it_is_told: FirstByLookUp::default() => "concurrency::concurrent_told_sightings_have_one_first";
}

/// What others do at the same time.
#[derive(Debug, Clone, Default)]
struct Others {
    looks: Arc<AtomicUsize>,
}

impl Others {
    fn look(&self) -> usize {
        self.looks.fetch_add(1, Ordering::AcqRel) + 1
    }

    /// Gives others their turn until one of them has looked too, as if a lock were let go and taken again, or until it is
    /// plain that none will: a count of turns alone would leave it to the machine's load whether calls ever meet.
    async fn until_one_looks(&self, looks: usize) {
        for _ in 0..100_000 {
            if self.looks.load(Ordering::Acquire) > looks {
                return;
            }
            tokio::task::yield_now().await;
        }
    }
}

/// What is new is looked up before the write, as the seed's order of calls does.
#[derive(Debug, Clone, Default)]
struct LooksFirst {
    others: Others,
}

#[async_trait]
impl Faulty for LooksFirst {
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        let mut known = Vec::new();
        for item in &batch.items {
            known.push(store.exists_by_natural_key(&item.key).await?);
        }
        self.others.until_one_looks(self.others.look()).await;
        let mut report = store.ingest(batch).await?;
        for (outcome, known) in report.outcomes.iter_mut().zip(known) {
            if !known && *outcome == Outcome::Unchanged {
                *outcome = Outcome::New { version: VersionNo::FIRST };
                report.counts.new += 1;
                report.counts.unchanged -= 1;
            }
        }
        Ok(report)
    }
}

/// A batch is committed in two transactions, the second when somebody has looked, or when nobody does.
#[derive(Debug, Clone, Default)]
struct InHalves {
    others: Others,
}

#[async_trait]
impl Faulty for InHalves {
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        if batch.items.len() < 2 || batch.part != Part::ONLY {
            return store.ingest(batch).await;
        }
        let (head, tail) = batch.items.split_at(batch.items.len() / 2);
        let half = |index, last, items: &[_]| IngestBatch {
            part: Part { index, last },
            items: items.to_vec(),
            ..batch.clone()
        };
        let first = store.ingest(half(0, false, head)).await?;
        self.others.until_one_looks(self.others.looks.load(Ordering::Acquire)).await;
        let mut report = store.ingest(half(1, true, tail)).await?;
        report.counts += first.counts;
        report.outcomes.splice(0..0, first.outcomes);
        Ok(report)
    }

    async fn query_page(&self, store: &MemoryStore, query: &Query) -> Result<Page<Record>> {
        let found = store.query_page(query).await;
        self.others.look();
        found
    }
}

#[derive(Debug, Clone, Default)]
struct FirstByLookUp {
    others: Others,
}

#[async_trait]
impl Faulty for FirstByLookUp {
    async fn observe_many(&self, store: &MemoryStore, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        let mut first = Vec::new();
        for sighting in &seen {
            first.push(store.get_sightings(&sighting.key).await?.is_empty());
        }
        self.others.until_one_looks(self.others.look()).await;
        store.observe_many(seen).await?;
        Ok(first)
    }
}
