//! A storage backend over [redb], an embedded key-value store: written against the public API of `feedspine-core` alone,
//! as a third party would, to be read beside `docs/guides/custom-storage.md` and copied.
//!
//! Every call is one redb transaction on a thread that may block. redb orders writers, in this process and in others,
//! and syncs each commit to disk; readers see the snapshot that they began with.
//!
//! It is written to be read. A query with an order of its own, a count and a list of sightings read all the rows that
//! they are about; a store for millions of records would keep more indexes.

mod error;
mod ingest;
mod query;
mod schema;
mod table;
mod transfer;
mod write;

use std::num::NonZeroUsize;
use std::path::PathBuf;
use std::sync::{Arc, PoisonError, RwLock};

use async_trait::async_trait;
use feedspine_core::ingest::Prepared;
use feedspine_core::transfer::{Export, Progress, Row, Transfer, broke_off, import_unfinished};
use feedspine_core::{
    Applied, BackendInfo, Capabilities, Change, FeedCursor, FeedId, FetchId, IngestBatch, IngestReport, Layer,
    NaturalKey, Observation, Page, PageRequest, Quarantined, Query, Record, RecordId, RecordRef, RecordWrite, Result,
    Seen, Selection, Seq, Sighting, StorageBackend, StorageError, Timestamp, Version, VersionNo,
};
use redb::{ConcurrencyMode, Database, ReadTransaction, ReadableDatabase, WriteTransaction};

use tokio::sync::{mpsc, oneshot};

use crate::error::fault;
use crate::schema::{FEEDS, IMPORTING, LEDGER, REJECTS, VERSIONS};

const CAPABILITIES: Capabilities = Capabilities { durable: true, multi_process: true, max_batch: 10_000 };

/// A store in one redb file.
#[derive(Debug, Clone)]
pub struct RedbStore {
    path: PathBuf,
    /// `None` before `initialize` and after `close`. Each call holds the lock shared for as long as it runs.
    database: Arc<RwLock<Option<Database>>>,
}

impl RedbStore {
    /// The store in that file, which `initialize` opens or creates.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), database: Arc::default() }
    }

    /// Runs `ask` on a snapshot; not while an import is unfinished.
    async fn read<T: Send + 'static>(
        &self,
        ask: impl FnOnce(&ReadTransaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.with_database(|database| {
            let tx = database.begin_read().map_err(fault)?;
            if IMPORTING.get(&tx, ())?.is_some() { Err(import_unfinished()) } else { ask(&tx) }
        })
        .await
    }

    /// Runs `work` in a transaction of its own; not while an import is unfinished.
    async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.transact(|tx| if IMPORTING.get(tx, ())?.is_some() { Err(import_unfinished()) } else { work(tx) }).await
    }

    /// Runs `work` in a transaction of its own: committed when it works, undone when it fails.
    async fn transact<T: Send + 'static>(
        &self,
        work: impl FnOnce(&WriteTransaction) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        self.with_database(|database| {
            let tx = database.begin_write().map_err(fault)?;
            let answer = work(&tx)?;
            // Whether a commit that fails is on disk nobody knows.
            tx.commit().map_err(|error| fault(error).with_applied(Applied::Unknown))?;
            Ok(answer)
        })
        .await
    }

    /// A caller that drops its future stops waiting; the work goes on to its end.
    async fn with_database<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Database) -> Result<T> + Send + 'static,
    ) -> Result<T> {
        let database = Arc::clone(&self.database);
        blocking(move || {
            let open = database.read().unwrap_or_else(PoisonError::into_inner);
            let closed = || StorageError::closed("the redb store is not open").with_hint("call initialize() first");
            work(open.as_ref().ok_or_else(closed)?)
        })
        .await
    }
}

/// Runs work that blocks off the threads that drive futures.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    tokio::task::spawn_blocking(work).await.unwrap_or_else(|panicked| {
        Err(StorageError::internal("a storage call panicked").with_applied(Applied::Unknown).with_source(panicked))
    })
}

#[async_trait]
impl StorageBackend for RedbStore {
    fn info(&self) -> BackendInfo {
        let (name, schema_version) = ("redb".to_owned(), schema::SCHEMA_VERSION);
        BackendInfo { name, schema_version, capabilities: CAPABILITIES }
    }

    async fn initialize(&self) -> Result<()> {
        let (path, database) = (self.path.clone(), Arc::clone(&self.database));
        blocking(move || {
            let mut open = database.write().unwrap_or_else(PoisonError::into_inner);
            if open.is_none() {
                let mut builder = Database::builder();
                let database =
                    builder.set_concurrency_mode(ConcurrencyMode::MultiWriter).create(path).map_err(fault)?;
                let tx = database.begin_write().map_err(fault)?;
                schema::create_or_check(&tx)?;
                tx.commit().map_err(fault)?;
                *open = Some(database);
            }
            Ok(())
        })
        .await
    }

    async fn close(&self) -> Result<()> {
        let database = Arc::clone(&self.database);
        blocking(move || {
            // The lock is given when the calls that are running have ended.
            let open = database.write().unwrap_or_else(PoisonError::into_inner).take();
            open.map_or(Ok(()), |database| database.close().map_err(fault))
        })
        .await
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        CAPABILITIES.check_size(&batch)?;
        let prepared = Prepared::new(batch)?;
        self.write(move |tx| ingest::ingest(tx, &prepared)).await
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        self.read(move |tx| FEEDS.get(tx, *feed.as_bytes())?.unwrap_or_default().to_cursor()).await
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.write(|tx| writes.into_iter().map(|record| write::put(tx, record)).collect()).await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        let wanted = wanted.to_vec();
        self.read(move |tx| wanted.iter().map(|wanted| query::get(tx, wanted)).collect()).await
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        let doomed = doomed.to_vec();
        self.write(move |tx| doomed.iter().map(|doomed| write::delete(tx, doomed, at)).collect()).await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        let query = query.clone();
        self.read(move |tx| query::query_page(tx, &query)).await
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        let selection = selection.clone();
        self.read(move |tx| query::count(tx, &selection)).await
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        self.write(move |tx| seen.iter().map(|sighting| write::observe(tx, sighting)).collect()).await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        let (key, page) = (key.clone(), page.clone());
        self.read(move |tx| page.cut_sightings(&key, query::sightings(tx, &key)?)).await
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        let keys = keys.to_vec();
        self.read(move |tx| keys.iter().map(|key| Ok(Seen::of(&query::sightings(tx, key)?))).collect()).await
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        let page = page.clone();
        let stored = self.read(move |tx| VERSIONS.page(tx, (*record.as_bytes(), layer.rank()), &page)).await?;
        Ok(stored.map(|stored| stored.version))
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        let page = page.clone();
        let rows = self.read(move |tx| LEDGER.page(tx, *feed.as_bytes(), &page)).await?;
        Ok(rows.map(|row| row.observation))
    }

    async fn observation(&self, feed: FeedId, fetch: FetchId) -> Result<Option<Observation>> {
        self.read(move |tx| {
            Ok(ingest::ledger_row(tx, *feed.as_bytes(), *fetch.as_bytes())?.map(|(_, row)| row.observation))
        })
        .await
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        let page = page.clone();
        self.read(move |tx| REJECTS.page(tx, *feed.as_bytes(), &page)).await
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let after = after.clone();
        self.read(move |tx| query::changes(tx, &after, limit)).await
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        Some(self)
    }
}

#[async_trait]
impl Transfer for RedbStore {
    async fn export(&self) -> Result<Box<dyn Export>> {
        // The snapshot is taken here and now; what is read of it goes out as fast as it is taken.
        let (sender, batches) = mpsc::channel(2);
        let (begun, is_begun) = oneshot::channel();
        let store = self.clone();
        tokio::spawn(async move {
            let sent = sender.clone();
            let read = store.read(move |tx| {
                let _gone = begun.send(());
                let gone = |_| StorageError::closed("nobody reads the export any more");
                transfer::export(tx, &mut |rows| sent.blocking_send(Ok(rows)).map_err(gone))
            });
            if let Err(error) = read.await {
                let _gone = sender.send(Err(error)).await;
            }
        });
        let mut exported = Exported { batches };
        if is_begun.await.is_err() {
            // It could not begin, and this is why.
            exported.next().await?;
        }
        Ok(Box::new(exported))
    }

    async fn begin_import(&self) -> Result<Option<Progress>> {
        self.transact(transfer::begin).await
    }

    async fn import(&self, rows: Vec<Row>, progress: Progress) -> Result<()> {
        self.transact(move |tx| transfer::import(tx, rows, progress)).await
    }

    async fn finish_import(&self) -> Result<()> {
        self.transact(transfer::finish).await
    }
}

/// An export under way.
#[derive(Debug)]
struct Exported {
    batches: mpsc::Receiver<Result<Vec<Row>>>,
}

#[async_trait]
impl Export for Exported {
    async fn next(&mut self) -> Result<Vec<Row>> {
        self.batches.recv().await.unwrap_or_else(|| Err(broke_off()))
    }
}
