//! kill -9 at points spread over the life of a process that writes: at every so-manieth call of the system that writes to
//! the files or syncs them.

use std::io::Write as _;
use std::ops::Range;
use std::path::Path;
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use feedspine_core::ingest::{Coverage, CursorStep, IngestBatch, Reject};
use feedspine_core::transfer::Row;
use feedspine_core::{Json, MemoryStore, StorageBackend};
use feedspine_testkit::storage::calls::exported;
use tempfile::TempDir;

use crate::support::{fetch_id, item, key, open, say, snapshot};

/// Names the store of the process that is killed: this test program again, with one test.
const KILLED: &str = "FEEDSPINE_KILLED_STORE";
const BATCHES: u32 = 24;
const CALLS: &str = "pwrite64,fdatasync,fsync,ftruncate,unlink";

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
    let Some(directory) = std::env::var_os(KILLED) else { return };
    let store = open(Path::new(&directory)).await;
    for number in 0..BATCHES {
        store.ingest(batch(number)).await.unwrap();
        // Past the test harness, which may keep back what is printed.
        std::io::stdout().write_all(b"\nacknowledged\n").unwrap();
        std::io::stdout().flush().unwrap();
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

/// Runs the process under strace, and gives how many batches it acknowledged and whether it ended by itself.
fn run(directory: &Path, strace: &[&str]) -> (usize, bool) {
    let program = std::env::current_exe().unwrap();
    let ran = Command::new("strace")
        .args(["-f", "-qq"])
        .args(strace)
        .arg(program)
        .args(["--exact", "kill::writes_what_is_killed", "--nocapture"])
        .env(KILLED, directory)
        .stderr(Stdio::null())
        .output()
        .expect("strace runs");
    let said = String::from_utf8_lossy(&ran.stdout);
    (said.lines().filter(|line| *line == "acknowledged").count(), ran.status.success())
}

/// How many calls the busiest thread makes: strace counts them for each thread.
fn calls_of_the_writer() -> usize {
    let directory = TempDir::new().unwrap();
    let trace = directory.path().join("trace");
    let filter = format!("trace={CALLS}");
    let (acknowledged, ended) = run(directory.path(), &["-e", &filter, "-o", trace.to_str().unwrap()]);
    assert_eq!((acknowledged, ended), (BATCHES as usize, true), "an undisturbed run");
    let trace = std::fs::read_to_string(trace).unwrap();
    let mut threads = std::collections::HashMap::<&str, usize>::new();
    for thread in trace.lines().filter(|line| !line.contains("resumed>")).filter_map(|line| line.split(' ').next()) {
        *threads.entry(thread).or_default() += 1;
    }
    threads.into_values().max().unwrap()
}

/// Kills the process at its call of that number, and looks at what is left.
async fn kill_at(call: usize, chapters: &[Vec<Row>]) -> bool {
    let directory = TempDir::new().unwrap();
    let inject = format!("inject={CALLS}:signal=KILL:when={call}");
    let (acknowledged, ended) =
        run(directory.path(), &["-e", &format!("trace={CALLS}"), "-e", &inject, "-o", "/dev/null"]);
    let store = open(directory.path()).await;
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
    ended
}

/// Kills at calls spread over the life of the process, on two threads, so often that `least` of them hit it before its
/// end.
fn sweep(least: usize) {
    if Command::new("strace").arg("--version").output().is_err() {
        return feedspine_cluster::skip("strace cannot be run");
    }
    let runtime = || tokio::runtime::Builder::new_multi_thread().worker_threads(1).enable_all().build().unwrap();
    let chapters = runtime().block_on(chapters());
    let calls = calls_of_the_writer();
    // Of ten runs one at most may have ended before: the threads share the calls in another way each time.
    let points = least + least / 9 + 1;
    let spread: Range<usize> = 0..points.min(calls);
    let (next, survived) = (AtomicUsize::new(0), AtomicUsize::new(0));
    std::thread::scope(|scope| {
        for _ in 0..2 {
            scope.spawn(|| {
                let runtime = runtime();
                while let Some(point) =
                    Some(next.fetch_add(1, Ordering::Relaxed)).filter(|point| spread.contains(point))
                {
                    let call = 1 + point * calls / spread.len();
                    let ended = runtime.block_on(kill_at(call, &chapters));
                    survived.fetch_add(usize::from(ended), Ordering::Relaxed);
                }
            });
        }
    });
    let survived = survived.into_inner();
    let killed = spread.len() - survived;
    say(&format!("killed inside {killed} of {calls} calls that write or sync; {survived} runs ended before"));
    assert!(calls >= points && killed >= least, "{killed} of {points} runs of {calls} calls were killed, not {least}");
}

#[test]
fn kill_9_at_fifty_points_of_its_life_loses_nothing() {
    sweep(50);
}

#[test]
#[ignore = "long: cargo xtask test --long"]
fn kill_9_at_three_hundred_points_of_its_life_loses_nothing() {
    sweep(300);
}
