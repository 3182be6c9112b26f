//! `feedspine` with one more backend: `--db redb://PATH` keeps records in a redb file, for every command.

use std::process::ExitCode;

use feedspine_cli::{App, Stores};
use feedspine_example_redb::RedbStore;

fn main() -> ExitCode {
    let open = |rest: &str| {
        let path = rest.trim_start_matches("//");
        Ok(Stores::records(RedbStore::new(path)).in_file(path))
    };
    App::new().with_backend("redb", open).run()
}
