//! [`Faulty`]: the shared store as one daemon sees it: slow, at times unavailable, and out of reach while it stands still.

use std::num::NonZeroUsize;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::ingest::{FeedCursor, IngestBatch, IngestReport, Observation};
use feedspine_core::{
    Applied, BackendInfo, Change, Conclude, Feed, FeedId, FeedName, Fetch, FetchDetail, FetchId, FetchIntent, HolderId,
    Joint, KeyRule, Landing, Layer, Lease, LeaseRequest, MemoryStore, NaturalKey, Outset, Page, PageRequest,
    Quarantined, Query, Record, RecordId, RecordRef, RecordWrite, Reschedule, Result, Schedule, Seen, Selection, Seq,
    Sighting, Slot, StateStore, StorageBackend, StorageError, Timestamp, Version, VersionNo,
};
use tokio::time::{Instant, sleep, sleep_until};

use super::random::Random;

/// What goes wrong for one daemon.
#[derive(Debug)]
pub(super) struct Faults(Mutex<Inner>);

#[derive(Debug)]
struct Inner {
    random: Random,
    frozen_until: Instant,
    /// One call in so many fails, until then.
    fails: (u64, Instant),
}

/// How a call goes.
enum Luck {
    Good,
    /// It fails and does nothing.
    Undone,
    /// It fails, and did what it should.
    Unanswered,
}

impl Faults {
    pub(super) fn new(seed: u64) -> Self {
        let now = Instant::now();
        Self(Mutex::new(Inner { random: Random::new(seed), frozen_until: now, fails: (1, now) }))
    }

    /// The daemon stands still for so long.
    pub(super) fn freeze(&self, span: Duration) {
        self.lock().frozen_until = Instant::now() + span;
    }

    pub(super) fn fail_one_in(&self, times: u64, span: Duration) {
        self.lock().fails = (times, Instant::now() + span);
    }

    pub(super) fn end(&self) {
        let mut inner = self.lock();
        (inner.frozen_until, inner.fails.1) = (Instant::now(), Instant::now());
    }

    /// Until the daemon stands still no more.
    pub(super) async fn thawed(&self) {
        loop {
            let until = self.lock().frozen_until;
            if until <= Instant::now() {
                return;
            }
            sleep_until(until).await;
        }
    }

    /// Whether a call is refused that takes several things at once.
    fn refuses(&self) -> bool {
        self.lock().random.one_in(20)
    }

    async fn luck(&self) -> Luck {
        self.thawed().await;
        let (pause, luck) = {
            let mut inner = self.lock();
            let (times, until) = inner.fails;
            let fails = Instant::now() < until && inner.random.one_in(times);
            let luck = match (fails, inner.random.one_in(2)) {
                (false, _) => Luck::Good,
                (true, true) => Luck::Undone,
                (true, false) => Luck::Unanswered,
            };
            (Duration::from_millis(inner.random.within(0..20)), luck)
        };
        sleep(pause).await;
        luck
    }

    /// Makes a call that changes something, or not, and answers, or not.
    async fn call<T>(&self, call: impl Future<Output = Result<T>>) -> Result<T> {
        match self.luck().await {
            Luck::Good => call.await,
            Luck::Undone => Err(StorageError::unavailable("the store is not reached")),
            Luck::Unanswered => {
                call.await?;
                Err(StorageError::unavailable("the store's answer is lost").with_applied(Applied::Unknown))
            }
        }
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.0.lock().expect("nobody panics in between")
    }
}

/// A store with faults.
#[derive(Debug)]
pub(super) struct Faulty {
    store: Arc<MemoryStore>,
    faults: Arc<Faults>,
    /// Whether it does to data and control plane at once what touches both.
    is_joint: bool,
}

impl Faulty {
    pub(super) fn new(store: Arc<MemoryStore>, faults: Arc<Faults>, is_joint: bool) -> Self {
        Self { store, faults, is_joint }
    }
}

#[async_trait]
impl StorageBackend for Faulty {
    fn info(&self) -> BackendInfo {
        self.store.info()
    }

    async fn initialize(&self) -> Result<()> {
        self.store.initialize().await
    }

    async fn close(&self) -> Result<()> {
        Ok(())
    }

    async fn ingest(&self, batch: IngestBatch) -> Result<IngestReport> {
        self.faults.call(self.store.ingest(batch)).await
    }

    async fn cursor(&self, feed: FeedId) -> Result<Option<FeedCursor>> {
        self.faults.call(self.store.cursor(feed)).await
    }

    async fn put_many(&self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.store.put_many(writes).await
    }

    async fn get_many(&self, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        self.store.get_many(wanted).await
    }

    async fn delete_many(&self, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        self.store.delete_many(doomed, at).await
    }

    async fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        self.store.query_page(query).await
    }

    async fn count(&self, selection: &Selection) -> Result<u64> {
        self.store.count(selection).await
    }

    async fn observe_many(&self, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        self.store.observe_many(seen).await
    }

    async fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        self.store.sightings_page(key, page).await
    }

    async fn seen_many(&self, keys: &[NaturalKey]) -> Result<Vec<Option<Seen>>> {
        self.store.seen_many(keys).await
    }

    async fn versions_page(&self, record: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        self.store.versions_page(record, layer, page).await
    }

    async fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        self.store.observations_page(feed, page).await
    }

    async fn observation(&self, feed: FeedId, fetch: FetchId) -> Result<Option<Observation>> {
        self.faults.call(self.store.observation(feed, fetch)).await
    }

    async fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        self.store.rejects_page(feed, page).await
    }

    async fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        self.store.changes(after, limit).await
    }
}

#[async_trait]
impl StateStore for Faulty {
    async fn prepare(&self) -> Result<()> {
        self.store.prepare().await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        self.store.add_feed(feed).await
    }

    async fn replace_feed(&self, held: &Feed, feed: &Feed) -> Result<bool> {
        self.store.replace_feed(held, feed).await
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        self.faults.call(self.store.settle_key_rule(feed, rule)).await
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        self.faults.call(self.store.feeds()).await
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        self.faults.call(self.store.feed_named(name)).await
    }

    async fn begin_fetch(&self, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        self.faults.call(self.store.begin_fetch(intent, slot)).await
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail, schedule: Option<&Schedule>) -> Result<()> {
        self.faults.call(self.store.finish_fetch(fetch, detail, schedule)).await
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        self.faults.call(self.store.fetches_page(feed, page)).await
    }

    async fn all_fetches_page(&self, page: &PageRequest) -> Result<Page<Fetch>> {
        self.faults.call(self.store.all_fetches_page(page)).await
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        self.faults.call(self.store.schedules()).await
    }

    async fn schedule_of(&self, feed: FeedId) -> Result<Option<Schedule>> {
        self.faults.call(self.store.schedule_of(feed)).await
    }

    async fn due(&self, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        self.faults.call(self.store.due(by, limit)).await
    }

    async fn set_schedules(&self, schedules: &[Schedule]) -> Result<()> {
        self.faults.call(self.store.set_schedules(schedules)).await
    }

    async fn reschedule(&self, changes: &[Reschedule]) -> Result<Vec<bool>> {
        self.faults.call(self.store.reschedule(changes)).await
    }

    async fn lease_hosts(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        self.faults.call(self.store.lease_hosts(request)).await
    }

    async fn release_hosts(&self, holder: &HolderId, hosts: &[String]) -> Result<()> {
        self.faults.call(self.store.release_hosts(holder, hosts)).await
    }

    async fn leases(&self) -> Result<Vec<Lease>> {
        self.faults.call(self.store.leases()).await
    }

    fn joint(&self) -> Option<&dyn Joint> {
        self.is_joint.then_some(self)
    }
}

#[async_trait]
impl Joint for Faulty {
    async fn begin_turn(
        &self,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        self.faults.call(self.store.begin_turn(feed, fetch, started_at, slot)).await
    }

    async fn land(&self, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        // As where what a body was packed against is forgotten in between.
        if self.faults.refuses() {
            return Err(StorageError::conflict("what goes with the batch is refused"));
        }
        self.faults.call(self.store.land(landing, conclude)).await
    }
}
