//! [`Allow`]: an entry of what may be asked though it is private, or at another port than feeds are served at.

use std::fmt;
use std::net::IpAddr;
use std::str::FromStr;

use ipnet::IpNet;
use url::{Host, Url};

/// An entry of what may be asked at any port, whether it is public or not.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Allow {
    /// All addresses of a network, whatever name leads there: `10.1.0.0/16`, `fd00::/8`, or one address, `10.1.2.3`.
    Network(IpNet),
    /// What a name in an address leads to, at all ports or at one: `nas.lan`, `nas.lan:8081`, `10.1.2.3:8081`. Where such a
    /// host redirects to is judged by itself.
    Host(AllowedHost),
}

/// A host that may be asked, at all ports or at one.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct AllowedHost {
    host: Host,
    port: Option<u16>,
}

/// Why a text is no entry.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("expected a network, or a host with or without a port, found {0:?}")]
pub struct AllowError(String);

impl Allow {
    /// Whether it is a network that the address lies in.
    pub(crate) fn has_address(&self, address: IpAddr) -> bool {
        matches!(self, Self::Network(network) if network.contains(&address.to_canonical()))
    }

    /// Whether it is the host that an address names, and the port is not another one.
    pub(crate) fn names(&self, url: &Url) -> bool {
        let Self::Host(AllowedHost { host, port }) = self else { return false };
        let same_host = url.host().is_some_and(|asked| without_dot(asked.to_owned()) == *host);
        same_host && port.is_none_or(|port| url.port_or_known_default() == Some(port))
    }
}

impl FromStr for Allow {
    type Err = AllowError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        if let Ok(network) = text.parse::<IpNet>() {
            return Ok(Self::Network(network));
        }
        if let Ok(address) = text.parse::<IpAddr>() {
            return Ok(Self::Network(address.into()));
        }
        let wrong = || AllowError(text.to_owned());
        let (host, port) = match text.rsplit_once(':') {
            Some((host, port)) => (host, Some(port.parse().map_err(|_| wrong())?)),
            None => (text, None),
        };
        let host = Host::parse(host).map_err(|_| wrong())?;
        Ok(Self::Host(AllowedHost { host: without_dot(host), port }))
    }
}

impl fmt::Display for Allow {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Network(network) if network.prefix_len() == network.max_prefix_len() => network.addr().fmt(f),
            Self::Network(network) => network.fmt(f),
            Self::Host(AllowedHost { host, port: Some(port) }) => write!(f, "{host}:{port}"),
            Self::Host(AllowedHost { host, port: None }) => host.fmt(f),
        }
    }
}

/// `nas.lan.` and `nas.lan` are one name.
fn without_dot(host: Host) -> Host {
    match host {
        Host::Domain(name) => Host::Domain(name.strip_suffix('.').unwrap_or(&name).to_owned()),
        address => address,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn entry(text: &str) -> Allow {
        text.parse().unwrap()
    }

    #[test]
    fn an_entry_is_shown_as_it_is_written() {
        for text in ["10.1.0.0/16", "fd00::/8", "10.1.2.3", "::1", "nas.lan", "nas.lan:8081", "10.1.2.3:81", "[::1]:81"]
        {
            assert_eq!(entry(text).to_string(), text);
        }
        assert_eq!(entry("NAS.lan.").to_string(), "nas.lan");
        for text in ["", "10.1.0.0/99", "nas.lan:", "nas.lan:99999", "nas lan", "http://nas.lan", "nas.lan/x", ":80"] {
            assert_eq!(text.parse::<Allow>(), Err(AllowError(text.to_owned())), "{text}");
        }
    }

    #[test]
    fn a_host_is_allowed_by_its_name_and_port_alone() {
        for (text, url, allowed) in [
            ("nas.lan", "http://nas.lan/", true),
            ("nas.lan", "https://NAS.lan.:8081/", true),
            ("nas.lan", "http://a.nas.lan/", false),
            ("nas.lan", "http://nas.lan.example.org/", false),
            ("nas.lan:8081", "http://nas.lan:8081/", true),
            ("nas.lan:8081", "http://nas.lan/", false),
            ("nas.lan:80", "http://nas.lan/", true),
            ("nas.lan:80", "https://nas.lan/", false),
            ("10.1.2.3:8081", "http://10.1.2.3:8081/", true),
            ("10.1.2.3:8081", "http://[::ffff:10.1.2.3]:8081/", false),
            ("10.0.0.0/8", "http://10.1.2.3/", false),
        ] {
            assert_eq!(entry(text).names(&Url::parse(url).unwrap()), allowed, "{text} {url}");
        }
    }

    #[test]
    fn a_network_has_its_addresses_also_those_written_as_ipv6() {
        for (text, address, allowed) in [
            ("10.1.0.0/16", "10.1.2.3", true),
            ("10.1.0.0/16", "::ffff:10.1.2.3", true),
            ("10.1.0.0/16", "10.2.0.1", false),
            ("10.1.2.3", "10.1.2.3", true),
            ("10.1.2.3", "10.1.2.4", false),
            ("fd00::/8", "fd00::1", true),
            ("nas.lan", "10.1.2.3", false),
        ] {
            assert_eq!(entry(text).has_address(address.parse().unwrap()), allowed, "{text} {address}");
        }
    }
}
