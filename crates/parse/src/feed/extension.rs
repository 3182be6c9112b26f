//! Elements that are nobody's we know: kept as they came, under the URI of their namespace.

use std::collections::BTreeMap;

use feedspine_core::Json;

use super::Walk;
use super::text::trimmed;
use crate::error::ParseError;
use crate::model::Item;
use crate::xml::{Event, Tag};

/// Elements of an extension nested deeper than this are left out: canonical JSON has its own bound.
const MAX_LEVELS: usize = 16;

impl<'a> Walk<'a, '_> {
    /// Keeps an element of an item; one without attributes and children is its text, any other an object of `text`,
    /// `attributes` and `children`.
    pub(super) fn extension(&mut self, tag: Tag<'a>, item: &mut Item) -> Result<(), ParseError> {
        if self.extension_elements > self.limits.members {
            return self.skip();
        }
        let namespace = self.reader.uri(tag.vocabulary).to_owned();
        let value = self.element(0)?;
        add(item.extensions.entry(namespace).or_default(), tag.local, value);
        Ok(())
    }

    fn element(&mut self, level: usize) -> Result<Json, ParseError> {
        self.extension_elements += 1;
        let depth = self.reader.depth();
        let attributes: BTreeMap<String, Json> = self
            .reader
            .attributes()
            .filter(|(name, _)| !name.starts_with("xmlns"))
            .map(|(name, value)| (name.to_owned(), Json::String(value.into_owned())))
            .collect();
        let mut children = BTreeMap::new();
        let mut text = String::new();
        while let Some(event) = self.reader.next()? {
            match event {
                Event::Text(raw) => self.reader.decode_into(raw, &mut text),
                Event::Verbatim(verbatim) => text.push_str(verbatim),
                Event::Start(_) if self.extension_elements > self.limits.members => self.skip()?,
                Event::Start(_) if level == MAX_LEVELS => {
                    self.warnings.add("extension.depth", || "an extension nested too deep was left out".to_owned());
                    self.skip()?;
                }
                Event::Start(child) => add(&mut children, child.local, self.element(level + 1)?),
                Event::End if self.reader.depth() < depth => break,
                Event::End => {}
            }
        }
        let text = Json::from(trimmed(&text));
        if attributes.is_empty() && children.is_empty() {
            return Ok(text);
        }
        let parts = [("attributes", Json::Object(attributes)), ("children", Json::Object(children)), ("text", text)];
        let says_something = |value: &Json| {
            !matches!(value, Json::Object(members) if members.is_empty())
                && value.as_str().is_none_or(|text| !text.is_empty())
        };
        Ok(Json::object(parts.into_iter().filter(|(_, value)| says_something(value))))
    }
}

/// Elements of one name are a list, in the order of the document.
fn add(members: &mut BTreeMap<String, Json>, name: &str, value: Json) {
    if let Json::Array(elements) = members.entry(name.to_owned()).or_insert_with(|| Json::Array(Vec::new())) {
        elements.push(value);
    }
}
