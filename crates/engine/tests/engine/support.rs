//! What the engine's tests share: a fresh engine over a memory store, with a clock that stands still.

use std::sync::Arc;

use feedspine::core::{FeedName, MemoryStore, Timestamp};
use feedspine::{Engine, Settings, SimulatedClock};

/// When every test begins.
pub(crate) fn start() -> Timestamp {
    "2026-11-24T12:00:00Z".parse().unwrap()
}

/// An engine over a fresh memory store.
pub(crate) async fn engine() -> Engine {
    engine_with(Settings { clock: Arc::new(SimulatedClock::at(start())), ..Settings::default() }).await
}

/// An engine over a fresh memory store, with these settings.
pub(crate) async fn engine_with(settings: Settings) -> Engine {
    let store = Arc::new(MemoryStore::new());
    Engine::open(store.clone(), store, settings).await.unwrap()
}

/// A feed's name.
pub(crate) fn name(text: &str) -> FeedName {
    text.parse().unwrap()
}
