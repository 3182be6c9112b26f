//! Everything as rows, and rows as everything.

use std::collections::VecDeque;

use async_trait::async_trait;

use super::MemoryStore;
use super::tables::{self, Entry, FeedTable, Span, Tables, Told};
use crate::ingest::{LedgerRow, Standing};
use crate::transfer::{
    Batches, Export, FeedRow, ObservationRow, PointRow, Progress, RecordRow, RejectRow, Row, SpanRow, StandingRow,
    ToldRow, Transfer, no_import, not_empty, unfounded,
};
use crate::{FeedId, RecordId, Result, StorageError};

#[async_trait]
impl Transfer for MemoryStore {
    async fn export(&self) -> Result<Box<dyn Export>> {
        Ok(Box::new(Exported { batches: self.open()?.export() }))
    }

    async fn begin_import(&self) -> Result<Option<Progress>> {
        let mut tables = self.control()?;
        if tables.importing.is_none() {
            if !tables.is_empty() {
                return Err(not_empty());
            }
            tables.importing = Some(Progress::default());
            return Ok(None);
        }
        Ok(tables.importing)
    }

    async fn import(&self, rows: Vec<Row>, progress: Progress) -> Result<()> {
        let mut tables = self.control()?;
        tables.importing.ok_or_else(no_import)?.check_next(rows.len(), &progress)?;
        tables.check_named(&rows)?;
        for row in rows {
            tables.import(row);
        }
        tables.importing = Some(progress);
        Ok(())
    }

    async fn finish_import(&self) -> Result<()> {
        self.control()?.importing.take().map(drop).ok_or_else(no_import)
    }
}

/// All rows, cut into batches: content is shared, so a copy of the rows is small.
#[derive(Debug)]
struct Exported {
    batches: VecDeque<Vec<Row>>,
}

#[async_trait]
impl Export for Exported {
    async fn next(&mut self) -> Result<Vec<Row>> {
        Ok(self.batches.pop_front().unwrap_or_default())
    }
}

impl Tables {
    fn is_empty(&self) -> bool {
        self.feeds.is_empty() && self.records.is_empty() && self.told.is_empty() && self.log.is_empty()
    }

    fn export(&self) -> VecDeque<Vec<Row>> {
        let mut feeds: Vec<(&FeedId, &FeedTable)> =
            self.feeds.iter().filter(|(_, feed)| !feed.ledger.is_empty()).collect();
        feeds.sort_unstable_by_key(|(id, _)| **id);
        let mut cut = Batches::default();
        let mut batches = VecDeque::new();
        let mut put = |row: Row| batches.extend(cut.push(row));
        for (id, feed) in &feeds {
            put(Row::Feed(FeedRow { feed: **id, state: feed.state.clone() }));
        }
        for entry in feeds.iter().flat_map(|(_, feed)| &feed.ledger) {
            let parts = entry.parts.iter().map(|(index, part)| (*index, part.clone()));
            put(Row::Observation(ObservationRow::new(entry.row.clone(), parts)));
        }
        for (id, feed) in &feeds {
            for quarantined in feed.quarantine.iter().cloned() {
                put(Row::Reject(RejectRow { feed: **id, quarantined }));
            }
        }
        for (id, row) in &self.records {
            let tables::RecordRow { key, key_rule, first_seen, .. } = &**row;
            put(Row::Record(RecordRow { id: *id, key: key.clone(), key_rule: *key_rule, first_seen: *first_seen }));
        }
        for stored in self.records.values().flat_map(|row| row.layers.iter().flatten()) {
            put(Row::Version(stored.clone()));
        }
        for (id, row) in &self.records {
            for span in spans(*id, row) {
                put(Row::Span(span));
            }
        }
        for (id, row) in &self.records {
            for point in points(*id, row) {
                put(Row::Point(point));
            }
        }
        for (id, row) in &self.records {
            for (feed_id, feed) in &feeds {
                let present = feed.present.get(&row.key_hash).cloned().map(Standing::Open);
                let absent = feed.absent.get(&row.key_hash).copied().map(Standing::Left);
                if let Some(standing) = present.or(absent) {
                    put(Row::Standing(StandingRow { record: *id, feed: **feed_id, standing }));
                }
            }
        }
        for told in self.all_told() {
            put(Row::Told(told));
        }
        for event in &self.log {
            put(Row::Event(event.clone()));
        }
        batches.extend(Some(cut.take()).filter(|rest| !rest.is_empty()));
        batches
    }

    fn all_told(&self) -> Vec<ToldRow> {
        let mut all = Vec::new();
        for (key_hash, told) in &self.told {
            all.extend(told.iter().map(|told| {
                let Told { feed, fetch, observed_at, first } = *told;
                ToldRow { key_hash: *key_hash, feed, fetch, observed_at, first }
            }));
        }
        all.sort_unstable_by_key(|told| (told.key_hash, told.feed, told.fetch));
        all
    }

    /// All or none: what rows name must be there, or come before them.
    fn check_named(&self, rows: &[Row]) -> Result<()> {
        let mut records: Vec<RecordId> = Vec::new();
        let mut feeds: Vec<FeedId> = Vec::new();
        for row in rows {
            match row {
                Row::Feed(row) => feeds.push(row.feed),
                Row::Record(row) => records.push(row.id),
                _ => {}
            }
        }
        records.sort_unstable();
        feeds.sort_unstable();
        let record = |row: &str, id: RecordId| -> Result<(), StorageError> {
            let known = self.records.contains_key(&id) || records.binary_search(&id).is_ok();
            if known { Ok(()) } else { Err(unfounded(row, format!("record {id}"))) }
        };
        let feed = |row: &str, id: FeedId| -> Result<(), StorageError> {
            let known = self.feeds.contains_key(&id) || feeds.binary_search(&id).is_ok();
            if known { Ok(()) } else { Err(unfounded(row, format!("feed {id}"))) }
        };
        for row in rows {
            match row {
                Row::Feed(_) | Row::Record(_) | Row::Told(_) | Row::Event(_) => {}
                Row::Observation(row) => feed("observation", row.ledger.observation.feed)?,
                Row::Reject(row) => feed("reject", row.feed)?,
                Row::Version(stored) => record("version", stored.version.record)?,
                Row::Span(row) => feed("span", row.feed).and(record("span", row.record))?,
                Row::Point(row) => feed("point", row.feed).and(record("point", row.record))?,
                Row::Standing(row) => feed("standing", row.feed).and(record("standing", row.record))?,
            }
        }
        Ok(())
    }

    fn import(&mut self, row: Row) {
        match row {
            Row::Feed(row) => self.feed_mut(row.feed).state = row.state,
            Row::Observation(row) => self.feed_mut(row.ledger.observation.feed).import(row),
            Row::Reject(row) => self.feed_mut(row.feed).quarantine.push(row.quarantined),
            Row::Record(row) => {
                let RecordRow { id, key, key_rule, first_seen } = row;
                let key_hash = key.hash();
                self.keys.insert(key_hash, id);
                self.records.insert(id, tables::RecordRow::new(key, key_hash, key_rule, first_seen));
            }
            Row::Version(stored) => {
                let layer = stored.version.layer;
                self.row_mut(stored.version.record).layer_mut(layer).push(stored);
            }
            Row::Span(row) => {
                let SpanRow { record, feed, since, until, version } = row;
                self.row_mut(record).spans.push(Span { feed, version, since, until });
            }
            Row::Point(row) => {
                let PointRow { record, feed, fetch, shown, age, ordinal } = row;
                self.row_mut(record).points.push(tables::PointRow { feed, fetch, shown, age, ordinal });
                self.feed_mut(feed).points_of.entry(fetch).or_default().push(record);
            }
            Row::Standing(row) => {
                let key_hash = self.row_mut(row.record).key_hash;
                let feed = self.feed_mut(row.feed);
                match row.standing {
                    Standing::Open(present) => drop(feed.present.insert(key_hash, present)),
                    Standing::Left(absent) => drop(feed.absent.insert(key_hash, absent)),
                }
            }
            Row::Told(row) => {
                let ToldRow { key_hash, feed, fetch, observed_at, first } = row;
                self.told.entry(key_hash).or_default().push(Told { feed, fetch, observed_at, first });
            }
            Row::Event(event) => self.log.push(event),
        }
    }

    fn feed_mut(&mut self, feed: FeedId) -> &mut FeedTable {
        self.feeds.entry(feed).or_default()
    }
}

impl FeedTable {
    fn import(&mut self, row: ObservationRow) {
        let LedgerRow { observation, .. } = &row.ledger;
        let at = self.ledger.len();
        self.by_fetch.insert(observation.fetch, at);
        if observation.round.is_some() {
            self.rounds.push(at);
        }
        self.ledger.push(Entry { row: row.ledger, parts: row.parts.into_iter().collect() });
    }
}

fn spans(record: RecordId, row: &tables::RecordRow) -> Vec<SpanRow> {
    let span = |span: &Span| {
        let Span { feed, version, since, until } = *span;
        SpanRow { record, feed, since, until, version }
    };
    let mut spans: Vec<SpanRow> = row.spans.iter().map(span).collect();
    spans.sort_unstable_by_key(|span| (span.feed, span.since));
    spans
}

fn points(record: RecordId, row: &tables::RecordRow) -> Vec<PointRow> {
    let point = |point: &tables::PointRow| {
        let tables::PointRow { feed, fetch, shown, age, ordinal } = *point;
        PointRow { record, feed, fetch, shown, age, ordinal }
    };
    let mut points: Vec<PointRow> = row.points.iter().map(point).collect();
    points.sort_unstable_by_key(|point| (point.feed, point.fetch));
    points
}
