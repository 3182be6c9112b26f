//! [`Tally`]: whether a hub is worth listening to, from what the ledger notes.

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
pub(crate) fn tally(held: &mut Tally, fetches: &[Fetch], now: Timestamp) -> std::ops::ControlFlow<()> {
    let most = i64::try_from(COUNTED.as_micros()).unwrap_or(i64::MAX);
    for fetch in fetches {
        if now.micros_since(fetch.intent.started_at) > most {
            return std::ops::ControlFlow::Break(());
        }
        if let Some(pushed) = pushed_of(fetch) {
            held.deliveries += 1;
            held.announced += pushed.new;
            held.near_misses += pushed.near_misses;
        }
        held.found += backup_of(fetch);
    }
    std::ops::ControlFlow::Continue(())
}
