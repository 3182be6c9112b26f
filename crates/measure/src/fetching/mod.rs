//! Collecting ten thousand feeds of two hundred hosts over HTTP into SQLite, against a bare client, the store's own limit
//! and the ingest of the same items, all in the same run.

mod cost;
mod limits;
pub mod origin;

use std::path::Path;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feedspine::ops::{Collect, CollectReport};
use feedspine::{Engine, HostRate, Settings};
use feedspine_core::{Content, Feed, FeedId, FeedStatus, FetchStatus, StateStore as _, StorageBackend, Timestamp};
use feedspine_sqlite::{SqliteStore, Stats};

use crate::ingest;
use crate::table::{Goal, Row};
use origin::{HOSTS, ITEMS, Log, Manners, Origin};

/// How many feeds there are, unless it is said otherwise.
pub const FEEDS: usize = 10_000;
/// How many are fetched at once.
const IN_FLIGHT: usize = 128;
/// How often a host may be asked: at its usual rate fifty feeds of a host would take fifty seconds.
const HOST_RATE: HostRate = HostRate { in_flight: 8, interval: Duration::ZERO };
/// The least time between two requests at one host at the default rate, as the origin sees it: what the way there takes
/// differs from request to request.
const LEAST_GAP_MS: f64 = 990.0;

/// The rows about collecting over HTTP.
///
/// # Panics
/// When a fetch fails: a measurement of failures is none.
pub fn rows(feeds: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build().expect("threads");
    runtime.block_on(measured(feeds, tell))
}

/// What one round cost.
#[derive(Debug, Clone, Copy)]
struct Round {
    took: Duration,
    processor: Duration,
    peak_megabytes: f64,
    grown_bytes: f64,
    /// How many units of work one commit ended, on average.
    jobs_a_commit: f64,
}

/// A store in a folder, and the feeds in it.
struct Place<'a> {
    path: &'a Path,
    feeds: usize,
}

async fn measured(feeds: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let folder = tempfile::tempdir().expect("a temporary folder");
    let origin = Origin::start();
    let path = folder.path().join("feeds.db");
    let place = Place { path: &path, feeds };
    place.subscribe(&origin).await;
    // A client wants to know what encrypts, though nothing is encrypted here.
    let _ = rustls::crypto::ring::default_provider().install_default();
    let client = reqwest::Client::builder().no_proxy().tcp_nodelay(true).build().expect("a client");

    // Once for nobody: documents are made, connections opened.
    origin.turn(&client, Manners::Conditional, 0).await;
    limits::bare_round(&client, &origin, feeds, None).await;
    let bare_bodies = limits::bare_round(&client, &origin, feeds, None).await;
    let bare_304 = limits::bare_round(&client, &origin, feeds, Some(0)).await;

    origin.turn(&client, Manners::Conditional, 0).await;
    let first = place.round("first collect", |report| report.counts.new == (feeds * ITEMS) as u64, tell).await;
    origin.turn(&client, Manners::Conditional, 0).await;
    let not_modified = place.round("304", |report| report.counts.unchanged == (feeds * ITEMS) as u64, tell).await;
    let log = origin.log(&client).await;
    assert_eq!((log.requests, log.not_modified), (feeds as u64, feeds as u64), "each is asked once, and has it");
    origin.turn(&client, Manners::Plain, 0).await;
    let same = place.round("same bytes", |report| unchanged(report) == feeds, tell).await;
    origin.turn(&client, Manners::Conditional, 1).await;
    let one_new = place.round("1 new item each", |report| report.counts.new == feeds as u64, tell).await;
    let store_limit = place.store_limit().await;
    // Last: what it leaves in memory is not what collecting takes.
    let ingest_rate = ingest::new_items_rate(&folder.path().join("ingest.db"), feeds * ITEMS, ITEMS).await;

    origin.turn(&client, Manners::Conditional, 1).await;
    place.collect(&Arc::new(SqliteStore::new(&path)), HostRate::default()).await;
    let polite = origin.log(&client).await;
    tell(&format!("fetch, {}: {polite:?}", told(HostRate::default())));

    let rate = |took: Duration| ingest::rate_of(feeds, took);
    let (bare_304, bare_bodies, store_limit) = (rate(bare_304), rate(bare_bodies), rate(store_limit));
    let against = |round: &Round, bare: f64| {
        vec![(rate(round.took) / bare, "bare client"), (rate(round.took) / store_limit, "store alone")]
    };
    let first_items = ingest::rate_of(feeds * ITEMS, first.took);
    let at_rate = |what: &str| format!("{what}, {}", told(HOST_RATE));
    let mut rows = vec![
        row("bare client, 304", bare_304, "feeds/s", Vec::new(), None),
        row("bare client, bodies of 20 kB", bare_bodies, "feeds/s", Vec::new(), None),
        row("SQLite alone, what an unchanged fetch writes", store_limit, "feeds/s", Vec::new(), None),
        row("SQLite alone, new items, 30 a batch", ingest_rate, "items/s", Vec::new(), None),
        row(
            &at_rate("first collect"),
            first_items,
            "items/s",
            vec![(first_items / ingest_rate, "ingest"), (rate(first.took) / bare_bodies, "bare client")],
            Some(Goal::Ratio(0.6)),
        ),
        row(
            &at_rate("collect, all 304"),
            rate(not_modified.took),
            "feeds/s",
            against(&not_modified, bare_304),
            Some(Goal::Rate(8_000.0)),
        ),
        row(
            &at_rate("collect, same bytes"),
            rate(same.took),
            "feeds/s",
            against(&same, bare_bodies),
            Some(Goal::Rate(5_000.0)),
        ),
        row(&at_rate("collect, 1 new item each"), rate(one_new.took), "feeds/s", against(&one_new, bare_bodies), None),
    ];
    for (what, round) in
        [("first collect", first), ("304", not_modified), ("same bytes", same), ("1 new item", one_new)]
    {
        let each = |figure: f64| figure / ingest::count(feeds);
        let processor = each(round.processor.as_secs_f64() * 1e6);
        rows.push(row(&format!("processor time a feed, {what}"), processor, "us", Vec::new(), None));
        rows.push(row(&format!("growth a feed, {what}"), each(round.grown_bytes), "bytes", Vec::new(), None));
        rows.push(row(&format!("units of work a commit, {what}"), round.jobs_a_commit, "", Vec::new(), None));
    }
    let peak = [first, not_modified, same, one_new].iter().map(|round| round.peak_megabytes).fold(0.0, f64::max);
    rows.push(row("memory at its peak", peak, "MB", Vec::new(), Some(Goal::AtMost(300.0))));
    rows.push(spacing(polite));
    rows
}

/// How far apart the requests at one host were, at the default rate.
fn spacing(Log { requests, least_gap, .. }: Log) -> Row {
    let what = format!("least time between {requests} requests at one of {HOSTS} hosts, {}", told(HostRate::default()));
    row(&what, least_gap.as_secs_f64() * 1e3, "ms", Vec::new(), Some(Goal::Rate(LEAST_GAP_MS)))
}

fn row(what: &str, rate: f64, unit: &'static str, ratios: Vec<(f64, &'static str)>, goal: Option<Goal>) -> Row {
    Row { what: what.to_owned(), rate, unit, ratios, goal }
}

fn told(rate: HostRate) -> String {
    format!("{} at once and {:?} apart at a host", rate.in_flight, rate.interval)
}

fn unchanged(report: &CollectReport) -> usize {
    report.feeds.iter().filter(|feed| feed.outcome == FetchStatus::Unchanged).count()
}

impl Place<'_> {
    async fn engine(&self, store: &Arc<SqliteStore>, host_rate: HostRate) -> Engine {
        let allow = vec!["127.0.0.0/8".parse().expect("a network")];
        let settings = Settings { allow, host_rate, concurrency: IN_FLIGHT, ..Settings::default() };
        Engine::open(store.clone(), store.clone(), settings).await.expect("the store opens")
    }

    async fn subscribe(&self, origin: &Origin) {
        let store = SqliteStore::new(self.path);
        store.initialize().await.expect("a fresh file opens");
        for number in 0..self.feeds {
            let name = format!("feed-{number:05}");
            let feed = Feed {
                id: FeedId::from_u128(number as u128 + 1),
                name: name.parse().expect("a name"),
                address: origin.url(number),
                namespace: name.parse().expect("a namespace"),
                status: FeedStatus::Active,
                key_rule: None,
                allow_private: false,
                settings: Content::empty(),
                added_at: Timestamp::UNIX_EPOCH,
            };
            store.add_feed(&feed).await.expect("the store takes it");
        }
        StorageBackend::close(&store).await.expect("the file closes");
    }

    /// Collects all feeds once, in a store that was just opened; `came` says whether the round was what it was to be.
    async fn round(&self, what: &str, came: impl Fn(&CollectReport) -> bool, tell: &dyn Fn(&str)) -> Round {
        let before = self.bytes();
        cost::forget_peak();
        let store = Arc::new(SqliteStore::new(self.path));
        let (report, took, processor) = self.collect(&store, HOST_RATE).await;
        assert!(came(&report), "{what}: {:?}", report.counts);
        let grown_bytes = self.bytes() - before;
        let Stats { jobs, commits } = store.stats();
        let number = |of: u64| ingest::count(usize::try_from(of).expect("it fits"));
        let jobs_a_commit = number(jobs) / number(commits);
        let round = Round { took, processor, peak_megabytes: cost::peak_megabytes(), grown_bytes, jobs_a_commit };
        tell(&format!("fetch, {what}: {round:?}"));
        round
    }

    async fn collect(&self, store: &Arc<SqliteStore>, host_rate: HostRate) -> (CollectReport, Duration, Duration) {
        let engine = self.engine(store, host_rate).await;
        let (began, used) = (Instant::now(), cost::processor_time());
        let report = engine.collect(&Collect::default(), &|_| {}).await.expect("a collect ends");
        let (took, processor) = (began.elapsed(), cost::processor_time().saturating_sub(used));
        engine.close().await.expect("the store closes");
        let failed: Vec<_> = report.failed().take(3).collect();
        assert!(failed.is_empty(), "{failed:?}");
        (report, took, processor)
    }

    /// How long the store takes for what an unchanged round writes.
    async fn store_limit(&self) -> Duration {
        let store = Arc::new(SqliteStore::new(self.path));
        store.initialize().await.expect("the store opens");
        let feeds = store.feeds().await.expect("the store answers");
        let at = feeds[0].added_at.saturating_add_micros(3_600_000_000);
        let took = limits::write_round(&store, &feeds, at, 1).await;
        StorageBackend::close(&*store).await.expect("the store closes");
        took
    }

    /// The size of the file; its log is moved into it when it is closed.
    fn bytes(&self) -> f64 {
        ingest::size_of(self.path)
    }
}
