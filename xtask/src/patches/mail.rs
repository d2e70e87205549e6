//! What stands above a patch's diff: author, date, subject, the reason, trailers; read from mails and DEP-3 headers, written as
//! one form.
//!
//! All text is bytes: old patches have names in Latin-1. A line of the reason that `git am` would take for the end of the reason,
//! for another mail or for a header is indented by one blank, here and for good: git has no way to escape it, and a commit that
//! holds such a line loses it in silence. Bodies that are encoded as a whole are left to `git mailinfo`.

mod body;
mod date;
mod fields;
mod words;

pub use date::Date;

use crate::fault::Fault;
use anyhow::Result;
use fields::Field;
use words::Charset;

/// The header of a patch. Texts have no newline at their end.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Mail {
    /// `Name <address>`, decoded where it was encoded (RFC 2047).
    pub author: Vec<u8>,
    pub date: Option<Date>,
    /// On one line, without `[PATCH n/m]`.
    pub subject: Vec<u8>,
    /// The reason and the trailers.
    pub body: Vec<u8>,
    /// What stands between `---` and the diff: a diffstat, remarks.
    pub notes: Vec<u8>,
}

/// The line that a mailbox starts a mail with, as `git format-patch --zero-commit` writes it.
const SEPARATOR: &[u8] = b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n";

impl Mail {
    /// Reads what stands before the first line of the diff (`text[..diff.start]`). Without any header it is an empty `Mail` whose
    /// `body` is all the text, up to a `---`.
    ///
    /// Header fields of other meaning than those of a mail's transport become trailers. An error says what cannot be kept: a date
    /// that is none, a body that is encoded.
    pub fn read(head: &[u8]) -> Result<Mail> {
        let lines = body::lines(head);
        let (fields, rest) = fields::head(&lines);
        let mut mail = Mail::default();
        let mut kept = Vec::new();
        for field in &fields {
            if !mail.take(field)? && !fields::is_transport(field.name) {
                kept.push(field);
            }
        }

        let end = rest.iter().position(|line| body::is_end(line)).unwrap_or(rest.len());
        let (inner, after) = (&rest[..end], rest.get(end + 1..).unwrap_or_default());
        let charset = charset(&fields, inner)?;
        let (in_body, reason) = fields::in_body(inner, lines.len() - rest.len());
        for field in &in_body {
            mail.take(field)?;
        }
        let utf8 = |text: &[u8]| charset.map_or_else(|| text.to_vec(), |charset| charset.to_utf8(text));
        let mut text = utf8(&body::join(reason));
        for field in kept {
            body::add_trailer(&mut text, field.name, &squeeze(&words::decode(&utf8(&field.value))));
        }
        mail.body = body::guarded(&text);
        mail.author = author(&utf8(&mail.author));
        mail.subject = subject(&utf8(&mail.subject));
        let notes = body::join(after);
        let end = notes.iter().rposition(|&b| b != b'\n').map_or(0, |at| at + 1);
        mail.notes = notes[..end].to_vec();
        Ok(mail)
    }

    /// Whether the field is one of the three that a `Mail` has by name.
    fn take(&mut self, field: &Field<'_>) -> Result<bool> {
        if field.is("From") {
            self.author = field.value.clone();
        } else if field.is("Subject") {
            self.subject = field.value.clone();
        } else if field.is("Date") {
            let text = String::from_utf8_lossy(&field.value);
            self.date = Some(Date::read(&text).ok_or_else(|| {
                Fault::usage(format!("line {}: `Date: {text}` is no date", field.line))
                    .cure("write it as `Tue, 8 Oct 2024 23:32:23 +0200` or `2024-10-08 23:32:23 +0200`")
            })?);
        } else {
            return Ok(false);
        }
        Ok(true)
    }

    /// The canonical head: `From 0…0 Mon Sep 17 00:00:00 2001`, `From:`, `Date:`, `Subject:`, body, `---`, notes, an empty line.
    /// `read(write(mail)) == mail` for a mail that `read` or `set_message` gave. A field that is empty is left out.
    pub fn write(&self) -> Vec<u8> {
        let mut out = SEPARATOR.to_vec();
        let date = self.date.map(|date| date.to_string().into_bytes()).unwrap_or_default();
        for (name, value) in [("From", &self.quoted_author()), ("Date", &date), ("Subject", &self.subject)] {
            if !value.is_empty() {
                out.extend_from_slice(name.as_bytes());
                out.extend_from_slice(b": ");
                out.extend_from_slice(value);
                out.push(b'\n');
            }
        }
        out.push(b'\n');
        for (text, end) in [(&self.body, &b"---\n"[..]), (&self.notes, b"\n")] {
            out.extend_from_slice(text);
            if !text.is_empty() {
                out.push(b'\n');
            }
            out.extend_from_slice(end);
        }
        out
    }

    /// Quotation marks within a name would be taken off by who reads it.
    fn quoted_author(&self) -> Vec<u8> {
        let (name, address) = self.author_parts();
        if name == address || !name.iter().any(|b| b"\"\\".contains(b)) {
            return self.author.clone();
        }
        let escape = |&b: &u8| [&b"\\"[..usize::from(b == b'"' || b == b'\\')], &[b]].concat();
        let (rest, name) = (&self.author[name.len()..], name.iter().flat_map(escape).collect::<Vec<u8>>());
        [b"\"", name.as_slice(), b"\"", rest].concat()
    }

    /// The value of a trailer of the last paragraph, by its key, whatever its case: `Origin`, `Forwarded`, `Advisory`. The fields
    /// of a DEP-3 header count where the body starts with one.
    pub fn trailer(&self, key: &str) -> Option<String> {
        let value = body::trailer(&self.body, key)?;
        Some(String::from_utf8_lossy(&value).into_owned())
    }

    /// Appends a trailer.
    pub fn add_trailer(&mut self, key: &str, value: &[u8]) {
        body::add_trailer(&mut self.body, key.as_bytes(), value);
    }

    /// The author's name and address; the address stands for a name that is missing, as with git.
    pub fn author_parts(&self) -> (&[u8], &[u8]) {
        let Some(open) = self.author.iter().rposition(|&b| b == b'<') else {
            return (&self.author, &self.author);
        };
        let (name, address) = (self.author[..open].trim_ascii(), &self.author[open + 1..]);
        let address = address.split(|&b| b == b'>').next().unwrap_or_default().trim_ascii();
        (if name.is_empty() { address } else { name }, address)
    }

    /// Sets the author as `read` would.
    pub fn set_author(&mut self, text: &[u8]) {
        self.author = author(text);
    }

    /// Subject and body as a commit's message: `subject\n\nbody\n`.
    pub fn message(&self) -> Vec<u8> {
        let mut out = self.subject.clone();
        out.push(b'\n');
        if !self.body.is_empty() {
            out.push(b'\n');
            out.extend_from_slice(&self.body);
            out.push(b'\n');
        }
        out
    }

    /// The other way round. A subject on several lines becomes one; a message that starts with an empty line has none.
    pub fn set_message(&mut self, message: &[u8]) {
        let lines = body::lines(message);
        let end = lines.iter().position(|line| body::is_blank(line)).unwrap_or(lines.len());
        self.subject = subject(&lines[..end].join(&b' '));
        self.body = body::guarded(&body::join(&lines[end..]));
    }
}

/// What the texts must be read as; None leaves their bytes as they are.
fn charset(fields: &[Field<'_>], body: &[&[u8]]) -> Result<Option<Charset>> {
    let value =
        |name: &str| fields.iter().rfind(|field| field.is(name)).map(|field| (field, field.value.to_ascii_lowercase()));
    let encoded = |field: &Field<'_>, what: &str| {
        Fault::usage(format!("line {}: the mail's body is {what}", field.line))
            .cure("take it in with `cargo xtask patch import`, which decodes it")
    };
    if let Some((field, how)) = value("Content-Transfer-Encoding")
        && !matches!(how.as_slice(), b"7bit" | b"8bit" | b"binary" | b"")
    {
        return Err(encoded(field, &format!("encoded as {}", String::from_utf8_lossy(&how))).into());
    }
    let Some((field, kind)) = value("Content-Type") else { return Ok(None) };
    if kind.starts_with(b"multipart/") {
        return Err(encoded(field, "in several parts").into());
    }
    let kind = String::from_utf8_lossy(&kind);
    let Some((_, name)) = kind.split_once("charset=") else { return Ok(None) };
    let name = name.split(';').next().unwrap_or_default().trim_matches(['"', ' ']);
    let charset = Charset::of(name.as_bytes());
    if charset.is_none() && !body.iter().all(|line| line.is_ascii()) {
        return Err(encoded(field, &format!("written in {name}")).into());
    }
    Ok(charset)
}

/// One line, decoded, without what a mailing list or `git format-patch` puts before a subject.
fn subject(text: &[u8]) -> Vec<u8> {
    settled(text, |text| {
        let text = squeeze(&words::decode(text));
        let mut rest = text.as_slice();
        loop {
            rest = rest.trim_ascii_start();
            let bracket = rest.iter().position(|&b| b == b']').filter(|_| rest.starts_with(b"["));
            if let Some(end) = bracket.filter(|&end| rest[..end].windows(5).any(|word| word == b"PATCH")) {
                rest = &rest[end + 1..];
            } else if rest.get(..3).is_some_and(|start| start.eq_ignore_ascii_case(b"re:")) {
                rest = &rest[3..];
            } else {
                return rest.to_vec();
            }
        }
    })
}

/// `Name <address>` on one line, decoded and without quotation marks, also from `address (Name)`.
fn author(text: &[u8]) -> Vec<u8> {
    settled(text, |text| {
        let text = squeeze(&words::decode(text));
        if let Some((name, rest)) = text.strip_prefix(b"\"").and_then(quoted) {
            return squeeze(&[name.as_slice(), rest].concat());
        }
        let Some((address, name)) = text.strip_suffix(b")").and_then(|text| {
            let open = text.iter().position(|&b| b == b'(')?;
            Some((text[..open].trim_ascii(), text[open + 1..].trim_ascii()))
        }) else {
            return text;
        };
        let is_address = address.contains(&b'@') && !address.iter().any(|&b| b == b' ' || b == b'<');
        if is_address { squeeze(&[name, b" <", address, b">"].concat()) } else { text }
    })
}

/// The end of a quoted string (RFC 5322, 3.2.4) whose first mark has been taken, and what follows it.
fn quoted(text: &[u8]) -> Option<(Vec<u8>, &[u8])> {
    let mut out = Vec::new();
    let mut at = 0;
    loop {
        match text.get(at)? {
            b'"' => return Some((out, &text[at + 1..])),
            b'\\' => at += 1,
            _ => (),
        }
        out.push(*text.get(at)?);
        at += 1;
    }
}

/// Applies `step` until nothing changes any more: what has been read once must read the same again. Each step takes encoding off
/// and puts none on, so that this ends.
fn settled(text: &[u8], step: impl Fn(&[u8]) -> Vec<u8>) -> Vec<u8> {
    let mut text = text.to_vec();
    loop {
        let next = step(&text);
        if next == text {
            return text;
        }
        text = next;
    }
}

/// White space, line ends and NUL become one blank each time.
fn squeeze(text: &[u8]) -> Vec<u8> {
    let words = text.split(|&b| b.is_ascii_whitespace() || b == 0 || b == 0x0b);
    words.filter(|word| !word.is_empty()).collect::<Vec<_>>().join(&b' ')
}
