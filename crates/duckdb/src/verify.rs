//! What a file keeps twice for its own sake, compared: rows do not show it, and questions are answered by it.

use duckdb::Connection;

use crate::error::Outcome;
use crate::rows::{self, no_values};
use crate::schema;

/// Rows that hold a key and its hash, with what they are called.
const KEYS: [(&str, &str); 2] = [
    ("record", "SELECT record, key_hash, namespace, key FROM _versions WHERE is_top"),
    ("told sighting of fetch", "SELECT fetch_id, key_hash, namespace, key FROM _told WHERE key IS NOT NULL"),
];

const POINTS: &str = "SELECT p.fetch_id FROM _points p JOIN _ledger l ON l.feed = p.feed AND l.fetch_id = p.fetch_id
                      WHERE p.observed_at <> l.observed_at GROUP BY p.fetch_id ORDER BY p.fetch_id";

/// Compares everything; what is wrong, a sentence each.
pub(crate) fn verify(conn: &Connection) -> Outcome<Vec<String>> {
    schema::known(conn)?;
    let mut faults = Vec::new();
    for (what, sql) in KEYS {
        rows::all(conn, sql, no_values(), |columns| {
            let (id, key_hash): (String, _) = (columns.word()?, columns.key_hash()?);
            let key = columns.key()?;
            if key.hash() != key_hash {
                faults.push(format!("{what} {id}: it is not found by its key {key}"));
            }
            Ok(())
        })?;
    }
    for fetch in rows::all(conn, POINTS, no_values(), rows::word::<String>)? {
        faults.push(format!("fetch {fetch}: point sightings are of another time than their observation"));
    }
    Ok(faults)
}
