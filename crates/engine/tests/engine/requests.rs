//! How a feed's own server is asked: secrets, TLS, versions of HTTP, proxies.

use std::path::PathBuf;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedspine::core::{Feed, MemoryStore};
use feedspine::ops::{AdapterChoice, AddFeed, Diagnose, PolicySays, Rekey, SetPolicy};
use feedspine::{Engine, RequestChoice, Settings, SimulatedClock};
use tokio::io::{AsyncReadExt, AsyncWriteExt, copy_bidirectional};
use tokio::net::{TcpListener, TcpStream};

use crate::origin::{Answer, Origin, certified, rss};
use crate::support::{code, collect, engine, name, settings, start};

fn sample() -> Answer {
    Answer::ok(rss(&[("1", "one")]))
}

/// Adds a feed of that address of whose requests this is said.
async fn add(engine: &Engine, address: impl Into<String>, said: &[(&str, &str)]) -> Feed {
    let requests = RequestChoice::of_pairs(said.iter().copied()).unwrap();
    engine.add(AddFeed { requests, ..AddFeed::new(address) }).await.unwrap().feed
}

/// A file of that content in a folder of its own.
fn file(content: &str) -> (tempfile::TempDir, PathBuf) {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("file");
    std::fs::write(&path, content).unwrap();
    (folder, path)
}

#[tokio::test]
async fn secrets_go_to_the_feeds_own_origin_and_not_back_there_once_a_redirect_led_away() {
    let (_folder, path) = file("s3cret\n");
    let secret = format!("{{file:{}}}", path.display());
    let away = Arc::new(Mutex::new(String::new()));
    let other = Origin::start({
        let back = Arc::clone(&away);
        move |_| Answer::redirect(format!("{}?back", back.lock().unwrap()))
    });
    let other = other.await;
    let to = other.url("/");
    let own = Origin::start(move |asked| match asked.path.as_str() {
        "/away" => Answer::redirect(to.clone()),
        "/within" => Answer::redirect("/feed"),
        _ => sample(),
    });
    let own = own.await;
    *away.lock().unwrap() = own.url("/feed");
    let engine = engine().await;
    let bearer = format!("Bearer {}", "s3cret");
    for (path, said, header, sent) in [
        ("/feed?1", ("bearer", secret.clone()), "authorization", bearer.as_str()),
        // me:s3cret in base64.
        ("/feed?2", ("basic", format!("me:{secret}")), "authorization", "Basic bWU6czNjcmV0"),
        ("/feed?3", ("cookie", format!("id={secret}")), "cookie", "id=s3cret"),
        ("/feed?4", ("headers", format!("X-Api-Key: {secret}")), "x-api-key", "s3cret"),
        ("/feed?5", ("user_agent", "Mine/1".to_owned()), "user-agent", "Mine/1"),
    ] {
        let feed = add(&engine, own.url(path), &[(said.0, &said.1)]).await;
        assert_eq!(code(&collect(&engine, &feed).await), "ok", "{path}");
        assert_eq!(own.log().last().unwrap().header(header), Some(sent), "{path}");
        let shown = format!("{:?}", engine.feed(&feed.name).await.unwrap());
        assert!(!shown.contains("s3cret"), "{shown}");
    }
    let before = own.asked();
    for path in ["/within", "/away"] {
        let feed = add(&engine, own.url(path), &[("bearer", &secret), ("cookie", &format!("id={secret}"))]).await;
        assert_eq!(code(&collect(&engine, &feed).await), "ok", "{path}");
    }
    let sent: Vec<(String, bool)> = own.log()[before..]
        .iter()
        .chain(&other.log())
        .map(|asked| {
            let (authorization, cookie) = (asked.header("authorization"), asked.header("cookie"));
            assert_eq!(authorization.is_some(), cookie.is_some());
            (asked.path.clone(), cookie.is_some())
        })
        .collect();
    let expected = [("/within", true), ("/feed", true), ("/away", true), ("/feed?back", false), ("/", false)];
    assert_eq!(sent, expected.map(|(path, sent)| (path.to_owned(), sent)));
}

#[tokio::test]
async fn a_secret_that_is_missing_is_told_before_anybody_is_asked() {
    let origin = Origin::start(|_| sample()).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/"), &[("bearer", "{env:FEEDSPINE_NO_SUCH_VARIABLE}")]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), origin.asked()), ("adapter.secret", 0));
}

#[tokio::test]
async fn a_certificate_of_ones_own_is_taken_by_its_authority_or_said_in_every_report_to_be_insecure() {
    let (origin, authority) = Origin::start_tls(|asked| match asked.header("if-none-match") {
        Some(_) => Answer::status(304),
        None => sample().with("etag", "\"1\""),
    })
    .await;
    let (_folder, path) = file(&authority);
    let (_folder, no_authority) = file("nothing");
    let engine = engine().await;
    let one = ("http", "1.1");
    let feed = add(&engine, origin.url("/a"), &[one]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!(code(&report), "net.tls", "{report:?}");
    let feed = add(&engine, origin.url("/b"), &[one, ("ca", path.to_str().unwrap())]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), report.warnings.len()), ("ok", 0), "{report:?}");
    let feed = add(&engine, origin.url("/c"), &[one, ("ca", no_authority.to_str().unwrap())]).await;
    assert_eq!(code(&collect(&engine, &feed).await), "feed.ca");
    let feed = add(&engine, origin.url("/d"), &[one, ("tls", "insecure")]).await;
    for _ in 0..2 {
        let report = collect(&engine, &feed).await;
        assert_eq!(code(&report), "ok", "{report:?}");
        assert!(report.warnings[0].starts_with("tls.insecure: "), "{report:?}");
    }
    // It is asked so for a diagnosis as well, and one that is no feed as is said.
    for (path, said) in [("/d", &[][..]), ("/e", &[one, ("tls", "insecure")])] {
        let requests = RequestChoice::of_pairs(said.iter().copied()).unwrap();
        let adapter = AdapterChoice::default();
        let request = Diagnose { address: origin.url(path), allow_private: false, adapter, requests };
        let diagnosis = engine.diagnose(&request).await.unwrap();
        assert!(diagnosis.error.is_none(), "{:?}", diagnosis.error);
    }
}

#[tokio::test]
async fn a_server_that_shows_the_certificate_of_an_authority_is_told_with_what_to_do() {
    let (origin, authority) = Origin::start_as_authority(|_| sample()).await;
    let (_folder, path) = file(&authority);
    let engine = engine().await;
    let feed = add(&engine, origin.url("/"), &[("http", "1.1"), ("ca", path.to_str().unwrap())]).await;
    let error = collect(&engine, &feed).await.error.unwrap();
    assert!(error.message().contains("its certificate is one of an authority (CA:TRUE)"), "{error:?}");
    assert!(error.hint().unwrap().contains("CA:FALSE"), "{error:?}");
}

#[tokio::test]
async fn what_is_for_a_server_that_leads_away_is_said_to_be_for_it_alone() {
    let (_folder, path) = file("s3cret");
    let secret = format!("me:{{file:{}}}", path.display());
    let (tls, authority) = Origin::start_tls(|_| sample()).await;
    let (_folder, authority) = file(&authority);
    let locked = Origin::start(|_| Answer::status(401)).await;
    let to = [tls.url("/feed"), locked.url("/feed")];
    let own = Origin::start({
        let to = to.clone();
        move |asked| Answer::redirect(to[usize::from(asked.path == "/locked")].clone())
    });
    let own = own.await;
    let engine = engine().await;
    for (path, said, to) in
        [("/tls", ("ca", authority.to_str().unwrap()), &to[0]), ("/locked", ("basic", secret.as_str()), &to[1])]
    {
        let feed = add(&engine, own.url(path), &[("http", "1.1"), said]).await;
        let error = collect(&engine, &feed).await.error.unwrap();
        let hint = error.hint().unwrap();
        assert!(hint.contains(&format!("--url {to}")) && hint.contains("a redirect led away"), "{path}: {error:?}");
    }
}

#[tokio::test]
async fn a_user_agent_may_refer_to_what_it_names() {
    let (_folder, path) = file("ops@example.com\n");
    let origin = Origin::start(|_| sample()).await;
    let engine = engine().await;
    let feed = add(&engine, origin.url("/"), &[("user_agent", &format!("Mine/1 ({{file:{}}})", path.display()))]).await;
    assert_eq!(code(&collect(&engine, &feed).await), "ok");
    assert_eq!(origin.log()[0].header("user-agent"), Some("Mine/1 (ops@example.com)"));
}

#[tokio::test]
async fn a_file_of_authorities_that_is_another_is_taken_with_the_next_fetch() {
    let (origin, authority) = Origin::start_tls(|_| sample()).await;
    let (_, of_before) = certified();
    let (folder, path) = file(&of_before);
    let engine = engine().await;
    let feed = add(&engine, origin.url("/"), &[("http", "1.1"), ("ca", path.to_str().unwrap())]).await;
    assert_eq!(code(&collect(&engine, &feed).await), "net.tls");
    std::fs::write(&path, authority).unwrap();
    assert_eq!(code(&collect(&engine, &feed).await), "ok");
    std::fs::write(&path, of_before).unwrap();
    assert_eq!(code(&collect(&engine, &feed).await), "net.tls");
    // What could block for ever, or is no such file by its size, is not read.
    std::fs::write(&path, vec![b'\n'; 1024 * 1024 + 1]).unwrap();
    assert_eq!(code(&collect(&engine, &feed).await), "feed.ca");
    let folder = folder.path().to_str().unwrap();
    let feed = add(&engine, origin.url("/other"), &[("http", "1.1"), ("ca", folder)]).await;
    let error = collect(&engine, &feed).await.error.unwrap();
    assert!(error.code() == "feed.ca" && error.message().contains("not a regular file"), "{error:?}");
}

#[tokio::test]
async fn a_server_that_fails_at_version_2_is_asked_in_1_1_where_that_is_said() {
    let (origin, authority) = Origin::start_tls(|_| sample()).await;
    let (_folder, path) = file(&authority);
    let engine = engine().await;
    let feed = add(&engine, origin.url("/"), &[("ca", path.to_str().unwrap())]).await;
    assert_eq!(code(&collect(&engine, &feed).await), "http.protocol");
    let set = SetPolicy {
        feed: feed.name.clone(),
        says: PolicySays::Options(vec!["http=1.1".to_owned()]),
        rekey: Rekey::Refuse,
    };
    engine.set_policy(&set).await.unwrap();
    assert_eq!(code(&collect(&engine, &feed).await), "ok");
}

/// A server that breaks off each request of HTTP/2, and answers one in 1.1; how many it broke off.
async fn breaking_off() -> (String, String, Arc<AtomicUsize>) {
    /// Settings, and a GOAWAY that takes no stream and names no error (RFC 9113 sections 6.5 and 6.8).
    const FRAMES: [u8; 26] = [0, 0, 0, 4, 0, 0, 0, 0, 0, 0, 0, 8, 7, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0];
    let (acceptor, authority) = certified();
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let url = format!("https://{}/feed", listener.local_addr().unwrap());
    let broken_off = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&broken_off);
    tokio::spawn(async move {
        while let Ok((connection, _)) = listener.accept().await {
            let Ok(mut connection) = acceptor.accept(connection).await else { continue };
            let mut asked = [0; 4096];
            let _ = connection.read(&mut asked).await;
            if connection.get_ref().1.alpn_protocol() == Some(b"h2") {
                counted.fetch_add(1, Ordering::SeqCst);
                let _ = connection.write_all(&FRAMES).await;
            } else {
                let body = rss(&[("1", "one")]);
                let head = format!("HTTP/1.1 200 -\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
                let _ = connection.write_all((head + &body).as_bytes()).await;
            }
            let _ = connection.shutdown().await;
        }
    });
    (url, authority, broken_off)
}

#[tokio::test]
async fn a_server_that_breaks_off_version_2_three_times_is_asked_in_1_1_from_then_on() {
    let (url, authority, broken_off) = breaking_off().await;
    let (_folder, path) = file(&authority);
    let engine = engine().await;
    let feed = add(&engine, url, &[("ca", path.to_str().unwrap())]).await;
    for _ in 0..2 {
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), broken_off.load(Ordering::SeqCst)), ("ok", 3), "{report:?}");
    }
}

/// A proxy that leads everybody to one server; the first lines of what it was asked, with what proves who asks.
async fn proxy(to: &Origin) -> (String, Arc<Mutex<Vec<String>>>) {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    let (log, to) = (Arc::new(Mutex::new(Vec::new())), to.address());
    let kept = Arc::clone(&log);
    tokio::spawn(async move {
        while let Ok((client, _)) = listener.accept().await {
            tokio::spawn(pass_on(client, to, Arc::clone(&kept)));
        }
    });
    (address.to_string(), log)
}

async fn pass_on(mut client: TcpStream, to: std::net::SocketAddr, log: Arc<Mutex<Vec<String>>>) -> std::io::Result<()> {
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(client.read_u8().await?);
    }
    let text = String::from_utf8_lossy(&head).into_owned();
    let proof = text.lines().find(|line| line.to_lowercase().starts_with("proxy-authorization"));
    log.lock().unwrap().push([text.lines().next().unwrap_or_default(), proof.unwrap_or_default()].join(" ; "));
    let mut server = TcpStream::connect(to).await?;
    if text.starts_with("CONNECT ") {
        client.write_all(b"HTTP/1.1 200 -\r\n\r\n").await?;
    } else {
        server.write_all(&head).await?;
    }
    copy_bidirectional(&mut client, &mut server).await.map(drop)
}

#[tokio::test]
async fn a_proxy_looks_names_up_and_is_asked_wherever_it_is() {
    let (_folder, path) = file("s3cret");
    let plain = Origin::start(|_| sample()).await;
    let (tls, _) = Origin::start_tls(|_| sample()).await;
    // Nothing private is allowed: the proxy alone is there.
    let engine = crate::support::engine_with(Settings { allow: Vec::new(), ..settings() }).await;
    let (address, log) = proxy(&plain).await;
    let through = format!("http://me:{{file:{}}}@{address}", path.display());
    let feed = add(&engine, "http://feeds.invalid/feed", &[("proxy", &through)]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!(code(&report), "ok", "{report:?}");
    let asked = log.lock().unwrap()[0].to_lowercase();
    // me:s3cret in base64.
    assert!(asked.starts_with("get http://feeds.invalid/feed ") && asked.ends_with("basic bwu6cznjcmv0"), "{asked}");
    let (address, log) = proxy(&tls).await;
    let said = [("proxy", format!("http://{address}")), ("tls", "insecure".to_owned()), ("http", "1.1".to_owned())];
    let said: Vec<(&str, &str)> = said.iter().map(|(name, value)| (*name, value.as_str())).collect();
    let feed = add(&engine, "https://feeds.invalid/other", &said).await;
    let report = collect(&engine, &feed).await;
    assert_eq!(code(&report), "ok", "{report:?}");
    assert!(log.lock().unwrap()[0].starts_with("CONNECT feeds.invalid:443 "), "{log:?}");
    // What is private is asked through it no more than without.
    let requests = RequestChoice::of_pairs(said).unwrap();
    let refused = engine.add(AddFeed { requests: requests.clone(), ..AddFeed::new("http://169.254.169.254/") });
    assert_eq!(refused.await.unwrap_err().code(), "net.private");
    // Nobody here sees whether the proxy leads a name into a network that is allowed.
    let with_networks = crate::support::engine().await;
    for (address, code) in [("http://nas.lan/", "net.private"), ("http://feeds.invalid:6379/", "net.port")] {
        let refused = with_networks.add(AddFeed { requests: requests.clone(), ..AddFeed::new(address) });
        assert_eq!(refused.await.unwrap_err().code(), code, "{address}");
    }
}

#[tokio::test]
async fn a_feed_with_secrets_moves_to_no_other_server() {
    let (_folder, path) = file("s3cret");
    let other = Origin::start(|_| sample()).await;
    let to = other.url("/feed");
    let own = Origin::start(move |_| Answer::status(301).with("location", to.clone())).await;
    let clock = Arc::new(SimulatedClock::at(start()));
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::open(store.clone(), store, Settings { clock: clock.clone(), ..settings() }).await.unwrap();
    let said = [("bearer", &*format!("{{file:{}}}", path.display()))];
    let request = AddFeed { name: Some(name("kept")), ..AddFeed::new(own.url("/feed")) };
    let request = AddFeed { requests: RequestChoice::of_pairs(said).unwrap(), ..request };
    let feed = engine.add(request).await.unwrap().feed;
    for _ in 0..10 {
        assert_eq!(code(&collect(&engine, &feed).await), "ok");
        clock.advance(Duration::from_hours(24));
    }
    assert_eq!(engine.feed(&feed.name).await.unwrap().feed.address, feed.address);
    assert!(other.log().iter().all(|asked| asked.header("authorization").is_none()));
}

#[tokio::test]
async fn a_feed_that_fails_is_due_once_what_it_may_fail_by_was_mended() {
    let (_folder, path) = file("s3cret");
    let origin = Origin::start(|asked| match asked.header("authorization") {
        Some("Bearer s3cret") => sample(),
        _ => Answer::status(401),
    });
    let (origin, engine) = (origin.await, engine().await);
    let feed = add(&engine, origin.url("/"), &[]).await;
    assert_eq!(code(&collect(&engine, &feed).await), "http.status");
    let set = async |text: String| {
        let says = PolicySays::Options(vec![text]);
        engine.set_policy(&SetPolicy { feed: feed.name.clone(), says, rekey: Rekey::Refuse }).await.unwrap().due_now
    };
    let due = async || engine.explain(&feed.name).await.unwrap().next.unwrap();
    assert!(due().await.at > Some(start()));
    assert!(set(format!("bearer={{file:{}}}", path.display())).await);
    let next = due().await;
    assert_eq!(next.at, Some(start()));
    assert!(next.why.starts_with("at once: how its server is asked was changed"), "{next:?}");
    assert_eq!(code(&collect(&engine, &feed).await), "ok");
    assert!(!set("http=1.1".to_owned()).await, "one that is well waits for its turn");
    assert!(due().await.at > Some(start()));
    assert!(set("every=2h".to_owned()).await);
    let explained = engine.explain(&feed.name).await.unwrap();
    assert!(explained.next.unwrap().why.starts_with("at once: when it is fetched was changed"));
    assert_eq!(explained.rhythm.to_string(), "every 2 h");
}
