//! `feedspine add`

use feedspine::ops::{AdapterChoice, AddFeed, AddOutcome, AddSite, Added, Discovery, FoundFeed, Pick, SiteAdded};
use feedspine::{Address, Ending, OpError, Pace, RequestChoice, RhythmChoice, Tag, shown_address};

use super::Context;
use super::words::{SHORT, counted};
use crate::arguments;
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::shell::quoted;
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Add, context: Context<'_>) -> Result<Ending, OpError> {
    let here = std::env::current_dir().unwrap_or_default();
    // What is no address, or no file, begins no store.
    if let Address::File(path) = Address::parse(&arguments.address, &here)?
        && adapter_of(&arguments, context) != Some("files")
        && !path.exists()
    {
        return Err(OpError::not_found("file.missing", format!("there is no file {}", path.display()))
            .with_hint(missing_hint(&arguments.address)));
    }
    let (requests, options) = requests_among(&arguments.options)?;
    let adapter = AdapterChoice::new(arguments.adapter.as_deref(), options)?;
    let feed = AddFeed {
        address: arguments.address.clone(),
        name: arguments.name.clone(),
        namespace: arguments.namespace.clone(),
        allow_private: arguments.allow_private,
        tags: arguments.tags.clone(),
        adapter,
        rhythm: rhythm(&arguments.rhythm),
        requests,
    };
    let ask = context.with_engine(Wanted::ExistingOrNew, async |engine| {
        if arguments.as_is {
            return Ok(SiteAdded::Added { added: engine.add(feed).await?, found: None });
        }
        engine.add_site(AddSite { feed, pick: pick(&arguments) }).await
    });
    let outcome = ask.await?;
    let printer = context.printer;
    printer.answer(&outcome, || match &outcome {
        SiteAdded::Added { added, .. } => vec![told(added)],
        SiteAdded::Several(found) => several(found, &arguments, context),
    });
    match outcome {
        SiteAdded::Added { added, found } => {
            if let Some(chosen) = found.iter().flat_map(|found| &found.feeds).find(|f| f.address == added.feed.address)
            {
                printer.note(Line::of(Style::Faint, how_found(chosen)));
            }
            if added.outcome == AddOutcome::Added {
                let name = &added.feed.name;
                let next = match added.feed.address.parse() {
                    Ok(Address::Push(_)) => format!("feedspine ingest {name} < lines.jsonl"),
                    _ => format!("feedspine collect {name}"),
                };
                let next = context.same_store(&next);
                printer.note(Line::of(Style::Faint, format!("next: {next}")));
            }
            Ok(Ending::Done)
        }
        SiteAdded::Several(found) => {
            let count = counted(found.feeds.len() as u64, "feed");
            let again = context.same_store(&command(&arguments, &arguments.address, " --pick N"));
            Err(OpError::usage("feed.several_found", format!("{} has {count}; nothing was added", found.address))
                .with_hint(format!("choose one: `{again}`, or --first for the likeliest")))
        }
    }
}

/// The adapter that was said, here or in the configuration.
fn adapter_of<'a>(arguments: &'a arguments::Add, context: Context<'a>) -> Option<&'a str> {
    let declared = || context.config.engine.declared.get(arguments.name.as_ref()?)?.adapter();
    arguments.adapter.as_deref().or_else(declared)
}

/// What somebody may have meant who named no file.
fn missing_hint(typed: &str) -> String {
    const FILES: [&str; 11] = ["atom", "csv", "gz", "htm", "html", "json", "jsonl", "opml", "rss", "tsv", "xml"];
    let first = typed.split('/').next().unwrap_or_default();
    match first.rsplit_once('.') {
        Some((name, ending)) if !name.is_empty() && !FILES.contains(&ending) => {
            format!("check the path; for a site, say https://{typed}")
        }
        _ => "check the path; `feedspine add --help` names what else can be added".to_owned(),
    }
}

/// Of options what is said of requests, and the others, which are the adapter's.
pub(super) fn requests_among(options: &[String]) -> Result<(RequestChoice, Vec<&str>), OpError> {
    let mut said = Vec::new();
    let mut others = Vec::new();
    for option in options {
        match option.split_once('=').map(|(name, value)| (name.trim(), value.trim())) {
            Some(pair) if RequestChoice::NAMES.contains(&pair.0) => said.push(pair),
            Some((name, _)) if RhythmChoice::NAMES.contains(&name) => {
                return Err(OpError::usage("feed.rhythm", format!("{name} is no option here"))
                    .with_hint("--every, --cron and --fixed of `feedspine add` say when a feed is fetched"));
            }
            _ => others.push(option.as_str()),
        }
    }
    let requests = RequestChoice::of_pairs(said).map_err(|reason| {
        OpError::usage("feed.requests", reason)
            .with_hint("docs/guides/fetching.md says how a feed's server can be asked")
    })?;
    Ok((requests, others))
}

fn rhythm(arguments: &arguments::Rhythm) -> RhythmChoice {
    RhythmChoice::new(arguments.every, arguments.cron.clone(), arguments.fixed.then_some(Pace::Fixed))
}

fn pick(arguments: &arguments::Add) -> Pick {
    match arguments.pick {
        Some(number) => Pick::Number(number),
        None if arguments.first => Pick::First,
        None => Pick::TheOnly,
    }
}

fn told(added: &Added) -> Line {
    let (verb, style) = match added.outcome {
        AddOutcome::Added => ("added", Style::Good),
        AddOutcome::Already => ("already there:", Style::Plain),
        AddOutcome::NowAllowed => ("allowed at a private address:", Style::Notable),
    };
    let line = Line::of(style, verb).plain(" ").then(Style::Strong, added.feed.name.as_str());
    let line = line.plain("  ").plain(shown_address(&added.feed.address));
    if added.feed.namespace.as_str() == added.feed.name.as_str() {
        line
    } else {
        line.then(Style::Faint, format!("  namespace {}", added.feed.namespace))
    }
}

fn how_found(feed: &FoundFeed) -> String {
    let title = feed.title.as_deref().map(|title| format!(": {}", excerpt(title, SHORT))).unwrap_or_default();
    format!("{}{title}", clue(feed))
}

fn clue(feed: &FoundFeed) -> String {
    let clue = match feed.clue {
        "itself" => "a feed itself",
        "link" => "named by the page",
        "anchor" => "where the page leads",
        "known_site" => "known of the site",
        _ => "where feeds usually are",
    };
    match feed.items {
        Some(items) => format!("{clue}, {}", counted(items, "item")),
        None => clue.to_owned(),
    }
}

/// A numbered list, each with the command that adds it.
fn several(found: &Discovery, arguments: &arguments::Add, context: Context<'_>) -> Vec<Line> {
    let columns = [("", Set::Right), ("title", Set::Flexible), ("found", Set::Left), ("to add it", Set::Left)];
    let mut table = Table::new(&columns);
    for (number, feed) in (1..).zip(&found.feeds) {
        table.row([
            Line::of(Style::Strong, number.to_string()),
            excerpt(feed.title.as_deref().unwrap_or_default(), SHORT).into(),
            Line::of(Style::Faint, clue(feed)),
            context.same_store(&command(arguments, &feed.address, "")).into(),
        ]);
    }
    table.lines(context.printer.width())
}

/// The same command for another address.
fn command(arguments: &arguments::Add, address: &str, more: &str) -> String {
    let mut command = format!("feedspine add {}", quoted(address));
    let name = arguments.name.as_ref().map(|name| ("--name", name.as_str()));
    let namespace = arguments.namespace.as_ref().map(|namespace| ("--namespace", namespace.as_str()));
    let tags = arguments.tags.iter().map(|tag: &Tag| ("--tag", tag.as_str()));
    let adapter = arguments.adapter.as_ref().map(|adapter| ("--adapter", adapter.as_str()));
    let options = arguments.options.iter().map(|option| ("--option", option.as_str()));
    for (flag, value) in name.into_iter().chain(namespace).chain(tags).chain(adapter).chain(options) {
        command.extend([" ", flag, " ", &quoted(value)]);
    }
    let arguments::Rhythm { every, cron, fixed } = &arguments.rhythm;
    let every = every.map(|every| ("--every", every.to_string()));
    let cron = cron.as_ref().map(|cron| ("--cron", quoted(cron.as_str())));
    for (flag, value) in every.into_iter().chain(cron) {
        command.extend([" ", flag, " ", &value]);
    }
    if *fixed {
        command.push_str(" --fixed");
    }
    if arguments.allow_private {
        command.push_str(" --allow-private");
    }
    command + more
}
