//! Restarts of the server and cut connections during a collect: it ends by itself, and its report is what is stored.

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use feedspine_cluster::Cluster;

use crate::proxy::Proxy;
use crate::server::{Place, Server};
use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, number, rss, text};

const RESTARTS: usize = 20;
const CUTS: usize = 100;
/// How many feeds are answered between two restarts.
const FEEDS_A_RESTART: usize = 3;
const ITEMS: usize = 12;
/// Longer than a step may take on a busy machine: the store's own patience with a server that is away is 30 s.
const STUCK_AFTER: Duration = Duration::from_secs(100);

/// What the site and whoever disturbs tell each other.
#[derive(Debug, Default)]
struct Stage {
    told: Mutex<Told>,
    changed: Condvar,
}

#[derive(Debug, Default)]
struct Told {
    answered: usize,
    disturbed: usize,
}

impl Stage {
    /// Waits until what is told suits, and tells more.
    fn when(&self, suits: impl Fn(&Told) -> bool, tell: impl FnOnce(&mut Told)) {
        let told = self.told.lock().unwrap();
        let (mut told, waited) = self.changed.wait_timeout_while(told, STUCK_AFTER, |told| !suits(told)).unwrap();
        assert!(!waited.timed_out(), "the collect goes on: {told:?}");
        tell(&mut told);
        drop(told);
        self.changed.notify_all();
    }
}

/// A site of so many feeds that answers some more of them after each disturbance; each feed shows another item at each
/// poll.
fn site(stage: &Arc<Stage>, feeds_a_disturbance: usize) -> Site {
    let (stage, polls) = (Arc::clone(stage), Mutex::<HashMap<String, usize>>::default());
    Site::start(move |asked| {
        stage.when(|told| told.answered < (told.disturbed + 1) * feeds_a_disturbance, |told| told.answered += 1);
        let first = {
            let mut polls = polls.lock().unwrap();
            let polls = polls.entry(asked.path.clone()).or_default();
            *polls += 1;
            *polls
        };
        let keys: Vec<String> =
            (first..first + ITEMS).rev().map(|item| format!("{}-{item}", &asked.path[1..])).collect();
        let items: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), "a title")).collect();
        Reply::ok(rss(&items))
    })
}

pub(crate) fn restarts() {
    let (mut cluster, runtime) = (Cluster::start().expect("a server of its own"), runtime());
    let proxy = runtime.block_on(Proxy::before(cluster.port()));
    let stage = Arc::<Stage>::default();
    let collect = Collect::begin(&cluster, &proxy, &stage, RESTARTS * FEEDS_A_RESTART, FEEDS_A_RESTART);
    for restart in 0..RESTARTS {
        stage.when(|told| told.answered > restart * FEEDS_A_RESTART, |_| ());
        // At another place of the transaction each time.
        std::thread::sleep(Duration::from_millis((restart as u64 * 7) % 30));
        cluster.crash_and_restart().expect("the server comes back");
        stage.when(|_| true, |told| told.disturbed += 1);
    }
    collect.judge(&stage);
}

pub(crate) fn cuts() {
    let (cluster, runtime) = (Cluster::start().expect("a server of its own"), runtime());
    let proxy = runtime.block_on(Proxy::before(cluster.port()));
    let stage = Arc::<Stage>::default();
    let collect = Collect::begin(&cluster, &proxy, &stage, CUTS, 1);
    for cut in 0..CUTS {
        let before = proxy.cuts();
        match cut % 3 {
            0 => proxy.lose_an_answer(),
            1 => proxy.lose_a_request(),
            _ => {
                stage.when(|told| told.answered > cut, |_| ());
                std::thread::sleep(Duration::from_millis((cut as u64 * 7) % 10));
                proxy.cut(cut);
            }
        }
        // Whatever commits next is cut, once.
        for _ in 0..STUCK_AFTER.as_millis() {
            if proxy.cuts() > before {
                break;
            }
            std::thread::sleep(Duration::from_millis(1));
        }
        stage.when(|_| true, |told| told.disturbed += 1);
    }
    assert!(proxy.cuts() as usize >= CUTS - 2, "{} cuts", proxy.cuts());
    collect.judge(&stage);
}

/// The proxy's.
fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// A collect of many feeds that goes to its store through a proxy.
struct Collect {
    user: User,
    place: Place,
    feeds: usize,
    child: Child,
    _site: Site,
}

impl Collect {
    fn begin(cluster: &Cluster, proxy: &Proxy, stage: &Arc<Stage>, feeds: usize, feeds_a_disturbance: usize) -> Self {
        let site = site(stage, feeds_a_disturbance);
        let place = Server::at(cluster.url_at(proxy.port())).place();
        let user = crate::user_of(place.url());
        for feed in 0..feeds {
            user.add(&format!("feed-{feed:03}"), &site.url(&format!("/{feed:03}")));
        }
        let mut command = user.command(&["collect", "--json"]);
        command.env("FEEDSPINE_FETCH_HOST_IN_FLIGHT", "3").env("FEEDSPINE_FETCH_CONCURRENCY", "3");
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
        Self { user, place, feeds, child, _site: site }
    }

    /// Judges its report, and what one more collect finds that nobody disturbs.
    fn judge(self, stage: &Stage) {
        stage.when(|_| true, |told| told.disturbed = usize::MAX / (2 * FEEDS_A_RESTART));
        let ran = Ran::of(&self.child.wait_with_output().expect("the binary ends"));
        let report = ran.json();
        let feeds = list(&report, "feeds");
        assert_eq!(feeds.len(), self.feeds, "{}", ran.stderr);
        let stored = ledger(&self.place);
        for feed in feeds {
            let (outcome, fetch) = (text(feed, "outcome"), at(feed, "fetch").as_str().unwrap_or_default());
            let told = ["seen", "new", "unchanged"].map(|count| number(feed, &format!("counts.{count}")));
            if let Some(counted) = stored.get(fetch) {
                assert_eq!((outcome, told), ("captured", *counted), "{feed}");
            } else {
                assert_eq!((outcome, told), ("failed", [0; 3]), "{feed}");
                assert_eq!(text(feed, "error.code"), "store.unavailable", "{feed}");
            }
        }
        // The server is away for a second or so at a time, the store's patience is thirty.
        assert_eq!(number(&report, "failed"), 0, "{}: {report}", ran.stderr);
        assert_eq!(number(&report, "counts.new"), (self.feeds * ITEMS) as u64);

        let again = self.user.ask(&["collect"]);
        assert_eq!((number(&again, "failed"), number(&again, "counts.new")), (0, self.feeds as u64), "{again}");
        let status = self.user.ask(&["status"]);
        assert_eq!(number(&status, "store.records"), (self.feeds * (ITEMS + 1)) as u64);
        assert_eq!(ledger(&self.place).len(), 2 * self.feeds, "an observation for each fetch, and no other");
    }
}

/// What the ledger counts of each fetch: seen, new, unchanged.
fn ledger(place: &Place) -> HashMap<String, [u64; 3]> {
    let sql = format!(
        "SELECT fetch_id::text, coalesce(seen, 0), coalesce(new, 0), coalesce(unchanged, 0) FROM {}.ledger WHERE ended",
        place.schema()
    );
    crate::asked(place, &sql)
        .iter()
        .map(|row| (row.get(0), [1, 2, 3].map(|column| row.get::<_, i64>(column).unsigned_abs())))
        .collect()
}
