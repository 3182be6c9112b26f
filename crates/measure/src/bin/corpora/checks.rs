//! The operators of expectation files: `[path, operator, value]`.

use serde_json::Value;

use crate::report::short;

/// Whether one check holds of a value; `Err` says how it does not.
pub(crate) fn holds(value: &Value, check: &Value) -> Result<(), String> {
    let operator = check[1].as_str().unwrap_or_default();
    let wanted = &check[2];
    if operator == "any==" {
        let paths = check[0].as_array().cloned().unwrap_or_default();
        let found = paths.iter().any(|path| at(value, path) == *wanted);
        return if found { Ok(()) } else { Err(format!("no path holds {}", short(wanted))) };
    }
    let ours = at(value, &check[0]);
    let right = match operator {
        "==" => equal(&ours, wanted),
        "!=" => !equal(&ours, wanted),
        "truthy" => truthy(&ours),
        "falsy" | "undated" => !truthy(&ours),
        "in" => wanted.as_array().is_some_and(|all| all.contains(&ours)),
        "has" => has(&ours, wanted),
        "hasnt" => !has(&ours, wanted),
        "len==" => Some(len(&ours)) == wanted.as_u64(),
        "len!=" => Some(len(&ours)) != wanted.as_u64(),
        "same" => ours == at(value, wanted),
        "differ" => ours != at(value, wanted),
        "instant" => whole_seconds(&ours) == whole_seconds(wanted),
        "seconds" => ours.as_f64() == wanted.as_f64(),
        "nocrash" => true,
        _ => return Err(format!("unknown operator {operator}")),
    };
    if right {
        return Ok(());
    }
    Err(format!("{} is {}, not {operator} {}", check[0], short(&ours), short(wanted)))
}

/// The names of a check's path, numbers left out, joined by dots.
pub(crate) fn shape(path: &Value) -> String {
    let names = path.as_array().map_or(&[][..], Vec::as_slice).iter().filter_map(Value::as_str);
    names.collect::<Vec<_>>().join(".")
}

/// The value at a path; a negative number counts from the end.
pub(crate) fn at(value: &Value, path: &Value) -> Value {
    let mut at = value;
    for step in path.as_array().map_or(&[][..], Vec::as_slice) {
        at = match step {
            Value::String(name) => &at[name.as_str()],
            Value::Number(index) => {
                let elements = at.as_array().map_or(&[][..], Vec::as_slice);
                let index = index.as_i64().unwrap_or(i64::MAX);
                let from_end =
                    usize::try_from(index.unsigned_abs()).ok().and_then(|back| elements.len().checked_sub(back));
                let index = if index < 0 { from_end } else { usize::try_from(index).ok() };
                index.and_then(|index| elements.get(index)).unwrap_or(&Value::Null)
            }
            _ => &Value::Null,
        };
    }
    at.clone()
}

/// Equal values; 45 is 45.0, and 1 is true, as in Python, whose values these are.
fn equal(ours: &Value, wanted: &Value) -> bool {
    match (ours, wanted) {
        (Value::Number(ours), Value::Number(wanted)) => ours.as_f64() == wanted.as_f64(),
        (Value::Array(ours), Value::Array(wanted)) => {
            ours.len() == wanted.len() && ours.iter().zip(wanted).all(|(ours, wanted)| equal(ours, wanted))
        }
        (Value::Bool(flag), Value::Number(number)) => number.as_u64() == Some(u64::from(*flag)),
        _ => ours == wanted,
    }
}

fn truthy(value: &Value) -> bool {
    match value {
        Value::Null => false,
        Value::Bool(flag) => *flag,
        Value::Number(number) => number.as_f64() != Some(0.0),
        Value::String(text) => !text.is_empty(),
        Value::Array(elements) => !elements.is_empty(),
        Value::Object(members) => !members.is_empty(),
    }
}

fn has(container: &Value, member: &Value) -> bool {
    match (container, member) {
        (Value::Object(members), Value::String(name)) => members.get(name).is_some_and(|value| !value.is_null()),
        (Value::Array(elements), member) => elements.contains(member),
        _ => false,
    }
}

fn len(value: &Value) -> u64 {
    match value {
        Value::Array(elements) => elements.len() as u64,
        Value::Object(members) => members.len() as u64,
        Value::String(text) => text.chars().count() as u64,
        _ => 0,
    }
}

fn whole_seconds(value: &Value) -> Option<String> {
    let text = value.as_str()?;
    Some(text.split_once('.').map_or_else(|| text.to_owned(), |(whole, _)| format!("{whole}Z")))
}
