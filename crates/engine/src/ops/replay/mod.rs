//! What was captured, read again: what today's parser and today's settings make of the bodies that were kept, against what
//! was stored of them; shown, or stored as well.
//!
//! `compare.rs` decides what one item is, `captures.rs` and `one.rs` walk through the bodies of a feed, `lost.rs` finds what a fetch showed and
//! is read no more, `report.rs` is what is told.

mod captures;
mod compare;
mod lost;
mod one;
mod report;

use std::num::NonZeroUsize;

use feedspine_core::{FeedName, Timestamp};

pub(super) use captures::Captures;
pub use report::{Difference, FeedReplayed, ReplayKind, Replayed};

use super::OpError;
use super::unfinished::refuse_unfinished_import;
use crate::Engine;
use one::FeedReplay;

/// What is read again.
#[derive(Debug, Clone)]
pub struct Replay {
    /// What this feed brought; else what all did that were not removed.
    pub feed: Option<FeedName>,
    /// What was fetched then or later.
    pub since: Option<Timestamp>,
    /// What becomes of the differences.
    pub differences: Differences,
    /// At most so many are told one by one, the first; all are counted.
    pub limit: NonZeroUsize,
}

/// What becomes of differences.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Differences {
    /// They are told, as they would be when they were applied.
    Shown,
    /// They are stored.
    Applied,
}

impl Engine {
    /// Reads again what feeds brought, one body at a time and the oldest first, by today's parser and by what is chosen for
    /// the feed today, and compares each item with what the same fetch showed of it.
    ///
    /// Applied, an item that its fetch showed as the current version becomes a further version, and one that the fetch did
    /// not show is stored as [`retry_rejects`](Engine::retry_rejects) would: as fetches of their own at the time of those
    /// that brought them, which say nothing of other items. Nothing older changes, no record gets another key, and nothing
    /// is deleted. The same again changes nothing.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. `Failed`: an import into the store is unfinished. What stands in one feed's way is
    /// told of it.
    pub async fn replay(&self, request: &Replay) -> Result<Replayed, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        let feeds = match &request.feed {
            Some(name) => vec![self.named(name).await?],
            None => self.feeds().await?.items,
        };
        let applied = request.differences == Differences::Applied;
        let mut replayed = Replayed { applied, items: Vec::new(), feeds: Vec::with_capacity(feeds.len()) };
        for feed in feeds {
            let told = FeedReplay::run(self, &feed, request, &mut replayed).await;
            replayed.feeds.push(told);
        }
        Ok(replayed)
    }
}
