//! kill -9 at points spread over the life of a process that writes: at every so-manieth call of the system that writes to
//! the files or syncs them.

use feedspine_cluster::{Left, Writer};
use feedspine_core::ingest::{Coverage, CursorStep, IngestBatch, Reject};
use feedspine_core::transfer::Row;
use feedspine_core::{Json, MemoryStore, StorageBackend};
use feedspine_testkit::storage::calls::exported;
use tokio::runtime::{Builder, Runtime};

use crate::support::{fetch_id, item, key, open, snapshot};

const WRITER: Writer = Writer {
    test: "kill::writes_what_is_killed",
    calls: "pwrite64,fdatasync,fsync,ftruncate,unlink",
    environment: &[],
};
const BATCHES: u32 = 24;

/// Batch `number` of the story: a window that moves over edited items, with a reject now and then, or nothing new.
fn batch(number: u32) -> IngestBatch {
    let step = CursorStep::Advance {
        expected: u64::from(number),
        next: Json::object([("etag", Json::from(u64::from(number)))]),
    };
    if number % 4 == 3 {
        let coverage = Coverage::Unchanged { of: fetch_id(1, number - 1) };
        return IngestBatch { coverage, step, ..snapshot(1, number, Vec::new()) };
    }
    let name = |place: u32| format!("item-{}", number + place);
    let items = (0..6).map(|place| item(place, &name(place), &format!("edition {}", (number + place) / 3))).collect();
    let bad = Reject {
        ordinal: 9,
        key: Some(key("bad")),
        code: "test".into(),
        reason: "told so".into(),
        excerpt: "<".into(),
    };
    let rejects = if number.is_multiple_of(3) { vec![bad] } else { Vec::new() };
    IngestBatch { rejects, step, ..snapshot(1, number, items) }
}

/// Ingests the story and acknowledges each batch. Does nothing unless it is the process that is killed.
#[tokio::test]
async fn writes_what_is_killed() {
    let Some(directory) = Writer::place() else { return };
    let store = open(&directory).await;
    for number in 0..BATCHES {
        store.ingest(batch(number)).await.unwrap();
        Writer::acknowledge();
    }
    store.close().await.unwrap();
}

/// What is held after none, one, two, … of the batches, as the memory backend tells it.
async fn chapters() -> Vec<Vec<Row>> {
    let store = MemoryStore::new();
    store.initialize().await.unwrap();
    let mut chapters = vec![exported(&store).await.unwrap().unwrap()];
    for number in 0..BATCHES {
        store.ingest(batch(number)).await.unwrap();
        chapters.push(exported(&store).await.unwrap().unwrap());
    }
    chapters
}

/// Looks at what is left, and goes on with it.
async fn judge(Left { directory, acknowledged, call }: Left<'_>, chapters: &[Vec<Row>]) {
    let store = open(directory).await;
    let held = exported(&store).await.unwrap().unwrap();
    // Nothing that was acknowledged is lost, and of what was not all is there or nothing.
    let whole = chapters[acknowledged..].iter().take(2).any(|chapter| *chapter == held);
    assert!(
        whole,
        "killed at call {call} after {acknowledged} batches: what is held is neither {acknowledged} nor one more"
    );
    for number in 0..BATCHES {
        let report = store.ingest(batch(number)).await.unwrap();
        assert!(report.replayed || number as usize >= acknowledged, "batch {number} is taken again after call {call}");
    }
    let last = exported(&store).await.unwrap().unwrap();
    assert!(last == chapters[BATCHES as usize], "killed at call {call}: it does not end as an undisturbed run");
    store.close().await.unwrap();
}

fn runtime() -> Runtime {
    Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap()
}

/// Kills it in so many of its calls; false without strace. Of ten runs one at most may end before.
fn sweep(kills: usize) -> bool {
    let chapters = runtime().block_on(chapters());
    let Some(swept) = WRITER.sweep(kills, BATCHES as usize, |left| runtime().block_on(judge(left, &chapters))) else {
        return false;
    };
    assert!(swept.killed.len() >= kills && swept.runs - swept.killed.len() <= kills / 9 + 1, "{swept:?}");
    true
}

#[test]
fn kill_9_at_fifty_points_of_its_life_loses_nothing() {
    sweep(50);
}

#[test]
#[ignore = "long: cargo xtask test --long"]
fn kill_9_at_three_hundred_points_of_its_life_loses_nothing() {
    assert!(sweep(300), "whoever asks for the long tests needs strace");
}
