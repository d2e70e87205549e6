//! Why a case failed: of all that is wrong, what explains the rest.

use super::super::case::{Case, RUN, XEN};
use super::super::event::{Ended, Record};
use super::super::transcript::{Line, Speaker, Transcript, said};
use super::toolstack;

/// Characters of a line that a sentence quotes.
const QUOTED: usize = 160;

/// One sentence, and the console that shows it.
#[derive(Clone, Debug, PartialEq)]
pub struct Reason {
    pub sentence: String,
    pub console: String,
}

impl Reason {
    pub fn new(sentence: impl Into<String>, console: impl Into<String>) -> Reason {
        Reason { sentence: sentence.into(), console: console.into() }
    }
}

/// `None` when nothing is wrong.
pub fn find(case: &Case, record: &Record, transcript: &Transcript) -> Option<Reason> {
    let panic = panic(transcript);
    let fell = fell(record, transcript);
    let over = over(case, record, transcript);
    let refused = refused(case, transcript);
    let missing = missing(case, transcript);
    let unfinished = !matches!(transcript.end, Some((_, Ok(()))));
    if !(unfinished || panic.is_some() || fell.is_some() || over.is_some() || refused.is_some() || missing.is_some()) {
        return None;
    }
    // An emulator that died says nothing of the guest; one that was ended in silence may have a panic to show.
    let died = matches!(record.ended, Ended::Emulator { .. });
    let emulator = if died { fell.clone() } else { None };
    let script = || if unfinished { script(case, record, transcript) } else { None };
    let cause = emulator.or(panic).or_else(|| no_hvm(case, transcript)).or_else(script);
    cause.or(fell).or(over).or(refused).or(missing)
}

/// The machine did not switch itself off.
fn fell(record: &Record, transcript: &Transcript) -> Option<Reason> {
    match &record.ended {
        Ended::Emulator { status, said } => {
            let how = match status {
                Some(status) => format!("ended with status {status}"),
                None => "was killed by a signal".to_owned(),
            };
            let said = said.lines().map(str::trim).rfind(|line| !line.is_empty());
            let said = said.map_or_else(|| "it said nothing".to_owned(), |said| format!("it said {}", quoted(said)));
            Some(Reason::new(format!("the emulator {how}: {said}"), XEN))
        }
        Ended::Silent { seconds } => {
            let (line, console) = newest(transcript);
            Some(Reason::new(
                format!(
                    "nothing was heard of the machine for {seconds} s of the host's time: {console} ends at {line}"
                ),
                console,
            ))
        }
        Ended::Crashed { said } => Some(Reason::new(format!("Xen stopped the machine: {}", quoted(said)), XEN)),
        Ended::Off | Ended::Limit => None,
    }
}

/// A hypervisor or a kernel of dom0 that gave up.
fn panic(transcript: &Transcript) -> Option<Reason> {
    let lines: Vec<&Line> = transcript.console(XEN).collect();
    let first = lines.iter().position(|line| is_end(line))?;
    let (line, text) = (lines[first], said(lines[first]));
    let at = line.at;
    if let (Some(Speaker::Kernel), Some((_, why))) = (line.speaker, text.split_once("Kernel panic - not syncing: ")) {
        return Some(Reason::new(format!("dom0's kernel panicked after {at:.1} s: {}", quoted(why)), XEN));
    }
    // Xen puts what happened on the next lines, and a row of stars around all.
    let mut why: Vec<&str> = Vec::new();
    if text.contains("Panic on CPU") {
        let below = lines[first + 1..].iter().filter(|line| line.speaker == Some(Speaker::Xen)).map(|line| said(line));
        why.extend(below.take_while(|text| !text.starts_with("****")).filter(|text| !text.is_empty()).take(2));
    }
    let why = if why.is_empty() { text.to_owned() } else { why.join(": ") };
    Some(Reason::new(format!("Xen panicked after {at:.1} s: {}", quoted(&why)), XEN))
}

/// The first line of the end of Xen or of dom0's kernel.
pub fn is_end(line: &Line) -> bool {
    let text = said(line);
    match line.speaker {
        Some(Speaker::Xen) => {
            text.contains("Panic on CPU") || text.contains("FATAL") || text.starts_with("Hardware Dom0 crashed")
        }
        Some(Speaker::Kernel) => text.contains("Kernel panic - not syncing: "),
        _ => false,
    }
}

/// Xen names what it has found, and nothing when it has not.
fn no_hvm(case: &Case, transcript: &Transcript) -> Option<Reason> {
    let guest = case.needs_hvm()?;
    let xen = || transcript.console(XEN).filter(|line| line.speaker == Some(Speaker::Xen)).map(said);
    // A Xen that did not come so far has another trouble.
    let started = xen().any(|text| text.starts_with("Brought up "));
    let found = xen().any(|text| text.starts_with("HVM: ") && text.ends_with(" enabled") && !text.contains("ASIDs"));
    let sentence = format!("the hypervisor found no HVM in the processor, which guest `{guest}` needs");
    (started && !found).then(|| Reason::new(sentence, XEN))
}

/// The script failed or did not come to its end.
fn script(case: &Case, record: &Record, transcript: &Transcript) -> Option<Reason> {
    let sentence = match &transcript.end {
        Some((_, Err(sentence))) => Some(sentence.as_str()),
        _ => None,
    };
    let cause = toolstack::library(transcript);
    let cause = cause.or_else(|| toolstack::xl(case, transcript, sentence));
    let cause = cause.or_else(|| toolstack::domain(case, transcript, sentence));
    if cause.is_some() {
        return cause;
    }
    if let Some(sentence) = sentence {
        return Some(Reason::new(sentence, mentioned(case, sentence).unwrap_or_else(|| RUN.to_owned())));
    }
    if record.ended != Ended::Off {
        return None;
    }
    let (line, console) = newest(transcript);
    let sentence = format!("dom0 went down {}: {console} ends at {line}", standing(transcript));
    Some(Reason::new(sentence, console))
}

fn over(case: &Case, record: &Record, transcript: &Transcript) -> Option<Reason> {
    let (limit, took) = (case.limit, record.guest_seconds());
    if record.ended == Ended::Limit {
        let (line, console) = newest(transcript);
        let standing = standing(transcript);
        let sentence = format!("the limit of {limit} s of guest time was reached {standing}: {console} ends at {line}");
        return Some(Reason::new(sentence, console));
    }
    let sentence = format!("it took {took:.1} s of guest time, where {limit} s are allowed");
    (took > limit as f64).then(|| Reason::new(sentence, RUN))
}

/// Where the script was: `after "create hvm"`.
fn standing(transcript: &Transcript) -> String {
    match transcript.marks.last() {
        Some((_, mark)) => format!("after `{mark}`"),
        None => "before dom0's init had begun".to_owned(),
    }
}

fn refused(case: &Case, transcript: &Transcript) -> Option<Reason> {
    case.refuse.iter().find_map(|refuse| {
        let line = transcript.console(&refuse.console).find(|line| line.text.contains(&refuse.text))?;
        let sentence =
            format!("console {} has `{}`, which must not come: {}", refuse.console, refuse.text, quoted(&line.text));
        Some(Reason::new(sentence, &refuse.console))
    })
}

fn missing(case: &Case, transcript: &Transcript) -> Option<Reason> {
    let began = transcript.mark("run").unwrap_or(transcript.dom0);
    case.expect.iter().find_map(|expect| {
        let (text, console) = (&expect.text, &expect.console);
        let sentence = match (transcript.console(console).find(|line| line.text.contains(text)), expect.within) {
            (Some(line), Some(within)) if line.at - began > within as f64 => {
                let took = line.at - began;
                format!("`{text}` came on console {console} after {took:.1} s, where {within} s are allowed")
            }
            (Some(_), _) => return None,
            (None, _) => format!("`{text}` did not come on console {console}, which {}", ends(transcript, console)),
        };
        Some(Reason::new(sentence, console))
    })
}

/// `` ends at `…` ``, or that there is nothing.
pub fn ends(transcript: &Transcript, console: &str) -> String {
    match transcript.console(console).rfind(|line| !line.text.is_empty()) {
        Some(line) => format!("ends at {}", quoted(&line.text)),
        None => "says nothing".to_owned(),
    }
}

/// The line that came last on any console, quoted, and the console.
fn newest(transcript: &Transcript) -> (String, String) {
    let lines = transcript.lines.iter().filter(|line| !line.text.is_empty());
    match lines.max_by(|a, b| a.at.total_cmp(&b.at)) {
        Some(line) => (quoted(&line.text), line.console.clone()),
        None => ("nothing".to_owned(), XEN.to_owned()),
    }
}

/// The console that a sentence names, the longest name first: `hvm-dm` is not `hvm`.
pub fn mentioned(case: &Case, sentence: &str) -> Option<String> {
    let mut consoles = case.consoles();
    // These are words of any sentence.
    consoles.retain(|console| console != RUN && console != XEN);
    consoles.sort_by_key(|console| std::cmp::Reverse(console.len()));
    consoles.into_iter().find(|console| names(sentence, console))
}

/// Whether a text has this very word.
pub fn names(text: &str, word: &str) -> bool {
    let part = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
    text.split(|c| !part(c)).any(|found| found == word)
}

pub fn quoted(line: &str) -> String {
    let line = line.trim().replace('`', "'");
    match line.char_indices().nth(QUOTED) {
        Some((end, _)) => format!("`{}…`", &line[..end]),
        None => format!("`{line}`"),
    }
}
