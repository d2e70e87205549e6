//! The names in a diff's headers: unquoted, without their first folder (`a/`, `b/`, `x.orig/`), and refused where they could lead
//! out of the source or into git's own folder.

use super::lines::{Line, without_end};
use anyhow::{Result, bail};

/// Both names of a `diff --git` line without its first words. Blanks in names leave it open where the second begins; then equal
/// names are meant, by git's own rule, and None is an answer as well: the lines that follow may say.
pub fn git(names: &[u8], number: usize) -> Result<Option<(String, String)>> {
    let names = without_end(names);
    let both = |at: usize| -> Result<Option<(String, String)>> {
        let (old, new) = (stripped(&names[..at], number)?, stripped(&names[at + 1..], number)?);
        match old.zip(new) {
            Some(both) => Ok(Some(both)),
            None => bail!("line {number}: `diff --git` names /dev/null"),
        }
    };
    let quoted = names.strip_prefix(b"\"").and_then(closing_quote).map(|end| end + 2);
    if let Some(at) = quoted.filter(|at| names.get(*at) == Some(&b' ')) {
        return both(at);
    }
    if names.ends_with(b"\"")
        && let Some(at) = memchr::memmem::find(names, b" \"")
    {
        return both(at);
    }
    let same = |at: &usize| {
        let after_slash = |name: &[u8]| memchr::memchr(b'/', name).map(|slash| name[slash..].to_vec());
        let (old, new) = (after_slash(&names[..*at]), after_slash(&names[at + 1..]));
        old.is_some() && old == new
    };
    let mut blanks = memchr::memchr_iter(b' ', names);
    if let Some(at) = blanks.clone().find(same) {
        return both(at);
    }
    // Two names without blanks need no more; every name that stands here is looked at, whether it is used or not.
    match (blanks.next(), blanks.next()) {
        (Some(at), None) => both(at),
        _ => Ok(None),
    }
}

/// The names of a plain diff: None is `/dev/null`, or a time stamp at the beginning of time, which says the same. Both sides are
/// one file: the second name, or the first where the second only adds to it, as in `x.c` and `x.c~`.
pub fn plain(minus: Line<'_>, plus: Line<'_>) -> Result<(Option<String>, Option<String>)> {
    let old = stripped(&minus.bytes[4..], minus.number)?;
    let new = stripped(&plus.bytes[4..], plus.number)?;
    let (old, new) = match (old, new) {
        (Some(old), Some(new)) => {
            let name = if new.starts_with(&old) { old } else { new };
            (Some(name.clone()), Some(name))
        }
        (None, None) => bail!("line {}: no file is named", minus.number),
        one => one,
    };
    if new.is_some() && stamp(minus.bytes).is_some_and(is_epoch) {
        return Ok((None, new));
    }
    if old.is_some() && stamp(plus.bytes).is_some_and(is_epoch) {
        return Ok((old, None));
    }
    Ok((old, new))
}

/// What follows the tabulator behind a name.
fn stamp(line: &[u8]) -> Option<&str> {
    let tab = memchr::memchr(b'\t', line)?;
    std::str::from_utf8(without_end(&line[tab + 1..])).ok()
}

/// Whether it is 1970-01-01 00:00:00 UTC, in whatever zone: so does `diff -N` write that there is no file.
fn is_epoch(stamp: &str) -> bool {
    let mut words = stamp.split(' ');
    let day = words.next();
    let midnight = |word: &str| {
        let (hour, rest) = word.split_once(':')?;
        let (minute, second) = rest.split_once(':')?;
        let zero = second.bytes().all(|byte| matches!(byte, b'0' | b'.'));
        zero.then_some(hour.parse::<i32>().ok()? * 60 + minute.parse::<i32>().ok()?)
    };
    let zone = |word: &str| {
        let sign = if word.starts_with('-') { -1 } else { 1 };
        let digits = word.strip_prefix(['+', '-'])?.replace(':', "").parse::<i32>().ok()?;
        Some(sign * (digits / 100 * 60 + digits % 100))
    };
    let (Some(time), Some(zone)) = (words.next().and_then(midnight), words.next().and_then(zone)) else { return false };
    match day {
        Some("1970-01-01") => time == zone,
        Some("1969-12-31") => time - 24 * 60 == zone,
        _ => false,
    }
}

/// A name without its first folder; None is `/dev/null`. A plain diff may carry a time stamp behind a tabulator.
pub fn stripped(name: &[u8], number: usize) -> Result<Option<String>> {
    let name = whole(name, number)?;
    if name == "/dev/null" {
        return Ok(None);
    }
    if name.starts_with('/') {
        bail!("line {number}: `{name}` leaves the source tree");
    }
    let Some((_, path)) = name.split_once('/') else {
        bail!("line {number}: `{name}` has no leading folder to strip");
    };
    safe(&name, path, number)?;
    Ok(Some(path.to_owned()))
}

/// A name that stands without a leading folder, as after `rename from`.
pub fn bare(name: &[u8], number: usize) -> Result<String> {
    let name = whole(name, number)?;
    safe(&name, &name, number)?;
    Ok(name)
}

/// A name as it stands, without quotes.
pub fn whole(name: &[u8], number: usize) -> Result<String> {
    let name = without_end(name);
    let name = match name.strip_prefix(b"\"") {
        Some(rest) => unquoted(rest),
        None => name.split(|&byte| byte == b'\t').next().unwrap_or_default().to_vec(),
    };
    match String::from_utf8(name) {
        Ok(name) => Ok(name),
        Err(error) => {
            bail!("line {number}: the name `{}` is not UTF-8", String::from_utf8_lossy(error.as_bytes()))
        }
    }
}

/// Refuses what could leave the source, or reach into git's own folder.
pub fn safe(name: &str, path: &str, number: usize) -> Result<()> {
    if path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        bail!("line {number}: `{name}` leaves the source tree");
    }
    if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        bail!("line {number}: `{name}` writes into git's own folder");
    }
    if path.contains('\0') {
        bail!("line {number}: a name with a zero byte");
    }
    Ok(())
}

/// Where the quote ends that has been opened.
fn closing_quote(rest: &[u8]) -> Option<usize> {
    let mut escaped = false;
    rest.iter().position(|&byte| {
        let closes = byte == b'"' && !escaped;
        escaped = byte == b'\\' && !escaped;
        closes
    })
}

/// Git's C-style quoting (`core.quotePath`): octal bytes and the usual escapes, up to the closing quote.
fn unquoted(rest: &[u8]) -> Vec<u8> {
    let mut bytes = Vec::new();
    let end = closing_quote(rest).unwrap_or(rest.len());
    let mut rest = rest[..end].iter().copied().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'a') => bytes.push(7),
            Some(b'b') => bytes.push(8),
            Some(b't') => bytes.push(b'\t'),
            Some(b'n') => bytes.push(b'\n'),
            Some(b'v') => bytes.push(11),
            Some(b'f') => bytes.push(12),
            Some(b'r') => bytes.push(b'\r'),
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                for _ in 0..2 {
                    let Some(next) = rest.next_if(|next| (b'0'..=b'7').contains(next)) else { break };
                    value = value * 8 + u32::from(next - b'0');
                }
                bytes.push(value as u8);
            }
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    bytes
}
