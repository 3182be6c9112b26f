//! What a record's rows say of one another: its versions, what feeds showed of them, and the changes that were logged.

use std::collections::{HashMap, HashSet};

use crate::ingest::{Shown, StoredVersion};
use crate::{ChangeKind, Content, ContentHash, Event, FetchId, HashRuleId, Layer, RecordId, VersionNo};

/// What is known of all records so far.
#[derive(Debug, Default)]
pub(super) struct Records {
    held: HashMap<RecordId, Timeline>,
    /// Rules that versions or manifests are hashed under, by number.
    rules: Vec<HashRuleId>,
    /// Those of manifests.
    of_manifests: HashSet<u32>,
    /// The hashes of bronze versions under rules of manifests that are not their own.
    other_hashes: HashMap<(RecordId, VersionNo, u32), ContentHash>,
    logged: HashMap<RecordId, [u32; 3]>,
    deleted: u64,
}

/// What is known of a record so far.
#[derive(Debug, Default)]
struct Timeline {
    /// By the rank of the layer.
    versions: [u32; 3],
    bronze: Vec<Bronze>,
}

/// A bronze version.
#[derive(Debug)]
struct Bronze {
    hash: ContentHash,
    rule: u32,
    /// The fetch that appended it.
    by: Option<FetchId>,
}

impl Records {
    /// Notes a rule that open spans are hashed under.
    pub(super) fn manifest_rule(&mut self, rule: &HashRuleId) {
        let number = self.rule(rule);
        self.of_manifests.insert(number);
    }

    pub(super) fn record(&mut self, id: RecordId) {
        self.held.insert(id, Timeline::default());
    }

    pub(super) fn has(&self, id: RecordId) -> bool {
        self.held.contains_key(&id)
    }

    /// How many deletes were logged, of whole records and of layers.
    pub(super) fn deleted(&self) -> u64 {
        self.deleted
    }

    /// Takes the next version of a record that is there; what is wrong with its texts.
    pub(super) fn version(&mut self, stored: &StoredVersion) -> Vec<String> {
        let version = &stored.version;
        let rule = self.rule(&version.hash_rule);
        let (problems, content) = content_problems(stored);
        if version.layer == Layer::Bronze
            && let Some(content) = content
        {
            for other in self.of_manifests.iter().filter(|other| **other != rule) {
                if let Some(hash) = self.rules[*other as usize].rule().map(|rule| rule.hash(&content)) {
                    self.other_hashes.insert((version.record, version.number, *other), hash);
                }
            }
        }
        let Some(record) = self.held.get_mut(&version.record) else { return problems };
        record.versions[usize::from(version.layer.rank())] += 1;
        if version.layer == Layer::Bronze {
            let by = version.origin.as_ref().map(|origin| origin.fetch);
            record.bronze.push(Bronze { hash: stored.hash, rule, by });
        }
        problems
    }

    /// What is wrong with what a feed showed last of a record, hashed under the feed's rule.
    pub(super) fn shown(&self, record: RecordId, shown: Shown, rule: Option<&HashRuleId>) -> Option<String> {
        let Some(version) = self.bronze(record, shown.version) else { return Some(missing(shown.version)) };
        let rule = rule.and_then(|rule| self.rules.iter().position(|known| known == rule));
        let rule = u32::try_from(rule?).ok()?;
        let right =
            if version.rule == rule { version.hash } else { *self.other_hashes.get(&(record, shown.version, rule))? };
        (right != shown.hash).then(|| differs(shown, right))
    }

    /// What is wrong with what a point shows. Under which rule its hash was made is known where its fetch made the
    /// version; a version that is not there may have been deleted.
    pub(super) fn pointed(&self, record: RecordId, shown: Shown, fetch: FetchId) -> Option<String> {
        let version = self.bronze(record, shown.version).filter(|version| version.by == Some(fetch))?;
        (version.hash != shown.hash).then(|| differs(shown, version.hash))
    }

    /// Whether a record has that bronze version.
    pub(super) fn has_bronze(&self, record: RecordId, number: VersionNo) -> bool {
        self.bronze(record, number).is_some()
    }

    fn bronze(&self, record: RecordId, number: VersionNo) -> Option<&Bronze> {
        self.held.get(&record)?.bronze.get(usize::try_from(number.get() - 1).ok()?)
    }

    /// Takes the next change; what is wrong with the version that it names.
    pub(super) fn event(&mut self, event: &Event) -> Option<String> {
        let subject = event.subject.as_ref()?;
        if event.kind == ChangeKind::Deleted {
            self.deleted += 1;
            match (subject.layer, self.logged.get_mut(&subject.record)) {
                (Some(layer), Some(logged)) => logged[usize::from(layer.rank())] = 0,
                (None, _) => drop(self.logged.remove(&subject.record)),
                (Some(_), None) => {}
            }
            return None;
        }
        if !matches!(event.kind, ChangeKind::New | ChangeKind::Changed | ChangeKind::Promoted) {
            return None;
        }
        let layer = subject.layer?;
        let logged = &mut self.logged.entry(subject.record).or_default()[usize::from(layer.rank())];
        *logged += 1;
        let told = subject.version.map_or(0, VersionNo::get);
        (told != *logged).then(|| format!("it names {layer} version {told}, and {logged} comes next"))
    }

    /// After the last row: what only the whole can tell.
    pub(super) fn finish(&self) -> Vec<String> {
        let mut ids: Vec<RecordId> = self.held.keys().chain(self.logged.keys()).copied().collect();
        ids.sort_unstable();
        ids.dedup();
        let mut found = Vec::new();
        for id in ids {
            let held = self.held.get(&id).map(|record| record.versions);
            if held == Some([0; 3]) {
                found.push(format!("record {id} has no version"));
            }
            let (held, logged) = (held.unwrap_or_default(), self.logged.get(&id).copied().unwrap_or_default());
            for (layer, (held, logged)) in Layer::ALL.into_iter().zip(held.into_iter().zip(logged)) {
                if held != logged {
                    found.push(format!("record {id} has {held} {layer} versions, but the change log has {logged}"));
                }
            }
        }
        found
    }

    /// The number of a rule.
    fn rule(&mut self, rule: &HashRuleId) -> u32 {
        let known = self.rules.iter().position(|known| known == rule);
        let at = known.unwrap_or_else(|| {
            self.rules.push(rule.clone());
            self.rules.len() - 1
        });
        u32::try_from(at).expect("there are a few rules")
    }
}

fn missing(version: VersionNo) -> String {
    format!("version {version}, which it shows, is not there")
}

fn differs(shown: Shown, right: ContentHash) -> String {
    format!("it shows version {} with hash {}, but that has {right}", shown.version, shown.hash)
}

/// What is wrong with a version's texts: a store gives them as they were stored, and their hashes beside them. And its
/// content, as it was read.
fn content_problems(stored: &StoredVersion) -> (Vec<String>, Option<Content>) {
    let version = &stored.version;
    let mut problems = Vec::new();
    let read = Content::parse(version.content.as_str());
    match &read {
        Ok(read) if read.as_str() != version.content.as_str() => {
            problems.push("its content is not canonical".to_owned());
        }
        Ok(read) if read.hash() != version.content.hash() => {
            problems.push(format!(
                "its content has hash {}, but was stored with {}",
                read.hash(),
                version.content.hash()
            ));
        }
        Ok(read) => {
            let under_rule = version.hash_rule.rule().map(|rule| rule.hash(read));
            if under_rule.is_none_or(|hash| hash != stored.hash) {
                problems.push("the hash that decides is not that of its content under its rule".to_owned());
            }
        }
        Err(error) => problems.push(format!("its content is not JSON that we keep: {error}")),
    }
    if Content::parse(version.metadata.as_str()).map_or(true, |read| read.as_str() != version.metadata.as_str()) {
        problems.push("its metadata is not canonical JSON".to_owned());
    }
    (problems, read.ok())
}
