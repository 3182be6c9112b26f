//! [`Tally`]: what a fetch that comes in pages shows of its feed's policy, page by page.

use feedspine_core::{Candidate, HashRule, KeyHash, KeyRule, Reject};
use feedspine_parse::KeysHeld;

use super::Reading;

/// So many items of a fetch are looked at: their keys and contents are held until its end.
const MOST: u32 = 100_000;

/// The items of a fetch under way, as far as they are looked at.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    items: u32,
    /// Those that have no key.
    missing: u32,
    held: KeysHeld<KeyHash>,
}

impl Tally {
    /// Takes the items of a page, and what was rejected of it.
    pub(crate) fn take(&mut self, candidates: &[Candidate], rejects: &[Reject], hash_rule: &HashRule) {
        for item in candidates {
            if self.items < MOST {
                self.items += 1;
                self.held.add(item.key.hash(), hash_rule.hash(&item.content));
            }
        }
        for _ in rejects.iter().filter(|reject| reject.code.starts_with("key.")) {
            if self.items < MOST {
                self.items += 1;
                self.missing += 1;
            }
        }
    }

    /// What they show.
    pub(crate) fn reading(&self, rule: KeyRule) -> Reading {
        // An item is known again by what documents of feeds say of it.
        let traces = Vec::new();
        let Self { items, missing, held } = self;
        Reading { rule, learned: None, items: *items, missing: *missing, clashing: held.clashing(), traces }
    }
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Content, JsonPath, NaturalKey};

    use super::*;

    #[test]
    fn items_without_a_key_and_with_that_of_another_are_counted_over_all_pages() {
        let item = |key: &str, content: &str| Candidate {
            key: NaturalKey::new("a".parse().unwrap(), key).unwrap(),
            key_rule: KeyRule::Given,
            ordinal: 0,
            content: Content::parse(content).unwrap(),
            published: None,
            updated: None,
        };
        let reject = |code: &str| Reject {
            ordinal: 0,
            key: None,
            code: code.to_owned(),
            reason: String::new(),
            excerpt: String::new(),
        };
        let rule = HashRule::without(vec![JsonPath::of(["views"])]);
        let mut tally = Tally::default();
        tally.take(&[item("a", r#"{"n":1,"views":1}"#), item("b", r#"{"n":1}"#)], &[reject("key.missing")], &rule);
        tally.take(&[item("a", r#"{"n":1,"views":2}"#), item("b", r#"{"n":2}"#)], &[reject("json.depth")], &rule);
        let read = tally.reading(KeyRule::Given);
        assert_eq!((read.items, read.missing, read.clashing), (5, 1, 1));
    }
}
