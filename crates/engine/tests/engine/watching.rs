//! Daemons: what is fetched when, by which of several, and what becomes of what one leaves behind.
//!
//! Time is the test's: a feed is due when the clock is moved on. Leases go by that clock, and by the machine's.

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedspine::core::{Feed, FetchStatus, HolderId, LeaseRequest, MemoryStore, PageRequest, StateStore};
use feedspine::ops::{Watch, WatchEvent, WatchReport};
use feedspine::{Clock, Engine, HostRate, OpError, Settings, SimulatedClock};
use tokio::sync::oneshot;
use tokio::task::JoinHandle;

use crate::origin::{Answer, Asked, Origin, rss};
use crate::support::{add, settings, start};

const LEASE: Duration = Duration::from_secs(2);

/// A store with a clock, and what daemons need to work on it.
struct Place {
    store: Arc<MemoryStore>,
    clock: Arc<SimulatedClock>,
}

impl Place {
    fn new() -> Self {
        Self { store: Arc::new(MemoryStore::new()), clock: Arc::new(SimulatedClock::at(start())) }
    }

    async fn engine(&self) -> Engine {
        let settings = Settings {
            allow: vec!["127.0.0.0/8".parse().unwrap()],
            host_rate: HostRate { in_flight: 4, interval: Duration::ZERO },
            clock: self.clock.clone(),
            ..settings()
        };
        Engine::open(self.store.clone(), self.store.clone(), settings).await.unwrap()
    }

    /// How the fetches of a feed ended, the last first.
    async fn outcomes(&self, feed: &Feed) -> Vec<Option<FetchStatus>> {
        let fetches = self.store.fetches_page(feed.id, &PageRequest::first(100)).await.unwrap().items;
        fetches.into_iter().map(|fetch| fetch.detail.map(|detail| detail.status)).collect()
    }
}

/// A daemon that runs beside the test.
struct Daemon {
    stop: oneshot::Sender<()>,
    task: JoinHandle<Result<WatchReport, OpError>>,
    told: Arc<Mutex<Vec<String>>>,
}

impl Daemon {
    fn start(engine: &Engine, name: &str) -> Self {
        let (stop, stopped) = oneshot::channel();
        let told: Arc<Mutex<Vec<String>>> = Arc::default();
        let (engine, log) = (engine.clone(), Arc::clone(&told));
        let (lease, tick) = (LEASE, Duration::from_millis(10));
        let request = Watch { lease, tick, ..Watch::new(HolderId(name.to_owned())) };
        let task = tokio::spawn(async move {
            let tell = |event: WatchEvent<'_>| {
                let told = match event {
                    WatchEvent::Begun { feeds } => format!("begun {feeds}"),
                    WatchEvent::Started { .. } => return,
                    WatchEvent::Ended { report } => format!("{} {}", report.feed, report.outcome.as_str()),
                    WatchEvent::NetworkDown => "network down".to_owned(),
                    WatchEvent::NetworkUp => "network up".to_owned(),
                    WatchEvent::StoreAnswers => "store answers".to_owned(),
                    WatchEvent::StoreFailed { error, .. } => error.code().to_owned(),
                    WatchEvent::Stopping { under_way } => format!("stopping {under_way}"),
                };
                log.lock().unwrap().push(told);
            };
            engine.watch(&request, &tell, async move { drop(stopped.await) }).await
        });
        Self { stop, task, told }
    }

    fn told(&self) -> Vec<String> {
        self.told.lock().unwrap().clone()
    }

    async fn stop(self) -> WatchReport {
        self.stop.send(()).unwrap();
        self.task.await.unwrap().unwrap()
    }
}

/// Waits until that holds; a test that waits longer is broken.
async fn until<F: Future<Output = bool>>(holds: impl Fn() -> F) {
    let patience = tokio::time::timeout(Duration::from_secs(20), async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    });
    patience.await.unwrap();
}

/// Gives daemons time to do what they should not.
async fn a_while() {
    tokio::time::sleep(Duration::from_millis(100)).await;
}

fn two_items(_: &Asked) -> Answer {
    Answer::ok(rss(&[("a", "A"), ("b", "B")])).with("etag", "\"1\"")
}

#[tokio::test]
async fn feeds_are_fetched_when_they_are_due_and_each_decision_is_written_down() {
    let place = Place::new();
    let engine = place.engine().await;
    let origin = Origin::start(two_items).await;
    let feed = add(&engine, origin.url("/feed")).await;
    let daemon = Daemon::start(&engine, "one");
    until(async || daemon.told().len() == 2).await;
    assert_eq!(daemon.told(), ["begun 1", &format!("{} captured", feed.name)]);
    a_while().await;
    assert_eq!(origin.asked(), 1);

    let told = engine.explain(&feed.name).await.unwrap();
    let next = told.next.unwrap();
    let wait = next.at.unwrap().micros_since(place.clock.now()) / 60_000_000;
    assert!((60..=66).contains(&wait), "{next:?}");
    assert!(next.why.starts_with("every 60 min by default"), "{}", next.why);
    assert_eq!(told.decisions, [(place.clock.now(), next)]);

    place.clock.advance(Duration::from_mins(59));
    a_while().await;
    assert_eq!(origin.asked(), 1);
    place.clock.advance(Duration::from_mins(8));
    until(async || origin.asked() == 2).await;
    until(async || daemon.told().len() == 3).await;
    let report = daemon.stop().await;
    assert_eq!((report.fetches, report.failed, report.counts.new), (2, 0, 2));
    let runs = engine.politeness(&feedspine::ops::PolitenessOf { since: start() }).await.unwrap();
    assert_eq!(runs.hosts["127.0.0.1"].requests, 2);
}

#[tokio::test]
async fn two_daemons_fill_each_turn_once_and_one_of_them_at_a_time_asks_a_host() {
    let place = Place::new();
    let engines = [place.engine().await, place.engine().await];
    let mut origins = Vec::new();
    for host in 1..=8 {
        let slow = |asked: &Asked| two_items(asked).after(Duration::from_millis(3));
        let origin = Origin::start_at(&format!("127.0.0.{host}"), slow).await;
        for feed in 0..4 {
            add(&engines[0], origin.url(&format!("/{feed}"))).await;
        }
        origins.push(origin);
    }
    let daemons = [Daemon::start(&engines[0], "one"), Daemon::start(&engines[1], "two")];
    for round in 1..=5 {
        until(async || origins.iter().all(|origin| origin.asked() >= round * 4)).await;
        a_while().await;
        place.clock.advance(Duration::from_mins(70));
    }
    let mut reports = Vec::new();
    for daemon in daemons {
        reports.push(daemon.stop().await);
    }
    for origin in &origins {
        let mut asked: BTreeMap<String, usize> = BTreeMap::new();
        origin.log().iter().for_each(|asked_for| *asked.entry(asked_for.path.clone()).or_default() += 1);
        assert!(asked.values().all(|times| (5..=6).contains(times)), "{asked:?}");
        let ledger = engines[0].runs(&all_runs()).await.unwrap().runs;
        let asked: usize = asked.values().sum();
        let told = ledger.iter().filter(|run| run.fetch.intent.address.starts_with(&origin.url(""))).count();
        assert_eq!(asked, told, "what the origin saw is what the ledger says");
    }
    assert!(reports.iter().all(|report| report.failed == 0));
}

fn all_runs() -> feedspine::ops::ListRuns {
    feedspine::ops::ListRuns { feed: None, since: None, only: feedspine::ops::RunKind::All, limit: 10_000 }
}

#[tokio::test]
async fn what_a_dead_daemon_held_is_fetched_by_another_once_its_lease_is_over() {
    let place = Place::new();
    let (dead, other) = (place.engine().await, place.engine().await);
    let origin = Origin::start(|asked: &Asked| {
        two_items(asked).after(if asked.number == 0 { Duration::from_hours(1) } else { Duration::ZERO })
    });
    let origin = origin.await;
    let feed = add(&dead, origin.url("/feed")).await;
    let daemon = Daemon::start(&dead, "dead");
    until(async || origin.asked() == 1).await;
    // As after kill -9: nothing is given back.
    daemon.task.abort();
    let daemon = Daemon::start(&other, "other");
    a_while().await;
    assert_eq!(origin.asked(), 1, "the lease is not over");
    place.clock.advance(LEASE);
    until(async || place.outcomes(&feed).await.first() == Some(&Some(FetchStatus::Captured))).await;
    assert_eq!(place.outcomes(&feed).await, [Some(FetchStatus::Captured), Some(FetchStatus::Interrupted)]);
    assert_eq!(daemon.stop().await.fetches, 1);
}

#[tokio::test]
async fn a_daemon_that_lost_its_lease_commits_nothing() {
    let place = Place::new();
    let engine = place.engine().await;
    let origin = Origin::start(|asked: &Asked| two_items(asked).after(Duration::from_millis(300))).await;
    let feed = add(&engine, origin.url("/feed")).await;
    let daemon = Daemon::start(&engine, "slow");
    until(async || origin.asked() == 1).await;
    // It stands still; the lease runs out, and another daemon takes the host.
    place.clock.advance(LEASE);
    let (hosts, now) = (vec!["127.0.0.1".to_owned()], place.clock.now());
    let holder = HolderId("another".to_owned());
    let granted = place.store.lease_hosts(&LeaseRequest { holder, hosts, now, micros: 3_600_000_000 }).await.unwrap();
    assert_eq!(granted[0].token.token, 2);
    until(async || daemon.told().len() > 1).await;
    assert_eq!(daemon.told()[1], format!("{} superseded", feed.name));
    assert_eq!(engine.storage().count(&feedspine::core::Selection::everything()).await.unwrap(), 0);
    assert_eq!(engine.storage().cursor(feed.id).await.unwrap(), None);
    daemon.stop().await;
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn a_daemon_that_is_stopped_ends_what_it_began_and_begins_nothing() {
    let place = Place::new();
    let engine = place.engine().await;
    let origin = Origin::start(|asked: &Asked| two_items(asked).after(Duration::from_millis(200))).await;
    for feed in 0..12 {
        add(&engine, origin.url(&format!("/{feed}"))).await;
    }
    let daemon = Daemon::start(&engine, "one");
    until(async || origin.asked() == 4).await;
    let told = Arc::clone(&daemon.told);
    let report = daemon.stop().await;
    assert_eq!((report.fetches, report.abandoned, origin.asked()), (4, 0, 4));
    assert!(told.lock().unwrap().contains(&"stopping 4".to_owned()));
    // Its hosts are free at once.
    assert!(place.store.leases().await.unwrap().iter().all(|lease| lease.holder.is_none()));
    let next = Daemon::start(&engine, "two");
    until(async || origin.asked() == 12).await;
    next.stop().await;
}

#[tokio::test]
async fn when_nobody_is_reached_any_more_no_feed_is_charged() {
    let place = Place::new();
    let engine = place.engine().await;
    let (mut feeds, mut origins) = (Vec::new(), Vec::new());
    for host in 1..=6 {
        let once = |asked: &Asked| two_items(asked).with("connection", "close");
        let origin = Origin::start_at(&format!("127.0.0.{host}"), once).await;
        feeds.push(add(&engine, origin.url("/feed")).await);
        origins.push(origin);
    }
    let daemon = Daemon::start(&engine, "one");
    until(async || daemon.told().len() == 7).await;
    origins.iter().for_each(Origin::stop);
    place.clock.advance(Duration::from_mins(67));
    until(async || daemon.told().contains(&"network down".to_owned())).await;
    until(async || {
        let charged = async |feed: &Feed| {
            let schedule = place.store.schedule_of(feed.id).await.unwrap().unwrap();
            schedule.state.to_json().get("failures") != Some(&0_u64.into())
        };
        let mut any = false;
        for feed in &feeds {
            any |= charged(feed).await;
        }
        !any
    })
    .await;
    daemon.stop().await;
}

#[tokio::test]
async fn hosts_that_are_dead_back_off_and_keep_no_other_waiting() {
    let place = Place::new();
    let engine = place.engine().await;
    let mut dead = Vec::new();
    for host in 1..=6 {
        // Nobody listens there any more.
        let gone = tokio::net::TcpListener::bind((format!("127.0.0.{host}"), 0)).await.unwrap();
        let address = format!("http://{}/feed", gone.local_addr().unwrap());
        drop(gone);
        dead.push(add(&engine, address).await);
    }
    let origin = Origin::start_at("127.0.0.7", two_items).await;
    add(&engine, origin.url("/feed")).await;
    let daemon = Daemon::start(&engine, "one");
    for round in 1..=3 {
        until(async || origin.asked() == round).await;
        let waited = async |feed: &Feed| {
            let fetches = place.store.fetches_page(feed.id, &PageRequest::first(10)).await.unwrap().items;
            fetches.iter().filter(|fetch| fetch.detail.is_some()).count()
        };
        // Asked at once, after half an hour and after an hour more: not a fourth time within two.
        let most = [1, 2, 3][round - 1];
        until(async || waited(&dead[0]).await >= most.min(2)).await;
        a_while().await;
        assert!(waited(&dead[0]).await <= most, "round {round}");
        place.clock.advance(Duration::from_mins(67));
    }
    assert!(!daemon.told().contains(&"network down".to_owned()), "{:?}", daemon.told());
    daemon.stop().await;
}

#[tokio::test]
async fn one_feed_that_fails_waits_longer_and_longer_and_one_success_forgets_it() {
    let place = Place::new();
    let engine = place.engine().await;
    let origin = Origin::start(|asked: &Asked| match asked.number {
        0..3 => Answer::status(500),
        _ => two_items(asked),
    });
    let origin = origin.await;
    let feed = add(&engine, origin.url("/feed")).await;
    let daemon = Daemon::start(&engine, "one");
    let mut waits = Vec::new();
    for asked in 1..=4 {
        until(async || daemon.told().len() == 1 + asked).await;
        let next = engine.explain(&feed.name).await.unwrap().next.unwrap().at.unwrap();
        let wait = next.micros_since(place.clock.now()) / 60_000_000;
        waits.push(wait);
        place.clock.advance(Duration::from_mins(u64::try_from(wait).unwrap() + 1));
    }
    daemon.stop().await;
    let least = [30, 60, 120, 60];
    assert!(waits.iter().zip(least).all(|(wait, least)| (least..=least + least / 10).contains(wait)), "{waits:?}");
}
