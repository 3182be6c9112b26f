//! Deletes: of layers, and of records with every trace but the change log.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use feedspine_core::{
    ChangeKind, Event, FeedId, KeyHash, Layer, Namespace, NaturalKey, RecordId, RecordName, RecordRef, Subject,
    Timestamp,
};
use uuid::Uuid;

use crate::bind::bind;
use crate::changes;
use crate::error::{Fault, Outcome};
use crate::locks::{LockNames, Locks};
use crate::manifest;
use crate::rows::{self, Columns};
use crate::session::Session;
use crate::tries::{Began, Tries};
use crate::writes::Writes;

/// Deletes of more records than this lock the store, not each namespace and feed that is concerned.
const MOST_RECORDS: usize = 64;
/// So do deletes of records that more feeds than this show, or have shown: the server has room for some thousands of locks
/// only.
const MOST_FEEDS: usize = 64;

/// A record as a delete finds it.
#[derive(Debug)]
struct Doomed {
    id: RecordId,
    key: NaturalKey,
}

/// One of a delete's tries.
pub(crate) async fn attempt(
    tries: &mut Tries<Vec<bool>>,
    cover: &mut Cover,
    doomed: &[RecordRef],
    at: Timestamp,
) -> Outcome<Vec<bool>> {
    let session = tries.reading().await?;
    let widened = tries.bounded(cover.widen(&session, doomed)).await;
    session.end();
    widened?;
    match tries.writing(&cover.locks()).await? {
        Began::Settled(answer) => Ok(answer),
        Began::Session(session) => {
            let outcome = tries.bounded(Box::pin(delete_many(&session, doomed, cover, at))).await;
            tries.commit(*session, outcome).await
        }
    }
}

/// The records of these names, in the order asked.
async fn find_many(session: &Session, doomed: &[RecordRef]) -> Outcome<Vec<Option<Doomed>>> {
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

/// The locks that a delete begins with. They only become more from try to try: the try whose COMMIT was not answered may
/// still hold its own.
#[derive(Debug)]
pub(crate) struct Cover {
    names: LockNames,
    /// Those that are locked.
    namespaces: BTreeSet<Namespace>,
    /// Everything is.
    whole_store: bool,
}

impl Cover {
    /// Those of the keys that are named: whoever captures one of them meanwhile has to wait.
    pub(crate) fn of(names: &LockNames, doomed: &[RecordRef]) -> Self {
        let namespaces = doomed.iter().filter_map(|doomed| match &doomed.name {
            RecordName::Key(key) => Some(key.namespace().clone()),
            RecordName::Id(_) => None,
        });
        Self { names: names.clone(), namespaces: namespaces.collect(), whole_store: doomed.len() > MOST_RECORDS }
    }

    /// Adds what these records need as they are now. Under the locks they may turn out to be others.
    async fn widen(&mut self, session: &Session, doomed: &[RecordRef]) -> Outcome<()> {
        if self.locks().hold_the_store() {
            return Ok(());
        }
        let found = find_many(session, doomed).await?;
        self.namespaces.extend(found.iter().flatten().map(|doomed| doomed.key.namespace().clone()));
        self.whole_store = feeds_of(session, &found).await?.len() > MOST_FEEDS;
        Ok(())
    }

    fn locks(&self) -> Locks {
        if self.whole_store { Locks::whole_store(&self.names) } else { Locks::of(&self.names, &self.namespaces, []) }
    }

    /// Makes sure that nobody writes to these records or to what feeds show of them, or says to begin again.
    async fn complete(&self, session: &Session, found: &[Option<Doomed>]) -> Outcome<()> {
        if self.locks().hold_the_store() {
            return Ok(());
        }
        if found.iter().flatten().any(|doomed| !self.namespaces.contains(doomed.key.namespace())) {
            return Err(Fault::Outdated);
        }
        // Under the locks of their namespaces no other feed can begin to show them.
        let feeds = feeds_of(session, found).await?;
        if feeds.len() > MOST_FEEDS {
            return Err(Fault::Outdated);
        }
        let mut locks: Vec<i64> = feeds.into_iter().map(|feed| self.names.feed(feed)).collect();
        locks.sort_unstable();
        session.execute("SELECT pg_advisory_xact_lock(number) FROM unnest($1) AS number", &bind![locks]).await
    }
}

/// The feeds that show these records or have shown them; if there are very many, some of them.
async fn feeds_of(session: &Session, found: &[Option<Doomed>]) -> Outcome<Vec<FeedId>> {
    let ids: Vec<Uuid> = found.iter().flatten().map(|doomed| rows::record_uuid(doomed.id)).collect();
    let statement = "SELECT feed FROM all_spans WHERE record = ANY($1)
                     UNION SELECT feed FROM absent WHERE record = ANY($1) LIMIT $2";
    let most = i64::try_from(MOST_FEEDS).expect("a few") + 1;
    session.query(statement, &bind![ids, most]).await?.iter().map(|row| Columns::of(row).feed()).collect()
}

/// Deletes rows, in the order asked.
async fn delete_many(session: &Session, doomed: &[RecordRef], cover: &Cover, at: Timestamp) -> Outcome<Vec<bool>> {
    let found = find_many(session, doomed).await?;
    cover.complete(session, &found).await?;
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
