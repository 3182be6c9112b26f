//! Alternate forms of an address: what is left when scheme, host and tracking parameters are taken away.

use url::Url;

/// Parameters that say who followed a link, and never to what it leads: those of Google, Meta, Microsoft, Yandex, X,
/// Mailchimp, Marketo, `HubSpot`, Vero, Omeda, and of some newspapers. Those of `utm_` go by their beginning.
const TRACKING: [&str; 28] = [
    "_hsenc",
    "_hsmi",
    "at_campaign",
    "at_medium",
    "cmpid",
    "dclid",
    "fbclid",
    "gbraid",
    "gclid",
    "gclsrc",
    "igshid",
    "mc_cid",
    "mc_eid",
    "mkt_tok",
    "msclkid",
    "ncid",
    "ocid",
    "oly_anon_id",
    "oly_enc_id",
    "rss_id",
    "s_cid",
    "scid",
    "sr_share",
    "twclid",
    "vero_id",
    "wbraid",
    "xtor",
    "yclid",
];
/// A path shorter than this says too little: `/`, `/1`, `/en`.
const LEAST_PATH: usize = 4;

/// An address of the web, taken apart.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Alternate {
    scheme: String,
    www: bool,
    slash: bool,
    tracked: bool,
    /// Host and port, without `www.`.
    host: String,
    path: String,
    /// The query without what tracks, and the fragment: pages of changes tell their items apart by it.
    rest: String,
}

impl Alternate {
    /// Takes an address apart; `None` for what is none of the web.
    pub(crate) fn of(text: &str) -> Option<Self> {
        let url = on_the_web(text)?;
        let host = url.host_str()?;
        let bare = host.strip_prefix("www.").unwrap_or(host);
        let port = url.port().map(|port| format!(":{port}")).unwrap_or_default();
        let (mut kept, mut tracked) = (Vec::new(), false);
        for pair in url.query().unwrap_or_default().split('&').filter(|pair| !pair.is_empty()) {
            if is_tracking(pair) {
                tracked = true;
            } else {
                kept.push(pair);
            }
        }
        let query = if kept.is_empty() { String::new() } else { format!("?{}", kept.join("&")) };
        let fragment = url.fragment().filter(|fragment| !fragment.is_empty());
        let rest = query + &fragment.map(|fragment| format!("#{fragment}")).unwrap_or_default();
        Some(Self {
            scheme: url.scheme().to_owned(),
            www: bare.len() < host.len(),
            slash: url.path().ends_with('/'),
            tracked,
            host: format!("{bare}{port}"),
            path: bare_path(&url).to_owned(),
            rest,
        })
    }

    /// What all forms of the address share.
    pub(crate) fn whole(&self) -> String {
        format!("{}{}{}", self.host, self.path, self.rest)
    }

    /// What they share at whichever host; `None` when that says too little.
    pub(crate) fn beyond_host(&self) -> Option<String> {
        (self.path.len() >= LEAST_PATH).then(|| format!("{}{}", self.path, self.rest))
    }

    /// In what two forms of one address differ.
    pub(crate) fn differences(&self, other: &Self) -> Vec<&'static str> {
        let all = [
            (self.scheme != other.scheme, "scheme"),
            (self.www != other.www, "www"),
            (self.slash != other.slash, "trailing slash"),
            (self.tracked || other.tracked, "tracking parameters"),
        ];
        all.into_iter().filter(|(differs, _)| *differs).map(|(_, name)| name).collect()
    }
}

/// The path of an address of the web, without a slash at its end.
pub(crate) fn path_of(address: &str) -> Option<String> {
    on_the_web(address).map(|url| bare_path(&url).to_owned())
}

/// An address with http or https; `None` for any other.
fn on_the_web(text: &str) -> Option<Url> {
    let text = text.trim();
    let is_web = |scheme: &str| text.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    if is_web("http://") || is_web("https://") { Url::parse(text).ok() } else { None }
}

fn bare_path(url: &Url) -> &str {
    url.path().trim_end_matches('/')
}

fn is_tracking(pair: &str) -> bool {
    let name = pair.split('=').next().unwrap_or_default();
    name.starts_with("utm_") || TRACKING.contains(&name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn whole(text: &str) -> Option<String> {
        Alternate::of(text).map(|alternate| alternate.whole())
    }

    #[test]
    fn scheme_www_slash_and_what_tracks_are_no_part_of_an_address() {
        let plain = whole("https://example.org/2026/tides?p=7").unwrap();
        for form in [
            "http://example.org/2026/tides?p=7",
            "HTTPS://WWW.Example.org:443/2026/tides/?p=7",
            "https://example.org/2026/tides?utm_source=rss&p=7&utm_medium=feed",
            "https://example.org/2026/tides?fbclid=x&p=7",
        ] {
            assert_eq!(whole(form).as_deref(), Some(plain.as_str()), "{form}");
        }
        for other in [
            "https://example.org/2026/tides?p=8",
            "https://example.org/2026/tides?p=7#second",
            "https://example.org:8443/2026/tides?p=7",
            "https://example.org/2026/Tides?p=7",
            "https://other.org/2026/tides?p=7",
        ] {
            assert_ne!(whole(other).as_deref(), Some(plain.as_str()), "{other}");
        }
        for no_address in ["tag:example.org,2026:1", "urn:uuid:1", "41", "", "ftp://example.org/a", "http://"] {
            assert_eq!(whole(no_address), None, "{no_address}");
        }
    }

    #[test]
    fn a_short_path_says_nothing_without_its_host() {
        let beyond = |text: &str| Alternate::of(text).unwrap().beyond_host();
        assert_eq!(beyond("https://a.org/2026/tides?p=7").as_deref(), Some("/2026/tides?p=7"));
        assert_eq!((beyond("https://a.org/"), beyond("https://a.org/en/")), (None, None));
    }

    #[test]
    fn the_differences_of_two_forms_are_named() {
        let of = |text| Alternate::of(text).unwrap();
        let plain = of("https://a.org/x");
        assert_eq!(plain.differences(&of("http://www.a.org/x/")), ["scheme", "www", "trailing slash"]);
        assert_eq!(plain.differences(&of("https://a.org/x?gclid=1")), ["tracking parameters"]);
        assert_eq!(plain.differences(&plain), Vec::<&str>::new());
    }
}
