//! What must stand above a diff: subject, author, date, the reason, where the patch comes from, and which advisory it answers.

use super::{Finding, Read};
use crate::cli::patch::Class;
use crate::patches::mail::Mail;
use crate::patches::name::number;

/// What fits a line of `git log --oneline` on a wide terminal; upstream's longest subjects have some 90 characters.
const LENGTH: usize = 100;

pub fn check(patch: &Read<'_>, findings: &mut Vec<Finding>) {
    let mail = &patch.mail;
    let head = &patch.file.text[..patch.diff.start()];
    let mut say = |line, rule, text: &str, cure: &str| findings.push(patch.file.finding(line, rule, text, cure));

    let subject = String::from_utf8_lossy(&mail.subject);
    let (line, length) = (line_of(head, "Subject"), subject.chars().count());
    if subject.is_empty() {
        say(line, "subject", "has no subject", "say in a line `Subject: <part>: <what it does>` what the patch does");
    } else if length > LENGTH {
        let text = format!("the subject has {length} characters");
        say(line, "subject", &text, &format!("say it in {LENGTH} at most, and the rest in the reason"));
    }
    if subject.ends_with('.') {
        say(line, "subject", "the subject ends with a full stop", "take it off: a subject is a heading");
    }

    let line = line_of(head, "From");
    let (name, address) = mail.author_parts();
    if mail.author.is_empty() {
        say(line, "author", "has no author", "add a line `From: Name <address>`");
    } else if !is_address(address) || name == address {
        let text = format!("the author `{}` is not a name and an address", String::from_utf8_lossy(&mail.author));
        say(line, "author", &text, "write `From: Name <address>`");
    }
    if mail.date.is_none() {
        say(None, "date", "has no date", "add a line `Date:` with the time that it was written at");
    }

    if !has_reason(mail) {
        say(None, "reason", "does not say why it is needed", "add a paragraph below the subject");
    }
    if !has_origin(mail) {
        let cure =
            "end the reason with `Origin:` (where it was taken from) or `Forwarded:` (no, not-needed, or where to)";
        say(None, "origin", "does not say where it comes from or whether upstream has it", cure);
    }
    let is_security = number(patch.file.name()).and_then(Class::of) == Some(Class::Security);
    if is_security && !names_advisory(mail) {
        let cure = "name it in a trailer, such as `Advisory: XSA-458` or `Advisory: CVE-2024-31143`";
        say(None, "advisory", "is a security fix and names no advisory", cure);
    }
}

/// The line of the first header field of that name.
fn line_of(head: &[u8], name: &str) -> Option<usize> {
    let is_it = |line: &[u8]| {
        let colon = line.iter().position(|&b| b == b':');
        colon.is_some_and(|colon| line[..colon].eq_ignore_ascii_case(name.as_bytes()))
    };
    head.split(|&b| b == b'\n').position(is_it).map(|at| at + 1)
}

fn is_address(address: &[u8]) -> bool {
    let at = address.iter().position(|&b| b == b'@');
    at.is_some_and(|at| at > 0 && at + 1 < address.len()) && !address.iter().any(u8::is_ascii_whitespace)
}

/// What `git cherry-pick -x` writes.
const PICKED: &str = "(cherry picked from ";

fn has_origin(mail: &Mail) -> bool {
    let body = String::from_utf8_lossy(&mail.body);
    ["Origin", "Forwarded"].iter().any(|key| mail.trailer(key).is_some())
        || body.lines().any(|line| line.starts_with(PICKED))
}

/// Whether anything stands in the body but trailers and git's remark on where a commit was picked from.
fn has_reason(mail: &Mail) -> bool {
    let body = String::from_utf8_lossy(&mail.body);
    let mut in_trailer = false;
    body.lines().any(|line| {
        let is_folded = in_trailer && line.starts_with([' ', '\t']);
        in_trailer = is_folded || line.split_once(": ").is_some_and(|(key, _)| !key.contains(' '));
        !in_trailer && !line.trim().is_empty() && !line.starts_with(PICKED)
    })
}

/// `XSA-458` or `CVE-2024-31143` in subject or body.
fn names_advisory(mail: &Mail) -> bool {
    let text = String::from_utf8_lossy(&mail.message()).to_ascii_uppercase();
    let digits = |rest: &str| rest.bytes().take_while(u8::is_ascii_digit).count();
    let after = |start: &'static str| text.match_indices(start).map(|(at, _)| &text[at + start.len()..]);
    let is_cve = |rest: &str| digits(rest) == 4 && rest[4..].strip_prefix('-').is_some_and(|rest| digits(rest) >= 4);
    after("XSA-").any(|rest| digits(rest) > 0) || after("CVE-").any(is_cve)
}
