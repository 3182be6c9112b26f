//! RSS, RDF, Atom and CDF, in whatever state they are.

use crate::feeds;

pub(crate) fn run(bytes: &[u8]) {
    feeds::holds(bytes);
    if let Ok(text) = std::str::from_utf8(bytes) {
        is_the_same_in_sixteen_bits(text);
    }
}

/// A mark at the beginning rules over all that is said of the encoding, so the same text is the same document.
fn is_the_same_in_sixteen_bits(text: &str) {
    // The mark of UTF-16 with two zeros behind it is that of UTF-32.
    if text.starts_with('\0') {
        return;
    }
    let marked = |text: &str| format!("\u{FEFF}{text}");
    let wide: Vec<u8> = marked(text).encode_utf16().flat_map(u16::to_le_bytes).collect();
    let read = |bytes: &[u8]| {
        feeds::read(bytes).map(|mut document| {
            document.encoding = "";
            document
        })
    };
    assert_eq!(read(marked(text).as_bytes()), read(&wide), "UTF-16 is read otherwise than UTF-8");
}
