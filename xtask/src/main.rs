//! The contributor and CI runner: `cargo xtask test`.
//!
//! Everything that tests need is installed and started from here, so that a fresh machine needs no manual step.

mod install;
mod steps;

use std::process::ExitCode;

const USAGE: &str = "usage: cargo xtask <command>

commands:
  test      install what is missing, then format check, lints, all tests and documentation tests
";

fn main() -> ExitCode {
    let mut arguments = std::env::args().skip(1);
    let command = arguments.next().unwrap_or_default();
    let rest: Vec<String> = arguments.collect();
    if command != "test" {
        say(USAGE);
        return ExitCode::from(2);
    }
    match steps::test(&rest) {
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
