//! Finding the record that a person means: by its id, by its key, or by its namespace and key.

use std::collections::BTreeSet;

use feedspine_core::{
    Direction, Field, Filter, Json, Layer, Namespace, NaturalKey, Order, PageRequest, Query, Record, RecordId,
    RecordRef, Selection, StorageExt, Test,
};

use super::OpError;
use crate::Engine;

/// How many records of one key are named when it is not clear which is meant.
const CANDIDATES_NAMED: usize = 10;

/// What a text was taken for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FoundBy {
    /// A record's id.
    Id,
    /// A key that one record has.
    Key,
    /// A namespace, a blank, and a key.
    NamespaceAndKey,
}

impl FoundBy {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Id => "id",
            Self::Key => "key",
            Self::NamespaceAndKey => "namespace_and_key",
        }
    }
}

impl Engine {
    /// The record that `text` names, at that layer or at its highest: its id, its key in whatever namespace, or its
    /// namespace and key.
    pub(super) async fn find(&self, text: &str, layer: Option<Layer>) -> Result<(Record, FoundBy), OpError> {
        let (record, found_by) = self.find_highest(text).await?;
        let Some(layer) = layer else { return Ok((record, found_by)) };
        let at_layer = self.storage().get(record.id, Some(layer)).await?;
        let at_layer = at_layer.ok_or_else(|| {
            OpError::not_found("record.no_layer", format!("the record {} has no {layer} layer", record.key))
                .with_hint("without --layer its highest is shown")
        })?;
        Ok((at_layer, found_by))
    }

    /// What is found at once comes first; all records are looked through only when nothing is.
    async fn find_highest(&self, text: &str) -> Result<(Record, FoundBy), OpError> {
        if let Ok(id) = text.trim().parse::<RecordId>()
            && let Some(record) = self.storage().get(id, None).await?
        {
            return Ok((record, FoundBy::Id));
        }
        let readings = [
            (self.keys_in_namespaces_of_feeds(text).await?, FoundBy::Key),
            (keys_with_namespace(text), FoundBy::NamespaceAndKey),
        ];
        for (keys, found_by) in readings {
            let wanted: Vec<RecordRef> = keys.into_iter().map(RecordRef::key).collect();
            let found = self.storage().get_many(&wanted).await?.into_iter().flatten().collect();
            if let Some(record) = only(text, found)? {
                return Ok((record, found_by));
            }
        }
        match only(text, self.with_key_anywhere(text).await?)? {
            Some(record) => Ok((record, FoundBy::Key)),
            None => Err(OpError::not_found("record.unknown", format!("no record has the id or key {text:?}"))
                .with_hint("`feedspine list` shows ids and keys")),
        }
    }

    async fn keys_in_namespaces_of_feeds(&self, text: &str) -> Result<Vec<NaturalKey>, OpError> {
        let namespaces: BTreeSet<Namespace> =
            self.state().feeds().await?.into_iter().map(|feed| feed.namespace).collect();
        Ok(namespaces.into_iter().filter_map(|namespace| NaturalKey::new(namespace, text).ok()).collect())
    }

    /// The records of that key in namespaces that no feed has.
    async fn with_key_anywhere(&self, text: &str) -> Result<Vec<Record>, OpError> {
        let key = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let filter = Filter::Field(Field::Key, Test::Equal(Json::from(key)));
        let order = vec![Order { field: Field::Namespace, direction: Direction::Ascending }];
        let selection = Selection { layer: None, filter };
        let query = Query { selection, order, page: PageRequest::first(CANDIDATES_NAMED) };
        Ok(self.storage().query_page(&query).await?.items)
    }
}

/// Namespaces and keys may hold blanks: each blank may be the one between them.
fn keys_with_namespace(text: &str) -> Vec<NaturalKey> {
    let blanks = text.char_indices().filter(|(_, c)| c.is_ascii_whitespace());
    blanks.filter_map(|(at, _)| NaturalKey::new(text[..at].parse().ok()?, &text[at..]).ok()).collect()
}

fn only(text: &str, mut found: Vec<Record>) -> Result<Option<Record>, OpError> {
    if found.len() > 1 { Err(ambiguous(text, &found)) } else { Ok(found.pop()) }
}

fn ambiguous(text: &str, records: &[Record]) -> OpError {
    let named: Vec<String> =
        records.iter().take(CANDIDATES_NAMED).map(|record| format!("{:?}", record.key.to_string())).collect();
    OpError::usage("record.ambiguous", format!("{} records have the key {text:?}", records.len()))
        .with_hint(format!("name its namespace: {}", named.join(", ")))
}
