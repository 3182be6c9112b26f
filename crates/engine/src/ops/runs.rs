//! The ledger of fetches: what was asked, when, and what came of it.

use std::collections::HashMap;

use feedspine_core::{ContentHash, Feed, FeedId, FeedName, Fetch, Json, MAX_PAGE, PageRequest, Timestamp};

use super::json::{array, text};
use super::{FetchOutcome, NextFetch, OpError, ToJson};
use crate::Engine;
use crate::ledger::{Again, Captured, HubTold, again_of, captured_by, next_of, pushed_of, requests_of};

/// Which fetches are listed.
#[derive(Debug, Clone)]
pub struct ListRuns {
    /// Those of this feed; of all, when `None`.
    pub feed: Option<FeedName>,
    /// Those that began then or later.
    pub since: Option<Timestamp>,
    /// Which outcomes.
    pub only: RunKind,
    /// At most so many.
    pub limit: usize,
}

/// Which outcomes are listed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RunKind {
    /// All.
    #[default]
    All,
    /// Those that failed.
    Failed,
}

/// A fetch, with its feed.
#[derive(Debug, Clone)]
pub struct Run {
    /// The feed; `None` when nothing is known of it any more.
    pub feed: Option<FeedName>,
    /// What was begun, and what came of it.
    pub fetch: Fetch,
    /// How many requests it took.
    pub requests: u64,
    /// The bodies that were kept of it.
    pub captured: Captured,
    /// What was decided then of the next fetch.
    pub next: Option<NextFetch>,
    /// Whose items it stored again, and why; `None` when it read the source.
    pub again: Option<Again>,
    /// The hub that told what it stored; `None` when none did.
    pub pushed: Option<HubTold>,
}

/// Fetches, newest first.
#[derive(Debug, Clone)]
pub struct RunList {
    /// The fetches.
    pub runs: Vec<Run>,
    /// There are more that were not listed.
    pub more: bool,
}

/// `null` where none is kept.
impl ToJson for Captured {
    fn to_json(&self) -> Json {
        let told =
            |first: ContentHash| Json::object([("body", first.to_string().into()), ("bodies", self.bodies.into())]);
        self.first.map(told).into()
    }
}

impl ToJson for Run {
    fn to_json(&self) -> Json {
        Json::object([
            ("feed", self.feed.as_ref().map(FeedName::as_str).into()),
            ("fetch", self.fetch.to_json()),
            ("requests", self.requests.into()),
            ("captured", self.captured.to_json()),
            ("next", self.next.as_ref().map(ToJson::to_json).into()),
            ("again", self.again.as_ref().map(ToJson::to_json).into()),
            ("pushed", self.pushed.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

/// `{"cause": "parser", "of": fetch}`
impl ToJson for Again {
    fn to_json(&self) -> Json {
        Json::object([("cause", self.cause.as_str().into()), ("of", text(&self.of))])
    }
}

/// `{"hub": URL, "new": 3, "near_misses": 0}`
impl ToJson for HubTold {
    fn to_json(&self) -> Json {
        Json::object([
            ("hub", self.hub.as_str().into()),
            ("new", self.new.into()),
            ("near_misses", self.near_misses.into()),
        ])
    }
}

impl ToJson for RunList {
    fn to_json(&self) -> Json {
        Json::object([("runs", array(&self.runs)), ("more", self.more.into())])
    }
}

impl Engine {
    /// Fetches, newest first.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed. What the control plane's store says.
    pub async fn runs(&self, request: &ListRuns) -> Result<RunList, OpError> {
        let feed = match &request.feed {
            Some(name) => Some(self.named(name).await?),
            None => None,
        };
        let names = self.names().await?;
        let mut runs = Vec::new();
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.fetches(feed.as_ref(), &page).await?;
            for fetch in read.items {
                if request.since.is_some_and(|since| fetch.intent.started_at < since) {
                    return Ok(RunList { runs, more: false });
                }
                let has_code = fetch.detail.as_ref().is_some_and(|detail| detail.code.is_some());
                let failed = has_code && FetchOutcome::of(&fetch) != FetchOutcome::Resting;
                if request.only == RunKind::Failed && !failed {
                    continue;
                }
                if runs.len() == request.limit {
                    return Ok(RunList { runs, more: true });
                }
                let (requests, next, again) = (requests_of(&fetch), next_of(&fetch), again_of(&fetch));
                let (feed, captured) = (names.get(&fetch.intent.feed).cloned(), captured_by(&fetch));
                let pushed = pushed_of(&fetch);
                runs.push(Run { feed, fetch, requests, captured, next, again, pushed });
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(RunList { runs, more: false }),
            }
        }
    }

    /// The fetches of a feed, or of all.
    pub(super) async fn fetches(
        &self,
        feed: Option<&Feed>,
        page: &PageRequest,
    ) -> Result<feedspine_core::Page<Fetch>, OpError> {
        Ok(match feed {
            Some(feed) => self.state().fetches_page(feed.id, page).await?,
            None => self.state().all_fetches_page(page).await?,
        })
    }

    /// What feeds are called, the removed ones too.
    pub(super) async fn names(&self) -> Result<HashMap<FeedId, FeedName>, OpError> {
        Ok(self.state().feeds().await?.into_iter().map(|feed| (feed.id, feed.name)).collect())
    }
}
