//! Words as text for `serde`, with the checks that each word has: what is read back cannot be wrong either.
//!
//! JSON values and content are their canonical text, because no number may pass through a float on its way.

use std::borrow::Cow;

use serde::de::{Deserialize, Deserializer, Error};
use serde::ser::{Serialize, Serializer};

use crate::ingest::{BatchDigest, ManifestDigest};
use crate::{
    ChangeKind, Content, ContentHash, FeedId, FeedName, FeedStatus, FetchId, FetchStatus, HashRuleId, Json, KeyHash,
    KeyRule, Layer, Namespace, NaturalKey, RecordId, SpanEnd, Timestamp, hexadecimal,
};

/// `Type: text of it, it of text;` where the latter gives `None` for text that is not one.
macro_rules! as_text {
    ($($word:ty: $to:expr, $from:expr;)+) => {$(
        impl Serialize for $word {
            fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
                let to: fn(&Self) -> Cow<'_, str> = $to;
                serializer.serialize_str(&to(self))
            }
        }

        impl<'de> Deserialize<'de> for $word {
            fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
                let from: fn(&str) -> Option<Self> = $from;
                let text = String::deserialize(deserializer)?;
                from(&text).ok_or_else(|| D::Error::custom(format!("not a {}: {text:?}", stringify!($word))))
            }
        }
    )+};
}

as_text! {
    FeedId: |id| id.to_string().into(), |text| text.parse().ok();
    FetchId: |id| id.to_string().into(), |text| text.parse().ok();
    RecordId: |id| id.to_string().into(), |text| text.parse().ok();
    Timestamp: |at| at.to_string().into(), |text| text.parse().ok();
    Namespace: |namespace| namespace.as_str().into(), |text| text.parse().ok();
    KeyRule: |rule| rule.as_str().into(), |text| text.parse().ok();
    FeedName: |name| name.as_str().into(), |text| Self::new(text).ok();
    FeedStatus: |status| status.as_str().into(), |text| text.parse().ok();
    FetchStatus: |status| status.as_str().into(), |text| text.parse().ok();
    Layer: |layer| layer.as_str().into(), |text| text.parse().ok();
    ChangeKind: |kind| kind.as_str().into(), Self::from_word;
    SpanEnd: |end| end.as_str().into(), Self::from_word;
    HashRuleId: |rule| rule.as_str().into(), |text| Some(Self::from_stored(text));
    ContentHash: |hash| hash.to_string().into(), Self::from_hex;
    KeyHash: |hash| hexadecimal::encode(hash.as_bytes()).into(), |text| digest(text).map(Self::from_bytes);
    BatchDigest: |digest| hexadecimal::encode(&digest.0).into(), |text| digest(text).map(Self);
    ManifestDigest: |digest| hexadecimal::encode(&digest.0).into(), |text| digest(text).map(Self);
    Json: |value| value.to_canonical().into(), |text| Self::parse(text).ok();
    Content: |content| content.as_str().into(), |text| Self::parse(text).ok();
}

fn digest(text: &str) -> Option<[u8; 32]> {
    hexadecimal::decode(text)?.try_into().ok()
}

#[derive(serde::Serialize, serde::Deserialize)]
struct KeyInFull<'a> {
    namespace: Namespace,
    key: Cow<'a, str>,
}

impl Serialize for NaturalKey {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        KeyInFull { namespace: self.namespace().clone(), key: self.key().into() }.serialize(serializer)
    }
}

impl<'de> Deserialize<'de> for NaturalKey {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let read = KeyInFull::deserialize(deserializer)?;
        Self::new(read.namespace, &read.key).map_err(D::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Origin, Sighting, Version, VersionNo};

    fn version() -> Version {
        Version {
            record: RecordId::from_u128(7),
            layer: Layer::Silver,
            number: VersionNo::FIRST,
            content: Content::parse(r#"{"big":123456789012345678901234567890.5,"nul":"\u0000"}"#).unwrap(),
            hash_rule: HashRuleId::default(),
            metadata: Content::empty(),
            published: Some(Timestamp::MIN),
            updated: None,
            recorded_at: Timestamp::MAX,
            origin: Some(Origin { feed: FeedId::from_u128(1), fetch: FetchId::from_u128(2) }),
            derived_from: None,
        }
    }

    #[test]
    fn a_version_reads_back_as_it_was_big_numbers_and_nul_included() {
        let text = serde_json::to_string(&version()).unwrap();
        assert_eq!(serde_json::from_str::<Version>(&text).unwrap(), version());
    }

    #[test]
    fn a_sighting_is_written_in_words_that_people_read() {
        let sighting = Sighting {
            key: NaturalKey::new(Namespace::new("news").unwrap(), "a\u{7f}").unwrap(),
            feed: FeedId::from_u128(1),
            fetch: FetchId::from_u128(2),
            observed_at: Timestamp::UNIX_EPOCH,
            version: None,
        };
        let text = serde_json::to_string(&sighting).unwrap();
        let right = "{\"key\":{\"namespace\":\"news\",\"key\":\"a\u{7f}\"},\
                     \"feed\":\"00000000-0000-0000-0000-000000000001\",\
                     \"fetch\":\"00000000-0000-0000-0000-000000000002\",\
                     \"observed_at\":\"1970-01-01T00:00:00Z\",\"version\":null}";
        assert_eq!(text, right);
        assert_eq!(serde_json::from_str::<Sighting>(&text).unwrap(), sighting);
    }

    #[test]
    fn what_breaks_the_rules_of_a_word_is_refused() {
        for text in [r#"{"namespace":"news","key":""}"#, r#"{"namespace":"","key":"a"}"#] {
            assert!(serde_json::from_str::<NaturalKey>(text).is_err(), "{text}");
        }
        assert!(serde_json::from_str::<Layer>("\"iron\"").is_err());
        assert!(serde_json::from_str::<Content>("\"{\"").is_err());
        assert!(serde_json::from_str::<VersionNo>("0").is_err());
        assert!(serde_json::from_str::<KeyHash>("\"00\"").is_err());
    }
}
