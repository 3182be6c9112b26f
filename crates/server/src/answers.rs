//! Answers: short, whole, and not to be taken for anything else.

use bytes::Bytes;
use feedspine::OpError;
use feedspine::core::Json;
use http_body_util::Full;
use hyper::header::{self, HeaderValue};
use hyper::{Response, StatusCode};

/// An answer.
pub(crate) type Answer = Response<Full<Bytes>>;

/// In how many seconds whoever was turned away is to try again.
const RETRY_AFTER: &str = "60";

/// Text as it stands.
pub(crate) fn text(status: StatusCode, body: impl Into<Bytes>) -> Answer {
    with_type(status, "text/plain; charset=utf-8", body.into())
}

/// A JSON document.
pub(crate) fn json(status: StatusCode, document: &Json) -> Answer {
    with_type(status, "application/json", format!("{}\n", document.to_canonical()).into())
}

/// What may be asked by these methods alone (RFC 9110 section 15.5.6).
pub(crate) fn not_allowed(allowed: &'static str) -> Answer {
    let mut answer = text(StatusCode::METHOD_NOT_ALLOWED, "");
    answer.headers_mut().insert(header::ALLOW, HeaderValue::from_static(allowed));
    answer
}

/// What could not be done: as far as it is the store's to do it, it is to be tried again. Nothing is told of why.
pub(crate) fn failed(error: &OpError) -> Answer {
    tracing::warn!(code = error.code(), %error, "a request was not answered");
    match error.code().split('.').next() {
        Some("storage" | "feed") => later(StatusCode::SERVICE_UNAVAILABLE),
        _ => text(StatusCode::INTERNAL_SERVER_ERROR, ""),
    }
}

/// To be tried again.
pub(crate) fn later(status: StatusCode) -> Answer {
    let mut answer = text(status, "");
    answer.headers_mut().insert(header::RETRY_AFTER, HeaderValue::from_static(RETRY_AFTER));
    answer
}

fn with_type(status: StatusCode, content_type: &'static str, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    let headers = answer.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    headers.insert(header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    answer
}
