//! JSON over HTTP: items, keys, pages, secrets, and only what is new.

use feedspine::core::{Feed, FetchStatus, KeyRule, PageRequest};
use feedspine::ops::{AdapterChoice, AddFeed};
use feedspine::{Engine, Limits, Settings};

use crate::origin::{Answer, Asked, Origin};
use crate::support::{add_as_public, add_with, code, collect, engine, engine_with, settings, settings_with};

/// A page of items with these ids, and further members.
fn page(ids: &[u32], more: &str) -> Answer {
    let items: Vec<String> = ids
        .iter()
        .map(|id| format!(r#"{{"id":{id},"name":"item {id}","at":"2026-11-{:02}T00:00:00Z","views":7}}"#, id % 28 + 1))
        .collect();
    Answer::ok(format!(r#"{{"data":[{}]{more}}}"#, items.join(",")))
}

fn query<'a>(asked: &'a Asked, name: &str) -> Option<&'a str> {
    let (_, query) = asked.path.split_once('?')?;
    query.split('&').find_map(|pair| pair.strip_prefix(name)?.strip_prefix('='))
}

/// A way to the next page: its options, a server that goes it, and how often that is asked.
type Way = (&'static [&'static str], fn(&Asked) -> Answer, usize);

const ITEMS: &str = "items=$.data[*]";

async fn coverages(engine: &Engine, feed: &Feed) -> Vec<&'static str> {
    let ledger = engine.storage().observations_page(feed.id, &PageRequest::first(100)).await.unwrap();
    ledger.items.iter().map(|observation| observation.coverage.as_str()).collect()
}

fn paths(origin: &Origin) -> Vec<String> {
    origin.log().into_iter().map(|asked| asked.path).collect()
}

#[tokio::test]
async fn dates_that_lie_ahead_are_kept_and_told_of_all_pages_together() {
    let origin = Origin::start(|asked| {
        let next = if asked.path == "/1" { r#""/2""# } else { "null" };
        Answer::ok(format!(r#"{{"data":[{{"id":"{}","at":"2031-01-01"}}],"next":{next}}}"#, asked.path))
    });
    let (origin, engine) = (origin.await, engine().await);
    let options = [ITEMS, "key=id", "published=at", "next=next"];
    let feed = add_with(&engine, origin.url("/1"), "json", &options).await;
    let report = collect(&engine, &feed).await;
    let ahead: Vec<&String> = report.warnings.iter().filter(|warning| warning.starts_with("date.future")).collect();
    assert_eq!(ahead, [r#"date.future (2 times): "/1" bears the date 2031-01-01T00:00:00Z"#], "{report:?}");
    assert_eq!(engine.show("/2", None).await.unwrap().record.published.unwrap().to_string(), "2031-01-01T00:00:00Z");
}

#[tokio::test]
async fn items_are_keyed_dated_and_kept_as_they_came() {
    let origin = Origin::start(|_| {
        Answer::ok(r#"{"data":[{"id":9007199254740993,"name":"One","t":1704067200,"n":1.0},{"name":"no id"},7]}"#)
    });
    let (origin, engine) = (origin.await, engine().await);
    let options = [ITEMS, "key=id", "title=$.name", "published=t", "dates=epoch_s", "field=first=$.name"];
    let feed = add_with(&engine, origin.url("/a"), "json", &options).await;
    assert_eq!(feed.key_rule, Some(KeyRule::Given));
    let report = collect(&engine, &feed).await;
    assert_eq!(code(&report), "ok", "{report:?}");
    assert_eq!((report.counts.new, report.counts.rejected), (1, 2));
    let record = engine.show("9007199254740993", None).await.unwrap().record;
    assert_eq!(
        record.content.as_str(),
        r#"{"first":"One","id":9007199254740993,"n":1,"name":"One","published":1704067200,"t":1704067200,"title":"One"}"#
    );
    assert_eq!(record.published.unwrap().to_string(), "2024-01-01T00:00:00Z");
    let rejects = engine.feed(&feed.name).await.unwrap().rejects;
    let codes: Vec<&str> = rejects.iter().map(|reject| reject.reject.code.as_str()).collect();
    assert_eq!(codes, ["json.not_an_object", "key.missing"]);
}

#[tokio::test]
async fn every_way_to_the_next_page_leads_to_all_items_and_to_one_observation() {
    let by_next = |asked: &Asked| match asked.path.as_str() {
        "/a" => page(&[1, 2], r#","links":{"next":"a/2"}"#),
        "/a/2" => page(&[3, 4], r#","links":{"next":"3?x=1"}"#),
        _ => page(&[5], r#","links":{"next":null}"#),
    };
    let by_header = |asked: &Asked| match asked.path.as_str() {
        "/a" => page(&[1, 2], "").with("link", "</a?p=2>; rel=\"next\", </a?p=3>; rel=\"last\""),
        "/a?p=2" => page(&[3, 4], "").with("link", "</a>; rel=\"prev\"").with("link", "</a?p=3>; rel=next"),
        _ => page(&[5], ""),
    };
    let by_number = |asked: &Asked| match query(asked, "page") {
        Some("1") => page(&[1, 2], ""),
        Some("2") => page(&[3, 4], ""),
        Some("3") => page(&[5], ""),
        _ => page(&[], ""),
    };
    let by_offset = |asked: &Asked| match query(asked, "from") {
        Some("0") => page(&[1, 2], ""),
        Some("2") => page(&[3, 4], ""),
        _ => page(&[5], ""),
    };
    let by_token = |asked: &Asked| match query(asked, "c") {
        None => page(&[1, 2], r#","more":"t+1""#),
        Some("t%2B1") => page(&[3, 4], r#","more":9"#),
        _ => page(&[5], r#","more":null"#),
    };
    let ways: [Way; 5] = [
        (&["next=links.next"], by_next, 3),
        (&["link_header=true"], by_header, 3),
        (&["page_param=page"], by_number, 4),
        (&["offset_param=from", "page_size=2"], by_offset, 3),
        (&["cursor_param=c", "cursor=$.more"], by_token, 3),
    ];
    for (options, script, asked) in ways {
        let (origin, engine) = (Origin::start(script).await, engine().await);
        let feed = add_with(&engine, origin.url("/a"), "json", &[&[ITEMS], options].concat()).await;
        for new in [5, 0] {
            let report = collect(&engine, &feed).await;
            assert_eq!(
                (code(&report), report.counts.seen, report.counts.new),
                ("ok", 5, new),
                "{options:?} {report:?}"
            );
            assert_eq!(report.warnings, Vec::<String>::new(), "{options:?}");
        }
        assert_eq!(origin.asked(), 2 * asked, "{options:?} {:?}", paths(&origin));
        assert_eq!(coverages(&engine, &feed).await, ["snapshot", "snapshot"], "{options:?}");
    }
}

#[tokio::test]
async fn a_source_that_leads_in_a_circle_is_read_once() {
    let circle = |asked: &Asked| match asked.path.as_str() {
        "/self" => page(&[1], r#","next":"/self""#),
        "/b" => page(&[2], r#","next":"/a""#),
        "/a" => page(&[1], r#","next":"/b""#),
        // It knows nothing of pages.
        _ => page(&[1], ""),
    };
    let origin = Origin::start(circle).await;
    for (path, option, asked, seen) in
        [("/self", "next=$.next", 1, 1), ("/a", "next=$.next", 2, 2), ("/same", "page_param=page", 2, 1)]
    {
        let before = origin.asked();
        let engine = engine().await;
        let feed = add_with(&engine, origin.url(path), "json", &[ITEMS, option]).await;
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), report.counts.seen), ("ok", seen), "{path} {report:?}");
        assert!(report.warnings[0].starts_with("pages.loop: "), "{report:?}");
        assert_eq!(origin.asked() - before, asked, "{path}");
        assert_eq!(coverages(&engine, &feed).await, ["incomplete"], "{path}");
    }
}

#[tokio::test]
async fn an_endless_source_is_read_up_to_its_limit() {
    let endless = |asked: &Asked| page(&[query(asked, "page").map_or(0, |page| page.parse().unwrap())], "");
    let (origin, engine) = (Origin::start(endless).await, engine().await);
    let feed = add_with(&engine, origin.url("/a"), "json", &[ITEMS, "page_param=page", "max_pages=3"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new, origin.asked()), ("ok", 3, 3));
    assert!(report.warnings[0].starts_with("pages.limit: "), "{report:?}");
    assert_eq!(coverages(&engine, &feed).await, ["incomplete"]);
}

#[tokio::test]
async fn a_page_that_fails_leaves_what_was_stored_and_the_cursor_where_it_was() {
    let origin = Origin::start(|asked| match (asked.number, query(asked, "page")) {
        (_, Some("1")) => page(&[1, 2], ""),
        (1, _) => Answer::cut(r#"{"data":[{"id":3"#),
        (3, _) => Answer::status(500),
        (5, _) => Answer::ok(r#"{"data":[{"id":3}"#),
        (_, Some("2")) => page(&[3], ""),
        _ => page(&[], ""),
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/a"), "json", &[ITEMS, "page_param=page"]).await;
    for (expected, new) in [("http.truncated", 2), ("http.status", 0), ("json.truncated", 0)] {
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), report.outcome, report.counts.new), (expected, FetchStatus::Failed, new));
        assert!(engine.storage().cursor(feed.id).await.unwrap().is_none());
        assert_eq!(engine.show("1", None).await.unwrap().record.key.key(), "1");
    }
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.seen, report.counts.new), ("ok", 3, 1), "{report:?}");
    assert_eq!(engine.storage().cursor(feed.id).await.unwrap().unwrap().revision, 1);
}

#[tokio::test]
async fn a_document_that_is_not_as_was_said_is_never_one_without_items() {
    let origin = Origin::start(|_| Answer::ok(r#"{"data":[{"items":{"a":1}}]}"#)).await;
    let engine = engine().await;
    let feed = add_with(&engine, origin.url("/a"), "json", &["items=data.items"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.outcome), ("adapter.items_path", FetchStatus::Failed));
    assert!(report.error.unwrap().message().contains("data.items"));
}

#[tokio::test]
async fn one_page_is_asked_for_with_what_it_told_and_the_same_bytes_are_one_row() {
    let origin = Origin::start(|asked| match (asked.path.as_str(), asked.header("if-none-match")) {
        ("/etag", Some("\"e\"")) => Answer::status(304),
        _ => page(&[1], "").with("etag", "\"e\""),
    });
    let (origin, engine) = (origin.await, engine().await);
    for (path, option) in [("/etag", "key=id"), ("/plain", "key=id"), ("/delta", "coverage=delta")] {
        let feed = add_with(&engine, origin.url(path), "json", &[ITEMS, option]).await;
        for outcome in [FetchStatus::Captured, FetchStatus::Unchanged, FetchStatus::Unchanged] {
            let report = collect(&engine, &feed).await;
            assert_eq!((code(&report), report.outcome), ("ok", outcome), "{path} {report:?}");
        }
        let expected = if path == "/delta" { ["delta"; 3] } else { ["snapshot", "unchanged", "unchanged"] };
        assert_eq!(coverages(&engine, &feed).await, expected, "{path}");
    }
}

#[tokio::test]
async fn only_what_is_new_is_asked_for() {
    let origin = Origin::start(|asked| match query(asked, "since") {
        Some("2026-01-01") => page(&[1, 2], ""),
        Some("2026-11-03T00%3A00%3A00Z") => page(&[5], ""),
        _ => page(&[], ""),
    });
    let (origin, engine) = (origin.await, engine().await);
    let options = [ITEMS, "since=$.at", "since_param=since", "since_start=2026-01-01"];
    let feed = add_with(&engine, origin.url("/a"), "json", &options).await;
    for new in [2, 1, 0, 0] {
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), report.counts.new, report.counts.withdrawn), ("ok", new, 0), "{report:?}");
    }
    let asked = paths(&origin);
    assert_eq!(asked[2], "/a?since=2026-11-06T00%3A00%3A00Z");
    assert_eq!(asked[3], asked[2]);
}

#[tokio::test]
async fn a_limit_of_pages_in_what_is_new_is_a_failure_that_loses_nothing() {
    let endless = |asked: &Asked| {
        let number = query(asked, "page").map_or(0, |page| page.parse().unwrap());
        page(&[number], "")
    };
    let (origin, engine) = (Origin::start(endless).await, engine().await);
    let options = [ITEMS, "page_param=page", "since=at", "since_param=since", "max_pages=2"];
    let feed = add_with(&engine, origin.url("/a"), "json", &options).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new), ("pages.limit", 2), "{report:?}");
    assert!(engine.storage().cursor(feed.id).await.unwrap().is_none());
}

#[tokio::test]
async fn secrets_are_sent_to_the_feeds_own_origin_and_shown_nowhere() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("token");
    std::fs::write(&token, "s3cret\n").unwrap();
    let other = Origin::start(|_| page(&[3], "")).await;
    let elsewhere = other.url("/b");
    let origin = Origin::start(move |asked| match asked.path.as_str() {
        path if path.starts_with("/broken") => Answer::status(403),
        path if path.contains("page=2") => Answer::redirect(elsewhere.clone()),
        _ => page(&[1], r#","next":"/a?page=2""#).with("etag", "\"e\""),
    });
    let (origin, engine) = (origin.await, engine().await);
    let secret = format!("{{file:{}}}", token.display());
    let (header, parameter) = (format!("header=Authorization: Bearer {secret}"), format!("query=api_key={secret}"));
    let options = [ITEMS, "next=next", header.as_str(), parameter.as_str()];
    let feed = add_with(&engine, origin.url("/a"), "json", &options).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new), ("ok", 2), "{report:?}");
    for asked in origin.log() {
        assert_eq!(asked.header("authorization"), Some("Bearer s3cret"));
        assert_eq!(query(&asked, "api_key"), Some("s3cret"));
    }
    assert_eq!(other.log()[0].header("authorization"), None);
    assert_eq!(query(&other.log()[0], "api_key"), None);
    let broken = add_with(&engine, origin.url("/broken"), "json", &options[..]).await;
    let failed = collect(&engine, &broken).await;
    assert_eq!(code(&failed), "http.status");
    let shown = format!("{failed:?} {report:?} {:?}", engine.feed(&feed.name).await.unwrap());
    assert!(!shown.contains("s3cret") && shown.contains("***"), "{shown}");
}

#[tokio::test]
async fn a_secret_that_is_missing_is_an_error_before_anybody_is_asked() {
    let (origin, engine) = (Origin::start(|_| page(&[1], "")).await, engine().await);
    let header = "header=X-Api-Key: {env:FEEDSPINE_NO_SUCH_KEY}";
    let feed = add_with(&engine, origin.url("/a"), "json", &[ITEMS, header]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), origin.asked()), ("adapter.secret", 0));
    assert!(report.error.unwrap().message().contains("FEEDSPINE_NO_SUCH_KEY"));
}

#[tokio::test]
async fn volatile_members_make_no_version() {
    let origin = Origin::start(|asked| {
        Answer::ok(format!(r#"{{"data":[{{"id":1,"name":"One","stats":{{"views":{}}}}}]}}"#, asked.number))
    });
    let (origin, engine) = (origin.await, engine().await);
    for (volatile, changed) in [(None, 1), (Some("volatile=stats.views"), 0)] {
        let options: Vec<&str> = [ITEMS].into_iter().chain(volatile).collect();
        let feed = add_with(&engine, origin.url(&format!("/{changed}")), "json", &options).await;
        collect(&engine, &feed).await;
        assert_eq!(collect(&engine, &feed).await.counts.changed, changed);
    }
}

#[tokio::test]
async fn lines_are_items_and_a_file_is_a_source() {
    let engine = engine().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("lines.jsonl");
    std::fs::write(&path, "{\"id\":\"a\"}\nnot json\n{\"id\":\"b\"}\n").unwrap();
    let feed = add_with(&engine, path.to_str().unwrap(), "json", &["lines=true"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new, report.counts.rejected), ("ok", 2, 1), "{report:?}");
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
}

#[tokio::test]
async fn a_page_beyond_the_limits_is_refused_as_a_document_is() {
    let limits = Limits { body_bytes: 1_000, ..Limits::default() };
    let engine = engine_with(settings_with(limits)).await;
    let origin = Origin::start(|_| Answer::ok(vec![b' '; 2_000])).await;
    let feed = add_with(&engine, origin.url("/a"), "json", &[ITEMS]).await;
    assert_eq!(code(&collect(&engine, &feed).await), "http.too_large");
    let strict = engine_with(Settings { allow: Vec::new(), ..settings() }).await;
    let feed = add_as_public(&strict, origin.url("/a"), AdapterChoice::new(Some("json"), [ITEMS]).unwrap()).await;
    assert!(code(&collect(&strict, &feed).await).starts_with("net."));
}

#[tokio::test]
async fn a_page_may_not_lead_to_a_private_address() {
    let origin = Origin::start(|_| page(&[1], r#","next":"http://169.254.169.254/latest""#)).await;
    let engine = engine().await;
    let feed = add_with(&engine, origin.url("/a"), "json", &[ITEMS, "next=next"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.counts.new), (FetchStatus::Failed, 1), "{report:?}");
    assert!(code(&report).starts_with("net."), "{report:?}");
}

#[tokio::test]
async fn a_feeds_keys_and_volatile_members_may_be_said_too() {
    let rss = |asked: &Asked| {
        let number = asked.number;
        Answer::ok(format!(
            "<rss version='2.0'><channel><title>t</title><item><guid>G{number}</guid><title>one</title>\
             <link>http://x.example/A</link></item></channel></rss>"
        ))
    };
    let (origin, engine) = (Origin::start(rss).await, engine().await);
    for (number, (options, new)) in [
        (&[] as &[&str], 1),
        (&["key=link", "volatile=id"], 0),
        (&["key=title", "key=link", "fold_case=true", "volatile=id"], 0),
    ]
    .into_iter()
    .enumerate()
    {
        let feed = add_with(&engine, origin.url(&format!("/{number}")), "feed", options).await;
        collect(&engine, &feed).await;
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), report.counts.new, report.counts.changed), ("ok", new, 0), "{options:?} {report:?}");
    }
    assert!(engine.show(r#"["one","http://x.example/a"]"#, None).await.is_ok());
}

#[tokio::test]
async fn an_address_that_is_there_keeps_its_adapter() {
    let engine = engine().await;
    let address = "https://example.org/a";
    add_with(&engine, address, "json", &[ITEMS]).await;
    let again = |options: &[&str]| AddFeed {
        adapter: AdapterChoice::new(Some("json"), options.iter().copied()).unwrap(),
        ..AddFeed::new(address)
    };
    assert!(engine.add(again(&[ITEMS])).await.is_ok());
    assert!(engine.add(AddFeed::new(address)).await.is_ok());
    assert_eq!(engine.add(again(&["items=$"])).await.unwrap_err().code(), "feed.adapter_fixed");
}
