//! A form that is sent to somebody whom a stranger named: judged at each hop, in its turn and bounded, as a fetch is.

use reqwest::StatusCode;
use reqwest::header::CONTENT_TYPE;
use tokio::time::timeout;
use url::Url;

use super::http::{check_header, redirect_target};
use super::manner::Place;
use super::{Between, FetchFailure, Fetcher, Manner, Reach, classify};
use crate::OpError;

/// A form, and to whom it goes.
pub(crate) struct Form<'a> {
    pub(crate) to: Url,
    /// How far a request to that very origin may reach.
    pub(crate) reach: Reach,
    /// The same of another one that it redirects to.
    pub(crate) reach_elsewhere: Reach,
    pub(crate) plain: Plain,
    pub(crate) manner: &'a Manner,
    /// As it is sent.
    pub(crate) fields: String,
}

/// Whether a form may be sent so that anybody on the way can read it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Plain {
    Allowed,
    Refused,
}

impl Fetcher {
    /// Sends a form and hears whether it was taken (2xx); nothing is read of the answer's body. Redirects are followed that
    /// keep the method (307 and 308, RFC 9110 section 15.4). What is meant for a feed's own server alone is not sent. It takes
    /// no longer than a fetch may, and no error tells a secret.
    pub(crate) async fn post_form(&self, form: &Form<'_>) -> Result<(), OpError> {
        let late = |_| {
            let message = format!("{} did not take it within {:?}", form.to, self.limits.total);
            Err(OpError::failed("http.timeout", message).into())
        };
        let posted = timeout(self.limits.total, self.post_hops(form)).await.unwrap_or_else(late);
        posted.map_err(|failure: FetchFailure| form.manner.secrets.hide(failure.error))
    }

    async fn post_hops(&self, form: &Form<'_>) -> Result<(), FetchFailure> {
        let manner = form.manner;
        let mut url = form.to.clone();
        for _ in 0..=self.limits.redirects {
            if form.plain == Plain::Refused && url.scheme() != "https" {
                return Err(OpError::failed("http.plain", "the hub is not reached over https").into());
            }
            let is_there = url.origin() == form.to.origin();
            let reach = if is_there { form.reach } else { form.reach_elsewhere };
            let reach = self.guard.check_url(reach, manner.between(), &url);
            let reach = reach.map_err(|refusal| classify::refused(&url, &refusal))?;
            let host = url.host_str().unwrap_or_default();
            let _turn = self.gate.turn(host).await.map_err(|resting| {
                let message = format!("{host} asked to be left alone for another {} s", resting.remaining.as_secs());
                OpError::failed("http.resting", message)
            })?;
            let patience = self.limits.connect + self.limits.header;
            let answer = timeout(patience, self.send_form(&url, reach, manner, &form.fields)).await.map_err(|_| {
                OpError::failed("http.timeout_headers", format!("{url} sent no whole header within {patience:?}"))
            })?;
            match answer? {
                Some(next) => url = next,
                None => return Ok(()),
            }
        }
        let message = format!("more than {} redirects, the last to {url}", self.limits.redirects);
        Err(OpError::failed("http.redirect_loop", message).into())
    }

    /// Where it redirects to; `None` when it took the form.
    async fn send_form(
        &self,
        url: &Url,
        reach: Reach,
        manner: &Manner,
        form: &str,
    ) -> Result<Option<Url>, FetchFailure> {
        let client = self.client(reach, self.spoken(url, manner.transport(url, Place::Elsewhere))).await?;
        let asked = client.post(url.clone()).header(CONTENT_TYPE, "application/x-www-form-urlencoded");
        let asked = manner.complete(asked, url, Place::Elsewhere).body(form.to_owned());
        let response = self.send(url, asked, manner.proxy.as_deref()).await?;
        if let Some(peer) = response.remote_addr().filter(|_| manner.between() == Between::Nothing) {
            let judged = self.guard.check_address(reach, url.host_str().unwrap_or_default(), peer.ip());
            judged.map_err(|refusal| classify::refused(url, &refusal))?;
        }
        check_header(url, response.headers())?;
        match response.status() {
            status if status.is_success() => Ok(None),
            StatusCode::TEMPORARY_REDIRECT | StatusCode::PERMANENT_REDIRECT => {
                redirect_target(url, response.headers()).map(Some)
            }
            status => {
                self.rest_if_asked(url, &response);
                Err(classify::status(url, status))
            }
        }
    }
}
