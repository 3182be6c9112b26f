//! Collecting: what is asked, what is told meanwhile, what is answered.

use feedspine_core::{Counts, FeedName, FetchId, FetchStatus, Json, Timestamp};

use super::json::{array, instant, text};
use super::{Ending, FetchOutcome, OpError, ToJson};

/// Which feeds are collected.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Which {
    /// All that are active.
    #[default]
    Active,
    /// These.
    Named(Vec<FeedName>),
}

/// A collect: each feed is fetched, parsed and stored.
#[derive(Debug, Clone, Default)]
pub struct Collect {
    /// Which feeds.
    pub which: Which,
    /// For this once they may all be at private addresses.
    pub allow_private: bool,
}

/// What is told while a collect runs.
#[derive(Debug)]
pub enum CollectEvent<'a> {
    /// The feeds are known.
    Begun {
        /// How many there are.
        feeds: usize,
    },
    /// A feed's fetch begins.
    Started {
        /// The feed.
        feed: &'a FeedName,
    },
    /// A feed is done.
    Ended {
        /// What came of it.
        report: &'a FeedReport,
    },
}

/// What came of a collect. What it reports is stored.
#[derive(Debug, Clone)]
pub struct CollectReport {
    /// The feeds, in the order they were asked for, else by name.
    pub feeds: Vec<FeedReport>,
    /// The sums of all counts.
    pub counts: Counts,
    /// Milliseconds from the first request to the last commit.
    pub duration_ms: u64,
}

/// What came of one feed.
#[derive(Debug, Clone)]
pub struct FeedReport {
    /// The feed.
    pub feed: FeedName,
    /// The fetch; `None` when none was begun.
    pub fetch: Option<FetchId>,
    /// How it ended, in the words of the store; [`FeedReport::told`] knows of resting hosts.
    pub outcome: FetchStatus,
    /// The HTTP status of the last answer; `None` for files and when there was no answer.
    pub http_status: Option<u16>,
    /// How many of what was stored; of a fetch that broke off, those of its parts that are.
    pub counts: Counts,
    /// Milliseconds from the request to the commit.
    pub duration_ms: u64,
    /// Bytes received, before decoding.
    pub wire_bytes: u64,
    /// Bytes after decoding.
    pub body_bytes: u64,
    /// What was mended on the way.
    pub warnings: Vec<String>,
    /// Why it failed.
    pub error: Option<OpError>,
    /// When it is fetched next by a daemon, and why then; `None` when nothing was decided.
    pub next: Option<NextFetch>,
}

/// When a feed is fetched next.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct NextFetch {
    /// `None` when it is not fetched by itself any more.
    pub at: Option<Timestamp>,
    /// In words.
    pub why: String,
    /// Whether the decision before was made for the same reasons.
    pub alike: Alike,
}

/// Whether a decision was made for the reasons of the one before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Alike {
    /// It was, but for chance.
    Yes,
    /// There are others now, or there was none before.
    No,
}

impl FeedReport {
    /// How it ended, as it is told.
    pub fn told(&self) -> FetchOutcome {
        FetchOutcome::told(self.outcome, self.http_status, self.error.as_ref().map(OpError::code))
    }

    /// Whether it was not asked, since its host asked to be left alone: that is no failure, and its turn comes when the rest is
    /// over.
    pub fn is_resting(&self) -> bool {
        self.told() == FetchOutcome::Resting
    }

    /// Whether it was asked in vain.
    pub fn has_failed(&self) -> bool {
        self.error.is_some() && !self.is_resting()
    }
}

impl CollectReport {
    /// The feeds that failed.
    pub fn failed(&self) -> impl Iterator<Item = &FeedReport> {
        self.feeds.iter().filter(|feed| feed.has_failed())
    }

    /// How many feeds were not asked because their hosts rest.
    pub fn resting(&self) -> usize {
        self.feeds.iter().filter(|feed| feed.is_resting()).count()
    }

    /// How a command that reports this ends.
    pub fn ending(&self) -> Ending {
        if self.failed().next().is_some() { Ending::SomeFeedsFailed } else { Ending::Done }
    }
}

impl ToJson for CollectReport {
    fn to_json(&self) -> Json {
        Json::object([
            ("feeds", array(&self.feeds)),
            ("counts", self.counts.to_json()),
            ("failed", (self.failed().count() as u64).into()),
            ("resting", (self.resting() as u64).into()),
            ("duration_ms", self.duration_ms.into()),
        ])
    }
}

impl ToJson for NextFetch {
    fn to_json(&self) -> Json {
        Json::object([("at", self.at.map(instant).into()), ("why", self.why.as_str().into())])
    }
}

impl ToJson for FeedReport {
    fn to_json(&self) -> Json {
        Json::object([
            ("feed", self.feed.as_str().into()),
            ("fetch", self.fetch.as_ref().map(text).into()),
            ("outcome", self.told().as_str().into()),
            ("http_status", self.http_status.map(u64::from).into()),
            ("counts", self.counts.to_json()),
            ("duration_ms", self.duration_ms.into()),
            ("wire_bytes", self.wire_bytes.into()),
            ("body_bytes", self.body_bytes.into()),
            ("warnings", self.warnings.clone().into()),
            ("error", self.error.as_ref().map(ToJson::to_json).into()),
            ("next", self.next.as_ref().map(ToJson::to_json).into()),
        ])
    }
}
