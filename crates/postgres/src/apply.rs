//! Applies a plan: a dozen statements over arrays, sent as one.
//!
//! Arrays are unnested in the list of what is selected, not in FROM, where each becomes a table first: the server took
//! 3.0 us for a version instead of 4.9. COPY, at 3.4 us, needs more round trips and gains nothing.

use std::collections::HashSet;

use feedspine_core::ingest::{ClosedSpan, OpenSpan, Part, Point, Prepared, Present, WritePlan};
use feedspine_core::{KeyRule, Layer, NaturalKey, RecordId, SpanEnd, Timestamp, VersionNo};
use uuid::Uuid;

use crate::bind::bind;
use crate::changes;
use crate::error::Outcome;
use crate::feed_row::FeedRow;
use crate::ledger::LedgerRow;
use crate::manifest::{self, OpenSpans};
use crate::rows::{self, corrupt};
use crate::session::Session;
use crate::writes::Writes;

/// The most bytes of content that one statement carries: far below the server's 1 GB for a message.
const STATEMENT_BYTES: usize = 16 << 20;

/// Where a plan is applied.
pub(crate) struct Target {
    pub(crate) feed: FeedRow,
    /// The fetch has a row in the ledger already.
    pub(crate) begun: bool,
    /// The feed's open spans, when they were looked at.
    pub(crate) open: OpenSpans,
}

impl Target {
    /// Writes everything that a plan says.
    pub(crate) async fn apply(mut self, session: &Session, prepared: &Prepared, plan: &WritePlan) -> Outcome<()> {
        let batch = prepared.batch();
        let round = plan.report.round;
        let setback = round.is_some() && self.feed.observed_at.is_some_and(|last| batch.observed_at < last);
        let reject_place = self.feed.rejects;
        self.feed.state = plan.feed.clone();
        self.feed.rejects += i64::try_from(plan.rejects.len()).unwrap_or(i64::MAX);
        self.feed.observations += i64::from(!self.begun);
        if round.is_some() {
            self.feed.observed_at = Some(batch.observed_at);
        }
        note_spans(&mut self.open, plan)?;
        let (digest, report, retold) = (prepared.digest(), &plan.report, plan.retold.as_slice());
        let ledger = LedgerRow { batch, digest, report, retold, setback };
        let source = Writer { feed: rows::feed_uuid(batch.feed), fetch: rows::fetch_uuid(batch.fetch) };
        let rule = batch.hash_rule.id();
        let (made, appended) = (new_records(prepared, plan), new_versions(prepared, plan, rule.as_str()));
        let mut writes = Writes::default();
        if plan.absorb_points {
            source.absorb_points(&mut writes);
        }
        versions(&mut writes, &appended);
        records(&mut writes, &made);
        raise_tops(&mut writes, &raised(prepared, plan));
        source.close(&mut writes, &plan.closed);
        source.open(&mut writes, &opened_again(plan));
        manifest::store(&mut writes, source.feed, &self.open);
        source.points(&mut writes, &plan.points, batch.observed_at);
        source.rejects(&mut writes, reject_place, prepared, plan);
        changes::append(&mut writes, &plan.events);
        if self.begun {
            ledger.add(&mut writes);
        } else {
            ledger.insert(&mut writes, self.feed.observations);
        }
        if batch.part != Part::ONLY || self.begun {
            ledger.insert_part(&mut writes);
        }
        self.feed.store(&mut writes, batch.feed);
        writes.run(session).await
    }
}

/// Makes the open spans those that a plan leaves.
fn note_spans(open: &mut OpenSpans, plan: &WritePlan) -> Outcome<()> {
    for closed in &plan.closed {
        open.remove(&closed.key_hash);
    }
    let mut opened: Vec<&OpenSpan> = plan.opened.iter().collect();
    opened.sort_unstable_by_key(|opened| opened.key_hash);
    for opened in opened {
        let OpenSpan { key_hash, record, since, shown, age, .. } = *opened;
        open.set(&key_hash, &Present { record, version: shown.version, since, shown, age });
    }
    // A point of this batch comes after a hash that is made again.
    let points = plan.points.iter().filter(|point| point.present).map(|point| (point.key_hash, point.shown));
    for (key_hash, shown) in plan.rehashed.iter().copied().chain(points) {
        if !open.show(&key_hash, shown) {
            return Err(corrupt("a span that is not open"));
        }
    }
    Ok(())
}

/// The spans that a plan opens of records that were there before: the others' rows say where their first span begins.
fn opened_again(plan: &WritePlan) -> Vec<&OpenSpan> {
    let made: HashSet<RecordId> = plan.records.iter().map(|record| record.id).collect();
    plan.opened.iter().filter(|opened| !made.contains(&opened.record)).collect()
}

/// A record to be made.
pub(crate) struct RecordRow<'a> {
    pub(crate) id: RecordId,
    pub(crate) key: &'a NaturalKey,
    pub(crate) key_hash: [u8; 32],
    pub(crate) key_rule: KeyRule,
    pub(crate) first_seen: Timestamp,
    pub(crate) published: Option<Timestamp>,
    pub(crate) layer: Layer,
    /// The feed and the round in which its first span begins.
    pub(crate) first_span: Option<(Uuid, i64)>,
}

/// A version to be appended.
pub(crate) struct VersionRow<'a> {
    pub(crate) record: RecordId,
    pub(crate) layer: Layer,
    pub(crate) number: VersionNo,
    pub(crate) hash: [u8; 32],
    pub(crate) rule: &'a str,
    pub(crate) rule_hash: Option<[u8; 32]>,
    pub(crate) published: Option<Timestamp>,
    pub(crate) updated: Option<Timestamp>,
    pub(crate) recorded_at: Timestamp,
    pub(crate) origin: Option<(Uuid, Uuid)>,
    pub(crate) derived_from: Option<&'a feedspine_core::Lineage>,
    pub(crate) metadata: Option<&'a str>,
    pub(crate) content: &'a str,
}

/// A record's version that is shown from now on when no layer is asked, unless a higher layer is.
pub(crate) struct Top {
    pub(crate) record: RecordId,
    pub(crate) layer: Layer,
    pub(crate) number: VersionNo,
    pub(crate) published: Option<Timestamp>,
}

fn new_records<'a>(prepared: &'a Prepared, plan: &WritePlan) -> Vec<RecordRow<'a>> {
    // A document that takes a round opens a span of every record that it makes.
    let first_span = plan.report.round.map(|round| (rows::feed_uuid(prepared.batch().feed), rows::round_number(round)));
    let row = |record: &feedspine_core::ingest::NewRecord| {
        let item = prepared.item(record.item);
        RecordRow {
            id: record.id,
            key: &item.key,
            key_hash: *record.key_hash.as_bytes(),
            key_rule: item.key_rule,
            first_seen: prepared.batch().observed_at,
            published: item.published,
            layer: Layer::Bronze,
            first_span,
        }
    };
    let mut rows: Vec<RecordRow<'a>> = plan.records.iter().map(row).collect();
    // Neighbours in the index are written together.
    rows.sort_unstable_by_key(|row| row.id);
    rows
}

fn new_versions<'a>(prepared: &'a Prepared, plan: &WritePlan, rule: &'a str) -> Vec<VersionRow<'a>> {
    let batch = prepared.batch();
    let row = |version: &feedspine_core::ingest::NewVersion| {
        let item = prepared.item(version.item);
        let whole = item.content.hash();
        VersionRow {
            record: version.record,
            layer: Layer::Bronze,
            number: version.number,
            hash: *whole.as_bytes(),
            rule,
            rule_hash: Some(*version.hash.as_bytes()).filter(|_| version.hash != whole),
            published: item.published,
            updated: item.updated,
            recorded_at: batch.recorded_at,
            origin: Some((rows::feed_uuid(batch.feed), rows::fetch_uuid(batch.fetch))),
            derived_from: None,
            metadata: None,
            content: item.content.as_str(),
        }
    };
    let mut rows: Vec<VersionRow<'a>> = plan.versions.iter().map(row).collect();
    rows.sort_unstable_by_key(|row| (row.record, row.number));
    rows
}

/// The versions of records that were there before; the others' rows say so already.
fn raised(prepared: &Prepared, plan: &WritePlan) -> Vec<Top> {
    // Both lists are in the order of the document.
    let is_new = |item: usize| plan.records.binary_search_by_key(&item, |record| record.item).is_ok();
    let old = plan.versions.iter().filter(|version| version.number != VersionNo::FIRST || !is_new(version.item));
    let top = |version: &feedspine_core::ingest::NewVersion| Top {
        record: version.record,
        layer: Layer::Bronze,
        number: version.number,
        published: prepared.item(version.item).published,
    };
    old.map(top).collect()
}

/// Makes records.
pub(crate) fn records<'a>(writes: &mut Writes<'a>, new: &'a [RecordRow<'a>]) {
    let statement = "INSERT INTO records (id, namespace, key, key_hash, key_rule, first_seen, published,
                                          top_layer, top_version, feed, since)
         SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8), 1, $9, $10";
    for run in new.chunk_by(|a, b| a.first_span == b.first_span) {
        let values = bind![
            run.iter().map(|row| rows::record_uuid(row.id)).collect::<Vec<_>>(),
            run.iter().map(|row| row.key.namespace().as_str()).collect::<Vec<_>>(),
            run.iter().map(|row| row.key.key()).collect::<Vec<_>>(),
            run.iter().map(|row| row.key_hash.as_slice()).collect::<Vec<_>>(),
            run.iter().map(|row| row.key_rule.as_str()).collect::<Vec<_>>(),
            run.iter().map(|row| row.first_seen.as_micros()).collect::<Vec<_>>(),
            run.iter().map(|row| rows::micros(row.published)).collect::<Vec<_>>(),
            run.iter().map(|row| rows::layer_rank(row.layer)).collect::<Vec<_>>(),
            run[0].first_span.map(|(feed, _)| feed),
            run[0].first_span.map(|(_, round)| round),
        ];
        writes.add(statement, values);
    }
}

/// Appends versions.
pub(crate) fn versions<'a>(writes: &mut Writes<'a>, mut new: &'a [VersionRow<'a>]) {
    while !new.is_empty() {
        let mut bytes = 0;
        let fits = |row: &&VersionRow<'_>| {
            bytes += row.content.len() + row.metadata.map_or(0, str::len);
            bytes <= STATEMENT_BYTES
        };
        let (chunk, rest) = new.split_at(new.iter().take_while(fits).count().max(1));
        append_versions(writes, chunk);
        new = rest;
        if !new.is_empty() {
            writes.then();
        }
    }
}

fn append_versions<'a>(writes: &mut Writes<'a>, new: &'a [VersionRow<'a>]) {
    let first = &new[0];
    let is_captured = |row: &VersionRow<'_>| row.derived_from.is_none() && row.metadata.is_none();
    let is_like_first = |row: &VersionRow<'_>| {
        (row.layer, row.rule, row.recorded_at, row.origin) == (first.layer, first.rule, first.recorded_at, first.origin)
    };
    if new.iter().all(|row| is_captured(row) && is_like_first(row)) {
        append_alike(writes, new);
    } else {
        append_each(writes, new);
    }
}

/// Those of one capture, which have most in common.
fn append_alike<'a>(writes: &mut Writes<'a>, new: &'a [VersionRow<'a>]) {
    let first = &new[0];
    let statement =
        "INSERT INTO versions (record, layer, number, hash, rule, rule_hash, published, updated, recorded_at,
                                           feed, fetch_id, content)
         SELECT unnest($1), $2, unnest($3), unnest($4), $5, unnest($6), unnest($7), unnest($8), $9,
                $10, $11, unnest($12)";
    let values = bind![
        new.iter().map(|row| rows::record_uuid(row.record)).collect::<Vec<_>>(),
        rows::layer_rank(first.layer),
        new.iter().map(|row| rows::version_number(row.number)).collect::<Vec<_>>(),
        new.iter().map(|row| row.hash.as_slice()).collect::<Vec<_>>(),
        first.rule,
        new.iter().map(|row| row.rule_hash.as_ref().map(<[u8; 32]>::as_slice)).collect::<Vec<_>>(),
        new.iter().map(|row| rows::micros(row.published)).collect::<Vec<_>>(),
        new.iter().map(|row| rows::micros(row.updated)).collect::<Vec<_>>(),
        first.recorded_at.as_micros(),
        first.origin.map(|(feed, _)| feed),
        first.origin.map(|(_, fetch)| fetch),
        new.iter().map(|row| row.content).collect::<Vec<_>>(),
    ];
    writes.add(statement, values);
}

fn append_each<'a>(writes: &mut Writes<'a>, new: &'a [VersionRow<'a>]) {
    let statement =
        "INSERT INTO versions (record, layer, number, hash, rule, rule_hash, published, updated, recorded_at,
                                           feed, fetch_id, from_layer, from_version, from_hash, from_deleted,
                                           metadata, content)
         SELECT unnest($1), unnest($2), unnest($3), unnest($4), unnest($5), unnest($6), unnest($7), unnest($8),
                unnest($9), unnest($10), unnest($11), unnest($12), unnest($13), unnest($14), unnest($15), unnest($16),
                unnest($17)";
    let lineages = || new.iter().map(|row| row.derived_from);
    let values = bind![
        new.iter().map(|row| rows::record_uuid(row.record)).collect::<Vec<_>>(),
        new.iter().map(|row| rows::layer_rank(row.layer)).collect::<Vec<_>>(),
        new.iter().map(|row| rows::version_number(row.number)).collect::<Vec<_>>(),
        new.iter().map(|row| row.hash.as_slice()).collect::<Vec<_>>(),
        new.iter().map(|row| row.rule).collect::<Vec<_>>(),
        new.iter().map(|row| row.rule_hash.as_ref().map(<[u8; 32]>::as_slice)).collect::<Vec<_>>(),
        new.iter().map(|row| rows::micros(row.published)).collect::<Vec<_>>(),
        new.iter().map(|row| rows::micros(row.updated)).collect::<Vec<_>>(),
        new.iter().map(|row| row.recorded_at.as_micros()).collect::<Vec<_>>(),
        new.iter().map(|row| row.origin.map(|(feed, _)| feed)).collect::<Vec<_>>(),
        new.iter().map(|row| row.origin.map(|(_, fetch)| fetch)).collect::<Vec<_>>(),
        lineages().map(|source| Some(rows::layer_rank(source?.layer))).collect::<Vec<_>>(),
        lineages().map(|source| Some(rows::version_number(source?.version))).collect::<Vec<_>>(),
        lineages().map(|source| Some(source?.hash.as_bytes().as_slice())).collect::<Vec<_>>(),
        lineages().map(|source| Some(source?.source_deleted)).collect::<Vec<_>>(),
        new.iter().map(|row| row.metadata).collect::<Vec<_>>(),
        new.iter().map(|row| row.content).collect::<Vec<_>>(),
    ];
    writes.add(statement, values);
}

/// Shows versions where they are the highest now.
pub(crate) fn raise_tops(writes: &mut Writes<'_>, tops: &[Top]) {
    if tops.is_empty() {
        return;
    }
    let statement = "UPDATE records r SET top_layer = t.layer, top_version = t.number, published = t.published
         FROM unnest($1, $2, $3, $4) AS t (record, layer, number, published)
         WHERE r.id = t.record AND (r.top_layer, r.top_version) < (t.layer, t.number)";
    let values = bind![
        tops.iter().map(|top| rows::record_uuid(top.record)).collect::<Vec<_>>(),
        tops.iter().map(|top| rows::layer_rank(top.layer)).collect::<Vec<_>>(),
        tops.iter().map(|top| rows::version_number(top.number)).collect::<Vec<_>>(),
        tops.iter().map(|top| rows::micros(top.published)).collect::<Vec<_>>(),
    ];
    writes.add(statement, values);
}

/// Writes of one feed and one fetch.
struct Writer {
    feed: Uuid,
    fetch: Uuid,
}

impl Writer {
    fn absorb_points(&self, writes: &mut Writes<'_>) {
        writes.add("DELETE FROM points WHERE fetch_id = $1 AND feed = $2", bind![self.fetch, self.feed]);
        writes.then();
    }

    fn close<'a>(&self, writes: &mut Writes<'a>, closed: &'a [ClosedSpan]) {
        if closed.is_empty() {
            return;
        }
        let records =
            |spans: &[&ClosedSpan]| spans.iter().map(|span| rows::record_uuid(span.record)).collect::<Vec<_>>();
        let all: Vec<&ClosedSpan> = closed.iter().collect();
        let left: Vec<&ClosedSpan> = closed.iter().filter(|span| span.end != SpanEnd::Changed).collect();
        // A record's first span is put there now.
        let keep = "INSERT INTO spans (record, feed, since, until, version)
             SELECT record, $2, since, until, version FROM unnest($1, $3, $4, $5) AS t (record, since, until, version)
             ON CONFLICT (record, feed, since) DO UPDATE SET until = excluded.until";
        let note = "INSERT INTO absent (record, feed, shown_version, shown_hash, ended)
             SELECT record, $2, number, hash, ended FROM unnest($1, $3, $4, $5) AS t (record, number, hash, ended)
             ON CONFLICT (record, feed) DO UPDATE
             SET shown_version = excluded.shown_version, shown_hash = excluded.shown_hash, ended = excluded.ended";
        let ended = bind![
            records(&all),
            self.feed,
            all.iter().map(|span| rows::round_number(span.since)).collect::<Vec<_>>(),
            all.iter().map(|span| rows::round_number(span.until)).collect::<Vec<_>>(),
            all.iter().map(|span| rows::version_number(span.version)).collect::<Vec<_>>(),
        ];
        let shown = bind![
            records(&left),
            self.feed,
            left.iter().map(|span| rows::version_number(span.shown.version)).collect::<Vec<_>>(),
            left.iter().map(|span| span.shown.hash.as_bytes().as_slice()).collect::<Vec<_>>(),
            left.iter().map(|span| span.end.as_str()).collect::<Vec<_>>(),
        ];
        writes.add(keep, ended);
        if !left.is_empty() {
            writes.add(note, shown);
        }
    }

    /// Opens spans of records that were there before.
    fn open(&self, writes: &mut Writes<'_>, opened: &[&OpenSpan]) {
        if opened.is_empty() {
            return;
        }
        let records: Vec<Uuid> = opened.iter().map(|span| rows::record_uuid(span.record)).collect();
        let forget = "DELETE FROM absent a USING unnest($1) AS t (record) WHERE a.record = t.record AND a.feed = $2";
        let keep = "INSERT INTO spans (record, feed, since, version)
             SELECT record, $2, since, version FROM unnest($1, $3, $4) AS t (record, since, version)";
        let spans = bind![
            records.clone(),
            self.feed,
            opened.iter().map(|span| rows::round_number(span.since)).collect::<Vec<_>>(),
            opened.iter().map(|span| rows::version_number(span.shown.version)).collect::<Vec<_>>(),
        ];
        writes.add(forget, bind![records, self.feed]);
        writes.add(keep, spans);
    }

    fn points<'a>(&self, writes: &mut Writes<'a>, points: &'a [Point], observed_at: Timestamp) {
        if points.is_empty() {
            return;
        }
        let statement =
            "INSERT INTO points (record, feed, fetch_id, observed_at, shown_version, shown_hash, age, ordinal)
             SELECT record, $2, $3, $4, number, hash, age, ordinal
             FROM unnest($1, $5, $6, $7, $8) AS t (record, number, hash, age, ordinal)";
        let values = bind![
            points.iter().map(|point| rows::record_uuid(point.record)).collect::<Vec<_>>(),
            self.feed,
            self.fetch,
            observed_at.as_micros(),
            points.iter().map(|point| rows::version_number(point.shown.version)).collect::<Vec<_>>(),
            points.iter().map(|point| point.shown.hash.as_bytes().as_slice()).collect::<Vec<_>>(),
            points.iter().map(|point| point.age.as_micros()).collect::<Vec<_>>(),
            points.iter().map(|point| i64::from(point.ordinal)).collect::<Vec<_>>(),
        ];
        writes.add(statement, values);
        let away: Vec<&Point> = points.iter().filter(|point| !point.present).collect();
        if away.is_empty() {
            return;
        }
        let note = "INSERT INTO absent (record, feed, shown_version, shown_hash)
             SELECT record, $2, number, hash FROM unnest($1, $3, $4) AS t (record, number, hash)
             ON CONFLICT (record, feed) DO UPDATE
             SET shown_version = excluded.shown_version, shown_hash = excluded.shown_hash";
        let values = bind![
            away.iter().map(|point| rows::record_uuid(point.record)).collect::<Vec<_>>(),
            self.feed,
            away.iter().map(|point| rows::version_number(point.shown.version)).collect::<Vec<_>>(),
            away.iter().map(|point| point.shown.hash.as_bytes().as_slice()).collect::<Vec<_>>(),
        ];
        writes.add(note, values);
    }

    fn rejects<'a>(&self, writes: &mut Writes<'a>, last_place: i64, prepared: &Prepared, plan: &'a WritePlan) {
        let rejects = &plan.rejects;
        if rejects.is_empty() {
            return;
        }
        let statement = "INSERT INTO rejects (feed, fetch_id, recorded_at, part, place, ordinal, namespace, key,
                                              code, reason, excerpt)
             SELECT $1, $2, $3, $4, t.* FROM unnest($5, $6, $7, $8, $9, $10, $11) AS t";
        let values = bind![
            self.feed,
            self.fetch,
            prepared.batch().recorded_at.as_micros(),
            i64::from(prepared.batch().part.index),
            (last_place + 1..).take(rejects.len()).collect::<Vec<_>>(),
            rejects.iter().map(|reject| i64::from(reject.ordinal)).collect::<Vec<_>>(),
            rejects.iter().map(|reject| Some(reject.key.as_ref()?.namespace().as_str())).collect::<Vec<_>>(),
            rejects.iter().map(|reject| Some(reject.key.as_ref()?.key())).collect::<Vec<_>>(),
            rejects.iter().map(|reject| rows::quoted(&reject.code)).collect::<Vec<_>>(),
            rejects.iter().map(|reject| rows::quoted(&reject.reason)).collect::<Vec<_>>(),
            rejects.iter().map(|reject| rows::quoted(&reject.excerpt)).collect::<Vec<_>>(),
        ];
        writes.add(statement, values);
    }
}
