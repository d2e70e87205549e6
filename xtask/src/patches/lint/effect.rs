//! Patches that change nothing, and patches that undo what an earlier one of the queue does.
//!
//! A hunk undoes another one that has the same lines, context included, with both sides exchanged; where they stand is not
//! compared, since the patches between them may have moved them.

use super::{Finding, Read};
use crate::patches::diff::{FileDiff, Moved};
use std::collections::BTreeMap;

/// One thing that a patch does to a file.
#[derive(Clone, Debug, PartialEq, Eq)]
struct Change {
    kind: Kind,
    before: Vec<u8>,
    after: Vec<u8>,
    /// The line of the patch file where that is to be seen, for a hunk.
    line: Option<usize>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Kind {
    Created,
    Deleted,
    Name,
    Mode,
    Binary,
    Hunk,
}

/// What was done to a file of that name, and how it was before and after.
type Key<'p> = (Kind, &'p str, Vec<u8>, Vec<u8>);

pub fn check(patches: &[Read<'_>], findings: &mut Vec<Finding>) {
    let mut done: BTreeMap<Key<'_>, &str> = BTreeMap::new();
    for patch in patches {
        let changes: Vec<(&FileDiff, Change)> =
            patch.diff.files.iter().flat_map(|file| changes(file, &patch.file.text).map(move |c| (file, c))).collect();
        if changes.is_empty() {
            let cure = "take it away, or find out where its change was lost";
            findings.push(patch.file.finding(None, "no-effect", "changes nothing", cure));
        }
        let mut undone: BTreeMap<&str, (Option<usize>, Vec<&str>)> = BTreeMap::new();
        for (file, change) in &changes {
            let kind = match change.kind {
                // A file that makes room for another one of its name is not undone by that.
                Kind::Created => continue,
                Kind::Deleted => Kind::Created,
                kind => kind,
            };
            let Some(path) = file.old.as_deref().or(file.new.as_deref()) else { continue };
            if let Some(earlier) = done.get(&(kind, path, change.after.clone(), change.before.clone())) {
                let (_, paths) = undone.entry(*earlier).or_insert((change.line, Vec::new()));
                paths.push(path);
            }
        }
        for (earlier, (line, mut paths)) in undone {
            paths.dedup();
            let text = format!("undoes what {earlier} does to {}", paths.join(", "));
            let cure = "take both changes away, or make one patch of what is left of them";
            findings.push(patch.file.finding(line, "cancels", &text, cure));
        }
        for (file, change) in changes {
            if let Some(path) = file.new.as_deref().or(file.old.as_deref()) {
                done.insert((change.kind, path, change.before, change.after), patch.file.name());
            }
        }
    }
}

/// What a patch does to one file: nothing at all where only context stands in it.
fn changes<'p>(file: &'p FileDiff, text: &'p [u8]) -> impl Iterator<Item = Change> + use<'p> {
    let change =
        |kind, before: &[u8], after: &[u8]| Change { kind, before: before.to_vec(), after: after.to_vec(), line: None };
    let mut changes = Vec::new();
    match (&file.old, &file.new) {
        (None, _) => changes.push(change(Kind::Created, b"", b"")),
        (_, None) => changes.push(change(Kind::Deleted, b"", b"")),
        (Some(old), Some(new)) => {
            if file.moved.is_some() {
                // What was copied is still there under its old name.
                let before = if file.moved == Some(Moved::Rename) { old.as_bytes() } else { b"" };
                changes.push(change(Kind::Name, before, new.as_bytes()));
            }
            if let (Some(old), Some(new)) = (file.old_mode, file.new_mode)
                && old != new
            {
                changes.push(change(Kind::Mode, format!("{old:?}").as_bytes(), format!("{new:?}").as_bytes()));
            }
        }
    }
    if let Some(binary) = file.binary.as_ref().filter(|binary| !binary.data.is_empty()) {
        // Without both ids two patches are not compared: no two pieces of data are each other's `after` and `before`.
        let ids = binary.ids.as_ref().map(|[old, new]| (old.as_bytes(), new.as_bytes()));
        let (before, after) = ids.unwrap_or((b"", &text[binary.data.clone()]));
        changes.push(change(Kind::Binary, before, after));
    }
    let hunks = file.hunks.iter().map(|hunk| {
        let (before, after) = sides(&text[hunk.span.clone()]);
        Change { kind: Kind::Hunk, before, after, line: Some(hunk.line) }
    });
    changes.into_iter().chain(hunks).filter(|change| change.kind <= Kind::Deleted || change.before != change.after)
}

/// A hunk's old and new lines, without its header.
fn sides(hunk: &[u8]) -> (Vec<u8>, Vec<u8>) {
    let (mut old, mut new) = (Vec::new(), Vec::new());
    let mut last = b' ';
    for line in hunk.split_inclusive(|&b| b == b'\n').skip(1) {
        // A line without any mark is an empty line of context; `\ No newline at end of file` belongs to the line before it.
        let (mark, rest) = match line.split_first() {
            Some((&mark @ (b' ' | b'-' | b'+'), rest)) => (mark, rest),
            Some((b'\\', _)) => (last, &b"\\"[..]),
            _ => (b' ', line),
        };
        if mark != b'+' {
            old.extend_from_slice(rest);
        }
        if mark != b'-' {
            new.extend_from_slice(rest);
        }
        last = mark;
    }
    (old, new)
}
