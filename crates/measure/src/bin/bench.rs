//! `cargo xtask bench`: one table, every ratio from the same run.

use std::process::ExitCode;

use feedspine_measure::fetching::{self, origin};
use feedspine_measure::{ingest, million, parsing, postgres, table};

const USAGE: &str = "usage: bench [--repetitions N] [--candidates N] [--feeds N] [parse|ingest|postgres|fetch|million]";

/// What `million` is about, unless `--candidates` says otherwise.
const MILLION: usize = 1_000_000;

fn main() -> ExitCode {
    if std::env::args().nth(1).as_deref() == Some(origin::ARGUMENT) {
        origin::serve();
        return ExitCode::SUCCESS;
    }
    let Some(wanted) = Wanted::read(std::env::args().skip(1)) else {
        tell(USAGE);
        return ExitCode::from(2);
    };
    let mut rows = Vec::new();
    // First: what other parts leave in memory is not what collecting takes.
    if wanted.covers("fetch") {
        rows.extend(fetching::rows(wanted.feeds, &tell));
    }
    let candidates = wanted.candidates.unwrap_or(100_000);
    if wanted.covers("parse") {
        rows.extend(parsing::rows(wanted.repetitions, &tell));
    }
    if wanted.covers("ingest") {
        rows.extend(ingest::rows(candidates, wanted.repetitions, &tell));
    }
    if wanted.covers("postgres") {
        rows.extend(postgres::rows(candidates, wanted.repetitions, &tell));
    }
    // Minutes, and some gigabytes of disk: only when asked for.
    if wanted.part.as_deref() == Some("million") {
        rows.extend(million::rows(wanted.candidates.unwrap_or(MILLION), &tell));
    }
    print(table::HEAD);
    for row in &rows {
        print(&row.to_string());
    }
    let missed = rows.iter().filter(|row| row.reached() == Some(false)).count();
    if missed > 0 {
        tell(&format!("{missed} goals missed"));
        return ExitCode::FAILURE;
    }
    ExitCode::SUCCESS
}

/// What the command line asks for.
struct Wanted {
    repetitions: usize,
    candidates: Option<usize>,
    feeds: usize,
    part: Option<String>,
}

impl Wanted {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut wanted = Self { repetitions: 5, candidates: None, feeds: fetching::FEEDS, part: None };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--repetitions" => wanted.repetitions = positive(&arguments.next()?)?,
                "--candidates" => wanted.candidates = Some(positive(&arguments.next()?)?),
                "--feeds" => wanted.feeds = positive(&arguments.next()?)?,
                "parse" | "fetch" | "ingest" | "postgres" | "million" => wanted.part = Some(argument),
                _ => return None,
            }
        }
        Some(wanted)
    }

    fn covers(&self, part: &str) -> bool {
        self.part.as_deref().is_none_or(|wanted| wanted == part)
    }
}

fn positive(text: &str) -> Option<usize> {
    text.parse().ok().filter(|number| *number > 0)
}

#[expect(clippy::print_stdout, reason = "the table is this program's answer")]
fn print(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "progress goes beside the answer")]
fn tell(line: &str) {
    eprintln!("{line}");
}
