use super::*;

const PAGE: &str = "https://www.site.example/blog/index.html";

fn page(html: &str) -> HtmlPage {
    read_page(&Input { bytes: html.as_bytes(), content_type: None, base: Some(PAGE) }, &Limits::default()).unwrap()
}

fn addresses(html: &str) -> Vec<String> {
    page(html).feeds.into_iter().map(|feed| feed.address).collect()
}

const RSS: &str = "rel=alternate type=application/rss+xml";

#[test]
fn the_feeds_that_a_page_names_come_in_its_order_and_those_of_comments_last() {
    let found = page(&format!(
        "<title> A &amp; B </title><link {RSS} href='comments/feed.xml'><link {RSS} title='All  posts' href=feed.xml>
         <link rel='me ALTERNATE' type='application/atom+xml; charset=utf-8' href=/atom.xml><link {RSS} href=./feed.xml>"
    ));
    assert_eq!(found.title.as_deref(), Some("A & B"));
    let told: Vec<_> = found.feeds.iter().map(|feed| (feed.address.as_str(), feed.title.as_deref())).collect();
    assert_eq!(
        told,
        [
            ("https://www.site.example/blog/feed.xml", Some("All posts")),
            ("https://www.site.example/atom.xml", None),
            ("https://www.site.example/blog/comments/feed.xml", None),
        ]
    );
    assert!(found.feeds.iter().all(|feed| feed.clue == Clue::Link));
    assert_eq!(found.feeds[1].media_type.as_deref(), Some("application/atom+xml"));
}

#[test]
fn the_first_base_counts_wherever_it_stands_and_only_if_it_is_of_the_web() {
    for (bases, address) in [
        ("<base href=/x/><base href=/y/>", "https://www.site.example/x/f"),
        ("<base href=javascript:1>", "https://www.site.example/blog/f"),
        ("<base href='http://:0'>", "https://www.site.example/blog/f"),
        ("<base target=_blank><base href=//cdn.example/>", "https://cdn.example/f"),
    ] {
        assert_eq!(addresses(&format!("<link {RSS} href=f>{bases}")), [address], "{bases}");
    }
}

#[test]
fn what_leads_nowhere_on_the_web_is_no_feed() {
    for href in
        ["", "javascript:alert(1)", "data:,x", "file:///etc/passwd", "mailto:a@b.example", "http://u:p@a.example/"]
    {
        assert_eq!(addresses(&format!("<link {RSS} href='{href}'>")), Vec::<String>::new(), "{href}");
    }
    assert_eq!(addresses(&format!("<link {RSS} href='feed://a.example/x#y'>")), ["http://a.example/x"]);
    assert_eq!(addresses(&format!("<link {RSS} href='feed:https://a.example/x'>")), ["https://a.example/x"]);
}

#[test]
fn anchors_count_only_where_no_link_does_and_only_on_the_own_site() {
    let anchors = "<a href=/news>RSS <b>feed</b></a> <a href=feed.xml>x</a> <a href=/feedback>Feedback</a>
         <a type=application/atom+xml href=http://feeds.site.example/all>x</a> <a href=http://other.example/feed.xml>RSS</a>";
    assert_eq!(
        addresses(anchors),
        ["http://feeds.site.example/all", "https://www.site.example/blog/feed.xml", "https://www.site.example/news",]
    );
    assert_eq!(addresses(&format!("{anchors}<link {RSS} href=f>")), ["https://www.site.example/blog/f"]);
}

#[test]
fn a_host_below_another_is_of_the_same_site_and_a_top_level_is_none() {
    for (one, other, same) in [
        ("http://a.example/", "http://www.a.example/", true),
        ("http://blog.a.example/", "http://a.example/", true),
        ("http://a.example/", "http://blog.a.example/", true),
        ("http://ba.example/", "http://a.example/", false),
        ("http://a.example/", "http://example/", false),
    ] {
        let url = |text| Url::parse(text).unwrap();
        assert_eq!(is_of_same_site(&url(one), &url(other)), same, "{one} {other}");
    }
}

#[test]
fn the_encoding_is_that_of_http_else_of_the_meta_element() {
    let titled = |head: &[u8], content_type| {
        let link = format!("<link {RSS} href=f title='");
        let bytes = [head, link.as_bytes(), b"\xCB\xE5\xED\xF2\xE0'>"].concat();
        let input = Input { bytes: &bytes, content_type, base: Some(PAGE) };
        read_page(&input, &Limits::default()).unwrap().feeds.remove(0).title.unwrap()
    };
    assert_eq!(titled(b"<meta charset=windows-1251>", None), "Лента");
    let by_http = "<meta http-equiv=Content-Type content='text/html; charset=windows-1251'>";
    assert_eq!(titled(by_http.as_bytes(), Some("text/html")), "Лента");
    assert_eq!(titled(b"<meta charset=koi8-r>", Some("text/html; charset=windows-1251")), "Лента");
}

#[test]
fn a_page_of_endless_links_is_bounded() {
    let link = |at: usize| format!("<link {RSS} href=f{at}><a href=/rss/{at}/feed>RSS");
    let many: String = (0..20_000).map(link).collect();
    assert_eq!(addresses(&many).len(), MOST_FEEDS);
    let same = format!("<link {RSS} href=f>").repeat(20_000);
    assert_eq!(addresses(&same), ["https://www.site.example/blog/f"]);
}
