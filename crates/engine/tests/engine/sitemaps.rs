//! Sitemaps and manifests.

use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use feedspine::core::{FetchStatus, Json};
use feedspine::ops::FeedReport;
use flate2::Compression;
use flate2::write::GzEncoder;

use crate::origin::{Answer, Origin};
use crate::support::{add_with, code, collect, engine};

fn urlset(locations: &[&str]) -> String {
    let url = |location: &&str| format!("<url><loc>{location}</loc><lastmod>2026-11-24</lastmod></url>");
    format!("<urlset>{}</urlset>", locations.iter().map(url).collect::<Vec<_>>().concat())
}

fn index(sitemaps: &[(&str, &str)]) -> String {
    let sitemap = |(location, changed): &(&str, &str)| {
        format!("<sitemap><loc>{location}</loc><lastmod>{changed}</lastmod></sitemap>")
    };
    format!("<sitemapindex>{}</sitemapindex>", sitemaps.iter().map(sitemap).collect::<Vec<_>>().concat())
}

fn gzip(text: &str) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(text.as_bytes()).unwrap();
    encoder.finish().unwrap()
}

fn counts(report: &FeedReport) -> [u64; 4] {
    [report.counts.new, report.counts.changed, report.counts.unchanged, report.counts.rejected]
}

fn paths(origin: &Origin) -> Vec<String> {
    origin.log().into_iter().map(|asked| asked.path).collect()
}

#[tokio::test]
async fn of_an_index_only_sitemaps_that_changed_are_read_again() {
    let turn = Arc::new(AtomicUsize::new(0));
    let origin = Origin::start({
        let turn = Arc::clone(&turn);
        move |asked| match (asked.path.as_str(), turn.load(Ordering::SeqCst)) {
            ("/index.xml", 0) => Answer::ok(index(&[("/a.xml", "2026-11-23"), ("/b.xml.gz", "2026-11-23")])),
            ("/index.xml", _) => Answer::ok(index(&[("/a.xml", "2026-11-24"), ("/b.xml.gz", "2026-11-23")])),
            ("/a.xml", 0) => Answer::ok(urlset(&["http://a.example/1", "http://a.example/2"])),
            ("/a.xml", _) => Answer::ok(urlset(&["http://a.example/2", "http://a.example/4"])),
            ("/b.xml.gz", _) => {
                Answer::ok(gzip(&urlset(&["http://a.example/3"]))).with("content-type", "application/gzip")
            }
            _ => Answer::status(404),
        }
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/index.xml"), "sitemap", &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [3, 0, 0, 0]), "{report:?}");
    let record = engine.show("http://a.example/3", None).await.unwrap().record;
    assert_eq!(record.updated.unwrap().to_string(), "2026-11-24T00:00:00Z");
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Captured);
    turn.store(1, Ordering::SeqCst);
    let report = collect(&engine, &feed).await;
    // Nothing is said of what is not listed.
    assert_eq!((counts(&report), report.counts.scrolled_off), ([1, 0, 1, 0], 0), "{report:?}");
    assert_eq!(paths(&origin), ["/index.xml", "/a.xml", "/b.xml.gz", "/index.xml", "/index.xml", "/a.xml"]);
    // The day that it was changed on last has not ended: it may have been changed again.
    assert_eq!(counts(&collect(&engine, &feed).await), [0, 0, 2, 0]);
    assert_eq!(paths(&origin)[6..], ["/index.xml", "/a.xml"]);
}

#[tokio::test]
async fn a_sitemap_that_cannot_be_read_costs_itself_and_is_asked_for_again() {
    let broken = Arc::new(AtomicUsize::new(1));
    let origin = Origin::start({
        let broken = Arc::clone(&broken);
        move |asked| match asked.path.as_str() {
            "/index.xml" | "/all.xml" => {
                Answer::ok(index(&["/a.xml", "/b.xml", "/index.xml"].map(|path| (path, "2026-11-20"))))
            }
            "/b.xml" => Answer::ok(urlset(&["http://a.example/2"])),
            _ if broken.load(Ordering::SeqCst) == 1 => Answer::status(404),
            _ => Answer::ok(urlset(&["http://a.example/1"])),
        }
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/index.xml"), "sitemap", &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [1, 0, 0, 0]), "{report:?}");
    let unread = |told: &String| told.starts_with("sitemap.unread: ") && told.contains("/a.xml");
    assert!(report.warnings.iter().any(unread), "{report:?}");
    broken.store(0, Ordering::SeqCst);
    assert_eq!(counts(&collect(&engine, &feed).await), [1, 0, 0, 0]);
    assert_eq!(paths(&origin), ["/index.xml", "/a.xml", "/b.xml", "/index.xml", "/a.xml"]);
    let all = add_with(&engine, origin.url("/all.xml"), "sitemap", &["max_sitemaps=1", "coverage=snapshot"]);
    let report = collect(&engine, &all.await).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [1, 0, 0, 0]), "{report:?}");
    assert!(report.warnings.iter().any(|told| told.starts_with("pages.limit: only 1 sitemaps")), "{report:?}");
}

#[tokio::test]
async fn a_sitemap_that_is_not_there_costs_itself_however_often_the_index_is_read() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/index.xml" => Answer::ok(index(&[("/good.xml", "2026-11-20"), ("/none.xml", "2026-11-20")])),
        "/good.xml" => Answer::ok(urlset(&["http://a.example/1"])),
        _ => Answer::status(404),
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/index.xml"), "sitemap", &[]).await;
    for _ in 0..3 {
        let report = collect(&engine, &feed).await;
        assert_eq!(code(&report), "ok", "{report:?}");
        assert!(report.warnings.iter().any(|told| told.starts_with("sitemap.unread: ")), "{report:?}");
    }
    let asked = |path: &str| paths(&origin).iter().filter(|asked| *asked == path).count();
    assert_eq!((asked("/good.xml"), asked("/none.xml")), (1, 3), "what is as it was read is not asked for again");
}

#[tokio::test]
async fn a_news_sitemap_is_dated_and_titled_and_asked_for_with_what_it_told() {
    let news = "<urlset xmlns:n='http://www.google.com/schemas/sitemap-news/0.9'><url><loc>http://a.example/1</loc>\
                <n:news><n:publication_date>2026-11-24T09:00:00+01:00</n:publication_date><n:title>One</n:title></n:news>\
                </url></urlset>";
    let origin = Origin::start(move |asked| match asked.header("if-none-match") {
        Some("\"e\"") => Answer::status(304),
        _ => Answer::ok(news).with("etag", "\"e\""),
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/news.xml"), "sitemap", &["coverage=snapshot"]).await;
    assert_eq!(counts(&collect(&engine, &feed).await), [1, 0, 0, 0]);
    let record = engine.show("http://a.example/1", None).await.unwrap().record;
    assert_eq!(record.published.unwrap().to_string(), "2026-11-24T08:00:00Z");
    assert_eq!(record.content.to_json().get("title").and_then(Json::as_str), Some("One"));
    let report = collect(&engine, &feed).await;
    assert_eq!((report.outcome, report.http_status), (FetchStatus::Unchanged, Some(304)), "{report:?}");
}

#[tokio::test]
async fn what_is_no_sitemap_or_is_cut_is_refused() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/cut.xml" => Answer::ok(urlset(&["http://a.example/1"]).replace("</urlset>", "")),
        "/page" | "/words" => Answer::ok("<html><p>hello</p></html>"),
        "/one-bad" => Answer::ok(index(&[("/none.xml", "1")])),
        _ => Answer::status(404),
    });
    let (origin, engine) = (origin.await, engine().await);
    for (path, adapter, expected) in [
        ("/cut.xml", "sitemap", "xml.truncated"),
        ("/page", "sitemap", "adapter.document"),
        ("/one-bad", "sitemap", "http.status"),
        ("/words", "manifest", "adapter.document"),
    ] {
        let feed = add_with(&engine, origin.url(path), adapter, &[]).await;
        assert_eq!(code(&collect(&engine, &feed).await), expected, "{path}");
    }
}

#[tokio::test]
async fn a_manifest_lists_files_with_their_checksums() {
    let turn = Arc::new(AtomicUsize::new(0));
    let md5 = ["297a16b493de7cf6ca809a7cc31d0b93", "efd3e8c0a3b1c4d5e6f708192a3b4c5d"];
    let origin = Origin::start({
        let turn = Arc::clone(&turn);
        move |_| {
            let now = turn.load(Ordering::SeqCst);
            let file = |name: &str| format!("15 {} http://data.example/{name}\n", md5[now]);
            Answer::ok(if now == 0 { file("1.zip") + &file("2.zip") } else { file("2.zip") })
        }
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add_with(&engine, origin.url("/lastupdate.txt"), "manifest", &[]).await;
    assert_eq!(counts(&collect(&engine, &feed).await), [2, 0, 0, 0]);
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    turn.store(1, Ordering::SeqCst);
    let report = collect(&engine, &feed).await;
    assert_eq!((counts(&report), report.counts.scrolled_off), ([0, 1, 0, 0], 1), "{report:?}");
    let record = engine.show("http://data.example/2.zip", None).await.unwrap().record;
    assert_eq!(record.content.to_json().get("checksum").and_then(Json::as_str), Some(md5[1]));

    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("SHA256SUMS");
    std::fs::write(&path, format!("{}  a.iso\nno line\n", "0".repeat(64))).unwrap();
    let feed = add_with(&engine, path.to_str().unwrap(), "manifest", &["key=name", "volatile=url"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [1, 0, 0, 1]), "{report:?}");
    assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
}
