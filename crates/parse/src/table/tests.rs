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
    if !page.last {
        reader.read_rows(&rules(&[]), usize::MAX, usize::MAX)?;
    }
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
fn what_makes_a_table_ambiguous_refuses_it() {
    let wide = (0..5_000).map(|at| format!("c{at}")).collect::<Vec<_>>().join(",");
    let endless = [b"id,t\n1,\"".as_slice(), &b"x,\n".repeat(1_700_000)].concat();
    for (table, expected) in [
        (b"id,id,,\n1,2,3,4\n".as_slice(), "csv.header"),
        (b"id,,t\n1,2,3\n", "csv.header"),
        (wide.as_bytes(), "csv.columns"),
        (&endless, "csv.quote"),
        (b"id,t\n1,a\n2,\"b\n3,c\n", "csv.quote"),
        (b"", "feed.empty"),
        (b"\n\n", "feed.empty"),
        (b"\xFF\xFE\0\0i\0\0\0", "encoding"),
    ] {
        assert_eq!(code(table), expected);
    }
    let error = read(b"id,t\n1,a\n2,\"b\n3,c\n").unwrap_err();
    assert!(error.to_string().starts_with("line 3: "), "{error}");
}

#[test]
fn rows_before_one_that_cannot_be_read_are_told() {
    let mut reader = TableReader::begin(b"id,t\n1,a\n2,\"b\n3,c\n".as_slice(), &TableForm::default()).unwrap();
    let mut read = || reader.read_rows(&rules(&[]), usize::MAX, usize::MAX);
    let page = read().unwrap();
    assert_eq!((page.candidates.len(), page.last), (1, false));
    assert_eq!(read().unwrap_err().code(), "csv.quote");
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
