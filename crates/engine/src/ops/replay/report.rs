//! What a replay tells.

use std::collections::{BTreeMap, BTreeSet};
use std::num::NonZeroUsize;

use feedspine_core::{FeedName, FetchId, Json, NaturalKey, Timestamp, VersionNo};

use crate::ops::json::{array, instant, text};
use crate::ops::{Ending, FieldChange, OpError, ToJson};

/// What an item of a body that was read again is to what was stored of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ReplayKind {
    /// What was stored.
    Same,
    /// Something else than the current version: it becomes the current one.
    Changed,
    /// Something else than a version after which others came: history, which stays.
    Older,
    /// An item that was not seen then, or rejected: it becomes a record, or a version.
    Found,
    /// An item that was not seen then, and is stored: it gets a sighting of then.
    Sighted,
    /// An item that was stored then under another key: its record keeps that key.
    Rekeyed,
    /// An item that was stored then, and is none now: it stays.
    Lost,
    /// An item that was not seen then, beside some that are lost, or were deleted: it may be one of those.
    Doubtful,
    /// An item that was not seen then, and whose record holds what was read later.
    Overtaken,
    /// Something else, of a record that churns: it is counted, not kept.
    HeldBack,
    /// Another item of the same body has its key, and is stored.
    Collides,
    /// It is no item.
    Rejected,
}

impl ReplayKind {
    /// The word used in JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Same => "same",
            Self::Changed => "changed",
            Self::Older => "older",
            Self::Found => "found",
            Self::Sighted => "sighted",
            Self::Rekeyed => "rekeyed",
            Self::Lost => "lost",
            Self::Doubtful => "doubtful",
            Self::Overtaken => "overtaken",
            Self::HeldBack => "held_back",
            Self::Collides => "collides",
            Self::Rejected => "rejected",
        }
    }

    /// Whether it is stored when that is asked for.
    pub const fn is_stored(self) -> bool {
        matches!(self, Self::Changed | Self::Found | Self::Sighted)
    }
}

/// An item that today's rules read otherwise.
#[derive(Debug, Clone)]
pub struct Difference {
    /// The feed.
    pub feed: FeedName,
    /// The fetch that brought it.
    pub fetch: FetchId,
    /// When that had read the feed.
    pub observed_at: Timestamp,
    /// What it is to what was stored.
    pub kind: ReplayKind,
    /// Its key, by today's rules; of what is lost the one that it has.
    pub key: NaturalKey,
    /// The version that stands for what the fetch showed, where it showed one.
    pub version: Option<VersionNo>,
    /// What changes against that version.
    pub fields: Vec<FieldChange>,
    /// What else there is to say, such as the key that it has.
    pub note: Option<String>,
}

/// What a replay of one feed found.
#[derive(Debug, Clone)]
pub struct FeedReplayed {
    /// The feed.
    pub feed: FeedName,
    /// How many bodies were read again.
    pub bodies: u64,
    /// How many could not be read at all.
    pub unread: u64,
    /// How many fetches brought something of which nothing is kept.
    pub not_kept: u64,
    /// How many items are what, by the word. What differs is counted once, in however many bodies it stands.
    pub counts: BTreeMap<&'static str, u64>,
    /// The fetches by which something was stored.
    pub stored_by: Vec<FetchId>,
    /// Why it ended before its end, or what could not be read.
    pub error: Option<OpError>,
}

/// What a replay found.
#[derive(Debug, Clone)]
pub struct Replayed {
    /// Whether the differences were stored.
    pub applied: bool,
    /// The first differences one by one, by feed and then by fetch, the oldest first.
    pub items: Vec<Difference>,
    /// Each feed in figures.
    pub feeds: Vec<FeedReplayed>,
}

impl FeedReplayed {
    pub(super) fn of(feed: FeedName) -> Self {
        Self { feed, bodies: 0, unread: 0, not_kept: 0, counts: BTreeMap::new(), stored_by: Vec::new(), error: None }
    }

    pub(super) fn count(&mut self, kind: ReplayKind) {
        *self.counts.entry(kind.as_str()).or_default() += 1;
    }
}

impl Replayed {
    /// How many items of all feeds are that.
    pub fn count(&self, kind: ReplayKind) -> u64 {
        self.feeds.iter().filter_map(|feed| feed.counts.get(kind.as_str())).sum()
    }

    /// How many items of all feeds are what, by the word.
    pub fn counts(&self) -> BTreeMap<&'static str, u64> {
        let mut counts = BTreeMap::new();
        for (word, count) in self.feeds.iter().flat_map(|feed| &feed.counts) {
            *counts.entry(*word).or_default() += count;
        }
        counts
    }

    /// How many differences there are, told one by one or not.
    pub fn differences(&self) -> u64 {
        let untold = |word: &str| [ReplayKind::Same, ReplayKind::Rejected].iter().any(|kind| kind.as_str() == word);
        let told =
            |feed: &FeedReplayed| feed.counts.iter().filter(|(word, _)| !untold(word)).map(|(_, n)| n).sum::<u64>();
        self.feeds.iter().map(told).sum()
    }

    /// The next steps.
    pub fn hints(&self) -> BTreeSet<&str> {
        self.feeds.iter().filter_map(|feed| feed.error.as_ref()?.hint()).collect()
    }

    /// How a command that reports this ends.
    pub fn ending(&self) -> Ending {
        if self.feeds.iter().any(|feed| feed.error.is_some()) { Ending::SomeFeedsFailed } else { Ending::Done }
    }

    pub(super) fn tell(&mut self, difference: Difference, most: NonZeroUsize) {
        if self.items.len() < most.get() {
            self.items.push(difference);
        }
    }
}

fn counts_to_json<'a>(counts: impl IntoIterator<Item = (&'a &'static str, &'a u64)>) -> Json {
    Json::object(counts.into_iter().map(|(word, count)| (*word, (*count).into())))
}

impl ToJson for Replayed {
    fn to_json(&self) -> Json {
        Json::object([
            ("applied", self.applied.into()),
            ("counts", counts_to_json(&self.counts())),
            ("feeds", array(&self.feeds)),
            ("items", array(&self.items)),
        ])
    }
}

impl ToJson for FeedReplayed {
    fn to_json(&self) -> Json {
        Json::object([
            ("feed", self.feed.as_str().into()),
            ("bodies", self.bodies.into()),
            ("unread", self.unread.into()),
            ("not_kept", self.not_kept.into()),
            ("counts", counts_to_json(&self.counts)),
            ("stored_by", Json::Array(self.stored_by.iter().map(text).collect())),
            ("error", self.error.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl ToJson for Difference {
    fn to_json(&self) -> Json {
        Json::object([
            ("feed", self.feed.as_str().into()),
            ("fetch", text(&self.fetch)),
            ("observed_at", instant(self.observed_at)),
            ("kind", self.kind.as_str().into()),
            ("namespace", self.key.namespace().as_str().into()),
            ("key", self.key.key().into()),
            ("version", self.version.map(|version| u64::from(version.get())).into()),
            ("fields", array(&self.fields)),
            ("note", self.note.as_deref().into()),
        ])
    }
}
