//! Pages: nothing skipped, nothing repeated, and a cursor belongs to its list.

use std::collections::BTreeSet;
use std::future::Future;
use std::sync::Arc;

use feedspine_core::{
    Cursor, Direction, ErrorKind, Field, Filter, IngestBatch, Layer, Order, Page, PageRequest, Query, Record, Result,
    Selection, Test,
};

use tokio::sync::Semaphore;

use super::Subject;
use crate::check::{checks, ensure, ensure_eq, refused};
use crate::script::{at, dated, delta, feed, item, key, record_id, reject, snapshot, told, write};
use crate::{Failure, Verdict};

checks! { Subject, "paging":
    pages_of_every_size_make_the_whole: "Paging", "Walking in pages of any size gives each row once, in order.";
    rows_that_tie_are_neither_skipped_nor_repeated: "Paging", "Rows with equal values of the order keep their places.";
    the_last_page_says_so: "Paging", "A page has a cursor if and only if rows follow.";
    a_page_holds_a_thousand_at_most: "Paging", "Asking for more than the largest page gives the largest page.";
    rows_that_stay_are_met_once_while_a_writer_runs: "Paging", "Rows that do not change during a walk are met exactly once.";
    a_cursor_outlives_its_row: "Paging", "A walk goes on after the row at its cursor was deleted.";
    a_cursor_is_text: "Paging", "A cursor that went through text is the same cursor.";
    a_cursor_of_another_question_is_invalid: "Paging", "Another filter, order, layer or list refuses the cursor.";
    what_is_no_cursor_is_invalid: "Paging", "Text that no page gave is Invalid for every list.";
    lists_of_sightings_are_paged: "Paging", "Sightings come in pages that make the whole, ties in time included.";
    ledger_and_quarantine_are_paged: "Paging", "Observations and rejects come in pages that make the whole.";
}

/// All entries of a list, page by page.
async fn walk<T, F: Future<Output = Result<Page<T>>>>(size: usize, page: impl Fn(PageRequest) -> F) -> Verdict<Vec<T>> {
    let mut request = PageRequest::first(size);
    let mut all = Vec::new();
    loop {
        let found = page(request.clone()).await?;
        ensure!(found.items.len() <= size, "a page of {size} holds {} entries", found.items.len());
        all.extend(found.items);
        let Some(next) = found.next else { return Ok(all) };
        ensure!(all.len() <= 100_000, "the walk has no end");
        request.after = Some(next);
    }
}

fn by(field: Field, direction: Direction) -> Vec<Order> {
    vec![Order { field, direction }]
}

async fn rows(store: &Subject, order: &[Order], size: usize) -> Verdict<Vec<Record>> {
    walk(size, |page| async move {
        store.query_page(&Query { selection: Selection::everything(), order: order.to_vec(), page }).await
    })
    .await
}

async fn thirty(store: &Subject) -> Verdict {
    let items = (0..30).map(|number| dated(&format!("key {number:02}"), "x", number / 7)).collect();
    store.take(snapshot(1, items)).await?;
    Ok(())
}

async fn pages_of_every_size_make_the_whole(store: Subject) -> Verdict {
    thirty(&store).await?;
    for order in [vec![], by(Field::Key, Direction::Descending)] {
        let whole = rows(&store, &order, 100).await?;
        ensure_eq!(whole.len(), 30, "rows");
        for size in [1, 2, 7, 29, 30, 31] {
            ensure_eq!(rows(&store, &order, size).await?, whole, "rows in pages of {size} by {order:?}");
        }
    }
    Ok(())
}

async fn rows_that_tie_are_neither_skipped_nor_repeated(store: Subject) -> Verdict {
    thirty(&store).await?;
    let content = Field::Content(feedspine_core::JsonPath::of(["title"]));
    for field in [Field::Published, Field::Updated, Field::Layer, content] {
        for direction in [Direction::Ascending, Direction::Descending] {
            let order = by(field.clone(), direction);
            let whole = rows(&store, &order, 100).await?;
            ensure_eq!(rows(&store, &order, 4).await?, whole, "rows in pages of 4 by {order:?}");
            let ids: BTreeSet<_> = whole.iter().map(|row| row.id).collect();
            ensure_eq!(ids.len(), 30, "distinct rows");
        }
    }
    Ok(())
}

async fn the_last_page_says_so(store: Subject) -> Verdict {
    thirty(&store).await?;
    for (size, more) in [(29, true), (30, false), (31, false)] {
        let page = store.query_page(&Query::new(Selection::everything(), size)).await?;
        ensure_eq!(page.next.is_some(), more, "a page of {size} of 30 has a cursor");
    }
    let nothing = Selection { layer: None, filter: Filter::Any(vec![]) };
    let page = store.query_page(&Query::new(nothing, 1)).await?;
    ensure_eq!((page.items, page.next), (vec![], None), "a page of nothing");
    Ok(())
}

async fn a_page_holds_a_thousand_at_most(store: Subject) -> Verdict {
    let writes = (0..1_003).map(|number| write(number, &format!("key {number}"), "x")).collect();
    store.put_many(writes).await?;
    let page = store.query_page(&Query::new(Selection::everything(), 5_000)).await?;
    ensure_eq!(page.items.len(), 1_000, "rows of a page of 5 000");
    ensure_eq!(rows(&store, &[], 5_000).await?.len(), 1_003, "rows of all pages");
    Ok(())
}

async fn rows_that_stay_are_met_once_while_a_writer_runs(store: Subject) -> Verdict {
    thirty(&store).await?;
    // One turn of the writer for each walk, so that neither runs ahead of the other.
    let walks = Arc::new(Semaphore::new(0));
    let (handle, turns) = (store.handle(), Arc::clone(&walks));
    let writer = tokio::spawn(async move {
        for number in 2..16 {
            turns.acquire().await.expect("nobody closes it").forget();
            let fresh = (0..3).map(|place| dated(&format!("key {number:02} and {place}"), "x", place)).collect();
            handle.ingest(delta(number, fresh)).await?;
            handle
                .delete_many(&[feedspine_core::RecordRef::key(key(&format!("key {number:02} and 1")))], at(1))
                .await?;
        }
        Ok::<_, feedspine_core::StorageError>(())
    });
    while !writer.is_finished() {
        walks.add_permits(1);
        for order in [vec![], by(Field::Published, Direction::Descending), by(Field::Key, Direction::Ascending)] {
            let met = rows(&store, &order, 7).await?;
            for number in 0..30 {
                let name = format!("key {number:02}");
                let times = met.iter().filter(|row| row.key.key() == name).count();
                ensure_eq!(times, 1, "times that a walk by {order:?} met {name}");
            }
        }
    }
    writer.await.map_err(Failure::broken)??;
    Ok(())
}

async fn a_cursor_outlives_its_row(store: Subject) -> Verdict {
    thirty(&store).await?;
    let order = by(Field::Key, Direction::Ascending);
    let mut query = Query { selection: Selection::everything(), order, page: PageRequest::first(10) };
    let first = store.query_page(&query).await?;
    store.delete_many(&[feedspine_core::RecordRef::id(first.items[9].id)], at(1)).await?;
    query.page = PageRequest { after: first.next, ..PageRequest::first(100) };
    let names: Vec<_> = store.query_page(&query).await?.items.iter().map(|row| row.key.key().to_owned()).collect();
    let right: Vec<_> = (10..30).map(|number| format!("key {number:02}")).collect();
    ensure_eq!(names, right, "the keys that follow");
    Ok(())
}

async fn a_cursor_is_text(store: Subject) -> Verdict {
    thirty(&store).await?;
    let mut query = Query::new(Selection::everything(), 10);
    let next = store.query_page(&query).await?.next;
    let Some(next) = next else { return Err(Failure::broken("a page of 10 of 30 has no cursor")) };
    query.page.after = Some(next.clone());
    let right = store.query_page(&query).await?;
    query.page.after = Some(Cursor::from_text(next.as_str().to_owned()));
    ensure_eq!(store.query_page(&query).await?, right, "the page at a cursor that was text");
    query.page.limit = PageRequest::first(5).limit;
    ensure_eq!(store.query_page(&query).await?.items, right.items[..5], "a smaller page at the same cursor");
    Ok(())
}

async fn a_cursor_of_another_question_is_invalid(store: Subject) -> Verdict {
    thirty(&store).await?;
    let next = store.query_page(&Query::new(Selection::everything(), 10)).await?.next;
    let page = PageRequest { after: next, ..PageRequest::first(10) };
    let filter = Filter::Field(Field::Key, Test::Present);
    let everything = Selection::everything;
    let others = [
        Query { selection: Selection { layer: None, filter }, order: vec![], page: page.clone() },
        Query {
            selection: Selection { layer: Some(Layer::Bronze), ..everything() },
            order: vec![],
            page: page.clone(),
        },
        Query { selection: everything(), order: by(Field::Key, Direction::Ascending), page: page.clone() },
        Query { selection: everything(), order: by(Field::Id, Direction::Descending), page: page.clone() },
    ];
    for other in &others {
        refused(store.query_page(other).await, ErrorKind::Invalid)?;
    }
    refused(store.sightings_page(&key("key 01"), &page).await, ErrorKind::Invalid)?;
    refused(store.versions_page(record_id(1), Layer::Bronze, &page).await, ErrorKind::Invalid)?;
    refused(store.observations_page(feed(1), &page).await, ErrorKind::Invalid)?;
    refused(store.rejects_page(feed(1), &page).await, ErrorKind::Invalid)?;

    store.take(snapshot(2, vec![item("key 01", "x")])).await?;
    let next = store.sightings_page(&key("key 01"), &PageRequest::first(1)).await?.next;
    let page = PageRequest { after: next, ..PageRequest::first(1) };
    refused(store.sightings_page(&key("key 02"), &page).await, ErrorKind::Invalid)?;
    Ok(())
}

async fn what_is_no_cursor_is_invalid(store: Subject) -> Verdict {
    thirty(&store).await?;
    let id = store.record("key 01").await?.id;
    for text in ["", "x", "00", "7b7d", "5b5d", "5b2278225d", "\u{1F5DE}", "' OR 1=1"] {
        let page = PageRequest { after: Some(Cursor::from_text(text)), ..PageRequest::first(1) };
        let query = Query { selection: Selection::everything(), order: vec![], page: page.clone() };
        refused(store.query_page(&query).await, ErrorKind::Invalid)?;
        refused(store.sightings_page(&key("key 01"), &page).await, ErrorKind::Invalid)?;
        refused(store.versions_page(id, Layer::Bronze, &page).await, ErrorKind::Invalid)?;
        refused(store.observations_page(feed(1), &page).await, ErrorKind::Invalid)?;
        refused(store.rejects_page(feed(1), &page).await, ErrorKind::Invalid)?;
    }
    Ok(())
}

async fn lists_of_sightings_are_paged(store: Subject) -> Verdict {
    for number in 1..=7 {
        store.take(snapshot(number, vec![item("a", "x"), item("b", &number.to_string())])).await?;
        let batch = delta(number + 100, vec![item("a", "x")]);
        store.take(IngestBatch { feed: feed(2), observed_at: crate::script::observed(number), ..batch }).await?;
    }
    let mut tied = told("a", 3, 3, 0);
    tied.observed_at = crate::script::observed(4);
    store.observe_many(vec![tied, told("a", 3, 4, 1)]).await?;
    let whole = store.sightings_page(&key("a"), &PageRequest::first(100)).await?.items;
    ensure_eq!(whole.len(), 16, "sightings");
    let name = key("a");
    let (handle, name) = (store.handle(), &name);
    for size in [1, 2, 5, 15, 16] {
        let handle = Arc::clone(&handle);
        let paged = walk(size, |page| {
            let handle = Arc::clone(&handle);
            async move { handle.sightings_page(name, &page).await }
        });
        ensure_eq!(paged.await?, whole, "sightings in pages of {size}");
    }
    Ok(())
}

async fn ledger_and_quarantine_are_paged(store: Subject) -> Verdict {
    for number in 1..=6 {
        let rejects = vec![reject(7, None), reject(8, Some("bad"))];
        store.take(IngestBatch { rejects, ..snapshot(number, vec![item("a", &number.to_string())]) }).await?;
    }
    let (ledger, quarantine) = (store.ledger(feed(1)).await?, store.quarantine(feed(1)).await?);
    ensure_eq!((ledger.len(), quarantine.len()), (6, 12), "rows of the ledger and of the quarantine");
    let store = &store;
    for size in [1, 4, 6, 12] {
        let paged = walk(size, |page| async move { store.observations_page(feed(1), &page).await });
        ensure_eq!(paged.await?, ledger, "the ledger in pages of {size}");
        let paged = walk(size, |page| async move { store.rejects_page(feed(1), &page).await });
        ensure_eq!(paged.await?, quarantine, "the quarantine in pages of {size}");
    }
    Ok(())
}
