//! The fetcher: what it asks with, what it refuses, and that no answer hurts.

use std::io::Write;
use std::sync::Arc;
use std::time::{Duration, Instant};

use feedspine::core::{Content, FetchStatus, MemoryStore, Schedule};
use feedspine::ops::{AdapterChoice, Collect, Light, PolitenessOf};
use feedspine::{Engine, HostRate, Limits, Settings, SimulatedClock};

use crate::origin::{Answer, Origin, rss};
use crate::support::{
    add, add_as_public, code, collect, collect_all, engine, engine_with, settings, settings_with, start,
};

fn sample() -> String {
    rss(&[("1", "one"), ("2", "two")])
}

pub(crate) fn gzip(body: &[u8]) -> Vec<u8> {
    let mut encoder = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::best());
    encoder.write_all(body).unwrap();
    encoder.finish().unwrap()
}

fn brotli(body: &[u8]) -> Vec<u8> {
    let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
    encoder.write_all(body).unwrap();
    encoder.into_inner()
}

fn zstd(body: &[u8]) -> Vec<u8> {
    zstd::encode_all(body, 3).unwrap()
}

/// The failure of a collect of one feed, of which nothing may be stored but its detail.
async fn failure(engine: &Engine, address: impl Into<String>) -> String {
    let feed = add(engine, address).await;
    let report = collect(engine, &feed).await;
    let view = engine.feed(&feed.name).await.unwrap();
    assert_eq!((view.cursor, view.ledger.observations), (None, 0), "a failed fetch moves nothing");
    let detail = view.fetches[0].detail.as_ref().unwrap();
    assert_eq!(detail.code.as_deref().unwrap_or("ok"), code(&report));
    let error = report.error.expect("the fetch fails");
    assert!(error.hint().is_some() && !error.message().contains('\n'), "{error}");
    error.code().to_owned()
}

#[tokio::test]
async fn a_request_names_us_and_says_what_it_understands() {
    let origin = Origin::start(|_| Answer::ok(sample()).with("set-cookie", "a=b")).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    collect(&engine, &feed).await;
    collect(&engine, &feed).await;
    for asked in origin.log() {
        assert!(asked.header("user-agent").unwrap().starts_with("FeedSpine/"));
        assert_eq!(asked.header("accept-encoding"), Some("gzip, br, zstd"));
        assert_eq!(asked.header("cookie"), None);
        assert_eq!(asked.header("referer"), None);
    }
}

#[tokio::test]
async fn every_coding_that_is_asked_for_is_read() {
    for (coding, body) in [("gzip", gzip as fn(&[u8]) -> Vec<u8>), ("br", brotli), ("zstd", zstd)] {
        let origin = Origin::start(move |_| Answer::ok(body(sample().as_bytes())).with("content-encoding", coding));
        let origin = origin.await;
        let engine = engine().await;
        let report = collect(&engine, &add(&engine, origin.url("/")).await).await;
        assert_eq!((code(&report), report.counts.new), ("ok", 2), "{coding}");
        assert_eq!(report.body_bytes, sample().len() as u64, "{coding}");
        assert_eq!(report.wire_bytes, body(sample().as_bytes()).len() as u64, "{coding}");
    }
}

#[tokio::test]
async fn a_gzip_body_with_padding_is_read_and_told() {
    for padding in [&[0; 512][..], b"\0", b"\r\n"] {
        let padded = [&gzip(sample().as_bytes()), padding].concat();
        let origin = Origin::start(move |_| Answer::ok(padded.clone()).with("content-encoding", "gzip")).await;
        let engine = engine().await;
        let report = collect(&engine, &add(&engine, origin.url("/")).await).await;
        assert_eq!((code(&report), report.counts.new), ("ok", 2));
        let told = format!("http.padding: {} bytes after the end of the gzip body were left out", padding.len());
        assert_eq!(report.warnings, [told]);
    }
}

#[tokio::test]
async fn bombs_are_refused() {
    let zeros = vec![0; 50_000_000];
    for (coding, bomb) in [("gzip", gzip(&zeros)), ("br", brotli(&zeros)), ("zstd", zstd(&zeros))] {
        let origin = Origin::start(move |_| Answer::ok(bomb.clone()).with("content-encoding", coding)).await;
        assert_eq!(failure(&engine().await, origin.url("/")).await, "http.ratio", "{coding}");
    }
}

#[tokio::test]
async fn codings_that_lie_or_were_not_asked_for_are_refused() {
    for (coding, code) in [("gzip", "http.encoding"), ("x-foo", "http.encoding"), ("gzip, gzip", "http.encoding")] {
        let origin = Origin::start(move |_| Answer::ok(sample()).with("content-encoding", coding)).await;
        assert_eq!(failure(&engine().await, origin.url("/")).await, code, "{coding}");
    }
}

#[tokio::test]
async fn bodies_over_the_cap_are_refused_announced_or_not() {
    let limits = Limits { wire_bytes: 100_000, body_bytes: 200_000, ..Limits::default() };
    let engine = engine_with(settings_with(limits)).await;
    let announced = Origin::start(|_| Answer::ok(vec![b'x'; 100_001])).await;
    assert_eq!(failure(&engine, announced.url("/a")).await, "http.too_large");
    let endless = Origin::start(|_| Answer::endless(vec![b'x'; 10_000])).await;
    assert_eq!(failure(&engine, endless.url("/b")).await, "http.too_large");
    let noise: Vec<u8> = (0..200_001_u32).map(|n| u8::try_from(n.wrapping_mul(n) % 251).unwrap()).collect();
    let coded = Origin::start(move |_| Answer::ok(gzip(&noise)).with("content-encoding", "gzip")).await;
    assert_eq!(failure(&engine, coded.url("/c")).await, "http.too_large");
}

#[tokio::test]
async fn a_cut_body_is_a_failed_fetch() {
    let engine = engine().await;
    let chunked = Origin::start(|_| Answer::cut(sample())).await;
    assert_eq!(failure(&engine, chunked.url("/")).await, "http.truncated");
    let short = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{}", sample().len() + 1, sample());
    let short = Origin::raw(short, None).await;
    assert_eq!(failure(&engine, short.url("/")).await, "http.truncated");
    let coded = Origin::start(|_| {
        let whole = gzip(sample().as_bytes());
        Answer::ok(whole[..whole.len() - 12].to_vec()).with("content-encoding", "gzip")
    });
    assert_eq!(failure(&engine, coded.await.url("/")).await, "http.truncated");
    let overlong = format!("HTTP/1.1 200 OK\r\nContent-Length: 150\r\n\r\n{}", sample());
    let overlong = Origin::raw(overlong, None).await;
    assert_eq!(failure(&engine, overlong.url("/")).await, "xml.truncated");
}

#[tokio::test]
async fn slow_answers_are_given_up() {
    let short = Duration::from_millis(200);
    let limits = Limits { connect: Duration::ZERO, header: short, idle: short, ..Limits::default() };
    let engine = engine_with(settings_with(Limits { connect: short, ..limits })).await;
    let begun = Instant::now();
    let header = Origin::raw("HTTP/1.1 200 OK\r\nX: ", Some(("a", Duration::from_millis(50)))).await;
    assert_eq!(failure(&engine, header.url("/")).await, "http.timeout_headers");
    let stalled = Origin::start(|_| Answer::stalled(sample())).await;
    assert_eq!(failure(&engine, stalled.url("/")).await, "http.timeout");
    let informing = "HTTP/1.1 103 Early Hints\r\nLink: <a>\r\n\r\n";
    let informing = Origin::raw("", Some((informing, Duration::from_millis(5)))).await;
    assert_eq!(failure(&engine, informing.url("/")).await, "http.timeout_headers");
    let hurried = engine_with(settings_with(Limits { pace_bytes: 1_000, pace_over: short, ..Limits::default() })).await;
    let trickling =
        Origin::raw("HTTP/1.1 200 OK\r\nContent-Length: 99999\r\n\r\n", Some(("<a>", Duration::from_millis(10)))).await;
    assert_eq!(failure(&hurried, trickling.url("/")).await, "http.too_slow");
    let total = engine_with(settings_with(Limits { total: short, ..Limits::default() })).await;
    let dripping =
        Origin::raw("HTTP/1.1 200 OK\r\nContent-Length: 999\r\n\r\n", Some(("<", Duration::from_millis(20))));
    assert_eq!(failure(&total, dripping.await.url("/")).await, "http.timeout");
    assert!(begun.elapsed() < Duration::from_secs(10));
}

#[tokio::test]
async fn answers_that_are_not_http_are_told_as_such() {
    let feed = sample();
    for (answer, code) in [
        (feed.clone(), "http.protocol"),
        ("HTTP/1.1 000 Nope\r\nContent-Length: 0\r\n\r\n".into(), "http.protocol"),
        ("HTTP/1.1 999 Nope\r\nContent-Length: 0\r\n\r\n".into(), "http.status"),
        ("HTTP/1.1 200 OK\r\nContent-Length: 5\r\nContent-Length: 6\r\n\r\nhello".into(), "http.protocol"),
        (String::new(), "http.protocol"),
        (format!("HTTP/1.1 200 OK\r\nX: {}\r\n\r\n", "a".repeat(70_000)), "http.headers"),
        (format!("HTTP/1.1 200 OK\r\n{}\r\n", "X: a\r\n".repeat(101)), "http.headers"),
    ] {
        let origin = Origin::raw(answer.clone(), None).await;
        let shown: String = answer.chars().take(60).collect();
        assert_eq!(failure(&engine().await, origin.url("/")).await, code, "{shown:?}");
    }
    let field = format!("X: {}\r\n", "a".repeat(8_000));
    let endless = Origin::raw("HTTP/1.1 200 OK\r\n", Some((&field, Duration::ZERO))).await;
    assert_eq!(failure(&engine().await, endless.url("/")).await, "http.headers");
}

#[tokio::test]
async fn a_body_whose_end_is_told_twice_is_refused() {
    let both = "HTTP/1.1 200 OK\r\nContent-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n";
    let origin = Origin::raw(both, None).await;
    assert_eq!(failure(&engine().await, origin.url("/")).await, "http.protocol");
}

#[tokio::test]
async fn an_answer_to_a_question_not_asked_reaches_nobody() {
    let body = sample();
    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{body}", body.len());
    let poison = rss(&[("poison", "poison")]);
    let poison = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{poison}", poison.len());
    let origin = Origin::raw(answer + &poison, None).await;
    let engine = engine().await;
    for path in ["/a", "/b"] {
        assert_eq!(code(&collect(&engine, &add(&engine, origin.url(path)).await).await), "ok");
    }
    assert_eq!(engine.show("poison", None).await.unwrap_err().code(), "record.unknown");
}

#[tokio::test]
async fn statuses_without_a_document_store_nothing() {
    for (status, code) in [(404, "http.status"), (410, "http.gone"), (403, "http.status"), (500, "http.status")] {
        let origin = Origin::start(move |_| Answer::status(status)).await;
        assert_eq!(failure(&engine().await, origin.url("/")).await, code, "{status}");
    }
    let unasked = Origin::start(|_| Answer::status(304)).await;
    assert_eq!(failure(&engine().await, unasked.url("/")).await, "http.status");
}

#[tokio::test]
async fn redirects_are_followed_to_the_document() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/feed" => Answer::status(301).with("location", "moved?a=b#c"),
        "/moved?a=b" => Answer::ok(sample()).with("etag", "\"moved\""),
        _ => Answer::status(404),
    });
    let origin = origin.await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/feed")).await;
    assert_eq!(collect(&engine, &feed).await.counts.new, 2);
    // What the target told is asked with there, and nowhere else.
    collect(&engine, &feed).await;
    let asked: Vec<_> =
        origin.log().into_iter().map(|a| (a.path.clone(), a.header("if-none-match").is_some())).collect();
    let expected = [("/feed", false), ("/moved?a=b", false), ("/feed", false), ("/moved?a=b", true)];
    assert_eq!(asked, expected.map(|(path, conditional)| (path.to_owned(), conditional)));
}

#[tokio::test]
async fn a_redirect_loop_ends_after_five() {
    let origin = Origin::start(|_| Answer::redirect("/")).await;
    assert_eq!(failure(&engine().await, origin.url("/")).await, "http.redirect_loop");
    assert_eq!(origin.asked(), 6);
}

#[tokio::test]
async fn every_hop_is_judged() {
    for (target, code) in [
        ("http://127.0.0.2:PORT/", "net.private"),
        ("http://2130706434:PORT/", "net.private"),
        ("http://0x7f.2:PORT/", "net.private"),
        ("http://[::1]:PORT/", "net.private"),
        ("//[::ffff:127.0.0.2]:PORT/", "net.private"),
        ("http://169.254.169.254/", "net.private"),
        ("http://8.8.8.8:25/", "net.port"),
        ("file:///etc/passwd", "http.redirect"),
        ("gopher://example.org/", "http.redirect"),
        ("http://me:secret@127.0.0.1:PORT/", "http.redirect"),
    ] {
        let origin = Origin::start(move |asked| {
            let port = asked.header("host").unwrap().rsplit(':').next().unwrap();
            if asked.number == 0 { Answer::redirect(target.replace("PORT", port)) } else { Answer::ok(sample()) }
        });
        let origin = origin.await;
        assert_eq!(failure(&engine().await, origin.url("/")).await, code, "{target}");
        assert_eq!(origin.asked(), 1, "{target}");
    }
}

#[tokio::test]
async fn no_request_leaves_for_a_private_address_unless_it_is_allowed() {
    let origin = Origin::start(|_| Answer::ok(sample())).await;
    let guarded = engine_with(Settings { allow: Vec::new(), ..settings() }).await;
    let feed = add_as_public(&guarded, origin.url("/"), AdapterChoice::default()).await;
    assert_eq!(code(&collect(&guarded, &feed).await), "net.private");
    let by_name = add_as_public(&guarded, origin.url_by_name("/"), AdapterChoice::default()).await;
    assert_eq!(code(&collect(&guarded, &by_name).await), "net.private");
    assert_eq!(origin.asked(), 0);
    let allowed = Settings { allow: Vec::new(), allow_private: true, ..settings() };
    let allowed = engine_with(allowed).await;
    assert_eq!(code(&collect(&allowed, &add(&allowed, origin.url("/")).await).await), "ok");
}

#[tokio::test]
async fn a_host_that_is_overloaded_is_left_alone_by_all_its_feeds() {
    let origin = Origin::start(|_| Answer::status(429).with("retry-after", "120")).await;
    let engine = engine().await;
    let (first, second) = (add(&engine, origin.url("/a")).await, add(&engine, origin.url("/b")).await);
    assert_eq!(code(&collect(&engine, &first).await), "http.status");
    let report = collect(&engine, &second).await;
    assert_eq!((code(&report), report.outcome), ("http.resting", FetchStatus::Failed));
    // Nor does it come sooner to whoever asks again.
    let next = async || engine.state().schedule_of(first.id).await.unwrap().unwrap().due_at;
    let decided = next().await;
    assert_eq!(code(&collect(&engine, &first).await), "http.resting");
    assert_eq!(next().await, decided);
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn feeds_whose_host_rests_wait_for_no_turn_since_nobody_is_asked() {
    let origin = Origin::start(|_| Answer::status(429).with("retry-after", "600")).await;
    let host_rate = HostRate { in_flight: 1, interval: Duration::from_mins(1) };
    let engine = engine_with(Settings { host_rate, ..settings() }).await;
    let first = add(&engine, origin.url("/a")).await;
    for path in ["/b", "/c"] {
        add(&engine, origin.url(path)).await;
    }
    assert_eq!(code(&collect(&engine, &first).await), "http.status");
    let all = tokio::time::timeout(Duration::from_secs(30), collect_all(&engine)).await.expect("nobody waits");
    assert!(all.iter().all(feedspine::ops::FeedReport::is_resting), "{all:?}");
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn a_feed_that_is_due_while_its_host_rests_is_not_late() {
    let origin = Origin::start(|_| Answer::status(429).with("retry-after", "86400")).await;
    let clock = Arc::new(SimulatedClock::at(start()));
    let engine = engine_with(Settings { clock: clock.clone(), ..settings() }).await;
    let (asked, due) = (add(&engine, origin.url("/a")).await, add(&engine, origin.url("/b")).await);
    assert_eq!(code(&collect(&engine, &asked).await), "http.status");
    let schedule = Schedule { feed: due.id, due_at: Some(start()), state: Content::empty() };
    engine.state().set_schedules(&[schedule]).await.unwrap();
    for (hours, light, reasons) in
        [(3, Light::Green, &["never_fetched"][..]), (23, Light::Red, &["late", "never_fetched"])]
    {
        clock.advance(Duration::from_hours(hours));
        let health = engine.health(Some(&due.name)).await.unwrap().feeds.remove(0);
        let found: Vec<&str> = health.reasons.iter().map(|(reason, _)| *reason).collect();
        assert_eq!((health.light, found.as_slice()), (light, reasons), "{hours}");
        let waits = Duration::from_micros(health.due_at.unwrap().micros_since(start()).cast_unsigned());
        assert!((86_000..=86_400).contains(&waits.as_secs()), "it is due when the rest is over: {waits:?}");
    }
}

#[tokio::test]
async fn a_rest_that_was_written_down_by_a_clock_that_was_ahead_is_none() {
    let origin = Origin::start(|_| Answer::status(429)).await;
    let clock = Arc::new(SimulatedClock::at(start()));
    let engine = engine_with(Settings { clock, ..settings() }).await;
    let feed = add(&engine, origin.url("/a")).await;
    let state = Content::parse(r#"{"rests_until":"2999-01-01T00:00:00Z"}"#).unwrap();
    engine.state().set_schedules(&[Schedule { feed: feed.id, due_at: Some(start()), state }]).await.unwrap();
    assert_eq!(code(&collect(&engine, &feed).await), "http.status");
    assert_eq!(origin.asked(), 1);
}

#[tokio::test]
async fn a_host_that_is_overloaded_is_left_alone_by_the_next_process_too() {
    let origin = Origin::start(|_| Answer::status(429).with("retry-after", "120")).await;
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(SimulatedClock::at(start()));
    let process = async || {
        let settings = Settings { clock: clock.clone(), ..settings() };
        Engine::open(store.clone(), store.clone(), settings).await.unwrap()
    };
    let engine = process().await;
    let first = add(&engine, origin.url("/a")).await;
    add(&engine, origin.url("/b")).await;
    assert_eq!(code(&collect(&engine, &first).await), "http.status");
    let all = async || {
        let engine = process().await;
        let collected = engine.collect(&Collect::default(), &|_| {}).await.unwrap();
        collected.feeds.iter().map(|report| code(report).to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(all().await, ["http.resting", "http.resting"]);
    assert_eq!(origin.asked(), 1);
    clock.advance(Duration::from_secs(121));
    assert!(all().await.contains(&"http.status".to_owned()));
}

#[tokio::test]
async fn a_host_that_is_overloaded_is_asked_more_rarely_by_the_next_process_too() {
    let origin = Origin::start(|_| Answer::status(503).with("retry-after", "60")).await;
    let store = Arc::new(MemoryStore::new());
    let clock = Arc::new(SimulatedClock::at(start()));
    let process = async || {
        let host_rate = HostRate { in_flight: 1, interval: Duration::from_secs(3) };
        let settings = Settings { clock: clock.clone(), host_rate, ..settings() };
        Engine::open(store.clone(), store.clone(), settings).await.unwrap()
    };
    let learned = async |engine: &Engine| {
        let told = engine.politeness(&PolitenessOf { since: start() }).await.unwrap();
        assert_eq!(told.allowed_gap_us["127.0.0.1"], 3_000_000);
        told.learned_gap_us.get("127.0.0.1").copied()
    };
    let engine = process().await;
    let feed = add(&engine, origin.url("/")).await;
    assert_eq!(code(&collect(&engine, &feed).await), "http.status");
    let next = process().await;
    assert_eq!((learned(&engine).await, learned(&next).await), (Some(6_000_000), Some(6_000_000)));
    assert_eq!(next.explain(&feed.name).await.unwrap().host.unwrap().interval_ms, 6_000);
    clock.advance(Duration::from_mins(59));
    assert_eq!(learned(&process().await).await, Some(6_000_000));
    clock.advance(Duration::from_mins(2));
    assert_eq!(learned(&process().await).await, None, "an hour without a refusal is over");
}

#[tokio::test]
async fn validators_that_cannot_be_sent_back_are_dropped() {
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/long" => Answer::ok(sample()).with("etag", format!("\"{}\"", "e".repeat(2_000))),
        _ => Answer::ok(sample()).with("last-modified", "\t").with("etag", "\"caf\u{e9}\""),
    });
    let origin = origin.await;
    let engine = engine().await;
    for path in ["/long", "/odd"] {
        let feed = add(&engine, origin.url(path)).await;
        collect(&engine, &feed).await;
        assert_eq!(collect(&engine, &feed).await.outcome, FetchStatus::Unchanged);
    }
    assert!(origin.log().iter().all(|asked| asked.header("if-none-match").is_none()));
}

#[tokio::test]
async fn a_server_that_is_not_there_is_told_in_one_line() {
    let gone = { tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap().local_addr().unwrap() };
    assert_eq!(failure(&engine().await, format!("http://{gone}/")).await, "net.connect");
}
