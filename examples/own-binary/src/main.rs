//! `feedspine` with one more backend: `--db redb://PATH` keeps records in a redb file, for every command.

use std::process::ExitCode;

use feedspine_cli::{App, Stores};
use feedspine_example_redb::RedbStore;

fn main() -> ExitCode {
    App::new().with_backend("redb", |rest| Ok(Stores::records(RedbStore::new(rest.trim_start_matches("//"))))).run()
}
