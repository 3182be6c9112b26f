//! Positions in the change log belong to one line of a store's history.

use std::num::NonZeroUsize;

use feedspine_core::transfer::{Progress, Transfer};
use feedspine_core::{Care, ErrorKind, Seq, StorageBackend};
use feedspine_duckdb::DuckDbStore;
use tempfile::TempDir;

use crate::support::{item, open, snapshot};

async fn positions(store: &DuckDbStore, after: &Seq) -> Vec<Seq> {
    let changes = store.changes(after, NonZeroUsize::MAX).await.unwrap();
    changes.into_iter().map(|change| change.seq).collect()
}

/// A store that was restored from that one.
async fn restored(from: &DuckDbStore, place: &TempDir) -> DuckDbStore {
    let store = open(&place.path().join("store.duckdb")).await.unwrap();
    assert_eq!(store.begin_import().await.unwrap(), None);
    let (mut export, mut progress) = (from.export().await.unwrap(), Progress::default());
    loop {
        let rows = export.next().await.unwrap();
        if rows.is_empty() {
            break;
        }
        progress.rows += rows.len() as u64;
        store.import(rows, progress).await.unwrap();
    }
    store.finish_import().await.unwrap();
    store
}

#[tokio::test]
async fn a_restored_store_refuses_the_positions_of_the_one_before() {
    let (place, other) = (TempDir::new().unwrap(), TempDir::new().unwrap());
    let store = open(&place.path().join("store.duckdb")).await.unwrap();
    store.ingest(snapshot(1, vec![item(0, "a", "x"), item(1, "b", "x")])).await.unwrap();
    let before = positions(&store, &Seq::start()).await;
    assert_eq!(positions(&store, &before[0]).await, before[1..]);
    assert!(before.is_sorted());

    let restored = restored(&store, &other).await;
    // What happened since the backup is not there: with numbers alone this would be read as having been seen.
    restored.ingest(snapshot(2, vec![item(0, "c", "x")])).await.unwrap();
    for position in &before {
        let error = restored.changes(position, NonZeroUsize::MAX).await.unwrap_err();
        assert_eq!(error.kind(), ErrorKind::Invalid, "{error}");
        assert!(error.to_string().contains("restored") && error.hint().is_some(), "{error}");
    }
    let after = positions(&restored, &Seq::start()).await;
    assert!(after.len() > before.len());
    assert_eq!(positions(&restored, &after[1]).await, after[2..]);
    assert_ne!(store.size().await.unwrap().epoch, restored.size().await.unwrap().epoch);
}

#[tokio::test]
async fn positions_outlive_the_process() {
    let place = TempDir::new().unwrap();
    let store = open(&place.path().join("store.duckdb")).await.unwrap();
    store.ingest(snapshot(1, vec![item(0, "a", "x"), item(1, "b", "x")])).await.unwrap();
    let before = positions(&store, &Seq::start()).await;
    store.close().await.unwrap();
    let again = open(&place.path().join("store.duckdb")).await.unwrap();
    assert_eq!(positions(&again, &before[0]).await, before[1..]);
}

#[tokio::test]
async fn a_store_whose_import_is_not_finished_is_not_compacted() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.duckdb");
    let store = open(&path).await.unwrap();
    store.begin_import().await.unwrap();
    store.close().await.unwrap();
    assert_eq!(DuckDbStore::new(&path).compact().await.unwrap_err().kind(), ErrorKind::Unavailable);
}
