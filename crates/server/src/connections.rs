//! Connections: how many, for how long, and how large what comes over them may be.

use std::convert::Infallible;
use std::future::Future;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use feedspine::CallbackBase;
use hyper::body::Incoming;
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, StatusCode};
use hyper_util::rt::{TokioIo, TokioTimer};
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::{Semaphore, watch};
use tokio::task::JoinSet;
use tokio::time::{sleep, timeout};

use crate::answers::{self, Answer};
use crate::routes::{Route, route};
use crate::{Site, hubs};

/// So many connections are open at once; further ones wait to be accepted.
const MOST_CONNECTIONS: usize = 256;
/// How long a header may take, and a connection be idle.
const HEADER_WITHIN: Duration = Duration::from_secs(10);
/// The most that a header may hold, in bytes and in fields.
const LARGEST_HEADER: (usize, usize) = (16 * 1024, 64);
/// How long an answer may take, a body that is received and stored included.
const ANSWERED_WITHIN: Duration = Duration::from_secs(90);
/// When the server ends, what was answered may take so long to leave.
const LAST_WORDS: Duration = Duration::from_millis(300);
/// After a failure to accept, such as too many open files, nobody is accepted for so long.
const ACCEPT_AGAIN: Duration = Duration::from_millis(200);

/// Accepts connections until `stop` is ready, and lets those that are open end.
pub(crate) async fn accept(
    listener: TcpListener,
    site: Arc<Site>,
    grace: Duration,
    stop: impl Future<Output = ()> + Send,
) {
    let mut stop = pin!(stop);
    let places = Arc::new(Semaphore::new(MOST_CONNECTIONS));
    let (stopping, _) = watch::channel(false);
    let mut open = JoinSet::new();
    loop {
        let accepted = async {
            let place = Arc::clone(&places).acquire_owned().await.expect("the semaphore is never closed");
            (listener.accept().await, place)
        };
        tokio::select! {
            biased;
            () = &mut stop => break,
            (accepted, place) = accepted => match accepted {
                Ok((stream, _)) => {
                    let (site, stopped) = (Arc::clone(&site), stopping.subscribe());
                    open.spawn(async move {
                        serve(stream, site, stopped).await;
                        drop(place);
                    });
                }
                Err(error) => {
                    tracing::warn!(%error, "no connection is accepted for a moment");
                    sleep(ACCEPT_AGAIN).await;
                }
            },
        }
        while open.try_join_next().is_some() {}
    }
    drop(listener);
    stopping.send_replace(true);
    let all_end = async { while open.join_next().await.is_some() {} };
    let _ = timeout(grace, all_end).await;
    open.shutdown().await;
}

async fn serve(stream: TcpStream, site: Arc<Site>, mut stopped: watch::Receiver<bool>) {
    let under_way = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&under_way);
    let service = service_fn(move |request| {
        let (site, counted) = (Arc::clone(&site), Arc::clone(&counted));
        async move {
            counted.fetch_add(1, Ordering::SeqCst);
            let answer = answered(&site, request).await;
            counted.fetch_sub(1, Ordering::SeqCst);
            Ok::<_, Infallible>(answer)
        }
    });
    let (bytes, fields) = LARGEST_HEADER;
    let connection = http1::Builder::new()
        .timer(TokioTimer::new())
        .header_read_timeout(HEADER_WITHIN)
        .max_buf_size(bytes)
        .max_headers(fields)
        .serve_connection(TokioIo::new(stream), service);
    let mut connection = pin!(connection);
    tokio::select! {
        // A client that goes away, or speaks something else, is no concern of the server.
        _ = connection.as_mut() => return,
        _ = stopped.wait_for(|stopped| *stopped) => connection.as_mut().graceful_shutdown(),
    }
    // Who has asked nothing yet is not waited for.
    while timeout(LAST_WORDS, connection.as_mut()).await.is_err() {
        if under_way.load(Ordering::SeqCst) == 0 {
            break;
        }
    }
}

async fn answered(site: &Arc<Site>, request: Request<Incoming>) -> Answer {
    timeout(ANSWERED_WITHIN, answer(site, request))
        .await
        .unwrap_or_else(|_| answers::later(StatusCode::SERVICE_UNAVAILABLE))
}

async fn answer(site: &Arc<Site>, request: Request<Incoming>) -> Answer {
    let base = site.engine.settings().websub_callback.as_ref().map_or("", CallbackBase::path);
    let uri = request.uri().clone();
    match route(request.method(), uri.path(), base) {
        Route::Health => site.health.answer(&site.engine).await,
        Route::HubAsks { token } => hubs::asks(site, token, uri.query().unwrap_or_default()).await,
        Route::HubTells { token } => hubs::tells(site, token, request).await,
        Route::Method { allowed } => answers::not_allowed(allowed),
        Route::Nothing => answers::text(StatusCode::NOT_FOUND, ""),
    }
}
