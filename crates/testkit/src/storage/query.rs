//! Filters and orders: `Filter::matches` is the meaning, UTF-8 bytes are the order.

use std::cmp::Ordering;

use feedspine_core::{
    Candidate, Direction, ErrorKind, Field, Filter, IngestBatch, Json, JsonPath, KeyRule, Layer, Order, PageRequest,
    Query, Record, RecordRef, RecordWrite, Selection, StorageExt, Test,
};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure_eq, refused};
use crate::noise::Noise;
use crate::script::{PAGE, at, content, dated, feed, item_of, key, record_id, snapshot, write};

checks! { Subject, "query":
    every_test_of_every_field_means_what_matches_says: "P9", "Single conditions select the rows that Filter::matches selects.";
    random_filters_mean_what_matches_says: "P9", "Trees of conditions, on each layer and on none, select what Filter::matches selects.";
    count_equals_the_rows: "P9", "Count of a selection is the number of rows it has.";
    numbers_and_texts_never_match_each_other: "Values", "\"5\" is not 5, 5.0 is 5, and numbers beyond 2^53 are told apart.";
    missing_is_not_null: "Values", "A missing path matches nothing, null matches null, and Not turns both round.";
    text_tests_take_every_character_as_it_is: "Values", "Prefix and contains know no wildcards, fold no case and find what stands behind a NUL.";
    empty_trees_have_their_logic: "P9", "All of nothing passes every row, any of nothing and one of nothing pass none.";
    every_order_is_total: "P9", "Each field, ascending and descending, orders by value and then by id.";
    orders_of_mixed_values_go_by_type_then_value: "Values",
        "A path with values of all types: missing, null, booleans, numbers, texts, lists, objects.";
    text_is_ordered_by_utf8_bytes: "Values", "No collation: upper before lower case, and bytes beyond ASCII last.";
    several_terms_order_one_after_the_other: "P9", "A second term orders the rows that tie in the first.";
    without_an_order_rows_come_by_id: "P9", "The order of ids is that of first capture.";
    what_is_not_stored_is_unsupported: "Seen", "Filtering, counting or ordering by last_seen or seen_count is Unsupported.";
    nothing_in_a_question_is_run: "Questions", "Quotes, comments and wildcards in paths, names and values are data.";
}

/// Rows of all kinds: captured and written, at several layers, with every type of value under `content.v`.
async fn library(store: &Subject) -> Verdict {
    let values = [
        "null",
        "true",
        "false",
        "5",
        "\"5\"",
        "5.5",
        "-3",
        "9007199254740993",
        "9007199254740992",
        "1e400",
        "0.1",
        "\"\"",
        "\"Abc\"",
        "\"abc\"",
        "\"ab%c_\"",
        "\"a\\u0000b\"",
        "\"é\"",
        "\"z\"",
        "\"😀\"",
        "[]",
        "[1,\"x\"]",
        "[1,null]",
        "{}",
        "{\"w\":5}",
        "{\"w\":\"5\"}",
        "{\"w\":null}",
    ];
    let mut items: Vec<Candidate> = Vec::new();
    for (place, value) in values.iter().enumerate() {
        let rule = [KeyRule::Id, KeyRule::Link, KeyRule::LinkDate, KeyRule::Content][place % 4];
        let second = i64::try_from(place % 7).expect("a few values");
        items.push(Candidate {
            key_rule: rule,
            published: (place % 3 > 0).then(|| at(second)),
            updated: (place % 5 > 2).then(|| at(-second)),
            ..item_of(&format!("Key {place}"), &format!(r#"{{"v":{value},"n":{{"deep":[{place},"{place}"]}}}}"#))
        });
    }
    items.push(item_of("no value", r#"{"title":"without"}"#));
    items.push(item_of("zebra", r#""a text, not an object""#));
    let (first, second) = items.split_at(20);
    store.take(snapshot(1, first.to_vec())).await?;
    store.take(IngestBatch { feed: feed(2), ..snapshot(2, second.to_vec()) }).await?;
    store.take(snapshot(3, vec![dated("Key 1", "changed", 3)])).await?;
    for (number, layer) in (0..).zip([Layer::Silver, Layer::Gold, Layer::Silver, Layer::Bronze]) {
        let name = format!("written {number}");
        let metadata = content(&format!(r#"{{"score":{number}.50,"tags":["{number}"],"none":null}}"#));
        store.store(RecordWrite { layer, metadata, ..write(number, &name, &name) }).await?;
    }
    let id = store.record("Key 3").await?.id;
    store.store(RecordWrite { id, layer: Layer::Silver, ..write(0, "Key 3", "promoted") }).await?;
    Ok(())
}

/// All rows of a selection's layer, read by name and not by a query.
async fn rows_at(store: &Subject, layer: Option<Layer>) -> Verdict<Vec<Record>> {
    let log = store.log().await?;
    let mut ids: Vec<_> = log.iter().filter_map(|change| Some(change.event.subject.as_ref()?.record)).collect();
    ids.sort_unstable();
    ids.dedup();
    let wanted: Vec<_> = ids.into_iter().map(|id| RecordRef { layer, ..RecordRef::id(id) }).collect();
    Ok(store.get_many(&wanted).await?.into_iter().flatten().collect())
}

async fn agree(store: &Subject, rows: &[Record], selection: Selection) -> Verdict {
    let right: Vec<&Record> = rows.iter().filter(|row| selection.filter.matches(row)).collect();
    let found = store.query_page(&Query::new(selection.clone(), PAGE)).await?.items;
    let names = |rows: &mut dyn Iterator<Item = &Record>| rows.map(|row| row.key.key().to_owned()).collect::<Vec<_>>();
    ensure_eq!(names(&mut found.iter()), names(&mut right.iter().copied()), "keys of the rows of {selection:?}");
    ensure_eq!(found.iter().collect::<Vec<_>>(), right, "the rows of {selection:?}");
    ensure_eq!(store.count(&selection).await?, right.len() as u64, "count of {selection:?}");
    Ok(())
}

fn path(text: &str) -> JsonPath {
    JsonPath::parse(text).expect("a path")
}

fn fields() -> Vec<Field> {
    let content = ["v", "v.w", "n", "n.deep", "n.deep.0", "n.deep.1", "title", "views", "absent", "v.0", "n.deep.00"];
    let metadata = ["score", "tags.0", "none", "absent"];
    let content = content.into_iter().map(|text| Field::Content(path(text)));
    let metadata = metadata.into_iter().map(|text| Field::Metadata(path(text)));
    Field::STORED.into_iter().chain(content).chain(metadata).collect()
}

/// Values to compare with: those that rows have, those just beside them, and those that tempt to convert.
fn operands(rows: &[Record], field: &Field) -> Vec<Json> {
    let mut pool: Vec<Json> = rows.iter().filter_map(|row| field.value(row)).collect();
    pool.sort();
    pool.dedup();
    let stride = pool.len().div_ceil(6).max(1);
    let mut operands: Vec<Json> = pool.into_iter().step_by(stride).collect();
    for text in ["null", "true", "5", "\"5\"", "9007199254740993", "1e400", "\"abc\"", "\"\"", "[]", "{\"w\":5}"] {
        operands.push(content(text).to_json());
    }
    operands
}

fn tests(noise: &mut Noise, operand: &Json, other: &Json) -> Vec<Test> {
    let text = operand.as_str().unwrap_or("a");
    let cut: String = text.chars().take(1 + noise.below(3)).collect();
    let tail: String = text.chars().skip(1).collect();
    vec![
        Test::Equal(operand.clone()),
        Test::In(vec![operand.clone(), other.clone()]),
        Test::Less(operand.clone()),
        Test::AtMost(operand.clone()),
        Test::Greater(operand.clone()),
        Test::AtLeast(operand.clone()),
        Test::Prefix(cut),
        Test::Contains(tail),
        Test::Present,
    ]
}

async fn every_test_of_every_field_means_what_matches_says(store: Subject) -> Verdict {
    library(&store).await?;
    let rows = rows_at(&store, None).await?;
    let mut noise = Noise::seeded(3);
    for field in fields() {
        let operands = operands(&rows, &field);
        // A different operand for each test, and two rounds of them: all tests see all kinds of operands over the fields.
        for _ in 0..2 {
            for kind in 0..9 {
                let (operand, other) = (noise.pick(&operands).clone(), noise.pick(&operands).clone());
                let test = tests(&mut noise, &operand, &other).swap_remove(kind);
                let filter = Filter::Field(field.clone(), test);
                agree(&store, &rows, Selection { layer: None, filter }).await?;
            }
        }
    }
    Ok(())
}

async fn random_filters_mean_what_matches_says(store: Subject) -> Verdict {
    library(&store).await?;
    let mut noise = Noise::seeded(4);
    for layer in [None, Some(Layer::Bronze), Some(Layer::Silver), Some(Layer::Gold)] {
        let rows = rows_at(&store, layer).await?;
        for _ in 0..60 {
            let filter = tree(&mut noise, &rows, 3);
            agree(&store, &rows, Selection { layer, filter }).await?;
        }
    }
    Ok(())
}

fn tree(noise: &mut Noise, rows: &[Record], depth: usize) -> Filter {
    let branches = |noise: &mut Noise| (0..noise.below(4)).map(|_| tree(noise, rows, depth - 1)).collect();
    match if depth == 0 { 9 } else { noise.below(7) } {
        0 | 1 => Filter::All(branches(noise)),
        2 | 3 => Filter::Any(branches(noise)),
        4 => Filter::Not(Box::new(tree(noise, rows, depth - 1))),
        _ => {
            let field = noise.pick(&fields()).clone();
            let operands = operands(rows, &field);
            let (operand, other) = (noise.pick(&operands).clone(), noise.pick(&operands).clone());
            let tests = tests(noise, &operand, &other);
            Filter::Field(field, noise.pick(&tests).clone())
        }
    }
}

/// Conditions like those of the random trees, at any layer or none.
pub(super) fn random_selection(noise: &mut Noise, rows: &[Record]) -> Selection {
    let layer = noise.pick(&[None, None, Some(Layer::Bronze), Some(Layer::Silver)]).to_owned();
    Selection { layer, filter: tree(noise, rows, 2) }
}

/// Two terms over any fields, ascending or descending.
pub(super) fn random_order(noise: &mut Noise) -> Vec<Order> {
    let term = |_| Order { field: noise.pick(&fields()).clone(), direction: *noise.pick(&DIRECTIONS) };
    [0, 1].map(term).into()
}

async fn count_equals_the_rows(store: Subject) -> Verdict {
    library(&store).await?;
    for layer in [None, Some(Layer::Bronze), Some(Layer::Silver), Some(Layer::Gold)] {
        let rows = rows_at(&store, layer).await?;
        agree(&store, &rows, Selection { layer, filter: Filter::everything() }).await?;
    }
    Ok(())
}

/// The keys that pass a test of `content.v`, in the order of capture.
async fn passing(store: &Subject, test: Test) -> Verdict<Vec<String>> {
    let filter = Filter::Field(Field::Content(path("v")), test);
    let found = store.query_page(&Query::new(Selection { layer: None, filter }, PAGE)).await?;
    let mut names: Vec<_> = found.items.into_iter().map(|record| record.key.key().to_owned()).collect();
    names.sort();
    Ok(names)
}

async fn with_values(store: &Subject, values: &[(&str, &str)]) -> Verdict {
    let items = values.iter().map(|(name, value)| item_of(name, &format!(r#"{{"v":{value}}}"#))).collect();
    store.take(snapshot(1, items)).await?;
    Ok(())
}

fn json(text: &str) -> Json {
    content(text).to_json()
}

async fn numbers_and_texts_never_match_each_other(store: Subject) -> Verdict {
    let values = [("text", "\"5\""), ("number", "5.0"), ("big", "9007199254740993"), ("true", "true"), ("list", "[5]")];
    with_values(&store, &values).await?;
    ensure_eq!(passing(&store, Test::Equal(json("5"))).await?, ["number"], "equal to 5");
    ensure_eq!(passing(&store, Test::Equal(json("\"5\""))).await?, ["text"], "equal to \"5\"");
    ensure_eq!(passing(&store, Test::Equal(json("9007199254740992"))).await?, [""; 0], "equal to a neighbour of big");
    ensure_eq!(
        passing(&store, Test::Greater(json("9007199254740992"))).await?,
        ["big"],
        "greater than a neighbour of big"
    );
    ensure_eq!(
        passing(&store, Test::AtLeast(json("4.9999999999999999999"))).await?,
        ["big", "number"],
        "at least just below 5"
    );
    ensure_eq!(passing(&store, Test::Less(json("\"6\""))).await?, ["text"], "less than \"6\"");
    ensure_eq!(passing(&store, Test::Equal(json("1"))).await?, [""; 0], "equal to 1, which true is not");
    Ok(())
}

async fn missing_is_not_null(store: Subject) -> Verdict {
    store.take(snapshot(1, vec![item_of("missing", "{}"), item_of("null", r#"{"v":null}"#)])).await?;
    ensure_eq!(passing(&store, Test::Equal(Json::Null)).await?, ["null"], "equal to null");
    ensure_eq!(passing(&store, Test::Present).await?, ["null"], "present");
    ensure_eq!(passing(&store, Test::AtMost(Json::Null)).await?, ["null"], "at most null");
    let filter = Filter::Not(Box::new(Filter::Field(Field::Content(path("v")), Test::Equal(Json::Null))));
    let found = store.query_page(&Query::new(Selection { layer: None, filter }, PAGE)).await?.items;
    ensure_eq!(found.iter().map(|row| row.key.key()).collect::<Vec<_>>(), ["missing"], "not equal to null");
    for field in [Field::Published, Field::Updated] {
        let filter = Filter::Field(field, Test::Equal(Json::Null));
        ensure_eq!(store.count(&Selection { layer: None, filter }).await?, 2, "rows without a date");
    }
    Ok(())
}

async fn text_tests_take_every_character_as_it_is(store: Subject) -> Verdict {
    let values = [
        ("percent", "\"10% off\""),
        ("under", "\"a_b\""),
        ("plain", "\"100 off\""),
        ("nul", "\"x\\u0000Tail\""),
        ("e", "\"É\""),
    ];
    with_values(&store, &values).await?;
    for (part, right) in
        [("0% o", vec!["percent"]), ("_", vec!["under"]), ("tail", vec![]), ("Tail", vec!["nul"]), ("é", vec![])]
    {
        ensure_eq!(passing(&store, Test::Contains(part.into())).await?, right, "contains {part:?}");
    }
    for (prefix, right) in
        [("10%", vec!["percent"]), ("10", vec!["percent", "plain"]), ("x\0T", vec!["nul"]), ("A", vec![])]
    {
        ensure_eq!(passing(&store, Test::Prefix(prefix.into())).await?, right, "begins with {prefix:?}");
    }
    ensure_eq!(passing(&store, Test::Prefix(String::new())).await?.len(), 5, "rows that begin with nothing");
    Ok(())
}

async fn empty_trees_have_their_logic(store: Subject) -> Verdict {
    with_values(&store, &[("a", "1"), ("b", "2")]).await?;
    let count = |filter| async { store.count(&Selection { layer: None, filter }).await };
    ensure_eq!(count(Filter::All(vec![])).await?, 2, "all of nothing");
    ensure_eq!(count(Filter::Any(vec![])).await?, 0, "any of nothing");
    ensure_eq!(count(Filter::Not(Box::new(Filter::Any(vec![])))).await?, 2, "not any of nothing");
    ensure_eq!(count(Filter::Field(Field::Key, Test::In(vec![]))).await?, 0, "in nothing");
    Ok(())
}

/// The rows in that order by the values' own order; where a path is missing the row comes first.
fn sorted(rows: &[Record], order: &[Order]) -> Vec<String> {
    let mut rows: Vec<&Record> = rows.iter().collect();
    let by_terms = |a: &&Record, b: &&Record| {
        let terms = order.iter().map(|term| {
            let natural = term.field.value(a).cmp(&term.field.value(b));
            if term.direction == Direction::Ascending { natural } else { natural.reverse() }
        });
        terms.fold(Ordering::Equal, Ordering::then).then(a.id.cmp(&b.id))
    };
    rows.sort_by(by_terms);
    rows.into_iter().map(|row| row.key.key().to_owned()).collect()
}

async fn ordered(store: &Subject, order: Vec<Order>) -> Verdict<Vec<String>> {
    let query = Query { selection: Selection::everything(), order, page: PageRequest::first(PAGE) };
    Ok(store.query_page(&query).await?.items.iter().map(|row| row.key.key().to_owned()).collect())
}

const DIRECTIONS: [Direction; 2] = [Direction::Ascending, Direction::Descending];

async fn every_order_is_total(store: Subject) -> Verdict {
    library(&store).await?;
    let rows = rows_at(&store, None).await?;
    for field in fields() {
        for direction in DIRECTIONS {
            let order = vec![Order { field: field.clone(), direction }];
            ensure_eq!(ordered(&store, order.clone()).await?, sorted(&rows, &order), "keys in order of {order:?}");
        }
    }
    Ok(())
}

async fn orders_of_mixed_values_go_by_type_then_value(store: Subject) -> Verdict {
    let values = [
        ("h", "{}"),
        ("g", "[]"),
        ("f", "\"\""),
        ("e2", "1e400"),
        ("e1", "9007199254740993"),
        ("e0", "9007199254740992"),
        ("d", "-1e400"),
        ("c", "true"),
        ("b", "false"),
        ("a", "null"),
    ];
    with_values(&store, &values).await?;
    store.take(IngestBatch { feed: feed(2), ..snapshot(2, vec![item_of("missing", "{}")]) }).await?;
    let right = ["missing", "a", "b", "c", "d", "e0", "e1", "e2", "f", "g", "h"];
    let order = |direction| vec![Order { field: Field::Content(path("v")), direction }];
    ensure_eq!(ordered(&store, order(Direction::Ascending)).await?, right, "keys, ascending");
    let mut right = right;
    right.reverse();
    ensure_eq!(ordered(&store, order(Direction::Descending)).await?, right, "keys, descending");
    Ok(())
}

async fn text_is_ordered_by_utf8_bytes(store: Subject) -> Verdict {
    let right = ["0", "10", "2", "A", "B", "Z", "_", "a", "a\u{1}", "ab", "b", "~", "é", "ｚ", "\u{ffff}", "😀"];
    let mut items: Vec<_> =
        right.iter().map(|name| item_of(name, &format!(r#"{{"v":{}}}"#, Json::from(*name)))).collect();
    items.reverse();
    store.take(snapshot(1, items)).await?;
    for field in [Field::Key, Field::Content(path("v"))] {
        let order = vec![Order { field, direction: Direction::Ascending }];
        ensure_eq!(ordered(&store, order.clone()).await?, right, "keys in order of {order:?}");
    }
    Ok(())
}

async fn several_terms_order_one_after_the_other(store: Subject) -> Verdict {
    library(&store).await?;
    let rows = rows_at(&store, None).await?;
    let pairs =
        [(Field::KeyRule, Field::Published), (Field::Published, Field::Key), (Field::Layer, Field::Content(path("v")))];
    for (first, second) in pairs {
        for (one, two) in [(0, 0), (0, 1), (1, 0), (1, 1)] {
            let term =
                |field: &Field, direction: usize| Order { field: field.clone(), direction: DIRECTIONS[direction] };
            let order = vec![term(&first, one), term(&second, two)];
            ensure_eq!(ordered(&store, order.clone()).await?, sorted(&rows, &order), "keys in order of {order:?}");
        }
    }
    Ok(())
}

async fn without_an_order_rows_come_by_id(store: Subject) -> Verdict {
    store.put_many(vec![write(3, "a", "x"), write(1, "b", "x"), write(2, "c", "x")]).await?;
    let rows = store.query_page(&Query::new(Selection::everything(), PAGE)).await?.items;
    let ids: Vec<_> = rows.into_iter().map(|row| row.id).collect();
    ensure_eq!(ids, [1, 2, 3].map(record_id), "the ids");
    Ok(())
}

async fn what_is_not_stored_is_unsupported(store: Subject) -> Verdict {
    for field in [Field::LastSeen, Field::SeenCount] {
        let leaf = Filter::Field(field.clone(), Test::Present);
        for filter in [leaf.clone(), Filter::Not(Box::new(Filter::Any(vec![Filter::All(vec![leaf])])))] {
            let selection = Selection { layer: None, filter };
            refused(store.count(&selection).await, ErrorKind::Unsupported)?;
            refused(store.query_page(&Query::new(selection, 1)).await, ErrorKind::Unsupported)?;
        }
        let order = vec![Order { field, direction: Direction::Ascending }];
        let query = Query { selection: Selection::everything(), order, page: PageRequest::first(1) };
        refused(store.query_page(&query).await, ErrorKind::Unsupported)?;
    }
    Ok(())
}

async fn nothing_in_a_question_is_run(store: Subject) -> Verdict {
    let probes = [
        "' OR '1'='1",
        "\"; DROP TABLE record; --",
        "a' || (SELECT 1) || '",
        "$.x\"]",
        "%",
        "*",
        "\\",
        "?1",
        "${x}",
        "a\0b",
    ];
    let with_probe = |(place, probe): (usize, &&str)| {
        let json = Json::object([(*probe, Json::from(i64::try_from(place).expect("a few probes")))]);
        Candidate { content: feedspine_core::Content::new(&json), ..item_of(&format!("key {place}"), "{}") }
    };
    store.take(snapshot(1, probes.iter().enumerate().map(with_probe).collect())).await?;
    let rows = rows_at(&store, None).await?;
    for probe in probes {
        let field = Field::Content(JsonPath::of([probe]));
        let asked = [
            Filter::Field(field.clone(), Test::Present),
            Filter::Field(Field::Key, Test::Equal(probe.into())),
            Filter::Field(Field::Namespace, Test::Contains(probe.into())),
            Filter::Field(field.clone(), Test::Prefix(probe.into())),
        ];
        for filter in asked {
            agree(&store, &rows, Selection { layer: None, filter }).await?;
        }
        let order = vec![Order { field, direction: Direction::Descending }];
        ensure_eq!(ordered(&store, order.clone()).await?, sorted(&rows, &order), "keys in order of {order:?}");
    }
    ensure_eq!(store.get_by_natural_key(&key(probes[0])).await?, None, "a record of a probe for a key");
    ensure_eq!(store.count(&Selection::everything()).await?, probes.len() as u64, "count of records");
    Ok(())
}
