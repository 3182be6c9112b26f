//! What goes wrong at a proxy is the proxy's, and the feed's server was not asked.

use feedspine::RequestChoice;
use feedspine::ops::{AddFeed, PolitenessOf};
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;

use crate::support::{code, collect, engine, start};

/// A proxy that answers everything with that status.
async fn refusing(status: u16) -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = listener.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut client, _)) = listener.accept().await {
            tokio::spawn(async move {
                let mut head = Vec::new();
                while !head.ends_with(b"\r\n\r\n") {
                    head.push(client.read_u8().await?);
                }
                let answer = format!("HTTP/1.1 {status} -\r\nContent-Length: 0\r\nConnection: close\r\n\r\n");
                client.write_all(answer.as_bytes()).await?;
                client.shutdown().await
            });
        }
    });
    format!("http://{address}")
}

/// One that nobody listens for.
async fn gone() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    format!("http://{}", listener.local_addr().unwrap())
}

#[tokio::test]
async fn the_faults_of_a_proxy_are_told_as_its_own() {
    let (gone, locked) = (gone().await, refusing(407).await);
    let (broken, forbidding) = (refusing(502).await, refusing(403).await);
    // No name has so long a part: nobody has to be asked for it.
    let nameless = format!("http://{}.invalid:3128", "a".repeat(64));
    let engine = engine().await;
    for (number, (address, proxy, expected)) in [
        ("http://feeds.invalid/", &gone, "proxy.connect"),
        ("https://feeds.invalid/", &gone, "proxy.connect"),
        ("http://feeds.invalid/", &locked, "proxy.auth"),
        ("https://feeds.invalid/", &locked, "proxy.auth"),
        ("https://feeds.invalid/", &broken, "proxy.refused"),
        ("https://feeds.invalid/", &nameless, "proxy.dns"),
        // Whose answer that is nobody can tell.
        ("http://feeds.invalid/", &broken, "http.status"),
        ("http://feeds.invalid/", &forbidding, "http.status"),
    ]
    .into_iter()
    .enumerate()
    {
        let requests = RequestChoice::of_pairs([("proxy", proxy.as_str())]).unwrap();
        let request = AddFeed { requests, ..AddFeed::new(format!("{address}{number}")) };
        let feed = engine.add(request).await.unwrap().feed;
        let report = collect(&engine, &feed).await;
        assert_eq!(code(&report), expected, "{address} {proxy} {report:?}");
        let error = report.error.unwrap();
        if expected == "http.status" {
            assert!(
                error.message().ends_with(&format!(", or the proxy {proxy} did, which it is asked through")),
                "{error:?}"
            );
            continue;
        }
        assert!(error.message().contains("the proxy http://") && error.hint().is_some(), "{error:?}");
        let example = error.hint().is_some_and(|hint| hint.contains("NAME:{env:PASSWORD}@ before the host"));
        assert_eq!(example, expected == "proxy.auth", "{error:?}");
        assert!(!error.hint().unwrap().contains("***"), "{error:?}");
        let hosts = engine.politeness(&PolitenessOf { since: start() }).await.unwrap().hosts;
        assert!(hosts.is_empty(), "the feed's server was not asked: {hosts:?}");
        let why = engine.explain(&feed.name).await.unwrap().next.unwrap().why;
        assert!(why.contains("its proxy is at fault, and its server was not asked"), "{why}");
        let health = engine.health(Some(&feed.name)).await.unwrap();
        assert!(health.feeds[0].reasons[0].1.contains("its proxy is at fault"), "{health:?}");
    }
}
