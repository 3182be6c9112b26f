//! Gaps: times at which items of a feed may have been missed, each with its bounds.

use feedspine_core::{Feed, FeedName, FetchId, Json, MAX_PAGE, Observation, PageRequest, Timestamp};

use super::json::{array, instant, text};
use super::{OpError, ToJson};
use crate::Engine;

/// Two documents in a row shared no item: what was listed only between them was never seen.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Gap {
    /// The feed.
    pub feed: FeedName,
    /// When the feed was last known to hold what the earlier document lists; `None` when its ledger does not say.
    pub from: Option<Timestamp>,
    /// When the later document was read.
    pub to: Timestamp,
    /// The fetch that read it.
    pub fetch: FetchId,
    /// How many items it lists.
    pub items: u64,
}

/// Gaps, feed by feed, the oldest first.
#[derive(Debug, Clone)]
pub struct GapList {
    /// The gaps.
    pub gaps: Vec<Gap>,
}

impl ToJson for Gap {
    fn to_json(&self) -> Json {
        Json::object([
            ("feed", self.feed.as_str().into()),
            ("from", self.from.map(instant).into()),
            ("to", instant(self.to)),
            ("fetch", text(&self.fetch)),
            ("items", self.items.into()),
        ])
    }
}

impl ToJson for GapList {
    fn to_json(&self) -> Json {
        Json::object([("gaps", array(&self.gaps))])
    }
}

impl Engine {
    /// The gaps of a feed, or of all that were not removed.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. What the stores say.
    pub async fn gaps(&self, feed: Option<&FeedName>) -> Result<GapList, OpError> {
        let feeds = match feed {
            Some(name) => vec![self.named(name).await?],
            None => self.feeds().await?.items,
        };
        let mut gaps = Vec::new();
        for feed in &feeds {
            let mut ledger = Ledger { feed, before: None, gaps: &mut gaps };
            let mut page = PageRequest::first(MAX_PAGE);
            loop {
                let read = self.storage().observations_page(feed.id, &page).await?;
                read.items.iter().for_each(|observation| ledger.take(observation));
                match read.next {
                    Some(next) => page.after = Some(next),
                    None => break,
                }
            }
        }
        Ok(GapList { gaps })
    }
}

/// A feed's ledger as it is read, the oldest observation first.
struct Ledger<'a> {
    feed: &'a Feed,
    /// When the feed last said what it holds.
    before: Option<Timestamp>,
    gaps: &'a mut Vec<Gap>,
}

impl Ledger<'_> {
    fn take(&mut self, observation: &Observation) {
        // One that says nothing of other items bounds nothing.
        if observation.round.is_none() {
            return;
        }
        if observation.counts.gaps > 0 {
            self.gaps.push(Gap {
                feed: self.feed.name.clone(),
                from: self.before,
                to: observation.observed_at,
                fetch: observation.fetch,
                items: observation.counts.seen,
            });
        }
        self.before = Some(observation.observed_at);
    }
}
