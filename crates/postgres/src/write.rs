//! Writes that are not captures: put. Deletes are in `delete.rs`.

use std::collections::{BTreeMap, HashMap};

use feedspine_core::{
    ChangeKind, Event, KeyHash, KeyRule, Layer, Lineage, RecordId, RecordWrite, StorageError, Subject, VersionNo,
};
use uuid::Uuid;

use crate::apply::{self, RecordRow, Top, VersionRow};
use crate::bind::bind;
use crate::changes;
use crate::error::Outcome;
use crate::rows::{self, Columns};
use crate::session::{Session, both};
use crate::writes::Writes;

/// A record's current version at a layer.
#[derive(Debug, Clone)]
struct Current {
    number: VersionNo,
    hash: [u8; 32],
    metadata: Option<String>,
}

/// What is held of the records that are written to, kept up as the writes go by.
#[derive(Debug, Default)]
struct Held {
    by_id: HashMap<RecordId, KeyHash>,
    by_key: HashMap<KeyHash, RecordId>,
    current: HashMap<(RecordId, Layer), Current>,
}

/// Writes versions, all or none. The session holds the locks of their namespaces.
pub(crate) async fn put_many(session: &Session, writes: &[RecordWrite]) -> Outcome<Vec<VersionNo>> {
    let mut held = load(session, writes).await?;
    let mut answers = Vec::with_capacity(writes.len());
    let mut sources = BTreeMap::new();
    let (mut records, mut versions, mut tops, mut events) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for write in writes {
        let (number, kind) = held.take(write)?;
        answers.push(number);
        let Some(kind) = kind else {
            // Derived anew, with the same result: it is as fresh as that source.
            if let Some(source) = &write.derived_from {
                sources.insert((write.id, write.layer, number), source);
            }
            continue;
        };
        if kind == ChangeKind::New {
            records.push(new_record(write));
        } else {
            let (record, layer) = (write.id, write.layer);
            tops.push(Top { record, layer, number, published: write.published });
        }
        versions.push(new_version(write, number));
        let subject =
            Subject { record: write.id, key: write.key.clone(), layer: Some(write.layer), version: Some(number) };
        events.push(Event::by_call(kind, subject, write.recorded_at));
    }
    keep_highest(&mut tops);
    let mut writes = Writes::default();
    apply::records(&mut writes, &records);
    apply::versions(&mut writes, &versions);
    changes::append(&mut writes, &events);
    // They may be of records and versions that are made here.
    writes.then();
    apply::raise_tops(&mut writes, &tops);
    note_sources(&mut writes, &sources);
    writes.run(session).await?;
    Ok(answers)
}

/// Keeps what versions were derived from last.
fn note_sources<'a>(writes: &mut Writes<'a>, sources: &BTreeMap<(RecordId, Layer, VersionNo), &'a Lineage>) {
    if sources.is_empty() {
        return;
    }
    let statement = "UPDATE versions v SET from_layer = t.from_layer, from_version = t.from_version,
            from_hash = t.from_hash, from_deleted = t.from_deleted
         FROM unnest($1, $2, $3, $4, $5, $6, $7)
              AS t (record, layer, number, from_layer, from_version, from_hash, from_deleted)
         WHERE v.record = t.record AND v.layer = t.layer AND v.number = t.number";
    let values = bind![
        sources.keys().map(|(record, _, _)| rows::record_uuid(*record)).collect::<Vec<_>>(),
        sources.keys().map(|(_, layer, _)| rows::layer_rank(*layer)).collect::<Vec<_>>(),
        sources.keys().map(|(_, _, number)| rows::version_number(*number)).collect::<Vec<_>>(),
        sources.values().map(|source| rows::layer_rank(source.layer)).collect::<Vec<_>>(),
        sources.values().map(|source| rows::version_number(source.version)).collect::<Vec<_>>(),
        sources.values().map(|source| source.hash.as_bytes().as_slice()).collect::<Vec<_>>(),
        sources.values().map(|source| source.source_deleted).collect::<Vec<_>>(),
    ];
    writes.add(statement, values);
}

async fn load(session: &Session, writes: &[RecordWrite]) -> Outcome<Held> {
    let ids: Vec<Uuid> = writes.iter().map(|write| rows::record_uuid(write.id)).collect();
    let hashes: Vec<KeyHash> = writes.iter().map(|write| write.key.hash()).collect();
    let hashes: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect();
    let named = "SELECT id, key_hash FROM records WHERE id = ANY($1)
                 UNION SELECT id, key_hash FROM records WHERE key_hash = ANY($2)";
    let current = "SELECT v.record, v.layer, v.number, v.hash, v.metadata
         FROM (SELECT DISTINCT * FROM unnest($1, $2)) AS t (record, layer)
         JOIN LATERAL (SELECT * FROM versions v WHERE v.record = t.record AND v.layer = t.layer
                       ORDER BY v.number DESC LIMIT 1) v ON true";
    let layers: Vec<i16> = writes.iter().map(|write| rows::layer_rank(write.layer)).collect();
    let (named, current) = both(
        session.query(named, &bind![ids.as_slice(), hashes]),
        session.query(current, &bind![ids.as_slice(), layers]),
    )
    .await?;
    let mut held = Held::default();
    for row in &named {
        let mut columns = Columns::of(row);
        let (id, key_hash) = (columns.record()?, KeyHash::from_bytes(columns.digest()?));
        held.by_id.insert(id, key_hash);
        held.by_key.insert(key_hash, id);
    }
    for row in &current {
        let mut columns = Columns::of(row);
        let row = (columns.record()?, columns.layer()?);
        let (number, hash, metadata) = (columns.version()?, columns.digest()?, columns.take()?);
        held.current.insert(row, Current { number, hash, metadata });
    }
    Ok(held)
}

impl Held {
    /// Judges a write: its version's number, and what kind of change it is; none when it says what is held.
    fn take(&mut self, write: &RecordWrite) -> Result<(VersionNo, Option<ChangeKind>), StorageError> {
        let key_hash = write.key.hash();
        if self.by_id.get(&write.id).is_some_and(|held| *held != key_hash) {
            let message = format!("record {} has another natural key than {}", write.id, write.key);
            return Err(StorageError::invalid(message));
        }
        if let Some(held) = self.by_key.get(&key_hash).filter(|held| **held != write.id) {
            return Err(StorageError::conflict(format!("the natural key {} belongs to record {held}", write.key))
                .with_hint("write to that id, or delete that record first"));
        }
        let known = self.by_id.insert(write.id, key_hash).is_some();
        self.by_key.insert(key_hash, write.id);
        let (hash, metadata) = (*write.content.hash().as_bytes(), rows::stored_metadata(&write.metadata));
        let row = (write.id, write.layer);
        let (number, kind) = match self.current.get(&row) {
            Some(current) if current.hash == hash && current.metadata.as_deref() == metadata => {
                return Ok((current.number, None));
            }
            Some(current) => (current.number.next(), ChangeKind::Changed),
            None if known => (VersionNo::FIRST, ChangeKind::Promoted),
            None => (VersionNo::FIRST, ChangeKind::New),
        };
        self.current.insert(row, Current { number, hash, metadata: metadata.map(str::to_owned) });
        Ok((number, Some(kind)))
    }
}

fn new_record(write: &RecordWrite) -> RecordRow<'_> {
    RecordRow {
        id: write.id,
        key: &write.key,
        key_hash: *write.key.hash().as_bytes(),
        key_rule: KeyRule::Given,
        first_seen: write.recorded_at,
        published: write.published,
        layer: write.layer,
        first_span: None,
    }
}

fn new_version(write: &RecordWrite, number: VersionNo) -> VersionRow<'_> {
    VersionRow {
        record: write.id,
        layer: write.layer,
        number,
        hash: *write.content.hash().as_bytes(),
        rule: "",
        rule_hash: None,
        published: write.published,
        updated: write.updated,
        recorded_at: write.recorded_at,
        origin: None,
        derived_from: write.derived_from.as_ref(),
        metadata: rows::stored_metadata(&write.metadata),
        content: write.content.as_str(),
    }
}

/// One for each record: an UPDATE from several would take any of them.
fn keep_highest(tops: &mut Vec<Top>) {
    tops.sort_by_key(|top| (top.record, std::cmp::Reverse((top.layer, top.number))));
    tops.dedup_by_key(|top| top.record);
}
