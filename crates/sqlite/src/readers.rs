//! A few connections that read beside the writer, each question on a blocking thread.

use std::path::PathBuf;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use feedspine_core::{Result, StorageError};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::connect;
use crate::error::{Fault, Outcome};
use crate::import::Imports;
use crate::session::Concern;
use crate::writer::closed;

/// Connections for reading; made when first needed, then kept.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    busy: Duration,
    count: u32,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Reader>>>,
}

#[derive(Debug)]
struct Reader {
    conn: Connection,
    imports: Imports,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, busy: Duration, count: u32) -> Self {
        let turns = Arc::new(Semaphore::new(count as usize));
        Self { path, busy, count, turns, idle: Arc::default() }
    }

    /// Asks a question; all its statements see one state of the store.
    pub(crate) async fn run<T, Q>(&self, concern: Concern, question: Q) -> Result<T>
    where
        T: Send + 'static,
        Q: FnOnce(&Connection) -> Outcome<T> + Send + 'static,
    {
        let turn = Arc::clone(&self.turns).acquire_owned().await.map_err(|_| closed())?;
        let (path, busy, idle) = (self.path.clone(), self.busy, Arc::clone(&self.idle));
        let asked = tokio::task::spawn_blocking(move || {
            let held = lock(&idle).pop();
            let mut reader = match held {
                Some(reader) => reader,
                None => Reader { conn: connect::open_reader(&path, busy)?, imports: Imports::default() },
            };
            let answer = reader.ask(concern, question);
            // A connection on which SQLite failed is not used again.
            if !matches!(answer, Err(Fault::Sqlite(_))) {
                lock(&idle).push(reader);
            }
            drop(turn);
            answer
        });
        let answer = asked.await.map_err(|error| StorageError::internal("a question panicked").with_source(error))?;
        answer.map_err(Fault::into_error)
    }

    /// Waits for the questions under way and closes all connections.
    pub(crate) async fn close(&self) {
        // Only fails when closed before.
        let _all_turns = self.turns.acquire_many(self.count).await;
        self.turns.close();
        lock(&self.idle).clear();
    }
}

impl Reader {
    fn ask<T>(&mut self, concern: Concern, question: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        connect::execute(&self.conn, "BEGIN")?;
        let admitted = match concern {
            Concern::Data => self.imports.admit(&self.conn),
            Concern::Control => Ok(()),
        };
        let answer = admitted.and_then(|()| question(&self.conn));
        let ended = connect::execute(&self.conn, "COMMIT");
        match answer {
            // It may have ended the transaction by itself.
            Err(Fault::Sqlite(error)) => Err(error.into()),
            answer => ended.map_err(Fault::from).and(answer),
        }
    }
}

fn lock(idle: &Mutex<Vec<Reader>>) -> std::sync::MutexGuard<'_, Vec<Reader>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}
