//! `feedspine add`

use feedspine::ops::{AddFeed, AddOutcome, Added};
use feedspine::{Address, Ending, OpError};

use super::Context;
use crate::arguments;
use crate::printer::{Line, Style};
use crate::stores::Wanted;

pub(super) async fn run(arguments: arguments::Add, context: Context<'_>) -> Result<Ending, OpError> {
    let here = std::env::current_dir().unwrap_or_default();
    // What is no address, or no file, begins no store.
    if let Address::File(path) = Address::parse(&arguments.address, &here)?
        && !path.exists()
    {
        return Err(OpError::not_found("file.missing", format!("there is no file {}", path.display()))
            .with_hint("a URL begins with https:// or http://"));
    }
    let request = AddFeed {
        address: arguments.address,
        name: arguments.name,
        namespace: arguments.namespace,
        allow_private: arguments.allow_private,
    };
    let added = context.with_engine(Wanted::ExistingOrNew, async |engine| engine.add(request).await).await?;
    context.printer.answer(&added, || vec![told(&added)]);
    if added.outcome == AddOutcome::Added {
        let next = context.same_store(&format!("feedspine collect {}", added.feed.name));
        context.printer.note(Line::of(Style::Faint, format!("next: {next}")));
    }
    Ok(Ending::Done)
}

fn told(added: &Added) -> Line {
    let (verb, style) = match added.outcome {
        AddOutcome::Added => ("added", Style::Good),
        AddOutcome::Already => ("already there:", Style::Plain),
        AddOutcome::NowAllowed => ("allowed at a private address:", Style::Notable),
    };
    let line = Line::of(style, verb).plain(" ").then(Style::Strong, added.feed.name.as_str());
    let line = line.plain("  ").plain(&added.feed.address);
    if added.feed.namespace.as_str() == added.feed.name.as_str() {
        line
    } else {
        line.then(Style::Faint, format!("  namespace {}", added.feed.namespace))
    }
}
