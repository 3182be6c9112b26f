//! Everything as rows, read by a thread of its own in one transaction.
//!
//! While an export is read, the log cannot be moved into the file and grows by what is written.

use std::path::PathBuf;
use std::time::Duration;

use async_trait::async_trait;
use feedspine_core::ingest::{Absent, LedgerRow, PartRow, Standing, StoredVersion};
use feedspine_core::transfer::{
    Batches, Export, FeedRow, ObservationRow, PointRow, RecordRow, RejectRow, Row, SpanRow, StandingRow, ToldRow,
    broke_off,
};
use feedspine_core::{ContentHash, FeedId, FetchId, KeyHash, Layer, RecordId, Result, SpanEnd, StorageError};
use rusqlite::Connection;
use tokio::sync::{mpsc, oneshot};

use crate::error::{Fault, Outcome};
use crate::ledger::{self, OF};
use crate::manifest::OpenSpans;
use crate::rows::{self, corrupt};
use crate::session::{Admission, Concern};
use crate::{changes, connect, feed_row, history};

/// Batches that wait to be taken: the next one is read while one is written elsewhere.
const AHEAD: usize = 2;

/// An export under way.
#[derive(Debug)]
pub(crate) struct Reading {
    batches: mpsc::Receiver<Result<Vec<Row>>>,
}

impl Reading {
    /// Begins to read; what is committed after this was called does not show.
    pub(crate) async fn begin(path: PathBuf, busy: Duration) -> Result<Self> {
        let (sender, batches) = mpsc::channel(AHEAD);
        let (begun, is_begun) = oneshot::channel();
        let read = move || {
            let opened = connect::open_reader(&path, busy).and_then(|conn| {
                // The first read of the transaction fixes what it shows.
                conn.execute_batch("BEGIN")?;
                Admission::default().admit(&conn, Concern::Data)?;
                Ok(conn)
            });
            let conn = match opened {
                Ok(conn) => conn,
                Err(fault) => return drop(begun.send(Err(fault.into_error()))),
            };
            // Whoever asked may have gone: then nothing is read.
            if begun.send(Ok(())).is_err() {
                return;
            }
            let mut out = Out { cut: Batches::default(), sender: &sender };
            if let Err(fault) = out.everything(&conn) {
                let _gone = sender.blocking_send(Err(fault.into_error()));
            }
        };
        let spawned = std::thread::Builder::new().name("feedspine-export".into()).spawn(read);
        spawned.map_err(|error| StorageError::unavailable("no thread can be started").with_source(error))?;
        is_begun.await.map_err(|error| StorageError::internal("the export panicked").with_source(error))??;
        Ok(Self { batches })
    }
}

#[async_trait]
impl Export for Reading {
    async fn next(&mut self) -> Result<Vec<Row>> {
        self.batches.recv().await.unwrap_or_else(|| Err(broke_off()))
    }
}

/// Where rows go.
struct Out<'a> {
    cut: Batches,
    sender: &'a mpsc::Sender<Result<Vec<Row>>>,
}

impl Out<'_> {
    fn put(&mut self, row: Row) -> Outcome<()> {
        self.cut.push(row).map_or(Ok(()), |full| self.send(full))
    }

    fn send(&self, batch: Vec<Row>) -> Outcome<()> {
        let gone = |_| Fault::from(StorageError::closed("nobody reads the export any more"));
        self.sender.blocking_send(Ok(batch)).map_err(gone)
    }

    fn everything(&mut self, conn: &Connection) -> Outcome<()> {
        let mut feeds: Vec<feed_row::FeedRow> = Vec::new();
        let mut ids: Vec<FeedId> = Vec::new();
        for (id, feed) in feed_row::load_all(conn)? {
            self.put(Row::Feed(FeedRow { feed: id, state: feed.state.clone() }))?;
            feeds.push(feed);
            ids.push(id);
        }
        for (id, feed) in ids.iter().zip(&feeds) {
            self.observations(conn, *id, feed.no)?;
        }
        for (id, feed) in ids.iter().zip(&feeds) {
            self.rejects(conn, *id, feed.no)?;
        }
        self.records(conn)?;
        self.versions(conn)?;
        self.spans(conn)?;
        self.points(conn)?;
        self.standings(conn, ids.iter().zip(&feeds).map(|(id, feed)| (*id, feed.no)))?;
        self.told(conn)?;
        changes::for_each(conn, |event| self.put(Row::Event(event)))?;
        let rest = self.cut.take();
        if !rest.is_empty() {
            self.send(rest)?;
        }
        // The end is said: a reader that is gone must not look like one.
        self.send(Vec::new())
    }

    fn observations(&mut self, conn: &Connection, feed: FeedId, number: i64) -> Outcome<()> {
        let mut load = conn.prepare_cached(&format!(
            "SELECT l.place, f.id, l.round, l.observed_at, l.recorded_after, l.coverage, {OF}, l.ended, l.fetch, {}
             FROM ledger l JOIN fetches f ON f.no = l.fetch WHERE l.feed = ? ORDER BY l.place",
            rows::COUNTS
        ))?;
        let mut found = load.query([number])?;
        while let Some(row) = found.next()? {
            let observation = history::read_observation(row, feed, 9)?;
            let parts = parts(conn, (number, row.get(0)?, row.get(8)?))?;
            let ledger = LedgerRow { observation, ended: row.get(7)? };
            self.put(Row::Observation(ObservationRow::new(ledger, parts)))?;
        }
        Ok(())
    }

    fn rejects(&mut self, conn: &Connection, feed: FeedId, number: i64) -> Outcome<()> {
        let mut load = conn.prepare_cached(&format!("{} WHERE r.feed = ? ORDER BY r.place", history::REJECTS))?;
        let mut found = load.query([number])?;
        while let Some(row) = found.next()? {
            self.put(Row::Reject(RejectRow { feed, quarantined: history::read_reject(row)? }))?;
        }
        Ok(())
    }

    fn records(&mut self, conn: &Connection) -> Outcome<()> {
        let mut load = conn.prepare_cached(
            "SELECT r.id, s.name, r.key, r.key_rule, r.first_seen FROM records r JOIN spaces s ON s.no = r.space
             ORDER BY r.id",
        )?;
        let mut found = load.query([])?;
        while let Some(row) = found.next()? {
            let record = RecordRow {
                id: RecordId::from_bytes(row.get(0)?),
                key: rows::key(row, 1)?,
                key_rule: rows::word(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?,
                first_seen: rows::instant(row.get(4)?)?,
            };
            self.put(Row::Record(record))?;
        }
        Ok(())
    }

    fn versions(&mut self, conn: &Connection) -> Outcome<()> {
        let mut records = conn.prepare_cached("SELECT no, id FROM records ORDER BY id")?;
        let mut load = conn.prepare_cached(&history::versions_sql("v.rule_hash", "ORDER BY x.row"))?;
        let mut named = records.query([])?;
        while let Some(row) = named.next()? {
            let (record, id) = (row.get(0)?, RecordId::from_bytes(row.get(1)?));
            let own = crate::versions::own_row(record);
            let range = (rows::first_row(record, Layer::Bronze), rows::last_row(record, Layer::Gold));
            let mut found = load.query((own, record, range.0, range.1))?;
            while let Some(row) = found.next()? {
                let version = history::read_version(row, id)?;
                let under_rule = row.get::<_, Option<[u8; 32]>>(14)?.map(ContentHash::from_bytes);
                let hash = under_rule.unwrap_or(version.content.hash());
                self.put(Row::Version(StoredVersion { version, hash }))?;
            }
        }
        Ok(())
    }

    fn spans(&mut self, conn: &Connection) -> Outcome<()> {
        let mut load = conn.prepare_cached(
            "SELECT r.id, f.id, s.since, s.until, s.version FROM spans s
             JOIN records r ON r.no = s.record JOIN feeds f ON f.no = s.feed
             WHERE s.until IS NOT NULL ORDER BY r.id, f.id, s.since",
        )?;
        let mut found = load.query([])?;
        while let Some(row) = found.next()? {
            let span = SpanRow {
                record: RecordId::from_bytes(row.get(0)?),
                feed: FeedId::from_bytes(row.get(1)?),
                since: rows::round(row.get(2)?)?,
                until: rows::round(row.get(3)?)?,
                version: rows::version(row.get(4)?)?,
            };
            self.put(Row::Span(span))?;
        }
        Ok(())
    }

    fn points(&mut self, conn: &Connection) -> Outcome<()> {
        let mut load = conn.prepare_cached(
            "SELECT r.id, f.id, t.id, p.shown_version, p.shown_hash, p.age, p.ordinal FROM points p
             JOIN records r ON r.no = p.record JOIN feeds f ON f.no = p.feed JOIN fetches t ON t.no = p.fetch
             ORDER BY r.id, f.id, t.id",
        )?;
        let mut found = load.query([])?;
        while let Some(row) = found.next()? {
            let point = PointRow {
                record: RecordId::from_bytes(row.get(0)?),
                feed: FeedId::from_bytes(row.get(1)?),
                fetch: FetchId::from_bytes(row.get(2)?),
                shown: rows::shown(row.get(3)?, row.get(4)?)?,
                age: rows::instant(row.get(5)?)?,
                ordinal: row.get(6)?,
            };
            self.put(Row::Point(point))?;
        }
        Ok(())
    }

    /// Open spans lie packed by feed, and are put into the order of records in memory: some 150 bytes each.
    fn standings(&mut self, conn: &Connection, feeds: impl Iterator<Item = (FeedId, i64)>) -> Outcome<()> {
        let mut open = Vec::new();
        for (feed, number) in feeds {
            let held = OpenSpans::load(conn, number)?.to_map()?.into_values();
            open.extend(held.map(|present| StandingRow {
                record: present.record,
                feed,
                standing: Standing::Open(present),
            }));
        }
        open.sort_unstable_by_key(|row| (row.record, row.feed));
        let mut open = open.into_iter().peekable();
        let mut load = conn.prepare_cached(
            "SELECT r.id, f.id, a.shown_version, a.ended FROM absent a
             JOIN records r ON r.no = a.record JOIN feeds f ON f.no = a.feed ORDER BY r.id, f.id",
        )?;
        let mut found = load.query([])?;
        while let Some(row) = found.next()? {
            let (record, feed) = (RecordId::from_bytes(row.get(0)?), FeedId::from_bytes(row.get(1)?));
            while let Some(before) = open.next_if(|open| (open.record, open.feed) < (record, feed)) {
                self.put(Row::Standing(before))?;
            }
            let ended: Option<String> = row.get(3)?;
            let end = |word: String| SpanEnd::from_word(&word).ok_or_else(|| corrupt("a span's end"));
            let shown = row.get::<_, Option<i64>>(2)?.map(rows::version).transpose()?;
            let standing = Standing::Left(Absent { shown, left: ended.map(end).transpose()? });
            self.put(Row::Standing(StandingRow { record, feed, standing }))?;
        }
        open.try_for_each(|row| self.put(Row::Standing(row)))
    }

    fn told(&mut self, conn: &Connection) -> Outcome<()> {
        let mut load = conn.prepare_cached(
            "SELECT key_hash, feed, fetch, observed_at, first FROM told ORDER BY key_hash, feed, fetch",
        )?;
        let mut found = load.query([])?;
        while let Some(row) = found.next()? {
            let told = ToldRow {
                key_hash: KeyHash::from_bytes(row.get(0)?),
                feed: FeedId::from_bytes(row.get(1)?),
                fetch: FetchId::from_bytes(row.get(2)?),
                observed_at: rows::instant(row.get(3)?)?,
                first: row.get(4)?,
            };
            self.put(Row::Told(told))?;
        }
        Ok(())
    }
}

/// The parts of the observation at that place of a feed's ledger.
fn parts(conn: &Connection, (feed, place, fetch): (i64, i64, i64)) -> Outcome<Vec<(u32, PartRow)>> {
    let mut parts = Vec::new();
    for (index, committed, first_change) in ledger::load_parts(conn, feed, place)? {
        let made = first_change.map(|first| changes::made(conn, first)).transpose()?.unwrap_or_default();
        let (mut collided, mut rejected) = (Vec::new(), Vec::new());
        if committed.counts.rejected > 0 {
            let mut load = conn.prepare_cached(
                "SELECT namespace, key, ordinal, code FROM rejects
                 WHERE fetch = ? AND feed = ? AND part = ? AND key IS NOT NULL",
            )?;
            let mut found = load.query((fetch, feed, index))?;
            while let Some(row) = found.next()? {
                rejected.push(rows::key(row, 0)?.hash());
                if row.get::<_, String>(3)? == feedspine_core::ingest::KEY_COLLISION {
                    collided.push(row.get(2)?);
                }
            }
        }
        parts.push((index, PartRow { committed, made: made.into_iter().collect(), collided, rejected }));
    }
    Ok(parts)
}
