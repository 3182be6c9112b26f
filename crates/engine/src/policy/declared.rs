//! [`DeclaredPolicy`]: what the configuration says of a feed's identity.

use std::collections::BTreeMap;

use feedspine_core::{Feed, Json, Namespace};

use super::OPTIONS;
use crate::adapters::AdapterChoice;

/// What the configuration says of the identity of one feed's items. It is taken when the feed is added, and by `feed
/// set --as-configured`; nothing follows it by itself, so that no edit of a file re-keys a feed.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclaredPolicy {
    options: BTreeMap<String, Json>,
    namespace: Option<Namespace>,
}

impl DeclaredPolicy {
    /// The names that are known.
    pub const NAMES: [&str; 4] = ["key", "fold_case", "namespace", "volatile"];

    /// Says one more thing: `key` and `volatile` are a text or a list of texts, `fold_case` is true or false, `namespace`
    /// is a text.
    ///
    /// # Errors
    /// A name that is not known, or a value that it cannot have, in words.
    pub fn say(&mut self, name: &str, value: Json) -> Result<(), String> {
        let is_texts = |value: &Json| match value {
            Json::String(text) => !text.trim().is_empty(),
            Json::Array(texts) => !texts.is_empty() && texts.iter().all(|text| text.as_str().is_some()),
            _ => false,
        };
        match name {
            "key" | "volatile" if !is_texts(&value) => {
                Err(format!("expected a text or a list of texts, found {value}"))
            }
            "fold_case" if !matches!(value, Json::Bool(_)) => Err(format!("expected true or false, found {value}")),
            "namespace" => {
                let text = value.as_str().ok_or_else(|| format!("expected a text, found {value}"))?;
                self.namespace = Some(text.parse().map_err(|error| format!("{error}"))?);
                Ok(())
            }
            _ if OPTIONS.contains(&name) => {
                self.options.insert(name.to_owned(), value);
                Ok(())
            }
            _ => Err(format!("expected one of {}", Self::NAMES.join(", "))),
        }
    }

    /// The options, by their names.
    pub fn options(&self) -> &BTreeMap<String, Json> {
        &self.options
    }

    /// The namespace.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// In what a feed is otherwise, in words.
    pub(crate) fn differences(&self, feed: &Feed) -> Vec<String> {
        let choice = AdapterChoice::of(feed);
        let in_force = |name: &str| choice.options().get(name).cloned().unwrap_or_else(|| unsaid(name));
        let mut differences = Vec::new();
        for (name, wanted) in &self.options {
            let held = in_force(name);
            if texts(&held) != texts(wanted) {
                differences.push(format!("{name} is {}, configured is {}", words(&held), words(wanted)));
            }
        }
        if let Some(wanted) = self.namespace.as_ref().filter(|wanted| **wanted != feed.namespace) {
            differences.push(format!("namespace is {}, configured is {wanted}", feed.namespace));
        }
        differences
    }
}

/// What an option is that nobody gave.
fn unsaid(name: &str) -> Json {
    if name == "fold_case" { Json::Bool(false) } else { Json::Null }
}

/// One text and a list of it are the same, as are `true` and "true".
fn texts(value: &Json) -> Vec<String> {
    match value {
        Json::Array(values) => values.iter().flat_map(texts).collect(),
        Json::String(text) => vec![text.clone()],
        Json::Null => Vec::new(),
        other => vec![other.to_string()],
    }
}

fn words(value: &Json) -> String {
    let texts = texts(value);
    if texts.is_empty() { "unsaid".to_owned() } else { texts.join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn feed(settings: &str) -> Feed {
        crate::sample::feed(settings, None)
    }

    #[test]
    fn what_is_said_is_checked() {
        let mut declared = DeclaredPolicy::default();
        for (name, value, said) in [
            ("key", Json::from("link"), true),
            ("key", Json::from(vec!["a", "b"]), true),
            ("key", Json::from(3_u64), false),
            ("key", Json::Array(Vec::new()), false),
            ("volatile", Json::from(""), false),
            ("fold_case", Json::Bool(true), true),
            ("fold_case", Json::from("true"), false),
            ("namespace", Json::from("shared"), true),
            ("namespace", Json::from(" "), false),
            ("kee", Json::from("link"), false),
        ] {
            assert_eq!(declared.say(name, value.clone()).is_ok(), said, "{name} {value}");
        }
        assert_eq!(declared.namespace().map(Namespace::as_str), Some("shared"));
        assert_eq!(declared.options().len(), 2);
    }

    #[test]
    fn a_feed_that_is_otherwise_is_told_of_in_words() {
        let mut declared = DeclaredPolicy::default();
        declared.say("key", "link".into()).unwrap();
        declared.say("fold_case", Json::Bool(false)).unwrap();
        declared.say("namespace", "b".into()).unwrap();
        assert_eq!(
            declared.differences(&feed(r#"{"options":{"key":"id"}}"#)),
            ["key is id, configured is link", "namespace is a, configured is b"]
        );
        assert_eq!(declared.differences(&feed("{}"))[0], "key is unsaid, configured is link");
        let same =
            Feed { namespace: "b".parse().unwrap(), ..feed(r#"{"options":{"fold_case":"false","key":["link"]}}"#) };
        assert_eq!(declared.differences(&same), Vec::<String>::new());
    }
}
