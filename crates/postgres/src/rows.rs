//! Words and numbers as they are stored, and rows read back.

use std::str::FromStr;

use feedspine_core::ingest::Shown;
use feedspine_core::{
    ChangeKind, Content, ContentHash, Counts, FeedId, FetchId, Json, Layer, Lineage, Namespace, NaturalKey, RecordId,
    Round, StorageError, Timestamp, VersionNo,
};
use tokio_postgres::Row;
use tokio_postgres::types::FromSql;
use uuid::Uuid;

use crate::error::{Fault, Outcome};

/// What is stored is not what this program wrote.
pub(crate) fn corrupt(what: &str) -> Fault {
    StorageError::corrupt(format!("the store holds what cannot be: {what}"))
        .with_hint("restore the database from a backup")
        .into()
}

/// A row read from left to right.
#[derive(Clone)]
pub(crate) struct Columns<'a> {
    row: &'a Row,
    at: usize,
}

impl<'a> Columns<'a> {
    pub(crate) fn of(row: &'a Row) -> Self {
        Self { row, at: 0 }
    }

    /// Leaves so many columns out.
    pub(crate) fn skip(&mut self, columns: usize) {
        self.at += columns;
    }

    /// The next column, as it is.
    pub(crate) fn take<T: FromSql<'a>>(&mut self) -> Outcome<T> {
        let value = self.row.try_get(self.at).map_err(|error| {
            let message = "the store holds what cannot be: a column of another type";
            Fault::from(StorageError::corrupt(message).with_source(error))
        })?;
        self.at += 1;
        Ok(value)
    }

    pub(crate) fn unsigned(&mut self) -> Outcome<u64> {
        self.take::<i64>().map(i64::cast_unsigned)
    }

    pub(crate) fn instant(&mut self) -> Outcome<Timestamp> {
        instant(self.take()?)
    }

    pub(crate) fn optional_instant(&mut self) -> Outcome<Option<Timestamp>> {
        self.take::<Option<i64>>()?.map(instant).transpose()
    }

    pub(crate) fn record(&mut self) -> Outcome<RecordId> {
        self.take().map(RecordId::new)
    }

    pub(crate) fn feed(&mut self) -> Outcome<FeedId> {
        self.take().map(FeedId::new)
    }

    pub(crate) fn optional_feed(&mut self) -> Outcome<Option<FeedId>> {
        Ok(self.take::<Option<Uuid>>()?.map(FeedId::new))
    }

    pub(crate) fn fetch(&mut self) -> Outcome<FetchId> {
        self.take().map(FetchId::new)
    }

    pub(crate) fn optional_fetch(&mut self) -> Outcome<Option<FetchId>> {
        Ok(self.take::<Option<Uuid>>()?.map(FetchId::new))
    }

    pub(crate) fn digest(&mut self) -> Outcome<[u8; 32]> {
        digest(self.take()?)
    }

    pub(crate) fn optional_digest(&mut self) -> Outcome<Option<[u8; 32]>> {
        self.take::<Option<&[u8]>>()?.map(digest).transpose()
    }

    pub(crate) fn version(&mut self) -> Outcome<VersionNo> {
        version(self.take()?)
    }

    pub(crate) fn optional_version(&mut self) -> Outcome<Option<VersionNo>> {
        self.take::<Option<i32>>()?.map(version).transpose()
    }

    pub(crate) fn layer(&mut self) -> Outcome<Layer> {
        layer(self.take()?)
    }

    pub(crate) fn round(&mut self) -> Outcome<Round> {
        round(self.take()?)
    }

    pub(crate) fn optional_round(&mut self) -> Outcome<Option<Round>> {
        self.take::<Option<i64>>()?.map(round).transpose()
    }

    /// A place in a document.
    pub(crate) fn ordinal(&mut self) -> Outcome<u32> {
        u32::try_from(self.take::<i64>()?).map_err(|_| corrupt("an ordinal"))
    }

    /// A version's number and its hash.
    pub(crate) fn shown(&mut self) -> Outcome<Shown> {
        Ok(Shown { version: self.version()?, hash: ContentHash::from_bytes(self.digest()?) })
    }

    /// A namespace and a key.
    pub(crate) fn key(&mut self) -> Outcome<NaturalKey> {
        key(self.take()?, self.take()?)
    }

    /// A stored word, such as a status.
    pub(crate) fn word<T: FromStr>(&mut self) -> Outcome<T> {
        word(self.take()?)
    }

    pub(crate) fn optional_word<T: FromStr>(&mut self) -> Outcome<Option<T>> {
        self.take::<Option<&str>>()?.map(word).transpose()
    }

    /// Text that was stored by [`quoted`].
    pub(crate) fn unquoted(&mut self) -> Outcome<String> {
        unquoted(self.take()?)
    }

    pub(crate) fn optional_unquoted(&mut self) -> Outcome<Option<String>> {
        self.take::<Option<&str>>()?.map(unquoted).transpose()
    }

    /// A hash, then the content that has it.
    pub(crate) fn content(&mut self) -> Outcome<Content> {
        let hash = ContentHash::from_bytes(self.digest()?);
        Ok(Content::from_stored(self.take::<&str>()?, hash))
    }

    pub(crate) fn metadata(&mut self) -> Outcome<Content> {
        Ok(self.take::<Option<&str>>()?.map_or_else(Content::empty, Content::from_canonical))
    }

    /// Layer, version, hash, source deleted.
    pub(crate) fn lineage(&mut self) -> Outcome<Option<Lineage>> {
        let layer = self.take::<Option<i16>>()?.map(layer).transpose()?;
        let (version, hash) = (self.optional_version()?, self.optional_digest()?);
        let source_deleted: Option<bool> = self.take()?;
        Ok(match (layer, version, hash) {
            (Some(layer), Some(version), Some(hash)) => Some(Lineage {
                layer,
                version,
                hash: ContentHash::from_bytes(hash),
                source_deleted: source_deleted.unwrap_or(false),
            }),
            _ => None,
        })
    }

    /// The counts, in the order of [`COUNTS`].
    pub(crate) fn counts(&mut self) -> Outcome<Counts> {
        let mut next = || Ok::<_, Fault>(self.take::<Option<i64>>()?.unwrap_or(0).cast_unsigned());
        Ok(Counts {
            seen: next()?,
            new: next()?,
            changed: next()?,
            unchanged: next()?,
            rejected: next()?,
            repeated: next()?,
            withdrawn: next()?,
            scrolled_off: next()?,
            returned: next()?,
            gaps: next()?,
            held_back: next()?,
        })
    }
}

/// The columns of counts.
pub(crate) const COUNTS: &str =
    "seen, new, changed, unchanged, rejected, repeated, withdrawn, scrolled_off, returned, gaps, held_back";

/// The counts to be bound, in the order of [`COUNTS`]; none is null.
pub(crate) fn count_values(counts: &Counts) -> [Option<i64>; 11] {
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
        .map(|count| Some(count.cast_signed()).filter(|count| *count != 0))
}

pub(crate) fn record_uuid(id: RecordId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(crate) fn feed_uuid(id: FeedId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(crate) fn fetch_uuid(id: FetchId) -> Uuid {
    Uuid::from_bytes(*id.as_bytes())
}

pub(crate) fn instant(micros: i64) -> Outcome<Timestamp> {
    Timestamp::from_micros(micros).map_err(|_| corrupt("an instant"))
}

pub(crate) fn micros(at: Option<Timestamp>) -> Option<i64> {
    at.map(Timestamp::as_micros)
}

pub(crate) fn round(number: i64) -> Outcome<Round> {
    u64::try_from(number).ok().and_then(Round::new).ok_or_else(|| corrupt("a round"))
}

pub(crate) fn round_number(round: Round) -> i64 {
    round.get().cast_signed()
}

pub(crate) fn version(number: i32) -> Outcome<VersionNo> {
    VersionNo::new(number.cast_unsigned()).ok_or_else(|| corrupt("a version's number"))
}

/// Signed as PostgreSQL has no other: the order holds for the first 2^31, more than any record will have.
pub(crate) fn version_number(version: VersionNo) -> i32 {
    version.get().cast_signed()
}

pub(crate) fn layer(rank: i16) -> Outcome<Layer> {
    u8::try_from(rank).ok().and_then(Layer::from_rank).ok_or_else(|| corrupt("a layer's rank"))
}

pub(crate) fn layer_rank(layer: Layer) -> i16 {
    layer.rank().into()
}

/// A change's kind by its place in [`ChangeKind::ALL`], which never changes.
pub(crate) fn change_kind(number: i16) -> Outcome<ChangeKind> {
    let kind = usize::try_from(number).ok().and_then(|at| ChangeKind::ALL.get(at)).copied();
    kind.ok_or_else(|| corrupt("a change's kind"))
}

pub(crate) fn change_kind_number(kind: ChangeKind) -> i16 {
    kind as i16
}

pub(crate) fn key(namespace: &str, key: &str) -> Outcome<NaturalKey> {
    let namespace = Namespace::new(namespace).map_err(|_| corrupt("a namespace"))?;
    NaturalKey::new(namespace, key).map_err(|_| corrupt("a natural key"))
}

pub(crate) fn digest(bytes: &[u8]) -> Outcome<[u8; 32]> {
    bytes.try_into().map_err(|_| corrupt("a digest"))
}

pub(crate) fn word<T: FromStr>(text: &str) -> Outcome<T> {
    text.parse().map_err(|_| corrupt(&format!("the word {text:?}")))
}

/// Text that may hold NUL, which PostgreSQL's text cannot: as a JSON string.
pub(crate) fn quoted(text: &str) -> String {
    Json::from(text).to_canonical()
}

fn unquoted(text: &str) -> Outcome<String> {
    match Json::parse(text) {
        Ok(Json::String(text)) => Ok(text),
        _ => Err(corrupt("a quoted text")),
    }
}

/// Metadata as it is stored: nothing for the empty object, which is the usual one.
pub(crate) fn stored_metadata(metadata: &Content) -> Option<&str> {
    Some(metadata.as_str()).filter(|text| *text != "{}")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_of_change_keeps_its_number() {
        for kind in ChangeKind::ALL {
            assert_eq!(change_kind(change_kind_number(kind)).unwrap(), kind);
        }
        assert!(change_kind(8).is_err() && change_kind(-1).is_err());
    }

    #[test]
    fn any_text_reads_back_and_no_stored_text_holds_nul() {
        for text in ["", "a\0b", "\u{1}\u{7f}\"\\", "\u{1F5DE}\u{FFFF}", "\u{2028}"] {
            let stored = quoted(text);
            assert!(!stored.contains('\0'));
            assert_eq!(unquoted(&stored).unwrap(), text);
        }
    }

    #[test]
    fn canonical_text_never_holds_nul() {
        let content = Content::parse(r#"{"\u0000":["a\u0000b"]}"#).unwrap();
        assert!(!content.as_str().contains('\0'));
        assert_eq!(content.to_json(), Json::object([("\0", Json::from(vec!["a\0b"]))]));
    }
}
