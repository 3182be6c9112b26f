//! When feeds are fetched next.

use std::num::NonZeroUsize;

use feedspine_core::{Content, FeedId, Reschedule, Schedule, StorageError, Timestamp};
use rusqlite::{Connection, Params, Row};

use crate::error::Outcome;
use crate::history::limit;
use crate::rows;
use crate::session::Session;

const COLUMNS: &str = "s.feed, s.due_at, s.state";

/// All that there are, by feed.
pub(crate) fn all(conn: &Connection) -> Outcome<Vec<Schedule>> {
    load(conn, &format!("SELECT {COLUMNS} FROM control_schedules s ORDER BY s.feed"), [])
}

/// That of one feed.
pub(crate) fn of(conn: &Connection, feed: FeedId) -> Outcome<Option<Schedule>> {
    let sql = format!("SELECT {COLUMNS} FROM control_schedules s WHERE s.feed = ?");
    Ok(load(conn, &sql, [feed.as_bytes()])?.pop())
}

/// Those of active feeds that are due by then, the longest overdue first.
pub(crate) fn due(conn: &Connection, by: Timestamp, most: NonZeroUsize) -> Outcome<Vec<Schedule>> {
    let sql = format!(
        "SELECT {COLUMNS} FROM control_schedules s JOIN control_feeds f ON f.id = s.feed
         WHERE s.due_at <= ? AND f.status = 'active' ORDER BY s.due_at, s.feed LIMIT ?"
    );
    load(conn, &sql, (by.as_micros(), limit(most.get())))
}

/// Writes them down, all or none.
pub(crate) fn set(session: &mut Session<'_>, schedules: &[Schedule]) -> Outcome<()> {
    check_known(session.conn, schedules.iter().map(|schedule| schedule.feed))?;
    schedules.iter().try_for_each(|schedule| write(session.conn, schedule))
}

/// Writes those down that are due as they are known to be; whether each was.
pub(crate) fn change(session: &mut Session<'_>, changes: &[Reschedule]) -> Outcome<Vec<bool>> {
    check_known(session.conn, changes.iter().map(|change| change.schedule.feed))?;
    let mut update = session
        .conn
        .prepare_cached("UPDATE control_schedules SET due_at = ?3, state = ?4 WHERE feed = ?1 AND due_at IS ?2")?;
    let mut insert = session.conn.prepare_cached(
        "INSERT INTO control_schedules (feed, due_at, state) SELECT ?1, ?3, ?4 WHERE ?2 IS NULL
         ON CONFLICT (feed) DO NOTHING",
    )?;
    let mut write = |Reschedule { held, schedule }: &Reschedule| {
        let Schedule { feed, due_at, state } = schedule;
        let values =
            (feed.as_bytes(), held.map(Timestamp::as_micros), due_at.map(Timestamp::as_micros), state.as_str());
        Ok(update.execute(values)? > 0 || insert.execute(values)? > 0)
    };
    changes.iter().map(&mut write).collect()
}

fn check_known(conn: &Connection, feeds: impl Iterator<Item = FeedId>) -> Outcome<()> {
    let mut known = conn.prepare_cached("SELECT 1 FROM control_feeds WHERE id = ?")?;
    for feed in feeds {
        if !known.exists([feed.as_bytes()])? {
            return Err(StorageError::invalid(format!("there is no feed {feed}")).into());
        }
    }
    Ok(())
}

/// Writes one down.
pub(crate) fn write(conn: &Connection, schedule: &Schedule) -> Outcome<()> {
    let Schedule { feed, due_at, state } = schedule;
    conn.prepare_cached(
        "INSERT INTO control_schedules (feed, due_at, state) VALUES (?1, ?2, ?3)
         ON CONFLICT (feed) DO UPDATE SET due_at = excluded.due_at, state = excluded.state",
    )?
    .execute((feed.as_bytes(), due_at.map(Timestamp::as_micros), state.as_str()))?;
    Ok(())
}

fn load(conn: &Connection, sql: &str, values: impl Params) -> Outcome<Vec<Schedule>> {
    let mut load = conn.prepare_cached(sql)?;
    let mut found = load.query(values)?;
    let mut schedules = Vec::new();
    while let Some(row) = found.next()? {
        schedules.push(read(row)?);
    }
    Ok(schedules)
}

fn read(row: &Row<'_>) -> Outcome<Schedule> {
    let state = row.get_ref(2)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Schedule {
        feed: FeedId::from_bytes(row.get(0)?),
        due_at: rows::optional_instant(row.get(1)?)?,
        state: Content::from_canonical(state),
    })
}
