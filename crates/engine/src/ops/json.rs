//! [`ToJson`]: the one JSON form of what operations answer. Instants are RFC 3339 in UTC.

use feedspine_core::{
    Counts, Cursor, Feed, Fetch, FetchDetail, Json, KeyRule, Lineage, NaturalKey, Observation, Page, Quarantined,
    Record, Round, Seen, Timestamp, Version,
};

use super::{FetchOutcome, OpError};
use crate::feed_settings::FeedSettings;
use crate::shown::shown_text;
use crate::shown_address;

/// What has a JSON form for programs; it is the same from the command line and from a library.
pub trait ToJson {
    /// The JSON form.
    fn to_json(&self) -> Json;
}

pub(super) fn instant(at: Timestamp) -> Json {
    at.to_string().into()
}

pub(super) fn text(value: &impl ToString) -> Json {
    value.to_string().into()
}

pub(super) fn array<T: ToJson>(items: &[T]) -> Json {
    Json::Array(items.iter().map(ToJson::to_json).collect())
}

/// `{"items": [...], "next": cursor or null}`
impl<T: ToJson> ToJson for Page<T> {
    fn to_json(&self) -> Json {
        let next = self.next.as_ref().map(Cursor::as_str);
        Json::object([("items", array(&self.items)), ("next", next.into())])
    }
}

/// `{"kind": …, "code": …, "message": …, "hint": …}`
impl ToJson for OpError {
    fn to_json(&self) -> Json {
        Json::object([
            ("kind", self.kind().as_str().into()),
            ("code", self.code().into()),
            ("message", self.message().into()),
            ("hint", self.hint().into()),
        ])
    }
}

impl ToJson for Record {
    fn to_json(&self) -> Json {
        Json::object([
            ("id", text(&self.id)),
            ("namespace", self.key.namespace().as_str().into()),
            ("key", self.key.key().into()),
            ("key_rule", self.key_rule.as_str().into()),
            ("layer", self.layer.as_str().into()),
            ("version", u64::from(self.version.get()).into()),
            ("published", self.published.map(instant).into()),
            ("updated", self.updated.map(instant).into()),
            ("first_seen", instant(self.first_seen)),
            ("recorded_at", instant(self.recorded_at)),
            ("content_hash", text(&self.content.hash())),
            ("content", self.content.to_json()),
            ("metadata", self.metadata.to_json()),
            ("derived_from", self.derived_from.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl ToJson for Lineage {
    fn to_json(&self) -> Json {
        Json::object([
            ("layer", self.layer.as_str().into()),
            ("version", u64::from(self.version.get()).into()),
            ("content_hash", text(&self.hash)),
            ("source_deleted", self.source_deleted.into()),
        ])
    }
}

impl ToJson for Version {
    fn to_json(&self) -> Json {
        Json::object([
            ("version", u64::from(self.number.get()).into()),
            ("layer", self.layer.as_str().into()),
            ("published", self.published.map(instant).into()),
            ("updated", self.updated.map(instant).into()),
            ("recorded_at", instant(self.recorded_at)),
            ("content_hash", text(&self.content.hash())),
            ("content", self.content.to_json()),
            ("metadata", self.metadata.to_json()),
            ("fetch", self.origin.map(|origin| text(&origin.fetch)).into()),
            ("derived_from", self.derived_from.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl ToJson for Seen {
    fn to_json(&self) -> Json {
        Json::object([
            ("count", self.count.into()),
            ("earliest", instant(self.earliest)),
            ("latest", instant(self.latest)),
        ])
    }
}

/// Secrets in its address are not shown.
impl ToJson for Feed {
    fn to_json(&self) -> Json {
        Json::object([
            ("id", text(&self.id)),
            ("name", self.name.as_str().into()),
            ("address", shown_address(&self.address).into()),
            ("namespace", self.namespace.as_str().into()),
            ("status", self.status.as_str().into()),
            ("key_rule", self.key_rule.map(KeyRule::as_str).into()),
            ("allow_private", self.allow_private.into()),
            ("settings", FeedSettings::of(self).shown()),
            ("added_at", instant(self.added_at)),
        ])
    }
}

impl ToJson for Fetch {
    fn to_json(&self) -> Json {
        Json::object([
            ("fetch", text(&self.intent.fetch)),
            ("started_at", instant(self.intent.started_at)),
            ("address", shown_address(&self.intent.address).into()),
            ("detail", self.detail.as_ref().map(ToJson::to_json).into()),
        ])
    }
}

impl ToJson for FetchDetail {
    fn to_json(&self) -> Json {
        Json::object([
            ("status", FetchOutcome::of_detail(self).as_str().into()),
            ("finished_at", instant(self.finished_at)),
            ("http_status", self.http_status.map(u64::from).into()),
            ("wire_bytes", self.wire_bytes.into()),
            ("body_bytes", self.body_bytes.into()),
            ("duration_ms", self.duration_ms.into()),
            ("code", self.code.as_deref().into()),
            ("reason", self.reason.as_deref().map(shown_text).into()),
        ])
    }
}

impl ToJson for Quarantined {
    fn to_json(&self) -> Json {
        let key = self.reject.key.as_ref();
        Json::object([
            ("fetch", text(&self.fetch)),
            ("recorded_at", instant(self.recorded_at)),
            ("ordinal", u64::from(self.reject.ordinal).into()),
            ("namespace", key.map(|key| key.namespace().as_str()).into()),
            ("key", key.map(NaturalKey::key).into()),
            ("code", self.reject.code.as_str().into()),
            ("reason", self.reject.reason.as_str().into()),
            ("excerpt", self.reject.excerpt.as_str().into()),
        ])
    }
}

impl ToJson for Observation {
    fn to_json(&self) -> Json {
        Json::object([
            ("fetch", text(&self.fetch)),
            ("round", self.round.map(Round::get).into()),
            ("coverage", self.coverage.as_str().into()),
            ("observed_at", instant(self.observed_at)),
            ("recorded_at", instant(self.recorded_at)),
            ("counts", self.counts.to_json()),
        ])
    }
}

impl ToJson for Counts {
    fn to_json(&self) -> Json {
        Json::object([
            ("seen", self.seen.into()),
            ("new", self.new.into()),
            ("changed", self.changed.into()),
            ("unchanged", self.unchanged.into()),
            ("rejected", self.rejected.into()),
            ("repeated", self.repeated.into()),
            ("withdrawn", self.withdrawn.into()),
            ("scrolled_off", self.scrolled_off.into()),
            ("returned", self.returned.into()),
            ("gaps", self.gaps.into()),
            ("held_back", self.held_back.into()),
        ])
    }
}
