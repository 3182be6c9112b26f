//! The rules in their plainest form: a row for each sighting, a list of contents for each record, nothing clever.
//!
//! Written apart from core's plan, from the rules of DESIGN.md alone, so that the two can disagree.

use std::cmp::Reverse;
use std::collections::{BTreeMap, BTreeSet};

use feedspine_core::{Candidate, ChangeKind, Content, ContentHash, Counts, FeedId, FetchId, HashRule, Timestamp};

/// All that the contract says is held.
#[derive(Debug, Default)]
pub(super) struct Model {
    pub(super) records: BTreeMap<String, Record>,
    feeds: BTreeMap<FeedId, Feed>,
}

#[derive(Debug, Default)]
pub(super) struct Record {
    /// Version n is at n - 1.
    pub(super) contents: Vec<Content>,
    /// One row for each sighting: feed, fetch, version.
    pub(super) sightings: Vec<(FeedId, FetchId, Option<u32>)>,
    first_seen: Option<Timestamp>,
}

#[derive(Debug, Default)]
struct Feed {
    /// What it was last known to hold: the version shown by its documents, and the item's age.
    present: BTreeMap<String, (u32, Timestamp)>,
    /// The version that it showed last, by whatever batch.
    shown: BTreeMap<String, u32>,
    /// Items that left in a way that can be told.
    left: BTreeSet<String>,
}

/// A whole document or a Delta, as the model needs it.
#[derive(Debug, Clone)]
pub(super) struct Document {
    pub(super) feed: FeedId,
    pub(super) fetch: FetchId,
    pub(super) observed_at: Timestamp,
    /// Two contents are one when they are equal under it.
    pub(super) rule: HashRule,
    pub(super) items: Vec<Candidate>,
    /// Keys of rejected items.
    pub(super) rejected: Vec<String>,
}

/// What one document did: the counts, and what happened to which key, in no order.
#[derive(Debug, Default)]
pub(super) struct Told {
    pub(super) counts: Counts,
    pub(super) story: Vec<(ChangeKind, String)>,
}

impl Told {
    fn tell(&mut self, kind: ChangeKind, name: &str) {
        self.story.push((kind, name.to_owned()));
    }
}

impl Model {
    /// The items that the feed was last known to hold.
    pub(super) fn held_by(&self, feed: FeedId) -> impl Iterator<Item = &String> {
        self.feeds.get(&feed).into_iter().flat_map(|feed| feed.present.keys())
    }

    /// How old an item is: published, else first seen.
    pub(super) fn age(&self, item: &Candidate, observed_at: Timestamp) -> Timestamp {
        let first_seen = self.records.get(item.key.key()).and_then(|record| record.first_seen);
        item.published.or(first_seen).unwrap_or(observed_at)
    }

    pub(super) fn delta(&mut self, document: &Document) -> Told {
        let mut told = Told::default();
        for (name, version, _) in self.versions_shown(document, &mut told) {
            self.sight(&name, document.feed, document.fetch, version);
        }
        told
    }

    pub(super) fn unchanged(&mut self, feed: FeedId, fetch: FetchId) -> Told {
        let mut told = Told::default();
        let present = self.feeds.entry(feed).or_default().present.clone();
        told.counts.seen = present.len() as u64;
        told.counts.unchanged = told.counts.seen;
        for (name, (version, _)) in present {
            self.sight(&name, feed, fetch, version);
        }
        told
    }

    pub(super) fn snapshot(&mut self, document: &Document, complete: bool) -> Told {
        let mut told = Told::default();
        let shown = self.versions_shown(document, &mut told);
        let feed = self.feeds.entry(document.feed).or_default();
        let listed: BTreeSet<&String> = shown.iter().map(|(name, _, _)| name).collect();
        let stays = |name: &String| listed.contains(name) || document.rejected.contains(name);
        let (stayed, gone): (BTreeMap<_, _>, BTreeMap<_, _>) =
            std::mem::take(&mut feed.present).into_iter().partition(|(name, _)| stays(name));

        let ages: Vec<Timestamp> = shown.iter().map(|(_, _, age)| *age).collect();
        let ordered = ages.is_sorted() || ages.iter().rev().is_sorted();
        let tells = complete && ordered && !shown.is_empty() && !stayed.is_empty();
        for (name, (_, age)) in &gone {
            if !tells {
                continue;
            }
            feed.left.insert(name.clone());
            if stayed.values().any(|(_, other)| other < age) {
                told.counts.withdrawn += 1;
                told.tell(ChangeKind::Withdrawn, name);
            } else {
                told.counts.scrolled_off += 1;
                told.tell(ChangeKind::ScrolledOff, name);
            }
        }
        if !gone.is_empty() && stayed.is_empty() && !shown.is_empty() {
            told.counts.gaps = 1;
            told.tell(ChangeKind::Gap, "");
        }

        for (name, version, age) in &shown {
            let age = stayed.get(name).map_or(*age, |(_, age)| *age);
            if !stayed.contains_key(name) && feed.left.remove(name) {
                told.counts.returned += 1;
                told.tell(ChangeKind::Returned, name);
            }
            feed.present.insert(name.clone(), (*version, age));
        }
        for (name, held) in stayed {
            feed.present.entry(name).or_insert(held);
        }
        for (name, (version, _)) in feed.present.clone() {
            self.sight(&name, document.feed, document.fetch, version);
        }
        told
    }

    /// A bronze version by a call.
    pub(super) fn write(&mut self, name: &str, content: &Content) {
        let record = self.records.get_mut(name).expect("the story writes to records that are there");
        if record.contents.last() != Some(content) {
            record.contents.push(content.clone());
        }
    }

    pub(super) fn delete(&mut self, name: &str) {
        self.records.remove(name);
        for feed in self.feeds.values_mut() {
            feed.present.remove(name);
            feed.shown.remove(name);
            feed.left.remove(name);
        }
    }

    fn sight(&mut self, name: &str, feed: FeedId, fetch: FetchId, version: u32) {
        let record = self.records.get_mut(name).expect("what is sighted has a record");
        record.sightings.push((feed, fetch, Some(version)));
    }

    /// One winner for each key, in the order of the document, with the version it shows; counts and tells what is new.
    fn versions_shown(&mut self, document: &Document, told: &mut Told) -> Vec<(String, u32, Timestamp)> {
        let mut shown = Vec::new();
        let mut done = BTreeSet::new();
        told.counts.rejected = document.rejected.len() as u64;
        for first in &document.items {
            let name = first.key.key().to_owned();
            if !done.insert(name.clone()) {
                continue;
            }
            let rivals: Vec<&Candidate> = document.items.iter().filter(|item| item.key == first.key).collect();
            let winner = self.winner(document, &rivals);
            let contents: BTreeSet<_> = rivals.iter().map(|rival| document.rule.hash(&rival.content)).collect();
            told.counts.rejected += contents.len() as u64 - 1;
            told.counts.repeated += (rivals.len() - contents.len()) as u64;
            let version = self.version_of(document, winner, told);
            let age = self.age(winner, document.observed_at);
            let place = document.items.iter().position(|item| item == winner);
            shown.push((place, (name, version, age)));
        }
        shown.sort_by_key(|(place, _)| *place);
        told.counts.seen = told.counts.new + told.counts.changed + told.counts.unchanged + told.counts.rejected;
        shown.into_iter().map(|(_, shown)| shown).collect()
    }

    fn winner<'a>(&self, document: &Document, rivals: &[&'a Candidate]) -> &'a Candidate {
        let name = rivals[0].key.key();
        let hash = |content: &Content| document.rule.hash(content);
        let last = self.feeds.get(&document.feed).and_then(|feed| feed.shown.get(name));
        let last: Option<ContentHash> = last.map(|version| hash(&self.records[name].contents[*version as usize - 1]));
        let rank = |rival: &&&'a Candidate| {
            let rival: &'a Candidate = rival;
            let content = &rival.content;
            (rival.updated, rival.published, Reverse(hash(content)), Reverse(content.as_str()), Reverse(rival.key_rule))
        };
        // Of equal ones the first stands: `max_by_key` would give the last.
        let first = rivals.iter().rev();
        let same = first.clone().filter(|rival| last == Some(hash(&rival.content))).max_by_key(rank);
        same.or_else(|| first.max_by_key(rank)).expect("a key has an item")
    }

    fn version_of(&mut self, document: &Document, item: &Candidate, told: &mut Told) -> u32 {
        let (name, content) = (item.key.key(), &item.content);
        let same = |held: &Content| document.rule.hash(held) == document.rule.hash(content);
        let feed = self.feeds.entry(document.feed).or_default();
        let record = self
            .records
            .entry(name.to_owned())
            .or_insert_with(|| Record { first_seen: Some(document.observed_at), ..Record::default() });
        let number = |at: usize| u32::try_from(at).expect("a short story") + 1;
        let last = feed.shown.get(name).copied();
        let version = if let Some(last) = last.filter(|last| same(&record.contents[*last as usize - 1])) {
            told.counts.unchanged += 1;
            last
        } else if record.contents.last().is_some_and(same) {
            told.counts.unchanged += 1;
            number(record.contents.len() - 1)
        } else if let (None, Some(at)) = (last, record.contents.iter().position(same)) {
            told.counts.unchanged += 1;
            number(at)
        } else {
            record.contents.push(content.clone());
            let first = record.contents.len() == 1;
            *(if first { &mut told.counts.new } else { &mut told.counts.changed }) += 1;
            told.tell(if first { ChangeKind::New } else { ChangeKind::Changed }, name);
            number(record.contents.len() - 1)
        };
        feed.shown.insert(name.to_owned(), version);
        version
    }
}
