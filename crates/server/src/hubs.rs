//! What hubs ask of callbacks, and tell them.

use std::sync::Arc;
use std::time::Duration;

use feedspine::{Delivered, Delivery, HubAnswer, OpError};
use http_body_util::{BodyExt, Limited};
use hyper::body::{Body, Incoming};
use hyper::{HeaderMap, Request, StatusCode};
use tokio::time::timeout;

use crate::Site;
use crate::answers::{self, Answer};

/// How long a body may take to be received.
const RECEIVED_WITHIN: Duration = Duration::from_secs(30);

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
    let _place = site.receiving.acquire().await.expect("the semaphore is never closed");
    let (head, body) = request.into_parts();
    let most = usize::try_from(largest).unwrap_or(usize::MAX);
    let body = match timeout(RECEIVED_WITHIN, Limited::new(body, most).collect()).await {
        Ok(Ok(body)) => body.to_bytes(),
        Ok(Err(_)) => return answers::text(StatusCode::PAYLOAD_TOO_LARGE, ""),
        Err(_) => return answers::text(StatusCode::REQUEST_TIMEOUT, ""),
    };
    let text = |name: &str| single(&head.headers, name);
    let delivery = Delivery {
        signature: text("x-hub-signature"),
        content_type: text("content-type"),
        content_encoding: text("content-encoding"),
        body: body.into(),
    };
    // A hub that goes away in the middle does not undo what it told.
    let (site, token) = (Arc::clone(site), token.to_owned());
    let delivered = tokio::spawn(async move { site.engine.hub_tells(&token, delivery).await }).await;
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

/// A field of a header that stands there once; of several nobody knows which is meant.
fn single(headers: &HeaderMap, name: &str) -> Option<String> {
    let mut values = headers.get_all(name).iter();
    let only = values.next().filter(|_| values.next().is_none())?;
    only.to_str().ok().map(str::to_owned)
}
