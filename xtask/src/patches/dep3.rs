//! Debian's patch headers (DEP-3, "Patch Tagging Guidelines"): read into the queue's form, and written from it.
//!
//! A header's description is subject and reason, its author and date are a mail's, all its other fields are trailers. Dates in
//! `Last-Update` are none of the patch's and stay a trailer.

use super::mail::{Date, Mail};

/// Fields that a mail has a place of its own for.
const OWN: [&[u8]; 5] = [b"description", b"subject", b"author", b"from", b"date"];

/// Fields that only DEP-3 has.
const MARKS: [&[u8]; 5] = [b"origin", b"forwarded", b"author", b"applied-upstream", b"last-update"];

/// Whether the text above a diff is a header as DEP-3 describes it, and no mail: its first paragraph has a description, or a
/// subject beside fields that only DEP-3 has.
pub fn is_header(head: &[u8]) -> bool {
    let lines = lines(head);
    let paragraph = lines.iter().skip_while(|line| blank(line)).take_while(|line| !blank(line) && !ends(line));
    let names: Vec<Vec<u8>> = paragraph.filter_map(|line| field(line)).map(|(name, _)| name).collect();
    let has = |wanted: &[u8]| names.iter().any(|name| name == wanted);
    let first_is_field = lines.iter().find(|line| !blank(line)).is_some_and(|line| field(line).is_some());
    first_is_field && (has(b"description") || (has(b"subject") && MARKS.iter().any(|mark| has(mark))))
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
        let subject = if description.is_empty() { &[][..] } else { description.remove(0) };
        let paragraphs = [trimmed(&description), trimmed(&self.free), trimmed(&self.trailers)];
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
    let mut out = Vec::new();
    let mut line = |parts: &[&[u8]]| {
        out.extend(parts.concat());
        out.push(b'\n');
    };
    let body = lines(&mail.body);
    let trailers = trailers(&body);
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
