//! Tables as text: CSV, TSV and relatives, row by row, in memory that does not grow with the table.

mod records;
mod sniff;
mod source;

use std::collections::BTreeMap;
use std::io::Read;

use feedspine_core::{Candidate, Json, Reject};

use crate::identity::excerpt_of;
use crate::item::ItemRules;
use crate::warning::{Warning, Warnings};
use records::{Record, Scan};
use source::Source;

/// The most columns of a table.
const MOST_COLUMNS: usize = 4_096;
/// The most bytes of a field: a quote that is never closed swallows no more.
const MOST_FIELD_BYTES: usize = 1024 * 1024;

/// How a table is written; what is not said is found out from its beginning.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct TableForm {
    /// The byte between fields, of ASCII.
    pub delimiter: Option<u8>,
    /// Where the columns' names are.
    pub header: Header,
    /// A WHATWG label, such as `latin1`.
    pub encoding: Option<String>,
}

/// Where the columns' names are.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub enum Header {
    /// In the first row.
    #[default]
    FirstRow,
    /// Here; the first row holds data.
    Given(Vec<String>),
}

/// Why a table is not read on.
#[derive(Debug, thiserror::Error)]
pub enum TableError {
    /// Its bytes could not be read.
    #[error("cannot be read: {0}")]
    Unreadable(#[from] std::io::Error),
    /// There is no row.
    #[error("the table is empty")]
    Empty,
    /// No encoding has that name, or the bytes are in one that is not read.
    #[error("the text cannot be decoded: {0}")]
    Encoding(String),
    /// The names of its columns are not one for each.
    #[error("line {line}: {found}")]
    Header {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        found: String,
    },
    /// Too many columns.
    #[error("line {line}: more than {MOST_COLUMNS} columns")]
    Columns {
        /// The line, from 1.
        line: u64,
    },
    /// A quote that is never closed: where its field ends nobody knows, nor where the next row begins.
    #[error("line {line}: a quote is opened and not closed")]
    Quote {
        /// The line of the quote's row, from 1.
        line: u64,
    },
}

impl TableError {
    /// A word for stores, JSON and tests, which never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "file.unreadable",
            Self::Empty => "feed.empty",
            Self::Encoding(_) => "encoding",
            Self::Header { .. } => "csv.header",
            Self::Columns { .. } => "csv.columns",
            Self::Quote { .. } => "csv.quote",
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check that it is there and may be read",
            Self::Empty => "the source may be at fault; try again later",
            Self::Encoding(_) => "the option encoding names it, such as latin1",
            Self::Header { .. } => {
                "the option column names the columns, once for each; delimiter says what is between them"
            }
            Self::Columns { .. } => "the option delimiter says what is between columns",
            Self::Quote { .. } => "the rows before it were read; the table is at fault there",
        }
    }
}

/// Some rows of a table.
#[derive(Debug, Clone, Default)]
pub struct TablePage {
    /// The rows that can be stored.
    pub candidates: Vec<Candidate>,
    /// Those that cannot.
    pub rejects: Vec<Reject>,
    /// No row follows.
    pub last: bool,
}

/// A table under way.
#[derive(Debug)]
pub struct TableReader<R> {
    source: Source<R>,
    delimiter: u8,
    columns: Vec<String>,
    ordinal: u32,
    warnings: Warnings,
    /// Why it cannot be read on, told once the rows before are.
    broken: Option<TableError>,
}

impl<R: Read> TableReader<R> {
    /// Reads a table's beginning: its encoding, its delimiter, its columns.
    ///
    /// # Errors
    /// It has none that can be read.
    pub fn begin(source: R, form: &TableForm) -> Result<Self, TableError> {
        let mut warnings = Warnings::default();
        let mut source = Source::begin(source, form.encoding.as_deref(), &mut warnings)?;
        let delimiter = form.delimiter.unwrap_or_else(|| sniff::delimiter(source.text()));
        let columns = match &form.header {
            Header::Given(columns) => columns.clone(),
            Header::FirstRow => {
                let first = next_record(&mut source, delimiter, &mut warnings)?.ok_or(TableError::Empty)?;
                let columns: Vec<String> = first.fields.iter().map(|name| name.trim().to_owned()).collect();
                check_columns(&columns, first.line, delimiter)?;
                columns
            }
        };
        Ok(Self { source, delimiter, columns, ordinal: 0, warnings, broken: None })
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Reads rows until there are so many, or so many bytes of them.
    ///
    /// # Errors
    /// The table cannot be read on; the rows before were in the page before.
    pub fn read_rows(&mut self, rules: &ItemRules, most: usize, most_bytes: usize) -> Result<TablePage, TableError> {
        if let Some(error) = self.broken.take() {
            return Err(error);
        }
        let mut page = TablePage::default();
        let mut bytes = 0;
        while page.candidates.len() + page.rejects.len() < most && bytes < most_bytes {
            let record = match next_record(&mut self.source, self.delimiter, &mut self.warnings) {
                Ok(Some(record)) => record,
                Ok(None) => {
                    page.last = true;
                    break;
                }
                Err(error) if page.candidates.is_empty() && page.rejects.is_empty() => return Err(error),
                Err(error) => {
                    self.broken = Some(error);
                    break;
                }
            };
            bytes += record.bytes;
            match self.row(record, rules) {
                Ok(candidate) => page.candidates.push(candidate),
                Err(reject) => page.rejects.push(reject),
            }
            self.ordinal = self.ordinal.saturating_add(1);
        }
        Ok(page)
    }

    /// Gives the next row that ordinal, for a table that is not the first of its document.
    pub fn number_from(&mut self, ordinal: u32) {
        self.ordinal = ordinal;
    }

    /// The ordinal of the next row.
    pub fn next_ordinal(&self) -> u32 {
        self.ordinal
    }

    /// What was odd since this was asked last.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        self.source.warn(&mut self.warnings);
        std::mem::take(&mut self.warnings).into_vec()
    }

    fn row(&mut self, record: Record, rules: &ItemRules) -> Result<Candidate, Reject> {
        let (line, count) = (record.line, record.fields.len());
        if count != self.columns.len() {
            let excerpt = record.fields.join(&char::from(self.delimiter).to_string());
            return Err(Reject {
                ordinal: self.ordinal,
                key: None,
                code: "csv.ragged".to_owned(),
                reason: format!("line {line}: {count} fields for {} columns", self.columns.len()),
                excerpt: excerpt_of(&excerpt).to_owned(),
            });
        }
        let members: BTreeMap<String, Json> =
            self.columns.iter().cloned().zip(record.fields.into_iter().map(Json::from)).collect();
        rules.candidate(self.ordinal, Json::Object(members), &mut self.warnings).map_err(|mut reject| {
            reject.reason = format!("line {line}: {}", reject.reason);
            reject
        })
    }
}

fn check_columns(columns: &[String], line: u64, delimiter: u8) -> Result<(), TableError> {
    let wrong = |found: String| Err(TableError::Header { line, found });
    let between = char::from(delimiter);
    for (at, name) in columns.iter().enumerate() {
        if name.is_empty() {
            return wrong(format!("column {} has no name (the delimiter is {between:?})", at + 1));
        }
        if columns[..at].contains(name) {
            return wrong(format!("two columns are called {name:?} (the delimiter is {between:?})"));
        }
    }
    Ok(())
}

/// The next row that is not blank; `None` after the last.
fn next_record<R: Read>(
    source: &mut Source<R>,
    delimiter: u8,
    warnings: &mut Warnings,
) -> Result<Option<Record>, TableError> {
    loop {
        let line = source.line();
        let scanned = records::scan(source.text(), source.at_end(), delimiter, warnings);
        match scanned {
            Scan::Record { fields, bytes, lines } => {
                let blank = matches!(fields.as_slice(), [only] if only.is_empty());
                source.take(bytes, lines);
                if !blank {
                    return Ok(Some(Record { line, bytes, fields }));
                }
            }
            Scan::More => source.fill()?,
            Scan::End => return Ok(None),
            Scan::TooManyColumns => return Err(TableError::Columns { line }),
            Scan::OpenQuote => return Err(TableError::Quote { line }),
        }
    }
}

#[cfg(test)]
mod tests;
