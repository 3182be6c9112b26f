//! Tables: rows as items, in files and over HTTP.

use std::fmt::Write as _;

use feedspine::core::{Coverage, FetchStatus, PageRequest};
use feedspine::ops::{AdapterChoice, AddFeed, PolicyOutcome, PolicySays, Rekey, SetPolicy};

use crate::origin::{Answer, Origin};
use crate::support::{add_with, code, collect, engine};

#[tokio::test]
async fn rows_are_keyed_by_columns_and_dated() {
    let engine = engine().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("filings.csv");
    std::fs::write(&path, "cik;form;filed.on\n1;8-K;24/11/2026\n1;10-Q;soon\n1;8-K;24/11/2026\n2\n3;;1/1/2026\n")
        .unwrap();
    let options = ["key=cik", "key=form", "published=filed.on", "dates=dmy", "volatile=filed.on", "volatile=published"];
    let feed = add_with(&engine, path.to_str().unwrap(), "csv", &options).await;
    let report = collect(&engine, &feed).await;
    assert_eq!(code(&report), "ok", "{report:?}");
    assert_eq!((report.counts.new, report.counts.repeated, report.counts.rejected), (2, 1, 2));
    let record = engine.show(r#"["1","8-K"]"#, None).await.unwrap().record;
    assert_eq!(record.published.unwrap().to_string(), "2026-11-24T00:00:00Z");
    assert!(report.warnings.iter().any(|warning| warning.starts_with("date.unreadable: ")), "{report:?}");
    let rejects = engine.feed(&feed.name).await.unwrap().rejects;
    let reasons: Vec<&str> = rejects.iter().map(|reject| reject.reject.reason.as_str()).collect();
    assert_eq!(reasons, ["line 6: the item has no form, which its key is made of", "line 5: 1 fields for 3 columns"]);
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    std::fs::write(&path, "cik;form;filed.on\n1;8-K;25/11/2026\n1;10-Q;soon\n").unwrap();
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.counts.changed, report.counts.unchanged), (FetchStatus::Captured, 0, 2));
}

#[tokio::test]
async fn a_table_that_is_ambiguous_is_refused() {
    let engine = engine().await;
    let folder = tempfile::tempdir().unwrap();
    for (number, (table, options, expected)) in [
        ("id,id\n1,2\n", &["key=id"] as &[&str], "csv.header"),
        ("id,t,t\n1,2,3\n", &["key=id", "title=t"], "csv.header"),
        ("id,t,t\n1,2,3\n", &["key=id", "title=t_2"], "ok"),
        ("id,\"t\n1,a\n", &[], "csv.header"),
        ("id,t\n1,a\n", &["key=cik"], "csv.header"),
        ("", &[], "feed.empty"),
        ("1,a\n", &["column=id", "column=t"], "ok"),
    ]
    .into_iter()
    .enumerate()
    {
        let path = folder.path().join(format!("{number}.csv"));
        std::fs::write(&path, table).unwrap();
        let feed = add_with(&engine, path.to_str().unwrap(), "csv", options).await;
        assert_eq!(code(&collect(&engine, &feed).await), expected, "{table:?}");
    }
}

#[tokio::test]
async fn an_option_of_its_adapter_is_set_of_a_feed_that_is_there() {
    let engine = engine().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "id;title\n1;a,b\n").unwrap();
    let feed = add_with(&engine, path.to_str().unwrap(), "csv", &["delimiter=,", "key=id"]).await;
    let set = async |text: &str| {
        let says = PolicySays::Options(vec![text.to_owned()]);
        engine.set_policy(&SetPolicy { feed: feed.name.clone(), says, rekey: Rekey::Refuse }).await
    };
    assert_eq!(code(&collect(&engine, &feed).await), "csv.header");
    assert_eq!(set("delimiter=;").await.unwrap().outcome, PolicyOutcome::Set);
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new), ("ok", 1), "{report:?}");
    assert_eq!(set("delimiter=").await.unwrap().feed.settings.as_str(), r#"{"adapter":"csv","options":{"key":"id"}}"#);
    for (text, told) in [
        ("delimiter=two", "is tab or one character"),
        ("delimeter=,", "did you mean delimiter?"),
        ("bearerr={env:TOKEN}", "did you mean bearer?"),
        ("evry=15m", "did you mean every?"),
        ("x=y", "every feed has every, cron, adaptive, follow_moves, websub, headers, cookie, basic, bearer, tls, ca"),
    ] {
        let error = set(text).await.unwrap_err();
        assert_eq!(error.code(), "adapter.option", "{text}");
        let all = format!("{} {}", error.message(), error.hint().unwrap());
        assert!(all.contains(told), "{text}: {all}");
    }
}

#[tokio::test]
async fn an_encoding_that_nobody_knows_is_refused_when_a_table_is_added() {
    let engine = engine().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("t.csv");
    std::fs::write(&path, "id\n1\n").unwrap();
    let adapter = AdapterChoice::new(Some("csv"), ["encoding=klingon"]).unwrap();
    let error = engine.add(AddFeed { adapter, ..AddFeed::new(path.to_str().unwrap()) }).await.unwrap_err();
    assert_eq!(error.code(), "adapter.option");
    assert!(error.message().contains("klingon"), "{error}");
}

#[tokio::test]
async fn a_table_over_http_is_asked_for_with_what_it_told() {
    let origin = Origin::start(|asked| match (asked.path.as_str(), asked.header("if-none-match")) {
        ("/etag", Some("\"e\"")) => Answer::status(304),
        _ => Answer::ok("id\tt\n1\ta\n2\tb\n").with("etag", "\"e\""),
    });
    let (origin, engine) = (origin.await, engine().await);
    for path in ["/etag", "/plain"] {
        for coverage in ["snapshot", "delta"] {
            let option = format!("coverage={coverage}");
            let options = [option.as_str()];
            let feed = add_with(&engine, origin.url(&format!("{path}?{coverage}")), "csv", &options).await;
            for outcome in [FetchStatus::Captured, FetchStatus::Unchanged, FetchStatus::Unchanged] {
                let report = collect(&engine, &feed).await;
                assert_eq!((code(&report), report.outcome), ("ok", outcome), "{path} {coverage} {report:?}");
            }
        }
    }
}

#[tokio::test]
async fn a_row_that_cannot_be_read_costs_itself_and_what_it_was_is_not_said_to_have_left() {
    let engine = engine().await;
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("long.csv");
    let mut table = String::from("id,t\n");
    for row in 0..6_000 {
        writeln!(table, "{row},text").unwrap();
    }
    std::fs::write(&path, format!("{table}x,\"never closed\ny,text\n")).unwrap();
    let feed = add_with(&engine, path.to_str().unwrap(), "csv", &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.new, report.counts.rejected), ("ok", 6_000, 1), "{report:?}");
    let reject = engine.feed(&feed.name).await.unwrap().rejects.remove(0).reject;
    assert_eq!((reject.code.as_str(), reject.excerpt.as_str()), ("csv.quote", "x,\"never closed\n"));
    assert!(reject.reason.starts_with("line 6002: "), "{reject:?}");
    let coverages = async || {
        let ledger = engine.storage().observations_page(feed.id, &PageRequest::first(9)).await.unwrap();
        ledger.items.last().unwrap().coverage
    };
    assert_eq!(coverages().await, Coverage::Snapshot { complete: false });
    std::fs::write(&path, table).unwrap();
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.counts.seen, report.counts.new), ("ok", 6_000, 0));
    assert_eq!(coverages().await, Coverage::Snapshot { complete: true });
}
