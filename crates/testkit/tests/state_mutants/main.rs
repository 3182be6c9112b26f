//! The kit of the control plane, checked: a fault seeded into the memory backend turns the check named for it red.

mod captures;
mod joint;

use std::fmt::Debug;
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

use async_trait::async_trait;
use feedspine_core::{
    Capture, CaptureFigures, CaptureName, CaptureStore, Conclude, Content, ContentHash, Feed, FeedId, FeedName,
    FeedStatus, Fetch, FetchDetail, FetchId, FetchIntent, Forgotten, HeldBody, HeldCapture, HolderId, IngestBatch,
    IngestReport, Joint, KeyRule, Landing, Lease, LeaseRequest, MemoryStore, Outset, PackedBody, Page, PageRequest,
    Reschedule, Result, Schedule, Slot, StateStore, StorageBackend, Timestamp,
};
use feedspine_testkit::{Failure, state, storage};

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

    async fn replace_feed(&self, store: &MemoryStore, held: &Feed, feed: &Feed) -> Result<bool> {
        store.replace_feed(held, feed).await
    }

    async fn settle_key_rule(&self, store: &MemoryStore, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        store.settle_key_rule(feed, rule).await
    }

    async fn feeds(&self, store: &MemoryStore) -> Result<Vec<Feed>> {
        store.feeds().await
    }

    async fn begin_fetch(&self, store: &MemoryStore, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        store.begin_fetch(intent, slot).await
    }

    async fn finish_fetch(
        &self,
        store: &MemoryStore,
        fetch: FetchId,
        detail: &FetchDetail,
        schedule: Option<&Schedule>,
    ) -> Result<()> {
        store.finish_fetch(fetch, detail, schedule).await
    }

    async fn fetches_page(&self, store: &MemoryStore, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        store.fetches_page(feed, page).await
    }

    async fn all_fetches_page(&self, store: &MemoryStore, page: &PageRequest) -> Result<Page<Fetch>> {
        store.all_fetches_page(page).await
    }

    async fn schedules(&self, store: &MemoryStore) -> Result<Vec<Schedule>> {
        store.schedules().await
    }

    async fn due(&self, store: &MemoryStore, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        store.due(by, limit).await
    }

    async fn set_schedules(&self, store: &MemoryStore, schedules: &[Schedule]) -> Result<()> {
        store.set_schedules(schedules).await
    }

    async fn reschedule(&self, store: &MemoryStore, changes: &[Reschedule]) -> Result<Vec<bool>> {
        store.reschedule(changes).await
    }

    async fn lease_hosts(&self, store: &MemoryStore, request: &LeaseRequest) -> Result<Vec<Lease>> {
        store.lease_hosts(request).await
    }

    async fn release_hosts(&self, store: &MemoryStore, holder: &HolderId, hosts: &[String]) -> Result<()> {
        store.release_hosts(holder, hosts).await
    }

    async fn keep(&self, store: &MemoryStore, capture: Capture, body: PackedBody) -> Result<()> {
        store.keep(capture, body).await
    }

    async fn captures_page(&self, store: &MemoryStore, feed: FeedId, page: &PageRequest) -> Result<Page<HeldCapture>> {
        store.captures_page(feed, page).await
    }

    async fn captures_of(&self, store: &MemoryStore, feed: FeedId, fetch: FetchId) -> Result<Vec<Capture>> {
        store.captures_of(feed, fetch).await
    }

    async fn body(&self, store: &MemoryStore, hash: ContentHash) -> Result<Option<HeldBody>> {
        store.body(hash).await
    }

    async fn newest_base(&self, store: &MemoryStore, feed: FeedId) -> Result<Option<PackedBody>> {
        store.newest_base(feed).await
    }

    async fn capture_figures(&self, store: &MemoryStore) -> Result<CaptureFigures> {
        store.capture_figures().await
    }

    async fn forget(&self, store: &MemoryStore, captures: &[CaptureName]) -> Result<Forgotten> {
        store.forget(captures).await
    }

    async fn begin_turn(
        &self,
        store: &MemoryStore,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        store.begin_turn(feed, fetch, started_at, slot).await
    }

    async fn land(&self, store: &MemoryStore, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        store.land(landing, conclude).await
    }

    /// What is captured at the same place.
    async fn storage(&self, place: &Arc<MemoryStore>) -> Result<Arc<dyn StorageBackend>> {
        storage::StorageProvider::open(&storage::faulty::Shared(storage::faulty::Sound), place).await
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

    async fn replace_feed(&self, held: &Feed, feed: &Feed) -> Result<bool> {
        self.fault.replace_feed(&self.store, held, feed).await
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

    async fn begin_fetch(&self, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        self.fault.begin_fetch(&self.store, intent, slot).await
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail, schedule: Option<&Schedule>) -> Result<()> {
        self.fault.finish_fetch(&self.store, fetch, detail, schedule).await
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        self.fault.fetches_page(&self.store, feed, page).await
    }

    async fn all_fetches_page(&self, page: &PageRequest) -> Result<Page<Fetch>> {
        self.fault.all_fetches_page(&self.store, page).await
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        self.fault.schedules(&self.store).await
    }

    async fn schedule_of(&self, feed: FeedId) -> Result<Option<Schedule>> {
        self.store.schedule_of(feed).await
    }

    async fn due(&self, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        self.fault.due(&self.store, by, limit).await
    }

    async fn set_schedules(&self, schedules: &[Schedule]) -> Result<()> {
        self.fault.set_schedules(&self.store, schedules).await
    }

    async fn reschedule(&self, changes: &[Reschedule]) -> Result<Vec<bool>> {
        self.fault.reschedule(&self.store, changes).await
    }

    async fn lease_hosts(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        self.fault.lease_hosts(&self.store, request).await
    }

    async fn release_hosts(&self, holder: &HolderId, hosts: &[String]) -> Result<()> {
        self.fault.release_hosts(&self.store, holder, hosts).await
    }

    async fn leases(&self) -> Result<Vec<Lease>> {
        self.store.leases().await
    }

    fn captures(&self) -> Option<&dyn CaptureStore> {
        Some(self)
    }

    fn joint(&self) -> Option<&dyn Joint> {
        Some(self)
    }
}

#[async_trait]
impl<F: Faulty> Joint for Handle<F> {
    async fn begin_turn(
        &self,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        self.fault.begin_turn(&self.store, feed, fetch, started_at, slot).await
    }

    async fn land(&self, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        self.fault.land(&self.store, landing, conclude).await
    }
}

#[async_trait]
impl<F: Faulty> CaptureStore for Handle<F> {
    async fn keep(&self, capture: Capture, body: PackedBody) -> Result<()> {
        self.fault.keep(&self.store, capture, body).await
    }

    async fn captures_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<HeldCapture>> {
        self.fault.captures_page(&self.store, feed, page).await
    }

    async fn captures_of(&self, feed: FeedId, fetch: FetchId) -> Result<Vec<Capture>> {
        self.fault.captures_of(&self.store, feed, fetch).await
    }

    async fn body(&self, hash: ContentHash) -> Result<Option<HeldBody>> {
        self.fault.body(&self.store, hash).await
    }

    async fn newest_base(&self, feed: FeedId) -> Result<Option<PackedBody>> {
        self.fault.newest_base(&self.store, feed).await
    }

    async fn capture_figures(&self) -> Result<CaptureFigures> {
        self.fault.capture_figures(&self.store).await
    }

    async fn forget(&self, captures: &[CaptureName]) -> Result<Forgotten> {
        self.fault.forget(&self.store, captures).await
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

    async fn storage(&self, place: &Arc<MemoryStore>) -> Result<Option<Arc<dyn StorageBackend>>> {
        self.0.storage(place).await.map(Some)
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

#[test]
fn every_check_has_a_name_and_a_promise_of_its_own() {
    let names: std::collections::BTreeSet<_> = state::checks().map(feedspine_testkit::Check::full_name).collect();
    assert_eq!(names.len(), state::checks().count(), "two checks have one name");
    for check in state::checks() {
        assert!(check.promise.ends_with('.') && check.promise.len() > 20, "{}: {}", check.full_name(), check.promise);
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
    async fn replace_feed(&self, store: &MemoryStore, held: &Feed, feed: &Feed) -> Result<bool> {
        match store.replace_feed(held, feed).await {
            Err(error) if error.kind() == feedspine_core::ErrorKind::Invalid => {
                store.add_feed(feed).await.map(|()| true)
            }
            answer => answer,
        }
    }
}

#[test]
fn an_update_adds_what_is_not_there() {
    turns_red(&UpdateAdds, "feeds::updating_an_unknown_feed_is_invalid");
}

#[derive(Debug, Clone)]
struct OverwritesWhateverIsThere;

#[async_trait]
impl Faulty for OverwritesWhateverIsThere {
    async fn replace_feed(&self, store: &MemoryStore, held: &Feed, feed: &Feed) -> Result<bool> {
        let now = store.feeds().await?.into_iter().find(|now| now.id == feed.id);
        store.replace_feed(now.as_ref().unwrap_or(held), feed).await
    }
}

#[test]
fn whoever_changed_a_feed_meanwhile_is_overwritten() {
    turns_red(&OverwritesWhateverIsThere, "feeds::a_feed_that_changed_meanwhile_is_not_replaced");
    turns_red(&OverwritesWhateverIsThere, "feeds::one_of_many_changes_of_a_feed_is_made");
}

#[derive(Debug, Clone)]
struct ComparesTheKeyRule;

#[async_trait]
impl Faulty for ComparesTheKeyRule {
    async fn replace_feed(&self, store: &MemoryStore, held: &Feed, feed: &Feed) -> Result<bool> {
        let settled = store.feeds().await?.into_iter().any(|now| now.id == feed.id && now.key_rule != held.key_rule);
        if settled { Ok(false) } else { store.replace_feed(held, feed).await }
    }
}

#[test]
fn a_key_rule_that_was_settled_meanwhile_holds_a_change_up() {
    turns_red(&ComparesTheKeyRule, "feeds::what_no_change_replaces_is_not_compared");
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
    async fn finish_fetch(
        &self,
        store: &MemoryStore,
        fetch: FetchId,
        detail: &FetchDetail,
        schedule: Option<&Schedule>,
    ) -> Result<()> {
        store.finish_fetch(fetch, &FetchDetail { reason: None, ..detail.clone() }, schedule).await
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
    async fn begin_fetch(&self, store: &MemoryStore, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        store.begin_fetch(&FetchIntent { feed: FeedId::from_u128(0xFEED_0001), ..intent.clone() }, slot).await
    }
}

#[test]
fn beginning_interrupts_other_feeds_too() {
    turns_red(&InterruptsEveryFeed, "fetches::beginning_interrupts_what_still_runs");
}

#[derive(Debug, Clone)]
struct DropsTheNotes;

#[async_trait]
impl Faulty for DropsTheNotes {
    async fn finish_fetch(
        &self,
        store: &MemoryStore,
        fetch: FetchId,
        detail: &FetchDetail,
        schedule: Option<&Schedule>,
    ) -> Result<()> {
        store.finish_fetch(fetch, &FetchDetail { notes: Content::empty(), ..detail.clone() }, schedule).await
    }
}

#[test]
fn the_notes_of_a_fetch_are_lost() {
    turns_red(&DropsTheNotes, "fetches::what_came_of_a_fetch_is_read_back");
}

#[derive(Debug, Clone)]
struct AllAscending;

#[async_trait]
impl Faulty for AllAscending {
    async fn all_fetches_page(&self, store: &MemoryStore, page: &PageRequest) -> Result<Page<Fetch>> {
        let mut found = store.all_fetches_page(page).await?;
        found.items.reverse();
        Ok(found)
    }
}

#[test]
fn all_fetches_come_by_ascending_id() {
    turns_red(&AllAscending, "fetches::all_fetches_are_listed_by_descending_id");
    turns_red(&AllAscending, "fetches::all_fetches_are_paged");
}

#[derive(Debug, Clone)]
struct ForgetsTheState;

#[async_trait]
impl Faulty for ForgetsTheState {
    async fn set_schedules(&self, store: &MemoryStore, schedules: &[Schedule]) -> Result<()> {
        let bare = |schedule: &Schedule| Schedule { state: Content::empty(), ..schedule.clone() };
        store.set_schedules(&schedules.iter().map(bare).collect::<Vec<_>>()).await
    }
}

#[test]
fn the_state_of_a_schedule_is_lost() {
    turns_red(&ForgetsTheState, "schedules::a_schedule_is_read_back");
}

#[derive(Debug, Clone)]
struct Overtakes;

#[async_trait]
impl Faulty for Overtakes {
    async fn reschedule(&self, store: &MemoryStore, changes: &[Reschedule]) -> Result<Vec<bool>> {
        let schedules: Vec<Schedule> = changes.iter().map(|change| change.schedule.clone()).collect();
        store.set_schedules(&schedules).await?;
        Ok(vec![true; changes.len()])
    }
}

#[test]
fn a_schedule_is_changed_that_somebody_moved_on_meanwhile() {
    turns_red(&Overtakes, "schedules::a_schedule_changes_only_where_it_is_as_known");
}

#[derive(Debug, Clone)]
struct OneByOne;

#[async_trait]
impl Faulty for OneByOne {
    async fn set_schedules(&self, store: &MemoryStore, schedules: &[Schedule]) -> Result<()> {
        for schedule in schedules {
            store.set_schedules(std::slice::from_ref(schedule)).await?;
        }
        Ok(())
    }
}

#[test]
fn schedules_are_written_up_to_the_one_that_is_refused() {
    turns_red(&OneByOne, "schedules::a_schedule_of_an_unknown_feed_is_invalid");
}

#[derive(Debug, Clone)]
struct OnlyWithATime;

#[async_trait]
impl Faulty for OnlyWithATime {
    async fn schedules(&self, store: &MemoryStore) -> Result<Vec<Schedule>> {
        Ok(store.schedules().await?.into_iter().filter(|schedule| schedule.due_at.is_some()).collect())
    }
}

#[test]
fn schedules_without_a_time_are_not_listed() {
    turns_red(&OnlyWithATime, "schedules::schedules_are_listed_by_feed");
}

#[derive(Debug, Clone)]
struct DueByFeed;

#[async_trait]
impl Faulty for DueByFeed {
    async fn due(&self, store: &MemoryStore, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        let mut due = store.due(by, NonZeroUsize::MAX).await?;
        due.sort_by_key(|schedule| schedule.feed);
        due.truncate(limit.get());
        Ok(due)
    }
}

#[test]
fn due_feeds_come_by_feed() {
    turns_red(&DueByFeed, "schedules::the_longest_overdue_comes_first");
}

#[derive(Debug, Clone)]
struct DueAfterwards;

#[async_trait]
impl Faulty for DueAfterwards {
    async fn due(&self, store: &MemoryStore, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        store.due(by.saturating_add_micros(-1), limit).await
    }
}

#[test]
fn a_feed_is_due_an_instant_late() {
    turns_red(&DueAfterwards, "schedules::the_longest_overdue_comes_first");
}

#[derive(Debug, Clone)]
struct LimitsTooEarly;

#[async_trait]
impl Faulty for LimitsTooEarly {
    async fn due(&self, store: &MemoryStore, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        let due_at = |schedule: &Schedule| schedule.due_at.filter(|due_at| *due_at <= by);
        let mut due: Vec<Schedule> = store.schedules().await?.into_iter().filter(|it| due_at(it).is_some()).collect();
        due.sort_by_key(|schedule| (schedule.due_at, schedule.feed));
        due.truncate(limit.get());
        let active = store.due(by, NonZeroUsize::MAX).await?;
        Ok(due.into_iter().filter(|schedule| active.contains(schedule)).collect())
    }
}

#[test]
fn feeds_that_are_not_active_take_the_places_of_those_that_are() {
    turns_red(&LimitsTooEarly, "schedules::feeds_that_are_not_active_are_not_due");
}

/// The schedule goes by itself, whatever becomes of the rest.
#[derive(Debug, Clone)]
struct MovesItAnyway;

#[async_trait]
impl Faulty for MovesItAnyway {
    async fn finish_fetch(
        &self,
        store: &MemoryStore,
        fetch: FetchId,
        detail: &FetchDetail,
        schedule: Option<&Schedule>,
    ) -> Result<()> {
        store.set_schedules(schedule.map(std::slice::from_ref).unwrap_or_default()).await?;
        store.finish_fetch(fetch, detail, None).await
    }
}

#[test]
fn any_fetch_that_ends_moves_the_schedule() {
    turns_red(&MovesItAnyway, "schedules::an_interrupted_fetch_moves_no_schedule");
    turns_red(&MovesItAnyway, "schedules::an_unknown_fetch_moves_no_schedule");
    turns_red(&MovesItAnyway, "slots::of_many_who_fill_a_slot_at_once_one_moves_the_schedule");
}

#[derive(Debug, Clone)]
struct LeavesTheSchedule;

#[async_trait]
impl Faulty for LeavesTheSchedule {
    async fn finish_fetch(
        &self,
        store: &MemoryStore,
        fetch: FetchId,
        detail: &FetchDetail,
        _: Option<&Schedule>,
    ) -> Result<()> {
        store.finish_fetch(fetch, detail, None).await
    }
}

#[test]
fn a_fetch_that_ends_moves_no_schedule() {
    turns_red(&LeavesTheSchedule, "schedules::finishing_moves_the_schedule");
    turns_red(&LeavesTheSchedule, "slots::a_slot_is_filled_once");
}

/// A lease as the daemon's own, whatever its time.
#[derive(Debug, Clone)]
struct IgnoresTheTime;

#[async_trait]
impl Faulty for IgnoresTheTime {
    async fn begin_fetch(&self, store: &MemoryStore, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        let due_at = store.schedule_of(intent.feed).await?.and_then(|schedule| schedule.due_at);
        let slot = slot.map(|slot| Slot { due_at: due_at.unwrap_or(slot.due_at), ..slot.clone() });
        store.begin_fetch(intent, slot.as_ref()).await
    }
}

#[test]
fn a_turn_is_filled_whenever_it_was_due() {
    turns_red(&IgnoresTheTime, "slots::a_slot_at_another_time_is_refused");
    turns_red(&IgnoresTheTime, "slots::a_slot_is_filled_once");
}

#[derive(Debug, Clone)]
struct IgnoresTheLease;

#[async_trait]
impl Faulty for IgnoresTheLease {
    async fn begin_fetch(&self, store: &MemoryStore, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        let Some(slot) = slot else { return store.begin_fetch(intent, None).await };
        let leases = store.leases().await?;
        let held = leases.into_iter().find(|lease| lease.token.host.eq_ignore_ascii_case(&slot.lease.host));
        let lease = held.map_or_else(|| slot.lease.clone(), |lease| lease.token);
        store.begin_fetch(intent, Some(&Slot { lease, ..slot.clone() })).await
    }
}

#[test]
fn a_turn_is_filled_under_whatever_lease() {
    turns_red(&IgnoresTheLease, "slots::a_slot_under_another_lease_is_refused");
}

/// The fetch goes in before its turn is looked at.
#[derive(Debug, Clone)]
struct LooksTooLate;

#[async_trait]
impl Faulty for LooksTooLate {
    async fn begin_fetch(&self, store: &MemoryStore, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        let Some(slot) = slot else { return store.begin_fetch(intent, None).await };
        let probe = FetchIntent { fetch: FetchId::from_u128(u128::MAX), ..intent.clone() };
        store.begin_fetch(intent, None).await?;
        store.begin_fetch(&probe, Some(slot)).await
    }
}

#[test]
fn a_fetch_that_is_refused_its_turn_is_begun() {
    turns_red(&LooksTooLate, "slots::a_refused_slot_changes_nothing");
}

/// Every grant is a new one.
#[derive(Debug, Clone)]
struct NewTokenEachTime;

#[async_trait]
impl Faulty for NewTokenEachTime {
    async fn lease_hosts(&self, store: &MemoryStore, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let leases = store.leases().await?;
        let own = leases.into_iter().filter(|lease| lease.holder.as_ref() == Some(&request.holder));
        let own: Vec<String> = own.map(|lease| lease.token.host).filter(|host| request.hosts.contains(host)).collect();
        store.release_hosts(&request.holder, &own).await?;
        store.lease_hosts(request).await
    }
}

#[test]
fn prolonging_is_a_lease_anew() {
    turns_red(&NewTokenEachTime, "leases::a_holder_goes_on_under_its_token");
    turns_red(&NewTokenEachTime, "leases::prolonging_interrupts_nothing");
}

/// Asked for a held host, it grants none at all.
#[derive(Debug, Clone)]
struct AllOrNothing;

#[async_trait]
impl Faulty for AllOrNothing {
    async fn lease_hosts(&self, store: &MemoryStore, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let leases = store.leases().await?;
        let theirs = |lease: &Lease| lease.holder.as_ref().is_some_and(|it| *it != request.holder);
        let held = leases.iter().any(|lease| theirs(lease) && request.hosts.contains(&lease.token.host));
        if held { Ok(Vec::new()) } else { store.lease_hosts(request).await }
    }
}

#[test]
fn one_host_that_is_held_keeps_others_from_being_granted() {
    turns_red(&AllOrNothing, "leases::a_held_host_is_left_out");
    turns_red(&AllOrNothing, "leases::a_lease_that_ran_out_changes_hands");
}

/// Takes hosts away as if their leases had run out.
#[derive(Debug, Clone)]
struct TakesWhatIsHeld;

#[async_trait]
impl Faulty for TakesWhatIsHeld {
    async fn lease_hosts(&self, store: &MemoryStore, request: &LeaseRequest) -> Result<Vec<Lease>> {
        store.lease_hosts(&LeaseRequest { now: Timestamp::MAX, ..request.clone() }).await
    }
}

#[test]
fn a_host_that_is_held_is_granted_to_another() {
    turns_red(&TakesWhatIsHeld, "leases::a_held_host_is_left_out");
    turns_red(&TakesWhatIsHeld, "leases::one_of_many_who_ask_at_once_is_granted");
    turns_red(&TakesWhatIsHeld, "leases::leases_outlive_the_process");
}

/// Looks at what is held in one step, and writes in another.
#[derive(Debug, Clone)]
struct LooksAndThenLeases;

#[async_trait]
impl Faulty for LooksAndThenLeases {
    async fn lease_hosts(&self, store: &MemoryStore, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let held = store.leases().await?;
        tokio::task::yield_now().await;
        let mut granted = Vec::new();
        for host in &request.hosts {
            let held = held.iter().find(|lease| lease.token.host == *host);
            if let Some(lease) = request.grant(host, held) {
                let one = LeaseRequest { hosts: vec![host.clone()], now: Timestamp::MAX, ..request.clone() };
                store.lease_hosts(&one).await?;
                granted.push(lease);
            }
        }
        granted.sort_by(|one, other| one.token.host.cmp(&other.token.host));
        Ok(granted)
    }
}

#[test]
fn two_who_ask_at_once_are_granted_the_same_host() {
    turns_red(&LooksAndThenLeases, "leases::one_of_many_who_ask_at_once_is_granted");
}

/// A lease runs out an instant after it says.
#[derive(Debug, Clone)]
struct HeldAnInstantLonger;

#[async_trait]
impl Faulty for HeldAnInstantLonger {
    async fn lease_hosts(&self, store: &MemoryStore, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let leases = store.leases().await?;
        let at_its_end =
            leases.iter().any(|lease| lease.until == request.now && lease.holder.as_ref() != Some(&request.holder));
        if at_its_end { Ok(Vec::new()) } else { store.lease_hosts(request).await }
    }
}

#[test]
fn a_lease_is_held_at_the_instant_it_ends() {
    turns_red(&HeldAnInstantLonger, "leases::a_lease_runs_out_by_one_clock");
}

/// Leases are granted from a table that fetches know nothing of.
#[derive(Debug, Clone)]
struct LetsThemRun;

#[async_trait]
impl Faulty for LetsThemRun {
    async fn begin_fetch(&self, store: &MemoryStore, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        if let Some(slot) = slot {
            // Is it open? Then it is begun without the lease.
            let leased = store.leases().await?.into_iter().any(|lease| lease.token == slot.lease);
            let due_at = store.schedule_of(intent.feed).await?.and_then(|schedule| schedule.due_at);
            if !leased || due_at != Some(slot.due_at) {
                return Err(slot.filled(intent.feed));
            }
        }
        store.begin_fetch(intent, None).await
    }
}

#[test]
fn fetches_run_on_when_their_host_changes_hands() {
    turns_red(&LetsThemRun, "leases::earlier_fetches_of_a_host_that_changes_hands_are_interrupted");
    turns_red(&LetsThemRun, "fence::a_fetch_whose_host_changed_hands_moves_no_cursor");
}

/// Whoever asks may give back anything.
#[derive(Debug, Clone)]
struct GivesBackOthers;

#[async_trait]
impl Faulty for GivesBackOthers {
    async fn release_hosts(&self, store: &MemoryStore, _: &HolderId, hosts: &[String]) -> Result<()> {
        for lease in store.leases().await? {
            if let Some(holder) = lease.holder {
                store.release_hosts(&holder, hosts).await?;
            }
        }
        Ok(())
    }
}

#[test]
fn a_stranger_gives_a_host_back() {
    turns_red(&GivesBackOthers, "leases::nobody_gives_back_what_another_holds");
}

#[derive(Debug, Clone)]
struct NeverGivesBack;

#[async_trait]
impl Faulty for NeverGivesBack {
    async fn release_hosts(&self, _: &MemoryStore, _: &HolderId, _: &[String]) -> Result<()> {
        Ok(())
    }
}

#[test]
fn a_host_is_held_until_its_lease_runs_out() {
    turns_red(&NeverGivesBack, "leases::a_host_that_was_given_back_is_free");
}

#[test]
fn schedules_and_leases_are_gone_after_reopening() {
    turns_red(&Forgets::default(), "schedules::schedules_outlive_the_process");
    turns_red(&Forgets::default(), "leases::leases_outlive_the_process");
}

/// What is captured, as if nobody had told it of the ledger of fetches.
#[derive(Debug, Clone)]
struct Unfenced;

impl Unfenced {
    /// The same batch as that of a fetch which the control plane does not know.
    fn unknown(batch: IngestBatch) -> IngestBatch {
        IngestBatch { fetch: FetchId::from_u128(0xFE7C_FFFF_0000), ..batch }
    }
}

#[async_trait]
impl storage::faulty::Faulty for Unfenced {
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        store.ingest(Self::unknown(batch)).await
    }
}

#[async_trait]
impl Faulty for Unfenced {
    async fn storage(&self, place: &Arc<MemoryStore>) -> Result<Arc<dyn StorageBackend>> {
        storage::StorageProvider::open(&storage::faulty::Shared(self.clone()), place).await
    }
}

#[test]
fn a_fetch_that_was_given_up_moves_the_cursor() {
    turns_red(&Unfenced, "fence::a_fetch_that_another_interrupted_moves_no_cursor");
    turns_red(&Unfenced, "fence::a_fetch_whose_host_changed_hands_moves_no_cursor");
    turns_red(&Unfenced, "fence::a_part_committed_before_the_interruption_is_answered_again");
}

/// Asks whether the fetch was given up, and commits later.
#[derive(Debug, Clone)]
struct LooksAndThenCommits;

#[async_trait]
impl storage::faulty::Faulty for LooksAndThenCommits {
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        for _ in 0..100 {
            tokio::task::yield_now().await;
        }
        store.ingest(Unfenced::unknown(batch)).await
    }
}

#[async_trait]
impl Faulty for LooksAndThenCommits {
    async fn storage(&self, place: &Arc<MemoryStore>) -> Result<Arc<dyn StorageBackend>> {
        storage::StorageProvider::open(&storage::faulty::Shared(self.clone()), place).await
    }
}

#[test]
fn a_commit_slips_in_behind_the_next_fetch() {
    turns_red(&LooksAndThenCommits, "fence::nothing_is_committed_behind_a_fetch_that_began");
}

/// Takes nothing at all of a fetch that was given up.
#[derive(Debug, Clone)]
struct FencesAll;

#[async_trait]
impl storage::faulty::Faulty for FencesAll {
    async fn ingest(&self, store: &MemoryStore, batch: IngestBatch) -> Result<IngestReport> {
        let fetches = store.fetches_page(batch.feed, &PageRequest::first(100)).await?.items;
        let fetch = fetches.into_iter().find(|fetch| fetch.intent.fetch == batch.fetch);
        let status = fetch.and_then(|fetch| fetch.detail).map(|detail| detail.status);
        match status {
            Some(feedspine_core::FetchStatus::Interrupted) => Err(feedspine_core::StorageError::conflict("given up")),
            _ => store.ingest(batch).await,
        }
    }
}

#[async_trait]
impl Faulty for FencesAll {
    async fn storage(&self, place: &Arc<MemoryStore>) -> Result<Arc<dyn StorageBackend>> {
        storage::StorageProvider::open(&storage::faulty::Shared(self.clone()), place).await
    }
}

#[test]
fn nothing_is_taken_of_a_fetch_that_was_given_up() {
    turns_red(&FencesAll, "fence::an_interrupted_fetch_may_tell_what_moves_no_cursor");
    turns_red(&FencesAll, "fence::a_part_committed_before_the_interruption_is_answered_again");
}
