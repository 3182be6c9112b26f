//! [`Former`]: where a feed was before, until when, and why it is there no longer.

use std::fmt;

use feedspine_core::{Json, Timestamp};

use crate::shown::shown_address;

/// An address that a feed had.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Former {
    /// The address.
    pub address: String,
    /// When it was left.
    pub until: Timestamp,
    /// Why.
    pub why: WhyLeft,
}

/// Why a feed left an address.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum WhyLeft {
    /// It redirected for good to itself with https.
    Secured,
    /// Permanent redirects led to the next one.
    Moved {
        /// Since when.
        since: Timestamp,
        /// In how many fetches.
        fetches: u32,
    },
    /// The operator said another one.
    Operator,
}

impl WhyLeft {
    /// The word used in stores and JSON.
    const fn as_str(&self) -> &'static str {
        match self {
            Self::Secured => "secured",
            Self::Moved { .. } => "moved",
            Self::Operator => "operator",
        }
    }
}

/// In words.
impl fmt::Display for WhyLeft {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secured => f.write_str("it redirected to itself with https"),
            Self::Moved { since, fetches } => {
                write!(f, "permanent redirects led to one address since {since}, in {fetches} fetches")
            }
            Self::Operator => f.write_str("the operator said another address"),
        }
    }
}

impl Former {
    /// As a feed's settings keep it.
    pub(crate) fn to_json(&self) -> Json {
        let mut members = vec![
            ("address", self.address.as_str().into()),
            ("until", self.until.to_string().into()),
            ("why", self.why.as_str().into()),
        ];
        if let WhyLeft::Moved { since, fetches } = &self.why {
            members.push(("since", since.to_string().into()));
            members.push(("fetches", u64::from(*fetches).into()));
        }
        Json::object(members)
    }

    /// The same, as it is shown.
    pub(crate) fn shown(&self) -> Json {
        Self { address: shown_address(&self.address), ..self.clone() }.to_json()
    }

    /// What is kept; `None` of what this program cannot read.
    pub(crate) fn from_json(kept: &Json) -> Option<Self> {
        let text = |name| kept.get(name).and_then(Json::as_str);
        let why = match text("why")? {
            "secured" => WhyLeft::Secured,
            "operator" => WhyLeft::Operator,
            "moved" => {
                let Json::Number(fetches) = kept.get("fetches")? else { return None };
                WhyLeft::Moved {
                    since: text("since")?.parse().ok()?,
                    fetches: fetches.as_i64().and_then(|fetches| u32::try_from(fetches).ok())?,
                }
            }
            _ => return None,
        };
        Some(Self { address: text("address")?.to_owned(), until: text("until")?.parse().ok()?, why })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_reads_back_and_shows_no_secret() {
        let until = Timestamp::UNIX_EPOCH;
        for why in [WhyLeft::Secured, WhyLeft::Operator, WhyLeft::Moved { since: until, fetches: 3 }] {
            let former = Former { address: "http://a.example/?token=abc".into(), until, why };
            assert_eq!(Former::from_json(&former.to_json()), Some(former.clone()));
            assert!(!former.shown().to_string().contains("abc"), "{former:?}");
        }
    }
}
