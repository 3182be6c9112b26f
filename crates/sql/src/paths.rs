//! Tests of JSON paths for stores that leave them to core: SQL lets through what may pass, [`Filter::matches`] decides.

use feedspine_core::{Field, Filter, Json, JsonPath, Test};

use crate::{Dialect, Statement, Value};

/// Tests with more operands than this are not helped by SQL.
const MOST_NEEDLES: usize = 32;

/// Whether a field is a path into a JSON document.
pub fn is_path(field: &Field) -> bool {
    matches!(field, Field::Content(_) | Field::Metadata(_))
}

/// Whether SQL cannot decide a filter alone.
pub fn names_a_path(filter: &Filter) -> bool {
    match filter {
        Filter::All(filters) | Filter::Any(filters) => filters.iter().any(names_a_path),
        Filter::Not(filter) => names_a_path(filter),
        Filter::Field(field, _) => is_path(field),
    }
}

/// What SQL says of a filter whose tests of paths are compiled by [`push_needles`], which pass more than they should:
/// the same where no path is named, else something that passes whatever the filter passes.
pub fn widened(filter: &Filter) -> Filter {
    widen(filter, true)
}

/// Passes at least what the filter passes; under a `Not`, at most that.
fn widen(filter: &Filter, wider: bool) -> Filter {
    match filter {
        Filter::All(filters) => Filter::All(filters.iter().map(|filter| widen(filter, wider)).collect()),
        Filter::Any(filters) => Filter::Any(filters.iter().map(|filter| widen(filter, wider)).collect()),
        Filter::Not(filter) => Filter::Not(Box::new(widen(filter, !wider))),
        Filter::Field(field, _) if is_path(field) && !wider => Filter::Any(Vec::new()),
        Filter::Field(..) => filter.clone(),
    }
}

/// Appends what the canonical text of a document must hold for the test of a path into it to pass. Canonical text spells
/// one value in one way, and a value's text stands in that of whatever holds it.
pub fn push_needles<D: Dialect + ?Sized>(
    dialect: &D,
    statement: &mut Statement,
    document: &str,
    path: &JsonPath,
    test: &Test,
) {
    let needles = Needles::of(path, test);
    let holds = |statement: &mut Statement, needle: String| {
        dialect.position(statement, document, Value::Text(needle));
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

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_test_of_a_path_under_a_not_is_left_to_core() {
        let path = Field::Content(JsonPath::parse("a").unwrap());
        let test = Filter::Field(path, Test::Present);
        let not = |filter: &Filter| Filter::Not(Box::new(filter.clone()));
        assert_eq!(widened(&test), test);
        assert_eq!(widened(&not(&test)), not(&Filter::Any(vec![])));
        assert_eq!(widened(&not(&not(&test))), not(&not(&test)));
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
}
