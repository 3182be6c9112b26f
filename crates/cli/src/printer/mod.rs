//! [`Printer`]: the only place that prints. Data goes to stdout, all else to stderr.

mod progress;
mod table;
mod text;

use std::io::{self, IsTerminal, Write};
use std::sync::{Mutex, MutexGuard, PoisonError};

use feedspine::OpError;
use feedspine::core::Json;
use feedspine::ops::ToJson;

use crate::secrets::without_passwords;
use progress::Progress;
pub(crate) use table::{Set, Table};
pub(crate) use text::clean_json;
pub(crate) use text::{Line, Style, excerpt, wrap};

/// When colours are used.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default, clap::ValueEnum)]
pub(crate) enum ColorChoice {
    /// On a terminal, unless the environment asks for none.
    #[default]
    Auto,
    /// Always.
    Always,
    /// Never.
    Never,
}

/// How much is told on stderr.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Verbosity {
    /// Errors only.
    Quiet,
    /// What is to be noted.
    Normal,
    /// Details, and what the engine logs.
    Verbose,
}

/// In which form data is written.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Format {
    /// For people.
    Text,
    /// One JSON document.
    Json,
}

/// What a [`Printer`] is told to be.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Manner {
    pub(crate) format: Format,
    pub(crate) verbosity: Verbosity,
    pub(crate) color: ColorChoice,
}

/// Prints.
#[derive(Debug)]
pub(crate) struct Printer {
    manner: Manner,
    data: Stream,
    rest: Stream,
    progress: Mutex<Option<Progress>>,
}

#[derive(Debug)]
struct Stream {
    terminal: bool,
    coloured: bool,
    /// Why nothing more can be written. A closed pipe is no failure: the reader has seen enough.
    ended: Mutex<Option<io::Error>>,
}

impl Stream {
    fn new(color: ColorChoice, terminal: bool) -> Self {
        let set = |name: &str| std::env::var_os(name).is_some_and(|value| !value.is_empty());
        let dumb = std::env::var_os("TERM").is_some_and(|term| term == "dumb");
        let coloured = match color {
            ColorChoice::Always => true,
            ColorChoice::Never => false,
            ColorChoice::Auto => terminal && !dumb && !set("NO_COLOR"),
        };
        Self { terminal, coloured, ended: Mutex::new(None) }
    }

    fn write(&self, to: &mut dyn Write, text: &str) {
        self.write_bytes(to, text.as_bytes());
    }

    fn write_bytes(&self, to: &mut dyn Write, bytes: &[u8]) {
        let mut ended = lock(&self.ended);
        if ended.is_none() {
            *ended = to.write_all(bytes).and_then(|()| to.flush()).err();
        }
    }
}

impl Printer {
    /// A printer to this process's stdout and stderr.
    pub(crate) fn new(manner: Manner) -> Self {
        let data = Stream::new(manner.color, io::stdout().is_terminal());
        let rest = Stream::new(manner.color, io::stderr().is_terminal());
        Self { manner, data, rest, progress: Mutex::new(None) }
    }

    /// In which form data is wanted.
    pub(crate) fn format(&self) -> Format {
        self.manner.format
    }

    /// How many columns lines of data may take; `None` when they are piped: then nothing is cut.
    pub(crate) fn width(&self) -> Option<usize> {
        let columns = || terminal_size::terminal_size_of(io::stdout()).map_or(80, |(width, _)| usize::from(width.0));
        self.data.terminal.then(columns)
    }

    /// Whether what is no data is coloured.
    pub(crate) fn notes_are_coloured(&self) -> bool {
        self.rest.coloured
    }

    /// Writes an answer: by its JSON form, or as `lines` makes it.
    pub(crate) fn answer(&self, answer: &impl ToJson, lines: impl FnOnce() -> Vec<Line>) {
        match self.manner.format {
            Format::Json => self.json(&answer.to_json()),
            Format::Text => self.lines(&lines()),
        }
    }

    /// Writes one JSON document.
    pub(crate) fn json(&self, document: &Json) {
        self.write_data(&(clean_json(&document.to_string()) + "\n"));
    }

    /// Writes lines of data.
    pub(crate) fn lines(&self, lines: &[Line]) {
        for line in lines {
            self.line(line);
        }
    }

    /// Writes one line of data.
    pub(crate) fn line(&self, line: &Line) {
        self.write_data(&(line.render(self.data.coloured) + "\n"));
    }

    /// Writes a text that is in its own form already, and drives no terminal.
    pub(crate) fn text(&self, text: &str) {
        self.write_data(text);
    }

    /// Writes data that is in its own form already, and that no terminal is meant to read.
    pub(crate) fn raw(&self) -> Raw<'_> {
        Raw(self)
    }

    /// Notes something that is no data, for people: whoever asked for JSON gets nothing on stderr but errors.
    pub(crate) fn note(&self, line: impl Into<Line>) {
        if self.manner.verbosity >= Verbosity::Normal && self.manner.format == Format::Text {
            self.write_rest(&line.into());
        }
    }

    /// Notes something that few want to know.
    pub(crate) fn detail(&self, line: impl Into<Line>) {
        if self.manner.verbosity >= Verbosity::Verbose && self.manner.format == Format::Text {
            self.write_rest(&line.into());
        }
    }

    /// Warns.
    pub(crate) fn warning(&self, message: impl AsRef<str>) {
        self.note(Line::of(Style::Notable, "warning").plain(": ").plain(message));
    }

    /// Tells why the command, or `subject` of it, was not done. Errors repeat what was given: not the passwords of it.
    pub(crate) fn error(&self, subject: Option<&str>, error: &OpError) {
        let (message, hint) = (without_passwords(error.message()), error.hint().map(without_passwords));
        if self.manner.format == Format::Json {
            let shown = OpError::new(error.kind(), error.code(), message);
            let shown = hint.into_iter().fold(shown, OpError::with_hint);
            let document = Json::object([("error", shown.to_json())]);
            return self.write_to_stderr(&(clean_json(&document.to_string()) + "\n"));
        }
        let subject = subject.map(|subject| format!("{subject}: ")).unwrap_or_default();
        let message = message.trim_start_matches(subject.as_str());
        self.write_rest(&Line::of(Style::Bad, "error").plain(": ").plain(subject).plain(message));
        if let Some(hint) = hint {
            self.write_rest(&Line::of(Style::Faint, "hint").plain(": ").plain(hint));
        }
    }

    /// Shows on a terminal how far something is that has so many steps, until [`Printer::progress_ends`].
    pub(crate) fn progress_begins(&self, what: &'static str, steps: usize) {
        if self.rest.terminal && self.manner.verbosity >= Verbosity::Normal {
            *lock(&self.progress) = Some(Progress::new(what, steps));
        }
    }

    /// One step is done.
    pub(crate) fn progress_step(&self) {
        if let Some(progress) = &*lock(&self.progress) {
            progress.step();
        }
    }

    /// Takes the progress away.
    pub(crate) fn progress_ends(&self) {
        if let Some(progress) = lock(&self.progress).take() {
            progress.clear();
        }
    }

    /// Whether all data could be written; a reader that went away has had what it wanted.
    pub(crate) fn finish(&self) -> Result<(), OpError> {
        self.progress_ends();
        match lock(&self.data.ended).take() {
            Some(error) if error.kind() != io::ErrorKind::BrokenPipe => {
                Err(OpError::failed("output.unwritable", format!("cannot write the output: {error}"))
                    .with_source(error))
            }
            _ => Ok(()),
        }
    }

    fn write_data(&self, text: &str) {
        self.aside(|| self.data.write(&mut io::stdout().lock(), text));
    }

    fn write_rest(&self, line: &Line) {
        self.write_to_stderr(&(line.render(self.rest.coloured) + "\n"));
    }

    fn write_to_stderr(&self, text: &str) {
        self.aside(|| self.rest.write(&mut io::stderr().lock(), text));
    }

    /// Writes with the progress out of the way.
    fn aside(&self, write: impl FnOnce()) {
        match &*lock(&self.progress) {
            Some(progress) => progress.aside(write),
            None => write(),
        }
    }
}

/// Data as it is. What stands in the way is told by [`Printer::finish`].
pub(crate) struct Raw<'a>(&'a Printer);

impl Write for Raw<'_> {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let Printer { data, .. } = self.0;
        self.0.aside(|| data.write_bytes(&mut io::stdout().lock(), bytes));
        // Whoever makes much of it need not go on once nobody reads it.
        if lock(&data.ended).is_some() { Err(io::ErrorKind::BrokenPipe.into()) } else { Ok(bytes.len()) }
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
