//! The functions of RFC 9535, section 2.4: `length`, `count`, `match`, `search`, `value`.

use std::borrow::Cow;

use feedspine_core::Json;
use regex::{Regex, RegexBuilder};

use super::evaluate::Walk;
use super::{Inner, Operand, TooManyNodes};

/// The most bytes that a compiled expression may have: one that repeats a repetition grows without bound.
const LARGEST_EXPRESSION: usize = 1024 * 1024;

/// A call, its arguments of the right kinds.
#[derive(Debug, Clone)]
pub(super) enum Function {
    Length(Operand),
    Count(Inner),
    ValueOf(Inner),
    Matches { text: Operand, expression: Expression, whole: bool },
}

/// A regular expression (RFC 9485).
#[derive(Debug, Clone)]
pub(super) enum Expression {
    /// A literal, compiled; `None` when it is no expression, which matches nothing.
    Fixed(Option<Regex>),
    /// One that the document gives.
    Found(Operand),
}

/// What a function or an operand gives.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Value<'v> {
    Nothing,
    True,
    False,
    Json(&'v Json),
    Made(Json),
}

impl Value<'_> {
    pub(super) fn as_json(&self) -> Option<&Json> {
        match self {
            Self::Json(json) => Some(json),
            Self::Made(json) => Some(json),
            Self::Nothing | Self::True | Self::False => None,
        }
    }
}

impl Function {
    /// Whether it gives a truth, and not a value.
    pub(super) fn is_logical(&self) -> bool {
        matches!(self, Self::Matches { .. })
    }

    pub(super) fn call<'v, 'a: 'v>(&'v self, walk: &mut Walk<'a>, node: &'a Json) -> Result<Value<'v>, TooManyNodes> {
        Ok(match self {
            Self::Length(operand) => match walk.operand(operand, node)?.as_json() {
                Some(Json::String(text)) => count(text.chars().count()),
                Some(Json::Array(elements)) => count(elements.len()),
                Some(Json::Object(members)) => count(members.len()),
                _ => Value::Nothing,
            },
            Self::Count(inner) => count(walk.inner(inner, node)?.len()),
            Self::ValueOf(inner) => match walk.inner(inner, node)?.as_slice() {
                [only] => Value::Json(only),
                _ => Value::Nothing,
            },
            Self::Matches { text, expression, whole } => {
                let text = walk.operand(text, node)?;
                let found = match (text.as_json(), expression) {
                    (Some(Json::String(text)), Expression::Fixed(Some(regex))) => regex.is_match(text),
                    (Some(Json::String(text)), Expression::Found(operand)) => {
                        let expression = walk.operand(operand, node)?;
                        let regex = expression.as_json().and_then(Json::as_str).and_then(|text| compile(text, *whole));
                        regex.is_some_and(|regex| regex.is_match(text))
                    }
                    _ => false,
                };
                if found { Value::True } else { Value::False }
            }
        })
    }
}

fn count(number: usize) -> Value<'static> {
    Value::Made((number as u64).into())
}

/// Compiles an expression that is to match the whole text, or any part of it.
pub(super) fn compile(expression: &str, whole: bool) -> Option<Regex> {
    let expression = dots_without_line_ends(expression);
    let anchored = if whole { format!("^(?:{expression})$") } else { expression.into_owned() };
    RegexBuilder::new(&anchored).size_limit(LARGEST_EXPRESSION).build().ok()
}

/// In RFC 9485 a dot is any character but CR and LF.
fn dots_without_line_ends(expression: &str) -> Cow<'_, str> {
    if !expression.contains('.') {
        return expression.into();
    }
    let mut out = String::with_capacity(expression.len() + 8);
    let (mut escaped, mut in_class) = (false, false);
    for c in expression.chars() {
        match c {
            '.' if !escaped && !in_class => out.push_str(r"[^\n\r]"),
            _ => out.push(c),
        }
        match c {
            '[' if !escaped => in_class = true,
            ']' if !escaped => in_class = false,
            _ => {}
        }
        escaped = c == '\\' && !escaped;
    }
    out.into()
}
