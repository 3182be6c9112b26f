//! A feed for unit tests.

use feedspine_core::{Content, Feed, FeedId, FeedStatus, KeyRule, Timestamp};

/// The feed `a` at `https://example.org/a`, with these settings.
pub(crate) fn feed(settings: &str, key_rule: Option<KeyRule>) -> Feed {
    Feed {
        id: FeedId::from_u128(1),
        name: "a".parse().unwrap(),
        address: "https://example.org/a".into(),
        namespace: "a".parse().unwrap(),
        status: FeedStatus::Active,
        key_rule,
        allow_private: false,
        settings: Content::parse(settings).unwrap(),
        added_at: Timestamp::UNIX_EPOCH,
    }
}
