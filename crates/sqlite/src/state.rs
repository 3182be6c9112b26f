//! The control plane in the same file: feeds, and what became of each fetch.

use feedspine_core::{
    Content, Cursor, Feed, FeedId, FeedName, FeedStatus, Fetch, FetchDetail, FetchId, FetchIntent, Json, KeyRule,
    Namespace, Outset, Page, PageRequest, Schedule, Slot, StorageError, Timestamp,
};
use rusqlite::types::ToSql;
use rusqlite::{Connection, OptionalExtension, Row};

use crate::error::{Fault, Outcome};
use crate::feed_row::FeedRow;
use crate::history::{limit, number_of};
use crate::rows::{self, corrupt};
use crate::session::{Session, find_feed};
use crate::{leases, ledger, schedules};

/// Marks running fetches as interrupted, at the first value; which ones is the caller's to say.
pub(crate) const INTERRUPT: &str = "UPDATE fetches SET status = 'interrupted', finished_at = ?1, wire_bytes = 0,
    body_bytes = 0, duration_ms = 0, lease_host = NULL, lease_token = NULL";

const FEED_COLUMNS: &str = "id, name, address, namespace, status, key_rule, allow_private, settings, added_at";

pub(crate) fn add_feed(session: &mut Session<'_>, feed: &Feed) -> Outcome<()> {
    let known =
        session.conn.prepare_cached("SELECT 1 FROM control_feeds WHERE id = ?")?.exists([feed.id.as_bytes()])?;
    if known {
        return Err(StorageError::conflict(format!("feed {} is known already", feed.id)).into());
    }
    check_name(session.conn, feed)?;
    let values: [&dyn ToSql; 9] = [
        feed.id.as_bytes(),
        &feed.name.as_str(),
        &feed.address,
        &feed.namespace.as_str(),
        &feed.status.as_str(),
        &feed.key_rule.map(KeyRule::as_str),
        &feed.allow_private,
        &feed.settings.as_str(),
        &feed.added_at.as_micros(),
    ];
    let sql = format!("INSERT INTO control_feeds ({FEED_COLUMNS}) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)");
    session.conn.prepare_cached(&sql)?.execute(values.as_slice())?;
    Ok(())
}

/// Replaces a feed that is still as it is held; whether it was.
pub(crate) fn replace_feed(session: &mut Session<'_>, held: &Feed, feed: &Feed) -> Outcome<bool> {
    if !known(session.conn, feed.id)?.is_still(held) {
        return Ok(false);
    }
    check_name(session.conn, feed)?;
    session
        .conn
        .prepare_cached(
            "UPDATE control_feeds SET name = ?2, address = ?3, status = ?4, allow_private = ?5, settings = ?6
             WHERE id = ?1",
        )?
        .execute((
            feed.id.as_bytes(),
            feed.name.as_str(),
            &feed.address,
            feed.status.as_str(),
            feed.allow_private,
            feed.settings.as_str(),
        ))?;
    Ok(true)
}

pub(crate) fn settle_key_rule(session: &mut Session<'_>, feed: FeedId, rule: KeyRule) -> Outcome<KeyRule> {
    let sql = "UPDATE control_feeds SET key_rule = COALESCE(key_rule, ?2) WHERE id = ?1 RETURNING key_rule";
    let held: Option<String> =
        session.conn.prepare_cached(sql)?.query_row((feed.as_bytes(), rule.as_str()), |row| row.get(0)).optional()?;
    let held = held.ok_or_else(|| StorageError::invalid(format!("there is no feed {feed}")))?;
    rows::word(&held)
}

fn known(conn: &Connection, feed: FeedId) -> Outcome<Feed> {
    find(conn, feed)?.ok_or_else(|| StorageError::invalid(format!("there is no feed {feed}")).into())
}

fn find(conn: &Connection, feed: FeedId) -> Outcome<Option<Feed>> {
    let mut load = conn.prepare_cached(&format!("SELECT {FEED_COLUMNS} FROM control_feeds WHERE id = ?"))?;
    let mut found = load.query([feed.as_bytes()])?;
    found.next()?.map(read_feed).transpose()
}

/// A name belongs to one feed at a time; removed feeds need none.
fn check_name(conn: &Connection, feed: &Feed) -> Outcome<()> {
    if feed.status == FeedStatus::Removed {
        return Ok(());
    }
    match feed_named(conn, &feed.name)?.filter(|holder| holder.id != feed.id) {
        None => Ok(()),
        Some(_) => Err(StorageError::conflict(format!("there is a feed named {} already", feed.name))
            .with_hint("choose another name")
            .into()),
    }
}

pub(crate) fn feeds(conn: &Connection) -> Outcome<Vec<Feed>> {
    let mut load = conn.prepare_cached(&format!("SELECT {FEED_COLUMNS} FROM control_feeds ORDER BY name, id"))?;
    let mut found = load.query([])?;
    let mut feeds = Vec::new();
    while let Some(row) = found.next()? {
        feeds.push(read_feed(row)?);
    }
    Ok(feeds)
}

pub(crate) fn feed_named(conn: &Connection, name: &FeedName) -> Outcome<Option<Feed>> {
    let sql = format!("SELECT {FEED_COLUMNS} FROM control_feeds WHERE name = ? AND status <> 'removed'");
    let mut load = conn.prepare_cached(&sql)?;
    let mut found = load.query([name.as_str()])?;
    found.next()?.map(read_feed).transpose()
}

fn read_feed(row: &Row<'_>) -> Outcome<Feed> {
    let text = |at: usize| Ok::<_, Fault>(row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)?);
    let key_rule = row.get_ref(5)?.as_str_or_null().map_err(rusqlite::Error::from)?;
    Ok(Feed {
        id: FeedId::from_bytes(row.get(0)?),
        name: FeedName::new(text(1)?).map_err(|_| corrupt("a feed's name"))?,
        address: text(2)?.to_owned(),
        namespace: Namespace::new(text(3)?).map_err(|_| corrupt("a namespace"))?,
        status: rows::word(text(4)?)?,
        key_rule: key_rule.map(rows::word).transpose()?,
        allow_private: row.get(6)?,
        settings: Content::from_canonical(text(7)?),
        added_at: rows::instant(row.get(8)?)?,
    })
}

/// Writes down that a fetch begins, unless it is to fill a slot that is filled.
pub(crate) fn begin_fetch(session: &mut Session<'_>, intent: &FetchIntent, slot: Option<&Slot>) -> Outcome<()> {
    let conn = session.conn;
    let held: Option<(i64, bool)> = conn
        .prepare_cached("SELECT no, begun IS NOT NULL FROM fetches WHERE id = ?")?
        .query_row([intent.fetch.as_bytes()], |row| Ok((row.get(0)?, row.get(1)?)))
        .optional()?;
    if held.is_some_and(|(_, is_begun)| is_begun) {
        return Err(StorageError::conflict(format!("fetch {} is known already", intent.fetch)).into());
    }
    if let Some(slot) = slot
        && !leases::is_open(conn, intent.feed, slot)?
    {
        return Err(slot.filled(intent.feed).into());
    }
    let feed = session.feed(intent.feed)?;
    let last: Option<(i64, i64, bool)> = conn
        .prepare_cached(
            "SELECT no, begun, finished_at IS NULL FROM fetches
             WHERE feed = ? AND begun IS NOT NULL ORDER BY begun DESC LIMIT 1",
        )?
        .query_row([feed], |row| Ok((row.get(0)?, row.get(1)?, row.get(2)?)))
        .optional()?;
    // Whoever begins a fetch interrupts the one before, so no earlier one can still be running.
    if let Some((running, ..)) = last.filter(|(.., runs)| *runs) {
        conn.prepare_cached(&format!("{INTERRUPT} WHERE no = ?2"))?
            .execute((intent.started_at.as_micros(), running))?;
    }
    let address = address(session, &intent.address)?;
    let lease = slot.map(|slot| &slot.lease);
    let values: [&dyn ToSql; 8] = [
        &held.map(|(no, _)| no),
        intent.fetch.as_bytes(),
        &feed,
        &last.map_or(1, |(_, begun, _)| begun + 1),
        &address,
        &intent.started_at.as_micros(),
        &lease.map(|lease| &lease.host),
        &lease.map(|lease| lease.token.cast_signed()),
    ];
    conn.prepare_cached(
        "INSERT INTO fetches (no, id, feed, begun, address, started_at, lease_host, lease_token)
         VALUES (?, ?, ?, ?, ?, ?, ?, ?)
         ON CONFLICT (no) DO UPDATE SET feed = excluded.feed, begun = excluded.begun, address = excluded.address,
             started_at = excluded.started_at, lease_host = excluded.lease_host, lease_token = excluded.lease_token",
    )?
    .execute(values.as_slice())?;
    Ok(())
}

/// Begins to fetch a feed that is polled; what is known of it, unless it is not.
pub(crate) fn begin_turn(
    session: &mut Session<'_>,
    feed: FeedId,
    fetch: FetchId,
    started_at: Timestamp,
    slot: Option<&Slot>,
) -> Outcome<Option<Outset>> {
    let conn = session.conn;
    let Some(feed) = find(conn, feed)?.filter(|feed| feed.status == FeedStatus::Active) else { return Ok(None) };
    let (mut cursor, mut told) = (None, None);
    if let Some(FeedRow { no, state, .. }) = FeedRow::load(conn, feed.id)? {
        if let Some(manifest) = &state.manifest {
            told = ledger::counts_of(conn, no, manifest.told_by)?;
        }
        cursor = state.to_cursor()?;
    }
    let schedule = schedules::of(conn, feed.id)?;
    // Last: what cannot be read begins nothing.
    let intent = FetchIntent { fetch, feed: feed.id, started_at, address: feed.address.clone() };
    begin_fetch(session, &intent, slot)?;
    Ok(Some(Outset { feed, cursor, told, schedule }))
}

/// The number of an address: most fetches ask one that was asked before.
pub(crate) fn address(session: &Session<'_>, address: &str) -> Outcome<i64> {
    let conn = session.conn;
    let found = conn
        .prepare_cached("SELECT no FROM addresses WHERE text = ?")?
        .query_row([address], |row| row.get(0))
        .optional()?;
    match found {
        Some(number) => Ok(number),
        None => Ok(conn.prepare_cached("INSERT INTO addresses (text) VALUES (?)")?.insert([address])?),
    }
}

/// Writes down what came of a fetch, and its feed's schedule if it was not interrupted.
pub(crate) fn finish_fetch(
    session: &mut Session<'_>,
    fetch: FetchId,
    detail: &FetchDetail,
    schedule: Option<&Schedule>,
) -> Outcome<()> {
    let conn = session.conn;
    let runs: Option<bool> = conn
        .prepare_cached("SELECT finished_at IS NULL FROM fetches WHERE id = ? AND begun IS NOT NULL")?
        .query_row([fetch.as_bytes()], |row| row.get(0))
        .optional()?;
    let runs = runs.ok_or_else(|| StorageError::invalid(format!("fetch {fetch} was never begun")))?;
    let values: [&dyn ToSql; 10] = [
        fetch.as_bytes(),
        &detail.status.as_str(),
        &detail.finished_at.as_micros(),
        &detail.http_status,
        &detail.wire_bytes.cast_signed(),
        &detail.body_bytes.cast_signed(),
        &detail.duration_ms.cast_signed(),
        &detail.code,
        &detail.reason,
        &rows::stored_metadata(&detail.notes),
    ];
    conn.prepare_cached(
        "UPDATE fetches SET status = ?2, finished_at = ?3, http_status = ?4, wire_bytes = ?5, body_bytes = ?6,
                duration_ms = ?7, code = ?8, reason = ?9, notes = ?10, lease_host = NULL, lease_token = NULL
         WHERE id = ?1",
    )?
    .execute(values.as_slice())?;
    schedule.filter(|_| runs).map_or(Ok(()), |schedule| schedules::write(conn, schedule))
}

/// Whether a fetch was marked interrupted: it commits nothing that moves a cursor.
pub(crate) fn is_interrupted(conn: &Connection, fetch: FetchId) -> Outcome<bool> {
    let sql = "SELECT status IS 'interrupted' FROM fetches WHERE id = ?";
    let found = conn.prepare_cached(sql)?.query_row([fetch.as_bytes()], |row| row.get(0)).optional()?;
    Ok(found.unwrap_or(false))
}

/// The fetches of a feed, newest first.
pub(crate) fn fetches_page(conn: &Connection, feed: FeedId, page: &PageRequest) -> Outcome<Page<Fetch>> {
    let of = format!("fetches {feed}");
    let before = page.after.as_ref().map(|cursor| number_of(&cursor.position(&of)?)).transpose()?.unwrap_or(i64::MAX);
    let Some(number) = find_feed(conn, feed)? else { return Ok(Page { items: Vec::new(), next: None }) };
    let mut load = conn.prepare_cached(&format!(
        "SELECT {FETCH_COLUMNS}, f.begun FROM {FETCHES}
         WHERE f.feed = ? AND f.begun < ? AND f.begun IS NOT NULL ORDER BY f.begun DESC LIMIT ?"
    ))?;
    let mut found = load.query((number, before, limit(page.size() + 1)))?;
    let mut fetches = Vec::new();
    while let Some(row) = found.next()? {
        fetches.push((row.get::<_, i64>(13)?, read_fetch(row)?));
    }
    let more = fetches.len() > page.size();
    fetches.truncate(page.size());
    let next = fetches.last().filter(|_| more).map(|(begun, _)| Cursor::new(&of, &[Json::from(*begun)]));
    Ok(Page { items: fetches.into_iter().map(|(_, fetch)| fetch).collect(), next })
}

/// The fetches of all feeds, by descending id.
pub(crate) fn all_fetches_page(conn: &Connection, page: &PageRequest) -> Outcome<Page<Fetch>> {
    const OF: &str = "all fetches";
    // Longer than an id, and so behind all.
    let behind_all = [u8::MAX; 17].to_vec();
    let before = page.after.as_ref().map(|cursor| id_of(&cursor.position(OF)?)).transpose()?;
    let before = before.map_or(behind_all, |id| id.as_bytes().to_vec());
    let mut load = conn.prepare_cached(&format!(
        "SELECT {FETCH_COLUMNS} FROM {FETCHES}
         WHERE f.id < ? AND f.begun IS NOT NULL ORDER BY f.id DESC LIMIT ?"
    ))?;
    let mut found = load.query((before, limit(page.size() + 1)))?;
    let mut items = Vec::new();
    while let Some(row) = found.next()? {
        items.push(read_fetch(row)?);
    }
    let more = items.len() > page.size();
    items.truncate(page.size());
    let place = |fetch: &Fetch| Cursor::new(OF, &[Json::from(fetch.intent.fetch.to_string())]);
    let next = items.last().filter(|_| more).map(place);
    Ok(Page { items, next })
}

/// The id that a cursor of a list by id holds.
fn id_of(position: &[Json]) -> Result<FetchId, StorageError> {
    let id = position.first().and_then(Json::as_str).and_then(|text| text.parse().ok());
    id.ok_or_else(|| StorageError::invalid("the cursor does not fit the list"))
}

const FETCHES: &str = "fetches f JOIN feeds o ON o.no = f.feed JOIN addresses a ON a.no = f.address";
const FETCH_COLUMNS: &str = "f.id, o.id, f.started_at, a.text, f.finished_at, f.status, f.http_status, f.wire_bytes,
    f.body_bytes, f.duration_ms, f.code, f.reason, f.notes";

fn read_fetch(row: &Row<'_>) -> Outcome<Fetch> {
    let intent = FetchIntent {
        fetch: FetchId::from_bytes(row.get(0)?),
        feed: FeedId::from_bytes(row.get(1)?),
        started_at: rows::instant(row.get(2)?)?,
        address: row.get(3)?,
    };
    let Some(finished_at) = rows::optional_instant(row.get(4)?)? else { return Ok(Fetch { intent, detail: None }) };
    let detail = FetchDetail {
        status: rows::word(row.get_ref(5)?.as_str().map_err(rusqlite::Error::from)?)?,
        finished_at,
        http_status: row.get(6)?,
        wire_bytes: row.get::<_, i64>(7)?.cast_unsigned(),
        body_bytes: row.get::<_, i64>(8)?.cast_unsigned(),
        duration_ms: row.get::<_, i64>(9)?.cast_unsigned(),
        code: row.get(10)?,
        reason: row.get(11)?,
        notes: rows::metadata(row, 12)?,
    };
    Ok(Fetch { intent, detail: Some(detail) })
}
