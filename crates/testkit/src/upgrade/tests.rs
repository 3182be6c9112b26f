use feedspine_core::{Layer, MemoryStore};

use super::*;

async fn written() -> MemoryStore {
    let store = MemoryStore::new();
    store.initialize().await.unwrap();
    write(&store).await.unwrap();
    store
}

#[tokio::test]
async fn the_sample_holds_a_bit_of_everything() {
    let dump = dump(&written().await).await.unwrap();
    let has = |line: &str, member: &str| dump.lines().any(|row| row.starts_with(line) && row.contains(member));
    for kind in feedspine_core::ChangeKind::ALL {
        assert!(has("change ", &format!(r#""kind":"{kind}""#)), "no change is {kind}");
    }
    for coverage in ["snapshot", "incomplete", "delta", "unchanged"] {
        assert!(has("observation ", &format!(r#""coverage":"{coverage}""#)), "no observation is {coverage}");
    }
    for count in ["rejected", "repeated", "withdrawn", "scrolled_off", "returned", "gaps"] {
        assert!(has("observation ", &format!(r#""{count}":1"#)), "no observation counts what is {count}");
    }
    for layer in Layer::ALL {
        assert!(has("version ", &format!(r#""layer":"{layer}","metadata""#)), "no version is {layer}");
    }
    for status in ["captured", "unchanged", "failed", "superseded", "interrupted"] {
        assert!(has("fetch ", &format!(r#""status":"{status}""#)), "no fetch has {status}");
    }
    for status in ["active", "paused", "removed"] {
        assert!(has("feed ", &format!(r#""status":"{status}""#)), "no feed is {status}");
    }
    assert!(
        has("fetch ", r#""notes""#) && has("schedule ", r#""due_at""#),
        "no fetch has notes, or no feed is scheduled"
    );
    for packing in ["plain", "zstd_against"] {
        assert!(has("capture ", &format!(r#""packing":"{packing}""#)), "no body is packed so: {packing}");
    }
    for code in ["key.missing", "key.collision", "field.too_long"] {
        assert!(has("reject ", code), "no reject is {code}");
    }
    for key in sample::told_keys() {
        let key = format!(r#"["{}","{}"]"#, key.namespace(), key.key());
        assert!(has("sighting ", &key) && !has("record ", &key), "{key} has a record, or no sighting");
    }
    assert!(has("record ", r#""source_deleted":true"#), "nothing derives from what was deleted");
    assert!(has("version ", "stats"), "no version was judged by a rule");
}

#[tokio::test]
async fn a_store_passes_by_its_own_dump_and_by_no_other() {
    let store = written().await;
    let told = dump(&store).await.unwrap();
    let other = told.replacen(r#""rows":"#, r#""rows":1"#, 1);
    assert!(matches!(check(&store, &other).await, Err(Failure::Broken(found)) if found.contains("line 1 ")));
    check(&store, &told).await.unwrap();
    assert!(check(&store, &told).await.is_err(), "it went on, and is not as it was");
}
