//! [`Tokens`]: which feed a callback is for. Strangers may ask as often as they like: the store is read for them once a
//! second at most.

use std::collections::HashMap;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use feedspine_core::Feed;
use sha2::{Digest, Sha256};
use tokio::time::{Instant, sleep_until};

use super::{Secret, Subscription};
use crate::{Engine, OpError};

/// All feeds are read once in so long, for tokens that are not known.
const READ_EVERY: Duration = Duration::from_secs(1);
/// The length of a token, in hexadecimal digits.
const LENGTH: usize = 64;

/// What is known of tokens; another process may have given further ones, or changed what is known here.
#[derive(Debug, Default)]
pub(crate) struct Tokens {
    /// By the hash of the token, so that no time taken tells how much of one was right.
    known: Mutex<HashMap<[u8; 32], Feed>>,
    read_at: tokio::sync::Mutex<Option<Instant>>,
}

impl Tokens {
    /// A token was given for that feed.
    pub(super) fn give(&self, token: &Secret, feed: &Feed) {
        self.lock().insert(hash(token.as_str()), feed.clone());
    }

    fn feed(&self, token: &str) -> Option<Feed> {
        self.lock().get(&hash(token)).cloned()
    }

    fn replace(&self, feeds: Vec<Feed>) {
        let token = |feed: Feed| Some((hash(Subscription::of(&feed).agreement?.token.as_str()), feed));
        *self.lock() = feeds.into_iter().filter_map(token).collect();
    }

    /// No holder can panic half-way.
    fn lock(&self) -> MutexGuard<'_, HashMap<[u8; 32], Feed>> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn hash(token: &str) -> [u8; 32] {
    Sha256::digest(token.as_bytes()).into()
}

fn is_one(token: &str) -> bool {
    token.len() == LENGTH && token.bytes().all(|byte| byte.is_ascii_hexdigit())
}

impl Engine {
    /// The feed that a token was given for, as it is now, with its subscription.
    pub(super) async fn feed_of_token(&self, token: &str) -> Result<Option<(Feed, Subscription)>, OpError> {
        if !is_one(token) {
            return Ok(None);
        }
        if let Some(found) = self.current_of_token(token).await? {
            return Ok(Some(found));
        }
        let arrived = Instant::now();
        let mut read_at = self.tokens().read_at.lock().await;
        if read_at.is_none_or(|read_at| read_at < arrived) {
            if let Some(read_at) = *read_at {
                sleep_until(read_at + READ_EVERY).await;
            }
            let began = Instant::now();
            self.tokens().replace(self.state().feeds().await?);
            *read_at = Some(began);
        }
        drop(read_at);
        self.current_of_token(token).await
    }

    async fn current_of_token(&self, token: &str) -> Result<Option<(Feed, Subscription)>, OpError> {
        let Some(known) = self.tokens().feed(token) else { return Ok(None) };
        let Some(feed) = self.as_it_is_now(&known).await? else { return Ok(None) };
        let subscription = Subscription::of(&feed);
        let is_given = subscription.agreement.as_ref().is_some_and(|agreement| agreement.token.as_str() == token);
        Ok(is_given.then_some((feed, subscription)))
    }
}
