//! Items line by line: a byte that chooses what a line is, one that says how large pieces are, and then the lines.

use feedspine_core::{Content, Namespace};
use feedspine_parse::{DateForm, ItemKey, ItemRules, LineForm, LinePage, LineReader, Warning};

pub(crate) fn run(bytes: &[u8]) {
    let [form, size, lines @ ..] = bytes else { return };
    let form = if form % 2 == 0 { LineForm::Json } else { LineForm::Singer };
    let (whole, _) = read(&form, &[lines]);
    let pieces: Vec<&[u8]> = lines.chunks(usize::from(*size).max(1)).collect();
    assert_eq!(told(&read(&form, &pieces)), told(&read(&form, &[lines])), "in pieces of {size} there are other items");
    let ordinals =
        whole.candidates.iter().map(|item| item.ordinal).chain(whole.rejects.iter().map(|item| item.ordinal));
    let mut ordinals: Vec<u32> = ordinals.collect();
    ordinals.sort_unstable();
    assert!(ordinals.iter().copied().eq(3..3 + u32::try_from(ordinals.len()).expect("the input is small")));
    for candidate in &whole.candidates {
        let again = Content::parse(candidate.content.as_str()).expect("content is JSON");
        assert_eq!(again, candidate.content, "content is not canonical");
    }
}

fn read(form: &LineForm, pieces: &[&[u8]]) -> (LinePage, Vec<Warning>) {
    let namespace = Namespace::new("fuzz").expect("a plain word is a namespace");
    let rules =
        ItemRules { namespace, key: ItemKey::Unsaid, fold_case: false, members: Vec::new(), dates: DateForm::Text };
    let mut reader = LineReader::new(form, rules, 3);
    for piece in pieces {
        reader.push(piece);
    }
    reader.end();
    (reader.take_page(), reader.take_warnings())
}

fn told(read: &(LinePage, Vec<Warning>)) -> String {
    format!("{read:?}")
}
