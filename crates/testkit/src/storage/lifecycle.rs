//! Opening, closing, opening again.

use std::sync::Arc;

use feedspine_core::{ErrorKind, Layer, PageRequest, Query, RecordRef, Selection, Seq, StorageBackend, StorageExt};

use super::Subject;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{PAGE, at, feed, fetch, item, key, record_id, snapshot, told, write};
use crate::{Failure, Verdict};

checks! { Subject, "lifecycle":
    a_fresh_store_is_empty: "Lifecycle", "A fresh store has no records, changes, cursors or sightings.";
    initialize_may_be_called_again: "Lifecycle", "Calling initialize again changes nothing.";
    callers_may_initialize_at_once: "Lifecycle", "Calls of initialize at the same time all work, on an empty place too.";
    close_may_be_called_again: "Lifecycle", "Calling close again works.";
    a_closed_store_says_closed: "Lifecycle", "After close every call fails with Closed and stores nothing.";
    a_store_says_closed_before_it_is_initialized: "Lifecycle", "Before initialize every call fails with Closed.";
    a_backend_names_itself: "Lifecycle", "A backend has a name and room for at least one item in a batch.";
}

async fn a_fresh_store_is_empty(store: Subject) -> Verdict {
    ensure_eq!(store.count(&Selection::everything()).await?, 0, "count of records");
    ensure_eq!(store.log().await?, [], "the change log");
    ensure_eq!(store.cursor(feed(1)).await?, None, "the cursor");
    ensure_eq!(store.get_sightings(&key("a")).await?, [], "sightings of a key never seen");
    ensure_eq!(store.seen("a").await?, None, "figures of a key never seen");
    ensure_eq!(store.ledger(feed(1)).await?, [], "the ledger");
    ensure_eq!(store.quarantine(feed(1)).await?, [], "the quarantine");
    ensure_eq!(store.exists(record_id(1), None).await?, false, "a record never stored exists");
    Ok(())
}

async fn initialize_may_be_called_again(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.initialize().await?;
    ensure_eq!(store.titles("a").await?, ["x"], "the record after a second initialize");
    Ok(())
}

async fn callers_may_initialize_at_once(store: Subject) -> Verdict {
    let (handles, _place) = store.uninitialised(8).await?;
    let call = |handle: &Arc<dyn StorageBackend>| {
        let handle = Arc::clone(handle);
        tokio::spawn(async move { handle.initialize().await })
    };
    for caller in handles.iter().map(call).collect::<Vec<_>>() {
        caller.await.map_err(Failure::broken)??;
    }
    for handle in &handles {
        ensure_eq!(handle.count(&Selection::everything()).await?, 0, "count of records");
    }
    Ok(())
}

async fn close_may_be_called_again(store: Subject) -> Verdict {
    store.close().await?;
    store.close().await?;
    Ok(())
}

async fn a_closed_store_says_closed(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.close().await?;
    every_call_is_refused(&*store, ErrorKind::Closed).await
}

async fn a_store_says_closed_before_it_is_initialized(store: Subject) -> Verdict {
    let (handles, _place) = store.uninitialised(1).await?;
    every_call_is_refused(&*handles[0], ErrorKind::Closed).await
}

/// Whether every call that is to see or change what a store holds is refused in that way.
pub(super) async fn every_call_is_refused(store: &dyn StorageBackend, kind: ErrorKind) -> Verdict {
    let wanted = [RecordRef::key(key("a"))];
    let page = PageRequest::first(PAGE);
    refused(store.ingest(snapshot(2, vec![item("a", "y")])).await, kind)?;
    refused(store.cursor(feed(1)).await, kind)?;
    refused(store.put_many(vec![write(1, "b", "x")]).await, kind)?;
    refused(store.get_many(&wanted).await, kind)?;
    refused(store.delete_many(&wanted, at(1)).await, kind)?;
    refused(store.query_page(&Query::new(Selection::everything(), PAGE)).await, kind)?;
    refused(store.count(&Selection::everything()).await, kind)?;
    refused(store.observe_many(vec![told("a", 1, 1, 1)]).await, kind)?;
    refused(store.sightings_page(&key("a"), &page).await, kind)?;
    refused(store.seen_many(&[key("a")]).await, kind)?;
    refused(store.versions_page(record_id(1), Layer::Bronze, &page).await, kind)?;
    refused(store.observations_page(feed(1), &page).await, kind)?;
    refused(store.observation(feed(1), fetch(1)).await, kind)?;
    refused(store.rejects_page(feed(1), &page).await, kind)?;
    refused(store.changes(&Seq::start(), page.limit).await, kind)?;
    refused(store.changes_of(record_id(1)).await, kind)?;
    Ok(())
}

async fn a_backend_names_itself(store: Subject) -> Verdict {
    let info = store.info();
    ensure!(!info.name.is_empty(), "the backend has no name");
    ensure!(info.capabilities.max_batch > 0, "a batch may hold no item");
    Ok(())
}
