//! What the care of a file tells, and what it leaves alone.

use std::fs;
use std::path::{Path, PathBuf};

use feedspine_core::transfer::Transfer;
use feedspine_core::{Care, CheckReport, ErrorKind, RecordRef, Standing, StorageBackend};
use feedspine_sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{at, items, key, open, snapshot};

/// A closed store of that many items, some of them with a long text.
async fn filled(directory: &Path, count: u32) -> PathBuf {
    let store = open(directory).await;
    store.ingest(snapshot(1, 1, items(count, &"words ".repeat(100)))).await.unwrap();
    store.close().await.unwrap();
    directory.join("store.db")
}

async fn checked(path: &Path) -> CheckReport {
    SqliteStore::new(path).check().await.unwrap()
}

#[tokio::test]
async fn looking_creates_nothing() {
    let directory = TempDir::new().unwrap();
    let store = SqliteStore::new(directory.path().join("store.db"));
    assert_eq!(store.standing().await.unwrap(), Standing::Nothing);
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
    fs::write(store.path(), "").unwrap();
    assert_eq!(store.standing().await.unwrap(), Standing::Nothing);
    assert_eq!(store.compact().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(fs::metadata(store.path()).unwrap().len(), 0);
}

#[tokio::test]
async fn a_store_tells_its_version_and_how_much_it_holds_while_it_is_in_use() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.ingest(snapshot(1, 1, items(20, "x"))).await.unwrap();
    let version = store.info().schema_version;
    assert_eq!(store.standing().await.unwrap(), Standing::Store { schema_version: version });
    let size = store.size().await.unwrap();
    let rows = |name: &str| size.tables.iter().find(|table| table.name == name).unwrap().rows;
    assert_eq!((rows("records"), rows("ledger")), (20, 1));
    assert!(size.bytes > 20 * 1024, "{size:?}");
    let report = store.check().await.unwrap();
    assert_eq!((report.faults, report.notes, report.examined.len()), (vec![], vec![], 2));
}

#[tokio::test]
async fn a_damaged_page_is_a_fault() {
    let directory = TempDir::new().unwrap();
    let path = filled(directory.path(), 200).await;
    assert_eq!(checked(&path).await.faults, Vec::<String>::new());
    let mut file = fs::read(&path).unwrap();
    let half = file.len() / 2 / 8192 * 8192;
    file[half..half + 64].fill(0xA5);
    fs::write(&path, &file).unwrap();
    assert!(!checked(&path).await.faults.is_empty());
    assert_eq!(fs::read(&path).unwrap(), file, "a check mends nothing");
}

#[tokio::test]
async fn any_damaged_page_behind_the_first_is_a_fault_and_not_an_error() {
    let directory = TempDir::new().unwrap();
    let path = filled(directory.path(), 20).await;
    let whole = fs::read(&path).unwrap();
    for page in (8_192..whole.len()).step_by(8_192) {
        let mut file = whole.clone();
        file[page..page + 64].fill(0xA5);
        fs::write(&path, &file).unwrap();
        assert!(!checked(&path).await.faults.is_empty(), "page {}", page / 8_192 + 1);
    }
}

#[tokio::test]
async fn what_is_not_as_it_was_made_is_told_apart_from_what_was_added() {
    let directory = TempDir::new().unwrap();
    let path = filled(directory.path(), 1).await;
    let changes = "DROP INDEX ledger_by_fetch; CREATE INDEX mine ON records (published);
        DROP VIEW all_spans; CREATE VIEW all_spans AS SELECT 1";
    Connection::open(&path).unwrap().execute_batch(changes).unwrap();
    let report = checked(&path).await;
    let faults = ["the index ledger_by_fetch is missing", "the view all_spans is not as feedspine made it"];
    assert_eq!(report.faults, faults);
    assert_eq!(report.notes, ["the index mine is not feedspine's"]);
}

#[tokio::test]
async fn of_an_import_that_is_unfinished_it_is_told_how_it_goes_on() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.begin_import().await.unwrap();
    store.close().await.unwrap();
    let path = directory.path().join("store.db");
    let report = checked(&path).await;
    assert_eq!(report.faults, Vec::<String>::new());
    let expected = "an import into this store was begun and not finished: run the same copy or restore again: it goes on \
                    where it stopped";
    assert_eq!(report.notes, [expected]);
    assert_eq!(SqliteStore::new(&path).compact().await.unwrap_err().kind(), ErrorKind::Unavailable);
}

#[tokio::test]
async fn compacting_gives_back_what_was_deleted_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let path = filled(directory.path(), 2_000).await;
    let store = open(directory.path()).await;
    let doomed: Vec<RecordRef> = (1..2_000).map(|item| RecordRef::key(key(&format!("item-{item}")))).collect();
    store.delete_many(&doomed, at(9)).await.unwrap();
    store.close().await.unwrap();
    let store = SqliteStore::new(&path);
    let reclaimable = store.size().await.unwrap().reclaimable_bytes.unwrap();
    let compaction = store.compact().await.unwrap();
    assert!(reclaimable > 500_000, "{reclaimable}");
    assert!(compaction.bytes_after + reclaimable / 2 < compaction.bytes_before, "{compaction:?}");
    assert_eq!(checked(&path).await.faults, Vec::<String>::new());
    store.initialize().await.unwrap();
    let kept = store.get_many(&[RecordRef::key(key("item-0")), doomed[0].clone()]).await.unwrap();
    assert_eq!((kept[0].is_some(), kept[1].is_some()), (true, false));
}

#[tokio::test]
async fn a_newer_schema_is_named_and_not_touched() {
    let directory = TempDir::new().unwrap();
    let path = filled(directory.path(), 1).await;
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let store = SqliteStore::new(&path);
    assert_eq!(store.standing().await.unwrap(), Standing::Store { schema_version: 99 });
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Unsupported);
    assert_eq!(store.compact().await.unwrap_err().kind(), ErrorKind::Unsupported);
}
