//! Stores written by earlier landings: how one is written, and what a later program must find in it.
//!
//! A backend keeps such stores as fixtures, each with its [`dump()`] as text beside it. Its test opens a copy of each with
//! the code as it is now, which migrates it, and hands it to [`check`].

pub mod captures;
mod dump;
mod rows;
mod sample;

use feedspine_core::{Coverage, IngestBatch, Outcome, Result, StateStore, StorageBackend, StorageExt};

use crate::check::{ensure, ensure_eq};
use crate::script::{advancing, dated, feed, key, observed, snapshot, unchanged};
use crate::storage::calls::{Scope, happened, log};
use crate::{Failure, Verdict};

/// Writes a small store that holds a bit of everything: all coverages, several feeds, parts, versions at three layers,
/// spans closed for each reason, points, told sightings, rejects, deletes, cursors, control-plane feeds, fetches and
/// captures.
///
/// # Errors
/// What a call fails with.
pub async fn write<S: StorageBackend + StateStore>(store: &S) -> Result<()> {
    sample::control_plane(store).await?;
    sample::captures(store).await
}

/// All that the contracts let one read of such a store, as text.
///
/// # Errors
/// What reading fails with.
pub async fn dump<S: StorageBackend + StateStore>(store: &S) -> Verdict<String> {
    Held { captures: store, state: Some(store) }.dump().await
}

/// Finds in a store that [`write`] wrote at an earlier landing what its dump says, and goes on with it: a batch that was
/// committed then is replayed, and its newest feed is polled.
///
/// # Errors
/// What is not as it was, or does not go on.
pub async fn check<S: StorageBackend + StateStore>(store: &S, written: &str) -> Verdict {
    Held { captures: store, state: Some(store) }.check(written).await
}

/// A store, and its control plane where it keeps one.
struct Held<'a> {
    captures: &'a dyn StorageBackend,
    state: Option<&'a dyn StateStore>,
}

impl Held<'_> {
    async fn dump(&self) -> Verdict<String> {
        let scope = Scope { keys: sample::told_keys().to_vec(), feeds: sample::FEEDS.map(feed).to_vec() };
        let mut lines = dump::storage(self.captures, scope).await?;
        if let Some(state) = self.state {
            lines.extend(dump::state(state).await?);
        }
        Ok(lines.join("\n") + "\n")
    }

    async fn check(&self, written: &str) -> Verdict {
        let found = self.dump().await?;
        for (number, (found, written)) in (1..).zip(found.lines().zip(written.lines())) {
            ensure_eq!(found, written, "line {number} of the dump");
        }
        ensure_eq!(found.lines().count(), written.lines().count(), "lines of the dump");
        // Asked of the store as it was migrated: the answer may come by what a step added.
        happened(self.captures, &log(self.captures).await?).await?;
        let replayed = self.captures.ingest(sample::first_document()).await?;
        ensure!(replayed.replayed, "a document that was committed before is taken anew: {replayed:?}");
        ensure_eq!(self.dump().await?, written, "what is held after a replay");
        goes_on(self.captures).await
    }
}

/// Polls the feed that [`sample::captures`] read last: once for the same, once for an edit of it.
async fn goes_on(store: &dyn StorageBackend) -> Verdict {
    let (number, name) = (sample::NEXT_FETCH, sample::LISTED_LAST);
    let cursor = store.cursor(feed(1)).await?.ok_or_else(|| Failure::broken("the first feed has no cursor"))?;
    let manifest = cursor.manifest.ok_or_else(|| Failure::broken("the first feed has no manifest"))?;
    let poll = IngestBatch { coverage: Coverage::Unchanged { of: manifest }, ..unchanged(number, 0) };
    let same = store.ingest(advancing(cursor.revision, "same", poll)).await?;
    ensure_eq!(same.counts.unchanged, same.counts.seen, "what is unchanged in a poll for the same");
    let held = store.get_by_natural_key(&key(name)).await?.ok_or_else(|| Failure::broken("an item is gone"))?;
    let edited = snapshot(number + 1, vec![dated(name, "edited after the upgrade", 1)]);
    let report = store.ingest(advancing(same.revision, "edited", edited)).await?;
    ensure_eq!(report.outcomes, [Outcome::Changed { version: held.version.next() }], "what an edited item is");
    let latest = store.get_sightings(&key(name)).await?.pop().map(|sighting| sighting.observed_at);
    ensure_eq!(latest, Some(observed(number + 1)), "when the edited item was sighted last");
    Ok(())
}

#[cfg(test)]
mod tests;
