//! Members of the objects that standings and reasons are kept as, read without trust.

use std::time::Duration;

use feedspine_core::{Json, Timestamp};

/// A whole number that is not negative.
pub(super) fn number(value: Option<&Json>) -> Option<u64> {
    match value? {
        Json::Number(number) => u64::try_from(number.as_i64()?).ok(),
        _ => None,
    }
}

/// A count; one that is too large is the largest.
pub(super) fn count(object: &Json, name: &str) -> u32 {
    number(object.get(name)).map_or(0, |count| u32::try_from(count).unwrap_or(u32::MAX))
}

/// A number of seconds.
pub(super) fn seconds(object: &Json, name: &str) -> Option<Duration> {
    number(object.get(name)).map(Duration::from_secs)
}

/// An instant in RFC 3339.
pub(super) fn instant(object: &Json, name: &str) -> Option<Timestamp> {
    object.get(name)?.as_str()?.parse().ok()
}
