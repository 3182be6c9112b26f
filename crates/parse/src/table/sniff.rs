//! What is between the fields of a table, seen from its beginning.

use super::records::{Scan, scan};
use crate::warning::Warnings;

const DELIMITERS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// How many rows are looked at.
const ROWS: usize = 20;

/// The delimiter that gives the most columns to rows that all have as many; a comma where none does.
pub(super) fn delimiter(text: &str) -> u8 {
    let judged = DELIMITERS.map(|delimiter| (evenness(text, delimiter), delimiter));
    let best = judged.into_iter().rev().max_by_key(|(evenness, _)| *evenness);
    best.filter(|((_, columns), _)| *columns > 1).map_or(b',', |(_, delimiter)| delimiter)
}

/// How many of a hundred rows have as many fields as the first, and how many fields that are.
fn evenness(text: &str, delimiter: u8) -> (usize, usize) {
    let (mut rest, mut counts) = (text, Vec::new());
    let mut warnings = Warnings::default();
    while counts.len() < ROWS {
        // A row that the text cuts is not judged, unless it is the only one.
        let Scan::Record { fields, bytes, .. } = scan(rest, counts.is_empty(), delimiter, &mut warnings) else { break };
        rest = &rest[bytes..];
        if fields.len() > 1 || !fields[0].is_empty() {
            counts.push(fields.len());
        }
    }
    let Some(first) = counts.first() else { return (0, 0) };
    if *first == 1 {
        return (0, 1);
    }
    let alike = counts.iter().filter(|count| *count == first).count();
    (alike * 100 / counts.len(), *first)
}
