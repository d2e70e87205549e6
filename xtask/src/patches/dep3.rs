//! Debian's patch headers (DEP-3, "Patch Tagging Guidelines"): read into the queue's form, and written from it.
//!
//! A header's description is subject and reason, its author and date are a mail's, all its other fields are trailers. Dates in
//! `Last-Update` are none of the patch's and stay a trailer.

use super::mail::{Date, Mail};

/// Fields that a mail has a place of its own for.
const OWN: [&[u8]; 5] = [b"description", b"subject", b"author", b"from", b"date"];

/// Fields that tell a header without a description from prose.
const MARKS: [&[u8]; 6] = [b"origin", b"forwarded", b"author", b"applied-upstream", b"last-update", b"bug"];

/// Whether the text above a diff begins with a header that is DEP-3's and no mail's: it has a description, or a subject that goes on
/// over paragraphs, or no subject at all beside fields that only DEP-3 has.
pub fn is_header(head: &[u8]) -> bool {
    let lines = lines(head);
    let start = lines.iter().position(|line| !blank(line)).unwrap_or(lines.len());
    let end = lines[start..].iter().position(|line| blank(line) || ends(line)).map_or(lines.len(), |at| start + at);
    let paragraph = &lines[start..end];
    let names: Vec<Vec<u8>> = paragraph.iter().filter_map(|line| field(line)).map(|(name, _)| name).collect();
    let has = |wanted: &[u8]| names.iter().any(|name| name == wanted);
    let marked = MARKS.iter().any(|mark| has(mark)) && is_block(paragraph);
    paragraph.first().is_some_and(|line| field(line).is_some())
        && (has(b"description") || paragraph.contains(&&b" ."[..]) || (marked && !has(b"subject")))
}

/// Reads a header that [`is_header`].
pub fn read(head: &[u8]) -> Mail {
    let lines = lines(head);
    let end = lines.iter().position(|line| ends(line)).unwrap_or(lines.len());
    let header = Header::of(&lines[..end]);
    let mut mail = header.mail();
    let notes = lines.get(end + 1..).unwrap_or_default();
    mail.notes = trimmed(notes).join(&b'\n');
    mail
}

/// A header's parts as they were written.
#[derive(Default)]
struct Header<'t> {
    author: Option<Vec<u8>>,
    date: Option<Vec<u8>>,
    /// The lines of the description, the first of which is the subject.
    description: Vec<Vec<u8>>,
    /// What stands outside of fields, which belongs to the description.
    free: Vec<&'t [u8]>,
    trailers: Vec<&'t [u8]>,
}

/// Which part a line with a leading blank goes on with.
enum Open {
    Description,
    Author,
    Date,
    Trailer,
    Free,
}

impl<'t> Header<'t> {
    fn of(lines: &[&'t [u8]]) -> Header<'t> {
        let mut header = Header::default();
        let mut open = Open::Free;
        for (at, line) in lines.iter().enumerate() {
            let folded = matches!(line.first(), Some(b' ' | b'\t'));
            let starts = at == 0 || !matches!(open, Open::Free) || blank(lines[at - 1]);
            match (&open, field(line)) {
                (_, None) if line.is_empty() => {
                    open = Open::Free;
                    header.free.push(line);
                }
                (Open::Description, _) if folded => header.description.push(continued(line)),
                (Open::Author, _) if folded => joined(&mut header.author, line),
                (Open::Date, _) if folded => joined(&mut header.date, line),
                (Open::Trailer, _) if folded => header.trailers.push(line),
                // Free text may hold what looks like a field; only a paragraph of its own is one.
                (_, Some((name, value))) if starts && (at == 0 || is_block(&lines[at..])) => {
                    open = header.take(&name, value, line);
                }
                _ => {
                    open = Open::Free;
                    header.free.push(line);
                }
            }
        }
        header
    }

    fn take(&mut self, name: &[u8], value: &'t [u8], line: &'t [u8]) -> Open {
        match name {
            b"description" | b"subject" if self.description.is_empty() => {
                self.description.push(value.to_vec());
                Open::Description
            }
            b"author" | b"from" if self.author.is_none() => {
                self.author = Some(value.to_vec());
                Open::Author
            }
            b"date" if self.date.is_none() => {
                self.date = Some(value.to_vec());
                Open::Date
            }
            _ => {
                self.trailers.push(line);
                Open::Trailer
            }
        }
    }

    fn mail(&self) -> Mail {
        let mut mail = Mail::default();
        mail.set_author(self.author.as_deref().unwrap_or_default());
        mail.date = self.date.as_deref().and_then(|text| Date::read(&String::from_utf8_lossy(text)));
        let mut description: Vec<&[u8]> = self.description.iter().map(Vec::as_slice).collect();
        // A short description may stand on the second line.
        if description.first().is_some_and(|first| blank(first)) {
            description.remove(0);
        }
        let mut free = trimmed(&self.free);
        let mut subject = description.first().copied().unwrap_or_default();
        if self.description.is_empty() {
            (subject, free) = free.split_first().map_or((subject, free), |(first, rest)| (*first, rest));
        }
        let description = description.get(1..).unwrap_or_default();
        let paragraphs = [trimmed(description), trimmed(free), trimmed(&self.trailers)];
        let paragraphs = paragraphs.iter().filter(|lines| !lines.is_empty()).map(|lines| lines.join(&b'\n'));
        let body = paragraphs.collect::<Vec<_>>().join(&b"\n\n"[..]);
        mail.set_message(&[subject.trim_ascii(), b"\n\n", &body].concat());
        if let Some(date) = self.date.as_ref().filter(|_| mail.date.is_none()) {
            mail.add_trailer("Date", date);
        }
        mail
    }
}

/// The header for a patch, to the `---` and the notes; [`read`] gives the same mail again.
pub fn write(mail: &Mail) -> Vec<u8> {
    let body = lines(&mail.body);
    let header = with_trailers(mail, &body, trailers(&body));
    // Trailers that stand in an unusual place, such as two lines below the reason, are better left in the description.
    if read(&header) == *mail { header } else { with_trailers(mail, &body, &[]) }
}

/// The header with the last lines of the body as fields of their own.
fn with_trailers(mail: &Mail, body: &[&[u8]], trailers: &[&[u8]]) -> Vec<u8> {
    let mut out = Vec::new();
    let mut line = |parts: &[&[u8]]| {
        out.extend(parts.concat());
        out.push(b'\n');
    };
    let reason = trimmed(&body[..body.len() - trailers.len()]);
    line(&[b"Description: ", &mail.subject]);
    for text in reason {
        match text {
            [] => line(&[b" ."]),
            // A line of dots only gets one more, so that it is not taken for an empty one.
            dots if dots.iter().all(|&byte| byte == b'.') => line(&[b" ", dots, b"."]),
            text => line(&[b" ", text]),
        }
    }
    if !mail.author.is_empty() {
        line(&[b"From: ", &mail.author]);
    }
    if let Some(date) = mail.date {
        line(&[b"Date: ", date.to_string().as_bytes()]);
    }
    trailers.iter().for_each(|text| line(&[text]));
    line(&[b"---"]);
    if !mail.notes.is_empty() {
        line(&[&mail.notes]);
    }
    line(&[]);
    out
}

/// The last paragraph where it can stand as fields: nothing but fields, none of which has a meaning of its own.
fn trailers<'l, 't>(body: &'l [&'t [u8]]) -> &'l [&'t [u8]] {
    let start = body.iter().rposition(|line| line.is_empty()).map_or(0, |at| at + 1);
    let last = &body[start..];
    let fits = |line: &&[u8]| field(line).is_some_and(|(name, _)| !OWN.contains(&name.as_slice()));
    let folded = |line: &&[u8]| matches!(line.first(), Some(b' ' | b'\t')) && !blank(line);
    let all = last.first().is_some_and(fits) && last.iter().all(|line| fits(line) || folded(line));
    if all { last } else { &[] }
}

/// Whether the paragraph that begins here has nothing but fields.
fn is_block(lines: &[&[u8]]) -> bool {
    let mut paragraph = lines.iter().take_while(|line| !line.is_empty());
    paragraph.all(|line| field(line).is_some() || matches!(line.first(), Some(b' ' | b'\t')))
}

/// A line of a description that goes on.
fn continued(line: &[u8]) -> Vec<u8> {
    let text = &line[1..];
    let dots = !text.is_empty() && text.iter().all(|&byte| byte == b'.');
    if dots { text[1..].to_vec() } else { text.to_vec() }
}

fn joined(value: &mut Option<Vec<u8>>, line: &[u8]) {
    if let Some(value) = value {
        value.push(b' ');
        value.extend_from_slice(line.trim_ascii());
    }
}

/// The name of a field in small letters, and its value.
fn field(line: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let colon = line.iter().position(|&byte| byte == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_name = name.first().is_some_and(u8::is_ascii_alphabetic)
        && name.iter().all(|&byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_'));
    let is_field = is_name && (value.is_empty() || value.starts_with(b" ") || value.starts_with(b"\t"));
    is_field.then(|| (name.to_ascii_lowercase(), value.trim_ascii()))
}

fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|&byte| byte == b'\n').collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

fn blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

fn ends(line: &[u8]) -> bool {
    line.trim_ascii_end() == b"---"
}

/// Without empty lines at both ends.
fn trimmed<'l, 't>(lines: &'l [&'t [u8]]) -> &'l [&'t [u8]] {
    let start = lines.iter().position(|line| !blank(line)).unwrap_or(lines.len());
    let end = lines.iter().rposition(|line| !blank(line)).map_or(start, |at| at + 1);
    &lines[start..end]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn message(head: &str) -> String {
        assert!(is_header(head.as_bytes()), "{head}");
        let mail = read(head.as_bytes());
        format!("{}|{}", String::from_utf8(mail.author.clone()).unwrap(), String::from_utf8(mail.message()).unwrap())
    }

    #[test]
    fn every_place_of_a_description_is_read() {
        for (head, expected) in [
            ("Description: one\n two\n .\n  three\nAuthor: A <a>\n", "A <a>|one\n\ntwo\n\n three\n"),
            ("Description:\n one\n two\nBug: 1\n", "|one\n\ntwo\n\nBug: 1\n"),
            ("Subject: one\n two\n .\n three\nForwarded: no\n", "|one\n\ntwo\n\nthree\n\nForwarded: no\n"),
            ("Author: A <a>\nOrigin: vendor\n\none\ntwo: 2\n", "A <a>|one\n\ntwo: 2\n\nOrigin: vendor\n"),
            (
                "Description: one\n\nFree: text\nand more.\n\nBug: 1\nBug-Debian: 2\n\nThe end.\n",
                "|one\n\nFree: text\nand more.\n\n\nThe end.\n\nBug: 1\nBug-Debian: 2\n",
            ),
            ("Description: one\nFrom: A <a>\nAuthor: B <b>\n", "A <a>|one\n\nAuthor: B <b>\n"),
            ("Description: one\nDate: long ago\n", "|one\n\nDate: long ago\n"),
            ("Description: one\nBug: 1\n 2\n---\nnotes\n", "|one\n\nBug: 1\n 2\n"),
        ] {
            assert_eq!(message(head), expected, "{head}");
        }
        for head in ["Subject: a\nOrigin: b\n\nc\n", "a: b\n\nc\n", "prose\nDescription: x\n", "", "\n---\n"] {
            assert!(!is_header(head.as_bytes()), "{head}");
        }
    }

    #[test]
    fn a_line_that_could_be_taken_for_another_comes_back() {
        let mut mail = Mail::default();
        mail.set_message(b"one\n\n.\n\n..\n \nFrom: x\n\n\nBug: 1\n");
        mail.notes = b"---\n\n.".to_vec();
        assert_eq!(read(&write(&mail)), mail);
    }
}
