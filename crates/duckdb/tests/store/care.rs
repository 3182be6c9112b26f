//! What the care of a file tells, and what it leaves alone.

use std::fs;
use std::path::{Path, PathBuf};

use duckdb::Connection;
use feedspine_core::{Care, CheckReport, ErrorKind, RecordRef, Standing, StorageBackend};
use feedspine_duckdb::DuckDbStore;
use feedspine_testkit::storage::calls::exported;
use feedspine_testkit::upgrade::captures;
use tempfile::TempDir;

use crate::support::{at, item, key, open, snapshot};

/// A closed store that holds a bit of everything.
async fn sample(directory: &TempDir) -> PathBuf {
    let path = directory.path().join("store.duckdb");
    let store = open(&path).await.expect("a store");
    captures::write(&store).await.expect("a bit of everything");
    store.close().await.expect("a closed store");
    path
}

async fn checked(path: &Path) -> CheckReport {
    DuckDbStore::new(path).check().await.expect("a store that can be checked")
}

fn change(path: &Path, sql: &str) {
    Connection::open(path).expect("a DuckDB file").execute_batch(sql).expect(sql);
}

/// A long text like no other.
fn noise(number: u64) -> String {
    (0..1_000).fold(String::new(), |text, part| text + &format!("{:x}", (number + 7) * (part + 1) * 0x9E37_79B9))
}

#[tokio::test]
async fn looking_creates_nothing() {
    let directory = TempDir::new().unwrap();
    let store = DuckDbStore::new(directory.path().join("store.duckdb"));
    assert_eq!(store.standing().await.unwrap(), Standing::Nothing);
    assert_eq!(store.check().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(store.compact().await.unwrap_err().kind(), ErrorKind::Invalid);
    assert_eq!(fs::read_dir(directory.path()).unwrap().count(), 0);
}

#[tokio::test]
async fn a_store_is_sound_while_it_is_open_and_when_it_is_closed() {
    let directory = TempDir::new().unwrap();
    let path = sample(&directory).await;
    let closed = checked(&path).await;
    assert_eq!((&closed.faults, &closed.notes, closed.examined.len()), (&vec![], &vec![], 3));
    let store = open(&path).await.unwrap();
    assert_eq!(store.check().await.unwrap(), closed);
    store.close().await.unwrap();
}

#[tokio::test]
async fn damage_anywhere_in_a_file_is_a_fault_or_an_error_that_names_it_and_is_never_mended() {
    let directory = TempDir::new().unwrap();
    let path = sample(&directory).await;
    let whole = fs::read(&path).unwrap();
    let mut faults = 0;
    // DuckDB has three headers of 4 KiB, then blocks of 256 KiB.
    for place in (0..3).map(|header| header * 4_096).chain((3 * 4_096..whole.len()).step_by(262_144)) {
        let mut file = whole.clone();
        file[place..place + 64].iter_mut().for_each(|byte| *byte ^= 0xA5);
        fs::write(&path, &file).unwrap();
        match DuckDbStore::new(&path).check().await {
            // A header that is not the newest, or a block that holds nothing.
            Ok(report) => faults += report.faults.len(),
            Err(error) => {
                assert!(error.to_string().contains("store.duckdb"), "{error}");
                assert!(matches!(error.kind(), ErrorKind::Corrupt | ErrorKind::Unsupported), "byte {place}: {error}");
                faults += 1;
            }
        }
        assert_eq!(fs::read(&path).unwrap(), file, "a check mends nothing");
    }
    assert!(faults >= 4, "{faults}");
}

#[tokio::test]
async fn what_is_not_as_it_was_made_is_told_apart_from_what_was_added() {
    let directory = TempDir::new().unwrap();
    let path = sample(&directory).await;
    change(&path, "DROP VIEW rejects; CREATE OR REPLACE VIEW changes AS SELECT 1; CREATE TABLE mine (a INTEGER)");
    let report = checked(&path).await;
    assert_eq!(report.faults, ["the view changes is not as feedspine made it", "the view rejects is missing"]);
    assert_eq!(report.notes, ["the table mine is not feedspine's"]);
}

#[tokio::test]
async fn rows_that_do_not_fit_one_another_are_faults() {
    let directory = TempDir::new().unwrap();
    let path = sample(&directory).await;
    let whole = fs::read(&path).unwrap();
    for (what, sql) in [
        ("numbered 1, 2, 3 …", "UPDATE _versions SET number = 7 WHERE number = 2"),
        ("not the current one", "UPDATE _versions SET is_current = TRUE"),
        ("highest layer", "UPDATE _versions SET is_top = FALSE WHERE layer = 2"),
        ("do not agree on the key", "UPDATE _versions SET first_seen = now() WHERE layer = 2"),
        ("keys with more than one record", "UPDATE _versions SET key_hash = 'x'"),
        ("feeds that are held twice", "INSERT INTO _feeds FROM _feeds"),
        ("are not held", "DELETE FROM _feeds"),
        ("observations that are not numbered", "DELETE FROM _ledger WHERE number = 1"),
        ("rounds that are not numbered", "UPDATE _ledger SET round = 90 WHERE round = 1"),
        ("more than one observation", "INSERT INTO _ledger FROM _ledger"),
        ("parts of fetches that are held twice", "INSERT INTO _parts FROM _parts"),
        ("parts of no observation", "UPDATE _parts SET fetch_id = uuid()"),
        ("rejects that are not numbered", "DELETE FROM _rejects WHERE number = 1"),
        ("rejects of no observation", "UPDATE _rejects SET fetch_id = uuid()"),
        ("stand twice", "INSERT INTO _standings FROM _standings"),
        ("of which there is no version", "UPDATE _standings SET record = uuid()"),
        ("open spans that show no version", "UPDATE _standings SET version = 70 WHERE is_open"),
        ("beyond the rounds", "UPDATE _spans SET until = 1000"),
        ("points of no observation", "UPDATE _points SET fetch_id = uuid()"),
        ("told twice", "INSERT INTO _told FROM _told"),
        ("gaps in the numbers of the change log", "DELETE FROM _changes WHERE seq = 3"),
    ] {
        fs::write(&path, &whole).unwrap();
        change(&path, sql);
        let faults = checked(&path).await.faults;
        assert!(faults.iter().any(|fault| fault.contains(what)), "{sql}: {faults:?}");
    }
}

#[tokio::test]
async fn what_is_kept_twice_is_compared() {
    let directory = TempDir::new().unwrap();
    let path = sample(&directory).await;
    let (store, whole) = (DuckDbStore::new(&path), fs::read(&path).unwrap());
    assert_eq!(store.verify().await.unwrap(), Vec::<String>::new());
    for (what, sql) in [
        ("not found by its key", "UPDATE _versions SET key = concat(key, 'x') WHERE key = 'e'"),
        ("told sighting", "UPDATE _told SET key = concat(key, 'x')"),
        ("another time", "UPDATE _points SET observed_at = now()::TIMESTAMP"),
    ] {
        fs::write(&path, &whole).unwrap();
        change(&path, sql);
        let faults = store.verify().await.unwrap();
        assert!(!faults.is_empty() && faults.iter().all(|fault| fault.contains(what)), "{sql}: {faults:?}");
    }
}

#[tokio::test]
async fn an_import_that_is_not_finished_is_noted() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("store.duckdb");
    let store = open(&path).await.unwrap();
    store.transfer().unwrap().begin_import().await.unwrap();
    let report = store.check().await.unwrap();
    assert_eq!((report.faults, report.notes.len()), (vec![], 1));
    store.close().await.unwrap();
}

#[tokio::test]
async fn compacting_gives_back_what_was_deleted_and_loses_nothing() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("it's here.duckdb");
    let store = open(&path).await.unwrap();
    let titles = (0..300).map(|number| item(number, &format!("item {number}"), &noise(number.into())));
    store.ingest(snapshot(1, titles.collect())).await.unwrap();
    store.close().await.unwrap();
    store.initialize().await.unwrap();
    let in_use = store.compact().await.unwrap_err();
    assert_eq!(in_use.kind(), ErrorKind::Unavailable, "{in_use}");
    let doomed: Vec<RecordRef> = (1..290).map(|number| RecordRef::key(key(&format!("item {number}")))).collect();
    store.delete_many(&doomed, at(9)).await.unwrap();
    let before = exported(&store).await.unwrap().unwrap();
    store.close().await.unwrap();
    // A view and a table of the user's own stay.
    change(&path, "CREATE TABLE \"my \"\"notes\"\"\" AS SELECT 1 AS a; CREATE VIEW mine AS FROM records");
    fs::write(directory.path().join("it's here.duckdb.compacting"), "left behind").unwrap();
    let compaction = store.compact().await.unwrap();
    assert!(compaction.bytes_after < compaction.bytes_before, "{compaction:?}");
    assert_eq!(compaction.bytes_after, fs::metadata(&path).unwrap().len());
    let names: Vec<_> = fs::read_dir(directory.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["it's here.duckdb"]);
    let report = checked(&path).await;
    assert_eq!((report.faults.len(), report.notes.len()), (0, 2), "{report:?}");
    store.initialize().await.unwrap();
    assert_eq!(exported(&store).await.unwrap().unwrap(), before);
    store.close().await.unwrap();
}

#[tokio::test]
async fn compacting_through_a_link_replaces_what_it_leads_to() {
    let directory = TempDir::new().unwrap();
    let (path, link) = (sample(&directory).await, directory.path().join("link.duckdb"));
    std::os::unix::fs::symlink(&path, &link).unwrap();
    DuckDbStore::new(&link).compact().await.unwrap();
    assert_eq!(fs::read_link(&link).unwrap(), path);
    assert_eq!(checked(&path).await.faults, Vec::<String>::new());
}

#[tokio::test]
async fn a_newer_schema_is_named_and_not_touched() {
    let directory = TempDir::new().unwrap();
    let path = sample(&directory).await;
    change(&path, "UPDATE _meta SET schema_version = 99");
    let before = fs::read(&path).unwrap();
    let store = DuckDbStore::new(&path);
    assert_eq!(store.standing().await.unwrap(), Standing::Store { schema_version: 99 });
    for error in [store.check().await.unwrap_err(), store.compact().await.unwrap_err()] {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    }
    assert_eq!(fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_file_of_another_program_is_left_alone() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("other.duckdb");
    change(&path, "CREATE TABLE numbers (number INTEGER)");
    let before = fs::read(&path).unwrap();
    let store = DuckDbStore::new(&path);
    assert_eq!(store.standing().await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.compact().await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(store.check().await.unwrap().faults.len(), 1);
    assert_eq!(fs::read(&path).unwrap(), before);
}
