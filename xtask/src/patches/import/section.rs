//! The diffs of a patch of any make, file by file: git's, plain unified ones, those of CVS and Subversion.
//!
//! Names stay as they are written. What is no part of a diff is reported where somebody might miss it.

use crate::patches::diff::hunk;
use crate::patches::diff::lines::{Line, without_end};
use crate::patches::diff::name::whole;
use anyhow::{Result, bail};

/// One file's part of a patch.
#[derive(Clone, Debug, Default)]
pub struct Section {
    /// The line it begins at, counted from 1, for messages.
    pub line: usize,
    /// How many lines it has.
    pub length: usize,
    pub old: Side,
    pub new: Side,
    /// Has a `diff --git` line, so that nothing about the file is to be guessed.
    pub git: bool,
    /// git's header lines about modes, renames and binary contents, without line ends.
    pub headers: Vec<Vec<u8>>,
    pub hunks: Vec<Hunk>,
    /// The two halves of a binary patch, forward and back, each a line of its size and its data.
    pub binary: Vec<Vec<u8>>,
    /// Its header lines end in CR LF.
    pub dos: bool,
}

/// What a section says of the file before or after.
#[derive(Clone, Debug, Default)]
pub struct Side {
    /// With its leading folders; None is `/dev/null`.
    pub name: Option<String>,
    /// The time that `diff -N` writes for a file that is not there.
    pub absent: bool,
    /// git's `rename from` and `copy to`: without leading folders.
    pub whole: Option<String>,
}

#[derive(Clone, Debug)]
pub struct Hunk {
    /// First line and number of lines.
    pub old: (u64, u64),
    pub new: (u64, u64),
    /// What stands behind the second `@@`.
    pub heading: Vec<u8>,
    /// Each with its mark and its line end.
    pub lines: Vec<Vec<u8>>,
}

/// The sections, and what a reader should know of the rest.
#[derive(Debug, Default)]
pub struct Parsed {
    pub sections: Vec<Section>,
    pub said: Vec<String>,
}

/// The number of lines before the first diff.
pub fn start(lines: &[&[u8]]) -> Option<usize> {
    let first = (0..lines.len()).find(|&at| begins(lines, at))?;
    // The separators of CVS and Subversion stand above the names.
    const NOISE: [&[u8]; 5] = [b"Index: ", b"diff -", b"====", b"RCS file: ", b"retrieving revision "];
    let noise = |line: &&&[u8]| NOISE.iter().any(|start| line.starts_with(start));
    let above = lines[..first].iter().rev().take_while(noise).count();
    Some(first - above)
}

fn begins(lines: &[&[u8]], at: usize) -> bool {
    let next = |more: usize, with: &[u8]| lines.get(at + more).is_some_and(|line| line.starts_with(with));
    next(0, b"diff --git ") || (next(0, b"--- ") && next(1, b"+++ ") && next(2, b"@@ -"))
}

/// Reads the diffs from line `at` (from 0) on.
pub fn parse(lines: &[&[u8]], mut at: usize) -> Result<Parsed> {
    let mut parsed = Parsed::default();
    while at < lines.len() {
        if begins(lines, at) {
            let mut section = Section { line: at + 1, dos: lines[at].ends_with(b"\r\n"), ..Section::default() };
            let end = read(lines, at, &mut section)?;
            section.length = end - at;
            at = end;
            // What follows a header that promises nothing else is told below.
            if !section.hunks.is_empty() || !section.binary.is_empty() || section.changes_header() {
                parsed.sections.push(section);
            }
        } else if lines[at] == b"-- \n" {
            // The version of git that wrote the mail.
            at += 2;
        } else {
            rest(lines, at, &mut parsed.said)?;
            at += 1;
        }
    }
    Ok(parsed)
}

impl Section {
    /// Whether git's header says more than which contents are meant.
    fn changes_header(&self) -> bool {
        self.headers.iter().any(|line| !line.starts_with(b"index "))
    }
}

/// A line outside of all diffs.
fn rest(lines: &[&[u8]], at: usize, said: &mut Vec<String>) -> Result<()> {
    let line = without_end(lines[at]);
    let number = at + 1;
    let text = String::from_utf8_lossy(line);
    if line.starts_with(b"*** ") && lines.get(at + 1).is_some_and(|next| next.starts_with(b"--- ")) {
        bail!("line {number}: a context diff: only unified diffs (`diff -u`) can be taken");
    }
    if line.starts_with(b"@@ -") {
        bail!("line {number}: a hunk without the names of its files");
    }
    if text.starts_with("Only in ") || (text.contains(" differ") && text.contains("iles ")) {
        said.push(format!("line {number}: `{text}`: the patch does not hold that change"));
        return Ok(());
    }
    let known = ["diff ", "Index: ", "====", "RCS file: ", "retrieving revision ", "-- ", "# "];
    let told = "text between or after its diffs is not kept";
    if !line.is_empty() && !known.iter().any(|start| text.starts_with(start)) && !said.iter().any(|s| s.ends_with(told))
    {
        said.push(format!("line {number}: {told}"));
    }
    Ok(())
}

fn read(lines: &[&[u8]], mut at: usize, section: &mut Section) -> Result<usize> {
    if let Some(names) = lines[at].strip_prefix(b"diff --git ") {
        section.git = true;
        let (old, new) = halves(without_end(names), at + 1)?;
        (section.old.name, section.new.name) = (Some(old), Some(new));
        at = header(lines, at + 1, section)?;
        if lines.get(at).is_some_and(|line| line.starts_with(b"Binary files ")) {
            section.headers.clear();
        }
    }
    let named = |at: usize, mark: &[u8]| lines.get(at).is_some_and(|line| line.starts_with(mark));
    if named(at, b"--- ") && named(at + 1, b"+++ ") {
        let whole = (section.old.whole.take(), section.new.whole.take());
        section.old = side(&without_end(lines[at])[4..], at + 1)?;
        section.new = side(&without_end(lines[at + 1])[4..], at + 2)?;
        (section.old.whole, section.new.whole) = whole;
        at += 2;
    }
    while named(at, b"@@ -") {
        at = hunk(lines, at, section)?;
    }
    Ok(at)
}

fn header(lines: &[&[u8]], mut at: usize, section: &mut Section) -> Result<usize> {
    const KEPT: [&[u8]; 6] =
        [b"old mode ", b"new mode ", b"deleted file mode ", b"new file mode ", b"similarity ", b"dissimilarity "];
    while let Some(line) = lines.get(at).map(|line| without_end(line)) {
        let whole = |side: &mut Side, name: &[u8]| side.whole = whole(name, at + 1).ok();
        if let Some(name) = line.strip_prefix(b"rename from ").or(line.strip_prefix(b"copy from ")) {
            whole(&mut section.old, name);
        } else if let Some(name) = line.strip_prefix(b"rename to ").or(line.strip_prefix(b"copy to ")) {
            whole(&mut section.new, name);
        } else if line == b"GIT binary patch" {
            return binary(lines, at + 1, section);
        } else if !line.starts_with(b"index ") && !KEPT.iter().any(|start| line.starts_with(start)) {
            break;
        }
        section.headers.push(line.to_owned());
        at += 1;
    }
    Ok(at)
}

fn binary(lines: &[&[u8]], mut at: usize, section: &mut Section) -> Result<usize> {
    let size = |line: &[u8]| line.starts_with(b"literal ") || line.starts_with(b"delta ");
    while lines.get(at).is_some_and(|line| size(line)) {
        let mut half = Vec::new();
        while let Some(line) = lines.get(at).map(|line| without_end(line)).filter(|line| !line.is_empty()) {
            half.extend_from_slice(line);
            half.push(b'\n');
            at += 1;
        }
        section.binary.push(half);
        at += 1;
    }
    if section.binary.is_empty() {
        bail!("line {at}: binary data cannot be read");
    }
    Ok(at)
}

/// A hunk's lines, counted as its header says.
fn hunk(lines: &[&[u8]], at: usize, section: &mut Section) -> Result<usize> {
    let number = at + 1;
    let header = hunk::header(Line { bytes: lines[at], start: 0, number })?;
    let heading = lines[at][header.heading].to_owned();
    let (old, new) = ((header.old_start, header.old_count), (header.new_start, header.new_count));
    let mut hunk = Hunk { old, new, heading, lines: Vec::new() };
    let (mut old, mut new) = (old.1, new.1);
    let mut at = at + 1;
    while old > 0 || new > 0 {
        let Some(&line) = lines.get(at) else {
            bail!("line {number}: the hunk is cut off: {old} old and {new} new lines are missing");
        };
        // Some programs write an empty line of the file without its mark.
        let mark = line.first().copied().filter(|mark| !matches!(mark, b'\n' | b'\r')).unwrap_or(b' ');
        let (takes_old, takes_new) = match mark {
            b' ' => (1, 1),
            b'-' => (1, 0),
            b'+' => (0, 1),
            b'\\' => (0, 0),
            _ => bail!("line {}: not a line of a hunk", at + 1),
        };
        if takes_old > old || takes_new > new {
            bail!("line {}: the hunk at line {number} has more lines than its header says", at + 1);
        }
        old -= takes_old;
        new -= takes_new;
        hunk.lines.push(marked(line, mark));
        at += 1;
    }
    if let Some(line) = lines.get(at).filter(|line| line.starts_with(b"\\ ")) {
        hunk.lines.push(marked(line, b'\\'));
        at += 1;
    }
    section.hunks.push(hunk);
    Ok(at)
}

/// The line with its mark and a line end.
fn marked(line: &[u8], mark: u8) -> Vec<u8> {
    let mut marked = if line.first() == Some(&mark) { Vec::new() } else { vec![mark] };
    marked.extend_from_slice(line);
    if !line.ends_with(b"\n") {
        marked.push(b'\n');
    }
    marked
}

/// What follows `--- ` or `+++ `.
fn side(text: &[u8], number: usize) -> Result<Side> {
    let mut parts = text.splitn(2, |&b| b == b'\t');
    let name = parts.next().unwrap_or_default();
    let time = String::from_utf8_lossy(parts.next().unwrap_or_default()).into_owned();
    let absent = ["1970-01-01 ", "1969-12-31 "].iter().any(|day| time.starts_with(day))
        || (time.starts_with("Thu Jan  1 ") && time.contains("1970"))
        || (time.starts_with("Wed Dec 31 ") && time.contains("1969"));
    let name = whole(name, number)?;
    Ok(Side { absent, name: (name != "/dev/null").then_some(name), whole: None })
}

/// The two names of a `diff --git` line: quoted, or of two halves that are the same but for their first folder.
fn halves(names: &[u8], number: usize) -> Result<(String, String)> {
    let text = std::str::from_utf8(names).ok();
    let split = text.and_then(|text| {
        let at = |middle: usize| (&text[..middle], &text[middle + 1..]);
        if let Some(quoted) = text.strip_prefix('"') {
            return quoted.find("\" ").map(|end| at(end + 2));
        }
        let after = |name: &'_ str| name.split_once('/').map(|(_, rest)| rest.to_owned());
        let blanks = || text.match_indices(' ').map(|(middle, _)| at(middle));
        let same = |(old, new): &(&str, &str)| old == new || (after(old).is_some() && after(old) == after(new));
        blanks().find(same).or_else(|| blanks().find(|(_, new)| new.starts_with("b/") || new.starts_with("\"b/")))
    });
    let Some((old, new)) = split.or_else(|| text.and_then(|text| text.split_once(' '))) else {
        bail!("line {number}: `diff --git` without two names in UTF-8");
    };
    Ok((whole(old.as_bytes(), number)?, whole(new.as_bytes(), number)?))
}
