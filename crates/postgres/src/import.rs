//! Rows of an export, written as what this store keeps of them, run by run of one kind.
//!
//! The table `importing` has a row as long as an import is not finished.

use std::collections::btree_map::{self, BTreeMap};
use std::collections::{BTreeSet, HashMap};

use feedspine_core::ingest::{Present, Standing, StoredVersion};
use feedspine_core::transfer::{
    FeedRow, ObservationRow, PointRow, Progress, RecordRow, RejectRow, Row, SpanRow, StandingRow, ToldRow, no_import,
    not_empty, unfounded,
};
use feedspine_core::{
    Coverage, Event, FeedId, FetchId, KeyHash, Layer, NaturalKey, RecordId, SpanEnd, Timestamp, VersionNo,
};
use uuid::Uuid;

use crate::apply::{self, Top, VersionRow};
use crate::bind::bind;
use crate::error::Outcome;
use crate::manifest::{self, OpenSpans};
use crate::rows::{self, COUNTS, Columns};
use crate::session::Session;
use crate::writes::Writes;
use crate::{changes, feed_row, ledger};

/// Whether an import was begun and not finished, as SQL says it.
pub(crate) const IS_UNFINISHED: &str = "EXISTS (SELECT 1 FROM importing)";

/// Begins an import, or says how far one came. The session is alone in the store, as in all of this file.
pub(crate) async fn begin(session: &Session) -> Outcome<Option<Progress>> {
    if let Some(progress) = read_progress(session).await? {
        return Ok(Some(progress));
    }
    let holds = "SELECT EXISTS (SELECT 1 FROM ledger) OR EXISTS (SELECT 1 FROM records)
                     OR EXISTS (SELECT 1 FROM told) OR EXISTS (SELECT 1 FROM changes)";
    let held = session.query_opt(holds, &[]).await?;
    if held.map(|row| Columns::of(&row).take()).transpose()?.unwrap_or(false) {
        return Err(not_empty().into());
    }
    changes::begin_history(session).await?;
    write_progress(session, Progress::default()).await?;
    Ok(None)
}

/// Ends an import.
pub(crate) async fn finish(session: &Session) -> Outcome<()> {
    read_progress(session).await?.ok_or_else(no_import)?;
    session.batch("DELETE FROM importing").await
}

/// How far an import came that was not finished.
async fn read_progress(session: &Session) -> Outcome<Option<Progress>> {
    let Some(told) = session.query_opt("SELECT rows, digest FROM importing", &[]).await? else { return Ok(None) };
    let mut columns = Columns::of(&told);
    Ok(Some(Progress { rows: columns.unsigned()?, digest: columns.digest()? }))
}

async fn write_progress(session: &Session, progress: Progress) -> Outcome<()> {
    session.batch("DELETE FROM importing").await?;
    let values = &bind![progress.rows.cast_signed(), progress.digest.as_slice()];
    session.execute("INSERT INTO importing (rows, digest) VALUES ($1, $2)", values).await
}

/// Writes rows, and how far the import is with them.
pub(crate) async fn import(session: &Session, rows: &[Row], progress: Progress) -> Outcome<()> {
    read_progress(session).await?.ok_or_else(no_import)?.check_next(rows.len(), &progress)?;
    let mut import = Import { session, feeds: BTreeMap::new() };
    for run in rows.chunk_by(|a, b| std::mem::discriminant(a) == std::mem::discriminant(b)) {
        import.run(run).await?;
    }
    import.store_feeds().await?;
    write_progress(session, progress).await
}

/// Takes what a run holds out of its rows, which are of one kind.
macro_rules! of_kind {
    ($run:expr, $kind:ident) => {
        $run.iter().filter_map(|row| if let Row::$kind(row) = row { Some(row) } else { None }).collect::<Vec<_>>()
    };
}

/// One batch on its way into the store.
struct Import<'a> {
    session: &'a Session,
    /// Feeds whose ledger or quarantine grows.
    feeds: BTreeMap<FeedId, feed_row::FeedRow>,
}

impl Import<'_> {
    async fn run(&mut self, run: &[Row]) -> Outcome<()> {
        match &run[0] {
            Row::Feed(_) => self.feeds(&of_kind!(run, Feed)).await,
            Row::Observation(_) => {
                for row in of_kind!(run, Observation) {
                    self.observation(row).await?;
                }
                Ok(())
            }
            Row::Reject(_) => self.rejects(&of_kind!(run, Reject)).await,
            Row::Record(_) => self.records(&of_kind!(run, Record)).await,
            Row::Version(_) => self.versions(&of_kind!(run, Version)).await,
            Row::Span(_) => self.spans(&of_kind!(run, Span)).await,
            Row::Point(_) => self.points(&of_kind!(run, Point)).await,
            Row::Standing(_) => self.standings(&of_kind!(run, Standing)).await,
            Row::Told(_) => self.told(&of_kind!(run, Told)).await,
            Row::Event(_) => {
                let events: Vec<Event> = of_kind!(run, Event).into_iter().cloned().collect();
                let mut writes = Writes::default();
                changes::append(&mut writes, &events);
                writes.run(self.session).await
            }
        }
    }

    async fn feeds(&self, feeds: &[&FeedRow]) -> Outcome<()> {
        for row in feeds {
            let state = row.state.clone();
            let own = feed_row::FeedRow { state, ..feed_row::FeedRow::default() };
            let mut writes = Writes::default();
            own.store(&mut writes, row.feed);
            writes.run(self.session).await?;
        }
        Ok(())
    }

    /// The feed's row, to be counted on.
    async fn feed(&mut self, row: &str, feed: FeedId) -> Outcome<&mut feed_row::FeedRow> {
        if !self.feeds.contains_key(&feed) {
            self.known_feeds(row, [feed].into()).await?;
            let held = feed_row::FeedRow::load(self.session, feed).await?;
            self.feeds.insert(feed, held);
        }
        Ok(self.feeds.entry(feed).or_default())
    }

    async fn store_feeds(&self) -> Outcome<()> {
        let mut writes = Writes::default();
        for (feed, row) in &self.feeds {
            row.store(&mut writes, *feed);
            writes.then();
        }
        writes.run(self.session).await
    }

    async fn observation(&mut self, row: &ObservationRow) -> Outcome<()> {
        let seen = &row.ledger.observation;
        let ended = row.ledger.ended;
        let feed = self.feed("observation", seen.feed).await?;
        feed.observations += 1;
        let place = feed.observations;
        let setback = seen.round.is_some() && feed.observed_at.is_some_and(|last| seen.observed_at < last);
        if seen.round.is_some() {
            feed.observed_at = Some(seen.observed_at);
        }
        let of = match seen.coverage {
            Coverage::Unchanged { of } => Some(rows::fetch_uuid(of)),
            _ => None,
        };
        let alone = match row.parts.as_slice() {
            [(0, part)] if ended => Some(part),
            _ => None,
        };
        // A part without items has no outcomes to tell.
        let imported = alone.filter(|_| of.is_none()).map(as_json);
        let statement = format!(
            "INSERT INTO ledger (feed, place, fetch_id, coverage, of, observed_at, recorded_at, round, setback, ended,
                                 digest, revision, outcomes, imported, {COUNTS})
             VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14,
                     $15, $16, $17, $18, $19, $20, $21, $22, $23, $24, $25)"
        );
        let own = bind![
            rows::feed_uuid(seen.feed),
            place,
            rows::fetch_uuid(seen.fetch),
            ledger::coverage_number(seen.coverage),
            of,
            seen.observed_at.as_micros(),
            seen.recorded_at.as_micros(),
            seen.round.map(rows::round_number),
            setback,
            ended,
            alone.map(|part| part.committed.digest.0.as_slice()),
            alone.map(|part| part.committed.revision.cast_signed()),
            alone.map(|_| b"".as_slice()),
            imported,
        ];
        let mut writes = Writes::default();
        ledger::write(&mut writes, statement, own, &seen.counts);
        for (index, part) in row.parts.iter().filter(|_| alone.is_none()) {
            let statement = format!(
                "INSERT INTO parts (feed, fetch_id, part, digest, round, revision, outcomes, imported, {COUNTS})
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12, $13, $14, $15, $16, $17, $18, $19)"
            );
            let committed = &part.committed;
            let own = bind![
                rows::feed_uuid(seen.feed),
                rows::fetch_uuid(seen.fetch),
                i64::from(*index),
                committed.digest.0.as_slice(),
                committed.round.map(rows::round_number),
                committed.revision.cast_signed(),
                b"".as_slice(),
                Some(as_json(part)),
            ];
            writes.then();
            ledger::write(&mut writes, statement, own, &committed.counts);
        }
        writes.run(self.session).await
    }

    async fn rejects(&mut self, rejects: &[&RejectRow]) -> Outcome<()> {
        self.observed("reject", rejects.iter().map(|row| (row.feed, row.quarantined.fetch))).await?;
        for row in rejects {
            let feed = self.feed("reject", row.feed).await?;
            feed.rejects += 1;
            let place = feed.rejects;
            let reject = &row.quarantined.reject;
            let statement = "INSERT INTO rejects (feed, place, fetch_id, recorded_at, ordinal, namespace, key,
                                                  code, reason, excerpt)
                 VALUES ($1, $2, $3, $4, $5, $6, $7, $8, $9, $10)";
            let values = &bind![
                rows::feed_uuid(row.feed),
                place,
                rows::fetch_uuid(row.quarantined.fetch),
                row.quarantined.recorded_at.as_micros(),
                i64::from(reject.ordinal),
                reject.key.as_ref().map(|key| key.namespace().as_str()),
                reject.key.as_ref().map(NaturalKey::key),
                rows::quoted(&reject.code),
                rows::quoted(&reject.reason),
                rows::quoted(&reject.excerpt),
            ];
            self.session.execute(statement, values).await?;
        }
        Ok(())
    }

    /// Records, before their versions say which is shown.
    async fn records(&self, records: &[&RecordRow]) -> Outcome<()> {
        let hashes: Vec<[u8; 32]> = records.iter().map(|row| *row.key.hash().as_bytes()).collect();
        let statement =
            "INSERT INTO records (id, namespace, key, key_hash, key_rule, first_seen, top_layer, top_version)
             SELECT *, 0, 0 FROM unnest($1, $2, $3, $4, $5, $6)";
        let values = &bind![
            records.iter().map(|row| rows::record_uuid(row.id)).collect::<Vec<_>>(),
            records.iter().map(|row| row.key.namespace().as_str()).collect::<Vec<_>>(),
            records.iter().map(|row| row.key.key()).collect::<Vec<_>>(),
            hashes.iter().map(<[u8; 32]>::as_slice).collect::<Vec<_>>(),
            records.iter().map(|row| row.key_rule.as_str()).collect::<Vec<_>>(),
            records.iter().map(|row| row.first_seen.as_micros()).collect::<Vec<_>>(),
        ];
        self.session.execute(statement, values).await
    }

    async fn versions(&self, stored: &[&StoredVersion]) -> Outcome<()> {
        self.held("version", stored.iter().map(|stored| stored.version.record)).await?;
        let new: Vec<VersionRow<'_>> = stored.iter().map(|stored| version_row(stored)).collect();
        let mut writes = Writes::default();
        apply::versions(&mut writes, &new);
        let mut tops: BTreeMap<RecordId, Top> = BTreeMap::new();
        for StoredVersion { version, .. } in stored {
            let (record, layer, number) = (version.record, version.layer, version.number);
            let lower = |held: &Top| (held.layer, held.number) < (layer, number);
            if tops.get(&record).is_none_or(lower) {
                tops.insert(record, Top { record, layer, number, published: version.published });
            }
        }
        apply::raise_tops(&mut writes, &tops.into_values().collect::<Vec<_>>());
        writes.run(self.session).await
    }

    async fn spans(&self, spans: &[&SpanRow]) -> Outcome<()> {
        self.held("span", spans.iter().map(|row| row.record)).await?;
        self.known_feeds("span", spans.iter().map(|row| row.feed).collect()).await?;
        let statement =
            "INSERT INTO spans (record, feed, since, until, version) SELECT * FROM unnest($1, $2, $3, $4, $5)";
        let values = &bind![
            spans.iter().map(|row| rows::record_uuid(row.record)).collect::<Vec<_>>(),
            spans.iter().map(|row| rows::feed_uuid(row.feed)).collect::<Vec<_>>(),
            spans.iter().map(|row| rows::round_number(row.since)).collect::<Vec<_>>(),
            spans.iter().map(|row| rows::round_number(row.until)).collect::<Vec<_>>(),
            spans.iter().map(|row| rows::version_number(row.version)).collect::<Vec<_>>(),
        ];
        self.session.execute(statement, values).await
    }

    async fn points(&self, points: &[&PointRow]) -> Outcome<()> {
        self.held("point", points.iter().map(|row| row.record)).await?;
        let observed = self.observed("point", points.iter().map(|row| (row.feed, row.fetch))).await?;
        let at = |row: &PointRow| observed.get(&(row.feed, row.fetch)).copied().map_or(0, Timestamp::as_micros);
        let statement =
            "INSERT INTO points (record, feed, fetch_id, observed_at, shown_version, shown_hash, age, ordinal)
             SELECT * FROM unnest($1, $2, $3, $4, $5, $6, $7, $8)";
        let values = &bind![
            points.iter().map(|row| rows::record_uuid(row.record)).collect::<Vec<_>>(),
            points.iter().map(|row| rows::feed_uuid(row.feed)).collect::<Vec<_>>(),
            points.iter().map(|row| rows::fetch_uuid(row.fetch)).collect::<Vec<_>>(),
            points.iter().map(|row| at(row)).collect::<Vec<_>>(),
            points.iter().map(|row| rows::version_number(row.shown.version)).collect::<Vec<_>>(),
            points.iter().map(|row| row.shown.hash.as_bytes().as_slice()).collect::<Vec<_>>(),
            points.iter().map(|row| row.age.as_micros()).collect::<Vec<_>>(),
            points.iter().map(|row| i64::from(row.ordinal)).collect::<Vec<_>>(),
        ];
        self.session.execute(statement, values).await
    }

    async fn standings(&self, standings: &[&StandingRow]) -> Outcome<()> {
        let held = self.held("standing", standings.iter().map(|row| row.record)).await?;
        self.known_feeds("standing", standings.iter().map(|row| row.feed).collect()).await?;
        let mut open: BTreeMap<FeedId, OpenSpans> = BTreeMap::new();
        let (mut presents, mut absents) = (Vec::new(), Vec::new());
        for row in standings {
            match &row.standing {
                Standing::Open(present) => {
                    let spans = match open.entry(row.feed) {
                        btree_map::Entry::Occupied(held) => held.into_mut(),
                        btree_map::Entry::Vacant(place) => {
                            place.insert(manifest::load(self.session, rows::feed_uuid(row.feed)).await?)
                        }
                    };
                    spans.set(&KeyHash::from_bytes(held[&row.record]), present);
                    presents.push((row.feed, present));
                }
                Standing::Left(absent) => absents.push((row, absent.shown, absent.left)),
            }
        }
        let mut writes = Writes::default();
        for (feed, spans) in &open {
            manifest::store(&mut writes, rows::feed_uuid(*feed), spans);
            writes.then();
        }
        writes.run(self.session).await?;
        self.open_spans(&presents).await?;
        self.absent(&absents).await
    }

    async fn open_spans(&self, open: &[(FeedId, &Present)]) -> Outcome<()> {
        // A span that shows the first version needs no row where the record itself can say so: the first feed's.
        let mut said: BTreeMap<RecordId, (FeedId, &Present)> = BTreeMap::new();
        for (feed, present) in open.iter().filter(|(_, present)| present.version == VersionNo::FIRST) {
            said.entry(present.record).or_insert((*feed, *present));
        }
        let say =
            "UPDATE records r SET feed = t.feed, since = t.since FROM unnest($1, $2, $3) AS t (record, feed, since)
             WHERE r.id = t.record AND r.feed IS NULL";
        let values = &bind![
            said.keys().map(|record| rows::record_uuid(*record)).collect::<Vec<_>>(),
            said.values().map(|(feed, _)| rows::feed_uuid(*feed)).collect::<Vec<_>>(),
            said.values().map(|(_, present)| rows::round_number(present.since)).collect::<Vec<_>>(),
        ];
        self.session.execute(say, values).await?;
        let keep = "INSERT INTO spans (record, feed, since, version)
             SELECT t.* FROM unnest($1, $2, $3, $4) AS t (record, feed, since, version)
             JOIN records r ON r.id = t.record
             WHERE NOT coalesce(t.version = 1 AND r.feed = t.feed AND r.since = t.since, false)";
        let values = &bind![
            open.iter().map(|(_, present)| rows::record_uuid(present.record)).collect::<Vec<_>>(),
            open.iter().map(|(feed, _)| rows::feed_uuid(*feed)).collect::<Vec<_>>(),
            open.iter().map(|(_, present)| rows::round_number(present.since)).collect::<Vec<_>>(),
            open.iter().map(|(_, present)| rows::version_number(present.version)).collect::<Vec<_>>(),
        ];
        self.session.execute(keep, values).await
    }

    async fn absent(&self, absents: &[(&&StandingRow, Option<VersionNo>, Option<SpanEnd>)]) -> Outcome<()> {
        // What was shown is compared by the hash that decided of that version.
        let statement = "INSERT INTO absent (record, feed, shown_version, shown_hash, ended)
             SELECT t.record, t.feed, t.shown, coalesce(v.rule_hash, v.hash), t.ended
             FROM unnest($1, $2, $3, $4) AS t (record, feed, shown, ended)
             LEFT JOIN versions v ON v.record = t.record AND v.layer = $5 AND v.number = t.shown";
        let values = &bind![
            absents.iter().map(|(row, ..)| rows::record_uuid(row.record)).collect::<Vec<_>>(),
            absents.iter().map(|(row, ..)| rows::feed_uuid(row.feed)).collect::<Vec<_>>(),
            absents.iter().map(|(_, shown, _)| shown.map(rows::version_number)).collect::<Vec<_>>(),
            absents.iter().map(|(.., left)| left.map(SpanEnd::as_str)).collect::<Vec<_>>(),
            rows::layer_rank(Layer::Bronze),
        ];
        self.session.execute(statement, values).await
    }

    async fn told(&self, told: &[&ToldRow]) -> Outcome<()> {
        let statement =
            "INSERT INTO told (key_hash, feed, fetch_id, observed_at, first) SELECT * FROM unnest($1, $2, $3, $4, $5)";
        let values = &bind![
            told.iter().map(|row| row.key_hash.as_bytes().as_slice()).collect::<Vec<_>>(),
            told.iter().map(|row| rows::feed_uuid(row.feed)).collect::<Vec<_>>(),
            told.iter().map(|row| rows::fetch_uuid(row.fetch)).collect::<Vec<_>>(),
            told.iter().map(|row| row.observed_at.as_micros()).collect::<Vec<_>>(),
            told.iter().map(|row| row.first).collect::<Vec<_>>(),
        ];
        self.session.execute(statement, values).await
    }

    /// The key hashes of records that came before.
    async fn held(&self, row: &str, records: impl Iterator<Item = RecordId>) -> Outcome<HashMap<RecordId, [u8; 32]>> {
        let wanted: BTreeSet<RecordId> = records.collect();
        let ids: Vec<Uuid> = wanted.iter().map(|id| rows::record_uuid(*id)).collect();
        let found = self.session.query("SELECT id, key_hash FROM records WHERE id = ANY($1)", &bind![ids]).await?;
        let mut held = HashMap::with_capacity(found.len());
        for found in &found {
            let mut columns = Columns::of(found);
            held.insert(columns.record()?, columns.digest()?);
        }
        match wanted.iter().find(|id| !held.contains_key(id)) {
            Some(missing) => Err(unfounded(row, format!("record {missing}")).into()),
            None => Ok(held),
        }
    }

    async fn known_feeds(&self, row: &str, wanted: BTreeSet<FeedId>) -> Outcome<()> {
        let ids: Vec<Uuid> = wanted.iter().map(|id| rows::feed_uuid(*id)).collect();
        let found = self.session.query("SELECT id FROM feeds WHERE id = ANY($1)", &bind![ids]).await?;
        let known = found.iter().map(|row| Columns::of(row).feed()).collect::<Outcome<BTreeSet<FeedId>>>()?;
        match wanted.difference(&known).next() {
            Some(missing) => Err(unfounded(row, format!("feed {missing}")).into()),
            None => Ok(()),
        }
    }

    /// When observations that came before were made.
    async fn observed(
        &self,
        row: &str,
        wanted: impl Iterator<Item = (FeedId, FetchId)>,
    ) -> Outcome<HashMap<(FeedId, FetchId), Timestamp>> {
        let wanted: BTreeSet<(FeedId, FetchId)> = wanted.collect();
        let statement = "SELECT l.feed, l.fetch_id, l.observed_at FROM unnest($1, $2) AS t (feed, fetch_id)
             JOIN ledger l ON l.feed = t.feed AND l.fetch_id = t.fetch_id";
        let values = &bind![
            wanted.iter().map(|(feed, _)| rows::feed_uuid(*feed)).collect::<Vec<_>>(),
            wanted.iter().map(|(_, fetch)| rows::fetch_uuid(*fetch)).collect::<Vec<_>>(),
        ];
        let mut observed = HashMap::new();
        for found in &self.session.query(statement, values).await? {
            let mut columns = Columns::of(found);
            observed.insert((columns.feed()?, columns.fetch()?), columns.instant()?);
        }
        match wanted.iter().find(|of| !observed.contains_key(of)) {
            Some((feed, fetch)) => Err(unfounded(row, format!("fetch {fetch} of feed {feed}")).into()),
            None => Ok(observed),
        }
    }
}

fn as_json(part: &feedspine_core::ingest::PartRow) -> String {
    serde_json::to_string(part).expect("a part has a JSON form")
}

fn version_row(stored: &StoredVersion) -> VersionRow<'_> {
    let version = &stored.version;
    let whole = version.content.hash();
    VersionRow {
        record: version.record,
        layer: version.layer,
        number: version.number,
        hash: *whole.as_bytes(),
        rule: version.hash_rule.as_str(),
        rule_hash: Some(*stored.hash.as_bytes()).filter(|_| stored.hash != whole),
        published: version.published,
        updated: version.updated,
        recorded_at: version.recorded_at,
        origin: version.origin.map(|origin| (rows::feed_uuid(origin.feed), rows::fetch_uuid(origin.fetch))),
        derived_from: version.derived_from.as_ref(),
        metadata: rows::stored_metadata(&version.metadata),
        content: version.content.as_str(),
    }
}
