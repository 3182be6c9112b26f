//! What is kept of feeds and of their observations: states, the ledger, the parts of fetches, the quarantine.

use duckdb::{Connection, params};
use feedspine_core::ingest::{FeedState, LedgerRow, PartRow};
use feedspine_core::{Coverage, FeedId, FetchId, Observation, Quarantined, StorageError};
use serde::Serialize;

use crate::error::{Outcome, corrupt};
use crate::rows::{self, COUNTS, Columns, instant, optional_id};

/// What is held of a feed.
pub(crate) fn feed(conn: &Connection, feed: FeedId) -> Outcome<Option<FeedState>> {
    rows::first(conn, "SELECT state FROM _feeds WHERE feed = ?", &[&feed.to_string()], rows::document)
}

/// Keeps what is held of a feed.
pub(crate) fn put_feed(conn: &Connection, feed: FeedId, state: &FeedState) -> Outcome<()> {
    let (feed, state) = (feed.to_string(), document(state)?);
    let updated = conn.execute("UPDATE _feeds SET state = ? WHERE feed = ?", [&state, &feed])?;
    match updated {
        0 => rows::append(conn, "feeds", [(feed, state)], |to, (feed, state)| to.append_row(params![feed, state])),
        _ => Ok(()),
    }
}

fn document(row: &impl Serialize) -> Outcome<String> {
    Ok(serde_json::to_string(row)
        .map_err(|error| StorageError::internal("a row has no JSON form").with_source(error))?)
}

/// The columns of a row of the ledger, in the order that [`read`] takes them.
pub(crate) fn columns() -> String {
    format!("feed, number, fetch_id, ended, round, coverage, repeats, observed_at, recorded_at, {COUNTS}")
}

/// Reads a row of the ledger and its number.
pub(crate) fn read(columns: &mut Columns<'_>) -> Outcome<(u64, LedgerRow)> {
    let (feed, number, fetch, ended) = (columns.word()?, columns.take()?, columns.word()?, columns.take()?);
    let round = columns.optional_round()?;
    let word = columns.text()?;
    let coverage = match (word, columns.optional()?) {
        (Some("snapshot"), _) => Coverage::Snapshot { complete: true },
        (Some("incomplete"), _) => Coverage::Snapshot { complete: false },
        (Some("delta"), _) => Coverage::Delta,
        (Some("unchanged"), Some(of)) => Coverage::Unchanged { of },
        _ => return Err(corrupt("a coverage")),
    };
    let (observed_at, recorded_at, counts) = (columns.instant()?, columns.instant()?, columns.counts()?);
    let observation = Observation { feed, fetch, round, coverage, observed_at, recorded_at, counts };
    Ok((number, LedgerRow { observation, ended }))
}

/// What the ledger holds of a fetch, with its number.
pub(crate) fn find(conn: &Connection, feed: FeedId, fetch: FetchId) -> Outcome<Option<(u64, LedgerRow)>> {
    let sql = format!("SELECT {} FROM _ledger WHERE feed = ? AND fetch_id = ?", columns());
    rows::first(conn, &sql, &[&feed.to_string(), &fetch.to_string()], read)
}

/// Writes the row of a fetch, in the place of what earlier parts left of it.
pub(crate) fn put(conn: &Connection, number: Option<u64>, row: &LedgerRow) -> Outcome<()> {
    let feed = row.observation.feed.to_string();
    let number = match number {
        Some(number) => {
            rows::execute(conn, "DELETE FROM _ledger WHERE feed = ? AND number = ?", &[&feed, &number])?;
            number
        }
        None => next_number(conn, "ledger", row.observation.feed)?,
    };
    append(conn, [(number, row)])
}

/// Appends rows to the ledger, each with its number.
pub(crate) fn append<'a>(conn: &Connection, rows: impl IntoIterator<Item = (u64, &'a LedgerRow)>) -> Outcome<()> {
    rows::append(conn, "ledger", rows, |to, (number, row)| {
        let Observation { feed, fetch, round, coverage, observed_at, recorded_at, counts } = &row.observation;
        let of = match coverage {
            Coverage::Unchanged { of } => Some(of),
            _ => None,
        };
        to.append_row(params![
            feed.to_string(),
            number,
            fetch.to_string(),
            row.ended,
            round.map(feedspine_core::Round::get),
            coverage.as_str(),
            optional_id(of),
            instant(*observed_at),
            instant(*recorded_at),
            counts.seen,
            counts.new,
            counts.changed,
            counts.unchanged,
            counts.rejected,
            counts.repeated,
            counts.withdrawn,
            counts.scrolled_off,
            counts.returned,
            counts.gaps,
            counts.held_back
        ])
    })
}

/// The number after the last of a feed's rows in a table that numbers them.
pub(crate) fn next_number(conn: &Connection, table: &str, feed: FeedId) -> Outcome<u64> {
    let sql = format!("SELECT coalesce(max(number), 0) FROM _{table} WHERE feed = ?");
    let last: Option<u64> = rows::first(conn, &sql, &[&feed.to_string()], rows::value)?;
    Ok(last.unwrap_or_default() + 1)
}

/// A committed part of a fetch.
pub(crate) fn part(conn: &Connection, feed: FeedId, fetch: FetchId, part: u32) -> Outcome<Option<PartRow>> {
    let sql = "SELECT told FROM _parts WHERE feed = ? AND fetch_id = ? AND part = ?";
    rows::first(conn, sql, &[&feed.to_string(), &fetch.to_string(), &part], rows::document)
}

/// All committed parts of a fetch.
pub(crate) fn parts(conn: &Connection, feed: FeedId, fetch: FetchId) -> Outcome<Vec<PartRow>> {
    let sql = "SELECT told FROM _parts WHERE feed = ? AND fetch_id = ?";
    rows::all(conn, sql, &[&feed.to_string(), &fetch.to_string()], rows::document)
}

/// Appends parts of fetches, each with its feed, fetch and index.
pub(crate) fn append_parts<'a>(
    conn: &Connection,
    parts: impl IntoIterator<Item = (FeedId, FetchId, u32, &'a PartRow)>,
) -> Outcome<()> {
    let told = parts.into_iter().map(|(feed, fetch, index, part)| Ok((feed, fetch, index, document(part)?)));
    rows::append(conn, "parts", told.collect::<Outcome<Vec<_>>>()?, |to, (feed, fetch, index, told)| {
        to.append_row(params![feed.to_string(), fetch.to_string(), index, told])
    })
}

/// Appends to a feed's quarantine.
pub(crate) fn quarantine(conn: &Connection, feed: FeedId, entries: &[Quarantined]) -> Outcome<()> {
    if entries.is_empty() {
        return Ok(());
    }
    let first = next_number(conn, "rejects", feed)?;
    rows::append(conn, "rejects", (first..).zip(entries), |to, (number, entry)| {
        let reject = &entry.reject;
        to.append_row(params![
            feed.to_string(),
            number,
            entry.fetch.to_string(),
            instant(entry.recorded_at),
            reject.ordinal,
            reject.key.as_ref().map(|key| key.namespace().as_str().to_owned()),
            reject.key.as_ref().map(|key| key.key().to_owned()),
            reject.code,
            reject.reason,
            reject.excerpt
        ])
    })
}
