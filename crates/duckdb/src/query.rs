//! Questions about records: what SQL can say exactly is said in SQL, the rest is judged by core, over bounded chunks.

use std::collections::HashMap;

use duckdb::Connection;
use duckdb::types::ToSql;
use feedspine_core::{
    KeyHash, Layer, Page, Query, Record, RecordId, RecordName, RecordRef, Result, Selection, StorageError,
};
use feedspine_sql::{Statement, Value, compile_after, compile_filter, compile_order, is_path, names_a_path, widened};

use crate::dialect::{Versions, bound, rows_of};
use crate::error::{Fault, Outcome};
use crate::rows::{self, Among, HeldVersion, VERSION};

/// How many rows are read at once where they are judged by core: some megabytes.
const CHUNK: usize = 2_000;

impl HeldVersion {
    fn into_record(self) -> Record {
        self.stored.version.to_record(self.key, self.key_rule, self.first_seen)
    }
}

/// A page of records.
pub(crate) fn query_page(conn: &Connection, query: &Query) -> Outcome<Page<Record>> {
    query.check()?;
    if names_a_path(&query.selection.filter) || query.order.iter().any(|term| is_path(&term.field)) {
        let after = query.after_id()?;
        return Ok(query.cut(Scan::new(conn, &query.selection, after))?);
    }
    let mut statement = select(&query.selection);
    if let Some(after) = query.position()? {
        statement.push(" AND (");
        compile_after(&Versions, &mut statement, &query.order, &after)?;
        statement.push(")");
    }
    statement.push(" ORDER BY ");
    compile_order(&Versions, &mut statement, &query.order);
    let wanted = query.page.size() + 1;
    statement.push(&format!(" LIMIT {wanted}"));
    let mut items: Vec<Record> = read(conn, &statement)?.into_iter().map(HeldVersion::into_record).collect();
    let more = items.len() == wanted;
    items.truncate(query.page.size());
    let next = items.last().filter(|_| more).map(|last| query.cursor_after(last));
    Ok(Page { items, next })
}

/// The rows of a selection that SQL lets through, with room for a further condition.
fn select(selection: &Selection) -> Statement {
    condition(&format!("SELECT {VERSION}"), selection)
}

fn condition(select: &str, selection: &Selection) -> Statement {
    let mut statement = Statement::new(&format!("{select} FROM _versions WHERE {} AND (", rows_of(selection.layer)));
    compile_filter(&Versions, &mut statement, &widened(&selection.filter));
    statement.push(")");
    statement
}

fn read(conn: &Connection, statement: &Statement) -> Outcome<Vec<HeldVersion>> {
    let values = bound(statement);
    let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
    rows::all(conn, statement.text(), &values, rows::held_version)
}

/// The rows of a selection that may pass its filter, by id, read chunk by chunk.
struct Scan<'a> {
    conn: &'a Connection,
    selection: &'a Selection,
    after: Option<RecordId>,
    chunk: std::vec::IntoIter<HeldVersion>,
    at_end: bool,
}

impl<'a> Scan<'a> {
    fn new(conn: &'a Connection, selection: &'a Selection, after: Option<RecordId>) -> Self {
        Self { conn, selection, after, chunk: Vec::new().into_iter(), at_end: false }
    }

    fn refill(&mut self) -> Outcome<()> {
        let mut statement = select(self.selection);
        if let Some(after) = self.after {
            statement.push(" AND record > ");
            statement.bind(&Versions, Value::Blob(after.as_bytes().to_vec()));
        }
        statement.push(&format!(" ORDER BY record LIMIT {CHUNK}"));
        let chunk = read(self.conn, &statement)?;
        self.at_end = chunk.len() < CHUNK;
        self.after = chunk.last().map(|last| last.stored.version.record);
        self.chunk = chunk.into_iter();
        Ok(())
    }
}

impl Iterator for Scan<'_> {
    type Item = Result<Record>;

    fn next(&mut self) -> Option<Self::Item> {
        if self.chunk.len() == 0
            && !self.at_end
            && let Err(fault) = self.refill()
        {
            self.at_end = true;
            return Some(Err(fault.into_error()));
        }
        self.chunk.next().map(|held| Ok(held.into_record()))
    }
}

/// How many rows a selection has.
pub(crate) fn count(conn: &Connection, selection: &Selection) -> Outcome<u64> {
    selection.filter.check()?;
    if names_a_path(&selection.filter) {
        let mut count = 0;
        for record in Scan::new(conn, selection, None) {
            count += u64::from(selection.filter.matches(&record?));
        }
        return Ok(count);
    }
    let statement = condition("SELECT count(*)", selection);
    let values = bound(&statement);
    let values: Vec<&dyn ToSql> = values.iter().map(|value| value as &dyn ToSql).collect();
    let count: Option<u64> = rows::first(conn, statement.text(), &values, rows::value)?;
    count.ok_or_else(|| Fault::from(StorageError::internal("a count has no row")))
}

/// The rows wanted, in the order asked.
pub(crate) fn get_many(conn: &Connection, wanted: &[RecordRef]) -> Outcome<Vec<Option<Record>>> {
    let ids = wanted.iter().filter_map(|wanted| match &wanted.name {
        RecordName::Id(id) => Some(*id),
        RecordName::Key(_) => None,
    });
    let hashes = wanted.iter().filter_map(|wanted| match &wanted.name {
        RecordName::Key(key) => Some(key.hash()),
        RecordName::Id(_) => None,
    });
    let held = current(conn, &ids.collect::<Vec<_>>(), &hashes.collect::<Vec<_>>())?;
    let mut by_name: HashMap<RecordName, Vec<HeldVersion>> = HashMap::new();
    for version in held {
        let (id, key) = (RecordName::Id(version.stored.version.record), RecordName::Key(version.key.clone()));
        by_name.entry(id).or_default().push(version.clone());
        by_name.entry(key).or_default().push(version);
    }
    let find = |wanted: &RecordRef| {
        let layers = by_name.get(&wanted.name)?.iter();
        let at = |held: &&HeldVersion| wanted.layer.is_none_or(|layer| held.stored.version.layer == layer);
        let highest = layers.filter(at).max_by_key(|held: &&HeldVersion| held.stored.version.layer);
        highest.map(|held| held.clone().into_record())
    };
    Ok(wanted.iter().map(find).collect())
}

/// The current versions, at all layers, of records by id and by key.
pub(crate) fn current(conn: &Connection, ids: &[RecordId], keys: &[KeyHash]) -> Outcome<Vec<HeldVersion>> {
    let mut found = Vec::new();
    if !ids.is_empty() {
        let ids = Among::ids(ids);
        let sql = format!("SELECT {VERSION} FROM _versions WHERE is_current AND record {ids}");
        found = rows::all(conn, &sql, &[&ids], rows::held_version)?;
    }
    if !keys.is_empty() {
        let keys = Among::hashes(keys);
        let sql = format!("SELECT {VERSION} FROM _versions WHERE is_current AND key_hash {keys}");
        let by_key = rows::all(conn, &sql, &[&keys], rows::held_version)?;
        let held: std::collections::HashSet<(RecordId, Layer)> = found.iter().map(place).collect();
        found.extend(by_key.into_iter().filter(|version| !held.contains(&place(version))));
    }
    Ok(found)
}

fn place(held: &HeldVersion) -> (RecordId, Layer) {
    (held.stored.version.record, held.stored.version.layer)
}
