//! Lists that are read from their beginning: versions, the ledger, the quarantine, the change log.

use std::num::NonZeroUsize;

use duckdb::Connection;
use duckdb::types::ToSql;
use feedspine_core::ingest::LedgerRow;
use feedspine_core::{
    Change, ChangeKind, Event, FeedId, FetchId, Layer, Observation, Page, PageRequest, Quarantined, RecordId, Reject,
    Seq, Subject, Version,
};

use crate::error::{Fault, Outcome, corrupt};
use crate::ledger;
use crate::rows::{self, Columns, VERSION, Values, no_values};

/// A page of the versions of a record at a layer.
pub(crate) fn versions_page(
    conn: &Connection,
    record: RecordId,
    layer: Layer,
    page: &PageRequest,
) -> Outcome<Page<Version>> {
    let sql = format!("SELECT {VERSION} FROM _versions WHERE record = ? AND layer = ? AND number > ? ORDER BY number");
    let of = format!("versions {record} {layer}");
    numbered(conn, &of, page, &sql, &[&record.to_string(), &layer.rank()], |columns| {
        let version = rows::held_version(columns)?.stored.version;
        Ok((version.number.get().into(), version))
    })
}

/// A page of a feed's ledger.
pub(crate) fn observations_page(conn: &Connection, feed: FeedId, page: &PageRequest) -> Outcome<Page<Observation>> {
    let sql = format!("SELECT {} FROM _ledger WHERE feed = ? AND number > ? ORDER BY number", ledger::columns());
    numbered(conn, &format!("observations {feed}"), page, &sql, &[&feed.to_string()], |columns| {
        let (number, LedgerRow { observation, .. }) = ledger::read(columns)?;
        Ok((number, observation))
    })
}

/// The row that a fetch has in the feed's ledger.
pub(crate) fn observation(conn: &Connection, feed: FeedId, fetch: FetchId) -> Outcome<Option<Observation>> {
    Ok(ledger::find(conn, feed, fetch)?.map(|(_, LedgerRow { observation, .. })| observation))
}

/// A page of a feed's quarantine.
pub(crate) fn rejects_page(conn: &Connection, feed: FeedId, page: &PageRequest) -> Outcome<Page<Quarantined>> {
    let sql = "SELECT number, fetch_id, recorded_at, ordinal, namespace, key, code, reason, excerpt FROM _rejects
               WHERE feed = ? AND number > ? ORDER BY number";
    numbered(conn, &format!("rejects {feed}"), page, sql, &[&feed.to_string()], |columns| {
        Ok((columns.take()?, read_reject(columns)?))
    })
}

/// Reads the columns from `fetch` on of an entry of the quarantine.
pub(crate) fn read_reject(columns: &mut Columns<'_>) -> Outcome<Quarantined> {
    let (fetch, recorded_at) = (columns.word()?, columns.instant()?);
    let reject = Reject {
        ordinal: columns.take()?,
        key: columns.optional_key()?,
        code: columns.take()?,
        reason: columns.take()?,
        excerpt: columns.take()?,
    };
    Ok(Quarantined { fetch, recorded_at, reject })
}

/// A page of a list that a statement gives from beyond a number on, which is bound last.
fn numbered<T>(
    conn: &Connection,
    of: &str,
    page: &PageRequest,
    sql: &str,
    values: Values<'_>,
    read: impl FnMut(&mut Columns<'_>) -> Outcome<(u64, T)>,
) -> Outcome<Page<T>> {
    let sql = format!("{sql} LIMIT {}", page.size() + 1);
    let entries = |after: u64| {
        let values: Vec<&dyn ToSql> = values.iter().copied().chain([&after as &dyn ToSql]).collect();
        let found = rows::all(conn, &sql, &values, read).map_err(Fault::into_error)?;
        Ok(found.into_iter().map(Ok))
    };
    Ok(page.cut_numbered(of, entries)?)
}

/// The columns of an entry of the change log, in the order that [`read_event`] takes them.
pub(crate) const EVENT: &str = "kind, record, namespace, key, layer, version, feed, fetch_id, witness, recorded_at";

pub(crate) fn read_event(columns: &mut Columns<'_>) -> Outcome<Event> {
    let kind = columns.text()?.and_then(ChangeKind::from_word).ok_or_else(|| corrupt("a kind of change"))?;
    let (record, key) = (columns.optional()?, columns.optional_key()?);
    let (layer, version) = (columns.optional_layer()?, columns.optional_version()?);
    Ok(Event {
        kind,
        subject: record.zip(key).map(|(record, key)| Subject { record, key, layer, version }),
        feed: columns.optional()?,
        fetch: columns.optional()?,
        witness: columns.optional()?,
        recorded_at: columns.instant()?,
    })
}

/// Which line of its history the store's positions belong to.
pub(crate) fn epoch(conn: &Connection) -> Outcome<u32> {
    let epoch = rows::first(conn, "SELECT epoch FROM _history", no_values(), rows::value)?;
    epoch.ok_or_else(|| corrupt("no epoch of the change log"))
}

/// What happened to one record, oldest first.
pub(crate) fn changes_of(conn: &Connection, record: RecordId) -> Outcome<Vec<Change>> {
    let epoch = epoch(conn)?;
    let sql = format!("SELECT seq, {EVENT} FROM _changes WHERE record = ? ORDER BY seq");
    rows::all(conn, &sql, &[&record.to_string()], |columns| read_change(epoch, columns))
}

/// Changes after a position.
pub(crate) fn changes(conn: &Connection, after: &Seq, limit: NonZeroUsize) -> Outcome<Vec<Change>> {
    let epoch = epoch(conn)?;
    let after = after.number_in(epoch)?;
    let sql = format!("SELECT seq, {EVENT} FROM _changes WHERE seq > ? ORDER BY seq LIMIT ?");
    let limit = i64::try_from(limit.get()).unwrap_or(i64::MAX);
    rows::all(conn, &sql, &[&after, &limit], |columns| read_change(epoch, columns))
}

fn read_change(epoch: u32, columns: &mut Columns<'_>) -> Outcome<Change> {
    Ok(Change { seq: Seq::in_epoch(epoch, columns.take()?), event: read_event(columns)? })
}
