//! Disks that are full or may not be written.

use std::path::Path;

use feedspine_cluster::{disk, on_a_disk};
use feedspine_core::{Applied, Care, ErrorKind, IngestBatch, RecordRef, StorageBackend, StorageError};
use feedspine_duckdb::DuckDbStore;

use crate::support::{item, key, open, snapshot};

/// Fetch `number`: one item of 60 KB that no compression makes smaller.
fn large(number: u32) -> IngestBatch {
    let mut state = u64::from(number) + 1;
    let text = (0..60_000).map(|_| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b' ' + 1 + u8::try_from((state >> 33) % 90).unwrap())
    });
    let text: String = text.map(|letter| if letter == '\\' { 'x' } else { letter }).collect();
    IngestBatch {
        coverage: feedspine_core::Coverage::Delta,
        ..snapshot(number, vec![item(0, &format!("item-{number}"), &text)])
    }
}

#[track_caller]
fn assert_told(error: &StorageError, kind: ErrorKind, path: &Path) {
    assert_eq!((error.kind(), error.applied()), (kind, Applied::No), "{error}");
    assert!(error.to_string().contains(&path.display().to_string()), "{error}");
    assert!(error.hint().is_some() && !error.to_string().contains('\n'), "{error}");
}

#[tokio::test]
async fn fills_its_disk() {
    let Some(disk) = disk() else { return };
    let (ballast, path) = (disk.join("ballast"), disk.join("store.duckdb"));
    std::fs::write(&ballast, vec![7; 1 << 20]).unwrap();
    let store = open(&path).await.unwrap();
    let mut taken = 0;
    let error = loop {
        match store.ingest(large(taken + 1)).await {
            Ok(_) => taken += 1,
            Err(error) => break error,
        }
    };
    assert!(taken > 3, "{taken} batches fit");
    // Whether a commit that failed is on the disk DuckDB does not say.
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Full, Applied::Unknown), "{error}");
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
    let store = open(&path).await.unwrap();
    assert!(store.get_many(&wanted).await.unwrap().iter().all(Option::is_some));
    assert_eq!(store.check().await.unwrap().faults, Vec::<String>::new());
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
    let path = disk.join("store.duckdb");
    assert_told(&open(&path).await.unwrap_err(), ErrorKind::Full, &path);
}

#[test]
fn a_store_that_finds_no_room_at_all_is_told_as_full() {
    on_a_disk("mount -t tmpfs -o size=1m none \"$1\"", "disk::makes_a_store_on_a_disk_without_room");
}

#[tokio::test]
async fn opens_a_store_that_may_not_be_written() {
    let Some(disk) = disk() else { return };
    let path = disk.join("store.duckdb");
    let before = std::fs::read(&path).unwrap();
    assert_told(&open(&path).await.unwrap_err(), ErrorKind::Denied, &path);
    assert_told(&DuckDbStore::new(&path).compact().await.unwrap_err(), ErrorKind::Denied, &path);
    assert_eq!(std::fs::read(&path).unwrap(), before);
    let missing = disk.join("missing.duckdb");
    if std::fs::write(disk.join("probe"), "").is_err() {
        assert_told(&open(&missing).await.unwrap_err(), ErrorKind::Denied, &missing);
    }
    // What only reads works.
    assert_eq!(DuckDbStore::new(&path).check().await.unwrap().faults, Vec::<String>::new());
}

#[tokio::test]
async fn makes_a_store_to_be_opened() {
    let Some(disk) = disk() else { return };
    let store = open(&disk.join("store.duckdb")).await.unwrap();
    store.ingest(snapshot(1, vec![item(0, "a", "x")])).await.unwrap();
    store.close().await.unwrap();
}

/// Makes a store within the namespace, before its disk is made read-only by `mounts`.
fn read_only(mounts: &str) {
    let make = "\"$2\" --exact disk::makes_a_store_to_be_opened --nocapture";
    on_a_disk(
        &format!("mount -t tmpfs -o size=8m none \"$1\"\n{make}\n{mounts}"),
        "disk::opens_a_store_that_may_not_be_written",
    );
}

#[test]
fn a_read_only_disk_is_denied_by_the_name_of_the_file() {
    read_only("mount -o remount,ro \"$1\"");
}

#[test]
fn a_read_only_file_is_denied_by_its_name_and_left_as_it_is() {
    read_only("mount --bind \"$1/store.duckdb\" \"$1/store.duckdb\"\nmount -o remount,bind,ro \"$1/store.duckdb\"");
}
