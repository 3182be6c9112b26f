//! What a fetch hands to the store, and what the store answers.

use crate::json::Json;
use crate::{Content, FeedId, FetchId, HashRule, KeyRule, NaturalKey, Round, Timestamp, VersionNo};

/// One parsed item, not yet judged.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Candidate {
    /// What makes it that item.
    pub key: NaturalKey,
    /// Where the key was taken from.
    pub key_rule: KeyRule,
    /// Its place in the document, from 0, counted over all parts of the fetch.
    pub ordinal: u32,
    /// Its content.
    pub content: Content,
    /// When the publisher says it was published; an unreadable date is `None`, never "now".
    pub published: Option<Timestamp>,
    /// When the publisher says it was last updated.
    pub updated: Option<Timestamp>,
}

/// An item that could not be taken: kept in quarantine with its reason.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Reject {
    /// Its place in the document, from 0.
    pub ordinal: u32,
    /// Its key, when it had one: then it counts as present.
    pub key: Option<NaturalKey>,
    /// What is wrong in one word, such as `key.missing` or `field.too_long`.
    pub code: String,
    /// What is wrong in a sentence.
    pub reason: String,
    /// The beginning of the item as it came.
    pub excerpt: String,
}

/// Which part of a fetch a batch is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Part {
    /// 0, 1, 2 …
    pub index: u32,
    /// No part follows.
    pub last: bool,
}

impl Part {
    /// A fetch that comes in one batch.
    pub const ONLY: Self = Self { index: 0, last: true };
}

/// What a batch says of the items it does not list.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Coverage {
    /// The items are all that the feed holds now.
    Snapshot {
        /// False after a reject without a key, or an item cap.
        complete: bool,
    },
    /// These items were seen; nothing is said of others.
    Delta,
    /// The feed holds what it held: a 304, or the same bytes. No items.
    Unchanged {
        /// The fetch that told the current manifest, or an Unchanged one on it.
        of: FetchId,
    },
}

impl Coverage {
    /// The word used in stores and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Snapshot { complete: true } => "snapshot",
            Self::Snapshot { complete: false } => "incomplete",
            Self::Delta => "delta",
            Self::Unchanged { .. } => "unchanged",
        }
    }
}

/// What becomes of the feed's cursor; it commits with the items.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum CursorStep {
    /// Compare and set: the cursor's revision must be `expected` (0 when there is none yet).
    Advance {
        /// The revision that was read before the fetch.
        expected: u64,
        /// What the engine wants to find next time: validators, page tokens, versions.
        next: Json,
    },
    /// Leave the cursor as it is: push and seed calls.
    Keep,
}

/// A feed's cursor, as the engine left it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FeedCursor {
    /// Grows by one with each commit that advances it.
    pub revision: u64,
    /// What the engine stored.
    pub value: Json,
    /// The observation that told the current manifest: what an Unchanged batch names.
    pub manifest: Option<FetchId>,
}

/// One unit of work: happens wholly or not at all.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct IngestBatch {
    /// The feed.
    pub feed: FeedId,
    /// A UUIDv7 made before the request went out.
    pub fetch: FetchId,
    /// A fetch may come in several batches.
    pub part: Part,
    /// When the feed was read: the engine's clock, never the backend's. The same for all parts.
    pub observed_at: Timestamp,
    /// When the engine handed it over: as-of questions go by this alone.
    pub recorded_at: Timestamp,
    /// What is said of items that are not listed.
    pub coverage: Coverage,
    /// Which part of the content decides a version.
    pub hash_rule: HashRule,
    /// The items, in the order of the document.
    pub items: Vec<Candidate>,
    /// Quarantined in the same transaction.
    pub rejects: Vec<Reject>,
    /// What becomes of the cursor.
    pub step: CursorStep,
}

/// What became of one item.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Outcome {
    /// Captured for the first time.
    New {
        /// The version it got.
        version: VersionNo,
    },
    /// Another content than before: a further version.
    Changed {
        /// The version it got.
        version: VersionNo,
    },
    /// A content that is held already.
    Unchanged,
    /// The same key and content as another item of this fetch.
    Repeated,
    /// The same key as another item of this fetch, with a content that lost: quarantined as `key.collision`.
    Collided,
}

/// How many of what; `seen = new + changed + unchanged + rejected`, each equal to a count over the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Counts {
    /// Distinct keys plus rejects; for Unchanged, the size of the manifest.
    pub seen: u64,
    /// Captured for the first time.
    pub new: u64,
    /// Got a further version.
    pub changed: u64,
    /// Sightings that are neither.
    pub unchanged: u64,
    /// Quarantined.
    pub rejected: u64,
    /// Items equal to another of the same fetch; not in `seen`.
    pub repeated: u64,
    /// Spans that ended as withdrawn.
    pub withdrawn: u64,
    /// Spans that ended as scrolled off.
    pub scrolled_off: u64,
    /// Spans that began again after one had ended as withdrawn or scrolled off.
    pub returned: u64,
    /// Gaps: 1 when the document shares nothing with the one before it.
    pub gaps: u64,
    /// Sightings among the unchanged whose content differs from the version they show in [minor](crate::Version::is_minor)
    /// ways alone, and was not kept, since the record churns.
    #[cfg_attr(feature = "serde", serde(default))]
    pub held_back: u64,
}

impl std::ops::AddAssign for Counts {
    fn add_assign(&mut self, other: Self) {
        self.seen += other.seen;
        self.new += other.new;
        self.changed += other.changed;
        self.unchanged += other.unchanged;
        self.rejected += other.rejected;
        self.repeated += other.repeated;
        self.withdrawn += other.withdrawn;
        self.scrolled_off += other.scrolled_off;
        self.returned += other.returned;
        self.gaps += other.gaps;
        self.held_back += other.held_back;
    }
}

/// What the store did with a batch.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct IngestReport {
    /// The feed's round; `None` for Delta and for a part that is not the last.
    pub round: Option<Round>,
    /// The cursor's revision after the commit.
    pub revision: u64,
    /// How many of what.
    pub counts: Counts,
    /// One for each item, in order.
    pub outcomes: Vec<Outcome>,
    /// This batch had been committed before: nothing was done, the first answer is given again.
    pub replayed: bool,
}

/// A row of the ledger: a committed fetch that told us something of what the feed holds.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Observation {
    /// The feed.
    pub feed: FeedId,
    /// The fetch.
    pub fetch: FetchId,
    /// Its round; `None` for Delta, and for a Snapshot whose last part never came (it counts as Delta).
    pub round: Option<Round>,
    /// What it covered.
    pub coverage: Coverage,
    /// When the feed was read.
    pub observed_at: Timestamp,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Sums over its parts.
    pub counts: Counts,
}
