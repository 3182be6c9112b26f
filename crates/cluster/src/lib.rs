//! What tests and measurements need of the machine: a private PostgreSQL cluster and a PgBouncer before it, small disks,
//! networks of their own, processes that are killed while they write; and what becomes of tests that need what is not there.
//!
//! Everything of a cluster lies in a temporary directory, listens on loopback only, runs as a user that is not root, and ends with
//! the value that started it. Tests do not wait for the disk; measurements do.

mod demand;
mod disk;
mod kill;
mod network;
mod owner;
mod pooler;
mod process;

use std::ffi::OsStr;
use std::fs::Permissions;
use std::net::{Ipv4Addr, TcpListener};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

pub use demand::{ALL_VARIABLE, all_demanded, skip};
pub use disk::{disk, on_a_disk};
pub use kill::{Call, Left, Swept, Writer};
pub use network::OwnNetwork;
use owner::Owner;
pub use pooler::Pooler;
use process::Process;

/// The environment variable that names the server of tests, as an address that feedspine takes.
pub const URL_VARIABLE: &str = "FEEDSPINE_POSTGRES_URL";

/// The database and the role; there is no password, since only this machine can connect.
const ROLE: &str = "feedspine";

/// Roles that are members of this one have to give their password: for tests of what a wrong one is answered with.
pub const GUARDED: &str = "guarded";

/// How long a server may take to answer after its start, a recovery included.
const START: Duration = Duration::from_mins(1);

/// What the server is told: room for many test stores at once.
const SETTINGS: [&str; 5] = [
    "max_connections=200",
    "max_locks_per_transaction=256",
    "shared_buffers=256MB",
    "max_wal_size=4GB",
    "autovacuum_naptime=10s",
];

/// Whether a server waits for the disk before it acknowledges.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Disk {
    /// It does, as a server in earnest must: for measurements.
    Awaited,
    /// It does not: nothing outlives the machine, and tests are faster.
    Trusted,
}

/// A running server.
#[derive(Debug)]
pub struct Cluster {
    programs: PathBuf,
    disk: Disk,
    owner: Owner,
    port: u16,
    process: Option<Process>,
    /// Dropped last.
    place: TempDir,
}

impl Cluster {
    /// Makes a cluster for tests in a temporary directory and starts it.
    ///
    /// # Errors
    /// What is missing or what failed, in words for a person.
    pub fn start() -> Result<Self, String> {
        Self::start_on(Disk::Trusted)
    }

    /// Makes a cluster in a temporary directory and starts it.
    ///
    /// # Errors
    /// What is missing or what failed, in words for a person.
    pub fn start_on(disk: Disk) -> Result<Self, String> {
        let programs = programs()?;
        let owner = Owner::of_servers()?;
        let place =
            TempDir::with_prefix("feedspine-postgres-").map_err(|error| format!("no temporary directory: {error}"))?;
        owner.give(place.path())?;
        let data = place.path().join("data");
        let mut initdb = owner.command(&programs.join("initdb"));
        initdb.args(["--auth=trust", "--encoding=UTF8", "--locale=C", "--no-sync", "--username", ROLE, "--pgdata"]);
        process::run(initdb.arg(&data))?;
        guard(&data.join("pg_hba.conf"))?;
        let mut cluster = Self { programs, disk, owner, port: free_port()?, process: None, place };
        cluster.begin()?;
        let mut create = cluster.client("createdb");
        process::run(create.arg(ROLE))?;
        let mut create = cluster.client("createuser");
        process::run(create.args(["--no-login", GUARDED]))?;
        Ok(cluster)
    }

    /// An address that feedspine takes.
    pub fn url(&self) -> String {
        self.url_at(self.port)
    }

    /// The same, at another port of this machine: that of a proxy or a pooler.
    pub fn url_at(&self, port: u16) -> String {
        format!("postgres://{ROLE}@127.0.0.1:{port}/{ROLE}")
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Stops the server as a crash would, and starts it again: it recovers from its log.
    ///
    /// # Errors
    /// What failed.
    pub fn crash_and_restart(&mut self) -> Result<(), String> {
        self.end("immediate")?;
        self.begin()
    }

    /// Lets the server speak TLS with that certificate and its key, both in PEM, to whoever asks for it.
    ///
    /// # Errors
    /// What failed.
    pub fn encrypt(&self, certificate: &str, key: &str) -> Result<(), String> {
        let data = self.place.path().join("data");
        for (name, text) in [("server.crt", certificate), ("server.key", key)] {
            let path = data.join(name);
            let failed = |error| format!("{}: {error}", path.display());
            std::fs::write(&path, text).map_err(failed)?;
            // The server takes no key that others may read.
            std::fs::set_permissions(&path, Permissions::from_mode(0o600)).map_err(failed)?;
            self.owner.give(&path)?;
        }
        let settings = data.join("postgresql.auto.conf");
        std::fs::write(&settings, "ssl = on\n").map_err(|error| format!("{}: {error}", settings.display()))?;
        let mut reload = self.owner.command(&self.programs.join("pg_ctl"));
        process::run(reload.args(["reload", "--pgdata"]).arg(&data))
    }

    /// Starts a PgBouncer that pools transactions before this server.
    ///
    /// # Errors
    /// What is missing or what failed.
    pub fn pooler(&self) -> Result<Pooler, String> {
        Pooler::start(&self.owner, self.place.path(), self.port, ROLE)
    }

    /// A schema with its rows as SQL statements, which any connection may run: none of them is for `psql` alone.
    ///
    /// # Errors
    /// What failed.
    pub fn dump(&self, schema: &str) -> Result<String, String> {
        let mut dump = self.client("pg_dump");
        dump.args(["--no-owner", "--no-privileges", "--rows-per-insert=50", "--schema", schema, ROLE]);
        let written = process::said_by(&mut dump)?;
        // Newer servers' programs begin and end with a command of psql's.
        Ok(written.lines().filter(|line| !line.starts_with('\\')).flat_map(|line| [line, "\n"]).collect())
    }

    fn begin(&mut self) -> Result<(), String> {
        let data = self.place.path().join("data");
        let mut server = self.owner.command(&self.programs.join("postgres"));
        server.arg("-D").arg(&data).arg("-k").arg(self.place.path());
        server.args(["-h", "127.0.0.1", "-p", &self.port.to_string()]);
        let fsync = if self.disk == Disk::Awaited { "fsync=on" } else { "fsync=off" };
        for setting in SETTINGS.into_iter().chain([fsync]) {
            server.args(["-c", setting]);
        }
        let mut process = Process::start(server, &self.place.path().join("server.log"))?;
        process.until(START, || process::succeeds(&mut self.client("pg_isready")))?;
        self.process = Some(process);
        Ok(())
    }

    fn end(&mut self, mode: &str) -> Result<(), String> {
        let Some(process) = self.process.take() else { return Ok(()) };
        let mut stop = self.owner.command(&self.programs.join("pg_ctl"));
        stop.args(["stop", "--wait", "--mode", mode, "--pgdata"]).arg(self.place.path().join("data"));
        process::run(&mut stop)?;
        process.wait();
        Ok(())
    }

    /// A client program that knows where the server is.
    fn client(&self, program: &str) -> std::process::Command {
        let mut command = self.owner.command(&self.programs.join(program));
        command.args(["-h", "127.0.0.1", "-p", &self.port.to_string(), "-U", ROLE]);
        command
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        // A server that does not stop is ended with its process.
        let _ = self.end("immediate");
    }
}

/// Whether the server's programs are installed.
pub fn has_server() -> bool {
    programs().is_ok()
}

/// Whether PgBouncer is installed.
pub fn has_pooler() -> bool {
    pooler::program().is_ok()
}

/// The directory of the server's programs: that of the newest version that is installed.
fn programs() -> Result<PathBuf, String> {
    if let Some(named) = std::env::var_os("FEEDSPINE_POSTGRES_PROGRAMS") {
        return Ok(named.into());
    }
    let versions = std::fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let numbered = versions.filter_map(|entry| {
        let version: u32 = entry.file_name().to_str()?.parse().ok()?;
        Some((version, entry.path().join("bin"))).filter(|(_, programs)| are_programs(programs))
    });
    if let Some((_, newest)) = numbered.max() {
        return Ok(newest);
    }
    let path = std::env::var_os("PATH").unwrap_or_default();
    std::env::split_paths(&path).find(|programs| are_programs(programs)).ok_or_else(|| {
        "PostgreSQL's server is not installed: `apt-get install postgresql`, or name the directory of its programs in \
         FEEDSPINE_POSTGRES_PROGRAMS"
            .to_owned()
    })
}

fn are_programs(programs: &Path) -> bool {
    ["postgres", "initdb", "pg_ctl"].iter().all(|program| programs.join(OsStr::new(program)).is_file())
}

/// Asks members of [`GUARDED`] for their password; the first line that fits is the one that counts.
fn guard(rules: &Path) -> Result<(), String> {
    let unreadable = |error| format!("{}: {error}", rules.display());
    let trusting = std::fs::read_to_string(rules).map_err(unreadable)?;
    std::fs::write(rules, format!("host all +{GUARDED} all scram-sha-256\n{trusting}")).map_err(unreadable)
}

/// A port of 127.0.0.1 that nobody listens on.
fn free_port() -> Result<u16, String> {
    let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).map_err(|error| format!("no free port: {error}"))?;
    listener.local_addr().map(|address| address.port()).map_err(|error| format!("no free port: {error}"))
}
