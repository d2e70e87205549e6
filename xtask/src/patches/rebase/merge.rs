//! Three-way merges of the few files that a patch touches, in memory; and where upstream has moved a file to.
//!
//! The base is the old side before the patch, "theirs" the old side after it, "ours" the new side so far. What is merged are trees
//! that hold these files and no others: most of two versions of a source differs, and is none of the patch's business.

use super::walk::Trees;
use crate::patches::content::{File, Files, Mode, Through};
use anyhow::{Context as _, Result};
use fs_err as fs;
use git2::{Delta, DiffFile, DiffFindOptions, FileMode, Index, IndexEntry, IndexTime, MergeOptions, Oid, Repository};
use std::collections::{BTreeMap, BTreeSet};
use tempfile::TempDir;

/// How alike two files must be, of 100, to be one that was moved: git's own bound.
const ALIKE: u16 = 50;
const COMPARED: usize = 10_000;

/// Paths, and what they are called in a tree that is merged. Where one side has moved a file, the others' names follow, so that its
/// contents meet.
pub type Names = BTreeMap<String, String>;

/// A repository for objects that nobody keeps.
pub struct Scratch {
    pub repository: Repository,
    _folder: TempDir,
}

impl Scratch {
    pub fn new() -> Result<Scratch> {
        crate::git::trust();
        let folder = tempfile::tempdir().context("making a temporary folder to merge in")?;
        let repository = Repository::init_bare(folder.path())?;
        // Before any attribute of the user's or the machine's.
        fs::create_dir_all(folder.path().join("info"))?;
        fs::write(folder.path().join("info/attributes"), "* merge\n")?;
        repository.odb()?.add_new_mempack_backend(1000)?;
        Ok(Scratch { repository, _folder: folder })
    }
}

/// The tree of those of the paths that are files, each under its name.
pub fn tree(repository: &Repository, files: &Files<'_>, names: &Names) -> Result<Oid> {
    let mut index = Index::new()?;
    for (path, name) in names {
        if let Some(file) = there(files, path)? {
            index.add(&entry(repository, name, &file)?)?;
        }
    }
    Ok(index.write_tree_to(repository)?)
}

/// The file, where there is one: below what is a file or a link by now there is nothing.
pub fn there(files: &Files<'_>, path: &str) -> Result<Option<File>> {
    files.get(path).or_else(|error| if error.is::<Through>() { Ok(None) } else { Err(error) })
}

fn entry(repository: &Repository, path: &str, file: &File) -> Result<IndexEntry> {
    let zero = IndexTime::new(0, 0);
    Ok(IndexEntry {
        ctime: zero,
        mtime: zero,
        dev: 0,
        ino: 0,
        mode: FileMode::from(file.mode).into(),
        uid: 0,
        gid: 0,
        file_size: 0,
        id: repository.blob(&file.bytes)?,
        flags: 0,
        flags_extended: 0,
        path: path.as_bytes().to_vec(),
    })
}

/// What merging gives, with stages where it conflicts.
pub fn merge(repository: &Repository, trees: &Trees) -> Result<Index> {
    let tree = |id| repository.find_tree(id);
    let mut options = MergeOptions::new();
    options.find_renames(false);
    Ok(repository.merge_trees(&tree(trees.base)?, &tree(trees.ours)?, &tree(trees.theirs)?, Some(&options))?)
}

/// The paths that stand in conflict, by any of their names.
pub fn conflicts(index: &Index) -> Result<BTreeSet<String>> {
    let mut paths = BTreeSet::new();
    for conflict in index.conflicts()? {
        let conflict = conflict?;
        // A file that was moved is found where it is now.
        let entry = conflict.our.or(conflict.their).or(conflict.ancestor).context("a conflict without a side")?;
        paths.insert(String::from_utf8(entry.path).context("a path that is not UTF-8")?);
    }
    Ok(paths)
}

/// Makes `files` what the merge gave, and says which paths that changed. `ours` are the names under which they went into it.
pub fn take(repository: &Repository, index: &Index, ours: &Names, files: &mut Files<'_>) -> Result<BTreeSet<String>> {
    let merged = contents(repository, index)?;
    let mut changed = BTreeSet::new();
    let gone = ours.keys().filter(|path| !merged.contains_key(*path)).map(|path| (path, None));
    let kept = merged.iter().map(|(path, file)| (path, Some(file)));
    for (path, file) in gone.chain(kept) {
        if there(files, path)?.as_ref() != file {
            files.set(path, file.cloned());
            changed.insert(path.clone());
        }
    }
    Ok(changed)
}

fn contents(repository: &Repository, index: &Index) -> Result<BTreeMap<String, File>> {
    let content = |entry: IndexEntry| {
        let mode = Mode::of(entry.mode).context("a merged file that is neither a file nor a link")?;
        let bytes = repository.find_blob(entry.id)?.content().into();
        Ok((String::from_utf8(entry.path).context("a path that is not UTF-8")?, File { mode, bytes }))
    };
    index.iter().map(content).collect()
}

/// Where files of `old` that are gone went, judged by their contents: to one of `candidates`, all of them files of `new`.
pub fn moved(
    repository: &Repository,
    (old, gone): (&Files<'_>, &BTreeSet<String>),
    (new, candidates): (&Files<'_>, &BTreeSet<String>),
) -> Result<Names> {
    let sizes = gone.iter().map(|path| Ok(there(old, path)?.map_or(0, |file| file.bytes.len())));
    let sizes: Vec<usize> = sizes.collect::<Result<_>>()?;
    let mut near = BTreeSet::new();
    for path in candidates {
        let Some(file) = there(new, path)? else { continue };
        // Files of which one is more than twice as long as the other are not half alike.
        if sizes.iter().any(|size| file.bytes.len() / 2 <= *size && size / 2 <= file.bytes.len()) {
            near.insert(path.clone());
        }
    }
    let before = repository.find_tree(tree(repository, old, &as_they_are(gone))?)?;
    let after = repository.find_tree(tree(repository, new, &as_they_are(&near))?)?;
    let mut diff = repository.diff_tree_to_tree(Some(&before), Some(&after), None)?;
    let mut find = DiffFindOptions::new();
    find.renames(true).rename_threshold(ALIKE).rename_limit(COMPARED);
    diff.find_similar(Some(&mut find))?;
    let path = |file: DiffFile<'_>| Some(file.path()?.to_str()?.to_owned());
    let renamed = diff.deltas().filter(|delta| delta.status() == Delta::Renamed);
    Ok(renamed.filter_map(|delta| Some((path(delta.old_file())?, path(delta.new_file())?))).collect())
}

/// Each path under its own name.
pub fn as_they_are<'p>(paths: impl IntoIterator<Item = &'p String>) -> Names {
    paths.into_iter().map(|path| (path.clone(), path.clone())).collect()
}
