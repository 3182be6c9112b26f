//! A collect: many feeds at once, each by itself.

pub(crate) mod agenda;
pub(crate) mod ahead;
pub(crate) mod cursor;
pub(crate) mod document;
pub(crate) mod honesty;
mod one;
mod parts;

use std::collections::{HashMap, HashSet};
use std::str::FromStr;
use std::time::Duration;

use feedspine_core::{Counts, Feed, FeedId, FeedStatus, FetchStatus, MAX_PAGE, PageRequest, Schedule, Timestamp};
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep_until};

use crate::adapters::not_fetched;
use crate::fetch::{LONGEST_REST, RATE_EXCEEDED, Resting, SHUT_OUT};
use crate::ops::{Collect, CollectEvent, CollectReport, FeedReport, Which};
use crate::schedule::{Rest, Slowed, rest_of, slowed_by};
use crate::settings::HostRates;
use crate::{Address, Engine, HostRate, OpError};
use agenda::{Agenda, Next};
pub(crate) use one::{Announced, Heard, Pushed, ReadAgain, Turn, announce, chance, collect, push, store_again};

/// Fetches that began within so long are looked through for one that was shut out at its end: longer than a fetch and the
/// rest after it take together.
const RECALLED: Duration = Duration::from_hours(1);
/// The clocks of machines that share a store differ by less.
const SKEW: Duration = Duration::from_hours(1);

impl Engine {
    /// Fetches, parses and stores feeds, many at once, each host at its rate. One feed's failure is its own, told in
    /// its report; what is reported as captured is stored.
    ///
    /// `tell` hears of each feed as it begins and ends.
    ///
    /// # Errors
    /// `NotFound`: a feed that was named does not exist. `Usage`: it is paused, or pushed. What the control plane's store says.
    pub async fn collect(
        &self,
        request: &Collect,
        tell: &(dyn Fn(CollectEvent<'_>) + Send + Sync),
    ) -> Result<CollectReport, OpError> {
        let started = Instant::now();
        let feeds = self.chosen(&request.which).await?;
        tell(CollectEvent::Begun { feeds: feeds.len() });
        self.recall_rests(feeds.iter().map(|feed| feed.address.as_str())).await?;
        // Also of feeds that are not collected now: the host is the same.
        self.leave_alone(&self.state().feeds().await?, &self.state().schedules().await?);
        let reports = Run::new(self, &feeds, request.allow_private).finish(tell).await;
        let mut counts = Counts::default();
        for report in &reports {
            counts += report.counts;
        }
        Ok(CollectReport { feeds: reports, counts, duration_ms: millis(started.elapsed()) })
    }

    /// A host that shut us out is left alone by whoever asks next, in another process too: the ledger says when it was.
    /// That is asked of hosts that have a rate of their own, for only such are known to do so.
    pub(crate) async fn recall_rests(&self, addresses: impl IntoIterator<Item = &str>) -> Result<(), OpError> {
        let rates = HostRates::of(self.settings());
        let domain_of = |address: &str| host_of(address).and_then(|host| rates.domain_of(&host).map(str::to_owned));
        let domains: HashSet<String> = addresses.into_iter().filter_map(domain_of).collect();
        if domains.is_empty() {
            return Ok(());
        }
        let now = self.now();
        for feed in self.state().feeds().await? {
            let Some(domain) = domain_of(&feed.address).filter(|domain| domains.contains(domain)) else { continue };
            let Some(last) = self.shut_out_last(&feed, now).await? else { continue };
            let since = u64::try_from(now.micros_since(last)).unwrap_or(0);
            let remaining = SHUT_OUT.saturating_sub(Duration::from_micros(since));
            if !remaining.is_zero() {
                // The page that says so is that of a 403.
                self.fetcher().rest(&domain, Resting { remaining, http_status: Some(403) });
            }
        }
        Ok(())
    }

    /// Hosts that asked to be left alone still are, whichever process was told, and those that said that they were asked too
    /// often are asked more rarely: the feeds' schedules say until when, and how much.
    pub(crate) fn leave_alone<'f>(&self, feeds: impl IntoIterator<Item = &'f Feed> + Clone, schedules: &[Schedule]) {
        let now = self.now();
        for (host, Rest { until, http_status }) in self.rests(feeds.clone(), schedules) {
            if let Ok(micros @ 1..) = u64::try_from(until.micros_since(now)) {
                self.fetcher().rest(&host, Resting { remaining: Duration::from_micros(micros), http_status });
            }
        }
        let slowed: HashMap<FeedId, Slowed> =
            schedules.iter().filter_map(|schedule| Some((schedule.feed, slowed_by(&schedule.state)?))).collect();
        for feed in feeds {
            let Some(Slowed { doublings, at }) = slowed.get(&feed.id) else { continue };
            let Some(host) = host_of(&feed.address) else { continue };
            let ago = u64::try_from(now.micros_since(*at)).map_or(Duration::ZERO, Duration::from_micros);
            self.fetcher().recall_slowed(&host, *doublings, ago);
        }
    }

    /// Until when hosts want to be left alone, or wanted to, by the name under which each is paced: the feeds' schedules say so.
    /// What was written by a clock that was ahead says nothing.
    pub(crate) fn rests<'f>(
        &self,
        feeds: impl IntoIterator<Item = &'f Feed>,
        schedules: &[Schedule],
    ) -> HashMap<String, Rest> {
        let longest = i64::try_from((LONGEST_REST + SKEW).as_micros()).unwrap_or(i64::MAX);
        let latest = self.now().saturating_add_micros(longest);
        let held: HashMap<FeedId, Rest> = schedules
            .iter()
            .filter_map(|schedule| Some((schedule.feed, rest_of(&schedule.state)?)))
            .filter(|(_, rest)| rest.until <= latest)
            .collect();
        let rates = HostRates::of(self.settings());
        let mut rests: HashMap<String, Rest> = HashMap::new();
        for feed in feeds {
            let Some(rest) = held.get(&feed.id) else { continue };
            let Some(host) = host_of(&feed.address) else { continue };
            let latest = rests.entry(rates.shared_by(&host).0.to_owned()).or_insert(*rest);
            if latest.until < rest.until {
                *latest = *rest;
            }
        }
        rests
    }

    /// When a fetch of a feed ended last that was shut out, of those that began within [`RECALLED`]. One that read some
    /// documents before has not failed, and has a warning of it.
    async fn shut_out_last(&self, feed: &Feed, now: Timestamp) -> Result<Option<Timestamp>, OpError> {
        let recalled = i64::try_from(RECALLED.as_micros()).unwrap_or(i64::MAX);
        let says = |told: &Option<String>| told.as_ref().is_some_and(|told| told.contains(RATE_EXCEEDED));
        let mut last = None;
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let read = self.state().fetches_page(feed.id, &page).await?;
            for fetch in read.items {
                if now.micros_since(fetch.intent.started_at) > recalled {
                    return Ok(last);
                }
                let shut_out = fetch.detail.filter(|detail| says(&detail.code) || says(&detail.reason));
                last = last.max(shut_out.map(|detail| detail.finished_at));
            }
            match read.next {
                Some(next) => page.after = Some(next),
                None => return Ok(last),
            }
        }
    }

    async fn chosen(&self, which: &Which) -> Result<Vec<Feed>, OpError> {
        let Which::Named(names) = which else {
            let mut feeds = self.state().feeds().await?;
            // Nobody is asked for what is pushed.
            feeds.retain(|feed| feed.status == FeedStatus::Active && !is_pushed(feed));
            return Ok(feeds);
        };
        let mut chosen = Vec::with_capacity(names.len());
        let mut known = HashSet::new();
        for name in names {
            let feed = self.named(name).await?;
            if feed.status == FeedStatus::Paused {
                return Err(OpError::usage("feed.paused", format!("the feed {name} is paused"))
                    .with_hint(format!("`feedspine feed resume {name}` lets it be collected")));
            }
            if is_pushed(&feed) {
                return Err(not_fetched(&feed));
            }
            if known.insert(feed.id) {
                chosen.push(feed);
            }
        }
        Ok(chosen)
    }
}

/// One collect under way.
struct Run<'a> {
    engine: &'a Engine,
    feeds: &'a [Feed],
    allow_private: bool,
    hosts: Vec<Option<String>>,
    agenda: Agenda<usize>,
    tasks: JoinSet<FeedReport>,
    /// Which feed a task is about, by place.
    under_way: HashMap<tokio::task::Id, usize>,
    reports: Vec<Option<FeedReport>>,
}

impl<'a> Run<'a> {
    fn new(engine: &'a Engine, feeds: &'a [Feed], allow_private: bool) -> Self {
        let rates = HostRates::of(engine.settings());
        let asked = |feed: &Feed| {
            let host = host_of(&feed.address)?;
            let (shared_by, rate) = rates.shared_by(&host);
            Some((shared_by.to_owned(), rate))
        };
        let asked: Vec<Option<(String, HostRate)>> = feeds.iter().map(asked).collect();
        let agenda = Agenda::new(asked.iter().cloned().enumerate(), Instant::now());
        let hosts = asked.into_iter().map(|asked| asked.map(|(host, _)| host)).collect();
        let reports = feeds.iter().map(|_| None).collect();
        Self { engine, feeds, allow_private, hosts, agenda, tasks: JoinSet::new(), under_way: HashMap::new(), reports }
    }

    async fn finish(mut self, tell: &(dyn Fn(CollectEvent<'_>) + Send + Sync)) -> Vec<FeedReport> {
        loop {
            let wake_at = self.start_what_may(tell);
            tokio::select! {
                Some(ended) = self.tasks.join_next_with_id() => {
                    let (place, report) = self.ended(ended);
                    tell(CollectEvent::Ended { report: &report });
                    self.agenda.ended(self.hosts[place].as_deref());
                    self.reports[place] = Some(report);
                }
                () = sleep_until(wake_at.unwrap_or_else(Instant::now)), if wake_at.is_some() => {}
                else => break,
            }
        }
        self.reports.into_iter().map(|report| report.expect("every feed has ended")).collect()
    }

    /// Starts as many feeds as may be under way; when to look again, if that is before one of them ends.
    fn start_what_may(&mut self, tell: &(dyn Fn(CollectEvent<'_>) + Send + Sync)) -> Option<Instant> {
        let engine = self.engine;
        while self.tasks.len() < engine.settings().concurrency.max(1) {
            match self.agenda.take(Instant::now(), |host| engine.fetcher().interval_after_turn(host)) {
                Next::Start(place) => self.start(place, tell),
                Next::Later(at) => return Some(at),
                Next::Wait => return None,
            }
        }
        None
    }

    fn start(&mut self, place: usize, tell: &(dyn Fn(CollectEvent<'_>) + Send + Sync)) {
        let feed = &self.feeds[place];
        tell(CollectEvent::Started { feed: &feed.name });
        let reach = self.engine.reach(self.allow_private || feed.allow_private);
        let task = self.tasks.spawn(collect(self.engine.clone(), feed.clone(), reach, Turn::default()));
        self.under_way.insert(task.id(), place);
    }

    fn ended(&mut self, ended: Result<(tokio::task::Id, FeedReport), tokio::task::JoinError>) -> (usize, FeedReport) {
        match ended {
            Ok((id, report)) => (self.place_of(id), report),
            Err(error) => {
                let place = self.place_of(error.id());
                let failed = OpError::failed("internal.panic", format!("the collect of this feed broke off: {error}"))
                    .with_hint("this is a fault of FeedSpine: please report it");
                (place, failed_report(&self.feeds[place], failed))
            }
        }
    }

    fn place_of(&mut self, id: tokio::task::Id) -> usize {
        self.under_way.remove(&id).expect("every task was noted when it started")
    }
}

/// The report of a feed of which nothing was stored.
pub(crate) fn failed_report(feed: &Feed, error: OpError) -> FeedReport {
    FeedReport { error: Some(error), ..report_of(feed) }
}

/// A report with nothing in it yet.
fn report_of(feed: &Feed) -> FeedReport {
    FeedReport {
        feed: feed.name.clone(),
        fetch: None,
        outcome: FetchStatus::Failed,
        http_status: None,
        counts: Counts::default(),
        duration_ms: 0,
        wire_bytes: 0,
        body_bytes: 0,
        warnings: Vec::new(),
        error: None,
        next: None,
    }
}

pub(crate) fn host_of(address: &str) -> Option<String> {
    match Address::from_str(address) {
        Ok(Address::Http(url)) => url.host_str().map(str::to_owned),
        _ => None,
    }
}

/// Whether nobody is asked for its items.
pub(crate) fn is_pushed(feed: &Feed) -> bool {
    matches!(feed.address.parse(), Ok(Address::Push(_)))
}

pub(crate) fn millis(duration: Duration) -> u64 {
    u64::try_from(duration.as_millis()).unwrap_or(u64::MAX)
}
