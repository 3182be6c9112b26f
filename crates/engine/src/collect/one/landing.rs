//! The last step of a fetch: what it brought is stored with its end at once where the store can, else one after the other.

use std::sync::Arc;

use feedspine_core::{CursorStep, FetchIntent, FetchStatus, IngestBatch, KeyRule, Landing, Part, StorageError};
use tokio::time::Instant;

use super::ended::{Ended, churning};
use super::next::{Prospect, Seen};
use super::{Arrived, Basis, Coverage, Journey, Turn};
use crate::OpError;
use crate::archive::ReadyBody;
use crate::collect::cursor::Memory;
use crate::collect::document::Items;
use crate::collect::{failed_report, report_of};
use crate::ops::FeedReport;
use crate::websub::{Noticed, Subscription};

/// What a fetch brought last, and what goes with it.
pub(super) struct Last {
    landing: Landing,
    /// Its body as it was received; `None` where it is not kept.
    bytes: Option<Arc<Vec<u8>>>,
}

impl Last {
    /// A batch and nothing else.
    pub(super) fn of(batch: IngestBatch) -> Self {
        Self { landing: Landing::of(batch), bytes: None }
    }

    fn apart(self) -> (IngestBatch, Option<KeyRule>, Option<ReadyBody>) {
        let Landing { batch, key_rule, capture } = self.landing;
        let body = capture.zip(self.bytes).map(|((capture, packed), bytes)| ReadyBody { capture, packed, bytes });
        (batch, key_rule, body)
    }
}

/// What came of what goes before the items.
pub(super) enum Before {
    /// It is stored; with what is to be told of it.
    Stored(Option<String>),
    /// Another fetch was committed first.
    Overtaken,
}

impl Journey<'_> {
    /// Whether the end of the fetch is stored with what it brought last: nothing is done between the two, as for a feed that
    /// may have moved.
    pub(super) fn ends_at_once(&self) -> bool {
        let stays = self.answered.as_ref().is_none_or(|answered| answered.is_at(&self.feed.address));
        stays && self.engine.joint().is_some()
    }

    /// Whether a hub is to tell of the feed's items.
    pub(super) fn is_told(&self) -> bool {
        Subscription::of(self.feed).told_until(self.engine.now()).is_some()
    }

    /// Whether a document of so many items is stored with the end of the fetch. Hubs are noticed, and told of what they missed,
    /// between the two.
    pub(super) fn lands_whole(&self, noticed: Option<&Noticed>, items: usize) -> bool {
        if !self.ends_at_once() || items > self.engine.storage().info().capabilities.max_batch {
            return false;
        }
        let held = Subscription::of(self.feed);
        let is_news = noticed.is_some_and(|noticed| held.noticing(noticed.clone()) != held);
        !is_news && held.told_until(self.engine.now()).is_none()
    }

    /// A document that is stored whole.
    pub(super) fn at_once(
        &mut self,
        basis: &Basis,
        mut items: Items,
        memory: &Memory,
        key_rule: Option<KeyRule>,
        body: Option<ReadyBody>,
    ) -> Arrived {
        let (next, warnings) = self.cursor_after(basis, &mut items, memory);
        let batch = IngestBatch {
            part: Part::ONLY,
            coverage: Coverage::Snapshot { complete: items.complete },
            items: items.candidates,
            rejects: items.rejects,
            step: CursorStep::Advance { expected: basis.revision, next },
            ..self.batch(basis)
        };
        let bytes = body.as_ref().map(|body| Arc::clone(&body.bytes));
        let capture = body.map(|body| (body.capture, body.packed));
        let last = Some(Box::new(Last { landing: Landing { batch, key_rule, capture }, bytes }));
        Arrived { outcome: FetchStatus::Captured, warnings, last }
    }

    /// Stores what goes before the items, both at once: a rule is never chosen twice, and no item is there whose body is not.
    pub(super) async fn go_before(
        &mut self,
        key_rule: Option<KeyRule>,
        body: Option<ReadyBody>,
    ) -> Result<Before, OpError> {
        let (state, feed) = (self.engine.state(), self.feed.id);
        let settled = async {
            match key_rule {
                Some(rule) => Ok::<_, StorageError>(state.settle_key_rule(feed, rule).await? == rule),
                None => Ok(true),
            }
        };
        let kept = async {
            match body {
                Some(body) => self.keep_packed(body).await,
                None => None,
            }
        };
        let (settled, kept) = tokio::join!(settled, kept);
        Ok(if settled? { Before::Stored(kept) } else { Before::Overtaken })
    }

    /// Stores what was brought last with the end of the fetch. After an error nothing of both is stored.
    pub(super) async fn land(
        &self,
        intent: &FetchIntent,
        started: Instant,
        turn: Option<&Turn>,
        arrived: &Arrived,
        last: &Last,
    ) -> Result<FeedReport, StorageError> {
        let joint =
            self.engine.joint().expect("what comes last is left for the end only where both are stored at once");
        let report = self.report(Ok((arrived.outcome, arrived.warnings.clone())));
        let mut ended = self.ended(intent, started, turn, &report);
        if let Some((_, body)) = &last.landing.capture {
            ended.captured.add(body.hash);
        }
        ended.land(joint, &last.landing, report).await
    }

    /// Stores it by itself: what is wrong is told of each, and a body is kept whatever becomes of its items.
    pub(super) async fn store_apart(&mut self, arrived: Arrived, last: Last) -> Result<Arrived, OpError> {
        let (batch, key_rule, body) = last.apart();
        let (kept, is_stored) = match self.go_before(key_rule, body).await? {
            Before::Stored(kept) => (kept, self.submit(batch).await?),
            Before::Overtaken => (None, false),
        };
        let overtaken = if is_stored { None } else { Some(self.superseded()) };
        let outcome = overtaken.as_ref().map_or(arrived.outcome, |overtaken| overtaken.outcome);
        let first = overtaken.into_iter().flat_map(|overtaken| overtaken.warnings);
        let churned = churning(&self.figures.counts);
        Ok(Arrived::with(outcome, first.chain(arrived.warnings).chain(kept).chain(churned).collect()))
    }

    /// What is told of the fetch, but for when its feed is fetched next.
    pub(super) fn report(&self, arrived: Result<(FetchStatus, Vec<String>), OpError>) -> FeedReport {
        let mut report = match arrived {
            Ok((outcome, warnings)) => FeedReport { outcome, warnings, ..report_of(self.feed) },
            Err(error) => failed_report(self.feed, error),
        };
        report.warnings.extend(self.manner.warning());
        report.fetch = Some(self.fetch);
        report.counts = self.figures.counts;
        report.http_status = self.figures.http_status;
        report.wire_bytes = self.figures.wire_bytes;
        report.body_bytes = self.figures.body_bytes;
        report
    }

    /// What else is written down of it.
    pub(super) fn ended(
        &self,
        intent: &FetchIntent,
        started: Instant,
        turn: Option<&Turn>,
        report: &FeedReport,
    ) -> Ended {
        let traced = self.trace.traced();
        let seen = Seen {
            traced: &traced,
            asks: self.asks.as_ref(),
            answered: self.answered.as_ref(),
            error: report.error.as_ref(),
            http_status: report.http_status,
        };
        let prospect = turn.map(|turn| Prospect::of(self.engine, self.feed, turn.schedule.as_ref(), &seen));
        Ended {
            intent: intent.clone(),
            started,
            clock: Arc::clone(&self.engine.settings().clock),
            traced,
            captured: self.captured,
            checked: self.checked,
            again: self.again,
            pushed: self.pushed.clone(),
            backup: 0,
            prospect,
        }
    }
}
