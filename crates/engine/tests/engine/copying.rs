//! Copies into a store, as seen by a process that ends half-way.

use std::io;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use async_trait::async_trait;
use feedspine::Engine;
use feedspine::core::transfer::{Progress, Transfer};
use feedspine::core::{
    Feed, FeedId, FeedName, Fetch, FetchDetail, FetchId, FetchIntent, KeyRule, MemoryStore, Page, PageRequest, Result,
    Selection, StateStore, StorageBackend, StorageError,
};
use feedspine::ops::{AddFeed, CopyError, ImportOpml, OpError, StoreCare, WriteOutcome};
use futures_util::{Stream, stream};

use crate::support::{add, name, settings};

/// A control plane on which the process ends when it lists the feeds for the so-manieth time.
#[derive(Debug)]
struct Ending {
    state: Arc<MemoryStore>,
    lists_left: AtomicUsize,
}

#[async_trait]
impl StateStore for Ending {
    async fn prepare(&self) -> Result<()> {
        self.state.prepare().await
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        self.state.add_feed(feed).await
    }

    async fn update_feed(&self, feed: &Feed) -> Result<()> {
        self.state.update_feed(feed).await
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        self.state.settle_key_rule(feed, rule).await
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        let left = self.lists_left.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        match left {
            Ok(_) => self.state.feeds().await,
            Err(_) => Err(StorageError::internal("the process has ended")),
        }
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        self.state.feed_named(name).await
    }

    async fn begin_fetch(&self, intent: &FetchIntent) -> Result<()> {
        self.state.begin_fetch(intent).await
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail) -> Result<()> {
        self.state.finish_fetch(fetch, detail).await
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        self.state.fetches_page(feed, page).await
    }
}

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
        let state = Ending { state: store.clone(), lists_left: lists_left.into() };
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
        let state = Ending { state: store.clone(), lists_left: lists_left.into() };
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
    store.begin_fetch(&held[0].intent).await.unwrap();
    store.finish_fetch(held[0].intent.fetch, held[0].detail.as_ref().unwrap()).await.unwrap();
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
