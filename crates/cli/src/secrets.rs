//! Passwords in URLs are for stores: nobody is shown them.
//!
//! Where a URL can be read in two ways, it is shown as if the secret one were meant: drivers read malformed URLs in their
//! own ways, and a host too little does no harm.

use crate::stores::{POSTGRES, is_file};

/// What is shown instead.
const HIDDEN: &str = "***";

/// Settings of a URL whose values are hidden: those with one of these words in their name.
const SECRET: [&str; 5] = ["pass", "pwd", "secret", "token", "key"];

/// The URL with its passwords hidden, also where it is so malformed that no backend takes it.
pub(crate) fn without_password(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once(':') else { return without_values(url) };
    // A path is a path, whatever characters it holds.
    if is_file(scheme) {
        return url.to_owned();
    }
    let (slashes, rest) = rest.split_at(rest.len() - rest.trim_start_matches('/').len());
    let is_path = !matches!(slashes.len(), 0 | 2) && !POSTGRES.iter().any(|known| known.eq_ignore_ascii_case(scheme));
    let (login, rest) = if is_path { (String::new(), rest) } else { split_login(rest) };
    let rest = match rest.split_once('?') {
        Some((place, settings)) => format!("{place}?{}", without_values(settings)),
        None => without_values(rest),
    };
    format!("{scheme}:{slashes}{login}{rest}")
}

/// The text with the passwords of all URLs in it hidden.
pub(crate) fn without_passwords(text: &str) -> String {
    let ends = |c: char| c.is_whitespace() || "'\"`<>".contains(c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(found) = scheme_in(rest) {
        let begin = rest[..found].rfind(ends).map_or(0, |at| at + rest[at..].chars().next().map_or(1, char::len_utf8));
        let end_of_word = |from: usize| rest[from..].find(ends).map_or(rest.len(), |length| from + length);
        let mut end = end_of_word(found);
        // A password that is cut by a blank or a quote goes on to the `@` that ends it.
        if hides_all(&rest[begin..end]) {
            end = rest.rfind('@').map_or(end, |at| end_of_word(at.max(found)));
        }
        shown.push_str(&rest[..begin]);
        shown.push_str(&without_password(&rest[begin..end]));
        rest = &rest[end..];
    }
    shown + rest
}

/// Where a scheme ends: at the first `://`, or at the colon of a scheme that is written without.
fn scheme_in(text: &str) -> Option<usize> {
    let bare = POSTGRES.iter().filter_map(|scheme| text.find(&format!("{scheme}:")).map(|at| at + scheme.len()));
    bare.chain(text.find("://")).min()
}

/// Whether the URL begins with what can only be a login, and does not end it.
fn hides_all(url: &str) -> bool {
    let rest = url.split_once(':').map_or("", |(_, rest)| rest.trim_start_matches('/'));
    !rest.contains('@') && !is_hosts(authority(rest)) && authority(rest).contains(':')
}

/// `user:***@`, and what stands behind it. A user's name and a password may hold the characters that end an authority, so
/// the login goes on to the last `@`; without one, what stands behind a colon is a password unless it can be a port.
fn split_login(rest: &str) -> (String, &str) {
    let Some((user, _)) = rest.split_once(':') else { return (String::new(), rest) };
    match rest.rfind('@') {
        // A colon behind the `@` is the port's.
        Some(at) if at > user.len() => (format!("{user}:{HIDDEN}@"), &rest[at + 1..]),
        None if !is_hosts(authority(rest)) && authority(rest).contains(':') => (format!("{user}:{HIDDEN}"), ""),
        _ => (String::new(), rest),
    }
}

fn authority(rest: &str) -> &str {
    &rest[..rest.find(['/', '?', '#']).unwrap_or(rest.len())]
}

/// Hosts with their ports, if they have any: `a.example:5432,[::1]:5433`.
fn is_hosts(authority: &str) -> bool {
    authority.split(',').all(|host| {
        let behind = match host.split_once(']') {
            Some((ip, behind)) if ip.starts_with('[') => {
                behind.strip_prefix(':').or(Some(behind).filter(|it| it.is_empty()))
            }
            _ => Some(host.split_once(':').map_or("", |(_, port)| port)),
        };
        behind.is_some_and(|port| port.bytes().all(|byte| byte.is_ascii_digit()))
    })
}

/// `name=value&…` without the values that are secret. Who writes a name in escapes has something to hide, and what has no
/// name behind a secret belongs to it.
fn without_values(settings: &str) -> String {
    let mut follows_secret = false;
    let mut shown = |pair: &str| {
        if follows_secret && !pair.contains('=') {
            return HIDDEN.to_owned();
        }
        let lower = pair.to_ascii_lowercase();
        let secret = SECRET.iter().filter_map(|word| lower.find(word)).min();
        let escaped = pair.split('=').next().is_some_and(|name| name.contains('%')).then_some(0);
        let value = secret.or(escaped).and_then(|from| Some(from + pair[from..].find('=')? + 1));
        follows_secret = value.is_some();
        value.map_or_else(|| pair.to_owned(), |value| format!("{}{HIDDEN}", &pair[..value]))
    };
    settings.split('&').map(&mut shown).collect::<Vec<_>>().join("&")
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn passwords_are_not_shown() {
        for (url, shown) in [
            ("postgres://me:hidden@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hid@den@db.example:5432/x", "postgres://me:***@db.example:5432/x"),
            ("postgres://me:hid/den@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hid?den@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hid#den@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hid:den@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hid%40den@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:12/hidden@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:12?hidden@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me/you:hidden@db.example/x", "postgres://me/you:***@db.example/x"),
            ("postgres://:hidden@db.example/x", "postgres://:***@db.example/x"),
            ("postgres://me:@db.example/x", "postgres://me:***@db.example/x"),
            ("postgres://me:hidden@", "postgres://me:***@"),
            ("postgres://me:hidden", "postgres://me:***"),
            ("postgres://me:hid/den", "postgres://me:***"),
            ("postgres://me:hidden@[::1]:5432/x", "postgres://me:***@[::1]:5432/x"),
            ("POSTGRES:///me:hidden@db.example/x", "POSTGRES:///me:***@db.example/x"),
            ("postgres:me:hidden@db.example/x", "postgres:me:***@db.example/x"),
            ("postgres:/me:hidden@db.example/x", "postgres:/me:***@db.example/x"),
            ("postgres:///me:hidden@db.example/x", "postgres:///me:***@db.example/x"),
            ("mine:me:hidden@db.example/x", "mine:me:***@db.example/x"),
            // The driver takes what stands before the `@` for a login, wherever that is.
            ("postgres://db.example:5432/x?user=me@tenant", "postgres://db.example:***@tenant"),
            ("postgres://h/x?application_name=a:hidden@c", "postgres://h/x?application_name=a:***@c"),
            ("postgres://h/x?user=me&password=hidden&schema=a", "postgres://h/x?user=me&password=***&schema=a"),
            ("postgres://h/x?password=hid&den&schema=a", "postgres://h/x?password=***&***&schema=a"),
            ("postgres://h/x?PASSWORD=hidden", "postgres://h/x?PASSWORD=***"),
            ("postgres://h/x?p%61ssword=hidden", "postgres://h/x?p%61ssword=***"),
            ("postgres:host=h password=hidden port=1", "postgres:host=h password=***"),
            ("mine://h?api_token=hidden&sslkey=hidden", "mine://h?api_token=***&sslkey=***"),
        ] {
            assert_eq!(without_password(url), shown);
        }
    }

    #[test]
    fn what_is_no_password_is_shown() {
        for url in [
            "postgres://me@db.example:5432/x?schema=a",
            "postgres://db.example:5432/x?user=me",
            "postgres://me@[::1]:5432/x",
            "postgres://[::1]:5432/x",
            "postgres://[::1]/x",
            "postgres://a.example:5432,b.example:5433/x",
            "postgres://%2Frun%2Fpostgresql/x?keepalives=1",
            "redb:///x:y@z",
            "sqlite:/a@b:c",
            "sqlite:///password=1:2@3.db",
            "duckdb:a:b@c",
            "memory:",
        ] {
            assert_eq!(without_password(url), url);
        }
    }

    #[test]
    fn texts_show_no_password_either() {
        for (text, shown) in [
            (
                "cannot open 'postgres://me:hidden@h/x': see \u{201c}postgres://you:secret@h\u{201d} and http://h/x",
                "cannot open 'postgres://me:***@h/x': see \u{201c}postgres://you:***@h\u{201d} and http://h/x",
            ),
            ("no URL: //", "no URL: //"),
            ("'postgres:me:hidden@h/x' is none", "'postgres:me:***@h/x' is none"),
            ("no store at postgres://me:hid den@h/x here", "no store at postgres://me:***@h/x here"),
            ("not \"postgres://me:hid\\\"den'@h/x\"", "not \"postgres://me:***@h/x\""),
            ("http://127.0.0.1:80/x, ask me@b.example", "http://127.0.0.1:80/x, ask me@b.example"),
        ] {
            assert_eq!(without_passwords(text), shown);
        }
    }

    /// The URL in all forms that one may think of.
    fn forms(user: &str, password: &str) -> [String; 7] {
        [
            format!("postgres://{user}:{password}@db.example:5432/news?schema=own"),
            format!("postgresql://{user}:{password}@db.example"),
            format!("postgres:{user}:{password}@db.example/news"),
            format!("postgres:/{user}:{password}@db.example/news"),
            format!("postgres:///{user}:{password}@db.example/news"),
            format!("mine://{user}:{password}@[::1]:5432/news?pool=2"),
            format!("mine:{user}:{password}@db.example"),
        ]
    }

    proptest! {
        #[test]
        fn no_url_shows_any_of_its_password(user in "[a-z]{0,8}", password in "[ -~\u{e4}\u{20ac}]{6,24}") {
            for (url, without) in forms(&user, &password).into_iter().zip(forms(&user, HIDDEN)) {
                prop_assert_eq!(without_password(&url), without);
            }
        }

        #[test]
        fn no_text_shows_a_password_without_blanks_and_quotes(
            user in "[a-z]{0,8}", password in "[!#-&(-;=?-_a-~\u{e4}\u{20ac}]{6,24}",
        ) {
            for (url, without) in forms(&user, &password).into_iter().zip(forms(&user, HIDDEN)).take(6) {
                let shown = without_passwords(&format!("cannot open {url}: no"));
                prop_assert_eq!(shown, format!("cannot open {without}: no"));
            }
        }
    }
}
