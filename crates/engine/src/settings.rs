//! [`Settings`]: how the engine behaves, with defaults that are polite and bounded.

use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

use feedspine_core::FeedName;

use crate::{Allow, Bounds, CallbackBase, Chance, Clock, DeclaredFeed, Keep, SystemChance, SystemClock};

const MIB: u64 = 1024 * 1024;

/// How an engine behaves.
#[derive(Debug, Clone)]
pub struct Settings {
    /// What requests call themselves.
    pub user_agent: String,
    /// Private addresses and all ports are allowed for every feed; else a feed says so for itself.
    pub allow_private: bool,
    /// The ports that may be asked at public addresses.
    pub ports: Vec<u16>,
    /// Networks and hosts that may be asked though they are private, or at other ports.
    pub allow: Vec<Allow>,
    /// What one fetch may cost.
    pub limits: Limits,
    /// How many feeds are collected at once, whatever their hosts.
    pub concurrency: usize,
    /// How often one host is asked.
    pub host_rate: HostRate,
    /// Domains with a rate of their own, which all hosts beneath one share; of several that fit the longest counts.
    pub domain_rates: BTreeMap<String, HostRate>,
    /// How often feeds are fetched of which nothing else is said, and how far that follows what they bring.
    pub schedule: Bounds,
    /// How long the bodies are kept that fetches bring, of feeds of which nothing else is said.
    pub keep: Keep,
    /// What is said of how feeds are read, when, and of their items' identity, by the feeds' names: taken when they are added.
    pub declared: BTreeMap<FeedName, DeclaredFeed>,
    /// Where hubs reach a server of ours; without it none is asked for a subscription.
    pub websub_callback: Option<CallbackBase>,
    /// The clock of what is written down.
    pub clock: Arc<dyn Clock>,
    /// The random part of ids.
    pub chance: Arc<dyn Chance>,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            user_agent: concat!("FeedSpine/", env!("CARGO_PKG_VERSION")).to_owned(),
            allow_private: false,
            ports: vec![80, 443, 8080, 8443],
            allow: Vec::new(),
            limits: Limits::default(),
            concurrency: 16,
            host_rate: HostRate::default(),
            domain_rates: BTreeMap::from([("sec.gov".to_owned(), HostRate::SEC)]),
            keep: Keep::default(),
            declared: BTreeMap::new(),
            schedule: Bounds::default(),
            websub_callback: None,
            clock: Arc::new(SystemClock),
            chance: Arc::new(SystemChance),
        }
    }
}

impl Settings {
    /// How long the bodies of a feed are kept.
    pub fn keep_of(&self, feed: &FeedName) -> Keep {
        self.declared.get(feed).and_then(DeclaredFeed::keep).unwrap_or(self.keep)
    }
}

/// How often hosts are asked.
#[derive(Debug, Clone, Default)]
pub(crate) struct HostRates {
    usual: HostRate,
    domains: BTreeMap<String, HostRate>,
}

impl HostRates {
    /// Those of an engine.
    pub(crate) fn of(settings: &Settings) -> Self {
        Self { usual: settings.host_rate, domains: settings.domain_rates.clone() }
    }

    /// The domain of a host that has a rate of its own.
    pub(crate) fn domain_of(&self, host: &str) -> Option<&str> {
        self.nearest(host).map(|(domain, _)| domain)
    }

    /// What a host shares its rate with: a domain that has one of its own, else the domain that somebody registered. Who
    /// serves `a.example.org` mostly serves `b.example.org` too (publicsuffix.org says where that is not so).
    pub(crate) fn shared_by<'a>(&'a self, host: &'a str) -> (&'a str, HostRate) {
        self.nearest(host).unwrap_or_else(|| (registered(host).unwrap_or(host), self.usual))
    }

    fn nearest(&self, host: &str) -> Option<(&str, HostRate)> {
        let is_within = |domain: &str| {
            let above = host.strip_suffix(domain);
            above.is_some_and(|above| above.is_empty() || above.ends_with('.'))
        };
        let domains = self.domains.iter().filter(|(domain, _)| is_within(domain));
        let nearest = domains.max_by_key(|(domain, _)| domain.len());
        nearest.map(|(domain, rate)| (domain.as_str(), *rate))
    }
}

/// The domain of a name that somebody registered; `None` of addresses, and of names that have none.
fn registered(host: &str) -> Option<&str> {
    let is_address = host.starts_with('[') || host.parse::<std::net::Ipv4Addr>().is_ok();
    if is_address { None } else { psl::domain_str(host) }
}

/// How often one host is asked, by all feeds together.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct HostRate {
    /// The most requests under way at once.
    pub in_flight: usize,
    /// The least time between the starts of two requests.
    pub interval: Duration,
}

impl HostRate {
    /// Eight a second for all of sec.gov, one after the other: the SEC allows ten from all machines of one user together,
    /// and at 9.7 some were shut out (sec-edgar/sec-edgar#280).
    const SEC: Self = Self { in_flight: 4, interval: Duration::from_millis(125) };
}

impl Default for HostRate {
    /// Two at once, one a second.
    fn default() -> Self {
        Self { in_flight: 2, interval: Duration::from_secs(1) }
    }
}

/// What one fetch may cost. The defaults are those that feed servers were seen to need, with room.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Limits {
    /// Bytes received, before decoding.
    pub wire_bytes: u64,
    /// Bytes after decoding.
    pub body_bytes: u64,
    /// How many times larger than received a body may become by decoding, once it is larger than 1 MiB.
    pub ratio: u64,
    /// Redirects followed.
    pub redirects: usize,
    /// Header fields in one answer.
    pub header_fields: usize,
    /// From the start to an open connection, TLS included.
    pub connect: Duration,
    /// From the request to the end of the answer's header.
    pub header: Duration,
    /// Between two pieces of a body.
    pub idle: Duration,
    /// The fewest bytes of a body that have to come in each `pace_over`.
    pub pace_bytes: u64,
    /// The span of time in which they have to.
    pub pace_over: Duration,
    /// For the whole fetch, redirects included; waiting for a turn is not counted.
    pub total: Duration,
    /// For reading the document.
    pub parse: Duration,
}

impl Default for Limits {
    fn default() -> Self {
        Self {
            wire_bytes: 20 * MIB,
            body_bytes: 20 * MIB,
            ratio: 100,
            redirects: 5,
            header_fields: 100,
            connect: Duration::from_secs(10),
            header: Duration::from_secs(15),
            idle: Duration::from_secs(20),
            // 1 kB a second.
            pace_bytes: 20_000,
            pace_over: Duration::from_secs(20),
            total: Duration::from_mins(1),
            parse: Duration::from_secs(5),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hosts_of_one_domain_share_a_rate() {
        let slow = HostRate { in_flight: 1, interval: Duration::from_mins(1) };
        let mut settings = Settings::default();
        settings.domain_rates.insert("data.sec.gov".to_owned(), slow);
        let (host_rate, rates) = (settings.host_rate, HostRates::of(&settings));
        for (host, shared) in [
            ("www.sec.gov", ("sec.gov", HostRate::SEC)),
            ("sec.gov", ("sec.gov", HostRate::SEC)),
            ("data.sec.gov", ("data.sec.gov", slow)),
            ("notsec.gov", ("notsec.gov", host_rate)),
            ("sec.gov.example", ("gov.example", host_rate)),
            ("a.b.example.co.uk", ("example.co.uk", host_rate)),
            ("one.github.io", ("one.github.io", host_rate)),
            ("localhost", ("localhost", host_rate)),
            ("127.0.0.1", ("127.0.0.1", host_rate)),
            ("[2001:db8::1]", ("[2001:db8::1]", host_rate)),
        ] {
            assert_eq!(rates.shared_by(host), shared, "{host}");
        }
    }
}
