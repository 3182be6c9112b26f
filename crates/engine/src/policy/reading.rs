//! [`Reading`]: what one document shows of its feed's policy.

use std::collections::HashMap;

use feedspine_core::{Candidate, KeyHash, KeyRule};
use feedspine_parse::{KeysHeld, LearnedRule, Look};

/// So many items are known again by what they look like: a sample that costs 256 bytes of the cursor.
const TRACED: usize = 32;

/// What a document shows of its feed's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Reading {
    /// The rule in force.
    pub(crate) rule: KeyRule,
    /// The document chose it, by this evidence.
    pub(crate) learned: Option<LearnedRule>,
    /// Items with a key.
    pub(crate) items: u32,
    /// Those that have none by the rule, and were keyed otherwise.
    pub(crate) missing: u32,
    /// Those whose key others have with another content.
    pub(crate) clashing: u32,
    pub(crate) traces: Vec<Trace>,
}

/// An item by what it looks like, with its key: four bytes of each.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Trace {
    pub(crate) look: u32,
    pub(crate) key: u32,
}

impl Reading {
    /// Reads it off the keyed items of a document.
    pub(crate) fn of(rule: KeyRule, learned: Option<LearnedRule>, looks: &[Look], candidates: &[Candidate]) -> Self {
        let looks: HashMap<u32, u32> = looks.iter().map(|look| (look.ordinal, look.hash)).collect();
        let mut held = KeysHeld::default();
        let mut missing = 0;
        let mut known = Vec::new();
        for candidate in candidates {
            let key = candidate.key.hash();
            missing += u32::from(candidate.key_rule != rule);
            held.add(key, candidate.content.hash());
            known.extend(looks.get(&candidate.ordinal).map(|look| (*look, key)));
        }
        // A key of several items is none that one of them could come back under.
        known.retain(|(_, key)| !held.is_shared(key));
        let clashing = held.clashing();
        let mut traces: Vec<Trace> =
            known.into_iter().map(|(look, key)| Trace { look, key: first_bytes(&key) }).collect();
        // The smallest: two documents that share items have the same sample of these, whatever their order.
        traces.sort_unstable();
        traces.truncate(TRACED);
        let items = u32::try_from(candidates.len()).unwrap_or(u32::MAX);
        Self { rule, learned, items, missing, clashing, traces }
    }
}

fn first_bytes(key: &KeyHash) -> u32 {
    let (first, _) = key.as_bytes().split_first_chunk().expect("32 bytes begin with 4");
    u32::from_be_bytes(*first)
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Content, NaturalKey};

    use super::*;

    fn candidate(ordinal: u32, key: &str, key_rule: KeyRule, title: &str) -> Candidate {
        Candidate {
            key: NaturalKey::new("news".parse().unwrap(), key).unwrap(),
            key_rule,
            ordinal,
            content: Content::parse(&format!(r#"{{"title":"{title}"}}"#)).unwrap(),
            published: None,
            updated: None,
        }
    }

    fn reading(candidates: &[Candidate]) -> Reading {
        let looks: Vec<Look> =
            candidates.iter().map(|item| Look { ordinal: item.ordinal, hash: item.ordinal }).collect();
        Reading::of(KeyRule::Id, None, &looks, candidates)
    }

    #[test]
    fn items_without_a_key_by_the_rule_and_with_one_of_another_are_counted() {
        let read = reading(&[
            candidate(0, "a", KeyRule::Id, "one"),
            candidate(1, "a", KeyRule::Id, "one"),
            candidate(2, "b", KeyRule::Id, "two"),
            candidate(3, "b", KeyRule::Id, "three"),
            candidate(4, "http://c", KeyRule::Link, "four"),
        ]);
        assert_eq!((read.items, read.missing, read.clashing), (5, 1, 1));
        let looks: Vec<u32> = read.traces.iter().map(|trace| trace.look).collect();
        assert_eq!(looks, [0, 1, 4], "the items of a shared key are not known again by it");
    }

    #[test]
    fn the_sample_does_not_depend_on_the_order_of_the_items() {
        let items: Vec<Candidate> =
            (0..100).map(|number| candidate(number, &number.to_string(), KeyRule::Id, "x")).collect();
        let reversed: Vec<Candidate> = items.iter().rev().cloned().collect();
        let sample = reading(&items).traces;
        assert_eq!((sample.len(), &sample), (TRACED, &reading(&reversed).traces));
    }
}
