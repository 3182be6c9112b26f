//! Questions about records: what SQL can say exactly is said in SQL, the rest is judged here, over bounded chunks.
//!
//! Those chunks are steps: each has its time, and an order or a count by a path may take as many as there are rows.
//!
//! The server's JSON functions decide nothing. For a test of a path, SQL only says what the canonical text must hold for
//! the test to pass; [`Filter::matches`] then decides, as it does for every other backend.

use std::cmp::Ordering;
use std::collections::HashMap;
use std::time::Duration;

use feedspine_core::{
    Direction, Filter, Json, Order, Page, Query, Record, RecordName, RecordRef, Selection, sort_value,
};
use feedspine_sql::{Statement, Value, compile_after, compile_filter, compile_order, is_path, names_a_path};
use tokio::time::Instant;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bind::{self, Param, bind};
use crate::dialect::{Rows, check_position, in_sql};
use crate::error::Outcome;
use crate::rows::{self, Columns, corrupt};
use crate::session::{Session, both};
use crate::tries::step;

/// How many rows are read at once where they are judged here.
const CHUNK: usize = 500;

/// A page whose filter is judged here ends after this time, with what was found and a cursor to go on from.
const PAGE_TIME: Duration = Duration::from_secs(10);

/// The columns of a row `v` of versions and its row `r` of records, in the order that [`read_record`] takes them.
const RECORD: &str = "r.id, r.namespace, r.key, r.key_rule, r.first_seen, v.layer, v.number, v.hash, v.content,
    v.metadata, v.published, v.updated, v.recorded_at, v.from_layer, v.from_version, v.from_hash, v.from_deleted";

fn read_record(columns: &mut Columns<'_>) -> Outcome<Record> {
    Ok(Record {
        id: columns.record()?,
        key: columns.key()?,
        key_rule: columns.word()?,
        first_seen: columns.instant()?,
        layer: columns.layer()?,
        version: columns.version()?,
        content: columns.content()?,
        metadata: columns.metadata()?,
        published: columns.optional_instant()?,
        updated: columns.optional_instant()?,
        recorded_at: columns.instant()?,
        derived_from: columns.lineage()?,
    })
}

/// A page of records.
pub(crate) async fn query_page(session: &Session, query: &Query) -> Outcome<Page<Record>> {
    query.check()?;
    let after = query.position()?;
    let wanted = query.page.size() + 1;
    let by_path = query.order.iter().any(|term| is_path(&term.field));
    let (mut items, early) = if by_path {
        (smallest(session, query, after, wanted).await?, None)
    } else if names_a_path(&query.selection.filter) {
        judged_page(session, query, after, wanted).await?
    } else {
        let mut scan = Scan::new(&query.selection, &query.order, after);
        (scan.next(session, wanted).await?, None)
    };
    let more = items.len() == wanted;
    items.truncate(query.page.size());
    let next = match early {
        Some(last_read) => Some(query.cursor_after(&last_read)),
        None => items.last().filter(|_| more).map(|last| query.cursor_after(last)),
    };
    Ok(Page { items, next })
}

/// The first rows that pass, and the last one looked at if the time was up before there were enough.
async fn judged_page(
    session: &Session,
    query: &Query,
    after: Option<Vec<Json>>,
    wanted: usize,
) -> Outcome<(Vec<Record>, Option<Record>)> {
    let began = Instant::now();
    let mut scan = Scan::new(&query.selection, &query.order, after);
    let mut passed = Vec::new();
    loop {
        let mut chunk = scan.next(session, CHUNK).await?;
        let is_last = chunk.len() < CHUNK;
        let last_read = chunk.pop();
        let late = began.elapsed() > PAGE_TIME;
        let stop = (late && !is_last).then(|| last_read.clone()).flatten();
        let matching = chunk.into_iter().chain(last_read).filter(|record| query.selection.filter.matches(record));
        passed.extend(matching.take(wanted - passed.len()));
        if is_last || passed.len() == wanted {
            return Ok((passed, None));
        }
        if stop.is_some() {
            return Ok((passed, stop));
        }
    }
}

/// The first rows in an order that only core can tell: all of the selection is read, and no more is kept than wanted.
async fn smallest(session: &Session, query: &Query, after: Option<Vec<Json>>, wanted: usize) -> Outcome<Vec<Record>> {
    let mut scan = Scan::new(&query.selection, &[], None);
    let mut kept: Vec<(Vec<Json>, Record)> = Vec::new();
    let place_order = |a: &Vec<Json>, b: &Vec<Json>| compare(&query.order, a, b);
    loop {
        let chunk = scan.next(session, CHUNK).await?;
        let is_last = chunk.len() < CHUNK;
        let passed = chunk.into_iter().filter(|record| query.selection.filter.matches(record));
        let placed = passed.map(|record| (place(&query.order, &record), record));
        kept.extend(
            placed
                .filter(|(place, _)| after.as_ref().is_none_or(|after| place_order(place, after) == Ordering::Greater)),
        );
        kept.sort_by(|(a, _), (b, _)| place_order(a, b));
        kept.truncate(wanted);
        if is_last {
            return Ok(kept.into_iter().map(|(_, record)| record).collect());
        }
    }
}

/// Where a record stands in an order: the terms' values, then the id.
fn place(order: &[Order], record: &Record) -> Vec<Json> {
    let terms = order.iter().map(|term| sort_value(&term.field, record));
    terms.chain([Json::from(record.id.to_string())]).collect()
}

fn compare(order: &[Order], a: &[Json], b: &[Json]) -> Ordering {
    let directions = order.iter().map(|term| term.direction).chain([Direction::Ascending]);
    let terms = a.iter().zip(b).zip(directions).map(|((a, b), direction)| match direction {
        Direction::Ascending => a.cmp(b),
        Direction::Descending => b.cmp(a),
    });
    terms.fold(Ordering::Equal, Ordering::then)
}

/// Rows that may pass a filter, in an order that SQL can tell, read chunk by chunk.
struct Scan<'a> {
    rows: Rows,
    filter: Filter,
    order: &'a [Order],
    after: Option<Vec<Json>>,
}

impl<'a> Scan<'a> {
    fn new(selection: &Selection, order: &'a [Order], after: Option<Vec<Json>>) -> Self {
        let filter = in_sql(&selection.filter);
        Self { rows: Rows::of(selection.layer, &filter, order), filter, order, after }
    }

    /// The next rows, so many at most.
    async fn next(&mut self, session: &Session, most: usize) -> Outcome<Vec<Record>> {
        let mut statement = Statement::new(&format!(
            "SELECT {RECORD} FROM (SELECT r.*, {} AS row_layer, {} AS row_number FROM {} WHERE (",
            self.rows.layer(),
            self.rows.number(),
            self.rows.from(),
        ));
        compile_filter(&self.rows, &mut statement, &self.filter);
        statement.push(")");
        if let Some(after) = &self.after {
            statement.push(" AND (");
            check_position(after)?;
            compile_after(&self.rows, &mut statement, self.order, after)?;
            statement.push(")");
        }
        statement.push(" ORDER BY ");
        compile_order(&self.rows, &mut statement, self.order);
        statement.push(&format!(
            " LIMIT {most}) r JOIN versions v
             ON v.record = r.id AND v.layer = r.row_layer AND v.number = r.row_number"
        ));
        let found = step(session.query(statement.text(), &bound(&statement))).await?;
        let read = found.iter().map(|row| read_record(&mut Columns::of(row)));
        let mut placed = read
            .map(|record| record.map(|record| (place(self.order, &record), record)))
            .collect::<Outcome<Vec<(Vec<Json>, Record)>>>()?;
        // The join may have changed their order.
        placed.sort_by(|(a, _), (b, _)| compare(self.order, a, b));
        if let Some((last, _)) = placed.last() {
            self.after = Some(last.clone());
        }
        Ok(placed.into_iter().map(|(_, record)| record).collect())
    }
}

/// The values of a statement; bytes are ids.
fn bound(statement: &Statement) -> Vec<Param<'_>> {
    let typed = statement.values().iter().map(|value| match value {
        Value::Integer(number) => bind::bound(*number),
        Value::Text(text) => bind::bound(text.as_str()),
        Value::Blob(id) => bind::bound(Uuid::from_slice(id).unwrap_or_default()),
    });
    typed.collect()
}

/// How many rows a selection has.
pub(crate) async fn count(session: &Session, selection: &Selection) -> Outcome<u64> {
    selection.filter.check()?;
    if names_a_path(&selection.filter) {
        return count_judged(session, selection).await;
    }
    let filter = in_sql(&selection.filter);
    let rows = Rows::of(selection.layer, &filter, &[]);
    let mut statement = Statement::new(&format!("SELECT count(*) FROM {} WHERE ", rows.from()));
    compile_filter(&rows, &mut statement, &filter);
    let found = step(session.query_opt(statement.text(), &bound(&statement))).await?;
    Columns::of(&found.ok_or_else(|| corrupt("a count"))?).unsigned()
}

async fn count_judged(session: &Session, selection: &Selection) -> Outcome<u64> {
    let mut scan = Scan::new(selection, &[], None);
    let mut passed = 0;
    loop {
        let chunk = scan.next(session, CHUNK).await?;
        passed += chunk.iter().filter(|record| selection.filter.matches(record)).count() as u64;
        if chunk.len() < CHUNK {
            return Ok(passed);
        }
    }
}

/// The rows wanted, in the order asked.
pub(crate) async fn get_many(session: &Session, wanted: &[RecordRef]) -> Outcome<Vec<Option<Record>>> {
    if let [RecordRef { name, layer: None }] = wanted {
        return Ok(vec![get(session, name).await?]);
    }
    let layer_of = |wanted: &RecordRef| wanted.layer.map(rows::layer_rank);
    let (mut ids, mut id_layers, mut id_places) = (Vec::<Uuid>::new(), Vec::new(), Vec::<i64>::new());
    let (mut keys, mut key_layers, mut key_places) = (Vec::new(), Vec::new(), Vec::<i64>::new());
    for (place, wanted) in (0..).zip(wanted) {
        match &wanted.name {
            RecordName::Id(id) => {
                ids.push(rows::record_uuid(*id));
                id_layers.push(layer_of(wanted));
                id_places.push(place);
            }
            RecordName::Key(key) => {
                keys.push(key.hash());
                key_layers.push(layer_of(wanted));
                key_places.push(place);
            }
        }
    }
    let keys: Vec<&[u8]> = keys.iter().map(|key| key.as_bytes().as_slice()).collect();
    let statement = |name: &str| {
        format!(
            "SELECT t.place, {RECORD} FROM unnest($1, $2, $3) AS t ({name}, layer, place)
             JOIN records r ON r.{name} = t.{name}
             JOIN LATERAL (SELECT * FROM versions x WHERE x.record = r.id AND x.layer = coalesce(t.layer, r.top_layer)
                           ORDER BY x.number DESC LIMIT 1) v ON true"
        )
    };
    let by_id = async {
        match ids.as_slice() {
            [] => Ok(Vec::new()),
            _ => {
                session
                    .query(&statement("id"), &bind![ids.as_slice(), id_layers.as_slice(), id_places.as_slice()])
                    .await
            }
        }
    };
    let by_key = async {
        match keys.as_slice() {
            [] => Ok(Vec::new()),
            _ => {
                session
                    .query(
                        &statement("key_hash"),
                        &bind![keys.as_slice(), key_layers.as_slice(), key_places.as_slice()],
                    )
                    .await
            }
        }
    };
    let (by_id, by_key): (Vec<Row>, Vec<Row>) = both(by_id, by_key).await?;
    let mut found = HashMap::new();
    for row in by_id.iter().chain(&by_key) {
        let mut columns = Columns::of(row);
        found.insert(columns.take::<i64>()?, read_record(&mut columns)?);
    }
    Ok((0..).zip(wanted).map(|(place, _)| found.remove(&place)).collect())
}

/// One record at its highest layer: the usual question, in the statement that is planned soonest and by itself.
async fn get(session: &Session, name: &RecordName) -> Outcome<Option<Record>> {
    let statement = |column: &str| {
        format!(
            "SELECT {RECORD} FROM records r JOIN versions v
             ON v.record = r.id AND v.layer = r.top_layer AND v.number = r.top_version WHERE r.{column} = $1"
        )
    };
    let found = match name {
        RecordName::Id(id) => session.query_alone(&statement("id"), &bind![rows::record_uuid(*id)]).await?,
        RecordName::Key(key) => {
            session.query_alone(&statement("key_hash"), &bind![key.hash().as_bytes().as_slice()]).await?
        }
    };
    found.map(|row| read_record(&mut Columns::of(&row))).transpose()
}

#[cfg(test)]
mod tests {
    use feedspine_core::Field;

    use super::*;

    #[test]
    fn an_order_compares_term_by_term_and_by_id_last() {
        let order = [Order::parse("-version").unwrap(), Order { field: Field::Key, direction: Direction::Ascending }];
        let place = |version: i64, key: &str, id: &str| vec![Json::from(version), Json::from(key), Json::from(id)];
        let ascending = [place(2, "a", "1"), place(2, "b", "0"), place(1, "a", "1"), place(1, "a", "2")];
        assert!(ascending.is_sorted_by(|a, b| compare(&order, a, b) == Ordering::Less));
    }
}
