//! All backends against one another. `cargo xtask test` starts the PostgreSQL server; without one that backend is left
//! out, visibly, and CI fails.
//!
//! `FEEDSPINE_SEED` names other sequences than those of every landing, `FEEDSPINE_SEQUENCE` a single one.

use std::process::ExitCode;
use std::time::Instant;

use feedspine_cluster::URL_VARIABLE;
use feedspine_differential::{Arena, Contest, PostgresArena, manners, sqlite, stories, tell};
use libtest_mimic::{Arguments, Completion, Failed, Trial};
use proptest::test_runner::{Config, RngAlgorithm, TestCaseError, TestError, TestRng, TestRunner};

/// Every landing plays the same sequences: a landing does not fail for a fault that is not its own.
const SEED: u64 = 20_261_125;
const LENGTH: usize = 60;
/// More than two cores: PostgreSQL works in processes of its own.
const WORKERS: usize = 3;

fn arenas() -> Vec<Box<dyn Arena>> {
    let mut arenas = vec![sqlite()];
    if let Ok(server) = std::env::var(URL_VARIABLE) {
        arenas.push(Box::new(PostgresArena::new(&server)));
    }
    arenas
}

/// DuckDB with the backend that is quickest: what they and memory agree on, the ordinary run asks of PostgreSQL too.
#[cfg(feature = "duckdb")]
fn with_duckdb() -> Vec<Box<dyn Arena>> {
    vec![sqlite(), feedspine_differential::duckdb()]
}

fn number<T: std::str::FromStr>(variable: &str) -> Option<T> {
    std::env::var(variable).ok().and_then(|text| text.parse().ok())
}

fn agree(
    arenas: impl Fn() -> Vec<Box<dyn Arena>> + Sync,
    seed: u64,
    sequences: u32,
    closely: u32,
) -> Result<(), Failed> {
    let seed = number("FEEDSPINE_SEED").unwrap_or(seed);
    let (first, sequences) = number("FEEDSPINE_SEQUENCE").map_or((0, sequences), |number| (number, 1));
    let began = Instant::now();
    let contest = Contest { seed, first, sequences, length: LENGTH, closely, workers: WORKERS };
    contest.run(arenas).map_err(|found| {
        let (seed, number) = found.found_by;
        format!("{found}\nagain: FEEDSPINE_SEED={seed} FEEDSPINE_SEQUENCE={number} cargo test -p feedspine-differential --test agreement")
    })?;
    say(&format!(
        "{sequences} sequences of {LENGTH} steps agree (FEEDSPINE_SEED={seed}) after {:.1} s",
        began.elapsed().as_secs_f64()
    ));
    Ok(())
}

/// Documents in any order and in any parts, on all stores.
fn leave_the_same(arenas: &[Box<dyn Arena>], seed: u64, stories_told: u32) -> Result<(), Failed> {
    let seed = number("FEEDSPINE_SEED").unwrap_or(seed);
    let mut bytes = [0; 32];
    bytes[..8].copy_from_slice(&seed.to_le_bytes());
    let config = Config { cases: stories_told, failure_persistence: None, ..Config::default() };
    let mut runner = TestRunner::new_with_rng(config, TestRng::from_seed(RngAlgorithm::ChaCha, &bytes));
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    let told = runner.run(&(stories(), manners()), |(story, manner)| {
        runtime.block_on(tell(&story, &manner, arenas)).map_err(TestCaseError::fail)
    });
    told.map_err(|found| match found {
        TestError::Fail(difference, (story, manner)) => {
            format!("{difference}\nof {story:#?}\ntold in {manner:?} (FEEDSPINE_SEED={seed})").into()
        }
        TestError::Abort(reason) => reason.message().to_owned().into(),
    })
}

#[expect(clippy::print_stderr, reason = "a figure and a seed for whoever runs the tests")]
fn say(text: &str) {
    eprintln!("{text}");
}

/// Seconds since 1970: other sequences in every long run.
fn now() -> u64 {
    let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH);
    since.map_or(SEED, |since| since.as_secs())
}

/// Whether the third backend is there.
fn server() -> Result<Completion, Failed> {
    if std::env::var_os(URL_VARIABLE).is_some() {
        return Ok(Completion::Completed);
    }
    let reason = format!("PostgreSQL left out: no server in {URL_VARIABLE}; `cargo xtask test` starts one");
    if feedspine_cluster::all_demanded() { Err(reason.into()) } else { Ok(Completion::ignored_with(reason)) }
}

fn main() -> ExitCode {
    #[cfg_attr(not(feature = "duckdb"), expect(unused_mut, reason = "DuckDB adds its own"))]
    let mut trials = vec![
        Trial::ignorable_test("postgres_takes_part", server),
        Trial::test("500_random_sequences_are_answered_alike_by_all_stores", || agree(arenas, SEED, 500, 8)),
        Trial::test("5000_random_sequences_are_answered_alike_by_all_stores", || agree(arenas, now(), 5_000, 1))
            .with_ignored_flag(true),
        Trial::test("documents_in_any_order_and_any_parts_leave_the_same_in_all_stores", || {
            leave_the_same(&arenas(), SEED, 150)
        }),
        Trial::test("5000_documents_in_any_order_and_any_parts_leave_the_same_in_all_stores", || {
            leave_the_same(&arenas(), now(), 5_000)
        })
        .with_ignored_flag(true),
    ];
    #[cfg(feature = "duckdb")]
    trials.extend([
        Trial::test("500_random_sequences_are_answered_alike_by_duckdb", || agree(with_duckdb, SEED, 500, 25)),
        Trial::test("2000_random_sequences_are_answered_alike_by_duckdb", || agree(with_duckdb, now(), 2_000, 4))
            .with_ignored_flag(true),
        Trial::test("documents_in_any_order_and_any_parts_leave_the_same_in_duckdb", || {
            leave_the_same(&[feedspine_differential::duckdb()], SEED, 25)
        }),
    ]);
    libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
}
