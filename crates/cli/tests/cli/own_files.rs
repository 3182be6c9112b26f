//! What a store is made of is not written over, not read as an export, and no store is copied into itself.

use std::fs;
use std::os::unix::fs::symlink;
use std::path::Path;

use crate::support::{Ran, User, rss};

const STORE: [&str; 2] = ["--db", "sqlite:a.db"];

/// A user with a store `a.db` that holds a record, and the folder of bodies that an earlier program kept beside it.
fn reader() -> User {
    let user = User::new();
    user.file("news.xml", rss(&[("a", "One"), (&"k".repeat(3_000), "Two")]));
    for words in [&["add", "./news.xml", "--name", "news"][..], &["collect"]] {
        let ran = user.run(&[words, &STORE].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    user.file("a.db.bodies/note", "this is no body: it stays");
    user
}

/// All files below a folder, with what is in them.
fn files(folder: &Path) -> Vec<(String, Vec<u8>)> {
    let mut files = Vec::new();
    for entry in fs::read_dir(folder).expect("the folder is there") {
        let path = entry.expect("it can be read").path();
        if path.is_dir() {
            files.extend(self::files(&path));
        } else {
            files.push((path.display().to_string(), fs::read(&path).unwrap_or_default()));
        }
    }
    files.sort();
    files
}

/// Runs a command that must be refused, and touch nothing.
fn refused(user: &User, words: &[&str], told: &str) -> Ran {
    let before = files(user.home());
    let ran = user.run(words);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{words:?}: {ran:?}");
    assert!(ran.stderr.contains(told) && ran.stderr.contains("\nhint: "), "{words:?}: {ran:?}");
    assert!(files(user.home()) == before, "{words:?} touched something");
    ran
}

#[test]
fn no_backup_and_no_export_is_written_over_the_store_itself() {
    let user = reader();
    symlink("a.db", user.home().join("soft.db")).unwrap();
    fs::hard_link(user.home().join("a.db"), user.home().join("hard.db")).unwrap();
    fs::create_dir(user.home().join("below")).unwrap();
    symlink("../a.db.bodies", user.home().join("below/bodies")).unwrap();
    let absolute = user.home().join("a.db").display().to_string();
    for target in [
        "a.db",
        "./a.db",
        "below/../a.db",
        "soft.db",
        "hard.db",
        &absolute,
        "a.db-wal",
        "a.db-shm",
        "a.db-journal",
        "a.db.bodies/news.backup",
        "below/bodies/news.backup",
    ] {
        let told = "is a file of the store sqlite:a.db itself";
        for words in [&["db", "backup", target][..], &["export", target], &["opml", "export", target]] {
            refused(&user, &[words, &STORE].concat(), told);
        }
        for words in [&["db", "backup", target, "--replace"][..], &["export", target, "--replace"]] {
            refused(&user, &[words, &STORE].concat(), told);
        }
    }
    // By another name of the store its file is its own as well, and the log of that name.
    for target in ["a.db", "a.db-wal", "soft.db", "soft.db-wal"] {
        refused(&user, &["db", "backup", target, "--replace", "--db", "sqlite:soft.db"], "sqlite:soft.db itself");
    }
    let ran = user.run(&[&["db", "backup", "a.backup"][..], &STORE].concat());
    assert_eq!(ran.code, 0, "{ran:?}");
}

#[test]
fn a_store_is_not_filled_with_a_file_that_it_is_made_of() {
    let user = reader();
    assert_eq!(user.run(&[&["export", "b.db-wal"][..], &STORE].concat()).code, 0);
    for words in [&["import", "b.db-wal"][..], &["db", "restore", "b.db-wal"], &["db", "restore", "b.db"]] {
        refused(&user, &[words, &["--db", "sqlite:b.db"]].concat(), "is a file of the store sqlite:b.db itself");
    }
    assert_eq!(user.run(&["import", "b.db-wal", "--db", "sqlite:c.db"]).code, 0);
}

#[test]
fn a_store_is_not_copied_into_itself() {
    let user = reader();
    symlink("a.db", user.home().join("soft.db")).unwrap();
    fs::hard_link(user.home().join("a.db"), user.home().join("hard.db")).unwrap();
    let absolute = format!("sqlite:{}", user.home().join("a.db").display());
    for other in ["sqlite:a.db", "sqlite:./a.db", "SQLITE://a.db", "sqlite:soft.db", "sqlite:hard.db", &absolute] {
        refused(&user, &["db", "copy", "sqlite:a.db", other], "both are the same store");
        refused(&user, &["db", "copy", other, "sqlite:a.db"], "both are the same store");
    }
    refused(&user, &["db", "copy", "sqlite:a.db", "sqlite:a.db-wal"], "is a file of the store sqlite:a.db");
    assert_eq!(user.run(&["db", "copy", "sqlite:a.db", "sqlite:b.db"]).code, 0);
}
