//! kill -9 at the very calls of the system by which a process writes.

use std::collections::{BTreeSet, HashMap};
use std::fmt;
use std::fs::File;
use std::io::{IoSlice, Write as _};
use std::os::fd::AsFd;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};
use std::process::{Command, ExitStatus, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Mutex, PoisonError};

use tempfile::TempDir;

use crate::demand::tell;
use crate::skip;

/// Names the directory to the process that is killed.
const KILLED: &str = "FEEDSPINE_KILLED";

/// What the process says of each thing that is done for good.
const ACKNOWLEDGED: &str = "acknowledged";

/// The number of the signal KILL.
const KILL: i32 = 9;

/// The test of a program whose process is killed while it writes.
#[derive(Debug, Clone, Copy)]
pub struct Writer {
    /// Its full name. It does nothing unless [`Writer::place`] says where, and says [`Writer::acknowledge`] after each
    /// step.
    pub test: &'static str,
    /// The system calls by which it writes and syncs, as strace lists them.
    pub calls: &'static str,
    /// What its environment holds besides.
    pub environment: &'static [(&'static str, &'static str)],
}

/// One of the calls that a process makes: of a thread's calls of that name the one with that number, from 1 on, in
/// whichever thread comes so far first. So strace counts them.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Call {
    /// The name of the system call.
    pub name: &'static str,
    /// How many of that name its thread has made with it.
    pub number: usize,
}

impl fmt::Display for Call {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.name, self.number)
    }
}

/// What a killed process leaves.
#[derive(Debug)]
pub struct Left<'a> {
    /// The directory that it wrote in.
    pub directory: &'a Path,
    /// How many steps it acknowledged.
    pub acknowledged: usize,
    /// At which of its calls it was killed, for messages.
    pub call: Call,
}

/// What a sweep did.
#[derive(Debug, Clone)]
pub struct Swept {
    /// How many calls the process makes when nobody kills it.
    pub calls: usize,
    /// How often it was run to be killed, each time in another call.
    pub runs: usize,
    /// The calls that it was killed in; of the other runs each ended by itself before.
    pub killed: BTreeSet<Call>,
}

impl Writer {
    /// Where to write, in the process that is killed; `None` in an ordinary run of its test.
    pub fn place() -> Option<PathBuf> {
        std::env::var_os(KILLED).map(PathBuf::from)
    }

    /// Says that a step is done, past the test runner, which may keep back what is printed. The call is one that writers
    /// of stores do not make, so that none of theirs is counted in vain.
    pub fn acknowledge() {
        let text = format!("\n{ACKNOWLEDGED}\n");
        let out = std::io::stdout().as_fd().try_clone_to_owned().map(File::from);
        let told = out.and_then(|mut out| out.write_vectored(&[IoSlice::new(text.as_bytes())]));
        assert_eq!(told.expect("whoever started this listens"), text.len());
    }

    /// Kills it in so many of its calls, no two of them the same, spread over its life, on two threads, and lets `judge`
    /// look at what each run left; in fewer when it makes no more. Without strace it is skipped: `None`.
    ///
    /// # Panics
    /// A judge panics; an undisturbed run does not acknowledge all `steps`, or one fails that is not killed; of three runs
    /// two end before they are killed.
    pub fn sweep(&self, kills: usize, steps: usize, judge: impl Fn(Left<'_>) + Sync) -> Option<Swept> {
        if Command::new("strace").arg("--version").output().is_err() {
            skip("strace cannot be run");
            return None;
        }
        let calls = self.calls_of_an_undisturbed_run(steps);
        let chosen: Vec<Call> = spread(calls.len()).into_iter().map(|place| calls[place]).collect();
        let (next, killed) = (AtomicUsize::new(0), Mutex::new(BTreeSet::new()));
        let killed_so_far = || killed.lock().unwrap_or_else(PoisonError::into_inner);
        let work = || {
            while killed_so_far().len() < kills {
                let run = next.fetch_add(1, Ordering::Relaxed);
                let Some(call) = chosen.get(run) else { return };
                // Threads share the work in another way each time: some runs end before the call they were to be killed in.
                assert!(run < 3 * kills, "{} of {run} runs were killed", killed_so_far().len());
                if self.kill_in(*call, &judge) {
                    killed_so_far().insert(*call);
                }
            }
        };
        std::thread::scope(|scope| {
            scope.spawn(work);
            scope.spawn(work);
        });
        let runs = next.into_inner().min(chosen.len());
        let killed = killed.into_inner().unwrap_or_else(PoisonError::into_inner);
        let (distinct, calls) = (killed.len(), calls.len());
        tell(&format!("{}: killed in {distinct} of {calls} calls; {} runs ended before", self.test, runs - distinct));
        Some(Swept { calls, runs, killed })
    }

    /// Kills it in each of its first calls.
    ///
    /// # Panics
    /// A judge panics; an undisturbed run does not acknowledge all `steps`; of ten runs more than one ends before it is
    /// killed.
    pub fn sweep_beginning(&self, kills: usize, steps: usize, judge: impl Fn(Left<'_>)) {
        if Command::new("strace").arg("--version").output().is_err() {
            return skip("strace cannot be run");
        }
        let mut calls = self.calls_of_an_undisturbed_run(steps);
        calls.truncate(kills);
        let killed = calls.iter().filter(|call| self.kill_in(**call, &judge)).count();
        tell(&format!("{}: killed in {killed} of its first {kills} calls", self.test));
        assert!(killed + kills / 10 >= kills, "{killed} of {kills} runs were killed");
    }

    /// Lets it be killed in that call and the rest be judged; whether it was.
    fn kill_in(&self, call: Call, judge: &impl Fn(Left<'_>)) -> bool {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let inject = format!("inject={}:signal=KILL:when={}", call.name, call.number);
        let (acknowledged, ended) = self.run(directory.path(), &["-e", &inject, "-o", "/dev/null"]);
        // strace ends as what it traces ended.
        let killed = ended.signal() == Some(KILL);
        assert!(killed || ended.success(), "{} was to be killed at call {call}, and failed: {ended}", self.test);
        judge(Left { directory: directory.path(), acknowledged, call });
        killed
    }

    /// Runs it under strace: how many steps it acknowledged, and how it ended.
    fn run(&self, directory: &Path, strace: &[&str]) -> (usize, ExitStatus) {
        let ran = Command::new("strace")
            .args(["-f", "-qq", "-e", &format!("trace={}", self.calls)])
            .args(strace)
            .arg(std::env::current_exe().expect("a test is a program"))
            .args(["--exact", self.test, "--nocapture"])
            .env(KILLED, directory)
            .envs(self.environment.iter().copied())
            .stdin(Stdio::null())
            .stderr(Stdio::null())
            .output()
            .expect("strace runs");
        let said = String::from_utf8_lossy(&ran.stdout);
        (said.lines().filter(|line| *line == ACKNOWLEDGED).count(), ran.status)
    }

    /// The calls that it makes, in the order in which it makes them.
    fn calls_of_an_undisturbed_run(&self, steps: usize) -> Vec<Call> {
        let directory = TempDir::new().expect("a temporary directory can be made");
        let trace = directory.path().join("trace");
        let (acknowledged, ended) = self.run(directory.path(), &["-o", &trace.to_string_lossy()]);
        assert_eq!((acknowledged, ended.success()), (steps, true), "an undisturbed run of {}: {ended}", self.test);
        calls_in(&std::fs::read_to_string(trace).expect("strace writes what it saw"), self.calls)
    }
}

/// The calls of these names in what strace wrote, a line for each: its thread, then the call.
fn calls_in(trace: &str, names: &'static str) -> Vec<Call> {
    let (mut made, mut reached) = (HashMap::<(&str, &str), usize>::new(), HashMap::<&str, usize>::new());
    let mut calls = Vec::new();
    for line in trace.lines() {
        // The rest of one that is resumed, or a signal, has no such name before a parenthesis.
        let Some((thread, said)) = line.split_once(' ') else { continue };
        let said = said.trim_start().split('(').next();
        let Some(name) = names.split(',').find(|name| said == Some(*name)) else { continue };
        let number = made.entry((thread, name)).or_default();
        *number += 1;
        let furthest = reached.entry(name).or_default();
        if *number > *furthest {
            *furthest = *number;
            calls.push(Call { name, number: *number });
        }
    }
    calls
}

/// The numbers below `calls`, each once, in such an order that the first few lie as far from one another as many:
/// multiples of the golden ratio.
fn spread(calls: usize) -> Vec<usize> {
    let place = |run: u64| {
        let fraction = run.wrapping_mul(0x9E37_79B9_7F4A_7C15);
        usize::try_from((u128::from(fraction) * calls as u128) >> 64).expect("a part of a number fits where it does")
    };
    let mut seen = BTreeSet::new();
    (0..).map(place).filter(|place| seen.insert(*place)).take(calls).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn few_calls_are_spread_and_many_are_all_of_them_once() {
        let mut few: Vec<usize> = spread(100).into_iter().take(5).collect();
        few.sort_unstable();
        assert!(few.windows(2).all(|pair| pair[1] - pair[0] >= 14), "{few:?}");
        for calls in [0, 1, 2, 300, 1_001] {
            let mut all = spread(calls);
            all.sort_unstable();
            assert!(all.into_iter().eq(0..calls), "{calls}");
        }
    }

    #[test]
    fn a_call_is_counted_once_by_its_name_in_whichever_thread_comes_so_far_first() {
        let trace = "7  write(1, \"a\", 1) = 1\n\
                     7  fsync(3 <unfinished ...>\n\
                     8  write(4, \"write(b\", 7) = 7\n\
                     7  <... fsync resumed>) = 0\n\
                     8  write(4, \"c\", 1) = 1\n\
                     7  --- SIGCHLD {si_signo=SIGCHLD} ---\n\
                     7  writev(1, [], 0) = 0\n\
                     7  write(1, \"d\", 1) = ?\n\
                     7  +++ killed by SIGKILL +++\n";
        let calls: Vec<String> = calls_in(trace, "write,fsync").iter().map(Call::to_string).collect();
        assert_eq!(calls, ["write 1", "fsync 1", "write 2"]);
    }
}
