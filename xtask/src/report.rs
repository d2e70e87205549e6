//! What a run tells its user while it goes on: tasks with progress, notes, warnings and results.
//!
//! Three renderings of the same events: bars on a terminal, plain lines elsewhere, one JSON object a line with `--json`.
//! Progress goes to standard error and results to standard output; JSON goes to standard output alone. Failures are returned by
//! those who meet them and reported once, by `main`. A closed stream is no error here: nobody is left to be told.

use crate::fault;
use indicatif::{MultiProgress, ProgressBar, ProgressStyle};
use serde_json::{Value, json};
use std::io::Write as _;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, OnceLock};
use std::time::{Duration, Instant};

/// How events are shown.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Style {
    Terminal,
    Plain,
    Json,
    /// Nothing but results and errors.
    Silent,
}

/// How often a task's progress becomes a JSON event at most.
const PROGRESS_INTERVAL: Duration = Duration::from_secs(1);

/// A handle that is cheap to clone and can be used from every thread.
#[derive(Clone)]
pub struct Report {
    inner: Arc<Inner>,
}

struct Inner {
    style: Style,
    tasks: AtomicU64,
    /// Made with the first task: a run with nothing to do draws nothing and starts no thread.
    bars: OnceLock<MultiProgress>,
}

/// A piece of work under way; dropping it without [`Task::done`] shows it as given up.
pub struct Task {
    report: Report,
    id: u64,
    label: String,
    started: Instant,
    bytes: AtomicU64,
    bar: Option<ProgressBar>,
    last_progress: Mutex<Instant>,
    finished: bool,
}

impl Report {
    pub fn new(style: Style) -> Report {
        Report { inner: Arc::new(Inner { style, tasks: AtomicU64::new(1), bars: OnceLock::new() }) }
    }

    /// A fact worth a line.
    pub fn note(&self, text: &str) {
        match self.inner.style {
            Style::Json => event(json!({ "event": "note", "text": text })),
            Style::Terminal | Style::Plain => self.line(text),
            Style::Silent => (),
        }
    }

    /// Something the user should know although the run goes on.
    pub fn warn(&self, text: &str) {
        match self.inner.style {
            Style::Json => event(json!({ "event": "warning", "text": text })),
            Style::Terminal | Style::Plain => self.line(&format!("warning: {text}")),
            Style::Silent => (),
        }
    }

    /// What the user asked for: text for people, `value` for programs.
    pub fn result(&self, text: &str, value: Value) {
        match self.inner.style {
            Style::Json => event(json!({ "event": "result", "result": value })),
            _ => self.above_the_bars(|| drop(writeln!(std::io::stdout(), "{text}"))),
        }
    }

    /// The failure that ends the run.
    pub fn error(&self, error: &anyhow::Error) {
        let text = fault::render(error);
        match self.inner.style {
            Style::Json => {
                let text = text.strip_prefix("error: ").unwrap_or(&text);
                event(json!({ "event": "error", "exit": fault::exit_code(error), "text": text }));
            }
            _ => self.line(&text),
        }
    }

    /// Starts a task. `kind` is a verb (`download`, `unpack`, `step`), `name` its object, `total` bytes where known.
    pub fn begin(&self, kind: &str, name: &str, total: Option<u64>) -> Task {
        let id = self.inner.tasks.fetch_add(1, Ordering::Relaxed);
        let label = format!("{kind} {name}");
        match self.inner.style {
            Style::Json => event(json!({ "event": "begin", "task": id, "kind": kind, "name": name, "bytes": total })),
            Style::Plain => self.line(&format!("{label} …")),
            Style::Terminal | Style::Silent => (),
        }
        let bar = (self.inner.style == Style::Terminal).then(|| self.bar(&label, total));
        let now = Instant::now();
        let last_progress = Mutex::new(now);
        Task {
            report: self.clone(),
            id,
            label,
            started: now,
            bytes: AtomicU64::new(0),
            bar,
            last_progress,
            finished: false,
        }
    }

    fn bar(&self, label: &str, total: Option<u64>) -> ProgressBar {
        let bar = total.map_or_else(ProgressBar::new_spinner, ProgressBar::new);
        let template = match total {
            Some(_) => "{spinner} {prefix:.bold} {bytes}/{total_bytes} {bytes_per_sec} [{elapsed}] {wide_msg:.dim}",
            None => "{spinner} {prefix:.bold} [{elapsed}] {wide_msg:.dim}",
        };
        bar.set_style(ProgressStyle::with_template(template).expect("the template is fixed"));
        bar.set_prefix(label.to_owned());
        let bar = self.inner.bars.get_or_init(MultiProgress::new).add(bar);
        bar.enable_steady_tick(Duration::from_millis(200));
        bar
    }

    /// One line for people on standard error.
    fn line(&self, text: &str) {
        let text = printable(text);
        self.above_the_bars(|| drop(writeln!(std::io::stderr(), "{text}")));
    }

    fn above_the_bars(&self, write: impl FnOnce()) {
        match self.inner.bars.get() {
            Some(bars) => bars.suspend(write),
            None => write(),
        }
    }
}

impl Task {
    /// `bytes` more are done.
    pub fn advance(&self, bytes: u64) {
        self.bytes.fetch_add(bytes, Ordering::Relaxed);
        if let Some(bar) = &self.bar {
            bar.inc(bytes);
        }
        self.progress("");
    }

    /// What the task is at right now, such as the last line of a step's log.
    pub fn say(&self, detail: &str) {
        let detail = printable(detail);
        if let Some(bar) = &self.bar {
            bar.set_message(detail.clone());
        }
        self.progress(&detail);
    }

    /// Ends the task well; `outcome` says what came of it (`cached`, `12.3 MiB`).
    pub fn done(mut self, outcome: &str) {
        self.finished = true;
        self.end(Some(outcome));
    }

    fn progress(&self, detail: &str) {
        if self.report.inner.style != Style::Json {
            return;
        }
        let mut last = self.last_progress.lock().unwrap_or_else(|broken| broken.into_inner());
        if last.elapsed() >= PROGRESS_INTERVAL {
            *last = Instant::now();
            let bytes = self.bytes.load(Ordering::Relaxed);
            event(json!({ "event": "progress", "task": self.id, "bytes": bytes, "detail": detail }));
        }
    }

    fn end(&self, outcome: Option<&str>) {
        if let Some(bar) = &self.bar {
            bar.finish_and_clear();
        }
        let seconds = self.started.elapsed().as_secs();
        match self.report.inner.style {
            Style::Json => {
                let (task, ok) = (self.id, outcome.is_some());
                event(json!({ "event": "end", "task": task, "ok": ok, "outcome": outcome, "seconds": seconds }));
            }
            Style::Terminal | Style::Plain => {
                let label = &self.label;
                self.report.line(&format!("{label}: {}{}", outcome.unwrap_or("given up"), elapsed(seconds)));
            }
            Style::Silent => (),
        }
    }
}

impl Drop for Task {
    fn drop(&mut self) {
        if !self.finished {
            self.end(None);
        }
    }
}

/// One JSON object on one line; locked, so that threads do not tear each other's lines.
fn event(value: Value) {
    drop(writeln!(std::io::stdout().lock(), "{value}"));
}

/// Text without escape sequences and control characters, but for line ends: what a compiler or an attacker wrote into a log must
/// not move the user's cursor.
fn printable(text: &str) -> String {
    let mut printable = String::with_capacity(text.len());
    let mut chars = text.chars().peekable();
    while let Some(c) = chars.next() {
        match c {
            // ECMA-48, 5.4: a control sequence ends with a byte from `@` to `~`.
            '\x1b' if chars.next_if_eq(&'[').is_some() => drop(chars.find(|c| matches!(c, '@'..='~'))),
            '\n' => printable.push(c),
            '\t' => printable.push(' '),
            c if c.is_control() => (),
            c => printable.push(c),
        }
    }
    printable
}

fn elapsed(seconds: u64) -> String {
    match seconds {
        0 => String::new(),
        1..60 => format!(" ({seconds} s)"),
        _ => format!(" ({} min {:02} s)", seconds / 60, seconds % 60),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_log_cannot_steer_the_terminal() {
        assert_eq!(printable("\x1b[1;31merror:\x1b[0m a\tb\r\nc\x1b]0;title\x07"), "error: a b\nc]0;title");
        assert_eq!(printable("größe …"), "größe …");
    }

    #[test]
    fn short_tasks_name_no_time() {
        assert_eq!((elapsed(0), elapsed(59), elapsed(61)), (String::new(), " (59 s)".into(), " (1 min 01 s)".into()));
    }
}
