//! `cargo xtask bench`: one table, every ratio from the same run.

use std::process::ExitCode;

use feedspine_measure::{ingest, parsing, postgres, table};

const USAGE: &str = "usage: bench [--repetitions N] [--candidates N] [parse|ingest|postgres]";

fn main() -> ExitCode {
    let Some(wanted) = Wanted::read(std::env::args().skip(1)) else {
        tell(USAGE);
        return ExitCode::from(2);
    };
    let mut rows = Vec::new();
    if wanted.covers("parse") {
        rows.extend(parsing::rows(wanted.repetitions, &tell));
    }
    if wanted.covers("ingest") {
        rows.extend(ingest::rows(wanted.candidates, wanted.repetitions, &tell));
    }
    if wanted.covers("postgres") {
        rows.extend(postgres::rows(wanted.candidates, wanted.repetitions, &tell));
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
    candidates: usize,
    part: Option<String>,
}

impl Wanted {
    fn read(mut arguments: impl Iterator<Item = String>) -> Option<Self> {
        let mut wanted = Self { repetitions: 5, candidates: 100_000, part: None };
        while let Some(argument) = arguments.next() {
            match argument.as_str() {
                "--repetitions" => wanted.repetitions = positive(&arguments.next()?)?,
                "--candidates" => wanted.candidates = positive(&arguments.next()?)?,
                "parse" | "ingest" | "postgres" => wanted.part = Some(argument),
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
