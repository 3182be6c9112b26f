//! The memory backend: the contract in its plainest form, and the store for tests and throw-away runs.

mod captures;
mod ingest;
mod read;
mod state;
mod tables;
mod transfer;
mod write;

use std::num::NonZeroUsize;
use std::sync::{Mutex, MutexGuard, TryLockError};

use async_trait::async_trait;

use crate::ingest::{FeedCursor, IngestBatch, IngestReport, Observation, Prepared};
use crate::transfer::{Transfer, import_unfinished};
use crate::{
    BackendInfo, Capabilities, Change, FeedId, FetchId, Layer, NaturalKey, Page, PageRequest, Quarantined, Query,
    Record, RecordId, RecordRef, RecordWrite, Result, Seen, Selection, Seq, Sighting, StorageBackend, StorageError,
    Timestamp, Version, VersionNo,
};
use tables::Tables;

const CAPABILITIES: Capabilities = Capabilities { durable: false, multi_process: false, max_batch: 100_000 };

/// A unit of work is mostly done before a thread would have been put to sleep and woken again: so a thread asks so many times
/// whether it is its turn before it sleeps, with so many pauses of the processor in between.
const TRIES: usize = 100;
const PAUSES: usize = 20;

/// Keeps everything in this process, behind one lock.
#[derive(Debug, Default)]
pub struct MemoryStore {
    tables: Mutex<Tables>,
}

impl MemoryStore {
    /// An empty store, not yet initialised.
    pub fn new() -> Self {
        Self::default()
    }

    /// The tables, once initialised, and while nothing is imported. Each call holds the lock for its whole unit of work,
    /// and never across an await.
    fn open(&self) -> Result<MutexGuard<'_, Tables>> {
        let tables = self.control()?;
        if tables.importing.is_some() { Err(import_unfinished()) } else { Ok(tables) }
    }

    /// The same for the control plane and for imports.
    fn control(&self) -> Result<MutexGuard<'_, Tables>> {
        let tables = self.lock();
        if tables.open {
            Ok(tables)
        } else {
            Err(StorageError::closed("the memory store is not open").with_hint("call initialize() first"))
        }
    }

    /// A panic in another thread cannot leave half a unit of work: plans are made before anything is written.
    fn lock(&self) -> MutexGuard<'_, Tables> {
        for _ in 0..TRIES {
            match self.tables.try_lock() {
                Ok(tables) => return tables,
                Err(TryLockError::Poisoned(poisoned)) => return poisoned.into_inner(),
                Err(TryLockError::WouldBlock) => (0..PAUSES).for_each(|_| std::hint::spin_loop()),
            }
        }
        self.tables.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
    }
}

#[async_trait]
impl StorageBackend for MemoryStore {
    fn info(&self) -> BackendInfo {
        BackendInfo { name: "memory".into(), schema_version: 1, capabilities: CAPABILITIES }
    }

    async fn initialize(&self) -> Result<()> {
        self.lock().open = true;
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        self.lock().open = false;
        Ok(())
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        CAPABILITIES.check_size(&batch)?;
        let prepared = Prepared::new(batch)?;
        self.open()?.ingest(&prepared)
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        self.open()?.feeds.get(&feed).map_or(Ok(None), |feed| feed.state.to_cursor())
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.open()?.put_many(writes)
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        let tables = self.open()?;
        Ok(wanted.iter().map(|wanted| tables.get(wanted)).collect())
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        let mut tables = self.open()?;
        Ok(doomed.iter().map(|doomed| tables.delete(doomed, at)).collect())
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        self.open()?.query_page(query)
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        self.open()?.count(selection)
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        let mut tables = self.open()?;
        Ok(seen.iter().map(|sighting| tables.observe(sighting)).collect())
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        self.open()?.sightings_page(key, page)
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        let tables = self.open()?;
        Ok(keys.iter().map(|key| tables.seen(key)).collect())
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        self.open()?.versions_page(record, layer, page)
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        self.open()?.observations_page(feed, page)
    }

    async fn observation(&self, feed: FeedId, fetch: FetchId) -> Result<Option<Observation>> {
        Ok(self.open()?.observation(feed, fetch))
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        self.open()?.rejects_page(feed, page)
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        self.open()?.changes(after, limit)
    }

    async fn changes_of(&self, record: RecordId) -> Result<Vec<Change>> {
        Ok(self.open()?.changes_of(record))
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        Some(self)
    }
}
