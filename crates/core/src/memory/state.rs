//! The control plane's rows.

use async_trait::async_trait;

use super::MemoryStore;
use super::tables::Tables;
use crate::{
    Cursor, Feed, FeedId, FeedName, FeedStatus, Fetch, FetchDetail, FetchId, FetchIntent, FetchStatus, Json, KeyRule,
    Page, PageRequest, Result, StateStore, StorageError,
};

#[async_trait]
impl StateStore for MemoryStore {
    async fn prepare(&self) -> Result<()> {
        self.lock().open = true;
        Ok(())
    }

    async fn add_feed(&self, feed: &Feed) -> Result<()> {
        let mut tables = self.control()?;
        if tables.control.contains_key(&feed.id) {
            return Err(StorageError::conflict(format!("feed {} is known already", feed.id)));
        }
        tables.check_name(feed)?;
        tables.control.insert(feed.id, feed.clone());
        Ok(())
    }

    async fn update_feed(&self, feed: &Feed) -> Result<()> {
        let mut tables = self.control()?;
        let Some(held) = tables.control.get(&feed.id) else {
            return Err(StorageError::invalid(format!("there is no feed {}", feed.id)));
        };
        let (namespace, key_rule, added_at) = (held.namespace.clone(), held.key_rule, held.added_at);
        tables.check_name(feed)?;
        tables.control.insert(feed.id, Feed { namespace, key_rule, added_at, ..feed.clone() });
        Ok(())
    }

    async fn settle_key_rule(&self, feed: FeedId, rule: KeyRule) -> Result<KeyRule> {
        let mut tables = self.control()?;
        let held = tables.control.get_mut(&feed);
        let held = held.ok_or_else(|| StorageError::invalid(format!("there is no feed {feed}")))?;
        Ok(*held.key_rule.get_or_insert(rule))
    }

    async fn feeds(&self) -> Result<Vec<Feed>> {
        let mut feeds: Vec<Feed> = self.control()?.control.values().cloned().collect();
        feeds.sort_by(|a, b| (&a.name, a.id).cmp(&(&b.name, b.id)));
        Ok(feeds)
    }

    async fn feed_named(&self, name: &FeedName) -> Result<Option<Feed>> {
        Ok(self.control()?.holder_of(name).cloned())
    }

    async fn begin_fetch(&self, intent: &FetchIntent) -> Result<()> {
        let mut tables = self.control()?;
        if tables.fetches.iter().any(|fetch| fetch.intent.fetch == intent.fetch) {
            return Err(StorageError::conflict(format!("fetch {} is known already", intent.fetch)));
        }
        for fetch in tables.fetches.iter_mut().filter(|f| f.intent.feed == intent.feed && f.detail.is_none()) {
            fetch.detail = Some(FetchDetail {
                status: FetchStatus::Interrupted,
                finished_at: intent.started_at,
                http_status: None,
                wire_bytes: 0,
                body_bytes: 0,
                duration_ms: 0,
                code: None,
                reason: None,
            });
        }
        tables.fetches.push(Fetch { intent: intent.clone(), detail: None });
        Ok(())
    }

    async fn finish_fetch(&self, fetch: FetchId, detail: &FetchDetail) -> Result<()> {
        let mut tables = self.control()?;
        let held = tables.fetches.iter_mut().find(|held| held.intent.fetch == fetch);
        let held = held.ok_or_else(|| StorageError::invalid(format!("fetch {fetch} was never begun")))?;
        held.detail = Some(detail.clone());
        Ok(())
    }

    async fn fetches_page(&self, feed: FeedId, page: &PageRequest) -> Result<Page<Fetch>> {
        let tables = self.control()?;
        let of = format!("fetches {feed}");
        let before = page.after.as_ref().map(|cursor| cursor.position(&of)).transpose()?;
        let newest_first = tables.fetches.iter().enumerate().rev().filter(|(_, fetch)| fetch.intent.feed == feed);
        let place = |at: usize| vec![Json::from(at as u64)];
        let rest = newest_first.filter(|(at, _)| before.as_ref().is_none_or(|before| place(*at) < *before));
        let mut found: Vec<(usize, Fetch)> = rest.take(page.size() + 1).map(|(at, f)| (at, f.clone())).collect();
        let more = found.len() > page.size();
        found.truncate(page.size());
        let next = found.last().filter(|_| more).map(|(at, _)| Cursor::new(&of, &place(*at)));
        Ok(Page { items: found.into_iter().map(|(_, fetch)| fetch).collect(), next })
    }
}

impl Tables {
    fn holder_of(&self, name: &FeedName) -> Option<&Feed> {
        self.control.values().find(|feed| feed.name == *name && feed.status != FeedStatus::Removed)
    }

    fn check_name(&self, feed: &Feed) -> Result<()> {
        match self.holder_of(&feed.name).filter(|holder| holder.id != feed.id && feed.status != FeedStatus::Removed) {
            Some(_) => Err(StorageError::conflict(format!("there is a feed named {} already", feed.name))
                .with_hint("choose another name")),
            None => Ok(()),
        }
    }
}
