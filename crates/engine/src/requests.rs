//! [`RequestChoice`]: what was said of how a feed's server is asked, in settings, words and the configuration.

use std::collections::BTreeMap;

use feedspine_core::{Feed, Json};

/// What was said of how a feed's server is asked: on adding it, later, or in the configuration. By default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestChoice(BTreeMap<String, Json>);

/// Whether a feed that moved for good is asked at its new address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moves {
    /// It is.
    Followed,
    /// It is asked where it was, and led there each time.
    Ignored,
}

/// Takes moves over, or not.
const FOLLOW_MOVES: &str = "follow_moves";

impl RequestChoice {
    /// The names of what can be said.
    pub const NAMES: [&str; 1] = [FOLLOW_MOVES];
    /// The member of a feed's settings that holds it.
    const MEMBER: &str = "requests";

    /// Says one more thing: `follow_moves` is true or false.
    ///
    /// # Errors
    /// A name or a value that it cannot have, in words.
    pub fn say(&mut self, name: &str, value: &Json) -> Result<(), String> {
        let said = match name {
            FOLLOW_MOVES => truth(value)?,
            _ => return Err(format!("expected one of {}, found {name}", Self::NAMES.join(", "))),
        };
        self.0.insert(name.to_owned(), said);
        Ok(())
    }

    /// The same, with what is said now as `NAME=VALUE`; `NAME=` takes it back.
    ///
    /// # Errors
    /// A value that it cannot have, in words.
    pub(crate) fn changed<'a>(mut self, said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        for (name, value) in said {
            if value.is_empty() {
                self.0.remove(name);
            } else {
                self.say(name, &value.into()).map_err(|reason| format!("{name}: {reason}"))?;
            }
        }
        Ok(self)
    }

    /// What a feed's settings hold. What this program cannot read is left out.
    pub fn of(feed: &Feed) -> Self {
        let mut choice = Self::default();
        if let Some(Json::Object(said)) = feed.settings.to_json().get(Self::MEMBER) {
            for (name, value) in said {
                // A newer program may know further ways to say it.
                let _ = choice.say(name, value);
            }
        }
        choice
    }

    /// The same, with what is said there where nothing is said here.
    pub(crate) fn or(mut self, further: &Self) -> Self {
        for (name, value) in &further.0 {
            self.0.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// What is said, by its names.
    pub fn said(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// What is said of that.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// The member of a feed's settings; `None` when nothing is said.
    pub(crate) fn to_member(&self) -> (&'static str, Option<Json>) {
        (Self::MEMBER, (!self.is_default()).then(|| Json::Object(self.0.clone())))
    }

    /// Whether a feed that moved is asked at its new address: unless it is said otherwise.
    pub(crate) fn moves(&self) -> Moves {
        if self.get(FOLLOW_MOVES) == Some(&Json::Bool(false)) { Moves::Ignored } else { Moves::Followed }
    }
}

fn truth(value: &Json) -> Result<Json, String> {
    match (value, value.as_str()) {
        (Json::Bool(_), _) => Ok(value.clone()),
        (_, Some("true")) => Ok(Json::Bool(true)),
        (_, Some("false")) => Ok(Json::Bool(false)),
        _ => Err(format!("expected true or false, found {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_later_goes_before_and_is_taken_back_by_nothing() {
        let held = RequestChoice::default().changed([("follow_moves", "false")]).unwrap();
        assert_eq!(held.moves(), Moves::Ignored);
        let configured = RequestChoice::default().changed([("follow_moves", "true")]).unwrap();
        assert_eq!(held.clone().or(&configured), held);
        let back = held.changed([("follow_moves", "")]).unwrap();
        assert_eq!((back.is_default(), back.moves()), (true, Moves::Followed));
        assert_eq!(back.or(&configured), configured);
    }

    #[test]
    fn what_cannot_be_said_is_told() {
        for (name, value) in [("follow_moves", "perhaps"), ("proxies", "x")] {
            assert!(RequestChoice::default().changed([(name, value)]).is_err(), "{name}");
        }
    }
}
