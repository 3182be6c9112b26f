//! The ordered change log that followers read.

use std::fmt;

use crate::{FeedId, FetchId, Layer, NaturalKey, RecordId, StorageError, Timestamp, VersionNo};

/// A position in the change log: opaque, ascending, not dense. The default is the beginning.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash, Default)]
pub struct Seq(Vec<u8>);

impl Seq {
    /// Before the first change.
    pub fn start() -> Self {
        Self::default()
    }

    /// Wraps a backend's own bytes; their order is the order of changes.
    pub fn from_bytes(bytes: impl Into<Vec<u8>>) -> Self {
        Self(bytes.into())
    }

    /// A position that is one ascending number.
    pub fn from_number(number: u64) -> Self {
        Self(number.to_be_bytes().to_vec())
    }

    /// The number; `None` when this position is not one (the beginning is 0).
    pub fn as_number(&self) -> Option<u64> {
        if self.0.is_empty() { Some(0) } else { self.0.as_slice().try_into().ok().map(u64::from_be_bytes) }
    }

    /// The bytes.
    pub fn as_bytes(&self) -> &[u8] {
        &self.0
    }

    /// The error for bytes that are no position of the log that is asked.
    pub fn unreadable() -> StorageError {
        StorageError::invalid("not a position of this change log")
    }

    /// The error for a position of another log, or of this one before the store was restored.
    pub fn of_another_log() -> StorageError {
        StorageError::invalid("the position is of another change log: this store was restored, or is another one")
            .with_hint("follow this log from its beginning")
    }
}

impl fmt::Display for Seq {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&crate::hexadecimal::encode(&self.0))
    }
}

/// What happened.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum ChangeKind {
    /// A record was captured or written for the first time.
    New,
    /// A record got another version at a layer it had.
    Changed,
    /// A record got its first version at a further layer.
    Promoted,
    /// An item was taken down; the change names its witness.
    Withdrawn,
    /// An item was pushed out at the old end of its feed.
    ScrolledOff,
    /// An item that had left a feed is listed there again.
    Returned,
    /// A document shares no item with the one before it: some may have been missed.
    Gap,
    /// A record, or a layer of it, was deleted on demand.
    Deleted,
}

impl ChangeKind {
    /// All kinds.
    pub const ALL: [Self; 8] = [
        Self::New,
        Self::Changed,
        Self::Promoted,
        Self::Withdrawn,
        Self::ScrolledOff,
        Self::Returned,
        Self::Gap,
        Self::Deleted,
    ];

    /// The word used in stores and JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::New => "new",
            Self::Changed => "changed",
            Self::Promoted => "promoted",
            Self::Withdrawn => "withdrawn",
            Self::ScrolledOff => "scrolled_off",
            Self::Returned => "returned",
            Self::Gap => "gap",
            Self::Deleted => "deleted",
        }
    }

    /// The kind that is called so.
    pub fn from_word(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|kind| kind.as_str() == word)
    }
}

impl fmt::Display for ChangeKind {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

/// What happened, to which record, through which feed.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Event {
    /// What happened.
    pub kind: ChangeKind,
    /// The record; `None` for a gap, which concerns a feed.
    pub subject: Option<Subject>,
    /// The feed and fetch that showed it; `None` for a call.
    pub feed: Option<FeedId>,
    /// The fetch.
    pub fetch: Option<FetchId>,
    /// For `withdrawn`: the strictly older item that is still listed.
    pub witness: Option<RecordId>,
    /// When it was recorded.
    pub recorded_at: Timestamp,
}

impl Event {
    /// What a call did to a record, not a fetch.
    pub fn by_call(kind: ChangeKind, subject: Subject, recorded_at: Timestamp) -> Self {
        Self { kind, subject: Some(subject), feed: None, fetch: None, witness: None, recorded_at }
    }
}

/// The record and version that an event concerns.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Subject {
    /// The record.
    pub record: RecordId,
    /// Its natural key.
    pub key: NaturalKey,
    /// The layer; `None` when all layers were deleted.
    pub layer: Option<Layer>,
    /// The version that is new, or was shown last.
    pub version: Option<VersionNo>,
}

/// An entry of the change log. Rows stay when the record is deleted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Change {
    /// Its position.
    pub seq: Seq,
    /// What happened.
    pub event: Event,
}
