//! [`Subject`]: the store that a check is given, and what checks ask of it again and again.

use std::fmt;
use std::ops::Deref;
use std::sync::Arc;

use async_trait::async_trait;
use feedspine_core::{
    Change, ChangeKind, Event, FeedId, FetchId, IngestBatch, IngestReport, Layer, Observation, PageRequest,
    Quarantined, Record, Result, Seen, Seq, Sighting, StorageBackend, StorageExt, Version,
};

use super::StorageProvider;
use crate::script::{PAGE, key};
use crate::{Failure, Verdict};

/// A fresh store, initialised.
#[derive(Clone)]
pub struct Subject {
    store: Arc<dyn StorageBackend>,
    site: Arc<dyn Site>,
}

/// A provider and one of its places.
#[async_trait]
trait Site: Send + Sync {
    async fn open(&self) -> Result<Arc<dyn StorageBackend>>;
    async fn elsewhere(&self) -> Result<Arc<dyn Site>>;
}

struct Held<P: StorageProvider> {
    provider: Arc<P>,
    place: P::Place,
}

#[async_trait]
impl<P: StorageProvider> Site for Held<P> {
    async fn open(&self) -> Result<Arc<dyn StorageBackend>> {
        self.provider.open(&self.place).await
    }

    async fn elsewhere(&self) -> Result<Arc<dyn Site>> {
        let provider = Arc::clone(&self.provider);
        let place = provider.place().await?;
        Ok(Arc::new(Self { provider, place }))
    }
}

impl Subject {
    pub(super) async fn fresh<P: StorageProvider>(provider: Arc<P>) -> Verdict<Self> {
        let place = provider.place().await?;
        let site: Arc<dyn Site> = Arc::new(Held { provider, place });
        let store = site.open().await?;
        store.initialize().await?;
        Ok(Self { store, site })
    }

    /// The store behind it, for what is spawned.
    pub(super) fn handle(&self) -> Arc<dyn StorageBackend> {
        Arc::clone(&self.store)
    }

    /// One more fresh store, to compare with.
    pub(super) async fn another(&self) -> Verdict<Self> {
        let site = self.site.elsewhere().await?;
        let store = site.open().await?;
        store.initialize().await?;
        Ok(Self { store, site })
    }

    /// Closes the store and opens what it left behind.
    pub(super) async fn reopened(&self) -> Verdict<Self> {
        self.needs_durability()?;
        self.store.close().await?;
        self.opened_beside().await
    }

    /// Drops the store as it is, and opens what it left behind.
    pub(super) async fn dropped(self) -> Verdict<Self> {
        self.needs_durability()?;
        let Self { store, site } = self;
        drop(store);
        let store = site.open().await?;
        store.initialize().await?;
        Ok(Self { store, site })
    }

    /// Opens the store a second time, beside this one: for stores that take several processes.
    pub(super) async fn opened_beside(&self) -> Verdict<Self> {
        let store = self.site.open().await?;
        store.initialize().await?;
        Ok(Self { store, site: Arc::clone(&self.site) })
    }

    /// Handles of one more store, at a place that holds nothing yet, none of them initialised: several where a place takes
    /// several processes, else the same one.
    pub(super) async fn uninitialised(&self, handles: usize) -> Verdict<(Vec<Arc<dyn StorageBackend>>, impl Sized)> {
        let site = self.site.elsewhere().await?;
        let mut opened = vec![site.open().await?];
        while opened.len() < handles {
            let several = self.store.info().capabilities.multi_process;
            opened.push(if several { site.open().await? } else { Arc::clone(&opened[0]) });
        }
        Ok((opened, site))
    }

    fn needs_durability(&self) -> Verdict {
        if self.store.info().capabilities.durable {
            return Ok(());
        }
        Err(Failure::does_not_apply("the store is not durable: what it held is gone with it"))
    }

    /// Ingests a batch that has to be taken.
    pub(super) async fn take(&self, batch: IngestBatch) -> Result<IngestReport> {
        self.store.ingest(batch).await
    }

    /// The record of that key, at its highest layer.
    pub(super) async fn record(&self, name: &str) -> Verdict<Record> {
        let found = self.store.get_by_natural_key(&key(name)).await?;
        found.ok_or_else(|| Failure::broken(format!("there is no record of key {name:?}")))
    }

    /// All bronze versions of the record of that key, from the first.
    pub(super) async fn versions(&self, name: &str) -> Verdict<Vec<Version>> {
        let id = self.record(name).await?.id;
        Ok(self.store.versions_page(id, Layer::Bronze, &PageRequest::first(PAGE)).await?.items)
    }

    /// The titles of all bronze versions of the record of that key.
    pub(super) async fn titles(&self, name: &str) -> Verdict<Vec<String>> {
        Ok(self.versions(name).await?.iter().map(|version| title_of(&version.content)).collect())
    }

    /// Where and by which fetch a key was sighted, and what it showed, in the store's order.
    pub(super) async fn sighted(&self, name: &str) -> Result<Vec<(FeedId, FetchId, Option<u32>)>> {
        let all = self.store.get_sightings(&key(name)).await?;
        Ok(all.iter().map(|sighting: &Sighting| (sighting.feed, sighting.fetch, shown(sighting))).collect())
    }

    /// The sightings of a key in figures.
    pub(super) async fn seen(&self, name: &str) -> Result<Option<Seen>> {
        Ok(self.store.seen_many(&[key(name)]).await?.pop().flatten())
    }

    /// The whole change log.
    pub(super) async fn log(&self) -> Result<Vec<Change>> {
        let mut all: Vec<Change> = Vec::new();
        loop {
            let after = all.last().map_or_else(Seq::start, |change| change.seq.clone());
            let found = self.store.changes(&after, PageRequest::first(PAGE).limit).await?;
            if found.is_empty() {
                return Ok(all);
            }
            all.extend(found);
        }
    }

    /// The log in brief: what happened to which key.
    pub(super) async fn story(&self) -> Result<Vec<(ChangeKind, String)>> {
        Ok(self.log().await?.iter().map(|change| brief(&change.event)).collect())
    }

    /// The feed's ledger.
    pub(super) async fn ledger(&self, feed: FeedId) -> Result<Vec<Observation>> {
        Ok(self.store.observations_page(feed, &PageRequest::first(PAGE)).await?.items)
    }

    /// The feed's quarantine.
    pub(super) async fn quarantine(&self, feed: FeedId) -> Result<Vec<Quarantined>> {
        Ok(self.store.rejects_page(feed, &PageRequest::first(PAGE)).await?.items)
    }

    /// Every record's row at each layer it has, by key and layer.
    pub(super) async fn dump(&self) -> Verdict<Vec<Record>> {
        let mut rows = Vec::new();
        for layer in Layer::ALL {
            let query = feedspine_core::Query::new(
                feedspine_core::Selection { layer: Some(layer), filter: feedspine_core::Filter::everything() },
                PAGE,
            );
            rows.extend(self.store.query_page(&query).await?.items);
        }
        rows.sort_by(|a, b| (&a.key, a.layer).cmp(&(&b.key, b.layer)));
        Ok(rows)
    }
}

impl Deref for Subject {
    type Target = dyn StorageBackend;

    fn deref(&self) -> &Self::Target {
        &*self.store
    }
}

impl fmt::Debug for Subject {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_tuple("Subject").field(&self.store).finish()
    }
}

/// The title that [`crate::script`] gives its items.
pub(super) fn title_of(content: &feedspine_core::Content) -> String {
    let value = content.to_json();
    value.get("title").and_then(|title| title.as_str()).unwrap_or_default().to_owned()
}

fn shown(sighting: &Sighting) -> Option<u32> {
    sighting.version.map(feedspine_core::VersionNo::get)
}

fn brief(event: &Event) -> (ChangeKind, String) {
    let key = event.subject.as_ref().map_or("", |subject| subject.key.key());
    (event.kind, key.to_owned())
}
