//! Presets: sources that many have, against imitations of them on loopback.

use feedspine::core::Json;
use feedspine::ops::FeedReport;

use crate::origin::{Answer, Origin};
use crate::support::{add_with, code, collect, engine};

fn counts(report: &FeedReport) -> [u64; 4] {
    [report.counts.new, report.counts.changed, report.counts.unchanged, report.counts.rejected]
}

#[tokio::test]
async fn releases_are_read_page_by_page_and_their_downloads_are_no_news() {
    let origin = Origin::start(|asked| {
        assert_eq!(asked.header("accept"), Some("application/vnd.github+json"));
        let release = |id: usize| {
            let downloads = asked.number;
            format!(
                r#"[{{"id":{id},"name":"v{id}","tag_name":"v{id}","html_url":"https://a.example/v{id}",
                "published_at":"2026-11-2{id}T09:00:00Z","assets":[{{"download_count":{downloads}}}]}}]"#
            )
        };
        match asked.path.as_str() {
            "/repos/o/r/releases?per_page=100" => {
                Answer::ok(release(2)).with("link", "</repos/o/r/releases?per_page=100&page=2>; rel=\"next\"")
            }
            _ => Answer::ok(release(1)),
        }
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/repos/o/r/releases"), "github_releases", &[]).await;
    assert_eq!(counts(&collect(&engine, &feed).await), [2, 0, 0, 0]);
    assert_eq!(counts(&collect(&engine, &feed).await), [0, 0, 2, 0]);
    let record = engine.show("2", None).await.unwrap().record;
    assert_eq!(record.published.unwrap().to_string(), "2026-11-22T09:00:00Z");
    assert_eq!(record.content.to_json().get("title").and_then(Json::as_str), Some("v2"));
}

#[tokio::test]
async fn an_outbox_is_read_from_its_newest_page() {
    let page = r#"{"type":"OrderedCollectionPage","next":"/outbox?max_id=1","orderedItems":[
        {"id":"https://a.example/1/activity","type":"Create","published":"2026-11-24T09:00:00Z",
         "object":{"id":"https://a.example/1","url":"https://a.example/@a/1","content":"<p>One</p>"}},
        {"id":"https://a.example/2/activity","type":"Announce","published":"2026-11-24T10:00:00Z","object":"https://b.example/9"}]}"#;
    let origin = Origin::start(move |asked| {
        assert_eq!(asked.header("accept"), Some("application/activity+json"));
        Answer::ok(page)
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/outbox?page=true"), "activitypub", &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report), origin.asked()), ("ok", [2, 0, 0, 0], 1), "{report:?}");
    let record = engine.show("https://a.example/1/activity", None).await.unwrap().record;
    assert_eq!(record.content.to_json().get("link").and_then(Json::as_str), Some("https://a.example/@a/1"));
}

#[tokio::test]
async fn an_earnings_calendar_needs_a_key_and_invents_no_row() {
    let folder = tempfile::tempdir().unwrap();
    let token = folder.path().join("key");
    std::fs::write(&token, "s3cret").unwrap();
    let origin = Origin::start(|asked| match asked.path.as_str() {
        path if !path.contains("apiKey=s3cret") => Answer::status(401),
        path if path.contains("cursor=2") => Answer::ok(r#"{"status":"OK","results":[]}"#),
        _ => Answer::ok(
            r#"{"status":"OK","next_url":"/v1/earnings?cursor=2","results":[{"benzinga_id":"a1","ticker":"ACME",
            "company_name":"Acme","date":"2026-11-30","estimated_eps":1.1,"last_updated":"2026-11-24T09:00:00Z"}]}"#,
        ),
    });
    let (origin, engine) = (origin.await, engine().await);
    // No test sets this variable.
    let unset = add_with(&engine, origin.url("/v1/earnings?unset"), "earnings", &[]).await;
    let error = collect(&engine, &unset).await.error.unwrap();
    assert_eq!((error.code(), origin.asked()), ("adapter.secret", 0));
    assert!(error.message().contains("POLYGON_API_KEY"), "{error:?}");
    let option = format!("query=apiKey={{file:{}}}", token.display());
    let feed = add_with(&engine, origin.url("/v1/earnings"), "earnings", &[&option]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report), origin.asked()), ("ok", [1, 0, 0, 0], 2), "{report:?}");
    assert_eq!(engine.show("a1", None).await.unwrap().record.content.to_json().get("published"), None);
}
