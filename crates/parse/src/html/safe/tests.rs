use super::*;

fn base() -> Url {
    Url::parse("https://a.example/news/1.html").expect("it is an address")
}

/// Safe HTML, which stays as it is when it is made safe again.
fn safe(html: &str) -> String {
    let once = safe_html(html, Some(&base()), Images::Hidden);
    assert_eq!(safe_html(&once, Some(&base()), Images::Hidden), once, "of {html:?}");
    once
}

#[test]
fn what_is_harmless_stays() {
    for html in [
        "plain",
        "<p>Tides &amp; <b>moons</b><br>and <i lang=\"la\">luna</i></p><hr><p dir=\"rtl\">x</p>",
        "<ul><li>one<ul><li>inner</li></ul></li><li>two</li></ul><ol start=\"3\"><li>x</li></ol>",
        "<table><thead><tr><th colspan=\"2\">h</th></tr></thead><tbody><tr><td>1</td><td>2</td></tr></tbody></table>",
        "<h2>A</h2><blockquote><p>q</p></blockquote><pre>a\n  b\n</pre><dl><dt>t</dt><dd>d</dd></dl>",
        "<details><summary>s</summary>x</details><figure><figcaption>c</figcaption></figure>",
        "<table><tbody><tr><td><table><tbody><tr><td>in</td></tr></tbody></table></td></tr></tbody></table>",
        "{{7*7}} ${7*7} &lt;%= 7 %&gt; #{7}",
        "1 &lt; 2 &amp;&amp; 3 &gt; 2&nbsp;\u{200f}",
    ] {
        assert_eq!(safe(html), html);
    }
}

#[test]
fn what_is_written_carelessly_is_understood() {
    for (html, is) in [
        ("<P>a<p>b", "<p>a</p><p>b</p>"),
        ("<ul><li>a<li>b</ul>", "<ul><li>a</li><li>b</li></ul>"),
        ("<b><p>a</b>b</p>", "<b><p>a</p></b>b"),
        ("<p><b>a<p>b", "<p><b>a</b></p><p>b</p>"),
        (
            "<table><tr><td>a<td>b<tr><td>c</table>d",
            "<table><tbody><tr><td>a</td><td>b</td></tr><tr><td>c</td></tr></tbody></table>d",
        ),
        ("<table><td>a</table>", "<table><tbody><tr><td>a</td></tr></tbody></table>"),
        ("<td>a</td>", "a"),
        ("a < b & c", "a &lt; b &amp; c"),
        ("<div class=x id=y data-z=1 style='a:b'>a</div>", "<div>a</div>"),
        ("<font color=red>a</font><center>b</center>", "a<center>b</center>"),
        ("<pre>\n\n\na</pre>", "<pre>a</pre>"),
        ("a\r\nb\rc", "a\nb\nc"),
        (
            "<video src=v><a href=v>the video</a></video>",
            "<a href=\"https://a.example/news/v\" rel=\"noopener noreferrer nofollow\">the video</a>",
        ),
    ] {
        assert_eq!(safe(html), is, "of {html}");
    }
}

#[test]
fn what_acts_is_left_out() {
    for (html, is) in [
        // U02, and the nests of RUSTSEC-2026-0193, -0213 and 2025-0071.
        (
            "a<svg><set attributeName=href to=javascript:alert(1)></svg><math><annotation-xml encoding=\"text/html\"><style></math><img src=x onerror=alert(1)>",
            "a",
        ),
        (
            "<math><mtext><table><mglyph><style><!--</style><img title=\"--&gt;&lt;img src=1 onerror=alert(1)&gt;\">",
            "<table></table>",
        ),
        (
            "<svg></p><style><a id=\"</style><img src=/1 onerror=alert(1) alt=i>\">x",
            "<a href=\"https://a.example/1\" rel=\"noopener noreferrer nofollow\">i</a>\"&gt;x",
        ),
        (
            "<svg><animate xlink:href=#x attributeName=href values=javascript:alert(1) /><a id=x><text>y</text></a></svg>z",
            "z",
        ),
        (
            "<noscript><p title=\"</noscript><img src=x onerror=alert(1)>\">x</p></noscript>",
            "<p title=\"&lt;/noscript&gt;&lt;img src=x onerror=alert(1)&gt;\">x</p>",
        ),
        ("<math><a xlink:href=javascript:alert(1)>x</a></math>", "x"),
        // U04.
        (
            "<iframe srcdoc=\"&lt;script&gt;x&lt;/script&gt;\"></iframe><button formaction=javascript:x>b</button><base href=//evil><meta http-equiv=refresh content=0;url=//evil>",
            "b",
        ),
        ("<form action=//evil><input value=x><textarea>t</textarea></form>", "t"),
        ("<object data=//evil><embed src=//evil></object>a", "a"),
        ("<link rel=stylesheet href=//evil>a<frame src=//evil>", "a"),
        // U05.
        (
            "<a style=\"position:fixed;inset:0\" href=\"//evil\">x</a><style>*{display:none}</style>",
            "<a href=\"https://evil/\" rel=\"noopener noreferrer nofollow\">x</a>",
        ),
        ("<bdo dir=rtl>a</bdo>", "a"),
        // U07, and what turns the direction of a page.
        ("\u{9b}31mred&#27;[0m \u{202e}x&#x2066;", "\\u{9b}31mred\u{fffd}[0m \\u{202e}x\\u{2066}"),
        ("<script>alert(1)</script><scr<script>ipt>alert(1)</script>", "ipt&gt;alert(1)"),
        ("<!-- <b>c --><?php x ?><!DOCTYPE html><![CDATA[d]]>a", "a"),
    ] {
        assert_eq!(safe(html), is, "of {html}");
    }
}

#[test]
fn links_have_schemes_that_do_nothing_but_lead_somewhere() {
    for (href, is) in [
        ("2.html?a=1&copy=2", Some("https://a.example/news/2.html?a=1&amp;copy=2")),
        ("//b.example/x", Some("https://b.example/x")),
        ("#n1", Some("https://a.example/news/1.html#n1")),
        ("mailto:a@a.example", Some("mailto:a@a.example")),
        ("HTTP://B.example", Some("http://b.example/")),
        ("http://b.example/&quot;onclick=x", Some("http://b.example/%22onclick=x")),
        ("javascript:alert(1)", None),
        ("JaVa\tScript:alert(1)", None),
        ("&#1;javascript&#58;alert(1)", Some("https://a.example/news/%EF%BF%BDjavascript:alert(1)")),
        ("java&#9;script&#58;alert(1)", None),
        ("vbscript:x", None),
        ("data:text/html,x", None),
        ("file:///etc/passwd", None),
        ("blob:https://a.example/1", None),
        ("http://[::1", None),
    ] {
        let link = |href: &str| format!("<a href=\"{href}\" rel=\"noopener noreferrer nofollow\">x</a>");
        assert_eq!(safe(&format!("<a href=\"{href}\">x</a>")), is.map_or("x".to_owned(), link), "of {href}");
    }
}

#[test]
fn without_a_base_of_the_web_only_whole_addresses_are_links() {
    let html = "<a href=/x>a</a><a href=//b.example>b</a><a href=https://c.example>c</a>";
    let is = "ab<a href=\"https://c.example/\" rel=\"noopener noreferrer nofollow\">c</a>";
    let no_base = Url::parse("javascript:alert(1)//").expect("it is an address");
    assert_eq!(safe_html(html, None, Images::Hidden), is);
    assert_eq!(safe_html(html, Some(&no_base), Images::Hidden), is);
}

#[test]
fn pictures_are_words_until_they_are_asked_for() {
    let shown = |html: &str| safe_html(html, Some(&base()), Images::Shown);
    let link =
        |words: &str| format!("<a href=\"https://a.example/p\" rel=\"noopener noreferrer nofollow\">{words}</a>");
    for (html, hidden, is) in [
        (
            "<img src=/p alt='a &lt;b&gt;' onload=x style=y srcset=z>",
            link("a &lt;b&gt;"),
            "<img src=\"https://a.example/p\" alt=\"a &lt;b&gt;\">".to_owned(),
        ),
        ("<img src=/p>", link("image"), "<img src=\"https://a.example/p\" alt=\"\">".to_owned()),
        ("<img src=/p alt=''>", String::new(), "<img src=\"https://a.example/p\" alt=\"\">".to_owned()),
        ("<a href=/p><img src=/q alt=w></a>", link("w"), link("<img src=\"https://a.example/q\" alt=\"w\">")),
        ("<img src=data:image/svg+xml,x alt=w>", "w".to_owned(), "w".to_owned()),
        ("<img src=javascript:x alt=w>", "w".to_owned(), "w".to_owned()),
    ] {
        assert_eq!(safe(html), hidden, "of {html}");
        assert_eq!(shown(html), is, "of {html}");
        assert_eq!(shown(&is), is, "of {html}");
    }
}

#[test]
fn what_is_costly_to_parse_is_read_all_the_same() {
    let size = 200_000;
    for html in [
        "<div>".repeat(size),
        "<b x=1><p>".repeat(size / 2),
        (0..20_000).map(|at| format!("<b title={at}><p>x")).collect::<Vec<_>>().concat(),
        "<table><b>".repeat(20_000),
        "<p><b><i><s><u><a href=x>".repeat(10_000),
        "<a href='".repeat(size),
        "&".repeat(4 << 20),
        "&lt;".repeat(190_000),
        "&#155;".repeat(10_000),
        "<!--".repeat(size),
        "<script>".repeat(size),
        "x".repeat((4 << 20) + 1),
    ] {
        let once = safe_html(&html, None, Images::Hidden);
        assert!(once.len() <= 6 * html.len(), "{} of {}", once.len(), &html[..40]);
    }
    let many = "<p>x".repeat(200_001);
    let once = safe(&many);
    assert!(once.starts_with("<pre>x\n\nx\n\nx"), "{}", &once[..40]);
}

#[test]
fn a_text_is_read_as_what_it_is_taken_for() {
    let text = |kind: Option<&str>, value: &str| {
        let text = Text { value: value.to_owned(), kind: TextKind::from_word(kind), ..Text::default() };
        text.safe_html(None, Images::Hidden)
    };
    for (kind, value, is) in [
        (Some("html"), "a<script>x</script><b>b</b>", "a<b>b</b>"),
        (Some("xhtml"), "<div><br/>a</div>", "<div><br>a</div>"),
        (Some("text/html"), "<b>b</b>", "<b>b</b>"),
        (Some("text"), "<b>b</b>", "&lt;b&gt;b&lt;/b&gt;"),
        (Some("text/plain"), "a\n\n<b>", "a<br><br>&lt;b&gt;"),
        (Some("image/png"), "AAAA", ""),
        (None, "<b>b</b>", "<b>b</b>"),
        (None, "a\nb", "a<br>b"),
    ] {
        assert_eq!(text(kind, value), is, "{kind:?}");
    }
}
