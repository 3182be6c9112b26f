//! What the engine's tests share: a fresh engine over a memory store, with a clock that stands still.

use std::sync::Arc;
use std::time::Duration;

use feedspine::core::{Feed, FeedName, MemoryStore, Timestamp};
use feedspine::ops::{AdapterChoice, AddFeed, Collect, FeedReport, Which};
use feedspine::{Engine, HostRate, Limits, Settings, SimulatedClock};

/// When every test begins.
pub(crate) fn start() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// An engine over a fresh memory store.
pub(crate) async fn engine() -> Engine {
    engine_with(settings()).await
}

/// An engine over a fresh memory store, with these settings.
pub(crate) async fn engine_with(settings: Settings) -> Engine {
    let store = Arc::new(MemoryStore::new());
    Engine::open(store.clone(), store, settings).await.unwrap()
}

/// Loopback is allowed, no host has to be spared, time stands still.
pub(crate) fn settings() -> Settings {
    Settings {
        allow: vec!["127.0.0.1/32".parse().unwrap()],
        host_rate: HostRate { in_flight: 100, interval: Duration::ZERO },
        clock: Arc::new(SimulatedClock::at(start())),
        ..Settings::default()
    }
}

/// The same, with other limits.
pub(crate) fn settings_with(limits: Limits) -> Settings {
    Settings { limits, ..settings() }
}

/// A feed's name.
pub(crate) fn name(text: &str) -> FeedName {
    text.parse().unwrap()
}

/// Adds a feed of that address.
pub(crate) async fn add(engine: &Engine, address: impl Into<String>) -> Feed {
    engine.add(AddFeed::new(address)).await.unwrap().feed
}

/// Adds a feed of that address, read by an adapter with these options.
pub(crate) async fn add_with(engine: &Engine, address: impl Into<String>, adapter: &str, options: &[&str]) -> Feed {
    let adapter = AdapterChoice::new(Some(adapter), options.iter().copied()).unwrap();
    engine.add(AddFeed { adapter, ..AddFeed::new(address) }).await.unwrap().feed
}

/// Adds a feed of that address as one whose network was public when it was added.
pub(crate) async fn add_as_public(engine: &Engine, address: impl Into<String>, adapter: AdapterChoice) -> Feed {
    let request = AddFeed { allow_private: true, adapter, ..AddFeed::new(address) };
    let feed = Feed { allow_private: false, ..engine.add(request).await.unwrap().feed };
    replace(engine, &feed).await;
    feed
}

/// Replaces a feed as it is now, whatever that is.
pub(crate) async fn replace(engine: &Engine, feed: &Feed) {
    let now = engine.state().feeds().await.unwrap().into_iter().find(|now| now.id == feed.id).unwrap();
    assert!(engine.state().replace_feed(&now, feed).await.unwrap());
}

/// Collects one feed.
pub(crate) async fn collect(engine: &Engine, feed: &Feed) -> FeedReport {
    let request = Collect { which: Which::Named(vec![feed.name.clone()]), allow_private: false };
    engine.collect(&request, &|_| {}).await.unwrap().feeds.remove(0)
}

/// Collects all feeds that are active.
pub(crate) async fn collect_all(engine: &Engine) -> Vec<FeedReport> {
    engine.collect(&Collect::default(), &|_| {}).await.unwrap().feeds
}

/// The code of a report's failure; `ok` when it is none.
pub(crate) fn code(report: &FeedReport) -> &str {
    report.error.as_ref().map_or("ok", |error| error.code())
}
