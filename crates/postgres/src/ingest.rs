//! Ingest: loads what the plan needs, in a few round trips. Applying it is in `apply.rs`.

use std::collections::HashMap;
use std::sync::atomic::{AtomicBool, Ordering};

use feedspine_core::ingest::{
    Begin, CHURN, Churning, Earlier, IngestReport, Known, Loaded, MOST_CHURNING, Prepared, Present, Recent, Shown,
    may_churn,
};
use feedspine_core::{
    Content, ContentHash, Coverage, CursorStep, HashRule, HashRuleId, KeyHash, KeyHashMap, RecordId, SpanEnd, VersionNo,
};
use uuid::Uuid;

use crate::apply::Target;
use crate::bind::bind;
use crate::error::Outcome;
use crate::feed_row::FeedRow;
use crate::header::Head;
use crate::ledger;
use crate::manifest::{self, OpenSpans};
use crate::rows::{self, Columns, corrupt};
use crate::session::{Session, both};

/// Takes a batch: everything it writes, and the answer. The session holds the locks of its namespaces and its feed.
///
/// `hope` is set at the first try: the items of a feed that was never read are then taken for new without a look. If one
/// is not, the index of the keys refuses the write, and the next try looks.
pub(crate) async fn ingest(session: &Session, prepared: &Prepared, hope: &AtomicBool) -> Outcome<IngestReport> {
    let asking = Loader::new(session, prepared);
    let (head, ahead) = both(Head::load(session, prepared), asking.ahead()).await?;
    let header = head.to_header(prepared);
    let (plan, open) = match prepared.begin(&header)? {
        Begin::Replay(_) => {
            let told = head.told(prepared).ok_or_else(|| corrupt("a part without its fetch"))?;
            return ledger::replay(told, prepared);
        }
        Begin::Settled(plan) => (*plan, OpenSpans::default()),
        Begin::Judge => {
            let manifest = header.feed.manifest.as_ref();
            let open = match ahead {
                Some(open) if manifest.is_some_and(|held| !prepared.shows(held)) => open,
                _ => asking.open(&head.feed).await?,
            };
            let is_first = head.feed.observations == 0;
            let known = (is_first && hope.swap(false, Ordering::Relaxed)).then(KeyHashMap::default);
            let loaded = asking.load(&head.feed, &open, known, head.is_begun()).await?;
            (prepared.plan(&header, &loaded), open)
        }
    };
    let begun = head.is_begun();
    let target = Target { feed: head.feed, begun, open };
    target.apply(session, prepared, &plan).await?;
    Ok(plan.report)
}

/// Reads what a plan needs to know.
struct Loader<'a> {
    session: &'a Session,
    prepared: &'a Prepared,
    rule: &'a HashRule,
    rule_id: HashRuleId,
}

impl<'a> Loader<'a> {
    fn new(session: &'a Session, prepared: &'a Prepared) -> Self {
        let rule = &prepared.batch().hash_rule;
        Self { session, prepared, rule, rule_id: rule.id() }
    }

    fn feed(&self) -> Uuid {
        rows::feed_uuid(self.prepared.batch().feed)
    }

    fn fetch(&self) -> Uuid {
        rows::fetch_uuid(self.prepared.batch().fetch)
    }

    /// The feed's open spans; one without a manifest has none.
    async fn open(&self, feed: &FeedRow) -> Outcome<OpenSpans> {
        match &feed.state.manifest {
            Some(_) => manifest::load(self.session, self.feed()).await,
            None => Ok(OpenSpans::default()),
        }
    }

    /// The open spans, asked for together with the header, which will probably send for them: a feed that was read
    /// before has some, and does not hold just what the batch shows.
    async fn ahead(&self) -> Outcome<Option<OpenSpans>> {
        let batch = self.prepared.batch();
        let is_first = matches!(batch.step, CursorStep::Advance { expected: 0, .. });
        if is_first || matches!(batch.coverage, Coverage::Unchanged { .. }) {
            return Ok(None);
        }
        let shown = self.prepared.manifest_digest().map(|digest| digest.0);
        let unless = shown.as_ref().map(|digest| (digest.as_slice(), self.rule_id.as_str()));
        manifest::load_unless(self.session, self.feed(), unless).await.map(Some)
    }

    async fn load(
        &self,
        feed: &FeedRow,
        open: &OpenSpans,
        known: Option<KeyHashMap<Known>>,
        has_earlier_parts: bool,
    ) -> Outcome<Loaded> {
        let mut loaded = Loaded { present: self.present(feed, open).await?, ..Loaded::default() };
        if has_earlier_parts {
            self.earlier(&mut loaded).await?;
        }
        let unnamed = self.prepared.unnamed(&loaded);
        let of_items = async {
            match known {
                Some(known) => Ok(known),
                None => self.known(&self.prepared.unsettled(&loaded)).await,
            }
        };
        let (known, keys) = both(of_items, self.keys(&unnamed)).await?;
        loaded.known = known;
        for (key_hash, shown) in self.matching(&loaded).await? {
            if let Some(known) = loaded.known.get_mut(&key_hash) {
                known.matching.push(shown);
            }
        }
        loaded.keys = keys;
        Ok(loaded)
    }

    /// The open spans, their hashes under the batch's rule.
    async fn present(&self, feed: &FeedRow, open: &OpenSpans) -> Outcome<KeyHashMap<Present>> {
        let changes_rule = feed.state.manifest.as_ref().is_some_and(|manifest| manifest.hash_rule != self.rule_id);
        let whole = changes_rule || self.prepared.closes_document();
        let present = if whole { open.to_map() } else { open.of(self.prepared.key_hashes()) };
        let mut present = present.ok_or_else(|| corrupt("a manifest's numbers"))?;
        if changes_rule {
            self.rehash(present.values_mut().map(|present| (present.record, &mut present.shown)).collect()).await?;
        }
        Ok(present)
    }

    /// What earlier parts of this fetch have shown: of all keys, with the keys that they rejected, when the document ends
    /// with this part; else of its own keys.
    async fn earlier(&self, loaded: &mut Loaded) -> Outcome<()> {
        const SHOWN: &str = "r.key_hash, p.record, p.age, p.ordinal, p.shown_version, p.shown_hash, a.ended";
        const ABSENT: &str = "LEFT JOIN absent a ON a.record = p.record AND a.feed = p.feed";
        let (fetch, feed) = (self.fetch(), self.feed());
        let points = if self.prepared.closes_document() {
            let points = format!(
                "SELECT {SHOWN} FROM points p JOIN records r ON r.id = p.record {ABSENT}
                 WHERE p.fetch_id = $1 AND p.feed = $2"
            );
            let rejects = "SELECT namespace, key FROM rejects WHERE fetch_id = $1 AND feed = $2 AND key IS NOT NULL";
            let (points, rejects) = both(
                self.session.query(&points, &bind![fetch, feed]),
                self.session.query(rejects, &bind![fetch, feed]),
            )
            .await?;
            for row in &rejects {
                loaded.rejected.insert(Columns::of(row).key()?.hash());
            }
            points
        } else {
            let own: Vec<&[u8]> = self.prepared.key_hashes().map(|key_hash| key_hash.as_bytes().as_slice()).collect();
            let points = format!(
                "SELECT {SHOWN} FROM unnest($3) AS t (key_hash) JOIN records r ON r.key_hash = t.key_hash
                 JOIN points p ON p.record = r.id AND p.feed = $2 AND p.fetch_id = $1 {ABSENT}"
            );
            self.session.query(&points, &bind![fetch, feed, own]).await?
        };
        for row in &points {
            let mut columns = Columns::of(row);
            let key_hash = KeyHash::from_bytes(columns.digest()?);
            let (record, age, ordinal) = (columns.record()?, columns.instant()?, columns.ordinal()?);
            let (shown, left) = (columns.shown()?, read_left(&mut columns)?);
            loaded.earlier.insert(key_hash, Earlier { record, shown, age, ordinal, left });
        }
        self.rehash(loaded.earlier.values_mut().map(|told| (told.record, &mut told.shown)).collect()).await
    }

    /// Puts the hashes of versions that were shown under the batch's rule; they stay as they are where the version is
    /// gone.
    async fn rehash(&self, shown: Vec<(RecordId, &mut Shown)>) -> Outcome<()> {
        if shown.is_empty() {
            return Ok(());
        }
        let records: Vec<Uuid> = shown.iter().map(|(record, _)| rows::record_uuid(*record)).collect();
        let numbers: Vec<i32> = shown.iter().map(|(_, shown)| rows::version_number(shown.version)).collect();
        let statement = "SELECT v.record, v.number, v.hash, v.rule, v.rule_hash,
                                CASE WHEN v.rule <> $3 THEN v.content END
             FROM unnest($1, $2) AS t (record, number)
             JOIN versions v ON v.record = t.record AND v.layer = 0 AND v.number = t.number";
        let found = self.session.query(statement, &bind![records, numbers, self.rule_id.as_str()]).await?;
        let mut hashes = HashMap::with_capacity(found.len());
        for row in &found {
            let mut columns = Columns::of(row);
            let record = columns.record()?;
            let under = self.version(&mut columns)?;
            hashes.insert((record, under.version), under.hash);
        }
        for (record, shown) in shown {
            if let Some(hash) = hashes.get(&(record, shown.version)) {
                shown.hash = *hash;
            }
        }
        Ok(())
    }

    /// What is held of keys that have a record, but for matching versions.
    async fn known(&self, wanted: &[KeyHash]) -> Outcome<KeyHashMap<Known>> {
        if wanted.is_empty() {
            return Ok(KeyHashMap::default());
        }
        let hashes: Vec<&[u8]> = wanted.iter().map(|key_hash| key_hash.as_bytes().as_slice()).collect();
        let version = |name: &str| {
            format!(
                "{name}.number, {name}.hash, {name}.rule, {name}.rule_hash,
                     CASE WHEN {name}.rule <> $3 THEN {name}.content END"
            )
        };
        let statement = format!(
            "SELECT r.key_hash, r.id, r.first_seen, a.ended, {}, {}, c.recorded_at
             FROM unnest($1) AS t (key_hash) JOIN records r ON r.key_hash = t.key_hash
             LEFT JOIN absent a ON a.record = r.id AND a.feed = $2
             LEFT JOIN versions s ON s.record = r.id AND s.layer = 0 AND s.number = a.shown_version
             LEFT JOIN LATERAL (SELECT * FROM versions v WHERE v.record = r.id AND v.layer = 0
                                ORDER BY v.number DESC LIMIT 1) c ON true",
            version("s"),
            version("c"),
        );
        let found = self.session.query(&statement, &bind![hashes, self.feed(), self.rule_id.as_str()]).await?;
        let (mut known, mut may_hold_back) = (KeyHashMap::default(), Vec::new());
        known.reserve(found.len());
        for row in &found {
            let mut columns = Columns::of(row);
            let key_hash = KeyHash::from_bytes(columns.digest()?);
            let (record, first_seen) = (columns.record()?, columns.instant()?);
            let left = read_left(&mut columns)?;
            // What was deleted since is no version to be equal to.
            let shown = self.optional_version(&mut columns)?;
            let current = self.optional_version(&mut columns)?;
            let newest = columns.optional_instant()?;
            if may_churn(current) && newest.is_some_and(|at| self.prepared.is_recent(at)) {
                may_hold_back.push(key_hash);
            }
            let (matching, churning) = (Vec::new(), None);
            known.insert(key_hash, Known { record, first_seen, current, shown, left, matching, churning });
        }
        // Hardly any record churns: one question for each, so that the contents of one at a time are held.
        for key_hash in may_hold_back {
            if let Some(known) = known.get_mut(&key_hash) {
                known.churning = self.churning(known.record).await?;
            }
        }
        Ok(known)
    }

    /// What a record says that churns.
    async fn churning(&self, record: RecordId) -> Outcome<Option<Churning>> {
        let statement = format!(
            "SELECT recorded_at, fetch_id, rule, hash, CASE WHEN octet_length(content) <= {MOST_CHURNING} THEN content END
             FROM versions WHERE record = $1 AND layer = 0 ORDER BY number DESC LIMIT $2"
        );
        let found = self.session.query(&statement, &bind![rows::record_uuid(record), i64::from(CHURN)]).await?;
        self.prepared.churning(found.iter().map(|row| read_recent(&mut Columns::of(row))))
    }

    /// The bronze versions that equal an item of the batch, of records that this feed sights for the first time: only
    /// they are compared with every version.
    async fn matching(&self, loaded: &Loaded) -> Outcome<Vec<(KeyHash, Shown)>> {
        let first_sights = loaded.known.iter().filter(|(_, known)| known.shown.is_none() && known.current.is_some());
        let mut pairs: Vec<(KeyHash, ContentHash)> = Vec::new();
        for (key_hash, _) in first_sights.filter(|(key_hash, _)| !loaded.present.contains_key(key_hash)) {
            pairs.extend(self.prepared.hashes_of(key_hash).into_iter().map(|hash| (*key_hash, hash)));
        }
        if pairs.is_empty() {
            return Ok(Vec::new());
        }
        let keys: Vec<&[u8]> = pairs.iter().map(|(key_hash, _)| key_hash.as_bytes().as_slice()).collect();
        let hashes: Vec<&[u8]> = pairs.iter().map(|(_, hash)| hash.as_bytes().as_slice()).collect();
        let statement = "SELECT DISTINCT r.key_hash, v.number, v.hash, v.rule, v.rule_hash,
                                CASE WHEN v.rule <> $3 THEN v.content END
             FROM unnest($1, $2) AS t (key_hash, hash) JOIN records r ON r.key_hash = t.key_hash
             JOIN versions v ON v.record = r.id AND v.layer = 0
             WHERE v.rule <> $3 OR coalesce(v.rule_hash, v.hash) = t.hash ORDER BY r.key_hash, v.number";
        let found = self.session.query(statement, &bind![keys, hashes, self.rule_id.as_str()]).await?;
        let mut matching = Vec::new();
        for row in &found {
            let mut columns = Columns::of(row);
            let key_hash = KeyHash::from_bytes(columns.digest()?);
            let shown = self.version(&mut columns)?;
            if self.prepared.hashes_of(&key_hash).contains(&shown.hash) {
                matching.push((key_hash, shown));
            }
        }
        Ok(matching)
    }

    async fn keys(&self, wanted: &[RecordId]) -> Outcome<HashMap<RecordId, feedspine_core::NaturalKey>> {
        if wanted.is_empty() {
            return Ok(HashMap::new());
        }
        let ids: Vec<Uuid> = wanted.iter().map(|id| rows::record_uuid(*id)).collect();
        let statement = "SELECT id, namespace, key FROM records WHERE id = ANY($1)";
        let found = self.session.query(statement, &bind![ids]).await?;
        found
            .iter()
            .map(|row| {
                let mut columns = Columns::of(row);
                Ok((columns.record()?, columns.key()?))
            })
            .collect()
    }

    /// A version under the batch's rule: number, hash, rule, hash under that rule, and the content if the rule differs.
    fn version(&self, columns: &mut Columns<'_>) -> Outcome<Shown> {
        self.optional_version(columns)?.ok_or_else(|| corrupt("a version without a number"))
    }

    fn optional_version(&self, columns: &mut Columns<'_>) -> Outcome<Option<Shown>> {
        let number: Option<VersionNo> = columns.optional_version()?;
        let whole = columns.optional_digest()?.map(ContentHash::from_bytes);
        let _rule: Option<&str> = columns.take()?;
        let under = columns.optional_digest()?.map(ContentHash::from_bytes);
        let content: Option<&str> = columns.take()?;
        let Some((version, whole)) = number.zip(whole) else { return Ok(None) };
        let hash = match content {
            Some(text) => self.rule.hash(&Content::from_stored(text, whole)),
            None => under.unwrap_or(whole),
        };
        Ok(Some(Shown { version, hash }))
    }
}

fn read_recent(columns: &mut Columns<'_>) -> Outcome<Recent> {
    let (recorded_at, told_by) = (columns.instant()?, columns.optional_fetch()?);
    let hash_rule = HashRuleId::from_stored(columns.take()?);
    let hash = ContentHash::from_bytes(columns.digest()?);
    let content = columns.take::<Option<&str>>()?.map(|text| Content::from_stored(text, hash));
    Ok(Recent { recorded_at, told_by, hash_rule, content })
}

fn read_left(columns: &mut Columns<'_>) -> Outcome<Option<SpanEnd>> {
    let word = columns.take::<Option<&str>>()?;
    word.map(|word| SpanEnd::from_word(word).ok_or_else(|| corrupt("a span's end"))).transpose()
}
