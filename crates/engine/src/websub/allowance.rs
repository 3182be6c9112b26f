//! [`Allowances`]: how much hubs may tell. Whoever publishes a feed chooses its hub, and what is told is kept.

use std::collections::HashMap;
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

use feedspine_core::FeedId;
use tokio::time::Instant;

/// The span of time in which deliveries are counted.
const SPAN: Duration = Duration::from_mins(1);
/// The most that is told of one feed within it: in deliveries, and in bytes. The busiest hubs tell of an item a second.
const MOST: (u32, u64) = (120, 64 * 1024 * 1024);
/// Spans that are over are forgotten when so many feeds are known.
const FEEDS_KEPT: usize = 4_096;

/// What was told of each feed lately.
#[derive(Debug, Default)]
pub(crate) struct Allowances(Mutex<HashMap<FeedId, Spent>>);

#[derive(Debug, Clone, Copy)]
struct Spent {
    began: Instant,
    deliveries: u32,
    bytes: u64,
}

impl Allowances {
    /// Whether so many bytes more may be told of a feed now; then they are counted.
    pub(super) fn take(&self, feed: FeedId, bytes: u64, now: Instant) -> bool {
        // No holder can panic half-way.
        let mut spent = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if spent.len() >= FEEDS_KEPT {
            spent.retain(|_, spent| !spent.is_over(now));
        }
        let spent = spent.entry(feed).or_insert_with(|| Spent::begun(now));
        if spent.is_over(now) {
            *spent = Spent::begun(now);
        }
        let (deliveries, bytes) = (spent.deliveries.saturating_add(1), spent.bytes.saturating_add(bytes));
        // One that is larger than all that is allowed was received as one that may be as large.
        let fits = deliveries <= MOST.0 && (bytes <= MOST.1 || spent.deliveries == 0);
        if fits {
            (spent.deliveries, spent.bytes) = (deliveries, bytes);
        }
        fits
    }
}

impl Spent {
    fn begun(now: Instant) -> Self {
        Self { began: now, deliveries: 0, bytes: 0 }
    }

    fn is_over(&self, now: Instant) -> bool {
        now.duration_since(self.began) >= SPAN
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn so_much_is_told_of_a_feed_within_a_minute_and_no_more() {
        let (one, other) = (FeedId::from_u128(1), FeedId::from_u128(2));
        let begun = Instant::now();
        let at = |seconds| begun + Duration::from_secs(seconds);
        let spent = Allowances::default();
        for _ in 0..120 {
            assert!(spent.take(one, 10, at(0)));
        }
        assert!(!spent.take(one, 10, at(59)) && spent.take(other, 10, at(59)));
        assert!(spent.take(one, 10, at(60)));
        let half = MOST.1 / 2;
        assert!(spent.take(other, half - 10, at(60)) && spent.take(other, half, at(60)));
        assert!(!spent.take(other, 1, at(60)) && spent.take(other, 2 * MOST.1, at(120)));
        assert!(!spent.take(other, 1, at(121)));
    }

    #[test]
    fn feeds_of_which_nothing_is_told_any_more_are_forgotten() {
        let (spent, begun) = (Allowances::default(), Instant::now());
        for number in 0..FEEDS_KEPT {
            assert!(spent.take(FeedId::from_u128(number as u128), 1, begun));
        }
        assert!(spent.take(FeedId::from_u128(u128::MAX), 1, begun + SPAN));
        assert_eq!(spent.0.lock().unwrap().len(), 1);
    }
}
