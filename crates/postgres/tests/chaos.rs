//! Restarts and cut connections during ingest: nothing acknowledged is lost, nothing counts twice.
//!
//! Every feed's batches go to a store that is disturbed and, in the same order, to the memory backend. Each report and
//! all that is held at the end must be the same.

#![expect(clippy::unwrap_used, reason = "a test without a harness: a panic is its failure")]

mod proxy;
mod story;
mod support;

use std::future::Future;
use std::process::ExitCode;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::time::Duration;

use feedspine_cluster::Cluster;
use feedspine_core::ingest::{Candidate, IngestBatch, IngestReport};
use feedspine_core::{
    Content, ErrorKind, Feed, FeedId, FeedName, FeedStatus, FetchDetail, FetchId, FetchIntent, FetchStatus, Json,
    Layer, MemoryStore, Namespace, NaturalKey, PageRequest, Query, RecordId, RecordWrite, Selection, Seq, Sighting,
    StateStore, StorageBackend, StorageExt,
};
use feedspine_postgres::PostgresStore;
use libtest_mimic::{Arguments, Failed, Trial};
use proxy::Proxy;
use story::{item, snapshot};
use support::Server;

const FEEDS: u128 = 4;
const ITEMS: u32 = 12;
const RESTARTS: u32 = 20;
const CUTS: u32 = 100;
/// Longer than any call may take, the time to resolve a lost COMMIT included.
const STUCK_AFTER: Duration = Duration::from_secs(90);
/// A call may come while the server recovers on a busy machine: its error must say so, and the same batch is safe.
const MOST_SUBMISSIONS: u32 = 10;

fn main() -> ExitCode {
    support::with_server("chaos", |_| {
        let trials = vec![
            Trial::test("restarts_lose_nothing_and_count_nothing_twice", || run(Disturb::Restarts)),
            Trial::test("cut_connections_lose_nothing_and_count_nothing_twice", || run(Disturb::Cuts)),
            Trial::test("a_call_whose_commit_was_cut_is_answered_as_if_nothing_had_happened", || run(Disturb::Calls)),
        ];
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    })
}

#[derive(Debug, Clone, Copy)]
enum Disturb {
    Restarts,
    Cuts,
    Calls,
}

fn run(disturb: Disturb) -> Result<(), Failed> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build()?;
    let mut cluster = Cluster::start().expect("a server of its own");
    runtime.block_on(async {
        let proxy = Proxy::before(cluster.port()).await;
        let place = Server::at(cluster.url_at(proxy.port())).place();
        let store = PostgresStore::from_url(place.url()).unwrap();
        store.initialize().await.unwrap();
        let crowd = Crowd::default();
        let told = match disturb {
            Disturb::Calls => return disturbed_calls(&store, &proxy).await,
            Disturb::Restarts => crowd.write(store, restarts(&mut cluster, &crowd)).await,
            Disturb::Cuts => crowd.write(store, cuts(&proxy, &crowd)).await,
        };
        let reopened = PostgresStore::from_url(place.url()).unwrap();
        reopened.initialize().await.unwrap();
        verify(&reopened, &told).await;
    });
    Ok(())
}

/// Crashes the server again and again, while writers write.
async fn restarts(cluster: &mut Cluster, crowd: &Crowd) {
    for _ in 0..RESTARTS {
        crowd.progress(3).await;
        tokio::task::block_in_place(|| cluster.crash_and_restart()).expect("the server comes back");
    }
}

/// Cuts connections: any of them, and those that commit, before and after the COMMIT came to the server.
async fn cuts(proxy: &Proxy, crowd: &Crowd) {
    let mut number = 0;
    while proxy.cuts() < CUTS {
        match number % 3 {
            0 => proxy.lose_an_answer(),
            1 => proxy.lose_a_request(),
            _ => proxy.cut(number * 7),
        }
        number += 1;
        crowd.progress(1).await;
    }
}

/// Writers, one for each feed.
#[derive(Default)]
struct Crowd {
    /// They may stop.
    over: Arc<AtomicBool>,
    /// How many batches were acknowledged to them.
    done: Arc<AtomicU32>,
}

impl Crowd {
    /// Writes until the disturbance is over and has been survived; what was acknowledged to each.
    async fn write(&self, store: PostgresStore, disturbance: impl Future<Output = ()>) -> Vec<Told> {
        let store = Arc::new(store);
        let writer = |feed| write(Arc::clone(&store), feed, Arc::clone(&self.over), Arc::clone(&self.done));
        let writers: Vec<_> = (0..FEEDS).map(|feed| tokio::spawn(writer(feed))).collect();
        disturbance.await;
        self.progress(20).await;
        self.over.store(true, Ordering::Relaxed);
        let mut told = Vec::new();
        for writer in writers {
            told.push(writer.await.unwrap());
        }
        told
    }

    /// Waits until so many more batches were acknowledged.
    async fn progress(&self, batches: u32) {
        let wanted = self.done.load(Ordering::Relaxed) + batches;
        let reached = async {
            while self.done.load(Ordering::Relaxed) < wanted {
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        };
        tokio::time::timeout(STUCK_AFTER, reached).await.expect("the writers go on");
    }
}

fn feed(number: u128) -> FeedId {
    FeedId::from_u128(0xFEED_0000 + number)
}

fn key(feed: u128, name: u32) -> NaturalKey {
    NaturalKey::new(Namespace::new(&format!("feed {feed}")).unwrap(), &format!("item {name}")).unwrap()
}

/// Document `number` of a feed: a window that moves on, with an edit now and then.
fn document(feed_number: u128, number: u32) -> IngestBatch {
    let items: Vec<Candidate> = (number..number + ITEMS)
        .map(|name| {
            let title = if name % 5 == 0 { number / 2 } else { 0 };
            Candidate { key: key(feed_number, name), ..item("any", &title.to_string()) }
        })
        .collect();
    let fetch = FetchId::from_u128(feed_number << 64 | u128::from(number));
    IngestBatch { feed: feed(feed_number), fetch, ..snapshot(number, items) }
}

/// What was acknowledged to one writer.
type Told = Vec<IngestReport>;

async fn write(store: Arc<PostgresStore>, feed: u128, over: Arc<AtomicBool>, done: Arc<AtomicU32>) -> Told {
    let mut told = Told::new();
    while !over.load(Ordering::Relaxed) {
        let batch = document(feed, u32::try_from(told.len()).unwrap() + 1);
        told.push(submitted(&store, &batch).await);
        done.fetch_add(1, Ordering::Relaxed);
    }
    told
}

async fn submitted(store: &PostgresStore, batch: &IngestBatch) -> IngestReport {
    for _ in 0..MOST_SUBMISSIONS {
        match store.ingest(batch.clone()).await {
            Ok(report) => return IngestReport { replayed: false, ..report },
            Err(error) => assert_eq!(error.kind(), ErrorKind::Unavailable, "{error}"),
        }
    }
    panic!("not taken in {MOST_SUBMISSIONS} submissions");
}

/// The memory backend, told the same undisturbed, gives the same reports and holds the same.
async fn verify(store: &PostgresStore, told: &[Told]) {
    let memory = MemoryStore::new();
    memory.initialize().await.unwrap();
    for (number, told) in (0..FEEDS).zip(told) {
        for (at, report) in (1..).zip(told) {
            assert_eq!(*report, memory.ingest(document(number, at)).await.unwrap(), "feed {number}, document {at}");
        }
        let page = PageRequest::first(1_000);
        assert_eq!(
            store.observations_page(feed(number), &page).await.unwrap().items,
            memory.observations_page(feed(number), &page).await.unwrap().items,
            "the ledger of feed {number}"
        );
    }
    let everything = Query::new(Selection::everything(), 1_000);
    let records: Vec<_> = feedspine_core::records(store, everything.clone()).collect_all().await;
    assert_eq!(records, feedspine_core::records(&memory, everything).collect_all().await, "records");
    for record in &records {
        let found = store.get_sightings(&record.key).await.unwrap();
        assert_eq!(found, memory.get_sightings(&record.key).await.unwrap(), "sightings of {}", record.key);
    }
    let (mut found, mut right) = (log(store).await, log(&memory).await);
    found.sort();
    right.sort();
    assert_eq!(found, right, "the change log");
}

async fn log(store: &dyn StorageBackend) -> Vec<String> {
    let (mut all, mut after) = (Vec::new(), Seq::start());
    loop {
        let found = store.changes(&after, PageRequest::first(1_000).limit).await.unwrap();
        let Some(last) = found.last() else { return all };
        after = last.seq.clone();
        all.extend(found.iter().map(|change| format!("{:?}", change.event)));
    }
}

/// Collects a stream whose entries must all be there.
trait CollectAll<T> {
    async fn collect_all(self) -> Vec<T>;
}

impl<T, S: futures_util::Stream<Item = feedspine_core::Result<T>>> CollectAll<T> for S {
    async fn collect_all(self) -> Vec<T> {
        use futures_util::TryStreamExt;
        self.try_collect().await.unwrap()
    }
}

/// Calls that no fetch names: the answer to their COMMIT is lost, or the COMMIT itself, and each happens once.
async fn disturbed_calls(store: &PostgresStore, proxy: &Proxy) {
    for number in 0..10_u32 {
        let disturb = || if number % 2 == 0 { proxy.lose_an_answer() } else { proxy.lose_a_request() };
        let name = format!("put {number}");
        let mut write = written(u128::from(number), &name, "first");
        disturb();
        assert_eq!(store.put_many(vec![write.clone()]).await.unwrap()[0].get(), 1);
        write.content = Content::new(&Json::from("second"));
        disturb();
        assert_eq!(store.put_many(vec![write.clone()]).await.unwrap()[0].get(), 2);
        let sighting = told(&name, number);
        disturb();
        assert_eq!(store.observe_many(vec![sighting]).await.unwrap(), [true]);
        let added = added_feed(number);
        disturb();
        store.add_feed(&added).await.unwrap();
        let intent = FetchIntent {
            fetch: FetchId::from_u128(u128::from(number) + 1),
            feed: added.id,
            started_at: added.added_at,
            address: added.address.clone(),
        };
        disturb();
        store.begin_fetch(&intent, None).await.unwrap();
        assert_eq!(store.begin_fetch(&intent, None).await.unwrap_err().kind(), ErrorKind::Conflict);
        disturb();
        store.finish_fetch(intent.fetch, &captured(&intent), None).await.unwrap();
        disturb();
        let doomed = [feedspine_core::RecordRef::key(write.key.clone())];
        let at = write.recorded_at;
        assert_eq!(store.delete_many(&doomed, at).await.unwrap(), [true]);
    }
    assert_eq!(proxy.cuts(), 70);
    assert_eq!(store.feeds().await.unwrap().len(), 10);
    // New, changed, deleted: once each.
    assert_eq!(log(store).await.len(), 30);
}

/// A write by a call.
fn written(id: u128, name: &str, title: &str) -> RecordWrite {
    RecordWrite {
        id: RecordId::from_u128(id + 1),
        key: story::key(name),
        layer: Layer::Bronze,
        content: Content::new(&Json::from(title)),
        metadata: Content::empty(),
        published: None,
        updated: None,
        recorded_at: snapshot(1, vec![]).recorded_at,
        derived_from: None,
    }
}

/// A sighting told by a call.
fn told(name: &str, number: u32) -> Sighting {
    let batch = snapshot(number, vec![]);
    Sighting {
        key: story::key(name),
        feed: batch.feed,
        fetch: batch.fetch,
        observed_at: batch.observed_at,
        version: None,
    }
}

/// What came of a fetch.
fn captured(intent: &FetchIntent) -> FetchDetail {
    FetchDetail {
        status: FetchStatus::Captured,
        finished_at: intent.started_at,
        http_status: Some(200),
        wire_bytes: 1,
        body_bytes: 1,
        duration_ms: 1,
        code: None,
        reason: None,
        notes: Content::empty(),
    }
}

/// A feed of the control plane.
fn added_feed(number: u32) -> Feed {
    Feed {
        id: FeedId::from_u128(u128::from(number)),
        name: FeedName::new(&format!("feed-{number}")).unwrap(),
        address: "https://news.example/\0".to_owned(),
        namespace: story::key("a").namespace().clone(),
        status: FeedStatus::Active,
        key_rule: None,
        allow_private: false,
        settings: Content::empty(),
        added_at: snapshot(1, vec![]).observed_at,
    }
}
