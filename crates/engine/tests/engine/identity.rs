//! A feed's identity policy: learned with evidence, told when it does not hold, changed only when that is said; and aliases.

use std::fmt::Write;
use std::sync::Arc;
use std::time::Duration;

use crate::origin::{Answer, Origin};
use crate::support::{add, add_with, code, collect, engine_with, name, settings};
use feedspine::core::{Feed, FetchStatus, KeyRule};
use feedspine::ops::{
    AddFeed, Aliases, FeedReport, ListRecords, PolicyOutcome, PolicySays, PolicyView, Rekey, RuleOrigin, SetPolicy,
    parse_condition,
};
use feedspine::{DeclaredFeed, Engine, OpError, Settings, SimulatedClock};

/// An item: guid, link, title; what is empty is left out.
type Item<'a> = (&'a str, &'a str, &'a str);

fn document(items: &[Item<'_>]) -> String {
    let mut text = String::from("<rss version='2.0'><channel><title>t</title>");
    for (hour, (guid, link, title)) in (0..24).rev().zip(items) {
        text += "<item>";
        for (element, value) in [("guid", guid), ("link", link), ("title", title)] {
            if !value.is_empty() {
                write!(text, "<{element}>{value}</{element}>").unwrap();
            }
        }
        write!(text, "<pubDate>23 Nov 2026 {hour:02}:00:00 GMT</pubDate></item>").unwrap();
    }
    text + "</channel></rss>"
}

/// Serves one document after the other, the last again and again.
async fn serve(documents: Vec<String>) -> Origin {
    Origin::start(move |asked| Answer::ok(documents[asked.number.min(documents.len() - 1)].clone())).await
}

/// An engine whose clock moves on with each collect.
struct Desk {
    engine: Engine,
    clock: Arc<SimulatedClock>,
}

impl Desk {
    async fn new() -> Self {
        Self::with(settings()).await
    }

    async fn with(settings: Settings) -> Self {
        let clock = Arc::new(SimulatedClock::at(crate::support::start()));
        let engine = engine_with(Settings { clock: clock.clone(), ..settings }).await;
        Self { engine, clock }
    }

    async fn collect(&self, feed: &Feed) -> FeedReport {
        self.clock.advance(Duration::from_hours(1));
        collect(&self.engine, feed).await
    }

    async fn policy(&self, feed: &Feed) -> PolicyView {
        self.engine.feed(&feed.name).await.unwrap().policy
    }

    async fn set(&self, feed: &Feed, options: &[&str], rekey: Rekey) -> Result<PolicyOutcome, OpError> {
        let says = PolicySays::Options(options.iter().map(|option| (*option).to_owned()).collect());
        let request = SetPolicy { feed: feed.name.clone(), says, rekey };
        self.engine.set_policy(&request).await.map(|set| set.outcome)
    }

    async fn aliases(&self, key: &str) -> Aliases {
        self.engine.show(key, None).await.unwrap().aliases
    }

    /// Every key with its version.
    async fn keys(&self) -> Vec<String> {
        let request = ListRecords {
            filter: parse_condition("version>=1").unwrap(),
            order: vec![feedspine::core::Order::parse("key").unwrap()],
            layer: None,
            limit: 100.try_into().unwrap(),
            cursor: None,
        };
        let page = self.engine.list(&request).await.unwrap();
        page.items.iter().map(|record| format!("{} v{}", record.key.key(), record.version)).collect()
    }
}

fn unstable(report: &FeedReport) -> Option<&String> {
    report.warnings.iter().find(|warning| warning.starts_with("feed.unstable_keys: "))
}

#[tokio::test]
async fn a_rule_is_learned_with_its_evidence_which_stays() {
    let first = document(&[("x", "http://a.example/1", "one"), ("x", "http://a.example/2", "two")]);
    let second = document(&[("y", "http://a.example/3", "three"), ("x", "http://a.example/2", "two")]);
    let (origin, desk) = (serve(vec![first.clone(), first, second]).await, Desk::new().await);
    let feed = add(&desk.engine, origin.url("/feed")).await;
    assert_eq!(desk.policy(&feed).await.origin, RuleOrigin::Nobody);
    desk.collect(&feed).await;
    let learned = desk.policy(&feed).await;
    assert_eq!((learned.rule, learned.origin), (Some(KeyRule::Link), RuleOrigin::Learned));
    let evidence = learned.evidence.clone().unwrap();
    let fits: Vec<_> = evidence.learned.as_ref().unwrap().fits.iter().map(|fit| (fit.rule, fit.unfit())).collect();
    assert_eq!(fits, [(KeyRule::Id, 1), (KeyRule::Link, 0), (KeyRule::LinkDate, 0)]);
    assert_eq!(desk.collect(&feed).await.outcome, FetchStatus::Unchanged);
    assert_eq!(desk.policy(&feed).await, learned, "the same bytes show nothing new");
    assert_eq!(unstable(&desk.collect(&feed).await), None);
    let later = desk.policy(&feed).await.evidence.unwrap();
    assert_eq!(later.learned, evidence.learned);
    assert_eq!((later.last.unwrap().compared, later.degraded), (1, None));
}

#[tokio::test]
async fn ids_that_clash_later_are_told_of_and_no_item_is_keyed_otherwise() {
    let good = [("1", "http://a.example/1", "one"), ("2", "http://a.example/2", "two")];
    let bad =
        [("1", "http://a.example/1", "one"), ("1", "http://a.example/2", "two"), ("", "http://a.example/3", "three")];
    let documents = vec![document(&good), document(&bad), document(&good)];
    let (origin, desk) = (serve(documents).await, Desk::new().await);
    let feed = add(&desk.engine, origin.url("/feed")).await;
    assert_eq!(unstable(&desk.collect(&feed).await), None);
    let report = desk.collect(&feed).await;
    let warning = unstable(&report).unwrap();
    assert!(warning.contains("2 of 3 items have no id of their own; the feed stays keyed by id"), "{warning}");
    let policy = desk.policy(&feed).await;
    assert_eq!(policy.rule, Some(KeyRule::Id));
    let degraded = policy.evidence.unwrap().degraded.unwrap();
    assert_eq!((degraded.last.missing, degraded.last.clashing, degraded.documents), (1, 1, 1));
    assert_eq!(unstable(&desk.collect(&feed).await), None);
    assert_eq!(desk.policy(&feed).await.evidence.unwrap().degraded.unwrap(), degraded, "it is not forgotten");
    assert_eq!(desk.keys().await, ["1 v1", "2 v1", "http://a.example/3 v1"]);
}

#[tokio::test]
async fn ids_that_change_are_told_of_and_the_copies_are_aliases_of_each_other() {
    let items = |scheme: &str| {
        let [one, two] = ["one", "two"].map(|item| format!("{scheme}://a.example/2026/{item}"));
        document(&[(&one, &one, "One"), (&two, &two, "Two")])
    };
    let (origin, desk) = (serve(vec![items("http"), items("https")]).await, Desk::new().await);
    let feed = add(&desk.engine, origin.url("/feed")).await;
    desk.collect(&feed).await;
    let report = desk.collect(&feed).await;
    let warning = unstable(&report).unwrap();
    assert!(warning.contains("2 of 2 items came back under another id, each as a further record"), "{warning}");
    assert_eq!(report.counts.new, 2, "nothing is merged");
    let aliases = desk.aliases("http://a.example/2026/one").await;
    let told: Vec<_> = aliases.links.iter().map(|link| (link.key.key(), link.alias.score)).collect();
    assert_eq!(told, [("https://a.example/2026/one", 95)]);
    assert_eq!(aliases.links[0].alias.reasons[0].to_string(), "the same address but for scheme");
    assert_eq!(aliases.compared, 3);
    let back = desk.aliases("https://a.example/2026/one").await;
    assert_eq!(back.links[0].key.key(), "http://a.example/2026/one");
    // The same again is stable.
    desk.collect(&feed).await;
    assert_eq!(desk.policy(&feed).await.evidence.unwrap().degraded.unwrap().documents, 1);
}

#[tokio::test]
async fn a_token_in_the_link_of_items_without_ids_is_told_of() {
    let items = |token: u8| {
        let [one, two] = ["one", "two"].map(|item| format!("http://a.example/2026/{item}?token={token}"));
        document(&[("", &one, "One"), ("", &two, "Two")])
    };
    let (origin, desk) = (serve(vec![items(1), items(2)]).await, Desk::new().await);
    let feed = add(&desk.engine, origin.url("/feed")).await;
    desk.collect(&feed).await;
    let report = desk.collect(&feed).await;
    assert!(unstable(&report).unwrap().contains("2 of 2 items came back under another link"), "{report:?}");
    let aliases = desk.aliases("http://a.example/2026/one?token=2").await;
    assert_eq!(aliases.links[0].key.key(), "http://a.example/2026/one?token=1");
    assert_eq!(aliases.links.len(), 1);
}

#[tokio::test]
async fn other_keys_are_refused_until_they_are_allowed_and_then_change_no_record() {
    let items = [("1", "http://a.example/2026/one", "One"), ("2", "http://a.example/2026/two", "Two")];
    let (origin, desk) = (serve(vec![document(&items)]).await, Desk::new().await);
    let feed = add(&desk.engine, origin.url("/feed")).await;
    assert_eq!(desk.collect(&feed).await.counts.new, 2);
    let refused = desk.set(&feed, &["key=link"], Rekey::Refuse).await.unwrap_err();
    assert_eq!(refused.code(), "feed.would_rekey");
    assert!(refused.message().contains("is keyed by id and has 2 records"), "{refused:?}");
    assert!(refused.hint().unwrap().contains("--rekey") && refused.hint().unwrap().contains("aliases"), "{refused:?}");
    assert_eq!((desk.policy(&feed).await.rule, desk.keys().await.len()), (Some(KeyRule::Id), 2));
    assert_eq!(desk.collect(&feed).await.outcome, FetchStatus::Unchanged);

    let set = desk.set(&feed, &["key=link"], Rekey::Allow).await.unwrap();
    assert_eq!(set, PolicyOutcome::Rekeyed);
    let report = desk.collect(&feed).await;
    assert_eq!((code(&report), report.counts.new, report.counts.changed, unstable(&report)), ("ok", 2, 0, None));
    assert_eq!(desk.keys().await, ["1 v1", "2 v1", "http://a.example/2026/one v1", "http://a.example/2026/two v1"]);
    let policy = desk.policy(&feed).await;
    assert_eq!((policy.rule, policy.origin), (Some(KeyRule::Link), RuleOrigin::Operator));
    assert!(policy.evidence.unwrap().learned.is_some(), "how it was learned before is still known");
    let aliases = desk.aliases("1").await;
    assert_eq!((aliases.links.len(), aliases.links[0].key.key()), (1, "http://a.example/2026/one"));
    assert_eq!(desk.collect(&feed).await.outcome, FetchStatus::Unchanged);

    assert_eq!(desk.set(&feed, &["key=link"], Rekey::Refuse).await.unwrap(), PolicyOutcome::Already);
    assert_eq!(desk.set(&feed, &["key="], Rekey::Refuse).await.unwrap_err().code(), "feed.would_rekey");
    assert_eq!(desk.set(&feed, &["key="], Rekey::Allow).await.unwrap(), PolicyOutcome::Rekeyed);
    assert_eq!(desk.collect(&feed).await.counts.new, 0, "the former rule finds the former records");
    assert_eq!(desk.keys().await.len(), 4);
}

#[tokio::test]
async fn what_leaves_keys_as_they_are_needs_no_permission() {
    let items = |number: usize| document(&[("1", "http://a.example/1", &format!("read {number} times"))]);
    let (origin, desk) = (serve((0..4).map(items).collect()).await, Desk::new().await);
    let feed = add(&desk.engine, origin.url("/feed")).await;
    desk.collect(&feed).await;
    assert_eq!(desk.collect(&feed).await.counts.changed, 1);
    assert_eq!(desk.set(&feed, &["volatile=title", "key=id"], Rekey::Refuse).await.unwrap(), PolicyOutcome::Set);
    let report = desk.collect(&feed).await;
    assert_eq!((report.counts.new, report.counts.changed), (0, 0), "{report:?}");
    for (options, refused) in [
        (&["namespace=other"], "feed.namespace_fixed"),
        (&["fold_case=maybe"], "adapter.option"),
        (&["header=a"], "adapter.option"),
    ] {
        let error = desk.set(&feed, options, Rekey::Allow).await.unwrap_err();
        assert_eq!(error.code(), refused);
        assert!(error.hint().is_some(), "{error:?}");
    }
    // No key of this feed has capitals, but the next one may.
    assert_eq!(desk.set(&feed, &["fold_case=true"], Rekey::Refuse).await.unwrap_err().code(), "feed.would_rekey");
}

#[tokio::test]
async fn a_feed_that_was_never_read_takes_any_policy() {
    let desk = Desk::new().await;
    let feed = add(&desk.engine, "https://example.org/a").await;
    assert_eq!(desk.set(&feed, &["key=title", "key=link"], Rekey::Refuse).await.unwrap(), PolicyOutcome::Set);
    assert_eq!(desk.set(&feed, &["key="], Rekey::Refuse).await.unwrap(), PolicyOutcome::Set);
    let keyed = add_with(&desk.engine, "https://example.org/b", "feed", &["key=title"]).await;
    assert_eq!(desk.set(&keyed, &["key=link"], Rekey::Refuse).await.unwrap(), PolicyOutcome::Set);
    assert_eq!(desk.set(&keyed, &["key="], Rekey::Refuse).await.unwrap_err().code(), "feed.key_needed");
}

#[tokio::test]
async fn the_configuration_is_taken_when_a_feed_is_added_and_later_only_when_that_is_said() {
    let declared = |key: &str| {
        let mut declared = DeclaredFeed::default();
        declared.say("key", key.into()).unwrap();
        declared.say("namespace", "shared".into()).unwrap();
        declared
    };
    let items = [("1", "http://a.example/2026/one", "One")];
    let origin = serve(vec![document(&items)]).await;
    let declared = [(name("news"), declared("link"))].into();
    let desk = Desk::with(Settings { declared, ..settings() }).await;
    let request = AddFeed { name: Some(name("news")), ..AddFeed::new(origin.url("/feed")) };
    let feed = desk.engine.add(request.clone()).await.unwrap().feed;
    assert_eq!((feed.key_rule, feed.namespace.as_str()), (Some(KeyRule::Link), "shared"));
    assert!(desk.engine.add(request).await.is_ok(), "the same again is there already");
    let report = desk.collect(&feed).await;
    assert_eq!(report.warnings, Vec::<String>::new());
    assert_eq!(desk.keys().await, ["http://a.example/2026/one v1"]);
    let says = PolicySays::AsConfigured;
    let other = add(&desk.engine, "https://example.org/other").await;
    let request = SetPolicy { feed: other.name.clone(), says: says.clone(), rekey: Rekey::Refuse };
    assert_eq!(desk.engine.set_policy(&request).await.unwrap_err().code(), "feed.not_configured");

    desk.set(&feed, &["key=id"], Rekey::Allow).await.unwrap();
    let report = desk.collect(&feed).await;
    let [warning] = report.warnings.as_slice() else { panic!("{report:?}") };
    assert_eq!(
        warning,
        "feed.configured_otherwise: key is id, configured is link; `feedspine feed set news --as-configured` takes it over"
    );
    assert_eq!(desk.policy(&feed).await.configured_otherwise, ["key is id, configured is link"]);
    let request = |rekey| SetPolicy { feed: feed.name.clone(), says: says.clone(), rekey };
    assert_eq!(desk.engine.set_policy(&request(Rekey::Refuse)).await.unwrap_err().code(), "feed.would_rekey");
    assert_eq!(desk.engine.set_policy(&request(Rekey::Allow)).await.unwrap().outcome, PolicyOutcome::Rekeyed);
    assert_eq!(desk.policy(&feed).await.configured_otherwise, Vec::<String>::new());
}
