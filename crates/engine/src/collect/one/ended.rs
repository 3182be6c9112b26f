//! The end of a fetch: what came of it is written down, with the feed's next turn.

use std::time::Duration;

use feedspine_core::{
    Applied, Content, Counts, ErrorKind, Feed, FetchDetail, FetchIntent, FetchStatus, IngestBatch, Schedule,
    StorageError, Timestamp,
};
use tokio::time::{Instant, sleep};

use super::Turn;
use super::next::{Next, Seen};
use crate::Engine;
use crate::collect::{failed_report, millis};
use crate::ledger::{Account, notes};
use crate::ops::{FeedReport, TakenOver};

/// A store that is unavailable is told again after so long each time what a fetch brought, and what came of it.
const TELL_AGAIN: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(20)];

/// A fetch that ended, as far as it is not told by its report.
pub(super) struct Ended<'a> {
    pub(super) engine: &'a Engine,
    pub(super) feed: &'a Feed,
    pub(super) intent: &'a FetchIntent,
    pub(super) started: Instant,
    /// That of a feed that was asked, which is scheduled anew.
    pub(super) turn: Option<&'a Turn>,
    pub(super) account: Account<'a>,
    pub(super) seen: Seen<'a>,
}

impl Ended<'_> {
    /// Writes down what came of the fetch and gives the whole report.
    pub(super) async fn write(&self, mut report: FeedReport) -> FeedReport {
        let mut next = self.decide(&mut report);
        if let Some(next) = next.as_mut()
            && let Some((to, why)) = &next.moves
        {
            match self.engine.take_over(self.feed, to, why).await {
                TakenOver::Moved(told) => report.warnings.push(told),
                TakenOver::Stays(told) => {
                    report.warnings.extend(told);
                    next.stays();
                }
            }
        }
        let detail = self.detail(&report);
        let (state, fetch, schedule) = (self.engine.state(), self.intent.fetch, schedule_of(next.as_ref()));
        // What is not written down is asked for again.
        if let Err(error) = persistently(|| state.finish_fetch(fetch, &detail, schedule)).await {
            report.next = None;
            report.warnings.push(format!("what came of the fetch could not be written down: {error}"));
        }
        report
    }

    /// The same, with what it brought last, in one unit of work. `Err` with another report, which is still to be written
    /// down, when nothing of both was stored.
    pub(super) async fn write_with(
        &self,
        batch: IngestBatch,
        mut report: FeedReport,
    ) -> Result<FeedReport, Box<FeedReport>> {
        let store = self.engine.joint().expect("a batch is left for the end only where both can be stored at once");
        let next = self.decide(&mut report);
        let (detail, schedule) = (self.detail(&report), schedule_of(next.as_ref()));
        match persistently(|| store.ingest_and_finish(batch.clone(), &detail, schedule)).await {
            Ok(told) => {
                report.counts += told.counts;
                Ok(report)
            }
            Err(error) if error.kind() == ErrorKind::Conflict => {
                report.outcome = FetchStatus::Superseded;
                report.warnings.insert(0, superseded(&report.counts));
                Err(Box::new(report))
            }
            Err(error) => {
                let failed = failed_report(self.feed, error.into());
                Err(Box::new(FeedReport { outcome: failed.outcome, error: failed.error, ..report }))
            }
        }
    }

    /// When the feed is fetched next; the report tells it.
    fn decide(&self, report: &mut FeedReport) -> Option<Next> {
        report.duration_ms = millis(self.started.elapsed());
        let next =
            self.turn.and_then(|turn| Next::of(self.engine, self.feed, turn.schedule.as_ref(), report, &self.seen));
        report.next = next.as_ref().map(Next::told);
        next
    }

    fn detail(&self, report: &FeedReport) -> FetchDetail {
        let account = Account { next: report.next.as_ref(), ..self.account.clone() };
        FetchDetail { notes: notes(self.intent, &account), ..detail(report, self.engine.now()) }
    }
}

fn schedule_of(next: Option<&Next>) -> Option<&Schedule> {
    next.map(|next| &next.schedule)
}

/// What is told of a fetch that another one overtook, given what it has stored.
pub(super) fn superseded(counts: &Counts) -> String {
    let stored = if *counts == Counts::default() {
        "nothing was stored of this one"
    } else {
        "the parts of this one that came before it are stored"
    };
    format!("another fetch of this feed was committed first; {stored}")
}

/// What a store answers that is told something as soon as it is there again, within half a minute: what was fetched is in
/// hand, and to let go of it would be to ask a server for it once more. Where it is not known whether the store took it, it is
/// told at once: it knows what it was told before.
pub(super) async fn persistently<T, Told>(mut tell: impl FnMut() -> Told) -> Result<T, StorageError>
where
    Told: Future<Output = Result<T, StorageError>>,
{
    for wait in TELL_AGAIN {
        let answer = match tell().await {
            Err(lost) if lost.applied() == Applied::Unknown => tell().await,
            answer => answer,
        };
        match answer {
            Err(error) if error.kind() == ErrorKind::Unavailable => sleep(wait).await,
            answer => return answer,
        }
    }
    tell().await
}

fn detail(report: &FeedReport, finished_at: Timestamp) -> FetchDetail {
    let warnings = (!report.warnings.is_empty()).then(|| report.warnings.join("; "));
    FetchDetail {
        status: report.outcome,
        finished_at,
        http_status: report.http_status,
        wire_bytes: report.wire_bytes,
        body_bytes: report.body_bytes,
        duration_ms: report.duration_ms,
        code: report.error.as_ref().map(|error| error.code().to_owned()),
        reason: report.error.as_ref().map(|error| error.message().to_owned()).or(warnings),
        notes: Content::empty(),
    }
}
