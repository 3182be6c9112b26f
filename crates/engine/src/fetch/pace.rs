//! [`Pace`]: whether a body comes fast enough to be worth a place.

use tokio::time::Instant;

use crate::Limits;

/// How much of a body came in the current span of time.
#[derive(Debug)]
pub(super) struct Pace {
    since: Instant,
    bytes: u64,
}

impl Pace {
    pub(super) fn begin(now: Instant) -> Self {
        Self { since: now, bytes: 0 }
    }

    /// Takes a piece; whether as much has come as has to, in the span that ends now, if one does.
    pub(super) fn keeps_up(&mut self, now: Instant, bytes: usize, limits: &Limits) -> bool {
        self.bytes += bytes as u64;
        if now - self.since < limits.pace_over {
            return true;
        }
        let enough = self.bytes >= limits.pace_bytes;
        *self = Self::begin(now);
        enough
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;

    #[test]
    fn of_each_span_enough_has_to_come() {
        let limits = Limits { pace_bytes: 100, pace_over: Duration::from_secs(10), ..Limits::default() };
        let begun = Instant::now();
        // The second of each piece, its bytes, and whether that is enough.
        for story in [
            &[(1, 1, true), (9, 1, true), (10, 97, false)][..],
            &[(1, 1, true), (10, 99, true), (15, 1, true), (20, 99, true), (30, 99, false)],
            &[(9, 500, true), (25, 1, true), (35, 1, false)],
            &[(38, 1, false)],
        ] {
            let mut pace = Pace::begin(begun);
            for (second, bytes, enough) in story {
                let kept = pace.keeps_up(begun + Duration::from_secs(*second), *bytes, &limits);
                assert_eq!(kept, *enough, "{second} of {story:?}");
            }
        }
    }
}
