//! Two processes collect the same feeds into one store: each thing is stored once, and nobody is told of an error.

use std::collections::HashMap;
use std::process::{Child, Stdio};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use feedspine::core::Json;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, number, rss, text};

const FEEDS: usize = 50;
/// Items that every feed lists, and items that are a feed's own.
const SHARED: usize = 5;
const OWN: usize = 5;

/// Where both processes must have arrived before one of them goes on.
#[derive(Debug, Default)]
struct Meeting {
    arrived: Mutex<HashMap<String, usize>>,
    changed: Condvar,
}

impl Meeting {
    /// Waits for the other; one who is alone goes on after a while, and the test says so.
    fn arrive(&self, place: &str) {
        let mut arrived = self.arrived.lock().expect("nobody panicked");
        *arrived.entry(place.to_owned()).or_default() += 1;
        self.changed.notify_all();
        let alone = |arrived: &mut HashMap<String, usize>| arrived.get(place).is_some_and(|number| number % 2 == 1);
        let waited = self.changed.wait_timeout_while(arrived, Duration::from_secs(20), alone);
        drop(waited.expect("nobody panicked"));
    }
}

/// Two processes of one user collect fifty feeds that share a namespace and half of their items, twice.
pub(crate) fn two_processes_collect_into(user: &User, db: &str) {
    let (turn, meeting) = (Arc::new(AtomicUsize::new(0)), Meeting::default());
    let site = Site::start({
        let turn = Arc::clone(&turn);
        move |asked| {
            let turn = turn.load(Ordering::SeqCst);
            // Both ask for a feed before either is answered: both commit what they read at the same time.
            meeting.arrive(&format!("{turn} {}", asked.path));
            document(&asked.path, turn)
        }
    });
    for feed in 0..FEEDS {
        let (url, name) = (site.url(&format!("/{feed}")), format!("feed-{feed:02}"));
        let words =
            ["add", &url, "--as-is", "--name", &name, "--namespace", "wire", "--allow-private", "--db", db, "-q"];
        let added = user.run(&words);
        assert_eq!((added.code, added.stderr.as_str()), (0, ""));
    }
    for (round, title) in [(1, "first"), (2, "second")] {
        let reports = [collect(user, db), collect(user, db)].map(|child| reported(child, db));
        for feed in 0..FEEDS {
            let outcomes = [0, 1].map(|process| text(&reports[process], &format!("feeds.{feed}.outcome")));
            let stored = outcomes.iter().filter(|outcome| **outcome != "superseded").count();
            assert_eq!(stored, 1, "feed {feed} of round {round}: {outcomes:?}");
        }
        assert_once(user, db, round, title);
        turn.fetch_add(1, Ordering::SeqCst);
    }
}

fn document(path: &str, turn: usize) -> Reply {
    let titles = ["first", "second"];
    let shared = (0..SHARED).map(|item| format!("shared-{item}"));
    let own = (0..OWN).map(|item| format!("{}-{item}", &path[1..]));
    let keys: Vec<String> = shared.chain(own).collect();
    let items: Vec<(&str, &str)> = keys.iter().map(|key| (key.as_str(), titles[turn])).collect();
    Reply::ok(rss(&items))
}

fn collect(user: &User, db: &str) -> Child {
    let mut command = user.command(&["collect", "--json", "--db", db]);
    command.env("FEEDSPINE_FETCH_HOST_IN_FLIGHT", "8").env("FEEDSPINE_FETCH_CONCURRENCY", "8");
    command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().expect("the binary runs")
}

/// Its report; it was told of no error.
fn reported(child: Child, db: &str) -> Json {
    let ran = Ran::of(&child.wait_with_output().expect("the binary ends"));
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{db}: {}", ran.stdout);
    let report = ran.json();
    assert_eq!((list(&report, "feeds").len(), number(&report, "failed")), (FEEDS, 0), "{report}");
    assert!(list(&report, "feeds").iter().all(|feed| at(feed, "error") == &Json::Null), "{report}");
    report
}

/// One record for each key, at its newest version; one observation for each feed and round.
fn assert_once(user: &User, db: &str, round: u64, title: &str) {
    let records = user.ask(&["list", "--limit", "1000", "--db", db]);
    let records = list(&records, "items");
    let mut keys: Vec<&str> = records.iter().map(|record| text(record, "key")).collect();
    keys.sort_unstable();
    keys.dedup();
    assert_eq!((records.len(), keys.len()), (SHARED + FEEDS * OWN, SHARED + FEEDS * OWN));
    for record in records {
        assert_eq!((number(record, "version"), text(record, "content.title")), (round, title), "{record}");
    }
    for feed in ["feed-00", "feed-49"] {
        let shown = user.ask(&["feed", "show", feed, "--db", db]);
        assert_eq!(number(&shown, "ledger.observations"), round);
        assert_eq!(number(&shown, "ledger.counts.seen"), round * (SHARED + OWN) as u64);
    }
    let seen = user.ask(&["show", "shared-0", "--db", db]);
    assert_eq!(number(&seen, "seen.count"), round * FEEDS as u64);
}
