//! Addresses in HTML: feedparser and gofeed make them absolute, we keep them with the base that makes them so.

use feedspine_parse::Text;

/// The HTML of a text with the addresses in it resolved against its base, else against the document's.
pub(crate) fn absolute(text: &Text, document: Option<&str>) -> String {
    let Some(base) = text.base.as_deref().or(document).and_then(|base| url::Url::parse(base).ok()) else {
        return text.value.clone();
    };
    let mut out = String::new();
    let mut rest = text.value.as_str();
    while let Some((at, opening)) = ["href=\"", "src=\""].iter().filter_map(|o| Some((rest.find(o)?, o))).min() {
        let (before, after) = rest.split_at(at + opening.len());
        out.push_str(before);
        let end = after.find('"').unwrap_or(after.len());
        match base.join(&after[..end]) {
            Ok(address) => out.push_str(address.as_str()),
            Err(_) => out.push_str(&after[..end]),
        }
        rest = &after[end..];
    }
    out + rest
}
