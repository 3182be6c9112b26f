//! What differs between two contents, value by value.

use std::collections::BTreeMap;

use feedspine_core::{Content, Json};

use super::ToJson;

/// A value that differs between two contents.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct FieldChange {
    /// Its path, `tags.0.label`.
    pub name: String,
    /// What it was; `None` where there was none.
    pub was: Option<Json>,
    /// What it is; `None` where there is none.
    pub is: Option<Json>,
}

/// The values that differ, by their paths. What holds no value, such as an empty list, is none.
pub fn field_changes(before: &Content, after: &Content) -> Vec<FieldChange> {
    let (mut was, mut is) = (BTreeMap::new(), BTreeMap::new());
    gather("", before.to_json(), &mut was);
    gather("", after.to_json(), &mut is);
    let mut changes = Vec::new();
    for (name, old) in was {
        let new = is.remove(&name);
        if new.as_ref() != Some(&old) {
            changes.push(FieldChange { name, was: Some(old), is: new });
        }
    }
    changes.extend(is.into_iter().map(|(name, new)| FieldChange { name, was: None, is: Some(new) }));
    changes.sort_by(|one, other| one.name.cmp(&other.name));
    changes
}

fn gather(path: &str, value: Json, found: &mut BTreeMap<String, Json>) {
    let below = |name: &str| if path.is_empty() { name.to_owned() } else { format!("{path}.{name}") };
    match value {
        Json::Object(members) => members.into_iter().for_each(|(name, value)| gather(&below(&name), value, found)),
        Json::Array(members) => {
            members.into_iter().enumerate().for_each(|(at, value)| gather(&below(&at.to_string()), value, found));
        }
        value => drop(found.insert(path.to_owned(), value)),
    }
}

impl ToJson for FieldChange {
    fn to_json(&self) -> Json {
        let member = |value: &Option<Json>| value.clone().unwrap_or(Json::Null);
        Json::object([("name", self.name.as_str().into()), ("was", member(&self.was)), ("is", member(&self.is))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn values_that_differ_are_named_by_their_paths() {
        let content = |text: &str| Content::parse(text).unwrap();
        let changes = field_changes(
            &content(r#"{"a":[{"b":1},2],"c":"d","e":null,"same":[1]}"#),
            &content(r#"{"a":[{"b":1},3],"c":"D","f":[],"g":{"h":"i"},"same":[1]}"#),
        );
        let told = |change: &FieldChange| {
            let text = |value: &Option<Json>| value.as_ref().map_or("-".to_owned(), Json::to_string);
            format!("{} {} {}", change.name, text(&change.was), text(&change.is))
        };
        let told: Vec<String> = changes.iter().map(told).collect();
        assert_eq!(told, ["a.1 2 3", r#"c "d" "D""#, "e null -", r#"g.h - "i""#]);
        assert_eq!(field_changes(&content("{}"), &content("{}")), []);
    }
}
