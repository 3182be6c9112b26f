//! Bodies that were kept, read again: by today's parser, and by what is chosen for their feed today.

use std::collections::{HashMap, HashSet};

use feedspine_core::ingest::prevailing;
use feedspine_core::{Candidate, ContentHash, Feed, NaturalKey, Reject};

use super::held::{Held, Records};
use crate::adapters::Adapter;
use crate::archive::KeptBody;
use crate::collect::document::reading;
use crate::{Engine, OpError};

/// An item as it is read now.
pub(super) struct Reading {
    pub(super) item: Candidate,
    /// The hash of its content, by the rule that its feed has now.
    pub(super) hash: ContentHash,
}

/// Reads a body again: its items, and what is rejected now.
///
/// # Errors
/// It is no longer read at all, or not in time.
pub(super) async fn read_again(
    engine: &Engine,
    feed: &Feed,
    body: KeptBody,
) -> Result<(Vec<Candidate>, Vec<Reject>), OpError> {
    let _room = engine.room_for(body.bytes.len() as u64).await;
    let (adapter, of) = (Adapter::of(feed)?, feed.clone());
    reading(&feed.address, engine.settings().limits.parse, move || adapter.read_again(&of, &body)).await
}

/// Of items that have one key and differ, those that a store would not choose, by their places. `shown`: what their feed
/// showed last of a record, which stays.
pub(super) async fn losers(
    items: &[Reading],
    records: &mut Records<'_>,
    shown: impl Fn(&Held) -> Option<ContentHash>,
) -> Result<HashSet<u32>, OpError> {
    let mut of_keys: HashMap<&NaturalKey, Vec<&Reading>> = HashMap::with_capacity(items.len());
    for one in items {
        of_keys.entry(&one.item.key).or_default().push(one);
    }
    let mut losers = HashSet::new();
    for (key, rivals) in of_keys {
        if rivals.iter().all(|rival| rival.hash == rivals[0].hash) {
            continue;
        }
        let shown = shown(records.held(key).await?);
        let prevails = prevailing(rivals.iter().map(|rival| (&rival.item, rival.hash)), shown);
        let lose = rivals.iter().filter(|rival| Some(rival.hash) != prevails);
        losers.extend(lose.map(|rival| rival.item.ordinal));
    }
    Ok(losers)
}
