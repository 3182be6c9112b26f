//! The shared backend and control plane: everything in one schema of a PostgreSQL database (13 or newer).
//!
//! Any number of processes use one store at once. Each write is one transaction that begins by taking advisory locks on
//! the namespaces it writes to, so that within a namespace the order of transaction ids is the order of versions and
//! writers of ours cannot deadlock; namespaces run in parallel. Followers read the change log by
//! `(transaction id, ordinal)` up to the oldest transaction that still runs, so none is ever skipped.
//!
//! A PgBouncer that pools transactions may stand between: then no statement has a name, and every setting ends with its
//! transaction. A connection that turns out to be the server's own keeps what it has prepared.

mod apply;
mod bind;
mod captures;
mod care;
mod changes;
mod connection;
mod delete;
mod dialect;
mod error;
mod export;
mod feed_row;
mod header;
mod history;
mod import;
mod ingest;
mod leases;
mod ledger;
mod locks;
mod manifest;
mod outcomes;
mod pool;
mod query;
mod rows;
mod schedules;
mod schema;
mod session;
mod settings;
mod sightings;
mod state;
mod store;
mod tls;
mod tries;
mod verify;
mod write;
mod writes;

pub use settings::{SchemaName, Settings};
pub use store::PostgresStore;
