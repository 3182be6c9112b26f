//! What a text says, apart from how: markup, character references and white space out.

/// Appends what a text says. It need not be right about all HTML: whether two texts say the same decides no version, only
/// what a further one is called and how often one is kept.
pub(crate) fn say(text: &str, said: &mut String) {
    let mut rest = text;
    // A tag that does not end is text, and so is all behind it: else each of many would be followed to the end.
    let mut tags_end = true;
    while let Some(at) = rest.find(['<', '&']) {
        let (plain, from) = rest.split_at(at);
        push(plain, said);
        let after = if tags_end && begins_tag(from) {
            let after = behind_tag(from);
            tags_end = after.is_some();
            after
        } else {
            reference(from, said)
        };
        rest = after.unwrap_or_else(|| {
            said.push_str(&from[..1]);
            &from[1..]
        });
    }
    push(rest, said);
}

fn push(plain: &str, said: &mut String) {
    said.extend(plain.chars().filter(|char| !char.is_whitespace()));
}

/// Whether a text begins as a tag, a comment or a declaration does.
fn begins_tag(text: &str) -> bool {
    let name = text.strip_prefix('<');
    name.is_some_and(|name| name.starts_with(|first: char| first.is_ascii_alphabetic() || "/!?".contains(first)))
}

/// What stands behind the tag, comment or declaration that a text begins with, if it ends.
fn behind_tag(text: &str) -> Option<&str> {
    if let Some(comment) = text.strip_prefix("<!--") {
        return comment.split_once("-->").map(|(_, after)| after);
    }
    // A quoted value may hold the sign that ends a tag.
    let mut quote = None;
    for (at, char) in text.char_indices() {
        match (quote, char) {
            (None, '>') => return Some(&text[at + 1..]),
            (None, '"' | '\'') => quote = Some(char),
            (Some(open), _) if open == char => quote = None,
            _ => {}
        }
    }
    None
}

/// Says the character that a text begins with a reference to, and gives what stands behind it. Names that most writers
/// use are known: what is escaped in one version and not in the next is hardly ever another.
fn reference<'a>(text: &'a str, said: &mut String) -> Option<&'a str> {
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
    push(char.encode_utf8(&mut [0; 4]), said);
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

    #[test]
    fn markup_references_and_white_space_say_nothing() {
        let cases = [
            ("<p>Hello <b class='a>b'>World</b>!</p>", "HelloWorld!"),
            ("Hello\n\t World!&nbsp;", "HelloWorld!"),
            ("Hello <!-- 12:00 > 11:59 -->World!", "HelloWorld!"),
            ("Hello&#32;&#x57;orld!<br/>", "HelloWorld!"),
            ("Fish &amp; chips", "Fish&chips"),
            ("Fish & chips", "Fish&chips"),
            // What does not end is text, and what stands behind it.
            ("<b>a</b> <i b='x &lt; <b>c</b>", "a<ib='x<<b>c</b>"),
        ];
        for (text, says) in cases {
            assert_eq!(said(text), says, "{text:?}");
        }
    }

    #[test]
    fn what_only_looks_like_markup_is_said() {
        for text in ["1<2", "a<", "<", "&", "&;", "&nope;", "&#x110000;", "a<b", "<!--open", "&#xD800;", "\u{2028}<3"] {
            let plain: String = text.chars().filter(|char| !char.is_whitespace()).collect();
            assert_eq!(said(text), plain, "{text:?}");
        }
    }

    proptest::proptest! {
        #[test]
        fn any_text_is_said_and_says_no_more_than_it_has(text in ".{0,60}|[<>&;#x0-9a-z\"'!-]{0,40}") {
            proptest::prop_assert!(said(&text).len() <= text.len());
        }
    }
}
