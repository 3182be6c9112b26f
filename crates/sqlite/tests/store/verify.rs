//! Whatever bit is flipped in a store, its verification notices.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;

use feedspine_core::ingest::{Coverage, CursorStep, Part, Reject};
use feedspine_core::transfer::{Transfer, Verifier};
use feedspine_core::{
    Capture, CaptureName, Care, Content, ContentHash, FeedId, HashRule, Json, JsonPath, Layer, PackedBody, Packing,
    RecordId, RecordWrite, Sighting, StateStore, StorageBackend, StorageError,
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

/// What nothing else in a store repeats: no flip there is noticed. Texts of rejects and what callers told; dates beside a
/// content, and an item's place and age in its document; what a feed showed last of an item that left; digests of what was
/// handed over; the log's epoch; and numbers that only tell rows apart.
const SAID_ONCE: [&str; 21] = [
    "absent.shown_hash",
    "contents.updated",
    "feeds.id",
    "history.epoch",
    "ledger.digest",
    "manifests.entries: age",
    "manifests.row",
    "parts.digest",
    "points.age",
    "points.ordinal",
    "rejects.code",
    "rejects.excerpt",
    "rejects.key",
    "rejects.namespace",
    "rejects.ordinal",
    "rejects.place",
    "rejects.reason",
    "told.feed",
    "told.fetch",
    "told.key_hash",
    "told.observed_at",
];

/// What is repeated for some rows, of what fetches wrote rather than calls: one flip there at least is noticed, and another
/// is not.
const SAID_TWICE_AT_TIMES: [&str; 16] = [
    "changes.events: kind",
    "changes.events: record",
    "changes.events: version",
    "changes.events: witness",
    "contents.published",
    "ledger.ended",
    "ledger.held_back",
    "ledger.place",
    "ledger.recorded_after",
    "ledger.repeated",
    "ledger.revision",
    "ledger.setback",
    "records.first_seen",
    "records.id",
    "rejects.part",
    "told.first",
];

/// What is packed, with the last byte of each member of its first entry.
const PACKED: [(&str, &[(&str, usize)]); 2] = [
    (
        "manifests.entries",
        &[
            ("key", 31),
            ("record", 47),
            ("version", 51),
            ("since", 59),
            ("shown_version", 63),
            ("shown_hash", 95),
            ("age", 103),
        ],
    ),
    ("changes.events", &[("kind", 0), ("layer", 1), ("version", 5), ("record", 13), ("witness", 21)]),
];

/// Values that differ by one bit, each with the name of the place that it is flipped in.
fn flips(column: &str, value: &Value) -> Vec<(String, Value)> {
    let in_blob = |bytes: &[u8], place: String, at: usize| {
        let mut bytes = bytes.to_vec();
        bytes[at] ^= 1;
        (place, Value::Blob(bytes))
    };
    match value {
        Value::Integer(number) => vec![(column.to_owned(), Value::Integer(number ^ 1))],
        Value::Blob(bytes) => match PACKED.iter().find(|(packed, _)| *packed == column) {
            Some((_, members)) => {
                members.iter().map(|(name, at)| in_blob(bytes, format!("{column}: {name}"), *at)).collect()
            }
            None => {
                bytes.len().checked_sub(1).map(|last| in_blob(bytes, column.to_owned(), last)).into_iter().collect()
            }
        },
        Value::Text(text) => {
            let mut bytes = text.clone().into_bytes();
            bytes.iter_mut().rev().take(1).for_each(|last| *last ^= 1);
            let other = String::from_utf8(bytes).ok().filter(|other| other != text);
            other.map(|other| (column.to_owned(), Value::Text(other))).into_iter().collect()
        }
        Value::Null | Value::Real(_) => Vec::new(),
    }
}

/// The first two rows of a table and the last two: fetches wrote the former, calls the latter.
fn rows_of(conn: &Connection, table: &str, columns: &[String]) -> Vec<Vec<Value>> {
    let mut load = conn.prepare(&format!("SELECT {} FROM {table}", columns.join(", "))).unwrap();
    let rows = load.query_map([], |row| (0..columns.len()).map(|at| row.get(at)).collect()).unwrap();
    let mut rows: Vec<Vec<Value>> = rows.collect::<Result<_, _>>().unwrap();
    let first = rows.len().min(2);
    let last = rows.len().saturating_sub(2).max(first);
    rows.drain(first..last);
    rows
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
    let path = directory.path().join("flipped.db");
    let (mut noticed, mut missed) = (BTreeSet::new(), BTreeSet::new());
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
                for (place, other) in flips(&column, &row[at]) {
                    fs::copy(&whole, &path).unwrap();
                    if flip(&path, &table, &columns, (&row, at), &other) {
                        let told = !faults(&path).await.is_empty();
                        if told { &mut noticed } else { &mut missed }.insert(place);
                    }
                }
            }
        }
    }
    let never: Vec<&String> = missed.difference(&noticed).collect();
    assert_eq!(never, SAID_ONCE);
    let at_times: Vec<&String> = missed.intersection(&noticed).collect();
    assert_eq!(at_times, SAID_TWICE_AT_TIMES);
}

/// Writes another value into one row; false where the file itself refuses it.
fn flip(path: &Path, table: &str, columns: &[String], (row, at): (&[Value], usize), other: &Value) -> bool {
    let conn = Connection::open(path).unwrap();
    let same: Vec<String> = (1..).zip(columns).map(|(number, column)| format!("{column} IS ?{number}")).collect();
    let sql = format!("UPDATE {table} SET {} = ?{} WHERE {}", columns[at], columns.len() + 1, same.join(" AND "));
    let values = row.iter().chain([other]);
    conn.execute(&sql, rusqlite::params_from_iter(values)).is_ok_and(|changed| changed == 1)
}

#[tokio::test]
async fn captures_without_their_bodies_and_bodies_without_captures_are_noticed() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    let body = |text: &str, packing| {
        let hash = ContentHash::of(text.as_bytes());
        PackedBody { hash, length: text.len() as u64, packing, packed: text.as_bytes().to_vec() }
    };
    let first = body("one", Packing::Plain);
    let second = body("two", Packing::ZstdAgainst(first.hash));
    for (number, body) in [(1, first), (2, second)] {
        let name = CaptureName { feed: FeedId::from_u128(1), fetch: fetch_id(1, number), first_ordinal: 0 };
        let capture = Capture {
            name,
            last_ordinal: 0,
            observed_at: at(1),
            url: None,
            content_type: None,
            http_status: None,
            headers: Vec::new(),
            body: body.hash,
        };
        store.captures().unwrap().keep(capture, body).await.unwrap();
    }
    store.close().await.unwrap();
    let (whole, path) = (directory.path().join("store.db"), directory.path().join("altered.db"));
    assert_eq!(faults(&whole).await, Vec::<String>::new());
    for (alter, words) in [
        ("DELETE FROM capture_bodies WHERE base IS NOT NULL", "captures whose body is not there: 1"),
        ("DELETE FROM capture_bodies WHERE base IS NULL", "packed against one that is not there"),
        ("DELETE FROM captures WHERE body = 2", "bodies that no capture needs: 1"),
    ] {
        fs::copy(&whole, &path).unwrap();
        Connection::open(&path).unwrap().execute_batch(alter).unwrap();
        let told = faults(&path).await;
        assert!(told.iter().any(|fault| fault.contains(words)), "{alter}: {told:?}");
    }
}
