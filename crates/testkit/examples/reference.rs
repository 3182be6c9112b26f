//! Writes the reference of the contracts: `cargo xtask docs` runs it.

use std::io;
use std::path::Path;

fn main() -> io::Result<()> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../docs/reference");
    std::fs::create_dir_all(&directory)?;
    std::fs::write(directory.join("storage-contract.md"), feedspine_testkit::reference::page())
}
