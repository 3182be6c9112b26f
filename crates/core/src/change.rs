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

    /// That number of a log which begins another epoch whenever its store is made or restored. The bytes order as numbers
    /// do, behind those of the epoch; epoch 0 is a store from before there were any, whose positions are numbers alone.
    pub fn in_epoch(epoch: u32, number: u64) -> Self {
        match epoch {
            0 => Self::from_number(number),
            _ => Self([epoch.to_be_bytes().as_slice(), &number.to_be_bytes()].concat()),
        }
    }

    /// The number of a position that [`Seq::in_epoch`] made for this epoch; the beginning is 0.
    ///
    /// # Errors
    /// The position is of another epoch or another store, or is none.
    pub fn number_in(&self, epoch: u32) -> Result<u64, StorageError> {
        if self.0.is_empty() {
            return Ok(0);
        }
        let own = if epoch == 0 { Some(self.0.as_slice()) } else { self.0.strip_prefix(&epoch.to_be_bytes()) };
        if let Some(number) = own.and_then(|number| number.try_into().ok()) {
            return Ok(u64::from_be_bytes(number));
        }
        Err(match self.0.len() {
            // From before and since there are epochs, and PostgreSQL's.
            8 | 12 | 16 | 24 => Self::of_another_log(),
            _ => Self::unreadable(),
        })
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ErrorKind;

    #[test]
    fn a_position_is_read_back_in_its_own_epoch_alone() {
        for epoch in [0, 1, u32::MAX] {
            let positions = [0, 1, 255, 256, u64::MAX].map(|number| (number, Seq::in_epoch(epoch, number)));
            assert!(positions.is_sorted_by_key(|(_, position)| position.clone()), "{positions:?}");
            for (number, position) in &positions {
                assert_eq!(position.number_in(epoch).unwrap(), *number);
                let error = position.number_in(epoch ^ 2).unwrap_err();
                assert_eq!((error.kind(), error.hint().is_some()), (ErrorKind::Invalid, true), "{error}");
            }
            assert_eq!(Seq::start().number_in(epoch).unwrap(), 0);
            assert_eq!(
                Seq::from_bytes([7; 3]).number_in(epoch).unwrap_err().to_string(),
                Seq::unreadable().to_string()
            );
        }
    }
}
