//! The real binary, run as people and programs run it.

mod adapters;
mod asking;
mod bad_input;
mod canaries;
mod captures;
mod commands;
mod db;
mod demo;
mod edgar;
mod finding;
mod fleet;
mod health;
mod hints;
mod identity;
mod inbox;
mod ingest;
mod interrupt;
mod kill;
mod large;
mod logs;
mod moving;
mod own_files;
mod rejects;
mod replaying;
mod shown;
mod site;
mod soak;
mod storage;
mod stories;
mod support;
mod taps;
mod together;
mod warc;
mod websub;
mod whole;

/// `tests/postgres` has the same for the other store.
#[test]
fn two_processes_collect_into_one_file() {
    let user = support::User::new();
    let db = format!("sqlite:{}", user.home().join("shared.db").display());
    together::two_processes_collect_into(&user, &db);
}

/// `tests/postgres` has the same of four.
#[test]
fn two_daemons_share_one_file_through_kills_and_stops() {
    let user = support::User::new();
    let file = user.home().join("shared.db");
    let store = feedspine_sqlite::SqliteStore::new(&file);
    fleet::daemons_share(&user, &format!("sqlite:{}", file.display()), &store, 2);
}
