//! Random stories of two feeds, told to a store and to the [`Model`](super::model::Model): both must say the same.

use feedspine_core::{
    Candidate, ChangeKind, Counts, Coverage, FeedId, HashRule, IngestBatch, JsonPath, RecordWrite, StorageExt,
    Timestamp,
};

use super::Subject;
use super::model::{Document, Model, Told};
use crate::Verdict;
use crate::check::{checks, ensure_eq};
use crate::noise::Noise;
use crate::script::{at, delta, feed, fetch, item_of, key, numbered, reject, snapshot, unchanged, write};

checks! { Subject, "stories":
    two_feeds_agree_with_a_row_for_each_sighting: "P5",
        "Over random documents, Deltas, 304s, writes and deletes a store holds what a naive model holds.";
    documents_in_parts_agree_with_a_row_for_each_sighting: "Parts", "The same, with documents that come in parts.";
    messy_documents_agree_with_a_row_for_each_sighting: "Same key twice in one fetch",
        "The same, with collisions, repeats, rejects and documents out of order.";
    documents_under_two_rules_agree_with_a_row_for_each_sighting: "Versions", "The same, with a hash rule that comes and goes.";
}

/// How a story is told.
#[derive(Debug, Clone, Copy, Default)]
struct Manner {
    in_parts: bool,
    messy: bool,
    two_rules: bool,
}

const STORIES: u64 = 4;
const STEPS: u32 = 60;
const NAMES: [&str; 9] = ["a", "b", "c", "d", "e", "f", "g", "h", "i"];

async fn two_feeds_agree_with_a_row_for_each_sighting(store: Subject) -> Verdict {
    tell_all(store, Manner::default()).await
}

async fn documents_in_parts_agree_with_a_row_for_each_sighting(store: Subject) -> Verdict {
    tell_all(store, Manner { in_parts: true, ..Manner::default() }).await
}

async fn messy_documents_agree_with_a_row_for_each_sighting(store: Subject) -> Verdict {
    tell_all(store, Manner { messy: true, ..Manner::default() }).await
}

async fn documents_under_two_rules_agree_with_a_row_for_each_sighting(store: Subject) -> Verdict {
    tell_all(store, Manner { messy: true, two_rules: true, ..Manner::default() }).await
}

async fn tell_all(store: Subject, manner: Manner) -> Verdict {
    for seed in 0..STORIES {
        Story {
            seed,
            manner,
            noise: Noise::seeded(seed),
            model: Model::default(),
            store: store.another().await?,
            manifests: [None; 2],
        }
        .tell()
        .await?;
    }
    Ok(())
}

struct Story {
    seed: u64,
    manner: Manner,
    noise: Noise,
    model: Model,
    store: Subject,
    /// The fetch that each feed's Unchanged may name.
    manifests: [Option<u32>; 2],
}

impl Story {
    async fn tell(mut self) -> Verdict {
        for number in 1..=STEPS {
            let which = self.noise.below(2);
            match self.noise.below(10) {
                0 | 1 if self.manifests[which].is_some() => self.unchanged(number, which).await?,
                2 => self.delta(number, which).await?,
                3 => self.write_or_delete().await?,
                _ => self.snapshot(number, which).await?,
            }
            self.compare(number).await?;
        }
        Ok(())
    }

    async fn unchanged(&mut self, number: u32, which: usize) -> Verdict {
        let feed = feed(which as u128);
        let of = self.manifests[which].unwrap_or_default();
        let told = self.model.unchanged(feed, fetch(number.into()));
        self.ingest(number, vec![IngestBatch { feed, ..unchanged(number, of) }], &told).await
    }

    async fn delta(&mut self, number: u32, which: usize) -> Verdict {
        let feed = feed(which as u128);
        let batch = IngestBatch { feed, hash_rule: self.rule(), ..delta(number, vec![]) };
        let items = self.document(feed, batch.observed_at);
        let batch = IngestBatch { items: numbered(0, items), ..batch };
        let told = self.model.delta(&document_of(&batch));
        let batches = self.in_parts(batch);
        self.ingest(number, batches, &told).await
    }

    async fn snapshot(&mut self, number: u32, which: usize) -> Verdict {
        let feed = feed(which as u128);
        let complete = self.noise.below(6) > 0;
        let coverage = Coverage::Snapshot { complete };
        let batch = IngestBatch { feed, coverage, hash_rule: self.rule(), ..snapshot(number, vec![]) };
        let items = self.document(feed, batch.observed_at);
        let batch = IngestBatch { items: numbered(0, items), rejects: self.rejects(), ..batch };
        let told = self.model.snapshot(&document_of(&batch), complete);
        self.manifests[which] = Some(number);
        let batches = self.in_parts(batch);
        self.ingest(number, batches, &told).await
    }

    /// A document much like the one before: some items gone, some edited, some new, in order of age or not.
    fn document(&mut self, feed: FeedId, observed_at: Timestamp) -> Vec<Candidate> {
        let held: Vec<String> = self.model.held_by(feed).cloned().collect();
        let shares = self.noise.below(12) > 0;
        let mut items: Vec<Candidate> = Vec::new();
        for name in NAMES {
            let is_held = held.iter().any(|held| held == name);
            let listed = if is_held { shares && self.noise.below(6) > 0 } else { self.noise.below(4) == 0 };
            if listed {
                items.push(self.item(name));
            }
        }
        items.sort_by_key(|item| std::cmp::Reverse(self.model.age(item, observed_at)));
        if self.manner.messy {
            for _ in 0..self.noise.below(3) {
                let name = *self.noise.pick(&NAMES);
                let place = self.noise.below(items.len() + 1);
                let again = self.item(name);
                items.insert(place, again);
            }
            if self.noise.below(5) == 0 {
                self.noise.shuffle(&mut items);
            }
        }
        if self.noise.below(15) == 0 { Vec::new() } else { items }
    }

    fn rule(&mut self) -> HashRule {
        let blind = self.manner.two_rules && self.noise.below(3) == 0;
        if blind { HashRule::without(vec![JsonPath::of(["views"])]) } else { HashRule::whole() }
    }

    /// An item whose date follows from its name, so that ages are no matter of luck; some have none.
    fn item(&mut self, name: &str) -> Candidate {
        let place = NAMES.iter().position(|other| *other == name).unwrap_or_default();
        let title = *self.noise.pick(&["x", "x", "x", "y", "z"]);
        // The first two are of the same age: a tie.
        let second = 100 * i64::try_from(place.max(1)).expect("a few names");
        let views = if self.manner.two_rules { self.noise.below(2) } else { 0 };
        let json = format!(r#"{{"title":"{title}","views":{views}}}"#);
        Candidate { published: (place < 6).then(|| at(second)), ..item_of(name, &json) }
    }

    fn rejects(&mut self) -> Vec<feedspine_core::Reject> {
        if !self.manner.messy || self.noise.below(4) > 0 {
            return Vec::new();
        }
        let name = *self.noise.pick(&NAMES);
        vec![reject(90, Some(name))]
    }

    fn in_parts(&mut self, batch: IngestBatch) -> Vec<IngestBatch> {
        if !self.manner.in_parts || batch.items.len() < 2 {
            return vec![batch];
        }
        let cut = self.noise.below(batch.items.len());
        let (head, tail) = batch.items.split_at(cut);
        let part = |index, last, items: &[Candidate]| IngestBatch {
            part: feedspine_core::Part { index, last },
            items: items.to_vec(),
            ..batch.clone()
        };
        vec![part(0, false, head), part(1, true, tail)]
    }

    async fn write_or_delete(&mut self) -> Verdict {
        let name = *self.noise.pick(&NAMES);
        if !self.model.records.contains_key(name) {
            return Ok(());
        }
        let id = self.store.record(name).await?.id;
        if self.noise.below(2) == 0 {
            self.model.delete(name);
            self.store.delete(id, None, at(1)).await?;
        } else {
            let content = self.item(name).content;
            self.model.write(name, &content);
            self.store.store(RecordWrite { id, content, ..write(0, name, "") }).await?;
        }
        Ok(())
    }

    async fn ingest(&mut self, number: u32, batches: Vec<IngestBatch>, told: &Told) -> Verdict {
        let seed = self.seed;
        let before = self.store.log().await?.len();
        let mut counts = Counts::default();
        for batch in &batches {
            counts += self.store.take(batch.clone()).await?.counts;
        }
        ensure_eq!(counts, told.counts, "the counts of fetch {number} of story {seed}: {batches:#?}");
        let mut logged: Vec<(ChangeKind, String)> = self.store.story().await?.split_off(before);
        let mut right = told.story.clone();
        logged.sort();
        right.sort();
        ensure_eq!(logged, right, "what fetch {number} of story {seed} logged: {batches:#?}");
        Ok(())
    }

    async fn compare(&self, number: u32) -> Verdict {
        let seed = self.seed;
        for name in NAMES {
            let Some(right) = self.model.records.get(name) else {
                let exists = self.store.exists_by_natural_key(&key(name)).await?;
                ensure_eq!(exists, false, "{name} has a record after step {number} of story {seed}");
                continue;
            };
            let versions = self.store.versions(name).await?;
            let contents: Vec<_> = versions.into_iter().map(|version| version.content).collect();
            ensure_eq!(contents, right.contents, "versions of {name} after step {number} of story {seed}");
            let sightings = self.store.sighted(name).await?;
            ensure_eq!(sightings, right.sightings, "sightings of {name} after step {number} of story {seed}");
            let count = self.store.seen(name).await?.map_or(0, |seen| seen.count);
            ensure_eq!(count, right.sightings.len() as u64, "count of {name} after step {number} of story {seed}");
        }
        Ok(())
    }
}

fn document_of(batch: &IngestBatch) -> Document {
    let keys = batch.rejects.iter().filter_map(|reject| Some(reject.key.as_ref()?.key().to_owned()));
    Document {
        feed: batch.feed,
        fetch: batch.fetch,
        observed_at: batch.observed_at,
        rule: batch.hash_rule.clone(),
        items: batch.items.clone(),
        rejected: keys.collect(),
    }
}
