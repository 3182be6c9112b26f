//! Which version an item shows.

use super::prepare::{Contender, Entry};
use super::{Candidate, Shown};
use crate::{ContentHash, RecordId, Round, SpanEnd, Timestamp, VersionNo};

/// An open span: a record that the feed was last known to hold.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Present {
    /// The record.
    pub record: RecordId,
    /// The version that the span shows.
    pub version: VersionNo,
    /// The span's first round.
    pub since: Round,
    /// What this feed showed last of the record; a Delta may have shown another version than the span's.
    pub shown: Shown,
    /// Published, else first seen: what decides which of two items is older.
    pub age: Timestamp,
}

/// What a store knows of a key that the manifest does not settle, and that has a record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Known {
    /// The record.
    pub record: RecordId,
    /// When it was first captured.
    pub first_seen: Timestamp,
    /// The current bronze version; `None` when the record has no bronze layer.
    pub current: Option<Shown>,
    /// What this feed showed last of it; `None` on this feed's first sight.
    pub shown: Option<Shown>,
    /// Why it left this feed; `None` while it is present, and when it never was.
    pub left: Option<SpanEnd>,
    /// Bronze versions, with the hashes they have under the batch's rule, that equal an item of the batch.
    pub matching: Vec<Shown>,
}

/// Which version an item shows, and whether it has to be appended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Judgement {
    pub(super) version: VersionNo,
    pub(super) append: bool,
}

/// Content is compared with what this feed showed last, then with the current version; on this feed's first sight with
/// any stored version. What equals none of them is appended.
pub(super) fn judge(hash: ContentHash, shown: Option<Shown>, known: Option<&Known>) -> Judgement {
    let held = |version| Judgement { version, append: false };
    if let Some(shown) = shown.filter(|shown| shown.hash == hash) {
        return held(shown.version);
    }
    let Some(current) = known.and_then(|known| known.current) else {
        return Judgement { version: VersionNo::FIRST, append: true };
    };
    if current.hash == hash {
        return held(current.version);
    }
    let earlier = known.and_then(|known| known.matching.iter().find(|version| version.hash == hash));
    match earlier {
        Some(earlier) if shown.is_none() => held(earlier.version),
        _ => Judgement { version: current.version.next(), append: true },
    }
}

/// The contender that stands for its key, whatever the order of the document: what this feed showed last, else the
/// latest updated, else the latest published, else the smallest hash.
pub(super) fn winner(entry: &Entry, items: &[Candidate], shown: Option<Shown>) -> Contender {
    if entry.rivals.is_empty() {
        return entry.first;
    }
    let shown_again = entry.contenders().find(|contender| shown.is_some_and(|shown| shown.hash == contender.hash));
    shown_again.unwrap_or_else(|| {
        let rank = |contender: &Contender| {
            let item = &items[contender.item];
            (item.updated, item.published, std::cmp::Reverse(contender.hash))
        };
        entry.contenders().max_by_key(rank).expect("an entry has a contender")
    })
}
