//! Writes that are not captures: put, delete, told sightings.

use std::collections::HashMap;

use super::tables::{FeedTable, RecordRow, Span, Tables, Told};
use crate::ingest::{Absent, Present};
use crate::{
    ChangeKind, Event, KeyHash, KeyRule, Layer, Put, RecordId, RecordName, RecordRef, RecordWrite, Result, Sighting,
    SpanEnd, Subject, Timestamp, VersionNo,
};

impl Tables {
    pub(super) fn put_many(&mut self, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        self.check_ids(&writes)?;
        Ok(writes.into_iter().map(|write| self.put(write)).collect())
    }

    /// All or none: every write is checked, against the store and against those before it, before the first is made.
    fn check_ids(&self, writes: &[RecordWrite]) -> Result<()> {
        let mut by_id: HashMap<RecordId, KeyHash> = HashMap::new();
        let mut by_key: HashMap<KeyHash, RecordId> = HashMap::new();
        for write in writes {
            let key_hash = write.key.hash();
            let held_key = self.records.get(&write.id).map(|row| &row.key_hash).or_else(|| by_id.get(&write.id));
            let held_id = self.keys.get(&key_hash).or_else(|| by_key.get(&key_hash));
            write.check_names(held_key.copied(), held_id.copied())?;
            by_id.insert(write.id, key_hash);
            by_key.insert(key_hash, write.id);
        }
        Ok(())
    }

    fn put(&mut self, write: RecordWrite) -> VersionNo {
        let key_hash = write.key.hash();
        let known = self.records.contains_key(&write.id);
        if !known {
            let row = RecordRow::new(write.key.clone(), key_hash, KeyRule::Given, write.recorded_at);
            self.keys.insert(key_hash, write.id);
            self.records.insert(write.id, row);
        }
        let row = self.row_mut(write.id);
        let versions = row.layer_mut(write.layer);
        match write.judge(versions.last().map(|current| &current.version), known) {
            Put::Same(number) => number,
            Put::Rederived(number, lineage) => {
                let current = versions.last_mut().expect("a version was judged the same");
                current.version.derived_from = Some(lineage);
                number
            }
            Put::Append(stored, event) => {
                let number = stored.version.number;
                versions.push(*stored);
                self.log.push(event);
                number
            }
        }
    }

    pub(super) fn find(&self, name: &RecordName) -> Option<RecordId> {
        match name {
            RecordName::Id(id) => self.records.contains_key(id).then_some(*id),
            RecordName::Key(key) => self.keys.get(&key.hash()).copied(),
        }
    }

    pub(super) fn delete(&mut self, doomed: &RecordRef, at: Timestamp) -> bool {
        let Some(id) = self.find(&doomed.name) else { return false };
        let row = self.row_mut(id);
        let version = match doomed.layer {
            None => None,
            Some(layer) => match std::mem::take(row.layer_mut(layer)).last() {
                Some(last) => Some(last.version.number),
                None => return false,
            },
        };
        if let Some(layer) = doomed.layer {
            row.orphan(layer);
        }
        let key = row.key.clone();
        if doomed.layer.is_none() || row.layers.iter().all(Vec::is_empty) {
            self.forget(id);
        } else if doomed.layer == Some(Layer::Bronze) {
            self.forget_shown(id);
        }
        let subject = Subject { record: id, key, layer: doomed.layer, version };
        self.log.push(Event::by_call(ChangeKind::Deleted, subject, at));
        true
    }

    /// Removes a record and every trace but the change log.
    fn forget(&mut self, id: RecordId) {
        let Some(row) = self.records.remove(&id) else { return };
        self.keys.remove(&row.key_hash);
        self.told.remove(&row.key_hash);
        for feed in self.feeds.values_mut() {
            feed.absent.remove(&row.key_hash);
            feed.take_present(&row.key_hash);
        }
    }

    /// The versions that feeds have shown are gone: their spans end, and the next document that lists the item captures
    /// it anew. Sightings stay.
    fn forget_shown(&mut self, id: RecordId) {
        let row = self.records.get_mut(&id).expect("the caller found it");
        for (feed_id, feed) in &mut self.feeds {
            let last_round = feed.state.round;
            if let (Some(present), Some(until)) = (feed.take_present(&row.key_hash), last_round) {
                let (version, since) = (present.version, present.since);
                row.spans.push(Span { feed: *feed_id, version, since, until });
                feed.absent.insert(row.key_hash, Absent { shown: None, left: Some(SpanEnd::Unknown) });
            } else if let Some(absent) = feed.absent.get_mut(&row.key_hash) {
                absent.shown = None;
            }
        }
    }

    pub(super) fn observe(&mut self, sighting: &Sighting) -> bool {
        let key_hash = sighting.key.hash();
        let told = self.told.get(&key_hash).map(Vec::as_slice).unwrap_or_default();
        let same = told.iter().find(|held| held.feed == sighting.feed && held.fetch == sighting.fetch);
        if let Some(Told { first, .. }) = same {
            return *first;
        }
        if self.sighted_by(sighting) {
            return false;
        }
        let first = told.is_empty() && !self.was_captured(&key_hash);
        let Sighting { feed, fetch, observed_at, .. } = *sighting;
        self.told.entry(key_hash).or_default().push(Told { feed, fetch, observed_at, first });
        first
    }

    /// Whether the observation that the caller names captured the key itself.
    fn sighted_by(&self, told: &Sighting) -> bool {
        let observed = self.feeds.get(&told.feed).is_some_and(|feed| feed.by_fetch.contains_key(&told.fetch));
        let same = |held: &Sighting| held.feed == told.feed && held.fetch == told.fetch;
        observed && self.sightings(&told.key).iter().any(same)
    }

    /// Whether any feed ever sighted that key by an ingest.
    fn was_captured(&self, key_hash: &KeyHash) -> bool {
        self.feeds.values().any(|feed| feed.present.contains_key(key_hash) || feed.absent.contains_key(key_hash))
    }
}

impl FeedTable {
    /// Ends the open span of a key; the next full document has to be looked at item by item.
    fn take_present(&mut self, key_hash: &KeyHash) -> Option<Present> {
        let taken = self.present.remove(key_hash)?;
        self.state.lose_span();
        Some(taken)
    }
}

impl RecordRow {
    /// Marks what was derived from a layer that is gone.
    fn orphan(&mut self, gone: Layer) {
        for stored in self.layers.iter_mut().flatten() {
            if let Some(source) = stored.version.derived_from.as_mut().filter(|source| source.layer == gone) {
                source.source_deleted = true;
            }
        }
    }
}
