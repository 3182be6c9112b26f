//! Faults of whoever stores the two ends of a fetch.

use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{
    CaptureStore as _, Conclude, Conclusion, ErrorKind, FeedId, FetchDetail, FetchId, FetchIntent, FetchStatus,
    IngestReport, Joint as _, Landing, MemoryStore, Outset, PageRequest, Result, Slot, StateStore as _,
    StorageBackend as _, StorageError, Timestamp,
};

use super::{Faulty, turns_red};

/// Turns are taken whoever filled them.
#[derive(Debug, Clone)]
struct TakesEveryTurn;

#[async_trait]
impl Faulty for TakesEveryTurn {
    async fn begin_turn(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        _: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        store.begin_turn(feed, fetch, started_at, None).await
    }
}

#[test]
fn a_turn_is_taken_twice() {
    turns_red(&TakesEveryTurn, "joint::a_turn_fills_its_slot_once");
}

/// Feeds are asked though they are paused.
#[derive(Debug, Clone)]
struct BeginsWhateverTheStatus;

#[async_trait]
impl Faulty for BeginsWhateverTheStatus {
    async fn begin_turn(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        let outset = store.begin_turn(feed, fetch, started_at, slot).await?;
        if outset.is_none() {
            store.begin_fetch(&FetchIntent { fetch, feed, started_at, address: String::new() }, slot).await?;
        }
        Ok(outset)
    }
}

#[test]
fn a_feed_that_is_paused_is_asked() {
    turns_red(&BeginsWhateverTheStatus, "joint::a_feed_that_is_not_polled_begins_no_turn");
}

/// What the last fetch counted is told, though it read nothing anew.
#[derive(Debug, Clone)]
struct TellsOfTheLastFetch;

#[async_trait]
impl Faulty for TellsOfTheLastFetch {
    async fn begin_turn(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        let outset = store.begin_turn(feed, fetch, started_at, slot).await?;
        let told = store.observations_page(feed, &PageRequest::first(100)).await?.items.pop().map(|last| last.counts);
        Ok(outset.map(|outset| Outset { told, ..outset }))
    }
}

#[test]
fn what_was_counted_is_told_of_another_fetch() {
    turns_red(&TellsOfTheLastFetch, "joint::a_turn_begins_with_what_is_known_of_the_feed");
}

/// The time at which the turn began is lost.
#[derive(Debug, Clone)]
struct InterruptsAtNoTime;

#[async_trait]
impl Faulty for InterruptsAtNoTime {
    async fn begin_turn(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        fetch: FetchId,
        _: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        store.begin_turn(feed, fetch, Timestamp::UNIX_EPOCH, slot).await
    }
}

#[test]
fn a_fetch_was_interrupted_before_it_began() {
    turns_red(&InterruptsAtNoTime, "joint::a_turn_interrupts_the_fetch_before");
}

/// The cursor is asked for when the fetch has begun.
#[derive(Debug, Clone)]
struct AsksAfterwards;

#[async_trait]
impl Faulty for AsksAfterwards {
    async fn begin_turn(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        let outset = store.begin_turn(feed, fetch, started_at, slot).await?;
        tokio::time::sleep(std::time::Duration::from_millis(5)).await;
        let cursor = store.cursor(feed).await?;
        Ok(outset.map(|outset| Outset { cursor, ..outset }))
    }
}

#[test]
fn a_cursor_is_from_after_the_removal() {
    turns_red(&AsksAfterwards, "joint::a_turn_is_of_one_moment");
}

/// A fetch that is known is no fetch of anybody.
#[derive(Debug, Clone)]
struct KnowsItAlready;

#[async_trait]
impl Faulty for KnowsItAlready {
    async fn begin_turn(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        match store.begin_turn(feed, fetch, started_at, slot).await {
            Err(error) if error.kind() == ErrorKind::Conflict && slot.is_none() => Ok(None),
            answer => answer,
        }
    }
}

#[test]
fn whoever_begins_twice_hears_nothing() {
    turns_red(&KnowsItAlready, "joint::a_known_fetch_begins_no_turn");
}

/// Two units of work, the batch first.
#[derive(Debug, Clone)]
struct BatchFirst;

#[async_trait]
impl Faulty for BatchFirst {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        let fetch = landing.batch.fetch;
        let report = store.ingest(landing.batch).await?;
        let Conclusion { detail, schedule } = conclude(&report);
        store.finish_fetch(fetch, &detail, schedule.as_ref()).await?;
        Ok(report)
    }
}

#[test]
fn a_batch_is_stored_whatever_becomes_of_the_end() {
    turns_red(&BatchFirst, "joint::an_end_that_is_refused_stores_no_batch");
}

/// Two units of work, the end first.
#[derive(Debug, Clone)]
struct EndFirst;

#[async_trait]
impl Faulty for EndFirst {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        let Conclusion { detail, schedule } = conclude(&IngestReport::default());
        store.finish_fetch(landing.batch.fetch, &detail, schedule.as_ref()).await?;
        store.ingest(landing.batch).await
    }
}

#[test]
fn a_fetch_ends_whatever_becomes_of_its_batch() {
    turns_red(&EndFirst, "joint::a_batch_that_is_refused_ends_no_fetch");
    turns_red(&EndFirst, "joint::an_interrupted_fetch_concludes_nothing");
}

/// A batch that was taken before ends no fetch.
#[derive(Debug, Clone)]
struct RepliesOnly;

#[async_trait]
impl Faulty for RepliesOnly {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        if store.observation(landing.batch.feed, landing.batch.fetch).await?.is_some() {
            return store.ingest(landing.batch).await;
        }
        store.land(landing, conclude).await
    }
}

#[test]
fn a_batch_that_comes_again_leaves_its_fetch_running() {
    turns_red(&RepliesOnly, "joint::a_batch_that_was_taken_is_answered_again_with_its_end");
}

/// The schedule stays as it is.
#[derive(Debug, Clone)]
struct LeavesTheSchedule;

#[async_trait]
impl Faulty for LeavesTheSchedule {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        let still = move |report: &IngestReport| Conclusion { schedule: None, ..conclude(report) };
        store.land(landing, Arc::new(still)).await
    }
}

#[test]
fn the_feed_stays_due() {
    turns_red(&LeavesTheSchedule, "joint::a_last_batch_and_the_end_are_stored");
}

/// The status alone is kept.
#[derive(Debug, Clone)]
struct ForgetsTheDetail;

#[async_trait]
impl Faulty for ForgetsTheDetail {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        let bare = move |report: &IngestReport| {
            let told = conclude(report);
            let bare = FetchDetail::interrupted(told.detail.finished_at);
            Conclusion { detail: FetchDetail { status: FetchStatus::Unchanged, ..bare }, ..told }
        };
        store.land(landing, Arc::new(bare)).await
    }
}

#[test]
fn what_came_of_the_fetch_is_lost() {
    turns_red(&ForgetsTheDetail, "joint::a_last_batch_and_the_end_are_stored");
}

/// What is written down of the end is asked for before anything is stored.
#[derive(Debug, Clone)]
struct ConcludesBeforehand;

#[async_trait]
impl Faulty for ConcludesBeforehand {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        let conclusion = conclude(&IngestReport::default());
        store.land(landing, Arc::new(move |_| conclusion.clone())).await
    }
}

#[test]
fn a_feed_is_scheduled_by_what_was_never_counted() {
    turns_red(&ConcludesBeforehand, "joint::an_end_is_decided_by_what_the_batch_did");
}

/// The first rule that is chosen is not held.
#[derive(Debug, Clone)]
struct SettlesNothing;

#[async_trait]
impl Faulty for SettlesNothing {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        store.land(Landing { key_rule: None, ..landing }, conclude).await
    }
}

#[test]
fn a_key_rule_is_chosen_twice() {
    turns_red(&SettlesNothing, "joint::a_first_document_lands_whole");
    turns_red(&SettlesNothing, "joint::a_document_that_was_keyed_otherwise_lands_not_at_all");
}

/// Bodies come later, if they come.
#[derive(Debug, Clone)]
struct KeepsAfterwards;

#[async_trait]
impl Faulty for KeepsAfterwards {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        let report = store.land(Landing { capture: None, ..landing.clone() }, conclude).await?;
        if let Some((capture, body)) = landing.capture {
            store.keep(capture, body).await?;
        }
        Ok(report)
    }
}

#[test]
fn items_are_there_whose_body_is_not() {
    turns_red(&KeepsAfterwards, "joint::a_document_whose_body_is_refused_lands_not_at_all");
}

/// Bodies are kept whatever becomes of their items.
#[derive(Debug, Clone)]
struct KeepsBeforehand;

#[async_trait]
impl Faulty for KeepsBeforehand {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        if let Some((capture, body)) = landing.capture.clone() {
            store.keep(capture, body).await?;
        }
        store.land(Landing { capture: None, ..landing }, conclude).await
    }
}

#[test]
fn a_body_is_there_whose_items_are_not() {
    turns_red(&KeepsBeforehand, "joint::a_document_that_was_keyed_otherwise_lands_not_at_all");
}

/// Bodies are kept for the batch's fetch, whichever they are of.
#[derive(Debug, Clone)]
struct TakesAnyBody;

#[async_trait]
impl Faulty for TakesAnyBody {
    async fn land(&self, store: &MemoryStore, mut landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        if let Some((capture, _)) = &mut landing.capture {
            (capture.name.feed, capture.name.fetch) = (landing.batch.feed, landing.batch.fetch);
        }
        store.land(landing, conclude).await
    }
}

#[test]
fn a_body_is_taken_for_that_of_another_fetch() {
    turns_red(&TakesAnyBody, "joint::a_body_of_another_fetch_lands_not_at_all");
}

/// A fetch that was never begun is looked for before everything else.
#[derive(Debug, Clone)]
struct LooksForTheFetchFirst;

#[async_trait]
impl Faulty for LooksForTheFetchFirst {
    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        let begun = store.fetches_page(landing.batch.feed, &PageRequest::first(100)).await?.items;
        if begun.iter().all(|fetch| fetch.intent.fetch != landing.batch.fetch) {
            return Err(StorageError::invalid("the fetch was never begun"));
        }
        store.land(landing, conclude).await
    }
}

#[test]
fn what_is_refused_is_told_in_an_order_of_its_own() {
    turns_red(&LooksForTheFetchFirst, "joint::what_is_refused_first_is_told");
}
