//! The real binary, run as people and programs run it.

mod adapters;
mod asking;
mod bad_input;
mod canaries;
mod commands;
mod db;
mod demo;
mod edgar;
mod finding;
mod hints;
mod identity;
mod inbox;
mod ingest;
mod interrupt;
mod kill;
mod large;
mod moving;
mod own_files;
mod rejects;
mod shown;
mod site;
mod storage;
mod stories;
mod support;
mod taps;
mod together;
mod whole;

/// `tests/postgres` has the same for the other store.
#[test]
fn two_processes_collect_into_one_file() {
    let user = support::User::new();
    let db = format!("sqlite:{}", user.home().join("shared.db").display());
    together::two_processes_collect_into(&user, &db);
}
