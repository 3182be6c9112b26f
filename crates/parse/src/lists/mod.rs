//! Lists of addresses that are no feeds: sitemaps and manifests.

mod manifest;
mod sitemap;

use feedspine_core::{Candidate, Json, Reject};

pub use manifest::read_manifest;
pub use sitemap::read_sitemap;

use crate::error::ParseError;
use crate::identity::excerpt_of;
use crate::item::ItemRules;
use crate::limits::Limits;
use crate::warning::{Warning, Warnings};

/// What a list holds.
#[derive(Debug, Clone, Default)]
pub struct ListPage {
    /// The entries that can be stored, in the order of the list.
    pub candidates: Vec<Candidate>,
    /// Those that cannot.
    pub rejects: Vec<Reject>,
    /// Lists that it leads to.
    pub further: Vec<FurtherList>,
    /// The document ends in the middle.
    pub truncated: bool,
    /// What was odd.
    pub warnings: Vec<Warning>,
}

/// A list that another one leads to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FurtherList {
    /// Its address, resolved.
    pub address: String,
    /// When it was changed last, as it is written there.
    pub changed: Option<String>,
}

/// Takes entries.
struct Taker<'a> {
    rules: &'a ItemRules,
    limits: &'a Limits,
    ordinal: u32,
    page: ListPage,
    warnings: Warnings,
}

impl<'a> Taker<'a> {
    fn new(rules: &'a ItemRules, limits: &'a Limits, first_ordinal: u32) -> Self {
        Self { rules, limits, ordinal: first_ordinal, page: ListPage::default(), warnings: Warnings::default() }
    }

    fn is_empty(&self) -> bool {
        self.page.candidates.is_empty()
    }

    fn entry(&mut self, entry: Json) -> Result<(), ParseError> {
        match self.rules.take(self.ordinal, entry, &mut self.warnings) {
            Ok(candidate) => self.page.candidates.push(candidate),
            Err(reject) => self.page.rejects.push(reject),
        }
        self.count()
    }

    fn wrong_line(&mut self, code: &str, number: usize, found: &str, line: &str) -> Result<(), ParseError> {
        let (code, reason) = (code.to_owned(), format!("line {number}: {found}"));
        let excerpt = excerpt_of(line).to_owned();
        self.page.rejects.push(Reject { ordinal: self.ordinal, key: None, code, reason, excerpt });
        self.count()
    }

    fn count(&mut self) -> Result<(), ParseError> {
        self.ordinal = self.ordinal.saturating_add(1);
        let count = self.page.candidates.len() + self.page.rejects.len() + self.page.further.len();
        let limit = self.limits.items;
        if count > limit { Err(ParseError::TooManyItems { limit }) } else { Ok(()) }
    }

    fn finish(self) -> ListPage {
        ListPage { warnings: self.warnings.into_vec(), ..self.page }
    }
}

#[cfg(test)]
mod tests;
