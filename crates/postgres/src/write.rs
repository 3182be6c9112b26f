//! Writes that are not captures: put and delete.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use feedspine_core::{
    ChangeKind, Event, KeyHash, KeyRule, Layer, Lineage, Namespace, NaturalKey, RecordId, RecordName, RecordRef,
    RecordWrite, StorageError, Subject, Timestamp, VersionNo,
};
use uuid::Uuid;

use crate::apply::{self, RecordRow, Top, VersionRow};
use crate::bind::bind;
use crate::changes;
use crate::error::{Fault, Outcome};
use crate::locks::{LockNames, Locks};
use crate::manifest;
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

/// A record as a delete finds it.
#[derive(Debug)]
pub(crate) struct Doomed {
    id: RecordId,
    key: NaturalKey,
}

impl Doomed {
    pub(crate) fn namespace(&self) -> &Namespace {
        self.key.namespace()
    }
}

/// The records of these names, in the order asked.
pub(crate) async fn find_many(session: &Session, doomed: &[RecordRef]) -> Outcome<Vec<Option<Doomed>>> {
    let mut ids = Vec::new();
    let mut hashes = Vec::new();
    for doomed in doomed {
        match &doomed.name {
            RecordName::Id(id) => ids.push(rows::record_uuid(*id)),
            RecordName::Key(key) => hashes.push(key.hash()),
        }
    }
    let hashes: Vec<&[u8]> = hashes.iter().map(|hash| hash.as_bytes().as_slice()).collect();
    let statement = "SELECT id, namespace, key FROM records WHERE id = ANY($1)
                     UNION SELECT id, namespace, key FROM records WHERE key_hash = ANY($2)";
    let mut by_id = HashMap::new();
    let mut by_key = HashMap::new();
    for row in &session.query(statement, &bind![ids, hashes]).await? {
        let mut columns = Columns::of(row);
        let (id, key) = (columns.record()?, columns.key()?);
        by_id.insert(id, key.clone());
        by_key.insert(key, id);
    }
    let find = |doomed: &RecordRef| match &doomed.name {
        RecordName::Id(id) => by_id.get(id).map(|key| Doomed { id: *id, key: key.clone() }),
        RecordName::Key(key) => by_key.get(key).map(|id| Doomed { id: *id, key: key.clone() }),
    };
    Ok(doomed.iter().map(find).collect())
}

/// The locks that a delete holds.
pub(crate) struct Cover<'a> {
    pub(crate) locks: &'a Locks,
    /// Those whose locks are among them.
    pub(crate) namespaces: &'a BTreeSet<Namespace>,
    pub(crate) names: &'a LockNames,
}

impl Cover<'_> {
    /// Makes sure that nobody writes to these records or to what feeds show of them, or says to begin again.
    async fn extend(&self, session: &Session, found: &[Option<Doomed>]) -> Outcome<()> {
        if self.locks.hold_the_store() {
            return Ok(());
        }
        if found.iter().flatten().any(|doomed| !self.namespaces.contains(doomed.namespace())) {
            return Err(Fault::Outdated);
        }
        // Under the locks of their namespaces no other feed can begin to show them.
        let ids: Vec<Uuid> = found.iter().flatten().map(|doomed| rows::record_uuid(doomed.id)).collect();
        let statement =
            "SELECT feed FROM all_spans WHERE record = ANY($1) UNION SELECT feed FROM absent WHERE record = ANY($1)";
        let feeds = session.query(statement, &bind![ids]).await?;
        let feeds = feeds.iter().map(|row| Ok(self.names.feed(Columns::of(row).feed()?)));
        let mut locks = feeds.collect::<Outcome<Vec<i64>>>()?;
        locks.sort_unstable();
        session.execute("SELECT pg_advisory_xact_lock(number) FROM unnest($1) AS number", &bind![locks]).await
    }
}

/// Deletes rows, in the order asked.
pub(crate) async fn delete_many(
    session: &Session,
    doomed: &[RecordRef],
    cover: &Cover<'_>,
    at: Timestamp,
) -> Outcome<Vec<bool>> {
    let found = find_many(session, doomed).await?;
    cover.extend(session, &found).await?;
    let mut gone = Vec::new();
    let mut events = Vec::new();
    let mut answers = Vec::with_capacity(doomed.len());
    for (doomed, found) in doomed.iter().zip(&found) {
        let event = match found {
            Some(record) if !gone.contains(&record.id) => delete(session, record, doomed.layer, at, &mut gone).await?,
            _ => None,
        };
        answers.push(event.is_some());
        events.extend(event);
    }
    let mut writes = Writes::default();
    changes::append(&mut writes, &events);
    writes.run(session).await?;
    Ok(answers)
}

/// Deletes one row; the event that tells of it, or `None` when there is none such.
async fn delete(
    session: &Session,
    record: &Doomed,
    layer: Option<Layer>,
    at: Timestamp,
    gone: &mut Vec<RecordId>,
) -> Outcome<Option<Event>> {
    let id = rows::record_uuid(record.id);
    let mut version = None;
    let mut forgotten = layer.is_none();
    if let Some(layer) = layer {
        let rank = rows::layer_rank(layer);
        let statement = "SELECT max(number), (SELECT count(*) FROM versions WHERE record = $1 AND layer <> $2)
                         FROM versions WHERE record = $1 AND layer = $2";
        let Some(row) = session.query_opt(statement, &bind![id, rank]).await? else { return Ok(None) };
        let mut columns = Columns::of(&row);
        version = columns.optional_version()?;
        if version.is_none() {
            return Ok(None);
        }
        let others: i64 = columns.take()?;
        forgotten = others == 0;
        if !forgotten {
            delete_layer(session, id, &record.key, layer).await?;
        }
    }
    if forgotten {
        forget(session, id, &record.key).await?;
        gone.push(record.id);
    }
    let subject = Subject { record: record.id, key: record.key.clone(), layer, version };
    Ok(Some(Event::by_call(ChangeKind::Deleted, subject, at)))
}

/// Removes the versions of one layer, which is not the last, and marks what was derived from them.
async fn delete_layer(session: &Session, record: Uuid, key: &NaturalKey, layer: Layer) -> Outcome<()> {
    let rank = rows::layer_rank(layer);
    let remove = "DELETE FROM versions WHERE record = $1 AND layer = $2";
    let orphan = "UPDATE versions SET from_deleted = true WHERE record = $1 AND from_layer = $2";
    let lower = "UPDATE records r SET top_layer = v.layer, top_version = v.number, published = v.published
         FROM (SELECT layer, number, published FROM versions WHERE record = $1 ORDER BY layer DESC, number DESC LIMIT 1) v
         WHERE r.id = $1";
    session.execute(remove, &bind![record, rank]).await?;
    session.execute(orphan, &bind![record, rank]).await?;
    session.execute(lower, &bind![record]).await?;
    if layer == Layer::Bronze {
        forget_shown(session, record, key).await?;
    }
    Ok(())
}

/// The versions that feeds have shown are gone: their spans end as unknown, and the next document that lists the item
/// captures it anew. Sightings stay.
async fn forget_shown(session: &Session, record: Uuid, key: &NaturalKey) -> Outcome<()> {
    let forget = "UPDATE absent SET shown_version = NULL, shown_hash = NULL WHERE record = $1";
    session.execute(forget, &bind![record]).await?;
    let note = "INSERT INTO absent (record, feed, ended)
                SELECT record, feed, 'unknown' FROM all_spans WHERE record = $1 AND until IS NULL
                ON CONFLICT (record, feed) DO UPDATE SET ended = 'unknown'";
    session.execute(note, &bind![record]).await?;
    take_present(session, record, key).await?;
    let end = "INSERT INTO spans (record, feed, since, until, version)
         SELECT s.record, s.feed, s.since, f.round, s.version FROM all_spans s JOIN feeds f ON f.id = s.feed
         WHERE s.record = $1 AND s.until IS NULL
         ON CONFLICT (record, feed, since) DO UPDATE SET until = excluded.until";
    session.execute(end, &bind![record]).await
}

/// Takes a record out of the manifests that hold it, whose feeds' next full documents have to be looked at item by item.
async fn take_present(session: &Session, record: Uuid, key: &NaturalKey) -> Outcome<()> {
    let holders = "SELECT DISTINCT feed FROM all_spans WHERE record = $1 AND until IS NULL";
    for row in &session.query(holders, &bind![record]).await? {
        let feed: Uuid = Columns::of(row).take()?;
        let mut open = manifest::load(session, feed).await?;
        open.remove(&key.hash());
        let mut writes = Writes::default();
        manifest::store(&mut writes, feed, &open);
        writes.run(session).await?;
        let look_again = "UPDATE feeds SET digest = NULL, size = size - 1 WHERE id = $1";
        session.execute(look_again, &bind![feed]).await?;
    }
    Ok(())
}

/// Removes a record and every trace but the change log.
async fn forget(session: &Session, record: Uuid, key: &NaturalKey) -> Outcome<()> {
    take_present(session, record, key).await?;
    for table in ["versions", "absent", "spans", "points"] {
        session.execute(&format!("DELETE FROM {table} WHERE record = $1"), &bind![record]).await?;
    }
    session.execute("DELETE FROM told WHERE key_hash = $1", &bind![key.hash().as_bytes().as_slice()]).await?;
    session.execute("DELETE FROM records WHERE id = $1", &bind![record]).await
}
