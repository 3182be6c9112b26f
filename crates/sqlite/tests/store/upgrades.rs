//! Stores of earlier landings: each opens with what it held, and goes on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use feedspine_core::StorageBackend;
use feedspine_sqlite::SqliteStore;
use feedspine_testkit::upgrade;
use flate2::read::GzDecoder;
use tempfile::TempDir;

/// Fixtures, which `cargo xtask fixture sqlite` writes: `NAME.db.gz`, with the dump in `NAME.txt`.
fn fixtures() -> Vec<PathBuf> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/fixtures");
    let files = fs::read_dir(folder).unwrap().map(|entry| entry.unwrap().path());
    files.filter(|path| path.extension().is_some_and(|ending| ending == "gz")).collect()
}

#[tokio::test]
async fn every_store_of_an_earlier_landing_opens_with_what_it_held_and_goes_on() {
    let fixtures = fixtures();
    assert!(!fixtures.is_empty(), "no fixture is checked in");
    for fixture in fixtures {
        let directory = TempDir::new().unwrap();
        let path = directory.path().join("store.db");
        let mut compressed = GzDecoder::new(File::open(&fixture).unwrap());
        std::io::copy(&mut compressed, &mut File::create(&path).unwrap()).unwrap();
        let dump = fs::read_to_string(fixture.with_extension("").with_extension("txt")).unwrap();
        let store = SqliteStore::new(&path);
        store.initialize().await.unwrap();
        let verdict = upgrade::check(&store, &dump).await;
        assert!(verdict.is_ok(), "{}: {}", fixture.display(), verdict.unwrap_err());
        store.close().await.unwrap();
    }
}
