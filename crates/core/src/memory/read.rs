//! Questions: rows, pages, sightings expanded from spans.

use std::cmp::Ordering;
use std::collections::HashSet;
use std::num::NonZeroUsize;

use super::tables::{FeedTable, RecordRow, Tables};
use crate::ingest::Observation;
use crate::{
    Change, Cursor, Direction, FeedId, Json, Layer, NaturalKey, Page, PageRequest, Quarantined, Query, Record,
    RecordId, RecordRef, Result, Round, Seen, Selection, Seq, Sighting, StorageError, Timestamp, Version, sort_value,
};

impl Tables {
    pub(super) fn get(&self, wanted: &RecordRef) -> Option<Record> {
        let id = self.find(&wanted.name)?;
        let row = &self.records[&id];
        row.current(wanted.layer).map(|stored| Self::record(id, row, stored))
    }

    fn select<'a>(&'a self, selection: &'a Selection) -> impl Iterator<Item = Record> + 'a {
        let rows = self.records.iter();
        let current = rows.filter_map(|(id, row)| Some(Self::record(*id, row, row.current(selection.layer)?)));
        current.filter(|record| selection.filter.matches(record))
    }

    pub(super) fn count(&self, selection: &Selection) -> Result<u64> {
        selection.filter.check()?;
        Ok(self.select(selection).count() as u64)
    }

    pub(super) fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        query.check()?;
        let after = query.position()?;
        let place = |record: &Record| -> Vec<Json> {
            let terms = query.order.iter().map(|order| sort_value(&order.field, record));
            terms.chain([Json::from(record.id.to_string())]).collect()
        };
        let placed = self.select(&query.selection).map(|record| (place(&record), record));
        let mut rows: Vec<(Vec<Json>, Record)> = match &after {
            Some(after) => placed.filter(|(place, _)| compare(query, place, after) == Ordering::Greater).collect(),
            None => placed.collect(),
        };
        rows.sort_by(|(a, _), (b, _)| compare(query, a, b));
        let more = rows.len() > query.page.size();
        rows.truncate(query.page.size());
        let items: Vec<Record> = rows.into_iter().map(|(_, record)| record).collect();
        let next = items.last().filter(|_| more).map(|last| query.cursor_after(last));
        Ok(Page { items, next })
    }

    pub(super) fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        let mut all = self.sightings(key);
        all.sort_by_key(|sighting| (sighting.observed_at, sighting.feed, sighting.fetch));
        let of = format!("sightings {key:?}");
        let place = |sighting: &Sighting| -> Vec<Json> {
            let at = Json::from(sighting.observed_at.as_micros());
            vec![at, sighting.feed.to_string().into(), sighting.fetch.to_string().into()]
        };
        page_of(all, page, &of, place)
    }

    pub(super) fn sightings(&self, key: &NaturalKey) -> Vec<Sighting> {
        let key_hash = key.hash();
        let mut all = match self.keys.get(&key_hash) {
            Some(id) => self.captured(key, &self.records[id]),
            None => Vec::new(),
        };
        let observed: HashSet<_> = all.iter().map(|sighting| (sighting.feed, sighting.fetch)).collect();
        let told = self.told.get(&key_hash).into_iter().flatten().map(|(sighting, _)| sighting);
        // What an observation has captured too is one sighting, and that one.
        all.extend(told.filter(|told| !observed.contains(&(told.feed, told.fetch))).cloned());
        all
    }

    fn captured(&self, key: &NaturalKey, row: &RecordRow) -> Vec<Sighting> {
        let mut all = Vec::new();
        self.for_each_span(row, |feed_id, feed, version, since, until| {
            for round in since.get()..=until.get() {
                let observation = feed.observation_of(Round::new(round).expect("rounds begin at 1"));
                all.push(Sighting {
                    key: key.clone(),
                    feed: feed_id,
                    fetch: observation.fetch,
                    observed_at: observation.observed_at,
                    version: Some(version),
                });
            }
        });
        all.extend(row.points.iter().map(|point| Sighting {
            key: key.clone(),
            feed: point.feed,
            fetch: point.fetch,
            observed_at: self.observed_at(point.feed, point.fetch),
            version: Some(point.shown.version),
        }));
        all
    }

    pub(super) fn seen(&self, key: &NaturalKey) -> Option<Seen> {
        let all = self.sightings(key);
        Some(Seen {
            count: all.len() as u64,
            earliest: all.iter().map(|sighting| sighting.observed_at).min()?,
            latest: all.iter().map(|sighting| sighting.observed_at).max()?,
        })
    }

    /// The record's closed spans and open ones, the latter up to the feed's last round.
    fn for_each_span(
        &self,
        row: &RecordRow,
        mut visit: impl FnMut(FeedId, &FeedTable, crate::VersionNo, Round, Round),
    ) {
        for span in &row.spans {
            visit(span.feed, &self.feeds[&span.feed], span.version, span.since, span.until);
        }
        for (id, feed) in &self.feeds {
            if let (Some(present), Some(last)) = (feed.present.get(&row.key_hash), feed.state.round) {
                visit(*id, feed, present.version, present.since, last);
            }
        }
    }

    fn observed_at(&self, feed: FeedId, fetch: crate::FetchId) -> Timestamp {
        let feed = &self.feeds[&feed];
        feed.ledger[feed.by_fetch[&fetch]].observation.observed_at
    }

    pub(super) fn versions_page(&self, id: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        let versions = self.records.get(&id).map(|row| row.layer(layer).as_slice()).unwrap_or_default();
        let versions = versions.iter().map(|stored| stored.version.clone()).collect();
        let place = |version: &Version| vec![Json::from(i64::from(version.number.get()))];
        page_of(versions, page, &format!("versions {id} {layer}"), place)
    }

    pub(super) fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        let ledger = self.feeds.get(&feed).map(|feed| feed.ledger.as_slice()).unwrap_or_default();
        let numbered = ledger.iter().enumerate().map(|(at, entry)| (at, entry.observation.clone())).collect();
        numbered_page(numbered, page, &format!("observations {feed}"))
    }

    pub(super) fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        let quarantine = self.feeds.get(&feed).map(|feed| feed.quarantine.as_slice()).unwrap_or_default();
        numbered_page(quarantine.iter().cloned().enumerate().collect(), page, &format!("rejects {feed}"))
    }

    pub(super) fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let after = after.as_number().ok_or_else(|| StorageError::invalid("not a position of this change log"))?;
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        let entries = self.log.iter().enumerate().skip(after).take(limit.get());
        Ok(entries.map(|(at, event)| Change { seq: Seq::from_number(at as u64 + 1), event: event.clone() }).collect())
    }
}

fn compare(query: &Query, a: &[Json], b: &[Json]) -> Ordering {
    let directions = query.order.iter().map(|order| order.direction).chain([Direction::Ascending]);
    let terms = a.iter().zip(b).zip(directions).map(|((a, b), direction)| match direction {
        Direction::Ascending => a.cmp(b),
        Direction::Descending => b.cmp(a),
    });
    terms.fold(Ordering::Equal, Ordering::then)
}

/// A page of a list whose entries' places ascend.
fn page_of<T>(all: Vec<T>, page: &PageRequest, of: &str, place: impl Fn(&T) -> Vec<Json>) -> Result<Page<T>> {
    let after = page.after.as_ref().map(|cursor| cursor.position(of)).transpose()?;
    let rest = all.into_iter().filter(|entry| after.as_ref().is_none_or(|after| place(entry) > *after));
    let mut items: Vec<T> = rest.take(page.size() + 1).collect();
    let more = items.len() > page.size();
    items.truncate(page.size());
    let next = items.last().filter(|_| more).map(|last| Cursor::new(of, &place(last)));
    Ok(Page { items, next })
}

/// A page of a list that is numbered in the order of commits.
fn numbered_page<T>(all: Vec<(usize, T)>, page: &PageRequest, of: &str) -> Result<Page<T>> {
    let place = |(at, _): &(usize, T)| vec![Json::from(*at as u64)];
    let Page { items, next } = page_of(all, page, of, place)?;
    Ok(Page { items: items.into_iter().map(|(_, entry)| entry).collect(), next })
}
