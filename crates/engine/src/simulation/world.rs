//! [`World`]: its hosts and feeds, its clock, and the log of what was asked.

use std::fmt::Write as _;
use std::sync::atomic::{AtomicI64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::Timestamp;
use tokio::time::{Instant, sleep};

use super::faults::Faults;
use super::random::Random;
use crate::Clock;
use crate::fetch::Wire;

const BEGINNING: &str = "2026-11-27T00:00:00Z";

/// What a host does while there is trouble. In calm times all are well but those that are gone for good.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// Answers, with validators.
    Well,
    /// Answers, and knows no validators.
    Forgetful,
    /// Answers one in three requests with 500.
    Flaky,
    /// Answers with 429 when it was asked within the last minute, and says for how long.
    Strict,
    /// Answers nothing for a long time.
    Hanging,
    /// Cuts its bodies.
    Cutting,
    /// Says that all of its feeds are gone; for ever.
    Gone,
    /// Is not reached; never.
    Unreached,
}

const MANNERS: [Manner; 8] = [
    Manner::Well,
    Manner::Forgetful,
    Manner::Flaky,
    Manner::Strict,
    Manner::Hanging,
    Manner::Cutting,
    Manner::Gone,
    Manner::Unreached,
];

/// A request that went out.
#[derive(Debug, Clone)]
pub(super) struct Request {
    pub(super) host: usize,
    pub(super) path: String,
    pub(super) daemon: usize,
    pub(super) began: Instant,
    /// By the clock that is written down.
    pub(super) at: Timestamp,
    /// `None` while it is under way.
    pub(super) ended: Option<Instant>,
    /// `None` when there was no answer.
    pub(super) status: Option<u16>,
}

#[derive(Debug)]
pub(super) struct World {
    began: Instant,
    /// By how much the clock that is written down is off, in microseconds.
    off: AtomicI64,
    pub(super) hosts: Vec<Manner>,
    /// Whether the clock that is written down is set now and then.
    pub(super) jumps: bool,
    /// How many feeds each host has.
    feeds: Vec<u64>,
    /// Every so many minutes a feed has a new item.
    pace: Vec<u64>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    random: Random,
    log: Vec<Request>,
    calm: bool,
    cut_until: Instant,
    story: String,
}

impl World {
    pub(super) fn new(random: &mut Random) -> Self {
        let now = Instant::now();
        let count = random.within(3..8);
        // At least one host is well, so that there is something to be on time.
        let mut hosts = vec![Manner::Well];
        hosts.extend((1..count).map(|_| MANNERS[random.index(MANNERS.len())]));
        let feeds = hosts.iter().map(|_| random.within(1..5)).collect();
        let pace = hosts.iter().map(|_| random.within(10..600)).collect();
        let jumps = random.one_in(2);
        let random = Random::new(random.number());
        let inner = Inner { random, log: Vec::new(), calm: false, cut_until: now, story: String::new() };
        Self { began: now, off: AtomicI64::new(0), hosts, jumps, feeds, pace, inner: Mutex::new(inner) }
    }

    pub(super) fn addresses(&self) -> Vec<String> {
        let of_host = |(host, count): (usize, &u64)| {
            (0..*count).map(move |feed| format!("http://host{host}.example/{feed}")).collect::<Vec<_>>()
        };
        self.feeds.iter().enumerate().flat_map(of_host).collect()
    }

    pub(super) fn log(&self) -> Vec<Request> {
        self.lock().log.clone()
    }

    /// What happened, a line each.
    pub(super) fn story(&self) -> String {
        self.lock().story.clone()
    }

    pub(super) fn tell(&self, what: &str) {
        let at = self.began.elapsed().as_millis();
        let _ = writeln!(self.lock().story, "{at:>10} {what}");
    }

    /// The clock that is written down is set, forwards or back.
    pub(super) fn jump(&self, random: &mut Random) {
        if !self.jumps {
            return;
        }
        let seconds = i64::try_from(random.within(0..5_400)).expect("few seconds") - 1_800;
        self.off.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
        self.tell(&format!("the clock jumps by {seconds} s"));
    }

    /// Nobody is reached for a while.
    pub(super) fn cut_network(&self, span: Duration) {
        self.lock().cut_until = Instant::now() + span;
        self.tell(&format!("the network is down for {span:?}"));
    }

    pub(super) fn calm_down(&self) {
        let mut inner = self.lock();
        inner.calm = true;
        inner.cut_until = Instant::now();
        drop(inner);
        self.tell("all is well");
    }

    /// A daemon died, and its connections with it.
    pub(super) fn killed(&self, daemon: usize) {
        let now = Instant::now();
        for request in self.lock().log.iter_mut().filter(|request| request.daemon == daemon) {
            request.ended.get_or_insert(now);
        }
        self.tell(&format!("daemon {daemon} is killed"));
    }

    /// The document of a feed: an item for each `pace` minutes that have gone, the last ten of them.
    fn document(&self, host: usize, path: &str) -> (u64, String) {
        let last = self.began.elapsed().as_secs() / 60 / self.pace[host];
        let mut items = String::new();
        for number in (last.saturating_sub(9)..=last).rev() {
            let _ = write!(items, "<item><guid>{path}-{number}</guid><title>item {number}</title></item>");
        }
        let head = "<?xml version='1.0'?><rss version='2.0'><channel><title>feed</title>";
        (last, format!("{head}{items}</channel></rss>"))
    }

    fn begin(&self, host: usize, path: &str, daemon: usize) -> (usize, Plan) {
        let at = self.now();
        let mut inner = self.lock();
        let now = Instant::now();
        let asked_lately = inner.log.iter().rev().find(|request| request.host == host);
        let asked_lately = asked_lately.is_some_and(|request| request.began + Duration::from_mins(1) > now);
        let request = Request { host, path: path.to_owned(), daemon, began: now, at, ended: None, status: None };
        inner.log.push(request);
        let number = inner.log.len() - 1;
        let delay = Duration::from_millis(inner.random.within(5..1_500));
        let stays = matches!(self.hosts[host], Manner::Gone | Manner::Unreached);
        let manner = if inner.calm && !stays { Manner::Well } else { self.hosts[host] };
        let luck = inner.random.within(0..3);
        let answer = match manner {
            _ if inner.cut_until > now => Reply::Nothing,
            Manner::Unreached => Reply::Nothing,
            Manner::Flaky if luck == 0 => Reply::Status(500),
            Manner::Strict if asked_lately => Reply::Status(429),
            Manner::Gone => Reply::Status(410),
            Manner::Cutting if luck == 0 => Reply::Cut,
            Manner::Forgetful => Reply::Document { validators: false },
            Manner::Hanging => return (number, Plan { delay: Duration::from_secs(40), reply: Reply::Nothing }),
            _ => Reply::Document { validators: true },
        };
        (number, Plan { delay, reply: answer })
    }

    fn stands_still(&self) -> Option<Duration> {
        let mut inner = self.lock();
        let stands_still = !inner.calm && inner.random.one_in(40);
        stands_still.then(|| Duration::from_secs(inner.random.within(60..400)))
    }

    fn end(&self, number: usize, status: Option<u16>) {
        let mut inner = self.lock();
        let request = &mut inner.log[number];
        request.ended = Some(Instant::now());
        request.status = status;
        let line = format!("daemon {} asked host{}{}: {status:?}", request.daemon, request.host, request.path);
        drop(inner);
        self.tell(&line);
    }

    fn lock(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().expect("nobody panics in between")
    }
}

impl Clock for World {
    fn now(&self) -> Timestamp {
        let gone = i64::try_from(self.began.elapsed().as_micros()).expect("some hours");
        let beginning: Timestamp = BEGINNING.parse().expect("a time");
        beginning.saturating_add_micros(gone + self.off.load(Ordering::SeqCst))
    }
}

struct Plan {
    delay: Duration,
    reply: Reply,
}

#[derive(Debug, Clone, Copy)]
enum Reply {
    Document { validators: bool },
    Status(u16),
    Cut,
    Nothing,
}

/// The world as a daemon asks it.
#[derive(Debug)]
pub(super) struct DaemonWire {
    world: Arc<World>,
    faults: Arc<Faults>,
    daemon: usize,
}

impl DaemonWire {
    pub(super) fn new(world: Arc<World>, faults: Arc<Faults>, daemon: usize) -> Self {
        Self { world, faults, daemon }
    }
}

/// A request that is dropped under way ends with its connection.
struct UnderWay<'a> {
    world: &'a World,
    number: usize,
    ended: bool,
}

impl UnderWay<'_> {
    fn end(&mut self, status: Option<u16>) {
        self.ended = true;
        self.world.end(self.number, status);
    }
}

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        if !self.ended {
            self.world.end(self.number, None);
        }
    }
}

#[async_trait]
impl Wire for DaemonWire {
    async fn send(&self, request: reqwest::Request) -> Option<reqwest::Response> {
        let (url, headers) = (request.url().clone(), request.headers().clone());
        let name = url.host_str().and_then(|host| host.strip_prefix("host")?.strip_suffix(".example"));
        let host: usize = name?.parse().ok()?;
        let (number, Plan { delay, reply }) = self.world.begin(host, url.path(), self.daemon);
        let mut under_way = UnderWay { world: &self.world, number, ended: false };
        sleep(delay).await;
        let (last, document) = self.world.document(host, url.path());
        let etag = format!("\"{host}{}-{last}\"", url.path());
        let held = headers.get(reqwest::header::IF_NONE_MATCH).and_then(|held| held.to_str().ok());
        let response = hyper::Response::builder();
        let response = match reply {
            Reply::Nothing => {
                under_way.end(None);
                return None;
            }
            Reply::Status(429) => response.status(429).header("retry-after", "120").body(String::new()),
            Reply::Status(status) => response.status(status).body(String::new()),
            Reply::Cut => response.status(200).body(document[..document.len() / 2].to_owned()),
            Reply::Document { validators: true } if held == Some(&etag) => response.status(304).body(String::new()),
            Reply::Document { validators: true } => response.status(200).header("etag", etag).body(document),
            Reply::Document { validators: false } => response.status(200).body(document),
        };
        let response = response.expect("headers that can be sent");
        under_way.end(Some(response.status().as_u16()));
        // A daemon may come to stand still with an answer in its hand, for longer than its leases last.
        if let Some(span) = self.world.stands_still() {
            self.faults.freeze(span);
        }
        self.faults.thawed().await;
        Some(reqwest::Response::from(response))
    }
}
