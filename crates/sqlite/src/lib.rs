//! The embedded default backend and control plane: everything in one SQLite file.
//!
//! One thread writes: it takes all waiting jobs, runs them one after the other, commits them together with the log on
//! disk, and only then answers; a job that fails is taken back alone. Questions are asked beside it, on connections of
//! their own. Other processes may use the same file at the same time.

mod apply;
mod captures;
mod care;
mod changes;
mod checkpoint;
mod connect;
mod error;
mod export;
mod feed_row;
mod functions;
mod history;
mod import;
mod ingest;
mod leases;
mod ledger;
mod manifest;
mod query;
mod readers;
mod rows;
mod schedules;
mod schema;
mod session;
mod sightings;
mod state;
mod store;
mod verify;
mod versions;
mod write;
mod writer;

pub use store::{Settings, SqliteStore, Stats};
