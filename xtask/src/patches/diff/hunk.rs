//! A hunk's header and lines, counted as the header says, so that a removed line that starts with `-- ` is no header.

use super::Hunk;
use super::lines::{Line, Lines, without_end};
use anyhow::{Result, bail};

/// The next hunk; its lines go to `body`.
pub fn read(lines: &mut Lines<'_>, body: &mut Vec<u8>) -> Result<Hunk> {
    let first = lines.next().expect("the caller has seen the line");
    let mut hunk = header(first)?;
    let number = first.number;
    let (mut old, mut new) = (hunk.old_count, hunk.new_count);
    // Nothing may follow on a side whose last line has no end.
    let (mut old_ended, mut new_ended) = (false, false);
    let mut last = Kind::Both;
    let mut changes = false;
    while old > 0 || new > 0 {
        let Some(line) = lines.next() else {
            bail!("line {number}: the hunk is cut off: {old} old and {new} new lines are missing");
        };
        if line.bytes.last() != Some(&b'\n') {
            bail!("line {}: the patch is cut off in this line", line.number);
        }
        let Some(kind) = Kind::of(line.bytes) else { bail!("line {}: not a line of a hunk", line.number) };
        if kind == Kind::NoEnd {
            if line.number == number + 1 {
                bail!("line {}: no line stands before this", line.number);
            }
            old_ended |= last.is_old();
            new_ended |= last.is_new();
            continue;
        }
        if (kind.is_old() && old_ended) || (kind.is_new() && new_ended) {
            bail!("line {}: a line after one without an end", line.number);
        }
        if (kind.is_old() && old == 0) || (kind.is_new() && new == 0) {
            return too_long(line, number);
        }
        old -= u64::from(kind.is_old());
        new -= u64::from(kind.is_new());
        changes |= kind != Kind::Both;
        last = kind;
    }
    if lines.peek(0).is_some_and(|line| line.bytes.starts_with(b"\\ ")) {
        lines.next();
    }
    if !changes {
        bail!("line {number}: the hunk changes nothing");
    }
    if let Some(line) = lines.peek(0).filter(|line| is_stray(line.bytes)) {
        return too_long(line, number);
    }
    hunk.span = first.start..lines.offset();
    body.extend_from_slice(lines.since(first.start));
    Ok(hunk)
}

fn too_long(line: Line<'_>, number: usize) -> Result<Hunk> {
    bail!("line {}: the hunk at line {number} has more lines than its header says", line.number)
}

/// What looks like one more line of the hunk and is neither a mail's signature nor the header of the next file.
fn is_stray(line: &[u8]) -> bool {
    let signature = line.trim_ascii_end() == b"--";
    matches!(line.first(), Some(b'+' | b'-')) && !signature && !line.starts_with(b"--- ")
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Both,
    Old,
    New,
    /// `\ No newline at end of file`, in whatever language.
    NoEnd,
}

impl Kind {
    fn of(line: &[u8]) -> Option<Kind> {
        match line.first()? {
            // An empty line of context whose blank a mail has lost.
            b' ' | b'\n' | b'\r' => Some(Kind::Both),
            b'-' => Some(Kind::Old),
            b'+' => Some(Kind::New),
            b'\\' => Some(Kind::NoEnd),
            _ => None,
        }
    }

    fn is_old(self) -> bool {
        matches!(self, Kind::Both | Kind::Old)
    }

    fn is_new(self) -> bool {
        matches!(self, Kind::Both | Kind::New)
    }
}

/// `@@ -start[,count] +start[,count] @@ heading`
pub fn header(line: Line<'_>) -> Result<Hunk> {
    let parsed = line.bytes.strip_prefix(b"@@ -").and_then(|rest| {
        let (old, rest) = range(rest)?;
        let (new, rest) = range(rest.strip_prefix(b" +")?)?;
        Some((old, new, rest.strip_prefix(b" @@")?))
    });
    let Some(((old_start, old_count), (new_start, new_count), heading)) = parsed else {
        bail!("line {}: a hunk header that cannot be read", line.number);
    };
    // No file has so many lines; beyond it, sums of these numbers would overflow.
    if [old_start, old_count, new_start, new_count].iter().any(|&number| number > i32::MAX as u64) {
        bail!("line {}: the numbers of the hunk header are too large", line.number);
    }
    let start = line.start + line.bytes.len() - heading.len();
    let heading = start..start + without_end(heading).len();
    Ok(Hunk { old_start, old_count, new_start, new_count, heading, line: line.number, ..Hunk::default() })
}

fn range(text: &[u8]) -> Option<((u64, u64), &[u8])> {
    let (start, rest) = number(text)?;
    match rest.strip_prefix(b",") {
        Some(rest) => number(rest).map(|(count, rest)| ((start, count), rest)),
        None => Some(((start, 1), rest)),
    }
}

/// A number too large for its type is the largest.
fn number(text: &[u8]) -> Option<(u64, &[u8])> {
    let length = text.iter().take_while(|byte| byte.is_ascii_digit()).count();
    let digits = std::str::from_utf8(&text[..length]).ok().filter(|digits| !digits.is_empty())?;
    Some((digits.parse().unwrap_or(u64::MAX), &text[length..]))
}
