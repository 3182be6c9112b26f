//! How things stand: the store, and each feed's last fetch.

use feedspine_core::{BackendInfo, Feed, FeedStatus, Fetch, Json, PageRequest, Selection};

use super::json::array;
use super::{OpError, ToJson};
use crate::Engine;

/// How things stand.
#[derive(Debug, Clone)]
pub struct Status {
    /// The store.
    pub backend: BackendInfo,
    /// How many records it holds.
    pub records: u64,
    /// The feeds that were not removed, by name.
    pub feeds: Vec<FeedState>,
}

/// A feed and its last fetch.
#[derive(Debug, Clone)]
pub struct FeedState {
    /// The feed.
    pub feed: Feed,
    /// Its last fetch; `None` before the first.
    pub last_fetch: Option<Fetch>,
}

impl ToJson for Status {
    fn to_json(&self) -> Json {
        let store = Json::object([
            ("backend", self.backend.name.as_str().into()),
            ("schema_version", u64::from(self.backend.schema_version).into()),
            ("durable", self.backend.capabilities.durable.into()),
            ("records", self.records.into()),
        ]);
        Json::object([("store", store), ("feeds", array(&self.feeds))])
    }
}

impl ToJson for FeedState {
    fn to_json(&self) -> Json {
        Json::object([
            ("feed", self.feed.to_json()),
            ("last_fetch", self.last_fetch.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl Engine {
    /// How things stand.
    ///
    /// # Errors
    /// What the stores say.
    pub async fn status(&self) -> Result<Status, OpError> {
        let records = self.storage().count(&Selection::everything()).await?;
        let mut feeds = Vec::new();
        for feed in self.state().feeds().await?.into_iter().filter(|feed| feed.status != FeedStatus::Removed) {
            let last_fetch = self.state().fetches_page(feed.id, &PageRequest::first(1)).await?.items.pop();
            feeds.push(FeedState { feed, last_fetch });
        }
        Ok(Status { backend: self.storage().info(), records, feeds })
    }
}
