//! Markup in every state.

use super::*;

/// Events in short: `<name`, `>`, text.
fn events(text: &str) -> (String, bool, bool) {
    let mut reader = Reader::new(text, None, &Limits::default());
    let mut out = String::new();
    while let Some(event) = reader.next().unwrap() {
        match event {
            Event::Start(tag) => {
                out.push('<');
                out.push_str(tag.local);
                for (name, value) in reader.attributes() {
                    out.extend([" ", name, "=", &value]);
                }
                out.push('|');
            }
            Event::End => out.push('>'),
            Event::Text(raw) => reader.decode_into(raw, &mut out),
            Event::Verbatim(text) => out.push_str(text),
        }
    }
    (out, reader.is_recovered(), reader.is_cut())
}

#[test]
fn what_is_well_formed_is_read_without_a_flag() {
    for (text, expected) in [
        ("<a><b/>x&amp;y<![CDATA[<z>&]]></a>", "<a|<b|>x&y<z>&>"),
        ("<?xml version='1.1'?><!-- <x> --><a b='1' c=\"2 &lt;\"/>", "<a b=1 c=2 <|>"),
        ("<!DOCTYPE a [<!ENTITY e 'f>'> ]><a>&#65;&#x42;&eacute;</a>", "<a|ABé>"),
        ("<a ><b  c = 'd' ></b ></a >", "<a|<b c=d|>>"),
    ] {
        assert_eq!(events(text), (expected.into(), false, false), "{text}");
    }
}

#[test]
fn what_is_not_well_formed_is_recovered_and_flagged() {
    for (text, expected) in [
        ("<a>1 < 2 & 3</a>", "<a|1 < 2 & 3>"),
        ("<a>x<br>y</a>", "<a|x<br|y>>"),
        ("<a><b>x</a></b>", "<a|<b|x>>"),
        ("<a>x</z>y</a>", "<a|xy>"),
        ("<a b=c d='e' f g=h/i>x</a>", "<a b=c d=e f= g=h/i|x>"),
        ("<a b=\"c>x</a>", "<a b=c|x>"),
        ("<A>x</a>", "<A|x>"),
        ("<a>x <b <c>y</c></a>", "<a|x <b <c|y>>"),
        ("<a>&#0;&#xD800;&#x110000;</a>", "<a|\u{FFFD}\u{FFFD}\u{FFFD}>"),
    ] {
        let (read, recovered, cut) = events(text);
        assert_eq!((read.as_str(), cut), (expected, false), "{text}");
        assert!(recovered || text.contains("b=c d="), "{text}");
    }
}

#[test]
fn a_document_that_ends_too_early_is_cut() {
    for text in ["<a>x", "<a><b", "<a><b c='", "<a><![CDATA[x", "<a><!-- x", "<a></a", "<a><?b"] {
        assert!(events(text).2, "{text}");
    }
    assert!(!events("<a/>").2);
}

#[test]
fn entities_of_the_document_are_not_expanded() {
    assert_eq!(events("<!DOCTYPE a [<!ENTITY e 'boom'>]><a>&e;</a>").0, "<a|&e;>");
}

#[test]
fn what_only_other_readers_refuse_is_read_and_flagged() {
    for (text, expected) in [
        ("<a>&#X26;</a>", "<a|&>"),
        ("<a b:c='1'>x</a>", "<a b:c=1|x>"),
        ("<a xmlns:b='http://b.example/ c'>x</a>", "<a xmlns:b=http://b.example/ c|x>"),
    ] {
        let (read, recovered, _) = events(text);
        assert_eq!((read.as_str(), recovered), (expected, true), "{text}");
    }
    assert!(!events("<a xml:lang='de' xmlns:b=' urn:b ' b:c='1'>x&#x26;</a>").1);
}

#[test]
fn numbers_of_control_characters_mean_windows_1252() {
    assert_eq!(events("<a>&#150;&#x92;</a>").0, "<a|\u{2013}\u{2019}>");
}

#[test]
fn depth_is_bounded() {
    let deep = "<a>".repeat(300);
    let mut reader = Reader::new(&deep, None, &Limits::default());
    let error = loop {
        match reader.next() {
            Ok(Some(_)) => {}
            Ok(None) => panic!("read to the end"),
            Err(error) => break error,
        }
    };
    assert_eq!(error.code(), "xml.depth");
}

#[test]
fn control_characters_are_removed_and_line_ends_made_one() {
    let mut warnings = Warnings::default();
    assert_eq!(clean("a\r\nb\rc\u{b}\u{1}d", &mut warnings), "a\nb\ncd");
    assert_eq!(warnings.into_vec()[0].count, 2);
    for at in [0, 1, 63, 64, 65, 127, 128, 199] {
        let mut text = "x".repeat(200);
        text.replace_range(at..=at, "\u{1}");
        assert_eq!(clean(&text, &mut Warnings::default()), "x".repeat(199), "{at}");
    }
}

#[test]
fn tags_that_seem_to_begin_in_one_anothers_values_are_not_each_read_to_the_end() {
    // From every `<` the value of `c` seems to go on over all the others.
    let text = format!("<r>{}\" <", "<a b='\"' c=\"".repeat(40_000));
    let began = std::time::Instant::now();
    let (_, recovered, cut) = events(&text);
    assert!(recovered && cut);
    assert!(began.elapsed().as_secs() < 5, "{:?}", began.elapsed());
}

#[test]
fn a_base_longer_than_any_address_is_ignored() {
    let text = format!("<r xml:base='http://a.example/{}/'><a/></r>", "b".repeat(10_000));
    let mut reader = Reader::new(&text, Some("http://a.example/"), &Limits::default());
    while let Some(event) = reader.next().unwrap() {
        assert!(matches!(event, Event::End) || reader.base() == Some("http://a.example/"));
    }
    let mut warnings = Warnings::default();
    reader.report(&mut warnings);
    assert_eq!(warnings.into_vec()[0].code, "xml.base");
}
