//! Words and numbers as they are stored, and rows read back.

use feedspine_core::ingest::Shown;
use feedspine_core::{
    Content, ContentHash, Counts, Layer, Lineage, Namespace, NaturalKey, Round, StorageError, Timestamp, VersionNo,
};
use rusqlite::Row;

use crate::error::{Fault, Outcome};

/// Bits of a version's row number that hold the version's number.
const VERSION_BITS: u32 = 22;
/// Bits that hold the layer's rank.
const LAYER_BITS: u32 = 2;
/// How far a record's number is shifted in the row numbers of its versions.
pub(crate) const RECORD_SHIFT: u32 = VERSION_BITS + LAYER_BITS;
/// The greatest number that a version can have here: more than one a minute for seven years.
const LAST_VERSION: u32 = (1 << VERSION_BITS) - 1;
/// The greatest number that a record can have: 2^39 - 1.
pub(crate) const LAST_RECORD: i64 = i64::MAX >> RECORD_SHIFT;

/// The row number of a version: the record's number, the layer's rank, the version's number.
///
/// So a record's versions lie together, those of the highest layer last, and the greatest row is the one shown.
pub(crate) fn version_row(record: i64, layer: Layer, number: VersionNo) -> Outcome<i64> {
    if number.get() > LAST_VERSION {
        let message = format!("a record cannot have more than {LAST_VERSION} versions at one layer");
        return Err(StorageError::unsupported(message).into());
    }
    Ok(first_row(record, layer) | i64::from(number.get()))
}

/// The row before the first version of a record at a layer.
pub(crate) fn first_row(record: i64, layer: Layer) -> i64 {
    (record << LAYER_BITS | i64::from(layer.rank())) << VERSION_BITS
}

/// The greatest row that a version of a record at a layer can have.
pub(crate) fn last_row(record: i64, layer: Layer) -> i64 {
    first_row(record, layer) | i64::from(LAST_VERSION)
}

/// The layer and version of a row number.
pub(crate) fn split_row(row: i64) -> Outcome<(Layer, VersionNo)> {
    let rank = row >> VERSION_BITS & ((1 << LAYER_BITS) - 1);
    let layer = layer(rank)?;
    Ok((layer, version(row & i64::from(LAST_VERSION))?))
}

/// What is stored is not what this program wrote.
pub(crate) fn corrupt(what: &str) -> Fault {
    StorageError::corrupt(format!("the store holds what cannot be: {what}"))
        .with_hint("restore the file from a backup")
        .into()
}

/// The layer of a stored rank.
pub(crate) fn layer(rank: i64) -> Outcome<Layer> {
    u8::try_from(rank).ok().and_then(Layer::from_rank).ok_or_else(|| corrupt("a layer's rank"))
}

/// A stored version number.
pub(crate) fn version(number: i64) -> Outcome<VersionNo> {
    u32::try_from(number).ok().and_then(VersionNo::new).ok_or_else(|| corrupt("a version's number"))
}

/// A stored round.
pub(crate) fn round(number: i64) -> Outcome<Round> {
    optional_round(number)?.ok_or_else(|| corrupt("a round"))
}

/// A stored round; 0 is none.
pub(crate) fn optional_round(number: i64) -> Outcome<Option<Round>> {
    u64::try_from(number).map(Round::new).map_err(|_| corrupt("a round"))
}

/// A round as it is stored.
pub(crate) fn round_number(round: Round) -> i64 {
    round.get().cast_signed()
}

/// A stored instant.
pub(crate) fn instant(micros: i64) -> Outcome<Timestamp> {
    Timestamp::from_micros(micros).map_err(|_| corrupt("an instant"))
}

/// A stored instant that may be missing.
pub(crate) fn optional_instant(micros: Option<i64>) -> Outcome<Option<Timestamp>> {
    micros.map(instant).transpose()
}

/// A stored word, such as a status.
pub(crate) fn word<T: std::str::FromStr>(text: &str) -> Outcome<T> {
    text.parse().map_err(|_| corrupt(&format!("the word {text:?}")))
}

/// A version shown, its hash included.
pub(crate) fn shown(number: i64, hash: [u8; 32]) -> Outcome<Shown> {
    Ok(Shown { version: version(number)?, hash: ContentHash::from_bytes(hash) })
}

/// Metadata as it is stored: nothing for the empty object, which is the usual one.
pub(crate) fn stored_metadata(metadata: &Content) -> Option<&str> {
    Some(metadata.as_str()).filter(|text| *text != "{}")
}

/// Reads a lineage from four columns: layer, version, hash, source deleted.
pub(crate) fn lineage(row: &Row<'_>, at: usize) -> Outcome<Option<Lineage>> {
    let Some(rank) = row.get::<_, Option<i64>>(at)? else { return Ok(None) };
    Ok(Some(Lineage {
        layer: layer(rank)?,
        version: version(row.get(at + 1)?)?,
        hash: ContentHash::from_bytes(row.get(at + 2)?),
        source_deleted: row.get(at + 3)?,
    }))
}

/// Reads metadata.
pub(crate) fn metadata(row: &Row<'_>, at: usize) -> Outcome<Content> {
    Ok(row
        .get_ref(at)?
        .as_str_or_null()
        .map_err(rusqlite::Error::from)?
        .map_or_else(Content::empty, Content::from_canonical))
}

/// Reads content with the hash that it was stored with.
pub(crate) fn content(row: &Row<'_>, hash_at: usize, text_at: usize) -> Outcome<Content> {
    let text = row.get_ref(text_at)?.as_str().map_err(rusqlite::Error::from)?;
    Ok(Content::from_stored(text, ContentHash::from_bytes(row.get(hash_at)?)))
}

/// The columns of counts, in the order that [`counts`] and [`count_values`] keep.
pub(crate) const COUNTS: &str =
    "seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back";

/// Reads the counts.
pub(crate) fn counts(row: &Row<'_>, at: usize) -> Outcome<Counts> {
    let get = |offset: usize| row.get::<_, i64>(at + offset).map(i64::cast_unsigned);
    Ok(Counts {
        seen: get(0)?,
        new: get(1)?,
        changed: get(2)?,
        unchanged: get(3)?,
        rejected: get(4)?,
        repeated: get(5)?,
        withdrawn: get(6)?,
        scrolled_off: get(7)?,
        returned: get(8)?,
        gaps: get(9)?,
        held_back: get(10)?,
    })
}

/// The counts to be bound.
pub(crate) fn count_values(counts: &Counts) -> [i64; 11] {
    let Counts {
        seen,
        new,
        changed,
        unchanged,
        rejected,
        repeated,
        withdrawn,
        scrolled_off,
        returned,
        gaps,
        held_back,
    } = *counts;
    [seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back]
        .map(u64::cast_signed)
}

/// Reads a natural key from two columns.
pub(crate) fn key(row: &Row<'_>, at: usize) -> Outcome<NaturalKey> {
    let text = |at: usize| Ok::<_, Fault>(row.get_ref(at)?.as_str().map_err(rusqlite::Error::from)?);
    let namespace = Namespace::new(text(at)?).map_err(|_| corrupt("a namespace"))?;
    NaturalKey::new(namespace, text(at + 1)?).map_err(|_| corrupt("a natural key"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_version_row_orders_by_record_then_layer_then_version() {
        let number = |n| VersionNo::new(n).unwrap();
        let rows = [
            version_row(1, Layer::Bronze, number(1)).unwrap(),
            version_row(1, Layer::Bronze, number(LAST_VERSION)).unwrap(),
            version_row(1, Layer::Silver, number(1)).unwrap(),
            version_row(1, Layer::Gold, number(7)).unwrap(),
            version_row(2, Layer::Bronze, number(1)).unwrap(),
            version_row(LAST_RECORD, Layer::Gold, number(1)).unwrap(),
        ];
        assert!(rows.is_sorted_by(|a, b| a < b));
        assert_eq!(split_row(rows[3]).unwrap(), (Layer::Gold, number(7)));
        assert!(first_row(1, Layer::Bronze) < rows[0] && rows[1] == last_row(1, Layer::Bronze));
        assert!(version_row(1, Layer::Bronze, number(LAST_VERSION + 1)).is_err());
    }
}
