//! Ingest, from hashed candidates to durable acknowledgement, against bare loops with the same pragmas.

use std::path::Path;
use std::sync::Arc;
use std::time::Duration;

use feedspine_core::{Coverage, IngestBatch, MemoryStore, StorageBackend};
use feedspine_sqlite::SqliteStore;
use futures_util::{StreamExt as _, stream};

use crate::bare::{Bare, Keeps};
use crate::candidates::{SNAPSHOT, Snapshot, all_new, batch, shuffled};
use crate::table::{Goal, Row, median, median_ratio, timed};

/// Batches on their way at once, as when many feeds are collected.
const IN_FLIGHT: usize = 64;
/// Polls of the series that shows what an unchanged poll costs on disk.
const POLLS: u64 = 1_000;
/// The least that new items into SQLite may be to the bare loop: nine tenths of what was recorded (docs/performance.md).
const LEAST: f64 = 0.6;

/// The candidates, and what becomes of them round after round.
#[derive(Debug)]
struct Work {
    new: Vec<Snapshot>,
    one_edited: Vec<Snapshot>,
    /// The same again: another one of each snapshot edited.
    two_edited: Vec<Snapshot>,
    tenth_changed: Vec<Snapshot>,
}

impl Work {
    fn of(count: usize) -> Self {
        let new = all_new(count, SNAPSHOT);
        let one_edited = shuffled(&new, 1, 11);
        let tenth_changed = shuffled(&one_edited, SNAPSHOT / 10, 13);
        let two_edited = shuffled(&one_edited, 1, 12);
        Self { new, one_edited, two_edited, tenth_changed }
    }

    fn items(&self) -> usize {
        self.new.len() * SNAPSHOT
    }
}

/// Rates of one repetition, in items per second.
#[derive(Debug, Clone, Copy, Default)]
struct Rates {
    new: f64,
    identical: f64,
    one_edited: f64,
    tenth_changed: f64,
}

/// The rows about ingest; `candidates` in each pass, `repetitions` of everything.
///
/// # Panics
/// When a store refuses what it must take: a measurement of failures is none.
pub fn rows(candidates: usize, repetitions: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).build().expect("threads");
    let work = Work::of(candidates);
    let (mut memory, mut sqlite) = (Vec::new(), Vec::new());
    let (mut bare, mut checked, mut sighted) = (Vec::new(), Vec::new(), Vec::new());
    let mut averaged = 0;
    for repetition in 1..=repetitions {
        memory.push(runtime.block_on(pass(Arc::new(MemoryStore::new()), &work)));
        let folder = tempfile::tempdir().expect("a temporary folder");
        let (rates, rows_per_commit) = runtime.block_on(sqlite_pass(&folder.path().join("ours.db"), &work));
        averaged = rows_per_commit;
        sqlite.push(rates);
        let limits = bare_pass(&folder.path().join("bare.db"), &work, rows_per_commit);
        bare.push(limits.inserted);
        checked.push(limits.checked);
        sighted.push(limits.sighted);
        tell(&format!(
            "ingest {repetition}/{repetitions}: SQLite {:.0} new items/s at {rows_per_commit} rows per COMMIT, bare loop \
             {:.0}; {:.0} shuffled items/s, check-then-write {:.0} with sightings, {:.0} without",
            rates.new, limits.inserted, rates.one_edited, limits.sighted, limits.checked
        ));
    }
    let size = runtime.block_on(growth());
    let figure = |of: fn(&Rates) -> f64, rates: &[Rates]| rates.iter().map(of).collect::<Vec<f64>>();
    let row = |what: &str, ours: Vec<f64>, ratios, goal| Row {
        what: what.to_owned(),
        rate: median(&ours),
        unit: "items/s",
        ratios,
        goal,
    };
    let new = figure(|rates| rates.new, &sqlite);
    let edited = figure(|rates| rates.one_edited, &sqlite);
    let changed = figure(|rates| rates.tenth_changed, &sqlite);
    vec![
        row("memory, new", figure(|rates| rates.new, &memory), Vec::new(), Some(Goal::Rate(300_000.0))),
        row("memory, identical manifest", figure(|rates| rates.identical, &memory), Vec::new(), None),
        row("memory, shuffled, 1 of 100 edited", figure(|rates| rates.one_edited, &memory), Vec::new(), None),
        row("memory, 10 of 100 changed", figure(|rates| rates.tenth_changed, &memory), Vec::new(), None),
        row(&format!("bare insert loop, {averaged} rows per COMMIT"), bare.clone(), Vec::new(), None),
        row("SQLite, new", new.clone(), vec![(median_ratio(&new, &bare), "bare loop")], Some(Goal::Ratio(LEAST))),
        row(
            "SQLite, identical manifest",
            figure(|rates| rates.identical, &sqlite),
            Vec::new(),
            Some(Goal::Rate(300_000.0)),
        ),
        row("check-then-write with a row for each sighting, same items", sighted.clone(), Vec::new(), None),
        row("check-then-write that keeps no sighting, same items", checked.clone(), Vec::new(), None),
        row(
            "SQLite, shuffled, 1 of 100 edited",
            edited.clone(),
            vec![
                (median_ratio(&edited, &sighted), "check-then-write with sightings"),
                (median_ratio(&edited, &checked), "without any"),
            ],
            Some(Goal::Ratio(2.0)),
        ),
        row("SQLite, 10 of 100 changed", changed.clone(), vec![(median_ratio(&changed, &bare), "bare loop")], None),
        Row {
            what: format!("SQLite, growth by {POLLS} unchanged polls of {SNAPSHOT} items"),
            rate: size,
            unit: "KB",
            ratios: Vec::new(),
            goal: Some(Goal::AtMost(256.0)),
        },
    ]
}

async fn pass(store: Arc<dyn StorageBackend>, work: &Work) -> Rates {
    store.initialize().await.expect("a fresh store opens");
    let new = ingest(&store, &work.new, 0).await;
    let identical = ingest(&store, &work.new, 1).await;
    let one_edited = ingest(&store, &work.one_edited, 2).await;
    let tenth_changed = ingest(&store, &work.tenth_changed, 3).await;
    store.close().await.expect("the store closes");
    let rate = |took: Duration| rate_of(work.items(), took);
    Rates {
        new: rate(new),
        identical: rate(identical),
        one_edited: rate(one_edited),
        tenth_changed: rate(tenth_changed),
    }
}

/// The store is made, closed and opened again before anything is timed.
async fn sqlite_pass(path: &Path, work: &Work) -> (Rates, usize) {
    let store = SqliteStore::new(path);
    store.initialize().await.expect("a fresh file opens");
    store.close().await.expect("the file closes");
    let store = Arc::new(SqliteStore::new(path));
    store.initialize().await.expect("the file opens again");
    let new = ingest_dyn(&store, &work.new, 0).await;
    let rows_per_commit = work.items() / usize::try_from(store.stats().commits).unwrap_or(usize::MAX).max(1);
    let identical = ingest_dyn(&store, &work.new, 1).await;
    let one_edited = ingest_dyn(&store, &work.one_edited, 2).await;
    let tenth_changed = ingest_dyn(&store, &work.tenth_changed, 3).await;
    store.close().await.expect("the file closes");
    let rate = |took: Duration| rate_of(work.items(), took);
    let rates = Rates {
        new: rate(new),
        identical: rate(identical),
        one_edited: rate(one_edited),
        tenth_changed: rate(tenth_changed),
    };
    (rates, rows_per_commit.max(1))
}

/// How many new items a second a fresh file takes, handed over in snapshots of so many; it is made, closed and opened again
/// before anything is timed.
pub(crate) async fn new_items_rate(path: &Path, items: usize, snapshot: usize) -> f64 {
    let store = SqliteStore::new(path);
    store.initialize().await.expect("a fresh file opens");
    store.close().await.expect("the file closes");
    let store = Arc::new(SqliteStore::new(path));
    store.initialize().await.expect("the file opens again");
    let took = ingest_dyn(&store, &all_new(items, snapshot), 0).await;
    store.close().await.expect("the file closes");
    rate_of(items, took)
}

async fn ingest_dyn(store: &Arc<SqliteStore>, snapshots: &[Snapshot], round: u64) -> Duration {
    let store: Arc<dyn StorageBackend> = store.clone();
    ingest(&store, snapshots, round).await
}

/// Hands all snapshots over, [`IN_FLIGHT`] at once.
pub(crate) async fn ingest(store: &Arc<dyn StorageBackend>, snapshots: &[Snapshot], round: u64) -> Duration {
    hand_over(store, snapshots, round, IN_FLIGHT).await
}

/// Hands all snapshots over, so many at once, and waits for every acknowledgement. The batches are built before the
/// clock starts.
pub(crate) async fn hand_over(
    store: &Arc<dyn StorageBackend>,
    snapshots: &[Snapshot],
    round: u64,
    at_once: usize,
) -> Duration {
    let batches: Vec<IngestBatch> = snapshots.iter().map(|snapshot| batch(snapshot, round)).collect();
    let began = std::time::Instant::now();
    let mut acknowledged = stream::iter(batches)
        .map(|batch| {
            let store = Arc::clone(store);
            tokio::spawn(async move { store.ingest(batch).await })
        })
        .buffer_unordered(at_once);
    let mut seen = 0;
    while let Some(report) = acknowledged.next().await {
        let report = report.expect("no panic").expect("the store takes it");
        seen += report.counts.seen;
    }
    let took = began.elapsed();
    assert_eq!(seen, snapshots.iter().map(|snapshot| snapshot.items.len() as u64).sum::<u64>());
    took
}

/// Rates of the bare loops, in items per second.
#[derive(Debug, Clone, Copy)]
struct Limits {
    inserted: f64,
    checked: f64,
    sighted: f64,
}

fn bare_pass(path: &Path, work: &Work, rows_per_commit: usize) -> Limits {
    drop(Bare::open(path, rows_per_commit));
    let bare = Bare::open(path, rows_per_commit);
    let ((), inserted) = timed(|| bare.insert(&work.new));
    let ((), sighted) = timed(|| bare.check_then_write(&work.one_edited, Keeps::Sightings));
    let ((), checked) = timed(|| bare.check_then_write(&work.two_edited, Keeps::Items));
    let rate = |took: Duration| rate_of(work.items(), took);
    Limits { inserted: rate(inserted), checked: rate(checked), sighted: rate(sighted) }
}

/// By how many kilobytes the file grows when a feed is polled [`POLLS`] times and holds what it held.
async fn growth() -> f64 {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let path = folder.path().join("polls.db");
    let snapshot = all_new(SNAPSHOT, SNAPSHOT).remove(0);
    let open = || async {
        let store = SqliteStore::new(&path);
        store.initialize().await.expect("the file opens");
        store
    };
    let store = open().await;
    let first = batch(&snapshot, 0);
    let manifest = first.fetch;
    store.ingest(first).await.expect("the store takes it");
    // Closing the last connection checkpoints the log into the file.
    store.close().await.expect("the file closes");
    let before = size_of(&path);
    let store = open().await;
    for round in 1..=POLLS {
        let poll = IngestBatch {
            items: Vec::new(),
            coverage: Coverage::Unchanged { of: manifest },
            ..batch(&snapshot, round)
        };
        store.ingest(poll).await.expect("the store takes it");
    }
    store.close().await.expect("the file closes");
    (size_of(&path) - before) / 1_024.0
}

#[expect(clippy::cast_precision_loss, reason = "a file of this size fits 52 bits")]
pub(crate) fn size_of(path: &Path) -> f64 {
    std::fs::metadata(path).expect("the file is there").len() as f64
}

/// How many a second.
pub(crate) fn rate_of(things: usize, took: Duration) -> f64 {
    count(things) / took.as_secs_f64()
}

/// So many, to reckon with.
#[expect(clippy::cast_precision_loss, reason = "counts of this size fit 52 bits")]
pub(crate) fn count(things: usize) -> f64 {
    things as f64
}
