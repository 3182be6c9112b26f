//! `add` of a site, `opml`, tags and `diagnose`: what they do, what they say, and the shape of their JSON.

use std::io::Write;
use std::process::Stdio;

use feedspine::core::Json;

use crate::site::{Reply, Site};
use crate::support::{Ran, User, at, list, members, number, rss, text};

/// A site whose first page names two feeds, and its second one.
fn blog() -> Site {
    const LINK: &str = "<link rel=alternate type=application/rss+xml";
    Site::start(|asked| match asked.path.as_str() {
        "/" => Reply::ok(format!("<title>Blog</title>{LINK} title='All posts' href=/all>{LINK} href=/few>")),
        "/one" => Reply::ok(format!("<title>Blog</title>{LINK} title='All posts' href=/all>")),
        "/none" => Reply::ok("<p>nothing here"),
        "/all" => Reply::ok(rss(&[("a", "One"), ("b", "Two")])),
        _ => Reply::status(404),
    })
}

#[test]
fn add_of_a_site_adds_its_only_feed_and_says_where_it_was_found() {
    let (user, site) = (User::new(), blog());
    let ran = user.run(&["add", &site.url("/one"), "--allow-private", "--tag", "news/world"]);
    assert_eq!(ran.code, 0, "{ran:?}");
    assert!(ran.stdout.contains(&site.url("/all")), "{ran:?}");
    assert!(ran.stderr.contains("named by the page: All posts"), "{ran:?}");
    assert_eq!(number(&user.ask(&["collect"]), "counts.new"), 2);
    assert_eq!(text(&user.ask(&["feed", "list", "--tag", "news"]), "items.0.settings.tags.0"), "news/world");
}

#[test]
fn of_several_feeds_one_must_be_chosen_and_each_comes_with_its_command() {
    let (user, site) = (User::new(), blog());
    let home = site.url("/");
    let ran = user.run(&["add", &home, "--allow-private"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().collect();
    assert_eq!(lines.len(), 3, "{ran:?}");
    assert!(lines[1].trim_start().starts_with("1  All posts"), "{ran:?}");
    let command = format!("feedspine add {} --allow-private", site.url("/few"));
    assert!(lines[2].ends_with(&command), "{ran:?}");
    assert!(ran.stderr.contains("2 feeds") && ran.stderr.contains("--pick N"), "{ran:?}");

    let ran = user.run(&["add", &home, "--allow-private", "--json"]);
    assert_eq!(ran.code, 2, "{ran:?}");
    let told = ran.json();
    assert_eq!((text(&told, "outcome"), at(&told, "feed")), ("choose", &Json::Null));
    assert_eq!(members(at(&told, "discovery")), "address asked feeds title");
    assert_eq!(members(at(&told, "discovery.feeds.1")), "address clue format items title");
    assert_eq!(text(&Json::parse(&ran.stderr).unwrap(), "error.code"), "feed.several_found");
    assert!(list(&user.ask(&["feed", "list"]), "items").is_empty());

    let added = user.ask(&["add", &home, "--allow-private", "--pick", "2"]);
    assert_eq!(text(&added, "feed.address"), site.url("/few"));
    let added = user.ask(&["add", &home, "--allow-private", "--first"]);
    assert_eq!(text(&added, "feed.address"), site.url("/all"));
}

#[test]
fn a_site_without_a_feed_is_not_added_unless_its_address_is_to_be_taken_as_it_stands() {
    let (user, site) = (User::new(), blog());
    let none = site.url("/none");
    let ran = user.run(&["add", &none, "--allow-private"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (5, ""), "{ran:?}");
    assert!(ran.stderr.contains("no feed was found") && ran.stderr.contains("--as-is"), "{ran:?}");
    let ran = user.run(&["add", &none]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stderr.contains("refused to ask") && ran.stderr.contains("--allow-private"), "{ran:?}");
    assert_eq!(text(&user.ask(&["add", &none, "--as-is", "--allow-private"]), "feed.address"), none);
}

#[test]
fn tags_are_added_taken_away_and_listed() {
    let user = User::new();
    user.ask(&["add", "https://example.org/feed.xml"]);
    let ran = user.run(&["feed", "tag", "example.org", "news/world", "x"]);
    assert_eq!(ran.stdout, "example.org is filed under news/world, x\n", "{ran:?}");
    assert!(user.run(&["feed", "list"]).stdout.contains("news/world, x"));
    assert!(user.run(&["feed", "show", "example.org"]).stdout.contains("news/world, x"));
    assert_eq!(user.run(&["feed", "untag", "example.org", "x", "y"]).stdout, "example.org is filed under news/world\n");
    let ran = user.run(&["feed", "list", "--tag", "world"]);
    assert_eq!((ran.code, ran.stdout.as_str(), ran.stderr.as_str()), (0, "", "no feed is filed under world\n"));
    assert_eq!(user.run(&["feed", "tag", "example.org", " / "]).code, 2);
}

const LIST: &str = "<opml version='2.0'><head><title>Mine</title></head><body><outline text='News'>
    <outline text='One' xmlUrl='https://one.example/feed'/><outline xmlUrl='HTTPS://one.example/feed#x'/></outline>
    <outline text='Inside' xmlUrl='http://10.0.0.1/feed'/><outline text='Site' htmlUrl='https://site.example/'/>
    </body></opml>";

#[test]
fn a_list_is_taken_in_from_a_file_or_stdin_and_given_out_again() {
    let user = User::new();
    user.file("mine.opml", LIST);
    let ran = user.run(&["opml", "import", "mine.opml"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let lines: Vec<&str> = ran.stdout.lines().map(|line| line.split("  ").next().unwrap()).collect();
    assert_eq!(lines[..4], ["outcome", "added", "repeated", "refused"], "{ran:?}");
    assert!(ran.stdout.ends_with("3 entries: 1 added, 0 already, 1 repeated, 1 refused\n"), "{ran:?}");
    assert!(ran.stderr.contains("feedspine add https://site.example/"), "{ran:?}");

    let mut child = user.command(&["opml", "import", "-", "--tag", "late", "--json"]);
    let child = child.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = child.spawn().unwrap();
    child.stdin.take().unwrap().write_all(LIST.as_bytes()).unwrap();
    let told = Ran::of(&child.wait_with_output().unwrap()).json();
    assert_eq!(members(&told), "added already entries lists refused repeated sites title warnings");
    assert_eq!(members(at(&told, "entries.0")), "address error feed outcome tags");
    assert_eq!((number(&told, "added"), number(&told, "already")), (0, 1));

    let ran = user.run(&["opml", "export"]);
    assert!(ran.stdout.contains("<outline text=\"News\">") && ran.stdout.contains("category=\"late\""), "{ran:?}");
    assert_eq!(user.run(&["opml", "export", "ours.opml"]).code, 0);
    assert_eq!(user.run(&["opml", "export", "ours.opml"]).code, 2);
    let other = User::new();
    other.file("ours.opml", std::fs::read(user.home().join("ours.opml")).unwrap());
    assert_eq!(other.run(&["opml", "import", "ours.opml"]).code, 0);
    let feeds = other.ask(&["feed", "list"]);
    assert_eq!(text(&feeds, "items.0.name"), "One");
    assert_eq!(list(&feeds, "items.0.settings.tags").len(), 2);
}

#[test]
fn what_is_no_list_is_refused() {
    let user = User::new();
    user.file("feed.xml", rss(&[("a", "One")]));
    for (file, code, told) in [("feed.xml", 1, "not OPML"), ("none.opml", 5, "there is no file")] {
        let ran = user.run(&["opml", "import", file]);
        assert_eq!(ran.code, code, "{ran:?}");
        assert!(ran.stderr.contains(told) && ran.stderr.contains("hint: "), "{ran:?}");
    }
}

#[test]
fn rejects_are_listed_with_their_reason_and_filtered() {
    let user = User::new();
    user.file("odd.xml", rss(&[("a", "One"), (&"k".repeat(3_000), "Two"), ("c", &"t".repeat(70_000))]));
    user.ask(&["add", "odd.xml"]);
    user.ask(&["collect"]);
    let told = user.ask(&["rejects"]);
    assert_eq!((number(&told, "total"), text(&told, "items.0.code")), (2, "field.too_long"));
    assert_eq!(members(at(&told, "items.0")), "code excerpt feed fetch key namespace ordinal reason recorded_at");
    let ran = user.run(&["rejects", "odd", "--code", "key"]);
    assert_eq!((ran.code, ran.stdout.lines().count()), (0, 2), "{ran:?}");
    assert!(ran.stdout.contains("key.too_long") && ran.stdout.contains("3000 bytes"), "{ran:?}");
    assert!(user.run(&["rejects", "-n", "1"]).stderr.contains("1 reject before these"));
    assert_eq!(user.run(&["rejects", "--code", "none"]).stderr, "nothing was rejected\n");
    assert_eq!(user.run(&["rejects", "nobody"]).code, 5);
}

#[test]
fn diagnose_tells_every_step_and_begins_no_store() {
    let user = User::new();
    user.file("odd.xml", "<rss version='2.0'><channel><title>A & B</title><item><guid>1</guid></item></channel></rss>");
    let ran = user.run(&["diagnose", "odd.xml"]);
    assert_eq!((ran.code, ran.stderr.as_str()), (0, ""), "{ran:?}");
    for step in ["fetched", "decoded", "parsed", "mended", "keyed by", "xml.lenient", "would be 1 new"] {
        assert!(ran.stdout.contains(step), "{step}: {ran:?}");
    }
    let told = user.ask(&["diagnose", "odd.xml"]);
    assert_eq!(members(&told), "address document error feed items keys page page_feeds received would_store");
    assert_eq!(number(&told, "would_store.new"), 1);
    assert!(!user.home().join(".local").exists());

    let site = blog();
    let ran = user.run(&["diagnose", &site.url("/"), "--allow-private"]);
    assert_eq!(ran.code, 1, "{ran:?}");
    assert!(ran.stdout.contains(&site.url("/few")) && ran.stderr.contains("not a feed"), "{ran:?}");
}
