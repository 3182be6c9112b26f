//! `JSONPath`: a line with a query, and then a JSON document.

use std::ptr;

use feedspine_core::Json;
use feedspine_parse::JsonQuery;

use crate::two_parts;

pub(crate) fn run(bytes: &[u8]) {
    let Some((text, document)) = two_parts(bytes) else { return };
    let Ok(query) = JsonQuery::parse(text) else { return };
    assert_eq!(query.to_string(), text, "a query is written as it came");
    let Ok(Ok(root)) = std::str::from_utf8(document).map(Json::parse) else { return };
    let Ok(nodes) = query.select(&root) else { return };
    assert_eq!(query.select(&root).as_ref(), Ok(&nodes), "the second answer differs from the first");
    assert_eq!(query.first(&root), nodes.first().copied());
    assert!(nodes.len() <= 1 || !query.is_singular(), "a singular query gives more than one node");
    if query.is_root() {
        assert!(matches!(nodes.as_slice(), [only] if ptr::eq(*only, &raw const root)));
    }
    if let Some(Ok(parents)) = query.parent().map(|parent| parent.select(&root)) {
        let is_below = |node: &&Json| parents.iter().any(|parent| holds(parent, node));
        assert!(nodes.iter().all(is_below), "a node lies outside those that its query begins with");
    }
}

/// Whether a node is that value, or lies in it.
fn holds(value: &Json, node: &Json) -> bool {
    ptr::eq(value, node)
        || match value {
            Json::Array(elements) => elements.iter().any(|element| holds(element, node)),
            Json::Object(members) => members.values().any(|member| holds(member, node)),
            _ => false,
        }
}
