//! Orders and keyset positions.

use feedspine_core::{Direction, Field, Json, Order, StorageError};

use crate::{Column, Dialect, PathRoot, Statement, Value};

/// Sorts before every instant; what a missing one is ordered as.
const BEFORE_ALL: i64 = i64::MIN;

/// Appends the terms of an `ORDER BY`, the id always last, for orders that passed [`Field::check_stored`].
pub fn compile_order<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, order: &[Order]) {
    for term in order {
        push_term(dialect, statement, &term.field);
        statement.push(match term.direction {
            Direction::Ascending => ", ",
            Direction::Descending => " DESC, ",
        });
    }
    push_term(dialect, statement, &Field::Id);
}

/// Appends the condition that a row comes after a position, as [`feedspine_core::Query::position`] gives it.
///
/// # Errors
/// `Invalid` when a value of the position is not one that its term can have.
pub fn compile_after<D: Dialect + ?Sized>(
    dialect: &D,
    statement: &mut Statement,
    order: &[Order],
    position: &[Json],
) -> Result<(), StorageError> {
    let by_id = Order { field: Field::Id, direction: Direction::Ascending };
    let misfit = || StorageError::invalid("the cursor does not fit the order");
    let terms = order.iter().chain([&by_id]).zip(position);
    let terms: Vec<(&Order, Value)> = terms
        .map(|(term, place)| Some((term, place_of(dialect, &term.field, place)?)))
        .collect::<Option<_>>()
        .ok_or_else(misfit)?;
    if terms.len() != order.len() + 1 {
        return Err(misfit());
    }
    push_after(dialect, statement, &terms);
    Ok(())
}

/// `a >= x AND (a > x OR (the rest is after))`: the first comparison lets an index seek.
fn push_after<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, terms: &[(&Order, Value)]) {
    let Some(((term, place), rest)) = terms.split_first() else { return statement.push("FALSE") };
    let (beyond, or_there) = match term.direction {
        Direction::Ascending => (" > ", " >= "),
        Direction::Descending => (" < ", " <= "),
    };
    let compare = |statement: &mut Statement, operator: &str| {
        push_term(dialect, statement, &term.field);
        statement.push(operator);
        statement.bind(dialect, place.clone());
    };
    if rest.is_empty() {
        return compare(statement, beyond);
    }
    compare(statement, or_there);
    statement.push(" AND (");
    compare(statement, beyond);
    statement.push(" OR (");
    push_after(dialect, statement, rest);
    statement.push("))");
}

fn push_term<D: Dialect + ?Sized>(dialect: &D, statement: &mut Statement, field: &Field) {
    match field {
        Field::Content(path) => dialect.path_sort_key(statement, PathRoot::Content, path),
        Field::Metadata(path) => dialect.path_sort_key(statement, PathRoot::Metadata, path),
        _ => match dialect.column(field) {
            Column::Text(expression) | Column::Integer(expression) | Column::Id { bytes: expression, .. } => {
                statement.push(&expression);
            }
            Column::Nullable(expression) => statement.push(&or_before_all(&expression)),
        },
    }
}

/// The expression by which a column that may be null is ordered: stores that index it must spell it so.
pub(crate) fn or_before_all(expression: &str) -> String {
    format!("coalesce({expression}, {BEFORE_ALL})")
}

/// The value that a term is compared with.
fn place_of<D: Dialect + ?Sized>(dialect: &D, field: &Field, place: &Json) -> Option<Value> {
    if matches!(field, Field::Content(_) | Field::Metadata(_)) {
        return bytes_of_hexadecimal(place.as_str()?).map(Value::Blob);
    }
    match (dialect.column(field), place) {
        (Column::Text(_), Json::String(text)) => Some(Value::Text(text.clone())),
        (Column::Id { .. }, Json::String(text)) => {
            let id: feedspine_core::RecordId = text.parse().ok()?;
            Some(Value::Blob(id.as_bytes().to_vec()))
        }
        (Column::Integer(_) | Column::Nullable(_), Json::Number(number)) => number.as_i64().map(Value::Integer),
        (Column::Nullable(_), Json::Null) => Some(Value::Integer(BEFORE_ALL)),
        _ => None,
    }
}

fn bytes_of_hexadecimal(text: &str) -> Option<Vec<u8>> {
    let digits = text.as_bytes();
    let even = digits.len().is_multiple_of(2);
    let byte = |pair: &[u8]| u8::from_str_radix(std::str::from_utf8(pair).ok()?, 16).ok();
    digits.chunks(2).map(byte).collect::<Option<Vec<u8>>>().filter(|_| even)
}

#[cfg(test)]
mod tests {
    use feedspine_core::{JsonPath, Test};

    use super::*;
    use crate::compile_filter;

    struct Plain;

    impl Dialect for Plain {
        fn placeholder(&self, number: usize) -> String {
            format!("${number}")
        }

        fn column(&self, field: &Field) -> Column {
            match field {
                Field::Id => Column::Id { bytes: "id".into(), text: "text_of(id)".into() },
                Field::Version => Column::Integer("version".into()),
                Field::Published => Column::Nullable("published".into()),
                _ => Column::Text("key".into()),
            }
        }

        fn position(&self, statement: &mut Statement, text: &str, part: Value) {
            statement.push(&format!("strpos({text}, "));
            statement.bind(self, part);
            statement.push(")");
        }

        fn among(&self, statement: &mut Statement, expression: &str, values: Vec<Value>) {
            statement.push(&format!("{expression} IN ("));
            for value in values {
                statement.bind(self, value);
            }
            statement.push(")");
        }

        fn path_test(&self, statement: &mut Statement, _: PathRoot, _: &JsonPath, _: &Test) {
            statement.push("test()");
        }

        fn path_sort_key(&self, statement: &mut Statement, _: PathRoot, path: &JsonPath) {
            statement.push("sort_key(");
            statement.bind(self, Value::Text(path.to_string()));
            statement.push(")");
        }
    }

    #[test]
    fn an_order_ends_with_the_id_and_puts_missing_instants_first() {
        let order = [Order::parse("-published").unwrap(), Order::parse("content.a").unwrap()];
        let mut statement = Statement::default();
        compile_order(&Plain, &mut statement, &order);
        assert_eq!(statement.text(), "coalesce(published, -9223372036854775808) DESC, sort_key($1), id");
    }

    #[test]
    fn a_position_is_compared_term_by_term() {
        let order = [Order::parse("-version").unwrap()];
        let id = "00000000-0000-0000-0000-000000000007";
        let mut statement = Statement::default();
        compile_after(&Plain, &mut statement, &order, &[Json::from(3_i64), Json::from(id)]).unwrap();
        assert_eq!(statement.text(), "version <= $1 AND (version < $2 OR (id > $3))");
        assert!(compile_after(&Plain, &mut statement, &order, &[Json::from("3"), Json::from(id)]).is_err());
        assert!(compile_after(&Plain, &mut statement, &order, &[Json::from(id)]).is_err());
    }

    #[test]
    fn no_value_is_ever_written_into_the_text() {
        let hostile = "x' OR 1=1 --";
        let filter = feedspine_core::Filter::All(vec![
            feedspine_core::Filter::Field(Field::Key, Test::Equal(Json::from(hostile))),
            feedspine_core::Filter::Field(Field::Key, Test::Prefix(hostile.into())),
            feedspine_core::Filter::Field(Field::Key, Test::In(vec![Json::from(hostile), Json::Null])),
        ]);
        let mut statement = Statement::default();
        compile_filter(&Plain, &mut statement, &filter);
        assert!(!statement.text().contains("OR 1=1"), "{}", statement.text());
        assert_eq!(statement.values().len(), 3);
    }
}
