//! Every time and place a key was seen, from spans, points and what callers tell.

use feedspine_core::{Coverage, IngestBatch, PageRequest, Sighting, StorageExt};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure_eq};
use crate::script::{PAGE, dated, delta, feed, fetch, item, key, observed, snapshot, told, unchanged, write};

checks! { Subject, "sightings":
    every_poll_is_one_sighting_of_each_item: "P5", "A changed, an identical and an unchanged document each sight every item once.";
    a_sighting_names_the_version_shown: "Rounds and spans", "A span names the version that the feed showed then.";
    an_item_that_was_gone_has_a_gap_in_its_sightings: "Rounds and spans", "Fetches that did not list an item are no sightings of it.";
    unchanged_sights_what_the_feed_holds: "Rounds and spans", "Unchanged sights the items of the manifest and no others.";
    a_delta_is_one_point_for_each_item: "Rounds and spans", "Delta sights what it lists, an item of an open span too.";
    a_delta_opens_and_closes_no_span: "Rounds and spans", "After a Delta, Unchanged sights what the last Snapshot showed.";
    an_incomplete_document_sights_what_it_lists: "Leaving", "Sightings of an incomplete document are those of its items.";
    two_feeds_sight_one_record: "P3", "Feeds that share a namespace sight one record, each for itself.";
    sightings_are_in_order_of_time_feed_and_fetch: "Seen", "Sightings are listed by observed_at, then feed, then fetch.";
    figures_equal_the_list: "Seen", "Count, earliest and latest are those of the listed sightings.";
    the_latest_is_the_greatest_time_not_the_last_commit: "Seen", "A clock that went back moves no figure back.";
    the_first_told_sighting_is_the_first: "Seed calls", "A told sighting is first when no feed ever sighted that key.";
    a_told_sighting_again_is_answered_as_before: "P5", "The same key, feed and fetch again adds nothing and has the same answer.";
    a_told_sighting_needs_no_record: "Seed calls", "Sightings belong to the key; its record may come later.";
    an_ingest_counts_as_a_sighting_and_a_write_does_not: "Seed calls",
        "After an ingest a told sighting is not the first; after a store it is.";
    telling_what_an_ingest_captured_adds_nothing: "P5", "A told sighting that an observation has captured is not the first and no second one.";
    what_was_told_before_it_was_captured_is_one_sighting: "P5",
        "An ingest that captures what was told of it before adds no second sighting, and changes no answer.";
    many_told_sightings_are_answered_in_order: "Seed calls", "Within one call the first of a key is the first.";
}

async fn every_poll_is_one_sighting_of_each_item(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x"), item("b", "x")])).await?;
    store.take(snapshot(2, vec![item("b", "x"), item("a", "x")])).await?;
    store.take(unchanged(3, 2)).await?;
    store.take(snapshot(4, vec![item("a", "edited"), item("b", "x")])).await?;
    store.take(unchanged(5, 4)).await?;
    for name in ["a", "b"] {
        let found = store.get_sightings(&key(name)).await?;
        let right = (1..=5).map(|number| (fetch(number.into()), observed(number))).collect::<Vec<_>>();
        let found: Vec<_> = found.iter().map(|sighting| (sighting.fetch, sighting.observed_at)).collect();
        ensure_eq!(found, right, "sightings of {name}");
    }
    Ok(())
}

async fn a_sighting_names_the_version_shown(store: Subject) -> Verdict {
    for (number, title) in (1..).zip(["x", "x", "y", "y", "x"]) {
        store.take(snapshot(number, vec![item("a", title), item("b", "x")])).await?;
    }
    store.take(unchanged(6, 5)).await?;
    let versions: Vec<_> = store.sighted("a").await?.into_iter().map(|(_, _, version)| version).collect();
    ensure_eq!(versions, [1, 1, 2, 2, 3, 3].map(Some), "versions shown");
    let versions: Vec<_> = store.sighted("b").await?.into_iter().map(|(_, _, version)| version).collect();
    ensure_eq!(versions, [Some(1); 6], "versions shown by an item that never changed");
    Ok(())
}

async fn an_item_that_was_gone_has_a_gap_in_its_sightings(store: Subject) -> Verdict {
    let both = || vec![dated("b", "x", 20), dated("a", "x", 10)];
    for (number, items) in (1..).zip([both(), vec![dated("b", "x", 20)], vec![dated("b", "x", 20)], both(), both()]) {
        store.take(snapshot(number, items)).await?;
    }
    let fetches: Vec<_> = store.sighted("a").await?.into_iter().map(|(_, fetch, _)| fetch).collect();
    ensure_eq!(fetches, [1, 4, 5].map(fetch), "fetches that sighted the item");
    Ok(())
}

async fn unchanged_sights_what_the_feed_holds(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?;
    store.take(snapshot(2, vec![dated("c", "x", 30), dated("b", "x", 20)])).await?;
    let report = store.take(unchanged(3, 2)).await?;
    ensure_eq!((report.counts.seen, report.counts.unchanged), (2, 2), "seen and unchanged: the size of the manifest");
    ensure_eq!(report.outcomes, [], "outcomes");
    for (name, right) in [("a", vec![1]), ("b", vec![1, 2, 3]), ("c", vec![2, 3])] {
        let fetches: Vec<_> = store.sighted(name).await?.into_iter().map(|(_, fetch, _)| fetch).collect();
        ensure_eq!(fetches, right.into_iter().map(fetch).collect::<Vec<_>>(), "fetches that sighted {name}");
    }
    Ok(())
}

async fn a_delta_is_one_point_for_each_item(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let report = store.take(delta(2, vec![item("a", "edited"), item("new", "x"), item("new", "x")])).await?;
    ensure_eq!((report.counts.new, report.counts.changed, report.counts.repeated), (1, 1, 1), "new, changed, repeated");
    ensure_eq!(report.round, None, "the round of a Delta");
    let right = [(feed(1), fetch(1), Some(1)), (feed(1), fetch(2), Some(2))];
    ensure_eq!(store.sighted("a").await?, right, "sightings of an item in an open span");
    ensure_eq!(store.sighted("new").await?, [(feed(1), fetch(2), Some(1))], "sightings of a new item");
    Ok(())
}

async fn a_delta_opens_and_closes_no_span(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?;
    store.take(delta(2, vec![dated("new", "x", 30), dated("a", "x", 10)])).await?;
    let report = store.take(unchanged(3, 1)).await?;
    ensure_eq!(report.counts.seen, 2, "the size of the manifest");
    let fetches =
        |sighted: Vec<(_, _, _)>| sighted.into_iter().map(|(_, fetch, _): (_, _, _)| fetch).collect::<Vec<_>>();
    ensure_eq!(fetches(store.sighted("new").await?), [fetch(2)], "sightings of an item that only a Delta showed");
    ensure_eq!(fetches(store.sighted("b").await?), [1, 3].map(fetch), "sightings of an item that the Delta left out");
    ensure_eq!(fetches(store.sighted("a").await?), [1, 2, 3].map(fetch), "sightings of an item in both");
    let right = ["b", "a", "new"].map(|name| (feedspine_core::ChangeKind::New, name.to_owned()));
    ensure_eq!(store.story().await?, right, "the change log");
    Ok(())
}

async fn an_incomplete_document_sights_what_it_lists(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?;
    let incomplete = Coverage::Snapshot { complete: false };
    store.take(IngestBatch { coverage: incomplete, ..snapshot(2, vec![dated("b", "x", 20)]) }).await?;
    store.take(unchanged(3, 2)).await?;
    ensure_eq!(store.sighted("b").await?.len(), 3, "sightings of a listed item");
    ensure_eq!(store.sighted("a").await?.len(), 1, "sightings of an item left out");
    Ok(())
}

async fn two_feeds_sight_one_record(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let report = store.take(IngestBatch { feed: feed(2), ..snapshot(2, vec![item("a", "x")]) }).await?;
    ensure_eq!((report.counts.new, report.counts.unchanged), (0, 1), "new and unchanged in the second feed");
    store.take(unchanged(3, 1)).await?;
    let right = [(feed(1), fetch(1), Some(1)), (feed(2), fetch(2), Some(1)), (feed(1), fetch(3), Some(1))];
    ensure_eq!(store.sighted("a").await?, right, "sightings");
    ensure_eq!(store.titles("a").await?, ["x"], "versions");
    Ok(())
}

async fn sightings_are_in_order_of_time_feed_and_fetch(store: Subject) -> Verdict {
    let noon = observed(50);
    let ingested = [(3, 9, noon), (1, 8, noon), (1, 7, noon), (2, 6, observed(40)), (1, 5, observed(60))];
    for (feed_number, fetch_number, observed_at) in ingested {
        let batch = delta(fetch_number, vec![item("a", "x")]);
        store.take(IngestBatch { feed: feed(feed_number), observed_at, ..batch }).await?;
    }
    store.record_sighting(Sighting { observed_at: noon, ..told("a", 2, 1, 0) }).await?;
    let found: Vec<_> = store.sighted("a").await?.into_iter().map(|(feed, fetch, _)| (feed, fetch)).collect();
    let right = [(2, 6), (1, 7), (1, 8), (2, 1), (3, 9), (1, 5)].map(|(f, o)| (feed(f), fetch(o)));
    ensure_eq!(found, right, "sightings");
    Ok(())
}

async fn figures_equal_the_list(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?;
    store.take(unchanged(2, 1)).await?;
    store.take(snapshot(3, vec![dated("b", "y", 20)])).await?;
    store.take(delta(4, vec![dated("a", "x", 10), dated("b", "y", 20)])).await?;
    store.take(unchanged(5, 3)).await?;
    store.take(IngestBatch { feed: feed(2), ..snapshot(6, vec![dated("a", "x", 10)]) }).await?;
    store.record_sighting(told("a", 9, 90, 1)).await?;
    store.record_sighting(told("only told", 9, 90, 2)).await?;
    let names = ["a", "never", "b", "only told", "a"];
    let figures = store.seen_many(&names.map(key)).await?;
    for (name, seen) in names.into_iter().zip(figures) {
        let listed = store.sightings_page(&key(name), &PageRequest::first(PAGE)).await?.items;
        let times = || listed.iter().map(|sighting| sighting.observed_at);
        let right = times().min().zip(times().max()).map(|(earliest, latest)| (listed.len() as u64, earliest, latest));
        ensure_eq!(seen.map(|seen| (seen.count, seen.earliest, seen.latest)), right, "figures of {name}");
    }
    ensure_eq!(store.seen("b").await?.map(|seen| seen.count), Some(5), "count of b");
    Ok(())
}

async fn the_latest_is_the_greatest_time_not_the_last_commit(store: Subject) -> Verdict {
    for (number, observed_at) in [(1, observed(5)), (2, observed(9)), (3, observed(2))] {
        store.take(IngestBatch { observed_at, ..snapshot(number, vec![item("a", "x")]) }).await?;
    }
    let seen = store.seen("a").await?.map(|seen| (seen.count, seen.earliest, seen.latest));
    ensure_eq!(seen, Some((3, observed(2), observed(9))), "figures");
    ensure_eq!(store.record("a").await?.first_seen, observed(5), "first seen: of the commit that made the record");
    Ok(())
}

async fn the_first_told_sighting_is_the_first(store: Subject) -> Verdict {
    ensure_eq!(store.record_sighting(told("a", 1, 1, 10)).await?, true, "the first");
    ensure_eq!(store.record_sighting(told("a", 1, 2, 20)).await?, false, "the second");
    ensure_eq!(store.record_sighting(told("a", 2, 1, 5)).await?, false, "another feed's, of an earlier time");
    ensure_eq!(store.record_sighting(told("b", 1, 1, 10)).await?, true, "another key's first");
    ensure_eq!(store.sighted("a").await?.len(), 3, "sightings");
    Ok(())
}

async fn a_told_sighting_again_is_answered_as_before(store: Subject) -> Verdict {
    for _ in 0..3 {
        ensure_eq!(store.record_sighting(told("a", 1, 1, 10)).await?, true, "the first, told again");
        ensure_eq!(store.record_sighting(told("a", 1, 2, 20)).await?, false, "the second, told again");
    }
    ensure_eq!(store.record_sighting(told("a", 1, 1, 99)).await?, true, "the first, told again with another time");
    let listed = store.get_sightings(&key("a")).await?;
    ensure_eq!(listed, [told("a", 1, 1, 10), told("a", 1, 2, 20)], "sightings");
    Ok(())
}

async fn a_told_sighting_needs_no_record(store: Subject) -> Verdict {
    store.record_sighting(told("a", 1, 1, 10)).await?;
    ensure_eq!(store.exists_by_natural_key(&key("a")).await?, false, "a told sighting makes a record");
    ensure_eq!(store.log().await?, [], "the change log");
    let report = store.take(snapshot(2, vec![item("a", "x")])).await?;
    ensure_eq!(report.counts.new, 1, "new");
    let right = [(feed(1), fetch(1), None), (feed(1), fetch(2), Some(1))];
    ensure_eq!(store.sighted("a").await?, right, "sightings");
    Ok(())
}

async fn an_ingest_counts_as_a_sighting_and_a_write_does_not(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("b", "x", 20), dated("a", "x", 10)])).await?;
    store.take(snapshot(2, vec![dated("b", "x", 20)])).await?;
    ensure_eq!(store.record_sighting(told("a", 9, 9, 10)).await?, false, "first after an ingest that is past");
    store.take(delta(3, vec![item("point", "x")])).await?;
    ensure_eq!(store.record_sighting(told("point", 9, 9, 10)).await?, false, "first after a Delta");
    store.store(write(1, "written", "x")).await?;
    ensure_eq!(store.sighted("written").await?, [], "sightings of a record that was written");
    ensure_eq!(store.record_sighting(told("written", 9, 9, 10)).await?, true, "first after a write");
    Ok(())
}

async fn telling_what_an_ingest_captured_adds_nothing(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(unchanged(2, 1)).await?;
    store.take(delta(3, vec![item("a", "x")])).await?;
    let before = store.get_sightings(&key("a")).await?;
    for number in 1..=3 {
        ensure_eq!(store.record_sighting(told("a", 1, number, 10)).await?, false, "told of fetch {number}");
    }
    ensure_eq!(store.get_sightings(&key("a")).await?, before, "sightings");
    Ok(())
}

async fn what_was_told_before_it_was_captured_is_one_sighting(store: Subject) -> Verdict {
    for number in 1..=4 {
        ensure_eq!(store.record_sighting(told("a", 1, number, 10)).await?, number == 1, "told of fetch {number}");
    }
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(unchanged(2, 1)).await?;
    store.take(delta(3, vec![item("a", "x")])).await?;
    let right = [
        (feed(1), fetch(4), None),
        (feed(1), fetch(1), Some(1)),
        (feed(1), fetch(2), Some(1)),
        (feed(1), fetch(3), Some(1)),
    ];
    ensure_eq!(store.sighted("a").await?, right, "sightings");
    let seen = store.seen_many(&[key("a")]).await?[0].map(|seen| (seen.count, seen.latest));
    ensure_eq!(seen, Some((4, observed(3))), "figures");
    ensure_eq!(store.record_sighting(told("a", 1, 1, 10)).await?, true, "the first, told again");
    Ok(())
}

async fn many_told_sightings_are_answered_in_order(store: Subject) -> Verdict {
    let seen = vec![told("a", 1, 1, 1), told("b", 1, 1, 1), told("a", 2, 1, 1), told("a", 1, 1, 1), told("b", 1, 2, 1)];
    ensure_eq!(store.observe_many(seen).await?, [true, true, false, true, false], "the answers");
    ensure_eq!(store.observe_many(Vec::new()).await?, [], "the answers to nothing");
    Ok(())
}
