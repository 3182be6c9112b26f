//! The words of `warc`.

use std::path::PathBuf;

use clap::Args;
use feedspine::core::FeedName;

use super::replay::{Since, since};

#[derive(Debug, Args)]
pub(crate) struct Warc {
    /// The file, such as news.warc.gz
    pub(crate) file: PathBuf,
    /// The feeds; else all
    #[arg(value_name = "FEED")]
    pub(crate) feeds: Vec<FeedName>,
    /// Only what was fetched so long ago or less, such as 90m, 24h or 7d, or since then, such as 2026-11-01
    #[arg(long, value_name = "TIME", value_parser = since)]
    pub(crate) since: Option<Since>,
    /// Replace a file that is there
    #[arg(long)]
    pub(crate) replace: bool,
}
