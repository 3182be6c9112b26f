//! Lines that are handed over instead of being fetched.

use std::io;
use std::sync::Mutex;

use feedspine::core::{Counts, FetchStatus};
use feedspine::ops::{AdapterChoice, AddFeed, Collect, LinesIngested, LinesStored, Which};
use feedspine::{Engine, OpError};
use futures_util::{StreamExt, stream};

use crate::support::{add_with, collect_all, engine, name};

/// Hands over these pieces; what came of it, and how far lines were said to be stored.
async fn ingest(engine: &Engine, feed: &str, pieces: &[&str]) -> (Result<LinesIngested, OpError>, Vec<LinesStored>) {
    let told = Mutex::new(Vec::new());
    let pieces = pieces.iter().map(|piece| match *piece {
        "<broken>" => Err(io::Error::other("the pipe broke")),
        piece => Ok(piece.as_bytes().to_vec()),
    });
    let tell = |stored| told.lock().unwrap().push(stored);
    let ingested = engine.ingest_lines(&name(feed), stream::iter(pieces), &tell).await;
    (ingested, told.into_inner().unwrap())
}

fn counts(ingested: &LinesIngested) -> [u64; 5] {
    let Counts { new, changed, unchanged, repeated, rejected, .. } = ingested.counts;
    [new, changed, unchanged, repeated, rejected]
}

#[tokio::test]
async fn lines_become_records_by_the_options_of_json_and_the_same_again_changes_nothing() {
    let engine = engine().await;
    let options = ["key=no", "published=at", "dates=epoch_s", "title=what", "volatile=views"];
    add_with(&engine, "push:orders", "push", &options).await;
    let lines = [
        "{\"no\":1,\"what\":\"One\",\"at\":1795521600,\"views\":1}\n{\"no\":",
        "2,\"what\":\"Two\"}\n\nno\n{\"what\":\"keyless\"}\n{\"no\":2,\"what\":\"Two\"}\n{\"no\":3}",
    ];
    let (ingested, told) = ingest(&engine, "orders", &lines).await;
    let ingested = ingested.unwrap();
    assert_eq!((counts(&ingested), ingested.lines), ([3, 0, 0, 1, 2], 7), "{ingested:?}");
    assert_eq!(told.last().unwrap().line, 7);
    let record = engine.show("1", None).await.unwrap().record;
    assert_eq!(record.published.unwrap().to_string(), "2026-11-24T12:00:00Z");
    let view = engine.feed(&name("orders")).await.unwrap();
    let mut reasons: Vec<&str> = view.rejects.iter().map(|found| found.reject.reason.as_str()).collect();
    reasons.sort_unstable();
    assert!(reasons[0].starts_with("line 4: ") && reasons[1] == "line 5: the item has no no, which its key is made of");
    assert_eq!(view.fetches[0].detail.as_ref().unwrap().status, FetchStatus::Captured);

    let again =
        ["{\"no\":1,\"what\":\"One\",\"at\":1795521600,\"views\":2}\n{\"no\":2,\"what\":\"Two\"}\n{\"no\":3}\n"];
    let (ingested, _) = ingest(&engine, "orders", &again).await;
    assert_eq!(counts(&ingested.unwrap()), [0, 0, 3, 0, 0]);
    assert_eq!(engine.show("1", None).await.unwrap().record.version.get(), 1);
}

#[tokio::test]
async fn dates_that_lie_ahead_are_told_once_for_all_lines() {
    let engine = engine().await;
    add_with(&engine, "push:orders", "push", &["key=no", "published=at"]).await;
    // A later line of a key is stored by itself.
    let lines =
        ["{\"no\":1,\"at\":\"2031-01-01\"}\n{\"no\":1,\"at\":\"2032-01-01\"}\n{\"no\":2,\"at\":\"2026-11-24\"}\n"];
    let ingested = ingest(&engine, "orders", &lines).await.0.unwrap();
    assert_eq!(ingested.batches, 2);
    let ahead: Vec<&String> = ingested.warnings.iter().filter(|warning| warning.starts_with("date.future")).collect();
    assert_eq!(ahead, [r#"date.future (2 times): "1" bears the date 2031-01-01T00:00:00Z"#], "{ingested:?}");
}

#[tokio::test]
async fn a_later_line_of_the_same_key_is_a_later_version() {
    let engine = engine().await;
    add_with(&engine, "push:a", "push", &[]).await;
    let lines =
        ["{\"id\":1,\"v\":1}\n{\"id\":2,\"v\":1}\n{\"id\":1,\"v\":2}\n{\"id\":1,\"v\":1}\n{\"id\":1,\"v\":1}\n"];
    let (ingested, _) = ingest(&engine, "a", &lines).await;
    let ingested = ingested.unwrap();
    assert_eq!((counts(&ingested), ingested.batches), ([2, 2, 0, 1, 0], 3));
    let record = engine.show("1", None).await.unwrap().record;
    assert_eq!((record.version.get(), record.content.as_str()), (3, r#"{"id":1,"v":1}"#));
}

#[tokio::test]
async fn many_lines_are_stored_in_batches_and_told_as_they_are() {
    let engine = engine().await;
    add_with(&engine, "push:a", "push", &[]).await;
    let lines: Vec<String> = (0..12_000).map(|line| format!("{{\"id\":{line}}}\n")).collect();
    let pieces: Vec<String> = lines.chunks(120).map(<[String]>::concat).collect();
    let pieces: Vec<&str> = pieces.iter().map(String::as_str).collect();
    let (ingested, told) = ingest(&engine, "a", &pieces).await;
    let ingested = ingested.unwrap();
    assert_eq!((counts(&ingested), ingested.lines, ingested.batches), ([12_000, 0, 0, 0, 0], 12_000, 3));
    assert!(told.len() >= 3 && told.is_sorted_by_key(|stored| stored.line), "{told:?}");
    assert!(told.iter().all(|stored| stored.line <= stored.counts.new), "{told:?}");
}

#[tokio::test]
async fn a_source_that_breaks_says_how_far_it_is_stored() {
    let engine = engine().await;
    add_with(&engine, "push:a", "push", &[]).await;
    let (ingested, told) = ingest(&engine, "a", &["{\"id\":1}\n{\"id\":2}\n{\"id\"", "<broken>"]).await;
    let error = ingested.unwrap_err();
    assert_eq!((error.code(), told.last().unwrap().line), ("lines.unreadable", 2));
    assert!(error.message().contains("line 2") && error.hint().unwrap().contains("2 lines are stored"), "{error:?}");
    assert!(engine.show("2", None).await.is_ok());
}

#[tokio::test]
async fn a_feed_that_is_stopped_while_lines_come_is_written_no_further() {
    let engine = engine().await;
    for (address, removed, expected) in [("push:a", false, "feed.paused"), ("push:b", true, "feed.unknown")] {
        let feed = add_with(&engine, address, "push", &[]).await;
        let line = |version: u32| Ok(format!("{{\"id\":\"{expected}\",\"v\":{version}}}\n").into_bytes());
        // Each is a version of its own, and stored when the next one comes.
        let stop = async {
            if removed { engine.remove(&feed.name).await } else { engine.pause(&feed.name).await }.unwrap();
            line(3)
        };
        let pieces = Box::pin(stream::iter([line(1), line(2)]).chain(stream::once(stop)));
        let refused = engine.ingest_lines(&feed.name, pieces, &|_| {}).await.unwrap_err();
        assert_eq!(refused.code(), expected);
        assert!(refused.message().starts_with("lines behind 1 were not stored: the feed "), "{refused:?}");
        assert_eq!(engine.show(expected, None).await.unwrap().record.version.get(), 1);
    }
}

#[tokio::test]
async fn what_is_pushed_is_not_collected_and_what_is_collected_is_not_pushed() {
    let engine = engine().await;
    let pushed = engine.add(AddFeed::new("push:orders")).await.unwrap().feed;
    assert_eq!((pushed.name.as_str(), AdapterChoice::of(&pushed).name()), ("orders", "push"));
    assert!(collect_all(&engine).await.is_empty());
    let request = Collect { which: Which::Named(vec![pushed.name.clone()]), allow_private: false };
    let refused = engine.collect(&request, &|_| {}).await.unwrap_err();
    assert!(refused.code() == "feed.pushed" && refused.hint().unwrap().contains("feedspine ingest orders"));
    engine.add(AddFeed::new("http://127.0.0.1/feed.xml")).await.unwrap();
    let (refused, _) = ingest(&engine, "127.0.0.1", &["{}\n"]).await;
    assert_eq!(refused.unwrap_err().code(), "feed.not_pushed");
    let (refused, _) = ingest(&engine, "none", &["{}\n"]).await;
    assert_eq!(refused.unwrap_err().code(), "feed.unknown");
    engine.pause(&pushed.name).await.unwrap();
    let (refused, _) = ingest(&engine, "orders", &["{}\n"]).await;
    assert_eq!(refused.unwrap_err().code(), "feed.paused");
}

#[tokio::test]
async fn an_adapter_is_refused_an_address_that_it_does_not_read() {
    let engine = engine().await;
    for (address, adapter) in [("push:a", "json"), ("push:a", "feed"), ("http://127.0.0.1/", "push")] {
        let adapter = AdapterChoice::new(Some(adapter), []).unwrap();
        let refused = engine.add(AddFeed { adapter, ..AddFeed::new(address) }).await.unwrap_err();
        assert_eq!(refused.code(), "adapter.address", "{address}");
    }
}
