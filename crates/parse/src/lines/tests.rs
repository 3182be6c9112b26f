use super::*;
use crate::item::{DateForm, ItemKey};
use crate::json_query::JsonQuery;

fn rules(key: ItemKey) -> ItemRules {
    let namespace = "a".parse().unwrap();
    ItemRules { namespace, key, fold_case: false, members: Vec::new(), dates: DateForm::Text }
}

fn read(form: &LineForm, key: ItemKey, text: &str) -> (LinePage, Vec<Warning>) {
    let mut reader = LineReader::new(form, rules(key), 0);
    for piece in text.as_bytes().chunks(7) {
        reader.push(piece);
    }
    reader.end();
    (reader.take_page(), reader.take_warnings())
}

fn keys(page: &LinePage) -> Vec<&str> {
    page.candidates.iter().map(|candidate| candidate.key.key()).collect()
}

fn faults(page: &LinePage) -> Vec<(&str, &str)> {
    page.rejects.iter().map(|reject| (reject.code.as_str(), reject.reason.as_str())).collect()
}

#[test]
fn a_bad_line_costs_itself_and_says_its_number() {
    let text = "{\"id\":1}\n\n5\n{\"id\":\"\\ud800\"}\n{\"id\":2}\n{\"id\":";
    let (page, _) = read(&LineForm::Json, ItemKey::Unsaid, text);
    assert_eq!(keys(&page), ["1", "2"]);
    let found = faults(&page);
    let codes: Vec<&str> = found.iter().map(|(code, _)| *code).collect();
    assert_eq!(codes, ["json.not_an_object", "json.surrogate", "json.syntax"]);
    for ((_, reason), line) in found.iter().zip([3, 4, 6]) {
        assert!(reason.starts_with(&format!("line {line}: ")), "{reason}");
    }
    let ordinals: Vec<u32> = page.candidates.iter().map(|candidate| candidate.ordinal).collect();
    assert_eq!((ordinals, page.line), (vec![0, 3], 6));
}

#[test]
fn pages_go_on_where_the_last_one_ended() {
    let mut reader = LineReader::new(&LineForm::Json, rules(ItemKey::Unsaid), 5);
    reader.push(b"{\"id\":1}\n{\"i");
    assert_eq!((reader.waiting(), reader.take_page().line), (1, 1));
    reader.push(b"d\":2}\n");
    let page = reader.take_page();
    assert_eq!((keys(&page), page.candidates[0].ordinal, page.line), (vec!["2"], 6, 2));
    assert_eq!(reader.next_ordinal(), 7);
}

const TAP: &str = r#"{"type":"SCHEMA","stream":"rates","schema":{},"key_properties":["date","code"]}
{"type":"RECORD","stream":"rates","record":{"date":"2026-11-24","code":"CHF","rate":0.93},"time_extracted":"2026-11-24T12:00:00Z"}
{"type":"STATE","value":{"from":"2026-11-24"}}
{"type":"SCHEMA","stream":"log","schema":{},"key_properties":[]}
{"type":"RECORD","stream":"log","record":{"text":"a"}}
{"type":"ACTIVATE_VERSION","stream":"log","version":1}
{"type":"STATE","value":{"from":"2026-11-25"}}
{"type":"HEARTBEAT"}
"#;

#[test]
fn a_tap_tells_records_with_their_keys_and_its_last_state() {
    let (page, warnings) = read(&LineForm::Singer, ItemKey::Unsaid, TAP);
    assert_eq!(keys(&page)[0], r#"["rates","2026-11-24","CHF"]"#);
    assert!(keys(&page)[1].starts_with("sha256:"), "{page:?}");
    assert_eq!(
        page.candidates[0].content.as_str(),
        r#"{"_stream":"rates","code":"CHF","date":"2026-11-24","rate":0.93}"#
    );
    assert_eq!(page.state, Some(Json::parse(r#"{"from":"2026-11-25"}"#).unwrap()));
    assert_eq!(warnings.iter().map(|warning| warning.code).collect::<Vec<_>>(), ["singer.unknown"]);
    assert!(faults(&page).is_empty(), "{page:?}");
}

#[test]
fn the_operators_key_rules_over_that_of_a_tap() {
    let (page, _) = read(&LineForm::Singer, ItemKey::Places(vec![JsonQuery::member("code")]), TAP);
    assert_eq!((keys(&page), faults(&page)[0].0), (vec!["CHF"], "key.missing"));
}

#[test]
fn what_a_tap_must_not_print_is_rejected_by_name() {
    for (line, code) in [
        ("INFO begun", "json.syntax"),
        ("[1]", "singer.message"),
        (r#"{"id":1}"#, "singer.message"),
        (r#"{"type":"RECORD","stream":"a"}"#, "singer.message"),
        (r#"{"type":"RECORD","stream":"none","record":{}}"#, "singer.schema"),
        (r#"{"type":"SCHEMA"}"#, "singer.message"),
        (r#"{"type":"STATE"}"#, "singer.message"),
        (r#"{"type":"BATCH","stream":"rates","manifest":[]}"#, "singer.batch"),
        (r#"{"type":"RECORD","stream":"log","record":{"_stream":"x"}}"#, "singer.stream"),
        (r#"{"type":"RECORD","stream":"rates","record":{"date":"2026-11-24"}}"#, "key.missing"),
    ] {
        let (page, _) = read(&LineForm::Singer, ItemKey::Unsaid, &format!("{TAP}{line}\n"));
        let found = faults(&page);
        assert_eq!(found[0].0, code, "{line}");
        assert!(found[0].1.starts_with("line 9: "), "{found:?}");
        let again = read_line_again(&LineForm::Singer, &rules(ItemKey::Unsaid), &page.scraps[0]);
        assert_eq!(again.unwrap().unwrap_err(), page.rejects[0]);
    }
}

#[test]
fn a_line_that_was_rejected_is_read_again_with_what_was_said_of_its_stream() {
    let keyed_by_code = ItemKey::Places(vec![JsonQuery::member("code")]);
    let (page, _) = read(&LineForm::Singer, keyed_by_code, TAP);
    let [scrap] = page.scraps.as_slice() else { panic!("{page:?}") };
    let again = |key| read_line_again(&LineForm::Singer, &rules(key), scrap).unwrap();
    let taken = again(ItemKey::Unsaid).unwrap();
    assert_eq!((taken.ordinal, taken.content.as_str()), (1, r#"{"_stream":"log","text":"a"}"#));
    let rejected = again(ItemKey::Places(vec![JsonQuery::member("id")])).unwrap_err();
    assert_eq!((rejected.ordinal, rejected.reason.split(':').next()), (1, Some("line 5")));
    let undecodable = [b"{\"id\":1}\n\xFF\n".as_slice()].concat();
    let mut reader = LineReader::new(&LineForm::Json, rules(ItemKey::Unsaid), 0);
    reader.push(&undecodable);
    let page = reader.take_page();
    assert_eq!((page.rejects.len(), page.scraps.len()), (1, 0));
}
