//! A patch's diff for what its commit does now: the files whose part still is right keep it, the others get a new one.

use super::super::content::{Files, Mode, Tree as TreeBase};
use super::super::diff::FileDiff;
use super::super::{Patch, render};
use super::hunks::{self, Edit};
use anyhow::{Context as _, Result, bail};
use git2::{Delta, DiffOptions, ObjectType, Oid, Repository, Tree};
use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

/// What stands behind a patch's head.
pub struct Body {
    pub text: Vec<u8>,
    /// Hunks with other numbers.
    pub moved: usize,
    pub rewritten: Vec<String>,
}

/// The files that a commit changes, as they are then; none for one that goes.
pub type Wanted = BTreeMap<String, Option<(Mode, Oid)>>;

/// What leads from one tree to the other, file by file.
pub fn wanted(repository: &Repository, old: &Tree<'_>, new: &Tree<'_>) -> Result<Wanted> {
    let mut options = DiffOptions::new();
    options.include_typechange(true);
    let diff = repository.diff_tree_to_tree(Some(old), Some(new), Some(&mut options))?;
    let one = |delta: git2::DiffDelta<'_>| {
        let file = if delta.status() == Delta::Deleted { delta.old_file() } else { delta.new_file() };
        // Names and kinds that no patch can have are told by the render.
        let path = String::from_utf8_lossy(file.path_bytes().unwrap_or_default()).into_owned();
        let mode = Mode::of(u32::from(file.mode())).filter(|_| delta.status() != Delta::Deleted);
        (path, mode.map(|mode| (mode, file.id())))
    };
    Ok(diff.deltas().map(one).collect())
}

/// The hunks that the patch must move to make of the tree exactly what is wanted; none where it does something else.
pub fn fits(repository: &Repository, patch: &Patch, old: &Tree<'_>, wanted: &Wanted) -> Result<Option<Vec<Edit>>> {
    let base = TreeBase { repository, tree: old.clone() };
    let mut files = Files::over(&base);
    let Ok(edits) = hunks::moved(&mut files, patch)? else { return Ok(None) };
    let mut found = Wanted::new();
    for (path, file) in files.changed() {
        let now = match file {
            Some(file) => Some((file.mode, Oid::hash_object(ObjectType::Blob, &file.bytes)?)),
            None => None,
        };
        let entry = old.get_path(Path::new(path)).ok();
        let before = entry.and_then(|entry| Some((Mode::of(entry.filemode().cast_unsigned())?, entry.id())));
        if now != before {
            found.insert(path.clone(), now);
        }
    }
    Ok((found == *wanted).then_some(edits))
}

/// The diff for the commit that makes `new` of `old`.
pub fn body(repository: &Repository, patch: &Patch, old: &Tree<'_>, new: &Tree<'_>) -> Result<Body> {
    let wanted = wanted(repository, old, new)?;
    let start = patch.diff.start();
    if let Some(edits) = fits(repository, patch, old, &wanted)? {
        let text = hunks::edited(&patch.text, start..patch.text.len(), &edits);
        return Ok(Body { text, moved: edits.len(), rewritten: Vec::new() });
    }
    let sections = render::sections(repository, old, new)?;
    let body = composed(repository, patch, old, &wanted, &sections)?;
    let composed = Patch::of(body.text.clone(), patch.file.clone())?;
    if fits(repository, &composed, old, &wanted)?.is_some_and(|edits| edits.is_empty()) {
        return Ok(body);
    }
    bail!("{}: what was written does not make the commit's tree", patch.file)
}

/// Old parts that are right, with the new ones in the places of those that are not.
fn composed(
    repository: &Repository,
    patch: &Patch,
    old: &Tree<'_>,
    wanted: &Wanted,
    sections: &[render::Section],
) -> Result<Body> {
    let files = &patch.diff.files;
    let groups = Groups::of(files, sections);
    let (mut rewritten, mut moved) = (Vec::new(), 0);
    // The parts of the text, each with its group.
    let mut parts: Vec<(usize, Vec<u8>)> = Vec::new();
    let mut done = BTreeSet::new();
    for (i, file) in files.iter().enumerate() {
        let group = groups.of_file(file);
        if !done.insert(group) {
            continue;
        }
        let members = || files[i..].iter().filter(|other| groups.of_file(other) == group);
        let paths = &groups.paths[group];
        let here = wanted.iter().filter(|(path, _)| paths.contains(*path)).map(|(path, to)| (path.clone(), *to));
        if let Some(edits) = fits(repository, &hunks::part(patch, members()), old, &here.collect())? {
            moved += edits.len();
            parts.extend(members().map(|file| (group, hunks::edited(&patch.text, file.span.clone(), &edits))));
            continue;
        }
        rewritten.extend(paths.iter().filter(|path| wanted.contains_key(*path) || named(file, path)).cloned());
        let new = sections.iter().filter(|section| groups.of_section(section) == group);
        parts.extend(new.map(|section| (group, hunks::with_headings(&section.text, patch))));
    }
    let mut before = None;
    for section in sections {
        let group = groups.of_section(section);
        if done.insert(group) {
            // Behind the file that it follows in the order of names.
            let place = parts.iter().rposition(|(other, _)| Some(*other) == before).map_or(0, |at| at + 1);
            parts.insert(place, (group, section.text.clone()));
            rewritten.extend(section.new.clone().or(section.old.clone()));
        }
        before = Some(group);
    }
    let end = files.last().context("a patch has a file")?.span.end;
    let mut text = Vec::new();
    for (_, part) in &parts {
        text.extend_from_slice(part);
        if !text.ends_with(b"\n") {
            text.push(b'\n');
        }
    }
    text.extend_from_slice(&patch.text[end..]);
    rewritten.sort();
    rewritten.dedup();
    Ok(Body { text, moved, rewritten })
}

fn named(file: &FileDiff, path: &str) -> bool {
    file.old.as_deref() == Some(path) || file.new.as_deref() == Some(path)
}

/// Paths that some part names together: what is renamed cannot be kept for one name and written anew for the other.
struct Groups {
    paths: Vec<BTreeSet<String>>,
}

impl Groups {
    fn of(files: &[FileDiff], sections: &[render::Section]) -> Groups {
        let old = files.iter().map(|file| [&file.old, &file.new]);
        let new = sections.iter().map(|section| [&section.old, &section.new]);
        let mut paths: Vec<BTreeSet<String>> = Vec::new();
        for names in old.chain(new) {
            let names: BTreeSet<String> = names.into_iter().flatten().cloned().collect();
            let (touched, apart): (Vec<_>, Vec<_>) = paths.into_iter().partition(|group| !group.is_disjoint(&names));
            paths = apart;
            paths.push(touched.into_iter().flatten().chain(names).collect());
        }
        Groups { paths }
    }

    fn of_file(&self, file: &FileDiff) -> usize {
        self.with(file.new.as_ref().or(file.old.as_ref()))
    }

    fn of_section(&self, section: &render::Section) -> usize {
        self.with(section.new.as_ref().or(section.old.as_ref()))
    }

    fn with(&self, path: Option<&String>) -> usize {
        self.paths.iter().position(|group| path.is_some_and(|path| group.contains(path))).unwrap_or_default()
    }
}
