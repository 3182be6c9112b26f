//! `feedspine config`

use feedspine::Ending;
use feedspine::core::{Json, Page};
use feedspine::ops::ToJson;

use super::Context;
use crate::arguments;
use crate::config::{Config, Setting};
use crate::printer::{Line, Set, Style, Table};

pub(super) fn run(command: arguments::Config, context: Context<'_>) -> Ending {
    match command {
        arguments::Config::Path => {
            let path = Path::of(context.config);
            context.printer.answer(&path, || vec![Line::from(&*path.path)]);
            if !path.exists {
                context.printer.note("there is no such file yet: the defaults are in force");
            }
        }
        arguments::Config::Show => {
            let settings = Page { items: context.config.settings(), next: None };
            context.printer.answer(&settings, || table(&settings.items, context.printer.width()));
        }
    }
    Ending::Done
}

/// Where the configuration is read from.
struct Path {
    path: String,
    exists: bool,
}

impl Path {
    fn of(config: &Config) -> Self {
        Self { path: config.file.display().to_string(), exists: config.file.exists() }
    }
}

impl ToJson for Path {
    fn to_json(&self) -> Json {
        Json::object([("path", self.path.as_str().into()), ("exists", self.exists.into())])
    }
}

fn table(settings: &[Setting], width: Option<usize>) -> Vec<Line> {
    let mut table = Table::new(&[("key", Set::Left), ("value", Set::Flexible), ("from", Set::Flexible)]);
    for setting in settings {
        let value = match &setting.value {
            Json::String(text) => text.clone(),
            other => other.to_string(),
        };
        table.row([setting.key.as_str().into(), value.into(), Line::of(Style::Faint, setting.origin.to_string())]);
    }
    table.lines(width)
}
