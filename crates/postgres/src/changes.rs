//! The change log: written in runs, read by `(epoch, transaction id, ordinal)` up to the oldest transaction that still
//! runs.
//!
//! An epoch begins when the store comes to another cluster, or to another timeline of its own, where transaction ids begin
//! anew. Epochs are numbered upwards, so rows of a later one sort behind all others. Each has a token, made by chance, and
//! a position names both: positions of earlier epochs go on, while one of a sibling, restored from the same backup, or of
//! the log before an import, is refused: the number may be the same, its token is not.
//!
//! A sequence alone would skip: a transaction with a small number may commit after one with a greater. So a reader sees
//! no transaction at or beyond `pg_snapshot_xmin`: below it every transaction is over, and none can follow.

use std::collections::BTreeMap;
use std::num::NonZeroUsize;
use std::time::Duration;

use feedspine_core::{Change, Event, FeedId, FetchId, RecordId, Result, Seq, Subject, Timestamp};
use tokio::time::Instant;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::bind::bind;
use crate::error::Outcome;
use crate::rows::{self, Columns, corrupt};
use crate::session::{Session, both};
use crate::tries::chance;
use crate::writes::Writes;

/// The most events that one row holds, so that no page has to read much more than it shows.
const RUN: usize = 1_000;

/// How long a reader waits for transactions that began before what is there: one that stays open elsewhere delays nobody
/// for longer.
const PATIENCE: Duration = Duration::from_secs(3);

/// What all events of a row have in common.
type Source = (Option<FeedId>, Option<FetchId>, Timestamp);

fn source(event: &Event) -> Source {
    (event.feed, event.fetch, event.recorded_at)
}

/// Appends events, in order. Called once in a transaction at most.
pub(crate) fn append<'a>(writes: &mut Writes<'a>, events: &'a [Event]) {
    let mut first = 1;
    for alike in events.chunk_by(|a, b| source(a) == source(b)) {
        for run in alike.chunks(RUN) {
            append_run(writes, run, first);
            first += i32::try_from(run.len()).expect("a run is short");
        }
    }
}

fn append_run<'a>(writes: &mut Writes<'a>, run: &'a [Event], first: i32) {
    let (feed, fetch, recorded_at) = source(&run[0]);
    let subjects = || run.iter().map(|event| event.subject.as_ref());
    let statement = "INSERT INTO changes (epoch, first, size, feed, fetch_id, recorded_at,
                                          kinds, records, namespaces, keys, layers, versions, witnesses)
         SELECT epoch, $1, $2, $3, $4, $5, $6, $7, $8, $9, $10, $11, $12 FROM store";
    let values = bind![
        first,
        i32::try_from(run.len()).expect("a run is short"),
        feed.map(rows::feed_uuid),
        fetch.map(rows::fetch_uuid),
        recorded_at.as_micros(),
        run.iter().map(|event| rows::change_kind_number(event.kind)).collect::<Vec<_>>(),
        subjects().map(|subject| Some(rows::record_uuid(subject?.record))).collect::<Vec<_>>(),
        subjects().map(|subject| Some(subject?.key.namespace().as_str())).collect::<Vec<_>>(),
        subjects().map(|subject| Some(subject?.key.key())).collect::<Vec<_>>(),
        subjects().map(|subject| Some(rows::layer_rank(subject?.layer?))).collect::<Vec<_>>(),
        subjects().map(|subject| Some(rows::version_number(subject?.version?))).collect::<Vec<_>>(),
        run.iter().map(|event| event.witness.map(rows::record_uuid)).collect::<Vec<_>>(),
    ];
    writes.add(statement, values);
}

/// Begins the history of an empty log: no position that was given out before is of it.
pub(crate) async fn begin_history(session: &Session) -> Outcome<()> {
    session.batch("DELETE FROM epochs; UPDATE store SET epoch = epoch + 1").await?;
    name_epoch(session).await
}

/// Begins an epoch when this is not the cluster, or not the line of its history, that the change log was written in:
/// positions stay in order although transaction ids begin anew.
pub(crate) async fn enter_epoch(session: &Session) -> Outcome<()> {
    let here =
        "(SELECT s.system_identifier || '/' || c.timeline_id FROM pg_control_system() s, pg_control_checkpoint() c)";
    let statement = format!(
        "UPDATE store SET epoch = CASE WHEN cluster = '' THEN epoch ELSE epoch + 1 END, cluster = {here}
         WHERE cluster <> {here}"
    );
    session.execute(&statement, &[]).await?;
    name_epoch(session).await
}

/// Gives the epoch that the store is in a token, if it has none: not zero, which is that of epochs from before tokens.
async fn name_epoch(session: &Session) -> Outcome<()> {
    let statement = "INSERT INTO epochs (number, token) SELECT epoch, $1 FROM store ON CONFLICT (number) DO NOTHING";
    session.execute(statement, &bind![chance().max(1).cast_signed()]).await
}

/// A place in the log.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) struct Position {
    epoch: u32,
    xid: u64,
    ordinal: u32,
}

impl Position {
    /// Before all changes.
    pub(crate) const START: Self = Self { epoch: 0, xid: 0, ordinal: 0 };
}

/// A position as followers hold it: a place in the log, and the token of its epoch.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Mark {
    place: Position,
    token: u64,
}

impl Mark {
    /// Reads a position; the beginning is before all.
    ///
    /// # Errors
    /// `Invalid`: a position of another log.
    pub(crate) fn read(seq: &Seq) -> Result<Self> {
        let bytes = seq.as_bytes();
        if bytes.is_empty() {
            return Ok(Self { place: Position::START, token: 0 });
        }
        let parts = || {
            let (epoch, rest) = bytes.split_first_chunk()?;
            let (xid, rest) = rest.split_first_chunk()?;
            let (ordinal, token) = rest.split_first_chunk()?;
            let token = match token {
                [] => 0,
                token => Some(u64::from_be_bytes(token.try_into().ok()?)).filter(|token| *token != 0)?,
            };
            let (epoch, ordinal) = (u32::from_be_bytes(*epoch), u32::from_be_bytes(*ordinal));
            let place = Position { epoch, xid: u64::from_be_bytes(*xid), ordinal };
            // Both are kept as signed numbers.
            let fits = |number| i32::try_from(number).is_ok();
            (fits(epoch) && fits(ordinal)).then_some(Self { place, token })
        };
        // Those of SQLite are shorter.
        let other = || if matches!(bytes.len(), 8 | 12) { Seq::of_another_log() } else { Seq::unreadable() };
        parts().ok_or_else(other)
    }

    /// The bytes order as the places do. Those of epochs from before there were tokens are as they were.
    fn to_seq(self) -> Seq {
        let Position { epoch, xid, ordinal } = self.place;
        let mut bytes = [&epoch.to_be_bytes()[..], &xid.to_be_bytes(), &ordinal.to_be_bytes()].concat();
        if self.token != 0 {
            bytes.extend(self.token.to_be_bytes());
        }
        Seq::from_bytes(bytes)
    }
}

/// What one snapshot says of the log as a whole.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Moment {
    /// The token of each epoch.
    tokens: BTreeMap<u32, u64>,
    /// Before it everything can be told: no transaction that still runs can come there.
    horizon: Position,
    /// No transaction from this one on is known yet.
    end: u64,
}

impl Moment {
    async fn load(session: &Session) -> Outcome<Self> {
        let asked = "SELECT epoch, pg_snapshot_xmin(pg_current_snapshot())::text,
                pg_snapshot_xmax(pg_current_snapshot())::text,
                ARRAY(SELECT number FROM epochs ORDER BY number), ARRAY(SELECT token FROM epochs ORDER BY number)
            FROM store";
        let row = session.query_opt(asked, &[]).await?.ok_or_else(|| corrupt("the store's own row"))?;
        let mut columns = Columns::of(&row);
        let horizon = Position { epoch: columns.take::<i32>()?.cast_unsigned(), xid: columns.word()?, ordinal: 0 };
        let end = columns.word()?;
        let (numbers, tokens): (Vec<i32>, Vec<i64>) = (columns.take()?, columns.take()?);
        let tokens = numbers.into_iter().map(i32::cast_unsigned).zip(tokens.into_iter().map(i64::cast_unsigned));
        Ok(Self { tokens: tokens.collect(), horizon, end })
    }

    /// Whether that can be a position of this log.
    fn knows(&self, mark: Mark) -> bool {
        let Mark { place, token } = mark;
        let is_past = place.epoch < self.horizon.epoch || place.xid < self.end;
        place == Position::START || is_past && self.tokens.get(&place.epoch) == Some(&token)
    }

    fn seq_of(&self, place: Position) -> Outcome<Seq> {
        let token = self.tokens.get(&place.epoch).ok_or_else(|| corrupt("an epoch of the change log"))?;
        Ok(Mark { place, token: *token }.to_seq())
    }

    fn changes(&self, told: Vec<(Position, Event)>) -> Outcome<Vec<Change>> {
        told.into_iter().map(|(place, event)| Ok(Change { seq: self.seq_of(place)?, event })).collect()
    }
}

/// What a look at the log gave.
#[derive(Debug)]
pub(crate) struct Look {
    pub(crate) changes: Vec<Change>,
    /// The first and the last that are there already, and cannot be told yet.
    hidden: Option<(Position, Position)>,
}

impl Look {
    /// Notes a run that cannot be told yet.
    fn hide(&mut self, position: Position) {
        self.hidden = Some((self.hidden.map_or(position, |(first, _)| first), position));
    }
}

/// Reads on behalf of one call: whoever has just committed finds its changes.
#[derive(Debug)]
pub(crate) struct Reader {
    most: NonZeroUsize,
    /// Since when it waits.
    began: Option<Instant>,
    /// What was there when the call began.
    until: Option<Position>,
}

impl Reader {
    pub(crate) fn new(most: NonZeroUsize) -> Self {
        Self { most, began: None, until: None }
    }

    /// Whether to look again, after a while: something that was there from the beginning cannot be told yet, because a
    /// transaction that began before it still runs.
    pub(crate) async fn waits(&mut self, look: &Look) -> bool {
        let Some((first, last)) = look.hidden else { return false };
        let until = *self.until.get_or_insert(last);
        let elapsed = self.began.get_or_insert_with(Instant::now).elapsed();
        let waits = look.changes.len() < self.most.get() && first <= until && elapsed < PATIENCE;
        if waits {
            tokio::time::sleep((elapsed / 4).clamp(Duration::from_millis(1), Duration::from_millis(50))).await;
        }
        waits
    }
}

/// Up to `most` changes after a position, and whether there are others that cannot be told yet.
pub(crate) async fn look(session: &Session, mark: Mark, most: NonZeroUsize) -> Outcome<Look> {
    let after = mark.place;
    let (epoch, ordinal) = (after.epoch.cast_signed(), after.ordinal.cast_signed());
    let xid = after.xid.to_string();
    let limit = i64::try_from(most.get()).unwrap_or(i64::MAX);
    // As many rows as there are changes wanted suffice; only those whose events are wanted are read wholly.
    let statement = "
        WITH ahead AS (
            SELECT c.epoch, c.xid, c.first, c.size FROM changes c
            WHERE (c.epoch, c.xid) >= ($1, $2::text::xid8)
              AND ((c.epoch, c.xid) > ($1, $2::text::xid8) OR c.first + c.size - 1 > $3)
            ORDER BY c.epoch, c.xid, c.first LIMIT $4
        ), counted AS (
            SELECT *, sum(size) OVER (ORDER BY epoch, xid, first) - size AS before FROM ahead
        )
        SELECT c.epoch, c.xid::text, c.first, c.feed, c.fetch_id, c.recorded_at,
               c.kinds, c.records, c.namespaces, c.keys, c.layers, c.versions, c.witnesses
        FROM counted t JOIN changes c ON c.epoch = t.epoch AND c.xid = t.xid AND c.first = t.first
        WHERE t.before - 1000 < $4
        ORDER BY c.epoch, c.xid, c.first";
    let values = bind![epoch, xid, ordinal, limit];
    let (moment, found) = both(Moment::load(session), session.query(statement, &values)).await?;
    if !moment.knows(mark) {
        return Err(Seq::of_another_log().into());
    }
    let (mut look, mut told) = (Look { changes: Vec::new(), hidden: None }, Vec::new());
    for row in &found {
        let place = read_position(row)?;
        if place >= moment.horizon {
            look.hide(place);
        } else if told.len() < most.get() {
            read_run(row, after, most.get(), &mut told)?;
        }
    }
    look.changes = moment.changes(told)?;
    Ok(look)
}

/// What happened to one record from a place on, oldest first, and the place up to which that is all: what another look
/// has to begin at. The server looks through the log, and sends the runs that name the record.
///
/// No more is told than a follower is: from a position that was given out, `changes` goes on.
pub(crate) async fn look_for(session: &Session, record: RecordId, from: Position) -> Outcome<(Look, Position)> {
    let statement = format!(
        "SELECT {RUN_COLUMNS} FROM changes WHERE (epoch, xid) >= ($2, $3::text::xid8) AND $1 = ANY (records)
         ORDER BY changes.epoch, changes.xid, changes.first"
    );
    let values = bind![rows::record_uuid(record), from.epoch.cast_signed(), from.xid.to_string()];
    let (moment, found) = both(Moment::load(session), session.query(&statement, &values)).await?;
    let (mut look, mut told) = (Look { changes: Vec::new(), hidden: None }, Vec::new());
    for row in &found {
        let place = read_position(row)?;
        if place >= moment.horizon {
            look.hide(place);
        } else {
            read_run(row, Position::START, usize::MAX, &mut told)?;
        }
    }
    told.retain(|(_, event)| event.subject.as_ref().is_some_and(|subject| subject.record == record));
    look.changes = moment.changes(told)?;
    Ok((look, moment.horizon))
}

/// The position of the first event of a run.
fn read_position(row: &Row) -> Outcome<Position> {
    let mut columns = Columns::of(row);
    let epoch = columns.take::<i32>()?.cast_unsigned();
    let xid = columns.word()?;
    Ok(Position { epoch, xid, ordinal: columns.take::<i32>()?.cast_unsigned() })
}

/// The columns of a run of events.
pub(crate) const RUN_COLUMNS: &str = "epoch, xid::text, first, feed, fetch_id, recorded_at,
    kinds, records, namespaces, keys, layers, versions, witnesses";

/// The transaction that logged a run, and its events.
pub(crate) fn read_whole_run(row: &Row) -> Outcome<(u64, Vec<Event>)> {
    let xid = read_position(row)?.xid;
    let mut told = Vec::new();
    read_run(row, Position::START, usize::MAX, &mut told)?;
    Ok((xid, told.into_iter().map(|(_, event)| event).collect()))
}

/// Adds the events of a run that come after a place, as long as there are no more than `most`.
fn read_run(row: &Row, after: Position, most: usize, told: &mut Vec<(Position, Event)>) -> Outcome<()> {
    let mut columns = Columns::of(row);
    let (epoch, xid) = (columns.take::<i32>()?.cast_unsigned(), columns.word::<u64>()?);
    let first = columns.take::<i32>()?.cast_unsigned();
    let (feed, fetch) = (columns.optional_feed()?, columns.optional_fetch()?);
    let recorded_at = columns.instant()?;
    let kinds: Vec<i16> = columns.take()?;
    let records: Vec<Option<Uuid>> = columns.take()?;
    let namespaces: Vec<Option<&str>> = columns.take()?;
    let keys: Vec<Option<&str>> = columns.take()?;
    let layers: Vec<Option<i16>> = columns.take()?;
    let versions: Vec<Option<i32>> = columns.take()?;
    let witnesses: Vec<Option<Uuid>> = columns.take()?;
    let whole = [records.len(), namespaces.len(), keys.len(), layers.len(), versions.len(), witnesses.len()];
    if whole != [kinds.len(); 6] {
        return Err(corrupt("a run of changes"));
    }
    for (at, kind) in (0_u32..).zip(&kinds) {
        let position = Position { epoch, xid, ordinal: first + at };
        if position <= after {
            continue;
        }
        if told.len() == most {
            break;
        }
        let at = at as usize;
        let subject = match (records[at], namespaces[at], keys[at]) {
            (Some(record), Some(namespace), Some(key)) => Some(Subject {
                record: RecordId::new(record),
                key: rows::key(namespace, key)?,
                layer: layers[at].map(rows::layer).transpose()?,
                version: versions[at].map(rows::version).transpose()?,
            }),
            _ => None,
        };
        let witness = witnesses[at].map(RecordId::new);
        let event = Event { kind: rows::change_kind(*kind)?, subject, feed, fetch, witness, recorded_at };
        told.push((position, event));
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn positions_read_back_and_order_as_their_bytes() {
        let places = [(0, 1, 1), (0, 1, 2), (0, 255, 1), (0, 256, 1), (0, u64::MAX, 9), (1, 3, 1), (2, 1, 1)];
        let places = places.map(|(epoch, xid, ordinal)| Position { epoch, xid, ordinal });
        // Epochs from before there were tokens come first.
        let marks = places.map(|place| Mark { place, token: [0, u64::MAX, 1][place.epoch as usize] });
        for mark in marks {
            assert_eq!(Mark::read(&mark.to_seq()).unwrap(), mark);
        }
        assert!(places.is_sorted() && marks.map(Mark::to_seq).is_sorted());
    }

    #[test]
    fn a_position_is_of_the_epochs_that_a_log_has_been_in_by_their_tokens() {
        let at = |epoch, token| Mark { place: Position { epoch, xid: 7, ordinal: 1 }, token };
        let moment = |end| Moment {
            tokens: [(3, 0), (4, 44), (5, 55)].into(),
            horizon: Position { epoch: 5, xid: 6, ordinal: 0 },
            end,
        };
        let table = [
            (at(3, 0), true),
            (at(4, 44), true),
            (at(5, 55), true),
            // A sibling's, and one of the log before an import.
            (at(5, 54), false),
            (at(4, 0), false),
            (at(3, 33), false),
            (at(6, 55), false),
            (at(2, 0), false),
            (Mark { place: Position::START, token: 0 }, true),
        ];
        for (mark, known) in table {
            assert_eq!(moment(8).knows(mark), known, "{mark:?}");
        }
        // Another cluster may be behind the one that gave the position out.
        assert!(!moment(7).knows(at(5, 55)) && moment(7).knows(at(4, 44)));
    }

    #[test]
    fn however_often_a_log_turns_no_earlier_epoch_sorts_behind_it() {
        let first = i32::MAX.cast_unsigned() - 5_000;
        let places =
            (first..first + 5_000).map(|epoch| Position { epoch, xid: u64::from(first + 5_000 - epoch), ordinal: 1 });
        let tokens: BTreeMap<u32, u64> = (first..first + 5_000).map(|epoch| (epoch, u64::from(!epoch) << 32)).collect();
        let moment = Moment { tokens, horizon: Position { epoch: first + 5_000, xid: 1, ordinal: 0 }, end: 1 };
        let seqs: Vec<Seq> = places.map(|place| moment.seq_of(place).unwrap()).collect();
        assert!(seqs.is_sorted() && seqs.iter().all(|seq| moment.knows(Mark::read(seq).unwrap())));
    }

    #[test]
    fn a_position_of_another_log_is_refused() {
        for bytes in [vec![1], vec![0; 8], vec![0; 15], vec![0; 17], vec![0xFF; 16], vec![0; 24], vec![1; 25]] {
            assert!(Mark::read(&Seq::from_bytes(bytes)).is_err());
        }
        assert_eq!(Mark::read(&Seq::start()).unwrap(), Mark { place: Position::START, token: 0 });
    }
}
