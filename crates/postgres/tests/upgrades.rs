//! Stores of earlier landings: each is restored, opens with what it held, and goes on.

#![expect(clippy::unwrap_used, reason = "a test without a harness: a panic is its failure")]

mod support;

use std::fs;
use std::path::{Path, PathBuf};
use std::process::ExitCode;

use feedspine_core::StorageBackend;
use feedspine_postgres::PostgresStore;
use feedspine_testkit::upgrade;
use libtest_mimic::{Arguments, Failed, Trial};
use tokio_postgres::NoTls;

use support::{Place, Server};

/// The schema that fixtures name.
const SCHEMA: &str = "upgrade_fixture";

fn main() -> ExitCode {
    support::with_server("upgrades", |server| {
        let fixtures = fixtures();
        assert!(!fixtures.is_empty(), "no fixture is checked in");
        let trials = fixtures.into_iter().map(|fixture| trial(&server, fixture)).collect();
        libtest_mimic::run(&Arguments::from_args(), trials).exit_code()
    })
}

/// Fixtures, which `cargo xtask fixture postgres` writes: `NAME.sql`, with the dump in `NAME.txt`.
fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "sql")).collect()
}

fn trial(server: &Server, fixture: PathBuf) -> Trial {
    let name = fixture.file_stem().unwrap_or_default().to_string_lossy().into_owned();
    let place = server.place();
    Trial::test(format!("the_store_of_{name}_opens_with_what_it_held_and_goes_on"), move || {
        let runtime = tokio::runtime::Builder::new_multi_thread().worker_threads(2).enable_all().build();
        runtime.map_err(Failed::from)?.block_on(opens(&place, &fixture))
    })
}

async fn opens(place: &Place, fixture: &Path) -> Result<(), Failed> {
    restore(place, &fs::read_to_string(fixture)?).await?;
    let dump = fs::read_to_string(fixture.with_extension("txt"))?;
    let store = PostgresStore::from_url(place.url())?;
    store.initialize().await?;
    upgrade::check(&store, &dump).await.map_err(|failure| failure.to_string())?;
    Ok(store.close().await?)
}

async fn restore(place: &Place, written: &str) -> Result<(), Failed> {
    let (client, connection) = tokio_postgres::connect(place.server(), NoTls).await?;
    let connection = tokio::spawn(connection);
    client.batch_execute(&written.replace(SCHEMA, place.schema())).await?;
    drop(client);
    Ok(connection.await??)
}
