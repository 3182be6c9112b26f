//! A Python environment of its own for the original, beside the programs that cargo built.

use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};

/// What is measured; asyncpg is what its PostgreSQL backend needs and does not ask for.
const PACKAGES: [&str; 2] = ["feed-spine==0.3.0", "asyncpg"];

/// Names the Python to use, when it is not found.
const VARIABLE: &str = "FEEDSPINE_PYTHON";

/// Python with feed-spine 0.3.0 installed.
#[derive(Debug)]
pub struct Environment {
    python: PathBuf,
}

impl Environment {
    /// Makes the environment, or finds the one that was made before. `None` where there is no Python 3.12: the package
    /// is written in its syntax, and an older one does not load it.
    ///
    /// # Errors
    /// What failed: making the environment, or installing from the package index.
    pub fn prepare(tell: &dyn Fn(&str)) -> Result<Option<Self>, String> {
        let Some(python) = find() else { return Ok(None) };
        let program =
            std::env::current_exe().map_err(|error| format!("this program does not know its place: {error}"))?;
        let folder = program.parent().unwrap_or(Path::new(".")).join("feed-spine-0.3.0");
        let environment = Self { python: folder.join("bin/python") };
        if environment.is_ready() {
            return Ok(Some(environment));
        }
        tell(&format!("installing {} with {}", PACKAGES.join(", "), python.display()));
        run(Command::new(&python).args(["-m", "venv", "--clear"]).arg(&folder))?;
        run(Command::new(&environment.python).args(["-m", "pip", "install", "--quiet"]).args(PACKAGES))?;
        Ok(Some(environment))
    }

    /// A command that runs our script about the original.
    pub(super) fn script(&self) -> Command {
        let mut command = Command::new(&self.python);
        command.arg(Path::new(env!("CARGO_MANIFEST_DIR")).join("peer/measure.py"));
        command
    }

    fn is_ready(&self) -> bool {
        says_yes(
            &self.python,
            "import importlib.metadata, asyncpg; print(importlib.metadata.version('feed-spine') == '0.3.0')",
        )
    }
}

/// The newest Python that will do: the one named, one on the path, or one of those that pyenv keeps.
fn find() -> Option<PathBuf> {
    let named = std::env::var_os(VARIABLE).map(PathBuf::from);
    let on_path = ["python3.14", "python3.13", "python3.12", "python3"].map(PathBuf::from);
    let home = std::env::var_os("HOME").map(PathBuf::from).unwrap_or_default();
    let versions = std::fs::read_dir(home.join(".pyenv/versions")).into_iter().flatten().flatten();
    let mut kept: Vec<PathBuf> = versions.map(|version| version.path().join("bin/python3")).collect();
    kept.sort();
    let fits = |python: &PathBuf| says_yes(python, "import sys, venv; print(sys.version_info >= (3, 12))");
    named.into_iter().chain(on_path).chain(kept).find(fits)
}

fn says_yes(python: &Path, asked: &str) -> bool {
    let answer = Command::new(python).args(["-c", asked]).stderr(Stdio::null()).output();
    answer.is_ok_and(|answer| answer.status.success() && answer.stdout.trim_ascii() == b"True")
}

fn run(command: &mut Command) -> Result<(), String> {
    let shown = command.get_program().to_string_lossy().into_owned();
    let output = command.stdin(Stdio::null()).output().map_err(|error| format!("{shown} does not start: {error}"))?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{shown} failed ({}): {}", output.status, String::from_utf8_lossy(&output.stderr).trim()))
}
