//! The one writer: group commit, isolation, two stores on one file, callers that go away.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use feedspine_core::ingest::{CursorStep, IngestBatch};
use feedspine_core::transfer::Transfer;
use feedspine_core::{
    Applied, Care, Content, ErrorKind, FeedId, Json, Layer, PageRequest, RecordId, RecordWrite, Selection, Seq,
    StorageBackend,
};
use feedspine_sqlite::{Settings, SqliteStore, Stats};
use rusqlite::Connection;
use tempfile::TempDir;
use tokio::task::JoinSet;

use crate::support::{at, item, items, key, open, snapshot};

#[tokio::test]
async fn many_ingests_at_once_share_commits() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()).await);
    let before = store.stats();
    let mut running = JoinSet::new();
    for feed in 1..=200 {
        let store = Arc::clone(&store);
        running.spawn(async move { store.ingest(snapshot(feed, 1, items(3, "x"))).await.unwrap() });
    }
    running.join_all().await;
    let after = store.stats();
    assert_eq!(after.jobs - before.jobs, 200);
    assert!(after.commits - before.commits <= 100, "{} commits", after.commits - before.commits);
}

#[tokio::test]
async fn a_failing_job_of_a_group_takes_back_itself_only() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()).await);
    let stale = |feed| IngestBatch {
        step: CursorStep::Advance { expected: 7, next: Json::Null },
        ..snapshot(feed, 1, vec![item(0, &format!("never-{feed}"), "x")])
    };
    let mut running = JoinSet::new();
    for feed in 1..=60 {
        let store = Arc::clone(&store);
        let batch =
            if feed % 3 == 0 { stale(feed) } else { snapshot(feed, 1, vec![item(0, &format!("kept-{feed}"), "x")]) };
        running
            .spawn(async move { store.ingest(batch).await.map(drop).map_err(|error| (error.kind(), error.applied())) });
    }
    let answers = running.join_all().await;
    let refused = answers.iter().filter(|answer| **answer == Err((ErrorKind::Conflict, Applied::No))).count();
    assert_eq!((refused, answers.iter().filter(|answer| answer.is_ok()).count()), (20, 40));
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 40);
}

#[tokio::test]
async fn a_job_that_fails_half_way_is_taken_back_alone() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()).await);
    let write = |number: u128, name: &str| RecordWrite {
        id: RecordId::from_u128(number),
        key: key(name),
        layer: Layer::Bronze,
        content: Content::empty(),
        metadata: Content::empty(),
        published: None,
        updated: None,
        recorded_at: at(1),
        derived_from: None,
    };
    let mut running = JoinSet::new();
    for number in 1..=60 {
        let store = Arc::clone(&store);
        // Its second write cannot be: another id holds the key that its first has just taken.
        let (one, other) = (write(number, &format!("put-{number}")), write(number + 1_000, &format!("put-{number}")));
        running.spawn(async move {
            if number % 2 == 0 {
                store.put_many(vec![one, other]).await.map(drop).map_err(|error| (error.kind(), error.applied()))
            } else {
                store.ingest(snapshot(number, 1, vec![item(0, &format!("kept-{number}"), "x")])).await.unwrap();
                Ok(())
            }
        });
    }
    let answers = running.join_all().await;
    let refused = answers.iter().filter(|answer| **answer == Err((ErrorKind::Conflict, Applied::No))).count();
    assert_eq!((refused, answers.iter().filter(|answer| answer.is_ok()).count()), (30, 30));
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 30);
    let changes = store.changes(&Seq::start(), NonZeroUsize::MAX).await.unwrap();
    assert_eq!(changes.len(), 30);
}

#[tokio::test]
async fn the_end_of_an_import_that_fails_half_way_is_taken_back() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.begin_import().await.unwrap();
    let other = Connection::open(store.path()).unwrap();
    // A table that is none cannot be dropped: the last of what is done fails.
    let hide = "ALTER TABLE importing RENAME TO hidden; CREATE VIEW importing AS SELECT * FROM hidden";
    other.execute_batch(hide).unwrap();
    let error = store.finish_import().await.unwrap_err();
    assert_eq!(error.applied(), Applied::No);
    // It was answered before the rest of its group was committed; whoever is answered now came after that.
    assert!(store.begin_import().await.unwrap().is_some());
    let beside = "SELECT group_concat(name ORDER BY name) FROM sqlite_schema WHERE name LIKE 'importing%'";
    let beside: String = other.query_row(beside, [], |row| row.get(0)).unwrap();
    assert_eq!(beside, "importing,importing_graves,importing_parts");
    other.execute_batch("DROP VIEW importing; ALTER TABLE hidden RENAME TO importing").unwrap();
    store.finish_import().await.unwrap();
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 0);
}

#[tokio::test]
async fn an_import_whose_end_was_left_half_done_by_an_older_program_can_be_ended() {
    let directory = TempDir::new().unwrap();
    let store = open(directory.path()).await;
    store.begin_import().await.unwrap();
    Connection::open(store.path()).unwrap().execute_batch("DROP INDEX importing_graves").unwrap();
    store.finish_import().await.unwrap();
    assert_eq!(store.check().await.unwrap().faults, Vec::<String>::new());
}

#[tokio::test]
async fn two_stores_on_one_file_write_at_once() {
    let directory = TempDir::new().unwrap();
    let stores = [Arc::new(open(directory.path()).await), Arc::new(open(directory.path()).await)];
    let mut running = JoinSet::new();
    for fetch in 1..=40 {
        for (number, store) in stores.iter().enumerate() {
            let store = Arc::clone(store);
            // The same items through two feeds: one record each, whoever is first.
            let batch = snapshot(number as u128 + 1, fetch, items(fetch % 7 + 1, "x"));
            running.spawn(async move { store.ingest(batch).await.unwrap() });
        }
    }
    running.join_all().await;
    for store in &stores {
        assert_eq!(store.count(&Selection::everything()).await.unwrap(), 7);
        let changes = store.changes(&Seq::start(), NonZeroUsize::MAX).await.unwrap();
        assert!(changes.is_sorted_by(|a, b| a.seq < b.seq));
        let seen = store.seen_many(&[key("item-0")]).await.unwrap();
        assert_eq!(seen[0].unwrap().count, 80);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn beside_a_store_that_writes_all_the_time_another_is_answered() {
    let directory = TempDir::new().unwrap();
    let (busy, other) = (Arc::new(open(directory.path()).await), open(directory.path()).await);
    let mut running = JoinSet::new();
    for feed in 1..=16 {
        let store = Arc::clone(&busy);
        running.spawn(async move {
            for fetch in 1.. {
                store.ingest(snapshot(feed, fetch, items(100, &fetch.to_string()))).await.unwrap();
            }
        });
    }
    let mut committed = 0;
    for fetch in 1..=20 {
        // It never stops: each of the other's writes comes after one of its own.
        while busy.stats().commits == committed {
            tokio::task::yield_now().await;
        }
        committed = busy.stats().commits;
        other.ingest(snapshot(99, fetch, items(1, "x"))).await.unwrap();
        let waited_for = busy.stats().commits - committed;
        assert!(waited_for <= 20, "write {fetch} came after {waited_for} commits");
        committed += waited_for;
    }
    assert_eq!(other.stats(), Stats { commits: 20, jobs: 20 });
    running.shutdown().await;
}

#[tokio::test]
async fn a_caller_that_goes_away_changes_nothing() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()).await);
    for fetch in 1..=20 {
        let ingest = store.ingest(snapshot(1, fetch, items(5, &fetch.to_string())));
        // Far too short for a commit, long enough to be queued.
        let _given_up = tokio::time::timeout(Duration::from_micros(1), ingest).await;
    }
    // Each was done wholly or not at all: said again, each is done exactly once.
    for fetch in 1..=20 {
        store.ingest(snapshot(1, fetch, items(5, &fetch.to_string()))).await.unwrap();
    }
    assert_eq!(store.seen_many(&[key("item-4")]).await.unwrap()[0].unwrap().count, 20);
}

#[tokio::test]
async fn a_writer_that_is_kept_waiting_stores_nothing_and_says_so() {
    let directory = TempDir::new().unwrap();
    let settings = Settings { busy: Duration::from_millis(50), ..Settings::default() };
    let store = SqliteStore::with_settings(directory.path().join("store.db"), settings);
    store.initialize().await.unwrap();
    let other = Connection::open(store.path()).unwrap();
    other.execute_batch("BEGIN IMMEDIATE").unwrap();
    let error = store.ingest(snapshot(1, 1, items(1, "x"))).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No));
    other.execute_batch("ROLLBACK").unwrap();
    assert!(!store.ingest(snapshot(1, 1, items(1, "x"))).await.unwrap().replayed);
}

#[tokio::test]
async fn a_job_that_waited_too_long_is_not_committed() {
    let directory = TempDir::new().unwrap();
    let settings = Settings { patience: Duration::ZERO, ..Settings::default() };
    let store = SqliteStore::with_settings(directory.path().join("store.db"), settings);
    store.initialize().await.unwrap();
    let error = store.ingest(snapshot(1, 1, items(1, "x"))).await.unwrap_err();
    assert_eq!((error.kind(), error.applied()), (ErrorKind::Unavailable, Applied::No));
    assert_eq!(store.count(&Selection::everything()).await.unwrap(), 0);
}

#[tokio::test]
async fn close_finishes_what_was_queued_and_refuses_the_rest() {
    let directory = TempDir::new().unwrap();
    let store = Arc::new(open(directory.path()).await);
    let mut running = JoinSet::new();
    for feed in 1..=50 {
        let store = Arc::clone(&store);
        running.spawn(async move { (feed, store.ingest(snapshot(feed, 1, items(2, "x"))).await) });
    }
    tokio::task::yield_now().await;
    store.close().await.unwrap();
    let answers = running.join_all().await;
    let again = open(directory.path()).await;
    for (feed, answer) in answers {
        let ledger = again.observations_page(FeedId::from_u128(feed), &PageRequest::first(10)).await.unwrap();
        match answer {
            Ok(_) => assert_eq!(ledger.items.len(), 1, "feed {feed}"),
            Err(error) => assert_eq!((error.kind(), ledger.items.len()), (ErrorKind::Closed, 0), "feed {feed}"),
        }
    }
}
