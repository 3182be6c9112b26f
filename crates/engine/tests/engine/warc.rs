//! What was captured, as a WARC file: read back strictly.

use std::collections::BTreeMap;
use std::io::Read;
use std::path::Path;

use crate::origin::{Answer, Origin};
use crate::support::{add_with, collect, engine_with, settings};
use feedspine::ops::{Existing, ExportWarc};
use flate2::bufread::GzDecoder;

/// The records of a file, each a gzip member: their fields and their blocks.
fn records(file: &Path) -> Vec<(BTreeMap<String, String>, Vec<u8>)> {
    let file = std::fs::read(file).unwrap();
    let (mut rest, mut records) = (file.as_slice(), Vec::new());
    while !rest.is_empty() {
        let (mut text, mut member) = (Vec::new(), GzDecoder::new(rest));
        member.read_to_end(&mut text).unwrap();
        rest = member.into_inner();
        let end = text.windows(4).position(|four| four == b"\r\n\r\n").unwrap();
        let head = String::from_utf8(text[..end].to_vec()).unwrap();
        let fields = head.split("\r\n").skip(1).map(|line| line.split_once(": ").unwrap());
        let fields: BTreeMap<String, String> = fields.map(|(name, value)| (name.into(), value.into())).collect();
        let block = text[end + 4..].strip_suffix(b"\r\n\r\n").unwrap().to_vec();
        assert_eq!(fields["Content-Length"], block.len().to_string());
        records.push((fields, block));
    }
    records
}

#[tokio::test]
async fn each_page_that_a_feed_brought_is_a_resource_as_it_came_without_secrets_in_its_address() {
    const FIRST: &str = r#"{"items": [{"id": 1, "title": "Grüße"}], "next": "/2?token=geheim"}"#;
    const SECOND: &str = r#"{"items": [{"id": 2}], "next": null}"#;
    let origin = Origin::start(|asked| match asked.path.as_str() {
        "/1?token=geheim" => Answer::ok(FIRST),
        _ => Answer::ok(SECOND),
    })
    .await;
    let home = tempfile::tempdir().unwrap();
    let engine = engine_with(settings()).await;
    let local = home.path().join("local.json");
    std::fs::write(&local, SECOND).unwrap();
    let options = ["key=id", "items=items", "next=next"];
    let paged = add_with(&engine, origin.url("/1?token=geheim"), "json", &options).await;
    let file = add_with(&engine, local.to_str().unwrap(), "json", &options[..2]).await;
    for feed in [&paged, &file] {
        assert!(collect(&engine, feed).await.error.is_none());
    }
    let to = home.path().join("all.warc.gz");
    let request = ExportWarc { file: to.clone(), feeds: Vec::new(), since: None, existing: Existing::Kept };
    let written = engine.export_warc(&request).await.unwrap();
    let bytes = (FIRST.len() + 2 * SECOND.len()) as u64;
    assert_eq!((written.records, written.bytes, written.unread), (3, bytes, 0));
    let mut told: Vec<(String, Vec<u8>)> = Vec::new();
    for (fields, block) in records(&to).into_iter().skip(1) {
        assert_eq!((fields["WARC-Type"].as_str(), &fields["WARC-Date"][..10]), ("resource", "2026-11-24"));
        told.push((fields["WARC-Target-URI"].clone(), block));
    }
    told.sort();
    let uris: Vec<&str> = told.iter().map(|(uri, _)| uri.as_str()).collect();
    assert!(uris[0] == format!("file://{}", local.display()) && uris[1].ends_with("/1?token=***"), "{uris:?}");
    assert_eq!([&told[0].1, &told[1].1, &told[2].1], [SECOND, FIRST, SECOND].map(str::as_bytes));
    assert!(!uris.concat().contains("geheim"));
}
