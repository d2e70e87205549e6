//! The structure of a patch file: which files it touches, where its hunks stand, and its diff without the mail around it.
//!
//! Reads git's format (`git-diff(1)`, "Generating patch text with -p") and plain unified diffs. Applying is left to `git apply`;
//! contents are not interpreted.

use anyhow::{Result, bail};

/// One file's part of a patch.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct FileDiff {
    /// None for a new file.
    pub old: Option<String>,
    /// None for a deleted file.
    pub new: Option<String>,
    pub hunks: Vec<Hunk>,
}

/// A hunk's place.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Hunk {
    /// The first line of the old file, counted from 1.
    pub old_start: u64,
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
    let lines: Vec<&[u8]> = text.split_inclusive(|&b| b == b'\n').collect();
    let mut at = 0;
    while at < lines.len() {
        let line = lines[at];
        let number = at + 1;
        if let Some(names) = line.strip_prefix(b"diff --git ") {
            let (old, new) = git_names(names, number)?;
            diff.files.push(FileDiff { old: Some(old), new: Some(new), hunks: Vec::new() });
            diff.body.extend_from_slice(line);
            at += 1;
            at = git_header(&lines, at, &mut diff)?;
        } else if line.starts_with(b"--- ") && lines.get(at + 1).is_some_and(|next| next.starts_with(b"+++ ")) {
            let old = name_after(line, number)?;
            let new = name_after(lines[at + 1], number + 1)?;
            let is_new_file =
                diff.files.last().is_none_or(|file| !file.hunks.is_empty() || !same_file(file, &old, &new));
            if is_new_file {
                diff.files.push(FileDiff { old, new, hunks: Vec::new() });
            }
            diff.body.extend_from_slice(line);
            diff.body.extend_from_slice(lines[at + 1]);
            at += 2;
        } else if line.starts_with(b"@@ ") && !diff.files.is_empty() {
            at = hunk(&lines, at, &mut diff)?;
        } else {
            at += 1;
        }
    }
    if diff.files.is_empty() {
        bail!("no diff in it");
    }
    Ok(diff)
}

impl Diff {
    /// Every path that is read or written, relative to the source's root, sorted.
    pub fn touches(&self) -> Vec<String> {
        let mut paths: Vec<String> =
            self.files.iter().flat_map(|file| [file.old.clone(), file.new.clone()]).flatten().collect();
        paths.sort();
        paths.dedup();
        paths
    }
}

fn same_file(file: &FileDiff, old: &Option<String>, new: &Option<String>) -> bool {
    (old.is_none() || *old == file.old) && (new.is_none() || *new == file.new)
}

/// The extended header lines after `diff --git`, and binary data where there is some.
fn git_header(lines: &[&[u8]], mut at: usize, diff: &mut Diff) -> Result<usize> {
    while at < lines.len() {
        let line = lines[at];
        let known: &[&[u8]] = &[b"old mode ", b"new mode ", b"similarity ", b"dissimilarity ", b"copy ", b"rename "];
        let file = diff.files.last_mut().expect("a header was just pushed");
        if line.starts_with(b"deleted file mode ") {
            file.new = None;
        } else if line.starts_with(b"new file mode ") {
            file.old = None;
        } else if line.starts_with(b"index ") {
            at += 1;
            continue;
        } else if line.starts_with(b"GIT binary patch") {
            while at < lines.len() && !lines[at].starts_with(b"diff --git ") && lines[at] != b"-- \n" {
                diff.body.extend_from_slice(lines[at]);
                at += 1;
            }
            return Ok(at);
        } else if !known.iter().any(|start| line.starts_with(start)) {
            return Ok(at);
        }
        diff.body.extend_from_slice(line);
        at += 1;
    }
    Ok(at)
}

/// A hunk's lines, counted as its header says, so that a removed line that starts with `-- ` is no header.
fn hunk(lines: &[&[u8]], at: usize, diff: &mut Diff) -> Result<usize> {
    let number = at + 1;
    let Some((old_start, mut old, mut new)) = hunk_header(lines[at]) else {
        bail!("line {number}: a hunk header that cannot be read");
    };
    let file = diff.files.last_mut().expect("the caller has seen a file");
    file.hunks.push(Hunk { old_start, line: number });
    diff.body.extend_from_slice(lines[at]);
    let mut at = at + 1;
    while old > 0 || new > 0 {
        let Some(line) = lines.get(at) else {
            bail!("line {number}: the hunk is cut off: {old} old and {new} new lines are missing");
        };
        let (takes_old, takes_new) = match line.first() {
            Some(b' ' | b'\n' | b'\r') => (1, 1),
            Some(b'-') => (1, 0),
            Some(b'+') => (0, 1),
            Some(b'\\') => (0, 0),
            _ => bail!("line {}: not a line of a hunk", at + 1),
        };
        if takes_old > old || takes_new > new {
            bail!("line {}: the hunk at line {number} has more lines than its header says", at + 1);
        }
        old -= takes_old;
        new -= takes_new;
        diff.body.extend_from_slice(line);
        at += 1;
    }
    if let Some(line) = lines.get(at).filter(|line| line.starts_with(b"\\ ")) {
        diff.body.extend_from_slice(line);
        at += 1;
    }
    Ok(at)
}

/// `@@ -start[,count] +start[,count] @@`: the old start and both counts.
fn hunk_header(line: &[u8]) -> Option<(u64, u64, u64)> {
    let text = std::str::from_utf8(line).ok().or_else(|| {
        let end = line.windows(3).skip(3).position(|part| part == b" @@")?;
        std::str::from_utf8(&line[..end + 6]).ok()
    })?;
    let mut words = text.split(' ').skip(1);
    let old = range(words.next()?.strip_prefix('-')?)?;
    let new = range(words.next()?.strip_prefix('+')?)?;
    words.next()?.starts_with("@@").then_some((old.0, old.1, new.1))
}

fn range(text: &str) -> Option<(u64, u64)> {
    match text.split_once(',') {
        Some((start, count)) => Some((start.parse().ok()?, count.parse().ok()?)),
        None => Some((text.parse().ok()?, 1)),
    }
}

/// Both names of a `diff --git` line. Unquoted names hold no separator but ` b/`; equal halves are git's own rule.
fn git_names(names: &[u8], number: usize) -> Result<(String, String)> {
    let text = String::from_utf8_lossy(names);
    let text = text.trim_end_matches(['\n', '\r']);
    let split = if let Some(quoted) = text.strip_prefix('"') {
        quoted.find("\" ").map(|end| (&text[..end + 2], &text[end + 3..]))
    } else {
        text.match_indices(' ')
            .map(|(middle, _)| (&text[..middle], &text[middle + 1..]))
            .find(|(old, new)| old.get(2..).is_some() && old.get(2..) == new.get(2..))
            .or_else(|| text.find(" b/").map(|middle| (&text[..middle], &text[middle + 1..])))
            .or_else(|| text.find(" \"b/").map(|middle| (&text[..middle], &text[middle + 1..])))
    };
    let Some((old, new)) = split else { bail!("line {number}: `diff --git` without two names") };
    let (Some(old), Some(new)) = (stripped(old, number)?, stripped(new, number)?) else {
        bail!("line {number}: `diff --git` names /dev/null");
    };
    Ok((old, new))
}

/// The name of a `---` or `+++` line; None is `/dev/null`.
fn name_after(line: &[u8], number: usize) -> Result<Option<String>> {
    let text = String::from_utf8_lossy(&line[4..]);
    let text = text.trim_end_matches(['\n', '\r']);
    // A plain diff may carry a time stamp behind a tabulator.
    stripped(text.split('\t').next().unwrap_or(text), number)
}

/// A name without its first component (`a/`, `b/`), unquoted, and refused when it could leave the source.
fn stripped(name: &str, number: usize) -> Result<Option<String>> {
    let name = unquote(name);
    if name == "/dev/null" {
        return Ok(None);
    }
    let Some((_, path)) = name.split_once('/') else {
        bail!("line {number}: `{name}` has no leading folder to strip");
    };
    if name.starts_with('/') || path.split('/').any(|part| part.is_empty() || part == "." || part == "..") {
        bail!("line {number}: `{name}` leaves the source tree");
    }
    if path.split('/').any(|part| part.eq_ignore_ascii_case(".git")) {
        bail!("line {number}: `{name}` writes into git's own folder");
    }
    Ok(Some(path.to_owned()))
}

/// Git's C-style quoting (`core.quotePath`): octal bytes and the usual escapes.
fn unquote(name: &str) -> String {
    let Some(inner) = name.strip_prefix('"').and_then(|rest| rest.strip_suffix('"')) else {
        return name.to_owned();
    };
    let mut bytes = Vec::new();
    let mut rest = inner.bytes().peekable();
    while let Some(byte) = rest.next() {
        if byte != b'\\' {
            bytes.push(byte);
            continue;
        }
        match rest.next() {
            Some(b'n') => bytes.push(b'\n'),
            Some(b't') => bytes.push(b'\t'),
            Some(digit @ b'0'..=b'7') => {
                let mut value = u32::from(digit - b'0');
                while let Some(next) = rest.next_if(|next| (b'0'..=b'7').contains(next)) {
                    value = value * 8 + u32::from(next - b'0');
                }
                bytes.push(value as u8);
            }
            Some(other) => bytes.push(other),
            None => {}
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    const MAIL: &[u8] = b"From 0000000000000000000000000000000000000000 Mon Sep 17 00:00:00 2001\n\
Subject: [PATCH] x\n\n--- a line of prose\n---\n a.c | 2 +-\n\n\
diff --git a/a.c b/a.c\nindex 1234567..89abcde 100644\n--- a/a.c\n+++ b/a.c\n@@ -3,2 +3,2 @@ main()\n one\n--- two\n+++ three\n\
diff --git a/old b/new\nsimilarity index 100%\nrename from old\nrename to new\n\
diff --git a/gone b/gone\ndeleted file mode 100644\n--- a/gone\n+++ /dev/null\n@@ -1 +0,0 @@\n-x\n\\ No newline at end of file\n-- \n2.39\n";

    #[test]
    fn files_and_hunks_are_found_and_the_mail_is_not() {
        let diff = read(MAIL).unwrap();
        assert_eq!(diff.touches(), ["a.c", "gone", "new", "old"]);
        assert_eq!(diff.files[0].hunks, [Hunk { old_start: 3, line: 12 }]);
        assert_eq!(diff.files[2].new, None);
        let body = String::from_utf8(diff.body).unwrap();
        assert!(body.contains("--- two\n+++ three\n"));
        assert!(!body.contains("prose") && !body.contains("index 1234567") && !body.contains("2.39"), "{body}");
    }

    #[test]
    fn a_name_that_leaves_the_tree_is_refused_with_its_line() {
        for (name, why) in
            [("a/../../etc/passwd", "leaves"), ("a/x/.git/config", "git's own"), ("/etc/passwd", "leaves")]
        {
            let text = format!("--- {name}\n+++ {name}\n@@ -1 +1 @@\n-a\n+b\n");
            let error = read(text.as_bytes()).unwrap_err().to_string();
            assert!(error.starts_with("line 1: ") && error.contains(why), "{error}");
        }
    }

    #[test]
    fn quoted_names_and_plain_diffs_are_read() {
        let diff = read(b"--- x.orig/f g\t2024-01-01\n+++ x/f g\t2024-01-02\n@@ -1 +1 @@\n-a\n+b\n").unwrap();
        assert_eq!(diff.touches(), ["f g"]);
        let diff = read(b"diff --git \"a/\\303\\251\" \"b/\\303\\251\"\nold mode 100644\nnew mode 100755\n").unwrap();
        assert_eq!(diff.touches(), ["é"]);
    }

    #[test]
    fn a_cut_off_hunk_is_an_error() {
        let error = read(b"--- a/f\n+++ b/f\n@@ -1,3 +1,3 @@\n a\n").unwrap_err().to_string();
        assert_eq!(error, "line 3: the hunk is cut off: 2 old and 2 new lines are missing");
        assert_eq!(read(b"just words\n").unwrap_err().to_string(), "no diff in it");
    }
}
