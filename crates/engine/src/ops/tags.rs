//! What feeds are filed under.

use feedspine_core::{Feed, FeedName, Page};

use super::OpError;
use super::unfinished::refuse_unfinished_import;
use crate::Engine;
use crate::feed_settings::{FeedSettings, Tag, TagError};

impl Engine {
    /// The feeds that were not removed and are filed under that tag or one below it, by name.
    ///
    /// # Errors
    /// What the control plane's store says.
    pub async fn feeds_tagged(&self, tag: &Tag) -> Result<Page<Feed>, OpError> {
        let mut feeds = self.feeds().await?;
        feeds.items.retain(|feed| FeedSettings::of(feed).tags().iter().any(|held| held.is_within(tag)));
        Ok(feeds)
    }

    /// Files a feed under tags, and takes it from others. A tag that it has, or has not, is no error.
    ///
    /// # Errors
    /// `NotFound`; `Failed` while an import into the store is unfinished.
    pub async fn retag(&self, name: &FeedName, add: &[Tag], remove: &[Tag]) -> Result<Feed, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        let feed = self.named(name).await?;
        self.change_feed(feed, |feed| retagged(feed, add, remove)).await
    }
}

/// The feed with these tags as well, and without those.
pub(super) fn retagged(feed: &Feed, add: &[Tag], remove: &[Tag]) -> Feed {
    let mut settings = FeedSettings::of(feed);
    let held = settings.tags();
    settings.set_tags(held.into_iter().chain(add.iter().cloned()).filter(|tag| !remove.contains(tag)));
    Feed { settings: settings.to_content(), ..feed.clone() }
}

impl From<TagError> for OpError {
    fn from(error: TagError) -> Self {
        Self::usage("tag.invalid", error.to_string())
    }
}
