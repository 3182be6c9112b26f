//! The session in the guide is run as it stands there.

use std::path::Path;
use std::process::Command;

use tempfile::TempDir;

const GUIDE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/../../docs/guides/custom-storage.md");

/// The feed that the session adds.
const NEWS: &str = r#"<?xml version="1.0"?>
<rss version="2.0"><channel><title>News</title>
<item><guid>1</guid><title>First</title><pubDate>Thu, 01 Jan 2026 10:00:00 GMT</pubDate></item>
<item><guid>2</guid><title>Second</title><pubDate>Fri, 02 Jan 2026 10:00:00 GMT</pubDate></item>
</channel></rss>
"#;

/// A command of the session, and the words that it answers.
struct Step {
    command: String,
    answer: Vec<String>,
}

/// The steps of all console blocks, in order.
fn session(page: &str) -> Vec<Step> {
    let mut steps: Vec<Step> = Vec::new();
    let mut inside = false;
    for line in page.lines() {
        if line.starts_with("```") {
            inside = line == "```console";
        } else if let Some(command) = line.strip_prefix("$ ").filter(|_| inside) {
            steps.push(Step { command: command.to_owned(), answer: Vec::new() });
        } else if inside && let Some(step) = steps.last_mut() {
            step.answer.extend(line.split_whitespace().map(str::to_owned));
        }
    }
    steps
}

/// Runs the own binary in that directory, which is home as well, and gives the words it answers.
fn run(directory: &Path, arguments: &str) -> Vec<String> {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feedspine-redb"));
    command.args(arguments.split(' ')).current_dir(directory).env_clear().env("HOME", directory);
    let output = command.output().expect("the binary starts");
    let error = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{arguments}: {error}");
    let text = String::from_utf8(output.stdout).expect("answers are text");
    text.split_whitespace().map(str::to_owned).collect()
}

#[test]
fn the_session_in_the_guide_answers_as_it_says() {
    let place = TempDir::new().unwrap();
    std::fs::write(place.path().join("news.xml"), NEWS).unwrap();
    let steps = session(&std::fs::read_to_string(GUIDE).unwrap());
    assert!(steps.len() >= 4, "the guide shows {} commands", steps.len());
    for Step { command, answer } in steps {
        let arguments = command.strip_prefix("feedspine-redb ").unwrap_or_else(|| panic!("what is {command:?}?"));
        let found = run(place.path(), arguments);
        // What differs from run to run is written `…` in the guide.
        let same = |(said, found): (&String, &String)| said == "…" || said == found;
        let answers = answer.len() == found.len() && answer.iter().zip(&found).all(same);
        assert!(answers, "{command}\n  the guide: {answer:?}\n  answered:  {found:?}");
    }
}
