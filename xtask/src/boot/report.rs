//! Shows verdicts: a table and the story of a failure for people, JSON and JUnit's XML for programs, consoles as files. Pure: who
//! calls writes.

use super::event::Record;
use super::timeline::{Lane, Span};
use super::transcript::Transcript;
use super::verdict::{Outcome, Verdict};
use crate::markup::{escaped, printable};
use crate::table::table;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fmt::Write as _;

/// One line a case, and the count of them.
pub fn text(recipe: &str, verdicts: &[Verdict]) -> String {
    let head = ["CASE", "VERDICT", "GUEST s", "WALL s", "STUBDOM MiB", "FIRST MARKS"].map(str::to_owned);
    let row = |verdict: &Verdict| {
        let ran = !matches!(verdict.outcome, Outcome::NotApplicable(_));
        let seconds = |seconds: f64| if ran { format!("{seconds:.1}") } else { String::new() };
        let memory: Vec<String> = verdict.stubdomain_memory.values().map(u64::to_string).collect();
        let (guest, wall) = (seconds(verdict.guest_seconds), seconds(verdict.wall_seconds));
        let marks = match &verdict.outcome {
            Outcome::NotApplicable(reason) => reason.clone(),
            _ => first_marks(verdict),
        };
        [title(verdict), word(verdict).to_owned(), guest, wall, memory.join(" "), marks]
    };
    let rows: Vec<_> = [head].into_iter().chain(verdicts.iter().map(row)).collect();
    printable(&format!("{}\n\n{}", table(&rows), sentence(recipe, verdicts)))
}

/// `xen-4.17.5+72: 7 cases passed, 1 not applicable`.
pub fn sentence(recipe: &str, verdicts: &[Verdict]) -> String {
    let mut counts: BTreeMap<u8, (&str, usize)> = BTreeMap::new();
    for verdict in verdicts {
        let (rank, word) = match (&verdict.outcome, verdict.good()) {
            (Outcome::NotApplicable(_), _) => (3, "not applicable"),
            (Outcome::Failed(_), true) => (2, "failed as they should"),
            (_, true) => (0, "passed"),
            (_, false) => (1, "failed"),
        };
        counts.entry(rank).or_insert((word, 0)).1 += 1;
    }
    let count = |(word, count): &(&str, usize)| match (*word, count) {
        ("failed as they should", 1) => "1 failed as it should".to_owned(),
        (word, count) => format!("{count} {word}"),
    };
    let counts: Vec<String> = counts.values().map(count).collect();
    let cases = if verdicts.len() == 1 { "1 case".to_owned() } else { format!("{} cases", verdicts.len()) };
    format!("{recipe}: {cases}: {}", if counts.is_empty() { "nothing to do".to_owned() } else { counts.join(", ") })
}

/// `hvm`, and what it was broken by.
pub fn title(verdict: &Verdict) -> String {
    match &verdict.broken {
        Some(broken) => format!("{} --broken {}", verdict.case, broken.name),
        None => verdict.case.clone(),
    }
}

/// The verdict in a word or few.
pub fn word(verdict: &Verdict) -> &'static str {
    match (&verdict.outcome, &verdict.broken, verdict.good()) {
        (Outcome::Passed, None, _) => "passed",
        (Outcome::Passed, Some(_), _) => "PASSED although broken",
        (Outcome::Failed(_), None, _) => "FAILED",
        (Outcome::Failed(_), Some(_), true) => "failed as it should",
        (Outcome::Failed(_), Some(_), false) => "FAILED for another reason",
        (Outcome::NotApplicable(_), ..) => "not applicable",
    }
}

/// `dom0 0.77, toolstack 4.6, stubdom 5.2, qemu 5.9, firmware 6.1, guest 8.9`: when each first was seen.
fn first_marks(verdict: &Verdict) -> String {
    let lanes: [(&str, &[Lane]); 6] = [
        ("dom0", &[Lane::Dom0]),
        ("toolstack", &[Lane::Toolstack]),
        ("stubdom", &[Lane::StubdomainKernel, Lane::StubdomainInit]),
        ("qemu", &[Lane::QemuStubdomain, Lane::QemuDom0]),
        ("firmware", &[Lane::Firmware]),
        ("guest", &[Lane::Guest]),
    ];
    // The guest's own QEMU: the one that serves a stubdomain's consoles comes before it.
    let first = |lanes: &[Lane]| -> Option<&Span> {
        let of = |lane: Lane| verdict.spans.iter().filter(move |span| span.lane == lane);
        lanes.iter().find_map(|lane| of(*lane).min_by(|a, b| a.from.total_cmp(&b.from)))
    };
    let marks = lanes.into_iter().filter_map(|(name, lanes)| Some(format!("{name} {:.2}", first(lanes)?.from)));
    marks.collect::<Vec<_>>().join(", ")
}

/// Everything that a person wants to see of a case that is not as it should be. `folder` is where its consoles are kept.
pub fn failure(verdict: &Verdict, folder: &str) -> String {
    let mut text = format!("{}: {}\n", title(verdict), explanation(verdict));
    if let Some(console) = &verdict.console {
        let empty = verdict.tail.is_empty();
        let _ = writeln!(text, "  console {console}{}", if empty { " says nothing" } else { ", its last lines:" });
        for line in &verdict.tail {
            let _ = writeln!(text, "    {line}");
        }
    }
    if !verdict.xen.is_empty() {
        text += "  Xen says:\n";
        for line in &verdict.xen {
            let _ = writeln!(text, "    {line}");
        }
    }
    let _ = write!(text, "  all consoles: {folder}");
    printable(&text)
}

/// The reason in one sentence; of a broken case also what was expected.
fn explanation(verdict: &Verdict) -> String {
    match (&verdict.outcome, &verdict.broken) {
        (Outcome::Passed, None) => "passed".to_owned(),
        (Outcome::Passed, Some(broken)) => {
            format!("passed although it was broken: expected a failure that says `{}`", broken.says)
        }
        (Outcome::Failed(reason), Some(broken)) if !verdict.good() => {
            format!("{reason}; expected a failure that says `{}`", broken.says)
        }
        (Outcome::Failed(reason) | Outcome::NotApplicable(reason), _) => reason.clone(),
    }
}

pub fn json(recipe: &str, verdicts: &[Verdict]) -> Value {
    json!({ "recipe": recipe, "good": verdicts.iter().all(Verdict::good), "cases": verdicts })
}

/// JUnit's XML, in the form that continuous integrations read: one suite, a test case for each case.
pub fn junit(recipe: &str, verdicts: &[Verdict]) -> String {
    let failures = verdicts.iter().filter(|verdict| !verdict.good()).count();
    let skipped = verdicts.iter().filter(|verdict| matches!(verdict.outcome, Outcome::NotApplicable(_))).count();
    let time: f64 = verdicts.iter().map(|verdict| verdict.wall_seconds).sum();
    let (recipe, tests) = (attribute(recipe), verdicts.len());
    let counts =
        format!("tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" skipped=\"{skipped}\" time=\"{time:.3}\"");
    let mut xml = format!(
        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n\
         <testsuites name=\"xenwright boot\" tests=\"{tests}\" failures=\"{failures}\" errors=\"0\" time=\"{time:.3}\">\n\
         <testsuite name=\"{recipe}\" {counts}>\n"
    );
    for verdict in verdicts {
        let (name, time) = (attribute(&title(verdict)), verdict.wall_seconds);
        let _ = writeln!(xml, "<testcase classname=\"boot.{recipe}\" name=\"{name}\" time=\"{time:.3}\">");
        let reason = explanation(verdict);
        if let Outcome::NotApplicable(_) = verdict.outcome {
            let _ = writeln!(xml, "<skipped message=\"{}\"/>", attribute(&reason));
        } else if !verdict.good() {
            let kind = if verdict.broken.is_some() { "broken" } else { "boot" };
            let xen = escaped(&verdict.xen.join("\n"));
            let _ = writeln!(xml, "<failure type=\"{kind}\" message=\"{}\">{xen}</failure>", attribute(&reason));
        }
        let marks = first_marks(verdict);
        let head = if marks.is_empty() { String::new() } else { format!(": {marks}") };
        let _ = write!(xml, "<system-out>{}", escaped(&format!("{}{head}\n", verdict.summary)));
        if let Some(console) = &verdict.console {
            let _ = write!(xml, "{}", escaped(&format!("console {console}:\n{}\n", verdict.tail.join("\n"))));
        }
        xml += "</system-out>\n</testcase>\n";
    }
    xml + "</testsuite>\n</testsuites>\n"
}

/// A line break in an attribute is read as a blank unless it is spelt (XML 1.0, section 3.3.3).
fn attribute(text: &str) -> String {
    escaped(text).replace('\n', "&#10;")
}

/// What is kept of a machine: file names below its case's folder and their texts.
pub fn files(record: &Record) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([("serial.txt".to_owned(), record.serial.clone())]);
    let mut events = String::new();
    for event in &record.events {
        events += &serde_json::to_string(event).expect("an event has only what JSON has words for");
        events.push('\n');
    }
    files.insert("events.jsonl".to_owned(), events);
    let transcript = Transcript::of(record);
    for console in transcript.consoles().into_iter().filter(|console| *console != super::case::XEN) {
        // A machine is not asked where on the host its names lead.
        let plain = |c: char| c.is_ascii_alphanumeric() || c == '-' || c == '_';
        let name: String = console.chars().map(|c| if plain(c) { c } else { '_' }).collect();
        let text: &mut String = files.entry(format!("consoles/{name}.txt")).or_default();
        for line in transcript.console(console) {
            let _ = writeln!(text, "[{:>12.6}] {}", line.at, line.text);
        }
    }
    files
}
