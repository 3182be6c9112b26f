//! [`Template`]: a text with references to secrets, `{env:NAME}` and `{file:PATH}`: stored and shown as it stands, resolved
//! when a fetch begins.

use std::path::Path;

use crate::OpError;

/// What is shown instead of a secret.
const HIDDEN: &str = "***";
/// How references begin: to an environment variable, and to a file.
const ENVIRONMENT: &str = "{env:";
const FILE: &str = "{file:";
/// A secret of so many bytes stands nowhere by chance.
const LONG: usize = 8;

/// A text with references.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Template(Vec<Piece>);

#[derive(Debug, Clone, PartialEq, Eq)]
enum Piece {
    Plain(String),
    Environment(String),
    File(String),
}

/// The secrets of one fetch: none is shown.
#[derive(Default)]
pub(crate) struct Secrets(Vec<String>);

impl Template {
    /// Reads a text; braces that hold no reference stand for themselves.
    pub(crate) fn parse(text: &str) -> Self {
        let mut pieces = Vec::new();
        let mut rest = text;
        while let Some(start) = rest.find('{') {
            let reference = rest[start + 1..].find('}').and_then(|end| {
                let inside = &rest[start + 1..start + 1 + end];
                let piece = match inside.split_once(':') {
                    Some(("env", name)) if !name.is_empty() => Piece::Environment(name.to_owned()),
                    Some(("file", path)) if !path.is_empty() => Piece::File(path.to_owned()),
                    _ => return None,
                };
                Some((piece, start + end + 2))
            });
            if let Some((piece, end)) = reference {
                pieces.extend([Piece::Plain(rest[..start].to_owned()), piece]);
                rest = &rest[end..];
            } else {
                pieces.push(Piece::Plain(rest[..=start].to_owned()));
                rest = &rest[start + 1..];
            }
        }
        pieces.push(Piece::Plain(rest.to_owned()));
        Self(pieces)
    }

    /// Whether it holds a reference.
    pub(crate) fn is_secret(&self) -> bool {
        self.0.iter().any(|piece| !matches!(piece, Piece::Plain(_)))
    }

    /// The text with what is referred to, which is noted as secret.
    ///
    /// # Errors
    /// `Usage`: a variable that is not set, a file that cannot be read.
    pub(crate) fn resolve(&self, secrets: &mut Secrets) -> Result<String, OpError> {
        self.resolve_as(str::to_owned, secrets)
    }

    /// The same for a part of a URL: what is referred to is written as a URL has it (RFC 3986 section 2.1).
    ///
    /// # Errors
    /// As [`Self::resolve`].
    pub(crate) fn resolve_in_url(&self, secrets: &mut Secrets) -> Result<String, OpError> {
        self.resolve_as(percent_encoded, secrets)
    }

    /// A word that stands nowhere in it.
    pub(crate) fn foreign_word(&self) -> String {
        let mut word = "secret".to_owned();
        while self.outline(" ").contains(&word) {
            word.push('x');
        }
        word
    }

    /// The text with that word in place of each reference: what can be seen of it without its secrets.
    pub(crate) fn outline(&self, word: &str) -> String {
        let shown = |piece: &Piece| match piece {
            Piece::Plain(plain) => plain.clone(),
            Piece::Environment(_) | Piece::File(_) => word.to_owned(),
        };
        self.0.iter().map(shown).collect()
    }

    fn resolve_as(&self, written: fn(&str) -> String, secrets: &mut Secrets) -> Result<String, OpError> {
        let mut text = String::new();
        for piece in &self.0 {
            let found = match piece {
                Piece::Plain(plain) => {
                    text.push_str(plain);
                    continue;
                }
                Piece::Environment(name) => from_environment(name)?,
                Piece::File(path) => from_file(Path::new(path))?,
            };
            let as_written = written(&found);
            text.push_str(&as_written);
            if as_written != found {
                secrets.0.push(as_written);
            }
            secrets.0.push(found);
        }
        Ok(text)
    }
}

impl Secrets {
    /// An error without them, nor what it comes from, which may tell them too.
    pub(crate) fn hide(&self, error: OpError) -> OpError {
        if self.0.is_empty() {
            return error;
        }
        let hidden = OpError::new(error.kind(), error.code(), self.hidden(error.message()));
        match error.hint() {
            Some(hint) => hidden.with_hint(self.hidden(hint)),
            None => hidden,
        }
    }

    /// A text without them, as they stand and as an address writes them.
    pub(crate) fn hidden(&self, text: &str) -> String {
        self.0.iter().fold(text.to_owned(), |text, secret| {
            let written: String = url::form_urlencoded::byte_serialize(secret.as_bytes()).collect();
            without(&without(&text, secret), &written)
        })
    }
}

/// Sees that the references in a text that is said now lead somewhere: each is closed, and a path is a whole one, since a
/// daemon works in another folder than whoever says it. What is held already is taken as it stands.
///
/// # Errors
/// One that does not, in words, without what stands behind one that is not closed.
pub(crate) fn check_references(text: &str) -> Result<(), String> {
    let begins = |text: &str| [ENVIRONMENT, FILE].into_iter().filter_map(|kind| Some((text.find(kind)?, kind))).min();
    let mut rest = text;
    while let Some((at, kind)) = begins(rest) {
        rest = &rest[at + kind.len()..];
        // What goes on to the end of another reference is not closed itself.
        let inside = rest.split_once('}').map(|(inside, _)| inside).filter(|inside| begins(inside).is_none());
        match inside {
            None => return Err(format!("a reference begins with {kind} and is not closed: it ends with }}")),
            Some("") => return Err(format!("{kind}}} refers to nothing: {{env:NAME}} and {{file:PATH}} do")),
            Some(path) if kind == FILE && !Path::new(path).is_absolute() => {
                return Err(format!(
                    "{kind}{path}}} is a path from the folder that a process happens to work in: give the whole path, as in \
                     {{file:/etc/feedspine/token}}"
                ));
            }
            Some(_) => {}
        }
    }
    Ok(())
}

/// A text without a secret. One that is short stands by chance within other words, as 42 does in 429: of it whole words alone
/// are hidden, which it is wherever it was put.
fn without(text: &str, secret: &str) -> String {
    if secret.len() >= LONG {
        return text.replace(secret, HIDDEN);
    }
    let is_within = |at: usize| {
        let goes_on = |one: Option<char>, other: Option<char>| {
            one.is_some_and(char::is_alphanumeric) && other.is_some_and(char::is_alphanumeric)
        };
        let (before, after) = (&text[..at], &text[at + secret.len()..]);
        goes_on(before.chars().next_back(), secret.chars().next())
            || goes_on(secret.chars().next_back(), after.chars().next())
    };
    let mut shown = String::with_capacity(text.len());
    let (mut told, mut from) = (0, 0);
    while let Some(at) = text[from..].find(secret).map(|at| from + at) {
        if is_within(at) {
            from = at + text[at..].chars().next().map_or(1, char::len_utf8);
        } else {
            shown.extend([&text[told..at], HIDDEN]);
            (told, from) = (at + secret.len(), at + secret.len());
        }
    }
    shown + &text[told..]
}

fn percent_encoded(text: &str) -> String {
    let written = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(written).collect()
}

fn from_environment(name: &str) -> Result<String, OpError> {
    let found = std::env::var(name).ok().map(|value| value.trim().to_owned()).filter(|value| !value.is_empty());
    found.ok_or_else(|| missing(format!("the environment variable {name} is not set, or is empty")))
}

fn from_file(path: &Path) -> Result<String, OpError> {
    let read = std::fs::read_to_string(path);
    let text = read.map_err(|error| missing(format!("cannot read the secret in {}: {error}", path.display())))?;
    let text = text.trim().to_owned();
    if text.is_empty() { Err(missing(format!("the file {} is empty", path.display()))) } else { Ok(text) }
}

fn missing(message: String) -> OpError {
    OpError::usage("adapter.secret", message).with_hint("the feed was not asked; its options refer to this secret")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_reference_is_resolved_and_never_shown() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("token");
        std::fs::write(&path, "s3cr/t \n").unwrap();
        let template = Template::parse(&format!("Bearer {{file:{}}} {{x}} {{", path.display()));
        assert!(template.is_secret());
        let within = Template::parse(&format!("http://me:{{file:{}}}@a.example", path.display()));
        let told = within.resolve_in_url(&mut Secrets::default()).unwrap();
        assert_eq!(
            (told.as_str(), within.outline("secret").as_str()),
            ("http://me:s3cr%2Ft@a.example", "http://me:secret@a.example")
        );
        let mut secrets = Secrets::default();
        assert_eq!(template.resolve(&mut secrets).unwrap(), "Bearer s3cr/t {x} {");
        assert_eq!(secrets.hidden("a s3cr/t, a?key=s3cr%2Ft"), "a ***, a?key=***");
        let error = secrets.hide(OpError::failed("http.status", "a?key=s3cr%2Ft answered 403").with_hint("s3cr/t"));
        assert_eq!((error.message(), error.hint()), ("a?key=*** answered 403", Some("***")));
    }

    #[test]
    fn a_short_secret_is_hidden_where_it_is_a_word_and_a_long_one_wherever_it_stands() {
        for (secret, text, shown) in [
            ("42", "a?key=42&page=421 answered 429 in 1424 ms, 42", "a?key=***&page=421 answered 429 in 1424 ms, ***"),
            ("42", "http://me:42@a/42/x4242-42", "http://me:***@a/***/x4242-***"),
            ("a.b", "xa.b a.b.c a.bc", "xa.b ***.c a.bc"),
            ("$4", "1$4 $45 $4", "1*** $45 ***"),
            ("4-4", "14-4-4", "14-***"),
            ("ü", "über ü", "über ***"),
            ("s3cr/t", "as3cr/tz a=s3cr%2Ft", "as3cr/tz a=***"),
            ("12345678", "x123456789", "x***9"),
        ] {
            assert_eq!(Secrets(vec![secret.to_owned()]).hidden(text), shown, "{secret}");
        }
    }

    #[test]
    fn a_reference_that_is_said_is_closed_and_leads_somewhere_from_every_folder() {
        for (text, told) in [
            ("Bearer {env:TOKEN} {file:/etc/token} {x} { }", ""),
            ("{\"env\":1}", ""),
            ("{env:TOKEN", "begins with {env: and is not closed"),
            ("a {file:/etc/token", "begins with {file: and is not closed"),
            ("{env:TOKEN {file:/etc/token}", "begins with {env: and is not closed"),
            ("{env:A}{env:", "begins with {env: and is not closed"),
            ("{env:}", "{env:} refers to nothing"),
            ("{file:}", "{file:} refers to nothing"),
            ("{file:token}", "{file:token} is a path from the folder"),
            ("{env:A} {file:~/token}", "{file:~/token} is a path from the folder"),
        ] {
            let checked = check_references(text).err().unwrap_or_default();
            assert!(checked.contains(told) && checked.is_empty() == told.is_empty(), "{text}: {checked}");
        }
        assert!(!check_references("{env:A s3cret").unwrap_err().contains("s3cret"));
    }

    #[test]
    fn what_is_missing_is_named() {
        for text in ["{env:FEEDSPINE_NO_SUCH_VARIABLE}", "{file:/no/such/file}"] {
            let error = Template::parse(text).resolve(&mut Secrets::default()).unwrap_err();
            assert_eq!(error.code(), "adapter.secret");
            assert!(
                error.message().contains("FEEDSPINE_NO_SUCH_VARIABLE") || error.message().contains("/no/such/file")
            );
        }
        assert!(!Template::parse("{plain} {env:}").is_secret());
    }
}
