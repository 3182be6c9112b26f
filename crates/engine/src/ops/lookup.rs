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
    /// The record that `text` names: its id, its key in whatever namespace, or its namespace and key.
    pub(super) async fn find(&self, text: &str, layer: Option<Layer>) -> Result<(Record, FoundBy), OpError> {
        if let Ok(id) = text.trim().parse::<RecordId>()
            && let Some(record) = self.storage().get(id, layer).await?
        {
            return Ok((record, FoundBy::Id));
        }
        let mut of_key = self.with_key(text).await?;
        if of_key.len() > 1 {
            return Err(ambiguous(text, &of_key));
        }
        let (record, found_by) = match of_key.pop() {
            Some(record) => (record, FoundBy::Key),
            None => (self.with_namespace_and_key(text).await?, FoundBy::NamespaceAndKey),
        };
        let Some(layer) = layer else { return Ok((record, found_by)) };
        let at_layer = self.storage().get(record.id, Some(layer)).await?;
        let at_layer = at_layer.ok_or_else(|| {
            OpError::not_found("record.no_layer", format!("the record {} has no {layer} layer", record.key))
        })?;
        Ok((at_layer, found_by))
    }

    /// The records of that key: first those in the namespaces of feeds, which are found at once; only when there are
    /// none, those in any other, for which all records are looked through.
    async fn with_key(&self, text: &str) -> Result<Vec<Record>, OpError> {
        let namespaces: BTreeSet<Namespace> =
            self.state().feeds().await?.into_iter().map(|feed| feed.namespace).collect();
        let keys = namespaces.into_iter().filter_map(|namespace| NaturalKey::new(namespace, text).ok());
        let readings: Vec<RecordRef> = keys.map(RecordRef::key).collect();
        let found: Vec<Record> = self.storage().get_many(&readings).await?.into_iter().flatten().collect();
        if !found.is_empty() {
            return Ok(found);
        }
        let key = text.trim_matches(|c: char| c.is_ascii_whitespace());
        let filter = Filter::Field(Field::Key, Test::Equal(Json::from(key)));
        let order = vec![Order { field: Field::Namespace, direction: Direction::Ascending }];
        let selection = Selection { layer: None, filter };
        let query = Query { selection, order, page: PageRequest::first(CANDIDATES_NAMED) };
        Ok(self.storage().query_page(&query).await?.items)
    }

    /// Namespaces and keys may hold blanks: each blank may be the one between them.
    async fn with_namespace_and_key(&self, text: &str) -> Result<Record, OpError> {
        let blanks = text.char_indices().filter(|(_, c)| c.is_ascii_whitespace());
        let readings: Vec<RecordRef> = blanks
            .filter_map(|(at, _)| {
                let namespace = text[..at].parse().ok()?;
                NaturalKey::new(namespace, &text[at..]).ok().map(RecordRef::key)
            })
            .collect();
        let found: Vec<Record> = self.storage().get_many(&readings).await?.into_iter().flatten().collect();
        match found.len() {
            0 => Err(OpError::not_found("record.unknown", format!("no record has the id or key {text:?}"))
                .with_hint("`feedspine list` shows ids and keys")),
            1 => Ok(found.into_iter().next().expect("there is one")),
            _ => Err(ambiguous(text, &found)),
        }
    }
}

fn ambiguous(text: &str, records: &[Record]) -> OpError {
    let named: Vec<String> =
        records.iter().take(CANDIDATES_NAMED).map(|record| format!("{:?}", record.key.to_string())).collect();
    OpError::usage("record.ambiguous", format!("{} records have the key {text:?}", records.len()))
        .with_hint(format!("name its namespace: {}", named.join(", ")))
}
