//! Processes that are started and ended here.

use std::fs::File;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

/// How often a server that starts is asked.
const PAUSE: Duration = Duration::from_millis(50);

/// A server that was started, and is ended with this value.
#[derive(Debug)]
pub(crate) struct Process {
    child: Child,
    log: PathBuf,
}

impl Process {
    /// Starts a program that writes to that log.
    pub(crate) fn start(mut command: Command, log: &Path) -> Result<Self, String> {
        let open = || File::options().create(true).append(true).open(log);
        let (out, err) = open().and_then(|out| Ok((out, open()?))).map_err(|error| format!("no log: {error}"))?;
        let child = command.stdin(Stdio::null()).stdout(out).stderr(err).spawn();
        let child = child.map_err(|error| format!("{} does not start: {error}", shown(&command)))?;
        Ok(Self { child, log: log.to_owned() })
    }

    /// Waits until it is ready.
    pub(crate) fn until(&mut self, patience: Duration, mut ready: impl FnMut() -> bool) -> Result<(), String> {
        let began = Instant::now();
        while !ready() {
            if let Ok(Some(status)) = self.child.try_wait() {
                return Err(format!("the server ended ({status}):\n{}", self.said()));
            }
            if began.elapsed() > patience {
                return Err(format!("the server was not ready after {} s:\n{}", patience.as_secs(), self.said()));
            }
            std::thread::sleep(PAUSE);
        }
        Ok(())
    }

    /// Waits for its end.
    pub(crate) fn wait(mut self) {
        let _ = self.child.wait();
    }

    fn said(&self) -> String {
        std::fs::read_to_string(&self.log).unwrap_or_default()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Runs a program to its end.
pub(crate) fn run(command: &mut Command) -> Result<(), String> {
    said_by(command).map(drop)
}

/// Runs a program to its end, and gives what it printed.
pub(crate) fn said_by(command: &mut Command) -> Result<String, String> {
    let output = command.stdin(Stdio::null()).output();
    let output = output.map_err(|error| format!("{} does not start: {error}", shown(command)))?;
    if output.status.success() {
        return String::from_utf8(output.stdout).map_err(|_| format!("{} printed no text", shown(command)));
    }
    let said = String::from_utf8_lossy(&output.stderr);
    Err(format!("{} failed ({}): {}", shown(command), output.status, said.trim()))
}

/// Whether a program ends well.
pub(crate) fn succeeds(command: &mut Command) -> bool {
    let status = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).status();
    status.is_ok_and(|status| status.success())
}

fn shown(command: &Command) -> String {
    let words = std::iter::once(command.get_program()).chain(command.get_args());
    words.map(|word| word.to_string_lossy()).collect::<Vec<_>>().join(" ")
}
