//! The command line's words, read by clap.

mod captures;
mod diagnose;
mod help;
mod place;
mod replay;
mod warc;
mod watching;

use std::num::NonZeroUsize;
use std::path::PathBuf;

use clap::{Args, Parser, Subcommand};
use feedspine::core::{FeedName, Layer, Namespace};
use feedspine::{Cron, Interval, Tag};

use captures::AFTER_CAPTURES_HELP;
use help::{
    AFTER_ADD_HELP, AFTER_HELP, AFTER_INGEST_HELP, AFTER_LIST_HELP, AFTER_RETRY_HELP, AFTER_SET_HELP, AFTER_SQL_HELP,
    COLOR_HELP, CONFIG_HELP, DB_HELP,
};

use crate::printer::{ColorChoice, Format, Manner, Verbosity};
pub(crate) use captures::{Captures, CapturesCommand, PruneCaptures, ShowCapture};
pub(crate) use diagnose::Diagnose;
pub(crate) use place::Place;
use replay::AFTER_REPLAY_HELP;
pub(crate) use replay::{Replay, Since};
pub(crate) use warc::Warc;
pub(crate) use watching::{Explain, Gaps, Health, Politeness, Runs, Serve, Watch, Websub};

/// Captures feeds and keeps the whole truth about them: every version, every sighting.
#[derive(Debug, Parser)]
#[command(name = "feedspine", version, after_help = AFTER_HELP, max_term_width = 100, infer_long_args = false)]
pub(crate) struct Arguments {
    #[command(flatten)]
    pub(crate) global: Global,
    #[command(subcommand)]
    pub(crate) command: Command,
}

/// Flags of every command.
#[derive(Debug, Args)]
#[command(next_help_heading = "Global options")]
pub(crate) struct Global {
    #[arg(long, global = true, value_name = "URL", help = DB_HELP)]
    pub(crate) db: Option<String>,
    /// Answer with one JSON document; errors are JSON as well
    #[arg(long, global = true)]
    json: bool,
    /// Tell nothing but data and errors
    #[arg(short, long, global = true)]
    pub(crate) quiet: bool,
    /// Tell details; twice: also what the engine logs
    #[arg(short, long, global = true, action = clap::ArgAction::Count, conflicts_with = "quiet")]
    pub(crate) verbose: u8,
    #[arg(long, global = true, value_name = "WHEN", value_enum, help = COLOR_HELP)]
    pub(crate) color: Option<ColorChoice>,
    #[arg(long, global = true, value_name = "FILE", help = CONFIG_HELP)]
    pub(crate) config: Option<PathBuf>,
}

impl Global {
    /// How to print.
    pub(crate) fn manner(&self, color: ColorChoice) -> Manner {
        let verbosity = match (self.quiet, self.verbose) {
            (true, _) => Verbosity::Quiet,
            (false, 0) => Verbosity::Normal,
            (false, _) => Verbosity::Verbose,
        };
        Manner { format: if self.json { Format::Json } else { Format::Text }, verbosity, color }
    }
}

#[derive(Debug, Subcommand)]
pub(crate) enum Command {
    /// Show what FeedSpine does: serves sample feeds on loopback and collects them over some simulated days
    Demo(Demo),
    /// Add a feed by its address or by that of its site; or a file
    #[command(after_help = AFTER_ADD_HELP)]
    Add(Add),
    /// Tell what would come of an address: fetched, decoded, parsed, keyed; nothing is stored
    Diagnose(Diagnose),
    /// Fetch feeds and store what they hold
    Collect(Collect),
    /// Fetch feeds when they are due, until a signal asks for an end: Ctrl-C, or SIGTERM
    ///
    /// What is under way may end, for ten seconds; a second signal ends it at once. Several daemons may watch one store:
    /// each host is asked by one of them at a time.
    Watch(Watch),
    /// Do as `watch` does, and answer by HTTP: GET /health, and what hubs ask and tell (WebSub)
    ///
    /// Hubs are asked for subscriptions where `websub.callback` says under which public address they reach this server:
    /// docs/guides/websub.md.
    Serve(Serve),
    /// Store lines of JSON, each an item of a feed that was added as push:NAME
    #[command(after_help = AFTER_INGEST_HELP)]
    Ingest(Ingest),
    /// Tell how things stand: the store, and each feed's last fetch
    Status,
    /// Tell how feeds are: red, amber or green, and why; with one that is red it ends with 3
    Health(Health),
    /// List when items may have been missed: two documents in a row that share none
    Gaps(Gaps),
    /// List fetches, newest first: when, what came of each, when its feed was to be fetched next
    Runs(Runs),
    /// List feeds that name hubs: which was asked, how that stands, what it told of first
    Websub(Websub),
    /// Tell when a feed is fetched next, and why then
    Explain(Explain),
    /// Tell how hosts were asked: requests, 304s, bytes saved, the highest rates
    Politeness(Politeness),
    /// List records
    #[command(after_help = AFTER_LIST_HELP)]
    List(List),
    /// Show a record as it is now
    Show(Show),
    /// List the versions that a record had, with what changed
    History(History),
    /// List when and where a record was seen
    Sightings(Sightings),
    /// List items that could not be taken, each with its reason, newest first; or try them again
    Rejects(Rejects),
    /// Tell how much is kept of the bytes that fetches brought; list, show or forget them
    #[command(after_help = AFTER_CAPTURES_HELP)]
    Captures(Captures),
    /// Read again what feeds brought, by today's parser and options, and tell what differs; or store that
    #[command(after_help = AFTER_REPLAY_HELP)]
    Replay(Replay),
    /// Write what feeds brought, as it came, as a WARC file for other programs
    Warc(Warc),
    /// Ask a question in SQL, where the store has one: duckdb:
    #[command(after_help = AFTER_SQL_HELP)]
    Sql(Sql),
    /// Manage feeds
    #[command(subcommand)]
    Feed(Feed),
    /// Take in the feeds of another reader, or give it ours
    #[command(subcommand)]
    Opml(Opml),
    /// Write all that the store holds as JSON lines
    Export(Export),
    /// Fill the store, which must be empty, with what an export holds
    ///
    /// The file is checked before anything is written. An import that was interrupted goes on when it is run again.
    Import(Import),
    /// Look after the store as a whole
    #[command(subcommand)]
    Db(Db),
    /// Try a backend
    #[cfg(feature = "kit")]
    #[command(subcommand)]
    Storage(Storage),
    /// Tell what is configured
    #[command(subcommand)]
    Config(Config),
}

impl Command {
    /// Whether it ends by itself when a signal asks for an end.
    pub(crate) fn hears_signals(&self) -> bool {
        matches!(self, Self::Watch(_) | Self::Serve(_))
    }

    /// What is said of its work when it is interrupted.
    pub(crate) fn when_interrupted(&self) -> &'static str {
        match self {
            Self::Import(_) | Self::Db(Db::Copy { .. } | Db::Restore { .. }) => {
                "run the same command again and it goes on"
            }
            _ => "what was reported is stored, nothing is half stored",
        }
    }
}

#[derive(Debug, Args)]
pub(crate) struct Demo {
    /// Keep its store in this directory instead of a fresh temporary one
    #[arg(long)]
    pub(crate) dir: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct Add {
    /// The feed's URL, that of its site, the path of a file, 'command:PROGRAM ARGUMENTS' for what a program
    /// prints, or push:NAME for what is handed over by `ingest`
    #[arg(value_name = "ADDRESS")]
    pub(crate) address: String,
    /// What to call it; else it is called after its host or file
    #[arg(long)]
    pub(crate) name: Option<FeedName>,
    /// The space of its keys; feeds that share one share records. Else its name
    #[arg(long, value_name = "NS")]
    pub(crate) namespace: Option<Namespace>,
    /// Allow it to be at a private address
    #[arg(long)]
    pub(crate) allow_private: bool,
    /// File it under this tag; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<Tag>,
    /// Of several feeds the likeliest
    #[arg(long, conflicts_with = "pick")]
    pub(crate) first: bool,
    /// Of several feeds the one of this number in the list
    #[arg(long, value_name = "N", value_parser = at_least_one)]
    pub(crate) pick: Option<NonZeroUsize>,
    /// Take the address as it stands: nobody is asked whether there is a feed
    #[arg(long, conflicts_with_all = ["first", "pick"])]
    pub(crate) as_is: bool,
    /// How it is read: feed, json, csv, sitemap, manifest, edgar, files, command, push, or a preset
    /// (docs/guides/adapters.md); else as the address says, or as a feed
    #[arg(long)]
    pub(crate) adapter: Option<String>,
    /// An option of the adapter, such as key=id, or of how its server is asked, such as 'bearer={env:TOKEN}': headers,
    /// cookie, basic, bearer, `user_agent`, proxy, tls, ca, http, `follow_moves` or websub (docs/guides/fetching.md); one
    /// that is given several times is a list
    #[arg(long = "option", short = 'o', value_name = "NAME=VALUE")]
    pub(crate) options: Vec<String>,
    #[command(flatten)]
    pub(crate) rhythm: Rhythm,
}

/// When a feed is fetched.
#[derive(Debug, Args)]
pub(crate) struct Rhythm {
    /// Fetch it so often: 15m, 2h, 1d; else every hour, and more rarely while it brings little
    #[arg(long, value_name = "INTERVAL", conflicts_with = "cron")]
    pub(crate) every: Option<Interval>,
    /// Fetch it at these times in UTC, as cron has them: '0 */2 * * *'
    #[arg(long, value_name = "PATTERN")]
    pub(crate) cron: Option<Cron>,
    /// Fetch it as often whatever it brings
    #[arg(long)]
    pub(crate) fixed: bool,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Opml {
    /// Add the feeds of a list; folders become tags, and feeds that are there get them too
    Import(OpmlImport),
    /// Write a list of our feeds, tags as folders
    Export(OpmlExport),
}

#[derive(Debug, Args)]
pub(crate) struct OpmlImport {
    /// The list; - is stdin
    #[arg(value_name = "FILE|-")]
    pub(crate) file: PathBuf,
    /// File all its feeds under this tag too; may be given several times
    #[arg(long = "tag", value_name = "TAG")]
    pub(crate) tags: Vec<Tag>,
    /// Allow them to be at private addresses
    #[arg(long)]
    pub(crate) allow_private: bool,
}

#[derive(Debug, Args)]
pub(crate) struct OpmlExport {
    /// A new file; else stdout
    pub(crate) file: Option<PathBuf>,
    /// Only feeds under this tag or one below it
    #[arg(long)]
    pub(crate) tag: Option<Tag>,
}

#[derive(Debug, Args)]
pub(crate) struct Collect {
    /// The feeds to collect; else all that are not paused
    #[arg(value_name = "FEED")]
    pub(crate) feeds: Vec<FeedName>,
    /// All feeds that are not paused, which is also what no FEED means
    #[arg(long, conflicts_with = "feeds")]
    pub(crate) all: bool,
    /// Allow all of them to be at private addresses, for this once
    #[arg(long)]
    pub(crate) allow_private: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Ingest {
    /// The feed
    pub(crate) feed: FeedName,
    /// The lines; else stdin
    pub(crate) file: Option<PathBuf>,
}

#[derive(Debug, Args)]
pub(crate) struct List {
    /// Only records for which this holds; may be given several times
    #[arg(long = "where", short = 'w', value_name = "CONDITION")]
    pub(crate) conditions: Vec<String>,
    /// Order by this field; -FIELD descends; may be given several times. Else by first capture
    #[arg(long, short, value_name = "FIELD", allow_hyphen_values = true)]
    pub(crate) order: Vec<String>,
    /// The rows of this layer: bronze, silver or gold; else each record's highest
    #[arg(long)]
    pub(crate) layer: Option<Layer>,
    #[command(flatten)]
    pub(crate) page: Page,
}

/// How much of a list.
#[derive(Debug, Args)]
pub(crate) struct Page {
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value = "50", value_parser = at_least_one)]
    pub(crate) limit: NonZeroUsize,
    /// Go on after an earlier list: its `next`
    #[arg(long)]
    pub(crate) cursor: Option<String>,
}

#[derive(Debug, Args)]
pub(crate) struct Show {
    /// The record's id, its key, or its namespace and key with a blank between
    #[arg(value_name = "ID|KEY")]
    pub(crate) record: String,
    /// The row of this layer; else the highest
    #[arg(long)]
    pub(crate) layer: Option<Layer>,
    /// Print it as a page for a browser, made safe whatever the feed said: `--html > item.html`
    #[arg(long)]
    pub(crate) html: bool,
    /// Let the page show pictures, for which a browser asks the servers of strangers
    #[arg(long, requires = "html")]
    pub(crate) images: bool,
}

#[derive(Debug, Args)]
pub(crate) struct History {
    /// The record's id, its key, or its namespace and key with a blank between
    #[arg(value_name = "ID|KEY")]
    pub(crate) record: String,
    /// The versions of this layer; else of bronze, as captured
    #[arg(long)]
    pub(crate) layer: Option<Layer>,
    #[command(flatten)]
    pub(crate) page: Page,
}

#[derive(Debug, Args)]
pub(crate) struct Sightings {
    /// The record's id, its key, or its namespace and key with a blank between
    #[arg(value_name = "ID|KEY")]
    pub(crate) record: String,
    #[command(flatten)]
    pub(crate) page: Page,
}

#[derive(Debug, Args)]
#[command(args_conflicts_with_subcommands = true)]
pub(crate) struct Rejects {
    #[command(subcommand)]
    pub(crate) command: Option<RejectsCommand>,
    /// The feed; else all
    pub(crate) feed: Option<FeedName>,
    /// Only those of this code, or of the codes that begin with it and a dot
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// At most so many
    #[arg(long, short = 'n', value_name = "N", default_value = "50", value_parser = at_least_one)]
    pub(crate) limit: NonZeroUsize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum RejectsCommand {
    /// Read again what items were rejected from, by today's parser and options, and store what passes now
    #[command(after_help = AFTER_RETRY_HELP)]
    Retry(RetryRejects),
}

#[derive(Debug, Args)]
pub(crate) struct RetryRejects {
    /// The feed; else all
    pub(crate) feed: Option<FeedName>,
    /// Only those of this code, or of the codes that begin with it and a dot
    #[arg(long)]
    pub(crate) code: Option<String>,
    /// At most so many are told one by one; all are tried and counted
    #[arg(long, short = 'n', value_name = "N", default_value = "1000", value_parser = at_least_one)]
    pub(crate) limit: NonZeroUsize,
}

#[derive(Debug, Args)]
pub(crate) struct Sql {
    /// One SELECT; nothing else is run
    #[arg(value_name = "SELECT")]
    pub(crate) question: String,
    /// At most so many rows
    #[arg(long, short = 'n', value_name = "N", default_value = "1000", value_parser = at_least_one)]
    pub(crate) limit: NonZeroUsize,
}

#[derive(Debug, Subcommand)]
pub(crate) enum Feed {
    /// List all feeds
    List {
        /// Only those under this tag or one below it
        #[arg(long)]
        tag: Option<Tag>,
    },
    /// Show a feed, its ledger and its last fetches
    Show {
        /// The feed
        feed: FeedName,
    },
    /// Call a feed something else; its records stay the same
    Rename {
        /// The feed
        feed: FeedName,
        /// Its new name
        to: FeedName,
    },
    /// Say otherwise where a feed is, what tells its items apart, when it is fetched, or how it is asked
    #[command(after_help = AFTER_SET_HELP)]
    Set {
        /// The feed
        feed: FeedName,
        /// What is said now; one that is given several times is a list, NAME= takes it back
        #[arg(value_name = "NAME=VALUE", required_unless_present_any = ["as_configured", "url"])]
        options: Vec<String>,
        #[command(flatten)]
        place: Place,
        /// Take over what the configuration says of this feed
        #[arg(long, conflicts_with = "options")]
        as_configured: bool,
        /// Let its items get other keys, though it has records
        #[arg(long)]
        rekey: bool,
    },
    /// File a feed under tags: names, or paths such as news/world
    Tag {
        /// The feed
        feed: FeedName,
        /// The tags
        #[arg(value_name = "TAG", required = true)]
        tags: Vec<Tag>,
    },
    /// Take a feed from tags
    Untag {
        /// The feed
        feed: FeedName,
        /// The tags
        #[arg(value_name = "TAG", required = true)]
        tags: Vec<Tag>,
    },
    /// Stop polling a feed for good; its name and address are free, what it captured stays in its namespace
    #[command(visible_alias = "remove")]
    Rm {
        /// The feed
        feed: FeedName,
    },
    /// Stop polling a feed until it is resumed
    Pause {
        /// The feed
        feed: FeedName,
    },
    /// Poll a paused feed again
    Resume {
        /// The feed
        feed: FeedName,
    },
}

#[derive(Debug, Clone, Subcommand)]
pub(crate) enum Db {
    /// Tell what the store is, how large, and what it holds; that there is none is an answer too
    Info,
    /// Begin the store, or bring the schema of an older one up to date
    ///
    /// Commands that work with feeds and records bring an older store up to date by themselves; `add`, `opml import`,
    /// `import`, `db restore` and `db copy` begin one, and where no store was chosen every command does. A store of a newer
    /// feedspine is refused and left as it is.
    Migrate(Rehearsal),
    /// Let the backend check the store: pages, rows, indexes
    Check,
    /// Read all that the store holds and compare it: contents with their hashes, versions with the change log, sightings
    /// and rejects with the ledger
    Verify,
    /// Give room back that nothing uses any more
    Compact(Rehearsal),
    /// Write all that the store holds into a new compressed file, with a checksum
    Backup {
        /// The file
        file: PathBuf,
        /// Replace the file if there is one, once the new one is whole and on the disk
        #[arg(long)]
        replace: bool,
    },
    /// Fill the store, which must be empty, with what a backup holds, once that is checked
    ///
    /// `--db URL` says which store. What was interrupted goes on when it is run again.
    Restore {
        /// The file
        file: PathBuf,
    },
    /// Copy all that a store holds into an empty one of whatever backend, and compare both
    ///
    /// A copy that was interrupted goes on when it is run again.
    Copy {
        /// The URL of the store to read
        from: String,
        /// The URL of the store to fill
        to: String,
    },
}

#[cfg(feature = "kit")]
#[derive(Debug, Subcommand)]
pub(crate) enum Storage {
    /// Run the conformance kit on a backend, in fresh stores beside the one that a URL names
    ///
    /// Each check gets a store of its own: a file beside the file of sqlite: and duckdb:, a schema beside that of
    /// postgres:, which are removed when it is over. The store that the URL names is not touched.
    Check {
        /// The store's URL
        url: String,
        /// What is written there may be destroyed
        #[arg(long)]
        destroy_data: bool,
        /// Only checks with this in their name
        #[arg(long, value_name = "TEXT", default_value = "")]
        only: String,
    },
}

#[derive(Debug, Args)]
pub(crate) struct Export {
    /// A new file; else stdout
    pub(crate) file: Option<PathBuf>,
    /// Replace the file if there is one, once the new one is whole and on the disk
    #[arg(long, requires = "file")]
    pub(crate) replace: bool,
}

#[derive(Debug, Args)]
pub(crate) struct Import {
    /// The file; else, or when it is -, stdin
    pub(crate) file: Option<PathBuf>,
}

/// For what writes.
#[derive(Debug, Clone, Copy, Args)]
pub(crate) struct Rehearsal {
    /// Only tell what would be done
    #[arg(long)]
    pub(crate) dry_run: bool,
}

#[derive(Debug, Clone, Copy, Subcommand)]
pub(crate) enum Config {
    /// Tell where the configuration is read from
    Path,
    /// List every key with its value and where that comes from
    Show,
}

fn at_least_one(text: &str) -> Result<NonZeroUsize, String> {
    text.parse().map_err(|_| "expected a whole number from 1".to_owned())
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn the_words_do_not_contradict_each_other() {
        Arguments::command().debug_assert();
    }

    #[test]
    fn an_order_may_begin_with_a_hyphen() {
        let read = Arguments::try_parse_from(["feedspine", "list", "--order", "-published"]).unwrap();
        assert!(matches!(read.command, Command::List(List { order, .. }) if order.len() == 1));
    }

    #[test]
    fn an_interrupted_copy_is_not_said_to_be_stored() {
        for (words, goes_on) in [
            (&["import", "file"][..], true),
            (&["db", "restore", "file"], true),
            (&["db", "copy", "sqlite:a", "sqlite:b"], true),
            (&["db", "backup", "file"], false),
            (&["collect"], false),
        ] {
            let read = Arguments::try_parse_from([&["feedspine"], words].concat()).unwrap();
            assert_eq!(read.command.when_interrupted().contains("run the same command again"), goes_on, "{words:?}");
        }
    }
}
