//! Which fields of an answer's header are kept with its body.

use reqwest::header::HeaderMap;

/// What tells how an answer is to be read, how old it is, and who gave it. None of them may hold what a server wants to
/// recognise us by, as cookies do, or repeat an address, which may hold a secret.
const KEPT: [&str; 13] = [
    "age",
    "cache-control",
    "content-encoding",
    "content-language",
    "content-type",
    "date",
    "etag",
    "expires",
    "last-modified",
    "retry-after",
    "server",
    "vary",
    "via",
];

/// A value of more bytes is left out.
const LONGEST: usize = 1_024;

/// Fields are kept up to so many bytes together, names included.
const MOST_BYTES: usize = 4_096;

/// The fields that are kept, in the order of the list; those of one name in theirs.
pub(super) fn kept(headers: &HeaderMap) -> Vec<(String, String)> {
    let mut room = MOST_BYTES;
    let mut kept = Vec::new();
    for name in KEPT {
        for value in headers.get_all(name).iter().filter_map(|value| value.to_str().ok()) {
            let size = name.len() + value.len();
            if value.len() <= LONGEST && size <= room {
                room -= size;
                kept.push((name.to_owned(), value.to_owned()));
            }
        }
    }
    kept
}

#[cfg(test)]
mod tests {
    use reqwest::header::{HeaderName, HeaderValue};

    use super::*;

    fn headers(fields: &[(&'static str, &str)]) -> HeaderMap {
        let mut headers = HeaderMap::new();
        for (name, value) in fields {
            let value = HeaderValue::from_bytes(value.as_bytes()).unwrap();
            headers.append(HeaderName::from_static(name), value);
        }
        headers
    }

    #[test]
    fn fields_are_kept_that_say_how_an_answer_is_to_be_read() {
        let given = headers(&[
            ("set-cookie", "id=secret"),
            ("location", "https://a.example/?key=secret"),
            ("etag", "\"1\""),
            ("via", "one"),
            ("via", "two"),
            ("server", "ü"),
            ("content-type", "text/xml"),
        ]);
        let kept = kept(&given);
        let kept: Vec<(&str, &str)> = kept.iter().map(|(name, value)| (name.as_str(), value.as_str())).collect();
        assert_eq!(kept, [("content-type", "text/xml"), ("etag", "\"1\""), ("via", "one"), ("via", "two")]);
    }

    #[test]
    fn what_is_kept_is_bounded() {
        let long = "x".repeat(LONGEST + 1);
        assert!(kept(&headers(&[("etag", &long)])).is_empty());
        let fits = "x".repeat(LONGEST);
        let many = kept(&headers(&[("via", fits.as_str()); 9]));
        assert_eq!(many.len(), 3);
    }
}
