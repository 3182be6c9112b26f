//! [`Program`]: a program that runs for one fetch: what it prints, what it says on stderr, how it ended. It never outlives
//! the fetch: its process group is ended with it.

use std::collections::VecDeque;
use std::io;
use std::os::unix::process::ExitStatusExt;
use std::process::{ExitStatus, Stdio};
use std::sync::{Arc, Mutex, PoisonError};

use rustix::process::{Pid, Signal, WaitId, WaitIdOptions, kill_process_group, waitid};
use tokio::io::{AsyncRead, AsyncReadExt};
use tokio::process::{Child, ChildStdout, Command};
use tokio::task::JoinHandle;

/// As much of the end of stderr is kept.
const TAIL: usize = 4 * 1024;

/// A program under way.
pub(super) struct Program {
    child: Child,
    stdout: ChildStdout,
    said: Arc<Mutex<VecDeque<u8>>>,
    listener: JoinHandle<()>,
}

/// How a program ended.
#[derive(Debug)]
pub(super) struct Ended {
    /// `None` when it ended well, else how it did not, to go on after its name.
    pub(super) fault: Option<String>,
    /// The end of what it said on stderr.
    pub(super) said: String,
}

impl Program {
    /// Starts a program in a process group of its own.
    pub(super) fn start(mut command: Command) -> io::Result<Self> {
        command.stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped()).process_group(0).kill_on_drop(true);
        let mut child = command.spawn()?;
        let stdout = child.stdout.take().expect("stdout is piped");
        let stderr = child.stderr.take().expect("stderr is piped");
        let said = Arc::new(Mutex::new(VecDeque::new()));
        let listener = tokio::spawn(listen(stderr, Arc::clone(&said)));
        Ok(Self { child, stdout, said, listener })
    }

    /// The next bytes that it prints; none when it has closed its output.
    pub(super) async fn read(&mut self, piece: &mut [u8]) -> io::Result<usize> {
        self.stdout.read(piece).await
    }

    /// Waits until it ends, and ends what it left behind.
    pub(super) async fn wait(mut self) -> io::Result<Ended> {
        if let Some(group) = self.group() {
            // Nobody takes note of its end yet: until then its number is no other's, and stands for its group.
            let ends = move || waitid(WaitId::Pid(group), WaitIdOptions::EXITED | WaitIdOptions::NOWAIT);
            tokio::task::spawn_blocking(ends).await.ok();
            self.end_group();
        }
        let status = self.child.wait().await?;
        // Whoever left its group may hold stderr open.
        let patience = std::time::Duration::from_secs(1);
        tokio::time::timeout(patience, &mut self.listener).await.ok();
        Ok(Ended { fault: fault(status), said: self.said() })
    }

    /// Ends it and what it started; what it had said until then.
    pub(super) fn end(self) -> String {
        self.said()
    }

    /// Its process group; `None` once its end was taken note of: then the number may be another's.
    fn group(&self) -> Option<Pid> {
        self.child.id().and_then(|number| Pid::from_raw(number.cast_signed()))
    }

    fn end_group(&self) {
        if let Some(group) = self.group() {
            // It may just have ended by itself.
            kill_process_group(group, Signal::KILL).ok();
        }
    }

    fn said(&self) -> String {
        let mut said = self.said.lock().unwrap_or_else(PoisonError::into_inner);
        let text = String::from_utf8_lossy(said.make_contiguous()).into_owned();
        // The first line was cut.
        match text.split_once('\n') {
            Some((_, rest)) if said.len() == TAIL && !rest.trim().is_empty() => rest.trim().to_owned(),
            _ => text.trim().to_owned(),
        }
    }
}

impl Drop for Program {
    fn drop(&mut self) {
        self.listener.abort();
        self.end_group();
    }
}

async fn listen(mut stderr: impl AsyncRead + Unpin, said: Arc<Mutex<VecDeque<u8>>>) {
    let mut piece = [0; 1024];
    while let Ok(read @ 1..) = stderr.read(&mut piece).await {
        let mut said = said.lock().unwrap_or_else(PoisonError::into_inner);
        said.extend(&piece[..read]);
        let surplus = said.len().saturating_sub(TAIL);
        said.drain(..surplus);
    }
}

fn fault(status: ExitStatus) -> Option<String> {
    match (status.code(), status.signal()) {
        (Some(0), _) => None,
        (Some(code), _) => Some(format!("ended with status {code}")),
        (None, Some(signal)) => Some(format!("was ended by signal {signal}")),
        (None, None) => Some("ended in an unknown way".to_owned()),
    }
}
