//! Collects: what is stored of what was served, and what is left alone.

use std::collections::HashSet;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use feedspine::core::{
    CaptureStore as _, Coverage, Feed, FeedStatus, FetchStatus, KeyRule, Layer, MemoryStore, PageRequest, Seq,
    StateStore as _,
};
use feedspine::ops::{AdapterChoice, AddFeed, Collect, CollectEvent, RecordHistory, RecordSightings, Which};
use feedspine::{Ending, Engine, HostRate, Settings, SimulatedClock};
use futures_util::FutureExt as _;

use crate::origin::{Answer, Asked, Origin, rss, rss_built};
use crate::proxy::Proxy;
use crate::support::{add, add_as_public, code, collect, collect_all, engine, engine_with, name, replace, settings};

/// A server that gives one answer after another to the same feed; the last one for ever.
async fn serve(answers: Vec<fn(&Asked) -> Answer>) -> Origin {
    Origin::start(move |asked| answers[asked.number.min(answers.len() - 1)](asked)).await
}

fn sample(_: &Asked) -> Answer {
    Answer::ok(rss(&[("1", "one"), ("2", "two")])).with("etag", "\"a\"").with("last-modified", "opaque, not a date")
}

/// A 304 to who asks with what `sample` told.
fn sample_or_304(asked: &Asked) -> Answer {
    match asked.header("if-none-match") {
        Some("\"a\"") => Answer::status(304).with("etag", "\"b\""),
        Some("\"b\"") => Answer::status(304),
        _ => sample(asked),
    }
}

async fn coverages(engine: &Engine, feed: &Feed) -> Vec<&'static str> {
    let ledger = engine.storage().observations_page(feed.id, &PageRequest::first(1_000)).await.unwrap();
    ledger.items.iter().map(|observation| observation.coverage.as_str()).collect()
}

async fn seen(engine: &Engine, key: &str) -> u64 {
    engine.show(key, None).await.unwrap().seen.unwrap().count
}

#[tokio::test]
async fn a_first_collect_stores_each_item_once_and_reports_what_is_stored() {
    let origin = serve(vec![sample]).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.http_status), (FetchStatus::Captured, Some(200)));
    assert_eq!((report.counts.seen, report.counts.new), (2, 2));
    let record = engine.show("1", None).await.unwrap().record;
    assert_eq!(record.content.to_json().get("title").unwrap().as_str(), Some("one"));
    let view = engine.feed(&feed.name).await.unwrap();
    assert_eq!((view.ledger.counts, view.feed.key_rule), (report.counts, Some(KeyRule::Id)));
    let detail = view.fetches[0].detail.as_ref().unwrap();
    assert_eq!((detail.status, detail.wire_bytes), (FetchStatus::Captured, report.wire_bytes));
}

#[tokio::test]
async fn a_304_is_one_row_and_sights_every_item_again() {
    let origin = serve(vec![sample_or_304]).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    for _ in 0..2 {
        let report = collect(&engine, &feed).await;
        assert_eq!((report.outcome, report.http_status), (FetchStatus::Unchanged, Some(304)));
        assert_eq!((report.counts.seen, report.counts.unchanged, report.body_bytes), (2, 2, 0));
    }
    assert_eq!(coverages(&engine, &feed).await, ["snapshot", "unchanged", "unchanged"]);
    assert_eq!(seen(&engine, "1").await, 3);
    // Validators go back byte for byte; those that the 304 told replace the old ones, the others stay.
    let asked: Vec<_> = origin.log();
    assert_eq!(asked[1].header("if-none-match"), Some("\"a\""));
    assert_eq!(asked[1].header("if-modified-since"), Some("opaque, not a date"));
    assert_eq!(asked[2].header("if-none-match"), Some("\"b\""));
    assert_eq!(asked[2].header("if-modified-since"), Some("opaque, not a date"));
}

#[tokio::test]
async fn the_same_bytes_are_one_row_too() {
    let origin = serve(vec![|_| Answer::ok(rss(&[("1", "one")]))]).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.counts.unchanged), (FetchStatus::Unchanged, 1));
    assert!(report.body_bytes > 0);
    assert_eq!(coverages(&engine, &feed).await, ["snapshot", "unchanged"]);
}

#[tokio::test]
async fn another_document_of_the_same_items_is_captured_and_changes_nothing() {
    let origin = serve(vec![|_| Answer::ok(rss(&[("1", "one")])), |_| {
        Answer::ok(rss_built("Wed, 25 Nov 2026 00:00:00 GMT", &[("1", "one")]))
    }]);
    let origin = origin.await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.counts.seen, report.counts.unchanged), (FetchStatus::Captured, 1, 1));
    assert_eq!(engine.storage().changes(&Seq::start(), PageRequest::first(100).limit).await.unwrap().len(), 1);
}

#[tokio::test]
async fn edits_withdrawals_and_what_scrolls_off_are_told_apart() {
    let origin = serve(vec![|_| Answer::ok(rss(&[("a", "a"), ("b", "b"), ("c", "c")])), |_| {
        let later = rss(&[("a", "a, edited"), ("b", "b"), ("c", "c")]);
        Answer::ok(later.replacen("<item><guid>b", "<!--", 1).replacen("</item><item><guid>c", "--><item><guid>c", 1))
    }]);
    let origin = origin.await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.counts.changed, report.counts.withdrawn, report.counts.unchanged), (1, 1, 1), "{report:?}");
    assert_eq!(engine.show("a", Some(Layer::Bronze)).await.unwrap().record.version.get(), 2);
}

#[tokio::test]
async fn a_failed_fetch_moves_no_validator_and_no_item() {
    let origin = serve(vec![
        sample,
        |_| Answer::cut(rss(&[("9", "nine")])).with("etag", "\"cut\""),
        |_| Answer::ok(rss(&[("9", "nine")]).split_at(200).0.to_owned()).with("etag", "\"cut\""),
        |_| Answer::ok("<!doctype html><title>Sorry</title><p>Back soon").with("etag", "\"html\""),
        |_| Answer::ok("").with("etag", "\"empty\""),
        |_| Answer::status(404).with("etag", "\"gone\""),
        sample_or_304,
    ]);
    let origin = origin.await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    for expected in ["http.truncated", "xml.truncated", "feed.not_a_feed", "feed.empty", "http.status"] {
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), report.counts.seen), (expected, 0));
    }
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    assert!(origin.log()[1..].iter().all(|asked| asked.header("if-none-match") == Some("\"a\"")));
    assert_eq!(coverages(&engine, &feed).await, ["snapshot", "unchanged"]);
    assert_eq!(engine.feed(&feed.name).await.unwrap().fetches.len(), 7);
}

#[tokio::test]
async fn a_cursor_of_another_parser_or_address_is_not_built_on() {
    let origin = serve(vec![sample_or_304]).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    let aged = |cursor: &feedspine::core::Json| {
        let feedspine::core::Json::Object(mut members) = cursor.clone() else { panic!("a cursor is an object") };
        members.insert("parser".into(), 0_u64.into());
        feedspine::core::Json::Object(members)
    };
    crate::feeds::move_cursor(&engine, &feed, aged).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.counts.unchanged), (FetchStatus::Captured, 2));
    let moved = Feed { address: origin.url("/moved"), ..engine.feed(&feed.name).await.unwrap().feed };
    replace(&engine, &moved).await;
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Captured);
    assert!(origin.log().iter().all(|asked| asked.header("if-none-match").is_none()));
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
}

#[tokio::test]
async fn the_first_fetch_to_commit_wins_and_the_other_is_superseded() {
    let slow = |_: &Asked| Answer::ok(rss(&[("1", "one")])).after(Duration::from_millis(100));
    let origin = Origin::start(slow).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    let (a, b) = tokio::join!(collect(&engine, &feed), collect(&engine, &feed));
    let outcomes = HashSet::from([a.outcome, b.outcome]);
    assert_eq!(outcomes, HashSet::from([FetchStatus::Captured, FetchStatus::Superseded]));
    assert!(a.error.is_none() && b.error.is_none());
    assert_eq!(seen(&engine, "1").await, 1);
    assert_eq!(coverages(&engine, &feed).await, ["snapshot"]);
}

#[tokio::test]
async fn one_feed_that_fails_costs_no_other() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/gone" => Answer::status(404),
        "/page" => Answer::ok("<!doctype html><html><body>hello</body></html>"),
        path => Answer::ok(rss(&[(path, "one")])),
    });
    let origin = origin.await;
    let engine = engine().await;
    for path in ["/a", "/gone", "/b", "/page", "/c"] {
        let feed = AddFeed { name: Some(name(&path[1..])), ..AddFeed::new(origin.url(path)) };
        engine.add(feed).await.unwrap();
    }
    let heard = AtomicUsize::new(0);
    let tell = |event: CollectEvent<'_>| {
        if let CollectEvent::Ended { .. } = event {
            heard.fetch_add(1, Ordering::SeqCst);
        }
    };
    let report = engine.collect(&Collect::default(), &tell).await.unwrap();
    let codes: Vec<_> = report.feeds.iter().map(|feed| (feed.feed.as_str(), code(feed))).collect();
    let expected = [("a", "ok"), ("b", "ok"), ("c", "ok"), ("gone", "http.status"), ("page", "feed.not_a_feed")];
    assert_eq!(codes, expected);
    assert_eq!((report.ending(), report.counts.new, heard.into_inner()), (Ending::SomeFeedsFailed, 3, 5));
}

#[tokio::test]
async fn only_active_feeds_are_collected_and_a_paused_one_says_so() {
    let origin = serve(vec![sample]).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    engine.pause(&feed.name).await.unwrap();
    assert!(collect_all(&engine).await.is_empty());
    let named = |name| Collect { which: Which::Named(vec![name]), allow_private: false };
    let refused = engine.collect(&named(feed.name), &|_| {}).await.unwrap_err();
    assert_eq!(refused.code(), "feed.paused");
    let unknown = engine.collect(&named(name("nobody")), &|_| {}).await.unwrap_err();
    assert_eq!(unknown.kind().ending(), Ending::NotFound);
    assert_eq!(origin.asked(), 0);
}

#[tokio::test]
async fn private_addresses_are_allowed_for_one_collect_or_for_one_feed() {
    let origin = serve(vec![sample]).await;
    let engine = engine_with(Settings { allow: Vec::new(), ..settings() }).await;
    assert_eq!(engine.add(AddFeed::new(origin.url("/feed"))).await.unwrap_err().code(), "net.private");
    let feed = add_as_public(&engine, origin.url("/feed"), AdapterChoice::default()).await;
    assert_eq!(code(&collect(&engine, &feed).await), "net.private");
    let once = Collect { allow_private: true, ..Collect::default() };
    assert_eq!(engine.collect(&once, &|_| {}).await.unwrap().ending(), Ending::Done);
    assert_eq!(code(&collect(&engine, &feed).await), "net.private");
    engine.add(AddFeed { allow_private: true, ..AddFeed::new(origin.url("/feed")) }).await.unwrap();
    assert_eq!(code(&collect(&engine, &feed).await), "ok");
}

#[tokio::test]
async fn files_are_feeds_too() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("my feed.xml");
    std::fs::write(&path, rss(&[("1", "one")])).unwrap();
    let engine = engine().await;
    let feed = add(&engine, path.to_str().unwrap()).await;
    assert_eq!((feed.name.as_str(), feed.address.as_str()), ("my-feed", path.to_str().unwrap()));
    assert_eq!(collect(&engine, &feed).await.counts.new, 1);
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    let again =
        engine.add(AddFeed::new(format!("file://{}", path.to_str().unwrap().replace(' ', "%20")))).await.unwrap();
    assert_eq!(again.feed.id, feed.id);
    std::fs::remove_file(&path).unwrap();
    assert_eq!(code(&collect(&engine, &feed).await), "file.unreadable");
    assert_eq!(seen(&engine, "1").await, 2);
}

#[tokio::test]
async fn a_removed_feed_leaves_what_it_captured_and_is_seen_there_no_more() {
    let origin = serve(vec![sample]).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    engine.remove(&feed.name).await.unwrap();
    assert!(collect_all(&engine).await.is_empty());
    assert_eq!(seen(&engine, "1").await, 1);
    assert_eq!(coverages(&engine, &feed).await, ["snapshot", "incomplete"]);
}

#[tokio::test]
async fn a_document_larger_than_a_batch_comes_in_parts_and_counts_as_one() {
    let items: Vec<(String, String)> = (0..25).map(|n| (format!("{n:02}"), format!("title {n}"))).collect();
    let listed: Vec<(&str, &str)> = items.iter().map(|(id, title)| (id.as_str(), title.as_str())).collect();
    let all = rss(&listed);
    let (head, rest) = all.split_once("<item>").unwrap();
    let fewer = head.to_owned() + rest.split_once("</item>").unwrap().1;
    let origin =
        Origin::start(move |asked| Answer::ok(if asked.number == 0 { all.clone() } else { fewer.clone() })).await;
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::open(Proxy::new(store.clone()), store, settings()).await.unwrap();
    let feed = add(&engine, origin.url("/feed")).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new, report.counts.seen), ("ok", 25, 25));
    let ledger = engine.storage().observations_page(feed.id, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!((ledger.len(), ledger[0].coverage), (1, Coverage::Snapshot { complete: true }));
    let report = collect(&engine, &feed).await;
    assert_eq!((report.counts.unchanged, report.counts.withdrawn), (24, 1), "{report:?}");
}

#[tokio::test]
async fn a_record_is_shown_though_the_change_log_takes_too_long() {
    let answers = [rss(&[("b", "Two"), ("a", "One")]), rss(&[("a", "One")])];
    let origin = Origin::start(move |asked| Answer::ok(answers[asked.number.min(1)].clone())).await;
    let store = Arc::new(MemoryStore::new());
    let proxy = Proxy::new(store.clone());
    let engine = Engine::open(proxy.clone(), store, settings()).await.unwrap();
    let feed = add(&engine, origin.url("/feed")).await;
    for _ in 0..2 {
        collect(&engine, &feed).await;
    }
    let limit = PageRequest::first(10).limit;
    let history = RecordHistory { record: "b".to_owned(), layer: None, limit, cursor: None };
    let sightings = RecordSightings { record: "b".to_owned(), limit, cursor: None };
    for (takes_too_long, told) in [(false, 1), (true, 0)] {
        proxy.has_a_long_log.store(takes_too_long, Ordering::SeqCst);
        let shown = engine.show("b", None).await.unwrap();
        let (history, sightings) =
            (engine.history(&history).await.unwrap(), engine.sightings(&sightings).await.unwrap());
        assert_eq!((history.versions.items.len(), sightings.sightings.items.len()), (1, 1));
        let all = [
            (shown.departures, shown.warnings),
            (history.departures, history.warnings),
            (sightings.departures, sightings.warnings),
        ];
        for (departures, warnings) in all {
            assert_eq!((departures.len(), warnings.len()), (told, usize::from(takes_too_long)), "{warnings:?}");
            assert!(warnings.iter().all(|warning| warning.starts_with("record.departures: ")), "{warnings:?}");
        }
    }
}

#[tokio::test]
async fn a_fetch_that_is_superseded_between_its_parts_reports_those_that_are_stored() {
    let ids: Vec<String> = (0..25).map(|number| format!("{number:02}")).collect();
    let items: Vec<(&str, &str)> = ids.iter().map(|id| (id.as_str(), "a title")).collect();
    let all = rss(&items);
    let origin = Origin::start(move |_| Answer::ok(all.clone())).await;
    let store = Arc::new(MemoryStore::new());
    let proxy = Proxy::new(store.clone());
    let engine = Engine::open(proxy.clone(), store, settings()).await.unwrap();
    let feed = add(&engine, origin.url("/feed")).await;
    proxy.supersede_last.store(true, Ordering::SeqCst);
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.counts.new), (FetchStatus::Superseded, 20), "{report:?}");
    assert_eq!(engine.status().await.unwrap().records, 20);
    assert!(report.warnings[0].contains("are stored"), "{report:?}");
}

#[tokio::test]
async fn no_host_is_asked_by_more_than_two_at_once_or_more_often_than_its_rate() {
    let interval = Duration::from_millis(40);
    let slow = |asked: &Asked| Answer::ok(rss(&[(&asked.path, "one")])).after(Duration::from_millis(150));
    let origin = Origin::start(slow).await;
    let host_rate = HostRate { in_flight: 2, interval };
    let engine = engine_with(Settings { host_rate, ..settings() }).await;
    for number in 0..8 {
        add(&engine, origin.url(&format!("/{number}"))).await;
    }
    let reports = collect_all(&engine).await;
    assert!(reports.iter().all(|report| code(report) == "ok"));
    let log = origin.log();
    assert_eq!(log.iter().map(|asked| asked.under_way).max(), Some(2));
    // Starts are an interval apart; arrivals may be bunched a little by the machine, but not on the whole.
    let whole = log[7].at - log[0].at;
    assert!(whole + Duration::from_millis(20) >= 7 * interval, "{whole:?}");
}

#[tokio::test]
async fn an_answer_that_was_lost_is_asked_for_again_and_nothing_is_stored_twice() {
    let origin = serve(vec![sample]).await;
    let store = Arc::new(MemoryStore::new());
    let proxy = Proxy::new(store.clone());
    let engine = Engine::open(proxy.clone(), store, settings()).await.unwrap();
    let feed = add(&engine, origin.url("/feed")).await;
    proxy.lose_answer.store(true, Ordering::SeqCst);
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new), ("ok", 2));
    assert_eq!((coverages(&engine, &feed).await, seen(&engine, "1").await), (vec!["snapshot"], 1));
}

#[tokio::test]
async fn what_a_fetch_brought_waits_for_a_store_that_is_away_and_the_server_is_asked_once() {
    let origin = serve(vec![sample]).await;
    let store = Arc::new(MemoryStore::new());
    let proxy = Proxy::new(store.clone());
    let engine = Engine::open(proxy.clone(), store, settings()).await.unwrap();
    let feed = add(&engine, origin.url("/feed")).await;
    proxy.away.store(2, Ordering::SeqCst);
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new, origin.log().len()), ("ok", 2, 1));
    assert_eq!((coverages(&engine, &feed).await, seen(&engine, "1").await), (vec!["snapshot"], 1));
}

#[tokio::test]
async fn the_key_rule_is_chosen_once_by_the_first_document_that_holds_items() {
    let origin = serve(vec![
        |_| Answer::ok(rss(&[])),
        |_| Answer::ok(rss(&[("x", "one")]).replace("<guid>x</guid>", "<link>https://example.org/one</link>")),
        |_| {
            let both = "<guid>an id, now</guid><link>https://example.org/one</link>";
            Answer::ok(rss(&[("x", "one")]).replace("<guid>x</guid>", both))
        },
    ]);
    let origin = origin.await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    let rule = async || engine.feed(&feed.name).await.unwrap().feed.key_rule;
    assert_eq!((code(&collect(&engine, &feed).await), rule().await), ("ok", None));
    assert_eq!((collect(&engine, &feed).await.counts.new, rule().await), (1, Some(KeyRule::Link)));
    assert_eq!((collect(&engine, &feed).await.counts.new, rule().await), (0, Some(KeyRule::Link)));
    assert_eq!(seen(&engine, "https://example.org/one").await, 2);
}

#[tokio::test]
async fn a_document_that_chose_another_key_rule_than_was_chosen_meanwhile_is_given_up_with_its_items_and_its_body_is_kept()
 {
    let store = Arc::new(MemoryStore::new());
    let meanwhile = Arc::clone(&store);
    let origin = Origin::start(move |_| {
        let feed = meanwhile.feeds().now_or_never().unwrap().unwrap().remove(0);
        let settled = meanwhile.settle_key_rule(feed.id, KeyRule::Link).now_or_never().unwrap();
        assert_eq!(settled.unwrap(), KeyRule::Link);
        Answer::ok(rss(&[("1", "one")]))
    });
    let origin = origin.await;
    let engine = Engine::open(store.clone(), store.clone(), settings()).await.unwrap();
    let feed = add(&engine, origin.url("/feed")).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.counts.new), (FetchStatus::Superseded, 0), "{report:?}");
    assert_eq!(engine.status().await.unwrap().records, 0);
    assert_eq!(engine.feed(&feed.name).await.unwrap().feed.key_rule, Some(KeyRule::Link));
    assert_eq!(store.captures_of(feed.id, report.fetch.unwrap()).await.unwrap().len(), 1);
    let told = store.fetches_page(feed.id, &PageRequest::first(10)).await.unwrap().items.remove(0).detail.unwrap();
    assert_eq!((told.status, told.notes.as_str().matches("captured").count()), (FetchStatus::Superseded, 1));
}

#[tokio::test]
async fn an_item_that_cannot_be_taken_costs_itself_only() {
    let long = "k".repeat(3_000);
    let document = rss(&[("1", "one"), (&long, "too long a key"), ("2", "two")]);
    let origin = Origin::start(move |_| Answer::ok(document.clone())).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    let counts = collect(&engine, &feed).await.counts;
    assert_eq!((counts.seen, counts.new, counts.rejected), (3, 2, 1));
    let quarantine = engine.storage().rejects_page(feed.id, &PageRequest::first(10)).await.unwrap().items;
    assert_eq!((quarantine.len(), quarantine[0].reject.code.as_str()), (1, "key.too_long"));
    assert_eq!(engine.feed(&feed.name).await.unwrap().rejects, quarantine);
    assert_eq!(coverages(&engine, &feed).await, ["incomplete"]);
}

#[tokio::test]
async fn a_feed_that_is_paused_while_it_is_collected_stays_paused() {
    let slow = |_: &Asked| Answer::ok(rss(&[("1", "one")])).after(Duration::from_millis(100));
    let origin = Origin::start(slow).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    let (report, paused) = tokio::join!(collect(&engine, &feed), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        engine.pause(&feed.name).await
    });
    assert_eq!((code(&report), paused.unwrap().status), ("ok", FeedStatus::Paused));
    let now = engine.feed(&feed.name).await.unwrap().feed;
    assert_eq!((now.status, now.key_rule), (FeedStatus::Paused, Some(KeyRule::Id)));
}

#[tokio::test]
async fn a_feed_that_is_removed_while_it_is_collected_is_superseded_or_finished_but_never_half() {
    let slow = |asked: &Asked| {
        let delay = Duration::from_millis(if asked.number == 0 { 0 } else { 100 });
        Answer::ok(rss_built(&asked.number.to_string(), &[("1", "one")])).after(delay)
    };
    let origin = Origin::start(slow).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    let (report, removed) = tokio::join!(collect(&engine, &feed), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        engine.remove(&feed.name).await
    });
    assert_eq!((report.outcome, removed.unwrap().status), (FetchStatus::Superseded, FeedStatus::Removed));
    assert_eq!(coverages(&engine, &feed).await, ["snapshot", "incomplete"]);
}

#[tokio::test]
async fn a_feed_that_is_stopped_while_it_waits_for_its_turn_is_not_asked() {
    let origin = Origin::start(|_: &Asked| Answer::ok(rss(&[("1", "one")])).after(Duration::from_millis(100))).await;
    let engine = engine_with(Settings { concurrency: 1, ..settings() }).await;
    for path in ["/a", "/b", "/c"] {
        engine.add(AddFeed { name: Some(name(&path[1..])), ..AddFeed::new(origin.url(path)) }).await.unwrap();
    }
    let (reports, ..) = tokio::join!(collect_all(&engine), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        engine.pause(&name("b")).await.unwrap();
        engine.remove(&name("c")).await.unwrap();
    });
    let told: Vec<_> = reports.iter().map(|report| (report.outcome, report.fetch.is_some(), code(report))).collect();
    let left_alone = (FetchStatus::Superseded, false, "ok");
    assert_eq!(told, [(FetchStatus::Captured, true, "ok"), left_alone, left_alone]);
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn a_removal_during_the_first_fetch_of_a_feed_supersedes_it() {
    let origin = Origin::start(|_: &Asked| Answer::ok(rss(&[("1", "one")])).after(Duration::from_millis(100))).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    let (report, removed) = tokio::join!(collect(&engine, &feed), async {
        tokio::time::sleep(Duration::from_millis(30)).await;
        engine.remove(&feed.name).await
    });
    assert_eq!((report.outcome, removed.unwrap().status), (FetchStatus::Superseded, FeedStatus::Removed));
    assert_eq!(engine.status().await.unwrap().records, 0);
}

#[tokio::test]
async fn a_server_that_says_304_for_ever_is_asked_for_the_document_once_a_week() {
    let origin = Origin::start(|asked| match asked.header("if-none-match") {
        Some(_) => Answer::status(304),
        None if asked.number == 0 => Answer::ok(rss(&[("1", "one")])).with("etag", "\"never changes\""),
        None => Answer::ok(rss(&[("1", "one, edited")])).with("etag", "\"never changes\""),
    });
    let origin = origin.await;
    let clock = Arc::new(SimulatedClock::at(crate::support::start()));
    let engine = engine_with(Settings { clock: clock.clone(), ..settings() }).await;
    let feed = add(&engine, origin.url("/feed")).await;
    let mut changed = Vec::new();
    for _day in 0..9 {
        changed.push(collect(&engine, &feed).await.counts.changed);
        clock.advance(Duration::from_hours(24));
    }
    assert_eq!(changed, [0, 0, 0, 0, 0, 0, 0, 1, 0]);
}
