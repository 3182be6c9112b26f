//! Rows of an export, written as what this store keeps of them.
//!
//! The table `_importing` is there as long as an import is not finished; beside it, `_imported` holds the records, whose
//! names go into each of their versions.

use std::collections::{HashMap, HashSet};

use duckdb::{Connection, params};
use feedspine_core::ingest::{LedgerRow, PartRow, Point, Standing, StoredVersion};
use feedspine_core::transfer::{
    ObservationRow, PointRow, Progress, RecordRow, Row, SpanRow, StandingRow, ToldRow, import_unfinished, no_import,
    not_empty, unfounded,
};
use feedspine_core::{Event, FeedId, FetchId, KeyHash, Quarantined, RecordId, Timestamp};

use crate::apply::{self, Span};
use crate::error::Outcome;
use crate::ledger;
use crate::rows::{self, Among, HeldVersion, instant, no_values};
use crate::schema;

const BEGIN: &str = "
CREATE TABLE _importing (rows UBIGINT NOT NULL, digest BLOB NOT NULL);
CREATE TABLE _imported (record UUID NOT NULL, namespace VARCHAR NOT NULL, key VARCHAR NOT NULL,
                        key_rule VARCHAR NOT NULL, first_seen TIMESTAMP NOT NULL);";

const FINISH: &str = "DROP TABLE _imported; DROP TABLE _importing;";

/// The tables above, as a check of the schema calls them.
pub(crate) const OF_IMPORTS: [&str; 2] = ["table _importing", "table _imported"];

/// Whether an import was begun and not finished.
pub(crate) fn is_unfinished(conn: &Connection) -> Outcome<bool> {
    rows::any(conn, "SELECT 1 FROM duckdb_tables() WHERE table_name = '_importing'", no_values())
}

/// Fails while an import is not finished.
pub(crate) fn refuse_unfinished(conn: &Connection) -> Outcome<()> {
    if is_unfinished(conn)? { Err(import_unfinished().into()) } else { Ok(()) }
}

/// Begins an import, or says how far one came.
pub(crate) fn begin(conn: &Connection) -> Outcome<Option<Progress>> {
    if let Some(progress) = read_progress(conn)? {
        return Ok(Some(progress));
    }
    for table in ["_ledger", "_versions", "_told", "_changes"] {
        if rows::any(conn, &format!("SELECT 1 FROM {table} LIMIT 1"), no_values())? {
            return Err(not_empty().into());
        }
    }
    conn.execute_batch(BEGIN)?;
    conn.execute_batch(schema::NEW_EPOCH)?;
    note(conn, Progress::default())?;
    Ok(None)
}

/// Ends an import.
pub(crate) fn finish(conn: &Connection) -> Outcome<()> {
    if !is_unfinished(conn)? {
        return Err(no_import().into());
    }
    apply::mark_all_current(conn)?;
    Ok(conn.execute_batch(FINISH)?)
}

/// How far an import came that was not finished.
fn read_progress(conn: &Connection) -> Outcome<Option<Progress>> {
    if !is_unfinished(conn)? {
        return Ok(None);
    }
    rows::first(conn, "SELECT rows, digest FROM _importing", no_values(), |columns| {
        Ok(Progress { rows: columns.take()?, digest: *columns.key_hash()?.as_bytes() })
    })
}

fn note(conn: &Connection, progress: Progress) -> Outcome<()> {
    rows::execute(conn, "DELETE FROM _importing", no_values())?;
    rows::append(conn, "importing", [progress], |to, progress| {
        to.append_row(params![progress.rows, progress.digest.as_slice()])
    })
}

/// Writes rows, and how far the import is with them.
pub(crate) fn import(conn: &Connection, rows: Vec<Row>, progress: Progress) -> Outcome<()> {
    read_progress(conn)?.ok_or_else(no_import)?.check_next(rows.len(), &progress)?;
    let mut sorted = Sorted::default();
    for row in rows {
        sorted.take(row);
    }
    sorted.write(conn)?;
    note(conn, progress)
}

/// Rows of one batch, by their kinds.
#[derive(Debug, Default)]
struct Sorted {
    feeds: Vec<feedspine_core::transfer::FeedRow>,
    observations: Vec<ObservationRow>,
    rejects: Vec<(FeedId, Quarantined)>,
    records: Vec<RecordRow>,
    versions: Vec<StoredVersion>,
    spans: Vec<SpanRow>,
    points: Vec<PointRow>,
    standings: Vec<StandingRow>,
    told: Vec<ToldRow>,
    events: Vec<Event>,
}

impl Sorted {
    fn take(&mut self, row: Row) {
        match row {
            Row::Feed(row) => self.feeds.push(row),
            Row::Observation(row) => self.observations.push(row),
            Row::Reject(row) => self.rejects.push((row.feed, row.quarantined)),
            Row::Record(row) => self.records.push(row),
            Row::Version(stored) => self.versions.push(stored),
            Row::Span(row) => self.spans.push(row),
            Row::Point(row) => self.points.push(row),
            Row::Standing(row) => self.standings.push(row),
            Row::Told(row) => self.told.push(row),
            Row::Event(event) => self.events.push(event),
        }
    }

    fn write(self, conn: &Connection) -> Outcome<()> {
        for row in &self.feeds {
            ledger::put_feed(conn, row.feed, &row.state)?;
        }
        append_records(conn, &self.records)?;
        self.check_feeds(conn)?;
        let records = self.records_named(conn)?;
        append_observations(conn, self.observations)?;
        for chunk in self.rejects.chunk_by(|(a, _), (b, _)| a == b) {
            let entries: Vec<Quarantined> = chunk.iter().map(|(_, entry)| entry.clone()).collect();
            ledger::quarantine(conn, chunk[0].0, &entries)?;
        }
        let versions = self.versions.into_iter().map(|stored| {
            let RecordRow { key, key_rule, first_seen, .. } = find(&records, "version", stored.version.record)?.clone();
            Ok(HeldVersion { key, key_rule, first_seen, stored })
        });
        apply::append_versions(conn, &versions.collect::<Outcome<Vec<HeldVersion>>>()?, |_| false)?;
        let spans = self.spans.into_iter().map(|row| {
            let SpanRow { record, feed, since, until, version } = row;
            Ok(Span { key_hash: key_hash(&records, "span", record)?, feed, record, since, until, version })
        });
        apply::append_spans(conn, spans.collect::<Outcome<Vec<Span>>>()?)?;
        append_points(conn, &records, &self.points)?;
        let standings = self
            .standings
            .iter()
            .map(|row| Ok((key_hash(&records, "standing", row.record)?, row.feed, row.record, &row.standing)));
        let standings = standings.collect::<Outcome<Vec<(KeyHash, FeedId, RecordId, &Standing)>>>()?;
        apply::append_standings(conn, standings)?;
        append_told(conn, &self.told)?;
        apply::append_changes(conn, &self.events)
    }

    /// Refuses rows of feeds that were never imported.
    fn check_feeds(&self, conn: &Connection) -> Outcome<()> {
        let observed = self.observations.iter().map(|row| ("observation", row.ledger.observation.feed));
        let rejected = self.rejects.iter().map(|(feed, _)| ("reject", *feed));
        let spans = self.spans.iter().map(|row| ("span", row.feed));
        let points = self.points.iter().map(|row| ("point", row.feed));
        let standings = self.standings.iter().map(|row| ("standing", row.feed));
        let named: Vec<(&str, FeedId)> = observed.chain(rejected).chain(spans).chain(points).chain(standings).collect();
        if named.is_empty() {
            return Ok(());
        }
        let ids: HashSet<FeedId> = named.iter().map(|(_, feed)| *feed).collect();
        let ids = Among::ids(&ids);
        let sql = format!("SELECT feed FROM _feeds WHERE feed {ids}");
        let known = rows::all(conn, &sql, &[&ids], rows::word::<FeedId>)?;
        let known: HashSet<FeedId> = known.into_iter().collect();
        match named.iter().find(|(_, feed)| !known.contains(feed)) {
            Some((row, feed)) => Err(unfounded(row, format!("feed {feed}")).into()),
            None => Ok(()),
        }
    }

    /// The records that rows name.
    fn records_named(&self, conn: &Connection) -> Outcome<HashMap<RecordId, RecordRow>> {
        let versions = self.versions.iter().map(|stored| stored.version.record);
        let spans = self.spans.iter().map(|row| row.record);
        let points = self.points.iter().map(|row| row.record);
        let named: HashSet<RecordId> =
            versions.chain(spans).chain(points).chain(self.standings.iter().map(|row| row.record)).collect();
        if named.is_empty() {
            return Ok(HashMap::new());
        }
        let named = Among::ids(&named);
        let sql = format!("SELECT record, namespace, key, key_rule, first_seen FROM _imported WHERE record {named}");
        let found = rows::all(conn, &sql, &[&named], |columns| {
            let (id, key) = (columns.word()?, columns.key()?);
            Ok((id, RecordRow { id, key, key_rule: columns.word()?, first_seen: columns.instant()? }))
        })?;
        Ok(found.into_iter().collect())
    }
}

fn find<'a>(records: &'a HashMap<RecordId, RecordRow>, row: &str, id: RecordId) -> Outcome<&'a RecordRow> {
    records.get(&id).ok_or_else(|| unfounded(row, format!("record {id}")).into())
}

fn key_hash(records: &HashMap<RecordId, RecordRow>, row: &str, id: RecordId) -> Outcome<KeyHash> {
    find(records, row, id).map(|record| record.key.hash())
}

fn append_records(conn: &Connection, records: &[RecordRow]) -> Outcome<()> {
    rows::append(conn, "imported", records, |to, record| {
        to.append_row(params![
            record.id.to_string(),
            record.key.namespace().as_str(),
            record.key.key(),
            record.key_rule.as_str(),
            instant(record.first_seen)
        ])
    })
}

fn append_observations(conn: &Connection, observations: Vec<ObservationRow>) -> Outcome<()> {
    let mut next: HashMap<FeedId, u64> = HashMap::new();
    let mut numbered: Vec<(u64, LedgerRow)> = Vec::with_capacity(observations.len());
    let mut parts: Vec<(FeedId, FetchId, u32, PartRow)> = Vec::with_capacity(observations.len());
    for ObservationRow { ledger: row, parts: of_fetch } in observations {
        let (feed, fetch) = (row.observation.feed, row.observation.fetch);
        let number = match next.get(&feed) {
            Some(number) => *number,
            None => ledger::next_number(conn, "ledger", feed)?,
        };
        next.insert(feed, number + 1);
        numbered.push((number, row));
        parts.extend(of_fetch.into_iter().map(|(index, part)| (feed, fetch, index, part)));
    }
    ledger::append(conn, numbered.iter().map(|(number, row)| (*number, row)))?;
    ledger::append_parts(conn, parts.iter().map(|(feed, fetch, index, part)| (*feed, *fetch, *index, part)))
}

fn append_points(conn: &Connection, records: &HashMap<RecordId, RecordRow>, points: &[PointRow]) -> Outcome<()> {
    if points.is_empty() {
        return Ok(());
    }
    let fetches: HashSet<FetchId> = points.iter().map(|point| point.fetch).collect();
    let fetches = Among::ids(&fetches);
    let sql = format!("SELECT feed, fetch_id, observed_at FROM _ledger WHERE fetch_id {fetches}");
    let observed =
        rows::all(conn, &sql, &[&fetches], |columns| Ok(((columns.word()?, columns.word()?), columns.instant()?)))?;
    let observed: HashMap<(FeedId, FetchId), Timestamp> = observed.into_iter().collect();
    let mut placed = Vec::with_capacity(points.len());
    for row in points {
        let PointRow { record, feed, fetch, shown, age, ordinal } = *row;
        let observed_at = observed.get(&(feed, fetch)).ok_or_else(|| unfounded("point", format!("fetch {fetch}")))?;
        let key_hash = key_hash(records, "point", record)?;
        placed.push((feed, fetch, *observed_at, Point { record, key_hash, shown, age, ordinal, present: false }));
    }
    apply::append_points(conn, placed.iter().map(|(feed, fetch, at, point)| (*feed, *fetch, *at, point)))
}

fn append_told(conn: &Connection, told: &[ToldRow]) -> Outcome<()> {
    rows::append(conn, "told", told, |to, told| {
        to.append_row(params![
            told.key_hash.as_bytes().as_slice(),
            // Rows tell the hash of the key alone: the view names it once there is a record.
            None::<String>,
            None::<String>,
            told.feed.to_string(),
            told.fetch.to_string(),
            instant(told.observed_at),
            told.first
        ])
    })
}
