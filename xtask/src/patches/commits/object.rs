//! The bytes of a commit that is a patch, written and read: libgit2 takes names and messages in UTF-8 only.

use super::TRAILER;
use crate::patches::mail::{Date, Mail};
use git2::Oid;

/// Who committed, and who wrote what says nothing of its author.
const COMMITTER: &[u8] = b"Xenwright <xenwright@example.org>";
pub const UNKNOWN: &[u8] = b"unknown <unknown>";

/// 1980-01-01, as the files of a source: the date of the base, and of a patch that says none.
pub const DATE: Date = Date { seconds: 315_532_800, offset_minutes: 0 };

/// The mail as a commit gives it back, for comparing: a commit has always an author and a date, and keeps no notes.
pub fn as_committed(mail: &Mail) -> Mail {
    parse(&raw(Oid::ZERO_SHA1, None, mail, None)).0
}

/// The commit for a patch.
pub fn raw(tree: Oid, parent: Option<Oid>, mail: &Mail, file: Option<&str>) -> Vec<u8> {
    let author = author(&mail.author);
    let message = match file {
        Some(file) => with_trailer(&mail.message(), file),
        None => mail.message(),
    };
    object(tree, parent, &author, mail.date.unwrap_or(DATE), &message)
}

/// Any commit of ours.
pub fn object(tree: Oid, parent: Option<Oid>, author: &[u8], date: Date, message: &[u8]) -> Vec<u8> {
    let sign = if date.offset_minutes < 0 { '-' } else { '+' };
    let minutes = date.offset_minutes.unsigned_abs();
    let when = format!(" {} {sign}{:02}{:02}\n", date.seconds, minutes / 60, minutes % 60);
    let mut bytes = format!("tree {tree}\n").into_bytes();
    if let Some(parent) = parent {
        bytes.extend(format!("parent {parent}\n").bytes());
    }
    for (role, who) in [(&b"author "[..], author), (b"committer ", COMMITTER)] {
        bytes.extend([role, who, when.as_bytes()].concat());
    }
    bytes.push(b'\n');
    bytes.extend_from_slice(message);
    bytes
}

/// `Name <address>` with nothing in it that would end a commit's line early.
fn author(author: &[u8]) -> Vec<u8> {
    let (name, address) = match author.iter().rposition(|&b| b == b'<') {
        Some(at) => author.split_at(at),
        None => (author, &[][..]),
    };
    let plain = |text: &[u8]| -> Vec<u8> {
        let kept: Vec<u8> = text.iter().copied().filter(|b| !matches!(b, b'<' | b'>' | b'\n' | b'\r' | 0)).collect();
        kept.trim_ascii().to_vec()
    };
    let (name, address) = (plain(name), plain(address));
    match (name.is_empty(), address.is_empty()) {
        (true, true) => UNKNOWN.to_vec(),
        // Git refuses to commit anew what has no name.
        (true, false) => [&address, &b" <"[..], &address, b">"].concat(),
        _ => [&name, &b" <"[..], &address, b">"].concat(),
    }
}

/// A message with the trailer in its last paragraph if that has only trailers, otherwise in one of its own.
fn with_trailer(message: &[u8], file: &str) -> Vec<u8> {
    let message = message.trim_ascii();
    let last = message.windows(2).rposition(|pair| pair == b"\n\n").map(|at| &message[at + 2..]);
    let trailers = last.is_some_and(|last| last.split(|&b| b == b'\n').all(is_trailer));
    let gap = match (message.is_empty(), trailers) {
        (true, _) => "",
        (false, true) => "\n",
        (false, false) => "\n\n",
    };
    [message, gap.as_bytes(), format!("{TRAILER}: {file}\n").as_bytes()].concat()
}

fn is_trailer(line: &[u8]) -> bool {
    let key = line.iter().take_while(|b| b.is_ascii_alphanumeric() || **b == b'-').count();
    (key > 0 && line[key..].starts_with(b": ")) || line.first().is_some_and(|b| matches!(b, b' ' | b'\t'))
}

/// What a commit's bytes say: the mail without the trailer, and the first trailer's file.
pub fn parse(bytes: &[u8]) -> (Mail, Option<String>) {
    let end = bytes.windows(2).position(|pair| pair == b"\n\n").unwrap_or(bytes.len());
    let (header, message) = (&bytes[..end], bytes.get(end + 2..).unwrap_or_default());
    let mut mail = Mail::default();
    let author = header.split(|&b| b == b'\n').find_map(|line| line.strip_prefix(b"author ")).unwrap_or_default();
    if let Some(end) = author.iter().rposition(|&b| b == b'>') {
        let who = &author[..=end];
        mail.author = if who == UNKNOWN { Vec::new() } else { who.strip_suffix(b" <>").unwrap_or(who).to_vec() };
        mail.date = date(&author[end + 1..]).filter(|date| *date != DATE);
    }
    let (message, file) = without_trailer(message);
    mail.set_message(&message);
    (mail, file)
}

/// ` 1763053103 +0100`
fn date(text: &[u8]) -> Option<Date> {
    let text = std::str::from_utf8(text).ok()?;
    let (seconds, zone) = text.trim().split_once(' ')?;
    let (hours, minutes) = zone.get(1..)?.split_at_checked(2)?;
    let offset = hours.parse::<i32>().ok()? * 60 + minutes.parse::<i32>().ok()?;
    let offset_minutes = if zone.starts_with('-') { -offset } else { offset };
    Some(Date { seconds: seconds.parse().ok()?, offset_minutes })
}

/// A message without any trailer of ours, wherever it stands: commits that were squashed have several, of which the first counts.
fn without_trailer(message: &[u8]) -> (Vec<u8>, Option<String>) {
    let start = format!("{TRAILER}:");
    let mut file = None;
    let mut kept: Vec<&[u8]> = Vec::new();
    let mut lines = message.split_inclusive(|&b| b == b'\n').peekable();
    while let Some(line) = lines.next() {
        let Some(value) = line.strip_prefix(start.as_bytes()) else {
            kept.push(line);
            continue;
        };
        let value = String::from_utf8_lossy(value).trim().to_owned();
        file = file.or(Some(value).filter(|name| name.ends_with(".patch") && !name.contains('/')));
        // The paragraph that it was alone in goes with its empty line.
        let alone = kept.last().is_none_or(|line| line.trim_ascii().is_empty());
        if alone {
            lines.next_if(|line| line.trim_ascii().is_empty());
        }
    }
    (kept.concat().trim_ascii().to_vec(), file)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mail(author: &[u8], message: &[u8], date: Option<Date>) -> Mail {
        let mut mail = Mail { author: author.to_vec(), date, ..Mail::default() };
        mail.set_message(message);
        mail
    }

    #[test]
    fn a_commit_gives_back_what_the_mail_said() {
        let date = Some(Date { seconds: 1_700_000_000, offset_minutes: -210 });
        for mail in [
            mail(b"J\xfcrgen <j@example.org>", b"subject\n\nWhy.\n\nOrigin: here\nForwarded: no\n", date),
            mail(b"A Name", b"subject: like a trailer\n", None),
            mail(b"", b"subject\n\nNo trailer.\n\n  indented\n", date),
            mail(b"A <a@b>", b"", None),
        ] {
            let file = "0101-x.patch";
            let bytes = raw(Oid::ZERO_SHA1, Some(Oid::ZERO_SHA1), &mail, Some(file));
            assert_eq!(parse(&bytes), (mail.clone(), Some(file.to_owned())));
            assert_eq!(parse(&raw(Oid::ZERO_SHA1, None, &mail, None)), (mail, None));
        }
    }

    #[test]
    fn the_trailer_joins_the_others_and_leaves_no_trace() {
        let with = |message: &str| String::from_utf8(with_trailer(message.as_bytes(), "1.patch")).unwrap();
        assert_eq!(with("s\n\nWhy.\n"), "s\n\nWhy.\n\nQueue-File: 1.patch\n");
        assert_eq!(with("s\n\nWhy.\n\nOrigin: a\n b\n"), "s\n\nWhy.\n\nOrigin: a\n b\nQueue-File: 1.patch\n");
        assert_eq!(with("s: t\n"), "s: t\n\nQueue-File: 1.patch\n");

        // Signed off by the user, and squashed with another.
        let squashed = "s\n\nWhy.\n\nQueue-File: 1.patch\nSigned-off-by: U\n\nt\n\nQueue-File: 2.patch\n\nend\n";
        let (message, file) = without_trailer(squashed.as_bytes());
        assert_eq!(String::from_utf8(message).unwrap(), "s\n\nWhy.\n\nSigned-off-by: U\n\nt\n\nend");
        assert_eq!(file.as_deref(), Some("1.patch"));
    }

    #[test]
    fn an_author_cannot_end_the_line() {
        assert_eq!(author(b"A\ncommitter B <x>> <a@b>"), b"Acommitter B x <a@b>");
        assert_eq!(author(b"<a@b>"), b"a@b <a@b>");
        assert_eq!(author(b"\n"), UNKNOWN);
    }
}
