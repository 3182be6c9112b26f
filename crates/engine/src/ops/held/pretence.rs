//! What would have been stored by now, where it is only asked what would be: as little as tells the same of what is read
//! later.

use std::collections::HashMap;

use feedspine_core::ingest::CHURN;
use feedspine_core::{Content, ContentHash, FetchId, Timestamp, VersionNo};

use super::{Held, HeldVersion, ShownThen};

/// The fetch that would have stored it: no fetch has this id.
const NO_FETCH: FetchId = FetchId::from_u128(u128::MAX);

/// Content that would have been stored as seen then.
#[derive(Debug, Clone, Copy)]
pub(in crate::ops) struct Pretended {
    pub(in crate::ops) at: Timestamp,
    pub(in crate::ops) hash: ContentHash,
    pub(in crate::ops) gist: Option<ContentHash>,
}

/// What would have been stored by now of one record.
///
/// Bodies are read in the order in which they came. Of content that is sighted again and again, the first and the last time
/// are kept of each run, and those times at which the feed showed something else of the record as well: no other can stand
/// for what a later body showed. So this grows with what differs, not with how often it was there.
#[derive(Debug, Default)]
pub(super) struct Pretence {
    kept: Vec<Kept>,
    contents: HashMap<ContentHash, Content>,
}

#[derive(Debug)]
struct Kept {
    pretended: Pretended,
    /// Whether nothing else was shown of the record at that time.
    is_alone: bool,
}

impl Pretence {
    /// Holds it in a record as it is held by now, and keeps it for when that is read anew.
    pub(super) fn take(&mut self, pretended: Pretended, held: &mut Held) {
        let is_alone = held.of_moment(pretended.at).is_empty();
        held.pretend(pretended);
        if let [.., before, last] = self.kept.as_slice()
            && last.is_alone
            && [before, last].iter().all(|kept| kept.pretended.hash == pretended.hash)
        {
            self.kept.pop();
        }
        self.kept.push(Kept { pretended, is_alone });
    }

    /// Keeps a content for when it is told what changed against it.
    pub(super) fn keep(&mut self, hash: ContentHash, content: Content) {
        self.contents.entry(hash).or_insert(content);
    }

    /// A content that was kept.
    pub(super) fn content(&self, hash: ContentHash) -> Option<&Content> {
        self.contents.get(&hash)
    }

    /// Holds all of it in a record as it is stored.
    pub(super) fn apply(&self, held: &mut Held) {
        for kept in &self.kept {
            held.pretend(kept.pretended);
        }
    }
}

impl Held {
    /// Holds it as the store would: a further version, unless it is found unchanged.
    fn pretend(&mut self, Pretended { at, hash, gist }: Pretended) {
        let found =
            if self.is_unchanged(hash) { self.versions.iter().rposition(|version| version.hash == hash) } else { None };
        let place = found.unwrap_or_else(|| {
            let number = self.current().map_or(VersionNo::FIRST, VersionNo::next);
            let gist = gist.filter(|_| number.get() >= CHURN);
            self.versions.push(HeldVersion { number, hash, gist, read_at: at, seen_last: None });
            self.versions.len() - 1
        });
        let version = &mut self.versions[place];
        version.seen_last = version.seen_last.max(Some(at));
        let shown = ShownThen { at, by: NO_FETCH, version: version.number };
        self.shown.insert(self.shown.partition_point(|shown| shown.at <= at), shown);
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::ops::held::judge;
    use crate::ops::held::tests::{at, hash, held};

    fn pretended(seconds: i64, title: &str) -> Pretended {
        Pretended { at: at(seconds), hash: hash(title), gist: None }
    }

    #[test]
    fn what_is_pretended_is_held_as_a_store_would_hold_it() {
        let mut held = held(&[("a", 1)], &[(1, 1, 1), (2, 2, 1)]);
        let mut pretence = Pretence::default();
        for (seconds, title) in [(1, "b"), (2, "b"), (2, "c")] {
            pretence.take(pretended(seconds, title), &mut held);
        }
        let shown = held.shown.iter().map(|shown| (shown.at, shown.version.get()));
        assert_eq!(shown.collect::<Vec<_>>(), [(at(1), 1), (at(1), 2), (at(2), 1), (at(2), 2), (at(2), 3)]);
        assert_eq!(held.current(), VersionNo::new(3));
        assert_eq!(held.shown_last(), Some(hash("c")));
    }

    #[test]
    fn what_is_sighted_for_a_year_is_kept_by_its_bounds_and_its_content_once() {
        let (mut held, mut pretence) = (Held::default(), Pretence::default());
        for hour in 0..8_760 {
            pretence.take(pretended(hour, "a"), &mut held);
            pretence.keep(hash("a"), Content::parse("{}").unwrap());
        }
        assert_eq!((pretence.kept.len(), pretence.contents.len()), (2, 1));
        let mut anew = Held::default();
        pretence.apply(&mut anew);
        let bounds = |held: &Held| held.versions.iter().map(|one| (one.read_at, one.seen_last)).collect::<Vec<_>>();
        assert_eq!(bounds(&anew), bounds(&held));
    }

    proptest! {
        #[test]
        fn what_is_kept_says_the_same_of_each_later_moment_as_all_that_was_pretended(
            stored in proptest::collection::btree_set(0_i64..30, 0..10),
            story in proptest::collection::vec((0_i64..3, 0_usize..3), 1..30),
        ) {
            const TITLES: [&str; 3] = ["a", "b", "c"];
            let shown: Vec<_> = stored.iter().map(|second| (*second, u128::try_from(*second).unwrap(), 1)).collect();
            let stored = || held(if shown.is_empty() { &[] } else { &[("a", 0)] }, &shown);
            let (mut whole, mut pretence, mut now) = (stored(), Pretence::default(), 0);
            for (later, title) in story {
                now += later;
                pretence.take(pretended(now, TITLES[title]), &mut whole);
            }
            let mut anew = stored();
            pretence.apply(&mut anew);
            prop_assert_eq!(anew.current(), whole.current());
            prop_assert_eq!(anew.shown_last(), whole.shown_last());
            for second in now..now + 30 {
                let fetch = FetchId::from_u128(u128::try_from(second).unwrap());
                for had_key in [false, true] {
                    prop_assert_eq!(anew.standing(fetch, at(second), had_key), whole.standing(fetch, at(second), had_key));
                    for title in TITLES {
                        let (content, moment) = ((hash(title), None), (fetch, at(second), had_key));
                        prop_assert_eq!(judge(content, moment, &anew), judge(content, moment, &whole));
                    }
                }
            }
        }
    }
}
