//! Filters and orders in PostgreSQL's SQL, and how much of a filter it can say.

use feedspine_core::{Field, Filter, Json, JsonPath, Layer, Order, StorageError, Test};
use feedspine_sql::{Column, Dialect, PathRoot, Statement, Value};
use uuid::Uuid;

use crate::rows;

/// Tests with more operands than this are not helped by SQL.
const MOST_NEEDLES: usize = 32;

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

pub(crate) fn is_path(field: &Field) -> bool {
    matches!(field, Field::Content(_) | Field::Metadata(_))
}

/// Whether SQL cannot decide a filter alone.
pub(crate) fn names_a_path(filter: &Filter) -> bool {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().any(names_a_path),
        Filter::Not(filter) => names_a_path(filter),
        Filter::Field(field, _) => is_path(field),
    }
}

/// What SQL says of a filter: the same, where no path is named; else something that passes whatever the filter passes.
pub(crate) fn in_sql(filter: &Filter) -> Filter {
    widened(filter, true)
}

/// Passes at least what the filter passes; under a `Not`, at most that.
fn widened(filter: &Filter, wider: bool) -> Filter {
    match filter {
        Filter::All(filters) => Filter::All(filters.iter().map(|filter| widened(filter, wider)).collect()),
        Filter::Any(filters) => Filter::Any(filters.iter().map(|filter| widened(filter, wider)).collect()),
        Filter::Not(filter) => Filter::Not(Box::new(widened(filter, !wider))),
        // In SQL a test of a path passes more than it should.
        Filter::Field(field, _) if is_path(field) && !wider => Filter::Any(Vec::new()),
        Filter::Field(field, test) if is_path(field) => Filter::Field(field.clone(), test.clone()),
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

    /// What the canonical text must hold for the test to pass. Canonical text spells one value in one way, and a value's
    /// text stands in that of whatever holds it.
    fn path_test(&self, statement: &mut Statement, root: PathRoot, path: &JsonPath, test: &Test) {
        let document = match root {
            PathRoot::Content => "v.content",
            PathRoot::Metadata => "coalesce(v.metadata, '{}')",
        };
        let needles = Needles::of(path, test);
        let holds = |statement: &mut Statement, needle: String| {
            self.position(statement, document, Value::Text(needle));
            statement.push(" > 0");
        };
        statement.push("(TRUE");
        for needle in needles.all {
            statement.push(" AND ");
            holds(statement, needle);
        }
        if let Some(any) = needles.any {
            statement.push(" AND (FALSE");
            for needle in any {
                statement.push(" OR ");
                holds(statement, needle);
            }
            statement.push(")");
        }
        statement.push(")");
    }

    fn path_sort_key(&self, _: &mut Statement, _: PathRoot, _: &JsonPath) {
        unreachable!("rows ordered by a path are sorted by core, not by SQL");
    }
}

/// Texts that a document must hold: all of the first, and at least one of the second.
#[derive(Debug, PartialEq, Eq)]
struct Needles {
    all: Vec<String>,
    any: Option<Vec<String>>,
}

impl Needles {
    fn of(path: &JsonPath, test: &Test) -> Self {
        // A name of digits may be a place in an array, which has no name in the text.
        let name = path.names().last().filter(|name| name.parse::<usize>().is_err());
        let name = name.map(|name| format!("{}:", Json::from(name.as_str()))).unwrap_or_default();
        let only = |needle: String| Self { all: vec![needle], any: None };
        match test {
            Test::Equal(operand) => only(format!("{name}{operand}")),
            Test::In(operands) if operands.len() <= MOST_NEEDLES => {
                let any = operands.iter().map(|operand| format!("{name}{operand}")).collect();
                Self { all: Vec::new(), any: Some(any) }
            }
            Test::Prefix(prefix) => only(format!("{name}\"{}", escaped(prefix))),
            Test::Contains(part) => Self { all: vec![format!("{name}\""), escaped(part)], any: None },
            _ => only(name),
        }
    }
}

/// A text as it stands between the quotes of a JSON string; each character is escaped by itself.
fn escaped(text: &str) -> String {
    let quoted = Json::from(text).to_canonical();
    quoted[1..quoted.len() - 1].to_owned()
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
    fn a_test_of_a_path_under_a_not_is_left_to_core() {
        let path = Field::Content(JsonPath::parse("a").unwrap());
        let test = Filter::Field(path, Test::Present);
        let not = |filter: &Filter| Filter::Not(Box::new(filter.clone()));
        assert_eq!(in_sql(&test), test);
        assert_eq!(in_sql(&not(&test)), not(&Filter::Any(vec![])));
        assert_eq!(in_sql(&not(&not(&test))), not(&not(&test)));
    }

    #[test]
    fn what_passes_holds_the_needles() {
        let needles = |path: &[&str], test: Test| Needles::of(&JsonPath::of(path.iter().copied()), &test);
        let all = |needles: &[&str]| Needles { all: needles.iter().map(|n| (*n).to_owned()).collect(), any: None };
        assert_eq!(needles(&["a", "b"], Test::Equal(Json::from("x\0"))), all(&[r#""b":"x\u0000""#]));
        assert_eq!(needles(&["a", "0"], Test::Equal(Json::from(5_i64))), all(&["5"]));
        assert_eq!(needles(&["a\"b"], Test::Present), all(&[r#""a\"b":"#]));
        assert_eq!(needles(&["a"], Test::Prefix("x\"".into())), all(&[r#""a":"x\""#]));
        assert_eq!(needles(&["a"], Test::Contains("\n".into())), all(&[r#""a":""#, r"\n"]));
        let none = Needles { all: vec![], any: Some(vec![]) };
        assert_eq!(needles(&["a"], Test::In(vec![])), none);
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
