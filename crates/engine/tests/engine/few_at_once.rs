//! A memory store that takes ten items a batch.

use std::num::NonZeroUsize;
use std::sync::Arc;

use feedspine::core::{
    BackendInfo, Capabilities, Change, FeedCursor, FeedId, IngestBatch, IngestReport, Layer, MemoryStore, NaturalKey,
    Observation, Page, PageRequest, Quarantined, Query, Record, RecordId, RecordRef, RecordWrite, Result, Seen,
    Selection, Seq, Sighting, StorageBackend, Timestamp, Version, VersionNo,
};

#[derive(Debug)]
pub(crate) struct FewAtOnce(pub(crate) Arc<MemoryStore>);

#[async_trait::async_trait]
impl StorageBackend for FewAtOnce {
    fn info(&self) -> BackendInfo {
        let info = self.0.info();
        BackendInfo { capabilities: Capabilities { max_batch: 10, ..info.capabilities }, ..info }
    }

    async fn initialize(&self) -> Result<()> {
        self.0.initialize().await
    }

    async fn close(&self) -> Result<()> {
        self.0.close().await
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        assert!(batch.items.len() <= 10, "{} items in one batch", batch.items.len());
        self.0.ingest(batch).await
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        self.0.cursor(feed).await
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.0.put_many(writes).await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        self.0.get_many(wanted).await
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        self.0.delete_many(doomed, at).await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        self.0.query_page(query).await
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        self.0.count(selection).await
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        self.0.observe_many(seen).await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        self.0.sightings_page(key, page).await
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        self.0.seen_many(keys).await
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        self.0.versions_page(record, layer, page).await
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        self.0.observations_page(feed, page).await
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        self.0.rejects_page(feed, page).await
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        self.0.changes(after, limit).await
    }
}
