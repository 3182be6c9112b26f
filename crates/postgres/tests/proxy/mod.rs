//! A TCP proxy on loopback that cuts connections: all at once, or just round a COMMIT.

use std::net::{Ipv4Addr, SocketAddr};
use std::sync::atomic::{AtomicBool, AtomicU32, Ordering};
use std::sync::{Arc, Mutex};

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio::task::AbortHandle;

/// A COMMIT as PostgreSQL's protocol sends it.
const COMMIT: &[u8] = b"COMMIT\0";

/// What becomes of coming COMMITs, and how often something did.
#[derive(Debug, Default)]
struct Plans {
    /// So many COMMITs reach the server, and their answers do not come back.
    lose_answers: AtomicU32,
    /// So many COMMITs do not reach the server.
    lose_requests: AtomicU32,
    cuts: AtomicU32,
}

/// The proxy; it ends with its runtime.
#[derive(Debug)]
pub(crate) struct Proxy {
    port: u16,
    plans: Arc<Plans>,
    connections: Arc<Mutex<Vec<AbortHandle>>>,
}

impl Proxy {
    /// Listens, and hands every connection on to that port of this machine.
    pub(crate) async fn before(server: u16) -> Self {
        let listener = TcpListener::bind((Ipv4Addr::LOCALHOST, 0)).await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let (plans, connections) = (Arc::<Plans>::default(), Arc::<Mutex<Vec<AbortHandle>>>::default());
        let (own_plans, own_connections) = (Arc::clone(&plans), Arc::clone(&connections));
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                let plans = Arc::clone(&plans);
                let task = tokio::spawn(carry(client, (Ipv4Addr::LOCALHOST, server).into(), plans));
                let mut held = connections.lock().unwrap();
                held.retain(|handle| !handle.is_finished());
                held.push(task.abort_handle());
            }
        });
        Self { port, plans: own_plans, connections: own_connections }
    }

    pub(crate) fn port(&self) -> u16 {
        self.port
    }

    /// How many connections were cut.
    pub(crate) fn cuts(&self) -> u32 {
        self.plans.cuts.load(Ordering::Relaxed)
    }

    /// Cuts one of the connections that are open; the one of that number, counted round.
    pub(crate) fn cut(&self, number: usize) {
        let mut held = self.connections.lock().unwrap();
        held.retain(|handle| !handle.is_finished());
        if !held.is_empty() {
            let at = number % held.len();
            held.swap_remove(at).abort();
            self.plans.cuts.fetch_add(1, Ordering::Relaxed);
        }
    }

    /// The next COMMIT reaches the server, and its answer does not come back.
    pub(crate) fn lose_an_answer(&self) {
        self.plans.lose_answers.fetch_add(1, Ordering::Relaxed);
    }

    /// The next COMMIT does not reach the server.
    pub(crate) fn lose_a_request(&self) {
        self.plans.lose_requests.fetch_add(1, Ordering::Relaxed);
    }
}

/// Takes one from a count, unless there is none.
fn take(count: &AtomicU32) -> bool {
    count.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1)).is_ok()
}

/// Carries bytes both ways until one side ends or a plan cuts them off.
async fn carry(mut client: TcpStream, server: SocketAddr, plans: Arc<Plans>) {
    let Ok(mut server) = TcpStream::connect(server).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let answer_is_lost = AtomicBool::new(false);
    let there = async {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_client.read(&mut bytes).await {
            let bytes = &bytes[..count];
            if bytes.windows(COMMIT.len()).any(|window| window == COMMIT) {
                if take(&plans.lose_requests) {
                    plans.cuts.fetch_add(1, Ordering::Relaxed);
                    return;
                }
                answer_is_lost.store(take(&plans.lose_answers), Ordering::Relaxed);
            }
            if to_server.write_all(bytes).await.is_err() {
                return;
            }
        }
    };
    let back = async {
        let mut bytes = vec![0; 64 << 10];
        while let Ok(count @ 1..) = from_server.read(&mut bytes).await {
            if answer_is_lost.load(Ordering::Relaxed) {
                plans.cuts.fetch_add(1, Ordering::Relaxed);
                return;
            }
            if to_client.write_all(&bytes[..count]).await.is_err() {
                return;
            }
        }
    };
    tokio::select! {
        () = there => {}
        () = back => {}
    }
}
