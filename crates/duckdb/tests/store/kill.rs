//! kill -9 over the whole life of a writer: nothing acknowledged is lost, each call happened wholly or not at all (P1,
//! P6), and going on ends where an undisturbed run ends (P7).

use std::io::{BufRead, BufReader, Write};
use std::num::NonZeroUsize;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::Instant;

use feedspine_core::{
    Content, FeedId, FetchId, IngestBatch, Json, Layer, PageRequest, Query, RecordId, RecordRef, RecordWrite,
    Selection, Seq, Sighting, StorageBackend,
};
use feedspine_duckdb::DuckDbStore;
use tempfile::TempDir;

use crate::support::{at, item, key, open, snapshot};

/// Names the store that the process to be killed writes: this test program again, with one test.
const KILLED: &str = "FEEDSPINE_KILLED_STORE";
/// What the writer does: so many calls.
const STEPS: u32 = 28;
/// After these steps it closes the store and opens it again, which moves the log into the file.
const REOPENED_AFTER: [u32; 2] = [9, 18];
const ITEMS: u32 = 40;

/// One call. Calling it again when it was done already changes nothing.
async fn step(store: &DuckDbStore, number: u32) {
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
            store.put_many(vec![write]).await.expect("a record is put");
        }
        5 => {
            let doomed = RecordRef::key(key(&format!("item {}", number % ITEMS)));
            store.delete_many(&[doomed], at(3_000_000 + number)).await.expect("a record is deleted");
        }
        6 => {
            let (feed, fetch) = (FeedId::from_u128(2), FetchId::from_u128(number.into()));
            let told = Sighting { key: key("told"), feed, fetch, observed_at: at(number), version: None };
            store.observe_many(vec![told]).await.expect("a sighting is told");
        }
        _ => {
            store.ingest(document(number)).await.expect("a document is taken");
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
async fn run(path: &Path, from: u32, mut report: impl FnMut(u32)) -> DuckDbStore {
    let mut store = open(path).await.expect("the store opens");
    for number in from..STEPS {
        step(&store, number).await;
        report(number);
        if REOPENED_AFTER.contains(&number) {
            store.close().await.expect("the store closes");
            store = open(path).await.expect("the store opens again");
        }
    }
    store
}

/// Writes until it is killed. Does nothing unless it is the process for that.
#[tokio::test]
async fn the_killed_process() {
    let Some(path) = std::env::var_os(KILLED) else { return };
    let store = run(Path::new(&path), 0, |number| {
        // Past the test harness, which may keep back what is printed.
        let told = writeln!(std::io::stdout(), "acknowledged {number}").and_then(|()| std::io::stdout().flush());
        told.expect("the parent listens");
    });
    store.await.close().await.expect("the store closes");
}

/// All that a store holds, by all reads that tell of it.
async fn dump(store: &DuckDbStore) -> String {
    let (everything, page) = (Selection::everything(), PageRequest::first(1_000));
    let changes = store.changes(&Seq::start(), NonZeroUsize::MAX).await.expect("changes");
    let records = store.query_page(&Query::new(everything, 1_000)).await.expect("records");
    let keys: Vec<_> = records.items.iter().map(|record| record.key.clone()).chain([key("told")]).collect();
    let seen = store.seen_many(&keys).await.expect("figures");
    let mut told = vec![format!("{changes:#?}"), format!("{records:#?}"), format!("{seen:#?}")];
    for record in records.items.iter().step_by(5) {
        told.push(format!("{:#?}", store.versions_page(record.id, record.layer, &page).await.expect("versions")));
        told.push(format!("{:#?}", store.sightings_page(&record.key, &page).await.expect("sightings")));
    }
    let feed = FeedId::from_u128(1);
    told.push(format!("{:#?}", store.observations_page(feed, &page).await.expect("the ledger")));
    told.push(format!("{:#?}", store.rejects_page(feed, &page).await.expect("the quarantine")));
    told.push(format!("{:#?}", store.cursor(feed).await.expect("the cursor")));
    told.join("\n")
}

/// What an undisturbed run holds before its first step and after each.
async fn undisturbed() -> Vec<String> {
    let place = TempDir::new().expect("a directory");
    let store = open(&place.path().join("store.duckdb")).await.expect("the store opens");
    let mut dumps = vec![dump(&store).await];
    for number in 0..STEPS {
        step(&store, number).await;
        dumps.push(dump(&store).await);
    }
    dumps
}

/// Says where two dumps part.
fn assert_same(held: &str, right: &str, of: &str) {
    for (number, (held, right)) in (1..).zip(held.lines().zip(right.lines())) {
        assert_eq!(held, right, "{of}: line {number}");
    }
    assert_eq!(held.lines().count(), right.lines().count(), "{of}: lines");
}

fn writer(path: &Path) -> Child {
    Command::new(std::env::current_exe().expect("this test is a program"))
        .args(["--exact", "kill::the_killed_process", "--nocapture"])
        .env(KILLED, path)
        .stdin(Stdio::null())
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .expect("this test starts again")
}

/// What the writer tells as acknowledged, until it ends.
fn acknowledged(child: &mut Child) -> impl Iterator<Item = String> + use<> {
    let lines = BufReader::new(child.stdout.take().expect("it is piped")).lines();
    lines.map_while(Result::ok).filter(|line| line.contains("acknowledged "))
}

/// Kills a writer at so many points spread evenly over its steps, however fast the machine is: some way into the step that
/// follows so many acknowledged ones.
#[expect(clippy::print_stdout, reason = "how much was swept is to be known")]
async fn sweep(points: u32) {
    let dumps = undisturbed().await;
    let place = TempDir::new().expect("a directory");
    let life = {
        let began = Instant::now();
        let mut child = writer(&place.path().join("calm.duckdb"));
        let all = acknowledged(&mut child).count();
        assert!(child.wait().expect("the writer ends").success() && all == STEPS as usize, "{all} steps");
        began.elapsed()
    };
    let (mut reached, mut between) = (vec![0_u32; STEPS as usize + 1], 0);
    for point in 0..points {
        let path = place.path().join(format!("{point}.duckdb"));
        let mut child = writer(&path);
        let mut told_now = acknowledged(&mut child);
        let (steps, part) = (point * (STEPS + 1) / points, point * (STEPS + 1) % points);
        let mut told = told_now.by_ref().take(steps as usize).count();
        std::thread::sleep(life.mul_f64(f64::from(part) / f64::from(points) / f64::from(STEPS)));
        child.kill().expect("the writer is killed or has ended");
        child.wait().expect("the writer ends");
        told += told_now.count();
        reached[told] += 1;
        let store = open(&path).await.expect("the store opens after a kill");
        let held = dump(&store).await;
        // The call that was not acknowledged has happened, wholly, or not.
        let is_next = dumps.get(told + 1) == Some(&held);
        between += u32::from(is_next);
        if !is_next {
            assert_same(&held, &dumps[told], &format!("point {point}, after {told} acknowledged steps"));
        }
        store.close().await.expect("the store closes");
        let store = run(&path, u32::try_from(told).expect("few steps"), |_| ()).await;
        assert_same(&dump(&store).await, &dumps[STEPS as usize], &format!("the end of point {point}"));
        store.close().await.expect("the store closes");
        std::fs::remove_file(&path).expect("the store was there");
    }
    let steps_hit = reached.iter().filter(|count| **count > 0).count();
    println!(
        "killed {points} times over a life of {} ms: after {steps_hit} different numbers of acknowledged steps; {between} \
         times the step under way was held",
        life.as_millis()
    );
}

#[tokio::test]
async fn kill_9_at_some_points_of_a_writer_loses_nothing() {
    sweep(8).await;
}

#[tokio::test]
#[ignore = "long: cargo xtask test --duckdb --long"]
async fn kill_9_at_three_hundred_points_of_a_writer_loses_nothing() {
    sweep(300).await;
}
