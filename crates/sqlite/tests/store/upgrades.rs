//! Stores of earlier landings: each opens with what it held, and goes on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use feedspine_core::transfer::Transfer;
use feedspine_core::{ErrorKind, Selection, StateStore, StorageBackend, StorageError};
use feedspine_sqlite::SqliteStore;
use feedspine_testkit::upgrade;
use flate2::read::GzDecoder;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{items, key, open, snapshot};

/// Fixtures, which `cargo xtask fixture sqlite` writes: `NAME.db.gz`, with the dump in `NAME.txt`.
fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "gz")).collect()
}

#[tokio::test]
async fn every_store_of_an_earlier_landing_opens_with_what_it_held_and_goes_on() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty(), "no fixture is checked in");
    for fixture in fixtures {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store.db");
        let mut compressed = GzDecoder::new(File::open(&fixture).unwrap());
        std::io::copy(&mut compressed, &mut File::create(&path).unwrap()).unwrap();
        let dump = fs::read_to_string(fixture.with_extension("").with_extension("txt")).unwrap();
        let store = SqliteStore::new(&path);
        store.initialize().await.unwrap();
        let verdict = upgrade::check(&store, &dump).await;
        assert!(verdict.is_ok(), "{}: {}", fixture.display(), verdict.unwrap_err());
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn a_store_that_a_newer_program_migrates_while_it_is_open_is_left_alone_from_then_on() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.ingest(snapshot(1, 1, items(3, "x"))).await.unwrap();
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 3);
    let newer = Connection::open(store.path()).unwrap();
    let step = "BEGIN; ALTER TABLE control_feeds ADD COLUMN later TEXT; PRAGMA user_version = 99; COMMIT";
    newer.execute_batch(step).unwrap();
    let refused = |error: StorageError| {
        assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
        assert!(error.to_string().contains("version 99"), "{error}");
        assert_eq!(error.hint(), Some("use a newer feedspine"));
    };
    // Each of the ways in, and again.
    for fetch in 2..4 {
        refused(store.ingest(snapshot(1, fetch, items(4, "x"))).await.unwrap_err());
        refused(store.count(&Selection::everything()).await.unwrap_err());
        refused(store.seen_many(&[key("item-0")]).await.unwrap_err());
        refused(store.feeds().await.unwrap_err());
        refused(store.begin_import().await.unwrap_err());
        refused(store.export().await.err().unwrap());
    }
    let there: i64 = newer.query_row("SELECT count(*) FROM records", [], |row| row.get(0)).unwrap();
    assert_eq!(there, 3);
}
