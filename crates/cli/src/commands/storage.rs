//! `feedspine storage check`: the conformance kit on a backend.

use std::sync::Arc;

use feedspine::core::{Json, Standing};
use feedspine::ops::ToJson;
use feedspine::{Ending, OpError};
use feedspine_testkit::{Failure, Verdict};
use tokio::sync::Semaphore;
use tokio::task::JoinSet;

use super::Context;
use crate::arguments;
use crate::kit::{Bench, Check};
use crate::printer::{Line, Style};
use crate::secrets::without_password;

/// Checks at once: each has a few threads and connections of its own.
const AT_ONCE: usize = 4;

/// What came of one check.
struct Checked {
    check: Check,
    verdict: Verdict,
}

/// What came of all.
struct Report {
    checks: Vec<Checked>,
}

pub(super) async fn run(command: arguments::Storage, context: Context<'_>) -> Result<Ending, OpError> {
    let arguments::Storage::Check { url, destroy_data, only } = command;
    let shown = without_password(&url);
    let bench = Bench::new(context.backends, &url, &shown)?;
    if !destroy_data {
        return Err(refusal(&url, &shown, context).await?);
    }
    let mut checks = bench.checks();
    checks.retain(|check| check.full_name().contains(&only));
    if checks.is_empty() {
        return Err(OpError::usage("storage.no_check", format!("no check has {only:?} in its name")));
    }
    let report = Report { checks: judged(&Arc::new(bench), checks, context).await };
    context.printer.answer(&report, || told(&report));
    Ok(if report.count(|verdict| matches!(verdict, Err(Failure::Broken(_)))) == 0 {
        Ending::Done
    } else {
        Ending::Failed
    })
}

/// Why nothing is done without the flag.
async fn refusal(url: &str, shown: &str, context: Context<'_>) -> Result<OpError, OpError> {
    let found = context.backends.find(url)?;
    let standing = context.standing(&found).await?;
    found.care().close().await?;
    let holds = if matches!(standing, Some(Standing::Store { .. })) { ", where there is a store," } else { "" };
    let message = format!("the kit writes and destroys stores beside {shown}{holds} and nobody said that it may");
    Ok(OpError::usage("storage.destroys", message).with_hint("say --destroy-data"))
}

async fn judged(bench: &Arc<Bench>, checks: Vec<Check>, context: Context<'_>) -> Vec<Checked> {
    let turns = Arc::new(Semaphore::new(AT_ONCE));
    context.printer.progress_begins("checking", checks.len());
    let mut running = JoinSet::new();
    for (number, check) in checks.into_iter().enumerate() {
        let (bench, turns) = (Arc::clone(bench), Arc::clone(&turns));
        running.spawn(async move {
            let turn = turns.acquire_owned().await;
            let asked = check.clone();
            let verdict = tokio::task::spawn_blocking(move || bench.judge(&asked)).await;
            drop(turn);
            (number, Checked { check, verdict: verdict.unwrap_or_else(|_| Err(Failure::broken("it panicked"))) })
        });
    }
    let mut checked = Vec::new();
    while let Some(ended) = running.join_next().await {
        context.printer.progress_step();
        checked.extend(ended);
    }
    context.printer.progress_ends();
    checked.sort_by_key(|(number, _)| *number);
    checked.into_iter().map(|(_, checked)| checked).collect()
}

impl Report {
    fn count(&self, which: impl Fn(&Verdict) -> bool) -> u64 {
        self.checks.iter().filter(|checked| which(&checked.verdict)).count() as u64
    }

    /// Passed, failed, ignored.
    fn counts(&self) -> [u64; 3] {
        [
            self.count(Result::is_ok),
            self.count(|verdict| matches!(verdict, Err(Failure::Broken(_)))),
            self.count(|verdict| matches!(verdict, Err(Failure::DoesNotApply(_)))),
        ]
    }
}

impl ToJson for Report {
    fn to_json(&self) -> Json {
        let [passed, failed, ignored] = self.counts();
        let checks = self.checks.iter().map(|Checked { check, verdict }| {
            let (word, reason) = match verdict {
                Ok(()) => ("passed", None),
                Err(Failure::Broken(found)) => ("failed", Some(found.as_str())),
                Err(Failure::DoesNotApply(reason)) => ("ignored", Some(reason.as_str())),
            };
            Json::object([
                ("name", check.full_name().into()),
                ("promise", check.promise.into()),
                ("verdict", word.into()),
                ("reason", reason.into()),
            ])
        });
        Json::object([
            ("passed", passed.into()),
            ("failed", failed.into()),
            ("ignored", ignored.into()),
            ("checks", Json::Array(checks.collect())),
        ])
    }
}

fn told(report: &Report) -> Vec<Line> {
    let mut lines = Vec::new();
    for Checked { check, verdict } in &report.checks {
        match verdict {
            Ok(()) => {}
            Err(Failure::DoesNotApply(reason)) => {
                let line = Line::of(Style::Faint, "ignored").plain(": ").plain(check.full_name());
                lines.push(line.then(Style::Faint, format!("  {reason}")));
            }
            Err(Failure::Broken(found)) => {
                lines.push(Line::of(Style::Bad, "failed").plain(": ").then(Style::Strong, check.full_name()));
                lines.push(Line::from("  ").plain(check.promise));
                lines.extend(found.lines().map(|line| Line::from("  ").plain(line.trim())));
            }
        }
    }
    let [passed, failed, ignored] = report.counts();
    let style = if failed == 0 { Style::Good } else { Style::Bad };
    lines.push(Line::of(style, format!("{passed} passed, {failed} failed, {ignored} ignored")));
    lines
}
