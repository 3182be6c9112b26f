//! The control plane in the same schema: feeds, and what became of each fetch.

use feedspine_core::{
    Content, Cursor, Feed, FeedId, FeedName, FeedStatus, Fetch, FetchDetail, FetchId, FetchIntent, Json, KeyRule,
    Namespace, Page, PageRequest, Schedule, Slot, StorageError,
};

use crate::bind::{bind, bound};
use crate::error::Outcome;
use crate::history::{limit, number_of, read_all};
use crate::rows::{self, Columns, corrupt};
use crate::session::{Session, both};
use crate::{leases, schedules};

/// Marks running fetches as interrupted, at the first value; which ones is the caller's to say.
pub(crate) const INTERRUPT: &str = "UPDATE fetches SET status = 'interrupted', finished_at = $1, wire_bytes = 0,
    body_bytes = 0, duration_ms = 0, lease_host = NULL, lease_token = NULL";

const FEED_COLUMNS: &str = "id, name, address, namespace, status, key_rule, allow_private, settings, added_at";

/// Adds a feed. The session holds the lock of the directory.
pub(crate) async fn add_feed(session: &Session, feed: &Feed) -> Outcome<()> {
    if is_known(session, feed.id).await? {
        return Err(StorageError::conflict(format!("feed {} is known already", feed.id)).into());
    }
    check_name(session, feed).await?;
    let statement = format!("INSERT INTO control_feeds ({FEED_COLUMNS}) VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9)");
    let values = &bind![
        rows::feed_uuid(feed.id),
        feed.name.as_str(),
        rows::quoted(&feed.address),
        feed.namespace.as_str(),
        feed.status.as_str(),
        feed.key_rule.map(KeyRule::as_str),
        feed.allow_private,
        feed.settings.as_str(),
        feed.added_at.as_micros(),
    ];
    session.execute(&statement, values).await
}

/// Replaces a feed that is still as it is held; whether it was. The session holds the lock of the directory, so that nobody
/// changes it in between.
pub(crate) async fn replace_feed(session: &Session, held: &Feed, feed: &Feed) -> Outcome<bool> {
    if !known(session, feed.id).await?.is_still(held) {
        return Ok(false);
    }
    check_name(session, feed).await?;
    let statement = "UPDATE control_feeds SET name = $2, address = $3, status = $4, allow_private = $5, settings = $6
        WHERE id = $1";
    let values = &bind![
        rows::feed_uuid(feed.id),
        feed.name.as_str(),
        rows::quoted(&feed.address),
        feed.status.as_str(),
        feed.allow_private,
        feed.settings.as_str(),
    ];
    session.execute(statement, values).await?;
    Ok(true)
}

/// Settles where a feed's keys are taken from; the rule in force. The session holds the lock of the directory.
pub(crate) async fn settle_key_rule(session: &Session, feed: FeedId, rule: KeyRule) -> Outcome<KeyRule> {
    let statement = "UPDATE control_feeds SET key_rule = coalesce(key_rule, $2) WHERE id = $1 RETURNING key_rule";
    match session.query_opt(statement, &bind![rows::feed_uuid(feed), rule.as_str()]).await? {
        Some(row) => Columns::of(&row).word(),
        None => Err(StorageError::invalid(format!("there is no feed {feed}")).into()),
    }
}

async fn known(session: &Session, feed: FeedId) -> Outcome<Feed> {
    let statement = format!("SELECT {FEED_COLUMNS} FROM control_feeds WHERE id = $1");
    let found = session.query(&statement, &bind![rows::feed_uuid(feed)]).await?;
    let held = read_all(&found, read_feed)?.pop();
    held.ok_or_else(|| StorageError::invalid(format!("there is no feed {feed}")).into())
}

async fn is_known(session: &Session, feed: FeedId) -> Outcome<bool> {
    let statement = "SELECT 1 FROM control_feeds WHERE id = $1";
    Ok(session.query_opt(statement, &bind![rows::feed_uuid(feed)]).await?.is_some())
}

/// A name belongs to one feed at a time; removed feeds need none.
async fn check_name(session: &Session, feed: &Feed) -> Outcome<()> {
    if feed.status == FeedStatus::Removed {
        return Ok(());
    }
    match feed_named(session, &feed.name).await?.filter(|holder| holder.id != feed.id) {
        None => Ok(()),
        Some(_) => Err(StorageError::conflict(format!("there is a feed named {} already", feed.name))
            .with_hint("choose another name")
            .into()),
    }
}

pub(crate) async fn feeds(session: &Session) -> Outcome<Vec<Feed>> {
    let statement = format!("SELECT {FEED_COLUMNS} FROM control_feeds ORDER BY name, id");
    read_all(&session.query(&statement, &[]).await?, read_feed)
}

pub(crate) async fn feed_named(session: &Session, name: &FeedName) -> Outcome<Option<Feed>> {
    let statement = format!("SELECT {FEED_COLUMNS} FROM control_feeds WHERE name = $1 AND status <> 'removed'");
    let found = session.query(&statement, &bind![name.as_str()]).await?;
    Ok(read_all(&found, read_feed)?.pop())
}

fn read_feed(columns: &mut Columns<'_>) -> Outcome<Feed> {
    Ok(Feed {
        id: columns.feed()?,
        name: FeedName::new(columns.take()?).map_err(|_| corrupt("a feed's name"))?,
        address: columns.unquoted()?,
        namespace: Namespace::new(columns.take()?).map_err(|_| corrupt("a namespace"))?,
        status: columns.word()?,
        key_rule: columns.optional_word()?,
        allow_private: columns.take()?,
        settings: Content::from_canonical(columns.take::<&str>()?),
        added_at: columns.instant()?,
    })
}

/// Whether a fetch was begun now or before.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Begun {
    Now,
    Before,
}

/// Writes down that a fetch begins, unless it is to fill a slot that is filled. The session holds the lock of the feed's
/// fetches.
///
/// A lease and then a fetch: in this order rows are locked, here and where a lease is granted. The schedule is asked last:
/// whoever ended the fetch before in the meantime had its row locked, and committed the schedule with it.
pub(crate) async fn begin_fetch(session: &Session, intent: &FetchIntent, slot: Option<&Slot>) -> Outcome<Begun> {
    let (feed, fetch) = (rows::feed_uuid(intent.feed), rows::fetch_uuid(intent.fetch));
    let known = session.query_opt("SELECT 1 FROM fetches WHERE id = $1", &bind![fetch]).await?;
    if known.is_some() {
        return Ok(Begun::Before);
    }
    let filled = |slot: &Slot| Err(slot.filled(intent.feed).into());
    if let Some(slot) = slot
        && !leases::keep(session, &slot.lease).await?
    {
        return filled(slot);
    }
    // Whoever begins a fetch interrupts the one before, so no earlier one can still be running.
    let interrupt = format!(
        "{INTERRUPT}
         WHERE feed = $2 AND finished_at IS NULL AND begun = (SELECT max(begun) FROM fetches WHERE feed = $2)"
    );
    session.execute(&interrupt, &bind![intent.started_at.as_micros(), feed]).await?;
    if let Some(slot) = slot
        && !schedules::is_due(session, intent.feed, slot.due_at).await?
    {
        return filled(slot);
    }
    let begin = "INSERT INTO fetches (id, feed, begun, address, started_at, lease_host, lease_token)
         SELECT $1, $2, coalesce(max(begun), 0) + 1, $3, $4, $5, $6 FROM fetches WHERE feed = $2";
    let lease = slot.map(|slot| &slot.lease);
    let values = &bind![
        fetch,
        feed,
        rows::quoted(&intent.address),
        intent.started_at.as_micros(),
        lease.map(|lease| lease.host.as_str()),
        lease.map(|lease| lease.token.cast_signed()),
    ];
    session.execute(begin, values).await?;
    Ok(Begun::Now)
}

/// The error for a fetch that is known.
pub(crate) fn known_fetch(fetch: FetchId) -> StorageError {
    StorageError::conflict(format!("fetch {fetch} is known already"))
}

/// Writes down what came of a fetch, and its feed's schedule if it was not interrupted.
pub(crate) async fn finish_fetch(
    session: &Session,
    fetch: FetchId,
    detail: &FetchDetail,
    schedule: Option<&Schedule>,
) -> Outcome<()> {
    let unknown = || Err(StorageError::invalid(format!("fetch {fetch} was never begun")).into());
    let Some(schedule) = schedule else {
        return if end(session, fetch, detail).await? { Ok(()) } else { unknown() };
    };
    // Locked: nobody interrupts it before this is committed.
    let statement = "SELECT finished_at IS NULL FROM fetches WHERE id = $1 FOR UPDATE";
    let found = session.query_opt(statement, &bind![rows::fetch_uuid(fetch)]).await?;
    let Some(found) = found else { return unknown() };
    let set = async { if found.try_get(0)? { schedules::write(session, &[schedule]).await } else { Ok(()) } };
    both(end(session, fetch, detail), set).await.map(drop)
}

/// Whether there is such a fetch.
async fn end(session: &Session, fetch: FetchId, detail: &FetchDetail) -> Outcome<bool> {
    let statement = "UPDATE fetches SET status = $2, finished_at = $3, http_status = $4, wire_bytes = $5,
                            body_bytes = $6, duration_ms = $7, code = $8, reason = $9, notes = $10,
                            lease_host = NULL, lease_token = NULL
                     WHERE id = $1 RETURNING 1";
    let values = &bind![
        rows::fetch_uuid(fetch),
        detail.status.as_str(),
        detail.finished_at.as_micros(),
        detail.http_status.map(i32::from),
        detail.wire_bytes.cast_signed(),
        detail.body_bytes.cast_signed(),
        detail.duration_ms.cast_signed(),
        detail.code.as_deref().map(rows::quoted),
        detail.reason.as_deref().map(rows::quoted),
        rows::stored_metadata(&detail.notes),
    ];
    Ok(session.query_opt(statement, values).await?.is_some())
}

/// The fetches of a feed, newest first.
pub(crate) async fn fetches_page(session: &Session, feed: FeedId, page: &PageRequest) -> Outcome<Page<Fetch>> {
    let of = format!("fetches {feed}");
    let before = page.after.as_ref().map(|cursor| number_of(&cursor.position(&of)?)).transpose()?.unwrap_or(i64::MAX);
    let statement = format!(
        "SELECT {FETCH_COLUMNS}, begun FROM fetches WHERE feed = $1 AND begun < $2 ORDER BY begun DESC LIMIT $3"
    );
    let found = session.query(&statement, &bind![rows::feed_uuid(feed), before, limit(page)]).await?;
    let mut fetches = read_all(&found, |columns| Ok((read_fetch(columns)?, columns.take::<i64>()?)))?;
    let more = fetches.len() > page.size();
    fetches.truncate(page.size());
    let next = fetches.last().filter(|_| more).map(|(_, begun)| Cursor::new(&of, &[Json::from(*begun)]));
    Ok(Page { items: fetches.into_iter().map(|(fetch, _)| fetch).collect(), next })
}

/// The fetches of all feeds, by descending id.
pub(crate) async fn all_fetches_page(session: &Session, page: &PageRequest) -> Outcome<Page<Fetch>> {
    const OF: &str = "all fetches";
    let before = page.after.as_ref().map(|cursor| id_of(&cursor.position(OF)?)).transpose()?;
    let (whence, values) = match before {
        Some(id) => ("WHERE id < $2", vec![bound(limit(page)), bound(rows::fetch_uuid(id))]),
        None => ("", vec![bound(limit(page))]),
    };
    let statement = format!("SELECT {FETCH_COLUMNS} FROM fetches {whence} ORDER BY id DESC LIMIT $1");
    let mut items = read_all(&session.query(&statement, &values).await?, read_fetch)?;
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

const FETCH_COLUMNS: &str = "id, feed, started_at, address, finished_at, status, http_status, wire_bytes, body_bytes,
    duration_ms, code, reason, notes";

fn read_fetch(columns: &mut Columns<'_>) -> Outcome<Fetch> {
    let (fetch, feed, started_at) = (columns.fetch()?, columns.feed()?, columns.instant()?);
    let intent = FetchIntent { fetch, feed, started_at, address: columns.unquoted()? };
    let Some(finished_at) = columns.optional_instant()? else {
        columns.skip(8);
        return Ok(Fetch { intent, detail: None });
    };
    let detail = FetchDetail {
        status: columns.word()?,
        finished_at,
        http_status: columns.take::<Option<i32>>()?.and_then(|status| u16::try_from(status).ok()),
        wire_bytes: columns.unsigned()?,
        body_bytes: columns.unsigned()?,
        duration_ms: columns.unsigned()?,
        code: columns.optional_unquoted()?,
        reason: columns.optional_unquoted()?,
        notes: columns.metadata()?,
    };
    Ok(Fetch { intent, detail: Some(detail) })
}
