//! The tables, and the views over them.

use std::collections::BTreeMap;

use duckdb::Connection;
use feedspine_core::StorageError;

use crate::error::{Outcome, corrupt};
use crate::rows::{self, no_values};

/// The schema version that this program writes.
pub(crate) const SCHEMA_VERSION: u32 = 3;

/// The first schema version whose positions have an epoch.
pub(crate) const FIRST_WITH_EPOCHS: u32 = 2;

/// The steps from an empty file to the newest schema; a store's version is how many of them were taken. A step that has
/// landed never changes.
const MIGRATIONS: [&str; SCHEMA_VERSION as usize] = [VERSION_1, VERSION_2, VERSION_3];

/// Each `CREATE TABLE` lists its columns in the order in which rows are appended. No table has a key or an index: see the
/// crate's documentation.
///
/// `versions` holds the key of its record too, so that no question about records needs a join: columns of equal values
/// cost next to nothing. `is_current` is the last version of its layer, `is_top` the one of the highest layer, which
/// stands for the record.
const VERSION_1: &str = "
CREATE TABLE _meta (schema_version UINTEGER NOT NULL);
CREATE TABLE _versions (
    record UUID NOT NULL, key_hash BLOB NOT NULL, namespace VARCHAR NOT NULL, key VARCHAR NOT NULL,
    key_rule VARCHAR NOT NULL, first_seen TIMESTAMP NOT NULL,
    layer UTINYINT NOT NULL, number UINTEGER NOT NULL, is_current BOOLEAN NOT NULL, is_top BOOLEAN NOT NULL,
    hash BLOB NOT NULL, hash_rule VARCHAR NOT NULL, content VARCHAR NOT NULL, metadata VARCHAR NOT NULL,
    published TIMESTAMP, updated TIMESTAMP, recorded_at TIMESTAMP NOT NULL, feed UUID, fetch_id UUID,
    from_layer UTINYINT, from_version UINTEGER, from_hash BLOB, from_deleted BOOLEAN);
CREATE TABLE _feeds (feed UUID NOT NULL, state VARCHAR NOT NULL);
CREATE TABLE _ledger (
    feed UUID NOT NULL, number UBIGINT NOT NULL, fetch_id UUID NOT NULL, ended BOOLEAN NOT NULL, round UBIGINT,
    coverage VARCHAR NOT NULL, repeats UUID, observed_at TIMESTAMP NOT NULL, recorded_at TIMESTAMP NOT NULL,
    seen UBIGINT NOT NULL, new UBIGINT NOT NULL, changed UBIGINT NOT NULL, unchanged UBIGINT NOT NULL,
    rejected UBIGINT NOT NULL, repeated UBIGINT NOT NULL, withdrawn UBIGINT NOT NULL, scrolled_off UBIGINT NOT NULL,
    returned UBIGINT NOT NULL, gaps UBIGINT NOT NULL);
CREATE TABLE _parts (feed UUID NOT NULL, fetch_id UUID NOT NULL, part UINTEGER NOT NULL, told VARCHAR NOT NULL);
CREATE TABLE _rejects (
    feed UUID NOT NULL, number UBIGINT NOT NULL, fetch_id UUID NOT NULL, recorded_at TIMESTAMP NOT NULL,
    ordinal UINTEGER NOT NULL, namespace VARCHAR, key VARCHAR, code VARCHAR NOT NULL, reason VARCHAR NOT NULL,
    excerpt VARCHAR NOT NULL);
CREATE TABLE _standings (
    key_hash BLOB NOT NULL, feed UUID NOT NULL, record UUID NOT NULL, is_open BOOLEAN NOT NULL, version UINTEGER,
    since UBIGINT, shown UINTEGER, shown_hash BLOB, age TIMESTAMP, left_as VARCHAR);
CREATE TABLE _spans (
    key_hash BLOB NOT NULL, feed UUID NOT NULL, record UUID NOT NULL, since UBIGINT NOT NULL, until UBIGINT NOT NULL,
    version UINTEGER NOT NULL);
CREATE TABLE _points (
    key_hash BLOB NOT NULL, feed UUID NOT NULL, fetch_id UUID NOT NULL, record UUID NOT NULL, version UINTEGER NOT NULL,
    hash BLOB NOT NULL, age TIMESTAMP NOT NULL, ordinal UINTEGER NOT NULL, observed_at TIMESTAMP NOT NULL);
CREATE TABLE _told (
    key_hash BLOB NOT NULL, namespace VARCHAR, key VARCHAR, feed UUID NOT NULL, fetch_id UUID NOT NULL,
    observed_at TIMESTAMP NOT NULL, first BOOLEAN NOT NULL);
CREATE TABLE _changes (
    seq UBIGINT NOT NULL, kind VARCHAR NOT NULL, record UUID, namespace VARCHAR, key VARCHAR, layer UTINYINT,
    version UINTEGER, feed UUID, fetch_id UUID, witness UUID, recorded_at TIMESTAMP NOT NULL);
CREATE MACRO _layer_word(rank) AS CASE rank WHEN 0 THEN 'bronze' WHEN 1 THEN 'silver' WHEN 2 THEN 'gold' END;
CREATE VIEW records AS
    SELECT record AS id, namespace, key, key_rule, _layer_word(layer) AS layer, number AS version,
           content::JSON AS content, metadata::JSON AS metadata, published, updated, first_seen, recorded_at
    FROM _versions WHERE is_top;
CREATE VIEW versions AS
    SELECT record, namespace, key, _layer_word(layer) AS layer, number AS version, is_current,
           content::JSON AS content, metadata::JSON AS metadata, published, updated, recorded_at, feed, fetch_id
    FROM _versions;
CREATE VIEW sightings AS
    WITH shown AS (
        SELECT key_hash, feed, since, until, version FROM _spans
        UNION ALL
        SELECT key_hash, feed, since, NULL, version FROM _standings WHERE is_open),
    captured AS (
        SELECT s.key_hash, s.feed, l.fetch_id, l.observed_at, s.version FROM shown s
        JOIN _ledger l ON l.feed = s.feed AND l.round >= s.since AND (s.until IS NULL OR l.round <= s.until)
        UNION ALL
        SELECT key_hash, feed, fetch_id, observed_at, version FROM _points),
    seen AS (
        SELECT key_hash, feed, fetch_id, observed_at, version FROM captured
        UNION ALL
        SELECT key_hash, feed, fetch_id, observed_at, NULL FROM _told ANTI JOIN captured USING (key_hash, feed, fetch_id))
    SELECT coalesce(v.namespace, t.namespace) AS namespace, coalesce(v.key, t.key) AS key, v.record, s.feed, s.fetch_id,
           s.observed_at, s.version
    FROM seen s LEFT JOIN _versions v ON v.key_hash = s.key_hash AND v.is_top
    LEFT JOIN _told t ON t.key_hash = s.key_hash AND t.feed = s.feed AND t.fetch_id = s.fetch_id;
CREATE VIEW observations AS
    SELECT feed, fetch_id, round, coverage, observed_at, recorded_at, seen, new, changed, unchanged, rejected, repeated,
           withdrawn, scrolled_off, returned, gaps
    FROM _ledger;
CREATE VIEW changes AS SELECT * REPLACE (_layer_word(layer) AS layer) FROM _changes;
CREATE VIEW rejects AS SELECT * EXCLUDE (number) FROM _rejects;
";

/// Which line of its history the positions in the change log belong to: one row. The epoch is 0 for stores that are older
/// than this table, whose positions are numbers alone.
const VERSION_2: &str = "CREATE TABLE _history (epoch UINTEGER NOT NULL); INSERT INTO _history VALUES (0);";

/// How many contents were not kept, since their records churn. The column is the last, as rows are appended.
const VERSION_3: &str = "
ALTER TABLE _ledger ADD COLUMN held_back UBIGINT DEFAULT 0;
CREATE OR REPLACE VIEW observations AS
    SELECT feed, fetch_id, round, coverage, observed_at, recorded_at, seen, new, changed, unchanged, rejected, repeated,
           withdrawn, scrolled_off, returned, gaps, held_back
    FROM _ledger;";

/// Begins a line of history of its own: positions of every other one are told apart from its.
pub(crate) const NEW_EPOCH: &str = "UPDATE _history SET epoch = 1 + floor(random() * 4294967295)";

/// What a DuckDB file holds.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Found {
    /// No table at all.
    Nothing,
    /// A store of that schema version.
    Ours(u32),
    /// Tables of another program.
    Foreign,
}

/// Looks what a file holds.
pub(crate) fn look(conn: &Connection) -> Outcome<Found> {
    let tables = rows::all(conn, "SELECT table_name FROM duckdb_tables()", no_values(), rows::value::<String>)?;
    if tables.is_empty() {
        return Ok(Found::Nothing);
    }
    if !["_meta", "_ledger"].iter().all(|ours| tables.iter().any(|name| name == ours)) {
        return Ok(Found::Foreign);
    }
    let version = rows::first(conn, "SELECT schema_version FROM _meta", no_values(), rows::value::<u32>)?;
    version.map(Found::Ours).ok_or_else(|| corrupt("no schema version"))
}

/// The error for a file of another program.
pub(crate) fn foreign() -> StorageError {
    StorageError::corrupt("the DuckDB file is not a FeedSpine store").with_hint("name another file")
}

/// The schema version of a store of ours that this program knows.
pub(crate) fn known(conn: &Connection) -> Outcome<u32> {
    match look(conn)? {
        Found::Ours(version) => check_version(version).map(|()| version),
        Found::Nothing => Err(StorageError::invalid("the file holds no store yet").into()),
        Found::Foreign => Err(foreign().into()),
    }
}

fn check_version(version: u32) -> Outcome<()> {
    if version <= SCHEMA_VERSION {
        return Ok(());
    }
    let message = format!("the store has schema version {version}; this program knows up to {SCHEMA_VERSION}");
    Err(StorageError::unsupported(message).with_hint("use a newer feedspine").into())
}

/// Takes the steps that a file lacks, or checks that what is there is ours.
pub(crate) fn migrate(conn: &Connection) -> Outcome<()> {
    let taken = match look(conn)? {
        Found::Nothing => 0,
        Found::Ours(version) => check_version(version).map(|()| version)?,
        Found::Foreign => return Err(foreign().into()),
    };
    for step in MIGRATIONS.iter().skip(taken as usize) {
        conn.execute_batch(step)?;
    }
    if taken == 0 {
        conn.execute_batch(NEW_EPOCH)?;
    }
    if taken < SCHEMA_VERSION {
        rows::execute(conn, "DELETE FROM _meta", no_values())?;
        rows::execute(conn, "INSERT INTO _meta VALUES (?)", &[&SCHEMA_VERSION])?;
    }
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

/// Every table, index, view and macro of a database, with its definition.
pub(crate) fn shape(conn: &Connection, database: &str) -> Outcome<BTreeMap<String, Option<String>>> {
    let sql = "SELECT concat('table ', table_name), sql FROM duckdb_tables() WHERE NOT internal AND database_name = ?
               UNION ALL
               SELECT concat('index ', index_name), sql FROM duckdb_indexes() WHERE database_name = ?
               UNION ALL
               SELECT concat('view ', view_name), sql FROM duckdb_views() WHERE NOT internal AND database_name = ?
               UNION ALL
               SELECT concat('macro ', function_name), macro_definition FROM duckdb_functions()
               WHERE NOT internal AND database_name = ?";
    let found = rows::all(conn, sql, &[&database, &database, &database, &database], |columns| {
        Ok((columns.take()?, columns.take()?))
    })?;
    Ok(found.into_iter().collect())
}

/// The name of the database that a connection was opened for.
pub(crate) fn database(conn: &Connection) -> Outcome<String> {
    let name = rows::first(conn, "SELECT current_database()", no_values(), rows::value)?;
    name.ok_or_else(|| corrupt("a database without a name"))
}
