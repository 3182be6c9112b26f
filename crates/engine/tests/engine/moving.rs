//! Feeds that move: what permanent redirects do to a feed's address, and what they do not.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedspine::core::{Feed, FeedStatus, MemoryStore, PageRequest, Query, Selection, StateStore};
use feedspine::ops::{AddFeed, AddOutcome, AddressOutcome, FeedReport, SetAddress};
use feedspine::{Engine, Familiar, RequestChoice, Settings, SimulatedClock, ToJson, WhyLeft};

use crate::bent::{Bent, Change};
use crate::origin::{Answer, Asked, Origin, rss};
use crate::support::{add, code, collect, engine_with, name, settings, start};

/// The path that a feed is at, the one that it moves to, and what leads there.
struct Moving {
    origin: Origin,
    /// The status of the redirects from `/old`; 200 while it is there itself.
    status: Arc<Mutex<u16>>,
    state: Arc<Bent>,
    engine: Engine,
    clock: Arc<SimulatedClock>,
    feed: Feed,
}

impl Moving {
    async fn begin() -> Self {
        let status = Arc::new(Mutex::new(200));
        let shown = Arc::clone(&status);
        let document = |asked: &Asked| match asked.header("if-none-match") {
            Some("\"1\"") => Answer::status(304),
            _ => Answer::ok(rss(&[("1", "one"), ("2", "two")])).with("etag", "\"1\""),
        };
        let origin =
            Origin::start(move |asked| match (asked.path.split('?').next().unwrap(), *shown.lock().unwrap()) {
                ("/old", 200) | ("/new", _) => document(asked),
                ("/old", status) => Answer::status(status).with("location", "/between"),
                ("/between", _) => Answer::status(301).with("location", "/new"),
                ("/strange", _) => Answer::ok(rss(&[("x", "somebody else")])),
                _ => Answer::status(404),
            });
        let origin = origin.await;
        let clock = Arc::new(SimulatedClock::at(start()));
        let store = Arc::new(MemoryStore::new());
        let state = Bent::over(store.clone());
        let settings = Settings { clock: clock.clone(), ..settings() };
        let engine = Engine::open(store, state.clone(), settings).await.unwrap();
        let feed = add(&engine, origin.url("/old")).await;
        Self { origin, status, state, engine, clock, feed }
    }

    fn redirect(&self, status: u16) {
        *self.status.lock().unwrap() = status;
    }

    /// Collects once, a day after the time before.
    async fn poll(&self) -> FeedReport {
        let report = collect(&self.engine, &self.feed).await;
        self.clock.advance(Duration::from_hours(24));
        assert_eq!(code(&report), "ok", "{report:?}");
        report
    }

    async fn address(&self) -> String {
        self.engine.feed(&self.feed.name).await.unwrap().feed.address
    }

    fn asked(&self, path: &str) -> usize {
        self.origin.log().iter().filter(|asked| asked.path == path).count()
    }
}

#[tokio::test]
async fn a_feed_that_permanent_redirects_lead_away_for_seven_days_moves_and_loses_nothing() {
    let moving = Moving::begin().await;
    moving.poll().await;
    moving.redirect(301);
    for _ in 0..7 {
        let report = moving.poll().await;
        assert!(report.warnings.is_empty(), "{report:?}");
        assert_eq!(moving.address().await, moving.origin.url("/old"));
    }
    let pointing = moving.engine.explain(&moving.feed.name).await.unwrap().pointing.unwrap();
    assert_eq!((pointing.to, pointing.fetches, pointing.content), (moving.origin.url("/new"), 7, Familiar::Yes));
    let report = moving.poll().await;
    assert!(report.warnings[0].starts_with("feed.moved: "), "{report:?}");
    let view = moving.engine.feed(&moving.feed.name).await.unwrap();
    assert_eq!(view.feed.address, moving.origin.url("/new"));
    assert_eq!((&view.feed.namespace, view.feed.id), (&moving.feed.namespace, moving.feed.id));
    let [former] = &view.formerly[..] else { panic!("{:?}", view.formerly) };
    assert_eq!(former.address, moving.origin.url("/old"));
    assert!(matches!(former.why, WhyLeft::Moved { fetches: 8, .. }), "{former:?}");
    // It is asked there alone, with what it told before, and each item is the record that it was.
    let before = moving.asked("/old");
    assert_eq!(moving.poll().await.http_status, Some(304));
    assert_eq!(moving.asked("/old"), before);
    let query = Query { selection: Selection::everything(), order: Vec::new(), page: PageRequest::first(10) };
    let records = moving.engine.storage().query_page(&query).await.unwrap().items;
    assert_eq!(records.len(), 2);
    let seen = moving.engine.storage().seen_many(std::slice::from_ref(&records[0].key)).await.unwrap();
    assert_eq!(seen[0].unwrap().count, 10);
    assert_eq!(moving.engine.explain(&moving.feed.name).await.unwrap().pointing, None);
    // Whoever adds the address that it left means it.
    let again = moving.engine.add(AddFeed::new(moving.origin.url("/old"))).await.unwrap();
    assert_eq!((again.outcome, again.feed.id), (AddOutcome::Already, moving.feed.id));
}

#[tokio::test]
async fn a_move_undoes_nothing_that_an_operator_does_meanwhile_and_is_made_by_the_next_fetch() {
    let renamed = |feed| Feed { name: name("renamed"), ..feed };
    let paused = |feed| Feed { status: FeedStatus::Paused, ..feed };
    let removed = |feed| Feed { status: FeedStatus::Removed, ..feed };
    let changes: [(Change, bool); 3] = [(renamed, true), (paused, false), (removed, false)];
    for (change, moves_later) in changes {
        let mut moving = Moving::begin().await;
        moving.redirect(301);
        for _ in 0..7 {
            moving.poll().await;
        }
        moving.state.meanwhile(&[change]);
        let report = moving.poll().await;
        assert!(report.warnings.is_empty() && moving.state.to_come() == 0, "{report:?}");
        let feeds = moving.state.feeds().await.unwrap();
        assert_eq!(feeds, [change(Feed { key_rule: feeds[0].key_rule, ..moving.feed.clone() })]);
        if moves_later {
            moving.feed = feeds[0].clone();
            let report = moving.poll().await;
            assert!(report.warnings[0].starts_with("feed.moved: "), "{report:?}");
            let now = Feed { address: moving.origin.url("/new"), ..feeds[0].clone() };
            let moved = moving.state.feeds().await.unwrap().remove(0);
            assert_eq!(Feed { settings: now.settings.clone(), ..moved }, now);
        }
    }
}

#[tokio::test]
async fn a_feed_that_a_temporary_redirect_begins_the_way_of_never_moves() {
    for status in [302, 303, 307] {
        let moving = Moving::begin().await;
        moving.redirect(status);
        for _ in 0..10 {
            moving.poll().await;
        }
        assert_eq!(moving.address().await, moving.origin.url("/old"), "{status}");
        let told = moving.engine.explain(&moving.feed.name).await.unwrap();
        assert_eq!((told.pointing, told.formerly), (None, Vec::new()), "{status}");
    }
}

#[tokio::test]
async fn a_feed_does_not_move_where_it_is_said_not_to() {
    let moving = Moving::begin().await;
    let mut requests = RequestChoice::default();
    requests.say("follow_moves", &false.into()).unwrap();
    let request = AddFeed { requests, name: Some(name("stays")), ..AddFeed::new(moving.origin.url("/between")) };
    let stays = moving.engine.add(request).await.unwrap().feed;
    for _ in 0..10 {
        collect(&moving.engine, &stays).await;
        moving.clock.advance(Duration::from_hours(24));
    }
    let told = moving.engine.explain(&stays.name).await.unwrap();
    assert_eq!((told.feed.address, told.pointing.unwrap().fetches), (moving.origin.url("/between"), 10));
}

#[tokio::test]
async fn a_move_is_told_without_the_secrets_in_its_addresses() {
    let moving = Moving::begin().await;
    let request = AddFeed { name: Some(name("secret")), ..AddFeed::new(moving.origin.url("/between?token=hush")) };
    let feed = moving.engine.add(request).await.unwrap().feed;
    let mut warnings = Vec::new();
    for _ in 0..8 {
        warnings.extend(collect(&moving.engine, &feed).await.warnings);
        moving.clock.advance(Duration::from_hours(24));
    }
    let [told] = &warnings[..] else { panic!("{warnings:?}") };
    assert!(told.contains("/between?token=***") && !told.contains("hush"), "{told}");
    let view = moving.engine.feed(&feed.name).await.unwrap().to_json().to_string();
    let explained = moving.engine.explain(&feed.name).await.unwrap().to_json().to_string();
    assert!(view.contains("/between?token=***") && !view.contains("hush") && !explained.contains("hush"), "{view}");
}

#[tokio::test]
async fn two_feeds_that_come_to_one_address_are_linked_and_stay_two() {
    let moving = Moving::begin().await;
    moving.redirect(308);
    let other = AddFeed { name: Some(name("other")), ..AddFeed::new(moving.origin.url("/new")) };
    let other = moving.engine.add(other).await.unwrap().feed;
    collect(&moving.engine, &other).await;
    for _ in 0..8 {
        moving.poll().await;
    }
    assert_eq!(moving.address().await, other.address);
    for (feed, linked) in [(&moving.feed.name, &other.name), (&other.name, &moving.feed.name)] {
        assert_eq!(&moving.engine.feed(feed).await.unwrap().linked, std::slice::from_ref(linked));
    }
    let query = Query { selection: Selection::everything(), order: Vec::new(), page: PageRequest::first(10) };
    assert_eq!(moving.engine.storage().query_page(&query).await.unwrap().items.len(), 4);
}

#[tokio::test]
async fn what_the_operator_takes_back_stays_taken_back() {
    let moving = Moving::begin().await;
    moving.redirect(301);
    for _ in 0..8 {
        moving.poll().await;
    }
    assert_eq!(moving.address().await, moving.origin.url("/new"));
    let back = SetAddress { feed: moving.feed.name.clone(), address: moving.origin.url("/old"), allow_private: false };
    let set = moving.engine.set_address(&back).await.unwrap();
    assert_eq!((set.outcome, set.feed.address), (AddressOutcome::Moved, moving.origin.url("/old")));
    for _ in 0..10 {
        moving.poll().await;
    }
    assert_eq!(moving.address().await, moving.origin.url("/old"));
    let view = moving.engine.feed(&moving.feed.name).await.unwrap();
    assert_eq!(view.formerly.last().unwrap().why, WhyLeft::Operator);
    assert_eq!(moving.engine.set_address(&back).await.unwrap().outcome, AddressOutcome::Already);
}

#[tokio::test]
async fn what_a_feed_was_allowed_of_private_addresses_stays_with_its_host() {
    let other = Origin::start(|_| Answer::ok(rss(&[("1", "one"), ("2", "two")]))).await;
    let to = other.url_by_name("/feed");
    let own = Origin::start(move |_| Answer::status(301).with("location", to.clone())).await;
    let clock = Arc::new(SimulatedClock::at(start()));
    let nothing_allowed = Settings { clock: clock.clone(), allow: Vec::new(), ..settings() };
    let engine = engine_with(nothing_allowed).await;
    let feed = engine.add(AddFeed { allow_private: true, ..AddFeed::new(own.url("/feed")) }).await.unwrap().feed;
    for _ in 0..10 {
        assert_eq!(code(&collect(&engine, &feed).await), "ok");
        clock.advance(Duration::from_hours(24));
    }
    assert_eq!(engine.feed(&feed.name).await.unwrap().feed.address, feed.address);
    let set = |address: &str, allow_private| {
        let request = SetAddress { feed: feed.name.clone(), address: address.to_owned(), allow_private };
        let engine = engine.clone();
        async move { engine.set_address(&request).await }
    };
    assert_eq!(set(&other.url_by_name("/feed"), false).await.unwrap_err().code(), "net.private");
    let moved = set(&own.url("/other"), false).await.unwrap();
    assert_eq!((moved.feed.allow_private, moved.warnings.len()), (true, 0));
    let moved = set(&other.url_by_name("/feed"), true).await.unwrap();
    assert_eq!((moved.feed.allow_private, moved.warnings.len()), (true, 0));
    let moved = set("https://example.org/feed", false).await.unwrap();
    assert!(!moved.feed.allow_private && moved.warnings[0].contains("--allow-private"), "{moved:?}");
    let allowed = set("https://example.org/feed", true).await.unwrap();
    assert_eq!((allowed.outcome, allowed.feed.allow_private), (AddressOutcome::NowAllowed, true));
}

#[tokio::test]
async fn an_address_that_a_feed_cannot_have_is_refused() {
    let moving = Moving::begin().await;
    for (address, code) in
        [("push:orders", "feed.address_kind"), ("http://10.0.0.1/", "net.private"), ("ftp://a.example/", "")]
    {
        let request = SetAddress { feed: moving.feed.name.clone(), address: address.to_owned(), allow_private: false };
        let refused = moving.engine.set_address(&request).await.unwrap_err();
        assert!(code.is_empty() || refused.code() == code, "{address}: {refused:?}");
    }
    assert_eq!(moving.address().await, moving.feed.address);
}
