//! [`DeclaredFeed`]: what the configuration says of a feed.

use std::collections::BTreeMap;

use feedspine_core::{Feed, Json, Namespace};

use crate::Keep;
use crate::adapters::{Adapter, AdapterChoice, check_option, nearest};
use crate::policy::OPTIONS;
use crate::requests::{check_logins, shown};
use crate::schedule::RhythmChoice;
use crate::{OpError, RequestChoice};

/// What the configuration says of how one feed is read, when, and of the identity of its items. It is taken when the feed is
/// added, and by `feed set --as-configured`; nothing follows it by itself, so that no edit of a file re-keys a feed. How long
/// its bodies are kept is no word on items: that follows the configuration as it is.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct DeclaredFeed {
    adapter: Option<String>,
    options: BTreeMap<String, Json>,
    namespace: Option<Namespace>,
    rhythm: RhythmChoice,
    keep: Option<Keep>,
    requests: RequestChoice,
}

impl DeclaredFeed {
    /// The names that are known whatever the adapter; it has others.
    pub const NAMES: [&str; 20] = [
        "adapter",
        "key",
        "fold_case",
        "namespace",
        "volatile",
        "every",
        "cron",
        "adaptive",
        "follow_moves",
        "websub",
        "headers",
        "cookie",
        "basic",
        "bearer",
        "tls",
        "ca",
        "user_agent",
        "proxy",
        "http",
        "keep",
    ];

    /// Says one more thing: `adapter`, `namespace` and `keep` (see [`Keep`]) are texts, as are `every` and `cron` (see
    /// [`RhythmChoice`]), what [`RequestChoice`] says stands there, `fold_case` and `adaptive` are true or false, `key` and `volatile` are a text
    /// or a list of texts, and so is any other option of the adapter, unless it is a whole number, true or false.
    ///
    /// # Errors
    /// A value that it cannot have, in words.
    pub fn say(&mut self, name: &str, value: Json) -> Result<(), String> {
        let is_texts = |value: &Json| match value {
            Json::String(text) => !text.trim().is_empty(),
            Json::Array(texts) => !texts.is_empty() && texts.iter().all(|text| text.as_str().is_some()),
            _ => false,
        };
        let text = |value: &Json| value.as_str().map(str::to_owned).ok_or(format!("expected a text, found {value}"));
        check_option(name, &value).map_err(|error| error.message().to_owned())?;
        match name {
            "adapter" => self.adapter = Some(text(&value)?),
            "namespace" => self.namespace = Some(text(&value)?.parse().map_err(|error| format!("{error}"))?),
            "keep" => self.keep = Some(text(&value)?.parse()?),
            _ if RhythmChoice::NAMES.contains(&name) => self.rhythm.say(name, &value)?,
            _ if RequestChoice::NAMES.contains(&name) => self.requests.say(name, &value)?,
            "fold_case" if !matches!(value, Json::Bool(_)) => {
                return Err(format!("expected true or false, found {value}"));
            }
            "fold_case" => drop(self.options.insert(name.to_owned(), value)),
            _ if is_texts(&value) => drop(self.options.insert(name.to_owned(), value)),
            "key" | "volatile" => return Err(format!("expected a text or a list of texts, found {value}")),
            _ if matches!(value, Json::Bool(_) | Json::Number(_)) => {
                self.options.insert(name.to_owned(), value.to_string().into());
            }
            _ => return Err(format!("expected a text, a list of texts, a number, true or false, found {value}")),
        }
        Ok(())
    }

    /// Sees that the adapter has all that is said of it, once all is said.
    ///
    /// # Errors
    /// `Usage`: an adapter or an option that is not known, a value that it cannot have, two that cannot both hold.
    pub fn check(&self) -> Result<(), OpError> {
        self.rhythm.check().map_err(contradiction)?;
        check_logins(&self.options, &self.requests)?;
        let further = self.options.keys().find(|name| !OPTIONS.contains(&name.as_str()));
        if let (None, Some(name)) = (&self.adapter, further) {
            let error =
                OpError::usage("adapter.option", format!("{name} is an option of an adapter, and none is named"));
            return Err(match nearest(name, &Self::NAMES) {
                Some(near) => error.with_hint(format!("did you mean {near}?")),
                None => error.with_hint("say which one as well, such as adapter = \"json\""),
            });
        }
        let namespace = self.namespace.clone().unwrap_or_else(|| "configured".parse().expect("it is a namespace"));
        let choice = AdapterChoice::default().or_adapter(self.adapter.as_deref()).or_options(&self.options);
        Adapter::read_anywhere(&choice, &namespace).map(drop)
    }

    /// The adapter.
    pub fn adapter(&self) -> Option<&str> {
        self.adapter.as_deref()
    }

    /// The options, by their names.
    pub fn options(&self) -> &BTreeMap<String, Json> {
        &self.options
    }

    /// The namespace.
    pub fn namespace(&self) -> Option<&Namespace> {
        self.namespace.as_ref()
    }

    /// How long its bodies are kept.
    pub fn keep(&self) -> Option<Keep> {
        self.keep
    }

    /// When it is fetched.
    pub fn rhythm(&self) -> &RhythmChoice {
        &self.rhythm
    }

    /// How its server is asked.
    pub fn requests(&self) -> &RequestChoice {
        &self.requests
    }

    /// What was chosen for such a feed, with what is said here where nothing was. To an adapter that was chosen and is not
    /// the one that is named here, the options of that one mean nothing.
    pub(crate) fn complete(&self, choice: AdapterChoice) -> AdapterChoice {
        let choice = choice.or_adapter(self.adapter.as_deref());
        let is_named = self.adapter.as_deref() == Some(choice.name());
        let fits = |name: &str| is_named || OPTIONS.contains(&name);
        let options = self.options.iter().filter(|(name, _)| fits(name));
        choice.or_options(options)
    }

    /// In what a feed is otherwise, in words.
    pub(crate) fn differences(&self, feed: &Feed) -> Vec<String> {
        let choice = AdapterChoice::of(feed);
        let adapter = self.adapter.as_deref().filter(|wanted| *wanted != choice.name());
        if let Some(wanted) = adapter {
            // Its options are those of another one.
            return vec![format!("adapter is {}, configured is {wanted}", choice.name())];
        }
        let in_force = |name: &str| choice.options().get(name).cloned().unwrap_or_else(|| unsaid(name));
        let mut differences = Vec::new();
        for (name, wanted) in &self.options {
            let held = in_force(name);
            if texts(&held) != texts(wanted) {
                differences.push(format!("{name} is {}, configured is {}", words(&held), words(wanted)));
            }
        }
        let said = RhythmChoice::of(feed).said();
        for (name, wanted) in self.rhythm.said() {
            let held = said.iter().find(|(held, _)| *held == name).map_or(Json::Null, |(_, value)| value.clone());
            if held != wanted {
                differences.push(format!("{name} is {}, configured is {}", words(&held), words(&wanted)));
            }
        }
        let asked = RequestChoice::of(feed);
        for (name, wanted) in self.requests.said() {
            let held = asked.get(name).cloned().unwrap_or(Json::Null);
            if held != *wanted {
                let (held, wanted) = (shown(name, &held), shown(name, wanted));
                differences.push(format!("{name} is {}, configured is {}", words(&held), words(&wanted)));
            }
        }
        if let Some(wanted) = self.namespace.as_ref().filter(|wanted| **wanted != feed.namespace) {
            differences.push(format!("namespace is {}, configured is {wanted}", feed.namespace));
        }
        differences
    }
}

/// What is said of when a feed is fetched cannot all hold.
pub(crate) fn contradiction(told: String) -> OpError {
    OpError::usage("feed.rhythm", told).with_hint("say every = \"15m\", or cron = \"0 */2 * * *\", or neither")
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
        let mut declared = DeclaredFeed::default();
        for (name, value, said) in [
            ("adapter", Json::from(3_u64), false),
            ("max_pages", Json::from(3_u64), true),
            ("lines", Json::Bool(true), true),
            ("items", Json::Null, false),
            ("key", Json::from("link"), true),
            ("key", Json::from(vec!["a", "b"]), true),
            ("key", Json::from(3_u64), false),
            ("key", Json::Array(Vec::new()), false),
            ("volatile", Json::from(""), false),
            ("fold_case", Json::Bool(true), true),
            ("fold_case", Json::from("true"), false),
            ("namespace", Json::from("shared"), true),
            ("namespace", Json::from(" "), false),
            ("every", Json::from("15m"), true),
            ("every", Json::from(15_u64), false),
            ("cron", Json::from("0 0 1 * *"), false),
            ("adaptive", Json::Bool(false), true),
            ("adaptive", Json::from("no"), false),
        ] {
            assert_eq!(declared.say(name, value.clone()).is_ok(), said, "{name} {value}");
        }
        assert_eq!(declared.namespace().map(Namespace::as_str), Some("shared"));
        assert_eq!(declared.options().len(), 4);
        assert_eq!(declared.options()["max_pages"], "3".into());
    }

    fn said(pairs: &[(&str, &str)]) -> DeclaredFeed {
        let mut declared = DeclaredFeed::default();
        for (name, value) in pairs {
            declared.say(name, (*value).into()).unwrap();
        }
        declared
    }

    #[test]
    fn the_options_of_an_adapter_are_checked_where_it_is_named() {
        for (pairs, hint) in [
            (&[("key", "link")][..], None),
            (&[("adapter", "csv"), ("delimiter", ";")], None),
            (&[("adapter", "edgar"), ("since", "2026-11-01")], None),
            (&[("adapter", "earnings"), ("key", "id")], None),
            (&[("every", "2h"), ("adaptive", "true")], None),
            (&[("every", "2h"), ("cron", "@daily")], Some("or neither")),
            (&[("evry", "2h")], Some("did you mean every?")),
            (&[("delimiter", ";")], Some("adapter = \"json\"")),
            (&[("kei", "link")], Some("did you mean key?")),
            (&[("adapter", "jsno")], Some("did you mean json?")),
            (&[("adapter", "csv"), ("delimter", ";")], Some("did you mean delimiter?")),
            (&[("adapter", "csv"), ("delimiter", "::")], Some("docs/guides/adapters.md")),
            (&[("adapter", "edgar"), ("sinse", "2026-11-01")], Some("did you mean since?")),
        ] {
            let checked = said(pairs).check();
            match hint {
                None => assert!(checked.is_ok(), "{pairs:?} {checked:?}"),
                Some(hint) => assert!(checked.unwrap_err().hint().unwrap().contains(hint), "{pairs:?}"),
            }
        }
    }

    #[test]
    fn what_was_chosen_rules_over_what_is_said() {
        let declared = said(&[("adapter", "csv"), ("delimiter", ";"), ("key", "id")]);
        for (adapter, option, expected) in [
            (None, "title=t", r#"{"adapter":"csv","options":{"delimiter":";","key":"id","title":"t"}}"#),
            (Some("csv"), "key=k", r#"{"adapter":"csv","options":{"delimiter":";","key":"k"}}"#),
            (Some("json"), "title=t", r#"{"adapter":"json","options":{"key":"id","title":"t"}}"#),
        ] {
            let choice = declared.complete(AdapterChoice::new(adapter, [option]).unwrap());
            assert_eq!(Json::Object(choice.to_members()).to_canonical(), expected);
        }
    }

    #[test]
    fn a_feed_that_is_otherwise_is_told_of_in_words() {
        let mut declared = DeclaredFeed::default();
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
        let rhythm = said(&[("every", "2h"), ("adaptive", "true")]);
        assert_eq!(
            rhythm.differences(&feed(r#"{"schedule":{"cron":"@daily","adaptive":true}}"#)),
            ["every is unsaid, configured is 2h"]
        );
        let table = said(&[("adapter", "csv"), ("delimiter", ";")]);
        assert_eq!(table.differences(&feed("{}")), ["adapter is feed, configured is csv"]);
        assert_eq!(
            table.differences(&feed(r#"{"adapter":"csv","options":{"delimiter":"tab"}}"#)),
            ["delimiter is tab, configured is ;"]
        );
    }
}
