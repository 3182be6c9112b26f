//! Tests and paths as text, for stores that call back into core: `decode` gives what `encode` was given.

use feedspine_core::{Json, JsonPath, Test};

/// The path as a canonical JSON array of its names.
pub fn encode_path(path: &JsonPath) -> String {
    Json::from(path.names().to_vec()).to_canonical()
}

/// The path that [`encode_path`] wrote; `None` for other text.
pub fn decode_path(text: &str) -> Option<JsonPath> {
    let Json::Array(names) = Json::parse(text).ok()? else { return None };
    let names = names.into_iter().map(|name| match name {
        Json::String(name) => Some(name),
        _ => None,
    });
    names.collect::<Option<Vec<String>>>().map(JsonPath::of)
}

/// The test's word and its operands, each canonical JSON on a line of its own: canonical text holds no line break.
pub fn encode_test(test: &Test) -> String {
    let one = |word: &str, operand: &Json| format!("{word}\n{operand}");
    match test {
        Test::Equal(operand) => one("equal", operand),
        Test::In(operands) => operands.iter().fold("in".to_owned(), |text, operand| format!("{text}\n{operand}")),
        Test::Less(operand) => one("less", operand),
        Test::AtMost(operand) => one("at_most", operand),
        Test::Greater(operand) => one("greater", operand),
        Test::AtLeast(operand) => one("at_least", operand),
        Test::Prefix(prefix) => one("prefix", &Json::from(prefix.as_str())),
        Test::Contains(part) => one("contains", &Json::from(part.as_str())),
        Test::Present => "present".to_owned(),
    }
}

/// The test that [`encode_test`] wrote; `None` for other text.
pub fn decode_test(encoded: &str) -> Option<Test> {
    let mut lines = encoded.split('\n');
    let word = lines.next()?;
    let operands: Vec<Json> = lines.map(|line| Json::parse(line).ok()).collect::<Option<_>>()?;
    if word == "in" {
        return Some(Test::In(operands));
    }
    let mut operands = operands.into_iter();
    let test = match (word, operands.next()) {
        ("present", None) => Test::Present,
        ("equal", Some(operand)) => Test::Equal(operand),
        ("less", Some(operand)) => Test::Less(operand),
        ("at_most", Some(operand)) => Test::AtMost(operand),
        ("greater", Some(operand)) => Test::Greater(operand),
        ("at_least", Some(operand)) => Test::AtLeast(operand),
        ("prefix", Some(Json::String(prefix))) => Test::Prefix(prefix),
        ("contains", Some(Json::String(part))) => Test::Contains(part),
        _ => return None,
    };
    operands.next().is_none().then_some(test)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_test_reads_back() {
        let deep = (0..64).fold(Json::Null, |value, _| Json::Array(vec![value]));
        let tests = [
            Test::Equal(deep),
            Test::In(vec![]),
            Test::In(vec![Json::from("a\nb"), Json::Null, Json::from(5_i64)]),
            Test::Less(Json::from("\0")),
            Test::AtMost(Json::from(true)),
            Test::Greater(Json::parse("1e400").unwrap()),
            Test::AtLeast(Json::from(-1_i64)),
            Test::Prefix("a\nb".into()),
            Test::Contains(String::new()),
            Test::Present,
        ];
        for test in tests {
            assert_eq!(decode_test(&encode_test(&test)), Some(test));
        }
        assert_eq!(decode_test("equal"), None);
        assert_eq!(decode_test("present\n1"), None);
    }

    #[test]
    fn every_path_reads_back() {
        for path in [JsonPath::of(["a.b", "c\n\0"]), JsonPath::of([""])] {
            assert_eq!(decode_path(&encode_path(&path)), Some(path));
        }
        assert_eq!(decode_path("[1]"), None);
    }
}
