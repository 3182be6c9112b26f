//! What the file says of single feeds: a table `[feeds.NAME]` with `key`, `fold_case`, `namespace` and `volatile`.

use std::collections::BTreeMap;
use std::path::Path;

use feedspine::core::{FeedName, Json};
use feedspine::{DeclaredPolicy, OpError};
use toml::Value;

/// The table that holds them.
pub(super) const TABLE: &str = "feeds";

/// Reads the tables of all feeds.
///
/// # Errors
/// `Usage`: a name that no feed can have, a key that is not known, a value that a key cannot have.
pub(super) fn policies(path: &Path, feeds: Value) -> Result<BTreeMap<FeedName, DeclaredPolicy>, OpError> {
    let hint = "a table for each feed: [feeds.news], or [feeds.\"example.org\"] for a name with dots";
    let Value::Table(feeds) = feeds else {
        let message = format!("{TABLE} in {}: expected tables, found {feeds}", path.display());
        return Err(OpError::usage("config.value", message).with_hint(hint));
    };
    let mut policies = BTreeMap::new();
    for (name, said) in feeds {
        let wrong = |reason: String| {
            OpError::usage("config.value", format!("{TABLE}.{name:?} in {}: {reason}", path.display())).with_hint(hint)
        };
        let Value::Table(said) = said else { return Err(wrong(format!("expected a table, found {said}"))) };
        let feed: FeedName = name.parse().map_err(|error| wrong(format!("{error}")))?;
        let mut policy = DeclaredPolicy::default();
        for (key, value) in said {
            if !DeclaredPolicy::NAMES.contains(&key.as_str()) {
                return Err(unknown_key(path, &name, &key, &value));
            }
            let value = json(value).map_err(|reason| wrong(format!("{key}: {reason}")))?;
            policy.say(&key, value).map_err(|reason| wrong(format!("{key}: {reason}")))?;
        }
        policies.insert(feed, policy);
    }
    Ok(policies)
}

/// What is said of each feed, by dotted keys.
pub(super) fn said(policies: &BTreeMap<FeedName, DeclaredPolicy>) -> Vec<(String, Json)> {
    let mut said = Vec::new();
    for (feed, policy) in policies {
        let options = policy.options().iter().map(|(name, value)| (name.as_str(), value.clone()));
        let namespace = policy.namespace().map(|namespace| ("namespace", Json::from(namespace.as_str())));
        said.extend(options.chain(namespace).map(|(name, value)| (format!("{TABLE}.{feed}.{name}"), value)));
    }
    said
}

fn unknown_key(path: &Path, feed: &str, key: &str, value: &Value) -> OpError {
    let error =
        OpError::usage("config.unknown_key", format!("{} has an unknown key: {TABLE}.{feed}.{key}", path.display()));
    if value.is_table() && feed != key {
        return error.with_hint(format!("a name with dots stands in quotes: [{TABLE}.\"{feed}.{key}\"]"));
    }
    let near = DeclaredPolicy::NAMES.iter().find(|name| strsim::jaro_winkler(name, key) > 0.8);
    match near {
        Some(near) => error.with_hint(format!("did you mean {near}?")),
        None => error.with_hint(format!("of a feed there are {}", DeclaredPolicy::NAMES.join(", "))),
    }
}

fn json(value: Value) -> Result<Json, String> {
    match value {
        Value::String(text) => Ok(text.into()),
        Value::Boolean(truth) => Ok(Json::Bool(truth)),
        Value::Array(values) => values.into_iter().map(json).collect::<Result<_, _>>().map(Json::Array),
        other => Err(format!("expected a text, a list of texts, or true or false, found {other}")),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<Vec<(String, String)>, OpError> {
        let mut table: toml::Table = text.parse().unwrap();
        let policies = policies(Path::new("c.toml"), table.remove(TABLE).unwrap())?;
        Ok(said(&policies).into_iter().map(|(key, value)| (key, value.to_string())).collect())
    }

    #[test]
    fn a_feed_has_a_table_of_its_own() {
        let text = "[feeds.news]\nkey = \"link\"\nfold_case = true\n[feeds.\"a.org\"]\nkey = [\"a\", \"b\"]\n\
                    volatile = \"views\"\nnamespace = \"shared\"\n";
        let said = read(text).unwrap();
        let said: Vec<String> = said.iter().map(|(key, value)| format!("{key}={value}")).collect();
        assert_eq!(
            said,
            [
                r#"feeds.a.org.key=["a","b"]"#,
                r#"feeds.a.org.volatile="views""#,
                r#"feeds.a.org.namespace="shared""#,
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
            ("[feeds.news]\nkee = \"a\"", "config.unknown_key", "did you mean key?"),
            ("[feeds.news]\ncolor = \"a\"", "config.unknown_key", "fold_case"),
            ("[feeds.a.org]\nkey = \"a\"", "config.unknown_key", "[feeds.\"a.org\"]"),
            ("[feeds.news]\nkey = 3", "config.value", "[feeds.news]"),
            ("[feeds.news]\nfold_case = \"yes\"", "config.value", "[feeds.news]"),
            ("[feeds.\"a b\"]\nkey = \"a\"", "config.value", "[feeds.news]"),
        ] {
            let error = read(text).unwrap_err();
            assert_eq!(error.code(), code, "{text}");
            assert!(error.hint().unwrap().contains(hint), "{text}: {error:?}");
        }
    }
}
