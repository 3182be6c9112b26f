//! The contributor and CI runner: `cargo xtask test|corpora|bench|fuzz|fixture|docs`.
//!
//! Everything that tests need is installed and started from here, so that a fresh machine needs no manual step.

mod fuzz;
mod install;
mod libduckdb;
mod steps;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

commands:
  test      install what is missing, then format check, lints, all tests and documentation tests;
            --long: then those marked as long too, optimised, and each fuzz target for a minute;
            --duckdb [--long]: the DuckDB backend instead, with its library from the npm registry
  corpora   run the parser over the corpora: [--dir DIR] [--json] [--failures]
  bench     measure parsing and storing against peers and limits, in one table (docs/performance.md);
            --peer: side by side with the Python original instead
  fuzz      throw changed inputs at all that reads untrusted bytes: [--seconds N] [TARGET]...
  fixture   write a store with the code as it is, for later programs to open: sqlite|postgres|duckdb [NAME]
  docs      write the pages of docs/reference that are made from the code
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    let done = match command.as_str() {
        "test" => steps::test(&rest),
        "corpora" => steps::measure("corpora", &rest),
        "bench" => steps::bench(&rest),
        "fuzz" => fuzz::run(&rest),
        "fixture" => steps::fixture(&rest),
        "docs" => steps::docs(&rest),
        _ => {
            say(USAGE);
            return ExitCode::from(2);
        }
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(message) => {
            say(&format!("xtask: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// Tells the person who runs this.
#[expect(clippy::print_stderr, reason = "this is the runner's one place that prints")]
pub(crate) fn say(text: &str) {
    eprintln!("{text}");
}
