//! How well each rule tells the items of a document apart: what a feed's key rule is learned from.

use std::cell::OnceCell;
use std::collections::HashMap;
use std::hash::Hash;

use feedspine_core::{ContentHash, KeyRule};

use super::key_text;
use crate::content::content;
use crate::model::{Document, Item};

/// The rules that are tried before content, the best first.
const TRIED: [KeyRule; 3] = [KeyRule::Id, KeyRule::Link, KeyRule::LinkDate];

/// How a rule does with the items of a document.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RuleFit {
    /// The rule.
    pub rule: KeyRule,
    /// Items that have no key by it.
    pub missing: u32,
    /// Items whose key others have with another content: of each key all but those of its commonest content.
    pub clashing: u32,
}

impl RuleFit {
    /// Items that the rule does not tell apart.
    pub const fn unfit(&self) -> u32 {
        self.missing.saturating_add(self.clashing)
    }
}

/// A rule with the evidence that it was chosen by.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LearnedRule {
    /// The rule.
    pub rule: KeyRule,
    /// How many items the document holds.
    pub items: u32,
    /// How the rules did that were tried, in order.
    pub fits: Vec<RuleFit>,
}

/// How many of so many items a rule may fail to tell apart: 5 %, rounded.
pub const fn tolerated(items: u32) -> u32 {
    items.saturating_mul(5).saturating_add(50) / 100
}

/// Chooses the key rule of a feed by its first document that holds items; `None` when this one holds none.
///
/// The first of id, link, and link with date under which at most 5 % of the items (rounded) have no key or share one
/// with another content; else content. Two items that are equal in all share a key rightly. The choice is to be kept:
/// a later document never changes it.
pub fn learn_rule(document: &Document) -> Option<LearnedRule> {
    if document.items.is_empty() {
        return None;
    }
    // Nearly every key is an item's own, and then its content is not asked for.
    let hashes: Vec<OnceCell<ContentHash>> = document.items.iter().map(|_| OnceCell::new()).collect();
    let items = counted(document.items.len());
    let fits: Vec<RuleFit> = TRIED.into_iter().map(|rule| fit(&document.items, &hashes, rule)).collect();
    let chosen = fits.iter().find(|fit| fit.unfit() <= tolerated(items));
    Some(LearnedRule { rule: chosen.map_or(KeyRule::Content, |fit| fit.rule), items, fits })
}

fn fit(items: &[Item], hashes: &[OnceCell<ContentHash>], rule: KeyRule) -> RuleFit {
    let keys: Vec<_> = items.iter().map(|item| key_text(item, rule)).collect();
    let mut times: HashMap<&str, u32> = HashMap::with_capacity(items.len());
    for key in keys.iter().flatten() {
        *times.entry(key).or_default() += 1;
    }
    let mut held = KeysHeld::default();
    let mut missing = 0;
    for ((item, hash), key) in items.iter().zip(hashes).zip(&keys) {
        match key.as_deref() {
            None => missing += 1,
            Some(key) if times[key] == 1 => {}
            Some(key) => held.add(key, *hash.get_or_init(|| content(item).hash())),
        }
    }
    RuleFit { rule, missing, clashing: held.clashing() }
}

/// The keys of a document, each with the contents under it and how often these stand there.
#[derive(Debug)]
pub struct KeysHeld<K>(HashMap<K, Contents>);

/// What stands under one key: mostly one content, rarely as many as there are items.
#[derive(Debug)]
struct Contents {
    first: ContentHash,
    times: u32,
    others: HashMap<ContentHash, u32>,
}

impl<K> Default for KeysHeld<K> {
    fn default() -> Self {
        Self(HashMap::new())
    }
}

impl<K: Eq + Hash> KeysHeld<K> {
    /// Adds an item.
    pub fn add(&mut self, key: K, content: ContentHash) {
        let held = self.0.entry(key).or_insert_with(|| Contents { first: content, times: 0, others: HashMap::new() });
        if held.first == content {
            held.times += 1;
        } else {
            *held.others.entry(content).or_default() += 1;
        }
    }

    /// How many items have the key of others with another content: of each key all but those of its commonest content.
    /// It does not depend on the order in which they were added.
    pub fn clashing(&self) -> u32 {
        let of_key = |held: &Contents| {
            let others: u32 = held.others.values().sum();
            held.times + others - held.others.values().copied().max().unwrap_or(0).max(held.times)
        };
        self.0.values().map(of_key).sum()
    }

    /// Whether several contents stand under that key.
    pub fn is_shared(&self, key: &K) -> bool {
        self.0.get(key).is_some_and(|held| !held.others.is_empty())
    }
}

fn counted(items: usize) -> u32 {
    u32::try_from(items).unwrap_or(u32::MAX)
}
