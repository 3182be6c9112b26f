//! What is shown of addresses: a secret that stands in one is for whoever is asked, and for nobody else.

use std::iter;

use feedspine_core::Json;

/// What is shown instead.
const HIDDEN: &str = "***";

/// How the addresses begin that feeds are asked at.
const SCHEMES: [&str; 2] = ["http://", "https://"];
/// Words in the names of what is a secret: none is stored in an option.
const SECRET_WORDS: [&str; 9] =
    ["key", "apikey", "token", "secret", "password", "auth", "authorization", "cookie", "signature"];
/// Further words in the names of what may be one: stored, and not shown.
const DOUBTFUL_WORDS: [&str; 4] = ["pass", "passwd", "pwd", "sig"];

/// A feed's address without the secrets in it: values of a URL's query and of a command's options that are named like
/// secrets, and logins. The rest of it stays readable.
pub fn shown_address(address: &str) -> String {
    match address.strip_prefix("command:") {
        Some(line) => format!("command:{}", shown_command(line)),
        None => shown_url(address),
    }
}

/// The same for a text with addresses in it: an error, a warning.
pub(crate) fn shown_text(text: &str) -> String {
    // A command's line goes on to nobody knows where.
    if let Some(at) = text.find("command:") {
        return format!("{}command:{}", shown_text(&text[..at]), shown_command(&text[at + "command:".len()..]));
    }
    let ends = |c: char| c.is_whitespace() || ['"', '<', '>'].contains(&c);
    let mut shown = String::with_capacity(text.len());
    let mut rest = text;
    while let Some(at) = SCHEMES.iter().filter_map(|scheme| rest.find(scheme)).min() {
        shown.push_str(&rest[..at]);
        let word = &rest[at..at + rest[at..].find(ends).unwrap_or(rest.len() - at)];
        // What ends the sentence, or is around the address, is no part of it.
        let url = word.trim_end_matches([':', ';', ',', '.', ')', '`', '\'']);
        shown.push_str(&shown_url(url));
        rest = &rest[at + url.len()..];
    }
    shown + rest
}

/// The same for what a cursor remembers or settings say, wherever addresses stand in it.
pub(crate) fn shown_cursor(value: &Json) -> Json {
    match value {
        Json::Object(members) => {
            let shown = members.iter().map(|(name, value)| match value.as_str() {
                Some(text) if ["address", "url", "proxy"].contains(&name.as_str()) => {
                    (name.clone(), shown_address(text).into())
                }
                _ => (name.clone(), shown_cursor(value)),
            });
            Json::Object(shown.collect())
        }
        Json::Array(members) => Json::Array(members.iter().map(shown_cursor).collect()),
        other => other.clone(),
    }
}

/// Whether something of that name is a secret.
pub(crate) fn is_secret(name: &str) -> bool {
    has_word_of(name, &SECRET_WORDS)
}

fn may_be_secret(name: &str) -> bool {
    is_secret(name) || has_word_of(name, &DOUBTFUL_WORDS)
}

/// Words end at what is no letter and no digit, and where a capital follows a small letter: `access_token`, `accessToken`.
/// Of capitals the last one begins a word that goes on with small letters: `APIToken`.
fn has_word_of(name: &str, words: &[&str]) -> bool {
    let mut spaced = String::with_capacity(name.len() + 4);
    let letters: Vec<char> = name.chars().collect();
    for (place, letter) in letters.iter().enumerate() {
        let before = place.checked_sub(1).map(|place| letters[place]);
        let begins = letter.is_ascii_uppercase()
            && before.is_some_and(|before| {
                let goes_on = letters.get(place + 1).is_some_and(char::is_ascii_lowercase);
                before.is_ascii_lowercase() || before.is_ascii_digit() || before.is_ascii_uppercase() && goes_on
            });
        if begins {
            spaced.push(' ');
        }
        spaced.push(letter.to_ascii_lowercase());
    }
    spaced.split(|c: char| !c.is_ascii_alphanumeric()).any(|word| words.contains(&word))
}

fn shown_url(url: &str) -> String {
    let Some((scheme, rest)) = url.split_once("://") else { return url.to_owned() };
    let (place, query) = match rest.split_once('?') {
        Some((place, query)) => (place, Some(query)),
        None => (rest, None),
    };
    let host = place[..place.find('/').unwrap_or(place.len())].rfind('@').map_or(0, |at| at + 1);
    let login = if host > 0 { format!("{HIDDEN}@") } else { String::new() };
    let shown = |pair: &str| match pair.split_once('=') {
        Some((name, value)) if !value.is_empty() && may_be_secret(&unescaped(name)) => format!("{name}={HIDDEN}"),
        _ => pair.to_owned(),
    };
    let query = query.map(|query| format!("?{}", query.split('&').map(shown).collect::<Vec<_>>().join("&")));
    format!("{scheme}://{login}{}{}", &place[host..], query.unwrap_or_default())
}

/// A parameter's name as it is meant.
fn unescaped(name: &str) -> String {
    url::form_urlencoded::parse(name.as_bytes()).map(|(name, _)| name.into_owned()).collect()
}

/// A command line, word by word; white space stays as it is.
fn shown_command(line: &str) -> String {
    let mut shown = String::with_capacity(line.len());
    // The word before was an option that is named like a secret: its value follows.
    let mut is_value = false;
    for (blank, word) in words(line) {
        shown.push_str(blank);
        let is_option = word.starts_with('-');
        if is_value && !is_option {
            shown.push_str(&hidden(word, 0));
            is_value = false;
            continue;
        }
        shown.push_str(&shown_word(word));
        is_value = is_option && !word.contains('=') && may_be_secret(word);
    }
    shown
}

/// `NAME=value` and `Name: value` without the value, where it is named like a secret; a URL as URLs are shown.
fn shown_word(word: &str) -> String {
    if word.contains("://") {
        return shown_url(word);
    }
    match word.find(['=', ':']) {
        Some(at) if may_be_secret(&word[..at]) => {
            let blank = word[at + 1..].len() - word[at + 1..].trim_start().len();
            hidden(word, at + 1 + blank)
        }
        _ => word.to_owned(),
    }
}

/// A word without what stands behind that place; the quotes around it stay.
fn hidden(word: &str, from: usize) -> String {
    let quote = word.chars().find(|c| ['"', '\''].contains(c)).filter(|quote| word.len() > 1 && word.ends_with(*quote));
    let before = &word[..from];
    let opens = quote.filter(|quote| !before.contains(*quote));
    let quotes = |quote: Option<char>| quote.map(String::from).unwrap_or_default();
    format!("{before}{}{HIDDEN}{}", quotes(opens), quotes(quote))
}

/// The words of a line, each with the white space before it; what stands in quotes is one.
fn words(line: &str) -> impl Iterator<Item = (&str, &str)> {
    let mut rest = line;
    iter::from_fn(move || {
        let begin = rest.len() - rest.trim_start().len();
        if begin == rest.len() {
            return None;
        }
        let mut quote = None;
        let end = rest[begin..].char_indices().find(|(_, c)| {
            match quote {
                Some(open) if open == *c => quote = None,
                None if ['"', '\''].contains(c) => quote = Some(*c),
                _ => {}
            }
            quote.is_none() && c.is_whitespace()
        });
        let end = end.map_or(rest.len(), |(at, _)| begin + at);
        let found = (&rest[..begin], &rest[begin..end]);
        rest = &rest[end..];
        Some(found)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_named_like_a_secret_is_not_shown() {
        for (address, shown) in [
            ("https://a.example/f?api_key=abc&page=2", "https://a.example/f?api_key=***&page=2"),
            ("https://a.example/f?x=1&access-token=a%26b", "https://a.example/f?x=1&access-token=***"),
            ("https://a.example/f?%74oken=abc", "https://a.example/f?%74oken=***"),
            ("https://a.example/f?user=me&pwd=abc", "https://a.example/f?user=me&pwd=***"),
            ("https://me:abc@a.example/f", "https://***@a.example/f"),
            (
                "https://a.example/f?accessToken=abc&clientSecret=d",
                "https://a.example/f?accessToken=***&clientSecret=***",
            ),
            (
                "https://a.example/f?refreshToken=abc&APIToken=d&apiKey=",
                "https://a.example/f?refreshToken=***&APIToken=***&apiKey=",
            ),
            ("command:tap --token abc --all", "command:tap --token *** --all"),
            ("command:tap  --api-key='a b' x", "command:tap  --api-key='***' x"),
            ("command:tap --password \"a b\" x", "command:tap --password \"***\" x"),
            ("command:API_TOKEN=abc tap", "command:API_TOKEN=*** tap"),
            ("command:curl -H 'Authorization: Bearer abc' x", "command:curl -H 'Authorization: ***' x"),
            ("command:curl https://me:abc@h/x?key=abc", "command:curl https://***@h/x?key=***"),
        ] {
            assert_eq!(shown_address(address), shown);
        }
    }

    #[test]
    fn what_is_no_secret_is_shown() {
        for address in [
            "https://a.example/f?keywords=rust&author=me&token=",
            "https://a.example/f?KEYWORDS=rust&AUTHOR=me&monkeys=7&Tokens=x",
            "https://a.example/feed/@me?x=a@b",
            "/home/me/key=1/feed.xml",
            "push:token",
            "command:tap-rates --config 'a b.json' --keyword x -o a=b",
            "command:tap --auth --all",
        ] {
            assert_eq!(shown_address(address), address);
        }
    }

    #[test]
    fn addresses_within_a_text_are_shown_alike() {
        for (text, shown) in [
            ("https://a.example/f?token=abc answered 404", "https://a.example/f?token=*** answered 404"),
            ("a (http://a/?key=a)b), https://b/?x=1&pwd=c.", "a (http://a/?key=***), https://b/?x=1&pwd=***."),
            (
                "`feedspine add http://me:pw@a/f` or \"http://a?sig=x\"",
                "`feedspine add http://***@a/f` or \"http://a?sig=***\"",
            ),
            ("reading command:tap --token abc --all broke off", "reading command:tap --token *** --all broke off"),
            ("cannot reach postgres://me@host/db", "cannot reach postgres://me@host/db"),
            ("nothing at all: ü", "nothing at all: ü"),
        ] {
            assert_eq!(shown_text(text), shown);
        }
    }

    #[test]
    fn addresses_within_a_cursor_are_shown_alike() {
        let cursor =
            Json::parse(r#"{"address":"https://a/?key=b","etag":"x?key=b","validators":{"url":"https://a/?key=b"}}"#);
        let shown = r#"{"address":"https://a/?key=***","etag":"x?key=b","validators":{"url":"https://a/?key=***"}}"#;
        assert_eq!(shown_cursor(&cursor.unwrap()).to_canonical(), shown);
        let settings = Json::parse(r#"{"requests":{"proxy":"http://{env:TOKEN}@proxy.lan:3128"}}"#);
        let shown = r#"{"requests":{"proxy":"http://***@proxy.lan:3128"}}"#;
        assert_eq!(shown_cursor(&settings.unwrap()).to_canonical(), shown);
    }
}
