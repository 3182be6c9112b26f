//! The origin of the feeds: a process of its own, so that what it costs is not counted as ours, and its log is the judge of
//! how it was asked.

use std::collections::HashMap;
use std::convert::Infallible;
use std::fmt::Write as _;
use std::io::{BufRead as _, BufReader, Write as _};
use std::net::{Ipv4Addr, SocketAddr, SocketAddrV4};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, ETAG, IF_NONE_MATCH};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use tokio::net::TcpListener;

use crate::random::Random;

/// The argument by which the program becomes an origin.
pub const ARGUMENT: &str = "origin";
/// How many addresses of loopback it listens at: hosts to whoever asks.
pub const HOSTS: usize = 200;
/// How many items a document holds.
pub const ITEMS: usize = 30;

/// A running origin, from the side of whoever asks it.
#[derive(Debug)]
pub struct Origin {
    process: Child,
    port: u16,
}

/// What it saw of requests since its last turn.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Log {
    /// How many there were.
    pub requests: u64,
    /// Of those, how many were answered with 304.
    pub not_modified: u64,
    /// The least time between two requests at one host.
    pub least_gap: Duration,
    /// The most bytes of bodies that were sent.
    pub body_bytes: u64,
}

/// How it answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Manners {
    /// 304 to those who have the document.
    Conditional,
    /// The document, whatever is asked, and no validators with it.
    Plain,
}

impl Origin {
    /// Starts one: this very program, with another argument.
    ///
    /// # Panics
    /// When it does not start.
    pub fn start() -> Self {
        let program = std::env::current_exe().expect("a program has a file");
        let mut process = Command::new(program)
            .arg(ARGUMENT)
            .stdin(Stdio::piped())
            .stdout(Stdio::piped())
            .spawn()
            .expect("the origin starts");
        let mut line = String::new();
        let told = process.stdout.as_mut().expect("it is piped");
        BufReader::new(told).read_line(&mut line).expect("it tells its port");
        let port = line.trim().parse().expect("a port is a number");
        Self { process, port }
    }

    /// Where a feed is: the feeds take turns over the hosts.
    pub fn url(&self, feed: usize) -> String {
        format!("http://{}:{}/feed/{feed}", host(feed % HOSTS), self.port)
    }

    /// How it answers from now on, and which document it gives: the log begins anew.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn turn(&self, client: &reqwest::Client, manners: Manners, version: usize) {
        let manners = if manners == Manners::Conditional { "conditional" } else { "plain" };
        self.control(client, &format!("{manners}/{version}")).await;
    }

    /// What it saw since then.
    ///
    /// # Panics
    /// When it does not answer.
    pub async fn log(&self, client: &reqwest::Client) -> Log {
        let told = self.control(client, "log").await;
        let mut numbers = told.split(' ').map(|number| number.parse::<u64>().expect("a number"));
        let mut next = || numbers.next().expect("four numbers");
        let (requests, not_modified) = (next(), next());
        Log { requests, not_modified, least_gap: Duration::from_micros(next()), body_bytes: next() }
    }

    async fn control(&self, client: &reqwest::Client, what: &str) -> String {
        let url = format!("http://{}:{}/control/{what}", host(0), self.port);
        let answer = client.get(url).send().await.expect("the origin answers");
        answer.text().await.expect("it answers in text")
    }
}

impl Drop for Origin {
    fn drop(&mut self) {
        // It ends with its input; this is for one that hangs.
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

fn host(number: usize) -> Ipv4Addr {
    Ipv4Addr::new(127, 1, 0, u8::try_from(number + 1).expect("hosts fit a byte"))
}

/// Serves until its input ends.
///
/// # Panics
/// When it cannot listen.
pub fn serve() {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime");
    let state = Arc::new(Mutex::new(State::default()));
    runtime.block_on(async {
        let listeners = listen().await;
        let port = listeners[0].local_addr().expect("it is bound").port();
        let mut out = std::io::stdout();
        writeln!(out, "{port}").and_then(|()| out.flush()).expect("somebody listens");
        for (host, listener) in listeners.into_iter().enumerate() {
            tokio::spawn(accept(listener, host, Arc::clone(&state)));
        }
        let ended = tokio::task::spawn_blocking(|| std::io::copy(&mut std::io::stdin(), &mut std::io::sink()));
        ended.await.expect("reading does not panic").expect("the input ends");
    });
}

/// All hosts at one port, which is free at each.
async fn listen() -> Vec<TcpListener> {
    'ports: loop {
        let first = TcpListener::bind(SocketAddrV4::new(host(0), 0)).await.expect("loopback has a free port");
        let port = first.local_addr().expect("it is bound").port();
        let mut listeners = vec![first];
        for number in 1..HOSTS {
            match TcpListener::bind(SocketAddr::from((host(number), port))).await {
                Ok(listener) => listeners.push(listener),
                Err(_) => continue 'ports,
            }
        }
        return listeners;
    }
}

async fn accept(listener: TcpListener, host: usize, state: Arc<Mutex<State>>) {
    while let Ok((stream, _)) = listener.accept().await {
        // An answer goes at once: what Nagle saves nobody wants here.
        let _ = stream.set_nodelay(true);
        let state = Arc::clone(&state);
        tokio::spawn(async move {
            let answer = |request: Request<Incoming>| {
                let answer = state.lock().unwrap_or_else(PoisonError::into_inner).answer(host, &request);
                async move { Ok::<_, Infallible>(answer) }
            };
            let connection = hyper::server::conn::http1::Builder::new();
            // Whoever hangs up in the middle is no business of the origin.
            let _ = connection.serve_connection(TokioIo::new(stream), service_fn(answer)).await;
        });
    }
}

#[derive(Debug, Default)]
struct State {
    plain: bool,
    version: usize,
    documents: HashMap<usize, Bytes>,
    requests: u64,
    not_modified: u64,
    body_bytes: u64,
    asked_last: HashMap<usize, Instant>,
    least_gap: Option<Duration>,
}

impl State {
    fn answer(&mut self, host: usize, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        let path = request.uri().path();
        if let Some(feed) = path.strip_prefix("/feed/").and_then(|feed| feed.parse().ok()) {
            return self.feed(host, feed, request);
        }
        let told = match path.strip_prefix("/control/") {
            Some("log") => {
                let gap = self.least_gap.unwrap_or_default().as_micros();
                format!("{} {} {gap} {}", self.requests, self.not_modified, self.body_bytes)
            }
            Some(turn) => {
                let (manners, version) = turn.split_once('/').expect("manners and a version");
                let version = version.parse().expect("a version is a number");
                // Those of a version are the same for whoever asks, again and again.
                let documents =
                    if version == self.version { std::mem::take(&mut self.documents) } else { HashMap::new() };
                *self = Self { plain: manners == "plain", version, documents, ..Self::default() };
                String::new()
            }
            None => String::new(),
        };
        Response::new(Full::new(Bytes::from(told)))
    }

    fn feed(&mut self, host: usize, feed: usize, request: &Request<Incoming>) -> Response<Full<Bytes>> {
        self.requests += 1;
        let now = Instant::now();
        if let Some(before) = self.asked_last.insert(host, now) {
            let gap = now - before;
            self.least_gap = Some(self.least_gap.map_or(gap, |least| least.min(gap)));
        }
        let etag = format!("\"{}-{feed}\"", self.version);
        let has_it = request.headers().get(IF_NONE_MATCH).is_some_and(|told| told.as_bytes() == etag.as_bytes());
        if has_it && !self.plain {
            self.not_modified += 1;
            let answer = Response::builder().status(StatusCode::NOT_MODIFIED).header(ETAG, etag);
            return answer.body(Full::default()).expect("an answer of ours is one");
        }
        let version = self.version;
        let body = self.documents.entry(feed).or_insert_with(|| Bytes::from(document(feed, version))).clone();
        self.body_bytes += body.len() as u64;
        let answer = Response::builder().header(CONTENT_TYPE, "application/rss+xml");
        let answer = if self.plain { answer } else { answer.header(ETAG, etag) };
        answer.body(Full::new(body)).expect("an answer of ours is one")
    }
}

/// A document of about 20 kB: the newest item is the version's, and as many stand below it as a document holds.
pub fn document(feed: usize, version: usize) -> String {
    let mut out = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<rss version=\"2.0\"><channel><title>Feed {feed}</title>\
         <link>https://example.org/{feed}/</link><description>Generated</description>\n"
    );
    for item in (version..version + ITEMS).rev() {
        // An item says the same in whichever version it stands.
        let mut random = Random::new((feed * 1_000_003 + item) as u64);
        let (title, text) = (random.prose(50), random.prose(380));
        let (day, hour) = (1 + (item / 24) % 28, item % 24);
        writeln!(
            out,
            "<item><title>{title}</title><link>https://example.org/{feed}/{item}</link>\
             <guid isPermaLink=\"false\">tag:example.org,2026:{feed}-{item}</guid>\
             <pubDate>{day:02} Sep 2026 {hour:02}:15:00 GMT</pubDate><description>&lt;p&gt;{text}&lt;/p&gt;</description></item>"
        )
        .expect("a string takes all");
    }
    out + "</channel></rss>\n"
}
