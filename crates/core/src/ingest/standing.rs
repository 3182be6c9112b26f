//! How a key stands with a feed: held in an open span, or left.

use std::convert::Infallible;

use super::{Known, Loaded, Prepared, Present, Recent, Shown, StoredVersion, WritePlan, may_churn};
use crate::{KeyHash, KeyHashSet, RecordId, SpanEnd, Timestamp, VersionNo};

/// How a key stands with a feed that has sighted it.
#[derive(Debug, Clone, PartialEq, Eq)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub enum Standing {
    /// The feed holds it.
    Open(Present),
    /// The feed does not hold it.
    Left(Absent),
}

/// What is kept of a key that a feed showed and does not hold.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
#[cfg_attr(feature = "serde", derive(serde::Serialize, serde::Deserialize))]
pub struct Absent {
    /// The version that the feed showed last; `None` when it was deleted since.
    pub shown: Option<VersionNo>,
    /// Why it left; `None` when only a Delta ever showed it.
    pub left: Option<SpanEnd>,
}

impl Standing {
    /// What becomes of it when the bronze versions are deleted: whatever was shown is gone, an open span ends as unknown.
    #[must_use]
    pub fn without_versions(&self) -> Self {
        let left = match self {
            Self::Open(_) => Some(SpanEnd::Unknown),
            Self::Left(absent) => absent.left,
        };
        Self::Left(Absent { shown: None, left })
    }
}

impl WritePlan {
    /// The standings that this plan changes, each key once, as it is afterwards.
    pub fn standings(&self, loaded: &Loaded) -> Vec<(KeyHash, Standing)> {
        // A point says what was shown later than the hash that was made again.
        let pointed: KeyHashSet = match self.rehashed.as_slice() {
            [] => KeyHashSet::default(),
            _ => self.points.iter().map(|point| point.key_hash).collect(),
        };
        let closed = self.closed.iter().filter(|closed| closed.end != SpanEnd::Changed).map(|closed| {
            let absent = Absent { shown: Some(closed.shown.version), left: Some(closed.end) };
            (closed.key_hash, Standing::Left(absent))
        });
        let opened = self.opened.iter().map(|opened| (opened.key_hash, Standing::Open(opened.to_present())));
        let rehashed = self.rehashed.iter().copied().filter(|(key_hash, _)| !pointed.contains(key_hash));
        let shown = rehashed.chain(self.points.iter().map(|point| (point.key_hash, point.shown)));
        let shown = shown.map(|(key_hash, shown)| {
            let standing = if let Some(present) = loaded.present.get(&key_hash) {
                Standing::Open(Present { shown, ..present.clone() })
            } else {
                let left = loaded.known.get(&key_hash).and_then(|known| known.left);
                Standing::Left(Absent { shown: Some(shown.version), left })
            };
            (key_hash, standing)
        });
        closed.chain(opened).chain(shown).collect()
    }
}

impl Prepared {
    /// What [`Loaded::known`] wants to know of a key: its record, the record's bronze versions, ascending, and how the
    /// key stands with the batch's feed.
    pub fn known(
        &self,
        key_hash: &KeyHash,
        (record, first_seen): (RecordId, Timestamp),
        bronze: &[StoredVersion],
        standing: Option<&Standing>,
    ) -> Known {
        let mut all: Vec<Shown> = bronze.iter().map(|stored| self.shown(stored)).collect();
        let current = all.last().copied();
        let absent = match standing {
            Some(Standing::Left(absent)) => *absent,
            _ => Absent::default(),
        };
        let shown = absent.shown.and_then(|version| all.iter().find(|shown| shown.version == version).copied());
        let wanted = self.hashes_of(key_hash);
        all.retain(|shown| wanted.contains(&shown.hash));
        let newest_first = bronze.iter().rev().map(|stored| Ok::<_, Infallible>(Recent::of(stored)));
        let churning = if may_churn(current) { self.churning(newest_first).unwrap_or_default() } else { None };
        Known { record, first_seen, current, shown, left: absent.left, matching: all, churning }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{ClosedSpan, OpenSpan, Point};
    use crate::{ContentHash, KeyHashMap, Round};

    fn hash(number: u8) -> KeyHash {
        KeyHash::from_bytes([number; 32])
    }

    fn shown(version: u32) -> Shown {
        Shown { version: VersionNo::new(version).unwrap(), hash: ContentHash::from_bytes([0; 32]) }
    }

    fn present(version: u32) -> Present {
        let (record, age) = (RecordId::from_u128(1), Timestamp::UNIX_EPOCH);
        Present { record, version: shown(version).version, since: Round::FIRST, shown: shown(version), age }
    }

    fn closed(key: u8, end: SpanEnd) -> ClosedSpan {
        let Present { record, version, since, shown, .. } = present(1);
        ClosedSpan { record, key_hash: hash(key), version, shown, since, until: since, end }
    }

    fn point(key: u8, version: u32) -> Point {
        let Present { record, age, .. } = present(1);
        Point { record, key_hash: hash(key), shown: shown(version), age, ordinal: 0, present: false }
    }

    fn left(version: u32, left: Option<SpanEnd>) -> Standing {
        Standing::Left(Absent { shown: Some(shown(version).version), left })
    }

    #[test]
    fn a_span_that_ends_leaves_what_it_showed_unless_another_goes_on() {
        let (since, age) = (Round::FIRST.next(), Timestamp::UNIX_EPOCH);
        let opened = OpenSpan { record: RecordId::from_u128(1), key_hash: hash(2), shown: shown(2), since, age };
        let plan = WritePlan {
            closed: vec![closed(1, SpanEnd::Withdrawn), closed(2, SpanEnd::Changed)],
            opened: vec![opened],
            ..WritePlan::default()
        };
        let standings: KeyHashMap<Standing> = plan.standings(&Loaded::default()).into_iter().collect();
        assert_eq!(standings[&hash(1)], left(1, Some(SpanEnd::Withdrawn)));
        assert_eq!(standings[&hash(2)], Standing::Open(Present { since, ..present(2) }));
    }

    #[test]
    fn a_point_is_noted_with_the_open_span_and_else_keeps_why_the_key_left() {
        let known = Known {
            record: RecordId::from_u128(1),
            first_seen: Timestamp::UNIX_EPOCH,
            current: None,
            shown: None,
            left: Some(SpanEnd::ScrolledOff),
            matching: Vec::new(),
            churning: None,
        };
        let mut loaded = Loaded::default();
        loaded.present.insert(hash(1), present(1));
        loaded.known.insert(hash(2), known);
        let plan = WritePlan { points: vec![point(1, 5), point(2, 6), point(3, 7)], ..WritePlan::default() };
        let standings: KeyHashMap<Standing> = plan.standings(&loaded).into_iter().collect();
        assert_eq!(standings[&hash(1)], Standing::Open(Present { shown: shown(5), ..present(1) }));
        assert_eq!(standings[&hash(2)], left(6, Some(SpanEnd::ScrolledOff)));
        assert_eq!(standings[&hash(3)], left(7, None));
    }

    #[test]
    fn without_its_versions_an_open_span_ends_as_unknown() {
        let gone = |left| Standing::Left(Absent { shown: None, left });
        assert_eq!(Standing::Open(present(1)).without_versions(), gone(Some(SpanEnd::Unknown)));
        assert_eq!(left(1, Some(SpanEnd::Withdrawn)).without_versions(), gone(Some(SpanEnd::Withdrawn)));
    }
}
