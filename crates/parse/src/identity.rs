//! What makes an item that item: the choice of a feed's key rule, and candidates made by it.

use std::collections::HashMap;

use feedspine_core::{Candidate, Content, ContentHash, KeyError, KeyRule, Namespace, NaturalKey, Reject};

use crate::content::content;
use crate::model::{Document, Item, RejectedItem};

/// The items of a document with their keys.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Identified {
    /// Those that can be stored, in the order of the document.
    pub candidates: Vec<Candidate>,
    /// Those that cannot, each with its reason, in the order of the document.
    pub rejects: Vec<Reject>,
    /// The document was whole and every reject has a key: what is not listed is not there.
    pub complete: bool,
}

/// Chooses the key rule of a feed by its first document that holds items; `None` when this one holds none.
///
/// The first of id, link, and link with date under which at most 5 % of the items (rounded) have no key or share one
/// with another content; else content. Two items that are equal in all share a key rightly. The choice is to be kept:
/// a later document never changes it.
pub fn choose_rule(document: &Document) -> Option<KeyRule> {
    if document.items.is_empty() {
        return None;
    }
    let hashes: Vec<ContentHash> = document.items.iter().map(|item| content(item).hash()).collect();
    let tolerated = (document.items.len() * 5 + 50) / 100;
    let holds = |rule: &KeyRule| unfit(&document.items, &hashes, *rule) <= tolerated;
    let rules = [KeyRule::Id, KeyRule::Link, KeyRule::LinkDate];
    Some(rules.into_iter().find(holds).unwrap_or(KeyRule::Content))
}

/// How many items have no key under this rule, or the key of an earlier item with another content.
fn unfit(items: &[Item], hashes: &[ContentHash], rule: KeyRule) -> usize {
    let mut first: HashMap<String, ContentHash> = HashMap::with_capacity(items.len());
    let fits = |(item, hash): &(&Item, &ContentHash)| match key_text(item, rule) {
        Some(key) => *first.entry(key).or_insert(**hash) == **hash,
        None => false,
    };
    items.len() - items.iter().zip(hashes).filter(fits).count()
}

/// Gives each item its key by the feed's rule, and its canonical content.
///
/// An item for which the rule has nothing falls back alone: under [`KeyRule::Id`] to its link, then under every rule to
/// its content. Each candidate says by which rule it was keyed.
pub fn identify(document: Document, namespace: &Namespace, rule: KeyRule) -> Identified {
    let mut identified = Identified {
        candidates: Vec::with_capacity(document.items.len()),
        rejects: document.rejects.into_iter().map(|rejected| reject(rejected, namespace, rule)).collect(),
        complete: !document.truncated,
    };
    for item in &document.items {
        let content = content(item);
        let (key, key_rule) = keyed(item, &content, rule);
        match NaturalKey::new(namespace.clone(), &key) {
            Ok(key) => identified.candidates.push(Candidate {
                key,
                key_rule,
                ordinal: item.ordinal,
                content,
                published: item.published.as_ref().and_then(|date| date.at),
                updated: item.updated.as_ref().and_then(|date| date.at),
            }),
            Err(error) => identified.rejects.push(unkeyed(item, &content, &error)),
        }
    }
    identified.rejects.sort_by_key(|reject| reject.ordinal);
    identified.complete &= identified.rejects.iter().all(|reject| reject.key.is_some());
    identified
}

fn keyed(item: &Item, content: &Content, rule: KeyRule) -> (String, KeyRule) {
    let fall_back: &[KeyRule] = if rule == KeyRule::Id { &[KeyRule::Id, KeyRule::Link] } else { &[rule] };
    let found = fall_back.iter().find_map(|rule| key_text(item, *rule).map(|key| (key, *rule)));
    found.unwrap_or_else(|| (format!("sha256:{}", content.hash()), KeyRule::Content))
}

/// The key of an item under a rule that looks at one field; `None` when it has nothing there.
fn key_text(item: &Item, rule: KeyRule) -> Option<String> {
    match rule {
        KeyRule::Id => item.id.clone(),
        KeyRule::Link => item.link().map(str::to_owned),
        KeyRule::LinkDate => {
            let date = item.published.as_ref().or(item.updated.as_ref())?;
            item.link().map(|link| format!("{link} {}", date.raw))
        }
        KeyRule::Content | KeyRule::Given => None,
    }
}

/// A key that no store takes: too long, or with NUL.
fn unkeyed(item: &Item, content: &Content, error: &KeyError) -> Reject {
    let code = match error {
        KeyError::Empty { .. } => "key.missing",
        KeyError::TooLong { .. } => "key.too_long",
        KeyError::Forbidden { .. } => "key.forbidden",
    };
    let excerpt = content.as_str();
    let end = excerpt.floor_char_boundary(512);
    Reject {
        ordinal: item.ordinal,
        key: None,
        code: code.into(),
        reason: error.to_string(),
        excerpt: excerpt[..end].into(),
    }
}

fn reject(rejected: RejectedItem, namespace: &Namespace, rule: KeyRule) -> Reject {
    let key = match rule {
        KeyRule::Id => rejected.id.or(rejected.link),
        KeyRule::Link => rejected.link,
        _ => None,
    };
    Reject {
        ordinal: rejected.ordinal,
        key: key.and_then(|key| NaturalKey::new(namespace.clone(), &key).ok()),
        code: rejected.code.into(),
        reason: rejected.reason,
        excerpt: rejected.excerpt,
    }
}

#[cfg(test)]
mod tests;
