//! What the tests of the binary share: a home of its own for each, and short ways to look into answers.

use std::fmt::Write;
use std::path::{Path, PathBuf};
use std::process::{Command, Output, Stdio};

use feedspine::core::Json;
use tempfile::TempDir;

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    pub(crate) fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8"),
        }
    }

    /// The one JSON document on stdout.
    pub(crate) fn json(&self) -> Json {
        Json::parse(&self.stdout).unwrap_or_else(|error| panic!("{error}: {self:?}"))
    }
}

/// A user who has configured nothing, asks loopback as often as wanted, and has a home directory of his own.
#[derive(Debug)]
pub(crate) struct User {
    home: TempDir,
}

impl User {
    pub(crate) fn new() -> Self {
        Self { home: tempfile::tempdir().expect("there is a temporary directory") }
    }

    pub(crate) fn home(&self) -> &Path {
        self.home.path()
    }

    /// A file of that content in the home directory.
    pub(crate) fn file(&self, name: &str, content: impl AsRef<[u8]>) -> PathBuf {
        let path = self.home().join(name);
        let parent = path.parent().expect("the path has a parent");
        std::fs::create_dir_all(parent).expect("the home can be written");
        std::fs::write(&path, content).expect("the home can be written");
        path
    }

    /// The command, ready to be run.
    pub(crate) fn command(&self, words: &[&str]) -> Command {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedspine"));
        self.settle(&mut command);
        command.args(words);
        command
    }

    /// Makes a command this user's.
    pub(crate) fn settle(&self, command: &mut Command) {
        for (name, _) in std::env::vars_os() {
            let name = name.to_string_lossy().into_owned();
            if ["FEEDSPINE_", "XDG_", "NO_COLOR", "TERM"].iter().any(|own| name.starts_with(own)) {
                command.env_remove(name);
            }
        }
        command.env("HOME", self.home()).env("FEEDSPINE_FETCH_HOST_INTERVAL_MS", "0");
        command.current_dir(self.home()).stdin(Stdio::null());
    }

    /// Runs a command.
    pub(crate) fn run(&self, words: &[&str]) -> Ran {
        Ran::of(&self.command(words).output().expect("the binary runs"))
    }

    /// Runs a command that must be done, and gives its JSON answer.
    pub(crate) fn ask(&self, words: &[&str]) -> Json {
        let ran = self.command(words).arg("--json").output().map(|output| Ran::of(&output)).expect("the binary runs");
        assert_eq!(ran.code, 0, "{words:?}: {}", ran.stderr);
        ran.json()
    }

    /// Adds a feed on loopback.
    pub(crate) fn add(&self, name: &str, url: &str) {
        let ran = self.run(&["add", url, "--name", name, "--allow-private", "--as-is"]);
        assert_eq!(ran.code, 0, "{}", ran.stderr);
    }
}

/// An RSS document of these items, newest first: `(guid, title)`; the first was published on the 28th.
pub(crate) fn rss(items: &[(&str, &str)]) -> String {
    let mut text = String::from("<rss version=\"2.0\"><channel><title>Test</title>");
    for (day, (guid, title)) in (1..=28).rev().zip(items) {
        write!(
            text,
            "<item><guid isPermaLink=\"false\">{guid}</guid><title>{title}</title>\
             <pubDate>{day:02} Feb 2026 12:00:00 GMT</pubDate></item>"
        )
        .expect("a string takes all");
    }
    text + "</channel></rss>"
}

/// The member at a path of names with dots between; a number is a place in a list.
pub(crate) fn at<'a>(json: &'a Json, path: &str) -> &'a Json {
    let step = |json: &'a Json, name: &str| match json {
        Json::Array(members) => name.parse::<usize>().ok().and_then(|place| members.get(place)),
        _ => json.get(name),
    };
    path.split('.').fold(json, |json, name| step(json, name).unwrap_or_else(|| panic!("no {name} in {json}")))
}

/// The text there.
pub(crate) fn text<'a>(json: &'a Json, path: &str) -> &'a str {
    at(json, path).as_str().unwrap_or_else(|| panic!("{path} is no text in {json}"))
}

/// The number there.
pub(crate) fn number(json: &Json, path: &str) -> u64 {
    at(json, path).to_string().parse().unwrap_or_else(|_| panic!("{path} is no number in {json}"))
}

/// The list there.
pub(crate) fn list<'a>(json: &'a Json, path: &str) -> &'a [Json] {
    match at(json, path) {
        Json::Array(members) => members,
        other => panic!("{path} is no list: {other}"),
    }
}

/// The names of an object's members, with blanks between.
pub(crate) fn members(json: &Json) -> String {
    match json {
        Json::Object(members) => members.keys().map(String::as_str).collect::<Vec<_>>().join(" "),
        other => panic!("not an object: {other}"),
    }
}
