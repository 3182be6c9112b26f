//! [`DuckDbStore`]: the storage contract over one file.

use std::fmt;
use std::num::NonZeroUsize;
use std::path::{Path, PathBuf};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use async_trait::async_trait;
use feedspine_core::ingest::{FeedCursor, IngestBatch, IngestReport, Observation, Prepared};
use feedspine_core::transfer::{Export, Progress, Row, Transfer};
use feedspine_core::{
    AskSql, BackendInfo, Capabilities, Care, Change, FeedId, FetchId, Layer, NaturalKey, Page, PageRequest,
    Quarantined, Query, Record, RecordId, RecordRef, RecordWrite, Result, Seen, Selection, Seq, Sighting, SqlAnswer,
    StorageBackend, StorageError, Timestamp, Version, VersionNo,
};

use crate::connect::Claimed;
use crate::error::Fault;
use crate::export::Reading;
use crate::session::{Session, closed};
use crate::{history, import, ingest, ledger, query, schema, sightings, sql, write};

const CAPABILITIES: Capabilities = Capabilities { durable: true, multi_process: false, max_batch: 100_000 };

/// A store in one DuckDB file, with its log `.wal` beside it while it is open.
///
/// ```no_run
/// # async fn example() -> feedspine_core::Result<()> {
/// use feedspine_core::StorageBackend;
/// use feedspine_duckdb::DuckDbStore;
///
/// let store = DuckDbStore::new("feeds.duckdb");
/// store.initialize().await?;
/// # Ok(()) }
/// ```
pub struct DuckDbStore {
    path: PathBuf,
    open: Mutex<Option<Arc<Session>>>,
    /// Held while the store is opened or closed.
    turning: tokio::sync::Mutex<()>,
}

impl fmt::Debug for DuckDbStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DuckDbStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl DuckDbStore {
    /// The store in that file, not yet opened; `initialize` makes it when there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self { path: path.into(), open: Mutex::default(), turning: tokio::sync::Mutex::default() }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Session>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(crate) fn session(&self) -> Result<Arc<Session>> {
        self.slot().clone().ok_or_else(closed)
    }

    /// An error of opening, which must name the file.
    pub(crate) fn named(&self, fault: Fault) -> StorageError {
        let error = fault.into_error();
        let (text, path) = (error.to_string(), self.path.display().to_string());
        if text.contains(&path) {
            return error;
        }
        let named = StorageError::new(error.kind(), format!("{path}: {text}"));
        let named = match error.hint() {
            Some(hint) => named.with_hint(hint),
            None => named,
        };
        named.with_source(error)
    }
}

#[async_trait]
impl StorageBackend for DuckDbStore {
    fn info(&self) -> BackendInfo {
        BackendInfo { name: "duckdb".into(), schema_version: schema::SCHEMA_VERSION, capabilities: CAPABILITIES }
    }

    async fn initialize(&self) -> Result<()> {
        let _turn = self.turning.lock().await;
        if self.slot().is_some() {
            return Ok(());
        }
        let path = self.path.clone();
        let opened = tokio::task::spawn_blocking(move || Claimed::open(&path).and_then(Session::new)).await;
        let session = opened
            .map_err(|error| StorageError::internal("opening the store panicked").with_source(error))?
            .map_err(|fault| self.named(fault))?;
        *self.slot() = Some(Arc::new(session));
        Ok(())
    }

    async fn close(&self) -> Result<()> {
        let _turn = self.turning.lock().await;
        let open = self.slot().take();
        match open {
            Some(session) => session.close().await,
            None => Ok(()),
        }
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        CAPABILITIES.check_size(&batch)?;
        let session = self.session()?;
        let prepared = Prepared::new(batch)?;
        session.write(move |conn| ingest::ingest(conn, &prepared)).await
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        let question = move |conn: &_| Ok(ledger::feed(conn, feed)?.unwrap_or_default().to_cursor()?);
        self.session()?.read(question).await
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.session()?.write(move |conn| write::put_many(conn, writes)).await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        let wanted = wanted.to_vec();
        self.session()?.read(move |conn| query::get_many(conn, &wanted)).await
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        let doomed = doomed.to_vec();
        let delete = move |conn: &_| doomed.iter().map(|doomed| write::delete(conn, doomed, at)).collect();
        self.session()?.write(delete).await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        let query = query.clone();
        self.session()?.read(move |conn| query::query_page(conn, &query)).await
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        let selection = selection.clone();
        self.session()?.read(move |conn| query::count(conn, &selection)).await
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        self.session()?.write(move |conn| write::observe_many(conn, &seen)).await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        let (key, page) = (key.clone(), page.clone());
        self.session()?.read(move |conn| sightings::sightings_page(conn, &key, &page)).await
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        let keys = keys.to_vec();
        self.session()?.read(move |conn| sightings::seen_many(conn, &keys)).await
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        let page = page.clone();
        self.session()?.read(move |conn| history::versions_page(conn, record, layer, &page)).await
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        let page = page.clone();
        self.session()?.read(move |conn| history::observations_page(conn, feed, &page)).await
    }

    async fn observation(&self, feed: FeedId, fetch: FetchId) -> Result<Option<Observation>> {
        self.session()?.read(move |conn| history::observation(conn, feed, fetch)).await
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        let page = page.clone();
        self.session()?.read(move |conn| history::rejects_page(conn, feed, &page)).await
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let after = after.clone();
        self.session()?.read(move |conn| history::changes(conn, &after, limit)).await
    }

    async fn changes_of(&self, record: RecordId) -> Result<Vec<Change>> {
        self.session()?.read(move |conn| history::changes_of(conn, record)).await
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        Some(self)
    }

    fn care(&self) -> Option<&dyn Care> {
        Some(self)
    }

    fn sql(&self) -> Option<&dyn AskSql> {
        Some(self)
    }
}

#[async_trait]
impl Transfer for DuckDbStore {
    async fn export(&self) -> Result<Box<dyn Export>> {
        Ok(Box::new(Reading::begin(self.session()?.another()?).await?))
    }

    async fn begin_import(&self) -> Result<Option<Progress>> {
        self.session()?.begin_import().await
    }

    async fn import(&self, rows: Vec<Row>, progress: Progress) -> Result<()> {
        self.session()?.write_always(move |conn| import::import(conn, rows, progress)).await
    }

    async fn finish_import(&self) -> Result<()> {
        self.session()?.finish_import().await
    }
}

/// DuckDB's SQL, over the views that the crate's documentation lists and over files: `SELECT * FROM 'x.parquet'`.
///
/// Nothing can be written: DuckDB's own parser must say that the text is one `SELECT`, so `COPY … TO`, `ATTACH`, `SET` and
/// `INSTALL` are refused, and what runs is the tree that it gives, in a read-only transaction. Every file can be read that
/// this process can read.
#[async_trait]
impl AskSql for DuckDbStore {
    async fn ask_sql(&self, text: &str, most: NonZeroUsize) -> Result<SqlAnswer> {
        let text = text.to_owned();
        self.session()?.read(move |conn| sql::ask(conn, &text, most)).await
    }
}
