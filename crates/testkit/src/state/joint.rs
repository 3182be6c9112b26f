//! The two ends of a fetch: it begins with what is known of its feed, and ends with what it brought last.

use std::ops::Deref;
use std::sync::Arc;

use feedspine_core::{
    CaptureStore, Conclude, Conclusion, ErrorKind, Feed, FeedStatus, FetchDetail, FetchIntent, FetchStatus,
    IngestBatch, IngestReport, Joint, KeyRule, Landing, Outset, PackedBody, Selection, Slot, StorageBackend,
};

use super::Subject;
use super::captures::{against, capture, plain};
use super::subject::{LONG, a_feed, detail, intent, schedule, slot, token};
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{advancing, at, feed, fetch, item, snapshot, unchanged};
use crate::{Failure, Verdict};

checks! { Subject, "joint":
    a_turn_begins_with_what_is_known_of_the_feed: "P6", "The feed, its cursor, what the fetch of its manifest counted and its schedule are answered as they are; the fetch runs, at the feed's address.";
    a_feed_that_is_not_polled_begins_no_turn: "Control plane", "Of a feed that is paused, removed or unknown nothing is answered, no fetch is begun and none interrupted.";
    a_turn_fills_its_slot_once: "Scheduling", "A turn under a lease that changed hands, at another time or filled before is Conflict, and nothing is begun.";
    a_turn_interrupts_the_fetch_before: "P7", "The fetch of the feed that still runs is marked interrupted, at the time at which the turn began.";
    a_known_fetch_begins_no_turn: "Control plane", "Beginning a fetch twice is Conflict.";
    a_turn_is_of_one_moment: "P6", "Of a feed that is removed, its cursor moved after that, a turn beside it knows the cursor from before the removal, or begins nothing.";
    a_last_batch_and_the_end_are_stored: "P6", "What a fetch brought last, its end and its feed's schedule are there once the call is answered.";
    a_batch_that_is_refused_ends_no_fetch: "P6", "A batch on another cursor is Conflict; its fetch still runs, and its feed is due as it was.";
    an_end_that_is_refused_stores_no_batch: "P6", "The end of a fetch that was never begun is Invalid, and nothing of its batch is stored.";
    an_interrupted_fetch_concludes_nothing: "P7", "A batch that moves the cursor is Conflict once its fetch was interrupted, and neither its end nor a schedule is written.";
    a_batch_that_was_taken_is_answered_again_with_its_end: "P5", "The call again is answered as the first time; the end and the schedule that were told last stand while the fetch runs.";
    an_end_is_decided_by_what_the_batch_did: "P6", "What is written down of a fetch's end is asked for with what its batch did, the first time and again.";
    a_first_document_lands_whole: "P6", "The key rule that a document chose, its body, its items and the end of its fetch are there once the call is answered; the call again is answered alike.";
    a_document_that_was_keyed_otherwise_lands_not_at_all: "P6", "A document that chose another key rule than its feed has is Conflict, and neither items nor body nor end of it is stored.";
    a_document_whose_body_is_refused_lands_not_at_all: "P6", "A body that is packed against one that is not held is Conflict, and neither items nor key rule nor end is stored.";
    what_is_refused_first_is_told: "P9", "Of several things that are refused the first is told: the batch, then the key rule, then the body, then the end.";
    a_body_of_another_fetch_lands_not_at_all: "P6", "A capture that is named by another fetch than the batch's is Invalid, and nothing of the landing is stored.";
    a_conclusion_outlives_the_process: "P1", "Batch, end and schedule are there when the store is opened again.";
}

/// A store that is both.
fn joint(store: &Subject) -> Verdict<&dyn Joint> {
    store.deref().joint().ok_or_else(|| Failure::does_not_apply("what touches both is done one after the other"))
}

/// Begins fetch `number` of feed 1 that many seconds into 2026.
async fn begin(store: &Subject, number: u32, slot: Option<&Slot>) -> Verdict<feedspine_core::Result<Option<Outset>>> {
    Ok(joint(store)?.begin_turn(feed(1), fetch(number.into()), at(number.into()), slot).await)
}

/// Ends a fetch of feed 1 with a batch, which is fetched next at that second.
async fn land(
    store: &Subject,
    batch: IngestBatch,
    detail: &FetchDetail,
    next: Option<i64>,
) -> Verdict<feedspine_core::Result<IngestReport>> {
    let conclusion = Conclusion { detail: detail.clone(), schedule: next.map(|second| schedule(1, second)) };
    Ok(joint(store)?.land(Landing::of(batch), Arc::new(move |_| conclusion.clone())).await)
}

/// Ends it with a first document, whose body is kept, and which chose a key rule.
async fn land_first(store: &Subject, body: &PackedBody) -> Verdict<feedspine_core::Result<IngestReport>> {
    let conclusion = Conclusion { detail: detail(FetchStatus::Captured, 1), schedule: Some(schedule(1, 20)) };
    let capture = Some((capture((1, 1), 0, body), body.clone()));
    let landing = Landing { batch: document(1, 0), key_rule: Some(KeyRule::Id), capture };
    Ok(joint(store)?.land(landing, Arc::new(move |_| conclusion.clone())).await)
}

async fn a_turn_begins_with_what_is_known_of_the_feed(store: Subject) -> Verdict {
    joint(&store)?;
    let storage = store.storage().await?;
    store.scheduled(&[(2, 20)]).await?;
    store.add_feed(&a_feed(1, "feed-1")).await?;
    let known = Outset { feed: a_feed(1, "feed-1"), cursor: None, told: None, schedule: None };
    ensure_eq!(begin(&store, 1, None).await??, Some(known), "what is known at first");
    let document = advancing(0, "1", snapshot(1, vec![item("a", "one"), item("b", "two")]));
    land(&store, document, &detail(FetchStatus::Captured, 1), Some(10)).await??;
    begin(&store, 2, None).await??;
    land(&store, nothing_new(), &detail(FetchStatus::Unchanged, 2), None).await??;
    let moved = Feed { address: "https://example.org/elsewhere".to_owned(), ..a_feed(1, "feed-1") };
    store.update_feed(&moved).await?;
    let outset = begin(&store, 3, None).await??.ok_or_else(|| Failure::broken("nothing is answered"))?;
    let told = storage.observation(feed(1), fetch(1)).await?.map(|told| told.counts);
    ensure_eq!(told.map(|told| told.new), Some(2), "what fetch 1 counted");
    let (cursor, schedule) = (storage.cursor(feed(1)).await?, Some(schedule(1, 10)));
    ensure_eq!(cursor.as_ref().map(|cursor| cursor.revision), Some(2), "the cursor's revision");
    ensure_eq!(outset, Outset { feed: moved.clone(), cursor, told, schedule }, "what is known in the end");
    let begun = FetchIntent { fetch: fetch(3), feed: feed(1), started_at: at(3), address: moved.address };
    let last = store.fetches(1).await?.into_iter().next();
    ensure_eq!(last.map(|last| (last.intent, last.detail)), Some((begun, None)), "the fetch");
    Ok(())
}

async fn a_feed_that_is_not_polled_begins_no_turn(store: Subject) -> Verdict {
    joint(&store)?;
    store.scheduled(&[(1, 10)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    for status in [FeedStatus::Paused, FeedStatus::Removed] {
        store.update_feed(&Feed { status, ..a_feed(1, "feed-1") }).await?;
        ensure_eq!(begin(&store, 2, None).await??, None, "what is answered of one that is {status:?}");
    }
    let unknown = joint(&store)?.begin_turn(feed(9), fetch(2), at(2), None).await?;
    ensure_eq!(unknown, None, "what is answered of one that is unknown");
    ensure_eq!(store.statuses(1).await?, [None], "the fetches");
    ensure_eq!(store.statuses(9).await?, [], "the fetches of the unknown one");
    Ok(())
}

async fn a_turn_fills_its_slot_once(store: Subject) -> Verdict {
    joint(&store)?;
    store.scheduled(&[(1, 10)]).await?;
    let lease = store.lease("a", &["one"], LONG).await?.remove(0);
    for refused_slot in [slot(&lease, 11), slot(&token("one", 9), 10), slot(&token("two", 1), 10)] {
        refused(begin(&store, 1, Some(&refused_slot)).await?, ErrorKind::Conflict)?;
    }
    ensure_eq!(store.statuses(1).await?, [], "the fetches");
    let open = slot(&lease, 10);
    let outset = begin(&store, 1, Some(&open)).await??;
    ensure_eq!(outset.and_then(|outset| outset.schedule), Some(schedule(1, 10)), "the schedule");
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), Some(&schedule(1, 20))).await?;
    refused(begin(&store, 2, Some(&open)).await?, ErrorKind::Conflict)?;
    begin(&store, 2, Some(&slot(&lease, 20))).await??;
    store.lease("b", &["one"], LONG).await?;
    ensure_eq!(store.statuses(1).await?, [None, Some(FetchStatus::Captured)], "the fetches in the next turn");
    Ok(())
}

async fn a_turn_interrupts_the_fetch_before(store: Subject) -> Verdict {
    joint(&store)?;
    store.scheduled(&[(1, 10), (2, 10)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    store.begin_fetch(&intent(2, 2), None).await?;
    begin(&store, 3, None).await??;
    ensure_eq!(store.statuses(1).await?, [None, Some(FetchStatus::Interrupted)], "the fetches");
    let ended = store.fetches(1).await?.pop().and_then(|first| first.detail).map(|detail| detail.finished_at);
    ensure_eq!(ended, Some(at(3)), "when the first was interrupted");
    ensure_eq!(store.statuses(2).await?, [None], "the fetches of the other feed");
    Ok(())
}

async fn a_turn_is_of_one_moment(store: Subject) -> Verdict {
    joint(&store)?;
    let storage = store.storage().await?;
    for number in 1..=24_u32 {
        let of = u128::from(number);
        let known = a_feed(of, &format!("feed-{number}"));
        store.add_feed(&known).await?;
        let beside = {
            let store = store.clone();
            tokio::spawn(async move {
                // Later from round to round, so that some meet the removal half-way.
                for _ in 0..number / 4 {
                    tokio::task::yield_now().await;
                }
                let joint = joint(&store)?;
                Ok::<_, Failure>(joint.begin_turn(feed(of), fetch(1_000 + of), at(1), None).await?)
            })
        };
        let removed = Feed { status: FeedStatus::Removed, ..known.clone() };
        ensure!(store.replace_feed(&known, &removed).await?, "the feed is not removed");
        let last = IngestBatch { feed: feed(of), ..advancing(0, "removed", snapshot(number, Vec::new())) };
        storage.ingest(last).await?;
        let outset = beside.await.map_err(Failure::broken)??;
        if let Some(outset) = outset {
            ensure_eq!(outset.feed.status, FeedStatus::Active, "the feed's status, in round {number}");
            ensure_eq!(outset.cursor, None, "the cursor, in round {number}");
        }
    }
    Ok(())
}

async fn a_known_fetch_begins_no_turn(store: Subject) -> Verdict {
    joint(&store)?;
    store.scheduled(&[(1, 10)]).await?;
    begin(&store, 1, None).await??;
    refused(begin(&store, 1, None).await?, ErrorKind::Conflict)?;
    store.finish_fetch(fetch(1), &detail(FetchStatus::Captured, 1), None).await?;
    refused(begin(&store, 1, None).await?, ErrorKind::Conflict)?;
    ensure_eq!(store.statuses(1).await?, [Some(FetchStatus::Captured)], "the fetches");
    Ok(())
}

/// A document of feed 1 with one item, which moves the cursor from there.
fn document(number: u32, expected: u64) -> IngestBatch {
    advancing(expected, &format!("{number}"), snapshot(number, vec![item("a", &format!("title {number}"))]))
}

/// Fetch 1 of feed 1, which is due at second 10, has brought a document, and fetch 2 was begun.
async fn collected(store: &Subject) -> Verdict<Arc<dyn StorageBackend>> {
    let storage = store.storage().await?;
    store.scheduled(&[(1, 10)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    land(store, document(1, 0), &detail(FetchStatus::Captured, 1), None).await??;
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
    joint(&store)?;
    let storage = collected(&store).await?;
    let told = detail(FetchStatus::Unchanged, 2);
    let report = land(&store, nothing_new(), &told, Some(20)).await??;
    ensure_eq!((report.revision, report.counts.unchanged), (2, 1), "the answer");
    ensure_eq!(storage.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(2), "the cursor's revision");
    ensure!(storage.observation(feed(1), fetch(2)).await?.is_some(), "the ledger has no row of the fetch");
    ensure_eq!(store.fetches(1).await?.first().and_then(|fetch| fetch.detail.clone()), Some(told), "the end");
    ensure_eq!(store.statuses(1).await?, [Some(FetchStatus::Unchanged), Some(FetchStatus::Captured)], "the fetches");
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 20)), "the schedule");
    Ok(())
}

async fn a_batch_that_is_refused_ends_no_fetch(store: Subject) -> Verdict {
    joint(&store)?;
    let storage = collected(&store).await?;
    let stale = advancing(7, "2", unchanged(2, 1));
    let told = detail(FetchStatus::Unchanged, 2);
    refused(land(&store, stale, &told, Some(20)).await?, ErrorKind::Conflict)?;
    ensure_eq!(store.statuses(1).await?, [None, Some(FetchStatus::Captured)], "the fetches");
    is_untouched(&store, &*storage).await
}

async fn an_end_that_is_refused_stores_no_batch(store: Subject) -> Verdict {
    joint(&store)?;
    let storage = store.storage().await?;
    store.scheduled(&[(1, 10)]).await?;
    let told = detail(FetchStatus::Captured, 1);
    let answer = land(&store, document(1, 0), &told, Some(20)).await?;
    refused(answer, ErrorKind::Invalid)?;
    ensure_eq!(storage.cursor(feed(1)).await?, None, "the cursor");
    ensure_eq!(storage.count(&Selection::everything()).await?, 0, "records");
    ensure_eq!(storage.observation(feed(1), fetch(1)).await?, None, "the ledger's row");
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 10)), "the schedule");
    Ok(())
}

async fn an_interrupted_fetch_concludes_nothing(store: Subject) -> Verdict {
    joint(&store)?;
    let storage = collected(&store).await?;
    store.begin_fetch(&intent(1, 3), None).await?;
    let told = detail(FetchStatus::Unchanged, 2);
    let answer = land(&store, nothing_new(), &told, Some(20)).await?;
    refused(answer, ErrorKind::Conflict)?;
    let ends = [None, Some(FetchStatus::Interrupted), Some(FetchStatus::Captured)];
    ensure_eq!(store.statuses(1).await?, ends, "the fetches");
    is_untouched(&store, &*storage).await
}

async fn a_batch_that_was_taken_is_answered_again_with_its_end(store: Subject) -> Verdict {
    joint(&store)?;
    let storage = collected(&store).await?;
    storage.ingest(nothing_new()).await?;
    for (second, at) in [(2, 20), (3, 30)] {
        let told = detail(FetchStatus::Unchanged, second);
        let report = land(&store, nothing_new(), &told, Some(at)).await??;
        ensure!(report.replayed, "the batch is taken anew: {report:?}");
        ensure_eq!(store.fetches(1).await?.first().and_then(|fetch| fetch.detail.clone()), Some(told), "the end");
        // What came of a fetch that has ended may be told again; when its feed is fetched next was said then.
        ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 20)), "the schedule, after {at}");
    }
    ensure_eq!(storage.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(2), "the cursor's revision");
    Ok(())
}

async fn an_end_is_decided_by_what_the_batch_did(store: Subject) -> Verdict {
    joint(&store)?;
    store.scheduled(&[(1, 10)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    let conclude: Conclude = Arc::new(|report| {
        let counted = FetchDetail { wire_bytes: report.counts.new, ..detail(FetchStatus::Captured, 1) };
        Conclusion { detail: counted, schedule: Some(schedule(1, 20 + i64::from(report.revision == 1))) }
    });
    let document = advancing(0, "1", snapshot(1, vec![item("a", "one"), item("b", "two"), item("c", "three")]));
    for _ in 0..2 {
        joint(&store)?.land(Landing::of(document.clone()), Arc::clone(&conclude)).await?;
        let told = store.fetches(1).await?.pop().and_then(|fetch| fetch.detail);
        ensure_eq!(told.map(|told| told.wire_bytes), Some(3), "what was counted");
        ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 21)), "the schedule");
    }
    Ok(())
}

/// What keeps bodies as well.
fn keeping(store: &Subject) -> Verdict<&dyn CaptureStore> {
    store.deref().captures().ok_or_else(|| Failure::does_not_apply("bodies are not kept here"))
}

/// Fetch 1 of feed 1, which is due at second 10, was begun where bodies are kept.
async fn begun(store: &Subject) -> Verdict<Arc<dyn StorageBackend>> {
    joint(store)?;
    keeping(store)?;
    let storage = store.storage().await?;
    store.scheduled(&[(1, 10)]).await?;
    store.begin_fetch(&intent(1, 1), None).await?;
    Ok(storage)
}

async fn a_first_document_lands_whole(store: Subject) -> Verdict {
    let storage = begun(&store).await?;
    let body = plain("what was read");
    for replayed in [false, true] {
        let report = land_first(&store, &body).await??;
        ensure_eq!((report.revision, report.counts.new, report.replayed), (1, 1, replayed), "the answer");
        let held = store.feed_named(&a_feed(1, "feed-1").name).await?.and_then(|feed| feed.key_rule);
        ensure_eq!(held, Some(KeyRule::Id), "the key rule");
        let captures = keeping(&store)?.captures_of(feed(1), fetch(1)).await?;
        ensure_eq!(captures, [capture((1, 1), 0, &body)], "the captures");
        let read = keeping(&store)?.body(body.hash).await?.map(|held| held.body);
        ensure_eq!(read.as_ref(), Some(&body), "the body");
        ensure_eq!(storage.count(&Selection::everything()).await?, 1, "records");
        ensure_eq!(store.statuses(1).await?, [Some(FetchStatus::Captured)], "the fetches");
        ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 20)), "the schedule");
    }
    Ok(())
}

/// Nothing is stored of fetch 1 but that it began.
async fn has_only_begun(store: &Subject, storage: &dyn StorageBackend, key_rule: Option<KeyRule>) -> Verdict {
    ensure_eq!(storage.cursor(feed(1)).await?, None, "the cursor");
    ensure_eq!(storage.count(&Selection::everything()).await?, 0, "records");
    ensure_eq!(keeping(store)?.captures_of(feed(1), fetch(1)).await?, [], "the captures");
    ensure_eq!(keeping(store)?.capture_figures().await?.bodies, 0, "bodies");
    let held = store.feed_named(&a_feed(1, "feed-1").name).await?.and_then(|feed| feed.key_rule);
    ensure_eq!(held, key_rule, "the key rule");
    ensure_eq!(store.statuses(1).await?, [None], "the fetches");
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 10)), "the schedule");
    Ok(())
}

async fn a_document_that_was_keyed_otherwise_lands_not_at_all(store: Subject) -> Verdict {
    let storage = begun(&store).await?;
    store.settle_key_rule(feed(1), KeyRule::Link).await?;
    refused(land_first(&store, &plain("what was read")).await?, ErrorKind::Conflict)?;
    has_only_begun(&store, &*storage, Some(KeyRule::Link)).await
}

async fn a_document_whose_body_is_refused_lands_not_at_all(store: Subject) -> Verdict {
    let storage = begun(&store).await?;
    refused(land_first(&store, &against("what was read", "what is not held")).await?, ErrorKind::Conflict)?;
    has_only_begun(&store, &*storage, None).await
}

async fn what_is_refused_first_is_told(store: Subject) -> Verdict {
    joint(&store)?;
    keeping(&store)?;
    let storage = store.storage().await?;
    store.scheduled(&[(1, 10)]).await?;
    let (held, unheld) = (plain("what was read"), against("what was read", "what is not held"));
    // Fetch 1 was never begun: that is told where nothing else is wrong.
    refused(land_first(&store, &held).await?, ErrorKind::Invalid)?;
    refused(land_first(&store, &unheld).await?, ErrorKind::Conflict)?;
    store.settle_key_rule(feed(1), KeyRule::Link).await?;
    refused(land_first(&store, &held).await?, ErrorKind::Conflict)?;
    let conclude: Conclude =
        Arc::new(|_| Conclusion { detail: detail(FetchStatus::Captured, 1), schedule: Some(schedule(1, 20)) });
    let capture = Some((capture((1, 1), 0, &unheld), unheld.clone()));
    // Nothing was told of the feed that could be unchanged.
    let landing = Landing { batch: advancing(0, "1", unchanged(1, 9)), key_rule: Some(KeyRule::Id), capture };
    refused(joint(&store)?.land(landing, conclude).await, ErrorKind::Invalid)?;
    ensure_eq!(store.statuses(1).await?, [], "the fetches");
    store.begin_fetch(&intent(1, 1), None).await?;
    has_only_begun(&store, &*storage, Some(KeyRule::Link)).await
}

async fn a_body_of_another_fetch_lands_not_at_all(store: Subject) -> Verdict {
    let storage = begun(&store).await?;
    store.scheduled(&[(2, 10)]).await?;
    let body = plain("what was read");
    for of in [(1, 2), (2, 1)] {
        let conclude: Conclude = Arc::new(|_| Conclusion { detail: detail(FetchStatus::Captured, 1), schedule: None });
        let capture = Some((capture(of, 0, &body), body.clone()));
        let landing = Landing { batch: document(1, 0), key_rule: None, capture };
        refused(joint(&store)?.land(landing, conclude).await, ErrorKind::Invalid)?;
    }
    has_only_begun(&store, &*storage, None).await
}

async fn a_conclusion_outlives_the_process(store: Subject) -> Verdict {
    joint(&store)?;
    let storage = collected(&store).await?;
    let told = detail(FetchStatus::Unchanged, 2);
    land(&store, nothing_new(), &told, Some(20)).await??;
    drop(storage);
    let store = store.reopened().await?;
    ensure_eq!(store.fetches(1).await?.first().and_then(|fetch| fetch.detail.clone()), Some(told), "the end");
    ensure_eq!(store.schedule_of(feed(1)).await?, Some(schedule(1, 20)), "the schedule");
    let storage = store.storage().await?;
    ensure_eq!(storage.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(2), "the cursor's revision");
    Ok(())
}
