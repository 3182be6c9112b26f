//! The outcomes of one part in a few bytes: runs of equal ones, so that an unchanged document costs one run.

use feedspine_core::VersionNo;
use feedspine_core::ingest::Outcome;

const NEW: u8 = 1;
const CHANGED: u8 = 2;
const UNCHANGED: u8 = 3;
const REPEATED: u8 = 4;
const COLLIDED: u8 = 5;

/// Each run as its kind, its version where it has one, and its length.
pub(crate) fn encode(outcomes: &[Outcome]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for run in outcomes.chunk_by(|a, b| a == b) {
        let (kind, version) = match run[0] {
            Outcome::New { version } => (NEW, Some(version)),
            Outcome::Changed { version } => (CHANGED, Some(version)),
            Outcome::Unchanged => (UNCHANGED, None),
            Outcome::Repeated => (REPEATED, None),
            Outcome::Collided => (COLLIDED, None),
        };
        bytes.push(kind);
        if let Some(version) = version {
            append(version.get().into(), &mut bytes);
        }
        append(run.len() as u64, &mut bytes);
    }
    bytes
}

/// The outcomes that [`encode`] was given; `None` for other bytes, or for another number than `items`.
pub(crate) fn decode(mut bytes: &[u8], items: usize) -> Option<Vec<Outcome>> {
    let mut outcomes = Vec::with_capacity(items);
    while let Some((kind, rest)) = bytes.split_first() {
        bytes = rest;
        let outcome = match *kind {
            NEW => Outcome::New { version: take_version(&mut bytes)? },
            CHANGED => Outcome::Changed { version: take_version(&mut bytes)? },
            UNCHANGED => Outcome::Unchanged,
            REPEATED => Outcome::Repeated,
            COLLIDED => Outcome::Collided,
            _ => return None,
        };
        let length = usize::try_from(take(&mut bytes)?).ok()?;
        if length > items - outcomes.len() {
            return None;
        }
        outcomes.resize(outcomes.len() + length, outcome);
    }
    (outcomes.len() == items).then_some(outcomes)
}

/// Seven bits a byte, the lowest first; all but the last byte have the highest bit.
fn append(mut number: u64, bytes: &mut Vec<u8>) {
    while number >= 0x80 {
        bytes.push(number.to_le_bytes()[0] | 0x80);
        number >>= 7;
    }
    bytes.push(number.to_le_bytes()[0]);
}

fn take(bytes: &mut &[u8]) -> Option<u64> {
    let mut number = 0;
    for shift in (0..63).step_by(7) {
        let (byte, rest) = bytes.split_first()?;
        *bytes = rest;
        number |= u64::from(byte & 0x7F) << shift;
        if byte & 0x80 == 0 {
            return Some(number);
        }
    }
    None
}

fn take_version(bytes: &mut &[u8]) -> Option<VersionNo> {
    u32::try_from(take(bytes)?).ok().and_then(VersionNo::new)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    fn any_outcome() -> impl Strategy<Value = Outcome> {
        let version = || prop_oneof![1..4_u32, 1..=u32::MAX].prop_map(|n| VersionNo::new(n).unwrap());
        prop_oneof![
            version().prop_map(|version| Outcome::New { version }),
            version().prop_map(|version| Outcome::Changed { version }),
            Just(Outcome::Unchanged),
            Just(Outcome::Repeated),
            Just(Outcome::Collided),
        ]
    }

    proptest! {
        #[test]
        fn outcomes_read_back(outcomes in prop::collection::vec(any_outcome(), 0..200)) {
            prop_assert_eq!(decode(&encode(&outcomes), outcomes.len()), Some(outcomes));
        }

        #[test]
        fn other_bytes_never_panic(bytes in prop::collection::vec(any::<u8>(), 0..40), items in 0..50_usize) {
            let _ = decode(&bytes, items);
        }
    }

    #[test]
    fn an_unchanged_document_costs_a_few_bytes() {
        assert_eq!(encode(&vec![Outcome::Unchanged; 100_000]).len(), 4);
        assert!(encode(&[]).is_empty());
        assert_eq!(decode(&[UNCHANGED, 2], 1), None);
    }
}
