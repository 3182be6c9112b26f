//! Feeds: adding, naming, pausing, removing.

use crate::support::{add, engine, name, start};
use feedspine::core::{
    Candidate, Content, Coverage, CursorStep, Feed, FeedStatus, FetchId, HashRule, IngestBatch, Json, KeyRule, Layer,
    NaturalKey, Part,
};
use feedspine::ops::{
    AddFeed, AddOutcome, ListRecords, PolicyOutcome, PolicySays, RecordHistory, RecordSightings, Rekey, SetPolicy,
    parse_condition,
};
use feedspine::{Ending, Engine, RhythmChoice, ToJson};
use std::num::NonZeroUsize;

/// Commits a document of these keys as if it had been fetched.
async fn ingest(engine: &Engine, feed: &Feed, fetch: u128, keys: &[&str]) {
    let expected = engine.storage().cursor(feed.id).await.unwrap().map_or(0, |cursor| cursor.revision);
    let item = |(ordinal, key): (usize, &&str)| Candidate {
        key: NaturalKey::new(feed.namespace.clone(), key).unwrap(),
        key_rule: KeyRule::Id,
        ordinal: u32::try_from(ordinal).unwrap(),
        content: Content::parse(&format!(r#"{{"title":"about {key}"}}"#)).unwrap(),
        published: Some(start()),
        updated: None,
    };
    let batch = IngestBatch {
        feed: feed.id,
        fetch: FetchId::from_u128(fetch),
        part: Part::ONLY,
        observed_at: start(),
        recorded_at: start(),
        coverage: Coverage::Snapshot { complete: true },
        hash_rule: HashRule::whole(),
        items: keys.iter().enumerate().map(item).collect(),
        rejects: Vec::new(),
        step: CursorStep::Advance { expected, next: Json::Null },
    };
    engine.storage().ingest(batch).await.unwrap();
}

/// Changes a feed's cursor, as another version of this program might have left it.
pub(crate) async fn move_cursor(engine: &Engine, feed: &Feed, change: impl Fn(&Json) -> Json) {
    let cursor = engine.storage().cursor(feed.id).await.unwrap().unwrap();
    let batch = IngestBatch {
        feed: feed.id,
        fetch: FetchId::from_u128(99),
        part: Part::ONLY,
        observed_at: start(),
        recorded_at: start(),
        coverage: Coverage::Delta,
        hash_rule: HashRule::whole(),
        items: Vec::new(),
        rejects: Vec::new(),
        step: CursorStep::Advance { expected: cursor.revision, next: change(&cursor.value) },
    };
    engine.storage().ingest(batch).await.unwrap();
}

fn all() -> NonZeroUsize {
    NonZeroUsize::new(5_000).unwrap()
}

#[tokio::test]
async fn a_feed_is_named_after_its_host_and_numbered_when_that_is_taken() {
    let engine = engine().await;
    assert_eq!(add(&engine, "https://www.example.org/a").await.name.as_str(), "example.org");
    let second = add(&engine, "https://example.org/b").await;
    assert_eq!((second.name.as_str(), second.namespace.as_str()), ("example.org-2", "example.org-2"));
}

#[tokio::test]
async fn the_same_address_again_adds_nothing() {
    let engine = engine().await;
    let first = add(&engine, "https://example.org/a").await;
    let again = engine.add(AddFeed::new("https://EXAMPLE.org:443/a#top")).await.unwrap();
    assert_eq!((again.outcome, again.feed), (AddOutcome::Already, first));
    let allowed = AddFeed { allow_private: true, ..AddFeed::new("https://example.org/a") };
    let allowed = engine.add(allowed).await.unwrap();
    assert_eq!((allowed.outcome, allowed.feed.allow_private), (AddOutcome::NowAllowed, true));
    assert_eq!(engine.feeds().await.unwrap().items.len(), 1);
}

#[tokio::test]
async fn a_namespace_is_shared_only_when_it_is_named() {
    let engine = engine().await;
    add(&engine, "https://example.org/a").await;
    engine.rename(&name("example.org"), name("renamed")).await.unwrap();
    let named = AddFeed { name: Some(name("example.org")), ..AddFeed::new("https://example.org/b") };
    let refused = engine.add(named.clone()).await.unwrap_err();
    assert_eq!((refused.code(), refused.kind().ending()), ("feed.namespace_taken", Ending::Usage));
    let shared = AddFeed { namespace: Some("example.org".parse().unwrap()), ..named };
    assert_eq!(engine.add(shared).await.unwrap().feed.namespace.as_str(), "example.org");
}

#[tokio::test]
async fn when_a_feed_is_fetched_is_said_on_adding_it_and_later() {
    let engine = engine().await;
    let every = |text: &str| {
        let mut rhythm = RhythmChoice::default();
        rhythm.say("every", &text.into()).unwrap();
        rhythm
    };
    let request = AddFeed { rhythm: every("15m"), ..AddFeed::new("https://example.org/a") };
    let feed = engine.add(request.clone()).await.unwrap().feed;
    assert_eq!(feed.settings.as_str(), r#"{"schedule":{"every":"15m"}}"#);
    assert_eq!(engine.add(request.clone()).await.unwrap().outcome, AddOutcome::Already);
    let other = engine.add(AddFeed { rhythm: every("2h"), ..request }).await.unwrap_err();
    assert_eq!(other.code(), "feed.rhythm_otherwise");
    assert_eq!(other.hint(), Some("`feedspine feed set example.org every=2h` changes that"));
    let pushed = AddFeed { rhythm: every("2h"), ..AddFeed::new("push:orders") };
    assert_eq!(engine.add(pushed).await.unwrap_err().code(), "feed.pushed");

    let set = async |text: &str| {
        let says = PolicySays::Options(vec![text.to_owned()]);
        engine.set_policy(&SetPolicy { feed: feed.name.clone(), says, rekey: Rekey::Refuse }).await
    };
    assert_eq!(set("every=15m").await.unwrap().outcome, PolicyOutcome::Already);
    assert_eq!(set("cron=@daily").await.unwrap().outcome, PolicyOutcome::Set);
    assert_eq!(
        engine.feed(&feed.name).await.unwrap().rhythm.to_json().to_canonical(),
        r#"{"adaptive":false,"cron":"@daily","every":null}"#
    );
    for (text, code) in [("adaptive=true", "feed.rhythm"), ("every=often", "feed.rhythm"), ("every", "feed.option")] {
        let refused = set(text).await.unwrap_err();
        assert!(refused.code() == code && refused.hint().is_some(), "{text}: {refused:?}");
    }
    assert_eq!(set("cron=").await.unwrap().feed.settings.as_str(), "{}");
}

#[tokio::test]
async fn bad_addresses_and_taken_names_are_told_with_a_next_step() {
    let engine = engine().await;
    add(&engine, "https://example.org/a").await;
    let taken = AddFeed { name: Some(name("example.org")), ..AddFeed::new("https://example.org/b") };
    let taken = AddFeed { namespace: Some("other".parse().unwrap()), ..taken };
    for (request, code, ending) in [
        (AddFeed::new("ftp://example.org/a"), "address.scheme", Ending::Usage),
        (AddFeed::new("http://"), "address.malformed", Ending::Usage),
        (AddFeed::new("/no/such/file.xml"), "file.unreadable", Ending::NotFound),
        (AddFeed::new("/dev/null"), "file.not_regular", Ending::Usage),
        (taken, "feed.name_taken", Ending::Usage),
    ] {
        let error = engine.add(request).await.unwrap_err();
        assert_eq!((error.code(), error.kind().ending()), (code, ending), "{error}");
        assert!(error.hint().is_some(), "{error}");
    }
}

#[tokio::test]
async fn a_removed_feed_frees_its_name_and_loses_nothing_but_its_open_spans() {
    let engine = engine().await;
    let feed = add(&engine, "https://example.org/a").await;
    ingest(&engine, &feed, 1, &["a", "b"]).await;
    let removed = engine.remove(&feed.name).await.unwrap();
    assert_eq!(removed.status, FeedStatus::Removed);
    assert_eq!(engine.feed(&feed.name).await.unwrap_err().kind().ending(), Ending::NotFound);
    assert_eq!(engine.show("a", None).await.unwrap().seen.unwrap().count, 1);
    // The namespace stays the removed feed's: coming back into it has to be said.
    assert_eq!(add(&engine, "https://example.org/a").await.namespace.as_str(), "example.org-2");
}

#[tokio::test]
async fn a_paused_feed_is_shown_as_such_until_it_is_resumed() {
    let engine = engine().await;
    let feed = add(&engine, "https://example.org/a").await;
    engine.pause(&feed.name).await.unwrap();
    assert_eq!(engine.feed(&feed.name).await.unwrap().feed.status, FeedStatus::Paused);
    engine.resume(&feed.name).await.unwrap();
    assert_eq!(engine.feed(&feed.name).await.unwrap().feed.status, FeedStatus::Active);
}

#[tokio::test]
async fn a_record_is_found_by_id_by_key_and_by_namespace_and_key() {
    let engine = engine().await;
    let one = add(&engine, "https://one.example/").await;
    let two = add(&engine, "https://two.example/").await;
    ingest(&engine, &one, 1, &["only here", "both"]).await;
    ingest(&engine, &two, 2, &["both"]).await;
    let by_key = engine.show(" only here ", None).await.unwrap();
    assert_eq!(by_key.feeds, std::slice::from_ref(&one.name));
    let by_id = engine.show(&by_key.record.id.to_string(), None).await.unwrap();
    assert_eq!(by_id.record, by_key.record);
    let by_both = engine.show("one.example only here", None).await.unwrap();
    assert_eq!(by_both.record, by_key.record);
    let ambiguous = engine.show("both", None).await.unwrap_err();
    assert_eq!(ambiguous.code(), "record.ambiguous");
    assert_eq!(ambiguous.hint().unwrap(), r#"name its namespace: "one.example both", "two.example both""#);
    assert_eq!(engine.show("two.example both", None).await.unwrap().record.key.namespace(), &two.namespace);
    for (named, layer) in [(by_id.record.id.to_string(), Layer::Gold), ("only here".to_owned(), Layer::Silver)] {
        assert_eq!(engine.show(&named, Some(layer)).await.unwrap_err().code(), "record.no_layer", "{named}");
    }
    assert_eq!(engine.show("neither", None).await.unwrap_err().kind().ending(), Ending::NotFound);
}

#[tokio::test]
async fn a_list_is_as_long_as_asked_for_and_goes_on_where_it_stopped() {
    let engine = engine().await;
    let feed = add(&engine, "https://example.org/a").await;
    let keys: Vec<String> = (0..2_500).map(|number| format!("key {number:04}")).collect();
    ingest(&engine, &feed, 1, &keys.iter().map(String::as_str).collect::<Vec<_>>()).await;
    let request = ListRecords {
        filter: parse_condition("content.title~about").unwrap(),
        order: vec![feedspine::core::Order::parse("-key").unwrap()],
        layer: None,
        limit: NonZeroUsize::new(2_100).unwrap(),
        cursor: None,
    };
    let first = engine.list(&request).await.unwrap();
    assert_eq!(first.items.len(), 2_100);
    let rest = engine.list(&ListRecords { cursor: first.next, ..request }).await.unwrap();
    assert_eq!((rest.items.len(), rest.next), (400, None));
    assert_eq!(rest.items.last().unwrap().key.key(), "key 0000");
}

#[tokio::test]
async fn history_and_sightings_are_told_with_the_names_of_feeds() {
    let engine = engine().await;
    let feed = add(&engine, "https://example.org/a").await;
    ingest(&engine, &feed, 1, &["a"]).await;
    ingest(&engine, &feed, 2, &["a"]).await;
    let history = RecordHistory { record: "a".into(), layer: None, limit: all(), cursor: None };
    assert_eq!(engine.history(&history).await.unwrap().versions.items.len(), 1);
    let sightings = RecordSightings { record: "a".into(), limit: all(), cursor: None };
    let sightings = engine.sightings(&sightings).await.unwrap();
    assert_eq!(sightings.sightings.items.len(), 2);
    assert_eq!(sightings.sightings.items[0].feed.as_ref().unwrap(), &feed.name);
    assert_eq!(sightings.to_json().get("next"), Some(&Json::Null));
    let view = engine.feed(&feed.name).await.unwrap();
    assert_eq!((view.ledger.observations, view.ledger.counts.new, view.ledger.counts.unchanged), (2, 1, 1));
    let status = engine.status().await.unwrap();
    assert_eq!((status.records, status.feeds.len()), (1, 1));
}

#[tokio::test]
async fn a_user_agent_that_no_header_can_hold_is_refused() {
    let store = std::sync::Arc::new(feedspine::core::MemoryStore::new());
    let settings = feedspine::Settings { user_agent: "two\nlines".into(), ..crate::support::settings() };
    let refused = Engine::open(store.clone(), store, settings).await.unwrap_err();
    assert_eq!((refused.code(), refused.kind().ending()), ("settings.user_agent", Ending::Usage));
}

#[tokio::test]
async fn operations_can_be_asked_from_any_task() {
    let engine = engine().await;
    let task = tokio::spawn(async move {
        let feed = add(&engine, "http://127.0.0.1:1/").await;
        let listed = ListRecords {
            filter: feedspine::core::Filter::everything(),
            order: Vec::new(),
            layer: None,
            limit: all(),
            cursor: None,
        };
        assert!(engine.list(&listed).await.unwrap().items.is_empty());
        assert!(engine.show("x", None).await.is_err());
        assert!(
            engine
                .history(&RecordHistory { record: "x".into(), layer: None, limit: all(), cursor: None })
                .await
                .is_err()
        );
        assert!(engine.sightings(&RecordSightings { record: "x".into(), limit: all(), cursor: None }).await.is_err());
        assert_eq!(engine.status().await.unwrap().records, 0);
        engine.collect(&feedspine::ops::Collect::default(), &|_| {}).await.unwrap();
        engine.remove(&feed.name).await.unwrap();
        engine.close().await.unwrap();
    });
    task.await.unwrap();
}
