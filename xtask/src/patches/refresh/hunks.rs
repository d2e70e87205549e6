//! Where hunks stand: a patch that applies elsewhere than it says gets the numbers of the place, and nothing else changes.

use super::super::Patch;
use super::super::apply::{self, Direction, Misfit, Offset};
use super::super::content::Files;
use super::super::diff::{self, Diff, FileDiff, Hunk};
use anyhow::Result;
use std::collections::BTreeSet;
use std::ops::Range;

/// Bytes of a patch's text and what they become.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Edit {
    pub span: Range<usize>,
    pub text: Vec<u8>,
}

/// Applies the patch; one edit for each hunk that stands elsewhere than it says.
pub fn moved(files: &mut Files<'_>, patch: &Patch) -> Result<Result<Vec<Edit>, Misfit>> {
    // An offset names its file and no more: parts of one patch that name the same file are told from each other one by one.
    let names: BTreeSet<&str> = patch.diff.files.iter().map(path).collect();
    if names.len() == patch.diff.files.len() {
        let offsets = match apply::apply(files, patch, Direction::Forward)? {
            Ok(offsets) => offsets,
            Err(misfit) => return Ok(Err(misfit)),
        };
        let edits = patch.diff.files.iter().flat_map(|file| edits(&patch.text, file, &offsets));
        return Ok(Ok(edits.collect()));
    }
    let mut all = Vec::new();
    for file in &patch.diff.files {
        match apply::apply(files, &part(patch, [file]), Direction::Forward)? {
            Ok(offsets) => all.extend(edits(&patch.text, file, &offsets)),
            Err(misfit) => return Ok(Err(misfit)),
        }
    }
    Ok(Ok(all))
}

/// Some files of a patch as a patch.
pub fn part<'p>(patch: &'p Patch, files: impl IntoIterator<Item = &'p FileDiff>) -> Patch {
    let mut part = patch.clone();
    part.diff.files = files.into_iter().cloned().collect();
    part
}

/// What an offset calls a file.
fn path(file: &FileDiff) -> &str {
    file.old.as_deref().or(file.new.as_deref()).unwrap_or_default()
}

fn edits(text: &[u8], file: &FileDiff, offsets: &[Offset]) -> Vec<Edit> {
    let mut edits = Vec::new();
    // How many lines the hunks before have added.
    let mut grown = 0;
    for (i, hunk) in file.hunks.iter().enumerate() {
        if let Some(offset) = offsets.iter().find(|offset| offset.path == path(file) && offset.hunk == i + 1) {
            edits.extend(header(text, hunk, offset.lines, grown));
        }
        grown += signed(hunk.new_count) - signed(hunk.old_count);
    }
    edits
}

/// The numbers of a hunk's header, where they are not right: an offset counts from the line that the new side says. A side without
/// lines has the number of the line before it.
fn header(text: &[u8], hunk: &Hunk, lines: i64, grown: i64) -> Option<Edit> {
    let before = (signed(hunk.new_start) - 1).max(0) + lines;
    let number = |before: i64, count: u64| (before + i64::from(count > 0)).max(0).to_string().into_bytes();
    let digits = |from: usize, mark: u8| {
        let start = text[from..].iter().position(|&b| b == mark).map_or(from, |at| from + at + 1);
        let count = text[start..].iter().take_while(|b| b.is_ascii_digit()).count();
        start..start + count
    };
    let first = digits(hunk.span.start, b'-');
    let second = digits(first.end, b'+');
    let (old, new) = (number(before - grown, hunk.old_count), number(before, hunk.new_count));
    let span = first.start..second.end;
    let numbers = [&old, &text[first.end..second.start], &new].concat();
    (numbers != text[span.clone()]).then_some(Edit { span, text: numbers })
}

/// A part that is written anew, where each hunk that was there before under another heading keeps that: which line stands there is
/// up to the git that wrote it.
pub fn with_headings(section: &[u8], patch: &Patch) -> Vec<u8> {
    fn hunks<'t>(text: &'t [u8], diff: &Diff) -> Vec<(&'t [u8], Range<usize>)> {
        let hunks = diff.files.iter().flat_map(|file| &file.hunks);
        hunks.map(|hunk| (&text[hunk.heading.end..hunk.span.end], hunk.heading.clone())).collect()
    }
    let Ok(diff) = diff::read(section) else { return section.to_vec() };
    let before = hunks(&patch.text, &patch.diff);
    let heading = |(lines, span): (&[u8], Range<usize>)| {
        let (_, heading) = before.iter().find(|(other, _)| *other == lines)?;
        Some(Edit { span, text: patch.text[heading.clone()].to_vec() })
    };
    let edits: Vec<Edit> = hunks(section, &diff).into_iter().filter_map(heading).collect();
    edited(section, 0..section.len(), &edits)
}

fn signed(number: u64) -> i64 {
    i64::try_from(number).unwrap_or(i64::MAX)
}

/// A range of the text with the edits that lie in it.
pub fn edited(text: &[u8], range: Range<usize>, edits: &[Edit]) -> Vec<u8> {
    let mut out = Vec::with_capacity(range.len());
    let mut at = range.start;
    for edit in edits.iter().filter(|edit| range.contains(&edit.span.start)) {
        out.extend_from_slice(&text[at..edit.span.start]);
        out.extend_from_slice(&edit.text);
        at = edit.span.end;
    }
    out.extend_from_slice(&text[at..range.end]);
    out
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECTION: &str = "diff --git a/f b/f\n--- a/f\n+++ b/f\n\
        @@ -1,3 +1,3 @@\n a\n-b\n+B\n c\n@@ -11,2 +11,3 @@ found by us\n k\n+new\n l\n";

    #[test]
    fn a_hunk_that_is_as_before_keeps_its_heading() {
        let text = "--- a/f\n+++ b/f\n@@ -9,2 +9,3 @@ def found_by_git():\n k\n+new\n l\n";
        let patch = Patch::of(text.as_bytes().to_vec(), "0101-f.patch".to_owned()).unwrap();
        let expected = SECTION.replace("found by us", "def found_by_git():");
        assert_eq!(String::from_utf8(with_headings(SECTION.as_bytes(), &patch)).unwrap(), expected);
    }
}
