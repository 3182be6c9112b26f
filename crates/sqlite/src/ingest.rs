//! Ingest: loads what the plan needs. Applying it is in `apply.rs`.

use std::cell::RefCell;
use std::collections::HashMap;

use feedspine_core::ingest::{
    Begin, CHURN, Churning, Committed, Earlier, Header, IngestReport, KEY_COLLISION, Known, Loaded, MOST_CHURNING,
    Prepared, Present, Recent, Shown, may_churn,
};
use feedspine_core::{
    Content, ContentHash, Coverage, CursorStep, FetchId, HashRule, HashRuleId, KeyHash, KeyHashMap, Layer, Namespace,
    RecordId, SpanEnd, VersionNo,
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::apply::Target;
use crate::changes;
use crate::error::Outcome;
use crate::feed_row::FeedRow;
use crate::ledger::{self, Entry};
use crate::manifest::OpenSpans;
use crate::rows::{self, corrupt};
use crate::session::{Session, find_fetch, find_record, find_space};
use crate::state;
use crate::versions::{self, Held};

/// Takes a batch: everything it writes, and the answer.
pub(crate) fn ingest(session: &mut Session<'_>, prepared: &Prepared) -> Outcome<IngestReport> {
    let batch = prepared.batch();
    let feed = FeedRow::load(session.conn, batch.feed)?;
    let entry = match &feed {
        Some(feed) => Entry::load(session.conn, feed.no, prepared)?,
        None => None,
    };
    let mut named = None;
    if let (Some(feed), Coverage::Unchanged { of }) = (&feed, batch.coverage) {
        named = ledger::find_observation(session.conn, feed.no, of)?;
    }
    let advances = matches!(batch.step, CursorStep::Advance { .. });
    let header = Header {
        feed: feed.as_ref().map(|feed| feed.state.clone()).unwrap_or_default(),
        committed: entry.as_ref().and_then(|entry| Some(entry.committed.as_ref()?.0.clone())),
        begun: entry.as_ref().map(|entry| entry.begun),
        of_round: named.map(|(_, round)| rows::round(round)).transpose()?,
        interrupted: advances && state::is_interrupted(session.conn, batch.fetch)?,
    };
    let (mut open, mut records) = (None, HashMap::new());
    let plan = match prepared.begin(&header)? {
        Begin::Replay(committed) => return replay(session.conn, prepared, feed.as_ref(), entry.as_ref(), &committed),
        Begin::Settled(plan) => *plan,
        Begin::Judge => {
            if let Some(feed) = &feed {
                open = Some(OpenSpans::load(session.conn, feed.no)?);
            }
            let loader = Loader::new(session.conn, prepared, feed.as_ref());
            let plan = prepared.plan(&header, &loader.load(open.as_ref(), entry.is_some())?);
            records = loader.records.into_inner();
            plan
        }
    };
    let target = Target { feed, entry, open, of_place: named.map(|(place, _)| place), records };
    target.apply(session, prepared, &plan)?;
    Ok(plan.report)
}

/// Rebuilds the first answer from what its part logged and quarantined.
fn replay(
    conn: &Connection,
    prepared: &Prepared,
    feed: Option<&FeedRow>,
    entry: Option<&Entry>,
    committed: &Committed,
) -> Outcome<IngestReport> {
    let (Some(feed), Some(entry)) = (feed, entry) else { return Err(corrupt("a part without its fetch")) };
    let batch = prepared.batch();
    let made = match entry.committed {
        Some((_, Some(first))) => changes::made(conn, first)?,
        _ => KeyHashMap::default(),
    };
    let mut load =
        conn.prepare_cached("SELECT ordinal FROM rejects WHERE feed = ? AND fetch = ? AND part = ? AND code = ?")?;
    let fetch = find_fetch(conn, batch.fetch)?;
    let collided = load.query_map((feed.no, fetch, batch.part.index, KEY_COLLISION), |row| row.get(0))?;
    let collided: Vec<u32> = collided.collect::<Result<_, _>>()?;
    Ok(prepared.replay(committed, &made, &collided))
}

/// Reads what a plan needs to know.
struct Loader<'a> {
    conn: &'a Connection,
    prepared: &'a Prepared,
    feed: Option<&'a FeedRow>,
    rule: &'a HashRule,
    rule_id: HashRuleId,
    last_space: RefCell<Option<(Namespace, Option<i64>)>>,
    /// Numbers of the records of keys, where they were asked for what earlier parts told of them.
    by_key: RefCell<KeyHashMap<Option<i64>>>,
    /// Numbers of the records that are held: whoever applies the plan need not ask for them again.
    records: RefCell<HashMap<RecordId, i64>>,
}

impl<'a> Loader<'a> {
    fn new(conn: &'a Connection, prepared: &'a Prepared, feed: Option<&'a FeedRow>) -> Self {
        let rule = &prepared.batch().hash_rule;
        let (last_space, by_key, records) = Default::default();
        Self { conn, prepared, feed, rule, rule_id: rule.id(), last_space, by_key, records }
    }

    fn load(&self, open: Option<&OpenSpans>, has_earlier_parts: bool) -> Outcome<Loaded> {
        let mut loaded = Loaded::default();
        if let Some(open) = open {
            loaded.present = self.present(open)?;
        }
        match self.feed.filter(|_| has_earlier_parts) {
            Some(feed) if self.prepared.closes_document() => self.load_all_earlier(feed, &mut loaded)?,
            Some(feed) => self.load_own_earlier(feed, &mut loaded)?,
            None => {}
        }
        for key_hash in self.prepared.unsettled(&loaded) {
            if let Some(known) = self.known(&key_hash, &loaded)? {
                loaded.known.insert(key_hash, known);
            }
        }
        let mut name = self
            .conn
            .prepare_cached("SELECT s.name, r.key FROM records r JOIN spaces s ON s.no = r.space WHERE r.id = ?")?;
        for id in self.prepared.unnamed(&loaded) {
            let mut found = name.query([id.as_bytes()])?;
            let row = found.next()?.ok_or_else(|| corrupt("a span without its record"))?;
            loaded.keys.insert(id, rows::key(row, 0)?);
        }
        Ok(loaded)
    }

    /// The open spans that the plan looks at, their hashes under the batch's rule.
    fn present(&self, open: &OpenSpans) -> Outcome<KeyHashMap<Present>> {
        let manifest = self.feed.and_then(|feed| feed.state.manifest.as_ref());
        let changes_rule = manifest.is_some_and(|manifest| manifest.hash_rule != self.rule_id);
        if !changes_rule && !self.prepared.closes_document() {
            return open.of(self.prepared.key_hashes());
        }
        let mut present = open.to_map()?;
        if changes_rule {
            for span in present.values_mut() {
                if let Some(record) = find_record(self.conn, span.record)? {
                    span.shown = self.under_rule(record, span.shown)?;
                }
            }
        }
        Ok(present)
    }

    /// What earlier parts of this fetch have shown of the batch's own keys.
    fn load_own_earlier(&self, feed: &FeedRow, loaded: &mut Loaded) -> Outcome<()> {
        let batch = self.prepared.batch();
        let Some(fetch) = find_fetch(self.conn, batch.fetch)? else { return Ok(()) };
        let mut load = self.conn.prepare_cached(
            "SELECT r.id, p.shown_version, p.shown_hash, p.age, p.ordinal, a.ended
             FROM points p JOIN records r ON r.no = p.record LEFT JOIN absent a ON a.record = p.record AND a.feed = p.feed
             WHERE p.record = ? AND p.observed_at = ? AND p.feed = ? AND p.fetch = ?",
        )?;
        for key_hash in self.prepared.key_hashes() {
            let record = self.record_of(key_hash)?;
            self.by_key.borrow_mut().insert(*key_hash, record);
            let Some(record) = record else { continue };
            let mut found = load.query((record, batch.observed_at.as_micros(), feed.no, fetch))?;
            if let Some(row) = found.next()? {
                let told = Earlier {
                    record: RecordId::from_bytes(row.get(0)?),
                    shown: self.under_rule(record, rows::shown(row.get(1)?, row.get(2)?)?)?,
                    age: rows::instant(row.get(3)?)?,
                    ordinal: row.get(4)?,
                    left: read_end(row, 5)?,
                };
                loaded.earlier.insert(*key_hash, told);
            }
        }
        Ok(())
    }

    /// What earlier parts of this fetch have shown and rejected, of whatever key.
    fn load_all_earlier(&self, feed: &FeedRow, loaded: &mut Loaded) -> Outcome<()> {
        let mut load = self.conn.prepare_cached(&format!(
            "SELECT s.name, r.key, r.id, p.record, p.shown_version, p.shown_hash, p.age, p.ordinal, a.ended,
                    CASE WHEN u.id = ?3 THEN ifnull(c.rule_hash, c.hash) END
             FROM fetches f JOIN points p ON p.fetch = f.no AND p.feed = ?2
             JOIN records r ON r.no = p.record JOIN spaces s ON s.no = r.space
             LEFT JOIN absent a ON a.record = p.record AND a.feed = p.feed
             LEFT JOIN contents c ON c.no = CASE WHEN p.shown_version = 1 THEN p.record ELSE
                 (SELECT x.content FROM revisions x WHERE x.row = (p.record << {} | p.shown_version)) END
             LEFT JOIN rules u ON u.no = c.rule
             WHERE f.id = ?1",
            rows::RECORD_SHIFT
        ))?;
        let mut found = load.query((self.prepared.batch().fetch.as_bytes(), feed.no, self.rule_id.as_str()))?;
        while let Some(row) = found.next()? {
            let (record, number) = (RecordId::from_bytes(row.get(2)?), row.get(3)?);
            let shown = match (row.get(4)?, row.get::<_, Option<[u8; 32]>>(9)?) {
                (version, Some(under_rule)) => rows::shown(version, under_rule)?,
                (version, None) => self.under_rule(number, rows::shown(version, row.get(5)?)?)?,
            };
            let (age, ordinal, left) = (rows::instant(row.get(6)?)?, row.get(7)?, read_end(row, 8)?);
            self.records.borrow_mut().insert(record, number);
            loaded.earlier.insert(rows::key(row, 0)?.hash(), Earlier { record, shown, age, ordinal, left });
        }
        let mut load = self.conn.prepare_cached(
            "SELECT r.namespace, r.key FROM fetches f JOIN rejects r ON r.fetch = f.no AND r.feed = ?2
             WHERE f.id = ?1 AND r.key IS NOT NULL",
        )?;
        let mut found = load.query((self.prepared.batch().fetch.as_bytes(), feed.no))?;
        while let Some(row) = found.next()? {
            loaded.rejected.insert(rows::key(row, 0)?.hash());
        }
        Ok(())
    }

    /// The number of the record that holds a key of the batch, if any does.
    fn record_of(&self, key_hash: &KeyHash) -> Outcome<Option<i64>> {
        let space = match self.prepared.key_of(key_hash) {
            Some(key) => self.space(key.namespace())?,
            None => None,
        };
        let mut find = self.conn.prepare_cached("SELECT record FROM keys WHERE space = ? AND hash = ?")?;
        match space {
            Some(space) => Ok(find.query_row((space, key_hash.as_bytes()), |row| row.get(0)).optional()?),
            None => Ok(None),
        }
    }

    fn known(&self, key_hash: &KeyHash, loaded: &Loaded) -> Outcome<Option<Known>> {
        let asked = self.by_key.borrow().get(key_hash).copied();
        let Some(record) = asked.map_or_else(|| self.record_of(key_hash), Ok)? else { return Ok(None) };
        let mut load = self.conn.prepare_cached("SELECT id, first_seen FROM records WHERE no = ?")?;
        let (id, first_seen) = load.query_row([record], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let id = RecordId::from_bytes(id);
        self.records.borrow_mut().insert(id, record);
        // What is present is not absent.
        let absent = if loaded.present.contains_key(key_hash) { None } else { self.absent(record)? };
        let shown = absent.and_then(|(shown, _)| shown);
        let shown = shown.map(|version| self.version(record, version)).transpose()?.flatten();
        // Only a first sight is compared with every version.
        let is_first_sight = shown.is_none() && !loaded.present.contains_key(key_hash);
        let matching =
            if is_first_sight { self.matching(record, &self.prepared.hashes_of(key_hash))? } else { Vec::new() };
        let current = self.current(record)?;
        Ok(Some(Known {
            record: id,
            first_seen: rows::instant(first_seen)?,
            current,
            shown,
            left: absent.and_then(|(_, left)| left),
            matching,
            churning: if may_churn(current) { self.churning(record)? } else { None },
        }))
    }

    /// The number of a namespace, if it has one; most documents have items of one only.
    fn space(&self, namespace: &Namespace) -> Outcome<Option<i64>> {
        let mut last = self.last_space.borrow_mut();
        if let Some((_, number)) = last.as_ref().filter(|(name, _)| name == namespace) {
            return Ok(*number);
        }
        let number = find_space(self.conn, namespace)?;
        *last = Some((namespace.clone(), number));
        Ok(number)
    }

    /// The version that this feed showed last of a record that it no longer holds, and why it left.
    fn absent(&self, record: i64) -> Outcome<Option<(Option<VersionNo>, Option<SpanEnd>)>> {
        let Some(feed) = self.feed else { return Ok(None) };
        let mut load =
            self.conn.prepare_cached("SELECT shown_version, ended FROM absent WHERE record = ? AND feed = ?")?;
        let mut found = load.query((record, feed.no))?;
        let Some(row) = found.next()? else { return Ok(None) };
        Ok(Some((row.get::<_, Option<i64>>(0)?.map(rows::version).transpose()?, read_end(row, 1)?)))
    }

    /// The current bronze version.
    fn current(&self, record: i64) -> Outcome<Option<Shown>> {
        versions::current(self.conn, record, Layer::Bronze)?.map(|held| self.shown(held)).transpose()
    }

    /// The bronze versions that have one of these hashes under the batch's rule.
    fn matching(&self, record: i64, wanted: &[ContentHash]) -> Outcome<Vec<Shown>> {
        let mut held: Vec<Held> = versions::find(self.conn, versions::own_row(record))?.into_iter().collect();
        let mut load =
            self.conn.prepare_cached("SELECT row, content FROM revisions WHERE row > ? AND row <= ? ORDER BY row")?;
        let range = (rows::first_row(record, Layer::Bronze), rows::last_row(record, Layer::Bronze));
        let found = load.query_map(range, |row| Ok(Held { row: row.get(0)?, content: row.get(1)? }))?;
        held.extend(found.collect::<Result<Vec<Held>, _>>()?);
        let shown = held.into_iter().map(|held| self.shown(held));
        shown.filter(|shown| shown.as_ref().map_or(true, |shown| wanted.contains(&shown.hash))).collect()
    }

    /// What a record says that churns.
    fn churning(&self, record: i64) -> Outcome<Option<Churning>> {
        let mut load = self
            .conn
            .prepare_cached("SELECT content FROM revisions WHERE row > ? AND row <= ? ORDER BY row DESC LIMIT ?")?;
        let range = (rows::first_row(record, Layer::Bronze), rows::last_row(record, Layer::Bronze));
        let found = load.query_map((range.0, range.1, CHURN), |row| row.get(0))?;
        let mut newest_first: Vec<i64> = found.collect::<Result<_, _>>()?;
        // The first version is no revision.
        newest_first.push(record);
        // Each is loaded after the one before it was looked at and let go.
        self.prepared.churning(newest_first.into_iter().map(|content| self.recent(content)))
    }

    fn recent(&self, content: i64) -> Outcome<Recent> {
        let mut load = self.conn.prepare_cached(&format!(
            "SELECT c.recorded_at, f.id, r.id, c.hash,
                    CASE WHEN octet_length(c.content) <= {MOST_CHURNING} THEN c.content END
             FROM contents c JOIN rules r ON r.no = c.rule LEFT JOIN fetches f ON f.no = c.fetch WHERE c.no = ?"
        ))?;
        let mut found = load.query([content])?;
        let row = found.next()?.ok_or_else(|| corrupt("a version without its content"))?;
        let hash = ContentHash::from_bytes(row.get(3)?);
        let text = row.get_ref(4)?.as_str_or_null().map_err(rusqlite::Error::from)?;
        Ok(Recent {
            recorded_at: rows::instant(row.get(0)?)?,
            told_by: row.get::<_, Option<[u8; 16]>>(1)?.map(FetchId::from_bytes),
            hash_rule: HashRuleId::from_stored(row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?),
            content: text.map(|text| Content::from_stored(text, hash)),
        })
    }

    /// A version that was shown, its hash under the batch's rule; as it was noted when the version is gone.
    fn under_rule(&self, record: i64, shown: Shown) -> Outcome<Shown> {
        Ok(self.version(record, shown.version)?.unwrap_or(shown))
    }

    /// A bronze version with its hash under the batch's rule; `None` when it is gone.
    fn version(&self, record: i64, number: VersionNo) -> Outcome<Option<Shown>> {
        let row = rows::version_row(record, Layer::Bronze, number)?;
        versions::find(self.conn, row)?.map(|held| self.shown(held)).transpose()
    }

    /// A version with its hash under the batch's rule, made again when it was stored under another.
    fn shown(&self, version: Held) -> Outcome<Shown> {
        let Held { row, content } = version;
        let (_, version) = rows::split_row(row)?;
        let mut load = self.conn.prepare_cached(
            "SELECT c.hash, c.rule_hash, r.id FROM contents c JOIN rules r ON r.no = c.rule WHERE c.no = ?",
        )?;
        let mut found = load.query([content])?;
        let held = found.next()?.ok_or_else(|| corrupt("a version without its content"))?;
        if held.get_ref(2)?.as_str().map_err(rusqlite::Error::from)? == self.rule_id.as_str() {
            let hash = held.get::<_, Option<[u8; 32]>>(1)?.map_or_else(|| held.get(0), Ok)?;
            return Ok(Shown { version, hash: ContentHash::from_bytes(hash) });
        }
        let mut load = self.conn.prepare_cached("SELECT hash, content FROM contents WHERE no = ?")?;
        let mut found = load.query([content])?;
        let held = found.next()?.ok_or_else(|| corrupt("a version without its content"))?;
        Ok(Shown { version, hash: self.rule.hash(&rows::content(held, 0, 1)?) })
    }
}

/// Why a key left a feed; null when only a Delta ever showed it.
fn read_end(row: &Row<'_>, column: usize) -> Outcome<Option<SpanEnd>> {
    let ended: Option<String> = row.get(column)?;
    ended.map(|word| SpanEnd::from_word(&word).ok_or_else(|| corrupt("a span's end"))).transpose()
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Candidate, FeedId, IngestBatch, KeyRule, NaturalKey, Part, Timestamp};

    use super::*;
    use crate::session::{Names, NextNumbers};

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

    fn loaded(conn: &Connection, part: &Prepared) -> Loaded {
        let feed = FeedRow::load(conn, part.batch().feed).unwrap();
        let open = feed.as_ref().map(|feed| OpenSpans::load(conn, feed.no).unwrap());
        Loader::new(conn, part, feed.as_ref()).load(open.as_ref(), part.batch().part.index > 0).unwrap()
    }

    #[test]
    fn a_part_loads_what_is_held_of_its_own_keys_and_only_the_last_loads_all() {
        let conn = crate::schema::pattern(crate::schema::SCHEMA_VERSION).unwrap();
        let (mut names, mut next) = (Names::default(), NextNumbers::default());
        let mut session = Session::new(&conn, &mut names, &mut next);
        for index in 0..100 {
            let part = part(1, index, index == 99);
            assert_eq!(loaded(&conn, &part).earlier.len(), if index == 99 { 99 } else { 0 });
            ingest(&mut session, &part).unwrap();
        }
        for index in 0..100 {
            let part = part(2, index, index == 99);
            let Loaded { present, earlier, known, keys, .. } = loaded(&conn, &part);
            let expected = if index == 99 { (99, 100) } else { (0, 1) };
            assert_eq!((earlier.len(), present.len(), known.len(), keys.len()), (expected.0, expected.1, 0, 0));
            ingest(&mut session, &part).unwrap();
        }
    }

    #[test]
    fn what_an_earlier_part_told_is_loaded_with_the_part_that_tells_it_again() {
        let conn = crate::schema::pattern(crate::schema::SCHEMA_VERSION).unwrap();
        let (mut names, mut next) = (Names::default(), NextNumbers::default());
        let mut session = Session::new(&conn, &mut names, &mut next);
        for index in 0..3 {
            ingest(&mut session, &part(1, index, false)).unwrap();
        }
        let again =
            Prepared::new(IngestBatch { part: Part { index: 3, last: false }, ..part(1, 1, false).batch().clone() });
        let told = loaded(&conn, &again.unwrap()).earlier;
        assert_eq!(told.values().map(|told| told.ordinal).collect::<Vec<_>>(), [1]);
    }
}
