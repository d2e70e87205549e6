//! What a run tells its user while it goes on: tasks with progress, notes and warnings.
//!
//! Three renderings of the same events: bars on a terminal, plain lines elsewhere, one JSON object a line with `--json`.
//! Failures are not reported here; they are returned.

use std::sync::Arc;

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Terminal,
    Plain,
    Json,
    /// Nothing at all: for tests and for commands whose output is the answer.
    Silent,
}

/// A handle that is cheap to clone and can be used from every thread.
#[derive(Clone)]
pub struct Report {
    inner: Arc<Inner>,
}

struct Inner {
    style: Style,
}

/// A piece of work under way; dropping it without [`Task::done`] shows it as given up.
pub struct Task {
    report: Report,
    label: String,
    finished: bool,
}

impl Report {
    pub fn new(style: Style) -> Report {
        Report { inner: Arc::new(Inner { style }) }
    }

    /// A fact worth a line.
    pub fn note(&self, text: &str) {
        if self.inner.style != Style::Silent {
            eprintln!("{text}");
        }
    }

    /// Something the user should know although the run goes on.
    pub fn warn(&self, text: &str) {
        if self.inner.style != Style::Silent {
            eprintln!("warning: {text}");
        }
    }

    /// Starts a task. `kind` is a verb (`download`, `unpack`, `step`), `name` its object, `total` bytes where known.
    pub fn begin(&self, kind: &str, name: &str, total: Option<u64>) -> Task {
        let _ = total;
        Task { report: self.clone(), label: format!("{kind} {name}"), finished: false }
    }
}

impl Task {
    /// `bytes` more are done.
    pub fn advance(&self, bytes: u64) {
        let _ = bytes;
    }

    /// What the task is at right now, such as the last line of a step's log.
    pub fn say(&self, detail: &str) {
        let _ = detail;
    }

    /// Ends the task well; `outcome` says what came of it (`cached`, `12.3 MiB`).
    pub fn done(mut self, outcome: &str) {
        self.finished = true;
        self.report.note(&format!("{}: {outcome}", self.label));
    }
}
