//! Questions about records: filters and orders compiled by `feedspine-sql`, pages by keyset on the narrow table.

use feedspine_core::{
    Field, JsonPath, Layer, NaturalKey, Page, Query, Record, RecordId, RecordName, RecordRef, Selection, Test,
    Timestamp,
};
use feedspine_sql::{Column, Dialect, PathRoot, Statement, Value, compile_after, compile_filter, compile_order, wire};
use rusqlite::types::ToSql;
use rusqlite::{Connection, Row, params_from_iter};

use crate::error::Outcome;
use crate::functions;
use crate::rows;
use crate::session::{find_key, find_record};
use crate::versions;

/// Lists longer than this are bound as one value: statements have a bound on how many they take.
const LONG_LIST: usize = 200;

/// The rows of one selection: records at their highest layer, or at a given one.
#[derive(Debug, Clone, Copy)]
struct Rows {
    layer: Option<Layer>,
    /// The version that is shown takes part, not its number alone.
    with_version: bool,
}

impl Rows {
    fn of(query: &Selection, order: &[feedspine_core::Order]) -> Self {
        let narrow = order.iter().all(|order| is_narrow(&order.field)) && reads_narrow(&query.filter);
        // Only the highest layer is sure to be there.
        Self { layer: query.layer, with_version: !narrow || query.layer.is_some() }
    }

    /// The tables: the narrow one and, where it takes part, the content of the version that is shown.
    fn from(self) -> String {
        if !self.with_version {
            return "records r".to_owned();
        }
        let content = if self.may_be_own() { "coalesce(x.content, r.no)" } else { "x.content" };
        let revised = self.revised();
        format!("records r LEFT JOIN revisions x ON x.row = {revised} JOIN contents v ON v.no = {content}")
    }

    /// The greatest row number of the record and layer in `revisions`.
    fn revised(self) -> String {
        let (first, last) = match self.layer {
            None => (rows::first_row(0, Layer::Bronze), rows::last_row(0, Layer::Gold)),
            Some(layer) => (rows::first_row(0, layer), rows::last_row(0, layer)),
        };
        let shift = rows::RECORD_SHIFT;
        format!(
            "(SELECT max(y.row) FROM revisions y WHERE y.row > (r.no << {shift} | {first})
              AND y.row <= (r.no << {shift} | {last}))"
        )
    }

    /// Whether the version that is shown may be the record's first, which `revisions` does not name.
    fn may_be_own(self) -> bool {
        matches!(self.layer, None | Some(Layer::Bronze))
    }

    /// What [`Head::read`] reads.
    fn head(self) -> String {
        let space = "(SELECT s.name FROM spaces s WHERE s.no = r.space)";
        format!("r.id, {space}, r.key, r.key_rule, r.first_seen, {}", self.row())
    }

    /// The row number of the version that is shown: the one in `revisions`, else the record's own.
    fn row(self) -> String {
        // Where the content does not take part, a page looks for the revisions of its own records alone.
        let revised = if self.with_version { "x.row".to_owned() } else { self.revised() };
        if self.may_be_own() {
            format!("coalesce({revised}, r.no << {} | {})", rows::RECORD_SHIFT, versions::own_row(0))
        } else {
            revised
        }
    }
}

/// Whether a field of a record's highest layer is in the narrow table.
fn is_narrow(field: &Field) -> bool {
    !matches!(field, Field::Updated | Field::RecordedAt | Field::Content(_) | Field::Metadata(_))
}

fn reads_narrow(filter: &feedspine_core::Filter) -> bool {
    use feedspine_core::Filter;
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().all(reads_narrow),
        Filter::Not(filter) => reads_narrow(filter),
        Filter::Field(field, _) => is_narrow(field),
    }
}

impl Dialect for Rows {
    fn placeholder(&self, number: usize) -> String {
        format!("?{number}")
    }

    fn column(&self, field: &Field) -> Column {
        let row = self.row();
        match field {
            Field::Id => Column::Id { bytes: "r.id".to_owned(), text: "fs_id(r.id)".to_owned() },
            Field::Namespace => Column::Text("(SELECT s.name FROM spaces s WHERE s.no = r.space)".to_owned()),
            Field::KeyRule => Column::Text("r.key_rule".to_owned()),
            Field::Layer => Column::Text(match self.layer {
                Some(layer) => format!("'{layer}'"),
                None => format!("fs_layer({row})"),
            }),
            Field::Version => Column::Integer(format!("({row} & {})", rows::last_row(0, Layer::Bronze))),
            Field::Published if self.layer.is_none() => Column::Nullable("r.published".to_owned()),
            Field::Published => Column::Nullable("v.published".to_owned()),
            Field::Updated => Column::Nullable("v.updated".to_owned()),
            Field::FirstSeen => Column::Integer("r.first_seen".to_owned()),
            Field::RecordedAt => Column::Integer("v.recorded_at".to_owned()),
            // The others are paths, or were refused as not stored.
            _ => Column::Text("r.key".to_owned()),
        }
    }

    fn position(&self, statement: &mut Statement, text: &str, part: Value) {
        statement.push("instr(");
        statement.push(text);
        statement.push(", ");
        statement.bind(self, part);
        statement.push(")");
    }

    fn among(&self, statement: &mut Statement, expression: &str, values: Vec<Value>) {
        if values.len() > LONG_LIST {
            statement.push("fs_among(");
            statement.push(expression);
            statement.push(", ");
            statement.bind(self, Value::Blob(functions::encode_list(&values)));
            statement.push(")");
            return;
        }
        statement.push(expression);
        for (at, value) in values.into_iter().enumerate() {
            statement.push(if at == 0 { " IN (" } else { ", " });
            statement.bind(self, value);
        }
        statement.push(")");
    }

    fn path_test(&self, statement: &mut Statement, root: PathRoot, path: &JsonPath, test: &Test) {
        statement.push("fs_test(");
        statement.push(document(root));
        statement.push(", ");
        statement.bind(self, Value::Text(wire::encode_path(path)));
        statement.push(", ");
        statement.bind(self, Value::Text(wire::encode_test(test)));
        statement.push(")");
    }

    fn path_sort_key(&self, statement: &mut Statement, root: PathRoot, path: &JsonPath) {
        statement.push("fs_sort_key(");
        statement.push(document(root));
        statement.push(", ");
        statement.bind(self, Value::Text(wire::encode_path(path)));
        statement.push(")");
    }
}

fn document(root: PathRoot) -> &'static str {
    match root {
        PathRoot::Content => "v.content",
        PathRoot::Metadata => "ifnull(v.metadata, '{}')",
    }
}

fn bound(statement: &Statement) -> impl Iterator<Item = &dyn ToSql> {
    statement.values().iter().map(|value| match value {
        Value::Integer(number) => number as &dyn ToSql,
        Value::Text(text) => text as &dyn ToSql,
        Value::Blob(bytes) => bytes as &dyn ToSql,
    })
}

/// A page of records.
pub(crate) fn query_page(conn: &Connection, query: &Query) -> Outcome<Page<Record>> {
    query.check()?;
    let after = query.position()?;
    let source = Rows::of(&query.selection, &query.order);
    let mut statement = Statement::new(&format!("SELECT {} FROM {} WHERE (", source.head(), source.from()));
    compile_filter(&source, &mut statement, &query.selection.filter);
    statement.push(")");
    if let Some(after) = &after {
        statement.push(" AND (");
        compile_after(&source, &mut statement, &query.order, after)?;
        statement.push(")");
    }
    statement.push(" ORDER BY ");
    compile_order(&source, &mut statement, &query.order);
    statement.push(&format!(" LIMIT {}", query.page.size() + 1));
    let mut select = conn.prepare(statement.text())?;
    let mut found = select.query(params_from_iter(bound(&statement)))?;
    let mut items = Vec::new();
    let mut more = false;
    while let Some(row) = found.next()? {
        more = items.len() == query.page.size();
        if !more {
            items.push(Head::read(row)?.record(conn)?);
        }
    }
    let next = items.last().filter(|_| more).map(|last| query.cursor_after(last));
    Ok(Page { items, next })
}

/// How many rows a selection has.
pub(crate) fn count(conn: &Connection, selection: &Selection) -> Outcome<u64> {
    selection.filter.check()?;
    let source = Rows::of(selection, &[]);
    let mut statement = Statement::new(&format!("SELECT count(*) FROM {} WHERE ", source.from()));
    compile_filter(&source, &mut statement, &selection.filter);
    let mut select = conn.prepare(statement.text())?;
    let rows: i64 = select.query_row(params_from_iter(bound(&statement)), |row| row.get(0))?;
    Ok(rows.cast_unsigned())
}

/// The rows wanted, in the order asked.
pub(crate) fn get_many(conn: &Connection, wanted: &[RecordRef]) -> Outcome<Vec<Option<Record>>> {
    wanted.iter().map(|wanted| get(conn, wanted)).collect()
}

/// One statement, since it is the question that is asked most.
fn get(conn: &Connection, wanted: &RecordRef) -> Outcome<Option<Record>> {
    let source = Rows { layer: wanted.layer, with_version: true };
    let select = |condition: &str| {
        let (head, from) = (source.head(), source.from());
        conn.prepare_cached(&format!("SELECT {head}, {VERSION} FROM {from} WHERE {condition}"))
    };
    let read = |row: &Row<'_>| Head::read(row)?.with_version(row, HEAD_COLUMNS);
    match &wanted.name {
        RecordName::Id(id) => {
            let mut select = select("r.id = ?1")?;
            let mut found = select.query([id.as_bytes()])?;
            found.next()?.map(read).transpose()
        }
        RecordName::Key(key) => {
            let mut select = select(
                "r.no = (SELECT k.record FROM keys k
                         WHERE k.space = (SELECT s.no FROM spaces s WHERE s.name = ?1) AND k.hash = ?2)",
            )?;
            let mut found = select.query((key.namespace().as_str(), key.hash().as_bytes()))?;
            found.next()?.map(read).transpose()
        }
    }
}

/// The number of a record by its id or key.
pub(crate) fn find(conn: &Connection, name: &RecordName) -> Outcome<Option<i64>> {
    match name {
        RecordName::Id(id) => find_record(conn, *id),
        RecordName::Key(key) => find_key(conn, key),
    }
}

/// The columns that [`Rows::head`] names.
const HEAD_COLUMNS: usize = 6;

/// What a record shows of its version.
const VERSION: &str = "v.hash, v.content, v.metadata, v.published, v.updated, v.recorded_at,
                       v.from_layer, v.from_version, v.from_hash, v.from_deleted";

/// A record without its version.
struct Head {
    id: RecordId,
    key: NaturalKey,
    key_rule: feedspine_core::KeyRule,
    first_seen: Timestamp,
    row: i64,
}

impl Head {
    fn read(row: &Row<'_>) -> Outcome<Self> {
        Ok(Self {
            id: RecordId::from_bytes(row.get(0)?),
            key: rows::key(row, 1)?,
            key_rule: rows::word(row.get_ref(3)?.as_str().map_err(rusqlite::Error::from)?)?,
            first_seen: rows::instant(row.get(4)?)?,
            row: row.get(5)?,
        })
    }

    fn record(self, conn: &Connection) -> Outcome<Record> {
        let mut select = conn.prepare_cached(&format!("SELECT {VERSION} FROM contents v WHERE v.no = ?"))?;
        let lost = || rows::corrupt("a record without its version");
        let held = versions::find(conn, self.row)?.ok_or_else(lost)?;
        let mut found = select.query([held.content])?;
        self.with_version(found.next()?.ok_or_else(lost)?, 0)
    }

    /// With the columns of [`VERSION`], which begin at that one.
    fn with_version(self, row: &Row<'_>, at: usize) -> Outcome<Record> {
        let (layer, version) = rows::split_row(self.row)?;
        Ok(Record {
            id: self.id,
            key: self.key,
            key_rule: self.key_rule,
            layer,
            version,
            content: rows::content(row, at, at + 1)?,
            metadata: rows::metadata(row, at + 2)?,
            published: rows::optional_instant(row.get(at + 3)?)?,
            updated: rows::optional_instant(row.get(at + 4)?)?,
            first_seen: self.first_seen,
            recorded_at: rows::instant(row.get(at + 5)?)?,
            derived_from: rows::lineage(row, at + 6)?,
        })
    }
}
