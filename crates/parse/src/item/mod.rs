//! Items that are no feed's: a JSON value, or a row of a table, made a candidate by what the operator says of its members.

mod date_form;

use std::collections::BTreeMap;

use feedspine_core::{Candidate, Content, Json, KeyRule, Namespace, NaturalKey, Reject, Timestamp};

pub use date_form::{DateForm, DateFormError};

use crate::identity::{excerpt_of, key_fault};
use crate::json_query::JsonQuery;
use crate::warning::{Warning, Warnings};

/// Stands for a lone surrogate, which no text can hold: a noncharacter, for no text is to hold it either.
pub(crate) const LONE_SURROGATE: char = '\u{FDD0}';

/// The member of a content that holds what gave way to the members that were named.
pub const ORIGINAL: &str = "original";

/// What is taken from where in an item.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct ItemRules {
    /// The space of the keys.
    pub namespace: Namespace,
    /// Where the key is taken from.
    pub key: ItemKey,
    /// ASCII capitals of keys are made small.
    pub fold_case: bool,
    /// Members that the content gets besides the item's own: `title`, `link`, `published`, `updated` and any other.
    pub members: Vec<(String, JsonQuery)>,
    /// How `published` and `updated` are written.
    pub dates: DateForm,
}

/// Where an item's key is taken from.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum ItemKey {
    /// Its member `id`, else its content.
    Unsaid,
    /// These places; an item that has nothing at one of them is rejected.
    Places(Vec<JsonQuery>),
    /// The hash of its content.
    Content,
}

impl ItemRules {
    /// Makes a candidate of an item.
    ///
    /// The content is the item as it came, with the members that the rules name. Where it has another value under such a
    /// name, that is kept under [`ORIGINAL`], with its own member of this name. An item that is no object is the member `value`.
    pub(crate) fn candidate(&self, ordinal: u32, item: Json, warnings: &mut Warnings) -> Result<Candidate, Reject> {
        let dates = ["published", "updated"].map(|name| self.date(name, &item, warnings));
        let places = self.key_of(&item);
        let content = self.content(item);
        let reject = |code: &str, reason: String| Reject {
            ordinal,
            key: None,
            code: code.to_owned(),
            reason,
            excerpt: excerpt_of(&content.to_canonical()).to_owned(),
        };
        if !content.fits() {
            return Err(reject("json.depth", "the item is nested too deep to be kept".to_owned()));
        }
        let written = content.to_canonical();
        if written.contains(LONE_SURROGATE) {
            return Err(reject("json.surrogate", "a text of the item holds half of a surrogate pair".to_owned()));
        }
        let written = Content::from_canonical(written);
        let (key, key_rule) = match places {
            Found::Key(key) => (key, KeyRule::Given),
            Found::Missing(place) => {
                return Err(reject("key.missing", format!("the item has no {place}, which its key is made of")));
            }
            Found::Content => (format!("sha256:{}", written.hash()), KeyRule::Content),
        };
        match NaturalKey::new(self.namespace.clone(), &folded(key, self.fold_case)) {
            Ok(key) => {
                let [published, updated] = dates;
                Ok(Candidate { key, key_rule, ordinal, content: written, published, updated })
            }
            Err(error) => Err(reject(key_fault(&error), error.to_string())),
        }
    }

    /// The same of any value: one that is no object is an item only where its key is the value itself.
    pub(crate) fn take(&self, ordinal: u32, item: Json, warnings: &mut Warnings) -> Result<Candidate, Reject> {
        if matches!(item, Json::Object(_)) || self.takes_scalars() {
            return self.candidate(ordinal, item, warnings);
        }
        let excerpt = excerpt_of(&item.to_canonical()).to_owned();
        let (code, reason) = ("json.not_an_object".to_owned(), "the item is no JSON object".to_owned());
        Err(Reject { ordinal, key: None, code, reason, excerpt })
    }

    /// Whether an item may be something else than an object: one of its places is the item itself.
    fn takes_scalars(&self) -> bool {
        matches!(&self.key, ItemKey::Places(places) if places.iter().any(JsonQuery::is_root))
    }

    fn key_of(&self, item: &Json) -> Found {
        match &self.key {
            ItemKey::Content => Found::Content,
            ItemKey::Places(places) => key_at(places, |place| self.value_at(place, item)),
            ItemKey::Unsaid => match item.get("id").and_then(text_of) {
                Some(id) => Found::Key(id),
                None => Found::Content,
            },
        }
    }

    /// A place in an item; the name of a member that the rules make stands for where that is taken from.
    fn value_at<'a>(&'a self, place: &'a JsonQuery, item: &'a Json) -> Option<&'a Json> {
        let name = place.to_string();
        let made = self.members.iter().find(|(made, _)| *made == name).map(|(_, query)| query);
        made.unwrap_or(place).first(item)
    }

    fn date(&self, name: &str, item: &Json, warnings: &mut Warnings) -> Option<Timestamp> {
        let (_, query) = self.members.iter().find(|(made, _)| made == name)?;
        self.dates.read(query.first(item)?, warnings)
    }

    fn content(&self, item: Json) -> Json {
        let made: Vec<(&String, Json)> = self
            .members
            .iter()
            .filter_map(|(name, query)| query.first(&item).map(|value| (name, value.clone())))
            .collect();
        let mut members = match item {
            Json::Object(members) => members,
            value => BTreeMap::from([("value".to_owned(), value)]),
        };
        let mut original = BTreeMap::new();
        for (name, value) in made {
            if let Some(held) = members.insert(name.clone(), value)
                && members.get(name) != Some(&held)
            {
                original.insert(name.clone(), held);
            }
        }
        if !original.is_empty() {
            // Its own member of that name gives way as well.
            original.extend(members.remove(ORIGINAL).map(|held| (ORIGINAL.to_owned(), held)));
            members.insert(ORIGINAL.to_owned(), Json::Object(original));
        }
        Json::Object(members)
    }
}

/// Makes a candidate of an item that stands alone, with what was odd about it.
///
/// # Errors
/// The item cannot be taken: its reject.
pub fn read_item(rules: &ItemRules, ordinal: u32, item: Json) -> (Result<Candidate, Reject>, Vec<Warning>) {
    let mut warnings = Warnings::default();
    let made = rules.take(ordinal, item, &mut warnings);
    (made, warnings.into_vec())
}

/// What a key is made of.
pub(crate) enum Found {
    Key(String),
    Missing(String),
    Content,
}

/// A key of one place is its text; of several, a JSON list of their texts: nothing runs together.
pub(crate) fn key_at<'a>(places: &'a [JsonQuery], value_at: impl Fn(&'a JsonQuery) -> Option<&'a Json>) -> Found {
    let mut texts = Vec::with_capacity(places.len());
    for place in places {
        match value_at(place).and_then(text_of) {
            Some(text) => texts.push(text),
            None => return Found::Missing(place.to_string()),
        }
    }
    match texts.pop() {
        Some(only) if texts.is_empty() => Found::Key(only),
        Some(last) => {
            texts.push(last);
            Found::Key(Json::from(texts).to_canonical())
        }
        None => Found::Content,
    }
}

pub(crate) fn folded(key: String, fold_case: bool) -> String {
    if fold_case { key.to_ascii_lowercase() } else { key }
}

/// A scalar as a part of a key; blank text and null are none.
fn text_of(value: &Json) -> Option<String> {
    match value {
        Json::String(text) => {
            let text = text.trim_matches(|c: char| c.is_ascii_whitespace());
            (!text.is_empty()).then(|| text.to_owned())
        }
        Json::Number(number) => Some(number.to_string()),
        Json::Bool(truth) => Some(truth.to_string()),
        Json::Null | Json::Array(_) | Json::Object(_) => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn place(text: &str) -> JsonQuery {
        JsonQuery::read_place(text).unwrap()
    }

    fn rules(key: ItemKey, members: &[(&str, &str)]) -> ItemRules {
        let members = members.iter().map(|(name, query)| ((*name).to_owned(), place(query))).collect();
        let namespace = "a".parse().unwrap();
        ItemRules { namespace, key, fold_case: false, members, dates: DateForm::Text }
    }

    fn made(rules: &ItemRules, item: &str) -> Result<Candidate, Reject> {
        rules.candidate(0, Json::parse(item).unwrap(), &mut Warnings::default())
    }

    #[test]
    fn the_content_is_the_item_with_the_members_that_were_named() {
        let rules = rules(ItemKey::Unsaid, &[("title", "$.name"), ("link", "urls.web"), ("published", "$.at")]);
        let candidate =
            made(&rules, r#"{"id":7,"name":"One","title":"old","urls":{"web":"http://a"},"at":"2026-01-02"}"#);
        let candidate = candidate.unwrap();
        assert_eq!(
            candidate.content.as_str(),
            r#"{"at":"2026-01-02","id":7,"link":"http://a","name":"One","original":{"title":"old"},"published":"2026-01-02","title":"One","urls":{"web":"http://a"}}"#
        );
        assert_eq!((candidate.key.key(), candidate.key_rule), ("7", KeyRule::Given));
        assert_eq!(candidate.published.unwrap().to_string(), "2026-01-02T00:00:00Z");
    }

    #[test]
    fn what_gives_way_to_a_named_member_is_kept_the_items_own_original_too() {
        let rules = rules(ItemKey::Unsaid, &[("title", "$.name")]);
        for (item, content) in [
            (
                r#"{"id":1,"name":"One","original":"mine","title":"old"}"#,
                r#"{"id":1,"name":"One","original":{"original":"mine","title":"old"},"title":"One"}"#,
            ),
            (r#"{"id":1,"name":"One","original":"mine"}"#, r#"{"id":1,"name":"One","original":"mine","title":"One"}"#),
        ] {
            assert_eq!(made(&rules, item).unwrap().content.as_str(), content);
        }
    }

    #[test]
    fn keys_come_from_where_it_was_said_or_not_at_all() {
        let two = ItemKey::Places(vec![place("cik"), place("$.form.type")]);
        let key = |rules: &ItemRules, item: &str| {
            made(rules, item).map(|made| made.key.key().to_owned()).map_err(|reject| reject.code)
        };
        let composite = rules(two, &[]);
        assert_eq!(key(&composite, r#"{"cik":320193,"form":{"type":"8-K"}}"#), Ok(r#"["320193","8-K"]"#.into()));
        assert_eq!(key(&composite, r#"{"cik":320193,"form":{"type":null}}"#), Err("key.missing".into()));
        let by_link = rules(ItemKey::Places(vec![place("link")]), &[("link", "$.u")]);
        assert_eq!(key(&by_link, r#"{"u":" http://A "}"#), Ok("http://A".into()));
        let folding = ItemRules { fold_case: true, ..by_link };
        assert_eq!(key(&folding, r#"{"u":"http://A"}"#), Ok("http://a".into()));
        let unsaid = rules(ItemKey::Unsaid, &[]);
        assert!(key(&unsaid, r#"{"a":1}"#).unwrap().starts_with("sha256:"));
        assert_eq!(key(&rules(ItemKey::Places(vec![place("$")]), &[]), "5"), Ok("5".into()));
        assert_eq!(key(&unsaid, &format!(r#"{{"id":"{}"}}"#, "a".repeat(2_049))), Err("key.too_long".into()));
    }
}
