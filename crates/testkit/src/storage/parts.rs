//! A fetch that comes in several batches.

use feedspine_core::{ChangeKind, Counts, Coverage, ErrorKind, IngestBatch, IngestReport, Outcome, Round, StorageExt};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure_eq, refused};
use crate::script::{advancing, dated, delta, feed, fetch, item, key, observed, part, reject, snapshot};

checks! { Subject, "parts":
    parts_tell_the_same_as_one_batch: "Parts", "A fetch in parts leaves the same store as the same fetch in one batch.";
    an_early_part_commits_its_items: "Parts", "Items, versions and presence of an earlier part are there before the last.";
    an_early_part_ends_no_span_and_moves_no_cursor: "Parts",
        "Only the last part closes spans, takes a round and moves the cursor.";
    a_fetch_whose_last_part_never_comes_counts_as_delta: "Parts",
        "Its sightings stand, no span closes, the cursor stays and it takes no round.";
    every_part_is_replayed_for_itself: "Work of one ingest", "Each part that comes again gives its own first report.";
    a_key_in_two_parts_is_one_item: "Same key twice in one fetch",
        "Equal content in a later part is repeated, other content is quarantined: the earlier part's word stands.";
    a_reject_of_an_early_part_counts_as_present: "Leaving", "A keyed reject keeps its item's span open whichever part it is in.";
    the_ledger_sums_up_the_parts: "P2", "A fetch in parts is one row of the ledger, with the sums of its parts and the last one's time.";
    what_an_early_part_listed_returns_in_its_order: "P9", "Items that returned in an earlier part are logged in the order of the document.";
    a_part_after_the_last_is_invalid: "Parts", "After the last part of a fetch no other part of it is taken.";
    parts_that_disagree_are_invalid: "Parts", "The parts of a fetch agree on when it read the feed and what it covers.";
    a_delta_in_parts_moves_the_cursor_with_the_last: "Parts", "The last part of a Delta moves the cursor, takes no round.";
}

async fn parts_tell_the_same_as_one_batch(store: Subject) -> Verdict {
    let documents = [
        vec![dated("c", "x", 30), dated("b", "x", 20), dated("a", "x", 10)],
        vec![dated("d", "x", 40), dated("c", "edited", 30), dated("a", "x", 10)],
        vec![dated("c", "edited", 30), dated("b", "x", 20)],
        vec![dated("z", "x", 90), dated("y", "x", 80)],
    ];
    let whole = store.another().await?;
    for (number, items) in (1..).zip(documents) {
        whole.take(snapshot(number, items.clone())).await?;
        let last = items.len() - 1;
        for (index, item) in items.into_iter().enumerate() {
            let place = u32::try_from(index).expect("a few items");
            store.take(part(place, index == last, place, snapshot(number, vec![item]))).await?;
        }
    }
    for name in ["a", "b", "c", "d", "z"] {
        ensure_eq!(store.sighted(name).await?, whole.sighted(name).await?, "sightings of {name}");
        ensure_eq!(store.titles(name).await?, whole.titles(name).await?, "versions of {name}");
    }
    let (mut told, mut right) = (store.story().await?, whole.story().await?);
    told.sort();
    right.sort();
    ensure_eq!(told, right, "the change log, sorted");
    ensure_eq!(store.dump().await?, whole.dump().await?, "the records");
    Ok(())
}

async fn an_early_part_commits_its_items(store: Subject) -> Verdict {
    let report = store.take(part(0, false, 0, snapshot(1, vec![item("a", "x")]))).await?;
    ensure_eq!(report.counts, Counts { seen: 1, new: 1, ..Counts::default() }, "the counts");
    ensure_eq!(report.round, None, "its round");
    ensure_eq!(store.titles("a").await?, ["x"], "its versions");
    ensure_eq!(store.sighted("a").await?, [(feed(1), fetch(1), Some(1))], "its sightings");
    store.take(part(1, true, 1, snapshot(1, vec![item("b", "x")]))).await?;
    ensure_eq!(store.sighted("a").await?, [(feed(1), fetch(1), Some(1))], "its sightings after the last part");
    Ok(())
}

async fn an_early_part_ends_no_span_and_moves_no_cursor(store: Subject) -> Verdict {
    store.take(advancing(0, "1", snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)]))).await?;
    let early = part(0, false, 0, snapshot(2, vec![dated("c", "x", 30)]));
    let report = store.take(advancing(1, "2", early)).await?;
    ensure_eq!((report.round, report.revision), (None, 1), "round and revision");
    ensure_eq!(store.story().await?.len(), 3, "changes: three items that are new");
    let late = part(1, true, 1, snapshot(2, vec![dated("a", "x", 10)]));
    let report = store.take(advancing(1, "2", late)).await?;
    ensure_eq!((report.round, report.revision), (Round::new(2), 2), "round and revision of the last part");
    ensure_eq!(report.counts.withdrawn, 1, "items withdrawn");
    Ok(())
}

async fn a_fetch_whose_last_part_never_comes_counts_as_delta(store: Subject) -> Verdict {
    store.take(advancing(0, "1", snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)]))).await?;
    let early = part(0, false, 0, snapshot(2, vec![dated("c", "x", 30), dated("b", "x", 20)]));
    store.take(advancing(1, "2", early)).await?;
    let report = store.take(advancing(1, "3", snapshot(3, vec![dated("b", "x", 20), dated("a", "x", 10)]))).await?;
    ensure_eq!(report.round, Round::new(2), "the round of the next fetch");
    ensure_eq!(report.counts, Counts { seen: 2, unchanged: 2, ..Counts::default() }, "the counts of the next fetch");
    ensure_eq!(store.sighted("c").await?, [(feed(1), fetch(2), Some(1))], "sightings of an item of the lost fetch");
    ensure_eq!(store.sighted("b").await?.len(), 3, "sightings of an item that stayed");
    ensure_eq!(store.sighted("a").await?.len(), 2, "sightings of an item that the lost fetch did not list");
    ensure_eq!(store.ledger(feed(1)).await?[1].round, None, "the round of the lost fetch");
    Ok(())
}

async fn every_part_is_replayed_for_itself(store: Subject) -> Verdict {
    let parts = [
        part(0, false, 0, snapshot(1, vec![dated("a", "x", 30), dated("b", "x", 20)])),
        part(1, true, 2, snapshot(1, vec![dated("a", "x", 30), dated("b", "other", 20), dated("c", "x", 10)])),
    ];
    let mut first = Vec::new();
    for part in &parts {
        first.push(store.take(part.clone()).await?);
    }
    let (dump, log) = (store.dump().await?, store.log().await?);
    for (part, first) in parts.into_iter().zip(first) {
        let index = part.part.index;
        let again = store.take(part).await?;
        ensure_eq!(again, IngestReport { replayed: true, ..first }, "the replay of part {index}");
    }
    ensure_eq!(store.dump().await?, dump, "the records");
    ensure_eq!(store.log().await?, log, "the change log");
    ensure_eq!(store.sighted("a").await?.len(), 1, "sightings");
    Ok(())
}

async fn a_key_in_two_parts_is_one_item(store: Subject) -> Verdict {
    store.take(part(0, false, 0, snapshot(1, vec![item("a", "x"), item("b", "x")]))).await?;
    let report = store.take(part(1, true, 2, snapshot(1, vec![item("a", "x"), item("b", "other")]))).await?;
    ensure_eq!(report.outcomes, [Outcome::Repeated, Outcome::Collided], "the outcomes");
    let right = Counts { seen: 1, rejected: 1, repeated: 1, ..Counts::default() };
    ensure_eq!(report.counts, right, "the counts");
    ensure_eq!(store.titles("b").await?, ["x"], "versions");
    ensure_eq!(store.sighted("a").await?.len(), 1, "sightings");
    Ok(())
}

async fn a_reject_of_an_early_part_counts_as_present(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?;
    let early = part(0, false, 0, snapshot(2, vec![dated("c", "x", 30)]));
    store.take(IngestBatch { rejects: vec![reject(1, Some("b"))], ..early }).await?;
    let report = store.take(part(1, true, 2, snapshot(2, vec![dated("a", "x", 10)]))).await?;
    ensure_eq!((report.counts.withdrawn, report.counts.scrolled_off), (0, 0), "withdrawn, scrolled off");
    ensure_eq!(store.sighted("b").await?.len(), 2, "sightings of the rejected item");
    Ok(())
}

async fn the_ledger_sums_up_the_parts(store: Subject) -> Verdict {
    let early = part(0, false, 0, snapshot(1, vec![item("a", "x"), item("b", "x")]));
    let late = part(1, true, 2, snapshot(1, vec![item("c", "x"), item("a", "x")]));
    let late = IngestBatch { recorded_at: observed(2), rejects: vec![reject(9, None)], ..late };
    let mut counts = store.take(early).await?.counts;
    counts += store.take(late).await?.counts;
    let ledger = store.ledger(feed(1)).await?;
    ensure_eq!(ledger.len(), 1, "rows of the ledger");
    let right = Counts { seen: 4, new: 3, rejected: 1, repeated: 1, ..Counts::default() };
    ensure_eq!((ledger[0].counts, counts), (right, right), "counts of the ledger, and of the reports");
    ensure_eq!((ledger[0].recorded_at, ledger[0].round), (observed(2), Some(Round::FIRST)), "time and round");
    Ok(())
}

async fn what_an_early_part_listed_returns_in_its_order(store: Subject) -> Verdict {
    const NAMES: [&str; 6] = ["d", "a", "f", "c", "b", "e"];
    let dates = (10..).map(|tens| 100 - tens);
    let all: Vec<_> = NAMES.iter().zip(dates).map(|(name, second)| dated(name, "x", second)).collect();
    let stayed = dated("stayed", "x", 1);
    let whole = || all.iter().cloned().chain([stayed.clone()]).collect::<Vec<_>>();
    store.take(snapshot(1, whole())).await?;
    store.take(snapshot(2, vec![stayed.clone()])).await?;
    store.take(part(0, false, 0, snapshot(3, all.clone()))).await?;
    store.take(part(1, true, 6, snapshot(3, vec![stayed]))).await?;
    let logged = store.story().await?;
    let returned = logged.iter().filter(|(kind, _)| *kind == ChangeKind::Returned).map(|(_, name)| name.as_str());
    ensure_eq!(returned.collect::<Vec<_>>(), NAMES, "the keys that returned");
    Ok(())
}

async fn a_part_after_the_last_is_invalid(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    for last in [false, true] {
        let late = part(1, last, 1, snapshot(1, vec![item("b", "x")]));
        refused(store.ingest(late).await, ErrorKind::Invalid)?;
    }
    store.take(delta(2, vec![item("a", "x")])).await?;
    refused(store.ingest(part(1, true, 1, delta(2, vec![item("b", "x")]))).await, ErrorKind::Invalid)?;
    ensure_eq!(store.exists_by_natural_key(&key("b")).await?, false, "an item of a late part has a record");
    Ok(())
}

async fn parts_that_disagree_are_invalid(store: Subject) -> Verdict {
    store.take(part(0, false, 0, snapshot(1, vec![item("a", "x")]))).await?;
    let second = || part(1, true, 1, snapshot(1, vec![item("b", "x")]));
    refused(store.ingest(IngestBatch { observed_at: observed(9), ..second() }).await, ErrorKind::Invalid)?;
    refused(store.ingest(IngestBatch { coverage: Coverage::Delta, ..second() }).await, ErrorKind::Invalid)?;
    let in_parts = |index, last| IngestBatch {
        coverage: Coverage::Unchanged { of: fetch(1) },
        ..part(index, last, 0, snapshot(2, vec![]))
    };
    refused(store.ingest(in_parts(0, false)).await, ErrorKind::Invalid)?;
    refused(store.ingest(in_parts(1, true)).await, ErrorKind::Invalid)?;
    store.take(second()).await?;
    Ok(())
}

async fn a_delta_in_parts_moves_the_cursor_with_the_last(store: Subject) -> Verdict {
    let early = advancing(0, "1", part(0, false, 0, delta(1, vec![item("a", "x")])));
    ensure_eq!(store.take(early).await?.revision, 0, "the revision of an early part");
    let report = store.take(advancing(0, "1", part(1, true, 1, delta(1, vec![item("b", "x")])))).await?;
    ensure_eq!((report.revision, report.round), (1, None), "revision and round of the last part");
    ensure_eq!(store.sighted("a").await?, [(feed(1), fetch(1), Some(1))], "sightings");
    Ok(())
}
