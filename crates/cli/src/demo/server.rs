//! A real HTTP server on loopback that answers by round, and as servers should: 304 to those who have the document.

use std::convert::Infallible;
use std::io;
use std::net::{Ipv4Addr, SocketAddr};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use feedspine::core::ContentHash;
use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, ETAG, HeaderName, IF_MODIFIED_SINCE, IF_NONE_MATCH, LAST_MODIFIED};
use hyper::service::service_fn;
use hyper::{Method, Request, Response, StatusCode, http};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::samples::{Answer, ROUNDS, SAMPLES, Sample, Validator};

/// When the document of each round was last modified, for those servers that tell it (RFC 9110 section 5.6.7).
const MODIFIED: [&str; ROUNDS] = [
    "Mon, 02 Mar 2026 05:00:00 GMT",
    "Tue, 03 Mar 2026 05:00:00 GMT",
    "Wed, 04 Mar 2026 05:00:00 GMT",
    "Thu, 05 Mar 2026 05:00:00 GMT",
];

/// The server; it ends when this is dropped.
#[derive(Debug)]
pub(super) struct Server {
    address: SocketAddr,
    round: Arc<AtomicUsize>,
    accepting: JoinHandle<()>,
}

impl Drop for Server {
    fn drop(&mut self) {
        self.accepting.abort();
    }
}

impl Server {
    /// Listens on a free port of loopback and answers by the first round.
    pub(super) async fn start() -> io::Result<Self> {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await?;
        let address = listener.local_addr()?;
        let round = Arc::new(AtomicUsize::new(0));
        let accepting = tokio::spawn(accept(listener, Arc::clone(&round)));
        Ok(Self { address, round, accepting })
    }

    /// Answers by this round from now on, counted from 0.
    pub(super) fn turn_to(&self, round: usize) {
        self.round.store(round, Ordering::SeqCst);
    }

    /// Where a sample is served.
    pub(super) fn url(&self, sample: &Sample) -> String {
        format!("http://{}/{}", self.address, sample.name)
    }
}

async fn accept(listener: TcpListener, round: Arc<AtomicUsize>) {
    while let Ok((stream, _)) = listener.accept().await {
        let round = Arc::clone(&round);
        tokio::spawn(async move {
            let service = service_fn(move |request| {
                let response = answer(&request, round.load(Ordering::SeqCst));
                async move { Ok::<_, Infallible>(response) }
            });
            // A client that goes away is no concern of the server.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

fn answer(request: &Request<Incoming>, round: usize) -> Response<Full<Bytes>> {
    let sample = SAMPLES.iter().find(|sample| request.uri().path().strip_prefix('/') == Some(sample.name));
    let (Some(sample), true) = (sample, request.method() == Method::GET) else {
        return finished(Response::builder().status(StatusCode::NOT_FOUND), b"");
    };
    match sample.answers[round] {
        Answer::Status(status) => finished(Response::builder().status(status), b""),
        Answer::Document(bytes) => document(request, sample, round, bytes),
    }
}

fn document(request: &Request<Incoming>, sample: &Sample, round: usize, bytes: &'static [u8]) -> Response<Full<Bytes>> {
    let (response, asked) = match sample.validator {
        Validator::None => (Response::builder(), None),
        Validator::ETag => {
            let etag = format!("\"{}\"", &ContentHash::of(bytes).to_string()[..12]);
            (Response::builder().header(ETAG, &etag), asked(request, IF_NONE_MATCH, &etag))
        }
        Validator::LastModified => {
            let modified = MODIFIED[since(sample, round)];
            (Response::builder().header(LAST_MODIFIED, modified), asked(request, IF_MODIFIED_SINCE, modified))
        }
    };
    match asked {
        Some(()) => finished(response.status(StatusCode::NOT_MODIFIED), b""),
        None => finished(response.header(CONTENT_TYPE, sample.content_type), bytes),
    }
}

/// Whether the client has what this validator stands for.
fn asked(request: &Request<Incoming>, name: HeaderName, validator: &str) -> Option<()> {
    request.headers().get(name).filter(|sent| sent.as_bytes() == validator.as_bytes()).map(drop)
}

/// The round in which the document of this round was first served.
fn since(sample: &Sample, round: usize) -> usize {
    let same = |at: &usize| match (sample.answers[*at], sample.answers[round]) {
        (Answer::Document(a), Answer::Document(b)) => a == b,
        _ => false,
    };
    (0..=round).rev().take_while(same).last().unwrap_or(round)
}

fn finished(response: http::response::Builder, body: &'static [u8]) -> Response<Full<Bytes>> {
    response.body(Full::new(Bytes::from_static(body))).expect("the headers are valid")
}
