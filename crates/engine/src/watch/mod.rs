//! The daemon: feeds are fetched when they are due, for as long as it runs, by as many processes as share the store.
//!
//! Which feeds are due is asked of the store again and again: whatever one daemon does is seen by the others. A feed is
//! fetched only under its host's lease, and only if it is still due as it was (`Slot`): so each turn is filled once.

mod forgetting;
mod leases;

use std::collections::{HashMap, HashSet};
use std::future::Future;
use std::num::NonZeroUsize;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use feedspine_core::{
    ErrorKind, Feed, FeedId, FeedStatus, LeaseRequest, Reschedule, Schedule, Slot, StorageError, Timestamp,
};
use tokio::task::{self, JoinError, JoinSet};
use tokio::time::{Instant, sleep_until, timeout, timeout_at};

use crate::collect::agenda::{Agenda, Next};
use crate::collect::{Turn, chance, collect, failed_report, host_of, is_pushed};
use crate::fetch::{LEASE_LOST, Link, Trace};
use crate::ops::{FeedReport, Watch, WatchEvent, WatchReport};
use crate::schedule::{self, Standing};
use crate::settings::HostRates;
use crate::{Engine, HostRate, OpError};
use leases::Leases;

/// Feeds that were added or changed by others are seen after so long.
const REFRESH: Duration = Duration::from_secs(15);
/// So many feeds that are due are taken from the store at once, beyond those that wait already.
const TAKEN: usize = 2_000;
/// While our own network is down one feed is tried so often.
const PROBE: Duration = Duration::from_secs(30);
/// A store that does not answer is asked again after so long, at first and at most.
const STORE_RETRY: (Duration, Duration) = (Duration::from_secs(1), Duration::from_secs(30));

/// A feed that is due for longer when a daemon begins is overdue.
const OVERDUE_US: i64 = 120_000_000;

/// A feed of which the store did not take what came of its fetch is asked again after so long.
const UNWRITTEN: Duration = Duration::from_mins(5);
/// Feeds are charged no longer that were charged for a network that turned out to be down so soon.
const CHARGED: Duration = Duration::from_mins(5);
/// When they are tried again.
const FORGIVEN_US: i64 = 300_000_000;
/// No feed is due later, whatever a clock said: seven days, and the jitter.
const LATEST_US: i64 = (7 * 24 + 1) * 3_600_000_000;
/// How long hosts may take to be given back when a daemon ends.
const RELEASE: Duration = Duration::from_secs(2);

type Tell<'a> = &'a (dyn Fn(WatchEvent<'_>) + Send + Sync);

impl Engine {
    /// Fetches feeds when they are due until `stop` is ready; then begins none any more and waits for those under way, as
    /// long as the grace lasts.
    ///
    /// # Errors
    /// What the store says when it will not answer again either: it is damaged, denies us, or is too old or new. While it
    /// is only unavailable, it is asked again.
    pub async fn watch(
        &self,
        request: &Watch,
        tell: &(dyn Fn(WatchEvent<'_>) + Send + Sync),
        stop: impl Future<Output = ()> + Send,
    ) -> Result<WatchReport, OpError> {
        let mut daemon = Daemon::new(self, request, tell);
        let forgetting = forgetting::begin(self);
        let watched = daemon.run(stop).await;
        drop(forgetting);
        // Whoever comes next need not wait for the leases to run out; where the store does not answer, it has to.
        let given_back = daemon.leases.give_all_back();
        let released = self.state().release_hosts(&request.holder, &given_back);
        match timeout(RELEASE, released).await {
            Ok(Err(error)) => tracing::warn!(%error, "hosts stay leased until their leases run out"),
            Err(_) => tracing::warn!("hosts stay leased until their leases run out: the store does not answer"),
            Ok(Ok(())) => {}
        }
        watched?;
        Ok(daemon.report)
    }
}

struct Daemon<'a> {
    engine: &'a Engine,
    request: &'a Watch,
    tell: Tell<'a>,
    rates: HostRates,
    feeds: HashMap<FeedId, Feed>,
    refreshed: Option<Instant>,
    /// Feeds that are due, until their fetch has ended.
    entered: HashMap<FeedId, Entered>,
    /// Those of them whose host is not leased.
    outside: HashMap<String, Vec<FeedId>>,
    agenda: Agenda<FeedId>,
    leases: Leases,
    tasks: JoinSet<FeedReport>,
    under_way: HashMap<tokio::task::Id, FeedId>,
    /// The schedules, as they were before, of feeds that could not be reached.
    charged: HashMap<FeedId, (Instant, Reschedule)>,
    /// Feeds that are due and wait, by until when: those that were overdue when it began, those whose host rests.
    held_back: HashMap<FeedId, Instant>,
    was_down: bool,
    next_probe: Instant,
    /// The store has more feeds that are due than were taken at once.
    more_are_due: bool,
    store_retry: Duration,
    report: WatchReport,
}

/// A feed that is due.
struct Entered {
    host: String,
    schedule: Schedule,
}

impl<'a> Daemon<'a> {
    fn new(engine: &'a Engine, request: &'a Watch, tell: Tell<'a>) -> Self {
        let now = Instant::now();
        Self {
            engine,
            request,
            tell,
            rates: HostRates::of(engine.settings()),
            feeds: HashMap::new(),
            refreshed: None,
            entered: HashMap::new(),
            outside: HashMap::new(),
            agenda: Agenda::new([], now),
            leases: Leases::new(request.lease),
            tasks: JoinSet::new(),
            under_way: HashMap::new(),
            charged: HashMap::new(),
            held_back: HashMap::new(),
            was_down: false,
            next_probe: now,
            more_are_due: false,
            store_retry: STORE_RETRY.0,
            report: WatchReport { began_at: Some(engine.now()), ..WatchReport::default() },
        }
    }

    async fn run(&mut self, stop: impl Future<Output = ()>) -> Result<(), OpError> {
        let mut stop = pin!(stop);
        let mut next_tick = Instant::now();
        loop {
            if next_tick <= Instant::now() {
                let wait = tokio::select! {
                    biased;
                    () = &mut stop => break,
                    wait = self.tick_or_wait() => wait?,
                };
                next_tick = Instant::now() + wait;
            }
            let wake_at = self.start_what_may();
            tokio::select! {
                biased;
                () = &mut stop => break,
                Some(ended) = self.tasks.join_next_with_id() => {
                    self.ended(ended).await;
                    // There are more than were taken at once, and few of those wait.
                    if self.more_are_due && self.entered.len() < TAKEN / 4 {
                        next_tick = Instant::now();
                    }
                }
                () = sleep_until(wake_at.map_or(next_tick, |at| at.min(next_tick))) => {}
            }
        }
        self.wind_down().await;
        Ok(())
    }

    /// After how long to do so again.
    async fn tick_or_wait(&mut self) -> Result<Duration, OpError> {
        let Err(error) = self.tick().await else {
            if self.store_retry > STORE_RETRY.0 {
                (self.tell)(WatchEvent::StoreAnswers);
            }
            self.store_retry = STORE_RETRY.0;
            return Ok(self.request.tick);
        };
        let is_lasting = matches!(
            error.kind(),
            ErrorKind::Invalid | ErrorKind::Unsupported | ErrorKind::Denied | ErrorKind::Corrupt | ErrorKind::Closed
        );
        let error = OpError::from(error);
        if is_lasting {
            return Err(error);
        }
        let retry_in = self.store_retry;
        (self.tell)(WatchEvent::StoreFailed { error: &error, retry_in });
        self.store_retry = (retry_in * 2).min(STORE_RETRY.1);
        Ok(retry_in)
    }

    /// Asks the store what there is to do.
    async fn tick(&mut self) -> Result<(), StorageError> {
        if self.refreshed.is_none_or(|at| at + REFRESH <= Instant::now()) {
            self.refresh().await?;
        }
        self.take_due().await?;
        self.ask_for_leases().await?;
        let idle = self.leases.give_back(Instant::now());
        if !idle.is_empty() {
            self.engine.state().release_hosts(&self.request.holder, &idle).await?;
        }
        self.agenda.forget_idle(Instant::now());
        Ok(())
    }

    /// Learns of feeds that were added or changed, and schedules those that never were.
    async fn refresh(&mut self) -> Result<(), StorageError> {
        let began = self.refreshed.is_none();
        let state = self.engine.state();
        let is_polled = |feed: &Feed| feed.status == FeedStatus::Active && !is_pushed(feed);
        let feeds = state.feeds().await?;
        let held = state.schedules().await?;
        // Also of feeds that are not polled any more: the host is the same.
        self.engine.leave_alone(&feeds, &held);
        self.feeds = feeds.into_iter().filter(is_polled).map(|feed| (feed.id, feed)).collect();
        let known: HashSet<FeedId> = held.iter().map(|schedule| schedule.feed).collect();
        let new = self.feeds.values().filter(|feed| !known.contains(&feed.id)).map(|feed| first(self.engine, feed.id));
        let now = self.engine.now();
        let latest = now.saturating_add_micros(LATEST_US);
        let too_late = held.iter().filter(|schedule| schedule.due_at.is_some_and(|due_at| due_at > latest));
        let changes: Vec<Reschedule> = new.chain(too_late.map(|schedule| due_again(schedule, now))).collect();
        if !changes.is_empty() {
            state.reschedule(&changes).await?;
        }
        if began {
            self.spread(held);
        }
        self.refreshed = Some(Instant::now());
        if began {
            (self.tell)(WatchEvent::Begun { feeds: self.feeds.len() });
        }
        Ok(())
    }

    /// Feeds that were overdue when the daemon began are fetched over some minutes, not all at once.
    fn spread(&mut self, held: Vec<Schedule>) {
        let (now, began) = (self.engine.now(), Instant::now());
        let chance = chance(&self.engine.new_fetch_id());
        // What another daemon is about to fetch is not overdue.
        let late = now.saturating_add_micros(-OVERDUE_US);
        for Schedule { feed, due_at, .. } in held {
            if let Some(due_at) = due_at.filter(|due_at| *due_at < late)
                && let Some(at) = schedule::first(feed, Some(due_at), Standing::default(), now, chance).at
            {
                let wait = u64::try_from(at.micros_since(now)).unwrap_or(0);
                self.held_back.insert(feed, began + Duration::from_micros(wait));
            }
        }
    }

    async fn take_due(&mut self) -> Result<(), StorageError> {
        let now = Instant::now();
        self.held_back.retain(|_, at| *at > now);
        let known = self.entered.len() + self.held_back.len();
        let limit = NonZeroUsize::new(known + TAKEN).expect("more than none");
        let due = self.engine.state().due(self.engine.now(), limit).await?;
        let is_full = due.len() == limit.get();
        let before = self.entered.len();
        for schedule in due {
            if !self.entered.contains_key(&schedule.feed) && !self.held_back.contains_key(&schedule.feed) {
                self.enter(schedule);
            }
        }
        self.more_are_due = is_full && self.entered.len() > before;
        Ok(())
    }

    fn enter(&mut self, schedule: Schedule) {
        // One that was added meanwhile is known after the next refresh.
        let Some(feed) = self.feeds.get(&schedule.feed) else { return };
        let (host, rate) = self.shared_by(feed);
        let (id, now) = (feed.id, Instant::now());
        if self.leases.enter(&host, now) {
            self.agenda.add(id, rate.map(|rate| (host.clone(), rate)), now);
        } else {
            self.outside.entry(host.clone()).or_default().push(id);
        }
        self.entered.insert(id, Entered { host, schedule });
    }

    /// Under which name a feed's host is leased, and its rate; what is no host is leased by itself.
    fn shared_by(&self, feed: &Feed) -> (String, Option<HostRate>) {
        match host_of(&feed.address) {
            Some(host) => {
                let (shared_by, rate) = self.rates.shared_by(&host);
                (shared_by.to_owned(), Some(rate))
            }
            None => (format!("feed {}", feed.id), None),
        }
    }

    async fn ask_for_leases(&mut self) -> Result<(), StorageError> {
        let looked =
            if self.leases.wants_a_look(Instant::now()) { self.engine.state().leases().await? } else { Vec::new() };
        let asked_at = Instant::now();
        let hosts = self.leases.wanted_now(&looked, &self.request.holder, asked_at);
        if hosts.is_empty() {
            return Ok(());
        }
        let request = LeaseRequest {
            holder: self.request.holder.clone(),
            hosts: hosts.clone(),
            now: self.engine.now(),
            micros: i64::try_from(self.leases.lasting().as_micros()).unwrap_or(i64::MAX),
        };
        let granted = self.engine.state().lease_hosts(&request).await?;
        let changed = self.leases.take(&hosts, granted, asked_at);
        for host in changed.lost {
            let waiting = self.agenda.take_back(&host);
            self.forget(&waiting);
        }
        self.recall_rests(&changed.gained).await;
        for host in changed.gained {
            let was_held = self.leases.of(&host).is_some_and(|(lease, _)| lease.token > 1);
            // Whoever held it may have asked it just now.
            let from = if was_held { self.engine.fetcher().begin_anew(&host) } else { asked_at };
            let waiting = self.agenda.take_back(&host);
            for _ in &waiting {
                self.leases.leave(&host, asked_at);
            }
            for id in self.outside.remove(&host).unwrap_or_default().into_iter().chain(waiting) {
                if let Some(entered) = self.entered.remove(&id) {
                    self.enter(entered.schedule);
                }
            }
            self.agenda.not_before(&host, from);
        }
        Ok(())
    }

    /// Hosts that shut us out are left alone by whoever asks them next: the ledger says which.
    async fn recall_rests(&self, hosts: &[String]) {
        // Only hosts with a rate of their own are known to do so: nobody else is looked for.
        let known = hosts.iter().filter(|host| self.rates.domain_of(host).is_some());
        let addresses: Vec<String> = known.map(|host| format!("https://{host}/")).collect();
        if let Err(error) = self.engine.recall_rests(addresses.iter().map(String::as_str)).await {
            tracing::warn!(%error, "it is not known whether hosts want to be left alone");
        }
    }

    /// Feeds that are somebody else's to fetch now.
    fn forget(&mut self, feeds: &[FeedId]) {
        for feed in feeds {
            self.entered.remove(feed);
        }
    }

    /// Starts as many feeds as may be under way; when to look again, if that is before one of them ends.
    fn start_what_may(&mut self) -> Option<Instant> {
        while self.tasks.len() < self.engine.settings().concurrency.max(1) {
            if let Some(feed) = self.agenda.take_unhurried() {
                self.start(feed);
                continue;
            }
            let now = Instant::now();
            let is_down = self.engine.fetcher().network().link() == Link::Down;
            if is_down && now < self.next_probe {
                return Some(self.next_probe);
            }
            let engine = self.engine;
            match self.agenda.take(now, |host| engine.fetcher().interval_after_turn(host)) {
                Next::Start(feed) => {
                    if is_down {
                        self.next_probe = now + PROBE;
                    }
                    self.start(feed);
                }
                Next::Later(at) => return Some(at),
                Next::Wait => return None,
            }
        }
        None
    }

    fn start(&mut self, id: FeedId) {
        let found = self.entered.get(&id).zip(self.feeds.get(&id));
        let leased = found.and_then(|(entered, _)| self.leases.of(&entered.host));
        let (Some((entered, feed)), Some((token, tenure))) = (found, leased) else {
            // It was removed, or its host lost, since it was due.
            return self.left(id);
        };
        let now = Instant::now();
        let Some(due_at) = entered.schedule.due_at.filter(|_| tenure.ends() > now) else {
            // The lease is to be prolonged first.
            return self.left(id);
        };
        if let Some(resting) = self.engine.fetcher().rest_of(&entered.host) {
            self.held_back.insert(id, now + resting.remaining);
            return self.left(id);
        }
        (self.tell)(WatchEvent::Started { feed: &feed.name });
        let slot = Slot { lease: token.clone(), due_at };
        let turn = Turn::filling(slot, Trace::under(Arc::clone(tenure)));
        let reach = self.engine.reach(self.request.allow_private || feed.allow_private);
        let task = self.tasks.spawn(collect(self.engine.clone(), feed.clone(), reach, turn));
        self.under_way.insert(task.id(), id);
    }

    async fn ended(&mut self, ended: Result<(task::Id, FeedReport), JoinError>) {
        let task = match &ended {
            Ok((id, _)) => *id,
            Err(error) => error.id(),
        };
        let id = self.under_way.remove(&task).expect("every task was noted when it started");
        let report = match ended {
            Ok((_, report)) => report,
            Err(error) => match self.feeds.get(&id) {
                Some(feed) => broken_off(feed, &error),
                None => return self.left(id),
            },
        };
        let schedule = self.entered.get(&id).map(|entered| entered.schedule.clone());
        self.left(id);
        // One that another daemon has filled, or that was paused meanwhile, was not begun.
        if report.fetch.is_none() && report.error.is_none() {
            return;
        }
        self.report.fetches += 1;
        self.report.failed += u64::from(report.has_failed());
        self.report.counts += report.counts;
        (self.tell)(WatchEvent::Ended { report: &report });
        let is_anothers = report.error.as_ref().is_some_and(|error| error.code() == LEASE_LOST);
        if report.next.is_none() && !is_anothers {
            // What came of it is not written down: it is still due, and may have been asked just now.
            self.held_back.insert(id, Instant::now() + UNWRITTEN);
        }
        self.note_link(id, &report, schedule).await;
    }

    /// A feed waits no longer, nor is it under way.
    fn left(&mut self, id: FeedId) {
        if let Some(entered) = self.entered.remove(&id) {
            self.agenda.ended(Some(&entered.host));
            self.leases.leave(&entered.host, Instant::now());
        }
    }

    /// When it turns out that our own network is down, feeds that were charged for it just now are no longer: they are tried
    /// again as those are of which it was known.
    async fn note_link(&mut self, id: FeedId, report: &FeedReport, before: Option<Schedule>) {
        let now = Instant::now();
        let down = self.engine.fetcher().network().link() == Link::Down;
        let was_down = std::mem::replace(&mut self.was_down, down);
        if down != was_down {
            (self.tell)(if down { WatchEvent::NetworkDown } else { WatchEvent::NetworkUp });
        }
        self.charged.retain(|_, (at, _)| *at + CHARGED > now);
        let unreached = report.error.as_ref().is_some_and(|error| schedule::is_unreached(error.code()));
        let held = report.next.as_ref().and_then(|next| next.at);
        if let Some(before) = before.filter(|_| unreached) {
            self.charged.insert(id, (now, Reschedule { held, schedule: before }));
        }
        if !down || self.charged.is_empty() {
            return;
        }
        let again = self.engine.now().saturating_add_micros(FORGIVEN_US);
        let forgive = |(_, change): (Instant, Reschedule)| {
            let schedule = Schedule { due_at: Some(again), ..change.schedule };
            Reschedule { schedule, ..change }
        };
        let forgiven: Vec<Reschedule> = self.charged.drain().map(|(_, charged)| forgive(charged)).collect();
        if let Err(error) = self.engine.state().reschedule(&forgiven).await {
            tracing::warn!(%error, "feeds stay charged for our own network");
        }
    }

    /// No fetch is begun any more; those under way may end.
    async fn wind_down(&mut self) {
        (self.tell)(WatchEvent::Stopping { under_way: self.tasks.len() });
        let deadline = Instant::now() + self.request.grace;
        let all_end = async {
            while let Some(ended) = self.tasks.join_next_with_id().await {
                self.ended(ended).await;
            }
        };
        let _ = timeout_at(deadline, all_end).await;
        self.report.abandoned = self.tasks.len() as u64;
        self.tasks.shutdown().await;
    }
}

/// The schedule of a feed that has none, or that is asked once more although it was gone.
pub(crate) fn first(engine: &Engine, feed: FeedId) -> Reschedule {
    let decision = schedule::first(feed, None, Standing::default(), engine.now(), 0);
    Reschedule { held: None, schedule: decision.schedule_of(feed) }
}

/// One that is due when no feed can be: the clock was wrong then.
fn due_again(held: &Schedule, now: Timestamp) -> Reschedule {
    let standing = Standing::from_json(&held.state.to_json());
    let decision = schedule::first(held.feed, held.due_at, standing, now, 0);
    Reschedule { held: held.due_at, schedule: decision.schedule_of(held.feed) }
}

/// The report of a feed whose task broke off.
fn broken_off(feed: &Feed, error: &JoinError) -> FeedReport {
    let failed = OpError::failed("internal.panic", format!("the fetch of this feed broke off: {error}"));
    failed_report(feed, failed.with_hint("this is a fault of FeedSpine: please report it"))
}
