//! The ledger: one row for each observation, and one for each part of a fetch that came in several.

use feedspine_core::ingest::{BatchDigest, Begun, Committed, IngestBatch, IngestReport, Observation, Part};
use feedspine_core::{Coverage, FeedId, FetchId, Round};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bind::{Param, bind, bound};
use crate::error::Outcome;
use crate::outcomes;
use crate::rows::{self, COUNTS, Columns, corrupt};
use crate::session::Session;

const SNAPSHOT: i16 = 0;
const UNCHANGED: i16 = 1;
const INCOMPLETE: i16 = 2;
const DELTA: i16 = 3;

fn coverage_number(coverage: Coverage) -> i16 {
    match coverage {
        Coverage::Snapshot { complete: true } => SNAPSHOT,
        Coverage::Unchanged { .. } => UNCHANGED,
        Coverage::Snapshot { complete: false } => INCOMPLETE,
        Coverage::Delta => DELTA,
    }
}

/// Reads a coverage: its number, then the fetch that an Unchanged one names.
fn read_coverage(columns: &mut Columns<'_>) -> Outcome<Coverage> {
    let (number, of): (i16, Option<Uuid>) = (columns.take()?, columns.take()?);
    match (number, of) {
        (SNAPSHOT, _) => Ok(Coverage::Snapshot { complete: true }),
        (UNCHANGED, Some(of)) => Ok(Coverage::Unchanged { of: FetchId::new(of) }),
        (INCOMPLETE, _) => Ok(Coverage::Snapshot { complete: false }),
        (DELTA, _) => Ok(Coverage::Delta),
        _ => Err(corrupt("a coverage")),
    }
}

/// A part that was committed, and the outcomes it had.
pub(crate) type Told = (Committed, Vec<u8>);

/// What the ledger holds of one fetch.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) begun: Begun,
    /// The only part, of a fetch that came in one.
    pub(crate) alone: Option<Told>,
}

impl Entry {
    pub(crate) async fn load(session: &Session, feed: FeedId, fetch: FetchId) -> Outcome<Option<Self>> {
        let statement = format!(
            "SELECT observed_at, ended, coverage, of, digest, revision, outcomes, round, {COUNTS}
             FROM ledger WHERE feed = $1 AND fetch_id = $2"
        );
        let found = session.query_opt(&statement, &bind![rows::feed_uuid(feed), rows::fetch_uuid(fetch)]).await?;
        found.as_ref().map(Self::read).transpose()
    }

    fn read(row: &Row) -> Outcome<Self> {
        let mut columns = Columns::of(row);
        let (observed_at, ended) = (columns.instant()?, columns.take()?);
        let begun = Begun { observed_at, ended, coverage: read_coverage(&mut columns)? };
        let came_alone = row.try_get::<_, Option<&[u8]>>("digest")?.is_some();
        let alone = if came_alone { Some(read_told(columns)?) } else { None };
        Ok(Self { begun, alone })
    }
}

/// The part of that number, of a fetch that came in several.
pub(crate) async fn load_part(session: &Session, feed: FeedId, fetch: FetchId, part: u32) -> Outcome<Option<Told>> {
    let statement = format!(
        "SELECT digest, revision, outcomes, round, {COUNTS} FROM parts WHERE feed = $1 AND fetch_id = $2 AND part = $3"
    );
    let values = &bind![rows::feed_uuid(feed), rows::fetch_uuid(fetch), i64::from(part)];
    session.query_opt(&statement, values).await?.map(|row| read_told(Columns::of(&row))).transpose()
}

fn read_told(mut columns: Columns<'_>) -> Outcome<Told> {
    let digest = BatchDigest(columns.digest()?);
    let revision = columns.unsigned()?;
    let outcomes = columns.take::<&[u8]>()?.to_vec();
    let round = columns.optional_round()?;
    let counts = columns.counts()?;
    // The outcomes say which items were told before.
    Ok((Committed { digest, round, revision, counts, retold: Vec::new() }, outcomes))
}

/// The first report again.
pub(crate) fn replay(committed: &Committed, told: &[u8], items: usize) -> Outcome<IngestReport> {
    Ok(IngestReport {
        round: committed.round,
        revision: committed.revision,
        counts: committed.counts,
        outcomes: outcomes::decode(told, items).ok_or_else(|| corrupt("the outcomes of a part"))?,
        replayed: true,
    })
}

/// The round of a Snapshot or Unchanged observation of the feed.
pub(crate) async fn round_of(session: &Session, feed: FeedId, fetch: FetchId) -> Outcome<Option<Round>> {
    let statement =
        "SELECT round FROM ledger WHERE feed = $1 AND fetch_id = $2 AND round IS NOT NULL AND coverage <> $3";
    let found = session.query_opt(statement, &bind![rows::feed_uuid(feed), rows::fetch_uuid(fetch), DELTA]).await?;
    found.map(|row| Columns::of(&row).round()).transpose()
}

/// What a part says to the ledger.
#[derive(Debug)]
pub(crate) struct LedgerRow<'a> {
    pub(crate) batch: &'a IngestBatch,
    pub(crate) digest: BatchDigest,
    pub(crate) report: &'a IngestReport,
    /// Its round was observed before the one before it.
    pub(crate) setback: bool,
}

impl LedgerRow<'_> {
    /// Writes the row of a fetch whose first part this is, at that place.
    pub(crate) async fn insert(&self, session: &Session, place: i64) -> Outcome<()> {
        let batch = self.batch;
        let alone = batch.part == Part::ONLY;
        let outcomes = outcomes::encode(&self.report.outcomes);
        let of = match batch.coverage {
            Coverage::Unchanged { of } => Some(rows::fetch_uuid(of)),
            _ => None,
        };
        let statement = format!(
            "INSERT INTO ledger (feed, place, fetch_id, coverage, of, observed_at, recorded_at, round, setback, ended,
                                 digest, revision, outcomes, {COUNTS})
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13,
                     $14, $15, $16, $17, $18, $19, $20, $21, $22, $23)"
        );
        let own = bind![
            rows::feed_uuid(batch.feed),
            place,
            rows::fetch_uuid(batch.fetch),
            coverage_number(batch.coverage),
            of,
            batch.observed_at.as_micros(),
            batch.recorded_at.as_micros(),
            self.round(),
            self.setback,
            batch.part.last,
            alone.then_some(self.digest.0.as_slice()),
            alone.then_some(self.report.revision.cast_signed()),
            alone.then_some(outcomes.as_slice()),
        ];
        self.execute(session, &statement, own).await
    }

    /// Adds a further part to its fetch's row.
    pub(crate) async fn add(&self, session: &Session) -> Outcome<()> {
        let batch = self.batch;
        let statement = "UPDATE ledger SET coverage = $3, recorded_at = $4, round = $5, setback = $6, ended = $7,
            seen = coalesce(seen, 0) + coalesce($8, 0), new = coalesce(new, 0) + coalesce($9, 0),
            changed = coalesce(changed, 0) + coalesce($10, 0), unchanged = coalesce(unchanged, 0) + coalesce($11, 0),
            rejected = coalesce(rejected, 0) + coalesce($12, 0), repeated = coalesce(repeated, 0) + coalesce($13, 0),
            withdrawn = coalesce(withdrawn, 0) + coalesce($14, 0),
            scrolled_off = coalesce(scrolled_off, 0) + coalesce($15, 0),
            returned = coalesce(returned, 0) + coalesce($16, 0), gaps = coalesce(gaps, 0) + coalesce($17, 0)
            WHERE feed = $1 AND fetch_id = $2";
        let own = bind![
            rows::feed_uuid(batch.feed),
            rows::fetch_uuid(batch.fetch),
            coverage_number(batch.coverage),
            batch.recorded_at.as_micros(),
            self.round(),
            self.setback,
            batch.part.last,
        ];
        self.execute(session, statement, own).await
    }

    /// Writes what the replay of one part of several needs.
    pub(crate) async fn insert_part(&self, session: &Session) -> Outcome<()> {
        let batch = self.batch;
        let outcomes = outcomes::encode(&self.report.outcomes);
        let statement = format!(
            "INSERT INTO parts (feed, fetch_id, part, digest, round, revision, outcomes, {COUNTS})
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17)"
        );
        let own = bind![
            rows::feed_uuid(batch.feed),
            rows::fetch_uuid(batch.fetch),
            i64::from(batch.part.index),
            self.digest.0.as_slice(),
            self.round(),
            self.report.revision.cast_signed(),
            outcomes.as_slice(),
        ];
        self.execute(session, &statement, own).await
    }

    /// Binds its own values, then the ten counts.
    async fn execute(
        &self,
        session: &Session,
        statement: &str,
        own: impl IntoIterator<Item = Param<'_>>,
    ) -> Outcome<()> {
        let counts = rows::count_values(&self.report.counts);
        let values: Vec<Param<'_>> = own.into_iter().chain(counts.map(bound)).collect();
        session.execute(statement, &values).await
    }

    fn round(&self) -> Option<i64> {
        self.report.round.map(rows::round_number)
    }
}

/// The columns of an observation, in the order that [`read_observation`] takes them.
pub(crate) const OBSERVATION: &str = "fetch_id, round, coverage, of, observed_at, recorded_at";

pub(crate) fn read_observation(columns: &mut Columns<'_>, feed: FeedId) -> Outcome<Observation> {
    Ok(Observation {
        feed,
        fetch: columns.fetch()?,
        round: columns.optional_round()?,
        coverage: read_coverage(columns)?,
        observed_at: columns.instant()?,
        recorded_at: columns.instant()?,
        counts: columns.counts()?,
    })
}
