//! [`Manner`]: how one feed's server is asked, with its secrets, for one fetch; and [`Transport`], what of it clients differ
//! in.

use std::path::PathBuf;

use reqwest::RequestBuilder;
use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use url::{Origin, Url};

use super::Between;
use crate::adapters::Secrets;
use crate::{Address, OpError};

/// How one feed's server is asked.
#[derive(Default)]
pub(crate) struct Manner {
    /// The feed's origin: nothing of what follows is for another, and none of it for this one once a redirect led away.
    pub(crate) home: Option<Origin>,
    pub(crate) headers: HeaderMap,
    /// Name and password.
    pub(crate) basic: Option<(String, String)>,
    /// Whose certificates are taken there.
    pub(crate) trust: Trust,
    /// What requests call themselves, wherever they go; `None` for what all feeds' do.
    pub(crate) user_agent: Option<HeaderValue>,
    /// The proxy that all requests go through, by its URL.
    pub(crate) proxy: Option<String>,
    pub(crate) http: Http,
    pub(crate) secrets: Secrets,
}

/// Whose certificates are taken.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) enum Trust {
    /// Those of public authorities, and of this machine's.
    #[default]
    Public,
    /// Those of the authorities in a file as well, in PEM.
    Authorities(PathBuf),
    /// Anybody's: the operator said so.
    Anybody,
}

/// Which versions of HTTP are spoken.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub(crate) enum Http {
    /// 2 where the server has it.
    #[default]
    Any,
    /// 1.1 alone.
    One,
}

/// What clients differ in.
#[derive(Debug, Clone, PartialEq, Eq, Hash, Default)]
pub(crate) struct Transport {
    pub(crate) trust: Trust,
    pub(crate) http: Http,
    pub(crate) proxy: Option<String>,
}

/// Where a request goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Place {
    /// The origin that the first one went to.
    Own,
    /// Another one, or back from there.
    Elsewhere,
}

impl Manner {
    /// Whether a feed's own origin is asked, which its secrets are for.
    fn is_home(&self, url: &Url, place: Place) -> bool {
        place == Place::Own && self.home.as_ref() == Some(&url.origin())
    }

    /// Gives a request what belongs to it.
    pub(super) fn complete(&self, asked: RequestBuilder, url: &Url, place: Place) -> RequestBuilder {
        let mut asked = asked;
        if let Some(agent) = &self.user_agent {
            asked = asked.header(header::USER_AGENT, agent);
        }
        if !self.is_home(url, place) {
            return asked;
        }
        if let Some((name, password)) = &self.basic {
            asked = asked.basic_auth(name, Some(password));
        }
        asked.headers(self.headers.clone())
    }

    /// What a client has to be like that sends a request there.
    pub(super) fn transport(&self, url: &Url, place: Place) -> Transport {
        let trust = if self.is_home(url, place) { self.trust.clone() } else { Trust::default() };
        Transport { trust, http: self.http, proxy: self.proxy.clone() }
    }

    /// Whether something is said that is for the feed's own origin alone, and is not for that server.
    pub(super) fn withholds(&self, url: &Url, place: Place) -> bool {
        let has_own = !self.headers.is_empty() || self.basic.is_some() || self.trust != Trust::Public;
        has_own && !self.is_home(url, place)
    }

    /// Adds a header for the feed's own origin.
    ///
    /// # Errors
    /// `Usage`: no header can hold it.
    pub(crate) fn add_header(&mut self, name: HeaderName, text: &str) -> Result<(), OpError> {
        let mut value = header_value(&name, text)?;
        value.set_sensitive(true);
        self.headers.append(name, value);
        Ok(())
    }

    /// That of a feed at that address of which nothing is said.
    pub(crate) fn at(address: &Address) -> Self {
        let home = match address {
            Address::Http(url) => Some(url.origin()),
            Address::File(_) | Address::Command(_) | Address::Push(_) => None,
        };
        Self { home, ..Self::default() }
    }

    /// What stands between its requests and whom they ask.
    pub(crate) fn between(&self) -> Between {
        if self.proxy.is_some() { Between::Proxy } else { Between::Nothing }
    }

    /// A warning where anybody may answer in the server's name.
    pub(crate) fn warning(&self) -> Option<String> {
        (self.trust == Trust::Anybody)
            .then(|| "tls.insecure: nobody checks who answers: tls=insecure is said of this feed".to_owned())
    }
}

/// The value of a header.
///
/// # Errors
/// `Usage`: no header can hold it.
pub(crate) fn header_value(name: &HeaderName, text: &str) -> Result<HeaderValue, OpError> {
    HeaderValue::from_str(text).map_err(|_| {
        OpError::usage("feed.requests", format!("the value of the header {name} cannot be sent"))
            .with_hint("nobody was asked; what its secret holds may be no line of text")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_for_the_feeds_own_origin_goes_nowhere_else_and_not_back_there() {
        let address: Address = "https://a.example/feed".parse().unwrap();
        let mut manner = Manner { trust: Trust::Anybody, http: Http::One, ..Manner::at(&address) };
        manner.add_header(header::COOKIE, "a=b").unwrap();
        manner.user_agent = Some(HeaderValue::from_static("mine"));
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = reqwest::Client::builder().tls_certs_only([]).build().unwrap();
        for (url, place, own) in [
            ("https://a.example/other", Place::Own, true),
            ("https://a.example/feed", Place::Elsewhere, false),
            ("http://a.example/feed", Place::Own, false),
            ("https://a.example:8443/feed", Place::Own, false),
            ("https://b.example/feed", Place::Own, false),
        ] {
            let url = Url::parse(url).unwrap();
            let sent = manner.complete(client.get(url.clone()), &url, place).build().unwrap();
            assert_eq!(sent.headers().contains_key(header::COOKIE), own, "{url} {place:?}");
            assert_eq!(sent.headers()[header::USER_AGENT], "mine");
            let transport = manner.transport(&url, place);
            assert_eq!((transport.trust == Trust::Anybody, transport.http), (own, Http::One), "{url} {place:?}");
        }
    }
}
