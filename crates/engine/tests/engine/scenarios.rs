//! What feeds do in the wild, each as a script for the server: items that change their keys, come back, shift or lie.
//!
//! Of each is asserted what was asked, what the ledger says, and which records, versions and sightings there are.
//!
//! Others have a file of their own: 304s and validators in `honesty` and `collecting`, bodies that are the same in `polls`, cut
//! ones and hosts that want to be left alone in `fetching`, the page behind EDGAR's last in `edgar`, moves in `moving`, a network
//! that is down and fifty feeds of one host in `watching` and `collecting`, a crash between fetch and commit in the command
//! line's `kill` and `fleet`, the same on every backend in `crates/differential`. Deleted records are the kit's (`records`).

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::time::Duration;

use feedspine::core::{
    ChangeKind, Event, Feed, FetchStatus, KeyRule, MemoryStore, PageRequest, Query, Record, Selection, Seq, Timestamp,
};
use feedspine::ops::{FeedReport, RecordHistory};
use feedspine::{Engine, Settings, SimulatedClock};

use crate::origin::{Answer, Asked, Origin};
use crate::support::{add_with, code, collect, engine, settings, start};

/// One poll after the other, an hour apart.
struct Script {
    origin: Origin,
    engine: Engine,
    clock: Arc<SimulatedClock>,
    feed: Feed,
    asked: usize,
}

impl Script {
    /// A feed that shows these documents, the last one for ever.
    async fn of(documents: Vec<String>, options: &[&str]) -> Self {
        let answer = move |asked: &Asked| Answer::ok(documents[asked.number.min(documents.len() - 1)].clone());
        Self::answering(answer, "feed", options).await
    }

    /// A source that answers so, read by that adapter.
    async fn answering(
        answer: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
        adapter: &str,
        options: &[&str],
    ) -> Self {
        let origin = Origin::start(answer).await;
        let clock = Arc::new(SimulatedClock::at(start()));
        let store = Arc::new(MemoryStore::new());
        let settings = Settings { clock: clock.clone(), ..settings() };
        let engine = Engine::open(store.clone(), store, settings).await.unwrap();
        let feed = add_with(&engine, origin.url("/feed"), adapter, options).await;
        Self { origin, engine, clock, feed, asked: 0 }
    }

    /// Collects once, which asks the server once and adds a row to the ledger.
    async fn poll(&mut self) -> FeedReport {
        let report = collect(&self.engine, &self.feed).await;
        self.clock.advance(Duration::from_hours(1));
        self.asked += 1;
        assert_eq!(code(&report), "ok", "{report:?}");
        assert_eq!((self.origin.asked(), self.ledger().await.len()), (self.asked, self.asked));
        report
    }

    async fn ledger(&self) -> Vec<&'static str> {
        let ledger = self.engine.storage().observations_page(self.feed.id, &PageRequest::first(1_000)).await.unwrap();
        ledger.items.iter().map(|observation| observation.coverage.as_str()).collect()
    }

    /// All records, in the order of their capture.
    async fn records(&self) -> Vec<Record> {
        let (selection, page) = (Selection::everything(), PageRequest::first(1_000));
        self.engine.storage().query_page(&Query { selection, order: Vec::new(), page }).await.unwrap().items
    }

    async fn keys(&self) -> Vec<String> {
        let mut keys: Vec<String> = self.records().await.iter().map(|record| record.key.key().to_owned()).collect();
        keys.sort();
        keys
    }

    async fn key_rule(&self) -> Option<KeyRule> {
        self.engine.feed(&self.feed.name).await.unwrap().feed.key_rule
    }

    /// How often each record was seen, and how many versions it has, by key.
    async fn seen(&self) -> Vec<(String, u64, u32)> {
        let mut all = Vec::new();
        for record in self.records().await {
            let seen = self.engine.storage().seen_many(std::slice::from_ref(&record.key)).await.unwrap();
            all.push((record.key.key().to_owned(), seen[0].unwrap().count, record.version.get()));
        }
        all.sort();
        all
    }

    async fn events(&self) -> Vec<Event> {
        let limit = PageRequest::first(1_000).limit;
        let changes = self.engine.storage().changes(&Seq::start(), limit).await.unwrap();
        changes.into_iter().map(|change| change.event).collect()
    }

    /// Kind and key of what was logged after the first captures.
    async fn told(&self) -> Vec<(ChangeKind, String)> {
        let events = self.events().await.into_iter().filter(|event| event.kind != ChangeKind::New);
        let key = |event: &Event| event.subject.as_ref().map_or("", |subject| subject.key.key()).to_owned();
        events.map(|event| (event.kind, key(&event))).collect()
    }
}

/// What a feed shows at which request.
type Document = fn(usize) -> String;

/// A document of these items, as they stand.
fn rss(items: &[String]) -> String {
    format!(
        "<rss version='2.0' xmlns:slash='http://purl.org/rss/1.0/modules/slash/'><channel><title>t</title>{}</channel></rss>",
        items.concat()
    )
}

/// An item with this inside, published on that day of November.
fn item(day: u32, inner: &str) -> String {
    format!("<item>{inner}<pubDate>{day:02} Nov 2026 12:00:00 GMT</pubDate></item>")
}

/// One that is nothing but its guid.
fn guid(day: u32, guid: &str) -> String {
    item(day, &format!("<guid>{guid}</guid><title>Title of {guid}</title>"))
}

#[tokio::test]
async fn items_that_all_have_one_guid_are_told_apart_by_their_links() {
    let same = |day: u32| item(day, &format!("<guid>all the same</guid><link>http://a.example/{day}</link>"));
    let first: Vec<String> = (1..=5).rev().map(same).collect();
    let second = [vec![same(6)], first.clone()].concat();
    let mut script = Script::of(vec![rss(&first), rss(&second)], &[]).await;
    assert_eq!(script.poll().await.counts.new, 5);
    assert_eq!(script.key_rule().await, Some(KeyRule::Link));
    let counts = script.poll().await.counts;
    assert_eq!((counts.new, counts.unchanged, counts.rejected), (1, 5, 0));
    let seen: Vec<_> = (1..=6).map(|day| (format!("http://a.example/{day}"), 2 - u64::from(day == 6), 1)).collect();
    assert_eq!(script.seen().await, seen);
    assert_eq!(script.ledger().await, ["snapshot", "snapshot"]);
    assert!(script.told().await.is_empty());
}

#[tokio::test]
async fn items_that_all_have_one_guid_and_nothing_else_are_told_apart_by_their_content() {
    let same = |day: u32| item(day, &format!("<guid>all the same</guid><title>{day}</title>"));
    let first: Vec<String> = (1..=5).rev().map(same).collect();
    let second = [vec![same(6)], first.clone()].concat();
    let mut script = Script::of(vec![rss(&first), rss(&second)], &[]).await;
    script.poll().await;
    let counts = script.poll().await.counts;
    assert_eq!((script.key_rule().await, counts.new, counts.unchanged), (Some(KeyRule::Content), 1, 5));
    assert_eq!((script.records().await.len(), script.told().await.len()), (6, 0));
}

#[tokio::test]
async fn a_new_item_before_two_that_clash_gives_no_item_another_key() {
    // Two of thirty share a guid: few enough for the rule of guids.
    let listed: Vec<String> = (0..28).rev().map(|number| guid(number / 2 + 2, &format!("{number:02}"))).collect();
    let clash = [item(2, "<guid>x</guid><title>one</title>"), item(1, "<guid>x</guid><title>other</title>")];
    let first = [listed.clone(), clash.to_vec()].concat();
    // A new item with a guid of its own, and one more that clashes.
    let second = [vec![guid(20, "new")], first.clone()].concat();
    let third = [vec![item(21, "<guid>x</guid><title>third</title>")], second.clone()].concat();
    let mut script = Script::of(vec![rss(&first), rss(&second), rss(&third)], &[]).await;
    let counts = script.poll().await.counts;
    assert_eq!((counts.new, counts.rejected, script.key_rule().await), (29, 1, Some(KeyRule::Id)));
    let keys = script.keys().await;
    for new in [1, 0] {
        let counts = script.poll().await.counts;
        assert_eq!((counts.new, counts.changed, counts.withdrawn + counts.scrolled_off), (new, 0, 0), "{counts:?}");
    }
    let after = script.keys().await;
    assert!(keys.iter().all(|key| after.contains(key)) && after.len() == keys.len() + 1, "{after:?}");
    // What the feed showed first stands for the key; what clashes with it is kept in quarantine, not lost.
    let stands = script.engine.show("x", None).await.unwrap();
    assert_eq!(stands.record.content.to_json().get("title").unwrap().as_str(), Some("one"));
    assert_eq!((stands.seen.unwrap().count, stands.record.version.get()), (3, 1));
    let rejects = script.engine.storage().rejects_page(script.feed.id, &PageRequest::first(100)).await.unwrap().items;
    let third = rejects.iter().filter(|held| held.reject.excerpt.contains("third")).count();
    assert_eq!((third, rejects.len()), (1, 4));
    assert!(rejects.iter().all(|held| held.reject.code == "key.collision"));
}

#[tokio::test]
async fn a_token_in_every_link_makes_no_new_items_where_the_key_is_said_to_be_something_else() {
    let document = |number: usize| {
        let item = |day: u32| {
            let link = format!("<link>http://a.example/{day}?token={number}{day}</link>");
            item(day, &format!("{link}<title>Paper {day}</title>"))
        };
        rss(&[item(3), item(2), item(1)])
    };
    let documents: Vec<String> = (0..4).map(document).collect();
    let options = ["key=title", "key=published", "volatile=link"];
    let mut script = Script::of(documents, &options).await;
    for new in [3, 0, 0, 0] {
        let counts = script.poll().await.counts;
        assert_eq!((counts.new, counts.changed, counts.gaps), (new, 0, 0));
    }
    let seen = script.seen().await;
    assert_eq!(seen.iter().map(|(_, seen, versions)| (*seen, *versions)).collect::<Vec<_>>(), [(4, 1); 3]);
    assert!(script.told().await.is_empty());
}

#[tokio::test]
async fn a_counter_that_changes_a_hundred_times_makes_a_version_a_day_and_none_when_it_is_said_to_be_volatile() {
    let document = |number: usize| {
        rss(&[item(2, &format!("<guid>a</guid><slash:comments>{number}</slash:comments>")), guid(1, "b")])
    };
    let documents: Vec<String> = (0..=100).map(document).collect();
    // The first and 24 minor ones, then one a day.
    let kept: Vec<usize> = (0..=24).chain([48, 72, 96]).collect();
    for (options, kept) in [(&[] as &[&str], &kept[..]), (&["volatile=extensions.slash"], &[0])] {
        let mut script = Script::of(documents.clone(), options).await;
        let churns = kept.len() > 1;
        for poll in 0..=100 {
            let report = script.poll().await;
            let changed = u64::from(poll > 0 && kept.contains(&poll));
            let held_back = u64::from(churns && !kept.contains(&poll));
            assert_eq!((report.outcome, report.counts.changed), (FetchStatus::Captured, changed), "{poll} {options:?}");
            assert_eq!(report.counts.held_back, held_back, "{poll} {options:?}");
            let told = report.warnings.iter().any(|warning| warning.starts_with("feed.churn: 1 item differs"));
            assert_eq!(told, held_back == 1, "{poll} {report:?}");
        }
        assert_eq!(
            script.seen().await,
            [("a".to_owned(), 101, u32::try_from(kept.len()).unwrap()), ("b".to_owned(), 101, 1)]
        );
        assert_eq!(script.ledger().await, ["snapshot"; 101]);
        assert_eq!(script.told().await.len(), kept.len() - 1);
        let request = RecordHistory { record: "a".to_owned(), layer: None, limit: NonZeroUsize::MAX, cursor: None };
        let history = script.engine.history(&request).await.unwrap();
        for (at, (number, version)) in kept.iter().zip(&history.versions.items).enumerate() {
            assert!(version.content.as_str().contains(&format!(r#""comments":["{number}"]"#)), "{version:?}");
            assert_eq!(history.is_minor(at), Some(at > 0), "{version:?}");
        }
    }
}

#[tokio::test]
async fn what_a_counter_stops_at_is_a_version_in_the_end_though_the_document_stays_the_same() {
    let json: Document =
        |number| format!(r#"{{"data":[{{"id":"a","title":"x","extensions":{{"slash":"{number}"}}}}]}}"#);
    let feeds: [(Document, &str, &[&str]); 3] = [
        (|number| rss(&[item(2, &format!("<guid>a</guid><slash:comments>{number}</slash:comments>"))]), "feed", &[]),
        (json, "json", &["items=$.data[*]", "key=id"]),
        (json, "json", &["items=$.data[*]", "key=id", "coverage=delta"]),
    ];
    for ((document, adapter, options), tagged) in feeds.into_iter().flat_map(|feed| [(feed, true), (feed, false)]) {
        let answer = move |asked: &Asked| {
            let number = asked.number.min(25);
            let tag = format!("\"{number}\"");
            match asked.header("if-none-match") {
                Some(held) if held == tag => Answer::status(304).with("etag", tag),
                _ if tagged => Answer::ok(document(number)).with("etag", tag),
                _ => Answer::ok(document(number)),
            }
        };
        let mut script = Script::answering(answer, adapter, options).await;
        for poll in 0..=51 {
            let report = script.poll().await;
            // The last version is that of poll 24: a day after it the content that stays is one.
            let right = match poll {
                1..=24 | 48 => (1, 0),
                25..=47 => (0, 1),
                _ => (0, 0),
            };
            assert_eq!((report.counts.changed, report.counts.held_back), right, "{poll} {tagged} {options:?}");
            let is_same = poll > 48;
            assert_eq!(report.outcome == FetchStatus::Unchanged, is_same, "{poll} {tagged} {report:?}");
            let status = if is_same && tagged { 304 } else { 200 };
            assert_eq!(report.http_status, Some(status), "{poll} {tagged} {options:?}");
        }
        let shown = script.engine.show("a", None).await.unwrap().record;
        assert!(shown.content.as_str().contains(r#""25""#), "{shown:?}");
        assert_eq!(shown.version.get(), 26);
    }
}

#[tokio::test]
async fn an_item_that_vanishes_and_returns_is_withdrawn_and_comes_back_as_the_same_record() {
    let all = [guid(3, "c"), guid(2, "b"), guid(1, "a")];
    let without = [all[0].clone(), all[2].clone()];
    let documents = [&all[..], &without, &without, &all].map(rss).to_vec();
    let mut script = Script::of(documents, &[]).await;
    let outcomes = [FetchStatus::Captured, FetchStatus::Captured, FetchStatus::Unchanged, FetchStatus::Captured];
    let counted = [(3, 0, 0), (0, 1, 0), (0, 0, 0), (0, 0, 1)];
    for (outcome, expected) in outcomes.into_iter().zip(counted) {
        let report = script.poll().await;
        let counts = report.counts;
        assert_eq!((report.outcome, (counts.new, counts.withdrawn, counts.returned)), (outcome, expected));
    }
    let told = [(ChangeKind::Withdrawn, "b".to_owned()), (ChangeKind::Returned, "b".to_owned())];
    assert_eq!(script.told().await, told);
    // The witness is the older item that was still listed.
    let events = script.events().await;
    let witness = events.iter().find_map(|event| event.witness).unwrap();
    assert_eq!(witness, script.engine.show("a", None).await.unwrap().record.id);
    assert_eq!(script.seen().await, [("a".to_owned(), 4, 1), ("b".to_owned(), 2, 1), ("c".to_owned(), 4, 1)]);
    assert_eq!(script.ledger().await, ["snapshot", "snapshot", "unchanged", "snapshot"]);
}

#[tokio::test]
async fn an_item_that_scrolls_off_and_is_listed_again_returns() {
    let documents = [[guid(2, "b"), guid(1, "a")], [guid(3, "c"), guid(2, "b")], [guid(2, "b"), guid(1, "a")]];
    let mut script = Script::of(documents.iter().map(|items| rss(items)).collect(), &[]).await;
    for _ in 0..3 {
        script.poll().await;
    }
    let told = [(ChangeKind::ScrolledOff, "a"), (ChangeKind::Returned, "a"), (ChangeKind::Withdrawn, "c")];
    assert_eq!(script.told().await, told.map(|(kind, key)| (kind, key.to_owned())));
}

#[tokio::test]
async fn a_document_that_shares_nothing_with_the_one_before_tells_of_a_gap_between_the_two() {
    let first: Vec<String> = (1..=3).rev().map(|day| guid(day, &format!("{day:02}"))).collect();
    let second: Vec<String> = (7..=9).rev().map(|day| guid(day, &format!("{day:02}"))).collect();
    let mut script = Script::of(vec![rss(&first), rss(&second), rss(&first)], &[]).await;
    script.poll().await;
    let report = script.poll().await;
    let counts = report.counts;
    // What may have been between them nobody knows, so of what left nobody knows why.
    assert_eq!((counts.new, counts.gaps, counts.withdrawn, counts.scrolled_off), (3, 1, 0, 0));
    assert_eq!(script.told().await, [(ChangeKind::Gap, String::new())]);
    let gap = script.events().await.into_iter().find(|event| event.kind == ChangeKind::Gap).unwrap();
    assert_eq!((gap.feed, gap.fetch), (Some(script.feed.id), report.fetch));
    // The gap lies between that fetch and the one before it in the ledger.
    let ledger = script.engine.storage().observations_page(script.feed.id, &PageRequest::first(9)).await.unwrap().items;
    let at = ledger.iter().position(|row| Some(row.fetch) == gap.fetch).unwrap();
    let bounds: Vec<Timestamp> = ledger[at - 1..=at].iter().map(|row| row.observed_at).collect();
    assert_eq!(bounds, [start(), start().saturating_add_micros(3_600_000_000)]);
    // Nobody knows that they were gone: nothing returns. That is a gap again.
    let counts = script.poll().await.counts;
    assert_eq!((counts.new, counts.returned, counts.gaps), (0, 0, 1));
    assert_eq!(script.seen().await[0], ("01".to_owned(), 2, 1));
}

#[tokio::test]
async fn dates_that_lie_ahead_name_no_zone_or_are_none_are_kept_as_they_are_and_never_become_now() {
    let dated = |guid: &str, date: &str| format!("<item><guid>{guid}</guid>{date}</item>");
    let document = rss(&[
        dated("future", "<pubDate>Fri, 01 Jan 2049 00:00:00 GMT</pubDate>"),
        dated("plain", "<pubDate>Tue, 24 Nov 2026 09:00:00 +0100</pubDate>"),
        dated("zoneless", "<pubDate>Tue, 24 Nov 2026 08:00:00</pubDate>"),
        dated("soon", "<pubDate>the day after</pubDate>"),
        dated("missing", ""),
        dated("empty", "<pubDate> </pubDate>"),
    ]);
    let mut script = Script::of(vec![document], &[]).await;
    let report = script.poll().await;
    assert_eq!((report.counts.new, report.counts.rejected), (6, 0));
    let codes: Vec<&str> = report.warnings.iter().filter_map(|told| told.split([':', ' ']).next()).collect();
    assert_eq!(codes, ["date.zone_assumed", "date.unreadable", "date.future"], "{:?}", report.warnings);
    assert!(report.warnings[2].contains("future") && report.warnings[2].contains("2049-01-01"), "{report:?}");
    for (key, published, raw) in [
        ("future", Some("2049-01-01T00:00:00Z"), Some("Fri, 01 Jan 2049 00:00:00 GMT")),
        ("plain", Some("2026-11-24T08:00:00Z"), Some("Tue, 24 Nov 2026 09:00:00 +0100")),
        ("zoneless", Some("2026-11-24T08:00:00Z"), Some("Tue, 24 Nov 2026 08:00:00")),
        ("soon", None, Some("the day after")),
        ("missing", None, None),
        ("empty", None, None),
    ] {
        let record = script.engine.show(key, None).await.unwrap().record;
        assert_eq!(record.published.map(|at| at.to_string()).as_deref(), published, "{key}");
        assert_eq!(record.content.to_json().get("published").and_then(|raw| raw.as_str()), raw, "{key}");
        assert_eq!(record.first_seen, start(), "{key}");
    }
    // The same again an hour later says the same: no date hangs on when it was read.
    let report = script.poll().await;
    assert_eq!((report.outcome, script.told().await.len()), (FetchStatus::Unchanged, 0));
}

#[tokio::test]
async fn a_filing_of_three_parties_in_three_lists_is_one_record_that_each_list_has_sighted() {
    const NUMBER: &str = "0009000001-26-000001";
    let parties = [("9000001", "A Corp", "Filer"), ("9000002", "B Corp", "Filer"), ("9000003", "C Corp", "Filer")];
    let entry = |(cik, name, role): (&str, &str, &str)| {
        format!(
            "<entry><title>8-K - {name} (000{cik}) ({role})</title><link rel='alternate' \
             href='https://www.sec.gov/Archives/edgar/data/{cik}/x/{NUMBER}-index.htm'/><summary type='html'>\
             &lt;b&gt;Filed:&lt;/b&gt; 2026-11-24 &lt;b&gt;AccNo:&lt;/b&gt; {NUMBER} &lt;b&gt;Size:&lt;/b&gt; 5 KB</summary>\
             <updated>2026-11-24T16:31:07-05:00</updated><category label='form type' term='8-K'/>\
             <id>urn:tag:sec.gov,2008:accession-number={NUMBER}</id></entry>"
        )
    };
    let current = format!("<feed xmlns='http://www.w3.org/2005/Atom'>{}</feed>", parties.map(entry).concat());
    let index = move |day: &str| {
        let line = |(cik, name, _)| format!("{cik}|{name}|8-K|{day}|edgar/data/{cik}/{NUMBER}.txt\n");
        format!("CIK|Company Name|Form Type|Date Filed|File Name\n-----\n{}", parties.map(line).concat())
    };
    let origin = Origin::start(move |asked| match asked.path.rsplit('/').next().unwrap() {
        path if path.starts_with("browse-edgar") => Answer::ok(current.clone()),
        "index.json" => Answer::ok(r#"{"directory":{"item":[{"name":"master.20261124.idx","last-modified":"1"}]}}"#),
        "master.20261124.idx" => Answer::ok(index("20261124")),
        "master.idx" => Answer::ok(index("2026-11-24")),
        _ => Answer::status(404),
    });
    let (origin, engine) = (origin.await, engine().await);
    let archives = "/Archives/edgar";
    for (address, new) in [
        ("/cgi-bin/browse-edgar?action=getcurrent&count=10".to_owned(), 1),
        (format!("{archives}/daily-index/2026/QTR4/"), 0),
        (format!("{archives}/full-index/2026/QTR4/master.idx"), 0),
    ] {
        let options = ["user_agent=Example Ltd ops@example.com"];
        let feed = add_with(&engine, origin.url(&address), "edgar", &options).await;
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), report.counts.new, report.counts.rejected), ("ok", new, 0), "{report:?}");
        let ledger = engine.storage().observations_page(feed.id, &PageRequest::first(9)).await.unwrap().items;
        assert_eq!((ledger.len(), ledger[0].counts.seen), (1, 1));
    }
    assert_eq!(engine.status().await.unwrap().records, 1);
    let filing = engine.show(NUMBER, None).await.unwrap();
    assert_eq!((filing.record.key.namespace().as_str(), filing.seen.unwrap().count), ("sec", 3));
    let parties = filing.record.content.to_json().get("parties").unwrap().to_canonical();
    assert_eq!(parties.matches("cik").count(), 3, "{parties}");
}

#[tokio::test]
async fn guids_that_flip_between_http_and_https_are_told_of_and_are_aliases_of_one_another_never_merged() {
    let document = |scheme: &str| {
        let item = |day: u32| {
            let address = format!("{scheme}://a.example/2026/{day}");
            item(day, &format!("<guid>{address}</guid><link>{address}</link><title>Title {day}</title>"))
        };
        rss(&[item(2), item(1)])
    };
    let mut script = Script::of(["http", "https", "http"].map(document).to_vec(), &[]).await;
    let mut told = Vec::new();
    for new in [2, 2, 0] {
        let report = script.poll().await;
        assert_eq!((report.counts.new, report.counts.changed, report.counts.rejected), (new, 0, 0));
        told.push(report.warnings.iter().any(|warning| warning.starts_with("feed.unstable_keys: ")));
    }
    assert_eq!((told, script.key_rule().await), (vec![false, true, true], Some(KeyRule::Id)));
    let key = |scheme: &str, day: u32| format!("{scheme}://a.example/2026/{day}");
    let seen = [(key("http", 1), 2, 1), (key("http", 2), 2, 1), (key("https", 1), 1, 1), (key("https", 2), 1, 1)];
    assert_eq!(script.seen().await, seen);
    for (one, other) in [("http", "https"), ("https", "http")] {
        let links = script.engine.show(&key(one, 1), None).await.unwrap().aliases.links;
        assert_eq!(links.iter().map(|link| link.key.key()).collect::<Vec<_>>(), [key(other, 1)]);
        assert_eq!(links[0].alias.reasons[0].to_string(), "the same address but for scheme");
    }
}

#[tokio::test]
async fn a_token_in_every_link_is_told_of_and_the_copies_are_aliases() {
    let document = |number: u32| {
        let item = |day: u32| {
            let link = format!("<link>http://a.example/2026/{day}?token={number}</link>");
            item(day, &format!("{link}<title>Paper {day}</title>"))
        };
        rss(&[item(3), item(2), item(1)])
    };
    let mut script = Script::of((0..3).map(document).collect(), &[]).await;
    for unstable in [false, true, true] {
        let report = script.poll().await;
        assert_eq!((report.counts.new, report.counts.gaps), (3, u64::from(unstable)));
        let told = report.warnings.iter().any(|warning| warning.starts_with("feed.unstable_keys: "));
        assert_eq!(told, unstable, "{report:?}");
    }
    // Nothing is lost, nothing merged; each copy leads to the others.
    assert_eq!(script.records().await.len(), 9);
    let aliases = script.engine.show("http://a.example/2026/1?token=0", None).await.unwrap().aliases;
    let mut copies: Vec<&str> = aliases.links.iter().map(|link| link.key.key()).collect();
    copies.sort_unstable();
    assert_eq!(copies, ["http://a.example/2026/1?token=1", "http://a.example/2026/1?token=2"]);
}
