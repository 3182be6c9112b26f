use feedspine_core::{Content, KeyRule, Layer, NaturalKey, RecordId, VersionNo};
use feedspine_parse::Input;

use super::*;

fn record(content: Content) -> Record {
    let at = Timestamp::UNIX_EPOCH;
    Record {
        id: RecordId::from_u128(1),
        key: NaturalKey::new("a".parse().unwrap(), "1<").unwrap(),
        key_rule: KeyRule::Id,
        layer: Layer::Bronze,
        version: VersionNo::FIRST,
        content,
        metadata: Content::parse("{}").unwrap(),
        published: None,
        updated: Some(at),
        first_seen: at,
        recorded_at: at,
        derived_from: None,
    }
}

fn page(content: &str, images: Images) -> String {
    record_page(&record(Content::parse(content).unwrap()), images)
}

/// The page of an item of RSS.
fn page_of_item(item: &str) -> String {
    let body = format!("<rss version='2.0'><channel><title>t</title><item><guid>1</guid>{item}</item></channel></rss>");
    let input = Input { bytes: body.as_bytes(), content_type: None, base: None };
    let document = feedspine_parse::parse(&input, &feedspine_parse::Limits::default()).unwrap();
    record_page(&record(feedspine_parse::content(&document.items[0])), Images::Hidden)
}

#[test]
fn what_hostile_feeds_say_is_shown_and_does_nothing() {
    for (case, item, stays) in [
        (
            "U01",
            "<title>&lt;script>alert(1)&lt;/script></title><author>\"&gt;&lt;img src=x onerror=alert(1)&gt;</author>",
            &["<h1 dir=\"auto\">&lt;script&gt;alert(1)&lt;/script&gt;</h1>", "&lt;img src=x onerror=alert(1)&gt;"][..],
        ),
        (
            "U02",
            "<description><![CDATA[kept<svg><set attributeName=href to=javascript:alert(1)></svg><math><annotation-xml \
             encoding=\"text/html\"><style></math><img src=x onerror=alert(1)>]]></description>",
            &["\nkept\n"],
        ),
        (
            "U04",
            "<description><![CDATA[<iframe srcdoc=\"&lt;script&gt;x&lt;/script&gt;\"></iframe><button formaction=\
             javascript:x>b</button><base href=//evil><meta http-equiv=refresh content=0;url=//evil>]]></description>",
            &["\nb\n"],
        ),
        (
            "U05",
            "<link>http://a.example/</link><description><![CDATA[<a style=\"position:fixed;inset:0\" \
             href=\"//b.example\">x</a><style>*{display:none}</style>]]></description>",
            &["<a href=\"http://b.example/\" rel=\"noopener noreferrer nofollow\">x</a>"],
        ),
        ("U06", "<title>{{7*7}} ${7*7} &lt;%= 7 %> #{7}</title>", &["{{7*7}} ${7*7} &lt;%= 7 %&gt; #{7}"]),
        ("U07", "<title>&#155;31mred \u{202e}x</title>", &["31mred \\u{202e}x"]),
        ("X35", "<title>t</title><link>javascript:alert(1)//</link>", &[]),
    ] {
        let page = page_of_item(item);
        for acts in [
            "<script",
            "<svg",
            "<math",
            "<style",
            "<iframe",
            "<button",
            "<base",
            "<img",
            "refresh",
            "evil",
            " style=",
            "\"javascript",
            "display:none",
            "\u{9b}",
            "\u{202e}",
            "49",
        ] {
            assert!(!page.contains(acts), "{case}: {acts:?} is in {page}");
        }
        for stays in stays {
            assert!(page.contains(stays), "{case}: {stays:?} is not in {page}");
        }
    }
}

#[test]
fn a_page_has_all_that_a_reader_wants_to_know() {
    let content = r#"{"authors":[{"name":"Ada <x>"},{"email":"b@b.example"},"Cy"],
        "content":[
            {"base":"https://b.example/d/","type":"html","value":"<p>Text <a href=\"e\">e</a> <img src=/p alt=moon>"},
            {"src":"https://c.example/video","type":"video/mp4","value":""}],
        "enclosures":[{"href":"https://a.example/1.mp3","length":"12","type":"audio/mpeg"},{"href":"file:///etc/x"}],
        "link":"https://a.example/1?x=1&y=\"2","published":"soon & <b>","summary":"not shown",
        "title":"One &amp; <b>two</b>","title_type":"html"}"#;
    assert_eq!(
        page(content, Images::Shown),
        r#"<!DOCTYPE html>
<html>
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src http: https:; base-uri 'none'; form-action 'none'">
<meta name="referrer" content="no-referrer">
<title>One &amp; two</title>
</head>
<body>
<article>
<h1 dir="auto">One &amp; two</h1>
<dl>
<dt>link</dt><dd><a href="https://a.example/1?x=1&amp;y=%222" rel="noopener noreferrer nofollow">https://a.example/1?x=1&amp;y=&quot;2</a></dd>
<dt>author</dt><dd>Ada &lt;x&gt;, b@b.example, Cy</dd>
<dt>published</dt><dd>soon &amp; &lt;b&gt;</dd>
<dt>updated</dt><dd><time>1970-01-01T00:00:00Z</time></dd>
</dl>
<div dir="auto">
<p>Text <a href="https://b.example/d/e" rel="noopener noreferrer nofollow">e</a> <img src="https://b.example/p" alt="moon"></p>
</div>
<p><a href="https://c.example/video" rel="noopener noreferrer nofollow">https://c.example/video</a></p>
<h2>Enclosures</h2>
<ul>
<li><a href="https://a.example/1.mp3" rel="noopener noreferrer nofollow">https://a.example/1.mp3</a>, audio/mpeg, 12 bytes</li>
<li>file:///etc/x</li>
</ul>
</article>
<footer><p>a 1&lt;, version 1, bronze, since 1970-01-01T00:00:00Z</p></footer>
</body>
</html>
"#
    );
}

#[test]
fn the_body_is_the_contents_else_the_summary_read_as_what_they_are() {
    for (content, shown) in [
        (r#"{"summary":"<b>s</b>"}"#, "<b>s</b>"),
        (r#"{"summary":"<b>s</b>","summary_type":"text"}"#, "&lt;b&gt;s&lt;/b&gt;"),
        (r#"{"content":[{"type":"html","value":"<script>x</script>"}],"summary":"s"}"#, "s"),
        (r#"{"content":[{"type":"html","value":"<p> </p>"}],"summary":"s"}"#, "s"),
        (
            r#"{"content":[{"type":"html","value":"<img src=https://a.example/p>"}],"summary":"s"}"#,
            "<a href=\"https://a.example/p\" rel=\"noopener noreferrer nofollow\">image</a>",
        ),
        (r#"{"content":"<i>c</i>","summary":"s"}"#, "<i>c</i>"),
        (
            r#"{"link":"https://a.example/d/1","summary":"<a href=\"2\">x</a>"}"#,
            "<a href=\"https://a.example/d/2\" rel=\"noopener noreferrer nofollow\">x</a>",
        ),
        (r#"{"link":"javascript:x","summary":"<a href=\"2\">x</a>"}"#, "x"),
        (r#"{"content":[{"base":"javascript:x","type":"html","value":"<a href=\"2\">x</a>"}]}"#, "x"),
    ] {
        let page = page(content, Images::Hidden);
        assert!(page.contains(&format!("<div dir=\"auto\">\n{shown}\n</div>")), "{content} gave {page}");
    }
    let picture = r#"{"content":"<img src=https://a.example/p>","summary":"s"}"#;
    assert!(page(picture, Images::Shown).contains("\n<img src=\"https://a.example/p\" alt=\"\">\n"));
    for content in ["{}", "[1]", r#"{"title":" "}"#, r#"{"title":7,"content":[1],"authors":{},"enclosures":[{}]}"#] {
        assert!(page(content, Images::Hidden).contains("<h1 dir=\"auto\">(untitled)</h1>"));
    }
}
