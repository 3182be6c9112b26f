//! The ledger: one row for each observation, and one for each part of a fetch that came in several.

use feedspine_core::ingest::{BatchDigest, Begun, Committed, IngestBatch, IngestReport, Part, Prepared};
use feedspine_core::{Counts, Coverage, FetchId};
use rusqlite::types::{ToSql, ValueRef};
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::Outcome;
use crate::rows::{self, corrupt};

/// What the ledger holds of one fetch.
#[derive(Debug)]
pub(crate) struct Entry {
    pub(crate) place: i64,
    pub(crate) begun: Begun,
    /// The part that is asked about, when it was committed, and the first change it logged.
    pub(crate) committed: Option<(Committed, Option<i64>)>,
}

impl Entry {
    /// What is held of the batch's fetch, and of its part.
    pub(crate) fn load(conn: &Connection, feed: i64, prepared: &Prepared) -> Outcome<Option<Self>> {
        let batch = prepared.batch();
        let mut load = conn.prepare_cached(&format!(
            "SELECT l.digest, l.round, l.revision, l.first_change, x'', {},
                    l.place, l.observed_at, l.ended, l.coverage, {OF}
             FROM fetches f JOIN ledger l ON l.fetch = f.no AND l.feed = ?2 WHERE f.id = ?1",
            rows::COUNTS
        ))?;
        let mut found = load.query((batch.fetch.as_bytes(), feed))?;
        let Some(row) = found.next()? else { return Ok(None) };
        let place = row.get(16)?;
        let came_alone = !matches!(row.get_ref(0)?, ValueRef::Null);
        let committed = match batch.part.index {
            0 if came_alone => Some(read_committed(row)?),
            _ if came_alone => None,
            part => load_part(conn, feed, place, part)?,
        };
        let begun =
            Begun { observed_at: rows::instant(row.get(17)?)?, coverage: read_coverage(row, 19)?, ended: row.get(18)? };
        Ok(Some(Self { place, begun, committed }))
    }
}

/// What a part says to the ledger.
#[derive(Debug)]
pub(crate) struct LedgerRow<'a> {
    pub(crate) feed: i64,
    pub(crate) batch: &'a IngestBatch,
    pub(crate) digest: BatchDigest,
    pub(crate) report: &'a IngestReport,
    pub(crate) retold: &'a [u32],
    pub(crate) first_change: Option<i64>,
    /// Its round does not come after the one before it in the order of sightings.
    pub(crate) setback: bool,
}

impl LedgerRow<'_> {
    /// Writes the row of a fetch whose first part this is.
    pub(crate) fn insert(&self, conn: &Connection, place: i64, fetch: i64, of_place: Option<i64>) -> Outcome<()> {
        let alone = self.batch.part == Part::ONLY;
        let own: [&dyn ToSql; 13] = [
            &self.feed,
            &place,
            &fetch,
            &coverage_number(self.batch.coverage),
            &of_place,
            &self.batch.observed_at.as_micros(),
            &self.recorded_after(),
            &self.round(),
            &self.setback,
            &self.batch.part.last,
            &alone.then_some(self.digest.0),
            &alone.then_some(self.report.revision.cast_signed()),
            &self.first_change.filter(|_| alone),
        ];
        let sql = "INSERT INTO ledger
            (feed, place, fetch, coverage, of, observed_at, recorded_after, round, setback, ended,
             digest, revision, first_change,
             seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.execute(conn, sql, &own)
    }

    /// Adds a further part to its fetch's row.
    pub(crate) fn add_to(&self, conn: &Connection, place: i64) -> Outcome<()> {
        let own: [&dyn ToSql; 7] = [
            &self.feed,
            &place,
            &coverage_number(self.batch.coverage),
            &self.recorded_after(),
            &self.round(),
            &self.setback,
            &self.batch.part.last,
        ];
        let sql = "UPDATE ledger SET coverage = ?3, recorded_after = ?4, round = ?5, setback = ?6, ended = ?7,
            seen = seen + ?8, new = new + ?9, changed = changed + ?10, unchanged = unchanged + ?11,
            rejected = rejected + ?12, repeated = repeated + ?13, withdrawn = withdrawn + ?14,
            scrolled_off = scrolled_off + ?15, returned = returned + ?16, gaps = gaps + ?17,
            held_back = held_back + ?18
            WHERE feed = ?1 AND place = ?2";
        self.execute(conn, sql, &own)
    }

    /// Writes what the replay of one part of several needs.
    pub(crate) fn insert_part(&self, conn: &Connection, place: i64) -> Outcome<()> {
        let retold: Vec<u8> = self.retold.iter().flat_map(|ordinal| ordinal.to_be_bytes()).collect();
        let own: [&dyn ToSql; 8] = [
            &self.feed,
            &place,
            &self.batch.part.index,
            &self.digest.0,
            &self.round(),
            &self.report.revision.cast_signed(),
            &self.first_change,
            &retold,
        ];
        let sql = "INSERT INTO parts
            (feed, place, part, digest, round, revision, first_change, retold,
             seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back)
            VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)";
        self.execute(conn, sql, &own)
    }

    /// Binds its own values, then the counts.
    fn execute(&self, conn: &Connection, sql: &str, own: &[&dyn ToSql]) -> Outcome<()> {
        execute(conn, sql, own, &self.report.counts)
    }

    fn round(&self) -> Option<i64> {
        self.report.round.map(rows::round_number)
    }

    fn recorded_after(&self) -> i64 {
        self.batch.recorded_at.micros_since(self.batch.observed_at)
    }
}

/// Binds values, then the counts.
pub(crate) fn execute(conn: &Connection, sql: &str, own: &[&dyn ToSql], counts: &Counts) -> Outcome<()> {
    let counts = rows::count_values(counts);
    let values: Vec<&dyn ToSql> = own.iter().copied().chain(counts.iter().map(|count| count as &dyn ToSql)).collect();
    conn.prepare_cached(sql)?.execute(values.as_slice())?;
    Ok(())
}

/// Reads digest, round, revision, first change, retold and counts.
fn read_committed(row: &Row<'_>) -> Outcome<(Committed, Option<i64>)> {
    let retold = row.get_ref(4)?.as_blob().map_err(rusqlite::Error::from)?;
    let (retold, _) = retold.as_chunks::<4>();
    let committed = Committed {
        digest: BatchDigest(row.get(0)?),
        round: row.get::<_, Option<i64>>(1)?.map(rows::round).transpose()?,
        revision: row.get::<_, i64>(2)?.cast_unsigned(),
        counts: rows::counts(row, 5)?,
        retold: retold.iter().copied().map(u32::from_be_bytes).collect(),
    };
    Ok((committed, row.get(3)?))
}

const PARTS: &str = "SELECT digest, round, revision, first_change, retold";

fn load_part(conn: &Connection, feed: i64, place: i64, part: u32) -> Outcome<Option<(Committed, Option<i64>)>> {
    let mut load = conn
        .prepare_cached(&format!("{PARTS}, {} FROM parts WHERE feed = ? AND place = ? AND part = ?", rows::COUNTS))?;
    let mut found = load.query((feed, place, part))?;
    found.next()?.map(read_committed).transpose()
}

/// The committed parts of the fetch at that place: index, what was committed, the first change that it logged.
pub(crate) fn load_parts(conn: &Connection, feed: i64, place: i64) -> Outcome<Vec<(u32, Committed, Option<i64>)>> {
    let mut load = conn.prepare_cached(&format!(
        "{PARTS}, {counts}, part FROM parts WHERE feed = ?1 AND place = ?2
         UNION ALL
         SELECT digest, round, revision, first_change, x'', {counts}, 0 FROM ledger
         WHERE feed = ?1 AND place = ?2 AND digest IS NOT NULL",
        counts = rows::COUNTS
    ))?;
    let mut found = load.query((feed, place))?;
    let mut parts = Vec::new();
    while let Some(row) = found.next()? {
        let (committed, first_change) = read_committed(row)?;
        parts.push((row.get(16)?, committed, first_change));
    }
    Ok(parts)
}

/// The fetch that an Unchanged row `l` of the ledger names.
pub(crate) const OF: &str = "(SELECT named.id FROM ledger told JOIN fetches named ON named.no = told.fetch
     WHERE told.feed = l.feed AND told.place = l.of)";

/// Reads a coverage: its number, then [`OF`].
pub(crate) fn read_coverage(row: &Row<'_>, at: usize) -> Outcome<Coverage> {
    match row.get(at)? {
        SNAPSHOT => Ok(Coverage::Snapshot { complete: true }),
        UNCHANGED => Ok(Coverage::Unchanged { of: FetchId::from_bytes(row.get(at + 1)?) }),
        INCOMPLETE => Ok(Coverage::Snapshot { complete: false }),
        DELTA => Ok(Coverage::Delta),
        _ => Err(corrupt("a coverage")),
    }
}

const SNAPSHOT: i64 = 0;
const UNCHANGED: i64 = 1;
const INCOMPLETE: i64 = 2;
const DELTA: i64 = 3;

/// The number under which a coverage is stored.
pub(crate) fn coverage_number(coverage: Coverage) -> i64 {
    match coverage {
        Coverage::Snapshot { complete: true } => SNAPSHOT,
        Coverage::Unchanged { .. } => UNCHANGED,
        Coverage::Snapshot { complete: false } => INCOMPLETE,
        Coverage::Delta => DELTA,
    }
}

/// What the feed's observation of that fetch counted.
pub(crate) fn counts_of(conn: &Connection, feed: i64, fetch: FetchId) -> Outcome<Option<Counts>> {
    let mut load = conn.prepare_cached(&format!(
        "SELECT {} FROM fetches f JOIN ledger l ON l.fetch = f.no AND l.feed = ?2 WHERE f.id = ?1",
        rows::COUNTS
    ))?;
    let mut found = load.query((fetch.as_bytes(), feed))?;
    found.next()?.map(|row| rows::counts(row, 0)).transpose()
}

/// The place and round of a Snapshot or Unchanged observation of the feed.
pub(crate) fn find_observation(conn: &Connection, feed: i64, fetch: FetchId) -> Outcome<Option<(i64, i64)>> {
    let mut find = conn.prepare_cached(
        "SELECT l.place, l.round FROM fetches f JOIN ledger l ON l.fetch = f.no AND l.feed = ?2
         WHERE f.id = ?1 AND l.round IS NOT NULL AND l.coverage <> ?3",
    )?;
    Ok(find.query_row((fetch.as_bytes(), feed, DELTA), |row| Ok((row.get(0)?, row.get(1)?))).optional()?)
}
