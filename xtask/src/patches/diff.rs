//! The structure of a patch file: which files it touches and how, where its hunks stand, and its diff without the mail around it.
//!
//! Reads git's format (`git-diff(1)`, "Generating patch text with -p") and plain unified diffs, and refuses what could write
//! outside a source. Contents are not interpreted: they are read from the text by the spans that stand here.

pub mod hunk;
pub mod lines;
pub mod name;

pub use lines::read_file;

use super::content::Mode;
use anyhow::{Result, bail};
use lines::{Line, Lines};
use std::ops::Range;

/// One file's part of a patch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileDiff {
    /// None for a new file.
    pub old: Option<String>,
    /// None for a deleted file.
    pub new: Option<String>,
    /// In git's format, with a `diff --git` line. A plain diff knows no modes, and calls a new file by both names if it likes.
    pub git: bool,
    /// As far as the patch says it, if only on its `index` line.
    pub old_mode: Option<Mode>,
    /// Where the patch sets it.
    pub new_mode: Option<Mode>,
    /// None where the file keeps its name.
    pub moved: Option<Moved>,
    pub binary: Option<Binary>,
    pub hunks: Vec<Hunk>,
    /// The header with all that follows, within the patch's text.
    pub span: Range<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Moved {
    Rename,
    Copy,
}

/// Content that is not text.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Binary {
    /// The blobs before and after, where the `index` line names both in full.
    pub ids: Option<[String; 2]>,
    /// What follows the line `GIT binary patch`; empty where the patch says no more than that the files differ.
    pub data: Range<usize>,
}

/// A hunk's place. Lines are counted from 1; a side without lines has the number of the line before it.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Hunk {
    pub old_start: u64,
    pub old_count: u64,
    pub new_start: u64,
    pub new_count: u64,
    /// What follows the second `@@` without its line's end, within the patch's text.
    pub heading: Range<usize>,
    /// The hunk with its header, within the patch's text.
    pub span: Range<usize>,
    /// The line of the patch file that holds the `@@`, counted from 1.
    pub line: usize,
}

/// A patch, read.
#[derive(Clone, Debug, Default)]
pub struct Diff {
    pub files: Vec<FileDiff>,
    /// The lines that reach the result: file headers, hunks and binary data, without `index` lines.
    pub body: Vec<u8>,
}

/// Reads a patch; the error names the line.
pub fn read(text: &[u8]) -> Result<Diff> {
    let mut diff = Diff::default();
    let mut lines = Lines::of(text);
    // Where the lines begin that announce a plain diff: `Index: x`, `=====`, `diff -ru a/x b/x`.
    let mut announced: Option<usize> = None;
    while let Some(line) = lines.next() {
        let start = announced.unwrap_or(line.start);
        if let Some(names) = line.bytes.strip_prefix(b"diff --git ").filter(|_| lines.peek(0).is_some_and(continues)) {
            git_section(line, names, &mut lines, &mut diff)?;
        } else if let Some(plus) = plain_header(line, &lines) {
            plain_section(start, line, plus, &mut lines, &mut diff)?;
        } else if line.bytes.starts_with(b"@@ -") && !diff.files.is_empty() && hunk::header(line).is_ok() {
            bail!("line {}: a hunk that belongs to no file", line.number);
        } else if announces(line.bytes) {
            announced = Some(start);
            continue;
        }
        announced = None;
    }
    if diff.files.is_empty() {
        bail!("no diff in it");
    }
    Ok(diff)
}

impl Diff {
    /// Where the diff begins within the patch's text: all before it is the mail.
    pub fn start(&self) -> usize {
        self.files.first().map_or(0, |file| file.span.start)
    }

    /// Every path that is read or written, relative to the source's root, sorted.
    pub fn touches(&self) -> Vec<String> {
        let mut paths: Vec<String> =
            self.files.iter().flat_map(|file| [file.old.clone(), file.new.clone()]).flatten().collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

/// Whether the line after `diff --git` is one of a header, so that prose which begins like one is none.
fn continues(line: Line<'_>) -> bool {
    const WORDS: [&[u8]; 10] = [
        b"--- ",
        b"index ",
        b"old mode ",
        b"new mode ",
        b"new file mode ",
        b"deleted file mode ",
        b"similarity ",
        b"dissimilarity ",
        b"rename ",
        b"copy ",
    ];
    WORDS.iter().any(|word| line.bytes.starts_with(word))
}

fn announces(line: &[u8]) -> bool {
    line.starts_with(b"Index: ") || line.starts_with(b"diff -") || line.starts_with(b"==========")
}

/// The `+++` line, where `line` begins a plain diff: both names and a hunk, so that prose which looks like names is none.
fn plain_header<'t>(line: Line<'t>, rest: &Lines<'t>) -> Option<Line<'t>> {
    if !line.bytes.starts_with(b"--- ") {
        return None;
    }
    let (plus, at) = (rest.peek(0)?, rest.peek(1)?);
    (plus.bytes.starts_with(b"+++ ") && at.bytes.starts_with(b"@@ -")).then_some(plus)
}

fn plain_section<'t>(
    start: usize,
    minus: Line<'t>,
    plus: Line<'t>,
    lines: &mut Lines<'t>,
    diff: &mut Diff,
) -> Result<()> {
    lines.next();
    let (old, new) = name::plain(minus, plus)?;
    diff.body.extend_from_slice(minus.bytes);
    diff.body.extend_from_slice(plus.bytes);
    let mut file = FileDiff { old, new, ..FileDiff::default() };
    hunks(lines, &mut file, &mut diff.body)?;
    // As git has it: content on a side that the names or the time stamps call empty is a contradiction.
    consistent(&file, minus)?;
    file.span = start..lines.offset();
    diff.files.push(file);
    Ok(())
}

fn git_section<'t>(first: Line<'t>, names: &[u8], lines: &mut Lines<'t>, diff: &mut Diff) -> Result<()> {
    let mut header = Header { names: name::git(names, first.number)?, ..Header::default() };
    let mut file = FileDiff { git: true, ..FileDiff::default() };
    let mut ids = None;
    diff.body.extend_from_slice(first.bytes);
    while let Some(line) = lines.peek(0) {
        if let Some(index) = line.bytes.strip_prefix(b"index ") {
            let (both, mode) = index_line(index, line.number)?;
            ids = both;
            file.old_mode = file.old_mode.or(mode);
        } else if header.take(line, &mut file)? {
            diff.body.extend_from_slice(line.bytes);
        } else {
            break;
        }
        lines.next();
    }
    header.settle(&mut file, first.number)?;
    match lines.peek(0) {
        Some(line) if line.bytes.starts_with(b"GIT binary patch") => {
            diff.body.extend_from_slice(line.bytes);
            lines.next();
            let start = lines.offset();
            while let Some(line) = lines.peek(0).filter(|line| !ends_binary(line.bytes)) {
                diff.body.extend_from_slice(line.bytes);
                lines.next();
            }
            file.binary = Some(Binary { ids, data: start..lines.offset() });
        }
        Some(line) if line.bytes.starts_with(b"Binary files ") => {
            diff.body.extend_from_slice(line.bytes);
            lines.next();
            file.binary = Some(Binary { ids, data: lines.offset()..lines.offset() });
        }
        _ => hunks(lines, &mut file, &mut diff.body)?,
    }
    consistent(&file, first)?;
    file.span = first.start..lines.offset();
    diff.files.push(file);
    Ok(())
}

fn ends_binary(line: &[u8]) -> bool {
    line.starts_with(b"diff --git ") || line == b"-- \n"
}

/// What git's extended header lines say of the names; a side is `Some(None)` where it is `/dev/null`.
#[derive(Default)]
struct Header {
    /// Those of the first line, where they are clear.
    names: Option<(String, String)>,
    from: Option<String>,
    to: Option<String>,
    minus: Option<Option<String>>,
    plus: Option<Option<String>>,
    creates: bool,
    deletes: bool,
}

impl Header {
    /// Takes a line, if it is one of a header.
    fn take(&mut self, line: Line<'_>, file: &mut FileDiff) -> Result<bool> {
        let number = line.number;
        let mode = |rest| Mode::read(rest).map(Some).ok_or_else(|| no_mode(rest, number));
        let after = |word: &str| line.bytes.strip_prefix(word.as_bytes());
        if let Some(rest) = after("old mode ") {
            file.old_mode = mode(rest)?;
        } else if let Some(rest) = after("new mode ") {
            file.new_mode = mode(rest)?;
        } else if let Some(rest) = after("deleted file mode ") {
            file.old_mode = mode(rest)?;
            self.deletes = true;
        } else if let Some(rest) = after("new file mode ") {
            file.new_mode = mode(rest)?;
            self.creates = true;
        } else if let Some(rest) = after("rename from ").or(after("rename old ")) {
            self.from = Some(name::bare(rest, number)?);
            file.moved = Some(Moved::Rename);
        } else if let Some(rest) = after("copy from ") {
            self.from = Some(name::bare(rest, number)?);
            file.moved = Some(Moved::Copy);
        } else if let Some(rest) = after("rename to ").or(after("rename new ")).or(after("copy to ")) {
            self.to = Some(name::bare(rest, number)?);
        } else if let Some(rest) = after("--- ") {
            self.minus = Some(name::stripped(rest, number)?);
        } else if let Some(rest) = after("+++ ") {
            self.plus = Some(name::stripped(rest, number)?);
        } else {
            return Ok(after("similarity ").or(after("dissimilarity ")).is_some());
        }
        Ok(true)
    }

    /// Every line that names a side must name the same.
    fn settle(self, file: &mut FileDiff, number: usize) -> Result<()> {
        let (first_old, first_new) = self.names.unzip();
        if file.moved.is_some() && (self.from.is_none() || self.to.is_none()) {
            bail!("line {number}: a rename or copy without both names");
        }
        let contradicts = |clear: &Option<String>, side: &Option<Option<String>>, absent: bool| match side {
            Some(Some(name)) => absent || clear.as_ref().is_some_and(|clear| clear != name),
            Some(None) => !absent,
            None => false,
        };
        let old = self.from.or(first_old);
        let new = self.to.or(first_new);
        if contradicts(&old, &self.minus, self.creates) || contradicts(&new, &self.plus, self.deletes) {
            bail!("line {number}: the header's lines name different files");
        }
        let old = old.or(self.minus.flatten());
        let new = new.or(self.plus.flatten());
        if (old.is_none() && !self.creates) || (new.is_none() && !self.deletes) {
            bail!("line {number}: `diff --git` without two names");
        }
        file.old = old.filter(|_| !self.creates);
        file.new = new.filter(|_| !self.deletes);
        Ok(())
    }
}

fn no_mode(rest: &[u8], number: usize) -> anyhow::Error {
    let said = String::from_utf8_lossy(rest);
    anyhow::anyhow!("line {number}: `{}` is not the mode of a file or a link", said.trim_end())
}

/// `<id>..<id>[ <mode>]`: the ids, where they are whole.
fn index_line(rest: &[u8], number: usize) -> Result<(Option<[String; 2]>, Option<Mode>)> {
    let text = String::from_utf8_lossy(rest);
    let mut words = text.split_whitespace();
    let ids = words.next().and_then(|ids| ids.split_once(".."));
    let whole = |id: &&str| id.len() == 40 && id.bytes().all(|b| b.is_ascii_hexdigit());
    let ids = ids.filter(|(old, new)| whole(old) && whole(new)).map(|(old, new)| [old.to_owned(), new.to_owned()]);
    let Some(mode) = words.next() else { return Ok((ids, None)) };
    match Mode::read(mode.as_bytes()) {
        Some(mode) => Ok((ids, Some(mode))),
        None => Err(no_mode(mode.as_bytes(), number)),
    }
}

/// All hunks that follow.
fn hunks(lines: &mut Lines<'_>, file: &mut FileDiff, body: &mut Vec<u8>) -> Result<()> {
    while lines.peek(0).is_some_and(|line| line.bytes.starts_with(b"@@ -")) {
        file.hunks.push(hunk::read(lines, body)?);
    }
    Ok(())
}

fn consistent(file: &FileDiff, first: Line<'_>) -> Result<()> {
    let number = first.number;
    if file.old.is_none() && file.hunks.iter().any(|hunk| hunk.old_count > 0) {
        bail!("line {number}: a new file cannot have had lines");
    }
    if file.new.is_none() && file.hunks.iter().any(|hunk| hunk.new_count > 0) {
        bail!("line {number}: a deleted file cannot have lines left");
    }
    Ok(())
}

#[cfg(test)]
mod tests;
