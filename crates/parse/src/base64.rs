//! Base64 (RFC 4648, section 4), as Atom wraps what is not text.

/// The text that was wrapped; `None` when it is no base64, or no text.
pub(crate) fn decode(wrapped: &str) -> Option<String> {
    let mut out = Vec::with_capacity(wrapped.len() / 4 * 3);
    let (mut bits, mut count) = (0_u32, 0_u32);
    let digits = wrapped.trim_end().trim_end_matches('=');
    for byte in digits.bytes().filter(|byte| !byte.is_ascii_whitespace()) {
        bits = bits << 6 | u32::from(value(byte)?);
        count += 6;
        if count >= 8 {
            count -= 8;
            out.push(u8::try_from(bits >> count & 0xFF).ok()?);
        }
    }
    String::from_utf8(out).ok().filter(|text| !text.contains('\0'))
}

fn value(digit: u8) -> Option<u8> {
    match digit {
        b'A'..=b'Z' => Some(digit - b'A'),
        b'a'..=b'z' => Some(digit - b'a' + 26),
        b'0'..=b'9' => Some(digit - b'0' + 52),
        b'+' => Some(62),
        b'/' => Some(63),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn unwraps_text_and_nothing_else() {
        assert_eq!(decode("VGlk\n ZXM=").as_deref(), Some("Tides"));
        assert_eq!(decode("w6k=").as_deref(), Some("é"));
        assert_eq!(decode("/w=="), None);
        assert_eq!(decode("no base64!"), None);
        assert_eq!(decode("").as_deref(), Some(""));
    }
}
