//! What stands between a user and a store: two lines, the exit code, and never a password.

use std::net::TcpListener;

use feedspine_cluster::GUARDED;

use crate::execute;
use crate::server::Place;
use crate::support::{Ran, User};

const PASSWORD: &str = "h1dd-en";

/// Runs a command on that store, as people and as programs do; both are told the same, and neither the password.
fn asked(url: &str, words: &[&str]) -> [Ran; 2] {
    [&["--db", url, "-vv"][..], &["--db", url, "--json"]].map(|flags| {
        let ran = User::new().run(&[words, flags].concat());
        assert!(!format!("{ran:?}").contains(PASSWORD), "{ran:?}");
        ran
    })
}

/// Checks what a store that cannot be opened is answered with.
fn unopened(url: &str, code: i32, names: &[&str], next_step: &str) {
    for command in [&["list"][..], &["add", "https://example.org/feed"]] {
        let [told, json] = asked(url, command);
        assert_eq!((told.code, json.code), (code, code), "{told:?}");
        assert_eq!((told.stdout.as_str(), json.stdout.as_str()), ("", ""));
        let lines: Vec<&str> = told.stderr.lines().collect();
        let [error, hint] = lines.as_slice() else { panic!("not two lines: {}", told.stderr) };
        assert!(error.starts_with("error: ") && names.iter().all(|name| error.contains(name)), "{error}");
        assert!(hint.starts_with("hint: ") && hint.contains(next_step), "{hint}");
        assert!(json.stderr.contains(next_step), "{json:?}");
    }
}

pub(crate) fn no_server(_: &Place) {
    // Nobody listens on a port that was just given back.
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
    let url = format!("postgres://me:{PASSWORD}@127.0.0.1:{port}/news");
    let shown = format!("postgres://me:***@127.0.0.1:{port}/news");
    unopened(&url, 1, &["cannot open", &shown, "refused"], "check that the server runs");
    let url = format!("postgres://me@127.0.0.1:{port}/news?password={PASSWORD}");
    unopened(&url, 1, &["cannot open", "password=***", "refused"], "check that the server runs");
}

pub(crate) fn no_database(place: &Place) {
    let url = place.url().replacen("/feedspine?", "/nowhere?", 1);
    unopened(&url, 1, &["cannot open", "database \"nowhere\" does not exist"], "create the database first");
}

/// A role of that name that must give its password, and the store's URL with it.
fn guarded(place: &Place, name: &str, password: &str) -> String {
    execute(
        place,
        &format!(
            "CREATE ROLE {name} LOGIN PASSWORD '{PASSWORD}' IN ROLE {GUARDED};
             GRANT CREATE ON DATABASE feedspine TO {name}"
        ),
    );
    place.url().replacen("//feedspine@", &format!("//{name}:{password}@"), 1)
}

pub(crate) fn wrong_password(place: &Place) {
    let role = format!("wrong_{}", place.schema());
    let url = guarded(place, &role, &format!("not-{PASSWORD}"));
    let shown = format!("//{role}:***@");
    unopened(&url, 1, &["cannot open", &shown, "password authentication failed"], "check the role, its password");
    execute(place, &format!("DROP OWNED BY {role}; DROP ROLE {role}"));
}

pub(crate) fn right_password(place: &Place) {
    let role = format!("right_{}", place.schema());
    let url = guarded(place, &role, PASSWORD);
    for words in [
        &["add", "https://example.org/feed.xml"][..],
        &["status"],
        &["feed", "list"],
        &["config", "show"],
        &["collect"],
    ] {
        for ran in asked(&url, words) {
            assert!([0, 3].contains(&ran.code), "{ran:?}");
        }
    }
    let [told, _] = asked(&url, &["status"]);
    assert!(told.stdout.contains(&format!("//{role}:***@")), "{told:?}");
    execute(place, &format!("DROP OWNED BY {role} CASCADE; DROP ROLE {role}"));
}

pub(crate) fn no_address(_: &Place) {
    for (rest, names, next_step) in [
        ("h/x?sslmode=prefer", "sslmode", "verify-full"),
        ("h/x?schema=Mixed", "\"Mixed\"", "a-z"),
        ("h:port/x", "not an address of a PostgreSQL database", "postgres://USER@HOST/DATABASE"),
    ] {
        unopened(&format!("postgres://me:{PASSWORD}@{rest}"), 2, &["not a store", "me:***@", names], next_step);
    }
    // Given where no store is taken.
    for command in ["list", "add"] {
        let ran = User::new().run(&[command, &format!("postgres://me:{PASSWORD}@h/x")]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.contains("***@h/x") && !ran.stderr.contains(PASSWORD), "{ran:?}");
    }
}
