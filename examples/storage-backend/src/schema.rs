//! The tables: what the key of each is, and what a row holds. Rows are JSON; keys are bytes whose order is ours.

use feedspine_core::ingest::{FeedState, LedgerRow, PartRow, Point, Present, Standing, StoredVersion};
use feedspine_core::transfer::Progress;
use feedspine_core::{
    Event, FetchId, KeyRule, NaturalKey, Quarantined, RecordId, Result, Round, StorageError, Timestamp, VersionNo,
};
use redb::WriteTransaction;
use serde::{Deserialize, Serialize};

use crate::error::fault;
use crate::table::Table;

/// Grows with each change of the tables; a store of a later one is refused.
pub(crate) const SCHEMA_VERSION: u32 = 1;

/// The 16 bytes of a feed's, a fetch's or a record's id.
pub(crate) type Id = [u8; 16];
/// The 32 bytes of a natural key's hash.
pub(crate) type Hash = [u8; 32];

/// Declares the tables, and `create_all`, which makes them exist: a redb reader cannot open one that was never written.
macro_rules! tables {
    ($($(#[$doc:meta])+ $name:ident: $key:ty => $row:ty;)+) => {
        $($(#[$doc])+ pub(crate) const $name: Table<$key, $row> = Table::new(stringify!($name));)+

        fn create_all(tx: &WriteTransaction) -> Result<()> {
            $($name.create(tx)?;)+
            Ok(())
        }
    };
}

tables! {
    /// What this store is: one row, its schema version.
    META: () => u32;
    /// Records, by id: what never changes of them.
    RECORDS: Id => RecordRow;
    /// The record of each natural key: what keeps keys unique.
    KEYS: Hash => RecordId;
    /// Versions, by record, layer and number: a record's last is the current one of its highest layer.
    VERSIONS: ((Id, u8), u64) => StoredVersion;
    /// The change log, numbered from 1.
    CHANGES: ((), u64) => Event;
    /// Feeds: cursor, round and manifest.
    FEEDS: Id => FeedState;
    /// The ledger of each feed, numbered from 1.
    LEDGER: (Id, u64) => LedgerRow;
    /// The ledger's number of each fetch, by feed and fetch.
    FETCHES: (Id, Id) => u64;
    /// The committed parts of each fetch, by feed, fetch and index.
    PARTS: (Id, Id, u32) => PartRow;
    /// Which fetch each round of a feed was, and when.
    ROUNDS: (Id, u64) => (FetchId, Timestamp);
    /// The quarantine of each feed, numbered from 1.
    REJECTS: (Id, u64) => Quarantined;
    /// What each feed holds now, by feed and key: all that most documents have to be compared with.
    PRESENT: (Id, Hash) => Present;
    /// How each key stands with each feed that ever captured it, by key and feed.
    STANDINGS: (Hash, Id) => Standing;
    /// Spans that ended, by key, feed and first round: the last round, and the version shown.
    SPANS: (Hash, Id, u64) => (Round, VersionNo);
    /// Point sightings, by key, feed and fetch, each with its time.
    POINTS: (Hash, Id, Id) => (Point, Timestamp);
    /// The keys that a fetch has point sightings of, by feed, fetch and key.
    POINTS_OF: (Id, Id, Hash) => ();
    /// When sightings were told by a call, by key, feed and fetch, and the answer given.
    TOLD: (Hash, Id, Id) => (Timestamp, bool);
    /// How far an import came that was begun and not finished: one row, or none.
    IMPORTING: () => Progress;
}

/// What never changes of a record.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct RecordRow {
    pub(crate) key: NaturalKey,
    pub(crate) key_rule: KeyRule,
    pub(crate) first_seen: Timestamp,
}

/// Creates what is missing. The write transaction that this runs in is what lets two processes do it at once.
pub(crate) fn create_or_check(tx: &WriteTransaction) -> Result<()> {
    let is_empty = tx.list_tables().map_err(fault)?.next().is_none();
    if is_empty {
        create_all(tx)?;
        return META.put(tx, (), &SCHEMA_VERSION);
    }
    match META.get(tx, ())? {
        Some(SCHEMA_VERSION) => Ok(()),
        Some(found) => {
            let message = format!("the store has schema version {found}; this program knows {SCHEMA_VERSION}");
            Err(StorageError::unsupported(message).with_hint("use a newer feedspine-example-redb"))
        }
        None => Err(StorageError::corrupt("the redb file is not a FeedSpine store").with_hint("name another file")),
    }
}
