use std::io::Read;

use super::*;
use crate::item::{DateForm, ItemKey};
use crate::json_query::JsonQuery;

fn rules(key: &[&str]) -> ItemRules {
    let places = key.iter().map(|name| JsonQuery::member(name)).collect();
    ItemRules {
        namespace: "a".parse().unwrap(),
        key: if key.is_empty() { ItemKey::Unsaid } else { ItemKey::Places(places) },
        fold_case: false,
        members: Vec::new(),
        dates: DateForm::Text,
    }
}

fn read_as(form: &TableForm, bytes: &[u8]) -> Result<(TablePage, Vec<Warning>), TableError> {
    let mut reader = TableReader::begin(bytes, form)?;
    let page = reader.read_rows(&rules(&[]), usize::MAX, usize::MAX)?;
    Ok((page, reader.take_warnings()))
}

fn read(bytes: &[u8]) -> Result<(TablePage, Vec<Warning>), TableError> {
    read_as(&TableForm::default(), bytes)
}

fn contents(bytes: &[u8]) -> Vec<String> {
    let (page, _) = read(bytes).unwrap();
    page.candidates.iter().map(|candidate| candidate.content.as_str().to_owned()).collect()
}

fn code(bytes: &[u8]) -> &'static str {
    read(bytes).map_or_else(|error| error.code(), |_| "ok")
}

#[test]
fn rows_are_objects_of_texts() {
    for (table, expected) in [
        ("id,t\n1,a\n2,\n", vec![r#"{"id":"1","t":"a"}"#, r#"{"id":"2","t":""}"#]),
        ("id;t\r\n1;a,b\r\n", vec![r#"{"id":"1","t":"a,b"}"#]),
        ("id\tt\r1\ta\r", vec![r#"{"id":"1","t":"a"}"#]),
        ("id|t\n1|a", vec![r#"{"id":"1","t":"a"}"#]),
        ("id,t\n\n1,\"a\"\"b\nc\"\n\n", vec![r#"{"id":"1","t":"a\"b\nc"}"#]),
        ("id,t\n1,a\"b\"c\n", vec![r#"{"id":"1","t":"a\"b\"c"}"#]),
        ("id,t\n1,\"a\" b\n", vec![r#"{"id":"1","t":"a b"}"#]),
        ("id,t\n1,a\0b\n", vec![r#"{"id":"1","t":"a\u0000b"}"#]),
        ("id\n1\n", vec![r#"{"id":"1"}"#]),
        ("\u{FEFF}id,t\n1,é\n", vec![r#"{"id":"1","t":"é"}"#]),
    ] {
        assert_eq!(contents(table.as_bytes()), expected, "{table:?}");
    }
}

#[test]
fn a_ragged_row_costs_itself_and_says_its_line() {
    let (page, _) = read(b"id,a,b\n1,2\n2,\"x\ny\",3,4\n3,4,5\n").unwrap();
    assert_eq!((page.candidates.len(), page.candidates[0].ordinal), (1, 2));
    let reasons: Vec<(&str, &str)> =
        page.rejects.iter().map(|reject| (reject.code.as_str(), reject.reason.as_str())).collect();
    assert_eq!(
        reasons,
        [("csv.ragged", "line 2: 2 fields for 3 columns"), ("csv.ragged", "line 3: 4 fields for 3 columns")]
    );
    let mut reader = TableReader::begin(b"k,t\n\"a\nb\",1\n,2\n".as_slice(), &TableForm::default()).unwrap();
    let page = reader.read_rows(&rules(&["k"]), 10, usize::MAX).unwrap();
    assert_eq!(page.rejects[0].reason, "line 4: the item has no k, which its key is made of");
}

#[test]
fn what_is_no_table_is_refused() {
    let wide = (0..5_000).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    for (table, expected) in [
        (wide.as_bytes(), "csv.columns"),
        (b"id,\"t\n1,a\n", "csv.header"),
        (b"", "feed.empty"),
        (b"\n\n", "feed.empty"),
        (b"\xFF\xFE\0\0i\0\0\0", "encoding"),
    ] {
        assert_eq!(code(table), expected);
    }
}

#[test]
fn columns_of_one_name_and_of_none_are_read_under_names_of_their_own() {
    let (page, warnings) = read(b",id,t,t\n0,1,a,b\n").unwrap();
    assert_eq!(page.candidates[0].content.as_str(), r#"{"column_1":"0","id":"1","t":"a","t_2":"b"}"#);
    assert_eq!((warnings[0].code, warnings[0].count), ("csv.header", 2));
    assert_eq!(warnings[0].first, "line 1: column 1 has no name and is called \"column_1\" (the delimiter is ',')");
    let reader = TableReader::begin(b"id,t,t\n".as_slice(), &TableForm::default()).unwrap();
    assert!(reader.is_doubled("t") && !reader.is_doubled("id") && !reader.is_doubled("t_2"));
}

fn rejected(table: &[u8]) -> (Vec<String>, Vec<(String, String)>) {
    let (page, _) = read(table).unwrap();
    assert!(page.last);
    let ids = page.candidates.iter().map(|row| row.content.to_json().get("id").unwrap().as_str().unwrap().to_owned());
    (ids.collect(), page.rejects.into_iter().map(|reject| (reject.code, reject.reason)).collect())
}

#[test]
fn a_row_that_cannot_be_read_costs_itself_and_says_its_line() {
    let wide = ["id,t\n1,a\n", &"x,".repeat(5_000), "\n3,c\n"].concat();
    let long = ["id,t\n1,a\n2,", &"x".repeat(40 * 1024 * 1024), "\n3,c\n"].concat();
    let unclosed = ["id,t\n1,a\n2,\"b\n", &format!("x,{}\n", "y".repeat(1024 * 1024)).repeat(40), "3,c\n"].concat();
    for (table, within) in [("id,t\n1,a\n2,\"b\n3,c\n", ""), (unclosed.as_str(), " within 16 MiB")] {
        let reason = format!("line 3: a quote is opened and not closed{within}; nothing behind it is read");
        assert_eq!(rejected(table.as_bytes()), (vec!["1".to_owned()], vec![("csv.quote".to_owned(), reason)]));
    }
    for (table, code, reason) in [
        (wide.as_str(), "csv.columns", "line 3: more than 4096 columns"),
        (long.as_str(), "csv.too_long", "line 3: the row is longer than 16 MiB"),
    ] {
        let (ids, rejects) = rejected(table.as_bytes());
        assert_eq!((ids.first().unwrap().as_str(), ids.last().unwrap().as_str()), ("1", "3"), "{code}");
        assert_eq!(rejects, [(code.to_owned(), reason.to_owned())]);
    }
}

#[test]
fn a_row_that_was_rejected_is_read_again_with_its_header() {
    let table = b"id;t\r\n1;2;3\r\n;b\r\n4;\"c\r\n";
    let form = TableForm { delimiter: Some(b';'), ..TableForm::default() };
    let page = TableReader::begin(table.as_slice(), &form).unwrap().read_rows(&rules(&["id"]), 9, usize::MAX).unwrap();
    let codes: Vec<&str> = page.rejects.iter().map(|reject| reject.code.as_str()).collect();
    assert_eq!(codes, ["csv.ragged", "key.missing", "csv.quote"]);
    let unsaid = TableForm::default();
    for (scrap, reject) in page.scraps.iter().zip(&page.rejects) {
        assert_eq!(read_row_again(&unsaid, &rules(&["id"]), scrap).unwrap().unwrap_err(), *reject);
    }
    let again = |form: &TableForm, key: &str, place: usize| {
        let read = read_row_again(form, &rules(&[key]), &page.scraps[place]).unwrap();
        read.map(|row| (row.ordinal, row.key.key().to_owned())).map_err(|reject| (reject.code, reject.reason))
    };
    assert_eq!(again(&unsaid, "t", 1), Ok((1, "b".to_owned())));
    let named = TableForm { header: Header::Given(["id", "t", "u"].map(str::to_owned).to_vec()), ..unsaid };
    assert_eq!(again(&named, "u", 0), Ok((0, "3".to_owned())));
    assert_eq!(again(&named, "u", 1).unwrap_err().0, "csv.ragged");
}

#[test]
fn the_encoding_is_what_its_mark_says_or_what_was_said_or_what_it_looks_like() {
    let utf16: Vec<u8> = "\u{FEFF}id\tt\n1\té\n".encode_utf16().flat_map(u16::to_le_bytes).collect();
    assert_eq!(contents(&utf16), [r#"{"id":"1","t":"é"}"#]);
    let latin = b"id,t\n1,caf\xE9\n";
    let (page, warnings) = read(latin).unwrap();
    assert_eq!(page.candidates[0].content.as_str(), r#"{"id":"1","t":"café"}"#);
    assert_eq!(warnings[0].code, "encoding.mismatch");
    let said = |label: &str| TableForm { encoding: Some(label.to_owned()), ..TableForm::default() };
    assert!(read_as(&said("latin1"), latin).unwrap().1.is_empty());
    let (page, warnings) = read_as(&said("utf-8"), latin).unwrap();
    assert_eq!(page.candidates[0].content.as_str(), "{\"id\":\"1\",\"t\":\"caf\u{FFFD}\"}");
    assert_eq!((warnings[0].code, warnings[0].count), ("encoding.undecodable", 1));
    assert_eq!(read_as(&said("klingon"), latin).unwrap_err().code(), "encoding");
}

#[test]
fn columns_may_be_named_for_a_table_that_does_not() {
    let header = Header::Given(vec!["id".to_owned(), "t".to_owned()]);
    let form = TableForm { header, delimiter: Some(b'\t'), ..TableForm::default() };
    let (page, _) = read_as(&form, b"1\ta\n2\tb\n").unwrap();
    assert_eq!(page.candidates.len(), 2);
}

/// A table of so many rows that never stands in memory.
struct Endless {
    row: u64,
    rows: u64,
    rest: Vec<u8>,
}

impl Read for Endless {
    fn read(&mut self, buffer: &mut [u8]) -> std::io::Result<usize> {
        if self.rest.is_empty() && self.row < self.rows {
            self.row += 1;
            self.rest = format!("{},\"text of {}, with a comma\"\n", self.row, self.row).into_bytes();
        }
        let count = self.rest.len().min(buffer.len()).min(7);
        buffer[..count].copy_from_slice(&self.rest[..count]);
        self.rest.drain(..count);
        Ok(count)
    }
}

#[test]
fn what_is_odd_is_told_once_wherever_a_piece_ends() {
    for behind in 0..12 {
        let filler = "x".repeat(64 * 1024 - b"id,t\n1,\n".len() - behind);
        let (page, warnings) = read(format!("id,t\n1,{filler}\n2,\"a\"bc\n").as_bytes()).unwrap();
        assert_eq!(page.candidates.len(), 2);
        assert_eq!((warnings.len(), warnings[0].code, warnings[0].count), (1, "csv.after_quote", 1), "{behind}");
    }
}

#[test]
fn what_is_held_of_a_table_does_not_grow_with_it() {
    let endless = Endless { row: 0, rows: 50_000, rest: b"id,t\n".to_vec() };
    let mut reader = TableReader::begin(endless, &TableForm::default()).unwrap();
    let (mut rows, mut last) = (0, false);
    while !last {
        let page = reader.read_rows(&rules(&["id"]), 1_000, usize::MAX).unwrap();
        rows += page.candidates.len();
        last = page.last;
        assert!(reader.source.text().len() <= 2 * 64 * 1024);
    }
    assert_eq!(rows, 50_000);
}
