//! A feed's identity policy: by which rule its items are told from each other, who said so, and how that goes.
//!
//! The rule is said by the operator (options, or the configuration) or learned from the first document with items, and
//! stays. [`evidence`] is what documents showed of it, kept in the feed's cursor so that it commits with the items;
//! [`change`] decides what another policy, or other options, would do to a feed that has records.

pub(crate) mod change;
mod evidence;
mod reading;
mod tally;

use feedspine_core::{Feed, FeedCursor, Json, KeyRule};

use crate::DeclaredFeed;
use crate::adapters::{Adapter, AdapterChoice};
use crate::ops::ToJson;

pub use evidence::{Degraded, Evidence, Health, Learned};
pub(crate) use reading::Reading;
pub(crate) use tally::Tally;

/// The options that are a feed's policy.
pub(crate) const OPTIONS: [&str; 3] = ["key", "fold_case", "volatile"];

/// The rule that a feed's items are keyed by from now on: the operator's, else what it learned; `None` until then.
pub(crate) fn rule_in_force(feed: &Feed) -> Option<KeyRule> {
    let said = Adapter::of(feed).ok().and_then(|adapter| adapter.key_rule());
    said.or(feed.key_rule)
}

/// Who said by which rule a feed's items are keyed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum RuleOrigin {
    /// Nobody yet: its first items will.
    Nobody,
    /// Its first items.
    Learned,
    /// Whoever added it, or its first items before that was written down.
    Settled,
    /// The operator.
    Operator,
    /// Its adapter, which has a rule of its own.
    Adapter,
}

impl RuleOrigin {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Nobody => "nobody",
            Self::Learned => "learned",
            Self::Settled => "settled",
            Self::Operator => "operator",
            Self::Adapter => "adapter",
        }
    }
}

/// A feed's policy as it is shown.
#[derive(Debug, Clone, PartialEq)]
pub struct PolicyView {
    /// The rule in force; `None` until the first items choose it.
    pub rule: Option<KeyRule>,
    /// Who said so.
    pub origin: RuleOrigin,
    /// The options that the operator gave: `key`, `fold_case`, `volatile`.
    pub options: Vec<(String, Json)>,
    /// What documents showed; `None` before the first, and for what is pushed.
    pub evidence: Option<Evidence>,
    /// In what the configuration says otherwise.
    pub configured_otherwise: Vec<String>,
}

impl PolicyView {
    /// That of a feed with its cursor.
    pub(crate) fn of(feed: &Feed, cursor: Option<&FeedCursor>, declared: Option<&DeclaredFeed>) -> Self {
        let choice = AdapterChoice::of(feed);
        let rule = rule_in_force(feed);
        let evidence = cursor.and_then(|cursor| Evidence::in_cursor(&cursor.value));
        let learned = evidence.as_ref().is_some_and(|held| held.learned.is_some());
        let origin = match rule {
            None => RuleOrigin::Nobody,
            Some(_) if choice.options().contains_key("key") => RuleOrigin::Operator,
            Some(_) if choice.name() != Adapter::FEED => RuleOrigin::Adapter,
            Some(_) if learned => RuleOrigin::Learned,
            Some(_) => RuleOrigin::Settled,
        };
        let given = OPTIONS.iter().filter_map(|name| Some(((*name).to_owned(), choice.options().get(*name)?.clone())));
        Self {
            rule,
            origin,
            options: given.collect(),
            evidence,
            configured_otherwise: declared.map(|declared| declared.differences(feed)).unwrap_or_default(),
        }
    }
}

impl ToJson for PolicyView {
    fn to_json(&self) -> Json {
        let evidence = self.evidence.as_ref();
        Json::object([
            ("rule", self.rule.map(KeyRule::as_str).into()),
            ("origin", self.origin.as_str().into()),
            ("options", Json::object(self.options.iter().cloned())),
            ("learned", evidence.and_then(|held| held.learned.as_ref()).map(ToJson::to_json).into()),
            ("last", evidence.and_then(|held| held.last.as_ref()).map(ToJson::to_json).into()),
            ("degraded", evidence.and_then(|held| held.degraded.as_ref()).map(ToJson::to_json).into()),
            ("configured_otherwise", self.configured_otherwise.clone().into()),
        ])
    }
}
