//! Moves the log into the file beside the writer, so that commits need not wait for it.

use std::path::PathBuf;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread::JoinHandle;
use std::time::Duration;

use feedspine_core::{Result, StorageError};
use rusqlite::Connection;

use crate::connect;

/// Pages of the log that are not in the file yet, 24 MiB, from which on they are moved. SQLite itself moves what is left
/// of a log of [`connect::LOG_PAGES`] with a commit, which then begins the log anew.
const PAGES: i64 = 3_000;

/// The thread that moves the log.
#[derive(Debug)]
pub(crate) struct Checkpointer {
    wanted: SyncSender<()>,
    thread: JoinHandle<()>,
}

impl Checkpointer {
    /// Starts the thread; it opens the file when it has something to do.
    pub(crate) fn start(path: PathBuf, busy: Duration) -> Result<Self> {
        // One wish is enough: whoever is at work takes what comes meanwhile with the next.
        let (wanted, wishes) = sync_channel(1);
        let thread = std::thread::Builder::new()
            .name("feedspine-wal".into())
            .spawn(move || serve(&wishes, &path, busy))
            .map_err(|error| StorageError::unavailable("a thread cannot be started").with_source(error))?;
        Ok(Self { wanted, thread })
    }

    /// Asks for the log to be moved when enough of it waits. `conn` has just committed.
    pub(crate) fn committed(&self, conn: &Connection) {
        let waiting = conn
            .prepare_cached("PRAGMA wal_checkpoint(NOOP)")
            .and_then(|mut ask| ask.query_row([], |row| Ok(row.get::<_, i64>(1)? - row.get::<_, i64>(2)?)));
        if waiting.is_ok_and(|pages| pages >= PAGES) {
            // Full or gone: it is asked already, or the commits will do it themselves.
            let _asked = self.wanted.try_send(());
        }
    }

    /// Waits for what was begun and ends the thread.
    pub(crate) fn stop(self) {
        drop(self.wanted);
        // It has nothing to say; a panic of it costs no more than the work it would have done.
        let _ended = self.thread.join();
    }
}

/// What fails here is no loss: the log keeps all that was committed, and a commit moves it when it has grown long.
fn serve(wishes: &Receiver<()>, path: &std::path::Path, busy: Duration) {
    let mut conn = None;
    while wishes.recv().is_ok() {
        let open = match conn.take() {
            Some(open) => open,
            None => match connect::open_checkpointer(path, busy) {
                Ok(open) => open,
                Err(_) => continue,
            },
        };
        if open.query_row("PRAGMA wal_checkpoint(PASSIVE)", [], |_| Ok(())).is_ok() {
            conn = Some(open);
        }
    }
}
