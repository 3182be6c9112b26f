//! Items of JSON documents that are no feeds: a line with the place of the items, or `lines`, and then the document.

use feedspine_core::{Content, Namespace};
use feedspine_parse::{
    DateForm, Input, ItemKey, ItemRules, ItemsAt, JsonLayout, JsonPage, JsonQuery, Limits, read_json_page,
};

use crate::two_parts;

pub(crate) fn run(bytes: &[u8]) {
    let Some((place, document)) = two_parts(bytes) else { return };
    let items = match place {
        "lines" => ItemsAt::Lines,
        place => match JsonQuery::read_place(place) {
            Ok(query) => ItemsAt::Query(query),
            Err(_) => return,
        },
    };
    for key in [ItemKey::Unsaid, ItemKey::Content, ItemKey::Places(vec![JsonQuery::member("id")])] {
        let layout = JsonLayout { items: items.clone(), rules: rules(key), greatest: Some(JsonQuery::member("id")) };
        let input = Input { bytes: document, content_type: None, base: None };
        let read = || read_json_page(&input, &layout, 7, &Limits::default());
        if let (Ok(first), Ok(second)) = (read(), read()) {
            assert_eq!(told(&first), told(&second), "the second reading differs from the first");
            holds(&first);
        }
    }
}

fn rules(key: ItemKey) -> ItemRules {
    let namespace = Namespace::new("fuzz").expect("a plain word is a namespace");
    let members = [("title", "name"), ("link", "urls.0"), ("published", "at")]
        .map(|(name, place)| (name.to_owned(), JsonQuery::read_place(place).expect("names with dots are a place")));
    ItemRules { namespace, key, fold_case: true, members: members.to_vec(), dates: DateForm::Text }
}

fn told(page: &JsonPage) -> String {
    format!("{page:?}")
}

/// Each item has an ordinal of its own, from the first on, and content that is canonical JSON.
fn holds(page: &JsonPage) {
    let mut ordinals: Vec<u32> = page.candidates.iter().map(|candidate| candidate.ordinal).collect();
    ordinals.extend(page.rejects.iter().map(|reject| reject.ordinal));
    ordinals.sort_unstable();
    assert!(ordinals.iter().copied().eq(7..7 + u32::try_from(ordinals.len()).expect("the input is small")));
    for candidate in &page.candidates {
        let again = Content::parse(candidate.content.as_str()).expect("content is JSON");
        assert_eq!(again, candidate.content, "content is not canonical");
    }
}
