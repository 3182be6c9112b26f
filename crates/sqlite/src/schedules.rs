//! When feeds are fetched next.

use std::num::NonZeroUsize;

use feedspine_core::{Content, FeedId, Schedule, StorageError, Timestamp};
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
    let mut known = session.conn.prepare_cached("SELECT 1 FROM control_feeds WHERE id = ?")?;
    for schedule in schedules {
        if !known.exists([schedule.feed.as_bytes()])? {
            return Err(StorageError::invalid(format!("there is no feed {}", schedule.feed)).into());
        }
    }
    schedules.iter().try_for_each(|schedule| write(session.conn, schedule))
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
