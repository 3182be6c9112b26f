//! The limits that a store is measured against: plain loops of rusqlite with the pragmas that ours has.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::candidates::Snapshot;

/// The pragmas that ours sets (`crates/sqlite/src/connect.rs`).
const PRAGMAS: [(&str, &str); 6] = [
    ("page_size", "8192"),
    ("journal_mode", "wal"),
    ("synchronous", "full"),
    ("wal_autocheckpoint", "4000"),
    ("cache_size", "-16384"),
    ("temp_store", "memory"),
];

/// When the poll of [`Bare::check_then_write`] is said to be.
const POLLED_AT: i64 = 1_790_000_000_000_000;

/// What a check-then-write loop keeps of an item that it knows already.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Keeps {
    /// Nothing: that it was seen again is lost.
    Items,
    /// A row for each sighting, appended without an index: the least that keeps what ours keeps.
    Sightings,
}

/// A file with one table and one unique key.
#[derive(Debug)]
pub struct Bare {
    connection: Connection,
    rows_per_commit: usize,
}

impl Bare {
    /// Opens the file, and makes the table when it is new.
    ///
    /// # Panics
    /// When SQLite refuses: a measurement without its limit is none.
    pub fn open(path: &Path, rows_per_commit: usize) -> Self {
        let connection = Connection::open(path).expect("the folder can be written");
        for (name, value) in PRAGMAS {
            connection.execute_batch(&format!("PRAGMA {name} = {value}")).expect("a pragma that ours sets too");
        }
        connection
            .execute_batch(
                "CREATE TABLE IF NOT EXISTS items(
                     number INTEGER PRIMARY KEY, key TEXT NOT NULL UNIQUE, hash BLOB NOT NULL, content TEXT NOT NULL
                 ) STRICT;
                 CREATE TABLE IF NOT EXISTS sightings(
                     row INTEGER PRIMARY KEY, item INTEGER NOT NULL, observed_at INTEGER NOT NULL
                 ) STRICT",
            )
            .expect("the table can be made");
        Self { connection, rows_per_commit }
    }

    /// Inserts every item by one prepared statement.
    ///
    /// # Panics
    /// When SQLite refuses.
    pub fn insert(&self, snapshots: &[Snapshot]) {
        self.in_commits(snapshots, |key, hash, content| {
            self.connection
                .prepare_cached("INSERT INTO items(key, hash, content) VALUES (?1, ?2, ?3)")
                .and_then(|mut insert| insert.execute(params![key, hash, content]))
                .expect("a new key");
        });
    }

    /// Selects each key's hash, and updates the row when the hash is another: what the usual reader does at each poll.
    ///
    /// # Panics
    /// When SQLite refuses.
    pub fn check_then_write(&self, snapshots: &[Snapshot], keeps: Keeps) {
        self.in_commits(snapshots, |key, hash, content| {
            let mut select = self
                .connection
                .prepare_cached("SELECT number, hash FROM items WHERE key = ?1")
                .expect("a good statement");
            let held: Option<(i64, [u8; 32])> =
                select.query_row([key], |row| Ok((row.get(0)?, row.get(1)?))).optional().expect("a good row");
            let (number, held) = held.expect("every item was inserted before");
            if held != hash {
                self.connection
                    .prepare_cached("UPDATE items SET hash = ?2, content = ?3 WHERE number = ?1")
                    .and_then(|mut update| update.execute(params![number, hash, content]))
                    .expect("a known item");
            }
            if keeps == Keeps::Sightings {
                self.connection
                    .prepare_cached("INSERT INTO sightings(item, observed_at) VALUES (?1, ?2)")
                    .and_then(|mut insert| insert.execute(params![number, POLLED_AT]))
                    .expect("a row is appended");
            }
        });
    }

    /// Selects one item by its key.
    ///
    /// # Panics
    /// When it is not there.
    pub fn find(&self, key: &str) -> String {
        let mut select = self
            .connection
            .prepare_cached("SELECT key, hash, content FROM items WHERE key = ?1")
            .expect("a good statement");
        select.query_row([key], |row| row.get(2)).expect("every item was inserted before")
    }

    fn in_commits(&self, snapshots: &[Snapshot], write: impl Fn(&str, &[u8], &str)) {
        let mut open = 0;
        for item in snapshots.iter().flat_map(|snapshot| &snapshot.items) {
            if open == 0 {
                self.connection.execute_batch("BEGIN IMMEDIATE").expect("no other writer");
            }
            write(item.key.key(), item.content.hash().as_bytes(), item.content.as_str());
            open += 1;
            if open == self.rows_per_commit {
                self.connection.execute_batch("COMMIT").expect("the disk takes it");
                open = 0;
            }
        }
        if open > 0 {
            self.connection.execute_batch("COMMIT").expect("the disk takes it");
        }
    }
}
