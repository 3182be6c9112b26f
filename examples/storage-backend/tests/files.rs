//! What the kit cannot know of: the file itself, other processes, a process that is killed.

use std::io::{BufRead, BufReader};
use std::path::Path;
use std::process::{Child, Command, Stdio};

use feedspine_core::{
    Candidate, Content, Coverage, CursorStep, ErrorKind, FeedId, FetchId, HashRule, IngestBatch, Json, KeyRule,
    Namespace, NaturalKey, Part, Selection, StorageBackend, StorageError, Timestamp,
};
use feedspine_example_redb::RedbStore;
use redb::{Database, TableDefinition};
use tempfile::TempDir;

const ITEMS: u32 = 20;

fn key(text: &str) -> NaturalKey {
    Namespace::new("news").and_then(|namespace| NaturalKey::new(namespace, text)).expect("a natural key")
}

/// Fetch `number` of a feed: 20 items that no other fetch has.
fn batch(feed: u128, number: u32) -> IngestBatch {
    let now = Timestamp::UNIX_EPOCH.saturating_add_micros(i64::from(number) * 1_000_000);
    let item = |ordinal: u32| Candidate {
        key: key(&format!("{feed} {number} {ordinal}")),
        key_rule: KeyRule::Id,
        ordinal,
        content: Content::new(&Json::object([("title", Json::from("x"))])),
        published: None,
        updated: None,
    };
    IngestBatch {
        feed: FeedId::from_u128(feed),
        fetch: FetchId::from_u128(feed << 32 | u128::from(number)),
        part: Part::ONLY,
        observed_at: now,
        recorded_at: now,
        coverage: Coverage::Snapshot { complete: true },
        hash_rule: HashRule::whole(),
        items: (0..ITEMS).map(item).collect(),
        rejects: Vec::new(),
        step: CursorStep::Keep,
    }
}

async fn open(path: &Path) -> Result<RedbStore, StorageError> {
    let store = RedbStore::new(path);
    store.initialize().await.map(|()| store)
}

async fn count(store: &RedbStore) -> u64 {
    store.count(&Selection::everything()).await.expect("the store counts")
}

/// This very test, run as another process: it ingests so many fetches of a feed, and tells each that was acknowledged.
fn other_process(path: &Path, feed: u128, fetches: u32) -> Child {
    let mut command = Command::new(std::env::current_exe().expect("this test is a program"));
    command.args(["--exact", "the_other_process", "--nocapture"]).stdout(Stdio::piped());
    command.env("STORE", path).env("FEED", feed.to_string()).env("FETCHES", fetches.to_string());
    command.spawn().expect("this test starts again")
}

#[tokio::test]
async fn the_other_process() {
    let Ok(path) = std::env::var("STORE") else { return };
    let (feed, fetches): (u128, u32) =
        (std::env::var("FEED").unwrap().parse().unwrap(), std::env::var("FETCHES").unwrap().parse().unwrap());
    let store = open(Path::new(&path)).await.unwrap();
    for number in 1..=fetches {
        store.ingest(batch(feed, number)).await.unwrap();
        println!("acknowledged {number}");
    }
    store.close().await.unwrap();
}

/// What the other process told so far, line by line, until it ends.
fn acknowledged(other: &mut Child) -> impl Iterator<Item = u64> + use<> {
    let lines = BufReader::new(other.stdout.take().expect("it is piped")).lines();
    lines.filter_map(|line| line.ok()?.strip_prefix("acknowledged ")?.parse().ok())
}

#[tokio::test]
async fn two_processes_create_and_fill_one_store_at_once() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.redb");
    let mut others = [other_process(&path, 1, 20), other_process(&path, 2, 20)];
    let store = open(&path).await.unwrap();
    for number in 1..=20 {
        store.ingest(batch(3, number)).await.unwrap();
    }
    for other in &mut others {
        assert!(other.wait().unwrap().success());
    }
    assert_eq!(count(&store).await, u64::from(3 * 20 * ITEMS));
}

#[tokio::test]
async fn a_process_that_is_killed_loses_nothing_acknowledged_and_leaves_whole_batches() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.redb");
    let store = open(&path).await.unwrap();
    let mut other = other_process(&path, 1, u32::MAX);
    let mut told = acknowledged(&mut other);
    assert_eq!(told.nth(9), Some(10), "ten fetches, then the end comes as it may");
    other.kill().unwrap();
    other.wait().unwrap();
    let told = told.last().unwrap_or(10) * u64::from(ITEMS);
    let left = count(&store).await;
    assert!(left >= told && left % u64::from(ITEMS) == 0, "{left} records of {told} acknowledged");
    store.ingest(batch(2, 1)).await.unwrap();
    store.close().await.unwrap();
    // A commit that the end cut short is undone or made whole by the next writer.
    let after = count(&open(&path).await.unwrap()).await - u64::from(ITEMS);
    assert!(after >= left && after % u64::from(ITEMS) == 0, "{after} records after {left}");
}

#[tokio::test]
async fn a_file_that_is_no_redb_file_is_corrupt_and_stays_as_it_is() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("notes.txt");
    let notes = "not a database ".repeat(1_000);
    std::fs::write(&path, &notes).unwrap();
    assert_eq!(open(&path).await.unwrap_err().kind(), ErrorKind::Corrupt);
    assert_eq!(std::fs::read_to_string(&path).unwrap(), notes);
}

#[tokio::test]
async fn a_redb_file_of_another_program_is_corrupt() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("other.redb");
    let database = Database::create(&path).unwrap();
    let tx = database.begin_write().unwrap();
    tx.open_table(TableDefinition::<u64, u64>::new("numbers")).unwrap().insert(1, 2).unwrap();
    tx.commit().unwrap();
    drop(database);
    let error = open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Corrupt);
    assert!(error.hint().is_some(), "{error}");
}

#[tokio::test]
async fn a_store_of_a_newer_program_is_unsupported() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.redb");
    open(&path).await.unwrap().close().await.unwrap();
    let database = Database::open(&path).unwrap();
    let tx = database.begin_write().unwrap();
    tx.open_table(TableDefinition::<(), &[u8]>::new("META")).unwrap().insert((), b"99".as_slice()).unwrap();
    tx.commit().unwrap();
    drop(database);
    let error = open(&path).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Unsupported);
    assert!(error.to_string().contains("99"), "{error}");
}

#[tokio::test]
async fn a_directory_that_is_missing_is_denied() {
    let place = TempDir::new().unwrap();
    let error = open(&place.path().join("missing/store.redb")).await.unwrap_err();
    assert_eq!(error.kind(), ErrorKind::Denied);
}

#[tokio::test]
async fn a_file_that_another_program_holds_alone_is_unavailable() {
    let place = TempDir::new().unwrap();
    let path = place.path().join("store.redb");
    let _held = Database::create(&path).unwrap();
    assert_eq!(open(&path).await.unwrap_err().kind(), ErrorKind::Unavailable);
}
