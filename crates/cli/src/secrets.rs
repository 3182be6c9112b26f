//! Passwords in URLs are for stores: nobody is shown them.

/// What is shown instead.
const HIDDEN: &str = "***";

/// Settings of a URL whose values are hidden: those with one of these words in their name.
const SECRET: [&str; 2] = ["password", "secret"];

/// The URL with its passwords hidden, also where it is so malformed that no backend takes it.
pub(crate) fn without_password(url: &str) -> String {
    // A path is a path, whatever characters it holds.
    if url.starts_with("sqlite:") {
        return url.to_owned();
    }
    let Some((scheme, rest)) = url.split_once("://") else { return without_values(url) };
    let (login, rest) = split_login(rest);
    let (place, settings) = rest.split_once('?').map_or((rest, None), |(place, settings)| (place, Some(settings)));
    let settings = settings.map(|settings| format!("?{}", without_values(settings))).unwrap_or_default();
    format!("{scheme}://{login}{place}{settings}")
}

/// The text with the passwords of all URLs in it hidden.
pub(crate) fn without_passwords(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "'\"`<>".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = rest.find("://") {
        let begin = rest[..found].rfind(ends).map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
        let end = rest[found..].find(ends).map_or(rest.len(), |length| found + length);
        shown.push_str(&rest[..begin]);
        shown.push_str(&without_password(&rest[begin..end]));
        rest = &rest[end..];
    }
    shown + rest
}

/// `user:***@`, and what stands behind it. A password may hold the characters that end an authority: then the last `@`
/// ends it, unless what stands behind the colon is a port.
fn split_login(rest: &str) -> (String, &str) {
    let authority = &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())];
    let Some((user, behind)) = authority.split_once(':') else { return (String::new(), rest) };
    let is_port = !behind.is_empty() && behind.bytes().all(|byte| byte.is_ascii_digit());
    let end = match authority.rfind('@') {
        Some(at) => Some(at),
        None if is_port => None,
        None => rest.rfind('@'),
    };
    match end {
        // A colon behind the `@` is the port's.
        Some(at) if at > user.len() => (format!("{user}:{HIDDEN}@"), &rest[at + 1..]),
        _ => (String::new(), rest),
    }
}

/// `name=value&…` without the values that are secret. Who writes a name in escapes has something to hide.
fn without_values(settings: &str) -> String {
    let shown = |pair: &str| {
        let lower = pair.to_ascii_lowercase();
        let secret = SECRET.iter().filter_map(|word| lower.find(word)).min();
        let escaped = pair.split('=').next().is_some_and(|name| name.contains('%')).then_some(0);
        let value = secret.or(escaped).and_then(|from| Some(from + pair[from..].find('=')? + 1));
        value.map_or_else(|| pair.to_owned(), |value| format!("{}{HIDDEN}", &pair[..value]))
    };
    settings.split('&').map(shown).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://me:hidden@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hid@den@db.example:5432/x", "postgres://me:***@db.example:5432/x"),
            ("postgres://me:hid/den@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hid?den@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hidden@", "postgres://me:***@"),
            ("postgres://h/x?user=me&password=hidden&schema=a", "postgres://h/x?user=me&password=***&schema=a"),
            ("postgres://h/x?PASSWORD=hidden", "postgres://h/x?PASSWORD=***"),
            ("postgres://h/x?p%61ssword=hidden", "postgres://h/x?p%61ssword=***"),
            ("postgres:host=h password=hidden port=1", "postgres:host=h password=***"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn what_is_no_password_is_shown() {
        for url in [
            "postgres://me@db.example:5432/x?schema=a",
            "postgres://db.example:5432/x?user=me@tenant",
            "postgres://h/x?application_name=a:b@c",
            "redb:///x:y@z",
            "sqlite:/a@b:c",
            "sqlite:///password=1:2@3.db",
            "memory:",
        ] {
            assert_eq!(without_password(url), url);
        }
    }

    #[test]
    fn texts_show_no_password_either() {
        let text = "cannot open 'postgres://me:hidden@h/x': see \u{201c}postgres://you:secret@h\u{201d} and http://h/x";
        let shown = "cannot open 'postgres://me:***@h/x': see \u{201c}postgres://you:***@h\u{201d} and http://h/x";
        assert_eq!(without_passwords(text), shown);
        assert_eq!(without_passwords("no URL: //"), "no URL: //");
    }
}
