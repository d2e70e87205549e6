//! Mails in a file: told apart, and decoded where a mailer has encoded them.

use crate::fault::Fault;
use crate::patches;
use anyhow::{Context as _, Result};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use fs_err as fs;
use std::process::Stdio;

/// The header that says which file of a queue a mail was.
pub const FILE: &str = "X-Queue-File";
/// The header that names what a mail needs and the queue's file has not; its value here is not the queue's.
pub const MISSING: &str = "X-Queue-Missing";

/// A mail as it would stand in a file of its own.
pub struct Unpacked {
    pub text: Vec<u8>,
    /// What [`FILE`] says.
    pub file: Option<String>,
}

/// The mails of a mailbox, each with the line that starts it.
pub fn split(text: &[u8]) -> Vec<&[u8]> {
    let mut starts = Vec::new();
    let mut at = 0;
    for line in text.split_inclusive(|&byte| byte == b'\n') {
        if separates(line) {
            starts.push(at);
        }
        at += line.len();
    }
    let ends = starts.iter().skip(1).copied().chain([text.len()]);
    starts.iter().zip(ends).map(|(&start, end)| &text[start..end]).collect()
}

/// `From <whoever> Mon Sep 17 00:00:00 2001`, as git tells mails apart.
pub fn separates(line: &[u8]) -> bool {
    let Some(rest) = std::str::from_utf8(line).ok().and_then(|line| line.strip_prefix("From ")) else { return false };
    let words: Vec<&str> = rest.split_whitespace().collect();
    let clock = |word: &str| word.len() >= 5 && word.as_bytes()[2] == b':' && word.as_bytes()[0].is_ascii_digit();
    let year = |word: &str| word.len() == 4 && word.bytes().all(|byte| byte.is_ascii_digit());
    words.iter().zip(words.iter().skip(1)).any(|(one, two)| clock(one) && year(two))
}

/// Takes a mail out of its transport encoding, and what an export added to it.
pub fn unpack(mail: &[u8]) -> Result<Unpacked> {
    let header = Header::of(mail);
    if let Some(file) = header.value(FILE) {
        return Ok(Unpacked { text: ours(mail, &header)?, file: Some(file) });
    }
    let text = if header.is_encoded() { decoded(mail, &header)? } else { mail.to_owned() };
    Ok(Unpacked { text, file: None })
}

/// The file of a queue that an export made a mail of.
fn ours(mail: &[u8], header: &Header<'_>) -> Result<Vec<u8>> {
    let missing = header.value(MISSING).unwrap_or_default();
    let added = |name: &str| {
        let own = [FILE, MISSING, "MIME-Version", "Content-Type", "Content-Transfer-Encoding"];
        own.iter().any(|own| name.eq_ignore_ascii_case(own)) || missing.split_whitespace().any(|word| word == name)
    };
    let kept = header.lines.iter().filter(|(name, _)| !added(name)).flat_map(|(_, line)| line.iter().copied());
    let mut text: Vec<u8> = kept.collect();
    let rest = &mail[header.end..];
    // The empty line between header and body, and the one that keeps the next mail apart, are no part of the body.
    let rest = rest.strip_prefix(b"\n").unwrap_or(rest);
    let rest = rest.strip_suffix(b"\n").unwrap_or(rest);
    text.push(b'\n');
    if header.value("Content-Transfer-Encoding").is_some_and(|how| how == "base64") {
        let packed: Vec<u8> = rest.iter().copied().filter(|byte| !byte.is_ascii_whitespace()).collect();
        text.extend(STANDARD.decode(packed).context("its body is not base64")?);
    } else {
        text.extend_from_slice(rest);
    }
    Ok(text)
}

/// The lines of a mail's header, each with those that go on with it.
struct Header<'t> {
    /// By name; the line that starts a mail has none.
    lines: Vec<(String, &'t [u8])>,
    end: usize,
}

impl<'t> Header<'t> {
    fn of(mail: &'t [u8]) -> Header<'t> {
        let mut lines: Vec<(String, &[u8])> = Vec::new();
        let mut start = 0;
        let mut end = 0;
        for line in mail.split_inclusive(|&byte| byte == b'\n') {
            if line.trim_ascii().is_empty() {
                break;
            }
            let folded = matches!(line.first(), Some(b' ' | b'\t'));
            end += line.len();
            match lines.last_mut() {
                Some((_, whole)) if folded => *whole = &mail[start..end],
                _ => {
                    start = end - line.len();
                    let text = String::from_utf8_lossy(line);
                    let name = text.split_once(':').map(|(name, _)| name.to_owned()).filter(|_| !separates(line));
                    lines.push((name.unwrap_or_default(), line));
                }
            }
        }
        Header { lines, end }
    }

    fn value(&self, name: &str) -> Option<String> {
        let (_, line) = self.lines.iter().find(|(own, _)| own.eq_ignore_ascii_case(name))?;
        let text = String::from_utf8_lossy(line);
        let (_, value) = text.split_once(':')?;
        Some(value.split_whitespace().collect::<Vec<_>>().join(" "))
    }

    /// Whether its body needs more than to be read.
    fn is_encoded(&self) -> bool {
        let lower = |name: &str| self.value(name).unwrap_or_default().to_ascii_lowercase();
        let transfer = lower("Content-Transfer-Encoding");
        let kind = lower("Content-Type");
        let charset = kind.split_once("charset=").map(|(_, rest)| rest.trim_start_matches('"'));
        let known = |charset: &str| ["utf-8", "us-ascii"].iter().any(|known| charset.starts_with(known));
        matches!(transfer.as_str(), "base64" | "quoted-printable")
            || kind.starts_with("multipart/")
            || charset.is_some_and(|charset| !known(charset))
    }
}

/// What `git mailinfo` makes of a mail: UTF-8 above the diff, and the diff's own bytes.
fn decoded(mail: &[u8], header: &Header<'_>) -> Result<Vec<u8>> {
    let folder = tempfile::tempdir().context("making a temporary folder for a mail")?;
    let at = |name: &str| folder.path().join(name);
    fs::write(at("mail"), mail)?;
    let output = patches::git(folder.path())
        .args(["-c", "i18n.commitEncoding=UTF-8", "mailinfo", "-b", "--quoted-cr=nowarn", "message", "patch"])
        .stdin(Stdio::from(fs::File::open(at("mail"))?.into_parts().0))
        .output()
        .map_err(|error| Fault::failed(format!("running git: {error}")).cure("install git"))?;
    if !output.status.success() {
        let said = String::from_utf8_lossy(&output.stderr);
        return Err(Fault::usage(format!("git mailinfo cannot read it: {}", said.trim())).into());
    }
    let mut text = Vec::new();
    let fields: Vec<&[u8]> = output.stdout.split(|&byte| byte == b'\n').collect();
    let value = |name: &[u8]| fields.iter().find_map(|line| line.strip_prefix(name)).unwrap_or_default();
    let from = [value(b"Author: "), b" <", value(b"Email: "), b">"].concat();
    for (name, value) in [("From", &from[..]), ("Date", value(b"Date: ")), ("Subject", value(b"Subject: "))] {
        if !value.is_empty() && value != b" <>" {
            text.extend([name.as_bytes(), b": ", value, b"\n"].concat());
        }
    }
    let decoded = ["", "from", "date", "subject", "mime-version", "content-type", "content-transfer-encoding"];
    let others = header.lines.iter().filter(|(name, _)| !decoded.contains(&name.to_ascii_lowercase().as_str()));
    others.for_each(|(_, line)| text.extend_from_slice(line));
    text.push(b'\n');
    text.extend(fs::read(at("message"))?);
    let patch = fs::read(at("patch"))?;
    if !patch.starts_with(b"---") {
        text.extend(b"---\n");
    }
    text.extend(patch);
    Ok(text)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn mails_are_told_apart_by_lines_with_a_time() {
        let text = b"From a Mon Sep 17 00:00:00 2001\nSubject: x\n\nFrom here on\nFrom b@c Tue Oct  8 23:32 2024\nSubject: y\n";
        let mails = split(text);
        assert_eq!(mails.len(), 2);
        assert!(mails[0].ends_with(b"From here on\n"));
    }

    #[test]
    fn an_encoded_mail_is_decoded() {
        let mail = b"From: =?iso-8859-1?q?J=FCrgen?= <j@example.org>\nDate: Tue, 8 Oct 2024 23:32:23 +0200\n\
Subject: [PATCH] one\nContent-Type: text/plain; charset=iso-8859-15\nContent-Transfer-Encoding: quoted-printable\n\n\
F=FCr 5 =A4.\n---\n f | 2 +-\n\ndiff --git a/f b/f\n--- a/f\n+++ b/f\n@@ -1 +1 @@\n-a=3D\n+b\n";
        let text = unpack(mail).unwrap().text;
        let text = String::from_utf8(text).unwrap();
        assert!(
            text.starts_with("From: Jürgen <j@example.org>\nDate: Tue, 8 Oct 2024 23:32:23 +0200\nSubject: "),
            "{text}"
        );
        assert!(text.contains("\nFür 5 €.\n---\n f | 2 +-\n\ndiff --git a/f b/f\n"), "{text}");
        assert!(text.contains("\n-a=\n+b\n"), "{text}");
    }
}
