//! Cuts what stands in a tag after its name into attributes, quoted or not.

/// An attribute as it stands.
#[derive(Debug, Clone, Copy)]
pub(super) struct Attribute<'a> {
    pub(super) name: &'a str,
    /// The value with its references; empty when there is none.
    pub(super) raw: &'a str,
}

/// Appends the first `limit` attributes; returns how many were left out.
pub(super) fn split<'a>(source: &'a str, limit: usize, out: &mut Vec<Attribute<'a>>) -> u32 {
    let mut rest = source;
    let mut left_out = 0;
    loop {
        rest = rest.trim_start_matches(|c: char| c.is_ascii_whitespace() || matches!(c, '/' | '"' | '\'' | '='));
        if rest.is_empty() {
            return left_out;
        }
        let (name, after) = split_where(rest, |byte| byte.is_ascii_whitespace() || byte == b'=');
        let (raw, after) = match after.trim_ascii_start().strip_prefix('=') {
            Some(value) => value_of(value.trim_ascii_start()),
            None => ("", after),
        };
        if out.len() < limit {
            out.push(Attribute { name, raw });
        } else {
            left_out += 1;
        }
        rest = after;
    }
}

fn value_of(text: &str) -> (&str, &str) {
    for quote in ['"', '\''] {
        if let Some(inside) = text.strip_prefix(quote) {
            return inside.split_once(quote).unwrap_or((inside, ""));
        }
    }
    split_where(text, |byte| byte.is_ascii_whitespace())
}

fn split_where(text: &str, ends: impl Fn(u8) -> bool) -> (&str, &str) {
    let at = text.bytes().position(ends).unwrap_or(text.len());
    text.split_at(at)
}
