//! What would become of items that have keys: as the store judges them in a collect.

use std::collections::HashMap;

use feedspine_core::ingest::{KEY_COLLISION, prevailing};
use feedspine_core::{Candidate, ContentHash, Feed, HashRule, Json, Layer, NaturalKey, RecordRef};

use super::{DiagnosedItem, ItemOutcome};
use crate::Engine;
use crate::ops::OpError;
use crate::ops::held::{Held, Records};

impl Engine {
    /// Judges items of one document; without a feed nothing is held of them.
    pub(super) async fn judged(
        &self,
        feed: Option<&Feed>,
        items: &[Candidate],
        hash_rule: &HashRule,
    ) -> Result<Vec<DiagnosedItem>, OpError> {
        let hashes: Vec<ContentHash> = items.iter().map(|item| hash_rule.hash(&item.content)).collect();
        let mut of_keys: HashMap<&NaturalKey, Vec<usize>> = HashMap::with_capacity(items.len());
        for (place, item) in items.iter().enumerate() {
            of_keys.entry(&item.key).or_default().push(place);
        }
        let current = if feed.is_some() { self.current(items, hash_rule).await? } else { HashMap::new() };
        let mut records = feed.map(|feed| Records::new(self.storage(), feed.id, hash_rule.clone()));
        let mut outcomes = vec![ItemOutcome::Repeated; items.len()];
        for (key, places) in of_keys {
            let first = hashes[places[0]];
            let alike = places.iter().all(|place| hashes[*place] == first);
            let current = current.get(key);
            // The usual item is settled by what is current; only for others is it read what else there is.
            let held = match &mut records {
                Some(records) if !alike || current.is_some_and(|current| *current != first) => {
                    Some(records.held(key).await?)
                }
                _ => None,
            };
            let shown = held.and_then(Held::shown_last);
            let rivals = places.iter().map(|place| (&items[*place], hashes[*place]));
            let stands = if alike { first } else { prevailing(rivals, shown).unwrap_or(first) };
            let mut outcome = match current {
                None => ItemOutcome::New,
                Some(current) if *current == stands => ItemOutcome::Unchanged,
                Some(_) if held.is_some_and(|held| held.is_unchanged(stands)) => ItemOutcome::Unchanged,
                Some(_) => ItemOutcome::Changed,
            };
            for place in places {
                outcomes[place] = if hashes[place] == stands {
                    std::mem::replace(&mut outcome, ItemOutcome::Repeated)
                } else {
                    ItemOutcome::Rejected
                };
            }
        }
        Ok(items.iter().zip(outcomes).map(|(item, outcome)| diagnosed(item, outcome)).collect())
    }

    /// What decides a version of the contents that records of these keys have now.
    async fn current(
        &self,
        items: &[Candidate],
        hash_rule: &HashRule,
    ) -> Result<HashMap<NaturalKey, ContentHash>, OpError> {
        let mut current = HashMap::new();
        for some in items.chunks(feedspine_core::MAX_PAGE) {
            let wanted: Vec<RecordRef> =
                some.iter().map(|item| RecordRef::key(item.key.clone()).at(Layer::Bronze)).collect();
            let found = self.storage().get_many(&wanted).await?;
            current.extend(found.into_iter().flatten().map(|record| (record.key, hash_rule.hash(&record.content))));
        }
        Ok(current)
    }
}

fn diagnosed(item: &Candidate, outcome: ItemOutcome) -> DiagnosedItem {
    let collides = || {
        let reason = format!("another item has the key {:?} and other content", item.key.key());
        (KEY_COLLISION.to_owned(), reason)
    };
    DiagnosedItem {
        ordinal: item.ordinal,
        outcome,
        key: Some(item.key.key().to_owned()),
        key_rule: Some(item.key_rule),
        title: item.content.to_json().get("title").and_then(Json::as_str).map(str::to_owned),
        published: item.published,
        updated: item.updated,
        content_hash: Some(item.content.hash()),
        reject: (outcome == ItemOutcome::Rejected).then(collides),
    }
}
