//! A store of a million records: pages and single records read back; on SQLite they are one document that came in parts.

use std::num::NonZeroUsize;
use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feedspine_cluster::{Cluster, Disk};
use feedspine_core::{
    Candidate, IngestBatch, MAX_PAGE, Order, PageRequest, Part, Query, RecordRef, Selection, StorageBackend,
};
use feedspine_postgres::PostgresStore;
use feedspine_sqlite::SqliteStore;

use crate::bare::Bare;
use crate::bare_postgres::BarePostgres;
use crate::candidates::{Snapshot, batch, part};
use crate::ingest::{hand_over, rate_of};
use crate::random::Random;
use crate::table::{Goal, Row, median};

/// Items in a part, as the adapter for CSV hands them over (`crates/engine/src/adapters/table.rs`).
const PART: usize = 5_000;
/// Items in a document, where there are many.
const DOCUMENT: usize = 1_000;
/// Documents on their way at once.
const WRITERS: usize = 4;
/// Rows in a page.
const PAGE: usize = 100;
/// The page that is compared with the first.
const LATE: usize = 1_000;
/// How often each page is read.
const READINGS: usize = 50;
/// How many records are looked up by key.
const LOOKED_UP: usize = 5_000;

/// The rows about a million records, on SQLite and on PostgreSQL; nothing is repeated, each figure is a median of many
/// readings or a sum over all parts.
///
/// # Panics
/// When there is no server, or when a store refuses what it must take: a measurement of failures is none.
pub fn rows(candidates: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    let mut rows = Vec::new();
    let folder = tempfile::tempdir().expect("a temporary folder");
    rows.extend(runtime.block_on(sqlite(folder.path(), candidates, tell)));
    drop(folder);
    rows.extend(runtime.block_on(postgres(candidates, tell)));
    rows
}

async fn sqlite(folder: &Path, candidates: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let store: Arc<dyn StorageBackend> = Arc::new(SqliteStore::new(folder.join("ours.db")));
    store.initialize().await.expect("a fresh file opens");
    let mut rows = capture("SQLite", &store, candidates, tell).await;
    let bare = Bare::open(&folder.join("bare.db"), PART);
    for from in (0..candidates).step_by(PART) {
        bare.insert(&[Snapshot { feed: 0, items: part(from, PART) }]);
    }
    rows.extend(pages("SQLite", &store, tell).await);
    let mut found = Vec::new();
    for item in sample(candidates) {
        let began = Instant::now();
        let content = bare.find(item.key.key());
        found.push(began.elapsed());
        assert_eq!(content, item.content.as_str());
    }
    rows.extend(single("SQLite", "rusqlite", &store, candidates, &found, tell).await);
    store.close().await.expect("the file closes");
    rows
}

async fn postgres(candidates: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let cluster = Cluster::start_on(Disk::Awaited).expect("a private PostgreSQL server");
    let store = PostgresStore::from_url(&format!("{}?schema=million", cluster.url())).expect("a good address");
    store.initialize().await.expect("a fresh schema");
    let store: Arc<dyn StorageBackend> = Arc::new(store);
    fill(&store, candidates).await;
    let bare = BarePostgres::open(&cluster.url()).await;
    for from in (0..candidates).step_by(PART) {
        bare.upsert(&[Snapshot { feed: 0, items: part(from, PART) }]).await;
    }
    let mut rows = pages("PostgreSQL", &store, tell).await;
    let mut found = Vec::new();
    for item in sample(candidates) {
        let began = Instant::now();
        let content = bare.find(&item).await;
        found.push(began.elapsed());
        assert_eq!(content, item.content.as_str());
    }
    rows.extend(single("PostgreSQL", "tokio-postgres", &store, candidates, &found, tell).await);
    store.close().await.expect("the store closes");
    rows
}

/// Many documents, each of a feed of its own.
async fn fill(store: &Arc<dyn StorageBackend>, candidates: usize) {
    for from in (0..candidates).step_by(PART) {
        let document = |at: usize| Snapshot { feed: at / DOCUMENT, items: part(at, DOCUMENT) };
        let documents: Vec<Snapshot> = (from..from + PART).step_by(DOCUMENT).map(document).collect();
        hand_over(store, &documents, 0, WRITERS).await;
    }
}

/// One document in parts, twice: all new, then all the same.
async fn capture(name: &str, store: &Arc<dyn StorageBackend>, candidates: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let mut rows = Vec::new();
    for (round, what) in [(0, "new"), (1, "again")] {
        let (mut took, mut last) = (Duration::ZERO, Duration::ZERO);
        for from in (0..candidates).step_by(PART) {
            let batch = part_of(candidates, from, round);
            let began = Instant::now();
            store.ingest(batch).await.expect("the store takes it");
            last = began.elapsed();
            took += last;
        }
        let rate = rate_of(candidates, took);
        tell(&format!("{name}, one document, {what}: {rate:.0} items/s, its last part {:.1} s", last.as_secs_f64()));
        let what = format!("{name}, one document of {candidates} in parts of {PART}, {what}");
        rows.push(Row { what: what.clone(), rate, unit: "items/s", ratios: Vec::new(), goal: None });
        let what = format!("{what}: its last part");
        rows.push(Row { what, rate: last.as_secs_f64(), unit: "s", ratios: Vec::new(), goal: None });
    }
    rows
}

fn part_of(candidates: usize, from: usize, round: u64) -> IngestBatch {
    let items = part(from, PART);
    let index = u32::try_from(from / PART).expect("few parts");
    let part = Part { index, last: from + PART >= candidates };
    IngestBatch { part, ..batch(&Snapshot { feed: 0, items }, round) }
}

/// The first page and a late one, in the order of ids and latest first.
async fn pages(name: &str, store: &Arc<dyn StorageBackend>, tell: &dyn Fn(&str)) -> Vec<Row> {
    let mut rows = Vec::new();
    for order in ["id", "-published"] {
        let mut query = Query {
            selection: Selection::everything(),
            order: vec![Order::parse(order).expect("a field")],
            page: PageRequest::first(PAGE),
        };
        let first = read(store, &query).await;
        // On the way there in great steps: a place is the same whatever the pages before it held.
        let mut before = (LATE - 1) * PAGE;
        while before > 0 {
            query.page.limit = NonZeroUsize::new(before.min(MAX_PAGE)).expect("some are left");
            let page = store.query_page(&query).await.expect("a page");
            before -= page.items.len();
            query.page.after = page.next;
        }
        query.page.limit = PageRequest::first(PAGE).limit;
        let late = read(store, &query).await;
        let ratio = late / first;
        tell(&format!("{name}, page of {PAGE} by {order}: first {first:.3} ms, thousandth {ratio:.2} x"));
        rows.push(Row {
            what: format!("{name}, first page of {PAGE} by {order}"),
            rate: first,
            unit: "ms",
            ratios: Vec::new(),
            goal: None,
        });
        rows.push(Row {
            what: format!("{name}, page {LATE} by {order}"),
            rate: late,
            unit: "ms",
            ratios: vec![(ratio, "the first page")],
            goal: Some(Goal::AtMostRatio(2.0)),
        });
    }
    rows
}

/// The median of some readings of a page, in milliseconds.
async fn read(store: &Arc<dyn StorageBackend>, query: &Query) -> f64 {
    let mut took = Vec::new();
    for _ in 0..READINGS {
        let began = Instant::now();
        let page = store.query_page(query).await.expect("a page");
        took.push(began.elapsed());
        assert_eq!(page.items.len(), PAGE);
    }
    median_of(&took) * 1_000.0
}

/// Records by natural key, against the same by a bare indexed select.
async fn single(
    name: &str,
    driver: &'static str,
    store: &Arc<dyn StorageBackend>,
    candidates: usize,
    bare: &[Duration],
    tell: &dyn Fn(&str),
) -> Vec<Row> {
    let mut took = Vec::new();
    for item in sample(candidates) {
        let wanted = [RecordRef::key(item.key.clone())];
        let began = Instant::now();
        let found = store.get_many(&wanted).await.expect("an answer");
        took.push(began.elapsed());
        assert!(found[0].as_ref().is_some_and(|record| record.content == item.content));
    }
    let (ours, theirs) = (median_of(&took) * 1e6, median_of(bare) * 1e6);
    tell(&format!("{name}, by natural key: {ours:.1} us, bare select {theirs:.1} us"));
    let row = |what, rate, ratios, goal| Row { what, rate, unit: "us", ratios, goal };
    vec![
        row(format!("{name}, bare indexed select by {driver}"), theirs, Vec::new(), None),
        row(
            format!("{name}, get by natural key"),
            ours,
            vec![(ours / theirs, "bare select")],
            Some(Goal::AtMostRatio(2.0)),
        ),
    ]
}

/// The items that are looked up, spread over the document and in no order.
fn sample(candidates: usize) -> impl Iterator<Item = Candidate> {
    let mut random = Random::new(23);
    (0..LOOKED_UP).map(move |_| part(random.below(candidates), 1).remove(0))
}

fn median_of(took: &[Duration]) -> f64 {
    median(&took.iter().map(Duration::as_secs_f64).collect::<Vec<f64>>())
}
