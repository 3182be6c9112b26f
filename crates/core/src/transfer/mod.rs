//! [`Transfer`]: everything that a store holds, row by row: for copies, backups, and a look at the whole.
//!
//! The rows are the same on every backend, however it keeps them, and come in one order: two stores that hold the same
//! export the same. Where a row names a record, a feed or a fetch, the row of that came before it, deleted records of the
//! change log excepted.

mod verify;

use async_trait::async_trait;

use crate::ingest::{FeedState, LedgerRow, PartRow, Reject, Shown, Standing, StoredVersion};
use crate::{
    Event, FeedId, FetchId, KeyHash, KeyRule, NaturalKey, Quarantined, RecordId, Result, Round, Timestamp, VersionNo,
};
pub use verify::Verifier;

/// One row of a store. The kinds come in the order of their variants, each in the order that its type tells.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
#[cfg_attr(feature = "serde", serde(tag = "row", rename_all = "snake_case"))]
pub enum Row {
    /// A feed that has a ledger.
    Feed(FeedRow),
    /// An observation with its parts.
    Observation(ObservationRow),
    /// An entry of the quarantine.
    Reject(RejectRow),
    /// A record, its versions left out.
    Record(RecordRow),
    /// A version of a record at a layer.
    Version(StoredVersion),
    /// A span that ended.
    Span(SpanRow),
    /// A point sighting.
    Point(PointRow),
    /// How a record stands with a feed that showed it.
    Standing(StandingRow),
    /// A sighting told by a call.
    Told(ToldRow),
    /// An entry of the change log. Positions are each store's own; the order is the same.
    Event(Event),
}

/// A feed that has a ledger. By id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FeedRow {
    /// The feed.
    pub feed: FeedId,
    /// What is held of it.
    pub state: FeedState,
}

/// An observation with its parts. By feed, then in the order of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ObservationRow {
    /// The ledger's row.
    pub ledger: LedgerRow,
    /// The committed parts by their index, ascending; the lists of each ascending too.
    pub parts: Vec<(u32, PartRow)>,
}

/// An entry of the quarantine. By feed, then in the order of commits.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RejectRow {
    /// The feed.
    pub feed: FeedId,
    /// What was quarantined.
    pub quarantined: Quarantined,
}

/// A record, its versions left out. By id.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct RecordRow {
    /// Its id.
    pub id: RecordId,
    /// Its natural key.
    pub key: NaturalKey,
    /// Where the key was taken from.
    pub key_rule: KeyRule,
    /// When the commit that created it had observed it.
    pub first_seen: Timestamp,
}

/// A span that ended. By record, feed, first round.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct SpanRow {
    /// The record.
    pub record: RecordId,
    /// The feed.
    pub feed: FeedId,
    /// The first round.
    pub since: Round,
    /// The last round.
    pub until: Round,
    /// The version shown.
    pub version: VersionNo,
}

/// A point sighting. By record, feed, fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct PointRow {
    /// The record.
    pub record: RecordId,
    /// The feed.
    pub feed: FeedId,
    /// The fetch, which is one of the feed's observations.
    pub fetch: FetchId,
    /// The version shown, and its hash then.
    pub shown: Shown,
    /// Published, else first seen.
    pub age: Timestamp,
    /// Its place in the document.
    pub ordinal: u32,
}

/// How a record stands with a feed that showed it. By record, feed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct StandingRow {
    /// The record.
    pub record: RecordId,
    /// The feed.
    pub feed: FeedId,
    /// Held in an open span, or left.
    pub standing: Standing,
}

/// A sighting told by a call, of a key that may have no record. By key hash, feed, fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct ToldRow {
    /// The key's hash.
    pub key_hash: KeyHash,
    /// Where, as the caller says.
    pub feed: FeedId,
    /// By which observation, as the caller says.
    pub fetch: FetchId,
    /// When, as the caller says.
    pub observed_at: Timestamp,
    /// What the call was answered: no feed had ever sighted that key.
    pub first: bool,
}

impl ObservationRow {
    /// Puts parts, and the lists of each, into their order.
    pub fn new(ledger: LedgerRow, parts: impl IntoIterator<Item = (u32, PartRow)>) -> Self {
        let mut parts: Vec<_> = parts.into_iter().collect();
        parts.sort_unstable_by_key(|(index, _)| *index);
        for (_, part) in &mut parts {
            part.made.sort_unstable();
            part.collided.sort_unstable();
            part.rejected.sort_unstable();
        }
        Self { ledger, parts }
    }
}

impl Row {
    /// About how many bytes it takes: what [`Batches`] go by.
    pub fn weight(&self) -> usize {
        let own = match self {
            Self::Feed(feed) => feed.state.cursor.as_ref().map_or(0, |cursor| cursor.as_str().len()),
            Self::Observation(row) => {
                row.parts.iter().map(|(_, part)| 40 * (part.made.len() + part.rejected.len())).sum()
            }
            Self::Reject(row) => {
                let Reject { reason, excerpt, key, .. } = &row.quarantined.reject;
                reason.len() + excerpt.len() + key.as_ref().map_or(0, |key| key.key().len())
            }
            Self::Record(record) => record.key.key().len(),
            Self::Version(stored) => stored.version.content.as_str().len() + stored.version.metadata.as_str().len(),
            Self::Event(event) => event.subject.as_ref().map_or(0, |subject| subject.key.key().len()),
            Self::Span(_) | Self::Point(_) | Self::Standing(_) | Self::Told(_) => 0,
        };
        200 + own
    }
}

/// How far an import came.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Progress {
    /// Rows that were imported.
    pub rows: u64,
    /// What the importer notes of them, to know them again: the store only keeps it.
    pub digest: [u8; 32],
}

impl Progress {
    /// That a batch of so many rows comes after these and ends at `next`: what a backend asks in the transaction that
    /// writes them, so that of two imports into one store none writes what the other has written.
    ///
    /// # Errors
    /// `Conflict` when it does not.
    pub fn check_next(&self, rows: usize, next: &Self) -> Result<()> {
        if self.rows.checked_add(rows as u64) == Some(next.rows) {
            return Ok(());
        }
        let message = format!("{} rows are imported, and these {rows} would make {}", self.rows, next.rows);
        Err(crate::StorageError::conflict(message).with_hint("another import writes this store: let one of them end"))
    }
}

/// Everything that a store holds, read and written row by row. Optional: a backend that has it says so by
/// [`crate::StorageBackend::transfer`].
#[async_trait]
pub trait Transfer: Send + Sync {
    /// Reads everything, as it is at one moment: what is written meanwhile does not show.
    async fn export(&self) -> Result<Box<dyn Export>>;

    /// Begins an import into a store that holds nothing, or goes on with one that was not finished: then it answers how
    /// far that came. Until [`Transfer::finish_import`] every other call but `info`, `initialize` and `close` fails with
    /// `Unavailable`, also after the store was closed and opened again.
    ///
    /// # Errors
    /// `Conflict` when the store holds data.
    async fn begin_import(&self) -> Result<Option<Progress>>;

    /// Writes rows that come next in the order of an export, and how far the import is with them. All or none.
    ///
    /// # Errors
    /// `Invalid` when no import was begun, or when a row does not fit those before it; `Conflict` when the rows do not
    /// come next ([`Progress::check_next`]).
    async fn import(&self, rows: Vec<Row>, progress: Progress) -> Result<()>;

    /// Ends an import: the store is one like any other.
    ///
    /// # Errors
    /// `Invalid` when no import was begun.
    async fn finish_import(&self) -> Result<()>;
}

/// An export under way.
#[async_trait]
pub trait Export: Send {
    /// The next rows, some thousand at most; none at the end.
    async fn next(&mut self) -> Result<Vec<Row>>;
}

/// Cuts rows into batches of a size that is easy on memory and on transactions.
#[derive(Debug, Default)]
pub struct Batches {
    rows: Vec<Row>,
    weight: usize,
}

impl Batches {
    /// The most rows of a batch.
    pub const MOST_ROWS: usize = 2_000;
    /// About the most bytes of a batch: 4 MiB.
    pub const MOST_BYTES: usize = 4 << 20;

    /// Adds a row; gives the batch when it is full.
    pub fn push(&mut self, row: Row) -> Option<Vec<Row>> {
        self.weight += row.weight();
        self.rows.push(row);
        (self.rows.len() >= Self::MOST_ROWS || self.weight >= Self::MOST_BYTES).then(|| self.take())
    }

    /// What is left; may be none.
    pub fn take(&mut self) -> Vec<Row> {
        self.weight = 0;
        std::mem::take(&mut self.rows)
    }
}

/// The error of every other call while an import is not finished.
pub fn import_unfinished() -> crate::StorageError {
    crate::StorageError::new(crate::ErrorKind::Unavailable, "an import into this store was begun and not finished")
        .with_hint("run the same copy or restore again: it goes on where it stopped")
}

/// The error of an import into a store that is not empty.
pub fn not_empty() -> crate::StorageError {
    crate::StorageError::conflict("the store holds data already").with_hint("import into a new store")
}

/// The error of import calls without a beginning.
pub fn no_import() -> crate::StorageError {
    crate::StorageError::invalid("no import was begun").with_hint("call begin_import() first")
}

/// The error of an export whose reader ended without having come to the end: what came before must not pass for all.
pub fn broke_off() -> crate::StorageError {
    crate::StorageError::internal("the export broke off before its end")
        .with_hint("this is a fault of the backend: please report it, and do not use what was written")
}

/// The error of a row that names what no row before it did.
pub fn unfounded(row: &str, names: impl std::fmt::Display) -> crate::StorageError {
    crate::StorageError::invalid(format!("a {row} row names {names}, and no row before it does"))
        .with_hint("the rows are not those of an export, or not in its order")
}
