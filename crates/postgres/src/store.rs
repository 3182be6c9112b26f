//! [`PostgresStore`]: the contracts' calls, each handed to its room.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use feedspine_core::ingest::{FeedCursor, IngestBatch, IngestReport, Observation, Prepared};
use feedspine_core::transfer::{Export, Progress, Row, Transfer, import_unfinished};
use feedspine_core::{
    Applied, BackendInfo, Capabilities, Care, Change, Feed, FeedId, FeedName, Fetch, FetchDetail, FetchId, FetchIntent,
    KeyRule, Layer, Namespace, NaturalKey, Page, PageRequest, Quarantined, Query, Record, RecordId, RecordRef,
    RecordWrite, Result, Seen, Selection, Seq, Sighting, StateStore, StorageBackend, StorageError, Timestamp, Version,
    VersionNo,
};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::changes::{self, Position};
use crate::export::Reading;
use crate::feed_row::FeedRow;
use crate::locks::Locks;
use crate::pool::Pool;
use crate::settings::Settings;
use crate::state::Begun;
use crate::tries::{Proof, ask, work};
use crate::{history, import, ingest, query, schema, sightings, state, write};

/// Deletes of more records than this lock the store, not each namespace and feed that is concerned.
const MOST_LOCKED_DELETES: usize = 64;

/// Some 10 MB of ordinary items in one transaction; a fetch may come in several.
const MAX_BATCH: usize = 10_000;

const CAPABILITIES: Capabilities = Capabilities { durable: true, multi_process: true, max_batch: MAX_BATCH };

/// Storage and control plane in one schema of a PostgreSQL database.
///
/// ```no_run
/// # async fn open() -> feedspine_core::Result<()> {
/// use feedspine_core::StorageBackend;
/// use feedspine_postgres::PostgresStore;
///
/// let store = PostgresStore::from_url("postgres://feedspine@db.example/news?schema=feedspine")?;
/// store.initialize().await?;
/// # Ok(())
/// # }
/// ```
#[derive(Debug)]
pub struct PostgresStore {
    pub(crate) settings: Settings,
    open: Mutex<Option<Open>>,
    /// The pool of one that was looked at before it was opened.
    waiting: Mutex<Option<Arc<Pool>>>,
    /// Held shared by every write under way; closing takes it alone.
    writes: Arc<RwLock<()>>,
    /// An import was begun and not finished: only the control plane is open.
    importing: AtomicBool,
}

#[derive(Debug, Clone)]
struct Open(Arc<Pool>);

impl PostgresStore {
    /// A store at that address; see [`Settings::from_url`]. Nothing is connected to yet.
    ///
    /// # Errors
    /// `Invalid`: not an address of a PostgreSQL database, or a setting that is not one.
    pub fn from_url(url: &str) -> Result<Self> {
        Settings::from_url(url).map(Self::new)
    }

    /// A store with these settings. Nothing is connected to yet.
    pub fn new(settings: Settings) -> Self {
        Self {
            settings,
            open: Mutex::new(None),
            waiting: Mutex::new(None),
            writes: Arc::default(),
            importing: AtomicBool::new(false),
        }
    }

    /// The pool of an open store that nothing is imported into.
    fn pool(&self) -> Result<Arc<Pool>> {
        let pool = self.control()?;
        if self.importing.load(Ordering::Acquire) { Err(import_unfinished()) } else { Ok(pool) }
    }

    /// The pool for the control plane, and for imports.
    fn control(&self) -> Result<Arc<Pool>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| Arc::clone(&open.0)).ok_or_else(|| {
            StorageError::closed("the PostgreSQL store is not open").with_hint("call initialize() first")
        })
    }

    /// A pool whether the store is open or not.
    pub(crate) fn any_pool(&self) -> Result<Arc<Pool>> {
        if let Ok(pool) = self.control() {
            return Ok(pool);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &*waiting {
            Some(pool) => Ok(Arc::clone(pool)),
            None => Ok(Arc::clone(waiting.insert(Arc::new(Pool::new(&self.settings)?)))),
        }
    }

    /// The pool, and a guard that keeps `close` waiting.
    async fn begin_write(&self) -> Result<(Arc<Pool>, OwnedRwLockReadGuard<()>)> {
        let pool = self.pool()?;
        Ok((pool, Arc::clone(&self.writes).read_owned().await))
    }

    /// The same for the control plane, and for imports.
    async fn begin_control(&self) -> Result<(Arc<Pool>, OwnedRwLockReadGuard<()>)> {
        let pool = self.control()?;
        Ok((pool, Arc::clone(&self.writes).read_owned().await))
    }

    async fn start(&self) -> Result<()> {
        let pool = self.any_pool()?;
        schema::migrate(&pool, &self.settings.schema).await?;
        let importing: Result<bool> = ask!(Arc::clone(&pool), session => import::is_unfinished(session));
        self.importing.store(importing?, Ordering::Release);
        let mut open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.get_or_insert(Open(pool));
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take();
        Ok(())
    }
}

/// A unit of work as a task of its own, so that it is finished whoever waits for it: dropping the caller's future drops
/// no transaction half-way.
async fn finished<T: Send + 'static>(task: impl Future<Output = Result<T>> + Send + 'static) -> Result<T> {
    tokio::spawn(task).await.unwrap_or_else(|error| {
        Err(StorageError::internal("a unit of work ended unfinished").with_source(error).with_applied(Applied::Unknown))
    })
}

#[async_trait]
impl StorageBackend for PostgresStore {
    fn info(&self) -> BackendInfo {
        BackendInfo { name: "postgres".to_owned(), schema_version: schema::SCHEMA_VERSION, capabilities: CAPABILITIES }
    }

    async fn initialize(&self) -> Result<()> {
        self.start().await
    }

    async fn close(&self) -> Result<()> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner).take();
        // Once this is ours, every write that had begun has ended.
        let _alone = self.writes.write().await;
        if let Some(open) = open {
            open.0.close();
        }
        if let Some(pool) = self.waiting.lock().unwrap_or_else(PoisonError::into_inner).take() {
            pool.close();
        }
        Ok(())
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        let (pool, guard) = self.begin_write().await?;
        CAPABILITIES.check_size(&batch)?;
        let prepared = Prepared::new(batch)?;
        finished(async move {
            let _guard = guard;
            let batch = prepared.batch();
            let rejected = batch.rejects.iter().filter_map(|reject| reject.key.as_ref());
            let namespaces = batch.items.iter().map(|item| &item.key).chain(rejected).map(NaturalKey::namespace);
            let locks = Locks::of(&pool.names, namespaces, [batch.feed]);
            let proof = Proof::Replay(|report: &IngestReport| report.replayed);
            work!(pool, proof, &locks, session => ingest::ingest(session, &prepared))
        })
        .await
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        let row: Result<FeedRow> = ask!(self.pool()?, session => FeedRow::load(session, feed));
        Ok(row?.state.to_cursor())
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        let (pool, guard) = self.begin_write().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::of(&pool.names, writes.iter().map(|write| write.key.namespace()), []);
            work!(pool, Proof::Receipt, &locks, session => write::put_many(session, &writes))
        })
        .await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        ask!(self.pool()?, session => query::get_many(session, wanted))
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        let (pool, guard) = self.begin_write().await?;
        let doomed = doomed.to_vec();
        finished(async move {
            let _guard = guard;
            // Which namespaces to lock is asked first, and again under their locks.
            let found: Result<Vec<Option<write::Doomed>>> =
                ask!(Arc::clone(&pool), session => write::find_many(session, &doomed));
            let found = found?;
            let namespaces: BTreeSet<Namespace> = found.iter().flatten().map(|d| d.namespace().clone()).collect();
            let names = pool.names.clone();
            let locks = match doomed.len() {
                0..=MOST_LOCKED_DELETES => Locks::of(&names, &namespaces, []),
                _ => Locks::whole_store(&names),
            };
            let cover = write::Cover { locks: &locks, namespaces: &namespaces, names: &names };
            work!(pool, Proof::Receipt, &locks, session => write::delete_many(session, &doomed, &cover, at))
        })
        .await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        ask!(self.pool()?, session => query::query_page(session, query))
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        ask!(self.pool()?, session => query::count(session, selection))
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        let (pool, guard) = self.begin_write().await?;
        finished(async move {
            let _guard = guard;
            let namespaces = seen.iter().map(|sighting| sighting.key.namespace());
            let locks = Locks::of(&pool.names, namespaces, []);
            work!(pool, Proof::Receipt, &locks, session => sightings::observe_many(session, &seen))
        })
        .await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        ask!(self.pool()?, session => sightings::sightings_page(session, key, page))
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        ask!(self.pool()?, session => sightings::seen_many(session, keys))
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        ask!(self.pool()?, session => history::versions_page(session, record, layer, page))
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        ask!(self.pool()?, session => history::observations_page(session, feed, page))
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        ask!(self.pool()?, session => history::rejects_page(session, feed, page))
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let pool = self.pool()?;
        let after = Position::read(after)?;
        let mut reader = changes::Reader::new(limit);
        loop {
            let look: Result<changes::Look> = ask!(Arc::clone(&pool), session => changes::look(session, after, limit));
            let look = look?;
            if !reader.waits(&look).await {
                return Ok(look.changes);
            }
        }
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        Some(self)
    }

    fn care(&self) -> Option<&dyn Care> {
        Some(self)
    }
}

#[async_trait]
impl Transfer for PostgresStore {
    async fn export(&self) -> Result<Box<dyn Export>> {
        Ok(Box::new(Reading::begin(self.pool()?).await?))
    }

    async fn begin_import(&self) -> Result<Option<Progress>> {
        let (pool, guard) = self.begin_control().await?;
        let begun: Result<Option<Progress>> = finished(async move {
            let _guard = guard;
            let locks = Locks::whole_store(&pool.names);
            work!(pool, Proof::Receipt, &locks, session => import::begin(session))
        })
        .await;
        let begun = begun?;
        self.importing.store(true, Ordering::Release);
        Ok(begun)
    }

    async fn import(&self, rows: Vec<Row>, progress: Progress) -> Result<()> {
        let (pool, guard) = self.begin_control().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::whole_store(&pool.names);
            work!(pool, Proof::Receipt, &locks, session => import::import(session, &rows, progress))
        })
        .await
    }

    async fn finish_import(&self) -> Result<()> {
        let (pool, guard) = self.begin_control().await?;
        let ended: Result<()> = finished(async move {
            let _guard = guard;
            let locks = Locks::whole_store(&pool.names);
            work!(pool, Proof::Receipt, &locks, session => import::finish(session))
        })
        .await;
        ended?;
        self.importing.store(false, Ordering::Release);
        Ok(())
    }
}

#[async_trait]
impl StateStore for PostgresStore {
    async fn prepare(&self) -> Result<()> {
        self.start().await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        let (pool, guard) = self.begin_control().await?;
        let feed = feed.clone();
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&pool.names, pool.names.directory());
            work!(pool, Proof::Receipt, &locks, session => state::add_feed(session, &feed))
        })
        .await
    }

    async fn update_feed(&self, feed: &Feed) -> Result<()> {
        let (pool, guard) = self.begin_control().await?;
        let feed = feed.clone();
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&pool.names, pool.names.directory());
            work!(pool, Proof::Receipt, &locks, session => state::update_feed(session, &feed))
        })
        .await
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        let (pool, guard) = self.begin_control().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&pool.names, pool.names.directory());
            // Settled again, it stays as it is.
            let proof = Proof::Replay(|_: &KeyRule| false);
            work!(pool, proof, &locks, session => state::settle_key_rule(session, feed, rule))
        })
        .await
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        ask!(self.control()?, session => state::feeds(session))
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        ask!(self.control()?, session => state::feed_named(session, name))
    }

    async fn begin_fetch(&self, intent: &FetchIntent) -> Result<()> {
        let (pool, guard) = self.begin_control().await?;
        let intent = intent.clone();
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&pool.names, pool.names.fetches(intent.feed));
            let proof = Proof::Replay(|begun: &Begun| *begun == Begun::Before);
            let begun: Result<Begun> = work!(pool, proof, &locks, session => state::begin_fetch(session, &intent));
            match begun? {
                Begun::Now => Ok(()),
                Begun::Before => Err(state::known_fetch(intent.fetch)),
            }
        })
        .await
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail) -> Result<()> {
        let (pool, guard) = self.begin_control().await?;
        let detail = detail.clone();
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&pool.names, pool.names.fetch(fetch));
            // Said again, it says the same.
            let proof = Proof::Replay(|(): &()| false);
            work!(pool, proof, &locks, session => state::finish_fetch(session, fetch, &detail))
        })
        .await
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        ask!(self.control()?, session => state::fetches_page(session, feed, page))
    }
}
