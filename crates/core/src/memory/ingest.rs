//! Load, plan, apply.

use std::collections::HashMap;

use super::tables::{Entry, FeedTable, PointRow, RecordRow, Span, Tables};
use crate::ingest::{
    Begin, Coverage, Header, IngestReport, Known, Loaded, NewRecord, Point, Prepared, Shown, Standing, StoredVersion,
    WritePlan,
};
use crate::{FeedId, KeyHash, KeyHashMap, Layer, Quarantined, Record, Result};

impl Tables {
    pub(super) fn ingest(&mut self, prepared: &Prepared) -> Result<IngestReport> {
        let header = self.header(prepared);
        let mut loaded = Loaded::default();
        let plan = match prepared.begin(&header)? {
            Begin::Replay(_) => return Ok(self.replay(prepared)),
            Begin::Settled(plan) => *plan,
            Begin::Judge => {
                loaded = self.load(prepared, &header);
                prepared.plan(&header, &loaded)
            }
        };
        Ok(self.apply(prepared, plan, &loaded))
    }

    fn header(&self, prepared: &Prepared) -> Header {
        let batch = prepared.batch();
        let Some(feed) = self.feeds.get(&batch.feed) else { return Header::default() };
        let entry = feed.by_fetch.get(&batch.fetch).map(|at| &feed.ledger[*at]);
        let part = entry.and_then(|entry| entry.parts.get(&batch.part.index));
        let committed = part.map(|part| part.committed.clone());
        let of_round = match batch.coverage {
            Coverage::Unchanged { of } => feed.round_of(of),
            _ => None,
        };
        let begun = entry.map(|entry| entry.row.begun());
        Header { feed: feed.state.clone(), committed, begun, of_round }
    }

    fn replay(&self, prepared: &Prepared) -> IngestReport {
        let batch = prepared.batch();
        let feed = &self.feeds[&batch.feed];
        prepared.replay_part(&feed.ledger[feed.by_fetch[&batch.fetch]].parts[&batch.part.index])
    }

    fn load(&self, prepared: &Prepared, header: &Header) -> Loaded {
        let batch = prepared.batch();
        let mut loaded = Loaded::default();
        let feed = self.feeds.get(&batch.feed);
        if let Some(feed) = feed {
            loaded.present.clone_from(&feed.present);
            if prepared.changes_rule(header) {
                for present in loaded.present.values_mut() {
                    present.shown = self.shown(prepared, present.record, present.shown);
                }
            }
            if feed.by_fetch.contains_key(&batch.fetch) {
                loaded.earlier = self.earlier(prepared);
                let parts = feed.ledger[feed.by_fetch[&batch.fetch]].parts.values();
                loaded.rejected = parts.flat_map(|part| part.rejected.iter().copied()).collect();
            }
        }
        for key_hash in prepared.unsettled(&loaded) {
            if let Some(known) = self.known(prepared, feed, &key_hash) {
                loaded.known.insert(key_hash, known);
            }
        }
        for id in prepared.unnamed(&loaded) {
            loaded.keys.insert(id, self.records[&id].key.clone());
        }
        loaded
    }

    fn shown(&self, prepared: &Prepared, record: crate::RecordId, shown: Shown) -> Shown {
        let versions = self.records[&record].layer(Layer::Bronze);
        let stored = versions.iter().find(|stored| stored.version.number == shown.version);
        stored.map_or(shown, |stored| prepared.shown(stored))
    }

    fn earlier(&self, prepared: &Prepared) -> KeyHashMap<Point> {
        let batch = prepared.batch();
        let feed = &self.feeds[&batch.feed];
        let records = feed.points_of.get(&batch.fetch).map(Vec::as_slice).unwrap_or_default();
        let mut earlier = KeyHashMap::default();
        for record in records {
            let Some(row) = self.records.get(record) else { continue };
            let points = row.points.iter().filter(|point| point.fetch == batch.fetch && point.feed == batch.feed);
            earlier.extend(points.map(|point| {
                let shown = self.shown(prepared, *record, point.shown);
                let present = feed.present.contains_key(&row.key_hash);
                let (age, ordinal) = (point.age, point.ordinal);
                (row.key_hash, Point { record: *record, key_hash: row.key_hash, shown, age, ordinal, present })
            }));
        }
        earlier
    }

    fn known(&self, prepared: &Prepared, feed: Option<&FeedTable>, key_hash: &KeyHash) -> Option<Known> {
        let id = *self.keys.get(key_hash)?;
        let row = &self.records[&id];
        let absent = feed.and_then(|feed| feed.absent.get(key_hash)).copied().map(Standing::Left);
        Some(prepared.known(key_hash, (id, row.first_seen), row.layer(Layer::Bronze), absent.as_ref()))
    }

    fn apply(&mut self, prepared: &Prepared, plan: WritePlan, loaded: &Loaded) -> IngestReport {
        let batch = prepared.batch();
        // Both lists are in the order of the document, and each new record has its first version there.
        let mut made = plan.records.iter().peekable();
        for version in &plan.versions {
            let stored = prepared.stored(version);
            if let Some(NewRecord { id, key_hash, item }) = made.next_if(|record| record.item == version.item) {
                let item = prepared.item(*item);
                let mut row = RecordRow::new(item.key.clone(), *key_hash, item.key_rule, batch.observed_at);
                // Most records never get a second version.
                *row.layer_mut(Layer::Bronze) = vec![stored];
                self.keys.insert(*key_hash, *id);
                self.records.insert(*id, row);
            } else {
                self.row_mut(version.record).layer_mut(Layer::Bronze).push(stored);
            }
        }
        if plan.absorb_points {
            let feed = self.feeds.entry(batch.feed).or_default();
            for record in feed.points_of.remove(&batch.fetch).unwrap_or_default() {
                if let Some(row) = self.records.get_mut(&record) {
                    row.points.retain(|point| point.fetch != batch.fetch || point.feed != batch.feed);
                }
            }
        }
        self.apply_spans(batch.feed, &plan, loaded);
        for point in &plan.points {
            let row = PointRow {
                feed: batch.feed,
                fetch: batch.fetch,
                shown: point.shown,
                age: point.age,
                ordinal: point.ordinal,
            };
            self.row_mut(point.record).points.push(row);
        }
        let feed = self.feeds.entry(batch.feed).or_default();
        if !plan.points.is_empty() {
            feed.points_of.entry(batch.fetch).or_default().extend(plan.points.iter().map(|point| point.record));
        }
        feed.write_ledger(prepared, &plan);
        self.log.extend(plan.events);
        plan.report
    }

    fn apply_spans(&mut self, feed_id: FeedId, plan: &WritePlan, loaded: &Loaded) {
        for closed in &plan.closed {
            let span = Span { feed: feed_id, version: closed.version, since: closed.since, until: closed.until };
            self.row_mut(closed.record).spans.push(span);
        }
        let feed = self.feeds.entry(feed_id).or_default();
        feed.present.reserve(plan.opened.len());
        for (key_hash, standing) in plan.standings(loaded) {
            match standing {
                Standing::Open(present) => {
                    feed.absent.remove(&key_hash);
                    feed.present.insert(key_hash, present);
                }
                Standing::Left(absent) => {
                    feed.present.remove(&key_hash);
                    feed.absent.insert(key_hash, absent);
                }
            }
        }
    }

    pub(super) fn row_mut(&mut self, id: crate::RecordId) -> &mut RecordRow {
        self.records.get_mut(&id).expect("a plan names records that exist")
    }

    /// A row as callers see it.
    pub(super) fn record(row: &RecordRow, stored: &StoredVersion) -> Record {
        stored.version.to_record(row.key.clone(), row.key_rule, row.first_seen)
    }
}

impl FeedTable {
    fn write_ledger(&mut self, prepared: &Prepared, plan: &WritePlan) {
        let batch = prepared.batch();
        let at = self.by_fetch.get(&batch.fetch).copied();
        let row = prepared.ledger_row(at.map(|at| &self.ledger[at].row), plan);
        let at = at.unwrap_or(self.ledger.len());
        if plan.report.round.is_some() {
            self.rounds.push(at);
        }
        if let Some(entry) = self.ledger.get_mut(at) {
            entry.row = row;
        } else {
            self.by_fetch.insert(batch.fetch, at);
            self.ledger.push(Entry { row, parts: HashMap::new() });
        }
        self.ledger[at].parts.insert(batch.part.index, prepared.part_row(plan));
        let (fetch, recorded_at) = (batch.fetch, batch.recorded_at);
        let quarantined = plan.rejects.iter().map(|reject| Quarantined { fetch, recorded_at, reject: reject.clone() });
        self.quarantine.extend(quarantined);
        self.state = plan.feed.clone();
    }
}
