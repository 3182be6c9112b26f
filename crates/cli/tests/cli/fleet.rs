//! Daemons that share the work of one store, as processes: some are killed, some stand still and go on.
//!
//! The hosts' own log says how they were asked, the store what came of it.

use std::collections::BTreeMap;
use std::net::Ipv4Addr;
use std::process::{Child, Command, Stdio};
use std::sync::atomic::{AtomicU32, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use feedspine::core::{Feed, FetchStatus, MAX_PAGE, NaturalKey, PageRequest, Schedule, StateStore, StorageBackend};
use feedspine::{Clock, SystemClock};

use crate::site::{Reply, Site};
use crate::support::{User, rss};

const HOSTS: u8 = 8;
const FEEDS_OF_A_HOST: usize = 5;
const FEEDS: usize = HOSTS as usize * FEEDS_OF_A_HOST;
/// The turns that every feed is given.
const TURNS: u32 = 9;
/// How long a host takes to answer.
const ANSWERS_AFTER: Duration = Duration::from_millis(150);
/// A daemon that stands still does so for this long, where it keeps others waiting: well beyond its lease of five seconds.
const STANDS_STILL: Duration = Duration::from_secs(12);
/// A turn is over after so long, or never.
const PATIENCE: Duration = Duration::from_secs(90);
/// Items that every document lists.
const LASTING: [&str; 3] = ["one", "two", "three"];

/// A request, as its host saw it.
#[derive(Debug, Clone)]
struct Request {
    path: String,
    turn: u32,
    began: Instant,
    ended: Instant,
}

type Log = Arc<Mutex<Vec<Request>>>;

/// Eight hosts, each with a log of its own.
struct Hosts {
    sites: Vec<Site>,
    logs: Vec<Log>,
    turn: Arc<AtomicU32>,
}

impl Hosts {
    fn start() -> Self {
        let turn = Arc::new(AtomicU32::new(0));
        let mut hosts = Self { sites: Vec::new(), logs: Vec::new(), turn };
        for number in 1..=HOSTS {
            let log = Log::default();
            let (seen, turn) = (Arc::clone(&log), Arc::clone(&hosts.turn));
            hosts.sites.push(Site::start_at((Ipv4Addr::new(127, 3, 0, number), 0).into(), move |asked| {
                let (began, turn) = (Instant::now(), turn.load(Ordering::SeqCst));
                std::thread::sleep(ANSWERS_AFTER);
                let request = Request { path: asked.path.clone(), turn, began, ended: Instant::now() };
                seen.lock().expect("nobody panicked").push(request);
                Reply::ok(document(turn))
            }));
            hosts.logs.push(log);
        }
        hosts
    }

    fn url(&self, feed: usize) -> String {
        self.sites[feed % self.sites.len()].url(&format!("/{feed}"))
    }

    /// All requests until now, host by host.
    fn requests(&self) -> Vec<Vec<Request>> {
        self.logs.iter().map(|log| log.lock().expect("nobody panicked").clone()).collect()
    }

    fn answered(&self, turn: u32) -> usize {
        self.requests().iter().flatten().filter(|request| request.turn == turn).count()
    }
}

/// What a feed lists in a turn: the lasting items, and one that no other turn has.
fn document(turn: u32) -> String {
    let own = format!("only-{turn}");
    let items: Vec<(&str, &str)> = [own.as_str()].into_iter().chain(LASTING).map(|key| (key, "a title")).collect();
    rss(&items)
}

/// The daemons of a store.
struct Fleet<'a> {
    user: &'a User,
    db: &'a str,
    running: Vec<Child>,
}

impl Fleet<'_> {
    fn start(&mut self) {
        let mut command = self.user.command(&["watch", "--allow-private", "--db", self.db]);
        command.env("FEEDSPINE_FETCH_HOST_IN_FLIGHT", "1").env("FEEDSPINE_WATCH_LEASE_SECONDS", "5");
        let silent = command.stdout(Stdio::null()).stderr(Stdio::null());
        self.running.push(silent.spawn().expect("the binary runs"));
    }

    /// Where a daemon stands that holds a host: holders are called after their processes.
    fn holder(&self, holders: &[String]) -> Option<usize> {
        let is_it = |child: &Child| {
            let process = format!(":{}:", child.id());
            holders.iter().any(|holder| holder.contains(&process))
        };
        self.running.iter().position(is_it)
    }

    /// Ends as a machine does that loses its power.
    fn kill(&mut self, place: usize) {
        let mut daemon = self.running.remove(place);
        daemon.kill().expect("it runs");
        daemon.wait().expect("it was started here");
    }

    fn signal(&self, place: usize, signal: &str) {
        let id = self.running[place].id().to_string();
        assert!(Command::new("kill").args([signal, &id]).status().expect("kill runs").success());
    }
}

impl Drop for Fleet<'_> {
    fn drop(&mut self) {
        for daemon in &mut self.running {
            // One that is gone already is what the test is about.
            let _ = daemon.kill();
            let _ = daemon.wait();
        }
    }
}

/// So many daemons fetch forty feeds of eight hosts in nine turns; in three of them one that holds a host is killed, in three
/// one stands still for longer than it holds it. `store` is the same as they have at `db`.
pub(crate) fn daemons_share(user: &User, db: &str, store: &(impl StorageBackend + StateStore), daemons: usize) {
    let hosts = Hosts::start();
    for feed in 0..FEEDS {
        let added = user.run(&[
            "add",
            &hosts.url(feed),
            "--as-is",
            "--name",
            &format!("feed-{feed:02}"),
            "--allow-private",
            "--db",
            db,
            "-q",
        ]);
        assert_eq!(added.code, 0, "{}", added.stderr);
    }
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    runtime.block_on(async {
        store.initialize().await.expect("the store opens");
        let feeds = store.feeds().await.expect("the store answers");
        let mut fleet = Fleet { user, db, running: Vec::new() };
        let mut struck = 0;
        for turn in 1..=TURNS {
            hosts.turn.store(turn, Ordering::SeqCst);
            make_due(store, &feeds).await;
            while fleet.running.len() < daemons {
                fleet.start();
            }
            if turn % 3 != 1 {
                until(async || hosts.answered(turn) >= FEEDS / 4).await;
                let holders = holders_of(store).await;
                let place = fleet.holder(&holders).expect("somebody holds a host while feeds are fetched");
                struck += 1;
                if turn % 3 == 2 {
                    fleet.kill(place);
                    until(async || all_fetched(store, &feeds).await).await;
                } else {
                    // Whoever stands still in the middle of a write keeps others from writing into the same file: then they
                    // wait for it, and nothing of what it holds changes hands.
                    fleet.signal(place, "-STOP");
                    let stands_still = until(async || all_fetched(store, &feeds).await);
                    let _ = tokio::time::timeout(STANDS_STILL, stands_still).await;
                    fleet.signal(place, "-CONT");
                }
            }
            until(async || all_fetched(store, &feeds).await).await;
        }
        // Whoever stood still says what it has to say.
        for place in 0..fleet.running.len() {
            fleet.signal(place, "-TERM");
        }
        for daemon in &mut fleet.running {
            assert!(daemon.wait().expect("it was started here").success());
        }
        judge(store, &feeds, &hosts, struck).await;
        StorageBackend::close(store).await.expect("the store closes");
    });
}

async fn make_due(store: &impl StateStore, feeds: &[Feed]) {
    let held = store.schedules().await.expect("the store answers");
    let held: BTreeMap<_, _> = held.into_iter().map(|schedule| (schedule.feed, schedule.state)).collect();
    let due_at = Some(SystemClock.now());
    let schedule = |feed: &Feed| {
        let state = held.get(&feed.id).cloned().unwrap_or_else(feedspine::core::Content::empty);
        Schedule { feed: feed.id, due_at, state }
    };
    let due: Vec<Schedule> = feeds.iter().map(schedule).collect();
    store.set_schedules(&due).await.expect("the store takes it");
}

/// Whether every feed is due in the future only.
async fn all_fetched(store: &impl StateStore, feeds: &[Feed]) -> bool {
    let now = SystemClock.now();
    let schedules = store.schedules().await.expect("the store answers");
    let later = schedules.iter().filter(|schedule| schedule.due_at.is_some_and(|due_at| due_at > now));
    later.count() == feeds.len()
}

async fn holders_of(store: &impl StateStore) -> Vec<String> {
    let leases = store.leases().await.expect("the store answers");
    leases.into_iter().filter_map(|lease| lease.holder).map(|holder| holder.0).collect()
}

/// Waits until that holds; a test that waits longer is broken.
async fn until(holds: impl AsyncFn() -> bool) {
    let patience = tokio::time::timeout(PATIENCE, async {
        while !holds().await {
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    });
    patience.await.expect("it comes about");
}

/// What a feed's fetches came to.
#[derive(Debug, Default)]
struct Fetches {
    ended: usize,
    interrupted: usize,
}

async fn fetches_of(store: &impl StateStore, feed: &Feed) -> Fetches {
    let mut fetches = Fetches::default();
    let page = PageRequest::first(MAX_PAGE);
    for fetch in store.fetches_page(feed.id, &page).await.expect("the store answers").items {
        let detail = fetch.detail.expect("no fetch runs any more");
        match (detail.status, detail.code.as_deref()) {
            (FetchStatus::Captured | FetchStatus::Unchanged, _) => fetches.ended += 1,
            // Some of those that were struck down say so themselves, later.
            (FetchStatus::Interrupted | FetchStatus::Superseded, _) | (FetchStatus::Failed, Some("lease.lost")) => {
                fetches.interrupted += 1;
            }
            other => panic!("{}: {other:?}", feed.name),
        }
    }
    fetches
}

async fn judge(store: &(impl StorageBackend + StateStore), feeds: &[Feed], hosts: &Hosts, struck: usize) {
    let requests = hosts.requests();
    // A host is asked by one daemon at a time, and by that one for one feed at a time.
    for mut of_host in requests.clone() {
        of_host.sort_by_key(|request| request.began);
        for pair in of_host.windows(2) {
            assert!(pair[0].ended <= pair[1].began, "two at once: {pair:?}");
        }
    }
    let (mut struck_down, mut twice) = (0, 0);
    for (number, feed) in feeds.iter().enumerate() {
        let fetches = fetches_of(store, feed).await;
        let path = format!("/{number}");
        let asked: Vec<u32> =
            requests.iter().flatten().filter(|request| request.path == path).map(|request| request.turn).collect();
        // Each turn is taken once, and once more only where whoever took it was struck down: one that had committed and stood
        // still before it said so says so when it goes on, and its feed was fetched again meanwhile.
        let ended = TURNS as usize..=TURNS as usize + struck;
        assert!(ended.contains(&fetches.ended), "{}: {fetches:?}", feed.name);
        twice += fetches.ended - TURNS as usize;
        assert!((1..=TURNS).all(|turn| asked.contains(&turn)), "{}: {asked:?}", feed.name);
        assert!(asked.len() <= fetches.ended + fetches.interrupted, "{}: {asked:?}, {fetches:?}", feed.name);
        sightings(store, feed, &fetches).await;
        struck_down += fetches.interrupted;
    }
    // One daemon has at most one fetch under way at each host.
    let struck_down = struck_down + twice;
    assert!(struck_down <= struck * usize::from(HOSTS), "{struck_down} struck down by {struck} strokes");
}

/// No sighting is missing, none is told twice: an item was seen as often as documents were read that list it.
async fn sightings(store: &impl StorageBackend, feed: &Feed, fetches: &Fetches) {
    let ledger = store.observations_page(feed.id, &PageRequest::first(MAX_PAGE)).await.expect("the store answers");
    let observed = ledger.items.len();
    assert!((fetches.ended..=fetches.ended + fetches.interrupted).contains(&observed), "{}: {observed}", feed.name);
    let key = |text: &str| NaturalKey::new(feed.namespace.clone(), text).expect("a key");
    let own: Vec<NaturalKey> = (1..=TURNS).map(|turn| key(&format!("only-{turn}"))).collect();
    let lasting = LASTING.map(key);
    let count = async |keys: &[NaturalKey]| -> Vec<u64> {
        let seen = store.seen_many(keys).await.expect("the store answers");
        seen.into_iter().map(|seen| seen.map_or(0, |seen| seen.count)).collect()
    };
    assert_eq!(count(&lasting).await, [observed as u64; LASTING.len()], "{}", feed.name);
    let own = count(&own).await;
    assert!(own.iter().all(|seen| *seen >= 1), "{}: {own:?}", feed.name);
    assert_eq!(own.iter().sum::<u64>(), observed as u64, "{}: {own:?}", feed.name);
}
