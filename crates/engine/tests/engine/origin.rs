//! A web server on loopback that answers as a test tells it to, and keeps a log of what it was asked.

use std::convert::Infallible;
use std::io;
use std::net::SocketAddr;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use bytes::Bytes;
use futures_util::{StreamExt, stream};
use http_body_util::{BodyExt, Full, StreamBody, combinators::BoxBody};
use hyper::body::{Frame, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio_rustls::TlsAcceptor;
use tokio_rustls::rustls::ServerConfig;
use tokio_rustls::rustls::pki_types::pem::PemObject;
use tokio_rustls::rustls::pki_types::{CertificateDer, PrivateKeyDer};

/// What was asked.
#[derive(Debug, Clone)]
pub(crate) struct Asked {
    pub(crate) at: Instant,
    /// Which request to this server it was, from 0.
    pub(crate) number: usize,
    /// How many requests were under way, this one included.
    pub(crate) under_way: usize,
    pub(crate) path: String,
    headers: hyper::HeaderMap,
}

impl Asked {
    pub(crate) fn header(&self, name: &str) -> Option<&str> {
        self.headers.get(name).map(|value| value.to_str().unwrap())
    }
}

/// What is answered.
#[derive(Debug)]
pub(crate) struct Answer {
    status: u16,
    headers: Vec<(&'static str, String)>,
    body: Body,
    delay: Duration,
}

#[derive(Debug)]
enum Body {
    Whole(Bytes),
    /// These bytes, and then the connection breaks.
    Cut(Bytes),
    /// This piece again and again.
    Endless(Bytes),
    /// These bytes, and then nothing.
    Stalled(Bytes),
}

impl Answer {
    pub(crate) fn ok(body: impl Into<Bytes>) -> Self {
        Self { status: 200, headers: Vec::new(), body: Body::Whole(body.into()), delay: Duration::ZERO }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, ..Self::ok("") }
    }

    /// The same with another status.
    pub(crate) fn but(self, status: u16) -> Self {
        Self { status, ..self }
    }

    pub(crate) fn redirect(to: impl Into<String>) -> Self {
        Self::status(302).with("location", to)
    }

    pub(crate) fn cut(body: impl Into<Bytes>) -> Self {
        Self { body: Body::Cut(body.into()), ..Self::ok("") }
    }

    pub(crate) fn endless(piece: impl Into<Bytes>) -> Self {
        Self { body: Body::Endless(piece.into()), ..Self::ok("") }
    }

    pub(crate) fn stalled(body: impl Into<Bytes>) -> Self {
        Self { body: Body::Stalled(body.into()), ..Self::ok("") }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }

    pub(crate) fn after(self, delay: Duration) -> Self {
        Self { delay, ..self }
    }

    fn into_response(self) -> Response<BoxBody<Bytes, io::Error>> {
        let mut response = Response::builder().status(self.status);
        for (name, value) in self.headers {
            response = response.header(name, value);
        }
        let frame = |bytes| Ok(Frame::data(bytes));
        let body = match self.body {
            Body::Whole(bytes) => Full::new(bytes).map_err(|never| match never {}).boxed(),
            Body::Cut(bytes) => {
                // The bytes are given time to leave: the server gives up its buffer with the connection.
                let broken = async {
                    tokio::time::sleep(Duration::from_millis(50)).await;
                    Err(io::Error::other("the script cuts the body here"))
                };
                let frames = stream::iter([frame(bytes)]).chain(stream::once(broken));
                BodyExt::boxed(StreamBody::new(frames))
            }
            Body::Endless(piece) => BodyExt::boxed(StreamBody::new(stream::repeat_with(move || frame(piece.clone())))),
            Body::Stalled(bytes) => {
                BodyExt::boxed(StreamBody::new(stream::iter([frame(bytes)]).chain(stream::pending())))
            }
        };
        response.body(body).unwrap()
    }
}

/// A server under a script. It stops when the test's runtime does.
#[derive(Debug, Clone)]
pub(crate) struct Origin {
    scheme: &'static str,
    address: SocketAddr,
    log: Arc<Mutex<Vec<Asked>>>,
    listens: watch::Sender<bool>,
}

impl Origin {
    /// Starts a server that answers each request by the script.
    pub(crate) async fn start(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at("127.0.0.1", script).await
    }

    /// The same with TLS: the certificate is of an authority of its own, given in PEM. Version 2 of HTTP is offered and not
    /// spoken.
    pub(crate) async fn start_tls(script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> (Self, String) {
        let (acceptor, authority) = certified();
        (Self::serve_at("127.0.0.1", Some(acceptor), script).await, authority)
    }

    /// The same with the certificate of an authority in place of one that it signed.
    pub(crate) async fn start_as_authority(
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> (Self, String) {
        let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
        let key = rcgen::KeyPair::generate().unwrap();
        let mut authority = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
        authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        let pem = authority.self_signed(&key).unwrap().pem();
        (Self::serve_at("127.0.0.1", Some(acceptor(&pem, &key)), script).await, pem)
    }

    /// The same at another address of this machine.
    pub(crate) async fn start_at(host: &str, script: impl Fn(&Asked) -> Answer + Send + Sync + 'static) -> Self {
        Self::serve_at(host, None, script).await
    }

    async fn serve_at(
        host: &str,
        tls: Option<TlsAcceptor>,
        script: impl Fn(&Asked) -> Answer + Send + Sync + 'static,
    ) -> Self {
        let scheme = if tls.is_some() { "https" } else { "http" };
        let listener = TcpListener::bind((host, 0)).await.unwrap();
        let origin = Self {
            scheme,
            address: listener.local_addr().unwrap(),
            log: Arc::default(),
            listens: watch::Sender::new(true),
        };
        let log = Arc::clone(&origin.log);
        let (script, under_way) = (Arc::new(script), Arc::new(AtomicUsize::new(0)));
        let mut listens = origin.listens.subscribe();
        tokio::spawn(async move {
            loop {
                let (connection, _) = tokio::select! {
                    Ok(accepted) = listener.accept() => accepted,
                    _ = listens.wait_for(|listens| !listens) => break,
                };
                let (log, script, under_way) = (Arc::clone(&log), Arc::clone(&script), Arc::clone(&under_way));
                let service = service_fn(move |request: Request<Incoming>| {
                    let under_way = Arc::clone(&under_way);
                    let now_under_way = under_way.fetch_add(1, Ordering::SeqCst) + 1;
                    let mut log = log.lock().unwrap();
                    let asked = Asked {
                        at: Instant::now(),
                        number: log.len(),
                        under_way: now_under_way,
                        path: request.uri().to_string(),
                        headers: request.headers().clone(),
                    };
                    log.push(asked.clone());
                    let answer = script(&asked);
                    async move {
                        tokio::time::sleep(answer.delay).await;
                        under_way.fetch_sub(1, Ordering::SeqCst);
                        Ok::<_, Infallible>(answer.into_response())
                    }
                });
                let tls = tls.clone();
                tokio::spawn(async move {
                    let http = hyper::server::conn::http1::Builder::new();
                    // Who goes away, or speaks something else, is what some tests are about.
                    let _ = match tls {
                        None => http.serve_connection(TokioIo::new(connection), service).await,
                        Some(tls) => match tls.accept(connection).await {
                            Ok(connection) => http.serve_connection(TokioIo::new(connection), service).await,
                            Err(_) => Ok(()),
                        },
                    };
                });
            }
        });
        origin
    }

    /// Starts a server that answers every connection with these very bytes, and then closes or goes on sending `drip`.
    pub(crate) async fn raw(bytes: impl Into<Vec<u8>>, drip: Option<(&str, Duration)>) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let origin = Self {
            scheme: "http",
            address: listener.local_addr().unwrap(),
            log: Arc::default(),
            listens: watch::Sender::new(true),
        };
        let bytes = bytes.into();
        let drip = drip.map(|(piece, pause)| (piece.to_owned(), pause));
        tokio::spawn(async move {
            while let Ok((mut connection, _)) = listener.accept().await {
                let (bytes, drip) = (bytes.clone(), drip.clone());
                tokio::spawn(async move {
                    let mut request = [0; 4096];
                    let _ = connection.read(&mut request).await;
                    let mut sent = connection.write_all(&bytes).await;
                    while let (Ok(()), Some((piece, pause))) = (&sent, &drip) {
                        tokio::time::sleep(*pause).await;
                        sent = connection.write_all(piece.as_bytes()).await;
                    }
                });
            }
        });
        origin
    }

    /// Nobody is reached here any more, once the connections that there are have ended.
    pub(crate) fn stop(&self) {
        self.listens.send_replace(false);
    }

    /// The address of a path here.
    pub(crate) fn url(&self, path: &str) -> String {
        format!("{}://{}{path}", self.scheme, self.address)
    }

    /// The address of a path here, its host given by a name that leads here.
    pub(crate) fn url_by_name(&self, path: &str) -> String {
        format!("http://localhost:{}{path}", self.address.port())
    }

    /// Where it listens.
    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What was asked until now.
    pub(crate) fn log(&self) -> Vec<Asked> {
        self.log.lock().unwrap().clone()
    }

    /// How often it was asked.
    pub(crate) fn asked(&self) -> usize {
        self.log.lock().unwrap().len()
    }
}

/// What accepts TLS as 127.0.0.1, offering both versions of HTTP, and the authority that says so, in PEM.
pub(crate) fn certified() -> (TlsAcceptor, String) {
    let _ = tokio_rustls::rustls::crypto::ring::default_provider().install_default();
    let (authority_key, key) = (rcgen::KeyPair::generate().unwrap(), rcgen::KeyPair::generate().unwrap());
    let mut authority = rcgen::CertificateParams::new(Vec::new()).unwrap();
    authority.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
    let authority_pem = authority.self_signed(&authority_key).unwrap().pem();
    let issuer = rcgen::Issuer::new(authority, authority_key);
    let server = rcgen::CertificateParams::new(vec!["127.0.0.1".to_owned()]).unwrap();
    let certificate = server.signed_by(&key, &issuer).unwrap();
    (acceptor(&certificate.pem(), &key), authority_pem)
}

/// What shows that certificate, and speaks HTTP/2 as well.
fn acceptor(certificate: &str, key: &rcgen::KeyPair) -> TlsAcceptor {
    let chain = vec![CertificateDer::from_pem_slice(certificate.as_bytes()).unwrap()];
    let key = PrivateKeyDer::from_pem_slice(key.serialize_pem().as_bytes()).unwrap();
    let mut config = ServerConfig::builder().with_no_client_auth().with_single_cert(chain, key).unwrap();
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    TlsAcceptor::from(Arc::new(config))
}

/// An RSS document of these items, each an id and a title, the first of them the newest.
pub(crate) fn rss(items: &[(&str, &str)]) -> String {
    rss_built("Tue, 24 Nov 2026 00:00:00 GMT", items)
}

/// The same, with a date of its building.
pub(crate) fn rss_built(built: &str, items: &[(&str, &str)]) -> String {
    let item = |(place, (id, title)): (usize, &(&str, &str))| {
        let (day, hour) = (23 - place / 24 % 20, 23 - place % 24);
        let date = format!("{day:02} Nov 2026 {hour:02}:00:00 GMT");
        format!("<item><guid>{id}</guid><title>{title}</title><pubDate>{date}</pubDate></item>")
    };
    let items: String = items.iter().enumerate().map(item).collect();
    format!(
        "<?xml version='1.0'?><rss version='2.0'><channel><title>Sample</title><link>http://example.org/</link>\
         <lastBuildDate>{built}</lastBuildDate>{items}</channel></rss>"
    )
}
