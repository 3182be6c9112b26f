//! The ledger: one row for each observation, and one for each part of a fetch that came in several.

use std::borrow::Cow;
use std::sync::LazyLock;

use feedspine_core::ingest::{
    BatchDigest, Begun, Committed, IngestBatch, IngestReport, Observation, Part, PartRow, Prepared,
};
use feedspine_core::{Counts, Coverage, FeedId, FetchId, KeyHash, VersionNo};
use uuid::Uuid;

use crate::bind::{Param, bind, bound};
use crate::error::Outcome;
use crate::outcomes;
use crate::rows::{self, COUNTS, Columns, corrupt};
use crate::writes::Writes;

const SNAPSHOT: i16 = 0;
const UNCHANGED: i16 = 1;
const INCOMPLETE: i16 = 2;
const DELTA: i16 = 3;

pub(crate) fn coverage_number(coverage: Coverage) -> i16 {
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

/// A part that was committed.
#[derive(Debug)]
pub(crate) struct Told {
    pub(crate) committed: Committed,
    /// The outcomes of its items.
    outcomes: Vec<u8>,
    /// What an import noted in their place.
    imported: Option<PartRow>,
}

/// The versions that a part made, then its collided ordinals and quarantined keys.
type Lists = (Vec<(KeyHash, VersionNo)>, (Vec<u32>, Vec<KeyHash>));

impl Told {
    /// Reads [`PART`].
    pub(crate) fn read(mut columns: Columns<'_>) -> Outcome<Self> {
        let digest = BatchDigest(columns.digest()?);
        let revision = columns.unsigned()?;
        let outcomes = columns.take::<&[u8]>()?.to_vec();
        let imported = columns.take::<Option<&str>>()?.map(serde_json::from_str).transpose();
        let imported = imported.map_err(|_| corrupt("an imported part"))?;
        let round = columns.optional_round()?;
        let counts = columns.counts()?;
        // The outcomes say which items were told before.
        Ok(Self { committed: Committed { digest, round, revision, counts, retold: Vec::new() }, outcomes, imported })
    }

    /// The part as every backend tells it: what was imported, or else what its lists say.
    pub(crate) fn into_row(self, retold: Vec<u32>, lists: impl FnOnce() -> Lists) -> PartRow {
        self.imported.unwrap_or_else(|| {
            let (made, (collided, rejected)) = lists();
            PartRow { committed: Committed { retold, ..self.committed }, made, collided, rejected }
        })
    }
}

/// What the ledger holds of one fetch.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) begun: Begun,
    /// The only part, of a fetch that came in one.
    pub(crate) alone: Option<Told>,
}

/// The columns of an entry, in the order that [`Entry::read`] takes them.
pub(crate) static ENTRY: LazyLock<String> = LazyLock::new(|| format!("observed_at, ended, coverage, of, {}", &*PART));

/// The columns of a part, in the order that [`Told::read`] takes them.
pub(crate) static PART: LazyLock<String> =
    LazyLock::new(|| format!("digest, revision, outcomes, imported, round, {COUNTS}"));

/// An observation that took a round.
pub(crate) const UNLESS_DELTA: &str = "coverage <> 3";

impl Entry {
    pub(crate) fn read(mut columns: Columns<'_>) -> Outcome<Self> {
        let (observed_at, ended) = (columns.instant()?, columns.take()?);
        let begun = Begun { observed_at, ended, coverage: read_coverage(&mut columns)? };
        let came_alone = columns.clone().take::<Option<&[u8]>>()?.is_some();
        let alone = if came_alone { Some(Told::read(columns)?) } else { None };
        Ok(Self { begun, alone })
    }
}

/// The first report again.
pub(crate) fn replay(told: &Told, prepared: &Prepared) -> Outcome<IngestReport> {
    let Told { committed, outcomes: told, imported } = told;
    if let Some(imported) = imported {
        return Ok(prepared.replay_part(imported));
    }
    let items = prepared.batch().items.len();
    Ok(IngestReport {
        round: committed.round,
        revision: committed.revision,
        counts: committed.counts,
        outcomes: outcomes::decode(told, items).ok_or_else(|| corrupt("the outcomes of a part"))?,
        replayed: true,
    })
}

/// What a part says to the ledger.
#[derive(Debug)]
pub(crate) struct LedgerRow<'a> {
    pub(crate) batch: &'a IngestBatch,
    pub(crate) digest: BatchDigest,
    pub(crate) report: &'a IngestReport,
    /// The items of a part that earlier ones had told.
    pub(crate) retold: &'a [u32],
    /// Its round was observed before the one before it.
    pub(crate) setback: bool,
}

impl LedgerRow<'_> {
    /// Writes the row of a fetch whose first part this is, at that place.
    pub(crate) fn insert<'a>(&'a self, writes: &mut Writes<'a>, place: i64) {
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
                     $14, $15, $16, $17, $18, $19, $20, $21, $22, $23, $24)"
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
            alone.then_some(outcomes),
        ];
        self.write(writes, statement, own);
    }

    /// Adds a further part to its fetch's row.
    pub(crate) fn add<'a>(&'a self, writes: &mut Writes<'a>) {
        let batch = self.batch;
        let statement = "UPDATE ledger SET coverage = $3, recorded_at = $4, round = $5, setback = $6, ended = $7,
            seen = coalesce(seen, 0) + coalesce($8, 0), new = coalesce(new, 0) + coalesce($9, 0),
            changed = coalesce(changed, 0) + coalesce($10, 0), unchanged = coalesce(unchanged, 0) + coalesce($11, 0),
            rejected = coalesce(rejected, 0) + coalesce($12, 0), repeated = coalesce(repeated, 0) + coalesce($13, 0),
            withdrawn = coalesce(withdrawn, 0) + coalesce($14, 0),
            scrolled_off = coalesce(scrolled_off, 0) + coalesce($15, 0),
            returned = coalesce(returned, 0) + coalesce($16, 0), gaps = coalesce(gaps, 0) + coalesce($17, 0),
            held_back = coalesce(held_back, 0) + coalesce($18, 0)
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
        self.write(writes, statement, own);
    }

    /// Writes what the replay of one part of several needs.
    pub(crate) fn insert_part<'a>(&'a self, writes: &mut Writes<'a>) {
        let batch = self.batch;
        let outcomes = outcomes::encode(&self.report.outcomes);
        let retold: Vec<u8> = self.retold.iter().flat_map(|ordinal| ordinal.to_be_bytes()).collect();
        let statement = format!(
            "INSERT INTO parts (feed, fetch_id, part, digest, round, revision, outcomes, retold, {COUNTS})
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
        );
        let own = bind![
            rows::feed_uuid(batch.feed),
            rows::fetch_uuid(batch.fetch),
            i64::from(batch.part.index),
            self.digest.0.as_slice(),
            self.round(),
            self.report.revision.cast_signed(),
            outcomes,
            retold,
        ];
        self.write(writes, statement, own);
    }

    /// Binds its own values, then the counts.
    fn write<'a>(
        &self,
        writes: &mut Writes<'a>,
        statement: impl Into<Cow<'static, str>>,
        own: impl IntoIterator<Item = Param<'a>>,
    ) {
        write(writes, statement, own, &self.report.counts);
    }

    fn round(&self) -> Option<i64> {
        self.report.round.map(rows::round_number)
    }
}

/// Binds values, then the counts.
pub(crate) fn write<'a>(
    writes: &mut Writes<'a>,
    statement: impl Into<Cow<'static, str>>,
    own: impl IntoIterator<Item = Param<'a>>,
    counts: &Counts,
) {
    writes.add(statement, own.into_iter().chain(rows::count_values(counts).map(bound)));
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
