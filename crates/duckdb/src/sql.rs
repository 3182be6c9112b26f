//! Questions in DuckDB's SQL.

use std::num::NonZeroUsize;

use duckdb::Connection;
use feedspine_core::json::JsonError;
use feedspine_core::{ErrorKind, Json, SqlAnswer, StorageError};

use crate::error::{Fault, Outcome};
use crate::rows;

/// Runs one `SELECT`. The text is parsed by `json_serialize_sql`, which takes no other statement, and what runs is the
/// tree that it gives, not the text. Of columns with equal names the second is called `name_1`, the third `name_2`.
pub(crate) fn ask(conn: &Connection, text: &str, most: NonZeroUsize) -> Outcome<SqlAnswer> {
    let question = parse(conn, text)?;
    let limit = i64::try_from(most.get()).unwrap_or(i64::MAX).saturating_add(1);
    let answered = within(conn, question).and_then(|tree| run(conn, &tree, limit));
    let mut answer: SqlAnswer = answered.map_err(|fault| of_a_question(conn, fault))?;
    answer.more = answer.rows.len() > most.get();
    answer.rows.truncate(most.get());
    Ok(answer)
}

/// What DuckDB has against a question, or against a file that it names, is the asker's to mend, if nothing is wrong with
/// the store or with the machine.
fn of_a_question(conn: &Connection, fault: Fault) -> Fault {
    let judged = match fault {
        fault @ Fault::Duck(_) => fault.into_error(),
        Fault::Storage(error) => return error.into(),
    };
    let of_the_store = conn.path().is_some_and(|path| judged.to_string().contains(&*path.to_string_lossy()));
    let of_files = matches!(judged.kind(), ErrorKind::Denied | ErrorKind::Corrupt | ErrorKind::Unsupported)
        || judged.kind() == ErrorKind::Unavailable && judged.hint().is_none();
    let of_the_asker = judged.kind() == ErrorKind::Internal || of_files && !of_the_store;
    if of_the_asker { invalid(&judged.to_string()).with_source(judged).into() } else { judged.into() }
}

fn invalid(message: &str) -> StorageError {
    StorageError::invalid(message).with_hint("ask one SELECT, over the views or over files: SELECT * FROM records")
}

/// The tree of the one question that the text is.
fn parse(conn: &Connection, text: &str) -> Outcome<Json> {
    let parsed =
        serialized(conn, text)?.map_err(|error| invalid(&format!("the question is nested too deep: {error}")))?;
    if let Some(name) = acting(&parsed) {
        return Err(invalid(&format!("{name} is a function that may do more than answer")).into());
    }
    let Json::Object(mut members) = parsed else { return Err(invalid("not a question").into()) };
    let is_error = members.get("error") != Some(&Json::Bool(false));
    match members.remove("statements") {
        Some(Json::Array(mut statements)) if !is_error && statements.len() == 1 => Ok(statements.remove(0)),
        Some(_) if !is_error => Err(invalid("one question at a time").into()),
        _ => {
            let message = members.get("error_message").and_then(Json::as_str).unwrap_or("not a SELECT");
            Err(invalid(message).into())
        }
    }
}

fn serialized(conn: &Connection, text: &str) -> Outcome<Result<Json, JsonError>> {
    let tree = rows::first(conn, "SELECT json_serialize_sql(CAST(? AS VARCHAR))", &[&text], rows::value::<String>)?;
    Ok(Json::parse(&tree.unwrap_or_default()))
}

/// The tree of a question about all columns of another: DuckDB gives the columns of a subquery a name each, and what is to
/// be executed must have one for each.
fn within(conn: &Connection, question: Json) -> Outcome<String> {
    let changed = || StorageError::internal("DuckDB writes trees in another way than it did");
    let mut tree = serialized(conn, "SELECT * FROM (SELECT 1) AS answer")?.map_err(|_| changed())?;
    let node = member(&mut tree, "statements")
        .and_then(|statements| match statements {
            Json::Array(statements) => statements.first_mut(),
            _ => None,
        })
        .and_then(|statement| member(statement, "node"))
        .and_then(|node| member(node, "from_table"))
        .and_then(|table| member(table, "subquery"));
    *node.ok_or_else(changed)? = question;
    Ok(tree.to_canonical())
}

fn member<'a>(of: &'a mut Json, name: &str) -> Option<&'a mut Json> {
    match of {
        Json::Object(members) => members.get_mut(name),
        _ => None,
    }
}

/// Table functions that only read; others turn logs on that are files, write checkpoints, or change what follows.
const READING: [&str; 12] = [
    "parquet_scan",
    "parquet_metadata",
    "parquet_schema",
    "parquet_file_metadata",
    "parquet_kv_metadata",
    "unnest",
    "range",
    "generate_series",
    "repeat",
    "glob",
    "json_each",
    "json_tree",
];

/// The first function in a tree that may do more than answer: a read-only transaction binds none of them.
fn acting(tree: &Json) -> Option<String> {
    match tree {
        Json::Object(members) => {
            let text = |of: &Json, name: &str| Some(of.get(name)?.as_str()?.to_lowercase());
            let of_rows = (text(tree, "type").as_deref() == Some("table_function"))
                .then(|| members.get("function").and_then(|function| text(function, "function_name")))
                .flatten()
                .filter(|name| !name.starts_with("read_") && !READING.contains(&name.as_str()));
            let of_values = text(tree, "function_name").filter(|name| name == "write_log");
            of_rows.or(of_values).or_else(|| members.values().find_map(acting))
        }
        Json::Array(elements) => elements.iter().find_map(acting),
        _ => None,
    }
}

fn run(conn: &Connection, tree: &str, limit: i64) -> Outcome<SqlAnswer> {
    let mut statement =
        conn.prepare("SELECT to_json(COLUMNS(*)) FROM (FROM json_execute_serialized_sql(?)) LIMIT ?")?;
    let mut found = statement.query(duckdb::params![tree, limit])?;
    let columns: Vec<String> = found
        .as_ref()
        .map(|statement| statement.schema().fields().iter().map(|field| field.name().clone()).collect())
        .unwrap_or_default();
    let mut rows = Vec::new();
    while let Some(row) = found.next()? {
        let values = (0..columns.len()).map(|column| {
            let text: Option<String> = row.get(column)?;
            // JSON that core does not read, such as a number beyond all bounds, is answered as its text.
            Ok(text.map_or(Json::Null, |text| Json::parse(&text).unwrap_or(Json::from(text))))
        });
        rows.push(values.collect::<Outcome<Vec<Json>>>()?);
    }
    Ok(SqlAnswer { columns, rows, more: false })
}
