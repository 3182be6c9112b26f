//! Another identity policy for a feed that is there.

use std::collections::BTreeMap;

use feedspine_core::{Feed, FeedName, Field, Filter, Json, PageRequest, Selection, Test};

use super::changing::Attempts;
use super::unfinished::refuse_unfinished_import;
use super::{OpError, ToJson};
use crate::adapters::{Adapter, AdapterChoice};
use crate::feed_settings::FeedSettings;
use crate::policy::change::{Changes, Effect, as_in, effect};
use crate::policy::{Evidence, PolicyView};
use crate::requests::{check_logins, logins_of, shown};
use crate::schedule::{Rhythm, RhythmChoice, Subject};
use crate::{Address, Engine, RequestChoice};

/// What is to be changed of a feed's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SetPolicy {
    /// The feed.
    pub feed: FeedName,
    /// What is said now.
    pub says: PolicySays,
    /// Whether its items may get other keys.
    pub rekey: Rekey,
}

/// What is said of a feed's policy.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum PolicySays {
    /// `NAME=VALUE` of the options of its adapter, which are at least `key`, `fold_case` and `volatile`, of `every`, `cron` and
    /// `adaptive`, and of what [`RequestChoice`] names; one that is given several times is a list, `NAME=` takes it back.
    Options(Vec<String>),
    /// What the configuration says.
    AsConfigured,
}

/// Whether the items of a feed that has records may get other keys.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Rekey {
    /// That is refused, and said what it would do.
    Refuse,
    /// Whoever asks knows what it does.
    Allow,
}

/// What came of another policy.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PolicyOutcome {
    /// It is the one that the feed had.
    Already,
    /// It is in force; keys stay what they are.
    Set,
    /// It is in force; what the feed lists is stored once more under other keys.
    Rekeyed,
}

impl PolicyOutcome {
    /// The word used in JSON.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Already => "already",
            Self::Set => "set",
            Self::Rekeyed => "rekeyed",
        }
    }
}

/// The feed with its policy now.
#[derive(Debug, Clone)]
pub struct PolicySet {
    /// What was done.
    pub outcome: PolicyOutcome,
    /// The feed.
    pub feed: Feed,
    /// What is said of it otherwise than before, by its names, as it is shown; null where nothing is any more.
    pub changed: BTreeMap<String, Json>,
    /// Its policy.
    pub policy: PolicyView,
    /// When it is fetched.
    pub rhythm: Rhythm,
    /// The records that keep the keys of before; 0 unless the feed was re-keyed.
    pub kept: u64,
    /// It is due now, since that may mend what it failed by, or its rhythm is another.
    pub due_now: bool,
}

impl ToJson for PolicySet {
    fn to_json(&self) -> Json {
        Json::object([
            ("outcome", self.outcome.as_str().into()),
            ("feed", self.feed.to_json()),
            ("changed", Json::Object(self.changed.clone())),
            ("policy", self.policy.to_json()),
            ("kept", self.kept.into()),
            ("due_now", self.due_now.into()),
            ("rhythm", self.rhythm.to_json()),
        ])
    }
}

impl Engine {
    /// Gives a feed another identity policy, other options of its adapter, another rhythm, or another way to be asked. What that would give other keys to the items of a feed that has records is
    /// refused unless that is allowed; no record is re-keyed, merged or deleted by it.
    ///
    /// # Errors
    /// `NotFound`; `Usage`: an option that cannot be set or has no such value, another namespace, other keys that were not
    /// allowed; `Failed` while an import into the store is unfinished.
    pub async fn set_policy(&self, request: &SetPolicy) -> Result<PolicySet, OpError> {
        refuse_unfinished_import(self.storage()).await?;
        let mut before = self.named(&request.feed).await?;
        let mut attempts = Attempts::default();
        loop {
            if let Some(set) = self.policy_set(&before, request).await? {
                return Ok(set);
            }
            before = attempts.missed(self, &before).await?;
        }
    }

    /// Sets the policy of a feed that is as it was before; `None` when it is not.
    async fn policy_set(&self, before: &Feed, request: &SetPolicy) -> Result<Option<PolicySet>, OpError> {
        let held = RhythmChoice::of(before);
        let asked = RequestChoice::of(before);
        let (changes, rhythm, requests) = match &request.says {
            PolicySays::Options(texts) => {
                let (of_rhythm, texts): (Vec<&String>, Vec<&String>) =
                    texts.iter().partition(|text| RhythmChoice::NAMES.contains(&pair(text).0));
                let (of_requests, texts): (Vec<&String>, Vec<&String>) =
                    texts.into_iter().partition(|text| RequestChoice::NAMES.contains(&pair(text).0));
                let texts: Vec<String> = texts.into_iter().cloned().collect();
                let rhythm = rhythm_set(held, before, &of_rhythm)?;
                (Changes::read(before, &texts)?, rhythm, requests_set(asked.clone(), &of_requests)?)
            }
            PolicySays::AsConfigured => {
                let declared = self.settings().declared.get(&before.name);
                let declared = declared.ok_or_else(|| not_configured(&before.name))?;
                let rhythm = declared.rhythm().clone().or(&held);
                (Changes::declared(before, declared)?, rhythm, declared.requests().clone().or(&asked))
            }
        };
        let choice = AdapterChoice::of(before);
        let options = changes.made_to(choice.options());
        // Several that are held already say nothing against what is said of something else, or take one back.
        let (held, said) = (logins_of(choice.options(), &asked), logins_of(&options, &requests));
        if said != held && said.len() >= held.len() {
            check_logins(&options, &requests)?;
        }
        let mut settings = FeedSettings::of(before);
        settings.set_adapter(&choice.with_options(options));
        settings.set_rhythm(&rhythm);
        settings.set_requests(&requests);
        let after = Feed { settings: settings.to_content(), ..before.clone() };
        let effect = effect(before, &after)?;
        Adapter::of(&after)?.suits(&after.address.parse()?)?;
        let (outcome, kept) = match effect {
            Effect::Nothing => (PolicyOutcome::Already, 0),
            Effect::SameKeys => {
                if !self.state().replace_feed(before, &after).await? {
                    return Ok(None);
                }
                (PolicyOutcome::Set, 0)
            }
            Effect::OtherKeys { from, to } => {
                let kept = self.records_of(before).await?;
                if kept > 0 && request.rekey == Rekey::Refuse {
                    return Err(would_rekey(&after, kept, &from, &to));
                }
                if !self.state().replace_feed(before, &after).await? {
                    return Ok(None);
                }
                if kept > 0 {
                    self.begin_other_keys(&after).await?;
                }
                (if kept > 0 { PolicyOutcome::Rekeyed } else { PolicyOutcome::Set }, kept)
            }
        };
        let subjects = [
            (requests != RequestChoice::of(before), Subject::Requests),
            (AdapterChoice::of(&after) != AdapterChoice::of(before), Subject::Options),
            (rhythm != RhythmChoice::of(before), Subject::Rhythm),
        ];
        let mut due_now = false;
        for (_, what) in subjects.into_iter().filter(|(changed, _)| *changed) {
            due_now = due_now || self.fetch_soon(&after, what).await?;
        }
        let cursor = self.storage().cursor(after.id).await?;
        let policy = PolicyView::of(&after, cursor.as_ref(), self.settings().declared.get(&after.name));
        Ok(Some(PolicySet {
            outcome,
            changed: changed_between(before, &after),
            feed: after,
            policy,
            rhythm: rhythm.rhythm(),
            kept,
            due_now,
        }))
    }

    /// How many records its namespace has, when the feed was observed at all.
    async fn records_of(&self, feed: &Feed) -> Result<u64, OpError> {
        let observed = self.storage().observations_page(feed.id, &PageRequest::first(1)).await?;
        if observed.items.is_empty() {
            return Ok(0);
        }
        let filter = Filter::Field(Field::Namespace, Test::Equal(feed.namespace.as_str().into()));
        Ok(self.storage().count(&Selection { layer: None, filter }).await?)
    }

    /// What the feed holds under its keys of before is no longer told to be there, and a collect that still goes by them
    /// is superseded. What is pushed has no cursor: nothing of it was told to be there.
    async fn begin_other_keys(&self, feed: &Feed) -> Result<(), OpError> {
        let Some(cursor) = self.storage().cursor(feed.id).await? else { return Ok(()) };
        let evidence = Evidence::in_cursor(&cursor.value).map(Evidence::rekeyed);
        let next = evidence.map_or(Json::Null, |evidence| Json::object([(Evidence::MEMBER, evidence.to_json())]));
        self.end_open_spans(feed, next).await
    }
}

/// All that is said of a feed, by its names.
fn said(feed: &Feed) -> BTreeMap<String, Json> {
    let mut said = AdapterChoice::of(feed).options().clone();
    said.extend(RhythmChoice::of(feed).said().into_iter().map(|(name, value)| (name.to_owned(), value)));
    said.extend(RequestChoice::of(feed).said().map(|(name, value)| (name.to_owned(), value.clone())));
    said
}

/// What is said of it otherwise, as it is shown; null where nothing is any more.
fn changed_between(before: &Feed, after: &Feed) -> BTreeMap<String, Json> {
    let (before, after) = (said(before), said(after));
    let mut changed: BTreeMap<String, Json> =
        before.keys().filter(|name| !after.contains_key(*name)).map(|name| (name.clone(), Json::Null)).collect();
    for (name, value) in &after {
        if before.get(name) != Some(value) {
            changed.insert(name.clone(), shown(name, value));
        }
    }
    changed
}

/// `NAME=VALUE`, or a name without a value.
fn pair(text: &str) -> (&str, &str) {
    let (name, value) = text.split_once('=').unwrap_or((text, ""));
    (name.trim(), value.trim())
}

/// A name alone takes nothing back: it may be a slip.
fn refuse_names_alone(texts: &[&String]) -> Result<(), OpError> {
    match texts.iter().find(|text| !text.contains('=')) {
        Some(text) => Err(OpError::usage("feed.option", format!("an option is NAME=VALUE, not {text:?}"))
            .with_hint(as_in(text.trim()))),
        None => Ok(()),
    }
}

/// How the option is said that was told to be wrong, where one by itself is.
fn as_in_of(told: &str, texts: &[&String]) -> Option<String> {
    let is_meant = |name: &&str| told.strip_prefix(name).is_some_and(|rest| rest.starts_with(':'));
    texts.iter().map(|text| pair(text).0).find(is_meant).map(as_in)
}

fn rhythm_set(held: RhythmChoice, feed: &Feed, texts: &[&String]) -> Result<RhythmChoice, OpError> {
    refuse_names_alone(texts)?;
    if !texts.is_empty() && matches!(feed.address.parse(), Ok(Address::Push(_))) {
        let message = format!("{} is handed over, never fetched: it has no rhythm", feed.name);
        return Err(OpError::usage("feed.pushed", message).with_hint("`feedspine ingest` takes what is handed over"));
    }
    held.changed(texts.iter().map(|text| pair(text))).map_err(|told| {
        let hint = as_in_of(&told, texts);
        let hint = hint.unwrap_or_else(|| "say every=15m, 'cron=0 */2 * * *' or adaptive=false alone".to_owned());
        OpError::usage("feed.rhythm", told).with_hint(hint)
    })
}

fn requests_set(held: RequestChoice, texts: &[&String]) -> Result<RequestChoice, OpError> {
    refuse_names_alone(texts)?;
    held.changed(texts.iter().map(|text| pair(text))).map_err(|told| {
        let hint = as_in_of(&told, texts).map(|hint| format!("{hint}; "));
        OpError::usage("feed.requests", told)
            .with_hint(format!("{}docs/guides/fetching.md has all", hint.unwrap_or_default()))
    })
}

fn not_configured(feed: &FeedName) -> OpError {
    OpError::usage("feed.not_configured", format!("the configuration says nothing of {feed}")).with_hint(format!(
        "write a table [feeds.{feed:?}] with adapter, its options, key, fold_case, namespace, volatile, {}, {}",
        RhythmChoice::NAMES.join(", "),
        RequestChoice::NAMES.join(", "),
        feed = feed.as_str(),
    ))
}

fn would_rekey(feed: &Feed, records: u64, from: &str, to: &str) -> OpError {
    let Feed { name, namespace, .. } = feed;
    let (records, they) = if records == 1 {
        ("1 record".to_owned(), "it keeps its key")
    } else {
        (format!("{records} records"), "they keep their keys")
    };
    OpError::usage(
        "feed.would_rekey",
        format!("{name} is keyed by {from} and has {records} in the namespace {namespace}; keyed by {to} its items get other keys"),
    )
    .with_hint(format!(
        "say --rekey as well: then all that {name} still lists is stored once more, under keys by {to}. Of the {records} nothing is \
         changed, merged or deleted: {they} and versions, leave the feed, and `feedspine show` names the new ones as aliases"
    ))
}
