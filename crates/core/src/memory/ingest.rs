//! Load, plan, apply.

use std::collections::HashMap;

use super::tables::{Entry, FeedTable, PointRow, RecordRow, Span, Tables, push};
use crate::ingest::{
    Begin, Coverage, Earlier, Header, IngestReport, Known, Loaded, NewRecord, Prepared, Shown, Standing, StoredVersion,
    WritePlan,
};
use crate::{FeedId, KeyHash, KeyHashMap, Layer, Quarantined, Record, RecordId, Result};

/// What a batch is going to do.
pub(super) enum Planned {
    /// Nothing: it was taken before.
    Replayed(IngestReport),
    Write(Box<WritePlan>, Loaded),
}

impl Planned {
    /// What it is answered with.
    pub(super) fn report(&self) -> &IngestReport {
        match self {
            Self::Replayed(report) => report,
            Self::Write(plan, _) => &plan.report,
        }
    }
}

impl Tables {
    pub(super) fn ingest(&mut self, prepared: &Prepared) -> Result<IngestReport> {
        let planned = self.planned(prepared)?;
        Ok(self.carry_out(prepared, planned))
    }

    /// All that can be refused is refused here, before anything is written.
    pub(super) fn planned(&self, prepared: &Prepared) -> Result<Planned> {
        let header = self.header(prepared);
        Ok(match prepared.begin(&header)? {
            Begin::Replay(_) => Planned::Replayed(self.replay(prepared)),
            Begin::Settled(plan) => Planned::Write(plan, Loaded::default()),
            Begin::Judge => {
                let loaded = self.load(prepared, &header);
                Planned::Write(Box::new(prepared.plan(&header, &loaded)), loaded)
            }
        })
    }

    pub(super) fn carry_out(&mut self, prepared: &Prepared, planned: Planned) -> IngestReport {
        match planned {
            Planned::Replayed(report) => report,
            Planned::Write(plan, loaded) => self.apply(prepared, *plan, &loaded),
        }
    }

    fn header(&self, prepared: &Prepared) -> Header {
        let batch = prepared.batch();
        let interrupted = self.fetches.is_interrupted(batch.fetch);
        let Some(feed) = self.feeds.get(&batch.feed) else { return Header { interrupted, ..Header::default() } };
        let entry = feed.by_fetch.get(&batch.fetch).map(|at| &feed.ledger[*at]);
        let part = entry.and_then(|entry| entry.parts.get(&batch.part.index));
        let committed = part.map(|part| part.committed.clone());
        let of_round = match batch.coverage {
            Coverage::Unchanged { of } => feed.round_of(of),
            _ => None,
        };
        let begun = entry.map(|entry| entry.row.begun());
        Header { feed: feed.state.clone(), committed, begun, of_round, interrupted }
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
            if prepared.closes_document() || prepared.changes_rule(header) {
                loaded.present.clone_from(&feed.present);
            } else {
                let held = |key_hash: &KeyHash| Some((*key_hash, feed.present.get(key_hash)?.clone()));
                loaded.present = prepared.key_hashes().filter_map(held).collect();
            }
            if prepared.changes_rule(header) {
                for present in loaded.present.values_mut() {
                    present.shown = self.shown(prepared, present.record, present.shown);
                }
            }
            if let Some(at) = feed.by_fetch.get(&batch.fetch) {
                loaded.earlier = self.earlier(prepared, feed);
                if prepared.closes_document() {
                    let parts = feed.ledger[*at].parts.values();
                    loaded.rejected = parts.flat_map(|part| part.rejected.iter().copied()).collect();
                }
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

    fn shown(&self, prepared: &Prepared, record: RecordId, shown: Shown) -> Shown {
        let versions = self.records[&record].layer(Layer::Bronze);
        let stored = versions.iter().find(|stored| stored.version.number == shown.version);
        stored.map_or(shown, |stored| prepared.shown(stored))
    }

    fn earlier(&self, prepared: &Prepared, feed: &FeedTable) -> KeyHashMap<Earlier> {
        let told = |id: &RecordId| self.told_earlier(prepared, feed, *id);
        if prepared.closes_document() {
            feed.points_of.get(&prepared.batch().fetch).into_iter().flatten().filter_map(told).collect()
        } else {
            prepared.key_hashes().filter_map(|key_hash| told(self.keys.get(key_hash)?)).collect()
        }
    }

    /// What an earlier part of this fetch has shown of a record.
    fn told_earlier(&self, prepared: &Prepared, feed: &FeedTable, record: RecordId) -> Option<(KeyHash, Earlier)> {
        let batch = prepared.batch();
        let row = self.records.get(&record)?;
        let mut latest_first = row.points.iter().rev();
        let point = latest_first.find(|point| point.fetch == batch.fetch && point.feed == batch.feed)?;
        let shown = self.shown(prepared, record, point.shown);
        let left = feed.absent.get(&row.key_hash).and_then(|absent| absent.left);
        Some((row.key_hash, Earlier { record, shown, age: point.age, ordinal: point.ordinal, left }))
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
                push(self.row_mut(version.record).layer_mut(Layer::Bronze), stored);
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
            push(&mut self.row_mut(point.record).points, row);
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
            push(&mut self.row_mut(closed.record).spans, span);
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

    pub(super) fn row_mut(&mut self, id: RecordId) -> &mut RecordRow {
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

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ingest::{Candidate, CursorStep, IngestBatch, Part};
    use crate::{Content, FetchId, HashRule, KeyRule, Namespace, NaturalKey, Timestamp};

    /// A part of one item that no other part holds.
    fn part(fetch: u128, index: u32, last: bool) -> Prepared {
        let key = NaturalKey::new(Namespace::new("table").unwrap(), &format!("row {index}")).unwrap();
        let item = Candidate {
            key,
            key_rule: KeyRule::Id,
            ordinal: index,
            content: Content::empty(),
            published: None,
            updated: None,
        };
        let batch = IngestBatch {
            feed: FeedId::from_u128(1),
            fetch: FetchId::from_u128(fetch),
            part: Part { index, last },
            observed_at: Timestamp::UNIX_EPOCH,
            recorded_at: Timestamp::UNIX_EPOCH,
            coverage: Coverage::Snapshot { complete: true },
            hash_rule: HashRule::whole(),
            items: vec![item],
            rejects: Vec::new(),
            step: CursorStep::Keep,
        };
        Prepared::new(batch).unwrap()
    }

    #[test]
    fn a_part_loads_what_is_held_of_its_own_keys_and_only_the_last_loads_all() {
        let mut tables = Tables::default();
        let loads = |tables: &Tables, part: &Prepared| {
            let loaded = tables.load(part, &tables.header(part));
            (loaded.earlier.len(), loaded.present.len(), loaded.known.len(), loaded.keys.len())
        };
        for index in 0..100 {
            let part = part(1, index, index == 99);
            assert_eq!(loads(&tables, &part).0, if index == 99 { 99 } else { 0 });
            tables.ingest(&part).unwrap();
        }
        for index in 0..100 {
            let part = part(2, index, index == 99);
            let (earlier, present) = if index == 99 { (99, 100) } else { (0, 1) };
            assert_eq!(loads(&tables, &part), (earlier, present, 0, 0));
            tables.ingest(&part).unwrap();
        }
    }
}
