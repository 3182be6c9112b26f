//! From the bytes that were received to the document: one content coding, decoded within bounds.

use std::cell::Cell;
use std::io::{self, BufRead, Read};

use flate2::bufread::{DeflateDecoder, GzDecoder, ZlibDecoder};

use crate::Limits;

/// The ratio is judged only beyond this size: small documents of one repeated byte are nobody's bomb.
const RATIO_APPLIES_FROM: u64 = 1024 * 1024;
/// The largest zstd window is 2^23 bytes (RFC 8878 section 3.1.1.1.2 recommends supporting at least that).
const ZSTD_WINDOW_LOG: u32 = 23;
const PIECE: usize = 64 * 1024;
/// How every gzip member begins (RFC 1952 section 2.3.1).
const GZIP_MAGIC: [u8; 2] = [0x1F, 0x8B];

/// How a body is coded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Coding {
    Identity,
    Gzip,
    Deflate,
    Brotli,
    Zstd,
}

/// A body without its coding.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Decoded {
    pub(crate) bytes: Vec<u8>,
    /// How many bytes follow the coded document and are no part of it; told of gzip and deflate only.
    pub(crate) padding: usize,
}

/// Why a body could not be decoded.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum DecodeError {
    /// It is not what its coding says.
    Corrupt,
    /// It ends too soon.
    Truncated,
    /// It is larger than allowed.
    TooLarge,
    /// It grows too much.
    Ratio,
}

impl Coding {
    /// What is asked for.
    pub(crate) const ACCEPTED: &'static str = "gzip, br, zstd";

    /// Reads `Content-Encoding`; the text that is not understood on error. More than one coding is not (CVE-2025-66418).
    pub(crate) fn read(header: &str) -> Result<Self, String> {
        match header.trim().to_ascii_lowercase().as_str() {
            "" | "identity" => Ok(Self::Identity),
            "gzip" | "x-gzip" => Ok(Self::Gzip),
            "deflate" => Ok(Self::Deflate),
            "br" => Ok(Self::Brotli),
            "zstd" => Ok(Self::Zstd),
            other => Err(other.to_owned()),
        }
    }

    /// The word for people and JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Identity => "identity",
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        }
    }

    /// The most bytes that so many can be once decoded.
    pub(crate) fn most_decoded(self, wire_bytes: u64, limits: &Limits) -> u64 {
        let most = match self {
            Self::Identity => wire_bytes,
            _ => wire_bytes.saturating_mul(limits.ratio).max(RATIO_APPLIES_FROM),
        };
        most.min(limits.body_bytes)
    }

    /// The document. Costs no more memory than the limits allow.
    pub(crate) fn decode(self, wire: Vec<u8>, limits: &Limits) -> Result<Decoded, DecodeError> {
        if self == Self::Identity {
            let fits = wire.len() as u64 <= limits.body_bytes;
            return if fits { Ok(Decoded { bytes: wire, padding: 0 }) } else { Err(DecodeError::TooLarge) };
        }
        let (rest, ran_out) = (Cell::new(wire.as_slice()), Cell::new(false));
        let input = Input { rest: &rest, ran_out: &ran_out };
        let corrupt = |_| if ran_out.get() { DecodeError::Truncated } else { DecodeError::Corrupt };
        let mut decoder = self.decoder(input, &wire).map_err(corrupt)?;
        let mut body = Vec::with_capacity(wire.len().saturating_mul(4).min(PIECE));
        let mut piece = vec![0; PIECE];
        loop {
            let read = decoder.read(&mut piece).map_err(corrupt)?;
            if read == 0 {
                return Ok(Decoded { bytes: body, padding: rest.get().len() });
            }
            let size = (body.len() + read) as u64;
            if size > limits.body_bytes {
                return Err(DecodeError::TooLarge);
            }
            if size > RATIO_APPLIES_FROM && size > (wire.len() as u64).saturating_mul(limits.ratio) {
                return Err(DecodeError::Ratio);
            }
            body.extend_from_slice(&piece[..read]);
        }
    }

    fn decoder<'a>(self, input: Input<'a>, wire: &[u8]) -> io::Result<Box<dyn Read + 'a>> {
        Ok(match self {
            Self::Identity => Box::new(input),
            Self::Gzip => Box::new(GzipMembers::new(input)),
            // "deflate" is zlib's form (RFC 9110 section 8.4.1.2), but some servers send the bare stream.
            Self::Deflate if has_zlib_header(wire) => Box::new(ZlibDecoder::new(input)),
            Self::Deflate => Box::new(DeflateDecoder::new(input)),
            Self::Brotli => Box::new(brotli::Decompressor::new(input, PIECE)),
            Self::Zstd => {
                let mut decoder = zstd::stream::read::Decoder::new(input)?;
                decoder.window_log_max(ZSTD_WINDOW_LOG)?;
                Box::new(decoder)
            }
        })
    }
}

/// RFC 1950 section 2.2: method 8, and the first two bytes a multiple of 31.
fn has_zlib_header(wire: &[u8]) -> bool {
    matches!(wire, [first, second, ..] if first & 0x0F == 8 && u16::from_be_bytes([*first, *second]).is_multiple_of(31))
}

/// A gzip body: one member after the other (RFC 1952 section 2.2). What follows the last and does not begin as a member
/// is padding: servers send zeros there, and curl, gzip and browsers take such bodies.
struct GzipMembers<'a> {
    input: Input<'a>,
    member: GzDecoder<Input<'a>>,
}

impl<'a> GzipMembers<'a> {
    fn new(input: Input<'a>) -> Self {
        Self { input, member: GzDecoder::new(input) }
    }
}

impl Read for GzipMembers<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        loop {
            let read = self.member.read(buffer)?;
            let rest = self.input.rest.get();
            let magic = &GZIP_MAGIC[..rest.len().min(GZIP_MAGIC.len())];
            if read > 0 || buffer.is_empty() || rest.is_empty() || !rest.starts_with(magic) {
                return Ok(read);
            }
            self.member = GzDecoder::new(self.input);
        }
    }
}

/// The bytes received; remembers whether a decoder asked for more than there are.
#[derive(Clone, Copy)]
struct Input<'a> {
    rest: &'a Cell<&'a [u8]>,
    ran_out: &'a Cell<bool>,
}

impl Read for Input<'_> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        let read = self.fill_buf()?.read(buffer)?;
        self.consume(read);
        Ok(read)
    }
}

impl BufRead for Input<'_> {
    fn fill_buf(&mut self) -> io::Result<&[u8]> {
        let rest = self.rest.get();
        if rest.is_empty() {
            self.ran_out.set(true);
        }
        Ok(rest)
    }

    fn consume(&mut self, count: usize) {
        self.rest.set(&self.rest.get()[count..]);
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::*;

    const CODINGS: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    fn encode(coding: Coding, body: &[u8]) -> Vec<u8> {
        let level = flate2::Compression::best();
        match coding {
            Coding::Identity => body.to_vec(),
            Coding::Gzip => {
                let mut encoder = flate2::write::GzEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Deflate => {
                let mut encoder = flate2::write::ZlibEncoder::new(Vec::new(), level);
                encoder.write_all(body).unwrap();
                encoder.finish().unwrap()
            }
            Coding::Brotli => {
                let mut encoder = brotli::CompressorWriter::new(Vec::new(), 4096, 5, 22);
                encoder.write_all(body).unwrap();
                encoder.into_inner()
            }
            Coding::Zstd => zstd::encode_all(body, 3).unwrap(),
        }
    }

    #[expect(clippy::unnecessary_wraps, reason = "it is compared with what decoding gives")]
    fn unpadded(bytes: &[u8]) -> Result<Decoded, DecodeError> {
        Ok(Decoded { bytes: bytes.to_vec(), padding: 0 })
    }

    fn text(size: usize) -> Vec<u8> {
        (0..size).map(|at| u8::try_from(at * at % 251).unwrap()).collect()
    }

    #[test]
    fn gives_back_what_was_coded() {
        for coding in CODINGS {
            for size in [1, 1_000, 300_000] {
                let decoded = coding.decode(encode(coding, &text(size)), &Limits::default());
                assert_eq!(decoded, unpadded(&text(size)), "{coding:?} {size}");
            }
        }
    }

    #[test]
    fn takes_a_bare_deflate_stream_and_several_gzip_members() {
        let mut encoder = flate2::write::DeflateEncoder::new(Vec::new(), flate2::Compression::best());
        encoder.write_all(&text(5_000)).unwrap();
        let decoded = Coding::Deflate.decode(encoder.finish().unwrap(), &Limits::default());
        assert_eq!(decoded, unpadded(&text(5_000)));
        let members = [encode(Coding::Gzip, b"one "), encode(Coding::Gzip, b"two")].concat();
        assert_eq!(Coding::Gzip.decode(members, &Limits::default()), unpadded(b"one two"));
    }

    #[test]
    fn takes_what_is_padded_and_tells_by_how_much() {
        for coding in [Coding::Gzip, Coding::Deflate] {
            for padding in [&[0][..], &[0; 512], b"\r\n", b"<!-- served by a cache -->", &vec![0; 100_000]] {
                let padded = [&encode(coding, &text(70_000)), padding].concat();
                let decoded = Decoded { bytes: text(70_000), padding: padding.len() };
                assert_eq!(coding.decode(padded, &Limits::default()), Ok(decoded), "{coding:?} {}", padding.len());
            }
        }
    }

    #[test]
    fn refuses_a_further_member_that_is_cut_or_broken() {
        let (first, second) = (encode(Coding::Gzip, b"one "), encode(Coding::Gzip, &text(5_000)));
        for length in 1..second.len() {
            let cut = [&first, &second[..length]].concat();
            assert_eq!(Coding::Gzip.decode(cut, &Limits::default()), Err(DecodeError::Truncated), "{length}");
        }
        let broken = [&first, &GZIP_MAGIC[..], &[0; 512]].concat();
        assert_eq!(Coding::Gzip.decode(broken, &Limits::default()), Err(DecodeError::Corrupt));
    }

    #[test]
    fn refuses_a_bomb_long_before_it_is_unpacked() {
        for coding in CODINGS {
            let bomb = encode(coding, &vec![0; 50_000_000]);
            assert_eq!(coding.decode(bomb, &Limits::default()), Err(DecodeError::Ratio), "{coding:?}");
        }
    }

    #[test]
    fn refuses_what_is_too_large() {
        let limits = Limits { body_bytes: 10_000, ..Limits::default() };
        for coding in [Coding::Identity, Coding::Gzip, Coding::Brotli, Coding::Zstd] {
            assert_eq!(coding.decode(encode(coding, &text(10_001)), &limits), Err(DecodeError::TooLarge), "{coding:?}");
            assert!(coding.decode(encode(coding, &text(10_000)), &limits).is_ok(), "{coding:?}");
        }
    }

    #[test]
    fn tells_a_cut_body_from_one_that_is_not_coded_so() {
        for coding in CODINGS {
            let mut cut = encode(coding, &text(100_000));
            cut.truncate(cut.len() - 12);
            assert_eq!(coding.decode(cut, &Limits::default()), Err(DecodeError::Truncated), "{coding:?}");
        }
        for coding in [Coding::Gzip, Coding::Zstd] {
            let plain = b"<rss><channel><title>plain</title></channel></rss>".to_vec();
            assert_eq!(coding.decode(plain, &Limits::default()), Err(DecodeError::Corrupt), "{coding:?}");
        }
    }

    #[test]
    fn tells_beforehand_how_large_a_document_may_become() {
        let limits = Limits { body_bytes: 10_000_000, ratio: 100, ..Limits::default() };
        let most = |coding: Coding, wire_bytes| coding.most_decoded(wire_bytes, &limits);
        assert_eq!(most(Coding::Identity, 20_000), 20_000);
        assert_eq!(most(Coding::Gzip, 20_000), 2_000_000);
        assert_eq!(most(Coding::Gzip, 20), RATIO_APPLIES_FROM);
        assert_eq!(most(Coding::Gzip, u64::MAX), 10_000_000);
    }

    #[test]
    fn reads_one_coding_only() {
        assert_eq!(Coding::read(" GZIP "), Ok(Coding::Gzip));
        assert_eq!(Coding::read("x-foo"), Err("x-foo".into()));
        assert_eq!(Coding::read("gzip, gzip"), Err("gzip, gzip".into()));
    }
}
