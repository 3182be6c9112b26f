//! A control plane on which what seldom happens does.

use std::num::NonZeroUsize;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};

use async_trait::async_trait;
use feedspine::core::{
    Feed, FeedId, FeedName, Fetch, FetchDetail, FetchId, FetchIntent, HolderId, KeyRule, Lease, LeaseRequest,
    MemoryStore, Page, PageRequest, Reschedule, Result, Schedule, Slot, StateStore, StorageError, Timestamp,
};

/// What somebody else makes of a feed.
pub(crate) type Change = fn(Feed) -> Feed;

/// A memory store on which the process ends when it lists the feeds for the so-manieth time, and on which others change a
/// feed between that it is read and that it is replaced.
#[derive(Debug)]
pub(crate) struct Bent {
    state: Arc<MemoryStore>,
    lists_left: AtomicUsize,
    /// What others do, the next one last.
    meanwhile: Mutex<Vec<Change>>,
}

impl Bent {
    /// One that lists the feeds so many times.
    pub(crate) fn ending(state: Arc<MemoryStore>, lists_left: usize) -> Self {
        Self { state, lists_left: lists_left.into(), meanwhile: Mutex::default() }
    }

    /// One that never ends.
    pub(crate) fn over(state: Arc<MemoryStore>) -> Arc<Self> {
        Arc::new(Self::ending(state, usize::MAX))
    }

    /// Lets others make these changes, each before the next time that a feed is replaced.
    pub(crate) fn meanwhile(&self, changes: &[Change]) {
        self.meanwhile.lock().unwrap().extend(changes.iter().rev());
    }

    /// How many of the changes are still to be made.
    pub(crate) fn to_come(&self) -> usize {
        self.meanwhile.lock().unwrap().len()
    }
}

#[async_trait]
impl StateStore for Bent {
    async fn prepare(&self) -> Result<()> {
        self.state.prepare().await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        self.state.add_feed(feed).await
    }

    async fn replace_feed(&self, held: &Feed, feed: &Feed) -> Result<bool> {
        let other = self.meanwhile.lock().unwrap().pop();
        if let Some(change) = other {
            let now = self.state.feeds().await?.into_iter().find(|now| now.id == feed.id).unwrap();
            assert!(self.state.replace_feed(&now, &change(now.clone())).await?);
        }
        self.state.replace_feed(held, feed).await
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        self.state.settle_key_rule(feed, rule).await
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        let left = self.lists_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.state.feeds().await,
            Err(_) => Err(StorageError::internal("the process has ended")),
        }
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        self.state.feed_named(name).await
    }

    async fn begin_fetch(&self, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        self.state.begin_fetch(intent, slot).await
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail, schedule: Option<&Schedule>) -> Result<()> {
        self.state.finish_fetch(fetch, detail, schedule).await
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        self.state.fetches_page(feed, page).await
    }

    async fn all_fetches_page(&self, page: &PageRequest) -> Result<Page<Fetch>> {
        self.state.all_fetches_page(page).await
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        self.state.schedules().await
    }

    async fn schedule_of(&self, feed: FeedId) -> Result<Option<Schedule>> {
        self.state.schedule_of(feed).await
    }

    async fn due(&self, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        self.state.due(by, limit).await
    }

    async fn set_schedules(&self, schedules: &[Schedule]) -> Result<()> {
        self.state.set_schedules(schedules).await
    }

    async fn reschedule(&self, changes: &[Reschedule]) -> Result<Vec<bool>> {
        self.state.reschedule(changes).await
    }

    async fn lease_hosts(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        self.state.lease_hosts(request).await
    }

    async fn release_hosts(&self, holder: &HolderId, hosts: &[String]) -> Result<()> {
        self.state.release_hosts(holder, hosts).await
    }

    async fn leases(&self) -> Result<Vec<Lease>> {
        self.state.leases().await
    }
}
