//! What another policy would do to a feed: decided before anything is written.

use std::collections::BTreeMap;

use feedspine_core::{Feed, FeedName, Json, KeyRule};

use super::rule_in_force;
use crate::adapters::{Adapter, AdapterChoice, KEEP_HINT, check_option};
use crate::{DeclaredFeed, OpError};

/// Options to be given, or to be taken back: `None`.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Changes(BTreeMap<String, Option<Json>>);

impl Changes {
    /// Reads `NAME=VALUE`; one that is given several times is a list, `NAME=` takes it back.
    pub(crate) fn read(feed: &Feed, texts: &[String]) -> Result<Self, OpError> {
        let mut held: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for text in texts {
            let (name, value) = text.split_once('=').ok_or_else(|| {
                OpError::usage("feed.option", format!("an option is NAME=VALUE, not {text:?}"))
                    .with_hint(as_in(text.trim()))
            })?;
            let (name, value) = (name.trim(), value.trim());
            if name == "namespace" {
                check_namespace(feed, value)?;
                continue;
            }
            if name == "keep" {
                let message = "the option keep is not set of a feed that is there".to_owned();
                return Err(OpError::usage("feed.option", message).with_hint(KEEP_HINT));
            }
            held.entry(name.to_owned()).or_default().push(value.to_owned());
        }
        let mut changes = BTreeMap::new();
        for (name, mut values) in held {
            values.retain(|value| !value.is_empty());
            let value = match values.len() {
                0 => None,
                1 => values.pop().map(Json::from),
                _ => Some(Json::from(values)),
            };
            value.as_ref().map_or(Ok(()), |value| check_option(&name, value))?;
            changes.insert(name, value);
        }
        Ok(Self(changes))
    }

    /// What the configuration says; what it does not name stays.
    ///
    /// # Errors
    /// `Usage`: it names another namespace or another adapter: a feed has these for good.
    pub(crate) fn declared(feed: &Feed, declared: &DeclaredFeed) -> Result<Self, OpError> {
        let read_by = AdapterChoice::of(feed);
        if let Some(wanted) = declared.adapter().filter(|wanted| *wanted != read_by.name()) {
            let Feed { name, namespace, .. } = feed;
            let message = format!("{name} is read by {} for good, not by {wanted}", read_by.name());
            return Err(OpError::usage("feed.adapter_fixed", message).with_hint(format!(
                "`feedspine feed rm {name}` frees its address, to be added anew; --namespace {namespace} goes on with its \
                 records"
            )));
        }
        if let Some(namespace) = declared.namespace() {
            check_namespace(feed, namespace.as_str())?;
        }
        let said = declared.options().iter().map(|(name, value)| (name.clone(), Some(value.clone())));
        Ok(Self(said.collect()))
    }

    /// The options with these changes.
    pub(crate) fn made_to(&self, options: &BTreeMap<String, Json>) -> BTreeMap<String, Json> {
        let mut options = options.clone();
        for (name, value) in &self.0 {
            match value {
                Some(value) => options.insert(name.clone(), value.clone()),
                None => options.remove(name),
            };
        }
        options
    }
}

/// How that option is said, and taken back.
pub(crate) fn as_in(name: &str) -> String {
    let example = match name {
        "key" => "key=link",
        "fold_case" => "fold_case=true",
        "volatile" => "volatile=comments",
        "every" => "every=15m",
        "cron" => "'cron=0 */2 * * *'",
        "adaptive" => "adaptive=false",
        "follow_moves" => "follow_moves=false",
        "websub" => "websub=false",
        "headers" => "'headers=Accept-Language: en'",
        "cookie" => "'cookie=id={env:COOKIE}'",
        "basic" => "'basic=NAME:{env:PASSWORD}'",
        "bearer" => "'bearer={env:TOKEN}'",
        "tls" => "tls=insecure",
        "ca" => "ca=/etc/feedspine/ca.pem",
        "user_agent" => "'user_agent=Mine/1 (+https://example.org)'",
        "proxy" => "'proxy=http://proxy.lan:3128'",
        "http" => "http=1.1",
        // One of its adapter.
        _ => return format!("as in {name}=VALUE; {name}= takes it back"),
    };
    format!("as in {example}; {name}= takes it back")
}

fn check_namespace(feed: &Feed, wanted: &str) -> Result<(), OpError> {
    let Feed { name, namespace, .. } = feed;
    if wanted == namespace.as_str() {
        return Ok(());
    }
    Err(OpError::usage("feed.namespace_fixed", format!("{name} has the namespace {namespace} for good, not {wanted}"))
        .with_hint(format!(
            "`feedspine feed rm {name}` keeps its records and frees its address, to be added anew with --namespace {wanted}"
        )))
}

/// What other options do to a feed.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Effect {
    /// They are those that it has.
    Nothing,
    /// Its items keep their keys.
    SameKeys,
    /// Its items get other keys.
    OtherKeys {
        /// In words: `id`.
        from: String,
        /// In words: `link`.
        to: String,
    },
}

/// What it does to a feed to be as `after`.
///
/// # Errors
/// `Usage`: options that its adapter cannot have, or no rule would be left.
pub(crate) fn effect(before: &Feed, after: &Feed) -> Result<Effect, OpError> {
    let (from, to) = (Keying::of(before)?, Keying::of(after)?);
    if to.rule == Some(KeyRule::Given)
        && matches!(Adapter::of(after)?, Adapter::Feed(ref identity) if identity.key.is_empty())
    {
        let name: &FeedName = &after.name;
        return Err(OpError::usage(
            "feed.key_needed",
            format!("{name} never learned a key rule: it was added with a key"),
        )
        .with_hint(format!("say one: `feedspine feed set {name} key=id`, key=link or key=content")));
    }
    if before.settings == after.settings {
        return Ok(Effect::Nothing);
    }
    // A feed that has no rule yet has no items either.
    if from == to || from.rule.is_none() {
        return Ok(Effect::SameKeys);
    }
    Ok(Effect::OtherKeys { from: from.words(), to: to.words() })
}

/// All that keys hang on.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Keying {
    rule: Option<KeyRule>,
    /// The places that keys are made of, where the rule is that, and what is said of those that are named otherwise.
    places: Vec<String>,
    named: BTreeMap<String, Json>,
    fold_case: bool,
}

impl Keying {
    fn of(feed: &Feed) -> Result<Self, OpError> {
        let adapter = Adapter::of(feed)?;
        let identity = adapter.identity();
        let rule = rule_in_force(feed);
        let places = if rule == Some(KeyRule::Given) { identity.key.clone() } else { Vec::new() };
        let choice = AdapterChoice::of(feed);
        let made_by = places.iter().map(String::as_str).chain(["field"]).filter(|_| !places.is_empty());
        let named = made_by.filter_map(|name| Some((name.to_owned(), choice.options().get(name)?.clone())));
        Ok(Self { rule, named: named.collect(), places, fold_case: identity.fold_case })
    }

    fn words(&self) -> String {
        let rule = match (self.rule, self.places.as_slice()) {
            (None, _) => "what its first items choose".to_owned(),
            (Some(KeyRule::Given), []) => "what its adapter says".to_owned(),
            (Some(KeyRule::Given), places) => places.join(" and "),
            (Some(rule), _) => rule.as_str().to_owned(),
        };
        if self.fold_case { format!("{rule} in small letters") } else { rule }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{RequestChoice, RhythmChoice};

    fn feed(adapter: &str, options: &str, key_rule: Option<KeyRule>) -> Feed {
        crate::sample::feed(&format!(r#"{{"adapter":"{adapter}","options":{options}}}"#), key_rule)
    }

    fn told(adapter: &str, before: &str, after: &str, learned: Option<KeyRule>) -> String {
        match effect(&feed(adapter, before, learned), &feed(adapter, after, learned)) {
            Ok(Effect::Nothing) => "nothing".to_owned(),
            Ok(Effect::SameKeys) => "same keys".to_owned(),
            Ok(Effect::OtherKeys { from, to }) => format!("{from} -> {to}"),
            Err(error) => error.code().to_owned(),
        }
    }

    #[test]
    fn only_what_keys_hang_on_gives_other_keys() {
        let id = Some(KeyRule::Id);
        for (adapter, before, after, learned, expected) in [
            ("feed", "{}", "{}", id, "nothing"),
            ("feed", "{}", r#"{"volatile":"comments"}"#, id, "same keys"),
            ("feed", "{}", r#"{"key":"id"}"#, id, "same keys"),
            ("feed", "{}", r#"{"key":"link"}"#, id, "id -> link"),
            ("feed", r#"{"key":"link"}"#, "{}", id, "link -> id"),
            ("feed", "{}", r#"{"fold_case":"true"}"#, id, "id -> id in small letters"),
            ("feed", "{}", r#"{"key":["title","link"]}"#, id, "id -> title and link"),
            ("feed", r#"{"key":"title"}"#, r#"{"key":"link"}"#, Some(KeyRule::Given), "title -> link"),
            ("feed", r#"{"key":"title"}"#, "{}", Some(KeyRule::Given), "feed.key_needed"),
            ("feed", "{}", r#"{"key":"link"}"#, None, "same keys"),
            ("feed", "{}", r#"{"fold_case":"maybe"}"#, id, "adapter.option"),
            ("json", "{}", r#"{"key":"no"}"#, Some(KeyRule::Given), "what its adapter says -> no"),
            ("json", r#"{"key":"no"}"#, r#"{"key":"no","volatile":"views"}"#, Some(KeyRule::Given), "same keys"),
            ("json", r#"{"key":"no"}"#, r#"{"key":"no","link":"url"}"#, Some(KeyRule::Given), "same keys"),
            ("json", r#"{"key":"link"}"#, r#"{"key":"link","link":"url"}"#, Some(KeyRule::Given), "link -> link"),
            ("csv", r#"{"key":"a"}"#, r#"{"key":"content"}"#, Some(KeyRule::Given), "a -> content"),
        ] {
            assert_eq!(told(adapter, before, after, learned), expected, "{adapter} {before} {after}");
        }
    }

    #[test]
    fn every_option_that_all_feeds_have_has_an_example_of_its_own_that_can_be_said() {
        let mut rhythms = RhythmChoice::default();
        let mut requests = RequestChoice::default();
        for name in RhythmChoice::NAMES.into_iter().chain(RequestChoice::NAMES) {
            let told = as_in(name);
            let (example, back) = told.strip_prefix("as in ").and_then(|told| told.split_once("; ")).unwrap();
            let (said, value) = example.trim_matches('\'').split_once('=').unwrap();
            assert_eq!((said, back), (name, format!("{name}= takes it back").as_str()));
            let can_be = if RhythmChoice::NAMES.contains(&name) {
                rhythms.say(name, &value.into())
            } else {
                requests.say(name, &value.into())
            };
            assert_eq!(can_be, Ok(()), "{told}");
        }
    }

    #[test]
    fn changes_are_read_as_they_are_written() {
        let news = feed("feed", r#"{"key":"id","volatile":["a","b"]}"#, None);
        let read = |texts: &[&str]| {
            let texts: Vec<String> = texts.iter().map(|text| (*text).to_owned()).collect();
            Changes::read(&news, &texts)
        };
        let options = BTreeMap::from([("key".to_owned(), Json::from("id")), ("match".to_owned(), "x".into())]);
        let made = |texts: &[&str]| Json::Object(read(texts).unwrap().made_to(&options)).to_canonical();
        assert_eq!(made(&["key=link"]), r#"{"key":"link","match":"x"}"#);
        assert_eq!(made(&["key=a", "key=b"]), r#"{"key":["a","b"],"match":"x"}"#);
        assert_eq!(made(&["key=", "volatile=a"]), r#"{"match":"x","volatile":"a"}"#);
        assert_eq!(made(&["namespace=a"]), r#"{"key":"id","match":"x"}"#);
        for (text, code, hint) in [
            ("key", "feed.option", "as in key=link; key= takes it back"),
            ("delimiter", "feed.option", "as in delimiter=VALUE; delimiter= takes it back"),
            ("keep=30d", "feed.option", "keep = \"90d\" under [feeds.NAME]"),
            ("keep=", "feed.option", "keep = \"90d\" under [feeds.NAME]"),
            ("header=X-Key: {env:KEY", "adapter.secret", "{env:NAME} or {file:/WHOLE/PATH}"),
            ("namespace=other", "feed.namespace_fixed", "--namespace other"),
        ] {
            let error = read(&[text]).unwrap_err();
            assert_eq!(error.code(), code, "{text}");
            assert!(error.hint().unwrap().contains(hint), "{text}: {error:?}");
        }
    }
}
