//! [`Failure`]: why a fetch failed, as far as it matters for when to try again.

use super::Came;
use crate::fetch::{RESTING, is_of_proxy};

/// Why a fetch failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) enum Failure {
    /// No connection: the name, the route, the handshake.
    Network,
    /// No answer, or no end of it, in time.
    Timeout,
    /// Asked too often: 429, or a 403 that means it.
    RateLimited,
    /// 401, 403, or a page that says so.
    Forbidden,
    /// 404, or no such file.
    NotFound,
    /// 410.
    Gone,
    /// 5xx, or an answer that is not HTTP.
    Server,
    /// Any other 4xx.
    Client,
    /// There is a body, and it is cut, too large, or no feed.
    Unreadable,
    /// The guard of addresses let nobody ask.
    Refused,
    /// The proxy that it is asked through let nobody through.
    Proxy,
    /// What was fetched could not be stored.
    Store,
    /// Anything else.
    Other,
}

impl Failure {
    const ALL: [Self; 13] = [
        Self::Network,
        Self::Timeout,
        Self::RateLimited,
        Self::Forbidden,
        Self::NotFound,
        Self::Gone,
        Self::Server,
        Self::Client,
        Self::Unreadable,
        Self::Refused,
        Self::Proxy,
        Self::Store,
        Self::Other,
    ];

    /// That of an error's code and the HTTP status of the answer, where there was one.
    pub(crate) fn of(code: &str, http_status: Option<u16>) -> Self {
        match code {
            "net.private" | "net.port" | "http.downgrade" => return Self::Refused,
            "net.dns" | "net.connect" | "net.tls" => return Self::Network,
            "http.timeout" | "http.timeout_headers" | "http.too_slow" | "command.timeout" => return Self::Timeout,
            "http.rate_exceeded" | RESTING => return Self::RateLimited,
            "http.undeclared" => return Self::Forbidden,
            "http.gone" => return Self::Gone,
            "http.truncated" | "http.too_large" | "http.ratio" | "http.encoding" | "adapter.document"
            | "adapter.items_path" | "encoding" | "command.unreadable" => return Self::Unreadable,
            "http.protocol" | "http.broken_off" | "http.headers" | "http.redirect" | "http.redirect_loop" => {
                return Self::Server;
            }
            "file.unreadable" | "file.not_regular" | "file.vanished" => return Self::NotFound,
            _ if is_of_proxy(code) => return Self::Proxy,
            _ => {}
        }
        match http_status {
            Some(429) => return Self::RateLimited,
            Some(401 | 403) => return Self::Forbidden,
            Some(404) => return Self::NotFound,
            Some(410) => return Self::Gone,
            Some(500..) => return Self::Server,
            Some(400..) => return Self::Client,
            _ => {}
        }
        match code.split('.').next().unwrap_or_default() {
            "storage" | "archive" | "import" => Self::Store,
            "feed" | "parse" | "xml" | "json" | "csv" | "lines" | "pages" => Self::Unreadable,
            _ => Self::Other,
        }
    }

    /// The word used in JSON.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Network => "network",
            Self::Timeout => "timeout",
            Self::RateLimited => "rate_limited",
            Self::Forbidden => "forbidden",
            Self::NotFound => "not_found",
            Self::Gone => "gone",
            Self::Server => "server",
            Self::Client => "client",
            Self::Unreadable => "unreadable",
            Self::Refused => "refused",
            Self::Proxy => "proxy",
            Self::Store => "store",
            Self::Other => "other",
        }
    }

    pub(super) fn named(word: &str) -> Self {
        // A newer program may know kinds that this one does not.
        Self::ALL.into_iter().find(|failure| failure.as_str() == word).unwrap_or(Self::Other)
    }

    /// What it is, as the end of a sentence.
    pub(crate) const fn words(self) -> &'static str {
        match self {
            Self::Network => "no connection",
            Self::Timeout => "no answer in time",
            Self::RateLimited => "asked too often",
            Self::Forbidden => "it refuses us",
            Self::NotFound => "nothing is there",
            Self::Gone => "it says that it is gone",
            Self::Server => "the server is at fault",
            Self::Client => "the server refuses the request",
            Self::Unreadable => "what came is no feed that can be read",
            Self::Refused => "the address may not be asked",
            Self::Proxy => "its proxy is at fault, and its server was not asked",
            Self::Store => "the store could not take it",
            Self::Other => "it could not be fetched",
        }
    }
}

impl Came {
    /// What came of a fetch that ended with an error: one that was not sent because the host rests is no failure.
    pub(crate) fn of_error(code: &str, http_status: Option<u16>) -> Self {
        if code == RESTING { Self::GivenUp } else { Self::Failed(Failure::of(code, http_status)) }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_failure_follows_from_the_code_and_the_status() {
        for (code, status, failure) in [
            ("net.dns", None, Failure::Network),
            ("net.tls", None, Failure::Network),
            ("net.private", None, Failure::Refused),
            ("proxy.connect", None, Failure::Proxy),
            ("proxy.auth", Some(407), Failure::Proxy),
            ("http.timeout", Some(200), Failure::Timeout),
            ("http.rate_exceeded", Some(403), Failure::RateLimited),
            ("http.undeclared", Some(403), Failure::Forbidden),
            ("http.gone", Some(410), Failure::Gone),
            ("http.truncated", Some(200), Failure::Unreadable),
            ("http.status", Some(429), Failure::RateLimited),
            ("http.status", Some(401), Failure::Forbidden),
            ("http.status", Some(403), Failure::Forbidden),
            ("http.status", Some(404), Failure::NotFound),
            ("http.status", Some(418), Failure::Client),
            ("http.status", Some(503), Failure::Server),
            ("http.status", Some(304), Failure::Other),
            ("http.redirect_loop", None, Failure::Server),
            ("file.unreadable", None, Failure::NotFound),
            ("feed.not_a_feed", Some(200), Failure::Unreadable),
            ("xml.depth", Some(200), Failure::Unreadable),
            ("parse.timeout", Some(200), Failure::Unreadable),
            ("storage.full", Some(200), Failure::Store),
            ("adapter.secret", None, Failure::Other),
            ("", None, Failure::Other),
        ] {
            assert_eq!(Failure::of(code, status), failure, "{code} {status:?}");
        }
        assert_eq!(Came::of_error("http.resting", None), Came::GivenUp);
        assert_eq!(Came::of_error("http.status", Some(404)), Came::Failed(Failure::NotFound));
    }

    #[test]
    fn every_kind_reads_back_and_one_of_a_newer_program_is_some_failure() {
        for failure in Failure::ALL {
            assert_eq!(Failure::named(failure.as_str()), failure);
        }
        assert_eq!(Failure::named("eclipse"), Failure::Other);
    }
}
