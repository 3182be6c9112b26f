//! `feedspine demo`: sample feeds from a real server on loopback, collected through the ordinary path over some days of
//! simulated time. No outside network.

mod samples;
mod server;
mod tell;

use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::time::Duration;

use feedspine::core::{FeedName, Json, Namespace, Timestamp};
use feedspine::ops::FeedView;
use feedspine::ops::{AddFeed, Collect, CollectEvent, CollectReport, Status, ToJson};
use feedspine::{Ending, Engine, HostRate, OpError, Settings, SimulatedClock};
use feedspine_sqlite::SqliteStore;

use crate::arguments;
use crate::commands::Context;
use crate::printer::Format;
use samples::{ROUNDS, SAMPLES};
use server::Server;

/// When the first round begins: a Monday morning, in microseconds since 1970.
const MONDAY_7: i64 = 1_772_434_800_000_000;
const DAY: Duration = Duration::from_hours(24);
/// What one fetch takes in simulated time, so that sightings are told apart.
const FETCH: Duration = Duration::from_secs(2);

/// One round and what came of it.
struct Round {
    at: Timestamp,
    report: CollectReport,
}

/// All that the demo tells.
struct Demo {
    db: String,
    rounds: Vec<Round>,
    feeds: Vec<FeedView>,
    status: Status,
    look_further: Vec<Suggestion>,
}

/// A command to look further.
struct Suggestion {
    why: &'static str,
    command: String,
}

impl ToJson for Demo {
    fn to_json(&self) -> Json {
        let rounds = self
            .rounds
            .iter()
            .map(|round| Json::object([("at", round.at.to_string().into()), ("report", round.report.to_json())]));
        let commands = self.look_further.iter().map(|suggestion| {
            Json::object([("why", suggestion.why.into()), ("command", suggestion.command.as_str().into())])
        });
        Json::object([
            ("db", self.db.as_str().into()),
            ("rounds", Json::Array(rounds.collect())),
            ("feeds", Json::Array(self.feeds.iter().map(ToJson::to_json).collect())),
            ("status", self.status.to_json()),
            ("look_further", Json::Array(commands.collect())),
        ])
    }
}

/// Runs the demo. A feed that fails in it fails on purpose: the command is done all the same.
pub(crate) async fn run(arguments: &arguments::Demo, context: Context<'_>) -> Result<Ending, OpError> {
    let printer = context.printer;
    if context.config.db_by_flag().is_some() {
        return Err(OpError::usage("demo.db", "the demo begins a store of its own, and leaves that of --db alone")
            .with_hint("say --dir DIRECTORY to keep it somewhere"));
    }
    let file = store_file(arguments.dir.as_deref())?;
    let server = Server::start().await.map_err(|error| {
        OpError::failed("demo.server", format!("cannot listen on loopback: {error}"))
            .with_hint("the demo serves its feeds on a free port of 127.0.0.1")
    })?;
    let clock = Arc::new(SimulatedClock::at(Timestamp::UNIX_EPOCH.saturating_add_micros(MONDAY_7)));
    let store = Arc::new(SqliteStore::new(&file));
    let engine = Engine::open(store.clone(), store, settings(&clock)).await?;
    for sample in &SAMPLES {
        engine.add(request(sample, &server)?).await?;
    }
    let text = printer.format() == Format::Text;
    if text {
        printer.lines(&tell::opening(printer.width()));
    }
    let mut rounds = Vec::with_capacity(ROUNDS);
    for number in 0..ROUNDS {
        server.turn_to(number);
        let round = collect(&engine, &clock).await?;
        if text {
            printer.lines(&tell::round(number, &round, printer.width()));
        }
        clock.advance(DAY.saturating_sub(FETCH * u32::try_from(SAMPLES.len()).expect("there are few")));
        rounds.push(round);
    }
    let mut feeds = Vec::with_capacity(SAMPLES.len());
    for sample in &SAMPLES {
        feeds.push(engine.feed(&name(sample.name)?).await?);
    }
    let status = engine.status().await?;
    engine.close().await?;
    let db = format!("sqlite:{}", file.display());
    let look_further = tell::suggestions(&db);
    let demo = Demo { db, rounds, feeds, status, look_further };
    printer.answer(&demo, || tell::closing(&demo));
    Ok(Ending::Done)
}

/// Polite hosts are polled seldom; the demo's own server may be asked at once. One request at a time makes every figure
/// of the demo follow from the samples.
fn settings(clock: &Arc<SimulatedClock>) -> Settings {
    Settings {
        host_rate: HostRate { in_flight: 1, interval: Duration::ZERO },
        concurrency: 1,
        clock: clock.clone(),
        ..Settings::default()
    }
}

fn request(sample: &samples::Sample, server: &Server) -> Result<AddFeed, OpError> {
    Ok(AddFeed {
        name: Some(name(sample.name)?),
        namespace: sample.shares.map(Namespace::new).transpose()?,
        allow_private: true,
        ..AddFeed::new(server.url(sample))
    })
}

fn name(text: &str) -> Result<FeedName, OpError> {
    Ok(FeedName::new(text)?)
}

async fn collect(engine: &Engine, clock: &Arc<SimulatedClock>) -> Result<Round, OpError> {
    let at = feedspine::Clock::now(&**clock);
    let tell = |event: CollectEvent<'_>| {
        if matches!(event, CollectEvent::Ended { .. }) {
            clock.advance(FETCH);
        }
    };
    let report = engine.collect(&Collect::default(), &tell).await?;
    Ok(Round { at, report })
}

/// The store's file: in the directory named, or in a fresh one that stays after the demo.
fn store_file(dir: Option<&Path>) -> Result<PathBuf, OpError> {
    let failed = |what: &Path, error: &std::io::Error| {
        OpError::failed("demo.dir", format!("cannot use {}: {error}", what.display()))
            .with_hint("--dir names a directory that may be written")
    };
    let dir = if let Some(dir) = dir {
        std::fs::create_dir_all(dir).map_err(|error| failed(dir, &error))?;
        std::path::absolute(dir).map_err(|error| failed(dir, &error))?
    } else {
        let fresh = tempfile::Builder::new().prefix("feedspine-demo-").tempdir();
        fresh.map_err(|error| failed(&std::env::temp_dir(), &error))?.keep()
    };
    let file = dir.join("feedspine.db");
    if file.exists() {
        return Err(OpError::failed("demo.exists", format!("{} exists already", file.display()))
            .with_hint("the demo begins a store of its own: name another --dir"));
    }
    Ok(file)
}
