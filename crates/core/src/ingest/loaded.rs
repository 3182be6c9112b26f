//! What a backend loads for the plan.

use std::collections::HashMap;

use super::{Known, Present};
use crate::{ContentHash, KeyHashMap, KeyHashSet, NaturalKey, RecordId, SpanEnd, Timestamp, VersionNo};

/// A bronze version and its hash under the batch's rule.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Shown {
    /// The version.
    pub version: VersionNo,
    /// Its hash.
    pub hash: ContentHash,
}

/// What a backend loaded for [`Prepared::plan`]. More than is asked for does no harm.
#[derive(Debug, Clone, Default)]
pub struct Loaded {
    /// The feed's open spans, what they show hashed under the batch's rule (see [`Prepared::changes_rule`]). Those of the
    /// batch's own keys are enough unless the batch [closes the document](Prepared::closes_document) or changes the rule.
    pub present: KeyHashMap<Present>,
    /// What earlier parts of this fetch have shown, hashed under the batch's rule. Of the batch's own keys, unless it
    /// [closes the document](Prepared::closes_document): then of all.
    pub earlier: KeyHashMap<Earlier>,
    /// What is known of the keys that [`Prepared::unsettled`] named; keys without a record are left out.
    pub known: KeyHashMap<Known>,
    /// The keys of rejects that earlier parts of this fetch quarantined, when the batch
    /// [closes the document](Prepared::closes_document).
    pub rejected: KeyHashSet,
    /// The keys of the records that [`Prepared::unnamed`] named.
    pub keys: HashMap<RecordId, NaturalKey>,
}

/// What an earlier part of the fetch has shown of a key.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Earlier {
    /// The record.
    pub record: RecordId,
    /// The version and hash it showed.
    pub shown: Shown,
    /// Published, else first seen.
    pub age: Timestamp,
    /// Its place in the document.
    pub ordinal: u32,
    /// Why the key had left the feed before this fetch; `None` while it is present, and when it never was.
    pub left: Option<SpanEnd>,
}

impl Earlier {
    /// Whether the document that it is part of brings its key back.
    pub(super) fn returns(&self) -> bool {
        returns(self.left)
    }
}

/// Whether a key comes back when it is listed again; after `unknown` nobody knows that it was gone.
pub(super) fn returns(left: Option<SpanEnd>) -> bool {
    matches!(left, Some(SpanEnd::Withdrawn | SpanEnd::ScrolledOff))
}
