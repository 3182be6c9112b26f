//! What a feed's rows say of one another: its ledger, and whatever else names an observation of it.

use std::collections::HashMap;

use super::mark;
use crate::ingest::{FeedState, Observation};
use crate::transfer::{FeedRow, ObservationRow, RejectRow};
use crate::{ChangeKind, Counts, Coverage, Event, FetchId, HashRuleId, Round, Timestamp};

/// What is known of a feed so far.
#[derive(Debug)]
pub(super) struct FeedCheck {
    state: FeedState,
    fetches: HashMap<FetchId, Seen>,
    /// From the first.
    rounds: Vec<RoundCheck>,
    /// The highest revision that a part had, and that of the last fetch that came in one.
    revision: u64,
    last_revision: u64,
    open: u64,
}

/// An observation.
#[derive(Debug)]
struct Seen {
    round: Option<Round>,
    observed_at: Timestamp,
    /// `None` where it came in parts: each has its own.
    recorded_at: Option<Timestamp>,
    /// Only where there is something to count: most polls find nothing new.
    tally: Option<Box<Tally>>,
}

/// What an observation says, and what other rows say of it.
#[derive(Debug, Default)]
struct Tally {
    counts: Counts,
    /// Rejects with a key, as its parts have them.
    keyed: u64,
    found: Counts,
    found_keyed: u64,
    points: u64,
    /// Of the versions that its parts made, and of those that its changes name.
    made: u64,
    logged: u64,
}

/// A round: how many sightings it can have, and how many more or less it has than the round before.
#[derive(Debug)]
struct RoundCheck {
    fetch: FetchId,
    items: u64,
    /// Rejects with a key count as present.
    keyed: u64,
    change: i64,
}

impl FeedCheck {
    pub(super) fn new(row: &FeedRow) -> Self {
        Self {
            state: row.state.clone(),
            fetches: HashMap::new(),
            rounds: Vec::new(),
            revision: 0,
            last_revision: 0,
            open: 0,
        }
    }

    /// The rule under which the hashes of its open spans are made.
    pub(super) fn rule(&self) -> Option<&HashRuleId> {
        self.state.manifest.as_ref().map(|manifest| &manifest.hash_rule)
    }

    pub(super) fn has(&self, fetch: FetchId) -> bool {
        self.fetches.contains_key(&fetch)
    }

    pub(super) fn observed_at(&self, fetch: FetchId) -> Option<Timestamp> {
        self.fetches.get(&fetch).map(|observed| observed.observed_at)
    }

    /// What is wrong with the time at which something of an observation was recorded.
    pub(super) fn recorded(&self, fetch: FetchId, at: Timestamp) -> Option<String> {
        let right = self.fetches.get(&fetch)?.recorded_at.filter(|right| *right != at)?;
        Some(format!("it was recorded at {at}, but its observation at {right}"))
    }

    pub(super) fn had(&self, round: Round) -> bool {
        round.get() <= self.rounds.len() as u64
    }

    /// Takes the next row of the ledger; what is wrong with it.
    pub(super) fn observation(&mut self, row: &ObservationRow) -> Vec<String> {
        let seen = &row.ledger.observation;
        let keyed: u64 = row.parts.iter().map(|(_, part)| part.rejected.len() as u64).sum();
        let mut problems = self.parts(row);
        if self.has(seen.fetch) {
            problems.push("it is there twice".to_owned());
        }
        if let Coverage::Unchanged { of } = seen.coverage
            && self.fetches.get(&of).is_none_or(|of| of.round.is_none())
        {
            problems.push(format!("it repeats {of}, which is no earlier observation"));
        }
        if let Some(round) = seen.round {
            let right = self.rounds.len() as u64 + 1;
            if round.get() != right {
                problems.push(format!("its round is {}, not {right}", round.get()));
            }
            self.rounds.push(RoundCheck { fetch: seen.fetch, items: items(&seen.counts), keyed, change: 0 });
        }
        if (row.ledger.ended && seen.coverage != Coverage::Delta) != seen.round.is_some() {
            problems.push("it has a round and should not, or the other way".to_owned());
        }
        let alone = row.parts.len() == 1;
        let observed = Seen {
            round: seen.round,
            observed_at: seen.observed_at,
            recorded_at: alone.then_some(seen.recorded_at),
            tally: tally(row, keyed),
        };
        self.fetches.insert(seen.fetch, observed);
        problems
    }

    /// What an observation's parts say against it, and against themselves.
    fn parts(&mut self, row: &ObservationRow) -> Vec<String> {
        let seen = &row.ledger.observation;
        let mut problems = Vec::new();
        let mut sum = Counts::default();
        for (index, part) in &row.parts {
            let counts = part.committed.counts;
            sum += counts;
            self.revision = self.revision.max(part.committed.revision);
            if part.made.len() as u64 != counts.new + counts.changed {
                problems.push(format!("part {index} names not as many versions as it counts new and changed items"));
            }
        }
        if let [(_, alone)] = row.parts.as_slice() {
            let revision = std::mem::replace(&mut self.last_revision, alone.committed.revision);
            if alone.committed.revision < revision {
                problems.push(format!("its revision is {}, that before it {revision}", alone.committed.revision));
            }
        }
        if !row.parts.iter().any(|(_, part)| part.committed.round == seen.round) {
            problems.push("its round is not that of a part".to_owned());
        }
        let counts = seen.counts;
        if sum != counts {
            problems.push("its counts are not the sum of its parts'".to_owned());
        }
        if counts.seen != items(&counts) + counts.rejected {
            problems.push("seen is not new + changed + unchanged + rejected".to_owned());
        }
        if counts.held_back > counts.unchanged {
            problems.push("it holds back more than is unchanged".to_owned());
        }
        problems
    }

    pub(super) fn reject(&mut self, row: &RejectRow) {
        let Some(tally) = self.tally_of(row.quarantined.fetch) else { return };
        tally.found.rejected += 1;
        tally.found_keyed += u64::from(row.quarantined.reject.key.is_some());
    }

    pub(super) fn point(&mut self, fetch: FetchId) {
        if let Some(tally) = self.tally_of(fetch) {
            tally.points += 1;
        }
    }

    pub(super) fn event(&mut self, fetch: FetchId, event: &Event) {
        let Some(Tally { found, logged, .. }) = self.tally_of(fetch) else { return };
        if let (ChangeKind::New | ChangeKind::Changed, Some(subject)) = (event.kind, &event.subject) {
            *logged ^= mark((subject.key.hash(), subject.version));
        }
        let count = match event.kind {
            ChangeKind::New => &mut found.new,
            ChangeKind::Changed => &mut found.changed,
            ChangeKind::Withdrawn => &mut found.withdrawn,
            ChangeKind::ScrolledOff => &mut found.scrolled_off,
            ChangeKind::Returned => &mut found.returned,
            ChangeKind::Gap => &mut found.gaps,
            ChangeKind::Promoted | ChangeKind::Deleted => return,
        };
        *count += 1;
    }

    /// A record was present from that round on; to a last one, or still.
    pub(super) fn span(&mut self, since: Round, until: Option<Round>) {
        self.open += u64::from(until.is_none());
        self.change(since.get(), 1);
        if let Some(until) = until {
            self.change(until.get() + 1, -1);
        }
    }

    /// Rounds that never were are told where they are named.
    fn change(&mut self, round: u64, by: i64) {
        let at = usize::try_from(round - 1).ok();
        if let Some(round) = at.and_then(|at| self.rounds.get_mut(at)) {
            round.change += by;
        }
    }

    fn tally_of(&mut self, fetch: FetchId) -> Option<&mut Tally> {
        self.fetches.get_mut(&fetch).map(|observed| &mut **observed.tally.get_or_insert_default())
    }

    /// After the last row: what only the whole can tell. So many records, or layers of them, were deleted, each with its
    /// sightings.
    pub(super) fn finish(&self, deleted: u64) -> Vec<String> {
        let mut problems = self.state_problems();
        let mut fetches: Vec<_> = self.fetches.iter().collect();
        fetches.sort_unstable_by_key(|(id, _)| **id);
        for (fetch, Seen { round, tally, .. }) in fetches {
            let told = tally.iter().flat_map(|tally| tally.problems(*round, deleted));
            problems.extend(told.map(|problem| format!("observation {fetch}: {problem}")));
        }
        let mut present: i64 = 0;
        for (number, round) in (1..).zip(&self.rounds) {
            present += round.change;
            let (least, most) = (round.items.saturating_sub(deleted), round.items + round.keyed);
            if !u64::try_from(present).is_ok_and(|present| (least..=most).contains(&present)) {
                let (fetch, items) = (round.fetch, round.items);
                problems.push(format!(
                    "observation {fetch}: it saw {items} items, but spans show {present} records in its round {number}"
                ));
            }
        }
        problems
    }

    /// What the feed's own row says against the others.
    fn state_problems(&self) -> Vec<String> {
        let mut problems = Vec::new();
        let mut expect = |of: &str, right: u64, counted: u64| {
            if right != counted {
                problems.push(format!("{of} is {right}, but there are {counted}"));
            }
        };
        expect("the last round", self.state.round.map_or(0, Round::get), self.rounds.len() as u64);
        expect("the size of the manifest", self.state.manifest.as_ref().map_or(0, |manifest| manifest.size), self.open);
        if self.state.revision != self.revision {
            problems.push(format!("its revision is {}, that of its ledger {}", self.state.revision, self.revision));
        }
        if let Some(manifest) = &self.state.manifest
            && self.fetches.get(&manifest.told_by).is_none_or(|it| it.round != Some(manifest.told_in))
        {
            let (fetch, round) = (manifest.told_by, manifest.told_in.get());
            problems.push(format!("its manifest was told by {fetch} in round {round}, which is not in its ledger"));
        }
        problems
    }
}

impl Tally {
    fn problems(&self, round: Option<Round>, deleted: u64) -> Vec<String> {
        let (right, found) = (&self.counts, &self.found);
        let mut problems: Vec<String> = [
            ("new items", right.new, "the change log has", found.new),
            ("changed items", right.changed, "the change log has", found.changed),
            ("withdrawn items", right.withdrawn, "the change log has", found.withdrawn),
            ("items scrolled off", right.scrolled_off, "the change log has", found.scrolled_off),
            ("returned items", right.returned, "the change log has", found.returned),
            ("gaps", right.gaps, "the change log has", found.gaps),
            ("rejects", right.rejected, "the quarantine has", found.rejected),
            ("rejects with a key", self.keyed, "the quarantine has", self.found_keyed),
        ]
        .into_iter()
        .filter(|(_, right, _, found)| right != found)
        .map(|(what, right, holder, found)| format!("it counts {right} {what}, but {holder} {found}"))
        .collect();
        if self.made != self.logged {
            problems.push("its parts made other versions than the change log tells".to_owned());
        }
        let most = if round.is_some() { 0 } else { items(right) };
        if !(most.saturating_sub(deleted)..=most).contains(&self.points) {
            problems.push(format!("it has {most} sightings of its own, but there are {}", self.points));
        }
        problems
    }
}

/// What is to be compared with other rows.
fn tally(row: &ObservationRow, keyed: u64) -> Option<Box<Tally>> {
    let Observation { counts, round, .. } = row.ledger.observation;
    let Counts { new, changed, rejected, withdrawn, scrolled_off, returned, gaps, .. } = counts;
    let is_quiet = new + changed + rejected + withdrawn + scrolled_off + returned + gaps + keyed == 0;
    let made = row.parts.iter().flat_map(|(_, part)| &part.made);
    let made = made.fold(0, |marks, (key, version)| marks ^ mark((*key, Some(*version))));
    (!is_quiet || round.is_none()).then(|| Box::new(Tally { counts, keyed, made, ..Tally::default() }))
}

/// The items that were taken: each is a sighting.
fn items(counts: &Counts) -> u64 {
    counts.new + counts.changed + counts.unchanged
}
