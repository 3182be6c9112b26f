//! When a feed is fetched next: a pure function of what the operator wants, what is known of the feed, and what its last
//! fetch told. Time and chance are arguments.
//!
//! [`decide`] answers after each fetch, [`first`] for feeds that were not fetched since the program began. Each answer has a
//! [`Reason`], kept in the feed's [`Standing`] until the next. The rules:
//!
//! - A feed that answers is fetched in the rhythm that the operator gave it, else every 60 minutes, more rarely when it
//!   brings little. What its server and its document ask for is a lower bound, up to 24 hours.
//! - Of one that a hub tells of, the rest is a backup: it is fetched every 24 hours while the hub's lease lasts, unless the
//!   operator said how often.
//! - One that fails is tried again after 30 minutes, then after twice as long each time, up to seven days. Failures of its
//!   proxy are counted by themselves, and all anew once the operator changed what it may fail by. It is never given up, but
//!   for one that says three times, a day apart each, that it is gone.
//! - Nothing is scheduled in the past, nor more than seven days ahead, whatever a header, a clock or a store says.

mod cron;
mod decide;
mod failure;
mod hints;
mod interval;
mod json;
mod reason;
mod rhythm;
mod standing;
#[cfg(test)]
mod tests;

use feedspine_core::{Content, FeedId, Schedule, Timestamp};

use crate::moving::Pointing;

pub use cron::{Cron, CronError};
pub(crate) use decide::{changed, decide, first, pinged, untold};
pub(crate) use failure::Failure;
pub(crate) use hints::Hints;
pub(crate) use interval::told;
pub use interval::{Interval, IntervalError};
pub(crate) use reason::{Reason, Subject};
pub use rhythm::{Bounds, Pace, Rhythm, RhythmChoice};
pub use standing::Rest;
pub(crate) use standing::{Missed, Slowed, Standing, since};

/// Why a feed is fetched when it is, in words, from what its schedule keeps.
pub(crate) fn told_of(state: &Content) -> String {
    let reason = Standing::from_json(&state.to_json()).reason;
    reason.map_or_else(|| "no reason was written down".to_owned(), |reason| reason.to_string())
}

/// Where permanent redirects lead a feed, from what its schedule keeps.
pub(crate) fn pointing_of(state: &Content) -> Option<Pointing> {
    Standing::from_json(&state.to_json()).pointing
}

/// Until when a feed's host wants to be left alone, or wanted to, from what the feed's schedule keeps.
pub(crate) fn rest_of(state: &Content) -> Option<Rest> {
    // Of ten thousand feeds hardly one says so, and they are asked every few seconds: the others are not read.
    let says_so = state.as_str().contains(r#""rests_until":""#);
    says_so.then(|| Standing::from_json(&state.to_json()).rest).flatten()
}

/// How much more rarely a feed's host is asked, from what the feed's schedule keeps.
pub(crate) fn slowed_by(state: &Content) -> Option<Slowed> {
    let says_so = state.as_str().contains(r#""slowed":{"#);
    says_so.then(|| Standing::from_json(&state.to_json()).slowed).flatten()
}

/// Whether an error says that nobody was reached.
pub(crate) fn is_unreached(code: &str) -> bool {
    Failure::of(code, None) == Failure::Network
}

/// What the last fetch of a feed told.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Answer {
    /// When it ended.
    pub(crate) at: Timestamp,
    /// When the feed was to be fetched, as its schedule said; `None` when that was not said.
    pub(crate) due_at: Option<Timestamp>,
    /// What came of it.
    pub(crate) came: Came,
    /// What it asks for.
    pub(crate) hints: Hints,
}

/// What came of a fetch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// A document that was read and stored.
    Captured {
        /// Items that were never seen before.
        new: u64,
        /// Items of which there is another version now.
        changed: u64,
        /// Documents that share no item with the one before: some may have been missed between them.
        gaps: u64,
    },
    /// A 304, or the same bytes.
    Unchanged,
    /// Nothing, for this reason.
    Failed(Failure),
    /// Nothing, for no fault of the feed: its host rests, another fetch was first, the program ended.
    GivenUp,
}

/// What is known of a feed's host, and of the way to it, from other feeds.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Host {
    /// How other feeds of the host fare.
    pub(crate) others: Others,
    /// Until when the host is left alone.
    pub(crate) rest: Option<Rest>,
    /// How much more rarely than its rate allows it is asked.
    pub(crate) slowed: Option<Slowed>,
    /// Whether anybody can be reached.
    pub(crate) network: Network,
    /// Until when a hub tells of new items as they come.
    pub(crate) told_until: Option<Timestamp>,
}

/// How other feeds of a host fare.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Others {
    /// There are none, or they fail.
    #[default]
    Unknown,
    /// Some are answered: a 403 says that too much was asked, not that nothing may be.
    Succeed,
}

/// Whether anybody can be reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) enum Network {
    /// So it seems.
    #[default]
    Up,
    /// Most hosts cannot: a feed that cannot be reached either is not charged with it.
    Down,
}

/// When a feed is fetched next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Decision {
    /// When; `None` when it is gone, and to be paused for this reason.
    pub(crate) at: Option<Timestamp>,
    /// Why then.
    pub(crate) reason: Reason,
    /// What is to be kept for the next decision.
    pub(crate) standing: Standing,
}

impl Decision {
    /// What is written down of it.
    pub(crate) fn schedule_of(&self, feed: FeedId) -> Schedule {
        Schedule { feed, due_at: self.at, state: Content::new(&self.standing.to_json()) }
    }
}
