//! [`StorageExt`]: the seed page's own calls, for every backend.

use std::collections::HashMap;

use async_trait::async_trait;
use futures_util::stream::{self, BoxStream, StreamExt, TryStreamExt};

use crate::json::Json;
use crate::{
    Filter, Layer, NaturalKey, Order, PageRequest, Query, Record, RecordId, RecordName, RecordRef, RecordWrite, Result,
    Selection, Sighting, StorageBackend, Timestamp, VersionNo, query::MAX_PAGE,
};

/// The calls of the page "Implement a Custom Storage Backend", each with the meaning it has there.
///
/// Where the page leaves a clock to the store, ours takes the time as an argument.
#[async_trait]
pub trait StorageExt: StorageBackend {
    /// Stores or updates a record: content or metadata that differ append a version. Records no sighting.
    ///
    /// # Errors
    /// `Conflict` when the key is held by another id, `Invalid` when the id is held by another key.
    async fn store(&self, record: RecordWrite) -> Result<()> {
        self.put_many(vec![record]).await.map(drop)
    }

    /// Stores many, all or none, and says how many appended a version or made a record.
    async fn store_batch(&self, records: Vec<RecordWrite>) -> Result<usize> {
        let rows: Vec<RecordRef> = records.iter().map(written_row).collect();
        let before = self.get_many(&rows).await?;
        let versions = self.put_many(records).await?;
        let mut held: HashMap<RecordRef, Option<VersionNo>> = HashMap::new();
        let grown = rows.into_iter().zip(before).zip(versions).filter(|((row, before), now)| {
            let held = held.entry(row.clone()).or_insert(before.as_ref().map(|record| record.version));
            held.replace(*now) != Some(*now)
        });
        Ok(grown.count())
    }

    /// The record of that id; without a layer its highest.
    async fn get(&self, id: RecordId, layer: Option<Layer>) -> Result<Option<Record>> {
        Ok(self.get_many(&[RecordRef { name: RecordName::Id(id), layer }]).await?.into_iter().next().flatten())
    }

    /// The record of that natural key, at its highest layer.
    async fn get_by_natural_key(&self, key: &NaturalKey) -> Result<Option<Record>> {
        Ok(self.get_many(&[RecordRef::key(key.clone())]).await?.into_iter().next().flatten())
    }

    /// Whether there is such a record.
    async fn exists(&self, id: RecordId, layer: Option<Layer>) -> Result<bool> {
        self.get(id, layer).await.map(|record| record.is_some())
    }

    /// Whether that natural key has a record.
    async fn exists_by_natural_key(&self, key: &NaturalKey) -> Result<bool> {
        self.get_by_natural_key(key).await.map(|record| record.is_some())
    }

    /// Deletes a record, or one layer of it; false when there was none.
    async fn delete(&self, id: RecordId, layer: Option<Layer>, at: Timestamp) -> Result<bool> {
        let deleted = self.delete_many(&[RecordRef { name: RecordName::Id(id), layer }], at).await?;
        Ok(deleted.first().copied().unwrap_or(false))
    }

    /// Deletes many records wholly and says how many there were.
    async fn delete_batch(&self, ids: &[RecordId], at: Timestamp) -> Result<usize> {
        let doomed: Vec<RecordRef> = ids.iter().map(|id| RecordRef::id(*id)).collect();
        Ok(self.delete_many(&doomed, at).await?.into_iter().filter(|deleted| *deleted).count())
    }

    /// Records, streamed page by page; no connection is held between pages.
    ///
    /// `filters` is an object: a bare name is a record's field, `content.x.y` a path, a scalar means equal, a list
    /// means one of. `-field` descends. No limit means all.
    fn query<'a>(
        &'a self,
        layer: Option<Layer>,
        filters: Option<&Json>,
        order_by: Option<&str>,
        limit: Option<usize>,
        offset: usize,
    ) -> BoxStream<'a, Result<Record>> {
        let query = || -> Result<Query> {
            let filter = filters.map_or(Ok(Filter::everything()), Filter::from_json)?;
            let order = order_by.map(Order::parse).transpose()?.into_iter().collect();
            Ok(Query { selection: Selection { layer, filter }, order, page: PageRequest::first(MAX_PAGE) })
        };
        match query() {
            Ok(query) => records(self, query).skip(offset).take(limit.unwrap_or(usize::MAX)).boxed(),
            Err(error) => stream::once(async { Err(error) }).boxed(),
        }
    }

    /// Records a sighting; true when no feed had ever sighted that key.
    async fn record_sighting(&self, sighting: Sighting) -> Result<bool> {
        Ok(self.observe_many(vec![sighting]).await?.first().copied().unwrap_or(false))
    }

    /// All sightings of a key, oldest first.
    async fn get_sightings(&self, key: &NaturalKey) -> Result<Vec<Sighting>> {
        let mut all = Vec::new();
        let mut page = PageRequest::first(MAX_PAGE);
        loop {
            let found = self.sightings_page(key, &page).await?;
            all.extend(found.items);
            match found.next {
                Some(next) => page.after = Some(next),
                None => return Ok(all),
            }
        }
    }
}

impl<T: StorageBackend + ?Sized> StorageExt for T {}

/// All records of a query from its page on, glued from pages.
pub fn records<S: StorageBackend + ?Sized>(store: &S, query: Query) -> BoxStream<'_, Result<Record>> {
    let pages = stream::try_unfold(Some(query), move |query| async move {
        let Some(mut query) = query else { return Ok(None) };
        let page = store.query_page(&query).await?;
        let rest = page.next.map(|next| {
            query.page.after = Some(next);
            query
        });
        Ok(Some((stream::iter(page.items.into_iter().map(Ok)), rest)))
    });
    pages.try_flatten().boxed()
}

fn written_row(write: &RecordWrite) -> RecordRef {
    RecordRef::id(write.id).at(write.layer)
}
