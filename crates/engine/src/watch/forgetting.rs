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
    let forgets = kept.any(|keep| matches!(keep, Keep::Days(_) | Keep::Bytes(_)));
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
