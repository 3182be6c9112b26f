//! Dates that lie ahead of the time at which they were read: kept as they are, and told.

use feedspine_core::{Candidate, Timestamp};
use feedspine_parse::Warning;

/// A date ahead by less may be one whose zone was left out, or of a clock that is wrong: a day, in microseconds.
const TOLERATED: i64 = 24 * 3_600 * 1_000_000;

/// What is to be told of the items whose dates lie ahead.
pub(crate) fn dates_ahead(items: &[Candidate], read_at: Timestamp) -> Option<Warning> {
    let ahead = |item: &Candidate| {
        let date = item.published.max(item.updated)?;
        (date.micros_since(read_at) > TOLERATED).then_some(date)
    };
    let mut all = items.iter().filter_map(|item| Some((item, ahead(item)?)));
    let (item, date) = all.next()?;
    let count = u32::try_from(all.count()).unwrap_or(u32::MAX).saturating_add(1);
    Some(Warning { code: "date.future", count, first: format!("{:?} bears the date {date}", item.key.key()) })
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Content, KeyRule, NaturalKey};

    use super::*;

    fn item(key: &str, published: Option<&str>, updated: Option<&str>) -> Candidate {
        let date = |text: Option<&str>| text.map(|text| text.parse().unwrap());
        Candidate {
            key: NaturalKey::new("a".parse().unwrap(), key).unwrap(),
            key_rule: KeyRule::Id,
            ordinal: 0,
            content: Content::empty(),
            published: date(published),
            updated: date(updated),
        }
    }

    #[test]
    fn a_date_is_ahead_when_no_zone_explains_it() {
        let read_at = "2026-11-24T12:00:00Z".parse().unwrap();
        let items = [
            item("past", Some("2026-11-24T11:00:00Z"), None),
            item("zone", Some("2026-11-25T12:00:00Z"), None),
            item("none", None, None),
            item("ahead", Some("2026-11-25T12:00:01Z"), None),
            item("updated ahead", Some("2026-11-24T11:00:00Z"), Some("2030-01-01T00:00:00Z")),
        ];
        assert_eq!(dates_ahead(&items[..3], read_at), None);
        let told = dates_ahead(&items, read_at).unwrap();
        assert_eq!((told.code, told.count), ("date.future", 2));
        assert_eq!(told.first, r#""ahead" bears the date 2026-11-25T12:00:01Z"#);
    }
}
