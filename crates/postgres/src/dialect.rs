//! Filters and orders in PostgreSQL's SQL, and how much of a filter it can say.

use feedspine_core::{Field, Filter, Json, JsonPath, Layer, Order, StorageError, Test};
use feedspine_sql::{Column, Dialect, PathRoot, Statement, Value, is_path, push_needles, widened};
use uuid::Uuid;

use crate::rows;

/// The rows of one selection: records at their highest layer, or at a given one.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Rows {
    layer: Option<Layer>,
    /// The version that is shown takes part, not its number alone.
    with_version: bool,
}

impl Rows {
    pub(crate) fn of(layer: Option<Layer>, filter: &Filter, order: &[Order]) -> Self {
        let narrow = reads_narrow(filter) && order.iter().all(|term| is_narrow(&term.field));
        Self { layer, with_version: layer.is_some() || !narrow }
    }

    pub(crate) fn from(self) -> String {
        match self.layer {
            None if self.with_version => "records r JOIN versions v
                ON v.record = r.id AND v.layer = r.top_layer AND v.number = r.top_version"
                .to_owned(),
            None => "records r".to_owned(),
            Some(layer) => format!(
                "records r JOIN LATERAL (SELECT * FROM versions x WHERE x.record = r.id AND x.layer = {}
                 ORDER BY x.number DESC LIMIT 1) v ON true",
                rows::layer_rank(layer)
            ),
        }
    }

    pub(crate) fn layer(self) -> &'static str {
        if self.layer.is_none() { "r.top_layer" } else { "v.layer" }
    }

    pub(crate) fn number(self) -> &'static str {
        if self.layer.is_none() { "r.top_version" } else { "v.number" }
    }
}

/// Refuses a position that no row can have: PostgreSQL's text holds no NUL.
pub(crate) fn check_position(position: &[Json]) -> Result<(), StorageError> {
    if position.iter().filter_map(Json::as_str).any(|text| text.contains('\0')) {
        return Err(StorageError::invalid("the cursor does not fit the order"));
    }
    Ok(())
}

/// Whether a field of a record's highest layer is in the narrow table.
fn is_narrow(field: &Field) -> bool {
    !matches!(field, Field::Updated | Field::RecordedAt | Field::Content(_) | Field::Metadata(_))
}

fn reads_narrow(filter: &Filter) -> bool {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().all(reads_narrow),
        Filter::Not(filter) => reads_narrow(filter),
        Filter::Field(field, _) => is_narrow(field),
    }
}

/// What SQL says of a filter: the same, where no path is named; else something that passes whatever the filter passes.
pub(crate) fn in_sql(filter: &Filter) -> Filter {
    without_nuls(&widened(filter))
}

fn without_nuls(filter: &Filter) -> Filter {
    match filter {
        Filter::All(filters) => Filter::All(filters.iter().map(without_nuls).collect()),
        Filter::Any(filters) => Filter::Any(filters.iter().map(without_nuls).collect()),
        Filter::Not(filter) => Filter::Not(Box::new(without_nuls(filter))),
        Filter::Field(field, _) if is_path(field) => filter.clone(),
        Filter::Field(field, test) => without_nul(field, test),
    }
}

/// The same test of a field that never holds NUL, without NUL in its operand: PostgreSQL's text cannot hold one.
///
/// `x < "a\0b"` is `x <= "a"`, since what begins with `a` and goes on is greater than both.
fn without_nul(field: &Field, test: &Test) -> Filter {
    let never = || Filter::Any(Vec::new());
    let cut = |operand: &Json| {
        let (before, _) = operand.as_str()?.split_once('\0')?;
        Some(Json::from(before))
    };
    let of = |test: Test| Filter::Field(field.clone(), test);
    match test {
        Test::Equal(operand) if cut(operand).is_some() => never(),
        Test::In(operands) => of(Test::In(operands.iter().filter(|operand| cut(operand).is_none()).cloned().collect())),
        Test::Less(operand) | Test::AtMost(operand) if cut(operand).is_some() => {
            cut(operand).map_or_else(never, |operand| of(Test::AtMost(operand)))
        }
        Test::Greater(operand) | Test::AtLeast(operand) if cut(operand).is_some() => {
            cut(operand).map_or_else(never, |operand| of(Test::Greater(operand)))
        }
        Test::Prefix(part) | Test::Contains(part) if part.contains('\0') => never(),
        _ => of(test.clone()),
    }
}

impl Dialect for Rows {
    fn placeholder(&self, number: usize) -> String {
        format!("${number}")
    }

    fn column(&self, field: &Field) -> Column {
        let text = |expression: String| Column::Text(format!("({expression} COLLATE \"C\")"));
        match field {
            Field::Id => Column::Id { bytes: "r.id".to_owned(), text: "(r.id::text COLLATE \"C\")".to_owned() },
            Field::Namespace => Column::Text("r.namespace".to_owned()),
            Field::KeyRule => Column::Text("r.key_rule".to_owned()),
            Field::Layer => {
                let words = Layer::ALL.map(|layer| format!("WHEN {} THEN '{layer}'", rows::layer_rank(layer)));
                text(format!("CASE {} {} END", self.layer(), words.join(" ")))
            }
            Field::Version => Column::Integer(self.number().to_owned()),
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
        statement.push("strpos(");
        statement.push(text);
        statement.push(", ");
        statement.bind(self, part);
        statement.push(")");
    }

    /// The list is bound as one text in the form of an array: the number of values has a bound.
    fn among(&self, statement: &mut Statement, expression: &str, values: Vec<Value>) {
        let kind = match values.first() {
            Some(Value::Integer(_)) => "bigint[]",
            Some(Value::Blob(_)) => "uuid[]",
            _ => "text[]",
        };
        statement.push(expression);
        statement.push(" = ANY(");
        statement.bind(self, Value::Text(array_literal(&values)));
        statement.push("::text::");
        statement.push(kind);
        statement.push(")");
    }

    fn path_test(&self, statement: &mut Statement, root: PathRoot, path: &JsonPath, test: &Test) {
        let document = match root {
            PathRoot::Content => "v.content",
            PathRoot::Metadata => "coalesce(v.metadata, '{}')",
        };
        push_needles(self, statement, document, path, test);
    }

    fn path_sort_key(&self, _: &mut Statement, _: PathRoot, _: &JsonPath) {
        unreachable!("rows ordered by a path are sorted by core, not by SQL");
    }
}

/// PostgreSQL's text form of an array (its manual, section 8.15.6).
fn array_literal(values: &[Value]) -> String {
    let element = |value: &Value| match value {
        Value::Integer(number) => number.to_string(),
        Value::Text(text) => format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\"")),
        Value::Blob(id) => Uuid::from_slice(id).unwrap_or_default().to_string(),
    };
    format!("{{{}}}", values.iter().map(element).collect::<Vec<_>>().join(","))
}

#[cfg(test)]
mod tests {
    use feedspine_sql::compile_filter;

    use super::*;

    fn key(test: Test) -> Filter {
        Filter::Field(Field::Key, test)
    }

    #[test]
    fn an_operand_with_nul_means_the_same_without_it() {
        let never = Filter::Any(vec![]);
        let nul = || Json::from("a\0b");
        let table = [
            (Test::Equal(nul()), never.clone()),
            (Test::In(vec![nul(), Json::from("c")]), key(Test::In(vec![Json::from("c")]))),
            (Test::Less(nul()), key(Test::AtMost(Json::from("a")))),
            (Test::AtMost(nul()), key(Test::AtMost(Json::from("a")))),
            (Test::Greater(nul()), key(Test::Greater(Json::from("a")))),
            (Test::AtLeast(nul()), key(Test::Greater(Json::from("a")))),
            (Test::Prefix("a\0".into()), never.clone()),
            (Test::Contains("\0".into()), never),
        ];
        for (test, meant) in table {
            assert_eq!(in_sql(&key(test.clone())), meant, "{test:?}");
        }
        for (held, below) in [("a", true), ("", true), ("a\u{1}", false), ("ab", false), ("b", false)] {
            let test = |test: Test| test.passes(Some(&Json::from(held)));
            assert_eq!((test(Test::Less(nul())), test(Test::AtMost(Json::from("a")))), (below, below), "{held:?}");
        }
    }

    #[test]
    fn no_value_is_ever_written_into_the_text() {
        let hostile = "x'\"\\ OR 1=1 --";
        let path = Field::Content(JsonPath::of([hostile]));
        let filter = Filter::All(vec![
            key(Test::Equal(Json::from(hostile))),
            key(Test::In(vec![Json::from(hostile), Json::Null])),
            Filter::Field(path.clone(), Test::Prefix(hostile.into())),
            Filter::Field(path, Test::In(vec![Json::from(hostile)])),
        ]);
        let mut statement = Statement::default();
        compile_filter(&Rows { layer: None, with_version: true }, &mut statement, &in_sql(&filter));
        assert!(!statement.text().contains("OR 1=1"), "{}", statement.text());
        assert_eq!(statement.values().len(), 4);
    }

    #[test]
    fn an_array_is_spelt_so_that_no_value_ends_it() {
        let texts = ["a", "\"},{", "\\", "NULL", ""].map(|text| Value::Text(text.to_owned()));
        assert_eq!(array_literal(&texts), r#"{"a","\"},{","\\","NULL",""}"#);
        assert_eq!(array_literal(&[Value::Integer(-1), Value::Integer(2)]), "{-1,2}");
    }
}
