//! Faults of whoever stores a last batch and the end of its fetch.

use async_trait::async_trait;
use feedspine_core::{
    Conclude as _, FetchDetail, FetchStatus, IngestBatch, IngestReport, MemoryStore, Result, Schedule, StateStore as _,
    StorageBackend as _,
};

use super::{Faulty, turns_red};

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
    turns_red(&BatchFirst, "conclude::an_end_that_is_refused_stores_no_batch");
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
    turns_red(&EndFirst, "conclude::a_batch_that_is_refused_ends_no_fetch");
    turns_red(&EndFirst, "conclude::an_interrupted_fetch_concludes_nothing");
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
    turns_red(&RepliesOnly, "conclude::a_batch_that_was_taken_is_answered_again_with_its_end");
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
    turns_red(&LeavesTheSchedule, "conclude::a_last_batch_and_the_end_are_stored");
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
    turns_red(&ForgetsTheDetail, "conclude::a_last_batch_and_the_end_are_stored");
}
