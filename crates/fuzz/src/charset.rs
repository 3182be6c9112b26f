//! Encodings: a byte that chooses the one that is named, and then the bytes of a title.

use encoding_rs::{Encoding, UTF_8};
use feedspine_parse::{Input, Limits, parse};

const LABELS: [&str; 14] = [
    "utf-8",
    "windows-1252",
    "iso-8859-2",
    "iso-8859-15",
    "koi8-r",
    "windows-1251",
    "macintosh",
    "shift_jis",
    "euc-jp",
    "gbk",
    "gb18030",
    "big5",
    "euc-kr",
    "x-user-defined",
];

pub(crate) fn run(bytes: &[u8]) {
    let [choice, title @ ..] = bytes else { return };
    let label = LABELS[usize::from(*choice) % LABELS.len()];
    let encoding = Encoding::for_label(label.as_bytes()).expect("the label is one of the web's");
    // What is markup, or no character of XML, is not what is looked at here.
    let is_plain = |byte: &u8| *byte >= 0x20 && !matches!(byte, b'<' | b'&' | b'>');
    let title: Vec<u8> = title.iter().copied().filter(is_plain).collect();
    let declaration = format!("<?xml version='1.0' encoding='{label}'?>");
    let header = format!("text/xml; charset={label}");
    for (declaration, header) in [("", Some(header.as_str())), (declaration.as_str(), None)] {
        is_read_as_named(encoding, &title, declaration, header);
    }
}

fn is_read_as_named(encoding: &'static Encoding, title: &[u8], declaration: &str, header: Option<&str>) {
    let body =
        [declaration.as_bytes(), b"<rss><channel><item><title>.", title, b".</title></item></channel></rss>"].concat();
    let input = Input { bytes: &body, content_type: header, base: None };
    let Ok(document) = parse(&input, &Limits::default()) else { return };
    let said = document.items.first().and_then(|item| item.title.as_ref()).map(|title| title.value.as_str());
    let meant = encoding.decode_without_bom_handling_and_without_replacement(&body);
    let is_utf8 = !title.is_ascii() && std::str::from_utf8(title).is_ok();
    match meant {
        // The label of a single-byte encoding says nothing against UTF-8.
        _ if encoding != UTF_8 && encoding.is_single_byte() && is_utf8 => {
            assert_eq!(said, Some(format!(".{}.", String::from_utf8_lossy(title)).as_str()));
            assert!(document.recovered, "a label was not obeyed, and nobody is told");
        }
        Some(meant) => {
            let (_, rest) = meant.split_once("<title>").expect("markup is ASCII");
            let wanted = rest.split_once("</title>").map(|(wanted, _)| wanted);
            if let Some(wanted) = wanted {
                assert_eq!(said, Some(wanted), "bytes that are {} were read otherwise", encoding.name());
                assert!(!document.recovered, "what is as it says is called mended");
            }
        }
        None => assert!(document.recovered, "bytes that are not {} were read, and nobody is told", encoding.name()),
    }
}
