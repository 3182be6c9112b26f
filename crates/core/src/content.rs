//! [`Content`]: canonical JSON with its hash; [`HashRule`]: which of it decides a version.

use std::fmt;
use std::sync::{Arc, LazyLock};

use sha2::{Digest, Sha256};

use crate::json::{Json, JsonError, MAX_DEPTH};
use crate::{gist, hexadecimal};

/// SHA-256 over canonical JSON: anyone can verify it with `sha256sum`.
#[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct ContentHash([u8; 32]);

impl ContentHash {
    /// The hash of these bytes.
    pub fn of(bytes: &[u8]) -> Self {
        Self(Sha256::digest(bytes).into())
    }

    /// The 32 bytes.
    pub const fn as_bytes(&self) -> &[u8; 32] {
        &self.0
    }

    /// Wraps 32 bytes read back from a store.
    pub const fn from_bytes(bytes: [u8; 32]) -> Self {
        Self(bytes)
    }

    /// Reads 64 hexadecimal digits.
    pub fn from_hex(text: &str) -> Option<Self> {
        hexadecimal::decode(text)?.try_into().ok().map(Self)
    }
}

/// 64 lower-case hexadecimal digits.
impl fmt::Display for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&hexadecimal::encode(&self.0))
    }
}

impl fmt::Debug for ContentHash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(self, f)
    }
}

/// One JSON value in canonical text, with its hash. Cheap to clone.
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Content {
    text: Arc<str>,
    hash: ContentHash,
}

impl Content {
    /// The canonical form of a value.
    ///
    /// # Panics
    /// When the value is nested deeper than [`crate::json::MAX_DEPTH`], as none is that was read from text: what is made
    /// here must not be the content that no question can read back. Ask [`Json::fits`] first where it may be.
    pub fn new(value: &Json) -> Self {
        assert!(value.fits(), "content is nested no deeper than {MAX_DEPTH}");
        Self::from_canonical(value.to_canonical())
    }

    /// Reads any JSON text and makes it canonical.
    ///
    /// # Errors
    /// Not JSON that we keep; see [`Json::parse`].
    pub fn parse(text: &str) -> Result<Self, JsonError> {
        Json::parse(text).map(|value| Self::new(&value))
    }

    /// Wraps text that is canonical already: what a [`crate::json::CanonicalWriter`] wrote.
    pub fn from_canonical(text: impl Into<Arc<str>>) -> Self {
        let text = text.into();
        Self { hash: ContentHash::of(text.as_bytes()), text }
    }

    /// Wraps canonical text read back from a store together with the hash it was stored with.
    pub fn from_stored(text: impl Into<Arc<str>>, hash: ContentHash) -> Self {
        Self { text: text.into(), hash }
    }

    /// An empty object.
    pub fn empty() -> Self {
        static EMPTY: LazyLock<Content> = LazyLock::new(|| Content::from_canonical("{}"));
        EMPTY.clone()
    }

    /// The canonical text.
    pub fn as_str(&self) -> &str {
        &self.text
    }

    /// SHA-256 over the whole canonical text.
    pub const fn hash(&self) -> ContentHash {
        self.hash
    }

    /// The value.
    pub fn to_json(&self) -> Json {
        Json::parse(&self.text).expect("content holds canonical JSON")
    }
}

impl fmt::Debug for Content {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.text)
    }
}

/// A path of member names into an object; a name of digits also indexes an array.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct JsonPath(Vec<String>);

impl JsonPath {
    /// Splits `a.b.c` at the dots.
    ///
    /// # Errors
    /// An empty name.
    pub fn parse(text: &str) -> Result<Self, String> {
        let names: Vec<String> = text.split('.').map(str::to_owned).collect();
        if names.iter().any(String::is_empty) {
            return Err(format!("a path has an empty name: {text:?}"));
        }
        Ok(Self(names))
    }

    /// A path of these names, which may hold dots.
    pub fn of<N: Into<String>>(names: impl IntoIterator<Item = N>) -> Self {
        Self(names.into_iter().map(Into::into).collect())
    }

    /// The names.
    pub fn names(&self) -> &[String] {
        &self.0
    }

    /// The value there; `None` when it is missing, which is not the same as null.
    pub fn find<'a>(&self, value: &'a Json) -> Option<&'a Json> {
        self.0.iter().try_fold(value, |at, name| match at {
            Json::Object(members) => members.get(name),
            Json::Array(elements) => name.parse::<usize>().ok().and_then(|index| elements.get(index)),
            _ => None,
        })
    }

    fn remove_from(&self, value: &mut Json) {
        let Some((last, parents)) = self.0.split_last() else { return };
        let parent = parents.iter().try_fold(value, |at, name| match at {
            Json::Object(members) => members.get_mut(name),
            _ => None,
        });
        if let Some(Json::Object(members)) = parent {
            members.remove(last);
        }
    }
}

impl fmt::Display for JsonPath {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0.join("."))
    }
}

/// Which part of the content decides whether there is a new version: all of it, less the declared volatile fields.
///
/// Each version stores the rule's id; under another rule the old content is hashed again before it is compared, so that
/// a change of rule is never taken for a change of the item.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct HashRule {
    volatile: Vec<JsonPath>,
}

/// What a version keeps of its [`HashRule`]: empty for the whole content, else the volatile paths in order.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub struct HashRuleId(Arc<str>);

impl HashRuleId {
    /// The text stored.
    pub fn as_str(&self) -> &str {
        &self.0
    }

    /// Wraps text read back from a store.
    pub fn from_stored(text: &str) -> Self {
        Self(text.into())
    }

    /// The rule; `None` when the text is not one's.
    pub fn rule(&self) -> Option<HashRule> {
        if self.0.is_empty() {
            return Some(HashRule::whole());
        }
        let Ok(Json::Array(paths)) = Json::parse(&self.0) else { return None };
        let path = |path: &Json| match path {
            Json::Array(names) => {
                Some(JsonPath(names.iter().map(|name| Some(name.as_str()?.to_owned())).collect::<Option<_>>()?))
            }
            _ => None,
        };
        Some(HashRule::without(paths.iter().map(path).collect::<Option<_>>()?))
    }
}

impl HashRule {
    /// All of the content counts.
    pub fn whole() -> Self {
        Self::default()
    }

    /// All but these paths counts.
    pub fn without(mut volatile: Vec<JsonPath>) -> Self {
        volatile.sort();
        volatile.dedup();
        Self { volatile }
    }

    /// What versions keep of this rule.
    pub fn id(&self) -> HashRuleId {
        let paths = self.volatile.iter().map(|path| Json::from(path.names().to_vec())).collect();
        HashRuleId(if self.volatile.is_empty() { "".into() } else { Json::Array(paths).to_canonical().into() })
    }

    /// The hash that decides the version.
    pub fn hash(&self, content: &Content) -> ContentHash {
        if self.volatile.is_empty() {
            return content.hash();
        }
        ContentHash::of(self.stable(content.to_json()).to_canonical().as_bytes())
    }

    /// The hash of what the content says, apart from how: markup, the amount of white space, the date of the last update
    /// and counters of comments out as well. Where links lead and what pictures show stays. `None` of content that cannot
    /// be read, as where a store was damaged: nothing says the same.
    /// It decides no version, only which are [minor](crate::Version::is_minor).
    pub fn gist(&self, content: &Content) -> Option<ContentHash> {
        let mut value = self.stable(Json::parse(content.as_str()).ok()?);
        for path in UNSAID {
            JsonPath::of(path.iter().copied()).remove_from(&mut value);
        }
        Some(ContentHash::of(said(value).to_canonical().as_bytes()))
    }

    /// A value without the volatile paths.
    fn stable(&self, mut value: Json) -> Json {
        for path in &self.volatile {
            path.remove_from(&mut value);
        }
        value
    }
}

/// What says nothing of an item, where formats have a place of its own for it: when it was updated, and how often it was
/// commented on (RSS 1.0's module `slash`, RFC 4685).
const UNSAID: [&[&str]; 3] = [&["updated"], &["extensions", "slash"], &["extensions", "thr", "total"]];

/// The value with what its texts say in their place.
fn said(value: Json) -> Json {
    match value {
        Json::String(text) => {
            let mut said = String::with_capacity(text.len());
            gist::say(&text, &mut said);
            Json::String(said)
        }
        Json::Array(elements) => Json::Array(elements.into_iter().map(said).collect()),
        Json::Object(members) => Json::Object(members.into_iter().map(|(name, value)| (name, said(value))).collect()),
        other => other,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_values_have_equal_hashes_however_they_were_written() {
        let a = Content::parse(r#"{"b":1.0,"a":"x"}"#).unwrap();
        let b = Content::parse(r#" {"a":"x","b":1} "#).unwrap();
        assert_eq!(a, b);
        let other = Content::parse(r#"{"a":"x","b":"1"}"#).unwrap();
        assert_ne!(a.hash(), other.hash());
    }

    #[test]
    fn a_hash_rule_looks_past_volatile_paths_only() {
        let rule = HashRule::without(vec![JsonPath::parse("stats.views").unwrap()]);
        let hash = |text: &str| rule.hash(&Content::parse(text).unwrap());
        assert_eq!(hash(r#"{"stats":{"views":1},"t":"x"}"#), hash(r#"{"stats":{"views":2},"t":"x"}"#));
        assert_ne!(hash(r#"{"stats":{"views":1},"t":"x"}"#), hash(r#"{"stats":{"views":1},"t":"y"}"#));
        assert_ne!(rule.id(), HashRule::whole().id());
        for rule in [rule, HashRule::whole()] {
            assert_eq!(rule.id().rule(), Some(rule));
        }
        assert_eq!(HashRuleId::from_stored("{}").rule(), None);
    }

    #[test]
    fn a_gist_looks_past_what_says_nothing_and_no_further() {
        let rule = HashRule::without(vec![JsonPath::parse("views").unwrap()]);
        let gist = |text: &str| rule.gist(&Content::parse(text).unwrap());
        let of = gist(r#"{"title":"Fish & chips","tags":["a b"],"updated":"2026-01-01","views":1}"#);
        assert_eq!(gist(r#"{"title":"<b>Fish</b> &amp; chips","tags":["a\nb"],"updated":"2026-01-02"}"#), of);
        let counted = |counter: u32| {
            let slash = format!(r#"{{"comments":["{counter}"]}}"#);
            gist(&format!(r#"{{"title":"Fish","extensions":{{"slash":{slash},"thr":{{"total":["{counter}"]}}}}}}"#))
        };
        assert_eq!(counted(1), counted(2));
        for other in [
            r#"{"title":"Fish & crisps","tags":["a b"]}"#,
            r#"{"title":"Fish & chips","tags":["a","b"]}"#,
            r#"{"title":"Fish & chips","tags":["a b"],"published":"2026-01-01"}"#,
            r#"{"title":"Fish & chips","tags":["a b"],"source":{"updated":"2026-01-01"}}"#,
        ] {
            assert_ne!(gist(other), of, "{other}");
        }
        assert_eq!(rule.gist(&Content::from_canonical(r#"{"title":"Fis"#)), None);
    }

    #[test]
    fn what_fits_reads_back_and_no_more_is_made() {
        let nested = |levels: usize| (0..levels).fold(Json::Null, |value, _| Json::Array(vec![value]));
        let deepest = nested(MAX_DEPTH);
        assert_eq!(Content::new(&deepest).to_json(), deepest);
        assert!(Json::parse(&nested(MAX_DEPTH + 1).to_canonical()).is_err());
        assert!(std::panic::catch_unwind(|| Content::new(&nested(MAX_DEPTH + 1))).is_err());
    }

    #[test]
    fn missing_is_not_null() {
        let value = Json::parse(r#"{"a":{"b":null,"c":[7]}}"#).unwrap();
        let find = |path: &str| JsonPath::parse(path).unwrap().find(&value).cloned();
        assert_eq!(find("a.b"), Some(Json::Null));
        assert_eq!(find("a.c.0"), Some(Json::from(7_i64)));
        assert_eq!(find("a.x"), None);
    }
}
