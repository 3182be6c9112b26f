//! The kit of the control plane, checked: a fault seeded into the memory backend turns the check named for it red.

use std::fmt::Debug;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use feedspine_core::{
    Feed, FeedId, FeedName, FeedStatus, Fetch, FetchDetail, FetchId, FetchIntent, KeyRule, MemoryStore, Page,
    PageRequest, Result, StateStore,
};
use feedspine_testkit::{Failure, state};

/// The calls of a state store, each of which a fault may bend.
#[async_trait]
trait Faulty: Debug + Clone + Send + Sync + 'static {
    /// What a place holds for a store that is opened now.
    fn opened(&self, place: &Arc<MemoryStore>) -> Arc<MemoryStore> {
        Arc::clone(place)
    }

    async fn add_feed(&self, store: &MemoryStore, feed: &Feed) -> Result<()> {
        store.add_feed(feed).await
    }

    async fn update_feed(&self, store: &MemoryStore, feed: &Feed) -> Result<()> {
        store.update_feed(feed).await
    }

    async fn settle_key_rule(&self, store: &MemoryStore, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        store.settle_key_rule(feed, rule).await
    }

    async fn feeds(&self, store: &MemoryStore) -> Result<Vec<Feed>> {
        store.feeds().await
    }

    async fn begin_fetch(&self, store: &MemoryStore, intent: &FetchIntent) -> Result<()> {
        store.begin_fetch(intent).await
    }

    async fn finish_fetch(&self, store: &MemoryStore, fetch: FetchId, detail: &FetchDetail) -> Result<()> {
        store.finish_fetch(fetch, detail).await
    }

    async fn fetches_page(&self, store: &MemoryStore, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        store.fetches_page(feed, page).await
    }
}

#[derive(Debug)]
struct Handle<F> {
    store: Arc<MemoryStore>,
    fault: F,
}

#[async_trait]
impl<F: Faulty> StateStore for Handle<F> {
    async fn prepare(&self) -> Result<()> {
        self.store.prepare().await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        self.fault.add_feed(&self.store, feed).await
    }

    async fn update_feed(&self, feed: &Feed) -> Result<()> {
        self.fault.update_feed(&self.store, feed).await
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        self.fault.settle_key_rule(&self.store, feed, rule).await
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        self.fault.feeds(&self.store).await
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        self.store.feed_named(name).await
    }

    async fn begin_fetch(&self, intent: &FetchIntent) -> Result<()> {
        self.fault.begin_fetch(&self.store, intent).await
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail) -> Result<()> {
        self.fault.finish_fetch(&self.store, fetch, detail).await
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        self.fault.fetches_page(&self.store, feed, page).await
    }
}

struct Shared<F>(F);

#[async_trait]
impl<F: Faulty> state::StateProvider for Shared<F> {
    type Place = Arc<MemoryStore>;

    async fn place(&self) -> Result<Arc<MemoryStore>> {
        Ok(Arc::new(MemoryStore::new()))
    }

    async fn open(&self, place: &Arc<MemoryStore>) -> Result<Arc<dyn StateStore>> {
        Ok(Arc::new(Handle { store: self.0.opened(place), fault: self.0.clone() }))
    }

    fn is_durable(&self) -> bool {
        true
    }
}

#[derive(Debug, Clone)]
struct Sound;

impl Faulty for Sound {}

/// The sound store that mutants are made of passes every check, those of reopening included.
#[test]
fn without_a_fault_every_check_passes() {
    for check in state::checks() {
        if let Err(failure) = state::judge(Shared(Sound), &check.full_name()) {
            panic!("{}: {failure}", check.full_name());
        }
    }
}

fn turns_red<F: Faulty>(fault: &F, check: &str) {
    match state::judge(Shared(fault.clone()), check) {
        Err(Failure::Broken(_)) => {}
        other => panic!("{check} does not find {fault:?}: {other:?}"),
    }
}

#[derive(Debug, Clone)]
struct RemovedKeepsItsName;

#[async_trait]
impl Faulty for RemovedKeepsItsName {
    async fn add_feed(&self, store: &MemoryStore, feed: &Feed) -> Result<()> {
        let taken = store.feeds().await?.into_iter().any(|held| held.name == feed.name);
        if taken { Err(feedspine_core::StorageError::conflict("taken")) } else { store.add_feed(feed).await }
    }
}

#[test]
fn a_removed_feed_keeps_its_name() {
    turns_red(&RemovedKeepsItsName, "feeds::a_removed_feed_frees_its_name");
}

#[derive(Debug, Clone)]
struct UpdateAdds;

#[async_trait]
impl Faulty for UpdateAdds {
    async fn update_feed(&self, store: &MemoryStore, feed: &Feed) -> Result<()> {
        match store.update_feed(feed).await {
            Err(error) if error.kind() == feedspine_core::ErrorKind::Invalid => store.add_feed(feed).await,
            answer => answer,
        }
    }
}

#[test]
fn an_update_adds_what_is_not_there() {
    turns_red(&UpdateAdds, "feeds::updating_an_unknown_feed_is_invalid");
}

#[derive(Debug, Clone)]
struct TellsItsOwnRule;

#[async_trait]
impl Faulty for TellsItsOwnRule {
    async fn settle_key_rule(&self, store: &MemoryStore, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        store.settle_key_rule(feed, rule).await?;
        Ok(rule)
    }
}

#[test]
fn a_late_key_rule_is_said_to_be_in_force() {
    turns_red(&TellsItsOwnRule, "feeds::a_key_rule_is_settled_once");
    turns_red(&TellsItsOwnRule, "feeds::one_of_many_key_rules_is_settled");
}

#[derive(Debug, Clone)]
struct RemovedIsHidden;

#[async_trait]
impl Faulty for RemovedIsHidden {
    async fn feeds(&self, store: &MemoryStore) -> Result<Vec<Feed>> {
        Ok(store.feeds().await?.into_iter().filter(|feed| feed.status != FeedStatus::Removed).collect())
    }
}

#[test]
fn removed_feeds_are_not_listed() {
    turns_red(&RemovedIsHidden, "feeds::feeds_are_listed_by_name_and_id");
}

#[derive(Debug, Clone)]
struct WritesIntentAtTheEnd;

#[async_trait]
impl Faulty for WritesIntentAtTheEnd {
    async fn fetches_page(&self, store: &MemoryStore, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        let mut found = store.fetches_page(feed, page).await?;
        found.items.retain(|fetch| fetch.detail.is_some());
        Ok(found)
    }
}

#[test]
fn a_fetch_is_written_down_when_it_ends_only() {
    turns_red(&WritesIntentAtTheEnd, "fetches::a_begun_fetch_is_running");
}

#[derive(Debug, Clone)]
struct DropsTheReason;

#[async_trait]
impl Faulty for DropsTheReason {
    async fn finish_fetch(&self, store: &MemoryStore, fetch: FetchId, detail: &FetchDetail) -> Result<()> {
        store.finish_fetch(fetch, &FetchDetail { reason: None, ..detail.clone() }).await
    }
}

#[test]
fn the_reason_of_a_failure_is_lost() {
    turns_red(&DropsTheReason, "fetches::what_came_of_a_fetch_is_read_back");
}

#[derive(Debug, Clone)]
struct ByClock;

#[async_trait]
impl Faulty for ByClock {
    async fn fetches_page(&self, store: &MemoryStore, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        let mut found = store.fetches_page(feed, page).await?;
        found.items.sort_by_key(|fetch| std::cmp::Reverse(fetch.intent.started_at));
        Ok(found)
    }
}

#[test]
fn fetches_are_ordered_by_their_clocks() {
    turns_red(&ByClock, "fetches::fetches_are_listed_newest_first");
}

/// Only the first handle finds what the place holds.
#[derive(Debug, Clone, Default)]
struct Forgets(Arc<AtomicBool>);

impl Faulty for Forgets {
    fn opened(&self, place: &Arc<MemoryStore>) -> Arc<MemoryStore> {
        if self.0.swap(true, Ordering::AcqRel) { Arc::new(MemoryStore::new()) } else { Arc::clone(place) }
    }
}

#[test]
fn what_was_written_is_gone_after_reopening() {
    turns_red(&Forgets::default(), "fetches::fetches_outlive_the_process");
}

#[derive(Debug, Clone)]
struct InterruptsEveryFeed;

#[async_trait]
impl Faulty for InterruptsEveryFeed {
    async fn begin_fetch(&self, store: &MemoryStore, intent: &FetchIntent) -> Result<()> {
        store.begin_fetch(&FetchIntent { feed: FeedId::from_u128(0xFEED_0001), ..intent.clone() }).await
    }
}

#[test]
fn beginning_interrupts_other_feeds_too() {
    turns_red(&InterruptsEveryFeed, "fetches::beginning_interrupts_what_still_runs");
}
