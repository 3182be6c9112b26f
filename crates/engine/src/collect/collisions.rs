//! [`Collisions`]: whether the store will reject items of a fetch for others that have their keys.

use std::collections::HashMap;

use feedspine_core::{Candidate, HashRule};

/// What the items of a fetch say under each key, page by page, by eight bytes of both: two that meet by accident keep a
/// body that nobody needs.
#[derive(Debug, Default)]
pub(crate) struct Collisions {
    told: HashMap<u64, u64>,
}

impl Collisions {
    /// Takes further items of a fetch; whether one of them has the key of another and says something else.
    pub(crate) fn take(&mut self, items: &[Candidate], hash_rule: &HashRule) -> bool {
        let mut found = false;
        for item in items {
            let says = head(hash_rule.hash(&item.content).as_bytes());
            found |= *self.told.entry(head(item.key.hash().as_bytes())).or_insert(says) != says;
        }
        found
    }
}

fn head(hash: &[u8; 32]) -> u64 {
    let (head, _) = hash.split_first_chunk().expect("a hash has 32 bytes");
    u64::from_be_bytes(*head)
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Content, JsonPath, KeyRule, NaturalKey};

    use super::*;

    fn item(key: &str, content: &str) -> Candidate {
        Candidate {
            key: NaturalKey::new("a".parse().unwrap(), key).unwrap(),
            key_rule: KeyRule::Id,
            ordinal: 0,
            content: Content::parse(content).unwrap(),
            published: None,
            updated: None,
        }
    }

    #[test]
    fn items_collide_that_share_a_key_and_say_something_else_on_one_page_or_on_two() {
        let (one, viewed, other) = (r#"{"n":1,"views":1}"#, r#"{"n":1,"views":2}"#, r#"{"n":2,"views":1}"#);
        let rule = HashRule::without(vec![JsonPath::of(["views"])]);
        let collide = |items: &[Candidate]| Collisions::default().take(items, &rule);
        assert!(!collide(&[item("a", one), item("b", other), item("a", one), item("a", viewed)]));
        assert!(collide(&[item("a", one), item("b", one), item("a", other)]));
        let mut pages = Collisions::default();
        assert!(!pages.take(&[item("a", one)], &rule) && !pages.take(&[item("b", one)], &rule));
        assert!(pages.take(&[item("a", other)], &rule));
    }
}
