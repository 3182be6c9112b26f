//! What the tests of the binary share: a home of its own for each, and short ways to look into answers.

use std::path::Path;
use std::process::{Command, Output, Stdio};

use feedspine::core::Json;

/// What came of a command.
#[derive(Debug)]
pub(crate) struct Ran {
    pub(crate) code: i32,
    pub(crate) stdout: String,
    pub(crate) stderr: String,
}

impl Ran {
    /// The one JSON document on stdout.
    pub(crate) fn json(&self) -> Json {
        Json::parse(&self.stdout).unwrap_or_else(|error| panic!("{error}: {}", self.stdout))
    }

    fn of(output: &Output) -> Self {
        Self {
            code: output.status.code().unwrap_or(-1),
            stdout: String::from_utf8(output.stdout.clone()).expect("stdout is UTF-8"),
            stderr: String::from_utf8(output.stderr.clone()).expect("stderr is UTF-8"),
        }
    }
}

/// The binary, for a user whose home is that directory and who configured nothing.
pub(crate) fn feedspine(home: &Path, words: &[&str]) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feedspine"));
    for (name, _) in std::env::vars_os() {
        let name = name.to_string_lossy().into_owned();
        if name.starts_with("FEEDSPINE_") || name.starts_with("XDG_") || name == "NO_COLOR" {
            command.env_remove(name);
        }
    }
    command.args(words).env("HOME", home).current_dir(home).stdin(Stdio::null());
    command
}

/// Runs the binary.
pub(crate) fn run(home: &Path, words: &[&str]) -> Ran {
    Ran::of(&feedspine(home, words).output().expect("the binary runs"))
}

/// The member at a path of names with dots between.
pub(crate) fn at<'a>(json: &'a Json, path: &str) -> &'a Json {
    path.split('.').fold(json, |json, name| json.get(name).unwrap_or_else(|| panic!("no {name} in {json}")))
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
