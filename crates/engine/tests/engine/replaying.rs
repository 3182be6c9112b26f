//! What was captured, read again after the operator chose otherwise: shown, applied, and the same again.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use crate::origin::{Answer, Origin};
use crate::support::{add_with, collect, engine_with, replace, settings, start};
use feedspine::core::{
    Capture, Content, ContentHash, Coverage, Feed, FetchStatus, Layer, MAX_PAGE, NaturalKey, PackedBody, Packing,
    PageRequest, RecordRef,
};
use feedspine::ops::{
    AdapterChoice, AddFeed, Cause, Differences, ListRuns, PolicySays, Rekey, Replay, ReplayKind, Replayed,
    RetryRejects, RunKind, SetPolicy,
};
use feedspine::{Ending, Engine, Settings, SimulatedClock};
use feedspine_sqlite::SqliteStore;

/// Three items, of which two have a headline that is not their name.
pub(crate) const THREE: &str = r#"[
    {"id": "1", "name": "one", "headline": "One", "n": 1},
    {"id": "2", "name": "two", "headline": "Two", "n": 1},
    {"id": "3", "name": "three", "headline": "three", "n": 1}
]"#;
/// The first says something else, and the second has left.
const LATER: &str = r#"[
    {"id": "1", "name": "one", "headline": "One!", "n": 1},
    {"id": "3", "name": "three", "headline": "three", "n": 1}
]"#;

const NAMES: &str = r#"{"key":"id","title":"name"}"#;
pub(crate) const HEADLINES: &str = r#"{"key":"id","title":"headline"}"#;

/// Answers one after the other, the last one again and again.
pub(crate) async fn origin(answers: &'static [&'static str]) -> Origin {
    let turn = Arc::new(AtomicUsize::new(0));
    Origin::start(move |_| Answer::ok(answers[turn.fetch_add(1, Ordering::SeqCst).min(answers.len() - 1)])).await
}

fn clocked() -> (Settings, Arc<SimulatedClock>) {
    let clock = Arc::new(SimulatedClock::at(start()));
    (Settings { clock: clock.clone(), ..settings() }, clock)
}

/// The captures of a feed, the oldest first.
async fn captures(engine: &Engine, feed: &Feed) -> Vec<Capture> {
    let kept = engine.state().captures().unwrap();
    let page = kept.captures_page(feed.id, &PageRequest::first(MAX_PAGE)).await.unwrap();
    page.items.into_iter().map(|held| held.capture).collect()
}

async fn forget(engine: &Engine, capture: &Capture) {
    engine.state().captures().unwrap().forget(&[capture.name]).await.unwrap();
}

async fn fresh() -> (Engine, Arc<SimulatedClock>) {
    let (settings, clock) = clocked();
    (engine_with(settings).await, clock)
}

/// Lets a feed be read with other options.
pub(crate) async fn choose(engine: &Engine, feed: &Feed, options: &str) {
    let settings = Content::parse(&format!(r#"{{"adapter":"json","options":{options}}}"#)).unwrap();
    let now = engine.feed(&feed.name).await.unwrap().feed;
    replace(engine, &Feed { settings, ..now }).await;
}

pub(crate) async fn replay(engine: &Engine, differences: Differences) -> Replayed {
    let request = Replay { feed: None, since: None, differences, limit: NonZeroUsize::new(100).unwrap() };
    engine.replay(&request).await.unwrap()
}

/// `kind key vN: field, field` of each difference.
pub(crate) fn told(replayed: &Replayed) -> Vec<String> {
    let one = |item: &feedspine::ops::Difference| {
        let version = item.version.map(|version| format!(" v{version}")).unwrap_or_default();
        let names: Vec<&str> = item.fields.iter().map(|field| field.name.as_str()).collect();
        let names = if names.is_empty() { String::new() } else { format!(": {}", names.join(", ")) };
        format!("{} {}{version}{names}", item.kind.as_str(), item.key.key())
    };
    replayed.items.iter().map(one).collect()
}

/// What differs when it is shown, which is what is stored when it is applied.
pub(crate) async fn shown_then_applied(engine: &Engine) -> Vec<String> {
    let before = versions_of_all(engine).await;
    let shown = replay(engine, Differences::Shown).await;
    assert_eq!(versions_of_all(engine).await, before, "what is shown only was stored");
    let applied = replay(engine, Differences::Applied).await;
    assert_eq!(told(&shown), told(&applied));
    for (shown, applied) in shown.feeds.iter().zip(&applied.feeds) {
        assert_eq!(shown.counts, applied.counts);
        assert!(shown.error.is_none() && applied.error.is_none(), "{applied:?}");
        assert!(shown.stored_by.is_empty());
    }
    told(&applied)
}

/// The titles of the bronze versions of a record, from the first.
pub(crate) async fn titles(engine: &Engine, feed: &Feed, key: &str) -> Vec<String> {
    let key = NaturalKey::new(feed.namespace.clone(), key).unwrap();
    let record = engine.storage().get_many(&[RecordRef::key(key).at(Layer::Bronze)]).await.unwrap().pop().unwrap();
    let Some(record) = record else { return Vec::new() };
    let first = PageRequest::first(MAX_PAGE);
    let versions = engine.storage().versions_page(record.id, Layer::Bronze, &first).await.unwrap().items;
    let title = |content: &Content| content.to_json().get("title").and_then(|title| title.as_str().map(str::to_owned));
    versions.iter().map(|version| title(&version.content).unwrap_or_default()).collect()
}

async fn versions_of_all(engine: &Engine) -> Vec<(String, u32)> {
    let query = feedspine::core::Query::new(feedspine::core::Selection::everything(), MAX_PAGE);
    let records = engine.storage().query_page(&query).await.unwrap().items;
    records.into_iter().map(|record| (record.key.key().to_owned(), record.version.get())).collect()
}

async fn corrects_what_is_read_otherwise(engine: Engine, clock: &SimulatedClock) {
    let origin = origin(&[THREE]).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id", "title=name"]).await;
    let first = collect(&engine, &feed).await;
    assert_eq!(first.counts.new, 3);
    clock.advance(Duration::from_hours(1));
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    clock.advance(Duration::from_hours(1));
    assert_eq!(told(&replay(&engine, Differences::Applied).await), Vec::<String>::new());

    choose(&engine, &feed, HEADLINES).await;
    let differences = shown_then_applied(&engine).await;
    assert_eq!(differences, ["changed 1 v1: title", "changed 2 v1: title"]);
    assert_eq!(titles(&engine, &feed, "1").await, ["one", "One"]);

    // The same again changes nothing, nor does a collect of the same document, by today's rules.
    let before = versions_of_all(&engine).await;
    let again = replay(&engine, Differences::Applied).await;
    assert_eq!((told(&again), again.count(ReplayKind::Same)), (Vec::new(), 3));
    clock.advance(Duration::from_hours(1));
    let collected = collect(&engine, &feed).await;
    assert_eq!((collected.counts.changed, collected.counts.new, collected.counts.unchanged), (0, 0, 3));
    assert_eq!(told(&replay(&engine, Differences::Applied).await), Vec::<String>::new());
    assert_eq!(versions_of_all(&engine).await, before);

    // It is a fetch of its own, which says why, and of which.
    let runs = ListRuns { feed: None, since: None, only: RunKind::All, limit: 10 };
    let runs = engine.runs(&runs).await.unwrap().runs;
    let causes: Vec<_> = runs.iter().map(|run| run.again.map(|again| (again.cause, again.of))).collect();
    assert_eq!(causes, [None, Some((Cause::Parser, first.fetch.unwrap())), None, None]);
    let ledger = engine.storage().observations_page(feed.id, &PageRequest::first(MAX_PAGE)).await.unwrap().items;
    assert_eq!((ledger[2].coverage, ledger[2].observed_at), (Coverage::Delta, ledger[0].observed_at));

    // Rules that are taken back are rules as well.
    choose(&engine, &feed, NAMES).await;
    assert_eq!(shown_then_applied(&engine).await.len(), differences.len());
    assert_eq!(titles(&engine, &feed, "1").await, ["one", "One", "one"]);
    assert_eq!(told(&replay(&engine, Differences::Applied).await), Vec::<String>::new());
}

#[tokio::test]
async fn what_today_is_read_otherwise_is_shown_then_stored_once_and_says_why() {
    let (engine, clock) = fresh().await;
    corrects_what_is_read_otherwise(engine, &clock).await;
}

#[tokio::test]
async fn the_same_with_a_store_in_a_file() {
    let home = tempfile::tempdir().unwrap();
    let (settings, clock) = clocked();
    let store = Arc::new(SqliteStore::new(home.path().join("x.db")));
    let engine = Engine::open(store.clone(), store.clone(), settings).await.unwrap();
    corrects_what_is_read_otherwise(engine, &clock).await;
    let verified = feedspine::ops::StoreCare::new(store.clone(), store).verify().await.unwrap();
    assert_eq!((verified.faults, verified.more), (Vec::<String>::new(), 0));
}

#[tokio::test]
async fn only_what_is_current_is_corrected_and_history_is_told() {
    let (engine, clock) = fresh().await;
    let origin = origin(&[THREE, LATER]).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id", "title=name"]).await;
    for _ in 0..2 {
        collect(&engine, &feed).await;
        clock.advance(Duration::from_hours(1));
    }
    choose(&engine, &feed, HEADLINES).await;
    let told_first = shown_then_applied(&engine).await;
    assert_eq!(told_first, ["changed 2 v1: title", "older 1 v1: title", "changed 1 v2: title"]);
    assert_eq!(titles(&engine, &feed, "1").await, ["one", "one", "One!"]);
    assert_eq!(titles(&engine, &feed, "2").await, ["two", "Two"]);
    let collected = collect(&engine, &feed).await;
    assert_eq!((collected.counts.changed, collected.counts.returned, collected.counts.unchanged), (0, 0, 2));
    assert_eq!(shown_then_applied(&engine).await, ["older 1 v1: title"]);
    // What a collect reads by today's rules before a replay does is what the source says now.
    choose(&engine, &feed, NAMES).await;
    assert_eq!(collect(&engine, &feed).await.counts.changed, 1);
    let told_after = shown_then_applied(&engine).await;
    assert_eq!(told_after, ["changed 2 v2: title", "older 1 v3: title"]);
    assert_eq!(titles(&engine, &feed, "1").await, ["one", "one", "One!", "one"]);
}

#[tokio::test]
async fn what_was_no_news_then_and_is_now_becomes_the_versions_that_there_were() {
    let (engine, clock) = fresh().await;
    let origin = origin(&[
        r#"[{"id": "1", "title": "a", "n": 1}]"#,
        r#"[{"id": "1", "title": "b", "n": 2}]"#,
        r#"[{"id": "1", "title": "b", "n": 3}]"#,
        r#"[{"id": "1", "title": "a", "n": 4}]"#,
    ])
    .await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id", "volatile=title", "volatile=n"]).await;
    for _ in 0..4 {
        collect(&engine, &feed).await;
        clock.advance(Duration::from_hours(1));
    }
    assert_eq!(titles(&engine, &feed, "1").await, ["a"]);
    choose(&engine, &feed, r#"{"key":"id","volatile":"n"}"#).await;
    assert_eq!(shown_then_applied(&engine).await, ["changed 1 v1: n, title", "changed 1 v2: n, title"]);
    assert_eq!(titles(&engine, &feed, "1").await, ["a", "b", "a"]);
    assert_eq!(shown_then_applied(&engine).await, Vec::<String>::new());
    assert_eq!(collect(&engine, &feed).await.counts.changed, 0);
    assert_eq!(titles(&engine, &feed, "1").await, ["a", "b", "a"]);
}

#[tokio::test]
async fn what_was_not_seen_is_found_once_and_sighted_as_often_as_it_was_there() {
    let (engine, clock) = fresh().await;
    let origin = origin(&[
        r#"{"a": [{"id": "1", "title": "one"}], "b": [{"id": "2", "title": "two"}]}"#,
        r#"{"a": [{"id": "1", "title": "1"}], "b": [{"id": "2", "title": "two"}]}"#,
        r#"{"a": [{"id": "1", "title": "1"}], "b": [{"id": "2", "title": "2"}]}"#,
    ])
    .await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id", "items=$.a"]).await;
    for _ in 0..3 {
        collect(&engine, &feed).await;
        clock.advance(Duration::from_hours(1));
    }
    choose(&engine, &feed, r#"{"key":"id","items":"$[*][*]"}"#).await;
    let before = replay(&engine, Differences::Shown).await;
    assert_eq!(
        (before.count(ReplayKind::Found), before.count(ReplayKind::Sighted), before.count(ReplayKind::Same)),
        (2, 1, 3)
    );
    assert_eq!(shown_then_applied(&engine).await, ["found 2", "found 2"]);
    assert_eq!(titles(&engine, &feed, "2").await, ["two", "2"]);
    let key = NaturalKey::new(feed.namespace.clone(), "2").unwrap();
    let seen = engine.storage().seen_many(&[key]).await.unwrap().pop().unwrap().unwrap();
    assert_eq!((seen.count, seen.earliest), (3, start()));
    let again = replay(&engine, Differences::Applied).await;
    assert_eq!((told(&again), again.count(ReplayKind::Same)), (Vec::new(), 6));
    assert_eq!(collect(&engine, &feed).await.counts.unchanged, 2);
    // What is read no more is told, and stays.
    choose(&engine, &feed, r#"{"key":"id","items":"$.a"}"#).await;
    clock.advance(Duration::from_hours(1));
    collect(&engine, &feed).await;
    let lost = shown_then_applied(&engine).await;
    assert_eq!(lost, ["lost 2 v2"]);
    assert_eq!(titles(&engine, &feed, "2").await, ["two", "2"]);
}

#[tokio::test]
async fn an_item_gets_no_other_key_and_what_was_deleted_does_not_come_back() {
    let (engine, clock) = fresh().await;
    let origin = origin(&[r#"[{"id": "1", "slug": "a"}, {"id": "2", "slug": "b"}]"#]).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    collect(&engine, &feed).await;
    clock.advance(Duration::from_hours(1));
    choose(&engine, &feed, r#"{"key":"slug"}"#).await;
    let before = versions_of_all(&engine).await;
    let mut differences = shown_then_applied(&engine).await;
    differences.sort();
    assert_eq!(differences, ["rekeyed a", "rekeyed b"]);
    assert_eq!(versions_of_all(&engine).await, before);

    choose(&engine, &feed, r#"{"key":"id"}"#).await;
    let key = NaturalKey::new(feed.namespace.clone(), "2").unwrap();
    engine.storage().delete_many(&[RecordRef::key(key)], start()).await.unwrap();
    assert_eq!(shown_then_applied(&engine).await, ["doubtful 2"]);
    assert_eq!(versions_of_all(&engine).await.len(), 1);
}

#[tokio::test]
async fn what_is_read_under_another_key_is_not_lost_and_what_is_read_no_more_is() {
    let (engine, clock) = fresh().await;
    let origin =
        origin(&[r#"[{"id": "1", "slug": "a"}, {"id": "2", "slug": "b"}, {"id": "3", "title": "no slug"}]"#]).await;
    let feed = add_with(&engine, origin.url("/items"), "json", &["key=id"]).await;
    collect(&engine, &feed).await;
    clock.advance(Duration::from_hours(1));
    let says = PolicySays::Options(vec!["key=slug".to_owned()]);
    let set = SetPolicy { feed: feed.name.clone(), says, rekey: Rekey::Allow };
    assert_eq!(engine.set_policy(&set).await.unwrap().kept, 3);
    collect(&engine, &feed).await;
    let mut differences = shown_then_applied(&engine).await;
    differences.sort();
    assert_eq!(differences, ["lost 3 v1", "rekeyed a", "rekeyed b"]);
}

#[tokio::test]
async fn where_a_page_is_not_kept_nothing_is_taken_for_new_that_may_have_another_key() {
    let (settings, clock) = clocked();
    let engine = engine_with(settings).await;
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/1" => Answer::ok(r#"{"items": [{"id": "1", "slug": "a", "n": 1}], "next": "/2"}"#),
        _ => Answer::ok(r#"{"items": [{"id": "2", "slug": "b", "n": 1}]}"#),
    })
    .await;
    let feed = add_with(&engine, origin.url("/1"), "json", &["key=id", "items=items", "next=next"]).await;
    collect(&engine, &feed).await;
    clock.advance(Duration::from_hours(1));
    choose(&engine, &feed, r#"{"key":"slug","items":"items","next":"next"}"#).await;
    let both = told(&replay(&engine, Differences::Shown).await);
    assert_eq!(both, ["rekeyed a", "rekeyed b"]);
    forget(&engine, &captures(&engine, &feed).await[1]).await;
    assert_eq!(shown_then_applied(&engine).await, ["doubtful a"]);
    // What is known under its key is corrected all the same.
    choose(&engine, &feed, r#"{"key":"id","items":"items","next":"next","title":"slug"}"#).await;
    assert_eq!(shown_then_applied(&engine).await, ["changed 1 v1: title"]);
}

#[tokio::test]
async fn what_is_not_kept_is_counted_and_what_cannot_be_read_is_in_no_other_feeds_way() {
    let (settings, clock) = clocked();
    let engine = engine_with(settings).await;
    let origin = Origin::start(|asked| Answer::ok(format!(r#"[{{"id": "1", "n": {}}}]"#, asked.number))).await;
    let mut feeds = Vec::new();
    for name in ["a", "b"] {
        let adapter = AdapterChoice::new(Some("json"), ["key=id"]).unwrap();
        let address = origin.url(&format!("/{name}"));
        let request = AddFeed { adapter, name: Some(name.parse().unwrap()), ..AddFeed::new(address) };
        feeds.push(engine.add(request).await.unwrap().feed);
    }
    for _ in 0..3 {
        for feed in &feeds {
            collect(&engine, feed).await;
        }
        clock.advance(Duration::from_hours(1));
    }
    let kept = captures(&engine, &feeds[0]).await;
    forget(&engine, &kept[0]).await;
    forget(&engine, &kept[1]).await;
    let hash = ContentHash::of(b"what was received");
    let damaged = PackedBody { hash, length: 4, packing: Packing::Plain, packed: b"else".to_vec() };
    let named = Capture { body: hash, ..kept[1].clone() };
    engine.state().captures().unwrap().keep(named, damaged).await.unwrap();
    let replayed = replay(&engine, Differences::Applied).await;
    let figures: Vec<_> = replayed.feeds.iter().map(|feed| (feed.bodies, feed.unread, feed.not_kept)).collect();
    assert_eq!(figures, [(1, 1, 1), (3, 0, 0)]);
    assert_eq!(replayed.feeds[0].error.as_ref().map(feedspine::OpError::code), Some("archive.damaged"));
    assert_eq!(replayed.ending(), Ending::SomeFeedsFailed);
    assert_eq!(replayed.count(ReplayKind::Same), 4);
    let since = Replay {
        feed: Some(feeds[1].name.clone()),
        since: Some(start().saturating_add_micros(2 * 3_600 * 1_000_000)),
        differences: Differences::Shown,
        limit: NonZeroUsize::MIN,
    };
    assert_eq!(engine.replay(&since).await.unwrap().feeds[0].bodies, 1);
}

#[tokio::test]
async fn of_what_comes_line_by_line_the_lines_that_were_rejected_are_found() {
    let home = tempfile::tempdir().unwrap();
    let table = home.path().join("table.csv");
    std::fs::write(&table, "id,slug\n1,a\n,b\n").unwrap();
    let (engine, clock) = fresh().await;
    let feed = add_with(&engine, table.to_str().unwrap(), "csv", &["key=id"]).await;
    assert_eq!(collect(&engine, &feed).await.counts.rejected, 1);
    clock.advance(Duration::from_hours(1));
    let rejected = replay(&engine, Differences::Shown).await;
    assert_eq!((told(&rejected), rejected.count(ReplayKind::Rejected)), (Vec::new(), 1));
    let settings = Content::parse(r#"{"adapter":"csv","options":{"key":"slug"}}"#).unwrap();
    replace(&engine, &Feed { settings, ..feed.clone() }).await;
    assert_eq!(shown_then_applied(&engine).await, ["found b"]);
    assert_eq!(shown_then_applied(&engine).await, Vec::<String>::new());
}

#[tokio::test]
async fn a_line_that_a_retry_stored_under_the_former_key_is_not_stored_again_under_the_next() {
    let home = tempfile::tempdir().unwrap();
    let table = home.path().join("table.csv");
    std::fs::write(&table, "id,slug,n\n1,a,x\n,b,y\n,,z\n").unwrap();
    let (engine, clock) = fresh().await;
    let feed = add_with(&engine, table.to_str().unwrap(), "csv", &["key=id"]).await;
    assert_eq!(collect(&engine, &feed).await.counts.rejected, 2);
    clock.advance(Duration::from_hours(1));
    let choose = async |key: &str| {
        let settings = Content::parse(&format!(r#"{{"adapter":"csv","options":{{"key":"{key}"}}}}"#)).unwrap();
        replace(&engine, &Feed { settings, ..feed.clone() }).await;
    };
    choose("slug").await;
    let retried = engine.retry_rejects(&RetryRejects::default()).await.unwrap();
    assert_eq!(retried.counts.get("new"), Some(&1));
    assert_eq!(shown_then_applied(&engine).await, Vec::<String>::new());
    // What the last line was is not known as long as one that was stored of the fetch has another key.
    choose("n").await;
    let before = versions_of_all(&engine).await;
    assert_eq!(shown_then_applied(&engine).await, ["rekeyed y", "doubtful z"]);
    assert_eq!(versions_of_all(&engine).await, before);
}
