//! How a feed's server is asked, as it is said in words and shown.

use crate::site::{Reply, Site};
use crate::support::{User, at, list, number, rss, text};

#[test]
fn how_a_server_is_asked_is_said_on_adding_later_and_in_the_configuration_and_shown_without_secrets() {
    let site = Site::start(|_| Reply::ok(rss(&[("1", "one")])));
    let user = User::new();
    let token = user.file("token", "s3cret");
    let bearer = format!("bearer={{file:{}}}", token.display());
    user.file(
        ".config/feedspine/config.toml",
        "[feeds.configured]\nheaders = [\"X-One: 1\", \"X-Two: 2\"]\nfollow_moves = false\n",
    );
    for (name, words) in [("said", &["-o", &bearer, "-o", "tls=insecure"][..]), ("configured", &[])] {
        let url = site.url(&format!("/{name}"));
        let ran = user.run(&[&["add", &url, "--as-is", "--allow-private", "--name", name], words].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let report = user.ask(&["collect"]);
    let said = list(&report, "feeds").iter().find(|feed| text(feed, "feed") == "said").unwrap();
    assert!(text(said, "warnings.0").starts_with("tls.insecure: "), "{said}");
    let shown = user.run(&["feed", "show", "said"]).stdout;
    assert!(shown.contains("tls=insecure") && shown.contains("bearer={file:") && !shown.contains("s3cret"), "{shown}");
    let shown = user.run(&["feed", "show", "configured"]).stdout;
    assert!(shown.contains(r#"headers=["X-One: 1","X-Two: 2"]"#) && shown.contains("follow_moves=false"), "{shown}");
    let settings = user.ask(&["config", "show"]).to_string();
    assert!(settings.contains("feeds.configured.headers"), "{settings}");
    let set = user.run(&["feed", "set", "said", "tls=", "http=1.1"]);
    assert_eq!(set.code, 0);
    let told = "said: http = 1.1\nsaid: tls is no longer said\n";
    assert!(set.stdout.starts_with("said is set: ") && set.stdout.ends_with(told), "{set:?}");
    let shown = user.run(&["feed", "show", "said"]).stdout;
    let asked = shown.lines().find(|line| line.contains("asked with")).unwrap();
    assert!(asked.contains("http=1.1") && !asked.contains("insecure"), "{asked}");
}

#[test]
fn a_secret_that_is_written_out_is_refused_with_the_way_to_refer_to_it() {
    let user = User::new();
    for option in ["bearer=abc", "basic=me:abc", "cookie=a=b", "proxy=http://me:abc@proxy.lan:3128"] {
        let ran = user.run(&["add", "https://example.org/feed", "--as-is", "-o", option]);
        assert_eq!(ran.code, 2, "{option}: {ran:?}");
        assert!(ran.stderr.contains("{env:NAME}"), "{option}: {}", ran.stderr);
    }
}

#[test]
fn what_was_set_is_told_with_no_login_of_a_proxy_and_what_cannot_be_set_with_an_example_of_it() {
    let user = User::new();
    let add = ["add", "https://example.org/feed", "--as-is", "--name", "news"];
    assert_eq!(user.run(&add).code, 0);
    let proxy = "proxy=http://me:{env:PASSWORD}@proxy.lan:3128";
    let set = ["feed", "set", "news", "every=2h", "headers=X-One: 1", "headers=X-Two: 2", "follow_moves=false", proxy];
    let set = user.run(&set);
    let told = "news: every = 2h\nnews: follow_moves = false\nnews: headers = X-One: 1, X-Two: 2\n\
                news: proxy = http://***@proxy.lan:3128\n";
    assert!(set.stdout.ends_with(told), "{set:?}");
    let set = user.ask(&["feed", "set", "news", "headers=", "every=2h"]);
    assert_eq!(at(&set, "changed").to_canonical(), r#"{"headers":null}"#);
    assert_eq!(user.run(&["feed", "set", "news", "every=2h"]).stdout.lines().count(), 1);
    for (option, hint) in [
        ("every=often", "hint: as in every=15m; every= takes it back\n"),
        ("cron=never", "hint: as in 'cron=0 */2 * * *'; cron= takes it back\n"),
        ("tls=off", "hint: as in tls=insecure; tls= takes it back; docs/guides/fetching.md has all\n"),
        ("proxy=socks5://a", "hint: as in 'proxy=http://proxy.lan:3128'; proxy= takes it back; docs/guides/"),
        ("basic=me", "hint: as in 'basic=NAME:{env:PASSWORD}'; basic= takes it back; docs/guides/"),
        ("http", "hint: as in http=1.1; http= takes it back\n"),
        ("keep=30d", "keep = \"90d\" under [feeds.NAME]\n"),
    ] {
        let ran = user.run(&["feed", "set", "news", option]);
        assert!(ran.code == 2 && ran.stderr.contains(hint), "{option}: {ran:?}");
    }
}

#[test]
fn a_reference_that_leads_nowhere_and_a_second_login_are_refused_before_anything_is_stored() {
    let user = User::new();
    let feed = ["add", "https://example.org/feed", "--as-is", "--name", "news"];
    let logins = "a feed has one login, and several are said: ";
    for (options, told) in [
        (&["bearer={env:TOKEN"][..], "begins with {env: and is not closed"),
        (&["cookie=id={file:cookie}"], "{file:cookie} is a path from the folder that a process happens to work in"),
        (&["basic=me:{env:A}", "bearer={env:B}"], "basic and bearer"),
        (&["headers=Authorization: {env:A}", "headers=authorization: {env:B}"], logins),
        (&["headers=Authorization: {env:A}", "bearer={env:B}"], "bearer and Authorization in headers"),
    ] {
        let said: Vec<&str> = options.iter().flat_map(|option| ["-o", option]).collect();
        let ran = user.run(&[&feed[..], &said].concat());
        assert!(ran.code == 2 && ran.stderr.contains(told), "{options:?}: {ran:?}");
    }
    let json = ["--adapter", "json", "-o", "header=Authorization: {env:A}"];
    for (option, told) in [("bearer={env:B}", "bearer and Authorization in header"), ("query=key={env:B", "not closed")]
    {
        let ran = user.run(&[&feed[..], &json, &["-o", option]].concat());
        assert!(ran.code == 2 && ran.stderr.contains(told), "{option}: {ran:?}");
    }
    assert_eq!(user.run(&[&feed[..], &["-o", "basic=me:{env:A}"]].concat()).code, 0);
    let ran = user.run(&["feed", "set", "news", "bearer={env:B}"]);
    assert!(ran.code == 2 && ran.stderr.contains(&format!("{logins}basic and bearer")), "{ran:?}");
    assert_eq!(user.run(&["feed", "set", "news", "basic=", "bearer={env:B}"]).code, 0);
    user.file(".config/feedspine/config.toml", "[feeds.news]\nbasic = \"me:{env:A}\"\nbearer = \"{env:B}\"\n");
    let ran = user.run(&["feed", "list"]);
    assert!(ran.code == 2 && ran.stderr.contains(logins), "{ran:?}");
}

#[test]
fn feeds_of_a_host_that_wants_to_be_left_alone_are_told_as_resting_and_not_as_failed() {
    let site = Site::start(|_| Reply::status(429).with("Retry-After", "600"));
    let user = User::new();
    for name in ["one", "three", "two"] {
        user.add(name, &site.url(&format!("/{name}")));
    }
    assert_eq!(user.run(&["collect", "one"]).code, 3, "the one that was asked has failed");
    let ran = user.run(&["collect"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains("3 resting") && !ran.stdout.contains("failed"), "{ran:?}");
    assert!(ran.stderr.contains("two: not asked: 127.0.0.1 asked to be left alone for another"), "{ran:?}");
    assert!(!ran.stderr.contains("error: "), "{ran:?}");
    let report = user.ask(&["collect"]);
    assert_eq!((number(&report, "failed"), number(&report, "resting")), (0, 3));
    assert_eq!((text(&report, "feeds.0.error.code"), text(&report, "feeds.0.outcome")), ("http.resting", "resting"));
    assert_eq!(list(&user.ask(&["runs", "--failed"]), "runs").len(), 1);
    assert_eq!(text(&user.ask(&["runs"]), "runs.0.fetch.detail.status"), "resting");
    assert_eq!(text(&user.ask(&["status"]), "feeds.0.last_fetch.detail.status"), "resting");
    for words in [&["runs", "two"][..], &["status"], &["feed", "show", "two"], &["explain", "two"]] {
        let shown = user.run(words).stdout;
        assert!(shown.contains(" resting") && !shown.contains("failed"), "{words:?}: {shown}");
    }
    for command in [&["explain"][..], &["feed", "show"]] {
        let shown = user.run(&[command, &["two"]].concat()).stdout;
        assert!(shown.contains("left alone until 20") && shown.contains(", since it answered 429\n"), "{shown}");
    }
    // Due now as it may be, nobody asks it before.
    let due_now = user.run(&["feed", "set", "two", "every=15m"]);
    assert!(due_now.stderr.contains("it is due now"), "{due_now:?}");
    let explained = user.ask(&["explain", "two"]);
    assert_eq!(text(&explained, "next.at"), text(&explained, "host.rest.until"), "{explained}");
    let why = text(&explained, "next.why");
    assert!(why.ends_with("; until then its host is left alone, since it answered 429"), "{why}");
}

#[test]
fn a_proxy_that_is_not_there_is_named_and_a_mended_one_makes_the_feed_due() {
    let site = Site::start(|_| Reply::ok(rss(&[("1", "one")])));
    let user = User::new();
    user.add("news", &site.url("/feed"));
    // Nobody listens there (tcpmux).
    let ran = user.run(&["feed", "set", "news", "proxy=http://127.0.0.1:1"]);
    assert!(ran.code == 0 && !ran.stderr.contains("due now"), "{ran:?}");
    let ran = user.run(&["collect", "news"]);
    assert!(ran.stderr.contains("cannot connect to the proxy http://127.0.0.1:1 for 127.0.0.1: "), "{ran:?}");
    let health = user.run(&["health"]);
    assert!(health.stdout.contains("its proxy is at fault, and its server was not asked"), "{health:?}");
    let ran = user.run(&["feed", "set", "news", "proxy="]);
    assert!(ran.stderr.contains("it is due now: `feedspine watch` fetches it, or `feedspine collect news`"), "{ran:?}");
    let explained = user.run(&["explain", "news"]).stdout;
    assert!(explained.contains("at once: how its server is asked was changed since its last fetch"), "{explained}");
    assert_eq!(user.run(&["collect", "news"]).code, 0);
}
