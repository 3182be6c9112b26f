//! Elements that have no place of their own in an item or feed: kept as they came.
//!
//! They are told apart by the [prefix that everybody uses](crate::Element::namespace) where the namespace is known,
//! whatever the document calls it, and else by its URI.

use std::collections::BTreeMap;
use std::sync::Arc;

use feedspine_core::Json;
use feedspine_core::json::CanonicalWriter;

/// An element of a namespace that is not the format's, or one of the format's that nobody knows.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Element {
    /// Whose word it is: `itunes`, `media`, `georss` and the like for namespaces that are known, the URI of any other,
    /// the prefix where nothing declares it, and "" for words of the format.
    pub namespace: Arc<str>,
    /// Its name without the prefix.
    pub name: Box<str>,
    /// Its attributes in byte order of their names, prefixes as they stood, without declarations of namespaces.
    pub attributes: Box<[(Box<str>, Box<str>)]>,
    /// The elements in it, in the order of the document.
    pub children: Vec<Element>,
    /// Its own text, trimmed.
    pub text: Box<str>,
}

impl Element {
    /// An attribute, unless it is empty.
    pub fn attribute(&self, name: &str) -> Option<&str> {
        let found = self.attributes.iter().find(|(known, _)| &**known == name);
        found.map(|(_, value)| value.trim()).filter(|value| !value.is_empty())
    }

    /// The elements in it of that namespace and name, in the order of the document.
    pub fn children<'e>(&'e self, namespace: &'e str, name: &'e str) -> impl Iterator<Item = &'e Element> {
        named(&self.children, namespace, name)
    }

    /// Its text, unless it is empty.
    pub fn text(&self) -> Option<&str> {
        Some(&*self.text).filter(|text| !text.is_empty())
    }
}

/// Those of a namespace and name, in their order.
pub(crate) fn named<'e>(
    elements: &'e [Element],
    namespace: &'e str,
    name: &'e str,
) -> impl Iterator<Item = &'e Element> {
    elements.iter().filter(move |element| &*element.namespace == namespace && &*element.name == name)
}

/// The text of the first of a namespace and name that has one.
pub(crate) fn text_of<'e>(elements: &'e [Element], namespace: &'e str, name: &'e str) -> Option<&'e str> {
    named(elements, namespace, name).find_map(Element::text)
}

/// Writes the value of `extensions`: lists by name by namespace, and members of JSON under "".
pub(crate) fn write(writer: &mut CanonicalWriter, elements: &[Element], members: &BTreeMap<String, Json>) {
    let mut sorted: Vec<&Element> = elements.iter().collect();
    sorted.sort_by(|a, b| (&*a.namespace, &*a.name).cmp(&(&*b.namespace, &*b.name)));
    writer.begin_object();
    if !members.is_empty() {
        writer.name("");
        writer.begin_object();
        for (name, value) in members {
            writer.name(name);
            writer.value(value);
        }
        writer.end_object();
        // A document is of JSON or of XML: there are no elements besides.
        sorted.retain(|element| !element.namespace.is_empty());
    }
    for group in sorted.chunk_by(|a, b| a.namespace == b.namespace) {
        writer.name(&group[0].namespace);
        writer.begin_object();
        for same in group.chunk_by(|a, b| a.name == b.name) {
            list(writer, &same[0].name, same);
        }
        writer.end_object();
    }
    writer.end_object();
}

fn list(writer: &mut CanonicalWriter, name: &str, elements: &[&Element]) {
    writer.name(name);
    writer.begin_array();
    for element in elements {
        value(writer, element);
    }
    writer.end_array();
}

/// One without attributes and children is its text, any other an object of `attributes`, `children` and `text`.
fn value(writer: &mut CanonicalWriter, element: &Element) {
    if element.attributes.is_empty() && element.children.is_empty() {
        writer.string(&element.text);
        return;
    }
    writer.element();
    writer.begin_object();
    if !element.attributes.is_empty() {
        writer.name("attributes");
        writer.begin_object();
        for (name, value) in &element.attributes {
            writer.name(name);
            writer.string(value);
        }
        writer.end_object();
    }
    if !element.children.is_empty() {
        writer.name("children");
        children(writer, element);
    }
    if !element.text.is_empty() {
        writer.name("text");
        writer.string(&element.text);
    }
    writer.end_object();
}

/// Children of the element's own namespace by their name, others by `namespace:name`.
fn children(writer: &mut CanonicalWriter, element: &Element) {
    let name = |child: &Element| {
        if child.namespace == element.namespace || child.namespace.is_empty() {
            child.name.to_string()
        } else {
            format!("{}:{}", child.namespace, child.name)
        }
    };
    let mut sorted: Vec<(String, &Element)> = element.children.iter().map(|child| (name(child), child)).collect();
    sorted.sort_by(|(a, _), (b, _)| a.cmp(b));
    writer.begin_object();
    for same in sorted.chunk_by(|(a, _), (b, _)| a == b) {
        let elements: Vec<&Element> = same.iter().map(|(_, child)| *child).collect();
        list(writer, &same[0].0, &elements);
    }
    writer.end_object();
}

#[cfg(test)]
mod tests {
    use super::*;

    fn element(namespace: &str, name: &str, text: &str) -> Element {
        Element { namespace: namespace.into(), name: name.into(), text: text.into(), ..Element::default() }
    }

    #[test]
    fn are_written_by_namespace_and_name_each_list_in_the_order_of_the_document() {
        let inner = vec![element("gml", "pos", "1 2"), element("m", "z", "a"), element("m", "z", "b")];
        let group = Element { children: inner, ..element("m", "group", "text") };
        let attributes = Box::new([("href".into(), "h".into())]) as Box<[_]>;
        let elements =
            [element("n", "x", "2"), group, element("n", "x", "1"), Element { attributes, ..element("", "y", "") }];
        let mut writer = CanonicalWriter::new();
        write(&mut writer, &elements, &BTreeMap::new());
        assert_eq!(
            writer.finish(),
            r#"{"":{"y":[{"attributes":{"href":"h"}}]},"m":{"group":[{"children":{"gml:pos":["1 2"],"z":["a","b"]},"text":"text"}]},"n":{"x":["2","1"]}}"#
        );
    }
}
