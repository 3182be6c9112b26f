//! One line for each kind of row. Every member is named here, so that a new one is not forgotten.

use feedspine_core::{
    Capture, CaptureName, Change, Content, ContentHash, Counts, Coverage, Event, Feed, FeedCursor, FeedId, Fetch,
    FetchDetail, FetchIntent, HeldBody, HeldCapture, Json, Layer, Lineage, NaturalKey, Observation, PackedBody,
    Quarantined, Record, Reject, Schedule, Seen, Sighting, Subject, Timestamp, Version, VersionNo,
};

/// `word {"member":value,…}`, without the members that are null.
fn line<const N: usize>(word: &str, members: [(&str, Json); N]) -> String {
    format!("{word} {}", object(members))
}

fn object<const N: usize>(members: [(&str, Json); N]) -> Json {
    Json::object(members.into_iter().filter(|(_, value)| *value != Json::Null))
}

pub(super) fn count(layer: Layer, rows: u64) -> String {
    line("count", [("layer", layer.as_str().into()), ("rows", rows.into())])
}

pub(super) fn record(row: &Record) -> String {
    let Record {
        id,
        key,
        key_rule,
        layer,
        version,
        content,
        metadata,
        published,
        updated,
        first_seen,
        recorded_at,
        derived_from,
    } = row;
    line(
        "record",
        [
            ("id", id.to_string().into()),
            ("key", natural_key(key)),
            ("key_rule", key_rule.as_str().into()),
            ("layer", layer.as_str().into()),
            ("version", number(*version)),
            ("content", text(content)),
            ("hash", content.hash().to_string().into()),
            ("metadata", text(metadata)),
            ("published", published.map(instant).into()),
            ("updated", updated.map(instant).into()),
            ("first_seen", instant(*first_seen)),
            ("recorded_at", instant(*recorded_at)),
            ("derived_from", derived_from.as_ref().map(lineage).into()),
        ],
    )
}

pub(super) fn version(row: &Version) -> String {
    let Version {
        record,
        layer,
        number: version,
        content,
        hash_rule,
        metadata,
        published,
        updated,
        recorded_at,
        origin,
        derived_from,
    } = row;
    line(
        "version",
        [
            ("record", record.to_string().into()),
            ("layer", layer.as_str().into()),
            ("number", number(*version)),
            ("content", text(content)),
            ("hash", content.hash().to_string().into()),
            ("hash_rule", hash_rule.as_str().into()),
            ("metadata", text(metadata)),
            ("published", published.map(instant).into()),
            ("updated", updated.map(instant).into()),
            ("recorded_at", instant(*recorded_at)),
            ("feed", origin.map(|origin| origin.feed.to_string()).into()),
            ("fetch", origin.map(|origin| origin.fetch.to_string()).into()),
            ("derived_from", derived_from.as_ref().map(lineage).into()),
        ],
    )
}

pub(super) fn seen(key: &NaturalKey, seen: Seen) -> String {
    let Seen { count, earliest, latest } = seen;
    line(
        "seen",
        [
            ("key", natural_key(key)),
            ("count", count.into()),
            ("earliest", instant(earliest)),
            ("latest", instant(latest)),
        ],
    )
}

pub(super) fn sighting(row: &Sighting) -> String {
    let Sighting { key, feed, fetch, observed_at, version } = row;
    line(
        "sighting",
        [
            ("key", natural_key(key)),
            ("feed", feed.to_string().into()),
            ("fetch", fetch.to_string().into()),
            ("observed_at", instant(*observed_at)),
            ("version", version.map(number).into()),
        ],
    )
}

pub(super) fn cursor(feed: FeedId, cursor: &FeedCursor) -> String {
    let FeedCursor { revision, value, manifest } = cursor;
    line(
        "cursor",
        [
            ("feed", feed.to_string().into()),
            ("revision", (*revision).into()),
            ("value", value.clone()),
            ("manifest", manifest.map(|fetch| fetch.to_string()).into()),
        ],
    )
}

pub(super) fn observation(row: &Observation) -> String {
    let Observation { feed, fetch, round, coverage, observed_at, recorded_at, counts } = row;
    let of = match coverage {
        Coverage::Unchanged { of } => Some(of.to_string()),
        Coverage::Snapshot { .. } | Coverage::Delta => None,
    };
    line(
        "observation",
        [
            ("feed", feed.to_string().into()),
            ("fetch", fetch.to_string().into()),
            ("round", round.map(feedspine_core::Round::get).into()),
            ("coverage", coverage.as_str().into()),
            ("of", of.into()),
            ("observed_at", instant(*observed_at)),
            ("recorded_at", instant(*recorded_at)),
            ("counts", counted(*counts)),
        ],
    )
}

fn counted(counts: Counts) -> Json {
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
    } = counts;
    let some = |count: u64| Json::from((count > 0).then_some(count));
    object([
        ("seen", some(seen)),
        ("new", some(new)),
        ("changed", some(changed)),
        ("unchanged", some(unchanged)),
        ("rejected", some(rejected)),
        ("repeated", some(repeated)),
        ("withdrawn", some(withdrawn)),
        ("scrolled_off", some(scrolled_off)),
        ("returned", some(returned)),
        ("gaps", some(gaps)),
        ("held_back", some(held_back)),
    ])
}

pub(super) fn reject(feed: FeedId, row: &Quarantined) -> String {
    let Quarantined { fetch, recorded_at, reject } = row;
    let Reject { ordinal, key, code, reason, excerpt } = reject;
    line(
        "reject",
        [
            ("feed", feed.to_string().into()),
            ("fetch", fetch.to_string().into()),
            ("recorded_at", instant(*recorded_at)),
            ("ordinal", u64::from(*ordinal).into()),
            ("key", key.as_ref().map(natural_key).into()),
            ("code", code.as_str().into()),
            ("reason", reason.as_str().into()),
            ("excerpt", excerpt.as_str().into()),
        ],
    )
}

pub(super) fn change(change: &Change) -> String {
    let Change { seq, event: Event { kind, subject, feed, fetch, witness, recorded_at } } = change;
    line(
        "change",
        [
            ("at", seq.to_string().into()),
            ("kind", kind.as_str().into()),
            ("subject", subject.as_ref().map(concerned).into()),
            ("feed", feed.map(|feed| feed.to_string()).into()),
            ("fetch", fetch.map(|fetch| fetch.to_string()).into()),
            ("witness", witness.map(|witness| witness.to_string()).into()),
            ("recorded_at", instant(*recorded_at)),
        ],
    )
}

fn concerned(subject: &Subject) -> Json {
    let Subject { record, key, layer, version } = subject;
    object([
        ("record", record.to_string().into()),
        ("key", natural_key(key)),
        ("layer", layer.map(Layer::as_str).into()),
        ("version", version.map(number).into()),
    ])
}

pub(super) fn feed(row: &Feed) -> String {
    let Feed { id, name, address, namespace, status, key_rule, allow_private, settings, added_at } = row;
    // Stores of schema 1 know no settings: what they hold reads as none.
    let settings = if *settings == Content::empty() { Json::Null } else { settings.to_json() };
    line(
        "feed",
        [
            ("id", id.to_string().into()),
            ("name", name.as_str().into()),
            ("address", address.as_str().into()),
            ("namespace", namespace.as_str().into()),
            ("status", status.as_str().into()),
            ("key_rule", key_rule.map(feedspine_core::KeyRule::as_str).into()),
            ("allow_private", (*allow_private).into()),
            ("settings", settings),
            ("added_at", instant(*added_at)),
        ],
    )
}

pub(super) fn schedule(row: &Schedule) -> String {
    let Schedule { feed, due_at, state } = row;
    line(
        "schedule",
        [("feed", feed.to_string().into()), ("due_at", due_at.map(instant).into()), ("state", text(state))],
    )
}

pub(super) fn fetch(row: &Fetch) -> String {
    let Fetch { intent: FetchIntent { fetch, feed, started_at, address }, detail } = row;
    line(
        "fetch",
        [
            ("fetch", fetch.to_string().into()),
            ("feed", feed.to_string().into()),
            ("started_at", instant(*started_at)),
            ("address", address.as_str().into()),
            ("detail", detail.as_ref().map(detailed).into()),
        ],
    )
}

pub(super) fn capture(row: &HeldCapture, held: Option<&HeldBody>) -> String {
    let HeldCapture { capture, bytes, packed_bytes } = row;
    let Capture { name, last_ordinal, observed_at, url, content_type, http_status, headers, body } = capture;
    let CaptureName { feed, fetch, first_ordinal } = name;
    line(
        "capture",
        [
            ("feed", feed.to_string().into()),
            ("fetch", fetch.to_string().into()),
            ("first_ordinal", u64::from(*first_ordinal).into()),
            ("last_ordinal", u64::from(*last_ordinal).into()),
            ("observed_at", instant(*observed_at)),
            ("url", url.clone().into()),
            ("content_type", content_type.clone().into()),
            ("http_status", http_status.map(u64::from).into()),
            ("headers", Json::Array(headers.iter().map(|(name, value)| vec![&**name, &**value].into()).collect())),
            ("body", body.to_string().into()),
            ("bytes", (*bytes).into()),
            ("packed_bytes", (*packed_bytes).into()),
            ("packed", held.map(|held| packed(&held.body)).into()),
            ("base", held.and_then(|held| held.base.as_ref()).map(packed).into()),
        ],
    )
}

/// Its bytes by their hash: a fixture holds bodies that are no text.
fn packed(body: &PackedBody) -> Json {
    let PackedBody { hash, length, packing, packed } = body;
    object([
        ("hash", hash.to_string().into()),
        ("length", (*length).into()),
        ("packing", packing.as_str().into()),
        ("packed", ContentHash::of(packed).to_string().into()),
    ])
}

fn detailed(detail: &FetchDetail) -> Json {
    let FetchDetail { status, finished_at, http_status, wire_bytes, body_bytes, duration_ms, code, reason, notes } =
        detail;
    // Older stores know none.
    let notes = if *notes == Content::empty() { Json::Null } else { text(notes) };
    object([
        ("status", status.as_str().into()),
        ("finished_at", instant(*finished_at)),
        ("http_status", http_status.map(u64::from).into()),
        ("wire_bytes", (*wire_bytes).into()),
        ("body_bytes", (*body_bytes).into()),
        ("duration_ms", (*duration_ms).into()),
        ("code", code.clone().into()),
        ("reason", reason.clone().into()),
        ("notes", notes),
    ])
}

/// `["namespace","key"]`
fn natural_key(key: &NaturalKey) -> Json {
    Json::from(vec![key.namespace().as_str(), key.key()])
}

/// The very text, not its value: a store that gives back other text than it was given is found out.
fn text(content: &Content) -> Json {
    content.as_str().into()
}

fn number(version: VersionNo) -> Json {
    u64::from(version.get()).into()
}

fn instant(at: Timestamp) -> Json {
    at.to_string().into()
}

fn lineage(lineage: &Lineage) -> Json {
    let Lineage { layer, version, hash, source_deleted } = lineage;
    object([
        ("layer", layer.as_str().into()),
        ("version", number(*version)),
        ("hash", hash.to_string().into()),
        ("source_deleted", (*source_deleted).into()),
    ])
}
