//! Lines and rows that were rejected, tried again: of tables, folders, programs, taps, what is pushed, and lists of EDGAR.

use std::path::Path;

use feedspine::Engine;
use feedspine::core::{Content, Feed, NaturalKey};
use feedspine::ops::RetryRejects;
use futures_util::stream;

use crate::support::{add_with, collect, engine_with, name, replace, settings};

async fn keeping() -> Engine {
    engine_with(settings()).await
}

/// Lets a feed be read with other options.
async fn choose(engine: &Engine, feed: &Feed, options: &str) {
    let mut settings = feed.settings.to_json();
    if let feedspine::core::Json::Object(members) = &mut settings {
        members.insert("options".to_owned(), feedspine::core::Json::parse(options).unwrap());
    }
    let settings = Content::parse(&settings.to_canonical()).unwrap();
    replace(engine, &Feed { settings, ..feed.clone() }).await;
}

/// `outcome key-or-reason` of each reject.
async fn retried(engine: &Engine) -> Vec<String> {
    let retried = engine.retry_rejects(&RetryRejects::default()).await.unwrap();
    let told = retried.items.iter().map(|item| {
        let shown = item.fate.key().map(|key| key.key().to_owned()).or_else(|| item.fate.reason());
        format!("{} {}", item.fate.as_str(), shown.unwrap_or_default())
    });
    told.collect()
}

async fn content(engine: &Engine, feed: &Feed, key: &str) -> String {
    let key = NaturalKey::new(feed.namespace.clone(), key).unwrap();
    let found = engine.storage().get_many(&[feedspine::core::RecordRef::key(key)]).await.unwrap();
    found.into_iter().next().unwrap().unwrap().content.as_str().to_owned()
}

fn file(folder: &Path, name: &str, text: &str) -> String {
    let path = folder.join(name);
    std::fs::write(&path, text).unwrap();
    path.to_str().unwrap().to_owned()
}

#[tokio::test]
async fn rows_of_a_table_pass_when_the_key_is_another_or_the_columns_are() {
    let (engine, folder) = (keeping().await, tempfile::tempdir().unwrap());
    let path =
        file(folder.path(), "t.csv", "id;slug;n\n1;one;1\n;two;2\n3;three\n6;six;6\n4;four;4;more\n\"5;five;5\n");
    let feed = add_with(&engine, &path, "csv", &["key=id"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((report.counts.new, report.counts.rejected), (2, 4), "{report:?}");
    let still = [
        "rejected key.missing: line 3: the item has no id, which its key is made of",
        "rejected csv.ragged: line 4: 2 fields for 3 columns",
        "rejected csv.ragged: line 6: 4 fields for 3 columns",
        "rejected csv.quote: line 7: a quote is opened and not closed; nothing behind it is read",
    ];
    assert_eq!(retried(&engine).await, still);
    // The file is gone, and it does not matter.
    std::fs::remove_file(&path).unwrap();
    choose(&engine, &feed, r#"{"key":"slug"}"#).await;
    assert_eq!(retried(&engine).await, ["new two", still[1], still[2], still[3]]);
    assert_eq!(content(&engine, &feed, "two").await, r#"{"id":"","n":"2","slug":"two"}"#);
    choose(&engine, &feed, r#"{"key":"b","column":["a","b"],"delimiter":";"}"#).await;
    let now = retried(&engine).await;
    assert_eq!(
        (now[1].as_str(), now[2].as_str()),
        ("new three", "rejected csv.ragged: line 6: 4 fields for 2 columns")
    );
}

#[tokio::test]
async fn where_a_row_cannot_be_read_nothing_is_said_to_have_left() {
    let (engine, folder) = (keeping().await, tempfile::tempdir().unwrap());
    let path = file(folder.path(), "t.csv", "id,t\n1,a\n2,b\n3,c\n");
    let feed = add_with(&engine, &path, "csv", &["key=id"]).await;
    collect(&engine, &feed).await;
    file(folder.path(), "t.csv", "id,t\n1,a\n3,d\n2,\"b\n");
    let report = collect(&engine, &feed).await;
    assert_eq!((report.counts.changed, report.counts.rejected), (1, 1), "{report:?}");
    assert_eq!(report.counts.withdrawn + report.counts.scrolled_off, 0);
}

#[tokio::test]
async fn lines_and_rows_of_files_pass_each_with_the_header_of_its_own() {
    for (each, texts) in [
        ("line", ["{\"id\":1}\n{\"slug\":\"one\"}\n", "{\"slug\":\"two\",\"n\":2}\nnone\n"]),
        ("row", ["id,slug\n1,a\n,one\n", "n;slug;id\n2;two;\nnone\n"]),
    ] {
        let (engine, folder) = (keeping().await, tempfile::tempdir().unwrap());
        for (name, text) in ["a.txt", "b.txt"].into_iter().zip(texts) {
            file(folder.path(), name, text);
        }
        let each = format!("each={each}");
        let feed = add_with(&engine, folder.path().to_str().unwrap(), "files", &["key=id", &each]).await;
        let report = collect(&engine, &feed).await;
        assert_eq!((report.counts.new, report.counts.rejected), (1, 3), "{report:?}");
        let options = format!(r#"{{"key":"slug","each":"{}"}}"#, &each[5..]);
        choose(&engine, &feed, &options).await;
        let now = retried(&engine).await;
        assert_eq!((now[0].as_str(), now[1].as_str()), ("new one", "new two"), "{now:?}");
        assert!(now[2].starts_with("rejected ") && now[2].contains("line "), "{now:?}");
    }
}

#[tokio::test]
async fn what_a_program_printed_and_what_was_pushed_passes_without_being_told_again() {
    let engine = keeping().await;
    let tap = r#"command:printf '%s\n' '{"type":"SCHEMA","stream":"s","schema":{},"key_properties":["id"]}' '{"type":"RECORD","stream":"s","record":{"id":1}}' '{"type":"RECORD","stream":"s","record":{"code":"x"}}'"#;
    let tapped = add_with(&engine, tap, "command", &["singer=true"]).await;
    let report = collect(&engine, &tapped).await;
    assert_eq!((report.counts.new, report.counts.rejected), (1, 1), "{report:?}");
    choose(&engine, &tapped, r#"{"key":"code","singer":"true"}"#).await;
    assert_eq!(retried(&engine).await, ["new x"]);
    assert_eq!(content(&engine, &tapped, "x").await, r#"{"_stream":"s","code":"x"}"#);

    let engine = keeping().await;
    let pushed = add_with(&engine, "push:orders", "push", &["key=number"]).await;
    let lines = "{\"number\":1}\n{\"n\":2}\nno\n{\"number\":3}\n{\"n\":4}\n";
    let pieces = stream::iter([Ok(lines.as_bytes().to_vec())]);
    engine.ingest_lines(&name("orders"), pieces, &|_| {}).await.unwrap();
    choose(&engine, &pushed, r#"{"key":"n"}"#).await;
    let now = retried(&engine).await;
    assert_eq!((now[0].as_str(), now[2].as_str()), ("new 2", "new 4"), "{now:?}");
    assert!(now[1].starts_with("rejected json.syntax: line 3: "), "{now:?}");
    assert_eq!(retried(&engine).await[0], "held 2");
    // Others go on pushing.
    let pieces = stream::iter([Ok(b"{\"n\":5}\n".to_vec())]);
    assert_eq!(engine.ingest_lines(&name("orders"), pieces, &|_| {}).await.unwrap().counts.new, 1);
}

#[tokio::test]
async fn what_the_store_rejected_of_lines_is_to_be_read_again() {
    let (engine, folder) = (keeping().await, tempfile::tempdir().unwrap());
    let path = file(folder.path(), "t.csv", "id,n\n1,1\n1,2\n,3\n");
    let feed = add_with(&engine, &path, "csv", &["key=id"]).await;
    assert_eq!(collect(&engine, &feed).await.counts.rejected, 2);
    let now = retried(&engine).await;
    assert!(
        now.iter().any(|one| one == "no_body its line was not kept, or had to make room for later ones"),
        "{now:?}"
    );
    // Documents are read by other adapters.
    let settings = Content::parse(r#"{"adapter":"json"}"#).unwrap();
    replace(&engine, &Feed { settings, ..feed.clone() }).await;
    let now = retried(&engine).await;
    assert!(now.iter().any(|one| one.contains("another adapter")), "{now:?}");
}

#[tokio::test]
async fn lists_of_edgar_are_read_again_whole() {
    const HEADER: &str = "CIK|Company Name|Form Type|Date Filed|File Name\n-----\n";
    let entry = |id: &str| {
        format!(
            "<entry><title>8-K - Works Inc. (0009000007) (Filer)</title><id>{id}</id>\
             <updated>2026-11-24T16:05:12-05:00</updated><category label='form type' term='8-K'/></entry>"
        )
    };
    let feed_of = |entries: &[String]| {
        format!("<feed xmlns='http://www.w3.org/2005/Atom'><title>Latest</title>{}</feed>", entries.concat())
    };
    let good = "urn:tag:sec.gov,2008:accession-number=0009000007-26-000012";
    for (list, text, reason) in [
        (
            "index",
            format!("{HEADER}9000007|Works Inc.|8-K|2026-11-24|edgar/data/9000007/0009000007-26-000012.txt\nno line\n"),
            "rejected edgar.line: line 4: it has no five fields with | between them",
        ),
        (
            "submissions",
            r#"{"cik":"9000007","filings":{"recent":{"accessionNumber":["0009000007-26-000012","x"],"form":["8-K","4"]}}}"#
                .to_owned(),
            "rejected key.missing: filing 2 of the document has no accession number",
        ),
        (
            "current",
            feed_of(&[entry("x"), entry(good)]),
            "rejected key.missing: an entry names no accession number",
        ),
    ] {
        let (engine, folder) = (keeping().await, tempfile::tempdir().unwrap());
        let path = file(folder.path(), list, &text);
        let option = format!("list={list}");
        let feed = add_with(&engine, &path, "edgar", &[&option]).await;
        let report = collect(&engine, &feed).await;
        assert_eq!((report.counts.new, report.counts.rejected), (1, 1), "{list} {report:?}");
        assert_eq!(retried(&engine).await, [reason]);
    }
}
