//! Runs the parser over the corpora and prints what passes: `cargo xtask corpora [--dir DIR] [--json] [--failures]`.
//!
//! Exits 1 below a floor of `xtask/corpora-floors.json`, and when a difference that `xtask/corpora-differences.json`
//! explains is no longer one. Without the folder it says so and exits 0.

mod base;
mod checks;
mod dates;
mod discovery;
mod every_file;
mod feedparser;
mod feedvalidator;
mod gofeed;
mod goldens;
mod hostile;
mod judge;
mod opml;
mod oracle;
mod read;
mod report;

use std::path::{Path, PathBuf};
use std::process::ExitCode;

use report::Report;

const USAGE: &str = "usage: corpora [--dir DIR] [--json] [--failures]";

#[derive(Debug, Default)]
struct Options {
    dir: Option<PathBuf>,
    json: bool,
    failures: bool,
}

fn main() -> ExitCode {
    let options = match options(std::env::args().skip(1)) {
        Ok(options) => options,
        Err(message) => {
            say(&format!("corpora: {message}\n{USAGE}"));
            return ExitCode::from(2);
        }
    };
    let named = options.dir.clone().or_else(|| std::env::var_os("FEEDSPINE_CORPORA").map(PathBuf::from));
    let dir = named.clone().unwrap_or_else(|| root().join("../shared/corpora"));
    if !dir.join("expect").is_dir() {
        if named.is_some() {
            say(&format!("corpora: {} holds no corpora", dir.display()));
            return ExitCode::FAILURE;
        }
        say("SKIPPED corpora: FEEDSPINE_CORPORA is not set and ../shared/corpora is absent; nothing was measured");
        return ExitCode::SUCCESS;
    }
    match run(&dir, &options) {
        Ok(true) => ExitCode::SUCCESS,
        Ok(false) => ExitCode::FAILURE,
        Err(message) => {
            say(&format!("corpora: {message}"));
            ExitCode::FAILURE
        }
    }
}

/// Runs all sets; true when all floors hold and no explained difference has gone.
fn run(dir: &Path, options: &Options) -> Result<bool, String> {
    // A panic is counted, and its message would only disturb the table.
    std::panic::set_hook(Box::new(|_| {}));
    let mut report = Report::default();
    oracle::run(dir, &mut report)?;
    dates::run(dir, &mut report)?;
    hostile::run(dir, &mut report)?;
    feedparser::run(dir, &mut report)?;
    feedvalidator::run(dir, &mut report)?;
    gofeed::run(dir, &mut report)?;
    goldens::run(dir, &mut report)?;
    opml::run(dir, &mut report)?;
    discovery::run(dir, &mut report)?;
    every_file::run(dir, &mut report)?;
    let _ = std::panic::take_hook();
    let floors = report::Floors::load(&root().join("xtask/corpora-floors.json"))?;
    let differences = report::Differences::load(&root().join("xtask/corpora-differences.json"))?;
    let verdict = report.judge(&floors, &differences);
    if options.json {
        print(&report.to_json(&floors, &verdict).to_string());
    } else {
        print(&report.to_table(&floors, &differences, options.failures));
    }
    for fault in &verdict {
        say(&format!("corpora: {fault}"));
    }
    Ok(verdict.is_empty())
}

fn options(arguments: impl Iterator<Item = String>) -> Result<Options, String> {
    let mut options = Options::default();
    let mut arguments = arguments;
    while let Some(argument) = arguments.next() {
        match argument.as_str() {
            "--dir" => options.dir = Some(arguments.next().ok_or("--dir wants a folder")?.into()),
            "--json" => options.json = true,
            "--failures" => options.failures = true,
            other => return Err(format!("unknown argument {other:?}")),
        }
    }
    Ok(options)
}

/// The root of the workspace.
fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../..")
}

#[expect(clippy::print_stdout, reason = "the table is this program's output")]
fn print(text: &str) {
    println!("{text}");
}

#[expect(clippy::print_stderr, reason = "this program's one place that tells people something")]
fn say(text: &str) {
    eprintln!("{text}");
}
