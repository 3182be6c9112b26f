//! The items of a JSON document that is no feed: found by a query, or one on each line.

use std::borrow::Cow;

use feedspine_core::{Candidate, Json, JsonError, Reject};

use crate::charset;
use crate::document::Input;
use crate::error::ParseError;
use crate::item::{ItemRules, LONE_SURROGATE};
use crate::json_query::JsonQuery;
use crate::limits::Limits;
use crate::lines::broken_line;
use crate::warning::{Warning, Warnings};

/// Where the items of a document are, and what is taken from where in them.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct JsonLayout {
    /// Where the items are.
    pub items: ItemsAt,
    /// What is taken from where in an item.
    pub rules: ItemRules,
    /// The place in an item whose greatest value is wanted.
    pub greatest: Option<JsonQuery>,
}

/// Where the items of a document are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemsAt {
    /// Where a query leads: to each item, or to the list of them.
    Query(JsonQuery),
    /// Each line is one.
    Lines,
}

/// A document, read.
#[derive(Debug, Clone)]
pub struct JsonPage {
    /// The items that can be stored, in the order of the document.
    pub candidates: Vec<Candidate>,
    /// Those that cannot, in the order of the document.
    pub rejects: Vec<Reject>,
    /// The document itself, to be asked where the next one is; null where each line is an item.
    pub document: Json,
    /// The greatest text or number at the wanted place of the items.
    pub greatest: Option<Json>,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// Reads the items of a document. Their ordinals begin with `first_ordinal`.
///
/// # Errors
/// It is not JSON, is cut, or the query leads to no list: a document that is not as was said is never one without items.
pub fn read_json_page(
    input: &Input<'_>,
    layout: &JsonLayout,
    first_ordinal: u32,
    limits: &Limits,
) -> Result<JsonPage, ParseError> {
    let mut warnings = Warnings::default();
    let decoded = charset::decode(input.bytes, input.content_type, &mut warnings)?;
    let text = decoded.text.trim_start_matches('\u{FEFF}');
    let mut reader = Reader {
        layout,
        ordinal: first_ordinal,
        candidates: Vec::new(),
        rejects: Vec::new(),
        greatest: None,
        warnings,
    };
    let document = match &layout.items {
        ItemsAt::Lines => {
            reader.lines(text, limits)?;
            Json::Null
        }
        ItemsAt::Query(query) => {
            let document = read_whole(text)?;
            let items = items_of(query, &document)?;
            if items.len() > limits.items {
                return Err(ParseError::TooManyItems { limit: limits.items });
            }
            for item in items {
                reader.item(item.clone());
            }
            document
        }
    };
    let Reader { candidates, rejects, greatest, warnings, .. } = reader;
    Ok(JsonPage { candidates, rejects, document, greatest, warnings: warnings.into_vec() })
}

struct Reader<'a> {
    layout: &'a JsonLayout,
    ordinal: u32,
    candidates: Vec<Candidate>,
    rejects: Vec<Reject>,
    greatest: Option<Json>,
    warnings: Warnings,
}

impl Reader<'_> {
    fn item(&mut self, item: Json) {
        let wanted = self.layout.greatest.as_ref().and_then(|place| place.first(&item));
        if let Some(value @ (Json::String(_) | Json::Number(_))) = wanted
            && self.greatest.as_ref() < Some(value)
        {
            self.greatest = Some(value.clone());
        }
        let made = self.layout.rules.take(self.ordinal, item, &mut self.warnings);
        match made {
            Ok(candidate) => self.candidates.push(candidate),
            Err(reject) => self.rejects.push(reject),
        }
        self.ordinal = self.ordinal.saturating_add(1);
    }

    fn lines(&mut self, text: &str, limits: &Limits) -> Result<(), ParseError> {
        let whole_lines = text.ends_with('\n');
        let mut lines = text.lines().enumerate().filter(|(_, line)| !line.trim().is_empty()).peekable();
        let mut count = 0;
        while let Some((number, line)) = lines.next() {
            count += 1;
            if count > limits.items {
                return Err(ParseError::TooManyItems { limit: limits.items });
            }
            match Json::parse(line) {
                Ok(item) => self.item(item),
                // Whoever writes the file is at the last line yet.
                Err(JsonError::Syntax { ended: true, .. }) if lines.peek().is_none() && !whole_lines => {
                    return Err(ParseError::JsonTruncated);
                }
                Err(error) => {
                    self.rejects.push(broken_line(self.ordinal, number as u64 + 1, &error, line));
                    self.ordinal = self.ordinal.saturating_add(1);
                }
            }
        }
        Ok(())
    }
}

/// Reads a document; lone surrogates are marked, so that they cost their items only.
pub(crate) fn read_whole(text: &str) -> Result<Json, ParseError> {
    let read = match Json::parse(text) {
        Err(JsonError::Surrogate { .. }) if !text.contains(LONE_SURROGATE) => Json::parse(&marked(text)),
        read => read,
    };
    read.map_err(|error| match error {
        JsonError::Syntax { ended: true, .. } if text.trim().is_empty() => {
            ParseError::Empty { found: "there is no text in it" }
        }
        JsonError::Syntax { ended: true, .. } => ParseError::JsonTruncated,
        JsonError::Depth { offset } => ParseError::JsonDepth { limit: feedspine_core::json::MAX_DEPTH, offset },
        other => ParseError::JsonSyntax { found: other.to_string() },
    })
}

/// The text with each `\u` escape that is half of a surrogate pair replaced.
fn marked(text: &str) -> Cow<'_, str> {
    let code_at = |at: usize| {
        let digits = text.get(at..at + 6)?.strip_prefix("\\u")?;
        u32::from_str_radix(digits, 16).ok()
    };
    let mut out = String::with_capacity(text.len());
    let (mut kept, mut at) = (0, 0);
    while let Some(found) = memchr::memchr(b'\\', &text.as_bytes()[at..]) {
        at += found;
        match code_at(at) {
            Some(0xD800..=0xDBFF) if matches!(code_at(at + 6), Some(0xDC00..=0xDFFF)) => at += 12,
            Some(0xD800..=0xDFFF) => {
                out.push_str(&text[kept..at]);
                out.push(LONE_SURROGATE);
                at += 6;
                kept = at;
            }
            // Whatever is escaped, a backslash too.
            _ => at += 1 + text[at + 1..].chars().next().map_or(0, char::len_utf8),
        }
    }
    out.push_str(&text[kept..]);
    out.into()
}

/// Where a query leads. An empty list is a list; nothing at all, or something else, is not as was said.
fn items_of<'a>(query: &JsonQuery, document: &'a Json) -> Result<Vec<&'a Json>, ParseError> {
    let wrong = |found: String| ParseError::ItemsPath { path: query.to_string(), found };
    let nodes = query.select(document).map_err(|error| wrong(error.to_string()))?;
    if query.is_singular() {
        return match nodes.as_slice() {
            [Json::Array(elements)] => Ok(elements.iter().collect()),
            [other] => Err(wrong(format!("{}, not a list", kind(other)))),
            _ => Err(wrong("nothing".to_owned())),
        };
    }
    if nodes.is_empty() {
        let lists = query.parent().and_then(|parent| parent.select(document).ok()).unwrap_or_default();
        if !lists.iter().any(|node| matches!(node, Json::Array(_))) {
            return Err(wrong("no list".to_owned()));
        }
    }
    Ok(nodes)
}

fn kind(value: &Json) -> &'static str {
    match value {
        Json::Null => "null",
        Json::Bool(_) => "true or false",
        Json::Number(_) => "a number",
        Json::String(_) => "a text",
        Json::Array(_) => "a list",
        Json::Object(_) => "an object",
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::item::{DateForm, ItemKey};

    fn read(items: &str, body: &[u8]) -> Result<JsonPage, ParseError> {
        let items = match items {
            "lines" => ItemsAt::Lines,
            query => ItemsAt::Query(JsonQuery::read_place(query).unwrap()),
        };
        let rules = ItemRules {
            namespace: "a".parse().unwrap(),
            key: ItemKey::Unsaid,
            fold_case: false,
            members: Vec::new(),
            dates: DateForm::Text,
        };
        let input = Input { bytes: body, content_type: None, base: None };
        read_json_page(
            &input,
            &JsonLayout { items, rules, greatest: Some(JsonQuery::member("at")) },
            0,
            &Limits::default(),
        )
    }

    fn keys(items: &str, body: &str) -> Result<Vec<String>, &'static str> {
        let page = read(items, body.as_bytes()).map_err(|error| error.code())?;
        Ok(page.candidates.iter().map(|candidate| candidate.key.key().to_owned()).collect())
    }

    #[test]
    fn finds_the_items_or_says_that_there_is_no_list() {
        let two = || Ok(vec!["1".to_owned(), "2".to_owned()]);
        for (items, body, expected) in [
            ("$[*]", r#"[{"id":1},{"id":"2"}]"#, two()),
            ("$", r#"[{"id":1},{"id":2}]"#, two()),
            ("data.items", r#"{"data":{"items":[{"id":1},{"id":2}]}}"#, two()),
            ("$.data[?@.ok]", r#"{"data":[{"id":1,"ok":1},{"id":3},{"id":2,"ok":1}]}"#, two()),
            ("$.data[*]", r#"{"data":[]}"#, Ok(Vec::new())),
            ("$.data", r#"{"data":[]}"#, Ok(Vec::new())),
            ("$.data[?@.ok]", r#"{"data":[{"id":3}]}"#, Ok(Vec::new())),
            ("data.items", r#"{"data":[{"items":{"a":1}}]}"#, Err("adapter.items_path")),
            ("$.data.items", r#"{"data":{"items":{"a":1}}}"#, Err("adapter.items_path")),
            ("$.data[*]", r#"{"error":"no"}"#, Err("adapter.items_path")),
            ("$.data[*]", r#"{"data":null}"#, Err("adapter.items_path")),
            ("$.data", r#"{"data":[{"id":1}"#, Err("json.truncated")),
            ("$.data", "<html>", Err("json.syntax")),
            ("$.data", " ", Err("feed.empty")),
            ("lines", "{\"id\":1}\n\n{\"id\":2}", two()),
            ("lines", "{\"id\":1}\n{\"id\":2", Err("json.truncated")),
        ] {
            assert_eq!(keys(items, body), expected, "{items} {body}");
        }
        let error = read("data.items", br#"{"data":[{"items":{"a":1}}]}"#).unwrap_err();
        assert!(error.to_string().contains("data.items"), "{error}");
    }

    #[test]
    fn the_greatest_value_is_told_for_the_next_time() {
        let page = read("$", br#"[{"id":1,"at":"2026-01-02"},{"id":2,"at":"2026-01-10"},{"id":3,"at":null},{"id":4}]"#);
        assert_eq!(page.unwrap().greatest, Some("2026-01-10".into()));
        assert_eq!(read("$", br#"[{"at":9},{"at":10}]"#).unwrap().greatest, Some(10_i64.into()));
        assert_eq!(read("$", b"[]").unwrap().greatest, None);
    }

    #[test]
    fn a_bad_item_costs_itself_and_says_where_it_is() {
        let page = read("$", br#"[null,1,"s",[],{"id":"1","t":"\ud800x\\ud800"},{"id":"2"}]"#).unwrap();
        let codes: Vec<&str> = page.rejects.iter().map(|reject| reject.code.as_str()).collect();
        assert_eq!(
            codes,
            ["json.not_an_object", "json.not_an_object", "json.not_an_object", "json.not_an_object", "json.surrogate"]
        );
        assert_eq!((page.candidates.len(), page.candidates[0].ordinal), (1, 5));
        let lines = read("lines", b"{\"id\":1}\nno\n{\"id\":2}\n").unwrap();
        assert_eq!((lines.candidates.len(), lines.rejects[0].ordinal), (2, 1));
        assert!(lines.rejects[0].reason.starts_with("line 2: "), "{:?}", lines.rejects);
    }
}
