//! Tables as text: CSV, TSV and relatives, row by row, in memory that does not grow with the table.

mod header;
mod records;
mod sniff;
mod source;

use std::collections::{BTreeMap, BTreeSet};
use std::io::Read;
use std::sync::Arc;

use feedspine_core::{Candidate, Json, Reject};

use crate::identity::excerpt_of;
use crate::item::ItemRules;
use crate::scrap::{Context, Scrap};
use crate::warning::{Warning, Warnings};
use records::{Record, Scan};
use source::Source;

/// The most columns of a table.
const MOST_COLUMNS: usize = 4_096;
/// What a row, or the row of names, is called that has more.
const COLUMNS: &str = "csv.columns";
/// What a row is called in which a quote is opened and not closed.
const QUOTE: &str = "csv.quote";
/// The most bytes of a row: a quote that is never closed swallows no more.
const MOST_ROW_BYTES: usize = 16 * 1024 * 1024;

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
    /// More columns than are read.
    #[error("line {line}: more than {MOST_COLUMNS} columns")]
    Columns {
        /// The line, from 1.
        line: u64,
    },
    /// The names of its columns cannot be read, or are not what keys are made of.
    #[error("line {line}: {found}")]
    Header {
        /// The line, from 1.
        line: u64,
        /// What is wrong.
        found: String,
    },
}

impl TableError {
    /// A word for stores, JSON and tests, which never changes.
    pub const fn code(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "file.unreadable",
            Self::Empty => "feed.empty",
            Self::Encoding(_) => "encoding",
            Self::Columns { .. } => COLUMNS,
            Self::Header { .. } => "csv.header",
        }
    }

    /// What to do next.
    pub const fn hint(&self) -> &'static str {
        match self {
            Self::Unreadable(_) => "check that it is there and may be read",
            Self::Empty => "the source may be at fault; try again later",
            Self::Encoding(_) => "the option encoding names it, such as latin1",
            Self::Columns { .. } => "the option delimiter says what is between columns",
            Self::Header { .. } => {
                "the option column names the columns, once for each; delimiter says what is between them"
            }
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
    /// What they were read from, each whole; not of one that is longer than is kept.
    pub scraps: Vec<Scrap>,
    /// No row follows.
    pub last: bool,
}

/// A table under way.
#[derive(Debug)]
pub struct TableReader<R> {
    source: Source<R>,
    delimiter: u8,
    columns: Vec<String>,
    /// Names that the table gives to several columns: of these only the first has it here.
    doubled: BTreeSet<String>,
    context: Context,
    ordinal: u32,
    warnings: Warnings,
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
        let mut before = None;
        let (columns, doubled) = match &form.header {
            Header::Given(columns) => (columns.clone(), BTreeSet::new()),
            Header::FirstRow => {
                let first = match next_record(&mut source, delimiter, &mut warnings)? {
                    Next::Record(first) => first,
                    Next::Broken { line, code: COLUMNS, .. } => return Err(TableError::Columns { line }),
                    Next::Broken { line, found, .. } => return Err(TableError::Header { line, found }),
                    Next::End => return Err(TableError::Empty),
                };
                before = Some(Arc::from(source.taken(first.bytes)));
                header::names(&first, delimiter, &mut warnings)
            }
        };
        let context = Context { before, delimiter: Some(delimiter) };
        Ok(Self { source, delimiter, columns, doubled, context, ordinal: 0, warnings })
    }

    /// The names of the columns.
    pub fn columns(&self) -> &[String] {
        &self.columns
    }

    /// Whether the table gives that name to several columns: nobody knows which is meant.
    pub fn is_doubled(&self, name: &str) -> bool {
        self.doubled.contains(name)
    }

    /// Reads rows until there are so many, or so many bytes of them. A row that is too long or too wide costs itself. One with
    /// a quote that is not closed is the last: where it ends, and the next begins, nobody knows.
    ///
    /// # Errors
    /// The bytes cannot be read on.
    pub fn read_rows(&mut self, rules: &ItemRules, most: usize, most_bytes: usize) -> Result<TablePage, TableError> {
        let mut page = TablePage::default();
        let mut bytes = 0;
        while page.candidates.len() + page.rejects.len() < most && bytes < most_bytes {
            let (line, rejected, text) = match next_record(&mut self.source, self.delimiter, &mut self.warnings)? {
                Next::End => {
                    page.last = true;
                    break;
                }
                Next::Record(record) => {
                    let (line, length) = (record.line, record.bytes);
                    bytes += length;
                    match self.row(record, rules) {
                        Ok(candidate) => {
                            page.candidates.push(candidate);
                            self.ordinal = self.ordinal.saturating_add(1);
                            continue;
                        }
                        Err(reject) => (line, reject, Some(self.source.taken(length).to_owned())),
                    }
                }
                Next::Broken { line, code, found, text } => {
                    page.last = code == QUOTE;
                    bytes += text.as_ref().map_or(MOST_ROW_BYTES, String::len);
                    let reason = format!("line {line}: {found}");
                    (line, self.reject(code, reason, text.as_deref().unwrap_or_default()), text)
                }
            };
            let scrap = |text| Scrap { ordinal: self.ordinal, line, context: self.context.clone(), text };
            page.scraps.extend(text.map(scrap));
            page.rejects.push(rejected);
            self.ordinal = self.ordinal.saturating_add(1);
            if page.last {
                break;
            }
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

    fn reject(&self, code: &str, reason: String, excerpt: &str) -> Reject {
        let (code, excerpt) = (code.to_owned(), excerpt_of(excerpt).to_owned());
        Reject { ordinal: self.ordinal, key: None, code, reason, excerpt }
    }

    fn row(&mut self, record: Record, rules: &ItemRules) -> Result<Candidate, Reject> {
        let (line, count) = (record.line, record.fields.len());
        if count != self.columns.len() {
            let excerpt = record.fields.join(&char::from(self.delimiter).to_string());
            let reason = format!("line {line}: {count} fields for {} columns", self.columns.len());
            return Err(self.reject("csv.ragged", reason, &excerpt));
        }
        let members: BTreeMap<String, Json> =
            self.columns.iter().cloned().zip(record.fields.into_iter().map(Json::from)).collect();
        rules.candidate(self.ordinal, Json::Object(members), &mut self.warnings).map_err(|mut reject| {
            reject.reason = format!("line {line}: {}", reject.reason);
            reject
        })
    }
}

/// Reads a row again that was rejected, as a table of its own; `None` when it holds none now.
pub fn read_row_again(form: &TableForm, rules: &ItemRules, scrap: &Scrap) -> Option<Result<Candidate, Reject>> {
    let Context { before, delimiter } = &scrap.context;
    let before = before.as_deref().filter(|_| form.header == Header::FirstRow).unwrap_or_default();
    // It was decoded when it was read first: a mark says so.
    let table = ["\u{FEFF}", before, &scrap.text].concat();
    let form = TableForm { delimiter: form.delimiter.or(*delimiter), encoding: None, ..form.clone() };
    let read = TableReader::begin(table.as_bytes(), &form).and_then(|mut reader| {
        reader.source.number_lines_from(scrap.line);
        reader.number_from(scrap.ordinal);
        reader.read_rows(rules, usize::MAX, usize::MAX)
    });
    let reject = |code: &str, reason: String| Reject {
        ordinal: scrap.ordinal,
        key: None,
        code: code.to_owned(),
        reason: format!("line {}: {reason}", scrap.line),
        excerpt: excerpt_of(&scrap.text).to_owned(),
    };
    match read {
        Ok(mut page) => match (page.candidates.pop(), page.rejects.pop()) {
            (None, None) => None,
            (Some(only), None) if page.candidates.is_empty() => Some(Ok(only)),
            (None, Some(only)) if page.rejects.is_empty() => Some(Err(only)),
            _ => Some(Err(reject("csv.rows", "it is read as several rows now".to_owned()))),
        },
        Err(TableError::Header { found, .. }) => Some(Err(reject("csv.header", found))),
        Err(error) => Some(Err(reject(error.code(), error.to_string()))),
    }
}

/// What comes next in a table.
enum Next {
    Record(Record),
    /// A row that cannot be read; its first line was taken, and is told unless it is longer than is kept.
    Broken {
        line: u64,
        code: &'static str,
        found: String,
        text: Option<String>,
    },
    End,
}

/// The next row that is not blank.
fn next_record<R: Read>(source: &mut Source<R>, delimiter: u8, warnings: &mut Warnings) -> Result<Next, TableError> {
    const MIB: usize = MOST_ROW_BYTES / (1024 * 1024);
    loop {
        let line = source.line();
        let is_too_long = source.text().len() > MOST_ROW_BYTES;
        let (code, found) = match records::scan(source.text(), source.at_end(), delimiter, warnings) {
            Scan::Record { fields, bytes, lines } => {
                let blank = matches!(fields.as_slice(), [only] if only.is_empty());
                source.take(bytes, lines);
                if !blank {
                    return Ok(Next::Record(Record { line, bytes, fields }));
                }
                continue;
            }
            Scan::End => return Ok(Next::End),
            Scan::More { quoted: true } if is_too_long => {
                (QUOTE, format!("a quote is opened and not closed within {MIB} MiB; nothing behind it is read"))
            }
            Scan::More { quoted: false } if is_too_long => {
                ("csv.too_long", format!("the row is longer than {MIB} MiB"))
            }
            Scan::More { .. } => {
                source.fill()?;
                continue;
            }
            Scan::TooManyColumns => (COLUMNS, format!("more than {MOST_COLUMNS} columns")),
            Scan::OpenQuote => (QUOTE, "a quote is opened and not closed; nothing behind it is read".to_owned()),
        };
        // What is too long or too wide is taken to end with its line.
        let text = source.take_line(MOST_ROW_BYTES)?;
        return Ok(Next::Broken { line, code, found, text });
    }
}

#[cfg(test)]
mod tests;
