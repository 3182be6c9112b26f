//! Bronze, silver, gold: each its own row, none overwrites another.

use feedspine_core::{
    ChangeKind, Filter, Layer, Lineage, Query, Record, RecordRef, RecordWrite, Selection, StorageExt, VersionNo,
};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure_eq};
use crate::script::{PAGE, at, feed, fetch, item, key, part, record_id, snapshot, titled, unchanged, write};

checks! { Subject, "layers":
    each_layer_is_a_row_of_its_own: "Layers", "A promotion adds a row; the layers below stay as they were.";
    without_a_layer_the_highest_is_meant: "Seed calls", "Get, exists, query and count without a layer see one row a record, its highest.";
    a_first_version_at_a_further_layer_is_a_promotion: "Layers", "It is logged as promoted, a further version there as changed.";
    a_capture_does_not_touch_what_was_derived: "Layers", "New bronze versions leave silver and gold as they were.";
    what_is_derived_anew_alike_is_as_fresh_as_its_source: "Layers", "The same content derived from a newer version adds no version and names the newer one.";
    lineage_names_version_and_hash: "Layers", "What a row was derived from is read back: layer, version and hash.";
    versions_are_counted_at_each_layer: "P4", "Each layer of a record has its own versions from 1 on.";
    a_deleted_layer_leaves_the_others: "Delete", "Deleting a layer removes its row and versions only, and is logged with the layer.";
    what_was_derived_from_a_deleted_layer_is_marked: "Delete", "Derived rows and versions stay, marked as having lost their source.";
    the_last_layer_takes_the_record: "Delete", "With its last layer a record is gone and its key is free.";
    bronze_that_was_deleted_is_captured_anew: "Delete",
        "After a delete of bronze sightings stay, a 304 sights nothing and the next document captures it at version 1.";
    a_feed_that_had_let_go_captures_deleted_bronze_anew: "Delete",
        "What a feed showed of a deleted bronze layer is no version to be equal to, also when it no longer listed the item.";
    bronze_that_was_captured_anew_between_two_parts_stands: "Delete",
        "The last part of a fetch whose earlier part showed the deleted version takes what has its number now for shown.";
    bronze_that_was_deleted_between_two_parts_is_captured_anew: "Delete",
        "What the last part of a fetch took for shown, and was deleted before, is no version to be equal to once the item had left.";
    bronze_may_come_after_silver: "Layers", "A record written at silver gets its first bronze version when a feed shows it.";
}

fn at_layer(layer: Layer, title: &str) -> RecordWrite {
    RecordWrite { layer, ..write(1, "a", title) }
}

async fn put(store: &Subject, layer: Layer, title: &str) -> Verdict {
    Ok(store.store(at_layer(layer, title)).await?)
}

fn titles(rows: &[Record]) -> Vec<(Layer, String)> {
    rows.iter().map(|row| (row.layer, super::subject::title_of(&row.content))).collect()
}

async fn each_layer_is_a_row_of_its_own(store: Subject) -> Verdict {
    for layer in Layer::ALL {
        put(&store, layer, layer.as_str()).await?;
    }
    for layer in Layer::ALL {
        let row = store.get(record_id(1), Some(layer)).await?;
        ensure_eq!(row.map(|row| row.content), Some(titled(layer.as_str())), "the content at {layer}");
    }
    let right = Layer::ALL.map(|layer| (layer, layer.as_str().to_owned()));
    ensure_eq!(titles(&store.dump().await?), right, "the rows");
    Ok(())
}

async fn without_a_layer_the_highest_is_meant(store: Subject) -> Verdict {
    put(&store, Layer::Bronze, "bronze").await?;
    put(&store, Layer::Silver, "silver").await?;
    store.store(write(2, "b", "only bronze")).await?;
    let found = store.get_many(&[RecordRef::id(record_id(1)), RecordRef::key(key("a"))]).await?;
    let layers: Vec<_> = found.iter().flatten().map(|row| row.layer).collect();
    ensure_eq!(layers, [Layer::Silver; 2], "the layers that get finds");
    ensure_eq!(store.exists(record_id(1), None).await?, true, "the record exists");
    ensure_eq!(store.exists(record_id(1), Some(Layer::Gold)).await?, false, "it exists at gold");
    let rows = store.query_page(&Query::new(Selection::everything(), PAGE)).await?.items;
    let right = [(Layer::Silver, "silver".to_owned()), (Layer::Bronze, "only bronze".to_owned())];
    ensure_eq!(titles(&rows), right, "the rows that query finds");
    ensure_eq!(store.count(&Selection::everything()).await?, 2, "count");
    for (layer, right) in [(Layer::Bronze, 2), (Layer::Silver, 1), (Layer::Gold, 0)] {
        let selection = Selection { layer: Some(layer), filter: Filter::everything() };
        ensure_eq!(store.count(&selection).await?, right, "count at {layer}");
        let rows = store.query_page(&Query::new(selection, PAGE)).await?.items;
        ensure_eq!(rows.len() as u64, right, "rows at {layer}");
    }
    Ok(())
}

async fn a_first_version_at_a_further_layer_is_a_promotion(store: Subject) -> Verdict {
    put(&store, Layer::Bronze, "x").await?;
    put(&store, Layer::Silver, "y").await?;
    put(&store, Layer::Silver, "z").await?;
    put(&store, Layer::Gold, "z").await?;
    let log = store.log().await?;
    let brief: Vec<_> = log
        .iter()
        .map(|change| (change.event.kind, change.event.subject.as_ref().and_then(|subject| subject.layer)))
        .collect();
    let right = [
        (ChangeKind::New, Some(Layer::Bronze)),
        (ChangeKind::Promoted, Some(Layer::Silver)),
        (ChangeKind::Changed, Some(Layer::Silver)),
        (ChangeKind::Promoted, Some(Layer::Gold)),
    ];
    ensure_eq!(brief, right, "the change log");
    Ok(())
}

async fn a_capture_does_not_touch_what_was_derived(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let id = store.record("a").await?.id;
    store.store(RecordWrite { id, ..at_layer(Layer::Silver, "silver") }).await?;
    store.store(RecordWrite { id, ..at_layer(Layer::Gold, "gold") }).await?;
    let derived = store.dump().await?[1..].to_vec();
    for (number, title) in [(2, "x"), (3, "y"), (4, "y")] {
        store.take(snapshot(number, vec![item("a", title)])).await?;
    }
    let rows = store.dump().await?;
    ensure_eq!(rows[1..], derived, "silver and gold");
    ensure_eq!((rows[0].version.get(), &rows[0].content), (2, &titled("y")), "bronze");
    Ok(())
}

async fn lineage_names_version_and_hash(store: Subject) -> Verdict {
    put(&store, Layer::Bronze, "x").await?;
    let derived_from = Some(lineage(Layer::Bronze, "x"));
    store.store(RecordWrite { derived_from: derived_from.clone(), ..at_layer(Layer::Silver, "silver") }).await?;
    put(&store, Layer::Bronze, "y").await?;
    let rows = store.dump().await?;
    ensure_eq!((&rows[0].derived_from, &rows[1].derived_from), (&None, &derived_from), "lineage of bronze and silver");
    let versions = store.versions_page(record_id(1), Layer::Silver, &feedspine_core::PageRequest::first(9)).await?;
    ensure_eq!(versions.items[0].derived_from, derived_from, "lineage of the version");
    Ok(())
}

async fn what_is_derived_anew_alike_is_as_fresh_as_its_source(store: Subject) -> Verdict {
    put(&store, Layer::Bronze, "x").await?;
    let silver = |derived_from| RecordWrite { derived_from, ..at_layer(Layer::Silver, "silver") };
    store.store(silver(Some(lineage(Layer::Bronze, "x")))).await?;
    put(&store, Layer::Bronze, "y").await?;
    let newer = Some(Lineage { version: VersionNo::FIRST.next(), ..lineage(Layer::Bronze, "y") });
    for derived_from in [newer.clone(), None] {
        store.store(silver(derived_from)).await?;
        let row = store.get(record_id(1), Some(Layer::Silver)).await?;
        let found = row.map(|row| (row.version, row.derived_from));
        ensure_eq!(found, Some((VersionNo::FIRST, newer.clone())), "version and lineage of silver");
    }
    Ok(())
}

fn lineage(layer: Layer, title: &str) -> Lineage {
    Lineage { layer, version: VersionNo::FIRST, hash: titled(title).hash(), source_deleted: false }
}

async fn versions_are_counted_at_each_layer(store: Subject) -> Verdict {
    for (layer, title) in [(Layer::Bronze, "1"), (Layer::Silver, "1"), (Layer::Bronze, "2"), (Layer::Silver, "2")] {
        put(&store, layer, title).await?;
    }
    put(&store, Layer::Bronze, "3").await?;
    let versions: Vec<_> = store.dump().await?.iter().map(|row| row.version.get()).collect();
    ensure_eq!(versions, [3, 2], "current versions of bronze and silver");
    ensure_eq!(store.titles("a").await?, ["1", "2", "3"], "bronze versions");
    Ok(())
}

async fn a_deleted_layer_leaves_the_others(store: Subject) -> Verdict {
    for layer in Layer::ALL {
        put(&store, layer, layer.as_str()).await?;
    }
    ensure_eq!(store.delete(record_id(1), Some(Layer::Silver), at(9)).await?, true, "the answer");
    let layers: Vec<_> = store.dump().await?.iter().map(|row| row.layer).collect();
    ensure_eq!(layers, [Layer::Bronze, Layer::Gold], "the layers left");
    let page = feedspine_core::PageRequest::first(9);
    ensure_eq!(store.versions_page(record_id(1), Layer::Silver, &page).await?.items, [], "versions at silver");
    let log = store.log().await?;
    let event = &log[3].event;
    let subject = event.subject.as_ref().and_then(|subject| subject.layer);
    ensure_eq!((event.kind, subject), (ChangeKind::Deleted, Some(Layer::Silver)), "the change");
    put(&store, Layer::Silver, "again").await?;
    let row = store.get(record_id(1), Some(Layer::Silver)).await?;
    ensure_eq!(row.map(|row| row.version), Some(VersionNo::FIRST), "the version of silver written again");
    Ok(())
}

async fn what_was_derived_from_a_deleted_layer_is_marked(store: Subject) -> Verdict {
    put(&store, Layer::Bronze, "x").await?;
    let silver = RecordWrite { derived_from: Some(lineage(Layer::Bronze, "x")), ..at_layer(Layer::Silver, "silver") };
    store.store(silver).await?;
    let gold = RecordWrite { derived_from: Some(lineage(Layer::Silver, "silver")), ..at_layer(Layer::Gold, "gold") };
    store.store(gold).await?;
    store.delete(record_id(1), Some(Layer::Bronze), at(9)).await?;
    let marks: Vec<_> =
        store.dump().await?.into_iter().map(|row| row.derived_from.map(|from| from.source_deleted)).collect();
    ensure_eq!(marks, [Some(true), Some(false)], "silver and gold have lost their source");
    let page = feedspine_core::PageRequest::first(9);
    let versions = store.versions_page(record_id(1), Layer::Silver, &page).await?.items;
    let marks: Vec<_> =
        versions.into_iter().map(|version| version.derived_from.map(|from| from.source_deleted)).collect();
    ensure_eq!(marks, [Some(true)], "the version has lost its source");
    Ok(())
}

async fn the_last_layer_takes_the_record(store: Subject) -> Verdict {
    put(&store, Layer::Bronze, "x").await?;
    put(&store, Layer::Silver, "y").await?;
    store.delete(record_id(1), Some(Layer::Bronze), at(9)).await?;
    ensure_eq!(store.exists(record_id(1), None).await?, true, "the record exists with one layer left");
    store.delete(record_id(1), Some(Layer::Silver), at(9)).await?;
    ensure_eq!(store.exists_by_natural_key(&key("a")).await?, false, "the key has a record");
    store.store(write(2, "a", "z")).await?;
    ensure_eq!(store.record("a").await?.id, record_id(2), "the id that holds the key");
    Ok(())
}

async fn bronze_that_was_deleted_is_captured_anew(store: Subject) -> Verdict {
    let items = || vec![item("a", "x"), item("b", "x")];
    store.take(snapshot(1, items())).await?;
    let id = store.record("a").await?.id;
    store.store(RecordWrite { id, ..at_layer(Layer::Silver, "silver") }).await?;
    store.delete(id, Some(Layer::Bronze), at(9)).await?;
    ensure_eq!(store.sighted("a").await?.len(), 1, "sightings");
    let report = store.take(unchanged(2, 1)).await?;
    ensure_eq!(report.counts.seen, 1, "the size of the manifest");
    ensure_eq!(store.sighted("a").await?.len(), 1, "sightings after a 304");

    let report = store.take(snapshot(3, items())).await?;
    ensure_eq!((report.counts.new, report.counts.returned), (1, 0), "new and returned");
    let rows = store.dump().await?;
    ensure_eq!(titles(&rows[..2]), [(Layer::Bronze, "x".into()), (Layer::Silver, "silver".into())], "the rows");
    ensure_eq!((rows[0].id, rows[0].version), (id, VersionNo::FIRST), "id and version of bronze");
    let last = store.sighted("a").await?.pop();
    ensure_eq!(last, Some((feed(1), fetch(3), Some(1))), "the last sighting");
    let report = store.take(snapshot(4, items())).await?;
    ensure_eq!(report.counts.unchanged, 2, "unchanged in the document after that");
    Ok(())
}

async fn a_feed_that_had_let_go_captures_deleted_bronze_anew(store: Subject) -> Verdict {
    let both = || vec![item("b", "x"), item("a", "x")];
    store.take(snapshot(1, both())).await?;
    let id = store.record("a").await?.id;
    store.store(RecordWrite { id, ..at_layer(Layer::Silver, "silver") }).await?;
    store.take(snapshot(2, vec![item("b", "x")])).await?;
    store.delete(id, Some(Layer::Bronze), at(9)).await?;
    let report = store.take(snapshot(3, both())).await?;
    ensure_eq!(report.counts.new, 1, "new");
    let row = store.get(id, Some(Layer::Bronze)).await?;
    ensure_eq!(row.map(|row| (row.version, row.content)), Some((VersionNo::FIRST, titled("x"))), "bronze");
    ensure_eq!(store.sighted("a").await?.len(), 2, "sightings");
    Ok(())
}

async fn bronze_that_was_captured_anew_between_two_parts_stands(store: Subject) -> Verdict {
    store.take(part(0, false, 0, snapshot(1, vec![item("a", "x")]))).await?;
    let id = store.record("a").await?.id;
    store.store(RecordWrite { id, ..at_layer(Layer::Silver, "silver") }).await?;
    store.delete(id, Some(Layer::Bronze), at(9)).await?;
    let report = store.take(snapshot(2, vec![item("a", "y")])).await?;
    ensure_eq!(report.counts.new, 1, "new in a document between the parts");
    store.take(part(1, true, 1, snapshot(1, Vec::new()))).await?;
    // What is listed now is what was deleted, not what is held.
    let report = store.take(snapshot(3, vec![item("a", "x")])).await?;
    ensure_eq!(report.counts.changed, 1, "changed in the document after that");
    ensure_eq!(store.titles("a").await?, ["y", "x"], "its versions");
    Ok(())
}

async fn bronze_that_was_deleted_between_two_parts_is_captured_anew(store: Subject) -> Verdict {
    store.take(part(0, false, 0, snapshot(1, vec![item("a", "x")]))).await?;
    let id = store.record("a").await?.id;
    store.store(RecordWrite { id, ..at_layer(Layer::Silver, "silver") }).await?;
    store.delete(id, Some(Layer::Bronze), at(9)).await?;
    store.take(part(1, true, 1, snapshot(1, Vec::new()))).await?;
    store.take(snapshot(2, Vec::new())).await?;
    let report = store.take(snapshot(3, vec![item("a", "x")])).await?;
    ensure_eq!(report.counts.new, 1, "new");
    let row = store.get(id, Some(Layer::Bronze)).await?;
    ensure_eq!(row.map(|row| (row.version, row.content)), Some((VersionNo::FIRST, titled("x"))), "bronze");
    Ok(())
}

async fn bronze_may_come_after_silver(store: Subject) -> Verdict {
    put(&store, Layer::Silver, "imported").await?;
    let report = store.take(snapshot(1, vec![item("a", "x")])).await?;
    ensure_eq!(report.counts.new, 1, "new");
    let right = [(Layer::Bronze, "x".to_owned()), (Layer::Silver, "imported".to_owned())];
    let rows = store.dump().await?;
    ensure_eq!(titles(&rows), right, "the rows");
    ensure_eq!((rows[0].id, rows[0].first_seen), (record_id(1), at(500)), "id and first seen");
    Ok(())
}
