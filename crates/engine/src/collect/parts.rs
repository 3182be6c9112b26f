//! Cutting the items of a fetch into as many parts as a store needs.

use std::collections::HashMap;

use feedspine_core::{Candidate, NaturalKey};

/// Cuts items, in the order of the document, into parts of at most so many, each in that order; at least one, which may be
/// empty. Items of one key come in one part, where one part holds them: which of them stands is decided within a part, and
/// must not hang on how large a store's parts are.
pub(super) fn parts(items: Vec<Candidate>, most: usize) -> Vec<Vec<Candidate>> {
    let most = most.max(1);
    if items.len() <= most {
        return vec![items];
    }
    let part_of = assigned(&items, most);
    let count = part_of.iter().max().map_or(1, |last| last + 1);
    let mut parts: Vec<Vec<Candidate>> = (0..count).map(|_| Vec::new()).collect();
    for (item, part) in items.into_iter().zip(part_of) {
        parts[part].push(item);
    }
    parts
}

/// The part of each item.
fn assigned(items: &[Candidate], most: usize) -> Vec<usize> {
    let mut counts: HashMap<&NaturalKey, usize> = HashMap::with_capacity(items.len());
    for item in items {
        *counts.entry(&item.key).or_default() += 1;
    }
    // Where the items of a key go, by the first of them; how many of these went there.
    let mut begun: HashMap<&NaturalKey, (usize, usize)> = HashMap::new();
    let (mut part, mut used) = (0, 0);
    let mut assigned = Vec::with_capacity(items.len());
    for item in items {
        let count = counts[&item.key];
        if let Some((first, gone)) = begun.get_mut(&item.key) {
            assigned.push(*first + *gone / most);
            *gone += 1;
            continue;
        }
        if used > 0 && used + count > most {
            (part, used) = (part + 1, 0);
        }
        assigned.push(part);
        if count > 1 {
            begun.insert(&item.key, (part, 1));
        }
        // More than a part holds fill some, and begin the last.
        used += count;
        (part, used) = (part + (used - 1) / most, (used - 1) % most + 1);
    }
    assigned
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Content, KeyRule};

    use super::*;

    fn item((ordinal, key): (u32, &str)) -> Candidate {
        Candidate {
            key: NaturalKey::new("a".parse().unwrap(), key).unwrap(),
            key_rule: KeyRule::Id,
            ordinal,
            content: Content::empty(),
            published: None,
            updated: None,
        }
    }

    /// The ordinals of each part, for items of these keys, one letter each.
    fn cut(keys: &str, most: usize) -> Vec<Vec<u32>> {
        let items = (0..).zip(keys.split("")).skip(1).take(keys.len()).map(|(place, key)| item((place - 1, key)));
        let ordinals = |part: Vec<Candidate>| part.into_iter().map(|item| item.ordinal).collect();
        parts(items.collect(), most).into_iter().map(ordinals).collect()
    }

    #[test]
    fn items_of_one_key_come_in_one_part_wherever_they_stand() {
        for (keys, most, expected) in [
            ("", 3, vec![vec![]]),
            ("aba", 3, vec![vec![0, 1, 2]]),
            ("abcdefg", 3, vec![vec![0, 1, 2], vec![3, 4, 5], vec![6]]),
            ("abcda", 3, vec![vec![0, 1, 4], vec![2, 3]]),
            // There is no room for all of them in the first.
            ("abcdcc", 3, vec![vec![0, 1], vec![2, 4, 5], vec![3]]),
            // They are more than a part holds.
            ("abbbbbc", 3, vec![vec![0], vec![1, 2, 3], vec![4, 5, 6]]),
            ("bbbbbb", 3, vec![vec![0, 1, 2], vec![3, 4, 5]]),
            ("abc", 0, vec![vec![0], vec![1], vec![2]]),
        ] {
            let told = cut(keys, most);
            assert_eq!(told, expected, "{keys} by {most}");
            assert!(told.iter().all(|part| part.is_sorted()), "{told:?}");
        }
    }
}
