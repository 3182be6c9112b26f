//! What is told of records, feeds and lists: all of it, and under its own name.

use crate::site::{Reply, Site};
use crate::support::{User, at, list, members, number, rss, text};

#[test]
fn show_leaves_no_member_out() {
    let user = User::new();
    let item = r#"{"id": "1", "title": "One", "link": "https://a.example/1", "published": "soon", "summary": "Short",
        "content": "Long", "links": ["x"], "media_type": "m", "id_is_permalink": true, "version": 7,
        "nested": {"text": "inner", "other": 42}, "authors": [{"name": "Ada", "role": "editor"}],
        "a_name_of_many_letters": "v"}"#;
    user.file("items.json", format!("[{item}]"));
    let added = user.run(&["add", "./items.json", "--name", "api", "--adapter", "json", "-o", "key=id"]);
    assert_eq!(added.code, 0, "{added:?}");
    user.ask(&["collect"]);
    let told = user.run(&["show", "1"]).stdout;
    for line in [
        "One",
        "  key         1",
        "  link        https://a.example/1",
        "  content.published soon",
        "  content     Long",
        "  links       x",
        "  media_type  m",
        "  id_is_permalink true",
        "  content.version 7",
        r#"  nested      {"other":42,"text":"inner"}"#,
        r#"  authors     {"name":"Ada","role":"editor"}"#,
        "  a_name_of_many_letters v",
        "  Short",
    ] {
        assert!(told.lines().any(|told| told == line), "{line:?} is not in {told}");
    }
    assert!(!told.contains("content.id"), "{told}");
}

#[test]
fn a_date_that_is_told_is_not_told_twice() {
    let user = User::new();
    user.file("news.xml", rss(&[("a", "One")]));
    user.ask(&["add", "./news.xml"]);
    user.ask(&["collect"]);
    let told = user.run(&["show", "a"]).stdout;
    assert!(told.contains("  published   2026-02-28 12:00:00\n") && !told.contains("GMT"), "{told}");
}

#[test]
fn what_a_collect_called_unchanged_is_counted_so() {
    let user = User::new();
    user.file("inbox/a.json", r#"{"id": "1"}"#);
    let inbox = user.home().join("inbox");
    let words = ["add", inbox.to_str().unwrap(), "--adapter", "files", "-o", "inbox=true", "-o", "quiet_s=0"];
    assert_eq!(user.run(&words).code, 0);
    for outcome in ["captured", "unchanged", "unchanged"] {
        assert_eq!(text(&user.ask(&["collect"]), "feeds.0.outcome"), outcome);
    }
    assert_eq!(number(&user.ask(&["feed", "show", "inbox"]), "ledger.unchanged"), 2);
    let told = user.run(&["feed", "show", "inbox"]).stdout;
    assert!(told.contains("3 observations, 2 of them unchanged"), "{told}");
}

#[test]
fn a_list_for_other_readers_says_what_it_leaves_out_and_why() {
    let user = User::new();
    user.file("news.xml", rss(&[("a", "One")]));
    user.file("inbox/a.json", "{}");
    for words in [
        &["https://a.example/feed", "--name", "feed", "--as-is"][..],
        &["https://a.example/items", "--name", "api", "--adapter", "json", "-o", "key=id"],
        &["./news.xml", "--name", "file"],
        &["./inbox", "--name", "folder", "--adapter", "files"],
        &["command:tap --all", "--name", "tap"],
        &["push:orders", "--name", "orders"],
    ] {
        let ran = user.run(&[&["add"], words].concat());
        assert_eq!(ran.code, 0, "{ran:?}");
    }
    let ran = user.run(&["opml", "export"]);
    assert!(ran.code == 0 && ran.stdout.matches("xmlUrl").count() == 1, "{ran:?}");
    for line in [
        "left out: api is no feed to other readers: the adapter json reads it",
        "left out: file is a file of this machine",
        "left out: folder is a folder of this machine",
        "left out: tap is what a program of this machine prints",
        "left out: orders is handed over by `feedspine ingest`, not fetched",
        "hint: `feedspine export` keeps every feed, however it is read",
    ] {
        assert!(ran.stderr.lines().any(|told| told == line), "{line:?} is not in {}", ran.stderr);
    }
    let told = user.ask(&["opml", "export"]);
    assert_eq!((number(&told, "feeds"), list(&told, "left_out").len()), (1, 5));
    assert_eq!(members(at(&told, "left_out.0")), "feed reason");
}

#[test]
fn why_an_entry_of_a_list_was_refused_has_a_column_of_its_own() {
    let user = User::new();
    let list = "<opml version='2.0'><body><outline text='News'><outline xmlUrl='http://10.0.0.1/feed'/>
        <outline xmlUrl='https://one.example/feed'/></outline></body></opml>";
    user.file("mine.opml", list);
    let ran = user.run(&["opml", "import", "mine.opml"]);
    assert_eq!(ran.code, 3, "{ran:?}");
    let mut lines = ran.stdout.lines();
    let heading = lines.next().unwrap();
    assert_eq!(heading.split_whitespace().collect::<Vec<_>>(), ["outcome", "feed", "address", "tags", "reason"]);
    let reason = heading.find("reason").unwrap();
    assert!(lines.next().unwrap()[reason..].starts_with("refused to ask http://10.0.0.1/feed"), "{ran:?}");
    assert!(ran.stderr.contains("hint: if you trust it, allow it with --allow-private"), "{ran:?}");
    let again = user.run(&["opml", "import", "mine.opml", "--allow-private"]);
    assert!(again.code == 0 && !again.stdout.contains("reason"), "{again:?}");
}

#[test]
fn the_list_of_rejects_says_that_it_is_a_record() {
    let user = User::new();
    let site = Site::start(|_| Reply::ok(r#"[{"id": 1}, {"n": 2}]"#));
    user.run(&["add", &site.url("/"), "--name", "api", "--allow-private", "--adapter", "json", "-o", "key=id"]);
    user.ask(&["collect"]);
    let ran = user.run(&["rejects"]);
    assert!(
        ran.stderr.contains("a record of what was rejected: `feedspine rejects retry` tries each again"),
        "{ran:?}"
    );
}

#[test]
fn fields_that_are_proposed_are_taken() {
    let user = User::new();
    user.file("news.xml", rss(&[("a", "One")]));
    user.ask(&["add", "./news.xml"]);
    for words in [&["list", "--where", "title~One"][..], &["list", "--order", "-title"]] {
        let ran = user.run(words);
        assert_eq!(ran.code, 2, "{ran:?}");
        let hint = ran.stderr.lines().find_map(|line| line.strip_prefix("hint: use one of ")).unwrap();
        let (fields, more) = hint.split_once(", content.NAME").unwrap();
        assert_eq!(more, " or metadata.NAME");
        for field in fields.split(", ") {
            assert_eq!(user.run(&["list", "--where", field, "--order", field]).code, 0, "{field}");
        }
    }
}

#[test]
fn the_demo_does_not_pretend_to_write_into_another_store() {
    let user = User::new();
    let ran = user.run(&["demo", "--db", "sqlite:mine.db"]);
    assert_eq!((ran.code, ran.stdout.as_str()), (2, ""), "{ran:?}");
    assert!(ran.stderr.contains("--dir DIRECTORY") && !user.home().join("mine.db").exists(), "{ran:?}");
}

#[test]
fn a_page_is_safe_and_what_is_stored_is_as_it_was_published() {
    let user = User::new();
    let html = r#"<p onclick="x()">Tides<script>alert(1)</script> <a href="/m">moons</a><img src="/p" alt="a moon"></p><svg><a href="javascript:x">y</a></svg>"#;
    let feed = rss(&[("a", "One &lt;script&gt;alert(1)&lt;/script&gt;")]);
    let more = format!("<link>https://a.example/1</link><description><![CDATA[{html}]]></description></item>");
    user.file("news.xml", feed.replace("</item>", &more));
    user.ask(&["add", "./news.xml"]);
    user.ask(&["collect"]);
    let ran = user.run(&["show", "a", "--html"]);
    assert!(ran.code == 0 && ran.stderr.is_empty() && ran.stdout.starts_with("<!DOCTYPE html>\n"), "{ran:?}");
    for acts in ["<script", "onclick", "<svg", "javascript:", "<img"] {
        assert!(!ran.stdout.contains(acts), "{acts} is in {}", ran.stdout);
    }
    assert!(ran.stdout.contains("<p>Tides <a href=\"https://a.example/m\""), "{}", ran.stdout);
    let pictures = user.run(&["show", "a", "--html", "--images"]).stdout;
    assert!(pictures.contains("<img src=\"https://a.example/p\" alt=\"a moon\">"), "{pictures}");
    assert_eq!(text(&user.ask(&["show", "a"]), "record.content.summary"), html);
    for (words, told) in [
        (&["show", "a", "--html", "--json"][..], "--html prints a page, and --json a document"),
        (&["show", "a", "--images"], "--html"),
    ] {
        let ran = user.run(words);
        assert!(ran.code == 2 && ran.stdout.is_empty() && ran.stderr.contains(told), "{ran:?}");
    }
}
