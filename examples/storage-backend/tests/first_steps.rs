//! The calls of the page that FeedSpine began with, on this backend.

use feedspine_core::{
    Content, FeedId, FetchId, Json, Layer, Namespace, NaturalKey, RecordId, RecordWrite, Result, Sighting,
    StorageBackend, StorageExt, Timestamp,
};
use feedspine_example_redb::RedbStore;
use futures_util::TryStreamExt;

#[tokio::test]
async fn store_get_query_sight_and_delete() -> Result<()> {
    let place = tempfile::TempDir::new().expect("room for a store");
    let store = RedbStore::new(place.path().join("store.redb"));
    store.initialize().await?;

    let now: Timestamp = "2026-01-02T03:04:05Z".parse().expect("an instant");
    let key = NaturalKey::new(Namespace::new("news").expect("a namespace"), "test-key").expect("a key");
    let record = RecordWrite {
        id: RecordId::from_u128(1),
        key: key.clone(),
        layer: Layer::Bronze,
        content: Content::new(&Json::object([("title", Json::from("Hello"))])),
        metadata: Content::empty(),
        published: Some(now),
        updated: None,
        recorded_at: now,
        derived_from: None,
    };
    store.store(record.clone()).await?;
    let retrieved = store.get(record.id, None).await?.expect("it was stored");
    assert_eq!((retrieved.id, &retrieved.content), (record.id, &record.content));
    assert!(store.exists_by_natural_key(&key).await?);

    let filters = Json::object([("content.title", Json::from("Hello"))]);
    let found = store.query(None, Some(&filters), Some("-published"), Some(10), 0);
    assert_eq!(found.try_collect::<Vec<_>>().await?, [retrieved]);

    let (feed, fetch) = (FeedId::from_u128(7), FetchId::from_u128(70));
    let sighting = Sighting { key: key.clone(), feed, fetch, observed_at: now, version: None };
    assert!(store.record_sighting(sighting.clone()).await?, "no feed had sighted it before");
    assert_eq!(store.get_sightings(&key).await?, [sighting]);

    assert!(store.delete(record.id, None, now).await?);
    assert!(!store.exists(record.id, None).await?);
    store.close().await
}
