//! Hubs: who asks them, what is stored of what they tell, and what stands beside it.
//!
//! Time is the test's; what is agreed with a hub is read from where it is kept.

use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedspine::core::{Feed, FetchId, FetchIntent, FetchStatus, Json, MemoryStore, PageRequest, StateStore};
use feedspine::ops::{AddFeed, SubscriptionState};
use feedspine::{Delivered, Delivery, Engine, HubAnswer, Settings, SimulatedClock};
use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;

use crate::origin::{Answer, Asked, Origin, rss};
use crate::support::{collect, settings, start};

const HUB: &str = "/hub";

/// A store with a clock, and a site that is a feed and its hubs.
struct Place {
    store: Arc<MemoryStore>,
    clock: Arc<SimulatedClock>,
    origin: Origin,
}

impl Place {
    /// The feed lists one item and names `hubs`; the script answers what is asked besides.
    async fn new(hubs: &'static [&'static str], script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::listing(hubs, script, || rss(&[("a", "A")])).await
    }

    /// The same, of a feed that lists this.
    async fn listing(
        hubs: &'static [&'static str],
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
        listed: impl Fn() -> String + Send + Sync + 'static,
    ) -> Self {
        let origin = Origin::start(move |asked| {
            if !asked.path.starts_with("/feed") {
                return script(asked);
            }
            let links: Vec<String> = hubs.iter().map(|hub| format!("<{hub}>; rel=hub")).collect();
            Answer::ok(listed()).with("link", links.join(", "))
        });
        Self { store: Arc::new(MemoryStore::new()), clock: Arc::new(SimulatedClock::at(start())), origin: origin.await }
    }

    async fn engine(&self) -> Engine {
        let settings = Settings {
            clock: self.clock.clone(),
            websub_callback: Some("https://feeds.example.org".parse().unwrap()),
            ..settings()
        };
        Engine::open(self.store.clone(), self.store.clone(), settings).await.unwrap()
    }

    /// A feed that was read once.
    async fn feed(&self, engine: &Engine) -> Feed {
        let request = AddFeed { allow_private: true, ..AddFeed::new(self.origin.url("/feed")) };
        let feed = engine.add(request).await.unwrap().feed;
        assert_eq!(collect(engine, &feed).await.outcome, FetchStatus::Captured);
        feed
    }

    /// One whose hub granted a subscription.
    async fn told_feed(&self, engine: &Engine) -> Feed {
        let feed = self.feed(engine).await;
        keep(engine).await;
        let query = self.verification("subscribe", 864_000).await;
        let answered = engine.hub_asks(&self.kept("token").await, &query).await.unwrap();
        assert_eq!(answered, HubAnswer::Challenge("x y".to_owned()));
        feed
    }

    /// What is agreed with the hub.
    async fn kept(&self, member: &str) -> String {
        let feed = self.store.feeds().await.unwrap().remove(0);
        let settings = feed.settings.to_json();
        let agreement = settings.get("subscription").and_then(|kept| kept.get("agreement")).unwrap();
        agreement.get(member).and_then(Json::as_str).unwrap().to_owned()
    }

    async fn verification(&self, mode: &str, lease_seconds: u64) -> String {
        let topic = self.kept("topic").await;
        format!("hub.mode={mode}&hub.topic={topic}&hub.challenge=x+y&hub.lease_seconds={lease_seconds}")
    }

    /// What the hub tells, signed.
    async fn delivery(&self, body: &str) -> Delivery {
        let mut mac = Hmac::<Sha256>::new_from_slice(self.kept("secret").await.as_bytes()).unwrap();
        mac.update(body.as_bytes());
        let digits: Vec<String> = mac.finalize().into_bytes().iter().map(|byte| format!("{byte:02x}")).collect();
        let signature = Some(format!("sha256={}", digits.concat()));
        Delivery { signature, body: body.as_bytes().to_vec(), ..Delivery::default() }
    }

    fn hub_asked(&self) -> usize {
        self.origin.log().iter().filter(|asked| asked.path.starts_with(HUB)).count()
    }
}

/// Keeps subscriptions for as long as it takes to ask a hub once.
async fn keep(engine: &Engine) {
    engine.keep_subscriptions(tokio::time::sleep(Duration::from_millis(300))).await;
}

async fn state(engine: &Engine) -> (SubscriptionState, Option<String>) {
    let held = engine.subscriptions(None).await.unwrap().feeds.remove(0);
    (held.state, held.why)
}

fn taken(_: &Asked) -> Answer {
    Answer::status(202)
}

#[tokio::test]
async fn of_two_processes_one_asks_the_hub_and_either_is_told() {
    let place = Place::new(&[HUB], taken).await;
    let (one, other) = (place.engine().await, place.engine().await);
    let feed = place.feed(&one).await;
    tokio::join!(keep(&one), keep(&other));
    assert_eq!((place.hub_asked(), state(&other).await.0), (1, SubscriptionState::Asked));
    let (token, query) = (place.kept("token").await, place.verification("subscribe", 3_600).await);
    assert_eq!(other.hub_asks(&token, &query).await.unwrap(), HubAnswer::Challenge("x y".to_owned()));
    // It may not have heard the answer.
    assert_eq!(one.hub_asks(&token, &query).await.unwrap(), HubAnswer::Challenge("x y".to_owned()));
    place.clock.advance(Duration::from_mins(15));
    assert_eq!(one.hub_asks(&token, &query).await.unwrap(), HubAnswer::Unknown);
    for (engine, item) in [(&one, "b"), (&other, "c")] {
        let delivery = place.delivery(&rss(&[(item, "told")])).await;
        let Delivered::Taken(report) = engine.hub_tells(&token, delivery).await.unwrap() else { panic!() };
        assert_eq!((report.counts.new, report.feed), (1, feed.name.clone()));
    }
    tokio::join!(keep(&one), keep(&other));
    assert_eq!(place.hub_asked(), 1);
}

#[tokio::test]
async fn a_hub_that_does_not_take_it_is_followed_by_the_next_and_redirects_keep_the_form() {
    let place = Place::new(&["/hub/broken", "/hub/moved"], |asked| match asked.path.as_str() {
        "/hub/moved" => Answer::status(307).with("location", "/hub/here"),
        "/hub/here" => Answer::status(202),
        _ => Answer::status(500),
    });
    let place = place.await;
    let engine = place.engine().await;
    place.feed(&engine).await;
    keep(&engine).await;
    let (held, why) = state(&engine).await;
    assert_eq!(held, SubscriptionState::Failed);
    assert!(why.unwrap().contains("500"));
    place.clock.advance(Duration::from_mins(1));
    keep(&engine).await;
    assert_eq!(state(&engine).await.0, SubscriptionState::Asked);
    let paths: Vec<String> = place.origin.log().into_iter().map(|asked| asked.path).skip(1).collect();
    assert_eq!(paths, ["/hub/broken", "/hub/moved", "/hub/here"]);
}

#[tokio::test]
async fn no_secret_is_sent_by_http_unless_the_feed_may_be_at_private_addresses() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    let feed = engine.add(AddFeed::new(place.origin.url("/feed"))).await.unwrap().feed;
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Captured);
    keep(&engine).await;
    let why = "the hub is not reached over https".to_owned();
    assert_eq!((state(&engine).await, place.hub_asked()), ((SubscriptionState::Failed, Some(why)), 0));
}

#[tokio::test]
async fn a_delivery_waits_for_a_fetch_that_is_under_way_and_neither_is_lost() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    let feed = place.told_feed(&engine).await;
    let slow = Origin::start(|_| Answer::ok(rss(&[("z", "Z"), ("a", "A")])).after(Duration::from_millis(600))).await;
    let now = engine.state().feeds().await.unwrap().remove(0);
    let moved = Feed { address: slow.url("/feed"), ..now.clone() };
    assert!(engine.state().replace_feed(&now, &moved).await.unwrap());
    let (token, delivery) = (place.kept("token").await, place.delivery(&rss(&[("b", "B")])).await);
    let told = async {
        tokio::time::sleep(Duration::from_millis(200)).await;
        engine.hub_tells(&token, delivery).await.unwrap()
    };
    let (collected, told) = tokio::join!(collect(&engine, &feed), told);
    assert_eq!((collected.outcome, collected.counts.new), (FetchStatus::Captured, 1), "{collected:?}");
    assert!(matches!(told, Delivered::Taken(report) if report.counts.new == 1));
    let fetches = place.store.fetches_page(feed.id, &PageRequest::first(9)).await.unwrap().items;
    let interrupted = |status| status == FetchStatus::Interrupted;
    assert!(!fetches.iter().any(|fetch| fetch.detail.as_ref().is_none_or(|detail| interrupted(detail.status))));
}

#[tokio::test]
async fn a_fetch_that_runs_for_long_is_not_interrupted_by_what_is_told() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    let feed = place.told_feed(&engine).await;
    let (fetch, address) = (FetchId::from_u128(u128::MAX), feed.address.clone());
    let intent = FetchIntent { fetch, feed: feed.id, started_at: start(), address };
    place.store.begin_fetch(&intent, None).await.unwrap();
    let (token, delivery) = (place.kept("token").await, place.delivery(&rss(&[("b", "B")])).await);
    tokio::time::pause();
    assert!(matches!(engine.hub_tells(&token, delivery.clone()).await.unwrap(), Delivered::Busy));
    let newest = place.store.fetches_page(feed.id, &PageRequest::first(1)).await.unwrap().items.remove(0);
    assert!(newest.intent.fetch == fetch && newest.detail.is_none());
    // Whoever began it died: it is not waited for any more.
    place.clock.advance(Duration::from_mins(10));
    assert!(matches!(engine.hub_tells(&token, delivery).await.unwrap(), Delivered::Taken(_)));
}

#[tokio::test]
async fn a_hub_is_relied_on_once_it_told_first_and_not_when_something_is_found_that_it_had_not_told() {
    let listed = Arc::new(Mutex::new(vec![("a", "A")]));
    let lists = Arc::clone(&listed);
    let place = Place::listing(&[HUB], taken, move || rss(&lists.lock().unwrap())).await;
    let engine = place.engine().await;
    let feed = place.told_feed(&engine).await;
    let token = place.kept("token").await;
    let is_backup = async || collect(&engine, &feed).await.next.unwrap().why.contains("as a backup");
    assert!(!is_backup().await);
    let tell = async |item| {
        let delivery = place.delivery(&rss(&[(item, "told")])).await;
        engine.hub_tells(&token, delivery).await.unwrap()
    };
    assert!(matches!(tell("b").await, Delivered::Taken(_)));
    assert!(is_backup().await && is_backup().await);
    listed.lock().unwrap().insert(0, ("c", "C"));
    assert!(!is_backup().await && !is_backup().await);
    // It tells of it, but late.
    assert!(matches!(tell("c").await, Delivered::Taken(_)));
    assert!(!is_backup().await);
    assert!(matches!(tell("d").await, Delivered::Taken(_)));
    assert!(is_backup().await);
}

#[tokio::test]
async fn what_was_told_before_is_stored_once_and_the_document_is_read_anew() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    let feed = place.told_feed(&engine).await;
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    let (token, delivery) = (place.kept("token").await, place.delivery(&rss(&[("a", "old")])).await);
    place.clock.advance(Duration::from_secs(1));
    let Delivered::Taken(told) = engine.hub_tells(&token, delivery.clone()).await.unwrap() else { panic!() };
    assert_eq!(told.counts.changed, 1);
    place.clock.advance(Duration::from_secs(1));
    // The very document that is held: it is read, and goes before what was told.
    let read = collect(&engine, &feed).await;
    assert_eq!((read.outcome, read.counts.changed), (FetchStatus::Captured, 1));
    assert!(matches!(engine.hub_tells(&token, delivery).await.unwrap(), Delivered::Repeated));
    let read = collect(&engine, &feed).await;
    assert_eq!((read.outcome, read.counts.changed), (FetchStatus::Unchanged, 0));
    assert_eq!(engine.subscriptions(None).await.unwrap().feeds[0].repeated, 1);
}

#[tokio::test]
async fn a_feed_is_asked_as_before_once_its_hub_says_no() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    let feed = place.told_feed(&engine).await;
    let token = place.kept("token").await;
    let delivery = place.delivery(&rss(&[("b", "B")])).await;
    assert!(matches!(engine.hub_tells(&token, delivery).await.unwrap(), Delivered::Taken(_)));
    collect(&engine, &feed).await;
    let due = async || engine.state().schedule_of(feed.id).await.unwrap().unwrap().due_at.unwrap();
    assert!(due().await >= start().saturating_add_micros(24 * 3_600 * 1_000_000));
    let topic = place.kept("topic").await;
    let denial = format!("hub.mode=denied&hub.topic={topic}&hub.reason=enough");
    assert_eq!(engine.hub_asks(&token, &denial).await.unwrap(), HubAnswer::Noted);
    assert_eq!(due().await, start());
    let why = engine.explain(&feed.name).await.unwrap().next.unwrap().why;
    assert_eq!(why, "at once: no hub tells of it any more");
    assert_eq!(state(&engine).await, (SubscriptionState::Denied, Some("the hub denied it: enough".to_owned())));
}

#[tokio::test]
async fn what_is_told_and_cannot_be_read_is_written_down_and_what_is_no_document_is_not() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    let feed = place.told_feed(&engine).await;
    let token = place.kept("token").await;
    let newest = async || {
        let fetches = engine.state().fetches_page(feed.id, &PageRequest::first(9)).await.unwrap().items;
        (fetches.len(), fetches[0].detail.clone().unwrap().code)
    };
    place.clock.advance(Duration::from_secs(1));
    let whole = rss(&[("b", "B"), ("c", "C")]);
    let cut = place.delivery(&whole[..whole.len() - 60]).await;
    assert!(matches!(engine.hub_tells(&token, cut).await.unwrap(), Delivered::Taken(_)));
    assert_eq!(newest().await, (2, Some("xml.truncated".to_owned())));
    for nothing in ["", "ping", "{\"ping\":1}", "<html><p>new</p></html>", &rss(&[])] {
        let delivery = place.delivery(nothing).await;
        assert!(matches!(engine.hub_tells(&token, delivery).await.unwrap(), Delivered::Pinged), "{nothing}");
    }
    assert_eq!(newest().await.0, 2);
    // None of these is new: the store holds what it held.
    assert_eq!(engine.feed(&feed.name).await.unwrap().ledger.counts.new, 1);
    // What is packed is unpacked, once it is known whose it is.
    let unknown = Delivery { content_encoding: Some("lzma".to_owned()), ..place.delivery(&whole).await };
    assert!(matches!(engine.hub_tells(&token, unknown).await.unwrap(), Delivered::Pinged));
    // Of what was no news itself the feed is asked, and that is told.
    let why = engine.explain(&feed.name).await.unwrap().next.unwrap().why;
    assert_eq!(why, "at once, once a minute at most: its hub told that there is something new");
}

#[tokio::test]
async fn what_a_hub_told_is_news_of_its_feed_and_no_gap_when_the_feed_has_moved_on() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    let feed = place.told_feed(&engine).await;
    let due = async || engine.state().schedule_of(feed.id).await.unwrap().unwrap().due_at;
    let before = due().await;
    place.clock.advance(Duration::from_mins(7));
    let (token, delivery) = (place.kept("token").await, place.delivery(&rss(&[("c", "C"), ("b", "B")])).await);
    engine.hub_tells(&token, delivery).await.unwrap();
    let last_new = engine.health(None).await.unwrap().feeds.remove(0).last_new;
    assert_eq!((last_new, due().await), (Some(start().saturating_add_micros(420_000_000)), before));
    // The document shares nothing with the one before it.
    let later = Origin::start(|_| Answer::ok(rss(&[("c", "C"), ("b", "B")]))).await;
    let now = engine.state().feeds().await.unwrap().remove(0);
    let moved = Feed { address: later.url("/feed"), ..now.clone() };
    assert!(engine.state().replace_feed(&now, &moved).await.unwrap());
    let report = collect(&engine, &feed).await;
    assert_eq!((report.counts.new, report.counts.unchanged, report.counts.gaps), (0, 2, 1));
    let why = report.next.unwrap().why;
    assert!(why.contains("as a backup") && !why.contains("missed"), "{why}");
}

#[tokio::test]
async fn a_hub_that_tells_too_much_is_told_to_wait() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    place.told_feed(&engine).await;
    let (token, delivery) = (place.kept("token").await, place.delivery("ping").await);
    for number in 0..=120 {
        let told = engine.hub_tells(&token, delivery.clone()).await.unwrap();
        assert_eq!(matches!(told, Delivered::TooMuch), number == 120, "{number} {told:?}");
    }
}

#[tokio::test]
async fn nothing_is_told_to_whoever_has_no_token() {
    let place = Place::new(&[HUB], taken).await;
    let engine = place.engine().await;
    place.told_feed(&engine).await;
    let token = place.kept("token").await;
    for wrong in ["", "x", &token[1..], &format!("{}0", &token[1..]), &format!("{token}0"), &token.to_uppercase()] {
        if wrong == token {
            continue;
        }
        let delivery = place.delivery("x").await;
        assert!(matches!(engine.hub_tells(wrong, delivery).await.unwrap(), Delivered::Gone), "{wrong}");
        assert_eq!(engine.hub_asks(wrong, "hub.mode=denied").await.unwrap(), HubAnswer::Unknown, "{wrong}");
    }
}
