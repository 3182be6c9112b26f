//! `ingest`: lines from a file, from stdin, and until somebody has enough of them.

use std::io::Write;
use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{User, list, members, number, text};

#[test]
fn lines_are_taken_from_a_file_and_from_stdin_with_one_report() {
    let user = User::new();
    let added = user.run(&["add", "push:orders", "--option", "key=no"]);
    assert!(added.code == 0 && added.stderr.contains("feedspine ingest orders"), "{added:?}");
    let path = user.file("orders.jsonl", "{\"no\":1}\n{\"no\":2}\nno\n");
    let report = user.ask(&["ingest", "orders", path.to_str().unwrap()]);
    assert_eq!(members(&report), "batches counts duration_ms feed lines warnings");
    assert_eq!((number(&report, "counts.new"), number(&report, "counts.rejected")), (2, 1));
    let mut command = user.command(&["ingest", "orders"]);
    let ran = command.stdin(std::fs::File::open(&path).unwrap()).output().unwrap();
    let stdout = String::from_utf8_lossy(&ran.stdout);
    assert_eq!(stdout.trim(), "orders  3 lines: 0 new, 0 changed, 2 unchanged, 1 rejected");
    assert!(String::from_utf8_lossy(&ran.stderr).contains("feedspine rejects orders"), "{ran:?}");
    let rejects = user.ask(&["rejects", "orders"]);
    assert!(text(&rejects, "items.0.reason").starts_with("line 3: "), "{rejects}");
    assert_eq!(user.run(&["ingest", "orders", "none.jsonl"]).code, 5);
    assert_eq!(user.run(&["ingest", "none"]).code, 5);
}

#[test]
fn an_interrupted_ingest_keeps_what_came_and_says_how_far() {
    let user = User::new();
    assert_eq!(user.run(&["add", "push:events"]).code, 0);
    let mut child = user.command(&["ingest", "events"]);
    let mut child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    stdin.write_all(b"{\"id\":1}\n{\"id\":2}\n{\"id\"").unwrap();
    // Lines are not left waiting for others: they can be asked for while the pipe is open.
    let begun = Instant::now();
    let wait_for = |count| {
        while list(&user.ask(&["list"]), "items").len() < count {
            assert!(begun.elapsed() < Duration::from_mins(1), "the lines are not stored");
            sleep(Duration::from_millis(50));
        }
    };
    wait_for(2);
    // Whoever has stored the third has reported the second.
    stdin.write_all(b":3}\n").unwrap();
    wait_for(3);
    let interrupted = std::process::Command::new("kill").args(["-INT", &child.id().to_string()]).status().unwrap();
    assert!(interrupted.success());
    let output = child.wait_with_output().unwrap();
    drop(stdin);
    assert_eq!(output.status.code(), Some(130));
    let stderr = String::from_utf8_lossy(&output.stderr);
    assert!(["behind line 2:", "behind line 3:"].iter().any(|reach| stderr.contains(reach)), "{stderr}");
    assert!(begun.elapsed() < Duration::from_mins(1), "a pipe that is open keeps the command from ending");
    let kept = user.ask(&["list", "--order", "key"]);
    assert_eq!(text(&kept, "items.2.key"), "3");
}
