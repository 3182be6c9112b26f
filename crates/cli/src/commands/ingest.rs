//! `feedspine ingest`: lines of JSON from stdin or a file.

use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::Path;
use std::sync::{Mutex, PoisonError};

use feedspine::core::{Counts, FeedName, Json};
use feedspine::ops::{LinesIngested, LinesStored};
use feedspine::{Ending, OpError, ToJson};
use futures_util::{Stream, stream};
use tokio::sync::mpsc::{Sender, channel};

use super::Context;
use super::words::counted;
use crate::arguments;
use crate::printer::{Format, Line, Printer, Style};
use crate::stores::Wanted;

/// Bytes that are read at once, and how many such pieces wait to be stored.
const PIECE: (usize, usize) = (64 * 1024, 8);

pub(super) async fn run(arguments: arguments::Ingest, context: Context<'_>) -> Result<Ending, OpError> {
    let printer = context.printer;
    let source: Box<dyn Read + Send> = match &arguments.file {
        None => Box::new(io::stdin()),
        Some(path) if path.as_path() == Path::new("-") => Box::new(io::stdin()),
        Some(path) => Box::new(File::open(path).map_err(|error| unreadable(path, error))?),
    };
    let feed = &arguments.feed;
    let ask = context.with_engine(Wanted::Existing, async |engine| {
        let nothing = LinesStored { line: 0, counts: Counts::default() };
        let mut reach = Reach { printer, feed, stored: Mutex::new(nothing), ended: false };
        let tell = |stored: LinesStored| *reach.stored.lock().unwrap_or_else(PoisonError::into_inner) = stored;
        let ingested = engine.ingest_lines(feed, pieces_of(source), &tell).await;
        // What ends by itself says itself how far it came.
        reach.ended = true;
        ingested
    });
    let ingested = ask.await?;
    printer.answer(&ingested, || told(&ingested));
    for warning in &ingested.warnings {
        printer.warning(warning);
    }
    if ingested.counts.rejected > 0 {
        let next = context.same_store(&format!("feedspine rejects {feed}"));
        printer.note(Line::of(Style::Faint, format!("why lines were rejected: {next}")));
    }
    Ok(Ending::Done)
}

/// How far lines are stored; told when the command is dropped before it ends.
struct Reach<'a> {
    printer: &'a Printer,
    feed: &'a FeedName,
    stored: Mutex<LinesStored>,
    ended: bool,
}

impl Drop for Reach<'_> {
    fn drop(&mut self) {
        if self.ended {
            return;
        }
        let LinesStored { line, counts } = *self.stored.get_mut().unwrap_or_else(PoisonError::into_inner);
        if self.printer.format() == Format::Json {
            self.printer.json(&Json::object([
                ("feed", self.feed.as_str().into()),
                ("lines", line.into()),
                ("counts", counts.to_json()),
                ("interrupted", true.into()),
            ]));
        }
        self.printer.note(format!("stopped behind line {line}: all lines as far as that one are stored"));
    }
}

/// What a source gives, read by a thread of its own: one that waits for a terminal or a pipe is in nobody's way when the
/// command ends.
fn pieces_of(mut source: Box<dyn Read + Send>) -> impl Stream<Item = io::Result<Vec<u8>>> + Unpin + Send {
    let (sender, mut pieces) = channel(PIECE.1);
    std::thread::spawn(move || while send_piece(&mut source, &sender) {});
    stream::poll_fn(move |context| pieces.poll_recv(context))
}

/// Whether there is more to read, and somebody who wants it.
fn send_piece(source: &mut dyn Read, sender: &Sender<io::Result<Vec<u8>>>) -> bool {
    let mut piece = vec![0; PIECE.0];
    match source.read(&mut piece) {
        Ok(0) => false,
        Ok(read) => {
            piece.truncate(read);
            sender.blocking_send(Ok(piece)).is_ok()
        }
        Err(error) if error.kind() == ErrorKind::Interrupted => true,
        Err(error) => {
            // Nobody is there to be told only when the command has ended.
            sender.blocking_send(Err(error)).ok();
            false
        }
    }
}

fn unreadable(path: &Path, error: io::Error) -> OpError {
    if error.kind() == ErrorKind::NotFound {
        return OpError::not_found("file.missing", format!("there is no file {}", path.display()))
            .with_hint("without a file the lines are read from stdin");
    }
    OpError::failed("file.unreadable", format!("cannot read {}: {error}", path.display()))
        .with_hint("check that the file may be read")
        .with_source(error)
}

fn told(ingested: &LinesIngested) -> Vec<Line> {
    let counts = ingested.counts;
    let line = Line::of(Style::Strong, ingested.feed.as_str()).plain("  ").plain(counted(ingested.lines, "line"));
    let line = line.plain(format!(": {} new, {} changed, {} unchanged", counts.new, counts.changed, counts.unchanged));
    let line = if counts.repeated > 0 { line.plain(format!(", {} repeated", counts.repeated)) } else { line };
    vec![if counts.rejected > 0 { line.then(Style::Bad, format!(", {} rejected", counts.rejected)) } else { line }]
}
