//! One conditional request, with its redirects: each hop is judged, waits for its turn and is bounded.

use std::time::Duration;

use reqwest::header::{self, HeaderMap, HeaderName, HeaderValue};
use reqwest::{Response, StatusCode};
use tokio::time::{Instant, timeout};
use url::Url;

use super::decode::Coding;
use super::manner::Place;
use super::pace::Pace;
use super::proxy::is_of_proxy;
use super::{
    Between, FetchFailure, Fetched, Fetcher, Manner, Received, Request, Route, Trace, Validators, bytes, classify,
    proxy, retry_after,
};
use crate::{Limits, OpError};

/// A host was asked too often and says so on the page that it gives instead.
pub(crate) const RATE_EXCEEDED: &str = "http.rate_exceeded";
/// A server broke off a request of HTTP/2 (RFC 9113 sections 5.4, 6.8).
pub(super) const BROKEN_OFF: &str = "http.broken_off";
/// How often a server may do so, one time after the other, until it is asked in HTTP/1.1.
const TRIES_OF_VERSION_2: usize = 3;
/// What is asked for first; anything is taken, for many servers call feeds something else.
const ACCEPT: &str = "application/atom+xml, application/rss+xml, application/feed+json, application/rdf+xml, \
                      application/xml;q=0.9, text/xml;q=0.9, application/json;q=0.8, */*;q=0.1";
/// The longest validator that is kept, in bytes.
const LONGEST_VALIDATOR: usize = 1_024;
/// The most that an answer's header may hold, in bytes.
pub(super) const LARGEST_HEADER: u32 = 64 * 1024;
/// A host asked to be left alone: nobody was asked.
pub(crate) const RESTING: &str = "http.resting";
/// Another process may ask the host now.
pub(crate) const LEASE_LOST: &str = "lease.lost";
/// The most of a page that is looked at which says why nothing is given, in bytes.
const LARGEST_REFUSAL: u64 = 256 * 1024;
/// How long the SEC shuts out who asked too often; each request within that time makes it longer.
pub(crate) const SHUT_OUT: Duration = Duration::from_mins(10);
/// The longest address that a redirect may name, in bytes.
const LONGEST_LOCATION: usize = 8 * 1024;

enum Hop {
    Redirect(Url, Route),
    Done(Fetched),
}

impl Fetcher {
    pub(super) async fn fetch_http(&self, first: Url, request: Request<'_>) -> Result<Fetched, FetchFailure> {
        let (home, asked_for) = (first.origin(), first.to_string());
        let (mut url, mut route, mut place) = (first, Route::Direct, Place::Own);
        let mut spent = Duration::ZERO;
        for _ in 0..=self.limits.redirects {
            let reach = self.guard.check_url(request.reach, request.manner.between(), &url);
            let reach = reach.map_err(|refusal| classify::refused(&url, &refusal))?;
            if url.origin() != home {
                place = Place::Elsewhere;
            }
            let hop = Request { reach, headers: request.headers.filter(|_| place == Place::Own), ..request };
            let answer = self.answer(&url, hop, place, &mut spent).await;
            match answer.map_err(|failure| elsewhere(failure, request.manner, &url, place))? {
                Hop::Redirect(next, by) => (url, route) = (next, route.then(by)),
                Hop::Done(fetched) => {
                    self.gate.answered(url.host_str().unwrap_or_default(), &asked_for);
                    return Ok(Fetched { route, ..fetched });
                }
            }
        }
        let message = format!("more than {} redirects, the last to {url}", self.limits.redirects);
        Err(OpError::failed("http.redirect_loop", message).with_hint("check the address with a browser").into())
    }

    /// One hop; a server that breaks off every request in HTTP/2 is asked in 1.1, now and from then on.
    async fn answer(
        &self,
        url: &Url,
        request: Request<'_>,
        place: Place,
        spent: &mut Duration,
    ) -> Result<Hop, FetchFailure> {
        for _ in 0..TRIES_OF_VERSION_2 {
            match self.in_turn(url, request, place, spent).await {
                Err(failure) if failure.error.code() == BROKEN_OFF => {}
                answer => return answer,
            }
        }
        self.speak_version_1(url);
        self.in_turn(url, request, place, spent).await
    }

    /// One hop in its turn, under its lease, and within the time that is left.
    async fn in_turn(
        &self,
        url: &Url,
        request: Request<'_>,
        place: Place,
        spent: &mut Duration,
    ) -> Result<Hop, FetchFailure> {
        let host = url.host_str().unwrap_or_default();
        let turn = self.gate.turn(host).await.map_err(|resting| {
            let message = format!("{host} asked to be left alone for another {:?}", whole(resting.remaining));
            OpError::failed(RESTING, message).with_hint("collect again later")
        })?;
        if let Some(trace) = request.trace {
            if trace.is_over() {
                return Err(lease_lost(host));
            }
            trace.asks(host, self.clock.now());
        }
        let started = Instant::now();
        let hop = timeout(self.limits.total.saturating_sub(*spent), self.hop(url, request, place));
        let hop = tokio::select! {
            biased;
            hop = hop => hop,
            () = lapse(request.trace) => return Err(lease_lost(host)),
        };
        drop(turn);
        *spent += started.elapsed();
        let hop = hop.map_err(|_| self.too_slow(url))?;
        if let (Err(failure), Some(trace)) = (&hop, request.trace)
            && is_of_proxy(failure.error.code())
        {
            trace.withdraw();
        }
        hop
    }

    async fn hop(&self, url: &Url, request: Request<'_>, place: Place) -> Result<Hop, FetchFailure> {
        let validators = request.validators.filter(|validators| validators.url == url.as_str());
        let client = self.client(request.reach, self.spoken(url, request.manner.transport(url, place))).await?;
        let asked = client.get(url.clone()).header(header::ACCEPT, ACCEPT);
        let mut asked = request.manner.complete(asked, url, place);
        if let Some(headers) = request.headers {
            asked = asked.headers(headers.clone());
        }
        asked = asked.header(header::ACCEPT_ENCODING, Coding::ACCEPTED);
        if let Some(etag) = validators.and_then(|validators| validators.etag.as_deref()) {
            asked = asked.header(header::IF_NONE_MATCH, etag);
        }
        if let Some(since) = validators.and_then(|validators| validators.last_modified.as_deref()) {
            asked = asked.header(header::IF_MODIFIED_SINCE, since);
        }
        let patience = self.limits.connect + self.limits.header;
        let through = request.manner.proxy.as_deref();
        let response = timeout(patience, self.send(url, asked, through)).await.map_err(|_| {
            let message = format!("{url} sent no whole header within {patience:?}");
            OpError::failed("http.timeout_headers", message).with_hint("collect again later")
        })?;
        let response = response?;
        if let Some(trace) = request.trace {
            trace.answered(response.status().as_u16(), response.headers());
        }
        // Behind a proxy nobody sees who answers: it is trusted with that.
        if let Some(peer) = response.remote_addr().filter(|_| request.manner.between() == Between::Nothing) {
            let host = url.host_str().unwrap_or_default();
            let judged = self.guard.check_address(request.reach, host, peer.ip());
            judged.map_err(|refusal| classify::refused(url, &refusal))?;
        }
        check_header(url, response.headers())?;
        self.judge_answer(url, response, request).await
    }

    pub(super) async fn send(
        &self,
        url: &Url,
        asked: reqwest::RequestBuilder,
        through: Option<&str>,
    ) -> Result<Response, FetchFailure> {
        #[cfg(test)]
        if let Some(wire) = self.wire.get() {
            let answer = wire.send(asked.build().expect("a request of ours is one")).await;
            return answer.ok_or_else(|| OpError::failed("net.connect", format!("{url} is not reached")).into());
        }
        asked.send().await.map_err(|error| classify::no_answer(url, error, &self.limits, through).into())
    }

    async fn judge_answer(&self, url: &Url, response: Response, request: Request<'_>) -> Result<Hop, FetchFailure> {
        let validators = request.validators.filter(|validators| validators.url == url.as_str());
        let (status, through) = (response.status(), request.manner.proxy.as_deref());
        match status {
            StatusCode::OK | StatusCode::NON_AUTHORITATIVE_INFORMATION => {
                let told = told_validators(url, response.headers());
                let content_type = text(response.headers(), &header::CONTENT_TYPE).map(str::to_owned);
                let (link, headers) = (link(response.headers()), super::headers::kept(response.headers()));
                let most_bytes = request.most_bytes.unwrap_or(self.limits.wire_bytes);
                let body = Some(self.receive(url, response, most_bytes).await?);
                let (http_status, url) = (Some(status.as_u16()), Some(url.to_string()));
                let route = Route::Direct;
                let validators = told;
                Ok(Hop::Done(Fetched { http_status, url, route, validators, content_type, link, headers, body }))
            }
            StatusCode::NOT_MODIFIED if validators.is_some() => {
                let told = told_validators(url, response.headers());
                let kept = validators.map(|held| refreshed(held, told));
                Ok(Hop::Done(Fetched {
                    http_status: Some(status.as_u16()),
                    url: Some(url.to_string()),
                    route: Route::Direct,
                    validators: kept,
                    content_type: None,
                    link: None,
                    headers: Vec::new(),
                    body: None,
                }))
            }
            StatusCode::MOVED_PERMANENTLY
            | StatusCode::FOUND
            | StatusCode::SEE_OTHER
            | StatusCode::TEMPORARY_REDIRECT
            | StatusCode::PERMANENT_REDIRECT => {
                let by = match status {
                    StatusCode::MOVED_PERMANENTLY | StatusCode::PERMANENT_REDIRECT => Route::Permanent,
                    _ => Route::Temporary,
                };
                Ok(Hop::Redirect(redirect_target(url, response.headers())?, by))
            }
            StatusCode::PROXY_AUTHENTICATION_REQUIRED if through.is_some() => {
                let error = proxy::wants_login(through.unwrap_or_default());
                Err(FetchFailure { error, http_status: Some(status.as_u16()), wire_bytes: 0 })
            }
            StatusCode::FORBIDDEN => Err(proxy::may_have_answered(self.refused(url, response).await, url, through)),
            _ => {
                self.rest_if_asked(url, &response);
                Err(proxy::may_have_answered(classify::status(url, status), url, through))
            }
        }
    }

    /// The whole body as it was sent, never more than is allowed.
    async fn receive(&self, url: &Url, mut response: Response, limit: u64) -> Result<Received, FetchFailure> {
        let status = Some(response.status().as_u16());
        let failed =
            |error: OpError, received: usize| FetchFailure { error, http_status: status, wire_bytes: received as u64 };
        let named: Vec<&str> = response
            .headers()
            .get_all(header::CONTENT_ENCODING)
            .iter()
            .map(|value| value.to_str().unwrap_or("?"))
            .collect();
        let coding = Coding::read(&named.join(",")).map_err(|coding| {
            let message = format!("the body of {url} is in the coding {coding:?}, which was not asked for");
            failed(OpError::failed("http.encoding", message).with_hint("the server is at fault"), 0)
        })?;
        let too_large = |received| failed(classify::too_large(url.as_str(), limit, "sent"), received);
        let announced = response.content_length();
        if announced.is_some_and(|length| length > limit) {
            return Err(too_large(0));
        }
        // What was announced is only a hint: it may be a lie.
        let room = announced.map_or(0, |length| usize::try_from(length.min(1024 * 1024)).unwrap_or(0));
        let mut wire = Vec::with_capacity(room);
        let mut pace = Pace::begin(Instant::now());
        loop {
            let piece = timeout(self.limits.idle, response.chunk()).await.map_err(|_| {
                let message = format!("{url} sent nothing for {:?} in the middle of its body", self.limits.idle);
                failed(OpError::failed("http.timeout", message).with_hint("collect again later"), wire.len())
            })?;
            let piece = piece.map_err(|error| {
                failed(classify::truncated(url.as_str(), &classify::root_cause(&error)), wire.len())
            })?;
            let Some(piece) = piece else { return Ok(Received { wire, coding }) };
            if (wire.len() + piece.len()) as u64 > limit {
                return Err(too_large(wire.len()));
            }
            if !pace.keeps_up(Instant::now(), piece.len(), &self.limits) {
                let Limits { pace_bytes, pace_over, .. } = self.limits;
                let message = format!("{url} sent less than {} of its body in {pace_over:?}", bytes(pace_bytes));
                let error = OpError::failed("http.too_slow", message).with_hint("collect again later");
                return Err(failed(error, wire.len() + piece.len()));
            }
            wire.extend_from_slice(&piece);
        }
    }

    /// A server that is overloaded may say for how long; one that says "too many requests" need not.
    pub(super) fn rest_if_asked(&self, url: &Url, response: &Response) {
        let status = response.status();
        let overloaded = status == StatusCode::TOO_MANY_REQUESTS;
        if !overloaded && !status.is_server_error() {
            return;
        }
        let date = text(response.headers(), &header::DATE).and_then(retry_after::imf_fixdate);
        let asked = text(response.headers(), &header::RETRY_AFTER)
            .and_then(|header| retry_after::read(header, date.unwrap_or_else(|| self.clock.now())));
        if let Some(asked) = asked.or(overloaded.then_some(Duration::ZERO)) {
            let host = url.host_str().unwrap_or_default();
            let granted = self.gate.rest(host, asked, status.as_u16());
            tracing::info!(host, rest_s = granted.as_secs(), "the host asked to be left alone");
            if overloaded || status == StatusCode::SERVICE_UNAVAILABLE {
                self.slow_down(host);
            }
        }
    }

    /// A server that gives nothing may say on its page that it was asked too often: that is no word on the address.
    async fn refused(&self, url: &Url, response: Response) -> FetchFailure {
        let status = response.status();
        let page = self.receive(url, response, LARGEST_REFUSAL).await;
        let limits = Limits { body_bytes: 4 * LARGEST_REFUSAL, ..self.limits };
        let page = page.ok().and_then(|page| page.decoded(url.as_str(), &limits).ok());
        let said = page.map(|page| String::from_utf8_lossy(&page.bytes).to_lowercase()).unwrap_or_default();
        let host = url.host_str().unwrap_or_default();
        let failure = classify::refusal(url, status, &said);
        if failure.error.code() == RATE_EXCEEDED {
            let granted = self.gate.rest(host, SHUT_OUT, status.as_u16());
            tracing::info!(host, rest_s = granted.as_secs(), "the host was asked too often");
            self.slow_down(host);
        }
        failure
    }

    fn slow_down(&self, host: &str) {
        let interval_ms = crate::collect::millis(self.gate.slow_down(host));
        tracing::info!(host, interval_ms, "the host is asked more rarely");
    }

    fn too_slow(&self, url: &Url) -> FetchFailure {
        let message = format!("{url} was not read within {:?}", self.limits.total);
        OpError::failed("http.timeout", message).with_hint("collect again later").into()
    }
}

/// A server that wants what is not for it says so to no purpose: the next step is another.
fn elsewhere(failure: FetchFailure, manner: &Manner, url: &Url, place: Place) -> FetchFailure {
    let wants = failure.error.code() == "net.tls" || matches!(failure.http_status, Some(401 | 403));
    let Some(home) = manner.home.as_ref().filter(|_| wants && manner.withholds(url, place)) else { return failure };
    let hint = format!(
        "what is said of its own server (basic, bearer, cookie, headers, ca, tls) is for {} alone, and a redirect led \
         away: if that is where the feed is, `feedspine feed set NAME --url {url}` takes it there with all that is said",
        home.ascii_serialization()
    );
    FetchFailure { error: failure.error.with_hint(hint), ..failure }
}

async fn lapse(trace: Option<&Trace>) {
    match trace {
        Some(trace) => trace.lapse().await,
        None => std::future::pending().await,
    }
}

fn lease_lost(host: &str) -> FetchFailure {
    let message = format!("the lease of {host} ran out: another process may ask it now");
    OpError::failed(LEASE_LOST, message).with_hint("whoever holds it fetches the feed").into()
}

fn whole(duration: Duration) -> Duration {
    Duration::from_secs(duration.as_secs().max(1))
}

fn text<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a str> {
    headers.get(name).and_then(|value| value.to_str().ok())
}

fn link(headers: &HeaderMap) -> Option<String> {
    let lines: Vec<&str> = headers.get_all(header::LINK).iter().filter_map(|value| value.to_str().ok()).collect();
    (!lines.is_empty()).then(|| lines.join(", "))
}

pub(super) fn check_header(url: &Url, headers: &HeaderMap) -> Result<(), OpError> {
    let size: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    if size > LARGEST_HEADER as usize {
        let message = format!("the header that {url} answered is larger than {}", bytes(LARGEST_HEADER.into()));
        return Err(OpError::failed("http.headers", message).with_hint("is it the address of a feed?"));
    }
    // Two answers to where the body ends: whoever sent them may hide a second answer in the first (RFC 9112, 6.3).
    if headers.contains_key(header::CONTENT_LENGTH) && headers.contains_key(header::TRANSFER_ENCODING) {
        let message = format!("{url} answered with both Content-Length and Transfer-Encoding");
        return Err(OpError::failed("http.protocol", message).with_hint("the server is at fault"));
    }
    Ok(())
}

/// `ETag` and `Last-Modified`, where they are visible ASCII and short enough to be sent back.
fn told_validators(url: &Url, headers: &HeaderMap) -> Option<Validators> {
    let visible = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        let fits = !bytes.is_empty() && bytes.len() <= LONGEST_VALIDATOR;
        let visible = bytes.iter().all(|byte| (b' '..=b'~').contains(byte));
        (fits && visible).then(|| String::from_utf8_lossy(bytes).into_owned())
    };
    let etag = headers.get(header::ETAG).and_then(visible);
    let last_modified = headers.get(header::LAST_MODIFIED).and_then(visible);
    let told = etag.is_some() || last_modified.is_some();
    told.then(|| Validators { url: url.as_str().to_owned(), etag, last_modified })
}

/// What a 304 tells replaces what was held; what it leaves out stays (RFC 9110 section 15.4.5).
fn refreshed(held: &Validators, told: Option<Validators>) -> Validators {
    let told = told.unwrap_or_else(|| held.clone());
    Validators {
        url: held.url.clone(),
        etag: told.etag.or_else(|| held.etag.clone()),
        last_modified: told.last_modified.or_else(|| held.last_modified.clone()),
    }
}

pub(super) fn redirect_target(from: &Url, headers: &HeaderMap) -> Result<Url, FetchFailure> {
    let refuse = |code, why: &str| {
        FetchFailure::from(OpError::failed(code, format!("{from} redirects {why}")).with_hint("check the address"))
    };
    let location = headers.get(header::LOCATION).and_then(|value| std::str::from_utf8(value.as_bytes()).ok());
    let location = location.ok_or_else(|| refuse("http.redirect", "to nowhere"))?;
    if location.len() > LONGEST_LOCATION {
        return Err(refuse("http.redirect", &format!("to an address of {} bytes", location.len())));
    }
    let mut to = from.join(location).map_err(|error| refuse("http.redirect", &format!("to no URL: {error}")))?;
    if !matches!(to.scheme(), "http" | "https") {
        return Err(refuse("http.redirect", &format!("to the scheme {:?}, which is not followed", to.scheme())));
    }
    if !to.username().is_empty() || to.password().is_some() {
        return Err(refuse("http.redirect", "to an address with a user name or a password"));
    }
    if from.scheme() == "https" && to.scheme() == "http" {
        return Err(refuse("http.downgrade", &format!("from https to {to}")));
    }
    to.set_fragment(None);
    Ok(to)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn target(from: &str, location: &str) -> Result<String, &'static str> {
        let headers = HeaderMap::from_iter([(header::LOCATION, HeaderValue::from_bytes(location.as_bytes()).unwrap())]);
        let target = redirect_target(&Url::parse(from).unwrap(), &headers);
        target.map(|url| url.to_string()).map_err(|failure| failure.error.code())
    }

    #[test]
    fn a_redirect_leads_where_a_browser_would_go_and_never_to_less_security() {
        for (from, location, expected) in [
            ("http://a.example/x/y", "z?q#f", Ok("http://a.example/x/z?q")),
            ("http://a.example/x", "//b.example/", Ok("http://b.example/")),
            ("http://a.example/x", "/\\b.example/", Ok("http://b.example/")),
            ("http://a.example/x", "\t//b.example/", Ok("http://b.example/")),
            ("http://a.example/x", "https:/b", Ok("https://b/")),
            ("http://a.example/x", "https://a.example/", Ok("https://a.example/")),
            ("https://a.example/x", "http://a.example/", Err("http.downgrade")),
            ("https://a.example/x", "ftp://a.example/", Err("http.redirect")),
            ("https://a.example/x", "data:text/plain,x", Err("http.redirect")),
            ("https://a.example/x", "https://me@a.example/", Err("http.redirect")),
            ("https://a.example/x", "http://me:secret@a.example/", Err("http.redirect")),
            ("https://a.example/x", "https://exa mple/", Err("http.redirect")),
        ] {
            assert_eq!(target(from, location), expected.map(str::to_owned), "{from} {location:?}");
        }
    }

    #[test]
    fn a_304_replaces_the_validators_that_it_names() {
        let validators = |etag: Option<&str>, date: Option<&str>| Validators {
            url: "http://a.example/".into(),
            etag: etag.map(str::to_owned),
            last_modified: date.map(str::to_owned),
        };
        let held = validators(Some("a"), Some("then"));
        assert_eq!(refreshed(&held, None), held);
        let told = Validators { url: "http://b.example/".into(), ..validators(Some("b"), None) };
        assert_eq!(refreshed(&held, Some(told)), validators(Some("b"), Some("then")));
    }
}
