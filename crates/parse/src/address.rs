//! Addresses: resolved against their base, and kept only when they lead somewhere on the web.

use url::Url;

use crate::limits::Limits;
use crate::model::Link;
use crate::warning::Warnings;

/// A link to an address as it stood in the document.
///
/// One with a scheme of the web is kept byte for byte. Any other is resolved, and kept beside the result; what is then
/// still not of the web (`javascript:`, `urn:`) leads nowhere.
pub(crate) fn link(
    raw: &str,
    base: Option<&str>,
    resolved: &mut ResolvedBytes,
    limits: &Limits,
    warnings: &mut Warnings,
) -> Link {
    let raw = raw.trim_matches(|c: char| c.is_ascii_whitespace());
    if raw.len() > limits.address_bytes {
        warnings.add("address.too_long", || {
            format!("an address of {} bytes was left out; the limit is {}", raw.len(), limits.address_bytes)
        });
        return Link::default();
    }
    if is_of_the_web(raw) {
        return Link { href: Some(raw.to_owned()), ..Link::default() };
    }
    if resolved.0 > limits.resolved_bytes {
        warnings.add("address.unresolved", || {
            format!("addresses were kept as they stand once {} bytes of others had been resolved", resolved.0)
        });
        return Link { raw: Some(raw.to_owned()), ..Link::default() };
    }
    let href = resolve(raw, base).filter(|href| is_of_the_web(href));
    resolved.0 += href.as_ref().map_or(0, String::len);
    Link { href, raw: Some(raw.to_owned()), ..Link::default() }
}

/// How many bytes a document's addresses have come to by being resolved.
#[derive(Debug, Default)]
pub(crate) struct ResolvedBytes(usize);

/// The address that `reference` means where `base` holds.
pub(crate) fn resolve(reference: &str, base: Option<&str>) -> Option<String> {
    match base.and_then(|base| Url::parse(base).ok()) {
        Some(base) => base.join(reference).ok().map(String::from),
        None => Url::parse(reference).ok().map(String::from),
    }
}

fn is_of_the_web(address: &str) -> bool {
    let begins = |scheme: &str| address.get(..scheme.len()).is_some_and(|start| start.eq_ignore_ascii_case(scheme));
    begins("http://") || begins("https://")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_addresses_of_the_web_lead_anywhere() {
        for (raw, base, href) in [
            (" http://a.example/B?c ", None, Some("http://a.example/B?c")),
            ("HTTPS://a.example", None, Some("HTTPS://a.example")),
            ("b/../c", Some("http://a.example/x/"), Some("http://a.example/x/c")),
            ("//b.example/", Some("https://a.example/"), Some("https://b.example/")),
            ("", Some("http://a.example/x"), Some("http://a.example/x")),
            ("c", None, None),
            ("c", Some("not a base"), None),
            ("x", Some("javascript:alert(1)//"), None),
            ("javascript:alert(1)", Some("http://a.example/"), None),
            ("urn:isbn:1", Some("http://a.example/"), None),
        ] {
            let link = link(raw, base, &mut ResolvedBytes::default(), &Limits::default(), &mut Warnings::default());
            assert_eq!(link.href.as_deref(), href, "{raw} on {base:?}");
        }
    }

    #[test]
    fn an_endless_address_is_left_out() {
        let mut warnings = Warnings::default();
        let raw = format!("http://a.example/{}", "a".repeat(10_000));
        assert_eq!(link(&raw, None, &mut ResolvedBytes::default(), &Limits::default(), &mut warnings), Link::default());
        assert_eq!(warnings.into_vec()[0].code, "address.too_long");
    }

    #[test]
    fn a_base_cannot_make_much_of_little_without_end() {
        let base = format!("http://a.example/{}/", "b".repeat(99));
        let limits = Limits { resolved_bytes: 1_000, ..Limits::default() };
        let (mut resolved, mut warnings) = (ResolvedBytes::default(), Warnings::default());
        let mut links = (0..20).map(|_| link("c", Some(&base), &mut resolved, &limits, &mut warnings));
        assert_eq!(links.by_ref().take_while(|link| link.href.is_some()).count(), 9);
        assert!(links.all(|link| link.href.is_none() && link.raw.as_deref() == Some("c")));
        assert_eq!(warnings.into_vec()[0].code, "address.unresolved");
    }
}
