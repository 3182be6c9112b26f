//! [`Evidence`]: what a feed's documents showed of its key rule, as its cursor keeps it.

use std::fmt::Write;

use feedspine_core::{Json, KeyRule, Timestamp};
use feedspine_parse::{PARSER_VERSION, RuleFit, tolerated};

use super::reading::{Reading, Trace};
use crate::ops::ToJson;

/// What a feed's documents showed of its key rule.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Evidence {
    /// How its rule was learned; `None` when it was said.
    pub learned: Option<Learned>,
    /// What the last document with items showed.
    pub last: Option<Health>,
    /// The documents in which the rule did not tell items apart; `None` while there was none.
    pub degraded: Option<Degraded>,
    traces: Vec<Trace>,
}

/// How a rule was learned.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Learned {
    /// When the document was read.
    pub at: Timestamp,
    /// The rule.
    pub rule: KeyRule,
    /// How many items it held.
    pub items: u32,
    /// How the rules did that were tried, in order.
    pub fits: Vec<RuleFit>,
}

/// How a rule did in one document.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Health {
    /// When it was read.
    pub at: Timestamp,
    /// The rule.
    pub rule: KeyRule,
    /// How many items it held.
    pub items: u32,
    /// Those that have no key by the rule.
    pub missing: u32,
    /// Those whose key others have with another content.
    pub clashing: u32,
    /// Items that the document before it held as well, as far as they are known by title, date and path.
    pub compared: u32,
    /// Those among them that came back under another key.
    pub unstable: u32,
}

/// Documents in which more than 5 % of the items had no key of their own, or came back under another.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Degraded {
    /// When the first was read.
    pub since: Timestamp,
    /// How many there were.
    pub documents: u32,
    /// What the last one showed.
    pub last: Health,
}

impl Health {
    /// Whether more than 5 % of the items had no key of their own.
    pub const fn is_ambiguous(&self) -> bool {
        self.missing.saturating_add(self.clashing) > tolerated(self.items)
    }

    /// Whether more than 5 % of the items that can be compared came back under another key.
    pub const fn is_unstable(&self) -> bool {
        self.unstable > tolerated(self.compared)
    }

    /// What is wrong, as a warning that names the feed's next steps; `None` when nothing is.
    pub(crate) fn warning(&self, feed: &str) -> Option<String> {
        let stays = match self.rule {
            KeyRule::Given => "as it is".to_owned(),
            rule => format!("by {}", rule.as_str()),
        };
        let what = if self.is_ambiguous() {
            let unfit = self.missing.saturating_add(self.clashing);
            format!("{unfit} of {} items have no {} of their own", self.items, key_noun(self.rule))
        } else if self.is_unstable() {
            let (unstable, compared) = (self.unstable, self.compared);
            format!(
                "{unstable} of {compared} items came back under another {}, each as a further record",
                key_noun(self.rule)
            )
        } else {
            return None;
        };
        Some(format!(
            "feed.unstable_keys: {what}; the feed stays keyed {stays}: `feedspine feed show {feed}` has the evidence, \
             `feedspine feed set {feed} key=RULE` chooses another rule"
        ))
    }
}

impl Evidence {
    /// The member of a cursor's value that holds it.
    pub(crate) const MEMBER: &str = "identity";

    /// That in a cursor's value.
    pub(crate) fn in_cursor(value: &Json) -> Option<Self> {
        value.get(Self::MEMBER).map(Self::read)
    }

    /// The same, after another document; it is what this document showed that a warning is told of.
    #[must_use]
    pub(crate) fn after(held: Option<Self>, reading: Reading, at: Timestamp) -> Self {
        let held = held.unwrap_or_default();
        let learned =
            reading.learned.map(|learned| Learned { at, rule: learned.rule, items: learned.items, fits: learned.fits });
        let learned = learned.or(held.learned);
        if reading.items == 0 {
            return Self { learned, ..held };
        }
        let (compared, unstable) = compare(&held.traces, &reading.traces);
        let Reading { rule, items, missing, clashing, traces, .. } = reading;
        let health = Health { at, rule, items, missing, clashing, compared, unstable };
        let degraded = if health.is_ambiguous() || health.is_unstable() {
            let (since, documents) = held.degraded.map_or((at, 0), |degraded| (degraded.since, degraded.documents));
            Some(Degraded { since, documents: documents.saturating_add(1), last: health.clone() })
        } else {
            held.degraded
        };
        Self { learned, last: Some(health), degraded, traces }
    }

    /// The same for a feed that is keyed otherwise from now on: no key is compared with one of before.
    #[must_use]
    pub(crate) fn rekeyed(self) -> Self {
        Self { traces: Vec::new(), ..self }
    }

    /// As a cursor's value holds it.
    pub(crate) fn to_json(&self) -> Json {
        let mut traces = String::with_capacity(16 * self.traces.len());
        for trace in &self.traces {
            write!(traces, "{:08x}{:08x}", trace.look, trace.key).expect("a string takes all");
        }
        Json::object([
            ("learned", self.learned.as_ref().map(ToJson::to_json).into()),
            ("last", self.last.as_ref().map(ToJson::to_json).into()),
            ("degraded", self.degraded.as_ref().map(ToJson::to_json).into()),
            ("parser", u64::from(PARSER_VERSION).into()),
            ("traces", traces.into()),
        ])
    }

    /// Reads back what [`Evidence::to_json`] made.
    pub(crate) fn read(value: &Json) -> Self {
        // Another parser may make other keys of the same items: they are not compared.
        let same_parser = value.get("parser") == Some(&u64::from(PARSER_VERSION).into());
        let traces = value.get("traces").and_then(Json::as_str).filter(|_| same_parser).unwrap_or_default();
        Self {
            learned: value.get("learned").and_then(read_learned),
            last: value.get("last").and_then(read_health),
            degraded: value.get("degraded").and_then(read_degraded),
            traces: read_traces(traces),
        }
    }
}

/// How many items both samples hold, and how many of these under another key.
fn compare(before: &[Trace], now: &[Trace]) -> (u32, u32) {
    let (mut compared, mut unstable) = (0, 0);
    for trace in now {
        if let Ok(place) = before.binary_search_by_key(&trace.look, |held| held.look) {
            compared += 1;
            unstable += u32::from(before[place].key != trace.key);
        }
    }
    (compared, unstable)
}

/// What items have none of, or another one.
fn key_noun(rule: KeyRule) -> &'static str {
    match rule {
        KeyRule::Id => "id",
        KeyRule::Link => "link",
        KeyRule::LinkDate => "link and date",
        KeyRule::Content => "content",
        KeyRule::Given => "key",
    }
}

impl ToJson for Learned {
    fn to_json(&self) -> Json {
        let fit = |fit: &RuleFit| {
            Json::object([
                ("rule", fit.rule.as_str().into()),
                ("missing", u64::from(fit.missing).into()),
                ("clashing", u64::from(fit.clashing).into()),
            ])
        };
        Json::object([
            ("at", self.at.to_string().into()),
            ("rule", self.rule.as_str().into()),
            ("items", u64::from(self.items).into()),
            ("fits", Json::Array(self.fits.iter().map(fit).collect())),
        ])
    }
}

impl ToJson for Health {
    fn to_json(&self) -> Json {
        Json::object([
            ("at", self.at.to_string().into()),
            ("rule", self.rule.as_str().into()),
            ("items", u64::from(self.items).into()),
            ("missing", u64::from(self.missing).into()),
            ("clashing", u64::from(self.clashing).into()),
            ("compared", u64::from(self.compared).into()),
            ("unstable", u64::from(self.unstable).into()),
        ])
    }
}

impl ToJson for Degraded {
    fn to_json(&self) -> Json {
        Json::object([
            ("since", self.since.to_string().into()),
            ("documents", u64::from(self.documents).into()),
            ("last", self.last.to_json()),
        ])
    }
}

fn read_learned(value: &Json) -> Option<Learned> {
    let Json::Array(fits) = value.get("fits")? else { return None };
    let fit = |fit: &Json| {
        Some(RuleFit { rule: rule(fit)?, missing: number(fit, "missing")?, clashing: number(fit, "clashing")? })
    };
    Some(Learned {
        at: instant(value, "at")?,
        rule: rule(value)?,
        items: number(value, "items")?,
        fits: fits.iter().map(fit).collect::<Option<_>>()?,
    })
}

fn read_health(value: &Json) -> Option<Health> {
    Some(Health {
        at: instant(value, "at")?,
        rule: rule(value)?,
        items: number(value, "items")?,
        missing: number(value, "missing")?,
        clashing: number(value, "clashing")?,
        compared: number(value, "compared")?,
        unstable: number(value, "unstable")?,
    })
}

fn read_degraded(value: &Json) -> Option<Degraded> {
    Some(Degraded {
        since: instant(value, "since")?,
        documents: number(value, "documents")?,
        last: read_health(value.get("last")?)?,
    })
}

fn read_traces(text: &str) -> Vec<Trace> {
    let number = |part: Option<&str>| u32::from_str_radix(part?, 16).ok();
    let starts = (0..text.len()).step_by(16);
    let trace =
        |at: usize| Some(Trace { look: number(text.get(at..at + 8))?, key: number(text.get(at + 8..at + 16))? });
    starts.map_while(trace).collect()
}

fn rule(value: &Json) -> Option<KeyRule> {
    value.get("rule")?.as_str()?.parse().ok()
}

fn number(value: &Json, name: &str) -> Option<u32> {
    value.get(name)?.to_string().parse().ok()
}

fn instant(value: &Json, name: &str) -> Option<Timestamp> {
    value.get(name)?.as_str()?.parse().ok()
}

#[cfg(test)]
mod tests;
