//! The feeds of a store that keeps records alone: beside its file, however its URL is written.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use tempfile::TempDir;

const NEWS: &str = "<rss version=\"2.0\"><channel><title>News</title>\
    <item><guid>1</guid><title>First</title></item></channel></rss>";

/// Runs the own binary in that directory, which is home as well.
fn run(directory: &Path, arguments: &[&str]) -> Output {
    let mut command = Command::new(env!("CARGO_BIN_EXE_feedspine-redb"));
    command.args(arguments).current_dir(directory).env_clear().env("HOME", directory);
    let output = command.output().expect("the binary starts");
    assert!(output.status.success(), "{arguments:?}: {output:?}");
    output
}

fn stdout(output: &Output) -> String {
    String::from_utf8_lossy(&output.stdout).into_owned()
}

fn stderr(output: &Output) -> String {
    String::from_utf8_lossy(&output.stderr).into_owned()
}

#[test]
fn a_store_has_its_feeds_however_its_url_is_written_and_wherever_it_is_moved() {
    let home = TempDir::new().unwrap();
    let place = home.path();
    fs::write(place.join("news.xml"), NEWS).unwrap();
    run(place, &["--db", "redb:news.redb", "add", "./news.xml"]);
    assert!(place.join("news.redb.state").exists());
    let absolute = format!("redb://{}", place.join("news.redb").display());
    run(place, &["--db", &absolute, "collect"]);
    for url in ["redb:./news.redb", "redb://news.redb", "REDB:news.redb", &absolute] {
        let listed = stdout(&run(place, &["--db", url, "feed", "list"]));
        assert!(listed.contains("news"), "{url}: {listed}");
    }
    let told = stdout(&run(place, &["--db", "redb:./news.redb", "db", "backup", "news.backup"]));
    assert!(told.contains("1 feed, 1 fetch, "), "{told}");

    fs::create_dir(place.join("moved")).unwrap();
    for name in ["news.redb", "news.redb.state"] {
        fs::rename(place.join(name), place.join("moved").join(name)).unwrap();
    }
    assert!(stdout(&run(place, &["--db", "redb:moved/news.redb", "feed", "list"])).contains("news"));
}

#[test]
fn records_without_their_feeds_are_not_backed_up_in_silence() {
    let home = TempDir::new().unwrap();
    let place = home.path();
    fs::write(place.join("news.xml"), NEWS).unwrap();
    run(place, &["--db", "redb:news.redb", "add", "./news.xml"]);
    run(place, &["--db", "redb:news.redb", "collect"]);
    fs::remove_file(place.join("news.redb.state")).unwrap();
    for command in
        [&["db", "backup", "news.backup"][..], &["export"], &["db", "copy", "redb:news.redb", "sqlite:to.db"]]
    {
        let warned = stderr(&run(place, &[&["--db", "redb:news.redb"], command].concat()));
        assert!(warned.contains("warning: there is no feed in ") && warned.contains("news.redb.state"), "{warned}");
    }
}

#[test]
fn neither_of_the_two_files_is_written_over_nor_copied_into_the_other() {
    let home = TempDir::new().unwrap();
    let place = home.path();
    run(place, &["--db", "redb:news.redb", "add", "push:orders"]);
    let before = ["news.redb", "news.redb.state"].map(|name| fs::read(place.join(name)).unwrap());
    for words in [
        &["db", "backup", "news.redb", "--replace"][..],
        &["db", "backup", "news.redb.state", "--replace"],
        &["export", "news.redb.state", "--replace"],
        &["db", "backup", "news.redb.state-wal"],
        &["db", "restore", "news.redb.state"],
        &["db", "copy", "redb:news.redb", "redb:./news.redb"],
        &["db", "copy", "redb:news.redb", "sqlite:news.redb.state"],
        &["db", "copy", "sqlite:news.redb.state", "redb:news.redb"],
    ] {
        let mut command = Command::new(env!("CARGO_BIN_EXE_feedspine-redb"));
        command.args(["--db", "redb:news.redb"]).args(words).current_dir(place).env_clear().env("HOME", place);
        let output = command.output().unwrap();
        assert_eq!(output.status.code(), Some(2), "{words:?}: {output:?}");
        let told = stderr(&output);
        assert!(told.contains("the store redb:news.redb") || told.contains("the same store"), "{words:?}: {told}");
    }
    let after = ["news.redb", "news.redb.state"].map(|name| fs::read(place.join(name)).unwrap());
    assert!(before == after, "a file was touched");
}
