//! What stands above a patch's diff, whoever wrote it: a mail, a DEP-3 header, Mercurial's lines, an advisory's prose.

use crate::patches::dep3;
use crate::patches::mail::Mail;
use anyhow::Result;

/// A header, and what of it the queue does not keep.
pub struct Head {
    pub mail: Mail,
    /// `XSA-458`, where the patch is an advisory's.
    pub advisory: Option<String>,
    pub said: Vec<String>,
}

/// Reads the head of the patch that was called `name`.
pub fn read(name: &str, head: &[u8]) -> Result<Head> {
    let mut mail = if dep3::is_header(head) {
        dep3::read(head)
    } else if is_mail(head) {
        Mail::read(head)?
    } else {
        prose(head)?
    };
    mail.notes = without_diffstat(&mail.notes);
    let mut said = unkept(head, &mail);
    said.extend(missing(&mail));
    let advisory = mail.trailer("Advisory").or_else(|| from_name(name)).or_else(|| from_text(&mail.body));
    if let Some(advisory) = &advisory
        && mail.trailer("Advisory").is_none()
    {
        mail.add_trailer("Advisory", advisory.as_bytes());
    }
    Ok(Head { mail, advisory, said })
}

/// What a patch should say of itself and does not.
pub fn missing(mail: &Mail) -> Option<String> {
    let all = [
        ("no subject", mail.subject.is_empty()),
        ("no author", mail.author.is_empty()),
        ("no date", mail.date.is_none()),
    ];
    let missing: Vec<&str> = all.iter().filter(|(_, missing)| *missing).map(|(what, _)| *what).collect();
    (!missing.is_empty()).then(|| missing.join(", "))
}

/// Whether the text begins as a mail does.
fn is_mail(head: &[u8]) -> bool {
    let mut lines = head.split(|&byte| byte == b'\n').skip_while(|line| line.trim_ascii().is_empty());
    let starts =
        |line: &[u8], with: &str| line.get(..with.len()).is_some_and(|s| s.eq_ignore_ascii_case(with.as_bytes()));
    let mailbox = lines.clone().next().is_some_and(|line| line.starts_with(b"From "));
    let mut header = lines.by_ref().take_while(|line| !line.trim_ascii().is_empty());
    mailbox || header.any(|line| starts(line, "Subject:") || starts(line, "From:"))
}

/// A text whose first line is the subject. Mercurial, and the patches of a distribution that were taken from it, put lines such as
/// `# Author Name <address>` above.
fn prose(head: &[u8]) -> Result<Mail> {
    let mut header = Vec::new();
    let mut trailers: Vec<(&str, Vec<u8>)> = Vec::new();
    let mut text: Vec<&[u8]> = Vec::new();
    for line in head.split(|&byte| byte == b'\n') {
        let (key, value) = marked(line).unwrap_or_default();
        match key {
            b"Author" | b"User" => header.extend([b"From: ", value, b"\n"].concat()),
            // Mercurial's date is seconds and the zone in seconds west of UTC.
            b"Date" => header.extend(date(value)),
            b"Commit" | b"Node" | b"git-commit" => trailers.push(("Origin", [b"upstream, commit:", value].concat())),
            b"Committer" | b"Parent" | b"HG" | b"Branch" => {}
            _ if line.starts_with(b"References: ") => trailers.push(("References", line[12..].to_vec())),
            _ => text.push(line),
        }
    }
    let end = text.iter().position(|line| line.trim_ascii_end() == b"---").unwrap_or(text.len());
    let start = text[..end].iter().position(|line| !line.trim_ascii().is_empty()).unwrap_or(end);
    header.extend(b"Subject: x\n\n");
    let mut mail = Mail::read(&header)?;
    // The subject is one line, whatever follows it; a separator below it belongs to neither.
    let rest = text[start..end].get(1..).unwrap_or_default();
    let rest = rest.strip_prefix(&[&b"======"[..]]).unwrap_or(rest);
    let subject = text[..end].get(start).copied().unwrap_or_default();
    mail.set_message(&[subject, b"\n\n", &rest.join(&b'\n')].concat());
    mail.notes = text.get(end + 1..).unwrap_or_default().join(&b'\n').trim_ascii_end().to_vec();
    for (key, value) in trailers {
        mail.add_trailer(key, &value);
    }
    Ok(mail)
}

/// `# Key value`.
fn marked(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let rest = line.strip_prefix(b"# ")?;
    let end = rest.iter().position(|&byte| byte == b' ').unwrap_or(rest.len());
    Some((&rest[..end], rest[end..].trim_ascii()))
}

fn date(value: &[u8]) -> Vec<u8> {
    let text = String::from_utf8_lossy(value);
    let numbers = text.split_once(' ').and_then(|(seconds, west)| {
        let (seconds, west): (i64, i64) = (seconds.parse().ok()?, west.parse().ok()?);
        // `+0100` reads as a number too.
        (!text.contains('+')).then_some((seconds, -west / 60))
    });
    match numbers {
        Some((seconds, minutes)) => {
            let sign = if minutes < 0 { '-' } else { '+' };
            let minutes = minutes.abs();
            format!("Date: @{seconds} {sign}{:02}{:02}\n", minutes / 60, minutes % 60).into_bytes()
        }
        None => format!("Date: {text}\n").into_bytes(),
    }
}

/// Notes without what `git diff --stat --summary` writes, since every refresh would have to write it anew.
fn without_diffstat(notes: &[u8]) -> Vec<u8> {
    let lines = notes.split(|&byte| byte == b'\n');
    let kept: Vec<&[u8]> = lines.filter(|line| !is_diffstat(&String::from_utf8_lossy(line))).collect();
    kept.join(&b'\n').trim_ascii().to_vec()
}

fn is_diffstat(line: &str) -> bool {
    let Some(line) = line.trim_end().strip_prefix(' ') else { return false };
    let summary = ["create mode ", "delete mode ", "rename ", "copy ", "mode change ", "rewrite "];
    if summary.iter().any(|start| line.trim_start().starts_with(start)) {
        return true;
    }
    let counted = |word: &str| line.split(", ").next().is_some_and(|first| first.ends_with(word));
    if counted("file changed") || counted("files changed") {
        return true;
    }
    let graph = |text: &str| text.split_whitespace().skip(1).all(|word| word.chars().all(|c| matches!(c, '+' | '-')));
    let number = |text: &str| text.split_whitespace().next().is_some_and(|word| word.parse::<u64>().is_ok());
    let Some((_, changes)) = line.rsplit_once('|') else { return false };
    changes.trim_start().starts_with("Bin") || (number(changes) && graph(changes))
}

/// The fields of a mail's header that have no place in a queue.
fn unkept(head: &[u8], mail: &Mail) -> Vec<String> {
    if !is_mail(head) || dep3::is_header(head) {
        return Vec::new();
    }
    let lines = head.split(|&byte| byte == b'\n').skip_while(|line| line.trim_ascii().is_empty());
    let mut names: Vec<String> = Vec::new();
    for line in lines.take_while(|line| !line.trim_ascii().is_empty()) {
        let name = String::from_utf8_lossy(line.split(|&byte| byte == b':').next().unwrap_or_default()).into_owned();
        let is_name = name.len() < line.len() && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
        let lower = name.to_ascii_lowercase();
        let taken = matches!(lower.as_str(), "from" | "date" | "subject" | "mime-version")
            || lower.starts_with("content-")
            || mail.trailer(&name).is_some();
        if is_name && !taken && !names.contains(&name) {
            names.push(name);
        }
    }
    if names.is_empty() { Vec::new() } else { vec![format!("not kept of the mail's header: {}", names.join(", "))] }
}

/// The advisory in a file's name: `xsa458.patch`, `xsa458-4.17-1.patch`.
fn from_name(name: &str) -> Option<String> {
    let base = name.rsplit('/').next()?.to_ascii_lowercase();
    let at = base.find("xsa").filter(|&at| !base[..at].ends_with(|c: char| c.is_ascii_alphanumeric()))?;
    numbered(base[at + 3..].trim_start_matches('-'))
}

/// The advisory in the sentence that Xen's security team ends such a patch's reason with: `This is part of XSA-458.`
fn from_text(body: &[u8]) -> Option<String> {
    let text = String::from_utf8_lossy(body);
    let said = text.lines().find(|line| line.starts_with("This is ") && line.contains("XSA-"))?;
    numbered(said.split_once("XSA-")?.1)
}

fn numbered(text: &str) -> Option<String> {
    let digits: String = text.chars().take_while(char::is_ascii_digit).collect();
    (!digits.is_empty()).then(|| format!("XSA-{digits}"))
}
