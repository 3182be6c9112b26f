//! A network of a test's own: a namespace of the kernel's that nothing leads into or out of.

use std::fs;
use std::net::IpAddr;
use std::process::Command;

use tempfile::TempDir;

use crate::process::{run, succeeds};
use crate::skip;

/// Says to a process that it is in there.
const WITHIN: &str = "FEEDSPINE_OWN_NETWORK";

/// What makes the namespaces: as root, and as anybody where the kernel lets them.
const WAYS: [&[&str]; 2] = [&["--net", "--mount"], &["--net", "--mount", "--user", "--map-root-user"]];

/// The network that this process is in: it has the loopback device alone, with the addresses that a test gives it.
#[derive(Debug)]
pub struct OwnNetwork {
    /// Where files lie that stand in for the system's.
    place: TempDir,
}

impl OwnNetwork {
    /// Runs the test of that full name again, by itself in a network of its own, and there gives that network; here, once it
    /// has passed there, `None`. Where the kernel makes no such network the test is skipped.
    ///
    /// # Panics
    /// The test fails in there, or cannot be run though every test has to.
    pub fn of_test(test: &str) -> Option<Self> {
        if std::env::var_os(WITHIN).is_some() {
            return Some(Self::here().unwrap_or_else(|why| panic!("no network of its own: {why}")));
        }
        let Some(way) = WAYS.into_iter().find(|way| succeeds(Command::new("unshare").args(*way).args(["ip", "link"])))
        else {
            skip("the kernel makes no network namespace, or iproute2 is not installed");
            return None;
        };
        let own = std::env::current_exe().expect("a test is a program");
        let mut again = Command::new("unshare");
        again.args(way).arg(own).args(["--exact", test, "--nocapture"]).env(WITHIN, "1");
        if let Err(why) = run(&mut again) {
            panic!("in a network of its own it fails: {why}");
        }
        None
    }

    fn here() -> Result<Self, String> {
        let place = TempDir::with_prefix("feedspine-network-").map_err(|error| format!("no directory: {error}"))?;
        run(Command::new("ip").args(["link", "set", "lo", "up"]))?;
        Ok(Self { place })
    }

    /// Makes this process reachable at these addresses, besides `127.0.0.0/8` and `::1`.
    ///
    /// # Errors
    /// What `ip` says.
    pub fn add_addresses(&self, addresses: &[IpAddr]) -> Result<(), String> {
        for address in addresses {
            let whole = if address.is_ipv4() { 32 } else { 128 };
            let mut add = Command::new("ip");
            add.args(["address", "add", &format!("{address}/{whole}"), "dev", "lo"]);
            if address.is_ipv6() {
                // It is used at once.
                add.arg("nodad");
            }
            run(&mut add)?;
        }
        Ok(())
    }

    /// Lets names be looked up at the server of that address, and nowhere else.
    ///
    /// # Errors
    /// What `mount` says.
    pub fn look_up_at(&self, server: IpAddr) -> Result<(), String> {
        let settings = format!("nameserver {server}\noptions timeout:2 attempts:2\n");
        for (file, text) in [
            ("/etc/resolv.conf", settings.as_str()),
            ("/etc/hosts", "127.0.0.1 localhost\n"),
            ("/etc/nsswitch.conf", "hosts: files dns\n"),
        ] {
            let stands_in = self.place.path().join(file.rsplit('/').next().unwrap_or(file));
            fs::write(&stands_in, text).map_err(|error| format!("{}: {error}", stands_in.display()))?;
            if fs::exists(file).unwrap_or(false) {
                run(Command::new("mount").args(["--bind"]).arg(&stands_in).arg(file))?;
            }
        }
        Ok(())
    }
}
