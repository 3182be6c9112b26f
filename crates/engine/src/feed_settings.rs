//! [`FeedSettings`]: what the operator chose for a feed, as the object that stores keep of it; [`Tag`].

use std::collections::BTreeMap;
use std::fmt;
use std::str::FromStr;

use feedspine_core::{Content, Feed, Json};

use crate::RequestChoice;
use crate::adapters::AdapterChoice;
use crate::moving::Former;
use crate::schedule::RhythmChoice;
use crate::shown::shown_cursor;
use crate::websub::Subscription;

/// The member that holds where the feed was before.
const FORMERLY: &str = "formerly";
/// The member that holds what is agreed with a hub; nobody chose it.
const SUBSCRIPTION: &str = "subscription";
/// The longest tag, in bytes.
const MOST_TAG_BYTES: usize = 256;

/// Why a text is no tag.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum TagError {
    /// Nothing is left of it.
    #[error("a tag is empty")]
    Empty,
    /// It is longer than is kept.
    #[error("a tag is {bytes} bytes long; the limit is {MOST_TAG_BYTES}")]
    TooLong {
        /// Its length.
        bytes: usize,
    },
    /// It holds a character that cannot be shown.
    #[error("a tag holds {found}, which is not allowed")]
    Forbidden {
        /// The character, escaped.
        found: String,
    },
}

/// What a feed is filed under: a name, or a path of names with slashes between.
///
/// White space is folded, empty names are left out. Case is kept and matters.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Tag(String);

impl Tag {
    /// Reads a tag.
    ///
    /// # Errors
    /// It is empty, too long, or holds control characters.
    pub fn new(text: &str) -> Result<Self, TagError> {
        let folded = |name: &str| name.split_whitespace().collect::<Vec<_>>().join(" ");
        let names: Vec<String> = text.split('/').map(folded).filter(|name| !name.is_empty()).collect();
        let tag = names.join("/");
        if tag.is_empty() {
            return Err(TagError::Empty);
        }
        if tag.len() > MOST_TAG_BYTES {
            return Err(TagError::TooLong { bytes: tag.len() });
        }
        match tag.chars().find(|c| c.is_control()) {
            Some(found) => Err(TagError::Forbidden { found: format!("{found:?}") }),
            None => Ok(Self(tag)),
        }
    }

    /// The text.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Whether it is that tag, or one below it: `news/world` is within `news`.
    pub fn is_within(&self, other: &Self) -> bool {
        let below = self.0.strip_prefix(other.as_str());
        below.is_some_and(|rest| rest.is_empty() || rest.starts_with('/'))
    }
}

impl fmt::Display for Tag {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl FromStr for Tag {
    type Err = TagError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        Self::new(text)
    }
}

/// What the operator chose for a feed. Members that this version does not know stay as they are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct FeedSettings(BTreeMap<String, Json>);

impl FeedSettings {
    /// Those of a feed.
    pub fn of(feed: &Feed) -> Self {
        match feed.settings.to_json() {
            Json::Object(members) => Self(members),
            _ => Self::default(),
        }
    }

    /// As stores keep them.
    pub fn to_content(&self) -> Content {
        Content::new(&Json::Object(self.0.clone()))
    }

    /// Lets the feed be read by that adapter.
    pub(crate) fn set_adapter(&mut self, choice: &AdapterChoice) {
        for name in AdapterChoice::MEMBERS {
            self.0.remove(name);
        }
        self.0.extend(choice.to_members());
    }

    /// Lets the feed be fetched in that rhythm.
    pub(crate) fn set_rhythm(&mut self, choice: &RhythmChoice) {
        let (name, member) = choice.to_member();
        match member {
            Some(member) => self.0.insert(name.to_owned(), member),
            None => self.0.remove(name),
        };
    }

    /// Lets the feed's server be asked so.
    pub(crate) fn set_requests(&mut self, choice: &RequestChoice) {
        let (name, member) = choice.to_member();
        match member {
            Some(member) => self.0.insert(name.to_owned(), member),
            None => self.0.remove(name),
        };
    }

    /// Where the feed was before, the last one last. What this program cannot read is left out.
    pub(crate) fn formerly(&self) -> Vec<Former> {
        let Some(Json::Array(formerly)) = self.0.get(FORMERLY) else { return Vec::new() };
        formerly.iter().filter_map(Former::from_json).collect()
    }

    /// The feed is no longer where it was.
    pub(crate) fn add_former(&mut self, former: &Former) {
        let held = self.0.entry(FORMERLY.to_owned()).or_insert_with(|| Json::Array(Vec::new()));
        if let Json::Array(formerly) = held {
            formerly.push(former.to_json());
        }
    }

    /// What is known of the feed's hubs, and agreed with one.
    pub(crate) fn subscription(&self) -> Subscription {
        self.0.get(SUBSCRIPTION).map(Subscription::from_json).unwrap_or_default()
    }

    /// The same as it is from now on.
    pub(crate) fn set_subscription(&mut self, subscription: &Subscription) {
        if subscription.is_nothing() {
            self.0.remove(SUBSCRIPTION);
        } else {
            self.0.insert(SUBSCRIPTION.to_owned(), subscription.to_json());
        }
    }

    /// Whether there is something to know of a feed's hubs: asked of all feeds again and again, so nothing is read for it.
    pub(crate) fn has_subscription(feed: &Feed) -> bool {
        feed.settings.as_str().contains(r#""subscription":{"#)
    }

    /// What was chosen, as it is shown: what is agreed with a hub was not, and holds secrets.
    pub(crate) fn shown(mut self) -> Json {
        self.0.remove(SUBSCRIPTION);
        shown_cursor(&Json::Object(self.0))
    }

    /// What the feed is filed under, in the order in which it was.
    pub fn tags(&self) -> Vec<Tag> {
        let Some(Json::Array(tags)) = self.0.get("tags") else { return Vec::new() };
        tags.iter().filter_map(|tag| Tag::new(tag.as_str()?).ok()).collect()
    }

    /// Files the feed under these, each once.
    pub fn set_tags(&mut self, tags: impl IntoIterator<Item = Tag>) {
        let mut kept: Vec<Tag> = Vec::new();
        for tag in tags {
            if !kept.contains(&tag) {
                kept.push(tag);
            }
        }
        if kept.is_empty() {
            self.0.remove("tags");
        } else {
            let tags = kept.iter().map(|tag| tag.as_str().into()).collect();
            self.0.insert("tags".to_owned(), Json::Array(tags));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn tag(text: &str) -> Tag {
        Tag::new(text).unwrap()
    }

    #[test]
    fn a_tag_is_a_path_of_names_without_empty_ones() {
        for (text, read) in [(" a  b ", "a b"), ("/a//b/", "a/b"), ("AC/DC", "AC/DC"), ("ü,x", "ü,x")] {
            assert_eq!(tag(text).as_str(), read, "{text:?}");
            assert_eq!(tag(read), tag(text), "{text:?}");
        }
        assert_eq!(Tag::new(" / "), Err(TagError::Empty));
        assert_eq!(Tag::new(&"a".repeat(257)), Err(TagError::TooLong { bytes: 257 }));
        assert!(matches!(Tag::new("a\u{7}"), Err(TagError::Forbidden { .. })));
    }

    #[test]
    fn a_tag_is_within_itself_and_what_is_above_it() {
        for (one, other, within) in [
            ("news", "news", true),
            ("news/world", "news", true),
            ("news", "news/world", false),
            ("newspaper", "news", false),
        ] {
            assert_eq!(tag(one).is_within(&tag(other)), within, "{one} {other}");
        }
    }

    #[test]
    fn what_is_agreed_with_a_hub_is_kept_and_not_shown() {
        let kept = r#"{"setback":{"again_at":"2026-11-27T12:00:00Z","failures":1,"kind":"failed","why":"no"}}"#;
        let mut settings = FeedSettings(BTreeMap::from([("adapter".to_owned(), Json::from("csv"))]));
        let subscription = Subscription::from_json(&Json::parse(kept).unwrap());
        settings.set_subscription(&subscription);
        assert_eq!(settings.to_content().as_str(), format!(r#"{{"adapter":"csv","subscription":{kept}}}"#));
        assert_eq!(settings.subscription(), subscription);
        assert!(FeedSettings::has_subscription(&crate::sample::feed(settings.to_content().as_str(), None)));
        assert_eq!(settings.clone().shown().to_canonical(), r#"{"adapter":"csv"}"#);
        settings.set_subscription(&Subscription::default());
        assert_eq!(settings.to_content().as_str(), r#"{"adapter":"csv"}"#);
        assert!(!FeedSettings::has_subscription(&crate::sample::feed("{}", None)));
    }

    #[test]
    fn settings_that_are_not_known_stay() {
        let mut settings = FeedSettings(BTreeMap::from([("adapter".to_owned(), Json::from("csv"))]));
        settings.set_tags([tag("b"), tag("a"), tag("b")]);
        assert_eq!(settings.to_content().as_str(), r#"{"adapter":"csv","tags":["b","a"]}"#);
        assert_eq!(settings.tags(), [tag("b"), tag("a")]);
        settings.set_tags([]);
        assert_eq!(settings.to_content().as_str(), r#"{"adapter":"csv"}"#);
    }
}
