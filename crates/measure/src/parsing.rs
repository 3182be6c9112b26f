//! Parse, identify and hash, against feed-rs's parse alone and a bare event loop of quick-xml.

use std::hint::black_box;

use feedspine_core::{KeyRule, Namespace};
use feedspine_parse::{Document, Input, Limits, choose_rule, identify, parse};
use quick_xml::Reader;
use quick_xml::events::Event;

use crate::corpus::{FeedFile, documents};
use crate::table::{Goal, Row, median, timed};

/// Documents in the generated corpus.
const DOCUMENTS: usize = 200;

/// The rows about parsing.
///
/// # Panics
/// When a parser does not find every item: a fast parser that loses items is no peer.
pub fn rows(repetitions: usize, tell: &dyn Fn(&str)) -> Vec<Row> {
    let corpus = documents(DOCUMENTS);
    let items: usize = corpus.iter().map(|file| file.items).sum();
    let bytes: usize = corpus.iter().map(|file| file.bytes.len()).sum();
    let xml: usize = corpus.iter().filter(|file| file.is_xml()).map(|file| file.bytes.len()).sum();
    tell(&format!("corpus: {DOCUMENTS} documents, {items} items, {:.1} MB", megabytes(bytes)));
    // A feed's key rule is chosen once, at its first document.
    let rules: Vec<KeyRule> = corpus.iter().map(rule_of).collect();
    let (mut ours, mut peer, mut limit) = (Vec::new(), Vec::new(), Vec::new());
    for repetition in 1..=repetitions {
        let (found, took) = timed(|| corpus.iter().zip(&rules).map(ours_reads).sum::<usize>());
        assert_eq!(found, items, "our reader finds every item");
        ours.push(megabytes(bytes) / took.as_secs_f64());
        let (found, took) = timed(|| corpus.iter().map(peer_reads).sum::<usize>());
        assert_eq!(found, items, "feed-rs finds every item");
        peer.push(megabytes(bytes) / took.as_secs_f64());
        let (_, took) = timed(|| corpus.iter().filter(|file| file.is_xml()).map(events).sum::<usize>());
        limit.push(megabytes(xml) / took.as_secs_f64());
        tell(&format!("parse {repetition}/{repetitions}"));
    }
    let ratios =
        |theirs: &[f64]| median(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<_>>());
    let row = |what: &str, rates: &[f64], ratios, goal| Row {
        what: what.to_owned(),
        rate: median(rates),
        unit: "MB/s",
        ratios,
        goal,
    };
    vec![
        row("quick-xml event loop (XML only)", &limit, Vec::new(), None),
        row("feed-rs, parse alone", &peer, Vec::new(), None),
        row(
            "FeedSpine, parse + identify + hash",
            &ours,
            vec![(ratios(&peer), "feed-rs"), (ratios(&limit), "event loop")],
            Some(Goal::Ratio(1.5)),
        ),
    ]
}

fn rule_of(file: &FeedFile) -> KeyRule {
    choose_rule(&ours_parses(file)).expect("a document with items")
}

fn ours_parses(file: &FeedFile) -> Document {
    let input = Input { bytes: &file.bytes, content_type: Some(file.content_type), base: None };
    parse(&input, &Limits::default()).expect("a well-formed document")
}

fn ours_reads((file, rule): (&FeedFile, &KeyRule)) -> usize {
    let namespace = Namespace::new("measure").expect("a short name");
    black_box(identify(ours_parses(file), &namespace, *rule)).candidates.len()
}

fn peer_reads(file: &FeedFile) -> usize {
    black_box(feed_rs::parser::parse(file.bytes.as_slice()).expect("a well-formed document")).entries.len()
}

fn events(file: &FeedFile) -> usize {
    let text = std::str::from_utf8(&file.bytes).expect("UTF-8");
    let mut reader = Reader::from_str(text);
    let mut count = 0;
    loop {
        match black_box(reader.read_event().expect("a well-formed document")) {
            Event::Eof => return count,
            _ => count += 1,
        }
    }
}

#[expect(clippy::cast_precision_loss, reason = "a corpus of this size fits 52 bits")]
fn megabytes(bytes: usize) -> f64 {
    bytes as f64 / 1_000_000.0
}
