//! Deletes: of layers, and of records with every trace but the change log.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use feedspine_core::{
    ChangeKind, Event, KeyHash, Layer, Namespace, NaturalKey, RecordId, RecordName, RecordRef, Subject, Timestamp,
};
use uuid::Uuid;

use crate::bind::bind;
use crate::changes;
use crate::error::{Fault, Outcome};
use crate::locks::{LockNames, Locks};
use crate::manifest;
use crate::rows::{self, Columns};
use crate::session::Session;
use crate::writes::Writes;

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
    let mut deletion = Deletion { session, at, gone: BTreeMap::new(), lost: BTreeMap::new(), events: Vec::new() };
    let mut answers = Vec::with_capacity(doomed.len());
    for (doomed, found) in doomed.iter().zip(&found) {
        answers.push(match found {
            Some(record) => deletion.delete(record, doomed.layer).await?,
            None => false,
        });
    }
    deletion.finish().await?;
    Ok(answers)
}

/// A delete of many rows on its way. What concerns whole records and feeds is done once, at its end.
struct Deletion<'a> {
    session: &'a Session,
    at: Timestamp,
    /// Records that are gone with all they have.
    gone: BTreeMap<RecordId, KeyHash>,
    /// Keys that feeds show no more, by feed.
    lost: BTreeMap<Uuid, Vec<KeyHash>>,
    events: Vec<Event>,
}

impl Deletion<'_> {
    /// Deletes one row; whether there was one.
    async fn delete(&mut self, record: &Doomed, layer: Option<Layer>) -> Outcome<bool> {
        if self.gone.contains_key(&record.id) {
            return Ok(false);
        }
        let id = rows::record_uuid(record.id);
        let mut version = None;
        let mut forgotten = layer.is_none();
        if let Some(layer) = layer {
            let rank = rows::layer_rank(layer);
            let statement = "SELECT max(number), (SELECT count(*) FROM versions WHERE record = $1 AND layer <> $2)
                             FROM versions WHERE record = $1 AND layer = $2";
            let Some(row) = self.session.query_opt(statement, &bind![id, rank]).await? else { return Ok(false) };
            let mut columns = Columns::of(&row);
            version = columns.optional_version()?;
            if version.is_none() {
                return Ok(false);
            }
            let others: i64 = columns.take()?;
            forgotten = others == 0;
            if !forgotten {
                self.delete_layer(id, &record.key, layer).await?;
            }
        }
        if forgotten {
            self.gone.insert(record.id, record.key.hash());
        }
        let subject = Subject { record: record.id, key: record.key.clone(), layer, version };
        self.events.push(Event::by_call(ChangeKind::Deleted, subject, self.at));
        Ok(true)
    }

    /// Removes the versions of one layer, which is not the last, and marks what was derived from them.
    async fn delete_layer(&mut self, record: Uuid, key: &NaturalKey, layer: Layer) -> Outcome<()> {
        let rank = rows::layer_rank(layer);
        let remove = "DELETE FROM versions WHERE record = $1 AND layer = $2";
        let orphan = "UPDATE versions SET from_deleted = true WHERE record = $1 AND from_layer = $2";
        let lower = "UPDATE records r SET top_layer = v.layer, top_version = v.number, published = v.published
             FROM (SELECT layer, number, published FROM versions WHERE record = $1
                   ORDER BY layer DESC, number DESC LIMIT 1) v
             WHERE r.id = $1";
        self.session.execute(remove, &bind![record, rank]).await?;
        self.session.execute(orphan, &bind![record, rank]).await?;
        self.session.execute(lower, &bind![record]).await?;
        if layer == Layer::Bronze {
            self.forget_shown(record, key).await?;
        }
        Ok(())
    }

    /// The versions that feeds have shown are gone: their spans end as unknown, and the next document that lists the item
    /// captures it anew. Sightings stay.
    async fn forget_shown(&mut self, record: Uuid, key: &NaturalKey) -> Outcome<()> {
        let forget = "UPDATE absent SET shown_version = NULL, shown_hash = NULL WHERE record = $1";
        self.session.execute(forget, &bind![record]).await?;
        let note = "INSERT INTO absent (record, feed, ended)
                    SELECT record, feed, 'unknown' FROM all_spans WHERE record = $1 AND until IS NULL
                    ON CONFLICT (record, feed) DO UPDATE SET ended = 'unknown'";
        self.session.execute(note, &bind![record]).await?;
        self.lose(&[(record, key.hash())]).await?;
        let end = "INSERT INTO spans (record, feed, since, until, version)
             SELECT s.record, s.feed, s.since, f.round, s.version FROM all_spans s JOIN feeds f ON f.id = s.feed
             WHERE s.record = $1 AND s.until IS NULL
             ON CONFLICT (record, feed, since) DO UPDATE SET until = excluded.until";
        self.session.execute(end, &bind![record]).await
    }

    /// Notes which feeds show these records now.
    async fn lose(&mut self, records: &[(Uuid, KeyHash)]) -> Outcome<()> {
        let key_hashes: BTreeMap<Uuid, KeyHash> = records.iter().copied().collect();
        let holders = "SELECT DISTINCT record, feed FROM all_spans WHERE record = ANY($1) AND until IS NULL";
        let ids: Vec<Uuid> = key_hashes.keys().copied().collect();
        for row in &self.session.query(holders, &bind![ids]).await? {
            let mut columns = Columns::of(row);
            let (record, feed): (Uuid, Uuid) = (columns.take()?, columns.take()?);
            self.lost.entry(feed).or_default().push(key_hashes[&record]);
        }
        Ok(())
    }

    /// Takes what was lost out of the manifests, and removes every trace of what is gone but the change log.
    async fn finish(mut self) -> Outcome<()> {
        let gone: Vec<(Uuid, KeyHash)> = self.gone.iter().map(|(id, hash)| (rows::record_uuid(*id), *hash)).collect();
        if !gone.is_empty() {
            self.lose(&gone).await?;
        }
        for (feed, key_hashes) in &self.lost {
            take_present(self.session, *feed, key_hashes).await?;
        }
        let mut writes = Writes::default();
        if !gone.is_empty() {
            let ids: Vec<Uuid> = gone.iter().map(|(id, _)| *id).collect();
            let hashes: Vec<&[u8]> = gone.iter().map(|(_, hash)| hash.as_bytes().as_slice()).collect();
            writes.add("DELETE FROM versions WHERE record = ANY($1)", bind![ids.clone()]);
            writes.add("DELETE FROM absent WHERE record = ANY($1)", bind![ids.clone()]);
            writes.add("DELETE FROM spans WHERE record = ANY($1)", bind![ids.clone()]);
            writes.add("DELETE FROM points WHERE record = ANY($1)", bind![ids.clone()]);
            writes.add("DELETE FROM told WHERE key_hash = ANY($1)", bind![hashes]);
            writes.add("DELETE FROM records WHERE id = ANY($1)", bind![ids]);
        }
        changes::append(&mut writes, &self.events);
        writes.run(self.session).await
    }
}

/// Takes keys out of the manifest of a feed, whose next full document has to be looked at item by item.
async fn take_present(session: &Session, feed: Uuid, key_hashes: &[KeyHash]) -> Outcome<()> {
    let mut open = manifest::load_around(session, feed, key_hashes).await?;
    for key_hash in key_hashes {
        open.remove(key_hash);
    }
    let mut writes = Writes::default();
    manifest::store(&mut writes, feed, &open);
    let taken = i64::try_from(key_hashes.len()).unwrap_or(i64::MAX);
    writes.add("UPDATE feeds SET digest = NULL, size = size - $2 WHERE id = $1", bind![feed, taken]);
    writes.run(session).await
}
