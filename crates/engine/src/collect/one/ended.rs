//! The end of a fetch: what came of it is written down, with the feed's next turn.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use feedspine_core::{
    Applied, Conclude, Conclusion, Content, Counts, ErrorKind, Feed, FetchDetail, FetchIntent, IngestReport, Joint,
    Landing, Schedule, StorageError, Timestamp,
};
use tokio::time::{Instant, sleep};

use super::next::{Next, Prospect};
use crate::collect::honesty::Checked;
use crate::collect::millis;
use crate::fetch::Traced;
use crate::ledger::{Account, Again, Captured, HubTold, notes};
use crate::ops::{FeedReport, TakenOver};
use crate::{Clock, Engine};

/// A store that is unavailable is told again after so long each time what a fetch brought, and what came of it.
const TELL_AGAIN: [Duration; 4] =
    [Duration::from_millis(500), Duration::from_secs(2), Duration::from_secs(8), Duration::from_secs(20)];

/// A fetch that is over, as far as it is not told by its report.
#[derive(Debug)]
pub(super) struct Ended {
    pub(super) intent: FetchIntent,
    pub(super) started: Instant,
    /// The engine's.
    pub(super) clock: Arc<dyn Clock>,
    pub(super) traced: Traced,
    pub(super) captured: Captured,
    pub(super) checked: Option<Checked>,
    pub(super) again: Option<Again>,
    pub(super) pushed: Option<HubTold>,
    /// How many new items it found that a hub was to tell of.
    pub(super) backup: u64,
    /// That of a feed that was asked, which is scheduled anew.
    pub(super) prospect: Option<Prospect>,
}

impl Ended {
    /// Writes down what came of the fetch and gives the whole report.
    pub(super) async fn write(&self, engine: &Engine, feed: &Feed, mut report: FeedReport) -> FeedReport {
        let mut next = self.decide(&mut report);
        if let Some(next) = next.as_mut()
            && let Some((to, why)) = &next.moves
        {
            match engine.take_over(feed, to, why).await {
                TakenOver::Moved(told) => report.warnings.push(told),
                TakenOver::Stays(told) => {
                    report.warnings.extend(told);
                    next.stays();
                }
            }
        }
        let (state, fetch) = (engine.state(), self.intent.fetch);
        let (detail, schedule) = (self.detail(&report), next.map(|next| next.schedule));
        // What is not written down is asked for again.
        if let Err(error) = persistently(|| state.finish_fetch(fetch, &detail, schedule.as_ref())).await {
            report.next = None;
            report.warnings.push(format!("what came of the fetch could not be written down: {error}"));
        }
        report
    }

    /// The same, with what the fetch brought last, in one unit of work. After an error nothing of both is stored.
    pub(super) async fn land(
        self,
        joint: &dyn Joint,
        landing: &Landing,
        report: FeedReport,
    ) -> Result<FeedReport, StorageError> {
        let concluded = Arc::new(Mutex::new(report.clone()));
        let conclude: Conclude = {
            let concluded = Arc::clone(&concluded);
            Arc::new(move |told| {
                let (report, schedule) = self.concluded(&report, told);
                let detail = self.detail(&report);
                *concluded.lock().unwrap_or_else(PoisonError::into_inner) = report;
                Conclusion { detail, schedule }
            })
        };
        persistently(|| joint.land(landing.clone(), Arc::clone(&conclude))).await?;
        let concluded = concluded.lock().unwrap_or_else(PoisonError::into_inner).clone();
        Ok(concluded)
    }

    /// The whole report of a fetch whose last batch did that, and when its feed is fetched next.
    fn concluded(&self, report: &FeedReport, told: &IngestReport) -> (FeedReport, Option<Schedule>) {
        let mut report = report.clone();
        report.counts += told.counts;
        report.warnings.extend(churning(&told.counts));
        let next = self.decide(&mut report);
        (report, next.map(|next| next.schedule))
    }

    /// When the feed is fetched next; the report tells it.
    fn decide(&self, report: &mut FeedReport) -> Option<Next> {
        report.duration_ms = millis(self.started.elapsed());
        let next = self.prospect.as_ref().and_then(|prospect| prospect.next(report));
        report.next = next.as_ref().map(Next::told);
        next
    }

    fn detail(&self, report: &FeedReport) -> FetchDetail {
        let account = Account {
            captured: self.captured,
            checked: self.checked,
            next: report.next.as_ref(),
            again: self.again,
            pushed: self.pushed.clone(),
            backup: self.backup,
            ..Account::of(&self.traced)
        };
        FetchDetail { notes: notes(&self.intent, &account), ..detail(report, self.clock.now()) }
    }
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

/// Items whose versions say the same again and again are told of: what they show in between is not kept.
pub(super) fn churning(counts: &Counts) -> Option<String> {
    let items = match counts.held_back {
        0 => return None,
        1 => "1 item differs".to_owned(),
        more => format!("{more} items differ"),
    };
    Some(format!(
        "feed.churn: {items} in nothing but markup, white space, a date or a counter from the version before, as 24 \
         before it did: one such version a day is kept"
    ))
}
