//! A 304 or the same bytes: one row of the ledger, and what it may name.

use feedspine_core::{ChangeKind, Counts, Coverage, ErrorKind, IngestBatch, Round};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure_eq, refused};
use crate::script::{advancing, dated, delta, feed, fetch, item, reject, snapshot, unchanged};

checks! { Subject, "unchanged":
    it_writes_one_row_of_the_ledger: "Rounds and spans", "Unchanged stores an observation and nothing else.";
    it_may_name_a_chain_of_unchanged: "Rounds and spans", "Unchanged may name an Unchanged fetch that tells of the current manifest.";
    without_a_manifest_it_is_invalid: "Rounds and spans", "Unchanged of a feed without a Snapshot is Invalid.";
    naming_the_past_is_a_conflict: "Rounds and spans", "Unchanged that names a manifest before the current one is Conflict.";
    naming_no_observation_is_a_conflict: "Rounds and spans",
        "Unchanged that names an unknown fetch, another feed's, a Delta or a fetch without its last part is Conflict.";
    an_identical_snapshot_is_the_manifest: "Rounds and spans", "After a Snapshot that shows the same, that one is to be named.";
    with_items_it_is_invalid: "Rounds and spans", "An Unchanged batch with items or rejects is Invalid.";
    it_says_nothing_of_a_delta: "Rounds and spans", "A Delta leaves the manifest as it was: Unchanged still names the Snapshot.";
    it_goes_on_with_what_a_delta_showed_last: "Versions",
        "A Snapshot of the old content after a Delta of new content is a change back.";
}

async fn it_writes_one_row_of_the_ledger(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?;
    let (dump, log) = (store.dump().await?, store.log().await?);
    let report = store.take(unchanged(2, 1)).await?;
    let right = Counts { seen: 2, unchanged: 2, ..Counts::default() };
    ensure_eq!((report.counts, report.round), (right, Round::new(2)), "counts and round");
    ensure_eq!(store.dump().await?, dump, "the records");
    ensure_eq!(store.log().await?, log, "the change log");
    let ledger = store.ledger(feed(1)).await?;
    ensure_eq!(ledger.len(), 2, "rows of the ledger");
    ensure_eq!((ledger[1].counts, ledger[1].coverage), (right, Coverage::Unchanged { of: fetch(1) }), "the row");
    Ok(())
}

async fn it_may_name_a_chain_of_unchanged(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    for (number, of) in [(2, 1), (3, 2), (4, 3), (5, 1), (6, 4)] {
        let report = store.take(unchanged(number, of)).await?;
        ensure_eq!(report.round, Round::new(number.into()), "the round of fetch {number}");
    }
    ensure_eq!(store.sighted("a").await?.len(), 6, "sightings");
    Ok(())
}

async fn without_a_manifest_it_is_invalid(store: Subject) -> Verdict {
    refused(store.ingest(unchanged(1, 9)).await, ErrorKind::Invalid)?;
    store.take(delta(2, vec![item("a", "x")])).await?;
    refused(store.ingest(unchanged(3, 2)).await, ErrorKind::Invalid)?;
    ensure_eq!(store.ledger(feed(1)).await?.len(), 1, "rows of the ledger");
    Ok(())
}

async fn naming_the_past_is_a_conflict(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(unchanged(2, 1)).await?;
    store.take(snapshot(3, vec![item("a", "y")])).await?;
    for of in [1, 2] {
        refused(store.ingest(unchanged(4, of)).await, ErrorKind::Conflict)?;
    }
    ensure_eq!(store.sighted("a").await?.len(), 3, "sightings");
    store.take(unchanged(4, 3)).await?;
    Ok(())
}

async fn naming_no_observation_is_a_conflict(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(IngestBatch { feed: feed(2), ..snapshot(2, vec![item("a", "x")]) }).await?;
    store.take(delta(3, vec![item("a", "x")])).await?;
    store.take(crate::script::part(0, false, 0, snapshot(4, vec![item("a", "x")]))).await?;
    for of in [99, 2, 3, 4] {
        refused(store.ingest(unchanged(5, of)).await, ErrorKind::Conflict)?;
    }
    Ok(())
}

async fn an_identical_snapshot_is_the_manifest(store: Subject) -> Verdict {
    let items = || vec![item("a", "x"), item("b", "x")];
    store.take(advancing(0, "1", snapshot(1, items()))).await?;
    store.take(advancing(1, "2", snapshot(2, items()))).await?;
    let cursor = store.cursor(feed(1)).await?;
    ensure_eq!(cursor.and_then(|cursor| cursor.manifest), Some(fetch(2)), "the manifest that the cursor names");
    refused(store.ingest(unchanged(3, 1)).await, ErrorKind::Conflict)?;
    store.take(unchanged(3, 2)).await?;
    ensure_eq!(store.sighted("a").await?.len(), 3, "sightings");
    Ok(())
}

async fn with_items_it_is_invalid(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let items = IngestBatch { items: vec![item("a", "x")], ..unchanged(2, 1) };
    refused(store.ingest(items).await, ErrorKind::Invalid)?;
    let rejects = IngestBatch { rejects: vec![reject(0, None)], ..unchanged(2, 1) };
    refused(store.ingest(rejects).await, ErrorKind::Invalid)?;
    ensure_eq!(store.ledger(feed(1)).await?.len(), 1, "rows of the ledger");
    Ok(())
}

async fn it_says_nothing_of_a_delta(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(delta(2, vec![item("b", "x")])).await?;
    refused(store.ingest(unchanged(3, 2)).await, ErrorKind::Conflict)?;
    let report = store.take(unchanged(3, 1)).await?;
    ensure_eq!(report.counts.seen, 1, "the size of the manifest");
    Ok(())
}

async fn it_goes_on_with_what_a_delta_showed_last(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(delta(2, vec![item("a", "y")])).await?;
    let report = store.take(snapshot(3, vec![item("a", "x")])).await?;
    ensure_eq!(report.counts.changed, 1, "changed");
    ensure_eq!(store.titles("a").await?, ["x", "y", "x"], "versions");
    let kinds: Vec<_> = store.log().await?.into_iter().map(|change| change.event.kind).collect();
    ensure_eq!(kinds, [ChangeKind::New, ChangeKind::Changed, ChangeKind::Changed], "the change log");
    Ok(())
}
