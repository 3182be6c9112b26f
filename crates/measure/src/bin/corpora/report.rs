//! Counts what passes, compares it with the floors, and prints it.

use std::collections::{BTreeMap, HashSet};
use std::fmt::Write as _;
use std::path::Path;

use serde_json::{Value, json};

/// One measure: how many rows passed of how many.
#[derive(Debug, Default)]
pub(crate) struct Measure {
    pub(crate) passed: usize,
    pub(crate) of: usize,
    /// Rows that ask for something that the parser does not say.
    pub(crate) unmapped: usize,
    /// Rows that the corpus itself marks as doubtful.
    pub(crate) disputed: usize,
    /// Rows that failed, with a short difference.
    pub(crate) failed: BTreeMap<String, String>,
    /// Rows that passed, for the differences that are no longer ones.
    held: Vec<String>,
}

impl Measure {
    /// Counts one row; `Err` holds the difference.
    pub(crate) fn row(&mut self, name: &str, outcome: Result<(), String>) {
        self.of += 1;
        match outcome {
            Ok(()) => {
                self.passed += 1;
                self.held.push(name.to_owned());
            }
            Err(difference) => {
                self.failed.insert(name.to_owned(), difference);
            }
        }
    }

    /// All rows, each as the list of differences names it.
    fn rows(&self, measure: &str) -> impl Iterator<Item = String> {
        self.held.iter().chain(self.failed.keys()).map(move |row| format!("{measure} {row}"))
    }

    /// Hundredths of a percent, rounded down.
    fn points(&self) -> usize {
        (self.passed * 10_000).checked_div(self.of).unwrap_or(10_000)
    }

    fn percent(&self) -> String {
        format!("{}.{:02}", self.points() / 100, self.points() % 100)
    }
}

/// All measures by name.
#[derive(Debug, Default)]
pub(crate) struct Report {
    measures: Vec<(&'static str, Measure)>,
}

/// The least that each measure must reach, in hundredths of a percent. They only rise.
#[derive(Debug)]
pub(crate) struct Floors(BTreeMap<String, usize>);

/// Differences that were looked at, each with its reason: `measure row` to reason.
#[derive(Debug)]
pub(crate) struct Differences(BTreeMap<String, String>);

impl Floors {
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        load(path, |value| value.as_u64().and_then(|points| usize::try_from(points).ok())).map(Self)
    }
}

impl Differences {
    pub(crate) fn load(path: &Path) -> Result<Self, String> {
        load(path, |value| value.as_str().map(str::to_owned)).map(Self)
    }
}

/// Reads a JSON object whose values are all of one kind.
fn load<T>(path: &Path, of: impl Fn(&Value) -> Option<T>) -> Result<BTreeMap<String, T>, String> {
    let text = std::fs::read_to_string(path).map_err(|error| format!("{}: {error}", path.display()))?;
    let members: BTreeMap<String, Value> =
        serde_json::from_str(&text).map_err(|error| format!("{}: {error}", path.display()))?;
    let member = |(name, value): (String, Value)| match of(&value) {
        Some(value) => Ok((name, value)),
        None => Err(format!("{}: {name:?} is {value}", path.display())),
    };
    members.into_iter().map(member).collect()
}

impl Report {
    /// The measure of that name, begun when it is new.
    pub(crate) fn measure(&mut self, name: &'static str) -> &mut Measure {
        let at = self.measures.iter().position(|(known, _)| *known == name).unwrap_or_else(|| {
            self.measures.push((name, Measure::default()));
            self.measures.len() - 1
        });
        &mut self.measures[at].1
    }

    /// What is wrong: a measure below its floor, an explained difference that is none any more, or that no row has.
    pub(crate) fn judge(&self, floors: &Floors, differences: &Differences) -> Vec<String> {
        let mut faults = Vec::new();
        for (name, measure) in &self.measures {
            let floor = floors.0.get(*name).copied();
            if floor.is_none_or(|floor| measure.points() < floor) {
                let floor =
                    floor.map_or("no floor".to_owned(), |floor| format!("{}.{:02} %", floor / 100, floor % 100));
                faults.push(format!("{name} is at {} %; its floor: {floor}", measure.percent()));
            }
            let gone = measure.held.iter().filter(|row| differences.0.contains_key(&format!("{name} {row}")));
            faults.extend(gone.map(|row| format!("{name} {row} passes now: take it off corpora-differences.json")));
        }
        let rows: HashSet<String> = self.measures.iter().flat_map(|(name, measure)| measure.rows(name)).collect();
        let unknown = differences.0.keys().filter(|explained| !rows.contains(*explained));
        faults.extend(unknown.map(|explained| format!("{explained} is no row: take it off corpora-differences.json")));
        faults
    }

    pub(crate) fn to_table(&self, floors: &Floors, differences: &Differences, with_failures: bool) -> String {
        let mut out = format!(
            "{:<28}{:>7}{:>7}{:>9}{:>9}{:>10}{:>10}{:>12}",
            "measure", "passed", "of", "percent", "floor", "unmapped", "disputed", "unexplained"
        );
        for (name, measure) in &self.measures {
            let explained = |row: &String| differences.0.contains_key(&format!("{name} {row}"));
            let unexplained = measure.failed.keys().filter(|row| !explained(row)).count();
            let floor = floors.0.get(*name).map_or("-".to_owned(), |f| format!("{}.{:02}", f / 100, f % 100));
            write!(
                out,
                "\n{name:<28}{:>7}{:>7}{:>9}{floor:>9}{:>10}{:>10}{unexplained:>12}",
                measure.passed,
                measure.of,
                measure.percent(),
                measure.unmapped,
                measure.disputed
            )
            .expect("writing to a string cannot fail");
        }
        if with_failures {
            for (name, measure) in &self.measures {
                for (row, difference) in &measure.failed {
                    let reason = differences.0.get(&format!("{name} {row}")).map_or("", String::as_str);
                    write!(out, "\n{name} {row}: {difference} [{reason}]").expect("writing to a string cannot fail");
                }
            }
        }
        out
    }

    pub(crate) fn to_json(&self, floors: &Floors, faults: &[String]) -> Value {
        let measures: BTreeMap<&str, Value> = self
            .measures
            .iter()
            .map(|(name, measure)| {
                let value = json!({
                    "passed": measure.passed,
                    "of": measure.of,
                    "percent": measure.percent(),
                    "floor_points": floors.0.get(*name),
                    "unmapped": measure.unmapped,
                    "disputed": measure.disputed,
                    "failed": measure.failed,
                });
                (*name, value)
            })
            .collect();
        json!({ "measures": measures, "faults": faults })
    }
}

/// A short form of something for a difference.
pub(crate) fn short(value: &impl ToString) -> String {
    let text = value.to_string();
    if text.chars().count() <= 60 {
        return text;
    }
    let cut: String = text.chars().take(57).collect();
    format!("{cut}...")
}
