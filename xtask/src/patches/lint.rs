//! The form of a queue: who wrote each patch, when and why, where it comes from, what it is called, and whether it does anything.
//! Files of a queue in, all findings out; nothing is read, and whether a patch applies is `status`'s question.

mod effect;
mod head;

use super::diff::{self, Diff};
use super::mail::Mail;
use super::name::{file_name, number};
use crate::cli::patch::Class;
use crate::fault;
use serde::Serialize;
use std::collections::BTreeSet;

/// A file of a queue.
#[derive(Clone, Debug)]
pub struct File {
    /// `patches/xen-4.17.4/xen/0101-….patch`
    pub path: String,
    pub text: Vec<u8>,
}

/// One thing that is not as it should be.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Finding {
    pub file: String,
    /// Counted from 1; None where it is about the file as a whole, or about a line that is missing.
    pub line: Option<usize>,
    /// Kebab-case: `author`, `date`, `subject`, `reason`, `origin`, `advisory`, `name`, `number`, `unreadable`, `no-effect`,
    /// `cancels`, `place`.
    pub rule: &'static str,
    pub text: String,
    pub cure: String,
}

/// A patch that can be read.
struct Read<'f> {
    file: &'f File,
    diff: Diff,
    mail: Mail,
}

/// Everything about one queue, whose files come in the order of their names.
pub fn queue(files: &[File]) -> Vec<Finding> {
    let mut findings = Vec::new();
    let mut patches = Vec::new();
    for file in files {
        match read(file) {
            Ok(patch) => patches.push(patch),
            Err(error) => findings.push(unreadable(file, &error)),
        }
    }
    patches.iter().for_each(|patch| head::check(patch, &mut findings));
    patches.iter().for_each(|patch| named(patch, &mut findings));
    numbered(files, &mut findings);
    effect::check(&patches, &mut findings);
    findings.sort_by(|a, b| (&a.file, a.line).cmp(&(&b.file, b.line)));
    findings
}

fn read(file: &File) -> anyhow::Result<Read<'_>> {
    let diff = diff::read(&file.text)?;
    let mail = Mail::read(&file.text[..diff.start()])?;
    Ok(Read { file, diff, mail })
}

/// The readers' errors begin with the line where there is one.
fn unreadable(file: &File, error: &anyhow::Error) -> Finding {
    let said = error.to_string();
    let place = said.strip_prefix("line ").and_then(|rest| rest.split_once(": "));
    let (line, text) = match place.and_then(|(line, text)| Some((line.parse().ok()?, text))) {
        Some((line, text)) => (Some(line), text),
        None => (None, said.as_str()),
    };
    let cure = fault::innermost(error).and_then(|fault| fault.cure.as_deref());
    file.finding(
        line,
        "unreadable",
        text,
        cure.unwrap_or("a patch is a unified diff, best as `git format-patch` writes it"),
    )
}

/// The name says the subject. What is wrong with the number is said elsewhere.
fn named(patch: &Read<'_>, findings: &mut Vec<Finding>) {
    let name = patch.file.name();
    let Some(number) = number(name) else { return };
    let wanted = file_name(number, &patch.mail.subject);
    if !patch.mail.subject.is_empty() && name != wanted {
        let text = "is not called after its subject";
        findings.push(patch.file.finding(None, "name", text, &format!("call it {wanted}")));
    }
}

fn numbered(files: &[File], findings: &mut Vec<Finding>) {
    let mut before: Option<(u16, &str)> = None;
    for file in files {
        let Some(number) = number(file.name()) else {
            let cure = "call it NNNN-<subject>.patch; the number says the class and the order";
            findings.push(file.finding(None, "number", "does not begin with a number of four digits and a dash", cure));
            continue;
        };
        if Class::of(number).is_none() {
            let cure = "take one of 0100–0199 (build), 0200–0299 (security), 0300–0399 (stubdom), 0400–0499 (backport), \
                        0500–0899 (feature) or 1000–9999 (distribution)";
            findings.push(file.finding(None, "number", &format!("{number:04} is the number of no class"), cure));
        }
        if let Some((_, first)) = before.filter(|(taken, _)| *taken == number) {
            let text = format!("has the number of {first}, so that their order is that of their subjects");
            findings.push(file.finding(None, "number", &text, "give one of them a free number"));
        }
        before = Some((number, file.name()));
    }
}

impl File {
    fn name(&self) -> &str {
        self.path.rsplit('/').next().unwrap_or(&self.path)
    }

    fn finding(&self, line: Option<usize>, rule: &'static str, text: &str, cure: &str) -> Finding {
        Finding { file: self.path.clone(), line, rule, text: text.to_owned(), cure: cure.to_owned() }
    }
}

/// The findings for people: place and text, and below them the cure where it has not been said before. Without control characters:
/// what stands in a patch must not move the reader's cursor.
pub fn render(findings: &[Finding]) -> String {
    let mut said = BTreeSet::new();
    let mut text = String::new();
    for finding in findings {
        let line = finding.line.map(|line| format!(":{line}")).unwrap_or_default();
        text += &format!("{}{line}: {} [{}]\n", finding.file, finding.text, finding.rule);
        if said.insert(&finding.cure) {
            text += &format!("  help: {}\n", finding.cure);
        }
    }
    text.retain(|c| c == '\n' || !c.is_control());
    text
}
