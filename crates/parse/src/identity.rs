//! What makes an item that item: the choice of a feed's key rule, and candidates made by it.

mod fit;
mod looks;

use std::borrow::Cow;

use feedspine_core::{Candidate, Content, Json, KeyError, KeyRule, Namespace, NaturalKey, Reject};

use crate::content::content;
use crate::item::{Found, folded, key_at};
use crate::json_query::JsonQuery;
use crate::model::{Document, Item, RejectedItem};

pub use fit::{KeysHeld, LearnedRule, RuleFit, learn_rule, tolerated};
pub use looks::{Look, looks};

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

/// The key rule that a feed's first document with items chooses; `None` when this one holds none. See [`learn_rule`].
pub fn choose_rule(document: &Document) -> Option<KeyRule> {
    learn_rule(document).map(|learned| learned.rule)
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

/// Gives each item another key: the text at these places of its content, where there are any, with its capitals made
/// small where that is asked for. An item that has nothing at one of them is rejected.
pub fn rekey(identified: Identified, places: &[JsonQuery], fold_case: bool) -> Identified {
    let mut rekeyed = Identified { candidates: Vec::new(), ..identified };
    // What could not be taken is there under the key that it would have.
    for reject in &mut rekeyed.rejects {
        let fold =
            |key: &NaturalKey| NaturalKey::new(key.namespace().clone(), &folded(key.key().to_owned(), fold_case)).ok();
        reject.key = reject.key.as_ref().filter(|_| places.is_empty()).and_then(fold);
    }
    for candidate in identified.candidates {
        let content = if places.is_empty() { Json::Null } else { candidate.content.to_json() };
        let (key, key_rule) = match key_at(places, |place| place.first(&content)) {
            Found::Key(key) => (key, KeyRule::Given),
            Found::Content => (candidate.key.key().to_owned(), candidate.key_rule),
            Found::Missing(place) => {
                rekeyed.rejects.push(Reject {
                    ordinal: candidate.ordinal,
                    key: None,
                    code: "key.missing".into(),
                    reason: format!("the item has no {place}, which its key is made of"),
                    excerpt: excerpt_of(candidate.content.as_str()).into(),
                });
                continue;
            }
        };
        match NaturalKey::new(candidate.key.namespace().clone(), &folded(key, fold_case)) {
            Ok(key) => rekeyed.candidates.push(Candidate { key, key_rule, ..candidate }),
            Err(error) => rekeyed.rejects.push(Reject {
                ordinal: candidate.ordinal,
                key: None,
                code: key_fault(&error).into(),
                reason: error.to_string(),
                excerpt: excerpt_of(candidate.content.as_str()).into(),
            }),
        }
    }
    rekeyed.rejects.sort_by_key(|reject| reject.ordinal);
    rekeyed.complete &= rekeyed.rejects.iter().all(|reject| reject.key.is_some());
    rekeyed
}

fn keyed(item: &Item, content: &Content, rule: KeyRule) -> (String, KeyRule) {
    let fall_back: &[KeyRule] = if rule == KeyRule::Id { &[KeyRule::Id, KeyRule::Link] } else { &[rule] };
    let found = fall_back.iter().find_map(|rule| key_text(item, *rule).map(|key| (key.into_owned(), *rule)));
    found.unwrap_or_else(|| (format!("sha256:{}", content.hash()), KeyRule::Content))
}

/// The key of an item under a rule that looks at one field; `None` when it has nothing there.
fn key_text(item: &Item, rule: KeyRule) -> Option<Cow<'_, str>> {
    match rule {
        KeyRule::Id => item.id.as_deref().map(Cow::Borrowed),
        KeyRule::Link => item.link().map(Cow::Borrowed),
        KeyRule::LinkDate => {
            let date = item.published.as_ref().or(item.updated.as_ref())?;
            item.link().map(|link| Cow::Owned(format!("{link} {}", date.raw)))
        }
        KeyRule::Content | KeyRule::Given => None,
    }
}

/// A key that no store takes: too long, or with NUL.
fn unkeyed(item: &Item, content: &Content, error: &KeyError) -> Reject {
    Reject {
        ordinal: item.ordinal,
        key: None,
        code: key_fault(error).into(),
        reason: error.to_string(),
        excerpt: excerpt_of(content.as_str()).into(),
    }
}

/// The reject code of an item whose key no store takes.
pub(crate) fn key_fault(error: &KeyError) -> &'static str {
    match error {
        KeyError::Empty { .. } => "key.missing",
        KeyError::TooLong { .. } => "key.too_long",
        KeyError::Forbidden { .. } => "key.forbidden",
    }
}

/// As much of a rejected item as is kept.
pub(crate) fn excerpt_of(text: &str) -> &str {
    &text[..text.floor_char_boundary(512)]
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
