//! [`Tries`]: a call's tries, until it works, fails for good, or its time is up.
//!
//! A COMMIT that was sent and not answered may have happened. It is never simply done again: the next try takes the
//! same locks, which the lost transaction holds until it is over, and then looks whether it left its mark, the fetch of
//! an ingest or else a receipt.

use std::future::Future;
use std::hash::{BuildHasher, RandomState};
use std::time::Duration;

use feedspine_core::{Applied, StorageError};
use tokio::time::Instant;
use uuid::Uuid;

use crate::bind::bind;
use crate::error::{Again, Fault, Outcome};
use crate::locks::Locks;
use crate::pool::Access;
use crate::schema;
use crate::session::{Sees, Session};

/// A call must have committed by then: as-of questions rely on it that nothing is recorded later than this after its
/// `recorded_at`.
const DEADLINE: Duration = Duration::from_secs(30);
/// How much longer the fate of an unanswered COMMIT is asked after.
const RESOLVE: Duration = Duration::from_secs(30);
/// How often a transaction may lose against others.
const MOST_LOST: u32 = 5;
const FIRST_DELAY: Duration = Duration::from_millis(20);
const LONGEST_DELAY: Duration = Duration::from_millis(500);

/// How a COMMIT that was not answered is recognised afterwards.
pub(crate) enum Proof<T> {
    /// Doing the work again finds it done, and says so.
    Replay(fn(&T) -> bool),
    /// The transaction leaves a receipt.
    Receipt,
}

/// A transaction whose COMMIT was not answered.
struct Pending<T> {
    receipt: Option<Uuid>,
    answer: T,
}

/// A write that may go on, or turns out to have happened.
pub(crate) enum Began<T> {
    Session(Box<Session>),
    Settled(T),
}

/// One call's tries.
pub(crate) struct Tries<T> {
    access: Access,
    proof: Proof<T>,
    deadline: Instant,
    tried: u32,
    lost: u32,
    receipt: Option<Uuid>,
    pending: Option<Pending<T>>,
}

impl<T> Tries<T> {
    pub(crate) fn new(access: Access, proof: Proof<T>) -> Self {
        let deadline = Instant::now() + DEADLINE;
        Self { access, proof, deadline, tried: 0, lost: 0, receipt: None, pending: None }
    }

    /// A session for a question.
    pub(crate) async fn reading(&self) -> Outcome<Session> {
        self.access.reading(self.access.sees).await
    }

    /// A session that holds its locks, unless the try before turns out to have worked.
    pub(crate) async fn writing(&mut self, locks: &Locks) -> Outcome<Began<T>> {
        if let Some(pending) = self.pending.take() {
            if let Some(receipt) = pending.receipt {
                let found = self.find(receipt, locks).await;
                if !matches!(found, Ok(false)) {
                    self.pending = Some(pending);
                }
                if found? && let Some(pending) = self.pending.take() {
                    return Ok(Began::Settled(pending.answer));
                }
            } else {
                self.pending = Some(pending);
            }
        }
        self.receipt = match self.proof {
            Proof::Receipt => Some(random_uuid()),
            Proof::Replay(_) => None,
        };
        Ok(Began::Session(Box::new(self.access.writing(locks, self.receipt, self.access.sees).await?)))
    }

    /// Whether that receipt was left. The locks are free only once the transaction that was to leave it is over.
    async fn find(&self, receipt: Uuid, locks: &Locks) -> Outcome<bool> {
        let session = self.access.writing(locks, None, Sees::All).await?;
        let found = session.query_opt("SELECT 1 FROM receipts WHERE token = $1", &bind![receipt]).await;
        session.end();
        Ok(found?.is_some())
    }

    /// The work of a try, as long as the call has time.
    pub(crate) async fn bounded<A>(&self, work: impl Future<Output = Outcome<A>>) -> Outcome<A> {
        tokio::time::timeout_at(self.limit(), work).await.unwrap_or_else(|_| Err(Fault::Late(out_of_time(SMALLER))))
    }

    /// The question of a try, as long as the call has time.
    pub(crate) async fn bounded_question<A>(&self, question: impl Future<Output = Outcome<A>>) -> Outcome<A> {
        tokio::time::timeout_at(self.limit(), question).await.unwrap_or_else(|_| Err(Fault::Late(out_of_time(LESS))))
    }

    /// Ends a try: commits what worked, forgets what did not.
    pub(crate) async fn commit(&mut self, session: Session, outcome: Outcome<T>) -> Outcome<T> {
        let answer = match outcome {
            Ok(answer) => answer,
            Err(fault) => {
                session.end();
                if matches!(fault, Fault::Storage(_)) {
                    // Said after a look for what an earlier try may have left: it left nothing.
                    self.pending = None;
                }
                return Err(fault);
            }
        };
        if let Proof::Replay(is_replay) = self.proof
            && is_replay(&answer)
        {
            session.end();
            return Ok(self.pending.take().map_or(answer, |pending| pending.answer));
        }
        // The earlier try left no mark.
        self.pending = None;
        if Instant::now() >= self.deadline {
            session.end();
            return Err(Fault::Late(out_of_time(SMALLER)));
        }
        match session.commit(DEADLINE).await {
            Ok(()) => Ok(answer),
            Err(fault) => {
                if matches!(fault, Fault::Unanswered(_)) {
                    self.pending = Some(Pending { receipt: self.receipt, answer });
                }
                Err(fault)
            }
        }
    }

    /// The answer, or `None` when there is to be another try.
    pub(crate) async fn next(&mut self, outcome: Outcome<T>) -> Result<Option<T>, StorageError> {
        let fault = match outcome {
            Ok(answer) => return Ok(Some(answer)),
            Err(fault) => fault,
        };
        let again = fault.again();
        self.lost += u32::from(again == Again::Lost);
        let delay = self.delay();
        let hopeless = again == Again::Never || self.lost > MOST_LOST || Instant::now() + delay >= self.limit();
        if hopeless {
            let error = schema::explain(&self.access, fault).await;
            return Err(if self.pending.is_some() { error.with_applied(Applied::Unknown) } else { error });
        }
        self.tried += 1;
        tokio::time::sleep(delay).await;
        Ok(None)
    }

    fn limit(&self) -> Instant {
        if self.pending.is_some() { self.deadline + RESOLVE } else { self.deadline }
    }

    /// Doubles from try to try, and is half as long up to one and a half times as long by chance.
    fn delay(&self) -> Duration {
        let longest = FIRST_DELAY.saturating_mul(1 << self.tried.min(8)).min(LONGEST_DELAY);
        longest.mul_f64(0.5 + f64::from(chance().to_le_bytes()[0]) / 256.0)
    }
}

/// One step of a question that takes as many of them as there is to read: each has the time of a call, and all together
/// have no limit, or the question could never be answered.
pub(crate) async fn step<A>(step: impl Future<Output = Outcome<A>>) -> Outcome<A> {
    tokio::time::timeout(DEADLINE, step).await.unwrap_or_else(|_| Err(Fault::Late(out_of_time(LESS))))
}

/// What whoever writes can do about [`DEADLINE`], and whoever asks.
const SMALLER: &str = "try again, with smaller batches if it stays so";
const LESS: &str = "ask for less, or try again when the server has less to do";

fn out_of_time(hint: &str) -> StorageError {
    StorageError::unavailable(format!("postgres: not done within {} s", DEADLINE.as_secs())).with_hint(hint)
}

/// Unlike any other: a word of the operating system's randomness.
pub(crate) fn chance() -> u64 {
    RandomState::new().hash_one(0)
}

/// Unlike any other: two words of the operating system's randomness.
fn random_uuid() -> Uuid {
    Uuid::from_u64_pair(chance(), chance())
}

/// Asks a question in a session of its own, again while the server is away.
macro_rules! ask {
    ($pool:expr, $session:ident => $question:expr) => {
        $crate::tries::ask!(@each $pool, tries, $session => tries.bounded_question($question).await)
    };
    (@each $pool:expr, $tries:ident, $session:ident => $asked:expr) => {{
        let mut $tries = $crate::tries::Tries::new($pool, $crate::tries::Proof::Receipt);
        loop {
            let outcome = match $tries.reading().await {
                Ok(session) => {
                    let $session = &session;
                    let outcome = $asked;
                    session.end();
                    outcome
                }
                Err(fault) => Err(fault),
            };
            if let Some(answer) = $tries.next(outcome).await? {
                break Ok(answer);
            }
        }
    }};
}

/// The same of a question whose steps each have their time; see [`step`].
macro_rules! ask_in_steps {
    ($pool:expr, $session:ident => $question:expr) => {
        $crate::tries::ask!(@each $pool, tries, $session => $question.await)
    };
}

/// Does a unit of work under its locks: wholly or not at all, and once.
macro_rules! work {
    ($pool:expr, $proof:expr, $locks:expr, $session:ident => $work:expr) => {{
        let mut tries = $crate::tries::Tries::new($pool, $proof);
        loop {
            let outcome = match tries.writing($locks).await {
                Ok($crate::tries::Began::Settled(answer)) => Ok(answer),
                Ok($crate::tries::Began::Session(session)) => {
                    let $session = &*session;
                    let outcome = tries.bounded(Box::pin($work)).await;
                    tries.commit(*session, outcome).await
                }
                Err(fault) => Err(fault),
            };
            if let Some(answer) = tries.next(outcome).await? {
                break Ok(answer);
            }
        }
    }};
}

pub(crate) use {ask, ask_in_steps, work};
