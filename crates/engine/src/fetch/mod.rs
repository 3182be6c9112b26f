//! The only way out: one guarded HTTP client, and files.
//!
//! A fetch gives bytes as they were received, or says why there are none. Nothing here knows what a feed is.

mod classify;
mod clients;
mod decode;
mod file;
mod gate;
mod guard;
mod headers;
mod http;
mod link;
mod manner;
mod network;
mod pace;
mod post;
mod proxy;
mod resolve;
mod retry_after;
mod slowed;
mod tenure;
mod tls;
mod trace;

use std::collections::{HashMap, HashSet};
use std::sync::{Arc, Mutex};
use std::time::Duration;

use feedspine_parse::Warning;
use reqwest::header::{HeaderMap, HeaderValue};
use tokio::time::Instant;
use url::Origin;

use clients::Made;
pub(crate) use decode::Coding;
use decode::Decoded;
pub(crate) use gate::{LONGEST_REST, Resting};
pub(crate) use guard::{Between, Reach};
pub(crate) use http::{LEASE_LOST, RATE_EXCEEDED, RESTING, SHUT_OUT};
pub(crate) use link::targets;
pub(crate) use manner::{Http, Manner, Trust, header_value};
pub(crate) use network::{Link, Network};
pub(crate) use post::{Form, Plain};
pub(crate) use proxy::is_of_proxy;
pub(crate) use retry_after::{imf_fixdate, read as read_retry_after};
pub(crate) use tenure::Tenure;
pub(crate) use trace::{Asked, Trace, Traced};

use crate::settings::HostRates;
use crate::{Address, Clock, Limits, OpError, Settings};
use gate::Gate;
use guard::Guard;
use manner::Transport;

/// Fetches; shared by all feeds of an engine, so that connections are kept and hosts are spared.
#[derive(Debug)]
pub(crate) struct Fetcher {
    user_agent: HeaderValue,
    guard: Arc<Guard>,
    limits: Limits,
    clock: Arc<dyn Clock>,
    gate: Gate,
    network: Network,
    /// One for each way to reach and to be reached, made when it is first needed.
    clients: Mutex<HashMap<(Reach, Transport), Made>>,
    /// Servers that are asked in HTTP/1.1, whatever they offer.
    of_version_1: Mutex<HashSet<Origin>>,
    /// What stands in for all servers, in a simulation.
    #[cfg(test)]
    wire: std::sync::OnceLock<Arc<dyn Wire>>,
}

/// All servers of a simulated world.
#[cfg(test)]
#[async_trait::async_trait]
pub(crate) trait Wire: std::fmt::Debug + Send + Sync {
    /// What is answered; `None` when nobody is reached.
    async fn send(&self, request: reqwest::Request) -> Option<reqwest::Response>;
}

/// What one fetch asks for.
#[derive(Clone, Copy)]
pub(crate) struct Request<'a> {
    pub(crate) address: &'a Address,
    pub(crate) reach: Reach,
    /// How the feed's server is asked.
    pub(crate) manner: &'a Manner,
    /// What an earlier fetch was told: sent to the very URL that told it, and to no other.
    pub(crate) validators: Option<&'a Validators>,
    /// Further headers: sent to the origin of `address`, until it redirects to another.
    pub(crate) headers: Option<&'a HeaderMap>,
    /// The most bytes of a body, received and decoded, where that is more than for feeds.
    pub(crate) most_bytes: Option<u64>,
    /// Where the requests are noted that it takes; `None` of one that is not written down.
    pub(crate) trace: Option<&'a Trace>,
}

/// What a server told to ask with next time: opaque, given back as it was (RFC 9110 section 8.8).
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Validators {
    /// The URL whose answer this was, after redirects.
    pub(crate) url: String,
    pub(crate) etag: Option<String>,
    pub(crate) last_modified: Option<String>,
}

/// How an answer was reached.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Route {
    /// Without a redirect.
    Direct,
    /// By redirects that are all meant for good: 301 and 308 (RFC 9110 sections 15.4.2 and 15.4.9).
    Permanent,
    /// By redirects of which one at least is not.
    Temporary,
}

impl Route {
    /// The same, and on by another redirect.
    fn then(self, next: Self) -> Self {
        match (self, next) {
            (Self::Direct, next) => next,
            (Self::Permanent, Self::Permanent) => Self::Permanent,
            _ => Self::Temporary,
        }
    }
}

/// What a fetch got.
#[derive(Debug)]
pub(crate) struct Fetched {
    /// `None` for a file.
    pub(crate) http_status: Option<u16>,
    /// The URL that answered, after redirects; `None` for a file.
    pub(crate) url: Option<String>,
    pub(crate) route: Route,
    /// `None` when the server told none.
    pub(crate) validators: Option<Validators>,
    pub(crate) content_type: Option<String>,
    /// The header `Link`, its lines joined; `None` for a file.
    pub(crate) link: Option<String>,
    /// The fields of the header that are kept with the body; none of a 304, or a file.
    pub(crate) headers: Vec<(String, String)>,
    /// `None` for a 304.
    pub(crate) body: Option<Received>,
}

/// A body as it was received.
#[derive(Debug, Clone)]
pub(crate) struct Received {
    pub(crate) wire: Vec<u8>,
    pub(crate) coding: Coding,
}

/// A body without its content coding.
#[derive(Debug)]
pub(crate) struct Body {
    pub(crate) bytes: Vec<u8>,
    /// What was odd about its coding.
    pub(crate) warning: Option<Warning>,
}

impl Received {
    /// The body without its content coding; `address` is for messages. To be called on a thread that may be busy.
    pub(crate) fn decoded(self, address: &str, limits: &Limits) -> Result<Body, OpError> {
        let Self { wire, coding } = self;
        if wire.is_empty() {
            return Ok(Body { bytes: wire, warning: None });
        }
        let decoded = coding.decode(wire, limits).map_err(|error| classify::undecodable(address, error, limits))?;
        let padded = || {
            let Decoded { padding, .. } = decoded;
            let first = format!("{padding} bytes after the end of the {} body were left out", coding.as_str());
            Warning { code: "http.padding", count: 1, first }
        };
        let warning = (decoded.padding > 0).then(padded);
        Ok(Body { bytes: decoded.bytes, warning })
    }
}

/// Why a fetch got nothing, and what it cost.
#[derive(Debug)]
pub(crate) struct FetchFailure {
    pub(crate) error: OpError,
    pub(crate) http_status: Option<u16>,
    pub(crate) wire_bytes: u64,
}

impl From<OpError> for FetchFailure {
    fn from(error: OpError) -> Self {
        Self { error, http_status: None, wire_bytes: 0 }
    }
}

impl Fetcher {
    /// # Errors
    /// `Usage`: a user agent that no header can hold.
    pub(crate) fn new(settings: &Settings) -> Result<Self, OpError> {
        let user_agent = HeaderValue::from_str(&settings.user_agent).map_err(|_| {
            let message = format!("the user agent {:?} cannot be sent", settings.user_agent);
            OpError::usage("settings.user_agent", message).with_hint("use visible ASCII characters")
        })?;
        Ok(Self {
            user_agent,
            guard: Arc::new(Guard { ports: settings.ports.clone(), allow: settings.allow.clone() }),
            limits: settings.limits,
            clock: Arc::clone(&settings.clock),
            gate: Gate::new(HostRates::of(settings)),
            network: Network::default(),
            clients: Mutex::default(),
            of_version_1: Mutex::default(),
            #[cfg(test)]
            wire: std::sync::OnceLock::new(),
        })
    }

    /// Judges what can be seen in an address, before anything is asked.
    pub(crate) fn check(&self, address: &Address, reach: Reach, between: Between) -> Result<(), OpError> {
        match address {
            Address::Http(url) => {
                let judged = self.guard.check_url(reach, between, url);
                judged.map(drop).map_err(|refusal| classify::refused(url, &refusal))
            }
            Address::File(_) | Address::Command(_) | Address::Push(_) => Ok(()),
        }
    }

    /// Whether an address's host has asked to be left alone for a while.
    pub(crate) fn rests(&self, address: &Address) -> bool {
        matches!(address, Address::Http(url) if url.host_str().is_some_and(|host| self.gate.rests(host)))
    }

    /// A host was another process's to ask until now; when it may be asked.
    pub(crate) fn begin_anew(&self, host: &str) -> Instant {
        self.gate.begin_anew(host)
    }

    /// For how long an address's host is still to be left alone.
    pub(crate) fn rest_of(&self, host: &str) -> Option<Resting> {
        self.gate.rest_of(host)
    }

    /// Whether a host has given what was asked for at another address than that within so long.
    pub(crate) fn answers_others(&self, host: &str, address: &str, span: Duration) -> bool {
        self.gate.answers_others(host, address, span)
    }

    /// Leaves a host alone which another process was told to leave alone.
    pub(crate) fn rest(&self, host: &str, resting: Resting) {
        self.gate.rest_on(host, resting);
    }

    /// How often the time between two requests to a host was doubled, since it said that it was asked too often, and how long
    /// ago it did.
    pub(crate) fn slowed(&self, host: &str) -> Option<(u32, Duration)> {
        self.gate.slowed(host)
    }

    /// Asks a host more rarely that refused another process.
    pub(crate) fn recall_slowed(&self, host: &str, doublings: u32, ago: Duration) {
        self.gate.recall_slowed(host, doublings, ago);
    }

    /// The least time between two requests to a host, as it is now.
    pub(crate) fn interval_of(&self, host: &str) -> Duration {
        self.gate.interval(host)
    }

    /// For how long a host is not asked when somebody's turn to ask it begins now: while it rests nobody asks it, so that takes
    /// no turn.
    pub(crate) fn interval_after_turn(&self, host: &str) -> Duration {
        if self.gate.rests(host) { Duration::ZERO } else { self.gate.interval(host) }
    }

    /// Asks a simulated world from now on.
    #[cfg(test)]
    pub(crate) fn ask_of(&self, wire: Arc<dyn Wire>) {
        self.wire.set(wire).expect("it asks one world");
    }

    /// Whether our own network is down.
    pub(crate) fn network(&self) -> &Network {
        &self.network
    }

    /// Fetches once.
    pub(crate) async fn fetch(&self, request: Request<'_>) -> Result<Fetched, FetchFailure> {
        match request.address {
            Address::Http(url) => {
                let fetched = self.fetch_http(url.clone(), request).await;
                let hidden = |error| request.manner.secrets.hide(error);
                fetched.map_err(|failure| FetchFailure { error: hidden(failure.error), ..failure })
            }
            Address::File(path) => file::read(path, request.most_bytes.unwrap_or(self.limits.body_bytes)).await,
            address @ (Address::Command(_) | Address::Push(_)) => {
                let error = OpError::usage("address.not_fetched", format!("{address} is no document that is fetched"));
                Err(error.with_hint("give a URL, or the path of a file").into())
            }
        }
    }
}

/// A number of bytes as people read it.
fn bytes(count: u64) -> String {
    match count {
        0..10_240 => format!("{count} bytes"),
        10_240..10_485_760 => format!("{} KiB", count / 1024),
        _ => format!("{} MiB", count / (1024 * 1024)),
    }
}
