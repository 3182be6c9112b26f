//! The words of EDGAR, each list's spelling made one: accession numbers, CIKs, days.

use std::fmt;

use feedspine_core::Timestamp;

/// What EDGAR calls a filing by: who sent it, the year, and a running number; 18 digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Accession(u64);

impl Accession {
    /// Reads `0000320193-24-000123`, or the same without dashes.
    pub(super) fn read(text: &str) -> Option<Self> {
        let text = text.trim();
        let dashed = text.len() == 20;
        if !dashed && text.len() != 18 {
            return None;
        }
        let digits: String = text
            .bytes()
            .enumerate()
            .filter(|(place, byte)| !(dashed && *byte == b'-' && matches!(place, 10 | 13)))
            .map(|(_, byte)| char::from(byte))
            .collect();
        let is_number = digits.len() == 18 && digits.bytes().all(|byte| byte.is_ascii_digit());
        is_number.then(|| digits.parse().ok().map(Self)).flatten()
    }

    /// Reads the name of a document: `edgar/data/320193/0000320193-24-000123.txt`, or that of its page.
    pub(super) fn of_path(path: &str) -> Option<Self> {
        let name = path.rsplit('/').next()?;
        let name = name.split_once('.').map_or(name, |(name, _)| name);
        Self::read(name.strip_suffix("-index").unwrap_or(name))
    }

    /// The page of the filing, as EDGAR shows it beneath a company or person that it is about.
    pub(super) fn page(self, cik: &str) -> String {
        let (cik, Self(digits)) = (cik.trim_start_matches('0'), self);
        format!("https://www.sec.gov/Archives/edgar/data/{cik}/{digits:018}/{self}-index.htm")
    }
}

/// With dashes.
impl fmt::Display for Accession {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let digits = format!("{:018}", self.0);
        write!(f, "{}-{}-{}", &digits[..10], &digits[10..12], &digits[12..])
    }
}

/// The number of a company or person, with all of its ten digits.
pub(super) fn cik(text: &str) -> Option<String> {
    let text = text.trim();
    let is_number = (1..=10).contains(&text.len()) && text.bytes().all(|byte| byte.is_ascii_digit());
    is_number.then(|| format!("{text:0>10}"))
}

/// A day, `2024-11-01` or `20241101`, as the former; in the indexes of the first years the century is left out.
pub(super) fn day(text: &str) -> Option<String> {
    let text = text.trim();
    let bytes = text.as_bytes();
    let dashed = bytes.len() == 10 && bytes[4] == b'-' && bytes[7] == b'-';
    let digits: String = if dashed { text.replace('-', "") } else { text.to_owned() };
    if !digits.bytes().all(|byte| byte.is_ascii_digit()) {
        return None;
    }
    let digits = match digits.len() {
        8 => digits,
        // EDGAR begins in 1993.
        6 if !dashed => format!("{}{digits}", if &digits[..2] >= "93" { "19" } else { "20" }),
        _ => return None,
    };
    let (year, month, day) = (&digits[..4], &digits[4..6], &digits[6..]);
    Timestamp::days_from_civil(year.parse().ok()?, month.parse().ok()?, day.parse().ok()?)?;
    Some(format!("{year}-{month}-{day}"))
}

/// The same, and what is no day as it is written.
pub(super) fn day_as_told(text: &str) -> String {
    day(text).unwrap_or_else(|| text.trim().to_owned())
}

/// The role of a party, such as `filed_by`.
pub(super) fn role(text: &str) -> String {
    text.split_whitespace().collect::<Vec<_>>().join("_").to_lowercase()
}
