//! The commands: each opens the store, asks the engine, and renders the answer.

mod add;
mod captures;
mod collect;
mod config;
mod db;
mod diagnose;
mod feeds;
mod health;
mod history;
mod ingest;
mod ledger;
mod members;
mod opml;
mod policy;
mod records;
mod rejects;
mod replay;
mod serve;
mod sql;
mod status;
#[cfg(feature = "kit")]
mod storage;
mod warc;
mod watch;
mod websub;
mod whole;
mod words;

use std::path::Path;

use feedspine::core::Standing;
use feedspine::{Ending, Engine, OpError, TakenOver};

use crate::arguments::{Arguments, Command};
use crate::config::Config;
use crate::demo;
use crate::printer::{Line, Printer, Style};
use crate::secrets::without_password;
use crate::shell::quoted;
use crate::stores::{Backends, Found, Wanted, unopened};

/// What every command stands on.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Context<'a> {
    pub(crate) config: &'a Config,
    pub(crate) backends: &'a Backends,
    pub(crate) printer: &'a Printer,
}

/// Runs one command.
pub(crate) async fn run(arguments: Arguments, context: Context<'_>) -> Result<Ending, OpError> {
    match arguments.command {
        Command::Demo(demo) => demo::run(&demo, context).await,
        Command::Add(add) => add::run(add, context).await,
        Command::Diagnose(diagnose) => diagnose::run(diagnose, context).await,
        Command::Collect(collect) => collect::run(collect, context).await,
        Command::Ingest(ingest) => ingest::run(ingest, context).await,
        Command::Watch(watch) => watch::run(watch, context).await,
        Command::Serve(serve) => serve::run(serve, context).await,
        Command::Status => status::run(context).await,
        Command::Health(health) => health::run(health, context).await,
        Command::Gaps(gaps) => health::gaps(gaps, context).await,
        Command::Runs(runs) => ledger::runs(runs, context).await,
        Command::Websub(websub) => websub::run(websub, context).await,
        Command::Explain(explain) => ledger::explain(explain, context).await,
        Command::Politeness(politeness) => ledger::politeness(politeness, context).await,
        Command::List(list) => records::list(list, context).await,
        Command::Show(show) => records::show(show, context).await,
        Command::History(history) => history::run(history, context).await,
        Command::Sightings(sightings) => records::sightings(sightings, context).await,
        Command::Rejects(rejects) => rejects::run(rejects, context).await,
        Command::Captures(captures) => captures::run(captures, context).await,
        Command::Replay(arguments) => replay::run(arguments, context).await,
        Command::Warc(warc) => warc::run(warc, context).await,
        Command::Sql(sql) => sql::run(sql, context).await,
        Command::Feed(feed) => feeds::run(feed, context).await,
        Command::Opml(opml) => opml::run(opml, context).await,
        Command::Export(export) => whole::export(export, context).await,
        Command::Import(import) => whole::import(import, context).await,
        Command::Db(db) => db::run(db, context).await,
        #[cfg(feature = "kit")]
        Command::Storage(storage) => storage::run(storage, context).await,
        Command::Config(config) => Ok(config::run(config, context)),
    }
}

impl Context<'_> {
    /// Opens the store for one question or job, and lets go of it whatever the answer is.
    async fn with_engine<T>(
        self,
        wanted: Wanted,
        ask: impl AsyncFnOnce(&Engine) -> Result<T, OpError>,
    ) -> Result<T, OpError> {
        let engine = self.open(wanted).await?;
        let answer = ask(&engine).await;
        let closed = engine.close().await;
        let answer = answer?;
        closed?;
        Ok(answer)
    }

    /// That command for the store that this one is about; a password in it is to be put in again.
    fn same_store(self, command: &str) -> String {
        let db = self.config.db_by_flag().map(|db| format!(" --db {}", quoted(&without_password(db))));
        command.to_owned() + &db.unwrap_or_default()
    }

    /// The stores that a URL names.
    fn find(self, url: &str) -> Result<Found, OpError> {
        let found = self.backends.find(url)?;
        if let Some(unused) = found.feeds.as_ref().and_then(|feeds| feeds.unused.as_ref()) {
            let shown = quoted(&format!("sqlite:{}", unused.display()));
            self.printer.warning(format!("feeds that were added by {} earlier are not looked at", found.shown));
            let hint = format!(": `feedspine --db {shown} feed list` lists them; remove the file when none is missed");
            self.printer.note(Line::of(Style::Faint, "hint").plain(hint));
        }
        Ok(found)
    }

    async fn open(self, wanted: Wanted) -> Result<Engine, OpError> {
        // The default store needs no beginning by hand.
        let wanted = if self.config.db_is_default() { Wanted::ExistingOrNew } else { wanted };
        let found = self.find(&self.config.db)?;
        if found.fleeting {
            self.printer.warning(format!("{} keeps nothing after this command", found.shown));
        }
        let standing = self.standing(&found).await?;
        if standing == Some(Standing::Nothing) && wanted == Wanted::Existing {
            return Err(found.missing());
        }
        let Found { shown, place, storage, state, bodies, .. } = found;
        let engine = Engine::open(storage, state, self.config.engine.clone()).await;
        let engine = engine.map_err(|error| unopened(&shown, &error))?;
        if let Some(folder) = bodies {
            self.take_over(&engine, &folder).await;
        }
        if standing == Some(Standing::Nothing) {
            self.printer.note(format!("began a store at {place}"));
        }
        Ok(engine)
    }

    /// Takes the bodies into the store that an earlier feedspine kept beside it. What stands in the way is told: they stay
    /// where they are, and the command has other work.
    async fn take_over(self, engine: &Engine, folder: &Path) {
        let place = folder.display();
        match engine.take_over_bodies(folder).await {
            Ok(TakenOver { bodies, left }) => {
                if bodies > 0 {
                    let bodies = words::bodies(bodies);
                    self.printer.note(format!("took {bodies} of earlier fetches from {place} into the store"));
                }
                for why in left {
                    self.printer.warning(format!("a body stays in {place}: {why}"));
                }
            }
            Err(error) => self.printer.warning(format!("the bodies in {place} are not taken into the store: {error}")),
        }
    }

    /// What is at the store's place, where the backend can tell.
    async fn standing(self, found: &Found) -> Result<Option<Standing>, OpError> {
        let standing = found.care().standing().await;
        standing.map_err(|error| unopened(&found.shown, &error))
    }
}
