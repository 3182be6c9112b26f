//! What can never work, and what is no error at all.

use feedspine_core::{ErrorKind, IngestBatch, Layer, PageRequest, RecordRef, Selection, StorageExt};

use super::Subject;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{PAGE, advancing, feed, item, key, part, record_id, snapshot, unchanged, write};
use crate::{Failure, Verdict};

checks! { Subject, "errors":
    a_batch_over_the_limit_is_invalid: "Capabilities", "A batch of more items than the backend takes is Invalid; the largest is taken.";
    ordinals_that_do_not_ascend_are_invalid: "Work of one ingest", "Items must be numbered in their order.";
    an_invalid_batch_stores_nothing: "P6", "After Invalid there is no record, change, observation or reject.";
    not_found_is_no_error: "Errors", "What is not there is None, false or an empty page.";
    a_refusal_names_the_thing: "Errors", "Conflict and Invalid name the feed, key or id that they are about.";
    a_refused_call_may_be_mended_and_made_again: "Errors", "After a conflict the same fetch with the right revision is taken.";
}

async fn a_batch_over_the_limit_is_invalid(store: Subject) -> Verdict {
    let limit = store.info().capabilities.max_batch;
    if limit > 1_000_000 {
        return Err(Failure::does_not_apply("the backend takes more than a million items at once"));
    }
    let alike = |count: usize| snapshot(1, vec![item("a", "x"); count]);
    refused(store.ingest(alike(limit + 1)).await, ErrorKind::Invalid)?;
    ensure_eq!(store.count(&Selection::everything()).await?, 0, "count of records");
    let counts = store.take(alike(limit)).await?.counts;
    ensure_eq!((counts.new, counts.repeated), (1, limit as u64 - 1), "new and repeated in the largest batch");
    Ok(())
}

async fn ordinals_that_do_not_ascend_are_invalid(store: Subject) -> Verdict {
    let mut batch = snapshot(1, vec![item("a", "x"), item("b", "x")]);
    for ordinals in [[1, 0], [3, 3]] {
        for (item, ordinal) in batch.items.iter_mut().zip(ordinals) {
            item.ordinal = ordinal;
        }
        refused(store.ingest(batch.clone()).await, ErrorKind::Invalid)?;
    }
    Ok(())
}

async fn an_invalid_batch_stores_nothing(store: Subject) -> Verdict {
    let mut batch = snapshot(1, vec![item("a", "x"), item("b", "x")]);
    batch.items[1].ordinal = 0;
    batch.rejects.push(crate::script::reject(9, None));
    refused(store.ingest(advancing(0, "1", batch)).await, ErrorKind::Invalid)?;
    refused(store.ingest(unchanged(2, 1)).await, ErrorKind::Invalid)?;
    ensure_eq!(store.count(&Selection::everything()).await?, 0, "count of records");
    ensure_eq!(store.log().await?, [], "the change log");
    ensure_eq!(store.ledger(feed(1)).await?, [], "the ledger");
    ensure_eq!(store.quarantine(feed(1)).await?, [], "the quarantine");
    ensure_eq!(store.cursor(feed(1)).await?, None, "the cursor");
    Ok(())
}

async fn not_found_is_no_error(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let id = store.record("a").await?.id;
    let page = PageRequest::first(PAGE);
    ensure_eq!(store.get(record_id(1), None).await?, None, "a record that is not there");
    ensure_eq!(store.get(id, Some(Layer::Gold)).await?, None, "a layer that is not there");
    ensure_eq!(store.get_many(&[RecordRef::key(key("b"))]).await?, [None], "a key that is not there");
    ensure_eq!(store.versions_page(id, Layer::Gold, &page).await?.items, [], "versions of a layer that is not there");
    ensure_eq!(store.sightings_page(&key("b"), &page).await?.items, [], "sightings of a key that is not there");
    ensure_eq!(store.seen_many(&[key("b")]).await?, [None], "figures of a key that is not there");
    ensure_eq!(store.observations_page(feed(9), &page).await?.items, [], "the ledger of a feed that is not there");
    ensure_eq!(store.rejects_page(feed(9), &page).await?.items, [], "the quarantine of a feed that is not there");
    ensure_eq!(store.cursor(feed(9)).await?, None, "the cursor of a feed that is not there");
    Ok(())
}

async fn a_refusal_names_the_thing(store: Subject) -> Verdict {
    store.take(advancing(0, "1", snapshot(1, vec![item("a", "x")]))).await?;
    let late = advancing(0, "2", snapshot(2, vec![item("a", "x")]));
    let error = refused(store.ingest(late).await, ErrorKind::Conflict)?;
    ensure!(error.to_string().contains(&feed(1).to_string()), "no feed is named: {error}");
    let error = refused(store.ingest(unchanged(3, 77)).await, ErrorKind::Conflict)?;
    ensure!(error.to_string().contains(&crate::script::fetch(77).to_string()), "no fetch is named: {error}");
    let error = refused(store.put_many(vec![write(1, "a", "y")]).await, ErrorKind::Conflict)?;
    ensure!(error.to_string().contains('a') && error.hint().is_some(), "no key or no next step is named: {error}");
    let id = store.record("a").await?.id;
    let renamed = feedspine_core::RecordWrite { id, ..write(1, "b", "y") };
    let error = refused(store.put_many(vec![renamed]).await, ErrorKind::Invalid)?;
    ensure!(error.to_string().contains(&id.to_string()), "no id is named: {error}");
    Ok(())
}

async fn a_refused_call_may_be_mended_and_made_again(store: Subject) -> Verdict {
    store.take(advancing(0, "1", snapshot(1, vec![item("a", "x")]))).await?;
    let batch = |expected| advancing(expected, "2", snapshot(2, vec![item("b", "x")]));
    refused(store.ingest(batch(0)).await, ErrorKind::Conflict)?;
    let report = store.take(batch(1)).await?;
    ensure!(!report.replayed, "a refused batch counts as committed");
    ensure_eq!((report.counts.new, report.revision), (1, 2), "new and revision");
    let bad = IngestBatch { rejects: vec![crate::script::reject(1, None)], ..part(0, true, 0, unchanged(3, 2)) };
    refused(store.ingest(bad.clone()).await, ErrorKind::Invalid)?;
    store.take(IngestBatch { rejects: vec![], ..bad }).await?;
    Ok(())
}
