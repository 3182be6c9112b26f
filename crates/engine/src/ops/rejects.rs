//! The quarantine: items that could not be taken, each with its reason.

use std::cmp::Reverse;
use std::collections::VecDeque;
use std::num::NonZeroUsize;

use feedspine_core::{Feed, FeedName, Json, PageRequest, Quarantined};

use super::json::array;
use super::{OpError, ToJson};
use crate::Engine;

/// Items of the quarantine that are asked for.
#[derive(Debug, Clone)]
pub struct ListRejects {
    /// Those of this feed; else of all, the removed ones included.
    pub feed: Option<FeedName>,
    /// Those of this code, or of one that begins with it and a dot: `key` is also `key.too_long`.
    pub code: Option<String>,
    /// At most so many, the newest.
    pub limit: NonZeroUsize,
}

/// Items of the quarantine.
#[derive(Debug, Clone)]
pub struct RejectList {
    /// The items, newest first.
    pub items: Vec<FeedReject>,
    /// How many there are, those beyond the limit included.
    pub total: u64,
}

/// An item of a feed that could not be taken.
#[derive(Debug, Clone)]
pub struct FeedReject {
    /// The feed.
    pub feed: FeedName,
    /// What is wrong with what, and the fetch that brought it.
    pub quarantined: Quarantined,
}

impl ToJson for RejectList {
    fn to_json(&self) -> Json {
        Json::object([("items", array(&self.items)), ("total", self.total.into())])
    }
}

/// As [`Quarantined`], with the feed.
impl ToJson for FeedReject {
    fn to_json(&self) -> Json {
        let mut json = self.quarantined.to_json();
        if let Json::Object(members) = &mut json {
            members.insert("feed".to_owned(), self.feed.as_str().into());
        }
        json
    }
}

impl Engine {
    /// The newest items that could not be taken.
    ///
    /// # Errors
    /// `NotFound`: there is no such feed.
    pub async fn rejects(&self, request: &ListRejects) -> Result<RejectList, OpError> {
        let feeds = match &request.feed {
            Some(name) => vec![self.named(name).await?],
            None => self.state().feeds().await?,
        };
        let mut list = RejectList { items: Vec::new(), total: 0 };
        for feed in feeds {
            let (newest, total) = self.last_rejects(&feed, request.limit.get(), request.code.as_deref()).await?;
            list.total += total;
            let of_feed = |quarantined| FeedReject { feed: feed.name.clone(), quarantined };
            list.items.extend(newest.into_iter().map(of_feed));
            // Those of a feed come newest first: sorting keeps their order where times are equal.
            list.items.sort_by_key(|reject| Reverse(reject.quarantined.recorded_at));
            list.items.truncate(request.limit.get());
        }
        Ok(list)
    }

    /// The last items of a feed's quarantine, newest first, and how many there are. It is read from its beginning: it is
    /// short, or it is the trouble.
    pub(super) async fn last_rejects(
        &self,
        feed: &Feed,
        most: usize,
        code: Option<&str>,
    ) -> Result<(Vec<Quarantined>, u64), OpError> {
        let (mut last, mut total) = (VecDeque::new(), 0);
        let mut page = PageRequest::first(feedspine_core::MAX_PAGE);
        loop {
            let read = self.storage().rejects_page(feed.id, &page).await?;
            for reject in read.items.into_iter().filter(|quarantined| has_code(&quarantined.reject.code, code)) {
                total += 1;
                last.push_front(reject);
                last.truncate(most);
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok((last.into(), total)),
            }
        }
    }
}

/// Whether a reject has the code that is wanted, or one that begins with it and a dot.
pub(super) fn has_code(found: &str, wanted: Option<&str>) -> bool {
    wanted.is_none_or(|wanted| found.strip_prefix(wanted).is_some_and(|rest| rest.is_empty() || rest.starts_with('.')))
}
