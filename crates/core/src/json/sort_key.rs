//! Bytes that sort as the values do, so that a store may order and page by a JSON path without understanding JSON.

use super::{Json, Number};

pub(super) fn sort_key(value: &Json) -> Vec<u8> {
    let mut out = Vec::new();
    append(value, &mut out);
    out
}

/// Each value begins with its rank (never 0), so that 0 ends an array or object before any longer one.
fn append(value: &Json, out: &mut Vec<u8>) {
    out.push(value.rank() + 1);
    match value {
        Json::Null => {}
        Json::Bool(flag) => out.push(u8::from(*flag)),
        Json::Number(number) => append_number(number, out),
        Json::String(text) => append_text(text, out),
        Json::Array(elements) => {
            for element in elements {
                append(element, out);
            }
            out.push(0);
        }
        Json::Object(members) => {
            for (name, member) in members {
                out.push(1);
                append_text(name, out);
                append(member, out);
            }
            out.push(0);
        }
    }
}

/// NUL is escaped as `00 FF`, the end is `00 00`: a prefix sorts before what it begins.
fn append_text(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        out.push(byte);
        if byte == 0 {
            out.push(0xFF);
        }
    }
    out.extend([0, 0]);
}

/// Sign (0 negative, 1 zero, 2 positive), the decimal point's place, the digits and an end mark; all of a negative
/// number's bytes after the sign are inverted, which turns the order of magnitudes round.
fn append_number(number: &Number, out: &mut Vec<u8>) {
    let parts = number.parts();
    if parts.digits.is_empty() {
        out.push(1);
        return;
    }
    out.push(if parts.negative { 0 } else { 2 });
    let from = out.len();
    out.extend((parts.point.cast_unsigned() ^ (1 << 63)).to_be_bytes());
    out.extend(parts.digits.bytes());
    out.push(0);
    if parts.negative {
        for byte in &mut out[from..] {
            *byte = !*byte;
        }
    }
}
