//! The quarantine, tried again after the operator chose otherwise.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::origin::{Answer, Origin};
use crate::support::{add_with, collect, engine_with, name, replace, settings, start};
use feedspine::core::{Content, Coverage, Feed, FetchStatus, Json, Layer, MAX_PAGE, PageRequest, RecordRef, Timestamp};
use feedspine::ops::{ListCaptures, PruneCaptures, RetriedRejects, RetryRejects};
use feedspine::{Engine, Keep, Settings, SimulatedClock, ToJson};
use feedspine_sqlite::SqliteStore;

/// Two items, one of them without the `id` that makes the key at first.
const TWO: &str = r#"[{"id": "1", "slug": "one", "n": 1}, {"slug": "two", "n": 2}]"#;
/// The second one has left.
const ONE: &str = r#"[{"id": "1", "slug": "one", "n": 1}]"#;

/// Answers one after the other, the last one again and again.
async fn origin(answers: &'static [&'static str]) -> Origin {
    let turn = Arc::new(AtomicUsize::new(0));
    Origin::start(move |_| Answer::ok(answers[turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)])).await
}

fn clocked() -> (Settings, Arc<SimulatedClock>) {
    let clock = Arc::new(SimulatedClock::at(start()));
    (Settings { clock: clock.clone(), ..settings() }, clock)
}

/// Lets a feed be read with other options.
async fn choose(engine: &Engine, feed: &Feed, options: &str) {
    let settings = Content::parse(&format!(r#"{{"adapter":"json","options":{options}}}"#)).unwrap();
    replace(engine, &Feed { settings, ..feed.clone() }).await;
}

async fn retry(engine: &Engine) -> RetriedRejects {
    engine.retry_rejects(&RetryRejects::default()).await.unwrap()
}

/// `outcome key-or-reason` of each.
fn told(retried: &RetriedRejects) -> Vec<String> {
    let one = |item: &feedspine::ops::RetriedReject| {
        let shown = item.fate.key().map(|key| key.key().to_owned()).or_else(|| item.fate.reason());
        format!("{} {}", item.fate.as_str(), shown.unwrap_or_default())
    };
    retried.items.iter().map(one).collect()
}

async fn ledger(engine: &Engine, feed: &Feed) -> Vec<(Coverage, Timestamp)> {
    let page = engine.storage().observations_page(feed.id, &PageRequest::first(MAX_PAGE)).await.unwrap();
    page.items.iter().map(|row| (row.coverage, row.observed_at)).collect()
}

/// How often a key was seen.
async fn seen(engine: &Engine, feed: &Feed, key: &str) -> u64 {
    let key = feedspine::core::NaturalKey::new(feed.namespace.clone(), key).unwrap();
    engine.storage().seen_many(&[key]).await.unwrap().pop().unwrap().map_or(0, |seen| seen.count)
}

async fn number(engine: &Engine, feed: &Feed, key: &str) -> Option<Json> {
    let key = feedspine::core::NaturalKey::new(feed.namespace.clone(), key).unwrap();
    let found = engine.storage().get_many(&[RecordRef::key(key).at(Layer::Bronze)]).await.unwrap();
    found.into_iter().next().unwrap().map(|record| record.content.to_json().get("n").unwrap().clone())
}

async fn passes_after_another_key_was_chosen(engine: Engine, clock: &SimulatedClock) {
    let origin = origin(&[TWO, ONE]).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.counts.new, report.counts.rejected), (1, 1));
    clock.advance(Duration::from_hours(1));
    collect(&engine, &feed).await;
    assert_eq!(told(&retry(&engine).await), ["rejected key.missing: the item has no id, which its key is made of"]);
    let before = ledger(&engine, &feed).await;

    choose(&engine, &feed, r#"{"key":"slug"}"#).await;
    let retried = retry(&engine).await;
    assert_eq!(told(&retried), ["new two"]);
    assert_eq!(retried.items[0].quarantined.reject.ordinal, 1);
    // Nothing is said of the item that is stored by another key, and nothing of what has left.
    let after = ledger(&engine, &feed).await;
    assert_eq!(after[..before.len()], before);
    assert_eq!(after[before.len()..], [(Coverage::Delta, start())]);
    assert_eq!((seen(&engine, &feed, "two").await, number(&engine, &feed, "two").await), (1, Some(2_u64.into())));
    assert_eq!((seen(&engine, &feed, "one").await, seen(&engine, &feed, "1").await), (0, 2));

    // The same again changes nothing.
    assert_eq!(told(&retry(&engine).await), ["held two"]);
    assert_eq!((ledger(&engine, &feed).await.len(), seen(&engine, &feed, "two").await), (after.len(), 1));
}

#[tokio::test]
async fn what_passes_now_is_stored_as_seen_when_it_was_rejected_and_only_once() {
    let (settings, clock) = clocked();
    passes_after_another_key_was_chosen(engine_with(settings).await, &clock).await;
}

#[tokio::test]
async fn the_same_with_a_store_in_a_file() {
    let home = tempfile::tempdir().unwrap();
    let (settings, clock) = clocked();
    let store = Arc::new(SqliteStore::new(home.path().join("x.db")));
    let engine = Engine::open(store.clone(), store.clone(), settings).await.unwrap();
    passes_after_another_key_was_chosen(engine, &clock).await;
    let verified = feedspine::ops::StoreCare::new(store.clone(), store).verify().await.unwrap();
    assert_eq!((verified.faults, verified.more), (Vec::<String>::new(), 0));
}

#[tokio::test]
async fn versions_that_were_rejected_one_after_the_other_are_taken_in_their_order() {
    let origin = origin(&[
        r#"[{"slug": "a", "n": 1}]"#,
        r#"[{"slug": "a", "n": 2}]"#,
        r#"[{"slug": "b", "n": 7}]"#,
        r#"[{"id": "x", "slug": "b", "n": 8}]"#,
    ])
    .await;
    let (settings, clock) = clocked();
    let engine = engine_with(settings).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    for _ in 0..3 {
        collect(&engine, &feed).await;
        clock.advance(Duration::from_mins(1));
    }
    choose(&engine, &feed, r#"{"key":"slug"}"#).await;
    collect(&engine, &feed).await;
    assert_eq!(told(&retry(&engine).await), ["new a", "changed a", "overtaken b"]);
    let now = (number(&engine, &feed, "a").await, number(&engine, &feed, "b").await);
    assert_eq!(now, (Some(2_u64.into()), Some(8_u64.into())));
    assert_eq!(told(&retry(&engine).await), ["held a", "held a", "overtaken b"]);
}

#[tokio::test]
async fn what_a_record_that_churns_says_again_is_held_back_each_time() {
    let answer = |number: usize| Answer::ok(format!(r#"[{{"slug": "a", "title": "x <!-- {number} -->"}}]"#));
    let origin = Origin::start(move |asked| answer(asked.number)).await;
    let (settings, clock) = clocked();
    let engine = engine_with(settings).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    for _ in 0..26 {
        collect(&engine, &feed).await;
        clock.advance(Duration::from_mins(1));
    }
    choose(&engine, &feed, r#"{"key":"slug"}"#).await;
    let first = retry(&engine).await;
    assert_eq!((first.count("new"), first.count("changed")), (1, 24));
    assert_eq!(told(&first).last().map(String::as_str), Some("held_back a"));
    let again = retry(&engine).await;
    assert_eq!((again.count("held"), again.count("held_back")), (25, 1), "{:?}", told(&again));
}

#[tokio::test]
async fn documents_of_feeds_and_later_pages_are_read_again_too() {
    let rss = "<rss version='2.0'><channel><title>S</title>\
               <item><guid>1</guid><title>One</title><pubDate>Tue, 24 Nov 2026 00:00:00 GMT</pubDate></item>\
               <item><guid>2</guid><description>Two</description></item></channel></rss>";
    let pages = [r#"{"items": [{"id": 1}], "next": "/2"}"#, r#"{"items": [{"id": 2}, {"slug": "b"}], "next": null}"#];
    let origin = Origin::start(move |asked| match asked.path.as_str() {
        "/rss" => Answer::ok(rss),
        "/2" => Answer::ok(pages[1]),
        _ => Answer::ok(pages[0]),
    })
    .await;
    let (settings, _) = clocked();
    let engine = engine_with(settings).await;
    let listed = add_with(&engine, origin.url("/1"), "json", &["key=id", "items=items", "next=next"]).await;
    let feed = add_with(&engine, origin.url("/rss"), "feed", &["key=title"]).await;
    for feed in [&listed, &feed] {
        assert_eq!(collect(&engine, feed).await.counts.rejected, 1, "{}", feed.name);
    }
    choose(&engine, &listed, r#"{"items":"items","key":"slug","next":"next"}"#).await;
    let settings = Content::parse(r#"{"options":{"key":"summary"}}"#).unwrap();
    replace(&engine, &Feed { settings, ..feed.clone() }).await;
    let retried = retry(&engine).await;
    let mut outcomes = told(&retried);
    outcomes.sort();
    assert_eq!(outcomes.len(), 2);
    assert!(outcomes.iter().all(|told| told.starts_with("new ")), "{outcomes:?}");
}

#[tokio::test]
async fn a_body_that_is_not_there_is_told_with_the_next_step() {
    let origin = origin(&[TWO]).await;
    for keep in [Keep::Nothing, Keep::Bytes(9)] {
        let engine = engine_with(Settings { keep, ..clocked().0 }).await;
        let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
        let report = collect(&engine, &feed).await;
        assert_eq!(report.counts.rejected, 1);
        let warned = report.warnings.iter().any(|warning| warning.starts_with("archive.unwritten: "));
        assert_eq!(warned, keep == Keep::Bytes(9), "{:?}", report.warnings);
        let retried = retry(&engine).await;
        assert_eq!(retried.items[0].fate.as_str(), "no_body");
        assert_eq!(retried.items[0].fate.hint(), Some("`feedspine collect 127.0.0.1` reads what is there now"));
    }
}

#[tokio::test]
async fn a_collision_stays_one_and_an_item_that_is_read_no_more_is_gone() {
    let origin = origin(&[r#"{"a": [{"id": "1", "n": 1}, {"id": "1", "n": 2}, {"n": 3}], "b": []}"#]).await;
    let (settings, _) = clocked();
    let engine = engine_with(settings).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id", "items=a"]).await;
    assert_eq!(collect(&engine, &feed).await.counts.rejected, 2);
    let before = told(&retry(&engine).await);
    assert!(before.iter().all(|told| told.starts_with("rejected key.")), "{before:?}");
    choose(&engine, &feed, r#"{"items":"b","key":"id"}"#).await;
    let after = told(&retry(&engine).await);
    assert!(after.iter().all(|told| told.starts_with("gone ")), "{after:?}");
}

#[tokio::test]
async fn every_document_is_kept_by_its_first_item() {
    let rss = "<rss version='2.0'><channel><title>S</title></channel></rss>";
    let origin = Origin::start(move |asked| match asked.path.as_str() {
        "/rss" => Answer::ok(rss),
        "/1" => Answer::ok(r#"{"items": [], "next": "/2"}"#),
        "/2" => Answer::ok(r#"{"items": [{"id": 1}, {"id": 2}], "next": "/3"}"#),
        "/3" => Answer::ok(r#"{"items": [{"id": 3}], "next": "/4"}"#),
        _ => Answer::ok(r#"{"items": []}"#),
    })
    .await;
    let engine = engine_with(clocked().0).await;
    let paged = add_with(&engine, origin.url("/1"), "json", &["key=id", "items=items", "next=next"]).await;
    let feed = add_with(&engine, origin.url("/rss"), "feed", &[]).await;
    for (feed, first_ordinals) in [(&paged, &[2, 0][..]), (&feed, &[0])] {
        collect(&engine, feed).await;
        let listed = engine.captures(&ListCaptures { feed: feed.name.clone(), limit: 9 }).await.unwrap();
        let ordinals = listed.captures.iter().map(|held| held.capture.name.first_ordinal);
        assert_eq!(ordinals.collect::<Vec<_>>(), first_ordinals, "{listed:?}");
    }
}

#[tokio::test]
async fn items_that_the_store_alone_rejects_are_read_again_as_others_are() {
    let rss = "<rss version='2.0'><channel><title>S</title>\
               <item><guid>1</guid><link>http://a.example/1</link><title>One</title></item>\
               <item><guid>1</guid><link>http://a.example/2</link><title>Two</title></item></channel></rss>";
    let pages = [
        r#"{"items": [{"id": 1, "slug": "a"}], "next": "/2"}"#,
        r#"{"items": [{"id": 1, "slug": "b"}], "next": null}"#,
    ];
    let origin = Origin::start(move |asked| match asked.path.as_str() {
        "/rss" => Answer::ok(rss),
        "/2" => Answer::ok(pages[1]),
        "/1" => Answer::ok(pages[0]),
        _ => Answer::ok(r#"[{"id": "1", "slug": "a", "n": 1}, {"id": "1", "slug": "b", "n": 2}]"#),
    })
    .await;
    let engine = engine_with(clocked().0).await;
    let one = add_with(&engine, origin.url("/one"), "json", &["key=id"]).await;
    let listed = add_with(&engine, origin.url("/1"), "json", &["key=id", "items=items", "next=next"]).await;
    let feed = add_with(&engine, origin.url("/rss"), "feed", &["key=id"]).await;
    for feed in [&one, &listed, &feed] {
        let report = collect(&engine, feed).await;
        assert_eq!((report.counts.new, report.counts.rejected), (1, 1), "{}", feed.name);
    }
    let before = told(&retry(&engine).await);
    assert!(before.len() == 3 && before.iter().all(|told| told.starts_with("rejected key.collision")), "{before:?}");
    choose(&engine, &one, r#"{"key":"slug"}"#).await;
    choose(&engine, &listed, r#"{"items":"items","key":"slug","next":"next"}"#).await;
    let settings = Content::parse(r#"{"options":{"key":"link"}}"#).unwrap();
    replace(&engine, &Feed { settings, ..feed.clone() }).await;
    let after = told(&retry(&engine).await);
    assert!(after.len() == 3 && after.iter().all(|told| told.starts_with("new ")), "{after:?}");
    assert!(after.contains(&"new b".to_owned()), "{after:?}");
}

#[tokio::test]
async fn an_item_of_a_page_that_is_not_kept_is_told_so_and_not_that_it_is_gone() {
    let mut state = 7_u64;
    let noise: String = std::iter::repeat_with(|| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        char::from(b'a' + u8::try_from((state >> 33) % 26).unwrap())
    })
    .take(9_000)
    .collect();
    let page = |slug: &str, text: &str, next: &str| {
        format!(r#"{{"items": [{{"id": "{slug}", "text": "{text}"}}, {{"slug": "{slug} 2"}}], "next": {next}}}"#)
    };
    let pages = [page("a", "", r#""/2""#), page("b", &noise, r#""/3""#), page("c", "", "null")];
    let origin = Origin::start(move |asked| match asked.path.as_str() {
        "/2" => Answer::ok(pages[1].clone()),
        "/3" => Answer::ok(pages[2].clone()),
        _ => Answer::ok(pages[0].clone()),
    })
    .await;
    let engine = engine_with(Settings { keep: Keep::Bytes(3_000), ..clocked().0 }).await;
    let feed = add_with(&engine, origin.url("/1"), "json", &["key=id", "items=items", "next=next"]).await;
    assert_eq!(collect(&engine, &feed).await.counts.rejected, 3);
    choose(&engine, &feed, r#"{"items":"items","key":"slug","next":"next"}"#).await;
    let retried = retry(&engine).await;
    let mut outcomes: Vec<_> =
        retried.items.iter().map(|item| (item.quarantined.reject.ordinal, item.fate.as_str())).collect();
    outcomes.sort_unstable();
    assert_eq!(outcomes, [(1, "new"), (3, "no_body"), (5, "new")]);
    assert_eq!(retried.hints.len(), 1, "{:?}", retried.hints);

    // The same where the first page had to make room for the last.
    let engine = engine_with(Settings { keep: Keep::Bytes(120), ..clocked().0 }).await;
    let feed = add_with(&engine, origin.url("/1"), "json", &["key=id", "items=items", "next=next"]).await;
    collect(&engine, &feed).await;
    assert_eq!(engine.prune_captures(&PruneCaptures::default()).await.unwrap().forgotten.captures, 1);
    let fates: Vec<&str> = retry(&engine).await.items.iter().map(|item| item.fate.as_str()).collect();
    assert_eq!(fates, ["no_body", "no_body", "rejected"]);
}

#[tokio::test]
async fn of_two_items_of_one_document_with_one_key_one_is_taken_however_often_they_are_tried() {
    let origin = origin(&[r#"[{"slug": "a", "n": 1}, {"slug": "a", "n": 2}]"#]).await;
    let (settings, clock) = clocked();
    let engine = engine_with(settings).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    assert_eq!(collect(&engine, &feed).await.counts.rejected, 2);
    clock.advance(Duration::from_hours(1));
    choose(&engine, &feed, r#"{"key":"slug"}"#).await;
    let words = |retried: &RetriedRejects| {
        let mut words: Vec<&str> = retried.items.iter().map(|item| item.fate.as_str()).collect();
        words.sort_unstable();
        words.join(" ")
    };
    let first = retry(&engine).await;
    let (stored, rows) = (number(&engine, &feed, "a").await, ledger(&engine, &feed).await.len());
    assert_eq!((words(&first).as_str(), rows), ("new rejected", 2));
    for _ in 0..2 {
        let again = retry(&engine).await;
        // What a retry did not take is no further reject.
        assert_eq!(words(&again), "held rejected");
        assert!(told(&again).iter().any(|told| told.starts_with("rejected key.collision: ")), "{:?}", told(&again));
        assert_eq!((number(&engine, &feed, "a").await, ledger(&engine, &feed).await.len()), (stored.clone(), rows));
    }
}

#[tokio::test]
async fn what_was_shown_again_later_is_no_older_content() {
    const BEFORE: &str = r#"[{"id": "x", "slug": "x", "n": 1}]"#;
    let origin = origin(&[BEFORE, r#"[{"slug": "x", "n": 2}]"#, BEFORE]).await;
    let (settings, clock) = clocked();
    let engine = engine_with(settings).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id", "coverage=delta"]).await;
    for _ in 0..3 {
        collect(&engine, &feed).await;
        clock.advance(Duration::from_mins(1));
    }
    choose(&engine, &feed, r#"{"coverage":"delta","key":"slug"}"#).await;
    assert_eq!(told(&retry(&engine).await), ["overtaken x"]);
    assert_eq!(number(&engine, &feed, "x").await, Some(1_u64.into()));
}

#[tokio::test]
async fn of_two_retries_at_once_one_stores_what_passes() {
    for _ in 0..5 {
        let origin = origin(&[TWO]).await;
        let (settings, _) = clocked();
        let engine = engine_with(settings).await;
        let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
        collect(&engine, &feed).await;
        choose(&engine, &feed, r#"{"key":"slug"}"#).await;
        let (one, other) = tokio::join!(retry(&engine), retry(&engine));
        let mut words = [one.items[0].fate.as_str(), other.items[0].fate.as_str()];
        words.sort_unstable();
        assert!([["failed", "new"], ["held", "new"]].contains(&words), "{words:?}");
        assert_eq!(seen(&engine, &feed, "two").await, 1);
        assert_eq!(told(&retry(&engine).await), ["held two"]);
        if words[0] == "failed" {
            let lost = [one, other].into_iter().find(|retried| retried.count("failed") == 1).unwrap();
            assert_eq!(lost.hints.iter().collect::<Vec<_>>(), ["run the same command again"]);
        }
    }
}

#[tokio::test]
async fn a_collect_that_a_retry_overtook_says_so_and_the_next_one_has_what_it_read() {
    let turn = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start(move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Answer::ok(TWO).with("etag", "\"1\""),
        1 => {
            Answer::ok(r#"[{"id": "3", "slug": "three", "n": 3}]"#).with("etag", "\"3\"").after(Duration::from_secs(1))
        }
        _ => Answer::ok(r#"[{"id": "3", "slug": "three", "n": 3}]"#).with("etag", "\"3\""),
    })
    .await;
    let (settings, _) = clocked();
    let engine = engine_with(settings).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    collect(&engine, &feed).await;
    choose(&engine, &feed, r#"{"key":"slug"}"#).await;
    let retry_meanwhile = async {
        while origin.asked() < 2 {
            tokio::task::yield_now().await;
        }
        retry(&engine).await
    };
    let (collected, retried) = tokio::join!(collect(&engine, &feed), retry_meanwhile);
    assert_eq!(told(&retried), ["new two"]);
    assert_eq!(collected.outcome, FetchStatus::Superseded, "{collected:?}");
    assert!(collected.warnings[0].contains("nothing was stored of this one"), "{collected:?}");
    assert_eq!(collect(&engine, &feed).await.counts.new, 1);
    assert_eq!(number(&engine, &feed, "three").await, Some(3_u64.into()));
}

#[tokio::test]
async fn all_rejects_are_tried_and_counted_however_few_are_told_one_by_one() {
    let items: Vec<String> = (0..12_000).map(|n| format!(r#"{{"slug": "{n}"}}"#)).collect();
    let body = format!("[{}]", items.join(","));
    let origin = Origin::start(move |_| Answer::ok(body.clone())).await;
    let (settings, _) = clocked();
    let engine = engine_with(settings).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    assert_eq!(collect(&engine, &feed).await.counts.rejected, 12_000);
    choose(&engine, &feed, r#"{"key":"slug"}"#).await;
    let few = RetryRejects { limit: std::num::NonZeroUsize::new(3).unwrap(), ..RetryRejects::default() };
    let retried = engine.retry_rejects(&few).await.unwrap();
    assert_eq!((retried.items.len(), retried.count("new"), retried.total()), (3, 12_000, 12_000));
}

#[tokio::test]
async fn only_the_rejects_that_were_asked_for_are_tried() {
    let origin = origin(&[TWO]).await;
    let (settings, _) = clocked();
    let engine = engine_with(settings).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    collect(&engine, &feed).await;
    let asked = |feed: &str, code: &str| RetryRejects {
        feed: Some(name(feed)),
        code: Some(code.to_owned()),
        ..RetryRejects::default()
    };
    let tried = engine.retry_rejects(&asked("127.0.0.1", "key")).await.unwrap();
    assert_eq!(tried.items.len(), 1);
    assert!(tried.to_json().to_string().contains(r#""counts":{"rejected":1}"#), "{}", tried.to_json());
    assert!(engine.retry_rejects(&asked("127.0.0.1", "field")).await.unwrap().items.is_empty());
    assert_eq!(engine.retry_rejects(&asked("none", "key")).await.unwrap_err().code(), "feed.unknown");
}
