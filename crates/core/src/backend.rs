//! [`StorageBackend`]: the contract that every store fulfils, built in or yours.

use std::fmt::Debug;
use std::num::NonZeroUsize;

use async_trait::async_trait;

use crate::ingest::{FeedCursor, IngestBatch, IngestReport, Observation, Reject};
use crate::transfer::Transfer;
use crate::{
    AskSql, Care, Change, FeedId, FetchId, Layer, MAX_PAGE, NaturalKey, Page, PageRequest, Query, Record, RecordId,
    RecordRef, RecordWrite, Result, Seen, Selection, Seq, Sighting, StorageError, Timestamp, Version, VersionNo,
};

/// What a backend is and can do.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct BackendInfo {
    /// Its name: `memory`, `sqlite`, …
    pub name: String,
    /// The version of its schema.
    pub schema_version: u32,
    /// What it can do beyond the contract.
    pub capabilities: Capabilities,
}

/// What differs between backends. Atomic ingest, history and the change log do not: every backend has them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Capabilities {
    /// What was acknowledged outlives the process.
    pub durable: bool,
    /// Several processes may use one store at once.
    pub multi_process: bool,
    /// The most items that one batch may hold.
    pub max_batch: usize,
}

impl Capabilities {
    /// Whether a batch is of a size that the backend takes.
    ///
    /// # Errors
    /// `Invalid` when it holds more items than [`Capabilities::max_batch`].
    pub fn check_size(&self, batch: &IngestBatch) -> Result<()> {
        let (items, limit) = (batch.items.len(), self.max_batch);
        if items <= limit {
            return Ok(());
        }
        Err(StorageError::invalid(format!("a batch holds {items} items; this backend takes {limit}"))
            .with_hint("send the fetch in parts"))
    }
}

/// A reject as it is kept in quarantine.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Quarantined {
    /// The fetch that brought it.
    pub fetch: FetchId,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// What is wrong with what.
    pub reject: Reject,
}

/// Keeps what has been captured. Every call is one unit of work: it happens wholly or not at all.
///
/// `docs/guides/custom-storage.md` shows how to write one, `examples/storage-backend` is one to copy.
///
/// "Not found" is `None`, not an error. A failed write says whether it certainly did not happen. Dropping the future of
/// a call leaves the store as if the call had been made wholly, or not at all. Before [`initialize`] and after
/// [`close`] every other call but [`info`] fails with `Closed`.
///
/// [`initialize`]: StorageBackend::initialize
/// [`close`]: StorageBackend::close
/// [`info`]: StorageBackend::info
#[async_trait]
pub trait StorageBackend: Debug + Send + Sync + 'static {
    /// What this backend is and can do.
    fn info(&self) -> BackendInfo;

    /// Creates or migrates the store. May be called again, and by two processes at once.
    ///
    /// # Errors
    /// `Denied` where the store cannot be written, `Corrupt` where it is not ours, `Unsupported` where its schema is
    /// newer than this program.
    async fn initialize(&self) -> Result<()>;

    /// Finishes what was begun and lets go of the store. May be called again.
    async fn close(&self) -> Result<()>;

    /// Takes a batch: items, versions, sightings, rejects, changes and the feed's cursor commit together.
    ///
    /// A batch that was committed before is answered with the first report and does nothing.
    ///
    /// # Errors
    /// `Invalid` for a batch that can never work or that holds too many items, `Conflict` when the cursor moved on or the manifest named is past:
    /// then nothing was stored.
    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport>;

    /// The feed's cursor; `None` before a batch advanced it.
    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>>;

    /// Writes versions that were not captured: promotion, enrichment, imports. All or none; answers in order.
    ///
    /// # Errors
    /// `Conflict` when a key is held by another id (named in the message), `Invalid` when an id is held by another key.
    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>>;

    /// The rows wanted, in the order asked; `None` where there is none.
    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>>;

    /// Deletes rows for ever, in the order asked; `false` where there was none.
    ///
    /// Without a layer the record goes with all layers, versions and sightings, and its key is free. With a layer only
    /// that one goes; what derives from it stays, marked; the last layer takes the record. With bronze the spans that
    /// are open end as unknown, and sightings stay: the next document that lists the item captures it anew. Each delete
    /// is logged, as having been recorded at `at`.
    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>>;

    /// A page of records in a total order, by keyset: rows that do not change during the walk are neither skipped nor
    /// repeated while writers run.
    ///
    /// # Errors
    /// `Unsupported` for fields that are not stored, `Invalid` for a cursor of another query.
    async fn query_page(&self, query: &Query) -> Result<Page<Record>>;

    /// How many rows a selection has.
    async fn count(&self, selection: &Selection) -> Result<u64>;

    /// Records sightings told by a caller, for keys that may have no record.
    ///
    /// True means: no feed had ever sighted that key. The same (key, feed, fetch) again does nothing and gives the
    /// first answer; one that an ingest has captured already does nothing and is not the first. One that an ingest
    /// captures later is that ingest's sighting from then on.
    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>>;

    /// All sightings of a key, by `(observed_at, feed, fetch)`.
    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>>;

    /// The sightings of each key in figures; `None` where there is none.
    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>>;

    /// The versions of a record at a layer, from the first.
    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>>;

    /// The feed's ledger, in the order of commits.
    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>>;

    /// The row that a fetch has in the feed's ledger; `None` before a part of it was committed.
    ///
    /// Without an own implementation the ledger is read up to it: a backend that finds it faster does well to, since it is
    /// asked for at each poll.
    async fn observation(&self, feed: FeedId, fetch: FetchId) -> Result<Option<Observation>> {
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.observations_page(feed, &page).await?;
            if let Some(found) = read.items.into_iter().find(|observation| observation.fetch == fetch) {
                return Ok(Some(found));
            }
            page.after = read.next;
            if page.after.is_none() {
                return Ok(None);
            }
        }
    }

    /// The feed's quarantine, in the order of commits.
    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>>;

    /// Up to `limit` changes after a position, oldest first. A reader that follows never misses one.
    ///
    /// # Errors
    /// `Invalid` for what is no position of this log. One of the store before it was restored is none, where the backend
    /// tells them apart.
    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>>;

    /// What happened to one record, oldest first, before it was deleted and made again too. A reader that follows from one
    /// of these positions misses nothing either.
    ///
    /// Without an own implementation the whole log is read: a backend that finds them faster does well to.
    async fn changes_of(&self, record: RecordId) -> Result<Vec<Change>> {
        let most = NonZeroUsize::new(MAX_PAGE).expect("a page holds something");
        let (mut of_record, mut after) = (Vec::new(), Seq::start());
        loop {
            let changes = self.changes(&after, most).await?;
            let Some(last) = changes.last() else { return Ok(of_record) };
            after = last.seq.clone();
            let is_of = |change: &Change| change.event.subject.as_ref().is_some_and(|it| it.record == record);
            of_record.extend(changes.into_iter().filter(is_of));
        }
    }

    /// How everything is read and written row by row, for copies and backups; `None` where the backend cannot.
    fn transfer(&self) -> Option<&dyn Transfer> {
        None
    }

    /// Questions in the backend's own SQL; `None` where it offers none.
    fn sql(&self) -> Option<&dyn AskSql> {
        None
    }

    /// The upkeep of the store as a whole; `None` where the backend offers none.
    fn care(&self) -> Option<&dyn Care> {
        None
    }
}
