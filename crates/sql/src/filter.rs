//! Filters.

use feedspine_core::{Field, Filter, Json, Number, Test};

use crate::{Column, Dialect, PathRoot, Statement, Value};

/// Appends a condition that means what [`Filter::matches`] means, for a filter that passed [`Filter::check`].
pub fn compile_filter<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, filter: &Filter) {
    match filter {
        Filter::All(filters) => join(dialect, statement, filters, " AND ", "TRUE"),
        Filter::Any(filters) => join(dialect, statement, filters, " OR ", "FALSE"),
        Filter::Not(inner) => {
            statement.push("NOT ");
            parenthesised(statement, |statement| compile_filter(dialect, statement, inner));
        }
        Filter::Field(field, test) => compile_test(dialect, statement, field, test),
    }
}

/// Joins as a balanced tree: stores bound the depth of an expression, and a flat chain of a thousand is that deep.
fn join<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, filters: &[Filter], by: &str, none: &str) {
    match filters {
        [] => statement.push(none),
        [only] => compile_filter(dialect, statement, only),
        _ => {
            let (left, right) = filters.split_at(filters.len() / 2);
            parenthesised(statement, |statement| join(dialect, statement, left, by, none));
            statement.push(by);
            parenthesised(statement, |statement| join(dialect, statement, right, by, none));
        }
    }
}

fn parenthesised(statement: &mut Statement, inner: impl FnOnce(&mut Statement)) {
    statement.push("(");
    inner(statement);
    statement.push(")");
}

fn compile_test<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, field: &Field, test: &Test) {
    match field {
        Field::Content(path) => return dialect.path_test(statement, PathRoot::Content, path, test),
        Field::Metadata(path) => return dialect.path_test(statement, PathRoot::Metadata, path, test),
        _ => {}
    }
    match dialect.column(field) {
        Column::Text(column) => text_test(dialect, statement, &column, test),
        Column::Id { bytes, text: column } => id_test(dialect, statement, &bytes, &column, test),
        Column::Integer(number) => number_test(dialect, statement, &number, test),
        Column::Nullable(number) => nullable_test(dialect, statement, &number, test),
    }
}

fn text_test<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, column: &str, test: &Test) {
    let compare = |statement: &mut Statement, operator: &str, operand: &Json| match operand {
        Json::String(operand) => {
            statement.push(column);
            statement.push(operator);
            statement.bind(dialect, Value::Text(operand.clone()));
        }
        _ => statement.push("FALSE"),
    };
    match test {
        Test::Equal(operand) => compare(statement, " = ", operand),
        Test::Less(operand) => compare(statement, " < ", operand),
        Test::AtMost(operand) => compare(statement, " <= ", operand),
        Test::Greater(operand) => compare(statement, " > ", operand),
        Test::AtLeast(operand) => compare(statement, " >= ", operand),
        Test::In(operands) => {
            let texts = operands.iter().filter_map(Json::as_str);
            among(dialect, statement, column, texts.map(|operand| Value::Text(operand.to_owned())).collect());
        }
        Test::Prefix(prefix) => {
            dialect.position(statement, column, Value::Text(prefix.clone()));
            statement.push(" = 1");
        }
        Test::Contains(part) => {
            dialect.position(statement, column, Value::Text(part.clone()));
            statement.push(" > 0");
        }
        Test::Present => statement.push("TRUE"),
    }
}

/// The usual questions of an id go by its bytes, which have an index; the unusual ones by its text.
fn id_test<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, bytes: &str, column: &str, test: &Test) {
    let wanted = match test {
        Test::Equal(operand) => std::slice::from_ref(operand),
        Test::In(operands) => operands.as_slice(),
        _ => return text_test(dialect, statement, column, test),
    };
    let ids = wanted.iter().filter_map(Json::as_str).filter_map(id_bytes);
    among(dialect, statement, bytes, ids.map(Value::Blob).collect());
}

/// The 16 bytes, when this is just the text that an id is shown as.
fn id_bytes(text: &str) -> Option<Vec<u8>> {
    let id: feedspine_core::RecordId = text.parse().ok()?;
    (id.to_string() == text).then(|| id.as_bytes().to_vec())
}

fn among<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, expression: &str, values: Vec<Value>) {
    if values.is_empty() {
        statement.push("FALSE");
    } else {
        dialect.among(statement, expression, values);
    }
}

fn number_test<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, number: &str, test: &Test) {
    let compare = |statement: &mut Statement, operator: &str, bound: Bound| match bound {
        Bound::Always => statement.push("TRUE"),
        Bound::Never => statement.push("FALSE"),
        Bound::At(operand) => {
            statement.push(number);
            statement.push(operator);
            statement.bind(dialect, Value::Integer(operand));
        }
    };
    match test {
        Test::Equal(operand) => compare(statement, " = ", exactly(operand)),
        Test::In(operands) => {
            let wanted = operands.iter().filter_map(|operand| match exactly(operand) {
                Bound::At(operand) => Some(Value::Integer(operand)),
                Bound::Always | Bound::Never => None,
            });
            among(dialect, statement, number, wanted.collect());
        }
        // x < 2.5 is x <= 2, x < 2 is x <= 1; and so on.
        Test::Less(operand) => compare(statement, " < ", at_least(operand)),
        Test::AtLeast(operand) => compare(statement, " >= ", at_least(operand).reversed(operand)),
        Test::AtMost(operand) => compare(statement, " <= ", at_most(operand)),
        Test::Greater(operand) => compare(statement, " > ", at_most(operand).reversed(operand)),
        Test::Prefix(_) | Test::Contains(_) => statement.push("FALSE"),
        Test::Present => statement.push("TRUE"),
    }
}

/// What a whole number has to be compared with.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Bound {
    At(i64),
    /// Every whole number of 64 bits passes.
    Always,
    /// None does.
    Never,
}

impl Bound {
    /// The bound of the opposite comparison: beyond the range of 64 bits the answer turns round, but what is no number
    /// passes neither.
    fn reversed(self, operand: &Json) -> Self {
        match self {
            Self::Always => Self::Never,
            Self::Never if matches!(operand, Json::Number(_)) => Self::Always,
            other => other,
        }
    }
}

fn exactly(operand: &Json) -> Bound {
    match operand {
        Json::Number(number) => number.as_i64().map_or(Bound::Never, Bound::At),
        _ => Bound::Never,
    }
}

/// For `<`: the smallest whole number that is not smaller than the operand.
fn at_least(operand: &Json) -> Bound {
    let Json::Number(number) = operand else { return Bound::Never };
    match smallest(|whole| Number::from(whole) >= *number) {
        Some(whole) => Bound::At(whole),
        None => Bound::Always,
    }
}

/// For `<=`: the greatest whole number that is not greater than the operand.
fn at_most(operand: &Json) -> Bound {
    let Json::Number(number) = operand else { return Bound::Never };
    match smallest(|whole| Number::from(whole) > *number) {
        Some(i64::MIN) => Bound::Never,
        Some(above) => Bound::At(above - 1),
        None => Bound::At(i64::MAX),
    }
}

/// The smallest whole number of 64 bits that passes a test which all greater ones pass too.
fn smallest(passes: impl Fn(i64) -> bool) -> Option<i64> {
    let (mut low, mut high) = (i128::from(i64::MIN), i128::from(i64::MAX) + 1);
    while low < high {
        let middle = (low + high).div_euclid(2);
        let whole = i64::try_from(middle).expect("lies between two of 64 bits");
        if passes(whole) { high = middle } else { low = middle + 1 }
    }
    i64::try_from(low).ok()
}

/// Null is a value: equal to null, and not smaller than null.
fn nullable_test<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, number: &str, test: &Test) {
    let wants_null = match test {
        Test::Equal(operand) | Test::AtMost(operand) | Test::AtLeast(operand) => *operand == Json::Null,
        Test::In(operands) => operands.contains(&Json::Null),
        Test::Present => return statement.push("TRUE"),
        Test::Less(_) | Test::Greater(_) | Test::Prefix(_) | Test::Contains(_) => false,
    };
    // Said of null first, so that the whole is never null itself.
    let null_first = if wants_null { " IS NULL OR " } else { " IS NOT NULL AND " };
    parenthesised(statement, |statement| {
        statement.push(number);
        statement.push(null_first);
        parenthesised(statement, |statement| number_test(dialect, statement, number, test));
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    fn json(text: &str) -> Json {
        Json::parse(text).unwrap()
    }

    #[test]
    fn bounds_of_whole_numbers_are_exact() {
        let table = [
            ("2", Bound::At(2), Bound::At(2)),
            ("2.5", Bound::At(3), Bound::At(2)),
            ("-2.5", Bound::At(-2), Bound::At(-3)),
            ("1e-400", Bound::At(1), Bound::At(0)),
            ("9223372036854775807", Bound::At(i64::MAX), Bound::At(i64::MAX)),
            ("9223372036854775808", Bound::Always, Bound::At(i64::MAX)),
            ("-9223372036854775808", Bound::At(i64::MIN), Bound::At(i64::MIN)),
            ("-9223372036854775809", Bound::At(i64::MIN), Bound::Never),
            ("1e400", Bound::Always, Bound::At(i64::MAX)),
            ("\"2\"", Bound::Never, Bound::Never),
        ];
        for (operand, not_smaller, not_greater) in table {
            let operand = json(operand);
            assert_eq!((at_least(&operand), at_most(&operand)), (not_smaller, not_greater), "{operand}");
        }
    }
}
