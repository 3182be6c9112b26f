//! Where the user's files are, by the XDG base directory specification.

use std::path::PathBuf;

use etcetera::{BaseStrategy, base_strategy::Xdg};
use feedspine::OpError;

const OWN: &str = "feedspine";

fn base() -> Result<Xdg, OpError> {
    Xdg::new().map_err(|error| {
        OpError::failed("home.unknown", format!("no home directory is known: {error}"))
            .with_hint("set HOME, or name all files: --db, --config")
    })
}

/// The home directory.
pub(crate) fn home() -> Result<PathBuf, OpError> {
    base().map(|base| base.home_dir().to_path_buf())
}

/// `$XDG_DATA_HOME/feedspine`
pub(crate) fn data_dir() -> Result<PathBuf, OpError> {
    base().map(|base| base.data_dir().join(OWN))
}

/// `$XDG_CONFIG_HOME/feedspine/config.toml`
pub(crate) fn config_file() -> Result<PathBuf, OpError> {
    base().map(|base| base.config_dir().join(OWN).join("config.toml"))
}
