//! [`Rhythm`]: how the operator wants a feed fetched; [`RhythmChoice`]: what was said of it, in settings and words.

use std::fmt;
use std::time::Duration;

use feedspine_core::{Feed, Json};

use super::cron::Cron;
use super::interval::{Interval, told};

/// Whether the time between two fetches follows what a feed brings.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Pace {
    /// It does.
    #[default]
    Adaptive,
    /// It stays what it is.
    Fixed,
}

/// How often feeds are fetched of which nothing else is said, and between which bounds that follows what they bring.
///
/// They hold for feeds that answer; one that fails is tried again later and later, up to seven days.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Bounds {
    /// The time between two fetches of a feed of which nothing is said.
    pub default_every: Interval,
    /// The shortest time between two, where the server says that its answer is stale sooner than in `default_every`.
    pub floor: Interval,
    /// The longest time between two that a server, a document or silence can bring about.
    pub ceiling: Interval,
}

impl Default for Bounds {
    /// 60 minutes, 10 minutes and 24 hours.
    fn default() -> Self {
        Self {
            default_every: Interval::nearest(Duration::from_hours(1)),
            floor: Interval::nearest(Duration::from_mins(10)),
            ceiling: Interval::nearest(Duration::from_hours(24)),
        }
    }
}

/// How the operator wants a feed fetched.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Rhythm {
    /// The time between two fetches: the shortest one when the pace is adaptive; `None` where it is the one of all feeds.
    pub every: Option<Duration>,
    /// The times at which it is fetched; then the rest has no meaning.
    pub cron: Option<Cron>,
    /// Whether the time between two fetches follows what the feed brings.
    pub pace: Pace,
}

/// In words: `every 15 min`, `by the cron pattern 0 */2 * * *, in UTC`.
impl fmt::Display for Rhythm {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (self.cron.as_ref(), self.every, self.pace) {
            (Some(cron), _, _) => write!(f, "by the cron pattern {cron}, in UTC"),
            (None, Some(every), Pace::Fixed) => write!(f, "every {}", told(every)),
            (None, Some(every), Pace::Adaptive) => write!(f, "every {} or slower, as it brings new items", told(every)),
            (None, None, Pace::Fixed) => f.write_str("as often as all feeds"),
            (None, None, Pace::Adaptive) => f.write_str("as it brings new items"),
        }
    }
}

/// What was said of how a feed is fetched: on adding it, later, or in the configuration. By default nothing.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RhythmChoice {
    every: Option<Interval>,
    cron: Option<Cron>,
    pace: Option<Pace>,
}

impl RhythmChoice {
    /// The names of what can be said.
    pub const NAMES: [&str; 3] = ["every", "cron", "adaptive"];
    /// The member of a feed's settings that holds it.
    const MEMBER: &str = "schedule";

    /// What a program knows already.
    pub fn new(every: Option<Interval>, cron: Option<Cron>, pace: Option<Pace>) -> Self {
        Self { every, cron, pace }
    }

    /// Says one more thing: `every` is an interval such as `15m`, `cron` a pattern such as `0 */2 * * *`, `adaptive` true or
    /// false.
    ///
    /// # Errors
    /// A name or a value that it cannot have, in words.
    pub fn say(&mut self, name: &str, value: &Json) -> Result<(), String> {
        let text = || value.as_str().ok_or_else(|| format!("expected a text, found {value}"));
        match name {
            "every" => self.every = Some(text()?.parse().map_err(|error| format!("{error}"))?),
            "cron" => self.cron = Some(text()?.parse().map_err(|error| format!("{error}"))?),
            "adaptive" => {
                self.pace = Some(pace(value).ok_or_else(|| format!("expected true or false, found {value}"))?);
            }
            _ => return Err(format!("expected one of {}, found {name}", Self::NAMES.join(", "))),
        }
        Ok(())
    }

    /// The same, with what is said now as `NAME=VALUE`; `NAME=` takes it back. `every` and `cron` replace each other.
    ///
    /// # Errors
    /// A value that it cannot have, or one that cannot hold beside another, in words.
    pub(crate) fn changed<'a>(self, said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let (mut held, mut now) = (self, Self::default());
        for (name, value) in said {
            match (name, value) {
                ("every", "") => held.every = None,
                ("cron", "") => held.cron = None,
                (_, "") => held.pace = None,
                _ => now.say(name, &value.into()).map_err(|reason| format!("{name}: {reason}"))?,
            }
        }
        if now.every.is_some() {
            held.cron = None;
        }
        if now.cron.is_some() {
            (held.every, held.pace) = (None, None);
        }
        let both = now.every.is_some() && now.cron.is_some();
        let changed = if both {
            now
        } else {
            Self { every: now.every.or(held.every), cron: now.cron.or(held.cron), pace: now.pace.or(held.pace) }
        };
        changed.check().map(|()| changed)
    }

    /// Sees that all that is said can hold at once.
    ///
    /// # Errors
    /// It cannot, in words.
    pub fn check(&self) -> Result<(), String> {
        match (&self.cron, self.every, self.pace) {
            (Some(cron), Some(every), _) => {
                Err(format!("a feed is fetched every {every} or by the cron pattern {cron}, not both"))
            }
            (Some(cron), None, Some(Pace::Adaptive)) => {
                Err(format!("a feed that is fetched by the cron pattern {cron} is not adaptive"))
            }
            _ => Ok(()),
        }
    }

    /// What a feed's settings hold. What this program cannot read is left out.
    pub fn of(feed: &Feed) -> Self {
        let mut choice = Self::default();
        if let Some(said) = feed.settings.to_json().get(Self::MEMBER) {
            for name in Self::NAMES {
                if let Some(value) = said.get(name) {
                    // A newer program may know further ways to say it.
                    let _ = choice.say(name, value);
                }
            }
        }
        choice
    }

    /// The same, with what is said there where nothing is said here. `every` and `cron` replace each other.
    pub(crate) fn or(self, further: &Self) -> Self {
        let chosen = self.every.is_some() || self.cron.is_some();
        let (every, cron) = if chosen { (self.every, self.cron) } else { (further.every, further.cron.clone()) };
        // What was said of the pace there was said of what is replaced here.
        let pace = self.pace.or(further.pace.filter(|_| !chosen));
        Self { every, cron, pace }
    }

    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        *self == Self::default()
    }

    /// What is said, by its names.
    pub fn said(&self) -> Vec<(&'static str, Json)> {
        let [every, cron, adaptive] = Self::NAMES;
        let all = [
            self.every.map(|interval| (every, interval.to_string().into())),
            self.cron.as_ref().map(|pattern| (cron, pattern.as_str().into())),
            self.pace.map(|pace| (adaptive, Json::Bool(pace == Pace::Adaptive))),
        ];
        all.into_iter().flatten().collect()
    }

    /// The member of a feed's settings; `None` when nothing is said.
    pub(crate) fn to_member(&self) -> (&'static str, Option<Json>) {
        (Self::MEMBER, (!self.is_default()).then(|| Json::object(self.said())))
    }

    /// How it is fetched then. An interval that was said is kept to, unless it is said to be adaptive as well.
    pub fn rhythm(&self) -> Rhythm {
        let kept_to = self.every.is_some() || self.cron.is_some();
        let pace = self.pace.unwrap_or(if kept_to { Pace::Fixed } else { Pace::Adaptive });
        Rhythm { every: self.every.map(Interval::duration), cron: self.cron.clone(), pace }
    }
}

fn pace(value: &Json) -> Option<Pace> {
    match value {
        Json::Bool(true) => Some(Pace::Adaptive),
        Json::Bool(false) => Some(Pace::Fixed),
        Json::String(text) if text == "true" => Some(Pace::Adaptive),
        Json::String(text) if text == "false" => Some(Pace::Fixed),
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> RhythmChoice {
        let mut choice = RhythmChoice::default();
        for (name, value) in pairs {
            choice.say(name, &(*value).into()).unwrap();
        }
        choice
    }

    #[test]
    fn an_interval_that_was_said_is_kept_to_unless_it_is_said_to_be_adaptive() {
        for (pairs, words) in [
            (&[][..], "as it brings new items"),
            (&[("adaptive", "false")], "as often as all feeds"),
            (&[("every", "15m")], "every 15 min"),
            (&[("every", "15m"), ("adaptive", "true")], "every 15 min or slower, as it brings new items"),
            (&[("cron", "0 */2 * * *")], "by the cron pattern 0 */2 * * *, in UTC"),
        ] {
            assert_eq!(said(pairs).rhythm().to_string(), words);
        }
    }

    #[test]
    fn what_is_said_is_read_back_from_a_feeds_settings() {
        for pairs in [&[("every", "1h30m"), ("adaptive", "true")][..], &[("cron", "@daily")], &[("adaptive", "false")]]
        {
            let (name, member) = said(pairs).to_member();
            let settings = Json::object([(name, member.unwrap())]).to_canonical();
            assert_eq!(RhythmChoice::of(&crate::sample::feed(&settings, None)), said(pairs), "{settings}");
        }
        assert_eq!(RhythmChoice::default().to_member().1, None);
        for odd in [r#"{"schedule":3}"#, r#"{"schedule":{"every":3,"cron":"x","phase":"moon"}}"#, "{}"] {
            assert!(RhythmChoice::of(&crate::sample::feed(odd, None)).is_default(), "{odd}");
        }
    }

    #[test]
    fn what_cannot_hold_at_once_is_refused() {
        assert!(said(&[("every", "15m"), ("cron", "@daily")]).check().unwrap_err().contains("not both"));
        assert!(said(&[("adaptive", "true"), ("cron", "@daily")]).check().unwrap_err().contains("not adaptive"));
        assert!(said(&[("adaptive", "false"), ("cron", "@daily")]).check().is_ok());
        for (name, value) in [("every", "soon"), ("cron", "x"), ("adaptive", "maybe"), ("phase", "moon")] {
            assert!(RhythmChoice::default().say(name, &value.into()).unwrap_err().starts_with("expected"), "{name}");
        }
    }

    #[test]
    fn what_is_said_later_replaces_what_it_cannot_stand_beside() {
        for (held, now, expected) in [
            (&[("every", "2h")][..], &[("every", "15m")][..], Ok(&[("every", "15m")][..])),
            (&[("every", "2h"), ("adaptive", "true")], &[("cron", "@daily")], Ok(&[("cron", "@daily")])),
            (
                &[("cron", "@daily")],
                &[("every", "2h"), ("adaptive", "true")],
                Ok(&[("every", "2h"), ("adaptive", "true")]),
            ),
            (&[("every", "2h"), ("adaptive", "true")], &[("every", "")], Ok(&[("adaptive", "true")])),
            (&[("every", "2h"), ("adaptive", "false")], &[("every", ""), ("adaptive", "")], Ok(&[])),
            (&[], &[("every", "2h"), ("cron", "@daily")], Err("not both")),
            (&[("cron", "@daily")], &[("adaptive", "true")], Err("not adaptive")),
            (&[], &[("every", "often")], Err("every: expected an interval")),
        ] {
            match (said(held).changed(now.iter().copied()), expected) {
                (Ok(changed), Ok(expected)) => assert_eq!(changed, said(expected), "{held:?} {now:?}"),
                (Err(told), Err(words)) => assert!(told.contains(words), "{told}"),
                (changed, _) => panic!("{held:?} {now:?}: {changed:?}"),
            }
        }
    }

    #[test]
    fn what_was_chosen_rules_over_what_is_configured() {
        let configured = said(&[("every", "2h"), ("adaptive", "true")]);
        for (chosen, expected) in [
            (&[][..], &[("every", "2h"), ("adaptive", "true")][..]),
            (&[("cron", "@daily")], &[("cron", "@daily")]),
            (&[("every", "15m")], &[("every", "15m")]),
            (&[("adaptive", "false")], &[("every", "2h"), ("adaptive", "false")]),
        ] {
            assert_eq!(said(chosen).or(&configured), said(expected), "{chosen:?}");
        }
    }
}
