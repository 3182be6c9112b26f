//! A few connections that read beside the writer. A question goes to a blocking thread, a brief one may stay.

use std::path::PathBuf;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use feedspine_core::{Result, StorageError};
use rusqlite::Connection;
use tokio::sync::Semaphore;

use crate::connect;
use crate::error::{Fault, Outcome};
use crate::session::{Admission, Concern};
use crate::writer::closed;

/// Connections for reading; made when first needed, then kept.
#[derive(Debug)]
pub(crate) struct Readers {
    path: PathBuf,
    busy: Duration,
    count: u32,
    turns: Arc<Semaphore>,
    idle: Arc<Mutex<Vec<Reader>>>,
    pace: Pace,
    /// Held by the one question that is answered where it is asked.
    here: Mutex<()>,
}

#[derive(Debug)]
struct Reader {
    conn: Connection,
    admission: Admission,
}

impl Readers {
    pub(crate) fn new(path: PathBuf, busy: Duration, count: u32) -> Self {
        let turns = Arc::new(Semaphore::new(count as usize));
        Self { path, busy, count, turns, idle: Arc::default(), pace: Pace::default(), here: Mutex::default() }
    }

    /// Asks a question that a few pages answer: where it stands while pages come from memory, since the way to another
    /// thread and back takes several times as long as the answer.
    pub(crate) async fn run_brief<T, Q>(&self, concern: Concern, question: Q) -> Result<T>
    where
        T: Send + 'static,
        Q: Fn(&Connection) -> Outcome<T> + Send + 'static,
    {
        // A caller that asks in a loop gives others their turn.
        tokio::task::coop::consume_budget().await;
        if self.pace.stays()
            && let Some(answer) = self.ask_here(concern, &question)
        {
            return answer.map_err(Fault::into_error);
        }
        self.run(concern, question).await
    }

    /// The answer, unless it would have to be waited for.
    fn ask_here<T>(&self, concern: Concern, question: impl Fn(&Connection) -> Outcome<T>) -> Option<Outcome<T>> {
        let _alone = self.here.try_lock().ok()?;
        let _turn = self.turns.try_acquire().ok()?;
        let mut reader = lock(&self.idle).pop()?;
        let began = Instant::now();
        let answer = reader.ask_without_waiting(self.busy, concern, question);
        self.pace.took(began.elapsed());
        if !matches!(answer, Err(Fault::Sqlite(_))) {
            lock(&self.idle).push(reader);
        }
        answer.map_or_else(|fault| if fault.is_busy() { None } else { Some(Err(fault)) }, |answer| Some(Ok(answer)))
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
                None => Reader { conn: connect::open_reader(&path, busy)?, admission: Admission::default() },
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
    /// Asks; another connection that has its turn is not waited for.
    fn ask_without_waiting<T>(
        &mut self,
        busy: Duration,
        concern: Concern,
        question: impl FnOnce(&Connection) -> Outcome<T>,
    ) -> Outcome<T> {
        self.conn.busy_timeout(Duration::ZERO)?;
        let answer = self.ask(concern, question);
        connect::wait_for_turns(&mut self.conn, busy)?;
        answer
    }

    fn ask<T>(&mut self, concern: Concern, question: impl FnOnce(&Connection) -> Outcome<T>) -> Outcome<T> {
        connect::execute(&self.conn, "BEGIN")?;
        let answer = self.admission.admit(&self.conn, concern).and_then(|()| question(&self.conn));
        let ended = connect::execute(&self.conn, "COMMIT");
        match answer {
            // It may have ended the transaction by itself.
            Err(Fault::Sqlite(error)) => Err(error.into()),
            answer => ended.map_err(Fault::from).and(answer),
        }
    }
}

/// Whether brief questions are answered where they are asked. Two in a row that took long, because the disk was asked, send
/// the next ones away; a single one may have lost its processor to another thread. So of the threads that run tasks one at a
/// time may wait for the disk, for the pages of one question, and of a file that is not in memory one question in nine does.
#[derive(Debug, Default)]
struct Pace {
    /// How many go away before one is tried here again.
    away: AtomicU32,
    /// The last one that was answered here took long.
    was_slow: AtomicBool,
}

impl Pace {
    /// An answer from memory takes a twentieth of this, one from a disk that has to move its heads many times as long.
    const BRIEF: Duration = Duration::from_micros(500);

    const SENT_AWAY: u32 = 16;

    fn stays(&self) -> bool {
        self.away.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_err()
    }

    fn took(&self, time: Duration) {
        let is_slow = time > Self::BRIEF;
        if self.was_slow.swap(is_slow, Ordering::Relaxed) && is_slow {
            self.was_slow.store(false, Ordering::Relaxed);
            self.away.store(Self::SENT_AWAY, Ordering::Relaxed);
        }
    }
}

fn lock(idle: &Mutex<Vec<Reader>>) -> std::sync::MutexGuard<'_, Vec<Reader>> {
    idle.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use std::thread::{ThreadId, current};

    use rusqlite::ffi;
    use tempfile::TempDir;

    use super::*;

    /// A store's readers, one of which is open and idle.
    async fn readers(directory: &TempDir) -> Readers {
        let path = directory.path().join("store.db");
        drop(connect::open_writer(&path, Duration::from_secs(1)).unwrap());
        let readers = Readers::new(path, Duration::from_secs(1), 2);
        readers.run(Concern::Data, |_| Ok(())).await.unwrap();
        readers
    }

    #[tokio::test]
    async fn a_brief_question_is_answered_where_it_is_asked() {
        let directory = TempDir::new().unwrap();
        let readers = readers(&directory).await;
        let here: ThreadId = readers.run_brief(Concern::Data, |_| Ok(current().id())).await.unwrap();
        assert_eq!(here, current().id());
        readers.pace.took(Pace::BRIEF * 2);
        readers.pace.took(Pace::BRIEF * 2);
        let away: ThreadId = readers.run_brief(Concern::Data, |_| Ok(current().id())).await.unwrap();
        assert_ne!(away, current().id());
    }

    #[tokio::test]
    async fn what_would_have_to_be_waited_for_is_asked_again_on_another_thread() {
        let directory = TempDir::new().unwrap();
        let readers = readers(&directory).await;
        let here = current().id();
        let question = move |conn: &Connection| {
            if current().id() == here {
                let busy = ffi::Error::new(ffi::SQLITE_BUSY);
                return Err(Fault::from(rusqlite::Error::SqliteFailure(busy, None)));
            }
            Ok(conn.query_row("SELECT 7", [], |row| row.get::<_, i64>(0))?)
        };
        assert_eq!(readers.run_brief(Concern::Data, question).await.unwrap(), 7);
        // Nor is one that comes while another is being answered here.
        let held = readers.here.lock().unwrap();
        assert!(readers.ask_here(Concern::Data, |_| Ok(())).is_none());
        drop(held);
        assert!(readers.ask_here(Concern::Data, |_| Ok(())).is_some());
        readers.close().await;
        assert!(readers.run_brief(Concern::Data, |_| Ok(())).await.is_err());
    }

    #[test]
    fn two_slow_answers_in_a_row_send_the_next_ones_away() {
        let (brief, slow) = (Pace::BRIEF, Pace::BRIEF + Duration::from_micros(1));
        let pace = Pace::default();
        for time in [brief, slow, brief, slow, brief] {
            pace.took(time);
            assert!(pace.stays());
        }
        pace.took(slow);
        pace.took(slow);
        let away = (0..1_000).take_while(|_| !pace.stays()).count();
        assert_eq!(away, Pace::SENT_AWAY as usize);
        assert!(pace.stays());
    }
}
