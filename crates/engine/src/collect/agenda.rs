//! [`Agenda`]: which feed is fetched next, so that no feed that could go waits behind one that may not.
//!
//! Feeds of one host go in their order and at the host's rate; hosts take turns. It only orders: what holds at every
//! request, redirects included, is the gate's rate. A collect knows all its feeds beforehand, a daemon adds them as they
//! are due.

use std::cmp::Reverse;
use std::collections::{BinaryHeap, HashMap, VecDeque};
use std::time::Duration;

use tokio::time::Instant;

use crate::HostRate;

/// Feeds are called what their caller likes.
#[derive(Debug)]
pub(crate) struct Agenda<F> {
    /// Files: nobody has to be spared.
    unhurried: VecDeque<F>,
    hosts: HashMap<String, Line<F>>,
    /// The hosts that have a feed waiting and a place free, by when they may be asked.
    ready: BinaryHeap<Reverse<(Instant, usize, String)>>,
    /// Hosts that are ready at the same time go in the order in which they became so.
    turn: usize,
}

#[derive(Debug)]
struct Line<F> {
    rate: HostRate,
    waiting: VecDeque<F>,
    running: usize,
    next_start: Instant,
    queued: bool,
}

/// What to do now.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Next<F> {
    /// Fetch this feed.
    Start(F),
    /// Nothing before then, unless a feed ends.
    Later(Instant),
    /// Nothing until a feed ends; at the end of a collect, nothing at all.
    Wait,
}

impl<F> Agenda<F> {
    /// An agenda of feeds, each with its host and that one's rate, that may begin now.
    pub(crate) fn new(feeds: impl IntoIterator<Item = (F, Option<(String, HostRate)>)>, now: Instant) -> Self {
        let mut agenda = Self { unhurried: VecDeque::new(), hosts: HashMap::new(), ready: BinaryHeap::new(), turn: 0 };
        for (feed, host) in feeds {
            agenda.add(feed, host, now);
        }
        agenda
    }

    /// Adds a feed behind those of its host.
    pub(crate) fn add(&mut self, feed: F, host: Option<(String, HostRate)>, now: Instant) {
        let Some((host, rate)) = host else {
            self.unhurried.push_back(feed);
            return;
        };
        let new_line = || Line { rate, waiting: VecDeque::new(), running: 0, next_start: now, queued: false };
        self.hosts.entry(host.clone()).or_insert_with(new_line).waiting.push_back(feed);
        self.queue(&host);
    }

    /// Takes the next feed that belongs to no host.
    pub(crate) fn take_unhurried(&mut self) -> Option<F> {
        self.unhurried.pop_front()
    }

    /// A host may not be asked before then, whoever waits.
    pub(crate) fn not_before(&mut self, host: &str, at: Instant) {
        if let Some(line) = self.hosts.get_mut(host) {
            line.next_start = line.next_start.max(at);
        }
    }

    /// Takes back all feeds of a host that wait, in their order.
    pub(crate) fn take_back(&mut self, host: &str) -> Vec<F> {
        // The host's place in the line of hosts finds nothing then, and is passed over.
        self.hosts.get_mut(host).map(|line| line.waiting.drain(..).collect()).unwrap_or_default()
    }

    /// Forgets hosts of which nothing waits or runs, and that may be asked again.
    pub(crate) fn forget_idle(&mut self, now: Instant) {
        self.hosts
            .retain(|_, line| line.queued || line.running > 0 || !line.waiting.is_empty() || line.next_start > now);
    }

    /// Takes the next feed that may be fetched; `interval_of` says for how long its host is not asked then.
    pub(crate) fn take(&mut self, now: Instant, interval_of: impl Fn(&str) -> Duration) -> Next<F> {
        if let Some(feed) = self.unhurried.pop_front() {
            return Next::Start(feed);
        }
        loop {
            match self.ready.peek() {
                None => return Next::Wait,
                Some(Reverse((at, ..))) if *at > now => return Next::Later(*at),
                Some(_) => {}
            }
            let Reverse((_, _, host)) = self.ready.pop().expect("it was peeked at");
            let line = self.hosts.get_mut(&host).expect("a ready host has a line");
            line.queued = false;
            if line.next_start > now {
                self.queue(&host);
                continue;
            }
            // Those that waited may have been taken back.
            let Some(feed) = line.waiting.pop_front() else { continue };
            line.running += 1;
            line.next_start = now + interval_of(&host);
            self.queue(&host);
            return Next::Start(feed);
        }
    }

    /// A feed of that host is done.
    pub(crate) fn ended(&mut self, host: Option<&str>) {
        let Some(host) = host else { return };
        if let Some(line) = self.hosts.get_mut(host) {
            line.running -= 1;
            self.queue(host);
        }
    }

    fn queue(&mut self, host: &str) {
        let Some(line) = self.hosts.get_mut(host) else { return };
        if !line.queued && !line.waiting.is_empty() && line.running < line.rate.in_flight.max(1) {
            line.queued = true;
            self.ready.push(Reverse((line.next_start, self.turn, host.to_owned())));
            self.turn += 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const RATE: HostRate = HostRate { in_flight: 2, interval: Duration::from_secs(1) };

    fn agenda(hosts: &[&str], now: Instant) -> Agenda<usize> {
        let host = |name: &&str| (!name.is_empty()).then(|| ((*name).to_owned(), RATE));
        Agenda::new(hosts.iter().map(host).enumerate(), now)
    }

    fn take(agenda: &mut Agenda<usize>, now: Instant) -> Next<usize> {
        agenda.take(now, |_| RATE.interval)
    }

    #[test]
    fn hosts_take_turns_and_feeds_of_one_host_go_at_its_rate() {
        let begun = Instant::now();
        let second = |number| begun + Duration::from_secs(number);
        let mut agenda = agenda(&["a", "a", "a", "b", "", "b"], begun);
        assert_eq!(take(&mut agenda, begun), Next::Start(4));
        assert_eq!(take(&mut agenda, begun), Next::Start(0));
        assert_eq!(take(&mut agenda, begun), Next::Start(3));
        assert_eq!(take(&mut agenda, begun), Next::Later(second(1)));
        assert_eq!(take(&mut agenda, second(1)), Next::Start(1));
        assert_eq!(take(&mut agenda, second(1)), Next::Start(5));
        // Two of a's feeds are under way: the third waits for one of them, then for the rate.
        assert_eq!(take(&mut agenda, second(5)), Next::Wait);
        agenda.ended(Some("a"));
        assert_eq!(take(&mut agenda, second(1)), Next::Later(second(2)));
        assert_eq!(take(&mut agenda, second(2)), Next::Start(2));
        agenda.ended(None);
        agenda.ended(Some("a"));
        assert_eq!(take(&mut agenda, second(9)), Next::Wait);
    }

    #[test]
    fn a_host_that_is_asked_more_rarely_than_its_rate_has_it_waits_while_others_go() {
        let begun = Instant::now();
        let second = |number| begun + Duration::from_secs(number);
        let mut agenda = agenda(&["a", "a", "b", "b"], begun);
        let mut take = |at| agenda.take(at, |host| Duration::from_secs(if host == "a" { 30 } else { 1 }));
        assert_eq!(take(begun), Next::Start(0));
        assert_eq!(take(begun), Next::Start(2));
        assert_eq!(take(second(1)), Next::Start(3));
        assert_eq!(take(second(2)), Next::Later(second(30)));
        assert_eq!(take(second(30)), Next::Start(1));
    }

    #[test]
    fn feeds_of_which_nobody_is_asked_take_no_turn() {
        let begun = Instant::now();
        let mut agenda = agenda(&["a", "a", "a", "b", "b"], begun);
        let mut started = Vec::new();
        while let Next::Start(feed) =
            agenda.take(begun, |host| if host == "a" { Duration::ZERO } else { RATE.interval })
        {
            started.push(feed);
            agenda.ended(Some(if feed < 3 { "a" } else { "b" }));
        }
        assert_eq!(started, [0, 3, 1, 2]);
    }
}
