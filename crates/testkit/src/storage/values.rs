//! Bytes in, bytes out: content, numbers, text and instants of every kind.

use feedspine_core::{
    Candidate, Content, CursorStep, IngestBatch, Json, JsonError, RecordWrite, StorageExt, Timestamp,
};

use super::Subject;
use crate::Verdict;
use crate::check::{checks, ensure, ensure_eq};
use crate::script::{content, feed, item, item_of, numbered, snapshot, write};

checks! { Subject, "values":
    content_comes_back_byte_for_byte: "P10", "Whatever JSON was captured is read back in the same canonical text and hash.";
    numbers_are_exact: "P10", "Integers beyond 2^53 and long fractions keep every digit.";
    equal_numbers_are_one_content: "Values", "1.0 is 1, -0 is 0 and 1e2 is 100: no version is made.";
    numbers_that_a_float_confuses_are_two_contents: "Values", "9007199254740993 is not 9007199254740992.";
    text_is_not_a_number_and_missing_is_not_null: "Values", "Each is another content than the other.";
    text_keeps_nul_and_every_plane: "P10", "NUL, controls and characters of every plane are kept.";
    a_lone_surrogate_is_refused: "Values", "Half a surrogate pair is no text: the content is refused.";
    large_contents_are_kept: "P10", "A content of a megabyte is read back as it was.";
    instants_are_kept_to_the_microsecond: "P10", "From year 1 to 9999, to the microsecond; none is none.";
    metadata_comes_back_as_it_was: "P10", "Metadata has the same exactness as content.";
    a_cursor_comes_back_as_it_was: "P10", "Opaque validators with any bytes and big numbers are read back exactly.";
    a_reject_comes_back_as_it_was: "P10", "Reason and excerpt are kept, with NUL and all.";
}

async fn round_trip(store: &Subject, texts: &[&str]) -> Verdict {
    let named = |at: usize| format!("key {at}");
    let items = texts.iter().enumerate().map(|(at, text)| item_of(&named(at), text)).collect();
    store.take(snapshot(1, items)).await?;
    for (at, text) in texts.iter().enumerate() {
        let (given, held) = (content(text), store.record(&named(at)).await?.content);
        ensure_eq!((held.as_str(), held.hash()), (given.as_str(), given.hash()), "content {text}");
        ensure_eq!(store.versions(&named(at)).await?[0].content, given, "the version's content {text}");
    }
    let again = texts.iter().enumerate().map(|(at, text)| item_of(&named(at), text)).collect();
    let report = store.take(snapshot(2, again)).await?;
    ensure_eq!(report.counts.unchanged, texts.len() as u64, "unchanged, in the same document again");
    Ok(())
}

async fn content_comes_back_byte_for_byte(store: Subject) -> Verdict {
    let nested = format!("{}1{}", "{\"a\":[".repeat(30), "]}".repeat(30));
    let texts = [
        "{}",
        r#"{"":"","a":{"b":{"c":[1,[2,[3,[]]],{}]}},"null":null,"t":true,"f":false}"#,
        r#"{"b":1,"a":2,"B":3,"é":4,"😀":5,"\u0000":6}"#,
        r#"{"html":"<p>&amp; \"quotes\" \\ / \u2028 \u2029</p>"}"#,
        r#"["a list at the top",1]"#,
        r#""text at the top""#,
        "null",
        "17",
        &nested,
    ];
    round_trip(&store, &texts).await
}

async fn numbers_are_exact(store: Subject) -> Verdict {
    let texts = [
        "9007199254740993",
        "18446744073709551616",
        "1000000000000000000000000000000",
        "-170141183460469231731687303715884105728",
        "0.1234567890123456789012345678901234567890",
        "1e400",
        "-2.5e-400",
        "1E+2",
        "0.30000000000000004",
    ];
    let objects: Vec<String> = texts.iter().map(|number| format!(r#"{{"n":{number}}}"#)).collect();
    round_trip(&store, &objects.iter().map(String::as_str).collect::<Vec<_>>()).await
}

async fn equal_numbers_are_one_content(store: Subject) -> Verdict {
    let spellings = [r#"{"n":[1.0,-0,1e2,0.10]}"#, r#"{"n":[1,0,100,0.1]}"#, r#"{ "n" : [1e0, 0.0, 1.00E+2, 1e-1] }"#];
    for (number, text) in (1..).zip(spellings) {
        store.take(snapshot(number, vec![item_of("a", text)])).await?;
    }
    ensure_eq!(store.versions("a").await?.len(), 1, "versions");
    Ok(())
}

async fn numbers_that_a_float_confuses_are_two_contents(store: Subject) -> Verdict {
    let values = ["9007199254740992", "9007199254740993", "1e400", "1e401", "0.1", "0.1000000000000000000001"];
    differ_one_by_one(&store, &values).await
}

async fn text_is_not_a_number_and_missing_is_not_null(store: Subject) -> Verdict {
    differ_one_by_one(&store, &["5", "\"5\"", "true", "\"true\"", "null", "\"\"", "[]", "{}", "[null]", "0", "false"])
        .await?;
    let report = store.take(snapshot(50, vec![item_of("a", "{}")])).await?;
    ensure_eq!(report.counts.changed, 1, "changed when a member goes missing");
    let report = store.take(snapshot(51, vec![item_of("a", r#"{"n":null}"#)])).await?;
    ensure_eq!(report.counts.changed, 1, "changed when a missing member becomes null");
    Ok(())
}

async fn differ_one_by_one(store: &Subject, values: &[&str]) -> Verdict {
    for (number, value) in (1..).zip(values) {
        store.take(snapshot(number, vec![item_of("a", &format!(r#"{{"n":{value}}}"#))])).await?;
    }
    ensure_eq!(store.versions("a").await?.len(), values.len(), "versions, one for each value");
    Ok(())
}

async fn text_keeps_nul_and_every_plane(store: Subject) -> Verdict {
    let texts = [
        r#"{"t":"x\u0000y"}"#,
        r#"{"t":"x\u0000"}"#,
        r#"{"t":"\u0001\u001f\u007f\u0080\u009f"}"#,
        r#"{"t":"\ufffd\ufffe\uffff\ufeff"}"#,
        r#"{"t":"\ud83d\ude00\udbff\udfff"}"#,
        r#"{"t":"e\u0301 \u00e9"}"#,
    ];
    round_trip(&store, &texts).await
}

async fn a_lone_surrogate_is_refused(_: Subject) -> Verdict {
    for lone in [r#"{"t":"\ud800"}"#, r#"{"t":"\udc00x"}"#, r#"{"\ud800":1}"#] {
        ensure!(matches!(Content::parse(lone), Err(JsonError::Surrogate { .. })), "{lone} is taken");
    }
    Ok(())
}

async fn large_contents_are_kept(store: Subject) -> Verdict {
    let mut noise = crate::noise::Noise::seeded(2);
    let text: String = std::iter::repeat_with(|| noise.letter()).take(1_000_000).collect();
    round_trip(&store, &[&format!(r#"{{"t":"{text}"}}"#)]).await
}

async fn instants_are_kept_to_the_microsecond(store: Subject) -> Verdict {
    let odd: Timestamp = "1999-12-31T23:59:59.999999Z".parse().expect("a date");
    let instants = [None, Some(Timestamp::MIN), Some(Timestamp::UNIX_EPOCH), Some(odd), Some(Timestamp::MAX)];
    let named = |at: usize| format!("key {at}");
    let dated = |(at, instant): (usize, &Option<Timestamp>)| Candidate {
        published: *instant,
        updated: instants[instants.len() - 1 - at],
        ..item(&named(at), "x")
    };
    let items = numbered(0, instants.iter().enumerate().map(dated).collect());
    let batch = IngestBatch { observed_at: odd, recorded_at: Timestamp::MAX, ..snapshot(1, items.clone()) };
    store.take(batch).await?;
    for (at, given) in items.iter().enumerate() {
        let record = store.record(&named(at)).await?;
        ensure_eq!((record.published, record.updated), (given.published, given.updated), "dates of {}", named(at));
        ensure_eq!((record.first_seen, record.recorded_at), (odd, Timestamp::MAX), "times of {}", named(at));
    }
    ensure_eq!(store.get_sightings(&items[0].key).await?[0].observed_at, odd, "the time of a sighting");
    Ok(())
}

async fn metadata_comes_back_as_it_was(store: Subject) -> Verdict {
    let metadata = content(r#"{"big":123456789012345678901234567890,"t":"x\u0000y","score":0.1}"#);
    store.store(RecordWrite { metadata: metadata.clone(), ..write(1, "a", "x") }).await?;
    ensure_eq!(store.record("a").await?.metadata, metadata, "the record's metadata");
    ensure_eq!(store.versions("a").await?[0].metadata, metadata, "the version's metadata");
    Ok(())
}

async fn a_cursor_comes_back_as_it_was(store: Subject) -> Verdict {
    let next = Json::parse(r#"{"etag":"W/\"\u0000\u00ff😀\"","page":18446744073709551617,"none":null,"l":[{}]}"#);
    let next = next.expect("JSON");
    let step = CursorStep::Advance { expected: 0, next: next.clone() };
    store.take(IngestBatch { step, ..snapshot(1, vec![]) }).await?;
    ensure_eq!(store.cursor(feed(1)).await?.map(|cursor| cursor.value), Some(next), "the cursor");
    Ok(())
}

async fn a_reject_comes_back_as_it_was(store: Subject) -> Verdict {
    let reject = feedspine_core::Reject {
        ordinal: u32::MAX,
        key: Some(crate::script::key("a\u{1}b")),
        code: "field.bad".to_owned(),
        reason: "nul \0 and \u{10FFFF}".to_owned(),
        excerpt: String::new(),
    };
    store.take(IngestBatch { rejects: vec![reject.clone()], ..snapshot(1, vec![]) }).await?;
    ensure_eq!(store.quarantine(feed(1)).await?[0].reject, reject, "the reject");
    Ok(())
}
