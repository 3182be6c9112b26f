//! The file: one process at a time, one handle in a process, and files that are not ours.

use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Command, Stdio};

use duckdb::Connection;
use feedspine_core::transfer::Progress;
use feedspine_core::{AskSql, ErrorKind, MemoryStore, Selection, Seq, Standing, StorageBackend};
use feedspine_duckdb::DuckDbStore;
use feedspine_testkit::storage::calls::exported;
use tempfile::TempDir;

use crate::support::{item, open, snapshot};

/// Names the store that the other process is to open: this test program again, with one test.
const OTHER: &str = "FEEDSPINE_OTHER_STORE";

#[tokio::test]
async fn the_other_process() {
    let Some(path) = std::env::var_os(OTHER) else { return };
    let error = open(Path::new(&path)).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("store.duckdb"), "{error}");
    assert!(error.hint().unwrap().contains("one process at a time"), "{error}");
}

#[tokio::test]
async fn a_second_process_is_told_that_the_file_is_in_use() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    let store = open(&path).await.unwrap();
    let other = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "file::the_other_process", "--nocapture"])
        .env(OTHER, &path)
        .stdin(Stdio::null())
        .output()
        .unwrap();
    assert!(other.status.success(), "{}", String::from_utf8_lossy(&other.stdout));
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_second_handle_in_this_process_is_refused_until_the_first_is_closed() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    let store = open(&path).await.unwrap();
    let error = open(&place.path().join("./store.duckdb")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}");
    store.close().await.unwrap();
    let again = open(&path).await.unwrap();
    drop(again);
    open(&path).await.unwrap();
}

#[tokio::test]
async fn a_store_can_be_opened_again_once_its_export_is_at_its_end() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    for number in 1..=10 {
        let store = open(&path).await.unwrap();
        store.ingest(snapshot(number, vec![item(0, "a", "x")])).await.unwrap();
        exported(&store).await.unwrap();
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn of_a_write_and_the_beginning_of_an_import_at_once_one_is_refused() {
    let place = TempDir::new().unwrap();
    for number in 1..=8 {
        let store = open(&place.path().join(format!("{number}.duckdb"))).await.unwrap();
        let (transfer, write) = (store.transfer().unwrap(), snapshot(1, vec![item(0, "a", "x")]));
        // Whoever is asked first gets the first turn.
        let (begun, written) = if number % 2 == 0 {
            tokio::join!(transfer.begin_import(), store.ingest(write))
        } else {
            let (written, begun) = tokio::join!(store.ingest(write), transfer.begin_import());
            (begun, written)
        };
        assert_ne!(begun.is_ok(), written.is_ok(), "{number}: {begun:?} {written:?}");
        store.close().await.unwrap();
    }
}

#[tokio::test]
async fn no_question_is_answered_from_a_half_import_however_long_it_waited() {
    let place = TempDir::new().unwrap();
    let told = MemoryStore::new();
    told.initialize().await.unwrap();
    told.ingest(snapshot(1, (0..500).map(|number| item(number, &number.to_string(), "x")).collect())).await.unwrap();
    let rows = exported(&told).await.unwrap().unwrap();
    let store = open(&place.path().join("store.duckdb")).await.unwrap();
    let slow = "SELECT count(*) FROM changes WHERE (SELECT sum(a * b) FROM range(3000) t(a), range(1000) u(b)) > 0";
    let questions = futures_util::future::join_all((0..12).map(|_| store.ask_sql(slow, NonZeroUsize::MIN)));
    let import = async {
        let transfer = store.transfer().unwrap();
        transfer.begin_import().await?;
        let progress = Progress { rows: rows.len() as u64, digest: [0; 32] };
        transfer.import(rows, progress).await
    };
    let (answers, imported) = tokio::join!(questions, import);
    imported.unwrap();
    for answer in answers {
        match answer {
            Ok(answer) => assert_eq!(answer.rows, [[0_u64.into()]]),
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    }
    store.close().await.unwrap();
}

#[tokio::test]
async fn a_closed_store_is_one_file() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    let store = open(&path).await.unwrap();
    store.ingest(snapshot(1, vec![item(0, "a", "x")])).await.unwrap();
    store.close().await.unwrap();
    let names: Vec<_> = std::fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(names, ["store.duckdb"]);
    assert_eq!(open(&path).await.unwrap().count(&Selection::everything()).await.unwrap(), 1);
}

#[tokio::test]
async fn a_store_that_was_opened_again_sees_what_it_writes() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    let store = open(&path).await.unwrap();
    store.ingest(snapshot(1, vec![item(0, "a", "x")])).await.unwrap();
    store.close().await.unwrap();
    let store = open(&path).await.unwrap();
    for number in 2..=5 {
        store.ingest(snapshot(number, vec![item(0, "a", &number.to_string())])).await.unwrap();
        let changes = store.changes(&Seq::start(), NonZeroUsize::MAX).await.unwrap();
        assert_eq!(changes.len(), number as usize);
        assert!(changes.is_sorted_by_key(|change| change.seq.clone()), "{changes:?}");
    }
}

#[tokio::test]
async fn a_file_that_is_no_duckdb_file_is_corrupt_and_stays_as_it_is() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("notes.txt");
    let notes = "not a database ".repeat(1_000);
    std::fs::write(&path, &notes).unwrap();
    let error = open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert_eq!(std::fs::read_to_string(&path).unwrap(), notes);
}

#[tokio::test]
async fn a_duckdb_file_of_another_program_is_corrupt() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("other.duckdb");
    Connection::open(&path).unwrap().execute_batch("CREATE TABLE numbers (number INTEGER)").unwrap();
    let error = open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt, "{error}");
    assert!(error.hint().is_some(), "{error}");
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_unsupported() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    open(&path).await.unwrap().close().await.unwrap();
    Connection::open(&path).unwrap().execute_batch("UPDATE _meta SET schema_version = 99").unwrap();
    let error = open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported, "{error}");
    assert!(error.to_string().contains("99"), "{error}");
}

#[tokio::test]
async fn a_damaged_store_is_corrupt_wherever_it_is_damaged_and_no_new_one_is_made_of_it() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    let store = open(&path).await.unwrap();
    store.ingest(snapshot(1, vec![item(0, "a", "x")])).await.unwrap();
    store.close().await.unwrap();
    let whole = std::fs::read(&path).unwrap();
    let cut = whole[..whole.len() / 3].to_vec();
    let flipped = |place: usize| {
        let mut file = whole.clone();
        file[place..place + 64].iter_mut().for_each(|byte| *byte ^= 0xA5);
        file
    };
    let blocks = (3 * 4_096..whole.len()).step_by(262_144).map(|block| flipped(block + 100));
    for (number, file) in [cut, flipped(0), flipped(8)].into_iter().chain(blocks).enumerate() {
        std::fs::write(&path, &file).unwrap();
        let failed = async {
            let store = open(&path).await?;
            let read = store.transfer().unwrap().export().await?.next().await;
            store.close().await?;
            read
        };
        let error = failed.await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Corrupt, "{number}: {error}");
        assert!(error.hint().is_some_and(|hint| hint.contains("backup")), "{number}: {error}");
        assert_eq!(std::fs::read(&path).unwrap(), file, "{number}: it is left as it is");
    }
}

#[tokio::test]
async fn a_directory_that_is_missing_is_denied() {
    let place = TempDir::new().unwrap();
    let error = open(&place.path().join("missing/store.duckdb")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied, "{error}");
}

#[tokio::test]
async fn what_stands_at_a_place_is_told_without_beginning_anything() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    let closed = DuckDbStore::new(&path);
    let care = closed.care().unwrap();
    assert_eq!(care.standing().await.unwrap(), Standing::Nothing);
    assert!(!path.exists());
    let store = open(&path).await.unwrap();
    store.ingest(snapshot(1, vec![item(0, "a", "x")])).await.unwrap();
    let open_size = store.care().unwrap().size().await.unwrap();
    let ours = Standing::Store { schema_version: store.info().schema_version };
    assert_eq!(store.care().unwrap().standing().await.unwrap(), ours);
    store.close().await.unwrap();
    assert_eq!(care.standing().await.unwrap(), ours);
    let size = care.size().await.unwrap();
    let versions = size.tables.iter().find(|table| table.name == "_versions").unwrap();
    assert_eq!((versions.rows, size.tables == open_size.tables), (1, true), "{size:?}");
    assert_eq!(size.bytes, std::fs::metadata(&path).unwrap().len());
}
