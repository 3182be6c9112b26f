//! Tables: a byte that chooses the delimiter, two that say where the text is cut, and then the table.

use feedspine_core::Namespace;
use feedspine_parse::{DateForm, Header, ItemKey, ItemRules, TableError, TableForm, TableReader, read_row_again};

/// Readers take a table in pieces of this size.
const PIECE: usize = 64 * 1_024;
const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];

pub(crate) fn run(bytes: &[u8]) {
    let [choice, high, low, table @ ..] = bytes else { return };
    // A mark is one at the beginning only.
    if [&b"\xEF\xBB\xBF"[..], b"\xFF\xFE", b"\xFE\xFF", b"\0\0\xFE\xFF"].iter().any(|mark| table.starts_with(mark)) {
        return;
    }
    let delimiter = DELIMITERS[usize::from(*choice) % DELIMITERS.len()];
    let whole = Told::read(table, delimiter, usize::MAX);
    assert_eq!(whole, Told::read(table, delimiter, 1), "row by row there are other rows");
    let cut = usize::from(u16::from_be_bytes([*high, *low])) % (table.len() + 1);
    let filler = filler(PIECE - cut.min(PIECE / 2), delimiter);
    let later = Told::read(&[filler.as_slice(), table].concat(), delimiter, usize::MAX);
    assert_eq!(whole, later.without_first(), "cut at byte {cut} there are other rows");
    // Whatever its encoding, its delimiter and its columns are taken for.
    if let Ok(mut reader) = TableReader::begin(table, &TableForm::default()) {
        while let Ok(page) = reader.read_rows(&rules(), 100, PIECE)
            && !page.last
        {}
    }
}

/// What a table holds, without the places of its rows.
#[derive(Debug, PartialEq, Eq)]
struct Told {
    /// Content, or the code and the beginning of a reject.
    rows: Vec<(u32, String)>,
    end: Option<&'static str>,
    warnings: Vec<(&'static str, u32)>,
}

impl Told {
    fn read(table: &[u8], delimiter: u8, at_once: usize) -> Self {
        let header = Header::Given(["a", "b", "c"].map(str::to_owned).to_vec());
        let form = TableForm { delimiter: Some(delimiter), header, encoding: Some("utf-8".to_owned()) };
        let mut reader = TableReader::begin(table, &form).expect("a table in UTF-8 with columns begins");
        let mut rows = Vec::new();
        let end = loop {
            match reader.read_rows(&rules(), at_once, usize::MAX) {
                Ok(page) => {
                    // What was rejected is rejected again when it stands alone.
                    for scrap in &page.scraps {
                        let again = read_row_again(&form, &rules(), scrap).expect("a row is no blank");
                        let again = again.expect_err("it is rejected again");
                        let first = page
                            .rejects
                            .iter()
                            .find(|reject| reject.ordinal == again.ordinal)
                            .expect("it was rejected");
                        // Of a row that cannot be read only the first line is kept.
                        assert!(first.code == again.code || first.code == "csv.columns", "{scrap:?}");
                    }
                    rows.extend(page.candidates.into_iter().map(|row| (row.ordinal, row.content.as_str().to_owned())));
                    let told =
                        page.rejects.into_iter().map(|row| (row.ordinal, format!("{} {}", row.code, row.excerpt)));
                    rows.extend(told);
                    if page.last {
                        break None;
                    }
                }
                Err(error) => break Some(TableError::code(&error)),
            }
        };
        rows.sort();
        let warnings = reader.take_warnings().into_iter().map(|warning| (warning.code, warning.count)).collect();
        Self { rows, end, warnings }
    }

    fn without_first(mut self) -> Self {
        self.rows.retain(|(ordinal, _)| *ordinal > 0);
        for (ordinal, _) in &mut self.rows {
            *ordinal -= 1;
        }
        self
    }
}

/// A row of so many bytes.
fn filler(bytes: usize, delimiter: u8) -> Vec<u8> {
    let end = [delimiter, b'y', delimiter, b'z', b'\n'];
    let mut row = vec![b'x'; bytes - end.len()];
    row.extend_from_slice(&end);
    row
}

fn rules() -> ItemRules {
    let namespace = Namespace::new("fuzz").expect("a plain word is a namespace");
    ItemRules { namespace, key: ItemKey::Content, fold_case: false, members: Vec::new(), dates: DateForm::Text }
}
