//! The limits that a store is measured against: plain loops of rusqlite with the pragmas that ours has.

use std::path::Path;

use rusqlite::{Connection, OptionalExtension as _, params};

use crate::candidates::Snapshot;

/// The pragmas that ours sets (`crates/sqlite/src/connect.rs`).
const PRAGMAS: [(&str, &str); 5] = [
    ("page_size", "8192"),
    ("journal_mode", "wal"),
    ("synchronous", "full"),
    ("wal_autocheckpoint", "4000"),
    ("temp_store", "memory"),
];

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
    /// It records no sighting.
    ///
    /// # Panics
    /// When SQLite refuses.
    pub fn check_then_write(&self, snapshots: &[Snapshot]) {
        self.in_commits(snapshots, |key, hash, content| {
            let mut select =
                self.connection.prepare_cached("SELECT hash FROM items WHERE key = ?1").expect("a good statement");
            let held: Option<[u8; 32]> = select.query_row([key], |row| row.get(0)).optional().expect("a good row");
            if held.as_ref().map(<[u8; 32]>::as_slice) != Some(hash) {
                self.connection
                    .prepare_cached("UPDATE items SET hash = ?2, content = ?3 WHERE key = ?1")
                    .and_then(|mut update| update.execute(params![key, hash, content]))
                    .expect("a known key");
            }
        });
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
