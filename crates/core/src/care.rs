//! [`Care`]: what a backend can do for the upkeep of a store as a whole.

use std::fmt::Debug;

use async_trait::async_trait;

use crate::{ErrorKind, Result, StorageError};

/// What is at a store's place.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Standing {
    /// Nothing: `initialize` would begin a store.
    Nothing,
    /// A store.
    Store {
        /// The version of its schema, which may be newer than what this program knows.
        schema_version: u32,
    },
}

/// How large a store is, and what it holds.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct StoreSize {
    /// The bytes that it takes where it is kept, logs included.
    pub bytes: u64,
    /// About how many of them hold nothing any more; `None` when that is not known.
    pub reclaimable_bytes: Option<u64>,
    /// Which line of its history the positions in the change log belong to; `None` where the backend counts none.
    pub epoch: Option<u64>,
    /// Its tables, by name.
    pub tables: Vec<TableSize>,
}

/// How large a table is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct TableSize {
    /// What the backend calls it.
    pub name: String,
    /// How many rows it has.
    pub rows: u64,
    /// The bytes that it takes with its indexes; `None` when that is not known.
    pub bytes: Option<u64>,
}

/// What came of a check.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct CheckReport {
    /// What was looked at, each in a few words.
    pub examined: Vec<String>,
    /// What is wrong. The store is sound as far as it was examined when there is nothing.
    pub faults: Vec<String>,
    /// What is no fault but should be known, such as what could not be looked at and why.
    pub notes: Vec<String>,
}

impl CheckReport {
    /// The answer to a question of the check. Damage so great that there is none is a fault: `None`.
    ///
    /// # Errors
    /// Any but `Corrupt`.
    pub fn unless_corrupt<T>(&mut self, answer: Result<T>) -> Result<Option<T>> {
        match answer {
            Ok(answer) => Ok(Some(answer)),
            Err(error) if error.kind() == ErrorKind::Corrupt => {
                self.faults.push(error.to_string());
                Ok(None)
            }
            Err(error) => Err(error),
        }
    }
}

/// What came of compacting.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Compaction {
    /// The bytes that the store took before.
    pub bytes_before: u64,
    /// The bytes that it takes now.
    pub bytes_after: u64,
}

/// The upkeep of a store as a whole: what stands there, how large it is, whether it is sound, making it smaller.
///
/// A backend offers it by [`StorageBackend::care`](crate::StorageBackend::care); one that has only some of it leaves
/// the rest to the answers given here. The calls concern the place, not an open store: they need no `initialize`, and
/// none of them creates or migrates anything. All but [`compact`](Care::compact) and [`destroy`](Care::destroy) write
/// nothing.
#[async_trait]
pub trait Care: Debug + Send + Sync {
    /// What is at the store's place.
    ///
    /// # Errors
    /// `Corrupt` when it is not ours.
    async fn standing(&self) -> Result<Standing>;

    /// How large the store is, and what it holds.
    ///
    /// # Errors
    /// `Unsupported` where the backend cannot tell.
    async fn size(&self) -> Result<StoreSize> {
        Err(StorageError::unsupported("this backend does not tell its size"))
    }

    /// Checks what the backend itself can check: files, pages, rows, indexes. Whether contents are those that were
    /// hashed is not its question.
    ///
    /// # Errors
    /// `Unsupported` where the backend has no such check, or the schema is newer than this program. What is wrong with
    /// the store is a fault in the report.
    async fn check(&self) -> Result<CheckReport> {
        Err(StorageError::unsupported("this backend has no check of its own"))
    }

    /// Compares what the backend keeps twice for its own sake, and rows do not show: hashes that records are found by,
    /// packed copies, counters. What is wrong, a sentence each. `db verify` asks it after it has read all rows.
    ///
    /// # Errors
    /// `Unsupported` where the schema is newer than this program.
    async fn verify(&self) -> Result<Vec<String>> {
        Ok(Vec::new())
    }

    /// Gives room back that nothing uses any more. Other processes may use the store meanwhile; they may have to wait.
    ///
    /// # Errors
    /// `Unsupported` where the backend has nothing to give back, `Unavailable` while others hold the store.
    async fn compact(&self) -> Result<Compaction> {
        Err(StorageError::unsupported("this backend has nothing to compact"))
    }

    /// Removes the store from its place, with all that it holds, for ever.
    ///
    /// # Errors
    /// `Unsupported` where that is not the backend's to do, `Corrupt` when what is there is not ours: it is left alone.
    async fn destroy(&self) -> Result<()> {
        Err(StorageError::unsupported("this backend does not remove its stores"))
    }
}
