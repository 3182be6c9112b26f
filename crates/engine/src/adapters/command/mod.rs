//! Commands: what a program prints, in lines of JSON or as a tap of the Singer protocol.

mod pages;
mod program;
mod words;

use std::path::PathBuf;
use std::time::Duration;

use feedspine_core::{Candidate, Namespace, Reject};
use feedspine_parse::{ItemRules, LineForm, Scrap, read_line_again};

pub(super) use pages::CommandPages;

use super::Covers;
use super::asking::template;
use super::identity::{Identity, Naming};
use super::options::Options;
use super::secrets::Template;
use crate::{Address, OpError};
use words::{WordsError, words};

/// How long a program may run, in seconds, unless it is said otherwise.
const TIMEOUT: u64 = 3_600;
/// How much it may print, in MiB, unless it is said otherwise.
const MOST_MIB: u64 = 1_024;

/// The options of this adapter.
#[derive(Debug)]
pub(crate) struct Command {
    pub(super) identity: Identity,
    rules: ItemRules,
    form: LineForm,
    covers: Covers,
    timeout: Duration,
    most_bytes: u64,
    environment: Vec<(String, Template)>,
    folder: Option<PathBuf>,
    run_by: RunBy,
}

/// Who makes words of the command line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum RunBy {
    /// We: nothing in it is expanded.
    Us,
    /// `sh -c`.
    Shell,
}

impl Command {
    /// Reads a line again that was rejected.
    pub(super) fn read_again(&self, scrap: &Scrap) -> Option<Result<Candidate, Reject>> {
        read_line_again(&self.form, &self.rules, scrap)
    }

    pub(super) fn read(options: &mut Options, namespace: &Namespace) -> Result<Self, OpError> {
        let identity = Identity::read(options, Naming::Paths)?;
        let rules = identity.item_rules(namespace, options)?;
        let form = if options.flag("singer")? { LineForm::Singer } else { LineForm::Json };
        let covers = options.coverage()?.unwrap_or(Covers::Some);
        if form == LineForm::Singer && covers == Covers::All {
            return Err(options.wrong("coverage", "is delta for a tap: it tells what is new"));
        }
        let environment = options.texts("env")?.into_iter().map(|text| {
            let (name, value) = text
                .split_once('=')
                .filter(|(name, value)| !name.is_empty() && !value.contains('\0'))
                .ok_or_else(|| options.wrong("env", "is NAME=VALUE"))?;
            Ok((name.to_owned(), template(name, value)?))
        });
        let environment = environment.collect::<Result<_, OpError>>()?;
        let meaning = "is the whole path of a folder";
        let folder =
            options.read("dir", meaning, |text| Some(PathBuf::from(text)).filter(|path| path.is_absolute()))?;
        let run_by = if options.flag("shell")? { RunBy::Shell } else { RunBy::Us };
        Ok(Self {
            identity,
            rules,
            form,
            covers,
            timeout: Duration::from_secs(options.number("timeout_s", 1..=604_800)?.unwrap_or(TIMEOUT)),
            most_bytes: options.number("max_mib", 1..=1_048_576)?.unwrap_or(MOST_MIB) * 1024 * 1024,
            environment,
            folder,
            run_by,
        })
    }

    /// The program and its arguments.
    ///
    /// # Errors
    /// `Usage`: that is no command, or no words.
    pub(super) fn words_at(&self, address: &Address) -> Result<Vec<String>, OpError> {
        match address {
            Address::Command(line) => self.words(line),
            other => Err(OpError::usage("adapter.address", format!("{other} is no command"))
                .with_hint("an address for it is 'command:PROGRAM ARGUMENTS'")),
        }
    }

    fn words(&self, line: &str) -> Result<Vec<String>, OpError> {
        if self.run_by == RunBy::Shell {
            return Ok(["sh", "-c", line].map(str::to_owned).to_vec());
        }
        words(line).map_err(|error| {
            let found = match error {
                WordsError::OpenQuote => "a quote or a backslash at its end is open",
                WordsError::Nothing => "it names no program",
            };
            OpError::usage("command.words", format!("the command line {line:?} cannot be run: {found}"))
                .with_hint("quote as for a shell; nothing is expanded unless shell=true")
        })
    }
}
