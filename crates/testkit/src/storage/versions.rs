//! Every content a record ever had, and when two contents are one.

use feedspine_core::{
    Candidate, Content, HashRule, IngestBatch, JsonPath, Layer, Origin, Outcome, PageRequest, StorageExt, VersionNo,
};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure, ensure_eq};
use crate::script::{
    PAGE, at, content, dated, delta, feed, fetch, item, item_of, record_id, reject, snapshot, titled, write,
};

checks! { Subject, "versions":
    another_content_appends_a_version: "P4", "A changed item has one more version and keeps the old ones.";
    a_b_a_is_three_versions: "P4", "A content that comes back is a version of its own; the same again adds none.";
    versions_are_numbered_without_gaps: "P4", "Versions are 1 to n, whoever wrote them.";
    a_version_says_where_it_came_from: "P10", "A version carries its content, dates, time and the fetch that brought it.";
    feeds_that_word_one_item_differently_do_not_flip_it: "Versions",
        "Content is compared with what this feed showed last, so two wordings are two versions for good.";
    a_first_sight_equal_to_a_past_version_is_that_version: "Versions",
        "A feed that shows a stored version on its first sight of the record appends none.";
    a_feed_that_takes_over_the_current_wording_appends_nothing: "Versions",
        "What differs from this feed's last but equals the current version is unchanged.";
    a_change_back_is_judged_for_each_feed: "Versions", "A, B, A of one feed is three versions while another feed stays at B.";
    commits_order_versions_not_dates: "Versions", "An item with an older date that is committed later is the current one.";
    a_date_alone_makes_no_version: "Versions", "Only content decides about versions.";
    volatile_fields_make_no_version: "Versions", "Fields that the hash rule leaves out may change freely.";
    a_version_keeps_its_hash_rule: "Versions", "A version says under which rule it was told from the one before it; a call's, the whole.";
    another_hash_rule_makes_no_version: "Versions", "Under another hash rule the old content is hashed again before it is compared.";
    another_hash_rule_looks_at_what_each_feed_showed: "Versions",
        "After a change of rule a feed is still judged by what it showed last, by Delta or beside a reject too.";
    a_call_does_not_disturb_what_a_feed_shows: "Versions", "After a bronze version by a call, a feed that shows the same as before is unchanged.";
    a_long_history_is_all_there: "P4", "Long histories are listed whole and in order.";
}

async fn another_content_appends_a_version(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x"), item("b", "x")])).await?;
    let report = store.take(snapshot(2, vec![item("a", "y"), item("b", "x")])).await?;
    ensure_eq!(report.outcomes[0], Outcome::Changed { version: VersionNo::FIRST.next() }, "the outcome");
    ensure_eq!(store.titles("a").await?, ["x", "y"], "versions");
    let record = store.record("a").await?;
    ensure_eq!((record.version.get(), &record.content), (2, &titled("y")), "the current version");
    ensure_eq!(store.record("b").await?.version.get(), 1, "the version of an item that stayed the same");
    Ok(())
}

async fn a_b_a_is_three_versions(store: Subject) -> Verdict {
    for (number, title) in (1..).zip(["a", "b", "a", "a"]) {
        store.take(snapshot(number, vec![item("k", title)])).await?;
    }
    ensure_eq!(store.titles("k").await?, ["a", "b", "a"], "versions");
    Ok(())
}

async fn versions_are_numbered_without_gaps(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "1")])).await?;
    let id = store.record("a").await?.id;
    let writes = ["2", "2", "3"].map(|title| feedspine_core::RecordWrite { id, ..write(0, "a", title) });
    let numbers: Vec<_> = store.put_many(writes.to_vec()).await?.into_iter().map(VersionNo::get).collect();
    ensure_eq!(numbers, [2, 2, 3], "the numbers that put_many answers");
    store.take(snapshot(2, vec![item("a", "4")])).await?;
    store.take(delta(3, vec![item("a", "5")])).await?;
    let versions = store.versions("a").await?;
    let numbers: Vec<_> = versions.iter().map(|version| version.number.get()).collect();
    ensure_eq!(numbers, [1, 2, 3, 4, 5], "the numbers");
    ensure!(versions.windows(2).all(|pair| pair[0].content != pair[1].content), "a version repeats the one before it");
    ensure_eq!(store.record("a").await?.version.get(), 5, "the current version");
    Ok(())
}

async fn a_version_says_where_it_came_from(store: Subject) -> Verdict {
    let given = Candidate { updated: Some(at(7)), ..dated("a", "x", 5) };
    let batch = snapshot(3, vec![given.clone()]);
    let recorded_at = batch.recorded_at;
    store.take(batch).await?;
    let record = store.record("a").await?;
    let versions = store.versions("a").await?;
    ensure_eq!(versions.len(), 1, "versions");
    let version = &versions[0];
    ensure_eq!((version.record, version.layer), (record.id, Layer::Bronze), "record and layer");
    ensure_eq!((&version.content, &version.metadata), (&given.content, &Content::empty()), "content and metadata");
    ensure_eq!((version.published, version.updated), (Some(at(5)), Some(at(7))), "dates");
    ensure_eq!(version.recorded_at, recorded_at, "recorded at");
    ensure_eq!(version.origin, Some(Origin { feed: feed(1), fetch: fetch(3) }), "origin");
    store.store(feedspine_core::RecordWrite { id: record.id, ..write(0, "a", "y") }).await?;
    let versions = store.versions("a").await?;
    ensure_eq!(
        (versions[1].origin, versions[1].recorded_at),
        (None, at(500)),
        "origin and time of a version by a call"
    );
    let none = store.versions_page(record_id(404), Layer::Bronze, &PageRequest::first(PAGE)).await?.items;
    ensure_eq!(none, [], "versions of a record that is not there");
    Ok(())
}

async fn feeds_that_word_one_item_differently_do_not_flip_it(store: Subject) -> Verdict {
    for number in 0..3 {
        store.take(snapshot(2 * number + 1, vec![item("k", "short")])).await?;
        store.take(IngestBatch { feed: feed(2), ..snapshot(2 * number + 2, vec![item("k", "long")]) }).await?;
    }
    ensure_eq!(store.titles("k").await?, ["short", "long"], "versions");
    let shown: Vec<_> = store.sighted("k").await?.into_iter().map(|(_, _, version)| version).collect();
    ensure_eq!(shown, [1, 2, 1, 2, 1, 2].map(Some), "versions shown");
    Ok(())
}

async fn a_first_sight_equal_to_a_past_version_is_that_version(store: Subject) -> Verdict {
    for (number, title) in (1..).zip(["x", "y", "z"]) {
        store.take(snapshot(number, vec![item("k", title)])).await?;
    }
    let report = store.take(IngestBatch { feed: feed(2), ..snapshot(4, vec![item("k", "y")]) }).await?;
    ensure_eq!(report.outcomes, [Outcome::Unchanged], "the outcome");
    ensure_eq!(store.titles("k").await?, ["x", "y", "z"], "versions");
    ensure_eq!(store.sighted("k").await?.last(), Some(&(feed(2), fetch(4), Some(2))), "the last sighting");
    Ok(())
}

async fn a_feed_that_takes_over_the_current_wording_appends_nothing(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("k", "x")])).await?;
    store.take(IngestBatch { feed: feed(2), ..snapshot(2, vec![item("k", "y")]) }).await?;
    let report = store.take(snapshot(3, vec![item("k", "y")])).await?;
    ensure_eq!(report.outcomes, [Outcome::Unchanged], "the outcome");
    ensure_eq!(store.titles("k").await?, ["x", "y"], "versions");
    ensure_eq!(store.sighted("k").await?.last(), Some(&(feed(1), fetch(3), Some(2))), "the last sighting");
    Ok(())
}

async fn a_change_back_is_judged_for_each_feed(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("k", "a")])).await?;
    let other = |number| IngestBatch { feed: feed(2), ..snapshot(number, vec![item("k", "b")]) };
    store.take(other(2)).await?;
    store.take(snapshot(3, vec![item("k", "b")])).await?;
    let report = store.take(snapshot(4, vec![item("k", "a")])).await?;
    ensure_eq!(report.counts.changed, 1, "changed by the feed that went back");
    let report = store.take(other(5)).await?;
    ensure_eq!(report.counts.unchanged, 1, "unchanged by the feed that stayed");
    ensure_eq!(store.titles("k").await?, ["a", "b", "a"], "versions");
    Ok(())
}

async fn commits_order_versions_not_dates(store: Subject) -> Verdict {
    store.take(snapshot(5, vec![dated("k", "newer", 900)])).await?;
    store.take(snapshot(4, vec![dated("k", "older", 100)])).await?;
    ensure_eq!(store.titles("k").await?, ["newer", "older"], "versions");
    ensure_eq!(store.record("k").await?.content, titled("older"), "the current content");
    Ok(())
}

async fn a_date_alone_makes_no_version(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("a", "x", 10), item("b", "x")])).await?;
    let items = vec![Candidate { updated: Some(at(99)), ..dated("a", "x", 20) }, dated("b", "x", 5)];
    let report = store.take(snapshot(2, items)).await?;
    ensure_eq!(report.outcomes, [Outcome::Unchanged; 2], "the outcomes");
    ensure_eq!(store.versions("a").await?.len(), 1, "versions");
    Ok(())
}

async fn volatile_fields_make_no_version(store: Subject) -> Verdict {
    let under = |batch| IngestBatch { hash_rule: views_out(), ..batch };
    store.take(under(snapshot(1, vec![item_of("a", r#"{"title":"x","views":1}"#)]))).await?;
    let report = store.take(under(snapshot(2, vec![item_of("a", r#"{"title":"x","views":2}"#)]))).await?;
    ensure_eq!(report.outcomes, [Outcome::Unchanged], "the outcome of a volatile change");
    let report = store.take(under(snapshot(3, vec![item_of("a", r#"{"title":"y","views":2}"#)]))).await?;
    ensure_eq!(report.counts.changed, 1, "changed");
    ensure_eq!(store.record("a").await?.content, content(r#"{"title":"y","views":2}"#), "the content, whole");
    Ok(())
}

async fn a_version_keeps_its_hash_rule(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    store.take(IngestBatch { hash_rule: views_out(), ..snapshot(2, vec![item("a", "y")]) }).await?;
    let id = store.record("a").await?.id;
    store.store(feedspine_core::RecordWrite { id, ..write(0, "a", "z") }).await?;
    let rules: Vec<_> = store.versions("a").await?.into_iter().map(|version| version.hash_rule).collect();
    ensure_eq!(rules, [HashRule::whole(), views_out(), HashRule::whole()].map(|rule| rule.id()), "the rules");
    Ok(())
}

async fn another_hash_rule_makes_no_version(store: Subject) -> Verdict {
    let items = || vec![item_of("a", r#"{"title":"x","views":1}"#), item_of("b", r#"{"title":"x","views":1}"#)];
    let under = |batch| IngestBatch { hash_rule: views_out(), ..batch };
    store.take(snapshot(1, items())).await?;
    let report = store.take(under(snapshot(2, items()))).await?;
    ensure_eq!(report.outcomes, [Outcome::Unchanged; 2], "the outcomes under another rule");
    let mut edited = items();
    edited[0].content = content(r#"{"title":"x","views":9}"#);
    let report = store.take(under(snapshot(3, edited.clone()))).await?;
    ensure_eq!(report.outcomes, [Outcome::Unchanged; 2], "the outcomes of a change that the rule leaves out");
    let report = store.take(snapshot(4, items())).await?;
    ensure_eq!(report.outcomes, [Outcome::Unchanged; 2], "the outcomes back under the first rule");
    let report = store.take(snapshot(5, edited)).await?;
    ensure_eq!(report.counts.changed, 1, "changed under the first rule");
    Ok(())
}

async fn another_hash_rule_looks_at_what_each_feed_showed(store: Subject) -> Verdict {
    let wording = |title: &str| item_of("k", &format!(r#"{{"title":"{title}","views":1}}"#));
    let other = || item_of("other", r#"{"title":"x"}"#);
    let under = |batch| IngestBatch { hash_rule: views_out(), ..batch };
    store.take(snapshot(1, vec![wording("mine"), other()])).await?;
    store.take(IngestBatch { feed: feed(2), ..snapshot(2, vec![wording("theirs")]) }).await?;
    store.take(under(delta(3, vec![wording("mine")]))).await?;
    store.take(snapshot(4, vec![wording("mine"), other()])).await?;
    ensure_eq!(store.versions("k").await?.len(), 2, "versions after a Delta under another rule");
    let rejected = IngestBatch { rejects: vec![reject(5, Some("k"))], ..snapshot(5, vec![other()]) };
    store.take(under(rejected)).await?;
    store.take(under(snapshot(6, vec![wording("mine"), other()]))).await?;
    ensure_eq!(store.versions("k").await?.len(), 2, "versions after a reject under another rule");
    store.take(snapshot(7, vec![other()])).await?;
    store.take(under(snapshot(8, vec![wording("mine"), other()]))).await?;
    ensure_eq!(store.versions("k").await?.len(), 2, "versions after a return under another rule");
    Ok(())
}

async fn a_call_does_not_disturb_what_a_feed_shows(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("k", "captured"), item("b", "x")])).await?;
    let id = store.record("k").await?.id;
    store.store(feedspine_core::RecordWrite { id, ..write(0, "k", "by hand") }).await?;
    let report = store.take(snapshot(2, vec![item("k", "captured"), item("b", "edited")])).await?;
    ensure_eq!(report.outcomes[0], Outcome::Unchanged, "the outcome of what the feed showed before");
    ensure_eq!(store.titles("k").await?, ["captured", "by hand"], "versions");
    Ok(())
}

async fn a_long_history_is_all_there(store: Subject) -> Verdict {
    for number in 1..=130 {
        store.take(snapshot(number, vec![item("k", &number.to_string())])).await?;
    }
    let id = store.record("k").await?.id;
    let mut page = PageRequest::first(50);
    let mut titles = Vec::new();
    loop {
        let found = store.versions_page(id, Layer::Bronze, &page).await?;
        titles.extend(found.items.iter().map(|version| super::subject::title_of(&version.content)));
        let Some(next) = found.next else { break };
        page.after = Some(next);
    }
    let right: Vec<_> = (1..=130).map(|number| number.to_string()).collect();
    ensure_eq!(titles, right, "titles of all versions");
    Ok(())
}

fn views_out() -> HashRule {
    HashRule::without(vec![JsonPath::of(["views"])])
}
