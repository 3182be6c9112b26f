//! Whether a store is sound: its schema, every value of every table, and what must hold between rows.

use duckdb::Connection;
use feedspine_core::CheckReport;

use crate::error::{Fault, Outcome};
use crate::import;
use crate::rows::{self, no_values};
use crate::schema;

/// What must hold between rows, since no index sees to it: what is said where it does not, and the rows that break it.
const RULES: [(&str, &str); 20] = [
    (
        "records with versions that are not numbered 1, 2, 3 …",
        "SELECT concat(record, ' at layer ', layer) FROM _versions GROUP BY record, layer
         HAVING min(number) <> 1 OR max(number) <> count(*) OR count(DISTINCT number) <> count(*)",
    ),
    (
        "records whose last version at a layer is not the current one, or not the only one",
        "SELECT concat(record, ' at layer ', layer) FROM _versions GROUP BY record, layer
         HAVING count(*) FILTER (is_current) <> 1 OR max(number) FILTER (is_current) <> max(number)",
    ),
    (
        "records for which not exactly the current version of the highest layer stands",
        "SELECT record FROM _versions GROUP BY record
         HAVING count(*) FILTER (is_top) <> 1 OR max(layer) FILTER (is_top) <> max(layer)
             OR NOT bool_and(is_current) FILTER (is_top)",
    ),
    (
        "records whose versions do not agree on the key or on when it was first seen",
        "SELECT record FROM _versions GROUP BY record
         HAVING count(DISTINCT (key_hash, namespace, key, key_rule, first_seen)) > 1",
    ),
    (
        "keys with more than one record",
        "SELECT concat(any_value(namespace), ' ', any_value(key)) FROM _versions GROUP BY key_hash
         HAVING count(DISTINCT record) > 1",
    ),
    ("feeds that are held twice", "SELECT feed FROM _feeds GROUP BY feed HAVING count(*) > 1"),
    ("feeds with a ledger that are not held", "SELECT DISTINCT feed FROM _ledger ANTI JOIN _feeds USING (feed)"),
    (
        "feeds with observations that are not numbered 1, 2, 3 …",
        "SELECT feed FROM _ledger GROUP BY feed
         HAVING min(number) <> 1 OR max(number) <> count(*) OR count(DISTINCT number) <> count(*)",
    ),
    (
        "feeds with rounds that are not numbered 1, 2, 3 …",
        "SELECT feed FROM _ledger GROUP BY feed
         HAVING min(round) <> 1 OR max(round) <> count(round) OR count(DISTINCT round) <> count(round)",
    ),
    (
        "fetches with more than one observation",
        "SELECT fetch_id FROM _ledger GROUP BY feed, fetch_id HAVING count(*) > 1",
    ),
    (
        "parts of fetches that are held twice",
        "SELECT concat(fetch_id, ' part ', part) FROM _parts GROUP BY feed, fetch_id, part HAVING count(*) > 1",
    ),
    ("parts of no observation", "SELECT fetch_id FROM _parts ANTI JOIN _ledger USING (feed, fetch_id)"),
    (
        "feeds with rejects that are not numbered 1, 2, 3 …",
        "SELECT feed FROM _rejects GROUP BY feed
         HAVING min(number) <> 1 OR max(number) <> count(*) OR count(DISTINCT number) <> count(*)",
    ),
    ("rejects of no observation", "SELECT fetch_id FROM _rejects ANTI JOIN _ledger USING (feed, fetch_id)"),
    (
        "records that stand twice with a feed, or of which there is no version",
        "SELECT record FROM _standings GROUP BY feed, key_hash, record HAVING count(*) > 1
         UNION ALL SELECT record FROM _standings ANTI JOIN _versions USING (record, key_hash)",
    ),
    (
        "open spans that show no version",
        "SELECT s.record FROM _standings s LEFT JOIN _versions v ON v.record = s.record AND v.layer = 0 AND v.number = s.version
         WHERE s.is_open AND (v.record IS NULL OR s.since IS NULL OR s.shown IS NULL OR s.shown_hash IS NULL
                              OR s.age IS NULL)",
    ),
    (
        "spans of no record, or beyond the rounds of their feed",
        "SELECT s.record FROM _spans s LEFT JOIN (SELECT feed, max(round) AS last FROM _ledger GROUP BY feed) l USING (feed)
         WHERE s.since > s.until OR s.until > coalesce(l.last, 0)
         UNION ALL SELECT record FROM _spans ANTI JOIN _versions USING (record, key_hash)",
    ),
    (
        "points of no observation, or of no record",
        "SELECT record FROM _points ANTI JOIN _ledger USING (feed, fetch_id)
         UNION ALL SELECT record FROM _points ANTI JOIN _versions USING (record, key_hash)",
    ),
    (
        "sightings that were told twice",
        "SELECT fetch_id FROM _told GROUP BY key_hash, feed, fetch_id HAVING count(*) > 1",
    ),
    (
        "gaps in the numbers of the change log",
        "SELECT max(seq) FROM _changes
         HAVING min(seq) <> 1 OR max(seq) <> count(*) OR count(DISTINCT seq) <> count(*)",
    ),
];

/// Looks at all that is there.
pub(crate) fn check(conn: &Connection) -> Outcome<CheckReport> {
    let mut report = CheckReport::default();
    let Some(version) = report.unless_corrupt(schema::known(conn).map_err(Fault::into_error))? else {
        return Ok(report);
    };
    let compared = compare_shapes(conn, version, &mut report).map_err(Fault::into_error);
    let Some(()) = report.unless_corrupt(compared)? else { return Ok(report) };
    if !report.faults.is_empty() {
        return Ok(report);
    }
    report.examined.push("every value of every table, and the checksums of its blocks".to_owned());
    let Some(()) = report.unless_corrupt(read_everything(conn).map_err(Fault::into_error))? else { return Ok(report) };
    if import::is_unfinished(conn)? {
        report.notes.push("an import was begun and not finished: rows were not compared with one another".to_owned());
        return Ok(report);
    }
    report.examined.push(format!("{} rules between the rows of the tables", RULES.len()));
    for (what, rows) in RULES {
        report.faults.extend(broken(conn, what, rows)?);
    }
    Ok(report)
}

fn compare_shapes(conn: &Connection, version: u32, report: &mut CheckReport) -> Outcome<()> {
    report.examined.push(format!("the tables, views and macros of schema version {version}"));
    let mut found = schema::shape(conn, &schema::database(conn)?)?;
    let pattern = schema::pattern(version)?;
    for (name, definition) in schema::shape(&pattern, &schema::database(&pattern)?)? {
        match found.remove(&name) {
            None => report.faults.push(format!("the {name} is missing")),
            Some(other) if other != definition => report.faults.push(format!("the {name} is not as feedspine made it")),
            Some(_) => {}
        }
    }
    let others = found.into_keys().filter(|name| !import::OF_IMPORTS.contains(&name.as_str()));
    report.notes.extend(others.map(|name| format!("the {name} is not feedspine's")));
    Ok(())
}

/// Reads every block of every table: DuckDB compares each with its checksum.
fn read_everything(conn: &Connection) -> Outcome<()> {
    let tables = "SELECT table_name FROM duckdb_tables() WHERE NOT internal AND schema_name = 'main'";
    for table in rows::all(conn, tables, no_values(), rows::value::<String>)? {
        let quoted = table.replace('"', "\"\"");
        rows::any(conn, &format!("SELECT bit_xor(hash(t)) FROM \"{quoted}\" t"), no_values())?;
    }
    Ok(())
}

fn broken(conn: &Connection, what: &str, rows: &str) -> Outcome<Option<String>> {
    let sql = format!("SELECT count(*), min(CAST(name AS VARCHAR)) FROM ({rows}) broken(name)");
    let found = rows::first(conn, &sql, no_values(), |columns| Ok((columns.take::<u64>()?, columns.take()?)))?;
    let Some((count, Some(example))) = found else { return Ok(None) };
    let example: String = example;
    Ok(Some(format!("{count} {what}: {example}")))
}
