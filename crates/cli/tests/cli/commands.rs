//! Every command: what it does, what it says to people, and the shape of its JSON.

use std::process::Stdio;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use feedspine::core::Json;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, members, number, rss, text};

/// A user with one feed that was collected twice: then `b` and `d` have two versions (of `d` the date was edited), `e`
/// is new and `c` was withdrawn.
fn reader() -> User {
    let user = User::new();
    let turn = Arc::new(AtomicUsize::new(0));
    let site = Site::start(move |_| match turn.fetch_add(1, Ordering::SeqCst) {
        0 => Reply::ok(rss(&[("d", "Four"), ("c", "Three"), ("b", "Two"), ("a", "One")])),
        _ => Reply::ok(rss(&[("e", "Five"), ("d", "Four"), ("b", "Two, edited"), ("a", "One")])),
    });
    user.add("news", &site.url("/news.xml"));
    user.ask(&["collect"]);
    user.ask(&["collect"]);
    user
}

fn keys(page: &Json) -> Vec<&str> {
    list(page, "items").iter().map(|record| text(record, "key")).collect()
}

#[test]
fn add_says_what_was_added_and_again_says_so() {
    let user = User::new();
    let added = user.ask(&["add", "https://example.org/feed.xml", "--namespace", "shared"]);
    assert_eq!(members(&added), "discovery feed outcome");
    assert_eq!(
        members(at(&added, "feed")),
        "added_at address allow_private id key_rule name namespace settings status"
    );
    assert_eq!(text(&added, "outcome"), "added");
    assert_eq!(text(&added, "feed.name"), "example.org");
    assert_eq!(text(&added, "feed.namespace"), "shared");
    assert_eq!(text(&user.ask(&["add", "https://example.org/feed.xml"]), "outcome"), "already");
    let ran = user.run(&["add", "https://example.org/other.xml", "--name", "example.org"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("example.org") && ran.stderr.contains("hint: "), "{ran:?}");
}

#[test]
fn adding_an_address_again_otherwise_is_refused_with_what_to_do_instead() {
    let user = User::new();
    user.ask(&["add", "https://example.org/feed.xml"]);
    for (flag, next_step) in
        [("--name", "feedspine feed rename example.org other"), ("--namespace", "feedspine feed rm example.org")]
    {
        let ran = user.run(&["add", "https://example.org/feed.xml", flag, "other"]);
        assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
        assert!(ran.stderr.contains("other") && ran.stderr.contains(next_step), "{ran:?}");
    }
    let feeds = user.ask(&["feed", "list"]);
    assert_eq!(list(&feeds, "items").len(), 1);
    assert_eq!(text(&feeds, "items.0.namespace"), "example.org");
}

#[test]
fn a_file_is_a_feed_as_well() {
    let user = User::new();
    user.file("feeds/local.xml", rss(&[("a", "One")]));
    assert_eq!(user.run(&["add", "feeds/local.xml"]).code, 0);
    let report = user.ask(&["collect"]);
    assert_eq!(text(&report, "feeds.0.feed"), "local");
    assert_eq!(number(&report, "counts.new"), 1);
    assert_eq!(at(&report, "feeds.0.http_status"), &Json::Null);
}

#[test]
fn collect_reports_each_feed_and_the_sum() {
    let site = Site::start(|asked| match asked.path.as_str() {
        "/a" => Reply::ok(rss(&[("1", "One"), ("2", "Two")])),
        "/b" => Reply::ok(rss(&[("1", "One")])),
        _ => Reply::status(500),
    });
    let user = User::new();
    for name in ["a", "b", "c"] {
        user.add(name, &site.url(&format!("/{name}")));
    }
    let report = Ran::of(&user.command(&["collect", "--json"]).output().unwrap());
    assert_eq!(report.code, 3);
    assert_eq!(report.stderr, "");
    let report = report.json();
    assert_eq!(members(&report), "counts duration_ms failed feeds resting");
    assert_eq!(
        members(at(&report, "feeds.0")),
        "body_bytes counts duration_ms error feed fetch http_status next outcome warnings wire_bytes"
    );
    assert_eq!(
        members(at(&report, "counts")),
        "changed gaps held_back new rejected repeated returned scrolled_off seen unchanged withdrawn"
    );
    assert_eq!(members(at(&report, "feeds.2.error")), "code hint kind message");
    assert_eq!((number(&report, "counts.new"), number(&report, "failed")), (3, 1));

    let ran = user.run(&["collect", "a", "b"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    let rows: Vec<Vec<&str>> = ran.stdout.lines().map(|line| line.split_whitespace().collect()).collect();
    let heading = "feed outcome new changed unchanged withdrawn scrolled_off rejected ms bytes";
    assert_eq!(rows[0].join(" "), heading);
    let mut first: Vec<String> = rows[1..3].iter().map(|row| row[..8].join(" ")).collect();
    first.sort_unstable();
    assert_eq!(first, ["a unchanged 0 0 2 0 0 0", "b unchanged 0 0 1 0 0 0"]);
    assert_eq!(rows[3][..8].join(" "), "2 feeds 0 0 3 0 0 0");
}

#[test]
fn paused_feeds_are_not_collected_until_they_are_resumed() {
    let site = Site::start(|_| Reply::ok(rss(&[("a", "One")])));
    let user = User::new();
    user.add("one", &site.url("/1"));
    assert_eq!(text(&user.ask(&["feed", "pause", "one"]), "status"), "paused");
    assert!(list(&user.ask(&["collect", "--all"]), "feeds").is_empty());
    let named = user.run(&["collect", "one"]);
    assert_eq!(named.code, 2, "{named:?}");
    assert!(named.stderr.contains("feed resume one"), "{named:?}");
    assert_eq!(text(&user.ask(&["feed", "resume", "one"]), "status"), "active");
    assert_eq!(number(&user.ask(&["collect", "one"]), "counts.new"), 1);
    assert_eq!(user.run(&["collect", "two"]).code, 5);
}

#[test]
fn status_tells_the_store_and_each_feeds_last_fetch() {
    let user = reader();
    let status = user.ask(&["status"]);
    assert_eq!(members(&status), "feeds store");
    assert_eq!(members(at(&status, "store")), "backend durable records schema_version");
    assert_eq!(members(at(&status, "feeds.0")), "feed last_fetch");
    assert_eq!(
        members(at(&status, "feeds.0.last_fetch.detail")),
        "body_bytes code duration_ms finished_at http_status reason status wire_bytes"
    );
    assert_eq!(number(&status, "store.records"), 5);
    let told = user.run(&["status"]).stdout;
    assert!(told.contains("feedspine/feedspine.db") && told.contains("captured"), "{told}");
}

#[test]
fn list_takes_conditions_an_order_and_goes_on_where_it_ended() {
    let user = reader();
    let page = user.ask(&["list", "--order", "-key", "--limit", "2"]);
    assert_eq!(members(&page), "items next");
    assert_eq!(
        members(at(&page, "items.0")),
        "content content_hash derived_from first_seen id key key_rule layer metadata namespace published \
         recorded_at updated version"
    );
    assert_eq!(keys(&page), ["e", "d"]);
    let rest = user.ask(&["list", "--order", "-key", "--cursor", text(&page, "next")]);
    assert_eq!(keys(&rest), ["c", "b", "a"]);
    assert_eq!(at(&rest, "next"), &Json::Null);
    let other = user.run(&["list", "--order", "key", "--cursor", text(&page, "next")]);
    assert_eq!(other.code, 2, "{other:?}");
    for (conditions, found) in [
        (vec!["content.title~edited"], vec!["b"]),
        (vec!["key>=b", "key<d"], vec!["b", "c"]),
        (vec!["content.title^=F", "key!=e"], vec!["d"]),
        (vec!["namespace=elsewhere"], vec![]),
        (vec!["version>1", "content.title=Four"], vec!["d"]),
        (vec!["content.link"], vec![]),
    ] {
        let mut words = vec!["list", "--order", "key"];
        words.extend(conditions.iter().flat_map(|condition| ["--where", condition]));
        assert_eq!(keys(&user.ask(&words)), found, "{conditions:?}");
    }
    assert_eq!(keys(&user.ask(&["list", "--layer", "gold"])), Vec::<&str>::new());
    let told = user.run(&["list", "--order", "key", "--limit", "1"]);
    assert_eq!(told.stdout.lines().count(), 2, "{told:?}");
    assert!(told.stdout.contains("One") && told.stderr.contains("--cursor "), "{told:?}");
}

#[test]
fn a_condition_that_makes_no_sense_is_told_with_the_fields_that_exist() {
    let user = User::new();
    for words in [["list", "--where", "titel=x"], ["list", "--order", "titel"]] {
        let ran = user.run(&words);
        assert_eq!(ran.code, 2, "{ran:?}");
        let (error, hint) = ran.stderr.split_once('\n').unwrap();
        assert!(error.starts_with("error: ") && error.contains("titel"), "{ran:?}");
        assert!(hint.starts_with("hint: ") && hint.contains("published"), "{ran:?}");
    }
    for (condition, next_step) in [("published>yesterday", "2026-01-31T12:00:00Z"), ("version>x", "version>1")] {
        let ran = user.run(&["list", "--where", condition]);
        assert_eq!(ran.code, 2, "{ran:?}");
        assert!(ran.stderr.starts_with("error: ") && ran.stderr.contains("\nhint: "), "{ran:?}");
        assert!(ran.stderr.contains(next_step), "{ran:?}");
    }
    assert_eq!(user.run(&["list", "--limit", "0"]).code, 2);
    assert_eq!(user.run(&["list", "--cursor", "abc"]).code, 2);
}

#[test]
fn show_finds_a_record_by_id_by_key_and_by_namespace_and_key() {
    let user = reader();
    let by_key = user.ask(&["show", "b"]);
    assert_eq!(members(&by_key), "again aliases departures feeds found_by pushed record seen warnings");
    assert_eq!(members(at(&by_key, "seen")), "count earliest latest");
    assert_eq!(number(&by_key, "seen.count"), 2);
    assert_eq!(text(&by_key, "record.content.title"), "Two, edited");
    assert_eq!(text(&by_key, "found_by"), "key");
    let id = text(&by_key, "record.id");
    assert_eq!(at(&user.ask(&["show", id]), "record"), at(&by_key, "record"));
    assert_eq!(at(&user.ask(&["show", "news b"]), "record"), at(&by_key, "record"));
    let ran = user.run(&["show", "nobody"]);
    assert_eq!(ran.code, 5, "{ran:?}");
    let told = user.run(&["show", "b"]).stdout;
    for part in ["Two, edited", "namespace   news", "seen        2 times"] {
        assert!(told.contains(part), "{part} is not in {told}");
    }
}

#[test]
fn history_lists_versions_and_what_each_changed() {
    let user = reader();
    let history = user.ask(&["history", "b"]);
    assert_eq!(members(&history), "departures found_by items next record warnings");
    assert_eq!(
        members(at(&history, "items.0")),
        "again content content_hash derived_from fetch layer metadata minor published pushed recorded_at updated version"
    );
    let titles: Vec<&str> = list(&history, "items").iter().map(|version| text(version, "content.title")).collect();
    assert_eq!(titles, ["Two", "Two, edited"]);
    let told = user.run(&["history", "b"]).stdout;
    assert!(told.contains("title - Two\n") && told.contains("title + Two, edited\n"), "{told}");
    let first = user.ask(&["history", "b", "--limit", "1"]);
    let second = user.ask(&["history", "b", "--cursor", text(&first, "next")]);
    assert_eq!(number(&second, "items.0.version"), 2);
}

#[test]
fn sightings_lists_when_and_where_and_goes_on() {
    let user = reader();
    let sightings = user.ask(&["sightings", "a"]);
    assert_eq!(members(&sightings), "departures found_by items key namespace next seen warnings");
    assert_eq!(members(at(&sightings, "items.0")), "feed fetch observed_at version");
    assert_eq!(list(&sightings, "items").len(), 2);
    let first = user.ask(&["sightings", "a", "--limit", "1"]);
    let second = user.ask(&["sightings", "a", "--limit", "1", "--cursor", text(&first, "next")]);
    assert_eq!(at(&second, "items.0"), at(&sightings, "items.1"));
    assert_eq!(list(&user.ask(&["sightings", "c"]), "items").len(), 1);
}

#[test]
fn feeds_are_listed_shown_renamed_and_removed() {
    let user = reader();
    let feeds = user.ask(&["feed", "list"]);
    assert_eq!(members(&feeds), "items next");
    assert_eq!(text(&feeds, "items.0.name"), "news");
    let feed = user.ask(&["feed", "show", "news"]);
    assert_eq!(members(&feed), "cursor feed fetches formerly ledger linked policy rejects rest rhythm");
    assert_eq!(members(at(&feed, "ledger")), "counts first last observations unchanged");
    assert_eq!(number(&feed, "ledger.observations"), 2);
    assert_eq!(number(&feed, "ledger.counts.withdrawn"), 1);
    let renamed = user.ask(&["feed", "rename", "news", "old-news"]);
    assert_eq!((text(&renamed, "name"), text(&renamed, "namespace")), ("old-news", "news"));
    assert_eq!(user.run(&["feed", "show", "news"]).code, 5);
    assert_eq!(text(&user.ask(&["feed", "rm", "old-news"]), "status"), "removed");
    assert!(list(&user.ask(&["feed", "list"]), "items").is_empty());
    assert_eq!(list(&user.ask(&["list"]), "items").len(), 5, "what was captured stays");
}

#[test]
fn a_feed_is_shown_with_the_items_it_could_not_take() {
    let items = r#"{"id":"whole","title":"Whole"},{"id":"half","title":"\ud800"}"#;
    let document = format!(r#"{{"version":"https://jsonfeed.org/version/1.1","items":[{items}]}}"#);
    let site = Site::start(move |_| Reply::ok(document.clone()));
    let user = User::new();
    user.add("odd", &site.url("/"));
    assert_eq!(number(&user.ask(&["collect"]), "counts.rejected"), 1);
    let feed = user.ask(&["feed", "show", "odd"]);
    assert_eq!(members(at(&feed, "rejects.0")), "code excerpt fetch key namespace ordinal reason recorded_at");
    assert_eq!(text(&feed, "rejects.0.code"), "json.surrogate");
    let told = user.run(&["feed", "show", "odd"]).stdout;
    assert!(told.contains("json.surrogate") && told.contains("lone surrogate"), "{told}");
}

#[test]
fn when_a_feed_is_fetched_is_said_by_flags_by_feed_set_and_in_the_configuration() {
    let user = User::new();
    user.file(".config/feedspine/config.toml", "[schedule]\nceiling = \"12h\"\n[feeds.c]\ncron = \"0 6 * * *\"\n");
    let add = |name: &str, more: &[&str]| {
        let url = format!("https://example.org/{name}");
        user.run(&[&["add", url.as_str(), "--as-is", "--name", name], more].concat())
    };
    let fetched = |name: &str| {
        let shown = user.run(&["feed", "show", name]).stdout;
        shown.lines().find_map(|line| line.trim().strip_prefix("fetched")).unwrap_or_default().trim().to_owned()
    };
    for (name, more, told) in [
        ("a", &["--every", "90m"][..], "every 90 min"),
        ("b", &["--cron", "0 */2 * * *"], "by the cron pattern 0 */2 * * *, in UTC"),
        ("c", &[], "by the cron pattern 0 6 * * *, in UTC"),
        ("d", &["--fixed"], "as often as all feeds"),
        ("e", &[], "as it brings new items"),
    ] {
        assert_eq!(add(name, more).code, 0, "{name}");
        assert_eq!(fetched(name), told, "{name}");
    }
    let set = user.run(&["feed", "set", "e", "every=15m", "adaptive=true"]);
    assert!(set.stdout.contains("fetched every 15 min or slower"), "{set:?}");
    for words in [&["--every", "often"][..], &["--cron", "0 0 1 * *"], &["--every", "2h", "--cron", "@daily"]] {
        assert_eq!(add("f", words).code, 2, "{words:?}");
    }
    let settings = user.ask(&["config", "show"]);
    let ceiling = list(&settings, "items").iter().find(|item| text(item, "key") == "schedule.ceiling");
    assert_eq!(text(ceiling.unwrap(), "value"), "12h");
}

#[test]
fn configuration_is_flags_over_environment_over_file_over_defaults() {
    let user = User::new();
    let file = user.file("given.toml", "db = \"sqlite:from-file.db\"\n[fetch]\nconcurrency = 3\ntimeout_ms = 5000\n");
    let output = user
        .command(&["config", "show", "--json", "--db", "sqlite:from-flag.db", "--config", file.to_str().unwrap()])
        .env("FEEDSPINE_DB", "sqlite:from-env.db")
        .env("FEEDSPINE_FETCH_CONCURRENCY", "5")
        .output();
    let settings = Ran::of(&output.unwrap()).json();
    assert_eq!(members(at(&settings, "items.0")), "env key origin value");
    let setting = |key: &str| {
        let found = list(&settings, "items").iter().find(|setting| text(setting, "key") == key).unwrap();
        (at(found, "value").to_string(), text(found, "origin").to_owned())
    };
    assert_eq!(setting("db"), ("\"sqlite:from-flag.db\"".into(), "--db".into()));
    assert_eq!(setting("fetch.concurrency"), ("5".into(), "FEEDSPINE_FETCH_CONCURRENCY".into()));
    assert_eq!(setting("fetch.timeout_ms"), ("5000".into(), file.display().to_string()));
    assert_eq!(setting("fetch.host_in_flight"), ("2".into(), "default".into()));
}

#[test]
fn the_users_own_configuration_is_found_where_xdg_says() {
    let user = User::new();
    let path = user.ask(&["config", "path"]);
    assert_eq!(members(&path), "exists path");
    let expected = user.home().join(".config/feedspine/config.toml");
    assert_eq!(text(&path, "path"), expected.to_str().unwrap());
    user.file(".config/feedspine/config.toml", "db = \"sqlite:mine.db\"\n");
    assert_eq!(user.run(&["add", "https://example.org/feed"]).code, 0);
    assert!(user.home().join("mine.db").exists());
}

#[test]
fn a_wrong_configuration_is_told_with_what_was_meant() {
    let user = User::new();
    for (config, names, next_step) in [
        ("[fetch]\nuser_agnet = \"me\"\n", "fetch.user_agnet", "did you mean fetch.user_agent?"),
        ("[fetch]\nconcurrency = \"many\"\n", "fetch.concurrency", "how many feeds are collected at once"),
        ("db = \n", "line 1", "write keys as in"),
    ] {
        let file = user.file("wrong.toml", config);
        let ran = user.run(&["status", "--config", file.to_str().unwrap()]);
        assert_eq!(ran.code, 2, "{ran:?}");
        let (error, hint) = ran.stderr.split_once('\n').unwrap();
        assert!(error.contains("wrong.toml") && error.contains(names), "{ran:?}");
        assert!(hint.starts_with("hint: ") && hint.contains(next_step), "{ran:?}");
    }
    let ran = Ran::of(&user.command(&["status"]).env("FEEDSPINE_FETCH_PORTS", "80,http").output().unwrap());
    assert_eq!(ran.code, 2, "{ran:?}");
    assert!(ran.stderr.contains("FEEDSPINE_FETCH_PORTS") && ran.stderr.contains("\"http\""), "{ran:?}");
}

#[test]
fn what_a_feed_says_does_not_drive_the_terminal() {
    let title = "\u{9b}31mred &#155;2J \u{202e}txet";
    let site = Site::start(move |_| Reply::ok(rss(&[("k\u{9b}", title)])));
    let user = User::new();
    user.add("loud", &site.url("/"));
    user.ask(&["collect"]);
    let key = text(&user.ask(&["list"]), "items.0.key").to_owned();
    for words in
        [vec!["list"], vec!["show", &key], vec!["history", &key], vec!["sightings", &key], vec!["list", "--json"]]
    {
        let ran = user.run(&words);
        assert_eq!(ran.code, 0, "{ran:?}");
        let obeyed = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
        assert!(!ran.stdout.contains(obeyed) && !ran.stderr.contains(obeyed), "{words:?}: {ran:?}");
    }
    assert!(user.run(&["list"]).stdout.contains("\\u{9b}31mred"));
}

#[test]
fn colours_are_for_terminals_and_those_who_insist() {
    let user = reader();
    assert!(!user.run(&["list"]).stdout.contains('\u{1b}'));
    assert!(user.run(&["list", "--color", "always"]).stdout.contains('\u{1b}'));
    let never = user.command(&["list", "--color", "never"]).env("CLICOLOR_FORCE", "1").output().unwrap();
    assert!(!Ran::of(&never).stdout.contains('\u{1b}'));
}

#[test]
fn quiet_leaves_data_and_errors() {
    let user = User::new();
    let ran = user.run(&["add", "https://example.org/feed", "-q"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
    assert!(ran.stdout.contains("example.org"));
    let loud = user.run(&["show", "nothing", "-q"]);
    assert!(loud.stderr.starts_with("error: "), "{loud:?}");
}

#[test]
fn a_reader_that_goes_away_is_no_failure() {
    let user = reader();
    let mut child = user.command(&["list", "--json"]).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    drop(child.stdout.take());
    let ran = Ran::of(&child.wait_with_output().unwrap());
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""));
}

#[test]
fn a_store_in_memory_says_that_it_keeps_nothing() {
    let user = User::new();
    let ran = user.run(&["add", "https://example.org/feed", "--db", "memory:"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stderr.contains("keeps nothing"), "{ran:?}");
    assert!(list(&user.ask(&["feed", "list", "--db", "memory:"]), "items").is_empty());
}

#[test]
fn help_names_every_exit_code_and_says_how_to_begin() {
    let user = User::new();
    let ran = user.run(&["--help"]);
    assert_eq!(ran.code, 0);
    for part in ["demo", "3    some feeds failed", "5    no such thing", "feedspine add https://"] {
        assert!(ran.stdout.contains(part), "{part}: {ran:?}");
    }
    assert!(ran.stdout.lines().all(|line| line.chars().count() <= 100), "{}", ran.stdout);
}

#[test]
fn the_log_is_coloured_where_errors_are_and_nowhere_else() {
    let user = User::new();
    user.add("nobody", "http://127.0.0.1:1/");
    let piped = user.run(&["collect", "-vv"]);
    assert!(piped.stderr.contains("DEBUG") && !piped.stderr.contains('\u{1b}'), "{piped:?}");
    let forced = user.run(&["collect", "-vv", "--color", "always"]);
    assert!(forced.stderr.contains("\u{1b}[34mDEBUG"), "{forced:?}");
}
