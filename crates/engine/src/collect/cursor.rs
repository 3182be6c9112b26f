//! What a feed's cursor remembers for the next request, and when it may be trusted.

use feedspine_core::{ContentHash, Feed, FeedCursor, FetchId, Json, KeyRule, Timestamp};
use feedspine_parse::PARSER_VERSION;

use crate::adapters::{Adapter, AdapterChoice};
use crate::fetch::Validators;
use crate::policy::{Evidence, rule_in_force};

/// Grows when keys or hashes are made in another way of the same document.
const POLICY_VERSION: u32 = 1;

/// After so long a feed is asked without validators once: a server may answer 304 for ever and be wrong. A week, in
/// microseconds.
const TRUST_IN_304: i64 = 7 * 24 * 3_600 * 1_000_000;

/// What the last committed fetch left.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Memory {
    /// What the server told to ask with.
    pub(crate) validators: Option<Validators>,
    /// The hash of the document, decoded.
    pub(crate) body: ContentHash,
    /// Where the document came from.
    pub(crate) source: Source,
    /// When the document was last read, and not only said to be the same.
    pub(crate) read_at: Timestamp,
    /// What the feed's adapter wants to find again, null where that is nothing.
    pub(crate) state: Json,
}

/// The member of a cursor that names the fetch whose items were stored last, where that told no manifest.
const TOLD_BY: &str = "told_by";

/// What a document means besides its bytes: its relative addresses and its charset hang on these.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Source {
    /// The URL that answered; `None` for a file.
    pub(crate) url: Option<String>,
    /// What it said that the document is.
    pub(crate) content_type: Option<String>,
}

/// What may be made of a cursor for the next fetch.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Recalled {
    /// What the last committed fetch left.
    pub(crate) memory: Memory,
    /// The observation that an Unchanged batch names.
    pub(crate) manifest: FetchId,
}

impl Memory {
    /// The same without what a document is known again by: the next one is read whatever it is. What the adapter wants to
    /// find again stays.
    pub(crate) fn unread(self) -> Self {
        // No document has this hash.
        Self { validators: None, body: ContentHash::from_bytes([0; 32]), ..self }
    }

    /// What to ask with at that time.
    pub(crate) fn validators_at(&self, now: Timestamp) -> Option<&Validators> {
        self.validators.as_ref().filter(|_| now.micros_since(self.read_at) < TRUST_IN_304)
    }

    /// The cursor's value, bound to what it was made by: the address, the parser, the policy and the adapter's options;
    /// with what documents showed of the policy, as [`Evidence::to_json`] has it.
    pub(crate) fn to_json(&self, feed: &Feed, key_rule: Option<KeyRule>, evidence: Option<Json>) -> Json {
        let validators = self.validators.as_ref().map(|validators| {
            Json::object([
                ("url", validators.url.as_str().into()),
                ("etag", validators.etag.as_deref().into()),
                ("last_modified", validators.last_modified.as_deref().into()),
            ])
        });
        let mut members = vec![
            ("address", feed.address.as_str().into()),
            ("parser", u64::from(PARSER_VERSION).into()),
            ("policy", policy(key_rule)),
            ("validators", validators.into()),
            ("body", self.body.to_string().into()),
            ("url", self.source.url.as_deref().into()),
            ("content_type", self.source.content_type.as_deref().into()),
            ("read_at", self.read_at.to_string().into()),
        ];
        let of_adapter = [("adapter", AdapterChoice::of(feed).fingerprint()), ("state", self.state.clone())];
        members.extend(of_adapter.into_iter().filter(|(_, value)| *value != Json::Null));
        members.extend(evidence.map(|evidence| (Evidence::MEMBER, evidence)));
        Json::object(members)
    }
}

/// The fetch whose items were stored last, as far as the cursor knows.
pub(crate) fn told_by(cursor: &FeedCursor) -> Option<FetchId> {
    let named = cursor.value.get(TOLD_BY).and_then(Json::as_str).and_then(|name| name.parse().ok());
    named.or(cursor.manifest)
}

/// The cursor's value with the fetch whose items were stored last.
pub(crate) fn naming(mut value: Json, told_by: FetchId) -> Json {
    if let Json::Object(members) = &mut value {
        members.insert(TOLD_BY.to_owned(), told_by.to_string().into());
    }
    value
}

/// Reads a cursor back for a feed of one document; `None` when it cannot be built on, or when nobody knows what the feed
/// holds.
pub(crate) fn recall(cursor: &FeedCursor, feed: &Feed) -> Option<Recalled> {
    Some(Recalled { memory: remember(cursor, feed)?, manifest: cursor.manifest? })
}

/// Reads a cursor back; `None` when it cannot be built on: then the feed is fetched as if for the first time.
///
/// A 304 or the same bytes say nothing when the address differs, or when another parser, policy or adapter would make
/// something else of these bytes.
pub(crate) fn remember(cursor: &FeedCursor, feed: &Feed) -> Option<Memory> {
    let value = &cursor.value;
    let bound_to = [
        ("parser", u64::from(PARSER_VERSION).into()),
        ("policy", policy(rule_in_force(feed))),
        ("adapter", AdapterChoice::of(feed).fingerprint()),
    ];
    if !came_from(value, feed) || bound_to.iter().any(|(name, wanted)| value.get(name).unwrap_or(&Json::Null) != wanted)
    {
        return None;
    }
    let text = |of: &Json, name| of.get(name).and_then(Json::as_str).map(str::to_owned);
    let validators = value.get("validators").and_then(|held| {
        Some(Validators {
            url: text(held, "url")?,
            etag: text(held, "etag"),
            last_modified: text(held, "last_modified"),
        })
    });
    let body = ContentHash::from_hex(&text(value, "body")?)?;
    let read_at = text(value, "read_at")?.parse().ok()?;
    let source = Source { url: text(value, "url"), content_type: text(value, "content_type") };
    let state = value.get("state").cloned().unwrap_or(Json::Null);
    Some(Memory { validators, body, source, read_at, state })
}

/// Whether what is remembered came from the feed's address: it was asked there, or, of one document, redirected there from
/// where the feed was before.
pub(crate) fn came_from(value: &Json, feed: &Feed) -> bool {
    let is_address = |name| value.get(name).and_then(Json::as_str) == Some(feed.address.as_str());
    is_address("address") || (is_address("url") && AdapterChoice::of(feed).name() == Adapter::FEED)
}

impl Recalled {
    /// The document that is held, and the observation that told it, for bytes from that source.
    pub(crate) fn document_of(&self, source: &Source) -> Option<(ContentHash, FetchId)> {
        (self.memory.source == *source).then_some((self.memory.body, self.manifest))
    }
}

fn policy(key_rule: Option<KeyRule>) -> Json {
    Json::from(format!("{POLICY_VERSION} {}", key_rule.map_or("none", KeyRule::as_str)))
}

#[cfg(test)]
mod tests {
    use feedspine_core::{Content, Timestamp};

    use super::*;

    fn feed() -> Feed {
        crate::sample::feed("{}", Some(KeyRule::Id))
    }

    fn memory() -> Memory {
        let validators =
            Validators { url: "https://example.org/b".into(), etag: Some("W/\"x\"".into()), last_modified: None };
        Memory {
            validators: Some(validators),
            body: ContentHash::of(b"body"),
            source: Source { url: Some("https://example.org/b".into()), content_type: None },
            read_at: Timestamp::UNIX_EPOCH,
            state: Json::object([("page", 3_u64.into())]),
        }
    }

    fn cursor(value: Json) -> FeedCursor {
        FeedCursor { revision: 1, value, manifest: Some(FetchId::from_u128(7)) }
    }

    #[test]
    fn remembers_what_it_was_given() {
        let recalled = recall(&cursor(memory().to_json(&feed(), Some(KeyRule::Id), None)), &feed()).unwrap();
        assert_eq!(recalled, Recalled { memory: memory(), manifest: FetchId::from_u128(7) });
    }

    #[test]
    fn what_is_unread_is_known_by_nothing_and_keeps_what_the_adapter_wants() {
        let unread = Recalled { memory: memory().unread(), manifest: FetchId::from_u128(7) };
        assert_eq!(unread.memory.validators_at(Timestamp::UNIX_EPOCH), None);
        assert_ne!(unread.memory.body, memory().body);
        assert_eq!(unread.memory.state, memory().state);
    }

    #[test]
    fn the_fetch_that_stored_items_last_is_that_of_the_manifest_unless_another_is_named() {
        let value = memory().to_json(&feed(), Some(KeyRule::Id), None);
        assert_eq!(told_by(&cursor(value.clone())), Some(FetchId::from_u128(7)));
        let named = cursor(naming(value, FetchId::from_u128(8)));
        assert_eq!(told_by(&named), Some(FetchId::from_u128(8)));
        assert_eq!(recall(&named, &feed()).unwrap().memory, memory());
    }

    #[test]
    fn the_same_bytes_are_the_same_document_only_from_the_same_source() {
        let recalled = Recalled { memory: memory(), manifest: FetchId::from_u128(7) };
        let source = memory().source;
        assert!(recalled.document_of(&source).is_some());
        let latin = Source { content_type: Some("text/xml; charset=iso-8859-1".into()), ..source.clone() };
        assert_eq!(recalled.document_of(&latin), None);
        assert_eq!(recalled.document_of(&Source { url: None, ..source }), None);
    }

    #[test]
    fn asks_with_validators_for_a_week_after_a_document_was_read() {
        let after = |micros| Timestamp::UNIX_EPOCH.saturating_add_micros(micros);
        assert_eq!(memory().validators_at(after(TRUST_IN_304 - 1)), memory().validators.as_ref());
        assert_eq!(memory().validators_at(after(TRUST_IN_304)), None);
    }

    #[test]
    fn what_came_from_an_address_is_good_once_the_feed_is_there() {
        let made = memory().to_json(&feed(), Some(KeyRule::Id), None);
        let moved = Feed { address: "https://example.org/b".into(), ..feed() };
        assert_eq!(recall(&cursor(made.clone()), &moved).map(|recalled| recalled.memory), Some(memory()));
        let settings = Content::parse(r#"{"adapter":"json"}"#).unwrap();
        let paged = Feed { settings, ..feed() };
        let made = memory().to_json(&paged, rule_in_force(&paged), None);
        assert!(remember(&cursor(made.clone()), &paged).is_some());
        assert_eq!(remember(&cursor(made), &Feed { address: moved.address, ..paged }), None);
    }

    #[test]
    fn trusts_nothing_of_another_address_parser_or_policy_and_nothing_without_a_manifest() {
        let made = memory().to_json(&feed(), Some(KeyRule::Id), None);
        let moved = Feed { address: "https://example.org/c".into(), ..feed() };
        assert_eq!(recall(&cursor(made.clone()), &moved), None);
        let rekeyed = Feed { key_rule: Some(KeyRule::Link), ..feed() };
        assert_eq!(recall(&cursor(made.clone()), &rekeyed), None);
        let settings = Content::parse(r#"{"options":{"key":"link"}}"#).unwrap();
        assert_eq!(recall(&cursor(made.clone()), &Feed { settings, ..feed() }), None);
        let tagged = Content::parse(r#"{"tags":["a"]}"#).unwrap();
        assert!(recall(&cursor(made.clone()), &Feed { settings: tagged, ..feed() }).is_some());
        let Json::Object(mut members) = made.clone() else { panic!("a cursor is an object") };
        members.insert("parser".into(), 0_u64.into());
        assert_eq!(recall(&cursor(Json::Object(members)), &feed()), None);
        assert_eq!(recall(&FeedCursor { manifest: None, ..cursor(made) }, &feed()), None);
        assert_eq!(recall(&cursor(Json::Null), &feed()), None);
    }
}
