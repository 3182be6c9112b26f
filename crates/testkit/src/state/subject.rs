//! [`Subject`]: the state store that a check is given, and the words of its stories.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{
    Content, Feed, FeedName, FeedStatus, Fetch, FetchDetail, FetchIntent, FetchStatus, HolderId, LeaseRequest,
    LeaseToken, Namespace, PageRequest, Result, Schedule, Slot, StateStore, StorageBackend, StorageError,
};

use super::StateProvider;
use crate::script::{PAGE, at, content, feed, fetch};
use crate::{Failure, Verdict};

/// A fresh state store, prepared.
#[derive(Clone)]
pub struct Subject {
    store: Arc<dyn StateStore>,
    site: Arc<dyn Site>,
}

/// A provider and one of its places.
#[async_trait]
trait Site: Send + Sync {
    async fn open(&self) -> Result<Arc<dyn StateStore>>;
    async fn storage(&self) -> Result<Option<Arc<dyn StorageBackend>>>;
    fn is_durable(&self) -> bool;
}

struct Held<P: StateProvider> {
    provider: Arc<P>,
    place: P::Place,
}

#[async_trait]
impl<P: StateProvider> Site for Held<P> {
    async fn open(&self) -> Result<Arc<dyn StateStore>> {
        self.provider.open(&self.place).await
    }

    async fn storage(&self) -> Result<Option<Arc<dyn StorageBackend>>> {
        self.provider.storage(&self.place).await
    }

    fn is_durable(&self) -> bool {
        self.provider.is_durable()
    }
}

impl Subject {
    pub(super) async fn fresh<P: StateProvider>(provider: Arc<P>) -> Verdict<Self> {
        let place = provider.place().await?;
        let site: Arc<dyn Site> = Arc::new(Held { provider, place });
        let store = site.open().await?;
        store.prepare().await?;
        Ok(Self { store, site })
    }

    /// The store behind it, for what is spawned.
    pub(super) fn handle(&self) -> Arc<dyn StateStore> {
        Arc::clone(&self.store)
    }

    /// What is captured in the same store.
    pub(super) async fn storage(&self) -> Verdict<Arc<dyn StorageBackend>> {
        let storage = self.site.storage().await?;
        let storage =
            storage.ok_or_else(|| Failure::does_not_apply("what is captured lies in another store, or in none"))?;
        storage.initialize().await?;
        Ok(storage)
    }

    /// Lets go of the store and opens what it left behind.
    pub(super) async fn reopened(self) -> Verdict<Self> {
        if !self.site.is_durable() {
            return Err(Failure::does_not_apply("the store is not durable: what it held is gone with it"));
        }
        let site = self.site;
        drop(self.store);
        let store = site.open().await?;
        store.prepare().await?;
        Ok(Self { store, site })
    }

    /// The fetches of a feed, newest first.
    pub(super) async fn fetches(&self, feed_number: u128) -> Result<Vec<Fetch>> {
        Ok(self.store.fetches_page(feed(feed_number), &PageRequest::first(PAGE)).await?.items)
    }

    /// Replaces a feed as it is now, whatever that is.
    pub(super) async fn update_feed(&self, feed: &Feed) -> Result<()> {
        let held = self.store.feeds().await?.into_iter().find(|held| held.id == feed.id);
        let replaced = self.store.replace_feed(held.as_ref().unwrap_or(feed), feed).await?;
        if replaced { Ok(()) } else { Err(StorageError::internal(format!("feed {} was not replaced", feed.id))) }
    }

    /// Adds active feeds of these numbers, each due after so many seconds.
    pub(super) async fn scheduled(&self, feeds: &[(u128, i64)]) -> Verdict {
        for (number, second) in feeds {
            self.store.add_feed(&a_feed(*number, &format!("feed-{number}"))).await?;
            self.store.set_schedules(&[schedule(*number, *second)]).await?;
        }
        Ok(())
    }

    /// Grants hosts to a daemon, for ever or not at all; the tokens.
    pub(super) async fn lease(&self, holder: &str, hosts: &[&str], micros: i64) -> Result<Vec<LeaseToken>> {
        let leases = self.store.lease_hosts(&request(holder, hosts, micros)).await?;
        Ok(leases.into_iter().map(|lease| lease.token).collect())
    }

    /// How the fetches of a feed ended, newest first; `None` while one runs.
    pub(super) async fn statuses(&self, feed_number: u128) -> Result<Vec<Option<FetchStatus>>> {
        let fetches = self.fetches(feed_number).await?;
        Ok(fetches.into_iter().map(|fetch| fetch.detail.map(|detail| detail.status)).collect())
    }
}

impl Deref for Subject {
    type Target = dyn StateStore;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subject").field(&self.store).finish()
    }
}

pub(super) fn named(text: &str) -> FeedName {
    FeedName::new(text).expect("a feed name")
}

/// An active feed of that number and name.
pub(crate) fn a_feed(number: u128, name: &str) -> Feed {
    Feed {
        id: feed(number),
        name: named(name),
        address: format!("https://example.org/{name}"),
        namespace: Namespace::new(name).expect("a namespace"),
        status: FeedStatus::Active,
        key_rule: None,
        allow_private: false,
        settings: Content::empty(),
        added_at: at(i64::try_from(number).expect("a small number")),
    }
}

/// Fetch `number` of a feed, begun that many seconds into 2026.
pub(crate) fn intent(feed_number: u128, number: u128) -> FetchIntent {
    FetchIntent {
        fetch: fetch(number),
        feed: feed(feed_number),
        started_at: at(i64::try_from(number).expect("a small number")),
        address: "https://example.org/feed?a=1&b=\u{1F4F0}".to_owned(),
    }
}

/// What came of a fetch that ended a second after that many.
pub(crate) fn detail(status: FetchStatus, second: i64) -> FetchDetail {
    FetchDetail {
        status,
        finished_at: at(second + 1),
        http_status: Some(200),
        wire_bytes: 1_234,
        body_bytes: 5_678,
        duration_ms: 1_000,
        code: None,
        reason: None,
        notes: Content::empty(),
    }
}

/// When a feed is due, after so many seconds, with a state that names both.
pub(crate) fn schedule(feed_number: u128, second: i64) -> Schedule {
    let state = format!(r#"{{"by":"the kit","feed":{feed_number},"second":{second}}}"#);
    Schedule { feed: feed(feed_number), due_at: Some(at(second)), state: content(&state) }
}

/// An hour: a lease that does not run out while a check runs.
pub(super) const LONG: i64 = 3_600_000_000;

/// A lease of so long that is asked for at second 0.
pub(super) fn request(holder: &str, hosts: &[&str], micros: i64) -> LeaseRequest {
    let hosts = hosts.iter().map(|host| (*host).to_owned()).collect();
    LeaseRequest { holder: HolderId(holder.to_owned()), hosts, now: at(0), micros }
}

pub(super) fn token(host: &str, token: u64) -> LeaseToken {
    LeaseToken { host: host.to_owned(), token }
}

/// The turn of a feed that is due after so many seconds, under that lease.
pub(super) fn slot(lease: &LeaseToken, second: i64) -> Slot {
    Slot { lease: lease.clone(), due_at: at(second) }
}
