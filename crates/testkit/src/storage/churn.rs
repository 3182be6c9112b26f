//! Records whose every version says the same: how many of them are kept, and what is counted of the rest.

use feedspine_core::{Candidate, FeedId, HashRule, IngestBatch, JsonPath, Outcome, RecordWrite};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure, ensure_eq};
use crate::script::{at, delta, feed, fetch, item, item_of, observed, part, snapshot, write};

checks! { Subject, "churn":
    minor_versions_are_kept_as_any_other: "P4", "A content that differs in markup, white space or the date of its update alone is a version.";
    of_a_record_that_churns_one_minor_version_a_day_is_kept: "Versions",
        "After 24 minor versions in a row one more is kept a day after the last; sightings between them show the current one.";
    what_says_something_else_is_always_kept: "Versions", "A record that churns gets each version that is not minor, at once.";
    another_version_ends_it: "Versions", "A record churns when its last 24 versions were all minor: one that is not begins the count anew.";
    what_is_held_back_is_counted_each_time: "Versions",
        "The ledger counts contents that were held back among the unchanged, also when the same bytes come again.";
    what_stays_is_kept_after_a_day: "P4", "Content that was held back and stays is a version as soon as a day is over.";
    a_delta_holds_back_alike: "Versions", "Point sightings of a record that churns show its current version.";
    parts_hold_back_alike: "Versions",
        "A document in several parts holds back what one part would; told again in a later part it is repeated.";
    a_replay_says_what_was_held_back: "P5", "A batch that comes again is answered with the counts of its first time.";
    feeds_churn_one_record_together: "Versions", "Versions count whichever feed brought them.";
    a_version_written_by_a_call_is_not_minor: "Versions", "It begins the count anew, whatever it says.";
    long_contents_never_churn: "Versions", "Each version of more than 64 KiB is kept.";
    a_version_of_the_future_holds_nothing_back: "Versions", "A version that was recorded later than a batch is not the last day's.";
    volatile_fields_say_nothing: "Versions", "Fields that the hash rule leaves out are left out of what a version says.";
}

/// Minor versions in a row after which a record churns.
const MINOR: u32 = 24;

/// An item that says the same at each poll, and never with the same bytes.
fn noisy(number: u32) -> Candidate {
    item("a", &format!("Fish <!-- {number} -->&amp;\n chips"))
}

/// Polls 1 to `last`, an hour apart, with new bytes in each: versions, and how many were held back.
async fn poll(store: &Subject, polls: impl IntoIterator<Item = u32>) -> Verdict<(usize, u64)> {
    let mut held_back = 0;
    for number in polls {
        let counts = store.take(snapshot(number, vec![noisy(number)])).await?.counts;
        ensure_eq!(counts.new + counts.changed + counts.unchanged, 1, "items of poll {number}");
        ensure!(counts.held_back <= counts.unchanged, "poll {number} holds back what it takes for changed");
        held_back += counts.held_back;
    }
    Ok((store.versions("a").await?.len(), held_back))
}

async fn minor_versions_are_kept_as_any_other(store: Subject) -> Verdict {
    let contents = [
        r#"{"title":"Fish & chips","updated":"2026-01-01"}"#,
        r#"{"title":"Fish & chips","updated":"2026-01-02"}"#,
        r#"{"title":"<b>Fish</b> &amp; chips","updated":"2026-01-02"}"#,
        r#"{"title":"<b>Fish</b>  &amp; chips","updated":"2026-01-02"}"#,
    ];
    for (number, json) in (1..).zip(contents) {
        let counts = store.take(snapshot(number, vec![item_of("a", json)])).await?.counts;
        ensure_eq!((counts.new + counts.changed, counts.held_back), (1, 0), "what poll {number} counts");
    }
    let versions = store.versions("a").await?;
    ensure_eq!(versions.iter().map(|version| version.content.as_str()).collect::<Vec<_>>(), contents, "versions");
    Ok(())
}

async fn of_a_record_that_churns_one_minor_version_a_day_is_kept(store: Subject) -> Verdict {
    ensure_eq!(poll(&store, 1..=MINOR + 1).await?, (MINOR as usize + 1, 0), "25 polls");
    ensure_eq!(poll(&store, MINOR + 2..=2 * MINOR).await?, (MINOR as usize + 1, 23), "the next 23 hours");
    let report = store.take(snapshot(49, vec![noisy(49)])).await?;
    ensure_eq!((report.counts.changed, report.counts.held_back), (1, 0), "a day after the last version");
    ensure_eq!(poll(&store, 50..=72).await?, (MINOR as usize + 2, 23), "the day after that");
    let shown: Vec<Option<u32>> = store.sighted("a").await?.into_iter().map(|(_, _, version)| version).collect();
    let right = (1..=72).map(|poll: u32| Some(if poll < 49 { poll.min(25) } else { 26 })).collect::<Vec<_>>();
    ensure_eq!(shown, right, "the versions that sightings show");
    ensure_eq!(store.log().await?.len(), 26, "changes");
    Ok(())
}

async fn what_says_something_else_is_always_kept(store: Subject) -> Verdict {
    poll(&store, 1..=30).await?;
    let report = store.take(snapshot(31, vec![item("a", "Fish and crisps")])).await?;
    ensure_eq!((report.counts.changed, report.counts.held_back), (1, 0), "an edit");
    ensure_eq!(store.record("a").await?.version.get(), 26, "the current version");
    Ok(())
}

async fn another_version_ends_it(store: Subject) -> Verdict {
    poll(&store, 1..=30).await?;
    store.take(snapshot(31, vec![item("a", "Fish and crisps")])).await?;
    // The first says something else than the edit, and 24 minor ones follow.
    ensure_eq!(poll(&store, 32..=56).await?, (26 + 25, 0), "25 polls after the edit");
    ensure_eq!(poll(&store, 57..=60).await?, (26 + 25, 4), "the polls after those");
    Ok(())
}

async fn what_is_held_back_is_counted_each_time(store: Subject) -> Verdict {
    poll(&store, 1..=25).await?;
    for number in 26..=29 {
        let items = vec![noisy(26), item("b", "quiet")];
        let counts = store.take(snapshot(number, items)).await?.counts;
        ensure_eq!((counts.seen, counts.held_back), (2, 1), "what poll {number} counts");
    }
    let ledger = store.ledger(feed(1)).await?;
    let counted: Vec<(u64, u64)> =
        ledger.iter().rev().take(4).map(|row| (row.counts.unchanged, row.counts.held_back)).collect();
    ensure_eq!(counted, [(2, 1), (2, 1), (2, 1), (1, 1)], "the last rows of the ledger, unchanged and held back");
    ensure_eq!(ledger.iter().map(|row| row.counts.held_back).sum::<u64>(), 4, "held back in all");
    Ok(())
}

async fn what_stays_is_kept_after_a_day(store: Subject) -> Verdict {
    poll(&store, 1..=25).await?;
    for number in 26..=50 {
        let counts = store.take(snapshot(number, vec![noisy(26)])).await?.counts;
        let right = match number {
            26..49 => (0, 1),
            49 => (1, 0),
            _ => (0, 0),
        };
        ensure_eq!((counts.changed, counts.held_back), right, "what poll {number} counts");
    }
    ensure_eq!(store.record("a").await?.content, noisy(26).content, "the current content");
    Ok(())
}

async fn a_delta_holds_back_alike(store: Subject) -> Verdict {
    for number in 1..=27 {
        let counts = store.take(delta(number, vec![noisy(number)])).await?.counts;
        ensure_eq!(counts.held_back, u64::from(number > 25), "what delta {number} holds back");
    }
    let shown: Vec<_> = store.sighted("a").await?.into_iter().rev().take(3).collect();
    let right = [27, 26, 25].map(|number| (feed(1), fetch(number), Some(25)));
    ensure_eq!(shown, right, "the last sightings");
    Ok(())
}

async fn parts_hold_back_alike(store: Subject) -> Verdict {
    poll(&store, 1..=25).await?;
    store.take(part(0, false, 0, snapshot(26, vec![item("b", "x")]))).await?;
    store.take(part(1, false, 1, snapshot(26, vec![noisy(26)]))).await?;
    // Equal content, that of the version which is shown, and what says something else.
    let later = [(noisy(26), Outcome::Repeated), (noisy(25), Outcome::Repeated), (item("a", "x"), Outcome::Collided)];
    for (index, (item, outcome)) in (2..).zip(later) {
        let batch = part(index, false, index, snapshot(26, vec![item]));
        let report = store.take(batch.clone()).await?;
        ensure_eq!(report.outcomes, [outcome], "what part {index} tells again");
        ensure_eq!(store.ingest(batch).await?.outcomes, [outcome], "the same of part {index} when it comes again");
    }
    let last = store.take(part(5, true, 5, snapshot(26, vec![item("c", "x")]))).await?;
    ensure_eq!(
        (last.counts.new, last.counts.withdrawn + last.counts.scrolled_off),
        (1, 0),
        "what the last part counts"
    );
    let counts = store.ledger(feed(1)).await?.last().map(|row| row.counts);
    ensure_eq!(
        counts.map(|counts| (counts.seen, counts.new, counts.unchanged, counts.held_back)),
        Some((4, 2, 1, 1)),
        "the fetch"
    );
    ensure_eq!(
        counts.map(|counts| (counts.repeated, counts.rejected)),
        Some((2, 1)),
        "what the fetch told again, and what differed"
    );
    ensure_eq!(store.sighted("a").await?.last().copied(), Some((feed(1), fetch(26), Some(25))), "the last sighting");
    Ok(())
}

async fn a_replay_says_what_was_held_back(store: Subject) -> Verdict {
    poll(&store, 1..=25).await?;
    let first = store.take(snapshot(26, vec![noisy(26)])).await?;
    let again = store.ingest(snapshot(26, vec![noisy(26)])).await?;
    ensure!(again.replayed, "the same batch is a replay");
    ensure_eq!((again.counts, again.outcomes.clone()), (first.counts, first.outcomes.clone()), "the answer");
    ensure_eq!((first.outcomes, first.counts.held_back), (vec![Outcome::Unchanged], 1), "the first answer");
    Ok(())
}

async fn feeds_churn_one_record_together(store: Subject) -> Verdict {
    let of = |id: FeedId, number: u32| IngestBatch { feed: id, ..snapshot(number, vec![noisy(number)]) };
    let mut held_back = 0;
    for number in 1..=30 {
        held_back += store.take(of(feed(u128::from(number % 2) + 1), number)).await?.counts.held_back;
    }
    ensure_eq!((store.versions("a").await?.len(), held_back), (25, 5), "versions, and how many were held back");
    Ok(())
}

async fn a_version_written_by_a_call_is_not_minor(store: Subject) -> Verdict {
    poll(&store, 1..=30).await?;
    let record = store.record("a").await?;
    let same =
        RecordWrite { id: record.id, content: noisy(31).content, recorded_at: observed(31), ..write(0, "a", "") };
    store.put_many(vec![same]).await?;
    // It is the first of 25 that say the same.
    ensure_eq!(poll(&store, 32..=55).await?, (26 + 24, 0), "24 polls after the call");
    ensure_eq!(poll(&store, 56..=60).await?, (26 + 24, 5), "the polls after those");
    Ok(())
}

async fn long_contents_never_churn(store: Subject) -> Verdict {
    // Just as long as may churn, and one byte longer; two bytes to a character.
    for (name, first, further, held_back) in [("a", 1, 0, 5), ("b", 31, 1, 0)] {
        let mut found = 0;
        for number in first..first + 30 {
            let frame = item(name, "").content.as_str().len() + format!("<!-- {number:02} -->").len();
            let most = 64 * 1024 - frame;
            let title = format!("<!-- {number:02} -->{}{}", "é".repeat(most / 2), "x".repeat(most % 2 + further));
            found += store.take(delta(number, vec![item(name, &title)])).await?.counts.held_back;
        }
        ensure_eq!(found, held_back, "versions of {name} that were held back");
    }
    Ok(())
}

async fn a_version_of_the_future_holds_nothing_back(store: Subject) -> Verdict {
    poll(&store, 1..=25).await?;
    let before = IngestBatch { recorded_at: at(0), ..snapshot(26, vec![noisy(26)]) };
    let counts = store.take(before).await?.counts;
    ensure_eq!((counts.changed, counts.held_back), (1, 0), "what was recorded before the last version");
    Ok(())
}

async fn volatile_fields_say_nothing(store: Subject) -> Verdict {
    let hash_rule = HashRule::without(vec![JsonPath::parse("views").map_err(crate::Failure::broken)?]);
    let mut counted = Vec::new();
    for number in 1..=27_u32 {
        let json = format!(r#"{{"title":"x<!-- {number} -->","views":{number}}}"#);
        let batch = IngestBatch { hash_rule: hash_rule.clone(), ..snapshot(number, vec![item_of("a", &json)]) };
        counted.push(store.take(batch).await?.counts.held_back);
    }
    ensure_eq!(counted.iter().sum::<u64>(), 2, "held back");
    let newest = store.versions("a").await?.last().map(|version| version.recorded_at);
    ensure!(newest < Some(observed(26)) && newest > Some(at(0)), "the last version is that of poll 25: {newest:?}");
    Ok(())
}
