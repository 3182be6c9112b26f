//! The indexes, of a day or of a quarter: a line for each filing and party, `CIK|Company Name|Form Type|Date Filed|File Name`.

use std::cmp::Reverse;

use feedspine_core::{Namespace, Reject};

use super::EdgarPage;
use super::filing::Filing;
use super::words::{Accession, cik, day};
use crate::charset;
use crate::document::Input;
use crate::error::ParseError;
use crate::identity::excerpt_of;
use crate::warning::Warnings;

/// How the line begins behind which the filings are.
const HEADER: &str = "CIK|Company Name|Form Type|Date Filed|";

/// An index: its text, and where in it each filing is. The lines of one filing lie far apart: they are by company.
#[derive(Debug)]
pub struct EdgarIndex {
    text: String,
    /// By filing, then in the order of the index.
    lines: Vec<Line>,
    /// The newest first, each with its place in `lines`.
    filings: Vec<Group>,
    given: usize,
    first_ordinal: u32,
    rejects: Vec<Reject>,
    warnings: Warnings,
}

#[derive(Debug, Clone, Copy)]
struct Line {
    accession: Accession,
    /// Its day as a number, to order by.
    filed: u32,
    start: usize,
    end: usize,
}

#[derive(Debug, Clone, Copy)]
struct Group {
    /// The latest of its lines' days.
    filed: u32,
    first: usize,
    count: usize,
}

/// The fields of a line.
struct Fields<'a> {
    cik: String,
    name: &'a str,
    form: &'a str,
    filed: String,
    accession: Accession,
}

impl EdgarIndex {
    /// Reads an index, whose filings have ordinals from `first_ordinal` on.
    ///
    /// # Errors
    /// It is something else: the indexes by form and by company have no marks between their fields.
    pub fn read(input: &Input<'_>, first_ordinal: u32) -> Result<Self, ParseError> {
        let mut warnings = Warnings::default();
        let text = charset::decode(input.bytes, input.content_type, &mut warnings)?.text.into_owned();
        let mut index = Self {
            lines: Vec::new(),
            filings: Vec::new(),
            given: 0,
            first_ordinal,
            rejects: Vec::new(),
            warnings,
            text: String::new(),
        };
        index.find_lines(&text)?;
        index.text = text;
        index.group();
        Ok(index)
    }

    /// How many filings and rejects it has.
    pub fn count(&self) -> usize {
        self.filings.len() + self.rejects.len()
    }

    /// The next filings, at most so many, and whether there are no more. Their ordinals go on over all pages.
    pub fn next_page(&mut self, namespace: &Namespace, most: usize) -> (EdgarPage, bool) {
        let mut page = EdgarPage::default();
        let upto = self.filings.len().min(self.given.saturating_add(most));
        for group in &self.filings[self.given..upto] {
            let lines = &self.lines[group.first..group.first + group.count];
            let ordinal = self.ordinal(self.given + page.candidates.len() + page.rejects.len());
            let mut filing = Filing::default();
            for line in lines {
                let fields = fields(&self.text[line.start..line.end]).expect("a line that was read reads again");
                filing.filed = filing.filed.take().max(Some(fields.filed));
                filing.forms.insert(fields.form.to_owned());
                filing.party(fields.cik, fields.name, None);
            }
            match filing.candidate(lines[0].accession, namespace, ordinal, &mut self.warnings) {
                Ok(candidate) => page.candidates.push(candidate),
                Err(reject) => page.rejects.push(reject),
            }
        }
        self.given = upto;
        let last = upto == self.filings.len();
        if last {
            page.rejects.append(&mut self.rejects);
            page.warnings = std::mem::take(&mut self.warnings).into_vec();
        }
        (page, last)
    }

    fn find_lines(&mut self, text: &str) -> Result<(), ParseError> {
        let (mut at, mut in_filings) = (0, false);
        for (number, whole) in (1_usize..).zip(text.split_inclusive('\n')) {
            let (start, line) = (at, whole.trim_end());
            at += whole.len();
            if !in_filings {
                in_filings = line.get(..HEADER.len()).is_some_and(|begin| begin.eq_ignore_ascii_case(HEADER));
                continue;
            }
            if line.is_empty() || line.bytes().all(|byte| byte == b'-') {
                continue;
            }
            match fields(line) {
                Ok(fields) => {
                    let filed = fields.filed.replace('-', "").parse().unwrap_or(0);
                    self.lines.push(Line { accession: fields.accession, filed, start, end: start + line.len() });
                }
                Err(found) => self.rejects.push(Reject {
                    ordinal: 0,
                    key: None,
                    code: "edgar.line".to_owned(),
                    reason: format!("line {number}: {found}"),
                    excerpt: excerpt_of(line).to_owned(),
                }),
            }
        }
        if in_filings {
            return Ok(());
        }
        let found = if text.trim().is_empty() {
            return Err(ParseError::Empty { found: "there is no text in it" });
        } else if text.contains("Form Type") {
            "an index whose fields have no marks between them: the one that is read is called master.idx".to_owned()
        } else {
            format!("there is no line {HEADER}File Name")
        };
        Err(ParseError::NotAList { wanted: "master index of EDGAR", found })
    }

    fn group(&mut self) {
        self.lines.sort_by_key(|line| line.accession);
        let mut first = 0;
        for lines in self.lines.chunk_by(|a, b| a.accession == b.accession) {
            let filed = lines.iter().map(|line| line.filed).max().unwrap_or(0);
            self.filings.push(Group { filed, first, count: lines.len() });
            first += lines.len();
        }
        self.filings.sort_by_key(|group| Reverse((group.filed, self.lines[group.first].accession)));
        let behind = self.ordinal(self.filings.len());
        for (reject, ordinal) in self.rejects.iter_mut().zip(behind..) {
            reject.ordinal = ordinal;
        }
    }

    fn ordinal(&self, place: usize) -> u32 {
        self.first_ordinal.saturating_add(u32::try_from(place).unwrap_or(u32::MAX))
    }
}

/// Reads a line; a name may hold the mark between the fields.
fn fields(line: &str) -> Result<Fields<'_>, &'static str> {
    const FIVE: &str = "it has no five fields with | between them";
    let (number, rest) = line.split_once('|').ok_or(FIVE)?;
    let mut from_the_end = rest.rsplitn(4, '|');
    let mut next = || from_the_end.next().ok_or(FIVE);
    let (path, date, form, name) = (next()?, next()?, next()?, next()?);
    Ok(Fields {
        cik: cik(number).ok_or("its first field is no CIK")?,
        name: name.trim(),
        form: form.trim(),
        filed: day(date).ok_or("its date is no day")?,
        accession: Accession::of_path(path.trim()).ok_or("its file's name is no accession number")?,
    })
}
