//! Questions in DuckDB's SQL.

use std::num::NonZeroUsize;

use duckdb::Connection;
use feedspine_core::{ErrorKind, Json, SqlAnswer, StorageError};

use crate::error::{Fault, Outcome};
use crate::rows;

/// Runs one `SELECT`. The text is parsed by `json_serialize_sql`, which takes no other statement, and what runs is the
/// tree that it gives, not the text.
pub(crate) fn ask(conn: &Connection, text: &str, most: NonZeroUsize) -> Outcome<SqlAnswer> {
    let tree = parse(conn, text)?;
    let limit = i64::try_from(most.get()).unwrap_or(i64::MAX).saturating_add(1);
    let answered = run(conn, &tree, limit).map_err(|fault| match fault {
        // What DuckDB has against a question is the asker's to mend, if nothing is wrong with the store.
        Fault::Duck(error) => {
            let judged = Fault::Duck(error).into_error();
            if judged.kind() == ErrorKind::Internal { invalid(&judged.to_string()) } else { judged }
        }
        Fault::Storage(error) => error,
    });
    let mut answer: SqlAnswer = answered?;
    answer.more = answer.rows.len() > most.get();
    answer.rows.truncate(most.get());
    Ok(answer)
}

fn invalid(message: &str) -> StorageError {
    StorageError::invalid(message).with_hint("ask one SELECT, over the views or over files: SELECT * FROM records")
}

/// The tree of the one question that the text is.
fn parse(conn: &Connection, text: &str) -> Outcome<String> {
    let tree = rows::first(conn, "SELECT json_serialize_sql(CAST(? AS VARCHAR))", &[&text], rows::value::<String>)?
        .unwrap_or_default();
    let parsed = Json::parse(&tree).map_err(|error| invalid(&format!("the question is nested too deep: {error}")))?;
    if let Some(name) = acting(&parsed) {
        return Err(invalid(&format!("{name} is a function that may do more than answer")).into());
    }
    let Json::Object(members) = parsed else { return Err(invalid("not a question").into()) };
    let member = |name: &str| members.get(name);
    match (member("error"), member("statements")) {
        (Some(Json::Bool(false)), Some(Json::Array(statements))) if statements.len() == 1 => Ok(tree),
        (Some(Json::Bool(true)), _) => {
            let message = member("error_message").and_then(Json::as_str).unwrap_or("not a SELECT");
            Err(invalid(message).into())
        }
        _ => Err(invalid("one question at a time").into()),
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
