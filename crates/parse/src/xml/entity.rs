//! References: characters by number, and the entities that XML and HTML predefine. Nothing else is ever expanded.

use std::borrow::Cow;

use encoding_rs::WINDOWS_1252;
use memchr::memchr;

use super::{Oddities, html_names};

/// No name that is known is longer, and no number of a character.
const MAX_NAME_BYTES: usize = 16;

/// A value with its references decoded.
pub(super) fn decoded<'a>(raw: &'a str, oddities: &mut Oddities) -> Cow<'a, str> {
    if memchr(b'&', raw.as_bytes()).is_none() {
        return Cow::Borrowed(raw);
    }
    let mut out = String::with_capacity(raw.len());
    decode_into(raw, &mut out, oddities);
    Cow::Owned(out)
}

/// Appends text with its references decoded.
pub(super) fn decode_into(raw: &str, out: &mut String, oddities: &mut Oddities) {
    each_reference(raw, out, oddities, |out, name, oddities| match resolve(name, oddities) {
        Some(c) => out.push(c),
        None => keep(out, name),
    });
}

/// Appends text as markup: the marks of markup stay references, all else is decoded.
pub(super) fn escape_into(raw: &str, out: &mut String, oddities: &mut Oddities) {
    each_reference(raw, out, oddities, |out, name, oddities| match resolve(name, oddities) {
        Some('&') => out.push_str("&amp;"),
        Some('<') => out.push_str("&lt;"),
        Some('>') => out.push_str("&gt;"),
        Some(c) => out.push(c),
        None => keep(out, name),
    });
}

fn keep(out: &mut String, name: &str) {
    out.push('&');
    out.push_str(name);
    out.push(';');
}

/// Copies text and hands over each reference; a `&` that begins none is text, and odd.
fn each_reference(
    raw: &str,
    out: &mut String,
    oddities: &mut Oddities,
    mut reference: impl FnMut(&mut String, &str, &mut Oddities),
) {
    let mut rest = raw;
    while let Some(at) = memchr(b'&', rest.as_bytes()) {
        out.push_str(&rest[..at]);
        rest = &rest[at + 1..];
        if let Some(name) = own_name(rest).or_else(|| name_of(rest)) {
            reference(out, name, oddities);
            rest = &rest[name.len() + 1..];
        } else {
            out.push('&');
            oddities.lenient += 1;
        }
    }
    out.push_str(rest);
}

/// As [`name_of`] for XML's own names: escaped HTML has one of them every ten bytes or so.
fn own_name(rest: &str) -> Option<&str> {
    match rest.as_bytes() {
        [b'l' | b'g', b't', b';', ..] => Some(&rest[..2]),
        [b'a', b'm', b'p', b';', ..] => Some(&rest[..3]),
        [b'q', b'u', b'o', b't', b';', ..] | [b'a', b'p', b'o', b's', b';', ..] => Some(&rest[..4]),
        _ => None,
    }
}

/// The character of the reference of HTML that begins behind a `&`, and how many bytes it has there. As in browsers, the
/// numbers and the names of Latin-1 need no `;` (HTML, section 13.5).
pub(crate) fn html_reference(rest: &str) -> Option<(char, usize)> {
    if let Some(name) = own_name(rest).or_else(|| name_of(rest)) {
        let c = resolve(name, &mut Oddities::default())?;
        return Some((c, name.len() + 1));
    }
    let number = rest.starts_with('#');
    let window = &rest.as_bytes()[..rest.len().min(MAX_NAME_BYTES)];
    let length = usize::from(number)
        + window.iter().skip(usize::from(number)).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = &rest[..length];
    let c = if length > usize::from(number) { resolve(name, &mut Oddities::default())? } else { return None };
    (if number { c != '\u{FFFD}' } else { c < '\u{100}' }).then_some((c, length))
}

/// The name of the reference that begins here, when it is ended by `;`.
fn name_of(rest: &str) -> Option<&str> {
    let window = &rest.as_bytes()[..rest.len().min(MAX_NAME_BYTES + 1)];
    let end = memchr(b';', window)?;
    let name = &rest[..end];
    let digits = name.strip_prefix('#').unwrap_or(name);
    (!digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_alphanumeric())).then_some(name)
}

/// The character that a reference means; `None` when its name is not known.
fn resolve(name: &str, oddities: &mut Oddities) -> Option<char> {
    let own = match name.as_bytes() {
        [b'l', b't'] => Some('<'),
        [b'g', b't'] => Some('>'),
        [b'a', b'm', b'p'] => Some('&'),
        [b'q', b'u', b'o', b't'] => Some('"'),
        [b'a', b'p', b'o', b's'] => Some('\''),
        _ => None,
    };
    if own.is_some() {
        return own;
    }
    let Some(number) = name.strip_prefix('#') else {
        let found = html_names::character(name);
        oddities.unknown_entities += u32::from(found.is_none());
        oddities.html_entities += u32::from(found.is_some());
        return found;
    };
    // HTML takes the capital too, XML does not (XML 1.0, section 4.1).
    oddities.lenient += u32::from(number.starts_with('X'));
    let code = match number.strip_prefix(['x', 'X']) {
        Some(hexadecimal) => u32::from_str_radix(hexadecimal, 16),
        None => number.parse(),
    };
    let found = code.ok().and_then(character);
    oddities.bad_references += u32::from(found.is_none());
    Some(found.unwrap_or('\u{FFFD}'))
}

/// The character of that number. Numbers from 128 to 159 mean windows-1252 (HTML, section 13.2.5.80): nobody means the
/// control characters that are there. `None` for what no document may hold (XML 1.0, section 2.2).
fn character(code: u32) -> Option<char> {
    if (0x80..=0x9F).contains(&code) {
        let byte = [u8::try_from(code).ok()?];
        return WINDOWS_1252.decode_without_bom_handling(&byte).0.chars().next();
    }
    let allowed = matches!(code, 0x9 | 0xA | 0xD | 0x20..=0xFFFD | 0x1_0000..);
    char::from_u32(code).filter(|_| allowed)
}
