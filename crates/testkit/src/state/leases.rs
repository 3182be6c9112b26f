//! Leases: which daemon asks which host, and what becomes of the fetches of one that stood still.
//!
//! A store may go by its own clock, which no check can move: a lease of an hour is held, and one of no time has run out.

use feedspine_core::{FetchStatus, HolderId, Lease, LeaseRequest};

use super::Subject;
use super::subject::{LONG, intent, request, slot, token};
use crate::check::{checks, ensure, ensure_eq};
use crate::script::at;
use crate::{Failure, Verdict};

checks! { Subject, "leases":
    a_host_that_nobody_holds_is_granted: "Leases", "Free hosts are granted under token 1, answered and listed by host.";
    a_held_host_is_left_out: "Leases", "A host that somebody else holds is not granted, and stays as it is; others of the call are granted.";
    a_holder_goes_on_under_its_token: "Leases", "A holder's own lease is prolonged under its token, also one that ran out.";
    a_lease_that_ran_out_changes_hands: "Leases", "A lease that ran out is granted to another, under the next token.";
    a_lease_runs_out_by_one_clock: "Leases", "A lease runs out at the instant it says, by the clock it was granted by.";
    earlier_fetches_of_a_host_that_changes_hands_are_interrupted: "P7",
        "Fetches that run under the earlier lease are marked interrupted when a host changes hands, and no others.";
    prolonging_interrupts_nothing: "Leases", "A lease that is prolonged leaves its fetches running.";
    a_host_that_was_given_back_is_free: "Leases", "A host that was given back keeps its token, and is granted under the next.";
    nobody_gives_back_what_another_holds: "Leases", "Giving back a host that another holds, or nobody, does nothing.";
    one_of_many_who_ask_at_once_is_granted: "P3", "Of many who ask for hosts at once, in whatever order, one is granted each.";
    leases_outlive_the_process: "P1", "Leases and their tokens are there when the store is opened again.";
}

async fn a_host_that_nobody_holds_is_granted(store: Subject) -> Verdict {
    ensure_eq!(store.leases().await?, [], "leases of a fresh store");
    ensure_eq!(store.lease_hosts(&request("a", &[], LONG)).await?, [], "leases of no host");
    let hosts = ["example.org", "b.example", "xn--rksmrgs-5wao1o.example", "[2001:db8::1]:8443", "B.example"];
    let granted = store.lease_hosts(&request("a", &hosts, LONG)).await?;
    let mut right = hosts.map(|host| token(host, 1));
    right.sort_by(|one, other| one.host.cmp(&other.host));
    ensure_eq!(granted.iter().map(|lease| lease.token.clone()).collect::<Vec<_>>(), right, "tokens");
    let holder = Some(HolderId("a".to_owned()));
    ensure!(granted.iter().all(|lease| lease.holder == holder), "another holds them: {granted:?}");
    ensure_eq!(store.leases().await?, granted, "leases as they are listed");
    Ok(())
}

async fn a_held_host_is_left_out(store: Subject) -> Verdict {
    store.lease("a", &["one", "two"], LONG).await?;
    let before = store.leases().await?;
    ensure_eq!(store.lease("b", &["three", "two", "one"], LONG).await?, [token("three", 1)], "what is granted");
    ensure_eq!(store.lease("b", &["two"], 0).await?, [], "what is granted, asked again");
    let held: Vec<Lease> = store.leases().await?.into_iter().filter(|lease| lease.token.host != "three").collect();
    ensure_eq!(held, before, "the leases of the one who was first");
    Ok(())
}

async fn a_holder_goes_on_under_its_token(store: Subject) -> Verdict {
    let first = store.lease_hosts(&request("a", &["one"], 0)).await?.remove(0);
    let second = store.lease_hosts(&request("a", &["one"], LONG)).await?.remove(0);
    ensure_eq!(second.token, first.token, "the token, after the lease ran out");
    ensure!(second.until > first.until, "it is no longer than before: {second:?}");
    let third = store.lease_hosts(&request("a", &["one"], 2 * LONG)).await?.remove(0);
    ensure_eq!(third.token, first.token, "the token, while the lease held");
    ensure!(third.until > second.until, "it is no longer than before: {third:?}");
    ensure_eq!(store.leases().await?, [third], "leases");
    Ok(())
}

async fn a_lease_that_ran_out_changes_hands(store: Subject) -> Verdict {
    store.lease("a", &["one", "two"], 0).await?;
    for (number, holder) in (2..).zip(["b", "a", "b"]) {
        ensure_eq!(store.lease(holder, &["one"], 0).await?, [token("one", number)], "what {holder} is granted");
    }
    store.lease("b", &["one"], LONG).await?;
    ensure_eq!(store.lease("a", &["one"], LONG).await?, [], "what the one before is granted");
    let tokens: Vec<_> = store.leases().await?.into_iter().map(|lease| lease.token).collect();
    ensure_eq!(tokens, [token("one", 4), token("two", 1)], "tokens");
    Ok(())
}

async fn a_lease_runs_out_by_one_clock(store: Subject) -> Verdict {
    let granted = store.lease_hosts(&request("a", &["one"], LONG)).await?.remove(0);
    if granted.until != at(0).saturating_add_micros(LONG) {
        return Err(Failure::does_not_apply("the store goes by its own clock, which no check can move"));
    }
    let ask =
        |micros| LeaseRequest { now: granted.until.saturating_add_micros(micros), ..request("b", &["one"], LONG) };
    ensure_eq!(store.lease_hosts(&ask(-1)).await?, [], "what is granted, an instant before");
    let tokens: Vec<_> = store.lease_hosts(&ask(0)).await?.into_iter().map(|lease| lease.token).collect();
    ensure_eq!(tokens, [token("one", 2)], "what is granted then");
    Ok(())
}

async fn earlier_fetches_of_a_host_that_changes_hands_are_interrupted(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10), (2, 10), (3, 10), (4, 10)]).await?;
    let tokens = store.lease("a", &["one", "two"], 0).await?;
    store.begin_fetch(&intent(1, 1), Some(&slot(&tokens[0], 10))).await?;
    store.begin_fetch(&intent(2, 2), Some(&slot(&tokens[0], 10))).await?;
    store.begin_fetch(&intent(3, 3), Some(&slot(&tokens[1], 10))).await?;
    store.begin_fetch(&intent(4, 4), None).await?;
    store.finish_fetch(intent(2, 2).fetch, &super::detail(FetchStatus::Captured, 2), None).await?;
    let taken = store.lease_hosts(&request("b", &["one"], 0)).await?.remove(0);
    let interrupted = store.fetches(1).await?.remove(0).detail;
    let Some(interrupted) = interrupted else { return Err(Failure::broken("the fetch under the earlier lease runs")) };
    ensure_eq!(interrupted.status, FetchStatus::Interrupted, "how it ended");
    ensure_eq!(interrupted.finished_at, taken.until, "when it was found to be dead");
    let numbers = (interrupted.http_status, interrupted.wire_bytes, interrupted.body_bytes, interrupted.duration_ms);
    ensure_eq!(numbers, (None, 0, 0, 0), "what is known of it");
    ensure_eq!(store.statuses(2).await?, [Some(FetchStatus::Captured)], "how one ended that had ended before");
    ensure_eq!(store.statuses(3).await?, [None], "how one of another host ended");
    ensure_eq!(store.statuses(4).await?, [None], "how one of no host ended");
    Ok(())
}

async fn prolonging_interrupts_nothing(store: Subject) -> Verdict {
    store.scheduled(&[(1, 10)]).await?;
    let tokens = store.lease("a", &["one"], 0).await?;
    store.begin_fetch(&intent(1, 1), Some(&slot(&tokens[0], 10))).await?;
    store.lease("a", &["one"], LONG).await?;
    store.lease("b", &["one", "two"], LONG).await?;
    ensure_eq!(store.statuses(1).await?, [None], "how the fetch ended");
    Ok(())
}

async fn a_host_that_was_given_back_is_free(store: Subject) -> Verdict {
    store.lease("a", &["one", "three", "two"], LONG).await?;
    let given_back = ["one".to_owned(), "two".to_owned(), "never leased".to_owned()];
    store.release_hosts(&HolderId("a".to_owned()), &given_back).await?;
    let found: Vec<_> = store.leases().await?.into_iter().map(|lease| (lease.token, lease.holder)).collect();
    let holder = Some(HolderId("a".to_owned()));
    ensure_eq!(found, [(token("one", 1), None), (token("three", 1), holder), (token("two", 1), None)], "leases");
    let granted = store.lease("b", &["one", "three", "two"], LONG).await?;
    ensure_eq!(granted, [token("one", 2), token("two", 2)], "what another is granted then");
    Ok(())
}

async fn nobody_gives_back_what_another_holds(store: Subject) -> Verdict {
    store.lease("a", &["one"], LONG).await?;
    let before = store.leases().await?;
    store.release_hosts(&HolderId("b".to_owned()), &["one".to_owned(), "two".to_owned()]).await?;
    store.release_hosts(&HolderId("a".to_owned()), &["two".to_owned()]).await?;
    store.release_hosts(&HolderId("a".to_owned()), &[]).await?;
    ensure_eq!(store.leases().await?, before, "leases");
    Ok(())
}

async fn one_of_many_who_ask_at_once_is_granted(store: Subject) -> Verdict {
    let hosts = ["d", "a", "c", "b"];
    let asking: Vec<_> = (0..12)
        .map(|number: usize| {
            let store = store.handle();
            let mut hosts = hosts;
            hosts.rotate_left(number % 4);
            tokio::spawn(async move { store.lease_hosts(&request(&format!("holder {number}"), &hosts, LONG)).await })
        })
        .collect();
    let mut granted = Vec::new();
    for asking in asking {
        granted.extend(asking.await.map_err(Failure::broken)??);
    }
    granted.sort_by(|one, other| one.token.host.cmp(&other.token.host));
    let tokens: Vec<_> = granted.iter().map(|lease| lease.token.clone()).collect();
    ensure_eq!(tokens, ["a", "b", "c", "d"].map(|host| token(host, 1)), "what is granted, of all");
    ensure_eq!(store.leases().await?, granted, "leases");
    Ok(())
}

async fn leases_outlive_the_process(store: Subject) -> Verdict {
    store.lease("a", &["one"], 0).await?;
    store.lease("b", &["one", "two"], LONG).await?;
    let before = store.leases().await?;
    let store = store.reopened().await?;
    ensure_eq!(store.leases().await?, before, "leases");
    ensure_eq!(store.lease("c", &["one"], LONG).await?, [], "what another is granted");
    Ok(())
}
