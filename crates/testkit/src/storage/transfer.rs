//! Everything as rows: what is exported, and what an import of it is worth.

use feedspine_core::transfer::{Progress, Row, Transfer, Verifier};
use feedspine_core::{ErrorKind, Observation, StorageBackend, StorageExt};

use super::Subject;
use super::agreement::{Of, Pair};
use super::lifecycle::every_call_is_refused;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{feed, item, snapshot};
use crate::{Failure, Verdict};

checks! { Subject, "transfer":
    an_export_is_that_of_the_memory_backend: "P9",
        "After random calls a store exports the same rows in the same order as the memory backend.";
    an_export_can_be: "P2, P4",
        "The rows of an export after random calls contradict neither themselves nor one another.";
    an_export_shows_one_moment: "Transfer",
        "What is written while an export is read does not show in it.";
    a_copy_exports_what_it_was_made_of: "Transfer",
        "A store that an export was imported into exports the same.";
    a_copy_keeps_what_was_held_back: "Transfer",
        "The ledger of a copy counts what was held back, and the copy holds back what the original would.";
    a_copy_goes_on_as_the_original_does: "Transfer",
        "A copy answers further random calls, replays of old batches among them, as the original does.";
    an_import_needs_an_empty_store: "Transfer",
        "An import into a store that holds data is a conflict, and changes nothing.";
    an_unfinished_import_lets_nobody_in: "Transfer",
        "While an import is not finished every other call is refused as unavailable, also after the store was reopened.";
    an_import_shuts_out_who_had_the_store_open: "Transfer",
        "A handle that was opened before an import began, in another process say, is refused while it is not finished.";
    an_import_goes_on_where_it_stopped: "Transfer",
        "An import that stopped says how far it came, also after the store was reopened, and ends as if it had not.";
    rows_that_name_nothing_are_refused: "Transfer",
        "A batch with a row that names what was never imported is refused, and none of its rows is kept.";
    rows_that_do_not_come_next_are_refused: "P5",
        "A batch that another import has written, or one that leaves rows out, is a conflict and writes nothing.";
    without_a_beginning_nothing_is_imported: "Transfer",
        "Rows, and the end of an import, are refused when no import was begun.";
}

fn transfer(store: &dyn StorageBackend) -> Verdict<&dyn Transfer> {
    store.transfer().ok_or_else(|| Failure::does_not_apply("the backend has no transfer"))
}

/// All rows, in batches as they came.
async fn batches(store: &dyn StorageBackend) -> Verdict<Vec<Vec<Row>>> {
    let mut export = transfer(store)?.export().await?;
    let mut batches = Vec::new();
    loop {
        let rows = export.next().await?;
        if rows.is_empty() {
            return Ok(batches);
        }
        batches.push(rows);
    }
}

async fn rows(store: &dyn StorageBackend) -> Verdict<Vec<Row>> {
    Ok(batches(store).await?.concat())
}

async fn import(store: &dyn StorageBackend, rows: &[Row]) -> Verdict {
    let begun = transfer(store)?.begin_import().await?;
    ensure_eq!(begun, None, "how far the import into a new store is");
    import_on(store, 0, rows).await?;
    Ok(transfer(store)?.finish_import().await?)
}

/// Imports rows that come after so many; how far the import is then.
async fn import_on(store: &dyn StorageBackend, before: u64, rows: &[Row]) -> Verdict<Progress> {
    let mut progress = reached(before);
    for some in rows.chunks(64) {
        progress = reached(progress.rows + some.len() as u64);
        transfer(store)?.import(some.to_vec(), progress).await?;
    }
    Ok(progress)
}

fn reached(rows: u64) -> Progress {
    Progress { rows, digest: [7; 32] }
}

async fn copy_of(original: &dyn StorageBackend, place: &Subject) -> Verdict<Subject> {
    let copy = place.another().await?;
    import(&*copy, &rows(original).await?).await?;
    Ok(copy)
}

fn ensure_equal(found: &[Row], right: &[Row], of: &str) -> Verdict {
    for (found, right) in found.iter().zip(right) {
        ensure_eq!(found, right, "a row of {of}");
    }
    ensure_eq!(found.len(), right.len(), "the number of rows of {of}");
    Ok(())
}

/// A store after random calls, with the memory backend that was asked the same.
async fn random(store: &Subject, seed: u64) -> Verdict<Pair> {
    transfer(&**store)?;
    let mut pair = Pair::new(store.another().await?, seed).await?;
    pair.run(Of::All).await?;
    Ok(pair)
}

async fn an_export_is_that_of_the_memory_backend(store: Subject) -> Verdict {
    for seed in 40..43 {
        let pair = random(&store, seed).await?;
        let (found, right) = (rows(&*pair.store).await?, rows(&pair.memory).await?);
        ensure_equal(&found, &right, &format!("the export after seed {seed}"))?;
    }
    Ok(())
}

async fn an_export_can_be(store: Subject) -> Verdict {
    for seed in 43..46 {
        let mut verifier = Verifier::new();
        for row in rows(&*random(&store, seed).await?.store).await? {
            verifier.take(&row);
        }
        ensure_eq!(verifier.finish(), Vec::<String>::new(), "what cannot be of seed {seed}");
    }
    Ok(())
}

async fn an_export_shows_one_moment(store: Subject) -> Verdict {
    transfer(&*store)?;
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let right = rows(&*store).await?;
    let mut export = transfer(&*store)?.export().await?;
    store.take(snapshot(2, vec![item("a", "y"), item("b", "x")])).await?;
    let mut found = Vec::new();
    loop {
        let some = export.next().await?;
        if some.is_empty() {
            break;
        }
        found.extend(some);
    }
    ensure_equal(&found, &right, "an export that was begun before a write")
}

async fn a_copy_exports_what_it_was_made_of(store: Subject) -> Verdict {
    for seed in 46..49 {
        let original = random(&store, seed).await?.store;
        let copy = copy_of(&*original, &store).await?;
        ensure_equal(&rows(&*copy).await?, &rows(&*original).await?, &format!("the copy after seed {seed}"))?;
    }
    Ok(())
}

async fn a_copy_keeps_what_was_held_back(store: Subject) -> Verdict {
    transfer(&*store)?;
    let noisy = |number: u32| snapshot(number, vec![item("a", &format!("Fish <!-- {number} -->& chips"))]);
    for number in 1..=30 {
        store.take(noisy(number)).await?;
    }
    let copy = copy_of(&*store, &store).await?;
    let held_back = |row: &Observation| row.counts.held_back;
    let right: Vec<u64> = (1..=30).map(|number: u32| u64::from(number > 25)).collect();
    ensure_eq!(copy.ledger(feed(1)).await?.iter().map(held_back).collect::<Vec<_>>(), right, "the ledger of the copy");
    let mut verifier = Verifier::new();
    rows(&*copy).await?.iter().for_each(|row| verifier.take(row));
    ensure_eq!(verifier.finish(), Vec::<String>::new(), "what cannot be of the copy");
    ensure_eq!(copy.take(noisy(31)).await?.counts.held_back, 1, "what the copy holds back");
    Ok(())
}

async fn a_copy_goes_on_as_the_original_does(store: Subject) -> Verdict {
    for seed in 49..52 {
        let mut pair = random(&store, seed).await?;
        pair.store = copy_of(&*pair.store, &store).await?;
        pair.run(Of::All).await?;
        let (found, right) = (rows(&*pair.store).await?, rows(&pair.memory).await?);
        ensure_equal(&found, &right, &format!("the copy that went on, seed {seed}"))?;
    }
    Ok(())
}

async fn an_import_needs_an_empty_store(store: Subject) -> Verdict {
    transfer(&*store)?;
    let captured = store.another().await?;
    captured.take(snapshot(1, vec![item("a", "x")])).await?;
    let sighted = store.another().await?;
    sighted.record_sighting(crate::script::told("a", 1, 1, 1)).await?;
    for held in [captured, sighted] {
        let before = rows(&*held).await?;
        refused(transfer(&*held)?.begin_import().await, ErrorKind::Conflict)?;
        ensure_equal(&rows(&*held).await?, &before, "a store that an import was refused by")?;
    }
    Ok(())
}

async fn an_unfinished_import_lets_nobody_in(store: Subject) -> Verdict {
    transfer(&*store)?.begin_import().await?;
    let durable = store.info().capabilities.durable;
    let store = if durable { store.reopened().await? } else { store };
    every_call_is_refused(&*store, ErrorKind::Unavailable).await?;
    refused(transfer(&*store)?.export().await.map(drop), ErrorKind::Unavailable)?;
    transfer(&*store)?.finish_import().await?;
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    Ok(())
}

async fn an_import_shuts_out_who_had_the_store_open(store: Subject) -> Verdict {
    transfer(&*store)?;
    if !store.info().capabilities.multi_process {
        return Err(Failure::does_not_apply("one process at a time has the store open"));
    }
    let beside = store.opened_beside().await?;
    // Both have read and written before, as far as an empty store lets them.
    for handle in [&store, &beside] {
        ensure_eq!(handle.count(&feedspine_core::Selection::everything()).await?, 0, "records of a new store");
        ensure_eq!(handle.observe_many(Vec::new()).await?, Vec::<bool>::new(), "answers to no question");
    }
    transfer(&*store)?.begin_import().await?;
    for handle in [&store, &beside] {
        every_call_is_refused(&**handle, ErrorKind::Unavailable).await?;
        refused(transfer(&**handle)?.export().await.map(drop), ErrorKind::Unavailable)?;
    }
    ensure_eq!(transfer(&*beside)?.begin_import().await?, Some(Progress::default()), "how far the import came");
    transfer(&*beside)?.finish_import().await?;
    ensure_eq!(store.take(snapshot(1, vec![item("a", "x")])).await?.counts.new, 1, "new items after the import");
    ensure_eq!(
        beside.take(snapshot(2, vec![item("a", "x")])).await?.counts.unchanged,
        1,
        "items that the other handle knows"
    );
    beside.close().await?;
    Ok(())
}

async fn an_import_goes_on_where_it_stopped(store: Subject) -> Verdict {
    let original = random(&store, 52).await?.store;
    let all = rows(&*original).await?;
    let durable = store.info().capabilities.durable;
    // At the beginning, in the middle of each kind of rows, and before the end.
    for stop in (0..=all.len()).step_by(all.len() / 7) {
        let copy = store.another().await?;
        let (before, after) = all.split_at(stop);
        transfer(&*copy)?.begin_import().await?;
        let progress = import_on(&*copy, 0, before).await?;
        let copy = if durable { copy.reopened().await? } else { copy };
        let told = transfer(&*copy)?.begin_import().await?;
        ensure_eq!(told, Some(if stop == 0 { Progress::default() } else { progress }), "how far an import came");
        import_on(&*copy, progress.rows, after).await?;
        transfer(&*copy)?.finish_import().await?;
        ensure_equal(&rows(&*copy).await?, &all, "a copy that went on")?;
    }
    Ok(())
}

async fn rows_that_name_nothing_are_refused(store: Subject) -> Verdict {
    transfer(&*store)?;
    let original = store.another().await?;
    original.take(snapshot(1, vec![item("a", "x")])).await?;
    original.take(snapshot(2, vec![item("a", "y")])).await?;
    let all = rows(&*original).await?;
    transfer(&*store)?.begin_import().await?;
    let (named, naming): (Vec<Row>, Vec<Row>) = all
        .iter()
        .cloned()
        .partition(|row| matches!(row, Row::Feed(_) | Row::Record(_) | Row::Told(_) | Row::Event(_)));
    ensure!(naming.len() > 4, "the story has too few rows: {naming:#?}");
    for row in naming {
        let mut some = vec![named[0].clone(), row];
        if matches!(some[1], Row::Observation(_)) {
            some.remove(0);
        }
        let progress = reached(some.len() as u64);
        refused(transfer(&*store)?.import(some, progress).await, ErrorKind::Invalid)?;
    }
    import_on(&*store, 0, &all).await?;
    transfer(&*store)?.finish_import().await?;
    ensure_equal(&rows(&*store).await?, &all, "what was imported after refusals")
}

async fn rows_that_do_not_come_next_are_refused(store: Subject) -> Verdict {
    transfer(&*store)?;
    let original = store.another().await?;
    original.take(snapshot(1, vec![item("a", "x")])).await?;
    original.take(snapshot(2, vec![item("a", "y")])).await?;
    let all = rows(&*original).await?;
    transfer(&*store)?.begin_import().await?;
    // A row of the log has no key that would give a second one away.
    for (written, some) in (0..).zip(all.chunks(1)) {
        let next = reached(written + 1);
        transfer(&*store)?.import(some.to_vec(), next).await?;
        refused(transfer(&*store)?.import(some.to_vec(), next).await, ErrorKind::Conflict)?;
        refused(transfer(&*store)?.import(some.to_vec(), reached(written + 3)).await, ErrorKind::Conflict)?;
    }
    transfer(&*store)?.finish_import().await?;
    ensure_equal(&rows(&*store).await?, &all, "what was imported twice")
}

async fn without_a_beginning_nothing_is_imported(store: Subject) -> Verdict {
    transfer(&*store)?;
    let original = store.another().await?;
    original.take(snapshot(1, vec![item("a", "x")])).await?;
    let all = rows(&*original).await?;
    let progress = reached(all.len() as u64);
    refused(transfer(&*store)?.import(all, progress).await, ErrorKind::Invalid)?;
    refused(transfer(&*store)?.finish_import().await, ErrorKind::Invalid)?;
    ensure_equal(&rows(&*store).await?, &[], "a store without an import")
}
