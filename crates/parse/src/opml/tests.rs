use feedspine_core::Timestamp;
use proptest::prelude::*;

use super::*;
use crate::document::Input;
use crate::limits::Limits;

fn read(text: &str) -> Result<Opml, OpmlError> {
    parse_opml(&Input { bytes: text.as_bytes(), content_type: None, base: None }, &Limits::default())
}

fn list(body: &str) -> Opml {
    read(&format!("<opml version=\"2.0\"><body>{body}</body></opml>")).unwrap()
}

fn categories(feed: &ListedFeed) -> Vec<String> {
    feed.categories.iter().map(|path| path.join("/")).collect()
}

#[test]
fn the_head_says_whose_the_list_is() {
    let list = read(
        "<?xml version='1.0'?><opml version='1.1'><head><title> My  feeds </title><dateCreated>Sat, 7 Nov 2026 12:00:00 GMT\
         </dateCreated><dateModified>soon</dateModified><ownerName>A</ownerName><ownerEmail/><ownerId>http://a.example/\
         </ownerId></head></opml>",
    )
    .unwrap();
    assert_eq!((list.version.as_deref(), list.title.as_deref()), (Some("1.1"), Some("My feeds")));
    assert_eq!(list.created.unwrap().at.unwrap().to_string(), "2026-11-07T12:00:00Z");
    assert_eq!(list.modified.unwrap().at, None);
    assert_eq!((list.owner.name.as_deref(), list.owner.email, list.owner.uri.is_some()), (Some("A"), None, true));
    assert_eq!(list.warnings[0].code, "date.unreadable");
}

#[test]
fn what_has_an_address_is_a_feed_and_what_has_none_a_folder() {
    let list = list(
        "<outline text='News'><outline title='World'><outline TYPE='weird' text=' One ' XMLURL=' http://a.example/1 '
           htmlUrl='http://a.example/'/></outline></outline>
         <outline text='Two' xmlUrl='http://a.example/2'><outline text='Below' xmlUrl='http://a.example/3'/></outline>
         <outline type='rss' url='http://a.example/4'/><outline text='nothing'/>",
    );
    let told: Vec<_> = list.feeds.iter().map(|feed| (feed.address.as_str(), categories(feed))).collect();
    assert_eq!(
        told,
        [
            ("http://a.example/1", vec!["News/World".to_owned()]),
            ("http://a.example/2", vec![]),
            ("http://a.example/3", vec![]),
            ("http://a.example/4", vec![]),
        ]
    );
    assert_eq!(list.feeds[0].title.as_deref(), Some("One"));
    assert_eq!(list.feeds[0].site.as_deref(), Some("http://a.example/"));
    assert!(!list.recovered);
}

#[test]
fn other_lists_and_sites_are_told_and_not_followed() {
    let list = list(
        "<outline type='INCLUDE' text='all' url='http://a.example/all.opml'/><outline type='link' url='http://a.example/x'/>
         <outline type='include'/><outline text='A site' htmlUrl='http://b.example/'/>",
    );
    assert_eq!((list.feeds.len(), list.lists.len(), list.sites.len()), (0, 2, 1));
    assert_eq!(list.lists[0].title.as_deref(), Some("all"));
    assert_eq!(list.sites[0].address, "http://b.example/");
}

#[test]
fn a_feed_that_is_listed_twice_is_one_in_both_folders() {
    let list = list(
        "<outline text='x'><outline xmlUrl='http://a.example/f'/></outline>
         <outline text='y'><outline text='named' xmlUrl='HTTP://A.example:80/f#z' category='x,/p/q, ,//'/></outline>",
    );
    let [feed] = list.feeds.as_slice() else { panic!("{:?}", list.feeds) };
    assert_eq!(feed.repeats, ["HTTP://A.example:80/f#z"]);
    assert_eq!(categories(feed), ["x", "y", "p/q"]);
    assert_eq!(feed.title.as_deref(), Some("named"));
}

#[test]
fn broken_lists_are_read_as_far_as_they_go() {
    for text in [
        "<opml><body><outline text='A & B' xmlUrl='http://a.example/?a=1&b=2'></body>",
        "<opml xmlns='http://opml.org/spec2'><outline text='A & B' xmlUrl=http://a.example/?a=1&b=2 ></unexpected>",
        "<not-opml><outline text='A &amp; B' xmlUrl='http://a.example/?a=1&amp;b=2'/></not-opml>",
    ] {
        let list = read(text).unwrap();
        assert_eq!(list.feeds[0].title.as_deref(), Some("A & B"), "{text}");
        assert_eq!(list.feeds[0].address, "http://a.example/?a=1&b=2", "{text}");
    }
}

#[test]
fn what_is_no_list_says_what_it_is() {
    let code = |text: &str| read(text).unwrap_err().code();
    assert_eq!(code("<rss><channel/></rss>"), "opml.not_a_list");
    assert_eq!(code(""), "feed.empty");
    assert_eq!(code("plain text"), "feed.empty");
    assert_eq!(code(&"<outline text='a'>".repeat(50_000)), "xml.depth");
}

#[test]
fn a_list_of_too_many_feeds_is_refused_as_a_whole() {
    let code = |of: &dyn Fn(usize) -> String, count| {
        let entries: Vec<String> = (0..count).map(of).collect();
        read(&format!("<opml><body>{}</body></opml>", entries.concat())).map_or_else(|error| error.code(), |_| "read")
    };
    let different = |at: usize| format!("<outline xmlUrl='http://victim.example/?{at}'/>");
    let same = |_| "<outline xmlUrl='http://victim.example/'/>".to_owned();
    for (of, most) in [(&different as &dyn Fn(usize) -> String, MOST_FEEDS), (&same, 4 * MOST_FEEDS)] {
        assert_eq!(code(of, most), "read");
        assert_eq!(code(of, most + 1), "opml.too_many");
    }
}

fn written(feeds: &[(String, String, Vec<String>)]) -> String {
    let outlines: Vec<OutlineToWrite<'_>> =
        feeds.iter().map(|(title, address, tags)| OutlineToWrite { title, address, tags }).collect();
    write_opml("A & B", Timestamp::UNIX_EPOCH, &outlines)
}

#[test]
fn a_list_is_written_for_readers_that_know_folders_and_for_those_that_know_categories() {
    let tags = |tags: &[&str]| tags.iter().map(|tag| (*tag).to_owned()).collect();
    let text = written(&[
        ("b".into(), "http://a.example/?a=1&b=\"".into(), tags(&["news/world", "x", "y/z", "a, b"])),
        ("a".into(), "http://a.example/\u{0}".into(), vec![]),
    ]);
    assert_eq!(
        text,
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>
<opml version=\"2.0\">
  <head>
    <title>A &amp; B</title>
    <dateCreated>01 Jan 1970 00:00:00 GMT</dateCreated>
  </head>
  <body>
    <outline text=\"a, b\">
      <outline type=\"rss\" text=\"b\" xmlUrl=\"http://a.example/?a=1&amp;b=&quot;\"/>
    </outline>
    <outline text=\"news\">
      <outline text=\"world\">
        <outline type=\"rss\" text=\"b\" xmlUrl=\"http://a.example/?a=1&amp;b=&quot;\" category=\"x,/y/z\"/>
      </outline>
    </outline>
    <outline type=\"rss\" text=\"a\" xmlUrl=\"http://a.example/\"/>
  </body>
</opml>
"
    );
}

#[test]
fn control_characters_that_xml_allows_are_written() {
    let feed = OutlineToWrite { title: "a\u{7F}b\u{85}c\u{1}d", address: "http://a.example/", tags: &[] };
    let written = write_opml("t", Timestamp::UNIX_EPOCH, &[feed]);
    let list = read(&written).unwrap();
    assert_eq!(list.feeds[0].title.as_deref(), Some("a\u{7F}b cd"));
}

proptest! {
    #[test]
    fn what_is_written_is_read_again(
        feeds in proptest::collection::btree_map(
            "http://[a-z]{1,8}\\.example/[a-z0-9&?=<>'\"]{0,12}",
            ("[!-~]{1,12}", proptest::collection::btree_set("[a-zA-Z&<\"',]{1,5}(/[a-z]{1,3})?", 0..4)),
            0..6,
        )
    ) {
        let feeds: Vec<(String, String, Vec<String>)> =
            feeds.into_iter().map(|(address, (title, tags))| (title, address, tags.into_iter().collect())).collect();
        let list = read(&written(&feeds)).unwrap();
        prop_assert!(!list.recovered && !list.truncated && list.warnings.is_empty(), "{:?}", list.warnings);
        let sorted = |mut all: Vec<(String, String, Vec<String>)>| {
            for (_, _, tags) in &mut all {
                tags.sort();
            }
            all.sort();
            all
        };
        let back = list.feeds.iter().map(|feed| {
            (feed.title.clone().unwrap_or_default(), feed.address.clone(), categories(feed))
        });
        prop_assert_eq!(sorted(back.collect()), sorted(feeds));
    }

    #[test]
    fn no_text_is_too_odd_to_be_read(text in "[<>/ a-z\"'=&!\\[\\]-]{0,60}(<opml|<outline|<!--|xmlUrl=|</body>|text=|&amp;|<a ){0,6}") {
        let _ = read(&text);
        let input = Input { bytes: text.as_bytes(), content_type: None, base: Some("http://a.example/") };
        let _ = crate::discovery::read_page(&input, &Limits::default());
    }
}
