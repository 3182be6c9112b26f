//! The one connection that writes and the few that read beside it, each call on a thread that may block.

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use duckdb::Connection;
use feedspine_core::transfer::{Progress, import_unfinished};
use feedspine_core::{Applied, Result, StorageError};
use tokio::sync::{Mutex as Turn, Semaphore};

use crate::connect::Claimed;
use crate::error::{Fault, Outcome};
use crate::import;

/// How many questions may be asked at once; each may use all processors.
const READERS: u32 = 4;

/// A store that is open.
#[derive(Debug)]
pub(crate) struct Session {
    /// `None` once it was closed.
    writer: Arc<Turn<Option<Claimed>>>,
    turns: Arc<Semaphore>,
    readers: Arc<Mutex<Readers>>,
    imports: Arc<Imports>,
}

/// How often an import was begun and finished here: an odd number while one is under way. Then only that may go on.
#[derive(Debug)]
struct Imports(AtomicU64);

impl Imports {
    fn mark(&self, under_way: bool) {
        let is_other = |number: u64| (number.is_multiple_of(2) == under_way).then_some(number + 1);
        // It is as it should be otherwise.
        self.0.fetch_update(Ordering::AcqRel, Ordering::Acquire, is_other).ok();
    }

    /// The number, unless an import is under way.
    fn none_under_way(&self) -> Result<u64> {
        Some(self.0.load(Ordering::Acquire)).filter(|number| number.is_multiple_of(2)).ok_or_else(import_unfinished)
    }
}

/// Connections for reading; made when first needed, then kept.
#[derive(Debug)]
struct Readers {
    /// What the others are cloned from; `None` once it was closed.
    first: Option<Claimed>,
    idle: Vec<Claimed>,
}

impl Session {
    pub(crate) fn new(conn: Claimed) -> Outcome<Self> {
        let imports = Arc::new(Imports(AtomicU64::new(import::is_unfinished(&conn)?.into())));
        let readers = Readers { first: Some(conn.another()?), idle: Vec::new() };
        Ok(Self {
            writer: Arc::new(Turn::new(Some(conn))),
            turns: Arc::new(Semaphore::new(READERS as usize)),
            readers: Arc::new(Mutex::new(readers)),
            imports,
        })
    }

    /// Begins an import, or says how far one came. Writes that wait for their turn are refused from then on.
    pub(crate) async fn begin_import(&self) -> Result<Option<Progress>> {
        let imports = Arc::clone(&self.imports);
        let mark = move |conn: &Connection, begun: &Result<Option<Progress>>| match begun {
            Ok(_) => imports.mark(true),
            Err(_) => _ = import::is_unfinished(conn).map(|unfinished| imports.mark(unfinished)),
        };
        self.write_then(import::begin, mark).await
    }

    /// Ends an import.
    pub(crate) async fn finish_import(&self) -> Result<()> {
        let imports = Arc::clone(&self.imports);
        let mark = move |conn: &Connection, ended: &Result<()>| match ended {
            Ok(()) => imports.mark(false),
            Err(_) => _ = import::is_unfinished(conn).map(|unfinished| imports.mark(unfinished)),
        };
        self.write_then(import::finish, mark).await
    }

    /// Runs `work` in a transaction of its own, when it is its turn. A caller that drops the future before that has asked
    /// for nothing; after it, the work goes on to its end.
    pub(crate) async fn write<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let imports = Arc::clone(&self.imports);
        let unless_importing = move |conn: &Connection| {
            imports.none_under_way()?;
            work(conn)
        };
        self.write_always(unless_importing).await
    }

    /// The same, for an import too.
    pub(crate) async fn write_always<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        self.write_then(work, |_, _| ()).await
    }

    /// The same; `then` is told what came of it while the turn lasts.
    async fn write_then<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
        then: impl FnOnce(&Connection, &Result<T>) + Send + 'static,
    ) -> Result<T> {
        let mut writer = Arc::clone(&self.writer).lock_owned().await;
        let done = tokio::task::spawn_blocking(move || {
            let conn = writer.as_mut().ok_or_else(closed)?;
            let answer = in_transaction(conn, work);
            then(conn, &answer);
            answer
        });
        done.await.unwrap_or_else(|error| {
            Err(StorageError::internal("a write panicked").with_applied(Applied::Unknown).with_source(error))
        })
    }

    /// Asks a question; all its statements see one state of the store, and none can change it.
    pub(crate) async fn read<T: Send + 'static>(
        &self,
        question: impl FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    ) -> Result<T> {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| closed())?;
        let imports = Arc::clone(&self.imports);
        let before = imports.none_under_way()?;
        let conn = lock(&self.readers).take().map_err(Fault::into_error)?;
        let readers = Arc::clone(&self.readers);
        let asked = tokio::task::spawn_blocking(move || {
            let answer = ask(&conn, question);
            // A connection on which DuckDB failed is not used again.
            if !matches!(answer, Err(Fault::Duck(_))) {
                lock(&readers).idle.push(conn);
            }
            drop(turn);
            // Its statements may have seen some rows of an import that began after it was asked.
            let is_whole = imports.none_under_way().is_ok_and(|after| after == before);
            if is_whole { answer.map_err(Fault::into_error) } else { Err(import_unfinished()) }
        });
        asked.await.unwrap_or_else(|error| Err(StorageError::internal("a question panicked").with_source(error)))
    }

    /// A connection of the caller's own, also while an import is not finished.
    pub(crate) fn another(&self) -> Result<Claimed> {
        lock(&self.readers).take().map_err(Fault::into_error)
    }

    /// Waits for the calls under way, moves the log into the file and lets go of it.
    pub(crate) async fn close(&self) -> Result<()> {
        let mut writer = self.writer.lock().await;
        // Only fails when closed before.
        let _all_turns = self.turns.acquire_many(READERS).await;
        self.turns.close();
        *lock(&self.readers) = Readers { first: None, idle: Vec::new() };
        let Some(conn) = writer.take() else { return Ok(()) };
        let closed = tokio::task::spawn_blocking(move || conn.close().map_err(Fault::into_error));
        closed.await.unwrap_or_else(|error| Err(StorageError::internal("closing panicked").with_source(error)))
    }
}

impl Readers {
    fn take(&mut self) -> Outcome<Claimed> {
        match self.idle.pop() {
            Some(conn) => Ok(conn),
            None => self.first.as_ref().ok_or_else(closed)?.another(),
        }
    }
}

fn in_transaction<T>(conn: &mut Connection, work: impl FnOnce(&Connection) -> Outcome<T>) -> Result<T> {
    let tx = conn.transaction().map_err(|error| Fault::from(error).into_error())?;
    let answer = work(&tx).map_err(Fault::into_error)?;
    // Whether a commit that fails is on disk nobody knows.
    tx.commit().map_err(|error| Fault::from(error).into_error().with_applied(Applied::Unknown))?;
    Ok(answer)
}

fn lock(readers: &Mutex<Readers>) -> MutexGuard<'_, Readers> {
    readers.lock().unwrap_or_else(PoisonError::into_inner)
}

fn ask<T>(conn: &Connection, question: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
    conn.execute_batch("BEGIN TRANSACTION READ ONLY")?;
    let answer = question(conn);
    conn.execute_batch("ROLLBACK")?;
    answer
}

/// The error of every call before `initialize` and after `close`.
pub(crate) fn closed() -> StorageError {
    StorageError::closed("the DuckDB store is not open").with_hint("call initialize() first")
}
