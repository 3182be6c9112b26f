//! What is to be done of a feed's subscription, and what becomes of it: pure functions. Time and chance are arguments.

use std::time::Duration;

use feedspine_core::Timestamp;

use super::{Agreement, Lease, Mode, Noticed, Pending, Secret, Setback, SetbackKind, Subscription};

const MINUTE: Duration = Duration::from_mins(1);
const DAY: Duration = Duration::from_hours(24);

/// For how long a subscription is asked for.
pub(super) const ASKED_LEASE: Duration = Duration::from_hours(10 * 24);
/// What a hub grants is taken to be within these: a lease that is too short would be asked for all the time, one that is
/// too long would not show that a hub has forgotten us.
const LEASES: (Duration, Duration) = (Duration::from_mins(5), Duration::from_hours(14 * 24));
/// A lease is renewed so long before its end, or at its half where that is later.
const RENEWED_BEFORE: Duration = Duration::from_hours(2);
/// A hub that does not come back to a request within so long has failed it.
const UNANSWERED: Duration = Duration::from_mins(15);
/// Where hubs reach us is taken to have changed once a subscription is so old.
const MOVED_AFTER: Duration = Duration::from_hours(1);
/// After all hubs failed they are asked again after so long, then after twice as long, and so on.
const FIRST_BACKOFF: Duration = Duration::from_mins(15);
const LONGEST_BACKOFF: Duration = DAY;
/// A hub that ends nothing is asked so often to; its lease ends by itself.
const FAREWELLS: u32 = 3;
/// So many bodies that a hub told are known again.
const BODIES_KNOWN: usize = 32;
/// The most of a hub's reason that is kept, in characters.
const LONGEST_REASON: usize = 200;

/// Whether a feed is to be told of by a hub.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Wish<'a> {
    /// It is; hubs reach us under this base.
    Yes { callback: &'a str },
    /// It is not: it was paused or removed, or its operator wants none.
    No,
    /// Nobody says where hubs reach us.
    Unreachable,
}

/// What is to be done.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Step {
    /// Nothing now.
    Rest,
    /// A hub is asked for the first time.
    Begin,
    /// The hub of the agreement is asked so.
    Ask(Mode),
    /// The hub did not come back to what it was asked.
    Unanswered,
    /// The agreement is over.
    Forget,
}

impl Subscription {
    /// Decides what is to be done.
    pub(crate) fn step(&self, wish: Wish<'_>, now: Timestamp) -> Step {
        let waits = self.setback.as_ref().is_some_and(|setback| setback.again_at > now);
        let Some(agreement) = &self.agreement else {
            let begins = matches!(wish, Wish::Yes { .. }) && !self.noticed.hubs.is_empty() && !waits;
            return if begins { Step::Begin } else { Step::Rest };
        };
        let lasts = agreement.lease.is_some_and(|lease| lease.until > now);
        let asked = |mode: Mode| agreement.pending.filter(|pending| pending.mode == mode);
        let is_fresh = |pending: Pending| now.micros_since(pending.since) < micros(UNANSWERED);
        match wish {
            Wish::Unreachable if lasts => return Step::Rest,
            Wish::Unreachable => return Step::Forget,
            Wish::No => return farewell(agreement, lasts, now),
            Wish::Yes { .. } if !self.noticed.names(agreement) => return farewell(agreement, lasts, now),
            Wish::Yes { .. } => {}
        }
        if let Some(pending) = asked(Mode::Subscribe) {
            return if is_fresh(pending) { Step::Rest } else { Step::Unanswered };
        }
        // Two servers of one store that name different bases would ask in turn for ever.
        let is_settled = agreement.lease.is_none_or(|lease| now.micros_since(lease.since) >= micros(MOVED_AFTER));
        let moved = matches!(wish, Wish::Yes { callback } if callback != agreement.callback) && is_settled;
        let changed_mind = asked(Mode::Unsubscribe).is_some();
        let is_due = agreement.lease.is_none_or(|lease| lease.renewed_at() <= now);
        if (moved || changed_mind || is_due) && !waits { Step::Ask(Mode::Subscribe) } else { Step::Rest }
    }

    /// Since when something is to be done, where something is: `now` of what was not due before.
    pub(crate) fn due_since(&self, now: Timestamp) -> Timestamp {
        let again_at = self.setback.as_ref().map(|setback| setback.again_at);
        let agreement = self.agreement.as_ref();
        let due = match agreement.and_then(|agreement| agreement.pending) {
            Some(pending) => Some(later(pending.since, UNANSWERED)),
            None => agreement.and_then(|agreement| agreement.lease).map(Lease::renewed_at).max(again_at),
        };
        due.map_or(now, |due| due.min(now))
    }

    /// The same after a document was read.
    pub(crate) fn noticing(&self, noticed: Noticed) -> Self {
        let read = Self { is_read_anew: false, ..self.clone() };
        if noticed == self.noticed {
            return read;
        }
        // Whoever was asked in vain is somebody else.
        Self { noticed, setback: None, ..read }
    }

    /// The same with a first request, which is about to go out; `None` where there is no hub.
    pub(crate) fn begun(&self, callback: &str, token: Secret, secret: Secret, now: Timestamp) -> Option<Self> {
        let turn = self.setback.as_ref().map_or(0, |setback| setback.failures as usize);
        let hubs = &self.noticed.hubs;
        let hub = hubs.get(turn.checked_rem(hubs.len())?)?;
        let agreement = Agreement {
            hub: hub.clone(),
            topic: self.noticed.topic.clone(),
            callback: callback.to_owned(),
            token,
            secret,
            pending: Some(Pending { mode: Mode::Subscribe, since: now }),
            lease: None,
            farewells: 0,
            forged: 0,
            repeated: 0,
            told: Vec::new(),
            is_proven: false,
        };
        Some(Self { agreement: Some(agreement), ..self.clone() })
    }

    /// The same with a further request, which is about to go out. `callback` is the base that a subscription is asked for
    /// under; one is ended where it was asked for.
    pub(crate) fn asking(&self, mode: Mode, callback: &str, now: Timestamp) -> Self {
        let mut asking = self.clone();
        if let Some(agreement) = &mut asking.agreement {
            agreement.pending = Some(Pending { mode, since: now });
            match mode {
                Mode::Subscribe => {
                    callback.clone_into(&mut agreement.callback);
                    agreement.farewells = 0;
                }
                Mode::Unsubscribe => agreement.farewells = agreement.farewells.saturating_add(1),
            }
        }
        asking
    }

    /// The same after a request failed, or was not come back to.
    pub(crate) fn failed(&self, why: &str, now: Timestamp) -> Self {
        let mut failed = self.clone();
        let Some(agreement) = &mut failed.agreement else { return failed };
        if agreement.pending.is_some_and(|pending| pending.mode == Mode::Unsubscribe) {
            // It is asked again when its time is over.
            return failed;
        }
        agreement.pending = None;
        if agreement.lease.is_none_or(|lease| lease.until <= now) {
            failed.agreement = None;
        }
        failed.set_back(SetbackKind::Failed, why, now);
        failed
    }

    /// The same without an agreement.
    pub(crate) fn forgotten(&self) -> Self {
        Self { agreement: None, ..self.clone() }
    }

    /// The same after a hub asked whether we meant it (section 5.3); `None` where nobody did. Without a lease that is readable
    /// it grants what was asked for. One that asks again soon after did not hear the answer: it is given it again.
    pub(crate) fn verify(&self, mode: &str, topic: &str, lease_seconds: Option<u64>, now: Timestamp) -> Option<Self> {
        let asked = self.agreement.as_ref().filter(|agreement| agreement.topic == topic);
        let agreement = asked?;
        let Some(pending) = agreement.pending else {
            let is_fresh = agreement.lease.is_some_and(|lease| now.micros_since(lease.since) < micros(UNANSWERED));
            return (mode == Mode::Subscribe.as_str() && is_fresh).then(|| self.clone());
        };
        if mode != pending.mode.as_str() {
            return None;
        }
        if pending.mode == Mode::Unsubscribe {
            return Some(self.forgotten());
        }
        let (shortest, longest) = LEASES;
        let granted = lease_seconds.map_or(ASKED_LEASE, Duration::from_secs).clamp(shortest, longest);
        let lease = Some(Lease { since: now, until: later(now, granted) });
        let agreement = Some(Agreement { pending: None, lease, ..agreement.clone() });
        Some(Self { agreement, setback: None, ..self.clone() })
    }

    /// The same after a hub said no, at once or later (section 5.2); `None` of what was not asked of it.
    pub(crate) fn denied(&self, topic: &str, reason: Option<&str>, now: Timestamp) -> Option<Self> {
        if self.agreement.as_ref().is_none_or(|agreement| agreement.topic != topic) {
            return None;
        }
        let readable = |c: char| if c.is_control() { ' ' } else { c };
        let reason: String = reason.unwrap_or_default().chars().take(LONGEST_REASON).map(readable).collect();
        let why = match reason.trim() {
            "" => "the hub denied it".to_owned(),
            reason => format!("the hub denied it: {reason}"),
        };
        let mut denied = self.forgotten();
        denied.set_back(SetbackKind::Denied, &why, now);
        Some(denied)
    }

    /// The same after something was told that the hub did not sign.
    pub(crate) fn forged(&self) -> Self {
        let mut told = self.clone();
        if let Some(agreement) = &mut told.agreement {
            agreement.forged = agreement.forged.saturating_add(1);
        }
        told
    }

    /// The same after a body was stored that the hub signed, given by its short hash; of so many of its items nothing was known
    /// (`new`), or something else (`changed`).
    pub(crate) fn told(&self, hash: &str, new: u64, changed: u64) -> Self {
        let mut told = self.clone();
        told.is_read_anew |= new > 0 || changed > 0;
        if let Some(agreement) = &mut told.agreement {
            agreement.is_proven |= new > 0;
            agreement.told.push(hash.to_owned());
            let surplus = agreement.told.len().saturating_sub(BODIES_KNOWN);
            agreement.told.drain(..surplus);
        }
        told
    }

    /// The same after a body came again.
    pub(crate) fn repeated(&self) -> Self {
        let mut told = self.clone();
        if let Some(agreement) = &mut told.agreement {
            agreement.repeated = agreement.repeated.saturating_add(1);
        }
        told
    }

    /// The same after new items were found by asking the feed, of which the hub had not told.
    pub(crate) fn missed(&self) -> Self {
        let mut missed = self.clone();
        if let Some(agreement) = &mut missed.agreement {
            agreement.is_proven = false;
        }
        missed
    }

    fn set_back(&mut self, kind: SetbackKind, why: &str, now: Timestamp) {
        let failures = self.setback.as_ref().map_or(0, |setback| setback.failures).saturating_add(1);
        let hubs = u32::try_from(self.noticed.hubs.len()).unwrap_or(u32::MAX).max(1);
        // An agreement that stays is with one hub; else the next one is asked soon, until all were.
        let has_others = self.agreement.is_none() && !failures.is_multiple_of(hubs);
        let rounds = if self.agreement.is_none() { failures / hubs } else { failures };
        let wait = if has_others { MINUTE } else { backoff(rounds) };
        let wait = if kind == SetbackKind::Denied && !has_others { wait.max(DAY) } else { wait };
        self.setback = Some(Setback { failures, again_at: later(now, wait), why: why.to_owned(), kind });
    }
}

impl Noticed {
    /// Whether an agreement is with one of these hubs, of this topic.
    fn names(&self, agreement: &Agreement) -> bool {
        self.topic == agreement.topic && self.hubs.contains(&agreement.hub)
    }
}

impl Lease {
    fn renewed_at(self) -> Timestamp {
        let half = self.until.micros_since(self.since).max(0) / 2;
        self.until.saturating_add_micros(-micros(RENEWED_BEFORE).min(half))
    }
}

/// How an agreement ends: while the hub tells, it is asked not to.
fn farewell(agreement: &Agreement, lasts: bool, now: Timestamp) -> Step {
    let waits = agreement.pending.is_some_and(|pending| {
        pending.mode == Mode::Unsubscribe && now.micros_since(pending.since) < micros(UNANSWERED)
    });
    match (lasts, waits) {
        (false, _) => Step::Forget,
        (true, true) => Step::Rest,
        (true, false) if agreement.farewells >= FAREWELLS => Step::Forget,
        (true, false) => Step::Ask(Mode::Unsubscribe),
    }
}

fn backoff(rounds: u32) -> Duration {
    FIRST_BACKOFF.saturating_mul(1 << rounds.saturating_sub(1).min(16)).min(LONGEST_BACKOFF)
}

fn later(at: Timestamp, by: Duration) -> Timestamp {
    at.saturating_add_micros(micros(by))
}

fn micros(length: Duration) -> i64 {
    i64::try_from(length.as_micros()).unwrap_or(i64::MAX)
}

#[cfg(test)]
mod tests;
