//! [`Tally`]: whether a hub is worth listening to, from what the ledger notes.

use std::ops::ControlFlow;
use std::time::Duration;

use feedspine_core::{Fetch, Json, Timestamp};

use crate::ledger::{backup_of, pushed_of};

/// Fetches of so long are counted.
const COUNTED: Duration = Duration::from_hours(7 * 24);

/// What a hub told of within the last seven days, and what it did not.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Tally {
    /// Items that the hub told of before anybody asked the feed.
    pub announced: u64,
    /// Items that were found by asking the feed while a subscription held.
    pub found: u64,
    /// Those among them of which the hub told within fifteen minutes after.
    pub near_misses: u64,
    /// How often the hub told something.
    pub deliveries: u64,
}

impl Tally {
    /// As it is shown.
    pub(crate) fn to_json(self) -> Json {
        Json::object([
            ("announced", self.announced.into()),
            ("found", self.found.into()),
            ("near_misses", self.near_misses.into()),
            ("deliveries", self.deliveries.into()),
        ])
    }
}

/// Counts fetches, the newest first; ends with the first that is too old.
pub(crate) fn tally(held: &mut Tally, fetches: &[Fetch], now: Timestamp) -> ControlFlow<()> {
    let most = i64::try_from(COUNTED.as_micros()).unwrap_or(i64::MAX);
    for fetch in fetches {
        if now.micros_since(fetch.intent.started_at) > most {
            return ControlFlow::Break(());
        }
        if let Some(pushed) = pushed_of(fetch) {
            held.deliveries += 1;
            held.announced += pushed.new;
            held.near_misses += pushed.near_misses;
        }
        held.found += backup_of(fetch);
    }
    ControlFlow::Continue(())
}

#[cfg(test)]
mod tests {
    use feedspine_core::{FeedId, FetchDetail, FetchId, FetchIntent};

    use super::*;
    use crate::fetch::Traced;
    use crate::ledger::{Account, HubTold, notes};

    #[test]
    fn what_a_hub_told_and_what_it_did_not_is_counted_for_seven_days() {
        let now: Timestamp = "2026-11-27T12:00:00Z".parse().unwrap();
        let told = |new, near_misses| Some(HubTold { hub: "https://h.example/".into(), new, near_misses });
        let fetch = |(hours, pushed, backup): (i64, Option<HubTold>, u64)| {
            let started_at = now.saturating_add_micros(-hours * 3_600 * 1_000_000);
            let (fetch, feed) = (FetchId::from_u128(2), FeedId::from_u128(1));
            let intent = FetchIntent { fetch, feed, started_at, address: "https://a.example/feed".into() };
            let traced = Traced::default();
            let notes = notes(&intent, &Account { pushed, backup, ..Account::of(&traced) });
            Fetch { intent, detail: Some(FetchDetail { notes, ..FetchDetail::interrupted(started_at) }) }
        };
        let recent = [(0, told(3, 0), 0), (1, None, 2), (2, told(0, 1), 0), (3, None, 0), (168, told(1, 0), 0)];
        let recent: Vec<Fetch> = recent.into_iter().map(fetch).collect();
        let mut counted = Tally::default();
        assert_eq!(tally(&mut counted, &recent, now), ControlFlow::Continue(()));
        let expected = Tally { announced: 4, found: 2, near_misses: 1, deliveries: 3 };
        assert_eq!(counted, expected);
        assert_eq!(tally(&mut counted, &[fetch((169, told(9, 9), 9))], now), ControlFlow::Break(()));
        assert_eq!(counted, expected);
    }
}
