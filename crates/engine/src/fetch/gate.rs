//! [`Gate`]: no host is asked by more requests at once, or more often, than its rate allows. Hosts of a domain that has a
//! rate of its own count as one.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::Instant;

use super::slowed::Slowed;
use crate::settings::HostRates;

/// Idle hosts are forgotten when more than this many are known.
const HOSTS_KEPT: usize = 4_096;
/// How long a host that asks to be left alone is left alone: at least, and at most.
const REST: (Duration, Duration) = (Duration::from_mins(1), LONGEST_REST);
/// No host is left alone for longer than this, whatever it says.
pub(crate) const LONGEST_REST: Duration = Duration::from_hours(24);

/// Gives turns to ask a host, in the order in which they were asked for; shared by all feeds of an engine.
#[derive(Debug)]
pub(crate) struct Gate {
    rates: HostRates,
    hosts: Mutex<HashMap<String, Arc<Host>>>,
}

#[derive(Debug)]
struct Host {
    interval: Duration,
    in_flight: Arc<Semaphore>,
    pace: Mutex<Pace>,
    /// The last two addresses of which it gave what was asked for, and when.
    answered: Mutex<Vec<(String, Instant)>>,
}

#[derive(Debug, Clone, Copy)]
struct Pace {
    next_start: Instant,
    rest: Option<Rest>,
    /// How much more rarely it is asked than it might be; `None` when it never refused.
    slowed: Option<Slowed>,
}

/// Until when a host is left alone, and by which answer; `None` where that is not known.
#[derive(Debug, Clone, Copy)]
struct Rest {
    until: Instant,
    http_status: Option<u16>,
}

/// Leave to ask a host once; the place is free again when it is dropped.
#[derive(Debug)]
pub(crate) struct Turn {
    _place: OwnedSemaphorePermit,
}

/// The host asked to be left alone for a while, and that while is not over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Resting {
    pub(crate) remaining: Duration,
    /// By which answer it asked for that; `None` where it is not known.
    pub(crate) http_status: Option<u16>,
}

impl Pace {
    /// Takes the next start; when it is. `interval` is what the host's rate allows.
    fn take(&mut self, now: Instant, interval: Duration) -> Result<Instant, Resting> {
        self.check(now)?;
        let start = self.next_start.max(now);
        self.next_start = start + Slowed::interval(self.slowed, interval, now);
        Ok(start)
    }

    fn check(&self, now: Instant) -> Result<(), Resting> {
        match self.rest {
            Some(Rest { until, http_status }) if until > now => Err(Resting { remaining: until - now, http_status }),
            _ => Ok(()),
        }
    }
}

impl Gate {
    pub(crate) fn new(rates: HostRates) -> Self {
        Self { rates, hosts: Mutex::default() }
    }

    /// Waits for a turn; refuses at once while the host rests.
    pub(crate) async fn turn(&self, host: &str) -> Result<Turn, Resting> {
        let host = self.host(host);
        lock(&host.pace).check(Instant::now())?;
        let place = Arc::clone(&host.in_flight).acquire_owned().await.expect("the semaphore is never closed");
        let start = lock(&host.pace).take(Instant::now(), host.interval)?;
        tokio::time::sleep_until(start).await;
        // Another request may have been told meanwhile that the host wants to rest.
        lock(&host.pace).check(Instant::now())?;
        Ok(Turn { _place: place })
    }

    /// Whether a host has asked to be left alone, and still is.
    pub(crate) fn rests(&self, host: &str) -> bool {
        lock(&self.host(host).pace).check(Instant::now()).is_err()
    }

    /// Somebody else may have asked a host just now: the next start is as far away as if we had. When that is.
    pub(crate) fn begin_anew(&self, host: &str) -> Instant {
        let host = self.host(host);
        let mut pace = lock(&host.pace);
        let now = Instant::now();
        pace.next_start = pace.next_start.max(now + Slowed::interval(pace.slowed, host.interval, now));
        pace.next_start
    }

    /// For how long a host is still to be left alone.
    pub(crate) fn rest_of(&self, host: &str) -> Option<Resting> {
        lock(&self.host(host).pace).check(Instant::now()).err()
    }

    /// A host gave what was asked for at that address.
    pub(crate) fn answered(&self, host: &str, address: &str) {
        let host = self.host(host);
        let mut answered = lock(&host.answered);
        answered.retain(|(held, _)| held != address);
        answered.insert(0, (address.to_owned(), Instant::now()));
        answered.truncate(2);
    }

    /// Whether it gave what was asked for at another address than that within so long.
    pub(crate) fn answers_others(&self, host: &str, address: &str, span: Duration) -> bool {
        lock(&self.host(host).answered).iter().any(|(held, at)| held != address && at.elapsed() <= span)
    }

    /// Leaves a host alone for as long as it asked by that answer, within bounds; how long that is.
    pub(crate) fn rest(&self, host: &str, asked: Duration, http_status: u16) -> Duration {
        let remaining = asked.clamp(REST.0, REST.1);
        self.rest_on(host, Resting { remaining, http_status: Some(http_status) });
        remaining
    }

    /// Leaves a host alone that has asked for it before, for what remains of that.
    pub(crate) fn rest_on(&self, host: &str, resting: Resting) {
        let Resting { remaining, http_status } = resting;
        let until = Instant::now() + remaining.min(REST.1);
        let host = self.host(host);
        let mut pace = lock(&host.pace);
        if pace.rest.is_none_or(|held| held.until < until) {
            pace.rest = Some(Rest { until, http_status });
        }
    }

    /// A host said that it was asked too often: it is asked more rarely from now on. How often at most.
    pub(crate) fn slow_down(&self, host: &str) -> Duration {
        let host = self.host(host);
        let now = Instant::now();
        let mut pace = lock(&host.pace);
        pace.slowed = Slowed::refused(pace.slowed, host.interval, now);
        Slowed::interval(pace.slowed, host.interval, now)
    }

    /// A host said so before, to whichever process: the time between two requests was doubled so often, so long ago.
    pub(crate) fn recall_slowed(&self, host: &str, doublings: u32, ago: Duration) {
        let Some(recalled) = Slowed::of_before(doublings, ago, Instant::now()) else { return };
        let host = self.host(host);
        let mut pace = lock(&host.pace);
        pace.slowed = Some(Slowed::later(pace.slowed, recalled));
    }

    /// How often the time between two requests to a host was doubled, and how long ago; `None` while its rate is as it is said.
    pub(crate) fn slowed(&self, host: &str) -> Option<(u32, Duration)> {
        let now = Instant::now();
        let slowed = lock(&self.host(host).pace).slowed;
        slowed.filter(|slowed| slowed.left(now) > 0).map(|slowed| slowed.told(now))
    }

    /// The least time between two requests to a host, as it is now.
    pub(crate) fn interval(&self, host: &str) -> Duration {
        let host = self.host(host);
        let slowed = lock(&host.pace).slowed;
        Slowed::interval(slowed, host.interval, Instant::now())
    }

    fn host(&self, name: &str) -> Arc<Host> {
        let (name, rate) = self.rates.shared_by(name);
        let mut hosts = lock(&self.hosts);
        if let Some(host) = hosts.get(name) {
            return Arc::clone(host);
        }
        if hosts.len() >= HOSTS_KEPT {
            let now = Instant::now();
            hosts.retain(|_, host| Arc::strong_count(host) > 1 || lock(&host.pace).is_busy(now));
        }
        let host = Arc::new(Host {
            answered: Mutex::default(),
            interval: rate.interval,
            in_flight: Arc::new(Semaphore::new(rate.in_flight.max(1))),
            pace: Mutex::new(Pace { next_start: Instant::now(), rest: None, slowed: None }),
        });
        hosts.insert(name.to_owned(), Arc::clone(&host));
        host
    }
}

impl Pace {
    /// Whether forgetting it would let a request out too early.
    fn is_busy(&self, now: Instant) -> bool {
        let is_slowed = self.slowed.is_some_and(|slowed| slowed.left(now) > 0);
        self.next_start > now || self.rest.is_some_and(|rest| rest.until > now) || is_slowed
    }
}

/// No holder of these locks can panic half-way: each only reads and sets a few fields.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{HostRate, Settings};

    const SECOND: Duration = Duration::from_secs(1);

    fn gate(in_flight: usize) -> Arc<Gate> {
        let host_rate = HostRate { in_flight, interval: SECOND };
        Arc::new(Gate::new(HostRates::of(&Settings { host_rate, ..Settings::default() })))
    }

    #[tokio::test(start_paused = true)]
    async fn hosts_of_one_domain_take_turns_and_rest_together() {
        let gate = gate(2);
        let begun = Instant::now();
        for turn in 0..8 {
            drop(gate.turn(if turn % 2 == 0 { "www.sec.gov" } else { "data.sec.gov" }).await.unwrap());
            assert_eq!(begun.elapsed(), turn * SECOND / 8);
        }
        gate.rest("www.sec.gov", 600 * SECOND, 403);
        assert!(gate.rests("data.sec.gov") && !gate.rests("example.org"));
    }

    #[tokio::test(start_paused = true)]
    async fn turns_are_a_second_apart_and_in_the_order_asked() {
        let gate = gate(2);
        let begun = Instant::now();
        let starts = Arc::new(Mutex::new(Vec::new()));
        let tasks: Vec<_> = (0..5)
            .map(|number| {
                let (gate, starts) = (Arc::clone(&gate), Arc::clone(&starts));
                tokio::spawn(async move {
                    let _turn = gate.turn("a").await.unwrap();
                    lock(&starts).push((number, begun.elapsed().as_secs()));
                })
            })
            .collect();
        for task in tasks {
            task.await.unwrap();
        }
        assert_eq!(*lock(&starts), [(0, 0), (1, 1), (2, 2), (3, 3), (4, 4)]);
    }

    #[tokio::test(start_paused = true)]
    async fn no_more_than_allowed_are_under_way_at_once_and_other_hosts_do_not_wait() {
        let gate = gate(2);
        let (first, _second) = (gate.turn("a").await.unwrap(), gate.turn("a").await.unwrap());
        let third = tokio::time::timeout(10 * SECOND, gate.turn("a")).await;
        assert!(third.is_err());
        assert!(gate.turn("b").await.is_ok());
        drop(first);
        assert!(tokio::time::timeout(SECOND, gate.turn("a")).await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_asks_for_rest_is_left_alone_until_then() {
        let gate = gate(2);
        assert_eq!(gate.rest("a", Duration::from_secs(90), 429), Duration::from_secs(90));
        let resting = Resting { remaining: Duration::from_secs(90), http_status: Some(429) };
        assert_eq!(gate.turn("a").await.unwrap_err(), resting);
        gate.rest_on("a", Resting { remaining: Duration::from_secs(80), http_status: None });
        assert_eq!(gate.rest_of("a"), Some(resting), "the longer one stands");
        assert!(gate.turn("b").await.is_ok());
        tokio::time::advance(Duration::from_secs(91)).await;
        assert!(gate.turn("a").await.is_ok());
    }

    #[tokio::test(start_paused = true)]
    async fn a_rest_is_bounded_and_reaches_those_who_wait_already() {
        let gate = gate(2);
        let _first = gate.turn("a").await.unwrap();
        let waiting = tokio::spawn({
            let gate = Arc::clone(&gate);
            async move { gate.turn("a").await.map(drop) }
        });
        tokio::task::yield_now().await;
        assert_eq!(gate.rest("a", Duration::ZERO, 503), REST.0);
        assert!(waiting.await.unwrap().is_err());
        assert_eq!(gate.rest("a", Duration::MAX, 503), REST.1);
    }

    #[tokio::test(start_paused = true)]
    async fn a_host_that_refuses_is_asked_more_rarely_for_an_hour() {
        let gate = gate(2);
        assert_eq!(gate.slow_down("a"), 2 * SECOND);
        let begun = Instant::now();
        for turn in 0..3 {
            drop(gate.turn("a").await.unwrap());
            assert_eq!(begun.elapsed(), turn * 2 * SECOND);
        }
        assert_eq!(gate.slowed("a"), Some((1, 4 * SECOND)));
        tokio::time::advance(3_600 * SECOND).await;
        assert_eq!((gate.slowed("a"), gate.interval("a")), (None, SECOND));
        gate.recall_slowed("a", 3, 3_500 * SECOND);
        assert_eq!((gate.interval("a"), gate.interval("b")), (8 * SECOND, SECOND));
    }

    #[tokio::test(start_paused = true)]
    async fn idle_hosts_are_forgotten() {
        let gate = gate(2);
        for number in 0..=HOSTS_KEPT {
            drop(gate.turn(&number.to_string()).await.unwrap());
        }
        tokio::time::advance(2 * SECOND).await;
        drop(gate.turn("another").await.unwrap());
        assert!(lock(&gate.hosts).len() < HOSTS_KEPT);
    }
}
