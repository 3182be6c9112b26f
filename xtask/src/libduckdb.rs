//! DuckDB's library, ready-made: its npm package holds it, and the npm registry keeps every version for ever.

use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

use crate::say;
use crate::steps::target_directory;

/// DuckDB 1.5.6, for `duckdb = "=1.10506.1"` of Cargo.toml: both change together.
const PACKAGE: &str = "@duckdb/node-bindings-linux-x64";
const VERSION: &str = "1.5.6-r.1";
/// SHA-512 of the package, as the registry tells it too (`npm view PACKAGE@VERSION dist.integrity`).
const SHA512: &str = "21772b64913a904a8cd19e30c1d5671811d7fdface4b7dd53cd0300d743f43e1\
                      6cf386f4e7c41ef78721ac208870d2651bc6375072145387817824315b998dd5";

/// The library within the package.
const LIBRARY: &str = "package/libduckdb.so";

/// The directory that holds the library: that of `DUCKDB_LIB_DIR` when it is set, else one below the target directory,
/// filled from the npm registry the first time.
pub(crate) fn directory() -> Result<PathBuf, String> {
    if let Some(directory) = std::env::var_os("DUCKDB_LIB_DIR") {
        return Ok(directory.into());
    }
    if !cfg!(all(target_os = "linux", target_arch = "x86_64")) {
        return Err("DuckDB's library is fetched for Linux on x86_64 only: set DUCKDB_LIB_DIR to where yours is".into());
    }
    let place = target_directory().join(format!("libduckdb-{VERSION}"));
    if !place.join("libduckdb.so").exists() {
        fetch(&place)?;
    }
    Ok(place)
}

/// Fetches the package, compares it with its hash, and moves the library into place when all went well.
fn fetch(place: &Path) -> Result<(), String> {
    say(&format!("xtask: fetching {PACKAGE}@{VERSION} from the npm registry"));
    fs::create_dir_all(place).map_err(|error| format!("cannot make {}: {error}", place.display()))?;
    let package = place.join("package.tgz");
    download(&package)?;
    let digest = run(Command::new("sha512sum").arg("--binary").arg(&package))?;
    if !digest.starts_with(SHA512) {
        return Err(format!("{} is not what it was: its SHA-512 is {digest}", package.display()));
    }
    run(Command::new("tar")
        .args(["--extract", "--gzip", "--file"])
        .arg(&package)
        .arg("--directory")
        .arg(place)
        .arg(LIBRARY))?;
    let moved = fs::rename(place.join(LIBRARY), place.join("libduckdb.so"));
    moved.map_err(|error| format!("cannot move {LIBRARY} into {}: {error}", place.display()))?;
    // What is left is only room on the disk.
    fs::remove_file(&package).ok();
    fs::remove_dir(place.join("package")).ok();
    Ok(())
}

/// By `npm pack` where there is npm, which knows the registry of this machine; else by curl from the public one.
fn download(package: &Path) -> Result<(), String> {
    let directory = package.parent().unwrap_or(Path::new("."));
    let npm = Command::new("npm").arg("--version").stdout(Stdio::null()).stderr(Stdio::null()).status();
    if npm.is_ok_and(|status| status.success()) {
        let named = format!("{PACKAGE}@{VERSION}");
        let file = run(Command::new("npm").args(["pack", "--silent", &named]).current_dir(directory))?;
        let moved = fs::rename(directory.join(file.trim()), package);
        return moved.map_err(|error| format!("npm pack made no {}: {error}", file.trim()));
    }
    let name = PACKAGE.rsplit('/').next().unwrap_or(PACKAGE);
    let url = format!("https://registry.npmjs.org/{PACKAGE}/-/{name}-{VERSION}.tgz");
    run(Command::new("curl")
        .args(["--fail", "--silent", "--show-error", "--proto", "=https", &url, "--output"])
        .arg(package))
    .map(drop)
}

/// Runs a program and gives what it prints.
fn run(command: &mut Command) -> Result<String, String> {
    let name = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{name} does not start: {error}"))?;
    if !output.status.success() {
        return Err(format!("{name} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim()));
    }
    Ok(String::from_utf8_lossy(&output.stdout).into_owned())
}
