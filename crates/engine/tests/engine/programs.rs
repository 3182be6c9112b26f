//! Commands: programs that print lines, taps, and what becomes of those that do not end well.

use std::fs;
use std::path::Path;
use std::time::Duration;

use feedspine::Engine;
use feedspine::core::{Feed, FetchStatus, Json};
use feedspine::ops::{AdapterChoice, AddFeed, EntryOutcome, FeedReport, ImportOpml};
use tempfile::TempDir;
use tokio::time::sleep;

use crate::support::{add_with, code, collect, engine, name};

/// A stand-in for a tap: each run tells three rates of one day, the day after that of its state. `fail` as its word makes
/// it fail after its state, `early` before.
const TAP: &str = r#"
day=1
word=$1
while [ $# -gt 0 ]; do
  if [ "$1" = --state ]; then day=$(sed 's/.*"day":\([0-9]*\).*/\1/' "$2"); fi
  shift
done
echo "INFO day $day, token $TOKEN" >&2
echo '{"type":"SCHEMA","stream":"rates","schema":{"properties":{}},"key_properties":["day","code"]}'
for code in CHF GBP USD; do
  echo "{\"type\":\"RECORD\",\"stream\":\"rates\",\"record\":{\"day\":$day,\"code\":\"$code\",\"rate\":0.9}}"
done
if [ "$word" = early ]; then exit 4; fi
echo '{"type":"ACTIVATE_VERSION","stream":"rates","version":1}'
echo "{\"type\":\"STATE\",\"value\":{\"day\":$((day + 1))}}"
if [ "$word" = fail ]; then exit 3; fi
"#;

struct Programs(TempDir);

impl Programs {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn folder(&self) -> &Path {
        self.0.path()
    }

    /// The address of a shell script. It is read, not run itself: nobody writes it while it is started.
    fn address(&self, name: &str, script: &str, arguments: &str) -> String {
        let path = self.folder().join(name);
        fs::write(&path, script).unwrap();
        format!("command:sh {} {arguments}", path.display())
    }
}

async fn add(engine: &Engine, address: &str, options: &[&str]) -> Feed {
    add_with(engine, address, "command", options).await
}

fn counts(report: &FeedReport) -> [u64; 4] {
    [report.counts.new, report.counts.changed, report.counts.unchanged, report.counts.rejected]
}

async fn state(engine: &Engine, feed: &Feed) -> Option<Json> {
    let cursor = engine.storage().cursor(feed.id).await.unwrap()?;
    cursor.value.get("state")?.get("singer").cloned()
}

/// Whether a process runs; one that ended and that nobody asked for does not.
fn runs(number: &str) -> bool {
    let stat = fs::read_to_string(format!("/proc/{}/stat", number.trim())).unwrap_or_default();
    stat.rsplit_once(") ").is_some_and(|(_, rest)| !rest.starts_with('Z'))
}

async fn wait_until(holds: impl Fn() -> bool) {
    for _ in 0..600 {
        if holds() {
            return;
        }
        sleep(Duration::from_millis(50)).await;
    }
    panic!("what was waited for has not come");
}

#[tokio::test]
async fn lines_that_a_program_prints_are_items() {
    let (engine, programs) = (engine().await, Programs::new());
    let script = "echo hello >&2\nprintf '{\"id\":1,\"at\":0}\\nno\\n{\"id\":2}'\n";
    let feed = add(&engine, &programs.address("a", script, ""), &["published=at", "dates=epoch_s"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [2, 0, 0, 1]), "{report:?}");
    assert_eq!(report.warnings, ["command.stderr: hello"]);
    let fetches = engine.feed(&feed.name).await.unwrap().fetches;
    assert_eq!(fetches[0].detail.as_ref().unwrap().reason.as_deref(), Some("command.stderr: hello"));
    assert_eq!(counts(&collect(&engine, &feed).await), [0, 0, 2, 1]);
}

#[tokio::test]
async fn a_program_that_prints_all_there_is_says_what_has_left() {
    let (engine, programs) = (engine().await, Programs::new());
    let list = programs.folder().join("list");
    fs::write(&list, "{\"id\":1}\n{\"id\":2}\n").unwrap();
    let address = format!("command:cat {}", list.display());
    let feed = add(&engine, &address, &["coverage=snapshot"]).await;
    assert_eq!(counts(&collect(&engine, &feed).await), [2, 0, 0, 0]);
    fs::write(&list, "{\"id\":2}\n").unwrap();
    let report = collect(&engine, &feed).await;
    assert_eq!((counts(&report), report.counts.scrolled_off), ([0, 0, 1, 0], 1), "{report:?}");
}

#[tokio::test]
async fn no_shell_reads_a_command_unless_it_is_asked_for() {
    let engine = engine().await;
    let feed = add(&engine, r#"command:printf '{"id":"%s"}\n' $(id) "a b;" *"#, &[]).await;
    assert_eq!((feed.name.as_str(), counts(&collect(&engine, &feed).await)), ("printf", [3, 0, 0, 0]));
    for key in ["$(id)", "a b;", "*"] {
        assert!(engine.show(key, None).await.is_ok(), "{key}");
    }
    let feed = add(&engine, r#"command:echo "{\"id\":\"$((40 + 2))\"}" | cat"#, &["shell=true"]).await;
    assert_eq!(counts(&collect(&engine, &feed).await), [1, 0, 0, 0]);
    assert!(engine.show("42", None).await.is_ok());
    let adapter = AdapterChoice::default();
    let refused = engine.add(AddFeed { adapter, ..AddFeed::new("command:echo 'a") }).await.unwrap_err();
    assert_eq!(refused.code(), "command.words");
}

#[tokio::test]
async fn how_a_program_ended_is_judged_and_what_it_said_is_kept_without_secrets() {
    let (engine, programs) = (engine().await, Programs::new());
    let token = programs.folder().join("token");
    fs::write(&token, "s3cret\n").unwrap();
    let script = "echo '{\"id\":1}'\necho \"bad token $TOKEN in $PWD\" >&2\nexit 3\n";
    let secret = format!("env=TOKEN={{file:{}}}", token.display());
    let folder = format!("dir={}", programs.folder().display());
    let feed = add(&engine, &programs.address("a", script, ""), &[&secret, &folder]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("command.failed", [1, 0, 0, 0]), "{report:?}");
    let error = report.error.unwrap();
    assert_eq!(error.message(), format!("sh ended with status 3: bad token *** in {}", programs.folder().display()));
    let feed = add(&engine, &programs.address("b", "kill -9 $$", ""), &[]).await;
    let error = collect(&engine, &feed).await.error.unwrap();
    assert_eq!(error.message(), "sh was ended by signal 9, and said nothing");
    let feed = add(&engine, "command:/no/such/program --at-all", &[]).await;
    let error = collect(&engine, &feed).await.error.unwrap();
    assert_eq!((error.code(), feed.name.as_str()), ("command.not_started", "program"));
    assert!(error.hint().unwrap().contains("PATH"));
    let adapter = AdapterChoice::new(Some("command"), ["env=TOKEN=s3cret"]).unwrap();
    let refused = engine.add(AddFeed { adapter, ..AddFeed::new("command:true") }).await.unwrap_err();
    assert_eq!(refused.code(), "adapter.secret");
}

/// Prints an item, and never ends: nor does what it started.
const ENDLESS: &str = "sleep 1000 &\necho $! > \"$1\"\necho '{\"id\":1}'\nwait\n";

#[tokio::test]
async fn a_program_that_runs_too_long_is_ended_with_all_that_it_started() {
    let (engine, programs) = (engine().await, Programs::new());
    let started = programs.folder().join("started");
    let feed = add(&engine, &programs.address("a", ENDLESS, started.to_str().unwrap()), &["timeout_s=1"]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("command.timeout", [1, 0, 0, 0]), "{report:?}");
    let number = fs::read_to_string(&started).unwrap();
    wait_until(|| !runs(&number)).await;
}

#[tokio::test]
async fn what_a_program_leaves_behind_is_ended_with_it() {
    let (engine, programs) = (engine().await, Programs::new());
    let started = programs.folder().join("started");
    let script = "sleep 1000 >/dev/null 2>&1 &\necho $! > \"$1\"\necho '{\"id\":1}'\n";
    let feed = add(&engine, &programs.address("a", script, started.to_str().unwrap()), &[]).await;
    let report = collect(&engine, &feed).await;
    assert_eq!((code(&report), counts(&report)), ("ok", [1, 0, 0, 0]), "{report:?}");
    let number = fs::read_to_string(&started).unwrap();
    wait_until(|| !runs(&number)).await;
}

#[tokio::test]
async fn a_collect_that_is_broken_off_ends_its_programs() {
    let (engine, programs) = (engine().await, Programs::new());
    let started = programs.folder().join("started");
    let feed = add(&engine, &programs.address("a", ENDLESS, started.to_str().unwrap()), &[]).await;
    let number = || fs::read_to_string(&started).ok().filter(|number| number.ends_with('\n'));
    tokio::select! {
        _ = collect(&engine, &feed) => panic!("the program does not end"),
        () = wait_until(|| number().is_some_and(|number| runs(&number))) => {}
    }
    let number = number().unwrap();
    wait_until(|| !runs(&number)).await;
}

#[tokio::test]
async fn a_program_that_prints_too_much_is_ended() {
    let engine = engine().await;
    let feed = add(&engine, r#"command:yes {"id":1}"#, &["max_mib=1"]).await;
    let error = collect(&engine, &feed).await.error.unwrap();
    assert_eq!(error.code(), "command.too_much");
    assert!(error.message().contains("more than 1 MiB") && error.hint().unwrap().contains("max_mib"), "{error:?}");
}

#[tokio::test]
async fn a_tap_is_given_its_state_and_tells_what_is_new() {
    let (engine, programs) = (engine().await, Programs::new());
    let feed = add(&engine, &programs.address("tap", TAP, "--config c.json"), &["singer=true", "volatile=rate"]).await;
    for day in 1..=3 {
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), counts(&report)), ("ok", [3, 0, 0, 0]), "{report:?}");
        assert!(report.warnings[0].contains(&format!("INFO day {day}")), "{report:?}");
        let expected = Json::object([("day", Json::from(day + 1_u64))]);
        assert_eq!(state(&engine, &feed).await, Some(expected));
    }
    let record = engine.show(r#"["rates","2","CHF"]"#, None).await.unwrap().record;
    assert_eq!(record.content.as_str(), r#"{"_stream":"rates","code":"CHF","day":2,"rate":0.9}"#);
}

#[tokio::test]
async fn a_tap_that_fails_goes_on_behind_the_last_state_that_it_told() {
    let (engine, programs) = (engine().await, Programs::new());
    let feed = add(&engine, &programs.address("tap", TAP, "fail"), &["singer=true"]).await;
    for _ in 0..2 {
        let report = collect(&engine, &feed).await;
        assert_eq!((code(&report), counts(&report)), ("command.failed", [3, 0, 0, 0]), "{report:?}");
        assert!(report.error.unwrap().message().contains("status 3: INFO day"));
        let fetches = engine.feed(&feed.name).await.unwrap().fetches;
        assert_eq!(fetches[0].detail.as_ref().unwrap().status, FetchStatus::Failed);
    }
    let early = add(&engine, &programs.address("early", TAP, "early"), &["singer=true"]).await;
    for expected in [[3, 0, 0, 0], [0, 0, 3, 0]] {
        assert_eq!(counts(&collect(&engine, &early).await), expected);
        assert_eq!(state(&engine, &early).await, None);
    }
}

#[tokio::test]
async fn no_list_of_feeds_brings_a_command() {
    let engine = engine().await;
    let outline = |address: &str| format!("<outline text='x' xmlUrl='{address}'/>");
    let addresses = ["command:touch /tmp/x", "COMMAND:id", " command:id", "push:orders", "file:///etc/passwd"];
    let outlines: String = addresses.map(outline).concat();
    let bytes = format!("<opml version='2.0'><body>{outlines}</body></opml>").into_bytes();
    let request = ImportOpml { bytes, name: "list".to_owned(), tags: Vec::new(), allow_private: true };
    let import = engine.import_opml(request).await.unwrap();
    assert_eq!(import.count(EntryOutcome::Refused), addresses.len(), "{import:?}");
    assert!(engine.feeds().await.unwrap().items.is_empty());
    assert!(engine.feed(&name("x")).await.is_err());
}
