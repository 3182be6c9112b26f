//! Whatever the bytes: no panic, the same answer twice, and content that is canonical JSON.

use feedspine_core::{Content, Namespace};
use feedspine_parse::{Document, Input, Limits, choose_rule, identify, parse, read_date};
use proptest::prelude::*;

/// One small feed in each format, each with something in it that is easily broken.
const SEEDS: [&str; 5] = [
    "<?xml version='1.0' encoding='utf-8'?><!DOCTYPE rss [<!ENTITY e 'x'>]><rss version='2.0' xmlns:m='urn:m'><channel>\
     <title>Tides &amp; moons</title><item><guid isPermaLink=\"false\">1</guid><link>/a?b=1&amp;c=2</link>\
     <description><![CDATA[<p>é</p>]]></description><pubDate>Tue, 03 Mar 2020 04:05:06 +0100</pubDate>\
     <m:group a='1'><m:b>c</m:b></m:group><enclosure url='a.mp3' length='1'/></item><!-- x --></channel></rss>",
    "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='http://a.example/x/'><id>f</id><entry><id>1</id>\
     <title type='html'>a &lt;b&gt; &#233;&nbsp;</title><link rel='alternate' href='b'/><updated>2020-03-03T04:05:06Z</updated>\
     <content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a<br/><i>b</i></div></content></entry></feed>",
    "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/' \
     xmlns:dc='http://purl.org/dc/elements/1.1/'><item rdf:about='u'><title>é</title><dc:date>2020-03</dc:date></item></rdf:RDF>",
    "{\"version\":\"https://jsonfeed.org/version/1.1\",\"title\":\"é\",\"items\":[{\"id\":1.50,\"url\":\"a\",\"_x\":{\"y\":[1e400]},\
     \"content_html\":\"\\u003cp\\ud83d\\ude00\"},{\"id\":\"2\",\"date_published\":\"2020-03-03T04:05:06Z\"}]}",
    "<CHANNEL HREF='http://a.example/'><ITEM HREF='1' LASTMOD='2020-03-03'><TITLE>One</TITLE></ITEM></CHANNEL>",
];

/// Pieces that change what a parser is in the middle of.
const PIECES: [&[u8]; 18] = [
    b"<",
    b">",
    b"&",
    b"\"",
    b"'",
    b"]]>",
    b"<![CDATA[",
    b"<!--",
    b"-->",
    b"<?xml ",
    b"</item>",
    b"<item>",
    b"/>",
    b"\0",
    b"\xC3",
    b"\xFF\xFE",
    b"{",
    b"\\",
];

/// A change at a place of the body.
#[derive(Debug, Clone)]
enum Change {
    Insert(prop::sample::Index, usize),
    Delete(prop::sample::Index, usize),
    Replace(prop::sample::Index, u8),
    Cut(prop::sample::Index),
}

fn change() -> impl Strategy<Value = Change> {
    let place = any::<prop::sample::Index>;
    prop_oneof![
        4 => (place(), 0..PIECES.len()).prop_map(|(at, piece)| Change::Insert(at, piece)),
        3 => (place(), 1..20_usize).prop_map(|(at, length)| Change::Delete(at, length)),
        3 => (place(), any::<u8>()).prop_map(|(at, byte)| Change::Replace(at, byte)),
        1 => place().prop_map(Change::Cut),
    ]
}

fn apply(body: &mut Vec<u8>, change: &Change) {
    let length = body.len();
    match *change {
        Change::Insert(at, piece) => {
            let at = at.index(length + 1);
            body.splice(at..at, PIECES[piece].iter().copied());
        }
        Change::Delete(at, count) => {
            let at = at.index(length + 1);
            body.drain(at..(at + count).min(length));
        }
        Change::Replace(at, byte) if length > 0 => body[at.index(length)] = byte,
        Change::Replace(..) => {}
        Change::Cut(at) => body.truncate(at.index(length + 1)),
    }
}

fn read(body: &[u8]) -> Option<Document> {
    let input = Input { bytes: body, content_type: None, base: Some("http://a.example/feed") };
    parse(&input, &Limits::default()).ok()
}

fn holds_its_promises(body: &[u8]) {
    let Some(document) = read(body) else { return };
    assert_eq!(read(body).as_ref(), Some(&document), "the second reading differs");
    let Some(rule) = choose_rule(&document) else { return };
    let namespace = Namespace::new("news").expect("a plain word is a namespace");
    let count = document.items.len() + document.rejects.len();
    let identified = identify(document, &namespace, rule);
    assert_eq!(identified.candidates.len() + identified.rejects.len(), count);
    assert!(identified.candidates.is_sorted_by(|a, b| a.ordinal < b.ordinal), "the ordinals do not ascend");
    for candidate in &identified.candidates {
        let again = Content::parse(candidate.content.as_str()).expect("content is JSON");
        assert_eq!(again, candidate.content, "content is not canonical");
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2_000))]

    #[test]
    fn changed_feeds_are_read_or_refused(
        seed in 0..SEEDS.len(),
        changes in prop::collection::vec(change(), 1..12),
    ) {
        let mut body = SEEDS[seed].as_bytes().to_vec();
        for change in &changes {
            apply(&mut body, change);
        }
        holds_its_promises(&body);
    }

    #[test]
    fn noise_is_read_or_refused(body in prop::collection::vec(any::<u8>(), 0..300)) {
        holds_its_promises(&body);
    }

    #[test]
    fn pieces_in_any_order_are_read_or_refused(pieces in prop::collection::vec(0..PIECES.len(), 0..60)) {
        let mut body = b"<rss><channel><item>".to_vec();
        for piece in pieces {
            body.extend_from_slice(PIECES[piece]);
        }
        holds_its_promises(&body);
    }

    #[test]
    fn any_text_is_a_date_or_none(text in "\\PC{0,60}", digits in "[0-9 :+.,/TZ-]{0,40}") {
        let _ = read_date(&text);
        let _ = read_date(&digits);
    }
}
