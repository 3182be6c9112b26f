//! Random conditions and orders.

use feedspine_core::{Direction, Field, Filter, Json, JsonPath, Order, Test};
use proptest::collection::vec;
use proptest::prelude::*;
use proptest::sample::select;

/// Paths into the contents and metadata of `text.rs`, and some that lead nowhere.
const PATHS: [&[&str]; 9] =
    [&["t"], &["n"], &["views"], &["list"], &["list", "0"], &["list", "1"], &["x\0y"], &["", ""], &["none"]];

/// Values to compare with: those that contents have, and their neighbours.
const OPERANDS: [&str; 16] = [
    r#""x""#,
    r#""y""#,
    "5",
    r#""5""#,
    "1",
    "0",
    "9007199254740993",
    "9007199254740992",
    "1e400",
    "null",
    "true",
    r#""x\u0000y""#,
    r#""\ud83d\uddde""#,
    "[]",
    "1767225610000000",
    r#""news""#,
];

const PARTS: [&str; 6] = ["", "x", "a", "\0", "%", "\u{301}"];

fn fields() -> impl Strategy<Value = Field> {
    let path = || select(&PATHS[..]).prop_map(|names| JsonPath::of(names.iter().copied()));
    prop_oneof![
        6 => select(&Field::STORED[..]),
        6 => path().prop_map(Field::Content),
        1 => path().prop_map(Field::Metadata),
        1 => Just(Field::Metadata(JsonPath::of(["by"]))),
    ]
}

fn operands() -> impl Strategy<Value = Json> {
    select(&OPERANDS[..]).prop_map(|text| Json::parse(text).expect("JSON of this table"))
}

fn tests() -> impl Strategy<Value = Test> {
    prop_oneof![
        3 => operands().prop_map(Test::Equal),
        1 => vec(operands(), 0..4).prop_map(Test::In),
        1 => operands().prop_map(Test::Less),
        1 => operands().prop_map(Test::AtMost),
        1 => operands().prop_map(Test::Greater),
        1 => operands().prop_map(Test::AtLeast),
        1 => select(&PARTS[..]).prop_map(|part| Test::Prefix(part.to_owned())),
        1 => select(&PARTS[..]).prop_map(|part| Test::Contains(part.to_owned())),
        1 => Just(Test::Present),
    ]
}

/// Trees of conditions.
pub(crate) fn filters() -> impl Strategy<Value = Filter> {
    let unstored = Just(Filter::Field(Field::LastSeen, Test::Present));
    let leaf = prop_oneof![
        10 => Just(Filter::everything()),
        30 => (fields(), tests()).prop_map(|(field, test)| Filter::Field(field, test)),
        1 => unstored,
    ];
    leaf.prop_recursive(3, 8, 3, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..3).prop_map(Filter::All),
            vec(inner.clone(), 0..3).prop_map(Filter::Any),
            inner.prop_map(|filter| Filter::Not(Box::new(filter))),
        ]
    })
}

/// Up to two terms.
pub(crate) fn orders() -> impl Strategy<Value = Vec<Order>> {
    let direction = prop_oneof![Just(Direction::Ascending), Just(Direction::Descending)];
    vec((fields(), direction).prop_map(|(field, direction)| Order { field, direction }), 0..3)
}
