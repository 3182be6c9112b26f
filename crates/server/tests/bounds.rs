//! The server from outside, as strangers see it: what it takes of them, and how it ends.
#![expect(clippy::unwrap_used, reason = "a test may panic, in its helpers too")]

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use feedspine::core::{Content, Feed, FeedId, FeedStatus, KeyRule, StateStore, Timestamp};
use feedspine::ops::FeedReport;
use feedspine::{Engine, Limits, Settings};
use feedspine_server::Server;
use feedspine_sqlite::SqliteStore;
use tempfile::TempDir;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;
use tokio::sync::{mpsc, oneshot};
use tokio::task::JoinHandle;
use tokio::time::{Instant, timeout};

/// What hubs are told to reach.
const TOKEN: &str = "00112233445566778899aabbccddeeff00112233445566778899aabbccddeeff";
/// The most bytes of a document.
const LARGEST: u64 = 1_000;

/// What the hub tells, each item with the HMAC-SHA-256 of its document by the secret of the feed, `hidden`.
const FIRST: [&str; 2] = ["first", "24a47524728055cf6847b9c45ab46b66e78adad222a56246945360520ecef28a"];
const SECOND: [&str; 2] = ["second", "429f9aa5b7ff649e09a4f75e110690d38bb5cb24281b7a6d42ce6bfbea7b90ee"];

/// A server that runs beside the test, over a store with one feed that a hub tells of.
struct Running {
    _folder: TempDir,
    engine: Engine,
    address: SocketAddr,
    told: mpsc::Receiver<FeedReport>,
    stop: oneshot::Sender<()>,
    task: JoinHandle<()>,
}

impl Running {
    async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let store = Arc::new(SqliteStore::new(folder.path().join("feeds.db")));
        let limits = Limits { wire_bytes: LARGEST, ..Limits::default() };
        let engine = Engine::open(store.clone(), store.clone(), Settings { limits, ..Settings::default() }).await;
        let engine = engine.unwrap();
        store.add_feed(&feed()).await.unwrap();
        let server = Server::bind("127.0.0.1:0".parse().unwrap()).await.unwrap();
        let (address, (stop, stopped)) = (server.address(), oneshot::channel::<()>());
        let (tell, told) = mpsc::channel(16);
        let run = server.run(engine.clone(), Duration::from_secs(10), tell, async move { drop(stopped.await) });
        Self { _folder: folder, engine, address, told, stop, task: tokio::spawn(run) }
    }

    /// Sends these bytes; all that is answered until the server closes.
    async fn send(&self, bytes: &[u8]) -> String {
        let mut stream = TcpStream::connect(self.address).await.unwrap();
        // Who is turned away before need not take all of it.
        let _ = stream.write_all(bytes).await;
        let mut answer = Vec::new();
        let _ = timeout(Duration::from_secs(5), stream.read_to_end(&mut answer)).await;
        String::from_utf8(answer).unwrap()
    }

    async fn ask(&self, method: &str, path: &str, body: &str) -> String {
        let length = body.len();
        let head =
            format!("{method} {path} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ncontent-length: {length}\r\n\r\n");
        self.send((head + body).as_bytes()).await
    }
}

fn feed() -> Feed {
    let agreement = format!(
        r#"{{"callback":"http://f.example","farewells":0,"forged":0,"hub":"http://h.example/",
            "lease":{{"since":"2026-01-01T00:00:00Z","until":"2126-01-01T00:00:00Z"}},"pending":null,
            "secret":"hidden","token":"{TOKEN}","topic":"http://a.example/feed"}}"#
    );
    let noticed = r#"{"hubs":["http://h.example/"],"topic":"http://a.example/feed"}"#;
    Feed {
        id: FeedId::from_u128(1),
        name: "news".parse().unwrap(),
        address: "http://a.example/feed".to_owned(),
        namespace: "news".parse().unwrap(),
        status: FeedStatus::Active,
        key_rule: Some(KeyRule::Id),
        allow_private: false,
        settings: Content::parse(&format!(r#"{{"subscription":{{"agreement":{agreement},"noticed":{noticed}}}}}"#))
            .unwrap(),
        added_at: Timestamp::UNIX_EPOCH,
    }
}

/// The header and the body of a delivery of that item; `more` is said in the header besides.
fn delivery([item, signature]: [&str; 2], more: &str) -> [String; 2] {
    let body = format!(
        r#"<rss version="2.0"><channel><title>News</title><item><guid>{item}</guid><title>{item}</title></item></channel></rss>"#
    );
    let head = format!(
        "POST /websub/{TOKEN} HTTP/1.1\r\nhost: x\r\nconnection: close\r\nx-hub-signature: sha256={signature}\r\n\
         content-length: {}\r\n{more}\r\n",
        body.len()
    );
    [head, body]
}

fn status(answer: &str) -> &str {
    answer.split(' ').nth(1).unwrap_or_default()
}

#[tokio::test]
async fn what_is_too_large_or_nobodys_is_turned_away() {
    let server = Running::start().await;
    let callback = format!("/websub/{TOKEN}");
    let stranger = format!("/websub/{}", TOKEN.replace('0', "1"));
    let large = "x".repeat(usize::try_from(LARGEST).unwrap() + 1);
    let chunks = format!(
        "POST {callback} HTTP/1.1\r\nhost: x\r\nconnection: close\r\ntransfer-encoding: chunked\r\n\r\n{:x}\r\n{large}\r\n0\r\n\r\n",
        large.len()
    );
    assert_eq!(status(&server.ask("POST", &callback, "x").await), "202");
    assert_eq!(status(&server.ask("POST", &callback, &large).await), "413");
    assert_eq!(status(&server.send(chunks.as_bytes()).await), "413");
    // Nothing is received of it: it is announced, and never sent.
    let announced = format!("POST {stranger} HTTP/1.1\r\nhost: x\r\ncontent-length: 900\r\n\r\n");
    assert_eq!(status(&server.send(announced.as_bytes()).await), "410");
    let wide = format!("GET /health HTTP/1.1\r\nhost: x\r\nx: {}\r\n\r\n", "x".repeat(32 * 1024));
    assert_eq!(status(&server.send(wide.as_bytes()).await), "431");
    let fields = "x: y\r\n".repeat(100);
    assert_eq!(status(&server.send(format!("GET /health HTTP/1.1\r\n{fields}\r\n").as_bytes()).await), "431");
    for (method, path, expected) in [
        ("GET", "/", "404"),
        ("GET", "/websub/", "404"),
        ("PUT", &callback, "405"),
        ("POST", "/health", "405"),
        ("GET", &format!("{callback}?hub.mode=subscribe&hub.topic=http://a.example/feed&hub.challenge=x"), "404"),
        ("HEAD", "/health", "200"),
    ] {
        assert_eq!(status(&server.ask(method, path, "").await), expected, "{method} {path}");
    }
    assert!(server.ask("PUT", &callback, "").await.contains("allow: GET, POST\r\n"));
    assert_eq!(status(&server.send(b"\x16\x03\x01 no HTTP\r\n\r\n").await), "400");
}

#[tokio::test]
async fn a_delivery_is_put_off_while_another_of_its_feed_is_received_and_taken_when_it_is_told_again() {
    let mut server = Running::start().await;
    let [head, body] = delivery(FIRST, "expect: 100-continue\r\n");
    let mut first = TcpStream::connect(server.address).await.unwrap();
    first.write_all(head.as_bytes()).await.unwrap();
    // Said once the server waits for the body (RFC 9110 section 10.1.1).
    let mut goes_on = [0; "HTTP/1.1 100 Continue\r\n\r\n".len()];
    first.read_exact(&mut goes_on).await.unwrap();
    assert_eq!(status(std::str::from_utf8(&goes_on).unwrap()), "100");

    let second = delivery(SECOND, "").concat();
    let put_off = server.send(second.as_bytes()).await;
    assert_eq!(status(&put_off), "503", "{put_off}");
    assert!(put_off.contains("retry-after: "), "{put_off}");
    assert!(server.told.try_recv().is_err(), "nothing is stored yet");

    first.write_all(body.as_bytes()).await.unwrap();
    let mut answer = String::new();
    first.read_to_string(&mut answer).await.unwrap();
    assert_eq!(status(&answer), "202", "{answer}");
    assert_eq!(status(&server.send(second.as_bytes()).await), "202");
    for _ in [FIRST, SECOND] {
        let report = server.told.try_recv().unwrap();
        assert_eq!((report.counts.new, report.error.is_none()), (1, true), "{report:?}");
    }
}

#[tokio::test]
async fn a_store_that_is_away_is_no_word_on_what_is_asked() {
    let server = Running::start().await;
    server.engine.close().await.unwrap();
    for (method, path) in [("GET", "/health"), ("POST", &*format!("/websub/{TOKEN}"))] {
        let answer = server.ask(method, path, "").await;
        assert_eq!(status(&answer), "503", "{answer}");
        assert!(answer.contains("retry-after: 60\r\n"), "{answer}");
        assert!(!answer.contains("feeds.db"), "{answer}");
    }
}

#[tokio::test]
async fn connections_that_are_open_do_not_keep_it_from_ending() {
    let server = Running::start().await;
    let mut idle = Vec::new();
    for said in ["", "GET /hea"] {
        let mut stream = TcpStream::connect(server.address).await.unwrap();
        stream.write_all(said.as_bytes()).await.unwrap();
        idle.push(stream);
    }
    assert_eq!(status(&server.ask("GET", "/health", "").await), "200");
    let began = Instant::now();
    server.stop.send(()).unwrap();
    server.task.await.unwrap();
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    assert!(TcpStream::connect(server.address).await.is_err());
}

#[tokio::test]
async fn an_address_that_is_taken_is_told_with_what_to_do() {
    let server = Running::start().await;
    let refused = Server::bind(server.address).await.unwrap_err();
    assert_eq!(refused.code(), "server.listen");
    assert!(refused.hint().unwrap().contains("--listen"));
}
