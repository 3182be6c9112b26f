//! What the tests need of the machine: Debian packages, installed when their program is missing.

use std::process::{Command, Stdio};

use crate::say;

/// A Debian package, and how to know that what it brings is there.
type Package = (&'static str, fn() -> bool);

const PACKAGES: [Package; 4] = [
    ("strace", || is_there("strace")),
    ("iproute2", || is_there("ip")),
    ("postgresql", feedspine_cluster::has_server),
    ("pgbouncer", feedspine_cluster::has_pooler),
];

/// Installs what is missing.
pub(crate) fn everything() -> Result<(), String> {
    let missing: Vec<&str> = PACKAGES.iter().filter(|(_, is_there)| !is_there()).map(|(package, _)| *package).collect();
    if missing.is_empty() {
        return Ok(());
    }
    say(&format!("xtask: installing {}", missing.join(", ")));
    apt(&["update", "--quiet"])?;
    apt(&[&["install", "--yes", "--quiet", "--no-install-recommends"], missing.as_slice()].concat())
}

fn is_there(program: &str) -> bool {
    let asked = Command::new(program).arg("-V").stdout(Stdio::null()).stderr(Stdio::null()).status();
    asked.is_ok_and(|status| status.success())
}

/// `apt-get`, as root or through sudo.
fn apt(arguments: &[&str]) -> Result<(), String> {
    let is_root = Command::new("id").arg("-u").output().is_ok_and(|id| id.stdout.trim_ascii() == b"0");
    let mut command = if is_root { Command::new("apt-get") } else { Command::new("sudo") };
    if !is_root {
        command.arg("apt-get");
    }
    let status = command.args(arguments).env("DEBIAN_FRONTEND", "noninteractive").stdin(Stdio::null()).status();
    match status {
        Ok(status) if status.success() => Ok(()),
        Ok(status) => Err(format!("apt-get {} failed ({status}); run it by hand to see why", arguments.join(" "))),
        Err(error) => Err(format!("apt-get does not start: {error}; install {} by hand", arguments.join(" "))),
    }
}
