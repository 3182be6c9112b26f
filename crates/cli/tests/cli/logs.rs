//! What the engine logs: lines for people, or whole documents for who asked for JSON.

use std::io::{BufRead, BufReader};
use std::process::{Command, Stdio};

use feedspine::core::Json;

use crate::site::{Reply, Site};
use crate::support::{User, text};

#[test]
fn a_daemon_that_is_asked_for_json_writes_nothing_but_whole_lines_of_it() {
    let site = Site::start(|_| Reply::status(429).with("Retry-After", "600"));
    let user = User::new();
    user.add("busy", &site.url("/feed"));
    let mut child =
        user.command(&["watch", "--json", "-vv"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let mut told = BufReader::new(child.stdout.take().unwrap()).lines().map(Result::unwrap);
    let ended = told.by_ref().map(|line| Json::parse(&line).unwrap()).find(|line| text(line, "event") == "ended");
    assert_eq!(text(&ended.unwrap(), "error.code"), "http.status");
    assert!(Command::new("kill").args(["-TERM", &child.id().to_string()]).status().unwrap().success());
    let rest: Vec<Json> = told.map(|line| Json::parse(&line).unwrap()).collect();
    assert_eq!(text(rest.last().unwrap(), "event"), "stopped");
    let output = child.wait_with_output().unwrap();
    let lines: Vec<Json> =
        String::from_utf8(output.stderr).unwrap().lines().map(|line| Json::parse(line).expect(line)).collect();
    let logged = lines.iter().find(|line| line.get("log") == Some(&"the host asked to be left alone".into())).unwrap();
    assert_eq!((text(logged, "level"), text(logged, "host")), ("info", "127.0.0.1"));
}
