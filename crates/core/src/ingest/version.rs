//! Which version an item shows.

use std::cmp::Reverse;

use super::prepare::{Contender, Entry};
use super::{Candidate, Shown, StoredVersion};
use crate::{Content, ContentHash, HashRule, RecordId, Round, SpanEnd, Timestamp, VersionNo};

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
    /// The last [`CHURN`] bronze versions, oldest first, where [`may_churn`] says so; else none.
    pub recent: Vec<Recent>,
}

/// A version as far as it tells whether its record churns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// Its content.
    pub content: Content,
}

impl Recent {
    /// What a stored version tells.
    pub fn of(stored: &StoredVersion) -> Self {
        Self { recorded_at: stored.version.recorded_at, content: stored.version.content.clone() }
    }
}

/// So many versions one after the other that say the same, 24 of them minor, make a record churn: a page that is built anew
/// for each reader has one at each poll.
pub const CHURN: u32 = 25;

/// Of a record that churns one minor version is kept in so many microseconds: a day.
const PAUSE: i64 = 24 * 60 * 60 * 1_000_000;

/// Whether a record with that current version may churn: then [`Known::recent`] is to be loaded.
pub fn may_churn(current: Option<Shown>) -> bool {
    current.is_some_and(|current| current.version.get() >= CHURN)
}

/// Whether a further version is held back: the record churns, this one says what the others say, and the last one is not
/// a day old.
pub(super) fn is_held_back(rule: &HashRule, content: &Content, at: Timestamp, recent: &[Recent]) -> bool {
    let Some(newest) = recent.last().filter(|_| recent.len() >= CHURN as usize) else { return false };
    if at.as_micros().saturating_sub(newest.recorded_at.as_micros()) >= PAUSE {
        return false;
    }
    let gist = rule.gist(content);
    recent.iter().rev().all(|version| rule.gist(&version.content) == gist)
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

/// The contender that stands for its key, whatever the order of the document.
pub(super) fn winner(entry: &Entry, items: &[Candidate], shown: Option<Shown>) -> Contender {
    if entry.rivals.is_empty() {
        return entry.first;
    }
    let told = entry.contenders().map(|contender| (&items[contender.item], contender.hash));
    let prevails = prevailing(told, shown.map(|shown| shown.hash));
    entry.contenders().find(|contender| Some(contender.hash) == prevails).expect("an entry has a contender")
}

/// The hash of the content that stands for a key which several items of one document have, each given with its hash,
/// whatever their order: what the feed showed last, else the latest updated, else the latest published, else the smallest
/// hash. `None` of no items.
pub fn prevailing<'a>(
    items: impl Iterator<Item = (&'a Candidate, ContentHash)>,
    shown: Option<ContentHash>,
) -> Option<ContentHash> {
    let rank =
        |(item, hash): (&Candidate, ContentHash)| (Some(hash) == shown, item.updated, item.published, Reverse(hash));
    items.map(rank).max().map(|(.., Reverse(hash))| hash)
}
