//! The words of `replay`.

use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use feedspine::core::{FeedName, Timestamp};
use feedspine::{Clock, SystemClock};

use super::at_least_one;
use super::watching::duration;

pub(super) const AFTER_REPLAY_HELP: &str = "\
Without --apply nothing is stored: what is told is what --apply would store. Each body that is kept is read again,
the oldest first, by today's parser and by what is chosen for its feed today, and each item is compared with what
the same fetch showed. The same again changes nothing.

What an item may be:
  changed    its current version says something else: a further version is stored, as seen then
  found      it was not seen then, or rejected: it becomes a record, or a version
  sighted    it was not seen then, and is stored: it gets a sighting of then
  older      a version after which others came says something else: history stays
  overtaken  it was not seen then, and its record holds what was read later
  rekeyed    it was stored then under another key: its record keeps that
  lost       it was stored then, and is no item now: it stays
  doubtful   it was not seen then, beside some that are lost, or were deleted: it may be one of them
  held_back  it says something else of a record that churns: it would be counted, not kept
  collides   another item of the same body has its key, and is taken
  same       it is as it was stored: it is counted alone
  rejected   it is still no item: it is counted alone

Examples:
  feedspine replay
  feedspine replay news --since 30d --apply";

#[derive(Debug, Args)]
pub(crate) struct Replay {
    /// The feed; else all
    pub(crate) feed: Option<FeedName>,
    /// Only what was fetched so long ago or less, such as 90m, 24h or 7d, or since then, such as 2026-11-01
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Store what changed or was found
    #[arg(long)]
    pub(crate) apply: bool,
    /// At most so many are told one by one; all are counted
    #[arg(long, short = 'n', value_name = "N", default_value = "100", value_parser = at_least_one)]
    pub(crate) limit: NonZeroUsize,
}

/// When something begins.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Since {
    /// So long before now.
    Ago(Duration),
    /// Then.
    At(Timestamp),
}

impl Since {
    /// The time.
    pub(crate) fn begin(self) -> Timestamp {
        match self {
            Self::Ago(duration) => {
                let micros = i64::try_from(duration.as_micros()).unwrap_or(i64::MAX);
                SystemClock.now().saturating_add_micros(-micros)
            }
            Self::At(at) => at,
        }
    }
}

/// As a duration, or as a date, which begins in UTC, or as an instant.
pub(super) fn since(text: &str) -> Result<Since, String> {
    if let Ok(duration) = duration(text) {
        return Ok(Since::Ago(duration));
    }
    let instant = text.parse().or_else(|_| format!("{text}T00:00:00Z").parse());
    instant.map(Since::At).map_err(|_| "expected a time such as 7d, 2026-11-01 or 2026-11-01T12:00:00Z".to_owned())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_time_is_so_long_ago_a_day_or_an_instant() {
        let at = |text: &str| Ok(Since::At(text.parse().unwrap()));
        assert_eq!(since("7d"), Ok(Since::Ago(Duration::from_hours(7 * 24))));
        assert_eq!(since("2026-11-01"), at("2026-11-01T00:00:00Z"));
        assert_eq!(since("2026-11-01T12:30:00+01:00"), at("2026-11-01T11:30:00Z"));
        for text in ["", "d", "yesterday", "2026-11", "2026-02-30"] {
            assert!(since(text).unwrap_err().starts_with("expected a time"), "{text}");
        }
    }
}
