//! The words for where a feed is.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Place {
    /// It is at that URL from now on: name, records and keys stay, and it never goes back by itself to the one that it leaves
    #[arg(long, conflicts_with_all = ["options", "as_configured", "rekey"])]
    pub(crate) url: Option<String>,
    /// Allow it to be at a private address there; what was allowed before is for the host that it leaves
    #[arg(long, requires = "url")]
    pub(crate) allow_private: bool,
}
