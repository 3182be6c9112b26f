//! The original's side: candidates written as lines of JSON, our script, and what it prints.

use std::fs::File;
use std::io::{BufWriter, Write};
use std::path::Path;
use std::time::Duration;

use serde_json::Value;

use super::environment::Environment;
use super::{Held, PASSES, Run, Work};
use crate::candidates::Snapshot;

/// What the original said of a pass.
#[derive(Debug)]
struct Told {
    processed: usize,
    took: Duration,
    updated: u64,
    errors: u64,
}

/// Runs all passes into a store of the original's.
pub(super) fn run(
    environment: &Environment,
    store: &str,
    location: &str,
    work: &Work,
    place: &Path,
) -> Result<Run, String> {
    let mut script = environment.script();
    script.args([store, location]);
    for (number, snapshots) in work.passes().into_iter().enumerate() {
        let file = place.join(format!("pass-{number}.jsonl"));
        write(snapshots, &file).map_err(|error| format!("{}: {error}", file.display()))?;
        script.arg(format!("{number}={}", file.display()));
    }
    let output = script.output().map_err(|error| format!("the script does not start: {error}"))?;
    let said = String::from_utf8_lossy(&output.stdout);
    if !output.status.success() {
        let wrong = String::from_utf8_lossy(&output.stderr);
        return Err(format!("the script about feed-spine failed ({}): {}", output.status, wrong.trim()));
    }
    let unread = || format!("the script about feed-spine said something else: {said}");
    read(&said).ok_or_else(unread)?.into_run()
}

/// One line for each candidate.
fn write(snapshots: &[Snapshot], path: &Path) -> std::io::Result<()> {
    let mut file = BufWriter::new(File::create(path)?);
    for snapshot in snapshots {
        for item in &snapshot.items {
            let published = item.published.map(|at| at.to_string()).unwrap_or_default();
            let (feed, key, content) = (snapshot.feed, item.key.key(), item.content.as_str());
            writeln!(file, r#"{{"feed":"feed-{feed}","key":"{key}","published":"{published}","content":{content}}}"#)?;
        }
    }
    file.flush()
}

/// All that the script said.
struct Said {
    passes: Vec<Told>,
    held: Held,
}

fn read(said: &str) -> Option<Said> {
    let mut lines: Vec<Value> = said.lines().map(serde_json::from_str).collect::<Result<_, _>>().ok()?;
    let held = lines.pop()?;
    let number = |of: &Value, name: &str| of.get(name).and_then(Value::as_u64);
    let counts = held.get("held")?;
    let held = Held {
        records: number(counts, "records")?,
        versions: number(counts, "versions")?,
        sightings: number(counts, "sightings")?,
    };
    let told = |line: &Value| {
        Some(Told {
            processed: usize::try_from(number(line, "processed")?).ok()?,
            took: Duration::try_from_secs_f64(line.get("seconds")?.as_f64()?).ok()?,
            updated: number(line, "updated")?,
            errors: number(line, "errors")?,
        })
    };
    let passes = lines.iter().map(told).collect::<Option<Vec<Told>>>()?;
    (passes.len() == PASSES.len()).then_some(Said { passes, held })
}

impl Said {
    /// What was measured; a measurement of failures is none.
    fn into_run(self) -> Result<Run, String> {
        let failed: u64 = self.passes.iter().map(|pass| pass.errors).sum();
        if failed > 0 {
            return Err(format!("feed-spine failed on {failed} candidates"));
        }
        let mut rates = [0.0; PASSES.len()];
        for (rate, pass) in rates.iter_mut().zip(&self.passes) {
            *rate = crate::ingest::rate_of(pass.processed, pass.took);
        }
        Ok(Run { rates, held: self.held, mistaken: self.passes[1].updated })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const PASS: &str = r#"{"pass": "0", "seconds": 0.5, "processed": 10, "new": 0, "updated": 10, "errors": 0}"#;
    const HELD: &str = r#"{"held": {"records": 10, "versions": 0, "sightings": 30}}"#;

    #[test]
    fn what_the_script_prints_is_read() {
        let run = read(&[PASS, PASS, PASS, HELD].join("\n")).unwrap().into_run().unwrap();
        assert!(run.rates.iter().all(|rate| (rate - 20.0).abs() < 1e-9), "{:?}", run.rates);
        assert_eq!((run.held, run.mistaken), (Held { records: 10, versions: 0, sightings: 30 }, 10));
    }

    #[test]
    fn a_pass_that_is_missing_or_failed_is_no_measurement() {
        assert!(read(&[PASS, PASS, HELD].join("\n")).is_none());
        let failed = PASS.replace(r#""errors": 0"#, r#""errors": 2"#);
        assert!(read(&[&failed, PASS, PASS, HELD].join("\n")).unwrap().into_run().is_err());
    }
}
