//! The diff of two trees as a queue's file holds it: git's format, three lines of context, renames found, `index` lines only where
//! binary data needs them.
//!
//! libgit2 finds the changes; the hunks are made of the blobs alone, since a diff within a repository obeys whatever attributes the
//! repository, the user and the machine have.

use crate::fault::Fault;
use anyhow::Result;
use git2::{Delta, Diff, DiffDelta, DiffFile, DiffFindOptions, DiffFormat, DiffLineType, DiffOptions, FileMode, Oid};
use git2::{Patch, Repository, Tree};
use std::collections::BTreeMap;

/// How alike two files must be, of 100, and how many are compared with each other: git's own bounds.
const ALIKE: u16 = 50;
const COMPARED: usize = 1000;

/// Where git looks for a NUL when it decides whether a file is binary.
const LOOKED_AT: usize = 8000;

/// One file's part of a diff.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Section {
    /// None for a new file.
    pub old: Option<String>,
    /// None for a deleted file.
    pub new: Option<String>,
    pub text: Vec<u8>,
}

/// Empty when the trees are the same. The same trees give the same bytes on any machine: no configuration or attribute is read.
pub fn diff(repository: &Repository, old: &Tree<'_>, new: &Tree<'_>) -> Result<Vec<u8>> {
    Ok(sections(repository, old, new)?.into_iter().flat_map(|section| section.text).collect())
}

/// The diff by files, in the order of their names.
pub fn sections(repository: &Repository, old: &Tree<'_>, new: &Tree<'_>) -> Result<Vec<Section>> {
    let mut diff = repository.diff_tree_to_tree(Some(old), Some(new), Some(&mut options()))?;
    // libgit2 would find that the file which a link replaces was renamed, and git refuses to apply that.
    if diff.deltas().all(|delta| delta.status() != Delta::Typechange) {
        // The configuration is asked for whatever is not said here.
        let mut find = DiffFindOptions::new();
        find.renames(true).rename_threshold(ALIKE).rename_limit(COMPARED);
        diff.find_similar(Some(&mut find))?;
    }
    let alike = similarities(&diff)?;
    diff.deltas().enumerate().map(|(i, delta)| section(repository, &delta, alike.get(&i))).collect()
}

fn options() -> DiffOptions {
    let mut options = DiffOptions::new();
    options.context_lines(3).interhunk_lines(0).indent_heuristic(true).show_binary(true).include_typechange(true);
    options
}

/// What libgit2 found of renames, by the delta's place: `similarity index 95%`. It tells nobody but in a header.
fn similarities(diff: &Diff<'_>) -> Result<BTreeMap<usize, Vec<u8>>> {
    let mut found = BTreeMap::new();
    if diff.deltas().all(|delta| delta.status() != Delta::Renamed) {
        return Ok(found);
    }
    let renames: BTreeMap<(Oid, Vec<u8>), usize> =
        diff.deltas().enumerate().map(|(i, delta)| (key(&delta), i)).collect();
    diff.print(DiffFormat::PatchHeader, |delta, _, line| {
        let mut lines = line.content().split_inclusive(|&b| b == b'\n');
        if line.origin_value() == DiffLineType::FileHeader
            && let Some(similarity) = lines.find(|line| line.starts_with(b"similarity index "))
            && let Some(&place) = renames.get(&key(&delta))
        {
            found.insert(place, similarity.to_vec());
        }
        true
    })?;
    Ok(found)
}

/// A file's new name and content name its delta; a deleted one has neither, and no similarity.
fn key(delta: &DiffDelta<'_>) -> (Oid, Vec<u8>) {
    (delta.new_file().id(), delta.new_file().path_bytes().unwrap_or_default().to_vec())
}

fn section(repository: &Repository, delta: &DiffDelta<'_>, similarity: Option<&Vec<u8>>) -> Result<Section> {
    let side = |file: DiffFile<'_>| Side::read(repository, file);
    let (old, new) = (side(delta.old_file())?, side(delta.new_file())?);
    let (old, new) = match delta.status() {
        Delta::Added => (None, Some(new)),
        Delta::Deleted => (Some(old), None),
        _ => (Some(old), Some(new)),
    };
    // As git does: a file that becomes a link is deleted and made anew.
    let text = match delta.status() {
        Delta::Typechange => [text(old.as_ref(), None, None)?, text(None, new.as_ref(), None)?].concat(),
        _ => text(old.as_ref(), new.as_ref(), similarity)?,
    };
    Ok(Section { old: old.map(|side| side.path), new: new.map(|side| side.path), text })
}

/// One side of a file's change.
struct Side {
    path: String,
    mode: FileMode,
    id: Oid,
    bytes: Vec<u8>,
}

impl Side {
    fn read(repository: &Repository, file: DiffFile<'_>) -> Result<Side> {
        let bytes = file.path_bytes().unwrap_or_default();
        let path = String::from_utf8(bytes.to_vec()).map_err(|_| {
            Fault::failed(format!("{}: the name is not UTF-8", bytes.escape_ascii())).cure("give the file another name")
        })?;
        let mode = file.mode();
        if mode == FileMode::Commit {
            let what = format!("{path} is another repository, of which a patch holds nothing");
            return Err(Fault::failed(what).cure("add its files instead, or take it out of the commit").into());
        }
        let id = file.id();
        let bytes = if id.is_zero() { Vec::new() } else { repository.find_blob(id)?.content().to_vec() };
        Ok(Side { path, mode, id, bytes })
    }

    fn is_binary(&self) -> bool {
        self.bytes.iter().take(LOOKED_AT).any(|&byte| byte == 0)
    }
}

fn text(old: Option<&Side>, new: Option<&Side>, similarity: Option<&Vec<u8>>) -> Result<Vec<u8>> {
    let name = |prefix: &str, side: Option<&Side>| side.map(|side| quoted(&format!("{prefix}/{}", side.path)));
    let (a, b) = (name("a", old.or(new)), name("b", new.or(old)));
    let mut text = format!("diff --git {} {}\n", a.unwrap_or_default(), b.unwrap_or_default()).into_bytes();
    match (old, new) {
        (Some(old), None) => text.extend(format!("deleted file mode {:06o}\n", u32::from(old.mode)).bytes()),
        (None, Some(new)) => text.extend(format!("new file mode {:06o}\n", u32::from(new.mode)).bytes()),
        (Some(old), Some(new)) => {
            if old.mode != new.mode {
                let modes = (u32::from(old.mode), u32::from(new.mode));
                text.extend(format!("old mode {:06o}\nnew mode {:06o}\n", modes.0, modes.1).bytes());
            }
            if old.path != new.path {
                text.extend(similarity.into_iter().flatten());
                text.extend(format!("rename from {}\nrename to {}\n", quoted(&old.path), quoted(&new.path)).bytes());
            }
        }
        (None, None) => {}
    }
    let (before, after) = (old.map_or(&[][..], |old| &old.bytes), new.map_or(&[][..], |new| &new.bytes));
    if before == after {
        return Ok(text);
    }
    let binary = [old, new].into_iter().flatten().any(Side::is_binary);
    let mut options = options();
    options.force_text(!binary).force_binary(binary);
    let printed = Patch::from_buffers(before, None, after, None, Some(&mut options))?.to_buf()?;
    if binary {
        // The result of binary data is checked by its id.
        let id = |side: Option<&Side>| side.map_or(Oid::ZERO_SHA1, |side| side.id);
        text.extend(format!("index {}..{}\n", id(old), id(new)).bytes());
        text.extend(from_line(&printed, b"GIT binary patch"));
        return Ok(text);
    }
    // A name with a space is followed by a tab, so that no reader takes what follows for a time stamp.
    let line = |name: Option<String>| match name {
        Some(name) if name.contains(' ') => name + "\t\n",
        Some(name) => name + "\n",
        None => "/dev/null\n".to_owned(),
    };
    text.extend(format!("--- {}+++ {}", line(name("a", old)), line(name("b", new))).bytes());
    text.extend(from_line(&printed, b"@@ "));
    Ok(text)
}

/// What stands from the first line on that begins so.
fn from_line<'t>(text: &'t [u8], start: &[u8]) -> &'t [u8] {
    let mut rest = text;
    while !rest.is_empty() && !rest.starts_with(start) {
        rest = memchr::memchr(b'\n', rest).map_or(&[], |end| &rest[end + 1..]);
    }
    rest
}

/// As git writes names (`core.quotePath`): quoted when a byte would be misread.
fn quoted(name: &str) -> String {
    if name.bytes().all(|b| matches!(b, b' '..=b'~') && !matches!(b, b'"' | b'\\')) {
        return name.to_owned();
    }
    let byte = |b: u8| match b {
        b'\n' => "\\n".to_owned(),
        b'\t' => "\\t".to_owned(),
        b'"' | b'\\' => format!("\\{}", char::from(b)),
        b' '..=b'~' => char::from(b).to_string(),
        _ => format!("\\{b:03o}"),
    };
    format!("\"{}\"", name.bytes().map(byte).collect::<String>())
}
