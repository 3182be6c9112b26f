//! EDGAR, where companies file with the SEC: four kinds of lists that overlap, in which a filing is one record.

mod again;
mod current;
mod daily;
mod index;
mod list;
mod reading;
mod submissions;

use feedspine_core::{JsonPath, Namespace};
use reqwest::header::{HeaderValue, USER_AGENT};

pub(crate) use list::EdgarList;

use super::asking::{Asked, Asking};
use super::documents::Documents;
use super::identity::{Identity, Naming};
use super::options::Options;
use super::{Covers, Ground, Pages};
use crate::{Address, OpError};
use current::CurrentPages;
use daily::{DailyPages, is_day};
use index::IndexPages;
use reading::Reading;
use submissions::SubmissionsPages;

/// How many pages of the current filings one fetch reads, unless it is said otherwise: a thousand entries.
const CURRENT_PAGES: u64 = 10;
/// How many days of the daily index, or archives of submissions.
const FILES: u64 = 100;
/// The largest document, in MiB: the index of a quarter has some 30.
const MOST_MIB: u64 = 64;
const MIB: u64 = 1024 * 1024;

/// The options of this adapter.
#[derive(Debug)]
pub(crate) struct Edgar {
    pub(super) identity: Identity,
    list: EdgarList,
    namespace: Namespace,
    asking: Asking,
    user_agent: Option<HeaderValue>,
    covers: Option<Covers>,
    max_pages: u64,
    most_mib: Option<u64>,
    since: Option<String>,
}

/// Which of what a list tells of a filing decides a version of it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Versions {
    /// What all lists tell: the form, the day, and whose it is as far as the list knows.
    Shared,
    /// All that it tells, but for names and the like.
    Told,
}

impl Versions {
    fn named(word: &str) -> Option<Self> {
        match word {
            "shared" => Some(Self::Shared),
            "told" => Some(Self::Told),
            _ => None,
        }
    }

    /// The members that make no version of a list. What a list does not tell is among them, so that what another list told
    /// is compared by what both do: else each would find the other's filings changed.
    fn volatile(self, list: EdgarList) -> Vec<JsonPath> {
        let of_list: &[&str] = match (self, list) {
            // Of whose filing it is, submissions know one.
            (Self::Shared, EdgarList::Submissions) => &["accepted", "ciks", "details", "items", "parties"],
            // A party more is told, in whichever list it stands first; its role is not.
            (Self::Shared, _) => &["accepted", "details", "items", "parties"],
            (Self::Told, EdgarList::Current) => &["details"],
            (Self::Told, EdgarList::Daily | EdgarList::Index) => &["accepted", "details", "items"],
            (Self::Told, EdgarList::Submissions) => &["ciks", "parties"],
        };
        let always = ["link", "more", "names", "size", "summary", "title"];
        always.iter().chain(of_list).map(|name| JsonPath::of([*name])).collect()
    }
}

impl Edgar {
    pub(super) fn read(options: &mut Options, namespace: &Namespace) -> Result<Self, OpError> {
        let meaning = "is current, daily, index or submissions";
        let list = options.read(EdgarList::OPTION, meaning, EdgarList::named)?;
        let versions = options.read("versions", "is shared or told", Versions::named)?;
        let untold = list.is_none();
        let list = list.unwrap_or(EdgarList::Index);
        let by_nature = match list {
            EdgarList::Current | EdgarList::Submissions => Versions::Told,
            EdgarList::Daily | EdgarList::Index => Versions::Shared,
        };
        let always = versions.unwrap_or(by_nature).volatile(list);
        let identity = Identity::read_with(options, Naming::Paths, always)?;
        if !identity.key.is_empty() || identity.fold_case {
            return Err(options.wrong("key", "cannot be said: the key of a filing is its accession number"));
        }
        let covers = options.coverage()?;
        if list == EdgarList::Daily && covers == Some(Covers::All) {
            return Err(options.wrong("coverage", "is delta for the daily index, of which each day is read once"));
        }
        let since =
            options.read("since", "is a day such as 2026-11-01", |text| is_day(text).then(|| text.to_owned()))?;
        if since.is_some() && list != EdgarList::Daily {
            return Err(options.wrong("since", "goes with list=daily"));
        }
        let usual = if list == EdgarList::Current { CURRENT_PAGES } else { FILES };
        let visible = |text: &str| HeaderValue::from_str(text).ok().filter(|_| names_contact(text));
        let edgar = Self {
            identity,
            list,
            namespace: namespace.clone(),
            asking: Asking::read(options)?,
            user_agent: options.read("user_agent", "names you and your e-mail address", visible)?,
            covers,
            max_pages: options.number("max_pages", 1..=10_000)?.unwrap_or(usual),
            most_mib: options.number("max_mib", 1..=1_024)?,
            since,
        };
        if untold {
            options.refuse_unknown()?;
            let error = OpError::usage("adapter.option", "the address does not tell which list of EDGAR is there");
            return Err(error.with_hint(format!("say it: -o {}=NAME, which {meaning}", EdgarList::OPTION)));
        }
        Ok(edgar)
    }

    /// Begins a fetch.
    ///
    /// # Errors
    /// `Usage`: nobody says who asks; an address that this list cannot have.
    pub(super) fn begin<'a>(&'a self, ground: Ground<'a>) -> Result<Box<dyn Pages<'a> + 'a>, OpError> {
        let asked = self.asked(&ground)?;
        let of_feeds = ground.engine.settings().limits.body_bytes;
        let most_bytes = self.most_mib.map_or(of_feeds.max(MOST_MIB * MIB), |most| most * MIB);
        let documents = Documents { ground, asked, most_bytes: Some(most_bytes) };
        let reading = Reading::new(self, documents);
        Ok(match self.list {
            EdgarList::Current => Box::new(CurrentPages::begin(reading)?),
            EdgarList::Daily => Box::new(DailyPages::begin(reading)?),
            EdgarList::Index => Box::new(IndexPages::begin(reading)),
            EdgarList::Submissions => Box::new(SubmissionsPages::begin(reading)),
        })
    }

    /// Whether such a list is at an address of that kind.
    pub(super) fn suits(&self, address: &Address) -> bool {
        match address {
            Address::Http(_) => true,
            Address::File(_) => self.list != EdgarList::Daily,
            Address::Command(_) | Address::Push(_) => false,
        }
    }

    /// What goes with each request; the SEC shuts out who does not say who asks, and how to be reached.
    fn asked(&self, ground: &Ground<'_>) -> Result<Asked, OpError> {
        let mut asked = self.asking.resolve()?;
        if let Some(agent) = &self.user_agent {
            asked.headers.insert(USER_AGENT, agent.clone());
        }
        if !matches!(ground.address, Address::Http(_)) {
            return Ok(asked);
        }
        let usual = &ground.engine.settings().user_agent;
        let said = asked.headers.get(USER_AGENT).or(ground.manner.user_agent.as_ref());
        let sent = said.map_or(usual.as_str(), |agent| agent.to_str().unwrap_or_default());
        if names_contact(sent) {
            return Ok(asked);
        }
        let message = format!("the SEC wants to know who asks, and the user agent {sent:?} names no e-mail address");
        Err(OpError::usage("edgar.user_agent", message).with_hint(
            "nothing was asked; set fetch.user_agent = \"Your Company you@company.example\" in the configuration \
             (FEEDSPINE_FETCH_USER_AGENT), or add the feed with -o 'user_agent=…'",
        ))
    }
}

/// Whether a user agent has an e-mail address in it.
fn names_contact(agent: &str) -> bool {
    let mut words = agent.split(|c: char| c.is_whitespace() || matches!(c, '(' | ')' | '<' | '>' | ',' | ';' | '+'));
    let is_address = |word: &str| {
        word.split_once('@').is_some_and(|(name, domain)| !name.is_empty() && domain.trim_matches('.').contains('.'))
    };
    words.any(is_address)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_user_agent_has_to_name_an_address_to_write_to() {
        for (agent, names) in [
            ("Example Ltd ops@example.com", true),
            ("FeedSpine/1.0 (+https://example.com; ops@mail.example.com)", true),
            ("FeedSpine/1.0", false),
            ("me@home", false),
            ("@example.com", false),
            ("FeedSpine (+https://example.com)", false),
        ] {
            assert_eq!(names_contact(agent), names, "{agent}");
        }
    }
}
