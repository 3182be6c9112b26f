//! The HTTP clients: one for each way to reach and to be reached, shared by all feeds that are asked in that way.

use std::path::Path;
use std::sync::{Arc, PoisonError};
use std::time::Duration;

use feedspine_core::ContentHash;
use url::Url;

use super::file::{FileRead, read_regular};
use super::guard::Reach;
use super::http::LARGEST_HEADER;
use super::manner::{Http, Transport, Trust};
use super::resolve::GuardedResolver;
use super::{Fetcher, bytes, classify};
use crate::OpError;

/// So many servers are known that break off HTTP/2.
const MOST_OF_VERSION_1: usize = 4_096;
/// The largest file of authorities, in bytes: all that are public have a quarter of that.
const LARGEST_OF_AUTHORITIES: u64 = 1024 * 1024;

/// A client, and the file of authorities that it was made of.
#[derive(Debug)]
pub(super) struct Made {
    authorities: Option<ContentHash>,
    client: reqwest::Client,
}

impl Fetcher {
    /// The client that reaches so far in that way; there are as many as there are ways. Another one takes its place once the
    /// file of its authorities is another.
    ///
    /// # Errors
    /// `Usage`: the file of authorities cannot be read, or the proxy cannot be asked.
    pub(super) async fn client(&self, reach: Reach, transport: Transport) -> Result<reqwest::Client, OpError> {
        #[cfg(test)]
        if self.wire.get().is_some() {
            // Whatever it is made of, it sends nothing: one does for all worlds.
            static CLIENT: std::sync::OnceLock<reqwest::Client> = std::sync::OnceLock::new();
            let client = CLIENT.get_or_init(|| {
                let _ = rustls::crypto::ring::default_provider().install_default();
                self.client_builder(reach).tls_certs_only([]).build().expect("it needs nothing of its surroundings")
            });
            return Ok(client.clone());
        }
        // A proxy looks names up, and is itself wherever the operator said.
        let reach = if transport.proxy.is_some() { Reach::Anywhere } else { reach };
        let pem = match &transport.trust {
            Trust::Authorities(path) => Some(text_of_authorities(path).await?),
            Trust::Public | Trust::Anybody => None,
        };
        let authorities = pem.as_deref().map(ContentHash::of);
        let way = (reach, transport);
        // No holder can panic half-way: what is made is put in when it is whole.
        let mut clients = self.clients.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(made) = clients.get(&way).filter(|made| made.authorities == authorities) {
            return Ok(made.client.clone());
        }
        // An application that chose another provider before keeps it.
        let _ = rustls::crypto::ring::default_provider().install_default();
        let client = self.made(way.0, &way.1, pem.as_deref())?;
        clients.insert(way, Made { authorities, client: client.clone() });
        Ok(client)
    }

    /// What is spoken to a server: HTTP/1.1 where version 2 was broken off too often.
    pub(super) fn spoken(&self, url: &Url, transport: Transport) -> Transport {
        let of_old = self.of_version_1.lock().unwrap_or_else(PoisonError::into_inner).contains(&url.origin());
        Transport { http: if of_old { Http::One } else { transport.http }, ..transport }
    }

    /// A server is asked in HTTP/1.1 as long as this process runs, or until too many others are.
    pub(super) fn speak_version_1(&self, url: &Url) {
        let mut of_version_1 = self.of_version_1.lock().unwrap_or_else(PoisonError::into_inner);
        if of_version_1.len() >= MOST_OF_VERSION_1 {
            of_version_1.clear();
        }
        of_version_1.insert(url.origin());
        tracing::info!(host = url.host_str(), "the server breaks off HTTP/2: it is asked in HTTP/1.1");
    }

    fn made(&self, reach: Reach, transport: &Transport, pem: Option<&[u8]>) -> Result<reqwest::Client, OpError> {
        let authorities = match (&transport.trust, pem) {
            (Trust::Authorities(path), Some(pem)) => authorities(path, pem)?,
            _ => Vec::new(),
        };
        let proxy = transport.proxy.as_deref().map(reqwest::Proxy::all).transpose();
        let proxy = proxy.map_err(|error| {
            let message = format!("no requests go through this proxy: {}", classify::root_cause(&error));
            OpError::usage("feed.proxy", message).with_hint("give the URL of an HTTP proxy: http://proxy.lan:3128")
        })?;
        let builder = || {
            let mut builder = self.client_builder(reach);
            if let Some(proxy) = &proxy {
                builder = builder.proxy(proxy.clone());
            }
            if transport.http == Http::One {
                builder = builder.http1_only();
            }
            builder.tls_danger_accept_invalid_certs(transport.trust == Trust::Anybody)
        };
        Ok(builder().tls_certs_merge(authorities.clone()).build().unwrap_or_else(|error| {
            let reason = classify::root_cause(&error);
            tracing::warn!(reason, "no certificates to trust: https feeds will fail; install ca-certificates");
            let trusting_few = builder().tls_certs_only(authorities);
            trusting_few.build().expect("a client that is told whom to trust needs nothing of its surroundings")
        }))
    }

    fn client_builder(&self, reach: Reach) -> reqwest::ClientBuilder {
        reqwest::Client::builder()
            .user_agent(self.user_agent.clone())
            .redirect(reqwest::redirect::Policy::none())
            .retry(reqwest::retry::never())
            .referer(false)
            .no_proxy()
            .dns_resolver(GuardedResolver { guard: Arc::clone(&self.guard), reach })
            .connect_timeout(self.limits.connect)
            .http1_max_headers(self.limits.header_fields)
            .http2_max_header_list_size(LARGEST_HEADER)
            .pool_idle_timeout(Duration::from_secs(30))
            .pool_max_idle_per_host(2)
    }
}

/// What a file of authorities holds.
async fn text_of_authorities(path: &Path) -> Result<Vec<u8>, OpError> {
    let owned = path.to_path_buf();
    let read = tokio::task::spawn_blocking(move || read_regular(&owned, LARGEST_OF_AUTHORITIES)).await;
    match read.map_err(|error| unusable(path, &error.to_string()))? {
        Ok(FileRead::Whole(pem)) => Ok(pem),
        Ok(FileRead::NotRegular) => Err(unusable(path, "it is not a regular file")),
        Ok(FileRead::TooLarge) => Err(unusable(path, &format!("it is larger than {}", bytes(LARGEST_OF_AUTHORITIES)))),
        Err(error) => Err(unusable(path, &error.to_string())),
    }
}

/// The certificates in it.
fn authorities(path: &Path, pem: &[u8]) -> Result<Vec<reqwest::Certificate>, OpError> {
    let read = reqwest::Certificate::from_pem_bundle(pem);
    let read = read.map_err(|error| unusable(path, &classify::root_cause(&error)))?;
    if read.is_empty() { Err(unusable(path, "it holds none")) } else { Ok(read) }
}

fn unusable(path: &Path, why: &str) -> OpError {
    OpError::usage("feed.ca", format!("cannot take the authorities in {}: {why}", path.display()))
        .with_hint("ca= names a file of certificates in PEM")
}
