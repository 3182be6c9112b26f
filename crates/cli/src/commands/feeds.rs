//! `feedspine feed …`

use feedspine::core::{Feed, FeedName, Json, NaturalKey, Page, Quarantined};
use feedspine::ops::{
    AdapterChoice, AddressOutcome, AddressSet, FeedView, FetchOutcome, PolicyOutcome, PolicySays, PolicySet, Rekey,
    SetAddress, SetPolicy,
};
use feedspine::{Ending, Engine, FeedSettings, OpError, RequestChoice, Rhythm, shown_address};

use super::Context;
use super::policy;
use super::status::outcome;
use super::words::{SHORT, counted, field, formerly, minute, resting, second};
use crate::arguments::{self, Place};
use crate::printer::{Line, Set, Style, Table, excerpt};
use crate::stores::Wanted;

pub(super) async fn run(command: arguments::Feed, context: Context<'_>) -> Result<Ending, OpError> {
    use arguments::Feed as Command;
    let printer = context.printer;
    match command {
        Command::List { tag } => {
            let ask = async |engine: &Engine| match &tag {
                Some(tag) => engine.feeds_tagged(tag).await,
                None => engine.feeds().await,
            };
            let feeds = context.with_engine(Wanted::Existing, ask).await?;
            printer.answer(&feeds, || list(&feeds, printer.width()));
            if let Some(tag) = tag.as_ref().filter(|_| feeds.items.is_empty()) {
                printer.note(format!("no feed is filed under {tag}"));
            } else if feeds.items.is_empty() {
                printer.note("there are no feeds");
                printer.note(Line::of(Style::Faint, "hint").plain(": `feedspine add URL` adds one"));
            }
        }
        Command::Show { feed } => {
            let view = context.with_engine(Wanted::Existing, async |engine| engine.feed(&feed).await).await?;
            printer.answer(&view, || show(&view, printer.width()));
        }
        Command::Rename { feed, to } => {
            let ask = context.with_engine(Wanted::Existing, async |engine| engine.rename(&feed, to.clone()).await);
            done(context, &ask.await?, &format!("renamed {feed} to"));
        }
        Command::Set { feed, place: Place { url: Some(address), allow_private }, .. } => {
            let request = SetAddress { feed, address, allow_private };
            let set = context.with_engine(Wanted::Existing, async |engine| engine.set_address(&request).await).await?;
            printer.answer(&set, || vec![address_set(&set)]);
            for warning in &set.warnings {
                printer.warning(warning);
            }
            due_now(context, &set.feed, set.due_now);
        }
        Command::Set { feed, options, as_configured, rekey, place: Place { url: None, .. } } => {
            let says = if as_configured { PolicySays::AsConfigured } else { PolicySays::Options(options) };
            let rekey = if rekey { Rekey::Allow } else { Rekey::Refuse };
            let request = SetPolicy { feed, says, rekey };
            let set = context.with_engine(Wanted::Existing, async |engine| engine.set_policy(&request).await).await?;
            printer.answer(&set, || policy_set(&set));
            due_now(context, &set.feed, set.due_now && set.outcome != PolicyOutcome::Rekeyed);
            if set.outcome == PolicyOutcome::Rekeyed {
                let records = counted(set.kept, "record");
                printer.note(format!(
                    "{records} of before: nothing is changed of what is held; what is still listed comes once more"
                ));
                let next = context.same_store(&format!("feedspine collect {}", set.feed.name));
                printer.note(Line::of(Style::Faint, format!("next: {next}")));
            }
        }
        Command::Tag { feed, tags } => {
            let ask = context.with_engine(Wanted::Existing, async |engine| engine.retag(&feed, &tags, &[]).await);
            filed(context, &ask.await?);
        }
        Command::Untag { feed, tags } => {
            let ask = context.with_engine(Wanted::Existing, async |engine| engine.retag(&feed, &[], &tags).await);
            filed(context, &ask.await?);
        }
        Command::Rm { feed } => {
            let ask = context.with_engine(Wanted::Existing, async |engine| engine.remove(&feed).await);
            done(context, &ask.await?, "removed");
            printer.note("what it captured stays");
        }
        Command::Pause { feed } => {
            let ask = context.with_engine(Wanted::Existing, async |engine| engine.pause(&feed).await);
            done(context, &ask.await?, "paused");
        }
        Command::Resume { feed } => {
            let ask = context.with_engine(Wanted::Existing, async |engine| engine.resume(&feed).await);
            done(context, &ask.await?, "resumed");
        }
    }
    Ok(Ending::Done)
}

fn done(context: Context<'_>, feed: &Feed, what: &str) {
    context.printer.answer(feed, || vec![Line::from(what).plain(" ").then(Style::Strong, feed.name.as_str())]);
}

fn due_now(context: Context<'_>, feed: &Feed, is_due: bool) {
    if is_due {
        let next = context.same_store(&format!("feedspine collect {}", feed.name));
        context.printer.note(format!("it is due now: `feedspine watch` fetches it, or `{next}`"));
    }
}

fn filed(context: Context<'_>, feed: &Feed) {
    let tags = tags(feed);
    let line = Line::of(Style::Strong, feed.name.as_str());
    let told = if tags.is_empty() {
        line.plain(" is filed under nothing")
    } else {
        line.plain(format!(" is filed under {tags}"))
    };
    context.printer.answer(feed, || vec![told]);
}

fn address_set(set: &AddressSet) -> Line {
    let is = match set.outcome {
        AddressOutcome::Already => " is there already: ",
        AddressOutcome::NowAllowed => " is there already, and may be at a private address from now on: ",
        AddressOutcome::Moved => " is elsewhere from now on: ",
    };
    let line = Line::of(Style::Strong, set.feed.name.as_str()).plain(is).plain(shown_address(&set.feed.address));
    if set.linked.is_empty() { line } else { line.then(Style::Notable, format!(", as {}", names(&set.linked))) }
}

fn names(feeds: &[FeedName]) -> String {
    feeds.iter().map(FeedName::as_str).collect::<Vec<_>>().join(", ")
}

/// What came of it, and what is said of the feed otherwise now, a line each.
fn policy_set(set: &PolicySet) -> Vec<Line> {
    let changed = set.changed.iter().map(|(name, value)| {
        let said = match value {
            Json::Null => format!("{name} is no longer said"),
            Json::Array(values) => format!("{name} = {}", values.iter().map(plain).collect::<Vec<_>>().join(", ")),
            value => format!("{name} = {}", plain(value)),
        };
        Line::from(format!("{}: {said}", set.feed.name))
    });
    std::iter::once(policy_outcome(set)).chain(changed).collect()
}

/// A text without quotes, anything else as JSON has it.
fn plain(value: &Json) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

fn policy_outcome(set: &PolicySet) -> Line {
    let line = Line::of(Style::Strong, set.feed.name.as_str());
    let mut rule = policy::rule(&set.policy);
    if set.rhythm != Rhythm::default() {
        rule.extend([", fetched ", &set.rhythm.to_string()]);
    }
    match set.outcome {
        PolicyOutcome::Already => line.plain(format!(" is so already: keyed by {rule}")),
        PolicyOutcome::Set => line.plain(format!(" is set: keyed by {rule}")),
        PolicyOutcome::Rekeyed => {
            line.plain(" is re-keyed: ").then(Style::Notable, format!("keyed by {rule} from now on"))
        }
    }
}

/// How a feed's server is asked, where something is said of it: secrets are references.
fn asked(feed: &Feed) -> Option<Line> {
    let choice = RequestChoice::of(feed);
    let said = choice.shown().map(|(name, value)| format!("{name}={}", plain(&value)));
    let style = if choice.is_insecure() { Style::Bad } else { Style::Plain };
    (!choice.is_default()).then(|| field("asked with", Line::of(style, said.collect::<Vec<_>>().join("  "))))
}

/// A feed's tags with commas between.
fn tags(feed: &Feed) -> String {
    let tags: Vec<String> = FeedSettings::of(feed).tags().iter().map(ToString::to_string).collect();
    tags.join(", ")
}

fn list(feeds: &Page<Feed>, width: Option<usize>) -> Vec<Line> {
    let columns = [
        ("feed", Set::Flexible),
        ("status", Set::Left),
        ("namespace", Set::Flexible),
        ("tags", Set::Flexible),
        ("address", Set::Flexible),
    ];
    let mut table = Table::new(&columns);
    for feed in &feeds.items {
        let status = feed.status.as_str();
        let style = if status == "active" { Style::Plain } else { Style::Notable };
        let shares = feed.namespace.as_str() != feed.name.as_str();
        let namespace = Line::of(if shares { Style::Plain } else { Style::Faint }, feed.namespace.as_str());
        let name = feed.name.as_str().into();
        table.row([name, Line::of(style, status), namespace, tags(feed).into(), shown_address(&feed.address).into()]);
    }
    if feeds.items.is_empty() { Vec::new() } else { table.lines(width) }
}

fn show(view: &FeedView, width: Option<usize>) -> Vec<Line> {
    let feed = &view.feed;
    let ledger = &view.ledger;
    let private = if feed.allow_private { " (private addresses allowed)" } else { "" };
    let mut lines = vec![
        Line::of(Style::Strong, feed.name.as_str()),
        field("address", Line::from(shown_address(&feed.address)).then(Style::Faint, private)),
        field("status", feed.status.as_str()),
        field("namespace", feed.namespace.as_str()),
        field("adapter", adapter(feed)),
    ];
    if !view.linked.is_empty() {
        lines.insert(2, field("linked", format!("{} is there too", names(&view.linked))));
    }
    lines.extend(formerly(&view.formerly));
    lines.extend(policy::lines(&view.policy));
    lines.push(field("fetched", view.rhythm.to_string()));
    lines.extend(view.rest.as_ref().map(|rest| field("host", resting(rest))));
    lines.extend(asked(feed));
    lines.push(field("tags", tags(feed)));
    lines.push(field("id", feed.id.to_string()));
    lines.push(field("added", second(feed.added_at)));
    if let (Some(first), Some(last)) = (ledger.first, ledger.last) {
        let observed = counted(ledger.observations, "observation");
        lines.push(field(
            "observed",
            format!("{observed}, {} of them unchanged; {} to {}", ledger.unchanged, minute(first), minute(last)),
        ));
        let counts = &ledger.counts;
        let told = [
            (counts.new, "new"),
            (counts.changed, "changed"),
            (counts.withdrawn, "withdrawn"),
            (counts.scrolled_off, "scrolled off"),
            (counts.returned, "returned"),
            (counts.rejected, "rejected"),
        ];
        let told: Vec<String> =
            told.iter().filter(|(count, _)| *count > 0).map(|(count, word)| format!("{count} {word}")).collect();
        lines.push(field("items", format!("{} sightings; {}", counts.seen - counts.rejected, told.join(", "))));
    }
    if !view.fetches.is_empty() {
        lines.push(Line::new());
        lines.extend(fetches(view, width));
    }
    if !view.rejects.is_empty() {
        lines.push(Line::new());
        lines.extend(rejects(view, width));
    }
    lines
}

/// The adapter with its options as they were given.
fn adapter(feed: &Feed) -> String {
    let choice = AdapterChoice::of(feed);
    let options = choice.options().iter().map(|(name, value)| format!("  {name}={}", plain(value)));
    std::iter::once(choice.name().to_owned()).chain(options).collect()
}

fn rejects(view: &FeedView, width: Option<usize>) -> Vec<Line> {
    let columns =
        [("last rejects", Set::Left), ("code", Set::Left), ("reason", Set::Flexible), ("item", Set::Flexible)];
    let mut table = Table::new(&columns);
    for Quarantined { recorded_at, reject, .. } in &view.rejects {
        let item = reject.key.as_ref().map_or(reject.excerpt.as_str(), NaturalKey::key);
        table.row([
            second(*recorded_at).into(),
            Line::of(Style::Bad, &reject.code),
            excerpt(&reject.reason, SHORT).into(),
            Line::of(Style::Faint, excerpt(item, SHORT)),
        ]);
    }
    table.lines(width)
}

fn fetches(view: &FeedView, width: Option<usize>) -> Vec<Line> {
    let columns = [
        ("last fetches", Set::Left),
        ("outcome", Set::Left),
        ("http", Set::Right),
        ("ms", Set::Right),
        ("bytes", Set::Right),
        ("", Set::Flexible),
    ];
    let mut table = Table::new(&columns);
    for fetch in &view.fetches {
        let at = second(fetch.intent.started_at);
        let Some(detail) = &fetch.detail else {
            table.row([at.into(), "running".into(), Line::new(), Line::new(), Line::new(), Line::new()]);
            continue;
        };
        let http = detail.http_status.map_or_else(Line::new, |status| status.to_string().into());
        let reason = excerpt(detail.reason.as_deref().unwrap_or_default(), SHORT);
        table.row([
            at.into(),
            outcome(FetchOutcome::of_detail(detail)),
            http,
            detail.duration_ms.to_string().into(),
            detail.wire_bytes.to_string().into(),
            Line::of(Style::Faint, reason),
        ]);
    }
    table.lines(width)
}
