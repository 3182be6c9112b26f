//! What went wrong on the way, told in our words: each failure names what was asked and the next step.

use std::error::Error;
use std::io;

use reqwest::StatusCode;
use url::Url;

use super::decode::DecodeError;
use super::guard::Refusal;
use super::http::{BROKEN_OFF, RATE_EXCEEDED};
use super::resolve::LookupFailed;
use super::{FetchFailure, bytes, proxy, tls};
use crate::{Limits, OpError};

pub(super) fn refused(url: &Url, refusal: &Refusal) -> OpError {
    OpError::failed(refusal.code(), format!("refused to ask {url}: {refusal}"))
        .with_hint("if you trust it, allow it with --allow-private, or its host in fetch.allow of the configuration")
}

/// A request that got no answer.
pub(super) fn no_answer(url: &Url, error: reqwest::Error, limits: &Limits, through: Option<&str>) -> OpError {
    if let Some(refusal) = find::<Refusal>(&error) {
        return refused(url, refusal);
    }
    if let Some(failed) = through.and_then(|proxy| proxy::no_answer(url, &error, limits, proxy)) {
        return failed.with_source(error.without_url());
    }
    if let Some(lookup) = find::<LookupFailed>(&error) {
        let message = format!("cannot ask {url}: {lookup}");
        return OpError::failed("net.dns", message).with_hint("check the host's name and your network");
    }
    let cause = root_cause(&error);
    let (code, message, hint) = if let Some(failed) = find::<rustls::Error>(&error) {
        let (words, hint) = tls::told(failed);
        ("net.tls", format!("no secure connection to {url}: {words}"), hint)
    } else if error.is_connect() && error.is_timeout() {
        let message = format!("no connection to {url} within {:?}", limits.connect);
        ("net.connect", message, "the server or the network may be down; collect again later")
    } else if error.is_connect() {
        let hint = "the server or the network may be down; collect again later";
        ("net.connect", format!("cannot connect to {url}: {cause}"), hint)
    } else if find::<h2::Error>(&error).is_some_and(is_broken_off) {
        let hint = "the server is at fault; collect again later";
        (BROKEN_OFF, format!("{url} breaks off requests of HTTP/2: {cause}"), hint)
    } else if cause.contains("too large") {
        let message = format!("the header that {url} answered is too large");
        ("http.headers", message, "is it the address of a feed?")
    } else {
        let message = format!("{url} gave no answer that is HTTP: {cause}");
        ("http.protocol", message, "collect again later; if it persists, the server is at fault")
    };
    // Its own text names the URL with all that is in it.
    OpError::failed(code, message).with_hint(hint).with_source(error.without_url())
}

/// Whether a server ended a request, or the connection under it, by a word of HTTP/2.
fn is_broken_off(error: &h2::Error) -> bool {
    error.is_remote() && (error.is_go_away() || error.is_reset())
}

/// A status that brings no document.
pub(super) fn status(url: &Url, status: StatusCode) -> FetchFailure {
    let hint = match status.as_u16() {
        401 => "it wants a login: `feedspine feed set NAME 'basic=USER:{env:PASSWORD}'`, bearer= or cookie= gives one",
        403 => "it may want a login (basic=, bearer=, cookie=), or refuse programs; what was captured stays",
        404 => "check the address; what was captured stays",
        410 => "it is gone for good: `feedspine feed pause` stops asking; what was captured stays",
        429 => "it asks for fewer requests: collect again later",
        500..=599 => "the server is at fault: collect again later",
        _ => "check the address",
    };
    let code = if status == StatusCode::GONE { "http.gone" } else { "http.status" };
    let error = OpError::failed(code, format!("{url} answered {status}")).with_hint(hint);
    FetchFailure { error, http_status: Some(status.as_u16()), wire_bytes: 0 }
}

/// A 403, by what its page says in small letters. Such pages are known of the SEC.
pub(super) fn refusal(url: &Url, code: StatusCode, page: &str) -> FetchFailure {
    let error = if page.contains("request rate threshold exceeded") {
        OpError::failed(RATE_EXCEEDED, format!("{url} answered {code}: it was asked too often"))
            .with_hint("it is left alone for ten minutes, since every request makes them longer; collect again later")
    } else if page.contains("undeclared automated tool") {
        let message = format!("{url} answered {code}: it wants to know who asks");
        OpError::failed("http.undeclared", message)
            .with_hint("put your name and an e-mail address into the user agent: fetch.user_agent in the configuration")
    } else {
        return status(url, code);
    };
    FetchFailure { error, http_status: Some(code.as_u16()), wire_bytes: 0 }
}

/// A body that cannot be decoded.
pub(super) fn undecodable(address: &str, error: DecodeError, limits: &Limits) -> OpError {
    match error {
        DecodeError::Corrupt => {
            OpError::failed("http.encoding", format!("the body of {address} is not in the coding it names"))
                .with_hint("the server is at fault; collect again later")
        }
        DecodeError::Truncated => truncated(address, "its coding ends too soon"),
        DecodeError::TooLarge => too_large(address, limits.body_bytes, "decoded"),
        DecodeError::Ratio => {
            let message = format!("the body of {address} grows more than {} times when decoded", limits.ratio);
            OpError::failed("http.ratio", message).with_hint("is it the address of a feed?")
        }
    }
}

/// A body that ends too soon: nothing of it is taken, and no validators.
pub(super) fn truncated(address: &str, cause: &str) -> OpError {
    OpError::failed("http.truncated", format!("the body of {address} is cut: {cause}"))
        .with_hint("nothing was stored of it; collect again")
}

pub(super) fn too_large(address: &str, limit: u64, what: &str) -> OpError {
    OpError::failed("http.too_large", format!("the body of {address} is larger than {} {what}", bytes(limit)))
        .with_hint("is it the address of a feed?")
}

/// The first error of that type in a chain. An `io::Error` hides the error that it wraps from the chain, which may be another.
pub(super) fn find<'a, E: Error + 'static>(error: &'a (dyn Error + 'static)) -> Option<&'a E> {
    let mut next = Some(error);
    while let Some(error) = next {
        if let Some(found) = error.downcast_ref::<E>() {
            return Some(found);
        }
        next = match error.downcast_ref::<io::Error>().and_then(io::Error::get_ref) {
            Some(wrapped) => Some(wrapped),
            None => error.source(),
        };
    }
    None
}

pub(super) fn root_cause(error: &(dyn Error + 'static)) -> String {
    let mut last = error;
    while let Some(source) = last.source() {
        last = source;
    }
    last.to_string()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_refusal_is_told_by_what_its_page_says() {
        let url = Url::parse("https://www.sec.gov/x").unwrap();
        for (page, code) in [
            ("<title>sec.gov | request rate threshold exceeded</title> undeclared automated tool", RATE_EXCEEDED),
            ("<h1>your request originates from an undeclared automated tool</h1>", "http.undeclared"),
            ("<h1>access denied</h1>", "http.status"),
            ("", "http.status"),
        ] {
            let failure = refusal(&url, StatusCode::FORBIDDEN, page);
            assert_eq!((failure.error.code(), failure.http_status), (code, Some(403)), "{page}");
        }
    }
}
