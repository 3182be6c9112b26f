//! Bytes to text: byte-order mark, then HTTP, then the XML declaration, then validation and detection.
//!
//! An encoding that is named but does not fit the bytes is not obeyed: the next is tried and the document flagged.

use std::borrow::Cow;

use chardetng::{EncodingDetector, Iso2022JpDetection, Utf8Detection};
use encoding_rs::{Decoder, DecoderResult, Encoding, UTF_8, UTF_16BE, UTF_16LE, WINDOWS_1252};

use crate::error::ParseError;
use crate::warning::Warnings;

/// How far into the body an XML declaration is looked for; it is some 60 bytes, at times after white space.
const DECLARATION_BYTES: usize = 1_024;

/// How much of a body is shown to the detector, from shortly before its first byte beyond ASCII.
const SAMPLE_BYTES: usize = 64 * 1_024;

/// Whether an encoding has that label (WHATWG), such as `latin1`.
pub fn is_encoding(label: &str) -> bool {
    Encoding::for_label(label.as_bytes()).is_some()
}

/// The text of a body.
#[derive(Debug)]
pub(crate) struct Decoded<'a> {
    /// The text, without a byte-order mark.
    pub(crate) text: Cow<'a, str>,
    /// The WHATWG name of the encoding used.
    pub(crate) encoding: &'static str,
    /// The encoding was not the one named, or some bytes had no meaning.
    pub(crate) recovered: bool,
}

/// Decodes a body.
pub(crate) fn decode<'a>(
    bytes: &'a [u8],
    content_type: Option<&str>,
    warnings: &mut Warnings,
) -> Result<Decoded<'a>, ParseError> {
    refuse_what_is_not_read(bytes)?;
    if let Some((encoding, length)) = Encoding::for_bom(bytes) {
        let bytes = &bytes[length..];
        let mut decoded = strictly(bytes, encoding).unwrap_or_else(|| lossily(bytes, encoding, warnings));
        // The mark is obeyed whatever the declaration says.
        let named = declared(bytes).and_then(Encoding::for_label).filter(|named| *named != encoding);
        if named.is_some() {
            decoded.recovered = true;
            warnings.add("encoding.mismatch", || mismatch(named, encoding));
        }
        return Ok(decoded);
    }
    if let Some(encoding) = sixteen_bits(bytes) {
        return Ok(strictly(bytes, encoding).unwrap_or_else(|| lossily(bytes, encoding, warnings)));
    }
    let named = [content_type.and_then(charset_parameter).map(str::as_bytes), declared(bytes)];
    let mut first_named = None;
    let mut unknown = false;
    for label in named.into_iter().flatten() {
        match Encoding::for_label(label).filter(|encoding| encoding.is_ascii_compatible()) {
            Some(encoding) if fits(bytes, encoding) => {
                if let Some(mut decoded) = strictly(bytes, encoding) {
                    let beyond_ascii = label.to_ascii_lowercase().ends_with(b"ascii") && !bytes.is_ascii();
                    if beyond_ascii {
                        warnings.add("encoding.mismatch", || {
                            format!("the document says ASCII and was read as {}", encoding.name())
                        });
                    }
                    decoded.recovered = beyond_ascii || unknown || first_named.is_some_and(|first| first != encoding);
                    return Ok(decoded);
                }
                first_named = first_named.or(Some(encoding));
            }
            Some(encoding) => first_named = first_named.or(Some(encoding)),
            None => {
                unknown = true;
                warnings.add("encoding.unknown", || {
                    format!("no encoding that is read is called {:?}", String::from_utf8_lossy(label))
                });
            }
        }
    }
    let mut decoded = detected(bytes, first_named, warnings);
    decoded.recovered |= unknown;
    Ok(decoded)
}

/// UTF-32 and EBCDIC: named, rather than taken for something else.
fn refuse_what_is_not_read(bytes: &[u8]) -> Result<(), ParseError> {
    let found = match bytes {
        [0xFF, 0xFE, 0, 0, ..] | [0, 0, 0xFE, 0xFF, ..] | [b'<', 0, 0, 0, ..] | [0, 0, 0, b'<', ..] => "UTF-32",
        [0x4C, 0x6F, 0xA7, 0x94, ..] => "EBCDIC",
        _ => return Ok(()),
    };
    Err(ParseError::Encoding { found: found.to_owned() })
}

/// UTF-16 without a byte-order mark: the first character of a feed is ASCII.
fn sixteen_bits(bytes: &[u8]) -> Option<&'static Encoding> {
    match bytes {
        [0, b'<' | b'{' | b' ' | b'\n', ..] => Some(UTF_16BE),
        [b'<' | b'{' | b' ' | b'\n', 0, ..] => Some(UTF_16LE),
        _ => None,
    }
}

/// The `charset` of a `Content-Type` header.
fn charset_parameter(content_type: &str) -> Option<&str> {
    let parameters = content_type.split(';').skip(1);
    let mut named = parameters.filter_map(|parameter| parameter.split_once('='));
    let (_, value) = named.find(|(name, _)| name.trim().eq_ignore_ascii_case("charset"))?;
    Some(value.trim().trim_matches(['"', '\'']).trim()).filter(|label| !label.is_empty())
}

/// The encoding that the XML declaration names.
fn declared(bytes: &[u8]) -> Option<&[u8]> {
    let head = &bytes[..bytes.len().min(DECLARATION_BYTES)];
    let start = memchr::memmem::find(head, b"<?xml")?;
    let declaration = &head[start..start + memchr::memmem::find(&head[start..], b"?>")?];
    let name = memchr::memmem::find(declaration, b"encoding")?;
    let value = declaration[name + b"encoding".len()..].trim_ascii_start().strip_prefix(b"=")?.trim_ascii_start();
    let (quote, rest) = value.split_first()?;
    let end = if matches!(quote, b'"' | b'\'') { memchr::memchr(*quote, rest)? } else { return None };
    Some(rest[..end].trim_ascii())
}

/// A single-byte encoding fits every text, so it says nothing against UTF-8: when the bytes are UTF-8 beyond ASCII by
/// their shape, chance has no part in it, and the label is a server's default.
fn fits(bytes: &[u8], encoding: &'static Encoding) -> bool {
    encoding == UTF_8 || !encoding.is_single_byte() || bytes.is_ascii() || std::str::from_utf8(bytes).is_err()
}

fn strictly<'a>(bytes: &'a [u8], encoding: &'static Encoding) -> Option<Decoded<'a>> {
    let text = if encoding == UTF_8 {
        Cow::Borrowed(std::str::from_utf8(bytes).ok()?)
    } else {
        encoding.decode_without_bom_handling_and_without_replacement(bytes)?
    };
    Some(Decoded { text, encoding: encoding.name(), recovered: false })
}

fn lossily<'a>(bytes: &[u8], encoding: &'static Encoding, warnings: &mut Warnings) -> Decoded<'a> {
    let mut text = String::new();
    let count = decode_into(&mut encoding.new_decoder_without_bom_handling(), bytes, true, &mut text);
    warn_of_undecodable(count, encoding, warnings);
    Decoded { text: text.into(), encoding: encoding.name(), recovered: true }
}

/// Appends what the bytes mean, with U+FFFD for each sequence that means nothing; how many those are. A U+FFFD that was
/// published is none of them. `ends` when nothing follows the bytes.
pub(crate) fn decode_into(decoder: &mut Decoder, mut bytes: &[u8], ends: bool, text: &mut String) -> u32 {
    let mut count = 0_u32;
    loop {
        let room = decoder.max_utf8_buffer_length(bytes.len()).unwrap_or(bytes.len() * 3 + 16);
        text.reserve(room);
        let (result, read) = decoder.decode_to_string_without_replacement(bytes, text, ends);
        bytes = &bytes[read..];
        match result {
            DecoderResult::InputEmpty => return count,
            DecoderResult::OutputFull => {}
            DecoderResult::Malformed(..) => {
                text.push(char::REPLACEMENT_CHARACTER);
                count = count.saturating_add(1);
            }
        }
    }
}

pub(crate) fn warn_of_undecodable(count: u32, encoding: &'static Encoding, warnings: &mut Warnings) {
    warnings.add_many("encoding.undecodable", count, || {
        format!("bytes that mean nothing in {} became U+FFFD", encoding.name())
    });
}

/// No encoding is named, or what is named does not fit.
fn detected<'a>(bytes: &'a [u8], named: Option<&'static Encoding>, warnings: &mut Warnings) -> Decoded<'a> {
    if let Some(mut decoded) = strictly(bytes, UTF_8) {
        decoded.recovered = named.is_some_and(|named| named != UTF_8);
        if decoded.recovered {
            warnings.add("encoding.mismatch", || mismatch(named, UTF_8));
        }
        return decoded;
    }
    if mostly_utf8(bytes) {
        return lossily(bytes, UTF_8, warnings);
    }
    let mut detector = EncodingDetector::new(Iso2022JpDetection::Deny);
    detector.feed(sample(bytes), true);
    let guess = detector.guess(None, Utf8Detection::Deny);
    warnings.add("encoding.mismatch", || mismatch(named, guess));
    let best = strictly(bytes, guess).or_else(|| strictly(bytes, WINDOWS_1252));
    let mut decoded = best.unwrap_or_else(|| lossily(bytes, guess, warnings));
    decoded.recovered = true;
    decoded
}

/// What the detector is shown: it takes some 200 ns for a byte, and is sure after much less than this.
fn sample(bytes: &[u8]) -> &[u8] {
    let first = bytes.iter().position(|byte| !byte.is_ascii()).unwrap_or(0);
    let from = first.saturating_sub(SAMPLE_BYTES / 16);
    &bytes[from..bytes.len().min(from + SAMPLE_BYTES)]
}

fn mismatch(named: Option<&'static Encoding>, used: &'static Encoding) -> String {
    match named {
        Some(named) => format!("the document says {} and was read as {}", named.name(), used.name()),
        None => format!("the document names no encoding and was read as {}", used.name()),
    }
}

/// Whether the bytes beyond ASCII have the shape of UTF-8 more often than not. Surrogates and overlong forms have the
/// shape without being UTF-8: a decoder that replaces them is right, another encoding would make letters of them.
fn mostly_utf8(bytes: &[u8]) -> bool {
    let (mut shaped, mut shapeless) = (0_usize, 0_usize);
    let mut rest = bytes;
    while let Some(at) = rest.iter().position(|byte| !byte.is_ascii()) {
        rest = &rest[at..];
        let length = match rest[0] {
            0xC0..=0xDF => 2,
            0xE0..=0xEF => 3,
            0xF0..=0xF7 => 4,
            _ => 0,
        };
        let follow = rest.iter().skip(1).take_while(|byte| (0x80..=0xBF).contains(*byte)).take(3).count();
        let cut_at_the_end = length > 0 && rest.len() < length && follow + 1 == rest.len();
        if length > 0 && (follow + 1 >= length || cut_at_the_end) {
            shaped += 1;
            rest = &rest[length.min(rest.len())..];
        } else {
            shapeless += 1;
            rest = &rest[1..];
        }
    }
    shaped >= shapeless
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(bytes: &[u8], content_type: Option<&str>) -> (String, &'static str, bool) {
        let mut warnings = Warnings::default();
        let decoded = decode(bytes, content_type, &mut warnings).unwrap();
        (decoded.text.into_owned(), decoded.encoding, decoded.recovered)
    }

    fn latin(text: &str) -> Vec<u8> {
        text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
    }

    #[test]
    fn a_byte_order_mark_rules_over_all() {
        let utf8 = [b"\xEF\xBB\xBF".as_slice(), "é".as_bytes()].concat();
        assert_eq!(read(&utf8, Some("text/xml; charset=iso-8859-1")), ("é".into(), "UTF-8", false));
        assert_eq!(read(b"\xFE\xFF\0<\0\xE9", None), ("<é".into(), "UTF-16BE", false));
        let body = "\u{FEFF}<?xml version='1.0' encoding='utf-16'?><a>é</a>";
        let (text, encoding, recovered) = read(body.as_bytes(), None);
        assert!(text.contains('é'));
        assert_eq!((encoding, recovered), ("UTF-8", true));
    }

    #[test]
    fn sixteen_bits_are_seen_without_a_mark() {
        assert_eq!(read(b"<\0?\0", None), ("<?".into(), "UTF-16LE", false));
    }

    #[test]
    fn http_rules_over_the_declaration_where_it_fits() {
        let body = "<?xml version='1.0' encoding='iso-8859-1'?><a>é</a>";
        assert_eq!(read(body.as_bytes(), Some("text/xml; charset=\"utf-8\"")).1, "UTF-8");
        let body = latin("<?xml version='1.0' encoding='utf-8'?><a>é</a>");
        let (text, encoding, recovered) = read(&body, Some("text/xml; charset=ISO-8859-1"));
        assert!(text.contains('é'));
        assert_eq!((encoding, recovered), ("windows-1252", false));
    }

    #[test]
    fn a_wrong_label_is_not_obeyed_and_flagged() {
        let (text, encoding, recovered) =
            read(&latin("<?xml version='1.0' encoding='UTF-8'?><a>café «x» né</a>"), None);
        assert!(text.contains("café «x» né"), "{text}");
        assert_eq!((encoding, recovered), ("windows-1252", true));
        let (text, _, recovered) = read("<?xml version='1.0' encoding='iso-8859-1'?><a>schön</a>".as_bytes(), None);
        assert!(text.contains("schön"));
        assert!(recovered);
    }

    #[test]
    fn surrogates_overlong_forms_and_strays_become_replacement_characters() {
        for bytes in [b"<a>\xC0\xBCscript</a>".as_slice(), b"<a>\xED\xA0\xBD\xED\xB8\x80</a>", b"<a>\xC3\xA9 \xE9</a>"]
        {
            let (text, encoding, recovered) = read(bytes, None);
            assert!(text.contains('\u{FFFD}'), "{text}");
            assert_eq!((encoding, recovered), ("UTF-8", true));
        }
    }

    #[test]
    fn a_published_replacement_character_is_not_called_undecodable() {
        let mut warnings = Warnings::default();
        decode("\u{FFFD} \u{FFFD}".as_bytes(), None, &mut warnings).unwrap();
        decode(b"\xEF\xBF\xBD \xC3\xA9 \xE9 \xFF \xC3", None, &mut warnings).unwrap();
        let counts: Vec<(&str, u32)> =
            warnings.into_vec().iter().map(|warning| (warning.code, warning.count)).collect();
        assert_eq!(counts, [("encoding.undecodable", 3)]);
    }

    #[test]
    fn what_is_not_read_is_named() {
        let mut warnings = Warnings::default();
        for (bytes, name) in [(b"\xFF\xFE\0\0<\0\0\0".as_slice(), "UTF-32"), (b"\x4C\x6F\xA7\x94\x93", "EBCDIC")] {
            let error = decode(bytes, None, &mut warnings).unwrap_err();
            assert_eq!(error, ParseError::Encoding { found: name.into() });
        }
    }
}
