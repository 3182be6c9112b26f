//! The words for what an address is asked, and nothing stored of.

use clap::Args;

#[derive(Debug, Args)]
pub(crate) struct Diagnose {
    /// A URL, the path of a file or a folder, or 'command:PROGRAM ARGUMENTS', which is run
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// Allow it to be at a private address
    #[arg(long)]
    pub(crate) allow_private: bool,
    /// How it is read, as for `add`; else as the feed is that has the address. Of a source in pages the first is read
    #[arg(long)]
    pub(crate) adapter: Option<String>,
    /// An option of the adapter; without any, those of the feed that has the address. Or, besides those of that feed, one
    /// of how its server is asked: headers, cookie, basic, bearer, `user_agent`, proxy, tls, ca, http, `follow_moves`,
    /// websub
    #[arg(long = "option", short = 'o', value_name = "NAME=VALUE")]
    pub(crate) options: Vec<String>,
}
