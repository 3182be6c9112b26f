//! [`Leases`]: the hosts that this process may ask, where several share the work. It decides; the daemon asks the store.
//!
//! No clock is trusted to be right: a lease that somebody else holds is asked for only when it was seen to stay as it is for as
//! long as it lasts, by the machine's own clock, which nobody sets. Its holder, by the same kind of clock, asks the host no more
//! then.

use std::collections::HashMap;
use std::sync::Arc;
use std::time::Duration;

use feedspine_core::{HolderId, Lease, LeaseToken, Timestamp};
use tokio::time::Instant;

use crate::fetch::Tenure;

/// A host of which nothing is due any more is kept for so long: feeds of one host are mostly due one after the other.
const KEPT_IDLE: Duration = Duration::from_secs(5);
/// A host that somebody else holds is asked for again after so long.
const ASKED_AGAIN: Duration = Duration::from_secs(2);

/// What is held and wanted.
#[derive(Debug)]
pub(super) struct Leases {
    /// For how long a lease is granted.
    lasting: Duration,
    held: HashMap<String, Held>,
    /// Hosts that are wanted.
    wanted: HashMap<String, Wanted>,
}

#[derive(Debug)]
struct Wanted {
    /// When to look at it again.
    next_look: Instant,
    /// As it was seen to be held by another, and since when.
    seen: Option<(LeaseToken, Timestamp, Instant)>,
}

#[derive(Debug)]
struct Held {
    token: LeaseToken,
    tenure: Arc<Tenure>,
    /// How many feeds of it wait or are under way.
    feeds: usize,
    idle_since: Instant,
}

/// What the store's answer changed.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Granted {
    /// Hosts that may be asked now and might not before.
    pub(super) gained: Vec<String>,
    /// Hosts that may not be asked any more.
    pub(super) lost: Vec<String>,
}

impl Leases {
    pub(super) fn new(lasting: Duration) -> Self {
        Self { lasting, held: HashMap::new(), wanted: HashMap::new() }
    }

    pub(super) fn lasting(&self) -> Duration {
        self.lasting
    }

    /// A feed of that host waits: what it may be fetched under, if the host is held.
    pub(super) fn enter(&mut self, host: &str, now: Instant) -> bool {
        if let Some(held) = self.held.get_mut(host) {
            held.feeds += 1;
            return true;
        }
        self.wanted.entry(host.to_owned()).or_insert(Wanted { next_look: now, seen: None });
        false
    }

    /// A feed of that host waits no longer, nor is it under way.
    pub(super) fn leave(&mut self, host: &str, now: Instant) {
        if let Some(held) = self.held.get_mut(host) {
            held.feeds = held.feeds.saturating_sub(1);
            held.idle_since = now;
        }
    }

    /// What a feed of that host is fetched under.
    pub(super) fn of(&self, host: &str) -> Option<(&LeaseToken, &Arc<Tenure>)> {
        self.held.get(host).map(|held| (&held.token, &held.tenure))
    }

    /// Whether it has to be known who holds what: some host is wanted.
    pub(super) fn wants_a_look(&self, now: Instant) -> bool {
        self.wanted.values().any(|wanted| wanted.next_look <= now)
    }

    /// The hosts to ask the store for: those that are wanted and free, or were seen to be held for too long without a word;
    /// and those of ours whose lease is in its last two thirds. `leases` are those of the store, where it was looked.
    pub(super) fn wanted_now(&mut self, leases: &[Lease], me: &HolderId, now: Instant) -> Vec<String> {
        let leases: HashMap<&str, &Lease> = leases.iter().map(|lease| (lease.token.host.as_str(), lease)).collect();
        let is_old = |held: &Held| held.feeds > 0 && held.tenure.ends() < now + self.lasting * 2 / 3;
        let old = self.held.iter().filter(|(_, held)| is_old(held)).map(|(host, _)| host.clone());
        let mut hosts: Vec<String> = old.collect();
        for (host, wanted) in self.wanted.iter_mut().filter(|(_, wanted)| wanted.next_look <= now) {
            wanted.next_look = now + ASKED_AGAIN;
            if wanted.is_free(leases.get(host.as_str()).copied(), me, self.lasting, now) {
                hosts.push(host.clone());
            }
        }
        hosts.sort_unstable();
        hosts
    }

    /// What the store granted of what was asked for, at the time of the question.
    pub(super) fn take(&mut self, asked: &[String], granted: Vec<Lease>, asked_at: Instant) -> Granted {
        let mut answer = Granted::default();
        let until = asked_at + self.lasting;
        let mut granted: HashMap<String, LeaseToken> =
            granted.into_iter().map(|lease| (lease.token.host.clone(), lease.token)).collect();
        for host in asked {
            let Some(token) = granted.remove(host) else {
                if self.held.remove(host).is_some() {
                    answer.lost.push(host.clone());
                }
                continue;
            };
            self.wanted.remove(host);
            match self.held.get_mut(host) {
                Some(held) if held.token == token => held.tenure.prolong(until),
                held => {
                    // It was lost and gained again: what was begun before is interrupted.
                    let feeds = held.map_or(0, |held| held.feeds);
                    let tenure = Arc::new(Tenure::until(until));
                    self.held.insert(host.clone(), Held { token, tenure, feeds, idle_since: asked_at });
                    answer.gained.push(host.clone());
                }
            }
        }
        answer
    }

    /// Hosts that are not needed any more, which are held no longer.
    pub(super) fn give_back(&mut self, now: Instant) -> Vec<String> {
        let is_idle = |held: &Held| held.feeds == 0 && held.idle_since + KEPT_IDLE <= now;
        let idle: Vec<String> =
            self.held.iter().filter(|(_, held)| is_idle(held)).map(|(host, _)| host.clone()).collect();
        for host in &idle {
            self.held.remove(host);
        }
        idle
    }

    /// All that are held, which are held no longer.
    pub(super) fn give_all_back(&mut self) -> Vec<String> {
        self.wanted.clear();
        self.held.drain().map(|(host, _)| host).collect()
    }
}

impl Wanted {
    /// Whether a host may be asked for, as its lease is now.
    fn is_free(&mut self, lease: Option<&Lease>, me: &HolderId, lasting: Duration, now: Instant) -> bool {
        let held = lease.filter(|lease| lease.holder.as_ref().is_some_and(|holder| holder != me));
        let Some(held) = held else { return true };
        match &self.seen {
            Some((token, until, since)) if *token == held.token && *until == held.until => *since + lasting <= now,
            _ => {
                self.seen = Some((held.token.clone(), held.until, now));
                false
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const LASTING: Duration = Duration::from_secs(30);

    fn lease(host: &str, token: u64, holder: &str, until: i64) -> Lease {
        let token = LeaseToken { host: host.to_owned(), token };
        let holder = Some(HolderId(holder.to_owned())).filter(|holder| !holder.0.is_empty());
        Lease { token, holder, until: Timestamp::from_micros(until).unwrap() }
    }

    fn granted(host: &str, token: u64) -> Vec<Lease> {
        vec![lease(host, token, "me", 0)]
    }

    fn me() -> HolderId {
        HolderId("me".to_owned())
    }

    fn names(hosts: &[&str]) -> Vec<String> {
        hosts.iter().map(|host| (*host).to_owned()).collect()
    }

    #[test]
    fn a_host_is_asked_for_prolonged_and_given_back_when_it_is_idle() {
        let (mut leases, now) = (Leases::new(LASTING), Instant::now());
        let second = |number: u64| now + Duration::from_secs(number);
        assert!(!leases.enter("a", now));
        assert!(leases.wants_a_look(now));
        assert_eq!(leases.wanted_now(&[], &me(), now), names(&["a"]));
        let answer = leases.take(&names(&["a"]), granted("a", 1), now);
        assert_eq!(answer, Granted { gained: names(&["a"]), lost: Vec::new() });
        assert!(leases.enter("a", now) && !leases.wants_a_look(now));
        assert_eq!(leases.wanted_now(&[], &me(), second(10)), names(&[]));
        assert_eq!(leases.wanted_now(&[], &me(), second(11)), names(&["a"]));
        assert_eq!(leases.take(&names(&["a"]), granted("a", 1), second(11)), Granted::default());
        assert_eq!(leases.of("a").unwrap().1.ends(), second(41));
        leases.leave("a", second(12));
        assert_eq!(leases.give_back(second(16)), names(&[]));
        assert_eq!(leases.give_back(second(17)), names(&["a"]));
        assert!(leases.of("a").is_none());
    }

    #[test]
    fn a_host_that_somebody_else_has_is_lost() {
        let (mut leases, now) = (Leases::new(LASTING), Instant::now());
        leases.enter("a", now);
        leases.take(&names(&["a"]), granted("a", 1), now);
        leases.enter("a", now);
        let later = now + Duration::from_secs(40);
        let answer = leases.take(&names(&["a"]), Vec::new(), later);
        assert_eq!(answer, Granted { gained: Vec::new(), lost: names(&["a"]) });
        assert!(!leases.enter("a", later));
    }

    #[test]
    fn what_somebody_else_holds_is_asked_for_only_after_no_word_of_it_for_as_long_as_it_lasts() {
        let (mut leases, now) = (Leases::new(LASTING), Instant::now());
        let second = |number: u64| now + Duration::from_secs(number);
        leases.enter("a", now);
        // Whatever the clock says that is written down: it is long over by that.
        let theirs = [lease("a", 1, "another", 0)];
        assert_eq!(leases.wanted_now(&theirs, &me(), now), names(&[]));
        assert!(!leases.wants_a_look(second(1)) && leases.wants_a_look(second(2)));
        assert_eq!(leases.wanted_now(&theirs, &me(), second(29)), names(&[]));
        let prolonged = [lease("a", 1, "another", 1)];
        assert_eq!(leases.wanted_now(&prolonged, &me(), second(31)), names(&[]));
        assert_eq!(leases.wanted_now(&prolonged, &me(), second(60)), names(&[]));
        assert_eq!(leases.wanted_now(&prolonged, &me(), second(62)), names(&["a"]));
        // One that was given back is free at once.
        leases.enter("b", now);
        assert_eq!(leases.wanted_now(&[lease("b", 7, "", 9)], &me(), now), names(&["b"]));
    }

    #[test]
    fn another_token_is_another_lease() {
        let (mut leases, now) = (Leases::new(LASTING), Instant::now());
        leases.enter("a", now);
        leases.take(&names(&["a"]), granted("a", 1), now);
        let before = Arc::clone(leases.of("a").unwrap().1);
        let later = now + Duration::from_mins(1);
        let answer = leases.take(&names(&["a"]), granted("a", 3), later);
        assert_eq!(answer.gained, names(&["a"]));
        assert_eq!((before.ends(), leases.of("a").unwrap().1.ends()), (now + LASTING, later + LASTING));
    }
}
