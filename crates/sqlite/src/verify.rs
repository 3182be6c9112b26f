//! What a file keeps twice for its own sake, compared: rows do not show it, and questions are answered by it.

use feedspine_core::{FeedId, FetchId, RecordId, Timestamp};
use rusqlite::{Connection, OptionalExtension};

use crate::error::Outcome;
use crate::manifest::OpenSpans;
use crate::{feed_row, rows, versions};

/// Compares everything, as it is at one moment; what is wrong, a sentence each.
pub(crate) fn verify(conn: &mut Connection) -> Outcome<Vec<String>> {
    let moment = conn.transaction()?;
    let mut faults = Vec::new();
    let held = records(&moment, &mut faults)?;
    let number = |sql: &str| moment.query_row(sql, [], |row| row.get::<_, i64>(0));
    let keys = number("SELECT count(*) FROM keys")?;
    if keys != held {
        faults.push(format!("there are {held} records, and {keys} keys to find them by"));
    }
    let mut open = 0;
    for (id, feed) in feed_row::load_all(&moment)? {
        open += manifest(&moment, (id, feed.no), &mut faults)?;
        faults.extend(rounds(&moment, &feed)?.map(|problem| format!("feed {id}: {problem}")));
        for (table, counted) in [("ledger", feed.observations), ("rejects", feed.rejects)] {
            let sql = format!("SELECT count(*) FROM {table} WHERE feed = ?");
            let there: i64 = moment.prepare_cached(&sql)?.query_row([feed.no], |row| row.get(0))?;
            if there != counted {
                faults.push(format!("feed {id}: it counts {counted} rows of {table}, but there are {there}"));
            }
        }
    }
    let shown = number("SELECT count(*) FROM all_spans WHERE until IS NULL")?;
    if shown != open {
        faults.push(format!("manifests hold {open} open spans, and sightings show {shown}"));
    }
    for (problem, sql) in NONE_OF {
        let there = number(sql)?;
        if there != 0 {
            faults.push(format!("{problem}: {there}"));
        }
    }
    Ok(faults)
}

/// What there is none of in a sound store.
const NONE_OF: [(&str, &str); 5] = [
    (
        "point sightings at another time than their observation",
        "SELECT count(*) FROM points p JOIN ledger l ON l.feed = p.feed AND l.fetch = p.fetch
         WHERE p.observed_at <> l.observed_at",
    ),
    (
        "rows of the change log that are not numbered on from the one before",
        "SELECT count(*) FROM (SELECT seq, lag(seq + length(events) / 22, 1, 1) OVER (ORDER BY seq) AS next FROM changes)
         WHERE seq <> next",
    ),
    (
        "captures whose body is not there",
        "SELECT count(*) FROM captures c WHERE NOT EXISTS (SELECT 1 FROM capture_bodies b WHERE b.no = c.body)",
    ),
    (
        "bodies of captures that are packed against one that is not there, or that is packed so itself",
        "SELECT count(*) FROM capture_bodies b WHERE b.base IS NOT NULL
         AND NOT EXISTS (SELECT 1 FROM capture_bodies o WHERE o.no = b.base AND o.base IS NULL)",
    ),
    (
        "bodies that no capture needs",
        "SELECT count(*) FROM capture_bodies b WHERE NOT EXISTS (SELECT 1 FROM captures c WHERE c.body = b.no)
         AND NOT EXISTS (SELECT 1 FROM capture_bodies o WHERE o.base = b.no)",
    ),
];

/// Compares what a feed's rounds are looked up by with the rounds.
fn rounds(conn: &Connection, feed: &feed_row::FeedRow) -> Outcome<Option<&'static str>> {
    let mut load = conn.prepare_cached(
        "SELECT l.observed_at, f.id, l.setback FROM ledger l JOIN fetches f ON f.no = l.fetch
         WHERE l.feed = ? AND l.round IS NOT NULL ORDER BY l.round",
    )?;
    let mut found = load.query([feed.no])?;
    let mut last: Option<(Timestamp, FetchId)> = None;
    while let Some(row) = found.next()? {
        let place = (rows::instant(row.get(0)?)?, FetchId::from_bytes(row.get(1)?));
        if last.is_some_and(|last| place <= last) != row.get::<_, bool>(2)? {
            return Ok(Some("its ledger does not say right which round comes before the one before it in time"));
        }
        last = Some(place);
    }
    Ok((last != feed.last_round).then_some("it holds another time or fetch of its last round than the ledger"))
}

/// Compares each record with what it is found and listed by; how many there are.
fn records(conn: &Connection, faults: &mut Vec<String>) -> Outcome<i64> {
    let mut load = conn.prepare(
        "SELECT r.no, r.id, r.space, s.name, r.key, r.published FROM records r JOIN spaces s ON s.no = r.space",
    )?;
    let mut find = conn.prepare("SELECT record FROM keys WHERE space = ? AND hash = ?")?;
    let mut date = conn.prepare("SELECT published FROM contents WHERE no = ?")?;
    let mut counted = 0;
    let mut found = load.query([])?;
    while let Some(row) = found.next()? {
        counted += 1;
        let (record, id) = (row.get::<_, i64>(0)?, RecordId::from_bytes(row.get(1)?));
        let key = rows::key(row, 3)?;
        let holder = find.query_row((row.get::<_, i64>(2)?, key.hash().as_bytes()), |row| row.get(0)).optional()?;
        if holder != Some(record) {
            faults.push(format!("record {id}: it is not found by its key {key}"));
        }
        let Some(top) = versions::highest(conn, record)? else { continue };
        let published: Option<Option<i64>> = date.query_row([top.content], |row| row.get(0)).optional()?;
        let listed: Option<i64> = row.get(5)?;
        if published.is_some_and(|published| listed != published) {
            faults.push(format!("record {id}: it is listed by another date than its current version was published"));
        }
    }
    Ok(counted)
}

/// Compares a feed's packed spans with its records and their sightings; how many there are.
fn manifest(conn: &Connection, (id, feed): (FeedId, i64), faults: &mut Vec<String>) -> Outcome<i64> {
    let mut find = conn
        .prepare_cached("SELECT r.no, s.name, r.key FROM records r JOIN spaces s ON s.no = r.space WHERE r.id = ?")?;
    let mut open = conn.prepare_cached(
        "SELECT 1 FROM all_spans WHERE record = ? AND feed = ? AND since = ? AND version = ? AND until IS NULL",
    )?;
    let mut held: Vec<_> = OpenSpans::load(conn, feed)?.to_map()?.into_iter().collect();
    held.sort_unstable_by_key(|(_, present)| present.record);
    for (key_hash, present) in &held {
        let mut fault = |problem: &str| faults.push(format!("feed {id}: record {}: {problem}", present.record));
        let mut found = find.query([present.record.as_bytes()])?;
        let Some(row) = found.next()? else {
            fault("its manifest holds it, and the record is not there");
            continue;
        };
        if rows::key(row, 1)?.hash() != *key_hash {
            fault("its manifest holds it under another key");
        }
        let since = rows::round_number(present.since);
        if !open.exists((row.get::<_, i64>(0)?, feed, since, present.version.get()))? {
            fault("its manifest and its sightings disagree on its open span");
        }
    }
    Ok(i64::try_from(held.len()).expect("a manifest is in memory"))
}
