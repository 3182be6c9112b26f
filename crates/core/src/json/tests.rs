use proptest::prelude::*;

use super::*;

fn canonical(text: &str) -> String {
    Json::parse(text).unwrap().to_canonical()
}

#[test]
fn canonical_text_sorts_members_and_drops_blanks() {
    assert_eq!(canonical(r#" { "b" : 1.0, "a" : [ true , null ] } "#), r#"{"a":[true,null],"b":1}"#);
}

#[test]
fn of_equal_members_the_last_wins() {
    assert_eq!(canonical(r#"{"a":1,"a":2}"#), r#"{"a":2}"#);
}

#[test]
fn nul_and_controls_come_back_as_they_were() {
    let value = Json::parse(r#""a\u0000b\u001f\n""#).unwrap();
    assert_eq!(value.as_str(), Some("a\0b\u{1f}\n"));
    assert_eq!(value.to_canonical(), r#""a\u0000b\u001f\n""#);
}

#[test]
fn a_surrogate_pair_is_one_character_and_a_lone_one_is_refused() {
    assert_eq!(Json::parse(r#""\ud83d\ude00""#).unwrap().as_str(), Some("\u{1f600}"));
    for lone in [r#""\ud800x""#, r#""\udc00""#, r#""\ud800\ud800""#] {
        assert!(matches!(Json::parse(lone), Err(JsonError::Surrogate { .. })), "{lone}");
    }
}

#[test]
fn depth_is_bounded() {
    let nested = |depth: usize| "[".repeat(depth) + &"]".repeat(depth);
    assert!(Json::parse(&nested(MAX_DEPTH)).is_ok());
    assert!(matches!(Json::parse(&nested(100_000)), Err(JsonError::Depth { .. })));
}

#[test]
fn what_is_not_json_is_refused_with_its_place() {
    for wrong in ["", "{", "{'a':1}", "[1,]", "{\"a\":1,}", "/*x*/1", "nul", "\"a\nb\"", "1 2", "\"\\x\""] {
        assert!(matches!(Json::parse(wrong), Err(JsonError::Syntax { .. })), "{wrong}");
    }
}

fn any_json() -> impl Strategy<Value = Json> {
    let number = prop_oneof![
        any::<i64>().prop_map(Number::from),
        (-99_i64..99, -20_i32..420).prop_map(|(m, e)| Number::parse(&format!("{m}e{e}")).unwrap()),
    ];
    let leaf = prop_oneof![
        Just(Json::Null),
        any::<bool>().prop_map(Json::Bool),
        number.prop_map(Json::Number),
        ".{0,4}|\0|a\0b".prop_map(Json::String),
    ];
    leaf.prop_recursive(3, 24, 4, |inner| {
        prop_oneof![
            prop::collection::vec(inner.clone(), 0..4).prop_map(Json::Array),
            prop::collection::btree_map("[ab\0]{0,2}", inner, 0..4).prop_map(Json::Object),
        ]
    })
}

proptest! {
    #[test]
    fn canonical_text_reads_back_as_the_same_value(value in any_json()) {
        let text = value.to_canonical();
        prop_assert_eq!(&Json::parse(&text).unwrap(), &value);
        prop_assert_eq!(canonical(&text), text);
    }

    #[test]
    fn long_strings_are_escaped_wherever_they_need_it(text in "[ a\u{7f}\u{80}é\"\\\\\n\u{1}\u{1f}😀]{0,60}") {
        let written = Json::from(text.as_str()).to_canonical();
        prop_assert!(written.bytes().all(|byte| byte >= 0x20));
        prop_assert_eq!(Json::parse(&written).unwrap(), Json::String(text));
    }

    #[test]
    fn sort_keys_order_as_the_values_do(a in any_json(), b in any_json()) {
        prop_assert_eq!(a.sort_key().cmp(&b.sort_key()), a.cmp(&b));
    }

    #[test]
    fn no_text_makes_the_reader_panic(text in ".{0,40}") {
        let _ = Json::parse(&text);
    }
}
