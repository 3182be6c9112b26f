//! The last batch of a fetch and its end, stored at once.

use std::ops::Deref;

use feedspine_core::{Conclude, ErrorKind, FetchStatus, IngestBatch, Selection, StorageBackend};

use super::Subject;
use super::subject::{detail, intent, schedule};
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{advancing, feed, fetch, item, snapshot, unchanged};
use crate::{Failure, Verdict};

checks! { Subject, "conclude":
    a_last_batch_and_the_end_are_stored: "P6", "What a fetch brought last, its end and its feed's schedule are there once the call is answered.";
    a_batch_that_is_refused_ends_no_fetch: "P6", "A batch on another cursor is Conflict; its fetch still runs, and its feed is due as it was.";
    an_end_that_is_refused_stores_no_batch: "P6", "The end of a fetch that was never begun is Invalid, and nothing of its batch is stored.";
    an_interrupted_fetch_concludes_nothing: "P7", "A batch that moves the cursor is Conflict once its fetch was interrupted, and neither its end nor a schedule is written.";
    a_batch_that_was_taken_is_answered_again_with_its_end: "P5", "The call again is answered as the first time; the end and the schedule that were told last stand while the fetch runs.";
    a_conclusion_outlives_the_process: "P1", "Batch, end and schedule are there when the store is opened again.";
}

/// What concludes fetches in a store that does so.
fn conclude(store: &Subject) -> Verdict<&dyn Conclude> {
    store.deref().conclude().ok_or_else(|| Failure::does_not_apply("batches and ends are stored one after the other"))
}

/// A document of feed 1 with one item, which moves the cursor from there.
fn document(number: u32, expected: u64) -> IngestBatch {
    advancing(expected, &format!("{number}"), snapshot(number, vec![item("a", &format!("title {number}"))]))
}

/// Fetch 1 of feed 1, which is due at second 10, has brought a document, and fetch 2 was begun.
async fn collected(store: &Subject) -> Verdict<std::sync::Arc<dyn StorageBackend>> {
    let storage = store.storage().await?;
    store.scheduled(&[(1, 10)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    conclude(store)?.ingest_and_finish(document(1, 0), &detail(FetchStatus::Captured, 1), None).await?;
    store.begin_fetch(&intent(1, 2), None).await?;
    Ok(storage)
}

/// Fetch 2 found what fetch 1 had found.
fn nothing_new() -> IngestBatch {
    advancing(1, "2", unchanged(2, 1))
}

async fn is_untouched(store: &Subject, storage: &dyn StorageBackend) -> Verdict {
    ensure_eq!(storage.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(1), "the cursor's revision");
    ensure_eq!(storage.observation(feed(1), fetch(2)).await?, None, "the ledger's row");
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 10)), "the schedule");
    Ok(())
}

async fn a_last_batch_and_the_end_are_stored(store: Subject) -> Verdict {
    conclude(&store)?;
    let storage = collected(&store).await?;
    let told = detail(FetchStatus::Unchanged, 2);
    let report = conclude(&store)?.ingest_and_finish(nothing_new(), &told, Some(&schedule(1, 20))).await?;
    ensure_eq!((report.revision, report.counts.unchanged), (2, 1), "the answer");
    ensure_eq!(storage.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(2), "the cursor's revision");
    ensure!(storage.observation(feed(1), fetch(2)).await?.is_some(), "the ledger has no row of the fetch");
    ensure_eq!(store.fetches(1).await?.first().and_then(|fetch| fetch.detail.clone()), Some(told), "the end");
    ensure_eq!(store.statuses(1).await?, [Some(FetchStatus::Unchanged), Some(FetchStatus::Captured)], "the fetches");
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 20)), "the schedule");
    Ok(())
}

async fn a_batch_that_is_refused_ends_no_fetch(store: Subject) -> Verdict {
    conclude(&store)?;
    let storage = collected(&store).await?;
    let stale = advancing(7, "2", unchanged(2, 1));
    let told = detail(FetchStatus::Unchanged, 2);
    refused(conclude(&store)?.ingest_and_finish(stale, &told, Some(&schedule(1, 20))).await, ErrorKind::Conflict)?;
    ensure_eq!(store.statuses(1).await?, [None, Some(FetchStatus::Captured)], "the fetches");
    is_untouched(&store, &*storage).await
}

async fn an_end_that_is_refused_stores_no_batch(store: Subject) -> Verdict {
    conclude(&store)?;
    let storage = store.storage().await?;
    store.scheduled(&[(1, 10)]).await?;
    let told = detail(FetchStatus::Captured, 1);
    let answer = conclude(&store)?.ingest_and_finish(document(1, 0), &told, Some(&schedule(1, 20))).await;
    refused(answer, ErrorKind::Invalid)?;
    ensure_eq!(storage.cursor(feed(1)).await?, None, "the cursor");
    ensure_eq!(storage.count(&Selection::everything()).await?, 0, "records");
    ensure_eq!(storage.observation(feed(1), fetch(1)).await?, None, "the ledger's row");
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 10)), "the schedule");
    Ok(())
}

async fn an_interrupted_fetch_concludes_nothing(store: Subject) -> Verdict {
    conclude(&store)?;
    let storage = collected(&store).await?;
    store.begin_fetch(&intent(1, 3), None).await?;
    let told = detail(FetchStatus::Unchanged, 2);
    let answer = conclude(&store)?.ingest_and_finish(nothing_new(), &told, Some(&schedule(1, 20))).await;
    refused(answer, ErrorKind::Conflict)?;
    let ends = [None, Some(FetchStatus::Interrupted), Some(FetchStatus::Captured)];
    ensure_eq!(store.statuses(1).await?, ends, "the fetches");
    is_untouched(&store, &*storage).await
}

async fn a_batch_that_was_taken_is_answered_again_with_its_end(store: Subject) -> Verdict {
    conclude(&store)?;
    let storage = collected(&store).await?;
    storage.ingest(nothing_new()).await?;
    for (second, at) in [(2, 20), (3, 30)] {
        let told = detail(FetchStatus::Unchanged, second);
        let report = conclude(&store)?.ingest_and_finish(nothing_new(), &told, Some(&schedule(1, at))).await?;
        ensure!(report.replayed, "the batch is taken anew: {report:?}");
        ensure_eq!(store.fetches(1).await?.first().and_then(|fetch| fetch.detail.clone()), Some(told), "the end");
        // What came of a fetch that has ended may be told again; when its feed is fetched next was said then.
        ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 20)), "the schedule, after {at}");
    }
    ensure_eq!(storage.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(2), "the cursor's revision");
    Ok(())
}

async fn a_conclusion_outlives_the_process(store: Subject) -> Verdict {
    conclude(&store)?;
    let storage = collected(&store).await?;
    let told = detail(FetchStatus::Unchanged, 2);
    conclude(&store)?.ingest_and_finish(nothing_new(), &told, Some(&schedule(1, 20))).await?;
    drop(storage);
    let store = store.reopened().await?;
    ensure_eq!(store.fetches(1).await?.first().and_then(|fetch| fetch.detail.clone()), Some(told), "the end");
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 20)), "the schedule");
    let storage = store.storage().await?;
    ensure_eq!(storage.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(2), "the cursor's revision");
    Ok(())
}
