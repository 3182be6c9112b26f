//! What a fetch showed, and is read no more.

use std::collections::{HashMap, HashSet};

use feedspine_core::{
    ContentHash, Feed, FetchId, Field, Filter, Json, KeyHash, Layer, MAX_PAGE, NaturalKey, Order, PageRequest, Query,
    Selection, StorageBackend, Test, VersionNo,
};

use super::compare::Moment;
use crate::OpError;
use crate::ops::held::Records;

/// So many records are looked at of one fetch, from those on that were captured last before it: what it showed is mostly
/// among the first.
const MOST_LOOKED_AT: usize = 20_000;

/// What today's rules read of all bodies of a fetch.
#[derive(Debug, Default)]
pub(super) struct Survey {
    /// The keys of items, and those that items had which the fetch rejected: such a key counted as seen.
    pub(super) keys: HashSet<KeyHash>,
    /// The fetches by which items of these bodies were stored: it, or of what comes line by line those that stored again what
    /// it had rejected.
    pub(super) stored_by: Vec<FetchId>,
    /// How many of the items these fetches showed, each time.
    pub(super) stored: u64,
    /// The contents of the others, each with how many have it: what was shown with one of them has another key now.
    pub(super) others: HashMap<ContentHash, usize>,
}

impl Survey {
    /// Whether what had that content is still read, under another key: each of the others stands for one.
    fn is_rekeyed(others: &mut HashMap<ContentHash, usize>, hash: &ContentHash) -> bool {
        match others.get_mut(hash) {
            Some(left) if *left > 0 => {
                *left -= 1;
                true
            }
            _ => false,
        }
    }
}

/// What a fetch showed that today's rules do not read.
#[derive(Debug, Default)]
pub(super) struct Lost {
    /// How many sightings of them there are, named or not; `None` where that cannot be told, since not all that the fetch brought can be read.
    pub(super) count: Option<u64>,
    /// Those that were found, and are read under no other key either.
    pub(super) items: Vec<LostItem>,
    /// Their keys by the contents that they had.
    pub(super) by_content: HashMap<ContentHash, NaturalKey>,
}

/// One of them.
#[derive(Debug)]
pub(super) struct LostItem {
    pub(super) key: NaturalKey,
    pub(super) version: VersionNo,
}

impl Lost {
    /// Looks for the items that were stored of a fetch and that the survey lacks, so many sightings of them. One that was
    /// deleted since is not found.
    pub(super) async fn of(
        storage: &dyn StorageBackend,
        records: &mut Records<'_>,
        feed: &Feed,
        moment: Moment,
        (survey, count): (&Survey, u64),
    ) -> Result<Self, OpError> {
        let mut lost = Self { count: Some(count), ..Self::default() };
        let mut others = survey.others.clone();
        let in_namespace = Test::Equal(feed.namespace.as_str().into());
        let captured_by_then = Test::AtMost(Json::from(moment.at.as_micros()));
        let filter = Filter::All(vec![
            Filter::Field(Field::Namespace, in_namespace),
            Filter::Field(Field::FirstSeen, captured_by_then),
        ]);
        let selection = Selection { layer: Some(Layer::Bronze), filter };
        let order = vec![Order::parse("-first_seen")?];
        let (mut page, mut looked_at, mut found) = (PageRequest::first(MAX_PAGE), 0, 0);
        while found < count && looked_at < MOST_LOOKED_AT {
            let query = Query { selection: selection.clone(), order: order.clone(), page: page.clone() };
            let read = storage.query_page(&query).await?;
            looked_at += read.items.len();
            for record in read.items.into_iter().filter(|record| !survey.keys.contains(&record.key.hash())) {
                let held = records.held(&record.key).await?;
                let times = held.times_shown_by(&survey.stored_by, moment.at);
                if times == 0 {
                    continue;
                }
                found += times;
                if let Some(standing) = held.standing(moment.fetch, moment.at, false) {
                    let hash = held.hash_of(standing.shown);
                    if let Some(hash) = hash {
                        lost.by_content.insert(hash, record.key.clone());
                    }
                    if !hash.is_some_and(|hash| Survey::is_rekeyed(&mut others, &hash)) {
                        lost.items.push(LostItem { key: record.key, version: standing.shown });
                    }
                }
            }
            page.after = read.next;
            if page.after.is_none() {
                break;
            }
        }
        Ok(lost)
    }
}
