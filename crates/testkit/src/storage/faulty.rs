//! A store in memory whose calls can be bent, one by one, and whose places can be opened again: what proves that a test
//! of stores finds faults.

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use super::StorageProvider;
use async_trait::async_trait;
use feedspine_core::transfer::Transfer;
use feedspine_core::{
    BackendInfo, Capabilities, Change, FeedCursor, FeedId, IngestBatch, IngestReport, Layer, MemoryStore, NaturalKey,
    Observation, Page, PageRequest, Quarantined, Query, Record, RecordId, RecordRef, RecordWrite, Result, Seen,
    Selection, Seq, Sighting, StorageBackend, StorageError, Timestamp, Version, VersionNo,
};

/// What a place holds: the tables that all its handles share.
pub type Place = Arc<MemoryStore>;

/// The calls of a backend, each of which a fault may bend; what is not bent is passed on.
#[async_trait]
pub trait Faulty: Debug + Send + Sync + 'static {
    /// What a place holds for a handle that is opened now.
    fn opened(&self, place: &Place) -> Place {
        Arc::clone(place)
    }

    /// Whether `close` is heard.
    fn closes(&self) -> bool {
        true
    }

    /// `ingest`
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        store.ingest(batch).await
    }

    /// `cursor`
    async fn cursor(&self, store: &MemoryStore, feed: FeedId) -> Result<Option<FeedCursor>> {
        store.cursor(feed).await
    }

    /// `put_many`
    async fn put_many(&self, store: &MemoryStore, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        store.put_many(writes).await
    }

    /// `get_many`
    async fn get_many(&self, store: &MemoryStore, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        store.get_many(wanted).await
    }

    /// `delete_many`
    async fn delete_many(&self, store: &MemoryStore, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        store.delete_many(doomed, at).await
    }

    /// `query_page`
    async fn query_page(&self, store: &MemoryStore, query: &Query) -> Result<Page<Record>> {
        store.query_page(query).await
    }

    /// `count`
    async fn count(&self, store: &MemoryStore, selection: &Selection) -> Result<u64> {
        store.count(selection).await
    }

    /// `observe_many`
    async fn observe_many(&self, store: &MemoryStore, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        store.observe_many(seen).await
    }

    /// `sightings_page`
    async fn sightings_page(
        &self,
        store: &MemoryStore,
        key: &NaturalKey,
        page: &PageRequest,
    ) -> Result<Page<Sighting>> {
        store.sightings_page(key, page).await
    }

    /// `seen_many`
    async fn seen_many(&self, store: &MemoryStore, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        store.seen_many(keys).await
    }

    /// `versions_page`
    async fn versions_page(
        &self,
        store: &MemoryStore,
        (record, layer): (RecordId, Layer),
        page: &PageRequest,
    ) -> Result<Page<Version>> {
        store.versions_page(record, layer, page).await
    }

    /// `observations_page`
    async fn observations_page(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        page: &PageRequest,
    ) -> Result<Page<Observation>> {
        store.observations_page(feed, page).await
    }

    /// `rejects_page`
    async fn rejects_page(&self, store: &MemoryStore, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        store.rejects_page(feed, page).await
    }

    /// `changes`
    async fn changes(&self, store: &MemoryStore, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        store.changes(after, limit).await
    }

    /// `changes_of`
    async fn changes_of(&self, store: &MemoryStore, record: RecordId) -> Result<Vec<Change>> {
        store.changes_of(record).await
    }
}

/// No fault at all.
#[derive(Debug, Clone)]
pub struct Sound;

impl Faulty for Sound {}

/// Provides stores with that fault, at places that outlive their handles.
#[derive(Debug)]
pub struct Shared<F>(pub F);

#[async_trait]
impl<F: Faulty + Clone> StorageProvider for Shared<F> {
    type Place = Place;

    async fn place(&self) -> Result<Place> {
        let store = MemoryStore::new();
        store.initialize().await?;
        Ok(Arc::new(store))
    }

    async fn open(&self, place: &Place) -> Result<Arc<dyn StorageBackend>> {
        let fault = self.0.clone();
        let store = fault.opened(place);
        Ok(Arc::new(Handle { store, fault, open: AtomicBool::new(false) }))
    }
}

/// One handle of a place: it is open or closed for itself.
#[derive(Debug)]
struct Handle<F> {
    store: Place,
    fault: F,
    open: AtomicBool,
}

impl<F: Faulty> Handle<F> {
    fn store(&self) -> Result<&MemoryStore> {
        if self.open.load(Ordering::Acquire) {
            Ok(&self.store)
        } else {
            Err(StorageError::closed("this handle is not open"))
        }
    }
}

#[async_trait]
impl<F: Faulty> StorageBackend for Handle<F> {
    fn info(&self) -> BackendInfo {
        let capabilities = Capabilities { durable: true, multi_process: true, ..self.store.info().capabilities };
        BackendInfo { name: "mutant".into(), capabilities, ..self.store.info() }
    }

    async fn initialize(&self) -> Result<()> {
        self.store.initialize().await?;
        self.open.store(true, Ordering::Release);
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.open.store(!self.fault.closes(), Ordering::Release);
        Ok(())
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        self.fault.ingest(self.store()?, batch).await
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        self.fault.cursor(self.store()?, feed).await
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.fault.put_many(self.store()?, writes).await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        self.fault.get_many(self.store()?, wanted).await
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        self.fault.delete_many(self.store()?, doomed, at).await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        self.fault.query_page(self.store()?, query).await
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        self.fault.count(self.store()?, selection).await
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        self.fault.observe_many(self.store()?, seen).await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        self.fault.sightings_page(self.store()?, key, page).await
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        self.fault.seen_many(self.store()?, keys).await
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        self.fault.versions_page(self.store()?, (record, layer), page).await
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        self.fault.observations_page(self.store()?, feed, page).await
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        self.fault.rejects_page(self.store()?, feed, page).await
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        self.fault.changes(self.store()?, after, limit).await
    }

    async fn changes_of(&self, record: RecordId) -> Result<Vec<Change>> {
        self.fault.changes_of(self.store()?, record).await
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        self.store().ok().and_then(StorageBackend::transfer)
    }
}
