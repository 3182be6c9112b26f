//! Core's own functions, callable from SQL: SQLite's JSON functions never decide anything.

use std::collections::HashSet;

use feedspine_core::{Json, JsonPath, RecordId};
use feedspine_sql::{Value, wire};
use rusqlite::functions::{Context, FunctionFlags};
use rusqlite::types::ValueRef;
use rusqlite::{Connection, Result};

use crate::rows;

/// Registers what `query.rs` compiles to.
pub(crate) fn register(conn: &Connection) -> Result<()> {
    let flags = FunctionFlags::SQLITE_UTF8 | FunctionFlags::SQLITE_DETERMINISTIC | FunctionFlags::SQLITE_DIRECTONLY;
    conn.create_scalar_function("fs_test", 3, flags, test)?;
    conn.create_scalar_function("fs_sort_key", 2, flags, sort_key)?;
    conn.create_scalar_function("fs_among", 2, flags, among)?;
    conn.create_scalar_function("fs_id", 1, flags, id)?;
    conn.create_scalar_function("fs_layer", 1, flags, layer)
}

/// `fs_id(bytes)`: an id as fields show it.
fn id(context: &Context<'_>) -> Result<String> {
    Ok(RecordId::from_bytes(context.get(0)?).to_string())
}

/// `fs_layer(row)`: the word of the layer of a version's row.
fn layer(context: &Context<'_>) -> Result<&'static str> {
    let split = rows::split_row(context.get(0)?);
    split
        .map(|(layer, _)| layer.as_str())
        .map_err(|fault| rusqlite::Error::UserFunctionError(fault.into_error().into()))
}

/// `fs_test(document, path, test)`: what core's `Test::passes` says.
fn test(context: &Context<'_>) -> Result<bool> {
    let test = context.get_or_create_aux(2, |value| decoded(wire::decode_test(value.as_str()?)))?;
    Ok(test.passes(path(context)?.find(&document(context)?)))
}

/// `fs_sort_key(document, path)`: bytes that order as the values do; empty where there is none.
fn sort_key(context: &Context<'_>) -> Result<Vec<u8>> {
    Ok(path(context)?.find(&document(context)?).map(Json::sort_key).unwrap_or_default())
}

/// `fs_among(value, list)`: whether a long list, as `encode_list` wrote it, holds the value.
fn among(context: &Context<'_>) -> Result<bool> {
    let list: std::sync::Arc<HashSet<Vec<u8>>> =
        context.get_or_create_aux(1, |value| decoded(decode_list(value.as_blob()?)))?;
    let bytes = match context.get_raw(0) {
        ValueRef::Text(text) => text.to_vec(),
        ValueRef::Blob(blob) => blob.to_vec(),
        ValueRef::Integer(number) => number.to_be_bytes().to_vec(),
        ValueRef::Null | ValueRef::Real(_) => return Ok(false),
    };
    Ok(list.contains(&bytes))
}

/// A list of values of one type for `fs_among`: each as its length in digits, a colon and its bytes.
pub(crate) fn encode_list(values: &[Value]) -> Vec<u8> {
    let mut out = Vec::new();
    for value in values {
        let number;
        let bytes = match value {
            Value::Text(text) => text.as_bytes(),
            Value::Blob(blob) => blob,
            Value::Integer(value) => {
                number = value.to_be_bytes();
                &number
            }
        };
        out.extend_from_slice(format!("{}:", bytes.len()).as_bytes());
        out.extend_from_slice(bytes);
    }
    out
}

fn decode_list(mut rest: &[u8]) -> Option<HashSet<Vec<u8>>> {
    let mut list = HashSet::new();
    while !rest.is_empty() {
        let colon = rest.iter().position(|byte| *byte == b':')?;
        let length: usize = std::str::from_utf8(&rest[..colon]).ok()?.parse().ok()?;
        let (value, after) = rest[colon + 1..].split_at_checked(length)?;
        list.insert(value.to_vec());
        rest = after;
    }
    Some(list)
}

fn path(context: &Context<'_>) -> Result<std::sync::Arc<JsonPath>> {
    context.get_or_create_aux(1, |value| decoded(wire::decode_path(value.as_str()?)))
}

fn document(context: &Context<'_>) -> Result<Json> {
    let text = context.get_raw(0).as_str()?;
    Json::parse(text).map_err(|error| rusqlite::Error::UserFunctionError(error.into()))
}

/// Decodes an argument that this crate encoded; done once for each statement.
fn decoded<T>(value: Option<T>) -> Result<T> {
    value.ok_or_else(|| rusqlite::Error::UserFunctionError("not what this program encodes".into()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_reads_back() {
        let values = [Value::Text("a:1".into()), Value::Blob(vec![]), Value::Integer(-1)];
        let list = decode_list(&encode_list(&values)).unwrap();
        let wanted = [b"a:1".to_vec(), vec![], (-1_i64).to_be_bytes().to_vec()];
        assert_eq!(list, HashSet::from(wanted));
        assert_eq!(decode_list(b"9:a"), None);
    }
}
