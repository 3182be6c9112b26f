//! Conditions as people write them: `content.title~rust`, `published>=2026-01-01T00:00:00Z`.

use feedspine_core::{Field, Filter, Json, Order, Test};

use super::OpError;

/// The signs, the longer ones before those that they begin with.
const SIGNS: [&str; 8] = ["!=", "<=", ">=", "^=", "=", "<", ">", "~"];

/// Reads `FIELD SIGN VALUE`, where the sign is one of `=`, `!=`, `<`, `<=`, `>`, `>=`, `~` (contains) and `^=` (begins
/// with), or a bare `FIELD`, which asks that it is there.
///
/// A value of a JSON path is read as JSON where it is JSON (`5` is a number, `"5"` a text), else as text; that of a
/// record's own field is text, an instant or a number as the field demands.
///
/// # Errors
/// `Usage`: an unknown field, a value that the field cannot have.
pub fn parse_condition(condition: &str) -> Result<Filter, OpError> {
    let sign_at = condition
        .char_indices()
        .find_map(|(at, _)| SIGNS.into_iter().find(|sign| condition[at..].starts_with(sign)).map(|sign| (at, sign)));
    let Some((at, sign)) = sign_at else {
        return Ok(Filter::Field(read_field(condition.trim())?, Test::Present));
    };
    let field = read_field(condition[..at].trim())?;
    let value = condition[at + sign.len()..].trim();
    let operand = || read_operand(&field, value);
    let test = match sign {
        "=" => Test::Equal(operand()?),
        "!=" => {
            let equal = Filter::Field(field.clone(), Test::Equal(operand()?));
            return Ok(Filter::Not(Box::new(equal)));
        }
        "<" => Test::Less(operand()?),
        "<=" => Test::AtMost(operand()?),
        ">" => Test::Greater(operand()?),
        ">=" => Test::AtLeast(operand()?),
        "^=" => Test::Prefix(value.to_owned()),
        _ => Test::Contains(value.to_owned()),
    };
    Ok(Filter::Field(field, test))
}

/// Reads a field to order by; `-FIELD` descends.
///
/// # Errors
/// `Usage`: an unknown field.
pub fn parse_order(text: &str) -> Result<Order, OpError> {
    read_field(text.strip_prefix('-').unwrap_or(text))?;
    Ok(Order::parse(text)?)
}

/// A field by its name. Core knows fields that no store keeps; those are not proposed.
fn read_field(name: &str) -> Result<Field, OpError> {
    Field::parse(name).map_err(|error| {
        let known: Vec<String> = Field::STORED.iter().map(Field::name).collect();
        OpError::from(error).with_hint(format!("use one of {}, content.NAME or metadata.NAME", known.join(", ")))
    })
}

fn read_operand(field: &Field, text: &str) -> Result<Json, OpError> {
    let value = read_value(field, text);
    if *field == Field::Version && !matches!(value, Json::Number(_)) {
        return Err(OpError::usage("condition.value", format!("version: not a number: {text}"))
            .with_hint("compare it with a number, as in version>1"));
    }
    field.operand(&value).map_err(|error| {
        let error = OpError::from(error);
        match field {
            Field::Published | Field::Updated | Field::FirstSeen | Field::RecordedAt => {
                error.with_hint("write an instant as in 2026-01-31T12:00:00Z")
            }
            _ => error,
        }
    })
}

fn read_value(field: &Field, text: &str) -> Json {
    match field {
        Field::Content(_) | Field::Metadata(_) | Field::Version => {
            Json::parse(text).unwrap_or_else(|_| Json::from(text))
        }
        _ if text == "null" => Json::Null,
        _ => Json::from(text),
    }
}

#[cfg(test)]
mod tests {
    use feedspine_core::JsonPath;

    use super::*;

    fn content(path: &str) -> Field {
        Field::Content(JsonPath::parse(path).unwrap())
    }

    #[test]
    fn reads_each_sign() {
        let title = || content("title");
        for (text, filter) in [
            ("content.title~a = b", Filter::Field(title(), Test::Contains("a = b".into()))),
            ("content.title^=a", Filter::Field(title(), Test::Prefix("a".into()))),
            ("content.title", Filter::Field(title(), Test::Present)),
            ("content.n>=5", Filter::Field(content("n"), Test::AtLeast(Json::from(5_i64)))),
            ("content.n = \"5\"", Filter::Field(content("n"), Test::Equal(Json::from("5")))),
            ("key=5", Filter::Field(Field::Key, Test::Equal(Json::from("5")))),
            ("published=null", Filter::Field(Field::Published, Test::Equal(Json::Null))),
            ("published<1970-01-01T00:00:01Z", Filter::Field(Field::Published, Test::Less(1_000_000_i64.into()))),
        ] {
            assert_eq!(parse_condition(text).unwrap(), filter, "{text}");
        }
        let not = parse_condition("key!=a").unwrap();
        assert_eq!(not, Filter::Not(Box::new(Filter::Field(Field::Key, Test::Equal(Json::from("a"))))));
    }

    #[test]
    fn refuses_unknown_fields_and_impossible_values() {
        for text in ["titel=a", "published>yesterday", "layer=iron", "=a"] {
            assert!(parse_condition(text).is_err(), "{text}");
        }
        for error in [parse_condition("title~a").unwrap_err(), parse_order("-title").unwrap_err()] {
            let hint = error.hint().unwrap();
            assert!(hint.contains("content.NAME") && !hint.contains("last_seen"), "{hint}");
        }
        for (text, hint) in [("published>yesterday", "2026-01-31T12:00:00Z"), ("version>x", "version>1")] {
            let error = parse_condition(text).unwrap_err();
            assert!(error.hint().is_some_and(|told| told.contains(hint)), "{text}: {error:?}");
        }
    }
}
