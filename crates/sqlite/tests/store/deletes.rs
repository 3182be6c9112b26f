//! Deletes of many records at once.

use feedspine_core::{Care, RecordRef, StorageBackend};
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{at, items, key, open, snapshot};

/// Counts what is written: chunks of manifests, and rows of feeds.
const COUNTING: &str = "
CREATE TABLE written (what TEXT NOT NULL, row INTEGER NOT NULL);
CREATE TRIGGER chunk_written AFTER INSERT ON manifests BEGIN INSERT INTO written VALUES ('chunk', new.row); END;
CREATE TRIGGER chunk_removed AFTER DELETE ON manifests BEGIN INSERT INTO written VALUES ('chunk', old.row); END;
CREATE TRIGGER feed_written AFTER UPDATE ON feeds BEGIN INSERT INTO written VALUES ('feed', new.no); END;";

#[tokio::test]
async fn a_delete_of_many_writes_each_feed_and_each_piece_of_its_manifest_once() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.ingest(snapshot(1, 1, items(400, "x"))).await.unwrap();
    store.ingest(snapshot(2, 1, items(200, "x"))).await.unwrap();
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch(COUNTING).unwrap();
    let doomed: Vec<RecordRef> = (0..300).map(|number| RecordRef::key(key(&format!("item-{number}")))).collect();
    assert_eq!(store.delete_many(&doomed, at(2)).await.unwrap(), vec![true; 300]);
    let sql =
        "SELECT max(times), sum(what = 'feed') FROM (SELECT what, count(*) AS times FROM written GROUP BY what, row)";
    let written: (i64, i64) = other.query_row(sql, [], |row| Ok((row.get(0)?, row.get(1)?))).unwrap();
    assert_eq!(written, (1, 2));
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    // What is left of the feed is told from what it shows anew.
    let report = store.ingest(snapshot(1, 2, items(400, "x"))).await.unwrap();
    assert_eq!((report.counts.new, report.counts.unchanged), (300, 100));
}
