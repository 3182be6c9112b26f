//! The decision: what an item of a body that is read again is to what was stored of it.

use feedspine_core::{ContentHash, FetchId, Timestamp, VersionNo};

use crate::ops::held::{Held, Judgement, judge};

/// The fetch that brought a body.
#[derive(Debug, Clone, Copy)]
pub(super) struct Moment {
    pub(super) fetch: FetchId,
    /// When it had read the feed.
    pub(super) at: Timestamp,
}

/// What an item as it is read now is to what is held.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Verdict {
    /// What was stored.
    Same,
    /// Something else than this version, which stands for what the fetch showed and is current.
    Correct(VersionNo),
    /// The same, of a record that churns: it would be counted, not kept.
    HeldBack(VersionNo),
    /// Something else than this version, which stands for what the fetch showed, and after which others came.
    Older(VersionNo),
    /// The fetch did not show it, and it may be stored.
    Found,
    /// The fetch did not show it, and its record holds what was read later.
    Overtaken,
    /// The version that the fetch showed was deleted.
    Deleted,
}

/// Compares an item, whose content has that hash and says that, with what the fetch showed of its record. `was_rejected`: the
/// fetch rejected an item of its key.
pub(super) fn compare(
    content: (ContentHash, Option<ContentHash>),
    Moment { fetch, at }: Moment,
    was_rejected: bool,
    held: &Held,
) -> Verdict {
    let Some(standing) = held.standing(fetch, at, was_rejected) else {
        return match judge(content, (fetch, at, was_rejected), held) {
            Judgement::Overtaken => Verdict::Overtaken,
            Judgement::Take | Judgement::Held | Judgement::Collides | Judgement::HeldBack => Verdict::Found,
        };
    };
    match held.hash_of(standing.in_force) {
        None => Verdict::Deleted,
        Some(hash) if hash == content.0 => Verdict::Same,
        Some(_) if held.current() != Some(standing.in_force) => Verdict::Older(standing.in_force),
        Some(_) if held.says(content) => Verdict::HeldBack(standing.in_force),
        Some(_) => Verdict::Correct(standing.in_force),
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ops::held::tests::{at, hash, held};

    #[test]
    fn an_item_is_compared_with_what_stands_for_what_its_fetch_showed() {
        let version = |number| VersionNo::new(number).unwrap();
        let first = ("a", 10);
        for (versions, shown, was_rejected, verdict) in [
            (&[("b", 10)][..], &[(10, 10, 1)][..], false, Verdict::Same),
            (&[first], &[(10, 10, 1)], false, Verdict::Correct(version(1))),
            // It went on until a later one came.
            (&[("a", 5)], &[(5, 5, 1), (10, 10, 1), (20, 20, 1)], false, Verdict::Correct(version(1))),
            (&[first, ("c", 20)], &[(10, 10, 1), (20, 20, 2)], false, Verdict::Older(version(1))),
            // The same content, published again later: version 3 is corrected where it was shown.
            (
                &[first, ("c", 20), ("a", 30)],
                &[(10, 10, 1), (20, 20, 2), (30, 30, 3)],
                false,
                Verdict::Older(version(1)),
            ),
            // Another feed, or a call, wrote what is current.
            (&[first, ("c", 20)], &[(10, 10, 1)], false, Verdict::Older(version(1))),
            // An earlier replay corrected it, here or where the version began.
            (&[first, ("b", 10)], &[(10, 10, 1), (10, 11, 2)], false, Verdict::Same),
            (&[("a", 5), ("b", 5)], &[(5, 5, 1), (5, 11, 2), (10, 10, 1)], false, Verdict::Same),
            (&[first, ("c", 10)], &[(10, 10, 1), (10, 11, 2)], false, Verdict::Correct(version(2))),
            (&[("c", 10)], &[(10, 11, 1)], false, Verdict::Correct(version(1))),
            // Not shown then.
            (&[], &[], false, Verdict::Found),
            (&[("b", 20)], &[(20, 20, 1)], false, Verdict::Found),
            (&[("c", 20)], &[(20, 20, 1)], false, Verdict::Overtaken),
            // Seen with the version before, since an item of its key was rejected.
            (&[("a", 5)], &[(5, 5, 1), (10, 10, 1)], true, Verdict::Found),
            (&[("a", 5), ("b", 10)], &[(5, 5, 1), (10, 10, 1), (10, 11, 2)], true, Verdict::Same),
            (&[], &[(10, 10, 1)], false, Verdict::Deleted),
        ] {
            let held = held(versions, shown);
            let moment = Moment { fetch: FetchId::from_u128(10), at: at(10) };
            let told = compare((hash("b"), None), moment, was_rejected, &held);
            assert_eq!(told, verdict, "{versions:?} {shown:?} {was_rejected}");
        }
    }
}
