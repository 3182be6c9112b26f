use super::*;
use crate::{Content, FeedId, FetchId, KeyRule, Namespace, RecordId, Timestamp, VersionNo};

fn record(number: u128, title: &str) -> Record {
    Record {
        id: RecordId::from_u128(number),
        key: NaturalKey::new(Namespace::new("news").unwrap(), &number.to_string()).unwrap(),
        key_rule: KeyRule::Id,
        layer: Layer::Bronze,
        version: VersionNo::FIRST,
        content: Content::new(&Json::object([("title", Json::from(title))])),
        metadata: Content::empty(),
        published: None,
        updated: None,
        first_seen: Timestamp::UNIX_EPOCH,
        recorded_at: Timestamp::UNIX_EPOCH,
        derived_from: None,
    }
}

fn walk(mut query: Query, rows: &[Record]) -> Vec<u128> {
    let mut ids = Vec::new();
    loop {
        let page = query.cut(rows.iter().cloned().map(Ok)).unwrap();
        assert!(page.items.len() <= query.page.size());
        ids.extend(page.items.iter().map(|record| u128::from_be_bytes(*record.id.as_bytes())));
        match page.next {
            Some(next) => query.page.after = Some(next),
            None => return ids,
        }
    }
}

#[test]
fn pages_of_an_ordered_query_join_up_with_ties_and_whatever_order_rows_come_in() {
    let rows: Vec<Record> =
        [(5, "b"), (1, "a"), (4, "c"), (2, "b"), (3, "a")].map(|(id, title)| record(id, title)).into();
    for limit in 1..=6 {
        let order = vec![Order::parse("-content.title").unwrap()];
        assert_eq!(walk(Query { order, ..Query::new(Selection::everything(), limit) }, &rows), [4, 2, 5, 1, 3]);
    }
}

#[test]
fn a_query_without_an_order_reads_no_further_than_its_page() {
    let mut read = 0;
    let endless = (1..).map(|id| Ok(record(id, "a"))).inspect(|_| read += 1);
    let page = Query::new(Selection::everything(), 3).cut(endless).unwrap();
    assert_eq!((page.items.len(), page.next.is_some(), read), (3, true, 4));
}

#[test]
fn a_query_without_an_order_tells_the_id_where_its_page_begins() {
    let mut query = Query::new(Selection::everything(), 1);
    assert_eq!(query.after_id().unwrap(), None);
    query.page.after = Some(query.cursor_after(&record(7, "a")));
    assert_eq!(query.after_id().unwrap(), Some(RecordId::from_u128(7)));
    let mut ordered = Query { order: vec![Order::parse("key").unwrap()], ..query };
    ordered.page.after = Some(ordered.cursor_after(&record(7, "a")));
    assert_eq!(ordered.after_id().unwrap(), None);
}

#[test]
fn a_failed_read_fails_the_page() {
    let rows = [Ok(record(1, "a")), Err(StorageError::corrupt("row 2"))];
    assert!(Query::new(Selection::everything(), 9).cut(rows).is_err());
}

#[test]
fn a_numbered_list_is_read_from_beyond_the_cursor() {
    let numbers = |after: u64| Ok((after + 1..=5).map(|number| Ok((number, number * 10))));
    let mut request = PageRequest::first(2);
    let first = request.cut_numbered("tens", numbers).unwrap();
    assert_eq!(first.items, [10, 20]);
    request.after = first.next;
    let mut asked = 0;
    let second = request.cut_numbered("tens", |after| {
        asked = after;
        numbers(after)
    });
    assert_eq!((second.unwrap().items, asked), (vec![30, 40], 2));
    assert!(request.cut_numbered("hundreds", numbers).is_err());
}

#[test]
fn sightings_are_cut_in_the_order_of_time_feed_and_fetch() {
    let key = record(1, "a").key;
    let sighting = |at: i64, feed: u128, fetch: u128| Sighting {
        key: key.clone(),
        feed: FeedId::from_u128(feed),
        fetch: FetchId::from_u128(fetch),
        observed_at: Timestamp::from_micros(at).unwrap(),
        version: None,
    };
    let all = vec![sighting(20, 1, 9), sighting(5, 2, 2), sighting(5, 1, 3), sighting(-7, 1, 1)];
    let mut request = PageRequest::first(3);
    let first = request.cut_sightings(&key, all.clone()).unwrap();
    assert_eq!(first.items, [all[3].clone(), all[2].clone(), all[1].clone()]);
    request.after = first.next;
    assert_eq!(request.cut_sightings(&key, all.clone()).unwrap().items, [all[0].clone()]);
}
