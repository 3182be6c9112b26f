//! `cargo xtask fixture postgres`: writes the store that later programs must open, as SQL, and its dump as text beside it.

use std::error::Error;
use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;

use feedspine_cluster::Cluster;
use feedspine_core::StorageBackend;
use feedspine_postgres::PostgresStore;
use feedspine_testkit::upgrade;

/// The schema of every fixture: tests put one of their own in its place.
const SCHEMA: &str = "upgrade_fixture";

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("usage: fixture NAME, such as 2026-11-25-9c24a16")?;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::create_dir_all(&folder)?;
    let server = Cluster::start()?;
    let store = PostgresStore::from_url(&format!("{}?schema={SCHEMA}", server.url()))?;
    store.initialize().await?;
    upgrade::write(&store).await?;
    let dump = upgrade::dump(&store).await.map_err(|failure| failure.to_string())?;
    store.close().await?;
    File::create_new(folder.join(format!("{name}.sql")))?.write_all(server.dump(SCHEMA)?.as_bytes())?;
    fs::write(folder.join(format!("{name}.txt")), dump)?;
    Ok(())
}
