//! The contest, checked: stores that err now and then are found, and the sequence that shows it is short.

use async_trait::async_trait;
use feedspine_core::{
    Change, ChangeKind, Content, FeedId, IngestBatch, IngestReport, MemoryStore, NaturalKey, Observation, Page,
    PageRequest, Record, RecordId, RecordRef, Result, Sighting, StorageBackend,
};
use feedspine_differential::{Arena, Contest, Disagreement, Operation, Provided};
use feedspine_testkit::storage::faulty::{Faulty, Place, Shared, Sound};

fn contest<F: Faulty + Clone>(fault: &F) -> Result<(), Box<Disagreement>> {
    let contest = Contest { seed: 7, first: 0, sequences: 40, length: 60, closely: 1, workers: 2 };
    contest.run(|| vec![Box::new(Provided::new("mutant", Shared(fault.clone()))) as Box<dyn Arena>])
}

/// The operations of the sequence that is left, by their names.
#[track_caller]
fn found<F: Faulty + Clone>(fault: &F) -> Vec<String> {
    let Err(found) = contest(fault) else { panic!("{fault:?} is not found") };
    let name = |operation: &Operation| {
        let text = format!("{operation:?}");
        text.split(|c: char| !c.is_alphanumeric()).next().unwrap_or_default().to_owned()
    };
    assert!(found.difference.contains("mutant"), "{found}");
    found.steps.iter().map(|step| name(&step.operation)).collect()
}

/// Cuts text at a NUL, as a store of C strings would.
#[derive(Debug, Clone)]
struct CutsAtNul;

#[async_trait]
impl Faulty for CutsAtNul {
    async fn get_many(&self, store: &MemoryStore, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        let mut rows = store.get_many(wanted).await?;
        for row in rows.iter_mut().flatten() {
            if let Some(cut) = row.content.as_str().find("\\u0000") {
                row.content = Content::from_canonical(&row.content.as_str()[..cut]);
            }
        }
        Ok(rows)
    }
}

/// Leaves the last of three sightings out.
#[derive(Debug, Clone)]
struct LosesTheThird;

#[async_trait]
impl Faulty for LosesTheThird {
    async fn sightings_page(
        &self,
        store: &MemoryStore,
        key: &NaturalKey,
        page: &PageRequest,
    ) -> Result<Page<Sighting>> {
        let mut found = store.sightings_page(key, page).await?;
        if found.items.len() == 3 {
            found.items.pop();
        }
        Ok(found)
    }
}

/// Answers a replay as if it were none.
#[derive(Debug, Clone)]
struct ForgetsThatItReplays;

#[async_trait]
impl Faulty for ForgetsThatItReplays {
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        Ok(IngestReport { replayed: false, ..store.ingest(batch).await? })
    }
}

/// Leaves observations out in which an item returned.
#[derive(Debug, Clone)]
struct LosesReturns;

#[async_trait]
impl Faulty for LosesReturns {
    async fn observations_page(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        page: &PageRequest,
    ) -> Result<Page<Observation>> {
        let mut found = store.observations_page(feed, page).await?;
        found.items.retain(|row| row.counts.returned == 0);
        Ok(found)
    }
}

/// Of a record that was deleted, tells what happened since then only.
#[derive(Debug, Clone)]
struct LosesThePast;

#[async_trait]
impl Faulty for LosesThePast {
    async fn changes_of(&self, store: &MemoryStore, record: RecordId) -> Result<Vec<Change>> {
        let mut found = store.changes_of(record).await?;
        let deleted = found.iter().rposition(|change| change.event.kind == ChangeKind::Deleted);
        found.drain(..deleted.unwrap_or(0));
        Ok(found)
    }
}

/// A handle that is opened after so many others finds nothing.
#[derive(Debug, Clone)]
struct Forgets;

#[async_trait]
impl Faulty for Forgets {
    fn opened(&self, place: &Place) -> Place {
        // The place itself, the contest and one handle hold it.
        if Place::strong_count(place) <= 1 { Place::clone(place) } else { Place::default() }
    }
}

#[test]
fn a_sound_store_is_not_accused() {
    assert!(contest(&Sound).is_ok());
}

#[test]
fn text_that_is_cut_is_found_by_one_write() {
    let steps = found(&CutsAtNul);
    assert_eq!(steps.len(), 1, "{steps:?}");
}

#[test]
fn a_lost_sighting_is_found_by_four_steps_at_most() {
    let steps = found(&LosesTheThird);
    assert!(steps.len() <= 4, "{steps:?}");
}

#[test]
fn a_replay_that_is_not_known_as_one_is_found_by_a_batch_and_its_replay() {
    assert_eq!(found(&ForgetsThatItReplays), ["Fetch", "Replay"]);
}

#[test]
fn a_fault_that_needs_a_history_is_found_by_that_history() {
    // Listed, pushed out by another, listed again.
    assert_eq!(found(&LosesReturns), ["Fetch", "Fetch", "Fetch"]);
}

#[test]
fn what_is_lost_by_a_delete_is_found_by_a_write_and_the_delete() {
    let steps = found(&LosesThePast);
    assert!(steps.len() == 2 && steps[1] == "Delete", "{steps:?}");
}

#[test]
fn a_second_handle_that_finds_nothing_is_found_by_what_the_first_wrote() {
    let steps = found(&Forgets);
    assert!(steps.len() <= 2, "{steps:?}");
}
