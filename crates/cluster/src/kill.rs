//! kill -9 at the very calls of the system by which a process writes.

use std::collections::HashMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};

use tempfile::TempDir;

use crate::demand::tell;
use crate::skip;

/// Names the directory to the process that is killed.
const KILLED: &str = "FEEDSPINE_KILLED";

/// What the process says of each thing that is done for good.
const ACKNOWLEDGED: &str = "acknowledged";

/// The test of a program whose process is killed while it writes.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// Its full name. It does nothing unless [`Writer::place`] says where, and says [`Writer::acknowledge`] after each
    /// step.
    pub test: &'static str,
    /// The system calls by which it writes and syncs, as strace lists them.
    pub calls: &'static str,
}

/// What a killed process leaves.
#[derive(Debug)]
pub struct Left<'a> {
    /// The directory that it wrote in.
    pub directory: &'a Path,
    /// How many steps it acknowledged.
    pub acknowledged: usize,
    /// At which of its calls it was killed, for messages.
    pub call: usize,
}

/// What a sweep did.
#[derive(Debug, Clone, Copy)]
pub struct Swept {
    /// How many calls the process makes when nobody kills it.
    pub calls: usize,
    /// How often it was run to be killed.
    pub runs: usize,
    /// How often it was killed before it ended by itself.
    pub killed: usize,
}

impl Writer {
    /// Where to write, in the process that is killed; `None` in an ordinary run of its test.
    pub fn place() -> Option<PathBuf> {
        std::env::var_os(KILLED).map(PathBuf::from)
    }

    /// Says that a step is done, past the test runner, which may keep back what is printed.
    pub fn acknowledge() {
        let mut out = std::io::stdout();
        let told = out.write_all(format!("\n{ACKNOWLEDGED}\n").as_bytes()).and_then(|()| out.flush());
        told.expect("whoever started this listens");
    }

    /// Kills it in so many of its calls, spread over its life, on two threads, and lets `judge` look at what each run left.
    /// Without strace it is skipped: `None`.
    ///
    /// # Panics
    /// A judge panics; an undisturbed run does not acknowledge all `steps`; of three runs two end before they are killed.
    pub fn sweep(&self, kills: usize, steps: usize, judge: impl Fn(Left<'_>) + Sync) -> Option<Swept> {
        if Command::new("strace").arg("--version").output().is_err() {
            skip("strace cannot be run");
            return None;
        }
        let calls = self.calls_of_an_undisturbed_run(steps);
        let (next, killed) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let work = || {
            while killed.load(Ordering::Relaxed) < kills {
                let run = next.fetch_add(1, Ordering::Relaxed);
                // Threads share the work in another way each time: some runs end before the call they were to be killed in.
                assert!(run < 3 * kills, "{killed:?} of {run} runs were killed");
                let was_killed = self.kill_in(spread(run, calls), &judge);
                killed.fetch_add(usize::from(was_killed), Ordering::Relaxed);
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            scope.spawn(work);
        });
        let (killed, runs) = (killed.into_inner(), next.into_inner());
        tell(&format!("{}: killed in {killed} of {calls} calls; {} runs ended before", self.test, runs - killed));
        Some(Swept { calls, runs, killed })
    }

    /// Kills it in each of its first calls.
    ///
    /// # Panics
    /// A judge panics; of two runs one ends before it is killed.
    pub fn sweep_beginning(&self, calls: usize, judge: impl Fn(Left<'_>)) {
        if Command::new("strace").arg("--version").output().is_err() {
            return skip("strace cannot be run");
        }
        let killed = (1..=calls).filter(|call| self.kill_in(*call, &judge)).count();
        tell(&format!("{}: killed in {killed} of its first {calls} calls", self.test));
        assert!(2 * killed >= calls, "{killed} of {calls} runs were killed");
    }

    /// Lets it be killed in its call of that number and the rest be judged; whether it was.
    fn kill_in(&self, call: usize, judge: &impl Fn(Left<'_>)) -> bool {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let inject = format!("inject={}:signal=KILL:when={call}", self.calls);
        let (acknowledged, ended) = self.run(directory.path(), &["-e", &inject, "-o", "/dev/null"]);
        judge(Left { directory: directory.path(), acknowledged, call });
        !ended
    }

    /// Runs it under strace: how many steps it acknowledged, and whether it ended by itself.
    fn run(&self, directory: &Path, strace: &[&str]) -> (usize, bool) {
        let ran = Command::new("strace")
            .args(["-f", "-qq", "-e", &format!("trace={}", self.calls)])
            .args(strace)
            .arg(std::env::current_exe().expect("a test is a program"))
            .args(["--exact", self.test, "--nocapture"])
            .env(KILLED, directory)
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .expect("strace runs");
        let said = String::from_utf8_lossy(&ran.stdout);
        (said.lines().filter(|line| *line == ACKNOWLEDGED).count(), ran.status.success())
    }

    /// How many calls the busiest thread makes: strace counts them for each thread.
    fn calls_of_an_undisturbed_run(&self, steps: usize) -> usize {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let trace = directory.path().join("trace");
        let ended = self.run(directory.path(), &["-o", &trace.to_string_lossy()]);
        assert_eq!(ended, (steps, true), "an undisturbed run of {}", self.test);
        let trace = std::fs::read_to_string(trace).expect("strace writes what it saw");
        let mut threads = HashMap::<&str, usize>::new();
        for thread in trace.lines().filter(|line| !line.contains("resumed>")).filter_map(|line| line.split(' ').next())
        {
            *threads.entry(thread).or_default() += 1;
        }
        threads.into_values().max().unwrap_or_default()
    }
}

/// A number from 1 to `calls` for each run, so that those of the first few lie as far from one another as those of many:
/// multiples of the golden ratio.
fn spread(run: usize, calls: usize) -> usize {
    let fraction = (run as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15);
    1 + usize::try_from((u128::from(fraction) * calls as u128) >> 64).expect("a part of a number fits where it does")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_calls_are_spread_and_many_are_nearly_all() {
        let mut few: Vec<usize> = (0..5).map(|run| spread(run, 100)).collect();
        few.sort_unstable();
        assert!(few.windows(2).all(|pair| pair[1] - pair[0] >= 14), "{few:?}");
        let many: std::collections::BTreeSet<usize> = (0..300).map(|run| spread(run, 300)).collect();
        assert!(many.len() > 250 && many.first() == Some(&1) && many.last() <= Some(&300), "{}", many.len());
    }
}
