//! [`Stored`]: the pieces of a store.

use std::collections::{HashSet, VecDeque};

use async_trait::async_trait;
use feedspine_core::transfer::Export;
use feedspine_core::{Feed, FeedId, FeedStatus, Fetch, MAX_PAGE, PageRequest, Schedule, StateStore};

use super::print::Print;
use super::{Piece, SCHEDULES_AT_ONCE, Source};
use crate::ops::{OpError, StoreCare};

/// Reads a store: its rows as they were when it was opened, and the control plane, which is read after that and so knows
/// of every fetch that has a row.
pub(super) struct Stored<'a> {
    state: &'a dyn StateStore,
    feeds: VecDeque<Feed>,
    schedules: Vec<Schedule>,
    fetches_of: VecDeque<FeedId>,
    rows: Box<dyn Export>,
}

impl<'a> Stored<'a> {
    pub(super) async fn open(store: &'a StoreCare) -> Result<Self, OpError> {
        store.open().await?;
        let rows = store.transfer()?.export().await?;
        let mut feeds = store.state().feeds().await?;
        // Those that were removed come first: a name that they had may have been given again.
        feeds.sort_unstable_by_key(|feed| (feed.status != FeedStatus::Removed, feed.id));
        let fetches_of: VecDeque<FeedId> = feeds.iter().map(|feed| feed.id).collect();
        let listed: HashSet<FeedId> = fetches_of.iter().copied().collect();
        let mut schedules = store.state().schedules().await?;
        // A feed may have been added since.
        schedules.retain(|schedule| listed.contains(&schedule.feed));
        Ok(Self { state: store.state(), feeds: feeds.into(), schedules, fetches_of, rows })
    }

    /// Reads all of a store for its print.
    pub(super) async fn print(store: &StoreCare) -> Result<Print, OpError> {
        let mut source = Stored::open(store).await?;
        let mut print = Print::default();
        while let Some(piece) = source.next().await? {
            print.piece(&piece);
        }
        Ok(print)
    }
}

#[async_trait]
impl Source for Stored<'_> {
    async fn next(&mut self) -> Result<Option<Piece>, OpError> {
        if let Some(feed) = self.feeds.pop_front() {
            return Ok(Some(Piece::Feed(feed)));
        }
        if !self.schedules.is_empty() {
            let so_many = self.schedules.len().min(SCHEDULES_AT_ONCE);
            return Ok(Some(Piece::Schedules(self.schedules.drain(..so_many).collect())));
        }
        while let Some(feed) = self.fetches_of.pop_front() {
            let fetches = fetches(self.state, feed).await?;
            if !fetches.is_empty() {
                return Ok(Some(Piece::Fetches(fetches)));
            }
        }
        let rows = self.rows.next().await?;
        Ok(if rows.is_empty() { None } else { Some(Piece::Rows(rows)) })
    }
}

/// The fetches of a feed, from the first.
pub(super) async fn fetches(state: &dyn StateStore, feed: FeedId) -> Result<Vec<Fetch>, OpError> {
    let mut fetches = Vec::new();
    let mut request = PageRequest::first(MAX_PAGE);
    loop {
        let page = state.fetches_page(feed, &request).await?;
        fetches.extend(page.items);
        match page.next {
            Some(next) => request.after = Some(next),
            None => break,
        }
    }
    fetches.reverse();
    Ok(fetches)
}
