//! kill -9 at the calls by which a writer writes, commits, checkpoints: nothing acknowledged is lost, each call happened
//! wholly or not at all (P1, P6), and going on ends where an undisturbed run ends (P7).

use std::path::Path;

use feedspine_cluster::{Left, Writer};
use feedspine_core::transfer::Row;
use feedspine_core::{
    Care, Content, FeedId, FetchId, IngestBatch, Json, Layer, MemoryStore, RecordId, RecordRef, RecordWrite, Sighting,
    StorageBackend,
};
use feedspine_duckdb::DuckDbStore;
use feedspine_testkit::storage::calls::exported;
use tokio::runtime::{Builder, Runtime};

use crate::support::{at, item, key, open, snapshot};

const WRITER: Writer = Writer {
    test: "kill::the_killed_process",
    calls: "write,pwrite64,fsync,fdatasync,ftruncate,link,linkat,unlink,rename,fallocate",
    // DuckDB takes as many threads as it finds processors, and asks that variable first. On one each of its calls has a
    // number of its own; else any of several threads writes a commit, in another way each time.
    environment: &[("SLURM_CPUS_ON_NODE", "1")],
};
/// What the writer does: so many calls of the contract, by more than 500 of the system.
const STEPS: u32 = 120;
/// After so many steps it closes the store and opens it again, which moves the log into the file.
const UNTIL_REOPENED: u32 = 12;
const ITEMS: u32 = 40;

/// One call. Calling it again when it was done already changes nothing.
async fn step(store: &dyn StorageBackend, number: u32) {
    match number % 7 {
        4 => {
            let write = RecordWrite {
                id: RecordId::from_u128(number.into()),
                key: key(&format!("written {number}")),
                layer: Layer::Silver,
                content: Content::new(&Json::from(i64::from(number))),
                metadata: Content::empty(),
                published: None,
                updated: None,
                recorded_at: at(3_000_000 + number),
                derived_from: None,
            };
            store.put_many(vec![write]).await.unwrap();
        }
        5 => {
            let doomed = RecordRef::key(key(&format!("item {}", number % ITEMS)));
            store.delete_many(&[doomed], at(3_000_000 + number)).await.unwrap();
        }
        6 => {
            let (feed, fetch) = (FeedId::from_u128(2), FetchId::from_u128(number.into()));
            let told = Sighting { key: key("told"), feed, fetch, observed_at: at(number), version: None };
            store.observe_many(vec![told]).await.unwrap();
        }
        _ => {
            store.ingest(document(number)).await.unwrap();
        }
    }
}

/// A window that moves over the items by one a step, every seventh of them edited at each step.
fn document(number: u32) -> IngestBatch {
    let items = (0..ITEMS).map(|ordinal| {
        let name = number + ITEMS - ordinal;
        let edition = if name.is_multiple_of(7) { number } else { 0 };
        item(ordinal, &format!("item {name}"), &format!("{name} as of {edition}"))
    });
    snapshot(number + 1, items.collect())
}

/// Does the steps from one on. `report` is told of each that was acknowledged.
async fn run(path: &Path, from: u32, report: impl Fn()) -> DuckDbStore {
    let mut store = open(path).await.unwrap();
    for number in from..STEPS {
        step(&store, number).await;
        report();
        if (number + 1).is_multiple_of(UNTIL_REOPENED) {
            store.close().await.unwrap();
            store = open(path).await.unwrap();
        }
    }
    store
}

/// Whatever blocks does so on one thread, whose calls strace counts; and it is awaited without a call that writes, as the
/// drivers of input and output make it.
fn runtime() -> Runtime {
    Builder::new_current_thread().max_blocking_threads(1).build().unwrap()
}

/// Writes until it is killed. Does nothing unless it is the process for that.
#[test]
fn the_killed_process() {
    let Some(directory) = Writer::place() else { return };
    runtime().block_on(async {
        let store = run(&directory.join("store.duckdb"), 0, Writer::acknowledge).await;
        store.close().await.unwrap();
    });
}

/// What is held before the first step and after each, as the memory backend tells it.
async fn chapters() -> Vec<Vec<Row>> {
    let store = MemoryStore::new();
    store.initialize().await.unwrap();
    let mut chapters = vec![exported(&store).await.unwrap().unwrap()];
    for number in 0..STEPS {
        step(&store, number).await;
        chapters.push(exported(&store).await.unwrap().unwrap());
    }
    chapters
}

/// Opens what is left, and compares it with what was acknowledged.
async fn judge_left(Left { directory, acknowledged, call }: &Left<'_>, chapters: &[Vec<Row>]) {
    let store = open(&directory.join("store.duckdb")).await;
    let store = store.unwrap_or_else(|error| panic!("after a kill at call {call}: {error}"));
    let held = exported(&store).await.unwrap().unwrap();
    // The call that was not acknowledged has happened, wholly, or not.
    let whole = chapters[*acknowledged..].iter().take(2).any(|chapter| *chapter == held);
    assert!(whole, "killed at call {call} after {acknowledged} steps: it holds neither {acknowledged} nor one more");
    store.close().await.unwrap();
}

async fn judge(left: Left<'_>, chapters: &[Vec<Row>]) {
    judge_left(&left, chapters).await;
    let Left { directory, acknowledged, call } = left;
    let path = directory.join("store.duckdb");
    let store = run(&path, u32::try_from(acknowledged).unwrap(), || ()).await;
    assert_eq!(store.check().await.unwrap().faults, Vec::<String>::new(), "killed at call {call}");
    let last = exported(&store).await.unwrap().unwrap();
    assert!(last == chapters[STEPS as usize], "killed at call {call}: it does not end as an undisturbed run");
    store.close().await.unwrap();
}

/// Kills it in so many of its calls; false without strace. Of ten runs one at most may end before.
fn sweep(kills: usize) -> bool {
    let chapters = runtime().block_on(chapters());
    let Some(swept) = WRITER.sweep(kills, STEPS as usize, |left| runtime().block_on(judge(left, &chapters))) else {
        return false;
    };
    assert!(swept.killed.len() >= kills && swept.runs - swept.killed.len() <= kills / 9 + 1, "{swept:?}");
    true
}

#[test]
fn kill_9_while_a_store_is_made_leaves_one_that_opens_or_none() {
    let chapters = runtime().block_on(chapters());
    WRITER.sweep_beginning(20, STEPS as usize, |left| runtime().block_on(judge_left(&left, &chapters)));
}

#[test]
fn kill_9_at_some_points_of_a_writer_loses_nothing() {
    sweep(10);
}

#[test]
#[ignore = "long: cargo xtask test --duckdb --long"]
fn kill_9_at_three_hundred_points_of_a_writer_loses_nothing() {
    assert!(sweep(300), "whoever asks for the long tests needs strace");
}
