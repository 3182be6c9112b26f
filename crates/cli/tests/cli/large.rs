//! Tables that are larger than the memory that reading them may take.
#![cfg(target_os = "linux")]

use std::fmt::Write;
use std::process::{Command, Stdio};
use std::time::Duration;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, number, text};

const MB: u64 = 1_000_000;

/// A table of so many rows of about 60 bytes.
fn table(rows: usize) -> String {
    let mut table = String::from("id,title,price,day\n");
    for row in 0..rows {
        writeln!(table, "{row},\"The {row}th row, with a comma\",{}.50,2026-11-{:02}", row % 977, row % 28 + 1)
            .expect("a string takes all");
    }
    table
}

/// Runs a command to its end, and looks how much memory it had at its peak, in bytes.
///
/// The kernel's figure only grows, so what is missed is what it grew by in the last moment before the end.
fn peak_of(command: &mut Command) -> (Ran, u64) {
    let mut child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs");
    let status = format!("/proc/{}/status", child.id());
    let mut peak = 0;
    while child.try_wait().expect("the child can be waited for").is_none() {
        let told = std::fs::read_to_string(&status).unwrap_or_default();
        let line = told.lines().find_map(|line| line.strip_prefix("VmHWM:"));
        let kib = line.and_then(|line| line.trim().strip_suffix(" kB")?.parse::<u64>().ok());
        peak = peak.max(kib.unwrap_or(0) * 1024);
        std::thread::sleep(Duration::from_millis(5));
    }
    let output = child.wait_with_output().expect("the child has ended");
    assert!(peak > MB, "no figure was read");
    (Ran::of(&output), peak)
}

/// Collects a table from a file and from a server, each into a store of its own.
fn collected(rows: usize, most: u64) {
    let table = table(rows);
    let (site, user) = {
        let table = table.clone();
        (Site::start(move |_| Reply::ok(table.clone())), User::new())
    };
    let file = user.file("table.csv", &table).display().to_string();
    for (name, address) in [("file", file), ("server", site.url("/table.csv"))] {
        let db = format!("sqlite:{name}.db");
        let settled = |words: &[&str]| {
            let mut command = user.command(&["--db", &db]);
            // The table is larger than the documents of feeds may be.
            command.env("FEEDSPINE_FETCH_MAX_BODY_BYTES", "200000000").args(words);
            command
        };
        let add = ["add", &address, "--name", name, "--adapter", "csv", "--allow-private"];
        let ran = Ran::of(&settled(&add).output().expect("the binary runs"));
        assert_eq!(ran.code, 0, "{}", ran.stderr);
        for (outcome, new) in [("captured", rows as u64), ("unchanged", 0)] {
            let (ran, peak) = peak_of(settled(&["collect", "--json"]).arg(name));
            assert_eq!(ran.code, 0, "{} {}", ran.stderr, ran.stdout);
            let report = ran.json();
            assert_eq!((text(&report, "feeds.0.outcome"), number(&report, "counts.new")), (outcome, new), "{report}");
            assert!(peak < most, "the {name} took {} MB of memory, {outcome}", peak / MB);
        }
        let status = Ran::of(&settled(&["status", "--json"]).output().expect("the binary runs")).json();
        assert_eq!(number(&status, "store.records"), rows as u64, "{name}");
    }
}

#[test]
#[ignore = "long: cargo xtask test --long"]
fn a_table_of_a_million_rows_takes_less_than_200_mb_of_memory() {
    collected(1_000_000, 200 * MB);
}

#[test]
fn a_table_of_ten_thousand_rows_takes_less_than_100_mb_of_memory() {
    collected(10_000, 100 * MB);
}
