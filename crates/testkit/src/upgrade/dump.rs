//! All that the contracts let one read of a store, as lines of text: to compare one store over time.
//!
//! A line is a word and a JSON object whose members are sorted. Members that are null are left out: one that the contract
//! gets later leaves the dumps of older stores as they are.

use feedspine_core::{
    Filter, Layer, MAX_PAGE, NaturalKey, PageRequest, Selection, StateStore, StorageBackend, StorageExt,
};
use futures_util::TryStreamExt;

use super::rows;
use crate::Verdict;
use crate::check::ensure;
use crate::storage::calls::{Holdings, Scope, log};

/// What a store of captures holds: counts, records, versions, sightings, cursors, ledgers, quarantines, changes.
///
/// A store lists its records and changes, but neither feeds that logged no change nor keys that were sighted and never
/// had a record: `scope` names them.
///
/// # Errors
/// As [`Scope::read`].
pub(super) async fn storage(store: &dyn StorageBackend, scope: Scope) -> Verdict<Vec<String>> {
    let log = log(store).await?;
    let Scope { mut keys, mut feeds } = scope;
    keys.extend(log.iter().filter_map(|change| change.event.subject.as_ref()).map(|subject| subject.key.clone()));
    feeds.extend(log.iter().filter_map(|change| change.event.feed));
    let mut lines = Vec::new();
    for layer in Layer::ALL {
        let selection = Selection { layer: Some(layer), filter: Filter::everything() };
        lines.push(rows::count(layer, store.count(&selection).await?));
        let found: Vec<NaturalKey> =
            store.query(Some(layer), None, None, None, 0).map_ok(|record| record.key).try_collect().await?;
        keys.extend(found);
    }
    keys.sort();
    keys.dedup();
    feeds.sort();
    feeds.dedup();
    let Holdings { keys, feeds, .. } = Scope { keys, feeds }.read(store).await?;
    for of_key in keys {
        lines.extend(of_key.rows.iter().flatten().map(rows::record));
        lines.extend(of_key.versions.iter().map(rows::version));
        lines.extend(of_key.seen.map(|seen| rows::seen(&of_key.key, seen)));
        lines.extend(of_key.sightings.iter().map(rows::sighting));
    }
    for of_feed in feeds {
        lines.extend(of_feed.cursor.map(|cursor| rows::cursor(of_feed.feed, &cursor)));
        lines.extend(of_feed.ledger.iter().map(rows::observation));
        lines.extend(of_feed.quarantine.iter().map(|reject| rows::reject(of_feed.feed, reject)));
    }
    lines.extend(log.iter().map(rows::change));
    Ok(lines)
}

/// What a control plane holds: feeds, the fetches of each, schedules, captures. Leases are of the moment.
///
/// # Errors
/// What reading fails with; a feed with more fetches than a page holds.
pub(super) async fn state(store: &dyn StateStore) -> Verdict<Vec<String>> {
    let mut lines = Vec::new();
    for feed in store.feeds().await? {
        lines.push(rows::feed(&feed));
        let fetches = store.fetches_page(feed.id, &PageRequest::first(MAX_PAGE)).await?;
        ensure!(fetches.next.is_none(), "feed {} has more than {MAX_PAGE} fetches", feed.id);
        lines.extend(fetches.items.iter().map(rows::fetch));
    }
    lines.extend(store.schedules().await?.iter().map(rows::schedule));
    if let Some(captures) = store.captures() {
        for of in captures.capture_figures().await?.feeds {
            let held = captures.captures_page(of.feed, &PageRequest::first(MAX_PAGE)).await?;
            ensure!(held.next.is_none(), "feed {} has more than {MAX_PAGE} captures", of.feed);
            for row in held.items {
                let body = captures.body(row.capture.body).await?;
                lines.push(rows::capture(&row, body.as_ref()));
            }
        }
    }
    Ok(lines)
}
