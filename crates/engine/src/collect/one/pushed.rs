//! A batch of items that were handed to us: a fetch by itself, and no word of others.

use feedspine_core::{Candidate, Feed, FetchStatus, HashRule, IngestBatch, Reject};
use tokio::time::Instant;

use super::{Arrived, Basis, written_down};
use crate::Engine;
use crate::adapters::RawBody;
use crate::collect::ahead::dates_ahead;
use crate::collect::document::told_warning;
use crate::ops::FeedReport;

/// Items that were handed to us together.
#[derive(Debug)]
pub(crate) struct Pushed {
    pub(crate) items: Vec<Candidate>,
    pub(crate) rejects: Vec<Reject>,
    /// The lines of the rejects, which are kept.
    pub(crate) body: Option<RawBody>,
    /// What they were read from.
    pub(crate) bytes: u64,
}

/// Stores a batch and reports what came of it. The cursor stays: whoever else pushes at the same time is not in the way.
pub(crate) async fn push(engine: &Engine, feed: &Feed, hash_rule: &HashRule, pushed: Pushed) -> FeedReport {
    let store = async |journey: &mut super::Journey<'_>| {
        let Pushed { items, rejects, body, bytes } = pushed;
        journey.hash_rule = hash_rule.clone();
        (journey.figures.wire_bytes, journey.figures.body_bytes) = (bytes, bytes);
        let basis = Basis { revision: 0, observed_at: engine.now() };
        let mut warnings: Vec<String> = dates_ahead(&items, basis.observed_at).iter().map(told_warning).collect();
        if let Some(body) = body {
            warnings.extend(journey.keep(&basis, body).await);
        }
        let batch = IngestBatch { items, rejects, ..journey.batch(&basis) };
        if journey.submit(batch).await? {
            Ok(Arrived::with(FetchStatus::Captured, warnings))
        } else {
            Ok(journey.superseded())
        }
    };
    written_down(engine, feed, Instant::now(), store).await
}
