//! Disks that are full or may not be written.

use std::path::Path;

use feedspine_cluster::{disk, on_a_disk};
use feedspine_core::{Applied, ErrorKind, RecordRef, StorageBackend, StorageError};
use feedspine_sqlite::SqliteStore;

use crate::support::{item, key, snapshot};

/// Makes a store with one record, closed.
async fn made(path: &Path) {
    let store = SqliteStore::new(path);
    store.initialize().await.unwrap();
    store.ingest(snapshot(1, 0, vec![item(0, "item-0", "x")])).await.unwrap();
    store.close().await.unwrap();
}

#[track_caller]
fn assert_denied(error: &StorageError, path: &Path) {
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Denied, Applied::No), "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(error.hint().is_some(), "{error}");
}

/// Fetch `number`: one item of 60 KB.
fn large(number: u32) -> feedspine_core::IngestBatch {
    let text = format!("{number:060000}");
    snapshot(1, number, vec![item(0, &format!("item-{number}"), &text)])
}

#[tokio::test]
async fn fills_its_disk() {
    let Some(disk) = disk() else { return };
    let ballast = disk.join("ballast");
    std::fs::write(&ballast, vec![7; 1 << 20]).unwrap();
    let store = SqliteStore::new(disk.join("store.db"));
    store.initialize().await.unwrap();
    let mut taken = 0;
    let error = loop {
        match store.ingest(large(taken + 1)).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(taken > 3, "{taken} batches fit");
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Full, Applied::No), "{error}");
    assert!(error.hint().is_some_and(|hint| hint.contains("room")), "{error}");
    // What was taken is there and can be read, what was refused is not.
    let held = |number: u32| RecordRef::key(key(&format!("item-{number}")));
    let wanted: Vec<RecordRef> = (1..=taken + 1).map(held).collect();
    let there: Vec<bool> = store.get_many(&wanted).await.unwrap().iter().map(Option::is_some).collect();
    assert!(there[..taken as usize].iter().all(|is_there| *is_there) && !there[taken as usize], "{there:?}");
    // The disk is as full as before: it fails again, in the same way.
    assert_eq!(store.ingest(large(taken + 1)).await.unwrap_err().kind(), ErrorKind::Full);
    std::fs::remove_file(&ballast).unwrap();
    assert_eq!(store.ingest(large(taken + 1)).await.unwrap().counts.new, 1);
    store.close().await.unwrap();
    let store = SqliteStore::new(disk.join("store.db"));
    store.initialize().await.unwrap();
    assert!(store.get_many(&wanted).await.unwrap().iter().all(Option::is_some));
    store.close().await.unwrap();
}

#[test]
fn a_full_disk_is_told_as_full_loses_nothing_and_goes_on_when_there_is_room() {
    on_a_disk("mount -t tmpfs -o size=4m none \"$1\"", "disk::fills_its_disk");
}

#[tokio::test]
async fn makes_a_store_on_a_disk_without_room() {
    let Some(disk) = disk() else { return };
    let filled = std::fs::write(disk.join("ballast"), vec![7; 2 << 20]);
    assert!(filled.is_err(), "the disk is larger than it should be");
    let error = SqliteStore::new(disk.join("store.db")).initialize().await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Full, Applied::No), "{error}");
    assert!(error.to_string().contains("store.db") && error.hint().is_some(), "{error}");
}

#[test]
fn a_store_that_finds_no_room_at_all_is_told_as_full() {
    on_a_disk("mount -t tmpfs -o size=1m none \"$1\"", "disk::makes_a_store_on_a_disk_without_room");
}

#[tokio::test]
async fn opens_a_store_that_may_not_be_written() {
    let Some(disk) = disk() else { return };
    let path = disk.join("store.db");
    let before = std::fs::read(&path).unwrap();
    assert_denied(&SqliteStore::new(&path).initialize().await.unwrap_err(), &path);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let missing = disk.join("missing.db");
    if std::fs::write(disk.join("probe"), "").is_err() {
        assert_denied(&SqliteStore::new(&missing).initialize().await.unwrap_err(), &missing);
    }
}

#[tokio::test]
async fn makes_a_store_to_be_opened() {
    let Some(disk) = disk() else { return };
    made(&disk.join("store.db")).await;
}

/// Makes a store within the namespace, before its disk is made read-only by `mounts`.
fn read_only(mounts: &str) {
    let make = "\"$2\" --exact disk::makes_a_store_to_be_opened --nocapture";
    on_a_disk(
        &format!("mount -t tmpfs -o size=4m none \"$1\"\n{make}\n{mounts}"),
        "disk::opens_a_store_that_may_not_be_written",
    );
}

#[test]
fn a_read_only_disk_is_denied_by_the_name_of_the_file() {
    read_only("mount -o remount,ro \"$1\"");
}

#[test]
fn a_read_only_file_is_denied_by_its_name_and_left_as_it_is() {
    read_only("mount --bind \"$1/store.db\" \"$1/store.db\"\nmount -o remount,bind,ro \"$1/store.db\"");
}
