//! [`Filing`]: what one list tells of a filing, and the candidate that it becomes.

use std::collections::{BTreeMap, BTreeSet};

use feedspine_core::{Candidate, Content, Json, KeyRule, Namespace, NaturalKey, Reject};

use super::words::Accession;
use crate::dates::read_date;
use crate::identity::excerpt_of;
use crate::item::LONE_SURROGATE;
use crate::warning::Warnings;

/// Roles of a party that a filing is about; of others it is by.
const ABOUT: [&str; 3] = ["subject", "issuer", "filer"];

/// What the lines of one list tell of a filing.
#[derive(Debug, Default)]
pub(super) struct Filing {
    /// One but for a few.
    pub(super) forms: BTreeSet<String>,
    /// The day that the SEC dates it to.
    pub(super) filed: Option<String>,
    /// When it was accepted, as the list writes it.
    pub(super) accepted: Option<String>,
    /// Of a current report, the numbers of what it is about: `2.02`.
    pub(super) items: BTreeSet<String>,
    /// By their CIK.
    pub(super) parties: BTreeMap<String, Party>,
    pub(super) link: Option<String>,
    /// Members that only this list has.
    pub(super) further: Vec<(&'static str, Json)>,
}

/// A company or person that has to do with a filing.
#[derive(Debug, Default)]
pub(super) struct Party {
    pub(super) name: Option<String>,
    /// None where the list does not tell.
    pub(super) roles: BTreeSet<String>,
}

impl Filing {
    /// Adds a party, or what is told of one anew.
    pub(super) fn party(&mut self, cik: String, name: &str, role: Option<String>) {
        let party = self.parties.entry(cik).or_default();
        let name = name.trim();
        if party.name.is_none() && !name.is_empty() {
            party.name = Some(name.to_owned());
        }
        party.roles.extend(role);
    }

    /// Takes what another line tells of the same filing; where both tell something, the first stands.
    pub(super) fn join(&mut self, other: Self) {
        self.forms.extend(other.forms);
        self.items.extend(other.items);
        self.filed = self.filed.take().or(other.filed);
        self.accepted = self.accepted.take().or(other.accepted);
        self.link = self.link.take().or(other.link);
        for (cik, party) in other.parties {
            let held = self.parties.entry(cik).or_default();
            held.name = held.name.take().or(party.name);
            held.roles.extend(party.roles);
        }
        if self.further.is_empty() {
            self.further = other.further;
        }
    }

    /// The candidate of that number; it was published when it was accepted, as far as that is told.
    pub(super) fn candidate(
        self,
        accession: Accession,
        namespace: &Namespace,
        ordinal: u32,
        warnings: &mut Warnings,
    ) -> Result<Candidate, Reject> {
        let key = NaturalKey::new(namespace.clone(), &accession.to_string()).expect("digits and dashes are a key");
        let date = self.accepted.as_deref().or(self.filed.as_deref());
        let published = date.and_then(|date| {
            let read = read_date(date);
            if read.is_err() {
                warnings.add("date.unreadable", || format!("the date {:?} of {accession}", excerpt_of(date)));
            }
            read.ok().map(|read| read.at)
        });
        let content = self.content(accession);
        let reject = |code: &str, reason: &str| Reject {
            ordinal,
            key: Some(key.clone()),
            code: code.to_owned(),
            reason: format!("the filing {accession} {reason}"),
            excerpt: excerpt_of(&content.to_canonical()).to_owned(),
        };
        if !content.fits() {
            return Err(reject("json.depth", "is nested too deep to be kept"));
        }
        let written = content.to_canonical();
        if written.contains(LONE_SURROGATE) {
            return Err(reject("json.surrogate", "holds half of a surrogate pair"));
        }
        let content = Content::from_canonical(written);
        Ok(Candidate { key, key_rule: KeyRule::Given, ordinal, content, published, updated: None })
    }

    fn content(&self, accession: Accession) -> Json {
        let forms: Vec<&str> = self.forms.iter().map(String::as_str).collect();
        let mut members = vec![("accession", Json::from(accession.to_string()))];
        members.extend(forms.first().map(|form| ("form", (*form).into())));
        if forms.len() > 1 {
            members.push(("forms", forms.into()));
        }
        members.extend(self.filed.as_deref().map(|day| ("filed", day.into())));
        members.extend(self.accepted.as_deref().map(|at| ("accepted", at.into())));
        if !self.items.is_empty() {
            members.push(("items", self.items.iter().map(String::as_str).collect::<Vec<_>>().into()));
        }
        let parties = self.parties.iter().flat_map(|(cik, party)| {
            let alone = party.roles.is_empty().then(|| Json::object([("cik", cik.as_str().into())]));
            let with = party.roles.iter().map(|role| ("role", role.as_str().into()));
            alone.into_iter().chain(with.map(move |role| Json::object([("cik", cik.as_str().into()), role])))
        });
        members.push(("parties", Json::Array(parties.collect())));
        // Roles and their number hang on the list; whose filing it is does not.
        members.push(("ciks", self.parties.keys().map(String::as_str).collect::<Vec<_>>().into()));
        let names =
            self.parties.iter().filter_map(|(cik, party)| Some((cik.as_str(), Json::from(party.name.as_deref()?))));
        members.push(("names", Json::object(names)));
        members.push(("title", self.title().into()));
        let link = self.link.clone().or_else(|| self.parties.keys().next().map(|cik| accession.page(cik)));
        members.extend(link.map(|link| ("link", link.into())));
        members.extend(self.further.iter().cloned());
        Json::object(members)
    }

    fn title(&self) -> String {
        let is_about = |party: &&Party| party.roles.iter().any(|role| ABOUT.contains(&role.as_str()));
        let mut about = self.parties.values().filter(is_about).chain(self.parties.values());
        let form = self.forms.first().map_or("filing", String::as_str);
        match about.find_map(|party| party.name.as_deref()) {
            Some(name) => format!("{form}: {name}"),
            None => form.to_owned(),
        }
    }
}
