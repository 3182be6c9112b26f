//! Items that come line by line: JSON lines, and what a Singer tap prints. Pieces of any size go in; what is held does not
//! grow with what went before.

mod cut;
mod singer;

use feedspine_core::{Candidate, Json, JsonError, Reject};

use crate::identity::excerpt_of;
use crate::item::ItemRules;
use crate::scrap::{Context, Scrap};
use crate::warning::{Warning, Warnings};
use cut::{Cutter, Line};
use singer::{Message, Streams};

/// What a line is.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum LineForm {
    /// A JSON object, which is an item.
    Json,
    /// A message of the Singer protocol: `SCHEMA`, `RECORD`, `STATE`.
    Singer,
}

/// What was read of some lines.
#[derive(Debug, Clone, Default)]
pub struct LinePage {
    /// The items that can be stored, in the order of their lines.
    pub candidates: Vec<Candidate>,
    /// Those that cannot, each with its line in the reason.
    pub rejects: Vec<Reject>,
    /// The lines that they were read from; not of one that is no text, or too long.
    pub scraps: Vec<Scrap>,
    /// The last state that a tap told, when it told one: all items before it were told.
    pub state: Option<Json>,
    /// The last line that was read, from 1; 0 before the first.
    pub line: u64,
}

/// Reads lines.
#[derive(Debug)]
pub struct LineReader {
    cutter: Cutter,
    reading: Reading,
}

/// All but the bytes that are no line yet.
#[derive(Debug)]
struct Reading {
    rules: ItemRules,
    streams: Option<Streams>,
    ordinal: u32,
    page: LinePage,
    warnings: Warnings,
}

impl LineReader {
    /// A reader whose first item has that ordinal.
    pub fn new(form: &LineForm, rules: ItemRules, first_ordinal: u32) -> Self {
        let streams = (*form == LineForm::Singer).then(Streams::default);
        let (page, warnings) = (LinePage::default(), Warnings::default());
        Self { cutter: Cutter::default(), reading: Reading { rules, streams, ordinal: first_ordinal, page, warnings } }
    }

    /// Reads the lines that end in this piece.
    pub fn push(&mut self, piece: &[u8]) {
        let reading = &mut self.reading;
        self.cutter.push(piece, |number, line| reading.line(number, line));
    }

    /// Reads the last line, when it has no end.
    pub fn end(&mut self) {
        let reading = &mut self.reading;
        self.cutter.end(|number, line| reading.line(number, line));
    }

    /// How many items were read since the last page.
    pub fn waiting(&self) -> usize {
        self.reading.page.candidates.len() + self.reading.page.rejects.len()
    }

    /// What was read since the last page.
    pub fn take_page(&mut self) -> LinePage {
        LinePage { line: self.cutter.ended(), ..std::mem::take(&mut self.reading.page) }
    }

    /// The ordinal of the next item.
    pub fn next_ordinal(&self) -> u32 {
        self.reading.ordinal
    }

    /// What was odd since this was asked last.
    pub fn take_warnings(&mut self) -> Vec<Warning> {
        std::mem::take(&mut self.reading.warnings).into_vec()
    }
}

impl Reading {
    fn line(&mut self, number: u64, line: Line<'_>) {
        match line {
            Line::Text(text) if text.trim().is_empty() => {}
            Line::Text(text) => match Json::parse(text) {
                Ok(value) => self.value(number, text, value),
                Err(error) => {
                    self.keep(number, text, Context::default());
                    self.reject(broken_line(self.ordinal, number, &error, text));
                }
            },
            Line::Undecodable(beginning) => {
                self.fault(number, "encoding.undecodable", "it is not in UTF-8", &beginning);
            }
            Line::TooLong(beginning) => self.fault(number, "line.too_long", "it is longer than 16 MiB", &beginning),
        }
    }

    fn value(&mut self, number: u64, text: &str, value: Json) {
        let Some(streams) = &mut self.streams else {
            let made = self.rules.take(self.ordinal, value, &mut self.warnings);
            return self.made(number, text, Context::default(), made);
        };
        match streams.read(text, value, &self.rules, &mut self.warnings) {
            Message::Record { stream, item } => {
                let made = stream.rules.take(self.ordinal, item, &mut self.warnings);
                let context = Context { before: Some(stream.told.clone()), delimiter: None };
                self.made(number, text, context, made);
            }
            Message::State(state) => self.page.state = Some(state),
            Message::Nothing => {}
            Message::Wrong { code, reason, told } => {
                self.keep(number, text, Context { before: told, delimiter: None });
                self.fault(number, code, &reason, text);
            }
        }
    }

    fn made(&mut self, number: u64, text: &str, context: Context, made: Result<Candidate, Reject>) {
        match made {
            Ok(candidate) => {
                self.page.candidates.push(candidate);
                self.ordinal = self.ordinal.saturating_add(1);
            }
            Err(reject) => {
                self.keep(number, text, context);
                self.reject(Reject { reason: format!("line {number}: {}", reject.reason), ..reject });
            }
        }
    }

    /// Keeps the line that is rejected next.
    fn keep(&mut self, line: u64, text: &str, context: Context) {
        self.page.scraps.push(Scrap { ordinal: self.ordinal, line, context, text: text.to_owned() });
    }

    fn fault(&mut self, number: u64, code: &str, found: &str, line: &str) {
        let (code, reason) = (code.to_owned(), format!("line {number}: {found}"));
        self.reject(Reject { ordinal: self.ordinal, key: None, code, reason, excerpt: excerpt_of(line).to_owned() });
    }

    fn reject(&mut self, reject: Reject) {
        self.page.rejects.push(reject);
        self.ordinal = self.ordinal.saturating_add(1);
    }
}

/// Reads a line again that was rejected, as if it stood alone; `None` when it is no item now.
pub fn read_line_again(form: &LineForm, rules: &ItemRules, scrap: &Scrap) -> Option<Result<Candidate, Reject>> {
    let mut reader = LineReader::new(form, rules.clone(), scrap.ordinal);
    if let Some(before) = &scrap.context.before {
        reader.reading.line(scrap.line, Line::Text(before));
        reader.take_page();
        reader.reading.ordinal = scrap.ordinal;
    }
    reader.reading.line(scrap.line, Line::Text(&scrap.text));
    let LinePage { mut candidates, mut rejects, .. } = reader.take_page();
    candidates.pop().map(Ok).or_else(|| rejects.pop().map(Err))
}

/// A line that is not JSON we keep.
pub(crate) fn broken_line(ordinal: u32, number: u64, error: &JsonError, line: &str) -> Reject {
    let code = match error {
        JsonError::Surrogate { .. } => "json.surrogate",
        JsonError::Depth { .. } => "json.depth",
        JsonError::Syntax { .. } => "json.syntax",
    };
    let (code, reason) = (code.to_owned(), format!("line {number}: {error}"));
    Reject { ordinal, key: None, code, reason, excerpt: excerpt_of(line).to_owned() }
}

#[cfg(test)]
mod tests;
