//! The header `Link` (RFC 8288 section 3).

/// The targets of the links that have a relation, as they stand, in their order.
pub(crate) fn targets<'a>(header: &'a str, relation: &'a str) -> impl Iterator<Item = &'a str> {
    let mut rest = header;
    std::iter::from_fn(move || {
        while let Some(start) = rest.find('<') {
            let (target, after) = rest[start + 1..].split_once('>')?;
            // The parameters go on to the next link; a comma within quotes parts nothing.
            let mut quoted = false;
            let end = after.find(|c: char| {
                quoted ^= c == '"';
                c == ',' && !quoted
            });
            let end = end.unwrap_or(after.len());
            rest = &after[end..];
            if has_relation(&after[..end], relation) {
                return Some(target);
            }
        }
        None
    })
}

fn has_relation(parameters: &str, relation: &str) -> bool {
    let relations = parameters.split(';').filter_map(|parameter| parameter.split_once('='));
    let mut relations = relations.filter(|(name, _)| name.trim().eq_ignore_ascii_case("rel"));
    relations.any(|(_, value)| {
        value.trim().trim_matches('"').split_ascii_whitespace().any(|word| word.eq_ignore_ascii_case(relation))
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_links_of_a_relation_are_found() {
        for (header, relation, found) in [
            (r#"<https://a/2>; rel="next", <https://a/9>; rel="last""#, "next", &["https://a/2"][..]),
            (r#"<https://a/1>; rel=prev, <https://a/3>; title="a, <b>"; rel="x NEXT""#, "next", &["https://a/3"]),
            (r#"<https://a/1>; rel="nextish""#, "next", &[]),
            ("", "next", &[]),
            ("<https://a/1", "next", &[]),
            ("<https://h/1>; rel=hub, <https://a/>; rel=self, </h2>; rel=\"hub\"", "hub", &["https://h/1", "/h2"]),
            ("<https://h/1>; rel=hub, <https://h/2", "hub", &["https://h/1"]),
            ("<<>>;rel=hub,<>;rel=hub", "hub", &["<", ""]),
        ] {
            assert_eq!(targets(header, relation).collect::<Vec<_>>(), found, "{header}");
        }
    }
}
