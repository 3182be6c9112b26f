//! Copies into a store, as seen by a process that ends half-way.

use std::io;
use std::sync::Arc;

use feedspine::Engine;
use feedspine::core::transfer::{Progress, Transfer};
use feedspine::core::{
    Content, Feed, HolderId, LeaseRequest, MemoryStore, PageRequest, Schedule, Selection, StateStore, StorageBackend,
    Timestamp,
};
use feedspine::ops::{AddFeed, CopyError, Existing, ImportOpml, OpError, Packing, StoreCare, WriteOutcome};
use futures_util::{Stream, stream};
use sha2::{Digest, Sha256};

use crate::bent::Bent;
use crate::support::{add, name, settings};

/// A store with one feed, never collected.
async fn with_a_feed(address: &str) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    let engine = Engine::open(store.clone(), store.clone(), settings()).await.unwrap();
    add(&engine, address).await;
    store
}

#[tokio::test]
async fn a_copy_into_a_store_with_feeds_leaves_it_usable_wherever_the_process_ends() {
    let from = with_a_feed("http://127.0.0.1:1/theirs.xml").await;
    let from = StoreCare::new(from.clone(), from);
    for lists_left in 0..4 {
        let store = with_a_feed("http://127.0.0.1:1/ours.xml").await;
        let state = Bent::ending(store.clone(), lists_left);
        let into = StoreCare::new(store.clone(), Arc::new(state));
        from.copy_to(&into).await.unwrap_err();
        assert_eq!(store.count(&Selection::everything()).await.unwrap(), 0, "after {lists_left} lists");
        let whole = StoreCare::new(store.clone(), store.clone());
        let refused = from.copy_to(&whole).await.unwrap_err();
        assert!(matches!(&refused, CopyError::To(error) if error.code() == "import.not_empty"), "{refused:?}");
        assert_eq!(store.feeds().await.unwrap().len(), 1);
    }
}

#[tokio::test]
async fn a_copy_into_an_empty_store_goes_on_wherever_the_process_ended() {
    let from = with_a_feed("http://127.0.0.1:1/theirs.xml").await;
    let from = StoreCare::new(from.clone(), from);
    for lists_left in 0..4 {
        let store = Arc::new(MemoryStore::new());
        let state = Bent::ending(store.clone(), lists_left);
        let _ended = from.copy_to(&StoreCare::new(store.clone(), Arc::new(state))).await;
        let written = from.copy_to(&StoreCare::new(store.clone(), store.clone())).await.unwrap();
        assert_eq!(written.contents.feeds, 1, "after {lists_left} lists");
        assert_eq!(store.count(&Selection::everything()).await.unwrap(), 0);
    }
}

/// A store that a copy began to fill with these feeds.
async fn half_filled(feeds: &[Feed]) -> Arc<MemoryStore> {
    let store = Arc::new(MemoryStore::new());
    store.initialize().await.unwrap();
    store.begin_import().await.unwrap();
    for feed in feeds {
        store.add_feed(feed).await.unwrap();
    }
    store
}

/// A line to be pushed.
fn a_line() -> impl Stream<Item = io::Result<Vec<u8>>> + Unpin + Send {
    stream::iter([Ok(b"{\"id\":\"a\",\"title\":\"One\"}\n".to_vec())])
}

#[tokio::test]
async fn feeds_are_not_written_beside_an_import_that_is_unfinished() {
    let from = with_a_feed("push:theirs").await;
    let feeds = from.feeds().await.unwrap();
    let store = half_filled(&feeds).await;
    let engine = Engine::open(store.clone(), store.clone(), settings()).await.unwrap();
    let held = &feeds[0].name;
    let list = ImportOpml {
        bytes: b"<opml version='2.0'><body><outline xmlUrl='http://127.0.0.1:1/a.xml'/></body></opml>".to_vec(),
        name: "list".to_owned(),
        tags: Vec::new(),
        allow_private: true,
    };
    let refused: [(&str, Option<OpError>); 8] = [
        ("add", engine.add(AddFeed::new("push:ours")).await.err()),
        ("rename", engine.rename(held, name("other")).await.err()),
        ("pause", engine.pause(held).await.err()),
        ("resume", engine.resume(held).await.err()),
        ("remove", engine.remove(held).await.err()),
        ("retag", engine.retag(held, &["a".parse().unwrap()], &[]).await.err()),
        ("opml", engine.import_opml(list).await.err()),
        ("ingest", engine.ingest_lines(held, a_line(), &|_| {}).await.err()),
    ];
    for (asked, error) in refused {
        let error = error.unwrap_or_else(|| panic!("{asked} was done"));
        assert_eq!(error.code(), "storage.unavailable", "{asked}");
        assert!(error.hint().is_some_and(|hint| hint.contains("goes on where it stopped")), "{asked}: {error}");
    }
    let from = StoreCare::new(from.clone(), from);
    let written = from.copy_to(&StoreCare::new(store.clone(), store.clone())).await.unwrap();
    assert_eq!(written.outcome, WriteOutcome::Resumed);
    assert_eq!(store.feeds().await.unwrap(), feeds);
}

#[tokio::test]
async fn a_copy_of_another_store_is_refused_before_any_of_its_feeds_is_written() {
    let from = with_a_feed("push:theirs").await;
    let feeds = from.feeds().await.unwrap();
    let store = half_filled(&feeds).await;
    let into = StoreCare::new(store.clone(), store.clone());
    let other = with_a_feed("push:others").await;
    let refused = StoreCare::new(other.clone(), other).copy_to(&into).await.unwrap_err();
    assert!(matches!(&refused, CopyError::To(error) if error.code() == "import.changed"), "{refused:?}");
    assert_eq!(store.feeds().await.unwrap(), feeds);
    let written = StoreCare::new(from.clone(), from).copy_to(&into).await.unwrap();
    assert_eq!(written.outcome, WriteOutcome::Resumed);
}

#[tokio::test]
async fn an_import_that_came_to_the_rows_takes_no_further_feed_and_no_further_fetch() {
    let from = with_a_feed("push:theirs").await;
    let feeds = from.feeds().await.unwrap();
    let store = half_filled(&feeds).await;
    let engine = Engine::open(from.clone(), from.clone(), settings()).await.unwrap();
    engine.ingest_lines(&feeds[0].name, a_line(), &|_| {}).await.unwrap();
    let fetches = async || store.fetches_page(feeds[0].id, &PageRequest::first(10)).await.unwrap().items;
    let held = from.fetches_page(feeds[0].id, &PageRequest::first(10)).await.unwrap().items;
    store.begin_fetch(&held[0].intent, None).await.unwrap();
    store.finish_fetch(held[0].intent.fetch, held[0].detail.as_ref().unwrap(), None).await.unwrap();
    let first = from.export().await.unwrap().next().await.unwrap().remove(0);
    store.import(vec![first], Progress { rows: 1, digest: [0; 32] }).await.unwrap();

    let (from, into) = (StoreCare::new(from.clone(), from.clone()), StoreCare::new(store.clone(), store.clone()));
    engine.ingest_lines(&feeds[0].name, a_line(), &|_| {}).await.unwrap();
    from.copy_to(&into).await.unwrap_err();
    assert_eq!(fetches().await, held);
    add(&engine, "push:further").await;
    from.copy_to(&into).await.unwrap_err();
    assert_eq!(store.feeds().await.unwrap(), feeds);
}

/// When these feeds are fetched next: the first at a time, others by hand.
fn schedules(feeds: &[Feed], second: i64) -> Vec<Schedule> {
    let due_at = |at: usize| (at == 0).then(|| Timestamp::UNIX_EPOCH.saturating_add_micros(second * 1_000_000));
    let state = Content::parse(r#"{"step":3,"why":"nothing new"}"#).unwrap();
    let of = |(at, feed): (usize, &Feed)| Schedule { feed: feed.id, due_at: due_at(at), state: state.clone() };
    feeds.iter().enumerate().map(of).collect()
}

#[tokio::test]
async fn schedules_are_copied_and_exported_and_leases_are_not() {
    let from = with_a_feed("push:theirs").await;
    let engine = Engine::open(from.clone(), from.clone(), settings()).await.unwrap();
    add(&engine, "push:others").await;
    let scheduled = schedules(&from.feeds().await.unwrap(), 1_000);
    from.set_schedules(&scheduled).await.unwrap();
    let hosts = vec!["example.org".to_owned()];
    let holder = HolderId("a daemon".to_owned());
    from.lease_hosts(&LeaseRequest { holder, hosts, now: Timestamp::UNIX_EPOCH, micros: 1 }).await.unwrap();
    let source = StoreCare::new(from.clone(), from.clone());

    let copy = Arc::new(MemoryStore::new());
    let into = StoreCare::new(copy.clone(), copy.clone());
    let written = source.copy_to(&into).await.unwrap();
    assert_eq!((written.outcome, written.contents.schedules), (WriteOutcome::Written, 2));
    assert_eq!(copy.schedules().await.unwrap(), from.schedules().await.unwrap());
    assert_eq!(copy.leases().await.unwrap(), []);
    assert_eq!(source.copy_to(&into).await.unwrap().outcome, WriteOutcome::Already);

    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("all.backup");
    source.export_file(&file, Packing::Plain, Existing::Kept).await.unwrap();
    let restored = Arc::new(MemoryStore::new());
    let written = StoreCare::new(restored.clone(), restored.clone()).import_file(&file).await.unwrap();
    assert_eq!(written.contents.schedules, 2);
    assert_eq!(restored.schedules().await.unwrap(), from.schedules().await.unwrap());

    from.set_schedules(&scheduled[..1]).await.unwrap();
    from.set_schedules(&schedules(&from.feeds().await.unwrap(), 1_001)).await.unwrap();
    let refused = source.copy_to(&into).await.unwrap_err();
    assert!(matches!(&refused, CopyError::To(error) if error.code() == "import.not_empty"), "{refused:?}");
}

#[tokio::test]
async fn a_copy_that_goes_on_takes_the_schedules_of_today_until_it_came_to_the_rows() {
    let from = with_a_feed("push:theirs").await;
    let feeds = from.feeds().await.unwrap();
    let engine = Engine::open(from.clone(), from.clone(), settings()).await.unwrap();
    engine.ingest_lines(&feeds[0].name, a_line(), &|_| {}).await.unwrap();
    from.set_schedules(&schedules(&feeds, 2)).await.unwrap();
    let source = StoreCare::new(from.clone(), from.clone());

    let store = half_filled(&feeds).await;
    store.set_schedules(&schedules(&feeds, 1)).await.unwrap();
    let written = source.copy_to(&StoreCare::new(store.clone(), store.clone())).await.unwrap();
    assert_eq!(written.outcome, WriteOutcome::Resumed);
    assert_eq!(store.schedules().await.unwrap(), schedules(&feeds, 2));

    let store = half_filled(&feeds).await;
    store.set_schedules(&schedules(&feeds, 1)).await.unwrap();
    let first = from.export().await.unwrap().next().await.unwrap().remove(0);
    store.import(vec![first], Progress { rows: 1, digest: [0; 32] }).await.unwrap();
    let refused = source.copy_to(&StoreCare::new(store.clone(), store.clone())).await.unwrap_err();
    assert!(matches!(&refused, CopyError::To(error) if error.code() == "import.changed"), "{refused:?}");
    assert_eq!(store.schedules().await.unwrap(), schedules(&feeds, 1));
}

/// As the program wrote it before there were schedules.
#[tokio::test]
async fn a_file_of_format_1_is_read() {
    let home = tempfile::tempdir().unwrap();
    let file = home.path().join("old.backup");
    let lines = concat!(
        r#"{"row":"header","feedspine":"export","format":1,"program":"0.1.0","backend":"memory"}"#,
        "\n",
        r#"{"row":"control_feed","id":"00000000-0000-0000-0000-000000000001","name":"a","address":"push:a","namespace":"a","#,
        r#""status":"active","key_rule":null,"allow_private":false,"settings":"{}","added_at":"2026-01-01T00:00:00Z"}"#,
        "\n",
        r#"{"row":"fetch","intent":{"fetch":"00000000-0000-0000-0000-000000000002","feed":"00000000-0000-0000-0000-000000000001","#,
        r#""started_at":"2026-01-01T00:00:00Z","address":"push:a"},"detail":{"status":"failed","#,
        r#""finished_at":"2026-01-01T00:00:01Z","http_status":503,"wire_bytes":0,"body_bytes":0,"duration_ms":1000,"#,
        r#""code":"http.status","reason":"busy"}}"#,
        "\n",
    );
    let digest = Sha256::digest(lines).iter().fold(String::new(), |text, byte| format!("{text}{byte:02x}"));
    let end = format!(r#"{{"row":"end","feeds":1,"fetches":1,"rows":0,"sha256":"{digest}"}}"#);
    std::fs::write(&file, format!("{lines}{end}\n")).unwrap();
    let store = Arc::new(MemoryStore::new());
    let written = StoreCare::new(store.clone(), store.clone()).import_file(&file).await.unwrap();
    assert_eq!((written.contents.feeds, written.contents.schedules, written.contents.fetches), (1, 0, 1));
    let feed = store.feeds().await.unwrap().remove(0).id;
    let fetch = store.fetches_page(feed, &PageRequest::first(1)).await.unwrap().items.remove(0);
    assert_eq!(fetch.detail.unwrap().notes, Content::empty());
}
