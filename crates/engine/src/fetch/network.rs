//! [`Network`]: whether it is our own network that is down, so that no feed is charged for it.
//!
//! Known by the hosts that were asked last for feeds that had been well until then: of twenty more than half were not
//! reached, or, while fewer are known, none of at least three. Hosts that were lost before tell nothing: there may be many
//! dead ones in a long list.

use std::collections::VecDeque;
use std::sync::{Mutex, MutexGuard, PoisonError};

/// So many hosts are remembered.
const HOSTS: usize = 20;
/// Of fewer nobody can tell.
const FEWEST: usize = 3;

/// The hosts that were asked last.
#[derive(Debug, Default)]
pub(crate) struct Network(Mutex<Recent>);

#[derive(Debug, Default)]
struct Recent {
    /// The latest last, each with whether it was reached.
    hosts: VecDeque<(String, bool)>,
    down: bool,
}

/// What an answer, or none, makes of the network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Link {
    Up,
    Down,
}

impl Network {
    /// A host was asked for a feed that had been well until then, and reached or not; or it was reached.
    pub(crate) fn note(&self, host: &str, reached: bool) -> Link {
        self.lock().note(host, reached)
    }

    pub(crate) fn link(&self) -> Link {
        if self.lock().down { Link::Down } else { Link::Up }
    }

    /// No holder can panic half-way.
    fn lock(&self) -> MutexGuard<'_, Recent> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Recent {
    fn note(&mut self, host: &str, reached: bool) -> Link {
        if reached && self.down {
            // What was not reached before says nothing of now.
            self.hosts.clear();
        }
        self.hosts.retain(|(held, _)| held != host);
        self.hosts.push_back((host.to_owned(), reached));
        if self.hosts.len() > HOSTS {
            self.hosts.pop_front();
        }
        let lost = self.hosts.iter().filter(|(_, reached)| !reached).count();
        let known = self.hosts.len();
        self.down = if known < HOSTS { known >= FEWEST && lost == known } else { lost * 2 > HOSTS };
        if self.down { Link::Down } else { Link::Up }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn note(network: &Network, hosts: std::ops::Range<u32>, reached: bool) -> Link {
        let mut link = network.link();
        for host in hosts {
            link = network.note(&host.to_string(), reached);
        }
        link
    }

    #[test]
    fn it_is_down_when_none_of_three_hosts_is_reached_and_up_with_the_first_that_is() {
        let network = Network::default();
        assert_eq!(note(&network, 0..2, false), Link::Up);
        assert_eq!(note(&network, 2..3, false), Link::Down);
        assert_eq!(note(&network, 1..2, true), Link::Up);
        assert_eq!(note(&network, 2..4, false), Link::Up);
    }

    #[test]
    fn one_host_that_is_asked_again_and_again_counts_once() {
        let network = Network::default();
        for _ in 0..50 {
            assert_eq!(network.note("a", false), Link::Up);
        }
    }

    #[test]
    fn of_many_hosts_more_than_half_have_to_be_lost() {
        let network = Network::default();
        note(&network, 0..20, true);
        assert_eq!(note(&network, 0..10, false), Link::Up);
        assert_eq!(note(&network, 10..11, false), Link::Down);
        // Later ones push the earliest out.
        assert_eq!(note(&network, 20..40, true), Link::Up);
    }
}
