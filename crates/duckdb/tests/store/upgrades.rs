//! Stores of earlier landings: each opens with what it held, is sound, and goes on.

use std::fs::{self, File};
use std::path::{Path, PathBuf};

use feedspine_core::{Care, StorageBackend};
use feedspine_testkit::upgrade::captures;
use flate2::read::GzDecoder;
use tempfile::TempDir;

use crate::support::open;

/// Fixtures, which `cargo xtask fixture duckdb` writes: `NAME.duckdb.gz`, with the dump in `NAME.txt`.
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
        let path = directory.path().join("store.duckdb");
        let mut compressed = GzDecoder::new(File::open(&fixture).unwrap());
        std::io::copy(&mut compressed, &mut File::create(&path).unwrap()).unwrap();
        let dump = fs::read_to_string(fixture.with_extension("").with_extension("txt")).unwrap();
        let store = open(&path).await.unwrap();
        let report = store.check().await.unwrap();
        assert_eq!((report.faults, report.notes), (vec![], vec![]), "{}", fixture.display());
        let verdict = captures::check(&store, &dump).await;
        assert!(verdict.is_ok(), "{}: {}", fixture.display(), verdict.unwrap_err());
        store.close().await.unwrap();
    }
}
