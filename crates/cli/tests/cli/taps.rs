//! A tap over the real binary: captured incrementally, its state kept when our process is killed.

use std::process::Stdio;
use std::thread::sleep;
use std::time::{Duration, Instant};

use crate::support::{User, list, number, text};

/// Each run tells three rates of a day. While there is a file `hold`, it waits before the third.
const TAP: &str = r#"
day=1
if [ "$1" = --state ]; then day=$(sed 's/.*"day":\([0-9]*\).*/\1/' "$2"); fi
record() { echo "{\"type\":\"RECORD\",\"stream\":\"rates\",\"record\":{\"day\":$day,\"code\":\"$1\"}}"; }
echo '{"type":"SCHEMA","stream":"rates","schema":{},"key_properties":["day","code"]}'
record CHF
record GBP
while [ -e "${0%/*}/hold" ]; do sleep 0.1; done
record USD
echo "{\"type\":\"STATE\",\"value\":{\"day\":$((day + 1))}}"
"#;

#[test]
fn a_tap_is_captured_incrementally_and_its_state_survives_a_kill() {
    let user = User::new();
    let tap = user.file("tap.sh", TAP);
    let address = format!("command:sh {}", tap.display());
    let added = user.run(&["add", &address, "--name", "rates", "--option", "singer=true"]);
    assert_eq!(added.code, 0, "{added:?}");
    let collected = || {
        let report = user.ask(&["collect", "rates"]);
        ["new", "changed", "unchanged"].map(|count| number(&report, &format!("counts.{count}")))
    };
    assert_eq!(collected(), [3, 0, 0]);

    let hold = user.file("hold", "");
    let mut command = user.command(&["collect", "rates"]);
    let mut child = command.stdout(Stdio::null()).stderr(Stdio::null()).spawn().unwrap();
    let begun = Instant::now();
    // What it has told is stored while it goes on.
    while list(&user.ask(&["list"]), "items").len() < 5 {
        assert!(begun.elapsed() < Duration::from_mins(2), "what the tap told is not stored");
        sleep(Duration::from_millis(50));
    }
    child.kill().unwrap();
    child.wait().unwrap();
    // The tap that nobody reads any more ends by itself.
    std::fs::remove_file(hold).unwrap();

    assert_eq!(collected(), [1, 0, 2], "the day that was cut off is told again");
    assert_eq!(collected(), [3, 0, 0], "the state went on from there");
    let records = user.ask(&["list", "--order", "key"]);
    let keys: Vec<&str> = list(&records, "items").iter().map(|record| text(record, "key")).collect();
    assert_eq!((keys.len(), keys[0], keys[8]), (9, r#"["rates","1","CHF"]"#, r#"["rates","3","USD"]"#));
    let shown = user.ask(&["feed", "show", "rates"]);
    let outcomes: Vec<&str> = list(&shown, "fetches").iter().map(|fetch| text(fetch, "detail.status")).collect();
    assert_eq!(outcomes, ["captured", "captured", "interrupted", "captured"], "{shown}");
}
