//! [`StateStore`]: the control plane's own contract: feeds, and what became of each fetch.

use std::fmt::Debug;
use std::str::FromStr;

use async_trait::async_trait;

use crate::{Content, FeedId, FeedName, FetchId, KeyRule, Namespace, Page, PageRequest, Result, Timestamp};

/// Whether a feed is polled.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FeedStatus {
    /// Polled.
    Active,
    /// Kept, not polled, until it is resumed.
    Paused,
    /// Never polled again; its name is free. What it captured stays.
    Removed,
}

impl FeedStatus {
    /// The word used in stores and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Paused => "paused",
            Self::Removed => "removed",
        }
    }
}

impl FromStr for FeedStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Active, Self::Paused, Self::Removed];
        all.into_iter()
            .find(|status| status.as_str() == text)
            .ok_or_else(|| format!("no feed status is called {text:?}"))
    }
}

/// A source we poll.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Feed {
    /// What storage knows of it.
    pub id: FeedId,
    /// What people call it.
    pub name: FeedName,
    /// Where it is: a URL or an absolute path.
    pub address: String,
    /// The space of its keys: fixed when it was added, whatever it is called later.
    pub namespace: Namespace,
    /// Whether it is polled.
    pub status: FeedStatus,
    /// Where its keys are taken from; `None` until its first document that holds items.
    pub key_rule: Option<KeyRule>,
    /// The operator allows it to be at a private address.
    pub allow_private: bool,
    /// What the operator chose for it: an object that only the engine reads.
    pub settings: Content,
    /// When it was added.
    pub added_at: Timestamp,
}

/// A fetch that is about to begin: written down before the request goes out.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FetchIntent {
    /// The fetch.
    pub fetch: FetchId,
    /// The feed.
    pub feed: FeedId,
    /// When it began.
    pub started_at: Timestamp,
    /// The address asked.
    pub address: String,
}

/// How a fetch ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum FetchStatus {
    /// Begun, and no answer yet.
    Running,
    /// A body was parsed and committed.
    Captured,
    /// A 304, or the same bytes.
    Unchanged,
    /// It failed; nothing was stored, or some parts of many.
    Failed,
    /// Another fetch of the feed was committed first; nothing was stored, or some parts of many.
    Superseded,
    /// The process ended before the fetch did.
    Interrupted,
}

impl FetchStatus {
    /// The word used in stores and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Running => "running",
            Self::Captured => "captured",
            Self::Unchanged => "unchanged",
            Self::Failed => "failed",
            Self::Superseded => "superseded",
            Self::Interrupted => "interrupted",
        }
    }
}

impl FromStr for FetchStatus {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let all = [Self::Running, Self::Captured, Self::Unchanged, Self::Failed, Self::Superseded, Self::Interrupted];
        all.into_iter().find(|s| s.as_str() == text).ok_or_else(|| format!("no fetch status is called {text:?}"))
    }
}

/// What came of a fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct FetchDetail {
    /// How it ended.
    pub status: FetchStatus,
    /// When it ended.
    pub finished_at: Timestamp,
    /// The HTTP status of the last answer; `None` for files and when there was no answer.
    pub http_status: Option<u16>,
    /// Bytes received, before decoding.
    pub wire_bytes: u64,
    /// Bytes after decoding.
    pub body_bytes: u64,
    /// Milliseconds from the request to the commit.
    pub duration_ms: u64,
    /// For a failure: its code, such as `http.status`.
    pub code: Option<String>,
    /// For a failure: what is wrong. For a success: warnings, if there are any.
    pub reason: Option<String>,
}

/// A fetch: its intent, and what came of it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Fetch {
    /// What was begun.
    pub intent: FetchIntent,
    /// What came of it; `None` while it runs.
    pub detail: Option<FetchDetail>,
}

/// Keeps what the control plane must not forget. Every call is one unit of work.
///
/// A custom backend may implement storage alone: the engine then keeps its state in a local SQLite file.
#[async_trait]
pub trait StateStore: Debug + Send + Sync + 'static {
    /// Creates or migrates the store. May be called again.
    async fn prepare(&self) -> Result<()>;

    /// Lets go of the store: one that lies in files may be moved then. May be called again; [`StateStore::prepare`] opens it
    /// anew. A store that is closed as a backend has nothing left to do.
    async fn release(&self) -> Result<()> {
        Ok(())
    }

    /// Adds a feed.
    ///
    /// # Errors
    /// `Conflict` when its id is known, or its name belongs to a feed that was not removed.
    async fn add_feed(&self, feed: &Feed) -> Result<()>;

    /// Replaces what is held of the feed with that id, its namespace, its key rule and the time it was added excepted.
    ///
    /// # Errors
    /// `Invalid` when the id is unknown, `Conflict` when the name belongs to another feed.
    async fn update_feed(&self, feed: &Feed) -> Result<()>;

    /// Settles where a feed's keys are taken from, unless that is settled already; answers the rule in force. It never
    /// changes again.
    ///
    /// # Errors
    /// `Invalid` when the id is unknown.
    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule>;

    /// All feeds, the removed ones included, by name and then by id.
    async fn feeds(&self) -> Result<Vec<Feed>>;

    /// The feed of that name that was not removed.
    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>>;

    /// Writes down that a fetch begins. Fetches of the same feed that are still running are marked interrupted: their
    /// process died, or will say otherwise by [`StateStore::finish_fetch`].
    ///
    /// # Errors
    /// `Conflict` when the fetch is known.
    async fn begin_fetch(&self, intent: &FetchIntent) -> Result<()>;

    /// Writes down what came of a fetch.
    ///
    /// # Errors
    /// `Invalid` when the fetch is unknown.
    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail) -> Result<()>;

    /// The fetches of a feed, newest first.
    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>>;
}
