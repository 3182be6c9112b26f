//! What holds of every document that the parser reads, whatever its format.

use feedspine_core::{Content, Namespace};
use feedspine_parse::{Document, Identified, Input, Limits, ParseError, choose_rule, identify, parse};

/// Reads a body that came from an address, without headers.
pub(crate) fn read(bytes: &[u8]) -> Result<Document, ParseError> {
    parse(&Input { bytes, content_type: None, base: Some("http://feed.example/a/b") }, &Limits::default())
}

/// Gives items their keys by the rule that the document itself asks for.
pub(crate) fn identified(document: &Document) -> Option<Identified> {
    let namespace = Namespace::new("fuzz").expect("a plain word is a namespace");
    choose_rule(document).map(|rule| identify(document.clone(), &namespace, rule))
}

/// The same answer twice; every item a candidate or a reject, in order; content that is canonical JSON.
pub(crate) fn holds(bytes: &[u8]) {
    let first = read(bytes);
    assert_eq!(first, read(bytes), "the second reading differs from the first");
    let Ok(document) = first else { return };
    let Some(identified) = identified(&document) else { return };
    let count = document.items.len() + document.rejects.len();
    assert_eq!(identified.candidates.len() + identified.rejects.len(), count, "an item is lost or doubled");
    assert!(identified.candidates.is_sorted_by(|a, b| a.ordinal < b.ordinal), "the ordinals do not ascend");
    for candidate in &identified.candidates {
        let again = Content::parse(candidate.content.as_str()).expect("content is JSON");
        assert_eq!(again, candidate.content, "content is not canonical");
    }
}
