//! The lists of EDGAR: any bytes, read as each of them.

use feedspine_core::{Content, Namespace};
use feedspine_parse::{
    EdgarCurrent, EdgarIndex, EdgarPage, Input, Limits, ParseError, read_edgar_days, read_edgar_submissions,
};

/// How many filings of an index are given at once: pages must not matter.
const FEW: usize = 2;

pub(crate) fn run(bytes: &[u8]) {
    let sec = Namespace::new("sec").expect("a plain word is a namespace");
    let input = Input { bytes, content_type: None, base: Some("https://data.sec.gov/submissions/CIK0000000007.json") };
    let current = || -> Result<EdgarPage, ParseError> {
        let mut current = EdgarCurrent::default();
        current.add(&input, &Limits::default())?;
        Ok(current.finish(&sec, false))
    };
    let index = |most| -> Result<EdgarPage, ParseError> {
        let mut index = EdgarIndex::read(&input, 0)?;
        let mut all = EdgarPage::default();
        loop {
            let (page, last) = index.next_page(&sec, most);
            all.candidates.extend(page.candidates);
            all.rejects.extend(page.rejects);
            all.warnings.extend(page.warnings);
            if last {
                return Ok(all);
            }
        }
    };
    let submissions = || read_edgar_submissions(&input, &sec, None, 0, &Limits::default()).map(|read| read.page);
    for (first, second) in [(current(), current()), (index(usize::MAX), index(FEW)), (submissions(), submissions())] {
        assert_eq!(format!("{first:?}"), format!("{second:?}"), "the second reading differs from the first");
        if let Ok(page) = first {
            holds(&page);
        }
    }
    assert_eq!(read_edgar_days(&input), read_edgar_days(&input));
}

/// Ordinals are all there, each once; content is canonical; a filing is there once.
fn holds(page: &EdgarPage) {
    let mut ordinals: Vec<u32> = page.candidates.iter().map(|candidate| candidate.ordinal).collect();
    assert!(ordinals.is_sorted(), "the ordinals of candidates do not ascend");
    ordinals.extend(page.rejects.iter().map(|reject| reject.ordinal));
    ordinals.sort_unstable();
    assert!(ordinals.iter().copied().eq(0..u32::try_from(ordinals.len()).expect("the input is small")));
    let mut keys: Vec<&str> = page.candidates.iter().map(|candidate| candidate.key.key()).collect();
    keys.sort_unstable();
    assert!(keys.windows(2).all(|two| two[0] != two[1]), "a filing is there twice");
    for candidate in &page.candidates {
        let again = Content::parse(candidate.content.as_str()).expect("content is JSON");
        assert_eq!(again, candidate.content, "content is not canonical");
    }
}
