//! What a text says, apart from how: markup, character references and the amount of white space out. Where a link leads
//! and which picture is shown is said.

/// Appends what a text says. It need not be right about all HTML: whether two texts say the same decides no version, only
/// what a further one is called and how often one is kept.
pub(crate) fn say(text: &str, said: &mut String) {
    let begin = said.len();
    let mut rest = text;
    // A tag that does not end is text, and so is all behind it: else each of many would be followed to the end.
    let mut tags_end = true;
    while let Some(at) = rest.find(['<', '&']) {
        let (plain, from) = rest.split_at(at);
        push(plain, said, begin);
        let after = if tags_end && begins_markup(from) {
            let after = markup(from, said, begin);
            tags_end = after.is_some();
            after
        } else {
            reference(from, said, begin)
        };
        rest = after.unwrap_or_else(|| {
            said.push_str(&from[..1]);
            &from[1..]
        });
    }
    push(rest, said, begin);
    if said.len() > begin && said.ends_with(' ') {
        said.pop();
    }
}

/// Appends text in which white space is one blank, and none at its beginning.
fn push(plain: &str, said: &mut String, begin: usize) {
    for char in plain.chars() {
        if !char.is_whitespace() {
            said.push(char);
        } else if said.len() > begin && !said.ends_with(' ') {
            said.push(' ');
        }
    }
}

/// Whether a text begins as a tag of HTML, a comment or a declaration does. Of other names only those with a prefix or of
/// the elements that pages define themselves are taken for tags: `<EUR 12>` is text.
fn begins_markup(text: &str) -> bool {
    let text = &text[1..];
    if text.starts_with(['!', '?']) {
        return true;
    }
    let name = name_of(text.strip_prefix('/').unwrap_or(text));
    is_of_a_page(name) || is_one_of(&INLINE, name) || is_one_of(&BLOCK, name)
}

/// Whether a name has a prefix or a hyphen, and is no address (`<https://example.org>`).
fn is_of_a_page(name: &str) -> bool {
    name.contains([':', '-'])
        && name.starts_with(|first: char| first.is_ascii_alphabetic())
        && name.ends_with(|last: char| last.is_ascii_alphanumeric())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b":-_.".contains(&byte))
}

/// The name that a tag begins with behind its sign.
fn name_of(tag: &str) -> &str {
    let end = tag.find(|char: char| char.is_whitespace() || "/>".contains(char)).unwrap_or(tag.len());
    &tag[..end]
}

fn is_one_of(names: &[&str], name: &str) -> bool {
    const LONGEST: usize = 10;
    name.len() <= LONGEST && names.binary_search(&name.to_ascii_lowercase().as_str()).is_ok()
}

/// Says what a tag, comment or declaration says and gives what stands behind it, if it ends.
fn markup<'a>(text: &'a str, said: &mut String, begin: usize) -> Option<&'a str> {
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.split_once("-->").map(|(_, after)| after);
    }
    if text.starts_with("<!") || text.starts_with("<?") {
        return text.split_once('>').map(|(_, after)| after);
    }
    let inside = text[1..].strip_prefix('/').unwrap_or(&text[1..]);
    let name = name_of(inside);
    let mut links = Vec::new();
    let after = attributes(&inside[name.len()..], &mut links)?;
    if is_one_of(&BLOCK, name) {
        push(" ", said, begin);
    }
    for link in links {
        said.push('<');
        push_plain(link, said);
        said.push('>');
    }
    Some(after)
}

/// Collects what the attributes of a tag lead to or show, and gives what stands behind the tag, if it ends.
fn attributes<'a>(text: &'a str, links: &mut Vec<&'a str>) -> Option<&'a str> {
    let mut rest = text;
    loop {
        rest = rest.trim_start_matches(|char: char| char.is_whitespace() || char == '/');
        if let Some(after) = rest.strip_prefix('>') {
            return Some(after);
        }
        // A sign of equality that nothing stands before is the beginning of a name (HTML, section 13.2.5.32).
        let first = rest.chars().next()?.len_utf8();
        let end = rest[first..].find(|char: char| char.is_whitespace() || "/>=".contains(char))? + first;
        let (name, behind) = rest.split_at(end);
        rest = behind;
        let Some(value) = behind.trim_start().strip_prefix('=') else { continue };
        let value = value.trim_start();
        // Only here does a quote open: it may hold the sign that ends a tag.
        let (value, behind) = match value.chars().next()? {
            quote @ ('"' | '\'') => value[1..].split_once(quote)?,
            _ => value.split_at(value.find(|char: char| char.is_whitespace() || char == '>')?),
        };
        if LINKS.iter().any(|link| name.eq_ignore_ascii_case(link)) {
            links.push(value);
        }
        rest = behind;
    }
}

/// Appends a value that holds no markup.
fn push_plain(value: &str, said: &mut String) {
    let begin = said.len();
    let mut rest = value.trim();
    while let Some(at) = rest.find('&') {
        let (plain, from) = rest.split_at(at);
        push(plain, said, begin);
        rest = reference(from, said, begin).unwrap_or_else(|| {
            said.push('&');
            &from[1..]
        });
    }
    push(rest, said, begin);
}

/// Attributes whose values say where something leads, or what is shown.
const LINKS: [&str; 4] = ["href", "src", "srcset", "poster"];

/// Elements within a line, in the order of their names: words go on through their tags.
const INLINE: [&str; 44] = [
    "a", "abbr", "acronym", "b", "bdi", "bdo", "big", "cite", "code", "data", "del", "dfn", "em", "font", "i", "img",
    "ins", "kbd", "label", "map", "mark", "meter", "nobr", "output", "picture", "progress", "q", "rb", "rp", "rt",
    "rtc", "ruby", "s", "samp", "small", "span", "strike", "strong", "sub", "sup", "time", "tt", "u", "var",
];

/// The other elements of HTML, those that are obsolete too, in the order of their names: their tags part words.
const BLOCK: [&str; 97] = [
    "address",
    "applet",
    "area",
    "article",
    "aside",
    "audio",
    "base",
    "basefont",
    "bgsound",
    "blink",
    "blockquote",
    "body",
    "br",
    "button",
    "canvas",
    "caption",
    "center",
    "col",
    "colgroup",
    "datalist",
    "dd",
    "details",
    "dialog",
    "dir",
    "div",
    "dl",
    "dt",
    "embed",
    "fieldset",
    "figcaption",
    "figure",
    "footer",
    "form",
    "frame",
    "frameset",
    "h1",
    "h2",
    "h3",
    "h4",
    "h5",
    "h6",
    "head",
    "header",
    "hgroup",
    "hr",
    "html",
    "iframe",
    "input",
    "isindex",
    "keygen",
    "legend",
    "li",
    "link",
    "listing",
    "main",
    "marquee",
    "math",
    "menu",
    "menuitem",
    "meta",
    "nav",
    "noembed",
    "noframes",
    "noscript",
    "object",
    "ol",
    "optgroup",
    "option",
    "p",
    "param",
    "plaintext",
    "pre",
    "script",
    "search",
    "section",
    "select",
    "slot",
    "source",
    "spacer",
    "style",
    "summary",
    "svg",
    "table",
    "tbody",
    "td",
    "template",
    "textarea",
    "tfoot",
    "th",
    "thead",
    "title",
    "tr",
    "track",
    "ul",
    "video",
    "wbr",
    "xmp",
];

/// Says the character that a text begins with a reference to, and gives what stands behind it. Names that most writers
/// use are known: what is escaped in one version and not in the next is hardly ever another.
fn reference<'a>(text: &'a str, said: &mut String, begin: usize) -> Option<&'a str> {
    const LONGEST: usize = 10;
    let end = text.bytes().take(LONGEST).position(|byte| byte == b';')?;
    let name = text.get(1..end).filter(|_| text.starts_with('&'))?;
    let char = match name {
        "amp" => '&',
        "lt" => '<',
        "gt" => '>',
        "quot" => '"',
        "apos" => '\'',
        "nbsp" => '\u{A0}',
        _ => {
            let digits = name.strip_prefix('#')?;
            let code = match digits.strip_prefix(['x', 'X']) {
                Some(digits) => u32::from_str_radix(digits, 16),
                None => digits.parse(),
            };
            char::from_u32(code.ok()?)?
        }
    };
    push(char.encode_utf8(&mut [0; 4]), said, begin);
    Some(&text[end + 1..])
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(text: &str) -> String {
        let mut said = String::new();
        say(text, &mut said);
        said
    }

    fn folded(text: &str) -> String {
        text.split_whitespace().collect::<Vec<_>>().join(" ")
    }

    #[test]
    fn markup_references_and_the_amount_of_white_space_say_nothing() {
        let cases = [
            ("<p>Hello <b class='a>b'>World</b>!</p>", "Hello World!"),
            ("Hello\n\t World!&nbsp;", "Hello World!"),
            ("Hello <!-- 12:00 > 11:59 -->World!", "Hello World!"),
            ("Hello&#32;&#x57;orld!<br/>", "Hello World!"),
            ("<!DOCTYPE html><?php x?>Hello<dc:date/> <my-clock at='1'></my-clock>World!", "Hello World!"),
            ("Fish &amp; chips", "Fish & chips"),
            ("Fish & chips", "Fish & chips"),
            // What does not end is text, and what stands behind it.
            ("<b>a</b> <i b='x &lt; <b>c</b>", "a <i b='x < <b>c</b>"),
        ];
        for (text, says) in cases {
            assert_eq!(said(text), says, "{text:?}");
        }
    }

    #[test]
    fn words_are_parted_by_white_space_and_blocks_and_by_nothing_within_a_line() {
        assert_eq!(said("<p>now here</p><p>and there</p>"), said("<p>now\nhere</p>\n <p>and there</p>"));
        assert_eq!(said("<p>now</p><p>here</p>"), "now here");
        assert_eq!(said("now<b>here</b>"), "nowhere");
        assert_ne!(said("now here"), said("nowhere"));
    }

    #[test]
    fn where_a_link_leads_and_what_a_picture_shows_is_said() {
        let cases = [
            ("<a class=x href='/a?b=1&amp;c' rel=next>Fish</a>", "</a?b=1&c>Fish"),
            ("<A HREF = /b data-href=/c>Fish</A>", "</b>Fish"),
            ("<img alt=x src=a.png srcset=\"a.png 1x,\n b.png 2x\"/>", "<a.png><a.png 1x, b.png 2x>"),
            ("<video poster=p.jpg></video>", "<p.jpg>"),
        ];
        for (text, says) in cases {
            assert_eq!(said(text), says, "{text:?}");
        }
    }

    #[test]
    fn a_quote_opens_a_value_and_nothing_else() {
        assert_eq!(said("<p it's>Fish</p> and 'chips'"), "Fish and 'chips'");
        assert_eq!(said("<p a = 'x>y' b=\"'\" ='>Fish</p>"), "Fish");
    }

    #[test]
    fn what_only_looks_like_markup_is_said() {
        let texts = [
            "1<2",
            "a<",
            "<",
            "&",
            "&;",
            "&nope;",
            "&#x110000;",
            "a<b",
            "<!--open",
            "&#xD800;",
            "\u{2028}<3",
            "price <EUR 12> now",
            "<name> of it",
            "</>",
            "a <b",
            "</3>",
            "<1:2>",
            "<a=b>",
            "<https://a.example/>",
            "<me@my-host.example>",
            "i < j, k > l",
        ];
        for text in texts {
            assert_eq!(said(text), folded(text), "{text:?}");
        }
    }

    #[test]
    fn names_are_in_order() {
        assert!(INLINE.is_sorted() && BLOCK.is_sorted());
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_said_and_says_no_more_than_it_has(text in ".{0,60}|[<>&;#x0-9a-z\"'!=/ -]{0,40}|(<a href=|<p>|[a'\"> ]){0,20}") {
            proptest::prop_assert!(said(&text).len() <= text.len());
        }
    }
}
