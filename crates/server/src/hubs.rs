//! What hubs ask of callbacks, and tell them.

use std::sync::Arc;
use std::time::Duration;

use bytes::Bytes;
use feedspine::ops::FeedReport;
use feedspine::{Delivered, Delivery, HubAnswer, OpError};
use http_body_util::BodyExt;
use hyper::body::{Body, Incoming};
use hyper::{HeaderMap, Request, StatusCode};
use tokio::time::{Instant, timeout, timeout_at};

use crate::Site;
use crate::answers::{self, Answer};

/// How long a body may take to be received.
const RECEIVED_WITHIN: Duration = Duration::from_secs(30);
/// A body that is not whole has to bring so many bytes in each span of that length: one kilobyte a second.
const PACE: (usize, Duration) = (20_000, Duration::from_secs(20));

/// A hub wants to know whether we meant it.
pub(crate) async fn asks(site: &Site, token: &str, query: &str) -> Answer {
    match site.engine.hub_asks(token, query).await {
        Ok(HubAnswer::Challenge(challenge)) => answers::text(StatusCode::OK, challenge),
        Ok(HubAnswer::Noted) => answers::text(StatusCode::OK, ""),
        Ok(HubAnswer::Unknown) => answers::text(StatusCode::NOT_FOUND, ""),
        Err(error) => answers::failed(&error),
    }
}

/// A hub tells something. It is received only at a callback that was given to one.
pub(crate) async fn tells(site: &Arc<Site>, token: &str, request: Request<Incoming>) -> Answer {
    match site.engine.is_told_by_hub(token).await {
        Ok(true) => {}
        Ok(false) => return answers::text(StatusCode::GONE, ""),
        Err(error) => return answers::failed(&error),
    }
    let largest = site.engine.settings().limits.wire_bytes;
    if request.body().size_hint().lower() > largest {
        return answers::text(StatusCode::PAYLOAD_TOO_LARGE, "");
    }
    let Some(place) = site.places.take(token) else { return answers::later(StatusCode::SERVICE_UNAVAILABLE) };
    let (head, body) = request.into_parts();
    let most = usize::try_from(largest).unwrap_or(usize::MAX);
    let received = timeout(RECEIVED_WITHIN, receive(body, most)).await.unwrap_or(Err(StatusCode::REQUEST_TIMEOUT));
    let body = match received {
        Ok(body) => body,
        Err(status) => return answers::text(status, ""),
    };
    let text = |name: &str| single(&head.headers, name);
    let delivery = Delivery {
        signature: text("x-hub-signature"),
        content_type: text("content-type"),
        content_encoding: text("content-encoding"),
        body,
    };
    // A hub that goes away in the middle does not undo what it told.
    let (site, token) = (Arc::clone(site), token.to_owned());
    let delivered = tokio::spawn(async move {
        let delivered = site.engine.hub_tells(&token, delivery).await;
        drop(place);
        if let Ok(Delivered::Taken(report)) = &delivered {
            // It is stored whether or not anybody listens.
            let _ = site.told.send(FeedReport::clone(report)).await;
        }
        delivered
    });
    let delivered = delivered.await;
    match delivered
        .unwrap_or_else(|error| Err(OpError::failed("internal.panic", format!("a delivery broke off: {error}"))))
    {
        // One who forges learns nothing (W3C WebSub section 7.1.2).
        Ok(Delivered::Taken(_) | Delivered::Repeated | Delivered::Pinged | Delivered::Forged) => {
            answers::text(StatusCode::ACCEPTED, "")
        }
        Ok(Delivered::Busy) => answers::later(StatusCode::SERVICE_UNAVAILABLE),
        Ok(Delivered::TooMuch) => answers::later(StatusCode::TOO_MANY_REQUESTS),
        Ok(Delivered::Gone) => answers::text(StatusCode::GONE, ""),
        Err(error) => answers::failed(&error),
    }
}

/// Receives a body of `most` bytes, as long as it comes fast enough; else what is answered.
async fn receive<B>(body: B, most: usize) -> Result<Vec<u8>, StatusCode>
where
    B: Body<Data = Bytes> + Unpin,
{
    let (least, span) = PACE;
    let (mut body, mut received) = (body, Vec::new());
    let (mut ends, mut wanted) = (Instant::now() + span, least);
    loop {
        match timeout_at(ends, body.frame()).await {
            Ok(None) => return Ok(received),
            Ok(Some(Ok(frame))) => {
                let Ok(bytes) = frame.into_data() else { continue };
                if received.len() + bytes.len() > most {
                    return Err(StatusCode::PAYLOAD_TOO_LARGE);
                }
                received.extend_from_slice(&bytes);
            }
            Ok(Some(Err(_))) => return Err(StatusCode::BAD_REQUEST),
            Err(_) if received.len() < wanted => return Err(StatusCode::REQUEST_TIMEOUT),
            Err(_) => (ends, wanted) = (ends + span, received.len() + least),
        }
    }
}

/// A field of a header that stands there once; of several nobody knows which is meant.
fn single(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    only.to_str().ok().map(str::to_owned)
}
