//! Push: lines that are handed to us instead of being fetched.

use feedspine_core::{Candidate, Feed, Namespace, Reject};
use feedspine_parse::{ItemRules, LineForm, Scrap, read_line_again};

use super::identity::{Identity, Naming};
use super::options::Options;
use crate::OpError;

/// The options of this adapter.
#[derive(Debug)]
pub(crate) struct Push {
    pub(crate) identity: Identity,
    pub(crate) rules: ItemRules,
}

impl Push {
    pub(super) fn read(options: &mut Options, namespace: &Namespace) -> Result<Self, OpError> {
        let identity = Identity::read(options, Naming::Paths)?;
        let rules = identity.item_rules(namespace, options)?;
        Ok(Self { identity, rules })
    }

    /// Reads a line again that was rejected.
    pub(super) fn read_again(&self, scrap: &Scrap) -> Option<Result<Candidate, Reject>> {
        read_line_again(&LineForm::Json, &self.rules, scrap)
    }
}

/// Why nothing is collected of such a feed.
pub(crate) fn not_fetched(feed: &Feed) -> OpError {
    OpError::usage("feed.pushed", format!("the feed {} is not collected: its items are pushed", feed.name))
        .with_hint(format!("`feedspine ingest {} < lines.jsonl` takes them", feed.name))
}
