//! The control plane's rows.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use async_trait::async_trait;

use super::tables::{Fetches, Tables};
use super::{CAPABILITIES, MemoryStore};
use crate::ingest::Prepared;
use crate::{
    CaptureStore, Conclude, Conclusion, Cursor, Feed, FeedId, FeedName, FeedStatus, Fetch, FetchDetail, FetchId,
    FetchIntent, FetchStatus, HolderId, IngestReport, Joint, Json, KeyRule, Landing, Lease, LeaseRequest, LeaseToken,
    Outset, Page, PageRequest, Reschedule, Result, Schedule, Slot, StateStore, StorageError, Timestamp,
};

#[async_trait]
impl StateStore for MemoryStore {
    async fn prepare(&self) -> Result<()> {
        self.lock().open = true;
        Ok(())
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        let mut tables = self.control()?;
        if tables.control.contains_key(&feed.id) {
            return Err(StorageError::conflict(format!("feed {} is known already", feed.id)));
        }
        tables.check_name(feed)?;
        tables.control.insert(feed.id, feed.clone());
        Ok(())
    }

    async fn replace_feed(&self, held: &Feed, feed: &Feed) -> Result<bool> {
        let mut tables = self.control()?;
        let Some(now) = tables.control.get(&feed.id) else {
            return Err(StorageError::invalid(format!("there is no feed {}", feed.id)));
        };
        if !now.is_still(held) {
            return Ok(false);
        }
        let (namespace, key_rule, added_at) = (now.namespace.clone(), now.key_rule, now.added_at);
        tables.check_name(feed)?;
        tables.control.insert(feed.id, Feed { namespace, key_rule, added_at, ..feed.clone() });
        Ok(true)
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        Ok(*self.control()?.held_feed(feed)?.key_rule.get_or_insert(rule))
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        let mut feeds: Vec<Feed> = self.control()?.control.values().cloned().collect();
        feeds.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(feeds)
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        Ok(self.control()?.holder_of(name).cloned())
    }

    async fn begin_fetch(&self, intent: &FetchIntent, slot: Option<&Slot>) -> Result<()> {
        self.control()?.begin(intent.clone(), slot)
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail, schedule: Option<&Schedule>) -> Result<()> {
        let mut tables = self.control()?;
        let place = tables.begun(fetch)?;
        tables.finish(place, detail, schedule);
        Ok(())
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        let tables = self.control()?;
        let of = format!("fetches {feed}");
        let places = tables.fetches.of_feed.get(&feed).map(Vec::as_slice).unwrap_or_default();
        let newest_first = places.iter().rev().map(|at| (Json::from(*at as u64), *at));
        tables.fetches.page(&of, page, newest_first)
    }

    async fn all_fetches_page(&self, page: &PageRequest) -> Result<Page<Fetch>> {
        let tables = self.control()?;
        let newest_first = tables.fetches.places.iter().rev().map(|(id, at)| (Json::from(id.to_string()), *at));
        tables.fetches.page("all fetches", page, newest_first)
    }

    async fn schedules(&self) -> Result<Vec<Schedule>> {
        Ok(self.control()?.schedules.values().cloned().collect())
    }

    async fn schedule_of(&self, feed: FeedId) -> Result<Option<Schedule>> {
        Ok(self.control()?.schedules.get(&feed).cloned())
    }

    async fn due(&self, by: Timestamp, limit: NonZeroUsize) -> Result<Vec<Schedule>> {
        let tables = self.control()?;
        let is_active = |feed: &FeedId| tables.control.get(feed).is_some_and(|feed| feed.status == FeedStatus::Active);
        let is_due = |schedule: &&Schedule| schedule.due_at.is_some_and(|due_at| due_at <= by);
        let mut due: Vec<&Schedule> =
            tables.schedules.values().filter(is_due).filter(|schedule| is_active(&schedule.feed)).collect();
        due.sort_by_key(|schedule| (schedule.due_at, schedule.feed));
        Ok(due.into_iter().take(limit.get()).cloned().collect())
    }

    async fn set_schedules(&self, schedules: &[Schedule]) -> Result<()> {
        let mut tables = self.control()?;
        if let Some(unknown) = schedules.iter().find(|schedule| !tables.control.contains_key(&schedule.feed)) {
            return Err(StorageError::invalid(format!("there is no feed {}", unknown.feed)));
        }
        tables.schedules.extend(schedules.iter().map(|schedule| (schedule.feed, schedule.clone())));
        Ok(())
    }

    async fn reschedule(&self, changes: &[Reschedule]) -> Result<Vec<bool>> {
        let mut tables = self.control()?;
        if let Some(unknown) = changes.iter().find(|change| !tables.control.contains_key(&change.schedule.feed)) {
            return Err(StorageError::invalid(format!("there is no feed {}", unknown.schedule.feed)));
        }
        let mut write = |Reschedule { held, schedule }: &Reschedule| {
            let is_held = tables.schedules.get(&schedule.feed).and_then(|schedule| schedule.due_at) == *held;
            if is_held {
                tables.schedules.insert(schedule.feed, schedule.clone());
            }
            is_held
        };
        Ok(changes.iter().map(&mut write).collect())
    }

    async fn lease_hosts(&self, request: &LeaseRequest) -> Result<Vec<Lease>> {
        let mut tables = self.control()?;
        let hosts: BTreeSet<&String> = request.hosts.iter().collect();
        Ok(hosts.into_iter().filter_map(|host| tables.lease(host, request)).collect())
    }

    async fn release_hosts(&self, holder: &HolderId, hosts: &[String]) -> Result<()> {
        let mut tables = self.control()?;
        for host in hosts {
            if let Some(lease) = tables.leases.get_mut(host).filter(|lease| lease.holder.as_ref() == Some(holder)) {
                lease.holder = None;
            }
        }
        Ok(())
    }

    async fn leases(&self) -> Result<Vec<Lease>> {
        Ok(self.control()?.leases.values().cloned().collect())
    }

    fn captures(&self) -> Option<&dyn CaptureStore> {
        Some(self)
    }

    fn joint(&self) -> Option<&dyn Joint> {
        Some(self)
    }
}

#[async_trait]
impl Joint for MemoryStore {
    async fn begin_turn(
        &self,
        feed: FeedId,
        fetch: FetchId,
        started_at: Timestamp,
        slot: Option<&Slot>,
    ) -> Result<Option<Outset>> {
        let mut tables = self.open()?;
        let Some(feed) = tables.control.get(&feed).filter(|feed| feed.status == FeedStatus::Active).cloned() else {
            return Ok(None);
        };
        let cursor = tables.feeds.get(&feed.id).map_or(Ok(None), |held| held.state.to_cursor())?;
        tables.begin(FetchIntent { fetch, feed: feed.id, started_at, address: feed.address.clone() }, slot)?;
        let told_by = cursor.as_ref().and_then(|cursor| cursor.manifest);
        let told = told_by.and_then(|told_by| tables.observation(feed.id, told_by)).map(|told| told.counts);
        let schedule = tables.schedules.get(&feed.id).cloned();
        Ok(Some(Outset { feed, cursor, told, schedule }))
    }

    async fn land(&self, landing: Landing, conclude: Conclude) -> Result<IngestReport> {
        CAPABILITIES.check_size(&landing.batch)?;
        landing.check()?;
        let Landing { batch, key_rule, capture } = landing;
        let feed = batch.feed;
        let prepared = Prepared::new(batch)?;
        let mut tables = self.open()?;
        // All that can be refused, or go wrong, comes before the first write.
        let planned = tables.planned(&prepared)?;
        if let Some(chosen) = key_rule {
            Landing::check_key_rule(feed, chosen, tables.held_feed(feed)?.key_rule.unwrap_or(chosen))?;
        }
        if let Some((capture, body)) = &capture {
            tables.captures.check(capture, body)?;
        }
        let place = tables.begun(prepared.batch().fetch)?;
        let Conclusion { detail, schedule } = conclude(planned.report());
        let report = tables.carry_out(&prepared, planned);
        if let Some(chosen) = key_rule {
            tables.held_feed(feed)?.key_rule = Some(chosen);
        }
        if let Some((capture, body)) = capture {
            tables.captures.keep(capture, body)?;
        }
        tables.finish(place, &detail, schedule.as_ref());
        Ok(report)
    }
}

impl Fetches {
    fn begin(&mut self, intent: FetchIntent, lease: Option<LeaseToken>) {
        let place = self.rows.len();
        self.places.insert(intent.fetch, place);
        self.of_feed.entry(intent.feed).or_default().push(place);
        self.running.insert(place, lease);
        self.rows.push(Fetch { intent, detail: None });
    }

    fn interrupt(&mut self, found_at: Timestamp, is_doomed: impl Fn(&FetchIntent, Option<&LeaseToken>) -> bool) {
        let Self { rows, running, .. } = self;
        running.retain(|place, lease| {
            let fetch = &mut rows[*place];
            let doomed = is_doomed(&fetch.intent, lease.as_ref());
            if doomed {
                fetch.detail = Some(FetchDetail::interrupted(found_at));
            }
            !doomed
        });
    }

    /// Whether a fetch was marked interrupted: it commits nothing that moves a cursor.
    pub(super) fn is_interrupted(&self, fetch: FetchId) -> bool {
        let detail = self.places.get(&fetch).and_then(|place| self.rows[*place].detail.as_ref());
        detail.is_some_and(|detail| detail.status == FetchStatus::Interrupted)
    }

    /// A page of what comes in descending order, each with its position.
    fn page(
        &self,
        of: &str,
        page: &PageRequest,
        newest_first: impl Iterator<Item = (Json, usize)>,
    ) -> Result<Page<Fetch>> {
        let before = page.after.as_ref().map(|cursor| cursor.position(of)).transpose()?;
        let rest = newest_first
            .filter(|(at, _)| before.as_ref().is_none_or(|before| std::slice::from_ref(at) < before.as_slice()));
        let mut found: Vec<(Json, usize)> = rest.take(page.size() + 1).collect();
        let more = found.len() > page.size();
        found.truncate(page.size());
        let next = found.last().filter(|_| more).map(|(at, _)| Cursor::new(of, std::slice::from_ref(at)));
        Ok(Page { items: found.into_iter().map(|(_, place)| self.rows[place].clone()).collect(), next })
    }
}

impl Tables {
    /// Writes down that a fetch begins, unless it is to fill a slot that is filled.
    fn begin(&mut self, intent: FetchIntent, slot: Option<&Slot>) -> Result<()> {
        if self.fetches.places.contains_key(&intent.fetch) {
            return Err(StorageError::conflict(format!("fetch {} is known already", intent.fetch)));
        }
        if let Some(slot) = slot
            && !self.is_open(intent.feed, slot)
        {
            return Err(slot.filled(intent.feed));
        }
        self.fetches.interrupt(intent.started_at, |running, _| running.feed == intent.feed);
        self.fetches.begin(intent, slot.map(|slot| slot.lease.clone()));
        Ok(())
    }

    fn held_feed(&mut self, feed: FeedId) -> Result<&mut Feed> {
        self.control.get_mut(&feed).ok_or_else(|| StorageError::invalid(format!("there is no feed {feed}")))
    }

    /// Where a fetch's row is that was begun.
    fn begun(&self, fetch: FetchId) -> Result<usize> {
        let place = self.fetches.places.get(&fetch).copied();
        place.ok_or_else(|| StorageError::invalid(format!("fetch {fetch} was never begun")))
    }

    /// Writes down what came of a fetch, and its feed's schedule if it was not interrupted.
    fn finish(&mut self, place: usize, detail: &FetchDetail, schedule: Option<&Schedule>) {
        self.fetches.rows[place].detail = Some(detail.clone());
        if self.fetches.running.remove(&place).is_some()
            && let Some(schedule) = schedule
        {
            self.schedules.insert(schedule.feed, schedule.clone());
        }
    }

    /// Whether a slot is still to be filled.
    fn is_open(&self, feed: FeedId, slot: &Slot) -> bool {
        let leased = self.leases.get(&slot.lease.host).is_some_and(|lease| lease.token == slot.lease);
        let due_at = self.schedules.get(&feed).and_then(|schedule| schedule.due_at);
        leased && due_at == Some(slot.due_at)
    }

    fn lease(&mut self, host: &str, request: &LeaseRequest) -> Option<Lease> {
        let lease = request.grant(host, self.leases.get(host))?;
        let is_earlier = |earlier: &LeaseToken| earlier.host == host && earlier.token < lease.token.token;
        self.fetches.interrupt(request.now, |_, of| of.is_some_and(is_earlier));
        self.leases.insert(host.to_owned(), lease.clone());
        Some(lease)
    }

    fn holder_of(&self, name: &FeedName) -> Option<&Feed> {
        self.control.values().find(|feed| feed.name == *name && feed.status != FeedStatus::Removed)
    }

    fn check_name(&self, feed: &Feed) -> Result<()> {
        match self.holder_of(&feed.name).filter(|holder| holder.id != feed.id && feed.status != FeedStatus::Removed) {
            Some(_) => Err(StorageError::conflict(format!("there is a feed named {} already", feed.name))
                .with_hint("choose another name")),
            None => Ok(()),
        }
    }
}
