//! [`Guard`]: which hosts, addresses and ports may be asked. Judged at every hop, before and after connecting.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr};

use ipnet::{Ipv4Net, Ipv6Net};
use url::{Host, Url};

use crate::Allow;

/// How far a feed, or one request of it, may reach.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Reach {
    /// Public addresses at the ports for feeds, and what is allowed besides.
    Public,
    /// The allowed networks alone, at all ports.
    Networks,
    /// All addresses, at all ports: the operator said so, of the feed or of the host.
    Anywhere,
}

/// What stands between a request and whom it asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Between {
    /// Nothing: the address that a name leads to is judged before it is dialled.
    Nothing,
    /// A proxy: it looks names up, and nobody here sees where they lead.
    Proxy,
}

/// Which addresses may be asked.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Guard {
    /// The ports that may be asked at public addresses.
    pub(crate) ports: Vec<u16>,
    /// What may be asked besides, at all ports.
    pub(crate) allow: Vec<Allow>,
}

/// Why a request must not go out.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refusal {
    /// The host is, or leads to, an address that is not public.
    #[error("{host} is a private address")]
    PrivateHost {
        /// As it stands in the URL.
        host: String,
    },
    /// The name leads to an address that is not public.
    #[error("{host} leads to the private address {address}")]
    PrivateAddress {
        /// The name.
        host: String,
        /// What it was resolved to.
        address: IpAddr,
    },
    /// The name leads to an address that may not be asked at that port.
    #[error("{host} leads to {address}, which may not be asked at that port")]
    PortOfAddress {
        /// The name.
        host: String,
        /// What it was resolved to.
        address: IpAddr,
    },
    /// The port is not one that feeds are served at.
    #[error("port {port} of {host} may not be asked")]
    Port {
        /// The host.
        host: String,
        /// The port.
        port: u16,
    },
}

impl Refusal {
    pub(crate) const fn code(&self) -> &'static str {
        match self {
            Self::PrivateHost { .. } | Self::PrivateAddress { .. } => "net.private",
            Self::Port { .. } | Self::PortOfAddress { .. } => "net.port",
        }
    }
}

impl Guard {
    /// Judges what can be seen in a URL: an address literal, a name that means this machine or network, the port. Gives how
    /// far the request to it may reach: anywhere where the operator named its host, and, at a port that is not for feeds, to
    /// the networks that he named. Behind a proxy no name leads to a network: these count for address literals alone.
    pub(crate) fn check_url(&self, reach: Reach, between: Between, url: &Url) -> Result<Reach, Refusal> {
        if reach == Reach::Anywhere || self.allow.iter().any(|allowed| allowed.names(url)) {
            return Ok(Reach::Anywhere);
        }
        let host = url.host_str().unwrap_or_default().to_owned();
        let literal = match url.host() {
            Some(Host::Ipv4(address)) => Some(IpAddr::V4(address)),
            Some(Host::Ipv6(address)) => Some(IpAddr::V6(address)),
            _ => None,
        };
        let may_lead_to_networks = literal.is_none() && between == Between::Nothing && self.allows_networks();
        let public = match (url.host(), literal) {
            (_, Some(address)) if self.allows(address) => return Ok(reach),
            (_, Some(address)) => is_public(address),
            // Where networks are allowed, a local name may lead there: its addresses decide.
            (Some(Host::Domain(name)), None) => may_lead_to_networks || !is_local_name(name),
            _ => false,
        };
        if !public {
            return Err(Refusal::PrivateHost { host });
        }
        match url.port_or_known_default() {
            Some(port) if !self.ports.contains(&port) => {
                if may_lead_to_networks {
                    Ok(Reach::Networks)
                } else {
                    Err(Refusal::Port { host, port })
                }
            }
            _ => Ok(reach),
        }
    }

    /// Judges an address that a name was resolved to, or that was connected to.
    pub(crate) fn check_address(&self, reach: Reach, host: &str, address: IpAddr) -> Result<(), Refusal> {
        if reach == Reach::Anywhere || self.allows(address) {
            return Ok(());
        }
        let host = host.to_owned();
        match (is_public(address), reach) {
            (false, _) => Err(Refusal::PrivateAddress { host, address }),
            (true, Reach::Networks) => Err(Refusal::PortOfAddress { host, address }),
            (true, _) => Ok(()),
        }
    }

    fn allows(&self, address: IpAddr) -> bool {
        self.allow.iter().any(|allowed| allowed.has_address(address))
    }

    fn allows_networks(&self) -> bool {
        self.allow.iter().any(|allowed| matches!(allowed, Allow::Network(_)))
    }
}

/// Names that mean this machine or its network whatever they resolve to (RFC 6761, RFC 6762, RFC 9476, and what cloud
/// and container networks use).
fn is_local_name(name: &str) -> bool {
    let name = name.strip_suffix('.').unwrap_or(name).to_ascii_lowercase();
    let last = name.rsplit('.').next().unwrap_or_default();
    matches!(
        last,
        "localhost" | "local" | "localdomain" | "internal" | "lan" | "svc" | "ip6-localhost" | "ip6-loopback"
    )
}

/// Networks of IPv4 that are not globally reachable (IANA special-purpose address registry).
const SPECIAL_V4: [(Ipv4Addr, u8); 15] = [
    (Ipv4Addr::UNSPECIFIED, 8),
    (Ipv4Addr::new(10, 0, 0, 0), 8),
    (Ipv4Addr::new(100, 64, 0, 0), 10),
    (Ipv4Addr::new(127, 0, 0, 0), 8),
    (Ipv4Addr::new(169, 254, 0, 0), 16),
    (Ipv4Addr::new(172, 16, 0, 0), 12),
    (Ipv4Addr::new(192, 0, 0, 0), 24),
    (Ipv4Addr::new(192, 0, 2, 0), 24),
    (Ipv4Addr::new(192, 88, 99, 0), 24),
    (Ipv4Addr::new(192, 168, 0, 0), 16),
    (Ipv4Addr::new(198, 18, 0, 0), 15),
    (Ipv4Addr::new(198, 51, 100, 0), 24),
    (Ipv4Addr::new(203, 0, 113, 0), 24),
    (Ipv4Addr::new(224, 0, 0, 0), 4),
    (Ipv4Addr::new(240, 0, 0, 0), 4),
];

/// Networks within `2000::/3` that are not globally reachable: IETF protocols with Teredo, and documentation.
const SPECIAL_V6: [(Ipv6Addr, u8); 3] = [
    (Ipv6Addr::new(0x2001, 0, 0, 0, 0, 0, 0, 0), 23),
    (Ipv6Addr::new(0x2001, 0xdb8, 0, 0, 0, 0, 0, 0), 32),
    (Ipv6Addr::new(0x3fff, 0, 0, 0, 0, 0, 0, 0), 20),
];

/// Whether an address is globally reachable unicast; an IPv4 address within an IPv6 one is judged too.
fn is_public(address: IpAddr) -> bool {
    match address {
        IpAddr::V4(address) => is_public_v4(address),
        IpAddr::V6(address) => match embedded_v4(address) {
            Some((embedded, Carrier::Translated)) => is_public_v4(embedded),
            Some((embedded, Carrier::Tunnelled)) => is_public_v4(embedded) && is_public_v6(address),
            None => is_public_v6(address),
        },
    }
}

fn is_public_v4(address: Ipv4Addr) -> bool {
    let within = |(network, prefix): &(Ipv4Addr, u8)| Ipv4Net::new_assert(*network, *prefix).contains(&address);
    !SPECIAL_V4.iter().any(within)
}

fn is_public_v6(address: Ipv6Addr) -> bool {
    let global = Ipv6Net::new_assert(Ipv6Addr::new(0x2000, 0, 0, 0, 0, 0, 0, 0), 3);
    let within = |(network, prefix): &(Ipv6Addr, u8)| Ipv6Net::new_assert(*network, *prefix).contains(&address);
    global.contains(&address) && !SPECIAL_V6.iter().any(within)
}

/// What an IPv4 address within an IPv6 one stands for.
enum Carrier {
    /// The whole address: what is reached is the IPv4 address.
    Translated,
    /// A part of it: both are judged.
    Tunnelled,
}

/// The IPv4 address within: mapped (`::ffff:0:0/96`), NAT64 (`64:ff9b::/96`), 6to4 (`2002::/16`), ISATAP (interface
/// `0:5efe:a.b.c.d`). Compatible addresses (`::/96`), local NAT64 and Teredo lie outside what is public anyway.
fn embedded_v4(address: Ipv6Addr) -> Option<(Ipv4Addr, Carrier)> {
    let v4 = |high: u16, low: u16| Ipv4Addr::from(u32::from(high) << 16 | u32::from(low));
    match address.segments() {
        [0, 0, 0, 0, 0, 0xffff, high, low] | [0x64, 0xff9b, 0, 0, 0, 0, high, low] => {
            Some((v4(high, low), Carrier::Translated))
        }
        [0x2002, high, low, ..] | [_, _, _, _, 0 | 0x200, 0x5efe, high, low] => {
            Some((v4(high, low), Carrier::Tunnelled))
        }
        _ => None,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn guard() -> Guard {
        Guard { ports: vec![80, 443, 8080, 8443], allow: Vec::new() }
    }

    fn judge(url: &str) -> Result<Reach, Refusal> {
        guard().check_url(Reach::Public, Between::Nothing, &Url::parse(url).unwrap())
    }

    #[test]
    fn refuses_special_addresses_however_they_are_spelt() {
        for host in [
            "127.0.0.1",
            "127.9.9.9",
            "10.0.0.1",
            "172.16.0.1",
            "172.31.255.255",
            "192.168.0.1",
            "169.254.169.254",
            "100.64.0.1",
            "0.0.0.0",
            "0.1.2.3",
            "224.0.0.1",
            "255.255.255.255",
            "192.0.0.1",
            "192.0.2.1",
            "198.18.0.1",
            "198.51.100.1",
            "203.0.113.1",
            "240.0.0.1",
            "2130706433",
            "0x7f.1",
            "0177.0.0.1",
            "127.1",
            "0",
            "2852039166",
            "0xa9fea9fe",
            "0251.0376.0251.0376",
            "127.0.0.1.",
            "①②⑦.0.0.1",
            "127%2e0.0.1",
            "[::]",
            "[::1]",
            "[::ffff:169.254.169.254]",
            "[::ffff:7f00:1]",
            "[::a9fe:a9fe]",
            "[64:ff9b::a9fe:a9fe]",
            "[64:ff9b:1::a00:1]",
            "[2002:a9fe:a9fe::]",
            "[2001:0:4136:e378:8000:63bf:f5ff:fffe]",
            "[2001:db8::5efe:10.0.0.1]",
            "[2a00:1450::5efe:10.0.0.1]",
            "[fc00::1]",
            "[fe80::1]",
            "[ff02::1]",
            "[3fff::1]",
            "[5f00::1]",
            "localhost",
            "LOCALHOST.",
            "a.localhost",
            "metadata.google.internal",
            "x.local",
            "ip6-localhost",
            "host.docker.internal",
            "kubernetes.default.svc",
        ] {
            let refused = judge(&format!("http://{host}/"));
            assert!(matches!(refused, Err(Refusal::PrivateHost { .. })), "{host}: {refused:?}");
        }
    }

    #[test]
    fn lets_public_addresses_and_names_pass() {
        for host in ["example.org", "93.184.216.34", "[2606:2800:220:1::1]", "[::ffff:93.184.216.34]", "172.32.0.1"] {
            assert_eq!(judge(&format!("https://{host}/")), Ok(Reach::Public), "{host}");
        }
        assert!(is_public("64:ff9b::5db8:d822".parse().unwrap()));
    }

    #[test]
    fn refuses_ports_that_are_not_for_feeds() {
        for port in [0, 22, 25, 53, 110, 143, 389, 445, 465, 587, 993, 2375, 3306, 5432, 6379, 9200, 11211, 27017] {
            let refused = judge(&format!("http://example.org:{port}/"));
            assert!(matches!(refused, Err(Refusal::Port { .. })), "{port}: {refused:?}");
        }
        assert_eq!(judge("http://example.org:8080/"), Ok(Reach::Public));
    }

    #[test]
    fn lets_everything_pass_where_the_operator_said_so() {
        let url = Url::parse("http://127.0.0.1:25/").unwrap();
        assert_eq!(guard().check_url(Reach::Anywhere, Between::Nothing, &url), Ok(Reach::Anywhere));
        assert_eq!(guard().check_address(Reach::Anywhere, "x", "127.0.0.1".parse().unwrap()), Ok(()));
        assert!(guard().check_address(Reach::Public, "x", "127.0.0.1".parse().unwrap()).is_err());
    }

    #[test]
    fn lets_the_allowed_networks_pass_and_no_others() {
        let guard = Guard { allow: vec!["10.1.0.0/16".parse().unwrap()], ..guard() };
        let judge = |url: &str| guard.check_url(Reach::Public, Between::Nothing, &Url::parse(url).unwrap());
        assert_eq!(judge("http://10.1.2.3:8000/"), Ok(Reach::Public));
        assert_eq!(judge("http://[::ffff:10.1.2.3]/"), Ok(Reach::Public));
        assert!(judge("http://10.2.0.1/").is_err());
        // Where a name leads is judged when it is resolved.
        assert_eq!(judge("http://nas.lan/"), Ok(Reach::Public));
        assert!(guard.check_address(Reach::Public, "nas.lan", "10.2.0.1".parse().unwrap()).is_err());
    }

    #[test]
    fn lets_a_name_lead_into_an_allowed_network_at_all_ports_and_elsewhere_at_those_for_feeds() {
        let guard = Guard { allow: vec!["10.1.0.0/16".parse().unwrap()], ..guard() };
        let reach = |url: &str| guard.check_url(Reach::Public, Between::Nothing, &Url::parse(url).unwrap()).unwrap();
        let judge = |url: &str, address: &str| {
            let judged = guard.check_address(reach(url), "nas.lan", address.parse().unwrap());
            judged.map_err(|refusal| refusal.code())
        };
        for (url, address, judged) in [
            ("http://nas.lan/", "10.1.2.3", Ok(())),
            ("http://nas.lan/", "93.184.216.34", Ok(())),
            ("http://nas.lan/", "10.2.0.1", Err("net.private")),
            ("http://nas.lan:8081/", "10.1.2.3", Ok(())),
            ("http://nas.lan:8081/", "93.184.216.34", Err("net.port")),
            ("http://nas.lan:8081/", "10.2.0.1", Err("net.private")),
        ] {
            assert_eq!(judge(url, address), judged, "{url} {address}");
        }
    }

    #[test]
    fn lets_no_name_lead_into_an_allowed_network_through_a_proxy() {
        let allow = ["10.1.0.0/16", "nas.lan:8081"].map(|entry| entry.parse().unwrap());
        let guard = Guard { allow: allow.to_vec(), ..guard() };
        let judge = |url: &str| {
            let judged = guard.check_url(Reach::Public, Between::Proxy, &Url::parse(url).unwrap());
            judged.map_err(|refusal| refusal.code())
        };
        for (url, judged) in [
            ("http://metadata.google.internal/", Err("net.private")),
            ("http://localhost/", Err("net.private")),
            ("http://nas.lan/", Err("net.private")),
            ("http://example.org:6379/", Err("net.port")),
            ("http://169.254.169.254/", Err("net.private")),
            ("http://example.org/", Ok(Reach::Public)),
            ("http://10.1.2.3:6379/", Ok(Reach::Public)),
            ("http://nas.lan:8081/", Ok(Reach::Anywhere)),
        ] {
            assert_eq!(judge(url), judged, "{url}");
        }
    }

    #[test]
    fn lets_an_allowed_host_lead_anywhere_and_no_other() {
        let allow = ["nas.lan:8081", "feeds.example.org"].map(|entry| entry.parse().unwrap());
        let guard = Guard { allow: allow.to_vec(), ..guard() };
        for (url, judged) in [
            ("http://nas.lan:8081/", Some(Reach::Anywhere)),
            ("http://feeds.example.org:25/", Some(Reach::Anywhere)),
            ("http://example.org/", Some(Reach::Public)),
            ("http://nas.lan/", None),
            ("http://other.lan:8081/", None),
            ("http://10.1.2.3:8081/", None),
            ("http://example.org:8081/", None),
        ] {
            assert_eq!(
                guard.check_url(Reach::Public, Between::Nothing, &Url::parse(url).unwrap()).ok(),
                judged,
                "{url}"
            );
        }
    }
}
