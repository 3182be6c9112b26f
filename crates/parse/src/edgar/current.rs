//! The current filings, as Atom: an entry for each filing and party.

use std::collections::{BTreeSet, HashMap};

use feedspine_core::{Json, Namespace, Reject};

use super::EdgarPage;
use super::filing::Filing;
use super::words::{Accession, cik, day_as_told, role};
use crate::document::{Input, parse};
use crate::error::ParseError;
use crate::html::plain_text;
use crate::identity::excerpt_of;
use crate::limits::Limits;
use crate::model::{Format, Item, Tag, Text};
use crate::warning::{Warning, Warnings};

/// The current filings, gathered page by page: the entries of one filing may lie on two.
#[derive(Debug, Default)]
pub struct EdgarCurrent {
    /// Filings in the order of their first entries.
    order: Vec<Accession>,
    filings: HashMap<Accession, Filing>,
    last: Option<Accession>,
    rejects: Vec<Reject>,
    warnings: Vec<Warning>,
}

/// What a page of the list was.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct EdgarEntries {
    /// How many entries it had.
    pub count: usize,
    /// It ends in the middle.
    pub truncated: bool,
}

impl EdgarCurrent {
    /// Reads a page.
    ///
    /// # Errors
    /// It is something else.
    pub fn add(&mut self, input: &Input<'_>, limits: &Limits) -> Result<EdgarEntries, ParseError> {
        let document = parse(input, limits)?;
        if document.format != Format::Atom {
            let found = format!("a document in the format {}", document.format.as_str());
            return Err(ParseError::NotAList { wanted: "list of current filings", found });
        }
        let count = document.items.len() + document.rejects.len();
        for item in &document.items {
            if let Some((accession, filing)) = entry(item) {
                self.take(accession, filing);
            } else {
                let shown = item.title.as_ref().map_or("", |title| title.value.as_str());
                self.reject("key.missing", "an entry names no accession number".to_owned(), shown);
            }
        }
        for rejected in document.rejects {
            self.reject(rejected.code, rejected.reason, &rejected.excerpt);
        }
        self.warnings.extend(document.warnings);
        Ok(EdgarEntries { count, truncated: document.truncated })
    }

    /// The filings. Of a list that goes on behind the pages that were read, the last one is left out: it may have further
    /// parties there.
    pub fn finish(mut self, namespace: &Namespace, goes_on: bool) -> EdgarPage {
        if goes_on && self.order.len() > 1 {
            self.order.retain(|accession| Some(*accession) != self.last);
        }
        let mut warnings = Warnings::default();
        let mut page = EdgarPage { rejects: self.rejects, ..EdgarPage::default() };
        let mut ordinal = 0;
        for accession in self.order {
            let filing = self.filings.remove(&accession).expect("every filing of the order is held");
            match filing.candidate(accession, namespace, ordinal, &mut warnings) {
                Ok(candidate) => page.candidates.push(candidate),
                Err(reject) => page.rejects.push(reject),
            }
            ordinal += 1;
        }
        for reject in page.rejects.iter_mut().filter(|reject| reject.key.is_none()) {
            reject.ordinal = ordinal;
            ordinal += 1;
        }
        page.warnings = self.warnings;
        page.warnings.extend(warnings.into_vec());
        page
    }

    fn take(&mut self, accession: Accession, filing: Filing) {
        self.last = Some(accession);
        if let Some(held) = self.filings.get_mut(&accession) {
            held.join(filing);
        } else {
            self.order.push(accession);
            self.filings.insert(accession, filing);
        }
    }

    fn reject(&mut self, code: &str, reason: String, shown: &str) {
        let excerpt = excerpt_of(shown).to_owned();
        self.rejects.push(Reject { ordinal: 0, key: None, code: code.to_owned(), reason, excerpt });
    }
}

/// One entry: `4 - Example Inc. (0000320193) (Issuer)`, its summary `Filed: 2024-11-01 AccNo: … Size: 5 KB`.
fn entry(item: &Item) -> Option<(Accession, Filing)> {
    let summary = item.summary.as_ref().map(|text| plain_text(&text.value)).unwrap_or_default();
    let named = item.id.as_deref().and_then(|id| id.rsplit_once("accession-number=")).map(|(_, number)| number);
    let accession = named
        .and_then(Accession::read)
        .or_else(|| word_after("AccNo:", &summary).and_then(Accession::read))
        .or_else(|| item.link().and_then(Accession::of_path))?;
    let title = item.title.as_ref().map(Text::plain).unwrap_or_default();
    let is_form = |tag: &&Tag| tag.label.as_deref() == Some("form type") || item.tags.len() == 1;
    let form = item.tags.iter().find(is_form).map(|tag| tag.term.trim()).filter(|form| !form.is_empty());
    let (form, party) = match form.and_then(|form| Some((form, title.strip_prefix(form)?.trim_start()))) {
        Some((form, rest)) => (Some(form), rest.strip_prefix("- ").unwrap_or(rest)),
        None => match title.split_once(" - ") {
            Some((of_title, party)) => (Some(form.unwrap_or(of_title.trim())), party),
            None => (form, title.as_str()),
        },
    };
    let mut filing = Filing {
        forms: form.map(str::to_owned).into_iter().collect(),
        filed: word_after("Filed:", &summary).map(day_as_told),
        accepted: item.updated.as_ref().map(|date| date.raw.trim().to_owned()),
        items: items(&summary),
        link: item.link().map(str::to_owned),
        ..Filing::default()
    };
    if let Some((name, cik, role)) = split_party(party) {
        filing.party(cik, name, Some(role));
    }
    let size =
        summary.split_once("Size:").map(|(_, rest)| rest.split_whitespace().take(2).collect::<Vec<_>>().join(" "));
    filing.further.extend(size.map(|size| ("size", Json::from(size))));
    filing.further.push(("summary", summary.into()));
    Some((accession, filing))
}

/// `Example (Holdings) Inc. (0000320193) (Filed by)`: a name, a CIK, a role.
fn split_party(text: &str) -> Option<(&str, String, String)> {
    let (rest, last) = text.trim_end().strip_suffix(')')?.rsplit_once('(')?;
    let (name, number) = rest.trim_end().strip_suffix(')')?.rsplit_once('(')?;
    Some((name.trim(), cik(number)?, role(last)))
}

fn word_after<'a>(label: &str, text: &'a str) -> Option<&'a str> {
    text.split_once(label)?.1.split_whitespace().next()
}

/// The numbers behind the word `Item`.
fn items(summary: &str) -> BTreeSet<String> {
    let mut words = summary.split_whitespace();
    let mut found = BTreeSet::new();
    while let Some(word) = words.next() {
        let number = if word == "Item" { words.next() } else { None };
        let number = number.map(|number| number.trim_end_matches([':', '.']));
        let is_number = |text: &&str| text.bytes().all(|byte| byte.is_ascii_digit() || byte == b'.');
        found.extend(number.filter(|text| !text.is_empty()).filter(is_number).map(str::to_owned));
    }
    found
}
