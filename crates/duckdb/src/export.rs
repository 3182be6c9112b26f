//! Everything as rows, read by a thread of its own in one transaction.

use async_trait::async_trait;
use duckdb::Connection;
use feedspine_core::ingest::{FeedState, LedgerRow, PartRow, Shown};
use feedspine_core::transfer::{
    Batches, Export, FeedRow, ObservationRow, PointRow, RecordRow, RejectRow, Row, SpanRow, StandingRow, ToldRow,
    broke_off,
};
use feedspine_core::{FeedId, Result, StorageError};
use tokio::sync::{mpsc, oneshot};

use crate::connect::Claimed;
use crate::error::{Fault, Outcome};
use crate::history::{EVENT, read_event, read_reject};
use crate::rows::{self, Columns, HeldVersion, VERSION, Values};
use crate::write::{STANDING, read_standing};
use crate::{import, ledger};

/// Batches that wait to be taken: the next one is read while one is written elsewhere.
const AHEAD: usize = 2;

/// How many rows are read at once.
const CHUNK: usize = 2_000;

/// An export under way.
#[derive(Debug)]
pub(crate) struct Reading {
    batches: mpsc::Receiver<Result<Vec<Row>>>,
}

impl Reading {
    /// Begins to read; what is committed after this was called does not show.
    pub(crate) async fn begin(conn: Claimed) -> Result<Self> {
        let (sender, batches) = mpsc::channel(AHEAD);
        let (begun, is_begun) = oneshot::channel();
        let read = move || {
            // A transaction sees what is there when it first looks.
            let look = conn.execute_batch("BEGIN TRANSACTION READ ONLY").map_err(Fault::from);
            let may_read = look.and_then(|()| import::refuse_unfinished(&conn));
            let read = may_read.is_ok();
            // Whoever asked may have gone: then nothing is read.
            if begun.send(may_read.map_err(Fault::into_error)).is_err() || !read {
                return;
            }
            let done = Out { cut: Batches::default(), sender: &sender }.everything(&conn);
            // Whoever is told the end may close the store and open it again at once.
            drop(conn);
            // The end is said: a reader that is gone must not look like one.
            let _gone = sender.blocking_send(done.map(|()| Vec::new()).map_err(Fault::into_error));
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

    fn everything(mut self, conn: &Connection) -> Outcome<()> {
        let feeds = "SELECT feed, state FROM _feeds ORDER BY feed";
        let feeds = rows::all(conn, feeds, rows::no_values(), |columns| {
            Ok((columns.word::<FeedId>()?, rows::document::<FeedState>(columns)?))
        })?;
        for (feed, state) in &feeds {
            self.put(Row::Feed(FeedRow { feed: *feed, state: state.clone() }))?;
        }
        for (feed, _) in &feeds {
            self.observations(conn, *feed)?;
        }
        for (feed, _) in &feeds {
            let sql = "SELECT fetch_id, recorded_at, ordinal, namespace, key, code, reason, excerpt FROM _rejects
                       WHERE feed = ? ORDER BY number";
            self.each(conn, sql, &[&feed.to_string()], |columns| {
                Ok(Row::Reject(RejectRow { feed: *feed, quarantined: read_reject(columns)? }))
            })?;
        }
        self.each(
            conn,
            "SELECT record, namespace, key, key_rule, first_seen FROM _versions WHERE is_top ORDER BY record",
            rows::no_values(),
            |columns| {
                let (id, key) = (columns.word()?, columns.key()?);
                Ok(Row::Record(RecordRow { id, key, key_rule: columns.word()?, first_seen: columns.instant()? }))
            },
        )?;
        self.versions(conn)?;
        self.of_records(conn)?;
        let told = "SELECT key_hash, feed, fetch_id, observed_at, first FROM _told ORDER BY key_hash, feed, fetch_id";
        self.each(conn, told, rows::no_values(), |columns| {
            let (key_hash, feed, fetch) = (columns.key_hash()?, columns.word()?, columns.word()?);
            Ok(Row::Told(ToldRow { key_hash, feed, fetch, observed_at: columns.instant()?, first: columns.take()? }))
        })?;
        let changes = format!("SELECT {EVENT} FROM _changes ORDER BY seq");
        self.each(conn, &changes, rows::no_values(), |columns| Ok(Row::Event(read_event(columns)?)))?;
        let rest = self.cut.take();
        if rest.is_empty() { Ok(()) } else { self.send(rest) }
    }

    /// All rows of a statement, which are small.
    fn each(
        &mut self,
        conn: &Connection,
        sql: &str,
        values: Values<'_>,
        read: impl Fn(&mut Columns<'_>) -> Outcome<Row>,
    ) -> Outcome<()> {
        rows::all(conn, sql, values, |columns| self.put(read(columns)?)).map(drop)
    }

    fn observations(&mut self, conn: &Connection, feed: FeedId) -> Outcome<()> {
        let named = &feed.to_string();
        let mut after = 0_u64;
        loop {
            let sql = format!(
                "SELECT {} FROM _ledger WHERE feed = ? AND number > ? ORDER BY number LIMIT {CHUNK}",
                ledger::columns()
            );
            let chunk = rows::all(conn, &sql, &[named, &after], ledger::read)?;
            let Some((last, _)) = chunk.last() else { return Ok(()) };
            let sql = "SELECT p.fetch_id, p.part, p.told FROM _parts p JOIN _ledger l
                       ON l.feed = p.feed AND l.fetch_id = p.fetch_id
                       WHERE p.feed = ? AND l.number > ? AND l.number <= ?";
            let mut parts = std::collections::HashMap::<_, Vec<(u32, PartRow)>>::new();
            for (fetch, index, part) in rows::all(conn, sql, &[named, &after, last], |columns| {
                Ok((columns.word::<feedspine_core::FetchId>()?, columns.take()?, rows::document(columns)?))
            })? {
                parts.entry(fetch).or_default().push((index, part));
            }
            after = *last;
            for (_, row) in chunk {
                let parts = parts.remove(&row.observation.fetch).unwrap_or_default();
                let row: LedgerRow = row;
                self.put(Row::Observation(ObservationRow::new(row, parts)))?;
            }
        }
    }

    /// Versions hold the content: they are read some at a time.
    fn versions(&mut self, conn: &Connection) -> Outcome<()> {
        let mut after: Option<(String, u8, u32)> = None;
        loop {
            let (record, layer, number) = after.unwrap_or(("00000000-0000-0000-0000-000000000000".into(), 0, 0));
            let sql = format!(
                "SELECT {VERSION} FROM _versions WHERE record >= ? AND (record, layer, number) > (CAST(? AS UUID), ?, ?)
                 ORDER BY record, layer, number LIMIT {CHUNK}"
            );
            let chunk = rows::all(conn, &sql, &[&record, &record, &layer, &number], rows::held_version)?;
            let Some(HeldVersion { stored, .. }) = chunk.last() else { return Ok(()) };
            let last = &stored.version;
            after = Some((last.record.to_string(), last.layer.rank(), last.number.get()));
            for held in chunk {
                self.put(Row::Version(held.stored))?;
            }
        }
    }

    fn of_records(&mut self, conn: &Connection) -> Outcome<()> {
        let spans = "SELECT record, feed, since, until, version FROM _spans ORDER BY record, feed, since";
        self.each(conn, spans, rows::no_values(), |columns| {
            let (record, feed) = (columns.word()?, columns.word()?);
            let (since, until) = (columns.round()?, columns.round()?);
            Ok(Row::Span(SpanRow { record, feed, since, until, version: columns.version()? }))
        })?;
        let points = "SELECT record, feed, fetch_id, version, hash, age, ordinal FROM _points
                      ORDER BY record, feed, fetch_id";
        self.each(conn, points, rows::no_values(), |columns| {
            let (record, feed, fetch) = (columns.word()?, columns.word()?, columns.word()?);
            let shown: Shown = columns.shown()?;
            Ok(Row::Point(PointRow { record, feed, fetch, shown, age: columns.instant()?, ordinal: columns.take()? }))
        })?;
        let standings = format!("SELECT {STANDING} FROM _standings ORDER BY record, feed");
        self.each(conn, &standings, rows::no_values(), |columns| {
            let (feed, record, standing) = read_standing(columns)?;
            Ok(Row::Standing(StandingRow { record, feed, standing }))
        })
    }
}
