//! [`Slowed`]: how much more rarely than its rate allows a host is asked, since it said that it was asked too often.

use std::time::Duration;

use tokio::time::Instant;

/// However often a host refuses, it is asked as often as this, unless its rate allows less.
const LONGEST: Duration = Duration::from_mins(1);
/// Each time that it refused nothing for so long, the time between two requests is halved again.
const HALVED_AFTER: Duration = Duration::from_hours(1);
/// Refusals so close together are of requests that were under way at once: they count as one.
const AT_ONCE: Duration = Duration::from_secs(30);

/// How often the time between two requests was doubled, and when the host refused last.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Slowed {
    doublings: u32,
    last: Instant,
}

impl Slowed {
    /// A host that was asked every `usual` at most refuses.
    pub(super) fn refused(held: Option<Self>, usual: Duration, now: Instant) -> Option<Self> {
        if let Some(held) = held.filter(|held| now.saturating_duration_since(held.last) < AT_ONCE) {
            return Some(held);
        }
        let left = held.map_or(0, |held| held.left(now));
        let doublings = (left + 1).min(most(usual));
        (doublings > 0).then_some(Self { doublings, last: now })
    }

    /// What is known of it here or from elsewhere, whichever is of the later refusal.
    pub(super) fn later(held: Option<Self>, recalled: Self) -> Self {
        held.filter(|held| recalled.last < held.last + AT_ONCE).unwrap_or(recalled)
    }

    /// One that refused last so long ago; `None` when that is so long that nothing is left of it.
    pub(super) fn of_before(doublings: u32, ago: Duration, now: Instant) -> Option<Self> {
        let last = now.checked_sub(ago)?;
        Some(Self { doublings, last }).filter(|slowed| slowed.left(now) > 0)
    }

    /// How often it is still doubled.
    pub(super) fn left(&self, now: Instant) -> u32 {
        let halvings = now.saturating_duration_since(self.last).as_secs() / HALVED_AFTER.as_secs();
        self.doublings.saturating_sub(u32::try_from(halvings).unwrap_or(u32::MAX))
    }

    /// How often it was doubled, and how long ago it refused.
    pub(super) fn told(&self, now: Instant) -> (u32, Duration) {
        (self.doublings, now.saturating_duration_since(self.last))
    }

    /// The least time between two requests.
    pub(super) fn interval(held: Option<Self>, usual: Duration, now: Instant) -> Duration {
        let doublings = held.map_or(0, |held| held.left(now)).min(most(usual));
        usual.saturating_mul(1 << doublings).min(LONGEST.max(usual))
    }
}

/// How often a length is doubled until it is the longest.
fn most(usual: Duration) -> u32 {
    if usual.is_zero() {
        return 0;
    }
    (0..u32::BITS - 1).find(|doublings| usual.saturating_mul(1 << doublings) >= LONGEST).unwrap_or(u32::BITS - 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    #[test]
    fn each_refusal_doubles_the_time_between_requests_and_each_hour_without_one_halves_it() {
        let begun = Instant::now();
        // The seconds at which it refuses, the second that is asked about, its rate in ms, and what holds then in ms.
        for (refusals, at, usual, expected) in [
            (&[][..], 0, 1_000, 1_000),
            (&[0], 0, 1_000, 2_000),
            (&[0], 3_599, 1_000, 2_000),
            (&[0], 3_600, 1_000, 1_000),
            (&[0, 29], 29, 1_000, 2_000),
            (&[0, 30], 30, 1_000, 4_000),
            (&[0, 100, 200], 3_700, 1_000, 8_000),
            (&[0, 100, 200], 3_800, 1_000, 4_000),
            (&[0, 100, 200], 11_000, 1_000, 1_000),
            (&[0, 100, 3_700], 3_700, 1_000, 4_000),
            (&[0, 100, 200, 300, 400, 500, 600, 700], 700, 1_000, 60_000),
            (&[0, 100, 200, 300, 400, 500, 600, 700], 4_300, 1_000, 32_000),
            (&[0, 100, 200, 300, 400, 500, 600, 700], 700, 125, 32_000),
            (&[0, 100], 100, 90_000, 90_000),
            (&[0, 100], 100, 0, 0),
        ] {
            let usual = Duration::from_millis(usual);
            let mut held = None;
            for refusal in refusals {
                held = Slowed::refused(held, usual, begun + *refusal * SECOND);
            }
            let interval = Slowed::interval(held, usual, begun + at * SECOND);
            assert_eq!(interval, Duration::from_millis(expected), "{refusals:?} {at} {usual:?}");
        }
    }

    #[test]
    fn of_what_is_known_here_and_elsewhere_the_later_counts() {
        let now = Instant::now() + 20_000 * SECOND;
        let before = |doublings, seconds| Slowed::of_before(doublings, seconds * SECOND, now);
        assert_eq!(before(2, 7_200), None);
        let held = before(3, 100);
        for (recalled, taken) in [(before(1, 50), before(1, 50)), (before(1, 90), held), (before(5, 200), held)] {
            assert_eq!(Slowed::later(held, recalled.unwrap()), taken.unwrap());
        }
        assert_eq!(Slowed::later(None, held.unwrap()), held.unwrap());
    }
}
