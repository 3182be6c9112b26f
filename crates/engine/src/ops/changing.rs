//! Changes of a feed that overwrite nobody who changes it at the same time: a daemon that takes over where it moved, or
//! another operator.

use feedspine_core::{Feed, FeedName, FeedStatus};

use super::add::name_taken;
use super::feeds::unknown_feed;
use super::{OpError, OpErrorKind};
use crate::Engine;

/// How often a change is tried when others change the feed in between.
const ATTEMPTS: usize = 5;

/// The attempts of one change of a feed.
#[derive(Debug, Default)]
pub(super) struct Attempts {
    missed: usize,
}

impl Attempts {
    /// The feed that an attempt missed, as it is now.
    ///
    /// # Errors
    /// `NotFound`: it was removed meanwhile. `Failed`: it changes too often.
    pub(super) async fn missed(&mut self, engine: &Engine, held: &Feed) -> Result<Feed, OpError> {
        self.missed += 1;
        if self.missed == ATTEMPTS {
            return Err(changed_meanwhile(&held.name));
        }
        engine.as_it_is_now(held).await?.filter(is_polled).ok_or_else(|| unknown_feed(&held.name))
    }
}

impl Engine {
    /// Changes a feed, and anew from what it is then when others change it in between.
    ///
    /// # Errors
    /// Those of [`Attempts::missed`]; `Usage`: the name that it gets is taken.
    pub(super) async fn change_feed(&self, feed: Feed, change: impl Fn(&Feed) -> Feed) -> Result<Feed, OpError> {
        let mut held = feed;
        let mut attempts = Attempts::default();
        loop {
            let changed = change(&held);
            if changed == held || self.state().replace_feed(&held, &changed).await.map_err(name_taken)? {
                return Ok(changed);
            }
            held = attempts.missed(self, &held).await?;
        }
    }
}

/// Whether a feed was not removed.
pub(super) fn is_polled(feed: &Feed) -> bool {
    feed.status != FeedStatus::Removed
}

/// Others changed a feed, so that what was asked for was not done.
pub(super) fn changed_meanwhile(feed: &FeedName) -> OpError {
    OpError::new(
        OpErrorKind::Failed,
        "feed.changed_meanwhile",
        format!("{feed} was changed by others at the same time"),
    )
    .with_hint(format!("nothing was changed; look at `feedspine feed show {feed}` and ask again"))
}
