//! What becomes of tests that need something of the machine that is not there.

use std::io::Write;

/// The environment variable that `cargo xtask test` sets: then a test that cannot run fails.
pub const ALL_VARIABLE: &str = "FEEDSPINE_TEST_ALL";

/// The environment variable by which services that build and test say that they do.
const CI: &str = "CI";

/// Whether every test has to run.
pub fn all_demanded() -> bool {
    let is_said = std::env::var_os(ALL_VARIABLE).is_some_and(|value| !value.is_empty());
    is_said || std::env::var_os(CI).is_some_and(|value| value == "true")
}

/// Tells that a test is skipped, past the test runner's capture of what passing tests say.
///
/// # Panics
/// Where every test has to run.
pub fn skip(reason: &str) {
    assert!(!all_demanded(), "{reason}, and {ALL_VARIABLE} or {CI} demands every test");
    tell(&format!("skipped: {reason}; `cargo xtask test` demands it"));
}

/// Tells whoever runs the tests.
pub(crate) fn tell(text: &str) {
    // What is written to a closed stderr nobody reads.
    let _ = std::io::stderr().write_all(format!("{text}\n").as_bytes());
}
