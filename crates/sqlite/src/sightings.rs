//! Sightings: spans over ledger rows, points and told sightings, merged by `(observed_at, feed, fetch)`.
//!
//! A span is split into *runs*: stretches of rounds whose ledger rows ascend in that order, which is all of it unless a
//! clock went back. A page finds its place in a run by halving and reads no more rows than it may show.

use feedspine_core::{
    Cursor, FeedId, FetchId, Json, KeyHash, NaturalKey, Page, PageRequest, Seen, Sighting, StorageError, Timestamp,
    VersionNo,
};
use rusqlite::Connection;

use crate::error::Outcome;
use crate::history::limit;
use crate::rows;
use crate::session::find_key;

/// A sighting's place in the order.
type Place = (Timestamp, FeedId, FetchId);

/// Rounds of one feed in which a record showed one version, their ledger rows ascending.
#[derive(Debug, Clone, Copy)]
struct Run {
    feed_no: i64,
    feed: FeedId,
    first: i64,
    last: i64,
    version: VersionNo,
}

impl Run {
    fn place(&self, conn: &Connection, round: i64) -> Outcome<Place> {
        let mut load = conn.prepare_cached(
            "SELECT l.observed_at, f.id FROM ledger l JOIN fetches f ON f.no = l.fetch WHERE l.feed = ? AND l.round = ?",
        )?;
        let (at, fetch) = load.query_row((self.feed_no, round), |row| Ok((row.get(0)?, row.get(1)?)))?;
        Ok((rows::instant(at)?, self.feed, FetchId::from_bytes(fetch)))
    }

    /// The first round after that place; one past the last when there is none.
    fn first_after(&self, conn: &Connection, after: &Place) -> Outcome<i64> {
        let (mut low, mut high) = (self.first, self.last + 1);
        while low < high {
            let middle = low + (high - low) / 2;
            if self.place(conn, middle)? > *after { high = middle } else { low = middle + 1 }
        }
        Ok(low)
    }
}

/// Whether record `?1` was captured by the very observation that a row `t` of told sightings names, by `fetch` and `feed`:
/// then both are one sighting.
pub(crate) const CAPTURED: &str = "EXISTS (
    SELECT 1 FROM fetches x JOIN ledger l ON l.fetch = x.no JOIN feeds f ON f.no = l.feed
    WHERE x.id = t.fetch AND f.id = t.feed AND (
        EXISTS (SELECT 1 FROM all_spans s WHERE s.record = ?1 AND s.feed = l.feed AND l.round >= s.since
                AND (s.until IS NULL OR l.round <= s.until))
        OR EXISTS (SELECT 1 FROM points p WHERE p.fetch = l.fetch AND p.feed = l.feed AND p.record = ?1)))";

/// A page of all sightings of a key.
pub(crate) fn sightings_page(conn: &Connection, key: &NaturalKey, page: &PageRequest) -> Outcome<Page<Sighting>> {
    let of = format!("sightings {key:?}");
    let after = page.after.as_ref().map(|cursor| place_of(&cursor.position(&of)?)).transpose()?;
    let wanted = limit(page.size() + 1);
    let mut found: Vec<(Place, Option<VersionNo>)> = Vec::new();
    let record = find_key(conn, key)?;
    read_told(conn, record, &key.hash(), after.as_ref(), wanted, &mut found)?;
    if let Some(record) = record {
        read_points(conn, record, after.as_ref(), wanted, &mut found)?;
        for run in runs(conn, record)? {
            read_run(conn, &run, after.as_ref(), wanted, &mut found)?;
        }
    }
    found.sort_by_key(|(place, _)| *place);
    let more = found.len() > page.size();
    found.truncate(page.size());
    let next = found.last().filter(|_| more).map(|((at, feed, fetch), _)| {
        Cursor::new(&of, &[at.as_micros().into(), feed.to_string().into(), fetch.to_string().into()])
    });
    let items = found.into_iter().map(|((observed_at, feed, fetch), version)| {
        let key = key.clone();
        Sighting { key, feed, fetch, observed_at, version }
    });
    Ok(Page { items: items.collect(), next })
}

fn place_of(position: &[Json]) -> Result<Place, StorageError> {
    let read = || match position {
        [Json::Number(at), Json::String(feed), Json::String(fetch)] => {
            Some((Timestamp::from_micros(at.as_i64()?).ok()?, feed.parse().ok()?, fetch.parse().ok()?))
        }
        _ => None,
    };
    read().ok_or_else(|| StorageError::invalid("the cursor does not fit the list of sightings"))
}

/// Places before all others, for pages that begin.
fn beginning() -> Place {
    (Timestamp::MIN, FeedId::from_u128(0), FetchId::from_u128(0))
}

fn read_run(
    conn: &Connection,
    run: &Run,
    after: Option<&Place>,
    wanted: i64,
    found: &mut Vec<(Place, Option<VersionNo>)>,
) -> Outcome<()> {
    let first = after.map_or(Ok(run.first), |after| run.first_after(conn, after))?;
    let mut load = conn.prepare_cached(
        "SELECT l.observed_at, f.id FROM ledger l JOIN fetches f ON f.no = l.fetch
         WHERE l.feed = ? AND l.round BETWEEN ? AND ? ORDER BY l.round LIMIT ?",
    )?;
    let mut rows = load.query((run.feed_no, first, run.last, wanted))?;
    while let Some(row) = rows.next()? {
        let place = (rows::instant(row.get(0)?)?, run.feed, FetchId::from_bytes(row.get(1)?));
        found.push((place, Some(run.version)));
    }
    Ok(())
}

fn read_points(
    conn: &Connection,
    record: i64,
    after: Option<&Place>,
    wanted: i64,
    found: &mut Vec<(Place, Option<VersionNo>)>,
) -> Outcome<()> {
    let (at, feed, fetch) = after.copied().unwrap_or_else(beginning);
    let mut load = conn.prepare_cached(
        "SELECT p.observed_at, f.id, t.id, p.shown_version
         FROM points p JOIN feeds f ON f.no = p.feed JOIN fetches t ON t.no = p.fetch
         WHERE p.record = ?1 AND p.observed_at >= ?2 AND (NOT ?5 OR (p.observed_at, f.id, t.id) > (?2, ?3, ?4))
         ORDER BY p.observed_at, f.id, t.id LIMIT ?6",
    )?;
    let values = (record, at.as_micros(), feed.as_bytes(), fetch.as_bytes(), after.is_some(), wanted);
    let mut rows = load.query(values)?;
    while let Some(row) = rows.next()? {
        let place = (rows::instant(row.get(0)?)?, FeedId::from_bytes(row.get(1)?), FetchId::from_bytes(row.get(2)?));
        found.push((place, Some(rows::version(row.get(3)?)?)));
    }
    Ok(())
}

fn read_told(
    conn: &Connection,
    record: Option<i64>,
    key_hash: &KeyHash,
    after: Option<&Place>,
    wanted: i64,
    found: &mut Vec<(Place, Option<VersionNo>)>,
) -> Outcome<()> {
    let (at, feed, fetch) = after.copied().unwrap_or_else(beginning);
    let mut load = conn.prepare_cached(&format!(
        "SELECT observed_at, feed, fetch FROM told t
         WHERE key_hash = ?7 AND (NOT ?5 OR (observed_at, feed, fetch) > (?2, ?3, ?4)) AND NOT {CAPTURED}
         ORDER BY observed_at, feed, fetch LIMIT ?6"
    ))?;
    let values =
        (record, at.as_micros(), feed.as_bytes(), fetch.as_bytes(), after.is_some(), wanted, key_hash.as_bytes());
    let mut rows = load.query(values)?;
    while let Some(row) = rows.next()? {
        let place = (rows::instant(row.get(0)?)?, FeedId::from_bytes(row.get(1)?), FetchId::from_bytes(row.get(2)?));
        found.push((place, None));
    }
    Ok(())
}

/// The record's spans, closed and open, as runs.
fn runs(conn: &Connection, record: i64) -> Outcome<Vec<Run>> {
    let mut load = conn.prepare_cached(
        "SELECT s.feed, f.id, s.since, ifnull(s.until, f.round), s.version
         FROM all_spans s JOIN feeds f ON f.no = s.feed WHERE s.record = ?",
    )?;
    let mut setbacks = conn.prepare_cached(
        "SELECT round FROM ledger WHERE setback AND feed = ? AND round > ? AND round <= ? ORDER BY round",
    )?;
    let mut runs = Vec::new();
    let mut found = load.query([record])?;
    while let Some(row) = found.next()? {
        let mut run = Run {
            feed_no: row.get(0)?,
            feed: FeedId::from_bytes(row.get(1)?),
            first: row.get(2)?,
            last: row.get(3)?,
            version: rows::version(row.get(4)?)?,
        };
        let mut back = setbacks.query((run.feed_no, run.first, run.last))?;
        while let Some(row) = back.next()? {
            let round: i64 = row.get(0)?;
            runs.push(Run { last: round - 1, ..run });
            run.first = round;
        }
        runs.push(run);
    }
    Ok(runs)
}

/// The sightings of each key in figures.
pub(crate) fn seen_many(conn: &Connection, keys: &[NaturalKey]) -> Outcome<Vec<Option<Seen>>> {
    keys.iter().map(|key| seen(conn, key)).collect()
}

/// By arithmetic: a run counts its rounds, and its first and last are its earliest and latest.
fn seen(conn: &Connection, key: &NaturalKey) -> Outcome<Option<Seen>> {
    let mut tally = Tally(None);
    let record = find_key(conn, key)?;
    let mut told = conn.prepare_cached(&format!(
        "SELECT count(*), min(observed_at), max(observed_at) FROM told t WHERE key_hash = ?2 AND NOT {CAPTURED}"
    ))?;
    tally.add_row(&mut told, (record, key.hash().as_bytes()))?;
    if let Some(record) = record {
        let mut points =
            conn.prepare_cached("SELECT count(*), min(observed_at), max(observed_at) FROM points WHERE record = ?")?;
        tally.add_row(&mut points, [record])?;
        for run in runs(conn, record)? {
            let (earliest, _, _) = run.place(conn, run.first)?;
            let (latest, _, _) = run.place(conn, run.last)?;
            tally.add((run.last - run.first + 1).cast_unsigned(), earliest, latest);
        }
    }
    Ok(tally.0)
}

struct Tally(Option<Seen>);

impl Tally {
    fn add(&mut self, count: u64, earliest: Timestamp, latest: Timestamp) {
        let more = Seen { count, earliest, latest };
        self.0 = Some(self.0.map_or(more, |seen| Seen {
            count: seen.count + count,
            earliest: seen.earliest.min(earliest),
            latest: seen.latest.max(latest),
        }));
    }

    fn add_row(&mut self, statement: &mut rusqlite::Statement<'_>, of: impl rusqlite::Params) -> Outcome<()> {
        let (count, earliest, latest): (i64, Option<i64>, Option<i64>) =
            statement.query_row(of, |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))?;
        if let (Some(earliest), Some(latest)) = (earliest, latest) {
            self.add(count.cast_unsigned(), rows::instant(earliest)?, rows::instant(latest)?);
        }
        Ok(())
    }
}
