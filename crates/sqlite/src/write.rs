//! Writes that are not captures: put, delete, told sightings.

use std::collections::BTreeMap;

use feedspine_core::{
    ChangeKind, Event, KeyHash, KeyRule, Layer, NaturalKey, RecordId, RecordRef, RecordWrite, Sighting, SpanEnd,
    StorageError, Subject, Timestamp, VersionNo,
};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension};

use crate::apply::close_span;
use crate::changes::{self, Entry};
use crate::error::Outcome;
use crate::manifest::OpenSpans;
use crate::query::find;
use crate::rows;
use crate::session::{Session, find_key, find_record};
use crate::sightings::CAPTURED;
use crate::versions::{self, Held};

/// Writes versions; the savepoint makes it all or none.
pub(crate) fn put_many(session: &mut Session<'_>, writes: &[RecordWrite]) -> Outcome<Vec<VersionNo>> {
    writes.iter().map(|write| put(session, write)).collect()
}

fn put(session: &mut Session<'_>, write: &RecordWrite) -> Outcome<VersionNo> {
    let conn = session.conn;
    let known = check_id(session, write)?;
    let current = match known {
        Some(record) => versions::current(conn, record, write.layer)?,
        None => None,
    };
    if let Some(held) = current
        && holds(session, held, write)?
    {
        note_source(session, held, write)?;
        return Ok(rows::split_row(held.row)?.1);
    }
    let number = match current {
        Some(held) => rows::split_row(held.row)?.1.next(),
        None => VersionNo::FIRST,
    };
    let record = match known {
        Some(record) => record,
        None => session.new_record_number()?,
    };
    let row = rows::version_row(record, write.layer, number)?;
    insert_version(session, row, write)?;
    let published = write.published.map(Timestamp::as_micros);
    if known.is_some() {
        versions::show(conn, record, row, published)?;
    } else {
        let space = session.space(write.key.namespace())?;
        conn.prepare_cached(
            "INSERT INTO records (no, id, space, key, key_rule, first_seen, published) VALUES (?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute((
            record,
            write.id.as_bytes(),
            space,
            write.key.key(),
            KeyRule::Given.as_str(),
            write.recorded_at.as_micros(),
            published,
        ))?;
        conn.prepare_cached("INSERT INTO keys (space, hash, record) VALUES (?, ?, ?)")?.execute((
            space,
            write.key.hash().as_bytes(),
            record,
        ))?;
    }
    let kind = match (current, known) {
        (Some(_), _) => ChangeKind::Changed,
        (None, Some(_)) => ChangeKind::Promoted,
        (None, None) => ChangeKind::New,
    };
    let subject = Subject { record: write.id, key: write.key.clone(), layer: Some(write.layer), version: Some(number) };
    let event = Event::by_call(kind, subject, write.recorded_at);
    changes::append(conn, &[Entry::of(&event, Some(record), None)], None, event.recorded_at)?;
    Ok(number)
}

/// The number of the record written to; `None` when it is new.
fn check_id(session: &Session<'_>, write: &RecordWrite) -> Outcome<Option<i64>> {
    let by_id = find_record(session.conn, write.id)?;
    let by_key = find_key(session.conn, &write.key)?;
    match (by_id, by_key) {
        (Some(by_id), by_key) if by_key != Some(by_id) => {
            let message = format!("record {} has another natural key than {}", write.id, write.key);
            Err(StorageError::invalid(message).into())
        }
        (None, Some(held)) => {
            let mut load = session.conn.prepare_cached("SELECT id FROM records WHERE no = ?")?;
            let held = RecordId::from_bytes(load.query_row([held], |row| row.get(0))?);
            let message = format!("the natural key {} belongs to record {held}", write.key);
            Err(StorageError::conflict(message).with_hint("write to that id, or delete that record first").into())
        }
        _ => Ok(by_id),
    }
}

/// Whether that version has the content and metadata of the write.
fn holds(session: &Session<'_>, held: Held, write: &RecordWrite) -> Outcome<bool> {
    let mut load = session.conn.prepare_cached("SELECT hash, metadata FROM contents WHERE no = ?")?;
    let (hash, metadata): ([u8; 32], Option<String>) =
        load.query_row([held.content], |found| Ok((found.get(0)?, found.get(1)?)))?;
    Ok(hash == *write.content.hash().as_bytes() && metadata.as_deref() == rows::stored_metadata(&write.metadata))
}

/// The version was derived anew, with the same result: it is as fresh as that source.
fn note_source(session: &Session<'_>, held: Held, write: &RecordWrite) -> Outcome<()> {
    let Some(source) = &write.derived_from else { return Ok(()) };
    session
        .conn
        .prepare_cached(
            "UPDATE contents SET from_layer = ?2, from_version = ?3, from_hash = ?4, from_deleted = ?5 WHERE no = ?1
             AND (from_layer, from_version, from_hash, from_deleted) IS NOT (?2, ?3, ?4, ?5)",
        )?
        .execute((
            held.content,
            source.layer.rank(),
            source.version.get(),
            source.hash.as_bytes(),
            source.source_deleted,
        ))?;
    Ok(())
}

fn insert_version(session: &mut Session<'_>, row: i64, write: &RecordWrite) -> Outcome<()> {
    let content = versions::place(session, row)?;
    let source = write.derived_from.as_ref();
    let hash = write.content.hash();
    let values: [&dyn ToSql; 11] = [
        &content,
        hash.as_bytes(),
        &write.published.map(Timestamp::as_micros),
        &write.updated.map(Timestamp::as_micros),
        &write.recorded_at.as_micros(),
        &source.map(|source| source.layer.rank()),
        &source.map(|source| source.version.get()),
        &source.map(|source| *source.hash.as_bytes()),
        &source.map(|source| source.source_deleted),
        &rows::stored_metadata(&write.metadata),
        &write.content.as_str(),
    ];
    session
        .conn
        .prepare_cached(
            "INSERT INTO contents (no, hash, rule, published, updated, recorded_at,
                                   from_layer, from_version, from_hash, from_deleted, metadata, content)
             VALUES (?, ?, 0, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
        )?
        .execute(values.as_slice())?;
    Ok(())
}

/// Keys that feeds show no more, by the feed's number.
type Gone = BTreeMap<i64, Vec<KeyHash>>;

/// Deletes rows, in the order asked. A feed's manifest is read and written once, at the end.
pub(crate) fn delete_many(session: &mut Session<'_>, doomed: &[RecordRef], at: Timestamp) -> Outcome<Vec<bool>> {
    let mut gone = Gone::new();
    let deleted = doomed.iter().map(|doomed| delete(session, doomed, at, &mut gone)).collect::<Outcome<_>>()?;
    for (feed, key_hashes) in &gone {
        take_present(session.conn, *feed, key_hashes)?;
    }
    Ok(deleted)
}

fn delete(session: &mut Session<'_>, doomed: &RecordRef, at: Timestamp, gone: &mut Gone) -> Outcome<bool> {
    let conn = session.conn;
    let Some(record) = find(conn, &doomed.name)? else { return Ok(false) };
    let mut version = None;
    if let Some(layer) = doomed.layer {
        let Some(last) = versions::current(conn, record, layer)? else { return Ok(false) };
        version = Some(rows::split_row(last.row)?.1);
        delete_layer(session, record, layer)?;
    }
    let mut name = conn
        .prepare_cached("SELECT r.id, s.name, r.key FROM records r JOIN spaces s ON s.no = r.space WHERE r.no = ?")?;
    let mut named = name.query([record])?;
    let row = named.next()?.ok_or_else(|| rows::corrupt("a record without its row"))?;
    let (id, key) = (RecordId::from_bytes(row.get(0)?), rows::key(row, 1)?);
    if doomed.layer.is_none() || versions::highest(conn, record)?.is_none() {
        forget(session, record, &key, gone)?;
    } else if doomed.layer == Some(Layer::Bronze) {
        forget_shown(session, record, &key, gone)?;
    }
    let subject = Subject { record: id, key, layer: doomed.layer, version };
    let event = Event::by_call(ChangeKind::Deleted, subject, at);
    changes::append(conn, &[Entry::of(&event, Some(record), None)], None, event.recorded_at)?;
    Ok(true)
}

/// Removes the versions of one layer and marks what was derived from them.
fn delete_layer(session: &Session<'_>, record: i64, layer: Layer) -> Outcome<()> {
    let conn = session.conn;
    versions::remove(conn, rows::first_row(record, layer), rows::last_row(record, layer))?;
    let (before, last) = all_rows(record);
    conn.prepare_cached(
        "UPDATE contents SET from_deleted = 1 WHERE from_layer = ?3 AND
         (no = ?4 OR no IN (SELECT content FROM revisions WHERE row > ?1 AND row <= ?2))",
    )?
    .execute((before, last, layer.rank(), record))?;
    if let Some(held) = versions::highest(conn, record)? {
        conn.prepare_cached(
            "UPDATE records SET published = (SELECT published FROM contents WHERE no = ?2) WHERE no = ?1",
        )?
        .execute((record, held.content))?;
    }
    Ok(())
}

/// Before the first and the last row that a version of the record can have.
fn all_rows(record: i64) -> (i64, i64) {
    (rows::first_row(record, Layer::Bronze), rows::last_row(record, Layer::Gold))
}

/// Removes a record and every trace but the change log, for which its name is kept.
fn forget(session: &Session<'_>, record: i64, key: &NaturalKey, gone: &mut Gone) -> Outcome<()> {
    let conn = session.conn;
    lose_shown(session, record, key, gone)?;
    let (before, last) = all_rows(record);
    versions::remove(conn, before, last)?;
    for table in ["absent", "spans", "points"] {
        conn.prepare_cached(&format!("DELETE FROM {table} WHERE record = ?"))?.execute([record])?;
    }
    conn.prepare_cached("DELETE FROM told WHERE key_hash = ?")?.execute([key.hash().as_bytes()])?;
    conn.prepare_cached("DELETE FROM keys WHERE space = (SELECT space FROM records WHERE no = ?1) AND hash = ?2")?
        .execute((record, key.hash().as_bytes()))?;
    conn.prepare_cached("INSERT INTO graves SELECT no, id, space, key FROM records WHERE no = ?")?.execute([record])?;
    conn.prepare_cached("DELETE FROM records WHERE no = ?")?.execute([record])?;
    Ok(())
}

/// The versions that feeds have shown are gone: their spans end, and the next document that lists the item captures it
/// anew. Sightings stay.
fn forget_shown(session: &Session<'_>, record: i64, key: &NaturalKey, gone: &mut Gone) -> Outcome<()> {
    let conn = session.conn;
    conn.prepare_cached("UPDATE absent SET shown_version = NULL, shown_hash = NULL WHERE record = ?")?
        .execute([record])?;
    for (feed, since, round, version) in lose_shown(session, record, key, gone)? {
        close_span(conn, (record, feed, since), round, version)?;
        conn.prepare_cached("INSERT INTO absent (record, feed, ended) VALUES (?, ?, ?)")?.execute((
            record,
            feed,
            SpanEnd::Unknown.as_str(),
        ))?;
    }
    Ok(())
}

/// An open span: its feed, first round, the feed's last round, and its version.
type OpenSpan = (i64, i64, i64, VersionNo);

/// Notes which feeds show a record now. Gives its open spans, which the caller ends or removes.
fn lose_shown(session: &Session<'_>, record: i64, key: &NaturalKey, gone: &mut Gone) -> Outcome<Vec<OpenSpan>> {
    let mut load = session.conn.prepare_cached(
        "SELECT f.no, s.since, f.round, s.version FROM all_spans s JOIN feeds f ON f.no = s.feed
         WHERE s.record = ? AND s.until IS NULL",
    )?;
    let mut open = Vec::new();
    let mut found = load.query([record])?;
    while let Some(row) = found.next()? {
        let feed = row.get(0)?;
        gone.entry(feed).or_default().push(key.hash());
        open.push((feed, row.get(1)?, row.get(2)?, rows::version(row.get(3)?)?));
    }
    Ok(open)
}

/// Takes keys out of the manifest of a feed, whose next full document has to be looked at item by item.
fn take_present(conn: &Connection, feed: i64, key_hashes: &[KeyHash]) -> Outcome<()> {
    let mut open = OpenSpans::load(conn, feed)?;
    for key_hash in key_hashes {
        open.remove(key_hash);
    }
    open.store(conn)?;
    let taken = i64::try_from(key_hashes.len()).expect("a delete is in memory");
    conn.prepare_cached("UPDATE feeds SET digest = NULL, size = size - ?2 WHERE no = ?1")?.execute((feed, taken))?;
    Ok(())
}

/// Records sightings told by a caller.
pub(crate) fn observe_many(session: &mut Session<'_>, seen: &[Sighting]) -> Outcome<Vec<bool>> {
    seen.iter().map(|sighting| observe(session, sighting)).collect()
}

fn observe(session: &Session<'_>, sighting: &Sighting) -> Outcome<bool> {
    let conn = session.conn;
    let key_hash = sighting.key.hash();
    let (feed, fetch) = (sighting.feed.as_bytes(), sighting.fetch.as_bytes());
    let mut same = conn.prepare_cached("SELECT first FROM told WHERE key_hash = ? AND feed = ? AND fetch = ?")?;
    if let Some(answer) = same.query_row((key_hash.as_bytes(), feed, fetch), |row| row.get(0)).optional()? {
        return Ok(answer);
    }
    if sighted_by(session, sighting)? {
        return Ok(false);
    }
    let told = conn.prepare_cached("SELECT 1 FROM told WHERE key_hash = ?")?.exists([key_hash.as_bytes()])?;
    let first = !told && !was_captured(session, &sighting.key)?;
    conn.prepare_cached("INSERT INTO told (key_hash, feed, fetch, observed_at, first) VALUES (?, ?, ?, ?, ?)")?
        .execute((key_hash.as_bytes(), feed, fetch, sighting.observed_at.as_micros(), first))?;
    Ok(first)
}

/// Whether the observation that the caller names captured the key itself.
fn sighted_by(session: &Session<'_>, told: &Sighting) -> Outcome<bool> {
    let Some(record) = find_key(session.conn, &told.key)? else { return Ok(false) };
    let sql = format!("SELECT 1 FROM (SELECT ?2 AS fetch, ?3 AS feed) t WHERE {CAPTURED}");
    Ok(session.conn.prepare_cached(&sql)?.exists((record, told.fetch.as_bytes(), told.feed.as_bytes()))?)
}

/// Whether any feed ever sighted that key by an ingest.
fn was_captured(session: &Session<'_>, key: &NaturalKey) -> Outcome<bool> {
    let Some(record) = find_key(session.conn, key)? else { return Ok(false) };
    let sql = "SELECT 1 FROM all_spans WHERE record = ?1 UNION ALL SELECT 1 FROM absent WHERE record = ?1";
    Ok(session.conn.prepare_cached(sql)?.exists([record])?)
}
