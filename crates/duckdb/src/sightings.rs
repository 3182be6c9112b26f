//! Sightings of a key: points, a row for each round of each span, and those told by a call.

use std::collections::HashMap;

use duckdb::Connection;
use feedspine_core::{KeyHash, NaturalKey, Page, PageRequest, Seen, Sighting};

use crate::error::Outcome;
use crate::rows::{self, HASHES, list_hashes};

/// What observations have captured of the keys that a condition chooses. It stands in the SQL of each table, since none
/// is pushed down from above: it is bound three times.
pub(crate) fn captured(which: &str) -> String {
    format!(
        "SELECT s.key_hash, s.feed, l.fetch_id, l.observed_at, s.version FROM _spans s
         JOIN _ledger l ON l.feed = s.feed AND l.round BETWEEN s.since AND s.until WHERE s.key_hash {which}
         UNION ALL
         SELECT s.key_hash, s.feed, l.fetch_id, l.observed_at, s.version FROM _standings s
         JOIN _ledger l ON l.feed = s.feed AND l.round >= s.since WHERE s.is_open AND s.key_hash {which}
         UNION ALL
         SELECT key_hash, feed, fetch_id, observed_at, version FROM _points WHERE key_hash {which}"
    )
}

/// All sightings of the keys that a condition chooses: what was captured, and what was told of observations that have not
/// captured the key. It is bound seven times.
pub(crate) fn seen(which: &str) -> String {
    let captured = captured(which);
    format!(
        "{captured}
         UNION ALL
         SELECT t.key_hash, t.feed, t.fetch_id, t.observed_at, NULL FROM _told t
         WHERE t.key_hash {which} AND NOT EXISTS (SELECT 1 FROM ({captured}) c
         WHERE c.key_hash = t.key_hash AND c.feed = t.feed AND c.fetch_id = t.fetch_id)"
    )
}

/// A page of a key's sightings.
pub(crate) fn sightings_page(conn: &Connection, key: &NaturalKey, page: &PageRequest) -> Outcome<Page<Sighting>> {
    let sql = format!("SELECT feed, fetch_id, observed_at, version FROM ({})", seen("= ?"));
    let hash = key.hash();
    let hash = &hash.as_bytes().as_slice();
    let all = rows::all(conn, &sql, &[hash, hash, hash, hash, hash, hash, hash], |columns| {
        Ok(Sighting {
            key: key.clone(),
            feed: columns.word()?,
            fetch: columns.word()?,
            observed_at: columns.instant()?,
            version: columns.optional_version()?,
        })
    })?;
    Ok(page.cut_sightings(key, all)?)
}

/// The sightings of each key in figures.
pub(crate) fn seen_many(conn: &Connection, keys: &[NaturalKey]) -> Outcome<Vec<Option<Seen>>> {
    if keys.is_empty() {
        return Ok(Vec::new());
    }
    let hashes: Vec<KeyHash> = keys.iter().map(NaturalKey::hash).collect();
    let list = &list_hashes(&hashes);
    let sql = format!(
        "SELECT key_hash, count(*), min(observed_at), max(observed_at) FROM ({}) GROUP BY key_hash",
        seen(&format!("IN {HASHES}"))
    );
    let figures = rows::all(conn, &sql, &[list, list, list, list, list, list, list], |columns| {
        let key_hash = columns.key_hash()?;
        let seen = Seen { count: columns.take()?, earliest: columns.instant()?, latest: columns.instant()? };
        Ok((key_hash, seen))
    })?;
    let figures: HashMap<KeyHash, Seen> = figures.into_iter().collect();
    Ok(hashes.iter().map(|hash| figures.get(hash).copied()).collect())
}
