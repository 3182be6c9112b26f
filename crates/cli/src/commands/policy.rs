//! A feed's identity policy in words, for `feed show` and `feed set`.

use feedspine::core::{Json, KeyRule};
use feedspine::ops::{Health, Learned, PolicyView, RuleOrigin};

use super::words::{counted, field, minute};
use crate::printer::{Line, Style};

/// By what items are told from each other: `link`, `title and link, in small letters`.
pub(super) fn rule(policy: &PolicyView) -> String {
    let places = option(policy, "key");
    let rule = match policy.rule {
        None => "chosen at its first items".to_owned(),
        Some(KeyRule::Given) if places.is_empty() => "what its adapter says".to_owned(),
        Some(KeyRule::Given) => places.join(" and "),
        Some(rule) => rule.as_str().to_owned(),
    };
    let folds = option(policy, "fold_case").first().is_some_and(|text| text == "true");
    if folds { format!("{rule}, in small letters") } else { rule }
}

/// The block of `feed show`.
pub(super) fn lines(policy: &PolicyView) -> Vec<Line> {
    let evidence = policy.evidence.as_ref();
    let learned = evidence.and_then(|held| held.learned.as_ref());
    let origin = match (policy.origin, learned) {
        (RuleOrigin::Nobody, _) => String::new(),
        (RuleOrigin::Operator, _) => ", as you said".to_owned(),
        (RuleOrigin::Adapter, _) => ", as its adapter has it".to_owned(),
        (RuleOrigin::Learned, Some(learned)) => {
            format!(", learned {} from {}", minute(learned.at), counted(learned.items.into(), "item"))
        }
        (RuleOrigin::Learned | RuleOrigin::Settled, _) => ", settled long ago".to_owned(),
    };
    let mut lines = vec![field("key rule", Line::from(rule(policy)).then(Style::Faint, origin))];
    lines.extend(learned.map(|learned| field("evidence", Line::of(Style::Faint, tried(learned)))));
    lines.extend(evidence.and_then(|held| held.last.as_ref()).map(|last| field("last items", health(last))));
    if let Some(degraded) = evidence.and_then(|held| held.degraded.as_ref()) {
        let documents = counted(degraded.documents.into(), "document");
        let told = format!("keys are unstable in {documents} since {}; the last: ", minute(degraded.since));
        lines.push(field("degraded", Line::of(Style::Notable, told).plain(health(&degraded.last))));
    }
    lines.extend(policy.configured_otherwise.iter().map(|told| field("configured", Line::of(Style::Notable, told))));
    lines
}

/// How each rule did that was tried.
fn tried(learned: &Learned) -> String {
    let fits = learned.fits.iter().map(|fit| {
        let rule = fit.rule.as_str();
        match (fit.missing, fit.clashing) {
            (0, 0) => format!("{rule} tells all apart"),
            (missing, clashing) => format!("{rule}: {missing} missing, {clashing} clashing"),
        }
    });
    fits.collect::<Vec<_>>().join("; ")
}

fn health(health: &Health) -> String {
    let Health { items, missing, clashing, compared, unstable, .. } = health;
    let items = counted((*items).into(), "item");
    let told = [
        (*missing, "without a key by the rule".to_owned()),
        (*clashing, "with a key of another".to_owned()),
        (*unstable, format!("of {compared} known ones under another key")),
    ];
    let told: Vec<String> =
        told.into_iter().filter(|(count, _)| *count > 0).map(|(count, words)| format!("{count} {words}")).collect();
    if told.is_empty() { format!("{items}, all told apart") } else { format!("{items}, {}", told.join(", ")) }
}

/// The texts of an option.
fn option(policy: &PolicyView, name: &str) -> Vec<String> {
    let text = |value: &Json| value.as_str().map_or_else(|| value.to_string(), str::to_owned);
    match policy.options.iter().find(|(held, _)| held == name) {
        Some((_, Json::Array(values))) => values.iter().map(text).collect(),
        Some((_, value)) => vec![text(value)],
        None => Vec::new(),
    }
}
