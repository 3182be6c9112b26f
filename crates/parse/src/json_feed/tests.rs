//! JSON Feeds, whole, odd and cut.

use crate::{Document, Input, Limits, ParseError, parse};

fn read(text: &str) -> Result<Document, ParseError> {
    let input = Input { bytes: text.as_bytes(), content_type: None, base: Some("http://a.example/feed.json") };
    parse(&input, &Limits::default())
}

#[test]
fn reads_what_was_published() {
    let document = read(
        r#"{"version":"https://jsonfeed.org/version/1.1","title":"Tides","home_page_url":"/","items":[
            {"id":7,"url":"seven","title":"High <water>","content_html":"<p>x</p>","date_published":"2024-05-06T07:08:09+02:00",
             "tags":["sea"],"authors":[{"name":"Ada"}],"attachments":[{"url":"a.mp3","mime_type":"audio/mpeg","size_in_bytes":12}],
             "_moon":{"phase":0.50}}]}"#,
    )
    .unwrap();
    assert_eq!(document.feed.link(), Some("http://a.example/"));
    let item = &document.items[0];
    assert_eq!(item.id.as_deref(), Some("7"));
    assert_eq!(item.link(), Some("http://a.example/seven"));
    assert_eq!(item.published.as_ref().unwrap().at.unwrap().to_string(), "2024-05-06T05:08:09Z");
    assert_eq!(item.enclosures[0].length.as_deref(), Some("12"));
    assert_eq!(
        crate::content(item).to_json().get("extensions").unwrap().to_string(),
        r#"{"":{"_moon":{"phase":0.5}}}"#
    );
}

#[test]
fn a_bad_item_costs_itself() {
    let document = read(r#"{"items":[null,{"id":"a"},{"id":"b","title":"\ud800"},{"id":"c",},7]}"#).unwrap();
    assert_eq!(document.items.len(), 1);
    assert_eq!(document.items[0].ordinal, 1);
    let codes: Vec<_> = document.rejects.iter().map(|reject| (reject.ordinal, reject.code)).collect();
    assert_eq!(
        codes,
        [(0, "json.not_an_object"), (2, "json.surrogate"), (3, "json.syntax"), (4, "json.not_an_object")]
    );
}

#[test]
fn an_item_beyond_a_limit_is_refused_with_its_id() {
    let members: Vec<String> = (0..10_001).map(|n| format!(r#""k{n}":1"#)).collect();
    let title = "x".repeat(70_000);
    let document =
        read(&format!(r#"{{"items":[{{"id":"a","title":"{title}"}},{{"id":"b",{}}}]}}"#, members.join(","))).unwrap();
    let codes: Vec<_> = document.rejects.iter().map(|reject| (reject.id.as_deref(), reject.code)).collect();
    assert_eq!(codes, [(Some("a"), "field.too_long"), (Some("b"), "field.too_many")]);
}

#[test]
fn of_a_cut_document_the_whole_items_remain() {
    let document = read(r#"{"items":[{"id":"a"},{"id":"b"},{"id":"c","title":"x"#).unwrap();
    assert!(document.truncated);
    assert_eq!(document.items.len(), 2);
}

#[test]
fn what_is_nested_as_deep_as_json_may_be_still_gives_json() {
    for depth in 55..=63 {
        let text = format!(r#"{{"items":[{{"id":"1","x":{}{}}}]}}"#, "[".repeat(depth), "]".repeat(depth));
        let item = &read(&text).unwrap().items[0];
        assert!(crate::content(item).to_json().get("id").is_some(), "{depth}");
    }
}

#[test]
fn the_last_of_equal_names_wins() {
    assert_eq!(read(r#"{"items":[{"id":"1","id":"2"}]}"#).unwrap().items[0].id.as_deref(), Some("2"));
}

#[test]
fn what_is_no_feed_is_named() {
    let code = |text: &str| read(text).unwrap_err().code();
    assert_eq!(code("{'a':1}"), "json.syntax");
    assert_eq!(code(r#"{"a":1}"#), "feed.not_a_feed");
    assert_eq!(code("null"), "feed.not_a_feed");
    assert_eq!(code("[1,2,3]"), "feed.not_a_feed");
    let deep = format!(r#"{{"items":[{{"id":"1","x":{}{}}}]}}"#, "[".repeat(100), "]".repeat(100));
    assert_eq!(code(&deep), "json.depth");
}
