//! `cargo xtask bench --peer`: side by side with feed-spine 0.3.0, the Python original.

use std::process::ExitCode;

use feedspine_measure::peer::environment::Environment;
use feedspine_measure::peer::{self, Extent};
use feedspine_measure::table;

const USAGE: &str = "usage: peer [--candidates N] [--peer-candidates N] [--repetitions N]
  N candidates are a multiple of 100";

fn main() -> ExitCode {
    let Some(extent) = read(std::env::args().skip(1)) else {
        tell(USAGE);
        return ExitCode::from(2);
    };
    match measure(extent) {
        Ok(code) => code,
        Err(message) => {
            tell(&format!("peer: {message}"));
            ExitCode::FAILURE
        }
    }
}

fn measure(extent: Extent) -> Result<ExitCode, String> {
    let Some(environment) = Environment::prepare(&tell)? else {
        tell(
            "no Python 3.12 or newer is here, which feed-spine 0.3.0 needs (or name one in FEEDSPINE_PYTHON): no figures",
        );
        return Ok(ExitCode::SUCCESS);
    };
    let found = peer::measure(&environment, extent, &tell)?;
    print(table::HEAD);
    for row in &found.rows {
        print(&row.to_string());
    }
    print("");
    print(peer::HOLDINGS_HEAD);
    for holding in &found.holdings {
        print(&holding.to_string());
    }
    let missed = found.rows.iter().filter(|row| row.reached() == Some(false)).count();
    if missed > 0 {
        tell(&format!("{missed} goals missed"));
        return Ok(ExitCode::FAILURE);
    }
    Ok(ExitCode::SUCCESS)
}

fn read(mut arguments: impl Iterator<Item = String>) -> Option<Extent> {
    let mut extent = Extent { candidates: 100_000, peer_candidates: 5_000, repetitions: 3 };
    while let Some(argument) = arguments.next() {
        let number = arguments.next()?.parse().ok().filter(|number| *number > 0)?;
        match argument.as_str() {
            "--candidates" => extent.candidates = number,
            "--peer-candidates" => extent.peer_candidates = number,
            "--repetitions" => extent.repetitions = number,
            _ => return None,
        }
    }
    let whole = |count: usize| count.is_multiple_of(feedspine_measure::candidates::SNAPSHOT);
    (whole(extent.candidates) && whole(extent.peer_candidates)).then_some(extent)
}

#[expect(clippy::print_stdout, reason = "the tables are this program's answer")]
fn print(line: &str) {
    println!("{line}");
}

#[expect(clippy::print_stderr, reason = "progress goes beside the answer")]
fn tell(line: &str) {
    eprintln!("{line}");
}
