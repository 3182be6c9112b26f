//! [`PostgresStore`]: the contracts' calls, each handed to its room.

use std::num::NonZeroUsize;
use std::sync::atomic::AtomicBool;
use std::sync::{Arc, Mutex, PoisonError};

use async_trait::async_trait;
use feedspine_core::ingest::{FeedCursor, IngestBatch, IngestReport, Observation, Prepared};
use feedspine_core::transfer::{Export, Progress, Row, Transfer};
use feedspine_core::{
    Applied, BackendInfo, Capabilities, Capture, CaptureFigures, CaptureName, CaptureStore, Care, Change, ContentHash,
    Feed, FeedId, FeedName, Fetch, FetchDetail, FetchId, FetchIntent, Forgotten, HeldBody, HeldCapture, HolderId,
    KeyRule, Layer, Lease, LeaseRequest, NaturalKey, PackedBody, Page, PageRequest, Quarantined, Query, Record,
    RecordId, RecordRef, RecordWrite, Reschedule, Result, Schedule, Seen, Selection, Seq, Sighting, Slot, StateStore,
    StorageBackend, StorageError, Timestamp, Version, VersionNo,
};
use tokio::sync::{OwnedRwLockReadGuard, RwLock};

use crate::changes::{self, Mark, Position};
use crate::export::Reading;
use crate::feed_row::FeedRow;
use crate::locks::Locks;
use crate::pool::{Access, Pool};
use crate::session::Sees;
use crate::settings::Settings;
use crate::state::Begun;
use crate::tries::{Proof, Tries, ask, ask_in_steps, work};
use crate::{captures, delete, history, import, ingest, leases, query, schedules, schema, sightings, state, write};

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
        Self { settings, open: Mutex::new(None), waiting: Mutex::new(None), writes: Arc::default() }
    }

    /// The open store, for what is to see or change what it holds.
    fn whole(&self) -> Result<Access> {
        Ok(Access { pool: self.pool()?, sees: Sees::Whole })
    }

    /// The open store, for the control plane, for imports, and for what looks for itself whether one is unfinished.
    fn all(&self) -> Result<Access> {
        Ok(Access { pool: self.pool()?, sees: Sees::All })
    }

    fn pool(&self) -> Result<Arc<Pool>> {
        let open = self.open.lock().unwrap_or_else(PoisonError::into_inner);
        open.as_ref().map(|open| Arc::clone(&open.0)).ok_or_else(|| {
            StorageError::closed("the PostgreSQL store is not open").with_hint("call initialize() first")
        })
    }

    /// A pool whether the store is open or not.
    pub(crate) fn any_pool(&self) -> Result<Arc<Pool>> {
        if let Ok(pool) = self.pool() {
            return Ok(pool);
        }
        let mut waiting = self.waiting.lock().unwrap_or_else(PoisonError::into_inner);
        match &*waiting {
            Some(pool) => Ok(Arc::clone(pool)),
            None => Ok(Arc::clone(waiting.insert(Arc::new(Pool::new(&self.settings)?)))),
        }
    }

    /// [`Self::whole`], and a guard that keeps `close` waiting.
    async fn begin_write(&self) -> Result<(Access, OwnedRwLockReadGuard<()>)> {
        let access = self.whole()?;
        Ok((access, Arc::clone(&self.writes).read_owned().await))
    }

    /// [`Self::all`], and a guard that keeps `close` waiting.
    async fn begin_control(&self) -> Result<(Access, OwnedRwLockReadGuard<()>)> {
        let access = self.all()?;
        Ok((access, Arc::clone(&self.writes).read_owned().await))
    }

    async fn start(&self) -> Result<()> {
        let pool = self.any_pool()?;
        schema::migrate(&pool, &self.settings.schema).await?;
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
        let (access, guard) = self.begin_control().await?;
        CAPABILITIES.check_size(&batch)?;
        let prepared = Prepared::new(batch)?;
        finished(async move {
            let _guard = guard;
            let batch = prepared.batch();
            let rejected = batch.rejects.iter().filter_map(|reject| reject.key.as_ref());
            let namespaces = batch.items.iter().map(|item| &item.key).chain(rejected).map(NaturalKey::namespace);
            let locks = Locks::of(&access.names, namespaces, [batch.feed]);
            let proof = Proof::Replay(|report: &IngestReport| report.replayed);
            let hope = AtomicBool::new(true);
            work!(access, proof, &locks, session => ingest::ingest(session, &prepared, &hope))
        })
        .await
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        let row: Result<FeedRow> = ask!(self.whole()?, session => FeedRow::load(session, feed));
        row?.state.to_cursor()
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        let (access, guard) = self.begin_write().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::of(&access.names, writes.iter().map(|write| write.key.namespace()), []);
            work!(access, Proof::Receipt, &locks, session => write::put_many(session, &writes))
        })
        .await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        ask!(self.whole()?, session => query::get_many(session, wanted))
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        let (access, guard) = self.begin_write().await?;
        let doomed = doomed.to_vec();
        finished(async move {
            let _guard = guard;
            let mut cover = delete::Cover::of(&access.names, &doomed);
            let mut tries = Tries::new(access, Proof::Receipt);
            loop {
                // Which locks it takes is asked in each try, and again under them.
                let outcome = delete::attempt(&mut tries, &mut cover, &doomed, at).await;
                if let Some(answer) = tries.next(outcome).await? {
                    break Ok(answer);
                }
            }
        })
        .await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        ask_in_steps!(self.whole()?, session => query::query_page(session, query))
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        ask_in_steps!(self.whole()?, session => query::count(session, selection))
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        let (access, guard) = self.begin_write().await?;
        finished(async move {
            let _guard = guard;
            let namespaces = seen.iter().map(|sighting| sighting.key.namespace());
            let locks = Locks::of(&access.names, namespaces, []);
            work!(access, Proof::Receipt, &locks, session => sightings::observe_many(session, &seen))
        })
        .await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        ask!(self.whole()?, session => sightings::sightings_page(session, key, page))
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        ask!(self.whole()?, session => sightings::seen_many(session, keys))
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        ask!(self.whole()?, session => history::versions_page(session, record, layer, page))
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        ask!(self.whole()?, session => history::observations_page(session, feed, page))
    }

    async fn observation(&self, feed: FeedId, fetch: FetchId) -> Result<Option<Observation>> {
        ask!(self.whole()?, session => history::observation(session, feed, fetch))
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        ask!(self.whole()?, session => history::rejects_page(session, feed, page))
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let access = self.whole()?;
        let after = Mark::read(after)?;
        let mut reader = changes::Reader::new(limit);
        loop {
            let look: Result<changes::Look> = ask!(access.clone(), session => changes::look(session, after, limit));
            let look = look?;
            if !reader.waits(&look).await {
                return Ok(look.changes);
            }
        }
    }

    async fn changes_of(&self, record: RecordId) -> Result<Vec<Change>> {
        let access = self.whole()?;
        let mut reader = changes::Reader::new(NonZeroUsize::MAX);
        let (mut told, mut from) = (Vec::new(), Position::START);
        loop {
            let look: Result<(changes::Look, Position)> =
                ask!(access.clone(), session => changes::look_for(session, record, from));
            let (look, end) = look?;
            let waits = reader.waits(&look).await;
            told.extend(look.changes);
            if !waits {
                return Ok(told);
            }
            from = end;
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
        let (access, guard) = self.begin_control().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::whole_store(&access.names);
            work!(access, Proof::Receipt, &locks, session => import::begin(session))
        })
        .await
    }

    async fn import(&self, rows: Vec<Row>, progress: Progress) -> Result<()> {
        let (access, guard) = self.begin_control().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::whole_store(&access.names);
            work!(access, Proof::Receipt, &locks, session => import::import(session, &rows, progress))
        })
        .await
    }

    async fn finish_import(&self) -> Result<()> {
        let (access, guard) = self.begin_control().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::whole_store(&access.names);
            work!(access, Proof::Receipt, &locks, session => import::finish(session))
        })
        .await
    }
}

#[async_trait]
impl StateStore for PostgresStore {
    async fn prepare(&self) -> Result<()> {
        self.start().await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        let (access, guard) = self.begin_control().await?;
        let feed = feed.clone();
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&access.names, access.names.directory());
            work!(access, Proof::Receipt, &locks, session => state::add_feed(session, &feed))
        })
        .await
    }

    async fn replace_feed(&self, held: &Feed, feed: &Feed) -> Result<bool> {
        let (access, guard) = self.begin_control().await?;
        let (held, feed) = (held.clone(), feed.clone());
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&access.names, access.names.directory());
            work!(access, Proof::Receipt, &locks, session => state::replace_feed(session, &held, &feed))
        })
        .await
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        let (access, guard) = self.begin_control().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&access.names, access.names.directory());
            // Settled again, it stays as it is.
            let proof = Proof::Replay(|_: &KeyRule| false);
            work!(access, proof, &locks, session => state::settle_key_rule(session, feed, rule))
        })
        .await
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        ask!(self.all()?, session => state::feeds(session))
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        ask!(self.all()?, session => state::feed_named(session, name))
    }

    async fn begin_fetch(&self, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        let (access, guard) = self.begin_control().await?;
        let (intent, slot) = (intent.clone(), slot.cloned());
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&access.names, access.names.fetches(intent.feed));
            let proof = Proof::Replay(|begun: &Begun| *begun == Begun::Before);
            let slot = slot.as_ref();
            let begun: Result<Begun> =
                work!(access, proof, &locks, session => state::begin_fetch(session, &intent, slot));
            match begun? {
                Begun::Now => Ok(()),
                Begun::Before => Err(state::known_fetch(intent.fetch)),
            }
        })
        .await
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail, schedule: Option<&Schedule>) -> Result<()> {
        let (access, guard) = self.begin_control().await?;
        let (detail, schedule) = (detail.clone(), schedule.cloned());
        finished(async move {
            let _guard = guard;
            let locks = Locks::only(&access.names, access.names.fetch(fetch));
            // Said again, it says the same: the fetch runs no longer, and its schedule stays.
            let proof = Proof::Replay(|(): &()| false);
            let schedule = schedule.as_ref();
            work!(access, proof, &locks, session => state::finish_fetch(session, fetch, &detail, schedule))
        })
        .await
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        ask!(self.all()?, session => state::fetches_page(session, feed, page))
    }

    async fn all_fetches_page(&self, page: &PageRequest) -> Result<Page<Fetch>> {
        ask!(self.all()?, session => state::all_fetches_page(session, page))
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        ask!(self.all()?, session => schedules::all(session))
    }

    async fn schedule_of(&self, feed: FeedId) -> Result<Option<Schedule>> {
        ask!(self.all()?, session => schedules::of(session, feed))
    }

    async fn due(&self, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        ask!(self.all()?, session => schedules::due(session, by, limit))
    }

    async fn set_schedules(&self, schedules: &[Schedule]) -> Result<()> {
        let (access, guard) = self.begin_control().await?;
        let schedules = schedules.to_vec();
        finished(async move {
            let _guard = guard;
            let locks = Locks::beside_others(&access.names);
            work!(access, Proof::Receipt, &locks, session => schedules::set(session, &schedules))
        })
        .await
    }

    async fn reschedule(&self, changes: &[Reschedule]) -> Result<Vec<bool>> {
        let (access, guard) = self.begin_control().await?;
        let changes = changes.to_vec();
        finished(async move {
            let _guard = guard;
            let locks = Locks::beside_others(&access.names);
            work!(access, Proof::Receipt, &locks, session => schedules::change(session, &changes))
        })
        .await
    }

    async fn lease_hosts(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let (access, guard) = self.begin_control().await?;
        let request = request.clone();
        finished(async move {
            let _guard = guard;
            let locks = Locks::beside_others(&access.names);
            // Asked again, what was granted is prolonged.
            let proof = Proof::Replay(|_: &Vec<Lease>| false);
            work!(access, proof, &locks, session => leases::lease(session, &request))
        })
        .await
    }

    async fn release_hosts(&self, holder: &HolderId, hosts: &[String]) -> Result<()> {
        let (access, guard) = self.begin_control().await?;
        let (holder, hosts) = (holder.clone(), hosts.to_vec());
        finished(async move {
            let _guard = guard;
            let locks = Locks::beside_others(&access.names);
            // Given back again, they stay so.
            let proof = Proof::Replay(|(): &()| false);
            work!(access, proof, &locks, session => leases::release(session, &holder, &hosts))
        })
        .await
    }

    async fn leases(&self) -> Result<Vec<Lease>> {
        ask!(self.all()?, session => leases::all(session))
    }

    fn captures(&self) -> Option<&dyn CaptureStore> {
        Some(self)
    }
}

#[async_trait]
impl CaptureStore for PostgresStore {
    async fn keep(&self, capture: Capture, body: PackedBody) -> Result<()> {
        capture.check(&body)?;
        let (access, guard) = self.begin_control().await?;
        finished(async move {
            let _guard = guard;
            let locks = Locks::beside_others(&access.names);
            // Kept again, it stays as it is.
            let proof = Proof::Replay(|(): &()| false);
            work!(access, proof, &locks, session => captures::keep(session, &capture, &body))
        })
        .await
    }

    async fn captures_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<HeldCapture>> {
        ask!(self.all()?, session => captures::captures_page(session, feed, page))
    }

    async fn captures_of(&self, feed: FeedId, fetch: FetchId) -> Result<Vec<Capture>> {
        ask!(self.all()?, session => captures::captures_of(session, feed, fetch))
    }

    async fn body(&self, hash: ContentHash) -> Result<Option<HeldBody>> {
        ask!(self.all()?, session => captures::body(session, hash))
    }

    async fn newest_base(&self, feed: FeedId) -> Result<Option<PackedBody>> {
        ask!(self.all()?, session => captures::newest_base(session, feed))
    }

    async fn capture_figures(&self) -> Result<CaptureFigures> {
        ask!(self.all()?, session => captures::figures(session))
    }

    async fn forget(&self, captures: &[CaptureName]) -> Result<Forgotten> {
        let (access, guard) = self.begin_control().await?;
        let doomed = captures.to_vec();
        finished(async move {
            let _guard = guard;
            let locks = Locks::whole_store(&access.names);
            work!(access, Proof::Receipt, &locks, session => captures::forget(session, &doomed))
        })
        .await
    }
}
