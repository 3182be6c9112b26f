//! The steps of each command, in order; the first that fails ends it.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Instant;

use crate::{install, say};

/// Installs what is missing, then checks and tests the whole workspace.
pub(crate) fn test(arguments: &[String]) -> Result<(), String> {
    if let Some(unknown) = arguments.first() {
        return Err(format!("test takes no argument, and got {unknown:?}"));
    }
    install::everything()?;
    cargo("format", &["fmt", "--all", "--check"])?;
    cargo("lints", &["clippy", "--workspace", "--all-targets", "--locked", "--", "--deny", "warnings"])?;
    cargo("tests", &["test", "--workspace", "--all-targets", "--locked"])?;
    cargo("documentation tests", &["test", "--workspace", "--doc", "--locked"])
}

/// Runs a program of `crates/measure`, optimised, with these arguments.
pub(crate) fn measure(program: &str, arguments: &[String]) -> Result<(), String> {
    let run = ["run", "--release", "--quiet", "--locked", "--package", "feedspine-measure", "--bin", program, "--"];
    let arguments = arguments.iter().map(String::as_str);
    cargo(program, &run.into_iter().chain(arguments).collect::<Vec<&str>>())
}

/// Runs one cargo command at the root of the workspace and says how long it took.
pub(crate) fn cargo(title: &str, arguments: &[&str]) -> Result<(), String> {
    say(&format!("xtask: {title}: cargo {}", arguments.join(" ")));
    let began = Instant::now();
    let program = std::env::var_os("CARGO").unwrap_or_else(|| "cargo".into());
    let status = Command::new(program).args(arguments).current_dir(root()).status();
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
