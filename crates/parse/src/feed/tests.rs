//! Feeds in every format, as publishers write them.

use crate::{Document, Format, Input, Limits, ParseError, TextKind, content, parse};

fn read(text: &str) -> Result<Document, ParseError> {
    let input = Input { bytes: text.as_bytes(), content_type: None, base: Some("http://a.example/dir/feed") };
    parse(&input, &Limits::default())
}

fn rss(items: &str) -> Document {
    read(&format!(
        "<rss version='2.0'><channel><title>Tides</title><link>http://a.example/</link>{items}</channel></rss>"
    ))
    .unwrap()
}

#[test]
fn reads_rss() {
    let document = rss("<pubDate>Tue, 03 Mar 2020 04:05:06 GMT</pubDate>
        <image><title>not the feed's</title><link>http://b.example/</link></image>
        <item><title>High &amp;amp; low</title><link>/high</link><guid isPermaLink='false'>n1</guid>
          <description><![CDATA[<p>Up & down</p>]]></description><pubDate>Tue, 03 Mar 2020 04:05:06 +0100</pubDate>
          <author>ada@a.example (Ada)</author><category domain='d'>sea</category>
          <enclosure url='/a.mp3' length='12' type='audio/mpeg'/><comments>http://a.example/c</comments>
          <source url='http://b.example/feed'>Other</source></item>");
    assert_eq!((document.format, document.recovered, document.truncated), (Format::Rss, false, false));
    assert_eq!(document.feed.title.as_ref().unwrap().value, "Tides");
    assert_eq!(document.feed.link(), Some("http://a.example/"));
    let item = &document.items[0];
    assert_eq!(item.id.as_deref(), Some("n1"));
    assert_eq!(item.is_permalink, Some(false));
    assert_eq!(item.link(), Some("http://a.example/high"));
    assert_eq!(item.title.as_ref().unwrap().value, "High &amp; low");
    assert_eq!(item.summary.as_ref().unwrap().value, "<p>Up & down</p>");
    assert_eq!(item.published.as_ref().unwrap().at.unwrap().to_string(), "2020-03-03T03:05:06Z");
    assert_eq!(item.enclosures[0].href, "http://a.example/a.mp3");
    assert_eq!(item.source.as_ref().unwrap().title.as_ref().unwrap().value, "Other");
}

#[test]
fn reads_rdf() {
    let document = read(
        "<rdf:RDF xmlns:rdf='http://www.w3.org/1999/02/22-rdf-syntax-ns#' xmlns='http://purl.org/rss/1.0/'
            xmlns:dc='http://purl.org/dc/elements/1.1/'>
          <channel rdf:about='http://a.example/'><title>Tides</title><items><rdf:Seq><rdf:li resource='x'/></rdf:Seq></items></channel>
          <item rdf:about='http://a.example/1'><title>One</title><link>http://a.example/1</link><dc:date>2020-03-03</dc:date>
            <dc:creator>Ada</dc:creator><dc:subject>sea</dc:subject></item></rdf:RDF>",
    )
    .unwrap();
    assert_eq!(document.format, Format::Rdf);
    let item = &document.items[0];
    assert_eq!(item.id.as_deref(), Some("http://a.example/1"));
    assert!(item.updated.as_ref().unwrap().zone_assumed);
    assert_eq!(item.authors[0].name.as_deref(), Some("Ada"));
    assert_eq!(item.tags[0].term, "sea");
}

#[test]
fn reads_atom() {
    let document = read(
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='http://b.example/x/'><id>f</id><title type='html'>T&lt;br></title>
          <link rel='self' href='self'/><link href='site'/><updated>2020-03-03T04:05:06Z</updated>
          <entry><id>urn:1</id><title>One</title><link href='one'/><link rel='enclosure' href='e.mp3' length='5'/>
            <published>2020-03-03T04:05:06Z</published><author><name>Ada</name><uri>/ada</uri></author>
            <category term='sea' label='Sea'/>
            <content type='xhtml'><div xmlns='http://www.w3.org/1999/xhtml'>a &lt; <b>c</b><br/></div></content></entry></feed>",
    )
    .unwrap();
    assert_eq!(document.format, Format::Atom);
    assert_eq!(document.feed.link(), Some("http://b.example/x/site"));
    let item = &document.items[0];
    assert_eq!(item.link(), Some("http://b.example/x/one"));
    assert_eq!(item.enclosures[0].href, "http://b.example/x/e.mp3");
    assert_eq!(item.authors[0].uri.as_deref(), Some("http://b.example/ada"));
    assert_eq!((item.contents[0].value.as_str(), &item.contents[0].kind), ("a &lt; <b>c</b><br />", &TextKind::Xhtml));
}

#[test]
fn reads_atom_03_and_cdf() {
    let atom = read(
        "<feed version='0.3' xmlns='http://purl.org/atom/ns#'><entry><id>1</id><issued>2020-03-03T04:05:06Z</issued>
          <modified>2020-03-04T04:05:06Z</modified><content type='text/html' mode='escaped'>&lt;p></content></entry></feed>",
    )
    .unwrap();
    assert_eq!(atom.format, Format::Atom03);
    assert!(atom.items[0].published.is_some() && atom.items[0].updated.is_some());
    let cdf = read("<CHANNEL HREF='http://a.example/'><TITLE>T</TITLE><ITEM HREF='/1' LASTMOD='2020-03-03'><TITLE>One</TITLE></ITEM></CHANNEL>").unwrap();
    assert_eq!(cdf.format, Format::Cdf);
    assert_eq!(cdf.items[0].link(), Some("http://a.example/1"));
}

#[test]
fn words_of_others_are_kept_under_their_namespace() {
    let document = rss(
        "<item><guid>1</guid><m:group xmlns:m='urn:m'><m:thumb url='u'/><m:note>n</m:note></m:group><x:y>z</x:y></item>",
    );
    let extensions = content(&document.items[0]).to_json().get("extensions").unwrap().to_string();
    assert_eq!(
        extensions,
        r#"{"urn:m":{"group":[{"children":{"note":["n"],"thumb":[{"attributes":{"url":"u"}}]}}]},"x":{"y":["z"]}}"#
    );
}

#[test]
fn odd_names_and_prefixes_are_understood() {
    let document =
        read("<z:RSS xmlns:z='urn:unheard-of'><z:Channel><z:Item><z:GUID>1</z:GUID></z:Item></z:Channel></z:RSS>")
            .unwrap();
    assert_eq!(document.items[0].id.as_deref(), Some("1"));
    let document = rss("<item><dc:title>One</dc:title><PUBDATE>2020-03-03</PUBDATE></item>");
    assert_eq!(document.items[0].title.as_ref().unwrap().value, "One");
    assert!(document.items[0].published.is_some());
}

#[test]
fn a_broken_item_is_recovered_whole() {
    let document = rss("<item><guid>1</guid><title>AT&T 1 < 2</title><link>http://x.example/?a=1&b=2</link></item>
        <item><guid>2</guid><title>two</item></title><item><guid>3</guid><item><guid>4</guid></item></item>");
    let ids: Vec<_> = document.items.iter().filter_map(|item| item.id.as_deref()).collect();
    assert_eq!(ids, ["1", "2", "3", "4"]);
    assert_eq!(document.items[0].link(), Some("http://x.example/?a=1&b=2"));
    assert!(document.recovered && !document.truncated);
}

#[test]
fn items_in_an_element_that_is_never_closed_are_found() {
    let document = rss("<x:category text='a'><item><guid>1</guid></item>");
    assert_eq!(document.items.len(), 1);
    assert!(document.recovered);
}

#[test]
fn a_feed_wrapped_in_a_page_is_found_and_flagged() {
    let document = read("<!DOCTYPE html><html><body><p>x<feed xmlns='http://www.w3.org/2005/Atom'><entry><id>1</id></entry></feed></body></html>").unwrap();
    assert_eq!(document.items.len(), 1);
    assert!(document.recovered);
}

#[test]
fn what_a_second_summary_says_is_not_lost() {
    let document = rss("<item><guid>1</guid><summary>short</summary><description>long</description></item>");
    assert_eq!(document.items[0].summary.as_ref().unwrap().value, "long");
    assert_eq!(document.items[0].contents[0].value, "short");
}

#[test]
fn base64_is_unwrapped() {
    let document = read(
        "<feed xmlns='http://purl.org/atom/ns#'><entry><id>1</id><title mode='base64' type='text/html'>PGI+VGlkZXM8L2I+</title></entry></feed>",
    )
    .unwrap();
    let title = document.items[0].title.as_ref().unwrap();
    assert_eq!((title.value.as_str(), &title.kind), ("<b>Tides</b>", &TextKind::Html));
}

#[test]
fn the_deepest_documents_fit_a_small_stack() {
    for (open, code) in [
        ("<item>", None),
        ("<channel>", None),
        ("<x>", None),
        ("<item><guid>1</guid><x:y>", None),
        ("<item>", Some("xml.depth")),
    ] {
        let levels = if code.is_some() { 10_000 } else { 250 / open.matches('<').count() };
        let text = format!("<rss><channel>{}", open.repeat(levels));
        let read =
            std::thread::Builder::new().stack_size(1 << 20).spawn(move || read(&text).map_err(|error| error.code()));
        let read = read.unwrap().join().unwrap();
        assert_eq!(read.err(), code, "{open}");
    }
}

#[test]
fn half_an_item_is_none() {
    let document = read("<rss><channel><item><guid>1</guid></item><item><guid>2</guid><title>tw").unwrap();
    assert!(document.truncated);
    assert_eq!(document.items.len(), 1);
}

#[test]
fn a_title_beyond_the_limit_costs_its_item() {
    let document =
        rss(&format!("<item><guid>1</guid><title>{}</title></item><item><guid>2</guid></item>", "x".repeat(70_000)));
    assert_eq!(document.items.len(), 1);
    assert_eq!((document.rejects[0].code, document.rejects[0].id.as_deref()), ("field.too_long", Some("1")));
    assert!(document.rejects[0].excerpt.starts_with("<item><guid>1"));
}

#[test]
fn an_item_with_endless_members_is_refused() {
    for member in ["<x:y a='1'/>", "<category>c</category>"] {
        let document = rss(&format!("<item><guid>1</guid>{}</item><item><guid>2</guid></item>", member.repeat(10_001)));
        assert_eq!(document.rejects[0].code, "field.too_many");
        assert_eq!(document.items.len(), 1);
    }
}

#[test]
fn what_is_no_feed_is_named() {
    for (text, code, word) in [
        ("", "feed.empty", ""),
        ("<?xml version='1.0'?>", "feed.empty", ""),
        ("<!DOCTYPE html><html><body>", "feed.not_a_feed", "HTML"),
        ("<opml/>", "feed.not_a_feed", "OPML"),
        ("<svg/>", "feed.not_a_feed", "<svg>"),
        ("hello", "feed.not_a_feed", "plain text"),
        ("<rss><channel><a/><?xml version='1.0'?></channel></rss>", "xml.syntax", "second"),
    ] {
        let error = read(text).unwrap_err();
        assert_eq!(error.code(), code, "{text}");
        assert!(error.to_string().contains(word), "{error}");
    }
}

#[test]
fn too_many_items_refuse_the_document() {
    let limits = Limits { items: 2, ..Limits::default() };
    let input = Input { bytes: b"<rss><item/><item/><item/></rss>", content_type: None, base: None };
    assert_eq!(parse(&input, &limits), Err(ParseError::TooManyItems { limit: 2 }));
}

#[test]
fn the_feeds_own_dates_are_no_part_of_an_item() {
    let at = |date: &str| rss(&format!("<lastBuildDate>{date}</lastBuildDate><item><guid>1</guid></item>"));
    assert_eq!(content(&at("2020-03-03").items[0]), content(&at("2021-03-03").items[0]));
}

#[test]
fn a_text_that_is_never_closed_costs_no_item() {
    for unclosed in ["<description>Of the sea", "<title>Tides <b>now", "<itunes:summary>Of the sea", "<odd><odder>"] {
        let document = rss(&format!(
            "{unclosed}<item><title>One</title><guid>1</guid></item>
             <item><description>Two<guid>2</guid></item><item><guid>3</guid><title>Three</item>"
        ));
        assert_eq!(document.items.len(), 3, "{unclosed}");
        assert_eq!(document.items[0].id.as_deref(), Some("1"), "{unclosed}");
        assert_eq!(document.items[2].title.as_ref().unwrap().value, "Three", "{unclosed}");
        assert!(document.recovered, "{unclosed}");
    }
}

#[test]
fn an_entry_within_the_content_of_an_entry_is_content() {
    let document = read(
        "<feed xmlns='http://www.w3.org/2005/Atom'><title>Tides</title><entry><id>1</id>
         <content type='application/atom+xml'><entry><id>inner</id></entry></content></entry></feed>",
    )
    .unwrap();
    assert_eq!(document.items.len(), 1);
    assert_eq!(document.items[0].id.as_deref(), Some("1"));
    assert!(!document.recovered);
}

#[test]
fn elements_inside_markup_keep_their_prefix() {
    let document = read(
        "<feed xmlns='http://www.w3.org/2005/Atom' xmlns:svg='urn:svg'><entry><id>1</id>
         <content type='xhtml'><svg:g><svg:s/></svg:g></content></entry></feed>",
    );
    assert_eq!(document.unwrap().items[0].contents[0].value, "<svg:g><svg:s /></svg:g>");
}

#[test]
fn an_endless_namespace_is_not_copied_into_every_item() {
    let uri = "urn:".to_owned() + &"n".repeat(100_000);
    let items = "<item><guid>1</guid><n:x>y</n:x></item>".repeat(3);
    let document = read(&format!("<rss xmlns:n='{uri}'><channel>{items}</channel></rss>")).unwrap();
    assert_eq!(document.items.len(), 3);
    assert!(document.items.iter().all(|item| content(item).as_str().len() < 1_000));
}

#[test]
fn a_feed_is_described_in_every_vocabulary() {
    let document = rss(
        "<language>en</language><ttl>90</ttl><skipHours><hour>3</hour></skipHours>
        <sy:updatePeriod>daily</sy:updatePeriod><webMaster>web@a.example (Web)</webMaster><docs>d</docs>
        <image><url>/i.png</url><title>I</title><width>8</width></image><category domain='d'>sea</category>
        <generator>g 1</generator><atom:link rel='hub' href='http://hub.example/'/>
        <atom:link rel='self' href='/self'/><atom:link rel='next' href='/2'/><itunes:summary>Of tides</itunes:summary>",
    );
    let feed = &document.feed;
    assert_eq!((feed.language.as_deref(), feed.schedule.interval_minutes()), (Some("en"), Some(24 * 60)));
    assert_eq!(feed.schedule.skip_hours, [3]);
    assert_eq!(feed.publisher.as_ref().unwrap().name_and_email(), (Some("Web"), Some("web@a.example")));
    assert_eq!(feed.image.as_ref().unwrap().href.as_deref(), Some("http://a.example/i.png"));
    assert_eq!((feed.tags[0].term.as_str(), feed.tags[0].scheme.as_deref()), ("sea", Some("d")));
    assert_eq!(feed.generator.as_ref().unwrap().name.as_deref(), Some("g 1"));
    assert_eq!(feed.hubs().collect::<Vec<_>>(), ["http://hub.example/"]);
    assert_eq!((feed.self_link(), feed.next_page()), (Some("http://a.example/self"), Some("http://a.example/2")));
    assert_eq!(feed.subtitle.as_ref().unwrap().value, "Of tides");
    assert!(feed.extensions.iter().any(|element| &*element.name == "docs" && element.text() == Some("d")));
}

#[test]
fn words_of_podcasts_and_media_fill_what_an_item_leaves_empty() {
    let document = rss("<item><itunes:author>Ada</itunes:author><itunes:summary>Low</itunes:summary>
        <itunes:keywords>sea, tide, sea</itunes:keywords><category>tide</category>
        <media:group><media:title type='html'>T</media:title></media:group></item>
        <item><title>own</title><media:title>other</media:title></item>");
    let item = &document.items[0];
    assert_eq!(item.title.as_ref().unwrap().value, "T");
    assert_eq!(item.summary.as_ref().unwrap().value, "Low");
    assert_eq!(item.authors[0].name.as_deref(), Some("Ada"));
    assert_eq!(item.tags.iter().map(|tag| tag.term.as_str()).collect::<Vec<_>>(), ["tide", "sea"]);
    assert_eq!(document.items[1].title.as_ref().unwrap().value, "own");
}

#[test]
fn known_namespaces_are_kept_under_their_usual_prefix_whatever_the_document_calls_them() {
    let extensions = |declaration: &str, prefix: &str| {
        let text = format!("<rss {declaration}><channel><item><{prefix}:x>y</{prefix}:x></item></channel></rss>");
        content(&read(&text).unwrap().items[0]).to_json().get("extensions").unwrap().to_string()
    };
    for (declaration, prefix, kept) in [
        ("xmlns:i='http://www.itunes.com/DTDs/Podcast-1.0.dtd'", "i", "itunes"),
        ("xmlns:m='https://search.yahoo.com/mrss'", "m", "media"),
        ("xmlns:p='https://podcastindex.org/namespace/1.0'", "p", "podcast"),
        ("xmlns:t='http://purl.org/syndication/thread/1.0'", "t", "thr"),
        ("", "slash", "slash"),
        ("xmlns:itunes='urn:own'", "itunes", "urn:own"),
    ] {
        assert_eq!(extensions(declaration, prefix), format!(r#"{{"{kept}":{{"x":["y"]}}}}"#), "{declaration}");
    }
}

#[test]
fn an_atom_source_is_kept_without_the_dates_that_change_with_other_items() {
    let at = |date: &str| {
        read(&format!(
            "<feed xmlns='http://www.w3.org/2005/Atom'><title>Planet</title><entry><id>1</id><source><id>s</id>
             <title type='html'>S</title><author><name>Ada</name></author><link rel='self' href='/s'/>
             <updated>{date}</updated></source></entry></feed>"
        ))
        .unwrap()
    };
    let document = at("2020-03-03");
    assert_eq!(document.feed.title.as_ref().unwrap().value, "Planet");
    let source = document.items[0].source.as_ref().unwrap();
    assert_eq!((source.id.as_deref(), source.authors[0].name.as_deref()), (Some("s"), Some("Ada")));
    assert!(source.updated.is_some());
    assert_eq!(content(&document.items[0]), content(&at("2021-03-03").items[0]));
}

#[test]
fn markup_is_kept_with_the_base_of_its_addresses() {
    let document = read(
        "<feed xmlns='http://www.w3.org/2005/Atom'><entry xml:base='http://b.example/x/'><id>1</id>
         <title>plain</title><content type='html' xml:base='y/'>&lt;a href='z'></content></entry></feed>",
    )
    .unwrap();
    assert_eq!(document.items[0].contents[0].base.as_deref(), Some("http://b.example/x/y/"));
    let written = content(&document.items[0]);
    assert!(written.as_str().contains(r#""base":"http://b.example/x/y/""#), "{}", written.as_str());
    assert!(!written.as_str().contains("title_base"));
}

#[test]
fn a_feed_that_lists_without_end_keeps_the_first() {
    let document = rss(&"<category>c</category><x:y/>".repeat(10_005));
    assert_eq!(document.feed.tags.len(), 10_000);
    assert!(document.feed.extensions.len() <= 10_001);
}

#[test]
fn an_element_with_a_base_of_its_own_is_resolved_against_it() {
    let document = read(
        "<feed xmlns='http://www.w3.org/2005/Atom' xml:base='http://b.example/'><icon xml:base='img/'>i.png</icon>
         <logo>l.png</logo><author><uri xml:base='http://c.example/'>me</uri></author>
         <entry><link xml:base='http://d.example/' href='x'/><link rel='related' href='y'/></entry></feed>",
    )
    .unwrap();
    assert_eq!(document.feed.icon.as_deref(), Some("http://b.example/img/i.png"));
    assert_eq!(document.feed.image.as_ref().unwrap().href.as_deref(), Some("http://b.example/l.png"));
    assert_eq!(document.feed.authors[0].uri.as_deref(), Some("http://c.example/me"));
    let links: Vec<&str> = document.items[0].links.iter().filter_map(|link| link.href.as_deref()).collect();
    assert_eq!(links, ["http://d.example/x", "http://b.example/y"]);
}

#[test]
fn an_enclosure_may_be_a_text() {
    let document = rss("<item><enclosure type='audio/mpeg'> /a.mp3 </enclosure></item>");
    assert_eq!(document.items[0].enclosures[0].href, "http://a.example/a.mp3");
    let document = read(
        "<feed xmlns='http://www.w3.org/2005/Atom'><entry><link rel='enclosure'>http://a.example/b</link></entry></feed>",
    )
    .unwrap();
    assert_eq!(document.items[0].enclosures[0].href, "http://a.example/b");
}

#[test]
fn the_div_of_xhtml_is_no_part_of_a_text_under_its_media_type_either() {
    let xhtml = "<div xmlns='http://www.w3.org/1999/xhtml'>a <b>b</b></div>";
    let document = read(&format!(
        "<feed xmlns='http://www.w3.org/2005/Atom'><entry><title type='application/xhtml+xml'>{xhtml}</title>
         <content type='application/xhtml+xml'>{xhtml}</content></entry></feed>"
    ))
    .unwrap();
    assert_eq!(document.items[0].title.as_ref().unwrap().value, "a <b>b</b>");
    assert_eq!(document.items[0].contents[0].value, "<div>a <b>b</b></div>");
}

#[test]
fn a_category_without_a_term_is_left_out_and_told() {
    let document = rss("<item><category domain='d'/><category/><category>x</category></item>");
    assert_eq!(document.items[0].tags.len(), 1);
    let told: Vec<(&str, u32)> = document.warnings.iter().map(|warning| (warning.code, warning.count)).collect();
    assert_eq!(told, [("category.unnamed", 1)]);
}
