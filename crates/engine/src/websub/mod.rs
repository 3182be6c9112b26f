//! WebSub (W3C Recommendation of 23 January 2018), as a subscriber: hubs tell of new items at once.
//!
//! What a feed's document names is noticed ([`noticed`]); what is agreed with a hub is kept among the feed's settings
//! ([`Subscription`], `kept.rs`), and changed only where the feed is still as it was read, so that of several processes one
//! asks. `decide.rs` says what is to be done, as pure functions; `keeping.rs` does it, `callback.rs` answers what hubs ask
//! and takes what they tell.

mod allowance;
mod base;
mod callback;
mod decide;
mod keeping;
mod kept;
mod noticed;
mod signature;
mod tally;
mod tokens;

use std::fmt;

use feedspine_core::{Feed, Timestamp};

use crate::feed_settings::FeedSettings;

pub(crate) use allowance::Allowances;
pub use base::{CallbackBase, CallbackBaseError};
pub use callback::{Delivered, Delivery, HubAnswer};
pub(crate) use decide::{Step, Wish};
pub(crate) use keeping::wish;
pub(crate) use noticed::{Named, Noticed};
pub use tally::Tally;
pub(crate) use tally::tally;
pub(crate) use tokens::Tokens;

/// What is known of a feed's hubs, and agreed with one.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub(crate) struct Subscription {
    /// What the last document that was read names.
    pub(crate) noticed: Noticed,
    /// What was asked of one of these hubs.
    pub(crate) agreement: Option<Agreement>,
    /// Why the last request came to nothing; `None` once one came to something.
    pub(crate) setback: Option<Setback>,
    /// Whether the feed is next asked for its document whatever it was told before: a hub told something since it was read,
    /// which no 304 is to confirm.
    pub(crate) is_read_anew: bool,
}

/// What was asked of a hub, and what it granted.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Agreement {
    pub(crate) hub: String,
    pub(crate) topic: String,
    /// The base of the address that the hub was given.
    pub(crate) callback: String,
    /// What makes that address unguessable.
    pub(crate) token: Secret,
    /// What the hub signs with; the same over renewals.
    pub(crate) secret: Secret,
    /// A request that the hub has not come back to.
    pub(crate) pending: Option<Pending>,
    /// What it granted; `None` before it did.
    pub(crate) lease: Option<Lease>,
    /// How often it was asked to end.
    pub(crate) farewells: u32,
    /// How many deliveries came with a signature that is not the hub's.
    pub(crate) forged: u64,
    /// How many brought the very bytes of one before.
    pub(crate) repeated: u64,
    /// The short hashes of the last bodies that were stored, the newest last.
    pub(crate) told: Vec<String>,
    /// Whether the hub told of new items first, and nothing was found since that it had not told.
    pub(crate) is_proven: bool,
}

/// A request of ours that was sent.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Pending {
    pub(crate) mode: Mode,
    pub(crate) since: Timestamp,
}

/// What a hub granted.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Lease {
    /// When it was granted or last renewed.
    pub(crate) since: Timestamp,
    pub(crate) until: Timestamp,
}

/// Why a request came to nothing.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Setback {
    /// How many did in a row.
    pub(crate) failures: u32,
    /// When a hub is asked again.
    pub(crate) again_at: Timestamp,
    /// In a sentence.
    pub(crate) why: String,
    /// Whether the hub said no, or could not be asked.
    pub(crate) kind: SetbackKind,
}

/// Whether a hub said no.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum SetbackKind {
    Denied,
    Failed,
}

/// What is asked of a hub (section 5.1).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Mode {
    Subscribe,
    Unsubscribe,
}

impl Mode {
    /// The value of `hub.mode`.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Subscribe => "subscribe",
            Self::Unsubscribe => "unsubscribe",
        }
    }

    fn named(word: &str) -> Option<Self> {
        [Self::Subscribe, Self::Unsubscribe].into_iter().find(|mode| mode.as_str() == word)
    }
}

/// A text that is never shown.
#[derive(Clone, PartialEq, Eq)]
pub(crate) struct Secret(String);

impl Secret {
    /// Of two numbers that nobody can foresee: at least 122 bits of chance each.
    pub(crate) fn drawn(draws: [u128; 2]) -> Self {
        let [one, other] = draws;
        Self(format!("{one:032x}{other:032x}"))
    }

    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("***")
    }
}

impl Subscription {
    /// That of a feed.
    pub(crate) fn of(feed: &Feed) -> Self {
        FeedSettings::of(feed).subscription()
    }

    /// Whether there is nothing to keep.
    pub(crate) fn is_nothing(&self) -> bool {
        *self == Self::default()
    }

    /// Until when a hub tells of new items; `None` when none does.
    pub(crate) fn told_until(&self, now: Timestamp) -> Option<Timestamp> {
        let lease = self.agreement.as_ref()?.lease?;
        (lease.until > now).then_some(lease.until)
    }

    /// Until when it is relied on that a hub tells of new items: on one that has shown that it does.
    pub(crate) fn relied_on_until(&self, now: Timestamp) -> Option<Timestamp> {
        self.told_until(now).filter(|_| self.agreement.as_ref().is_some_and(|agreement| agreement.is_proven))
    }
}

/// The feed with this subscription.
pub(crate) fn with_subscription(feed: &Feed, subscription: &Subscription) -> Feed {
    let mut settings = FeedSettings::of(feed);
    settings.set_subscription(subscription);
    Feed { settings: settings.to_content(), ..feed.clone() }
}
