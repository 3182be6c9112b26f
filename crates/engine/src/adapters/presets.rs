//! Presets: sources that many have, as options of the adapter for JSON.

use std::collections::BTreeMap;

use feedspine_core::Json;

/// A source by its name, and the options that it needs; what the operator says goes before.
#[derive(Debug)]
pub(super) struct Preset {
    pub(super) name: &'static str,
    options: &'static [(&'static str, &'static str)],
}

/// Options whose values are gathered, each `NAME` and what separates it from its value.
const GATHERED: [(&str, char); 3] = [("header", ':'), ("query", '='), ("field", '=')];

/// All presets.
pub(super) const PRESETS: [Preset; 3] = [
    // GitHub REST API, "List releases". Downloads and reactions are counted in what is volatile here.
    Preset {
        name: "github_releases",
        options: &[
            ("key", "id"),
            ("title", "name"),
            ("link", "html_url"),
            ("published", "published_at"),
            ("volatile", "assets"),
            ("volatile", "reactions"),
            ("header", "Accept: application/vnd.github+json"),
            ("query", "per_page=100"),
            ("link_header", "true"),
        ],
    },
    // ActivityPub, section 5.1; Mastodon gives the newest page of an outbox at `?page=true`.
    Preset {
        name: "activitypub",
        options: &[
            ("items", "orderedItems"),
            ("key", "id"),
            ("link", "object.url"),
            ("published", "published"),
            ("header", "Accept: application/activity+json"),
            ("coverage", "delta"),
        ],
    },
    // As Polygon has it: an entry is an announcement of one company, which is changed when it is put off or has happened.
    Preset {
        name: "earnings",
        options: &[
            ("items", "results"),
            ("key", "benzinga_id"),
            ("title", "company_name"),
            ("updated", "last_updated"),
            ("volatile", "last_updated"),
            ("volatile", "updated"),
            ("query", "apiKey={env:POLYGON_API_KEY}"),
            ("next", "next_url"),
            ("coverage", "delta"),
        ],
    },
];

impl Preset {
    pub(super) fn named(name: &str) -> Option<&'static Self> {
        PRESETS.iter().find(|preset| preset.name == name)
    }

    /// Its options with those of the operator: these go before, and are added where several make sense.
    pub(super) fn complete(&self, said: &BTreeMap<String, Json>) -> BTreeMap<String, Json> {
        let mut options = said.clone();
        for (name, value) in self.options {
            let held = said.get(*name).map(values).unwrap_or_default();
            let is_said = match GATHERED.iter().find(|(gathered, _)| gathered == name) {
                Some((_, sign)) => held.iter().any(|held| of_name(held, *sign) == of_name(value, *sign)),
                None => !held.is_empty(),
            };
            if is_said {
                continue;
            }
            let mut list = options.get(*name).map(values).unwrap_or_default();
            list.push((*value).to_owned());
            let all = if list.len() == 1 { Json::from(*value) } else { list.into() };
            options.insert((*name).to_owned(), all);
        }
        options
    }
}

fn values(option: &Json) -> Vec<String> {
    match option {
        Json::Array(list) => list.iter().filter_map(|value| value.as_str().map(str::to_owned)).collect(),
        one => one.as_str().map(str::to_owned).into_iter().collect(),
    }
}

fn of_name(text: &str, sign: char) -> String {
    text.split(sign).next().unwrap_or_default().trim().to_ascii_lowercase()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_said_goes_before_or_is_added() {
        let said = [
            ("title", Json::from("tag_name")),
            ("header", "Authorization: Bearer {env:TOKEN}".into()),
            ("query", vec!["PER_PAGE=5".to_owned(), "a=b".to_owned()].into()),
        ];
        let said = said.into_iter().map(|(name, value)| (name.to_owned(), value)).collect();
        let options = Preset::named("github_releases").unwrap().complete(&said);
        let shown = |name: &str| options[name].to_canonical();
        assert_eq!(shown("title"), r#""tag_name""#);
        assert_eq!(shown("key"), r#""id""#);
        assert_eq!(shown("volatile"), r#"["assets","reactions"]"#);
        assert_eq!(shown("header"), r#"["Authorization: Bearer {env:TOKEN}","Accept: application/vnd.github+json"]"#);
        assert_eq!(shown("query"), r#"["PER_PAGE=5","a=b"]"#);
    }
}
