//! `cargo xtask fuzz`: builds the targets of `crates/fuzz` with libFuzzer, on the stable toolchain, and runs them.
//!
//! Not cargo-fuzz: what it brings besides libFuzzer is `AddressSanitizer`, which needs a nightly compiler, and looks for
//! faults that code without `unsafe` cannot have. What guides libFuzzer is a pass of LLVM, which stable rustc takes.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::say;
use crate::steps::{cargo_with, root, target_directory};

const PACKAGE: &str = "feedspine-fuzz";
const PROFILE: &str = "fuzz";
const SECONDS: u64 = 60;
/// The longest input: enough for whole small documents, short enough for thousands of them in a second.
const LONGEST_BYTES: u32 = 8 * 1024;
/// One input that takes longer, or more memory, is a fault: documents of 20 MiB may take 10 s.
const LONGEST_SECONDS: u32 = 5;
const MOST_MEMORY_MB: u32 = 1_024;

/// What the pass puts into the code: counters of edges, where they are, and what is compared.
const COVERAGE: [&str; 6] = [
    "-Cpasses=sancov-module",
    "-Cllvm-args=-sanitizer-coverage-level=4",
    "-Cllvm-args=-sanitizer-coverage-inline-8bit-counters",
    "-Cllvm-args=-sanitizer-coverage-pc-table",
    "-Cllvm-args=-sanitizer-coverage-trace-compares",
    // Sections of the counters of several units are not joined rightly by every linker.
    "-Ccodegen-units=1",
];

/// What is to be run.
struct Asked {
    seconds: u64,
    targets: Vec<String>,
}

/// Runs each target for a while; a crash is kept in `crates/fuzz/cases`, where the test `targets` replays it ever after.
pub(crate) fn run(arguments: &[String]) -> Result<(), String> {
    let known = targets()?;
    let asked = read(arguments, &known)?;
    let host = host()?;
    let flags = ("CARGO_ENCODED_RUSTFLAGS", COVERAGE.join("\u{1F}"));
    // With a target named, the flags are not those of build scripts.
    let build = ["build", "--quiet", "--locked", "--package", PACKAGE, "--bin", "fuzz", "--features", "libfuzzer"];
    let build = [&build[..], &["--profile", PROFILE, "--target", &host]].concat();
    cargo_with("fuzz", &build, &[flags])?;
    let target_directory = target_directory();
    let program = target_directory.join(&host).join(PROFILE).join("fuzz");
    let mut crashed = Vec::new();
    for target in &asked.targets {
        if !fuzzed(&program, &target_directory, target, asked.seconds)? {
            crashed.push(target.as_str());
        }
    }
    if crashed.is_empty() {
        say(&format!("xtask: fuzz: {} targets, {} s each, no crash", asked.targets.len(), asked.seconds));
        return Ok(());
    }
    Err(format!(
        "{} crashed; the inputs are kept in crates/fuzz/cases; replay them with `cargo test -p {PACKAGE} --test targets -- {}/`",
        crashed.join(", "),
        crashed[0]
    ))
}

fn read(arguments: &[String], known: &[String]) -> Result<Asked, String> {
    let mut asked = Asked { seconds: SECONDS, targets: Vec::new() };
    let mut arguments = arguments.iter();
    while let Some(argument) = arguments.next() {
        if argument == "--seconds" {
            let seconds = arguments.next().and_then(|seconds| seconds.parse().ok()).filter(|seconds| *seconds > 0);
            asked.seconds = seconds.ok_or("--seconds takes a number of seconds")?;
        } else if known.contains(argument) {
            asked.targets.push(argument.clone());
        } else {
            return Err(format!(
                "fuzz takes [--seconds N] [TARGET]..., each one of {}; got {argument:?}",
                known.join(", ")
            ));
        }
    }
    if asked.targets.is_empty() {
        asked.targets = known.to_vec();
    }
    Ok(asked)
}

/// Runs one target; false when it crashed.
fn fuzzed(program: &Path, target_directory: &Path, target: &str, seconds: u64) -> Result<bool, String> {
    let room = room();
    // What libFuzzer finds worth keeping goes to the first folder, and is there for the next run.
    let found = target_directory.join("fuzz-corpus").join(target);
    let cases = room.join("cases").join(target);
    for folder in [&found, &cases] {
        fs::create_dir_all(folder).map_err(|error| format!("cannot make {}: {error}", folder.display()))?;
    }
    say(&format!("xtask: fuzz {target}: {seconds} s"));
    let status = Command::new(program)
        .args([&found, &room.join("seeds").join(target), &cases])
        .arg(format!("-artifact_prefix={}/", cases.display()))
        .arg(format!("-max_total_time={seconds}"))
        .arg(format!("-max_len={LONGEST_BYTES}"))
        .arg(format!("-timeout={LONGEST_SECONDS}"))
        .arg(format!("-rss_limit_mb={MOST_MEMORY_MB}"))
        .args(["-print_final_stats=1", "-verbosity=0", "-use_value_profile=1"])
        .env("FEEDSPINE_FUZZ_TARGET", target)
        .status()
        .map_err(|error| format!("{} does not start: {error}", program.display()))?;
    // Nothing is kept where nothing was found.
    fs::remove_dir(&cases).ok();
    Ok(status.success())
}

/// The targets: each has a folder of seeds.
fn targets() -> Result<Vec<String>, String> {
    let seeds = room().join("seeds");
    let entries = fs::read_dir(&seeds).map_err(|error| format!("cannot list {}: {error}", seeds.display()))?;
    let mut names: Vec<String> =
        entries.flatten().map(|entry| entry.file_name().to_string_lossy().into_owned()).collect();
    names.sort();
    Ok(names)
}

fn room() -> PathBuf {
    root().join("crates/fuzz")
}

/// The machine's own target, such as `x86_64-unknown-linux-gnu`.
fn host() -> Result<String, String> {
    let asked = Command::new("rustc").arg("-vV").current_dir(root()).output();
    let said = asked.map_err(|error| format!("rustc does not start: {error}"))?;
    let said = String::from_utf8_lossy(&said.stdout).into_owned();
    let host = said.lines().find_map(|line| line.strip_prefix("host: "));
    host.map(str::to_owned).ok_or_else(|| "rustc tells no host".to_owned())
}
