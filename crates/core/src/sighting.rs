//! Sightings: record r was seen in feed f by observation o at time t.

use std::num::NonZeroU64;

use crate::{FeedId, FetchId, NaturalKey, Timestamp, VersionNo};

/// The dense number 1, 2, 3 … of a feed's Snapshot and Unchanged observations.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Round(NonZeroU64);

impl Round {
    /// The first round.
    pub const FIRST: Self = Self(NonZeroU64::MIN);

    /// The round of that number; `None` for zero.
    pub fn new(number: u64) -> Option<Self> {
        NonZeroU64::new(number).map(Self)
    }

    /// The number.
    pub const fn get(self) -> u64 {
        self.0.get()
    }

    /// The round after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("no feed is polled 2^64 times"))
    }
}

/// One sighting. Each (key, feed, fetch) is exactly one.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Sighting {
    /// What was seen. The record may be absent or come later: sightings belong to the key.
    pub key: NaturalKey,
    /// Where.
    pub feed: FeedId,
    /// By which observation.
    pub fetch: FetchId,
    /// When, by the engine's clock.
    pub observed_at: Timestamp,
    /// The bronze version it showed; `None` for a sighting told by a call.
    pub version: Option<VersionNo>,
}

/// All sightings of one key in three figures, by arithmetic over spans: nothing is counted up at each poll.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Seen {
    /// How many sightings there are.
    pub count: u64,
    /// The earliest `observed_at` among them.
    pub earliest: Timestamp,
    /// The latest.
    pub latest: Timestamp,
}

impl Seen {
    /// The figures of these sightings; `None` when there are none.
    pub fn of(sightings: &[Sighting]) -> Option<Self> {
        let observed = || sightings.iter().map(|sighting| sighting.observed_at);
        Some(Self { count: sightings.len() as u64, earliest: observed().min()?, latest: observed().max()? })
    }
}

/// Why a span ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum SpanEnd {
    /// Taken down: a strictly older item of the document before is still listed.
    Withdrawn,
    /// Pushed out at the old end.
    ScrolledOff,
    /// The item stayed and shows another version since.
    Changed,
    /// It cannot be told: the document was incomplete, empty, not in date order, or shares nothing with the one before.
    Unknown,
}

impl SpanEnd {
    /// The word used in stores and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Withdrawn => "withdrawn",
            Self::ScrolledOff => "scrolled_off",
            Self::Changed => "changed",
            Self::Unknown => "unknown",
        }
    }

    /// The reason that is called so.
    pub fn from_word(word: &str) -> Option<Self> {
        [Self::Withdrawn, Self::ScrolledOff, Self::Changed, Self::Unknown].into_iter().find(|e| e.as_str() == word)
    }
}
