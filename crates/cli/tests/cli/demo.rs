//! `feedspine demo`, as a newcomer runs it.

use feedspine::core::Json;

use crate::support::{User, at, list, number, text};

/// The counts that a round's report gives for a feed, those that are zero left out.
fn told(round: &Json, feed: &str) -> String {
    let report = feed_report(round, feed);
    let Json::Object(counts) = at(report, "counts") else { panic!("counts are an object") };
    let http = at(report, "http_status");
    let told = counts.iter().filter(|(_, count)| **count != Json::from(0_u64));
    let told: Vec<String> = told.map(|(name, count)| format!("{count} {name}")).collect();
    format!("{http} {}: {}", text(report, "outcome"), told.join(", "))
}

fn feed_report<'a>(round: &'a Json, feed: &str) -> &'a Json {
    let feeds = list(round, "report.feeds");
    feeds.iter().find(|report| text(report, "feed") == feed).expect("the feed is reported")
}

#[test]
fn the_demo_reports_edits_withdrawals_304s_and_duplicates_exactly() {
    let user = User::new();
    let dir = user.home().join("demo");
    let ran = user.run(&["demo", "--json", "--dir", dir.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    assert_eq!(ran.stderr, "");
    let document = ran.json();
    let rounds = list(&document, "rounds");
    let expected = [
        [
            ("cafe-miroir", "200 captured: 2 new, 2 seen"),
            ("ferry-times", "200 captured: 2 new, 2 seen"),
            ("ghost-ship", "200 captured: 2 new, 2 seen"),
            ("harbour-log", "200 captured: 3 new, 3 seen"),
            ("lighthouse", "200 captured: 2 new, 2 seen"),
            ("mill-notes", "200 captured: 2 new, 2 seen"),
            ("observatory", "200 captured: 2 new, 2 seen"),
            ("quarry-gazette", "200 captured: 3 new, 3 seen"),
            ("town-council", "200 captured: 4 new, 4 seen"),
            ("weather-mast", "200 captured: 2 new, 2 seen"),
            ("wire-north", "200 captured: 2 new, 2 seen"),
            ("wire-south", "200 captured: 1 seen, 1 unchanged"),
        ],
        [
            ("cafe-miroir", "200 unchanged: 2 seen, 2 unchanged"),
            ("ferry-times", "304 unchanged: 2 seen, 2 unchanged"),
            ("ghost-ship", "500 failed: "),
            ("harbour-log", "200 captured: 1 new, 4 seen, 3 unchanged"),
            ("lighthouse", "200 captured: 1 changed, 2 seen, 1 unchanged"),
            ("mill-notes", "200 captured: 1 new, 3 seen, 2 unchanged"),
            ("observatory", "200 captured: 1 new, 1 rejected, 4 seen, 2 unchanged"),
            ("quarry-gazette", "200 unchanged: 3 seen, 3 unchanged"),
            ("town-council", "304 unchanged: 4 seen, 4 unchanged"),
            ("weather-mast", "304 unchanged: 2 seen, 2 unchanged"),
            ("wire-north", "200 captured: 1 new, 3 seen, 2 unchanged"),
            ("wire-south", "200 captured: 3 seen, 3 unchanged"),
        ],
        [
            ("cafe-miroir", "200 captured: 1 changed, 2 seen, 1 unchanged"),
            ("ferry-times", "200 captured: 1 new, 3 seen, 2 unchanged"),
            ("ghost-ship", "404 failed: "),
            ("harbour-log", "200 captured: 1 new, 1 scrolled_off, 4 seen, 3 unchanged"),
            ("lighthouse", "200 captured: 1 changed, 2 seen, 1 unchanged"),
            ("mill-notes", "200 unchanged: 3 seen, 3 unchanged"),
            ("observatory", "200 captured: 1 new, 4 seen, 3 unchanged"),
            ("quarry-gazette", "200 unchanged: 3 seen, 3 unchanged"),
            ("town-council", "200 captured: 3 seen, 3 unchanged, 1 withdrawn"),
            ("weather-mast", "304 unchanged: 2 seen, 2 unchanged"),
            ("wire-north", "304 unchanged: 3 seen, 3 unchanged"),
            ("wire-south", "200 captured: 1 new, 4 seen, 3 unchanged"),
        ],
        [
            ("cafe-miroir", "200 unchanged: 2 seen, 2 unchanged"),
            ("ferry-times", "304 unchanged: 3 seen, 3 unchanged"),
            ("ghost-ship", "200 unchanged: 2 seen, 2 unchanged"),
            ("harbour-log", "200 unchanged: 4 seen, 4 unchanged"),
            ("lighthouse", "200 unchanged: 2 seen, 2 unchanged"),
            ("mill-notes", "200 unchanged: 3 seen, 3 unchanged"),
            ("observatory", "304 unchanged: 4 seen, 4 unchanged"),
            ("quarry-gazette", "200 unchanged: 3 seen, 3 unchanged"),
            ("town-council", "200 captured: 1 changed, 1 returned, 4 seen, 3 unchanged"),
            ("weather-mast", "200 captured: 1 changed, 2 seen, 1 unchanged"),
            ("wire-north", "200 captured: 4 seen, 4 unchanged"),
            ("wire-south", "304 unchanged: 4 seen, 4 unchanged"),
        ],
    ];
    assert_eq!(rounds.len(), expected.len());
    for (number, (round, feeds)) in rounds.iter().zip(expected).enumerate() {
        for (feed, counts) in feeds {
            assert_eq!(told(round, feed), counts, "{feed} in round {}", number + 1);
        }
    }
    assert_eq!(number(&document, "status.store.records"), 34);
}

#[test]
fn every_command_that_the_demo_suggests_works_when_it_is_pasted_into_a_shell() {
    let user = User::new();
    let dir = user.home().join("it's a demo");
    let ran = user.run(&["demo", "--dir", dir.to_str().unwrap()]);
    assert_eq!(ran.code, 0, "{}", ran.stderr);
    let (_, further) = ran.stdout.split_once("Look further\n").expect("the demo says how to look further");
    let commands: Vec<&str> = further.lines().map(str::trim).filter(|line| !line.starts_with('#')).collect();
    assert!(commands.iter().any(|command| command.contains(" show ") && command.contains(" --db ")));
    for command in commands {
        let output = std::process::Command::new("sh").args(["-c", command]).output().unwrap();
        assert!(output.status.success(), "{command}: {}", String::from_utf8_lossy(&output.stderr));
        assert!(!output.stdout.is_empty(), "{command} says nothing");
    }
}
