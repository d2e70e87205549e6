//! A diff turned round: what `quilt` does with a patch whose line in `series` says `-R`.

use super::section::{Hunk, Section};
use anyhow::{Result, bail};
use std::mem::swap;

pub fn reverse(section: &mut Section) -> Result<()> {
    if section.headers.iter().any(|line| line.starts_with(b"copy ")) {
        bail!("line {}: a copy cannot be reversed", section.line);
    }
    swap(&mut section.old, &mut section.new);
    section.headers.iter_mut().for_each(|line| *line = header(line));
    // git writes the old mode before the new one, and what is renamed before its new name.
    let rank = |line: &Vec<u8>| line.starts_with(b"new mode ") || line.starts_with(b"rename to ");
    section.headers.sort_by_key(|line| (line.starts_with(b"index "), line.starts_with(b"rename "), rank(line)));
    section.hunks.iter_mut().for_each(hunk);
    if section.binary.len() == 1 {
        bail!("line {}: a binary patch without its way back cannot be reversed", section.line);
    }
    section.binary.reverse();
    Ok(())
}

fn header(line: &[u8]) -> Vec<u8> {
    const PAIRS: [(&[u8], &[u8]); 3] =
        [(b"old mode ", b"new mode "), (b"new file mode ", b"deleted file mode "), (b"rename from ", b"rename to ")];
    for (one, other) in PAIRS {
        for (from, to) in [(one, other), (other, one)] {
            if let Some(rest) = line.strip_prefix(from) {
                return [to, rest].concat();
            }
        }
    }
    let text = String::from_utf8_lossy(line);
    let Some((ids, mode)) = text.strip_prefix("index ").map(|ids| ids.split_once(' ').unwrap_or((ids, ""))) else {
        return line.to_owned();
    };
    let (old, new) = ids.split_once("..").unwrap_or((ids, ids));
    format!("index {new}..{old} {mode}").trim_end().as_bytes().to_owned()
}

/// In each run of changes what is removed comes first, as `diff` writes it.
fn hunk(hunk: &mut Hunk) {
    swap(&mut hunk.old, &mut hunk.new);
    let lines = std::mem::take(&mut hunk.lines);
    let (mut removed, mut added) = (Vec::new(), Vec::new());
    let mut last = b' ';
    for mut line in lines {
        let mark = if line[0] == b'\\' { last } else { line[0] };
        if line[0] != b'\\' {
            line[0] = match mark {
                b'+' => b'-',
                b'-' => b'+',
                other => other,
            };
        }
        match mark {
            b'+' => removed.push(line),
            b'-' => added.push(line),
            _ => {
                hunk.lines.append(&mut removed);
                hunk.lines.append(&mut added);
                hunk.lines.push(line);
            }
        }
        last = mark;
    }
    hunk.lines.append(&mut removed);
    hunk.lines.append(&mut added);
}
