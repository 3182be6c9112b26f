//! Dates as feeds write them: ISO 8601 and W3CDTF, RFC 822 and its dialects, `asctime`, and month names in the languages
//! that feeds are written in.
//!
//! A date is cut into numbers, words and marks, which are then understood by their place. What cannot be understood is
//! no date: never the time of reading, never a guess between day and month. A bare epoch number is no date either; it
//! might be anything.

mod names;
mod tokens;
mod understand;

use feedspine_core::Timestamp;

pub(crate) use names::month;

use crate::model::Dated;
use crate::warning::Warnings;

/// No date is longer; what is, is not looked at (RUSTSEC-2026-0009 was a parser that did).
const MAX_BYTES: usize = 128;

/// What a date's text was understood to say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Reading {
    /// The instant.
    pub at: Timestamp,
    /// The text names no zone that is known: UTC was assumed.
    pub zone_assumed: bool,
}

/// Why a date's text is no instant.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DateError {
    /// It is not understood.
    #[error("not a date that can be read")]
    Unreadable,
    /// It is no day of the calendar, or outside the years 1 to 9999.
    #[error("no day between the years 1 and 9999")]
    Range,
}

/// Reads a date.
///
/// # Errors
/// It cannot be understood, or is no instant between the years 1 and 9999.
///
/// ```
/// let read = feedspine_parse::read_date("Mon, 1 Sept 2025 10:00:00 BST").unwrap();
/// assert_eq!(read.at.to_string(), "2025-09-01T09:00:00Z");
/// assert!(!read.zone_assumed);
/// ```
pub fn read_date(text: &str) -> Result<Reading, DateError> {
    let text = text.trim();
    if text.len() > MAX_BYTES {
        return Err(DateError::Unreadable);
    }
    let tokens = tokens::split(text).ok_or(DateError::Unreadable)?;
    understand::understand(tokens.as_slice())
}

/// A published date with the instant we make of it; `None` for an empty text.
pub(crate) fn dated(raw: &str, warnings: &mut Warnings) -> Option<Dated> {
    let raw = raw.trim();
    if raw.is_empty() {
        return None;
    }
    let reading = read_date(raw);
    match reading {
        Ok(Reading { zone_assumed: true, .. }) => {
            warnings.add("date.zone_assumed", || format!("{raw:?} names no zone that is known; UTC was assumed"));
        }
        Ok(_) => {}
        Err(error) => {
            let shown = &raw[..raw.floor_char_boundary(MAX_BYTES)];
            let code = if error == DateError::Range { "date.range" } else { "date.unreadable" };
            warnings.add(code, || format!("{shown:?} is {error}"));
        }
    }
    Some(Dated {
        raw: raw.to_owned(),
        at: reading.ok().map(|reading| reading.at),
        zone_assumed: reading.is_ok_and(|reading| reading.zone_assumed),
    })
}

#[cfg(test)]
mod tests;
