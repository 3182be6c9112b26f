//! EDGAR: four lists on loopback, in the forms of the SEC's, that overlap and lag behind one another.

use std::num::NonZeroUsize;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

use feedspine::core::{Content, Feed, FetchStatus, Json, MemoryStore, Timestamp, VersionNo};
use feedspine::ops::{
    AdapterChoice, Diagnose, FeedReport, ItemOutcome, ListRejects, PolicySays, RecordHistory, RecordSightings, Rekey,
    SetPolicy,
};
use feedspine::{Engine, HostRate, RequestChoice, Settings, SimulatedClock};

use crate::origin::{Answer, Asked, Origin};
use crate::support::{add_with, code, collect, engine, name, replace, settings};

const AGENT: &str = "user_agent=Example Ltd ops@example.com";
const CURRENT: &str = "/cgi-bin/browse-edgar?action=getcurrent&count=10";
const DAILY: &str = "/Archives/edgar/daily-index/";
const QUARTER: &str = "/Archives/edgar/full-index/2026/QTR4/master.idx";
const COMPANY: &str = "/submissions/CIK0009000007.json";
/// What the SEC's page says to who asked too often.
const TOO_OFTEN: &str = "<html><h1>Your Request Originates from an Undeclared Automated Tool</h1>\
                         <title>SEC.gov | Request Rate Threshold Exceeded</title></html>";

/// A filing: its number, form, day, time in New York, and parties.
type Filing =
    (&'static str, &'static str, &'static str, &'static str, &'static [(&'static str, &'static str, &'static str)]);

const OWNERS: Filing = (
    "0009000009-26-000041",
    "4",
    "2026-11-24",
    "16:31:07",
    &[("9000009", "Keeper Mary", "Reporting"), ("9000007", "Lighthouse Works Inc.", "Issuer")],
);
const RESULTS: Filing =
    ("0009000007-26-000012", "8-K", "2026-11-24", "16:05:12", &[("9000007", "Lighthouse Works Inc.", "Filer")]);
const STAKE: Filing = (
    "0009000008-26-000003",
    "SC 13G",
    "2026-11-23",
    "10:00:00",
    &[("9000008", "TIDE FUND LP", "Filed by"), ("9000007", "LIGHTHOUSE WORKS INC", "Subject")],
);
const OLD: Filing =
    ("0009000007-05-000001", "10-K", "2005-03-01", "09:00:00", &[("9000007", "Lighthouse Works Inc.", "Filer")]);

/// Entries of the current filings, one for each party.
fn entries(filings: &[Filing]) -> Vec<String> {
    let entry = |(number, form, day, time, _): &Filing, (cik, name, role): &(&str, &str, &str)| {
        format!(
            "<entry><title>{form} - {name} ({cik:0>10}) ({role})</title><link rel='alternate' \
             href='https://www.sec.gov/Archives/edgar/data/{cik}/x/{number}-index.htm'/><summary type='html'>\
             &lt;b&gt;Filed:&lt;/b&gt; {day} &lt;b&gt;AccNo:&lt;/b&gt; {number} &lt;b&gt;Size:&lt;/b&gt; 5 KB</summary>\
             <updated>{day}T{time}-05:00</updated><category label='form type' term='{form}'/>\
             <id>urn:tag:sec.gov,2008:accession-number={number}</id></entry>"
        )
    };
    filings.iter().flat_map(|filing| filing.4.iter().map(|party| entry(filing, party)).collect::<Vec<_>>()).collect()
}

fn atom(number: usize, entries: &[String]) -> String {
    // Each answer tells when it was made.
    let title = format!("Latest Filings - {number}");
    format!("<feed xmlns='http://www.w3.org/2005/Atom'><title>{title}</title>{}</feed>", entries.concat())
}

/// A page of the current filings; one behind the end is answered as the SEC does.
fn current(asked: &Asked, entries: &[String]) -> Answer {
    let start = asked.path.split("start=").nth(1).and_then(|start| start.parse::<usize>().ok()).unwrap_or(0);
    let page = &entries[start.min(entries.len())..entries.len().min(start + 10)];
    if page.is_empty() && start > 0 {
        return Answer::status(503).with("content-type", "text/html");
    }
    Answer::ok(atom(asked.number, page))
}

/// An index by company, as the SEC sorts it.
fn index(filings: &[Filing], daily: bool) -> String {
    let mut lines: Vec<String> = filings
        .iter()
        .flat_map(|(number, form, day, _, parties)| {
            let day = if daily { day.replace('-', "") } else { (*day).to_owned() };
            parties.iter().map(move |(cik, name, _)| format!("{cik}|{name}|{form}|{day}|edgar/data/{cik}/{number}.txt"))
        })
        .collect();
    lines.sort();
    format!("Description: an index\n\nCIK|Company Name|Form Type|Date Filed|File Name\n-----\n{}\n", lines.join("\n"))
}

fn columns(filings: &[Filing]) -> String {
    let column = |value: &dyn Fn(&Filing) -> String| {
        filings.iter().map(|filing| format!("\"{}\"", value(filing))).collect::<Vec<_>>().join(",")
    };
    format!(
        r#"{{"accessionNumber":[{}],"form":[{}],"filingDate":[{}],"acceptanceDateTime":[{}],"primaryDocument":[{}]}}"#,
        column(&|filing| filing.0.to_owned()),
        column(&|filing| filing.1.to_owned()),
        column(&|filing| filing.2.to_owned()),
        column(&|filing| format!("{}T{}.000-05:00", filing.2, filing.3)),
        column(&|filing| format!("{}.htm", filing.0)),
    )
}

fn submissions(recent: &[Filing], archive: &str) -> String {
    let recent = columns(recent);
    format!(
        r#"{{"cik":"0009000007","name":"Lighthouse Works Inc.","filings":{{"recent":{recent},"files":[{archive}]}}}}"#
    )
}

fn archive(count: usize) -> String {
    format!(r#"{{"name":"CIK0009000007-submissions-001.json","filingCount":{count},"filingFrom":"2005-01-01"}}"#)
}

fn listing(files: &[(&str, &str)]) -> String {
    let file =
        |(name, changed): &(&str, &str)| format!(r#"{{"name":"{name}","last-modified":"{changed}","size":"1 KB"}}"#);
    let files: Vec<String> = files.iter().map(file).collect();
    format!(r#"{{"directory":{{"item":[{}],"name":"QTR4/"}}}}"#, files.join(","))
}

/// All four lists of the same filings.
fn sec(asked: &Asked) -> Answer {
    let filings = [OWNERS, RESULTS, STAKE];
    match asked.path.as_str() {
        path if path.starts_with("/cgi-bin/browse-edgar") => current(asked, &entries(&filings)),
        "/Archives/edgar/daily-index/2026/QTR4/index.json" => Answer::ok(listing(&[
            ("master.20261123.idx", "1"),
            ("master.20261124.idx", "2"),
            ("form.20261124.idx", "3"),
        ])),
        "/Archives/edgar/daily-index/2026/QTR4/master.20261123.idx" => Answer::ok(index(&[STAKE], true)),
        "/Archives/edgar/daily-index/2026/QTR4/master.20261124.idx" => Answer::ok(index(&[RESULTS, OWNERS], true)),
        QUARTER => Answer::ok(index(&filings, false)),
        COMPANY => Answer::ok(submissions(&filings, &archive(1))),
        "/submissions/CIK0009000007-submissions-001.json" => Answer::ok(columns(&[OLD])),
        _ => Answer::status(404),
    }
}

/// An engine at a quarter to five in New York, and its clock.
async fn engine_and_clock() -> (Engine, Arc<SimulatedClock>) {
    let clock = Arc::new(SimulatedClock::at("2026-11-24T21:45:00Z".parse().unwrap()));
    let store = Arc::new(MemoryStore::new());
    let settings = Settings { clock: clock.clone(), ..settings() };
    (Engine::open(store.clone(), store, settings).await.unwrap(), clock)
}

async fn list_of(engine: &Engine, origin: &Origin, path: &str, options: &[&str]) -> Feed {
    add_with(engine, origin.url(path), "edgar", &[&[AGENT], options].concat()).await
}

fn counts(report: &FeedReport) -> [u64; 4] {
    assert_eq!(code(report), "ok", "{report:?}");
    [report.counts.new, report.counts.changed, report.counts.unchanged, report.counts.rejected]
}

async fn sightings(engine: &Engine, key: &str) -> Vec<(String, Timestamp, u32)> {
    let request = RecordSightings { record: key.into(), limit: NonZeroUsize::new(99).unwrap(), cursor: None };
    let seen = engine.sightings(&request).await.unwrap().sightings.items;
    let told = seen.into_iter().map(|seen| {
        let version = seen.sighting.version.map_or(0, VersionNo::get);
        (seen.feed.unwrap().to_string(), seen.sighting.observed_at, version)
    });
    told.collect()
}

async fn versions(engine: &Engine, key: &str) -> Vec<Json> {
    let limit = NonZeroUsize::new(99).unwrap();
    let request = RecordHistory { record: key.into(), layer: None, limit, cursor: None };
    let versions = engine.history(&request).await.unwrap().versions.items;
    versions.into_iter().map(|version| version.content.to_json()).collect()
}

fn text<'a>(content: &'a Json, name: &str) -> &'a str {
    content.get(name).and_then(Json::as_str).unwrap_or_default()
}

fn ciks(content: &Json) -> String {
    content.get("ciks").map(Json::to_canonical).unwrap_or_default()
}

#[tokio::test]
async fn a_filing_is_one_record_in_four_lists_and_how_far_one_lags_behind_another_is_in_its_sightings() {
    let origin = Origin::start(sec).await;
    let (engine, clock) = engine_and_clock().await;
    let current = list_of(&engine, &origin, CURRENT, &[]).await;
    let company = list_of(&engine, &origin, COMPANY, &[]).await;
    let daily = list_of(&engine, &origin, DAILY, &[]).await;
    let quarter = list_of(&engine, &origin, QUARTER, &[]).await;
    assert_eq!(counts(&collect(&engine, &current).await), [3, 0, 0, 0]);
    clock.advance(Duration::from_mins(10));
    // It tells more of each filing, and has one that the other lists have no longer.
    assert_eq!(counts(&collect(&engine, &company).await), [1, 3, 0, 0]);
    clock.advance(Duration::from_hours(6));
    assert_eq!(counts(&collect(&engine, &daily).await), [0, 0, 3, 0]);
    clock.advance(Duration::from_hours(24));
    assert_eq!(counts(&collect(&engine, &quarter).await), [0, 0, 3, 0]);
    for feed in [&current, &company, &daily, &quarter] {
        assert_eq!((feed.namespace.as_str(), counts(&collect(&engine, feed).await)[..2] == [0, 0]), ("sec", true));
    }
    assert_eq!(engine.status().await.unwrap().records, 4);
    let rejects = ListRejects { feed: None, code: None, limit: NonZeroUsize::new(9).unwrap() };
    assert_eq!(engine.rejects(&rejects).await.unwrap().total, 0);

    let seen = sightings(&engine, OWNERS.0).await;
    let first = |wanted: &str| seen.iter().find(|(feed, ..)| feed == wanted).map(|(_, at, _)| *at).unwrap();
    let lag = |feed: &str| first(feed).micros_since(first("sec-current")) / 1_000_000;
    assert_eq!((lag("sec-9000007"), lag("sec-daily"), lag("sec-2026-qtr4")), (600, 22_200, 108_600));
    // The daily index was read once: nothing was asked of it again.
    let of = |feed: &str| seen.iter().filter(|(seen, ..)| seen == feed).count();
    assert_eq!([of("sec-current"), of("sec-9000007"), of("sec-daily"), of("sec-2026-qtr4")], [2, 2, 1, 2], "{seen:?}");
    // Each list shows what it told, never what another one did; the daily index told the parties that the first one had.
    let shown = |feed: &str| seen.iter().filter(|(seen, ..)| seen == feed).map(|(.., version)| *version).max().unwrap();
    assert_eq!([shown("sec-current"), shown("sec-9000007"), shown("sec-daily")], [1, 2, 1]);
}

#[tokio::test]
async fn versions_are_what_lists_know_and_no_list_takes_back_what_another_told() {
    let origin = Origin::start(sec).await;
    let (engine, _clock) = engine_and_clock().await;
    // The poorest first: each that knows more adds a version, and none that knows less.
    for (path, expected) in [(QUARTER, [3, 0, 0]), (DAILY, [0, 0, 3]), (CURRENT, [0, 3, 0]), (COMPANY, [1, 3, 0])] {
        let feed = list_of(&engine, &origin, path, &[]).await;
        assert_eq!(counts(&collect(&engine, &feed).await)[..3], expected, "{path}");
    }
    for _ in 0..2 {
        for feed in ["sec-current", "sec-9000007", "sec-daily", "sec-2026-qtr4"] {
            let feed = engine.feed(&name(feed)).await.unwrap().feed;
            assert_eq!(counts(&collect(&engine, &feed).await)[..2], [0, 0], "{}", feed.name);
        }
    }
    let [index, current, company] = <[Json; 3]>::try_from(versions(&engine, OWNERS.0).await).unwrap();
    let parties = |content: &Json| content.get("parties").unwrap().to_canonical();
    assert_eq!(parties(&index), r#"[{"cik":"0009000007"},{"cik":"0009000009"}]"#);
    let roles = r#"[{"cik":"0009000007","role":"issuer"},{"cik":"0009000009","role":"reporting"}]"#;
    assert_eq!((parties(&current).as_str(), text(&current, "title")), (roles, "4: Lighthouse Works Inc."));
    assert_eq!(text(company.get("details").unwrap(), "primaryDocument"), "0009000009-26-000041.htm");
    for content in [&index, &current, &company] {
        assert_eq!([text(content, "form"), text(content, "filed")], ["4", "2026-11-24"]);
    }
}

#[tokio::test]
async fn a_party_that_only_an_index_tells_of_is_stored_and_so_is_one_that_a_mended_index_adds() {
    const LONE: Filing = ("0009000008-26-000003", "SC 13G", "2026-11-23", "10:00:00", &[STAKE.4[1]]);
    const JOINT: Filing = (
        "0009000008-26-000003",
        "SC 13G",
        "2026-11-23",
        "10:00:00",
        &[STAKE.4[0], STAKE.4[1], ("9000010", "TIDE GP LLC", "Filed by")],
    );
    let mended = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start({
        let mended = Arc::clone(&mended);
        move |asked| match (asked.path.as_str(), mended.load(Ordering::SeqCst)) {
            (COMPANY, _) => Answer::ok(submissions(&[STAKE], "")),
            (QUARTER, _) => Answer::ok(index(&[JOINT], false)),
            (path, turn) if path.ends_with("index.json") => {
                Answer::ok(listing(&[("master.20261123.idx", &turn.to_string())]))
            }
            (_, 0) => Answer::ok(index(&[LONE], true)),
            (_, 1) => Answer::ok(index(&[STAKE], true)),
            _ => Answer::ok(index(&[JOINT], true)),
        }
    });
    let (origin, (engine, _clock)) = (origin.await, engine_and_clock().await);
    let company = list_of(&engine, &origin, COMPANY, &[]).await;
    let daily = list_of(&engine, &origin, DAILY, &[]).await;
    let quarter = list_of(&engine, &origin, QUARTER, &[]).await;
    assert_eq!(counts(&collect(&engine, &company).await), [1, 0, 0, 0]);
    // It tells the one party that the company's submissions tell.
    assert_eq!(counts(&collect(&engine, &daily).await), [0, 0, 1, 0]);
    for turn in 1..=2 {
        mended.store(turn, Ordering::SeqCst);
        assert_eq!(counts(&collect(&engine, &daily).await), [0, 1, 0, 0]);
    }
    // What both know alike is told once; and no list that knows less takes a party back.
    assert_eq!(counts(&collect(&engine, &quarter).await), [0, 0, 1, 0]);
    for feed in [&company, &daily, &quarter] {
        assert_eq!(counts(&collect(&engine, feed).await)[..2], [0, 0], "{}", feed.name);
    }
    let told: Vec<String> = versions(&engine, STAKE.0).await.iter().map(ciks).collect();
    assert_eq!(
        told,
        [r#"["0009000007"]"#, r#"["0009000007","0009000008"]"#, r#"["0009000007","0009000008","0009000010"]"#]
    );
    let current = engine.show(STAKE.0, None).await.unwrap().record.content.to_json();
    assert_eq!(ciks(&current), told[2]);
}

#[tokio::test]
async fn a_diagnosis_finds_no_more_changed_than_a_collect_does() {
    let origin = Origin::start(sec).await;
    let (engine, _clock) = engine_and_clock().await;
    for path in [CURRENT, COMPANY] {
        let feed = list_of(&engine, &origin, path, &[]).await;
        collect(&engine, &feed).await;
    }
    // Another list has told more since.
    let adapter = AdapterChoice::default();
    let request =
        Diagnose { address: origin.url(CURRENT), allow_private: false, adapter, requests: RequestChoice::default() };
    let diagnosis = engine.diagnose(&request).await.unwrap();
    let count = |outcome| diagnosis.count(outcome);
    assert_eq!([count(ItemOutcome::Unchanged), count(ItemOutcome::Changed)], [3, 0], "{diagnosis:?}");
}

#[tokio::test]
async fn with_versions_shared_the_form_the_day_and_whose_it_is_decide() {
    let origin = Origin::start(sec).await;
    let engine = engine().await;
    for (path, expected) in [(CURRENT, [3, 0, 0]), (COMPANY, [1, 0, 3]), (QUARTER, [0, 0, 3])] {
        let feed = list_of(&engine, &origin, path, &["versions=shared"]).await;
        assert_eq!(counts(&collect(&engine, &feed).await)[..3], expected, "{path}");
    }
}

#[tokio::test]
async fn entries_are_read_to_the_end_and_a_page_behind_it_is_no_outage() {
    // Twenty entries: the second page is full, the third is not there.
    const PARTIES: [(&str, &str, &str); 9] = [("9000001", "A", "Filer"); 9];
    let spread: Filing = ("0009000001-26-000001", "S-4", "2026-11-24", "12:00:00", &PARTIES);
    let ones: Vec<Filing> = ["0009000001-26-000009", "0009000001-26-000008"]
        .map(|number| (number, "8-K", "2026-11-24", "13:00:00", &PARTIES[..1]))
        .to_vec();
    let filings =
        [&ones[..], &[spread], &[("0009000001-26-000000", "S-4", "2026-11-24", "11:00:00", &PARTIES)]].concat();
    let all = entries(&filings);
    assert_eq!(all.len(), 20);
    let down = Arc::new(AtomicBool::new(false));
    let origin = Origin::start({
        let down = Arc::clone(&down);
        move |asked| if down.load(Ordering::SeqCst) { Answer::status(503) } else { current(asked, &all) }
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = list_of(&engine, &origin, CURRENT, &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!(counts(&report), [4, 0, 0, 0]);
    let starts: Vec<String> =
        origin.log().iter().map(|asked| asked.path.split("output=atom").nth(1).unwrap().to_owned()).collect();
    assert_eq!(starts, ["&count=10&start=0", "&count=10&start=10", "&count=10&start=20"]);
    let uncertain = "pages.uncertain: page 3 answered 503: taken for the end";
    assert!(report.warnings.iter().any(|warning| warning == uncertain), "{report:?}");
    let few = list_of(&engine, &origin, &format!("{CURRENT}&type=8-K"), &["max_pages=1"]).await;
    // What may go on behind the last page is left out: the first ten entries are not all of the third filing.
    assert_eq!(counts(&collect(&engine, &few).await), [0, 0, 2, 0]);
    down.store(true, Ordering::SeqCst);
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.http_status), ("http.status", Some(503)), "{report:?}");
}

#[tokio::test]
async fn a_page_that_says_when_to_come_back_is_an_outage_and_not_the_end() {
    const NUMBERS: [&str; 10] = [
        "0009000001-26-000010",
        "0009000001-26-000009",
        "0009000001-26-000008",
        "0009000001-26-000007",
        "0009000001-26-000006",
        "0009000001-26-000005",
        "0009000001-26-000004",
        "0009000001-26-000003",
        "0009000001-26-000002",
        "0009000001-26-000001",
    ];
    let filing = |number| (number, "8-K", "2026-11-24", "12:00:00", &[("9000001", "A", "Filer")][..]);
    let all = entries(&NUMBERS.map(filing));
    let origin = Origin::start(move |asked| {
        if asked.path.ends_with("start=0") {
            current(asked, &all)
        } else {
            Answer::status(503).with("retry-after", "120")
        }
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = list_of(&engine, &origin, CURRENT, &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.http_status), ("http.status", Some(503)), "{report:?}");
    // The last one may have further parties on the page that was not given.
    assert_eq!((report.counts.new, origin.asked()), (9, 2));
}

#[tokio::test]
async fn nobody_is_asked_before_it_is_said_who_asks() {
    let origin = Origin::start(sec).await;
    let engine = engine().await;
    let feed = add_with(&engine, origin.url(COMPANY), "edgar", &[]).await;
    let report = collect(&engine, &feed).await;
    let error = report.error.as_ref().unwrap();
    assert_eq!((error.code(), origin.asked()), ("edgar.user_agent", 0));
    assert!(error.message().contains("names no e-mail address"), "{error}");
    assert!(error.hint().unwrap().contains("fetch.user_agent"), "{error:?}");
    // Said as of any feed it is as good.
    let says = PolicySays::Options(vec!["user_agent=Example Ltd it@example.com".to_owned()]);
    engine.set_policy(&SetPolicy { feed: feed.name.clone(), says, rekey: Rekey::Refuse }).await.unwrap();
    assert_ne!(code(&collect(&engine, &feed).await), "edgar.user_agent");
    assert_eq!(origin.log()[0].header("user-agent"), Some("Example Ltd it@example.com"));
    let before = origin.asked();
    let quarter = list_of(&engine, &origin, QUARTER, &[]).await;
    assert_eq!(code(&collect(&engine, &quarter).await), "ok");
    assert_eq!(origin.log()[before].header("user-agent"), Some("Example Ltd ops@example.com"));
}

#[tokio::test]
async fn who_asked_too_often_leaves_the_domain_alone_for_ten_minutes_in_another_process_too() {
    let angry = Arc::new(AtomicBool::new(true));
    let origin = Origin::start({
        let angry = Arc::clone(&angry);
        move |asked| if angry.load(Ordering::SeqCst) { Answer::ok(TOO_OFTEN).but(403) } else { sec(asked) }
    });
    let origin = origin.await;
    let clock = Arc::new(SimulatedClock::at("2026-11-24T21:45:00Z".parse().unwrap()));
    let store = Arc::new(MemoryStore::new());
    let process = async || {
        let rate = HostRate { in_flight: 4, interval: Duration::ZERO };
        let domain_rates = [("127.0.0.1".to_owned(), rate)].into();
        let settings = Settings { clock: clock.clone(), domain_rates, ..settings() };
        Engine::open(store.clone(), store.clone(), settings).await.unwrap()
    };
    let engine = process().await;
    let company = list_of(&engine, &origin, COMPANY, &[]).await;
    let quarter = list_of(&engine, &origin, QUARTER, &[]).await;
    let report = collect(&engine, &company).await;
    assert_eq!((code(&report), report.http_status), ("http.rate_exceeded", Some(403)), "{report:?}");
    angry.store(false, Ordering::SeqCst);
    assert_eq!(code(&collect(&engine, &quarter).await), "http.resting");
    clock.advance(Duration::from_mins(5));
    for feed in [&company, &quarter, &company] {
        let engine = process().await;
        assert_eq!(code(&collect(&engine, feed).await), "http.resting");
    }
    assert_eq!(origin.asked(), 1);
    clock.advance(Duration::from_secs(301));
    let engine = process().await;
    assert_eq!(code(&collect(&engine, &company).await), "ok");
}

#[tokio::test]
async fn who_was_shut_out_half_way_leaves_the_domain_alone_too_however_often_and_for_whatever_it_is_asked() {
    let angry = Arc::new(AtomicBool::new(true));
    let origin = Origin::start({
        let angry = Arc::clone(&angry);
        move |asked| match asked.path.as_str() {
            path if path.ends_with("master.20261124.idx") && angry.load(Ordering::SeqCst) => {
                Answer::ok(TOO_OFTEN).but(403)
            }
            _ => sec(asked),
        }
    });
    let origin = origin.await;
    let clock = Arc::new(SimulatedClock::at("2026-11-24T21:45:00Z".parse().unwrap()));
    let store = Arc::new(MemoryStore::new());
    let process = async || {
        let rate = HostRate { in_flight: 4, interval: Duration::ZERO };
        let domain_rates = [("127.0.0.1".to_owned(), rate)].into();
        let settings = Settings { clock: clock.clone(), domain_rates, ..settings() };
        Engine::open(store.clone(), store.clone(), settings).await.unwrap()
    };
    let engine = process().await;
    let daily = list_of(&engine, &origin, DAILY, &[]).await;
    let report = collect(&engine, &daily).await;
    assert_eq!((counts(&report), report.outcome), ([1, 0, 0, 0], FetchStatus::Captured));
    let told = "http.rate_exceeded: 2026/QTR4/master.20261124.idx: ";
    assert!(report.warnings.iter().any(|warning| warning.starts_with(told)), "{report:?}");
    angry.store(false, Ordering::SeqCst);
    let asked = origin.asked();
    for _ in 0..25 {
        clock.advance(Duration::from_secs(10));
        assert_eq!(code(&collect(&process().await, &daily).await), "http.resting");
    }
    let edgar = AdapterChoice::new(Some("edgar"), [AGENT]).unwrap();
    for (path, adapter) in [(COMPANY, edgar), ("/feed", AdapterChoice::default())] {
        let request =
            Diagnose { address: origin.url(path), allow_private: true, adapter, requests: RequestChoice::default() };
        let diagnosis = process().await.diagnose(&request).await.unwrap();
        assert_eq!(diagnosis.error.unwrap().code(), "http.resting", "{path}");
    }
    assert_eq!(origin.asked(), asked);
    clock.advance(Duration::from_secs(351));
    assert_eq!(counts(&collect(&process().await, &daily).await), [2, 0, 0, 0]);
}

#[tokio::test]
async fn no_day_since_the_feed_was_added_is_left_out_whatever_was_set_aside_or_failed() {
    let up = Arc::new(AtomicBool::new(false));
    let origin = Origin::start({
        let up = Arc::clone(&up);
        move |asked| match asked.path.strip_prefix(DAILY).unwrap_or_default() {
            _ if !up.load(Ordering::SeqCst) => Answer::status(500),
            "2026/QTR4/index.json" => Answer::ok(listing(&[
                ("master.20261110.idx", "1"),
                ("master.20261123.idx", "1"),
                ("master.20261124.idx", "1"),
            ])),
            "2026/QTR4/master.20261123.idx" => Answer::ok(index(&[STAKE], true)),
            "2026/QTR4/master.20261124.idx" => Answer::ok(index(&[RESULTS, OWNERS], true)),
            _ => Answer::status(410),
        }
    });
    let (origin, (engine, clock)) = (origin.await, engine_and_clock().await);
    let feed = list_of(&engine, &origin, DAILY, &[]).await;
    assert_eq!(code(&collect(&engine, &feed).await), "http.status");
    clock.advance(Duration::from_hours(24 * 20));
    up.store(true, Ordering::SeqCst);
    assert_eq!(counts(&collect(&engine, &feed).await), [3, 0, 0, 0]);
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    // With other options nothing is known of what was read: all is read again.
    let settings =
        format!(r#"{{"adapter":"edgar","options":{{"list":"daily","user_agent":"{AGENT}","volatile":"x"}}}}"#);
    let settings = Content::parse(&settings).unwrap();
    replace(&engine, &Feed { settings, ..feed.clone() }).await;
    assert_eq!(counts(&collect(&engine, &feed).await), [0, 0, 3, 0]);
}

#[tokio::test]
async fn days_are_read_once_the_oldest_first_and_again_when_they_are_changed() {
    let turn = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start({
        let turn = Arc::clone(&turn);
        move |asked| match (asked.path.strip_prefix(DAILY).unwrap_or_default(), turn.load(Ordering::SeqCst)) {
            ("2026/QTR3/index.json", _) => {
                Answer::ok(listing(&[("master.20260930.idx", "1"), ("master.20260701.idx", "1")]))
            }
            ("2026/QTR4/index.json", 0) => Answer::status(404),
            ("2026/QTR4/index.json", 1) => {
                Answer::ok(listing(&[("master.20261001.idx", "1"), ("master.20261002.idx", "1")]))
            }
            ("2026/QTR4/index.json", _) => {
                Answer::ok(listing(&[("master.20261001.idx", "2"), ("master.20261002.idx", "1")]))
            }
            ("2026/QTR3/master.20260930.idx", _) => Answer::ok(index(&[STAKE], true)),
            ("2026/QTR4/master.20261001.idx", 1) => Answer::status(500),
            ("2026/QTR4/master.20261001.idx", _) => Answer::ok(index(&[RESULTS], true)),
            ("2026/QTR4/master.20261002.idx", _) => Answer::ok(index(&[OWNERS, RESULTS], true)),
            _ => Answer::status(410),
        }
    });
    let origin = origin.await;
    let clock = Arc::new(SimulatedClock::at("2026-10-01T03:00:00Z".parse().unwrap()));
    let store = Arc::new(MemoryStore::new());
    let settings = Settings { clock: clock.clone(), ..settings() };
    let engine = Engine::open(store.clone(), store, settings).await.unwrap();
    let feed = list_of(&engine, &origin, DAILY, &[]).await;
    let asked = |from: usize| -> Vec<String> {
        origin.log()[from..].iter().map(|asked| asked.path.rsplit('/').take(2).collect::<Vec<_>>().join("<")).collect()
    };
    assert_eq!(counts(&collect(&engine, &feed).await), [1, 0, 0, 0]);
    assert_eq!(asked(0), ["index.json<QTR3", "master.20260930.idx<QTR3", "index.json<QTR4"]);
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    clock.advance(Duration::from_hours(48));
    turn.store(1, Ordering::SeqCst);
    let report = collect(&engine, &feed).await;
    assert_eq!(counts(&report), [2, 0, 0, 0]);
    assert!(report.warnings[0].starts_with("edgar.unread: 2026/QTR4/master.20261001.idx"), "{report:?}");
    turn.store(2, Ordering::SeqCst);
    let before = origin.asked();
    assert_eq!(counts(&collect(&engine, &feed).await), [0, 0, 1, 0]);
    assert_eq!(asked(before), ["index.json<QTR3", "index.json<QTR4", "master.20261001.idx<QTR4"]);
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);

    // One quarter alone, from a day on.
    let quarter = "/Archives/edgar/daily-index/2026/QTR4";
    let since = list_of(&engine, &origin, quarter, &["since=2026-10-02"]).await;
    assert_eq!(counts(&collect(&engine, &since).await), [0, 0, 2, 0]);
}

#[tokio::test]
async fn days_that_are_too_many_for_one_fetch_are_read_by_the_next() {
    let origin = Origin::start(sec).await;
    let (engine, _clock) = engine_and_clock().await;
    let feed = list_of(&engine, &origin, &format!("{DAILY}2026/QTR4/"), &["max_pages=1"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!(counts(&report), [1, 0, 0, 0]);
    assert!(report.warnings[0].contains("the next fetch goes on with 2026-11-24"), "{report:?}");
    assert_eq!(counts(&collect(&engine, &feed).await), [2, 0, 0, 0]);
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
}

#[tokio::test]
async fn of_archives_all_are_read_or_only_those_that_are_news() {
    let (count, broken) = (Arc::new(AtomicUsize::new(1)), Arc::new(AtomicBool::new(false)));
    let origin = Origin::start({
        let (count, broken) = (Arc::clone(&count), Arc::clone(&broken));
        move |asked| match asked.path.as_str() {
            COMPANY => {
                let recent = [RESULTS, STAKE];
                let recent = if count.load(Ordering::SeqCst) == 1 { &recent[..1] } else { &recent };
                Answer::ok(submissions(recent, &archive(count.load(Ordering::SeqCst).min(2))))
            }
            _ if broken.load(Ordering::SeqCst) => Answer::status(500),
            _ => Answer::ok(columns(&[OLD])),
        }
    });
    let (origin, engine) = (origin.await, engine().await);
    let all = list_of(&engine, &origin, COMPANY, &[]).await;
    assert_eq!(counts(&collect(&engine, &all).await), [2, 0, 0, 0]);
    assert_eq!((collect(&engine, &all).await.outcome, origin.asked()), (FetchStatus::Unchanged, 3));
    engine.remove(&all.name).await.unwrap();
    let news = list_of(&engine, &origin, COMPANY, &["coverage=delta"]).await;
    assert_eq!((counts(&collect(&engine, &news).await), origin.asked()), ([0, 0, 2, 0], 5));
    broken.store(true, Ordering::SeqCst);
    count.store(2, Ordering::SeqCst);
    let report = collect(&engine, &news).await;
    assert_eq!((counts(&report), origin.asked()), ([1, 0, 1, 0], 7));
    assert!(report.warnings[0].starts_with("edgar.unread: CIK0009000007-submissions-001.json"), "{report:?}");
    broken.store(false, Ordering::SeqCst);
    // The document is the same; the archive is asked for again all the same.
    assert_eq!((counts(&collect(&engine, &news).await), origin.asked()), ([0, 0, 3, 0], 9));
    count.store(3, Ordering::SeqCst);
    assert_eq!((collect(&engine, &news).await.outcome, origin.asked()), (FetchStatus::Unchanged, 10));
}

#[tokio::test]
async fn a_filing_that_stands_among_the_recent_and_in_an_archive_is_seen_once_by_a_fetch() {
    let origin = Origin::start(move |asked| match asked.path.as_str() {
        COMPANY => Answer::ok(submissions(&[RESULTS, OLD], &archive(1))),
        _ => Answer::ok(columns(&[OLD])),
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = list_of(&engine, &origin, COMPANY, &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((counts(&report), report.counts.repeated), ([2, 0, 0, 0], 1), "{report:?}");
    assert_eq!(versions(&engine, OLD.0).await.len(), 1);
    assert_eq!(sightings(&engine, OLD.0).await.len(), 1);
}
