//! A web site on loopback for the tests: it answers what a function says, one thread for each connection.

use std::io::{BufRead, BufReader, Read, Write};
use std::net::{Ipv4Addr, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// What is answered.
#[derive(Debug, Clone)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) headers: Vec<(&'static str, String)>,
    pub(crate) body: Vec<u8>,
}

impl Reply {
    pub(crate) fn ok(body: impl Into<Vec<u8>>) -> Self {
        Self { status: 200, headers: Vec::new(), body: body.into() }
    }

    pub(crate) fn status(status: u16) -> Self {
        Self { status, headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn with(mut self, name: &'static str, value: impl Into<String>) -> Self {
        self.headers.push((name, value.into()));
        self
    }
}

/// What was asked.
#[derive(Debug)]
pub(crate) struct Asked {
    pub(crate) path: String,
    pub(crate) if_none_match: Option<String>,
    pub(crate) body: Vec<u8>,
}

/// The site. Its threads end with the process: nothing of it outlives a test run.
#[derive(Debug)]
pub(crate) struct Site {
    address: SocketAddr,
    connections: Arc<AtomicUsize>,
}

impl Site {
    pub(crate) fn start(answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        Self::start_at((Ipv4Addr::LOCALHOST, 0).into(), answer)
    }

    /// The same at an address of this machine.
    pub(crate) fn start_at(address: SocketAddr, answer: impl Fn(&Asked) -> Reply + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(address).expect("the address is free");
        let address = listener.local_addr().expect("the listener is bound");
        let answer: Arc<dyn Fn(&Asked) -> Reply + Send + Sync> = Arc::new(answer);
        let connections = Arc::new(AtomicUsize::new(0));
        let counted = Arc::clone(&connections);
        std::thread::spawn(move || {
            for stream in listener.incoming().flatten() {
                counted.fetch_add(1, Ordering::SeqCst);
                let answer = Arc::clone(&answer);
                // A client that goes away is what some tests are about.
                std::thread::spawn(move || serve(stream, &*answer).ok());
            }
        });
        Self { address, connections }
    }

    pub(crate) fn url(&self, path: &str) -> String {
        format!("http://{}{path}", self.address)
    }

    /// How many connections there were until now.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }
}

fn serve(mut stream: TcpStream, answer: &dyn Fn(&Asked) -> Reply) -> std::io::Result<()> {
    let mut reader = BufReader::new(stream.try_clone()?);
    while let Some(first) = reader.by_ref().lines().next().transpose()? {
        let path = first.split(' ').nth(1).unwrap_or("/").to_owned();
        let mut asked = Asked { path, if_none_match: None, body: Vec::new() };
        for line in reader.by_ref().lines() {
            let line = line?;
            match line.split_once(':') {
                Some((name, value)) if name.eq_ignore_ascii_case("if-none-match") => {
                    asked.if_none_match = Some(value.trim().to_owned());
                }
                Some((name, value)) if name.eq_ignore_ascii_case("content-length") => {
                    asked.body = vec![0; value.trim().parse().expect("a length is a number")];
                }
                Some(_) => {}
                None => break,
            }
        }
        reader.read_exact(&mut asked.body)?;
        let reply = answer(&asked);
        let mut head = format!("HTTP/1.1 {} -\r\nContent-Length: {}\r\n", reply.status, reply.body.len());
        for (name, value) in &reply.headers {
            head.push_str(name);
            head.push_str(": ");
            head.push_str(value);
            head.push_str("\r\n");
        }
        stream.write_all(head.as_bytes())?;
        stream.write_all(b"\r\n")?;
        stream.write_all(&reply.body)?;
    }
    Ok(())
}
