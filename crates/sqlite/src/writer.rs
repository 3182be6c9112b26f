//! The one writer: takes all waiting jobs, runs one after the other, commits them together, then acknowledges.
//!
//! A job that fails is taken back alone. Nearly all failures come before a job's first write and leave nothing to take
//! back, so a group is run without savepoints at first: they would copy every page that a job touches, a tenth of the
//! writer's time. When a job fails half-way, the whole group is run again with a savepoint for each.

use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::{Duration, Instant};

use feedspine_core::{Applied, ErrorKind, Result, StorageError};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::checkpoint::Checkpointer;
use crate::connect::{self, execute};
use crate::error::{Failure, Fault, Outcome};
use crate::session::{Names, NextNumbers, Session};

/// The most jobs that one COMMIT ends: with a hundred items each, enough that the disk's wait is no longer felt.
const GROUP: usize = 128;

/// How long the writer takes every turn to write that it can use. Between two groups the file is free for a moment too short
/// for others to find it.
const HELD: Duration = Duration::from_millis(200);

/// How long it leaves the turn to them then: they ask three times meanwhile.
const LET_GO: Duration = connect::TURN.saturating_mul(3);

/// After a group of so many jobs more are expected: fewer come from callers who wait for each answer.
const SOME: usize = 8;

/// So many do not wait: their COMMIT is a small part of what they cost. Where 64 hand over documents without pause, as many are
/// there each time that a group is done.
const MANY: usize = 24;

/// The longest wait for more.
const LONGEST_PAUSE: Duration = Duration::from_millis(2);

/// How many jobs were committed by how many commits.
#[derive(Debug, Default)]
pub(crate) struct Counters {
    pub(crate) commits: AtomicU64,
    pub(crate) jobs: AtomicU64,
}

/// What is fixed when the writer starts.
#[derive(Debug, Clone)]
pub(crate) struct WriterSettings {
    pub(crate) path: PathBuf,
    pub(crate) busy: Duration,
    /// A job that has waited longer than this is not committed.
    pub(crate) patience: Duration,
    pub(crate) queue: usize,
}

/// A unit of work. It may be run more than once, when the transaction that it was part of was given up.
trait Job: Send {
    fn queued_at(&self) -> Instant;
    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Fault>;
    /// Answers with what the last run gave.
    fn acknowledge(self: Box<Self>);
    fn refuse(self: Box<Self>, error: StorageError);
}

struct Call<T, W> {
    queued_at: Instant,
    work: W,
    given: Option<T>,
    answer: oneshot::Sender<Answer<T, W>>,
}

/// What the caller gets, and the work back: taking a batch apart would cost the writer as much as a tenth of its ingest.
type Answer<T, W> = (Result<T>, W);

impl<T: Send, W: FnMut(&mut Session<'_>) -> Outcome<T> + Send> Job for Call<T, W> {
    fn queued_at(&self) -> Instant {
        self.queued_at
    }

    fn run(&mut self, session: &mut Session<'_>) -> Result<(), Fault> {
        self.given = Some((self.work)(session)?);
        Ok(())
    }

    fn acknowledge(self: Box<Self>) {
        let given = self.given.expect("only a job that ran is acknowledged");
        // Whoever asked may have gone: what was committed stays.
        let _gone = self.answer.send((Ok(given), self.work));
    }

    fn refuse(self: Box<Self>, error: StorageError) {
        let _gone = self.answer.send((Err(error), self.work));
    }
}

enum Message {
    Job(Box<dyn Job>),
    /// Finish what was queued before, then let go of the file.
    Close(oneshot::Sender<Result<()>>),
}

/// The door to the writer thread.
#[derive(Debug, Clone)]
pub(crate) struct Writer {
    queue: mpsc::Sender<Message>,
}

impl std::fmt::Debug for Message {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Message")
    }
}

impl Writer {
    /// Starts the thread on a connection that was opened for writing.
    pub(crate) fn start(conn: Connection, settings: WriterSettings, counters: Arc<Counters>) -> Result<Self> {
        let (queue, waiting) = mpsc::channel(settings.queue);
        let checkpointer = Checkpointer::start(settings.path.clone(), settings.busy)?;
        let thread = Thread {
            conn: Some(conn),
            names: Names::default(),
            settings,
            counters,
            checkpointer,
            company: Company::default(),
        };
        std::thread::Builder::new()
            .name("feedspine-sqlite".into())
            .spawn(move || thread.serve(waiting))
            .map_err(|error| StorageError::unavailable("the writer thread cannot be started").with_source(error))?;
        Ok(Self { queue })
    }

    /// Queues a unit of work and waits for the commit that it is part of.
    ///
    /// Once queued it is done wholly or not at all, whether or not the caller still waits.
    pub(crate) async fn run<T, W>(&self, work: W) -> Result<T>
    where
        T: Send + 'static,
        W: FnMut(&mut Session<'_>) -> Outcome<T> + Send + 'static,
    {
        let (answer, answered) = oneshot::channel();
        let call = Call { queued_at: Instant::now(), work, given: None, answer };
        self.queue.send(Message::Job(Box::new(call))).await.map_err(|_| closed())?;
        let (answer, _work) = answered.await.map_err(|_| closed())?;
        answer
    }

    /// Waits until what was queued is done and the file is let go.
    pub(crate) async fn close(&self) -> Result<()> {
        let (answer, answered) = oneshot::channel();
        if self.queue.send(Message::Close(answer)).await.is_err() {
            return Ok(());
        }
        answered.await.unwrap_or(Ok(()))
    }
}

/// The error of calls before `initialize` and after `close`.
pub(crate) fn closed() -> StorageError {
    StorageError::closed("the sqlite store is not open").with_hint("call initialize() first")
}

struct Thread {
    /// `None` after a failure that leaves the connection's state in doubt: the next group opens another.
    conn: Option<Connection>,
    names: Names,
    settings: WriterSettings,
    counters: Arc<Counters>,
    checkpointer: Checkpointer,
    company: Company,
}

impl Thread {
    fn serve(mut self, mut waiting: mpsc::Receiver<Message>) {
        let mut turns = Turns { since: Instant::now() };
        loop {
            let done_at = Instant::now();
            let Some(first) = waiting.blocking_recv() else { return };
            std::thread::sleep(turns.pause(done_at, Instant::now()));
            let mut group = Vec::new();
            let mut closing = None;
            let mut next = Some(first);
            std::thread::sleep(self.company.pause(1 + waiting.len(), done_at.elapsed()));
            while let Some(message) = next {
                match message {
                    Message::Job(job) => group.push(job),
                    Message::Close(answer) => closing = Some(answer),
                }
                let full = group.len() == GROUP || closing.is_some();
                next = if full { None } else { waiting.try_recv().ok() };
            }
            self.company = Company { jobs: group.len(), commit: Duration::ZERO };
            if !group.is_empty() {
                self.commit(group);
            }
            if let Some(answer) = closing {
                waiting.close();
                let _gone = answer.send(self.close());
                return;
            }
        }
    }

    /// Moves the log into the file and closes it.
    fn close(self) -> Result<()> {
        self.checkpointer.stop();
        let Some(conn) = self.conn else { return Ok(()) };
        conn.close().map_err(|(_, error)| Fault::from(error).into_error())
    }

    /// Runs a group, and again what is left of it when the transaction had to be given up.
    fn commit(&mut self, mut group: Vec<Box<dyn Job>>) {
        let mut framed = Framed::Together;
        while !group.is_empty() {
            group = self.commit_once(group, framed);
            framed = Framed::Apart;
        }
    }

    fn commit_once(&mut self, group: Vec<Box<dyn Job>>, framed: Framed) -> Vec<Box<dyn Job>> {
        let conn = match self.connection() {
            Ok(conn) => conn,
            Err(error) => {
                refuse_all(group, &error.into_failure(), Applied::No);
                return Vec::new();
            }
        };
        let patience = self.settings.patience;
        if let Err(error) = execute(&conn, "BEGIN IMMEDIATE") {
            refuse_all(group, &Failure::of(error), Applied::No);
            self.conn = Some(conn);
            return Vec::new();
        }
        let mut done: Vec<Box<dyn Job>> = Vec::with_capacity(group.len());
        let mut group = group.into_iter();
        let mut next = NextNumbers::default();
        while let Some(mut job) = group.next() {
            if is_late(job.as_ref(), patience) {
                job.refuse(late(patience));
                continue;
            }
            let mut session = Session::new(&conn, &mut self.names, &mut next);
            let ran = match framed {
                Framed::Together => run(job.as_mut(), &mut session),
                Framed::Apart => run_in_savepoint(job.as_mut(), &mut session),
            };
            match ran {
                Ok(()) => done.push(job),
                Err(Ran::HalfDone) => {
                    done.push(job);
                    done.extend(group);
                    return self.give_up(conn, done);
                }
                Err(Ran::Failed(fault)) => {
                    self.names.forget();
                    job.refuse(fault.into_error());
                }
                Err(Ran::TransactionLost(failure)) => {
                    self.names.forget();
                    done.push(job);
                    refuse_all(done.into_iter().chain(group), &failure, Applied::No);
                    return Vec::new();
                }
            }
        }
        if done.iter().any(|job| is_late(job.as_ref(), patience)) {
            return self.give_up(conn, done);
        }
        let began = Instant::now();
        match execute(&conn, "COMMIT") {
            Ok(()) => {
                self.company.commit = began.elapsed();
                self.counters.commits.fetch_add(1, Ordering::Relaxed);
                self.counters.jobs.fetch_add(done.len() as u64, Ordering::Relaxed);
                for job in done {
                    job.acknowledge();
                }
                self.checkpointer.committed(&conn);
                self.conn = Some(conn);
            }
            Err(error) => {
                let failure = Failure::of(error);
                let applied = self.applied_after_failed_commit(conn, &failure);
                refuse_all(done, &failure, applied);
            }
        }
        Vec::new()
    }

    fn connection(&mut self) -> Outcome<Connection> {
        match self.conn.take() {
            Some(conn) => Ok(conn),
            None => connect::open_writer(&self.settings.path, self.settings.busy),
        }
    }

    /// Takes the whole transaction back, refuses those of its jobs that are late and gives the others to be run again.
    fn give_up(&mut self, conn: Connection, jobs: Vec<Box<dyn Job>>) -> Vec<Box<dyn Job>> {
        self.names.forget();
        if conn.execute_batch("ROLLBACK").is_ok() {
            self.conn = Some(conn);
        }
        let patience = self.settings.patience;
        let (late_ones, others): (Vec<_>, Vec<_>) = jobs.into_iter().partition(|job| is_late(job.as_ref(), patience));
        for job in late_ones {
            job.refuse(late(patience));
        }
        others
    }

    /// Whether jobs whose COMMIT failed may have happened.
    ///
    /// Without room or turn the log never got the commit; a failed write or sync leaves it unknown what the disk holds,
    /// and SQLite's advice is never to try again on the same connection.
    fn applied_after_failed_commit(&mut self, conn: Connection, failure: &Failure) -> Applied {
        self.names.forget();
        let rolled_back = conn.is_autocommit() || conn.execute_batch("ROLLBACK").is_ok();
        let certain = matches!(failure.kind(), ErrorKind::Full) || failure.is_busy();
        if rolled_back && certain {
            self.conn = Some(conn);
            Applied::No
        } else {
            Applied::Unknown
        }
    }
}

/// Since when others have not been left the turn to write for long enough to find it.
#[derive(Debug)]
struct Turns {
    since: Instant,
}

impl Turns {
    /// How long to leave it to them, when there is something to write now and there was nothing from `done_at` on.
    fn pause(&mut self, done_at: Instant, now: Instant) -> Duration {
        if now.duration_since(done_at) >= LET_GO {
            self.since = now;
        } else if now.duration_since(self.since) >= HELD {
            self.since = now + LET_GO;
            return LET_GO;
        }
        Duration::ZERO
    }
}

/// What the last group was, which says who will come next: those whose jobs it acknowledged are on their way.
#[derive(Debug, Default)]
struct Company {
    /// How many jobs it had.
    jobs: usize,
    /// How long its COMMIT took.
    commit: Duration,
}

impl Company {
    /// How long to wait for more jobs when so many are there, and there were none for so long. A COMMIT costs as much as some
    /// dozen small jobs, and whoever comes during one waits for the next.
    fn pause(&self, here: usize, idle: Duration) -> Duration {
        let is_expected = self.jobs >= SOME && here < MANY && idle < LONGEST_PAUSE;
        if is_expected { self.commit.min(LONGEST_PAUSE) } else { Duration::ZERO }
    }
}

/// How the jobs of a group are kept apart.
#[derive(Debug, Clone, Copy)]
enum Framed {
    /// Not at all.
    Together,
    /// Each in a savepoint of its own.
    Apart,
}

/// How a job failed.
enum Ran {
    /// By itself; the others of the group stand.
    Failed(Fault),
    /// It had written already, and only the transaction can be taken back.
    HalfDone,
    /// SQLite took the whole transaction back.
    TransactionLost(Failure),
}

fn run(job: &mut dyn Job, session: &mut Session<'_>) -> std::result::Result<(), Ran> {
    let conn = session.conn;
    let before = conn.total_changes();
    match run_caught(job, session) {
        Ok(()) => Ok(()),
        Err(Fault::Sqlite(error)) if conn.is_autocommit() => Err(Ran::TransactionLost(Failure::of(error))),
        Err(fault) if conn.total_changes() == before && !session.has_changed_schema() => Err(Ran::Failed(fault)),
        Err(_) => Err(Ran::HalfDone),
    }
}

fn run_in_savepoint(job: &mut dyn Job, session: &mut Session<'_>) -> std::result::Result<(), Ran> {
    let conn = session.conn;
    let lost = |error: rusqlite::Error| Ran::TransactionLost(Failure::of(error));
    execute(conn, "SAVEPOINT job").map_err(lost)?;
    match run_caught(job, session) {
        Ok(()) => execute(conn, "RELEASE job").map_err(lost),
        Err(Fault::Sqlite(error)) if conn.is_autocommit() => Err(lost(error)),
        Err(fault) => {
            conn.execute_batch("ROLLBACK TO job; RELEASE job").map_err(lost)?;
            Err(Ran::Failed(fault))
        }
    }
}

/// A panic costs its own job, not the writer.
fn run_caught(job: &mut dyn Job, session: &mut Session<'_>) -> std::result::Result<(), Fault> {
    catch_unwind(AssertUnwindSafe(|| job.run(session))).unwrap_or_else(|_| Err(panicked()))
}

fn panicked() -> Fault {
    StorageError::internal("a unit of work panicked; nothing of it was stored").with_hint("report this").into()
}

fn is_late(job: &dyn Job, patience: Duration) -> bool {
    job.queued_at().elapsed() > patience
}

fn late(patience: Duration) -> StorageError {
    StorageError::unavailable(format!("the store was busy for more than {} s", patience.as_secs()))
        .with_hint("nothing was stored: try again")
}

fn refuse_all(jobs: impl IntoIterator<Item = Box<dyn Job>>, failure: &Failure, applied: Applied) {
    for job in jobs {
        job.refuse(failure.to_error(applied));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_jobs_wait_for_those_of_the_group_before_as_long_as_a_commit_takes() {
        let after = |jobs, micros| Company { jobs, commit: Duration::from_micros(micros) };
        let now = Duration::ZERO;
        assert_eq!(after(SOME, 700).pause(1, now), Duration::from_micros(700));
        assert_eq!(after(SOME, 700).pause(MANY - 1, now), Duration::from_micros(700));
        assert_eq!(after(SOME, 700).pause(MANY, now), Duration::ZERO);
        assert_eq!(after(SOME - 1, 700).pause(1, now), Duration::ZERO);
        assert_eq!(after(SOME, 700).pause(1, LONGEST_PAUSE), Duration::ZERO, "they are long gone");
        assert_eq!(after(128, 60_000).pause(1, now), LONGEST_PAUSE);
        assert_eq!(Company::default().pause(1, now), Duration::ZERO);
    }

    #[test]
    fn a_writer_that_is_never_idle_leaves_others_the_turn_now_and_then() {
        let began = Instant::now();
        let at = |millis: u64| began + Duration::from_millis(millis);
        let mut turns = Turns { since: began };
        assert_eq!(turns.pause(at(199), at(199)), Duration::ZERO);
        assert_eq!(turns.pause(at(200), at(200)), LET_GO);
        // It counts from the end of that pause.
        assert_eq!(turns.pause(at(402), at(402)), Duration::ZERO);
        assert_eq!(turns.pause(at(403), at(403)), LET_GO);
        // Nothing was asked of it for as long: others could have had the turn.
        assert_eq!(turns.pause(at(700), at(703)), Duration::ZERO);
        assert_eq!(turns.pause(at(902), at(902)), Duration::ZERO);
        assert_eq!(turns.pause(at(903), at(904)), LET_GO);
    }
}
