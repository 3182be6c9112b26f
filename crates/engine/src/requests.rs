//! [`RequestChoice`]: what was said of how a feed's server is asked, in settings, words and the configuration.

use std::collections::BTreeMap;
use std::path::PathBuf;

use feedspine_core::{Feed, Json};
use reqwest::header::{self, HeaderName, HeaderValue};
use url::Url;

use crate::adapters::{Template, check_references, is_login, logins, template};
use crate::fetch::{Between, Http, Manner, Trust, header_value};
use crate::{Address, OpError, shown_address};

/// What was said of how a feed's server is asked: on adding it, later, or in the configuration. By default nothing. Secrets
/// are among it as references only.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct RequestChoice(BTreeMap<String, Json>);

/// Whether a feed that moved for good is asked at its new address.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Moves {
    /// It is.
    Followed,
    /// From http to https alone: what is said of its own server is not for another.
    OfScheme,
    /// It is asked where it was, and led there each time.
    Ignored,
}

/// Takes moves over, or not.
const FOLLOW_MOVES: &str = "follow_moves";
/// Lets hubs tell of new items, or not.
const WEBSUB: &str = "websub";
/// Says who asks, each by itself.
const LOGINS: [&str; 2] = ["basic", "bearer"];
/// What is for the feed's own server.
const OWN: [&str; 6] = ["headers", "cookie", "basic", "bearer", "tls", "ca"];

impl Moves {
    /// Those of a feed: what is said of its own server is for no other, and neither is being allowed private addresses.
    pub(crate) fn of(feed: &Feed) -> Self {
        match RequestChoice::of(feed).moves() {
            Self::Followed if feed.allow_private => Self::OfScheme,
            moves => moves,
        }
    }
}

impl RequestChoice {
    /// The names of what can be said.
    pub const NAMES: [&str; 11] =
        [FOLLOW_MOVES, WEBSUB, "headers", "cookie", "basic", "bearer", "tls", "ca", "user_agent", "proxy", "http"];
    /// The member of a feed's settings that holds it.
    const MEMBER: &str = "requests";

    /// Says one more thing: `follow_moves` and `websub` are true or false, `headers` a text `NAME: VALUE` or a list of such, all others are
    /// texts: `cookie`, `basic` (`NAME:PASSWORD`) and `bearer` with references to their secrets (`{env:NAME}`, `{file:PATH}`),
    /// `user_agent`, `proxy` (a URL), `tls` (`insecure`), `ca` (the path of a file), `http` (`1.1`).
    ///
    /// # Errors
    /// A name or a value that it cannot have, in words.
    pub fn say(&mut self, name: &str, value: &Json) -> Result<(), String> {
        let said = match name {
            FOLLOW_MOVES | WEBSUB => truth(value)?,
            _ if Self::NAMES.contains(&name) => value.clone(),
            _ => return Err(format!("expected one of {}, found {name}", Self::NAMES.join(", "))),
        };
        for text in texts(&said).unwrap_or_default() {
            check_references(text)?;
        }
        let mut parts = Parts::default();
        parts.take(name, &said)?;
        self.0.insert(name.to_owned(), said);
        Ok(())
    }

    /// The same, with what is said now as `NAME=VALUE`; one that is given several times is a list, `NAME=` takes it back.
    ///
    /// # Errors
    /// A value that it cannot have, in words.
    pub(crate) fn changed<'a>(mut self, said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        let mut now: BTreeMap<&str, Vec<&str>> = BTreeMap::new();
        for (name, value) in said {
            now.entry(name).or_default().push(value);
        }
        for (name, values) in now {
            let value = match values.as_slice() {
                [""] => {
                    self.0.remove(name);
                    continue;
                }
                [value] => Json::from(*value),
                values => values.to_vec().into(),
            };
            self.say(name, &value).map_err(|reason| format!("{name}: {reason}"))?;
        }
        Ok(self)
    }

    /// What is said as `NAME=VALUE`, as [`Self::say`] has it.
    ///
    /// # Errors
    /// A value that it cannot have, in words.
    pub fn of_pairs<'a>(said: impl IntoIterator<Item = (&'a str, &'a str)>) -> Result<Self, String> {
        Self::default().changed(said)
    }

    /// What a feed's settings hold. What a newer program says under further names stays; a value that this one cannot read
    /// lets nobody be asked, since it may be a proxy that everything is to go through.
    pub fn of(feed: &Feed) -> Self {
        match feed.settings.to_json().get(Self::MEMBER) {
            Some(Json::Object(said)) => Self(said.clone()),
            _ => Self::default(),
        }
    }

    /// The same, with what is said there where nothing is said here. `basic` and `bearer` replace each other.
    pub(crate) fn or(mut self, further: &Self) -> Self {
        let says_who = LOGINS.iter().any(|login| self.0.contains_key(*login));
        for (name, value) in &further.0 {
            if says_who && LOGINS.contains(&name.as_str()) {
                continue;
            }
            self.0.entry(name.clone()).or_insert_with(|| value.clone());
        }
        self
    }

    /// The same, as it is shown: what proves to a proxy who asks is not.
    pub fn shown(&self) -> impl Iterator<Item = (&str, Json)> {
        self.said().map(|(name, value)| (name, shown(name, value)))
    }

    /// What is said, by its names.
    pub fn said(&self) -> impl Iterator<Item = (&str, &Json)> {
        self.0.iter().map(|(name, value)| (name.as_str(), value))
    }

    /// What of it says who asks, each in words.
    fn logins(&self) -> impl Iterator<Item = &str> {
        let headers = self.get("headers").and_then(|value| texts(value).ok()).unwrap_or_default();
        let headers = headers.into_iter().filter(|text| is_login(text)).map(|_| "Authorization in headers");
        LOGINS.into_iter().filter(|name| self.get(name).is_some()).chain(headers)
    }

    /// What is said of that.
    pub(crate) fn get(&self, name: &str) -> Option<&Json> {
        self.0.get(name)
    }

    /// Whether anybody may answer in the server's name.
    pub fn is_insecure(&self) -> bool {
        self.get("tls").is_some()
    }

    /// What stands between requests and whom they ask.
    pub(crate) fn between(&self) -> Between {
        if self.get("proxy").is_some() { Between::Proxy } else { Between::Nothing }
    }

    /// Whether hubs may tell of its new items: unless it is said otherwise.
    pub(crate) fn takes_hubs(&self) -> bool {
        self.get(WEBSUB) != Some(&Json::Bool(false))
    }

    /// Whether nothing is said.
    pub fn is_default(&self) -> bool {
        self.0.is_empty()
    }

    /// The member of a feed's settings; `None` when nothing is said.
    pub(crate) fn to_member(&self) -> (&'static str, Option<Json>) {
        (Self::MEMBER, (!self.is_default()).then(|| Json::Object(self.0.clone())))
    }

    /// Whether a feed that moved is asked at its new address: unless it is said otherwise, or something is said that is for
    /// its own server alone.
    fn moves(&self) -> Moves {
        if self.get(FOLLOW_MOVES) == Some(&Json::Bool(false)) {
            Moves::Ignored
        } else if OWN.iter().any(|name| self.0.contains_key(*name)) {
            Moves::OfScheme
        } else {
            Moves::Followed
        }
    }

    /// How a feed at that address is asked, with its secrets.
    ///
    /// # Errors
    /// `Usage`: a secret is missing, or cannot be sent; what is held cannot be read.
    pub(crate) fn manner(&self, address: &Address) -> Result<Manner, OpError> {
        let mut parts = Parts::default();
        for (name, value) in self.said() {
            parts.take(name, value).map_err(|reason| {
                let message = format!("{name}, as it is held of how its server is asked, cannot be used: {reason}");
                OpError::usage("feed.requests", message)
                    .with_hint(format!("nobody was asked; say it anew: `feedspine feed set NAME {name}=VALUE`"))
            })?;
        }
        parts.resolve(Manner::at(address))
    }
}

/// Sees that a request says once at most who asks: of several logins servers take one or another, or refuse all.
///
/// # Errors
/// `Usage`: several do, which are named.
pub(crate) fn check_logins(options: &BTreeMap<String, Json>, requests: &RequestChoice) -> Result<(), OpError> {
    let logins = logins_of(options, requests);
    if logins.len() < 2 {
        return Ok(());
    }
    let message = format!("a feed has one login, and several are said: {}", logins.join(" and "));
    Err(OpError::usage("feed.logins", message).with_hint("say one of them alone"))
}

/// What says who asks, each in words.
pub(crate) fn logins_of<'r>(options: &BTreeMap<String, Json>, requests: &'r RequestChoice) -> Vec<&'r str> {
    let of_adapter = (0..logins(options)).map(|_| "Authorization in header");
    requests.logins().chain(of_adapter).collect()
}

/// What is said, read.
#[derive(Default)]
struct Parts {
    headers: Vec<(HeaderName, Template)>,
    basic: Option<(String, Template)>,
    trust: Trust,
    user_agent: Option<Template>,
    proxy: Option<Template>,
    http: Http,
}

/// Headers that say how a message is sent, not what is asked: HTTP/2 knows none of them (RFC 9113 section 8.2.2), and with
/// another length or coding than it has no request is one.
const OF_THE_CONNECTION: [&str; 8] =
    ["connection", "content-length", "keep-alive", "proxy-connection", "te", "trailer", "transfer-encoding", "upgrade"];

impl Parts {
    fn take(&mut self, name: &str, value: &Json) -> Result<(), String> {
        let text = || value.as_str().ok_or_else(|| format!("expected a text, found {value}"));
        let referring = |name: &str, text: &str| template(name, text).map_err(|error| told(&error));
        match name {
            "headers" => {
                for text in texts(value)? {
                    let (name, value) =
                        text.split_once(':').ok_or_else(|| format!("expected NAME: VALUE, found {text:?}"))?;
                    let name = header_name(name.trim())?;
                    let value = sendable(name.as_str(), referring(name.as_str(), value.trim())?)?;
                    self.headers.push((name, value));
                }
            }
            "cookie" => self.headers.push((header::COOKIE, sendable("cookie", referring("cookie", text()?)?)?)),
            "bearer" => {
                referring("token", text()?)?;
                let value = Template::parse(&format!("Bearer {}", text()?));
                self.headers.push((header::AUTHORIZATION, sendable("authorization", value)?));
            }
            "basic" => {
                let (name, password) =
                    text()?.split_once(':').ok_or("expected NAME:PASSWORD, such as me:{env:PASSWORD}")?;
                if ["{env", "{file"].contains(&name) {
                    return Err("the name is written out, such as me:{env:PASSWORD}".to_owned());
                }
                self.basic = Some((name.to_owned(), referring("password", password)?));
            }
            "tls" if value.as_str() == Some("insecure") => self.trust = Trust::Anybody,
            "tls" => return Err(format!("expected insecure, found {value}")),
            // What nobody checks needs no authority.
            "ca" if self.trust == Trust::Anybody => {}
            "ca" if PathBuf::from(text()?).is_absolute() => self.trust = Trust::Authorities(text()?.into()),
            "ca" => return Err(format!("expected the absolute path of a file, found {value}")),
            "user_agent" => {
                self.user_agent = Some(sendable("user-agent", Template::parse(text()?))?);
            }
            "proxy" => {
                self.proxy = Some(proxy(text()?)?);
            }
            "http" if value.as_str() == Some("1.1") => self.http = Http::One,
            "http" => return Err(format!("expected 1.1, found {value}")),
            FOLLOW_MOVES => drop(truth(value)?),
            _ => {}
        }
        Ok(())
    }

    fn resolve(self, mut manner: Manner) -> Result<Manner, OpError> {
        for (name, value) in self.headers {
            let text = value.resolve(&mut manner.secrets)?;
            manner.add_header(name, &text)?;
        }
        if let Some((name, password)) = self.basic {
            manner.basic = Some((name, password.resolve(&mut manner.secrets)?));
        }
        if let Some(proxy) = self.proxy {
            manner.proxy = Some(proxy.resolve_in_url(&mut manner.secrets)?);
        }
        if let Some(agent) = self.user_agent {
            let text = agent.resolve(&mut manner.secrets)?;
            manner.user_agent = Some(header_value(&header::USER_AGENT, &text)?);
        }
        (manner.trust, manner.http) = (self.trust, self.http);
        Ok(manner)
    }
}

/// The name of a header that a feed's server can be sent.
fn header_name(text: &str) -> Result<HeaderName, String> {
    let name = text.parse::<HeaderName>();
    let name = name.map_err(|_| format!("{text:?} is no name of a header: letters, digits and - make one"))?;
    if OF_THE_CONNECTION.contains(&name.as_str()) {
        return Err(format!("{name} says how a request is sent, which is not for a feed to say"));
    }
    Ok(name)
}

/// A value that a header can hold, as far as that is seen before its secrets are known (RFC 9110 section 5.5).
fn sendable(name: &str, value: Template) -> Result<Template, String> {
    let outline = value.outline("x");
    if HeaderValue::from_str(&outline).is_ok() {
        return Ok(value);
    }
    let found = outline.chars().find(|c| c.is_control()).map(|c| format!("{c:?}")).unwrap_or_default();
    Err(format!("no header can hold {found}, which the value of {name} has"))
}

/// A proxy by its URL, in which no secret stands: it would be stored.
fn proxy(text: &str) -> Result<Template, String> {
    let template = Template::parse(text);
    let word = template.foreign_word();
    let url = Url::parse(&template.outline(&word));
    let url = url.map_err(|error| format!("{} is no URL: {error}", shown_address(text)))?;
    if !matches!(url.scheme(), "http" | "https") {
        return Err(format!("expected http:// or https://, found {}", shown_address(text)));
    }
    // A name without a password is one: a token.
    let secret = url.password().unwrap_or(url.username());
    if secret.replace(&word, "").is_empty() {
        Ok(template)
    } else {
        Err("the password would be stored: refer to all of it, {env:NAME} or {file:PATH}".to_owned())
    }
}

fn told(error: &OpError) -> String {
    let hint = error.hint().map(|hint| format!("; {hint}")).unwrap_or_default();
    format!("{}{hint}", error.message())
}

/// What is shown of what is said under that name.
pub(crate) fn shown(name: &str, value: &Json) -> Json {
    match value.as_str() {
        Some(text) if name == "proxy" => shown_address(text).into(),
        _ => value.clone(),
    }
}

fn texts(value: &Json) -> Result<Vec<&str>, String> {
    let wrong = || format!("expected a text or a list of texts, found {value}");
    match value {
        Json::String(text) => Ok(vec![text]),
        Json::Array(texts) => texts.iter().map(|text| text.as_str().ok_or_else(wrong)).collect(),
        _ => Err(wrong()),
    }
}

fn truth(value: &Json) -> Result<Json, String> {
    match (value, value.as_str()) {
        (Json::Bool(_), _) => Ok(value.clone()),
        (_, Some("true")) => Ok(Json::Bool(true)),
        (_, Some("false")) => Ok(Json::Bool(false)),
        _ => Err(format!("expected true or false, found {value}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn said(pairs: &[(&str, &str)]) -> Result<RequestChoice, String> {
        RequestChoice::of_pairs(pairs.iter().copied())
    }

    #[test]
    fn what_is_said_later_goes_before_and_is_taken_back_by_nothing() {
        let held = said(&[("follow_moves", "false"), ("headers", "A: 1"), ("headers", "B: 2")]).unwrap();
        assert_eq!(held.get("headers").unwrap().to_string(), r#"["A: 1","B: 2"]"#);
        let configured = said(&[("follow_moves", "true")]).unwrap();
        assert_eq!(held.clone().or(&configured), held);
        let back = held.changed([("follow_moves", ""), ("headers", "")]).unwrap();
        assert!(back.is_default());
        assert_eq!(back.or(&configured), configured);
    }

    #[test]
    fn what_can_be_said_is_told_from_what_cannot() {
        for (name, value, right) in [
            ("follow_moves", "perhaps", false),
            ("proxies", "x", false),
            ("headers", "Accept: text/html", true),
            ("headers", "no colon", false),
            ("headers", "two words: a", false),
            ("headers", "X-\u{fc}: a", false),
            ("headers", ": a", false),
            ("headers", "X-A: a\nX-B: b", false),
            ("headers", "X-A: a\u{0}", false),
            ("headers", "X-A: gr\u{fc}n\tb", true),
            ("headers", "Transfer-Encoding: chunked", false),
            ("headers", "connection: close", false),
            ("cookie", "a={env:A}\r\n", false),
            ("bearer", "{env:A}\u{7f}", false),
            ("headers", "X-Api-Key: abc", false),
            ("headers", "X-Api-Key: {env:KEY}", true),
            ("cookie", "a=b", false),
            ("cookie", "a={file:/etc/cookie}", true),
            ("basic", "me:{env:PASSWORD}", true),
            ("basic", "me:open", false),
            ("basic", "me", false),
            ("basic", "{env:ME}:{env:PASSWORD}", false),
            ("basic", "me:{env:PASSWORD", false),
            ("headers", "X-Note: {env:NOTE", false),
            ("headers", "X-Note: {file:note}", false),
            ("user_agent", "Mine/1 {env:CONTACT", false),
            ("user_agent", "Mine/1 {file:contact}", false),
            ("proxy", "http://me:{file:secret}@proxy.lan:3128", false),
            ("bearer", "{env:TOKEN}", true),
            ("bearer", "abc", false),
            ("tls", "insecure", true),
            ("tls", "off", false),
            ("ca", "/etc/ca.pem", true),
            ("ca", "ca.pem", false),
            ("user_agent", "Mine/1", true),
            ("user_agent", "a\nb", false),
            ("user_agent", "Mine/1 (+{env:CONTACT})", true),
            ("proxy", "http://proxy.lan:3128", true),
            ("proxy", "http://me:open@proxy.lan:3128", false),
            ("proxy", "http://me:{file:/etc/secret}@proxy.lan:3128", true),
            ("proxy", "http://{env:ME}:{env:PASSWORD}@{env:PROXY_HOST}:3128", true),
            ("proxy", "http://{env:TOKEN}@proxy.lan:3128", true),
            ("proxy", "http://me:open@{env:PROXY_HOST}:3128", false),
            ("proxy", "http://me:secret@{env:PROXY_HOST}:3128", false),
            ("proxy", "http://me:open{env:REST}@proxy.lan:3128", false),
            ("proxy", "http://{env:ME}:open@proxy.lan:3128", false),
            ("proxy", "http://token@proxy.lan:3128", false),
            ("proxy", "socks5://proxy.lan", false),
            ("http", "1.1", true),
            ("http", "3", false),
        ] {
            assert_eq!(said(&[(name, value)]).is_ok(), right, "{name}={value}");
        }
    }

    #[test]
    fn one_login_is_said_and_several_are_named() {
        let options = |headers: &[&str]| BTreeMap::from([("header".to_owned(), headers.to_vec().into())]);
        let (basic, bearer) = (("basic", "me:{env:A}"), ("bearer", "{env:A}"));
        let header = ("headers", "authorization : Token {env:A}");
        for (pairs, headers, told) in [
            (&[bearer, ("headers", "Accept: a")][..], &["Accept: a"][..], ""),
            (&[header], &[], ""),
            (&[], &["Authorization: Token {env:A}"], ""),
            (&[basic, bearer], &[], "basic and bearer"),
            (&[basic, header], &[], "basic and Authorization in headers"),
            (&[header, header], &[], "Authorization in headers and Authorization in headers"),
            (&[bearer], &["AUTHORIZATION: Token {env:A}"], "bearer and Authorization in header"),
        ] {
            let checked = check_logins(&options(headers), &said(pairs).unwrap());
            let error = checked.err().map(|error| error.message().to_owned()).unwrap_or_default();
            assert!(error.ends_with(told) && error.is_empty() == told.is_empty(), "{pairs:?} {headers:?}: {error}");
        }
        let configured = said(&[bearer, ("http", "1.1")]).unwrap();
        assert_eq!(said(&[basic]).unwrap().or(&configured), said(&[basic, ("http", "1.1")]).unwrap());
    }

    #[test]
    fn what_proves_to_a_proxy_who_asks_is_not_shown() {
        let choice = said(&[("http", "1.1"), ("proxy", "http://{env:TOKEN}@proxy.lan:3128")]).unwrap();
        let shown: Vec<String> = choice.shown().map(|(name, value)| format!("{name}={value}")).collect();
        assert_eq!(shown, [r#"http="1.1""#, r#"proxy="http://***@proxy.lan:3128""#]);
        for proxy in ["http://me:open@pro xy:3128", "socks5://me:open@proxy.lan"] {
            let refused = said(&[("proxy", proxy)]).unwrap_err();
            assert!(!refused.contains("open"), "{refused}");
        }
    }

    #[test]
    fn a_feed_with_something_for_its_own_server_moves_to_no_other() {
        for (pairs, moves) in [
            (&[][..], Moves::Followed),
            (&[("user_agent", "Mine/1")], Moves::Followed),
            (&[("bearer", "{env:TOKEN}")], Moves::OfScheme),
            (&[("tls", "insecure")], Moves::OfScheme),
            (&[("tls", "insecure"), ("follow_moves", "false")], Moves::Ignored),
        ] {
            assert_eq!(said(pairs).unwrap().moves(), moves, "{pairs:?}");
        }
    }

    #[test]
    fn a_feed_that_is_allowed_private_addresses_moves_to_no_other_host() {
        for (settings, allow_private, moves) in [
            ("{}", false, Moves::Followed),
            ("{}", true, Moves::OfScheme),
            (r#"{"requests":{"follow_moves":false}}"#, true, Moves::Ignored),
        ] {
            let feed = Feed { allow_private, ..crate::sample::feed(settings, None) };
            assert_eq!(Moves::of(&feed), moves, "{settings} {allow_private}");
        }
    }

    #[test]
    fn what_cannot_be_read_of_what_is_held_lets_nobody_be_asked_and_what_a_newer_program_says_stays() {
        let held = |said: &str| {
            let feed = crate::sample::feed(&format!(r#"{{"requests":{said}}}"#), None);
            let choice = RequestChoice::of(&feed);
            let told = choice.manner(&"https://a.example/".parse().unwrap());
            let told = told.map(drop).map_err(|error| error.message().to_owned());
            (Json::object([("requests", choice.to_member().1.unwrap())]), told)
        };
        for (said, told) in [
            (r#"{"proxy":"socks5://proxy.lan"}"#, "proxy, as it is held"),
            (r#"{"proxy":"http://me:open@proxy.lan"}"#, "proxy, as it is held"),
            (r#"{"follow_moves":"perhaps"}"#, "follow_moves, as it is held"),
            (r#"{"tides":"high"}"#, ""),
        ] {
            let (kept, error) = held(said);
            assert_eq!(kept.to_canonical(), format!(r#"{{"requests":{said}}}"#));
            let error = error.err().unwrap_or_default();
            assert!(error.starts_with(told) && error.is_empty() == told.is_empty(), "{said}: {error}");
            assert!(!error.contains("open"), "{error}");
        }
    }
}
