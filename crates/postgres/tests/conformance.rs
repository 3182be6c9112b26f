//! The PostgreSQL backend against both contracts, on a real server: `cargo xtask test` starts one.

mod conformance_provider;
mod support;

use std::process::ExitCode;

use feedspine_testkit::{state, storage};

use conformance_provider::Postgres;

fn main() -> ExitCode {
    support::with_server("conformance", |server| {
        let storage = storage::trials(Postgres(server.clone()));
        feedspine_testkit::run(storage.into_iter().chain(state::trials(Postgres(server))))
    })
}
