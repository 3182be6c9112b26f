//! Where a version's content lies.
//!
//! The first bronze version, which most records never go beyond, lies at its record's own number. Every further version
//! is appended behind all others, and `revisions` says where: so an edit fills one page after the other instead of
//! splitting the full ones between its neighbours.

use feedspine_core::{Layer, VersionNo};
use rusqlite::{Connection, OptionalExtension};

use crate::error::Outcome;
use crate::rows;
use crate::session::Session;

/// Numbers of contents that are no record's own begin here; records have smaller ones.
pub(crate) const FIRST_APPENDED: i64 = rows::LAST_RECORD + 1;

/// The row number of a record's first bronze version.
pub(crate) fn own_row(record: i64) -> i64 {
    rows::first_row(record, Layer::Bronze) | i64::from(VersionNo::FIRST.get())
}

/// The record, when the version is its first bronze one.
fn owner(row: i64) -> Option<i64> {
    let record = row >> rows::RECORD_SHIFT;
    (row == own_row(record)).then_some(record)
}

/// A version: its row number, and where its content lies.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Held {
    pub(crate) row: i64,
    pub(crate) content: i64,
}

/// The version of that row number, if there is one.
pub(crate) fn find(conn: &Connection, row: i64) -> Outcome<Option<Held>> {
    let (sql, key) = match owner(row) {
        Some(record) => ("SELECT no FROM contents WHERE no = ?", record),
        None => ("SELECT content FROM revisions WHERE row = ?", row),
    };
    let content = conn.prepare_cached(sql)?.query_row([key], |found| found.get(0)).optional()?;
    Ok(content.map(|content| Held { row, content }))
}

/// A record's current version at a layer.
pub(crate) fn current(conn: &Connection, record: i64, layer: Layer) -> Outcome<Option<Held>> {
    let last = greatest(conn, rows::first_row(record, layer), rows::last_row(record, layer))?;
    if last.is_some() || layer != Layer::Bronze { Ok(last) } else { find(conn, own_row(record)) }
}

/// The version that is shown when no layer is asked: the current one of the highest layer.
pub(crate) fn highest(conn: &Connection, record: i64) -> Outcome<Option<Held>> {
    let last = greatest(conn, rows::first_row(record, Layer::Bronze), rows::last_row(record, Layer::Gold))?;
    if last.is_some() { Ok(last) } else { find(conn, own_row(record)) }
}

fn greatest(conn: &Connection, before: i64, last: i64) -> Outcome<Option<Held>> {
    let mut find =
        conn.prepare_cached("SELECT row, content FROM revisions WHERE row > ? AND row <= ? ORDER BY row DESC LIMIT 1")?;
    let held = find.query_row((before, last), |found| Ok(Held { row: found.get(0)?, content: found.get(1)? }));
    Ok(held.optional()?)
}

/// Where the content of a new version goes, and notes it.
pub(crate) fn place(session: &mut Session<'_>, row: i64) -> Outcome<i64> {
    if let Some(record) = owner(row) {
        return Ok(record);
    }
    let content = session.new_content_number()?;
    session.conn.prepare_cached("INSERT INTO revisions (row, content) VALUES (?, ?)")?.execute((row, content))?;
    Ok(content)
}

/// Keeps with the record when its version of the highest layer was published, now that this one was added.
pub(crate) fn show(conn: &Connection, record: i64, row: i64, published: Option<i64>) -> Outcome<()> {
    if highest(conn, record)?.is_some_and(|held| held.row == row) {
        // A page of the narrow table is written only where the date is another.
        conn.prepare_cached("UPDATE records SET published = ?2 WHERE no = ?1 AND published IS NOT ?2")?
            .execute((record, published))?;
    }
    Ok(())
}

/// Removes versions from after `before` up to `last`, which lie in one record's range.
pub(crate) fn remove(conn: &Connection, before: i64, last: i64) -> Outcome<()> {
    conn.prepare_cached("DELETE FROM contents WHERE no IN (SELECT content FROM revisions WHERE row > ? AND row <= ?)")?
        .execute((before, last))?;
    conn.prepare_cached("DELETE FROM revisions WHERE row > ? AND row <= ?")?.execute((before, last))?;
    let record = last >> rows::RECORD_SHIFT;
    if (before + 1..=last).contains(&own_row(record)) {
        conn.prepare_cached("DELETE FROM contents WHERE no = ?")?.execute([record])?;
    }
    Ok(())
}
