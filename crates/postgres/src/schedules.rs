//! When feeds are fetched next.

use std::collections::{BTreeMap, HashSet};
use std::num::NonZeroUsize;

use feedspine_core::{Content, FeedId, Reschedule, Schedule, StorageError, Timestamp};
use uuid::Uuid;

use crate::bind::bind;
use crate::error::Outcome;
use crate::history::read_all;
use crate::rows::{self, Columns};
use crate::session::Session;

const COLUMNS: &str = "s.feed, s.due_at, s.state";

/// All that there are, by feed.
pub(crate) async fn all(session: &Session) -> Outcome<Vec<Schedule>> {
    let statement = format!("SELECT {COLUMNS} FROM control_schedules s ORDER BY s.feed");
    read_all(&session.query(&statement, &[]).await?, read)
}

/// That of one feed.
pub(crate) async fn of(session: &Session, feed: FeedId) -> Outcome<Option<Schedule>> {
    let statement = format!("SELECT {COLUMNS} FROM control_schedules s WHERE s.feed = $1");
    Ok(read_all(&session.query(&statement, &bind![rows::feed_uuid(feed)]).await?, read)?.pop())
}

/// Those of active feeds that are due by then, the longest overdue first.
pub(crate) async fn due(session: &Session, by: Timestamp, limit: NonZeroUsize) -> Outcome<Vec<Schedule>> {
    let statement = format!(
        "SELECT {COLUMNS} FROM control_schedules s JOIN control_feeds f ON f.id = s.feed
         WHERE s.due_at <= $1 AND f.status = 'active' ORDER BY s.due_at, s.feed LIMIT $2"
    );
    let limit = i64::try_from(limit.get()).unwrap_or(i64::MAX);
    read_all(&session.query(&statement, &bind![by.as_micros(), limit]).await?, read)
}

/// Whether a feed is due at just that time.
pub(crate) async fn is_due(session: &Session, feed: FeedId, at: Timestamp) -> Outcome<bool> {
    let statement = "SELECT 1 FROM control_schedules WHERE feed = $1 AND due_at = $2";
    let found = session.query_opt(statement, &bind![rows::feed_uuid(feed), at.as_micros()]).await?;
    Ok(found.is_some())
}

/// Writes them down, all or none. Feeds are never forgotten: one that is known stays so.
pub(crate) async fn set(session: &Session, schedules: &[Schedule]) -> Outcome<()> {
    check_known(session, schedules.iter().map(|schedule| rows::feed_uuid(schedule.feed)).collect()).await?;
    write(session, &schedules.iter().collect::<Vec<_>>()).await
}

/// Writes those down that are due as they are known to be; whether each was. Rows are locked by feed, ascending.
pub(crate) async fn change(session: &Session, changes: &[Reschedule]) -> Outcome<Vec<bool>> {
    let feeds: Vec<Uuid> = changes.iter().map(|change| rows::feed_uuid(change.schedule.feed)).collect();
    check_known(session, feeds.clone()).await?;
    let lock = "SELECT feed FROM control_schedules WHERE feed = ANY($1) ORDER BY feed FOR UPDATE";
    session.query(lock, &bind![feeds.clone()]).await?;
    let held: Vec<Option<i64>> = changes.iter().map(|change| rows::micros(change.held)).collect();
    let due_at: Vec<Option<i64>> = changes.iter().map(|change| rows::micros(change.schedule.due_at)).collect();
    let states: Vec<&str> = changes.iter().map(|change| change.schedule.state.as_str()).collect();
    let statement = "WITH asked AS (
            SELECT feed, held, due_at, state FROM unnest($1, $2, $3, $4) AS t (feed, held, due_at, state)
        ), updated AS (
            UPDATE control_schedules s SET due_at = a.due_at, state = a.state FROM asked a
            WHERE s.feed = a.feed AND s.due_at IS NOT DISTINCT FROM a.held RETURNING s.feed
        ), inserted AS (
            INSERT INTO control_schedules (feed, due_at, state)
            SELECT feed, due_at, state FROM asked a WHERE a.held IS NULL
                AND NOT EXISTS (SELECT 1 FROM control_schedules s WHERE s.feed = a.feed) ORDER BY feed
            ON CONFLICT (feed) DO NOTHING RETURNING feed
        )
        SELECT feed FROM updated UNION ALL SELECT feed FROM inserted";
    let found = session.query(statement, &bind![feeds, held, due_at, states]).await?;
    let mut written = HashSet::new();
    for row in &found {
        written.insert(Columns::of(row).feed()?);
    }
    Ok(changes.iter().map(|change| written.contains(&change.schedule.feed)).collect())
}

async fn check_known(session: &Session, feeds: Vec<Uuid>) -> Outcome<()> {
    let statement = "SELECT t.id FROM unnest($1) AS t (id)
        WHERE NOT EXISTS (SELECT 1 FROM control_feeds f WHERE f.id = t.id) LIMIT 1";
    match session.query_opt(statement, &bind![feeds]).await? {
        None => Ok(()),
        Some(unknown) => {
            let unknown = Columns::of(&unknown).feed()?;
            Err(StorageError::invalid(format!("there is no feed {unknown}")).into())
        }
    }
}

/// Writes them down, of a feed that is named twice the last; rows are locked by feed, ascending.
pub(crate) async fn write(session: &Session, schedules: &[&Schedule]) -> Outcome<()> {
    let last: BTreeMap<FeedId, &Schedule> = schedules.iter().map(|schedule| (schedule.feed, *schedule)).collect();
    if last.is_empty() {
        return Ok(());
    }
    let feeds: Vec<Uuid> = last.keys().map(|feed| rows::feed_uuid(*feed)).collect();
    let due_at: Vec<Option<i64>> = last.values().map(|schedule| rows::micros(schedule.due_at)).collect();
    let states: Vec<&str> = last.values().map(|schedule| schedule.state.as_str()).collect();
    let statement = "INSERT INTO control_schedules (feed, due_at, state)
        SELECT feed, due_at, state FROM unnest($1, $2, $3) AS t (feed, due_at, state) ORDER BY feed
        ON CONFLICT (feed) DO UPDATE SET due_at = excluded.due_at, state = excluded.state";
    session.execute(statement, &bind![feeds, due_at, states]).await
}

fn read(columns: &mut Columns<'_>) -> Outcome<Schedule> {
    Ok(Schedule {
        feed: columns.feed()?,
        due_at: columns.optional_instant()?,
        state: Content::from_canonical(columns.take::<&str>()?),
    })
}
