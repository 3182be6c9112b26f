//! Filters and orders in DuckDB's SQL, over rows of `versions`.

use feedspine_core::{Field, JsonPath, Layer, RecordId, Test};
use feedspine_sql::{Column, Dialect, PathRoot, Statement, Value, push_needles};

use crate::rows::push_hexadecimal;

/// A row of `versions` stands for a record at a layer.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Versions;

/// The rows of a selection.
pub(crate) fn rows_of(layer: Option<Layer>) -> String {
    match layer {
        None => "is_top".to_owned(),
        Some(layer) => format!("is_current AND layer = {}", layer.rank()),
    }
}

impl Dialect for Versions {
    fn placeholder(&self, _: usize) -> String {
        "?".to_owned()
    }

    fn column(&self, field: &Field) -> Column {
        match field {
            Field::Id => Column::Id { bytes: "record".to_owned(), text: "CAST(record AS VARCHAR)".to_owned() },
            Field::Namespace => Column::Text("namespace".to_owned()),
            Field::KeyRule => Column::Text("key_rule".to_owned()),
            Field::Layer => Column::Text("_layer_word(layer)".to_owned()),
            Field::Version => Column::Integer("CAST(number AS BIGINT)".to_owned()),
            Field::Published => Column::Nullable("epoch_us(published)".to_owned()),
            Field::Updated => Column::Nullable("epoch_us(updated)".to_owned()),
            Field::FirstSeen => Column::Integer("epoch_us(first_seen)".to_owned()),
            Field::RecordedAt => Column::Integer("epoch_us(recorded_at)".to_owned()),
            // The others are paths, or were refused as not stored.
            _ => Column::Text("key".to_owned()),
        }
    }

    fn position(&self, statement: &mut Statement, text: &str, part: Value) {
        statement.push("strpos(");
        statement.push(text);
        statement.push(", ");
        statement.bind(self, part);
        statement.push(")");
    }

    /// The list is bound as one text, hexadecimal where its values are text.
    fn among(&self, statement: &mut Statement, expression: &str, values: Vec<Value>) {
        let (before, after) = match values.first() {
            Some(Value::Integer(_)) => ("CAST(", " AS BIGINT)"),
            Some(Value::Blob(_)) => ("CAST(", " AS UUID)"),
            _ => ("decode(unhex(", "))"),
        };
        statement.push(&format!("{expression} IN (SELECT {before}unnest(string_split("));
        statement.bind(self, Value::Text(list(&values)));
        statement.push(&format!(", ',')){after})"));
    }

    fn path_test(&self, statement: &mut Statement, root: PathRoot, path: &JsonPath, test: &Test) {
        let document = match root {
            PathRoot::Content => "content",
            PathRoot::Metadata => "metadata",
        };
        push_needles(self, statement, document, path, test);
    }

    fn path_sort_key(&self, _: &mut Statement, _: PathRoot, _: &JsonPath) {
        unreachable!("rows ordered by a path are sorted by core, not by SQL");
    }
}

fn list(values: &[Value]) -> String {
    let element = |value: &Value| match value {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => {
            let mut digits = String::new();
            push_hexadecimal(&mut digits, text.as_bytes());
            digits
        }
        Value::Blob(id) => id_text(id),
    };
    values.iter().map(element).collect::<Vec<_>>().join(",")
}

/// The text of an id's 16 bytes.
fn id_text(id: &[u8]) -> String {
    RecordId::from_bytes(id.try_into().unwrap_or_default()).to_string()
}

/// The values of a statement as DuckDB binds them; bytes are ids.
pub(crate) fn bound(statement: &Statement) -> Vec<duckdb::types::Value> {
    let typed = statement.values().iter().map(|value| match value {
        Value::Integer(number) => duckdb::types::Value::BigInt(*number),
        Value::Text(text) => duckdb::types::Value::Text(text.clone()),
        Value::Blob(id) => duckdb::types::Value::Text(id_text(id)),
    });
    typed.collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_list_is_spelt_so_that_no_value_ends_it() {
        let texts = ["a,b", "", "\0"].map(|text| Value::Text(text.to_owned()));
        assert_eq!(list(&texts), "612c62,,00");
        assert_eq!(list(&[Value::Integer(-1), Value::Integer(2)]), "-1,2");
        assert_eq!(list(&[Value::Blob(vec![0xff; 16])]), "ffffffff-ffff-ffff-ffff-ffffffffffff");
    }
}
