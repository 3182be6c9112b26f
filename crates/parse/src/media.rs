//! What a file is, as far as its name and its beginning tell.

/// Media types by the beginnings that their formats demand.
const BEGINNINGS: [(&[u8], &str); 12] = [
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xFF\xD8\xFF", "image/jpeg"),
    (b"GIF8", "image/gif"),
    (b"\x1F\x8B", "application/gzip"),
    (b"\x28\xB5\x2F\xFD", "application/zstd"),
    (b"BZh", "application/x-bzip2"),
    (b"\xFD7zXZ\0", "application/x-xz"),
    (b"PAR1", "application/vnd.apache.parquet"),
    (b"SQLite format 3\0", "application/vnd.sqlite3"),
    (b"OggS", "application/ogg"),
    (b"ID3", "audio/mpeg"),
];

/// Media types by endings: those of text, and those of formats that begin like others (all of them ZIP).
const ENDINGS: [(&str, &str); 25] = [
    ("atom", "application/atom+xml"),
    ("css", "text/css"),
    ("csv", "text/csv"),
    ("docx", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
    ("eml", "message/rfc822"),
    ("epub", "application/epub+zip"),
    ("htm", "text/html"),
    ("html", "text/html"),
    ("ics", "text/calendar"),
    ("js", "text/javascript"),
    ("json", "application/json"),
    ("jsonl", "application/jsonl"),
    ("log", "text/plain"),
    ("md", "text/markdown"),
    ("mp4", "video/mp4"),
    ("ods", "application/vnd.oasis.opendocument.spreadsheet"),
    ("odt", "application/vnd.oasis.opendocument.text"),
    ("rss", "application/rss+xml"),
    ("svg", "image/svg+xml"),
    ("tsv", "text/tab-separated-values"),
    ("txt", "text/plain"),
    ("xlsx", "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet"),
    ("xml", "application/xml"),
    ("yaml", "application/yaml"),
    ("zip", "application/zip"),
];

/// The media type of a file: what its beginning demands, else what its name says, else whether it is text.
pub fn media_type(name: &str, beginning: &[u8]) -> &'static str {
    if let Some((_, found)) = BEGINNINGS.iter().find(|(bytes, _)| beginning.starts_with(bytes)) {
        return found;
    }
    let ending = name.rsplit_once('.').map(|(_, ending)| ending.to_ascii_lowercase());
    if let Some((_, said)) = ENDINGS.iter().find(|(known, _)| ending.as_deref() == Some(known)) {
        return said;
    }
    let cut = std::str::from_utf8(beginning).err();
    // A character may be cut where the beginning ends.
    let is_text = cut.is_none_or(|error| error.error_len().is_none()) && !beginning.contains(&0);
    if is_text { "text/plain" } else { "application/octet-stream" }
}

/// Bytes as the text that they are; `None` when they are none: not in UTF-8, or with a NUL, which no text needs.
pub fn as_text(bytes: Vec<u8>) -> Option<String> {
    if bytes.contains(&0) { None } else { String::from_utf8(bytes).ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_file_is_what_it_begins_like_else_what_it_is_called() {
        for (name, beginning, expected) in [
            ("a.txt", b"%PDF-1.7" as &[u8], "application/pdf"),
            ("a.JSON", b"{}", "application/json"),
            ("a.docx", b"PK\x03\x04", "application/vnd.openxmlformats-officedocument.wordprocessingml.document"),
            ("readme", b"hello \xC3", "text/plain"),
            ("a.unknown", b"\x00\x01", "application/octet-stream"),
            ("a", b"\xFF\xFE", "application/octet-stream"),
            ("", b"", "text/plain"),
        ] {
            assert_eq!(media_type(name, beginning), expected, "{name}");
        }
    }

    #[test]
    fn text_is_utf_8_without_nul() {
        assert_eq!(as_text("\u{FEFF}é\r\n".into()).as_deref(), Some("\u{FEFF}é\r\n"));
        assert_eq!(as_text(b"a\0".to_vec()), None);
        assert_eq!(as_text(b"\xE9".to_vec()), None);
    }
}
