//! How bodies are packed: small ones as they are, others by zstd, against an earlier body of their feed where that makes
//! them clearly smaller.
//!
//! The dictionary is an earlier body as it is: what a feed serves differs little from one time to the next. It is always
//! one that is packed by itself, so that reading a body takes two steps at most. When a feed has moved on from it, the next
//! body is packed by itself, and becomes the dictionary of those after it.

use std::io;
use std::sync::{Mutex, PoisonError};

use feedspine_core::{ContentHash, HeldBody, PackedBody, Packing};
use zstd::bulk::{Compressor, Decompressor};

/// The level that zstd has for want of another: higher ones take twice the time for some percent of text.
const LEVEL: i32 = 3;

/// Bodies of fewer bytes are kept as they are: a frame and the question how to read it cost as much as it saves.
const SMALL: usize = 256;

/// Bodies of more bytes are neither packed against another nor serve as dictionary. The tables that zstd has at this level
/// hold a dictionary of 1 MiB; of one of 2 MiB half was found again, of one of 5 MiB a fifth, and tables that hold these cost
/// a tenth of a second and more for each body.
const MOST_BYTES: u64 = 1024 * 1024;

/// So many of what packs are kept for the next bodies: each has tables of some hundred kilobytes, and the dictionary it had.
const MOST_IDLE: usize = 4;

/// Packs a body, against `base` where that pays.
///
/// # Errors
/// What zstd fails with.
pub(super) fn pack(bytes: &[u8], hash: ContentHash, base: Option<&HeldBody>) -> io::Result<PackedBody> {
    // A feed that shows again what it showed then: nothing is packed against itself.
    if let Some(same) = base.filter(|base| base.body.hash == hash) {
        return Ok(same.body.clone());
    }
    let length = bytes.len() as u64;
    let as_is = || PackedBody { hash, length, packing: Packing::Plain, packed: bytes.to_vec() };
    if bytes.len() < SMALL {
        return Ok(as_is());
    }
    let base = base.filter(|base| fits(length) && fits(base.body.length) && base.body.length >= SMALL as u64);
    // A dictionary that cannot be had, or that zstd does not take, is none: the body can be packed by itself.
    let dictionary = base.and_then(|base| Some((base.body.hash, unpack(base)?)));
    let against = dictionary.and_then(|(of, dictionary)| Some((of, compress(bytes, &dictionary).ok()?)));
    let against = match (base, against) {
        (Some(base), Some((of, packed))) if surely_pays(bytes.len(), packed.len(), &base.body) => {
            return Ok(PackedBody { hash, length, packing: Packing::ZstdAgainst(of), packed });
        }
        (_, against) => against,
    };
    let alone = compress(bytes, &[])?;
    let shared = against.as_ref().map(|(_, packed)| packed.len());
    Ok(match (choose(bytes.len(), alone.len(), shared), against) {
        (Way::Against, Some((base, packed))) => {
            PackedBody { hash, length, packing: Packing::ZstdAgainst(base), packed }
        }
        (Way::AsIs, _) => as_is(),
        (Way::Alone | Way::Against, _) => PackedBody { hash, length, packing: Packing::Zstd, packed: alone },
    })
}

fn fits(length: u64) -> bool {
    length <= MOST_BYTES
}

/// Packs by zstd; the dictionary is empty where a body is packed by itself.
fn compress(bytes: &[u8], dictionary: &[u8]) -> io::Result<Vec<u8>> {
    // Made anew it would cost about as much as what it packs.
    static IDLE: Mutex<Vec<Compressor<'static>>> = Mutex::new(Vec::new());
    let idle = || IDLE.lock().unwrap_or_else(PoisonError::into_inner);
    let mut compressor = idle().pop().unwrap_or_default();
    compressor.set_dictionary(LEVEL, dictionary)?;
    let packed = compressor.compress(bytes)?;
    let mut idle = idle();
    if idle.len() < MOST_IDLE {
        idle.push(compressor);
    }
    Ok(packed)
}

/// How a body is packed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Way {
    AsIs,
    Alone,
    Against,
}

/// Whether a body that takes so much against another is not worth packing alone to see: alone it takes about what the other does
/// for its length, and it would have to take less than half of that.
fn surely_pays(bytes: usize, against: usize, base: &PackedBody) -> bool {
    let alone = bytes as u64 * base.packed.len() as u64 / base.length.max(1);
    against as u64 <= alone / 2
}

/// Chooses by what a body takes: as it is, packed alone, and packed against an earlier one of its feed. That has to save a
/// quarter: less is not worth a second body that must be read, and the feed has moved on.
fn choose(bytes: usize, alone: usize, against: Option<usize>) -> Way {
    let alone = alone.min(bytes);
    match against {
        Some(against) if against <= alone - alone / 4 => Way::Against,
        _ if alone < bytes => Way::Alone,
        _ => Way::AsIs,
    }
}

/// The bytes of a body; `None` when they are not those that were packed. They are never more than it says.
pub(super) fn unpack(held: &HeldBody) -> Option<Vec<u8>> {
    let HeldBody { body, base } = held;
    let bytes = match body.packing {
        Packing::Plain => body.packed.clone(),
        Packing::Zstd => Decompressor::new().ok()?.decompress(&body.packed, capacity(body)?).ok()?,
        Packing::ZstdAgainst(_) => {
            let dictionary = unpack(&HeldBody { body: base.clone()?, base: None })?;
            Decompressor::with_dictionary(&dictionary).ok()?.decompress(&body.packed, capacity(body)?).ok()?
        }
    };
    (bytes.len() as u64 == body.length && ContentHash::of(&bytes) == body.hash).then_some(bytes)
}

/// The room that a body takes, as it says; what is damaged may say anything.
fn capacity(body: &PackedBody) -> Option<usize> {
    /// No frame of zstd unpacks to more than this many times its size, for some thousand bytes or more.
    const MOST_RATIO: u64 = 64 * 1024;
    let most = (body.packed.len() as u64).saturating_mul(MOST_RATIO).saturating_add(MOST_RATIO);
    usize::try_from(body.length).ok().filter(|_| body.length <= most)
}

#[cfg(test)]
mod tests {
    use super::super::tests::noise;
    use super::*;

    fn packed(bytes: &[u8], base: Option<&HeldBody>) -> HeldBody {
        let body = pack(bytes, ContentHash::of(bytes), base).unwrap();
        let base = body.packing.base().and(base).map(|base| base.body.clone());
        HeldBody { body, base }
    }

    #[test]
    fn a_body_is_packed_against_another_where_that_saves_a_quarter() {
        for (bytes, alone, against, way) in [
            (1_000, 400, None, Way::Alone),
            (1_000, 400, Some(300), Way::Against),
            (1_000, 400, Some(301), Way::Alone),
            (1_000, 400, Some(900), Way::Alone),
            (1_000, 1_000, None, Way::AsIs),
            (1_000, 1_020, Some(1_015), Way::AsIs),
            (1_000, 1_020, Some(750), Way::Against),
            (1_000, 1_020, Some(751), Way::AsIs),
        ] {
            assert_eq!(choose(bytes, alone, against), way, "{bytes} {alone} {against:?}");
        }
    }

    #[test]
    fn every_body_is_unpacked_as_it_was() {
        let base = packed(noise(1, 20_000).as_bytes(), None);
        let edited = noise(1, 20_000).replacen('a', "some words", 3);
        for bytes in [&b""[..], b"x", &[b'x'; SMALL - 1], &[b'x'; SMALL], noise(2, 5_000).as_bytes(), edited.as_bytes()]
        {
            for base in [None, Some(&base)] {
                let held = packed(bytes, base);
                assert_eq!(unpack(&held).as_deref(), Some(bytes), "{:?}", held.body.packing);
                assert!(held.body.packed.len() <= bytes.len());
            }
        }
    }

    #[test]
    fn what_differs_little_takes_little_and_what_is_another_is_packed_by_itself() {
        let first = packed(noise(1, 100_000).as_bytes(), None);
        let edited = packed(noise(1, 100_000).replacen("ab", "some words", 9).as_bytes(), Some(&first));
        assert_eq!(edited.body.packing, Packing::ZstdAgainst(first.body.hash));
        assert!(edited.body.packed.len() < 2_000, "{}", edited.body.packed.len());
        let other = packed(noise(2, 100_000).as_bytes(), Some(&first));
        assert_eq!(other.body.packing, Packing::Zstd);
    }

    #[test]
    fn a_dictionary_may_be_of_one_mib_and_one_that_is_larger_is_none() {
        let large = noise(3, 1024 * 1024 - 100);
        let first = packed(large.as_bytes(), None);
        let edited = packed(large.replacen("ab", "some words", 9).as_bytes(), Some(&first));
        assert_eq!(edited.body.packing, Packing::ZstdAgainst(first.body.hash));
        assert!(edited.body.packed.len() < 2_000, "{}", edited.body.packed.len());
        let too_large = large.repeat(2);
        let alone = packed(too_large.as_bytes(), Some(&first));
        assert_eq!(alone.body.packing, Packing::Zstd);
        assert_eq!(packed(large.as_bytes(), Some(&alone)).body.packing, Packing::Zstd);
    }

    #[test]
    fn a_body_that_looks_like_a_dictionary_of_zstds_own_harms_nothing() {
        let magic = [&[0x37, 0xA4, 0x30, 0xEC][..], noise(4, 4_000).as_bytes()].concat();
        let first = packed(&magic, None);
        let edited = [&magic[..], b"and more"].concat();
        assert_eq!(unpack(&packed(&edited, Some(&first))), Some(edited));
    }

    #[test]
    fn a_damaged_body_is_none() {
        let whole = packed(noise(1, 20_000).as_bytes(), None);
        let of = |body: PackedBody| unpack(&HeldBody { body, base: None });
        let body = &whole.body;
        assert!(of(body.clone()).is_some());
        assert_eq!(of(PackedBody { packed: body.packed[..100].to_vec(), ..body.clone() }), None);
        assert_eq!(of(PackedBody { packed: Vec::new(), ..body.clone() }), None);
        assert_eq!(of(PackedBody { length: 19_999, ..body.clone() }), None);
        assert_eq!(of(PackedBody { length: u64::MAX, ..body.clone() }), None);
        assert_eq!(of(PackedBody { hash: ContentHash::of(b"another"), ..body.clone() }), None);
        assert_eq!(of(PackedBody { packing: Packing::Plain, ..body.clone() }), None);
        let edited = packed(noise(1, 20_000).replacen('a', "b", 1).as_bytes(), Some(&whole));
        assert_eq!(unpack(&HeldBody { base: None, ..edited.clone() }), None);
        assert_eq!(unpack(&HeldBody { base: Some(packed(b"x", None).body), ..edited }), None);
    }
}
