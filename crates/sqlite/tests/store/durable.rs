//! Acknowledged is durable: a trace shows the log synced after its last write and before the answer.

use std::io::Write as _;
use std::path::Path;
use std::process::Command;

use feedspine_core::StorageBackend;
use tempfile::TempDir;

use crate::support::{item, open, snapshot};

/// Names the store of the process that is traced: this test program again, with one test.
const TRACED: &str = "FEEDSPINE_TRACED_STORE";

/// Ingests three edits of an item and says so after each. Does nothing unless it is the traced process.
#[tokio::test]
async fn acknowledges_what_is_traced() {
    let Some(directory) = std::env::var_os(TRACED) else { return };
    let store = open(Path::new(&directory)).await;
    for fetch in 1..=3 {
        store.ingest(snapshot(1, fetch, vec![item(0, "item", &fetch.to_string())])).await.unwrap();
        // Past the test harness, which may keep back what is printed.
        std::io::stdout().write_all(b"acknowledged\n").unwrap();
        std::io::stdout().flush().unwrap();
    }
    store.close().await.unwrap();
}

/// What happens to the log, in the order of the trace.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Step {
    Write,
    Synced,
    Acknowledged,
}

/// Reads a trace of several threads, in which a call may be interrupted and resumed on a later line.
fn steps(trace: &str) -> Vec<Step> {
    let mut syncing: Vec<&str> = Vec::new();
    let mut steps = Vec::new();
    for line in trace.lines() {
        let Some((thread, call)) = line.split_once(' ') else { continue };
        let call = call.trim_start();
        let of_log = call.contains("-wal>");
        if call.starts_with("pwrite64(") && of_log {
            steps.push(Step::Write);
        } else if call.starts_with("fdatasync(") || call.starts_with("fsync(") {
            match (of_log, call.contains("<unfinished")) {
                (true, true) => syncing.push(thread),
                (true, false) if call.ends_with("= 0") => steps.push(Step::Synced),
                _ => {}
            }
        } else if call.starts_with("<... f") && call.contains("sync resumed") && call.ends_with("= 0") {
            if let Some(at) = syncing.iter().position(|held| *held == thread) {
                syncing.swap_remove(at);
                steps.push(Step::Synced);
            }
        } else if call.starts_with("write(") && call.contains("acknowledged") {
            steps.push(Step::Acknowledged);
        }
    }
    steps
}

#[test]
fn the_log_is_synced_after_its_last_write_and_before_the_acknowledgement() {
    let directory = TempDir::new().unwrap();
    let output = directory.path().join("trace");
    let traced = Command::new("strace")
        .args(["-f", "-y", "-e", "trace=pwrite64,write,fdatasync,fsync", "-o"])
        .arg(&output)
        .arg(std::env::current_exe().unwrap())
        .args(["--exact", "durable::acknowledges_what_is_traced", "--nocapture"])
        .env(TRACED, directory.path())
        .output();
    let traced = match traced {
        Ok(traced) => traced,
        Err(error) => return feedspine_cluster::skip(&format!("strace cannot be run: {error}")),
    };
    let said = String::from_utf8_lossy(&traced.stderr);
    assert!(traced.status.success(), "{said}");
    let steps = steps(&std::fs::read_to_string(&output).unwrap());
    let mut acknowledged = 0;
    let mut unsynced = false;
    let mut written = false;
    for step in &steps {
        match step {
            Step::Write => (unsynced, written) = (true, true),
            Step::Synced => unsynced = false,
            Step::Acknowledged => {
                assert!(written && !unsynced, "answered before the log was on disk: {steps:?}");
                (acknowledged, written) = (acknowledged + 1, false);
            }
        }
    }
    assert_eq!(acknowledged, 3, "{steps:?}");
}

#[test]
fn an_answer_before_the_sync_would_be_noticed() {
    let trace = "7 pwrite64(5</tmp/store.db-wal>, \"\", 32, 0) = 32
7 fdatasync(5</tmp/store.db-wal> <unfinished ...>
8 write(1</tmp/out>, \"acknowledged\\n\", 13) = 13
7 <... fdatasync resumed>) = 0";
    assert_eq!(steps(trace), [Step::Write, Step::Acknowledged, Step::Synced]);
}
