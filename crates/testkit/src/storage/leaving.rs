//! Why items that a document no longer lists are gone: withdrawn, scrolled off, or not to be told.

use feedspine_core::{Candidate, ChangeKind, Coverage, Event, IngestBatch, StorageExt, VersionNo};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure_eq};
use crate::script::{dated, feed, fetch, item, key, reject, snapshot, unchanged};

checks! { Subject, "leaving":
    an_item_gone_while_an_older_one_stays_is_withdrawn: "Leaving", "Withdrawn needs a strictly older item still listed; the change names it.";
    the_oldest_item_gone_has_scrolled_off: "Leaving", "An item that left at the old end has scrolled off.";
    a_tie_is_no_witness: "Leaving", "An item of the same age proves nothing: scrolled off.";
    a_new_item_is_no_witness: "Leaving", "Only items of the document before are witnesses.";
    an_item_without_a_date_is_as_old_as_its_first_sight: "Leaving", "Age is published, else first seen.";
    an_incomplete_document_tells_nothing: "Leaving", "What an incomplete document leaves out is unknown: no change is logged.";
    an_empty_document_tells_nothing: "Leaving", "What an empty document leaves out is unknown.";
    a_document_out_of_date_order_tells_nothing: "Leaving", "What a document that is not date-ordered leaves out is unknown.";
    a_document_may_be_ordered_oldest_first: "Leaving", "Oldest first is date order too.";
    a_document_that_shares_nothing_is_a_gap: "Leaving", "It ends the spans as unknown and logs one gap for the feed.";
    an_item_listed_again_has_returned: "Leaving", "After withdrawn or scrolled off, being listed again is a return.";
    after_unknown_nothing_has_returned: "Leaving", "After an end that could not be told, no return is logged.";
    a_keyed_reject_counts_as_present: "Leaving", "An item rejected with its key has not left, and can be a witness.";
    an_item_that_changed_has_not_left: "Leaving", "An edited item is changed, not withdrawn.";
    leaving_one_feed_is_not_leaving_another: "Leaving", "Each feed's leavers are its own.";
    what_has_left_is_still_held: "P11", "Leaving deletes no record, version or sighting.";
    what_only_a_delta_showed_cannot_leave: "Leaving", "Only items of open spans leave.";
}

async fn left(store: &Subject, items: Vec<Candidate>) -> Verdict<Vec<Event>> {
    store.take(snapshot(1, vec![dated("c", "x", 30), dated("b", "x", 20), dated("a", "x", 10)])).await?;
    store.take(snapshot(2, items)).await?;
    let events = store.log().await?.into_iter().map(|change| change.event);
    Ok(events.filter(|event| event.fetch == Some(fetch(2)) && event.kind != ChangeKind::New).collect())
}

fn told(events: &[Event]) -> Vec<(ChangeKind, &str)> {
    events.iter().map(|event| (event.kind, event.subject.as_ref().map_or("", |subject| subject.key.key()))).collect()
}

async fn an_item_gone_while_an_older_one_stays_is_withdrawn(store: Subject) -> Verdict {
    let events = left(&store, vec![dated("d", "x", 40), dated("c", "x", 30), dated("a", "x", 10)]).await?;
    ensure_eq!(told(&events), [(ChangeKind::Withdrawn, "b")], "what left");
    let event = &events[0];
    ensure_eq!(event.witness, Some(store.record("a").await?.id), "the witness");
    ensure_eq!((event.feed, event.recorded_at), (Some(feed(1)), snapshot(2, vec![]).recorded_at), "feed and time");
    let subject = event.subject.as_ref().map(|subject| (subject.record, subject.version.map(VersionNo::get)));
    ensure_eq!(subject, Some((store.record("b").await?.id, Some(1))), "record and version shown last");
    Ok(())
}

async fn the_oldest_item_gone_has_scrolled_off(store: Subject) -> Verdict {
    let events = left(&store, vec![dated("d", "x", 40), dated("c", "x", 30), dated("b", "x", 20)]).await?;
    ensure_eq!(told(&events), [(ChangeKind::ScrolledOff, "a")], "what left");
    ensure_eq!(events[0].witness, None, "the witness");
    Ok(())
}

async fn a_tie_is_no_witness(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("c", "x", 30), dated("b", "x", 10), dated("a", "x", 10)])).await?;
    let counts = store.take(snapshot(2, vec![dated("c", "x", 30), dated("a", "x", 10)])).await?.counts;
    ensure_eq!((counts.withdrawn, counts.scrolled_off), (0, 1), "withdrawn, scrolled off");
    Ok(())
}

async fn a_new_item_is_no_witness(store: Subject) -> Verdict {
    let events = left(&store, vec![dated("c", "x", 30), dated("b", "x", 20), dated("older", "x", 1)]).await?;
    ensure_eq!(told(&events), [(ChangeKind::ScrolledOff, "a")], "what left");
    Ok(())
}

async fn an_item_without_a_date_is_as_old_as_its_first_sight(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(snapshot(2, vec![item("b", "x"), item("a", "x")])).await?;
    store.take(snapshot(3, vec![item("c", "x"), item("b", "x"), item("a", "x")])).await?;
    let counts = store.take(snapshot(4, vec![item("c", "x"), item("a", "x")])).await?.counts;
    ensure_eq!((counts.withdrawn, counts.scrolled_off), (1, 0), "withdrawn, scrolled off: a is older than b");
    let counts = store.take(snapshot(5, vec![item("c", "x")])).await?.counts;
    ensure_eq!((counts.withdrawn, counts.scrolled_off), (0, 1), "withdrawn, scrolled off: a was the oldest");
    Ok(())
}

async fn an_incomplete_document_tells_nothing(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("c", "x", 30), dated("b", "x", 20), dated("a", "x", 10)])).await?;
    let incomplete = Coverage::Snapshot { complete: false };
    let batch = IngestBatch { coverage: incomplete, ..snapshot(2, vec![dated("c", "x", 30), dated("a", "x", 10)]) };
    let counts = store.take(batch).await?.counts;
    ensure_eq!((counts.withdrawn, counts.scrolled_off, counts.gaps), (0, 0, 0), "withdrawn, scrolled off, gaps");
    ensure_eq!(store.log().await?.len(), 3, "changes");
    Ok(())
}

async fn an_empty_document_tells_nothing(store: Subject) -> Verdict {
    ensure_eq!(left(&store, vec![]).await?, [], "what left");
    let report = store.take(unchanged(3, 2)).await?;
    ensure_eq!(report.counts.seen, 0, "the size of the manifest");
    Ok(())
}

async fn a_document_out_of_date_order_tells_nothing(store: Subject) -> Verdict {
    let items = vec![dated("a", "x", 10), dated("d", "x", 40), dated("c", "x", 30)];
    ensure_eq!(left(&store, items).await?, [], "what left");
    Ok(())
}

async fn a_document_may_be_ordered_oldest_first(store: Subject) -> Verdict {
    let events = left(&store, vec![dated("a", "x", 10), dated("c", "x", 30), dated("d", "x", 40)]).await?;
    ensure_eq!(told(&events), [(ChangeKind::Withdrawn, "b")], "what left");
    Ok(())
}

async fn a_document_that_shares_nothing_is_a_gap(store: Subject) -> Verdict {
    let events = left(&store, vec![dated("e", "x", 50), dated("d", "x", 40)]).await?;
    ensure_eq!(told(&events), [(ChangeKind::Gap, "")], "what left");
    let gap = &events[0];
    ensure_eq!((gap.feed, &gap.subject, gap.witness), (Some(feed(1)), &None, None), "the gap's feed, subject, witness");
    let right = [(ChangeKind::Gap, ""), (ChangeKind::New, "e"), (ChangeKind::New, "d")];
    ensure_eq!(
        store.story().await?[3..],
        right.map(|(kind, name)| (kind, name.to_owned())),
        "the log: the gap comes first"
    );
    ensure_eq!(store.ledger(feed(1)).await?[1].counts.gaps, 1, "gaps counted");
    let counts = store.take(snapshot(3, vec![dated("e", "x", 50), dated("d", "x", 40)])).await?.counts;
    ensure_eq!(counts.gaps, 0, "gaps of the next document");
    Ok(())
}

async fn an_item_listed_again_has_returned(store: Subject) -> Verdict {
    let all = || vec![dated("c", "x", 30), dated("b", "x", 20), dated("a", "x", 10)];
    store.take(snapshot(1, all())).await?;
    store.take(snapshot(2, vec![dated("c", "x", 30), dated("a", "x", 10)])).await?;
    store.take(snapshot(3, vec![dated("c", "x", 30)])).await?;
    let counts = store.take(snapshot(4, all())).await?.counts;
    ensure_eq!((counts.returned, counts.new, counts.unchanged), (2, 0, 3), "returned, new, unchanged");
    let logged = store.story().await?;
    let right = ["b", "a"].map(|name| (ChangeKind::Returned, name.to_owned()));
    ensure_eq!(logged[logged.len() - 2..], right, "the end of the change log");
    let counts = store.take(snapshot(5, all())).await?.counts;
    ensure_eq!(counts.returned, 0, "returned in the next document");
    Ok(())
}

async fn after_unknown_nothing_has_returned(store: Subject) -> Verdict {
    let all = || vec![dated("c", "x", 30), dated("b", "x", 20), dated("a", "x", 10)];
    store.take(snapshot(1, all())).await?;
    store.take(snapshot(2, vec![dated("c", "x", 30), dated("a", "x", 10)])).await?;
    store.take(snapshot(3, all())).await?;
    store.take(snapshot(4, vec![])).await?;
    let counts = store.take(snapshot(5, all())).await?.counts;
    ensure_eq!((counts.returned, counts.new, counts.unchanged), (0, 0, 3), "returned, new, unchanged");
    Ok(())
}

async fn a_keyed_reject_counts_as_present(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("c", "x", 30), dated("b", "x", 20), dated("a", "x", 10)])).await?;
    let rejects = vec![reject(9, Some("a"))];
    let counts = store.take(IngestBatch { rejects, ..snapshot(2, vec![dated("c", "x", 30)]) }).await?.counts;
    ensure_eq!((counts.withdrawn, counts.scrolled_off), (1, 0), "withdrawn, scrolled off: the rejected item is older");
    ensure_eq!(store.sighted("a").await?.len(), 2, "sightings of the rejected item");
    let counts = store.take(unchanged(3, 2)).await?.counts;
    ensure_eq!(counts.seen, 2, "the size of the manifest");
    let counts = store.take(snapshot(4, vec![dated("c", "x", 30), dated("a", "x", 10)])).await?.counts;
    ensure_eq!((counts.returned, counts.unchanged), (0, 2), "returned, unchanged");
    Ok(())
}

async fn an_item_that_changed_has_not_left(store: Subject) -> Verdict {
    let events = left(&store, vec![dated("c", "x", 30), dated("b", "edited", 20), dated("a", "x", 10)]).await?;
    ensure_eq!(told(&events), [(ChangeKind::Changed, "b")], "what happened");
    Ok(())
}

async fn leaving_one_feed_is_not_leaving_another(store: Subject) -> Verdict {
    let all = || vec![dated("b", "x", 20), dated("a", "x", 10)];
    store.take(snapshot(1, all())).await?;
    store.take(IngestBatch { feed: feed(2), ..snapshot(2, all()) }).await?;
    store.take(snapshot(3, vec![dated("b", "x", 20)])).await?;
    let counts = store.take(IngestBatch { feed: feed(2), ..unchanged(4, 2) }).await?.counts;
    ensure_eq!(counts.seen, 2, "the size of the other feed's manifest");
    let counts = store.take(IngestBatch { feed: feed(2), ..snapshot(5, all()) }).await?.counts;
    ensure_eq!((counts.returned, counts.unchanged), (0, 2), "returned and unchanged in the other feed");
    Ok(())
}

async fn what_has_left_is_still_held(store: Subject) -> Verdict {
    left(&store, vec![dated("c", "x", 30)]).await?;
    for name in ["a", "b"] {
        ensure_eq!(store.titles(name).await?, ["x"], "versions of {name}");
        ensure_eq!(store.sighted(name).await?.len(), 1, "sightings of {name}");
    }
    Ok(())
}

async fn what_only_a_delta_showed_cannot_leave(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?;
    store.take(crate::script::delta(2, vec![dated("point", "x", 15)])).await?;
    let counts = store.take(snapshot(3, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?.counts;
    ensure_eq!((counts.withdrawn, counts.scrolled_off), (0, 0), "withdrawn, scrolled off");
    let counts =
        store.take(snapshot(4, vec![dated("b", "x", 20), dated("point", "x", 15), dated("a", "x", 10)])).await?;
    ensure_eq!(counts.counts.returned, 0, "returned");
    ensure_eq!(store.get_sightings(&key("point")).await?.len(), 2, "sightings");
    Ok(())
}
