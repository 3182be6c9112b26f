//! Ingest: loads what the plan needs. Applying it is in `apply.rs`.

use std::collections::HashMap;

use feedspine_core::ingest::{
    Begin, Committed, Header, IngestReport, KEY_COLLISION, Known, Loaded, Point, Prepared, Present, Shown,
};
use feedspine_core::{
    ChangeKind, ContentHash, Coverage, HashRule, HashRuleId, KeyHash, Layer, RecordId, SpanEnd, VersionNo,
};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::apply::Target;
use crate::error::Outcome;
use crate::feed_row::FeedRow;
use crate::ledger::{self, Entry};
use crate::rows::{self, corrupt};
use crate::session::Session;

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
    let header = Header {
        feed: feed.as_ref().map(|feed| feed.state.clone()).unwrap_or_default(),
        committed: entry.as_ref().and_then(|entry| Some(entry.committed.as_ref()?.0.clone())),
        begun: entry.as_ref().map(|entry| entry.begun),
        of_round: named.map(|(_, round)| rows::round(round)).transpose()?,
    };
    let mut loaded = Loaded::default();
    let plan = match prepared.begin(&header)? {
        Begin::Replay(committed) => return replay(session.conn, prepared, feed.as_ref(), entry.as_ref(), &committed),
        Begin::Settled(plan) => *plan,
        Begin::Judge => {
            loaded = Loader::new(session.conn, prepared, feed.as_ref()).load(entry.is_some())?;
            prepared.plan(&header, &loaded)
        }
    };
    let target = Target { feed, entry, of_place: named.map(|(place, _)| place) };
    target.apply(session, prepared, &loaded, &plan)?;
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
    let mut made = HashMap::new();
    if let Some(first) = entry.committed.as_ref().and_then(|(_, first)| *first) {
        // A part's changes lie together, and each version that it made is one of these two.
        let mut load = conn.prepare_cached(
            "SELECT c.version, s.name, coalesce(r.key, g.key) FROM changes c
             LEFT JOIN records r ON r.no = c.record LEFT JOIN graves g ON g.no = c.record
             JOIN spaces s ON s.no = coalesce(r.space, g.space)
             WHERE c.seq >= ? AND c.kind IN (?, ?) ORDER BY c.seq LIMIT ?",
        )?;
        let kinds = [ChangeKind::New, ChangeKind::Changed].map(rows::change_kind_number);
        let many = (committed.counts.new + committed.counts.changed).cast_signed();
        let mut found = load.query((first, kinds[0], kinds[1], many))?;
        while let Some(row) = found.next()? {
            made.insert(rows::key(row, 1)?.hash(), rows::version(row.get(0)?)?);
        }
    }
    let mut load =
        conn.prepare_cached("SELECT ordinal FROM rejects WHERE feed = ? AND fetch = ? AND part = ? AND code = ?")?;
    let fetch = crate::session::find_fetch(conn, batch.fetch)?;
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
}

impl<'a> Loader<'a> {
    fn new(conn: &'a Connection, prepared: &'a Prepared, feed: Option<&'a FeedRow>) -> Self {
        let rule = &prepared.batch().hash_rule;
        Self { conn, prepared, feed, rule, rule_id: rule.id() }
    }

    fn load(&self, has_earlier_parts: bool) -> Outcome<Loaded> {
        let mut loaded = Loaded::default();
        if let Some(feed) = self.feed {
            self.load_present(feed, &mut loaded.present)?;
            if has_earlier_parts {
                self.load_earlier(feed, &mut loaded)?;
            }
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

    fn load_present(&self, feed: &FeedRow, present: &mut HashMap<KeyHash, Present>) -> Outcome<()> {
        let Some(manifest) = &feed.state.manifest else { return Ok(()) };
        let rehash = manifest.hash_rule != self.rule_id;
        present.reserve(usize::try_from(manifest.size).unwrap_or(0));
        let mut load = self.conn.prepare_cached(
            "SELECT key_hash, id, version, since, shown_version, shown_hash, age, record FROM present WHERE feed = ?",
        )?;
        let mut found = load.query([feed.no])?;
        while let Some(row) = found.next()? {
            let mut shown = rows::shown(row.get(4)?, row.get(5)?)?;
            if rehash {
                shown = self.under_rule(row.get(7)?, shown)?;
            }
            let open = Present {
                record: RecordId::from_bytes(row.get(1)?),
                version: rows::version(row.get(2)?)?,
                since: rows::round(row.get(3)?)?,
                shown,
                age: rows::instant(row.get(6)?)?,
            };
            present.insert(KeyHash::from_bytes(row.get(0)?), open);
        }
        Ok(())
    }

    /// What earlier parts of this fetch have shown and rejected.
    fn load_earlier(&self, feed: &FeedRow, loaded: &mut Loaded) -> Outcome<()> {
        let mut load = self.conn.prepare_cached(
            "SELECT s.name, r.key, r.id, p.shown_version, p.shown_hash, p.age, p.ordinal, p.record
             FROM fetches f JOIN points p ON p.fetch = f.no AND p.feed = ?2
             JOIN records r ON r.no = p.record JOIN spaces s ON s.no = r.space WHERE f.id = ?1",
        )?;
        let mut found = load.query((self.prepared.batch().fetch.as_bytes(), feed.no))?;
        while let Some(row) = found.next()? {
            let key_hash = rows::key(row, 0)?.hash();
            let shown = self.under_rule(row.get(7)?, rows::shown(row.get(3)?, row.get(4)?)?)?;
            let point = Point {
                record: RecordId::from_bytes(row.get(2)?),
                key_hash,
                shown,
                age: rows::instant(row.get(5)?)?,
                ordinal: row.get(6)?,
                present: loaded.present.contains_key(&key_hash),
            };
            loaded.earlier.insert(key_hash, point);
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

    fn known(&self, key_hash: &KeyHash, loaded: &Loaded) -> Outcome<Option<Known>> {
        let record = match (self.prepared.key_of(key_hash), loaded.earlier.get(key_hash)) {
            (Some(key), _) => crate::session::find_space(self.conn, key.namespace())?.map_or(Ok(None), |space| {
                let mut find = self.conn.prepare_cached("SELECT record FROM keys WHERE space = ? AND hash = ?")?;
                find.query_row((space, key_hash.as_bytes()), |row| row.get(0)).optional()
            })?,
            (None, Some(earlier)) => crate::session::find_record(self.conn, earlier.record)?,
            (None, None) => None,
        };
        let Some(record) = record else { return Ok(None) };
        let mut load = self.conn.prepare_cached("SELECT id, first_seen FROM records WHERE no = ?")?;
        let (id, first_seen) = load.query_row([record], |row| Ok((row.get(0)?, row.get(1)?)))?;
        let absent = self.absent(record)?;
        let shown = absent.and_then(|(shown, _)| shown).map(|shown| self.under_rule(record, shown)).transpose()?;
        let matching = match shown {
            // Only a first sight is compared with every version.
            None => self.matching(record, &self.prepared.hashes_of(key_hash))?,
            Some(_) => Vec::new(),
        };
        Ok(Some(Known {
            record: RecordId::from_bytes(id),
            first_seen: rows::instant(first_seen)?,
            current: self.current(record)?,
            shown,
            left: absent.and_then(|(_, left)| left),
            matching,
        }))
    }

    /// What this feed showed last of a record that it no longer holds.
    fn absent(&self, record: i64) -> Outcome<Option<(Option<Shown>, Option<SpanEnd>)>> {
        let Some(feed) = self.feed else { return Ok(None) };
        let mut load = self
            .conn
            .prepare_cached("SELECT shown_version, shown_hash, ended FROM absent WHERE record = ? AND feed = ?")?;
        let mut found = load.query((record, feed.no))?;
        let Some(row) = found.next()? else { return Ok(None) };
        let ended: Option<String> = row.get(2)?;
        let ended = ended.map(|word| SpanEnd::from_word(&word).ok_or_else(|| corrupt("a span's end"))).transpose()?;
        let shown = match row.get(0)? {
            Some(version) => Some(rows::shown(version, row.get(1)?)?),
            None => None,
        };
        Ok(Some((shown, ended)))
    }

    /// The current bronze version.
    fn current(&self, record: i64) -> Outcome<Option<Shown>> {
        let mut load = self.conn.prepare_cached(
            "SELECT v.row, v.hash, v.rule_hash, r.id FROM versions v JOIN rules r ON r.no = v.rule
             WHERE v.row > ? AND v.row <= ? ORDER BY v.row DESC LIMIT 1",
        )?;
        let range = (rows::first_row(record, Layer::Bronze), rows::last_row(record, Layer::Bronze));
        let mut found = load.query(range)?;
        found.next()?.map(|row| self.read_version(row)).transpose()
    }

    /// The bronze versions that have one of these hashes under the batch's rule.
    fn matching(&self, record: i64, wanted: &[ContentHash]) -> Outcome<Vec<Shown>> {
        let mut load = self.conn.prepare_cached(
            "SELECT v.row, v.hash, v.rule_hash, r.id FROM versions v JOIN rules r ON r.no = v.rule
             WHERE v.row > ? AND v.row <= ? ORDER BY v.row",
        )?;
        let range = (rows::first_row(record, Layer::Bronze), rows::last_row(record, Layer::Bronze));
        let mut found = load.query(range)?;
        let mut matching = Vec::new();
        while let Some(row) = found.next()? {
            let shown = self.read_version(row)?;
            if wanted.contains(&shown.hash) {
                matching.push(shown);
            }
        }
        Ok(matching)
    }

    /// A version that was shown, its hash under the batch's rule; as it was noted when the version is gone.
    fn under_rule(&self, record: i64, shown: Shown) -> Outcome<Shown> {
        let mut load = self.conn.prepare_cached(
            "SELECT v.row, v.hash, v.rule_hash, r.id FROM versions v JOIN rules r ON r.no = v.rule WHERE v.row = ?",
        )?;
        let mut found = load.query([rows::version_row(record, Layer::Bronze, shown.version)?])?;
        found.next()?.map_or(Ok(shown), |row| self.read_version(row))
    }

    fn read_version(&self, row: &Row<'_>) -> Outcome<Shown> {
        let number: i64 = row.get(0)?;
        let (_, version): (Layer, VersionNo) = rows::split_row(number)?;
        let whole = ContentHash::from_bytes(row.get(1)?);
        if row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)? == self.rule_id.as_str() {
            let under: Option<[u8; 32]> = row.get(2)?;
            return Ok(Shown { version, hash: under.map_or(whole, ContentHash::from_bytes) });
        }
        let mut load = self.conn.prepare_cached("SELECT hash, content FROM versions WHERE row = ?")?;
        let mut found = load.query([number])?;
        let row = found.next()?.ok_or_else(|| corrupt("a version that is gone"))?;
        Ok(Shown { version, hash: self.rule.hash(&rows::content(row, 0, 1)?) })
    }
}
