//! A real PgBouncer that pools transactions.

use std::net::{Ipv4Addr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use crate::owner::Owner;
use crate::process::{self, Process};

const START: Duration = Duration::from_secs(20);

/// A running PgBouncer: each transaction may run on another connection of the server than the one before it.
#[derive(Debug)]
pub struct Pooler {
    port: u16,
    /// Held for its end.
    _process: Process,
}

impl Pooler {
    pub(crate) fn start(owner: &Owner, place: &Path, server: u16, role: &str) -> Result<Self, String> {
        let port = crate::free_port()?;
        let config = place.join(format!("pgbouncer-{port}.ini"));
        let text = format!(
            "[databases]\n{role} = host=127.0.0.1 port={server} dbname={role} user={role}\n\
             [pgbouncer]\nlisten_addr = 127.0.0.1\nlisten_port = {port}\nunix_socket_dir =\n\
             auth_type = any\npool_mode = transaction\ndefault_pool_size = 4\nmax_client_conn = 200\n\
             server_reset_query_always = 0\n{}",
            forgetful(&program()?)?
        );
        std::fs::write(&config, text).map_err(|error| format!("{}: {error}", config.display()))?;
        owner.give(&config)?;
        let program = program()?;
        let mut command = owner.command(&program);
        command.arg(&config);
        let mut process = Process::start(command, &place.join(format!("pgbouncer-{port}.log")))?;
        process.until(START, || TcpStream::connect((Ipv4Addr::LOCALHOST, port)).is_ok())?;
        Ok(Self { port, _process: process })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }
}

/// PgBouncer keeps prepared statements itself since 1.21; it is told not to, so that tests see what others do not.
fn forgetful(program: &Path) -> Result<&'static str, String> {
    let said = process::said_by(Command::new(program).arg("--version"))?;
    let mut numbers = said.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty());
    let mut next = || numbers.next().and_then(|number| number.parse::<u32>().ok()).unwrap_or(0);
    let version = (next(), next());
    Ok(if version >= (1, 21) { "max_prepared_statements = 0\n" } else { "" })
}

pub(crate) fn program() -> Result<PathBuf, String> {
    let path = std::env::var_os("PATH").unwrap_or_default();
    let places = std::env::split_paths(&path).chain(["/usr/sbin".into()]);
    places
        .map(|place| place.join("pgbouncer"))
        .find(|program| program.is_file())
        .ok_or_else(|| "PgBouncer is not installed: `apt-get install pgbouncer`".to_owned())
}
