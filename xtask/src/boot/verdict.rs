//! Says of a machine's record whether it did what its case asks, and if not why, in one sentence. Pure.

mod reason;
mod toolstack;

use super::case::{Applied, Case, XEN};
use super::event::Record;
use super::timeline::{self, Span};
use super::transcript::{Line, Speaker, Transcript};
use reason::Reason;
use serde::Serialize;
use std::collections::BTreeMap;

/// Lines of a console that are shown with a reason.
const SHOWN: usize = 12;

#[derive(Clone, Debug, Serialize)]
#[serde(rename_all = "kebab-case")]
pub struct Verdict {
    pub case: String,
    pub summary: String,
    #[serde(flatten)]
    pub outcome: Outcome,
    /// The input that was broken on purpose.
    pub broken: Option<Applied>,
    /// The console that says most about a failure, and its last lines.
    pub console: Option<String>,
    pub tail: Vec<String>,
    /// Xen's own messages about the domains in question.
    pub xen: Vec<String>,
    pub guest_seconds: f64,
    /// Of the host's time, and of its processors'.
    pub wall_seconds: f64,
    pub cpu_seconds: f64,
    /// MiB that Xen gave each guest's stubdomain.
    pub stubdomain_memory: BTreeMap<String, u64>,
    pub spans: Vec<Span>,
}

#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "kebab-case", tag = "verdict", content = "reason")]
pub enum Outcome {
    Passed,
    Failed(String),
    /// What was built has not what the case is about.
    NotApplicable(String),
}

impl Verdict {
    /// Of a machine that ran.
    pub fn of(case: &Case, record: &Record) -> Verdict {
        let transcript = Transcript::of(record);
        let mut verdict = Verdict {
            guest_seconds: record.guest_seconds(),
            wall_seconds: record.wall,
            cpu_seconds: record.cpu,
            stubdomain_memory: memory(&transcript),
            spans: timeline::spans(case, &transcript),
            ..Verdict::new(case, Outcome::Passed)
        };
        if let Some(Reason { sentence, console }) = reason::find(case, record, &transcript) {
            verdict.outcome = Outcome::Failed(sentence);
            verdict.tail = tail(&transcript, &console);
            verdict.xen = about(case, &transcript, &console);
            verdict.xen.retain(|line| !verdict.tail.contains(line));
            verdict.console = Some(console);
        }
        verdict
    }

    /// Of a case that says nothing of what was built.
    pub fn not_applicable(case: &Case, reason: String) -> Verdict {
        Verdict::new(case, Outcome::NotApplicable(reason))
    }

    fn new(case: &Case, outcome: Outcome) -> Verdict {
        Verdict {
            case: case.name.clone(),
            summary: case.summary.clone(),
            outcome,
            broken: case.applied.clone(),
            console: None,
            tail: Vec::new(),
            xen: Vec::new(),
            guest_seconds: 0.0,
            wall_seconds: 0.0,
            cpu_seconds: 0.0,
            stubdomain_memory: BTreeMap::new(),
            spans: Vec::new(),
        }
    }

    /// Whether it is as it should be: a case passes, and one that was given a broken input fails and says so.
    pub fn good(&self) -> bool {
        match (&self.outcome, &self.broken) {
            (Outcome::Passed, broken) => broken.is_none(),
            (Outcome::Failed(_), None) => false,
            (Outcome::Failed(reason), Some(broken)) => reason.contains(&broken.says),
            (Outcome::NotApplicable(_), _) => true,
        }
    }
}

fn memory(transcript: &Transcript) -> BTreeMap<String, u64> {
    let facts = transcript.facts.iter();
    let memory = facts.filter_map(|(_, name, value)| {
        Some((name.strip_prefix("stubdom-memory.")?.to_owned(), value.trim().parse().ok()?))
    });
    memory.collect()
}

/// The last lines of a console; of COM1 from where Xen or dom0's kernel gave up, if they did; of xl without what only libxl's authors
/// want to know.
fn tail(transcript: &Transcript, console: &str) -> Vec<String> {
    let chatter = |line: &&Line| {
        console.starts_with("xl-") && [" debug: ", " detail: "].iter().any(|kind| line.text.contains(kind))
    };
    let lines: Vec<&Line> = transcript.console(console).filter(|line| !chatter(line)).collect();
    let end = if console == XEN { lines.iter().position(|line| reason::is_end(line)) } else { None };
    let from = end.unwrap_or(lines.len().saturating_sub(SHOWN));
    lines[from..].iter().take(SHOWN).map(|line| line.text.clone()).collect()
}

/// What Xen says about the guest that a console belongs to, and about its stubdomain; of all guests if it belongs to none.
fn about(case: &Case, transcript: &Transcript, console: &str) -> Vec<String> {
    let of: Vec<&String> = case.guest.keys().filter(|guest| guest_of(console, guest)).collect();
    let guests = if of.is_empty() { case.guest.keys().collect() } else { of };
    let ids = guests.into_iter().flat_map(|guest| {
        [transcript.domains(guest), transcript.domains(&format!("{guest}-dm"))].into_iter().flatten()
    });
    let ids: Vec<u32> = ids.collect();
    let of_xen = |line: &Line| line.speaker == Some(Speaker::Xen) && ids.iter().any(|id| is_about(&line.text, *id));
    let own = |line: &Line| ids.iter().any(|id| line.speaker == Some(Speaker::Domain(*id)));
    let lines: Vec<&Line> = transcript.console(XEN).collect();
    // Firmware says much; of what Xen itself says nothing may be lost in it.
    let newest = |what: &dyn Fn(&Line) -> bool, count: usize| -> Vec<usize> {
        (0..lines.len()).rev().filter(|i| what(lines[*i])).take(count).collect()
    };
    let mut shown = [newest(&of_xen, SHOWN), newest(&own, SHOWN / 2)].concat();
    shown.sort_unstable();
    shown.into_iter().map(|i| lines[i].text.clone()).collect()
}

fn guest_of(console: &str, guest: &str) -> bool {
    [format!("{guest}-dm"), format!("qemu-{guest}"), format!("xl-{guest}")].iter().any(|of| of == console)
        || console == guest
}

/// Xen names a domain `d2`, its processors `d2v0`; `Dom2`, `domain 2` and `HVM2` occur as well. What it says of each register that
/// is saved and restored at a guest's start is left out.
fn is_about(text: &str, id: u32) -> bool {
    if text.contains(" save: ") || text.contains(" restore: ") {
        return false;
    }
    let id = id.to_string();
    let words: Vec<&str> = text.split(|c: char| !c.is_ascii_alphanumeric()).collect();
    words.iter().enumerate().any(|(i, word)| {
        let named = ["d", "Dom", "dom", "HVM"].iter().any(|kind| word.strip_prefix(kind) == Some(&id));
        let processor = word.strip_prefix('d').and_then(|word| word.split_once('v'));
        let processor = processor.is_some_and(|(domain, number)| domain == id && number.parse::<u32>().is_ok());
        let spelt = *word == id && i > 0 && words[i - 1].eq_ignore_ascii_case("domain");
        named || processor || spelt
    })
}

#[cfg(test)]
mod tests {
    #[test]
    fn what_xen_says_of_a_domain_is_known_by_its_number() {
        for text in [
            "(XEN) [    9.1] d2v0 Triple fault - invoking HVM shutdown action 1",
            "(XEN) [    9.1] mm.c:1021:d0v0 pg_owner d2 l1e_owner d0",
            "(XEN) [    9.1] Domain 2 (vcpu#0) crashed on cpu#0:",
            "(XEN) [    9.1] HVM2: odd",
            "(XEN) [    9.1] Dom2 is dying",
        ] {
            assert!(super::is_about(text, 2), "{text}");
            assert!(!super::is_about(text, 1), "{text}");
        }
        for text in
            ["(XEN) [    9.1] HVM d2v0 save: CPU", "(XEN) [    9.1] HVM2 restore: CPU 0", "(XEN) [    2.2] d20v2 x"]
        {
            assert!(!super::is_about(text, 2), "{text}");
        }
    }
}
