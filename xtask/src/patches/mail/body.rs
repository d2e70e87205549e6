//! The lines of a body: where it ends, which of them must be guarded against being read as something else, and its trailers.

use super::fields;

/// Lines without their ends, whether those are LF or CRLF.
pub fn lines(text: &[u8]) -> Vec<&[u8]> {
    let mut lines: Vec<&[u8]> = text.split(|&b| b == b'\n').map(without_cr).collect();
    if lines.last().is_some_and(|line| line.is_empty()) {
        lines.pop();
    }
    lines
}

fn without_cr(line: &[u8]) -> &[u8] {
    let end = line.iter().rposition(|&b| b != b'\r').map_or(0, |at| at + 1);
    &line[..end]
}

pub fn join(lines: &[&[u8]]) -> Vec<u8> {
    lines.join(&b'\n')
}

pub fn is_blank(line: &[u8]) -> bool {
    line.trim_ascii().is_empty()
}

/// `---` alone.
pub fn is_end(line: &[u8]) -> bool {
    line.strip_prefix(b"---").is_some_and(is_blank)
}

/// Whether `git am` ends a body before this line: `---`, or what looks like the start of a diff.
fn is_break(line: &[u8]) -> bool {
    is_end(line) || [&b"--- "[..], b"diff -", b"Index: "].iter().any(|start| line.starts_with(start))
}

/// A mailbox's line between two mails: `From someone Mon Sep 17 00:00:00 2001`, with whatever behind it.
pub fn is_separator(line: &[u8]) -> bool {
    let Some(rest) = line.strip_prefix(b"From ") else { return false };
    let words: Vec<&[u8]> = rest.split(u8::is_ascii_whitespace).filter(|word| !word.is_empty()).collect();
    let is_time =
        |word: &[u8]| word.len() >= 5 && word.iter().all(|&b| b == b':' || b.is_ascii_digit()) && word.contains(&b':');
    let is_year = |word: &[u8]| word.len() == 4 && word.iter().all(u8::is_ascii_digit);
    words.windows(2).any(|pair| is_time(pair[0]) && is_year(pair[1]))
}

/// The body without blank lines around it, and with a blank before each line that would be taken for something else.
pub fn guarded(text: &[u8]) -> Vec<u8> {
    let lines = lines(text);
    let Some(first) = lines.iter().position(|line| !is_blank(line)) else { return Vec::new() };
    let last = lines.iter().rposition(|line| !is_blank(line)).unwrap_or(first);
    let mut out = Vec::with_capacity(text.len());
    for (at, line) in lines[first..=last].iter().enumerate() {
        if at > 0 {
            out.push(b'\n');
        }
        if is_break(line) || is_separator(line) || (at == 0 && fields::looks_in_body(line)) {
            out.push(b' ');
        }
        out.extend_from_slice(line);
    }
    out
}

/// Appends a trailer, to the last paragraph where that holds nothing else.
pub fn add_trailer(text: &mut Vec<u8>, key: &[u8], value: &[u8]) {
    while text.last().is_some_and(u8::is_ascii_whitespace) {
        text.pop();
    }
    if !text.is_empty() {
        let lines = lines(text);
        let is_trailers = is_fields(last_paragraph(&lines));
        text.extend_from_slice(if is_trailers { b"\n" } else { b"\n\n" });
    }
    text.extend_from_slice(key);
    text.extend_from_slice(b": ");
    text.extend_from_slice(value);
}

/// The value of the first such trailer of the last paragraph, unfolded; or of such a field at the body's start.
pub fn trailer(text: &[u8], key: &str) -> Option<Vec<u8>> {
    let lines = lines(text);
    let first = paragraph(&lines);
    let header = if is_fields(first) { first } else { &[] };
    [last_paragraph(&lines), header].into_iter().find_map(|lines| value(lines, key))
}

fn paragraph<'l, 't>(lines: &'l [&'t [u8]]) -> &'l [&'t [u8]] {
    let end = lines.iter().position(|line| is_blank(line)).unwrap_or(lines.len());
    &lines[..end]
}

fn last_paragraph<'l, 't>(lines: &'l [&'t [u8]]) -> &'l [&'t [u8]] {
    let start = lines.iter().rposition(|line| is_blank(line)).map_or(0, |at| at + 1);
    &lines[start..]
}

fn is_folded(line: &[u8]) -> bool {
    line.starts_with(b" ") || line.starts_with(b"\t")
}

/// Whether all the lines are fields and their continuations.
pub fn is_fields(lines: &[&[u8]]) -> bool {
    lines.first().is_some_and(|line| !is_folded(line))
        && lines.iter().all(|line| is_folded(line) || fields::split(line).is_some())
}

fn value(lines: &[&[u8]], key: &str) -> Option<Vec<u8>> {
    let named = |line: &&[u8]| fields::split(line).is_some_and(|(name, _)| name.eq_ignore_ascii_case(key.as_bytes()));
    let at = lines.iter().position(named)?;
    let mut parts = vec![fields::split(lines[at])?.1];
    parts.extend(lines[at + 1..].iter().take_while(|line| is_folded(line)).map(|line| line.trim_ascii()));
    Some(parts.join(&b' '))
}
