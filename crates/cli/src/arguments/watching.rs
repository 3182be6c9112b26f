//! The words of the daemon, and of what its ledger tells.

use std::net::SocketAddr;
use std::num::NonZeroUsize;
use std::time::Duration;

use clap::Args;
use feedspine::core::FeedName;

use super::at_least_one;

#[derive(Debug, Args)]
pub(crate) struct Watch {
    /// Feeds may be at private addresses and at all ports, as long as it runs
    #[arg(long)]
    pub(crate) allow_private: bool,
    /// What this daemon is called where it is told of, such as in `explain`
    #[arg(long, value_name = "NAME")]
    pub(crate) name: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Serve {
    /// Where to listen; port 0 is any that is free
    #[arg(long, value_name = "ADDRESS:PORT", default_value = "127.0.0.1:8400", value_parser = place)]
    pub(crate) listen: SocketAddr,
    #[command(flatten)]
    pub(crate) watch: Watch,
}

#[derive(Debug, Args)]
pub(crate) struct Websub {
    /// The feed; else all that name hubs
    pub(crate) feed: Option<FeedName>,
}

#[derive(Debug, Args)]
pub(crate) struct Health {
    /// The feed; else all
    pub(crate) feed: Option<FeedName>,
    /// Show those that are green, too
    #[arg(long)]
    pub(crate) all: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Gaps {
    /// The feed; else all
    pub(crate) feed: Option<FeedName>,
}

#[derive(Debug, Args)]
pub(crate) struct Runs {
    /// The feed; else all
    pub(crate) feed: Option<FeedName>,
    /// Only those that failed
    #[arg(long)]
    pub(crate) failed: bool,
    /// Only those that began so long ago or less, such as 90m, 24h or 7d
    #[arg(long, value_name = "TIME", value_parser = duration)]
    pub(crate) since: Option<Duration>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value = "50", value_parser = at_least_one)]
    pub(crate) limit: NonZeroUsize,
}

#[derive(Debug, Args)]
pub(crate) struct Explain {
    /// The feed
    pub(crate) feed: FeedName,
}

#[derive(Debug, Args)]
pub(crate) struct Politeness {
    /// The time that is looked at, such as 90m, 24h or 7d
    #[arg(long, value_name = "TIME", default_value = "24h", value_parser = duration)]
    pub(crate) since: Duration,
}

/// `127.0.0.1:8400`, `[::1]:8400`
fn place(text: &str) -> Result<SocketAddr, String> {
    text.parse().map_err(|_| {
        "expected an IP address of this machine and a port, such as 127.0.0.1:8400, [::1]:8400, or 0.0.0.0:8400 for all of its \
         addresses; no names"
            .to_owned()
    })
}

/// `90s`, `15m`, `24h`, `7d`
pub(super) fn duration(text: &str) -> Result<Duration, String> {
    let expected = || "expected a time such as 90m, 24h or 7d".to_owned();
    let unit = text.chars().next_back().ok_or_else(expected)?;
    let seconds = match unit {
        's' => 1,
        'm' => 60,
        'h' => 3_600,
        'd' => 86_400,
        _ => return Err(expected()),
    };
    let count: u32 = text[..text.len() - 1].parse().map_err(|_| expected())?;
    Ok(Duration::from_secs(u64::from(count) * seconds))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_to_listen_at_is_an_address_with_a_port_and_else_is_told_what_it_has_to_look_like() {
        for text in ["127.0.0.1:8400", "0.0.0.0:0", "[::1]:8400"] {
            assert_eq!(place(text).unwrap().to_string(), text);
        }
        for text in ["localhost:", "localhost:8400", "127.0.0.1", "::1:8400", ":8400", "8400", "127.0.0.1:99999"] {
            assert!(place(text).unwrap_err().contains("such as 127.0.0.1:8400"), "{text}");
        }
    }
}
