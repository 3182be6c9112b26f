//! A hub on loopback: it takes requests, verifies them when it is told to, and tells what it is given.

use std::collections::BTreeMap;
use std::fmt::Write as _;
use std::io::{Read, Write};
use std::net::{Ipv4Addr, TcpStream};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit, Mac};
use sha2::Sha256;
use url::{Url, form_urlencoded};

use crate::site::{Reply, Site};

/// A request as the hub got it, by the names of its fields.
pub(super) type Form = BTreeMap<String, String>;

/// What an HTTP server answered.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answered {
    pub(super) status: u16,
    pub(super) body: String,
}

/// The hub. It grants every subscription for two days.
#[derive(Debug)]
pub(super) struct Hub {
    site: Site,
    forms: Arc<Mutex<Vec<Form>>>,
}

impl Hub {
    pub(super) fn start() -> Self {
        Self::start_at(Ipv4Addr::LOCALHOST)
    }

    pub(super) fn start_at(address: Ipv4Addr) -> Self {
        let forms: Arc<Mutex<Vec<Form>>> = Arc::default();
        let log = Arc::clone(&forms);
        let site = Site::start_at((address, 0).into(), move |asked| {
            let form: Form = form_urlencoded::parse(&asked.body).into_owned().collect();
            log.lock().expect("nobody panicked").push(form.clone());
            // As hubs do, it comes back while the answer is under way, or later.
            std::thread::spawn(move || {
                let answered = verify(&form, &form["hub.topic"]);
                assert_eq!(answered, Answered { status: 200, body: "a challenge & more".to_owned() });
            });
            Reply::status(202)
        });
        Self { site, forms }
    }

    pub(super) fn url(&self) -> String {
        self.site.url("/hub")
    }

    /// What it was asked until now.
    pub(super) fn forms(&self) -> Vec<Form> {
        self.forms.lock().expect("nobody panicked").clone()
    }

    /// The last request, once there are so many.
    pub(super) fn form(&self, number: usize) -> Form {
        until(|| self.forms().len() >= number);
        self.forms()[number - 1].clone()
    }
}

/// Asks a callback whether a request was meant, as one of that topic.
pub(super) fn verify(form: &Form, topic: &str) -> Answered {
    let query = form_urlencoded::Serializer::new(String::new())
        .append_pair("hub.mode", &form["hub.mode"])
        .append_pair("hub.topic", topic)
        .append_pair("hub.challenge", "a challenge & more")
        .append_pair("hub.lease_seconds", "172800")
        .finish();
    http("GET", &format!("{}?{query}", form["hub.callback"]), &[], b"")
}

/// Tells a callback something, signed with the secret of the request.
pub(super) fn tell(form: &Form, body: &str) -> Answered {
    let signature = signature(&form["hub.secret"], body);
    http("POST", &form["hub.callback"], &[("X-Hub-Signature", &signature)], body.as_bytes())
}

/// What a hub signs with a secret.
pub(super) fn signature(secret: &str, body: &str) -> String {
    let mut mac = Hmac::<Sha256>::new_from_slice(secret.as_bytes()).expect("a key of any length is one");
    mac.update(body.as_bytes());
    let mut text = "sha256=".to_owned();
    for byte in mac.finalize().into_bytes() {
        write!(text, "{byte:02x}").expect("a string takes all");
    }
    text
}

/// One request on a connection of its own.
pub(super) fn http(method: &str, url: &str, headers: &[(&str, &str)], body: &[u8]) -> Answered {
    let url = Url::parse(url).expect("a URL");
    let address = url.socket_addrs(|| None).expect("an address")[0];
    let mut stream = TcpStream::connect(address).expect("somebody listens");
    stream.set_read_timeout(Some(Duration::from_mins(1))).expect("a time limit can be set");
    let path = url.path().to_owned() + &url.query().map(|query| format!("?{query}")).unwrap_or_default();
    let mut head = format!("{method} {path} HTTP/1.1\r\nHost: {address}\r\nConnection: close\r\n");
    for (name, value) in headers {
        write!(head, "{name}: {value}\r\n").expect("a string takes all");
    }
    write!(head, "Content-Length: {}\r\n\r\n", body.len()).expect("a string takes all");
    stream.write_all(head.as_bytes()).expect("it is sent");
    // Who is turned away before need not take the body.
    let _ = stream.write_all(body);
    let mut answer = Vec::new();
    let _ = stream.read_to_end(&mut answer);
    let answer = String::from_utf8(answer).expect("the answer is text");
    let (head, body) = answer.split_once("\r\n\r\n").unwrap_or_else(|| panic!("no header: {answer:?}"));
    let status = head.split(' ').nth(1).and_then(|status| status.parse().ok()).expect("a status");
    Answered { status, body: body.to_owned() }
}

/// Waits until that holds; a test that waits longer is broken.
pub(super) fn until(holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_mins(1), "it does not come about");
        std::thread::sleep(Duration::from_millis(50));
    }
}
