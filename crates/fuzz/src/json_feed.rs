//! JSON Feed, in whatever state it is.

use feedspine_core::Json;

use crate::feeds;

pub(crate) fn run(bytes: &[u8]) {
    feeds::holds(bytes);
    let Ok(Ok(json)) = std::str::from_utf8(bytes).map(Json::parse) else { return };
    // Of two members of one name the reader of feeds takes the list, the reader of JSON the last.
    if matches!(json.get("items"), Some(Json::Array(_))) {
        is_the_same_in_canonical_form(bytes, &json);
    }
}

/// The reader of feeds cuts a document into items by its brackets, the reader of JSON reads it as a whole.
fn is_the_same_in_canonical_form(bytes: &[u8], json: &Json) {
    let canonical = json.to_canonical();
    let (Ok(published), Ok(rewritten)) = (feeds::read(bytes), feeds::read(canonical.as_bytes())) else { return };
    let told =
        |document| feeds::identified(document).map(|identified| (identified.candidates, identified.rejects.len()));
    assert_eq!(told(&published), told(&rewritten), "the same values make other items");
}
