//! A memory store behind one that is narrower and less reliable.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};

use feedspine::core::{
    Applied, BackendInfo, Capabilities, Change, FeedCursor, FeedId, IngestBatch, IngestReport, Layer, MemoryStore,
    NaturalKey, Observation, Page, PageRequest, Quarantined, Query, Record, RecordId, RecordRef, RecordWrite, Result,
    Seen, Selection, Seq, Sighting, StorageBackend, StorageError, Timestamp, Version, VersionNo,
};

/// Takes ten items a batch, and fails in four ways when it is told to.
#[derive(Debug)]
pub(crate) struct Proxy {
    pub(crate) store: Arc<MemoryStore>,
    /// The next commit happens, and its answer is lost.
    pub(crate) lose_answer: AtomicBool,
    /// So many batches more find it away: nothing becomes of them.
    pub(crate) away: AtomicUsize,
    /// Another fetch is said to have come before the last part of each fetch that has several.
    pub(crate) supersede_last: AtomicBool,
    /// To look through the change log takes too long.
    pub(crate) has_a_long_log: AtomicBool,
}

impl Proxy {
    pub(crate) fn new(store: Arc<MemoryStore>) -> Arc<Self> {
        let never = || AtomicBool::new(false);
        let away = AtomicUsize::new(0);
        Arc::new(Self { store, lose_answer: never(), away, supersede_last: never(), has_a_long_log: never() })
    }
}

#[async_trait::async_trait]
impl StorageBackend for Proxy {
    fn info(&self) -> BackendInfo {
        let info = self.store.info();
        BackendInfo { capabilities: Capabilities { max_batch: 10, ..info.capabilities }, ..info }
    }

    async fn initialize(&self) -> Result<()> {
        self.store.initialize().await
    }

    async fn close(&self) -> Result<()> {
        self.store.close().await
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        assert!(batch.items.len() <= 10, "{} items in one batch", batch.items.len());
        if batch.part.index > 0 && batch.part.last && self.supersede_last.load(Ordering::SeqCst) {
            return Err(StorageError::conflict("another fetch was committed first").with_applied(Applied::No));
        }
        if self.away.try_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_ok() {
            return Err(StorageError::unavailable("the store is not reached").with_applied(Applied::No));
        }
        let report = self.store.ingest(batch).await?;
        if self.lose_answer.swap(false, Ordering::SeqCst) {
            return Err(StorageError::unavailable("the answer was lost").with_applied(Applied::Unknown));
        }
        Ok(report)
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        self.store.cursor(feed).await
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.store.put_many(writes).await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        self.store.get_many(wanted).await
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        self.store.delete_many(doomed, at).await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        self.store.query_page(query).await
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        self.store.count(selection).await
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        self.store.observe_many(seen).await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        self.store.sightings_page(key, page).await
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        self.store.seen_many(keys).await
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        self.store.versions_page(record, layer, page).await
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        self.store.observations_page(feed, page).await
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        self.store.rejects_page(feed, page).await
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        self.store.changes(after, limit).await
    }

    async fn changes_of(&self, record: RecordId) -> Result<Vec<Change>> {
        if self.has_a_long_log.load(Ordering::SeqCst) {
            return Err(StorageError::unavailable("the statement took too long"));
        }
        self.store.changes_of(record).await
    }
}
