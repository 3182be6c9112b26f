//! What a company or person submitted, as JSON: columns of equal length, the newest filing first; older ones in archives.

use std::collections::{BTreeMap, HashMap};

use feedspine_core::{Json, Namespace, Reject};

use super::EdgarPage;
use super::filing::Filing;
use super::words::{Accession, cik, day_as_told};
use crate::charset;
use crate::document::Input;
use crate::error::ParseError;
use crate::identity::excerpt_of;
use crate::json_items::read_whole;
use crate::limits::Limits;
use crate::warning::Warnings;

/// Columns that become members of the content which other lists have too.
const SHARED: [&str; 5] = ["accessionNumber", "form", "filingDate", "acceptanceDateTime", "items"];
/// What is known to be told of a filing here alone. A column that the SEC adds one day is no news of old filings.
const DETAILS: [&str; 9] = [
    "reportDate",
    "act",
    "fileNumber",
    "filmNumber",
    "size",
    "isXBRL",
    "isInlineXBRL",
    "primaryDocument",
    "primaryDocDescription",
];

/// Whose submissions they are.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgarCompany {
    cik: String,
    name: String,
}

/// A file with older submissions.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EdgarArchive {
    /// What it is called, beside the document that names it.
    pub name: String,
    /// How many filings it has and from which days, as it is written there.
    pub told: String,
}

/// A document of submissions, read.
#[derive(Debug, Clone)]
pub struct EdgarSubmissions {
    /// Its filings.
    pub page: EdgarPage,
    /// Whose they are; an archive does not tell.
    pub company: Option<EdgarCompany>,
    /// The archives that it names.
    pub archives: Vec<EdgarArchive>,
}

/// Reads the submissions of a company, or one of their archives; that one is read for the company that is given. Ordinals
/// begin with `first_ordinal`.
///
/// # Errors
/// It is something else.
pub fn read_edgar_submissions(
    input: &Input<'_>,
    namespace: &Namespace,
    company: Option<&EdgarCompany>,
    first_ordinal: u32,
    limits: &Limits,
) -> Result<EdgarSubmissions, ParseError> {
    let mut warnings = Warnings::default();
    let decoded = charset::decode(input.bytes, input.content_type, &mut warnings)?;
    let document = read_whole(decoded.text.trim_start_matches('\u{FEFF}'))?;
    let filings = document.get("filings");
    let recent = filings.and_then(|filings| filings.get("recent"));
    let Json::Object(columns) = recent.unwrap_or(&document) else { return Err(not_submissions()) };
    let company = read_company(&document).or_else(|| company.cloned()).or_else(|| input.base.and_then(company_of_name));
    let mut page = EdgarPage::default();
    let mut ordinal = first_ordinal;
    let table = Table::of(columns, limits, &mut warnings)?;
    for (accession, filing) in table.filings(company.as_ref(), &mut page, &mut ordinal) {
        match filing.candidate(accession, namespace, ordinal, &mut warnings) {
            Ok(candidate) => page.candidates.push(candidate),
            Err(reject) => page.rejects.push(reject),
        }
        ordinal = ordinal.saturating_add(1);
    }
    page.warnings = warnings.into_vec();
    let archives = match filings.and_then(|filings| filings.get("files")) {
        Some(Json::Array(files)) => files.iter().filter_map(read_archive).collect(),
        _ => Vec::new(),
    };
    Ok(EdgarSubmissions { page, company, archives })
}

fn not_submissions() -> ParseError {
    let found = "there is no list accessionNumber, nor filings.recent.accessionNumber".to_owned();
    ParseError::NotAList { wanted: "document of submissions", found }
}

fn read_company(document: &Json) -> Option<EdgarCompany> {
    let number = match document.get("cik")? {
        Json::String(text) => cik(text),
        Json::Number(number) => cik(number.as_str()),
        _ => None,
    };
    let name = document.get("name").and_then(Json::as_str).unwrap_or_default().to_owned();
    number.map(|cik| EdgarCompany { cik, name })
}

/// `CIK0000320193-submissions-001.json`
fn company_of_name(address: &str) -> Option<EdgarCompany> {
    let name = address.rsplit('/').next()?.strip_prefix("CIK")?;
    cik(name.get(..10)?).map(|cik| EdgarCompany { cik, name: String::new() })
}

fn read_archive(file: &Json) -> Option<EdgarArchive> {
    let name = file.get("name").and_then(Json::as_str)?;
    // It lies beside the document: what leads elsewhere is none.
    let is_beside = name.rsplit('.').next() == Some("json") && !name.contains(['/', '\\', '?', '#', ':']);
    let told = ["filingCount", "filingFrom", "filingTo"].map(|name| file.get(name).cloned().unwrap_or(Json::Null));
    is_beside.then(|| EdgarArchive { name: name.to_owned(), told: Json::Array(told.to_vec()).to_canonical() })
}

/// Columns by their names.
struct Table<'a> {
    columns: Vec<(&'a str, &'a [Json])>,
    rows: usize,
}

impl<'a> Table<'a> {
    fn of(columns: &'a BTreeMap<String, Json>, limits: &Limits, warnings: &mut Warnings) -> Result<Self, ParseError> {
        let Some(Json::Array(numbers)) = columns.get("accessionNumber") else { return Err(not_submissions()) };
        let rows = numbers.len();
        if rows > limits.items {
            return Err(ParseError::TooManyItems { limit: limits.items });
        }
        let mut read = Vec::new();
        for (name, column) in columns {
            match column {
                Json::Array(values) if values.len() == rows => read.push((name.as_str(), values.as_slice())),
                Json::Array(values) => warnings.add("edgar.columns", || {
                    format!("the column {} has {} values for {rows} filings", excerpt_of(name), values.len())
                }),
                _ => {}
            }
        }
        Ok(Self { columns: read, rows })
    }

    fn value(&self, name: &str, row: usize) -> Option<&'a Json> {
        self.columns.iter().find(|(held, _)| *held == name).map(|(_, values)| &values[row])
    }

    fn text(&self, name: &str, row: usize) -> Option<&'a str> {
        self.value(name, row).and_then(Json::as_str).map(str::trim).filter(|text| !text.is_empty())
    }

    /// The filings in the order of their first rows; rows without an accession number are rejected.
    fn filings(
        &self,
        company: Option<&EdgarCompany>,
        page: &mut EdgarPage,
        ordinal: &mut u32,
    ) -> Vec<(Accession, Filing)> {
        let mut filings: Vec<(Accession, Filing)> = Vec::new();
        let mut places: HashMap<Accession, usize> = HashMap::new();
        for row in 0..self.rows {
            let Some(accession) = self.text("accessionNumber", row).and_then(Accession::read) else {
                let told = self.columns.iter().map(|(name, values)| (*name, values[row].clone()));
                page.rejects.push(Reject {
                    ordinal: *ordinal,
                    key: None,
                    code: "key.missing".to_owned(),
                    reason: format!("filing {} of the document has no accession number", row + 1),
                    excerpt: excerpt_of(&Json::object(told).to_string()).to_owned(),
                });
                *ordinal = ordinal.saturating_add(1);
                continue;
            };
            let filing = self.filing(row, company);
            if let Some(place) = places.get(&accession) {
                filings[*place].1.join(filing);
            } else {
                places.insert(accession, filings.len());
                filings.push((accession, filing));
            }
        }
        filings
    }

    fn filing(&self, row: usize, company: Option<&EdgarCompany>) -> Filing {
        let items = self.text("items", row).unwrap_or_default().split(',').map(str::trim);
        let mut filing = Filing {
            forms: self.text("form", row).map(str::to_owned).into_iter().collect(),
            filed: self.text("filingDate", row).map(day_as_told),
            accepted: self.text("acceptanceDateTime", row).map(str::to_owned),
            items: items.filter(|item| !item.is_empty()).map(str::to_owned).collect(),
            ..Filing::default()
        };
        if let Some(EdgarCompany { cik, name }) = company {
            filing.party(cik.clone(), name, None);
        }
        let members = |wanted: &dyn Fn(&str) -> bool| {
            let told = self.columns.iter().filter(|(name, _)| wanted(name));
            Json::object(told.map(|(name, values)| (*name, values[row].clone())))
        };
        filing.further.push(("details", members(&|name| DETAILS.contains(&name))));
        let more = members(&|name| !DETAILS.contains(&name) && !SHARED.contains(&name));
        if more != Json::object::<&str>([]) {
            filing.further.push(("more", more));
        }
        filing
    }
}
