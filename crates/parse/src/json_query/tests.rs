use feedspine_core::Json;

use super::*;

fn select(query: &str, document: &str) -> String {
    let document = Json::parse(document).unwrap();
    let query = JsonQuery::parse(query).unwrap_or_else(|error| panic!("{error}"));
    let nodes = query.select(&document).unwrap().into_iter().cloned().collect();
    Json::Array(nodes).to_canonical()
}

const STORE: &str = r#"{"store":{"book":[
    {"category":"reference","author":"Nigel","title":"Sayings","price":8.95},
    {"category":"fiction","author":"Evelyn","title":"Sword","price":12.99},
    {"category":"fiction","author":"Herman","title":"Moby","isbn":"0-553","price":8.99}],
    "bicycle":{"color":"red","price":399}},"limit":9}"#;

#[test]
fn selects_what_the_standard_says() {
    for (query, document, expected) in [
        ("$", "{\"a\":1}", r#"[{"a":1}]"#),
        ("$.store.book[*].author", STORE, r#"["Nigel","Evelyn","Herman"]"#),
        ("$..author", STORE, r#"["Nigel","Evelyn","Herman"]"#),
        ("$.store.*.color", STORE, r#"["red"]"#),
        ("$.store..price", STORE, "[399,8.95,12.99,8.99]"),
        ("$..book[2].author", STORE, r#"["Herman"]"#),
        ("$..book[-1].title", STORE, r#"["Moby"]"#),
        ("$..book[0,1].title", STORE, r#"["Sayings","Sword"]"#),
        ("$..book[:2].title", STORE, r#"["Sayings","Sword"]"#),
        ("$..book[?@.isbn].title", STORE, r#"["Moby"]"#),
        ("$..book[?!@.isbn].title", STORE, r#"["Sayings","Sword"]"#),
        ("$..book[?@.price<10].title", STORE, r#"["Sayings","Moby"]"#),
        ("$..book[?@.price < $.limit].title", STORE, r#"["Sayings","Moby"]"#),
        ("$..book[?@.category=='fiction' && @.price>10].title", STORE, r#"["Sword"]"#),
        ("$..book[?(@.price>12 || @.price<8.96)].title", STORE, r#"["Sayings","Sword"]"#),
        ("$['store']['bicycle'][\"color\"]", STORE, r#"["red"]"#),
        ("$ .store [ 'bicycle' ] .color", STORE, r#"["red"]"#),
        ("$[1:5:2]", "[0,1,2,3,4,5,6]", "[1,3]"),
        ("$[5:1:-2]", "[0,1,2,3,4,5,6]", "[5,3]"),
        ("$[::-1]", "[0,1,2]", "[2,1,0]"),
        ("$[::0]", "[0,1,2]", "[]"),
        ("$[-2:]", "[0,1,2]", "[1,2]"),
        ("$[1:99999]", "[0,1,2]", "[1,2]"),
        ("$[9]", "[0]", "[]"),
        ("$.a", "[0]", "[]"),
        ("$[0]", "{\"0\":1}", "[]"),
        ("$[?@>1, ?@<1]", "[0,1,2]", "[2,0]"),
        ("$..*", "[[1],{\"a\":[2]}]", r#"[[1],{"a":[2]},1,[2],2]"#),
        ("$..[0]", "[[1],[[2]]]", "[[1],1,[2],2]"),
        ("$.a['b.c']", "{\"a\":{\"b.c\":1}}", "[1]"),
        ("$['\\u263a','it\\'s']", "{\"☺\":1,\"it's\":2}", "[1,2]"),
        ("$.ünder_1", "{\"ünder_1\":1}", "[1]"),
    ] {
        assert_eq!(select(query, document), expected, "{query}");
    }
}

#[test]
fn compares_by_value_and_exactly() {
    for (condition, node, holds) in [
        ("@.a==@.b", "{}", true),
        ("@.a!=@.b", "{}", false),
        ("@.a==@.b", r#"{"a":null}"#, false),
        ("@.a==null", r#"{"a":null}"#, true),
        ("@.a==1", r#"{"a":1.0}"#, true),
        ("@.a==1e2", r#"{"a":100}"#, true),
        ("@.a==9007199254740993", r#"{"a":9007199254740992}"#, false),
        ("@.a=='1'", r#"{"a":1}"#, false),
        ("@.a<'b'", r#"{"a":"a"}"#, true),
        ("@.a<2", r#"{"a":"1"}"#, false),
        ("@.a<=true", r#"{"a":true}"#, true),
        ("@.a==@.b", r#"{"a":{"x":1,"y":[2]},"b":{"y":[2],"x":1}}"#, true),
        ("length(@.a)==2", r#"{"a":"é☺"}"#, true),
        ("length(@.a)>=1", r#"{"a":7}"#, false),
        ("count(@.*)==3", r#"{"a":1,"b":2,"c":3}"#, true),
        ("value(@..x)==1", r#"{"a":{"x":1}}"#, true),
        ("match(@.a,'1974-05-..')", r#"{"a":"1974-05-11"}"#, true),
        ("match(@.a,'1974')", r#"{"a":"1974-05-11"}"#, false),
        ("search(@.a,'[BR]ob')", r#"{"a":"Hello Bob"}"#, true),
        ("search(@.a,@.b)", r#"{"a":"abc","b":"b."}"#, true),
        ("match(@.a,'.*')", r#"{"a":"a\nb"}"#, false),
        ("match(@.a,'(')", r#"{"a":"("}"#, false),
        ("!(@.a && @.b)", r#"{"a":1}"#, true),
    ] {
        let expected = if holds { format!("[{}]", Json::parse(node).unwrap()) } else { "[]".to_owned() };
        assert_eq!(select(&format!("$[?{condition}]"), &format!("[{node}]")), expected, "{condition} of {node}");
    }
}

#[test]
fn refuses_what_is_ill_formed_or_ill_typed_and_says_where() {
    for (query, offset) in [
        ("", 0),
        ("a", 0),
        (" $", 0),
        ("$ ", 1),
        ("$.", 2),
        ("$.1", 2),
        ("$..", 3),
        ("$[", 2),
        ("$[01]", 2),
        ("$[-0]", 2),
        ("$[9007199254740992]", 2),
        ("$['a", 4),
        ("$[\"a\\'\"]", 2),
        ("$['a\\\"']", 4),
        ("$[1,]", 4),
        ("$[?@.a==]", 8),
        ("$[?@.*==1]", 3),
        ("$[?1]", 3),
        ("$[?length(@.a)]", 3),
        ("$[?match(@.a,'b')==true]", 3),
        ("$[?count(1)]", 9),
        ("$[?nothing(@)]", 3),
        ("$[?@.a=='b' & @.c]", 12),
        ("$.a b", 3),
    ] {
        let error = JsonQuery::parse(query).expect_err(query);
        assert_eq!(error.offset, offset, "{query}: {error}");
    }
    assert!(JsonQuery::parse(&format!("$[?{}1==1{}]", "(".repeat(1_000), ")".repeat(1_000))).is_err());
}

#[test]
fn a_query_that_grows_without_bound_is_given_up() {
    let document = Json::Array((0..2_000).map(|_| Json::Array(vec![Json::Null; 3])).collect());
    assert_eq!(JsonQuery::parse("$..*[?count($..*)>0]").unwrap().select(&document), Err(TooManyNodes));
}

#[test]
fn a_place_may_be_written_as_names_with_dots() {
    let document = Json::parse(r#"{"data":{"items":[1]},"a.b":2}"#).unwrap();
    assert_eq!(JsonQuery::read_place("data.items").unwrap().first(&document), Some(&Json::Array(vec![1_i64.into()])));
    assert_eq!(JsonQuery::member("a.b").first(&document), Some(&Json::from(2_i64)));
    assert!(JsonQuery::read_place("a..b").is_err());
    assert!(JsonQuery::read_place("$.a[").is_err());
}
