//! Faults in calls that write, delete and tell.

use async_trait::async_trait;
use feedspine_core::{
    Layer, MemoryStore, Record, RecordRef, RecordWrite, Result, Sighting, StorageBackend, StorageExt, Timestamp,
    VersionNo,
};
use feedspine_testkit::storage::faulty::Faulty;

use crate::mutants;

mutants! {
    writes_are_made_one_by_one: OneByOne => "records::many_writes_are_all_or_none";
    a_known_key_is_written_to_its_holder: WritesToTheHolder => "records::a_key_of_another_id_is_a_conflict";
    a_write_overwrites_the_layer_below: OnlyBronze => "layers::each_layer_is_a_row_of_its_own";
    metadata_is_dropped: WithoutMetadata => "values::metadata_comes_back_as_it_was";
    lineage_is_dropped: WithoutLineage => "layers::lineage_names_version_and_hash";
    deleting_always_says_true: AlwaysTrue => "records::deleting_nothing_says_so";
    deleting_a_layer_takes_the_record: DeletesAll => "layers::a_deleted_layer_leaves_the_others";
    a_deleted_record_is_written_back: Undead => "records::a_deleted_record_is_gone_wholly";
    the_caller_decides_what_is_first: AlwaysFirst => "sightings::the_first_told_sighting_is_the_first";
    a_sighting_told_again_is_never_first: OnceFirst => "sightings::a_told_sighting_again_is_answered_as_before";
    without_a_layer_bronze_is_meant: BronzeByDefault => "layers::without_a_layer_the_highest_is_meant";
    what_is_missing_is_left_out: LeavesOut => "records::many_are_read_in_the_order_asked";
}

#[derive(Debug, Clone)]
struct OneByOne;

#[async_trait]
impl Faulty for OneByOne {
    async fn put_many(&self, store: &MemoryStore, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        let mut versions = Vec::new();
        for write in writes {
            versions.extend(store.put_many(vec![write]).await?);
        }
        Ok(versions)
    }
}

#[derive(Debug, Clone)]
struct WritesToTheHolder;

#[async_trait]
impl Faulty for WritesToTheHolder {
    async fn put_many(&self, store: &MemoryStore, mut writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        for write in &mut writes {
            if let Some(holder) = store.get_by_natural_key(&write.key).await? {
                write.id = holder.id;
            }
        }
        store.put_many(writes).await
    }
}

#[derive(Debug, Clone)]
struct OnlyBronze;

#[async_trait]
impl Faulty for OnlyBronze {
    async fn put_many(&self, store: &MemoryStore, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        store.put_many(writes.into_iter().map(|write| RecordWrite { layer: Layer::Bronze, ..write }).collect()).await
    }
}

#[derive(Debug, Clone)]
struct WithoutMetadata;

#[async_trait]
impl Faulty for WithoutMetadata {
    async fn put_many(&self, store: &MemoryStore, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        let bare = |write| RecordWrite { metadata: feedspine_core::Content::empty(), ..write };
        store.put_many(writes.into_iter().map(bare).collect()).await
    }
}

#[derive(Debug, Clone)]
struct WithoutLineage;

#[async_trait]
impl Faulty for WithoutLineage {
    async fn put_many(&self, store: &MemoryStore, writes: Vec<RecordWrite>) -> Result<Vec<VersionNo>> {
        store.put_many(writes.into_iter().map(|write| RecordWrite { derived_from: None, ..write }).collect()).await
    }
}

#[derive(Debug, Clone)]
struct AlwaysTrue;

#[async_trait]
impl Faulty for AlwaysTrue {
    async fn delete_many(&self, store: &MemoryStore, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        Ok(store.delete_many(doomed, at).await?.into_iter().map(|_| true).collect())
    }
}

#[derive(Debug, Clone)]
struct DeletesAll;

#[async_trait]
impl Faulty for DeletesAll {
    async fn delete_many(&self, store: &MemoryStore, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        let whole: Vec<_> = doomed.iter().map(|doomed| RecordRef { layer: None, ..doomed.clone() }).collect();
        store.delete_many(&whole, at).await
    }
}

/// The delete is forgotten when the row is asked for next: a cache that nobody cleared.
#[derive(Debug, Clone)]
struct Undead;

#[async_trait]
impl Faulty for Undead {
    async fn delete_many(&self, store: &MemoryStore, doomed: &[RecordRef], at: Timestamp) -> Result<Vec<bool>> {
        let rows = store.get_many(doomed).await?;
        let deleted = store.delete_many(doomed, at).await?;
        let back = |row: Record| RecordWrite {
            id: row.id,
            key: row.key,
            layer: row.layer,
            content: row.content,
            metadata: row.metadata,
            published: row.published,
            updated: row.updated,
            recorded_at: row.recorded_at,
            derived_from: None,
        };
        store.put_many(rows.into_iter().flatten().map(back).collect()).await?;
        Ok(deleted)
    }
}

#[derive(Debug, Clone)]
struct AlwaysFirst;

#[async_trait]
impl Faulty for AlwaysFirst {
    async fn observe_many(&self, store: &MemoryStore, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        Ok(store.observe_many(seen).await?.into_iter().map(|_| true).collect())
    }
}

#[derive(Debug, Clone)]
struct OnceFirst;

#[async_trait]
impl Faulty for OnceFirst {
    async fn observe_many(&self, store: &MemoryStore, seen: Vec<Sighting>) -> Result<Vec<bool>> {
        let mut known = Vec::new();
        for sighting in &seen {
            let told = store.get_sightings(&sighting.key).await?;
            known.push(told.iter().any(|held| (held.feed, held.fetch) == (sighting.feed, sighting.fetch)));
        }
        let answers = store.observe_many(seen).await?;
        Ok(answers.into_iter().zip(known).map(|(first, known)| first && !known).collect())
    }
}

#[derive(Debug, Clone)]
struct BronzeByDefault;

#[async_trait]
impl Faulty for BronzeByDefault {
    async fn get_many(&self, store: &MemoryStore, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        let bronze = |wanted: &RecordRef| RecordRef { layer: wanted.layer.or(Some(Layer::Bronze)), ..wanted.clone() };
        store.get_many(&wanted.iter().map(bronze).collect::<Vec<_>>()).await
    }
}

#[derive(Debug, Clone)]
struct LeavesOut;

#[async_trait]
impl Faulty for LeavesOut {
    async fn get_many(&self, store: &MemoryStore, wanted: &[RecordRef]) -> Result<Vec<Option<Record>>> {
        let mut found = store.get_many(wanted).await?;
        found.sort_by_key(Option::is_none);
        Ok(found)
    }
}
