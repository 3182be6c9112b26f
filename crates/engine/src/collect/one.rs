//! One feed's journey: intent, fetch, document, commit, detail.

mod again;
mod announced;
mod check;
mod ended;
mod keeping;
mod landing;
mod next;
mod paged;
mod pushed;

use std::panic::AssertUnwindSafe;
use std::sync::Arc;

use feedspine_core::{
    Counts, Coverage, CursorStep, ErrorKind, Feed, FeedCursor, FeedStatus, FetchId, FetchIntent, FetchStatus, HashRule,
    IngestBatch, IngestReport, Json, Outset, Part, Schedule, Slot, StorageError, Timestamp,
};
use futures_util::FutureExt;
use tokio::sync::SemaphorePermit;
use tokio::time::Instant;

use super::ahead::dates_ahead;
use super::cursor::{Memory, Recalled, Source, recall, told_by};
use super::document::{self, Items, Told, last_ordinal, told_warning};
use super::honesty::{Asking, Checked, Lies, asking};
use super::parts::parts;
use super::{failed_report, report_of};
use crate::adapters::{Adapter, Identity, RawBody};
use crate::archive::Past;
use crate::fetch::{Fetched, Manner, Reach, Request, Trace};
use crate::ledger::{Again, Captured, HubTold};
use crate::ops::FeedReport;
use crate::policy::{Evidence, Reading, rule_in_force};
use crate::websub::{Noticed, Subscription};
use crate::{Address, Engine, OpError, RequestChoice};

pub(crate) use again::{ReadAgain, store_again};
pub(crate) use announced::{Announced, Heard, announce};
use check::Doubt;
use ended::{Ended, churning, persistently};
use landing::{Before, Last};
use next::Answered;
pub(crate) use next::chance;
pub(crate) use pushed::{Pushed, push};

/// A feed's turn to be fetched.
#[derive(Debug, Default)]
pub(crate) struct Turn {
    /// The slot that it fills, where a daemon fetches it.
    slot: Option<Slot>,
    /// When it was to be fetched, as that stood when its fetch began; `None` before it was ever scheduled.
    schedule: Option<Schedule>,
    /// Where its requests are noted.
    trace: Arc<Trace>,
}

impl Turn {
    /// That of a daemon, whose requests are noted there.
    pub(crate) fn filling(slot: Slot, trace: Trace) -> Self {
        Self { slot: Some(slot), schedule: None, trace: Arc::new(trace) }
    }
}

/// Collects one feed and reports what came of it. It may have been chosen long ago.
pub(crate) async fn collect(engine: Engine, chosen: Feed, reach: Reach, turn: Turn) -> FeedReport {
    let started = Instant::now();
    let (outset, intent) = match begin(&engine, &chosen, &turn).await {
        Ok(Beginning::Begun(outset, intent)) => (*outset, intent),
        Ok(Beginning::Stopped) => return not_asked(&chosen),
        Ok(Beginning::Filled) => return filled(&chosen),
        Err(error) => return failed_report(&chosen, error),
    };
    let Outset { feed, cursor, told, schedule } = outset;
    let turn = Turn { schedule, ..turn };
    let run = async |journey: &mut Journey<'_>| journey.run(reach, cursor, told).await;
    carried_out(&engine, &feed, &intent, started, Some(&turn), run).await
}

/// One fetch that asks nobody, from its intent to its detail, which are written down whatever comes of it.
async fn written_down(
    engine: &Engine,
    feed: &Feed,
    started: Instant,
    run: impl AsyncFnOnce(&mut Journey<'_>) -> Result<Arrived, OpError>,
) -> FeedReport {
    let (fetch, started_at) = (engine.new_fetch_id(), engine.now());
    let intent = FetchIntent { fetch, feed: feed.id, started_at, address: feed.address.clone() };
    match engine.state().begin_fetch(&intent, None).await {
        Ok(()) => carried_out(engine, feed, &intent, started, None, run).await,
        Err(error) => failed_report(feed, error.into()),
    }
}

/// One fetch that was begun, up to its detail. `turn`: that of a feed that is asked, which is scheduled anew; `None` when
/// nobody is asked.
async fn carried_out(
    engine: &Engine,
    feed: &Feed,
    intent: &FetchIntent,
    started: Instant,
    turn: Option<&Turn>,
    run: impl AsyncFnOnce(&mut Journey<'_>) -> Result<Arrived, OpError>,
) -> FeedReport {
    let fetch = intent.fetch;
    let trace = turn.map(|turn| Arc::clone(&turn.trace)).unwrap_or_default();
    let mut journey = Journey {
        engine,
        feed,
        fetch,
        hash_rule: HashRule::whole(),
        evidence: None,
        figures: Figures::default(),
        captured: Captured::default(),
        asks: None,
        answered: None,
        lies: None,
        checked: None,
        manner: Arc::default(),
        trace,
        again: None,
        pushed: None,
        noticed: None,
        room: None,
    };
    let arrived = AssertUnwindSafe(run(&mut journey)).catch_unwind().await;
    let mut arrived = arrived.unwrap_or_else(|_| Err(broken_off()));
    let mut told = Vec::new();
    if let Ok(Arrived { outcome, warnings, last: Some(last) }) = arrived {
        told.clone_from(&warnings);
        let whole = Arrived::with(outcome, warnings);
        let landed = AssertUnwindSafe(journey.land(intent, started, turn, &whole, &last)).catch_unwind().await;
        arrived = match landed {
            Ok(Ok(report)) => return report,
            // It was waited for.
            Ok(Err(error)) if error.kind() == ErrorKind::Unavailable => Err(error.into()),
            Ok(Err(_)) | Err(_) => {
                let apart = AssertUnwindSafe(journey.store_apart(whole, *last)).catch_unwind().await;
                apart.unwrap_or_else(|_| Err(broken_off()))
            }
        };
    }
    let has_failed = arrived.is_err();
    let mut report = journey.report(arrived.map(|arrived| (arrived.outcome, arrived.warnings)));
    if has_failed {
        report.warnings.extend(told);
    }
    // What is found while a hub is to tell of it, the hub has not told.
    let backup = if turn.is_some() && journey.is_told() { report.counts.new } else { 0 };
    if backup > 0 {
        report.warnings.extend(engine.note_missed(feed).await);
    }
    let ended = journey.ended(intent, started, turn, &report);
    Ended { backup, ..ended }.write(engine, feed, report).await
}

/// How a fetch begins.
enum Beginning {
    Begun(Box<Outset>, FetchIntent),
    /// It is not polled any more, and nobody is asked.
    Stopped,
    /// Somebody else has filled its slot, or will.
    Filled,
}

async fn begin(engine: &Engine, chosen: &Feed, turn: &Turn) -> Result<Beginning, OpError> {
    let (fetch, started_at) = (engine.new_fetch_id(), engine.now());
    let begun = match engine.joint() {
        Some(joint) => joint.begin_turn(chosen.id, fetch, started_at, turn.slot.as_ref()).await,
        None => begin_apart(engine, chosen, fetch, started_at, turn.slot.as_ref()).await,
    };
    match begun {
        Ok(Some(outset)) => {
            let intent = FetchIntent { fetch, feed: chosen.id, started_at, address: outset.feed.address.clone() };
            Ok(Beginning::Begun(Box::new(outset), intent))
        }
        Ok(None) => Ok(Beginning::Stopped),
        Err(error) if turn.slot.is_some() && error.kind() == ErrorKind::Conflict => Ok(Beginning::Filled),
        Err(error) => Err(error.into()),
    }
}

/// What [`Joint::begin_turn`](feedspine_core::Joint) does, where backend and control plane are two.
///
/// The cursor first: a removal moves it after it stopped the feed, so that it supersedes the fetch that did not see it.
async fn begin_apart(
    engine: &Engine,
    chosen: &Feed,
    fetch: FetchId,
    started_at: Timestamp,
    slot: Option<&Slot>,
) -> Result<Option<Outset>, StorageError> {
    let cursor = engine.storage().cursor(chosen.id).await?;
    let now = engine.as_it_is_now(chosen).await?;
    let Some(feed) = now.filter(|feed| feed.status == FeedStatus::Active) else { return Ok(None) };
    let told = match cursor.as_ref().and_then(|cursor| cursor.manifest) {
        Some(told_by) => engine.storage().observation(feed.id, told_by).await?.map(|told| told.counts),
        None => None,
    };
    let schedule = engine.state().schedule_of(feed.id).await?;
    let intent = FetchIntent { fetch, feed: feed.id, started_at, address: feed.address.clone() };
    engine.state().begin_fetch(&intent, slot).await?;
    Ok(Some(Outset { feed, cursor, told, schedule }))
}

/// A panic is a failure of this fetch only, and of it it is written down as others are.
fn broken_off() -> OpError {
    let error = OpError::failed("internal.panic", "the fetch of this feed broke off");
    error.with_hint("this is a fault of FeedSpine: please report it")
}

/// That of a feed whose slot somebody else has filled, or will.
fn filled(feed: &Feed) -> FeedReport {
    FeedReport { outcome: FetchStatus::Superseded, ..report_of(feed) }
}

fn not_asked(feed: &Feed) -> FeedReport {
    let why = "it was paused or removed while others were collected; it was not asked";
    FeedReport { outcome: FetchStatus::Superseded, warnings: vec![why.to_owned()], ..report_of(feed) }
}

/// What is known of a fetch whatever becomes of it.
#[derive(Debug, Clone, Copy, Default)]
struct Figures {
    http_status: Option<u16>,
    wire_bytes: u64,
    body_bytes: u64,
    /// Of the parts that were committed.
    counts: Counts,
}

/// How a journey ended that did not fail.
struct Arrived {
    outcome: FetchStatus,
    warnings: Vec<String>,
    /// What is still to be stored, with the fetch's end.
    last: Option<Box<Last>>,
}

impl Arrived {
    /// With everything stored.
    fn with(outcome: FetchStatus, warnings: Vec<String>) -> Self {
        Self { outcome, warnings, last: None }
    }
}

struct Journey<'a> {
    engine: &'a Engine,
    feed: &'a Feed,
    fetch: FetchId,
    /// Which part of the items' contents decides their versions.
    hash_rule: HashRule,
    /// What the feed's documents showed of its policy until now, as its cursor holds it: most fetches hand it on unread.
    evidence: Option<Json>,
    figures: Figures,
    /// The bodies that are kept of it.
    captured: Captured,
    /// When the document that was read asks to be read again; `None` when none was.
    asks: Option<feedspine_parse::Schedule>,
    /// Where the feed's document was, when it is one.
    answered: Option<Answered>,
    /// What is held against the server's 304s.
    lies: Option<Lies>,
    /// What came of asking without validators though there were some.
    checked: Option<Checked>,
    /// How the feed's server is asked.
    manner: Arc<Manner>,
    /// Where requests are noted.
    trace: Arc<Trace>,
    /// Why what an earlier fetch brought is stored; `None` where a source was read.
    again: Option<Again>,
    /// The hub that told it; `None` where nobody did.
    pushed: Option<HubTold>,
    /// The hubs that the document names; `None` when none was read.
    noticed: Option<Noticed>,
    /// The room that the document takes until it is stored.
    room: Option<SemaphorePermit<'a>>,
}

/// Whether a feed is read although it may be the same as last time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Anew {
    Yes,
    No,
}

/// What every batch of a fetch is built on.
struct Basis {
    /// The cursor's revision before the fetch.
    revision: u64,
    observed_at: Timestamp,
}

impl Journey<'_> {
    /// `told`: what the fetch of the cursor's manifest counted.
    async fn run(
        &mut self,
        reach: Reach,
        mut cursor: Option<FeedCursor>,
        told: Option<Counts>,
    ) -> Result<Arrived, OpError> {
        let adapter = Adapter::of(self.feed)?;
        self.manner = Arc::new(RequestChoice::of(self.feed).manner(&self.feed.address.parse()?)?);
        self.hash_rule = adapter.identity().hash_rule.clone();
        // It is kept whatever else of the cursor cannot be built on.
        self.evidence = cursor.as_mut().and_then(|cursor| take(&mut cursor.value, Evidence::MEMBER));
        let is_read_anew = Subscription::of(self.feed).is_read_anew;
        let anew = if is_read_anew { Anew::Yes } else { self.was_held_back(cursor.as_ref(), told).await? };
        let mut arrived = match &adapter {
            Adapter::Feed(identity) => self.run_document(reach, cursor, anew, identity).await,
            _ => self.run_pages(reach, cursor, anew, &adapter).await,
        }?;
        if let Some(noticed) = self.noticed.take().filter(|_| arrived.outcome == FetchStatus::Captured) {
            arrived.warnings.extend(self.engine.notice_hubs(self.feed, noticed).await);
        }
        arrived.warnings.extend(self.configured_otherwise());
        arrived.warnings.extend(churning(&self.figures.counts));
        Ok(arrived)
    }

    /// Whether the feed is to be read whatever says that it is the same: what it told last was held back in part, and is to
    /// be kept when it stays (see [`Counts::held_back`]).
    async fn was_held_back(&self, cursor: Option<&FeedCursor>, told: Option<Counts>) -> Result<Anew, OpError> {
        let Some((cursor, fetch)) = cursor.and_then(|cursor| Some((cursor, told_by(cursor)?))) else {
            return Ok(Anew::No);
        };
        let counts = if cursor.manifest == Some(fetch) {
            told
        } else {
            self.engine.storage().observation(self.feed.id, fetch).await?.map(|told| told.counts)
        };
        Ok(if counts.is_some_and(|counts| counts.held_back > 0) { Anew::Yes } else { Anew::No })
    }

    /// A configuration that has no effect is told of, and so is what gives it one.
    fn configured_otherwise(&self) -> Option<String> {
        let name = &self.feed.name;
        let differences = self.engine.settings().declared.get(name)?.differences(self.feed);
        (!differences.is_empty()).then(|| {
            let differences = differences.join("; ");
            format!(
                "feed.configured_otherwise: {differences}; `feedspine feed set {name} --as-configured` takes it over"
            )
        })
    }

    async fn run_document(
        &mut self,
        reach: Reach,
        cursor: Option<FeedCursor>,
        anew: Anew,
        identity: &Identity,
    ) -> Result<Arrived, OpError> {
        let address: Address = self.feed.address.parse()?;
        let recalled = cursor.as_ref().filter(|_| anew == Anew::No).and_then(|cursor| recall(cursor, self.feed));
        self.lies = cursor.as_ref().and_then(|cursor| Lies::in_cursor(&cursor.value, self.feed));
        let memory = recalled.as_ref().map(|recalled| &recalled.memory);
        let (validators, doubted) = match asking(memory, self.lies.as_ref(), self.engine.now()) {
            Asking::With(validators) => (Some(validators.clone()), None),
            Asking::Without => (None, None),
            Asking::Checking(validators) => (None, Some(validators.clone())),
        };
        let (trace, manner) = (Arc::clone(&self.trace), Arc::clone(&self.manner));
        let request = Request {
            address: &address,
            reach,
            manner: &manner,
            validators: validators.as_ref(),
            headers: None,
            most_bytes: None,
            trace: Some(&trace),
        };
        let fetched = self.engine.fetcher().fetch(request).await;
        let fetched = fetched.map_err(|failure| {
            self.figures.http_status = failure.http_status;
            self.figures.wire_bytes = failure.wire_bytes;
            failure.error
        })?;
        self.figures.http_status = fetched.http_status;
        self.answered = fetched.url.clone().map(|url| Answered { url, route: fetched.route });
        let basis = Basis { revision: cursor.map_or(0, |cursor| cursor.revision), observed_at: self.engine.now() };
        match recalled {
            Some(recalled) if fetched.body.is_none() => {
                let memory = Memory { validators: fetched.validators, ..recalled.memory };
                self.commit_unchanged(&basis, recalled.manifest, &memory).await
            }
            recalled => {
                let doubt = doubted.zip(recalled.as_ref()).map(|(validators, recalled)| Doubt {
                    request: Request { validators: None, ..request },
                    validators,
                    held: recalled.memory.body,
                });
                self.take_body(&basis, fetched, recalled, identity, doubt).await
            }
        }
    }

    async fn take_body(
        &mut self,
        basis: &Basis,
        fetched: Fetched,
        recalled: Option<Recalled>,
        identity: &Identity,
        doubt: Option<Doubt<'_>>,
    ) -> Result<Arrived, OpError> {
        let received = fetched.body.expect("only a request with validators is answered without a body");
        self.figures.wire_bytes = received.wire.len() as u64;
        let limits = self.engine.settings().limits;
        let most_bytes = received.coding.most_decoded(self.figures.wire_bytes, &limits);
        let found_out = match doubt {
            Some(doubt) => self.check(doubt, &received, basis.observed_at).await,
            None => None,
        };
        let engine = self.engine;
        let room = engine.room_for(most_bytes).await;
        let source = Source { url: fetched.url, content_type: fetched.content_type };
        let (headers, link) = (fetched.headers, fetched.link);
        let task = document::Task {
            namespace: self.feed.namespace.clone(),
            key_rule: rule_in_force(self.feed),
            identity: identity.clone(),
            known: recalled.as_ref().and_then(|recalled| recalled.document_of(&source)),
            received,
            address: self.feed.address.clone(),
            source: source.clone(),
            limits,
        };
        let document = document::read(task).await?;
        self.figures.body_bytes = document.body_bytes;
        let validators = fetched.validators;
        let memory = Memory { validators, body: document.hash, source, read_at: basis.observed_at, state: Json::Null };
        match document.told {
            Told::Known(manifest) => self.commit_unchanged(basis, manifest, &memory).await,
            Told::Unreadable { error, body: bytes } => {
                // A later parser may read it; the failure is told whether or not it could be kept.
                let body = RawBody { first_ordinal: 0, last_ordinal: 0, source: memory.source, headers, bytes };
                self.keep(basis, body).await;
                Err(error)
            }
            Told::Items(mut items) => {
                self.asks = Some(std::mem::take(&mut items.asks));
                let noticed = memory.source.url.as_deref().map(|url| Noticed::of(link.as_deref(), &items.named, url));
                let key_rule =
                    items.reading.as_ref().and_then(|reading| reading.learned.as_ref()).map(|told| told.rule);
                let last_ordinal = last_ordinal(&items.candidates, &items.rejects);
                let bytes = std::mem::take(&mut items.body);
                let body = RawBody { first_ordinal: 0, last_ordinal, source: memory.source.clone(), headers, bytes };
                let past = if basis.revision == 0 { Past::None } else { Past::Perhaps };
                let (ready, unkept) = match self.pack(basis, body, past).await {
                    Ok(ready) => (ready, None),
                    Err(why) => (None, Some(why)),
                };
                items.warnings.extend(unkept);
                items.warnings.extend(found_out);
                items.warnings.extend(dates_ahead(&items.candidates, basis.observed_at).as_ref().map(told_warning));
                if self.lands_whole(noticed.as_ref(), items.candidates.len()) {
                    self.room = Some(room);
                    return Ok(self.at_once(basis, *items, &memory, key_rule, ready));
                }
                self.noticed = noticed;
                match self.go_before(key_rule, ready).await? {
                    Before::Stored(warning) => items.warnings.extend(warning),
                    Before::Overtaken => return Ok(self.superseded()),
                }
                self.commit_items(basis, *items, &memory).await
            }
        }
    }

    /// A 304, or the same bytes: one row of the ledger. It can wait for the fetch's end unless what it counts is asked for
    /// before, by a feed that may have moved.
    async fn commit_unchanged(&mut self, basis: &Basis, of: FetchId, memory: &Memory) -> Result<Arrived, OpError> {
        let next = memory.to_json(self.feed, rule_in_force(self.feed), self.evidence.take());
        let next = Lies::added_to(self.lies.as_ref(), next);
        let batch = IngestBatch {
            coverage: Coverage::Unchanged { of },
            step: CursorStep::Advance { expected: basis.revision, next },
            ..self.batch(basis)
        };
        let unchanged = Arrived::with(FetchStatus::Unchanged, Vec::new());
        if self.ends_at_once() {
            return Ok(Arrived { last: Some(Box::new(Last::of(batch))), ..unchanged });
        }
        Ok(if self.submit(batch).await? { unchanged } else { self.superseded() })
    }

    /// Takes what a fetch shows of how keys do; what is to be told of it.
    fn take_evidence(&mut self, basis: &Basis, reading: Reading) -> Option<String> {
        let has_items = reading.items > 0;
        let held = self.evidence.take().as_ref().map(Evidence::read);
        let evidence = Evidence::after(held, reading, basis.observed_at);
        let last = evidence.last.as_ref().filter(|_| has_items);
        let warning = last.and_then(|last| last.warning(self.feed.name.as_str()));
        self.evidence = Some(evidence.to_json());
        warning
    }

    /// A document: in as many parts as the store needs.
    async fn commit_items(&mut self, basis: &Basis, mut items: Items, memory: &Memory) -> Result<Arrived, OpError> {
        let (next, warnings) = self.cursor_after(basis, &mut items, memory);
        let most = self.engine.storage().info().capabilities.max_batch.max(1);
        let mut rejects = items.rejects;
        let mut rest = parts(items.candidates, most).into_iter().peekable();
        for index in 0.. {
            let Some(part) = rest.next() else { break };
            let last = rest.peek().is_none();
            let batch = IngestBatch {
                part: Part { index, last },
                coverage: Coverage::Snapshot { complete: items.complete },
                items: part,
                rejects: if last { std::mem::take(&mut rejects) } else { Vec::new() },
                step: CursorStep::Advance { expected: basis.revision, next: next.clone() },
                ..self.batch(basis)
            };
            if !self.submit(batch).await? {
                return Ok(self.superseded());
            }
        }
        Ok(Arrived::with(FetchStatus::Captured, warnings))
    }

    /// The cursor's value after a document, and what is to be told of it.
    fn cursor_after(&mut self, basis: &Basis, items: &mut Items, memory: &Memory) -> (Json, Vec<String>) {
        let mut warnings = std::mem::take(&mut items.warnings);
        warnings.extend(items.reading.take().and_then(|reading| self.take_evidence(basis, reading)));
        let next = memory.to_json(self.feed, items.key_rule, self.evidence.take());
        (Lies::added_to(self.lies.as_ref(), next), warnings)
    }

    /// Another fetch of the feed was committed first: its word stands, and this one is never submitted again.
    fn superseded(&self) -> Arrived {
        Arrived::with(FetchStatus::Superseded, vec![ended::superseded(&self.figures.counts)])
    }

    fn batch(&self, basis: &Basis) -> IngestBatch {
        IngestBatch {
            feed: self.feed.id,
            fetch: self.fetch,
            part: Part::ONLY,
            observed_at: basis.observed_at,
            recorded_at: self.engine.now(),
            coverage: Coverage::Delta,
            hash_rule: self.hash_rule.clone(),
            items: Vec::new(),
            rejects: Vec::new(),
            step: CursorStep::Keep,
        }
    }

    /// Hands a batch to the store, as soon as it takes it, and counts what it did; false when another fetch was committed
    /// first. A batch whose answer was lost is handed over once more: the store knows it again.
    async fn submit(&mut self, batch: IngestBatch) -> Result<bool, OpError> {
        Ok(self.submit_for_report(batch).await?.is_some())
    }

    /// The same, with the store's report.
    async fn submit_for_report(&mut self, batch: IngestBatch) -> Result<Option<IngestReport>, OpError> {
        let storage = self.engine.storage();
        match persistently(|| storage.ingest(batch.clone())).await {
            Ok(report) => {
                self.figures.counts += report.counts;
                Ok(Some(report))
            }
            Err(error) if error.kind() == ErrorKind::Conflict => Ok(None),
            Err(error) => Err(error.into()),
        }
    }
}

fn take(value: &mut Json, member: &str) -> Option<Json> {
    match value {
        Json::Object(members) => members.remove(member),
        _ => None,
    }
}
