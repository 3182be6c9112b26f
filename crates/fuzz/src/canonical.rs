//! Canonical JSON: one text, or two with a zero byte between them, which are compared.

use feedspine_core::{Content, Json, JsonError};
use serde_json::Value;

pub(crate) fn run(bytes: &[u8]) {
    let values: Vec<Json> = bytes.split(|byte| *byte == 0).take(2).filter_map(read).collect();
    for value in &values {
        let canonical = value.to_canonical();
        assert_eq!(Json::parse(&canonical).as_ref(), Ok(value), "what is written is not what is read");
        let content = Content::new(value);
        assert_eq!(content, Content::from_canonical(canonical), "the content is another text");
    }
    if let [a, b] = values.as_slice() {
        let order = a.cmp(b);
        assert_eq!(order, b.cmp(a).reverse(), "the order depends on who asks");
        assert_eq!(order, a.sort_key().cmp(&b.sort_key()), "stores would sort these otherwise");
        assert_eq!(order.is_eq(), a.to_canonical() == b.to_canonical(), "equal values have one text");
    }
}

/// Reads a text as we do, which another reader must agree to.
fn read(bytes: &[u8]) -> Option<Json> {
    let text = std::str::from_utf8(bytes).ok()?;
    match (Json::parse(text), serde_json::from_str::<Value>(text)) {
        (Ok(ours), Ok(theirs)) => {
            assert!(is_the_same(&ours, &theirs), "another reader makes {theirs} of it");
            Some(ours)
        }
        // It keeps numbers in 64 bits.
        (Ok(ours), Err(error)) => {
            assert!(error.to_string().starts_with("number out of range"), "another reader refuses it: {error}");
            Some(ours)
        }
        (Err(error), Ok(_)) => {
            let refused = matches!(error, JsonError::Depth { .. }) || has_endless_exponent(text);
            assert!(refused, "another reader reads it: {error}");
            None
        }
        (Err(_), Err(_)) => None,
    }
}

/// Numbers with exponents of ten digits or more are refused, where the other reader makes zero of some.
fn has_endless_exponent(text: &str) -> bool {
    let digits = |after: &str| {
        let after = after.strip_prefix(['+', '-']).unwrap_or(after);
        after.bytes().take_while(u8::is_ascii_digit).count()
    };
    text.split(['e', 'E']).skip(1).any(|after| digits(after) >= 10)
}

fn is_the_same(ours: &Json, theirs: &Value) -> bool {
    match (ours, theirs) {
        (Json::Null, Value::Null) => true,
        (Json::Bool(a), Value::Bool(b)) => a == b,
        // A whole number has one text; a broken one is rounded by it.
        (Json::Number(a), Value::Number(b)) => b.is_f64() || *a.as_str() == b.to_string(),
        (Json::String(a), Value::String(b)) => a == b,
        (Json::Array(a), Value::Array(b)) => a.len() == b.len() && a.iter().zip(b).all(|(a, b)| is_the_same(a, b)),
        (Json::Object(a), Value::Object(b)) => {
            a.len() == b.len() && a.iter().all(|(name, a)| b.get(name).is_some_and(|b| is_the_same(a, b)))
        }
        _ => false,
    }
}
