//! Header fields: those at the head of a mail, and those that `git am` takes from the start of a body.

use super::{Date, body};

/// A field, unfolded.
pub struct Field<'t> {
    pub name: &'t [u8],
    pub value: Vec<u8>,
    /// Counted from 1 in the text that it was read from.
    pub line: usize,
}

impl Field<'_> {
    pub fn is(&self, name: &str) -> bool {
        self.name.eq_ignore_ascii_case(name.as_bytes())
    }
}

/// `Name: value`.
pub fn split(line: &[u8]) -> Option<(&[u8], &[u8])> {
    let colon = line.iter().position(|&b| b == b':')?;
    let (name, value) = (&line[..colon], &line[colon + 1..]);
    let is_name = !name.is_empty() && name.iter().all(|&b| b.is_ascii_alphanumeric() || b == b'-' || b == b'_');
    // `std::string` and an address are none.
    let is_field = is_name && (value.is_empty() || value.starts_with(b" ") || value.starts_with(b"\t"));
    is_field.then(|| (name, value.trim_ascii()))
}

/// The fields that `lines` begin with, and how many lines they are.
fn block<'t>(lines: &[&'t [u8]], before: usize, wanted: impl Fn(&[u8]) -> bool) -> (Vec<Field<'t>>, usize) {
    let mut fields: Vec<Field<'t>> = Vec::new();
    let mut at = 0;
    while let Some(line) = lines.get(at).filter(|line| !body::is_blank(line)) {
        let folded = line.first().is_some_and(u8::is_ascii_whitespace);
        match (fields.last_mut(), split(line)) {
            (Some(field), _) if folded => {
                field.value.push(b' ');
                field.value.extend_from_slice(line.trim_ascii());
            }
            (_, Some((name, value))) if wanted(line) => {
                fields.push(Field { name, value: value.to_vec(), line: before + at + 1 });
            }
            _ => break,
        }
        at += 1;
    }
    (fields, at)
}

/// The header of a mail and the lines after it. Text that neither starts as a mailbox does nor has a `From`, `Date` or `Subject` is
/// no mail.
pub fn head<'l, 't>(lines: &'l [&'t [u8]]) -> (Vec<Field<'t>>, &'l [&'t [u8]]) {
    let is_mailbox = lines.first().is_some_and(|line| body::is_separator(line));
    let start = if is_mailbox { 1 } else { lines.iter().take_while(|line| body::is_blank(line)).count() };
    let (fields, used) = block(&lines[start..], start, |_| true);
    let named = |field: &Field<'_>| ["From", "Date", "Subject"].iter().any(|name| field.is(name));
    if is_mailbox || fields.iter().any(named) { (fields, &lines[start + used..]) } else { (Vec::new(), lines) }
}

/// The fields that a body begins with in place of the mail's own, because someone else sent it, and the lines after them.
pub fn in_body<'l, 't>(lines: &'l [&'t [u8]], before: usize) -> (Vec<Field<'t>>, &'l [&'t [u8]]) {
    let start = lines.iter().take_while(|line| body::is_blank(line)).count();
    let (fields, used) = block(&lines[start..], before + start, is_in_body);
    (fields, &lines[start + used..])
}

/// Prose may begin with `From:` or `Date:` too.
fn is_in_body(line: &[u8]) -> bool {
    let Some((name, value)) = split(line) else { return false };
    match name.to_ascii_lowercase().as_slice() {
        b"subject" => true,
        // The address of an encoded name may stand on the next line.
        b"from" => value.contains(&b'@') || value.starts_with(b"=?"),
        b"date" => std::str::from_utf8(value).is_ok_and(|text| Date::read(text).is_some()),
        _ => false,
    }
}

/// Whether `git am` would take a body's first line away.
pub fn looks_in_body(line: &[u8]) -> bool {
    let names: [&[u8]; 6] =
        [b"from", b"subject", b"date", b"content-type", b"content-transfer-encoding", b"message-id"];
    let lower = line.to_ascii_lowercase();
    let is_field = names.iter().any(|name| lower.strip_prefix(*name).is_some_and(|rest| rest.starts_with(b":")));
    is_field || lower.starts_with(b"[patch]") || lower.starts_with(b">from ")
}

/// What tells how a mail came, not what it is about. Such fields are dropped, as `git am` does.
pub fn is_transport(name: &[u8]) -> bool {
    const NAMES: [&[u8]; 26] = [
        b"accept-language",
        b"archived-at",
        b"autocrypt",
        b"bcc",
        b"cc",
        b"delivered-to",
        b"envelope-to",
        b"errors-to",
        b"feedback-id",
        b"importance",
        b"in-reply-to",
        b"lines",
        b"mail-followup-to",
        b"message-id",
        b"mime-version",
        b"organization",
        b"precedence",
        b"received",
        b"references",
        b"reply-to",
        b"return-path",
        b"sender",
        b"status",
        b"thread-index",
        b"thread-topic",
        b"to",
    ];
    const STARTS: [&[u8]; 9] =
        [b"arc-", b"authentication-", b"content-", b"dkim-", b"list-", b"received-", b"resent-", b"user-", b"x-"];
    let name = name.to_ascii_lowercase();
    NAMES.contains(&name.as_slice()) || STARTS.iter().any(|start| name.starts_with(start))
}
