//! [`Text`]: the texts that operations are made of, tame and hostile, shown shortly when they are long.

use std::borrow::Cow;
use std::fmt;

use proptest::prelude::*;
use proptest::sample::select;

/// A text that is written down in a few characters, whatever its length.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Text {
    /// This very text.
    Is(&'static str),
    /// One character so many times.
    Repeated(char, usize),
    /// So many JSON arrays in one another.
    Nested(usize),
}

impl Text {
    /// The text.
    pub fn get(self) -> Cow<'static, str> {
        match self {
            Self::Is(text) => text.into(),
            Self::Repeated(character, times) => std::iter::repeat_n(character, times).collect::<String>().into(),
            Self::Nested(depth) => format!("{}{}", "[".repeat(depth), "]".repeat(depth)).into(),
        }
    }
}

impl fmt::Debug for Text {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Is(text) => fmt::Debug::fmt(text, f),
            Self::Repeated(character, times) => write!(f, "{character:?}x{times}"),
            Self::Nested(depth) => write!(f, "nested({depth})"),
        }
    }
}

use Text::{Is, Nested, Repeated};

const PLAIN_KEYS: [Text; 5] = [Is("a"), Is("b"), Is("c"), Is("d"), Is("e")];

/// Equal to a plain one only if folded, normalised, trimmed by another rule or cut; the last four are no keys at all.
const HOSTILE_KEYS: [Text; 14] = [
    Is("A"),
    Is(" a\n"),
    Is("a\u{a0}"),
    Is("\u{e9}"),
    Is("e\u{301}"),
    Is("\u{202e}cba\u{5d0}\u{200f}"),
    Is("\u{1}\t\u{7f}\u{ffff}"),
    Is("'; --\"\\%_$1{}"),
    Is("\u{1f5de}"),
    Repeated('k', 2_048),
    Repeated('k', 2_049),
    Repeated('k', 10_000),
    Is("nul\0"),
    Is(" \t"),
];

const SPACES: [Text; 3] = [Is("news"), Is("news"), Is("\u{4e}eu\u{308}\u{1f5de}")];

const PLAIN_CONTENTS: [Text; 5] = [
    Is(r#"{"t":"x"}"#),
    Is(r#"{"t":"y"}"#),
    Is(r#"{"t":"x","views":1}"#),
    Is(r#"{"t":"x","views":2}"#),
    Is(r#"{"t":"z","n":5,"list":[1,"x",null]}"#),
];

/// What stores' own JSON functions bend; the last five are not JSON that is kept.
const HOSTILE_CONTENTS: [Text; 27] = [
    Is(r#"{"t":"x\u0000y"}"#),
    Is(r#"{"x\u0000y":"t"}"#),
    Is(r#"{"n":9007199254740992}"#),
    Is(r#"{"n":9007199254740993}"#),
    Is(r#"{"n":-0}"#),
    Is(r#"{"n":0.0}"#),
    Is(r#"{"n":1.0}"#),
    Is(r#"{"n":100e-2}"#),
    Is(r#"{"n":1e400}"#),
    Is(r#"{"n":-1E-400}"#),
    Is(r#"{"n":123456789012345678901234567890.123456789}"#),
    Is(r#"{"n":1e999999999}"#),
    Is(r#"{"n":"5","t":5}"#),
    Is(r#"{"n":null}"#),
    Is(r#"{"t":"\u202e\u05d0abc\u0301"}"#),
    Is(r#"{"t":"\ud83d\uddde"}"#),
    Is(r#"{"a":1,"a":2}"#),
    Is(r#"{"":{"":[]}}"#),
    Is(r#""a text""#),
    Is("null"),
    Is("[]"),
    Nested(64),
    Nested(66),
    Is(r#"{"t":"\ud800"}"#),
    Is(r#"{"t":"\udc00\ud800"}"#),
    Is(r#"{"n":NaN}"#),
    Is(r#"{"t":"#),
];

const METADATA: [Text; 5] =
    [Is("{}"), Is(r#"{"by":"me"}"#), Is(r#"{"by":"me","n":1e30}"#), Is(r#"{"by":"\u0000"}"#), Is(r#"{"by":null}"#)];

const WORDS: [Text; 6] =
    [Is("plain"), Is(""), Is("nul\0nul"), Is("\u{202e}\r\n\u{85}\u{fffe}"), Is("'; --"), Repeated('\u{1f5de}', 2_500)];

/// Keys as they are published, some of which are none.
pub(crate) fn keys() -> impl Strategy<Value = Text> {
    prop_oneof![5 => select(&PLAIN_KEYS[..]), 1 => select(&HOSTILE_KEYS[..])]
}

/// Namespaces.
pub(crate) fn spaces() -> impl Strategy<Value = Text> {
    select(&SPACES[..])
}

/// Contents as they are published, some of which are no JSON.
pub(crate) fn contents() -> impl Strategy<Value = Text> {
    prop_oneof![3 => select(&PLAIN_CONTENTS[..]), 1 => select(&HOSTILE_CONTENTS[..])]
}

/// Metadata: JSON objects.
pub(crate) fn metadata() -> impl Strategy<Value = Text> {
    select(&METADATA[..])
}

/// Codes, reasons and excerpts.
pub(crate) fn words() -> impl Strategy<Value = Text> {
    select(&WORDS[..])
}
