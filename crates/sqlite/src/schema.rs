//! The tables, and how a file comes to have them.
//!
//! Lean by measurement: what is asked at every poll is narrow and clustered, what is large is written once, and no index
//! serves a question that is asked rarely. Numbers given by this file (`no`) stand for the long names that many rows
//! share.

use std::fs::File;
use std::io::Read;

use feedspine_core::StorageError;
use rusqlite::{Connection, ErrorCode, Transaction, TransactionBehavior};

use crate::error::{Fault, Outcome};

/// Marks a file as ours: `FSPN`.
pub(crate) const APPLICATION_ID: i32 = 0x4653_504E;

/// How every SQLite database begins (<https://sqlite.org/fileformat2.html#magic_header_string>).
const HEAD: &[u8; 16] = b"SQLite format 3\0";

/// The schema version that this program writes.
pub(crate) const SCHEMA_VERSION: u32 = 6;

/// The first schema version whose positions have an epoch.
pub(crate) const FIRST_WITH_EPOCHS: u32 = 3;

/// The steps from an empty file to the newest schema; a file's schema version is how many of them were taken. Each makes or
/// changes a table: by that, programs that have the file open notice that they no longer know it.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [VERSION_1, VERSION_2, VERSION_3, VERSION_4, VERSION_5, VERSION_6];

const VERSION_1: &str = "
-- Namespaces and hash rules, each stored once.
CREATE TABLE spaces (no INTEGER PRIMARY KEY, name TEXT NOT NULL UNIQUE) STRICT;
CREATE TABLE rules (no INTEGER PRIMARY KEY, id TEXT NOT NULL UNIQUE) STRICT;
INSERT INTO rules VALUES (0, '');

-- What is held of each feed: its cursor and its manifest in brief.
CREATE TABLE feeds (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    revision INTEGER NOT NULL DEFAULT 0,
    cursor TEXT,
    round INTEGER NOT NULL DEFAULT 0,
    told_by BLOB,
    told_in INTEGER,
    digest BLOB,
    size INTEGER,
    rule INTEGER,
    -- How many rows of the ledger and of the quarantine it has.
    observations INTEGER NOT NULL DEFAULT 0,
    rejects INTEGER NOT NULL DEFAULT 0,
    -- The last round's place in the order of sightings.
    observed_at INTEGER,
    last_fetch BLOB
) STRICT;

-- Fetches by number. The control plane's columns are null for fetches that it was not told of.
CREATE TABLE fetches (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    feed INTEGER,
    -- Counts a feed's fetches in the order in which they were begun.
    begun INTEGER,
    address INTEGER,
    started_at INTEGER,
    finished_at INTEGER,
    status TEXT,
    http_status INTEGER,
    wire_bytes INTEGER,
    body_bytes INTEGER,
    duration_ms INTEGER,
    code TEXT,
    reason TEXT
) STRICT;
CREATE UNIQUE INDEX fetches_begun ON fetches (feed, begun) WHERE begun IS NOT NULL;

-- The ledger: one row for each observation. `place` counts a feed's observations in the order of commits.
CREATE TABLE ledger (
    feed INTEGER NOT NULL,
    place INTEGER NOT NULL,
    fetch INTEGER NOT NULL,
    coverage INTEGER NOT NULL,
    -- For Unchanged: the place of the observation that it names.
    of INTEGER,
    observed_at INTEGER NOT NULL,
    -- Microseconds after observed_at.
    recorded_after INTEGER NOT NULL,
    round INTEGER,
    -- This round does not come after the one before it in the order of sightings.
    setback INTEGER NOT NULL,
    -- Its last part came.
    ended INTEGER NOT NULL,
    seen INTEGER NOT NULL, new INTEGER NOT NULL, changed INTEGER NOT NULL, unchanged INTEGER NOT NULL,
    rejected INTEGER NOT NULL, repeated INTEGER NOT NULL, withdrawn INTEGER NOT NULL,
    scrolled_off INTEGER NOT NULL, returned INTEGER NOT NULL, gaps INTEGER NOT NULL,
    -- Of a fetch that came in one part, what `parts` keeps of the others; else null.
    digest BLOB,
    revision INTEGER,
    first_change INTEGER,
    PRIMARY KEY (feed, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX ledger_by_fetch ON ledger (fetch);
CREATE INDEX ledger_by_round ON ledger (feed, round) WHERE round IS NOT NULL;
CREATE INDEX ledger_setbacks ON ledger (feed, round) WHERE setback;

-- The committed parts of fetches that came in several.
CREATE TABLE parts (
    feed INTEGER NOT NULL,
    place INTEGER NOT NULL,
    part INTEGER NOT NULL,
    round INTEGER,
    seen INTEGER NOT NULL, new INTEGER NOT NULL, changed INTEGER NOT NULL, unchanged INTEGER NOT NULL,
    rejected INTEGER NOT NULL, repeated INTEGER NOT NULL, withdrawn INTEGER NOT NULL,
    scrolled_off INTEGER NOT NULL, returned INTEGER NOT NULL, gaps INTEGER NOT NULL,
    digest BLOB NOT NULL,
    revision INTEGER NOT NULL,
    first_change INTEGER,
    -- Ordinals, four bytes each, most significant first.
    retold BLOB NOT NULL,
    PRIMARY KEY (feed, place, part)
) STRICT, WITHOUT ROWID;

-- Records, narrow: what lists are filtered and ordered by. `published` is that of the highest layer.
CREATE TABLE records (
    no INTEGER PRIMARY KEY,
    id BLOB NOT NULL UNIQUE,
    space INTEGER NOT NULL,
    key TEXT NOT NULL,
    key_rule TEXT NOT NULL,
    first_seen INTEGER NOT NULL,
    published INTEGER,
    -- The feed whose document captured it, and the round: its first span, which shows version 1 and is open as long as
    -- `spans` holds none that begins so. Null for records that were first captured or written otherwise.
    feed INTEGER,
    since INTEGER
) STRICT;
-- Latest first is what people ask for. The other orders read this narrow table: 8 ms for 100 000 records by -published.
CREATE INDEX records_first_seen ON records (first_seen);
CREATE TABLE keys (
    space INTEGER NOT NULL,
    hash BLOB NOT NULL,
    record INTEGER NOT NULL,
    PRIMARY KEY (space, hash)
) STRICT, WITHOUT ROWID;
-- The names of records that were deleted: the change log still speaks of them, and their numbers are not given again.
CREATE TABLE graves (no INTEGER PRIMARY KEY, id BLOB NOT NULL, space INTEGER NOT NULL, key TEXT NOT NULL) STRICT;

-- What versions hold. A record's first bronze version has the record's number (see versions.rs).
CREATE TABLE contents (
    no INTEGER PRIMARY KEY,
    hash BLOB NOT NULL,
    rule INTEGER NOT NULL,
    -- The hash under that rule, where it differs from the whole content's.
    rule_hash BLOB,
    published INTEGER,
    updated INTEGER,
    recorded_at INTEGER NOT NULL,
    feed INTEGER,
    fetch INTEGER,
    from_layer INTEGER,
    from_version INTEGER,
    from_hash BLOB,
    from_deleted INTEGER,
    -- Null for an empty object.
    metadata TEXT,
    content TEXT NOT NULL
) STRICT;
-- All other versions. `row` is made of the record's number, the layer and the version's number (see rows.rs): a record's
-- versions lie together, and its current one is the greatest.
CREATE TABLE revisions (row INTEGER PRIMARY KEY, content INTEGER NOT NULL) STRICT;

-- Open spans packed by feed (see manifest.rs): what a document is compared with.
CREATE TABLE manifests (row INTEGER PRIMARY KEY, entries BLOB NOT NULL) STRICT;
-- What a feed showed last of a record that it no longer holds; null when that version was deleted.
CREATE TABLE absent (
    record INTEGER NOT NULL,
    feed INTEGER NOT NULL,
    shown_version INTEGER,
    shown_hash BLOB,
    -- Null when the feed only ever showed it by Delta.
    ended TEXT,
    PRIMARY KEY (record, feed)
) STRICT, WITHOUT ROWID;
-- Spans by record, the first ones only once they ended; `until` is null while one is open.
CREATE TABLE spans (
    record INTEGER NOT NULL,
    feed INTEGER NOT NULL,
    since INTEGER NOT NULL,
    until INTEGER,
    version INTEGER NOT NULL,
    PRIMARY KEY (record, feed, since)
) STRICT, WITHOUT ROWID;
CREATE VIEW all_spans AS
    SELECT record, feed, since, until, version FROM spans
    UNION ALL
    SELECT r.no, r.feed, r.since, NULL, 1 FROM records r
    WHERE r.feed IS NOT NULL
      AND NOT EXISTS (SELECT 1 FROM spans s WHERE s.record = r.no AND s.feed = r.feed AND s.since = r.since);
-- Point sightings.
CREATE TABLE points (
    record INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    feed INTEGER NOT NULL,
    fetch INTEGER NOT NULL,
    shown_version INTEGER NOT NULL,
    shown_hash BLOB NOT NULL,
    age INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    PRIMARY KEY (record, observed_at, feed, fetch)
) STRICT, WITHOUT ROWID;
CREATE INDEX points_by_fetch ON points (fetch, feed);
-- Sightings told by a caller, of keys that may have no record.
CREATE TABLE told (
    key_hash BLOB NOT NULL,
    feed BLOB NOT NULL,
    fetch BLOB NOT NULL,
    observed_at INTEGER NOT NULL,
    first INTEGER NOT NULL,
    PRIMARY KEY (key_hash, feed, fetch)
) STRICT, WITHOUT ROWID;

CREATE TABLE rejects (
    feed INTEGER NOT NULL,
    place INTEGER NOT NULL,
    fetch INTEGER NOT NULL,
    part INTEGER NOT NULL,
    recorded_at INTEGER NOT NULL,
    ordinal INTEGER NOT NULL,
    namespace TEXT,
    key TEXT,
    code TEXT NOT NULL,
    reason TEXT NOT NULL,
    excerpt TEXT NOT NULL,
    PRIMARY KEY (feed, place)
) STRICT, WITHOUT ROWID;
CREATE INDEX rejects_by_fetch ON rejects (fetch);

-- The change log (see changes.rs): the events of one call or part, numbered on from `seq`. Its rows stay when records
-- are deleted.
CREATE TABLE changes (
    seq INTEGER PRIMARY KEY,
    feed INTEGER,
    fetch INTEGER,
    recorded_at INTEGER NOT NULL,
    events BLOB NOT NULL
) STRICT;

-- The control plane: feeds as people know them, and the addresses of fetches.
CREATE TABLE control_feeds (
    id BLOB PRIMARY KEY NOT NULL,
    name TEXT NOT NULL,
    address TEXT NOT NULL,
    namespace TEXT NOT NULL,
    status TEXT NOT NULL,
    key_rule TEXT,
    allow_private INTEGER NOT NULL,
    added_at INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
CREATE UNIQUE INDEX control_feed_names ON control_feeds (name) WHERE status <> 'removed';
CREATE TABLE addresses (no INTEGER PRIMARY KEY, text TEXT NOT NULL UNIQUE) STRICT;
";

/// What the operator chose for a feed.
const VERSION_2: &str = "ALTER TABLE control_feeds ADD COLUMN settings TEXT NOT NULL DEFAULT '{}';";

/// Which line of its history the positions in the change log belong to.
const VERSION_3: &str = "
-- One row. The epoch is 0 for stores that are older than this table: their positions are numbers alone.
CREATE TABLE history (epoch INTEGER NOT NULL) STRICT;
INSERT INTO history VALUES (0);";

/// How many contents were not kept, since their records churn.
const VERSION_4: &str = "
ALTER TABLE ledger ADD COLUMN held_back INTEGER NOT NULL DEFAULT 0;
ALTER TABLE parts ADD COLUMN held_back INTEGER NOT NULL DEFAULT 0;";

/// When feeds are fetched next, by which daemon, and what else is written down of a fetch.
const VERSION_5: &str = "
CREATE TABLE control_schedules (
    feed BLOB PRIMARY KEY NOT NULL,
    -- Null while the feed is not fetched by itself.
    due_at INTEGER,
    state TEXT NOT NULL
) STRICT, WITHOUT ROWID;
CREATE INDEX control_schedules_due ON control_schedules (due_at, feed) WHERE due_at IS NOT NULL;
CREATE TABLE control_leases (
    host TEXT PRIMARY KEY NOT NULL,
    token INTEGER NOT NULL,
    -- Null when it was given back.
    holder TEXT,
    until INTEGER NOT NULL
) STRICT, WITHOUT ROWID;
-- Null for an empty object.
ALTER TABLE fetches ADD COLUMN notes TEXT;
-- The lease that a fetch was begun under, as long as it runs.
ALTER TABLE fetches ADD COLUMN lease_host TEXT;
ALTER TABLE fetches ADD COLUMN lease_token INTEGER;
CREATE INDEX fetches_leased ON fetches (lease_host) WHERE lease_host IS NOT NULL;";

/// The bytes that fetches brought.
const VERSION_6: &str = "
-- Each body once. `base`: the one that it is packed against.
CREATE TABLE capture_bodies (
    no INTEGER PRIMARY KEY,
    hash BLOB NOT NULL UNIQUE,
    length INTEGER NOT NULL,
    packing TEXT NOT NULL,
    base INTEGER,
    packed BLOB NOT NULL
) STRICT;
CREATE INDEX capture_bodies_by_base ON capture_bodies (base) WHERE base IS NOT NULL;
-- Feeds and fetches by their ids: those of fetches are the order. `url` is a number of `addresses`.
CREATE TABLE captures (
    feed BLOB NOT NULL,
    fetch BLOB NOT NULL,
    first_ordinal INTEGER NOT NULL,
    last_ordinal INTEGER NOT NULL,
    observed_at INTEGER NOT NULL,
    url INTEGER,
    content_type TEXT,
    http_status INTEGER,
    -- Null where no fields are kept.
    headers TEXT,
    body INTEGER NOT NULL,
    PRIMARY KEY (feed, fetch, first_ordinal)
) STRICT, WITHOUT ROWID;
CREATE INDEX captures_by_body ON captures (body);";

/// Begins a line of history of its own: positions of every other one are told apart from its.
pub(crate) const NEW_EPOCH: &str = "UPDATE history SET epoch = random() & 0x7FFFFFFF | 1";

/// What a file is, before it is written to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// An empty file.
    Nothing,
    /// A store of ours with that schema version.
    Ours(u32),
    /// Somebody else's database.
    Foreign,
}

/// Looks at a file, within a transaction of the caller's, and writes nothing.
pub(crate) fn look(conn: &Transaction<'_>) -> Outcome<Found> {
    let application_id = conn.query_row("PRAGMA application_id", [], |row| row.get(0));
    let application_id: i32 = application_id.map_err(|error| no_database(conn, error))?;
    let version = version(conn)?;
    // The header says it: a store whose tables cannot be read is still one of ours.
    if application_id == APPLICATION_ID {
        return Ok(Found::Ours(version));
    }
    let tables: i64 = conn.query_row("SELECT count(*) FROM sqlite_schema", [], |row| row.get(0))?;
    Ok(if (application_id, version, tables) == (0, 0, 0) { Found::Nothing } else { Found::Foreign })
}

/// How many steps the file has taken.
pub(crate) fn version(conn: &Connection) -> Outcome<u32> {
    Ok(conn.query_row("PRAGMA user_version", [], |row| row.get(0))?)
}

/// Takes the steps that are missing, all in one transaction; of two processes at once, the second finds nothing to do.
pub(crate) fn migrate(conn: &mut Connection) -> Outcome<()> {
    let transaction = conn.transaction_with_behavior(TransactionBehavior::Immediate)?;
    let taken = match look(&transaction)? {
        Found::Nothing => 0,
        Found::Ours(version) => version,
        Found::Foreign => return Err(foreign().into()),
    };
    check_version(taken)?;
    for step in MIGRATIONS.iter().skip(taken as usize) {
        transaction.execute_batch(step)?;
    }
    if taken == 0 {
        transaction.execute_batch(NEW_EPOCH)?;
    }
    if taken < SCHEMA_VERSION {
        transaction.pragma_update(None, "application_id", APPLICATION_ID)?;
        transaction.pragma_update(None, "user_version", SCHEMA_VERSION)?;
    }
    transaction.commit()?;
    Ok(())
}

/// An empty store of that schema version, in memory: what a file of that version is compared with.
pub(crate) fn pattern(version: u32) -> Outcome<Connection> {
    let conn = Connection::open_in_memory()?;
    for step in MIGRATIONS.iter().take(version as usize) {
        conn.execute_batch(step)?;
    }
    Ok(conn)
}

/// Refuses a schema that this program does not know.
pub(crate) fn check_version(version: u32) -> Result<(), StorageError> {
    if version <= SCHEMA_VERSION {
        return Ok(());
    }
    let message = format!("the store has schema version {version}; this program knows up to {SCHEMA_VERSION}");
    Err(StorageError::unsupported(message).with_hint("use a newer feedspine"))
}

/// A file that does not even begin as a database does never was a store; any other one is damaged.
fn no_database(conn: &Connection, error: rusqlite::Error) -> Fault {
    let begins_so = |path: &str| {
        let mut head = [0; HEAD.len()];
        File::open(path).and_then(|mut file| file.read_exact(&mut head)).is_ok() && head == *HEAD
    };
    if error.sqlite_error_code() != Some(ErrorCode::NotADatabase) || conn.path().is_none_or(begins_so) {
        return error.into();
    }
    StorageError::corrupt("the file is no store: it is not an SQLite database")
        .with_hint("name another file, as in --db sqlite:PATH; if it was a store once, restore it from a backup")
        .with_source(error)
        .into()
}

/// The error for a database of somebody else's.
pub(crate) fn foreign() -> StorageError {
    StorageError::corrupt("the file is a database of another program")
        .with_hint("choose another file: feedspine makes its own")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_step_is_noticed_by_programs_that_have_the_file_open() {
        let conn = Connection::open_in_memory().unwrap();
        let version = || conn.query_row("PRAGMA schema_version", [], |row| row.get::<_, i64>(0)).unwrap();
        for step in MIGRATIONS {
            let before = version();
            conn.execute_batch(step).unwrap();
            assert_ne!(version(), before, "{step}");
        }
    }
}
