//! What the demo says.

use feedspine::core::{Counts, FetchStatus};
use feedspine::ops::{FeedReport, FeedView};

use super::samples::SAMPLES;
use super::{Demo, Round, Suggestion};
use crate::printer::{Line, Set, Style, Table, wrap};
use crate::shell::{quoted, this_program};

const DAYS: [&str; 4] = ["Monday", "Tuesday", "Wednesday", "Thursday"];
/// Where text is broken when it is piped.
const PAGE: usize = 80;
/// The columns of the counts, before the note.
const COUNTS_WIDTH: usize = 36;

pub(super) fn opening(width: Option<usize>) -> Vec<Line> {
    let text = format!(
        "{} sample feeds are served on loopback and collected over {} simulated days: fetched over HTTP, parsed, told \
         apart and stored, as always.",
        SAMPLES.len(),
        DAYS.len()
    );
    wrap(&text, width.unwrap_or(PAGE).min(PAGE)).into_iter().map(Line::from).collect()
}

/// One round: a line for each feed.
pub(super) fn round(number: usize, round: &Round, width: Option<usize>) -> Vec<Line> {
    let report = &round.report;
    let heading = Line::of(Style::Strong, format!("{} {}", DAYS[number], &round.at.to_string()[..10]))
        .then(Style::Faint, format!("  round {}, {} ms", number + 1, report.duration_ms));
    let mut lines = vec![Line::new(), heading];
    let named = SAMPLES.iter().map(|sample| sample.name.len()).max().unwrap_or(0);
    for feed in &report.feeds {
        let note = SAMPLES.iter().find(|sample| sample.name == feed.feed.as_str()).map_or("", |it| it.notes[number]);
        let line = Line::from("  ").plain(feed.feed.as_str()).pad_to(named + 3);
        let line = line.and(outcome(feed)).pad_to(named + 3 + COUNTS_WIDTH).then(Style::Faint, note);
        lines.push(width.map_or(line.clone(), |width| line.clone().cut_to(width)));
    }
    lines
}

fn outcome(feed: &FeedReport) -> Line {
    if feed.outcome == FetchStatus::Failed {
        let status = feed.http_status.map_or_else(String::new, |status| format!(": the server said {status}"));
        return Line::of(Style::Bad, format!("failed{status}"));
    }
    let why = match (feed.outcome, feed.http_status) {
        (FetchStatus::Unchanged, Some(304)) => ", 304",
        (FetchStatus::Unchanged, _) => ", the same bytes",
        _ => "",
    };
    told(&feed.counts).then(Style::Faint, why)
}

/// The counts that are not zero, in words.
fn told(counts: &Counts) -> Line {
    let words = [
        (counts.new, "new", Style::Good),
        (counts.changed, "changed", Style::Notable),
        (counts.withdrawn, "withdrawn", Style::Bad),
        (counts.scrolled_off, "scrolled off", Style::Plain),
        (counts.returned, "returned", Style::Notable),
        (counts.rejected, "rejected", Style::Bad),
        (counts.unchanged, "unchanged", Style::Plain),
    ];
    let mut line = Line::new();
    for (count, word, style) in words.into_iter().filter(|(count, ..)| *count > 0) {
        if line.width() > 0 {
            line = line.plain(", ");
        }
        line = line.then(style, format!("{count} {word}"));
    }
    line
}

/// The table at the end, and the commands to look further.
pub(super) fn closing(demo: &Demo) -> Vec<Line> {
    let mut lines = vec![Line::new()];
    lines.extend(table(demo));
    lines.push(Line::new());
    let all = sum(&demo.feeds);
    let sightings = all.seen - all.rejected;
    lines.push(
        Line::of(Style::Strong, format!("{} records", demo.status.records))
            .plain(format!(", each stored once; {} versions; {sightings} sightings.", versions(&all))),
    );
    lines.push(Line::from(format!("All of it is in {}", demo.db.trim_start_matches("sqlite:"))));
    lines.push(Line::new());
    lines.push(Line::of(Style::Strong, "Look further"));
    for suggestion in &demo.look_further {
        lines.push(Line::from("  ").then(Style::Faint, format!("# {}", suggestion.why)));
        lines.push(Line::from("  ").plain(&suggestion.command));
    }
    lines
}

fn table(demo: &Demo) -> Vec<Line> {
    let numbers = ["observations", "304/same", "sightings", "new", "changed", "withdrawn"];
    let columns: Vec<(&'static str, Set)> =
        std::iter::once(("feed", Set::Left)).chain(numbers.map(|name| (name, Set::Right))).collect();
    let mut table = Table::new(&columns);
    for view in &demo.feeds {
        table.row(row(view.feed.name.as_str(), Style::Plain, std::slice::from_ref(view)));
    }
    table.row(row("all", Style::Strong, &demo.feeds));
    table.lines(None)
}

fn row(name: &str, style: Style, views: &[FeedView]) -> Vec<Line> {
    let counts = sum(views);
    let committed: u64 = views.iter().map(|view| view.ledger.observations).sum();
    let unchanged: u64 = views.iter().map(|view| view.ledger.unchanged).sum();
    let figures = [committed, unchanged, counts.seen - counts.rejected, counts.new, counts.changed, counts.withdrawn];
    let figure = |number: u64| {
        let style = if number == 0 { Style::Faint } else { style };
        Line::of(style, number.to_string())
    };
    std::iter::once(Line::of(style, name)).chain(figures.map(figure)).collect()
}

fn sum(views: &[FeedView]) -> Counts {
    let mut counts = Counts::default();
    for view in views {
        counts += view.ledger.counts;
    }
    counts
}

fn versions(all: &Counts) -> u64 {
    all.new + all.changed
}

/// Commands that work in the shell that the demo was started from.
pub(super) fn suggestions(db: &str) -> Vec<Suggestion> {
    let program = quoted(&this_program());
    let command = |words: &[&str]| {
        let words: Vec<String> = words.iter().map(|word| quoted(word)).collect();
        format!("{program} {} --db {}", words.join(" "), quoted(db))
    };
    let look = |why, words: &[&str]| Suggestion { why, command: command(words) };
    vec![
        look(
            "a notice that was silently edited, and back: three versions",
            &["history", "tag:lighthouse.example,2026:lamp"],
        ),
        look("one item in two feeds: one record, every sighting", &["sightings", "wire-503"]),
        look("a number that most programs would bend", &["show", "night-0301"]),
        look("what was published last", &["list", "--order", "-published", "--limit", "5"]),
        look("all that ever changed", &["list", "--where", "version>1"]),
        look("why an item was rejected, and the last fetches", &["feed", "show", "observatory"]),
        look("how things stand", &["status"]),
    ]
}
