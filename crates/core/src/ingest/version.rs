//! Which version an item shows.

use std::cmp::Reverse;

use super::prepare::{Contender, Entry};
use super::{Candidate, Prepared, Shown, StoredVersion};
use crate::{
    Content, ContentHash, FetchId, HashRule, HashRuleId, RecordId, Round, SpanEnd, Timestamp, Version, VersionNo,
};

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
    /// What it says where it churns; `None` where it does not. See [`may_churn`] and [`Prepared::churning`].
    pub churning: Option<Churning>,
}

/// What a record that churns says again and again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Churning {
    /// The [gist](HashRule::gist) of its current version under the batch's rule.
    pub gist: ContentHash,
    /// The fetch that brought that version.
    pub told_by: FetchId,
}

/// A version as far as it tells whether its record churns.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Recent {
    /// When it was recorded.
    pub recorded_at: Timestamp,
    /// The fetch that brought it; `None` when it was written by a call.
    pub told_by: Option<FetchId>,
    /// Under which rule it was told from the one before it.
    pub hash_rule: HashRuleId,
    /// Its content; `None` where it has more than [`MOST_CHURNING`] bytes, which need not be loaded.
    pub content: Option<Content>,
}

impl Recent {
    /// What a stored version tells.
    pub fn of(stored: &StoredVersion) -> Self {
        let Version { recorded_at, origin, hash_rule, content, .. } = &stored.version;
        let told_by = origin.map(|origin| origin.fetch);
        let content = Some(content.clone()).filter(is_short);
        Self { recorded_at: *recorded_at, told_by, hash_rule: hash_rule.clone(), content }
    }
}

/// So many versions one after the other, of which all but the first are minor, make a record churn: a page that is built
/// anew for each reader has one at each poll.
pub const CHURN: u32 = 25;

/// Content of more bytes never churns, so that what is compared while a batch is written is bounded: each of its versions
/// is kept.
pub const MOST_CHURNING: usize = 64 * 1024;

/// Of a record that churns one minor version is kept in so many microseconds: a day.
const PAUSE: i64 = 24 * 60 * 60 * 1_000_000;

/// Whether a record with that current version may churn: then [`Known::churning`] is to be found out.
pub fn may_churn(current: Option<Shown>) -> bool {
    current.is_some_and(|current| current.version.get() >= CHURN)
}

fn is_short(content: &Content) -> bool {
    content.as_str().len() <= MOST_CHURNING
}

impl Prepared {
    /// Whether a version that was recorded then is less than a day old: of a record whose newest is not, nothing is held
    /// back, and no content needs to be loaded. One of the future is not: it would hold back until its day came.
    pub fn is_recent(&self, recorded_at: Timestamp) -> bool {
        (0..PAUSE).contains(&self.batch.recorded_at.as_micros().saturating_sub(recorded_at.as_micros()))
    }

    /// [`Known::churning`] of a record, from its bronze versions, the newest first: [`CHURN`] of them at most are taken, and
    /// none behind the one that answers. No content is kept.
    ///
    /// # Errors
    /// That of the versions.
    pub fn churning<E>(
        &self,
        newest_first: impl IntoIterator<Item = Result<Recent, E>>,
    ) -> Result<Option<Churning>, E> {
        let batch = self.batch();
        let mut churning = None;
        let mut after: Option<Told> = None;
        for (place, version) in (1..=CHURN).zip(newest_first) {
            let version = version?;
            if place == 1 && !self.is_recent(version.recorded_at) {
                return Ok(None);
            }
            let Some(content) = version.content.as_ref().filter(|content| is_short(content)) else { return Ok(None) };
            if after.as_ref().is_some_and(|after| after.rule.gist(content) != Some(after.gist)) {
                return Ok(None);
            }
            if place == CHURN {
                // It is the one that the others say the same as, and need not be minor itself.
                return Ok(churning);
            }
            // As `Version::is_minor` has it.
            let Some((told_by, told)) = version.told_by.zip(Told::of(&version.hash_rule, content, after)) else {
                return Ok(None);
            };
            if place == 1 {
                let gist = if told.id == self.rule { Some(told.gist) } else { batch.hash_rule.gist(content) };
                churning = gist.map(|gist| Churning { gist, told_by });
            }
            after = Some(told);
        }
        Ok(None)
    }
}

/// What a version says under the rule by which it was told from the one before it.
struct Told {
    id: HashRuleId,
    rule: HashRule,
    gist: ContentHash,
}

impl Told {
    /// `None` where rule or content cannot be read. `after`: what the version behind it says, which says the same under its
    /// own rule.
    fn of(id: &HashRuleId, content: &Content, after: Option<Self>) -> Option<Self> {
        if let Some(after) = after.filter(|after| after.id == *id) {
            return Some(after);
        }
        let rule = id.rule()?;
        let gist = rule.gist(content)?;
        Some(Self { id: id.clone(), rule, gist })
    }
}

/// Whether content that is none of a record's versions is held back: the record churns, and it says what the current
/// version says.
pub(super) fn is_held_back(rule: &HashRule, content: &Content, churning: Option<Churning>) -> bool {
    let churning = churning.filter(|_| is_short(content));
    churning.is_some_and(|churning| rule.gist(content) == Some(churning.gist))
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::IngestBatch;
    use crate::ingest::tests::{at, batch};
    use crate::{Json, JsonPath};

    const NOW: i64 = 2_000_000;

    type Change = fn(&mut Recent, Content);

    fn prepared(hash_rule: HashRule) -> Prepared {
        Prepared::new(IngestBatch { recorded_at: at(NOW), hash_rule, ..batch(1, Vec::new()) }).unwrap()
    }

    /// Versions of an hour each that say the same, the newest first.
    fn versions(count: u32) -> Vec<Recent> {
        let version = |number: u32| Recent {
            recorded_at: at(NOW - 3_600 * i64::from(number)),
            told_by: Some(FetchId::from_u128(number.into())),
            hash_rule: HashRuleId::default(),
            content: Some(Content::parse(&format!(r#"{{"title":"x<!-- {number} -->","views":1}}"#)).unwrap()),
        };
        (1..=count).map(version).collect()
    }

    /// Whether a record of these churns, and how many of them were looked at.
    fn look(prepared: &Prepared, versions: &[Recent]) -> (Option<Churning>, usize) {
        let mut taken = 0;
        let newest_first = versions.iter().map(|version| {
            taken += 1;
            Ok::<_, std::convert::Infallible>(version.clone())
        });
        (prepared.churning(newest_first).unwrap(), taken)
    }

    #[test]
    fn a_record_churns_while_its_last_24_versions_are_minor() {
        let prepared = prepared(HashRule::whole());
        let (churning, taken) = look(&prepared, &versions(40));
        let gist = HashRule::whole().gist(&Content::parse(r#"{"title":"x","views":1}"#).unwrap()).unwrap();
        assert_eq!((churning, taken), (Some(Churning { gist, told_by: FetchId::from_u128(1) }), 25));
        assert_eq!(look(&prepared, &versions(24)), (None, 24));
    }

    #[test]
    fn what_ends_it_is_the_last_that_is_looked_at() {
        let prepared = prepared(HashRule::whole());
        let other = Content::parse(r#"{"title":"y"}"#).unwrap();
        let long = Content::new(&Json::from("x".repeat(MOST_CHURNING)));
        let changes: [(Change, Content); 5] = [
            (|version, content| version.content = Some(content), other.clone()),
            (|version, content| version.content = Some(content), Content::from_canonical(r#"{"title":"x"#)),
            (|version, content| version.content = Some(content), long),
            (|version, _| version.content = None, other.clone()),
            (|version, _| version.hash_rule = HashRuleId::from_stored("{"), other.clone()),
        ];
        for (number, (change, content)) in changes.into_iter().enumerate() {
            let mut versions = versions(30);
            change(&mut versions[6], content);
            assert_eq!(look(&prepared, &versions), (None, 7), "change {number}");
        }
        // What a call wrote is not minor, but others may be after it.
        for (place, churns) in [(6, false), (24, true)] {
            let mut versions = versions(30);
            versions[place].told_by = None;
            let (churning, taken) = look(&prepared, &versions);
            assert_eq!((churning.is_some(), taken), (churns, place + 1));
        }
    }

    #[test]
    fn of_a_record_whose_newest_version_is_a_day_old_or_of_the_future_no_more_is_looked_at() {
        let prepared = prepared(HashRule::whole());
        let day = 24 * 3_600;
        for (recorded_at, taken) in [(NOW - day, 1), (NOW - day + 1, 25), (NOW, 25), (NOW + 1, 1)] {
            let mut versions = versions(30);
            versions[0].recorded_at = at(recorded_at);
            let (churning, looked_at) = look(&prepared, &versions);
            assert_eq!((churning.is_some(), looked_at), (taken == 25, taken), "{recorded_at}");
        }
    }

    #[test]
    fn each_version_is_minor_under_the_rule_that_it_was_told_by() {
        let without_views = HashRule::without(vec![JsonPath::parse("views").unwrap()]);
        let viewed = |views: u32| Content::parse(&format!(r#"{{"title":"x","views":{views}}}"#)).ok();
        let mut versions = versions(30);
        for (views, version) in (0..).zip(&mut versions) {
            version.content = viewed(views);
            version.hash_rule = without_views.id();
        }
        let prepared = prepared(without_views.clone());
        assert!(look(&prepared, &versions).0.is_some());
        // Under the rule of that time another number of views was something else.
        versions[3].hash_rule = HashRuleId::default();
        assert_eq!(look(&prepared, &versions), (None, 5));
    }
}
