//! Servers whose 304s are lies, and those whose are not.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use feedspine::core::{Feed, FetchStatus, MemoryStore};
use feedspine::ops::{FeedReport, SetAddress};
use feedspine::{Engine, Limits, Settings, SimulatedClock};
use tokio::sync::Notify;

use crate::fetching::gzip;
use crate::origin::{Answer, Asked, Origin, rss};
use crate::support::{add, code, collect, engine_with, settings, settings_with, start};

/// A server that shows the document of a number, and what was made of it.
struct Story {
    origin: Origin,
    shown: Arc<AtomicUsize>,
    engine: Engine,
    clock: Arc<SimulatedClock>,
    feed: Feed,
}

/// What a server answers of the document of that number.
type Script = fn(&Asked, usize) -> Answer;

fn document(number: usize) -> Answer {
    let items: Vec<String> = (0..=number).rev().map(|number| number.to_string()).collect();
    let items: Vec<(&str, &str)> = items.iter().map(|item| (item.as_str(), item.as_str())).collect();
    Answer::ok(rss(&items)).with("etag", tag(number))
}

/// It answers 304 to whoever asks with anything.
fn liar(asked: &Asked, number: usize) -> Answer {
    if asked.header("if-none-match").is_some() { Answer::status(304) } else { document(number) }
}

fn honest(asked: &Asked, number: usize) -> Answer {
    let same = asked.header("if-none-match") == Some(&tag(number));
    if same { Answer::status(304) } else { document(number) }
}

impl Story {
    async fn of(script: Script) -> Self {
        let shown = Arc::new(AtomicUsize::new(0));
        let number = Arc::clone(&shown);
        let origin = Origin::start(move |asked| script(asked, number.load(Ordering::SeqCst))).await;
        let clock = Arc::new(SimulatedClock::at(start()));
        let store = Arc::new(MemoryStore::new());
        let engine = Engine::open(store.clone(), store, Settings { clock: clock.clone(), ..settings() }).await.unwrap();
        let feed = add(&engine, origin.url("/feed")).await;
        Self { origin, shown, engine, clock, feed }
    }

    /// Collects once, a day after the time before; the report, and with what validators the server was asked.
    async fn poll(&self) -> (FeedReport, Vec<Option<String>>) {
        let before = self.origin.asked();
        let report = collect(&self.engine, &self.feed).await;
        self.clock.advance(Duration::from_hours(24));
        assert_eq!(code(&report), "ok", "{report:?}");
        let asked = self.origin.log().split_off(before);
        (report, asked.iter().map(|asked| asked.header("if-none-match").map(str::to_owned)).collect())
    }

    /// Polls that long, and gives what the last one came to.
    async fn polls(&self, times: usize) -> (FeedReport, Vec<Option<String>>) {
        for _ in 1..times {
            self.poll().await;
        }
        self.poll().await
    }

    fn show(&self, number: usize) {
        self.shown.store(number, Ordering::SeqCst);
    }

    /// What the notes of the last fetch say of the check.
    async fn checked(&self) -> Option<String> {
        let fetches = self.engine.feed(&self.feed.name).await.unwrap().fetches;
        let notes = fetches[0].detail.as_ref().unwrap().notes.to_json();
        notes.get("checked").and_then(|checked| checked.as_str().map(str::to_owned))
    }
}

fn tag(number: usize) -> String {
    format!("\"{number}\"")
}

#[tokio::test]
async fn a_server_that_lies_is_found_out_after_a_week_and_asked_without_validators_until_it_tells_a_change() {
    let story = Story::of(liar).await;
    story.poll().await;
    story.show(1);
    for _ in 0..6 {
        let (report, asked) = story.poll().await;
        assert_eq!((report.outcome, asked), (FetchStatus::Unchanged, vec![Some(tag(0))]));
    }
    // The document, and the question whether what is new would have been told.
    let (report, asked) = story.poll().await;
    assert_eq!((report.counts.new, asked), (1, vec![None, Some(tag(0))]));
    assert!(report.warnings[0].starts_with("http.stale_validators: "), "{report:?}");
    assert!(report.warnings[0].contains("once"), "{report:?}");
    assert_eq!(story.checked().await.as_deref(), Some("stale"));
    for number in 2..8 {
        story.show(number);
        let (report, asked) = story.poll().await;
        assert_eq!((report.counts.new, asked), (1, vec![None]), "{number}");
    }
    // It lies again a week later, and is found out again.
    story.show(8);
    let (report, asked) = story.poll().await;
    assert_eq!(asked, [None, Some(tag(7))]);
    assert!(report.warnings[0].contains("2 times"), "{report:?}");
}

#[tokio::test]
async fn a_server_that_lied_is_believed_again_once_it_tells_a_change() {
    let story = Story::of(|asked, number| if number < 2 { liar(asked, number) } else { honest(asked, number) }).await;
    story.poll().await;
    story.show(1);
    let (report, _) = story.polls(7).await;
    assert!(report.warnings[0].starts_with("http.stale_validators: "), "{report:?}");
    story.show(2);
    story.polls(6).await;
    story.show(3);
    let (report, asked) = story.poll().await;
    assert_eq!((report.warnings.len(), asked), (0, vec![None, Some(tag(2))]));
    assert_eq!(story.checked().await.as_deref(), Some("changed"));
    let (report, asked) = story.poll().await;
    assert_eq!((report.http_status, asked), (Some(304), vec![Some(tag(3))]));
}

#[tokio::test]
async fn what_is_held_against_a_server_is_not_held_against_the_next_one() {
    let story = Story::of(|asked, number| if asked.path == "/feed" { liar } else { honest }(asked, number)).await;
    story.poll().await;
    story.show(1);
    let (report, _) = story.polls(7).await;
    assert!(report.warnings[0].starts_with("http.stale_validators: "), "{report:?}");
    let set = SetAddress { feed: story.feed.name.clone(), address: story.origin.url("/honest"), allow_private: false };
    story.engine.set_address(&set).await.unwrap();
    story.poll().await;
    let (report, asked) = story.poll().await;
    assert_eq!((report.http_status, asked), (Some(304), vec![Some(tag(1))]));
}

#[tokio::test]
async fn a_server_that_is_honest_is_asked_once_a_week_for_the_whole_document() {
    let story = Story::of(honest).await;
    story.poll().await;
    let (_, asked) = story.polls(6).await;
    assert_eq!(asked, [Some(tag(0))]);
    let (report, asked) = story.poll().await;
    assert_eq!((report.outcome, report.http_status, asked), (FetchStatus::Unchanged, Some(200), vec![None]));
    assert_eq!(story.checked().await.as_deref(), Some("same"));
    story.polls(6).await;
    story.show(1);
    let (report, asked) = story.poll().await;
    assert_eq!((report.warnings.len(), asked), (0, vec![None, Some(tag(0))]));
    // Both answers came whole.
    assert_eq!(report.wire_bytes, 2 * report.body_bytes);
    assert_eq!(story.checked().await.as_deref(), Some("changed"));
}

#[tokio::test]
async fn a_server_that_is_asked_once_more_keeps_no_other_from_being_read() {
    let asked_again = Arc::new(Notify::new());
    let again = Arc::clone(&asked_again);
    let origin = Origin::start(move |asked| {
        if asked.path == "/other" {
            return document(0);
        }
        if asked.header("if-none-match").is_some() {
            again.notify_one();
            return Answer::stalled("");
        }
        let shown = rss(&[(if asked.number == 0 { "1" } else { "2" }, "item")]);
        Answer::ok(gzip(shown.as_bytes())).with("content-encoding", "gzip").with("etag", tag(asked.number))
    });
    let origin = origin.await;
    let clock = Arc::new(SimulatedClock::at(start()));
    // What is coded may become so large that there is room for nothing beside it.
    let limits = Limits { body_bytes: 1 << 30, ratio: 1 << 20, ..Limits::default() };
    let engine = engine_with(Settings { clock: clock.clone(), ..settings_with(limits) }).await;
    let checked = add(&engine, origin.url("/feed")).await;
    assert_eq!(code(&collect(&engine, &checked).await), "ok");
    clock.advance(Duration::from_hours(7 * 24));
    let other = add(&engine, origin.url("/other")).await;
    let read_beside = async {
        asked_again.notified().await;
        collect(&engine, &other).await
    };
    tokio::select! {
        report = read_beside => assert_eq!(code(&report), "ok"),
        report = collect(&engine, &checked) => panic!("the other feed waited for it: {report:?}"),
    }
}

#[tokio::test]
async fn a_304_refreshes_what_it_names_and_is_asked_with_the_next_time() {
    let story = Story::of(|asked, _| match asked.header("if-none-match") {
        None => document(0),
        Some("\"0\"") => Answer::status(304).with("etag", "\"refreshed\""),
        Some(_) => Answer::status(304),
    });
    let story = story.await;
    let refreshed = Some("\"refreshed\"".to_owned());
    for expected in [None, Some(tag(0)), refreshed.clone(), refreshed] {
        assert_eq!(story.poll().await.1, [expected]);
    }
}
