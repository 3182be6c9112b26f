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

#[test]
fn the_feed_and_its_people_are_described() {
    let text = r#"{"version":"https://jsonfeed.org/version/1.1","icon":"/i.png","favicon":"/f.ico","expired":true,
        "hubs":[{"type":"WebSub","url":"http://hub.example/"}],"authors":[{"name":"Ada","avatar":"a.png"}],
        "items":[{"id":"1","attachments":[{"url":"/a.mp3","duration_in_seconds":12}]}]}"#;
    let input = Input { bytes: text.as_bytes(), content_type: None, base: Some("http://a.example/") };
    let document = parse(&input, &Limits::default()).unwrap();
    let feed = &document.feed;
    assert_eq!(feed.image.as_ref().unwrap().href.as_deref(), Some("http://a.example/i.png"));
    assert_eq!(feed.icon.as_deref(), Some("http://a.example/f.ico"));
    assert_eq!(feed.hubs().collect::<Vec<_>>(), ["http://hub.example/"]);
    assert_eq!(feed.authors[0].avatar.as_deref(), Some("a.png"));
    assert!(feed.members.contains_key("expired"));
    assert_eq!(document.items[0].duration_seconds(), Some(12));
}

#[test]
fn values_within_members_of_nobody_count_as_members() {
    let many = "1,".repeat(10_001);
    let text = format!(r#"{{"items":[{{"id":"1","_x":[{many}0]}},{{"id":"2"}}]}}"#);
    let input = Input { bytes: text.as_bytes(), content_type: None, base: None };
    let document = parse(&input, &Limits::default()).unwrap();
    assert_eq!((document.rejects[0].code, document.items.len()), ("field.too_many", 1));
}
