//! Everything as rows, read by a task of its own in one snapshot, through cursors of the server.

use std::collections::HashMap;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::ingest::{Absent, KEY_COLLISION, LedgerRow, PartRow, Standing, StoredVersion};
use feedspine_core::transfer::{
    Batches, Export, FeedRow, ObservationRow, PointRow, RecordRow, RejectRow, Row, SpanRow, StandingRow, ToldRow,
    broke_off,
};
use feedspine_core::{ChangeKind, ContentHash, FeedId, FetchId, KeyHash, Result, SpanEnd, StorageError, VersionNo};
use tokio::sync::{mpsc, oneshot};

use crate::error::{Fault, Outcome};
use crate::feed_row::{self, FEED};
use crate::history::{self, VERSION};
use crate::ledger::{self, OBSERVATION};
use crate::pool::Pool;
use crate::rows::{self, COUNTS, Columns, corrupt};
use crate::session::Session;
use crate::{changes, manifest, schema};

/// Batches that wait to be taken.
const AHEAD: usize = 2;
/// Rows that a cursor is asked for at once.
const FETCHED: usize = 1_000;
/// The same where each may hold a whole document.
const FETCHED_LARGE: usize = 100;

/// An export under way.
#[derive(Debug)]
pub(crate) struct Reading {
    batches: mpsc::Receiver<Result<Vec<Row>>>,
}

impl Reading {
    /// Begins to read; what is committed after this was called does not show.
    pub(crate) async fn begin(pool: Arc<Pool>) -> Result<Self> {
        let (sender, batches) = mpsc::channel(AHEAD);
        let (begun, is_begun) = oneshot::channel();
        tokio::spawn(async move {
            let opened = async {
                let session = pool.exporting().await?;
                // The snapshot is that of the first question.
                session.query("SELECT count(*) FROM store", &[]).await?;
                Ok::<_, Fault>(session)
            };
            let session = match opened.await {
                Ok(session) => session,
                Err(fault) => return drop(begun.send(Err(schema::explain(&pool, fault).await))),
            };
            let mut read = Ok(());
            if begun.send(Ok(())).is_ok() {
                read = Out { cut: Batches::default(), sender: &sender, session: &session }.everything().await;
            }
            session.end();
            if let Err(fault) = read {
                let _gone = sender.send(Err(schema::explain(&pool, fault).await)).await;
            }
        });
        is_begun.await.map_err(|error| StorageError::internal("the export ended unbegun").with_source(error))??;
        Ok(Self { batches })
    }
}

#[async_trait]
impl Export for Reading {
    async fn next(&mut self) -> Result<Vec<Row>> {
        self.batches.recv().await.unwrap_or_else(|| Err(broke_off()))
    }
}

/// What an observation logged, by feed and fetch: the transaction, the key, the version.
type Made = HashMap<(FeedId, FetchId), Vec<(u64, KeyHash, VersionNo)>>;
/// What it quarantined by a key: the part, the ordinal, the key, whether it collided.
type Rejected = HashMap<(FeedId, FetchId), Vec<(u32, u32, KeyHash, bool)>>;

/// Where rows go, and where they come from.
struct Out<'a> {
    cut: Batches,
    sender: &'a mpsc::Sender<Result<Vec<Row>>>,
    session: &'a Session,
}

/// Rows of a statement, some at a time.
struct Scroll<'a> {
    session: &'a Session,
    fetch: String,
}

impl<'a> Scroll<'a> {
    async fn open(session: &'a Session, select: &str, fetched: usize) -> Outcome<Self> {
        session.batch(&format!("CLOSE ALL; DECLARE rows NO SCROLL CURSOR FOR {select}")).await?;
        Ok(Self { session, fetch: format!("FETCH {fetched} FROM rows") })
    }

    async fn next(&self) -> Outcome<Vec<tokio_postgres::Row>> {
        self.session.query(&self.fetch, &[]).await
    }
}

impl Out<'_> {
    async fn put(&mut self, row: Row) -> Outcome<()> {
        match self.cut.push(row) {
            Some(full) => self.send(full).await,
            None => Ok(()),
        }
    }

    async fn send(&self, batch: Vec<Row>) -> Outcome<()> {
        let gone = |_| Fault::from(StorageError::closed("nobody reads the export any more"));
        self.sender.send(Ok(batch)).await.map_err(gone)
    }

    /// Puts what `read` makes of each row.
    async fn scroll(
        &mut self,
        select: &str,
        fetched: usize,
        read: impl Fn(Columns<'_>) -> Outcome<Row>,
    ) -> Outcome<()> {
        let scroll = Scroll::open(self.session, select, fetched).await?;
        loop {
            let found = scroll.next().await?;
            if found.is_empty() {
                return Ok(());
            }
            for row in &found {
                self.put(read(Columns::of(row))?).await?;
            }
        }
    }

    async fn everything(&mut self) -> Outcome<()> {
        let select = format!("SELECT id, {FEED} FROM feeds WHERE observations > 0 ORDER BY id");
        self.scroll(&select, FETCHED, |mut columns| {
            let feed = columns.feed()?;
            let state = feed_row::FeedRow::read(columns)?.state;
            // One that is damaged is found.
            state.to_cursor()?;
            Ok(Row::Feed(FeedRow { feed, state }))
        })
        .await?;
        self.observations().await?;
        let select = "SELECT feed, fetch_id, recorded_at, ordinal, namespace, key, code, reason, excerpt
            FROM rejects ORDER BY feed, place";
        self.scroll(select, FETCHED, |mut columns| {
            let feed = columns.feed()?;
            Ok(Row::Reject(RejectRow { feed, quarantined: history::read_reject(&mut columns)? }))
        })
        .await?;
        let select = "SELECT id, namespace, key, key_rule, first_seen FROM records ORDER BY id";
        self.scroll(select, FETCHED, |mut columns| {
            let (id, key) = (columns.record()?, columns.key()?);
            Ok(Row::Record(RecordRow { id, key, key_rule: columns.word()?, first_seen: columns.instant()? }))
        })
        .await?;
        let select = format!("SELECT record, layer, rule_hash, {VERSION} FROM versions ORDER BY record, layer, number");
        self.scroll(&select, FETCHED_LARGE, |mut columns| {
            let (record, layer, under_rule) = (columns.record()?, columns.layer()?, columns.optional_digest()?);
            let version = history::read_version(&mut columns, record, layer)?;
            let hash = under_rule.map_or(version.content.hash(), ContentHash::from_bytes);
            Ok(Row::Version(StoredVersion { version, hash }))
        })
        .await?;
        let select = "SELECT record, feed, since, until, version FROM spans WHERE until IS NOT NULL
            ORDER BY record, feed, since";
        self.scroll(select, FETCHED, |mut columns| {
            let (record, feed) = (columns.record()?, columns.feed()?);
            let (since, until, version) = (columns.round()?, columns.round()?, columns.version()?);
            Ok(Row::Span(SpanRow { record, feed, since, until, version }))
        })
        .await?;
        let select = "SELECT record, feed, fetch_id, shown_version, shown_hash, age, ordinal FROM points
            ORDER BY record, feed, fetch_id";
        self.scroll(select, FETCHED, |mut columns| {
            let (record, feed, fetch) = (columns.record()?, columns.feed()?, columns.fetch()?);
            let (shown, age, ordinal) = (columns.shown()?, columns.instant()?, columns.ordinal()?);
            Ok(Row::Point(PointRow { record, feed, fetch, shown, age, ordinal }))
        })
        .await?;
        self.standings().await?;
        let select = "SELECT key_hash, feed, fetch_id, observed_at, first FROM told ORDER BY key_hash, feed, fetch_id";
        self.scroll(select, FETCHED, |mut columns| {
            let key_hash = KeyHash::from_bytes(columns.digest()?);
            let (feed, fetch, observed_at) = (columns.feed()?, columns.fetch()?, columns.instant()?);
            Ok(Row::Told(ToldRow { key_hash, feed, fetch, observed_at, first: columns.take()? }))
        })
        .await?;
        let scroll = Scroll::open(self.session, &runs(), FETCHED_LARGE).await?;
        loop {
            let found = scroll.next().await?;
            if found.is_empty() {
                break;
            }
            for row in &found {
                for event in changes::read_whole_run(row)?.1 {
                    self.put(Row::Event(event)).await?;
                }
            }
        }
        let rest = self.cut.take();
        if !rest.is_empty() {
            self.send(rest).await?;
        }
        // The end is said: a reader that is gone must not look like one.
        self.send(Vec::new()).await
    }

    /// Observations with their parts. What the log says that each made is read before: some 60 bytes for each version.
    async fn observations(&mut self) -> Outcome<()> {
        let (made, rejected) = (self.made().await?, self.rejected().await?);
        let several = format!(
            "SELECT feed, fetch_id, part, xid::text, retold, digest, revision, outcomes, imported, round, {COUNTS}
             FROM parts ORDER BY feed, fetch_id, part"
        );
        let mut parts: HashMap<(FeedId, FetchId), Vec<(u32, PartRow)>> = HashMap::new();
        let scroll = Scroll::open(self.session, &several, FETCHED_LARGE).await?;
        loop {
            let found = scroll.next().await?;
            if found.is_empty() {
                break;
            }
            for row in &found {
                let mut columns = Columns::of(row);
                let of = (columns.feed()?, columns.fetch()?);
                let (index, xid) = (columns.ordinal()?, columns.optional_word::<u64>()?);
                let retold = columns.take::<Option<&[u8]>>()?.unwrap_or_default().as_chunks::<4>().0;
                let retold = retold.iter().copied().map(u32::from_be_bytes).collect();
                let told = ledger::Told::read(columns)?;
                let part = told.into_row(retold, || (made_by(&made, of, xid), rejected_by(&rejected, of, Some(index))));
                parts.entry(of).or_default().push((index, part));
            }
        }
        let select = format!(
            "SELECT feed, ended, {OBSERVATION}, {COUNTS}, digest IS NOT NULL,
                    digest, revision, outcomes, imported, round, {COUNTS} FROM ledger ORDER BY feed, place"
        );
        let scroll = Scroll::open(self.session, &select, FETCHED_LARGE).await?;
        loop {
            let found = scroll.next().await?;
            if found.is_empty() {
                return Ok(());
            }
            for row in &found {
                let mut columns = Columns::of(row);
                let (feed, ended) = (columns.feed()?, columns.take()?);
                let observation = ledger::read_observation(&mut columns, feed)?;
                let of = (feed, observation.fetch);
                let mut own = parts.remove(&of).unwrap_or_default();
                if columns.take()? {
                    let told = ledger::Told::read(columns)?;
                    let lists = || (made_by(&made, of, None), rejected_by(&rejected, of, None));
                    own.push((0, told.into_row(Vec::new(), lists)));
                }
                self.put(Row::Observation(ObservationRow::new(LedgerRow { observation, ended }, own))).await?;
            }
        }
    }

    async fn made(&self) -> Outcome<Made> {
        let mut made = Made::new();
        let scroll = Scroll::open(self.session, &runs(), FETCHED_LARGE).await?;
        loop {
            let found = scroll.next().await?;
            if found.is_empty() {
                return Ok(made);
            }
            for row in &found {
                let (xid, events) = changes::read_whole_run(row)?;
                for event in events {
                    let version = event.subject.and_then(|subject| Some((subject.key.hash(), subject.version?)));
                    if let (ChangeKind::New | ChangeKind::Changed, Some((key_hash, version)), Some(feed), Some(fetch)) =
                        (event.kind, version, event.feed, event.fetch)
                    {
                        made.entry((feed, fetch)).or_default().push((xid, key_hash, version));
                    }
                }
            }
        }
    }

    async fn rejected(&self) -> Outcome<Rejected> {
        let mut rejected = Rejected::new();
        let select = "SELECT feed, part, fetch_id, recorded_at, ordinal, namespace, key, code, reason, excerpt
            FROM rejects WHERE key IS NOT NULL ORDER BY feed, place";
        let scroll = Scroll::open(self.session, select, FETCHED).await?;
        loop {
            let found = scroll.next().await?;
            if found.is_empty() {
                return Ok(rejected);
            }
            for row in &found {
                let mut columns = Columns::of(row);
                let (feed, part) = (columns.feed()?, columns.take::<Option<i64>>()?.unwrap_or(0));
                let part = u32::try_from(part).map_err(|_| corrupt("a part's number"))?;
                let quarantined = history::read_reject(&mut columns)?;
                let Some(key) = &quarantined.reject.key else { continue };
                let collided = quarantined.reject.code == KEY_COLLISION;
                let of = rejected.entry((feed, quarantined.fetch)).or_default();
                of.push((part, quarantined.reject.ordinal, key.hash(), collided));
            }
        }
    }

    /// Open spans lie packed by feed, and are put into the order of records in memory: some 150 bytes each.
    async fn standings(&mut self) -> Outcome<()> {
        let mut open = Vec::new();
        let feeds = self.session.query("SELECT DISTINCT feed FROM manifests", &[]).await?;
        for row in &feeds {
            let feed = Columns::of(row).feed()?;
            let held = manifest::load(self.session, rows::feed_uuid(feed)).await?;
            let held = held.to_map().ok_or_else(|| corrupt("a manifest's entries"))?;
            open.extend(held.into_values().map(|present| {
                let record = present.record;
                StandingRow { record, feed, standing: Standing::Open(present) }
            }));
        }
        open.sort_unstable_by_key(|row| (row.record, row.feed));
        let mut open = open.into_iter().peekable();
        let select = "SELECT record, feed, shown_version, ended FROM absent ORDER BY record, feed";
        let scroll = Scroll::open(self.session, select, FETCHED).await?;
        loop {
            let found = scroll.next().await?;
            if found.is_empty() {
                break;
            }
            for row in &found {
                let mut columns = Columns::of(row);
                let (record, feed, shown) = (columns.record()?, columns.feed()?, columns.optional_version()?);
                let left = columns.take::<Option<&str>>()?;
                let left = left.map(|word| SpanEnd::from_word(word).ok_or_else(|| corrupt("a span's end")));
                let standing = Standing::Left(Absent { shown, left: left.transpose()? });
                while let Some(before) = open.next_if(|open| (open.record, open.feed) < (record, feed)) {
                    self.put(Row::Standing(before)).await?;
                }
                self.put(Row::Standing(StandingRow { record, feed, standing })).await?;
            }
        }
        for row in open {
            self.put(Row::Standing(row)).await?;
        }
        Ok(())
    }
}

fn runs() -> String {
    format!("SELECT {} FROM changes ORDER BY changes.epoch, changes.xid, changes.first", changes::RUN_COLUMNS)
}

/// The versions that an observation made, or that one of its transactions did.
fn made_by(made: &Made, of: (FeedId, FetchId), xid: Option<u64>) -> Vec<(KeyHash, VersionNo)> {
    let all = made.get(&of).into_iter().flatten();
    all.filter(|(by, ..)| xid.is_none_or(|xid| xid == *by)).map(|(_, key, version)| (*key, *version)).collect()
}

/// The collided ordinals and the quarantined keys of an observation, or of one of its parts.
fn rejected_by(rejected: &Rejected, of: (FeedId, FetchId), part: Option<u32>) -> (Vec<u32>, Vec<KeyHash>) {
    let all = || rejected.get(&of).into_iter().flatten().filter(|(by, ..)| part.is_none_or(|part| part == *by));
    let collided = all().filter(|(.., collided)| *collided).map(|(_, ordinal, ..)| *ordinal).collect();
    (collided, all().map(|(_, _, key, _)| *key).collect())
}
