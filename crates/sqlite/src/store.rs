//! [`SqliteStore`]: all three contracts over one file.

use std::fmt;
use std::num::{NonZeroU32, NonZeroUsize};
use std::path::{Path, PathBuf};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::ingest::{FeedCursor, IngestBatch, IngestReport, Observation, Prepared};
use feedspine_core::transfer::{Export, Progress, Row, Transfer};
use feedspine_core::{
    BackendInfo, Capabilities, Capture, CaptureFigures, CaptureName, CaptureStore, Care, Change, Conclude, Conclusion,
    ContentHash, Feed, FeedId, FeedName, Fetch, FetchDetail, FetchId, FetchIntent, Forgotten, HeldBody, HeldCapture,
    HolderId, Joint, KeyRule, Landing, Layer, Lease, LeaseRequest, NaturalKey, Outset, PackedBody, Page, PageRequest,
    Quarantined, Query, Record, RecordId, RecordRef, RecordWrite, Reschedule, Result, Schedule, Seen, Selection, Seq,
    Sighting, Slot, StateStore, StorageBackend, StorageError, Timestamp, Version, VersionNo,
};
use rusqlite::Connection;

use crate::error::{Fault, Outcome};
use crate::export::Reading;
use crate::feed_row::FeedRow;
use crate::readers::Readers;
use crate::session::{Concern, Session};
use crate::writer::{Counters, Writer, WriterSettings, closed};
use crate::{
    captures, changes, connect, history, import, ingest, leases, query, schedules, schema, sightings, state, write,
};

/// The writer is busy with a batch of the greatest size for about two seconds; no other write is committed meanwhile.
const CAPABILITIES: Capabilities = Capabilities { durable: true, multi_process: true, max_batch: 100_000 };

/// So few records are a question of a moment.
const BRIEF: usize = 4;

/// What may be chosen when a store is opened; the default is right for almost everyone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Settings {
    /// How many questions may be asked at once.
    pub readers: NonZeroU32,
    /// How many writes may wait in the queue; more wait before it.
    pub queue: NonZeroUsize,
    /// How long to wait for another process that writes.
    pub busy: Duration,
    /// A write that has waited longer than this is not done: the caller may have given up.
    pub patience: Duration,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            readers: NonZeroU32::new(4).expect("4 is not zero"),
            queue: NonZeroUsize::new(256).expect("256 is not zero"),
            busy: Duration::from_secs(10),
            patience: Duration::from_secs(30),
        }
    }
}

/// How many writes were committed by how many commits since the store was opened.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Stats {
    /// Transactions that were committed.
    pub commits: u64,
    /// Units of work in them.
    pub jobs: u64,
}

/// A store in one SQLite file, with its `-wal` and `-shm` beside it while it is open.
///
/// ```no_run
/// # async fn example() -> feedspine_core::Result<()> {
/// use feedspine_core::StorageBackend;
/// use feedspine_sqlite::SqliteStore;
///
/// let store = SqliteStore::new("feeds.db");
/// store.initialize().await?;
/// # Ok(()) }
/// ```
pub struct SqliteStore {
    path: PathBuf,
    pub(crate) settings: Settings,
    counters: Arc<Counters>,
    open: Mutex<Option<Arc<Open>>>,
    /// Held while the store is opened or closed.
    turning: tokio::sync::Mutex<()>,
}

/// The writer and the readers of an open store.
#[derive(Debug)]
struct Open {
    writer: Writer,
    readers: Readers,
}

/// The way into an open store, for one kind of call.
struct Door {
    open: Arc<Open>,
    concern: Concern,
}

impl Door {
    async fn ask<T, Q>(&self, question: Q) -> Result<T>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.open.readers.run(self.concern, question).await
    }

    async fn ask_brief<T, Q>(&self, question: Q) -> Result<T>
    where
        T: Send + 'static,
        Q: Fn(&Connection) -> Outcome<T> + Send + 'static,
    {
        self.open.readers.run_brief(self.concern, question).await
    }

    async fn write<T, W>(&self, mut work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnMut(&mut Session<'_>) -> Outcome<T> + Send + 'static,
    {
        let concern = self.concern;
        let admitted = move |session: &mut Session<'_>| {
            session.admit(concern)?;
            work(session)
        };
        self.open.writer.run(admitted).await
    }
}

impl fmt::Debug for SqliteStore {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SqliteStore").field("path", &self.path).finish_non_exhaustive()
    }
}

impl SqliteStore {
    /// The store in that file, not yet opened; `initialize` makes it when there is none.
    pub fn new(path: impl Into<PathBuf>) -> Self {
        Self::with_settings(path, Settings::default())
    }

    /// The store in that file, with settings of your own.
    pub fn with_settings(path: impl Into<PathBuf>, settings: Settings) -> Self {
        Self {
            path: path.into(),
            settings,
            counters: Arc::default(),
            open: Mutex::default(),
            turning: tokio::sync::Mutex::default(),
        }
    }

    /// The file.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// How many writes were committed by how many commits.
    pub fn stats(&self) -> Stats {
        Stats {
            commits: self.counters.commits.load(Ordering::Relaxed),
            jobs: self.counters.jobs.load(Ordering::Relaxed),
        }
    }

    fn slot(&self) -> MutexGuard<'_, Option<Arc<Open>>> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// For the control plane, and for imports.
    fn control(&self) -> Result<Door> {
        self.door(Concern::Control)
    }

    /// For all else.
    fn data(&self) -> Result<Door> {
        self.door(Concern::Data)
    }

    fn door(&self, concern: Concern) -> Result<Door> {
        let open = self.slot().clone().ok_or_else(closed)?;
        Ok(Door { open, concern })
    }

    async fn start(&self) -> Result<()> {
        let _turn = self.turning.lock().await;
        if self.slot().is_some() {
            return Ok(());
        }
        let (path, busy) = (self.path.clone(), self.settings.busy);
        let opened = tokio::task::spawn_blocking(move || connect::open_writer(&path, busy)).await;
        let conn = opened
            .map_err(|error| StorageError::internal("opening the store panicked").with_source(error))?
            .map_err(|fault| self.named(fault))?;
        let settings = WriterSettings {
            path: self.path.clone(),
            busy,
            patience: self.settings.patience,
            queue: self.settings.queue.get(),
        };
        let writer = Writer::start(conn, settings, Arc::clone(&self.counters))?;
        let readers = Readers::new(self.path.clone(), busy, self.settings.readers.get());
        *self.slot() = Some(Arc::new(Open { writer, readers }));
        Ok(())
    }

    /// An error of opening, which must name the file.
    pub(crate) fn named(&self, fault: Fault) -> StorageError {
        let error = fault.into_error();
        let text = error.to_string();
        let path = self.path.display().to_string();
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
impl StorageBackend for SqliteStore {
    fn info(&self) -> BackendInfo {
        BackendInfo { name: "sqlite".into(), schema_version: schema::SCHEMA_VERSION, capabilities: CAPABILITIES }
    }

    async fn initialize(&self) -> Result<()> {
        self.start().await
    }

    async fn close(&self) -> Result<()> {
        let _turn = self.turning.lock().await;
        let Some(open) = self.slot().take() else { return Ok(()) };
        open.readers.close().await;
        open.writer.close().await
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        CAPABILITIES.check_size(&batch)?;
        let door = self.data()?;
        let prepared = Prepared::new(batch)?;
        door.write(move |session| ingest::ingest(session, &prepared)).await
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        let question = move |conn: &_| Ok(FeedRow::load(conn, feed)?.map(|feed| feed.state));
        self.data()?.ask_brief(question).await?.map_or(Ok(None), |state| state.to_cursor())
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.data()?.write(move |session| write::put_many(session, &writes)).await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        let (wanted, door) = (wanted.to_vec(), self.data()?);
        let brief = wanted.len() <= BRIEF;
        let question = move |conn: &_| query::get_many(conn, &wanted);
        if brief { door.ask_brief(question).await } else { door.ask(question).await }
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        let doomed = doomed.to_vec();
        self.data()?.write(move |session| write::delete_many(session, &doomed, at)).await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        let query = query.clone();
        self.data()?.ask(move |conn| query::query_page(conn, &query)).await
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        let selection = selection.clone();
        self.data()?.ask(move |conn| query::count(conn, &selection)).await
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        self.data()?.write(move |session| write::observe_many(session, &seen)).await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        let (key, page) = (key.clone(), page.clone());
        self.data()?.ask(move |conn| sightings::sightings_page(conn, &key, &page)).await
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        let keys = keys.to_vec();
        self.data()?.ask(move |conn| sightings::seen_many(conn, &keys)).await
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        let page = page.clone();
        self.data()?.ask(move |conn| history::versions_page(conn, record, layer, &page)).await
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        let page = page.clone();
        self.data()?.ask(move |conn| history::observations_page(conn, feed, &page)).await
    }

    async fn observation(&self, feed: FeedId, fetch: FetchId) -> Result<Option<Observation>> {
        self.data()?.ask_brief(move |conn| history::observation(conn, feed, fetch)).await
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        let page = page.clone();
        self.data()?.ask(move |conn| history::rejects_page(conn, feed, &page)).await
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let after = after.clone();
        self.data()?.ask(move |conn| changes::changes(conn, &after, limit)).await
    }

    async fn changes_of(&self, record: RecordId) -> Result<Vec<Change>> {
        self.data()?.ask(move |conn| changes::changes_of(conn, record)).await
    }

    fn transfer(&self) -> Option<&dyn Transfer> {
        Some(self)
    }

    fn care(&self) -> Option<&dyn Care> {
        Some(self)
    }
}

#[async_trait]
impl Transfer for SqliteStore {
    async fn export(&self) -> Result<Box<dyn Export>> {
        self.data()?;
        Ok(Box::new(Reading::begin(self.path.clone(), self.settings.busy).await?))
    }

    async fn begin_import(&self) -> Result<Option<Progress>> {
        self.control()?.write(import::begin).await
    }

    async fn import(&self, rows: Vec<Row>, progress: Progress) -> Result<()> {
        self.control()?.write(move |session| import::import(session, &rows, progress)).await
    }

    async fn finish_import(&self) -> Result<()> {
        self.control()?.write(import::finish).await
    }
}

#[async_trait]
impl StateStore for SqliteStore {
    async fn prepare(&self) -> Result<()> {
        self.start().await
    }

    async fn release(&self) -> Result<()> {
        self.close().await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        let feed = feed.clone();
        self.control()?.write(move |session| state::add_feed(session, &feed)).await
    }

    async fn replace_feed(&self, held: &Feed, feed: &Feed) -> Result<bool> {
        let (held, feed) = (held.clone(), feed.clone());
        self.control()?.write(move |session| state::replace_feed(session, &held, &feed)).await
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        self.control()?.write(move |session| state::settle_key_rule(session, feed, rule)).await
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        self.control()?.ask(state::feeds).await
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        let name = name.clone();
        self.control()?.ask_brief(move |conn| state::feed_named(conn, &name)).await
    }

    async fn begin_fetch(&self, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        let (intent, slot) = (intent.clone(), slot.cloned());
        self.control()?.write(move |session| state::begin_fetch(session, &intent, slot.as_ref())).await
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail, schedule: Option<&Schedule>) -> Result<()> {
        let (detail, schedule) = (detail.clone(), schedule.cloned());
        self.control()?.write(move |session| state::finish_fetch(session, fetch, &detail, schedule.as_ref())).await
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        let page = page.clone();
        self.control()?.ask(move |conn| state::fetches_page(conn, feed, &page)).await
    }

    async fn all_fetches_page(&self, page: &PageRequest) -> Result<Page<Fetch>> {
        let page = page.clone();
        self.control()?.ask(move |conn| state::all_fetches_page(conn, &page)).await
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        self.control()?.ask(schedules::all).await
    }

    async fn schedule_of(&self, feed: FeedId) -> Result<Option<Schedule>> {
        self.control()?.ask_brief(move |conn| schedules::of(conn, feed)).await
    }

    async fn due(&self, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        self.control()?.ask(move |conn| schedules::due(conn, by, limit)).await
    }

    async fn set_schedules(&self, schedules: &[Schedule]) -> Result<()> {
        let schedules = schedules.to_vec();
        self.control()?.write(move |session| schedules::set(session, &schedules)).await
    }

    async fn reschedule(&self, changes: &[Reschedule]) -> Result<Vec<bool>> {
        let changes = changes.to_vec();
        self.control()?.write(move |session| schedules::change(session, &changes)).await
    }

    async fn lease_hosts(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let request = request.clone();
        self.control()?.write(move |session| leases::lease(session, &request)).await
    }

    async fn release_hosts(&self, holder: &HolderId, hosts: &[String]) -> Result<()> {
        let (holder, hosts) = (holder.clone(), hosts.to_vec());
        self.control()?.write(move |session| leases::release(session, &holder, &hosts)).await
    }

    async fn leases(&self) -> Result<Vec<Lease>> {
        self.control()?.ask(leases::all).await
    }

    fn captures(&self) -> Option<&dyn CaptureStore> {
        Some(self)
    }

    fn joint(&self) -> Option<&dyn Joint> {
        Some(self)
    }
}

#[async_trait]
impl Joint for SqliteStore {
    async fn begin_turn(
        &self,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        let slot = slot.cloned();
        let begin = move |session: &mut Session<'_>| state::begin_turn(session, feed, fetch, started_at, slot.as_ref());
        self.data()?.write(begin).await
    }

    async fn land(&self, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        CAPABILITIES.check_size(&landing.batch)?;
        landing.check()?;
        let Landing { batch, key_rule, capture } = landing;
        let door = self.data()?;
        let prepared = Prepared::new(batch)?;
        let all = move |session: &mut Session<'_>| {
            // The batch first: nearly all that is refused is refused by it, before anything is written.
            let report = ingest::ingest(session, &prepared)?;
            let IngestBatch { feed, fetch, .. } = prepared.batch();
            if let Some(chosen) = key_rule {
                Landing::check_key_rule(*feed, chosen, state::settle_key_rule(session, *feed, chosen)?)?;
            }
            if let Some((capture, body)) = &capture {
                captures::keep(session, capture, body)?;
            }
            let Conclusion { detail, schedule } = conclude(&report);
            state::finish_fetch(session, *fetch, &detail, schedule.as_ref())?;
            Ok(report)
        };
        door.write(all).await
    }
}

#[async_trait]
impl CaptureStore for SqliteStore {
    async fn keep(&self, capture: Capture, body: PackedBody) -> Result<()> {
        capture.check(&body)?;
        self.control()?.write(move |session| captures::keep(session, &capture, &body)).await
    }

    async fn captures_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<HeldCapture>> {
        let page = page.clone();
        self.control()?.ask(move |conn| captures::captures_page(conn, feed, &page)).await
    }

    async fn captures_of(&self, feed: FeedId, fetch: FetchId) -> Result<Vec<Capture>> {
        self.control()?.ask(move |conn| captures::captures_of(conn, feed, fetch)).await
    }

    async fn body(&self, hash: ContentHash) -> Result<Option<HeldBody>> {
        self.control()?.ask(move |conn| captures::body(conn, hash)).await
    }

    async fn newest_base(&self, feed: FeedId) -> Result<Option<PackedBody>> {
        self.control()?.ask_brief(move |conn| captures::newest_base(conn, feed)).await
    }

    async fn capture_figures(&self) -> Result<CaptureFigures> {
        self.control()?.ask(captures::figures).await
    }

    async fn forget(&self, captures: &[CaptureName]) -> Result<Forgotten> {
        let captures = captures.to_vec();
        self.control()?.write(move |session| captures::forget(session, &captures)).await
    }
}
