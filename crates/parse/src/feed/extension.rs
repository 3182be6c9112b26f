//! Reads elements that have no place of their own; see [`crate::extension`].

use super::Walk;
use super::text::trimmed;
use crate::error::ParseError;
use crate::extension::Element;
use crate::xml::{Event, Tag};

/// Elements of an extension nested deeper than this are left out: canonical JSON has its own bound.
const MAX_LEVELS: usize = 16;

impl<'a> Walk<'a, '_> {
    /// Keeps an element of an item or feed, unless there are too many.
    pub(super) fn extension(&mut self, tag: Tag<'a>, elements: &mut Vec<Element>) -> Result<(), ParseError> {
        if self.extension_elements > self.limits.members {
            return self.skip();
        }
        elements.push(self.element(tag, 0)?);
        Ok(())
    }

    fn element(&mut self, tag: Tag<'a>, level: usize) -> Result<Element, ParseError> {
        self.extension_elements += 1;
        let depth = self.reader.depth();
        let mut element = Element {
            namespace: self.reader.namespace(tag.vocabulary),
            name: tag.local.into(),
            attributes: self.attributes(),
            ..Element::default()
        };
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
                Event::Start(child) => {
                    let child = self.element(child, level + 1)?;
                    element.children.push(child);
                }
                Event::End if self.reader.depth() < depth => break,
                Event::End => {}
            }
        }
        element.children.shrink_to_fit();
        element.text = trimmed(&text).into();
        Ok(element)
    }

    /// Of several attributes of one name, the first counts.
    fn attributes(&mut self) -> Box<[(Box<str>, Box<str>)]> {
        let attributes = self.reader.attributes().filter(|(name, _)| !name.starts_with("xmlns"));
        let mut attributes: Vec<(Box<str>, Box<str>)> =
            attributes.map(|(name, value)| (name.into(), value.as_ref().into())).collect();
        attributes.sort_by(|(a, _), (b, _)| a.cmp(b));
        attributes.dedup_by(|(later, _), (earlier, _)| later == earlier);
        attributes.into_boxed_slice()
    }
}
