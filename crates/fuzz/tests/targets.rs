//! Every target on its seeds, on the cases that once broke something, and on changes of its seeds.
//!
//! `cargo test -p feedspine-fuzz --test targets xml/crash-1234` replays one file.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use feedspine_fuzz::{TARGETS, Target};
use libtest_mimic::{Arguments, Failed, Trial};
use proptest::prelude::*;
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// How many changed seeds each target sees in an ordinary run.
const CHANGED: u32 = 1_000;

/// Pieces that change what a reader is in the middle of.
const PIECES: [&[u8]; 30] = [
    b"<",
    b">",
    b"&",
    b"\"",
    b"'",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"-->",
    b"<?xml ",
    b"</item>",
    b"<item>",
    b"/>",
    b"\0",
    b"\xC3",
    b"\xFF\xFE",
    b"{",
    b"}",
    b"[",
    b"]",
    b"\\",
    b"\\ud800",
    b",",
    b":",
    b"\n",
    b"\r",
    b"$..",
    b"[?@.",
    b"1e400",
    b"&#x",
];

fn main() -> ExitCode {
    let mut trials = Vec::new();
    for target in TARGETS {
        let seeds = files(&target.seeds());
        assert!(!seeds.is_empty(), "{} has no seed", target.name);
        for path in seeds.iter().chain(&files(&target.cases())) {
            let name = path.file_name().expect("a file has a name").to_string_lossy();
            let path = path.clone();
            trials.push(Trial::test(format!("{}/{name}", target.name), move || replayed(target, &path)));
        }
        let seeds: Vec<Vec<u8>> = seeds.iter().map(|path| fs::read(path).expect("a seed can be read")).collect();
        trials.push(Trial::test(format!("{}/changed_seeds", target.name), move || changed(target, &seeds)));
    }
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}

/// The files of a folder by name; none where there is no folder.
fn files(folder: &Path) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> =
        fs::read_dir(folder).into_iter().flatten().flatten().map(|entry| entry.path()).collect();
    files.sort();
    files
}

fn replayed(target: Target, path: &Path) -> Result<(), Failed> {
    (target.run)(&fs::read(path)?);
    Ok(())
}

/// The same changes in every run: what is new is for the fuzzer to find.
fn changed(target: Target, seeds: &[Vec<u8>]) -> Result<(), Failed> {
    let config = Config { cases: CHANGED, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::deterministic_rng(RngAlgorithm::ChaCha));
    let strategy = (0..seeds.len(), prop::collection::vec(change(), 1..12));
    let applied = |(seed, changes): (usize, Vec<Change>)| {
        let mut body = seeds[seed].clone();
        for change in &changes {
            apply(&mut body, change);
        }
        body
    };
    let outcome = runner.run(&strategy.prop_map(applied), |body| {
        (target.run)(&body);
        Ok::<(), TestCaseError>(())
    });
    match outcome {
        Ok(()) => Ok(()),
        Err(TestError::Fail(why, body)) => Err(format!("{why}, of b\"{}\"", body.escape_ascii()).into()),
        Err(error) => Err(error.to_string().into()),
    }
}

/// A change at a place of an input.
#[derive(Debug, Clone)]
enum Change {
    Insert(prop::sample::Index, usize),
    Delete(prop::sample::Index, usize),
    Replace(prop::sample::Index, u8),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        4 => (place(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        3 => (place(), 1..20_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        3 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        1 => place().prop_map(Change::Cut),
    ]
}

fn apply(body: &mut Vec<u8>, change: &Change) {
    let length = body.len();
    match *change {
        Change::Insert(at, piece) => {
            let at = at.index(length + 1);
            body.splice(at..at, PIECES[piece].iter().copied());
        }
        Change::Delete(at, count) => {
            let at = at.index(length + 1);
            body.drain(at..(at + count).min(length));
        }
        Change::Replace(at, byte) if length > 0 => body[at.index(length)] = byte,
        Change::Replace(..) => {}
        Change::Cut(at) => body.truncate(at.index(length + 1)),
    }
}
