//! [`Progress`]: a line on a terminal that says how far something is.

use std::time::Duration;

use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

/// How far something is.
#[derive(Debug)]
pub(super) struct Progress(ProgressBar);

impl Progress {
    pub(super) fn new(what: &'static str, steps: usize) -> Self {
        let bar = ProgressBar::with_draw_target(Some(steps as u64), ProgressDrawTarget::stderr());
        let style = ProgressStyle::with_template("{spinner:.dim} {msg} {pos}/{len} {bar:24.dim} {elapsed}");
        bar.set_style(style.expect("the template is one").progress_chars("━╸ "));
        bar.set_message(what);
        bar.enable_steady_tick(Duration::from_millis(120));
        Self(bar)
    }

    pub(super) fn step(&self) {
        self.0.inc(1);
    }

    pub(super) fn aside(&self, write: impl FnOnce()) {
        self.0.suspend(write);
    }

    pub(super) fn clear(self) {
        self.0.finish_and_clear();
    }
}
