//! What the file says of single feeds: a table `[feeds.NAME]` with `adapter`, its options, `namespace`, when it is
//! fetched, and how long its bodies are kept.

use std::collections::BTreeMap;
use std::path::Path;

use feedspine::core::{FeedName, Json};
use feedspine::{DeclaredFeed, OpError};
use toml::Value;

/// The table that holds them.
pub(super) const TABLE: &str = "feeds";

/// Reads the tables of all feeds.
///
/// # Errors
/// `Usage`: a name that no feed can have, an adapter or an option that is not known, a value that it cannot have.
pub(super) fn declared(path: &Path, feeds: Value) -> Result<BTreeMap<FeedName, DeclaredFeed>, OpError> {
    let hint = "a table for each feed: [feeds.news], or [feeds.\"example.org\"] for a name with dots";
    let Value::Table(feeds) = feeds else {
        let message = format!("{TABLE} in {}: expected tables, found {feeds}", path.display());
        return Err(OpError::usage("config.value", message).with_hint(hint));
    };
    let mut feeds_said = BTreeMap::new();
    for (name, said) in feeds {
        let wrong = |reason: String| {
            OpError::usage("config.value", format!("{TABLE}.{name:?} in {}: {reason}", path.display())).with_hint(hint)
        };
        let Value::Table(said) = said else { return Err(wrong(format!("expected a table, found {said}"))) };
        let feed: FeedName = name.parse().map_err(|error| wrong(format!("{error}")))?;
        let mut declared = DeclaredFeed::default();
        for (key, value) in said {
            if value.is_table() {
                let hint = format!("a name with dots stands in quotes: [{TABLE}.\"{name}.{key}\"]");
                return Err(wrong(format!("{key} is a table")).with_hint(hint));
            }
            let value = json(value).map_err(|reason| wrong(format!("{key}: {reason}")))?;
            declared.say(&key, value).map_err(|reason| wrong(format!("{key}: {reason}")))?;
        }
        declared.check().map_err(|error| {
            let told = wrong(error.message().to_owned());
            told.with_hint(error.hint().unwrap_or(hint).to_owned())
        })?;
        feeds_said.insert(feed, declared);
    }
    Ok(feeds_said)
}

/// What is said of each feed, by dotted keys.
pub(super) fn said(feeds: &BTreeMap<FeedName, DeclaredFeed>) -> Vec<(String, Json)> {
    let mut said = Vec::new();
    for (feed, declared) in feeds {
        let adapter = declared.adapter().map(|adapter| ("adapter", Json::from(adapter)));
        let options = declared.options().iter().map(|(name, value)| (name.as_str(), value.clone()));
        let namespace = declared.namespace().map(|namespace| ("namespace", Json::from(namespace.as_str())));
        let keep = declared.keep().map(|keep| ("keep", Json::from(keep.to_string())));
        let requests = declared.requests().shown();
        let rhythm = declared.rhythm().said();
        let all = adapter.into_iter().chain(options).chain(namespace).chain(rhythm).chain(requests).chain(keep);
        said.extend(all.map(|(name, value)| (format!("{TABLE}.{feed}.{name}"), value)));
    }
    said
}

fn json(value: Value) -> Result<Json, String> {
    match value {
        Value::String(text) => Ok(text.into()),
        Value::Boolean(truth) => Ok(Json::Bool(truth)),
        Value::Integer(number) => Ok(number.into()),
        Value::Array(values) => values.into_iter().map(json).collect::<Result<_, _>>().map(Json::Array),
        other => Err(format!("expected a text, a list of texts, a whole number, true or false, found {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, OpError> {
        let mut table: toml::Table = text.parse().unwrap();
        let declared = declared(Path::new("c.toml"), table.remove(TABLE).unwrap())?;
        Ok(said(&declared).into_iter().map(|(key, value)| (key, value.to_string())).collect())
    }

    #[test]
    fn a_feed_has_a_table_of_its_own() {
        let text = "[feeds.news]\nkey = \"link\"\nfold_case = true\n[feeds.\"a.org\"]\nkey = [\"a\", \"b\"]\n\
                    volatile = \"views\"\nnamespace = \"shared\"\n[feeds.api]\nadapter = \"json\"\nitems = \"data\"\n\
                    max_pages = 3\nlines = false\nevery = \"90m\"\nadaptive = true\n";
        let said = read(text).unwrap();
        let said: Vec<String> = said.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            said,
            [
                r#"feeds.a.org.key=["a","b"]"#,
                r#"feeds.a.org.volatile="views""#,
                r#"feeds.a.org.namespace="shared""#,
                r#"feeds.api.adapter="json""#,
                r#"feeds.api.items="data""#,
                r#"feeds.api.lines="false""#,
                r#"feeds.api.max_pages="3""#,
                r#"feeds.api.every="1h30m""#,
                "feeds.api.adaptive=true",
                "feeds.news.fold_case=true",
                r#"feeds.news.key="link""#,
            ]
        );
    }

    #[test]
    fn what_cannot_be_said_of_a_feed_is_told_with_what_can() {
        for (text, code, hint) in [
            ("feeds = 3", "config.value", "[feeds.news]"),
            ("[feeds]\nnews = 3", "config.value", "[feeds.news]"),
            ("[feeds.news]\nkei = \"a\"", "config.value", "did you mean key?"),
            ("[feeds.news]\ncolor = \"a\"", "config.value", "adapter = \"json\""),
            ("[feeds.a.org]\nkey = \"a\"", "config.value", "[feeds.\"a.org\"]"),
            ("[feeds.news]\nkey = 3", "config.value", "[feeds.news]"),
            ("[feeds.news]\nfold_case = \"yes\"", "config.value", "[feeds.news]"),
            ("[feeds.news]\nevery = \"often\"", "config.value", "[feeds.news]"),
            ("[feeds.news]\nevery = \"2h\"\ncron = \"@daily\"", "config.value", "or neither"),
            ("[feeds.\"a b\"]\nkey = \"a\"", "config.value", "[feeds.news]"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), code, "{text}");
            assert!(error.hint().unwrap().contains(hint), "{text}: {error:?}");
        }
    }
}
