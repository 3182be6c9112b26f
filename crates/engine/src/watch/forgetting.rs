//! A daemon forgets by itself what is not to be kept of the bytes that fetches brought.

use std::time::Duration;

use tokio::task::JoinHandle;
use tokio::time::sleep;

use crate::ops::PruneCaptures;
use crate::{DeclaredFeed, Engine, Keep};

/// After its begin a daemon has feeds to fetch first.
const FIRST: Duration = Duration::from_mins(5);
/// What is kept is counted in days.
const EVERY: Duration = Duration::from_hours(24);

/// It goes on as long as this is there; a step that is under way ends.
pub(super) struct Forgetting(JoinHandle<()>);

impl Drop for Forgetting {
    fn drop(&mut self) {
        self.0.abort();
    }
}

/// Begins it; `None` where all is kept.
pub(super) fn begin(engine: &Engine) -> Option<Forgetting> {
    let settings = engine.settings();
    let mut kept = settings.declared.values().filter_map(DeclaredFeed::keep).chain([settings.keep]);
    let forgets = kept.any(|keep| keep != Keep::All);
    forgets.then(|| Forgetting(tokio::spawn(daily(engine.clone()))))
}

async fn daily(engine: Engine) {
    let mut wait = FIRST;
    loop {
        sleep(wait).await;
        wait = EVERY;
        match engine.prune_captures(&PruneCaptures::default()).await {
            Ok(pruned) if pruned.forgotten.captures > 0 => {
                let forgotten = pruned.forgotten;
                tracing::info!(
                    captures = forgotten.captures,
                    bodies = forgotten.bodies,
                    packed_bytes = forgotten.packed_bytes,
                    "what is not to be kept of fetches was forgotten"
                );
            }
            Ok(_) => {}
            Err(error) => tracing::warn!(%error, "what is not to be kept of fetches stays for now"),
        }
    }
}

#[cfg(test)]
mod tests {
    use std::num::NonZeroU32;
    use std::sync::Arc;

    use feedspine_core::{
        Capture, CaptureName, CaptureStore, Content, ContentHash, Feed, FeedId, FeedStatus, FetchId, MemoryStore,
        PackedBody, Packing, StateStore, Timestamp,
    };

    use super::*;
    use crate::{Settings, SimulatedClock};

    /// A store that holds a capture of the first of January 1970.
    async fn old() -> Arc<MemoryStore> {
        let store = Arc::new(MemoryStore::new());
        store.prepare().await.unwrap();
        let feed = Feed {
            id: FeedId::from_u128(1),
            name: "news".parse().unwrap(),
            address: "https://a.example/".to_owned(),
            namespace: "news".parse().unwrap(),
            status: FeedStatus::Active,
            key_rule: None,
            allow_private: false,
            settings: Content::empty(),
            added_at: Timestamp::UNIX_EPOCH,
        };
        store.add_feed(&feed).await.unwrap();
        let hash = ContentHash::of(b"x");
        let capture = Capture {
            name: CaptureName { feed: feed.id, fetch: FetchId::from_u128(1), first_ordinal: 0 },
            last_ordinal: 0,
            observed_at: Timestamp::UNIX_EPOCH,
            url: None,
            content_type: None,
            http_status: None,
            headers: Vec::new(),
            body: hash,
        };
        let body = PackedBody { hash, length: 1, packing: Packing::Plain, packed: b"x".to_vec() };
        store.keep(capture, body).await.unwrap();
        store
    }

    #[tokio::test(start_paused = true)]
    async fn a_daemon_forgets_what_is_not_to_be_kept_some_minutes_after_its_begin_and_else_does_nothing() {
        let now: Timestamp = "2026-11-27T10:00:00Z".parse().unwrap();
        for (keep, forgets) in [(Keep::All, false), (Keep::Nothing, true), (Keep::Days(NonZeroU32::MIN), true)] {
            let store = old().await;
            let settings = Settings { keep, clock: Arc::new(SimulatedClock::at(now)), ..Settings::default() };
            let engine = Engine::open(store.clone(), store.clone(), settings).await.unwrap();
            let forgetting = begin(&engine);
            assert_eq!(forgetting.is_some(), forgets, "{keep}");
            assert_eq!(store.capture_figures().await.unwrap().bodies, 1, "{keep}");
            sleep(FIRST * 2).await;
            assert_eq!(store.capture_figures().await.unwrap().bodies, u64::from(!forgets), "{keep}");
        }
    }
}
