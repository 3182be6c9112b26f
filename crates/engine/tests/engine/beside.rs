//! What others store while what was captured is read again: nothing older goes on top of it.

use std::fmt;
use std::sync::{Arc, Mutex};
use std::time::Duration;

use crate::replaying::{HEADLINES, THREE, choose, origin, replay, shown_then_applied, titles, told};
use crate::support::{add_with, collect, settings, start};
use feedspine::core::ingest::{CursorStep, IngestBatch, Part};
use feedspine::core::{
    Candidate, Content, Coverage, Feed, FetchId, HashRule, KeyRule, Layer, MemoryStore, NaturalKey, RecordRef,
    RecordWrite, StorageBackend, Timestamp,
};
use feedspine::ops::{Differences, ReplayKind, RetryRejects};
use feedspine::{Clock, Ending, Engine, Settings, SimulatedClock};
use futures_util::FutureExt;

/// What somebody else does; false as long as it is too early for it.
type Act = Box<dyn FnMut() -> bool + Send>;

/// A clock that lets somebody else act when it is looked at, once.
struct Interrupting {
    clock: SimulatedClock,
    other: Mutex<Option<Act>>,
}

impl fmt::Debug for Interrupting {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.clock.fmt(f)
    }
}

impl Clock for Interrupting {
    fn now(&self) -> Timestamp {
        let mut other = self.other.lock().unwrap();
        if other.as_mut().is_some_and(|act| act()) {
            *other = None;
        }
        self.clock.now()
    }
}

/// A memory store never waits.
fn at_once<T>(call: impl Future<Output = T>) -> T {
    call.now_or_never().expect("a memory store never waits")
}

/// An engine beside which somebody else writes to its store.
struct Beside {
    engine: Engine,
    store: Arc<MemoryStore>,
    clock: Arc<Interrupting>,
}

impl Beside {
    async fn new() -> Self {
        let clock = Arc::new(Interrupting { clock: SimulatedClock::at(start()), other: Mutex::default() });
        let store = Arc::new(MemoryStore::new());
        let settings = Settings { clock: clock.clone(), ..settings() };
        let engine = Engine::open(store.clone(), store.clone(), settings).await.unwrap();
        Self { engine, store, clock }
    }

    /// Collects so often, an hour apart.
    async fn collect(&self, feed: &Feed, times: u32) {
        for _ in 0..times {
            collect(&self.engine, feed).await;
            self.clock.clock.advance(Duration::from_hours(1));
        }
    }

    /// Lets another writer act as soon as this engine has committed one fetch more of the feed.
    fn after_the_next_commit(&self, feed: &Feed, write: Write, key: &str, content: &str) {
        let (store, feed, at) = (self.store.clone(), feed.clone(), self.clock.clock.now());
        let (key, content) = (key_of(&feed, key), Content::parse(content).unwrap());
        let before = at_once(store.cursor(feed.id)).unwrap().unwrap().revision;
        *self.clock.other.lock().unwrap() = Some(Box::new(move || {
            let cursor = at_once(store.cursor(feed.id)).unwrap().unwrap();
            let is_time = cursor.revision > before;
            if is_time {
                match write {
                    Write::Collect => {
                        let items = vec![candidate(key.clone(), content.clone())];
                        let step = CursorStep::Advance { expected: cursor.revision, next: cursor.value };
                        at_once(store.ingest(batch(&feed, at, items, step))).unwrap();
                    }
                    Write::Put => put(&store, &key, &content, at),
                }
            }
            is_time
        }));
    }

    /// Whether it has acted.
    fn has_acted(&self) -> bool {
        self.clock.other.lock().unwrap().is_none()
    }
}

/// How somebody else writes.
#[derive(Debug, Clone, Copy)]
enum Write {
    /// As a collect of the same feed does.
    Collect,
    /// By a call: the feed's cursor stays.
    Put,
}

fn key_of(feed: &Feed, key: &str) -> NaturalKey {
    NaturalKey::new(feed.namespace.clone(), key).unwrap()
}

fn candidate(key: NaturalKey, content: Content) -> Candidate {
    Candidate { key, key_rule: KeyRule::Given, ordinal: 0, content, published: None, updated: None }
}

fn batch(feed: &Feed, at: Timestamp, items: Vec<Candidate>, step: CursorStep) -> IngestBatch {
    IngestBatch {
        feed: feed.id,
        fetch: FetchId::from_u128(7),
        part: Part::ONLY,
        observed_at: at,
        recorded_at: at,
        coverage: Coverage::Delta,
        hash_rule: HashRule::whole(),
        items,
        rejects: Vec::new(),
        step,
    }
}

fn put(store: &MemoryStore, key: &NaturalKey, content: &Content, at: Timestamp) {
    let wanted = [RecordRef::key(key.clone()).at(Layer::Bronze)];
    let held = at_once(store.get_many(&wanted)).unwrap().pop().unwrap().unwrap();
    let write = RecordWrite {
        id: held.id,
        key: held.key,
        layer: Layer::Bronze,
        content: content.clone(),
        metadata: held.metadata,
        published: None,
        updated: None,
        recorded_at: at,
        derived_from: None,
    };
    at_once(store.put_many(vec![write])).unwrap();
}

#[tokio::test]
async fn a_replay_beside_which_the_feed_was_fetched_is_superseded_and_goes_on_when_it_is_run_again() {
    let origin = origin(&[THREE]).await;
    let beside = Beside::new().await;
    let (engine, store) = (&beside.engine, beside.store.clone());
    let feed = add_with(engine, origin.url("/items"), "json", &["key=id", "title=name"]).await;
    beside.collect(&feed, 1).await;
    choose(engine, &feed, HEADLINES).await;
    let cursor = store.cursor(feed.id).await.unwrap().unwrap();
    let step = CursorStep::Advance { expected: cursor.revision, next: cursor.value };
    let other = batch(&feed, start(), Vec::new(), step);
    // The first look at the clock is that of the fetch by which it stores, after it was decided what.
    *beside.clock.other.lock().unwrap() = Some(Box::new(move || at_once(store.ingest(other.clone())).is_ok()));
    let superseded = replay(engine, Differences::Applied).await;
    assert_eq!(superseded.feeds[0].error.as_ref().map(feedspine::OpError::code), Some("replay.superseded"));
    assert_eq!((superseded.ending(), superseded.count(ReplayKind::Changed)), (Ending::SomeFeedsFailed, 0));
    assert_eq!(titles(engine, &feed, "1").await, ["one"]);
    assert_eq!(shown_then_applied(engine).await, ["changed 1 v1: title", "changed 2 v1: title"]);
}

#[tokio::test]
async fn what_is_stored_between_two_bodies_of_a_replay_is_what_the_second_is_judged_by() {
    for write in [Write::Collect, Write::Put] {
        // The first body has the second item as it was stored, and the next one has not.
        let origin = origin(&[
            r#"[{"id": "1", "name": "one", "headline": "One"}, {"id": "2", "name": "two", "headline": "two"}]"#,
            r#"[{"id": "1", "name": "one", "headline": "One"}, {"id": "2", "name": "zwei", "headline": "Zwei"}]"#,
        ])
        .await;
        let beside = Beside::new().await;
        let feed = add_with(&beside.engine, origin.url("/items"), "json", &["key=id", "title=name"]).await;
        beside.collect(&feed, 2).await;
        choose(&beside.engine, &feed, HEADLINES).await;
        beside.after_the_next_commit(&feed, write, "2", r#"{"title":"later"}"#);
        let replayed = replay(&beside.engine, Differences::Applied).await;
        assert!(beside.has_acted(), "{write:?}");
        assert_eq!(titles(&beside.engine, &feed, "2").await, ["two", "zwei", "later"], "{write:?}");
        assert_eq!(told(&replayed), ["changed 1 v1: title", "older 2 v2: title"], "{write:?}");
    }
}

#[tokio::test]
async fn what_is_stored_between_two_bodies_of_a_retry_is_what_the_second_is_judged_by() {
    for write in [Write::Collect, Write::Put] {
        // What has no id is rejected. By the first body x has been read later, by the last one it has not.
        let origin = origin(&[
            r#"[{"id": "1"}, {"slug": "a"}, {"slug": "x", "n": 1}]"#,
            r#"[{"id": "1"}, {"id": "x", "slug": "x", "n": 2}]"#,
            r#"[{"id": "1"}, {"slug": "x", "n": 3}]"#,
        ])
        .await;
        let beside = Beside::new().await;
        let feed = add_with(&beside.engine, origin.url("/items"), "json", &["key=id"]).await;
        beside.collect(&feed, 3).await;
        choose(&beside.engine, &feed, r#"{"key":"slug"}"#).await;
        beside.after_the_next_commit(&feed, write, "x", r#"{"slug":"x","n":4}"#);
        let retried = beside.engine.retry_rejects(&RetryRejects::default()).await.unwrap();
        assert!(beside.has_acted(), "{write:?}");
        let fates: Vec<&str> = retried.items.iter().map(|item| item.fate.as_str()).collect();
        assert_eq!(fates, ["new", "overtaken", "overtaken"], "{write:?}");
        let wanted = [RecordRef::key(key_of(&feed, "x")).at(Layer::Bronze)];
        let current = beside.store.get_many(&wanted).await.unwrap().pop().unwrap().unwrap();
        assert_eq!(current.content.as_str(), r#"{"n":4,"slug":"x"}"#, "{write:?}");
    }
}
