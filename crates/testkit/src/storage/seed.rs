//! The calls of the page "Implement a Custom Storage Backend", each with the meaning it has there.

use feedspine_core::{ErrorKind, Layer, Record, RecordWrite, Result, Selection, StorageExt};
use futures_util::TryStreamExt;

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{at, content, dated, key, record_id, snapshot, titled, told, write};

checks! { Subject, "seed":
    store_and_get: "Seed calls", "What store was given is what get gives, by id.";
    get_takes_a_layer: "Seed calls", "Get with a layer gives that row, without one the highest.";
    get_by_natural_key_gives_the_same_record: "Seed calls", "A record is the same by id and by natural key.";
    exists_agrees_with_get: "Seed calls", "Exists, by id, layer or natural key, says whether get would give a record.";
    store_updates_what_is_there: "Seed calls", "Storing a known id again updates the record and keeps the old content as a version.";
    delete_says_whether_there_was_a_record: "Seed calls", "Delete is true once, then false.";
    query_without_a_limit_gives_all: "Seed calls", "All rows are streamed, however many pages they take.";
    query_takes_limit_and_offset: "Seed calls", "Offset is skipped first, then limit counts.";
    query_takes_an_order: "Seed calls", "A field ascends, with a leading minus it descends; nothing is ignored.";
    query_takes_filters: "Seed calls", "A bare name is a record's field, content.x.y a path, a scalar equal, a list one of.";
    query_takes_a_layer: "Seed calls", "With a layer only its rows are streamed.";
    query_refuses_what_it_does_not_know: "Seed calls", "Unknown fields, orders, layers and filters that are no object are Invalid.";
    count_counts_what_query_streams: "Seed calls", "Count has the number of the rows that query streams.";
    record_sighting_and_get_sightings: "Seed calls", "The first sighting is true; all are listed, oldest first.";
    store_batch_is_all_or_none_and_counts: "Seed calls", "A batch is stored wholly or not at all; the answer counts what was new or changed.";
    delete_batch_counts_what_was_there: "Seed calls", "Unknown ids are not counted.";
}

/// The names of the keys that a query streams, in order.
async fn names(
    store: &Subject,
    filters: Option<&str>,
    order_by: Option<&str>,
    limit: Option<usize>,
    offset: usize,
) -> Result<Vec<String>> {
    let filters = filters.map(|text| content(text).to_json());
    let rows: Vec<Record> = store.query(None, filters.as_ref(), order_by, limit, offset).try_collect().await?;
    Ok(rows.into_iter().map(|row| row.key.key().to_owned()).collect())
}

async fn five(store: &Subject) -> Verdict {
    let of = |number: u128, name: &str| RecordWrite {
        content: content(&format!(
            r#"{{"n":{number},"deep":{{"even":{}}},"tag":"t{}"}}"#,
            number.is_multiple_of(2),
            number % 3
        )),
        published: (number > 1).then(|| at(i64::try_from(number).expect("small"))),
        ..write(number, name, "")
    };
    store.put_many(vec![of(1, "e"), of(2, "d"), of(3, "c"), of(4, "b"), of(5, "a")]).await?;
    Ok(())
}

async fn store_and_get(store: Subject) -> Verdict {
    store.store(write(1, "test-key", "x")).await?;
    let record = store.get(record_id(1), None).await?;
    let found = record.map(|record| (record.id, record.key, record.content));
    ensure_eq!(found, Some((record_id(1), key("test-key"), titled("x"))), "the record");
    ensure_eq!(store.get(record_id(2), None).await?, None, "another record");
    Ok(())
}

async fn get_takes_a_layer(store: Subject) -> Verdict {
    store.store(write(1, "a", "bronze")).await?;
    store.store(RecordWrite { layer: Layer::Silver, ..write(1, "a", "silver") }).await?;
    for (layer, right) in [(None, "silver"), (Some(Layer::Bronze), "bronze"), (Some(Layer::Silver), "silver")] {
        let found = store.get(record_id(1), layer).await?.map(|row| row.content);
        ensure_eq!(found, Some(titled(right)), "the content at {layer:?}");
    }
    ensure_eq!(store.get(record_id(1), Some(Layer::Gold)).await?, None, "the row at gold");
    Ok(())
}

async fn get_by_natural_key_gives_the_same_record(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![dated("a", "x", 1)])).await?;
    let by_key = store.get_by_natural_key(&key("a")).await?;
    let Some(record) = by_key.clone() else { return Err(crate::Failure::broken("there is no record of that key")) };
    ensure_eq!(store.get(record.id, None).await?, by_key, "the record by its id");
    ensure_eq!(store.get_by_natural_key(&key("A")).await?, None, "the record of another key");
    Ok(())
}

async fn exists_agrees_with_get(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    for (id, layer, right) in
        [(1, None, true), (1, Some(Layer::Bronze), true), (1, Some(Layer::Gold), false), (2, None, false)]
    {
        ensure_eq!(store.exists(record_id(id), layer).await?, right, "record {id} exists at {layer:?}");
    }
    ensure_eq!(store.exists_by_natural_key(&key("a")).await?, true, "the key has a record");
    ensure_eq!(store.exists_by_natural_key(&key("b")).await?, false, "another key has a record");
    Ok(())
}

async fn store_updates_what_is_there(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    store.store(write(1, "a", "y")).await?;
    ensure_eq!(store.get(record_id(1), None).await?.map(|row| row.content), Some(titled("y")), "the content");
    ensure_eq!(store.titles("a").await?, ["x", "y"], "versions");
    ensure_eq!(store.count(&Selection::everything()).await?, 1, "count of records");
    ensure_eq!(store.get_sightings(&key("a")).await?, [], "sightings: a store is none");
    Ok(())
}

async fn delete_says_whether_there_was_a_record(store: Subject) -> Verdict {
    store.store(write(1, "a", "x")).await?;
    ensure_eq!(store.delete(record_id(1), None, at(1)).await?, true, "the first answer");
    ensure_eq!(store.delete(record_id(1), None, at(2)).await?, false, "the second answer");
    ensure_eq!(store.get(record_id(1), None).await?, None, "the record");
    Ok(())
}

async fn query_without_a_limit_gives_all(store: Subject) -> Verdict {
    store.put_many((0..1_205).map(|number| write(number, &format!("key {number:04}"), "x")).collect()).await?;
    let all = names(&store, None, Some("key"), None, 0).await?;
    let right: Vec<_> = (0..1_205).map(|number| format!("key {number:04}")).collect();
    ensure_eq!(all, right, "the keys streamed");
    ensure_eq!(names(&store, None, Some("key"), Some(3), 1_001).await?, right[1_001..1_004], "three keys after 1 001");
    Ok(())
}

async fn query_takes_limit_and_offset(store: Subject) -> Verdict {
    five(&store).await?;
    ensure_eq!(names(&store, None, Some("key"), Some(2), 0).await?, ["a", "b"], "two from the first");
    ensure_eq!(names(&store, None, Some("key"), Some(2), 2).await?, ["c", "d"], "two after two");
    ensure_eq!(names(&store, None, Some("key"), Some(9), 4).await?, ["e"], "nine after four");
    ensure_eq!(names(&store, None, Some("key"), None, 9).await?, [""; 0], "all after nine");
    ensure_eq!(names(&store, None, Some("key"), Some(0), 0).await?, [""; 0], "none");
    Ok(())
}

async fn query_takes_an_order(store: Subject) -> Verdict {
    five(&store).await?;
    ensure_eq!(names(&store, None, Some("-key"), None, 0).await?, ["e", "d", "c", "b", "a"], "by -key");
    ensure_eq!(names(&store, None, Some("published"), None, 0).await?, ["e", "d", "c", "b", "a"], "by published");
    ensure_eq!(names(&store, None, Some("-content.n"), None, 0).await?, ["a", "b", "c", "d", "e"], "by -content.n");
    let tied = names(&store, None, Some("content.deep.even"), None, 0).await?;
    ensure_eq!(tied, ["e", "c", "a", "d", "b"], "by content.deep.even: ties by id");
    Ok(())
}

async fn query_takes_filters(store: Subject) -> Verdict {
    five(&store).await?;
    let asked = [
        (r#"{"key":"c"}"#, vec!["c"]),
        (r#"{"key":["a","e","never"]}"#, vec!["a", "e"]),
        (r#"{"content.n":4.0}"#, vec!["b"]),
        (r#"{"content.n":"4"}"#, vec![]),
        (r#"{"content.deep.even":true}"#, vec!["b", "d"]),
        (r#"{"content.deep.even":true,"content.tag":"t1"}"#, vec!["b"]),
        (r#"{"content.tag":["t0","t2"]}"#, vec!["a", "c", "d"]),
        (r#"{"published":null}"#, vec!["e"]),
        (r#"{"published":"2026-01-01T01:00:03+01:00"}"#, vec!["c"]),
        (r#"{"layer":"bronze","version":1,"namespace":"news"}"#, vec!["a", "b", "c", "d", "e"]),
        (r#"{"content.absent":null}"#, vec![]),
        ("{}", vec!["a", "b", "c", "d", "e"]),
    ];
    for (filters, right) in asked {
        ensure_eq!(names(&store, Some(filters), Some("key"), None, 0).await?, right, "the keys with {filters}");
    }
    Ok(())
}

async fn query_takes_a_layer(store: Subject) -> Verdict {
    five(&store).await?;
    store.store(RecordWrite { layer: Layer::Gold, ..write(2, "d", "gold") }).await?;
    let rows: Vec<Record> = store.query(Some(Layer::Gold), None, None, None, 0).try_collect().await?;
    ensure_eq!(rows.iter().map(|row| row.key.key()).collect::<Vec<_>>(), ["d"], "the rows at gold");
    let rows: Vec<Record> = store.query(Some(Layer::Bronze), None, None, None, 0).try_collect().await?;
    ensure!(rows.len() == 5 && rows.iter().all(|row| row.layer == Layer::Bronze), "the rows at bronze: {rows:?}");
    Ok(())
}

async fn query_refuses_what_it_does_not_know(store: Subject) -> Verdict {
    five(&store).await?;
    for filters in [
        r#"{"title":"x"}"#,
        r#"{"content":1}"#,
        r#"{"content.":1}"#,
        r#"["key"]"#,
        r#"{"layer":"iron"}"#,
        r#"{"published":"soon"}"#,
    ] {
        refused(names(&store, Some(filters), None, None, 0).await, ErrorKind::Invalid)?;
    }
    for order in ["title", "--key", "", "-", "key; DROP TABLE record"] {
        refused(names(&store, None, Some(order), None, 0).await, ErrorKind::Invalid)?;
    }
    refused(names(&store, None, Some("last_seen"), None, 0).await, ErrorKind::Unsupported)?;
    refused(names(&store, Some(r#"{"seen_count":1}"#), None, None, 0).await, ErrorKind::Unsupported)?;
    Ok(())
}

async fn count_counts_what_query_streams(store: Subject) -> Verdict {
    five(&store).await?;
    for filters in ["{}", r#"{"content.deep.even":false}"#, r#"{"content.tag":"t9"}"#] {
        let filter = feedspine_core::Filter::from_json(&content(filters).to_json())?;
        let counted = store.count(&Selection { layer: None, filter }).await?;
        let streamed = names(&store, Some(filters), None, None, 0).await?.len() as u64;
        ensure_eq!(counted, streamed, "count with {filters}");
    }
    Ok(())
}

async fn record_sighting_and_get_sightings(store: Subject) -> Verdict {
    ensure_eq!(store.record_sighting(told("a", 1, 2, 20)).await?, true, "the first");
    ensure_eq!(store.record_sighting(told("a", 1, 1, 10)).await?, false, "the second");
    ensure_eq!(store.get_sightings(&key("a")).await?, [told("a", 1, 1, 10), told("a", 1, 2, 20)], "the sightings");
    let many = (0..1_050).map(|number| told("b", 1, number, i64::try_from(number).expect("small"))).collect::<Vec<_>>();
    store.observe_many(many.clone()).await?;
    ensure_eq!(store.get_sightings(&key("b")).await?, many, "more sightings than a page holds");
    Ok(())
}

async fn store_batch_is_all_or_none_and_counts(store: Subject) -> Verdict {
    ensure_eq!(store.store_batch(vec![]).await?, 0, "of nothing");
    ensure_eq!(store.store_batch(vec![write(1, "a", "x"), write(2, "b", "x")]).await?, 2, "of two new");
    let again = vec![write(1, "a", "x"), write(2, "b", "y"), write(3, "c", "x"), write(3, "c", "x")];
    ensure_eq!(store.store_batch(again).await?, 2, "of one equal, one changed, one new and its repeat");
    let bad = vec![write(4, "d", "x"), write(5, "a", "x"), write(6, "e", "x")];
    refused(store.store_batch(bad).await, ErrorKind::Conflict)?;
    ensure_eq!(store.count(&Selection::everything()).await?, 3, "count of records");
    let promoted = vec![RecordWrite { layer: Layer::Silver, ..write(1, "a", "silver") }];
    ensure_eq!(store.store_batch(promoted).await?, 1, "of one promotion");
    Ok(())
}

async fn delete_batch_counts_what_was_there(store: Subject) -> Verdict {
    five(&store).await?;
    let doomed = [1, 9, 3, 1].map(record_id);
    ensure_eq!(store.delete_batch(&doomed, at(1)).await?, 2, "of two known, one unknown and one repeat");
    ensure_eq!(names(&store, None, Some("key"), None, 0).await?, ["a", "b", "d"], "the keys left");
    ensure_eq!(store.delete_batch(&[], at(1)).await?, 0, "of nothing");
    Ok(())
}
