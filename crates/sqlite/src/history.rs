//! Lists in the order of commits: versions, ledger, quarantine.

use feedspine_core::ingest::{Observation, Reject};
use feedspine_core::{
    Cursor, FeedId, FetchId, HashRuleId, Json, Layer, Origin, Page, PageRequest, Quarantined, RecordId, StorageError,
    Version,
};
use rusqlite::{Connection, Row};

use crate::error::Outcome;
use crate::ledger::{self, OF};
use crate::rows;
use crate::session::{find_feed, find_record};

/// A page of a list whose entries are numbered: `load` reads entries after a number, so many at most.
pub(crate) fn numbered_page<T>(
    page: &PageRequest,
    of: &str,
    load: impl FnOnce(i64, i64) -> Outcome<Vec<(i64, T)>>,
) -> Outcome<Page<T>> {
    let after = page.after.as_ref().map(|cursor| number_of(&cursor.position(of)?)).transpose()?;
    let mut found = load(after.unwrap_or(0), limit(page.size() + 1))?;
    let more = found.len() > page.size();
    found.truncate(page.size());
    let next = found.last().filter(|_| more).map(|(number, _)| Cursor::new(of, &[Json::from(*number)]));
    Ok(Page { items: found.into_iter().map(|(_, entry)| entry).collect(), next })
}

/// The number that a cursor of a numbered list holds.
pub(crate) fn number_of(position: &[Json]) -> Result<i64, StorageError> {
    let number = match position {
        [Json::Number(number)] => number.as_i64(),
        _ => None,
    };
    number.ok_or_else(|| StorageError::invalid("the cursor does not fit the list"))
}

/// A `LIMIT` to be bound.
pub(crate) fn limit(entries: usize) -> i64 {
    i64::try_from(entries).unwrap_or(i64::MAX)
}

/// The versions of a record at a layer, from the first.
pub(crate) fn versions_page(
    conn: &Connection,
    id: RecordId,
    layer: Layer,
    page: &PageRequest,
) -> Outcome<Page<Version>> {
    numbered_page(page, &format!("versions {id} {layer}"), |after, limit| {
        let Some(record) = find_record(conn, id)? else { return Ok(Vec::new()) };
        let before_first = rows::first_row(record, layer);
        let mut load = conn.prepare_cached(&versions_sql("NULL", "ORDER BY x.row LIMIT ?5"))?;
        let after = before_first.saturating_add(after);
        let own = crate::versions::own_row(record);
        let mut found = load.query((own, record, after, rows::last_row(record, layer), limit))?;
        let mut versions = Vec::new();
        while let Some(row) = found.next()? {
            versions.push((row.get::<_, i64>(0)? - before_first, read_version(row, id)?));
        }
        Ok(versions)
    })
}

/// Selects the versions in a range of rows: a record's own row and number, then before the first and the last row.
pub(crate) fn versions_sql(further: &str, order: &str) -> String {
    format!(
        "SELECT x.row, v.hash, v.content, v.metadata, v.published, v.updated, v.recorded_at,
                v.from_layer, v.from_version, v.from_hash, v.from_deleted, f.id, t.id, r.id, {further}
         FROM (SELECT ?1 AS row, ?2 AS content UNION ALL SELECT row, content FROM revisions
               WHERE row > ?3 AND row <= ?4) x
         JOIN contents v ON v.no = x.content JOIN rules r ON r.no = v.rule
         LEFT JOIN feeds f ON f.no = v.feed LEFT JOIN fetches t ON t.no = v.fetch
         WHERE x.row > ?3 AND x.row <= ?4 {order}"
    )
}

/// Reads what [`versions_sql`] selects.
pub(crate) fn read_version(row: &Row<'_>, record: RecordId) -> Outcome<Version> {
    let (layer, number) = rows::split_row(row.get(0)?)?;
    let origin = match (row.get::<_, Option<[u8; 16]>>(11)?, row.get::<_, Option<[u8; 16]>>(12)?) {
        (Some(feed), Some(fetch)) => Some(Origin { feed: FeedId::from_bytes(feed), fetch: FetchId::from_bytes(fetch) }),
        _ => None,
    };
    Ok(Version {
        record,
        layer,
        number,
        content: rows::content(row, 1, 2)?,
        hash_rule: HashRuleId::from_stored(row.get_ref(13)?.as_str().map_err(rusqlite::Error::from)?),
        metadata: rows::metadata(row, 3)?,
        published: rows::optional_instant(row.get(4)?)?,
        updated: rows::optional_instant(row.get(5)?)?,
        recorded_at: rows::instant(row.get(6)?)?,
        origin,
        derived_from: rows::lineage(row, 7)?,
    })
}

/// The feed's ledger.
pub(crate) fn observations_page(conn: &Connection, feed: FeedId, page: &PageRequest) -> Outcome<Page<Observation>> {
    numbered_page(page, &format!("observations {feed}"), |after, limit| {
        let Some(number) = find_feed(conn, feed)? else { return Ok(Vec::new()) };
        let mut load = conn.prepare_cached(&observations_sql("l.place > ? ORDER BY l.place LIMIT ?"))?;
        let mut found = load.query((number, after, limit))?;
        let mut observations = Vec::new();
        while let Some(row) = found.next()? {
            observations.push((row.get(0)?, read_observation(row, feed, 7)?));
        }
        Ok(observations)
    })
}

/// The row that a fetch has in the feed's ledger.
pub(crate) fn observation(conn: &Connection, feed: FeedId, fetch: FetchId) -> Outcome<Option<Observation>> {
    let Some(number) = find_feed(conn, feed)? else { return Ok(None) };
    let mut load = conn.prepare_cached(&observations_sql("f.id = ?"))?;
    let mut found = load.query((number, fetch.as_bytes()))?;
    found.next()?.map(|row| read_observation(row, feed, 7)).transpose()
}

/// Selects rows of a feed's ledger: its number, then what the condition asks.
fn observations_sql(condition: &str) -> String {
    format!(
        "SELECT l.place, f.id, l.round, l.observed_at, l.recorded_after, l.coverage, {OF}, {}
         FROM ledger l JOIN fetches f ON f.no = l.fetch WHERE l.feed = ? AND {condition}",
        rows::COUNTS
    )
}

/// Reads a row of the ledger; its counts begin at that column.
pub(crate) fn read_observation(row: &Row<'_>, feed: FeedId, counts: usize) -> Outcome<Observation> {
    let observed_at = rows::instant(row.get(3)?)?;
    Ok(Observation {
        feed,
        fetch: FetchId::from_bytes(row.get(1)?),
        round: row.get::<_, Option<i64>>(2)?.map(rows::round).transpose()?,
        coverage: ledger::read_coverage(row, 5)?,
        observed_at,
        recorded_at: observed_at.saturating_add_micros(row.get(4)?),
        counts: rows::counts(row, counts)?,
    })
}

/// The feed's quarantine.
pub(crate) fn rejects_page(conn: &Connection, feed: FeedId, page: &PageRequest) -> Outcome<Page<Quarantined>> {
    numbered_page(page, &format!("rejects {feed}"), |after, limit| {
        let Some(number) = find_feed(conn, feed)? else { return Ok(Vec::new()) };
        let mut load =
            conn.prepare_cached(&format!("{REJECTS} WHERE r.feed = ? AND r.place > ? ORDER BY r.place LIMIT ?"))?;
        let mut found = load.query((number, after, limit))?;
        let mut rejects = Vec::new();
        while let Some(row) = found.next()? {
            rejects.push((row.get(0)?, read_reject(row)?));
        }
        Ok(rejects)
    })
}

/// Selects entries of the quarantine.
pub(crate) const REJECTS: &str =
    "SELECT r.place, f.id, r.recorded_at, r.ordinal, r.namespace, r.key, r.code, r.reason, r.excerpt
     FROM rejects r JOIN fetches f ON f.no = r.fetch";

/// Reads what [`REJECTS`] selects.
pub(crate) fn read_reject(row: &Row<'_>) -> Outcome<Quarantined> {
    let has_key = row.get_ref(5)?.as_str_or_null().map_err(rusqlite::Error::from)?.is_some();
    let reject = Reject {
        ordinal: row.get(3)?,
        key: if has_key { Some(rows::key(row, 4)?) } else { None },
        code: row.get(6)?,
        reason: row.get(7)?,
        excerpt: row.get(8)?,
    };
    Ok(Quarantined { fetch: FetchId::from_bytes(row.get(1)?), recorded_at: rows::instant(row.get(2)?)?, reject })
}
