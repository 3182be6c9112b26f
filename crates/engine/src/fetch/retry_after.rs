//! `Retry-After`: how long a server wants to be left alone (RFC 9110 section 10.2.3).

use std::time::Duration;

use feedspine_core::Timestamp;

/// Reads seconds, or an IMF-fixdate relative to `now`; `None` for anything else.
pub(crate) fn read(header: &str, now: Timestamp) -> Option<Duration> {
    let header = header.trim();
    if let Ok(seconds) = header.parse::<u64>() {
        return Some(Duration::from_secs(seconds));
    }
    let micros = imf_fixdate(header)?.micros_since(now);
    Some(Duration::from_micros(u64::try_from(micros).unwrap_or(0)))
}

/// `Sun, 06 Nov 1994 08:49:37 GMT`
pub(crate) fn imf_fixdate(text: &str) -> Option<Timestamp> {
    const MONTHS: [&str; 12] = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let (_, date) = text.split_once(", ")?;
    let mut words = date.split(' ');
    let (day, month, year, clock) = (words.next()?, words.next()?, words.next()?, words.next()?);
    let month = MONTHS.iter().position(|name| *name == month)? + 1;
    if words.next() != Some("GMT") || day.len() != 2 || year.len() != 4 {
        return None;
    }
    format!("{year}-{month:02}-{day}T{clock}Z").parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn reads_seconds_and_dates_and_nothing_else() {
        let now = "1994-11-06T08:49:00Z".parse().unwrap();
        for (header, seconds) in [
            ("120", Some(120)),
            (" 0 ", Some(0)),
            ("Sun, 06 Nov 1994 08:49:37 GMT", Some(37)),
            ("Sun, 06 Nov 1994 08:00:00 GMT", Some(0)),
            ("-5", None),
            ("soon", None),
            ("Sun, 31 Feb 1994 08:49:37 GMT", None),
            ("99999999999999999999999", None),
        ] {
            assert_eq!(read(header, now), seconds.map(Duration::from_secs), "{header}");
        }
    }
}
