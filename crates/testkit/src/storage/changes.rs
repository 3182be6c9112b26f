//! The ordered change log that followers read.

use std::collections::BTreeSet;
use std::num::NonZeroUsize;

use feedspine_core::{Change, ChangeKind, ErrorKind, IngestBatch, Layer, RecordWrite, Seq, StorageExt, VersionNo};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{at, dated, feed, fetch, item, record_id, snapshot, unchanged, write};

checks! { Subject, "changes":
    positions_ascend: "Change order", "Every change has a position after the one before it.";
    a_follower_reads_on_from_its_position: "Change order", "Reading after any position gives just what followed, in steps of any size.";
    nothing_follows_the_end: "Change order", "After the last position there is nothing until the next change.";
    what_is_no_position_is_invalid: "Change order", "Bytes that no change gave are Invalid, not the beginning.";
    what_was_read_stays_as_it_was: "Change order", "Entries keep their positions and their words, whatever comes later.";
    a_change_names_its_record_feed_and_time: "P2", "New and changed name record, key, layer, version, feed, fetch and time.";
    changes_of_one_document_come_in_its_order: "P9", "New and changed items of a document are logged in the order of the document.";
    what_changed_nothing_logs_nothing: "P4", "Unchanged documents, equal writes and refused calls leave the log as it is.";
    what_happened_to_a_record_is_what_the_log_says_of_it: "Change order",
        "changes_of gives the entries of one record with their positions, of one that was deleted and made again too.";
    versions_of_a_record_are_logged_in_their_order: "Change order", "The log tells the versions of a record from 1 on.";
}

async fn a_history(store: &Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("c", "x", 30), dated("b", "x", 20), dated("a", "x", 10)])).await?;
    store.take(snapshot(2, vec![dated("c", "y", 30), dated("a", "x", 10)])).await?;
    store.take(IngestBatch { feed: feed(2), ..snapshot(3, vec![item("d", "x"), item("a", "z")]) }).await?;
    store.store(write(7, "w", "x")).await?;
    store.store(RecordWrite { layer: Layer::Gold, ..write(7, "w", "gold") }).await?;
    store.take(snapshot(4, vec![dated("z", "x", 90)])).await?;
    store.delete(record_id(7), None, at(9)).await?;
    Ok(())
}

fn limit(limit: usize) -> NonZeroUsize {
    NonZeroUsize::new(limit).expect("not zero")
}

async fn positions_ascend(store: Subject) -> Verdict {
    a_history(&store).await?;
    let log = store.log().await?;
    ensure_eq!(log.len(), 12, "changes");
    ensure!(log[0].seq > Seq::start(), "the first position does not follow the start");
    ensure!(log.windows(2).all(|pair| pair[0].seq < pair[1].seq), "positions do not ascend");
    Ok(())
}

async fn a_follower_reads_on_from_its_position(store: Subject) -> Verdict {
    a_history(&store).await?;
    let log = store.log().await?;
    for size in [1, 2, 5, 12, 99] {
        let mut followed: Vec<Change> = Vec::new();
        while followed.len() < log.len() {
            let after = followed.last().map_or_else(Seq::start, |change| change.seq.clone());
            let found = store.changes(&after, limit(size)).await?;
            ensure!(!found.is_empty() && found.len() <= size, "a step of {size} gives {} changes", found.len());
            followed.extend(found);
        }
        ensure_eq!(followed, log, "the log in steps of {size}");
    }
    for (at, change) in log.iter().enumerate() {
        ensure_eq!(store.changes(&change.seq, limit(99)).await?, log[at + 1..], "what follows change {at}");
    }
    Ok(())
}

async fn nothing_follows_the_end(store: Subject) -> Verdict {
    a_history(&store).await?;
    let end = store.log().await?.pop().map(|change| change.seq).unwrap_or_default();
    ensure_eq!(store.changes(&end, limit(9)).await?, [], "what follows the end");
    store.take(snapshot(5, vec![dated("z", "edited", 90)])).await?;
    let found = store.changes(&end, limit(9)).await?;
    ensure_eq!(
        found.iter().map(|change| change.event.kind).collect::<Vec<_>>(),
        [ChangeKind::Changed],
        "what followed"
    );
    Ok(())
}

async fn what_is_no_position_is_invalid(store: Subject) -> Verdict {
    a_history(&store).await?;
    for bytes in [&b"x"[..], b"not a position of this log", &[0xFF; 33]] {
        refused(store.changes(&Seq::from_bytes(bytes), limit(9)).await, ErrorKind::Invalid)?;
    }
    Ok(())
}

async fn what_was_read_stays_as_it_was(store: Subject) -> Verdict {
    a_history(&store).await?;
    let log = store.log().await?;
    let ids: Vec<_> = store.dump().await?.into_iter().map(|row| row.id).collect();
    store.delete_batch(&ids, at(10)).await?;
    store.take(snapshot(6, vec![dated("a", "x", 10)])).await?;
    ensure_eq!(store.log().await?[..log.len()], log, "the log as it was");
    Ok(())
}

async fn what_happened_to_a_record_is_what_the_log_says_of_it(store: Subject) -> Verdict {
    a_history(&store).await?;
    store.store(write(7, "w", "again")).await?;
    let log = store.log().await?;
    let subject_of = |change: &Change| change.event.subject.as_ref().map(|subject| subject.record);
    let records: BTreeSet<_> = log.iter().filter_map(subject_of).collect();
    for record in records {
        let right: Vec<_> = log.iter().filter(|change| subject_of(change) == Some(record)).cloned().collect();
        ensure_eq!(store.changes_of(record).await?, right, "changes of {record}");
    }
    ensure_eq!(store.changes_of(record_id(99)).await?, [], "changes of a record that never was");
    Ok(())
}

async fn a_change_names_its_record_feed_and_time(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item("a", "x")])).await?;
    let batch = IngestBatch { feed: feed(2), ..snapshot(2, vec![item("a", "y")]) };
    let recorded_at = batch.recorded_at;
    store.take(batch).await?;
    let (log, record) = (store.log().await?, store.record("a").await?);
    let right = [(ChangeKind::New, feed(1), fetch(1), 1), (ChangeKind::Changed, feed(2), fetch(2), 2)];
    for (change, (kind, feed, fetch, version)) in log.iter().zip(right) {
        let event = &change.event;
        ensure_eq!((event.kind, event.feed, event.fetch), (kind, Some(feed), Some(fetch)), "kind, feed and fetch");
        let Some(subject) = &event.subject else { return Err(crate::Failure::broken("a change has no subject")) };
        ensure_eq!((subject.record, &subject.key), (record.id, &record.key), "record and key");
        ensure_eq!(
            (subject.layer, subject.version),
            (Some(Layer::Bronze), VersionNo::new(version)),
            "layer and version"
        );
        ensure_eq!(event.witness, None, "witness");
    }
    ensure_eq!(log.last().map(|change| change.event.recorded_at), Some(recorded_at), "time of the last change");
    Ok(())
}

async fn changes_of_one_document_come_in_its_order(store: Subject) -> Verdict {
    let names = ["m", "z", "a", "q", "b"];
    store.take(snapshot(1, names.iter().map(|name| item(name, "x")).collect())).await?;
    let edited = ["q", "new 2", "z", "new 1", "m"];
    store.take(snapshot(2, edited.iter().map(|name| item(name, "y")).collect())).await?;
    let logged: Vec<_> = store.story().await?.into_iter().filter(|(kind, _)| *kind <= ChangeKind::Changed).collect();
    let logged: Vec<_> = logged.iter().map(|(_, name)| name.as_str()).collect();
    ensure_eq!(logged, [&names[..], &edited[..]].concat(), "the keys in the log");
    Ok(())
}

async fn what_changed_nothing_logs_nothing(store: Subject) -> Verdict {
    a_history(&store).await?;
    let log = store.log().await?;
    store.take(snapshot(5, vec![dated("z", "x", 90)])).await?;
    store.take(unchanged(6, 5)).await?;
    let id = store.record("z").await?.id;
    store.store(RecordWrite { id, ..write(0, "z", "x") }).await?;
    store.record_sighting(crate::script::told("z", 9, 9, 1)).await?;
    store.put_many(vec![write(8, "z", "y")]).await.err();
    store.delete(record_id(404), None, at(1)).await?;
    ensure_eq!(store.log().await?, log, "the log");
    Ok(())
}

async fn versions_of_a_record_are_logged_in_their_order(store: Subject) -> Verdict {
    for number in 1..=12 {
        let batch = snapshot(number, vec![item("a", &number.to_string()), item("b", "x")]);
        store.take(IngestBatch { feed: feed(u128::from(number % 3)), ..batch }).await?;
    }
    let log = store.log().await?;
    let subjects = log.iter().filter_map(|change| change.event.subject.as_ref()).filter(|s| s.key.key() == "a");
    let versions: Vec<_> = subjects.filter_map(|subject| subject.version).map(VersionNo::get).collect();
    ensure_eq!(versions, (1..=12).collect::<Vec<_>>(), "the versions in the log");
    Ok(())
}
