//! [`Keep`]: how long the bodies are kept that fetches bring.

use std::fmt;
use std::num::NonZeroU32;
use std::str::FromStr;

use feedspine_core::{HeldCapture, Timestamp};

const DAY_US: i64 = 86_400_000_000;

/// The units of sizes, in bytes, the largest first.
const UNITS: [(&str, u64); 3] = [("GiB", 1 << 30), ("MiB", 1 << 20), ("KiB", 1 << 10)];

/// How long the bodies are kept that fetches bring.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Keep {
    /// All, for ever.
    #[default]
    All,
    /// None: no further ones, and what is kept already goes.
    Nothing,
    /// So many days.
    Days(NonZeroU32),
    /// The newest of each feed, so many bytes of them, packed.
    Bytes(u64),
}

impl Keep {
    /// How many of a feed's oldest captures go, given in their order; `excess` is by how many bytes its bodies are more than
    /// they may be, and is of no concern where days are counted.
    pub(crate) fn doomed(self, now: Timestamp, excess: u64, oldest: &[HeldCapture]) -> usize {
        match self {
            Self::All => 0,
            Self::Nothing => oldest.len(),
            Self::Days(days) => {
                let since = now.saturating_add_micros(i64::from(days.get()).saturating_mul(-DAY_US));
                oldest.iter().take_while(|held| held.capture.observed_at < since).count()
            }
            Self::Bytes(_) => {
                let mut freed = 0;
                let goes = |held: &&HeldCapture| {
                    let is_needed = freed < excess;
                    freed += held.packed_bytes;
                    is_needed
                };
                oldest.iter().take_while(goes).count()
            }
        }
    }

    /// By how many bytes a feed that has so many is above what is kept.
    pub(crate) fn excess(self, packed_bytes: u64) -> u64 {
        match self {
            Self::Bytes(most) => packed_bytes.saturating_sub(most),
            Self::All | Self::Nothing | Self::Days(_) => 0,
        }
    }
}

/// As [`FromStr`] reads it.
impl fmt::Display for Keep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::All => f.write_str("all"),
            Self::Nothing => f.write_str("none"),
            Self::Days(days) => write!(f, "{days}d"),
            Self::Bytes(bytes) => match UNITS.iter().find(|(_, unit)| *bytes >= *unit && bytes.is_multiple_of(*unit)) {
                Some((name, unit)) => write!(f, "{}{name}", bytes / unit),
                None => write!(f, "{bytes}B"),
            },
        }
    }
}

/// `all`, `none`, `90d`, `64MiB`.
impl FromStr for Keep {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        let number = |unit: &str| text.strip_suffix(unit)?.trim_end().parse::<u32>().ok();
        let size = || {
            let of_unit = |(name, unit): &(&str, u64)| Some(u64::from(number(name)?) * unit);
            UNITS.iter().chain([&("B", 1)]).find_map(of_unit).filter(|bytes| *bytes > 0).map(Self::Bytes)
        };
        match text {
            "all" => Ok(Self::All),
            "none" => Ok(Self::Nothing),
            _ => number("d").and_then(NonZeroU32::new).map(Self::Days).or_else(size).ok_or_else(|| {
                let expected = "expected \"all\", \"none\", a number of days such as \"90d\", or how much of each feed";
                format!("{expected}, such as \"64MiB\"; found {text:?}")
            }),
        }
    }
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Capture, CaptureName, ContentHash, FeedId, FetchId};

    use super::*;

    fn days(days: u32) -> Keep {
        Keep::Days(NonZeroU32::new(days).unwrap())
    }

    #[test]
    fn a_policy_is_read_from_what_it_says() {
        for (text, keep) in [
            ("all", Keep::All),
            ("none", Keep::Nothing),
            ("90d", days(90)),
            ("1 d", days(1)),
            ("64MiB", Keep::Bytes(64 << 20)),
            ("3 GiB", Keep::Bytes(3 << 30)),
            ("1536KiB", Keep::Bytes(1536 << 10)),
            ("100B", Keep::Bytes(100)),
        ] {
            assert_eq!(text.parse::<Keep>().unwrap(), keep, "{text}");
            assert_eq!(keep.to_string().parse::<Keep>().unwrap(), keep, "{text}");
        }
        for text in ["", "0d", "0MiB", "90", "-1d", "64MB", "1.5GiB", "ALL", "d", "99999999999d"] {
            assert!(text.parse::<Keep>().unwrap_err().contains("expected \"all\""), "{text}");
        }
    }

    #[test]
    fn the_oldest_go_that_a_policy_does_not_keep() {
        let held = |number: u32| HeldCapture {
            capture: Capture {
                name: CaptureName {
                    feed: FeedId::from_u128(1),
                    fetch: FetchId::from_u128(number.into()),
                    first_ordinal: 0,
                },
                last_ordinal: 0,
                observed_at: Timestamp::UNIX_EPOCH.saturating_add_micros(i64::from(number) * DAY_US),
                url: None,
                content_type: None,
                http_status: None,
                headers: Vec::new(),
                body: ContentHash::of(&number.to_be_bytes()),
            },
            bytes: 1_000,
            packed_bytes: 100,
        };
        let oldest: Vec<HeldCapture> = (1..=5).map(held).collect();
        let now = Timestamp::UNIX_EPOCH.saturating_add_micros(6 * DAY_US);
        for (keep, of_feed, goes) in [
            (Keep::All, 500, 0),
            (Keep::Nothing, 500, 5),
            (days(1), 500, 4),
            (days(2), 500, 3),
            (days(5), 500, 0),
            (days(u32::MAX), 500, 0),
            (Keep::Bytes(1_000), 500, 0),
            (Keep::Bytes(500), 500, 0),
            (Keep::Bytes(499), 500, 1),
            (Keep::Bytes(300), 500, 2),
            (Keep::Bytes(299), 500, 3),
            (Keep::Bytes(0), 500, 5),
            (Keep::Bytes(0), 9_000, 5),
        ] {
            assert_eq!(keep.doomed(now, keep.excess(of_feed), &oldest), goes, "{keep} of {of_feed}");
        }
    }
}
