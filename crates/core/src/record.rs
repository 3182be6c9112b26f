//! Records, their layers and versions.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use crate::{Content, ContentHash, FeedId, FetchId, HashRuleId, KeyRule, NaturalKey, RecordId, Timestamp};

/// How refined a form of an item is. Each layer is its own row; promotion never overwrites bronze.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Layer {
    /// As captured.
    Bronze,
    /// Cleaned.
    Silver,
    /// Enriched.
    Gold,
}

impl Layer {
    /// From the rawest to the finest.
    pub const ALL: [Self; 3] = [Self::Bronze, Self::Silver, Self::Gold];

    /// The word used in stores, JSON and on the command line.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Bronze => "bronze",
            Self::Silver => "silver",
            Self::Gold => "gold",
        }
    }

    /// 0 for bronze, 1 for silver, 2 for gold.
    pub const fn rank(self) -> u8 {
        self as u8
    }

    /// The layer of that rank.
    pub const fn from_rank(rank: u8) -> Option<Self> {
        match rank {
            0 => Some(Self::Bronze),
            1 => Some(Self::Silver),
            2 => Some(Self::Gold),
            _ => None,
        }
    }
}

impl fmt::Display for Layer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl FromStr for Layer {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let found = Self::ALL.into_iter().find(|layer| layer.as_str() == text);
        found.ok_or_else(|| format!("no layer is called {text:?}: bronze, silver or gold"))
    }
}

/// The number of a version of one record at one layer: 1, 2, 3 … without gaps.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct VersionNo(NonZeroU32);

impl VersionNo {
    /// The first version.
    pub const FIRST: Self = Self(NonZeroU32::MIN);

    /// The version of that number; `None` for zero.
    pub fn new(number: u32) -> Option<Self> {
        NonZeroU32::new(number).map(Self)
    }

    /// The number.
    pub const fn get(self) -> u32 {
        self.0.get()
    }

    /// The version after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0.checked_add(1).expect("no record has 2^32 versions"))
    }
}

impl fmt::Display for VersionNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl fmt::Debug for VersionNo {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

/// What a version was derived from: the version and its hash, so that a stale derivation is known to be stale.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Lineage {
    /// The layer derived from.
    pub layer: Layer,
    /// The version derived from.
    pub version: VersionNo,
    /// That version's content hash.
    pub hash: ContentHash,
    /// The source layer was deleted since.
    pub source_deleted: bool,
}

/// What we hold for one natural key at one layer: its current version.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// Given once, never changed.
    pub id: RecordId,
    /// What makes the item that item.
    pub key: NaturalKey,
    /// Where the key was taken from when the record was made.
    pub key_rule: KeyRule,
    /// The layer of this row.
    pub layer: Layer,
    /// The current version's number at this layer.
    pub version: VersionNo,
    /// The current content.
    pub content: Content,
    /// What is known about the content rather than said by it: a JSON object.
    pub metadata: Content,
    /// When the publisher says it was published.
    pub published: Option<Timestamp>,
    /// When the publisher says it was last updated.
    pub updated: Option<Timestamp>,
    /// When the commit that created the record had observed it; never changes.
    pub first_seen: Timestamp,
    /// When the current version was recorded.
    pub recorded_at: Timestamp,
    /// What the current version was derived from.
    pub derived_from: Option<Lineage>,
}

/// One content that a record had at one layer.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Version {
    /// The record.
    pub record: RecordId,
    /// The layer.
    pub layer: Layer,
    /// 1, 2, 3 …
    pub number: VersionNo,
    /// What was captured or written.
    pub content: Content,
    /// Which part of the content decided that it is a version; the whole of it when it was written by a call.
    pub hash_rule: HashRuleId,
    /// The metadata it came with.
    pub metadata: Content,
    /// When the publisher says it was published.
    pub published: Option<Timestamp>,
    /// When the publisher says it was last updated.
    pub updated: Option<Timestamp>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The feed and fetch that brought it; `None` when it was written by a call, not captured.
    pub origin: Option<Origin>,
    /// What it was derived from.
    pub derived_from: Option<Lineage>,
}

impl Version {
    /// Whether it says what the version before it says, but for markup, white space, the date of its last update and
    /// counters of comments ([`HashRule::gist`](crate::HashRule::gist)). One that was written by a call is never minor, and
    /// none is where one of the two cannot be read.
    pub fn is_minor(&self, before: &Self) -> bool {
        let Some(rule) = self.origin.and_then(|_| self.hash_rule.rule()) else { return false };
        let gist = rule.gist(&self.content);
        gist.is_some() && gist == rule.gist(&before.content)
    }

    /// The row of a record whose current version this is.
    pub fn to_record(&self, key: NaturalKey, key_rule: KeyRule, first_seen: Timestamp) -> Record {
        Record {
            id: self.record,
            key,
            key_rule,
            layer: self.layer,
            version: self.number,
            content: self.content.clone(),
            metadata: self.metadata.clone(),
            published: self.published,
            updated: self.updated,
            first_seen,
            recorded_at: self.recorded_at,
            derived_from: self.derived_from.clone(),
        }
    }
}

/// The observation that brought a version.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Origin {
    /// The feed.
    pub feed: FeedId,
    /// The fetch.
    pub fetch: FetchId,
}

/// One record, by id or by natural key.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub enum RecordName {
    /// By id.
    Id(RecordId),
    /// By natural key.
    Key(NaturalKey),
}

/// One row: a record at a layer, or at its highest layer.
#[derive(Debug, Clone, PartialEq, Eq, Hash)]
pub struct RecordRef {
    /// Which record.
    pub name: RecordName,
    /// Which layer; `None` is the highest there is (and, when deleting, all of them).
    pub layer: Option<Layer>,
}

impl RecordRef {
    /// The record's highest layer, by id.
    pub const fn id(id: RecordId) -> Self {
        Self { name: RecordName::Id(id), layer: None }
    }

    /// The record's highest layer, by key.
    pub const fn key(key: NaturalKey) -> Self {
        Self { name: RecordName::Key(key), layer: None }
    }

    /// The same record at that layer.
    #[must_use]
    pub fn at(mut self, layer: Layer) -> Self {
        self.layer = Some(layer);
        self
    }
}

/// A version written by a call rather than captured: promotion, enrichment, import, the seed's `store`.
///
/// Content or metadata that differ from the current version append one. Equal ones add nothing; what they were derived
/// from, when they say so, takes the place of what the version was derived from before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct RecordWrite {
    /// The id that the record has, or gets when its key is new.
    pub id: RecordId,
    /// The natural key.
    pub key: NaturalKey,
    /// The layer to write.
    pub layer: Layer,
    /// The content.
    pub content: Content,
    /// The metadata, a JSON object.
    pub metadata: Content,
    /// When the publisher says it was published.
    pub published: Option<Timestamp>,
    /// When the publisher says it was last updated.
    pub updated: Option<Timestamp>,
    /// When the caller wrote it; also `first_seen` of a record that this creates.
    pub recorded_at: Timestamp,
    /// What it was derived from.
    pub derived_from: Option<Lineage>,
}
