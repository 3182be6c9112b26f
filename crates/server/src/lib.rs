//! What others reach of an engine by HTTP:
//!
//! | request | answer |
//! |---|---|
//! | `GET /health` | how feeds are, as one JSON document; 503 when one is red |
//! | `GET /websub/TOKEN` | a hub's challenge, where we meant it |
//! | `POST /websub/TOKEN` | 202 once what a hub tells is stored |
//!
//! All of it is bounded: connections, headers, bodies, time.

mod answers;
mod connections;
mod health;
mod hubs;
mod places;
mod routes;

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use feedspine::ops::FeedReport;
use feedspine::{Engine, OpError};
use tokio::net::TcpListener;
use tokio::sync::mpsc::Sender;

use health::Health;
use places::Places;

/// A server that listens, and answers nobody yet.
#[derive(Debug)]
pub struct Server {
    listener: TcpListener,
    address: SocketAddr,
}

impl Server {
    /// Listens at an address of this machine; port 0 is any that is free.
    ///
    /// # Errors
    /// `Failed`: the address is taken, or is not this machine's.
    pub async fn bind(address: SocketAddr) -> Result<Self, OpError> {
        let taken = |error: std::io::Error| {
            OpError::failed("server.listen", format!("cannot listen at {address}: {error}"))
                .with_hint("--listen ADDRESS:PORT says another one")
                .with_source(error)
        };
        let listener = TcpListener::bind(address).await.map_err(taken)?;
        let address = listener.local_addr().map_err(taken)?;
        Ok(Self { listener, address })
    }

    /// Where it listens.
    pub const fn address(&self) -> SocketAddr {
        self.address
    }

    /// Answers until `stop` is ready; then no new request is taken, and those under way may end, as long as the grace lasts.
    /// What hubs told and was stored, or could not be read, is reported to `told` as fetches are, while anybody listens there.
    pub async fn run(
        self,
        engine: Engine,
        grace: Duration,
        told: Sender<FeedReport>,
        stop: impl Future<Output = ()> + Send,
    ) {
        let site = Arc::new(Site { engine, health: Health::default(), places: Arc::default(), told });
        connections::accept(self.listener, site, grace, stop).await;
    }
}

/// What requests are answered from.
#[derive(Debug)]
pub(crate) struct Site {
    pub(crate) engine: Engine,
    pub(crate) health: Health,
    pub(crate) places: Arc<Places>,
    pub(crate) told: Sender<FeedReport>,
}
