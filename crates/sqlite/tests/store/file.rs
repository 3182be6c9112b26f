//! Which files are taken, and how the others are refused.

use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use feedspine_core::{ErrorKind, StateStore, StorageBackend, StorageError};
use feedspine_sqlite::SqliteStore;
use rusqlite::Connection;
use tempfile::TempDir;

use crate::support::{items, open, snapshot};

async fn refusal(path: &Path) -> StorageError {
    SqliteStore::new(path).initialize().await.unwrap_err()
}

/// One line that names the file, and a next step.
#[track_caller]
fn assert_helps(error: &StorageError, kind: ErrorKind, path: &Path) {
    assert_eq!(error.kind(), kind, "{error}");
    let text = error.to_string();
    assert!(text.contains(&path.display().to_string()) && !text.contains('\n'), "{text}");
    assert!(error.hint().is_some_and(|hint| !hint.is_empty()), "{text}");
}

#[tokio::test]
async fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("notes.txt");
    std::fs::write(&path, "not a database, but a text that is longer than a header of one hundred bytes ".repeat(4))
        .unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_helps(&refusal(&path).await, ErrorKind::Corrupt, &path);
    assert_eq!(std::fs::read(&path).unwrap(), before);
}

#[tokio::test]
async fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("other.db");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE theirs (a)").unwrap();
    let before = std::fs::read(&path).unwrap();
    assert_helps(&refusal(&path).await, ErrorKind::Corrupt, &path);
    assert_eq!(std::fs::read(&path).unwrap(), before);

    let marked = directory.path().join("marked.db");
    Connection::open(&marked).unwrap().execute_batch("PRAGMA application_id = 7").unwrap();
    assert_helps(&refusal(&marked).await, ErrorKind::Corrupt, &marked);
}

#[tokio::test]
async fn a_newer_schema_is_refused_by_both_numbers() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    let known = format!("up to {}", store.info().schema_version);
    store.close().await.unwrap();
    let path = directory.path().join("store.db");
    Connection::open(&path).unwrap().execute_batch("PRAGMA user_version = 99").unwrap();
    let error = refusal(&path).await;
    assert_helps(&error, ErrorKind::Unsupported, &path);
    assert!(error.to_string().contains("version 99") && error.to_string().contains(&known), "{error}");
}

#[tokio::test]
async fn a_place_that_cannot_be_written_is_denied() {
    let directory = TempDir::new().unwrap();
    // A directory where the file should be, and a file where its directory should be.
    assert_helps(&refusal(directory.path()).await, ErrorKind::Denied, directory.path());
    let file = directory.path().join("file");
    std::fs::write(&file, "").unwrap();
    let below = file.join("store.db");
    assert_helps(&refusal(&below).await, ErrorKind::Denied, &below);
}

#[tokio::test]
async fn a_read_only_directory_is_denied() {
    let directory = TempDir::new().unwrap();
    std::fs::set_permissions(directory.path(), std::fs::Permissions::from_mode(0o500)).unwrap();
    let path = directory.path().join("store.db");
    // Permissions do not bind the superuser.
    if std::fs::write(directory.path().join("probe"), "").is_err() {
        assert_helps(&refusal(&path).await, ErrorKind::Denied, &path);
    }
}

#[tokio::test]
async fn a_damaged_store_is_corrupt_and_no_new_one_is_made_of_it() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.ingest(snapshot(1, 1, items(500, "x"))).await.unwrap();
    store.close().await.unwrap();
    let path = directory.path().join("store.db");
    let length = std::fs::metadata(&path).unwrap().len();
    std::fs::OpenOptions::new().write(true).open(&path).unwrap().set_len(length / 3).unwrap();
    let store = SqliteStore::new(&path);
    let failed = match store.initialize().await {
        Ok(()) => store.ingest(snapshot(1, 2, items(500, "y"))).await.unwrap_err(),
        Err(error) => error,
    };
    assert_eq!(failed.kind(), ErrorKind::Corrupt, "{failed}");
}

#[tokio::test]
async fn migration_is_taken_once_and_both_contracts_share_it() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.prepare().await.unwrap();
    store.initialize().await.unwrap();
    store.close().await.unwrap();
    let schema = |path: &Path| -> Vec<Option<String>> {
        let conn = Connection::open(path).unwrap();
        let mut load = conn.prepare("SELECT sql FROM sqlite_schema ORDER BY name").unwrap();
        load.query_map([], |row| row.get(0)).unwrap().collect::<Result<_, _>>().unwrap()
    };
    let path = directory.path().join("store.db");
    let before = schema(&path);
    let again = SqliteStore::new(&path);
    again.prepare().await.unwrap();
    again.close().await.unwrap();
    assert_eq!(schema(&path), before);
}

#[tokio::test]
async fn the_file_and_new_directories_are_for_the_user_alone() {
    let directory = TempDir::new().unwrap();
    let below = directory.path().join("made/for/it");
    open(&below).await.close().await.unwrap();
    let mode = |path: &Path| std::fs::metadata(path).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode(&below), mode(&below.join("store.db"))), (0o700, 0o600));
}

#[tokio::test]
async fn a_path_may_hold_any_character() {
    let directory = TempDir::new().unwrap();
    let path = directory.path().join("what? mode=memory#%41.db");
    let store = SqliteStore::new(&path);
    store.initialize().await.unwrap();
    store.close().await.unwrap();
    assert!(path.exists());
}
