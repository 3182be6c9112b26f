//! Repetitions, medians and the one table that is printed.

use std::fmt;
use std::time::{Duration, Instant};

/// How long `work` took.
pub fn timed<T>(work: impl FnOnce() -> T) -> (T, Duration) {
    let began = Instant::now();
    let done = work();
    (done, began.elapsed())
}

/// The middle one of some figures.
///
/// # Panics
/// When there is none.
pub fn median(figures: &[f64]) -> f64 {
    let mut sorted = figures.to_vec();
    sorted.sort_by(f64::total_cmp);
    sorted[sorted.len() / 2]
}

/// The middle one of the ratios between figures of the same repetitions.
///
/// # Panics
/// When there is none.
pub fn median_ratio(ours: &[f64], theirs: &[f64]) -> f64 {
    median(&ours.iter().zip(theirs).map(|(ours, theirs)| ours / theirs).collect::<Vec<f64>>())
}

/// One figure of the table.
#[derive(Debug, Clone)]
pub struct Row {
    /// What was done.
    pub what: String,
    /// The median rate.
    pub rate: f64,
    /// The rate's unit: `MB/s`, `items/s`, `KB`, `ms`.
    pub unit: &'static str,
    /// The median of the ratios to a peer or limit of the same repetition, and its name.
    pub ratios: Vec<(f64, &'static str)>,
    /// The goal, when there is one.
    pub goal: Option<Goal>,
}

/// What a figure has to reach.
#[derive(Debug, Clone, Copy)]
pub enum Goal {
    /// The first ratio is at least this.
    Ratio(f64),
    /// The rate is at least this.
    Rate(f64),
    /// The figure is at most this.
    AtMost(f64),
    /// The first ratio is at most this.
    AtMostRatio(f64),
}

impl Row {
    /// Whether the goal is reached; `None` without one.
    pub fn reached(&self) -> Option<bool> {
        self.goal.map(|goal| match goal {
            Goal::Ratio(least) => self.ratios.first().is_some_and(|(ratio, _)| *ratio >= least),
            Goal::Rate(least) => self.rate >= least,
            Goal::AtMost(most) => self.rate <= most,
            Goal::AtMostRatio(most) => self.ratios.first().is_some_and(|(ratio, _)| *ratio <= most),
        })
    }
}

/// A line of the Markdown table.
impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let ratios: Vec<String> = self.ratios.iter().map(|(ratio, peer)| format!("{ratio:.2} x {peer}")).collect();
        let goal = match self.goal {
            Some(Goal::Ratio(least)) => format!("at least {least} x"),
            Some(Goal::Rate(least)) => format!("at least {}", grouped(least)),
            Some(Goal::AtMost(most)) => format!("at most {}", grouped(most)),
            Some(Goal::AtMostRatio(most)) => format!("at most {most} x"),
            None => String::new(),
        };
        let verdict = match self.reached() {
            Some(true) => "reached",
            Some(false) => "MISSED",
            None => "",
        };
        let Self { what, unit, .. } = self;
        write!(f, "| {what} | {} {unit} | {} | {goal} | {verdict} |", grouped(self.rate), ratios.join(", "))
    }
}

/// The table's head.
pub const HEAD: &str = "| what | median | against, in the same run | goal | |\n|---|---:|---|---|---|";

#[expect(clippy::cast_possible_truncation, reason = "a rate for people to read")]
fn grouped(figure: f64) -> String {
    if figure < 100.0 {
        return format!("{figure:.1}");
    }
    let digits = (figure.round() as i64).to_string();
    let mut out = String::new();
    for (at, digit) in digits.chars().enumerate() {
        if at > 0 && (digits.len() - at).is_multiple_of(3) {
            out.push(' ');
        }
        out.push(digit);
    }
    out
}
