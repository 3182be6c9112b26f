//! People: RSS and Dublin Core have one text for a name and a mail address.

use crate::model::Person;

impl Person {
    /// The name and the mail address, taken apart where one text holds both: `ada@a.example (Ada)`, `Ada <ada@a.example>`,
    /// `Ada (ada@a.example)` or an address alone.
    pub fn name_and_email(&self) -> (Option<&str>, Option<&str>) {
        let name = self.name.as_deref();
        if self.email.is_some() {
            return (name, self.email.as_deref());
        }
        let Some(text) = name else { return (None, None) };
        if is_address(text.trim()) {
            return (None, Some(without_scheme(text.trim())));
        }
        let (before, inside) = match text.trim().strip_suffix([')', '>']).and_then(|text| text.rsplit_once(['(', '<']))
        {
            Some((before, inside)) => (before.trim(), inside.trim()),
            None => return in_two_words(text.trim()),
        };
        match (is_address(before), is_address(inside)) {
            (true, false) => (some(inside), Some(without_scheme(before))),
            (false, true) => (some(before), Some(without_scheme(inside))),
            _ => (name, None),
        }
    }
}

/// `Ada ada@a.example` and the other way round.
fn in_two_words(text: &str) -> (Option<&str>, Option<&str>) {
    let unquoted = |name: &str| name.trim_matches(['"', ' ', ',']).len();
    if let Some((first, rest)) = text.split_once(char::is_whitespace)
        && is_address(first)
        && unquoted(rest) > 0
    {
        return (some(rest.trim()), Some(without_scheme(first)));
    }
    if let Some((rest, last)) = text.rsplit_once(char::is_whitespace)
        && is_address(last)
        && unquoted(rest) > 0
    {
        return (some(rest.trim()), Some(without_scheme(last)));
    }
    (Some(text), None)
}

fn some(text: &str) -> Option<&str> {
    Some(text).filter(|text| !text.is_empty())
}

fn without_scheme(address: &str) -> &str {
    address.strip_prefix("mailto:").unwrap_or(address)
}

/// Whether a text has the shape of a mail address.
fn is_address(text: &str) -> bool {
    let text = without_scheme(text);
    let Some((local, domain)) = text.split_once('@') else { return false };
    let plain = |c: char| !c.is_whitespace() && !matches!(c, '(' | ')' | '<' | '>' | '@' | ',' | ';');
    !local.is_empty() && local.chars().all(plain) && domain.contains('.') && domain.chars().all(plain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_and_an_address_in_one_text_are_taken_apart() {
        let address = Some("ada@a.example");
        for (text, name, email) in [
            ("Ada", Some("Ada"), None),
            ("ada@a.example", None, address),
            ("mailto:ada@a.example", None, address),
            ("ada@a.example (Ada L.)", Some("Ada L."), address),
            ("Ada L. (ada@a.example)", Some("Ada L."), address),
            ("Ada L. <ada@a.example>", Some("Ada L."), address),
            ("ada@a.example Ada L.", Some("Ada L."), address),
            ("Ada L. ada@a.example", Some("Ada L."), address),
            ("ada@a.example ()", None, address),
            ("Ada (of the sea)", Some("Ada (of the sea)"), None),
            ("Ada @ Sea", Some("Ada @ Sea"), None),
            ("@ada", Some("@ada"), None),
        ] {
            let person = Person { name: Some(text.into()), ..Person::default() };
            assert_eq!(person.name_and_email(), (name, email), "{text}");
        }
    }
}
