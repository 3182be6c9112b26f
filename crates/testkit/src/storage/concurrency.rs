//! Many callers at once: one record for each key, whole batches, a log that misses nothing.

use std::collections::BTreeSet;
use std::fmt::Debug;
use std::future::{Future, poll_fn};
use std::num::NonZeroUsize;
use std::sync::Arc;
use std::task::Poll;

use feedspine_core::{
    Change, ChangeKind, ErrorKind, IngestBatch, IngestReport, Query, RecordRef, RecordWrite, Result, Selection, Seq,
    StorageBackend, StorageExt,
};

use tokio::sync::{Barrier, Semaphore};

use super::Subject;
use super::subject::title_of;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::noise::Noise;
use crate::script::{PAGE, advancing, at, delta, feed, fetch, item, key, record_id, snapshot, told, write};
use crate::{Failure, Verdict};

checks! { Subject, "concurrency":
    concurrent_first_sights_give_one_new: "P3", "Of many feeds that see a key for the first time at once, exactly one makes the record.";
    concurrent_replays_store_once: "P5", "Of one batch that is submitted many times at once, one stores; all have the same report.";
    one_of_many_fetches_moves_the_cursor: "P6", "Of many fetches that expect one revision, one commits and the others are Conflict.";
    opposite_key_orders_do_not_deadlock: "P3", "Writers that touch the same keys in opposite orders all finish.";
    concurrent_edits_leave_no_gap_in_versions: "P4", "Versions made by many feeds at once are 1 to n.";
    concurrent_writes_of_one_key_have_one_winner: "P3", "Of many ids for one key, one is taken and the others are Conflict.";
    a_write_and_a_capture_of_one_key_make_one_record: "P3",
        "A call and a feed that bring one new key at once share its record, or the call is a Conflict.";
    whatever_many_do_at_once_the_rules_hold: "P3",
        "After random captures, writes, deletes and told sightings at once, versions, sightings and counts are in order.";
    concurrent_told_sightings_have_one_first: "Seed calls", "Of many told sightings of one key at once, one is the first.";
    concurrent_deletes_have_one_true: "Delete", "Of many deletes of one record at once, one answers true.";
    a_reader_never_sees_half_a_batch: "P6", "Rows, versions and changes of a batch are seen together or not at all.";
    a_follower_misses_nothing_while_writers_run: "Change order", "A follower reads each change once and in order while many write.";
    a_refused_batch_costs_only_itself: "P8", "Among batches submitted at once, those refused do not keep the others from being stored.";
    a_dropped_call_happens_wholly_or_not_at_all: "P6", "Dropping the future of an ingest leaves all of it or nothing, and a store that works.";
    a_second_handle_sees_what_the_first_acknowledged: "P1", "Two handles of one store see each other's commits and share its rules.";
}

const WRITERS: u32 = 12;

/// Makes a call for each number, none before all are ready to, and gives the answers in order of the numbers.
async fn at_once<T, F>(store: &Subject, call: impl Fn(Arc<dyn StorageBackend>, u32) -> F) -> Verdict<Vec<T>>
where
    T: Send + 'static,
    F: Future<Output = T> + Send + 'static,
{
    let ready = Arc::new(Barrier::new(WRITERS as usize));
    let start = |number| {
        let (ready, call) = (Arc::clone(&ready), call(store.handle(), number));
        tokio::spawn(async move {
            ready.wait().await;
            call.await
        })
    };
    let running: Vec<_> = (1..=WRITERS).map(start).collect();
    let mut answers = Vec::new();
    for running in running {
        answers.push(running.await.map_err(Failure::broken)?);
    }
    Ok(answers)
}

/// The answers, of which just one may have worked and all others must have failed with that kind.
fn one_worked<T: Debug>(answers: Vec<Result<T>>, kind: ErrorKind) -> Verdict {
    let worked = answers.iter().filter(|answer| answer.is_ok()).count();
    ensure_eq!(worked, 1, "calls that worked");
    for answer in answers.into_iter().filter(Result::is_err) {
        refused(answer, kind)?;
    }
    Ok(())
}

async fn concurrent_first_sights_give_one_new(store: Subject) -> Verdict {
    let reports = at_once(&store, |store, number| async move {
        let items = ["a", "b", "c"].map(|name| item(name, "x")).to_vec();
        store.ingest(IngestBatch { feed: feed(number.into()), ..snapshot(number, items) }).await
    });
    let mut new = 0;
    for report in reports.await? {
        let counts = report?.counts;
        ensure_eq!(counts.new + counts.unchanged, 3, "new and unchanged of one feed");
        new += counts.new;
    }
    ensure_eq!(new, 3, "new of all feeds");
    ensure_eq!(store.count(&Selection::everything()).await?, 3, "count of records");
    ensure_eq!(store.log().await?.len(), 3, "changes");
    ensure_eq!(store.sighted("a").await?.len(), WRITERS as usize, "sightings");
    Ok(())
}

async fn concurrent_replays_store_once(store: Subject) -> Verdict {
    let batch = advancing(0, "1", snapshot(1, vec![item("a", "x"), item("b", "x")]));
    let reports = at_once(&store, |store, _| {
        let batch = batch.clone();
        async move { store.ingest(batch).await }
    });
    let reports = reports.await?.into_iter().collect::<Result<Vec<_>>>()?;
    ensure_eq!(reports.iter().filter(|report| !report.replayed).count(), 1, "reports that are no replay");
    for report in &reports {
        let same = IngestReport { replayed: reports[0].replayed, ..report.clone() };
        ensure_eq!(same, reports[0], "a report");
    }
    ensure_eq!(store.sighted("a").await?, [(feed(1), fetch(1), Some(1))], "sightings");
    ensure_eq!(store.ledger(feed(1)).await?.len(), 1, "rows of the ledger");
    Ok(())
}

async fn one_of_many_fetches_moves_the_cursor(store: Subject) -> Verdict {
    let answers = at_once(&store, |store, number| async move {
        let name = format!("key {number}");
        store.ingest(advancing(0, &name, snapshot(number, vec![item(&name, "x")]))).await
    });
    one_worked(answers.await?, ErrorKind::Conflict)?;
    ensure_eq!(store.count(&Selection::everything()).await?, 1, "count of records");
    ensure_eq!(store.cursor(feed(1)).await?.map(|cursor| cursor.revision), Some(1), "the revision");
    Ok(())
}

async fn opposite_key_orders_do_not_deadlock(store: Subject) -> Verdict {
    let names: Vec<String> = (0..20).map(|number| format!("key {number}")).collect();
    let answers = at_once(&store, |store, number| {
        let mut names = names.clone();
        if number % 2 == 0 {
            names.reverse();
        }
        async move {
            for turn in 0..5 {
                let title = format!("{turn} of {number}");
                let items = names.iter().map(|name| item(name, &title)).collect();
                let batch = snapshot(100 * number + turn, items);
                store.ingest(IngestBatch { feed: feed(number.into()), ..batch }).await?;
            }
            Ok::<_, feedspine_core::StorageError>(())
        }
    });
    answers.await?.into_iter().collect::<Result<Vec<_>>>()?;
    ensure_eq!(store.sighted("key 7").await?.len(), 5 * WRITERS as usize, "sightings");
    Ok(())
}

async fn concurrent_edits_leave_no_gap_in_versions(store: Subject) -> Verdict {
    let answers = at_once(&store, |store, number| async move {
        let mut changed = 0;
        for turn in 0..6 {
            let items = vec![item("a", &format!("{turn} of {number}"))];
            let batch = snapshot(100 * number + turn, items);
            let counts = store.ingest(IngestBatch { feed: feed(number.into()), ..batch }).await?.counts;
            changed += counts.changed + counts.new;
        }
        Ok::<_, feedspine_core::StorageError>(changed)
    });
    let changed: u64 = answers.await?.into_iter().sum::<Result<u64>>()?;
    let versions = store.versions("a").await?;
    ensure_eq!(versions.len() as u64, changed, "versions, and items reported new or changed");
    let numbers: Vec<_> = versions.iter().map(|version| version.number.get()).collect();
    ensure_eq!(numbers, (1..=6 * WRITERS).collect::<Vec<_>>(), "the numbers of the versions");
    let titles: BTreeSet<_> = versions.iter().map(|version| title_of(&version.content)).collect();
    ensure_eq!(titles.len(), versions.len(), "distinct contents");
    ensure_eq!(store.record("a").await?.version.get(), 6 * WRITERS, "the current version");
    Ok(())
}

async fn concurrent_writes_of_one_key_have_one_winner(store: Subject) -> Verdict {
    let answers = at_once(&store, |store, number| async move {
        store
            .put_many(vec![
                write(u128::from(number), "a", "x"),
                write(u128::from(number) + 100, &number.to_string(), "x"),
            ])
            .await
    });
    one_worked(answers.await?, ErrorKind::Conflict)?;
    ensure_eq!(store.count(&Selection::everything()).await?, 2, "count of records");
    Ok(())
}

async fn a_write_and_a_capture_of_one_key_make_one_record(store: Subject) -> Verdict {
    for turn in 0..10_u32 {
        let name = format!("key {turn}");
        let id = record_id(u128::from(turn) + 1);
        let (handle, written) = (store.handle(), write(u128::from(turn) + 1, &name, "written"));
        let writing = tokio::spawn(async move { handle.put_many(vec![written]).await });
        let report = store.take(delta(turn + 1, vec![item(&name, "captured")])).await?;
        let held = match writing.await.map_err(Failure::broken)? {
            Ok(_) => Some(id),
            answer => {
                refused(answer, ErrorKind::Conflict)?;
                None
            }
        };
        let record = store.record(&name).await?;
        ensure!(held.is_none_or(|id| id == record.id), "two ids for one key: {held:?} and {}", record.id);
        ensure_eq!(store.versions(&name).await?.len() as u64, u64::from(held.is_some()) + 1, "versions of {report:?}");
        ensure_eq!(store.sighted(&name).await?.len(), 1, "sightings");
    }
    ensure_eq!(store.count(&Selection::everything()).await?, 10, "count of records");
    Ok(())
}

async fn whatever_many_do_at_once_the_rules_hold(store: Subject) -> Verdict {
    const NAMES: [&str; 5] = ["a", "b", "c", "d", "e"];
    let answers = at_once(&store, |store, number| async move {
        let mut noise = Noise::seeded(number.into());
        for turn in 0..15 {
            let name = *noise.pick(&NAMES);
            let title = *noise.pick(&["x", "y", "z"]);
            let fetch_number = 100 * number + turn;
            let held = store.get_by_natural_key(&key(name)).await?.map(|record| record.id);
            match (noise.below(8), held) {
                (0, Some(id)) => drop(store.delete_many(&[RecordRef::id(id)], at(1)).await?),
                // Whether the record is still that one when the write comes is a matter of luck.
                (1, Some(id)) => drop(store.put_many(vec![RecordWrite { id, ..write(0, name, title) }]).await),
                (2, _) => drop(store.record_sighting(told(name, 99, fetch_number.into(), 1)).await?),
                (3, _) => {
                    let batch = delta(fetch_number, vec![item(name, title)]);
                    store.ingest(IngestBatch { feed: feed((number % 3).into()), ..batch }).await?;
                }
                _ => {
                    let items = NAMES[..=noise.below(5)].iter().map(|name| item(name, title)).collect();
                    let batch = snapshot(fetch_number, items);
                    store.ingest(IngestBatch { feed: feed((number % 3).into()), ..batch }).await?;
                }
            }
        }
        Ok::<_, feedspine_core::StorageError>(())
    });
    answers.await?.into_iter().collect::<Result<Vec<_>>>()?;
    for name in NAMES {
        let sightings = store.get_sightings(&key(name)).await?;
        let places: Vec<_> = sightings.iter().map(|seen| (seen.observed_at, seen.feed, seen.fetch)).collect();
        ensure!(places.is_sorted_by(|a, b| a < b), "sightings of {name} out of order or twice: {places:?}");
        ensure_eq!(store.seen(name).await?.map_or(0, |seen| seen.count), sightings.len() as u64, "count of {name}");
        let Some(record) = store.get_by_natural_key(&key(name)).await? else { continue };
        ensure_eq!(store.get(record.id, None).await?.as_ref(), Some(&record), "the record {name} by its id");
        let versions = store.versions(name).await?;
        let numbers: Vec<_> = versions.iter().map(|version| version.number.get()).collect();
        ensure_eq!(numbers, (1..=record.version.get()).collect::<Vec<_>>(), "versions of {name}");
        let shown = sightings.iter().filter_map(|seen| seen.version);
        ensure!(shown.max().is_none_or(|shown| shown <= record.version), "{name} showed a version that is not there");
    }
    let rows = store.query_page(&Query::new(Selection::everything(), PAGE)).await?.items;
    ensure_eq!(store.count(&Selection::everything()).await?, rows.len() as u64, "count of records");
    let keys: BTreeSet<_> = rows.iter().map(|row| &row.key).collect();
    ensure_eq!(keys.len(), rows.len(), "distinct keys");
    let log = store.log().await?;
    let (made, gone) = (ChangeKind::New, ChangeKind::Deleted);
    let kinds = |kind| log.iter().filter(|change| change.event.kind == kind).count();
    ensure_eq!(kinds(made), rows.len() + kinds(gone), "records that were new: those held and those deleted");
    Ok(())
}

async fn concurrent_told_sightings_have_one_first(store: Subject) -> Verdict {
    let answers =
        at_once(&store, |store, number| async move { store.record_sighting(told("a", number.into(), 1, 1)).await });
    let answers = answers.await?.into_iter().collect::<Result<Vec<_>>>()?;
    ensure_eq!(answers.into_iter().filter(|first| *first).count(), 1, "answers that say first");
    ensure_eq!(store.sighted("a").await?.len(), WRITERS as usize, "sightings");
    Ok(())
}

async fn concurrent_deletes_have_one_true(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    let answers = at_once(&store, |store, _| async move { store.delete(record_id(1), None, at(1)).await });
    let answers = answers.await?.into_iter().collect::<Result<Vec<_>>>()?;
    ensure_eq!(answers.into_iter().filter(|deleted| *deleted).count(), 1, "answers that say deleted");
    ensure_eq!(store.log().await?.len(), 2, "changes");
    Ok(())
}

async fn a_reader_never_sees_half_a_batch(store: Subject) -> Verdict {
    const ITEMS: usize = 15;
    // One batch for each look, so that neither runs ahead of the other.
    let looks = Arc::new(Semaphore::new(0));
    let (handle, turns) = (store.handle(), Arc::clone(&looks));
    let writer = tokio::spawn(async move {
        for number in 1..40_u32 {
            turns.acquire().await.expect("nobody closes it").forget();
            let items = (0..ITEMS).map(|place| item(&format!("key {place}"), &number.to_string())).collect();
            handle.ingest(snapshot(number, items)).await?;
        }
        Ok::<_, feedspine_core::StorageError>(())
    });
    while !writer.is_finished() {
        looks.add_permits(1);
        let rows = store.query_page(&Query::new(Selection::everything(), PAGE)).await?.items;
        let titles: BTreeSet<_> = rows.iter().map(|row| title_of(&row.content)).collect();
        ensure!(titles.len() <= 1 && rows.len() % ITEMS == 0, "half a batch: {} rows, titles {titles:?}", rows.len());
        let wanted: Vec<_> = (0..ITEMS).map(|place| RecordRef::key(key(&format!("key {place}")))).collect();
        let found = store.get_many(&wanted).await?;
        let versions: BTreeSet<_> = found.iter().map(|row| row.as_ref().map(|row| row.version)).collect();
        ensure!(versions.len() == 1, "half a batch: versions {versions:?}");
        let log = store.changes(&Seq::start(), NonZeroUsize::MAX).await?;
        ensure!(log.len() % ITEMS == 0, "half a batch: {} changes", log.len());
        if let Some(row) = rows.first() {
            let (seen, versions) = (store.seen("key 0").await?, store.versions("key 0").await?);
            ensure!(seen.is_some_and(|seen| seen.count > 0), "a record without a sighting: {row:?}");
            ensure!(!versions.is_empty(), "a record without a version: {row:?}");
        }
        tokio::task::yield_now().await;
    }
    writer.await.map_err(Failure::broken)??;
    Ok(())
}

async fn a_follower_misses_nothing_while_writers_run(store: Subject) -> Verdict {
    const TURNS: u32 = 12;
    let writers: Vec<_> = (1..=4_u32)
        .map(|number| {
            let handle = store.handle();
            tokio::spawn(async move {
                for turn in 0..TURNS {
                    let names = [format!("shared {turn}"), format!("own {number} {turn}")];
                    let items = names.iter().map(|name| item(name, &number.to_string())).collect();
                    let batch = delta(100 * number + turn, items);
                    handle.ingest(IngestBatch { feed: feed(number.into()), ..batch }).await?;
                }
                Ok::<_, feedspine_core::StorageError>(())
            })
        })
        .collect();
    let mut followed: Vec<Change> = Vec::new();
    loop {
        let ended = writers.iter().all(tokio::task::JoinHandle::is_finished);
        let after = followed.last().map_or_else(Seq::start, |change| change.seq.clone());
        let found = store.changes(&after, NonZeroUsize::new(3).expect("not zero")).await?;
        if found.is_empty() && ended {
            break;
        }
        followed.extend(found);
        tokio::task::yield_now().await;
    }
    for writer in writers {
        writer.await.map_err(Failure::broken)??;
    }
    ensure_eq!(followed.len(), 8 * TURNS as usize, "changes followed: each writer's item is new or changed");
    ensure!(followed.windows(2).all(|pair| pair[0].seq < pair[1].seq), "positions do not ascend");
    ensure_eq!(store.log().await?, followed, "the log, and what was followed");
    let new = followed.iter().filter(|change| change.event.kind == ChangeKind::New).count();
    ensure_eq!(new, 5 * TURNS as usize, "changes that are new");
    Ok(())
}

async fn a_refused_batch_costs_only_itself(store: Subject) -> Verdict {
    store.take(advancing(0, "1", snapshot(999, vec![item("first", "x")]))).await?;
    let answers = at_once(&store, |store, number| async move {
        let name = format!("key {number}");
        let batch = IngestBatch { feed: feed(u128::from(number) + 1), ..snapshot(number, vec![item(&name, "x")]) };
        let batch = if number % 3 == 0 { advancing(7, "late", batch) } else { batch };
        (number, store.ingest(batch).await)
    });
    for (number, answer) in answers.await? {
        if number % 3 == 0 {
            refused(answer, ErrorKind::Conflict)?;
        } else {
            answer?;
        }
        let exists = store.exists_by_natural_key(&key(&format!("key {number}"))).await?;
        ensure_eq!(exists, number % 3 > 0, "the item of batch {number} is stored");
    }
    Ok(())
}

async fn a_dropped_call_happens_wholly_or_not_at_all(store: Subject) -> Verdict {
    const ITEMS: usize = 12;
    for polls in 0..8_u32 {
        let names: Vec<String> = (0..ITEMS).map(|place| format!("{polls} {place}")).collect();
        let items = names.iter().map(|name| item(name, "x")).collect();
        let batch = IngestBatch { feed: feed(polls.into()), ..snapshot(1, items) };
        let batch = advancing(0, "1", batch);
        poll_and_drop(store.ingest(batch.clone()), polls).await;

        let rows = store.query_page(&Query::new(Selection::everything(), PAGE)).await?.items;
        ensure!(rows.len() % ITEMS == 0, "half a batch after {polls} polls: {} rows", rows.len());
        let report = store.take(batch).await?;
        ensure_eq!(report.counts.new, ITEMS as u64, "new when submitted again after {polls} polls");
        ensure_eq!(store.sighted(&names[0]).await?.len(), 1, "sightings after {polls} polls");
        ensure_eq!(store.cursor(feed(polls.into())).await?.map(|cursor| cursor.revision), Some(1), "the revision");
    }
    ensure_eq!(store.count(&Selection::everything()).await?, 8 * ITEMS as u64, "count of records");
    ensure_eq!(store.log().await?.len(), 8 * ITEMS, "changes");
    Ok(())
}

/// Polls a future so many times, unless it is ready before, and drops it.
async fn poll_and_drop<F: Future>(call: F, polls: u32) {
    let mut call = Box::pin(call);
    for _ in 0..polls {
        let ready = poll_fn(|context| Poll::Ready(call.as_mut().poll(context).is_ready())).await;
        if ready {
            return;
        }
        tokio::task::yield_now().await;
    }
}

async fn a_second_handle_sees_what_the_first_acknowledged(store: Subject) -> Verdict {
    if !store.info().capabilities.multi_process {
        return Err(Failure::does_not_apply("one process at a time may use the store"));
    }
    let beside = store.opened_beside().await?;
    for number in 1..=6 {
        let (writer, reader) = if number % 2 == 0 { (&store, &beside) } else { (&beside, &store) };
        let report = writer.take(snapshot(number, vec![item("a", &number.to_string())])).await?;
        ensure_eq!(report.round.map(feedspine_core::Round::get), Some(number.into()), "the round");
        ensure_eq!(reader.record("a").await?.version.get(), number, "the version that the other handle sees");
        ensure_eq!(reader.log().await?.len(), number as usize, "changes that the other handle sees");
    }
    let answers = (0..8_u32).map(|number| {
        let handle = if number % 2 == 0 { store.handle() } else { beside.handle() };
        let batch = IngestBatch { feed: feed(50 + u128::from(number)), ..snapshot(7, vec![item("b", "x")]) };
        tokio::spawn(async move { handle.ingest(batch).await })
    });
    let mut new = 0;
    for answer in answers.collect::<Vec<_>>() {
        new += answer.await.map_err(Failure::broken)??.counts.new;
    }
    ensure_eq!(new, 1, "new over both handles");
    Ok(())
}
