//! Messages of the Singer protocol (its specification, version 0.3.0): what a tap prints.

use std::collections::BTreeMap;
use std::sync::Arc;

use feedspine_core::Json;

use crate::item::{ItemKey, ItemRules};
use crate::json_query::JsonQuery;
use crate::warning::Warnings;

/// The member of an item that says which stream it is of.
const STREAM: &str = "_stream";

/// The streams that a tap described.
#[derive(Debug, Default)]
pub(super) struct Streams(BTreeMap<String, Stream>);

/// A stream, as a tap described it.
#[derive(Debug)]
pub(super) struct Stream {
    /// How its items are keyed.
    pub(super) rules: ItemRules,
    /// The line that described it.
    pub(super) told: Arc<str>,
}

/// What a message tells.
pub(super) enum Message<'a> {
    /// An item of a stream.
    Record { stream: &'a Stream, item: Json },
    /// What the tap wants to be given when it runs again.
    State(Json),
    /// Nothing for us.
    Nothing,
    Wrong {
        code: &'static str,
        reason: String,
        /// The line that described its stream.
        told: Option<Arc<str>>,
    },
}

impl Streams {
    /// Reads a message, and the line that it is; `rules` are what the operator says of all items.
    pub(super) fn read(
        &mut self,
        line: &str,
        message: Json,
        rules: &ItemRules,
        warnings: &mut Warnings,
    ) -> Message<'_> {
        let Json::Object(mut members) = message else {
            return wrong("singer.message", "it is no object".to_owned());
        };
        let Some(kind) = members.get("type").and_then(Json::as_str).map(str::to_owned) else {
            return wrong("singer.message", "the message has no type".to_owned());
        };
        match kind.as_str() {
            "RECORD" => {
                let (Some(Json::String(stream)), Some(Json::Object(record))) =
                    (members.remove("stream"), members.remove("record"))
                else {
                    return wrong("singer.message", "a RECORD names its stream and has a record".to_owned());
                };
                self.record(stream, record)
            }
            "SCHEMA" => {
                let Some(Json::String(stream)) = members.remove("stream") else {
                    return wrong("singer.message", "a SCHEMA names its stream".to_owned());
                };
                let key = self::key(&stream, members.get("key_properties"), rules);
                self.0.insert(stream, Stream { rules: ItemRules { key, ..rules.clone() }, told: line.into() });
                Message::Nothing
            }
            "STATE" => match members.remove("value") {
                Some(value) => Message::State(value),
                None => wrong("singer.message", "a STATE has a value".to_owned()),
            },
            // Their records are in files of the tap's: to leave them out silently would lose them.
            "BATCH" => wrong("singer.batch", "records in batch files are not read".to_owned()),
            // It says which version of a table is whole; we keep what was seen of each.
            "ACTIVATE_VERSION" => Message::Nothing,
            other => {
                warnings.add("singer.unknown", || format!("messages of type {other} were left out"));
                Message::Nothing
            }
        }
    }

    fn record(&self, name: String, mut record: BTreeMap<String, Json>) -> Message<'_> {
        let Some(stream) = self.0.get(&name) else {
            return wrong("singer.schema", format!("no SCHEMA came before it for the stream {name}"));
        };
        let name = Json::from(name);
        match record.insert(STREAM.to_owned(), name.clone()) {
            Some(held) if held != name => {
                let reason = format!("the record has a {STREAM} of its own");
                Message::Wrong { code: "singer.stream", reason, told: Some(stream.told.clone()) }
            }
            _ => Message::Record { stream, item: Json::Object(record) },
        }
    }
}

/// Unless the operator says otherwise: the stream, and what the tap says are the keys of its records.
fn key(stream: &str, properties: Option<&Json>, rules: &ItemRules) -> ItemKey {
    let ItemKey::Unsaid = rules.key else { return rules.key.clone() };
    let Some(Json::Array(names)) = properties else { return ItemKey::Content };
    let names: Vec<&str> = names.iter().filter_map(Json::as_str).collect();
    if names.is_empty() || stream.trim().is_empty() {
        return ItemKey::Content;
    }
    ItemKey::Places(std::iter::once(STREAM).chain(names).map(JsonQuery::member).collect())
}

fn wrong<'a>(code: &'static str, reason: String) -> Message<'a> {
    Message::Wrong { code, reason, told: None }
}
