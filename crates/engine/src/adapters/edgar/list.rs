//! [`EdgarList`]: which of EDGAR's lists is at an address.

use url::Url;

use crate::Address;

/// A list of filings.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum EdgarList {
    /// What was accepted just now, as Atom.
    Current,
    /// A folder with an index of each day.
    Daily,
    /// One index: of a quarter, or of a day.
    Index,
    /// What a company or person submitted, as JSON.
    Submissions,
}

impl EdgarList {
    /// The option that names it.
    pub(crate) const OPTION: &str = "list";
    pub(crate) const ALL: [Self; 4] = [Self::Current, Self::Daily, Self::Index, Self::Submissions];

    /// The word of the option.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Current => "current",
            Self::Daily => "daily",
            Self::Index => "index",
            Self::Submissions => "submissions",
        }
    }

    /// The list of that word.
    pub(crate) fn named(word: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|list| list.as_str() == word)
    }

    /// The list that such an address has; `None` when it does not tell.
    pub(crate) fn at(address: &Address) -> Option<Self> {
        let (path, is_current) = match address {
            Address::Http(url) => (url.path().to_owned(), asks_for_current(url)),
            Address::File(path) => (path.to_string_lossy().into_owned(), false),
            Address::Command(_) | Address::Push(_) => return None,
        };
        let name = path.rsplit('/').next().unwrap_or_default();
        let is_index = name.split('.').any(|part| part == "idx") || name == "master.gz";
        if is_current {
            Some(Self::Current)
        } else if is_index {
            Some(Self::Index)
        } else if path.contains("/daily-index") {
            Some(Self::Daily)
        } else if name.starts_with("CIK") && name.rsplit('.').next() == Some("json") {
            Some(Self::Submissions)
        } else {
            None
        }
    }

    /// What to call a feed of it.
    pub(crate) fn suggested_name(self, address: &Address) -> String {
        let path = match address {
            Address::Http(url) => url.path().to_owned(),
            other => other.to_string(),
        };
        let mut names = path.rsplit('/');
        let file = names.next().unwrap_or_default();
        match (self, names.next(), names.next()) {
            (Self::Index, Some(quarter), Some(year)) if quarter.starts_with("QTR") && !path.contains("daily-index") => {
                format!("sec-{year}-{}", quarter.to_lowercase())
            }
            (Self::Index, ..) => format!("sec-{}", file.trim_end_matches(".gz").trim_end_matches(".idx")),
            (Self::Submissions, ..) => {
                let number = file.trim_start_matches("CIK").trim_start_matches('0').trim_end_matches(".json");
                format!("sec-{number}")
            }
            _ => format!("sec-{}", self.as_str()),
        }
    }
}

fn asks_for_current(url: &Url) -> bool {
    url.query_pairs().any(|(name, value)| name.eq_ignore_ascii_case("action") && value == "getcurrent")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_address_tells_which_list_it_has_and_what_to_call_it() {
        for (address, told) in [
            (
                "https://www.sec.gov/cgi-bin/browse-edgar?action=getcurrent&output=atom",
                Some((EdgarList::Current, "sec-current")),
            ),
            ("https://www.sec.gov/Archives/edgar/daily-index/", Some((EdgarList::Daily, "sec-daily"))),
            ("https://www.sec.gov/Archives/edgar/daily-index/2026/QTR4/", Some((EdgarList::Daily, "sec-daily"))),
            (
                "https://www.sec.gov/Archives/edgar/daily-index/2026/QTR4/master.20261124.idx",
                Some((EdgarList::Index, "sec-master.20261124")),
            ),
            (
                "https://www.sec.gov/Archives/edgar/full-index/2026/QTR3/master.idx",
                Some((EdgarList::Index, "sec-2026-qtr3")),
            ),
            ("https://www.sec.gov/Archives/edgar/full-index/master.gz", Some((EdgarList::Index, "sec-master"))),
            ("https://data.sec.gov/submissions/CIK0000320193.json", Some((EdgarList::Submissions, "sec-320193"))),
            ("/data/CIK0000320193-submissions-001.json", Some((EdgarList::Submissions, "sec-320193-submissions-001"))),
            ("https://www.sec.gov/cgi-bin/browse-edgar?action=getcompany", None),
            ("/data/current.xml", None),
        ] {
            let address = address.parse().unwrap();
            let list = EdgarList::at(&address);
            let named = list.map(|list| (list, list.suggested_name(&address)));
            assert_eq!(named, told.map(|(list, name)| (list, name.to_owned())), "{address}");
        }
    }
}
