//! Disks that are full or may not be written: real ones, of a few megabytes, in a mount namespace of their own.

use std::path::PathBuf;
use std::process::Command;

use tempfile::TempDir;

use crate::skip;

/// Names the directory to the test that is run there.
const DISK: &str = "FEEDSPINE_DISK";

/// The directory, in a test that [`on_a_disk`] runs; `None` in an ordinary run, in which it has nothing to do.
pub fn disk() -> Option<PathBuf> {
    std::env::var_os(DISK).map(PathBuf::from)
}

/// Runs a test of this program, by its full name, in a mount namespace in which a shell has run `mounts` before: there,
/// `$1` is an empty directory and `$2` this program. Where nobody may mount it is skipped.
///
/// # Panics
/// The test fails.
pub fn on_a_disk(mounts: &str, test: &str) {
    let directory = TempDir::new().expect("a temporary directory can be made");
    let unshare = |script: &str| {
        let mut command = Command::new("unshare");
        command.args(["--user", "--map-root-user", "--mount", "sh", "-ec", script, "sh"]).arg(directory.path());
        command
    };
    let may_mount = unshare("mount -t tmpfs -o size=1m none \"$1\"").output().is_ok_and(|probe| probe.status.success());
    if !may_mount {
        return skip("this machine lets nobody mount in a user namespace");
    }
    let script = format!("{mounts}\nshift\nexec \"$@\"");
    let ran = unshare(&script)
        .arg(std::env::current_exe().expect("a test is a program"))
        .args(["--exact", test, "--nocapture"])
        .env(DISK, directory.path())
        .output()
        .expect("a shell starts");
    let said = format!("{}{}", String::from_utf8_lossy(&ran.stdout), String::from_utf8_lossy(&ran.stderr));
    assert!(ran.status.success() && said.contains("1 passed"), "{said}");
}
