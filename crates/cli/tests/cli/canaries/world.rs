//! A world in a network of its own: one public site, and at each private address a canary that counts who comes.

use std::net::IpAddr;

use feedspine::core::Json;
use feedspine_cluster::OwnNetwork;

use super::names::{Names, Zone};
use crate::site::{Asked, Reply, Site};
use crate::support::{Ran, User, list, rss, text};

/// The address of the public site.
const PUBLIC: &str = "93.184.216.34";
/// Where its names are looked up. Nothing else listens there.
const NAME_SERVER: &str = "127.0.0.53";

/// Where the canaries are. Each stands for a range that must not be reached: this machine, private networks, that of
/// providers, link-local with the metadata of clouds, unique local, NAT64 with a prefix that is well-known and one that is
/// not, 6to4.
const PRIVATE: [&str; 12] = [
    "127.0.0.1",
    "127.9.9.9",
    "10.1.2.3",
    "172.16.0.1",
    "192.168.0.1",
    "100.64.0.1",
    "169.254.169.254",
    "::1",
    "fd00::1",
    "64:ff9b::a01:203",
    "64:ff9b:1::a01:203",
    "2002:a01:203::1",
];

/// Further ways to say the address of a canary, each with that address.
const SPELT: [(&str, &str); 6] = [
    ("[::ffff:10.1.2.3]", "10.1.2.3"),
    ("[::ffff:a9fe:a9fe]", "169.254.169.254"),
    ("0x7f.1", "127.0.0.1"),
    ("2852039166", "169.254.169.254"),
    ("0300.0250.0.1", "192.168.0.1"),
    ("localhost", "127.0.0.1"),
];

/// A way to a canary.
#[derive(Debug, Clone)]
pub(super) struct Way {
    /// As an address has it.
    pub(super) host: String,
    /// Where it leads.
    pub(super) leads_to: IpAddr,
}

/// The world.
pub(super) struct World {
    pub(super) user: User,
    pub(super) names: Names,
    canaries: Vec<(IpAddr, Site)>,
    _network: OwnNetwork,
}

impl World {
    /// Runs the test of that name again within a world, and gives it there. The public site answers so, but for what it
    /// redirects: `/to/N` to the way of that number, `/by/N` there by way of itself.
    pub(super) fn of_test(
        test: &str,
        further: &[(&str, &[&[&str]])],
        answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static,
    ) -> Option<Self> {
        let network = OwnNetwork::of_test(test)?;
        let addresses: Vec<IpAddr> = PRIVATE.into_iter().chain([PUBLIC]).map(address).collect();
        let missing: Vec<IpAddr> = addresses.iter().copied().filter(|address| !address.is_loopback()).collect();
        network.add_addresses(&missing).expect("the device takes addresses");
        network.look_up_at(address(NAME_SERVER)).expect("the name server is named");
        let names = Names::start((address(NAME_SERVER), 53).into(), zone(further));
        let canary = |text| (address(text), Site::start_at((address(text), 80).into(), |_| feed()));
        let canaries = PRIVATE.into_iter().map(canary).collect();
        let answer = move |asked: &Asked| redirected(asked).unwrap_or_else(|| answer(asked));
        Site::start_at((address(PUBLIC), 80).into(), answer);
        Some(Self { user: User::new(), names, canaries, _network: network })
    }

    /// How often a canary was connected to, by its address.
    pub(super) fn visits(&self) -> Vec<(IpAddr, usize)> {
        let visited = self.canaries.iter().filter(|(_, canary)| canary.connections() > 0);
        visited.map(|(address, canary)| (*address, canary.connections())).collect()
    }

    /// No canary was ever connected to.
    pub(super) fn assert_unvisited(&self) {
        assert_eq!(self.visits(), [], "canaries were reached");
    }

    /// Adds a feed unasked, whatever its address.
    pub(super) fn add(&self, name: &str, address: &str, words: &[&str]) {
        let mut command = self.user.command(&["add", address, "--as-is", "--name", name]);
        command.args(words).env("FEEDSPINE_FETCH_ALLOW", "0.0.0.0/0,::/0");
        let ran = Ran::of(&command.output().expect("the binary runs"));
        assert_eq!(ran.code, 0, "{address}: {}", ran.stderr);
    }

    /// Collects all feeds with that allowed, and gives each with its code; `ok` where it was captured.
    pub(super) fn collect(&self, allow: &str) -> Vec<(String, String)> {
        let mut command = self.user.command(&["collect", "--all", "--json"]);
        let output = command.env("FEEDSPINE_FETCH_ALLOW", allow).output().expect("the binary runs");
        let report = Ran::of(&output).json();
        list(&report, "feeds").iter().map(|feed| (text(feed, "feed").to_owned(), code(feed))).collect()
    }

    /// Collects all feeds with nothing allowed; all are refused for where they lead, and nobody is reached.
    pub(super) fn assert_refused(&self, feeds: usize) {
        let told = self.collect("");
        assert_eq!(told.len(), feeds);
        for (feed, code) in told {
            assert_eq!(code, "net.private", "{feed}");
        }
        self.assert_unvisited();
    }
}

/// All ways to the canaries: by literals, and by names that lead there.
pub(super) fn ways() -> Vec<Way> {
    let literal = |text: &str| if text.contains(':') { format!("[{text}]") } else { text.to_owned() };
    let literals = PRIVATE.map(|text| Way { host: literal(text), leads_to: address(text) });
    let spelt = SPELT.map(|(host, text)| Way { host: host.to_owned(), leads_to: address(text) });
    let named = (0..PRIVATE.len()).map(|at| Way { host: name(at), leads_to: address(PRIVATE[at]) });
    let mapped = Way { host: "mapped.example".to_owned(), leads_to: address("10.1.2.3") };
    literals.into_iter().chain(spelt).chain(named).chain([mapped]).collect()
}

/// The code of a feed's failure; `ok` when it is none.
fn code(report: &Json) -> String {
    let error = report.get("error").and_then(|error| error.get("code")).and_then(Json::as_str);
    error.unwrap_or("ok").to_owned()
}

/// A document of one item.
pub(super) fn feed() -> Reply {
    Reply::ok(rss(&[("1", "one")]))
}

fn name(at: usize) -> String {
    format!("canary-{at}.example")
}

fn zone(further: &[(&str, &[&[&str]])]) -> Zone {
    let addresses = |texts: &[&str]| texts.iter().copied().map(address).collect::<Vec<_>>();
    let mut zone: Zone = (0..PRIVATE.len()).map(|at| (name(at), vec![vec![address(PRIVATE[at])]])).collect();
    zone.insert("public.example".to_owned(), vec![vec![address(PUBLIC)]]);
    zone.insert("mapped.example".to_owned(), vec![vec![address("::ffff:10.1.2.3")]]);
    zone.extend(
        further
            .iter()
            .map(|(name, answers)| ((*name).to_owned(), answers.iter().map(|texts| addresses(texts)).collect())),
    );
    zone
}

fn redirected(asked: &Asked) -> Option<Reply> {
    let (to, number) = match asked.path.strip_prefix("/to/") {
        Some(number) => (number.parse::<usize>().ok()?, None),
        None => (0, Some(asked.path.strip_prefix("/by/")?.to_owned())),
    };
    let target = number.map_or_else(|| format!("http://{}/feed", ways()[to].host), |number| format!("/to/{number}"));
    Some(Reply::status(301).with("Location", target))
}

fn address(text: &str) -> IpAddr {
    text.parse().expect("it is an address")
}
