//! The resolver of the guarded client: it hands out no address that may not be asked.

use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use reqwest::dns::{Addrs, Name, Resolve, Resolving};

use super::guard::{Guard, Reach};

const LOOKUP_TIMEOUT: Duration = Duration::from_secs(5);
const MOST_ADDRESSES: usize = 16;

/// Looks a name up once for each connection, and refuses it when any of its addresses may not be asked: what was
/// checked is what is dialled.
#[derive(Debug)]
pub(super) struct GuardedResolver {
    pub(super) guard: Arc<Guard>,
    pub(super) reach: Reach,
}

/// The name could not be resolved.
#[derive(Debug, thiserror::Error)]
#[error("cannot resolve {host}: {reason}")]
pub(super) struct LookupFailed {
    host: String,
    reason: String,
}

impl Resolve for GuardedResolver {
    fn resolve(&self, name: Name) -> Resolving {
        let (guard, reach) = (Arc::clone(&self.guard), self.reach);
        Box::pin(async move {
            let host = name.as_str();
            let failed = |reason: String| LookupFailed { host: host.to_owned(), reason };
            let looked_up = tokio::time::timeout(LOOKUP_TIMEOUT, tokio::net::lookup_host((host, 0))).await;
            let found = looked_up.map_err(|_| failed(format!("no answer in {LOOKUP_TIMEOUT:?}")))?;
            let addresses: Vec<SocketAddr> = found.map_err(|error| failed(error.to_string()))?.collect();
            for address in &addresses {
                guard.check_address(reach, host, address.ip())?;
            }
            if addresses.is_empty() {
                return Err(failed("it has no address".to_owned()).into());
            }
            Ok(Box::new(addresses.into_iter().take(MOST_ADDRESSES)) as Addrs)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::super::guard::Refusal;
    use super::*;

    #[tokio::test]
    async fn hands_out_no_address_that_may_not_be_asked() {
        let guard = Arc::new(Guard { ports: Vec::new(), allow: Vec::new() });
        let resolver = |reach| GuardedResolver { guard: Arc::clone(&guard), reach };
        let refused = resolver(Reach::Public).resolve("localhost".parse().unwrap()).await.err().unwrap();
        assert!(matches!(refused.downcast_ref(), Some(Refusal::PrivateAddress { .. })), "{refused}");
        assert!(resolver(Reach::Anywhere).resolve("localhost".parse().unwrap()).await.is_ok());
    }
}
