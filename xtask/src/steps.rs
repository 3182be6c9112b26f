//! The steps of each command, in order; the first that fails ends it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use feedspine_cluster::{ALL_VARIABLE, Cluster, URL_VARIABLE};

use crate::{fuzz, install, libduckdb, say};

/// A variable of the environment, and what it is.
type Variable = (&'static str, String);

/// How much is tested.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Extent {
    /// What every landing passes.
    Ordinary,
    /// The tests marked as long as well.
    Long,
}

impl Extent {
    fn of(arguments: &[String]) -> Result<Self, String> {
        match arguments {
            [] => Ok(Self::Ordinary),
            [flag] if flag == "--long" => Ok(Self::Long),
            _ => Err(format!("test takes [--duckdb] [--long], and got {}", arguments.join(" "))),
        }
    }
}

/// Tells tests that what they need of this machine must be there.
fn every_test() -> Variable {
    (ALL_VARIABLE, "1".to_owned())
}

/// Installs what is missing, then checks and tests the whole workspace; with `--duckdb`, that backend instead.
pub(crate) fn test(arguments: &[String]) -> Result<(), String> {
    if let Some((first, rest)) = arguments.split_first()
        && first == "--duckdb"
    {
        return test_duckdb(Extent::of(rest)?);
    }
    let extent = Extent::of(arguments)?;
    install::everything()?;
    cargo("format", &["fmt", "--all", "--check"])?;
    cargo("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])?;
    let server = Cluster::start().map_err(|error| format!("no PostgreSQL server for the tests: {error}"))?;
    let with_server = [(URL_VARIABLE, server.url()), every_test()];
    cargo_with("tests", &["test", "--workspace", "--all-targets", "--locked"], &with_server)?;
    cargo_with("documentation tests", &["test", "--workspace", "--doc", "--locked"], &with_server)?;
    if extent == Extent::Long {
        // Optimised: some of these measure, and all of them do the same thing many times.
        let long = ["test", "--workspace", "--all-targets", "--locked", "--release", "--", "--ignored"];
        cargo_with("long tests", &long, &with_server)?;
        fuzz::run(&[])?;
    }
    Ok(())
}

/// Checks and tests the backend that the ordinary steps leave out, and the command line with it: they need DuckDB's
/// library, and a minute to compile what reads its rows.
fn test_duckdb(extent: Extent) -> Result<(), String> {
    install::everything()?;
    let environment = [&[every_test()], &with_libduckdb()?[..]].concat();
    let backend = ["--package", "feedspine-duckdb", "--features", "linked", "--locked"];
    let crates = ["--package", "feedspine-duckdb", "--package", "feedspine-cli", "--package", "feedspine-differential"];
    let features = "feedspine-duckdb/linked,feedspine-cli/duckdb,feedspine-differential/duckdb";
    let all = [&crates[..], &["--features", features, "--locked"]].concat();
    let step = |title: &str, command: &[&str]| cargo_with(title, command, &environment);
    step("lints with DuckDB", &[&["clippy", "--all-targets"], &all[..], &["--", "--deny", "warnings"]].concat())?;
    step("tests of DuckDB", &[&["test", "--all-targets"], &backend[..]].concat())?;
    step("documentation tests of DuckDB", &[&["test", "--doc"], &backend[..]].concat())?;
    let command_line = ["test", "--package", "feedspine-cli", "--features", "duckdb", "--locked", "--test", "duckdb"];
    step("the command line with DuckDB", &command_line)?;
    let sequences = ["--package", "feedspine-differential", "--features", "duckdb", "--locked", "--test", "agreement"];
    step("random sequences with DuckDB", &[&["test"], &sequences[..], &["--", "duckdb"]].concat())?;
    if extent == Extent::Long {
        step("long tests of DuckDB", &[&["test", "--release"], &backend[..], &["--", "--ignored"]].concat())?;
        let more = [&["test", "--release"], &sequences[..], &["--", "--ignored", "duckdb"]].concat();
        step("more random sequences with DuckDB", &more)?;
    }
    Ok(())
}

/// What builds and runs programs with DuckDB in them.
fn with_libduckdb() -> Result<[Variable; 3], String> {
    let directory = libduckdb::directory()?;
    let mut found_at: Vec<PathBuf> = vec![directory.clone()];
    found_at.extend(std::env::var_os("LD_LIBRARY_PATH").iter().flat_map(std::env::split_paths));
    let found_at = std::env::join_paths(found_at).map_err(|error| format!("LD_LIBRARY_PATH: {error}"))?;
    Ok([
        ("DUCKDB_LIB_DIR", directory.display().to_string()),
        // Nothing but the package registries is asked.
        ("DUCKDB_DOWNLOAD_LIB", "0".to_owned()),
        ("LD_LIBRARY_PATH", found_at.to_string_lossy().into_owned()),
    ])
}

/// Runs a program of `crates/measure`, optimised, with these arguments.
pub(crate) fn measure(program: &str, arguments: &[String]) -> Result<(), String> {
    let run = ["run", "--release", "--quiet", "--locked", "--package", "feedspine-measure", "--bin", program, "--"];
    let arguments = arguments.iter().map(String::as_str);
    cargo(program, &run.into_iter().chain(arguments).collect::<Vec<&str>>())
}

/// Measures against limits, or, with `--peer`, side by side with the Python original.
pub(crate) fn bench(arguments: &[String]) -> Result<(), String> {
    match arguments.split_first() {
        Some((flag, rest)) if flag == "--peer" => {
            install::everything()?;
            measure("peer", rest)
        }
        _ => measure("bench", arguments),
    }
}

/// Writes a store of a backend with the code as it is, and its dump; named by the day and commit of HEAD, or as told.
pub(crate) fn fixture(arguments: &[String]) -> Result<(), String> {
    let (backend, name) = match arguments {
        [backend] => (backend, day_and_commit()?),
        [backend, name] => (backend, name.clone()),
        _ => return Err("fixture takes a backend, sqlite, postgres or duckdb, and perhaps a name".to_owned()),
    };
    let package = format!("feedspine-{backend}");
    let run = ["run", "--quiet", "--locked", "--package", &package, "--example", "fixture"];
    let name = ["--", &name];
    match backend.as_str() {
        "duckdb" => {
            let linked = [&run[..], &["--features", "linked"], &name].concat();
            cargo_with("fixture", &linked, &with_libduckdb()?)
        }
        _ => cargo("fixture", &[&run[..], &name].concat()),
    }
}

/// Writes the pages of docs/reference that are made from the code.
pub(crate) fn docs(arguments: &[String]) -> Result<(), String> {
    if let Some(unknown) = arguments.first() {
        return Err(format!("docs takes no argument, and got {unknown:?}"));
    }
    cargo("docs", &["run", "--quiet", "--locked", "--package", "feedspine-testkit", "--example", "reference"])
}

/// Such as `2026-11-25-9c24a16`.
fn day_and_commit() -> Result<String, String> {
    let asked = Command::new("git").args(["log", "-1", "--format=%cs-%h"]).current_dir(root()).output();
    let said = asked.map_err(|error| format!("git does not start: {error}; give the fixture a name"))?;
    let name = String::from_utf8_lossy(&said.stdout).trim().to_owned();
    if name.is_empty() { Err("git tells no commit; give the fixture a name".to_owned()) } else { Ok(name) }
}

/// Runs one cargo command at the root of the workspace and says how long it took.
pub(crate) fn cargo(title: &str, arguments: &[&str]) -> Result<(), String> {
    cargo_with(title, arguments, &[])
}

/// The same, with these variables in its environment.
pub(crate) fn cargo_with(title: &str, arguments: &[&str], environment: &[Variable]) -> Result<(), String> {
    say(&format!("xtask: {title}: cargo {}", arguments.join(" ")));
    let began = Instant::now();
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let environment = environment.iter().map(|(name, value)| (name, value));
    let status = Command::new(program).args(arguments).envs(environment).current_dir(root()).status();
    let status = status.map_err(|error| format!("cargo does not start: {error}"))?;
    if !status.success() {
        return Err(format!("{title} failed ({status}); run it again with `cargo {}`", arguments.join(" ")));
    }
    say(&format!("xtask: {title}: done in {} s", began.elapsed().as_secs()));
    Ok(())
}

/// The root of the workspace.
pub(crate) fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().expect("xtask lies in the workspace").to_owned()
}

/// Where cargo builds: as `CARGO_TARGET_DIR` says, else below the root.
pub(crate) fn target_directory() -> PathBuf {
    std::env::var_os("CARGO_TARGET_DIR").map_or_else(|| root().join("target"), |named| root().join(named))
}
