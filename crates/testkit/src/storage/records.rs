//! Writing by a call, reading by name, deleting for ever.

use feedspine_core::{
    ChangeKind, Content, ErrorKind, IngestBatch, KeyRule, Layer, RecordRef, RecordWrite, Selection, StorageExt,
    VersionNo,
};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{
    at, content, dated, delta, feed, fetch, item, key, record_id, snapshot, titled, told, unchanged, write,
};

checks! { Subject, "records":
    a_write_makes_a_record: "Seed calls", "A record written by a call is read back by id and by key, and logged as new.";
    the_same_write_again_changes_nothing: "Seed calls", "Equal content and metadata append no version and log no change.";
    other_content_or_metadata_appends_a_version: "Seed calls", "Content or metadata that differ append a version.";
    many_are_read_in_the_order_asked: "Seed calls", "get_many answers in order, with None where there is none.";
    a_key_of_another_id_is_a_conflict: "Seed calls", "A new id with a known key is Conflict; the message names the id that holds it.";
    an_id_of_another_key_is_invalid: "Seed calls", "A known id with another key is Invalid.";
    many_writes_are_all_or_none: "P6", "If one write of a call cannot be made, none is.";
    writes_of_one_call_see_one_another: "P3", "Two ids for one key, or two keys for one id, within a call are refused.";
    a_write_reaches_a_captured_record: "P3", "A call writes to a record that a feed captured, by its id.";
    first_seen_never_changes: "Seen", "First seen is that of the commit that made the record, whatever comes later.";
    a_deleted_record_is_gone_wholly: "Delete", "Layers, versions and sightings go; the key is free; the log keeps its rows and says deleted.";
    deleting_nothing_says_so: "Delete", "Deleting what is not there answers false and logs nothing.";
    many_are_deleted_in_the_order_asked: "Delete", "delete_many answers in order, by id and by key.";
    unchanged_after_a_delete_sights_nothing_of_it: "Delete", "A 304 after a delete counts and sights the other items only.";
    the_next_document_after_a_delete_makes_a_new_record: "Delete", "An identical document captures a deleted item anew, under another id.";
    a_feed_forgets_what_it_showed_of_a_deleted_record: "Delete", "After a delete there is no return and no old version to be equal to.";
    a_deleted_key_may_be_written_again: "Delete", "A deleted key may be given to any id.";
}

async fn a_write_makes_a_record(store: Subject) -> Verdict {
    let given = RecordWrite {
        metadata: content(r#"{"by":"hand"}"#),
        published: Some(at(1)),
        updated: Some(at(2)),
        ..write(1, "a", "x")
    };
    ensure_eq!(store.put_many(vec![given.clone()]).await?, [VersionNo::FIRST], "the version");
    let found = store.get(record_id(1), None).await?;
    let Some(record) = found.clone() else { return Err(crate::Failure::broken("there is no record of that id")) };
    ensure_eq!(
        (&record.key, record.key_rule, record.layer),
        (&given.key, KeyRule::Given, Layer::Bronze),
        "key and layer"
    );
    ensure_eq!((&record.content, &record.metadata), (&given.content, &given.metadata), "content and metadata");
    ensure_eq!((record.published, record.updated), (given.published, given.updated), "dates");
    ensure_eq!((record.first_seen, record.recorded_at), (at(500), at(500)), "first seen and recorded at");
    ensure_eq!(store.get_by_natural_key(&key("a")).await?, found, "the record by its key");
    let log = store.log().await?;
    ensure_eq!(log.len(), 1, "changes");
    let event = &log[0].event;
    ensure_eq!((event.kind, event.feed, event.fetch), (ChangeKind::New, None, None), "the change");
    let subject = event.subject.as_ref().map(|subject| (subject.record, subject.layer, subject.version));
    ensure_eq!(subject, Some((record_id(1), Some(Layer::Bronze), Some(VersionNo::FIRST))), "its subject");
    Ok(())
}

async fn the_same_write_again_changes_nothing(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    let (dump, log) = (store.dump().await?, store.log().await?);
    let later = RecordWrite { recorded_at: at(900), ..write(1, "a", "x") };
    ensure_eq!(store.put_many(vec![later]).await?, [VersionNo::FIRST], "the version");
    ensure_eq!(store.dump().await?, dump, "the records");
    ensure_eq!(store.log().await?, log, "the change log");
    Ok(())
}

async fn other_content_or_metadata_appends_a_version(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    store.store(write(1, "a", "y")).await?;
    let tagged = RecordWrite { metadata: content(r#"{"tag":1}"#), ..write(1, "a", "y") };
    ensure_eq!(store.put_many(vec![tagged.clone()]).await?, VersionNo::new(3).as_slice(), "the version");
    ensure_eq!(store.titles("a").await?, ["x", "y", "y"], "versions");
    ensure_eq!(store.versions("a").await?[1].metadata, Content::empty(), "metadata of the version before");
    ensure_eq!(store.record("a").await?.metadata, tagged.metadata, "metadata");
    let kinds: Vec<_> = store.story().await?.into_iter().map(|(kind, _)| kind).collect();
    ensure_eq!(kinds, [ChangeKind::New, ChangeKind::Changed, ChangeKind::Changed], "the change log");
    Ok(())
}

async fn many_are_read_in_the_order_asked(store: Subject) -> Verdict {
    store.put_many(vec![write(1, "a", "x"), write(2, "b", "x"), write(3, "c", "x")]).await?;
    let wanted = [
        RecordRef::key(key("c")),
        RecordRef::id(record_id(9)),
        RecordRef::id(record_id(1)),
        RecordRef::id(record_id(1)).at(Layer::Gold),
        RecordRef::key(key("c")).at(Layer::Bronze),
        RecordRef::key(key("never")),
    ];
    let found = store.get_many(&wanted).await?;
    let names: Vec<_> = found.iter().map(|record| record.as_ref().map(|record| record.key.key())).collect();
    ensure_eq!(names, [Some("c"), None, Some("a"), None, Some("c"), None], "the keys found");
    ensure_eq!(store.get_many(&[]).await?, [], "the answer to nothing");
    Ok(())
}

async fn a_key_of_another_id_is_a_conflict(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let held = store.record("a").await?.id;
    let error = refused(store.put_many(vec![write(7, "a", "y")]).await, ErrorKind::Conflict)?;
    ensure!(error.to_string().contains(&held.to_string()), "the message does not name {held}: {error}");
    let silver = RecordWrite { layer: Layer::Silver, ..write(7, "a", "y") };
    refused(store.put_many(vec![silver]).await, ErrorKind::Conflict)?;
    ensure_eq!(store.titles("a").await?, ["x"], "versions");
    ensure_eq!(store.exists(record_id(7), None).await?, false, "a record of the refused id exists");
    Ok(())
}

async fn an_id_of_another_key_is_invalid(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    refused(store.put_many(vec![write(1, "b", "x")]).await, ErrorKind::Invalid)?;
    ensure_eq!(store.exists_by_natural_key(&key("b")).await?, false, "a record of the refused key exists");
    ensure_eq!(store.log().await?.len(), 1, "changes");
    Ok(())
}

async fn many_writes_are_all_or_none(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    let (dump, log) = (store.dump().await?, store.log().await?);
    let bad = [(write(9, "a", "y"), ErrorKind::Conflict), (write(1, "z", "y"), ErrorKind::Invalid)];
    for (bad, kind) in bad {
        for place in 0..3 {
            let mut writes = vec![write(1, "a", "edited"), write(2, "b", "x")];
            writes.insert(place, bad.clone());
            refused(store.put_many(writes).await, kind)?;
        }
    }
    ensure_eq!(store.dump().await?, dump, "the records");
    ensure_eq!(store.log().await?, log, "the change log");
    Ok(())
}

async fn writes_of_one_call_see_one_another(store: Subject) -> Verdict {
    refused(store.put_many(vec![write(1, "a", "x"), write(2, "a", "y")]).await, ErrorKind::Conflict)?;
    refused(store.put_many(vec![write(1, "a", "x"), write(1, "b", "y")]).await, ErrorKind::Invalid)?;
    ensure_eq!(store.count(&Selection::everything()).await?, 0, "count of records");
    let numbers = store.put_many(vec![write(1, "a", "x"), write(1, "a", "y"), write(1, "a", "y")]).await?;
    ensure_eq!(numbers.into_iter().map(VersionNo::get).collect::<Vec<_>>(), [1, 2, 2], "versions of one record");
    Ok(())
}

async fn a_write_reaches_a_captured_record(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let id = store.record("a").await?.id;
    store.store(RecordWrite { id, ..write(0, "a", "y") }).await?;
    ensure_eq!(store.titles("a").await?, ["x", "y"], "versions");
    ensure_eq!(store.sighted("a").await?.len(), 1, "sightings");
    ensure_eq!(store.record("a").await?.key_rule, KeyRule::Id, "the key rule");
    Ok(())
}

async fn first_seen_never_changes(store: Subject) -> Verdict {
    let batch = snapshot(5, vec![item("a", "x")]);
    let first = batch.observed_at;
    store.take(batch).await?;
    store.take(snapshot(2, vec![item("a", "y")])).await?;
    store.take(IngestBatch { feed: feed(2), ..delta(1, vec![item("a", "z")]) }).await?;
    let id = store.record("a").await?.id;
    store.store(RecordWrite { id, ..write(0, "a", "w") }).await?;
    let silver = RecordWrite { id, layer: Layer::Silver, ..write(0, "a", "silver") };
    store.store(silver).await?;
    for row in store.dump().await? {
        ensure_eq!(row.first_seen, first, "first seen at layer {}", row.layer);
    }
    Ok(())
}

async fn a_deleted_record_is_gone_wholly(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x"), item("b", "x")])).await?;
    store.take(snapshot(2, vec![item("a", "y"), item("b", "x")])).await?;
    store.take(delta(3, vec![item("a", "y")])).await?;
    store.record_sighting(told("a", 8, 8, 1)).await?;
    let id = store.record("a").await?.id;
    store.store(RecordWrite { id, layer: Layer::Silver, ..write(0, "a", "silver") }).await?;
    let log = store.log().await?;

    ensure_eq!(store.delete(id, None, at(77)).await?, true, "the answer");
    ensure_eq!(store.exists(id, None).await?, false, "the record exists");
    ensure_eq!(store.exists_by_natural_key(&key("a")).await?, false, "its key has a record");
    for layer in Layer::ALL {
        let versions = store.versions_page(id, layer, &feedspine_core::PageRequest::first(9)).await?;
        ensure_eq!(versions.items, [], "its versions at {layer}");
    }
    ensure_eq!(store.get_sightings(&key("a")).await?, [], "its sightings");
    ensure_eq!(store.seen("a").await?, None, "its figures");
    ensure_eq!(store.count(&Selection::everything()).await?, 1, "count of records");

    let now = store.log().await?;
    ensure_eq!(now[..log.len()], log, "the change log before the delete");
    ensure_eq!(now.len(), log.len() + 1, "changes");
    let event = &now[log.len()].event;
    ensure_eq!((event.kind, event.recorded_at), (ChangeKind::Deleted, at(77)), "the change");
    let subject = event.subject.as_ref().map(|subject| (subject.record, subject.key.clone(), subject.layer));
    ensure_eq!(subject, Some((id, key("a"), None)), "its subject");
    ensure_eq!(store.delete(id, None, at(78)).await?, false, "the answer to the same again");
    Ok(())
}

async fn deleting_nothing_says_so(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    ensure_eq!(store.delete(record_id(9), None, at(1)).await?, false, "an id that is not there");
    ensure_eq!(store.delete(record_id(1), Some(Layer::Gold), at(1)).await?, false, "a layer that is not there");
    ensure_eq!(store.delete_many(&[RecordRef::key(key("never"))], at(1)).await?, [false], "a key that is not there");
    ensure_eq!(store.log().await?.len(), 1, "changes");
    Ok(())
}

async fn many_are_deleted_in_the_order_asked(store: Subject) -> Verdict {
    store.put_many(vec![write(1, "a", "x"), write(2, "b", "x"), write(3, "c", "x")]).await?;
    let doomed = [
        RecordRef::key(key("c")),
        RecordRef::id(record_id(9)),
        RecordRef::id(record_id(1)),
        RecordRef::id(record_id(3)),
        RecordRef::key(key("a")),
    ];
    ensure_eq!(store.delete_many(&doomed, at(1)).await?, [true, false, true, false, false], "the answers");
    let logged = store.story().await?;
    ensure_eq!(logged[3..], ["c", "a"].map(|name| (ChangeKind::Deleted, name.to_owned())), "the end of the change log");
    Ok(())
}

async fn unchanged_after_a_delete_sights_nothing_of_it(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x"), item("b", "x")])).await?;
    store.delete(store.record("a").await?.id, None, at(1)).await?;
    let report = store.take(unchanged(2, 1)).await?;
    ensure_eq!((report.counts.seen, report.counts.unchanged), (1, 1), "seen and unchanged");
    ensure_eq!(store.get_sightings(&key("a")).await?, [], "sightings of the deleted key");
    ensure_eq!(store.sighted("b").await?.len(), 2, "sightings of the other");
    Ok(())
}

async fn the_next_document_after_a_delete_makes_a_new_record(store: Subject) -> Verdict {
    let items = || vec![item("a", "x"), item("b", "x")];
    store.take(snapshot(1, items())).await?;
    let id = store.record("a").await?.id;
    store.delete(id, None, at(1)).await?;
    let report = store.take(snapshot(2, items())).await?;
    ensure_eq!((report.counts.new, report.counts.unchanged), (1, 1), "new and unchanged");
    let record = store.record("a").await?;
    ensure!(record.id != id, "the new record has the id of the deleted one");
    ensure_eq!(record.version, VersionNo::FIRST, "its version");
    ensure_eq!(store.sighted("a").await?, [(feed(1), fetch(2), Some(1))], "its sightings");
    let report = store.take(snapshot(3, items())).await?;
    ensure_eq!(report.counts.unchanged, 2, "unchanged in the document after that");
    Ok(())
}

async fn a_feed_forgets_what_it_showed_of_a_deleted_record(store: Subject) -> Verdict {
    let all = || vec![dated("b", "x", 20), dated("a", "x", 10)];
    store.take(snapshot(1, all())).await?;
    store.take(snapshot(2, vec![dated("b", "x", 20), dated("a", "y", 10)])).await?;
    store.take(snapshot(3, vec![dated("b", "x", 20)])).await?;
    store.delete(store.record("a").await?.id, None, at(1)).await?;
    let counts = store.take(snapshot(4, all())).await?.counts;
    ensure_eq!((counts.new, counts.returned, counts.unchanged), (1, 0, 1), "new, returned, unchanged");
    ensure_eq!(store.titles("a").await?, ["x"], "versions");
    Ok(())
}

async fn a_deleted_key_may_be_written_again(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    store.delete(record_id(1), None, at(1)).await?;
    store.store(write(2, "a", "y")).await?;
    ensure_eq!(store.record("a").await?.id, record_id(2), "the id that holds the key");
    store.store(write(1, "other", "z")).await?;
    ensure_eq!(store.record("other").await?.content, titled("z"), "the content of the old id under another key");
    ensure_eq!(store.record_sighting(told("a", 1, 1, 1)).await?, true, "the first sighting of the key");
    Ok(())
}
