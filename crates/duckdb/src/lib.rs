//! The analytical backend: everything in one DuckDB file, open to SQL and to Parquet.
//!
//! The crate is empty unless its feature `linked` is on: it needs `libduckdb.so`, which `cargo xtask test --duckdb`
//! fetches ready-made, and no other build of the workspace does.
//!
//! DuckDB is a column store for one process. One connection writes, each call in a transaction of its own, and cloned
//! connections read snapshots beside it. Rows are appended in bulk and found by scans: there are no indexes, and keys are
//! unique because the one writer looks before it writes. (DuckDB checks its own unique indexes against rows that the same
//! transaction has deleted, so that a row could not be replaced.)
//!
//! # For analysts
//!
//! These views stay as they are when the tables below them change, whose names begin with an underscore:
//!
//! | view | one row for each |
//! |---|---|
//! | `records` | record, its highest layer: `id, namespace, key, key_rule, layer, version, content, metadata, published, updated, first_seen, recorded_at` |
//! | `versions` | version of a record at a layer: `record, namespace, key, layer, version, is_current, content, metadata, published, updated, recorded_at, feed, fetch_id` |
//! | `sightings` | sighting: `namespace, key, record, feed, fetch_id, observed_at, version` |
//! | `observations` | committed fetch: `feed, fetch_id, round, coverage, observed_at, recorded_at, seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back` |
//! | `changes` | entry of the change log: `seq, kind, record, namespace, key, layer, version, feed, fetch_id, witness, recorded_at` |
//! | `rejects` | quarantined item: `feed, fetch_id, ordinal, namespace, key, code, reason, excerpt, recorded_at` |
//!
//! `fetch_id` is a fetch (`fetch` is a word of SQL). Instants are `TIMESTAMP`s in UTC; `content` and `metadata` are `JSON`:
//! `SELECT content->>'$.title' FROM records`. `ask_sql` asks them, joined with Parquet and CSV files if need be. Of columns
//! with equal names, as `SELECT *` over a join has them, the second is called `name_1`, the third `name_2`.

#![cfg(feature = "linked")]

mod apply;
mod care;
mod check;
mod compact;
mod connect;
mod dialect;
mod error;
mod export;
mod history;
mod import;
mod ingest;
mod ledger;
mod query;
mod rows;
mod schema;
mod session;
mod sightings;
mod sql;
mod store;
mod verify;
mod write;

pub use store::DuckDbStore;
