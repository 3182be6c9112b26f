//! HTML as feeds hold it, and what a reader sees of it.

use super::*;

#[test]
fn gives_what_a_reader_sees() {
    for (html, plain) in [
        ("", ""),
        ("  one\n two\t three ", "one two three"),
        ("<p>one</p><p>two</p>", "one\n\ntwo"),
        ("<p>one<p>two", "one\n\ntwo"),
        ("<div>one</div><div>two</div>", "one\ntwo"),
        ("one<br>two<br/><br />three", "one\ntwo\n\nthree"),
        ("a <b>bo</b>ld <i> word </i>.", "a bold word ."),
        ("<h1>Tides</h1>of the<span> sea</span>", "Tides\n\nof the sea"),
        ("<ul><li>one</li><li>two <b>2</b></li></ul>after", "• one\n• two 2\n\nafter"),
        ("<ol start=3><li>c<li>d</ol>", "3. c\n4. d"),
        ("<ul><li>a<ul><li>b</li></ul></li><li>c</li></ul>", "• a\n  • b\n• c"),
        ("<table><tr><th>a<th>b</tr><tr><td>1</td><td>2</td></tr></table>", "a\tb\n1\t2"),
        ("<pre>a  b\n\n  c</pre>d", "a  b\n\n  c\n\nd"),
        ("&lt;p&gt; &amp;amp; &eacute;&#233;&#xe9;&hellip;&nbsp;x", "<p> &amp; ééé… x"),
        ("AT&T &copy 2020 &#169 &unknown; a & b", "AT&T © 2020 © &unknown; a & b"),
        ("1 < 2 and <3", "1 < 2 and <3"),
        ("<img src=x alt='a boat'> at sea<img src=y>", "a boat at sea"),
        ("a<!-- <p> not this -->b", "ab"),
        ("a<!-- never closed > b", "a b"),
        ("a<script>if (1 < 2) '</p>'</script>b<style>p{}</style>c", "abc"),
        ("a<script>never closed", "a"),
        ("a<iframe src=x> b<object>c", "a bc"),
        ("a<iframe src=x></iframe>b<svg><text>x</text></svg>c<svg/>d", "abcd"),
        ("<a title='>' href=\"x>y\">link</a>", "link"),
        ("<a title='never closed>link</a>", "link"),
        ("<p>cut <a href=", "cut"),
        ("<?xml version='1.0'?><!DOCTYPE html><html><head><title>t</title></head><body>b</body></html>", "b"),
        ("</p></ul></pre>x", "x"),
        ("<xhtml:p>one</xhtml:p>two", "one\n\ntwo"),
    ] {
        assert_eq!(plain_text(html), plain, "{html}");
    }
}

#[test]
fn a_text_says_itself_whether_it_is_html() {
    let plain = |value: &str, kind| Text { value: value.into(), kind, ..Text::default() }.plain();
    assert_eq!(plain("<b>1</b>  &amp;\n\n\n2", TextKind::Plain), "<b>1</b> &amp;\n\n2");
    assert_eq!(plain("<b>1</b> &amp;", TextKind::Html), "1 &");
    assert_eq!(plain("a <b>1</b>", TextKind::Unsaid), "a 1");
    assert_eq!(plain("fish &amp; chips", TextKind::Unsaid), "fish & chips");
    assert_eq!(plain("1 < 2 && 3 > 2 <", TextKind::Unsaid), "1 < 2 && 3 > 2 <");
    assert_eq!(plain("<svg/>", TextKind::Media("image/svg+xml".into())), "");
    assert_eq!(plain("# x", TextKind::Media("text/markdown".into())), "# x");
}

#[test]
fn hostile_html_costs_no_more_than_its_length() {
    for piece in
        ["<a x=\">\" ", "<!--", "<", "&", "<ul><li>", "<script>", "<a x='", "<pre>\n", "<svg/", "</", "<img alt='&"]
    {
        let html = piece.repeat(200_000);
        let began = std::time::Instant::now();
        assert!(plain_text(&html).len() <= 20 * html.len());
        assert!(began.elapsed().as_secs() < 5, "{piece}");
    }
}
