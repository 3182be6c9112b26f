//! An inbox over the real binary: killed while it takes files, it takes each of them and doubles nothing.

use std::fs;
use std::process::Stdio;
use std::thread::sleep;
use std::time::Duration;

use crate::support::{User, list, number};

const FILES: usize = 150;
const KILLS: u64 = 8;

#[test]
fn an_inbox_loses_and_doubles_nothing_when_we_are_killed() {
    let user = User::new();
    for file in 0..FILES {
        let lines: String = (0..3).map(|line| format!("{{\"id\":\"{file}-{line}\"}}\n")).collect::<Vec<_>>().concat();
        user.file(&format!("inbox/{file:03}.jsonl"), lines);
    }
    let inbox = user.home().join("inbox");
    let words = ["add", inbox.to_str().unwrap(), "--adapter", "files"];
    let options = ["--option", "each=line", "--option", "inbox=true", "--option", "quiet_s=0"];
    let added = user.run(&[words.as_slice(), &options].concat());
    assert_eq!(added.code, 0, "{added:?}");
    let waiting = || fs::read_dir(&inbox).unwrap().filter(|entry| entry.as_ref().unwrap().path().is_file()).count();
    for kill in 0..KILLS {
        let mut command = user.command(&["collect", "inbox"]);
        let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
        // While it is at work: until a file is put away, then a little longer each time.
        let before = waiting();
        while before > 0 && waiting() == before && child.try_wait().unwrap().is_none() {
            sleep(Duration::from_micros(100));
        }
        sleep(Duration::from_micros(kill * 200));
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let report = user.ask(&["collect", "inbox"]);
    assert_eq!(number(&report, "failed"), 0, "{report}");
    assert_eq!(waiting(), 0);
    // None was overwritten, none put away twice.
    let done: Vec<_> = fs::read_dir(inbox.join("done")).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert!(done.len() == FILES && done.iter().all(|name| name.to_string_lossy().ends_with(".jsonl")), "{done:?}");
    let records = user.ask(&["list", "--limit", "1000"]);
    assert_eq!(list(&records, "items").len(), 3 * FILES);
    assert!(list(&records, "items").iter().all(|record| number(record, "version") == 1));
}
