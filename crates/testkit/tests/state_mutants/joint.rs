//! Faults of whoever stores the two ends of a fetch.

use async_trait::async_trait;
use feedspine_core::{
    ErrorKind, FeedId, FetchDetail, FetchId, FetchIntent, FetchStatus, IngestBatch, IngestReport, Joint as _,
    MemoryStore, Outset, PageRequest, Result, Schedule, Slot, StateStore as _, StorageBackend as _, Timestamp,
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
    async fn ingest_and_finish(
        &self,
        store: &MemoryStore,
        batch: IngestBatch,
        detail: &FetchDetail,
        schedule: Option<&Schedule>,
    ) -> Result<IngestReport> {
        let fetch = batch.fetch;
        let report = store.ingest(batch).await?;
        store.finish_fetch(fetch, detail, schedule).await?;
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
    async fn ingest_and_finish(
        &self,
        store: &MemoryStore,
        batch: IngestBatch,
        detail: &FetchDetail,
        schedule: Option<&Schedule>,
    ) -> Result<IngestReport> {
        store.finish_fetch(batch.fetch, detail, schedule).await?;
        store.ingest(batch).await
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
    async fn ingest_and_finish(
        &self,
        store: &MemoryStore,
        batch: IngestBatch,
        detail: &FetchDetail,
        schedule: Option<&Schedule>,
    ) -> Result<IngestReport> {
        if store.observation(batch.feed, batch.fetch).await?.is_some() {
            return store.ingest(batch).await;
        }
        store.ingest_and_finish(batch, detail, schedule).await
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
    async fn ingest_and_finish(
        &self,
        store: &MemoryStore,
        batch: IngestBatch,
        detail: &FetchDetail,
        _: Option<&Schedule>,
    ) -> Result<IngestReport> {
        store.ingest_and_finish(batch, detail, None).await
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
    async fn ingest_and_finish(
        &self,
        store: &MemoryStore,
        batch: IngestBatch,
        detail: &FetchDetail,
        schedule: Option<&Schedule>,
    ) -> Result<IngestReport> {
        let bare = FetchDetail { status: FetchStatus::Unchanged, ..FetchDetail::interrupted(detail.finished_at) };
        store.ingest_and_finish(batch, &bare, schedule).await
    }
}

#[test]
fn what_came_of_the_fetch_is_lost() {
    turns_red(&ForgetsTheDetail, "joint::a_last_batch_and_the_end_are_stored");
}
