//! Writes that are not captures: what one of them does is decided here, for every backend.

use crate::ingest::StoredVersion;
use crate::{
    ChangeKind, Event, HashRule, KeyHash, Lineage, RecordId, RecordWrite, Result, StorageError, Subject, Version,
    VersionNo,
};

/// What a [`RecordWrite`] does.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Put {
    /// Nothing: the current version says the same.
    Same(VersionNo),
    /// The current version says the same, derived anew: it notes this lineage, and is as fresh as that source.
    Rederived(VersionNo, Lineage),
    /// It appends a version, and logs an event.
    Append(Box<StoredVersion>, Event),
}

impl RecordWrite {
    /// Whether this id and key go together: `key` is what the record of that id has, `id` the record of that key.
    ///
    /// # Errors
    /// `Conflict` when the key is held by another id, `Invalid` when the id is held by another key.
    pub fn check_names(&self, key: Option<KeyHash>, id: Option<RecordId>) -> Result<()> {
        if key.is_some_and(|held| held != self.key.hash()) {
            let message = format!("record {} has another natural key than {}", self.id, self.key);
            return Err(StorageError::invalid(message));
        }
        if let Some(held) = id.filter(|held| *held != self.id) {
            let message = format!("the natural key {} belongs to record {held}", self.key);
            return Err(StorageError::conflict(message).with_hint("write to that id, or delete that record first"));
        }
        Ok(())
    }

    /// Decides against the current version at the layer written; `known` says whether there is such a record.
    pub fn judge(self, current: Option<&Version>, known: bool) -> Put {
        let kind = match current {
            Some(held) if held.content == self.content && held.metadata == self.metadata => {
                return match self.derived_from {
                    Some(lineage) if held.derived_from.as_ref() != Some(&lineage) => {
                        Put::Rederived(held.number, lineage)
                    }
                    _ => Put::Same(held.number),
                };
            }
            Some(_) => ChangeKind::Changed,
            None if known => ChangeKind::Promoted,
            None => ChangeKind::New,
        };
        let number = current.map_or(VersionNo::FIRST, |current| current.number.next());
        let subject = Subject { record: self.id, key: self.key, layer: Some(self.layer), version: Some(number) };
        let event = Event::by_call(kind, subject, self.recorded_at);
        let stored = StoredVersion::whole(Version {
            record: self.id,
            layer: self.layer,
            number,
            content: self.content,
            hash_rule: HashRule::whole().id(),
            metadata: self.metadata,
            published: self.published,
            updated: self.updated,
            recorded_at: self.recorded_at,
            origin: None,
            derived_from: self.derived_from,
        });
        Put::Append(Box::new(stored), event)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Content, ErrorKind, Json, Layer, Namespace, NaturalKey, Timestamp};

    fn write(title: &str) -> RecordWrite {
        RecordWrite {
            id: RecordId::from_u128(1),
            key: NaturalKey::new(Namespace::new("news").unwrap(), "a").unwrap(),
            layer: Layer::Silver,
            content: Content::new(&Json::object([("title", Json::from(title))])),
            metadata: Content::empty(),
            published: None,
            updated: None,
            recorded_at: Timestamp::UNIX_EPOCH,
            derived_from: None,
        }
    }

    fn appended(put: Put) -> (Version, ChangeKind) {
        match put {
            Put::Append(stored, event) => (stored.version, event.kind),
            other => panic!("nothing was appended: {other:?}"),
        }
    }

    #[test]
    fn a_first_version_is_new_or_promoted_and_a_further_one_changed() {
        let (first, kind) = appended(write("x").judge(None, false));
        assert_eq!((first.number, kind), (VersionNo::FIRST, ChangeKind::New));
        assert_eq!(appended(write("x").judge(None, true)).1, ChangeKind::Promoted);
        let (second, kind) = appended(write("y").judge(Some(&first), true));
        assert_eq!((second.number.get(), kind), (2, ChangeKind::Changed));
    }

    #[test]
    fn the_same_content_and_metadata_append_nothing() {
        let (first, _) = appended(write("x").judge(None, false));
        assert_eq!(write("x").judge(Some(&first), true), Put::Same(VersionNo::FIRST));
        let noted = RecordWrite { metadata: Content::parse(r#"{"by":"me"}"#).unwrap(), ..write("x") };
        assert_eq!(appended(noted.judge(Some(&first), true)).0.number.get(), 2);
    }

    #[test]
    fn the_same_derived_anew_notes_its_source() {
        let (first, _) = appended(write("x").judge(None, false));
        let hash = Content::empty().hash();
        let lineage = Lineage { layer: Layer::Bronze, version: VersionNo::FIRST, hash, source_deleted: false };
        let anew = RecordWrite { derived_from: Some(lineage.clone()), ..write("x") };
        assert_eq!(anew.clone().judge(Some(&first), true), Put::Rederived(VersionNo::FIRST, lineage.clone()));
        let noted = Version { derived_from: Some(lineage), ..first };
        assert_eq!(anew.judge(Some(&noted), true), Put::Same(VersionNo::FIRST));
    }

    #[test]
    fn an_id_and_a_key_that_do_not_go_together_are_refused() {
        let write = write("x");
        let (key, other) = (write.key.hash(), KeyHash::from_bytes([7; 32]));
        assert!(write.check_names(None, None).is_ok());
        assert!(write.check_names(Some(key), Some(write.id)).is_ok());
        assert_eq!(write.check_names(Some(other), None).unwrap_err().kind(), ErrorKind::Invalid);
        let held = write.check_names(None, Some(RecordId::from_u128(2))).unwrap_err();
        assert_eq!(held.kind(), ErrorKind::Conflict);
        assert!(held.to_string().contains("00000000-0000-0000-0000-000000000002"), "{held}");
    }
}
