//! Why items that a document no longer lists have left: withdrawn, scrolled off, or not to be told.

use crate::{RecordId, SpanEnd, Timestamp};

/// An item of the manifest before, and whether the document still lists it.
#[derive(Debug, Clone, Copy)]
pub(super) struct Listed {
    pub(super) record: RecordId,
    /// Published, else first seen.
    pub(super) age: Timestamp,
}

/// What a document is good for as evidence.
#[derive(Debug, Clone, Copy)]
pub(super) struct Evidence<'a> {
    /// Nothing of the document was left out.
    pub(super) complete: bool,
    /// The ages of its items, in the order of the document.
    pub(super) ages: &'a [Timestamp],
    /// The items of the manifest before that it still lists.
    pub(super) listed: &'a [Listed],
}

/// Whether a document tells nothing about the items it left out.
pub(super) fn tells_nothing(evidence: &Evidence<'_>) -> bool {
    let newest_first = evidence.ages.is_sorted_by(|a, b| a >= b);
    let oldest_first = evidence.ages.is_sorted_by(|a, b| a <= b);
    !evidence.complete || evidence.ages.is_empty() || evidence.listed.is_empty() || !(newest_first || oldest_first)
}

/// The oldest item still listed: the only witness that has to be asked.
pub(super) fn oldest(listed: &[Listed]) -> Option<Listed> {
    listed.iter().copied().min_by_key(|item| (item.age, item.record))
}

/// Why an item of that age left a document that tells something.
///
/// Feeds drop items at the old end. An item that is gone while a strictly older one stayed was taken down; a tie in age
/// proves nothing.
pub(super) fn reason(age: Timestamp, oldest: Option<Listed>) -> (SpanEnd, Option<RecordId>) {
    match oldest {
        Some(witness) if witness.age < age => (SpanEnd::Withdrawn, Some(witness.record)),
        _ => (SpanEnd::ScrolledOff, None),
    }
}
