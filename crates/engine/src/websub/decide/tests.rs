use super::*;

const HOUR: u64 = 3_600;
const TOPIC: &str = "https://a.example/feed";
const BASE: &str = "https://f.example";
const WISHED: Wish<'_> = Wish::Yes { callback: BASE };

fn at(seconds: u64) -> Timestamp {
    later("2026-11-27T12:00:00Z".parse().unwrap(), Duration::from_secs(seconds))
}

fn hubs(count: usize) -> Subscription {
    let hubs = (1..=count).map(|hub| format!("https://h{hub}.example/")).collect();
    let noticed = Noticed { hubs, topic: TOPIC.to_owned() };
    Subscription { noticed, ..Subscription::default() }
}

fn begun(subscription: &Subscription, now: Timestamp) -> Subscription {
    subscription.begun(BASE, Secret::drawn([1, 2]), Secret::drawn([3, 4]), now).unwrap()
}

/// One that a hub granted at the beginning, for so many seconds.
fn granted(count: usize, seconds: u64) -> Subscription {
    begun(&hubs(count), at(0)).verify("subscribe", TOPIC, Some(seconds), at(0)).unwrap()
}

fn lease(subscription: &Subscription) -> Option<u64> {
    let lease = subscription.agreement.as_ref()?.lease?;
    u64::try_from(lease.until.micros_since(at(0)) / 1_000_000).ok()
}

#[test]
fn a_hub_is_asked_once_its_feed_is_to_be_told_of_and_then_waited_for() {
    let asked = begun(&hubs(1), at(0));
    for (subscription, wish, now, expected) in [
        (&hubs(1), WISHED, 0, Step::Begin),
        (&hubs(1), Wish::No, 0, Step::Rest),
        (&hubs(1), Wish::Unreachable, 0, Step::Rest),
        (&Subscription::default(), WISHED, 0, Step::Rest),
        (&asked, WISHED, 0, Step::Rest),
        (&asked, WISHED, 899, Step::Rest),
        (&asked, WISHED, 900, Step::Unanswered),
        (&asked, Wish::No, 1, Step::Forget),
        (&asked, Wish::Unreachable, 1, Step::Forget),
    ] {
        assert_eq!(subscription.step(wish, at(now)), expected, "{wish:?} {now}");
    }
}

#[test]
fn a_lease_is_renewed_two_hours_before_its_end_or_at_its_half() {
    for (granted_for, taken, before, due) in [
        (864_000, 864_000, 864_000 - 2 * HOUR - 1, 864_000 - 2 * HOUR),
        (4 * HOUR, 4 * HOUR, 2 * HOUR - 1, 2 * HOUR),
        (HOUR, HOUR, HOUR / 2 - 1, HOUR / 2),
        // Clamped: five minutes at least, fourteen days at most.
        (1, 300, 149, 150),
        (0, 300, 149, 150),
        (u64::MAX, 14 * 24 * HOUR, 14 * 24 * HOUR - 2 * HOUR - 1, 14 * 24 * HOUR - 2 * HOUR),
    ] {
        let subscription = granted(1, granted_for);
        assert_eq!(lease(&subscription), Some(taken), "{granted_for}");
        assert_eq!(subscription.told_until(at(taken - 1)), Some(at(taken)), "{granted_for}");
        assert_eq!(subscription.told_until(at(taken)), None, "{granted_for}");
        assert_eq!(subscription.step(WISHED, at(before)), Step::Rest, "{granted_for}");
        assert_eq!(subscription.step(WISHED, at(due)), Step::Ask(Mode::Subscribe), "{granted_for}");
        let renewing = subscription.asking(Mode::Subscribe, BASE, at(due));
        assert_eq!(renewing.step(WISHED, at(due)), Step::Rest, "{granted_for}");
        // What holds is held on to meanwhile, with the same token and secret.
        assert_eq!(lease(&renewing), Some(taken), "{granted_for}");
        let renewed = renewing.verify("subscribe", TOPIC, Some(granted_for), at(due)).unwrap();
        assert_eq!(lease(&renewed), Some(taken + due), "{granted_for}");
        let [before, after] = [&subscription, &renewed].map(|one| one.agreement.clone().unwrap());
        assert_eq!((before.token, before.secret), (after.token, after.secret), "{granted_for}");
    }
    let silent = begun(&hubs(1), at(0)).verify("subscribe", TOPIC, None, at(0)).unwrap();
    assert_eq!(lease(&silent), Some(864_000));
}

#[test]
fn what_is_due_for_longest_is_known() {
    let (held, asked) = (granted(1, 4 * HOUR), begun(&hubs(1), at(0)));
    let renewing = held.asking(Mode::Subscribe, BASE, at(2 * HOUR));
    let failed = renewing.failed("it answered 500", at(2 * HOUR));
    for (subscription, now, since) in [
        (&hubs(1), 7, 7),
        (&asked, 1_000, 900),
        (&held, 3 * HOUR, 2 * HOUR),
        // Somebody changed his mind before it was due.
        (&held, HOUR, HOUR),
        (&renewing, 3 * HOUR, 2 * HOUR + 900),
        (&failed, 3 * HOUR, 2 * HOUR + 900),
    ] {
        assert_eq!(subscription.due_since(at(now)), at(since), "{subscription:?} {now}");
    }
}

#[test]
fn nothing_is_confirmed_that_was_not_asked_for() {
    let (asked, held) = (begun(&hubs(1), at(0)), granted(1, HOUR));
    let leaving = held.asking(Mode::Unsubscribe, BASE, at(9));
    for (subscription, mode, topic, confirmed) in [
        (&asked, "subscribe", TOPIC, true),
        (&asked, "subscribe", "https://a.example/other", false),
        (&asked, "unsubscribe", TOPIC, false),
        (&asked, "Subscribe", TOPIC, false),
        (&asked, "", TOPIC, false),
        (&hubs(1), "subscribe", TOPIC, false),
        (&held, "unsubscribe", TOPIC, false),
        (&held, "subscribe", "https://a.example/other", false),
        (&leaving, "unsubscribe", TOPIC, true),
        (&leaving, "subscribe", TOPIC, false),
    ] {
        let answer = subscription.verify(mode, topic, Some(HOUR), at(10));
        assert_eq!(answer.is_some(), confirmed, "{mode} {topic} {subscription:?}");
    }
    assert_eq!(leaving.verify("unsubscribe", TOPIC, None, at(10)).unwrap().agreement, None);
}

#[test]
fn a_hub_that_did_not_hear_the_answer_is_given_it_again_and_nothing_changes() {
    let held = granted(1, HOUR);
    for (now, confirmed) in [(0, true), (899, true), (900, false)] {
        let again = held.verify("subscribe", TOPIC, Some(9 * HOUR), at(now));
        assert_eq!(again, confirmed.then(|| held.clone()), "{now}");
    }
}

#[test]
fn a_hub_is_relied_on_once_it_told_first_and_until_something_is_found_that_it_had_not_told() {
    let held = granted(1, HOUR);
    let relied = |subscription: &Subscription| subscription.relied_on_until(at(1)).is_some();
    let (known, changed, proven) = (held.told("a", 0, 0), held.told("a", 0, 1), held.told("a", 1, 0));
    assert!(!relied(&held) && !relied(&known) && !relied(&changed) && relied(&proven));
    assert!(proven.relied_on_until(at(HOUR)).is_none());
    let renewed = proven.asking(Mode::Subscribe, BASE, at(9)).verify("subscribe", TOPIC, None, at(10)).unwrap();
    assert!(relied(&renewed) && relied(&renewed.told("b", 0, 0)));
    assert!(!relied(&proven.missed()) && !relied(&proven.missed().told("b", 0, 0)));
    assert!(relied(&proven.missed().told("b", 2, 0)));
    // What it told since the document was read, no 304 confirms.
    assert!(!known.is_read_anew && changed.is_read_anew && proven.is_read_anew && renewed.is_read_anew);
    assert!(proven.forgotten().is_read_anew && !proven.noticing(proven.noticed.clone()).is_read_anew);
}

#[test]
fn the_last_bodies_that_a_hub_told_are_known_again() {
    let told = (0..40).fold(granted(1, HOUR), |held, number| held.told(&number.to_string(), 1, 0));
    let told = told.repeated().agreement.unwrap();
    assert_eq!((told.told.len(), told.told[0].as_str(), told.told[31].as_str(), told.repeated), (32, "8", "39", 1));
}

#[test]
fn hubs_are_asked_in_turn_and_then_more_and_more_rarely() {
    let mut subscription = hubs(2);
    let mut now = 0;
    for (hub, wait) in
        [(1, 60), (2, 900), (1, 60), (2, 1_800), (1, 60), (2, 3_600), (1, 60), (2, 7_200), (1, 60), (2, 14_400)]
    {
        assert_eq!(subscription.step(WISHED, at(now)), Step::Begin);
        let asked = begun(&subscription, at(now));
        assert_eq!(asked.agreement.as_ref().unwrap().hub, format!("https://h{hub}.example/"));
        subscription = asked.failed("it answered 500", at(now));
        assert_eq!(subscription.agreement, None);
        assert_eq!(subscription.step(WISHED, at(now + wait - 1)), Step::Rest, "{hub} {wait}");
        now += wait;
    }
    let setback = Setback { failures: u32::MAX, ..subscription.setback.clone().unwrap() };
    let worn = begun(&Subscription { setback: Some(setback), ..hubs(1) }, at(0)).failed("no", at(0));
    assert_eq!(worn.setback.unwrap().again_at, at(24 * HOUR));
    // Other hubs are other hubs.
    let noticed = Noticed { hubs: vec!["https://new.example/".into()], topic: TOPIC.into() };
    assert_eq!(subscription.noticing(noticed).step(WISHED, at(now - 1)), Step::Begin);
    assert_eq!(subscription.noticing(subscription.noticed.clone()), subscription);
}

#[test]
fn a_renewal_that_fails_is_tried_again_until_the_lease_is_over() {
    let failed = granted(2, 864_000).asking(Mode::Subscribe, BASE, at(857_000)).failed("it answered 500", at(857_000));
    assert_eq!(failed.told_until(at(857_001)), Some(at(864_000)));
    assert_eq!(failed.step(WISHED, at(857_000 + 899)), Step::Rest);
    assert_eq!(failed.step(WISHED, at(857_000 + 900)), Step::Ask(Mode::Subscribe));
    let lapsed = failed.asking(Mode::Subscribe, BASE, at(864_001)).failed("it answered 500", at(864_001));
    assert_eq!(lapsed.agreement, None);
    // The next one is another hub.
    assert_eq!(lapsed.setback.as_ref().unwrap().failures, 2);
}

#[test]
fn a_hub_is_told_good_bye_when_its_feed_is_not_to_be_told_of_any_more() {
    let held = granted(1, 864_000);
    let elsewhere = held.noticing(Noticed { topic: "https://a.example/moved".into(), ..held.noticed.clone() });
    let hubless = held.noticing(Noticed::default());
    let leave = Step::Ask(Mode::Unsubscribe);
    for (subscription, wish, now, expected) in [
        (&held, Wish::No, 1, leave),
        (&elsewhere, WISHED, 1, leave),
        (&hubless, WISHED, 1, leave),
        (&held, Wish::No, 864_000, Step::Forget),
        (&held, Wish::Unreachable, 1, Step::Rest),
        (&held, Wish::Unreachable, 864_000, Step::Forget),
        (&held, Wish::Yes { callback: "https://moved.example" }, HOUR - 1, Step::Rest),
        (&held, Wish::Yes { callback: "https://moved.example" }, HOUR, Step::Ask(Mode::Subscribe)),
    ] {
        assert_eq!(subscription.step(wish, at(now)), expected, "{wish:?} {now}");
    }
    let mut leaving = held.clone();
    for turn in 0..3 {
        assert_eq!(leaving.step(Wish::No, at(turn * 900)), leave);
        leaving = leaving.asking(Mode::Unsubscribe, BASE, at(turn * 900)).failed("it answered 500", at(turn * 900));
        assert_eq!(leaving.step(Wish::No, at(turn * 900 + 899)), Step::Rest);
    }
    assert_eq!(leaving.step(Wish::No, at(2_700)), Step::Forget);
    assert!(
        hubs(0).asking(Mode::Subscribe, BASE, at(0)).noticing(Noticed::default()).forgotten().noticed.hubs.is_empty()
    );
    // Whoever changes his mind asks anew, and with all farewells to come.
    let back = leaving.asking(Mode::Subscribe, BASE, at(2_700));
    assert_eq!(leaving.step(WISHED, at(2_700)), Step::Ask(Mode::Subscribe));
    assert_eq!(back.agreement.unwrap().farewells, 0);
}

#[test]
fn a_denial_is_taken_with_its_reason_and_for_a_day() {
    let held = granted(1, 864_000);
    for (reason, why) in [
        (None, "the hub denied it".to_owned()),
        (Some("not\r\nfor you\u{1b}"), "the hub denied it: not  for you".to_owned()),
        (Some(&*"x".repeat(999)), format!("the hub denied it: {}", "x".repeat(200))),
    ] {
        let denied = held.denied(TOPIC, reason, at(0)).unwrap();
        let setback = denied.setback.clone().unwrap();
        assert_eq!((setback.why, setback.kind), (why, SetbackKind::Denied));
        assert_eq!(denied.told_until(at(1)), None);
        assert_eq!(denied.step(WISHED, at(24 * HOUR - 1)), Step::Rest);
        assert_eq!(denied.step(WISHED, at(24 * HOUR)), Step::Begin);
    }
    assert_eq!(held.denied("https://a.example/other", None, at(0)), None);
    assert_eq!(hubs(1).denied(TOPIC, None, at(0)), None);
    // Of several hubs another one may say yes.
    assert_eq!(granted(2, HOUR).denied(TOPIC, None, at(0)).unwrap().step(WISHED, at(60)), Step::Begin);
}
