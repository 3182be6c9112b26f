//! HTML to plain text.

use feedspine_parse::plain_text;

pub(crate) fn run(bytes: &[u8]) {
    let html = String::from_utf8_lossy(bytes);
    let plain = plain_text(&html);
    assert_eq!(plain, plain_text(&html), "the second reading differs from the first");
    // A reference of five bytes may be two characters of six.
    assert!(plain.len() <= 2 * html.len(), "{} bytes of HTML became {} of text", html.len(), plain.len());
    if !html.contains(['<', '&']) {
        assert!(words(&plain).eq(words(&html)), "a text without markup lost words");
    }
}

fn words(text: &str) -> impl Iterator<Item = &str> {
    text.split_whitespace()
}
