//! One batch: what it stores, what it counts, and what becomes of it when it comes again.

use feedspine_core::{
    ChangeKind, Counts, Coverage, ErrorKind, IngestBatch, Json, Outcome, Round, Selection, StorageExt, VersionNo,
};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{advancing, dated, delta, feed, fetch, item, observed, part, reject, snapshot, unchanged};

checks! { Subject, "ingest":
    a_new_item_becomes_a_record: "P2", "A first sight makes a bronze record at version 1, as it was captured.";
    one_outcome_for_each_item_in_order: "P2", "The report has one outcome for each item, in the order of the batch.";
    an_empty_document_stores_its_observation: "P11", "A document without items is an observation and deletes nothing.";
    the_same_document_again_is_unchanged: "P4", "A document that shows the same makes no version and no change.";
    the_order_of_a_document_does_not_matter: "Rounds and spans", "The same items in another order are unchanged.";
    a_batch_that_comes_again_is_answered_with_its_first_report: "P5",
        "The same fetch and part with the same digest gives the first report and stores nothing.";
    a_batch_that_comes_again_skips_the_compare_and_set: "Work of one ingest",
        "A replay is answered although the cursor has moved on.";
    a_part_that_comes_again_with_other_content_is_invalid: "Work of one ingest",
        "The same fetch and part with another digest is Invalid and stores nothing.";
    the_cursor_commits_with_the_items: "P6", "Advance sets the cursor and counts its revision up by one.";
    keep_leaves_the_cursor_as_it_is: "P6", "Keep moves neither the cursor nor its revision.";
    a_cursor_that_moved_on_is_a_conflict: "P6", "Another revision than expected is Conflict and stores nothing at all.";
    an_unchanged_fetch_advances_the_cursor: "Work of one ingest", "Unchanged counts the revision up like any commit.";
    cursors_are_one_for_each_feed: "P6", "One feed's cursor is no other's.";
    rejects_are_quarantined_as_they_came: "P8", "A reject is kept with its key, code, reason and excerpt.";
    a_bad_item_costs_itself_only: "P8", "Rejects do not keep their neighbours from being stored.";
    the_report_equals_the_store: "P2", "Every count of a report equals a count over the store.";
    the_ledger_has_one_row_for_each_observation: "P2", "Each committed fetch is one row of the ledger, with its counts.";
    a_fetch_is_found_in_its_feeds_ledger: "P2", "The row of a fetch is that of the ledger, and no other feed's.";
    rounds_are_dense: "Rounds and spans", "Snapshots and Unchanged take rounds 1, 2, 3 …, Delta takes none.";
}

async fn a_new_item_becomes_a_record(store: Subject) -> Verdict {
    let given = dated("a", "x", 30);
    let report = store.take(snapshot(1, vec![given.clone()])).await?;
    ensure_eq!(report.outcomes, [Outcome::New { version: VersionNo::FIRST }], "the outcomes");
    let record = store.record("a").await?;
    ensure_eq!(record.key, given.key, "the key");
    ensure_eq!(record.content, given.content, "the content");
    ensure_eq!(record.version, VersionNo::FIRST, "the version");
    ensure_eq!(record.layer, feedspine_core::Layer::Bronze, "the layer");
    ensure_eq!(record.key_rule, given.key_rule, "the key rule");
    ensure_eq!((record.published, record.updated), (given.published, given.updated), "the dates");
    ensure_eq!(record.first_seen, observed(1), "first seen");
    ensure_eq!(record.recorded_at, snapshot(1, vec![]).recorded_at, "recorded at");
    ensure_eq!(record.derived_from, None, "what a captured version derives from");
    ensure_eq!(store.story().await?, [(ChangeKind::New, "a".to_owned())], "the change log");
    Ok(())
}

async fn one_outcome_for_each_item_in_order(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x"), item("b", "x")])).await?;
    let items = vec![item("c", "x"), item("b", "edited"), item("a", "x"), item("c", "x")];
    let report = store.take(snapshot(2, items)).await?;
    let second = VersionNo::FIRST.next();
    let right = [
        Outcome::New { version: VersionNo::FIRST },
        Outcome::Changed { version: second },
        Outcome::Unchanged,
        Outcome::Repeated,
    ];
    ensure_eq!(report.outcomes, right, "the outcomes");
    Ok(())
}

async fn an_empty_document_stores_its_observation(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let report = store.take(snapshot(2, vec![])).await?;
    ensure_eq!(report.counts, Counts::default(), "the counts of an empty document");
    ensure_eq!(report.round, Round::new(2), "its round");
    ensure_eq!(store.titles("a").await?, ["x"], "the record after an empty document");
    ensure_eq!(store.story().await?.len(), 1, "changes: an empty document tells nothing about what is gone");
    ensure_eq!(store.sighted("a").await?.len(), 1, "sightings");
    Ok(())
}

async fn the_same_document_again_is_unchanged(store: Subject) -> Verdict {
    let items = || vec![dated("a", "x", 20), dated("b", "x", 10)];
    store.take(snapshot(1, items())).await?;
    let before = store.dump().await?;
    let report = store.take(snapshot(2, items())).await?;
    ensure_eq!(report.counts, Counts { seen: 2, unchanged: 2, ..Counts::default() }, "the counts");
    ensure_eq!(report.outcomes, [Outcome::Unchanged; 2], "the outcomes");
    ensure_eq!(store.dump().await?, before, "the records");
    ensure_eq!(store.story().await?.len(), 2, "changes");
    ensure_eq!(store.sighted("a").await?.len(), 2, "sightings");
    Ok(())
}

async fn the_order_of_a_document_does_not_matter(store: Subject) -> Verdict {
    let mut items = vec![dated("a", "x", 30), dated("b", "x", 20), dated("c", "x", 10)];
    store.take(snapshot(1, items.clone())).await?;
    for number in 2..5 {
        items.rotate_left(1);
        let report = store.take(snapshot(number, items.clone())).await?;
        ensure_eq!(report.counts, Counts { seen: 3, unchanged: 3, ..Counts::default() }, "counts of fetch {number}");
    }
    ensure_eq!(store.story().await?.len(), 3, "changes");
    Ok(())
}

async fn a_batch_that_comes_again_is_answered_with_its_first_report(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("a", "x", 30), dated("b", "x", 20), dated("c", "x", 10)])).await?;
    let items = vec![dated("a", "x", 30), dated("a", "other", 30), dated("d", "x", 25), dated("c", "edited", 10)];
    let batch = IngestBatch { rejects: vec![reject(9, None)], ..snapshot(2, items) };
    let first = store.take(batch.clone()).await?;
    let (dump, log) = (store.dump().await?, store.log().await?);
    store.take(snapshot(3, vec![dated("a", "later", 30)])).await?;
    let (later_dump, later_log) = (store.dump().await?, store.log().await?);
    ensure!(dump != later_dump && log != later_log, "a later fetch stored nothing");

    let again = store.take(batch).await?;
    ensure!(again.replayed && !first.replayed, "the second report does not say that it is a replay");
    ensure_eq!(feedspine_core::IngestReport { replayed: false, ..again }, first, "the report of the replay");
    ensure_eq!(store.dump().await?, later_dump, "the records after a replay");
    ensure_eq!(store.log().await?, later_log, "the change log after a replay");
    ensure_eq!(store.ledger(feed(1)).await?.len(), 3, "rows of the ledger");
    ensure_eq!(store.quarantine(feed(1)).await?.len(), 2, "rejects");
    ensure_eq!(store.sighted("a").await?.len(), 3, "sightings");
    Ok(())
}

async fn a_batch_that_comes_again_skips_the_compare_and_set(store: Subject) -> Verdict {
    let batch = advancing(0, "one", snapshot(1, vec![item("a", "x")]));
    let first = store.take(batch.clone()).await?;
    store.take(advancing(1, "two", snapshot(2, vec![item("a", "x")]))).await?;
    let again = store.take(batch).await?;
    ensure_eq!((again.revision, again.round), (first.revision, first.round), "revision and round of the replay");
    let cursor = store.cursor(feed(1)).await?;
    ensure_eq!(cursor.map(|cursor| cursor.revision), Some(2), "the revision after a replay");
    Ok(())
}

async fn a_part_that_comes_again_with_other_content_is_invalid(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let (dump, log) = (store.dump().await?, store.log().await?);
    refused(store.ingest(snapshot(1, vec![item("a", "y")])).await, ErrorKind::Invalid)?;
    refused(store.ingest(delta(1, vec![item("a", "x")])).await, ErrorKind::Invalid)?;
    ensure_eq!(store.dump().await?, dump, "the records");
    ensure_eq!(store.log().await?, log, "the change log");
    Ok(())
}

async fn the_cursor_commits_with_the_items(store: Subject) -> Verdict {
    let first = store.take(advancing(0, "\u{0}W/\"1\"", snapshot(1, vec![item("a", "x")]))).await?;
    ensure_eq!(first.revision, 1, "the revision reported");
    let cursor = store.cursor(feed(1)).await?;
    let Some(cursor) = cursor else { return Err(crate::Failure::broken("there is no cursor")) };
    ensure_eq!(cursor.revision, 1, "the revision stored");
    ensure_eq!(cursor.value, Json::object([("etag", Json::from("\u{0}W/\"1\""))]), "the cursor");
    ensure_eq!(cursor.manifest, Some(fetch(1)), "the manifest");
    let second = store.take(advancing(1, "2", snapshot(2, vec![item("a", "y")]))).await?;
    ensure_eq!(second.revision, 2, "the revision reported");
    Ok(())
}

async fn keep_leaves_the_cursor_as_it_is(store: Subject) -> Verdict {
    ensure_eq!(store.take(snapshot(1, vec![item("a", "x")])).await?.revision, 0, "the revision of a kept cursor");
    ensure_eq!(store.cursor(feed(1)).await?, None, "the cursor before a batch advanced it");
    store.take(advancing(0, "1", snapshot(2, vec![item("a", "x")]))).await?;
    let report = store.take(delta(3, vec![item("b", "x")])).await?;
    ensure_eq!(report.revision, 1, "the revision of a kept cursor");
    let cursor = store.cursor(feed(1)).await?;
    ensure_eq!(cursor.map(|cursor| cursor.revision), Some(1), "the revision stored");
    Ok(())
}

async fn a_cursor_that_moved_on_is_a_conflict(store: Subject) -> Verdict {
    store.take(advancing(0, "1", snapshot(1, vec![item("a", "x"), item("b", "x")]))).await?;
    let (dump, log, ledger) = (store.dump().await?, store.log().await?, store.ledger(feed(1)).await?);
    for expected in [0, 2] {
        let late = advancing(expected, "late", snapshot(2, vec![item("a", "y"), item("c", "x")]));
        let late = IngestBatch { rejects: vec![reject(7, None)], ..late };
        refused(store.ingest(late).await, ErrorKind::Conflict)?;
        refused(store.ingest(advancing(expected, "late", delta(3, vec![item("c", "x")]))).await, ErrorKind::Conflict)?;
        refused(store.ingest(advancing(expected, "late", unchanged(4, 1))).await, ErrorKind::Conflict)?;
    }
    ensure_eq!(store.dump().await?, dump, "the records after a conflict");
    ensure_eq!(store.log().await?, log, "the change log after a conflict");
    ensure_eq!(store.ledger(feed(1)).await?, ledger, "the ledger after a conflict");
    ensure_eq!(store.quarantine(feed(1)).await?, [], "the quarantine after a conflict");
    let cursor = store.cursor(feed(1)).await?;
    ensure_eq!(cursor.map(|cursor| cursor.revision), Some(1), "the revision after a conflict");
    ensure_eq!(store.sighted("b").await?.len(), 1, "sightings after a conflict");
    Ok(())
}

async fn an_unchanged_fetch_advances_the_cursor(store: Subject) -> Verdict {
    store.take(advancing(0, "1", snapshot(1, vec![item("a", "x")]))).await?;
    let report = store.take(advancing(1, "2", unchanged(2, 1))).await?;
    ensure_eq!(report.revision, 2, "the revision reported");
    let cursor = store.cursor(feed(1)).await?;
    let value = cursor.map(|cursor| (cursor.revision, cursor.value));
    ensure_eq!(value, Some((2, Json::object([("etag", Json::from("2"))]))), "the cursor");
    Ok(())
}

async fn cursors_are_one_for_each_feed(store: Subject) -> Verdict {
    store.take(advancing(0, "1", snapshot(1, vec![item("a", "x")]))).await?;
    ensure_eq!(store.cursor(feed(2)).await?, None, "another feed's cursor");
    let other = IngestBatch { feed: feed(2), ..advancing(0, "other", snapshot(2, vec![item("a", "x")])) };
    let report = store.take(other).await?;
    ensure_eq!((report.revision, report.round), (1, Some(Round::FIRST)), "revision and round of another feed");
    Ok(())
}

async fn rejects_are_quarantined_as_they_came(store: Subject) -> Verdict {
    let rejects = vec![reject(1, None), reject(2, Some("bad"))];
    let batch = IngestBatch { rejects: rejects.clone(), ..snapshot(1, vec![item("a", "x")]) };
    let recorded_at = batch.recorded_at;
    store.take(batch).await?;
    let kept = store.quarantine(feed(1)).await?;
    ensure_eq!(kept.iter().map(|kept| kept.reject.clone()).collect::<Vec<_>>(), rejects, "the rejects");
    ensure!(kept.iter().all(|kept| (kept.fetch, kept.recorded_at) == (fetch(1), recorded_at)), "fetch or time differ");
    ensure_eq!(store.quarantine(feed(2)).await?, [], "another feed's quarantine");
    Ok(())
}

async fn a_bad_item_costs_itself_only(store: Subject) -> Verdict {
    let rejects = vec![reject(1, None), reject(3, Some("bad"))];
    let batch = IngestBatch { rejects, ..snapshot(1, vec![item("a", "x"), item("b", "x")]) };
    let report = store.take(batch).await?;
    ensure_eq!(report.counts, Counts { seen: 4, new: 2, rejected: 2, ..Counts::default() }, "the counts");
    ensure_eq!(store.count(&Selection::everything()).await?, 2, "count of records");
    ensure_eq!(store.exists_by_natural_key(&crate::script::key("bad")).await?, false, "a rejected item has a record");
    Ok(())
}

async fn the_report_equals_the_store(store: Subject) -> Verdict {
    let first = vec![dated("a", "x", 40), dated("b", "x", 30), dated("c", "x", 20), dated("d", "x", 10)];
    store.take(snapshot(1, first)).await?;
    let items = vec![
        dated("e", "x", 50),
        dated("a", "edited", 40),
        dated("a", "edited", 40),
        dated("c", "x", 20),
        dated("d", "x", 10),
        dated("d", "other", 10),
    ];
    let batch = IngestBatch { rejects: vec![reject(9, None)], ..snapshot(2, items) };
    let read = (batch.items.len() + batch.rejects.len()) as u64;
    let counts = store.take(batch).await?.counts;
    ensure_eq!(counts.seen, counts.new + counts.changed + counts.unchanged + counts.rejected, "seen of {counts:?}");
    ensure_eq!(read, counts.seen + counts.repeated, "items read of {counts:?}");

    let log = store.log().await?;
    let logged = |kind| log.iter().filter(|c| c.event.fetch == Some(fetch(2)) && c.event.kind == kind).count() as u64;
    ensure_eq!(counts.new, logged(ChangeKind::New), "new");
    ensure_eq!(counts.changed, logged(ChangeKind::Changed), "changed");
    ensure_eq!(counts.withdrawn, logged(ChangeKind::Withdrawn), "withdrawn");
    let quarantined = store.quarantine(feed(1)).await?.iter().filter(|kept| kept.fetch == fetch(2)).count();
    ensure_eq!(counts.rejected, quarantined as u64, "rejected");
    let mut sightings = 0;
    for name in ["a", "b", "c", "d", "e"] {
        sightings += store.sighted(name).await?.iter().filter(|(_, by, _)| *by == fetch(2)).count() as u64;
    }
    ensure_eq!(counts.unchanged, sightings - counts.new - counts.changed, "unchanged of {sightings} sightings");
    ensure_eq!((counts.new, counts.changed, counts.unchanged), (1, 1, 2), "new, changed, unchanged");
    ensure_eq!((counts.rejected, counts.repeated, counts.withdrawn), (2, 1, 1), "rejected, repeated, withdrawn");
    Ok(())
}

async fn the_ledger_has_one_row_for_each_observation(store: Subject) -> Verdict {
    let batches = [
        snapshot(1, vec![item("a", "x"), item("b", "x")]),
        delta(2, vec![item("a", "y")]),
        unchanged(3, 1),
        snapshot(4, vec![item("a", "y")]),
    ];
    let mut right = Vec::new();
    for batch in batches {
        let report = store.take(batch.clone()).await?;
        right.push(feedspine_core::Observation {
            feed: batch.feed,
            fetch: batch.fetch,
            round: report.round,
            coverage: batch.coverage,
            observed_at: batch.observed_at,
            recorded_at: batch.recorded_at,
            counts: report.counts,
        });
    }
    ensure_eq!(store.ledger(feed(1)).await?, right, "the ledger");
    Ok(())
}

async fn a_fetch_is_found_in_its_feeds_ledger(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(delta(2, vec![item("a", "y"), item("b", "y")])).await?;
    store.take(unchanged(3, 1)).await?;
    store.take(part(0, false, 0, snapshot(4, vec![item("a", "z")]))).await?;
    for row in store.ledger(feed(1)).await? {
        let found = store.observation(feed(1), row.fetch).await?;
        ensure_eq!(found, Some(row), "what is found");
    }
    ensure_eq!(store.observation(feed(1), fetch(9)).await?, None, "a fetch that never was");
    ensure_eq!(store.observation(feed(2), fetch(1)).await?, None, "the fetch of another feed");
    Ok(())
}

async fn rounds_are_dense(store: Subject) -> Verdict {
    let mut rounds = Vec::new();
    let two_parts = part(0, false, 0, snapshot(5, vec![item("a", "x")]));
    for batch in [
        snapshot(1, vec![item("a", "x")]),
        delta(2, vec![item("b", "x")]),
        unchanged(3, 1),
        snapshot(4, vec![item("a", "x")]),
        two_parts.clone(),
        part(1, true, 1, IngestBatch { items: vec![item("c", "x")], ..two_parts }),
        IngestBatch { coverage: Coverage::Snapshot { complete: false }, ..snapshot(6, vec![]) },
    ] {
        rounds.push(store.take(batch).await?.round.map(Round::get));
    }
    ensure_eq!(rounds, [Some(1), None, Some(2), Some(3), None, Some(4), Some(5)], "the rounds");
    Ok(())
}
