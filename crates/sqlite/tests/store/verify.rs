//! Whatever bit is flipped in a store, its verification notices.

use std::fs;
use std::path::Path;

use feedspine_core::ingest::{Coverage, CursorStep, Part, Reject};
use feedspine_core::transfer::{Transfer, Verifier};
use feedspine_core::{
    Care, Content, FeedId, HashRule, Json, JsonPath, Layer, RecordId, RecordWrite, Sighting, StorageBackend,
    StorageError,
};
use feedspine_sqlite::SqliteStore;
use rusqlite::Connection;
use rusqlite::types::Value;
use tempfile::TempDir;

use crate::support::{at, fetch_id, item, key, open, snapshot};

/// A closed store with something in every table.
async fn filled(directory: &Path) {
    let store = open(directory).await;
    let reject = |ordinal, name: Option<&str>| Reject {
        ordinal,
        key: name.map(key),
        code: "field.too_long".into(),
        reason: "a field is too long".into(),
        excerpt: "<item>".into(),
    };
    let mut first = snapshot(1, 1, vec![item(0, "a", "x"), item(1, "b", "x"), item(2, "c", "x")]);
    first.step = CursorStep::Advance { expected: 0, next: Json::object([("etag", Json::from("x"))]) };
    let rule = HashRule::without(vec![JsonPath::of(["title"])]);
    first.hash_rule = rule.clone();
    store.ingest(first).await.unwrap();
    let mut second = snapshot(1, 2, vec![item(0, "a", "y"), item(2, "c", "x")]);
    second.hash_rule = rule.clone();
    second.rejects = vec![reject(3, None)];
    store.ingest(second).await.unwrap();
    let mut third = snapshot(1, 3, Vec::new());
    third.coverage = Coverage::Unchanged { of: fetch_id(1, 2) };
    store.ingest(third).await.unwrap();
    let mut delta = snapshot(2, 1, vec![item(0, "d", "x"), item(1, "a", "y")]);
    (delta.coverage, delta.rejects) = (Coverage::Delta, vec![reject(2, Some("e"))]);
    store.ingest(delta).await.unwrap();
    let mut part = snapshot(3, 1, vec![item(0, "f", "x")]);
    part.part = Part { index: 0, last: false };
    store.ingest(part).await.unwrap();
    let mut part = snapshot(3, 1, vec![item(1, "g", "x")]);
    part.part = Part { index: 1, last: true };
    store.ingest(part).await.unwrap();
    for feed in [4, 5] {
        let fetch = fetch_id(feed, 1);
        let feed = FeedId::from_u128(feed);
        let told = Sighting { key: key("z"), feed, fetch, observed_at: at(9), version: None };
        store.observe_many(vec![told]).await.unwrap();
    }
    let write = |id: u128, name: &str, layer| RecordWrite {
        id: RecordId::from_u128(id),
        key: key(name),
        layer,
        content: Content::new(&Json::object([("title", Json::from("mine"))])),
        metadata: Content::new(&Json::object([("by", Json::from("me"))])),
        published: Some(at(5)),
        updated: Some(at(6)),
        recorded_at: at(7),
        derived_from: None,
    };
    store.put_many(vec![write(1, "h", Layer::Bronze), write(1, "h", Layer::Silver)]).await.unwrap();
    store.close().await.unwrap();
}

/// What a verification says, errors included.
async fn faults(path: &Path) -> Vec<String> {
    let store = SqliteStore::new(path);
    let mut verifier = Verifier::new();
    let mut told = match rows(&store, &mut verifier).await {
        Ok(()) => verifier.finish(),
        Err(error) => vec![error.to_string()],
    };
    told.extend(store.verify().await.unwrap_or_else(|error| vec![error.to_string()]));
    store.close().await.unwrap();
    told
}

async fn rows(store: &SqliteStore, verifier: &mut Verifier) -> Result<(), StorageError> {
    store.initialize().await?;
    let mut export = store.export().await?;
    loop {
        let rows = export.next().await?;
        if rows.is_empty() {
            return Ok(());
        }
        for row in &rows {
            verifier.take(row);
        }
    }
}

/// What nothing else in a store repeats, or not in all rows, so that a flip there cannot always be noticed: texts of
/// rejects and what callers told; dates beside a content, and an item's place and age in its document; digests of what was
/// handed over; which record left; the log's epoch;
/// and numbers that only tell rows apart.
const SAID_ONCE: [&str; 29] = [
    "absent.shown_hash",
    "changes.events",
    "contents.published",
    "feeds.id",
    "history.epoch",
    "ledger.coverage",
    "ledger.digest",
    "ledger.place",
    "ledger.recorded_after",
    "ledger.repeated",
    "ledger.revision",
    "manifests.entries",
    "manifests.row",
    "parts.digest",
    "points.age",
    "points.ordinal",
    "rejects.code",
    "rejects.excerpt",
    "rejects.key",
    "rejects.namespace",
    "rejects.ordinal",
    "rejects.part",
    "rejects.place",
    "rejects.reason",
    "told.feed",
    "told.fetch",
    "told.first",
    "told.key_hash",
    "told.observed_at",
];

/// The last byte of each member of what is packed.
const PACKED: [(&str, &[usize]); 2] =
    [("manifests.entries", &[31, 47, 51, 59, 63, 95, 103]), ("changes.events", &[0, 1, 5, 13, 21])];

/// Values that differ by one bit.
fn flips(column: &str, value: &Value) -> Vec<Value> {
    match value {
        Value::Integer(number) => vec![Value::Integer(number ^ 1)],
        Value::Blob(bytes) => {
            let packed = PACKED.iter().find(|(name, _)| *name == column).map(|(_, members)| members.to_vec());
            let places = packed.unwrap_or_else(|| bytes.len().checked_sub(1).into_iter().collect());
            let flipped = |at: usize| {
                let mut bytes = bytes.clone();
                bytes[at] ^= 1;
                Value::Blob(bytes)
            };
            places.into_iter().map(flipped).collect()
        }
        Value::Text(text) => {
            let mut bytes = text.clone().into_bytes();
            bytes.iter_mut().rev().take(1).for_each(|last| *last ^= 1);
            String::from_utf8(bytes).ok().filter(|other| other != text).map(Value::Text).into_iter().collect()
        }
        Value::Null | Value::Real(_) => Vec::new(),
    }
}

/// The first rows of a table.
fn rows_of(conn: &Connection, table: &str, columns: &[String]) -> Vec<Vec<Value>> {
    let mut load = conn.prepare(&format!("SELECT {} FROM {table} LIMIT 3", columns.join(", "))).unwrap();
    let rows = load.query_map([], |row| (0..columns.len()).map(|at| row.get(at)).collect()).unwrap();
    rows.collect::<Result<_, _>>().unwrap()
}

#[tokio::test]
async fn whatever_bit_is_flipped_it_is_noticed_unless_nothing_repeats_it() {
    let directory = TempDir::new().unwrap();
    filled(directory.path()).await;
    let whole = directory.path().join("store.db");
    assert_eq!(faults(&whole).await, Vec::<String>::new());
    let conn = Connection::open(&whole).unwrap();
    let tables: Vec<String> = conn
        .prepare("SELECT name FROM sqlite_schema WHERE type = 'table' AND name NOT IN ('control_feeds', 'addresses')")
        .unwrap()
        .query_map([], |row| row.get(0))
        .unwrap()
        .collect::<Result<_, _>>()
        .unwrap();
    let (path, mut missed) = (directory.path().join("flipped.db"), Vec::new());
    for table in tables {
        let columns: Vec<String> = conn
            .prepare(&format!("SELECT name FROM pragma_table_info('{table}')"))
            .unwrap()
            .query_map([], |row| row.get(0))
            .unwrap()
            .collect::<Result<_, _>>()
            .unwrap();
        for row in rows_of(&conn, &table, &columns) {
            for (at, column) in columns.iter().enumerate() {
                let column = format!("{table}.{column}");
                for other in flips(&column, &row[at]) {
                    fs::copy(&whole, &path).unwrap();
                    if flip(&path, &table, &columns, (&row, at), &other) && faults(&path).await.is_empty() {
                        missed.push(column.clone());
                    }
                }
            }
        }
    }
    // Which rows come first, and with it which of these are missed, depends on ids that are drawn by chance.
    missed.retain(|column| !SAID_ONCE.contains(&column.as_str()));
    assert_eq!(missed, Vec::<String>::new());
}

/// Writes another value into one row; false where the file itself refuses it.
fn flip(path: &Path, table: &str, columns: &[String], (row, at): (&[Value], usize), other: &Value) -> bool {
    let conn = Connection::open(path).unwrap();
    let same: Vec<String> = (1..).zip(columns).map(|(number, column)| format!("{column} IS ?{number}")).collect();
    let sql = format!("UPDATE {table} SET {} = ?{} WHERE {}", columns[at], columns.len() + 1, same.join(" AND "));
    let values = row.iter().chain([other]);
    conn.execute(&sql, rusqlite::params_from_iter(values)).is_ok_and(|changed| changed == 1)
}
