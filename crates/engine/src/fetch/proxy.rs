//! What goes wrong at a proxy: told as its fault, for the feed's own server was not asked.

use std::error::Error;

use url::Url;

use super::FetchFailure;
use super::classify::{find, root_cause};
use super::resolve::LookupFailed;
use crate::{Limits, OpError};

/// How hyper-util's errors begin of what came of asking a proxy for a way to a server.
const TUNNEL: &str = "tunnel error: ";

/// How they go on where the proxy was not reached.
const UNREACHED: &str = "failed to create underlying connection";

/// Whether an error is a proxy's, and not that of the server behind it.
pub(crate) fn is_of_proxy(code: &str) -> bool {
    code.starts_with("proxy.")
}

/// What became of a request that got no answer through a proxy; `None` where it may be the server's fault.
pub(super) fn no_answer(url: &Url, error: &reqwest::Error, limits: &Limits, proxy: &str) -> Option<OpError> {
    let host = url.host_str().unwrap_or_default();
    let down = "the proxy or the network may be down; `feedspine feed set NAME proxy=URL` says another one";
    if let Some(lookup) = find::<LookupFailed>(error) {
        let message = format!("cannot ask the proxy {proxy} for {host}: {lookup}");
        return Some(OpError::failed("proxy.dns", message).with_hint("check the proxy's name and your network"));
    }
    // It was reached, and gave a way to whoever shows that certificate.
    if find::<rustls::Error>(error).is_some() {
        return None;
    }
    let (code, message, hint) = match tunnel(error).filter(|told| told != UNREACHED).as_deref() {
        Some("proxy authorization required") => return Some(wants_login(proxy)),
        Some("unsuccessful") => (
            "proxy.refused",
            format!("the proxy {proxy} gives no way to {host}"),
            "it may refuse the address, or not reach it: ask whoever runs it",
        ),
        None if error.is_connect() && error.is_timeout() => (
            "proxy.connect",
            format!("no connection to {host} through the proxy {proxy} within {:?}", limits.connect),
            down,
        ),
        None if error.is_connect() => {
            ("proxy.connect", format!("cannot connect to the proxy {proxy} for {host}: {}", root_cause(error)), down)
        }
        Some(_) => (
            "proxy.protocol",
            format!("the proxy {proxy} answered no HTTP: {}", root_cause(error)),
            "is it the address of an HTTP proxy?",
        ),
        None => return None,
    };
    Some(OpError::failed(code, message).with_hint(hint))
}

/// A proxy lets nobody through who does not say who asks (RFC 9110 section 15.5.8). The hint shows no whole URL: of one that
/// has a login nobody is shown that.
pub(super) fn wants_login(proxy: &str) -> OpError {
    OpError::failed("proxy.auth", format!("the proxy {proxy} wants to know who asks"))
        .with_hint("its URL says it, with NAME:{env:PASSWORD}@ before the host: `feedspine feed set FEED proxy=URL`")
}

/// A failure by an answer that may be the proxy's own: of plain http it reads what is asked, and nobody can tell who answered.
/// It says 403 to what it refuses, and 502 to 504 of servers that it does not reach (RFC 9110 sections 15.5.4, 15.6.3 to 15.6.5).
pub(super) fn may_have_answered(failure: FetchFailure, url: &Url, through: Option<&str>) -> FetchFailure {
    let says_so = matches!(failure.http_status, Some(403 | 502..=504)) && failure.error.code() == "http.status";
    let Some(proxy) = through.filter(|_| says_so && url.scheme() == "http") else { return failure };
    let error = &failure.error;
    let hint = error.hint().unwrap_or_default();
    let told = OpError::failed("http.status", format!("{error}, or the proxy {proxy} did, which it is asked through"));
    let error = told.with_hint(format!("where it is the proxy's answer, ask whoever runs that; else {hint}"));
    FetchFailure { error, ..failure }
}

/// What came of asking a proxy for a way to a server, in hyper-util's words; its type is not to be had.
fn tunnel(error: &(dyn Error + 'static)) -> Option<String> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(told) = error.to_string().strip_prefix(TUNNEL) {
            return Some(told.to_owned());
        }
        next = error.source();
    }
    None
}

#[cfg(test)]
mod tests {
    use reqwest::StatusCode;

    use super::super::classify;
    use super::*;

    #[test]
    fn an_answer_that_may_be_the_proxys_is_told_so() {
        let proxy = Some("http://proxy.lan:3128");
        for (url, status, through, is_told) in [
            ("http://a.example/", StatusCode::FORBIDDEN, proxy, true),
            ("http://a.example/", StatusCode::BAD_GATEWAY, proxy, true),
            ("http://a.example/", StatusCode::GATEWAY_TIMEOUT, proxy, true),
            ("http://a.example/", StatusCode::NOT_FOUND, proxy, false),
            ("http://a.example/", StatusCode::FORBIDDEN, None, false),
            // It passes on what it cannot read.
            ("https://a.example/", StatusCode::FORBIDDEN, proxy, false),
        ] {
            let url = Url::parse(url).unwrap();
            let plain = classify::status(&url, status);
            let (message, hint) = (plain.error.to_string(), plain.error.hint().unwrap().to_owned());
            let told = may_have_answered(plain, &url, through);
            assert_eq!((told.error.code(), told.http_status), ("http.status", Some(status.as_u16())));
            if is_told {
                let words = format!("{message}, or the proxy http://proxy.lan:3128 did, which it is asked through");
                assert_eq!(told.error.message(), words);
                let next = format!("where it is the proxy's answer, ask whoever runs that; else {hint}");
                assert_eq!(told.error.hint(), Some(next.as_str()));
            } else {
                assert_eq!((told.error.message(), told.error.hint()), (message.as_str(), Some(hint.as_str())));
            }
        }
    }
}
