//! Questions: rows, pages, sightings expanded from spans.

use std::collections::HashSet;
use std::num::NonZeroUsize;

use super::tables::{FeedTable, RecordRow, Tables, Told};
use crate::ingest::Observation;
use crate::{
    Change, Event, FeedId, FetchId, Layer, NaturalKey, Page, PageRequest, Quarantined, Query, Record, RecordId,
    RecordRef, Result, Round, Seen, Selection, Seq, Sighting, Timestamp, Version,
};

impl Tables {
    pub(super) fn get(&self, wanted: &RecordRef) -> Option<Record> {
        let id = self.find(&wanted.name)?;
        let row = &self.records[&id];
        row.current(wanted.layer).map(|stored| Self::record(row, stored))
    }

    /// The rows of a layer, by id.
    fn rows(&self, layer: Option<Layer>) -> impl Iterator<Item = Record> + '_ {
        let rows = self.records.values();
        rows.filter_map(move |row| Some(Self::record(row, row.current(layer)?)))
    }

    pub(super) fn count(&self, selection: &Selection) -> Result<u64> {
        selection.filter.check()?;
        Ok(self.rows(selection.layer).filter(|record| selection.filter.matches(record)).count() as u64)
    }

    pub(super) fn query_page(&self, query: &Query) -> Result<Page<Record>> {
        query.cut(self.rows(query.selection.layer).map(Ok))
    }

    pub(super) fn sightings_page(&self, key: &NaturalKey, page: &PageRequest) -> Result<Page<Sighting>> {
        page.cut_sightings(key, self.sightings(key))
    }

    pub(super) fn sightings(&self, key: &NaturalKey) -> Vec<Sighting> {
        let key_hash = key.hash();
        let mut all = match self.keys.get(&key_hash) {
            Some(id) => self.captured(key, &self.records[id]),
            None => Vec::new(),
        };
        let observed: HashSet<_> = all.iter().map(|sighting| (sighting.feed, sighting.fetch)).collect();
        let told = self.told.get(&key_hash).into_iter().flatten();
        // What an observation has captured too is one sighting, and that one.
        let told = told.filter(|told| !observed.contains(&(told.feed, told.fetch)));
        all.extend(told.map(|told| {
            let Told { feed, fetch, observed_at, .. } = *told;
            Sighting { key: key.clone(), feed, fetch, observed_at, version: None }
        }));
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
        Seen::of(&self.sightings(key))
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

    fn observed_at(&self, feed: FeedId, fetch: FetchId) -> Timestamp {
        let feed = &self.feeds[&feed];
        feed.ledger[feed.by_fetch[&fetch]].row.observation.observed_at
    }

    pub(super) fn versions_page(&self, id: RecordId, layer: Layer, page: &PageRequest) -> Result<Page<Version>> {
        let versions = self.records.get(&id).map(|row| row.layer(layer).as_slice()).unwrap_or_default();
        let of = format!("versions {id} {layer}");
        numbered_page(versions, page, &of, |stored| stored.version.clone())
    }

    pub(super) fn observations_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Observation>> {
        let ledger = self.feeds.get(&feed).map(|feed| feed.ledger.as_slice()).unwrap_or_default();
        numbered_page(ledger, page, &format!("observations {feed}"), |entry| entry.row.observation.clone())
    }

    pub(super) fn observation(&self, feed: FeedId, fetch: FetchId) -> Option<Observation> {
        let feed = self.feeds.get(&feed)?;
        feed.by_fetch.get(&fetch).map(|at| feed.ledger[*at].row.observation.clone())
    }

    pub(super) fn rejects_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Quarantined>> {
        let quarantine = self.feeds.get(&feed).map(|feed| feed.quarantine.as_slice()).unwrap_or_default();
        numbered_page(quarantine, page, &format!("rejects {feed}"), Quarantined::clone)
    }

    pub(super) fn changes(&self, after: &Seq, limit: NonZeroUsize) -> Result<Vec<Change>> {
        let after = after.as_number().ok_or_else(Seq::unreadable)?;
        let after = usize::try_from(after).unwrap_or(usize::MAX);
        Ok(self.log_entries().skip(after).take(limit.get()).map(to_change).collect())
    }

    pub(super) fn changes_of(&self, record: RecordId) -> Vec<Change> {
        let is_of = |event: &Event| event.subject.as_ref().is_some_and(|subject| subject.record == record);
        self.log_entries().filter(|(_, event)| is_of(event)).map(to_change).collect()
    }

    /// The change log, each entry with its number, from 1 on.
    fn log_entries(&self) -> impl Iterator<Item = (u64, &Event)> {
        (1..).zip(&self.log)
    }
}

fn to_change((number, event): (u64, &Event)) -> Change {
    Change { seq: Seq::from_number(number), event: event.clone() }
}

/// A page of a list that is numbered from 1 in the order of commits.
fn numbered_page<R, T>(all: &[R], page: &PageRequest, of: &str, entry: impl Fn(&R) -> T) -> Result<Page<T>> {
    let numbered = || (1..).zip(all);
    page.cut_numbered(of, |after| {
        let rest = numbered().skip(usize::try_from(after).unwrap_or(usize::MAX));
        Ok(rest.map(|(number, row)| Ok((number, entry(row)))))
    })
}
