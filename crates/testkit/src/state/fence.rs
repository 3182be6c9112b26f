//! The fence: where control plane and captures lie in one store, a fetch that was given up moves no cursor.

use feedspine_core::{ErrorKind, FetchStatus, IngestBatch, Selection, StorageBackend};

use super::Subject;
use super::subject::{detail, intent, slot};
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{advancing, delta, feed, fetch, item, key_in, part, snapshot};
use crate::{Failure, Verdict};

checks! { Subject, "fence":
    a_fetch_that_runs_commits: "P7", "A fetch that runs moves its feed's cursor, and so does one that the control plane does not know.";
    a_fetch_that_another_interrupted_moves_no_cursor: "P7", "What a fetch brings after the next was begun is Conflict, and nothing of it is stored.";
    a_fetch_whose_host_changed_hands_moves_no_cursor: "P7", "What a fetch brings after its host changed hands is Conflict, and nothing of it is stored.";
    an_interrupted_fetch_may_tell_what_moves_no_cursor: "P7", "A batch that keeps the cursor is taken of an interrupted fetch too.";
    a_part_committed_before_the_interruption_is_answered_again: "P5", "A part that was committed is answered again after its fetch was interrupted; the next part is Conflict.";
    nothing_is_committed_behind_a_fetch_that_began: "P7", "Once the next fetch was begun, or the host changed hands, no commit of the one before comes after.";
}

/// A document of feed 1 with one item, which moves the cursor from there.
fn document(number: u32, expected: u64) -> IngestBatch {
    advancing(expected, &format!("{number}"), snapshot(number, vec![item("a", &format!("title {number}"))]))
}

/// Everything that an ingest would have changed.
async fn holds_nothing(storage: &dyn StorageBackend) -> Verdict {
    ensure_eq!(storage.cursor(feed(1)).await?, None, "the cursor");
    ensure_eq!(storage.count(&Selection::everything()).await?, 0, "records");
    ensure_eq!(storage.observation(feed(1), fetch(1)).await?, None, "the ledger's row");
    Ok(())
}

async fn a_fetch_that_runs_commits(store: Subject) -> Verdict {
    let storage = store.storage().await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    storage.ingest(document(1, 0)).await?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), None).await?;
    storage.ingest(document(2, 1)).await?;
    ensure_eq!(storage.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(2), "the cursor's revision");
    Ok(())
}

async fn a_fetch_that_another_interrupted_moves_no_cursor(store: Subject) -> Verdict {
    let storage = store.storage().await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    store.begin_fetch(&intent(1, 2), None).await?;
    for _ in 0..2 {
        refused(storage.ingest(document(1, 0)).await, ErrorKind::Conflict)?;
    }
    holds_nothing(&*storage).await?;
    storage.ingest(document(2, 0)).await?;
    Ok(())
}

async fn a_fetch_whose_host_changed_hands_moves_no_cursor(store: Subject) -> Verdict {
    let storage = store.storage().await?;
    store.scheduled(&[(1, 10)]).await?;
    let lease = store.lease("a", &["one"], 0).await?.remove(0);
    store.begin_fetch(&intent(1, 1), Some(&slot(&lease, 10))).await?;
    store.lease("b", &["one"], 0).await?;
    refused(storage.ingest(document(1, 0)).await, ErrorKind::Conflict)?;
    holds_nothing(&*storage).await
}

async fn an_interrupted_fetch_may_tell_what_moves_no_cursor(store: Subject) -> Verdict {
    let storage = store.storage().await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    store.begin_fetch(&intent(1, 2), None).await?;
    let report = storage.ingest(delta(1, vec![item("a", "x")])).await?;
    ensure_eq!(report.counts.new, 1, "new items");
    Ok(())
}

async fn a_part_committed_before_the_interruption_is_answered_again(store: Subject) -> Verdict {
    let storage = store.storage().await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    let head = advancing(0, "head", part(0, false, 0, snapshot(1, vec![item("a", "x")])));
    let first = storage.ingest(head.clone()).await?;
    store.begin_fetch(&intent(1, 2), None).await?;
    let again = storage.ingest(head).await?;
    ensure!(again.replayed, "the part is taken anew: {again:?}");
    ensure_eq!((again.revision, again.outcomes), (first.revision, first.outcomes), "the answer");
    let tail = advancing(first.revision, "tail", part(1, true, 1, snapshot(1, vec![item("b", "x")])));
    refused(storage.ingest(tail).await, ErrorKind::Conflict)?;
    ensure_eq!(storage.count(&Selection::everything()).await?, 1, "records");
    Ok(())
}

async fn nothing_is_committed_behind_a_fetch_that_began(store: Subject) -> Verdict {
    let storage = store.storage().await?;
    for number in 1..=12_u32 {
        let of = u128::from(number);
        store.scheduled(&[(of, 10)]).await?;
        let lease = store.lease(&format!("holder {number}"), &["one"], 0).await?.remove(0);
        store.begin_fetch(&intent(of, of), Some(&slot(&lease, 10))).await?;
        let namespace = format!("space-{number}");
        let items = (0..40)
            .map(|place| feedspine_core::Candidate { key: key_in(&namespace, &format!("{place}")), ..item("a", "x") });
        let batch = advancing(0, "x", IngestBatch { feed: feed(of), ..snapshot(number, items.collect()) });
        let committing = {
            let storage = std::sync::Arc::clone(&storage);
            tokio::spawn(async move { storage.ingest(batch).await })
        };
        // Later from round to round, so that some meet the commit half-way.
        for _ in 0..number / 2 {
            storage.cursor(feed(of)).await?;
        }
        if number % 2 == 0 {
            store.begin_fetch(&intent(of, 100 + of), None).await?;
        } else {
            store.lease("another", &["one"], 0).await?;
        }
        let then = storage.cursor(feed(of)).await?;
        let committed = committing.await.map_err(Failure::broken)?;
        if committed.is_err() {
            refused(committed, ErrorKind::Conflict)?;
        }
        ensure_eq!(storage.cursor(feed(of)).await?, then, "the cursor, after the fetch before has ended");
    }
    Ok(())
}
