//! Lists of addresses: sitemaps and manifests, in whatever state they are.

use feedspine_core::{Content, Namespace};
use feedspine_parse::{
    DateForm, Input, ItemKey, ItemRules, JsonQuery, Limits, ListPage, ParseError, read_manifest, read_sitemap,
};

/// The ordinal of the first entry.
const FIRST: u32 = 7;

type Reader = fn(&Input<'_>, &ItemRules, u32, &Limits) -> Result<ListPage, ParseError>;

pub(crate) fn sitemap(bytes: &[u8]) {
    holds(read_sitemap, "loc", bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // The mark of UTF-16 with two zeros behind it is that of UTF-32.
    if !text.starts_with('\0') {
        let marked = format!("\u{FEFF}{text}");
        let wide: Vec<u8> = marked.encode_utf16().flat_map(u16::to_le_bytes).collect();
        // What is odd about a declaration of the encoding is told of text in bytes only.
        let read = |bytes: &[u8]| {
            told(&read(read_sitemap, "loc", bytes).map(|page| ListPage { warnings: Vec::new(), ..page }))
        };
        assert_eq!(read(marked.as_bytes()), read(&wide), "UTF-16 is read otherwise than UTF-8");
    }
}

pub(crate) fn manifest(bytes: &[u8]) {
    holds(read_manifest, "url", bytes);
    let Ok(text) = std::str::from_utf8(bytes) else { return };
    // What the beginning tells of the encoding, it tells there only.
    if text.starts_with('\u{FEFF}') || text.contains('\0') || text.contains("<?xml") {
        return;
    }
    // What comments say is no entry; neither is a blank line.
    let commented = format!("# a list\n\n{text}\n \n# the end 17");
    let entries = |bytes: &[u8]| {
        let page = read(read_manifest, "url", bytes).map_err(|error| error.code())?;
        Ok::<_, &str>(page.candidates.into_iter().map(|entry| entry.content).collect::<Vec<_>>())
    };
    assert_eq!(entries(bytes), entries(commented.as_bytes()), "comments make other entries");
}

fn rules(key: &str) -> ItemRules {
    let namespace = Namespace::new("fuzz").expect("a plain word is a namespace");
    let place = |text: &str| JsonQuery::read_place(text).expect("names with dots are a place");
    let members = [("title", "news.title"), ("published", "news.publication_date"), ("updated", "lastmod")]
        .map(|(name, from)| (name.to_owned(), place(from)));
    let key = ItemKey::Places(vec![JsonQuery::member(key)]);
    ItemRules { namespace, key, fold_case: false, members: members.to_vec(), dates: DateForm::Text }
}

fn read(reader: Reader, key: &str, bytes: &[u8]) -> Result<ListPage, ParseError> {
    let input = Input { bytes, content_type: None, base: Some("https://list.example/a/b") };
    reader(&input, &rules(key), FIRST, &Limits::default())
}

fn told(read: &Result<ListPage, ParseError>) -> String {
    format!("{read:?}")
}

/// The same answer twice; every entry a candidate or a reject, numbered on from the first; content that is canonical JSON.
fn holds(reader: Reader, key: &str, bytes: &[u8]) {
    let first = read(reader, key, bytes);
    assert_eq!(told(&first), told(&read(reader, key, bytes)), "the second reading differs from the first");
    let Ok(page) = first else { return };
    let candidates = page.candidates.iter().map(|candidate| candidate.ordinal);
    let mut ordinals: Vec<u32> = candidates.chain(page.rejects.iter().map(|reject| reject.ordinal)).collect();
    ordinals.sort_unstable();
    let count = u32::try_from(ordinals.len()).expect("the input is small");
    let further = u32::try_from(page.further.len()).expect("the input is small");
    assert!(ordinals.is_sorted_by(|a, b| a < b), "two entries have one ordinal");
    assert!(ordinals.iter().all(|ordinal| (FIRST..FIRST + count + further).contains(ordinal)), "an entry is lost");
    for candidate in &page.candidates {
        let again = Content::parse(candidate.content.as_str()).expect("content is JSON");
        assert_eq!(again, candidate.content, "content is not canonical");
    }
    for list in &page.further {
        assert!(list.address.contains(':'), "{:?} is no address", list.address);
    }
}
