//! Items of a body that was read again: a fetch by itself, at the time of the one that brought them.

use feedspine_core::{
    Candidate, CursorStep, Feed, FeedCursor, FetchStatus, HashRule, IngestBatch, Json, Outcome, Part, Timestamp,
};
use tokio::time::Instant;

use super::{Arrived, Basis, written_down};
use crate::Engine;
use crate::ledger::{Again, Cause};
use crate::ops::FeedReport;

/// Items of one fetch as they are read now.
#[derive(Debug)]
pub(crate) struct ReadAgain {
    /// Why they are stored now, and the fetch that brought them.
    pub(crate) again: Again,
    /// When it had read the feed.
    pub(crate) observed_at: Timestamp,
    /// The feed's cursor before it was decided what is stored.
    pub(crate) cursor: Option<FeedCursor>,
    /// In the order of the document; at least one.
    pub(crate) items: Vec<Candidate>,
}

/// Stores them and reports what came of it, and of each that was stored. Nothing is said of other items.
///
/// The cursor moves on and says what it said: whatever else is stored of the feed since it was decided what is stored, by
/// another retry or replay or by a collect, supersedes this one, and this one supersedes a collect that is under way.
pub(crate) async fn store_again(
    engine: &Engine,
    feed: &Feed,
    hash_rule: &HashRule,
    read: ReadAgain,
) -> (FeedReport, Vec<Outcome>) {
    let mut outcomes = Vec::new();
    let store = async |journey: &mut super::Journey<'_>| {
        let ReadAgain { again, observed_at, cursor, items } = read;
        journey.again = Some(again);
        journey.hash_rule = hash_rule.clone();
        let (revision, next) = cursor.map_or((0, Json::Null), |cursor| (cursor.revision, cursor.value));
        let basis = Basis { revision, observed_at };
        let most = engine.storage().info().capabilities.max_batch.max(1);
        let mut rest = items.into_iter().peekable();
        for index in 0.. {
            let items: Vec<Candidate> = rest.by_ref().take(most).collect();
            let last = rest.peek().is_none();
            let step = CursorStep::Advance { expected: basis.revision, next: next.clone() };
            let batch = IngestBatch { part: Part { index, last }, items, step, ..journey.batch(&basis) };
            match journey.submit_for_report(batch).await? {
                Some(report) => outcomes.extend(report.outcomes),
                None => return Ok(journey.superseded()),
            }
            if last {
                break;
            }
        }
        let of = again.of;
        let why = match again.cause {
            Cause::Rejects => format!("rejects.retried: items of fetch {of} that were rejected then"),
            Cause::Parser => format!("replay.applied: items of fetch {of} as they are read now"),
        };
        Ok(Arrived::with(FetchStatus::Captured, vec![why]))
    };
    let report = written_down(engine, feed, Instant::now(), store).await;
    (report, outcomes)
}
