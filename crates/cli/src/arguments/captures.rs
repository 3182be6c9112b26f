//! The words of what is kept of the bytes that fetches brought.

use std::num::{NonZeroU32, NonZeroUsize};

use clap::{Args, Subcommand};
use feedspine::core::{FeedName, FetchId};

use super::at_least_one;

pub(super) const AFTER_CAPTURES_HELP: &str = "\
Kept is every document that a fetch brought, in the store itself: each body once, packed, for ever unless captures.keep
in the configuration says otherwise: \"all\", \"none\", a number of days such as \"90d\", or how much of each feed, such as
\"64MiB\"; keep under [feeds.NAME] says so of one feed. Of what comes line by line (CSV, files, programs, what is pushed)
only the lines are kept that were rejected. What is not to be kept goes by `prune`, and once a day by `feedspine watch`.

Examples:
  feedspine captures
  feedspine captures news
  feedspine captures show news 019ac5b0-4bd5-7000-8000-3fe1c2a4d5e6 > feed.xml
  feedspine captures prune --older-than 365 --dry-run";

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Captures {
    #[command(subcommand)]
    pub(crate) command: Option<CapturesCommand>,
    /// The feed whose captures are listed, the newest first; else how much is kept of each feed is told
    pub(crate) feed: Option<FeedName>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value = "50", value_parser = at_least_one)]
    pub(crate) limit: NonZeroUsize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum CapturesCommand {
    /// Write the bytes that a fetch brought to stdout, as they were received, without their content coding
    Show(ShowCapture),
    /// Forget for ever what the configuration does not keep, or what is older than is said
    Prune(PruneCaptures),
}

#[derive(Debug, Args)]
pub(crate) struct ShowCapture {
    /// The feed
    pub(crate) feed: FeedName,
    /// The fetch, as `feedspine captures FEED` lists it
    pub(crate) fetch: FetchId,
    /// Of a fetch that came in several bodies: the number of the first item of the one that is wanted
    #[arg(long, value_name = "N")]
    pub(crate) item: Option<u32>,
}

#[derive(Debug, Args)]
pub(crate) struct PruneCaptures {
    /// The feed; else all
    pub(crate) feed: Option<FeedName>,
    /// What is older than so many days, whatever the configuration keeps
    #[arg(long, value_name = "DAYS", value_parser = days)]
    pub(crate) older_than: Option<NonZeroU32>,
    /// Tell what would go, and forget nothing
    #[arg(long)]
    pub(crate) dry_run: bool,
}

/// `365`, `365d`
fn days(text: &str) -> Result<NonZeroU32, String> {
    let number = text.strip_suffix('d').unwrap_or(text);
    number.parse().map_err(|_| "expected a number of days, 1 at least, such as 365".to_owned())
}
