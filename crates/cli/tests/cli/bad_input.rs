//! Bad input: one line that names the thing, one that says the next step, the documented exit code, nothing stored wrongly.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::process::Command;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, number, rss, text};

/// Checks the two lines on stderr, and that nothing is on stdout.
fn refused(ran: &Ran, code: i32, names: &str, next_step: &str) {
    assert_eq!(ran.code, code, "{ran:?}");
    assert_eq!(ran.stdout, "", "{ran:?}");
    told(ran, names, next_step);
}

fn told(ran: &Ran, names: &str, next_step: &str) {
    let lines: Vec<&str> = ran.stderr.lines().filter(|line| !line.starts_with("began a store")).collect();
    let [error, hint] = lines.as_slice() else { panic!("not two lines: {}", ran.stderr) };
    assert!(error.starts_with("error: ") && error.contains(names), "{error}");
    assert!(hint.starts_with("hint: ") && hint.contains(next_step), "{hint}");
}

/// Collects one feed that fails, and checks that the store holds nothing of it but the failed fetch.
fn collected_in_vain(user: &User, url: &str, names: &str, next_step: &str) {
    user.add("bad", url);
    let ran = user.run(&["collect"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    told(&ran, names, next_step);
    let row: Vec<&str> = ran.stdout.lines().nth(1).expect("there is a row").split_whitespace().collect();
    assert_eq!(&row[..7], ["bad", "failed", "0", "0", "0", "0", "0"]);
    assert!(list(&user.ask(&["list"]), "items").is_empty());
    let feed = user.ask(&["feed", "show", "bad"]);
    assert_eq!(number(&feed, "ledger.observations"), 0);
    assert_eq!(text(&feed, "fetches.0.detail.status"), "failed");
}

#[test]
fn a_feed_of_an_unknown_scheme_is_refused_and_begins_no_store() {
    let user = User::new();
    refused(&user.run(&["add", "gopher://example.org/feed"]), 2, "gopher://example.org/feed", "http or https");
    assert!(fs::read_dir(user.home()).unwrap().next().is_none(), "something was written");
}

#[test]
fn a_store_of_an_unknown_scheme_is_refused_by_name() {
    let user = User::new();
    refused(&user.run(&["status", "--db", "mysql://db/x"]), 2, "\"mysql\"", "memory:, ");
    refused(&user.run(&["status", "--db", "feeds.db"]), 2, "feeds.db", "sqlite:feeds.db");
    refused(&user.run(&["status", "--db", "sqlite:"]), 2, "names no file", "sqlite:PATH");
    refused(&user.run(&["status", "--db", ""]), 2, "--db", "sqlite:/path/to/feeds.db");
}

#[test]
fn a_404_fails_the_feed_alone() {
    let site = Site::start(|asked| match asked.path.as_str() {
        "/good" => Reply::ok(rss(&[("a", "One")])),
        _ => Reply::status(404),
    });
    let user = User::new();
    user.add("bad", &site.url("/gone"));
    user.add("good", &site.url("/good"));
    let ran = user.run(&["collect"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    told(&ran, "answered 404", "check the address");
    let records = user.ask(&["list"]);
    assert_eq!(list(&records, "items").len(), 1);
    assert_eq!(text(&records, "items.0.namespace"), "good");
}

#[test]
fn html_is_told_from_a_feed() {
    let page = "<!doctype html><html><head><title>Welcome</title></head><body><p>Hello<br>there</body></html>";
    let site = Site::start(move |_| Reply::ok(page).with("Content-Type", "text/html"));
    collected_in_vain(&User::new(), &site.url("/"), "not a feed", "the address of the feed itself");
}

#[test]
fn a_body_over_the_cap_is_refused() {
    let site = Site::start(|_| Reply::ok(vec![b' '; 21 * 1024 * 1024]));
    collected_in_vain(&User::new(), &site.url("/huge"), "larger than 20 MiB", "is it the address of a feed?");
}

#[test]
fn a_private_address_is_refused_unless_it_was_allowed() {
    let site = Site::start(|_| Reply::ok(rss(&[("a", "One")])));
    let user = User::new();
    let address = site.url("/feed.xml");
    refused(&user.run(&["add", &address, "--name", "inside"]), 1, "refused to ask", "--allow-private");
    let allowed =
        user.command(&["add", &address, "--name", "inside"]).env("FEEDSPINE_FETCH_ALLOW_PRIVATE", "true").output();
    assert_eq!(Ran::of(&allowed.unwrap()).code, 0);
    let ran = user.run(&["collect"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    told(&ran, "refused to ask", "--allow-private");
    assert_eq!(user.run(&["collect", "--allow-private"]).code, 0);
}

#[test]
fn a_directory_that_may_not_be_written_is_named() {
    let user = User::new();
    let directory = user.home().join("read-only");
    fs::create_dir(&directory).unwrap();
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o555)).unwrap();
    fs::set_permissions(user.home(), fs::Permissions::from_mode(0o755)).unwrap();
    let url = format!("sqlite:{}/feeds.db", directory.display());
    let words = ["add", "https://example.org/feed.xml", "--db", &url];
    let mut command = as_somebody_else(&user).unwrap_or_else(|| user.command(&[]));
    let ran = Ran::of(&command.args(words).output().unwrap());
    refused(&ran, 1, "read-only/feeds.db", "may be written");
    assert!(fs::read_dir(&directory).unwrap().next().is_none());
}

#[test]
fn a_store_that_may_only_be_read_says_how_it_is_rescued() {
    let user = User::new();
    let home = user.home();
    assert_eq!(user.run(&["add", "push:orders", "--db", "sqlite:read-only/a.db"]).code, 0);
    fs::set_permissions(home, fs::Permissions::from_mode(0o777)).unwrap();
    let (directory, file) = (home.join("read-only"), home.join("read-only/a.db"));
    let copy = "sqlite:copy.db";
    // The file alone, then its directory too.
    for (of_directory, of_file) in [(0o777, 0o444), (0o555, 0o444)] {
        fs::set_permissions(&file, fs::Permissions::from_mode(of_file)).unwrap();
        fs::set_permissions(&directory, fs::Permissions::from_mode(of_directory)).unwrap();
        for words in [
            &["list"][..],
            &["status"],
            &["export"],
            &["db", "verify"],
            &["db", "backup", "a.backup"],
            &["db", "copy", "sqlite:read-only/a.db", copy],
        ] {
            let mut command = as_somebody_else(&user).unwrap_or_else(|| user.command(&[]));
            let ran = Ran::of(&command.args(words).args(["--db", "sqlite:read-only/a.db"]).output().unwrap());
            refused(&ran, 1, "read-only/a.db", "copy the file, and its -wal if there is one");
            assert!(!home.join("a.backup").exists() && !home.join("copy.db").exists(), "{words:?}");
        }
    }
    fs::set_permissions(&directory, fs::Permissions::from_mode(0o755)).unwrap();
    fs::copy(&file, home.join("copy.db")).unwrap();
    fs::set_permissions(home.join("copy.db"), fs::Permissions::from_mode(0o600)).unwrap();
    assert_eq!(user.run(&["status", "--db", copy]).code, 0);
}

#[test]
fn a_path_through_a_file_is_named() {
    let user = User::new();
    let file = user.file("plain", "text");
    let url = format!("sqlite:{}/feeds.db", file.display());
    let ran = user.run(&["add", "https://example.org/feed.xml", "--db", &url]);
    refused(&ran, 1, "plain/feeds.db", "may be written");
}

/// Root may write everywhere: for root the binary is run as somebody who may not.
fn as_somebody_else(user: &User) -> Option<Command> {
    let id = Command::new("id").arg("-u").output().expect("id runs");
    if String::from_utf8_lossy(&id.stdout).trim() != "0" {
        return None;
    }
    // The build directory may be closed to others.
    let binary = user.home().join("feedspine");
    if !binary.exists() {
        fs::copy(env!("CARGO_BIN_EXE_feedspine"), &binary).expect("the binary can be copied");
    }
    let mut command = Command::new("setpriv");
    user.settle(&mut command);
    command.args(["--reuid=65534", "--regid=65534", "--clear-groups"]).arg(binary);
    Some(command)
}

#[test]
fn a_file_that_is_no_database_is_refused_and_left_as_it_is() {
    let user = User::new();
    let words = "dear diary, ".repeat(1_000);
    let file = user.file("diary.txt", &words);
    for words in [&["status"][..], &["add", "https://example.org/feed"], &["db", "info"], &["export"]] {
        let ran = user.run(&[words, &["--db", "sqlite:diary.txt"]].concat());
        refused(&ran, 1, "diary.txt: the file is no store: it is not an SQLite database", "as in --db sqlite:PATH");
    }
    assert_eq!(fs::read_to_string(file).unwrap(), words);
}

/// The bytes of a store of ours with four bytes of its header changed (<https://sqlite.org/fileformat2.html>).
fn doctored(user: &User, offset: usize, value: u32) -> Vec<u8> {
    assert_eq!(user.run(&["add", "https://example.org/feed", "--db", "sqlite:other.db"]).code, 0);
    let file = user.home().join("other.db");
    let mut bytes = fs::read(&file).expect("the store can be read");
    bytes[offset..offset + 4].copy_from_slice(&value.to_be_bytes());
    fs::write(&file, &bytes).expect("the store can be written");
    bytes
}

#[test]
fn a_database_of_another_program_is_refused_and_left_as_it_is() {
    const APPLICATION_ID: usize = 68;
    let user = User::new();
    let bytes = doctored(&user, APPLICATION_ID, 0x1234_5678);
    refused(&user.run(&["list", "--db", "sqlite:other.db"]), 1, "other.db", "another file");
    assert_eq!(fs::read(user.home().join("other.db")).unwrap(), bytes);
}

#[test]
fn a_newer_schema_is_refused_and_left_as_it_is() {
    const USER_VERSION: usize = 60;
    let user = User::new();
    let bytes = doctored(&user, USER_VERSION, 999);
    refused(&user.run(&["list", "--db", "sqlite:other.db"]), 2, "999", "newer feedspine");
    assert_eq!(fs::read(user.home().join("other.db")).unwrap(), bytes);
}

#[test]
fn a_database_that_is_not_there_is_not_made_by_asking() {
    let user = User::new();
    refused(&user.run(&["list", "--db", "sqlite:typo.db"]), 5, "typo.db", "add URL");
    assert!(!user.home().join("typo.db").exists());
}

#[test]
fn errors_are_json_where_json_was_asked_for() {
    let user = User::new();
    let ran = user.run(&["show", "nothing", "--json"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""));
    let error = feedspine::core::Json::parse(ran.stderr.trim()).unwrap();
    assert_eq!(text(&error, "error.kind"), "not_found");
    assert_eq!(text(&error, "error.code"), "record.unknown");
    let misused = user.run(&["lits", "--json"]);
    assert_eq!(misused.code, 2);
    let error = feedspine::core::Json::parse(misused.stderr.trim()).unwrap();
    assert!(at(&error, "error.message").to_string().contains("lits"), "{error}");
    assert!(at(&error, "error.hint").to_string().contains("list"), "{error}");
}
