//! `cargo xtask fixture duckdb`: writes the store that later programs must open, and its dump as text beside it.

use std::error::Error;
use std::fs::{self, File};
use std::path::PathBuf;

use feedspine_core::StorageBackend;
use feedspine_duckdb::DuckDbStore;
use feedspine_testkit::upgrade::captures;
use flate2::Compression;
use flate2::write::GzEncoder;

#[tokio::main]
async fn main() -> Result<(), Box<dyn Error>> {
    let name = std::env::args().nth(1).ok_or("usage: fixture NAME, such as 2026-11-25-9c24a16")?;
    let folder = PathBuf::from(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    fs::create_dir_all(&folder)?;
    let place = tempfile::TempDir::new()?;
    let path = place.path().join("store.duckdb");
    let store = DuckDbStore::new(&path);
    store.initialize().await?;
    captures::write(&store).await?;
    let dump = captures::dump(&store).await.map_err(|failure| failure.to_string())?;
    // Closing moves the log into the file: one file is the whole store.
    store.close().await?;
    let file = File::create_new(folder.join(format!("{name}.duckdb.gz")))?;
    let mut compressed = GzEncoder::new(file, Compression::best());
    std::io::copy(&mut File::open(&path)?, &mut compressed)?;
    compressed.finish()?;
    fs::write(folder.join(format!("{name}.txt")), dump)?;
    Ok(())
}
