//! Questions. Each is asked of one snapshot; nothing is held between pages.

use std::collections::HashSet;
use std::num::NonZeroUsize;
use std::ops::RangeInclusive;

use feedspine_core::ingest::Standing;
use feedspine_core::{
    Change, FeedId, FetchId, Layer, NaturalKey, Page, Query, Record, RecordId, RecordName, RecordRef, Result,
    Selection, Seq, Sighting, StorageError,
};
use redb::ReadTransaction;

use crate::schema::{
    CHANGES, FEEDS, Hash, Id, KEYS, POINTS, RECORDS, ROUNDS, RecordRow, SPANS, STANDINGS, TOLD, VERSIONS,
};
use crate::table::Reads;

/// All versions of a record at a layer, or at all of them: the last is the current one of the highest.
pub(crate) fn versions_of(record: Id, layer: Option<Layer>) -> RangeInclusive<((Id, u8), u64)> {
    let (lowest, highest) = layer.map_or((0, u8::MAX), |layer| (layer.rank(), layer.rank()));
    ((record, lowest), 0)..=((record, highest), u64::MAX)
}

/// The record of that name.
pub(crate) fn find(tx: &impl Reads, name: &RecordName) -> Result<Option<(RecordId, RecordRow)>> {
    let id = match name {
        RecordName::Id(id) => *id,
        RecordName::Key(key) => match KEYS.get(tx, *key.hash().as_bytes())? {
            Some(id) => id,
            None => return Ok(None),
        },
    };
    Ok(RECORDS.get(tx, *id.as_bytes())?.map(|row| (id, row)))
}

pub(crate) fn get(tx: &ReadTransaction, wanted: &RecordRef) -> Result<Option<Record>> {
    match find(tx, &wanted.name)? {
        Some((id, row)) => current(tx, *id.as_bytes(), row, wanted.layer),
        None => Ok(None),
    }
}

fn current(tx: &ReadTransaction, id: Id, row: RecordRow, layer: Option<Layer>) -> Result<Option<Record>> {
    let stored = VERSIONS.last(tx, versions_of(id, layer))?;
    Ok(stored.map(|(_, stored)| stored.version.to_record(row.key, row.key_rule, row.first_seen)))
}

/// The rows of a layer by id, from `first` on.
fn rows(tx: &ReadTransaction, layer: Option<Layer>, first: Id) -> Result<impl Iterator<Item = Result<Record>>> {
    let records = RECORDS.scan(tx, first..)?;
    Ok(records.filter_map(move |found| found.and_then(|(id, row)| current(tx, id, row, layer)).transpose()))
}

pub(crate) fn query_page(tx: &ReadTransaction, query: &Query) -> Result<Page<Record>> {
    // Without an order of its own, the query goes on where the page before it ended; else all rows are sorted.
    let first = query.after_id()?.map_or([0; 16], |id| *id.as_bytes());
    query.cut(rows(tx, query.selection.layer, first)?)
}

pub(crate) fn count(tx: &ReadTransaction, selection: &Selection) -> Result<u64> {
    selection.filter.check()?;
    let mut count = 0;
    for record in rows(tx, selection.layer, [0; 16])? {
        count += u64::from(selection.filter.matches(&record?));
    }
    Ok(count)
}

/// All sightings of a key: the points, one for each round of each span, and those told that no ingest has captured too.
pub(crate) fn sightings(tx: &impl Reads, key: &NaturalKey) -> Result<Vec<Sighting>> {
    let hash = *key.hash().as_bytes();
    let seen = |feed, fetch, observed_at, version| {
        let feed = FeedId::from_bytes(feed);
        Sighting { key: key.clone(), feed, fetch, observed_at, version: Some(version) }
    };
    let mut all = Vec::new();
    for ((_, feed, fetch), (point, at)) in POINTS.range(tx, of_feeds_and_fetches(hash))? {
        all.push(seen(feed, FetchId::from_bytes(fetch), at, point.shown.version));
    }
    let mut spans = SPANS.range(tx, (hash, [0; 16], 0)..=(hash, [255; 16], u64::MAX))?;
    for ((_, feed), standing) in STANDINGS.range(tx, of_feeds(hash))? {
        if let Standing::Open(present) = standing {
            let last_round = FEEDS.get(tx, feed)?.and_then(|state| state.round).unwrap_or(present.since);
            spans.push(((hash, feed, present.since.get()), (last_round, present.version)));
        }
    }
    for ((_, feed, since), (until, version)) in spans {
        let rounds = ROUNDS.range(tx, (feed, since)..=(feed, until.get()))?;
        all.extend(rounds.into_iter().map(|(_, (fetch, at))| seen(feed, fetch, at, version)));
    }
    let captured: HashSet<_> = all.iter().map(|sighting| (sighting.feed, sighting.fetch)).collect();
    for ((_, feed, fetch), (observed_at, _)) in TOLD.range(tx, of_feeds_and_fetches(hash))? {
        let (feed, fetch) = (FeedId::from_bytes(feed), FetchId::from_bytes(fetch));
        if !captured.contains(&(feed, fetch)) {
            all.push(Sighting { key: key.clone(), feed, fetch, observed_at, version: None });
        }
    }
    Ok(all)
}

/// A key's rows of a table by key and feed.
pub(crate) fn of_feeds(hash: Hash) -> RangeInclusive<(Hash, Id)> {
    (hash, [0; 16])..=(hash, [255; 16])
}

/// A key's rows of a table by key, feed and fetch.
pub(crate) fn of_feeds_and_fetches(hash: Hash) -> RangeInclusive<(Hash, Id, Id)> {
    (hash, [0; 16], [0; 16])..=(hash, [255; 16], [255; 16])
}

pub(crate) fn changes(tx: &ReadTransaction, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
    let after = after.as_number().ok_or_else(|| StorageError::invalid("not a position of this change log"))?;
    let rows = CHANGES.after(tx, (), after)?.take(limit.get());
    rows.map(|row| row.map(|(number, event)| Change { seq: Seq::from_number(number), event })).collect()
}
