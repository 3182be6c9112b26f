//! What is there when a durable store is opened again.

use std::sync::Arc;

use feedspine_core::{ErrorKind, IngestBatch, Layer, RecordWrite, StorageExt};
use tokio::sync::Semaphore;

use super::Subject;
use crate::check::{checks, ensure_eq, refused};
use crate::script::{advancing, dated, delta, feed, key, reject, snapshot, told, unchanged, write};
use crate::{Failure, Verdict};

checks! { Subject, "durability":
    what_was_acknowledged_is_there_after_reopening: "P1",
        "Records, versions, sightings, changes, ledger, quarantine and cursor outlive the process.";
    a_store_dropped_without_close_loses_nothing: "P1", "A store that was never closed has what it acknowledged.";
    a_batch_that_comes_again_after_reopening_is_a_replay: "P7",
        "After a restart the same batch gives its first report and stores nothing.";
    a_feed_goes_on_after_reopening_as_if_nothing_had_happened: "P7",
        "Spans, manifest and rounds go on: a reopened store judges the next document as the old one would have.";
    what_is_acknowledged_while_closing_is_there: "P1",
        "A call that meets a close is either acknowledged and kept, or refused as Closed and left out.";
    a_promotion_outlives_the_process: "P1", "A layer written by a call is read back after reopening.";
}

async fn some_history(store: &Subject) -> Verdict {
    let first = vec![dated("a", "x", 30), dated("b", "x", 20), dated("c", "x", 10)];
    store.take(advancing(0, "1", snapshot(1, first))).await?;
    let second = vec![dated("a", "edited", 30), dated("c", "x", 10)];
    let rejects = vec![reject(5, None)];
    let second = IngestBatch { rejects, ..snapshot(2, second) };
    store.take(advancing(1, "2", second)).await?;
    store.take(delta(3, vec![dated("d", "x", 40)])).await?;
    store.take(advancing(2, "3", unchanged(4, 2))).await?;
    store.record_sighting(told("a", 7, 70, 5)).await?;
    Ok(())
}

async fn everything(store: &Subject) -> Verdict<Vec<String>> {
    let mut all = vec![format!("{:#?}", store.dump().await?), format!("{:#?}", store.log().await?)];
    for name in ["a", "b", "c", "d"] {
        all.push(format!("{:#?}", store.versions(name).await?));
        all.push(format!("{:#?}", store.get_sightings(&key(name)).await?));
        all.push(format!("{:#?}", store.seen(name).await?));
    }
    all.push(format!("{:#?}", store.ledger(feed(1)).await?));
    all.push(format!("{:#?}", store.quarantine(feed(1)).await?));
    all.push(format!("{:#?}", store.cursor(feed(1)).await?));
    Ok(all)
}

async fn what_was_acknowledged_is_there_after_reopening(store: Subject) -> Verdict {
    some_history(&store).await?;
    let before = everything(&store).await?;
    ensure_eq!(everything(&store.reopened().await?).await?, before, "everything");
    Ok(())
}

async fn a_store_dropped_without_close_loses_nothing(store: Subject) -> Verdict {
    some_history(&store).await?;
    let before = everything(&store).await?;
    ensure_eq!(everything(&store.dropped().await?).await?, before, "everything");
    Ok(())
}

async fn a_batch_that_comes_again_after_reopening_is_a_replay(store: Subject) -> Verdict {
    let items = vec![dated("a", "x", 30), dated("a", "y", 30), dated("b", "x", 20), dated("b", "x", 20)];
    let batch = advancing(0, "1", snapshot(1, items));
    let first = store.take(batch.clone()).await?;
    let before = everything_of_a_and_b(&store).await?;
    let store = store.reopened().await?;
    let again = store.take(batch).await?;
    ensure_eq!(again, feedspine_core::IngestReport { replayed: true, ..first }, "the report of the replay");
    ensure_eq!(everything_of_a_and_b(&store).await?, before, "everything");
    Ok(())
}

async fn everything_of_a_and_b(store: &Subject) -> Verdict<String> {
    let (a, b) = (store.sighted("a").await?, store.sighted("b").await?);
    Ok(format!("{:#?}\n{:#?}\n{a:?}\n{b:?}", store.dump().await?, store.log().await?))
}

async fn a_feed_goes_on_after_reopening_as_if_nothing_had_happened(store: Subject) -> Verdict {
    some_history(&store).await?;
    let store = store.reopened().await?;
    let next = vec![dated("e", "x", 50), dated("a", "edited", 30), dated("b", "x", 20)];
    let counts = store.take(advancing(3, "4", snapshot(5, next))).await?.counts;
    ensure_eq!((counts.new, counts.changed, counts.unchanged), (1, 0, 2), "new, changed, unchanged");
    ensure_eq!((counts.returned, counts.scrolled_off, counts.gaps), (1, 1, 0), "returned, scrolled off, gaps");
    ensure_eq!(store.sighted("a").await?.len(), 5, "sightings of an item that stayed, one of them told");
    Ok(())
}

async fn what_is_acknowledged_while_closing_is_there(store: Subject) -> Verdict {
    const WRITERS: u32 = 12;
    let started = Arc::new(Semaphore::new(0));
    let write = |number: u32| {
        let (handle, started) = (store.handle(), Arc::clone(&started));
        tokio::spawn(async move {
            let batch =
                IngestBatch { feed: feed(number.into()), ..snapshot(number, vec![dated(&number.to_string(), "x", 1)]) };
            let call = handle.ingest(batch);
            started.add_permits(1);
            (number, call.await)
        })
    };
    let writers: Vec<_> = (1..=WRITERS).map(write).collect();
    let half = started.acquire_many(WRITERS / 2).await.map_err(Failure::broken)?;
    let reopened = store.reopened().await?;
    drop(half);
    for writer in writers {
        let (number, answer) = writer.await.map_err(Failure::broken)?;
        let is_there = reopened.exists_by_natural_key(&key(&number.to_string())).await?;
        match answer {
            Ok(report) => ensure_eq!((is_there, report.counts.new), (true, 1), "the item of batch {number} is there"),
            answer => {
                refused(answer, ErrorKind::Closed)?;
                ensure_eq!(is_there, false, "the item of refused batch {number} is there");
            }
        }
    }
    Ok(())
}

async fn a_promotion_outlives_the_process(store: Subject) -> Verdict {
    store.store(write(1, "a", "bronze")).await?;
    store.store(RecordWrite { layer: Layer::Silver, ..write(1, "a", "silver") }).await?;
    let before = store.dump().await?;
    ensure_eq!(before.len(), 2, "rows");
    ensure_eq!(store.reopened().await?.dump().await?, before, "the rows");
    Ok(())
}
